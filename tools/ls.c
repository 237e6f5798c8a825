/*
 * ls - list messages: as a table, as mailq prints them, as JSON, CSV or ids.
 *
 * Matching and rendering happen in the threads that read (visit()); what is left for the caller's
 * thread is to write, or to keep and sort.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "confine.h"
#include "grouped.h"
#include "ls_render.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "sorted.h"
#include "source.h"
#include "status.h"
#include "table.h"
#include "words.h"

static const char *const format_words[] = {"table", "mailq", "mailq-verbose", "json", "csv",
					   "ids",   "ids0",  NULL};

static struct {
	int format;
	const char *sort, *columns, *by;
	unsigned limit, watch;
	bool explain;
} given;

const char ls_description[] =
	"List the messages of a queue. Nothing is changed, not even a lock is taken.\n"
	"\n"
	"A filter has terms such as from:bob, domain:example.net, age>2h, size>100k, is:held,\n"
	"status:/timed? out/i, header.Subject:hello; and, or, not, ( ). each. before a recipient\n"
	"field asks for every recipient. A bare word is looked for in sender, recipients, subject\n"
	"and status.\n"
	"\n"
	"Fields: id queue from from-domain rcpt domain subject header.NAME status dsn relay body\n"
	"envid reason age idle tries size priority nrcpt due created state busy flags last_try\n"
	"bounce_at warn_at message_id mark file path data. States: queued held lost incomplete busy\n"
	"due young expired warned damaged.\n"
	"\n"
	"Marks in the table: * in delivery, h held, ? lost, ! damaged, - too young for a try.";

const struct opt ls_options[] = {
	{OPT_WORD, "format", 0, &given.format, "FORMAT",
	 "table, mailq, mailq-verbose, json, csv, ids or ids0", format_words},
	{OPT_STRING, "sort", 0, &given.sort, "[-]FIELD", "sort by a field; -: largest first", NULL},
	{OPT_NUMBER, "limit", 0, &given.limit, "N", "at most N rows (0: all)", NULL},
	{OPT_STRING, "columns", 0, &given.columns, "A,B", "fields to show (table, csv)", NULL},
	{OPT_STRING, "by", 0, &given.by, "FIELD", "count by a field: messages, oldest, size", NULL},
	{OPT_NUMBER, "watch", 0, &given.watch, "SECONDS", "again and again, in place", NULL},
	{OPT_FLAG, "explain", 0, &given.explain, NULL, "say which term of the filter matched what",
	 NULL},
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

/* One listing in the making; shared by the threads, which only read it. */
struct listing {
	struct source source;
	struct qf_query *query;
	struct ls_look look;
	const struct qf_field *sort;
	const char *sort_argument;
	bool descending;
	unsigned needs;
	unsigned limit;   /* rows, 0 for all */
	bool filtered;
};

struct worker {
	struct listing *listing;
	struct ls_hand hand;
};

static void *
worker_begin(void *ctx)
{
	struct listing *listing = ctx;
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker) {
		worker->listing = listing;
		worker->hand.matcher = qf_matcher_new(listing->query);
	}
	return worker;
}

static void
worker_end(void *arg)
{
	struct worker *worker = arg;

	if (!worker)
		return;
	qf_matcher_free(worker->hand.matcher);
	qf_buf_release(&worker->hand.scratch[0]);
	qf_buf_release(&worker->hand.scratch[1]);
	free(worker);
}

/* In a reading thread. Unreadable messages are passed on without text, to be named. */
static bool
visit(void *arg, struct qf_msg *msg, struct qf_buf *text)
{
	struct worker *worker = arg;
	struct listing *listing;
	struct qf_row row;
	bool matched;

	if (!worker || !worker->hand.matcher) {
		text->failed = true;
		return true;
	}
	listing = worker->listing;
	qf_row_init(&row, msg, listing->source.queue, &listing->source.policy,
		    listing->source.now);
	/* Without text, the caller asks again, for the error. */
	if (qf_matcher_match(worker->hand.matcher, &row, &matched, NULL) != QF_OK)
		return true;
	if (matched)
		ls_row(&listing->look, &worker->hand, &row, text);
	return matched || qf_msg_finding(msg, QF_F_UNREADABLE);
}

