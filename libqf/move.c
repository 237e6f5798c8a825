/*
 * move - the steps by which messages move: a batch of them at once, each step by several hands, and
 * what has to be synced synced once for all.
 *
 *	  source                          target
 *	1 lock, check, claim
 *	2 sync                                                    the claims are on disk
 *	3                                 stage data and control file, sync, read back
 *	4                                 sync incoming/          they are complete and on disk
 *	5                                 marks, sync             it can be told whether they arrive
 *	6                                 data files get their names, sync
 *	7                                 control files get theirs   THERE
 *	8                                 sync; only then unlocked
 *	9 data files removed, sync
 *	10 claims removed, sync
 *
 * Up to 4 a message that cannot go on is undone: what was staged is removed, its claim put back.
 * From 5 on it goes forward, now or when the run is resumed: a mark that may be on disk must not
 * be contradicted. Only where a name at the target turns out to be taken, the mark is made void,
 * and then it is undone.
 * Claims that were found go in at 3, 6 or 8, as their marks tell. A copy has no 1, 2, 9, 10.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "move_parts.h"

/* ------------------------------------------------------------------ outcomes */

void
qf_move_end(struct qf_move_slot *slot, enum qf_salvage_outcome outcome, enum qf_salvage_why why,
    const char *detail, ...)
{
	va_list args;

	slot->step = STEP_ENDED;
	slot->outcome = outcome;
	slot->why = why;
	va_start(args, detail);
	vsnprintf(slot->detail, sizeof(slot->detail), detail, args);
	va_end(args);
}

/* As the failure in slot->err says. */
void
qf_move_fail(struct qf_move_slot *slot, enum qf_code code, const char *where)
{
	const struct qf_err *err = &slot->err;
	enum qf_salvage_outcome outcome = QF_SALVAGE_SKIPPED;
	enum qf_salvage_why why;

	switch (code) {
	case QF_E_BUSY:
		why = QF_SALVAGE_WHY_BUSY;
		break;
	case QF_E_GONE:
		why = QF_SALVAGE_WHY_GONE;
		break;
	case QF_E_CHANGED:
		why = QF_SALVAGE_WHY_CHANGED;
		break;
	case QF_E_INTERRUPTED:
		why = QF_SALVAGE_WHY_STOPPED;
		break;
	case QF_E_LIMIT:
		why = QF_SALVAGE_WHY_DAMAGED;
		break;
	case QF_E_DATA:
		why = QF_SALVAGE_WHY_DAMAGED;
		break;
	case QF_E_DENIED:
		why = QF_SALVAGE_WHY_DENIED;
		outcome = QF_SALVAGE_FAILED;
		break;
	default:
		why = err->sys == ENOSPC || err->sys == EDQUOT ? QF_SALVAGE_WHY_NO_SPACE
								: QF_SALVAGE_WHY_ERROR;
		outcome = QF_SALVAGE_FAILED;
	}
	qf_move_end(slot, outcome, why, "%s: %s%s%s%s", err->what, err->why, where ? "; " : "",
	    where ? where : "", "");
}

/* ------------------------------------------------------------------ steps by several hands */

static void
work_slot(void *ctx, size_t i)
{
	struct qf_move_batch *batch = ctx;

	if (batch->slots[i].step == batch->only)
		batch->work(batch, &batch->slots[i]);
}

void
qf_move_each(struct qf_move_batch *batch, enum qf_move_step only,
	     void (*work)(struct qf_move_batch *batch, struct qf_move_slot *slot))
{
	size_t concerned = 0;

	for (size_t i = 0; i < batch->n; i++)
		concerned += batch->slots[i].step == only;
	batch->only = only;
	batch->work = work;
	if (concerned)
		qf_crew_each(batch->crew, batch->n, work_slot, batch);
}

size_t
qf_move_claims_at(struct qf_move_batch *batch, enum qf_move_step step, struct qf_claim *some[QF_TAKEN_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < batch->n; i++)
		if (batch->slots[i].step == step)
			some[n++] = &batch->slots[i].claim;
	return n;
}

static size_t
arrivals_at(struct qf_move_batch *batch, enum qf_move_step step,
	    struct qf_arrival *some[QF_TAKEN_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < batch->n; i++)
		if (batch->slots[i].step == step)
			some[n++] = &batch->slots[i].arrival;
	return n;
}

