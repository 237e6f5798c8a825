/*
 * txn_purge - purge.
 *
 * purge   1. the control file goes to .qf/stage/ENTRY+NAME: from here on the message is out
 *         2. the data file and what else bears the id are removed, and that is synced
 *         3. the control file is removed
 * Of a purge that was interrupted the staged control file tells what is still to be removed.
 */
#include <errno.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "txn.h"

/* Between the entry and the name of a control file that is being purged; in neither of them. */
#define PURGED '+'

bool
qf_work_destroy(struct qf_work *work)
{
	struct qf_io *io = work->txn->io;
	int control = work->dir->control_fd, stage = work->place->stage;
	char staged[QF_STAGED_MAX];

	snprintf(staged, sizeof(staged), "%s%c%s", work->outcome->entry, PURGED, work->name);
	if (qf_io_rename_new(io, control, work->name, stage, staged) != 0)
		return qf_work_fail_here(work, "cannot remove it");
	if (qf_io_fsync(io, stage) != 0 || qf_io_fsync(io, control) != 0)
		return qf_work_fail_here(work, "removed, but not known to be on disk: cannot sync");
	if (qf_satellites_remove(work->txn, qf_work_dir(work), qf_msg_envelope(work->msg)->data_dir,
			      work->id) != 0)
		return qf_work_fail_here(work, "out of the queue, but its data file is still there");
	if (qf_io_unlink(io, stage, staged, 0) != 0)
		return qf_work_fail_here(work, "out of the queue, but its control file is still staged");
	return true;
}

bool
qf_txn_purge(struct qf_work *work)
{
	return qf_work_is_only_one(work) && qf_work_data_is_plain(work) && qf_work_begin(work) &&
	       qf_work_destroy(work);
}

bool
qf_purge_is_staged(const char *staged)
{
	return strchr(staged, PURGED) != NULL;
}

/* Step 2 of a purge; the control file is staged under this name. */
bool
qf_purge_finish(struct qf_txn *txn, size_t dir, const char *staged)
{
	const char *name = strchr(staged, PURGED) + 1;
	struct qf_msg *msg;
	bool ok = false;

	if (strlen(name) >= QF_NAME_MAX || !qf_kind_is_control(qf_name_kind(name, strlen(name))))
		return false;
	msg = qf_read_control(txn->io, txn->places[dir].stage, staged);
	if (msg)
		ok = qf_id_in_queue(txn->io, qf_queue_dir(txn->queue, dir), name + 2) ||
		     qf_satellites_remove(txn, dir, qf_msg_envelope(msg)->data_dir,
				       name + 2) == 0;
	qf_msg_free(msg);
	return ok;
}
