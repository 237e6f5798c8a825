/*
 * txn_held - hold, release, due: control files rewritten and renamed.
 *
 * A new version is staged in .qf/stage, not as tf: killed there it leaves a file that no sendmail
 * ever looks at, while a stale tf stops a queue runner for 465 s. That no tf is made by sendmail
 * meanwhile is what the lock on the control file is for. The new version is locked before it
 * gets its name, so that nobody works on it before we are through.
 *
 *	hold     1. qf with the reason, over qf: from here on no queue run delivers it; one that
 *	            comes along renames it to hf itself
 *	         2. qf to hf
 *	release  1. hf to qf, reason still in it: a queue run would rename it back
 *	         2. qf without the reason, over qf
 *	due      1. qf with K0, over qf
 *
 * So qf and hf are never there together, and between two steps the message is held: a qf with a
 * reason, which hold and release take for what it is, and which the next change of any message makes an
 * hf (txn_half.c). The directory is synced after each step,
 * since a power cut may drop what was not.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "err.h"
#include "msg.h"
#include "rewrite.h"
#include "txn.h"


/* So often a staged file may be taken away before it is locked. */
#define STAGE_TRIES 100

/*
 * An empty file in .qf/stage, locked. Between its creation and its lock another command that tidies
 * up may take it for one that was left, and away: then it has no name any more, or is locked.
 */
