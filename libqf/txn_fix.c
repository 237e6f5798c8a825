/*
 * txn_fix - findings of qf orphans dealt with: which fix one gets, the frame around it, and guard.
 *
 * Nothing here judges: what a file is worth was found out by orphan*.c. Here it is locked where
 * there is something to lock, seen to be what it was then, and dealt with.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "txn_fix.h"
#include "layout.h"
#include "msg.h"

/* How a message is made whole, by cause. */
static const struct recovery {
	enum qf_cause cause;
	bool (*recover)(struct qf_fixing *fixing);
	const char *held, *queued; /* what becomes of it; queued NULL: the same with --release */
} recoveries[] = {
	{QF_CAUSE_DF_ALONE, qf_fix_from_log, "comes back held, with the envelope of the log",
	 "comes back queued, with the envelope of the log"},
	{QF_CAUSE_QF_CUT, qf_fix_whole, "is given its end line, and comes back held", NULL},
	{QF_CAUSE_QF_LOST, qf_fix_whole, "comes back held", "comes back queued"},
	{QF_CAUSE_QF_UNSAFE, qf_fix_unsafe, "gets the owner and mode that sendmail wants", NULL},
	{QF_CAUSE_QF_LINKED, qf_fix_linked, "keeps one of its names", NULL},
	{QF_CAUSE_QF_TWICE, qf_fix_double, "one of the two goes into the trash", NULL},
	{QF_CAUSE_QF_AND_HF, qf_fix_double, "the older of the two goes into the trash", NULL},
	{QF_CAUSE_TF_BESIDE, qf_fix_newer_tf, "the tf becomes the control file", NULL},
	{QF_CAUSE_TF_ALONE, qf_fix_whole, "becomes a control file, and is held",
	 "becomes a control file, and is queued"},
};

static const struct recovery *
recovery_of(enum qf_cause cause)
{
	for (size_t i = 0; i < sizeof(recoveries) / sizeof(*recoveries); i++)
		if (recoveries[i].cause == cause)
			return &recoveries[i];
	return NULL;
}

unsigned
qf_fix_choose(const struct qf_orphan *orphan, unsigned asked)
{
	static const unsigned order[] = {QF_FIX_RECOVER, QF_FIX_RESCUE, QF_FIX_CLEAN, QF_FIX_GUARD};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (orphan->fix & asked & order[i])
			return order[i];
	return 0;
}

const char *
qf_fix_words(const struct qf_orphan *orphan, const struct qf_fix *fix)
{
	const struct recovery *recovery;

	switch (qf_fix_choose(orphan, fix->fix)) {
	case QF_FIX_RECOVER:
		recovery = recovery_of(orphan->cause);
		return fix->release && recovery->queued ? recovery->queued : recovery->held;
	case QF_FIX_RESCUE:
		return "goes into lost+found, readable";
	case QF_FIX_CLEAN:
		return orphan->cause == QF_CAUSE_LEFTOVER ? "is finished, or taken away"
							  : "goes into the trash";
	case QF_FIX_GUARD:
		return orphan->cause == QF_CAUSE_QF_EMPTY
			       ? "a copy of its body goes into lost+found"
			       : "is named Qf: no queue run takes it";
	default:
		return "left as it is";
	}
}

/* ------------------------------------------------------------------ what the fixes share */

static bool
is_as_seen(const struct stat *st, const struct qf_orphan_file *file)
{
	return st->st_dev == file->device && st->st_ino == file->inode &&
	       st->st_size == file->size && st->st_mtime == file->mtime &&
	       (uint32_t)st->st_mtim.tv_nsec == file->mtime_ns;
}

