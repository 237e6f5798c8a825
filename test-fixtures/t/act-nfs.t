#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Changes on a file system whose flock and fcntl locks exclude each other, as on NFS (the slow file
system of the tests): one kind of lock is taken, and that is enough beside daemons with the one kind and
programs with the other."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
import living
from tap import Tap, skip_all

tap = Tap()
SLOWFS = os.path.join(os.environ.get("QF_BUILD", ""), "bench/slowfs")
INSIDE = os.environ.get("QF_INSIDE")


def counts(path):
    """What slowfs counted."""
    with open(path) as f:
        return {name: int(n) for name, n in (line.split() for line in f)}


def kinds(directory):
    """The trial takes one lock by flock; all others are fcntl's."""
    queue = acting.Queue(os.path.join(directory, "queue"))
    for command in acting.COMMANDS:
        acting.start(command, queue)
        stats = os.path.join(directory, "stats")
        args = [SLOWFS, "--delay=0", "--locks=both", "--stats=" + stats, queue.path, "--", harness.QF,
                *acting.COMMANDS[command][0], "-C", "none", "-Q", queue.path,
                "--now=@%d" % acting.NOW, acting.ID]
        done = subprocess.run(args, capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
                              env={**os.environ, "QF_CONF": "/dev/null", "QF_STATE": ""})
        seen = counts(stats)
        tap.ok(done.returncode == 0 and acting.state(command, queue) == "new",
               command + " where the two kinds exclude each other", done, acting.shown(queue))
        tap.ok(seen.get("flock") == 1 and seen.get("setlk", 0) >= 2,
               command + ": one kind is taken, but for the trial", seen)
        done = subprocess.run([*args[:-1], "nosuch"], capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        tap.ok(done.returncode == 1 and "flock" not in counts(stats), "no trial where nothing is done",
               done)


def living_there(directory):
    """The rest of this test again, in a world in which the directory is slow; its results are ours."""
    done = subprocess.Popen([SLOWFS, "--delay=200us", "--locks=both", directory, "--", sys.executable,
                             os.path.abspath(__file__)], stdout=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL, env={**os.environ, "QF_INSIDE": directory})
    said = done.stdout.read().splitlines()
    results = [n for n, line in enumerate(said) if line.split(" ")[0] in ("ok", "not")]
    tap.ok(results and not done.wait(), "delivered there", "\n".join(said))
    for at, end in zip(results, results[1:] + [len(said)]):
        tap.ok(said[at].startswith("ok"), said[at].partition(" - ")[2], "\n".join(said[at + 1:end]))


def inside():
    rounds = [{"count": 40, "seconds": 8}]
    if os.environ.get("QF_STRESS"):
        rounds = [{"count": 500, "seconds": 120}, {"count": 300, "seconds": 60, "by": ("fcntl",) * 2},
                  {"count": 300, "seconds": 60, "by": ("flock", "fcntl")}]
    for number, settings in enumerate(rounds):
        settings.setdefault("by", ("daemon", "fcntl"))
        queue = os.path.join(INSIDE, "mqueue%d" % number)
        living.live(tap, seed=living.seed(number), queue=queue,
                    label=", locks as on NFS", **settings)
    tap.done()


def main():
    subprocess.run([os.path.join(harness.FIXTURES, "../scripts/bench"), "--helpers",
                    os.environ.get("QF_BUILD", "")], check=True, stdout=sys.stderr)
    able = subprocess.run([SLOWFS, "--check"], capture_output=True, text=True)
    if able.returncode:
        skip_all(able.stderr.strip())
    with acting.fast_folder() as directory:
        kinds(directory)
        os.mkdir(os.path.join(directory, "slow"), 0o700)
        try:
            laboratory.find_sendmail()
            laboratory.find_cf()
        except laboratory.Missing as why:
            tap.skip("beside daemons", why)
        else:
            living_there(os.path.join(directory, "slow"))
    tap.done()


inside() if INSIDE else main()