void
qf_move_fail_all(struct qf_move_batch *batch, enum qf_move_step step, const struct qf_err *err,
		 enum qf_code code, enum qf_move_step then, const char *where)
{
	for (size_t i = 0; i < batch->n; i++) {
		struct qf_move_slot *slot = &batch->slots[i];

		if (slot->step != step)
			continue;
		slot->err = *err;
		qf_move_fail(slot, code, where);
		if (then != STEP_ENDED)
			slot->step = then;
	}
}

/* ------------------------------------------------------------------ 3 to 5: staged, marked */

void
qf_move_close_data(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	if (slot->data >= 0)
		qf_io_close(batch->salvage->io, slot->data);
	slot->data = -1;
}

bool
qf_move_is_known(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	bool claimed = !slot->move->item;

	switch (qf_ledger_ask(batch->salvage, slot->message, slot->claim.name + 2,
			      slot->arrival.sha_data)) {
	case QF_LEDGER_HAS:
		qf_move_end(slot, claimed ? QF_SALVAGE_FAILED : QF_SALVAGE_SKIPPED,
			    QF_SALVAGE_WHY_PRESENT, "%s%s", qf_salvage_was_copied,
			    claimed ? ", by another run; left claimed" : "");
		return true;
	case QF_LEDGER_ELSEWHERE:
		qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_ERROR, QF_LEDGER_ELSEWHERE_TEXT);
		return true;
	case QF_LEDGER_NO:
		break;
	}
	return false;
}

static void
stage(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_salvage *salvage = batch->salvage;
	enum qf_code code;

	if (qf_salvage_cancelled(salvage)) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_STOPPED, "put back");
		slot->step = STEP_UNDO;
		return;
	}
	if (slot->control.failed) {
		qf_move_fail(slot, qf_err_nomem(&slot->err), NULL);
		slot->step = STEP_UNDO;
		return;
	}
	if (slot->data < 0)
		slot->data = qf_claim_open_data(salvage->claims, &slot->claim);
	if (slot->data < 0 && (errno == ENOENT || errno == ELOOP || errno == EISDIR)) {
		/* Back in its queue it would go out as an empty message. */
		qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_DAMAGED,
		    "its data file is not there any more; %s", batch->salvage->options.copy ? "not copied"
								  : "left claimed");
		return;
	}
	if (slot->data < 0)
		code = qf_err_sys(&slot->err, errno, slot->claim.name,
				  "cannot open its data file");
	else
		code = qf_arrive_stage(&salvage->target, &slot->arrival, slot->data,
				       (struct qf_slice){slot->control.p, slot->control.n},
				       salvage->options.cancel, &slot->err);
	qf_move_close_data(batch, slot);
	if (!code && qf_move_is_known(batch, slot)) {
		/* A claim that was found stays one: what becomes of it is for who made it to say. */
		if (slot->move->item)
			slot->step = STEP_UNDO;
		else
			qf_arrive_discard(&salvage->target, &slot->arrival);
		return;
	}
	if (!code) {
		slot->step = STEP_STAGED;
		return;
	}
	qf_move_fail(slot, code, NULL);
	if (code == QF_E_DATA) {
		/* Not the message's fault: what was written is not what is read. */
		slot->outcome = QF_SALVAGE_FAILED;
		slot->why = QF_SALVAGE_WHY_ERROR;
	}
	slot->step = STEP_UNDO;
}

void
qf_move_fill_mark(struct qf_move_batch *batch, const struct qf_move_slot *slot, struct qf_mark *mark)
{
	*mark = (struct qf_mark){
		.number = slot->number, .at = qf_mark_now(), .lane = slot->arrival.lane,
		.from = qf_queue_dir(batch->salvage->from, slot->claim.dir)->path};
	strcpy(mark->key, slot->arrival.key);
	strcpy(mark->message, slot->message);
	strcpy(mark->name, slot->arrival.name);
	strcpy(mark->dir, batch->salvage->target.dirs[slot->arrival.dir].identity);
	strcpy(mark->sha_control, slot->arrival.sha_control);
	strcpy(mark->sha_data, slot->arrival.sha_data);
}

void
qf_move_put_mark(struct qf_move_batch *batch, struct qf_move_slot *slot, bool voided)
{
	struct qf_mark mark;

	qf_move_fill_mark(batch, slot, &mark);
	mark.voided = voided;
	qf_mark_write(&mark, qf_manifest_lines(batch->salvage->manifest));
}

