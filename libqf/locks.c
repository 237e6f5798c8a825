/*
 * locks - is a control file in delivery now, found without taking a lock.
 *
 * Reading /proc/locks is dear: Linux lets all processors come to rest first (some 10 ms, measured),
 * and whoever takes a lock meanwhile waits. So it is read only now and then, by one thread while the
 * others go on with what was read before.
 *
 * BUGS: what /proc/locks said is up to REFRESH_NS old, and the time of a reading more. A lock taken
 * and released in between is not seen; the same is true of any answer by the time it is printed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "locks.h"

#define REFRESH_NS 250000000u
/* Inode of the initial pid namespace (Linux: PROC_PID_INIT_INO, fixed). */
#define INITIAL_PID_NAMESPACE "pid:[4026531836]"

struct held {
	uint64_t device;
	uint64_t inode;
};

/* What one reading of /proc/locks said. */
struct listing {
	struct held *held; /* sorted */
	size_t nheld, cap;
	bool readable;
};

struct qf_locks {
	pthread_mutex_t reading;      /* held by who reads /proc/locks */
	pthread_rwlock_t lock;        /* over the listing */
	struct listing listing;
	atomic_uint_fast64_t read_at; /* ns; 0: never */
};

void
qf_locks_free(struct qf_locks *locks)
{
	if (!locks)
		return;
	pthread_rwlock_destroy(&locks->lock);
	pthread_mutex_destroy(&locks->reading);
	free(locks->listing.held);
	free(locks);
}

static int
compare_held(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return 0;
}

/* An exclusive lock as /proc/locks has it. */
struct lock_line {
	struct held file;
	pid_t pid; /* of the process that took it; 0 or -1 where there is none to name */
};

/* "7: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF"; waiters have "->" behind the number. */
static bool
parse_line(const char *line, struct lock_line *lock)
{
	char how[16];
	unsigned device_major, device_minor;
	unsigned long long inode;
	long pid;

	if (sscanf(line, "%*s %*15s %*15s %15s %ld %x:%x:%llu", how, &pid, &device_major,
		   &device_minor, &inode) != 5 || strcmp(how, "WRITE"))
		return false;
	lock->file = (struct held){makedev(device_major, device_minor), inode};
	lock->pid = (pid_t)pid;
	return true;
}

static void
take_line(struct listing *listing, const char *line)
{
	struct lock_line lock;

	if (!parse_line(line, &lock))
		return;
	if (listing->nheld == listing->cap) {
		size_t cap = listing->cap ? listing->cap * 2 : 64;
		struct held *more = realloc(listing->held, cap * sizeof(*more));

		if (!more) {
			listing->readable = false;
			return;
		}
		listing->held = more;
		listing->cap = cap;
	}
	listing->held[listing->nheld++] = lock.file;
}

static struct listing
read_listing(void)
{
	FILE *proc = fopen("/proc/locks", "re");
	struct listing listing = {.readable = proc != NULL};
	char *line = NULL;
	size_t size = 0;

	if (proc) {
		while (getline(&line, &size, proc) > 0)
			take_line(&listing, line);
		free(line);
		fclose(proc);
	}
	if (listing.nheld)
		qsort(listing.held, listing.nheld, sizeof(*listing.held), compare_held);
	return listing;
}

static bool
is_old(const struct qf_locks *locks)
{
	return !locks->read_at || qf_clock_ns() - locks->read_at >= REFRESH_NS;
}

/* Read /proc/locks again where what we have is old. While another thread does, what there is will
   do; the first reading has to be waited for. */
static void
refresh(struct qf_locks *locks)
{
	struct held *old;
	struct listing listing;

	if (pthread_mutex_trylock(&locks->reading) != 0) {
		if (locks->read_at)
			return;
		pthread_mutex_lock(&locks->reading);
	}
	if (is_old(locks)) {
		listing = read_listing();
		pthread_rwlock_wrlock(&locks->lock);
		old = locks->listing.held;
		locks->listing = listing;
		locks->read_at = qf_clock_ns();
		pthread_rwlock_unlock(&locks->lock);
		free(old);
	}
	pthread_mutex_unlock(&locks->reading);
}

