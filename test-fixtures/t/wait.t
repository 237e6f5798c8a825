#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""wait: until nothing is in delivery, or nothing is left; in time, whatever the file system does."""
import fcntl
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
from acting import ID
from tap import Tap

tap = Tap()
SLOWFS = os.path.join(os.environ["QF_BUILD"], "bench/slowfs")


def wait(queue, *args, before=()):
    """A wait in the background."""
    return subprocess.Popen([*before, harness.QF, "wait", "-C", "none", "-Q", queue.path, *args],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "QF_CONF": "/dev/null"})


def idle(queue):
    queue.make()
    run = wait(queue)
    out, err = run.communicate(timeout=60)
    tap.ok(run.returncode == 0 and b"0 in delivery, 2 left" in out, "nothing in delivery: at once", out, err)
    with open(queue.place("qf" + ID), "r+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        run = wait(queue, "--timeout=2s")
        out, err = run.communicate(timeout=60)
        tap.ok(run.returncode == 2 and ID.encode() in out and b"the time is over" in err,
               "in delivery all the time: 2, and it is named", out, err)
        run = wait(queue)
        line = run.stdout.readline()
        fcntl.flock(f, fcntl.LOCK_UN)
        out, err = run.communicate(timeout=60)
        tap.ok(run.returncode == 0 and line.startswith(b"1 in delivery") and b"0 in delivery" in out,
               "a delivery that ends: a line for each change", line, out, err)


def empty(queue):
    queue.make()
    run = wait(queue, "--for=empty", ID)
    line = run.stdout.readline()
    for name in queue.of_message():
        os.unlink(queue.place(name))
    out, err = run.communicate(timeout=60)
    tap.ok(run.returncode == 0 and b"1 left" in line and b"0 left" in out,
           "empty: the selection alone", line, out, err)


def hanging(queue):
    """A file system on which each operation takes longer than there is time."""
    if subprocess.run([SLOWFS, "--check"], capture_output=True).returncode:
        for name in ("in time", "interrupted"):
            tap.skip("a file system that hangs: " + name, "no FUSE here")
        return
    queue.make()
    code = ("import os, signal, subprocess, sys, time\n"
            "begun = time.monotonic()\n"
            "run = subprocess.Popen(sys.argv[2:], stderr=subprocess.PIPE)\n"
            "if sys.argv[1] != '-':\n"
            "    time.sleep(1)\n"
            "    run.send_signal(int(sys.argv[1]))\n"
            "status = run.wait()\n"
            "took = time.monotonic() - begun\n"
            "print(status, took < 5, os.read(run.stderr.fileno(), 4096))\n")
    for number, name, wanted in (("-", "in time", b"2 True b'qf: wait: the time is over and the file system"),
                                 ("15", "interrupted", b"143 True b''")):
        done = subprocess.run([SLOWFS, "--delay=7s", queue.path, "--", sys.executable, "-c", code, number,
                               harness.QF, "wait", "-C", "none", "-Q", queue.path, "--timeout=2s"],
                              capture_output=True, timeout=250, env={**os.environ, "QF_CONF": "/dev/null"})
        tap.ok(done.stdout.startswith(wanted), "a file system that hangs: " + name, done.stdout, done.stderr)


def main():
    with acting.fast_folder() as top:
        queue = acting.Queue(os.path.join(top, "queue"))
        for part in (idle, empty, hanging):
            part(queue)
    tap.done()


main()
