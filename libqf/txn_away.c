/*
 * txn_away - a trash elsewhere (--trash=DIR), on whatever file system: removed messages are copied there.
 *
 * remove   1. DIR/ENTRY.copy is made; control file, data file and what else there is are copied into
 *             it, each with its owner and mode, synced, and read again for its SHA-256
 *          2. ENTRY.copy becomes ENTRY
 *          3. the message is purged (txn_purge.c)
 * restore  1. the data file is copied to .qf/stage, verified, and gets its name
 *          2. DIR/ENTRY/arriving is made
 *          3. the control file arrives as the data file did
 *          4. DIR/ENTRY is removed, its control file first
 * A restore that was interrupted is gone on with as long as the data file is there without a control file;
 * once it is arriving and neither is there, it has arrived and was delivered.
 * So what is in DIR is never the only copy of what is not finished: an ENTRY.copy is of no use, and goes
 * when it is as old as the trash may be. A removal that was interrupted behind step 2 leaves a whole
 * ENTRY of a message that may still be in the queue, and may be delivered: it cannot be taken back.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"
#include "err.h"
#include "layout.h"
#include "msg.h"
#include "txn.h"

#define COPY ".copy"
#define ARRIVING "arriving"

static enum qf_code
open_folder(struct qf_io *io, const char *path, int *fd, struct qf_err *err)
{
	enum qf_code code = QF_OK;
	struct stat st;

	*fd = qf_io_open(io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0)
		return qf_err_sys(err, errno, path, "cannot open");
	if (qf_io_fstat(io, *fd, &st) != 0)
		code = qf_err_sys(err, errno, path, "cannot stat");
	else if (st.st_uid != geteuid() && st.st_uid != 0)
		code = qf_err_set(err, QF_E_DENIED, path, "belongs to another user");
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		/* Whoever may write here decides what comes back into the queue. */
		code = qf_err_set(err, QF_E_DENIED, path, "writable by group or others");
	if (code) {
		qf_io_close(io, *fd);
		*fd = -1;
	}
	return code;
}

enum qf_code
qf_away_open(struct qf_txn *txn, const char *path, int *fd, struct qf_err *err)
{
	char trial[64];
	enum qf_code code = open_folder(txn->io, path, fd, err);

	if (code)
		return code;
	/* Ours to write? Before anything is begun. */
	snprintf(trial, sizeof(trial), "trial-%ld" COPY, (long)getpid());
	if (qf_io_mkdir(txn->io, *fd, trial, 0700) != 0)
		return qf_err_sys(err, errno, path, "cannot write to it");
	qf_io_unlink(txn->io, *fd, trial, AT_REMOVEDIR);
	return QF_OK;
}

bool
qf_work_copy(struct qf_work *work, int from, int to, const char *name)
{
	struct qf_io *io = work->txn->io;
	char read[QF_SHA_TEXT], written[QF_SHA_TEXT];
	struct stat st, mine;
	int64_t bytes;
	bool reading;
	int failure;

	if (qf_io_fstat(io, from, &st) != 0 || qf_io_fstat(io, to, &mine) != 0 ||
	    lseek(from, 0, SEEK_SET) < 0)
		return qf_work_fail_here(work, "cannot be copied");
	failure = qf_copy(io, from, to, st.st_size, read, &bytes, &reading, NULL);
	/* Owner first: giving a file away may clear bits of its mode. */
	if (!failure && (mine.st_uid != st.st_uid || mine.st_gid != st.st_gid) &&
	    qf_io_fchown(io, to, st.st_uid, st.st_gid) != 0)
		failure = errno;
	if (!failure && qf_io_fchmod(io, to, st.st_mode & 07777) != 0)
		failure = errno;
	if (!failure && qf_io_fsync(io, to) != 0)
		failure = errno;
	if (!failure && lseek(to, 0, SEEK_SET) < 0)
		failure = errno;
	if (!failure)
		failure = qf_sha_read(io, to, written, NULL, NULL);
	errno = failure;
	if (failure)
		return qf_work_fail_here(work, "cannot be copied");
	return strcmp(read, written) == 0 ||
	       qf_work_end(work, QF_RESULT_FAILED, "%s: the copy differs from it", name);
}

