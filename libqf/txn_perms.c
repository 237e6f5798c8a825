/*
 * txn_perms - owners and modes set right, written down: how each was is on the disk before it is
 * changed. No lock of sendmail's is taken: what it reads of a file are its bytes, and those stay.
 */
#include <string.h>

#include "err.h"
#include "layout.h"
#include "txn.h"

void
qf_txn_fix_perms(struct qf_txn *txn, const struct qf_perms_finding *finding,
		 struct qf_outcome *outcome)
{
	struct qf_place *place = &txn->places[finding->dir];
	size_t n = strlen(finding->name);
	bool of_message = !finding->is_folder && qf_name_kind(finding->name, n) != QF_KIND_OTHER;
	struct qf_files files = {.queue = {finding->folder, strlen(finding->folder)},
				 .name = {finding->name, n}};
	char was[64], becomes[64];
	struct qf_intent intent = {.entry = outcome->entry,
				   .files = &files,
				   .harm = "set it back by hand: the journal says how it was",
				   .was_last_try = QF_TIME_NONE,
				   .was_perms = was,
				   .new_perms = becomes,
				   .now = txn->options.now};
	struct qf_err err = {0};
	enum qf_code code = QF_OK;

	*outcome = (struct qf_outcome){.result = QF_RESULT_DONE};
	if (of_message)
		files.id = (struct qf_slice){finding->name + 2, n - 2};
	snprintf(was, sizeof(was), "%u:%u %04o", (unsigned)finding->uid, (unsigned)finding->gid,
		 (unsigned)finding->mode);
	snprintf(becomes, sizeof(becomes), "%u:%u %04o", (unsigned)finding->right_uid,
		 (unsigned)finding->right_gid, (unsigned)finding->right_mode);
	qf_txn_name_entry(txn, outcome->entry);
	if (place->journal)
		code = qf_journal_begin(place->journal, &intent, &err);
	if (code) {
		outcome->entry[0] = '\0';
		outcome->result = QF_RESULT_FAILED;
		snprintf(outcome->why, sizeof(outcome->why), "%.120s: %.120s", err.what, err.why);
		return;
	}
	code = qf_perms_fix(txn->queue, finding, &err);
	if (code) {
		outcome->result = code == QF_E_GONE || code == QF_E_NOT_FOUND ? QF_RESULT_GONE
				  : code == QF_E_CHANGED			? QF_RESULT_CHANGED
				  : code == QF_E_DENIED			? QF_RESULT_DENIED
									: QF_RESULT_FAILED;
		snprintf(outcome->why, sizeof(outcome->why), "%.250s", err.why);
	}
	if (place->journal && qf_journal_end(place->journal, outcome, txn->options.now, &err) &&
	    outcome->result == QF_RESULT_DONE)
		snprintf(outcome->why, sizeof(outcome->why),
			 "its result is not in the journal: %.200s", err.why);
}
