/*
 * audit_apply - the plan of a report carried out, message by message, by the same changes that qf
 * rm, hold and edit make: under sendmail's lock, with a journal, each of them to be taken back.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "audit_index.h"
#include "audit_plan.h"
#include "changes.h"
#include "confine.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"

/* The changes differ by the command that the journal has, and undo goes by. */
enum way { WAY_RM, WAY_HOLD, WAY_EDIT };
static const char *const way_words[] = {"rm", "hold", "edit"};

struct apply {
	const struct audit_plan *plan;
	struct store *store;
	struct source *source;
	const struct store_snapshot *snapshot;
	struct qf_txn *txn;
	char note[64];
	struct tally tally;
	struct opt_list paths; /* strings of its own */
};

/* ------------------------------------------------------------------ is it the same queue? */

static int
load_paths(struct apply *apply, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(apply->store,
					 "SELECT q.path FROM snapshot_queues sq JOIN queues q"
					 " ON q.id = sq.queue WHERE sq.snapshot = ?1",
					 &s, err);

	if (code != QF_OK)
		return say_failure(err);
	store_bind_int(s, 1, apply->snapshot->id);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice path = store_text(s, 0);
		const char **more = realloc(apply->paths.values,
					    (apply->paths.n + 1) * sizeof(*apply->paths.values));

		if (more)
			apply->paths.values = more;
		if (!more || !(more[apply->paths.n] = strndup(path.p, path.n))) {
			store_reset(s);
			return STATUS_OS;
		}
		apply->paths.n++;
	}
	return code == QF_OK ? STATUS_OK : say_failure(err);
}

/* Where a queue was named (-Q), it has to be that of the snapshot. */
static int
check_named(const struct apply *apply)
{
	struct source_paths given = {0};
	struct opt_list found = {0};
	int status = source_paths(&given);

	if (!status && given.list.n)
		status = audit_find_queues(&given.list, &found);
	for (size_t i = 0; i < found.n && !status; i++) {
		char wanted[PATH_MAX], other[PATH_MAX];
		bool same = false;

		for (size_t k = 0; k < apply->paths.n && !same; k++)
			same = realpath(found.values[i], wanted) &&
			       realpath(apply->paths.values[k], other) && !strcmp(wanted, other);
		/* A pattern is looked at by what it opens. */
		if (!same && !strpbrk(found.values[i], "*")) {
			say_error("%s: snapshot %lld is of %s: only that queue can be changed",
				  found.values[i], (long long)apply->snapshot->id,
				  apply->paths.n ? apply->paths.values[0] : "no queue");
			status = STATUS_USAGE;
		}
	}
	audit_free_queues(&found);
	source_paths_release(&given);
	return status;
}

/* As they were asked for when the snapshot was made: the key is a hash of all they give. */
#define NEEDS (QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS)

static enum qf_code
knows(struct apply *apply, const unsigned char key[AUDIT_KEY], bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code =
		store_cached(apply->store,
			     "SELECT 1 FROM messages m CROSS JOIN presence p"
			     " ON p.message = m.id AND p.snapshot = ?2 WHERE m.key = ?1",
			     &s, err);

	if (code != QF_OK)
		return code;
	store_bind_blob(s, 1, key, AUDIT_KEY);
	store_bind_int(s, 2, apply->snapshot->id);
	code = store_step(s, yes, err);
	store_reset(s);
	return code;
}

/* Every control file, its data file's size and all that stat says of them, as the snapshot has it.
 */
