/*
 * buf - growing byte buffers.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

bool
qf_buf_grow(struct qf_buf *buf, size_t n)
{
	size_t cap;
	char *p;

	if (buf->failed)
		return false;
	if (n <= buf->cap - buf->n)
		return true;
	if (n > SIZE_MAX / 2 - buf->n)
		goto fail;
	cap = buf->cap ? buf->cap : 256;
	while (cap < buf->n + n)
		cap *= 2;
	p = realloc(buf->p, cap);
	if (!p)
		goto fail;
	buf->p = p;
	buf->cap = cap;
	return true;
fail:
	buf->failed = true;
	return false;
}

void
qf_buf_add(struct qf_buf *buf, const void *bytes, size_t n)
{
	if (n == 0 || !qf_buf_room(buf, n))
		return;
	memcpy(buf->p + buf->n, bytes, n);
	buf->n += n;
}

void
qf_buf_adds(struct qf_buf *buf, const char *text)
{
	qf_buf_add(buf, text, strlen(text));
}

void
qf_buf_addc(struct qf_buf *buf, char c)
{
	if (!qf_buf_room(buf, 1))
		return;
	buf->p[buf->n++] = c;
}

void
qf_buf_add_slice(struct qf_buf *buf, struct qf_slice slice)
{
	qf_buf_add(buf, slice.p, slice.n);
}

void
qf_buf_add_int(struct qf_buf *buf, int64_t number)
{
	char digits[24];
	size_t i = sizeof(digits);
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do
		digits[--i] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		digits[--i] = '-';
	qf_buf_add(buf, digits + i, sizeof(digits) - i);
}

void
qf_buf_addf(struct qf_buf *buf, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0 || !qf_buf_grow(buf, (size_t)n + 1))
		return;
	va_start(args, format);
	vsnprintf(buf->p + buf->n, (size_t)n + 1, format, args);
	va_end(args);
	buf->n += (size_t)n;
}

void
qf_buf_clear(struct qf_buf *buf)
{
	buf->n = 0;
	buf->failed = false;
}

void
qf_buf_release(struct qf_buf *buf)
{
	free(buf->p);
	*buf = (struct qf_buf){0};
}
