#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Messages changed at random while two daemons, or two programs with the other kind of lock, deliver
them: nothing is lost, nothing is doubled. With stress: more of it, for longer."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import lab as laboratory
import living
from tap import Tap, skip_all

tap = Tap()
ROUNDS = (
    {"count": 500, "seconds": 180, "delay": 0.02},
    {"count": 500, "seconds": 180, "delay": 0.2},
    {"count": 500, "seconds": 90, "by": ("fcntl", "fcntl"), "changers": 3},
) if os.environ.get("QF_STRESS") else (
    {"count": 60, "seconds": 8},
    {"count": 100, "seconds": 8, "by": ("fcntl", "fcntl")},
)
try:
    for number, settings in enumerate(ROUNDS):
        living.live(tap, seed=living.seed(number), **settings)
except laboratory.Missing as why:
    skip_all(why)
tap.done()
