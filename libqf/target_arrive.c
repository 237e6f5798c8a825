/*
 * target_arrive - the steps by which a message arrives.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "layout.h"
#include "target.h"

#define CREATE_FLAGS (O_RDWR | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY)

/* RUN.N-qfID, and the same with df. */
void
qf_arrival_staged(const struct qf_arrival *arrival, char control[QF_STAGED_MAX],
		  char data[QF_STAGED_MAX])
{
	const char *slash = strrchr(arrival->key, '/');
	int n = slash ? (int)(slash - arrival->key) : 0;

	snprintf(control, QF_STAGED_MAX, "%.*s-%s", n, arrival->key, slash ? slash + 1 : "");
	snprintf(data, QF_STAGED_MAX, ".%.*s-df%s", n, arrival->key, slash ? slash + 3 : "");
}

/* The folder it is staged in: open from qf_arrive_stage(), qf_arrive_is_staged() on. */
static int
incoming_of(const struct qf_target *target, const struct qf_arrival *arrival)
{
	return target->dirs[arrival->dir].incoming[arrival->lane];
}

/* Where the data file is staged, and under which name. */
static int
data_place(const struct qf_target *target, const struct qf_arrival *arrival,
	   char name[QF_STAGED_MAX])
{
	const struct qf_target_dir *dir = &target->dirs[arrival->dir];
	char control[QF_STAGED_MAX], data[QF_STAGED_MAX];

	qf_arrival_staged(arrival, control, data);
	/* Among the queue's own data files a dot keeps it out of the way. */
	snprintf(name, QF_STAGED_MAX, "%s", data + !dir->data_apart);
	return dir->data_apart ? qf_queue_dir(target->queue, arrival->dir)->data_fd
			       : incoming_of(target, arrival);
}

static void
data_name(const struct qf_arrival *arrival, char name[QF_NAME_MAX])
{
	snprintf(name, QF_NAME_MAX, "df%s", arrival->name + 2);
}

/* Mode first, while it is ours: that needs no CAP_FOWNER. */
static enum qf_code
dress(struct qf_target *target, size_t index, int fd, const char *name, struct qf_err *err)
{
	const struct qf_target_dir *dir = &target->dirs[index];

	if (dir->mode != 0600 && qf_io_fchmod(target->io, fd, dir->mode) != 0)
		return qf_err_sys(err, errno, name, "cannot set its mode");
	if (dir->gives && qf_io_fchown(target->io, fd, dir->uid, dir->gid) != 0)
		return qf_err_sys(err, errno, name, "cannot give it to its owner");
	return QF_OK;
}

/* ------------------------------------------------------------------ staging */

/* What an earlier try for this very message left; its owner ended, or its lock would be held. */
static enum qf_code
clear_control(struct qf_target *target, const struct qf_arrival *arrival, const char *name,
	      struct qf_err *err)
{
	struct qf_target_dir *dir = &target->dirs[arrival->dir];
	struct qf_taken left;
	enum qf_code code = qf_take(target->io, incoming_of(target, arrival), name, dir->kinds, &left, err);

	if (code == QF_E_GONE || code == QF_E_CHANGED)
		return qf_err_set(err, QF_E_BUSY, name, "another run is at it");
	if (code)
		return code;
	if (qf_io_unlink(target->io, incoming_of(target, arrival), name, 0) != 0 && errno != ENOENT)
		code = qf_err_sys(err, errno, name, "cannot remove what an earlier run left");
	qf_take_release(target->io, &left);
	return code;
}

static enum qf_code
create_control(struct qf_target *target, struct qf_arrival *arrival, const char *name,
	       struct qf_err *err)
{
	struct qf_target_dir *dir = &target->dirs[arrival->dir];
	int incoming = incoming_of(target, arrival);
	enum qf_code code;

