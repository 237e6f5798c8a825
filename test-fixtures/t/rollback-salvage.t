#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""scripts/rollback-salvage: in one go, twice, killed in the middle, with messages in delivery, and in a
container with next to nothing in it."""
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import salvaging
from salvaging import BODIES, IDS
from tap import Tap

tap = Tap()
SCRIPT = os.path.join(os.path.dirname(harness.FIXTURES), "scripts/rollback-salvage")


def wanted():
    return {id: [(("hf" if id == salvaging.HELD else "qf"),
                  acting.HELD if id == salvaging.HELD else acting.CONTROL, body)]
            for id, body in BODIES.items()}


def environment(**more):
    return {"PATH": os.environ["PATH"], "QF": harness.QF, "PAUSE": "1", "QF_CONF": "/dev/null", **more}


def run(sides, *args, **more):
    return subprocess.run([SCRIPT, sides.source, sides.target, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, env=environment(**more), timeout=120)




def main():
    with acting.fast_folder() as top:
        sides = salvaging.Sides(os.path.join(top, "sides")).make()
        old = "--expired=move"
        done = run(sides, old)
        tap.ok(done.returncode == 0 and sides.visible(sides.target) == wanted() and
               not acting.files_below(sides.source) and b"none is left behind" in done.stderr,
               "all of it, byte for byte", done)
        done = run(sides, old)
        tap.ok(done.returncode == 0 and sides.visible(sides.target) == wanted(), "twice", done)

        sides.make()
        with open(os.path.join(sides.source, "qf" + IDS[0]), "r+") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            done = run(sides, old, ROUNDS="2")
            tap.ok(done.returncode == 2 and set(sides.visible(sides.target)) == set(IDS[1:]) and
                   IDS[0] in sides.visible(sides.source) and b"run this again" in done.stderr,
                   "one in delivery: it stays, and the status says so", done)
        done = run(sides, old)
        tap.ok(done.returncode == 0 and sides.visible(sides.target) == wanted(), "then it follows", done)

        sides.make()
        with open(os.path.join(sides.source, "qf" + IDS[0]), "wb") as f:
            f.write(b"V8\n")
        done = run(sides, old)
        tap.ok(done.returncode == 1 and IDS[0].encode() in done.stderr and
               set(sides.visible(sides.target)) == set(IDS[1:]) and b"stay at" in done.stderr,
               "a damaged one stays, by name", done)

        failures = []
        for tenth in range(1, 30, 2):
            sides.make()
            process = subprocess.Popen([SCRIPT, sides.source, sides.target, old],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, env=environment(),
                                       start_new_session=True)
            time.sleep(tenth / 100)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for _ in range(2):
                done = run(sides, old)
            if done.returncode or sides.visible(sides.target) != wanted() or sides.claims() or \
                    acting.files_below(sides.source):
                failures.append("after %d ms: %s" % (tenth * 10, done))
        tap.ok(not failures, "killed at any time, and run again: each message once",
               "\n".join(failures[:2]))

        for args in ([], [sides.source], ["--from", sides.source]):
            done = subprocess.run([SCRIPT, *args], capture_output=True, env=environment())
            tap.ok(done.returncode == 64, "usage: %s" % len(args), done)
        done = subprocess.run([SCRIPT, "/nowhere", sides.target], capture_output=True, env=environment())
        tap.ok(done.returncode == 66, "a queue that is not there: its status", done)
        # A shell, qf, sleep: nothing else is called.
        bin_ = os.path.join(top, "bin")
        os.mkdir(bin_)
        os.symlink(harness.QF, os.path.join(bin_, "qf"))
        os.symlink(shutil.which("sleep"), os.path.join(bin_, "sleep"))
        sides.make()
        done = subprocess.run(["/bin/sh", SCRIPT, sides.source, sides.target, old], capture_output=True,
                              env={"PATH": bin_, "QF_CONF": "/dev/null", "TMPDIR": "/nowhere"})
        tap.ok(done.returncode == 0 and sides.visible(sides.target) == wanted(),
               "with a shell, qf and sleep", done)
    tap.done()


main()
