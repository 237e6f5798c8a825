/*
 * control - any bytes as a control file: parsed, written back, judged, shown in every form.
 */
#include "fuzz.h"

/* Text for a terminal holds nothing a terminal obeys. */
static void
check_terminal(struct qf_slice text)
{
	struct qf_buf out = {0};
	for (int utf8 = 0; utf8 < 2; utf8++) {
		qf_buf_clear(&out);
		qf_escape_terminal(&out, text, utf8);
		for (size_t i = 0; i < out.n; i++) {
			unsigned char c = (unsigned char)out.p[i];
			MUST(c >= 0x20 && c != 0x7f && (utf8 || c < 0x80));
		}
		MUST(qf_utf8_valid((struct qf_slice){.p = out.p, .n = out.n}));
		qf_buf_clear(&out);
		MUST(qf_text_fit(&out, text, 20, utf8) <= 20);
	}
	qf_buf_release(&out);
}

/* One message is one line of JSON in valid UTF-8. */
static void
check_json(const struct qf_row *row, const struct qf_redactor *redactor)
{
	struct qf_buf out = {0};
	qf_render_json(row, redactor, &out);
	MUST(out.n > 2 && out.p[0] == '{' && out.p[out.n - 2] == '}');
	MUST(memchr(out.p, '\n', out.n) == out.p + out.n - 1);
	MUST(qf_utf8_valid((struct qf_slice){.p = out.p, .n = out.n}));
	qf_buf_release(&out);
}

static void
check_fields(const struct qf_row *row)
{
	struct qf_buf scratch = {0}, out = {0};
	for (const struct qf_field *field = qf_fields(); field->name; field++) {
		size_t count = qf_field_count(field, row);
		for (size_t i = 0; i < count && i < 64; i++) {
			qf_buf_clear(&scratch);
			struct qf_value value = field->get(row, i, "subject", &scratch);
			if (!value.present)
				continue;
			qf_buf_clear(&out);
			qf_field_format(field, value, &out);
		}
	}
	for (const char *const *state = qf_row_states(); *state; state++) {
		bool known;
		qf_row_is(row, *state, strlen(*state), &known);
		MUST(known);
	}
	qf_buf_release(&scratch);
	qf_buf_release(&out);
}

static void
check_statuses(const struct qf_envelope *envelope)
{
	struct qf_buf out = {0};
	for (size_t i = 0; i < envelope->nrecipients && i < 64; i++) {
		const struct qf_recipient *r = &envelope->recipients[i];
		qf_status_dsn(r->status);
		qf_status_relay(r->status);
		qf_buf_clear(&out);
		qf_status_kind(r->status, &out);
		qf_address_domain(r->address, &out);
		check_terminal(r->status);
		check_terminal(r->address);
	}
	qf_buf_release(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum qf_kind kinds[] = {QF_KIND_QUEUED, QF_KIND_HELD, QF_KIND_LOST,
					     QF_KIND_STAGED, QF_KIND_OTHER};
	struct qf_parse_options options = {.kind = kinds[n % 5]};
	struct qf_slice input = fuzz_slice(data, n);
	struct qf_msg *msg = NULL;
	struct qf_buf out = {0};

	options.skip_headers = true;
	MUST(qf_msg_parse(input, &options, &msg, NULL) == QF_OK);
	MUST(qf_msg_envelope(msg)->nheaders == 0);
	qf_msg_free(msg);

	options.skip_headers = false;
	MUST(qf_msg_parse(input, &options, &msg, NULL) == QF_OK);
	qf_msg_write(msg, &out);
	MUST(!out.failed && out.n == n && (n == 0 || memcmp(out.p, data, n) == 0));

	size_t count;
	const struct qf_diagnostic *diagnostics = qf_msg_diagnostics(msg, &count);
	for (size_t i = 0; i < count; i++) {
		MUST(diagnostics[i].finding < QF_F_COUNT);
		MUST(qf_finding_type(diagnostics[i].finding)->code);
		MUST((diagnostics[i].line == 0) == (diagnostics[i].column == 0));
		MUST(diagnostics[i].fate <= qf_msg_fate(msg));
	}

	struct qf_policy policy;
	struct qf_row row;
	qf_policy_default(&policy);
	qf_row_init(&row, msg, NULL, &policy, FUZZ_NOW);
	struct qf_redactor *redactor = qf_redactor_new("key", 3);
	check_json(&row, NULL);
	check_json(&row, redactor);
	qf_redactor_free(redactor);
	check_fields(&row);

	const struct qf_envelope *envelope = qf_msg_envelope(msg);
	check_statuses(envelope);
	for (size_t i = 0; i < envelope->nheaders && i < 64; i++) {
		struct qf_slice text = qf_header_text(msg, &envelope->headers[i]);
		check_terminal(text);
		qf_buf_clear(&out);
		qf_header_decode(text, &out);
	}
	qf_buf_clear(&out);
	qf_headers_write(msg, &out);
	qf_buf_clear(&out);
	qf_envelope_write(envelope, &out);
	qf_buf_release(&out);
	qf_msg_free(msg);
	return 0;
}
