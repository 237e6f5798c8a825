#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Every command that changes a queue, refused: an unknown id, a queue, a journal or a trash that is not
ours to write, no sendmail, no such queue. One line, the right status, nothing on standard output that
could be taken for a result, nothing changed."""
import os
import shutil
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
from acting import ID
from tap import Tap

tap = Tap()
NOBODY = 65534
FAKE = "/bin/true"      # a sendmail that could be run

# What is done with one message; those that are taken back have an entry instead.
COMMANDS = {
    "hold": ["hold", "--reason=x"],
    "release": ["release"],
    "due": ["due"],
    "edit": ["edit", "--set-sender=<x@y.example>"],
    "rm": ["rm"],
    "rm --purge": ["rm", "--purge"],
    "deliver": ["deliver", "--sendmail=" + FAKE],
    "bounce": ["bounce", "--sendmail=" + FAKE],
    "undo": ["undo"],
}


def refused(name, queue, args, status, says, program=None, **options):
    """Ends like this, and changes nothing."""
    before = harness.snapshot(queue.path)
    env = {"QF_CONF": "/dev/null", "QF_STATE": "", "QF_QUEUE": ""}
    done = harness.qf(*args, "-C", "none", "-Q", queue.path, env=env, **options)
    lines = [line for line in done.stderr.splitlines() if b" selected" not in line]
    # The times of .qf itself tell of the trial of locks, on a file that is gone again.
    changed = [line for line in harness.differences(before, harness.snapshot(queue.path)).splitlines()
               if not line.startswith(".qf: ")]
    tap.ok(done.returncode == status and not done.stdout and len(lines) == 1 and
           lines[0].startswith(b"qf: ") and says in lines[0] and not changed,
           name, done.returncode, done.stdout, done.stderr, *changed)


def as_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def main():
    with acting.fast_folder() as top:
        # Where another user may come in.
        os.chmod(top, 0o755)
        queue = acting.Queue(os.path.join(top, "queue"))
        for command, args in COMMANDS.items():
            held = command == "release"
            queue.make(*(("hf", acting.HELD) if held else ("qf", acting.CONTROL)))
            which = "20260101T000000Z-nowhere-1-0" if command == "undo" else "6AMZZZ000009"
            # The folder .qf is made by what can change something: once, before it is looked at.
            acting.act("due", acting.OTHER, queue=queue)
            refused(command + ": an unknown id", queue, [*args, which], 1, which.encode())
            refused(command + ": no such option", queue, [*args, which, "--bogus"], 64, b"--bogus")
            journal = os.path.join(top, "journal")
            if command != "undo":   # what there is to be undone stands in the journal
                refused(command + ": a journal that is not there", queue,
                        [*args, ID, "--journal=" + journal], 66, b"journal")
            elsewhere = acting.Queue(os.path.join(top, "nowhere"))
            done = harness.qf(*args, ID, "-C", "none", "-Q", elsewhere.path,
                              env={"QF_CONF": "/dev/null", "QF_STATE": ""})
            tap.ok(done.returncode == 66 and not done.stdout and done.stderr.count(b"\n") == 1 and
                   not os.path.exists(elsewhere.path), command + ": no such queue", done.stderr)
        for command in ("deliver", "bounce"):
            queue.make()
            refused(command + ": no sendmail", queue, [command, "--sendmail=/nowhere/sendmail", ID], 69,
                    b"/nowhere/sendmail")
            refused(command + ": a sendmail that may not be run", queue,
                    [command, "--sendmail=/etc/passwd", ID], 69, b"/etc/passwd")
        if os.geteuid() != 0:
            tap.skip("what is another user's", "this takes root")
        else:
            not_ours(top, queue)
    tap.done()


def not_ours_to_read(queue):
    """A journal that cannot be read is not an empty one."""
    queue.make()
    acting.act("hold", "--reason=x", ID, queue=queue)
    entry = acting.act("journal", queue=queue).stdout.splitlines()[-1].split()[0].decode()
    home = os.path.join(queue.path, ".qf")
    os.chmod(queue.path, 0o755)
    os.chmod(home, 0o700)
    for args in (["journal"], ["journal", "--format=json"], ["undo"], ["undo", entry], ["undo", "-n", entry]):
        refused(" ".join(args[:2]) + ": a .qf that is not ours to read", queue, args, 77, b".qf",
                preexec_fn=as_nobody)
    os.chmod(home, 0o755)
    refused("journal: nor its folder", queue, ["journal"], 77, b".qf/journal", preexec_fn=as_nobody)
    folder = os.path.join(home, "journal")
    os.chmod(folder, 0o755)
    name, = os.listdir(folder)
    refused("journal: nor its file", queue, ["journal"], 77, name.encode(), preexec_fn=as_nobody)
    os.chmod(os.path.join(folder, name), 0o644)
    with open(os.path.join(folder, "other-host.jsonl"), "w", encoding="ascii"):
        pass
    os.chmod(os.path.join(folder, "other-host.jsonl"), 0o600)
    done = harness.qf("journal", "-C", "none", "-Q", queue.path, preexec_fn=as_nobody,
                      env={"QF_CONF": "/dev/null", "QF_STATE": "", "QF_QUEUE": ""})
    tap.ok(done.returncode == 2 and entry.encode() in done.stdout and b"other-host.jsonl" in done.stderr,
           "journal: one of two is shown, the other named, status 2", done.stdout, done.stderr)
    os.unlink(os.path.join(folder, "other-host.jsonl"))
    # The end of the change is not there; whether somebody is at it is to be seen by the lock.
    with open(os.path.join(folder, name), "r+", encoding="ascii") as f:
        f.truncate(len(f.readline()))
    seen = b"false" in acting.act("ls", "--columns=busy", "--format=csv", queue=queue).stdout
    done = acting.act("journal", queue=queue)
    tap.ok((b" interrupted " if seen else b" not ended ") in done.stdout,
           "journal: without a result and a lock it was interrupted", seen, done.stdout)


def not_ours(top, queue):
    """As a user who may read everything and write nothing."""
    program = os.path.join(top, "qf")
    shutil.copy2(harness.QF, program)
    os.chmod(program, 0o755)
    real, harness.QF = harness.QF, program
    try:
        for command, args in COMMANDS.items():
            queue.make(*(("hf", acting.HELD) if command == "release" else ("qf", acting.CONTROL)))
            if command == "undo":
                acting.act("hold", "--reason=x", ID, queue=queue)
            for where, folders, names in os.walk(queue.path):
                os.chmod(where, 0o755)
                for name in names:
                    os.chmod(os.path.join(where, name), 0o644)
            refused(command + ": a queue that is not ours to write", queue,
                    [*args, *([] if command == "undo" else [ID])], 77, b"ermi", preexec_fn=as_nobody)
        not_ours_to_read(queue)
        queue.make()
        os.chown(queue.path, NOBODY, NOBODY)
        for where, folders, names in os.walk(queue.path):
            for name in names:
                os.chown(os.path.join(where, name), NOBODY, NOBODY)
        journal, trash = os.path.join(top, "journal"), os.path.join(top, "trash")
        for folder in (journal, trash):
            os.mkdir(folder, 0o755)
        acting.act("due", acting.OTHER, queue=queue, preexec_fn=as_nobody)
        for command, args in COMMANDS.items():
            if command not in ("undo", "release"):
                refused(command + ": a journal that is not ours to write", queue,
                        [*args, ID, "--journal=" + journal], 77, b"ermi", preexec_fn=as_nobody)
        refused("rm: a trash that is not ours to write", queue, ["rm", ID, "--trash=" + trash], 77,
                b"trash", preexec_fn=as_nobody)
    finally:
        harness.QF = real


main()
