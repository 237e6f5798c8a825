/*
 * load - read one message from its queue.
 *
 * Nothing but regular files is opened: a FIFO must not hang us, a device must not be touched.
 * A symbolic link to a regular file is followed, as sendmail does, and only for reading.
 * BUGS: between the look at a link and its opening it can be made to point elsewhere; O_NONBLOCK
 * keeps that from hanging.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "load.h"

/* "directory" + "/qf" where split + "/" + prefix + id, in the message's arena. */
static struct qf_slice
make_path(struct qf_msg *msg, const char *directory, const char *sub, const char *prefix,
	  struct qf_slice id)
{
	size_t nd = strlen(directory), ns = strlen(sub), np = strlen(prefix);
	char *path = qf_arena_alloc(&msg->arena, nd + ns + np + id.n + 2);
	char *at = path;

	if (!path) {
		msg->nomem = true;
		return (struct qf_slice){NULL, 0};
	}
	memcpy(at, directory, nd);
	at += nd;
	memcpy(at, sub, ns);
	at += ns;
	*at++ = '/';
	memcpy(at, prefix, np);
	at += np;
	memcpy(at, id.p, id.n);
	at += id.n;
	*at = '\0';
	return (struct qf_slice){path, (size_t)(at - path)};
}

void
qf_load_name(const struct qf_loader *loader, size_t dir, const char *name, size_t n,
	     struct qf_msg *msg)
{
	const struct qf_dir *d = qf_queue_dir(loader->queue, dir);
	struct qf_files *files = &msg->files;
	struct qf_slice whole = {name, n};

	files->name = qf_arena_copy(&msg->arena, whole);
	if (!files->name.p) {
		msg->nomem = true;
		return;
	}
	files->kind = qf_name_kind(name, n);
	files->id.p = files->name.p + 2;
	files->id.n = n - 2;
	files->dir = dir;
	files->queue = (struct qf_slice){d->path, strlen(d->path)};
	files->path = make_path(msg, d->path, d->split_qf ? "/qf" : "", "", files->name);
	files->data_size = -2;
}

static void
set_stat(const struct qf_loader *loader, struct qf_msg *msg, const struct stat *st)
{
	const struct qf_policy *policy = qf_queue_policy(loader->queue);
	struct qf_files *files = &msg->files;
	uint32_t forbidden = S_IWOTH | (policy->queue_file_mode & S_IWGRP ? 0 : S_IWGRP);
	char detail[64];

	files->have_stat = true;
	files->inode = st->st_ino;
	files->mode = st->st_mode & 07777;
	files->uid = st->st_uid;
	files->gid = st->st_gid;
	files->links = st->st_nlink;
	files->device = st->st_dev;
	files->control_size = st->st_size;
	files->mtime = st->st_mtime;
	files->ctime = st->st_ctime;
	files->ctime_nsec = (uint32_t)st->st_ctim.tv_nsec;
	if (files->mode & forbidden) {
		snprintf(detail, sizeof(detail), "mode %04o", files->mode);
		qf_msg_find_detail(msg, QF_F_UNSAFE_MODE, 0, 0, detail);
	}
	/* A root daemon takes any owner, but refuses it programs and files. */
	if (files->uid != 0 && files->uid != policy->trusted_uid) {
		snprintf(detail, sizeof(detail), "uid %u", (unsigned)files->uid);
		qf_msg_find_detail(msg, QF_F_UNSAFE_OWNER, 0, 0, detail);
	}
}

/* Is it a regular file, or a link to one? Costs a stat only where the listing does not tell. */
static enum qf_code
check_type(struct qf_loader *loader, const struct qf_dir *d, const char *name, unsigned char type,
	   struct qf_msg *msg, bool *link)
{
	struct stat st;

