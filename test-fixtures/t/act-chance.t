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
import chance
import changing
from tap import Tap

tap = Tap()
chance.run(tap, changing.course, (6, 25), (200, 60),
           lambda course: "%d messages, %d delivered" % (len(course.bodies), len(course.delivered)))
tap.done()
