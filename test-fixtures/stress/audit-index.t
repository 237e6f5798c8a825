#!/bin/sh
# 200 index runs killed at random moments, of a larger queue.
QF_AUDIT_KILLS=200 QF_AUDIT_MESSAGES=20000 exec "$QF_FIXTURES/t/audit-index.t"
