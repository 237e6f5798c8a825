#!/bin/sh
# Every point, every tree, in three layouts.
QF_ALL_FAULTS=1 exec "$QF_FIXTURES/t/salvage-kill.t"
