/*
 * target - where messages arrive: the directories, and what new files in them are like.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "err.h"
#include "home.h"
#include "layout.h"
#include "list.h"
#include "names.h"
#include "target.h"

#define IDENTITY "identity"

/* ------------------------------------------------------------------ what new files are like */

/*
 * As a file that its sendmail made, if one is there whose owner can be sendmail's; else as the
 * directory has it, with the configuration's mode.
 * Origin: sendmail/queue.c queueup(): QueueFileMode, owner of the process or TrustedUser.
 */
static void
choose_owner(struct qf_target *target, size_t index, const struct stat *above)
{
	const struct qf_policy *policy = qf_queue_policy(target->queue);
	const struct qf_dir *d = qf_queue_dir(target->queue, index);
	struct qf_target_dir *dir = &target->dirs[index];
	mode_t unsafe = S_IWOTH | (policy->queue_file_mode & S_IWGRP ? 0 : S_IWGRP);
	const struct qf_sys_entry *entry;
	struct qf_list list;
	struct stat st;

	dir->uid = above->st_uid;
	dir->gid = above->st_mode & S_ISGID || above->st_uid != 0 ? above->st_gid : 0;
	dir->mode = policy->queue_file_mode & 0777;
	if (policy->trusted_uid && geteuid() == 0)
		dir->uid = policy->trusted_uid;
	if (!qf_list_begin(&list, target->io, d->control_fd))
		return;
	list.most = 1;
	while ((entry = qf_list_next(&list))) {
		if (qf_name_kind(entry->name, strlen(entry->name)) != QF_KIND_QUEUED ||
		    qf_io_stat(target->io, d->control_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		if ((st.st_uid == 0 || st.st_uid == above->st_uid ||
		     st.st_uid == policy->trusted_uid) &&
		    !(st.st_mode & unsafe) && (st.st_mode & S_IRUSR)) {
			dir->uid = st.st_uid;
			dir->gid = st.st_gid;
			dir->mode = st.st_mode & 0777;
		}
		break;
	}
	qf_list_end(&list);
}

/* ------------------------------------------------------------------ identity */

static bool
read_identity(struct qf_io *io, int home, const char *name, char identity[33])
{
	int fd = qf_io_open(io, home, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : qf_io_read(io, fd, identity, 32);

	if (fd >= 0)
		qf_io_close(io, fd);
	identity[n == 32 ? 32 : 0] = '\0';
	return n == 32 && strspn(identity, "0123456789abcdef") == 32;
}

/* Made under another name and renamed: whoever is first, all read the same. */
static enum qf_code
write_identity(struct qf_io *io, int home, const char *name, const char identity[33],
	       struct qf_err *err)
{
	char fresh[32];
	enum qf_code code = QF_OK;
	int fd;

	snprintf(fresh, sizeof(fresh), "%s.%ld", name, (long)getpid());
	fd = qf_io_create(io, home, fresh, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return qf_err_sys(err, errno, name, "cannot create");
	if (qf_io_write(io, fd, identity, 32) != 0 || qf_io_fsync(io, fd) != 0)
		code = qf_err_sys(err, errno, name, "cannot write");
	qf_io_close(io, fd);
	if (!code && qf_io_rename_new(io, home, fresh, home, name) != 0 && errno != EEXIST)
		code = qf_err_sys(err, errno, name, "cannot rename");
	if (!code && qf_io_fsync(io, home) != 0)
		code = qf_err_sys(err, errno, name, "cannot sync");
	qf_io_unlink(io, home, fresh, 0);
	return code;
}

static enum qf_code
make_identity(struct qf_io *io, int home, char identity[33], struct qf_err *err)
{
	unsigned char random[16];
	enum qf_code code;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return qf_err_sys(err, errno, IDENTITY, "no random number to be had");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(identity + 2 * i, 3, "%02x", random[i]);
	code = write_identity(io, home, IDENTITY, identity, err);
	if (!code && !read_identity(io, home, IDENTITY, identity))
		code = qf_err_set(err, QF_E_DATA, IDENTITY, "is not what it should be");
	return code;
}

/* ------------------------------------------------------------------ directories */

/* A file made as they are going to be: what is not permitted is found before anything moves. */
static enum qf_code
try_file(struct qf_target *target, size_t index, struct qf_err *err)
{
	const struct qf_dir *d = qf_queue_dir(target->queue, index);
	struct qf_target_dir *dir = &target->dirs[index];
	enum qf_code code = QF_OK;
	const char *name = "trial";
	struct stat st;
	int fd;

	/* One name for all: what a killed run left is taken away by the next one. That two runs take
	   each other's away does no harm. */
	qf_io_unlink(target->io, dir->incoming[0], name, 0);
	fd = qf_io_create(target->io, dir->incoming[0], name,
			  O_RDWR | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return qf_err_sys(err, errno, d->path, "cannot create files");
	if (qf_io_fstat(target->io, fd, &st) != 0)
		code = qf_err_sys(err, errno, d->path, "cannot stat");
	else if ((dir->gives = st.st_uid != dir->uid || st.st_gid != dir->gid) &&
		 qf_io_fchown(target->io, fd, dir->uid, dir->gid) != 0) {
		code = qf_err_sys(err, errno, d->path,
				  "files there cannot be given to the owner its sendmail expects");
		qf_err_hint(err, "uid %u, gid %u: that needs CAP_CHOWN, or to be that user",
			    (unsigned)dir->uid, (unsigned)dir->gid);
	}
	qf_io_unlink(target->io, dir->incoming[0], name, 0);
	qf_io_close(target->io, fd);
	/* A file system that makes owners up (root_squash, an access point) gives to all the same. */
	if (!code && qf_io_fstat(target->io, d->data_fd, &st) == 0)
		dir->data_apart = st.st_dev != d->device;
	return code;
}

static enum qf_code
open_dir(struct qf_target *target, size_t index, bool looks, struct qf_err *err)
{
	const struct qf_dir *d = qf_queue_dir(target->queue, index);
	struct qf_target_dir *dir = &target->dirs[index];
	struct qf_io *io = target->io;
	enum qf_code code;
	struct stat above;

	if (d->trouble)
		return QF_OK;
	if (qf_io_fstat(io, d->control_fd, &above) != 0)
		return qf_err_sys(err, errno, d->path, "cannot stat");
	choose_owner(target, index, &above);
	code = qf_home_open(target->queue, index, !looks, &dir->home, err);
	if (code == QF_E_NOT_FOUND && looks)
		return QF_OK;
	if (!code && (!read_identity(io, dir->home, IDENTITY, dir->identity)) && !looks)
		code = make_identity(io, dir->home, dir->identity, err);
	if (code || looks) {
		/* Where it is, it tells what has not arrived yet. */
		if (!code)
			qf_home_folder(io, dir->home, "incoming", false, &dir->incoming[0], NULL);
		return code;
	}
	code = qf_home_folder(io, dir->home, "incoming", true, &dir->incoming[0], err);
	if (!code)
		code = qf_take_kinds(io, dir->home, &dir->kinds, err);
	return code ? code : try_file(target, index, err);
}

/* Whose account is kept elsewhere may not be a target without that one. */
static enum qf_code
check_main(struct qf_target *target, size_t index, struct qf_err *err)
{
	const char *path = qf_queue_dir(target->queue, index)->path;
	char identity[33];

	if (!read_identity(target->io, target->dirs[index].home, QF_TARGET_MAIN, identity) ||
	    qf_target_dir_of(target, identity) != SIZE_MAX)
		return QF_OK;
	qf_err_set(err, QF_E_NOT_FOUND, path,
		   "mail was brought here together with other directories, one of which keeps the account");
	qf_err_hint(err, "give all of them; where that one is gone for good, remove %.200s/.qf/" QF_TARGET_MAIN,
		    path);
	return QF_E_NOT_FOUND;
}

/* Where manifests are already, whatever directories have come up before it; else the first. */
static enum qf_code
choose_main(struct qf_target *target, bool looks, struct qf_err *err)
{
	size_t first = SIZE_MAX, usable = 0;
	char identity[33];
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < target->ndirs && !code; i++) {
		struct qf_target_dir *dir = &target->dirs[i];

		if (qf_queue_dir(target->queue, i)->trouble)
			continue;
		usable++;
		first = first == SIZE_MAX ? i : first;
		if (dir->home < 0)
			continue;
		code = qf_home_folder(target->io, dir->home, "manifests", false, &dir->manifests, err);
		if (code == QF_E_NOT_FOUND)
			code = QF_OK;
		/* One whose account is kept elsewhere may have manifests too: of what left it. */
		if (!code && dir->manifests >= 0 && target->main == SIZE_MAX &&
		    !read_identity(target->io, dir->home, QF_TARGET_MAIN, identity))
			target->main = i;
		if (!code)
			code = check_main(target, i, err);
	}
	if (target->main == SIZE_MAX)
		target->main = first;
	if (!code && first == SIZE_MAX)
		return qf_err_set(err, QF_E_NOT_FOUND, "target", "no directory of it can be used");
	if (!code && !looks && target->dirs[target->main].manifests < 0)
		code = qf_home_folder(target->io, target->dirs[target->main].home, "manifests",
				      true, &target->dirs[target->main].manifests, err);
	for (size_t i = 0; i < target->ndirs && !code && !looks && usable > 1; i++)
		if (i != target->main && target->dirs[i].home >= 0)
			code = write_identity(target->io, target->dirs[i].home, QF_TARGET_MAIN,
					      target->dirs[target->main].identity, err);
	target->manifests = target->dirs[target->main].manifests;
	return code;
}

/* What is claimed here has its data file still in its place, or had: its id is not free. Else who takes that
   claim over removes the data file of another message. */
static enum qf_code
add_claimed(struct qf_target *target, int home, struct qf_err *err)
{
	struct qf_buf folders = {0}, names = {0};
	int claims, folder;
	enum qf_code code = qf_home_folder(target->io, home, "claims", false, &claims, err);

	if (code)
		return code == QF_E_NOT_FOUND ? QF_OK : code;
	code = qf_names_in(target->io, claims, ".qf/claims", &folders, err);
	for (size_t at = 0; !code && at < folders.n; at += strlen(folders.p + at) + 1) {
		qf_buf_clear(&names);
		if (qf_home_folder(target->io, claims, folders.p + at, false, &folder, NULL))
			continue; /* its run has just ended */
		code = qf_names_in(target->io, folder, ".qf/claims", &names, err);
		qf_io_close(target->io, folder);
		for (size_t k = 0; !code && k < names.n; k += strlen(names.p + k) + 1) {
			const char *name = names.p + k;
			enum qf_kind kind = qf_name_kind(name, strlen(name));

			if (qf_kind_is_control(kind) && !qf_names_add(target->names, name + 2, kind))
				code = qf_err_nomem(err);
		}
	}
	qf_buf_release(&folders);
	qf_buf_release(&names);
	qf_io_close(target->io, claims);
	return code;
}

enum qf_code
qf_target_names(struct qf_target *target, struct qf_err *err)
{
	enum qf_code code;

	if (target->names)
		return QF_OK;
	target->names = qf_names_new();
	code = target->names ? qf_names_add_queue(target->names, target->queue, err) : qf_err_nomem(err);
	for (size_t i = 0; i < target->ndirs && !code; i++)
		if (target->dirs[i].home >= 0)
			code = add_claimed(target, target->dirs[i].home, err);
	if (code) {
		qf_names_free(target->names);
		target->names = NULL;
	}
	return code;
}

enum qf_code
qf_target_open(struct qf_queue *queue, bool looks, struct qf_target *target, struct qf_err *err)
{
	enum qf_code code = QF_OK;
	size_t n = qf_queue_ndirs(queue);

	*target = (struct qf_target){.queue = queue, .io = qf_queue_io(queue), .ndirs = n,
				     .main = SIZE_MAX, .manifests = -1};
	target->dirs = calloc(n ? n : 1, sizeof(*target->dirs));
	if (!target->dirs)
		return qf_err_nomem(err);
	pthread_mutex_init(&target->mutex, NULL);
	for (size_t i = 0; i < n; i++) {
		target->dirs[i].home = target->dirs[i].manifests = -1;
		for (unsigned lane = 0; lane < QF_LANES_MAX; lane++)
			target->dirs[i].incoming[lane] = -1;
	}
	for (size_t i = 0; i < n && !code; i++)
		code = open_dir(target, i, looks, err);
	if (!code)
		code = choose_main(target, looks, err);
	if (code)
		qf_target_close(target);
	return code;
}

void
qf_target_close(struct qf_target *target)
{
	for (size_t i = 0; target->dirs && i < target->ndirs; i++) {
		if (target->dirs[i].home >= 0)
			qf_io_close(target->io, target->dirs[i].home);
		if (target->dirs[i].manifests >= 0)
			qf_io_close(target->io, target->dirs[i].manifests);
		for (unsigned lane = 0; lane < QF_LANES_MAX; lane++)
			if (target->dirs[i].incoming[lane] >= 0)
				qf_io_close(target->io, target->dirs[i].incoming[lane]);
	}
	qf_names_free(target->names);
	if (target->dirs)
		pthread_mutex_destroy(&target->mutex);
	free(target->dirs);
	*target = (struct qf_target){.manifests = -1};
}

enum qf_code
qf_target_incoming(struct qf_target *target, size_t dir, unsigned lane, bool create, int *fd,
		   struct qf_err *err)
{
	int *folders = target->dirs[dir].incoming;
	char name[16];
	enum qf_code code = QF_OK;

	pthread_mutex_lock(&target->mutex);
	/* The first was opened with the target, if it is there. */
	if (folders[0] < 0) {
		code = qf_err_set(err, QF_E_NOT_FOUND, "incoming", "is not there");
	} else if (folders[lane] < 0) {
		snprintf(name, sizeof(name), "%u", lane);
		code = qf_home_folder(target->io, folders[0], name, create, &folders[lane], err);
	}
	*fd = folders[lane];
	pthread_mutex_unlock(&target->mutex);
	return code;
}

const char *
qf_target_identity(const struct qf_target *target)
{
	return target->dirs[target->main].identity;
}

bool
qf_target_identity_of(struct qf_io *io, int home, char identity[33])
{
	return read_identity(io, home, QF_TARGET_MAIN, identity) || read_identity(io, home, IDENTITY, identity);
}

size_t
qf_target_dir_of(const struct qf_target *target, const char *identity)
{
	for (size_t i = 0; i < target->ndirs; i++)
		if (strcmp(target->dirs[i].identity, identity) == 0 && *identity)
			return i;
	return SIZE_MAX;
}
