/*
 * metrics - figures of a queue for monitoring: Prometheus text, or CloudWatch's embedded metrics.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "confine.h"
#include "every.h"
#include "metrics.h"
#include "metrics_listen.h"
#include "out.h"
#include "save.h"
#include "say.h"
#include "signals.h"
#include "status.h"

enum format { FORMAT_PROMETHEUS, FORMAT_EMF };
static const char *const format_words[] = {"prometheus", "emf", NULL};

static struct {
	int format;
	const char *output, *listen;
	unsigned top;
	int64_t every;
	bool no_orphans;
} given = {.top = 20};

const char metrics_description[] =
	"Figures of a queue for monitoring: messages by state, ages, tries, sizes, recipient domains,\n"
	"files that belong to no whole message, and what the look cost. A figure that is not known\n"
	"is absent, never zero; where messages could not be read (state unreadable), sums are at least\n"
	"so many.\n"
	"\n"
	"--output writes the whole text at once, for node_exporter's textfile collector. With --every\n"
	"it is written each round, a queue that cannot be read gives qf_up 0, and --format=emf prints\n"
	"CloudWatch's embedded metric format. Orphans are looked at twice, on NFS a minute apart;\n"
	"--no-orphans leaves them out. With --redact there are no domains. --listen answers HTTP, a\n"
	"look for each request, one at a time, until a signal comes; whoever reaches the address sees\n"
	"the figures.";

const struct opt metrics_options[] = {
	{OPT_WORD, "format", 0, &given.format, "FORMAT", "prometheus or emf", format_words},
	{OPT_STRING, "output", 0, &given.output, "FILE", "write there, whole or not at all", NULL},
	{OPT_STRING, "listen", 0, &given.listen, "ADDR",
	 "serve /metrics at HOST:PORT, [IPV6]:PORT, :PORT, or PORT of this host alone", NULL},
	{OPT_NUMBER, "top", 0, &given.top, "N", "so many domains (20); the rest as (other)", NULL},
	{OPT_FLAG, "no-orphans", 0, &given.no_orphans, NULL, "do not look for orphans", NULL},
	EVERY_ROW(&given.every),
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

/* A message seen in delivery, over rounds. */
struct seen_busy {
	char *path;
	int64_t since;
	bool again;
};

/* What lives from round to round. */
struct memory {
	struct seen_busy *busy;
	size_t n;
	int64_t last_success;
};

/* ------------------------------------------------------------------ counting */

static void
add_value(struct metrics_histogram *h, const int64_t *limits, int64_t value)
{
	size_t k = 0;

	while (k < METRICS_BUCKETS && value > limits[k])
		k++;
	if (k < METRICS_BUCKETS)
		h->counts[k]++;
	h->all++;
	h->sum += (double)value;
}

/* Since when this message has been seen in delivery; from now on, where it was not before. */
static int64_t
busy_since(struct memory *memory, struct qf_slice path, int64_t now)
{
	struct seen_busy *more;

	for (size_t i = 0; i < memory->n; i++)
		if (strlen(memory->busy[i].path) == path.n &&
		    memcmp(memory->busy[i].path, path.p, path.n) == 0) {
			memory->busy[i].again = true;
			return memory->busy[i].since;
		}
	more = realloc(memory->busy, (memory->n + 1) * sizeof(*more));
	if (!more)
		return now;
	memory->busy = more;
	more[memory->n] = (struct seen_busy){.path = strndup(path.p, path.n), .since = now,
					     .again = true};
	memory->n += more[memory->n].path != NULL;
	return now;
}

/* Forget who is in delivery no more. */
static void
sweep(struct memory *memory)
{
	size_t kept = 0;

	for (size_t i = 0; i < memory->n; i++) {
		if (memory->busy[i].again) {
			memory->busy[kept] = memory->busy[i];
			memory->busy[kept++].again = false;
		} else {
			free(memory->busy[i].path);
		}
	}
	memory->n = kept;
}

static void
count_age(struct metrics_queue *q, int64_t created, int64_t now)
{
	int64_t age;

	if (created == QF_TIME_NONE)
		return;
	age = qf_time_between(created, now);
	if (age < 0)
		age = 0;
	if ((double)age > q->oldest)
		q->oldest = (double)age;
	add_value(&q->age, metrics_age_limits, age);
}

