/*
 * stat-loop - the least that finding orphans takes: list the names of a queue directory in one
 * pass, keep those of control files, stat each, in N threads. What it takes beyond this is its own
 * doing.
 *
 *	stat-loop [--threads=N] DIR
 *
 * Prints "files N controls M seconds S".
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME 24
#define BATCH 64
#define MAX_THREADS 256

static char (*names)[NAME];
static size_t nnames;
static int dir_fd;
static atomic_size_t next;

static void
die(const char *what)
{
	fprintf(stderr, "stat-loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *
work(void *arg)
{
	struct stat st;
	size_t first;

	(void)arg;
	while ((first = atomic_fetch_add(&next, BATCH)) < nnames)
		for (size_t i = first; i < nnames && i < first + BATCH; i++)
			if (fstatat(dir_fd, names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
				die(names[i]);
	return NULL;
}

int
main(int argc, char **argv)
{
	int threads = 1, at = 1;
	size_t room = 0, files = 0;
	struct timespec begun, ended;
	pthread_t ids[MAX_THREADS];
	struct dirent *e;
	DIR *dir;

	if (at < argc && strncmp(argv[at], "--threads=", 10) == 0)
		threads = atoi(argv[at++] + 10);
	if (at + 1 != argc || threads < 1 || threads > MAX_THREADS) {
		fprintf(stderr, "usage: stat-loop [--threads=N] DIR\n");
		return 64;
	}
	clock_gettime(CLOCK_MONOTONIC, &begun);
	dir_fd = open(argv[at], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = dir_fd < 0 ? NULL : fdopendir(dup(dir_fd));
	if (!dir)
		die(argv[at]);
	while ((e = readdir(dir))) {
		files++;
		if (strncmp(e->d_name, "qf", 2) != 0 || strlen(e->d_name) >= NAME)
			continue;
		if (nnames == room) {
			room = room ? room * 2 : 1024;
			names = realloc(names, room * sizeof(*names));
			if (!names)
				die("memory");
		}
		strcpy(names[nnames++], e->d_name);
	}
	for (int i = 1; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work, NULL) != 0)
			die("threads");
	work(NULL);
	for (int i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("files %zu controls %zu seconds %.6f\n", files, nnames,
	       (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
	return 0;
}
