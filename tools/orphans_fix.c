/*
 * orphans_fix - qf orphans --fix: the plan, the question, and each finding dealt with.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "changes.h"
#include "orphans_fix.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"

int
orphans_fix_read(struct orphans_fix *fix)
{
	const char *at = fix->fixes;

	fix->asked = 0;
	while (at) {
		size_t n = strcspn(at, ",");
		unsigned found = 0;

		if (n == 3 && strncmp(at, "all", n) == 0)
			found = QF_FIX_RECOVER | QF_FIX_RESCUE | QF_FIX_GUARD | QF_FIX_CLEAN;
		for (unsigned one = QF_FIX_RECOVER; one <= QF_FIX_CLEAN; one <<= 1)
			if (strlen(qf_fix_name(one)) == n && strncmp(at, qf_fix_name(one), n) == 0)
				found = one;
		if (!found) {
			say_error("--fix: \"%.*s\" is none of recover, rescue, guard, clean, all",
				  (int)n, at);
			return STATUS_USAGE;
		}
		fix->asked |= found;
		at = at[n] ? at + n + 1 : NULL;
	}
	return STATUS_OK;
}

/* ------------------------------------------------------------------ the plan */

static bool
is_called(const struct qf_orphan *orphan, const char *name)
{
	if (strcmp(orphan->id, name) == 0)
		return true;
	for (size_t i = 0; i < orphan->nfiles; i++)
		if (strcmp(orphan->files[i].path, name) == 0 ||
		    strcmp(orphan->files[i].name, name) == 0)
			return true;
	return false;
}

/* Told, and one of those that were named, if any were. */
static bool
is_meant(const struct orphans_fix *fix, const struct orphans_report *report, size_t i)
{
	if (!orphans_is_told(report, i))
		return false;
	for (size_t k = 0; k < fix->nnames; k++)
		if (is_called(qf_orphans_get(report->orphans, i), fix->names[k]))
			return true;
	return fix->nnames == 0;
}

/* Names that nothing is called by. */
static size_t
say_unknown(const struct orphans_fix *fix, const struct orphans_report *report)
{
	size_t unknown = 0;

	for (size_t k = 0; k < fix->nnames; k++) {
		bool found = false;

		for (size_t i = 0; i < qf_orphans_n(report->orphans) && !found; i++)
			found = orphans_is_told(report, i) &&
				is_called(qf_orphans_get(report->orphans, i), fix->names[k]);
		if (!found)
			say_error("%s: no finding of that id, name or path", fix->names[k]);
		unknown += !found;
	}
	return unknown;
}

static bool
is_to_fix(const struct orphans_fix *fix, const struct orphans_report *report, size_t i)
{
	return is_meant(fix, report, i) &&
	       qf_fix_choose(qf_orphans_get(report->orphans, i), fix->asked);
}

static struct qf_fix
fix_for(const struct orphans_fix *fix, const struct qf_orphan *orphan)
{
	return (struct qf_fix){.fix = qf_fix_choose(orphan, fix->asked),
			       .release = fix->release,
			       .body_age = fix->body_age};
}

/* What will be done, for people; n of them. */
static size_t
put_plan(const struct orphans_fix *fix, const struct orphans_report *report)
{
	struct qf_buf text = {0};
	size_t n = 0;

	for (size_t i = 0; i < qf_orphans_n(report->orphans); i++) {
		const struct qf_orphan *orphan = qf_orphans_get(report->orphans, i);
		struct qf_fix one = fix_for(fix, orphan);

		if (!is_to_fix(fix, report, i))
			continue;
		n++;
		qf_buf_addf(&text, "%-8s %-14s ", qf_fix_name(one.fix),
			    qf_cause_type(orphan->cause)->code);
		qf_escape_terminal(
			&text,
			(struct qf_slice){orphan->files[0].path, strlen(orphan->files[0].path)},
			report->utf8);
		qf_buf_addf(&text, ": %s\n", qf_fix_words(orphan, &one));
	}
	if (!fix->silent && report->format == ORPHANS_TABLE)
		out_add_buf(&text);
	qf_buf_release(&text);
	return n;
}

/* ------------------------------------------------------------------ each finding */

