#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage run and resume, killed before each call that changes a file, at the source and at the target,
and cut off by a power failure after each: no message is lost, none is doubled, none is seen half, and
resume and another run bring all to the target, also when its sendmail has delivered meanwhile."""
import concurrent.futures
import os
import shutil
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import lab as laboratory
import salvaging
from tap import Tap, skip_all

tap = Tap()
ALL = bool(os.environ.get("QF_ALL_FAULTS"))
SPLITS = [(False, False), (True, False), (False, True)] if ALL else [(False, True)]


def faulty(faults, at=0, do="kill", log=None):
    env = {"LD_PRELOAD": faults.library, "FAULTS_AT": str(at), "FAULTS_DO": str(do)}
    if log:
        env["FAULTS_LOG"] = log
    return env


def judge(sides, label, failures, eats):
    """What an interruption left: as it is, and after what comes next."""
    wrong = sides.wrong()
    seen = (len(sides.visible(sides.source)), len(sides.claims()),
            len(sides.visible(sides.target)))
    if wrong:
        failures.append("%s: %s\n%s" % (label, ", ".join(wrong), sides.shown()))
    eaten = sides.eat() if eats else []
    salvaging.finish(sides, eaten, failures.append, label + (", delivered meanwhile" if eats else ""))
    return seen


def killed(faults, split, directory):
    sides = salvaging.Sides(os.path.join(directory, "killed"), split)
    failures, seen, n = [], set(), 0
    while n < 400:
        n += 1
        sides.make()
        done = sides.qf("run", env=faulty(faults, n))
        if done.returncode != -9:
            break
        seen.add(judge(sides, "killed at call %d" % n, failures, n % 2 == 0))
        if ALL:
            sides.make()
            sides.qf("run", env=faulty(faults, n))
            judge(sides, "killed at call %d" % n, failures, n % 2 == 1)
    name = "source %s, target %s" % tuple("split" if s else "flat" for s in split)
    tap.ok(not failures, name + ": run killed at every step", "\n".join(failures[:3]))
    tap.ok(n > 40 and done.returncode == 0 and not sides.wrong() and not sides.claims(),
           name + ": %d points, then it is done" % (n - 1), done.returncode, done.stderr)
    # Else the points would all lie before or behind what matters.
    tap.ok({(3, 0, 0), (0, 3, 0), (0, 3, 3), (0, 0, 3)} <= seen,
           name + ": at the source, claimed, at both, at the target", seen)


def killed_in_lanes(faults, directory):
    """Several batches at once, as on a slow file system: where each of them is differs from run to run."""
    sides = salvaging.Sides(os.path.join(directory, "lanes"), (False, False), 14)
    failures, seen, folders, n, points = [], set(), set(), 0, 0
    while n < 2000:
        n += 1 if ALL else 11
        sides.make()
        done = sides.qf("run", env=faulty(faults, n), jobs=32)
        if done.returncode != -9:
            break
        points += 1
        folders.add(len(os.listdir(os.path.join(sides.source, ".qf/claims")))
                    if os.path.isdir(os.path.join(sides.source, ".qf/claims")) else 0)
        if n % 3 == 0:
            sides.qf("resume", env=faulty(faults, 1 + n % 97), jobs=32)
            points += 1
        seen.add(tuple(bool(some) for some in judge(sides, "lanes killed at call %d" % n, failures,
                                                    n % 2 == 0)))
    tap.ok(not failures and done.returncode == 0 and points > 30,
           "several batches at once, killed at %d points" % points, "\n".join(failures[:3]))
    tap.ok(max(folders) >= 4 and any(claimed and there for _, claimed, there in seen) and
           any(source and claimed for source, claimed, _ in seen),
           "several batches at once: %d folders of claims, messages on both sides" % max(folders),
           folders, seen)


def killed_in_resume(faults, split, directory):
    """Killed in run at a call where claims are there, then in resume at each of its calls."""
    sides = salvaging.Sides(os.path.join(directory, "resumed"), split)
    failures, points = [], 0
    sides.make()
    log = os.path.join(directory, "log")
    sides.qf("run", env=faulty(faults, log=log))
    with open(log) as f:
        lines = f.read().splitlines()
    os.unlink(log)
    # Just behind the claims, behind the marks, behind the first control file's name.
    marks = [i for i, line in enumerate(lines) if "manifests" in line and line.startswith("fsync")]
    named = [i for i, line in enumerate(lines) if line.startswith("rename") and "/incoming/" in
             line.split("\t")[1] and line.split("\t")[2].startswith(sides.target)]
    for first in (sorted({marks[-2] - 1, marks[-2] + 2, named[-1] - 1, named[-1] + 2, len(lines) - 4})
                  if ALL else (marks[-2] + 2, named[-1] - 1)):
        for n in range(1, 400):
            sides.make()
            sides.qf("run", env=faulty(faults, first))
            done = sides.qf("resume", env=faulty(faults, n))
            if done.returncode != -9:
                break
            points += 1
            judge(sides, "run killed at %d, resume at %d" % (first, n), failures, n % 2 == 0)
    name = "source %s, target %s" % tuple("split" if s else "flat" for s in split)
    tap.ok(not failures and points > 50, name + ": resume killed at %d points" % points,
           "\n".join(failures[:3]))


def cut_off(faults, split, directory):
    sides = salvaging.Sides(os.path.join(directory, "cut"), split)
    log = os.path.join(directory, "log")
    sides.make()
    disk = acting.Disk(sides.top)
    done = sides.qf("run", env=faulty(faults, log=log))
    with open(log) as f:
        lines = f.read().splitlines()
    os.unlink(log)
    failures, tried = [], []
    for n, line in enumerate(lines, 1):
        if not line.split("\t")[1].startswith(sides.top):
            continue
        disk.do(line)
        trees = disk.trees()
        if not ALL and len(trees) > 4:
            trees = trees[:1] + trees[len(trees) // 2:len(trees) // 2 + 1] + trees[-2:]
        for tree in trees:
            if tree in tried:
                continue
            tried.append(tree)
            acting.put_tree(tree, sides.top)
            judge(sides, "power cut after call %d, %s" % (n, line[:160]), failures, len(tried) % 2)
    name = "source %s, target %s" % tuple("split" if s else "flat" for s in split)
    tap.ok(done.returncode == 0 and len(tried) > 60 and not failures,
           name + ": power cut after every call, %d trees" % len(tried), "\n".join(failures[:3]))


def judge_copy(sides, label, failures, eats):
    """A copy that was cut short: what is there is whole, the source as it was; once more, and each is there once."""
    source = sides.visible(sides.source)
    eaten = sides.eat() if eats else []
    for again in range(2):
        there = sides.visible(sides.target)
        for id, controls in there.items():
            if controls != source.get(id):
                failures.append("%s: %s is not what it is at the source" % (label, id))
        done = sides.qf("run", "--copy")
        if done.returncode not in (0, 1):
            failures.append("%s: again: %d: %s" % (label, done.returncode, done.stderr))
    there = sorted([*sides.visible(sides.target), *eaten])
    if there != sorted(source) or sides.visible(sides.source) != source:
        failures.append("%s: at the end there is %s" % (label, there))
    left = [name for name in sides.incoming() if name != "trial"]
    if left:
        failures.append("%s: left staged: %s" % (label, left))
    return len(there) - len(eaten), len(eaten)


def copy_killed(faults, split, directory):
    """Side by side: a copy takes a second, in which the source must not change."""
    log = os.path.join(directory, "log")
    sides = salvaging.Sides(os.path.join(directory, "copy"), split).make()
    disk = acting.Disk(sides.top)
    sides.qf("run", "--copy", env=faulty(faults, log=log))
    with open(log) as f:
        lines = f.read().splitlines()
    os.unlink(log)
    failures, tried = [], []

    def killed(n):
        found = []
        for eats in (True, False) if ALL else (n % 2 == 0,):
            mine = salvaging.Sides("%s.%d" % (sides.top, n), split).make()
            status = mine.qf("run", "--copy", env=faulty(faults, n)).returncode
            found.append((status, judge_copy(mine, "copy killed at call %d" % n, failures, eats)))
            shutil.rmtree(mine.top)
        return found

    def cut(job):
        n, tree = job
        mine = salvaging.Sides("%s.%d" % (sides.top, n), split)
        os.mkdir(mine.top)
        acting.put_tree(tree, mine.top)
        judge_copy(mine, "power cut of a copy, tree %d" % n, failures, n % 2)
        shutil.rmtree(mine.top)

    for line in lines:
        if line.split("\t")[1].startswith(sides.top):
            disk.do(line)
            trees = disk.trees()
            tried += [tree for tree in (trees if ALL else trees[:1] + trees[-1:]) if tree not in tried]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        points = sum(pool.map(killed, range(1, len(lines) + 1)), [])
        list(pool.map(cut, enumerate(tried)))
    name = "source %s, target %s" % tuple("split" if s else "flat" for s in split)
    tap.ok(not failures and len(points) > 30 and {status for status, _ in points} == {-9} and
           {(3, 0), (0, 3)} <= {seen for _, seen in points} and len(tried) > 30,
           name + ": copy killed at %d points, power cut: %d trees" % (len(points), len(tried)),
           "\n".join(failures[:3]), points)


def main():
    with acting.fast_folder() as directory:
        try:
            faults = acting.Faults(directory)
        except laboratory.Missing as why:
            skip_all(why)
        for split in SPLITS:
            killed(faults, split, directory)
            killed_in_resume(faults, split, directory)
            cut_off(faults, split, directory)
            copy_killed(faults, split, directory)
        killed_in_lanes(faults, directory)
    tap.done()


main()