static void
count_message(struct metrics_queue *q, const struct qf_row *row, struct memory *memory)
{
	const struct qf_envelope *env = qf_msg_envelope(row->msg);
	const struct qf_files *files = qf_msg_files(row->msg);
	enum qf_state state = qf_msg_state(row->msg);

	if (qf_msg_finding(row->msg, QF_F_UNREADABLE)) {
		q->unreadable++;
		q->busy = -1;
		return;
	}
	q->messages[state]++;
	/* One message of which it cannot be told makes the sum unknown. */
	if (files->busy == QF_UNKNOWN)
		q->busy = -1;
	else if (files->busy == QF_YES && q->busy >= 0)
		q->busy++;
	if (files->busy == QF_YES) {
		double longest = (double)qf_time_between(busy_since(memory, files->path, row->now),
							 row->now);

		if (longest > q->longest_busy)
			q->longest_busy = longest;
	}
	q->due += row->outlook.due != QF_TIME_NONE && row->outlook.due <= row->now;
	q->expired += row->outlook.expired;
	q->warned += row->outlook.warned;
	q->control_bytes += files->control_size;
	if (files->data_size > 0)
		q->data_bytes += files->data_size;
	count_age(q, env->created, row->now);
	add_value(&q->tries, metrics_tries_limits, env->tries > 0 ? env->tries : 0);
	if (q->domains)
		qf_groups_add(q->domains, row);
}

/* Where messages could not be read a sum may be more than it seems, and no zero is known. */
static void
forget_zeros(struct metrics_queue *q)
{
	int64_t *const sums[] = {&q->due, &q->expired, &q->warned, &q->control_bytes, &q->data_bytes};

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++)
		if (*sums[i] == 0)
			*sums[i] = -1;
	if (q->oldest == 0)
		q->oldest = -1;
	for (int v = 0; v < QF_VERDICT_COUNT; v++)
		if (q->orphans[v] == 0)
			q->orphans[v] = -1;
}

/* Read every message. An exit status. */
static int
scan(struct source *source, struct metrics *m, struct memory *memory)
{
	const struct qf_field *domain = qf_field_find("domain", NULL);
	struct qf_scan_options options = {
		.needs = QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS,
		.jobs = source->jobs,
		.max_ops = source->max_ops,
		.cancel = signals_flag()};
	struct qf_scan_stats stats;
	enum qf_code code;
	struct qf_scan *reading;
	struct qf_msg *msg;
	struct qf_err err;
	struct qf_row row;

	if (qf_scan_new(source->queue, &options, &reading, &err))
		return say_failure(&err);
	for (size_t i = 0; i < m->n; i++)
		if (!source->redactor)
			m->queues[i].domains = qf_groups_new(domain, NULL, NULL, 0);
	while (!(code = qf_scan_next(reading, &msg, &err)) && msg) {
		qf_row_init(&row, msg, source->queue, &source->policy, source->now);
		count_message(&m->queues[qf_msg_files(msg)->dir], &row, memory);
	}
	for (size_t i = 0; i < qf_scan_ntroubles(reading); i++) {
		size_t dir;

		say_failure(qf_scan_trouble(reading, i, &dir));
		m->queues[dir].up = false;
		m->errors++;
	}
	qf_scan_stats(reading, &stats);
	qf_scan_free(reading);
	m->seconds = stats.seconds;
	m->operations = stats.operations;
	m->errors += stats.unreadable;
	if (code)
		return code == QF_E_INTERRUPTED ? STATUS_SIGNAL + signals_caught() : say_failure(&err);
	return m->errors ? STATUS_INCOMPLETE : STATUS_OK;
}

/* Files that belong to no whole message; not known where they could not be looked for. */
static int
look_for_orphans(struct source *source, struct metrics *m)
{
	struct qf_orphans_options options = {.grace = 600,
					     .now = source->now,
					     .pause = -1,
					     .jobs = source->jobs,
					     .max_ops = source->max_ops,
					     .cf = source->cf,
					     .cancel = signals_flag()};
	struct qf_orphans *orphans;
	int status = STATUS_OK;
	struct qf_err err;

	if (qf_orphans_find(source->queue, &options, &orphans, &err))
		return signals_caught() ? STATUS_SIGNAL + signals_caught() : say_failure(&err);
	for (size_t i = 0; i < m->n; i++)
		for (int v = 0; v < QF_VERDICT_COUNT && m->queues[i].up; v++)
			m->queues[i].orphans[v] = 0;
	for (size_t i = 0; i < qf_orphans_n(orphans); i++) {
		const struct qf_orphan *orphan = qf_orphans_get(orphans, i);

		if (orphan->counted && orphan->dir < m->n &&
		    m->queues[orphan->dir].orphans[orphan->verdict] >= 0)
			m->queues[orphan->dir].orphans[orphan->verdict] += (int64_t)orphan->nfiles;
	}
	if (qf_orphans_total(orphans)->unreadable)
		status = STATUS_INCOMPLETE;
	qf_orphans_free(orphans);
	return status;
}

