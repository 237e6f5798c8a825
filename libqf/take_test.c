#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "take.h"

static char root[] = "/tmp/qf-take-XXXXXX";
static int dir;
static struct qf_io io;

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(chdir(root), 0);
	dir = open(".", O_RDONLY | O_DIRECTORY);
	qf_io_init(&io, NULL, 0);
}

static void
tear_down(void)
{
	char command[64];

	close(dir);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_assert_eq(system(command), 0);
}

static void
put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

enum flavour { FLOCK, FCNTL };

/* A child that tries to lock as sendmail does: 0 where it got the lock, 1 where it did not. */
static int
other_gets(const char *name, enum flavour flavour)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct flock whole = {.l_type = F_WRLCK};
		int fd = open(name, O_RDWR);

		if (flavour == FLOCK)
			_exit(flock(fd, LOCK_EX | LOCK_NB) != 0);
		_exit(fcntl(fd, F_SETLK, &whole) != 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

/* A child that holds a lock until it is killed. */
static pid_t
hold(const char *name, enum flavour flavour)
{
	struct flock whole = {.l_type = F_WRLCK};
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open(name, O_RDWR);

		if (flavour == FLOCK ? flock(fd, LOCK_EX) : fcntl(fd, F_SETLK, &whole))
			_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

Test(take, kinds_on_a_local_file_system, .init = set_up, .fini = tear_down)
{
	unsigned kinds = 0;
	struct qf_err err;

	cr_assert_eq(qf_take_kinds(&io, dir, &kinds, &err), QF_OK, "%s", err.why);
	cr_assert_eq(kinds, QF_TAKE_FLOCK | QF_TAKE_FCNTL);
	cr_assert_eq(system("test -z \"$(ls -A)\""), 0, "the trial file is left");
}

/* As on NFS: what one description has locked in one way, another does not get in the other. */
static bool taken_by_flock;

static int
one_lock_flock(int fd, int how)
{
	(void)fd;
	(void)how;
	taken_by_flock = true;
	return 0;
}

static int
one_lock_setlk(int fd, struct flock *lock)
{
	(void)fd;
	(void)lock;
	errno = EAGAIN;
	return taken_by_flock ? -1 : 0;
}

Test(take, kinds_where_both_are_one_lock, .init = set_up, .fini = tear_down)
{
	struct qf_sys sys = qf_sys_real;
	unsigned kinds = 0;

	sys.flock = one_lock_flock;
	sys.setlk = one_lock_setlk;
	qf_io_init(&io, &sys, 0);
	cr_assert_eq(qf_take_kinds(&io, dir, &kinds, NULL), QF_OK);
	cr_assert_eq(kinds, QF_TAKE_FCNTL);
}

Test(take, keeps_both_kinds_of_sendmail_out, .init = set_up, .fini = tear_down)
{
	struct qf_taken taken;
	int again;

	put("qfA", "V8\n");
	cr_assert_eq(qf_take(&io, dir, "qfA", QF_TAKE_FLOCK | QF_TAKE_FCNTL, &taken, NULL), QF_OK);
	cr_assert_eq(other_gets("qfA", FLOCK), 1);
	cr_assert_eq(other_gets("qfA", FCNTL), 1);
	/* A library that opens and closes the file must not cost us the lock. */
	again = open("qfA", O_RDWR);
	close(again);
	cr_assert_eq(other_gets("qfA", FCNTL), 1);
	qf_take_release(&io, &taken);
	cr_assert_eq(other_gets("qfA", FLOCK), 0);
	cr_assert_eq(other_gets("qfA", FCNTL), 0);
}

Test(take, busy_when_sendmail_has_it, .init = set_up, .fini = tear_down)
{
	struct qf_taken taken;

	put("qfA", "V8\n");
	for (enum flavour flavour = FLOCK; flavour <= FCNTL; flavour++) {
		pid_t pid = hold("qfA", flavour);

		cr_assert_eq(qf_take(&io, dir, "qfA", QF_TAKE_FLOCK | QF_TAKE_FCNTL, &taken, NULL),
			     QF_E_BUSY, "flavour %d", flavour);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cr_assert_eq(qf_take(&io, dir, "qfA", QF_TAKE_FLOCK | QF_TAKE_FCNTL, &taken, NULL),
			     QF_OK, "flavour %d, gone", flavour);
		qf_take_release(&io, &taken);
	}
}

/* A rewrite slips in between our opening and our locking. */
static int
replacing_flock(int fd, int how)
{
	if (how == LOCK_UN)
		return flock(fd, how);
	put("tfA", "V8\nN1\n");
	cr_assert_eq(rename("tfA", "qfA"), 0);
	return flock(fd, how);
}

static int
removing_flock(int fd, int how)
{
	if (how == LOCK_UN)
		return flock(fd, how);
	cr_assert_eq(unlink("qfA"), 0);
	return flock(fd, how);
}

Test(take, a_file_replaced_meanwhile_is_changed, .init = set_up, .fini = tear_down)
{
	struct qf_sys sys = qf_sys_real;
	struct qf_taken taken;

	put("qfA", "V8\n");
	sys.flock = replacing_flock;
	qf_io_init(&io, &sys, 0);
	cr_assert_eq(qf_take(&io, dir, "qfA", QF_TAKE_FLOCK, &taken, NULL), QF_E_CHANGED);
	sys.flock = removing_flock;
	cr_assert_eq(qf_take(&io, dir, "qfA", QF_TAKE_FLOCK, &taken, NULL), QF_E_GONE);
	cr_assert_eq(taken.fd, -1);
}

Test(take, what_is_refused, .init = set_up, .fini = tear_down, .timeout = 10)
{
	static const struct {
		const char *name, *why;
		enum qf_code code;
	} cases[] = {
		{"qfLINK", "a symbolic link", QF_E_DATA},
		{"qfTWICE", "has a second name", QF_E_DATA},
		{"qfDIR", "not a regular file", QF_E_DATA},
		{"qfFIFO", "not a regular file", QF_E_DATA},
		{"qfNONE", "is gone", QF_E_GONE},
	};

	put("secret", "x");
	put("qfTWICE", "V8\n");
	cr_assert_eq(symlink("secret", "qfLINK"), 0);
	cr_assert_eq(link("qfTWICE", "other"), 0);
	cr_assert_eq(mkdir("qfDIR", 0700), 0);
	cr_assert_eq(mkfifo("qfFIFO", 0600), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct qf_taken taken;
		struct qf_err err;

		cr_assert_eq(qf_take(&io, dir, cases[i].name, QF_TAKE_FLOCK | QF_TAKE_FCNTL, &taken,
				     &err), cases[i].code, "%s", cases[i].name);
		cr_assert_str_eq(err.why, cases[i].why);
	}
}
