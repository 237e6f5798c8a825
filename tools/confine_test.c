/* A process that confined itself cannot open, start, connect or change what it was not to. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

static char folder[64], queue_path[96], other[96], output[96], inside[128];
static struct qf_queue *queue;

static void
make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
}

static void
set_up(void)
{
	struct qf_queue_options options = {0};
	const char *paths[] = {queue_path};
	struct qf_err err;

	strcpy(folder, "/var/tmp/confine.XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(queue_path, sizeof(queue_path), "%s/queue", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(output, sizeof(output), "%s/out", folder);
	snprintf(inside, sizeof(inside), "%s/queue/qfA", folder);
	cr_assert(mkdir(queue_path, 0700) == 0 && mkdir(output, 0700) == 0);
	make_file(other);
	make_file(inside);
	options.paths = paths;
	options.npaths = 1;
	cr_assert(qf_queue_open(&options, &queue, &err) == QF_OK);
}

static void
tear_down(void)
{
	char path[160];

	qf_queue_free(queue);
	snprintf(path, sizeof(path), "%s/new", output);
	unlink(path);
	unlink(inside);
	unlink(other);
	rmdir(queue_path);
	rmdir(output);
	rmdir(folder);
}

TestSuite(confine, .init = set_up, .fini = tear_down);

static void *
idle(void *arg)
{
	return arg;
}

/* 0, or the errno of opening. */
static int
opening(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* A server and who asks it, in one: every call that the network takes. */
static bool
talks(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *name = (struct sockaddr *)&address;
	socklen_t size = sizeof(address);
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	struct iovec text = {.iov_base = (char *)"b", .iov_len = 1};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	struct mmsghdr messages = {.msg_hdr = message};
	int two[2], accepted, again;
	char got[3];

	if (bind(server, name, size) || listen(server, 2) || getsockname(server, name, &size) ||
	    connect(client, name, size))
		return false;
	accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	again = socket(AF_INET, SOCK_STREAM, 0);
	return accepted >= 0 && connect(again, name, size) == 0 && accept(server, NULL, NULL) >= 0 &&
	       send(client, "a", 1, 0) == 1 && sendmsg(client, &message, 0) == 1 &&
	       sendmmsg(client, &messages, 1, 0) == 1 &&
	       recv(accepted, got, sizeof(got), MSG_WAITALL) == 3 && memcmp(got, "abb", 3) == 0 &&
	       socketpair(AF_UNIX, SOCK_STREAM, 0, two) == 0;
}

/* Each letter is something that a confined process could do, and should not; or could not, and
   should. */
static void
try(const struct confine *confine, const struct confined *done, char *bad)
{
	enum confine_how how = confine->how;
	char *const argv[] = {(char *)"true", NULL};
	bool is_reader = how == CONFINE_READER || how == CONFINE_LISTER;
	char path[160];
	pthread_t thread;
	pid_t child;

	snprintf(path, sizeof(path), "%s/new", output);
	if (opening(inside, O_RDONLY))
		*bad++ = 'q';
	if (pthread_create(&thread, NULL, idle, NULL) == 0)
		pthread_join(thread, NULL);
	else
		*bad++ = 't';
	if (done->landlock) {
		if (how != CONFINE_LISTER && how != CONFINE_KEEPER &&
		    (opening(other, O_RDONLY) != EACCES || opening("/etc/passwd", O_RDONLY) != EACCES))
			*bad++ = 'o';
		if (how == CONFINE_KEEPER ? opening(other, O_RDONLY) ||
						    opening("/etc", O_RDONLY | O_DIRECTORY)
					  : opening("/etc", O_RDONLY | O_DIRECTORY) != EACCES)
			*bad++ = 'd';
		if (opening(inside, O_WRONLY) == 0)
			*bad++ = 'w';
		if (is_reader && opening(path, O_WRONLY | O_CREAT) == 0)
			*bad++ = 'c';
		if ((how == CONFINE_WRITER || how == CONFINE_KEEPER) &&
		    (opening(path, O_WRONLY | O_CREAT) || truncate(path, 1) || unlink(path)))
			*bad++ = 'C';
		if ((how == CONFINE_WRITER || how == CONFINE_KEEPER) && unlink(inside) == 0)
			*bad++ = 'u';
	}
	if (done->seccomp) {
		if (!confine->network &&
		    (socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0))
			*bad++ = 's';
		if (confine->network && !talks())
			*bad++ = 'n';
		child = fork();
		if (child == 0)
			_exit(0);
		if (child > 0)
			*bad++ = 'f';
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
			*bad++ = 'p';
		if (mount("none", queue_path, "tmpfs", 0, NULL) == 0 || errno != EPERM)
			*bad++ = 'm';
		if (is_reader && (unlink(inside) == 0 || errno != EPERM))
			*bad++ = 'U';
		if (is_reader && (chmod(inside, 0644) == 0 || errno != EPERM))
			*bad++ = 'M';
		if (is_reader && opening(inside, O_RDWR) != EPERM)
			*bad++ = 'W';
		if (how >= CONFINE_CHANGER && (opening(inside, O_RDWR) || chmod(inside, 0600)))
			*bad++ = 'X';
		/* The last: where it is not refused nothing comes after. */
		*bad = 'e';
		execv("/bin/true", argv);
		if (errno == EPERM)
			*bad = '\0';
	}
	if (geteuid() == 0 && done->capabilities) {
		if ((chown(inside, 1, 1) == 0) != (how >= CONFINE_CHANGER))
			strcat(bad, "k");
		if (sethostname("x", 1) == 0 || setuid(1) == 0)
			strcat(bad, "a");
	}
}

static void
confined_tries(enum confine_how how, bool network)
{
	struct confine confine = {.how = how, .queue = queue, .network = network};
	char path[160], bad[64] = "";
	struct confined done;
	int ends[2], status;
	ssize_t n;
	pid_t child;

	snprintf(path, sizeof(path), "%s/new", output);
	if (how == CONFINE_WRITER || how == CONFINE_KEEPER)
		confine.may_write[0] = path;
	cr_assert(pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		confine_apply(&confine, &done);
		if (!*done.why)
			try(&confine, &done, bad);
		else
			snprintf(bad, sizeof(bad), "?%.60s", done.why);
		n = write(ends[1], bad, strlen(bad));
		_exit(n < 0);
	}
	close(ends[1]);
	n = read(ends[0], bad, sizeof(bad) - 1);
	close(ends[0]);
	bad[n > 0 ? n : 0] = '\0';
	cr_assert(waitpid(child, &status, 0) == child);
	if (*bad == '?')
		cr_skip_test("not to be had: %s", bad + 1);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with %x", status);
	cr_assert_str_eq(bad, "");
}

Test(confine, reader)
{
	confined_tries(CONFINE_READER, false);
}

Test(confine, lister)
{
	confined_tries(CONFINE_LISTER, false);
}

Test(confine, keeper)
{
	confined_tries(CONFINE_KEEPER, false);
}

Test(confine, screen)
{
	confined_tries(CONFINE_SCREEN, false);
}

Test(confine, writer)
{
	confined_tries(CONFINE_WRITER, false);
}

Test(confine, changer)
{
	confined_tries(CONFINE_CHANGER, false);
}

Test(confine, looker)
{
	confined_tries(CONFINE_LOOKER, false);
}

Test(confine, looker_that_answers)
{
	confined_tries(CONFINE_LOOKER, true);
}

Test(confine, changer_that_talks)
{
	confined_tries(CONFINE_CHANGER, true);
}

/* With Landlock too, which would refuse to connect. */
Test(confine, reader_that_talks)
{
	confined_tries(CONFINE_READER, true);
}

/* Without being confined each of these works, so that the tests above say something. */
Test(confine, all_of_it_works_otherwise)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), status;
	pid_t child;

	cr_assert(fd >= 0 && close(fd) == 0 && talks());
	cr_assert_eq(opening(other, O_RDONLY), 0);
	cr_assert_eq(opening(inside, O_RDWR), 0);
	child = fork();
	if (child == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	cr_assert(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}
