/*
 * metrics_listen - the figures over HTTP, for who scrapes.
 */
#ifndef QF_TOOLS_METRICS_LISTEN_H
#define QF_TOOLS_METRICS_LISTEN_H

#include <libqf/qf.h>

/* Was it built in (WITHOUT_MICROHTTPD, the static executable). */
bool metrics_listen_available(void);

/*
 * metrics_listen - answer GET /metrics at an address until a signal comes: HOST:PORT, [V6]:PORT,
 * :PORT (every address of this host) or PORT (from this host alone); port 0 is one that is free,
 * which is said. make writes the page anew for each request; one at a time.
 * Returns an exit status, failures said.
 */
int metrics_listen(const char *address, void (*make)(void *ctx, struct qf_buf *page), void *ctx);

#endif
