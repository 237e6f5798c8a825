/*
 * salvage_report - what salvage says.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "salvage_report.h"
#include "say.h"
#include "status.h"
#include "table.h"
#include "term.h"

static uint64_t
sum(const uint64_t counts[QF_SALVAGE_WHY_COUNT])
{
	uint64_t n = 0;

	for (size_t i = 0; i < QF_SALVAGE_WHY_COUNT; i++)
		n += counts[i];
	return n;
}

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){text, strlen(text)};
}

/* ------------------------------------------------------------------ messages */

static void
put_line(const struct qf_salvage_record *record)
{
	struct qf_buf line = {0};
	char when[QF_TIME_TEXT];

	table_cell(slice(record->id), 0, false, term_utf8(), &line);
	qf_buf_addf(&line, " %s", qf_salvage_outcome_name(record->outcome));
	if (record->why)
		qf_buf_addf(&line, " (%s)", qf_salvage_why_name(record->why));
	if (record->as && strcmp(record->as, "queued") != 0)
		qf_buf_addf(&line, ", %s", record->as);
	if (record->new_id)
		qf_buf_addf(&line, ", as %s", record->new_id);
	if (record->expired && record->bounce_at != QF_TIME_NONE) {
		qf_time_format(record->bounce_at, when);
		qf_buf_addf(&line, ", past its return time (%s)", when);
	}
	if (record->detail && *record->detail) {
		qf_buf_adds(&line, ": ");
		qf_escape_terminal(&line, slice(record->detail), term_utf8());
	}
	qf_buf_addc(&line, '\n');
	out_add_buf(&line);
	qf_buf_release(&line);
}

void
report_message(void *ctx, const struct qf_salvage_record *record)
{
	struct report *report = ctx;
	bool left_out = (record->outcome == QF_SALVAGE_SKIPPED ||
			 record->outcome == QF_SALVAGE_FAILED) &&
			strcmp(report->command, "verify") != 0;
	struct qf_buf line = {0}, detail = {0};
	struct qf_salvage_record hidden;

	if (report->quiet)
		return;
	report->told = true;
	/* What a server has answered may name anybody. */
	if (report->redactor && record->detail) {
		hidden = *record;
		qf_redact_text(report->redactor, slice(record->detail), &detail);
		qf_buf_addc(&detail, '\0');
		hidden.detail = detail.failed ? "" : detail.p;
		record = &hidden;
	}
	if (report->json) {
		qf_salvage_render(report->command, record, &line);
		out_add_buf(&line);
		qf_buf_release(&line);
	} else if (!left_out) {
		put_line(record);
	}
	/* What was not done is an error, however the results are told. */
	if (left_out)
		say_error("%s: %s (%s): %s", record->id, qf_salvage_outcome_name(record->outcome),
			  qf_salvage_why_name(record->why), record->detail ? record->detail : "");
	qf_buf_release(&detail);
}

void
report_progress(void *ctx, const struct qf_salvage_totals *totals, uint64_t of)
{
	struct report *report = ctx;
	uint64_t left_out = sum(totals->skipped) + sum(totals->failed);

	if (report->json_progress)
		fprintf(stderr,
			"{\"schema\":\"qf.salvage.progress/1\",\"command\":\"%s\",\"run\":\"%s\","
			"\"of\":%" PRIu64 ",\"done\":%" PRIu64 ",\"moved\":%" PRIu64
			",\"left_out\":%" PRIu64 ",\"bytes\":%" PRId64 "}\n",
			report->command, totals->run, of, totals->planned, totals->moved, left_out,
			totals->bytes);
	else
		say_note("%s: %" PRIu64 " of %" PRIu64 ", %" PRIu64 " left out", report->command,
			 totals->planned, of, left_out);
}

/* ------------------------------------------------------------------ the account */

static void
add_whys(struct qf_buf *out, const char *word, const uint64_t counts[QF_SALVAGE_WHY_COUNT])
{
	uint64_t n = sum(counts);
	const char *between = " (";

	qf_buf_addf(out, " + %" PRIu64 " %s", n, word);
	for (size_t i = 0; i < QF_SALVAGE_WHY_COUNT; i++) {
		if (!counts[i])
			continue;
		qf_buf_addf(out, "%s%" PRIu64 " %s", between, counts[i],
			    i ? qf_salvage_why_name((enum qf_salvage_why)i) : "error");
		between = ", ";
	}
	if (n)
		qf_buf_addc(out, ')');
}

/* To whom sendmail would return them. */
static void
say_returns(const struct qf_salvage_sides *sides, const struct qf_redactor *redactor)
{
	struct qf_buf line = {0};
	size_t i;

	for (i = 0; i < sides->nreturns && i < 5; i++) {
		struct qf_buf name = {0};

		if (redactor)
			qf_redact_address(redactor, sides->returns[i].key, &name);
		else
			qf_buf_add(&name, sides->returns[i].key.p, sides->returns[i].key.n);
		qf_buf_adds(&line, i ? ", " : "");
		qf_escape_terminal(&line, (struct qf_slice){name.p ? name.p : "", name.n}, false);
		qf_buf_addf(&line, " (%" PRIu64 ")", sides->returns[i].messages);
		qf_buf_release(&name);
	}
	if (sides->nreturns > i)
		qf_buf_addf(&line, ", and %zu others", sides->nreturns - i);
	if (line.n && !line.failed)
		say_note("run as they are, they would be returned to %.*s", (int)line.n, line.p);
	qf_buf_release(&line);
}