	*link = type == DT_LNK;
	if (type == DT_REG)
		return QF_OK;
	if (type == DT_UNKNOWN) {
		if (qf_io_stat(loader->io, d->control_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return errno == ENOENT || errno == ESTALE ? QF_E_GONE : QF_OK;
		*link = S_ISLNK(st.st_mode);
		if (S_ISREG(st.st_mode))
			return QF_OK;
	}
	if (*link && qf_io_stat(loader->io, d->control_fd, name, &st, 0) == 0 &&
	    S_ISREG(st.st_mode))
		return QF_OK;
	qf_msg_find(msg, QF_F_NOT_REGULAR, 0, 0);
	return QF_OK;
}

static int
open_control(struct qf_loader *loader, const struct qf_dir *d, const char *name, bool link)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (link ? 0 : O_NOFOLLOW);
	int fd;

	/* Looking leaves no trace: not even an access time, where the system lets us. */
	fd = qf_io_open(loader->io, d->control_fd, name,
			flags | (loader->noatime ? O_NOATIME : 0));
	if (fd < 0 && errno == EPERM && loader->noatime) {
		loader->noatime = false;
		fd = qf_io_open(loader->io, d->control_fd, name, flags);
	}
	return fd;
}

/* The file's bytes into the arena: one read where it is small. */
static enum qf_code
read_control(struct qf_loader *loader, int fd, struct qf_msg *msg, struct qf_slice *bytes,
	     int *failure)
{
	struct qf_buf more = {0};
	ssize_t n = qf_io_read(loader->io, fd, loader->scratch, QF_READ_SIZE);
	enum qf_code code = QF_OK;
	bool asked = !loader->large;

	*failure = 0;
	if (n < 0) {
		*failure = errno;
		return QF_OK;
	}
	*bytes = (struct qf_slice){loader->scratch, (size_t)n};
	if ((size_t)n == QF_READ_SIZE) {
		qf_buf_add(&more, loader->scratch, QF_READ_SIZE);
		while (n > 0 && more.n <= QF_CONTROL_MAX && !more.failed) {
			char *room;

			if (!asked && more.n >= QF_LARGE_SIZE) {
				if (!loader->large(loader->ctx)) {
					qf_buf_release(&more);
					return QF_E_GONE;
				}
				asked = true;
			}
			room = qf_buf_room(&more, more.n);
			if (!room)
				break;
			n = qf_io_read(loader->io, fd, room, more.n);
			if (n > 0)
				more.n += (size_t)n;
		}
		if (n < 0)
			*failure = errno;
		if (more.n > QF_CONTROL_MAX) {
			more.n = QF_CONTROL_MAX;
			qf_msg_find(msg, QF_F_TOO_LARGE, 0, 0);
		}
		*bytes = (struct qf_slice){more.p, more.n};
	}
	*bytes = more.failed ? (struct qf_slice){NULL, 0} : qf_arena_copy(&msg->arena, *bytes);
	if (!bytes->p)
		code = QF_E_NOMEM;
	qf_buf_release(&more);
	return code;
}

static void
find_unreadable(struct qf_msg *msg, int failure)
{
	char text[128];

	qf_msg_find_detail(msg, QF_F_UNREADABLE, 0, 0,
			   strerror_r(failure, text, sizeof(text)));
}

static struct qf_slice
data_path(const struct qf_loader *loader, struct qf_msg *msg, size_t dir)
{
	const struct qf_dir *d = qf_queue_dir(loader->queue, dir);

	return make_path(msg, d->path, d->split_df ? "/df" : "", "df", msg->files.id);
}

static bool
is_absence(int failure)
{
	return failure == ENOENT || failure == ESTALE || failure == ELOOP;
}

/* Size of the data file in a directory; -1 where there is none, -2 where nobody can tell. */
static int64_t
data_size(struct qf_loader *loader, const struct qf_msg *msg, size_t dir)
{
	const struct qf_slice id = msg->files.id;
	char name[3 + QF_NAME_MAX] = "df";
	struct stat st;

	if (id.n > QF_NAME_MAX)
		return -1;
	memcpy(name + 2, id.p, id.n + 1);
	if (qf_io_stat(loader->io, qf_queue_dir(loader->queue, dir)->data_fd, name, &st, 0) != 0)
		return is_absence(errno) ? -1 : -2;
	return S_ISREG(st.st_mode) ? st.st_size : -1;
}

/* Has the control file left since it was read? */
static bool
is_gone(struct qf_loader *loader, const struct qf_msg *msg)
{
	const struct qf_dir *d = qf_queue_dir(loader->queue, msg->files.dir);
	struct stat st;

	return qf_io_stat(loader->io, d->control_fd, msg->files.name.p, &st,
			  AT_SYMLINK_NOFOLLOW) != 0 && is_absence(errno);
}

size_t
qf_load_data_name(const struct qf_loader *loader, struct qf_msg *msg)
{
	size_t dir = msg->files.dir;

	if (msg->envelope.data_dir.p)
		dir = qf_queue_data_dir(loader->queue, dir, msg->envelope.data_dir);
	if (dir != SIZE_MAX)
		msg->files.data_path = data_path(loader, msg, dir);
	return dir;
}

/* Where its data file is, and how large. QF_E_GONE: delivered meanwhile. */
static enum qf_code
look_at_data(struct qf_loader *loader, struct qf_msg *msg)
{
	struct qf_files *files = &msg->files;
	size_t dir = qf_load_data_name(loader, msg);

	if (dir == SIZE_MAX) {
		qf_msg_find(msg, QF_F_UNKNOWN_DIRECTORY, 0, 0);
		return QF_OK;
	}
	if (!(loader->needs & QF_NEED_DATA))
		return QF_OK;
	files->data_size = data_size(loader, msg, dir);
	if (files->data_size != -1 || !msg->bytes.n)
		return QF_OK;
	/* The data file goes first when a message is done, and the control file with its lock after
	   that: no reason to cry. */
	if (is_gone(loader, msg))
		return QF_E_GONE;
	if (!files->have_busy || files->busy != QF_YES)
		qf_msg_find(msg, QF_F_NO_DATA, 0, 0);
	return QF_OK;
}

/*
 * Unparsed bytes are all that is wanted: the data file is looked for where it mostly is, and only
 * where it is not there does the file have to be understood, for its d line.
 */
static enum qf_code
finish_raw(struct qf_loader *loader, struct qf_msg *msg, struct qf_slice bytes,
	   struct qf_err *err)
{
	enum qf_code code = QF_OK;

