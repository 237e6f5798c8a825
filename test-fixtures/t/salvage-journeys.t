#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage: messages that go to and fro between three queues in all ways there are, killed anywhere, while they
are delivered: each once, and verify accounts for it. Courses of events by chance, whose number makes them again.
$QF_ALL_FAULTS: the long form."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import chance
import journeys
from tap import Tap

tap = Tap()
chance.run(tap, journeys.course, (4, 30), (200, 60),
           lambda course: "%d messages, %d delivered, each once" % (len(course.bodies), len(course.delivered)))
tap.done()
