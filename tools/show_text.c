/*
 * show_text - how qf show presents a message.
 *
 * All text of the message passes table_cell() or put_block(): nothing raw reaches a terminal.
 */
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "say.h"
#include "show_text.h"
#include "status.h"
#include "table.h"
#include "term.h"

/* Shown of a transcript. */
#define TRANSCRIPT_MAX ((size_t)16384)

static void
put_line(struct qf_buf *line)
{
	qf_buf_addc(line, '\n');
	out_add_buf(line);
	qf_buf_clear(line);
}

static void
put_label(struct qf_buf *line, const char *label)
{
	qf_buf_addf(line, "%-13s", label);
}

/* "label  text", the text made safe. */
static void
put_field(struct qf_buf *line, const char *label, struct qf_slice text)
{
	if (!text.p)
		return;
	put_label(line, label);
	table_cell(text, 0, false, term_utf8(), line);
	put_line(line);
}

enum privacy { PLAIN, ADDRESS, TEXT };

/* The same, redacted where that is asked for. */
static void
put_private(const struct source *source, struct qf_buf *line, const char *label,
	    struct qf_slice text, enum privacy privacy)
{
	struct qf_buf hidden = {0};

	if (!text.p || !source->redactor || privacy == PLAIN) {
		put_field(line, label, text);
		return;
	}
	if (privacy == ADDRESS)
		qf_redact_address(source->redactor, text, &hidden);
	else
		qf_redact_text(source->redactor, text, &hidden);
	line->failed |= hidden.failed;
	put_field(line, label, (struct qf_slice){hidden.p ? hidden.p : "", hidden.n});
	qf_buf_release(&hidden);
}

static void
put_time(struct qf_buf *line, const char *label, int64_t when, int64_t now)
{
	char time[QF_TIME_TEXT], age[QF_TIME_TEXT];

	if (when == QF_TIME_NONE)
		return;
	qf_time_format(when, time);
	qf_age_format(when > now ? qf_time_between(now, when) : qf_time_between(when, now), age);
	put_label(line, label);
	qf_buf_addf(line, when > now ? "%s (in %s)" : "%s (%s ago)", time, age);
	put_line(line);
}

/* Lines of text from a message, indented. */
static void
put_block(const struct qf_buf *block, const char *indent)
{
	struct qf_slice text = {block->p, block->n};
	struct qf_buf line = {.failed = block->failed};

	if (line.failed)
		out_add_buf(&line);
	while (text.n) {
		const char *lf = memchr(text.p, '\n', text.n);
		size_t n = lf ? (size_t)(lf - text.p) : text.n;

		qf_buf_adds(&line, indent);
		table_cell((struct qf_slice){text.p, n}, 0, false, term_utf8(), &line);
		put_line(&line);
		n += lf != NULL;
		text.p += n;
		text.n -= n;
	}
	qf_buf_release(&line);
}

static void
put_flags(struct qf_buf *line, unsigned flags)
{
	if (!flags)
		return;
	put_label(line, "Flags");
#define X(id, letter, name, help)                                                                  \
	if (flags & QF_FLAG(id))                                                                   \
		qf_buf_adds(line, name " ");
	QF_FLAGS(X)
#undef X
	line->n--;
	put_line(line);
}

/* The process that holds the lock, and its title, in which addresses may stand too. 0 for none. */
static pid_t
find_holder(const struct source *source, const struct qf_msg *msg, struct qf_buf *title)
{
	struct qf_buf whole = {0};
	pid_t pid = qf_lock_holder(msg, &whole);

	if (source->redactor)
		qf_redact_text(source->redactor, (struct qf_slice){whole.p, whole.n}, title);
	else
		qf_buf_add(title, whole.p, whole.n);
	title->failed |= whole.failed;
	qf_buf_release(&whole);
	return pid;
}

static void
put_holder(const struct source *source, const struct qf_msg *msg, struct qf_buf *line)
{
	const struct qf_files *files = qf_msg_files(msg);
	struct qf_buf title = {0};
	pid_t pid;

	if (!files->have_busy || files->busy != QF_YES)
		return;
	put_label(line, "Locked by");
	pid = find_holder(source, msg, &title);
	if (pid) {
		qf_buf_addf(line, "process %ld ", (long)pid);
		table_cell((struct qf_slice){title.p, title.n}, 0, false, term_utf8(), line);
	} else {
		qf_buf_adds(line, "a process of another host or container");
	}
	line->failed |= title.failed;
	put_line(line);
	qf_buf_release(&title);
}

