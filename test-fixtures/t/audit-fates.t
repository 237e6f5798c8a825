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
import chance
import fates
from tap import Tap

tap = Tap()
done = chance.run(tap, fates.course, (4, 20), (150, 30), lambda course: (
    "LogLevel %s, %s, %d daemons: %d messages, %d recipients lost, %d restored" % (
        course.level, course.mode, len(course.labs), course.n, len(course.lost), sum(course.classes.values()))))
if done:
    proven = sum(course.proven > 0 for course in done)
    tap.ok(proven > 30, "all was accounted for, and proven, in %d courses" % proven)
tap.done()