bool
qf_fix_as_seen(struct qf_fixing *fixing, const struct qf_orphan_file *file)
{
	struct qf_work *work = &fixing->work;
	struct stat st;

	if (qf_io_stat(work->txn->io, file->at, file->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? qf_work_end(work, QF_RESULT_GONE, "%s is gone", file->name)
				       : qf_work_end(work, QF_RESULT_FAILED, "%s: cannot stat: %s",
						     file->name, strerror(errno));
	return is_as_seen(&st, file) ||
	       qf_work_end(work, QF_RESULT_CHANGED, "%s has changed since it was judged",
			   file->name);
}

bool
qf_fix_take(struct qf_fixing *fixing, const struct qf_orphan_file *file, struct qf_taken *taken)
{
	struct qf_work *work = &fixing->work;
	enum qf_code code =
		qf_take(work->txn->io, file->at, file->name, work->place->kinds, taken, &work->err);

	if (code)
		return qf_work_fail(work, code);
	if (is_as_seen(&taken->st, file))
		return true;
	qf_take_release(work->txn->io, taken);
	return qf_work_end(work, QF_RESULT_CHANGED, "%s has changed since it was judged",
			   file->name);
}

const struct qf_orphan_file *
qf_fix_file(const struct qf_orphan *orphan, enum qf_kind kind)
{
	for (size_t i = 0; i < orphan->nfiles; i++)
		if (orphan->files[i].kind == kind)
			return &orphan->files[i];
	return NULL;
}

const struct qf_orphan_file *
qf_fix_control(const struct qf_orphan *orphan)
{
	for (size_t i = 0; i < orphan->nfiles; i++)
		if (qf_kind_is_control(orphan->files[i].kind))
			return &orphan->files[i];
	return qf_fix_file(orphan, QF_KIND_STAGED);
}

/* ------------------------------------------------------------------ guard */

static bool
guard(struct qf_fixing *fixing)
{
	const struct qf_orphan_file *control = qf_fix_control(fixing->orphan);
	struct qf_work *work = &fixing->work;
	char lost[QF_NAME_MAX];

	if (fixing->orphan->cause == QF_CAUSE_QF_EMPTY)
		return qf_fix_copy_aside(fixing);
	if (!control || control->kind != QF_KIND_QUEUED)
		return qf_work_end(work, QF_RESULT_SKIPPED, "no queue run takes it");
	snprintf(lost, sizeof(lost), "Qf%s", work->name + 2);
	work->became = lost;
	return qf_fix_take(fixing, control, &work->taken) && qf_work_begin(work) &&
	       qf_work_rename(work, lost);
}

/* ------------------------------------------------------------------ the frame */

bool
qf_fix_name_it(struct qf_work *work, const char *name, const char *id)
{
	size_t n = strlen(name);

	if (n >= QF_NAME_MAX || strlen(id) >= sizeof(work->id))
		return qf_work_end(work, QF_RESULT_SKIPPED, "%s: no name of a queue", name);
	memcpy(work->name, name, n + 1);
	strcpy(work->id, id);
	work->msg = qf_msg_new();
	if (!work->msg)
		return qf_work_fail(work, qf_err_nomem(&work->err));
	work->msg->files.kind = qf_name_kind(name, n);
	work->msg->files.name = (struct qf_slice){work->name, n};
	work->msg->files.id = (struct qf_slice){work->id, strlen(work->id)};
	work->msg->files.queue = (struct qf_slice){work->dir->path, strlen(work->dir->path)};
	work->msg->envelope.last_try = QF_TIME_NONE;
	return true;
}

static bool
carry_out(struct qf_fixing *fixing)
{
	switch (fixing->fix->fix) {
	case QF_FIX_RECOVER:
		return recovery_of(fixing->orphan->cause)->recover(fixing);
	case QF_FIX_GUARD:
		return guard(fixing);
	default:
		return qf_fix_put_away(fixing, NULL, fixing->fix->fix == QF_FIX_RESCUE);
	}
}

/* The fix, as far as it is about the directory that the file lies in. */
static bool
fix_beside(struct qf_txn *txn, const struct qf_orphan *orphan, const struct qf_fix *fix,
	   const struct qf_orphan_file *file, struct qf_outcome *outcome)
{
	const struct qf_change change = {.kind = QF_CHANGE_FIX};
	struct qf_fixing fixing = {.work = {.txn = txn,
					    .place = &txn->places[file->dir],
					    .dir = qf_queue_dir(txn->queue, file->dir),
					    .taken = {.fd = -1},
					    .change = &change,
					    .outcome = outcome,
					    .command = qf_fix_name(fix->fix)},
				   .orphan = orphan,
				   .fix = fix};
	struct qf_work *work = &fixing.work;
	char harm[160];
	bool ok;

	*outcome = (struct qf_outcome){.result = QF_RESULT_DONE};
	snprintf(harm, sizeof(harm), "it would do harm as before: %s",
		 orphan->harm ? orphan->harm : "");
	if (orphan->harm)
		work->harm = harm;
	if (!work->place->ready)
		return qf_work_end(work, QF_RESULT_FAILED, "its directory cannot be used");
	ok = qf_fix_name_it(work, file->name, orphan->id) && carry_out(&fixing);
	qf_work_finish(work);
	return ok;
}

/* Leftovers are finished when a txn is opened. */
static void
see_finished(struct qf_txn *txn, const struct qf_orphan *orphan, struct qf_outcome *outcome)
{
	struct stat st;

	*outcome = (struct qf_outcome){.result = QF_RESULT_DONE, .why = "finished"};
	if (qf_io_stat(txn->io, AT_FDCWD, orphan->files[0].path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		outcome->result = QF_RESULT_SKIPPED;
		snprintf(outcome->why, sizeof(outcome->why),
			 "somebody may be at it still; the next change of this queue finishes it");
	}
}

void
qf_txn_fix(struct qf_txn *txn, const struct qf_orphan *orphan, const struct qf_fix *fix,
	   struct qf_outcome *outcome)
{
	const struct qf_orphan_file *files = orphan->files;
	bool split = fix->fix == QF_FIX_CLEAN || fix->fix == QF_FIX_RESCUE;

	*outcome = (struct qf_outcome){.result = QF_RESULT_SKIPPED};
	if (qf_fix_choose(orphan, fix->fix) != fix->fix) {
		snprintf(outcome->why, sizeof(outcome->why), "that is no fix for it");
	} else if (orphan->cause == QF_CAUSE_LEFTOVER) {
		see_finished(txn, orphan, outcome);
	} else if (fix->fix == QF_FIX_CLEAN && orphan->cause == QF_CAUSE_DF_ALONE &&
		   orphan->age < fix->body_age) {
		snprintf(outcome->why, sizeof(outcome->why),
			 "a lone body younger than %lld h: a slow filter may be at work on it",
			 (long long)(fix->body_age / 3600));
	} else {
		/* Files go from a directory to a folder beside it; the control file's goes first. */
		for (size_t i = 0; i < orphan->nfiles && (i == 0 || split); i++) {
			bool again = false;

			for (size_t k = 0; k < i; k++)
				again |= files[k].dir == files[i].dir;
			if (!again && !fix_beside(txn, orphan, fix, &files[i], outcome))
				break;
		}
	}
}