/* What a pass over the queue found. */
struct tally {
	size_t shown;
	bool incomplete;
	int failed;      /* an exit status */
};

struct pass {
	struct listing *listing;
	struct tally tally;
	struct qf_matcher *matcher;
	struct sorted *sorted;
	struct grouped *grouped;
	struct qf_buf scratch;
	bool headed;
};

/* Heading of a table or of CSV, before the first row. */
static void
put_heading(struct pass *pass)
{
	struct qf_buf head = {0};

	if (pass->headed)
		return;
	pass->headed = true;
	ls_heading(&pass->listing->look, &head);
	out_add_buf(&head);
	qf_buf_release(&head);
}

/* A message handed out by the scan, in the caller's thread. False to stop. */
static bool
take(struct pass *pass, struct qf_msg *msg)
{
	struct listing *listing = pass->listing;
	struct qf_slice text = qf_msg_text(msg);
	struct qf_row row;
	struct qf_err err;
	bool matched = true;

	pass->tally.incomplete |= say_unreadable(msg);
	if (text.p && !pass->sorted) {
		pass->tally.shown++;
		put_heading(pass);
		out_add(text.p, text.n);
		return !out_failed() && (!listing->limit || pass->tally.shown < listing->limit);
	}
	qf_row_init(&row, msg, listing->source.queue, &listing->source.policy,
		    listing->source.now);
	if (!text.p && qf_matcher_match(pass->matcher, &row, &matched, &err) != QF_OK) {
		pass->tally.failed = say_failure(&err);
		return false;
	}
	if (!matched)
		return true;
	pass->tally.shown++;
	if (pass->grouped) {
		if (grouped_add(pass->grouped, &row))
			return true;
	} else {
		struct qf_value key;

		qf_buf_clear(&pass->scratch);
		key = listing->sort->get(&row, 0, listing->sort_argument, &pass->scratch);
		key.text = column_plain(listing->sort, key.text);
		if (qf_field_count(listing->sort, &row) == 0)
			key.present = false;
		if (sorted_add(pass->sorted, key, text))
			return true;
	}
	say_error("memory: none left");
	pass->tally.failed = STATUS_OS;
	return false;
}

static void
put_sorted(struct pass *pass)
{
	sorted_sort(pass->sorted);
	if (pass->listing->limit && pass->tally.shown > pass->listing->limit)
		pass->tally.shown = pass->listing->limit;
	for (size_t i = 0; i < pass->tally.shown && !out_failed(); i++) {
		struct qf_slice text = sorted_text(pass->sorted, i);

		put_heading(pass);
		out_add(text.p, text.n);
	}
}

static void
say_stats(struct qf_scan *scan)
{
	struct qf_scan_stats stats;

	if (say_verbosity() < 1)
		return;
	qf_scan_stats(scan, &stats);
	say_detail("%llu messages, %llu file operations (%llu opens, %llu reads, %llu stats, "
		   "%llu lock questions, %llu listings), %u in flight, %.3f s",
		   (unsigned long long)stats.messages, (unsigned long long)stats.operations,
		   (unsigned long long)stats.opens, (unsigned long long)stats.reads,
		   (unsigned long long)stats.stats, (unsigned long long)stats.locks,
		   (unsigned long long)stats.listings, stats.jobs, stats.seconds);
	if (stats.too_long)
		say_detail("%llu names are longer than sendmail takes",
			   (unsigned long long)stats.too_long);
}

