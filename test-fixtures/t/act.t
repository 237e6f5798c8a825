#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""hold, release, due and rm as interface.md says: what is selected, what is left out and named, what
is refused before anything is touched, what is recorded, and how it all ends."""
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
sys.path.insert(0, HERE)
import acting
import harness
import lab as laboratory
from acceptance import Locked, as_nobody, program_for_nobody, run, tap, NOBODY
from acting import CONTROL, DUE, HELD, ID, NOW, OTHER

RESULTS = ["done", "planned", "busy", "gone", "changed", "denied", "failed", "skipped"]
ROOT = os.geteuid() == 0


def act(command, *args, queue, **options):
    """qf on a queue (or several), no configuration, at NOW."""
    queues = queue if isinstance(queue, list) else [queue]
    named = [word for q in queues for word in ("-Q", getattr(q, "path", q))]
    return run(command, "-C", "none", *named, *([] if any(str(a).startswith("--now") for a in args)
                                                else ["--now=@%d" % NOW]), *args, **options)


def records(result):
    return [json.loads(line) for line in result.out.splitlines()]


def text(result):
    return result.err.decode("utf-8", "replace")


def untouched(queue, args, status, pattern, name, command="rm", **options):
    """Does it end like this, and change nothing, not even by a .qf?"""
    before = harness.snapshot(queue.path)
    done = act(command, *args, queue=queue, **options)
    difference = harness.differences(before, harness.snapshot(queue.path))
    return tap.ok(done.status == status and re.search(pattern, text(done)) and not difference,
                  name, done, difference)


# ---------------------------------------------------------------- selection

def selection(directory):
    queue = acting.Queue(directory + "/q").make()
    untouched(queue, ["nosuch"], 1, "nosuch: no such message", "an unknown id: 1")
    untouched(queue, ["bob"], 1, "bob: no such message", "a bare word is an id, never a search")
    untouched(queue, ["subject:caf", "bob"], 64, "bob: an id", "also beside a filter")
    for words in ("rcpt:eve bob", "(bob)", "not bob", "subject:caf or bob"):
        untouched(queue, [words, "--yes"], 64, "bob: a bare word in a selection is an id, and no search",
                  "also within one operand: " + words)
    untouched(queue, [ID[:-1]], 1, "no such message", "the beginning of an id is no id")
    untouched(queue, [], 64, "which messages", "no selection")
    untouched(queue, [""], 64, "only by ALL", "an empty operand")
    untouched(queue, [" "], 64, "only by ALL", "an empty filter")
    untouched(queue, ["subject:caf"], 64, "2 messages selected by a filter: needs --yes",
              "a filter off a terminal needs --yes")
    untouched(queue, ["ALL"], 64, "needs --yes", "so does ALL")
    untouched(queue, ["ALL", ID], 64, "ALL", "ALL stands alone")
    untouched(queue, ["nosuchfield:x", "--yes"], 64, "column", "a bad filter")
    untouched(queue, ["from:nobody-at-all", "--yes"], 1, "0 selected", "a filter that matches nothing")
    untouched(queue, ["a/b"], 64, "a/b", "an id with a slash")
    untouched(queue, ["../q/qf" + ID + "x/.."], 64, "qf", "a path that is none")
    untouched(queue, ["/etc/passwd"], 64, "/etc/passwd", "a path elsewhere")
    untouched(queue, ["-"], 1, "0 selected", "no ids on standard input: 1")
    untouched(queue, [ID], 64, "--reason", "hold without a reason", command="hold")
    untouched(queue, ["--reason=", ID], 64, "--reason", "hold with an empty one", command="hold")
    for args, wanted in (([ID], 1), (["subject:caf"], 2), (["ALL"], 2), ([queue.place("qf" + ID)], 1),
                         ([os.path.relpath(queue.place("qf" + ID))], 1), (["id=" + OTHER], 1)):
        before = harness.snapshot(queue.path)
        done = act("rm", "-n", "--format=json", *args, queue=queue)
        found = records(done)
        tap.ok(done.status == 0 and [r["result"] for r in found[:-1]] == ["planned"] * wanted and
               found[-1]["planned"] == wanted and harness.snapshot(queue.path) == before,
               "-n %s: %d planned, nothing done" % (re.sub(r".*/", "", args[0]), wanted), done)

    with open(directory + "/ids", "w") as f:
        f.write("%s\n\n  %s  \nnosuch\n" % (ID, OTHER))
    with open(directory + "/ids") as f:
        done = act("due", "-", queue=queue, stdin=f)
    tap.ok(done.status == 1 and queue.files()["qf" + ID][0] == DUE and
           queue.files()["qf" + OTHER][0] == DUE and "nosuch" in text(done),
           "ids from standard input, a missing one named: 1", done)

    # Twice the same, once as a path.
    queue.make()
    done = run("rm", "-C", "none", "-Q", queue.path, "--format=json", ID, queue.place("qf" + ID), OTHER,
               ID)
    tap.ok(done.status == 0 and [r["id"] for r in records(done)[:-1]].count(ID) == 1 and
           records(done)[-1]["done"] == 2, "a message named twice is one", done)

    # An id that is the beginning of another one.
    queue.make()
    queue.write("qf" + ID[:-1], CONTROL)
    queue.write("df" + ID[:-1], acting.BODY)
    done = act("rm", ID[:-1], queue=queue)
    tap.ok(done.status == 0 and queue.of_message() == acting.message(CONTROL) and
           not queue.of_message(ID[:-1]), "only the one whose id it is goes", done)

    # One id in two queues.
    queue.make()
    second = acting.Queue(directory + "/q-second").make()
    before = harness.snapshot(directory)
    done = act("rm", ID, queue=[queue, second])
    tap.ok(done.status == 64 and queue.place("qf" + ID) in text(done) and
           second.place("qf" + ID) in text(done) and harness.snapshot(directory) == before,
           "an id that two queues hold is refused, the paths are named", done)
    done = act("rm", second.place("qf" + ID), queue=[queue, second])
    tap.ok(done.status == 0 and not second.of_message() and
           queue.of_message() == acting.message(CONTROL), "the path says which", done)


def asked(queue, answer, *args):
    """rm ALL on a terminal; status and what was asked."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["QF_CONF"] = "/dev/null"
        os.execv(harness.QF, [harness.QF, "rm", "-C", "none", "-Q", queue.path, "ALL", *args])
    heard = b""
    while b"[y/N]" not in heard:
        heard += os.read(fd, 4096)
    os.write(fd, answer)
    try:
        while True:
            piece = os.read(fd, 4096)
            if not piece:
                break
            heard += piece
    except OSError:
        pass
    status = os.waitpid(pid, 0)[1]
    os.close(fd)
    return os.waitstatus_to_exitcode(status), heard


