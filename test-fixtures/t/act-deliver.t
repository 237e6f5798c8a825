#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""deliver and bounce: the real sendmail, run for exactly the messages that were selected; what is
said of each is what came of it."""
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()
ENV = {"QF_CONF": "/dev/null", "QF_STATE": "", "QF_QUEUE": ""}


def same(got, wanted, name):
    tap.ok(got == wanted, name, got, wanted)


def one(lab, recipients=("bob@dst.example",), *options):
    """One message into the queue; its id."""
    before = set(os.listdir(lab.queue))
    lab.inject(list(recipients), "Subject: x\n\nhello\n", "-f", "ann@src.example", *options)
    return [name[2:] for name in set(os.listdir(lab.queue)) - before if name[:2] == "qf"][0]


def words(lab, command, *args):
    return [command, "--sendmail", lab.sendmail, "-C", lab.cf, *args]


def qf(lab, command, *args):
    """A driving command; the status, what it said of each message, and the rest."""
    done = harness.qf(*words(lab, command, *args), "--format=json", env=lab.environment(ENV))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, [line for line in lines if line["schema"] == "qf.action/1"], done.stderr


def start(lab, command, *args):
    """The same in the background, in a session of its own."""
    return subprocess.Popen([harness.QF, *words(lab, command, *args)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                            env=lab.environment(ENV))


def names(lab):
    return sorted(name for name in os.listdir(lab.queue) if name != ".qf")


def got(sink):
    return sorted((m["sender"], r) for m in sink.messages for r in m["recipients"])


def exactly_those(lab, sink):
    ids = [one(lab, ["%s@dst.example" % name]) for name in ("ann", "bob", "eve")]
    status, said, errors = qf(lab, "deliver", "--yes", "rcpt:bob")
    tap.ok(status == 0 and [s["id"] for s in said] == [ids[1]] and said[0]["result"] == "done" and
           "Sent (2.0.0 taken)" in said[0]["why"], "deliver: done, with the answer", said, errors)
    same(got(sink), [("ann@src.example", "bob@dst.example")], "the one and no other")
    tap.ok(set(names(lab)) == {p + i for p in ("df", "qf") for i in (ids[0], ids[2])},
           "the others are still queued", names(lab))
    status, said, errors = qf(lab, "deliver", "rcpt:ann")
    tap.ok(status == 64 and not said and b"--yes" in errors, "a filter needs --yes", errors)
    status, said, errors = qf(lab, "deliver", "-n", "rcpt:ann")
    tap.ok(status == 0 and said[0]["result"] == "planned" and len(sink.messages) == 1,
           "a dry run does nothing", said, errors)
    status, said, errors = qf(lab, "deliver", ids[0], ids[2])
    tap.ok(status == 0 and not names(lab) and len(sink.messages) == 3, "several ids", said, errors)


def deferred(lab, sink):
    id = one(lab, ["bob@dst.example", "eve@dst.example"])
    sink.answer("rcpt", "450 4.2.0 later", only="eve@")
    status, said, errors = qf(lab, "deliver", id)
    tap.ok(status == 2 and said[0]["result"] == "failed" and
           said[0]["why"].startswith("still queued for 1 of 2: ") and "later" in said[0]["why"],
           "still queued: for how many, and why", said, errors)
    same(got(sink), [("ann@src.example", "bob@dst.example")], "the other one was delivered to")
    status, said, errors = qf(lab, "deliver", "--redact", id)
    tap.ok(b"eve@" not in errors and "eve@" not in said[0]["why"] and "later" in said[0]["why"],
           "--redact: no address in what sendmail said", said, errors)
    lab.set(MinQueueAge="30m")
    sink.clear()
    status, said, errors = qf(lab, "deliver", id)
    tap.ok(status == 0 and not names(lab), "a young one is tried again at once", said, errors)
    same(got(sink), [("ann@src.example", "bob@dst.example"),
                         ("ann@src.example", "eve@dst.example")], "each has got it once")


def returned(lab, sink):
    id, other = one(lab, ["bob@dst.example", "eve@dst.example"]), one(lab)
    status, said, errors = qf(lab, "bounce", id)
    tap.ok(status == 0 and said[0]["result"] == "done" and
           "Cannot send message" in said[0]["why"], "bounce: done", said, errors)
    same(got(sink), [("", "ann@src.example")], "one report to the sender, nobody else got it")
    same(names(lab), ["df" + other, "qf" + other], "the other one is still queued")
    listed = harness.qf("journal", "-C", lab.cf, "--format=json", env=ENV)
    entry = [json.loads(line) for line in listed.stdout.splitlines()][-1]
    tap.ok(entry["command"] == "bounce" and entry["id"] == id and entry["result"] == "done" and
           entry["undo"] == "impossible", "it is in the journal", entry)
    undone = harness.qf("undo", "-C", lab.cf, entry["entry"], env=ENV)
    tap.ok(undone.returncode == 2 and b"no way back" in undone.stderr, "there is no way back",
           undone.stderr)


def report(lab, sink):
    sink.answer("rcpt", "450 4.2.0 later")
    status, said, errors = qf(lab, "bounce", one(lab))
    waiting = [name[2:] for name in names(lab) if name[:2] == "qf"]
    tap.ok(status == 0 and len(waiting) == 1, "the report could not be delivered yet: it is queued",
           said, names(lab))
    sink.clear()
    status, said, errors = qf(lab, "bounce", waiting[0])
    tap.ok(status == 0 and said[0]["result"] == "skipped" and "report" in said[0]["why"] and
           not sink.messages, "a report is not bounced", status, said, errors)
    status, said, errors = qf(lab, "deliver", waiting[0])
    same(got(sink), [("", "ann@src.example")], "but it can be delivered")


def unwanted(lab, sink):
    """NOTIFY=NEVER for all: what has come to its time leaves without a word."""
    silent = one(lab, ["bob@dst.example"], "-N", "never")
    lab.call("-qf", "-qI" + silent, "-OTimeout.queuereturn=now")
    tap.ok(not names(lab) and not sink.messages, "sendmail drops it, and tells nobody", names(lab))
    silent = one(lab, ["bob@dst.example"], "-N", "never")
    for arguments in ([], ["-n"]):
        status, said, errors = qf(lab, "bounce", silent, *arguments)
        tap.ok(status == 0 and said[0]["result"] == "skipped" and "NOTIFY" in said[0]["why"] and
               "qf" + silent in names(lab) and not sink.messages,
               "bounce %s: left alone, with the reason" % arguments, said, errors, names(lab))
    status, said, errors = qf(lab, "deliver", silent)
    same(got(sink), [("ann@src.example", "bob@dst.example")], "it can be delivered")
    one(lab, ["bob@dst.example"], "-N", "failure")
    status, said, errors = qf(lab, "bounce", "--yes", "ALL")
    tap.ok(status == 0 and said[0]["result"] == "done" and got(sink)[0] == ("", "ann@src.example"),
           "NOTIFY=FAILURE is returned", said, errors)


def beginning(lab, sink):
    """An id that is the beginning of another one's, and the end of a third one's."""
    id = one(lab)
    others = [id + "x", "A" + "qf" + id[-8:], "zz" + id]
    for prefix in ("qf", "df"):
        for other in others:
            shutil.copy2(os.path.join(lab.queue, prefix + id), os.path.join(lab.queue, prefix + other))
    plain = lab.call("-bp", "-qI" + id).stdout
    tap.ok(all(other.encode() in plain for other in (id + "x", "zz" + id)),
           "sendmail -qI takes all that contain the text", plain)
    status, said, errors = qf(lab, "bounce", id)
    tap.ok(status == 0 and said[0]["result"] == "done" and
           set(names(lab)) == {p + o for p in ("df", "qf") for o in others},
           "only the one is bounced", said, errors, names(lab))
    same(got(sink), [("", "ann@src.example")], "one report")
    with open(os.path.join(lab.queue, "qf" + id + "x"), "r+") as f:
        for prefix in ("qf", "df"):
            shutil.copy2(os.path.join(lab.queue, prefix + id + "x"), os.path.join(lab.queue, prefix + id))
        fcntl.flock(f, fcntl.LOCK_EX)
        status, said, errors = qf(lab, "bounce", id)
    tap.ok(status == 2 and said[0]["result"] == "busy" and len(sink.messages) == 1 and
           "qf" + id in names(lab), "while the other one is in delivery: not now", said, errors)


def busy(lab, sink):
    id = one(lab)
    sink.answer("mail", laboratory.HANG)
    run = subprocess.Popen(lab.command("-qf", "-OMinQueueAge=0"), env=lab.environment(),
                           start_new_session=True)
    laboratory.wait_until(lambda: b"*" in harness.qf("ls", "-C", lab.cf, env=ENV).stdout)
    status, said, errors = qf(lab, "deliver", id)
    tap.ok(status == 2 and said[0]["result"] == "busy" and not said[0]["entry"],
           "in delivery: busy", said, errors)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    sink.clear()
    status, said, errors = qf(lab, "deliver", "--wait=5s", id)
    tap.ok(status == 0 and got(sink) == [("ann@src.example", "bob@dst.example")],
           "then it is delivered, once", said, errors)


def quicker(lab, sink):
    """Another process gets the lock between ours and sendmail's, and the message leaves by it."""
    id = one(lab)
    script = os.path.join(lab.dir, "fake")
    with open(script, "w") as f:
        f.write("#!/bin/sh\nrm %s/[qd]f%s\necho '%s: locked'\n" % (lab.queue, id, id))
    os.chmod(script, 0o755)
    status, said, errors = qf(lab, "bounce", id, "--sendmail", script)
    tap.ok(status == 2 and said[0]["result"] == "changed" and "another" in said[0]["why"],
           "what left by another one is not said to be returned", said, errors)


