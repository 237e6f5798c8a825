/*
 * perms - owners and modes in a queue: what sendmail refuses, and what lets others in.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "err.h"
#include "layout.h"
#include "list.h"

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
/* Files asked for at once, and how many of them by one thread in a go. */
#define CHUNK 4096
#define GO 64
/* Questions in flight to a server: each costs a round trip and next to nothing else. */
#define JOBS_NETWORK 32

static const struct {
	enum qf_fate fate;
	const char *text;
} faults[QF_PERMS_COUNT] = {
#define X(id, fate, text) [QF_PERMS_##id] = {QF_FATE_##fate, text},
	QF_PERMS_FAULTS(X)
#undef X
};

/* A file, and what the file system says of it. */
struct asked {
	char name[NAME_MAX + 1];
	struct stat st;
	bool there;
};

struct chunk {
	struct qf_io *io;
	int fd;
	size_t n;
	struct asked files[CHUNK];
};

struct look {
	struct qf_queue *queue;
	const struct qf_perms *right;
	bool (*take)(void *ctx, const struct qf_perms_finding *finding);
	void *ctx;
	uint64_t files;
	bool stopped;
	bool split;    /* control files in qf/: .qf/ lies above */
	int home_from; /* the directory that names in .qf/ are told from */
};

static void
tell(struct look *look, struct qf_perms_finding *finding, enum qf_perms_fault fault)
{
	finding->fault = fault;
	finding->fate = faults[fault].fate;
	finding->text = faults[fault].text;
	if (!look->stopped)
		look->stopped = !look->take(look->ctx, finding);
}

static void
set_stat(struct qf_perms_finding *finding, const struct stat *st)
{
	finding->uid = finding->right_uid = st->st_uid;
	finding->gid = finding->right_gid = st->st_gid;
	finding->mode = finding->right_mode = st->st_mode & 07777;
	finding->links = st->st_nlink;
}

static void
look_at_folder(struct look *look, struct qf_perms_finding *finding, const struct stat *st)
{
	const struct qf_perms *right = look->right;
	mode_t mode = st->st_mode & 07777;

	finding->name = "";
	finding->is_folder = true;
	set_stat(finding, st);
	finding->right_uid = right->uid;
	finding->right_gid = right->gid;
	finding->right_mode = right->dir_mode;
	if (st->st_uid != right->uid)
		tell(look, finding, QF_PERMS_DIR_OWNER);
	else if (st->st_gid != right->gid)
		tell(look, finding, QF_PERMS_DIR_GROUP);
	if (mode & OTHERS_WRITE & ~right->dir_mode)
		tell(look, finding, QF_PERMS_DIR_WRITABLE);
	else if (mode != right->dir_mode)
		tell(look, finding, QF_PERMS_DIR_MODE);
}

/*
 * sendmail refuses a control file that others may write, but for the group where QueueFileMode lets
 * it; a root daemon takes one of any owner, but not to deliver to programs and files. Of the other
 * files it asks nothing.
 */
static void
look_at_file(struct look *look, struct qf_perms_finding *finding, const char *name,
	     const struct stat *st)
{
	const struct qf_policy *policy = qf_queue_policy(look->queue);
	mode_t allowed = policy->queue_file_mode | S_IRUSR | S_IWUSR;
	enum qf_kind kind = qf_name_kind(name, strlen(name));
	bool control = qf_kind_is_control(kind) || kind == QF_KIND_STAGED;
	mode_t mode = st->st_mode & 07777;

	finding->name = name;
	finding->is_folder = false;
	set_stat(finding, st);
	finding->right_uid = look->right->uid;
	finding->right_mode = mode & allowed;
	if (st->st_uid != look->right->uid && st->st_uid != policy->trusted_uid)
		tell(look, finding, QF_PERMS_FILE_OWNER);
	else
		finding->right_uid = st->st_uid;
	if (mode & OTHERS_WRITE & ~allowed)
		tell(look, finding, control ? QF_PERMS_CONTROL_WRITABLE : QF_PERMS_FILE_WRITABLE);
	else if (mode & S_IROTH & ~allowed)
		tell(look, finding, QF_PERMS_FILE_READABLE);
}

