/*
 * move_begin - a message taken up: claimed, found claimed, or read for a copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "layout.h"
#include "locks.h"
#include "move_parts.h"
#include "msg.h"
#include "rewrite.h"

/* ------------------------------------------------------------------ 1: the source */

/* Has a rewrite of it been interrupted? Then who is still owed is not only in the control file. */
static bool
has_staged(struct qf_salvage *salvage, const struct qf_move_slot *slot)
{
	const struct qf_dir *d = qf_queue_dir(salvage->from, slot->claim.dir);
	char name[QF_NAME_MAX];
	struct stat st;

	snprintf(name, sizeof(name), "tf%s", slot->claim.name + 2);
	return qf_io_stat(salvage->io, d->control_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The message under the lock: is it what is to be moved, and what will it be at the target? */
static bool
judge(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_salvage *salvage = batch->salvage;
	const struct qf_salvage_options *options = &salvage->options;
	const struct qf_salvage_item *item = slot->move->item;
	const struct qf_salvage_how *how = &slot->move->how;
	enum qf_kind kind = qf_name_kind(slot->claim.name, strlen(slot->claim.name));
	uint32_t forbidden =
		S_IWOTH | (qf_queue_policy(salvage->from)->queue_file_mode & S_IWGRP ? 0 : S_IWGRP);
	struct qf_rewrite_move changes = {.data_beside = true, .created = options->now,
					  .due = how->due};
	struct qf_outlook outlook;
	const char *damage = qf_salvage_damage(slot->claim.msg);
	const char *new_id;
	char reason[160];
	uint8_t sha[32];
	bool holds;

	if (damage) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_DAMAGED, "%s", damage);
		return false;
	}
	if (item && kind != QF_KIND_LOST && slot->claim.taken.st.st_mode & forbidden) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_DAMAGED, "%s",
		    qf_finding_type(QF_F_UNSAFE_MODE)->text);
		return false;
	}
	qf_sha_bytes(qf_msg_bytes(slot->claim.msg), sha);
	if (item && salvage->loaded && memcmp(sha, item->sha, sizeof(sha)) != 0) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_CHANGED, "changed since it was planned");
		return false;
	}
	if (item && has_staged(salvage, slot)) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_DAMAGED,
		    "a tf beside it: see qf orphans");
		return false;
	}
	qf_outlook_of(slot->claim.msg, &salvage->policy, options->now, &outlook);
	slot->expired = outlook.expired && kind == QF_KIND_QUEUED;
	slot->bounce_at = outlook.bounce_at;
	if (slot->expired && how->expired == QF_EXPIRED_SKIP && item) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_EXPIRED, "past its return time");
		return false;
	}
	slot->as = kind == QF_KIND_HELD ? "held" : kind == QF_KIND_LOST ? "lost" : "queued";
	memcpy(slot->arrival.name, slot->claim.name, 2);
	/* One to be skipped that was claimed already waits at the target: unheld it would be returned. */
	holds = slot->expired &&
		(how->expired == QF_EXPIRED_HOLD || how->expired == QF_EXPIRED_SKIP);
	if (kind == QF_KIND_QUEUED && (how->hold || holds)) {
		qf_salvage_reason(salvage, holds, reason);
		changes.reason = reason;
		slot->as = "held";
		slot->arrival.name[0] = 'h';
	}
	if (kind == QF_KIND_HELD && qf_salvage_lets_go(how, slot->claim.msg)) {
		changes.unhold = true;
		slot->as = "queued";
		slot->arrival.name[0] = 'q';
	}
	changes.refresh = slot->expired && how->expired == QF_EXPIRED_REFRESH;
	qf_rewrite_move(slot->claim.msg, &changes, &slot->control);
	qf_salvage_origin(slot->claim.msg, qf_msg_envelope(slot->claim.msg)->created, slot->message);
	new_id = item ? qf_salvage_item_new_id(batch->salvage, item) : NULL;
	snprintf(slot->arrival.name + 2, sizeof(slot->arrival.name) - 2, "%s",
		 new_id ? new_id : slot->claim.name + 2);
	return true;
}