def restart(lab, sink):
    """What the platform does every 15 minutes."""
    one(lab)
    sink.delay = 0.4
    run = start(lab, "deliver", "ALL", "--yes")
    laboratory.wait_until(lambda: b"*" in harness.qf("ls", "-C", lab.cf, env=ENV).stdout)
    killed = subprocess.run(["pkill", "-x", "-s", str(run.pid), "sendmail"])
    plain = subprocess.run(["pgrep", "-s", str(run.pid)], capture_output=True).stdout.split()
    tap.ok(killed.returncode == 1 and len(plain) > 1, "pkill -x sendmail finds none of it", plain)
    out, err = run.communicate(timeout=60)
    tap.ok(run.returncode == 0 and len(sink.messages) == 1 and not names(lab),
           "it goes on to its end", out, err)
    one(lab)
    plain = subprocess.Popen(lab.command("-qf"), env=lab.environment(), start_new_session=True)
    laboratory.wait_until(lambda: b"*" in harness.qf("ls", "-C", lab.cf, env=ENV).stdout)
    killed = subprocess.run(["pkill", "-x", "-s", str(plain.pid), "sendmail"])
    tap.ok(killed.returncode == 0, "while it hits a run of sendmail under its own name")
    plain.wait()


def interrupted(lab, sink):
    """An interrupt ends it when what is under way has ended."""
    first = one(lab)
    sink.delay = 0.4
    run = start(lab, "deliver", first)
    laboratory.wait_until(lambda: b"*" in harness.qf("ls", "-C", lab.cf, env=ENV).stdout)

    def told():
        lines = harness.qf("journal", "-C", lab.cf, env=ENV).stdout.decode().splitlines()
        return [line for line in lines if first in line]
    laboratory.wait_until(told)
    seen = told()
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=60)
    tap.ok(len(seen) == 1 and "not ended" in seen[0] and " done " in told()[0],
           "the journal does not call a delivery interrupted that is under way", seen, told())
    tap.ok(run.returncode == 130 and len(sink.messages) == 1 and not names(lab),
           "interrupted: the delivery under way comes to its end", run.returncode, out, err)