/* One pass over the queue in any format but mailq's. */
static void
list(struct listing *listing, struct tally *tally)
{
	struct pass pass = {.listing = listing};
	struct qf_scan_options options = {
		.needs = listing->needs,
		.jobs = listing->source.jobs,
		.max_ops = listing->source.max_ops,
		.visit = given.by ? NULL : visit,
		.worker_begin = given.by ? NULL : worker_begin,
		.worker_end = given.by ? NULL : worker_end,
		.ctx = listing,
		.cancel = signals_flag(),
	};
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;
	struct qf_err err;
	enum qf_code code;

	pass.matcher = qf_matcher_new(listing->query);
	if (given.by)
		pass.grouped = grouped_new(given.by, listing->source.now);
	else if (listing->sort)
		pass.sorted = sorted_new(listing->sort->type == QF_FIELD_TEXT,
					 listing->descending);
	if (!pass.matcher || (given.by && !pass.grouped) || (listing->sort && !pass.sorted)) {
		say_error("memory: none left");
		pass.tally.failed = STATUS_OS;
	}
	code = pass.tally.failed ? QF_OK
				 : qf_scan_new(listing->source.queue, &options, &scan, &err);
	while (scan && !code && !(code = qf_scan_next(scan, &msg, &err)) && msg)
		if (!take(&pass, msg))
			break;
	if (code)
		pass.tally.failed = say_failure(&err);
	if (scan && source_say_troubles(scan))
		pass.tally.incomplete = true;
	if (!pass.tally.failed && pass.sorted)
		put_sorted(&pass);
	if (!pass.tally.failed && pass.grouped)
		pass.tally.failed = grouped_put(pass.grouped, given.format == LS_JSON,
						given.format == LS_CSV, listing->limit,
						listing->source.redactor);
	else if (!pass.tally.failed && given.format == LS_CSV)
		put_heading(&pass);
	if (scan)
		say_stats(scan);
	qf_scan_free(scan);
	sorted_free(pass.sorted);
	grouped_free(pass.grouped);
	qf_matcher_free(pass.matcher);
	qf_buf_release(&pass.scratch);
	*tally = pass.tally;
}

static bool
mailq_sink(void *ctx, const char *bytes, size_t n)
{
	(void)ctx;
	return out_add(bytes, n);
}

static void
list_mailq(struct listing *listing, struct tally *tally)
{
	uint64_t shown = 0;
	struct qf_mailq_options options = {
		.verbose = given.format == LS_MAILQ_VERBOSE,
		.kind = qf_query_requires_state(listing->query, "held")   ? QF_KIND_HELD
			: qf_query_requires_state(listing->query, "lost") ? QF_KIND_LOST
									  : QF_KIND_QUEUED,
		.query = listing->filtered ? listing->query : NULL,
		.redactor = listing->source.redactor,
		.safe = term_is_tty(),
		.utf8 = term_utf8(),
		.now = listing->source.now,
		.jobs = listing->source.jobs,
		.max_ops = listing->source.max_ops,
		.cancel = signals_flag(),
		.shown = &shown,
	};
	struct qf_scan_stats stats = {0};
	struct qf_err err;

	if (qf_render_mailq(listing->source.queue, &options, mailq_sink, NULL, &stats, &err))
		tally->failed = out_failed() ? STATUS_IO : say_failure(&err);
	for (size_t i = 0; i < qf_queue_ndirs(listing->source.queue); i++) {
		const struct qf_dir *dir = qf_queue_dir(listing->source.queue, i);

		if (dir->trouble) {
			say_failure(&dir->err);
			tally->incomplete = true;
		}
	}
	tally->incomplete |= stats.unreadable > 0;
	tally->shown = shown;
}

/* Columns and rows for the terminal as it is now. Returns 0 or an exit status. */
static int
lay_out(struct listing *listing)
{
	size_t lines = term_lines();
	struct qf_err err;

	table_release(&listing->look.table);
	if (table_init(&listing->look.table, given.columns, term_columns(), term_utf8(),
		       term_color(source_color()), &err))
		return say_failure(&err);
	listing->limit = given.limit;
	/* In place: a heading, what fits, and a line for the cursor. */
	if (given.watch && listing->look.safe && given.format == LS_TABLE && lines > 2 &&
	    (!given.limit || given.limit > lines - 2))
		listing->limit = (unsigned)(lines - 2);
	return STATUS_OK;
}

