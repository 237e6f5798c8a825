#!/bin/sh
# Every error at every call, in both layouts.
QF_ALL_FAULTS=1 exec "$QF_FIXTURES/t/act-faults.t"
