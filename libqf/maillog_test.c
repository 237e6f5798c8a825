/*
 * Lines here are those of sendmail 8.17.1.9 (Debian) in the laboratory of the tests, at LogLevel 9
 * to 30, but where a comment says who wrote them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qf.h"

#define HEAD "Nov 26 08:22:54 lab sendmail[12625]: "
#define ID "6AQ8MsV8012620"
/* 2026-11-26T08:22:54Z */
#define AT ((int64_t)1795681374)

static struct qf_log *log_;
static struct qf_log_stats stats;

static void
open_text(const char *text, const struct qf_log_options *options)
{
	struct qf_log_options usual = {.reference = AT + 86400, .last = QF_TIME_NONE};
	struct qf_err err = {0};

	cr_assert_eq(qf_log_parse((struct qf_slice){text, strlen(text)}, "test",
				  options ? options : &usual, &log_, &err),
		     QF_OK, "%s", err.why);
}

static const struct qf_log_event *
next(void)
{
	const struct qf_log_event *event;
	struct qf_err err = {0};

	cr_assert_eq(qf_log_next(log_, &event, &err), QF_OK, "%s", err.why);
	return event;
}

/* The only event of a text; NULL where there is none. */
static const struct qf_log_event *
only(const char *text)
{
	const struct qf_log_event *event;

	open_text(text, NULL);
	event = next();
	return event;
}

static void
finish(void)
{
	while (next())
		;
	qf_log_stats(log_, &stats);
	qf_log_free(log_);
}

static void
is(struct qf_slice slice, const char *wanted)
{
	if (!wanted)
		cr_expect_null(slice.p);
	else
		cr_expect(slice.p && slice.n == strlen(wanted) &&
				  memcmp(slice.p, wanted, slice.n) == 0,
			  "%.*s, not %s", (int)slice.n, slice.p ? slice.p : "(none)", wanted);
}

Test(maillog, accepted)
{
	const struct qf_log_event *e = only(
		HEAD ID ": from=<ann@src.example>, size=56, class=0, nrcpts=2, "
			"msgid=<1.a@x>, proto=ESMTP, daemon=MTA, relay=localhost [127.0.0.1]\n");

	cr_assert(e && e->kind == QF_LOG_ACCEPTED);
	cr_expect_eq(e->time, AT);
	cr_expect_eq(e->pid, 12625);
	is(e->host, "lab");
	is(e->ident, "sendmail");
	is(e->id, ID);
	is(e->sender, "<ann@src.example>");
	is(e->message_id, "<1.a@x>");
	is(e->relay, "localhost [127.0.0.1]");
	cr_expect(e->size == 56 && e->nrcpts == 2 && e->line == 1 && e->lines == 1);
	finish();
	cr_expect(stats.lines == 1 && stats.events == 1 && !stats.unparsed && !stats.foreign);
	cr_expect(stats.year_by == QF_LOG_BY_IDS && stats.zone_by == QF_LOG_BY_IDS);
}