def on_terminals(directory):
    queue = acting.Queue(directory + "/q-asked").make()
    before = queue.files()
    status, heard = asked(queue, b"\n")
    tap.ok(status == 64 and b"2 messages" in heard and queue.files() == before,
           "on a terminal a filter asks; no answer is no", status, heard)
    status, heard = asked(queue, b"y\n")
    tap.ok(status == 0 and not queue.files() and len(queue.trash()) == 2, "y is yes", status, heard)
    queue.make()
    for n in range(80):
        queue.write("qf%s%03d" % (ID[:-3], n + 100), CONTROL)
        queue.write("df%s%03d" % (ID[:-3], n + 100), acting.BODY)
    status, heard = asked(queue, b"y\n", "--max-ops=400")
    bars = re.findall(rb"\rqf: rm: \[#*\.*\] (\d+) of 82", heard)
    tap.ok(status == 0 and len(bars) > 1 and [int(n) for n in bars] == sorted(int(n) for n in bars) and
           heard.count(b" done\r\n") == 83 and heard.rindex(b"\x1b[K") > heard.rindex(b"] "),
           "many, and slow: a bar tells how far it is, and is gone at the end", status, heard[-600:])


# ---------------------------------------------------------------- what is left out

def busy(directory):
    queue = acting.Queue(directory + "/q-busy").make()
    for how in ("flock", "fcntl", "flock-shared"):
        for command in acting.COMMANDS:
            acting.start(command, queue)
            path = queue.place(acting.COMMANDS[command][1][0] + ID)
            before = queue.of_message()
            with Locked(how, path):
                done = act(*acting.COMMANDS[command][0], ID, OTHER, "--format=json", queue=queue)
            results = {r["id"]: r["result"] for r in records(done)[:-1]}
            tap.ok(done.status == 2 and results[ID] == "busy" and results[OTHER] != "busy" and
                   queue.of_message() == before and ID + ": busy" in text(done),
                   "%s, locked by %s: busy, named, left out, status 2; the other done"
                   % (command, how), done)
    queue.make()
    with Locked("flock", queue.place("qf" + ID)):
        begun = time.monotonic()
        done = act("rm", "--wait=1s", ID, queue=queue)
        tap.ok(done.status == 2 and 0.9 <= time.monotonic() - begun < 10 and
               queue.of_message() == acting.message(CONTROL), "--wait ends at its time", done)
    with Locked("fcntl", queue.place("qf" + ID)) as locked:
        timer = threading.Timer(1, lambda: os.kill(locked.pid, signal.SIGKILL))
        timer.start()
        done = act("rm", "--wait=30s", ID, queue=queue)
        tap.ok(done.status == 0 and done.seconds < 15 and not queue.of_message(),
               "--wait waits until it is free", done)
        timer.join()


