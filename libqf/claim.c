/*
 * claim - messages taken out of a queue for good, but not yet: one message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "claim_parts.h"
#include "err.h"
#include "layout.h"
#include "msg.h"

enum qf_code
qf_claims_open(struct qf_queue *queue, const struct qf_claim_run *run, bool looks,
	       struct qf_claims **out, struct qf_err *err)
{
	size_t n = qf_queue_ndirs(queue);
	struct qf_claims *claims = calloc(1, sizeof(*claims));
	enum qf_code code = QF_OK;

	if (claims)
		claims->dirs = calloc(n ? n : 1, sizeof(*claims->dirs));
	if (!claims || !claims->dirs) {
		free(claims);
		return qf_err_nomem(err);
	}
	pthread_mutex_init(&claims->mutex, NULL);
	claims->queue = queue;
	claims->io = qf_queue_io(queue);
	claims->ndirs = n;
	claims->run = *run;
	for (size_t i = 0; i < n; i++) {
		claims->dirs[i] = (struct qf_claims_dir){.home = -1, .claims = -1};
		for (unsigned lane = 0; lane < QF_LANES_MAX; lane++)
			claims->dirs[i].lanes[lane].folder = claims->dirs[i].lanes[lane].run_file = -1;
	}
	qf_claim_run_fill(claims);
	for (size_t i = 0; i < n && !code; i++) {
		struct qf_claims_dir *dir = &claims->dirs[i];

		if (qf_queue_dir(queue, i)->trouble)
			continue;
		code = qf_home_open(queue, i, !looks, &dir->home, err);
		if (!code)
			code = qf_home_folder(claims->io, dir->home, "claims", !looks,
					      &dir->claims, err);
		if (looks && code == QF_E_NOT_FOUND)
			code = QF_OK;
		if (!code && !looks)
			code = qf_take_kinds(claims->io, dir->home, &dir->kinds, err);
	}
	if (code)
		qf_claims_close(claims);
	else
		*out = claims;
	return code;
}

static void
close_lane(struct qf_claims *claims, size_t dir, unsigned lane)
{
	char folder[QF_CLAIM_FOLDER_MAX];

	if (claims->dirs[dir].lanes[lane].folder < 0)
		return;
	qf_claim_folder_name(claims, dir, lane, folder);
	qf_claims_tidy(claims, dir, folder);
	qf_io_close(claims->io, claims->dirs[dir].lanes[lane].run_file);
	qf_io_close(claims->io, claims->dirs[dir].lanes[lane].folder);
}

void
qf_claims_close(struct qf_claims *claims)
{
	if (!claims)
		return;
	for (size_t i = 0; i < claims->ndirs; i++) {
		struct qf_claims_dir *dir = &claims->dirs[i];

		for (unsigned lane = 0; lane < QF_LANES_MAX; lane++)
			close_lane(claims, i, lane);
		if (dir->claims >= 0)
			qf_io_close(claims->io, dir->claims);
		if (dir->home >= 0)
			qf_io_close(claims->io, dir->home);
	}
	for (size_t i = 0; i < claims->nopen; i++)
		qf_io_close(claims->io, claims->open[i].fd);
	pthread_mutex_destroy(&claims->mutex);
	free(claims->open);
	free(claims->dirs);
	free(claims);
}

void
qf_claim_key(const struct qf_claim *claim, char key[QF_CLAIM_KEY_MAX])
{
	snprintf(key, QF_CLAIM_KEY_MAX, "%s/%s", claim->folder, claim->name);
}

/* The control file, from the descriptor that is locked. */
static enum qf_code
read_message(struct qf_claims *claims, struct qf_claim *claim, struct qf_err *err)
{
	const struct qf_dir *dir = qf_queue_dir(claims->queue, claim->dir);
	struct qf_buf bytes = {0};
	struct qf_slice copy, relative;
	enum qf_code code;
	ssize_t n = 1;
	int failure = 0;

	if (claim->taken.st.st_size > (off_t)QF_CONTROL_MAX)
		return qf_err_set(err, QF_E_LIMIT, claim->name, "too large");
	if (lseek(claim->taken.fd, 0, SEEK_SET) < 0)
		return qf_err_sys(err, errno, claim->name, "cannot read");
	while (n > 0 && bytes.n <= QF_CONTROL_MAX) {
		/* Room for one more byte than there should be: then one read finds the end too. */
		size_t room_for = bytes.n <= (size_t)claim->taken.st.st_size
					  ? (size_t)claim->taken.st.st_size - bytes.n + 1
					  : 65536;
		char *room = qf_buf_room(&bytes, room_for);

		n = room ? qf_io_read(claims->io, claim->taken.fd, room, room_for) : 0;
		if (n > 0)
			bytes.n += (size_t)n;
		if (n > 0 && (size_t)n < room_for && bytes.n == (size_t)claim->taken.st.st_size)
			break;
	}
	failure = n < 0 ? errno : 0;
	claim->msg = qf_msg_new();
	copy = claim->msg && !bytes.failed ? qf_arena_copy(&claim->msg->arena,
							   (struct qf_slice){bytes.p, bytes.n})
					   : (struct qf_slice){NULL, 0};
	qf_buf_release(&bytes);
	if (failure)
		return qf_err_sys(err, failure, claim->name, "cannot read");
	if (!copy.p)
		return qf_err_nomem(err);
	claim->msg->files.kind = qf_name_kind(claim->name, strlen(claim->name));
	claim->msg->files.name = (struct qf_slice){claim->name, strlen(claim->name)};
	claim->msg->files.id = (struct qf_slice){claim->name + 2, strlen(claim->name) - 2};
	claim->msg->files.queue = (struct qf_slice){dir->path, strlen(dir->path)};
	claim->msg->files.dir = claim->dir;
	code = qf_msg_interpret(claim->msg, copy, true, err);
	relative = qf_msg_envelope(claim->msg)->data_dir;
	claim->data_dir = (int)claim->dir;
	if (!code && relative.p) {
		size_t at = qf_queue_data_dir(claims->queue, claim->dir, relative);

		claim->data_dir = at == SIZE_MAX ? -1 : (int)at;
	}
	return code;
}