static unsigned
hands_for(const struct look *look, int fd)
{
	cpu_set_t set;

	if (look->right->jobs)
		return look->right->jobs;
	if (qf_fs_of(fd) == QF_FS_NETWORK || qf_fs_of(fd) == QF_FS_FUSE)
		return JOBS_NETWORK;
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void
ask_some(void *ctx, size_t go)
{
	struct chunk *chunk = ctx;
	struct qf_io io;

	qf_io_share(&io, chunk->io);
	for (size_t i = go * GO; i < chunk->n && i < (go + 1) * GO; i++) {
		struct asked *file = &chunk->files[i];

		/* One that has gone meanwhile is no finding, nor is a link: it has no mode. */
		file->there = qf_io_stat(&io, chunk->fd, file->name, &file->st,
					 AT_SYMLINK_NOFOLLOW) == 0 &&
			      S_ISREG(file->st.st_mode);
	}
	qf_io_add(chunk->io, &io);
}

/* Ask for all of the chunk at once, then judge in the order of the directory. */
static void
look_at_chunk(struct look *look, struct qf_perms_finding *finding, struct qf_crew *crew,
	      struct chunk *chunk)
{
	qf_crew_each(crew, (chunk->n + GO - 1) / GO, ask_some, chunk);
	for (size_t i = 0; i < chunk->n && !look->stopped; i++) {
		if (!chunk->files[i].there)
			continue;
		look->files++;
		look_at_file(look, finding, chunk->files[i].name, &chunk->files[i].st);
	}
	chunk->n = 0;
}

/* The files of a directory, whose descriptor is ours alone. */
static enum qf_code
look_at_files(struct look *look, struct qf_perms_finding *finding, int fd, struct qf_err *err)
{
	struct qf_io *io = qf_queue_io(look->queue);
	const struct qf_sys_entry *entry;
	struct chunk *chunk = malloc(sizeof(*chunk));
	struct qf_crew *crew = qf_crew_new(hands_for(look, fd));
	struct qf_list list;
	int failure;

	if (!chunk || !crew || !qf_list_begin(&list, io, fd)) {
		free(chunk);
		qf_crew_free(crew);
		return qf_err_nomem(err);
	}
	chunk->io = io;
	chunk->fd = fd;
	chunk->n = 0;
	while (!look->stopped && (entry = qf_list_next(&list))) {
		size_t n = strlen(entry->name);

		if (n > NAME_MAX || qf_name_kind(entry->name, n) == QF_KIND_OTHER)
			continue;
		memcpy(chunk->files[chunk->n++].name, entry->name, n + 1);
		if (chunk->n == CHUNK)
			look_at_chunk(look, finding, crew, chunk);
	}
	if (!look->stopped)
		look_at_chunk(look, finding, crew, chunk);
	failure = list.failure;
	qf_list_end(&list);
	qf_crew_free(crew);
	free(chunk);
	return failure ? qf_err_sys(err, failure, finding->folder, "cannot list") : QF_OK;
}

/* ------------------------------------------------------------------ .qf/ */

/*
 * A folder or file of .qf/: of another owner, or writable by others, the next change refuses it
 * (home.c). The one that is to own the queue has to be able to go on with it.
 */
static bool
look_at_ours(struct look *look, struct qf_perms_finding *finding, const char *name, bool folder)
{
	struct stat st;
	mode_t mode;

	if (qf_io_stat(qf_queue_io(look->queue), look->home_from, name, &st,
		       AT_SYMLINK_NOFOLLOW) != 0 ||
	    !(folder ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)))
		return false;
	mode = st.st_mode & 07777;
	finding->name = name;
	finding->is_folder = folder;
	set_stat(finding, &st);
	finding->right_uid = look->right->uid;
	finding->right_mode = mode & ~(mode_t)OTHERS_WRITE;
	if (st.st_uid != look->right->uid)
		tell(look, finding, folder ? QF_PERMS_DIR_OWNER : QF_PERMS_FILE_OWNER);
	if (mode & OTHERS_WRITE)
		tell(look, finding, folder ? QF_PERMS_DIR_WRITABLE : QF_PERMS_FILE_WRITABLE);
	finding->is_folder = false;
	return true;
}

