#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf tui: 100,000 random keys (QF_KEYS) in rounds, under the sanitizers where such a build is there
(build-san), on a fast and on a slow terminal; after each round the queue is as the journal says."""
import os
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import keystorm
from tap import Tap

tap = Tap()
san = os.path.join(os.path.dirname(os.path.dirname(harness.QF)), "build-san/qf")
if os.access(san, os.X_OK):
    harness.QF = san
total = int(os.environ.get("QF_KEYS") or 100000)
seed = int(os.environ.get("QF_SEED") or time.time()) % 10**6
ROUND = 5000
with tempfile.TemporaryDirectory(prefix="qf-tui-keys.") as top:
    for i in range((total + ROUND - 1) // ROUND):
        slow = i % 4 == 3
        wrong, made = keystorm.storm(top, ROUND, seed + i, messages=40 if i % 2 else 12,
                                     piece=1024 if slow else 65536, pause=0.001 if slow else 0)
        tap.ok(not wrong, "%s, seed %d: %d keys, %d changes" % (
            "sanitized" if harness.QF == san else "plain", seed + i, ROUND, made), "\n".join(wrong))
tap.done()
