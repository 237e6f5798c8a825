/*
 * locks - is a control file in delivery now, found without taking a lock.
 *
 * BUGS: what /proc/locks said is up to REFRESH_NS old. A lock taken and released in between is
 * not seen; the same is true of any answer by the time it is printed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "locks.h"

#define REFRESH_NS 100000000u
/* Inode of the initial pid namespace (Linux: PROC_PID_INIT_INO, fixed). */
#define INITIAL_PID_NAMESPACE "pid:[4026531836]"

/* Magic numbers of statfs(2). */
#define FS_NFS 0x6969u
#define FS_SMB2 0xfe534d42u
#define FS_CIFS 0xff534d42u
#define FS_OVERLAY 0x794c7630u

struct held {
	uint64_t device;
	uint64_t inode;
};

struct qf_locks {
	struct qf_io *io;
	pthread_mutex_t mutex;
	struct held *held; /* sorted */
	size_t nheld, cap;
	uint64_t read_at;  /* ns; 0: never */
	bool readable;
};

struct qf_locks *
qf_locks_new(struct qf_io *io)
{
	struct qf_locks *locks = calloc(1, sizeof(*locks));

	if (!locks)
		return NULL;
	locks->io = io;
	pthread_mutex_init(&locks->mutex, NULL);
	return locks;
}

void
qf_locks_free(struct qf_locks *locks)
{
	if (!locks)
		return;
	pthread_mutex_destroy(&locks->mutex);
	free(locks->held);
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

/* "7: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF"; waiters have "->" behind the number. */
static void
take_line(struct qf_locks *locks, const char *line)
{
	char how[16];
	unsigned device_major, device_minor;
	unsigned long long inode;

	if (sscanf(line, "%*s %*15s %*15s %15s %*d %x:%x:%llu", how, &device_major, &device_minor,
		   &inode) != 4 || strcmp(how, "WRITE"))
		return;
	if (locks->nheld == locks->cap) {
		size_t cap = locks->cap ? locks->cap * 2 : 64;
		struct held *more = realloc(locks->held, cap * sizeof(*more));

		if (!more) {
			locks->readable = false;
			return;
		}
		locks->held = more;
		locks->cap = cap;
	}
	locks->held[locks->nheld++] =
		(struct held){makedev(device_major, device_minor), inode};
}

/* With the mutex held: read /proc/locks again where what we have is old. */
static void
refresh(struct qf_locks *locks)
{
	uint64_t now = qf_clock_ns();
	FILE *proc;
	char *line = NULL;
	size_t size = 0;

	if (locks->read_at && now - locks->read_at < REFRESH_NS)
		return;
	locks->read_at = now;
	locks->nheld = 0;
	proc = fopen("/proc/locks", "re");
	locks->readable = proc != NULL;
	if (!proc)
		return;
	while (getline(&line, &size, proc) > 0)
		take_line(locks, line);
	free(line);
	fclose(proc);
	if (locks->nheld)
		qsort(locks->held, locks->nheld, sizeof(*locks->held), compare_held);
}

enum qf_tri
qf_locks_ask(struct qf_locks *locks, int fd, uint64_t device, uint64_t inode, bool sees_flock)
{
	struct flock question = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct held file = {device, inode};
	bool answered, readable, found;

	/* A read lock conflicts with exclusive locks only: mailq's shared one is no delivery. */
	answered = qf_io_getlk(locks->io, fd, &question) == 0;
	if (answered && question.l_type != F_UNLCK)
		return QF_YES;
	pthread_mutex_lock(&locks->mutex);
	refresh(locks);
	readable = locks->readable;
	found = locks->nheld && bsearch(&file, locks->held, locks->nheld, sizeof(file),
					compare_held);
	pthread_mutex_unlock(&locks->mutex);
	if (found)
		return QF_YES;
	return answered && readable && sees_flock ? QF_NO : QF_UNKNOWN;
}

bool
qf_locks_sees_flock(int dir_fd)
{
	struct statfs fs;
	char name[64];
	ssize_t n;

	if (fstatfs(dir_fd, &fs) == 0) {
		switch ((uint32_t)fs.f_type) {
		case FS_NFS:
		case FS_SMB2:
		case FS_CIFS:
		case FS_OVERLAY:
			return true;
		}
	}
	n = readlink("/proc/self/ns/pid", name, sizeof(name) - 1);
	if (n < 0)
		return false;
	name[n] = '\0';
	return strcmp(name, INITIAL_PID_NAMESPACE) == 0;
}