/* Is its data file there? It must be: a message without it would arrive empty. */
static bool
has_data(struct qf_salvage *salvage, struct qf_move_slot *slot)
{
	slot->data = qf_claim_open_data(salvage->claims, &slot->claim);
	if (slot->data >= 0)
		return true;
	if (errno == EACCES || errno == EPERM)
		qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_DENIED,
		    "its data file cannot be opened: %s%s", strerror(errno),
		    geteuid() == 0 ? " (CAP_DAC_OVERRIDE is lacking)" : "");
	else if (errno == ENOENT || errno == ELOOP || errno == EISDIR)
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_DAMAGED,
		    "%s", errno == ENOENT ? "its data file is not there"
					  : "its data file is no regular file");
	else
		qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_ERROR,
		    "its data file cannot be opened: %s", strerror(errno));
	return false;
}

void
qf_move_claim(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_salvage *salvage = batch->salvage;
	const struct qf_salvage_item *item = slot->move->item;
	enum qf_code code;

	if (qf_salvage_cancelled(salvage)) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_STOPPED, "not begun");
		return;
	}
	code = qf_claim_lock(salvage->claims, item->dir, item->name, &slot->claim, &slot->err);
	if (code) {
		qf_move_fail(slot, code, code == QF_E_DENIED && geteuid() == 0
					 ? "CAP_DAC_OVERRIDE is lacking, or the file system is "
					   "read-only (--copy)"
					 : NULL);
		return;
	}
	if (!judge(batch, slot) || !has_data(salvage, slot))
		return;
	slot->arrival.dir = item->to_dir;
	slot->arrival.lane = slot->claim.lane = batch->lane;
	code = qf_claim_take(salvage->claims, &slot->claim, &slot->err);
	if (code) {
		qf_move_fail(slot, code, NULL);
		return;
	}
	qf_claim_key(&slot->claim, slot->arrival.key);
	slot->step = STEP_CLAIMED;
}

/* ------------------------------------------------------------------ copies, claims found */

/* What the mark of an earlier run says: where to go on. */
static void
go_on(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_target *target = &batch->salvage->target;
	struct qf_mark mark;
	enum qf_code code;
	int staged;

	slot->step = STEP_CLAIMED;
	if (!batch->marks ||
	    !(slot->arrival.unclaimed
		      ? qf_ledger_find(batch->marks, slot->message, slot->arrival.key, &mark)
		      : qf_marks_find(batch->marks, slot->arrival.key, slot->arrival.key, &mark)))
		mark = (struct qf_mark){.voided = true};
	slot->number = mark.number;
	if (mark.voided || mark.brief) {
		/* Staged anew in the first lane: by a copy, that the file is there already tells a run
		   that another one is at the message; it has arrived before, or another one has of that
		   origin, which its body tells. */
		if (!slot->arrival.unclaimed)
			qf_arrive_clear(target, &slot->arrival);
		return;
	}
	slot->arrival.lane = mark.lane;
	slot->arrival.dir = qf_target_dir_of(target, mark.dir);
	if (slot->arrival.dir == SIZE_MAX) {
		qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_ERROR, QF_LEDGER_ELSEWHERE_TEXT);
		return;
	}
	strcpy(slot->arrival.name, mark.name);
	strcpy(slot->arrival.sha_control, mark.sha_control);
	strcpy(slot->arrival.sha_data, mark.sha_data);
	slot->as = mark.name[0] == 'h' ? "held" : mark.name[0] == 'Q' ? "lost" : "queued";
	staged = qf_arrive_is_staged(target, &slot->arrival);
	if (staged < 0) {
		code = qf_err_sys(&slot->err, errno, slot->arrival.name,
				  "whether it has arrived cannot be seen");
		qf_move_fail(slot, code, QF_MOVE_STILL_CLAIMED);
	} else if (staged == 0) {
		slot->step = STEP_NAMED;
	} else if (qf_move_is_known(batch, slot)) {
		return;
	} else {
		code = qf_arrive_again(target, &slot->arrival, &slot->err);
		if (code == QF_OK)
			slot->step = STEP_MARKED;
		else if (code == QF_E_DATA)
			slot->step = STEP_VOID;
		else
			qf_move_fail(slot, code, QF_MOVE_STILL_CLAIMED);
	}
}

