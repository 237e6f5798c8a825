/*
 * slowfs - run a command in a world of its own, in which a directory lies on a file system as slow
 * as one across a network. Outside of that world nothing changes.
 *
 *	slowfs [options] DIR -- COMMAND [ARGUMENT...]
 *
 *	--delay=TIME       each operation takes so much longer: 1ms, 500us, 2s (1ms)
 *	--cache=SECONDS    how long the kernel may believe names and attributes (0: never)
 *	--absent=told      that there is no such name is told at once. FUSE's kernel asks for each
 *name once more before it makes it, or renames something to it; NFS's client does not. With a
 *cache, this makes as many operations of each call as NFS does
 *	--locks=both       locks are kept by the server, and flock and fcntl locks exclude each
 *other, as on NFS; local (the default): they are the kernel's own, and cost nothing
 *	--fail=OP:N:ERRNO[:PATTERN]   the N-th operation of that kind fails; N+: it and all after
 *it; of names, or files, that match PATTERN (the shell's). Repeatable
 *	--stats=FILE       how often each operation was asked for; written at the end and at SIGUSR1
 *	--check            ends with 0 when all this can be done here, else says why not
 *
 * How it works: DIR is covered by a FUSE mount that passes every operation on to what lies below.
 * An operation is done when it arrives and its answer is held back, so that any number of them may
 * be in flight, with a handful of threads and little of the processor. Every read of a file is an
 * operation (direct I/O), and so is each open (a lookup and an open), close (flush) and stat (a
 * lookup and a getattr), as long as nothing is cached. The kernel waits for no answer to a release.
 *
 * It speaks the kernel's protocol itself (linux/fuse.h): libfuse 3.14 does not ask for parallel
 * look-ups, without which one directory serves one caller at a time.
 *
 * The mount lives in a mount name space made for the command and ends with it, whatever happens to
 * either, so that nothing is ever left mounted. What the command leaves running keeps the name
 * space, but finds the directory dead. Needs /dev/fuse and, unless root, user name spaces.
 *
 * Status: that of the command, 128 + N when signal N ended it, 125 when it could not be run.
 *
 * Not as on a network: no lock outlives its process; extended attributes and mmap(MAP_SHARED) are
 * missing; permissions are not checked anew for every user (the mount is the caller's own).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SERVERS 4   /* threads that do operations */
#define ANSWERERS 2 /* threads that send answers when they are due */
#define CANNOT_RUN 125
#define MAX_WRITE (128 * 1024)
#define MINOR                                                                                      \
	31 /* of the protocol: old enough for any kernel of these years, and what is used here */

