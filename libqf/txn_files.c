/*
 * txn_files - the files of a message below a queue, as removing it, taking it back and tidying see them.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "txn.h"

/* The files that bear an id beside the control file. */
static const struct {
	const char *prefix;
	enum qf_where where;
	bool rare;
} satellites[] = {
	{"df", QF_IN_DATA, false}, {"xf", QF_IN_TRANSCRIPT, true}, {"tf", QF_IN_CONTROL, true},
};

int
qf_satellite_dir(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, enum qf_where where)
{
	const struct qf_dir *d = qf_queue_dir(txn->queue, dir);

	if (where == QF_IN_TRANSCRIPT)
		return d->transcript_fd;
	if (where == QF_IN_CONTROL)
		return d->control_fd;
	if (!data_dir.p)
		return d->data_fd;
	dir = qf_queue_data_dir(txn->queue, dir, data_dir);
	return dir == SIZE_MAX ? -1 : qf_queue_dir(txn->queue, dir)->data_fd;
}

/* A rename of what is not there holds up the others of the directory; a look does not. */
static bool
is_missing(struct qf_io *io, int dir, const char *name)
{
	struct stat st;

	return qf_io_stat(io, dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
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

/* Move one file if it is there. 0, or -1 and errno. */
int
qf_move_if_there(struct qf_io *io, int from, const char *name, int to)
{
	if (from < 0)
		return 0;
	if (qf_io_rename_new(io, from, name, to, name) == 0)
		return qf_io_fsync(io, to) || qf_io_fsync(io, from) ? -1 : 0;
	if (errno == EXDEV)
		return copy_across(io, from, name, to);
	return errno == ENOENT ? 0 : -1;
}

int
qf_satellites_move(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, const char *id, int to)
{
	char name[QF_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(satellites) / sizeof(*satellites); i++) {
		int from = qf_satellite_dir(txn, dir, data_dir, satellites[i].where);

		snprintf(name, sizeof(name), "%s%s", satellites[i].prefix, id);
		if (satellites[i].rare && is_missing(txn->io, from, name))
			continue;
		if (qf_move_if_there(txn->io, from, name, to) != 0)
			return -1;
	}
	return 0;
}

/* Unlink what bears the id beside the control file; all of it is off the disk at the end. */
int
qf_satellites_remove(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, const char *id)
{
	char name[QF_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(satellites) / sizeof(*satellites); i++) {
		int fd = qf_satellite_dir(txn, dir, data_dir, satellites[i].where);

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

size_t
qf_work_dir(const struct qf_work *work)
{
	return (size_t)(work->place - work->txn->places);
}

bool
qf_work_fail_here(struct qf_work *work, const char *doing)
{
	return qf_work_fail(work, qf_err_sys(&work->err, errno, work->name, doing));
}

/* Another control file of the same id needs the data file as well. */
bool
qf_work_is_only_one(struct qf_work *work)
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
bool
qf_work_data_is_plain(struct qf_work *work)
{
	int dir = qf_satellite_dir(work->txn, qf_work_dir(work), qf_msg_envelope(work->msg)->data_dir,
				QF_IN_DATA);
	char data[QF_NAME_MAX + 2];
	struct stat st;

	snprintf(data, sizeof(data), "df%s", work->id);
	if (dir < 0 || qf_io_stat(work->txn->io, dir, data, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    S_ISREG(st.st_mode))
		return true; /* what cannot be looked at is told when it is to be moved */
	return qf_work_end(work, QF_RESULT_DENIED, "%s: not a regular file", data);
}

/* Has the queue got a control file of this id (again)? */
bool
qf_id_in_queue(struct qf_io *io, const struct qf_dir *dir, const char *id)
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

/* ------------------------------------------------------------------ folders of our own */

/* Call for each name in a folder but . and .. */
enum qf_code
qf_each_name(struct qf_io *io, int folder, bool (*take)(void *ctx, const char *name), void *ctx,
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

bool
qf_note_content(void *ctx, const char *name)
{
	struct qf_contents *contents = ctx;
	size_t n = strlen(name);

	contents->names++;
	contents->data |= qf_name_kind(name, n) == QF_KIND_DATA;
	if (n < QF_NAME_MAX && qf_kind_is_control(qf_name_kind(name, n)))
		memcpy(contents->control, name, n + 1);
	return true;
}

struct folder {
	struct qf_io *io;
	int fd;
};

static bool
unlink_name(void *ctx, const char *name)
{
	struct folder *folder = ctx;

	qf_io_unlink(folder->io, folder->fd, name, 0);
	return true;
}

/* With all that is in it. What fails is done by the next change. */
void
qf_remove_folder(struct qf_io *io, int parent, int fd, const char *name)
{
	struct folder folder = {io, fd};

	if (!qf_each_name(io, fd, unlink_name, &folder, NULL))
		qf_io_unlink(io, parent, name, AT_REMOVEDIR);
}

/* A control file in a folder of ours, for the data directory that it names. */
struct qf_msg *
qf_read_control(struct qf_io *io, int folder, const char *name)
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
