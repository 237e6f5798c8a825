/*
 * mailq_entry - what mailq prints of a control file.
 */
#include <limits.h>
#include <string.h>

#include "buf.h"
#include "mailq.h"

/* Bytes that sendmail reads at once (MAXLINE less the NUL); no line is put together from them. */
#define PIECE 2047

/* What has been seen so far. */
struct seen {
	int version;
	int64_t created;
	bool warned;
	struct qf_slice status;
	struct qf_slice quarantine;
	struct qf_slice body;
};

struct page {
	struct qf_buf *out;
	const struct qf_mailq_style *style;
	struct qf_mailq_clock *clock;
	int64_t size;
	int64_t priority;
};

static void
put_time(const struct page *page, int64_t when)
{
	char text[16];

	/* The C library has no text for a year that is no int; with -v sendmail dies of it. */
	if (!qf_mailq_time(page->clock, when, text))
		qf_buf_adds(page->out, "(null)");
	else if (page->style->verbose)
		qf_buf_add(page->out, text + 4, 12);
	else
		qf_buf_add(page->out, text, 16);
}

static void
put_sender(const struct page *page, struct seen *seen, struct qf_slice sender)
{
	bool verbose = page->style->verbose;
	size_t most = verbose ? 100 : 60;

	qf_mailq_column(page->out, page->size, 8);
	qf_buf_addc(page->out, ' ');
	if (verbose) {
		qf_mailq_column(page->out, page->priority, 10);
		qf_buf_addc(page->out, seen->warned ? '+' : ' ');
	}
	put_time(page, seen->created);
	qf_buf_addc(page->out, ' ');
	qf_mailq_address(page->out, page->style, sender, verbose ? 78 : 39);
	if (seen->quarantine.n) {
		qf_buf_add_slice(page->out, QF_LITERAL("\n     QUARANTINE: "));
		qf_mailq_put(page->out, page->style, seen->quarantine, most);
		seen->quarantine.n = 0;
	}
	if (seen->status.n == 0 && seen->body.n == 0)
		return;
	qf_buf_add(page->out, "\n              ", seen->body.n < 10 ? 15 - seen->body.n : 5);
	qf_mailq_put(page->out, page->style, seen->body, 10);
	if (seen->status.n) {
		qf_buf_add_slice(page->out, QF_LITERAL("   ("));
		qf_mailq_put(page->out, page->style, seen->status, most);
		qf_buf_addc(page->out, ')');
		seen->status.n = 0;
	}
}

static void
put_recipient(const struct page *page, struct seen *seen, struct qf_slice address)
{
	if (seen->version >= 1) {
		const char *colon = memchr(address.p, ':', address.n);

		if (!colon)
			return;
		address.n -= (size_t)(colon + 1 - address.p);
		address.p = colon + 1;
	}
	if (!page->style->verbose) {
		qf_buf_add_slice(page->out, QF_LITERAL("\n\t\t\t\t\t "));
		qf_mailq_address(page->out, page->style, address, 38);
		return;
	}
	qf_buf_add_slice(page->out, QF_LITERAL("\n\t\t\t\t\t\t"));
	qf_mailq_address(page->out, page->style, address, 71);
	if (seen->status.n) {
		qf_buf_add_slice(page->out, QF_LITERAL("\n\t\t ("));
		qf_mailq_put(page->out, page->style, seen->status, 100);
		qf_buf_addc(page->out, ')');
		seen->status.n = 0;
	}
}

void
qf_mailq_entry(struct qf_buf *out, const struct qf_mailq_style *style, struct qf_mailq_clock *clock,
	       struct qf_slice bytes, int64_t size, int64_t priority)
{
	/* Most lines are headers: they need no closer look. */
	static const bool matters[UCHAR_MAX + 1] = {
		['B'] = true, ['C'] = true, ['F'] = true, ['M'] = true, ['R'] = true,
		['S'] = true, ['T'] = true, ['V'] = true, ['q'] = true,
	};
	const struct page page = {out, style, clock, size, priority};
	struct seen seen = {0};
	struct qf_slice piece, value;

	while (qf_mailq_piece(&bytes, PIECE, &piece)) {
		if (!matters[(unsigned char)*piece.p])
			continue;
		value = qf_mailq_string(piece);
		value.p++;
		value.n--;
		switch (*piece.p) {
		case 'V':
			seen.version = (int)qf_mailq_number(value);
			break;
		case 'M':
			seen.status = value;
			break;
		case 'q':
			seen.quarantine = value;
			break;
		case 'B':
			seen.body = value;
			break;
		case 'T':
			seen.created = qf_mailq_number(value);
			break;
		case 'F':
			if (memchr(value.p, 'w', value.n))
				seen.warned = true;
			break;
		case 'S':
			put_sender(&page, &seen, value);
			break;
		case 'R':
			put_recipient(&page, &seen, value);
			break;
		case 'C':
			if (style->verbose) {
				qf_buf_add_slice(out, QF_LITERAL("\n\t\t\t\t\t\t(---"));
				qf_mailq_put(out, style, value, 64);
				qf_buf_add_slice(out, QF_LITERAL("---)"));
			}
			break;
		}
	}
	if (seen.created == 0)
		qf_buf_add_slice(out, QF_LITERAL(" (no control file)"));
	qf_buf_addc(out, '\n');
}
