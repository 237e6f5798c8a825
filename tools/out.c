/*
 * out - standard output.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "term.h"

#define PIECE ((size_t)65536)
/* Rows are not held back longer than this while more are being read. */
#define PATIENCE_NS 50000000

static struct qf_buf pending;
static int failure;
static bool started;
static int64_t flushed_at;

static int64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool
out_failed(void)
{
	return failure != 0;
}

bool
out_flush(void)
{
	size_t at = 0;

	while (at < pending.n && !failure) {
		ssize_t n = -1;

		/* A pager that does not read must not keep a program that was told to end. */
		if (!signals_caught())
			n = write(STDOUT_FILENO, pending.p + at, pending.n - at);
		if (n > 0)
			at += (size_t)n;
		else if (signals_caught())
			failure = EINTR;
		else if (n < 0 && errno != EINTR)
			failure = errno;
	}
	if (pending.failed)
		failure = ENOMEM;
	qf_buf_clear(&pending);
	/* An empty piece, such as a heading that a format has not, is not the first row. */
	started |= at > 0;
	flushed_at = clock_ns();
	return !failure;
}

bool
out_add(const void *bytes, size_t n)
{
	qf_buf_add(&pending, bytes, n);
	if (!started || pending.n >= PIECE || clock_ns() - flushed_at > PATIENCE_NS)
		return out_flush();
	return !failure;
}

bool
out_adds(const char *text)
{
	return out_add(text, strlen(text));
}

bool
out_add_buf(const struct qf_buf *text)
{
	if (text->failed)
		failure = ENOMEM;
	return out_add(text->p, text->n);
}

bool
out_add_safe(struct qf_slice text)
{
	struct qf_buf safe = {0};
	bool ok;

	if (!term_is_tty())
		return out_add(text.p, text.n);
	/* Line by line: line ends are ours to keep. */
	while (text.n) {
		const char *lf = memchr(text.p, '\n', text.n);
		size_t n = lf ? (size_t)(lf - text.p) : text.n;

		qf_escape_terminal(&safe, (struct qf_slice){text.p, n}, term_utf8());
		if (lf) {
			qf_buf_addc(&safe, '\n');
			n++;
		}
		text.p += n;
		text.n -= n;
	}
	ok = out_add_buf(&safe);
	qf_buf_release(&safe);
	return ok;
}

int
out_finish(int status)
{
	out_flush();
	qf_buf_release(&pending);
	if (failure == EPIPE)
		return STATUS_SIGNAL + SIGPIPE;
	if (failure == EINTR)
		return STATUS_SIGNAL + signals_caught();
	if (failure) {
		say_error("standard output: cannot write: %s", strerror(failure));
		return STATUS_IO;
	}
	return status;
}
