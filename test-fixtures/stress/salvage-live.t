#!/bin/sh
# 1,000 messages between two sendmails at work, 20 runs killed; 20 times two runs at once.
QF_ALL_FAULTS=1 exec "$QF_FIXTURES/t/salvage-live.t"