static void
put_deliver_by(const struct qf_envelope *env, struct qf_buf *line)
{
	if (!env->deliver_by.present)
		return;
	put_label(line, "Deliver by");
	qf_buf_addf(line, "%lld s after creation, else %s%s",
		    (long long)env->deliver_by.seconds,
		    env->deliver_by.flag & 0x02 ? "returned" : "sender notified",
		    env->deliver_by.flag & 0x10 ? ", traced" : "");
	put_line(line);
}

/* What the id tells of its making. */
static void
put_origin(const struct qf_row *row, struct qf_buf *line)
{
	char time[QF_TIME_TEXT];
	struct qf_id id;

	if (!qf_id_decode(qf_msg_files(row->msg)->id, qf_msg_envelope(row->msg)->created, &id))
		return;
	put_label(line, "Id made");
	if (id.time != QF_TIME_NONE) {
		qf_time_format(id.time, time);
		qf_buf_addf(line, "%s ", time);
	}
	qf_buf_addf(line, "by process %ld", id.pid);
	if (id.sequence >= 0)
		qf_buf_addf(line, ", its number %d", id.sequence);
	put_line(line);
}

static void
put_envelope(const struct source *source, const struct qf_row *row, struct qf_buf *line)
{
	const struct qf_envelope *env = qf_msg_envelope(row->msg);
	const struct qf_files *files = qf_msg_files(row->msg);

	put_field(line, "Message", files->id);
	put_origin(row, line);
	put_label(line, "State");
	qf_buf_adds(line, qf_state_name(qf_msg_state(row->msg)));
	put_line(line);
	put_field(line, "File", files->path);
	put_private(source, line, "Held for", env->quarantine, TEXT);
	put_holder(source, row->msg, line);
	put_private(source, line, "Sender", env->sender, ADDRESS);
	put_time(line, "Created", env->created, row->now);
	put_label(line, "Tries");
	qf_buf_addf(line, "%lld", (long long)env->tries);
	put_line(line);
	put_time(line, "Last try", env->last_try, row->now);
	put_private(source, line, "Last answer", env->status, TEXT);
	put_label(line, "Priority");
	qf_buf_addf(line, "%lld", (long long)env->priority);
	put_line(line);
	put_label(line, "Size");
	if (files->data_size >= 0)
		qf_buf_addf(line, "%lld", (long long)files->data_size);
	else
		qf_buf_adds(line, files->data_size == -1 ? "no data file" : "not known");
	put_line(line);
	put_field(line, "Body type", env->body_type);
	put_flags(line, env->flags);
	put_private(source, line, "Envelope id", env->envid, TEXT);
	put_private(source, line, "Auth", env->auth, TEXT);
	put_deliver_by(env, line);
}

/* Is a final recipient no more than the address with its type before it? */
static bool
says_more(struct qf_slice final, struct qf_slice address)
{
	if (address.n > 1 && address.p[0] == '<') {
		address.p++;
		address.n -= 2;
	}
	return final.n < address.n ||
	       memcmp(final.p + final.n - address.n, address.p, address.n);
}

static void
put_recipient(const struct source *source, const struct qf_recipient *rcpt, struct qf_buf *line)
{
	const unsigned reports = QF_RCPT(SUCCESS) | QF_RCPT(FAILURE) | QF_RCPT(DELAY);

	put_private(source, line, "  To", rcpt->address, ADDRESS);
	put_private(source, line, "    answer", rcpt->status, TEXT);
	put_private(source, line, "    original", rcpt->original, TEXT);
	if (rcpt->final.p && says_more(rcpt->final, rcpt->address))
		put_private(source, line, "    final", rcpt->final, TEXT);
	put_private(source, line, "    by", rcpt->controller, TEXT);
	/* Failure and delay are what everybody gets who does not ask for something else. */
	if ((rcpt->flags & reports) == (QF_RCPT(FAILURE) | QF_RCPT(DELAY)))
		return;
	put_label(line, "    report");
	if (rcpt->flags & QF_RCPT(SUCCESS))
		qf_buf_adds(line, "success ");
	if (rcpt->flags & QF_RCPT(FAILURE))
		qf_buf_adds(line, "failure ");
	if (rcpt->flags & QF_RCPT(DELAY))
		qf_buf_adds(line, "delay ");
	if (!(rcpt->flags & reports))
		qf_buf_adds(line, "never ");
	line->n--;
	put_line(line);
}