/* What was staged unheld before its return time passed would be returned at the first try. */
static void
go_on_in_time(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	bool holds = slot->arrival.name[0] == 'h';

	go_on(batch, slot);
	if (!holds || slot->step != STEP_MARKED || slot->arrival.name[0] != 'q')
		return;
	qf_err_set(&slot->err, QF_E_CHANGED, slot->arrival.name,
		   "has passed its return time since it was staged");
	slot->step = STEP_VOID;
}

void
qf_move_adopt(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_salvage *salvage = batch->salvage;
	const struct qf_move *move = slot->move;
	enum qf_code code;
	const char *id;

	if (qf_salvage_cancelled(salvage)) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_STOPPED, "not begun");
		return;
	}
	code = qf_claim_adopt(salvage->claims, move->dir, move->folder, move->name, &slot->claim,
			      &slot->err);
	if (code) {
		qf_move_fail(slot, code, NULL);
		return;
	}
	qf_claim_key(&slot->claim, slot->arrival.key);
	if (!judge(batch, slot))
		return;
	id = slot->claim.name + 2;
	slot->arrival.dir = qf_salvage_choose_dir(salvage, move->dir, id, NULL);
	go_on_in_time(batch, slot);
}

static bool
is_same(void *ctx, struct qf_msg *msg)
{
	struct qf_move_slot *slot = ctx;

	if (!qf_salvage_same(slot->claim.msg, msg))
		return true;
	qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_PRESENT,
	    "the target has this message, brought there by another way; left claimed");
	return false;
}

/* Another message of that id at the target? With the mutex held: ids are given out. */
static void
settle(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_names *names;
	char id[QF_NAME_MAX - 2];
	enum qf_code code = qf_target_names(&batch->salvage->target, &slot->err);

	if (code) {
		qf_move_fail(slot, code, "left claimed");
		return;
	}
	names = batch->salvage->target.names;
	if (qf_names_find(names, slot->arrival.name + 2)) {
		qf_queue_find(batch->salvage->to, slot->arrival.name + 2, 0, is_same, slot, NULL);
		if (slot->step == STEP_ENDED)
			return;
		if (!qf_salvage_new_id(batch->salvage, id)) {
			qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_ERROR, "no new id can be made");
			return;
		}
		snprintf(slot->arrival.name + 2, sizeof(slot->arrival.name) - 2, "%s", id);
	}
	qf_names_add(names, slot->arrival.name + 2, QF_KIND_QUEUED);
}

void
qf_move_settle_id(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	if (slot->move->item || slot->step != STEP_CLAIMED)
		return;
	pthread_mutex_lock(&batch->salvage->mutex);
	settle(batch, slot);
	pthread_mutex_unlock(&batch->salvage->mutex);
}

/* A copy: read without a trace. Where somebody holds the lock, the source is in use. */
void
qf_move_read_copy(struct qf_move_batch *batch, struct qf_move_slot *slot)
{
	struct qf_salvage *salvage = batch->salvage;
	const struct qf_salvage_item *item = slot->move->item;
	const struct qf_dir *d = qf_queue_dir(salvage->from, item->dir);
	struct qf_locks *locks;
	enum qf_code code;

	if (qf_salvage_cancelled(salvage)) {
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_STOPPED, "not begun");
		return;
	}
	code = qf_claim_look(salvage->claims, item->dir, item->name, &slot->claim, &slot->err);
	if (code) {
		qf_move_fail(slot, code, NULL);
		return;
	}
	locks = qf_locks_new();
	if (locks && qf_locks_ask(locks, salvage->io, slot->claim.taken.fd, d->device,
				  slot->claim.taken.st.st_ino,
				  qf_locks_sight(d->control_fd)) == QF_YES)
		qf_move_end(slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_BUSY, "in delivery at the source");
	qf_locks_free(locks);
	if (slot->step == STEP_ENDED || !judge(batch, slot) || !has_data(salvage, slot))
		return;
	slot->arrival.dir = item->to_dir;
	slot->arrival.unclaimed = true;
	qf_salvage_copy_key(salvage, slot->claim.msg, slot->arrival.key);
	go_on_in_time(batch, slot);
}