/* Lock what has that name below a directory, and read it. */
static enum qf_code
lock_at(struct qf_claims *claims, int at, size_t dir, const char *name, struct qf_claim *claim,
	struct qf_err *err)
{
	enum qf_code code;
	size_t n = strlen(name);

	*claim = (struct qf_claim){.dir = dir, .folder_fd = -1, .taken = {.fd = -1}};
	if (n >= QF_NAME_MAX || !qf_kind_is_control(qf_name_kind(name, n)))
		return qf_err_set(err, QF_E_DATA, name, "not the name of a control file");
	memcpy(claim->name, name, n + 1);
	code = qf_take(claims->io, at, name, claims->dirs[dir].kinds, &claim->taken, err);
	if (!code)
		code = read_message(claims, claim, err);
	if (code)
		qf_claim_release(claims, claim);
	return code;
}

enum qf_code
qf_claim_lock(struct qf_claims *claims, size_t dir, const char *name, struct qf_claim *claim,
	      struct qf_err *err)
{
	return lock_at(claims, qf_queue_dir(claims->queue, dir)->control_fd, dir, name, claim, err);
}

enum qf_code
qf_claim_look(struct qf_claims *claims, size_t dir, const char *name, struct qf_claim *claim,
	      struct qf_err *err)
{
	int at = qf_queue_dir(claims->queue, dir)->control_fd;
	enum qf_code code = QF_OK;