static enum qf_code
mark_staged(struct qf_move_batch *batch, struct qf_err *err)
{
	struct qf_salvage *salvage = batch->salvage;
	struct qf_arrival *some[QF_TAKEN_MAX];
	size_t n = arrivals_at(batch, STEP_STAGED, some);
	enum qf_code code;

	if (n == 0)
		return QF_OK;
	code = qf_arrive_sync(&salvage->target, some, n, QF_SYNC_INCOMING, err);
	if (code) {
		qf_move_fail_all(batch, STEP_STAGED, err, code, STEP_UNDO, NULL);
		return QF_OK;
	}
	pthread_mutex_lock(&salvage->mutex);
	for (size_t i = 0; i < batch->n; i++) {
		struct qf_move_slot *slot = &batch->slots[i];

		if (slot->step != STEP_STAGED)
			continue;
		slot->number++;
		qf_move_put_mark(batch, slot, false);
	}
	code = qf_manifest_sync(salvage->manifest, err);
	pthread_mutex_unlock(&salvage->mutex);
	if (code) {
		/* Whether the marks are on disk is not known: nothing may be undone. */
		qf_move_fail_all(batch, STEP_STAGED, err, code, STEP_ENDED, QF_MOVE_STILL_CLAIMED);
		return code;
	}
	for (size_t i = 0; i < batch->n; i++)
		if (batch->slots[i].step == STEP_STAGED)
			batch->slots[i].step = STEP_MARKED;
	return QF_OK;
}

/* ------------------------------------------------------------------ 6 to 8: names */

static void
name_data(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	enum qf_code code =
		qf_arrive_data(&batch->salvage->target, &slot->arrival, &slot->err);

	if (!code) {
		slot->step = STEP_DATA;
		return;
	}
	qf_move_fail(slot, code, QF_MOVE_STILL_CLAIMED);
	if (code == QF_E_CHANGED)
		slot->step = STEP_VOID;
}

static void
name_control(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	enum qf_code code =
		qf_arrive_control(&batch->salvage->target, &slot->arrival, &slot->err);

	if (!code) {
		slot->step = STEP_NAMED;
		return;
	}
	qf_move_fail(slot, code, QF_MOVE_STILL_CLAIMED);
	if (code == QF_E_CHANGED)
		slot->step = STEP_VOID;
}

static void
sync_target(struct qf_move_batch *batch, enum qf_move_step step, enum qf_arrive_sync which)
{
	struct qf_arrival *some[QF_TAKEN_MAX];
	size_t n = arrivals_at(batch, step, some);
	struct qf_err err;
	enum qf_code code;

	if (n == 0)
		return;
	code = qf_arrive_sync(&batch->salvage->target, some, n, which, &err);
	if (code)
		qf_move_fail_all(batch, step, &err, code, STEP_ENDED,
			 batch->salvage->options.copy ? "run it again" : QF_MOVE_STILL_CLAIMED);
}

static void
make_visible(struct qf_move_batch *batch)
{
	/* Of what an earlier run named nothing may be synced. */
	sync_target(batch, STEP_NAMED, QF_SYNC_DATA);
	qf_move_each(batch, STEP_MARKED, name_data);
	sync_target(batch, STEP_DATA, QF_SYNC_DATA);
	qf_move_each(batch, STEP_DATA, name_control);
	sync_target(batch, STEP_NAMED, QF_SYNC_CONTROL);
	sync_target(batch, STEP_NAMED, QF_SYNC_INCOMING);
	for (size_t i = 0; i < batch->n; i++) {
		struct qf_move_slot *slot = &batch->slots[i];

		/* On disk: now its sendmail may have it. What is to be undone stays locked. */
		if (slot->step != STEP_UNDO && slot->step != STEP_VOID)
			qf_arrive_release(&batch->salvage->target, &slot->arrival);
		if (slot->step == STEP_NAMED)
			slot->step = STEP_THERE;
	}
}

/* ------------------------------------------------------------------ the whole */