def status_of(pid, word):
    with open("/proc/%d/status" % pid) as f:
        return [line.split()[1] for line in f if line.startswith(word + ":")][0]


def helpers(lab, sink):
    """Who reads the messages can start nothing: helpers do, which were forked before. One that is
    killed in the middle of a delivery leaves nothing claimed."""
    id = one(lab)
    sink.delay = 0.6
    run = start(lab, "deliver", id, "--format=json")
    laboratory.wait_until(lambda: b"*" in harness.qf("ls", "-C", lab.cf, env=ENV).stdout)
    children = [int(p) for p in subprocess.run(["pgrep", "-P", str(run.pid)],
                                               capture_output=True).stdout.split()]
    busy = [p for p in children if subprocess.run(["pgrep", "-P", str(p)], capture_output=True).stdout]
    confined = status_of(run.pid, "Seccomp")
    if status_of(os.getpid(), "Seccomp") == "0":
        tap.ok(confined == "2" and len(children) == 3 and len(busy) == 1 and
               {status_of(p, "Seccomp") for p in children} == {"0"},
               "the reader is confined, its three helpers are not", confined, children, busy)
    else:
        tap.skip("the reader is confined", "everything is, here")
    os.kill(busy[0], signal.SIGKILL)
    out, err = run.communicate(timeout=60)
    said = json.loads(out.splitlines()[0])
    tap.ok(run.returncode == 2 and said["result"] == "failed" and "not known" in said["why"],
           "a helper that is killed: what became of it is not known", said, err)
    laboratory.wait_until(lambda: not names(lab))
    tap.ok(len(sink.messages) == 1, "and sendmail has gone on to its end", sink.messages)


