/*
 * mime - a MIME body read as text.
 *
 * Text parts are shown, of several forms of the same text one; every other part is named in one
 * line. Lines of the reader's own stand in brackets, and control characters in what it names are
 * blanked; but a text can imitate such a line, so they are a help to the eye, no evidence.
 *
 * Limits: PARTS_MAX parts, DEPTH_MAX levels, QF_MIME_VALUE_MAX bytes of a field; what lies beyond
 * is said and not shown. Time is linear in the size of the body (times its depth); the output is
 * at most four times as large, and for each part a line of 512 bytes or, where it is a message,
 * five fields.
 */
#include "buf.h"
#include "err.h"
#include "mime.h"

static enum qf_code
unavailable(struct qf_err *err)
{
	qf_err_set(err, QF_E_UNAVAILABLE, "MIME", "cannot be decoded here");
	qf_err_hint(err, "build with gmime-3.0, install it, or take the body as it is: --part=body");
	return QF_E_UNAVAILABLE;
}

#ifndef QF_WITH_GMIME

bool
qf_mime_available(void)
{
	return false;
}

enum qf_code
qf_mime_text(struct qf_slice headers, struct qf_slice body, size_t limit, struct qf_buf *out,
	     struct qf_err *err)
{
	(void)headers;
	(void)body;
	(void)limit;
	(void)out;
	return unavailable(err);
}

#else

#include <string.h>

#define PARTS_MAX 500
#define DEPTH_MAX 20
#define NAME_SHOWN_MAX 200

/* What was written last decides whether a blank line is due. */
enum last { LAST_NONE, LAST_NOTE, LAST_TEXT };

struct reader {
	struct qf_buf *out;
	unsigned parts;
	enum last last;
};

bool
qf_mime_available(void)
{
	return qf_mime_options() != NULL;
}

static void
begin(struct reader *r, enum last what)
{
	struct qf_buf *out = r->out;

	if (r->last != LAST_NONE) {
		if (out->n && out->p[out->n - 1] != '\n')
			qf_buf_addc(out, '\n');
		if (r->last == LAST_TEXT || what == LAST_TEXT)
			qf_buf_addc(out, '\n');
	}
	r->last = what;
}

/* The line that stands for a part: type, file name, size, and what more there is to say. */
static void
note(struct reader *r, const struct qf_mime_part *part, const char *more)
{
	char *type = qf_gmime.g_mime_content_type_get_mime_type(part->type);
	const char *name = qf_mime_file_name(part);

	begin(r, LAST_NOTE);
	qf_buf_addc(r->out, '[');
	qf_mime_add_line(r->out, (struct qf_slice){type, strlen(type)}, NAME_SHOWN_MAX);
	if (name) {
		qf_buf_adds(r->out, " \"");
		qf_mime_add_line(r->out, (struct qf_slice){name, strlen(name)}, NAME_SHOWN_MAX);
		qf_buf_addc(r->out, '"');
	}
	qf_buf_addf(r->out, ", %zu bytes%s]\n", qf_mime_decoded_size(part), more);
	qf_gmime.g_free(type);
}

/* Text without the CRs before LF that a transfer encoding has kept. */
static struct qf_slice
drop_cr(struct qf_buf *scratch, struct qf_slice text)
{
	if (!text.n || !memchr(text.p, '\r', text.n))
		return text;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '\r' || i + 1 == text.n || text.p[i + 1] != '\n')
			qf_buf_addc(scratch, text.p[i]);
	return (struct qf_slice){scratch->p, scratch->n};
}

/* Any part that is shown, in its charset, with its markup taken out where it is HTML. */
static void
show_text(struct reader *r, const struct qf_mime_part *part)
{
	const char *charset = qf_gmime.g_mime_content_type_get_parameter(part->type, "charset");
	bool html = qf_mime_is(part, "text", "html");
	struct qf_buf decoded = {0}, text = {0}, lines = {0};
	char iconv_name[QF_MIME_CHARSET] = QF_MIME_GUESS;
	struct qf_slice bytes, shown;
	const char *more = "";

	if (!part->encoding_known)
		more = ", of no known transfer encoding: as it is";
	else if (charset &&
		 !qf_mime_charset((struct qf_slice){charset, strlen(charset)}, iconv_name))
		more = ", of no known character set: a guess";
	else if (html)
		more = ", without its markup";
	if (*more || qf_mime_file_name(part) || !qf_mime_is(part, "text", "plain"))
		note(r, part, more);
	bytes = qf_mime_decoded(part, &decoded);
	qf_mime_add_converted(&text, bytes, iconv_name);
	shown = drop_cr(&lines, (struct qf_slice){text.p, text.n});
	if (shown.n)
		begin(r, LAST_TEXT);
	if (html)
		qf_mime_add_html(r->out, shown);
	else
		qf_buf_add_slice(r->out, shown);
	r->out->failed |= decoded.failed || text.failed || lines.failed;
	qf_buf_release(&decoded);
	qf_buf_release(&text);
	qf_buf_release(&lines);
}

