#!/bin/sh
# Every error at every call, in three layouts.
QF_ALL_FAULTS=1 exec "$QF_FIXTURES/t/salvage-faults.t"
