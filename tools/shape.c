/*
 * shape - how many messages of which age, by recipient domain or another field: qshape for
 * sendmail's queues.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "confine.h"
#include "out.h"
#include "say.h"
#include "shape_text.h"
#include "signals.h"
#include "source.h"
#include "status.h"
#include "term.h"
#include "words.h"

#define LEAST_WIDTH 80
#define MOST_WIDTH 10000
#define MOST_BUCKETS 1000

static const char *const format_words[] = {"table", "json", "csv", NULL};

static struct {
	int format;
	const char *by;
	bool senders, parents, linear;
	unsigned min_subdomains, buckets, bucket_time, width, top, batch;
} given = {.min_subdomains = 5,
	   .buckets = 10,
	   .bucket_time = 5,
	   .width = LEAST_WIDTH,
	   .top = 20,
	   .batch = 1000};

const char shape_description[] =
	"Count messages by age and by recipient domain, or another field: the table and the\n"
	"letters of Postfix's qshape. Each column counts what is younger than its heading, in\n"
	"minutes; the last one all that is older.\n"
	"\n"
	"By domain, rcpt, status, dsn or relay every recipient counts, so TOTAL is the number of\n"
	"recipients; a message without any is in no line. By any other field messages count.\n"
	"What the field says nothing of stands under (none), addresses without a domain under\n"
	"(local), the null sender under MAILER-DAEMON. A message without creation time counts as\n"
	"new, as sendmail takes it. A filter chooses messages; all their recipients count.\n"
	"\n"
	"The fields and the filter language are those of qf ls.";

const struct opt shape_options[] = {
	{OPT_WORD, "format", 0, &given.format, "FORMAT", "table, json or csv", format_words},
	{OPT_STRING, "by", 0, &given.by, "FIELD", "count by this field (default: domain)", NULL},
	{OPT_FLAG, "senders", 's', &given.senders, NULL, "the same as --by=from-domain", NULL},
	{OPT_FLAG, "parents", 'p', &given.parents, NULL,
	 "add a line for each parent domain, with a leading dot", NULL},
	{OPT_NUMBER, "min-subdomains", 'm', &given.min_subdomains, "N",
	 "with -p: only parents of N names or more (5)", NULL},
	{OPT_NUMBER, "buckets", 'b', &given.buckets, "N", "number of age columns (10)", NULL},
	{OPT_NUMBER, "bucket-time", 't', &given.bucket_time, "MINUTES",
	 "age limit of the first column (5)", NULL},
	{OPT_FLAG, "linear", 'l', &given.linear, NULL,
	 "limits grow by the first one, not to twice as much", NULL},
	{OPT_NUMBER, "width", 'w', &given.width, "COLUMNS", "width of the table (80, the least)",
	 NULL},
	{OPT_NUMBER, "top", 'n', &given.top, "N",
	 "on a terminal: at most N lines, TOTAL included (20; 0: all)", NULL},
	{OPT_NUMBER, "batch", 'N', &given.batch, "N",
	 "on a terminal: show what there is every N messages (1000; 0: never)", NULL},
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

/* Fields made from answers: part finds theirs; without one, what counts is the kind of answer. */
static const struct answer {
	const char *field;
	struct qf_slice (*part)(struct qf_slice status);
} answers[] = {{"status", NULL}, {"dsn", qf_status_dsn}, {"relay", qf_status_relay}};

/* One table in the making. */
struct shape {
	struct source source;
	struct qf_query *query;
	struct qf_matcher *matcher;
	struct qf_groups *groups;
	struct shape_table table;
	int64_t *minutes;
	const char *argument;        /* NAME of --by=header.NAME */
	const struct answer *answer; /* the field is one of these, or NULL */
	bool filtered;
	struct qf_buf value, key; /* working memory */

	uint64_t matched, deserted; /* messages; those without recipients, in no line */
	bool incomplete;
	int failed;       /* an exit status */
	bool partial;     /* unfinished tables are shown */
	bool shown;       /* one is on the screen */
	int64_t shown_at; /* since then, in milliseconds */
};

/* ------------------------------------------------------------------ counting */

/* What the answer for one recipient counts under: its own, else that for the message. */
static struct qf_slice
answer_key(struct shape *shape, const struct qf_row *row, size_t i)
{
	const struct qf_envelope *env = qf_msg_envelope(row->msg);
	struct qf_slice status = env->recipients[i].status;

	if (!status.p)
		status = env->status;
	if (!status.p)
		return status;
	if (shape->answer->part)
		return shape->answer->part(status);
	qf_buf_clear(&shape->key);
	qf_status_kind(status, &shape->key);
	return (struct qf_slice){shape->key.n ? shape->key.p : "", shape->key.n};
}

