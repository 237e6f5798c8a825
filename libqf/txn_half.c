/*
 * txn_half - a mark in .qf/stage that tells of a hold or release under way, so that whatever changes
 * the queue next completes one that was interrupted between its two steps.
 *
 * The mark is an empty file ENTRY=NAME, NAME being that of the qf. It is on the disk before the first
 * step, and goes after the last. What it leads to is told by the qf alone: one with a reason becomes an
 * hf, as a queue run of sendmail would make it; for a hold that is the new state, for a release the old.
 */
#include <errno.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "txn.h"

/* Between the entry and the name; in neither of them. */
#define MARK '='

static void
name_mark(const struct qf_work *work, char name[QF_STAGED_MAX])
{
	snprintf(name, QF_STAGED_MAX, "%s%cqf%s", work->outcome->entry, MARK, work->id);
}

bool
qf_half_mark(struct qf_work *work)
{
	struct qf_io *io = work->txn->io;
	char name[QF_STAGED_MAX];
	int fd;

	name_mark(work, name);
	fd = qf_io_create(io, work->place->stage, name, O_WRONLY | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  0600);
	if (fd >= 0)
		qf_io_close(io, fd);
	if (fd >= 0 && qf_io_fsync(io, work->place->stage) == 0)
		return true;
	return qf_work_fail(work, qf_err_sys(&work->err, errno, work->name,
					     "cannot mark it as under way"));
}

void
qf_half_clear(struct qf_work *work)
{
	char name[QF_STAGED_MAX];

	name_mark(work, name);
	qf_io_unlink(work->txn->io, work->place->stage, name, 0);
}

bool
qf_half_is_mark(const char *staged)
{
	return strchr(staged, MARK) != NULL;
}

/* The qf is locked: complete what was begun. */
static bool
complete(struct qf_work *work, const char *held)
{
	struct qf_io *io = work->txn->io;
	int control = work->dir->control_fd;
	struct stat st;

	if (!qf_work_read(work))
		return false;
	/* Without a reason nothing was begun, or all is done. */
	if (!qf_msg_envelope(work->msg)->quarantine.p ||
	    qf_io_stat(io, control, held, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	return qf_io_rename_new(io, control, work->name, control, held) == 0 &&
	       qf_io_fsync(io, control) == 0;
}

bool
qf_half_finish(struct qf_txn *txn, size_t dir, const char *staged)
{
	const char *name = strchr(staged, MARK) + 1;
	size_t n = strlen(name);
	struct qf_outcome outcome = {.result = QF_RESULT_DONE};
	struct qf_work work = {.txn = txn,
			       .place = &txn->places[dir],
			       .dir = qf_queue_dir(txn->queue, dir),
			       .taken = {.fd = -1},
			       .outcome = &outcome};
	char held[QF_NAME_MAX];
	enum qf_code code;
	bool done = false;

	if (n >= QF_NAME_MAX || qf_name_kind(name, n) != QF_KIND_QUEUED)
		return false;
	memcpy(work.name, name, n + 1);
	memcpy(work.id, name + 2, n - 1);
	snprintf(held, sizeof(held), "hf%s", work.id);
	code = qf_take(txn->io, work.dir->control_fd, work.name, work.place->kinds, &work.taken,
		       NULL);
	if (code == QF_OK) {
		done = complete(&work, held);
	} else if (code == QF_E_GONE) {
		/* A release has it under its other name until its first step is done. */
		code = qf_take(txn->io, work.dir->control_fd, held, work.place->kinds,
			       &work.taken, NULL);
		done = code == QF_OK || code == QF_E_GONE;
	}
	qf_work_finish(&work);
	return done;
}