static int
prepare(struct listing *listing, char **operands, size_t n)
{
	int status;
	char *filter = words_join(operands, n);
	struct qf_err err;
	enum qf_code code;
	const char *sort = given.sort;

	if (!filter) {
		say_error("memory: none left");
		return STATUS_OS;
	}
	listing->filtered = filter[strspn(filter, " \t")] != '\0';
	code = qf_query_parse(filter, listing->source.now, &listing->query, &err);
	free(filter);
	if (code)
		return say_failure(&err);
	if (sort) {
		listing->descending = *sort == '-';
		sort += *sort == '-';
		listing->sort = qf_field_find(sort, &listing->sort_argument);
		if (!listing->sort) {
			say_error("--sort: %s: no such field; qf ls --help lists them", sort);
			return STATUS_USAGE;
		}
	}
	if (given.by && !qf_field_find(given.by, NULL)) {
		say_error("--by: %s: no such field; qf ls --help lists them", given.by);
		return STATUS_USAGE;
	}
	if (given.explain && listing->source.redactor) {
		say_error("--explain: it would show what --redact hides; leave one of them out");
		return STATUS_USAGE;
	}
	listing->look.format = (enum ls_format)given.format;
	listing->look.explain = given.explain;
	listing->look.redactor = listing->source.redactor;
	listing->look.safe = term_is_tty();
	status = lay_out(listing);
	if (status)
		return status;
	if (given.format == LS_CSV && given.columns) {
		columns_parse(&listing->look.csv, given.columns, &err);
		for (size_t i = 0; i < listing->look.csv.n; i++)
			listing->look.csv.column[i].exact = true;
	} else {
		columns_csv(&listing->look.csv);
	}
	listing->needs = qf_query_needs(listing->query);
	if (listing->sort)
		listing->needs |= listing->sort->needs;
	if (given.by)
		listing->needs |= grouped_needs(given.by);
	else if (given.format == LS_TABLE)
		listing->needs |= table_needs(&listing->look.table);
	else if (given.format == LS_JSON)
		listing->needs |= QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS;
	else if (given.format == LS_CSV)
		listing->needs |= columns_needs(&listing->look.csv);
	return STATUS_OK;
}

static int
status_of_tally(const struct listing *listing, const struct tally *tally)
{
	if (tally->failed)
		return tally->failed;
	if (tally->incomplete)
		return STATUS_INCOMPLETE;
	return listing->filtered && tally->shown == 0 ? STATUS_FINDINGS : STATUS_OK;
}

/* Sleep, but not past a signal: by seconds, for one may come just before. */
static void
pause_for(unsigned seconds)
{
	const struct timespec second = {.tv_sec = 1};

	for (; seconds && !signals_caught(); seconds--)
		nanosleep(&second, NULL);
}

int
ls_run(char **operands, size_t n)
{
	struct listing listing = {0};
	struct tally tally = {0};
	int status = source_open(&listing.source);

	if (!status)
		status = prepare(&listing, operands, n);
	if (!status)
		confine_lister(listing.source.queue);
	while (!status) {
		tally = (struct tally){0};
		if (given.watch && term_is_tty())
			out_adds("\033[H\033[2J");
		if (given.format == LS_MAILQ || given.format == LS_MAILQ_VERBOSE)
			list_mailq(&listing, &tally);
		else
			list(&listing, &tally);
		status = status_of_tally(&listing, &tally);
		if (!given.watch || status >= STATUS_USAGE || out_failed())
			break;
		out_flush();
		pause_for(given.watch);
		status = signals_caught() ? STATUS_SIGNAL + signals_caught() : STATUS_OK;
		source_refresh(&listing.source);
		if (!status)
			status = lay_out(&listing);
	}
	if (listing.source.queue && !status && !tally.shown && given.format == LS_TABLE)
		say_note("no messages");
	table_release(&listing.look.table);
	columns_release(&listing.look.csv);
	qf_query_free(listing.query);
	source_close(&listing.source);
	return out_finish(status);
}