/* A domain without its empty labels: "a..b" and ".a.b" are "a.b", as to qshape. */
static struct qf_slice
domain_key(struct shape *shape, struct qf_slice domain)
{
	struct qf_buf *key = &shape->key;

	qf_buf_clear(key);
	for (size_t i = 0; i < domain.n; i++) {
		bool empty = domain.p[i] == '.' && (!key->n || key->p[key->n - 1] == '.');

		if (!empty)
			qf_buf_addc(key, domain.p[i]);
	}
	if (key->n && key->p[key->n - 1] == '.')
		key->n--;
	if (!key->n)
		qf_buf_adds(key, "(local)");
	return (struct qf_slice){key->p, key->n};
}

/* An address without its <>, unless there is nothing else. */
static struct qf_slice
address_key(struct qf_slice address)
{
	if (address.n > 2 && address.p[0] == '<' && address.p[address.n - 1] == '>')
		return (struct qf_slice){address.p + 1, address.n - 2};
	return address.n ? address : (struct qf_slice){"<>", 2};
}

static struct qf_slice
key_of(struct shape *shape, const struct qf_row *row, size_t i)
{
	const struct qf_field *field = shape->table.field;
	struct qf_value value;

	if (shape->answer)
		return answer_key(shape, row, i);
	value = field->get(row, i, shape->argument, &shape->value);
	if (!value.present)
		return (struct qf_slice){0};
	return field->domain ? domain_key(shape, value.text) : address_key(value.text);
}

/*
 * Count a message. qshape counts every recipient of a message, also when several are in one
 * domain; groups by themselves would count the message once in each.
 */
