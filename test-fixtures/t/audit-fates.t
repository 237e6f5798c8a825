#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""audit: what becomes of mail, by chance, between daemons that are killed, aliases, rotated logs, changes by qf
and files that are deleted by hand: what was lost is missing, what is said of others is so, and an old copy that
is put back, audited and run doubles nothing and loses nothing. The number of a course makes it again, but for
what depends on the moment of a kill. $QF_ALL_FAULTS: the long form."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import fates
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()
LONG = bool(os.environ.get("QF_ALL_FAULTS"))
FIRST = int(os.environ.get("QF_SEED", "1"))

proven = 0
with acting.fast_folder() as top:
    for seed in range(FIRST, FIRST + (150 if LONG else 4)):
        try:
            course = fates.course(top, seed, 30 if LONG else 20)
        except laboratory.Missing as why:
            skip_all(why)
        tap.ok(not course.wrong, "course %d: LogLevel %s, %s, %d daemons: %d messages, %d recipients lost, %d restored"
               % (seed, course.level, course.mode, len(course.labs), course.n, len(course.lost),
                  sum(course.classes.values())), *course.wrong[:5], *(course.told if course.wrong else ()))
        proven += course.proven > 0
if LONG:
    tap.ok(proven > 30, "all was accounted for, and proven, in %d courses" % proven)
tap.done()