static void
put_diagnostics(const struct qf_msg *msg, struct qf_buf *line)
{
	size_t n;
	const struct qf_diagnostic *d = qf_msg_diagnostics(msg, &n);

	if (n)
		out_adds("\nFound wrong\n");
	for (size_t i = 0; i < n; i++) {
		const struct qf_finding_type *type = qf_finding_type(d[i].finding);

		qf_buf_addf(line, "  %s: ", type->code);
		if (d[i].line)
			qf_buf_addf(line, "line %u, column %u: ", d[i].line, d[i].column);
		qf_buf_adds(line, type->text);
		if (d[i].detail.p) {
			qf_buf_adds(line, ": ");
			table_cell(d[i].detail, 0, false, term_utf8(), line);
		}
		qf_buf_addf(line, " (sendmail: %s)", qf_fate_name(d[i].fate));
		if (type->remedy[0])
			qf_buf_addf(line, "; %s", type->remedy);
		put_line(line);
	}
}

/* The next field of a header block: name, and value with its folds. False at the end. */
static bool
next_field(struct qf_slice *rest, struct qf_slice *name, struct qf_slice *value)
{
	const char *colon, *at = rest->p, *end;

	if (!rest->n)
		return false;
	end = rest->p + rest->n;
	do {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : end;
	} while (at < end && (*at == ' ' || *at == '\t'));
	colon = memchr(rest->p, ':', (size_t)(at - rest->p));
	if (!colon)
		return false;
	*name = (struct qf_slice){rest->p, (size_t)(colon - rest->p)};
	*value = (struct qf_slice){colon + 1, (size_t)(at - colon - 1)};
	while (value->n && strchr(" \t", *value->p)) {
		value->p++;
		value->n--;
	}
	if (value->n && value->p[value->n - 1] == '\n')
		value->n--;
	rest->n -= (size_t)(at - rest->p);
	rest->p = at;
	return true;
}

/* The header as it would be sent: conditions applied, macros expanded. */
static void
put_headers(struct qf_msg *msg)
{
	struct qf_buf line = {0}, decoded = {0}, header = {0};
	struct qf_slice rest, name, value;

	qf_headers_write(msg, &header);
	rest = (struct qf_slice){header.p, header.n};
	line.failed = header.failed;
	if (line.failed)
		out_add_buf(&line);
	if (header.n)
		out_adds("\nHeaders\n");
	while (next_field(&rest, &name, &value)) {
		qf_buf_clear(&decoded);
		qf_header_decode(value, &decoded);
		qf_buf_adds(&line, "  ");
		table_cell(name, 0, false, term_utf8(), &line);
		qf_buf_adds(&line, ": ");
		table_cell((struct qf_slice){decoded.p, decoded.n}, 0, false, term_utf8(), &line);
		line.failed |= decoded.failed;
		put_line(&line);
	}
	qf_buf_release(&header);
	qf_buf_release(&decoded);
	qf_buf_release(&line);
}

enum qf_code
show_body_text(const struct source *source, struct qf_msg *msg, size_t limit, struct qf_buf *out,
	       struct qf_err *err)
{
	struct qf_buf headers = {0}, body = {0};
	bool whole = true;
	enum qf_code code = qf_part_read(source->queue, msg, QF_PART_DATA, limit, &body, &whole,
					 err);

	if (!code) {
		qf_headers_write(msg, &headers);
		code = qf_mime_text((struct qf_slice){headers.p, headers.n},
				    (struct qf_slice){body.p, body.n}, limit, out, err);
		if (code == QF_E_UNAVAILABLE) {
			qf_buf_add(out, body.p, body.n);
			code = QF_OK;
		}
		if (!code && !whole)
			qf_buf_addf(out, "\n[the body goes on behind %zu bytes]\n", limit);
	}
	out->failed |= headers.failed;
	qf_buf_release(&headers);
	qf_buf_release(&body);
	return code;
}

