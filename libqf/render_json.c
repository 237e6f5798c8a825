/*
 * render_json - one message as a qf.message/1 object.
 *
 * Fields and their meaning: the schema in docs/schema/message.json. Bytes that are not UTF-8 are
 * replaced in the text, and given exactly under "raw", by the path of the field.
 */
#include <string.h>

#include "buf.h"
#include "json.h"
#include "qf.h"

struct writer {
	struct qf_json json;
	const struct qf_redactor *redactor;
	struct qf_buf raw;      /* members of "raw", as they come up */
	struct qf_buf scratch;
};

/* A text whose bytes are not all UTF-8. Path is its name within the object
   ("recipients.0.address"). */
static void
add_raw(struct writer *w, struct qf_slice text, const char *prefix, size_t index,
	struct qf_json_name key)
{
	qf_buf_adds(&w->raw, w->raw.n ? ",\"" : "\"");
	if (prefix)
		qf_buf_addf(&w->raw, "%s.%zu.", prefix, index);
	qf_buf_add_slice(&w->raw, qf_json_bare(key));
	qf_buf_adds(&w->raw, "\":\"");
	qf_base64(&w->raw, text);
	qf_buf_addc(&w->raw, '"');
}

enum content { CONTENT_PLAIN, CONTENT_ADDRESS, CONTENT_TEXT, CONTENT_PRIVATE };

static void
put_redacted(struct writer *w, struct qf_slice text, enum content content)
{
	if (!text.p || content == CONTENT_PRIVATE) {
		qf_json_null(&w->json);
		return;
	}
	qf_buf_clear(&w->scratch);
	if (content == CONTENT_ADDRESS)
		qf_redact_address(w->redactor, text, &w->scratch);
	else
		qf_redact_text(w->redactor, text, &w->scratch);
	qf_json_text(&w->json, (struct qf_slice){w->scratch.p ? w->scratch.p : "", w->scratch.n});
	w->json.out->failed |= w->scratch.failed;
}

/* Inline, as the next one: the sizes of keys are known where they stand. */
static inline void
put(struct writer *w, struct qf_json_name key, struct qf_slice text, enum content content)
{
	qf_json_named(&w->json, key);
	if (w->redactor && content != CONTENT_PLAIN)
		put_redacted(w, text, content);
	else if (!qf_json_text(&w->json, text))
		add_raw(w, text, NULL, 0, key);
}

static inline void
put_recipient_text(struct writer *w, size_t i, struct qf_json_name key, struct qf_slice text,
		   enum content content)
{
	qf_json_named(&w->json, key);
	if (w->redactor)
		put_redacted(w, text, content);
	else if (!qf_json_text(&w->json, text))
		add_raw(w, text, "recipients", i, key);
}

static void
put_notify(struct qf_json *json, unsigned flags)
{
	qf_json_named(json, QF_JSON_NAME("notify"));
	qf_json_open(json, '[');
	if (flags & QF_RCPT(SUCCESS))
		qf_json_word(json, QF_JSON_WORD("success"));
	if (flags & QF_RCPT(FAILURE))
		qf_json_word(json, QF_JSON_WORD("failure"));
	if (flags & QF_RCPT(DELAY))
		qf_json_word(json, QF_JSON_WORD("delay"));
	if (!(flags & (QF_RCPT(SUCCESS) | QF_RCPT(FAILURE) | QF_RCPT(DELAY))))
		qf_json_word(json, QF_JSON_WORD("never"));
	qf_json_close(json, ']');
}

static void
put_recipients(struct writer *w, const struct qf_envelope *env)
{
	qf_json_named(&w->json, QF_JSON_NAME("recipients"));
	qf_json_open(&w->json, '[');
	for (size_t i = 0; i < env->nrecipients; i++) {
		const struct qf_recipient *rcpt = &env->recipients[i];

		qf_json_open(&w->json, '{');
		put_recipient_text(w, i, QF_JSON_NAME("address"), rcpt->address, CONTENT_ADDRESS);
		put_recipient_text(w, i, QF_JSON_NAME("original"), rcpt->original, CONTENT_TEXT);
		put_recipient_text(w, i, QF_JSON_NAME("final"), rcpt->final, CONTENT_TEXT);
		put_notify(&w->json, rcpt->flags);
		put_recipient_text(w, i, QF_JSON_NAME("status"), rcpt->status, CONTENT_TEXT);
		qf_json_close(&w->json, '}');
	}
	qf_json_close(&w->json, ']');
}

static void
put_flags(struct qf_json *json, unsigned flags)
{
	qf_json_named(json, QF_JSON_NAME("flags"));
	qf_json_open(json, '[');
#define X(id, letter, name, help)                                                                  \
	if (flags & QF_FLAG(id))                                                                   \
		qf_json_word(json, QF_JSON_WORD(name));
	QF_FLAGS(X)
#undef X
	qf_json_close(json, ']');
}

