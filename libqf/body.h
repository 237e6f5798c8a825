/*
 * body - the bytes of a message's data file, for filters.
 */
#ifndef QF_LIBQF_BODY_H
#define QF_LIBQF_BODY_H

#include "qf.h"

/* As much of a body as filters look at. */
#define QF_BODY_MAX ((size_t)1 << 20)

/*
 * qf_body_read - the first QF_BODY_MAX bytes of the data file into out, whose old contents go.
 * Returns false where there is none to be read.
 */
bool qf_body_read(struct qf_queue *queue, const struct qf_msg *msg, struct qf_buf *out);

#endif
