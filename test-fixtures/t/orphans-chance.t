#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""orphans --fix: files of all causes by chance, dealt with while it is killed anywhere, beside deliveries: no body
is lost, none is sent twice. The number of a course makes it again. $QF_ALL_FAULTS: the long form."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import chance
import debris
from tap import Tap

tap = Tap()
chance.run(tap, debris.course, (3, 3), (60, 6),
           lambda course: "%d messages, %d delivered" % (len(course.bodies), len(course.delivered)))
tap.done()