static void
tell(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_salvage *salvage = batch->salvage;
	const struct qf_move *move = slot->move;
	const char *name = move->item ? move->item->name : move->name;
	size_t dir = move->item ? move->item->dir : move->dir;
	bool moved = slot->step == STEP_DONE || slot->step == STEP_THERE;
	const char *id = name + 2, *there = slot->arrival.name + 2;
	char planned[QF_SHA_TEXT] = "";
	struct qf_salvage_record record = {
		.outcome = !moved		? slot->outcome
			   : batch->salvage->options.copy ? QF_SALVAGE_COPIED
					    : QF_SALVAGE_MOVED,
		.why = moved ? QF_SALVAGE_WHY_NONE : slot->why,
		.detail = moved ? NULL : slot->detail,
		.id = id,
		.new_id = moved && strcmp(there, id) != 0 ? there : NULL,
		.from = qf_queue_dir(salvage->from, dir)->path,
		.to = moved ? qf_queue_dir(salvage->to, slot->arrival.dir)->path : NULL,
		.as = moved ? slot->as : NULL,
		.expired = slot->expired,
		.bounce_at = slot->bounce_at,
		.bytes = moved ? slot->arrival.control_bytes + slot->arrival.data_bytes : -1,
		.sha_control = moved ? slot->arrival.sha_control : NULL,
		.sha_data = moved ? slot->arrival.sha_data : NULL,
		.origin = moved ? slot->message : NULL,
		.file = name,
	};

	/* What is left is as it was planned, if it was. */
	if (!moved && move->item) {
		qf_sha_text(move->item->sha, planned);
		record.sha_control = planned;
		record.bytes = move->item->bytes;
		record.expired = move->item->expired;
		record.bounce_at = move->item->bounce_at;
	}
	qf_salvage_tell(salvage, &record);
}

/* Claims are on disk, or are put back. */
static void
sync_claims(struct qf_move_batch *batch)
{
	struct qf_claim *some[QF_TAKEN_MAX];
	size_t n = qf_move_claims_at(batch, STEP_CLAIMED, some);
	struct qf_err err;
	enum qf_code code;

	if (n == 0 || batch->salvage->options.copy)
		return;
	code = qf_claims_sync(batch->salvage->claims, some, n, &err);
	if (code)
		qf_move_fail_all(batch, STEP_CLAIMED, &err, code, STEP_UNDO, NULL);
}

static bool
takes_no_more(const struct qf_move_batch *batch)
{
	size_t failed = 0;

	for (size_t i = 0; i < batch->n; i++) {
		const struct qf_move_slot *slot = &batch->slots[i];

		if (slot->step == STEP_ENDED && slot->outcome == QF_SALVAGE_FAILED &&
		    slot->why != QF_SALVAGE_WHY_DENIED)
			failed++;
	}
	return failed == batch->n;
}

struct qf_move_slot *
qf_move_slots(const struct qf_move *moves, size_t n)
{
	struct qf_move_slot *slots = calloc(n, sizeof(*slots));

	for (size_t i = 0; slots && i < n; i++) {
		slots[i].move = &moves[i];
		slots[i].claim.taken.fd = slots[i].arrival.control.fd = -1;
		slots[i].data = -1;
		slots[i].bounce_at = QF_TIME_NONE;
	}
	return slots;
}

enum qf_code
qf_move_batch(struct qf_salvage *salvage, struct qf_crew *crew, unsigned lane,
	      const struct qf_move *moves, size_t n, const struct qf_marks *marks, bool *stuck,
	      struct qf_err *err)
{
	struct qf_move_batch batch = {
		.salvage = salvage, .crew = crew, .lane = lane, .marks = marks, .n = n};
	enum qf_code code;

	batch.slots = qf_move_slots(moves, n);
	if (!batch.slots)
		return qf_err_nomem(err);
	qf_claims_renew(salvage->claims);
	qf_move_each(&batch, STEP_NEW, salvage->options.copy ? qf_move_read_copy
			       : moves[0].item     ? qf_move_claim
						   : qf_move_adopt);
	for (size_t i = 0; i < n; i++)
		qf_move_settle_id(&batch, &batch.slots[i]);
	sync_claims(&batch);
	qf_move_each(&batch, STEP_CLAIMED, stage);
	qf_claims_renew(salvage->claims);
	code = mark_staged(&batch, err);
	make_visible(&batch);
	if (!salvage->options.copy)
		qf_move_clear_source(&batch);
	if (!code)
		code = qf_move_make_void(&batch, err);
	qf_move_each(&batch, STEP_UNDO, qf_move_undo);
	*stuck = takes_no_more(&batch);
	for (size_t i = 0; i < n; i++) {
		struct qf_move_slot *slot = &batch.slots[i];

		/* The lock of what has arrived was given up already. */
		qf_arrive_release(&salvage->target, &slot->arrival);
		qf_claim_release(salvage->claims, &slot->claim);
		qf_move_close_data(&batch, slot);
		tell(&batch, slot);
		qf_buf_release(&slot->control);
	}
	free(batch.slots);
	return code;
}
