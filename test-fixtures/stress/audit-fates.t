#!/bin/sh
# A hundred and fifty courses of events.
QF_ALL_FAULTS=1 exec "$QF_FIXTURES/t/audit-fates.t"
