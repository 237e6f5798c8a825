/*
 * buf - growing byte buffers: what the public header does not need to show.
 */
#ifndef QF_LIBQF_BUF_H
#define QF_LIBQF_BUF_H

#include "qf.h"

void qf_buf_add_slice(struct qf_buf *buf, struct qf_slice slice);
void qf_buf_add_int(struct qf_buf *buf, int64_t number);
/* Make room for n more bytes. False, and buf->failed, when memory is out. */
bool qf_buf_grow(struct qf_buf *buf, size_t n);

/* Room for n bytes behind the end, to be filled and counted into buf->n by the caller; or NULL.
   Inline: rendering a message asks some sixty times. */
static inline char *
qf_buf_room(struct qf_buf *buf, size_t n)
{
	/* More than n, so that there is memory to point into even for nothing. */
	if (n < buf->cap - buf->n && !buf->failed)
		return buf->p + buf->n;
	return qf_buf_grow(buf, n + (n < SIZE_MAX)) ? buf->p + buf->n : NULL;
}

/* A string literal as a slice. */
#define QF_LITERAL(text) ((struct qf_slice){.p = (text), .n = sizeof(text) - 1})

#endif
