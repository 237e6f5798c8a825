/*
 * spawner - a helper that starts qf for a program that is not able to.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner.h"

extern char **environ;

/* Bytes of all words of a command line. */
#define WORDS_MAX 65536
/* Children that are remembered, ended or not; the oldest is forgotten. */
#define CHILDREN 64

enum ask { ASK_START, ASK_ENDED, ASK_KILL };

/* What is asked, with the words of a command line behind it, a NUL after each. */
struct question {
	uint32_t ask, nwords;
	int32_t pid;
};

struct answer {
	int32_t failure; /* errno */
	int32_t pid;
	int32_t ended, status;
};

struct child {
	pid_t pid;
	bool ended;
	int status;
};

/* ------------------------------------------------------------------ the helper */

static struct child children[CHILDREN];
static unsigned next;

static struct child *
find(pid_t pid)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (pid > 0 && children[i].pid == pid)
			return &children[i];
	return NULL;
}

static void
reap(void)
{
	struct child *child;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		child = find(pid);
		if (child) {
			child->ended = true;
			child->status = status;
		}
	}
}

static int
start(const char *program, char **argv, int input, int output, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int failure;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	failure = posix_spawn(pid, program, &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return failure;
}

/* The words, cut apart in place. NULL: they are none. */
static char **
cut(char *words, size_t n, size_t nwords)
{
	char **argv = nwords && n && words[n - 1] == '\0' && nwords < n + 1
			      ? calloc(nwords + 1, sizeof(*argv))
			      : NULL;
	size_t at = 0;

	for (size_t i = 0; argv && i < nwords; i++) {
		if (at >= n) {
			free(argv);
			return NULL;
		}
		argv[i] = words + at;
		at += strlen(words + at) + 1;
	}
	return argv;
}

static void
answer(const char *program, const struct question *question, char *words, size_t n,
       const int fds[2], struct answer *out)
{
	struct child *child = find(question->pid);
	char **argv;
	pid_t pid;

	if (question->ask == ASK_START) {
		argv = fds[0] >= 0 && fds[1] >= 0 ? cut(words, n, question->nwords) : NULL;
		out->failure = argv ? start(program, argv, fds[0], fds[1], &pid) : EINVAL;
		free(argv);
		if (out->failure)
			return;
		children[next++ % CHILDREN] = (struct child){.pid = pid};
		out->pid = pid;
		return;
	}
	if (!child) {
		out->ended = true;
		return;
	}
	if (question->ask == ASK_KILL && !child->ended) {
		kill(child->pid, SIGKILL);
		child->ended = waitpid(child->pid, &child->status, 0) == child->pid;
	}
	out->ended = child->ended;
	out->status = child->status;
	if (child->ended)
		child->pid = 0;
}

/* The descriptors that came with a question; -1 for one that did not. */
static void
take_fds(struct msghdr *message, int fds[2])
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);

	fds[0] = fds[1] = -1;
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(fds, CMSG_DATA(head), 2 * sizeof(int));
}

static _Noreturn void
serve(int fd, const char *program)
{
	static char words[WORDS_MAX];
	static const int ignored[] = {SIGINT, SIGHUP, SIGTERM, SIGQUIT, SIGTSTP, SIGPIPE, SIGWINCH};

	setsid();
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	for (;;) {
		union {
			char bytes[CMSG_SPACE(2 * sizeof(int))];
			struct cmsghdr head;
		} control;
		struct question question;
		struct iovec parts[] = {{&question, sizeof(question)}, {words, sizeof(words)}};
		struct msghdr message = {.msg_iov = parts,
					 .msg_iovlen = 2,
					 .msg_control = &control,
					 .msg_controllen = sizeof(control)};
		struct answer out = {0};
		int fds[2];
		ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof(question))
			_exit(0); /* whom it served has ended */
		take_fds(&message, fds);
		reap();
		answer(program, &question, words, (size_t)n - sizeof(question), fds, &out);
		for (int i = 0; i < 2; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		if (write(fd, &out, sizeof(out)) != (ssize_t)sizeof(out))
			_exit(0);
	}
}

int
tui_spawner_begin(const char *program)
{
	int ends[2], failure;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		serve(ends[1], program);
	}
	failure = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		errno = failure;
		return -1;
	}
	return ends[0];
}

/* ------------------------------------------------------------------ whom it serves */

/* False and errno when it is not there any more. */
static bool
ask(int spawner, struct msghdr *message, struct answer *out)
{
	ssize_t n;

	do
		n = sendmsg(spawner, message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return false;
	do
		n = read(spawner, out, sizeof(*out));
	while (n < 0 && errno == EINTR);
	if (n >= 0 && n != (ssize_t)sizeof(*out))
		errno = EPIPE;
	return n == (ssize_t)sizeof(*out);
}

enum qf_code
tui_spawn(int spawner, char *const *argv, int input, int output, pid_t *pid, struct qf_err *err)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr head;
	} control = {{0}};
	struct question question = {.ask = ASK_START};
	struct qf_buf words = {0};
	struct iovec parts[2] = {{&question, sizeof(question)}};
	struct msghdr message = {.msg_iov = parts,
				 .msg_iovlen = 2,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	const int fds[2] = {input, output};
	struct answer out = {0};
	bool gone = false;

	for (; argv[question.nwords]; question.nwords++)
		qf_buf_add(&words, argv[question.nwords], strlen(argv[question.nwords]) + 1);
	parts[1] = (struct iovec){words.p, words.n};
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
	if (words.failed)
		out.failure = ENOMEM;
	else if (words.n > WORDS_MAX)
		out.failure = E2BIG;
	else if (!ask(spawner, &message, &out)) {
		out.failure = errno;
		gone = true;
	}
	qf_buf_release(&words);
	if (!out.failure) {
		*pid = out.pid;
		return QF_OK;
	}
	*err = (struct qf_err){.code = QF_E_SYS, .sys = out.failure};
	snprintf(err->what, sizeof(err->what), "qf");
	snprintf(err->why, sizeof(err->why), "%s",
		 gone ? "the helper that starts it has ended: leave, and begin again"
		      : strerror(out.failure));
	return QF_E_SYS;
}

bool
tui_spawned_ended(int spawner, pid_t pid, bool kill, int *status)
{
	struct question question = {.ask = kill ? ASK_KILL : ASK_ENDED, .pid = (int32_t)pid};
	struct iovec part = {&question, sizeof(question)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct answer out = {0};

	*status = 0;
	if (!ask(spawner, &message, &out))
		return true;
	*status = out.status;
	return out.ended;
}
