/*
 * txn_fix_away - clean, rescue, and guard's copy: files leave the queue for a folder of ours.
 *
 * clean    1. .qf/trash/ENTRY is made
 *          2. control files and tf go there, and that is synced; then the others
 * rescue   1. .qf/lost+found/ENTRY.part is made, with note.json and message.eml
 *          2. as in clean
 *          3. ENTRY.part becomes ENTRY
 * guard    1. .qf/lost+found/ENTRY.copy.part is made, with note.json and a copy of the body
 *          2. it becomes guard-ID-INODE-SIZE
 * Elsewhere (--lost-found=DIR) the files are copied and verified first; the originals then go into
 * the trash. Whatever interrupts this, each file is in one place or the other, and what is still in
 * the queue is found again. Control files go first: one whose body is gone is delivered as an empty
 * message.
 *
 * A lone body has no lock that could be taken. It may come to life at any time: its writer names
 * the control file at last. That is looked for before it goes, and after it; then it comes back.
 */
#include <errno.h>
#include <string.h>

#include "err.h"
#include "txn_fix.h"
#include "layout.h"

/* A control file younger than this came when the judgement was made already. Clocks differ. */
#define NEW_CONTROL 120

struct leaving {
	struct qf_fixing *fixing;
	const bool *goes;
	struct qf_taken taken[QF_FIXED_LOCKS];
	size_t ntaken, moved;
	struct qf_taken note; /* locked as long as somebody is at the folder */
};

static bool
leaves(const struct leaving *leaving, size_t i)
{
	const struct qf_orphan_file *file = &leaving->fixing->orphan->files[i];

	return file->dir == qf_work_dir(&leaving->fixing->work) &&
	       (!leaving->goes || leaving->goes[i]);
}

static bool
is_locked_kind(enum qf_kind kind)
{
	return qf_kind_is_control(kind) || kind == QF_KIND_STAGED;
}

static bool
take_all(struct leaving *leaving)
{
	const struct qf_orphan *orphan = leaving->fixing->orphan;

	for (size_t i = 0; i < orphan->nfiles; i++) {
		const struct qf_orphan_file *file = &orphan->files[i];

		if (!leaves(leaving, i))
			continue;
		if (!is_locked_kind(file->kind)) {
			if (!qf_fix_as_seen(leaving->fixing, file))
				return false;
			continue;
		}
		if (leaving->ntaken == QF_FIXED_LOCKS)
			return qf_work_end(&leaving->fixing->work, QF_RESULT_SKIPPED,
					   "too many files of one id");
		if (!qf_fix_take(leaving->fixing, file, &leaving->taken[leaving->ntaken]))
			return false;
		leaving->ntaken++;
	}
	return true;
}

/* Has the lone body got a control file since it was judged? */
static bool
came_to_life(const struct leaving *leaving)
{
	static const char *const prefixes[] = {"qf", "hf", "Qf", "tf"};
	const struct qf_work *work = &leaving->fixing->work;
	char name[QF_NAME_MAX + 2];
	struct stat st;

	if (qf_fix_control(leaving->fixing->orphan) ||
	    !qf_fix_file(leaving->fixing->orphan, QF_KIND_DATA))
		return false;
	for (size_t dir = 0; dir < qf_queue_ndirs(work->txn->queue); dir++)
		for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
			snprintf(name, sizeof(name), "%s%s", prefixes[i], work->id);
			if (qf_io_stat(work->txn->io,
				       qf_queue_dir(work->txn->queue, dir)->control_fd, name, &st,
				       AT_SYMLINK_NOFOLLOW) == 0 &&
			    (dir == qf_work_dir(work) ||
			     st.st_ctime > work->txn->started - NEW_CONTROL))
				return true;
		}
	return false;
}

static bool
is_still_dead(struct leaving *leaving)
{
	return !came_to_life(leaving) || qf_work_end(&leaving->fixing->work, QF_RESULT_CHANGED,
						     "a control file of this id has come");
}