/* Is there such a part? Why not is said, and *status set, where it is not simply missing. */
static bool
have(enum qf_code code, const struct qf_err *err, int *status)
{
	if (code != QF_OK && code != QF_E_NOT_FOUND)
		*status = say_failure(err);
	return code == QF_OK;
}

int
show_text(const struct source *source, const struct qf_row *row, size_t limit, bool body)
{
	const struct qf_envelope *env = qf_msg_envelope(row->msg);
	struct qf_buf line = {0}, text = {0};
	int status = STATUS_OK;
	struct qf_err err;

	put_envelope(source, row, &line);
	out_adds("\nNext\n");
	qf_outlook_describe(row, &text);
	put_block(&text, "  ");
	put_diagnostics(row->msg, &line);
	out_adds("\nRecipients\n");
	for (size_t i = 0; i < env->nrecipients && !out_failed(); i++)
		put_recipient(source, &env->recipients[i], &line);
	if (!source->redactor) {
		put_headers(row->msg);
	}
	if (!source->redactor && body) {
		qf_buf_clear(&text);
		if (have(show_body_text(source, row->msg, limit, &text, &err), &err, &status)) {
			out_adds(qf_mime_available() ? "\nBody\n"
						     : "\nBody (not decoded: built without MIME)\n");
			put_block(&text, "  ");
		}
		qf_buf_clear(&text);
		if (have(qf_part_read(source->queue, row->msg, QF_PART_TRANSCRIPT, TRANSCRIPT_MAX,
				      &text, NULL, &err), &err, &status)) {
			out_adds("\nTranscript of the attempt\n");
			put_block(&text, "  ");
		}
	}
	out_adds("\n");
	qf_buf_release(&text);
	qf_buf_release(&line);
	return status;
}

static void
add_text_member(struct qf_json *json, const char *key, const struct qf_buf *text, bool present)
{
	qf_json_key(json, key);
	if (present)
		qf_json_text(json, (struct qf_slice){text->p ? text->p : "", text->n});
	else
		qf_json_null(json);
	json->out->failed |= text->failed;
}

int
show_json(const struct source *source, const struct qf_row *row, size_t limit, bool body)
{
	struct qf_buf object = {0}, text = {0}, header = {0};
	struct qf_json json = {.out = &object, .comma = true};
	struct qf_slice rest, name, value;
	bool shown = !source->redactor, present;
	int status = STATUS_OK;
	struct qf_err err;
	pid_t pid;

	qf_render_json(row, source->redactor, &object);
	object.n -= 2; /* "}\n": more members follow */
	qf_json_key(&json, "headers");
	qf_json_open(&json, '[');
	if (shown)
		qf_headers_write(row->msg, &header);
	object.failed |= header.failed;
	rest = (struct qf_slice){header.p, header.n};
	while (next_field(&rest, &name, &value)) {
		qf_buf_clear(&text);
		qf_header_decode(value, &text);
		qf_json_open(&json, '{');
		qf_json_key(&json, "name");
		qf_json_text(&json, name);
		add_text_member(&json, "value", &text, true);
		qf_json_close(&json, '}');
	}
	qf_json_close(&json, ']');
	qf_buf_clear(&text);
	present = shown && body &&
		  have(show_body_text(source, row->msg, limit, &text, &err), &err, &status);
	add_text_member(&json, "text", &text, present);
	qf_buf_clear(&text);
	present = shown && body && have(qf_part_read(source->queue, row->msg, QF_PART_TRANSCRIPT,
					     TRANSCRIPT_MAX, &text, NULL, &err), &err, &status);
	add_text_member(&json, "transcript", &text, present);
	qf_buf_clear(&text);
	pid = qf_msg_files(row->msg)->busy == QF_YES ? find_holder(source, row->msg, &text) : 0;
	add_text_member(&json, "holder", &text, pid != 0);
	qf_json_key(&json, "holder_pid");
	if (pid)
		qf_json_int(&json, pid);
	else
		qf_json_null(&json);
	qf_buf_clear(&text);
	qf_outlook_describe(row, &text);
	add_text_member(&json, "next", &text, true);
	qf_json_close(&json, '}');
	qf_buf_addc(&object, '\n');
	out_add_buf(&object);
	qf_buf_release(&object);
	qf_buf_release(&header);
	qf_buf_release(&text);
	return status;
}
