/*
 * bare-loop - the least that any listing of a queue has to do: read the names in one pass, then
 * open, read and close each control file (one read of 16 kB) and stat each data file. What a
 * listing takes beyond this is its own doing.
 *
 *	bare-loop [--threads=N] [--no-data] DIR      DIR may have qf/ and df/
 *
 * Prints "messages N operations M seconds S".
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME 24 /* sendmail takes no longer ones */
#define READ 16384
#define MAX_THREADS 4096

static char (*names)[NAME];
static size_t nnames;
static int control_dir, data_dir;
static bool with_data = true;
static atomic_size_t next_name;
static atomic_ulong operations;

static void
die(const char *what, int error)
{
	fprintf(stderr, "bare-loop: %s: %s\n", what, strerror(error));
	exit(1);
}

static void
read_names(void)
{
	int fd = openat(control_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t room = 0;
	struct dirent *e;

	if (!dir)
		die("cannot list", errno);
	while ((e = readdir(dir))) {
		if (strncmp(e->d_name, "qf", 2) != 0 || strlen(e->d_name) >= NAME)
			continue;
		if (nnames == room) {
			room = room ? 2 * room : 4096;
			names = realloc(names, room * sizeof(*names));
			if (!names)
				die("names", ENOMEM);
		}
		strcpy(names[nnames++], e->d_name);
	}
	closedir(dir);
}

static void *
work(void *unused)
{
	unsigned long done = 0;
	char bytes[READ], name[NAME];
	struct stat st;

	for (size_t i; (i = atomic_fetch_add(&next_name, 1)) < nnames;) {
		int fd = openat(control_dir, names[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			die(names[i], errno);
		if (read(fd, bytes, sizeof(bytes)) < 0)
			die(names[i], errno);
		close(fd);
		done += 3;
		if (!with_data)
			continue;
		strcpy(name, names[i]);
		name[0] = 'd';
		fstatat(data_dir, name, &st, 0);
		done++;
	}
	atomic_fetch_add(&operations, done);
	return unused;
}

static int
sub_dir(int top, const char *name)
{
	int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? top : fd;
}

int
main(int argc, char **argv)
{
	struct timespec begin, end;
	pthread_t thread[MAX_THREADS];
	const char *path = NULL;
	long threads = 1;
	int top;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--threads=", 10) == 0)
			threads = strtol(argv[i] + 10, NULL, 10);
		else if (strcmp(argv[i], "--no-data") == 0)
			with_data = false;
		else
			path = argv[i];
	}
	if (!path || threads < 1 || threads > MAX_THREADS) {
		fputs("usage: bare-loop [--threads=N] [--no-data] DIR\n", stderr);
		return 64;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		die(path, errno);
	control_dir = sub_dir(top, "qf");
	data_dir = sub_dir(top, "df");
	read_names();
	for (long i = 1; i < threads; i++) {
		int error = pthread_create(&thread[i], NULL, work, NULL);

		if (error)
			die("threads", error);
	}
	work(NULL);
	for (long i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("messages %zu operations %lu seconds %.4f\n", nnames, atomic_load(&operations),
	       (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	free(names);
	return 0;
}
