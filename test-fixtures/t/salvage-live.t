#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage beside two real sendmails with daemons at work, with runs that are killed; and two runs at
once: each message is delivered once. $QF_ALL_FAULTS: the long form."""
import os
import random
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import lab as laboratory
import living
import salvage_live
from tap import Tap

tap = Tap()
LONG = bool(os.environ.get("QF_ALL_FAULTS"))
salvage_live.side_by_side(tap, 300 if LONG else 100, 20 if LONG else 3)
try:
    salvage_live.live(tap, count=1000 if LONG else 60, seed=living.seed(1), kills=20 if LONG else 4)
except laboratory.Missing as why:
    tap.skip("beside two sendmails", why)
tap.done()