	*claim = (struct qf_claim){.dir = dir, .folder_fd = -1, .taken = {.fd = -1}};
	snprintf(claim->name, sizeof(claim->name), "%s", name);
	claim->taken.fd = qf_io_open(claims->io, at, name,
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (claim->taken.fd < 0)
		return errno == ENOENT || errno == ESTALE
			       ? qf_err_set(err, QF_E_GONE, name, "is gone")
			       : qf_err_sys(err, errno, name, "cannot open");
	if (qf_io_fstat(claims->io, claim->taken.fd, &claim->taken.st) != 0)
		code = qf_err_sys(err, errno, name, "cannot stat");
	else if (!S_ISREG(claim->taken.st.st_mode))
		code = qf_err_set(err, QF_E_DATA, name, "not a regular file");
	if (!code)
		code = read_message(claims, claim, err);
	if (code)
		qf_claim_release(claims, claim);
	return code;
}

enum qf_code
qf_claim_adopt(struct qf_claims *claims, size_t dir, const char *folder, const char *name,
	       struct qf_claim *claim, struct qf_err *err)
{
	enum qf_code code;
	int fd;

	code = qf_claim_folder_open(claims, dir, folder, &fd, err);
	if (!code)
		code = lock_at(claims, fd, dir, name, claim, err);
	if (!code) {
		snprintf(claim->folder, sizeof(claim->folder), "%s", folder);
		claim->folder_fd = fd;
	}
	return code;
}

enum qf_code
qf_claim_take(struct qf_claims *claims, struct qf_claim *claim, struct qf_err *err)
{
	const struct qf_dir *dir = qf_queue_dir(claims->queue, claim->dir);
	enum qf_code code = qf_claim_folder_make(claims, claim->dir, claim->lane, err);
	int folder;

	if (code)
		return code;
	folder = claims->dirs[claim->dir].lanes[claim->lane].folder;
	if (qf_io_rename_new(claims->io, dir->control_fd, claim->name, folder, claim->name) != 0)
		return errno == EEXIST ? qf_err_set(err, QF_E_CHANGED, claim->name,
						    "claimed by this run already")
				       : qf_err_sys(err, errno, claim->name, "cannot claim");
	claim->folder_fd = folder;
	qf_claim_folder_name(claims, claim->dir, claim->lane, claim->folder);
	return QF_OK;
}

enum qf_code
qf_claim_undo(struct qf_claims *claims, struct qf_claim *claim, struct qf_err *err)
{
	static const char *const prefixes[] = {"qf", "hf", "Qf"};
	const struct qf_dir *dir = qf_queue_dir(claims->queue, claim->dir);
	char name[QF_NAME_MAX];
	struct stat st;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		snprintf(name, sizeof(name), "%s%s", prefixes[i], claim->name + 2);
		if (qf_io_stat(claims->io, dir->control_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return qf_err_set(err, QF_E_CHANGED, claim->name,
					  "cannot go back: the queue has a %s", name);
	}
	if (qf_io_rename_new(claims->io, claim->folder_fd, claim->name, dir->control_fd,
			     claim->name) != 0)
		return errno == EEXIST
			       ? qf_err_set(err, QF_E_CHANGED, claim->name,
					    "cannot go back: the queue has a file of that name")
			       : qf_err_sys(err, errno, claim->name, "cannot put it back");
	return QF_OK;
}

static void
data_name(const struct qf_claim *claim, char name[QF_NAME_MAX])
{
	snprintf(name, QF_NAME_MAX, "df%s", claim->name + 2);
}

int
qf_claim_open_data(struct qf_claims *claims, const struct qf_claim *claim)
{
	const struct qf_dir *dir;
	char name[QF_NAME_MAX];
	struct stat st;
	int fd;

	data_name(claim, name);
	dir = claim->data_dir < 0 ? NULL : qf_queue_dir(claims->queue, (size_t)claim->data_dir);
	if (!dir || dir->trouble) {
		errno = ENOENT;
		return -1;
	}
	fd = qf_io_open(claims->io, dir->data_fd, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0 && qf_io_fstat(claims->io, fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		qf_io_close(claims->io, fd);
		errno = EISDIR;
		return -1;
	}
	return fd;
}

enum qf_code
qf_claim_drop_data(struct qf_claims *claims, const struct qf_claim *claim, struct qf_err *err)
{
	char name[QF_NAME_MAX];

	data_name(claim, name);
	if (claim->data_dir >= 0 &&
	    qf_io_unlink(claims->io,
			 qf_queue_dir(claims->queue, (size_t)claim->data_dir)->data_fd, name,
			 0) != 0 &&
	    errno != ENOENT)
		return qf_err_sys(err, errno, name, "cannot remove");
	return QF_OK;
}

enum qf_code
qf_claim_drop(struct qf_claims *claims, struct qf_claim *claim, struct qf_err *err)
{
	if (qf_io_unlink(claims->io, claim->folder_fd, claim->name, 0) != 0 && errno != ENOENT)
		return qf_err_sys(err, errno, claim->name, "cannot remove the claim");
	return QF_OK;
}

void
qf_claim_release(struct qf_claims *claims, struct qf_claim *claim)
{
	qf_take_release(claims->io, &claim->taken);
	qf_msg_free(claim->msg);
	claim->msg = NULL;
}

/* ------------------------------------------------------------------ syncs, shared */

/* Sync each of these once. */
static enum qf_code
sync_each(struct qf_claims *claims, const int *fds, size_t n, struct qf_err *err)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < i && fds[k] != fds[i])
			k++;
		if (k == i && qf_io_fsync(claims->io, fds[i]) != 0)
			return qf_err_sys(err, errno,
					  qf_queue_dir(claims->queue, 0)->path, "cannot sync");
	}
	return QF_OK;
}

