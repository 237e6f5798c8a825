#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""What real sendmail does with files of no whole message, and what qf orphans says of them before.

    M5   a control file without data file is delivered as an empty message
    M6   an empty control file takes its data file with it, ten minutes after its ctime
    M7   a control file without end line is tried never, and returned never
    M11  a stale tf stops the runner for 465 s; killed meanwhile, it delivers twice
    M13  without control file nothing ages out
"""
import contextlib
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
DAY = 86400


def one_message(lab, recipients=("bob@dst.example",)):
    daemon = lab.daemon()
    found = laboratory.queue_id(laboratory.submit(daemon.port, "ann@src.example", recipients,
                                                  "Subject: x\n\nthe only copy\n"))
    daemon.kill()
    return found


def orphans(lab, *options):
    """Findings and total. Without a grace age, as all of this is new."""
    done = harness.qf("orphans", "-C", lab.cf, "--format=json", "--grace=0", *options)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[:-1], lines[-1]


def names(lab):
    return sorted(name for name in os.listdir(lab.queue) if name != ".qf")


def log_of(lab):
    with open(lab.log) as f:
        return f.read()


def without_body(lab, sink):
    id = one_message(lab)
    os.unlink(os.path.join(lab.queue, "df" + id))
    before = harness.snapshot(lab.queue)
    found, total = orphans(lab)
    tap.ok([(f["cause"], f["verdict"], f["fix"], f["guard"]) for f in found]
           == [("qf-alone", "hazard", "rescue", True)] and found[0]["deadline"]
           and "empty message" in found[0]["harm"], "M5: qf says what comes", found)
    tap.ok(found[0]["sender"] == "<ann@src.example>"
           and found[0]["recipients"] == ["<bob@dst.example>"], "M5: and to whom", found)
    tap.ok(not harness.differences(before, harness.snapshot(lab.queue)), "M5: and changes nothing")
    lab.run_queue()
    tap.ok(len(sink.messages) == 1 and sink.messages[0]["size"] < 600 and not names(lab),
           "M5: sendmail delivers a message without it", sink.messages, names(lab))


def emptied(lab, sink):
    id = one_message(lab)
    control = os.path.join(lab.queue, "qf" + id)
    with open(control, "r+") as f:
        f.truncate()
    found, _ = orphans(lab)
    changed = int(os.stat(control).st_ctime)
    deadline = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(changed + 600))
    tap.ok([(f["cause"], f["verdict"], f["deadline"], len(f["files"])) for f in found]
           == [("qf-empty", "hazard", deadline, 2)], "M6: qf tells the time", found, deadline)
    lab.clock = 560
    lab.run_queue()
    tap.ok(names(lab) == ["df" + id, "qf" + id], "M6: before it, both are there", names(lab))
    before = log_of(lab)
    lab.clock = 640
    lab.run_queue()
    tap.ok(not names(lab) and not sink.messages and id not in log_of(lab)[len(before):],
           "M6: after it both are gone, and the log says nothing", names(lab), log_of(lab))


def cut(lab, sink):
    id = one_message(lab)
    control = os.path.join(lab.queue, "qf" + id)
    with open(control, "rb") as f:
        content = f.read()
    with open(control, "wb") as f:
        f.write(content[:content.rindex(b"\n.\n") - 10])
    tap.ok(orphans(lab)[0] == [], "M7: names do not tell")
    found, _ = orphans(lab, "--deep")
    tap.ok([(f["cause"], f["verdict"], f["fix"]) for f in found]
           == [("qf-cut", "recoverable", "recover")], "M7: reading does", found)
    for days in (0, 6, 30):
        lab.clock = days * DAY
        lab.run_queue()
    log = log_of(lab)
    tap.ok(names(lab) == ["df" + id, "qf" + id] and not sink.messages
           and log.count("incomplete queue file read") == 3,
           "M7: sendmail tries it never and returns it never", names(lab), log)


def stale(lab, sink):
    id = one_message(lab, ("bob@dst.example", "eve@dst.example"))
    control, staged = (os.path.join(lab.queue, kind + id) for kind in ("qf", "tf"))
    with open(control, "rb") as f:
        content = f.read()
    # What a runner writes that has served bob and is killed before its rename.
    kept = b"".join(line for line in content.splitlines(True) if b"bob@" not in line)
    with open(staged, "wb") as f:
        f.write(kept)
    os.chmod(staged, 0o600)
    found, _ = orphans(lab)
    tap.ok([(f["cause"], f["verdict"], f["fix"], f["twice"], f["files"]) for f in found]
           == [("tf-beside", "hazard", "recover", ["<bob@dst.example>"], [staged])],
           "M11: a complete tf tells who would get a second copy", found)
    with open(staged, "wb") as f:
        f.write(content[:100])
    found, total = orphans(lab)
    tap.ok([(f["cause"], f["fix"], f["twice"]) for f in found] == [("tf-beside", "clean", [])]
           and total["whole"] == 2, "M11: a cut one does not", found, total)
    # bob is served, eve is not: the runner has to write the control file anew.
    sink.answer("rcpt", "450 4.2.0 later", only="eve@")
    lab.haste = 60      # 465 s become 8
    runner = subprocess.Popen(lab.command("-q", "-v", "-OMinQueueAge=0"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=lab.environment(), start_new_session=True)
    laboratory.wait_until(lambda: sink.messages)
    time.sleep(0.5)
    os.killpg(runner.pid, signal.SIGTERM)
    found, total = orphans(lab)
    tap.ok([f["cause"] for f in found] == ["tf-beside"],
           "M11: while a runner waits for it, it is no less stale", found, total)
    stuck = os.path.exists(staged) and runner.poll() is None
    tap.ok(stuck, "M11: the runner does not end when it is told to")
    os.killpg(runner.pid, signal.SIGKILL)
    runner.wait()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(staged)
    lab.run_queue()
    copies = [count for (rcpt, _), count in sink.copies().items() if rcpt == "bob@dst.example"]
    tap.ok(copies == [2], "M11: killed meanwhile, it has served bob twice", copies)


def no_control_file(lab, sink):
    id = one_message(lab)
    control = os.path.join(lab.queue, "qf" + id)
    for kind in ("tf", "Tf", "xf"):
        shutil.copy(control, os.path.join(lab.queue, kind + id))
    os.unlink(control)
    other = one_message(lab)
    os.unlink(os.path.join(lab.queue, "qf" + other))
    wanted = names(lab)
    found, total = orphans(lab)
    tap.ok({(f["cause"], f["verdict"], len(f["files"])) for f in found}
           == {("tf-alone", "recoverable", 2), ("tf-aside", "debris", 1), ("xf-left", "debris", 1),
               ("df-alone", "debris", 1)} and total["orphans"] == 5,
           "M13: qf knows each of them", found, total)
    tap.ok("SuperSafe" in [f["why"] for f in found if f["cause"] == "df-alone"][0],
           "M13: a lone body was never acknowledged, by this configuration", found)
    for days in (0, 10, 30):
        lab.clock = days * DAY
        lab.run_queue()
    tap.ok(names(lab) == wanted and b"is empty" in lab.mailq(),
           "M13: nothing ages out, and mailq says empty", names(lab))
    lab.set(SuperSafe="Interactive")
    found, _ = orphans(lab)
    tap.ok([f["verdict"] for f in found if f["cause"] == "df-alone"] == ["partial"],
           "M13: with another SuperSafe it may be the only copy", found)


def fix(lab, *options):
    return [f for f in orphans(lab, "--yes", *options)[0] if f["schema"] == "qf.action/1"]


def saved(lab, name):
    """What of this name is in lost+found."""
    return [os.path.join(d, name) for d, _, names in os.walk(os.path.join(lab.queue, ".qf/lost+found"))
            if name in names]


def without_body_guarded(lab, sink):
    id = one_message(lab)
    os.unlink(os.path.join(lab.queue, "df" + id))
    done = fix(lab, "--fix=guard")
    lab.run_queue()
    tap.ok([d["result"] for d in done] == ["done"] and not sink.messages and names(lab) == ["Qf" + id],
           "M5: guarded, it is not delivered", done, names(lab))
    tap.ok(id.encode() in lab.mailq("-qL"), "M5: sendmail lists it as one it set aside itself")
    done = fix(lab, "--fix=all")
    tap.ok(not names(lab) and saved(lab, "Qf" + id) and saved(lab, "message.eml"), "M5: rescued", done)


def emptied_guarded(lab, sink):
    id = one_message(lab)
    with open(os.path.join(lab.queue, "qf" + id), "r+") as f:
        f.truncate()
    done = fix(lab, "--fix=guard")
    lab.clock = 640
    lab.run_queue()
    body = saved(lab, "df" + id)
    with open(body[0] if body else os.devnull, "rb") as f:
        content = f.read()
    tap.ok(not names(lab) and content == b"the only copy\n",
           "M6: guarded, the body outlives what sendmail does", done, names(lab), content)
    tap.ok(not orphans(lab)[0], "M6: and there is nothing more to report", orphans(lab)[0])


def cut_recovered(lab, sink):
    id = one_message(lab)
    control = os.path.join(lab.queue, "qf" + id)
    with open(control, "rb") as f:
        content = f.read()
    with open(control, "wb") as f:
        f.write(content[:content.rindex(b"\n.\n") - 10])
    done = fix(lab, "--deep", "--fix=recover")
    lab.run_queue()
    tap.ok([d["result"] for d in done] == ["done"] and not sink.messages and
           id.encode() in lab.mailq("-qQ"), "M7: recovered, it is held, as sendmail sees it", done)
    harness.qf("release", "-C", lab.cf, id)
    lab.run_queue()
    tap.ok(not names(lab) and [m["recipients"] for m in sink.messages] == [["bob@dst.example"]],
           "M7: released, it is delivered", names(lab), sink.messages)


def stale_fixed(lab, sink):
    id = one_message(lab, ("bob@dst.example", "eve@dst.example"))
    control, staged = (os.path.join(lab.queue, kind + id) for kind in ("qf", "tf"))
    with open(control, "rb") as f:
        content = f.read()
    with open(staged, "wb") as f:
        f.write(content[:100])
    done = fix(lab, "--fix=clean")
    sink.answer("rcpt", "450 4.2.0 later", only="eve@")
    begun = time.monotonic()
    lab.run_queue()
    tap.ok([d["result"] for d in done] == ["done"] and time.monotonic() - begun < 60 and
           names(lab) == ["df" + id, "qf" + id], "M11: without it the runner writes its own", done,
           names(lab))
    sink.clear()
    # A runner that had served eve would have written this.
    with open(control, "rb") as f:
        content = f.read()
    with open(staged, "wb") as f:
        f.write(content.replace(b"<eve@dst.example>", b"<joe@dst.example>"))
    os.chmod(staged, 0o600)
    done = fix(lab, "--fix=recover")
    lab.run_queue()
    copies = sorted(r for m in sink.messages for r in m["recipients"])
    tap.ok([d["result"] for d in done] == ["done"] and not names(lab) and
           copies == ["bob@dst.example", "joe@dst.example"],
           "M11: a complete one becomes the control file: who is owed in it gets it, nobody else", done,
           copies, names(lab))


def no_control_file_fixed(lab, sink):
    id = one_message(lab)
    control = os.path.join(lab.queue, "qf" + id)
    for kind in ("tf", "Tf", "xf"):
        shutil.copy(control, os.path.join(lab.queue, kind + id))
    os.unlink(control)
    done = fix(lab, "--fix=all", "--release")
    tap.ok(len(done) == 3 and names(lab) == ["df" + id, "qf" + id] and not orphans(lab, "--deep")[0],
           "M13: --fix=all leaves nothing behind", done, names(lab))
    lab.run_queue()
    tap.ok(len(sink.messages) == 1 and not names(lab), "M13: and the message is delivered", names(lab))


def main():
    for part in (without_body, emptied, cut, stale, no_control_file, without_body_guarded,
                 emptied_guarded, cut_recovered, stale_fixed, no_control_file_fixed):
        try:
            with laboratory.Lab() as lab, laboratory.Sink() as sink:
                lab.relay_to(sink)
                part(lab, sink)
        except laboratory.Missing as why:
            skip_all(why)
    tap.done()


main()
