/*
 * measure - run a command once, and print what it took on one line:
 *
 *	wall-seconds cpu-seconds peak-kB first-seconds bytes status
 *
 *	measure [--pipe] COMMAND [ARGUMENT...]
 *
 * Standard output of the command goes to /dev/null; with --pipe to a reader, which notes when the
 * first byte came and how many came in all (else both are 0). cpu-seconds is user
 * and system time of all its threads, which other load disturbs less; peak-kB is the largest
 *resident set. status is that of the command, 128 + N when signal N ended it.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double
seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	bool piped = argc > 1 && strcmp(argv[1], "--pipe") == 0;
	char **command = argv + 1 + piped, bytes[65536];
	posix_spawn_file_actions_t actions;
	double begin, first = 0, end;
	int ends[2], error, status;
	struct rusage usage;
	long long got = 0;
	ssize_t n;
	pid_t pid;

	if (!*command) {
		fputs("usage: measure [--pipe] COMMAND [ARGUMENT...]\n", stderr);
		return 64;
	}
	posix_spawn_file_actions_init(&actions);
	if (piped) {
		if (pipe2(ends, O_CLOEXEC) < 0) {
			perror("measure: pipe");
			return 1;
		}
		posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	} else {
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	}
	begin = now();
	error = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
	if (error) {
		fprintf(stderr, "measure: %s: %s\n", command[0], strerror(error));
		return 1;
	}
	if (piped) {
		close(ends[1]);
		while ((n = read(ends[0], bytes, sizeof(bytes))) != 0) {
			if (n < 0 && errno != EINTR)
				break;
			if (n > 0 && got == 0)
				first = now() - begin;
			got += n > 0 ? n : 0;
		}
	}
	while (wait4(pid, &status, 0, &usage) < 0)
		;
	end = now();
	posix_spawn_file_actions_destroy(&actions);
	printf("%.6f %.6f %ld %.6f %lld %d\n", end - begin,
	       seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss, first, got,
	       WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	return 0;
}
