#!/bin/sh
# A minute with each of two kinds of SuperSafe.
QF_STRESS=1 exec "$QF_FIXTURES/t/orphans-live.t"