/* The control files (first) or the others, to a folder; synced on both sides. */
static bool
move_some(struct leaving *leaving, int folder, bool first)
{
	struct qf_work *work = &leaving->fixing->work;
	struct qf_io *io = work->txn->io;
	const struct qf_orphan *orphan = leaving->fixing->orphan;
	bool any = false;

	for (size_t i = 0; i < orphan->nfiles; i++) {
		const struct qf_orphan_file *file = &orphan->files[i];

		if (!leaves(leaving, i) || is_locked_kind(file->kind) != first)
			continue;
		if (qf_io_rename_new(io, file->at, file->name, folder, file->name) != 0)
			return qf_work_fail_here(work, "cannot be moved out of the queue");
		leaving->moved++;
		any = true;
	}
	if (any && qf_io_fsync(io, folder) != 0)
		return qf_work_fail_here(work, "moved, but not known to be on disk");
	for (size_t i = 0; any && i < orphan->nfiles; i++)
		if (leaves(leaving, i) && is_locked_kind(orphan->files[i].kind) == first &&
		    qf_io_fsync(io, orphan->files[i].at) != 0)
			return qf_work_fail_here(work, "moved, but not known to be on disk");
	return true;
}

static bool
move_all(struct leaving *leaving, int folder)
{
	struct qf_work *work = &leaving->fixing->work;
	const struct qf_orphan *orphan = leaving->fixing->orphan;

	if (!move_some(leaving, folder, true) || !move_some(leaving, folder, false))
		return false;
	if (!came_to_life(leaving))
		return true;
	for (size_t i = 0; i < orphan->nfiles; i++) {
		const struct qf_orphan_file *file = &orphan->files[i];

		if (!leaves(leaving, i))
			continue;
		if (qf_io_rename_new(work->txn->io, folder, file->name, file->at, file->name) !=
			    0 ||
		    qf_io_fsync(work->txn->io, file->at) != 0)
			return qf_work_end(
				work, QF_RESULT_FAILED,
				"a control file of this id has come, and %s could not be put "
				"back: %s; it is in .qf, %s",
				file->name, strerror(errno), work->outcome->entry);
		leaving->moved--;
	}
	return qf_work_end(work, QF_RESULT_CHANGED,
			   "a control file of this id has come: its body was put back");
}

/* ------------------------------------------------------------------ folders */

/* What is known of it, in a folder that nobody else is at. */
static bool
write_note(struct leaving *leaving, int folder)
{
	struct qf_work *work = &leaving->fixing->work;
	struct qf_io *io = work->txn->io;
	struct qf_slice note = leaving->fixing->fix->note;
	int fd = qf_io_create(io, folder, QF_HOME_NOTE, O_RDWR | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			      0600);
	enum qf_code code;

	if (fd < 0)
		return qf_work_fail_here(work, "cannot write its note");
	leaving->note.fd = fd;
	code = qf_take_new(io, fd, work->place->kinds, QF_HOME_NOTE, &work->err);
	if (code)
		return qf_work_fail(work, code);
	leaving->note.kinds = work->place->kinds;
	if (qf_io_write(io, fd, note.p ? note.p : "", note.n) != 0 || qf_io_fsync(io, fd) != 0)
		return qf_work_fail_here(work, "cannot write its note");
	return true;
}

/* A folder NAME.part with a note. */
static bool
begin_folder(struct leaving *leaving, int parent, const char *name, int *folder)
{
	struct qf_work *work = &leaving->fixing->work;
	char part[QF_ENTRY_MAX + sizeof(QF_FIX_COPY) + sizeof(QF_PART)];
	enum qf_code code;

	snprintf(part, sizeof(part), "%s" QF_PART, name);
	code = qf_home_new_folder(work->txn->io, parent, part, folder, &work->err);
	if (code)
		return qf_work_fail(work, code);
	return write_note(leaving, *folder);
}