	arrival->control.fd = qf_io_create(target->io, incoming, name, CREATE_FLAGS, 0600);
	if (arrival->control.fd < 0 && errno == EEXIST) {
		code = clear_control(target, arrival, name, err);
		if (code)
			return code;
		arrival->control.fd = qf_io_create(target->io, incoming, name, CREATE_FLAGS, 0600);
	}
	if (arrival->control.fd < 0)
		return qf_err_sys(err, errno, arrival->name, "cannot create it at the target");
	code = qf_take_new(target->io, arrival->control.fd, dir->kinds, name, err);
	/* Another run may have taken it for a left one before it was locked. */
	if (!code && arrival->unclaimed)
		code = qf_take_check(target->io, incoming, name, &arrival->control, err);
	if (code == QF_E_GONE || code == QF_E_CHANGED)
		code = qf_err_set(err, QF_E_BUSY, name, "another run is at it");
	return code;
}

static enum qf_code
copy_data(struct qf_target *target, struct qf_arrival *arrival, int from, int to,
	  const volatile int *cancel, struct qf_err *err)
{
	char back[QF_SHA_TEXT], name[QF_NAME_MAX];
	struct qf_io *io = target->io;
	int64_t bytes;
	struct stat st;
	bool reading;
	int failure;

	data_name(arrival, name);
	if (qf_io_fstat(io, from, &st) != 0)
		return qf_err_sys(err, errno, name, "cannot stat");
	failure = qf_copy(io, from, to, st.st_size, arrival->sha_data, &arrival->data_bytes,
			  &reading, cancel);
	if (failure == ECANCELED)
		return qf_err_set(err, QF_E_INTERRUPTED, name, "interrupted");
	if (failure)
		return qf_err_sys(err, failure, name,
				  reading ? "cannot read it at the source"
					  : "cannot write it at the target");
	if (qf_io_fsync(io, to) != 0)
		return qf_err_sys(err, errno, name, "cannot sync it at the target");
	failure = qf_sha_read(io, to, back, &bytes, cancel);
	if (failure == ECANCELED)
		return qf_err_set(err, QF_E_INTERRUPTED, name, "interrupted");
	if (failure)
		return qf_err_sys(err, failure, name, "cannot read it back at the target");
	if (bytes != arrival->data_bytes || bytes != st.st_size ||
	    strcmp(back, arrival->sha_data) != 0)
		return qf_err_set(err, QF_E_DATA, name, "read back, it is not what was written");
	return QF_OK;
}

static enum qf_code
stage_data(struct qf_target *target, struct qf_arrival *arrival, int from,
	   const volatile int *cancel, struct qf_err *err)
{
	char name[QF_STAGED_MAX];
	int at = data_place(target, arrival, name);
	enum qf_code code;
	int fd = qf_io_create(target->io, at, name, CREATE_FLAGS, 0600);

	/* Left by an earlier try: with the control file's lock it is ours. */
	if (fd < 0 && errno == EEXIST && qf_io_unlink(target->io, at, name, 0) == 0)
		fd = qf_io_create(target->io, at, name, CREATE_FLAGS, 0600);
	if (fd < 0)
		return qf_err_sys(err, errno, arrival->name,
				  "cannot create its data file at the target");
	code = dress(target, arrival->dir, fd, arrival->name, err);
	if (!code)
		code = copy_data(target, arrival, from, fd, cancel, err);
	qf_io_close(target->io, fd);
	return code;
}

static enum qf_code
write_control(struct qf_target *target, struct qf_arrival *arrival, struct qf_slice bytes,
	      struct qf_err *err)
{
	int fd = arrival->control.fd, failure;
	char back[QF_SHA_TEXT];
	enum qf_code code;
	int64_t n;

	if (qf_io_write(target->io, fd, bytes.p, bytes.n) != 0)
		return qf_err_sys(err, errno, arrival->name, "cannot write it at the target");
	code = dress(target, arrival->dir, fd, arrival->name, err);
	if (code)
		return code;
	if (qf_io_fsync(target->io, fd) != 0)
		return qf_err_sys(err, errno, arrival->name, "cannot sync it at the target");
	failure = qf_sha_read(target->io, fd, back, &n, NULL);
	if (failure)
		return qf_err_sys(err, failure, arrival->name,
				  "cannot read it back at the target");
	qf_sha_of(bytes, arrival->sha_control);
	arrival->control_bytes = (int64_t)bytes.n;
	if (n != arrival->control_bytes || strcmp(back, arrival->sha_control) != 0)
		return qf_err_set(err, QF_E_DATA, arrival->name,
				  "read back, it is not what was written");
	return QF_OK;
}

