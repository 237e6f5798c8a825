#!/bin/sh
# Killed at each call, at each stage.
QF_STRESS=1 exec "$QF_FIXTURES/t/orphans-kill.t"
