/*
 * filter - any text as a filter, matched against one message that has something in every field.
 */
#include "fuzz.h"

static const char message[] =
	"V8\nT1795300000\nK1795331000\nN3\nP214748\nI254/1/77\nFwbs8\n"
	"Mhost map: lookup (example.net): deferred\n"
	"$_localhost [127.0.0.1]\n$rESMTP\n${daemon_flags}\n"
	"S<alice@example.com>\nZenvelope-1\nBd 8BITMIME\n"
	"MDeferred: 451 4.2.1 mx.example.net: try again\nQrfc822;bob@example.net\n"
	"rRFC822; bob@example.net\nRPFD:<bob@example.net>\n"
	"MDeferred: Connection timed out with mx2.example.org.\nRPF:<carol@lists.example.org>\n"
	"qheld by hand\n"
	"H?P?Return-Path: <g>\nH??From: Alice <alice@example.com>\n"
	"H??Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= and more\n"
	"H??Message-Id: <1@example.com>\n.\n";

static struct qf_msg *msg;
static struct qf_row row;

static void
set_up(void)
{
	struct qf_parse_options options = {.kind = QF_KIND_HELD};
	struct qf_slice bytes = {.p = message, .n = sizeof(message) - 1};
	struct qf_policy policy;
	MUST(qf_msg_parse(bytes, &options, &msg, NULL) == QF_OK);
	qf_policy_default(&policy);
	qf_row_init(&row, msg, NULL, &policy, FUZZ_NOW);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!msg)
		set_up();
	char *text = malloc(n + 1);
	if (!text)
		return 0;
	if (n)
		memcpy(text, data, n);
	text[n] = '\0';

	struct qf_query *query = NULL;
	struct qf_err err = {0};
	enum qf_code code = qf_query_parse(text, FUZZ_NOW, &query, &err);
	if (code != QF_OK) {
		MUST(err.code == code && err.why[0]);
		MUST(code == QF_E_USAGE || code == QF_E_NOMEM);
		MUST(code != QF_E_USAGE || (err.column >= 1 && err.column <= strlen(text) + 1));
		free(text);
		return 0;
	}
	qf_query_needs(query);
	qf_query_requires_state(query, "held");
	struct qf_matcher *matcher = qf_matcher_new(query);
	MUST(matcher);
	bool matched = false, again = true;
	struct qf_buf out = {0};
	code = qf_matcher_match(matcher, &row, &matched, &err);
	MUST(code == QF_OK || code == QF_E_LIMIT);
	MUST(qf_matcher_match(matcher, &row, &again, &err) == code);
	MUST(code != QF_OK || matched == again);
	for (size_t i = 0; i < qf_msg_envelope(msg)->nrecipients; i++)
		qf_matcher_match_recipient(matcher, &row, i, &matched, NULL);
	qf_matcher_explain(matcher, &row, &out);
	qf_buf_release(&out);
	qf_matcher_free(matcher);
	qf_query_free(query);
	free(text);
	return 0;
}