static int
check_unchanged(struct apply *apply, struct qf_err *err)
{
	struct qf_scan_options options = {
		.needs = NEEDS,
		.jobs = apply->source->jobs,
		.max_ops = apply->source->max_ops,
		.cancel = signals_flag(),
	};
	struct qf_scan *scan;
	struct qf_msg *msg = NULL;
	char changed[QF_NAME_MAX] = "";
	int64_t n = 0;
	enum qf_code code = qf_scan_new(apply->source->queue, &options, &scan, err);

	while (code == QF_OK && !*changed && (code = qf_scan_next(scan, &msg, err)) == QF_OK &&
	       msg) {
		unsigned char key[AUDIT_KEY];
		bool known = false;

		audit_message_key(msg, key);
		code = knows(apply, key, &known, err);
		n++;
		if (code == QF_OK && !known)
			snprintf(changed, sizeof(changed), "%.*s", (int)qf_msg_files(msg)->name.n,
				 qf_msg_files(msg)->name.p);
	}
	if (code == QF_OK)
		source_say_troubles(scan);
	qf_scan_free(scan);
	if (code != QF_OK)
		return say_failure(err);
	if (!*changed && n == apply->snapshot->messages)
		return STATUS_OK;
	if (*changed)
		say_error("%s: is not as snapshot %lld has it: nothing was done; qf audit index "
			  "makes "
			  "a new one",
			  changed, (long long)apply->snapshot->id);
	else
		say_error(
			"%lld of the %lld messages of snapshot %lld are gone: nothing was done; qf "
			"audit index makes a new one",
			(long long)(apply->snapshot->messages - n),
			(long long)apply->snapshot->messages, (long long)apply->snapshot->id);
	return STATUS_TRY_AGAIN;
}

/* ------------------------------------------------------------------ the changes */

struct turn {
	struct apply *apply;
	const struct audit_step *step;
	enum way way;
	const struct qf_change *change;
	struct qf_outcome *outcome;
	bool held; /* a step before this one has held it: its name is another now */
	bool met;
};

/* An id may be there as qf and as hf, and in several trees: the one that was judged, or what a hold
   made of it. */
static bool
is_meant(const struct turn *turn, const struct qf_files *files)
{
	const char *file = turn->step->file, *queue = turn->step->queue;

	return files->name.n == strlen(file) && files->queue.n == strlen(queue) &&
	       memcmp(files->queue.p, queue, files->queue.n) == 0 &&
	       memcmp(files->name.p + turn->held, file + turn->held, files->name.n - turn->held) ==
		       0;
}

/* People take their time to say yes: is it still what the snapshot has? */
static bool
is_as_judged(struct turn *turn, struct qf_msg *msg)
{
	unsigned char key[AUDIT_KEY];
	struct qf_err err;
	bool known = false;

	if (turn->held)
		return true;
	audit_message_key(msg, key);
	if (knows(turn->apply, key, &known, &err) != QF_OK) {
		*turn->outcome = (struct qf_outcome){.result = QF_RESULT_FAILED};
		snprintf(turn->outcome->why, sizeof(turn->outcome->why), "%.255s", err.why);
	} else if (!known) {
		*turn->outcome = (struct qf_outcome){.result = QF_RESULT_CHANGED};
		snprintf(turn->outcome->why, sizeof(turn->outcome->why),
			 "is not as snapshot %lld has it any more",
			 (long long)turn->apply->snapshot->id);
	}
	return known;
}

static bool
change_found(void *ctx, struct qf_msg *msg)
{
	struct turn *turn = ctx;

	if (!is_meant(turn, qf_msg_files(msg)))
		return true;
	turn->met = true;
	if (!is_as_judged(turn, msg))
		return false;
	if (changes_given()->dry_run)
		*turn->outcome = (struct qf_outcome){.result = QF_RESULT_PLANNED};
	else
		qf_txn_apply(turn->apply->txn, msg, turn->change, turn->outcome);
	return false;
}

/* True: it was done, or would be. */
static bool
carry(struct apply *apply, const struct audit_step *step, enum way way,
      const struct qf_change *change)
{
	struct qf_outcome outcome = {0};
	struct turn turn = {.apply = apply,
			    .step = step,
			    .way = way,
			    .change = change,
			    .outcome = &outcome,
			    .held = way == WAY_EDIT && step->action == AUDIT_DROP_HOLD};
	struct qf_err err;
	enum qf_code code;

	code = qf_queue_find(apply->source->queue, step->id, NEEDS, change_found, &turn, &err);
	if (!turn.met) {
		outcome.result =
			code == QF_OK || code == QF_E_NOT_FOUND ? QF_RESULT_GONE : QF_RESULT_FAILED;
		snprintf(outcome.why, sizeof(outcome.why), "%.255s",
			 code == QF_OK || code == QF_E_NOT_FOUND ? "no longer there" : err.why);
	} else if (changes_given()->dry_run) {
		snprintf(outcome.why, sizeof(outcome.why), "%s: %s", way_words[way],
			 audit_class_name(step->class));
	} else if (outcome.result == QF_RESULT_DONE && !outcome.why[0]) {
		snprintf(outcome.why, sizeof(outcome.why), "%s: %s", way_words[way],
			 audit_class_name(step->class));
	}
	tally_add(&apply->tally, step->id, step->queue, &outcome);
	return outcome.result == QF_RESULT_DONE || outcome.result == QF_RESULT_PLANNED;
}