__attribute__((format(printf, 1, 2), noreturn)) static void
die(const char *format, ...)
{
	va_list args;

	fputs("slowfs: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(CANNOT_RUN);
}

static void *
must(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

static uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- options and faults */

static const struct {
	const char *name;
	int number;
} errors[] = {
	{"EIO", EIO},	    {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EACCES", EACCES},
	{"EPERM", EPERM},   {"EROFS", EROFS},	{"ESTALE", ESTALE}, {"ENOENT", ENOENT},
	{"EEXIST", EEXIST}, {"EINTR", EINTR},	{"EAGAIN", EAGAIN}, {"ENOLCK", ENOLCK},
	{"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"EBUSY", EBUSY},   {"ETIMEDOUT", ETIMEDOUT},
};

struct fault {
	const char *op;
	unsigned long nth;
	bool and_after;
	int error;
	const char *pattern;
	atomic_ulong seen;
};

static struct {
	uint64_t delay_ns;
	double cache;
	bool both_locks;
	bool absent_told;
	struct fault faults[32];
	size_t nfaults;
	const char *stats;
} opt = {.delay_ns = 1000000};

static int device = -1; /* /dev/fuse */

/* ---------------------------------------------------------------- nodes */

/* A file the kernel knows. Held by an O_PATH descriptor, so that renames, links and removals need
   no care: what has no name any more still has its node. */
struct node {
	struct node *next; /* of the same bucket */
	int fd;
	dev_t dev;
	ino_t ino;
	uint64_t lookups;
	struct lock *locks;
	char name[NAME_MAX + 1]; /* the last one it was looked up by, for --fail */
};

#define BUCKETS 65536
static struct node root = {.fd = -1};
static struct node *buckets[BUCKETS];
static pthread_mutex_t nodes_mutex = PTHREAD_MUTEX_INITIALIZER;

static struct node *
node_of(uint64_t id)
{
	return id == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)id;
}

static struct node **
bucket_of(dev_t dev, ino_t ino)
{
	return &buckets[(ino ^ dev) * 0x9e3779b97f4a7c15u >> 48];
}

/* Seconds of --cache as the protocol has them. */
static void
set_valid(uint64_t *seconds, uint32_t *nanoseconds)
{
	*seconds = (uint64_t)opt.cache;
	*nanoseconds = (uint32_t)((opt.cache - (double)*seconds) * 1e9);
}

static void
fill_attr(struct fuse_attr *attr, const struct stat *st)
{
	*attr = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
	};
}

/* Finds or makes the node of a name, and counts the look-up. Returns an errno. */
static int
look_up(struct node *parent, const char *name, struct fuse_entry_out *entry)
{
	struct node *node, **bucket;
	struct stat st;
	int fd = -1, error = 0;

	if (fstatat(parent->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno;
	pthread_mutex_lock(&nodes_mutex);
	for (;;) {
		bucket = bucket_of(st.st_dev, st.st_ino);
		for (node = *bucket; node; node = node->next)
			if (node->ino == st.st_ino && node->dev == st.st_dev)
				break;
		if (node || fd >= 0)
			break;
		/* New. The name may have come to stand for another file by now: ask again. */
		fd = openat(parent->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0) {
			error = errno;
			goto out;
		}
	}
	if (!node) {
		node = must(calloc(1, sizeof(*node)));
		node->fd = fd;
		node->dev = st.st_dev;
		node->ino = st.st_ino;
		node->next = *bucket;
		*bucket = node;
		fd = -1;
	}
	if (strcmp(node->name, name) != 0)
		snprintf(node->name, sizeof(node->name), "%s", name);
	node->lookups++;
	memset(entry, 0, sizeof(*entry));
	entry->nodeid = (uintptr_t)node;
	set_valid(&entry->entry_valid, &entry->entry_valid_nsec);
	set_valid(&entry->attr_valid, &entry->attr_valid_nsec);
	fill_attr(&entry->attr, &st);
out:
	pthread_mutex_unlock(&nodes_mutex);
	if (fd >= 0)
		close(fd);
	return error;
}

static void
forget(uint64_t id, uint64_t n)
{
	struct node *node = node_of(id), **at;

	if (node == &root)
		return;
	pthread_mutex_lock(&nodes_mutex);
	node->lookups -= n;
	if (node->lookups == 0) {
		for (at = bucket_of(node->dev, node->ino); *at != node; at = &(*at)->next)
			;
		*at = node->next;
	} else {
		node = NULL;
	}
	pthread_mutex_unlock(&nodes_mutex);
	if (node) {
		close(node->fd);
		free(node);
	}
}

/* A path of the file itself, for calls that take no O_PATH descriptor. */
struct proc_path {
	char text[40];
};

static struct proc_path
proc_path(const struct node *node)
{
	struct proc_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", node->fd);
	return path;
}

/* An open file or directory. */
struct handle {
	int fd;
	int flags;
	DIR *dir;
	struct dirent *next; /* read, but did not fit into the last answer */
	uint64_t at;
};

static struct handle *
handle_of(uint64_t fh)
{
	return (struct handle *)(uintptr_t)fh;
}

static void
handle_free(struct handle *handle)
{
	if (handle->dir)
		closedir(handle->dir);
	else
		close(handle->fd);
	free(handle);
}

/* ---------------------------------------------------------------- answers */

/* What is sent to the kernel, and when. */
struct answer {
	struct answer *next;
	uint64_t due;
	bool at_once;
	uint64_t node;	       /* to be forgotten, and */
	struct handle *handle; /* to be closed, when the kernel does not take the answer */
	struct fuse_out_header header;
	char bytes[];
};

/* Answers are all held back equally long, so the first in is the first due. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t some;
	struct answer *first, **last;
} late = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &late.first};

static atomic_long in_flight, most_in_flight;

static void
send_now(struct answer *a)
{
	atomic_fetch_sub(&in_flight, 1);
	/* ENOENT: whoever asked was killed meanwhile. Other failures: the mount is gone. */
	if (write(device, &a->header, a->header.len) < 0 && errno == ENOENT) {
		if (a->node)
			forget(a->node, 1);
		if (a->handle)
			handle_free(a->handle);
	}
	free(a);
}

/* An answer of up to n bytes. */
static struct answer *
answer_new(uint64_t unique, size_t n)
{
	struct answer *a = must(malloc(sizeof(*a) + n));

	memset(a, 0, sizeof(*a));
	a->header.unique = unique;
	a->header.len = (uint32_t)(sizeof(a->header) + n);
	return a;
}

static void
send_late(struct answer *a)
{
	if (opt.delay_ns == 0 || a->at_once) {
		send_now(a);
		return;
	}
	a->due = clock_ns() + opt.delay_ns;
	pthread_mutex_lock(&late.mutex);
	*late.last = a;
	late.last = &a->next;
	pthread_cond_signal(&late.some);
	pthread_mutex_unlock(&late.mutex);
}

static void
send_error(uint64_t unique, int error)
{
	struct answer *a = answer_new(unique, 0);

	a->header.error = -error;
	send_late(a);
}

static void *
send_when_due(void *unused)
{
	(void)unused;
	prctl(PR_SET_TIMERSLACK, 1);
	pthread_mutex_lock(&late.mutex);
	for (;;) {
		struct answer *a = late.first;

		if (!a) {
			pthread_cond_wait(&late.some, &late.mutex);
		} else if (a->due > clock_ns()) {
			struct timespec due = {.tv_sec = (time_t)(a->due / 1000000000u),
					       .tv_nsec = (long)(a->due % 1000000000u)};

			pthread_mutex_unlock(&late.mutex);
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
			pthread_mutex_lock(&late.mutex);
		} else {
			late.first = a->next;
			if (!late.first)
				late.last = &late.first;
			pthread_mutex_unlock(&late.mutex);
			send_now(a);
			pthread_mutex_lock(&late.mutex);
		}
	}
	return NULL;
}

/* ---------------------------------------------------------------- operations on names */

/*
 * One request. A function that serves it returns 0, an errno, or LATER when it has seen to the
 * answer, or there is to be none. What it answers beside its success it puts into a.
 */
struct call {
	const struct fuse_in_header *in;
	struct node *node;
	const void *arg;  /* of the row's size */
	const char *name; /* what follows it: a name, or data */
	struct answer *a;
};

#define LATER (-1)

/* Room for n bytes of an answer, all zero. */
static void *
reply(struct call *c, size_t n)
{
	c->a = answer_new(c->in->unique, n);
	return memset(c->a->bytes, 0, n);
}

/* Less was needed. */
static void
reply_is(struct call *c, size_t n)
{
	c->a->header.len = (uint32_t)(sizeof(c->a->header) + n);
}

static int
result(int value)
{
	return value < 0 ? errno : 0;
}

static int
do_init(struct call *c)
{
	const struct fuse_init_in *arg = c->arg;
	struct fuse_init_out *out = reply(c, sizeof(*out));
	uint32_t wanted = FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_PARALLEL_DIROPS;

	if (opt.both_locks)
		wanted |= FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
	if (arg->major != FUSE_KERNEL_VERSION || arg->minor < MINOR ||
	    (arg->flags & wanted) != wanted)
		die("this kernel's FUSE is too old");
	out->major = FUSE_KERNEL_VERSION;
	out->minor = MINOR;
	out->flags = wanted;
	out->max_readahead = arg->max_readahead;
	/* By default no more than 12 releases are in flight at once. */
	out->max_background = out->congestion_threshold = 4096;
	out->max_write = MAX_WRITE;
	out->time_gran = 1;
	atomic_fetch_add(&in_flight, 1);
	send_now(c->a);
	return LATER;
}

static int
do_destroy(struct call *c)
{
	(void)c;
	return 0;
}

static int
do_lookup(struct call *c)
{
	struct fuse_entry_out *out = reply(c, sizeof(*out));
	int error = look_up(c->node, c->name, out);

	/* No node and a time: "is not there" may be remembered too. */
	if (error == ENOENT && opt.cache > 0) {
		set_valid(&out->entry_valid, &out->entry_valid_nsec);
		c->a->at_once = opt.absent_told;
		return 0;
	}
	c->a->node = out->nodeid;
	return error;
}

static int
do_forget(struct call *c)
{
	forget(c->in->nodeid, ((const struct fuse_forget_in *)c->arg)->nlookup);
	return LATER;
}

static int
do_batch_forget(struct call *c)
{
	const struct fuse_forget_one *list = (const void *)c->name;

	for (uint32_t i = 0; i < ((const struct fuse_batch_forget_in *)c->arg)->count; i++)
		forget(list[i].nodeid, list[i].nlookup);
	return LATER;
}

static int
do_getattr(struct call *c)
{
	struct fuse_attr_out *out = reply(c, sizeof(*out));
	struct stat st;

	if (fstatat(c->node->fd, "", &st, AT_EMPTY_PATH) < 0)
		return errno;
	set_valid(&out->attr_valid, &out->attr_valid_nsec);
	fill_attr(&out->attr, &st);
	return 0;
}

static struct timespec
time_to_set(uint32_t valid, uint32_t given, uint32_t now, uint64_t seconds, uint32_t nanoseconds)
{
	if (valid & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (valid & given)
		return (struct timespec){(time_t)seconds, nanoseconds};
	return (struct timespec){.tv_nsec = UTIME_OMIT};
}

static int
do_setattr(struct call *c)
{
	const struct fuse_setattr_in *arg = c->arg;
	struct proc_path path = proc_path(c->node);

	if (arg->valid & (FATTR_UID | FATTR_GID) &&
	    fchownat(c->node->fd, "", arg->valid & FATTR_UID ? arg->uid : (uid_t)-1,
		     arg->valid & FATTR_GID ? arg->gid : (gid_t)-1, AT_EMPTY_PATH) < 0)
		return errno;
	if (arg->valid & FATTR_MODE && chmod(path.text, arg->mode & 07777) < 0)
		return errno;
	if (arg->valid & FATTR_SIZE && truncate(path.text, (off_t)arg->size) < 0)
		return errno;
	if (arg->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)) {
		struct timespec times[2] = {
			time_to_set(arg->valid, FATTR_ATIME, FATTR_ATIME_NOW, arg->atime,
				    arg->atimensec),
			time_to_set(arg->valid, FATTR_MTIME, FATTR_MTIME_NOW, arg->mtime,
				    arg->mtimensec),
		};

		if (utimensat(AT_FDCWD, path.text, times, 0) < 0)
			return errno;
	}
	return do_getattr(c);
}

static int
do_readlink(struct call *c)
{
	char *target = reply(c, PATH_MAX);
	ssize_t n = readlinkat(c->node->fd, "", target, PATH_MAX);

	if (n < 0)
		return errno;
	reply_is(c, (size_t)n);
	return 0;
}

/* What root makes for others becomes theirs. */
static int
give(struct call *c)
{
	struct stat st;
	bool inherits = fstat(c->node->fd, &st) == 0 && st.st_mode & S_ISGID;

	if (geteuid() != 0)
		return 0;
	return fchownat(c->node->fd, c->name, c->in->uid, inherits ? (gid_t)-1 : c->in->gid,
			AT_SYMLINK_NOFOLLOW);
}

/* The answer to what has made a name: made is what the call returned. */
static int
named(struct call *c, int made, bool is_new)
{
	struct fuse_entry_out *out;
	int error;

	if (made < 0 || (is_new && give(c) < 0))
		return errno;
	out = reply(c, sizeof(*out));
	error = look_up(c->node, c->name, out);
	c->a->node = out->nodeid;
	return error;
}

static int
do_mknod(struct call *c)
{
	const struct fuse_mknod_in *arg = c->arg;

	return named(c, mknodat(c->node->fd, c->name, arg->mode, arg->rdev), true);
}

static int
do_mkdir(struct call *c)
{
	const struct fuse_mkdir_in *arg = c->arg;

	return named(c, mkdirat(c->node->fd, c->name, arg->mode), true);
}

static int
do_symlink(struct call *c)
{
	const char *target = c->name + strlen(c->name) + 1;

	return named(c, symlinkat(target, c->node->fd, c->name), true);
}

static int
do_link(struct call *c)
{
	struct proc_path path =
		proc_path(node_of(((const struct fuse_link_in *)c->arg)->oldnodeid));

	return named(c, linkat(AT_FDCWD, path.text, c->node->fd, c->name, AT_SYMLINK_FOLLOW),
		     false);
}

static int
do_unlink(struct call *c)
{
	return result(unlinkat(c->node->fd, c->name, 0));
}

static int
do_rmdir(struct call *c)
{
	return result(unlinkat(c->node->fd, c->name, AT_REMOVEDIR));
}

static int
move(struct call *c, uint64_t to, unsigned flags)
{
	const char *new_name = c->name + strlen(c->name) + 1;

	return result(renameat2(c->node->fd, c->name, node_of(to)->fd, new_name, flags));
}

static int
do_rename(struct call *c)
{
	return move(c, ((const struct fuse_rename_in *)c->arg)->newdir, 0);
}

static int
do_rename2(struct call *c)
{
	const struct fuse_rename2_in *arg = c->arg;

	return move(c, arg->newdir, arg->flags);
}

/* ---------------------------------------------------------------- operations on open files */

static void
opened(struct call *c, struct fuse_open_out *out, int fd, uint32_t flags)
{
	struct handle *handle = must(calloc(1, sizeof(*handle)));

	handle->fd = fd;
	handle->flags = (int)flags;
	out->fh = (uintptr_t)handle;
	out->open_flags = FOPEN_DIRECT_IO;
	c->a->handle = handle;
}

static int
do_open(struct call *c)
{
	const struct fuse_open_in *arg = c->arg;
	int fd = open(proc_path(c->node).text, ((int)arg->flags & ~O_NOFOLLOW) | O_CLOEXEC);

	if (fd < 0)
		return errno;
	opened(c, reply(c, sizeof(struct fuse_open_out)), fd, arg->flags);
	return 0;
}

static int
do_create(struct call *c)
{
	const struct fuse_create_in *arg = c->arg;
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} *out = reply(c, sizeof(*out));
	int error,
		fd = openat(c->node->fd, c->name, (int)arg->flags | O_CREAT | O_CLOEXEC, arg->mode);

	if (fd < 0)
		return errno;
	error = give(c) < 0 ? errno : look_up(c->node, c->name, &out->entry);
	if (error) {
		close(fd);
		return error;
	}
	c->a->node = out->entry.nodeid;
	opened(c, &out->open, fd, arg->flags);
	return 0;
}

static int
do_read(struct call *c)
{
	const struct fuse_read_in *arg = c->arg;
	ssize_t n;

	c->a = answer_new(c->in->unique, arg->size);
	n = pread(handle_of(arg->fh)->fd, c->a->bytes, arg->size, (off_t)arg->offset);
	if (n < 0)
		return errno;
	reply_is(c, (size_t)n);
	return 0;
}

static int
do_write(struct call *c)
{
	const struct fuse_write_in *arg = c->arg;
	struct fuse_write_out *out = reply(c, sizeof(*out));
	ssize_t n = pwrite(handle_of(arg->fh)->fd, c->name, arg->size, (off_t)arg->offset);

	if (n < 0)
		return errno;
	out->size = (uint32_t)n;
	return 0;
}

static int
do_fsync(struct call *c)
{
	const struct fuse_fsync_in *arg = c->arg;
	int fd = handle_of(arg->fh)->fd;

	return result(arg->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(fd) : fsync(fd));
}

static int
do_statfs(struct call *c)
{
	struct fuse_kstatfs *out = reply(c, sizeof(struct fuse_statfs_out));
	struct statvfs st;

	if (fstatvfs(root.fd, &st) < 0)
		return errno;
	*out = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = (uint32_t)st.f_namemax,
		.frsize = (uint32_t)st.f_frsize,
	};
	return 0;
}

static int
do_opendir(struct call *c)
{
	struct fuse_open_out *out = reply(c, sizeof(*out));
	int fd = openat(c->node->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	opened(c, out, fd, O_RDONLY);
	out->open_flags = 0;
	c->a->handle->dir = must(fdopendir(fd));
	return 0;
}

static int
do_readdir(struct call *c)
{
	const struct fuse_read_in *arg = c->arg;
	struct handle *handle = handle_of(arg->fh);
	char *out = reply(c, arg->size);
	size_t n = 0;

	if (arg->offset != handle->at) {
		seekdir(handle->dir, (long)arg->offset);
		handle->next = NULL;
		handle->at = arg->offset;
	}
	for (;;) {
		struct fuse_dirent *to = (void *)(out + n);
		struct dirent *e;

		errno = 0;
		if (!handle->next && !(handle->next = readdir(handle->dir)))
			break;
		e = handle->next;
		if (n + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + strlen(e->d_name)) > arg->size)
			break;
		to->ino = e->d_ino;
		to->off = (uint64_t)e->d_off;
		to->type = e->d_type;
		to->namelen = (uint32_t)strlen(e->d_name);
		memcpy(to->name, e->d_name, to->namelen);
		n += FUSE_DIRENT_SIZE(to);
		handle->at = to->off;
		handle->next = NULL;
	}
	reply_is(c, n);
	return n == 0 && !handle->next ? errno : 0;
}

static int
do_releasedir(struct call *c)
{
	handle_free(handle_of(((const struct fuse_release_in *)c->arg)->fh));
	return 0;
}

/* ---------------------------------------------------------------- locks */

/*
 * A lock of either kind: a flock one covers the whole file. The kernel names an owner for each: the
 * process for fcntl locks, the open file for flock and open-file-description locks. Linux's NFS
 * client tells owners apart in the same way, so here as there a process that takes both flock and a
 * classic fcntl lock of one file stands in its own way.
 */
struct lock {
	struct lock *next;
	uint64_t owner;
	const struct handle *handle; /* it came by, and is gone with */
	struct fuse_file_lock range; /* end is the last byte */
};

/* A request that waits for a lock. */
struct waiter {
	struct waiter *next;
	uint64_t unique;
	struct node *node;
	struct lock want;
};

#define LAST_BYTE ((uint64_t)INT64_MAX)
static pthread_mutex_t locks_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct waiter *waiters;

static const struct lock *
in_the_way(const struct node *node, const struct lock *want)
{
	for (const struct lock *l = node->locks; l; l = l->next)
		if (l->owner != want->owner && l->range.start <= want->range.end &&
		    want->range.start <= l->range.end &&
		    (l->range.type == F_WRLCK || want->range.type == F_WRLCK))
			return l;
	return NULL;
}

static void
lock_add(struct node *node, const struct lock *lock)
{
	struct lock *l = must(malloc(sizeof(*l)));

	*l = *lock;
	l->next = node->locks;
	node->locks = l;
}

/* Takes the range from the locks of an owner, or of all that came by a handle. */
static void
lock_cut(struct node *node, uint64_t owner, const struct handle *handle, uint64_t start,
	 uint64_t end)
{
	struct lock **at = &node->locks, *l;

	while ((l = *at)) {
		struct lock left = *l, right = *l;

		if ((handle ? l->handle != handle : l->owner != owner) || l->range.start > end ||
		    start > l->range.end) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		free(l);
		/* What is added goes to the head of the list, which may be where we are; it lies
		   outside of the range, and is stepped over. */
		left.range.end = start - 1;
		right.range.start = end + 1;
		if (left.range.start < start)
			lock_add(node, &left);
		if (end < right.range.end)
			lock_add(node, &right);
	}
}

static void
lock_set(struct node *node, const struct lock *want)
{
	lock_cut(node, want->owner, NULL, want->range.start, want->range.end);
	if (want->range.type != F_UNLCK)
		lock_add(node, want);
}

/* Gives waiting requests what has become free. */
static void
lock_wake(const struct node *node)
{
	struct waiter **at = &waiters, *w;

	while ((w = *at)) {
		if (w->node != node || in_the_way(node, &w->want)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		lock_set(w->node, &w->want);
		send_error(w->unique, 0);
		free(w);
	}
}

static void
lock_drop(struct node *node, uint64_t owner, const struct handle *handle)
{
	pthread_mutex_lock(&locks_mutex);
	lock_cut(node, owner, handle, 0, LAST_BYTE);
	lock_wake(node);
	pthread_mutex_unlock(&locks_mutex);
}

static struct lock
lock_of(const struct fuse_lk_in *arg)
{
	return (struct lock){NULL, arg->owner, handle_of(arg->fh), arg->lk};
}

static int
do_getlk(struct call *c)
{
	struct fuse_lk_out *out = reply(c, sizeof(*out));
	struct lock want = lock_of(c->arg);
	const struct lock *l;

	pthread_mutex_lock(&locks_mutex);
	l = in_the_way(c->node, &want);
	if (l)
		out->lk = l->range;
	else
		out->lk.type = F_UNLCK;
	pthread_mutex_unlock(&locks_mutex);
	return 0;
}

static int
do_setlk(struct call *c)
{
	const struct fuse_lk_in *arg = c->arg;
	struct lock want = lock_of(arg);
	int mode = want.handle->flags & O_ACCMODE, error = 0;

	/* NFS makes a byte-range lock of flock, which asks for a file opened in that way. */
	if (arg->lk_flags & FUSE_LK_FLOCK && ((want.range.type == F_WRLCK && mode == O_RDONLY) ||
					      (want.range.type == F_RDLCK && mode == O_WRONLY)))
		return EBADF;
	pthread_mutex_lock(&locks_mutex);
	if (want.range.type == F_UNLCK || !in_the_way(c->node, &want)) {
		lock_set(c->node, &want);
		lock_wake(c->node);
	} else if (c->in->opcode == FUSE_SETLKW) {
		struct waiter **at = &waiters;

		while (*at)
			at = &(*at)->next;
		*at = must(malloc(sizeof(**at)));
		**at = (struct waiter){NULL, c->in->unique, c->node, want};
		error = LATER;
	} else {
		error = EAGAIN;
	}
	pthread_mutex_unlock(&locks_mutex);
	return error;
}

/* Whoever waits for a lock gives up. */
static int
do_interrupt(struct call *c)
{
	const struct fuse_interrupt_in *arg = c->arg;
	struct waiter **at, *w;

	pthread_mutex_lock(&locks_mutex);
	for (at = &waiters; (w = *at); at = &w->next)
		if (w->unique == arg->unique)
			break;
	if (w)
		*at = w->next;
	pthread_mutex_unlock(&locks_mutex);
	/* None waits: the request may only be on its way to another thread. The kernel shall ask
	   again, as long as it waits for an answer. */
	atomic_fetch_add(&in_flight, !w);
	send_error(w ? w->unique : c->in->unique, w ? EINTR : EAGAIN);
	free(w);
	return LATER;
}

/* Every close of a descriptor: fcntl locks of the process end with it. */
static int
do_flush(struct call *c)
{
	lock_drop(c->node, ((const struct fuse_flush_in *)c->arg)->lock_owner, NULL);
	return 0;
}

/* The last close: flock and open-file-description locks end. */
static int
do_release(struct call *c)
{
	struct handle *handle = handle_of(((const struct fuse_release_in *)c->arg)->fh);

	lock_drop(c->node, 0, handle);
	handle_free(handle);
	return 0;
}

/* ---------------------------------------------------------------- serving */

/* Every request that is served. What has a name for --fail and --stats is counted, may be made to
   fail, and is answered late; what the kernel asks beyond these does not exist (ENOSYS). */
static const struct op {
	uint32_t opcode;
	const char *name;
	int (*serve)(struct call *c);
	size_t arg;
	bool named; /* a name follows the argument */
} ops[] = {
	{FUSE_INIT, NULL, do_init, sizeof(struct fuse_init_in), false},
	{FUSE_DESTROY, NULL, do_destroy, 0, false},
	{FUSE_FORGET, NULL, do_forget, sizeof(struct fuse_forget_in), false},
	{FUSE_BATCH_FORGET, NULL, do_batch_forget, sizeof(struct fuse_batch_forget_in), false},
	{FUSE_INTERRUPT, NULL, do_interrupt, sizeof(struct fuse_interrupt_in), false},
	{FUSE_LOOKUP, "lookup", do_lookup, 0, true},
	{FUSE_GETATTR, "getattr", do_getattr, sizeof(struct fuse_getattr_in), false},
	{FUSE_SETATTR, "setattr", do_setattr, sizeof(struct fuse_setattr_in), false},
	{FUSE_READLINK, "readlink", do_readlink, 0, false},
	{FUSE_MKNOD, "mknod", do_mknod, sizeof(struct fuse_mknod_in), true},
	{FUSE_MKDIR, "mkdir", do_mkdir, sizeof(struct fuse_mkdir_in), true},
	{FUSE_SYMLINK, "symlink", do_symlink, 0, true},
	{FUSE_LINK, "link", do_link, sizeof(struct fuse_link_in), true},
	{FUSE_UNLINK, "unlink", do_unlink, 0, true},
	{FUSE_RMDIR, "rmdir", do_rmdir, 0, true},
	{FUSE_RENAME, "rename", do_rename, sizeof(struct fuse_rename_in), true},
	{FUSE_RENAME2, "rename", do_rename2, sizeof(struct fuse_rename2_in), true},
	{FUSE_OPEN, "open", do_open, sizeof(struct fuse_open_in), false},
	{FUSE_CREATE, "create", do_create, sizeof(struct fuse_create_in), true},
	{FUSE_READ, "read", do_read, sizeof(struct fuse_read_in), false},
	{FUSE_WRITE, "write", do_write, sizeof(struct fuse_write_in), false},
	{FUSE_FLUSH, "flush", do_flush, sizeof(struct fuse_flush_in), false},
	{FUSE_RELEASE, "release", do_release, sizeof(struct fuse_release_in), false},
	{FUSE_FSYNC, "fsync", do_fsync, sizeof(struct fuse_fsync_in), false},
	{FUSE_OPENDIR, "opendir", do_opendir, sizeof(struct fuse_open_in), false},
	{FUSE_READDIR, "readdir", do_readdir, sizeof(struct fuse_read_in), false},
	{FUSE_RELEASEDIR, "releasedir", do_releasedir, sizeof(struct fuse_release_in), false},
	{FUSE_FSYNCDIR, "fsyncdir", do_fsync, sizeof(struct fuse_fsync_in), false},
	{FUSE_STATFS, "statfs", do_statfs, 0, false},
	{FUSE_GETLK, "getlk", do_getlk, sizeof(struct fuse_lk_in), false},
	{FUSE_SETLK, "setlk", do_setlk, sizeof(struct fuse_lk_in), false},
	{FUSE_SETLKW, "setlk", do_setlk, sizeof(struct fuse_lk_in), false},
	/* The same requests, when flock() makes them: see op_of(). */
	{FUSE_SETLK, "flock", do_setlk, sizeof(struct fuse_lk_in), false},
};

/* The row of a request; one behind the last where there is none. */
static const struct op *
op_of(const struct fuse_in_header *in)
{
	const struct op *op = ops;

	while (op < ops + COUNT(ops) && op->opcode != in->opcode)
		op++;
	if (op < ops + COUNT(ops) && op->serve == do_setlk &&
	    ((const struct fuse_lk_in *)(in + 1))->lk_flags & FUSE_LK_FLOCK)
		op = ops + COUNT(ops) - 1;
	return op;
}

static atomic_ulong counts[COUNT(ops)];

/* The errno an operation is made to fail with, or 0. */
static int
fault_of(const struct op *op, const char *name)
{
	for (size_t i = 0; i < opt.nfaults; i++) {
		struct fault *fault = &opt.faults[i];
		unsigned long n;

		if (strcmp(fault->op, op->name) != 0 ||
		    (fault->pattern && fnmatch(fault->pattern, name, 0) != 0))
			continue;
		n = atomic_fetch_add(&fault->seen, 1) + 1;
		if (n == fault->nth || (fault->and_after && n > fault->nth))
			return fault->error;
	}
	return 0;
}

static void
serve_one(const struct fuse_in_header *in)
{
	struct call c = {.in = in, .node = node_of(in->nodeid), .arg = in + 1};
	const struct op *op = op_of(in);
	int error = 0;

	if (op < ops + COUNT(ops)) {
		if (op->name || op->serve == do_destroy) {
			long now = atomic_fetch_add(&in_flight, 1) + 1;
			long most = atomic_load(&most_in_flight);

			while (now > most &&
			       !atomic_compare_exchange_weak(&most_in_flight, &most, now))
				;
		}
		c.name = (const char *)c.arg + op->arg;
		if (op->name) {
			atomic_fetch_add(&counts[op - ops], 1);
			error = fault_of(op, op->named ? c.name : c.node->name);
		}
		if (!error)
			error = op->serve(&c);
	} else {
		atomic_fetch_add(&in_flight, 1);
		error = ENOSYS;
	}
	if (error == LATER)
		return;
	if (error) {
		free(c.a);
		send_error(in->unique, error);
	} else {
		send_late(c.a ? c.a : answer_new(in->unique, 0));
	}
}

static void *
serve(void *unused)
{
	const size_t size = MAX_WRITE + 4096;
	void *request = must(malloc(size));

	for (;;) {
		ssize_t n = read(device, request, size);

		/* ENOENT: the request was taken back. ENODEV: the mount is gone. */
		if (n < 0 && errno == ENODEV)
			break;
		if (n > 0)
			serve_one(request);
	}
	free(request);
	return unused;
}

static void
write_stats(void)
{
	unsigned long total = 0;
	char *draft;
	FILE *f;

	if (!opt.stats)
		return;
	if (asprintf(&draft, "%s.new", opt.stats) < 0)
		die("out of memory");
	f = fopen(draft, "we");
	if (!f)
		die("%s: %s", draft, strerror(errno));
	for (size_t i = 0; i < COUNT(ops); i++) {
		unsigned long n = atomic_load(&counts[i]);

		/* Rows of one name stand side by side. */
		if (i + 1 < COUNT(ops) && ops[i].name && strcmp(ops[i].name, ops[i + 1].name) == 0)
			n += atomic_load(&counts[++i]);
		if (n)
			fprintf(f, "%s %lu\n", ops[i].name, n);
		total += n;
	}
	fprintf(f, "total %lu\nmost-in-flight %ld\n", total, atomic_load(&most_in_flight));
	if (fclose(f) != 0 || rename(draft, opt.stats) != 0)
		die("%s: %s", opt.stats, strerror(errno));
	free(draft);
}

/* ---------------------------------------------------------------- the mount and the command */

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

/* A mount name space of our own; unless root, in a user name space in which everybody is who he
 * was. */
static void
leave_the_world(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		die("no mount name space can be made here: %s", strerror(errno));
	if (uid) {
		put("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		put("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		put("/proc/self/gid_map", map);
	}
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("mounts cannot be made private: %s", strerror(errno));
}

static void
cover(const char *path)
{
	char options[100];

	root.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0)
		die("%s: %s", path, strerror(errno));
	leave_the_world();
	/* By whoever mounts, in the same user name space. */
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("/dev/fuse: %s", strerror(errno));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u%s", device,
		 geteuid(), getegid(), geteuid() == 0 ? ",allow_other" : "");
	if (mount("slowfs", path, "fuse.slowfs", MS_NOSUID | MS_NODEV, options) < 0)
		die("%s: cannot be mounted: %s", path, strerror(errno));
}

static pid_t
start(const char *path, char **command, const sigset_t *mask)
{
	struct stat st;
	char *here = getcwd(NULL, 0);
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(CANNOT_RUN);
		sigprocmask(SIG_SETMASK, mask, NULL);
		/* Until it is asked, the kernel takes root for the owner of the directory, whom a
		   user name space need not know, and then lets nothing be made in it. */
		stat(path, &st);
		/* By name, as it may lie below the mount now. */
		if (here && chdir(here) < 0)
			fprintf(stderr, "slowfs: %s: %s\n", here, strerror(errno));
		execvp(command[0], command);
		fprintf(stderr, "slowfs: %s: %s\n", command[0], strerror(errno));
		_exit(CANNOT_RUN);
	}
	free(here);
	return pid;
}

