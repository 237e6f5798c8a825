#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "qf.h"

#define HEAD "V8\nT1795332063\nK1795332100\nN2\nP30119\n"
#define TAIL "S<a@b.example>\nRPFD:<x@y.example>\n.\n"

static struct qf_msg *
parse_as(const char *bytes, size_t n, enum qf_kind kind)
{
	struct qf_parse_options options = {.kind = kind};
	struct qf_msg *msg = NULL;
	struct qf_err err;

	cr_assert_eq(qf_msg_parse((struct qf_slice){bytes, n}, &options, &msg, &err), QF_OK);
	return msg;
}

static struct qf_msg *
parse(const char *text)
{
	return parse_as(text, strlen(text), QF_KIND_QUEUED);
}

static void
check_slice(struct qf_slice slice, const char *wanted, const char *what)
{
	if (!wanted) {
		cr_assert_null(slice.p, "%s: \"%.*s\", not absent", what, (int)slice.n, slice.p);
		return;
	}
	cr_assert_not_null(slice.p, "%s: absent, not \"%s\"", what, wanted);
	cr_assert(slice.n == strlen(wanted) && !memcmp(slice.p, wanted, slice.n),
		  "%s: \"%.*s\", not \"%s\"", what, (int)slice.n, slice.p, wanted);
}

Test(msg, every_record_of_an_envelope)
{
	struct qf_msg *msg = parse(
		"V8\nT1795332063\nK1795332064\nN3\nP-12\ndq1\nI254/0/10961319\nB8BITMIME\n"
		"qneeds review\nMDeferred: later\nFw8bse\n$rESMTP\n${daemon_flags}c u\n"
		"S<ann@src.example>\nZQQ+2B1\nA<>\n!\x12 7200\n"
		"Cprg:1:0:<prg>\nMDeferred: 451 busy\nQrfc822;o+2Bx@y\nrRFC822; f@y\n"
		"RPNSFDBXAY:<x@y.example>\nRPN:z@y.example\nC\nRFA:\"|prog\"\n"
		"H?P?Return-Path: <\x81g>\nH??Subject: a\n\tb\nHPlain:c\nH?${if_x}?Odd :d\n.\n");
	const struct qf_envelope *env = qf_msg_envelope(msg);
	size_t n;

	qf_msg_diagnostics(msg, &n);
	cr_assert_eq(n, 0);
	cr_assert_eq(qf_msg_state(msg), QF_STATE_QUEUED);
	cr_assert_eq(env->version, 8);
	cr_assert_eq(env->created, 1795332063);
	cr_assert_eq(env->last_try, 1795332064);
	cr_assert_eq(env->tries, 3);
	cr_assert(env->has_priority);
	cr_assert_eq(env->priority, -12);
	check_slice(env->data_dir, "q1", "d");
	check_slice(env->inode, "254/0/10961319", "I");
	check_slice(env->body_type, "8BITMIME", "B");
	check_slice(env->quarantine, "needs review", "q");
	check_slice(env->status, "Deferred: later", "M");
	cr_assert_eq(env->flags, QF_FLAG(WARNED) | QF_FLAG(HAS8BIT) | QF_FLAG(DELETE_BCC) |
					 QF_FLAG(SPLIT) | QF_FLAG(SMTPUTF8));
	cr_assert_eq(env->nmacros, 2);
	check_slice(env->macros[0].name, "r", "macro 0");
	check_slice(env->macros[0].value, "ESMTP", "macro 0");
	check_slice(env->macros[1].name, "{daemon_flags}", "macro 1");
	check_slice(env->macros[1].value, "c u", "macro 1");
	check_slice(env->sender, "<ann@src.example>", "S");
	check_slice(env->envid, "QQ+2B1", "Z");
	check_slice(env->auth, "<>", "A");
	cr_assert(env->deliver_by.present);
	cr_assert_eq(env->deliver_by.flag, 0x12);
	cr_assert_eq(env->deliver_by.seconds, 7200);
	cr_assert_eq(env->nrecipients, 3);
	check_slice(env->recipients[0].address, "<x@y.example>", "R 0");
	check_slice(env->recipients[0].original, "rfc822;o+2Bx@y", "Q 0");
	check_slice(env->recipients[0].final, "RFC822; f@y", "r 0");
	check_slice(env->recipients[0].status, "Deferred: 451 busy", "M 0");
	check_slice(env->recipients[0].controller, "prg:1:0:<prg>", "C 0");
	cr_assert_eq(env->recipients[0].flags,
		     QF_RCPT(PRIMARY) | QF_RCPT(HAS_NOTIFY) | QF_RCPT(SUCCESS) | QF_RCPT(FAILURE) |
			     QF_RCPT(DELAY) | QF_RCPT(BCC) | QF_RCPT(SECURE_MX) | QF_RCPT(ALIAS) |
			     QF_RCPT(DYNAMIC));
	check_slice(env->recipients[1].address, "z@y.example", "R 1");
	check_slice(env->recipients[1].original, NULL, "Q is for one recipient only");
	check_slice(env->recipients[1].status, NULL, "M is for one recipient only");
	check_slice(env->recipients[1].controller, "prg:1:0:<prg>", "C stays in force");
	check_slice(env->recipients[2].controller, NULL, "C alone clears");
	cr_assert_eq(env->nheaders, 4);
	check_slice(env->headers[0].condition, "P", "condition");
	check_slice(env->headers[1].value, " a\n\tb", "folded header");
	check_slice(env->headers[2].name, "Plain", "no condition");
	check_slice(env->headers[2].condition, "", "no condition is an empty one");
	check_slice(env->headers[3].name, "Odd", "blank before the colon");
	check_slice(env->headers[3].condition, "${if_x}", "macro condition");
	qf_msg_free(msg);
}

