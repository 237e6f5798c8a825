/*
 * mailq_text - pieces of a control file, and how their text gets into the list.
 */
#include <string.h>

#include "buf.h"
#include "mailq.h"

int64_t
qf_mailq_number(struct qf_slice text)
{
	const char *p = text.p, *end = p + text.n;
	bool minus = false;
	int64_t number = 0;

	while (p < end && (*p == ' ' || (*p >= '\t' && *p <= '\r')))
		p++;
	if (p < end && (*p == '-' || *p == '+'))
		minus = *p++ == '-';
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_sub_overflow(number, *p - '0', &number))
			return minus ? INT64_MIN : INT64_MAX;
	/* Reckoned below zero, where there is one more. */
	if (minus)
		return number;
	return number == INT64_MIN ? INT64_MAX : -number;
}

static void
put_raw(struct qf_buf *out, const struct qf_mailq_style *style, struct qf_slice text, size_t most)
{
	if (text.n > most)
		text.n = most;
	if (style->safe)
		qf_escape_terminal(out, text, style->utf8);
	else
		qf_buf_add_slice(out, text);
}

void
qf_mailq_put(struct qf_buf *out, const struct qf_mailq_style *style, struct qf_slice text,
	     size_t most)
{
	struct qf_buf hidden = {0};

	if (!style->redactor) {
		put_raw(out, style, text, most);
		return;
	}
	/* Before it is cut: half an address is still one. */
	qf_redact_text(style->redactor, text, &hidden);
	put_raw(out, style, (struct qf_slice){hidden.p, hidden.n}, most);
	out->failed |= hidden.failed;
	qf_buf_release(&hidden);
}

static void
put_address(struct qf_buf *out, struct qf_slice text, int columns)
{
	/* Nothing takes more bytes than columns but a backslash in front of the last one. */
	char *start = qf_buf_room(out, (size_t)columns + 1), *at = start;

	if (!start)
		return;
	for (size_t i = 0; i < text.n && columns > 0; i++) {
		unsigned char c = (unsigned char)text.p[i];

		columns--;
		if (c == '\\') {
			if (columns-- > 0) {
				*at++ = '\\';
				*at++ = '\\';
			}
		} else if (c >= ' ' && c < 0x7f) {
			*at++ = (char)c;
		} else if ((columns -= 3) > 0) {
			*at++ = '\\';
			*at++ = (char)('0' + (c >> 6));
			*at++ = (char)('0' + (c >> 3 & 7));
			*at++ = (char)('0' + (c & 7));
		}
	}
	out->n += (size_t)(at - start);
}

void
qf_mailq_address(struct qf_buf *out, const struct qf_mailq_style *style, struct qf_slice text,
		 int columns)
{
	struct qf_buf hidden = {0};

	if (!style->redactor) {
		put_address(out, text, columns);
		return;
	}
	qf_redact_address(style->redactor, text, &hidden);
	put_address(out, (struct qf_slice){hidden.p, hidden.n}, columns);
	out->failed |= hidden.failed;
	qf_buf_release(&hidden);
}

void
qf_mailq_column(struct qf_buf *out, int64_t number, size_t columns)
{
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	char digits[24];
	size_t n = 0;
	char *at;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		digits[sizeof(digits) - ++n] = '-';
	at = qf_buf_room(out, columns + sizeof(digits));
	if (!at)
		return;
	if (n < columns) {
		memset(at, ' ', columns - n);
		at += columns - n;
		out->n += columns - n;
	}
	memcpy(at, digits + sizeof(digits) - n, n);
	out->n += n;
}