/* NAME.part gets its last name; or goes, where nothing is in it that is not elsewhere. */
static bool
end_folder(struct leaving *leaving, int parent, const char *name, const char *last, int folder,
	   bool ok)
{
	struct qf_work *work = &leaving->fixing->work;
	struct qf_io *io = work->txn->io;
	char part[QF_ENTRY_MAX + sizeof(QF_FIX_COPY) + sizeof(QF_PART)];

	if (folder < 0)
		return false;
	snprintf(part, sizeof(part), "%s" QF_PART, name);
	if (!ok && !leaving->moved) {
		qf_remove_folder(io, parent, folder, part);
	} else if (ok && (qf_io_fsync(io, folder) != 0 ||
			  qf_io_rename_new(io, parent, part, parent, last) != 0 ||
			  qf_io_fsync(io, parent) != 0)) {
		ok = qf_work_fail_here(work, "its folder in lost+found is not closed");
	}
	qf_take_release(io, &leaving->note);
	qf_io_close(io, folder);
	return ok;
}

static bool
open_lost_found(struct qf_work *work, bool create, int *fd)
{
	enum qf_code code = qf_home_folder(work->txn->io, work->place->home, QF_HOME_LOST_FOUND,
					   create, fd, &work->err);

	return code ? qf_work_fail(work, code) : true;
}

/* ------------------------------------------------------------------ clean, rescue */

static bool
to_trash(struct leaving *leaving)
{
	struct qf_work *work = &leaving->fixing->work;
	struct qf_io *io = work->txn->io;
	enum qf_code code;
	int folder;
	bool ok;

	code = qf_home_new_folder(io, work->place->trash, work->outcome->entry, &folder,
				  &work->err);
	if (code)
		return qf_work_fail(work, code);
	ok = move_all(leaving, folder);
	qf_io_close(io, folder);
	if (!leaving->moved)
		qf_io_unlink(io, work->place->trash, work->outcome->entry, AT_REMOVEDIR);
	return ok;
}

static bool
to_lost_found(struct leaving *leaving)
{
	struct qf_work *work = &leaving->fixing->work;
	const char *entry = work->outcome->entry;
	int parent, folder = -1;
	bool ok;

	if (!open_lost_found(work, true, &parent))
		return false;
	ok = begin_folder(leaving, parent, entry, &folder) &&
	     qf_fix_write_eml(leaving->fixing, folder) && move_all(leaving, folder);
	ok = end_folder(leaving, parent, entry, entry, folder, ok);
	qf_io_close(work->txn->io, parent);
	if (ok)
		qf_work_end(work, QF_RESULT_DONE, "in .qf/" QF_HOME_LOST_FOUND "/%s", entry);
	return ok;
}