Test(maillog, class_of_a_message)
{
	static const struct {
		const char *text;
		int64_t wanted;
	} cases[] = {{"class=0, ", 0}, {"class=-60, ", -60}, {"class=100, ", 100}, {"", 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char line[256];
		const struct qf_log_event *e;

		snprintf(line, sizeof(line), HEAD ID ": from=<ann@src.example>, size=56, %snrcpts=2, relay=x\n",
			 cases[i].text);
		e = only(line);
		cr_assert(e && e->kind == QF_LOG_ACCEPTED);
		cr_expect(e->mail_class == cases[i].wanted && e->nrcpts == 2, "%s", cases[i].text);
		cr_expect(e->priority == -1 && e->xdelay == -1);
		finish();
	}
}

Test(maillog, several_recipients)
{
	const struct qf_log_event *e = only(
		HEAD ID ": to=<ok2@dst.example>,<ok1@dst.example>, [more], ctladdr=root (0/0), "
			"delay=1+02:03:04, xdelay=00:00:02, mailer=esmtp, pri=60057, "
			"relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent (2.0.0 taken)\n");

	cr_assert(e && e->kind == QF_LOG_DELIVERY && e->outcome == QF_LOG_IS_SENT);
	cr_assert_eq(e->nrecipients, 2);
	is(e->recipients[0], "<ok2@dst.example>");
	is(e->recipients[1], "<ok1@dst.example>");
	is(e->controller, "root (0/0)");
	is(e->dsn, "2.0.0");
	is(e->relay, "[127.0.0.1] [127.0.0.1]");
	is(e->stat, "Sent (2.0.0 taken)");
	cr_expect_eq(e->delay, 86400 + 2 * 3600 + 3 * 60 + 4);
	cr_expect(e->xdelay == 2 && e->priority == 60057);
	finish();
}

/* A server that answers "450 4.1.1 hm, stat=Sent (ok)", and one that does so with 550. */
Test(maillog, a_server_cannot_make_a_delivery_of_its_refusal)
{
	const struct qf_log_event *e =
		only(HEAD ID ": to=<liar@dst.example>, delay=00:00:00, xdelay=00:00:00, "
			     "mailer=esmtp, pri=60056, relay=[127.0.0.1] [127.0.0.1], dsn=4.2.0, "
			     "reply=450 4.1.1 hm, stat=Sent (ok), stat=Deferred: 450 4.1.1 hm, "
			     "stat=Sent (ok)\n" HEAD ID
			     ": to=<fail@dst.example>, delay=00:00:00, xdelay=00:00:00, "
			     "mailer=esmtp, pri=60056, relay=[127.0.0.1] [127.0.0.1], dsn=5.1.1, "
			     "reply=550 5.1.1 no such, stat=Sent (ok), stat=User unknown\n");

	cr_expect_eq(e->outcome, QF_LOG_IS_DEFERRED);
	is(e->reply, "450 4.1.1 hm, stat=Sent (ok)");
	is(e->stat, "Deferred: 450 4.1.1 hm, stat=Sent (ok)");
	e = next();
	cr_expect_eq(e->outcome, QF_LOG_IS_FAILED);
	is(e->stat, "User unknown");
	finish();
}

/* Nor with a dsn= and a stat= that do not go together: written for the test. */
Test(maillog, what_can_be_read_in_two_ways_proves_nothing)
{
	const struct qf_log_event *e =
		only(HEAD ID ": to=<a@b>, delay=00:00:00, mailer=esmtp, pri=1, relay=x, "
			     "dsn=4.2.0, stat=Sent (ok)\n");

	cr_expect(e->kind == QF_LOG_DELIVERY && e->outcome == QF_LOG_IS_UNKNOWN);
	finish();
}

/* Something became of somebody: that is known, and no more. Cut by a log, or an address by
 * sendmail. */
Test(maillog, a_delivery_that_cannot_be_read_is_about_anybody)
{
	static const char *const lines[] = {
		"to=<a@b>,<c@d>, delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=1, relay=mx",
		"to=<a@b>,<c@",
		"to=<a@b>, delay=00:00:00, mailer=esmtp, pri=1, relay=x, dsn=2.0.0, sta",
		"to=, delay=00:00:00, mailer=esmtp, pri=1, relay=x, dsn=2.0.0, stat=Sent (ok)",
		"to=<\"aaa...@b>, delay=00:00:00, mailer=esmtp, pri=1, dsn=2.0.0, stat=Sent (ok)",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char line[256];
		const struct qf_log_event *e;

		snprintf(line, sizeof(line), HEAD ID ": %s\n", lines[i]);
		e = only(line);
		cr_assert(e, "%s", line);
		cr_expect(e->kind == QF_LOG_DELIVERY && e->outcome == QF_LOG_IS_UNKNOWN &&
				  e->nrecipients == 0,
			  "%s", line);
		is(e->id, ID);
		finish();
	}
}

Test(maillog, an_address_that_looks_like_fields)
{
	const struct qf_log_event *e = only(
		HEAD ID ": to=<\"x, stat=Sent\\\\\"y\"@dst.example>, delay=00:00:00, "
			"xdelay=00:00:00, mailer=esmtp, pri=30057, relay=[127.0.0.1] [127.0.0.1], "
			"dsn=4.2.0, reply=450 4.2.0 later, stat=Deferred: 450 4.2.0 later\n");

	cr_assert(e && e->nrecipients == 1);
	is(e->recipients[0], "<\"x, stat=Sent\\\"y\"@dst.example>");
	cr_expect_eq(e->outcome, QF_LOG_IS_DEFERRED);
	finish();
}

/* Shortened within its quotes: written for the test. */
Test(maillog, an_address_without_its_end_names_nobody)
{
	const struct qf_log_event *e =
		only(HEAD ID ": to=<\"xx...@dst.example>, delay=00:00:00, mailer=esmtp, pri=1, "
			     "dsn=2.0.0, stat=Sent\n");

	cr_assert(e && e->kind == QF_LOG_DELIVERY);
	cr_expect(e->nrecipients == 0 && e->outcome == QF_LOG_IS_UNKNOWN);
	finish();
}

Test(maillog, other_ids)
{
	const struct qf_log_event *e =
		only(HEAD "6AQ8MsEw012639: 6AQ8MsEw012643: clone: owner=own@dst.example\n" HEAD
			  "6AQ8MsV8012620: 6AQ8MsV8012625: DSN: User unknown\n" HEAD
			  "6AQ8Munw012680: 6AQDMvee012697: sender notify: Warning: could not send "
			  "message for past 4 hours\n" HEAD
			  "6AQ8Munw012680: 6B28Mvve012701: sender notify: Cannot send message for "
			  "5 days\n" HEAD "6AQ8Munw012680: split: maxrcpts=2, rcpts=5, count=2, "
			  "ids=6AQ8Munx012680; 6AQ8Muny012680\n");

	cr_expect(e->kind == QF_LOG_CLONE && e->nchildren == 1);
	is(e->id, "6AQ8MsEw012639");
	is(e->children[0], "6AQ8MsEw012643");
	is(e->sender, "own@dst.example");
	e = next();
	cr_expect(e->kind == QF_LOG_REPORT && e->report == QF_LOG_REPORT_FAILURE);
	is(e->reason, "User unknown");
	e = next();
	cr_expect(e->kind == QF_LOG_REPORT && e->report == QF_LOG_REPORT_WARNING);
	e = next();
	cr_expect(e->kind == QF_LOG_REPORT && e->report == QF_LOG_REPORT_EXPIRED);
	is(e->children[0], "6B28Mvve012701");
	e = next();
	cr_assert(e->kind == QF_LOG_SPLIT && e->nchildren == 2);
	is(e->children[1], "6AQ8Muny012680");
	finish();
}

Test(maillog, kinds_by_their_words)
{
	static const struct {
		const char *text;
		enum qf_log_kind kind;
	} lines[] = {
		{ID ": queueup: locked", QF_LOG_LOCKED},
		{ID ": changed", QF_LOG_CHANGED},
		{ID ": SYSERR(root): cannot flock(qf" ID ", fd=5, type=6, omode=40002, euid=0)",
		 QF_LOG_NO_LOCK},
		{ID ": quarantine=why \\033[2J, stat=Sent", QF_LOG_QUARANTINE},
		{ID ": unquarantine", QF_LOG_UNQUARANTINE},
		{ID ": done; delay=00:00:02, ntries=2", QF_LOG_DONE},
		{ID ": discarded", QF_LOG_DISCARD},
		{ID ": lost input channel from localhost [127.0.0.1] to MTA after startup",
		 QF_LOG_ABORTED},
		{ID ": <nobody@lab.example>... User unknown", QF_LOG_REJECT},
		{ID ": ruleset=check_rcpt, arg1=<a@b>, relay=x, reject=550 5.7.1 no",
		 QF_LOG_REJECT},
		{ID ": milter=m, quarantine=virus", QF_LOG_QUARANTINE},
		{"NOQUEUE: SYSERR(root): Losing ./qf" ID ": bogus file uid", QF_LOG_LOSING},
		{"starting daemon (8.17.1.9): SMTP+queueing@01:00:00", QF_LOG_DAEMON},
		{"runqueue: Flushing queue from /q", QF_LOG_RUN},
		{"NOQUEUE: connect from localhost [127.0.0.1]", QF_LOG_OTHER},
		{"poststats: statistics: No such file or directory", QF_LOG_OTHER},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char line[256];
		const struct qf_log_event *e;

		snprintf(line, sizeof(line), HEAD "%s\n", lines[i].text);
		e = only(line);
		cr_assert(e, "%s", line);
		cr_expect_eq(e->kind, lines[i].kind, "%s: %s", line, qf_log_kind_name(e->kind));
		if (e->kind == QF_LOG_LOSING)
			is(e->id, ID);
		if (i == 3)
			is(e->reason, "why \033[2J, stat=Sent");
		finish();
	}
}

Test(maillog, pieces)
{
	const struct qf_log_event *e =
		only(HEAD ID "[1]: quarantine=why and  ...\n" HEAD
			     "6AQ8MsEw012639: unquarantine\n" HEAD ID "[2]: why not,  ...\n" HEAD ID
			     "[3]: and why\n" HEAD ID "[2]: no beginning\n");

	is(e->id, "6AQ8MsEw012639");
	e = next();
	cr_assert(e && e->kind == QF_LOG_QUARANTINE);
	is(e->reason, "why and why not, and why");
	cr_expect(e->lines == 3 && e->line == 4);
	finish();
	cr_expect(stats.events == 2 && stats.pieces == 3 && stats.lines == 5);
}

/* Of other programs beside sendmail: their forms are those of the programs. */
Test(maillog, other_programs)
{
	open_text("Nov 26 08:22:54 lab opendkim[7]: " ID ": DKIM-Signature field added (s=a, d=b)\n"
		  "Nov 26 08:22:54 lab postfix/smtp[7]: 3F2A412345: to=<a@b>, relay=x[1.2.3.4]:25, "
		  "delay=0.3, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)\n"
		  "Nov 26 08:22:54 lab dovecot: imap(ann): Logged out in=1 out=2\n"
		  "\n\x01\xff no line at all\n",
		  NULL);
	finish();
	cr_expect(stats.events == 0 && stats.foreign == 3 && stats.unparsed == 2);
}

Test(maillog, heads)
{
	static const char *const heads[] = {
		"2026-11-26T09:22:54.123456+01:00 mx1 sm-mta[77]: ",
		"2026-11-26T08:22:54Z mx1 sm-mta[77]: ",
		"<22>2026-11-26 08:22:54Z mx1 sm-mta[77]: ",
		"<22>1 2026-11-26T08:22:54.5Z mx1 sm-mta 77 - - ",
		"<22>1 2026-11-26T08:22:54Z mx1 sm-mta 77 ID47 [a@1 b=\"c \\] d\"][e@1] "
		"\xef\xbb\xbf",
		"2026-11-26T08:22:54.000000+00:00 mx1 sm-mta[77]: ",
		"2026-11-26T08:22:54.000000+00:00 mx/smtp/123 Nov 26 09:22:53 mx1 sm-mta[77]: ",
		"<22>Nov 26 08:22:54 mx1 sm-mta[77]: [ID 801593 mail.info] ",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		char line[512];
		const struct qf_log_event *e;

		snprintf(line, sizeof(line),
			 "%s" ID ": to=a@b, delay=00:00:00, mailer=esmtp, pri=1, "
			 "dsn=2.0.0, stat=Sent\n",
			 heads[i]);
		e = only(line);
		cr_assert(e, "%s", line);
		cr_expect(e->kind == QF_LOG_DELIVERY && e->time == AT && e->pid == 77, "%s: %lld",
			  line, (long long)e->time);
		is(e->host, "mx1");
		is(e->ident, "sm-mta");
		finish();
	}
}

Test(maillog, records_of_cloudwatch)
{
	static const char document[] =
		"{\n \"events\": [\n  {\"logStreamName\": \"s{}\", \"timestamp\": 1795681374123, "
		"\"message\": \"Nov 26 09:22:54 mx1 sendmail[5]: " ID
		": from=<a{@b>, size=1, class=0, nrcpts=1, msgid=<\\u0026>, relay=x\", "
		"\"eventId\": \"1\"},\n  {\"timestamp\": 1795681375000, \"message\": "
		"\"sendmail[5]: " ID
		": to=<c@d>, delay=00:00:00, mailer=esmtp, pri=1, dsn=2.0.0, stat=Sent\\n\"}\n ],\n"
		" \"searchedLogStreams\": [], \"nextToken\": \"}{\"\n}\n";
	const struct qf_log_event *e = only(document);

	cr_assert(e && e->kind == QF_LOG_ACCEPTED);
	is(e->sender, "<a{@b>");
	cr_expect_eq(e->time, AT);
	e = next();
	cr_assert(e && e->kind == QF_LOG_DELIVERY);
	cr_expect_eq(e->time, AT + 1);
	finish();
	cr_expect(stats.events == 2 && stats.year_by == QF_LOG_BY_EXPORT);

	/* An object a line. */
	open_text("{\"timestamp\": 1795681374123, \"message\": \"" HEAD ID ": unquarantine\"}\n"
		  "{\"timestamp\": 1795681374123, \"message\": \"" HEAD ID ": unquarantine\"}\n",
		  NULL);
	finish();
	cr_expect(stats.events == 2 && stats.lines == 2);
}

/* The id was made at 08:22:54 UTC: the line is an hour further east. */
Test(maillog, zone_from_ids)
{
	const struct qf_log_event *e = only(
		"Nov 26 09:22:55 lab sendmail[1]: " ID ": unquarantine\n"
		"Nov 26 09:22:55 lab sendmail[1]: " ID ": from=a@b, size=1, class=0, nrcpts=1, "
		"relay=x\n");

	cr_expect_eq(e->time, AT + 1);
	finish();
	cr_expect_eq(stats.zone, 3600);
	cr_expect_eq(stats.zone_by, QF_LOG_BY_IDS);
}

/* Berlin: ids of the UTC time, lines before and after the change, and one that has no id of its
 * own.
 */
Test(maillog, summer_time_ends_within_a_log)
{
	static const char from[] = ": from=a@b, size=1, class=0, nrcpts=1, relay=x\n";
	const struct qf_log_event *e;
	char text[1024];

	snprintf(text, sizeof(text),
		 "Oct 24 21:43:20 lab sendmail[1]: 69OJhK01012345%s"
		 "Oct 25 02:00:00 lab sendmail[1]: 69P00002012345%s"
		 "Oct 25 02:59:59 lab sendmail[1]: 69P00002012345: unquarantine\n"
		 "Oct 25 02:00:01 lab sendmail[1]: 69P00002012345: unquarantine\n"
		 "Oct 25 03:00:00 lab sendmail[1]: 69P20003012345%s",
		 from, from, from);
	e = only(text);
	cr_expect_eq(e->time, 1792871000);
	cr_expect_eq(next()->time, 1792886400);
	cr_expect_eq(next()->time, 1792886400 + 3599);
	cr_expect_eq(next()->time, 1792886400 + 3601);
	cr_expect_eq(next()->time, 1792886400 + 7200);
	finish();
	cr_expect_eq(stats.zone, 3600);
}

Test(maillog, summer_time_begins_within_a_log)
{
	static const char text[] =
		"Mar 28 23:46:40 lab sendmail[1]: 62SMke01012345: from=a@b, size=1, class=0, "
		"nrcpts=1, relay=x\n"
		"Mar 29 01:59:59 lab sendmail[1]: 62SMke01012345: unquarantine\n"
		"Mar 29 03:00:00 lab sendmail[1]: 62SMke01012345: unquarantine\n"
		"Mar 29 05:30:00 lab sendmail[1]: 62T3U002012345: from=a@b, size=1, class=0, "
		"nrcpts=1, relay=x\n";
	struct qf_log_options learned = {
		.reference = AT, .last = QF_TIME_NONE, .zone = 3600, .learned = true};
	const struct qf_log_event *e = only(text);

	cr_expect_eq(e->time, 1774738000);
	cr_expect_eq(next()->time, 1774745999);
	cr_expect_eq(next()->time, 1774746000);
	cr_expect_eq(next()->time, 1774755000);
	finish();
	/* What a run before has learned is corrected, too. */
	open_text(strstr(text, "Mar 29 05"), &learned);
	cr_expect_eq(next()->time, 1774755000);
	finish();
}

/* It was an hour in coming: the next one shows that the clock was not changed. */
Test(maillog, a_slow_message_begins_no_summer_time)
{
	const struct qf_log_event *e =
		only("Oct 25 00:00:00 lab sendmail[1]: 69P00002012345: from=a@b, size=1, class=0, "
		     "nrcpts=1, relay=x\n"
		     "Oct 25 03:00:20 lab sendmail[1]: 69P20003012345: from=a@b, size=1, class=0, "
		     "nrcpts=1, relay=x\n"
		     "Oct 25 03:00:21 lab sendmail[1]: 69P20003012345: unquarantine\n"
		     "Oct 25 03:30:01 lab sendmail[1]: 69P3U002012345: from=a@b, size=1, class=0, "
		     "nrcpts=1, relay=x\n");

	cr_expect_eq(e->time, 1792886400);
	cr_expect_eq(next()->time, 1792886400 + 3 * 3600 + 20);
	cr_expect_eq(next()->time, 1792886400 + 3 * 3600 + 21);
	cr_expect_eq(next()->time, 1792886400 + 3 * 3600 + 1801);
	finish();
	cr_expect_eq(stats.zone, 0);
}

Test(maillog, what_a_damaged_log_has_is_counted)
{
	static const char text[] = HEAD ID
		": unquarantine\n"
		"\0\0\0\0\n"
		"garbage\n"
		"Nov 26 08:22:54 lab last message repeated 2 times\n"
		"Nov 26 08:22:55 lab rsyslogd: imuxsock[pid 7]: 5321 messages lost due to "
		"rate-limiting\n"
		"Nov 26 08:22:55 lab cron[1]: messages lost due to rate-limiting\n"
		"Nov 26 08:22:55 lab systemd-journald[3]: Suppressed 12 messages from x.service\n";
	struct qf_log_options options = {.reference = AT, .last = QF_TIME_NONE};
	struct qf_err err;

	cr_assert_eq(qf_log_parse((struct qf_slice){text, sizeof(text) - 1}, "test", &options,
				  &log_, &err),
		     QF_OK);
	finish();
	cr_expect_eq(stats.garbled, 1);
	cr_expect_eq(stats.strange, 1);
	cr_expect_eq(stats.unparsed, 3);
	cr_expect_eq(stats.lost, 2);
}

Test(maillog, year_by_order_and_reference)
{
	/* Written for the test: a log that was last changed on 2026-01-02. */
	struct qf_log_options options = {
		.reference = 1767312000, .last = QF_TIME_NONE, .zone = -3600, .have_zone = true};
	const struct qf_log_event *e;

	open_text("Dec 31 23:59:59 lab sendmail[1]: " ID ": unquarantine\n"
		  "Jan  1 00:00:00 lab sendmail[1]: " ID ": unquarantine\n"
		  "Dec 31 23:59:59 lab sendmail[1]: " ID ": unquarantine\n",
		  &options);
	e = next();
	cr_expect_eq(e->time, 1767225599 + 3600);
	e = next();
	cr_expect_eq(e->time, 1767225600 + 3600);
	e = next();
	cr_expect_eq(e->time, 1767225599 + 3600);
	finish();
	cr_expect(stats.year_by == QF_LOG_BY_FILE && stats.zone_by == QF_LOG_BY_CALLER);
}

Test(maillog, level_by_what_was_seen)
{
	static const struct {
		unsigned saw;
		int low, high;
	} seen[] = {
		{0, 0, 4},
		{QF_LOG_SAW_ANY, 0, 4},
		{QF_LOG_SAW_ACCEPTED, 5, 7},
		{QF_LOG_SAW_ACCEPTED | QF_LOG_SAW_SENT, 8, 9},
		{QF_LOG_SAW_ACCEPTED | QF_LOG_SAW_DEFERRED, 9, 9},
		{QF_LOG_SAW_CONNECT, 10, 14},
		{QF_LOG_SAW_STARTED, 10, 98},
		{QF_LOG_SAW_COMMANDS, 15, 98},
		{QF_LOG_SAW_LOCKED, 20, 98},
	};
	struct qf_log_level level;

	for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++) {
		qf_log_level(seen[i].saw, &level);
		cr_expect(level.low == seen[i].low && level.high == seen[i].high, "%zu: %d, %d", i,
			  level.low, level.high);
	}
	qf_log_level(QF_LOG_SAW_SENT, &level);
	cr_expect_eq(level.cannot_prove, 1u << QF_LOG_PROVES_DEFERRED | 1u << QF_LOG_PROVES_DONE |
						 1u << QF_LOG_PROVES_LOCKED);
}

