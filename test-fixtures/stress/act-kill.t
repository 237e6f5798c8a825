#!/bin/sh
# After each kill sendmail runs the queue.
QF_STRESS=1 exec "$QF_FIXTURES/t/act-kill.t"