static int
collect(struct source *source, struct metrics *m, struct memory *memory)
{
	int status, orphans = STATUS_OK;

	m->n = qf_queue_ndirs(source->queue);
	m->queues = calloc(m->n ? m->n : 1, sizeof(*m->queues));
	if (!m->queues)
		return status_of(QF_E_NOMEM);
	for (size_t i = 0; i < m->n; i++) {
		struct metrics_queue *q = &m->queues[i];

		q->queue = qf_queue_dir(source->queue, i)->path;
		q->up = qf_queue_dir(source->queue, i)->trouble == QF_OK;
		q->oldest = q->longest_busy = -1;
		for (int v = 0; v < QF_VERDICT_COUNT; v++)
			q->orphans[v] = -1;
	}
	m->now = source->now;
	m->top = given.top;
	status = scan(source, m, memory);
	sweep(memory);
	if (!given.no_orphans && status < STATUS_USAGE)
		orphans = look_for_orphans(source, m);
	if (orphans > status)
		status = orphans;
	for (size_t i = 0; i < m->n; i++)
		if (m->queues[i].unreadable)
			forget_zeros(&m->queues[i]);
	if (status == STATUS_OK)
		memory->last_success = source->now;
	m->last_success = memory->last_success;
	return status;
}

/* ------------------------------------------------------------------ the command */

/* Into page where one is asked for over HTTP. */
static int
put(const struct metrics *m, struct qf_buf *page)
{
	struct qf_buf text = {0};
	struct qf_err err;
	int status = STATUS_OK;

	if (page) {
		metrics_put_prometheus(m, page);
		return STATUS_OK;
	}
	if (given.format == FORMAT_EMF)
		metrics_put_emf(m, &text);
	else
		metrics_put_prometheus(m, &text);
	if (given.output && !text.failed) {
		if (save_file(given.output, text.p, text.n, &err)) {
			status = say_failure(&err);
			if (status == STATUS_NO_INPUT)
				status = STATUS_CANNOT_CREATE;
		}
	} else {
		out_add_buf(&text);
	}
	qf_buf_release(&text);
	return status;
}

static void
release(struct metrics *m)
{
	for (size_t i = 0; m->queues && i < m->n; i++)
		qf_groups_free(m->queues[i].domains);
	free(m->queues);
}

/* A queue that cannot be opened: down, and nothing else is known. */
static int
put_down(struct source *source, const struct memory *memory, struct qf_buf *page)
{
	struct metrics_queue down = {.queue = source_name(), .busy = -1, .due = -1, .expired = -1,
				     .warned = -1, .oldest = -1, .longest_busy = -1,
				     .control_bytes = -1, .data_bytes = -1};
	const struct metrics m = {.queues = &down, .n = 1, .errors = 1, .now = source->now,
				  .last_success = memory->last_success};

	for (int v = 0; v < QF_VERDICT_COUNT; v++)
		down.orphans[v] = -1;
	return put(&m, page);
}

static int
look(struct memory *memory, bool every, struct qf_buf *page)
{
	struct source source;
	struct metrics m = {0};
	int status = source_open(&source), written = STATUS_OK;
	bool open = status == STATUS_OK;
	const struct confine once = {.how = CONFINE_WRITER,
				     .queue = source.queue,
				     .may_write = {given.output}};
	/* Each round opens the queue anew, and may ask the system for users over a socket. */
	const struct confine rounds = {.how = CONFINE_LOOKER, .network = true};

	/* --listen did when it had its address. */
	if (open && every && !page)
		confine_once(&rounds);
	else if (open && !every)
		confine_self(&once);
	if (open)
		status = collect(&source, &m, memory);
	if (open && status < STATUS_USAGE)
		written = put(&m, page);
	else if (every && !signals_caught())
		written = put_down(&source, memory, page);
	release(&m);
	source_close(&source);
	return written ? written : status;
}

/* Where the text goes is decided by the format: a line of the round stands beside it. */
static int
round_of(void *ctx, struct qf_buf *total)
{
	(void)total;
	return look(ctx, true, NULL);
}

static void
serve(void *ctx, struct qf_buf *page)
{
	look(ctx, true, page);
}

int
metrics_run(char **operands, size_t n)
{
	struct memory memory = {.last_success = QF_TIME_NONE};
	int status;

	if (n) {
		say_error("%s: takes no operands; -Q names the queue", operands[0]);
		return STATUS_USAGE;
	}
	if (given.listen && (given.every || given.output || given.format == FORMAT_EMF)) {
		say_error("--listen answers with Prometheus text, when asked: not with --every, --output "
			  "or --format=emf");
		return STATUS_USAGE;
	}
	if (given.every && !given.output && given.format != FORMAT_EMF) {
		say_error("--every needs --output=FILE, or --format=emf");
		return STATUS_USAGE;
	}
	if (given.listen)
		status = metrics_listen(given.listen, serve, &memory);
	else if (given.every)
		status = every_run("metrics", given.every, round_of, &memory);
	else
		status = look(&memory, false, NULL);
	for (size_t i = 0; i < memory.n; i++)
		free(memory.busy[i].path);
	free(memory.busy);
	return out_finish(status);
}