/* Each kind of damage: the finding, where, and what sendmail does (reference, 2.9, observed). */
Test(msg, findings)
{
	static const struct {
		const char *text;
		const char *code;
		unsigned line, column;
		enum qf_fate fate;
	} cases[] = {
		{"", "empty", 0, 0, QF_FATE_REMOVED},
		{HEAD "S<a@b>\nRPFD:<x@y>\n", "no-terminator", 8, 1, QF_FATE_SKIPPED},
		{HEAD "S<a@b>\nRPFD:<x@y>", "no-terminator", 8, 1, QF_FATE_SKIPPED},
		{HEAD TAIL "N1\n", "data-after-end", 9, 1, QF_FATE_LOST},
		{HEAD TAIL "\n", "data-after-end", 9, 1, QF_FATE_LOST},
		{HEAD "Xbad\n" TAIL, "unknown-line", 6, 1, QF_FATE_LOST},
		{HEAD "G1\n" TAIL, "unknown-line", 6, 1, QF_FATE_LOST},
		{HEAD "\n" TAIL, "empty-line", 6, 1, QF_FATE_LOST},
		{HEAD "From x\n" TAIL, "from-line", 6, 1, QF_FATE_LOST},
		{"V9\nT1\nK0\nN0\nP1\n" TAIL, "bad-version", 1, 2, QF_FATE_LOST},
		{HEAD "BSTRANGE\n" TAIL, "bad-body-type", 6, 2, QF_FATE_LOST},
		{HEAD "Aa=b\n" TAIL, "bad-auth", 6, 2, QF_FATE_LOST},
		{HEAD "Aa+2\n" TAIL, "bad-auth", 6, 2, QF_FATE_LOST},
		{HEAD "RPFD:<x@y>\n.\n", "no-sender", 0, 0, QF_FATE_ABORTS},
		{HEAD "S<a@b>\n.\n", "no-recipient", 0, 0, QF_FATE_REMOVED},
		{"V8\nK0\nN0\nP1\n" TAIL, "no-creation-time", 0, 0, QF_FATE_IGNORED},
		{"V8\nT1\nqreason\nP1\n" TAIL, "early-quarantine", 3, 1, QF_FATE_SKIPPED},
		{HEAD "S<a@b>\nRPFD\nRPFD:c\n.\n", "bad-recipient", 7, 2, QF_FATE_IGNORED},
		{HEAD "S<a@b>\nRPFD:\nRPFD:c\n.\n", "bad-recipient", 7, 6, QF_FATE_IGNORED},
		{HEAD "$\n" TAIL, "bad-macro", 6, 2, QF_FATE_IGNORED},
		{HEAD "${open\n" TAIL, "bad-macro", 6, 2, QF_FATE_IGNORED},
		{HEAD "S<a@b>\nRPFD:c\nH??no colon\n.\n", "bad-header", 8, 7, QF_FATE_IGNORED},
		{HEAD "S<a@b>\nRPFD:c\nH?open\n.\n", "bad-header", 8, 2, QF_FATE_IGNORED},
		{"V8\nTsoon\nK0\nN0\nP1\n" TAIL, "bad-number", 2, 2, QF_FATE_IGNORED},
		{"V8\nT1\nK0\nN12abc\nP1\n" TAIL, "bad-number", 4, 4, QF_FATE_IGNORED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct qf_msg *msg = parse(cases[i].text);
		size_t n;
		const struct qf_diagnostic *d = qf_msg_diagnostics(msg, &n);

		cr_assert_eq(n, 1, "%s: %zu findings", cases[i].code, n);
		cr_assert_str_eq(qf_finding_type(d[0].finding)->code, cases[i].code);
		cr_assert_eq(d[0].line, cases[i].line, "%s: line %u", cases[i].code, d[0].line);
		cr_assert_eq(d[0].column, cases[i].column, "%s: column %u", cases[i].code,
			     d[0].column);
		cr_assert_eq(qf_msg_fate(msg), cases[i].fate, "%s: fate", cases[i].code);
		qf_msg_free(msg);
	}
}

Test(msg, nul_bytes)
{
	static const char text[] = HEAD "Mab\0cd\n" TAIL;
	struct qf_msg *msg = parse_as(text, sizeof(text) - 1, QF_KIND_QUEUED);
	size_t n;
	const struct qf_diagnostic *d = qf_msg_diagnostics(msg, &n);

	cr_assert_eq(n, 1);
	cr_assert_eq(d[0].finding, QF_F_NUL_BYTE);
	cr_assert_eq(qf_msg_finding(msg, QF_F_NUL_BYTE), d);
	cr_assert_null(qf_msg_finding(msg, QF_F_UNREADABLE));
	cr_assert_eq(d[0].line, 6);
	cr_assert_eq(d[0].column, 4);
	check_slice(qf_msg_envelope(msg)->status, "ab", "value ends at the NUL");
	qf_msg_free(msg);
}

Test(msg, states)
{
	static const struct {
		enum qf_kind kind;
		const char *text;
		enum qf_state state;
	} cases[] = {
		{QF_KIND_QUEUED, HEAD TAIL, QF_STATE_QUEUED},
		{QF_KIND_QUEUED, HEAD, QF_STATE_INCOMPLETE},
		{QF_KIND_QUEUED, "", QF_STATE_INCOMPLETE},
		{QF_KIND_HELD, HEAD TAIL, QF_STATE_HELD},
		{QF_KIND_HELD, HEAD, QF_STATE_HELD},
		{QF_KIND_LOST, HEAD, QF_STATE_LOST},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct qf_msg *msg =
			parse_as(cases[i].text, strlen(cases[i].text), cases[i].kind);

		cr_assert_eq(qf_msg_state(msg), cases[i].state, "case %zu", i);
		qf_msg_free(msg);
	}
}

/* Without V the letters of an R line are part of the address (reference, 2.2, observed). */
Test(msg, recipients_before_version_1)
{
	struct qf_msg *msg = parse("T1\nP1\nSa\nRPFD:x@y\n.\n");
	const struct qf_envelope *env = qf_msg_envelope(msg);

	cr_assert_eq(env->nrecipients, 1);
	check_slice(env->recipients[0].address, "PFD:x@y", "address");
	cr_assert_eq(env->recipients[0].flags,
		     QF_RCPT(PRIMARY) | QF_RCPT(FAILURE) | QF_RCPT(DELAY));
	qf_msg_free(msg);
}

Test(msg, crlf_in_folded_values_is_dropped)
{
	struct qf_msg *msg = parse("V8\r\nT1\r\nP1\r\nS<a>\r\nRPFD:b\r\nH??A: x\r\n\ty\r\n.\r\n");
	size_t n;

	qf_msg_diagnostics(msg, &n);
	cr_assert_eq(n, 0);
	check_slice(qf_msg_envelope(msg)->headers[0].value, " x\n\ty", "header");
	qf_msg_free(msg);
}

Test(msg, header_text_undoes_meta_quoting)
{
	struct qf_msg *msg =
		parse(HEAD "S<a>\nRPFD:b\nH??Subject:  gr\xfc \xff\x81 \xff\xff end\n.\n");

	check_slice(qf_msg_header(msg, "subject"), "gr\xfc \x81 \xff end", "subject");
	check_slice(qf_msg_header(msg, "From"), NULL, "missing header");
	qf_msg_free(msg);
}

static void
check_round_trip(const char *bytes, size_t n)
{
	struct qf_msg *msg = parse_as(bytes, n, QF_KIND_QUEUED);
	struct qf_buf out = {0};

	qf_msg_write(msg, &out);
	cr_assert_eq(out.n, n);
	cr_assert(n == 0 || !memcmp(out.p, bytes, n));
	qf_buf_release(&out);
	qf_msg_free(msg);
}

Test(msg, any_bytes_round_trip)
{
	/* Letters that matter, often, so that records, folds and ends come up. */
	static const char alphabet[] = "VTKNPdIBqMF$SZA!CQrRH.:?{}\n\n\n\r\t \0abc@<>1290\xff\x81";
	char bytes[512];

	srand(1);
	for (int round = 0; round < 5000; round++) {
		size_t n = (size_t)rand() % sizeof(bytes);

		for (size_t i = 0; i < n; i++)
			bytes[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
		check_round_trip(bytes, n);
	}
}

/* A random valid envelope: written, read back, the same. */
struct maker {
	char text[65536];
	size_t at;
};

static struct qf_slice
make_text(struct maker *maker, size_t least, bool folds)
{
	static const char alphabet[] = "abcXYZ019 @.<>-_+:;\"\\\xc3\xbc\x1b";
	size_t n = least + (size_t)rand() % 40;
	char *start = maker->text + maker->at;

	for (size_t i = 0; i < n; i++)
		start[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
	if (folds && n > 8) {
		start[n / 2] = '\n';
		start[n / 2 + 1] = rand() % 2 ? '\t' : ' ';
	}
	maker->at += n;
	return (struct qf_slice){start, n};
}

static struct qf_slice
maybe(struct maker *maker)
{
	return rand() % 2 ? make_text(maker, 1, false) : (struct qf_slice){NULL, 0};
}

static void
same_slice(struct qf_slice a, struct qf_slice b, const char *what)
{
	cr_assert_eq(a.p == NULL, b.p == NULL, "%s: one is absent", what);
	cr_assert(a.n == b.n && (a.n == 0 || !memcmp(a.p, b.p, a.n)), "%s: \"%.*s\", \"%.*s\"",
		  what, (int)a.n, a.p, (int)b.n, b.p);
}

Test(msg, written_envelopes_read_back_the_same)
{
	static const char *const xtexts[] = {"<>", "a+2Bb@c", "plain"};
	static struct maker maker;

	srand(2);
	for (int round = 0; round < 500; round++) {
		struct qf_recipient recipients[20];
		struct qf_header headers[20];
		struct qf_macro macros[4];
		struct qf_envelope env = {
			.created = rand(),
			.last_try = rand() % 2 ? rand() + 1 : QF_TIME_NONE,
			.tries = rand() % 100,
			.priority = rand() - RAND_MAX / 2,
			.recipients = recipients,
			.nrecipients = 1 + (size_t)rand() % 20,
			.headers = headers,
			.nheaders = (size_t)rand() % 20,
			.macros = macros,
			.nmacros = (size_t)rand() % 4,
			.flags = (unsigned)rand() % (QF_FLAG(SMTPUTF8) << 1),
		};
		const struct qf_envelope *read;
		struct qf_buf out = {0}, again = {0};
		struct qf_msg *msg;
		size_t n;

		maker.at = 0;
		env.data_dir = maybe(&maker);
		env.inode = maybe(&maker);
		env.body_type = (struct qf_slice){rand() % 2 ? "7BIT" : NULL, 4};
		if (!env.body_type.p)
			env.body_type.n = 0;
		env.status = maybe(&maker);
		env.quarantine = maybe(&maker);
		env.sender = make_text(&maker, 0, false);
		env.envid = maybe(&maker);
		env.auth.p = xtexts[rand() % 3];
		env.auth.n = strlen(env.auth.p);
		env.deliver_by.present = rand() % 2;
		env.deliver_by.flag = env.deliver_by.present ? 0x11 : 0;
		env.deliver_by.seconds = env.deliver_by.present ? rand() : 0;
		for (size_t i = 0; i < env.nmacros; i++)
			macros[i] = (struct qf_macro){{"{name}", 6}, make_text(&maker, 0, false)};
		for (size_t i = 0; i < env.nrecipients; i++)
			recipients[i] = (struct qf_recipient){
				.address = make_text(&maker, 1, false),
				.flags = (unsigned)rand() % (QF_RCPT(DYNAMIC) << 1),
				.original = maybe(&maker),
				.final = maybe(&maker),
				.status = maybe(&maker),
				.controller = maybe(&maker)};
		for (size_t i = 0; i < env.nheaders; i++)
			headers[i] = (struct qf_header){.condition = {rand() % 2 ? "P" : "", 0},
							.name = {"X-Name", 6},
							.value = make_text(&maker, 0, true)};
		for (size_t i = 0; i < env.nheaders; i++)
			headers[i].condition.n = strlen(headers[i].condition.p);
		qf_envelope_write(&env, &out);
		msg = parse_as(out.p, out.n, QF_KIND_HELD);
		qf_msg_diagnostics(msg, &n);
		cr_assert_eq(n, 0, "round %d", round);
		read = qf_msg_envelope(msg);
		cr_assert_eq(read->created, env.created);
		cr_assert_eq(read->last_try, env.last_try);
		cr_assert_eq(read->tries, env.tries);
		cr_assert_eq(read->priority, env.priority);
		cr_assert_eq(read->flags, env.flags);
		same_slice(read->data_dir, env.data_dir, "d");
		same_slice(read->body_type, env.body_type, "B");
		same_slice(read->quarantine, env.quarantine, "q");
		same_slice(read->status, env.status, "M");
		same_slice(read->sender, env.sender, "S");
		same_slice(read->envid, env.envid, "Z");
		same_slice(read->auth, env.auth, "A");
		cr_assert_eq(read->deliver_by.seconds, env.deliver_by.seconds);
		cr_assert_eq(read->nrecipients, env.nrecipients);
		for (size_t i = 0; i < env.nrecipients; i++) {
			same_slice(read->recipients[i].address, recipients[i].address, "R");
			cr_assert_eq(read->recipients[i].flags, recipients[i].flags);
			same_slice(read->recipients[i].original, recipients[i].original, "Q");
			same_slice(read->recipients[i].final, recipients[i].final, "r");
			same_slice(read->recipients[i].status, recipients[i].status, "M of R");
			same_slice(read->recipients[i].controller, recipients[i].controller, "C");
		}
		cr_assert_eq(read->nheaders, env.nheaders);
		for (size_t i = 0; i < env.nheaders; i++) {
			same_slice(read->headers[i].condition, headers[i].condition, "condition");
			same_slice(read->headers[i].value, headers[i].value, "H");
		}
		qf_envelope_write(read, &again);
		cr_assert(again.n == out.n && !memcmp(again.p, out.p, out.n));
		qf_buf_release(&again);
		qf_buf_release(&out);
		qf_msg_free(msg);
	}
}

Test(msg, a_million_recipients)
{
	struct qf_buf text = {0};
	struct qf_msg *msg;

	qf_buf_adds(&text, HEAD "S<a@b>\n");
	for (int i = 0; i < 1000000; i++)
		qf_buf_adds(&text, "rRFC822; someone@example.net\nRPFD:<someone@example.net>\n");
	qf_buf_adds(&text, ".\n");
	msg = parse_as(text.p, text.n, QF_KIND_QUEUED);
	cr_assert_eq(qf_msg_envelope(msg)->nrecipients, 1000000);
	qf_msg_free(msg);
	qf_buf_release(&text);
}

Test(msg, more_than_the_limit_is_refused)
{
	char *bytes = malloc(QF_CONTROL_MAX + 1);
	struct qf_msg *msg = NULL;
	struct qf_err err;

	memset(bytes, 'M', QF_CONTROL_MAX + 1);
	cr_assert_eq(qf_msg_parse((struct qf_slice){bytes, QF_CONTROL_MAX + 1}, NULL, &msg, &err),
		     QF_E_LIMIT);
	cr_assert_null(msg);
	free(bytes);
}

Test(msg, a_file_of_line_ends_costs_no_fortune)
{
	size_t n = (size_t)64 << 20, nrecords, ndiagnostics;
	char *bytes = malloc(n);
	struct qf_msg *msg;
	struct qf_buf out = {0};

	memset(bytes, '\n', n);
	msg = parse_as(bytes, n, QF_KIND_QUEUED);
	qf_msg_records(msg, &nrecords);
	cr_assert_eq(nrecords, QF_RECORDS_MAX);
	qf_msg_diagnostics(msg, &ndiagnostics);
	cr_assert_eq(ndiagnostics, 1000);
	cr_assert_eq(qf_msg_fate(msg), QF_FATE_LOST);
	qf_msg_write(msg, &out);
	cr_assert(out.n == n && !memcmp(out.p, bytes, n));
	qf_buf_release(&out);
	qf_msg_free(msg);
	free(bytes);
}