enum qf_code
qf_claims_sync(struct qf_claims *claims, struct qf_claim *const *some, size_t n,
	       struct qf_err *err)
{
	int fds[2 * QF_TAKEN_MAX];
	size_t k = 0;

	for (size_t i = 0; i < n && i < QF_TAKEN_MAX; i++) {
		fds[k++] = qf_queue_dir(claims->queue, some[i]->dir)->control_fd;
		if (some[i]->folder_fd >= 0)
			fds[k++] = some[i]->folder_fd;
	}
	return sync_each(claims, fds, k, err);
}

enum qf_code
qf_claims_sync_folders(struct qf_claims *claims, struct qf_claim *const *some, size_t n,
		       struct qf_err *err)
{
	int fds[QF_TAKEN_MAX];
	size_t k = 0;

	for (size_t i = 0; i < n && i < QF_TAKEN_MAX; i++)
		if (some[i]->folder_fd >= 0)
			fds[k++] = some[i]->folder_fd;
	return sync_each(claims, fds, k, err);
}

enum qf_code
qf_claims_sync_data(struct qf_claims *claims, struct qf_claim *const *some, size_t n,
		    struct qf_err *err)
{
	int fds[QF_TAKEN_MAX];
	size_t k = 0;

	for (size_t i = 0; i < n && i < QF_TAKEN_MAX; i++)
		if (some[i]->data_dir >= 0)
			fds[k++] = qf_queue_dir(claims->queue, (size_t)some[i]->data_dir)->data_fd;
	return sync_each(claims, fds, k, err);
}

enum qf_code
qf_claim_put_back(struct qf_claims *claims, size_t dir, const char *folder, const char *name,
		  struct qf_err *err)
{
	struct qf_claim claim = {.taken = {.fd = -1}}, *one = &claim;
	enum qf_code code = qf_claim_adopt(claims, dir, folder, name, &claim, err);

	int data;

	if (code)
		return code;
	/* Half released: in the queue it would go out as an empty message. */
	data = qf_claim_open_data(claims, &claim);
	if (data < 0)
		code = qf_err_set(err, QF_E_CHANGED, name, "its data file is gone: a commit was begun; "
				  "finish it with the receipt");
	else
		close(data);
	if (!code)
		code = qf_claim_undo(claims, &claim, err);
	if (!code)
		code = qf_claims_sync(claims, &one, 1, err);
	qf_claim_release(claims, &claim);
	return code;
}
