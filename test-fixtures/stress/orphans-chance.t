#!/bin/sh
# Sixty courses of events.
QF_ALL_FAULTS=1 exec "$QF_FIXTURES/t/orphans-chance.t"