static bool
count(struct shape *shape, const struct qf_row *row)
{
	const struct qf_field *field = shape->table.field;
	bool recipients = field->per_recipient || shape->answer;
	size_t n = recipients ? qf_msg_envelope(row->msg)->nrecipients : 1;

	if (!recipients && !field->domain)
		return qf_groups_add(shape->groups, row) == QF_OK;
	shape->deserted += n == 0;
	for (size_t i = 0; i < n; i++) {
		struct qf_slice key = key_of(shape, row, i);

		if (shape->key.failed || shape->value.failed ||
		    qf_groups_add_key(shape->groups, key, row) != QF_OK)
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------ showing */

static void
fail_memory(struct shape *shape)
{
	say_error("memory: none left");
	shape->failed = STATUS_OS;
}

/* The table of what was counted so far, in the place of the one before. */
static void
show(struct shape *shape, bool finished)
{
	size_t left;

	if (shape->shown || !finished)
		out_adds("\033[H\033[2J");
	shape->shown = true;
	if (!shape_put(&shape->table, shape->groups, &left)) {
		fail_memory(shape);
		return;
	}
	out_flush();
	if (finished && left)
		say_note("%zu more lines; -n 0 shows all", left);
}

static int64_t
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* An unfinished table every so many messages, but not more than one a second. */
static void
show_partial(struct shape *shape)
{
	int64_t now;

	if (!shape->partial || shape->matched % given.batch)
		return;
	now = clock_ms();
	if (now - shape->shown_at < 1000)
		return;
	show(shape, false);
	shape->shown_at = now;
}

/* ------------------------------------------------------------------ reading */

/* A message from the scan. False to stop. */
static bool
take(struct shape *shape, struct qf_msg *msg)
{
	struct qf_row row;
	struct qf_err err;
	bool matched;

	if (say_unreadable(msg)) {
		shape->incomplete = true;
		return true;
	}
	qf_row_init(&row, msg, shape->source.queue, &shape->source.policy, shape->source.now);
	if (qf_matcher_match(shape->matcher, &row, &matched, &err) != QF_OK) {
		shape->failed = say_failure(&err);
		return false;
	}
	if (!matched)
		return true;
	shape->matched++;
	if (!count(shape, &row)) {
		fail_memory(shape);
		return false;
	}
	show_partial(shape);
	return !shape->failed && !out_failed();
}

static void
scan(struct shape *shape)
{
	struct qf_scan_options options = {
		.needs = qf_query_needs(shape->query) | shape->table.field->needs,
		.jobs = shape->source.jobs,
		.max_ops = shape->source.max_ops,
		.cancel = signals_flag(),
	};
	struct qf_scan *reading = NULL;
	struct qf_msg *msg = NULL;
	struct qf_err err;
	enum qf_code code;

	shape->shown_at = clock_ms();
	code = qf_scan_new(shape->source.queue, &options, &reading, &err);
	while (!code && !(code = qf_scan_next(reading, &msg, &err)) && msg)
		if (!take(shape, msg))
			break;
	if (code)
		shape->failed = say_failure(&err);
	if (reading && source_say_troubles(reading))
		shape->incomplete = true;
	qf_scan_free(reading);
}

/* ------------------------------------------------------------------ the command */

static int
usage(const char *option, const char *why)
{
	say_error("%s: %s", option, why);
	return STATUS_USAGE;
}

/*
 * The ends of the age buckets. A number of 0 is as none given, and a width below qshape's own is
 * that: so qshape takes them.
 */
static int
make_limits(struct shape *shape)
{
	size_t n = given.buckets ? given.buckets : 10;
	int64_t tick = given.bucket_time ? given.bucket_time : 5;
	int64_t limit = 0, *seconds;

	if (n > MOST_BUCKETS)
		return usage("--buckets", "at most 1000");
	if (given.width > MOST_WIDTH)
		return usage("--width", "at most 10000");
	shape->minutes = reallocarray(NULL, n, sizeof(*shape->minutes));
	seconds = reallocarray(NULL, n, sizeof(*seconds));
	for (size_t i = 0; shape->minutes && seconds && i + 1 < n; i++) {
		limit += limit && !given.linear ? limit : tick;
		if (limit > INT64_MAX / 120) {
			free(seconds);
			return usage("--buckets", "the age limits grow too large; fewer, or -l");
		}
		shape->minutes[i] = limit;
		/* What is as old as the limit belongs to the next bucket. */
		seconds[i] = limit * 60 - 1;
	}
	shape->table.minutes = shape->minutes;
	shape->table.nminutes = n - 1;
	if (shape->minutes && seconds)
		shape->groups = qf_groups_new(shape->table.field, shape->argument, seconds, n - 1);
	free(seconds);
	if (shape->groups)
		return STATUS_OK;
	fail_memory(shape);
	return shape->failed;
}

static int
choose_field(struct shape *shape)
{
	const char *by = given.by ? given.by : given.senders ? "from-domain" : "domain";
	const struct qf_field *field = qf_field_find(by, &shape->argument);

	if (!field) {
		say_error("--by: %s: no such field; qf ls --help lists them", by);
		return STATUS_USAGE;
	}
	if (given.senders && strcmp(field->name, "from-domain") != 0)
		return usage("-s", "means --by=from-domain; --by says something else");
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (strcmp(field->name, answers[i].field) == 0)
			shape->answer = &answers[i];
	if (given.parents && !field->domain && strcmp(field->name, "relay") != 0)
		return usage("-p", "only domains and relays have parents");
	shape->table.by = by;
	shape->table.field = field;
	return STATUS_OK;
}

static int
prepare(struct shape *shape, char **operands, size_t n)
{
	bool tty = term_is_tty() && given.format == SHAPE_TABLE;
	const char *term = getenv("TERM");
	char *filter = words_join(operands, n);
	struct qf_err err;
	enum qf_code code;
	int status;

	if (!filter) {
		fail_memory(shape);
		return shape->failed;
	}
	shape->filtered = filter[strspn(filter, " \t")] != '\0';
	code = qf_query_parse(filter, shape->source.now, &shape->query, &err);
	free(filter);
	if (code)
		return say_failure(&err);
	status = choose_field(shape);
	if (!status)
		status = make_limits(shape);
	if (status)
		return status;
	shape->table.format = (enum shape_format)given.format;
	shape->table.parents = given.parents;
	shape->table.min_subdomains = given.min_subdomains ? given.min_subdomains : 5;
	shape->table.width = given.width > LEAST_WIDTH ? given.width : LEAST_WIDTH;
	shape->table.top = tty ? given.top : 0;
	shape->table.redactor = shape->source.redactor;
	shape->partial = tty && given.batch && term && *term && strcmp(term, "dumb") != 0;
	shape->matcher = qf_matcher_new(shape->query);
	if (!shape->matcher)
		fail_memory(shape);
	return shape->failed;
}

static int
finish(struct shape *shape)
{
	if (!shape->failed && !out_failed())
		show(shape, true);
	if (shape->failed)
		return shape->failed;
	if (shape->deserted)
		say_note("%llu %s without recipients not counted",
			 (unsigned long long)shape->deserted,
			 shape->deserted == 1 ? "message" : "messages");
	if (shape->incomplete)
		return STATUS_INCOMPLETE;
	return shape->filtered && !shape->matched ? STATUS_FINDINGS : STATUS_OK;
}

int
shape_run(char **operands, size_t n)
{
	struct shape shape = {0};
	int status = source_open(&shape.source);

	if (!status)
		status = prepare(&shape, operands, n);
	if (!status) {
		confine_lister(shape.source.queue);
		scan(&shape);
		status = finish(&shape);
	}
	qf_groups_free(shape.groups);
	qf_matcher_free(shape.matcher);
	qf_query_free(shape.query);
	qf_buf_release(&shape.value);
	qf_buf_release(&shape.key);
	free(shape.minutes);
	source_close(&shape.source);
	return out_finish(status);
}