static void
look_into_ours(struct look *look, struct qf_perms_finding *finding, const char *above, int depth)
{
	struct qf_io *io = qf_queue_io(look->queue);
	const struct qf_sys_entry *entry;
	struct qf_list list;
	int fd = qf_io_open(io, look->home_from, above,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* What may not be read has been told as that of another owner. */
	if (fd < 0)
		return;
	if (!qf_list_begin(&list, io, fd)) {
		qf_io_close(io, fd);
		return;
	}
	while (!look->stopped && (entry = qf_list_next(&list))) {
		char name[PATH_MAX];

		snprintf(name, sizeof(name), "%s/%s", above, entry->name);
		/* Folders, and files in those: journals and jobs. In the trash lie folders again,
		   with messages as they were. */
		if (depth == 1)
			look_at_ours(look, finding, name, false);
		else if (look_at_ours(look, finding, name, true))
			look_into_ours(look, finding, name, 1);
	}
	qf_list_end(&list);
	qf_io_close(io, fd);
}

static enum qf_code
look_through(struct look *look, struct qf_perms_finding *finding, int fd, struct qf_err *err)
{
	struct qf_io *io = qf_queue_io(look->queue);
	const char *ours = look->split ? "../.qf" : ".qf";
	enum qf_code code;
	struct stat st;

	if (qf_io_fstat(io, fd, &st) != 0)
		return qf_err_sys(err, errno, finding->folder, "cannot stat");
	look_at_folder(look, finding, &st);
	look->home_from = fd;
	if (finding->part == QF_PART_CONTROL && look_at_ours(look, finding, ours, true))
		look_into_ours(look, finding, ours, 0);
	fd = qf_io_open(io, fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return qf_err_sys(err, errno, finding->folder, "cannot open");
	code = look_at_files(look, finding, fd, err);
	qf_io_close(io, fd);
	return code;
}

static int
folder_fd(const struct qf_dir *d, enum qf_part part)
{
	return part == QF_PART_CONTROL ? d->control_fd
	       : part == QF_PART_DATA  ? d->data_fd
				       : d->transcript_fd;
}

enum qf_code
qf_perms_check(struct qf_queue *queue, size_t dir, const struct qf_perms *right,
	       bool (*take)(void *ctx, const struct qf_perms_finding *finding), void *ctx,
	       uint64_t *files, struct qf_err *err)
{
	struct look look = {.queue = queue, .right = right, .take = take, .ctx = ctx};
	const struct qf_dir *d = qf_queue_dir(queue, dir);
	const struct {
		enum qf_part part;
		const char *suffix;
		bool wanted;
	} folders[] = {
		{QF_PART_CONTROL, d->split_qf ? "/qf" : "", true},
		{QF_PART_DATA, d->split_df ? "/df" : "", d->data_fd != d->control_fd},
		{QF_PART_TRANSCRIPT, d->split_xf ? "/xf" : "",
		 d->transcript_fd != d->control_fd && d->transcript_fd != d->data_fd},
	};
	enum qf_code code = QF_OK;
	char path[PATH_MAX];

	look.split = d->split_qf;
	if (d->trouble) {
		if (err)
			*err = d->err;
		return d->trouble;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders) && !code && !look.stopped; i++) {
		struct qf_perms_finding finding = {.dir = dir, .part = folders[i].part,
						   .folder = path};

		if (!folders[i].wanted)
			continue;
		snprintf(path, sizeof(path), "%s%s", d->path, folders[i].suffix);
		code = look_through(&look, &finding, folder_fd(d, folders[i].part), err);
	}
	if (files)
		*files = look.files;
	return code;
}

enum qf_code
qf_perms_fix(struct qf_queue *queue, const struct qf_perms_finding *finding, struct qf_err *err)
{
	const char *name = *finding->name ? finding->name : ".", *told;
	struct qf_io *io = qf_queue_io(queue);
	enum qf_code code = QF_OK;
	struct stat st;
	int fd;

	told = *finding->name ? finding->name : finding->folder;
	/* A FIFO put in its place must not hang us. */
	fd = qf_io_open(io, folder_fd(qf_queue_dir(queue, finding->dir), finding->part), name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return qf_err_sys(err, errno, told, "cannot open");
	if (qf_io_fstat(io, fd, &st) != 0)
		code = qf_err_sys(err, errno, told, "cannot stat");
	else if (st.st_uid != finding->uid || st.st_gid != finding->gid ||
		 (st.st_mode & 07777) != finding->mode || st.st_nlink != finding->links ||
		 !(finding->is_folder ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)))
		code = qf_err_set(err, QF_E_CHANGED, told, "not what it was a moment ago");
	else if (S_ISREG(st.st_mode) && st.st_nlink > 1 && finding->right_uid != st.st_uid)
		code = qf_err_set(err, QF_E_DENIED, told,
				  "has several names: its owner is left as it is");
	/* Owner first: giving a file away may clear bits of its mode. */
	if (!code && (st.st_uid != finding->right_uid || st.st_gid != finding->right_gid) &&
	    qf_io_fchown(io, fd, finding->right_uid, finding->right_gid) != 0)
		code = qf_err_sys(err, errno, told, "cannot set its owner");
	if (!code && (st.st_mode & 07777) != finding->right_mode &&
	    qf_io_fchmod(io, fd, finding->right_mode) != 0)
		code = qf_err_sys(err, errno, told, "cannot set its mode");
	qf_io_close(io, fd);
	return code;
}