static void
say_sides(const struct qf_salvage_totals *totals, const struct qf_salvage_sides *sides,
	  const struct qf_redactor *redactor)
{
	char when[QF_TIME_TEXT];

	if (sides->free_bytes >= 0) {
		say_note("%" PRId64 " bytes to be moved, %" PRId64 " free at the target",
			 totals->bytes, sides->free_bytes);
		say_note("files there: uid %u, gid %u, mode %04o", (unsigned)sides->uid,
			 (unsigned)sides->gid, (unsigned)sides->mode & 07777);
		if (sides->free_bytes < totals->bytes)
			say_note("that is more than is free there");
		if (sides->free_files >= 0 && (uint64_t)sides->free_files < 2 * totals->moved)
			say_note("the target has only %" PRId64 " inodes left", sides->free_files);
		if (sides->fleeting)
			say_note("what lies at the target is gone with its container, or at a reboot");
	}
	if (totals->expired && totals->oldest_expired != QF_TIME_NONE) {
		qf_time_format(totals->oldest_expired, when);
		say_note("%" PRIu64 " past their return time, the oldest of %s; see --expired",
			 totals->expired, when);
		say_returns(sides, redactor);
	}
	if (sides->busy)
		say_note("%" PRIu64 " in delivery: a sendmail works on the source", sides->busy);
	if (sides->changing)
		say_note("names in the source changed between two looks: something works on it");
	if (sides->claims)
		say_note("%" PRIu64 " claimed by earlier runs: qf salvage resume", sides->claims);
}

void
report_totals(const struct report *report, const struct qf_salvage_totals *totals,
	      const struct qf_salvage_sides *sides)
{
	struct qf_buf line = {0};
	bool verify = strcmp(report->command, "verify") == 0;

	if (report->json) {
		qf_salvage_render_total(report->command, totals, sides, report->redactor, &line);
		out_add_buf(&line);
		qf_buf_release(&line);
		return;
	}
	if (sides)
		say_sides(totals, sides, report->redactor);
	qf_buf_addf(&line, "%" PRIu64 " planned = %" PRIu64 " %s", totals->planned, totals->moved,
		    sides ? "to be moved" : "moved");
	if (verify)
		qf_buf_addf(&line, " (%" PRIu64 " there, %" PRIu64 " gone since)", totals->there,
			    totals->gone);
	add_whys(&line, "skipped", totals->skipped);
	add_whys(&line, "failed", totals->failed);
	if (verify)
		qf_buf_addf(&line, "; %" PRIu64 " left at the source, %" PRIu64 " held, %" PRIu64
			    " unexplained", totals->left, totals->held, qf_salvage_unexplained(totals));
	qf_buf_addc(&line, '\n');
	out_add_buf(&line);
	qf_buf_release(&line);
}

void
report_end(const struct report *report, const struct qf_salvage *salvage, bool with_sides)
{
	struct qf_salvage_totals totals;
	struct qf_salvage_sides sides;

	qf_salvage_totals(salvage, &totals);
	qf_salvage_sides(salvage, &sides);
	report_totals(report, &totals, with_sides ? &sides : NULL);
	if (!report->json && !with_sides && strcmp(report->command, "run") == 0 && sides.claims)
		say_note("%" PRIu64 " claimed by earlier runs: qf salvage resume", sides.claims);
}

int
report_status(const struct report *report, const struct qf_salvage *salvage, bool verify)
{
	static const enum qf_salvage_why incomplete[] = {
		QF_SALVAGE_WHY_BUSY,    QF_SALVAGE_WHY_CHANGED, QF_SALVAGE_WHY_DENIED,
		QF_SALVAGE_WHY_ERROR,   QF_SALVAGE_WHY_NO_SPACE, QF_SALVAGE_WHY_CLAIMED,
		QF_SALVAGE_WHY_STOPPED, QF_SALVAGE_WHY_UNSIGNED,
	};
	bool counts_claims = strcmp(report->command, "plan") == 0 || strcmp(report->command, "run") == 0;
	struct qf_salvage_totals totals;
	struct qf_salvage_sides sides;

	qf_salvage_totals(salvage, &totals);
	qf_salvage_sides(salvage, &sides);
	if (verify)
		return qf_salvage_unexplained(&totals) || !qf_salvage_adds_up(&totals) ? STATUS_FINDINGS : STATUS_OK;
	/* What an abort has put back is as it should be. */
	totals.skipped[QF_SALVAGE_WHY_ABORTED] = 0;
	if (sum(totals.failed) || (sides.claims && counts_claims))
		return STATUS_INCOMPLETE;
	for (size_t i = 0; i < sizeof(incomplete) / sizeof(*incomplete); i++)
		if (totals.skipped[incomplete[i]])
			return STATUS_INCOMPLETE;
	return sum(totals.skipped) ? STATUS_FINDINGS : STATUS_OK;
}
