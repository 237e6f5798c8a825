#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""export --abort: only claims of an export that is over are put back; streams that stall, and signals
meanwhile."""
import os
import signal
import socket
import subprocess
import sys
import time

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
            if os.path.isdir(os.path.join(path, name)) and set(os.listdir(os.path.join(path, name))) - {"run.json"}]


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


def of_killed_ones(top):
    """The file that tells a file server's time, left by one that was killed."""
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    qf("export", "--from=" + sides.source, "--to=" + os.path.join(sides.top, "y.tar"))
    path = os.path.join(sides.source, ".qf/claims")
    run = runs(sides)[0]
    for name, ago in (("clock.1", 7200), ("clock.2", 60), ("other", 7200)):
        with open(os.path.join(path, name), "w"):
            pass
        os.utime(os.path.join(path, name), (time.time() - ago,) * 2)
    done = put_back(sides, run)
    left = sorted(os.listdir(path))
    tap.ok(done.returncode == 0 and left == ["clock.2", "other"], "what a killed one left beside the claims goes",
           left, done)


# ---------------------------------------------------------------- streams

BIG = 200000


def begin(top):
    """A queue whose messages do not fit into a pipe."""
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    for id in IDS:
        sides.bodies[id] = os.urandom(BIG)
        with open(os.path.join(sides.source, "df" + id), "wb") as f:
            f.write(sides.bodies[id])
    return sides


def start(*args, **streams):
    return subprocess.Popen([harness.QF, "salvage", args[0], *RULES, *args[1:]], stderr=subprocess.PIPE,
                            env={**os.environ, **ENV}, **streams)


def stall(sides, n):
    """An export of whose stream so much is read, and no more. It, and what was read."""
    run = start("export", "--from=" + sides.source, "--to=-", stdout=subprocess.PIPE)
    read = b""
    while len(read) < n:
        read += os.read(run.stdout.fileno(), n - len(read))
    return run, read


def asked_to_end(run):
    """SIGTERM: its status, and seconds until it had ended."""
    began = time.monotonic()
    run.send_signal(signal.SIGTERM)
    try:
        run.wait(20)
    except subprocess.TimeoutExpired:
        run.kill()
    return run.wait(), time.monotonic() - began


def alive(top):
    """What waits for its reader keeps its claims, however short a lease is asked for."""
    sides = begin(top)
    run, read = stall(sides, 2 * BIG)
    done = put_back(sides, runs(sides)[0], "--lease=0")
    tap.ok(done.returncode == 2 and b"still at work" in done.stderr and len(sides.claims()) == len(IDS),
           "--abort of an export that lives and stalls: left to it", done)
    done = sides.qf("resume", "--retarget", "--lease=0")
    tap.ok(done.returncode == 2 and b"still at work" in done.stderr and len(sides.claims()) == len(IDS),
           "and so does resume --retarget", done)
    read += run.stdout.read()
    run.communicate()
    done = qf("import", "-", "--to=" + sides.target, "--receipt=" + os.path.join(sides.top, "r"), input=read)
    tap.ok(run.returncode == 0 and done.returncode == 0 and not sides.wrong(), "it comes to its end", done,
           sides.wrong())


def ended(top):
    """SIGTERM while the reader of the stream stalls."""
    sides = begin(top)
    run, read = stall(sides, BIG // 2)
    status, took = asked_to_end(run)
    tap.ok(status == 143 and took < 5 and not sides.claims() and not sides.wrong(),
           "SIGTERM in the first message: all of it is put back", status, took, sides.wrong())
    run.communicate()
    sides = begin(top)
    run, read = stall(sides, BIG + BIG // 2)
    status, took = asked_to_end(run)
    read += run.stdout.read()
    words = run.stderr.read()
    run.communicate()
    tap.ok(status == 143 and took < 5 and len(sides.claims()) == 1 and not sides.wrong(),
           "in the second one: the first stays claimed", status, took, sides.claims(), sides.wrong(), words)
    receipt = os.path.join(sides.top, "r")
    done = qf("import", "-", "--to=" + sides.target, "--receipt=" + receipt, input=read)
    arrived = sides.visible(sides.target)
    tap.ok(set(arrived) == set(sides.claims()) and not sides.wrong(), "and can be imported", done,
           sides.wrong())
    done = qf("export", "--from=" + sides.source, "--commit=" + receipt)
    tap.ok(done.returncode == 0 and not sides.claims() and not sides.wrong(), "and released", done,
           sides.wrong())


def others(top):
    """SIGTERM while an import waits for its stream, or a resubmit for its server."""
    sides = begin(top)
    fifo, path = os.path.join(sides.top, "fifo"), os.path.join(sides.target, ".qf/import")
    os.mkfifo(fifo)
    for source in ("-", fifo):
        run = start("import", source, "--to=" + sides.target, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        laboratory.wait_until(lambda: os.path.isdir(path) and os.listdir(path))
        status, took = asked_to_end(run)
        run.communicate()
        tap.ok(status == 143 and took < 5 and not os.listdir(path) and not sides.visible(sides.target),
               "SIGTERM to an import of %s: nothing of it stays" % os.path.basename(source), status, took)
    version = harness.qf("--version").stdout
    if b"libcurl" not in version or b"without libcurl" in version:
        return
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        run = start("resubmit", "--from=" + sides.source, "--smtp=127.0.0.1:%d" % server.getsockname()[1],
                    stdout=subprocess.DEVNULL)
        server.accept()
        status, took = asked_to_end(run)
        run.communicate()
    tap.ok(status == 143 and took < 5 and not sides.wrong(), "to a resubmit whose server is silent", status,
           took, sides.wrong())


def main():
    with acting.fast_folder() as top:
        try:
            faults = acting.Faults(top)
        except laboratory.Missing as why:
            skip_all(why)
        of_a_move(faults, top)
        of_nobody_knows_what(top)
        of_killed_ones(top)
        alive(top)
        ended(top)
        others(top)
    tap.done()


main()
