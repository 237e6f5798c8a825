#!/bin/sh
# 500 messages, for minutes, in several rounds. QF_SEED repeats one.
QF_STRESS=1 exec "$QF_FIXTURES/t/act-live.t"