/* ---------------------------------------------------------------- the tree */

static void show_part(struct reader *r, const struct qf_mime_part *part, unsigned depth);

/* Which part of a multipart/alternative is shown: plain text, else the last that can be. */
static size_t
best_alternative(struct qf_mime_children children)
{
	struct qf_mime_part child;
	size_t best = 0;
	bool plain = false;

	for (size_t i = 0; i < PARTS_MAX && !plain && qf_mime_children_next(&children, &child);
	     i++) {
		plain = qf_mime_is(&child, "text", "plain") && !qf_mime_is_attachment(&child);
		if (plain || qf_mime_is(&child, "text", "html") ||
		    qf_mime_is(&child, "multipart", "*"))
			best = i;
		qf_mime_part_release(&child);
	}
	return best;
}

static void
show_multipart(struct reader *r, const struct qf_mime_part *part, unsigned depth)
{
	bool alternative = qf_mime_is(part, "multipart", "alternative");
	struct qf_mime_children children;
	struct qf_mime_part child;
	size_t best = 0;

	if (!qf_mime_children_init(&children, part)) {
		note(r, part, ", without any part: as it is");
		begin(r, LAST_TEXT);
		qf_mime_add_converted(r->out, part->body, QF_MIME_GUESS);
		return;
	}
	if (alternative)
		best = best_alternative(children);
	for (size_t i = 0; qf_mime_children_next(&children, &child); i++) {
		bool full = ++r->parts > PARTS_MAX;

		if (full)
			note(r, &child, ", and no more parts are looked at");
		else if (alternative && i != best)
			note(r, &child, ", an alternative not shown");
		else
			show_part(r, &child, depth + 1);
		qf_mime_part_release(&child);
		if (full)
			return;
	}
}

/* A message in the message: who wrote what to whom, and its body. */
static void
show_message(struct reader *r, const struct qf_mime_part *part, unsigned depth)
{
	static const char *const names[] = {"From", "To", "Cc", "Date", "Subject"};
	struct qf_buf decoded = {0}, value = {0}, text = {0};
	struct qf_slice headers, body;
	struct qf_mime_part inner;

	note(r, part, "");
	qf_mime_split(qf_mime_decoded(part, &decoded), &headers, &body);
	begin(r, LAST_TEXT);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!qf_mime_field(headers, names[i], &value))
			continue;
		qf_buf_clear(&text);
		qf_header_decode((struct qf_slice){value.p, value.n - 1}, &text);
		qf_buf_addf(r->out, "%s: ", names[i]);
		qf_mime_add_line(r->out, (struct qf_slice){text.p, text.n}, QF_MIME_VALUE_MAX);
		qf_buf_addc(r->out, '\n');
	}
	qf_mime_part_init(&inner, headers, body, "text/plain");
	show_part(r, &inner, depth + 1);
	qf_mime_part_release(&inner);
	begin(r, LAST_NOTE);
	qf_buf_adds(r->out, "[end of that message]\n");
	r->out->failed |= decoded.failed || value.failed || text.failed;
	qf_buf_release(&decoded);
	qf_buf_release(&value);
	qf_buf_release(&text);
}

/* Text, and what is text though it is called a message: reports, which queues are full of. */
static bool
is_readable(const struct qf_mime_part *part)
{
	return qf_mime_is(part, "text", "*") || qf_mime_is(part, "message", "delivery-status") ||
	       qf_mime_is(part, "message", "global-delivery-status") ||
	       qf_mime_is(part, "message", "disposition-notification");
}

static void
show_part(struct reader *r, const struct qf_mime_part *part, unsigned depth)
{
	bool multipart = qf_mime_is(part, "multipart", "*");
	bool message =
		qf_mime_is(part, "message", "rfc822") || qf_mime_is(part, "message", "global");

	if ((multipart || message) && depth >= DEPTH_MAX)
		note(r, part, ", nested too deeply to be shown");
	else if (multipart)
		show_multipart(r, part, depth);
	else if (message)
		show_message(r, part, depth);
	else if (is_readable(part) && !qf_mime_is_attachment(part))
		show_text(r, part);
	else
		note(r, part, "");
}

enum qf_code
qf_mime_text(struct qf_slice headers, struct qf_slice body, size_t limit, struct qf_buf *out,
	     struct qf_err *err)
{
	struct reader r = {.out = out};
	struct qf_slice looked_at = {body.p, body.n < limit ? body.n : limit};
	struct qf_mime_part part;

	if (!qf_mime_options())
		return unavailable(err);
	qf_mime_part_init(&part, headers, looked_at, "text/plain");
	show_part(&r, &part, 0);
	qf_mime_part_release(&part);
	if (r.last != LAST_NONE && out->n && out->p[out->n - 1] != '\n')
		qf_buf_addc(out, '\n');
	if (looked_at.n < body.n) {
		begin(&r, LAST_NOTE);
		qf_buf_addf(out, "[%zu bytes of %zu looked at]\n", looked_at.n, body.n);
	}
	return out->failed ? qf_err_nomem(err) : QF_OK;
}

#endif