static enum qf_code
create_staged(struct qf_work *work, const char *name, int *fd, struct stat *st)
{
	struct qf_io *io = work->txn->io;
	enum qf_code code = QF_OK;

	for (int i = 0; i < STAGE_TRIES; i++) {
		*fd = qf_io_create(io, work->place->stage, name,
				   O_RDWR | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (*fd < 0 && errno == EEXIST)
			continue; /* it is about to be taken away */
		if (*fd < 0)
			return qf_err_sys(&work->err, errno, work->name,
					  "cannot stage the new version");
		code = qf_take_new(io, *fd, work->place->kinds, name, &work->err);
		if (!code && qf_io_fstat(io, *fd, st) != 0)
			code = qf_err_sys(&work->err, errno, work->name,
					  "cannot stat the new version");
		if (!code && st->st_nlink > 0)
			return QF_OK;
		if (code && code != QF_E_BUSY)
			qf_io_unlink(io, work->place->stage, name, 0);
		qf_io_close(io, *fd);
		*fd = -1;
		if (code && code != QF_E_BUSY)
			return code;
	}
	return qf_err_set(&work->err, QF_E_BUSY, work->name, "its new version is taken away");
}

bool
qf_work_stage_new(struct qf_work *work, const char *name, int *fd, struct stat *st)
{
	enum qf_code code = create_staged(work, name, fd, st);

	return code ? qf_work_fail(work, code) : true;
}

/* A file of the control file's owner and mode, locked, synced, in .qf/stage. */
static enum qf_code
stage(struct qf_work *work, const struct qf_buf *bytes, const char *name, int *fd)
{
	const struct stat *st = &work->taken.st;
	struct qf_io *io = work->txn->io;
	struct stat mine;
	enum qf_code code = create_staged(work, name, fd, &mine);

	if (code)
		return code;
	/* Owner first: giving a file away may clear bits of its mode. */
	if ((mine.st_uid != st->st_uid || mine.st_gid != st->st_gid) &&
	    qf_io_fchown(io, *fd, st->st_uid, st->st_gid) != 0)
		code = qf_err_sys(&work->err, errno, work->name, "cannot keep its owner");
	if (!code && (mine.st_mode & 07777) != (st->st_mode & 07777) &&
	    qf_io_fchmod(io, *fd, st->st_mode & 07777) != 0)
		code = qf_err_sys(&work->err, errno, work->name, "cannot keep its mode");
	if (!code && qf_io_write(io, *fd, bytes->p, bytes->n) != 0)
		code = qf_err_sys(&work->err, errno, work->name, "cannot write the new version");
	if (!code && qf_io_fsync(io, *fd) != 0)
		code = qf_err_sys(&work->err, errno, work->name, "cannot sync the new version");
	if (code) {
		qf_io_unlink(io, work->place->stage, name, 0);
		qf_io_close(io, *fd);
		*fd = -1;
	}
	return code;
}

static bool
sync_queue(struct qf_work *work)
{
	if (qf_io_fsync(work->txn->io, work->dir->control_fd) == 0)
		return true;
	return qf_work_end(work, QF_RESULT_FAILED,
			   "done, but whether it is on disk is not known: cannot sync %s: %s",
			   work->dir->path, strerror(errno));
}

static bool
put(struct qf_work *work, const char *name, const struct qf_buf *bytes,
    int (*rename_to)(struct qf_io *io, int from, const char *old, int to, const char *new_name))
{
	struct qf_io *io = work->txn->io;
	enum qf_code code;
	int fd;

	if (bytes->failed) {
		code = qf_err_nomem(&work->err);
		return qf_work_fail(work, code);
	}
	code = stage(work, bytes, work->outcome->entry, &fd);
	if (code)
		return qf_work_fail(work, code);
	if (rename_to(io, work->place->stage, work->outcome->entry, work->dir->control_fd, name) !=
	    0) {
		code = qf_err_sys(&work->err, errno, work->name, "cannot put the new version in");
		qf_io_unlink(io, work->place->stage, work->outcome->entry, 0);
		qf_io_close(io, fd);
		return qf_work_fail(work, code);
	}
	qf_take_release(io, &work->taken);
	work->taken.fd = fd;
	return sync_queue(work);
}

bool
qf_work_replace(struct qf_work *work, const char *name, const struct qf_buf *bytes)
{
	return put(work, name, bytes, qf_io_rename);
}

bool
qf_work_arrive(struct qf_work *work, const char *name, const struct qf_buf *bytes)
{
	return put(work, name, bytes, qf_io_rename_new);
}

/* qf to hf or back; nothing may have the other name. */
static bool
change_kind(struct qf_work *work, const char *from, const char *to)
{
	if (qf_io_rename_new(work->txn->io, work->dir->control_fd, from, work->dir->control_fd,
			     to) != 0) {
		if (errno == EEXIST)
			return qf_work_end(work, QF_RESULT_SKIPPED, "%s is there too", to);
		return qf_work_fail(work, qf_err_sys(&work->err, errno, from, "cannot rename"));
	}
	return sync_queue(work);
}

bool
qf_work_rename(struct qf_work *work, const char *name)
{
	return change_kind(work, work->name, name);
}

static void
other_name(const struct qf_work *work, const char *prefix, char name[QF_NAME_MAX])
{
	snprintf(name, QF_NAME_MAX, "%s%s", prefix, work->id);
}

bool
qf_work_is_alone(struct qf_work *work, const char *prefix)
{
	char name[QF_NAME_MAX];
	struct stat st;

	other_name(work, prefix, name);
	if (qf_io_stat(work->txn->io, work->dir->control_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return qf_work_end(work, QF_RESULT_SKIPPED, "%s is there too; see qf orphans",
				   name);
	return true;
}

bool
qf_work_is_settled(struct qf_work *work)
{
	const struct stat *control = &work->taken.st;
	char name[QF_NAME_MAX];
	struct stat st;

	other_name(work, "tf", name);
	if (qf_io_stat(work->txn->io, work->dir->control_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !qf_is_newer(&st, control))
		return true;
	return qf_work_end(work, QF_RESULT_CHANGED,
			   "%s, newer than it, may tell who was served: qf orphans first", name);
}

bool
qf_work_is_sound(struct qf_work *work)
{
	enum qf_fate fate = qf_msg_fate(work->msg);

	if (fate == QF_FATE_IGNORED || fate == QF_FATE_EMPTY_MESSAGE)
		return true;
	return qf_work_end(work, QF_RESULT_SKIPPED, "its control file is damaged; see qf show");
}

bool
qf_txn_hold(struct qf_work *work)
{
	struct qf_buf bytes = {0};
	char held[QF_NAME_MAX];
	bool ok;

	if (qf_msg_state(work->msg) == QF_STATE_HELD)
		return qf_work_end(work, QF_RESULT_SKIPPED, "held already");
	if (qf_msg_state(work->msg) == QF_STATE_LOST)
		return qf_work_end(work, QF_RESULT_SKIPPED, "lost (Qf): no queue run takes it");
	if (!qf_work_is_sound(work) || !qf_work_is_alone(work, "hf") || !qf_work_begin(work) ||
	    !qf_half_mark(work))
		return false;
	other_name(work, "hf", held);
	qf_rewrite_hold(work->msg, work->change->reason, &bytes);
	ok = qf_work_replace(work, work->name, &bytes) && change_kind(work, work->name, held);
	if (ok)
		qf_half_clear(work);
	qf_buf_release(&bytes);
	return ok;
}

/* A qf with a reason: a hold or release was interrupted, or sendmail's queue run will rename it. */
static bool
is_half_held(const struct qf_work *work)
{
	return qf_msg_state(work->msg) == QF_STATE_QUEUED &&
	       qf_msg_envelope(work->msg)->quarantine.p != NULL;
}

bool
qf_txn_release(struct qf_work *work)
{
	bool half = is_half_held(work), ok;
	struct qf_buf bytes = {0};
	char queued[QF_NAME_MAX];

	if (qf_msg_state(work->msg) != QF_STATE_HELD && !half)
		return qf_work_end(work, QF_RESULT_SKIPPED, "not held");
	if (!qf_work_is_sound(work) || !qf_work_is_alone(work, half ? "hf" : "qf") ||
	    !qf_work_begin(work) || !qf_half_mark(work))
		return false;
	other_name(work, "qf", queued);
	qf_rewrite_release(work->msg, &bytes);
	ok = (half || change_kind(work, work->name, queued)) && qf_work_replace(work, queued, &bytes);
	if (ok)
		qf_half_clear(work);
	qf_buf_release(&bytes);
	return ok;
}

bool
qf_txn_due(struct qf_work *work)
{
	struct qf_buf bytes = {0};
	bool ok = false;

	if (qf_msg_state(work->msg) != QF_STATE_QUEUED)
		return qf_work_end(work, QF_RESULT_SKIPPED, "%s: no queue run takes it",
				   qf_state_name(qf_msg_state(work->msg)));
	if (is_half_held(work))
		return qf_work_end(work, QF_RESULT_SKIPPED, "held: no queue run takes it");
	if (!qf_work_is_sound(work))
		return false;
	if (qf_msg_envelope(work->msg)->last_try == QF_TIME_NONE ||
	    !qf_rewrite_last_try(work->msg, 0, &bytes))
		qf_work_end(work, QF_RESULT_SKIPPED, "never tried: it is due already");
	else if (qf_work_begin(work))
		ok = qf_work_replace(work, work->name, &bytes);
	qf_buf_release(&bytes);
	return ok;
}

/* What due did, taken back: only while no queue run has tried the message since. */
bool
qf_txn_last_try(struct qf_work *work)
{
	struct qf_buf bytes = {0};
	bool ok = false;

	if (qf_msg_state(work->msg) != QF_STATE_QUEUED ||
	    qf_msg_envelope(work->msg)->last_try != QF_TIME_NONE ||
	    !qf_rewrite_last_try(work->msg, work->change->last_try, &bytes))
		qf_work_end(work, QF_RESULT_SKIPPED, "it has been tried or changed since");
	else if (qf_work_is_sound(work) && qf_work_begin(work))
		ok = qf_work_replace(work, work->name, &bytes);
	qf_buf_release(&bytes);
	return ok;
}
