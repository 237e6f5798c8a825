/*
 * txn_undo - changes taken back: each by the change that is its opposite, under the same rules.
 */
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "txn_fix.h"
#include "layout.h"
#include "txn.h"

struct turn {
	struct qf_txn *txn;
	const struct qf_change *change;
	struct qf_outcome *outcome;
	const char *file; /* the control file has to have this prefix now */
	bool found;
};

/* As the change left it; or, of a hold, as an undo that was interrupted did. */
static bool
fits(const struct turn *turn, const struct qf_msg *msg)
{
	if (strncmp(qf_msg_files(msg)->name.p, turn->file, 2) == 0)
		return true;
	return turn->change->kind == QF_CHANGE_RELEASE &&
	       qf_msg_state(msg) == QF_STATE_QUEUED && qf_msg_envelope(msg)->quarantine.p;
}

static bool
apply(void *ctx, struct qf_msg *msg)
{
	struct turn *turn = ctx;

	if (fits(turn, msg)) {
		turn->found = true;
		qf_txn_apply(turn->txn, msg, turn->change, turn->outcome);
	}
	return !turn->found;
}

/* The message as the change left it, if it still is there, gets the opposite change. */
static void
apply_opposite(struct qf_txn *txn, const struct qf_journal_entry *entry, const char *prefix,
	       const struct qf_change *change, struct qf_outcome *outcome)
{
	struct turn turn = {.txn = txn, .change = change, .outcome = outcome, .file = prefix};

	qf_queue_find(txn->queue, entry->id, 0, apply, &turn, NULL);
	if (turn.found)
		return;
	outcome->result = QF_RESULT_SKIPPED;
	snprintf(outcome->why, sizeof(outcome->why), "the message has gone on since: no %s%s",
		 prefix, entry->id);
}

/* Back from the trash, or from a fix. */
static void
restore(struct qf_txn *txn, const struct qf_journal_entry *entry, struct qf_outcome *outcome)
{
	const struct qf_change change = {.kind = QF_CHANGE_REMOVE, .undoes = entry->entry};
	struct qf_work work = {.txn = txn,
			       .taken = {.fd = -1},
			       .change = &change,
			       .outcome = outcome};

	if (entry->dir == SIZE_MAX || !txn->places[entry->dir].ready) {
		qf_work_end(&work, QF_RESULT_SKIPPED, "its directory is none of this queue's");
		return;
	}
	work.place = &txn->places[entry->dir];
	work.dir = qf_queue_dir(txn->queue, entry->dir);
	if (strcmp(entry->command, "recover") == 0)
		qf_fix_undo_recover(&work, entry);
	else if (strcmp(entry->command, "rm") && strcmp(entry->command, "edit"))
		qf_fix_bring_back(&work, entry->entry);
	else if (entry->trash)
		qf_txn_restore_away(&work, entry->entry, entry->trash);
	else
		qf_txn_restore(&work, entry->entry);
	qf_work_finish(&work);
}

/* The control file of before an edit, if nobody has written the message since. */
static void
put_back(struct qf_txn *txn, const struct qf_journal_entry *entry, struct qf_outcome *outcome)
{
	struct qf_change change = {.kind = QF_CHANGE_RESTORE,
				   .undoes = entry->entry,
				   .digest = entry->new_digest ? entry->new_digest : ""};
	size_t n = strlen(entry->was_control), got;
	uint8_t *bytes = malloc(BASE64_DECODE_LENGTH(n) + 1);
	struct base64_decode_ctx ctx;

	base64_decode_init(&ctx);
	if (!bytes) {
		outcome->result = QF_RESULT_FAILED;
		snprintf(outcome->why, sizeof(outcome->why), "out of memory");
	} else if (!base64_decode_update(&ctx, &got, bytes, n, entry->was_control) ||
		   !base64_decode_final(&ctx)) {
		outcome->result = QF_RESULT_SKIPPED;
		snprintf(outcome->why, sizeof(outcome->why),
			 "the journal does not hold the control file as it was");
	} else {
		change.control = (struct qf_slice){(const char *)bytes, got};
		apply_opposite(txn, entry, entry->file, &change, outcome);
	}
	free(bytes);
}

void
qf_txn_undo(struct qf_txn *txn, const struct qf_journal_entry *entry, struct qf_outcome *outcome)
{
	struct qf_change change = {.undoes = entry->entry};

	*outcome = (struct qf_outcome){.result = QF_RESULT_DONE};
	if (entry->undo != QF_UNDO_POSSIBLE) {
		outcome->result = QF_RESULT_SKIPPED;
		snprintf(outcome->why, sizeof(outcome->why), "%s",
			 entry->undo_why ? entry->undo_why : "taken back already");
		return;
	}
	/* An edit that struck the last recipient removed the message. */
	if (strcmp(entry->command, "rm") == 0 || strcmp(entry->command, "clean") == 0 ||
	    strcmp(entry->command, "rescue") == 0 || strcmp(entry->command, "recover") == 0 ||
	    (strcmp(entry->command, "edit") == 0 && !entry->was_control)) {
		restore(txn, entry, outcome);
	} else if (strcmp(entry->command, "edit") == 0) {
		put_back(txn, entry, outcome);
	} else if (strcmp(entry->command, "hold") == 0) {
		change.kind = QF_CHANGE_RELEASE;
		apply_opposite(txn, entry, "hf", &change, outcome);
	} else if (strcmp(entry->command, "release") == 0) {
		change.kind = QF_CHANGE_HOLD;
		change.reason = entry->was_reason ? entry->was_reason : "";
		apply_opposite(txn, entry, "qf", &change, outcome);
	} else {
		change.kind = QF_CHANGE_LAST_TRY;
		change.last_try = entry->was_last_try;
		apply_opposite(txn, entry, "qf", &change, outcome);
	}
}
