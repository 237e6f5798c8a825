#!/bin/sh
# Two hundred courses of events.
QF_ALL_FAULTS=1 exec "$QF_FIXTURES/t/act-chance.t"
