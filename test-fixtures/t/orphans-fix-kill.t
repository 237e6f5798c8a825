#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf orphans --fix killed before each call that changes a file, cut off by a power failure after each, and
with each call failing: nothing of a message is lost, nothing does more harm than before, and the same
command again ends the matter."""
import errno
import os
import shutil
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import lab as laboratory
from acting import BODY, CONTROL, ID
from tap import Tap, skip_all

tap = Tap()
EACH = bool(os.environ.get("QF_STRESS"))
LESS = CONTROL.replace(b"RPFD:<eve@dst.example>\n", b"")
NO_SENDER = CONTROL.replace(b"S<ann@src.example>\n", b"")
OLD = acting.NOW - 86400

# What lies there, the fix, and the names that are in the queue once it is done.
CASES = {
    "clean tf-alone": ({"tf": CONTROL[:60]}, "clean", []),
    "rescue df-alone": ({"df": BODY}, "rescue", []),
    "rescue tf-alone": ({"tf": CONTROL[:60], "df": BODY}, "rescue", []),
    "rescue qf-no-sender": ({"qf": NO_SENDER, "df": BODY}, "rescue", []),
    "guard qf-empty": ({"qf": b"", "df": BODY}, "guard", ["df", "qf"]),
    "guard qf-no-sender": ({"qf": NO_SENDER, "df": BODY}, "guard", ["Qf", "df"]),
    "recover tf-alone": ({"tf": CONTROL, "df": BODY}, "recover", ["df", "hf"]),
    "recover qf-lost": ({"Qf": CONTROL, "df": BODY}, "recover", ["df", "hf"]),
    "recover qf-cut": ({"qf": CONTROL[:-12], "df": BODY}, "recover", ["df", "hf"]),
    "recover tf-beside": ({"qf": CONTROL, "tf": LESS, "df": BODY}, "recover", ["df", "qf"]),
    "recover qf-and-hf": ({"qf": CONTROL, "hf": LESS, "df": BODY}, "recover", ["df", "hf"]),
}
# Besides: bytes of these need not be kept, for something better took their place.
REPLACED = {"recover tf-beside": [CONTROL], "recover qf-cut": [CONTROL[:-12]],
            "recover tf-alone": [CONTROL], "recover qf-lost": [CONTROL]}


def make(queue, files):
    shutil.rmtree(queue.path, ignore_errors=True)
    for sub in ["", "qf", "df", "xf"] if queue.split else [""]:
        os.mkdir(os.path.join(queue.path, sub), 0o700)
    for prefix in files:
        queue.write(prefix + ID, files[prefix])
    make_old(queue)
    queue.write("qf" + acting.OTHER, CONTROL)
    queue.write("df" + acting.OTHER, b"other body\n")


def make_old(queue):
    """Each kind as old as it would be, the tf and hf newer than the qf."""
    for i, prefix in enumerate(("qf", "hf", "tf", "Qf", "df")):
        if os.path.exists(queue.place(prefix + ID)):
            os.utime(queue.place(prefix + ID), (OLD + i,) * 2)


def fix(queue, kind, faults=None, at=0, do="kill", log=None):
    env = {"LD_PRELOAD": faults.library, "FAULTS_HASTE": "1", "FAULTS_AT": str(at), "FAULTS_DO": str(do)}
    if log:
        env["FAULTS_LOG"] = log
    return acting.act("orphans", "--deep", "--grace=0s", "--fix=" + kind, "--yes", queue=queue, env=env)


def everything(queue):
    """The content of every file, wherever it lies."""
    found = []
    for directory, _, names in os.walk(queue.path):
        for name in names:
            with open(os.path.join(directory, name), "rb") as f:
                found.append(f.read())
    return found


def names(queue):
    return sorted(name[:2] for name in queue.of_message())


def unfinished(queue):
    """Folders that are still called .part, files still staged."""
    found = []
    for folder in ("trash", "lost+found"):
        path = os.path.join(queue.path, ".qf", folder)
        # An empty one may be one that somebody has just made.
        found += [n for n in os.listdir(path) if n.endswith(".part") and
                  os.listdir(os.path.join(path, n))] if os.path.isdir(path) else []
    stage = os.path.join(queue.path, ".qf/stage")
    return found + (os.listdir(stage) if os.path.isdir(stage) else [])


def judge(case, queue, faults, label, failures):
    files, kind, end = CASES[case]

    def failed(text):
        failures.append("%s: %s\n%s" % (label, text, acting.shown(queue)))

    kept = everything(queue)
    for prefix, content in files.items():
        if content and content not in REPLACED.get(case, []) and not any(content in k for k in kept):
            failed("the bytes of the %s are nowhere" % prefix)
    if case in REPLACED and not any(b"RPFD:<bob@dst.example>" in k and k.endswith(b"\n.\n")
                                    for name, (k, *_) in queue.of_message().items()
                                    if name[:2] != "df") and case != "recover qf-cut":
        failed("no whole envelope is there")
    now = names(queue)
    if "qf" in now and "qf" not in files:
        failed("a queued message has come up")
    if "df" not in now and {"qf", "hf"} & set(now):
        failed("a control file without its body")
    done = fix(queue, kind + ",clean", faults)
    if done.returncode not in (0, 1) or names(queue) != end:
        failed("again: status %d, %s\n%s" % (done.returncode, names(queue), done.stderr))
    if unfinished(queue):
        failed("unfinished: %s" % unfinished(queue))
    if "other body\n".encode() not in everything(queue):
        failed("the other message is gone")


def killed(faults, case, split, directory):
    queue = acting.Queue(os.path.join(directory, "queue"), split)
    files, kind, end = CASES[case]
    failures, n = [], 0
    while n < 100:
        n += 1
        make(queue, files)
        done = fix(queue, kind, faults, at=n)
        if done.returncode != -9:
            break
        judge(case, queue, faults, "killed at call %d" % n, failures)
    tap.ok(not failures, "%s: killed at every step" % case, "\n".join(failures[:3]))
    tap.ok(n > 8 and done.returncode in (0, 1) and names(queue) == end and not unfinished(queue),
           "%s: %d points, then it is done" % (case, n - 1), done, acting.shown(queue))


def cut_off(faults, case, split, directory):
    queue = acting.Queue(os.path.join(directory, "queue"), split)
    files, kind, end = CASES[case]
    log = os.path.join(directory, "log")
    if os.path.exists(log):
        os.unlink(log)
    make(queue, files)
    disk = acting.Disk(queue.path)
    fix(queue, kind, faults, log=log)
    with open(log) as f:
        lines = f.read().splitlines()
    failures, tried = [], []
    for n, line in enumerate(lines, 1):
        if not line.split("\t")[1].startswith(queue.path):
            continue
        disk.do(line)
        if not EACH and n % 3 and n != len(lines):
            continue
        for tree in disk.trees():
            if tree in tried:
                continue
            tried.append(tree)
            acting.put_tree(tree, queue.path)
            make_old(queue)
            if n == len(lines) and names(queue) != end:
                failures.append("done, but a power cut undoes it\n" + acting.shown(queue))
            judge(case, queue, faults, "power cut after call %d, %s" % (n, line[:120]), failures)
    tap.ok(not failures and len(tried) > 3, "%s: power cut" % case, len(tried), "\n".join(failures[:3]))


def failing(faults, case, split, directory):
    queue = acting.Queue(os.path.join(directory, "queue"), split)
    files, kind, _ = CASES[case]
    log = os.path.join(directory, "log")
    if os.path.exists(log):
        os.unlink(log)
    make(queue, files)
    fix(queue, kind, faults, log=log)
    with open(log) as f:
        calls = len(f.read().splitlines())
    failures = []
    for n in range(1, calls + 1):
        for code in ("ENOSPC", "EIO", "EACCES", "ESTALE", "EROFS", "EDQUOT") if EACH else (
                ("ENOSPC", "EIO", "EACCES", "ESTALE")[n % 4],):
            make(queue, files)
            done = fix(queue, kind, faults, at=n, do=getattr(errno, code))
            label = "%s at call %d" % (code, n)
            if done.returncode not in (0, 1, 2) and not 64 <= done.returncode <= 78:
                failures.append("%s: status %d: %s" % (label, done.returncode, done.stderr))
            if done.returncode >= 2 and not done.stderr:
                failures.append("%s: says nothing" % label)
            judge(case, queue, faults, label, failures)
    tap.ok(not failures and calls > 8, "%s: each of %d calls failing" % (case, calls),
           "\n".join(failures[:3]))


def main():
    with acting.fast_folder() as directory:
        try:
            faults = acting.Faults(directory)
        except laboratory.Missing as why:
            skip_all(why)
        for i, case in enumerate(CASES):
            for split in (False, True) if EACH else (i % 2 == 1,):
                killed(faults, case, split, directory)
                cut_off(faults, case, split, directory)
                failing(faults, case, split, directory)
    tap.done()


main()