def skipped(directory):
    queue = acting.Queue(directory + "/q-skipped")
    cases = [("release", "qf", CONTROL, "not held"), ("hold", "hf", HELD, "held already"),
             ("due", "hf", HELD, "held"), ("due", "qf", HELD, "held"), ("due", "qf", DUE, "due already"),
             ("due", "Qf", CONTROL, "lost"), ("hold", "Qf", CONTROL, "lost"),
             ("hold", "qf", CONTROL[:-2], "damaged"), ("due", "qf", CONTROL[:-2], "incomplete"),
             ("hold", "qf", CONTROL + b"junk\n", "damaged")]
    for command, prefix, control, why in cases:
        queue.make(prefix, control)
        before = queue.files()
        done = act(*acting.COMMANDS[command][0], ID, "--format=json", queue=queue)
        tap.ok(done.status == 0 and records(done)[0]["result"] == "skipped" and
               why in records(done)[0]["why"] and queue.files() == before,
               "%s of %s: skipped, %s" % (command, prefix, why), done)
    for command in acting.COMMANDS:
        acting.start(command, queue)
        queue.write({"qf": "hf", "hf": "qf"}[acting.COMMANDS[command][1][0]] + ID, HELD)
        before = queue.files()
        done = act(*acting.COMMANDS[command][0], queue.place(acting.COMMANDS[command][1][0] + ID),
                   "--format=json", queue=queue)
        if command == "due":
            tap.ok("hf" + ID in queue.files() and "qf" + ID in queue.files(), "due: both stay", done)
        else:
            tap.ok(records(done)[0]["result"] == "skipped" and queue.files() == before,
                   command + ": qf and hf of one id: neither loses its data file", done)
    queue.make("hf", HELD.replace(b"T%d" % (NOW - 3600), b"T%d" % (NOW - 20 * 86400)))
    done = act("release", ID, "--format=json", queue=queue)
    tap.ok(done.status == 0 and "past its return time" in (records(done)[0]["why"] or ""),
           "release names one past its return time", done)
    queue.make("hf", HELD)
    done = act("release", ID, "--format=json", queue=queue)
    tap.ok(records(done)[0]["why"] is None, "and no other", done)


# ---------------------------------------------------------------- hostile names

