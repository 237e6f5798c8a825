/*
 * out - standard output: written in large pieces, but soon, and never lost in silence.
 */
#ifndef QF_TOOLS_OUT_H
#define QF_TOOLS_OUT_H

#include <libqf/qf.h>

/* Append to standard output. The first piece goes out at once; later ones when there is enough
   or after a moment. False once writing has failed. */
bool out_add(const void *bytes, size_t n);
bool out_adds(const char *text);
/* What was made in a buffer; one that ran out of memory is a failure of writing. */
bool out_add_buf(const struct qf_buf *text);
/* Text of messages: made safe when standard output is a terminal, raw when it is not. */
bool out_add_safe(struct qf_slice text);
bool out_flush(void);
/*
 * out_finish - write what is left. Returns status, or 74 (said) when writing failed. A reader that
 * went away (EPIPE) ends the program as SIGPIPE would: 128 + 13. Nothing is written any more once
 * a signal was caught.
 */
int out_finish(int status);
/* Has writing failed? Then there is no point in going on. */
bool out_failed(void);

#endif
