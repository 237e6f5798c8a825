/*
 * txn_trash - remove and purge; what an interrupted removal left; expiry of the trash.
 *
 * remove  1. .qf/trash/ENTRY.part is made
 *         2. the control file goes there: from here on the message is out of the queue
 *         3. the data file follows, then what else bears the id (transcript, stale tf)
 *         4. ENTRY.part becomes ENTRY
 * purge   1. the control file goes to .qf/stage/ENTRY+NAME: from here on the message is out
 *         2. the data file and what else bears the id are removed, and that is synced
 *         3. the control file is removed
 * Of a purge that was interrupted the staged control file tells what is still to be removed.
 * The control file leaves first: sendmail delivers one whose data file is gone as a message
 * with an empty body, while a lone data file does nothing. A folder still called .part says that
 * it is not finished; the next change finishes it, unless the lock on its control file tells that
 * somebody is at it.
 */
#include <errno.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "txn.h"

#define PART ".part"
/* Between the entry and the name of a control file that is being purged; in neither of them. */
#define PURGED '+'
/* An empty folder younger than this may be one that a removal has just made. */
#define EMPTY_GRACE 3600

/* The files that bear an id beside the control file, and in which directory of the three. */
enum where { IN_DATA, IN_TRANSCRIPT, IN_CONTROL };
static const struct {
	const char *prefix;
	enum where where;
	bool rare;
} satellites[] = {
	{"df", IN_DATA, false}, {"xf", IN_TRANSCRIPT, true}, {"tf", IN_CONTROL, true},
};

static int
satellite_dir(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, enum where where)
{
	const struct qf_dir *d = qf_queue_dir(txn->queue, dir);

	if (where == IN_TRANSCRIPT)
		return d->transcript_fd;
	if (where == IN_CONTROL)
		return d->control_fd;
	if (!data_dir.p)
		return d->data_fd;
	dir = qf_queue_data_dir(txn->queue, dir, data_dir);
	return dir == SIZE_MAX ? -1 : qf_queue_dir(txn->queue, dir)->data_fd;
}