static void
strike(struct apply *apply, const struct audit_step *step)
{
	struct qf_query *drop = NULL;
	struct qf_err err;

	if (qf_query_parse(step->filter, apply->source->now, &drop, &err) == QF_OK) {
		const struct qf_edit edit = {.drop = drop};
		const struct qf_change change = {.kind = QF_CHANGE_EDIT,
						 .edit = &edit,
						 .command = way_words[WAY_EDIT],
						 .as_read = true};

		carry(apply, step, WAY_EDIT, &change);
	} else {
		struct qf_outcome outcome = {.result = QF_RESULT_FAILED};

		snprintf(outcome.why, sizeof(outcome.why), "%.255s", err.why);
		tally_add(&apply->tally, step->id, step->queue, &outcome);
	}
	qf_query_free(drop);
}

static void
take_step(struct apply *apply, const struct audit_step *step)
{
	const struct qf_change removal = {
		.kind = QF_CHANGE_REMOVE, .command = way_words[WAY_RM], .as_read = true};
	char reason[64];
	const struct qf_change hold = {.kind = QF_CHANGE_HOLD,
				       .reason = reason,
				       .command = way_words[WAY_HOLD],
				       .as_read = true};
	bool held = true;

	snprintf(reason, sizeof(reason), "audit report: %s", audit_class_name(step->class));
	if (step->action == AUDIT_REMOVE)
		carry(apply, step, WAY_RM, &removal);
	/* Held before it is changed: so nothing is sent in between. */
	if (step->action == AUDIT_HOLD || step->action == AUDIT_DROP_HOLD)
		held = carry(apply, step, WAY_HOLD, &hold);
	/* What could not be held would run, and what is left of it must not. */
	if (step->action == AUDIT_DROP || (step->action == AUDIT_DROP_HOLD && held))
		strike(apply, step);
}

static int
begin(struct apply *apply, struct qf_err *err)
{
	struct qf_txn_options options = changes_txn_options("audit report", apply->source);

	snprintf(apply->note, sizeof(apply->note), "audit report, snapshot %lld",
		 (long long)apply->snapshot->id);
	if (!options.note)
		options.note = apply->note;
	if (changes_given()->dry_run ||
	    qf_txn_new(apply->source->queue, &options, &apply->txn, err) == QF_OK)
		return STATUS_OK;
	return say_failure(err);
}

static int
go(struct apply *apply, struct qf_err *err)
{
	const struct confine changer = {.how = CONFINE_CHANGER, .queue = apply->source->queue};
	int status = check_unchanged(apply, err);

	if (!status && !changes_given()->dry_run && apply->plan->n)
		status = ask_go_on(changes_given()->yes, apply->plan->n,
				   apply->plan->n == 1 ? "message to be changed by this plan"
						       : "messages to be changed by this plan",
				   "-n shows what would be done");
	if (!status && apply->plan->n)
		status = begin(apply, err);
	if (status)
		return status;
	confine_self(&changer);
	for (size_t i = 0; i < apply->plan->n && !signals_caught() && !out_failed(); i++)
		take_step(apply, &apply->plan->steps[i]);
	tally_put(&apply->tally);
	return signals_caught() ? STATUS_SIGNAL + signals_caught() : tally_status(&apply->tally);
}

int
audit_plan_apply(const struct audit_plan *plan, struct store *store, struct source *source,
		 const struct store_snapshot *snapshot)
{
	struct apply apply = {
		.plan = plan,
		.store = store,
		.source = source,
		.snapshot = snapshot,
		.tally = {.command = "audit report", .json = audit_given.format == AUDIT_JSON},
	};
	struct qf_err err;
	int status = load_paths(&apply, &err);

	if (!status)
		status = check_named(&apply);
	if (!status)
		status = source_open_queue(source, apply.paths.values, apply.paths.n);
	if (!status)
		status = go(&apply, &err);
	qf_txn_free(apply.txn);
	for (size_t i = 0; i < apply.paths.n; i++)
		free((char *)(uintptr_t)apply.paths.values[i]);
	free(apply.paths.values);
	return status;
}
