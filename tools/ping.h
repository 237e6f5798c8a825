/*
 * ping - tell a monitoring service that a job begins, has succeeded or has failed, as
 * healthchecks.io and its kin want it: URL/start, URL, URL/fail, with the report as body.
 */
#ifndef QF_TOOLS_PING_H
#define QF_TOOLS_PING_H

#include <libqf/qf.h>

enum ping { PING_START, PING_SUCCESS, PING_FAILURE };

/*
 * ping_send - one request, 10 seconds at most, ended by a signal at once. A URL that does not start
 * with http is none and is passed over; a ping that fails is noted, and fails nothing else.
 * body     may be NULL; cut at 100 kB, the most such services keep.
 */
void ping_send(const char *url, enum ping what, const struct qf_buf *body);
/* Is it built in? */
bool ping_available(void);

#endif
