#!/bin/sh
# 500 messages, for minutes, where flock and fcntl locks exclude each other.
QF_STRESS=1 exec "$QF_FIXTURES/t/act-nfs.t"
