#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""export --abort: only claims of an export that is over are put back; streams that stall, and signals
meanwhile."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
import salvaging
from salvaging import IDS
from tap import Tap, skip_all

tap = Tap()
RULES = ["-C", "none", "--now=@%d" % acting.NOW, "--queue-return=never", "--jobs=1"]
ENV = {"QF_CONF": "/dev/null"}


def qf(verb, *args, env=None, **options):
    return harness.qf("salvage", verb, *RULES, *args, env={**ENV, **(env or {})}, **options)


def put_back(sides, run, *args):
    return qf("export", "--from=" + sides.source, "--abort=" + run, *args)


def runs(sides):
    """Those that have claimed something at the source."""
    path = os.path.join(sides.source, ".qf/claims")
    return [name.rsplit(".", 1)[0] for name in (os.listdir(path) if os.path.isdir(path) else ())
            if set(os.listdir(os.path.join(path, name))) - {"run.json"}]


def of_a_move(faults, top):
    """A move killed when its message is visible at the target, and still claimed: putting it back
    would double it."""
    sides = salvaging.Sides(os.path.join(top, "sides"))
    tried, wrong = 0, []
    for at in range(30, 80):
        sides.make()
        done = sides.qf("run", env={"LD_PRELOAD": faults.library, "FAULTS_AT": str(at)})
        if done.returncode == 0:
            break
        if not runs(sides):
            continue
        done = put_back(sides, runs(sides)[0])
        tried += 1
        if (done.returncode != 64 or b"qf salvage resume" not in done.stderr or done.stdout or
                sides.wrong() or not sides.claims()):
            wrong.append((at, done, sides.wrong()))
    tap.ok(tried > 10 and not wrong, "--abort of a move: refused, wherever it was killed", tried, wrong[:2])


def of_nobody_knows_what(top):
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    qf("export", "--from=" + sides.source, "--to=" + os.path.join(sides.top, "x.tar"))
    run = runs(sides)[0]
    with open(os.path.join(sides.source, ".qf/claims", run + ".0", "run.json"), "w") as f:
        f.write("{")
    done = put_back(sides, run)
    tap.ok(done.returncode == 65 and b"run.json" in done.stderr and len(sides.claims()) == len(IDS),
           "--abort of claims that do not say whose they are: left", done)


def main():
    with acting.fast_folder() as top:
        try:
            faults = acting.Faults(top)
        except laboratory.Missing as why:
            skip_all(why)
        of_a_move(faults, top)
        of_nobody_knows_what(top)
    tap.done()


main()