enum qf_code
qf_arrive_stage(struct qf_target *target, struct qf_arrival *arrival, int data,
		struct qf_slice control, const volatile int *cancel, struct qf_err *err)
{
	char name[QF_STAGED_MAX], data_staged[QF_STAGED_MAX];
	enum qf_code code;
	int incoming;

	code = qf_target_incoming(target, arrival->dir, arrival->lane, true, &incoming, err);
	if (code)
		return code;
	qf_arrival_staged(arrival, name, data_staged);
	arrival->data_named = false;
	code = create_control(target, arrival, name, err);
	if (code) {
		/* Nothing of it is ours to remove where another run is at it. */
		if (arrival->control.fd >= 0 && code != QF_E_BUSY)
			qf_io_unlink(target->io, incoming_of(target, arrival), name, 0);
		qf_arrive_release(target, arrival);
		return code;
	}
	code = stage_data(target, arrival, data, cancel, err);
	if (!code)
		code = write_control(target, arrival, control, err);
	if (code) {
		qf_arrive_discard(target, arrival);
		qf_arrive_release(target, arrival);
	}
	return code;
}

/* ------------------------------------------------------------------ what was staged before */

int
qf_arrive_is_staged(struct qf_target *target, const struct qf_arrival *arrival)
{
	char name[QF_STAGED_MAX], data[QF_STAGED_MAX];
	struct qf_err err = {0};
	enum qf_code code;
	struct stat st;
	int incoming;

	/* No run takes its folder away: without it nothing can be told. */
	code = qf_target_incoming(target, arrival->dir, arrival->lane, false, &incoming, &err);
	if (code) {
		errno = err.sys ? err.sys : ENOENT;
		return -1;
	}
	qf_arrival_staged(arrival, name, data);
	if (qf_io_stat(target->io, incoming_of(target, arrival), name, &st,
		       AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

static enum qf_code
compare(struct qf_io *io, int fd, const char *wanted, int64_t *bytes, const char *name,
	struct qf_err *err)
{
	char sha[QF_SHA_TEXT];
	int failure = qf_sha_read(io, fd, sha, bytes, NULL);

	if (failure)
		return qf_err_sys(err, failure, name, "cannot read it at the target");
	return strcmp(sha, wanted) == 0 ? QF_OK
					: qf_err_set(err, QF_E_DATA, name,
						     "is not what was staged before");
}

enum qf_code
qf_arrive_again(struct qf_target *target, struct qf_arrival *arrival, struct qf_err *err)
{
	struct qf_target_dir *dir = &target->dirs[arrival->dir];
	char name[QF_STAGED_MAX], data[QF_STAGED_MAX], named[QF_NAME_MAX];
	enum qf_code code;
	int fd;

	qf_arrival_staged(arrival, name, data);
	code = qf_take(target->io, incoming_of(target, arrival), name, dir->kinds, &arrival->control, err);
	if (code)
		return code;
	code = compare(target->io, arrival->control.fd, arrival->sha_control,
		       &arrival->control_bytes, arrival->name, err);
	data_name(arrival, named);
	fd = qf_io_open(target->io, data_place(target, arrival, data), data,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	arrival->data_named = fd < 0 && errno == ENOENT;
	if (arrival->data_named)
		fd = qf_io_open(target->io, qf_queue_dir(target->queue, arrival->dir)->data_fd,
				named, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (!code)
		code = fd < 0 ? qf_err_sys(err, errno, named, "cannot open it at the target")
			      : compare(target->io, fd, arrival->sha_data, &arrival->data_bytes,
					named, err);
	if (fd >= 0)
		qf_io_close(target->io, fd);
	/* A data file that is nowhere is one that is not what it was. */
	if (code == QF_E_NOT_FOUND)
		code = qf_err_set(err, QF_E_DATA, named, "was staged, and is gone");
	return code;
}

/* ------------------------------------------------------------------ names */

enum qf_code
qf_arrive_data(struct qf_target *target, struct qf_arrival *arrival, struct qf_err *err)
{
	char staged[QF_STAGED_MAX], name[QF_NAME_MAX];
	int at = data_place(target, arrival, staged);

	data_name(arrival, name);
	if (arrival->data_named)
		return QF_OK;
	if (qf_io_rename_new(target->io, at, staged,
			     qf_queue_dir(target->queue, arrival->dir)->data_fd, name) != 0)
		return errno == EEXIST ? qf_err_set(err, QF_E_CHANGED, name,
						    "the target has a file of that name now")
				       : qf_err_sys(err, errno, name,
						    "cannot name it at the target");
	arrival->data_named = true;
	return QF_OK;
}

enum qf_code
qf_arrive_control(struct qf_target *target, struct qf_arrival *arrival, struct qf_err *err)
{
	char staged[QF_STAGED_MAX], data[QF_STAGED_MAX];
	int failure;

	qf_arrival_staged(arrival, staged, data);
	if (qf_io_rename_new(target->io, incoming_of(target, arrival), staged,
			     qf_queue_dir(target->queue, arrival->dir)->control_fd,
			     arrival->name) == 0)
		return QF_OK;
	failure = errno;
	if (failure == EEXIST)
		return qf_err_set(err, QF_E_CHANGED, arrival->name,
				  "the target has a file of that name now");
	/* A server may have done it, and its answer got lost. */
	if (qf_arrive_is_staged(target, arrival) == 0)
		return QF_OK;
	return qf_err_sys(err, failure, arrival->name, "cannot name it at the target");
}

void
qf_arrive_discard(struct qf_target *target, struct qf_arrival *arrival)
{
	char control[QF_STAGED_MAX], data[QF_STAGED_MAX], name[QF_NAME_MAX];
	int at;

	qf_arrival_staged(arrival, control, data);
	data_name(arrival, name);
	if (arrival->data_named)
		qf_io_unlink(target->io, qf_queue_dir(target->queue, arrival->dir)->data_fd, name,
			     0);
	at = data_place(target, arrival, data);
	qf_io_unlink(target->io, at, data, 0);
	qf_io_unlink(target->io, incoming_of(target, arrival), control, 0);
}

void
qf_arrive_clear(struct qf_target *target, const struct qf_arrival *arrival)
{
	struct qf_arrival other = *arrival;
	int incoming;

	other.data_named = false;
	for (other.lane = 0; other.lane < QF_LANES_MAX; other.lane++)
		if (other.lane != arrival->lane &&
		    qf_target_incoming(target, other.dir, other.lane, false, &incoming, NULL) ==
			    QF_OK)
			qf_arrive_discard(target, &other);
}

void
qf_arrive_release(struct qf_target *target, struct qf_arrival *arrival)
{
	qf_take_release(target->io, &arrival->control);
}

enum qf_code
qf_arrive_sync(struct qf_target *target, struct qf_arrival *const *some, size_t n,
	       enum qf_arrive_sync which, struct qf_err *err)
{
	int fds[QF_TAKEN_MAX];

	for (size_t i = 0; i < n && i < QF_TAKEN_MAX; i++) {
		const struct qf_dir *d = qf_queue_dir(target->queue, some[i]->dir);
		size_t k = 0;

		fds[i] = which == QF_SYNC_INCOMING ? incoming_of(target, some[i])
			 : which == QF_SYNC_DATA   ? d->data_fd
						   : d->control_fd;
		while (fds[k] != fds[i])
			k++;
		if (k == i && qf_io_fsync(target->io, fds[i]) != 0)
			return qf_err_sys(err, errno, d->path, "cannot sync");
	}
	return QF_OK;
}
