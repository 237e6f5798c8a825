/*
 * act-loop - the least that holding or removing messages safely has to do: the same opens, locks,
 * renames, writes and syncs as qf, in the same order, in as many threads, and nothing else: no
 * parsing, no checks, no words. What qf takes beyond this is its own doing.
 *
 *	act-loop [--threads=N] hold|rm DIR
 *
 * hold	lock the control file and read it; a line into a log, synced; the content written to a new
 *	file, locked and synced, which is renamed over the control file; sync the directory; rename
 *	it to hf; sync the directory; a line into the log, synced; unlock
 * rm	lock the control file; a line into a log, synced; make a folder, sync the one above; move the
 *	control file there, sync both; move the data file there, sync both; rename the folder, sync
 *	the one above; a line into the log, synced; unlock
 *
 * Threads share syncs of the log as qf does: one that comes while another syncs waits for the next.
 * Prints "messages N syncs M seconds S".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME 24 /* sendmail takes no longer ones */
#define READ 65536
#define MAX_THREADS 64
#define BEGIN_LINE 300 /* bytes of a log line, as qf's */
#define END_LINE 130

static char (*names)[NAME];
static size_t nnames;
static int queue, stage, trash, log_fd;
static bool removing;
static atomic_size_t next_name;
static atomic_ulong syncs;

static void
die(const char *what)
{
	fprintf(stderr, "act-loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
must(int result, const char *what)
{
	if (result < 0)
		die(what);
}

static void
sync_fd(int fd)
{
	must(fsync(fd), "fsync");
	atomic_fetch_add(&syncs, 1);
}

static void
read_names(void)
{
	int fd = openat(queue, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t room = 0;
	struct dirent *e;

	if (!dir)
		die("cannot list");
	while ((e = readdir(dir))) {
		if (strncmp(e->d_name, "qf", 2) != 0 || strlen(e->d_name) >= NAME)
			continue;
		if (nnames == room) {
			room = room ? 2 * room : 4096;
			names = realloc(names, room * sizeof(*names));
			if (!names)
				die("names");
		}
		strcpy(names[nnames++], e->d_name);
	}
	closedir(dir);
}

static void
lock(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	must(flock(fd, LOCK_EX | LOCK_NB), "flock");
	must(fcntl(fd, F_OFD_SETLK, &whole), "fcntl");
}

static void
unlock(int fd)
{
	struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	must(flock(fd, LOCK_UN), "flock");
	must(fcntl(fd, F_OFD_SETLK, &whole), "fcntl");
	close(fd);
}

static void
add_to_log(size_t n)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t synced_more = PTHREAD_COND_INITIALIZER;
	static uint64_t written, synced;
	static bool syncing;
	uint64_t mine, target;
	char line[BEGIN_LINE];

	memset(line, 'x', n);
	line[n - 1] = '\n';
	pthread_mutex_lock(&mutex);
	must((int)write(log_fd, line, n), "log");
	mine = ++written;
	while (synced < mine) {
		if (syncing) {
			pthread_cond_wait(&synced_more, &mutex);
			continue;
		}
		syncing = true;
		target = written;
		pthread_mutex_unlock(&mutex);
		sync_fd(log_fd);
		pthread_mutex_lock(&mutex);
		syncing = false;
		synced = target;
		pthread_cond_broadcast(&synced_more);
	}
	pthread_mutex_unlock(&mutex);
}

static void
hold_one(const char *name, size_t number, char *bytes)
{
	char held[NAME], entry[32];
	int fd = openat(queue, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC), new;
	ssize_t n;

	must(fd, name);
	lock(fd);
	n = read(fd, bytes, READ);
	must((int)n, name);
	add_to_log(BEGIN_LINE);
	snprintf(entry, sizeof(entry), "entry-%zu", number);
	new = openat(stage, entry, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	must(new, entry);
	lock(new);
	must((int)write(new, bytes, (size_t)n), entry);
	sync_fd(new);
	must(renameat(stage, entry, queue, name), name);
	unlock(fd);
	sync_fd(queue);
	strcpy(held, name);
	held[0] = 'h';
	must(renameat2(queue, name, queue, held, RENAME_NOREPLACE), name);
	sync_fd(queue);
	add_to_log(END_LINE);
	unlock(new);
}

static void
remove_one(const char *name, size_t number)
{
	char data[NAME], entry[32], part[40];
	int fd = openat(queue, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC), folder;

	must(fd, name);
	lock(fd);
	add_to_log(BEGIN_LINE);
	snprintf(entry, sizeof(entry), "entry-%zu", number);
	snprintf(part, sizeof(part), "%s.part", entry);
	must(mkdirat(trash, part, 0700), part);
	folder = openat(trash, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	must(folder, part);
	sync_fd(trash);
	must(renameat2(queue, name, folder, name, RENAME_NOREPLACE), name);
	sync_fd(folder);
	sync_fd(queue);
	strcpy(data, name);
	data[0] = 'd';
	must(renameat2(queue, data, folder, data, RENAME_NOREPLACE), data);
	sync_fd(folder);
	sync_fd(queue);
	must(renameat2(trash, part, trash, entry, RENAME_NOREPLACE), part);
	sync_fd(trash);
	close(folder);
	add_to_log(END_LINE);
	unlock(fd);
}

static void *
work(void *unused)
{
	char *bytes = malloc(READ);

	if (!bytes)
		die("memory");
	for (size_t i; (i = atomic_fetch_add(&next_name, 1)) < nnames;)
		if (removing)
			remove_one(names[i], i);
		else
			hold_one(names[i], i, bytes);
	free(bytes);
	return unused;
}

static int
folder(const char *name)
{
	int fd;

	must(mkdirat(queue, name, 0700), name);
	fd = openat(queue, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd, name);
	return fd;
}

int
main(int argc, char **argv)
{
	struct timespec begin, end;
	pthread_t thread[MAX_THREADS];
	const char *what = NULL, *path = NULL;
	long threads = 1;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--threads=", 10) == 0)
			threads = strtol(argv[i] + 10, NULL, 10);
		else if (!what)
			what = argv[i];
		else
			path = argv[i];
	}
	if (!path || threads < 1 || threads > MAX_THREADS ||
	    (strcmp(what, "hold") != 0 && strcmp(what, "rm") != 0)) {
		fputs("usage: act-loop [--threads=N] hold|rm DIR\n", stderr);
		return 64;
	}
	removing = strcmp(what, "rm") == 0;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	queue = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(queue, path);
	stage = folder(".loop-stage");
	trash = folder(".loop-trash");
	log_fd = openat(stage, "log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	must(log_fd, "log");
	read_names();
	for (long i = 1; i < threads; i++)
		if ((errno = pthread_create(&thread[i], NULL, work, NULL)))
			die("threads");
	work(NULL);
	for (long i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("messages %zu syncs %lu seconds %.4f\n", nnames, atomic_load(&syncs),
	       (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	free(names);
	return 0;
}
