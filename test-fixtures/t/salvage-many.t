#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""A source with 200,000 files, moved: each byte is there, nothing is left, and memory does not grow with
their number beyond 250 bytes a message."""
import hashlib
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.environ.get("QF_FIXTURES", os.path.dirname(HERE))
sys.path.insert(0, os.path.join(FIXTURES, "lab"))
import acting
import harness
from tap import Tap, skip_all

tap = Tap()
BUILD = os.environ.get("QF_BUILD", "")
# Far apart: what the scan holds at once, some 6 MB, is not always the same.
FEW, MESSAGES = 25000, 100000


def make(top, name, messages):
    subprocess.run([os.path.join(BUILD, "bench/gen-queue"), "--messages=%d" % messages, "--body-bytes=50",
                    os.path.join(top, name)], check=True, stdout=subprocess.DEVNULL)
    os.chmod(os.path.join(top, name), 0o700)
    os.mkdir(os.path.join(top, name + "-to"), 0o700)
    return os.path.join(top, name), os.path.join(top, name + "-to")


def move(source, target):
    """Status, what it said at its end, and its peak of memory in bytes."""
    program = os.environ.get("QF") or os.path.join(BUILD, "qf")
    done = subprocess.run(
        [os.path.join(BUILD, "bench/measure"), "--pipe", program, "salvage", "run", "-q", "-C", "none",
         "--queue-return=never", "--from=" + source, "--to=" + target], capture_output=True,
        env=dict(os.environ, QF_CONF="/dev/null"))
    seconds, _, peak, _, _, status = done.stdout.split()[:6]
    return int(status), float(seconds), int(peak) * 1024


def sums(path):
    found = {}
    for name in os.listdir(path):
        if name[:2] in ("qf", "df"):
            with open(os.path.join(path, name), "rb") as f:
                found[name] = hashlib.sha256(f.read()).digest()
    return found


def main():
    if subprocess.run([os.path.join(FIXTURES, "../scripts/bench"), "--helpers", BUILD],
                      stdout=subprocess.DEVNULL).returncode:
        skip_all("the helpers of the bench cannot be built")
    with acting.fast_folder() as top:
        source, target = make(top, "few", FEW)
        status, _, few = move(source, target)
        tap.ok(status == 0, "25,000 messages", status)
        source, target = make(top, "many", MESSAGES)
        before = sums(source)
        tap.ok(len(before) == 2 * MESSAGES, "a source with %d files" % len(before))
        status, seconds, many = move(source, target)
        tap.ok(status == 0 and sums(target) == before and not sums(source),
               "all of them are there, byte for byte, and none is left", status)
        more = (many - few) / (MESSAGES - FEW)
        tap.ok(more <= 250, "memory: %.0f bytes a message; %.1f s" % (more, seconds), few, many)
        done = harness.qf("salvage", "verify", "-C", "none", "--from=" + source, "--to=" + target)
        tap.ok(done.returncode == 0 and b"%d planned = %d moved (%d there" % ((MESSAGES,) * 3) in done.stdout,
               "and verified", done.stdout[-200:], done.stderr[-200:])
    tap.done()


main()
