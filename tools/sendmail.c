/*
 * sendmail - the real one, run for one message at a time.
 *
 * Linux calls a process by the last part of the path that was executed. Executed through
 * /proc/self/fd/25 it is called "25", and so are the children it forks (observed): a restart of the
 * daemon by name does not hit it. Nothing has to be made on disk for that, nor taken away.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "say.h"
#include "sendmail.h"
#include "status.h"

extern char **environ;

/* As the port of SMTP. */
#define EXECUTED_FD 25
#define EXECUTED_PATH "/proc/self/fd/25"
#define ARGUMENTS_MAX 16

static const char *const places[] = {"/usr/sbin/sendmail", "/usr/lib/sendmail",
				     "/usr/sbin/sendmail.sendmail", NULL};

/* Open what may be executed; errno tells why not. */
static int
open_executable(const char *path)
{
	if (access(path, X_OK) != 0)
		return -1;
	return open(path, O_PATH | O_CLOEXEC);
}

int
sendmail_open(struct sendmail *sendmail, const char *path)
{
	*sendmail = (struct sendmail){.path = path, .fd = -1};
	if (path) {
		sendmail->fd = open_executable(path);
	} else {
		for (size_t i = 0; places[i] && sendmail->fd < 0; i++) {
			sendmail->path = places[i];
			sendmail->fd = open_executable(places[i]);
		}
	}
	if (sendmail->fd >= 0)
		return STATUS_OK;
	if (path)
		say_error("--sendmail: %s: %s", path, strerror(errno));
	else
		say_error("sendmail: not found; --sendmail=PATH names it");
	return STATUS_UNAVAILABLE;
}

void
sendmail_close(struct sendmail *sendmail)
{
	if (sendmail->fd >= 0)
		close(sendmail->fd);
	sendmail->fd = -1;
}

static int
set_up(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int fd, int output)
{
	sigset_t none, usual;
	int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGINT);
	sigaddset(&usual, SIGTERM);
	sigaddset(&usual, SIGHUP);
	sigaddset(&usual, SIGPIPE);
	sigaddset(&usual, SIGCHLD);
	if (!error)
		error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
	if (!error)
		error = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
	if (!error)
		error = posix_spawn_file_actions_adddup2(actions, fd, EXECUTED_FD);
	if (!error)
		error = posix_spawnattr_setsigmask(attributes, &none);
	if (!error)
		error = posix_spawnattr_setsigdefault(attributes, &usual);
	if (!error)
		error = posix_spawnattr_setpgroup(attributes, 0);
	if (!error)
		error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
								     POSIX_SPAWN_SETSIGDEF |
								     POSIX_SPAWN_SETPGROUP);
	return error;
}

/* All it prints, until the last of its processes has closed the pipe. */
static void
read_output(int fd, struct qf_buf *output)
{
	char piece[4096];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		if (output->n + (size_t)n <= SENDMAIL_SAID_MAX)
			qf_buf_add(output, piece, (size_t)n);
	}
}

/* Descriptors stay clear of the one that is executed, which is copied over in the child. */
static int
above(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, EXECUTED_FD + 1);

	close(fd);
	return moved;
}

bool
sendmail_run(const struct sendmail *sendmail, const char *const *arguments, struct qf_buf *output,
	     char why[128])
{
	const char *argv[ARGUMENTS_MAX + 2] = {"sendmail"};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int ends[2], status, error;
	pid_t pid;

	for (size_t i = 0; arguments[i] && i < ARGUMENTS_MAX; i++)
		argv[i + 1] = arguments[i];
	if (pipe2(ends, O_CLOEXEC) != 0) {
		snprintf(why, 128, "cannot make a pipe: %s", strerror(errno));
		return false;
	}
	ends[0] = above(ends[0]);
	ends[1] = above(ends[1]);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	error = ends[0] < 0 || ends[1] < 0 ? EMFILE
					   : set_up(&actions, &attributes, sendmail->fd, ends[1]);
	if (!error)
		error = posix_spawn(&pid, EXECUTED_PATH, &actions, &attributes, (char **)argv,
				    environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (ends[1] >= 0)
		close(ends[1]);
	if (!error) {
		read_output(ends[0], output);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (ends[0] >= 0)
		close(ends[0]);
	if (error)
		snprintf(why, 128, "cannot run %.64s: %s", sendmail->path, strerror(error));
	return !error;
}
