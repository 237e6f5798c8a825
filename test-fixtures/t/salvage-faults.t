#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage run with each call that changes a file failing once: it says so, ends with the right status,
leaves each message at the source, claimed, or at the target, and resume and another run finish it."""
import errno
import os
import re
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import lab as laboratory
import salvaging
from tap import Tap, skip_all

tap = Tap()
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "ESTALE", "EACCES", "EROFS", "ENAMETOOLONG")
# With stress each error at each call; else one of them at each.
ALL = bool(os.environ.get("QF_ALL_FAULTS"))


def judge(sides, done, label, why, failures, eats):
    says = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")

    def failed(text):
        failures.append("%s: status %d: %s: %s\n%s" % (label, done.returncode, says, text,
                                                       sides.shown()))

    wrong = sides.wrong()
    if wrong:
        failed(", ".join(wrong))
    all_there = len(sides.visible(sides.target)) == len(salvaging.BODIES)
    if done.returncode == 0:
        if not all_there or sides.claims():
            failed("said done, and is not")
    else:
        if done.returncode != 2 and not 64 <= done.returncode <= 77:
            failed("not one of the statuses")
        if why not in says:
            failed("does not say why")
        if not re.search(r"^qf: salvage: .+: .+", says, re.M):
            failed("is not told as WHAT: WHY")
    eaten = sides.eat() if eats else []
    salvaging.finish(sides, eaten, failed, "after the fault")
    return done.returncode


def failing(faults, split, directory):
    sides = salvaging.Sides(os.path.join(directory, "sides"), split)
    log = os.path.join(directory, "log")
    sides.make()
    sides.qf("run", env={"LD_PRELOAD": faults.library, "FAULTS_LOG": log})
    with open(log) as f:
        calls = len(f.read().splitlines())
    os.unlink(log)
    failures, tries, statuses = [], 0, set()
    for n in range(1, calls + 1):
        for name in ERRORS if ALL else (ERRORS[n % len(ERRORS)],):
            sides.make()
            number = getattr(errno, name)
            done = sides.qf("run", env={"LD_PRELOAD": faults.library, "FAULTS_AT": str(n),
                                        "FAULTS_DO": str(number)})
            statuses.add(judge(sides, done, "%s at call %d of %d" % (name, n, calls),
                               os.strerror(number), failures, n % 2))
            tries += 1
    name = "source %s, target %s" % tuple("split" if s else "flat" for s in split)
    tap.ok(not failures and tries > 40, name + ": %d failures, each told, all finished after" % tries,
           "\n".join(failures[:5]))
    tap.ok({0, 2} <= statuses and len(statuses) > 2, name + ": some stop it, some do not", statuses)


def main():
    with acting.fast_folder() as directory:
        try:
            faults = acting.Faults(directory)
        except laboratory.Missing as why:
            skip_all(why)
        for split in [(False, False), (True, False), (False, True)] if ALL else [(True, False)]:
            failing(faults, split, directory)
    tap.done()


main()
