#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""A queue brought home in three ways, both sendmails at work: by qf salvage, by cp -a, and by the usual
recipe (control files, then data files, copied; then removed). The sink keeps the ledger. What it
came to stands in docs/runbooks/rollback.md."""
import contextlib
import glob
import os
import random
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
import living
from tap import Tap, skip_all

tap = Tap()
COUNT = int(os.environ.get("QF_COUNT", "300" if os.environ.get("QF_STRESS") else "60"))
EMPTY = living.digest_of(b"")


def by_salvage(source, target):
    for _ in range(20):
        done = subprocess.run([harness.QF, "salvage", "run", "-C", "none", "--from=" + source,
                               "--to=" + target], capture_output=True)
        if done.returncode != 2:
            break
        time.sleep(0.5)


def by_cp(source, target):
    subprocess.run(["cp", "-a", source + "/.", target], stderr=subprocess.DEVNULL)


def by_hand(source, target):
    """As it is found in mailing lists: copy, look, remove."""
    for kind in ("qf", "df"):
        for path in glob.glob(source + "/" + kind + "*"):
            subprocess.run(["cp", "-p", path, target], stderr=subprocess.DEVNULL)
    for path in glob.glob(source + "/[qd]f*"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def bring(how, count, seed):
    """{"lost": ..., "doubled": ..., "altered": ..., "empty": ...}: recipients."""
    dice = random.Random(seed)
    wanted = {}
    options = {"MaxQueueChildren": "4", "MaxRunnersPerQueue": "4", "MinQueueAge": "0"}
    with laboratory.Lab(options={**options, "DeliveryMode": "queueonly"}) as source, \
            laboratory.Lab(options=options) as target, living.Moody(random.Random(seed), 0.1) as sink:
        source.relay_to(sink)
        target.relay_to(sink)
        sink.delay = 0.03
        first = source.daemon()
        for i in range(count):
            body = "message %d\n" % i * (1 if i % 9 else 2000)
            rcpts = ["u%d@dst%d.example" % (k, dice.randrange(3)) for k in range(dice.choice((1, 1, 2, 3)))]
            laboratory.submit(first.port, "ann@src.example", rcpts, "Subject: %d\n\n%s" % (i, body))
            wanted.update({(rcpt, living.digest_of(body.encode())): i for rcpt in rcpts})
        first.stop()
        daemons = [source.daemon("-q1s"), target.daemon("-q1s")]
        time.sleep(1)
        how(source.queue, target.queue)
        sink.delay = sink.share = 0

        def is_empty():
            return not [n for queue in (source.queue, target.queue) for n in os.listdir(queue)
                        if n[:2] in ("qf", "hf")]
        with contextlib.suppress(TimeoutError):
            laboratory.wait_until(is_empty, timeout=20)
        for daemon in daemons:
            daemon.kill()
        got = sink.copies()
        return {"lost": sum(got.get(key, 0) == 0 for key in wanted),
                "doubled": sum(got.get(key, 0) > 1 for key in wanted),
                "altered": sum(key not in wanted and key[1] != EMPTY for key in got),
                "empty": sum(key[1] == EMPTY for key in got)}, len(wanted)


def main():
    found = {}
    try:
        for how in (by_salvage, by_cp, by_hand):
            found[how], of = bring(how, COUNT, 7)
    except laboratory.Missing as why:
        skip_all(why)
    for how, ledger in found.items():
        print("# %-11s %s, of %d recipients" % (how.__name__, ledger, of))
    tap.ok(not any(found[by_salvage].values()), "salvage: nothing lost, doubled, altered or empty",
           found[by_salvage])
    tap.ok(found[by_cp]["doubled"] > of / 10, "cp -a doubles", found[by_cp])
    tap.ok(sum(found[by_hand].values()) > 0, "the usual recipe does harm", found[by_hand])
    tap.done()


main()
