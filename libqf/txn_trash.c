/*
 * txn_trash - remove, and back from the trash.
 *
 * remove  1. .qf/trash/ENTRY.part is made
 *         2. the control file goes there: from here on the message is out of the queue
 *         3. the data file follows, then what else bears the id (transcript, stale tf)
 *         4. ENTRY.part becomes ENTRY
 * The control file leaves first: sendmail delivers one whose data file is gone as a message
 * with an empty body, while a lone data file does nothing. A folder still called .part says that
 * it is not finished; the next change finishes it (txn_tidy.c), unless the lock on its control file
 * tells that somebody is at it.
 */
#include <errno.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "txn.h"

/* Steps 2 to 4; the folder is open. */
static bool
move_message(struct qf_work *work, const char *part, int folder)
{
	struct qf_io *io = work->txn->io;
	int control = work->dir->control_fd, trash = work->place->trash;

	if (qf_io_rename_new(io, control, work->name, folder, work->name) != 0)
		return qf_work_fail_here(work, "cannot move it into the trash");
	if (qf_io_fsync(io, folder) != 0 || qf_io_fsync(io, control) != 0)
		return qf_work_fail_here(work, "out of the queue, but not known to be on disk: cannot sync");
	if (qf_satellites_move(work->txn, qf_work_dir(work), qf_msg_envelope(work->msg)->data_dir,
			    work->id, folder) != 0)
		return qf_work_fail_here(work, "out of the queue, but its data file is still there: cannot "
				       "move it into the trash");
	if (qf_io_rename_new(io, trash, part, trash, work->outcome->entry) != 0 ||
	    qf_io_fsync(io, trash) != 0)
		return qf_work_fail_here(work, "in the trash, but the entry is not closed");
	return true;
}

bool
qf_txn_remove(struct qf_work *work)
{
	struct qf_io *io = work->txn->io;
	char part[QF_ENTRY_MAX + sizeof(QF_PART)];
	enum qf_code code;
	int folder;
	bool ok;

	if (work->txn->away >= 0)
		return qf_txn_remove_away(work);
	if (!qf_work_is_only_one(work) || !qf_work_data_is_plain(work) || !qf_work_begin(work))
		return false;
	snprintf(part, sizeof(part), "%s" QF_PART, work->outcome->entry);
	code = qf_home_new_folder(io, work->place->trash, part, &folder, &work->err);
	if (code)
		return qf_work_fail(work, code);
	ok = move_message(work, part, folder);
	qf_io_close(io, folder);
	if (!ok) /* goes only if it is still empty */
		qf_io_unlink(io, work->place->trash, part, AT_REMOVEDIR);
	return ok;
}

/* ------------------------------------------------------------------ back from the trash */

/*
 * The way back: the folder becomes .part again, so that an interruption ends in the trash; the
 * data file first, the control file last, for with it the message is in the queue.
 */
static bool
move_back(struct qf_work *work, const char *entry, int folder)
{
	struct qf_io *io = work->txn->io;
	char part[QF_ENTRY_MAX + sizeof(QF_PART)], data[QF_NAME_MAX + 2];
	int control = work->dir->control_fd, trash = work->place->trash;
	int data_fd = qf_satellite_dir(work->txn, qf_work_dir(work),
				    qf_msg_envelope(work->msg)->data_dir, QF_IN_DATA);

	snprintf(part, sizeof(part), "%s" QF_PART, entry);
	snprintf(data, sizeof(data), "df%s", work->id);
	if (qf_io_rename_new(io, trash, entry, trash, part) != 0 || qf_io_fsync(io, trash) != 0)
		return qf_work_fail_here(work, "cannot open its entry in the trash");
	if (qf_move_if_there(io, folder, data, data_fd) != 0)
		return qf_work_fail_here(work, "cannot bring its data file back");
	if (qf_io_rename_new(io, folder, work->name, control, work->name) != 0)
		return qf_work_fail_here(work, "cannot bring it back");
	if (qf_io_fsync(io, control) != 0 || qf_io_fsync(io, folder) != 0)
		return qf_work_fail_here(work, "back in the queue, but not known to be on disk");
	/* A transcript or a stale tf is not wanted back. */
	qf_remove_folder(io, trash, folder, part);
	qf_io_fsync(io, trash); /* else the next change does this again */
	return true;
}

/* The folder of an entry is open, and its control file is locked and read. */
static bool
restore_locked(struct qf_work *work, const char *entry, int folder)
{
	char data[QF_NAME_MAX + 2];
	struct stat st;
	int data_fd = qf_satellite_dir(work->txn, qf_work_dir(work),
				    qf_msg_envelope(work->msg)->data_dir, QF_IN_DATA);

	snprintf(data, sizeof(data), "df%s", work->id);
	if (data_fd < 0)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the directory of its data file is none of this queue's");
	/* sendmail would deliver it with an empty body. */
	if (qf_io_stat(work->txn->io, folder, data, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return qf_work_end(work, QF_RESULT_SKIPPED, "the trash has no data file of it");
	if (!S_ISREG(st.st_mode))
		return qf_work_end(work, QF_RESULT_DENIED, "%s: not a regular file", data);
	if (qf_id_in_queue(work->txn->io, work->dir, work->id))
		return qf_work_end(work, QF_RESULT_SKIPPED, "the queue has a message of that id");
	if (qf_io_stat(work->txn->io, data_fd, data, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the queue has a data file of that id; see qf orphans");
	return qf_work_begin(work) && move_back(work, entry, folder);
}

bool
qf_txn_restore(struct qf_work *work, const char *entry)
{
	struct qf_contents contents = {0};
	enum qf_code code;
	int folder;
	bool ok = false;

	/* A journal may lie where others write. */
	if (strchr(entry, '/') || *entry == '.')
		return qf_work_end(work, QF_RESULT_DENIED, "the name of an entry has no slash");
	code = qf_home_folder(work->txn->io, work->place->trash, entry, false, &folder, &work->err);
	if (code == QF_E_NOT_FOUND)
		return qf_work_end(work, QF_RESULT_SKIPPED, "it is no longer in the trash");
	if (code)
		return qf_work_fail(work, code);
	code = qf_each_name(work->txn->io, folder, qf_note_content, &contents, &work->err);
	if (!code && !contents.control[0]) {
		qf_work_end(work, QF_RESULT_SKIPPED, "the trash has no control file of it");
	} else if (!code) {
		memcpy(work->name, contents.control, sizeof(work->name));
		memcpy(work->id, contents.control + 2, sizeof(work->id));
		code = qf_take(work->txn->io, folder, work->name, work->place->kinds, &work->taken,
			       &work->err);
		if (!code && qf_work_read(work))
			ok = restore_locked(work, entry, folder);
	}
	if (code)
		qf_work_fail(work, code);
	qf_io_close(work->txn->io, folder);
	return ok;
}