/* Copy to another file system: all there and synced before the original goes. */
static int
copy_across(struct qf_io *io, int from, const char *name, int to)
{
	char bytes[65536];
	int in = qf_io_open(io, from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int out = in < 0 ? -1
			 : qf_io_create(io, to, name, O_WRONLY | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
					0600);
	int failure = out < 0 ? errno : 0;
	ssize_t n = 0;

	while (!failure && (n = qf_io_read(io, in, bytes, sizeof(bytes))) > 0)
		if (qf_io_write(io, out, bytes, (size_t)n) != 0)
			failure = errno;
	if (!failure && n < 0)
		failure = errno;
	if (!failure && (qf_io_fsync(io, out) != 0 || qf_io_fsync(io, to) != 0))
		failure = errno;
	if (failure && out >= 0)
		qf_io_unlink(io, to, name, 0);
	if (!failure && qf_io_unlink(io, from, name, 0) != 0)
		failure = errno;
	if (in >= 0)
		qf_io_close(io, in);
	if (out >= 0)
		qf_io_close(io, out);
	errno = failure;
	return failure ? -1 : 0;
}

/* A rename of what is not there holds up the others of the directory; a look does not. */
static bool
is_missing(struct qf_io *io, int dir, const char *name)
{
	struct stat st;

	return qf_io_stat(io, dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

/* Move one file if it is there. 0, or -1 and errno. */
static int
move_if_there(struct qf_io *io, int from, const char *name, int to)
{
	if (from < 0)
		return 0;
	if (qf_io_rename_new(io, from, name, to, name) == 0)
		return qf_io_fsync(io, to) || qf_io_fsync(io, from) ? -1 : 0;
	if (errno == EXDEV)
		return copy_across(io, from, name, to);
	return errno == ENOENT ? 0 : -1;
}

static int
move_satellites(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, const char *id, int to)
{
	char name[QF_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(satellites) / sizeof(*satellites); i++) {
		int from = satellite_dir(txn, dir, data_dir, satellites[i].where);

		snprintf(name, sizeof(name), "%s%s", satellites[i].prefix, id);
		if (satellites[i].rare && is_missing(txn->io, from, name))
			continue;
		if (move_if_there(txn->io, from, name, to) != 0)
			return -1;
	}
	return 0;
}

static size_t
index_of(const struct qf_work *work)
{
	return (size_t)(work->place - work->txn->places);
}

static bool
fail_here(struct qf_work *work, const char *doing)
{
	return qf_work_fail(work, qf_err_sys(&work->err, errno, work->name, doing));
}

/* Steps 2 to 4; the folder is open. */
static bool
move_message(struct qf_work *work, const char *part, int folder)
{
	struct qf_io *io = work->txn->io;
	int control = work->dir->control_fd, trash = work->place->trash;

	if (qf_io_rename_new(io, control, work->name, folder, work->name) != 0)
		return fail_here(work, "cannot move it into the trash");
	if (qf_io_fsync(io, folder) != 0 || qf_io_fsync(io, control) != 0)
		return fail_here(work, "out of the queue, but not known to be on disk: cannot sync");
	if (move_satellites(work->txn, index_of(work), qf_msg_envelope(work->msg)->data_dir,
			    work->id, folder) != 0)
		return fail_here(work, "out of the queue, but its data file is still there: cannot "
				       "move it into the trash");
	if (qf_io_rename_new(io, trash, part, trash, work->outcome->entry) != 0 ||
	    qf_io_fsync(io, trash) != 0)
		return fail_here(work, "in the trash, but the entry is not closed");
	return true;
}

/* Another control file of the same id needs the data file as well. */
static bool
is_only_one(struct qf_work *work)
{
	static const char *const prefixes[] = {"qf", "hf", "Qf"};
	char name[QF_NAME_MAX];
	struct stat st;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		snprintf(name, sizeof(name), "%s%s", prefixes[i], work->id);
		if (strcmp(name, work->name) != 0 &&
		    qf_io_stat(work->txn->io, work->dir->control_fd, name, &st,
			       AT_SYMLINK_NOFOLLOW) == 0)
			return qf_work_end(work, QF_RESULT_SKIPPED,
					   "%s is there too; see qf orphans", name);
	}
	return true;
}

/* A link would be moved, or removed, in place of what it leads to: that is nothing of a queue's. */
static bool
data_is_plain(struct qf_work *work)
{
	int dir = satellite_dir(work->txn, index_of(work), qf_msg_envelope(work->msg)->data_dir,
				IN_DATA);
	char data[QF_NAME_MAX + 2];
	struct stat st;

	snprintf(data, sizeof(data), "df%s", work->id);
	if (dir < 0 || qf_io_stat(work->txn->io, dir, data, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    S_ISREG(st.st_mode))
		return true; /* what cannot be looked at is told when it is to be moved */
	return qf_work_end(work, QF_RESULT_DENIED, "%s: not a regular file", data);
}

bool
qf_txn_remove(struct qf_work *work)
{
	struct qf_io *io = work->txn->io;
	char part[QF_ENTRY_MAX + sizeof(PART)];
	enum qf_code code;
	int folder;
	bool ok;

	if (!is_only_one(work) || !data_is_plain(work) || !qf_work_begin(work))
		return false;
	snprintf(part, sizeof(part), "%s" PART, work->outcome->entry);
	code = qf_home_new_folder(io, work->place->trash, part, &folder, &work->err);
	if (code)
		return qf_work_fail(work, code);
	ok = move_message(work, part, folder);
	qf_io_close(io, folder);
	if (!ok) /* goes only if it is still empty */
		qf_io_unlink(io, work->place->trash, part, AT_REMOVEDIR);
	return ok;
}

/* Unlink what bears the id beside the control file; all of it is off the disk at the end. */
static int
remove_satellites(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, const char *id)
{
	char name[QF_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(satellites) / sizeof(*satellites); i++) {
		int fd = satellite_dir(txn, dir, data_dir, satellites[i].where);

		snprintf(name, sizeof(name), "%s%s", satellites[i].prefix, id);
		if (fd < 0 || (satellites[i].rare && is_missing(txn->io, fd, name)))
			continue;
		if (qf_io_unlink(txn->io, fd, name, 0) != 0) {
			if (errno != ENOENT)
				return -1;
		} else if (qf_io_fsync(txn->io, fd) != 0) {
			return -1;
		}
	}
	return 0;
}

bool
qf_txn_purge(struct qf_work *work)
{
	struct qf_io *io = work->txn->io;
	int control = work->dir->control_fd, stage = work->place->stage;
	char staged[QF_ENTRY_MAX + QF_NAME_MAX + 1];

	if (!is_only_one(work) || !data_is_plain(work) || !qf_work_begin(work))
		return false;
	snprintf(staged, sizeof(staged), "%s%c%s", work->outcome->entry, PURGED, work->name);
	if (qf_io_rename_new(io, control, work->name, stage, staged) != 0)
		return fail_here(work, "cannot remove it");
	if (qf_io_fsync(io, stage) != 0 || qf_io_fsync(io, control) != 0)
		return fail_here(work, "removed, but not known to be on disk: cannot sync");
	if (remove_satellites(work->txn, index_of(work), qf_msg_envelope(work->msg)->data_dir,
			      work->id) != 0)
		return fail_here(work, "out of the queue, but its data file is still there");
	if (qf_io_unlink(io, stage, staged, 0) != 0)
		return fail_here(work, "out of the queue, but its control file is still staged");
	return true;
}

/* Call for each name in a folder but . and .. */
static enum qf_code
each_name(struct qf_io *io, int folder, bool (*take)(void *ctx, const char *name), void *ctx,
	  struct qf_err *err)
{
	int fd = qf_io_open(io, folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int failure = 0;

	if (!dir) {
		failure = errno;
		if (fd >= 0)
			qf_io_close(io, fd);
		return qf_err_sys(err, failure, ".qf", "cannot list");
	}
	while ((errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    !take(ctx, entry->d_name))
			break;
	failure = errno;
	closedir(dir);
	return failure ? qf_err_sys(err, failure, ".qf", "cannot list") : QF_OK;
}

/* ------------------------------------------------------------------ back from the trash */

/* What of a message lies in a folder of the trash: the name of its control file. */
struct contents {
	char control[QF_NAME_MAX];
	size_t names;
	bool data; /* a data file */
};

static bool
note_control(void *ctx, const char *name)
{
	struct contents *contents = ctx;
	size_t n = strlen(name);

	contents->names++;
	contents->data |= qf_name_kind(name, n) == QF_KIND_DATA;
	if (n < QF_NAME_MAX && qf_kind_is_control(qf_name_kind(name, n)))
		memcpy(contents->control, name, n + 1);
	return true;
}

/* Has the queue got a control file of this id (again)? */
static bool
in_queue(struct qf_io *io, const struct qf_dir *dir, const char *id)
{
	static const char *const prefixes[] = {"qf", "hf", "Qf"};
	char name[QF_NAME_MAX + 2];
	struct stat st;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		snprintf(name, sizeof(name), "%s%s", prefixes[i], id);
		if (qf_io_stat(io, dir->control_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

/*
 * The way back: the folder becomes .part again, so that an interruption ends in the trash; the
 * data file first, the control file last, for with it the message is in the queue.
 */
static bool
move_back(struct qf_work *work, const char *entry, int folder)
{
	struct qf_io *io = work->txn->io;
	char part[QF_ENTRY_MAX + sizeof(PART)], data[QF_NAME_MAX + 2];
	int control = work->dir->control_fd, trash = work->place->trash;
	int data_fd = satellite_dir(work->txn, index_of(work),
				    qf_msg_envelope(work->msg)->data_dir, IN_DATA);

	snprintf(part, sizeof(part), "%s" PART, entry);
	snprintf(data, sizeof(data), "df%s", work->id);
	if (qf_io_rename_new(io, trash, entry, trash, part) != 0 || qf_io_fsync(io, trash) != 0)
		return fail_here(work, "cannot open its entry in the trash");
	if (move_if_there(io, folder, data, data_fd) != 0)
		return fail_here(work, "cannot bring its data file back");
	if (qf_io_rename_new(io, folder, work->name, control, work->name) != 0)
		return fail_here(work, "cannot bring it back");
	if (qf_io_fsync(io, control) != 0 || qf_io_fsync(io, folder) != 0)
		return fail_here(work, "back in the queue, but not known to be on disk");
	/* A transcript or a stale tf is not wanted back; it expires with the trash. */
	if (qf_io_unlink(io, trash, part, AT_REMOVEDIR) != 0)
		qf_io_rename_new(io, trash, part, trash, entry);
	qf_io_fsync(io, trash); /* else the next change does this again */
	return true;
}

/* The folder of an entry is open, and its control file is locked and read. */
static bool
restore_locked(struct qf_work *work, const char *entry, int folder)
{
	char data[QF_NAME_MAX + 2];
	struct stat st;
	int data_fd = satellite_dir(work->txn, index_of(work),
				    qf_msg_envelope(work->msg)->data_dir, IN_DATA);

	snprintf(data, sizeof(data), "df%s", work->id);
	if (data_fd < 0)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the directory of its data file is none of this queue's");
	/* sendmail would deliver it with an empty body. */
	if (qf_io_stat(work->txn->io, folder, data, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return qf_work_end(work, QF_RESULT_SKIPPED, "the trash has no data file of it");
	if (!S_ISREG(st.st_mode))
		return qf_work_end(work, QF_RESULT_DENIED, "%s: not a regular file", data);
	if (in_queue(work->txn->io, work->dir, work->id))
		return qf_work_end(work, QF_RESULT_SKIPPED, "the queue has a message of that id");
	if (qf_io_stat(work->txn->io, data_fd, data, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the queue has a data file of that id; see qf orphans");
	return qf_work_begin(work) && move_back(work, entry, folder);
}

bool
qf_txn_restore(struct qf_work *work, const char *entry)
{
	struct contents contents = {0};
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
	code = each_name(work->txn->io, folder, note_control, &contents, &work->err);
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

/* ------------------------------------------------------------------ tidying */

struct tidy {
	struct qf_txn *txn;
	struct qf_place *place;
	size_t dir;
	struct contents contents;  /* of the folder in hand */
	int folder;
};

static bool
unlink_name(void *ctx, const char *name)
{
	struct tidy *tidy = ctx;

	qf_io_unlink(tidy->txn->io, tidy->folder, name, 0);
	return true;
}

/* A control file in a folder of ours, for the data directory that it names. */
static struct qf_msg *
read_control(struct qf_io *io, int folder, const char *name)
{
	struct qf_msg *msg = NULL;
	struct qf_buf bytes = {0};
	ssize_t n = 1;
	int fd = qf_io_open(io, folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	while (fd >= 0 && n > 0 && bytes.n <= QF_CONTROL_MAX) {
		char *room = qf_buf_room(&bytes, 65536);

		n = room ? qf_io_read(io, fd, room, 65536) : -1;
		if (n > 0)
			bytes.n += (size_t)n;
	}
	if (fd >= 0)
		qf_io_close(io, fd);
	if (fd >= 0 && n == 0)
		qf_msg_parse((struct qf_slice){bytes.p, bytes.n}, NULL, &msg, NULL);
	qf_buf_release(&bytes);
	return msg;
}

/* Step 2 of a purge; the control file is staged under this name. */
static bool
finish_purge(struct tidy *tidy, const char *staged)
{
	const char *name = strchr(staged, PURGED) + 1;
	struct qf_msg *msg;
	bool ok = false;

	if (strlen(name) >= QF_NAME_MAX || !qf_kind_is_control(qf_name_kind(name, strlen(name))))
		return false;
	msg = read_control(tidy->txn->io, tidy->place->stage, staged);
	if (msg)
		ok = in_queue(tidy->txn->io, qf_queue_dir(tidy->txn->queue, tidy->dir), name + 2) ||
		     remove_satellites(tidy->txn, tidy->dir, qf_msg_envelope(msg)->data_dir,
				       name + 2) == 0;
	qf_msg_free(msg);
	return ok;
}

/* A staged file is somebody's as long as it is locked. */
static bool
tidy_staged(void *ctx, const char *name)
{
	struct tidy *tidy = ctx;
	struct qf_taken taken;

	if (qf_take(tidy->txn->io, tidy->place->stage, name, tidy->place->kinds, &taken, NULL))
		return true;
	if (!strchr(name, PURGED) || finish_purge(tidy, name))
		qf_io_unlink(tidy->txn->io, tidy->place->stage, name, 0);
	qf_take_release(tidy->txn->io, &taken);
	return true;
}

/* Step 4 of a removal. */
static bool
close_entry(const struct tidy *tidy, const char *part)
{
	int trash = tidy->place->trash;
	char entry[QF_ENTRY_MAX];
	size_t n = strlen(part) - strlen(PART);

	if (n >= sizeof(entry))
		return false;
	snprintf(entry, sizeof(entry), "%.*s", (int)n, part);
	return qf_io_rename_new(tidy->txn->io, trash, part, trash, entry) == 0 &&
	       qf_io_fsync(tidy->txn->io, trash) == 0;
}

/* Finish a removal: steps 3 and 4. False where somebody is at it, or it cannot be done now. */
static bool
finish(struct tidy *tidy, const char *part)
{
	struct qf_io *io = tidy->txn->io;
	struct qf_taken taken;
	struct qf_msg *msg;
	bool ok = false;

	if (qf_take(io, tidy->folder, tidy->contents.control, tidy->place->kinds, &taken, NULL))
		return false;
	msg = read_control(io, tidy->folder, tidy->contents.control);
	if (msg)
		/* A message of that id in the queue: then its data file is not ours to take. */
		ok = in_queue(io, qf_queue_dir(tidy->txn->queue, tidy->dir),
			      tidy->contents.control + 2) ||
		     move_satellites(tidy->txn, tidy->dir, qf_msg_envelope(msg)->data_dir,
				     tidy->contents.control + 2, tidy->folder) == 0;
	if (ok)
		ok = close_entry(tidy, part);
	qf_msg_free(msg);
	qf_take_release(io, &taken);
	return ok;
}

/* Entries begin with their time: 20261122T122733Z. */
static bool
is_expired(const struct tidy *tidy, const char *name)
{
	char text[QF_TIME_TEXT];
	int64_t when;

	if (strlen(name) < 16 || tidy->txn->options.keep < 0)
		return false;
	snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", name, name + 4, name + 6,
		 name + 9, name + 11, name + 13);
	return qf_time_parse((struct qf_slice){text, strlen(text)}, &when) &&
	       qf_time_between(when, tidy->txn->options.now) > tidy->txn->options.keep;
}

/* An entry whose time is over, unless somebody is about to take it back. The control file goes first:
   without its data file it must not come back. */
static void
expire(struct tidy *tidy, const char *name)
{
	struct qf_io *io = tidy->txn->io;
	const char *control = tidy->contents.control;
	struct qf_taken taken = {.fd = -1};

	if (*control && (qf_take(io, tidy->folder, control, tidy->place->kinds, &taken, NULL) ||
			 qf_io_unlink(io, tidy->folder, control, 0) != 0)) {
		qf_take_release(io, &taken);
		return;
	}
	if (!each_name(io, tidy->folder, unlink_name, tidy, NULL))
		qf_io_unlink(io, tidy->place->trash, name, AT_REMOVEDIR);
	qf_take_release(io, &taken);
}

static bool
tidy_entry(void *ctx, const char *name)
{
	struct tidy *tidy = ctx;
	struct qf_io *io = tidy->txn->io;
	size_t n = strlen(name);
	bool part = n > sizeof(PART) && strcmp(name + n - strlen(PART), PART) == 0;
	bool expired = !part && is_expired(tidy, name);
	struct stat st;

	if ((!part && !expired) ||
	    qf_home_folder(io, tidy->place->trash, name, false, &tidy->folder, NULL))
		return true;
	tidy->contents = (struct contents){0};
	if (each_name(io, tidy->folder, note_control, &tidy->contents, NULL)) {
		/* What cannot be listed stays. */
	} else if (expired) {
		expire(tidy, name);
	} else {
		if (tidy->contents.control[0])
			finish(tidy, name);
		else if (tidy->contents.names > 0 && !tidy->contents.data)
			close_entry(tidy, name); /* the rest of an undo: it may expire */
		else if (tidy->contents.names == 0 && qf_io_fstat(io, tidy->folder, &st) == 0 &&
			 qf_time_between(st.st_mtime, (int64_t)time(NULL)) > EMPTY_GRACE)
			qf_io_unlink(io, tidy->place->trash, name, AT_REMOVEDIR);
	}
	qf_io_close(io, tidy->folder);
	return true;
}

enum qf_code
qf_txn_tidy(struct qf_txn *txn, size_t dir, struct qf_err *err)
{
	struct tidy tidy = {.txn = txn, .place = &txn->places[dir], .dir = dir};
	enum qf_code code = each_name(txn->io, tidy.place->stage, tidy_staged, &tidy, err);

	return code ? code : each_name(txn->io, tidy.place->trash, tidy_entry, &tidy, err);
}