/* Passes signals on until the command has ended. Returns its status as the shell tells it. */
static int
attend(pid_t pid, const sigset_t *signals)
{
	bool told = false;
	int status, sig;

	for (;;) {
		if (sigwait(signals, &sig) != 0)
			continue;
		if (sig == SIGUSR1) {
			write_stats();
		} else if (sig != SIGCHLD) {
			kill(pid, told ? SIGKILL : sig);
			told = true;
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

static int
run(const char *dir, char **command)
{
	char *path = realpath(dir, NULL);
	const struct rlimit many = {1048576, 1048576};
	struct rlimit files;
	sigset_t signals, mask;
	pthread_t thread;
	int status;
	pid_t pid;

	if (!path)
		die("%s: %s", dir, strerror(errno));
	/* A descriptor for each file the kernel knows, and the command's limits as they were. */
	getrlimit(RLIMIT_NOFILE, &files);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, &mask);
	cover(path);
	pid = start(path, command, &mask);
	umask(0); /* modes come from the kernel, masked already */
	if (setrlimit(RLIMIT_NOFILE, &many) < 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (int i = 0; i < SERVERS + ANSWERERS; i++) {
		if (pthread_create(&thread, NULL, i < SERVERS ? serve : send_when_due, NULL) != 0)
			die("a thread cannot be had");
		pthread_detach(thread);
	}
	status = attend(pid, &signals);
	/* Releases come after the command has ended: let them be counted. */
	usleep(5000);
	for (int i = 0; i < 100 && atomic_load(&in_flight) > 0; i++)
		usleep(1000);
	write_stats();
	umount2(path, MNT_DETACH);
	/* The other threads end with the process: nothing is left to be tidied. */
	fflush(NULL);
	_exit(status);
}

/* ---------------------------------------------------------------- command line */

static uint64_t
read_time(const char *text)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"", 1e6}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	char *end;
	double n = strtod(text, &end);

	for (size_t i = 0; i < COUNT(units); i++)
		if (end > text && strcmp(end, units[i].unit) == 0 && n >= 0 &&
		    n * units[i].ns < 1e12)
			return (uint64_t)(n * units[i].ns);
	die("%s: not a time such as 1ms, 500us", text);
}

/* OP:N[+]:ERRNO[:PATTERN] */
static void
read_fault(char *text)
{
	struct fault *fault = &opt.faults[opt.nfaults++];
	char *op = strsep(&text, ":"), *nth = strsep(&text, ":"), *error = strsep(&text, ":"), *end;

	if (opt.nfaults == COUNT(opt.faults) || !nth || !error)
		die("--fail=%s: OP:N:ERRNO[:PATTERN] is wanted", op);
	fault->pattern = text;
	for (size_t i = 0; i < COUNT(ops) && !fault->op; i++)
		if (ops[i].name && strcmp(ops[i].name, op) == 0)
			fault->op = ops[i].name;
	if (!fault->op)
		die("--fail=%s: no such operation", op);
	fault->nth = strtoul(nth, &end, 10);
	fault->and_after = *end == '+';
	if (end == nth || fault->nth == 0 || end[fault->and_after])
		die("--fail=%s:%s: not a number from 1 on, or that with a +", op, nth);
	for (size_t i = 0; i < COUNT(errors); i++)
		if (strcmp(errors[i].name, error) == 0)
			fault->error = errors[i].number;
	if (!fault->error)
		die("--fail=%s:%s:%s: no such error", op, nth, error);
}

int
main(int argc, char **argv)
{
	static char *nothing[] = {"true", NULL};
	const char *usage = "usage: slowfs [--delay=TIME] [--cache=SECONDS] [--absent=told] [--locks=local|both] "
			    "[--fail=OP:N:ERRNO[:PATTERN]] [--stats=FILE] DIR -- COMMAND...";
	int i;

	for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		char *value = strchr(argv[i], '=');
		size_t n = value ? (size_t)(value++ - argv[i]) : 0;

		if (n == 7 && !strncmp(argv[i], "--delay", n))
			opt.delay_ns = read_time(value);
		else if (n == 7 && !strncmp(argv[i], "--cache", n))
			opt.cache = strtod(value, NULL);
		else if (strcmp(argv[i], "--locks=both") == 0)
			opt.both_locks = true;
		else if (strcmp(argv[i], "--locks=local") == 0)
			opt.both_locks = false;
		else if (strcmp(argv[i], "--absent=told") == 0)
			opt.absent_told = true;
		else if (n == 6 && !strncmp(argv[i], "--fail", n))
			read_fault(value);
		else if (n == 7 && !strncmp(argv[i], "--stats", n))
			opt.stats = value;
		else if (strcmp(argv[i], "--check") == 0)
			return run(".", nothing);
		else
			die("%s", usage);
	}
	if (i + 2 >= argc || strcmp(argv[i + 1], "--") != 0)
		die("%s", usage);
	return run(argv[i], argv + i + 2);
}