struct qf_locks *
qf_locks_new(void)
{
	struct qf_locks *locks = calloc(1, sizeof(*locks));

	if (!locks)
		return NULL;
	pthread_mutex_init(&locks->reading, NULL);
	pthread_rwlock_init(&locks->lock, NULL);
	return locks;
}

void
qf_locks_look(struct qf_locks *locks)
{
	if (is_old(locks))
		refresh(locks);
}

/* Does /proc/locks have it; *readable false where there is no /proc/locks. */
static bool
is_listed(struct qf_locks *locks, const struct held *file, bool *readable)
{
	bool found;

	qf_locks_look(locks);
	pthread_rwlock_rdlock(&locks->lock);
	*readable = locks->listing.readable;
	found = locks->listing.nheld && bsearch(file, locks->listing.held, locks->listing.nheld,
						sizeof(*file), compare_held);
	pthread_rwlock_unlock(&locks->lock);
	return found;
}

bool
qf_locks_listed(struct qf_locks *locks, uint64_t device, uint64_t inode)
{
	struct held file = {device, inode};
	bool readable;

	return is_listed(locks, &file, &readable);
}

enum qf_tri
qf_locks_ask(struct qf_locks *locks, struct qf_io *io, int fd, uint64_t device, uint64_t inode,
	     enum qf_lock_sight sight)
{
	/* A read lock conflicts with exclusive locks only: mailq's shared one is no delivery. */
	struct flock question = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct held file = {device, inode};
	bool answered, readable;

	if (is_listed(locks, &file, &readable))
		return QF_YES;
	if (sight == QF_SIGHT_LISTED && readable)
		return QF_NO;
	answered = qf_io_getlk(io, fd, &question) == 0;
	if (answered && question.l_type != F_UNLCK)
		return QF_YES;
	return answered && readable && sight != QF_SIGHT_BLIND ? QF_NO : QF_UNKNOWN;
}

/* The title of a process as ps shows it: its arguments with blanks between. */
static void
add_title(pid_t pid, struct qf_buf *title)
{
	char path[64], text[4096];
	size_t n;
	FILE *proc;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
	proc = fopen(path, "re");
	if (!proc)
		return;
	n = fread(text, 1, sizeof(text), proc);
	fclose(proc);
	while (n && text[n - 1] == '\0')
		n--;
	for (size_t i = 0; i < n; i++)
		qf_buf_addc(title, text[i] ? text[i] : ' ');
}

pid_t
qf_lock_holder(const struct qf_msg *msg, struct qf_buf *title)
{
	const struct qf_files *files = qf_msg_files(msg);
	struct lock_line lock;
	FILE *proc = fopen("/proc/locks", "re");
	char *line = NULL;
	size_t size = 0;
	pid_t pid = 0;

	if (!proc)
		return 0;
	while (!pid && files->have_stat && getline(&line, &size, proc) > 0)
		if (parse_line(line, &lock) && lock.file.device == files->device &&
		    lock.file.inode == files->inode && lock.pid > 0)
			pid = lock.pid;
	free(line);
	fclose(proc);
	if (pid)
		add_title(pid, title);
	return pid;
}

enum qf_lock_sight
qf_locks_sight(int dir_fd)
{
	enum qf_fs fs = qf_fs_of(dir_fd);
	char name[64];
	ssize_t n;

	if (fs == QF_FS_NETWORK || fs == QF_FS_OVERLAY)
		return QF_SIGHT_ASK;
	n = readlink("/proc/self/ns/pid", name, sizeof(name) - 1);
	if (n < 0)
		return QF_SIGHT_BLIND;
	name[n] = '\0';
	if (strcmp(name, INITIAL_PID_NAMESPACE))
		return QF_SIGHT_BLIND;
	/* What a FUSE server does with locks is its own affair. */
	return fs == QF_FS_FUSE ? QF_SIGHT_ASK : QF_SIGHT_LISTED;
}
