#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""hold, release, due, rm, edit and undo by chance, killed anywhere, two at once, beside deliveries: no message
is lost or doubled, or loses a recipient who was not struck. The number of a course makes it again.
$QF_ALL_FAULTS: the long form."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import changing
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()
LONG = bool(os.environ.get("QF_ALL_FAULTS"))
FIRST = int(os.environ.get("QF_SEED", "1"))

with acting.fast_folder() as top:
    try:
        faults = acting.Faults(top).library
    except laboratory.Missing as why:
        skip_all(why)
    for seed in range(FIRST, FIRST + (200 if LONG else 6)):
        course = changing.course(top, seed, faults, 60 if LONG else 25)
        tap.ok(not course.wrong, "course %d: %d messages, %d delivered" % (
            seed, len(course.bodies), len(course.delivered)), *course.wrong[:5], *(course.told if course.wrong else ()))
tap.done()
