#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""hold, release, due, rm, rm --purge and the undo of each with each call that changes a file failing once: the command
says so in one line and ends with the right status, nothing is lost, and after the next change the
queue is in its old or its new state."""
import errno
import os
import re
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import lab as laboratory
from acting import ID
from tap import Tap, skip_all

tap = Tap()
ERRORS = ("ENOSPC", "EIO", "EACCES", "ESTALE", "EROFS", "EDQUOT")
# With stress each error at each call; else two of them at each.
ALL = bool(os.environ.get("QF_ALL_FAULTS"))


def judge(command, queue, done, label, why, is_last, failures):
    def failed(text):
        failures.append("%s: status %d: %s: %s\n%s" % (
            label, done.returncode, done.stderr.decode("utf-8", "replace"), text,
            acting.shown(queue)))

    says = [line for line in done.stderr.decode("utf-8", "replace").splitlines()
            if not re.match(r"qf: \w+: \d+ selected: ", line)]
    found, everywhere = acting.harm(queue)
    if found:
        failed(", ".join(found))
    if command != "rm --purge" and not {"df" + ID} <= set(everywhere):
        failed("the data file is nowhere")
    at_once = acting.state(command, queue)
    if done.returncode == 0:
        if at_once != "new":
            failed("said done, and is not")
        if is_last and b"not in the journal" not in done.stdout:
            failed("says nothing of the journal")
    else:
        if done.returncode != 2 and not 64 <= done.returncode <= 77:
            failed("not one of the statuses")
        if len(says) != 1 or not re.match(r"qf: [a-z]+: .+: .+", says[0]):
            failed("not one line of the form WHAT: WHY")
        elif why not in says[0]:
            failed("does not say why")
    after = acting.recover(queue)
    if after.returncode:
        failed("the next change: %s" % after.stderr)
    found, _ = acting.harm(queue)
    now = acting.state(command, queue)
    if found:
        failed("after the next change: " + ", ".join(found))
    if not now and acting.held_in_effect(command, queue):
        acting.act(*acting.words(command, queue), queue=queue)
        now = acting.state(command, queue)
    if not now:
        failed("after the next change neither old nor new")
    stage = os.path.join(queue.path, ".qf/stage")
    if os.listdir(stage):
        failed("staged files stay: %s" % os.listdir(stage))
    return "0" if done.returncode == 0 else "failed, " + str(at_once)


def failing(faults, command, split, directory):
    queue = acting.Queue(os.path.join(directory, "queue"), split)
    failures, n, tries, seen = [], 0, 0, set()
    acting.start(command, queue)
    log = os.path.join(directory, "log")
    faults.run(command, queue, log=log)
    with open(log) as f:
        calls = len(f.read().splitlines())
    os.unlink(log)
    for n in range(1, calls + 1):
        errors = ERRORS if ALL else (ERRORS[n % 6], ERRORS[(n + 2) % 6])
        for name in errors:
            acting.start(command, queue)
            number = getattr(errno, name)
            done = faults.run(command, queue, at=n, do=number)
            seen.add(judge(command, queue, done, "%s at call %d" % (name, n),
                           os.strerror(number), n == calls, failures))
            tries += 1
    name = "%s, %s" % (command, "split" if split else "flat")
    tap.ok(not failures and tries > 20, "%s: %d failures, each told, nothing lost" % (name, tries),
           "\n".join(failures[:8]))
    tap.ok("failed, old" in seen and len(seen) > 1, name + ": early ones change nothing", seen)


def main():
    with acting.fast_folder() as directory:
        try:
            faults = acting.Faults(directory)
        except laboratory.Missing as why:
            skip_all(why)
        for number, command in enumerate(acting.EVERY):
            for split in (False, True) if ALL else (number % 2 == 1,):
                failing(faults, command, split, directory)
    tap.done()


main()