def unfit(lab, sink):
    held, empty, cut = one(lab), one(lab), one(lab)
    harness.qf("hold", "-C", lab.cf, "--reason=x", held, env=ENV)
    os.unlink(os.path.join(lab.queue, "df" + empty))
    with open(os.path.join(lab.queue, "qf" + cut), "r+") as f:
        f.truncate(100)
    before = harness.snapshot(lab.queue, times=False)
    for command in ("deliver", "bounce"):
        for arguments in ([], ["-n"]):
            status, said, errors = qf(lab, command, held, empty, cut, *arguments)
            whys = {s["id"]: s["why"] for s in said}
            tap.ok(all(s["result"] == "skipped" for s in said) and "held" in whys[held] and
                   "data file" in whys[empty] and "damaged" in whys[cut],
                   "%s %s: held, without data, damaged are left out" % (command, arguments), said,
                   status, errors)
    changed = harness.differences(before, harness.snapshot(lab.queue, times=False)).splitlines()
    changed = [line for line in changed if not line.startswith(".qf")]
    tap.ok(not changed, "nothing is changed", *changed)
    done = harness.qf("deliver", "-C", lab.cf, "--sendmail=/nowhere/sendmail", held, env=ENV)
    tap.ok(done.returncode == 69 and done.stderr.count(b"\n") == 1 and not done.stdout,
           "sendmail missing: one line, 69", done.stderr)
    plain = os.path.join(lab.dir, "plain")
    with open(plain, "w") as f:
        f.write("x\n")
    os.chmod(plain, 0o755)
    id = one(lab)
    status, said, errors = qf(lab, "deliver", id, "--sendmail", plain)
    tap.ok(status == 2 and said[0]["result"] == "failed" and "cannot run" in said[0]["why"] and
           "qf" + id in names(lab), "one that cannot be run", said, errors)


def elsewhere(lab, sink):
    """A queue that is named, not the configuration's; one with qf/, df/, xf/."""
    for split in (False, True):
        id = one(lab)
        other = os.path.join(lab.dir, "other%d" % split)
        folders = {"qf": "qf", "df": "df"} if split else {"qf": ".", "df": "."}
        os.makedirs(other, 0o700)
        if split:
            for folder in ("qf", "df", "xf"):
                os.mkdir(os.path.join(other, folder), 0o700)
        for prefix, folder in folders.items():
            os.rename(os.path.join(lab.queue, prefix + id), os.path.join(other, folder, prefix + id))
        status, said, errors = qf(lab, "deliver", "-Q", other, id)
        tap.ok(status == 0 and said[0]["result"] == "done" and len(sink.messages) == 1 + split,
               "a queue named by -Q, %s" % ("split" if split else "plain"), said, errors)


def main():
    parts = (exactly_those, deferred, returned, report, unwanted, beginning, busy, quicker, restart,
             interrupted, helpers, unfit, elsewhere)
    for part in parts:
        try:
            with laboratory.Lab() as lab, laboratory.Sink() as sink:
                lab.relay_to(sink)
                part(lab, sink)
        except laboratory.Missing as why:
            skip_all(why)
    tap.done()


main()