def hostile(directory, faults):
    queue = acting.Queue(directory + "/q-hostile").make()
    victim = directory + "/victim"

    def fresh():
        queue.make()
        subprocess.run(["rm", "-rf", victim], check=True)
        os.mkdir(victim)
        with open(victim + "/file", "wb") as f:
            f.write(CONTROL)
        return harness.snapshot(victim)

    for command in acting.COMMANDS:
        before = fresh()
        prefix = acting.COMMANDS[command][1][0]
        os.rename(queue.place("qf" + ID), victim + "/qf")
        os.symlink(victim + "/file", queue.place(prefix + ID))
        os.unlink(victim + "/qf")
        before = harness.snapshot(victim)
        done = act(*acting.COMMANDS[command][0], ID, queue=queue)
        tap.ok(done.status == 2 and os.path.islink(queue.place(prefix + ID)) and
               "df" + ID in queue.files() and harness.snapshot(victim) == before,
               command + ": a link in place of the control file is left alone", done)
        acting.start(command, queue)
        os.link(queue.place(prefix + ID), queue.path + "/second")
        done = act(*acting.COMMANDS[command][0], ID, queue=queue)
        tap.ok(done.status == 2 and "second name" in text(done) and
               queue.of_message() == acting.before(command),
               command + ": a control file with a second name is left alone", done)
    for command in ("rm", "rm --purge", "hold"):
        before = fresh()
        os.unlink(queue.place("df" + ID))
        os.symlink(victim + "/file", queue.place("df" + ID))
        act(*acting.COMMANDS[command][0], ID, queue=queue)
        tap.ok(harness.snapshot(victim) == before,
               command + ": a link in place of the data file is not followed")
    for name in ("", "/trash", "/stage", "/journal"):
        before = fresh()
        if name:
            os.mkdir(queue.path + "/.qf", 0o700)
        os.symlink(victim, queue.path + "/.qf" + name)
        done = act("rm", ID, queue=queue)
        tap.ok(done.status == 65 and queue.of_message() == acting.message(CONTROL) and
               harness.snapshot(victim) == before and len(text(done).splitlines()) == 1,
               "a link in place of .qf%s is refused" % name, done)
    before = fresh()
    act("due", OTHER, queue=queue)
    journal = queue.path + "/.qf/journal/"
    name, = os.listdir(journal)
    os.unlink(journal + name)
    os.symlink(victim + "/file", journal + name)
    done = act("rm", ID, queue=queue)
    tap.ok(done.status >= 64 and queue.of_message() == acting.message(CONTROL) and
           harness.snapshot(victim) == before, "a link in place of the journal is refused", done)
    fresh()
    os.mkdir(queue.path + "/.qf", 0o700)
    os.chmod(queue.path + "/.qf", 0o777)
    untouched(queue, [ID], 65, "writable by group or others", "a .qf that others write is refused")
    if ROOT:
        os.chmod(queue.path + "/.qf", 0o700)
        os.chown(queue.path + "/.qf", NOBODY, NOBODY)
        untouched(queue, [ID], 65, "another user", "a .qf of somebody else is refused")
    swapped(directory, faults)


def swapped(directory, faults):
    """The queue directory is exchanged while the command is at work: it stays with the one it has
    opened."""
    queue = acting.Queue(directory + "/q-swapped")
    other = acting.Queue(directory + "/q-other")
    wrong = []
    for command in ("hold", "rm"):
        for n in (3, 13, 15, 18, 20):
            acting.start(command, queue)
            other.make()
            before = harness.snapshot(other.path, times=False)
            process = subprocess.Popen(
                [harness.QF, *acting.COMMANDS[command][0], "-C", "none", "-Q", queue.path, ID,
                 "--now=@%d" % NOW, "--jobs=1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "QF_CONF": "/dev/null", "LD_PRELOAD": faults.library,
                     "FAULTS_AT": str(n), "FAULTS_DO": "stop"})
            os.waitpid(process.pid, os.WUNTRACED)
            os.rename(queue.path, queue.path + ".away")
            os.rename(other.path, queue.path)
            os.kill(process.pid, signal.SIGCONT)
            said = process.communicate()[0]
            os.rename(queue.path, other.path)
            os.rename(queue.path + ".away", queue.path)
            difference = harness.differences(before, harness.snapshot(other.path, times=False))
            if difference:
                wrong.append("%s at %d: the other one was touched: %s" % (command, n, difference))
            if not acting.state(command, queue):
                wrong.append("%s at %d: %s %s" % (command, n, said, acting.shown(queue)))
    tap.ok(not wrong, "a queue directory exchanged under the command", "\n".join(wrong))


# ---------------------------------------------------------------- records, journal, trash