/* A copy of one file of the finding. */
static bool
copy_file(struct leaving *leaving, const struct qf_orphan_file *file, int folder)
{
	struct qf_work *work = &leaving->fixing->work;
	int fd = qf_io_open(work->txn->io, file->at, file->name,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return qf_work_fail_here(work, "cannot be opened");
	ok = qf_work_copy_to(work, fd, folder, file->name) && qf_fix_as_seen(leaving->fixing, file);
	qf_io_close(work->txn->io, fd);
	return ok;
}

static bool
to_elsewhere(struct leaving *leaving)
{
	struct qf_work *work = &leaving->fixing->work;
	const struct qf_orphan *orphan = leaving->fixing->orphan;
	const char *entry = work->outcome->entry;
	int parent = work->txn->found, folder = -1;
	bool ok = begin_folder(leaving, parent, entry, &folder) &&
		  qf_fix_write_eml(leaving->fixing, folder);

	for (size_t i = 0; ok && i < orphan->nfiles; i++)
		if (leaves(leaving, i))
			ok = copy_file(leaving, &orphan->files[i], folder);
	ok = end_folder(leaving, parent, entry, entry, folder, ok) && to_trash(leaving);
	if (ok)
		qf_work_end(work, QF_RESULT_DONE, "in %.120s/%s; the originals are in the trash",
			    work->txn->options.lost_found, entry);
	return ok;
}

/* ------------------------------------------------------------------ guard's copy */

/* One name for one body as it is, so that it is copied once. */
static void
name_copy(const struct qf_orphan *orphan, const struct qf_orphan_file *body,
	  char name[QF_ENTRY_MAX])
{
	snprintf(name, QF_ENTRY_MAX, "guard-%s-%llu-%lld", orphan->id,
		 (unsigned long long)body->inode, (long long)body->size);
}

/* Once the body itself is in lost+found, it is no longer needed. */
static void
drop_copy(struct leaving *leaving)
{
	struct qf_work *work = &leaving->fixing->work;
	const struct qf_orphan_file *body = qf_fix_file(leaving->fixing->orphan, QF_KIND_DATA);
	char name[QF_ENTRY_MAX];
	int parent, folder;

	if (leaving->fixing->orphan->cause != QF_CAUSE_QF_EMPTY || !body ||
	    qf_home_folder(work->txn->io, work->place->home, QF_HOME_LOST_FOUND, false, &parent,
			   NULL))
		return;
	name_copy(leaving->fixing->orphan, body, name);
	if (!qf_home_folder(work->txn->io, parent, name, false, &folder, NULL)) {
		qf_remove_folder(work->txn->io, parent, folder, name);
		qf_io_close(work->txn->io, folder);
	}
	qf_io_close(work->txn->io, parent);
}

static bool
copy_aside(struct leaving *leaving, int parent)
{
	struct qf_work *work = &leaving->fixing->work;
	const struct qf_orphan_file *body = qf_fix_file(leaving->fixing->orphan, QF_KIND_DATA);
	char name[QF_ENTRY_MAX], making[QF_ENTRY_MAX + sizeof(QF_FIX_COPY)];
	int folder = -1;
	struct stat st;
	bool ok;

	name_copy(leaving->fixing->orphan, body, name);
	if (qf_io_stat(work->txn->io, parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return qf_work_end(work, QF_RESULT_SKIPPED, "guarded already: %s", name);
	if (!qf_work_begin(work))
		return false;
	snprintf(making, sizeof(making), "%s" QF_FIX_COPY, work->outcome->entry);
	ok = begin_folder(leaving, parent, making, &folder) && copy_file(leaving, body, folder);
	ok = end_folder(leaving, parent, making, name, folder, ok);
	if (ok)
		qf_work_end(work, QF_RESULT_DONE,
			    "a copy of its body is in " QF_HOME_LOST_FOUND "/%s", name);
	return ok;
}

bool
qf_fix_copy_aside(struct qf_fixing *fixing)
{
	struct leaving leaving = {.fixing = fixing, .note = {.fd = -1}};
	const struct qf_orphan_file *body = qf_fix_file(fixing->orphan, QF_KIND_DATA);
	struct qf_work *work = &fixing->work;
	int parent = work->txn->found;
	bool ok;

	if (!body || !qf_fix_as_seen(fixing, body))
		return false;
	if (parent >= 0)
		return copy_aside(&leaving, parent);
	if (!open_lost_found(work, true, &parent))
		return false;
	ok = copy_aside(&leaving, parent);
	qf_io_close(work->txn->io, parent);
	return ok;
}

/* ------------------------------------------------------------------ both */

bool
qf_fix_put_away(struct qf_fixing *fixing, const bool *goes, bool rescue)
{
	struct leaving leaving = {.fixing = fixing, .goes = goes, .note = {.fd = -1}};
	struct qf_work *work = &fixing->work;
	bool ok = take_all(&leaving) && is_still_dead(&leaving) && qf_work_begin(work);

	if (ok)
		ok = !rescue		     ? to_trash(&leaving)
		     : work->txn->found >= 0 ? to_elsewhere(&leaving)
					     : to_lost_found(&leaving);
	if (ok && rescue)
		drop_copy(&leaving);
	while (leaving.ntaken)
		qf_take_release(work->txn->io, &leaving.taken[--leaving.ntaken]);
	return ok;
}