static int64_t
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* All that is known, as it is: what lies in lost+found is the queue's, and hides nothing. */
static void
take_note(const struct orphans_report *report, const struct qf_orphan *orphan, struct qf_buf *note)
{
	struct source plain = *report->source;
	struct orphans_report whole = *report;

	plain.redactor = NULL;
	whole.source = &plain;
	orphans_put_object(&whole, orphan, note);
}

static void
fix_one(const struct orphans_fix *fix, const struct orphans_report *report, struct qf_txn *txn,
	const struct qf_orphan *orphan, struct tally *tally)
{
	int64_t give_up = monotonic() + (changes_given()->wait > 0 ? changes_given()->wait + 1 : 0);
	struct qf_outcome outcome = {.result = QF_RESULT_PLANNED};
	struct qf_fix one = fix_for(fix, orphan);
	struct qf_buf note = {0};

	snprintf(outcome.why, sizeof(outcome.why), "%s: %s", qf_fix_name(one.fix),
		 qf_fix_words(orphan, &one));
	take_note(report, orphan, &note);
	one.note = (struct qf_slice){note.p, note.n};
	while (txn) {
		struct timespec pause = {.tv_nsec = 200000000};

		qf_txn_fix(txn, orphan, &one, &outcome);
		if (outcome.result != QF_RESULT_BUSY || monotonic() >= give_up || signals_caught())
			break;
		nanosleep(&pause, NULL);
	}
	qf_buf_release(&note);
	tally_add(tally, orphan->id[0] ? orphan->id : orphan->files[0].name, orphan->queue,
		  &outcome);
}

static int
confirm(const struct orphans_fix *fix, size_t n)
{
	if (changes_given()->dry_run || !n)
		return STATUS_OK;
	if (!fix->silent)
		out_flush();
	return ask_go_on(changes_given()->yes, n,
			 n == 1 ? "finding is dealt with so" : "findings are dealt with so",
			 "-n shows what would be done");
}

/* Findings that were meant, and are there still. Guard stops the harm, and no more. */
static size_t
left_over(const struct orphans_fix *fix, const struct orphans_report *report,
	  const struct tally *tally)
{
	size_t left = 0;

	for (size_t i = 0; i < qf_orphans_n(report->orphans); i++) {
		if (!is_meant(fix, report, i))
			continue;
		left++;
		left += qf_fix_choose(qf_orphans_get(report->orphans, i), fix->asked) ==
			QF_FIX_GUARD;
	}
	left -= tally->counts[QF_RESULT_DONE] + tally->counts[QF_RESULT_GONE];
	return left;
}

int
orphans_fix_run(const struct orphans_fix *fix, const struct orphans_report *report,
		struct qf_buf *total)
{
	struct tally tally = {.command = "orphans",
			      .json = report->format == ORPHANS_JSON,
			      .silent = fix->silent};
	struct qf_txn_options options = changes_txn_options("orphans", report->source);
	struct qf_txn *txn = NULL;
	struct qf_err err;
	size_t n, unknown;
	int status;

	if (report->incomplete || qf_orphans_unseen(report->orphans)) {
		say_error("--fix: not all of the queue was seen, so nothing is done");
		return STATUS_INCOMPLETE;
	}
	unknown = say_unknown(fix, report);
	n = put_plan(fix, report);
	status = confirm(fix, n);
	options.lost_found = fix->lost_found;
	if (!status && n && !changes_given()->dry_run &&
	    qf_txn_new(report->source->queue, &options, &txn, &err))
		status = say_failure(&err);
	if (status)
		return status;
	for (size_t i = 0; i < qf_orphans_n(report->orphans) && !signals_caught(); i++)
		if (is_to_fix(fix, report, i))
			fix_one(fix, report, txn, qf_orphans_get(report->orphans, i), &tally);
	qf_txn_free(txn);
	tally_put(&tally);
	tally_json(&tally, total);
	status = tally_status(&tally);
	/* What is gone is gone. */
	if (status == STATUS_FINDINGS)
		status = STATUS_OK;
	return !status && (unknown || left_over(fix, report, &tally)) ? STATUS_FINDINGS : status;
}