def recorded(directory):
    queue = acting.Queue(directory + "/q-recorded").make()
    done = act("hold", "--reason=why\nnot", "--note=a \u00e9 note", "--format=json", ID, OTHER, "gone1",
               queue=queue)
    found = records(done)
    actions, tally = found[:-1], found[-1]
    tap.ok([sorted(r) for r in actions] == [sorted(["schema", "command", "id", "queue", "result", "why",
                                                    "entry"])] * 2 and
           all(r["schema"] == "qf.action/1" and r["command"] == "hold" and r["queue"] == queue.path and
               r["result"] == "done" and r["why"] is None and r["entry"] for r in actions) and
           {r["id"] for r in actions} == {ID, OTHER}, "qf.action/1", done)
    tap.ok(sorted(tally) == sorted(["schema", "command", "selected"] + RESULTS) and
           tally["schema"] == "qf.tally/1" and tally["selected"] == sum(tally[r] for r in RESULTS) == 2
           and tally["done"] == 2, "qf.tally/1, last, its sum", tally)
    tap.ok(b"\nqwhy not\n" in queue.files()["hf" + ID][0], "a line end in a reason is a blank")
    tap.ok(queue.files()["hf" + ID][1:] == (acting.MODE, *acting.OWNER), "owner and mode are kept")
    folder = queue.path + "/.qf"
    tap.ok([os.stat(folder).st_mode & 0o7777, os.stat(folder).st_uid] == [0o700, os.geteuid()],
           ".qf is the owner's alone")
    names = os.listdir(folder + "/journal")
    with open(folder + "/journal/" + names[0]) as f:
        lines = [json.loads(line) for line in f]
    mine = [line for line in lines if line["entry"] == actions[0]["entry"]]
    tap.ok(len(names) == 1 and names[0].endswith(".jsonl") and len(lines) == 4 and len(mine) == 2,
           "the journal has intent and result of each", names, lines)
    tap.ok([mine[0][key] for key in ("command", "id", "queue", "note")] ==
           ["hold", actions[0]["id"], queue.path, "a \u00e9 note"] and mine[0]["user"] and
           mine[0]["host"] and mine[0]["time"] == "2026-11-23T02:13:20Z" and
           mine[1]["result"] == "done", "who, when, what, why", mine)

    # Many in one second, of several processes: told in the order they were made in.
    many = acting.Queue(directory + "/q-order")
    os.makedirs(many.path, exist_ok=True)
    ids = ["6AMZZZ%06d" % i for i in range(12)]
    for id in ids:
        for prefix, content in (("qf", acting.CONTROL), ("df", b"x")):
            many.write(prefix + id, content)
    made = []
    for command, which in (("hold", ids), ("release", ids[3:4]), ("hold", ids[3:4]), ("release", ids)):
        done = act(command, *(["--reason=x"] if command == "hold" else []), "--format=json", *which,
                   queue=many)
        made += [r["entry"] for r in records(done)[:-1] if r["result"] == "done"]
    done = act("journal", "--format=json", queue=many)
    told = [r["entry"] for r in records(done)]
    # Those of one command are made by several hands.
    told, made = ([(run, sorted(entries)) for run, entries in
                   itertools.groupby(some, key=lambda entry: entry.rsplit("-", 1)[0])] for some in (told, made))
    tap.ok(len(made) == 4 and told == made, "the journal is in the order of the changes",
           made, told, done)

    # The last line torn, as by a full disk.
    path = folder + "/journal/" + names[0]
    os.truncate(path, os.path.getsize(path) - 30)
    done = act("release", "--format=json", ID, queue=queue)
    with open(path) as f:
        after = f.read().splitlines()[len(lines):]
    tap.ok([json.loads(line)["entry"] for line in after] == [records(done)[0]["entry"]] * 2,
           "a torn line of the journal does not take the next ones along", after)

    elsewhere = directory + "/journal"
    for name, args, env in (("--journal", ["--journal=" + elsewhere], {}),
                            ("$QF_STATE", [], {"QF_STATE": elsewhere}),
                            ("--no-journal", ["--no-journal"], {})):
        queue.make()
        subprocess.run(["rm", "-rf", elsewhere], check=True)
        os.mkdir(elsewhere)
        done = act("rm", *args, ID, queue=queue, env=env)
        there = os.listdir(elsewhere)
        tap.ok(done.status == 0 and not os.path.exists(queue.path + "/.qf/journal") and
               len(there) == (name != "--no-journal") and not queue.of_message(),
               name + ": the journal lies there, or nowhere", done, there)
    for journal, status in ((directory + "/nosuch", 66), ("/dev/null", None)):
        queue.make()
        before = queue.files()
        done = act("rm", "--journal=" + journal, ID, queue=queue)
        tap.ok(done.status >= 64 and status in (None, done.status) and queue.files() == before and
               "--no-journal" in text(done) and len(text(done).splitlines()) == 1,
               "a journal that cannot be: refused before anything is touched", done)


