/*
 * move_leave - what becomes of the source of a batch: emptied of what has arrived, or put back as it was.
 */
#include <stdio.h>
#include <string.h>

#include "move_parts.h"

#define ARRIVED "it has arrived; its claim is left: qf salvage resume removes it"

/* ------------------------------------------------------------------ 9, 10: the source */

static void
drop_data(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	enum qf_code code =
		qf_claim_drop_data(batch->salvage->claims, &slot->claim, &slot->err);

	slot->step = STEP_CLEARED;
	if (code)
		qf_move_fail(slot, QF_E_SYS, ARRIVED);
}

static void
drop_claim(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	enum qf_code code = qf_claim_drop(batch->salvage->claims, &slot->claim, &slot->err);

	slot->step = STEP_DONE;
	if (code)
		qf_move_fail(slot, QF_E_SYS, ARRIVED);
}

/* Before they are gone. */
static void
leave(struct qf_move_batch *batch)
{
	struct qf_mark marks[QF_TAKEN_MAX];
	struct qf_err err;
	enum qf_code code;
	size_t n = 0;

	for (size_t i = 0; i < batch->n; i++)
		if (batch->slots[i].step == STEP_THERE)
			qf_move_fill_mark(batch, &batch->slots[i], &marks[n++]);
	code = n ? qf_ledger_leave(batch->salvage, marks, n, &err) : QF_OK;
	if (code)
		qf_move_fail_all(batch, STEP_THERE, &err, code, STEP_ENDED, ARRIVED);
}

void
qf_move_clear_source(struct qf_move_batch *batch)
{
	struct qf_claims *claims = batch->salvage->claims;
	struct qf_claim *some[QF_TAKEN_MAX];
	struct qf_err err;
	enum qf_code code;
	size_t n;

	leave(batch);
	qf_move_each(batch, STEP_THERE, drop_data);
	n = qf_move_claims_at(batch, STEP_CLEARED, some);
	code = n ? qf_claims_sync_data(claims, some, n, &err) : QF_OK;
	if (code)
		qf_move_fail_all(batch, STEP_CLEARED, &err, code, STEP_ENDED, ARRIVED);
	qf_move_each(batch, STEP_CLEARED, drop_claim);
	n = qf_move_claims_at(batch, STEP_DONE, some);
	code = n ? qf_claims_sync_folders(claims, some, n, &err) : QF_OK;
	if (code)
		qf_move_fail_all(batch, STEP_DONE, &err, code, STEP_ENDED,
				 "it has arrived; whether its claim is gone is not known: qf salvage resume");
}

/* ------------------------------------------------------------------ back */

void
qf_move_undo(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_claims *claims = batch->salvage->claims;
	struct qf_claim *claim_of = &slot->claim;
	struct qf_err err;
	size_t n = strlen(slot->detail);
	enum qf_code code;

	slot->step = STEP_ENDED;
	if (slot->arrival.control.fd >= 0) {
		qf_arrive_discard(&batch->salvage->target, &slot->arrival);
		qf_arrive_release(&batch->salvage->target, &slot->arrival);
	}
	if (batch->salvage->options.copy)
		return;
	code = qf_claim_undo(claims, claim_of, &err);
	if (!code)
		code = qf_claims_sync(claims, &claim_of, 1, &err);
	if (code) {
		snprintf(slot->detail + n, sizeof(slot->detail) - n, "; and %.150s: %.150s", err.what,
			 err.why);
		slot->outcome = QF_SALVAGE_FAILED;
		slot->why = slot->why == QF_SALVAGE_WHY_NO_SPACE ? slot->why
								  : QF_SALVAGE_WHY_ERROR;
	}
}

enum qf_code
qf_move_make_void(struct qf_move_batch *batch, struct qf_err *err)
{
	bool any = false;
	enum qf_code code;

	pthread_mutex_lock(&batch->salvage->mutex);
	for (size_t i = 0; i < batch->n; i++) {
		if (batch->slots[i].step != STEP_VOID)
			continue;
		qf_move_put_mark(batch, &batch->slots[i], true);
		any = true;
	}
	code = any ? qf_manifest_sync(batch->salvage->manifest, err) : QF_OK;
	pthread_mutex_unlock(&batch->salvage->mutex);
	for (size_t i = 0; i < batch->n; i++) {
		struct qf_move_slot *slot = &batch->slots[i];

		if (slot->step != STEP_VOID)
			continue;
		slot->step = code ? STEP_ENDED : STEP_UNDO;
		if (slot->outcome == QF_SALVAGE_MOVE) {
			/* Staged by an earlier run, and not to be used any more. */
			slot->outcome = QF_SALVAGE_SKIPPED;
			slot->why = QF_SALVAGE_WHY_CHANGED;
		}
		snprintf(slot->detail, sizeof(slot->detail),
			 "%.200s: %.200s: put back; run it again", slot->err.what, slot->err.why);
	}
	return code;
}