	msg->bytes = bytes;
	if (!(loader->needs & QF_NEED_DATA))
		return QF_OK;
	msg->files.data_size = data_size(loader, msg, msg->files.dir);
	if (msg->files.data_size < 0) {
		code = qf_msg_interpret(msg, bytes, true, err);
		if (code == QF_OK)
			code = look_at_data(loader, msg);
	}
	return code;
}

enum qf_code
qf_load(struct qf_loader *loader, size_t dir, const char *name, size_t n, unsigned char type,
	uint64_t inode, struct qf_msg *msg, struct qf_err *err)
{
	const struct qf_dir *d = qf_queue_dir(loader->queue, dir);
	struct qf_slice bytes = {"", 0};
	enum qf_code code;
	struct stat st;
	bool link;
	int fd, failure = 0;

	qf_load_name(loader, dir, name, n, msg);
	msg->files.inode = inode;
	code = check_type(loader, d, name, type, msg, &link);
	if (code || msg->ndiagnostics || msg->nomem)
		return msg->nomem ? qf_err_nomem(err) : code;
	fd = open_control(loader, d, name, link);
	if (fd < 0) {
		if (errno == ENOENT || errno == ESTALE)
			return QF_E_GONE;
		if (errno == ELOOP)
			qf_msg_find(msg, QF_F_NOT_REGULAR, 0, 0);
		else
			find_unreadable(msg, errno);
		return QF_OK;
	}
	/* A link's own inode is not that of the file the lock is on. */
	if (((loader->needs & QF_NEED_STAT) || link || inode == 0) &&
	    qf_io_fstat(loader->io, fd, &st) == 0) {
		msg->files.inode = st.st_ino;
		if (loader->needs & QF_NEED_STAT)
			set_stat(loader, msg, &st);
	}
	code = read_control(loader, fd, msg, &bytes, &failure);
	if (code == QF_OK && loader->locks) {
		msg->files.busy = qf_locks_ask(loader->locks, loader->io, fd, d->device,
					       msg->files.inode, loader->sight[dir]);
		msg->files.have_busy = true;
	}
	qf_io_close(loader->io, fd);
	if (code)
		return code == QF_E_GONE ? code : qf_err_nomem(err);
	if (failure == ESTALE)
		return QF_E_GONE;
	if (failure) {
		find_unreadable(msg, failure);
		return QF_OK;
	}
	if (loader->raw) {
		code = finish_raw(loader, msg, bytes, err);
	} else {
		code = qf_msg_interpret(msg, bytes, !(loader->needs & QF_NEED_HEADERS), err);
		if (code == QF_OK)
			code = look_at_data(loader, msg);
	}
	return msg->nomem ? qf_err_nomem(err) : code;
}

enum qf_lock_sight *
qf_load_sights(const struct qf_queue *queue)
{
	size_t n = qf_queue_ndirs(queue);
	enum qf_lock_sight *sees = calloc(n ? n : 1, sizeof(*sees));

	for (size_t i = 0; sees && i < n; i++)
		if (!qf_queue_dir(queue, i)->trouble)
			sees[i] = qf_locks_sight(qf_queue_dir(queue, i)->control_fd);
	return sees;
}

enum qf_code
qf_msg_read(const char *path, struct qf_msg **out, struct qf_err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct qf_io io;
	struct qf_loader loader = {.io = &io};
	struct qf_msg *msg = NULL;
	struct qf_slice bytes = {"", 0};
	enum qf_code code;
	struct stat st;
	int fd, failure = 0;

	qf_io_init(&io, NULL, 0);
	fd = qf_io_open(&io, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return qf_err_sys(err, errno, path, "cannot open");
	msg = qf_msg_new();
	loader.scratch = malloc(QF_READ_SIZE);
	if (!msg || !loader.scratch) {
		code = qf_err_nomem(err);
		goto out;
	}
	msg->files.kind = qf_name_kind(name, strlen(name));
	if (!qf_kind_is_control(msg->files.kind))
		msg->files.kind = QF_KIND_QUEUED;
	msg->files.data_size = -2;
	if (qf_io_fstat(&io, fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		qf_msg_find(msg, QF_F_NOT_REGULAR, 0, 0);
		code = QF_OK;
		goto out;
	}
	code = read_control(&loader, fd, msg, &bytes, &failure);
	if (code)
		qf_err_nomem(err);
	else if (failure)
		code = qf_err_sys(err, failure, path, "cannot read");
	else
		code = qf_msg_interpret(msg, bytes, false, err);
out:
	qf_io_close(&io, fd);
	free(loader.scratch);
	if (code)
		qf_msg_free(msg);
	else
		*out = msg;
	return code;
}