def trash(directory):
    queue = acting.Queue(directory + "/q-trash").make()
    done = act("rm", ID, "--format=json", queue=queue)
    entry = records(done)[0]["entry"]
    tap.ok(queue.trash() == {entry: acting.message(CONTROL)},
           "the trash has the files under their names, the entry is the journal's", queue.trash())
    for keep, after, there in (([], 6 * 86400, True), (["--keep=8d"], 7 * 86400 + 60, True),
                               ([], 7 * 86400 + 60, False)):
        act("due", OTHER, *keep, "--now=@%d" % (NOW + after), queue=queue)
        tap.ok((entry in queue.trash()) == there, "%s, %.4f days later: %s" % (
            " ".join(keep) or "default", after / 86400, "kept" if there else "expired"), queue.trash())
    queue.make()
    act("rm", ID, queue=queue)
    act("rm", OTHER, "--keep=1h", "--now=@%d" % (NOW + 7200), queue=queue)
    tap.ok(len(queue.trash()) == 1, "--keep=1h: the old one expired, the new one lies there",
           queue.trash())


def statuses(directory):
    queue = acting.Queue(directory + "/q-statuses").make()
    done = act("rm", ID, queue=directory + "/nosuch")
    tap.ok(done.status == 66 and len(text(done).splitlines()) == 1, "no such queue: 66", done)
    if not ROOT:
        tap.skip("another user's queue: 77", "needs root")
        return
    program = program_for_nobody(directory)
    os.chmod(directory, 0o755)
    before = harness.snapshot(queue.path)
    done = act("rm", ID, queue=queue, program=program, preexec_fn=as_nobody)
    tap.ok(done.status == 77 and len(text(done).splitlines()) == 1 and
           harness.snapshot(queue.path) == before, "another user's queue: 77", done)
    os.chmod(queue.path, 0o755)
    for name in os.listdir(queue.path):
        os.chmod(os.path.join(queue.path, name), 0o644)
    before = harness.snapshot(queue.path)
    done = act("rm", ID, queue=queue, program=program, preexec_fn=as_nobody)
    tap.ok(done.status == 77 and len(text(done).splitlines()) == 1 and
           harness.snapshot(queue.path) == before, "one that may be read, not written: 77", done)
    # A queue of nobody, handled by root: what root makes there belongs to nobody.
    os.chmod(queue.path, 0o700)
    os.chown(queue.path, NOBODY, NOBODY)
    done = act("rm", ID, queue=queue)
    made = [os.lstat(os.path.join(where, name)) for where, folders, _ in os.walk(queue.path + "/.qf")
            for name in folders] + [os.lstat(queue.path + "/.qf")]
    tap.ok(done.status == 0 and made and all(st.st_uid == NOBODY for st in made),
           "folders in .qf belong to the owner of the queue", done, made)
    locked = directory + "/journal-of-root"
    os.mkdir(locked, 0o755)
    for name in os.listdir(queue.path):
        os.chown(os.path.join(queue.path, name), NOBODY, NOBODY)
    subprocess.run(["chown", "-R", str(NOBODY), queue.path], check=True)
    before = queue.files()
    done = act("rm", "--journal=" + locked, OTHER, queue=queue, program=program, preexec_fn=as_nobody)
    tap.ok(done.status == 77 and queue.files() == before and "--no-journal" in text(done),
           "a journal not ours to write: 77, nothing touched", done)
    done = act("rm", "--no-journal", OTHER, queue=queue, program=program, preexec_fn=as_nobody)
    tap.ok(done.status == 0 and not queue.of_message(OTHER), "--no-journal goes without", done)


def main():
    with acting.fast_folder() as directory:
        os.chmod(directory, 0o755)
        selection(directory)
        on_terminals(directory)
        busy(directory)
        skipped(directory)
        try:
            hostile(directory, acting.Faults(directory))
        except laboratory.Missing as why:
            tap.skip("hostile names", why)
        recorded(directory)
        trash(directory)
        statuses(directory)
    tap.done()


main()
