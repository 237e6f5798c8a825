#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""The shared-queue system, real sendmail daemons that are replaced, fifty times: make acceptance."""
import os
import random
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import lab
import sharing
from tap import Tap

tap = Tap()
if os.geteuid():
    tap.skip("the shared-queue system", "needs root")
else:
    try:
        lab.find_sendmail(), lab.find_cf()
    except lab.Missing as why:
        tap.skip("the shared-queue system", why)
    else:
        sharing.accept(tap, messages=100, replacements=50,
                       seed=os.environ.get("QF_SEED") or str(random.randrange(10**6)))
tap.done()