Test(maillog, going_on_where_it_ended)
{
	static const char first[] = HEAD ID ": unquarantine\n";
	char whole[2 * sizeof(first)];
	struct qf_log_options options = {
		.reference = AT, .last = AT, .lines = 1, .offset = sizeof(first) - 1};
	const struct qf_log_event *e;

	snprintf(whole, sizeof(whole), "%s%s", first, first);
	open_text(whole, &options);
	e = next();
	cr_assert(e);
	cr_expect(e->line == 2 && e->offset == sizeof(first) - 1 && !e->cut && e->time == AT);
	finish();
	cr_expect(stats.lines == 2 && stats.events == 1 && stats.offset == 2 * (sizeof(first) - 1));
}

Test(maillog, last_line_without_its_end)
{
	const struct qf_log_event *e = only(HEAD ID ": unquarantine");

	cr_expect(e && e->cut);
	finish();
	cr_expect(stats.cut);
}

Test(maillog, a_line_without_end_takes_no_memory)
{
	char path[] = "/tmp/maillog_test.XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	struct qf_err err = {0};

	for (int i = 0; i < 40000; i++)
		fputs("a hundred bytes of a line that has no end, "
		      "......................................"
		      "...............\\",
		      file);
	fputs("\n" HEAD ID ": unquarantine\n", file);
	fclose(file);
	cr_assert_eq(qf_log_open(path, NULL, &log_, &err), QF_OK, "%s", err.why);
	cr_expect_not_null(next());
	finish();
	cr_expect(stats.unparsed == 1 && stats.lines == 2 && stats.events == 1);
	unlink(path);
}