bool
qf_work_copy_to(struct qf_work *work, int from, int folder, const char *name)
{
	struct qf_io *io = work->txn->io;
	int to = qf_io_create(io, folder, name, O_RDWR | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok;

	if (to < 0)
		return qf_work_fail_here(work, "cannot be copied into the trash");
	ok = qf_work_copy(work, from, to, name);
	qf_io_close(io, to);
	return ok;
}

/* What bears the id beside the control file; what is not there is not missed. */
static bool
copy_satellites(struct qf_work *work, int folder)
{
	static const struct {
		const char *prefix;
		enum qf_where where;
	} kinds[] = {{"df", QF_IN_DATA}, {"xf", QF_IN_TRANSCRIPT}, {"tf", QF_IN_CONTROL}};
	struct qf_io *io = work->txn->io;
	char name[QF_NAME_MAX + 2];
	bool ok = true;

	for (size_t i = 0; ok && i < sizeof(kinds) / sizeof(*kinds); i++) {
		int dir = qf_satellite_dir(work->txn, qf_work_dir(work),
					   qf_msg_envelope(work->msg)->data_dir, kinds[i].where);
		int fd;

		if (dir < 0)
			continue;
		snprintf(name, sizeof(name), "%s%s", kinds[i].prefix, work->id);
		fd = qf_io_open(io, dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return qf_work_fail_here(work, "its files cannot be opened");
		ok = qf_work_copy_to(work, fd, folder, name);
		qf_io_close(io, fd);
	}
	return ok;
}

/* Steps 1 and 2; the folder is open. */
static bool
copy_message(struct qf_work *work, const char *copy, int folder)
{
	struct qf_io *io = work->txn->io;
	int away = work->txn->away;

	if (!qf_work_copy_to(work, work->taken.fd, folder, work->name) || !copy_satellites(work, folder))
		return false;
	if (qf_io_fsync(io, folder) != 0 ||
	    qf_io_rename_new(io, away, copy, away, work->outcome->entry) != 0 ||
	    qf_io_fsync(io, away) != 0)
		return qf_work_fail_here(work, "its copy is not known to be on disk");
	return true;
}

bool
qf_txn_remove_away(struct qf_work *work)
{
	struct qf_io *io = work->txn->io;
	char copy[QF_ENTRY_MAX + sizeof(COPY)];
	enum qf_code code;
	int folder;
	bool ok;

	if (!qf_work_is_only_one(work) || !qf_work_data_is_plain(work) || !qf_work_begin(work))
		return false;
	snprintf(copy, sizeof(copy), "%s" COPY, work->outcome->entry);
	code = qf_home_new_folder(io, work->txn->away, copy, &folder, &work->err);
	if (code)
		return qf_work_fail(work, code);
	ok = copy_message(work, copy, folder) && qf_work_destroy(work);
	/* As long as the queue has the message, nobody needs the copy; else it may be the only one. */
	if (!ok && qf_id_in_queue(io, work->dir, work->id)) {
		qf_remove_folder(io, work->txn->away, folder, copy);
		qf_io_unlink(io, work->txn->away, work->outcome->entry, AT_REMOVEDIR);
	}
	qf_io_close(io, folder);
	return ok;
}

/* ------------------------------------------------------------------ back from it */

/* Step 1: under a name that no sendmail reads, until it is whole. */
static bool
bring_data(struct qf_work *work, int folder, int data_dir, const char *data)
{
	struct qf_io *io = work->txn->io;
	const char *staged = work->outcome->entry;
	int from = qf_io_open(io, folder, data, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), to;
	struct stat st;
	bool ok;

	if (from < 0)
		return qf_work_fail_here(work, "its data file cannot be opened");
	ok = qf_work_stage_new(work, staged, &to, &st);
	if (ok) {
		ok = qf_work_copy(work, from, to, data);
		if (ok && (qf_io_rename_new(io, work->place->stage, staged, data_dir, data) != 0 ||
			   qf_io_fsync(io, data_dir) != 0))
			ok = qf_work_fail_here(work, "cannot bring its data file back");
		if (!ok)
			qf_io_unlink(io, work->place->stage, staged, 0);
		qf_io_close(io, to);
	}
	qf_io_close(io, from);
	return ok;
}

/* Do both directories have the same under this name? */
static bool
is_same(struct qf_work *work, int one, int other, const char *name)
{
	struct qf_io *io = work->txn->io;
	char sha[2][QF_SHA_TEXT] = {"", "-"};
	int dirs[] = {one, other};

	for (size_t i = 0; i < 2; i++) {
		int fd = qf_io_open(io, dirs[i], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0)
			return false;
		if (qf_sha_read(io, fd, sha[i], NULL, NULL) != 0)
			sha[i][0] = '\0';
		qf_io_close(io, fd);
	}
	return sha[0][0] && strcmp(sha[0], sha[1]) == 0;
}

static bool
exists(struct qf_io *io, int dir, const char *name)
{
	struct stat st;

	return qf_io_stat(io, dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Step 2. */
static bool
mark_arriving(struct qf_work *work, int folder)
{
	struct qf_io *io = work->txn->io;
	int fd = qf_io_create(io, folder, ARRIVING, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		qf_io_close(io, fd);
	return (fd >= 0 && qf_io_fsync(io, folder) == 0) ||
	       qf_work_fail_here(work, "cannot be marked in the trash");
}

/* The folder of the entry is open, and its control file is locked and read. */
static bool
bring_back(struct qf_work *work, int folder)
{
	struct qf_io *io = work->txn->io;
	struct qf_slice control = qf_msg_bytes(work->msg);
	int data_dir = qf_satellite_dir(work->txn, qf_work_dir(work),
					qf_msg_envelope(work->msg)->data_dir, QF_IN_DATA);
	char data[QF_NAME_MAX + 2];
	struct qf_buf bytes = {0};
	bool there, ok;

	snprintf(data, sizeof(data), "df%s", work->id);
	if (data_dir < 0)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the directory of its data file is none of this queue's");
	/* sendmail would deliver it with an empty body. */
	if (!exists(io, folder, data))
		return qf_work_end(work, QF_RESULT_SKIPPED, "the trash has no data file of it");
	if (qf_id_in_queue(io, work->dir, work->id))
		return qf_work_end(work, QF_RESULT_SKIPPED, "the queue has a message of that id");
	there = exists(io, data_dir, data);
	if (there && !is_same(work, folder, data_dir, data))
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the queue has a data file of that id; see qf orphans");
	if (!there && exists(io, folder, ARRIVING))
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "it was brought back before, and has left the queue since");
	if (!qf_work_begin(work))
		return false;
	qf_buf_add(&bytes, control.p, control.n);
	ok = (there || bring_data(work, folder, data_dir, data)) && mark_arriving(work, folder) &&
	     qf_work_arrive(work, work->name, &bytes);
	qf_buf_release(&bytes);
	return ok;
}

bool
qf_txn_restore_away(struct qf_work *work, const char *entry, const char *trash)
{
	struct qf_contents contents = {0};
	struct qf_io *io = work->txn->io;
	int away, folder = -1;
	enum qf_code code;
	bool ok = false;

	if (strchr(entry, '/') || *entry == '.')
		return qf_work_end(work, QF_RESULT_DENIED, "the name of an entry has no slash");
	code = open_folder(io, trash, &away, &work->err);
	if (code)
		return qf_work_fail(work, code);
	code = qf_home_folder(io, away, entry, false, &folder, &work->err);
	if (code == QF_E_NOT_FOUND)
		qf_work_end(work, QF_RESULT_SKIPPED, "it is no longer in %.200s", trash);
	else if (code)
		qf_work_fail(work, code);
	else
		code = qf_each_name(io, folder, qf_note_content, &contents, &work->err);
	if (!code && !contents.control[0]) {
		qf_work_end(work, QF_RESULT_SKIPPED, "%.200s has no control file of it", trash);
	} else if (!code) {
		memcpy(work->name, contents.control, sizeof(work->name));
		memcpy(work->id, contents.control + 2, sizeof(work->id));
		code = qf_take(io, folder, work->name, QF_TAKE_FLOCK, &work->taken, &work->err);
		if (code)
			qf_work_fail(work, code);
		else if (qf_work_read(work))
			ok = bring_back(work, folder);
	}
	if (ok) {
		/* First what it takes to bring it back once more: the mark must not go before that,
		   in whatever order a file system lists them. */
		if (qf_io_unlink(io, folder, contents.control, 0) == 0 && qf_io_fsync(io, folder) == 0)
			qf_remove_folder(io, away, folder, entry);
		qf_io_fsync(io, away);
	}
	if (folder >= 0)
		qf_io_close(io, folder);
	qf_io_close(io, away);
	return ok;
}