static void
put_diagnostics(struct qf_json *json, const struct qf_msg *msg)
{
	size_t n;
	const struct qf_diagnostic *d = qf_msg_diagnostics(msg, &n);

	qf_json_named(json, QF_JSON_NAME("diagnostics"));
	qf_json_open(json, '[');
	for (size_t i = 0; i < n; i++) {
		const struct qf_finding_type *type = qf_finding_type(d[i].finding);
		struct qf_buf text = {0};

		qf_buf_adds(&text, type->text);
		if (d[i].detail.p) {
			qf_buf_adds(&text, ": ");
			qf_buf_add_slice(&text, d[i].detail);
		}
		qf_json_open(json, '{');
		qf_json_named(json, QF_JSON_NAME("code"));
		qf_json_string(json, type->code);
		qf_json_named(json, QF_JSON_NAME("line"));
		if (d[i].line)
			qf_json_int(json, d[i].line);
		else
			qf_json_null(json);
		qf_json_named(json, QF_JSON_NAME("column"));
		if (d[i].column)
			qf_json_int(json, d[i].column);
		else
			qf_json_null(json);
		qf_json_named(json, QF_JSON_NAME("text"));
		qf_json_text(json, (struct qf_slice){text.p, text.n});
		qf_json_named(json, QF_JSON_NAME("sendmail"));
		qf_json_string(json, qf_fate_name(d[i].fate));
		qf_json_close(json, '}');
		json->out->failed |= text.failed;
		qf_buf_release(&text);
	}
	qf_json_close(json, ']');
}

static void
put_time(struct qf_json *json, struct qf_json_name key, int64_t when)
{
	qf_json_named(json, key);
	qf_json_time(json, when);
}

static void
put_int(struct qf_json *json, struct qf_json_name key, int64_t number, bool present)
{
	qf_json_named(json, key);
	if (present)
		qf_json_int(json, number);
	else
		qf_json_null(json);
}

static void
put_busy(struct qf_json *json, const struct qf_files *files)
{
	qf_json_named(json, QF_JSON_NAME("busy"));
	if (!files->have_busy || files->busy == QF_UNKNOWN)
		qf_json_null(json);
	else
		qf_json_bool(json, files->busy == QF_YES);
}

void
qf_render_json(const struct qf_row *row, const struct qf_redactor *redactor, struct qf_buf *out)
{
	const struct qf_envelope *env = qf_msg_envelope(row->msg);
	const struct qf_files *files = qf_msg_files(row->msg);
	struct writer w = {.json = {.out = out}, .redactor = redactor};
	struct qf_json *json = &w.json;

	qf_json_open(json, '{');
	qf_json_named(json, QF_JSON_NAME("schema"));
	qf_json_word(json, QF_JSON_WORD("qf.message/1"));
	put(&w, QF_JSON_NAME("id"), files->id, CONTENT_PLAIN);
	put(&w, QF_JSON_NAME("queue"), files->queue, CONTENT_PLAIN);
	put(&w, QF_JSON_NAME("file"), files->name, CONTENT_PLAIN);
	put(&w, QF_JSON_NAME("path"), files->path, CONTENT_PLAIN);
	put(&w, QF_JSON_NAME("data"), files->data_path, CONTENT_PLAIN);
	qf_json_named(json, QF_JSON_NAME("state"));
	qf_json_string(json, qf_state_name(qf_msg_state(row->msg)));
	put_busy(json, files);
	put_time(json, QF_JSON_NAME("created"), env->created);
	put_int(json, QF_JSON_NAME("age"), qf_time_between(env->created, row->now),
		env->created != QF_TIME_NONE);
	put_time(json, QF_JSON_NAME("last_try"), env->last_try);
	put_int(json, QF_JSON_NAME("tries"), env->tries, true);
	put_time(json, QF_JSON_NAME("due"), row->outlook.due);
	put_time(json, QF_JSON_NAME("warn_at"), row->outlook.warn_at);
	put_time(json, QF_JSON_NAME("bounce_at"), row->outlook.bounce_at);
	put_int(json, QF_JSON_NAME("priority"), env->priority, env->has_priority);
	put_int(json, QF_JSON_NAME("size"), files->data_size, files->data_size >= 0);
	put(&w, QF_JSON_NAME("body"), env->body_type, CONTENT_PLAIN);
	put_flags(json, env->flags);
	put(&w, QF_JSON_NAME("envid"), env->envid, CONTENT_TEXT);
	put(&w, QF_JSON_NAME("sender"), env->sender, CONTENT_ADDRESS);
	put_recipients(&w, env);
	put(&w, QF_JSON_NAME("status"), env->status, CONTENT_TEXT);
	put(&w, QF_JSON_NAME("quarantine"), env->quarantine, CONTENT_TEXT);
	put(&w, QF_JSON_NAME("subject"), qf_msg_header(row->msg, "Subject"), CONTENT_PRIVATE);
	put(&w, QF_JSON_NAME("message_id"), qf_msg_header(row->msg, "Message-Id"), CONTENT_TEXT);
	put_diagnostics(json, row->msg);
	if (w.raw.n && !redactor) {
		qf_json_named(json, QF_JSON_NAME("raw"));
		qf_buf_addc(out, '{');
		qf_buf_add(out, w.raw.p, w.raw.n);
		qf_buf_addc(out, '}');
	}
	qf_json_close(json, '}');
	qf_buf_addc(out, '\n');
	out->failed |= w.raw.failed;
	qf_buf_release(&w.raw);
	qf_buf_release(&w.scratch);
}