Test(maillog, keys_are_of_content_and_count)
{
	const struct qf_log_event *e = only(HEAD ID ": unquarantine\n" HEAD ID ": unquarantine\n");
	unsigned char one[16], two[16], counted[16];

	qf_log_event_key(e, 0, one);
	e = next();
	qf_log_event_key(e, 0, two);
	qf_log_event_key(e, 1, counted);
	cr_expect(memcmp(one, two, 16) == 0 && memcmp(one, counted, 16) != 0);
	finish();
}

Test(maillog, compressed)
{
	char command[256], path[] = "/tmp/maillog_test.XXXXXX", packed[64];
	static const char *const programs[] = {"gzip", "zstd -q --rm", "xz", "bzip2"};
	static const char *const ends[] = {"gz", "zst", "xz", "bz2"};
	int fd = mkstemp(path);

	close(fd);
	if (!qf_log_compression())
		cr_skip_test("built without libarchive");
	for (size_t i = 0; i < 4; i++) {
		FILE *file = fopen(path, "w");
		struct qf_err err = {0};

		fputs(HEAD ID ": unquarantine\n", file);
		fclose(file);
		snprintf(command, sizeof(command), "%s %s 2>/dev/null", programs[i], path);
		snprintf(packed, sizeof(packed), "%s.%s", path, ends[i]);
		/* What is not installed is not tried. */
		if (system(command) != 0)
			continue;
		cr_assert_eq(qf_log_open(packed, NULL, &log_, &err), QF_OK, "%s", err.why);
		cr_expect_not_null(next());
		finish();
		cr_expect(stats.events == 1 && !stats.cut);
		unlink(packed);
	}
	unlink(path);
}
