#!/bin/sh
# With 300 messages.
QF_STRESS=1 exec "$QF_FIXTURES/t/salvage-compare.t"
