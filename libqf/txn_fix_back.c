/*
 * txn_fix_back - what clean and rescue took away, brought back; and what was interrupted of a
 * rescue, tidied.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "txn_fix.h"
#include "layout.h"

/* An empty folder younger than this may be one that has just been made. */
#define EMPTY_GRACE 3600

/* The names of queue files in a folder, at most so many. */
struct names {
	char name[QF_FIXED_LOCKS][QF_NAME_MAX];
	size_t n;
};

static bool
take_name(void *ctx, const char *name)
{
	struct names *names = ctx;
	size_t n = strlen(name);

	if (n >= QF_NAME_MAX || qf_name_kind(name, n) == QF_KIND_OTHER)
		return true;
	if (names->n < QF_FIXED_LOCKS)
		memcpy(names->name[names->n], name, n + 1);
	return ++names->n <= QF_FIXED_LOCKS;
}

static int
place_of(const struct qf_work *work, const char *name)
{
	switch (qf_name_kind(name, strlen(name))) {
	case QF_KIND_DATA:
		return work->dir->data_fd;
	case QF_KIND_TRANSCRIPT:
		return work->dir->transcript_fd;
	default:
		return work->dir->control_fd;
	}
}

static bool
is_control_name(const char *name)
{
	return qf_kind_is_control(qf_name_kind(name, strlen(name)));
}

/* Bodies first: with its control file a message is in the queue. */
static bool
move_back(struct qf_work *work, int folder, const struct names *names)
{
	struct qf_io *io = work->txn->io;

	for (int control = 0; control < 2; control++)
		for (size_t i = 0; i < names->n; i++) {
			const char *name = names->name[i];

			if (is_control_name(name) != (control == 1))
				continue;
			if (qf_io_rename_new(io, folder, name, place_of(work, name), name) != 0)
				return qf_work_end(work, QF_RESULT_FAILED,
						   "%s: cannot bring it back: %s", name,
						   strerror(errno));
			if (qf_io_fsync(io, place_of(work, name)) != 0 ||
			    qf_io_fsync(io, folder) != 0)
				return qf_work_end(work, QF_RESULT_FAILED,
						   "back, but not known to be on disk");
		}
	return true;
}

static bool
bring_back(struct qf_work *work, int folder)
{
	struct names names = {.n = 0};
	struct stat st;
	enum qf_code code = qf_each_name(work->txn->io, folder, take_name, &names, &work->err);

	if (code)
		return qf_work_fail(work, code);
	if (!names.n || names.n > QF_FIXED_LOCKS)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "its folder holds nothing to bring back");
	if (!qf_fix_name_it(work, names.name[0], names.name[0] + 2))
		return false;
	for (size_t i = 0; i < names.n; i++)
		if (is_control_name(names.name[i]) &&
		    qf_id_in_queue(work->txn->io, work->dir, work->id))
			return qf_work_end(work, QF_RESULT_SKIPPED,
					   "the queue has a control file of that id");
	for (size_t i = 0; i < names.n; i++)
		if (qf_io_stat(work->txn->io, place_of(work, names.name[i]), names.name[i], &st,
			       AT_SYMLINK_NOFOLLOW) == 0)
			return qf_work_end(work, QF_RESULT_SKIPPED, "the queue has a %s",
					   names.name[i]);
	return qf_work_begin(work) && move_back(work, folder, &names);
}

bool
qf_fix_bring_back(struct qf_work *work, const char *entry)
{
	struct qf_io *io = work->txn->io;
	int parent = work->place->trash, found = -1, folder;
	enum qf_code code;
	bool ok;

	/* A journal may lie where others write. */
	if (strchr(entry, '/') || *entry == '.')
		return qf_work_end(work, QF_RESULT_DENIED, "the name of an entry has no slash");
	code = qf_home_folder(io, parent, entry, false, &folder, &work->err);
	if (code == QF_E_NOT_FOUND &&
	    !qf_home_folder(io, work->place->home, QF_HOME_LOST_FOUND, false, &found, NULL)) {
		parent = found;
		code = qf_home_folder(io, parent, entry, false, &folder, &work->err);
	}
	if (code == QF_E_NOT_FOUND) {
		ok = qf_work_end(work, QF_RESULT_SKIPPED,
				 "it is no longer in the trash, nor in " QF_HOME_LOST_FOUND);
	} else if (code) {
		ok = qf_work_fail(work, code);
	} else {
		ok = bring_back(work, folder);
		if (ok)
			qf_remove_folder(io, parent, folder, entry);
		qf_io_close(io, folder);
	}
	if (found >= 0)
		qf_io_close(io, found);
	return ok;
}

/* ------------------------------------------------------------------ tidy */

struct tidy {
	struct qf_txn *txn;
	size_t dir;
	int parent;
};

/* Guard's copy of a body that is still there is made again; else it may be all that is left. */
static bool
is_of_no_use(const struct tidy *tidy, const char *part, const struct names *names)
{
	struct stat st;

	if (!names->n)
		return true;
	return strstr(part, QF_FIX_COPY QF_PART) &&
	       qf_io_stat(tidy->txn->io, qf_queue_dir(tidy->txn->queue, tidy->dir)->data_fd,
			  names->name[0], &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
tidy_part(struct tidy *tidy, const char *part, int folder)
{
	struct qf_io *io = tidy->txn->io;
	struct names names = {.n = 0};
	struct qf_taken note;
	char name[QF_ENTRY_MAX + sizeof(QF_FIX_COPY)];
	struct stat st;
	enum qf_code code =
		qf_take(io, folder, QF_HOME_NOTE, tidy->txn->places[tidy->dir].kinds, &note, NULL);

	if (code == QF_E_GONE) {
		if (qf_io_fstat(io, folder, &st) == 0 &&
		    qf_time_between(st.st_mtime, (int64_t)time(NULL)) > EMPTY_GRACE)
			qf_io_unlink(io, tidy->parent, part, AT_REMOVEDIR);
		return;
	}
	if (code)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(strlen(part) - strlen(QF_PART)), part);
	if (qf_each_name(io, folder, take_name, &names, NULL) == QF_OK) {
		if (is_of_no_use(tidy, part, &names))
			qf_remove_folder(io, tidy->parent, folder, part);
		else if (qf_io_rename_new(io, tidy->parent, part, tidy->parent, name) == 0)
			qf_io_fsync(io, tidy->parent);
	}
	qf_take_release(io, &note);
}

static bool
tidy_name(void *ctx, const char *name)
{
	struct tidy *tidy = ctx;
	size_t n = strlen(name);
	int folder;

	if (n <= strlen(QF_PART) || n >= QF_ENTRY_MAX + sizeof(QF_FIX_COPY) ||
	    strcmp(name + n - strlen(QF_PART), QF_PART) != 0 ||
	    qf_home_folder(tidy->txn->io, tidy->parent, name, false, &folder, NULL))
		return true;
	tidy_part(tidy, name, folder);
	qf_io_close(tidy->txn->io, folder);
	return true;
}

void
qf_fix_tidy(struct qf_txn *txn, size_t dir)
{
	struct tidy tidy = {.txn = txn, .dir = dir};

	if (qf_home_folder(txn->io, txn->places[dir].home, QF_HOME_LOST_FOUND, false, &tidy.parent,
			   NULL))
		return;
	qf_each_name(txn->io, tidy.parent, tidy_name, &tidy, NULL);
	qf_io_close(txn->io, tidy.parent);
}
