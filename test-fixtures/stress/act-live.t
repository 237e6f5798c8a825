#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""500 messages, two daemons, a sink that answers 421 now and then, and changes of random messages for
three minutes, in several rounds: nothing is lost, nothing is doubled."""
import os
import random
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()
try:
    for delay in (0.02, 0.2):
        acting.live(tap, count=500, seconds=180, delay=delay,
                    seed=int(os.environ.get("QF_SEED") or random.randrange(10**6)))
except laboratory.Missing as why:
    skip_all(why)
tap.done()
