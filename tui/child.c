/*
 * child - qf itself, run in a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "spawner.h"

static enum qf_code
fail(struct qf_err *err, const char *what, int failure)
{
	*err = (struct qf_err){.code = QF_E_SYS, .sys = failure};
	snprintf(err->what, sizeof(err->what), "%s", what);
	snprintf(err->why, sizeof(err->why), "%s", strerror(failure));
	return QF_E_SYS;
}

/* A file in memory with these bytes, which lives as long as somebody has it open. */
static int
open_input(struct qf_slice input)
{
	int fd = input.n ? memfd_create("qf-input", MFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && input.n) {
		ssize_t n = write(fd, input.p, input.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			close(fd);
			return -1;
		}
		input.p += n;
		input.n -= (size_t)n;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

enum qf_code
tui_child_start(const struct tui_config *config, char *const *argv, size_t argc,
		struct qf_slice input, int output, struct tui_child *child, struct qf_err *err)
{
	char **all = calloc(argc + config->narguments + 2, sizeof(*all));
	int in = open_input(input), pipes[2] = {-1, -1};
	enum qf_code code = QF_OK;
	size_t n = 0;

	*child = (struct tui_child){.fd = -1};
	if (!all || in < 0 || (output < 0 && pipe2(pipes, O_CLOEXEC) != 0)) {
		code = fail(err, "qf", all ? errno : ENOMEM);
		goto out;
	}
	all[n++] = (char *)"qf";
	all[n++] = argv[0];
	for (size_t i = 0; i < config->narguments; i++)
		all[n++] = (char *)config->arguments[i];
	for (size_t i = 1; i < argc; i++)
		all[n++] = argv[i];
	code = tui_spawn(config->spawner, all, in, output < 0 ? pipes[1] : output, &child->pid, err);
	child->spawner = config->spawner;
	if (!code && output < 0) {
		child->fd = pipes[0];
		pipes[0] = -1;
		fcntl(child->fd, F_SETFL, O_NONBLOCK);
	}
out:
	if (in >= 0)
		close(in);
	if (pipes[0] >= 0)
		close(pipes[0]);
	if (pipes[1] >= 0)
		close(pipes[1]);
	free(all);
	return code;
}

void
tui_child_end(struct tui_child *child)
{
	int status;

	if (child->fd >= 0)
		close(child->fd);
	child->fd = -1;
	if (child->pid > 0)
		tui_spawned_ended(child->spawner, child->pid, true, &status);
	child->pid = 0;
}

bool
tui_child_wait(struct tui_child *child, int *status)
{
	int how;

	if (child->pid <= 0 || !tui_spawned_ended(child->spawner, child->pid, false, &how))
		return false;
	child->pid = 0;
	*status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + (WIFSIGNALED(how) ? WTERMSIG(how) : 0);
	return true;
}
