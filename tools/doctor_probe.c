/*
 * doctor_probe - what is tried: locks between two processes, rename and fsync, the clock of the
 * file server, all on files of our own under .qf/probe; and how the installed sendmail locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"

extern char **environ;

#define CREATE (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

/* The folder to try things in, in the first queue directory; -1 and the answer given. */
static int
open_folder(struct doctor *doctor)
{
	struct qf_err err;
	int fd;

	if (!doctor->options->probe) {
		doctor_unknown(doctor, "not tried; --probe does, on files of its own under .qf/");
		return -1;
	}
	if (qf_home_open_folder(doctor->source.queue, 0, "probe", true, &fd, &err)) {
		doctor_unknown(doctor, "%s: %s", err.what, err.why);
		return -1;
	}
	return fd;
}

/* A file name of this process in it. */
static void
name_file(char name[64], const char *what)
{
	snprintf(name, 64, "%s-%ld", what, (long)getpid());
}

/* ------------------------------------------------------------------ locks */

enum { TRY_FLOCK = 1, TRY_FCNTL = 2 };

/* What a second process gets: a bit for each kind of lock that is refused to it; -1 for an error.
   */
static int
refused_to_another(int folder, const char *name)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC), refused = 0;

		if (fd < 0)
			_exit(100);
		if (fcntl(fd, F_SETLK, &lock) != 0)
			refused |= TRY_FCNTL;
		if (flock(fd, LOCK_EX | LOCK_NB) != 0)
			refused |= TRY_FLOCK;
		_exit(refused);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) >= 100)
		return -1;
	return WEXITSTATUS(status);
}

void
doctor_lock_exclusion(struct doctor *doctor)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int folder = open_folder(doctor), fd, by_flock = -1, by_fcntl = -1, free_again = -1;
	char name[64];

	if (folder < 0)
		return;
	doctor_wanted(doctor, "each kind excludes itself between processes");
	name_file(name, "lock");
	fd = openat(folder, name, CREATE, 0600);
	if (fd < 0) {
		doctor_fail(doctor, NULL, "no file can be made under .qf/: %s", strerror(errno));
		close(folder);
		return;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		by_flock = refused_to_another(folder, name);
		flock(fd, LOCK_UN);
	}
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
		by_fcntl = refused_to_another(folder, name);
		lock.l_type = F_UNLCK;
		fcntl(fd, F_OFD_SETLK, &lock);
		free_again = refused_to_another(folder, name);
	}
	unlinkat(folder, name, 0);
	close(fd);
	close(folder);
	if (by_flock < 0 || by_fcntl < 0)
		doctor_fail(doctor, NULL, "this file system has no locks");
	else if (free_again != 0)
		doctor_fail(doctor, NULL, "a lock that was given up still holds");
	else if (!(by_flock & TRY_FLOCK) || !(by_fcntl & TRY_FCNTL))
		doctor_fail(doctor, !(by_flock & TRY_FLOCK) ? "flock" : "fcntl",
			    "taken by two processes at once");
	else if (by_flock & TRY_FCNTL)
		doctor_ok(doctor, "flock and fcntl are one lock", "as on NFS; another host: doctor "
			  "lock-test --peer");
	else
		doctor_ok(doctor, "flock and fcntl, each for itself", "as on a local file system");
}

/* What a program prints within some seconds, its input empty, up to where it says last: then it is
   ended. The caller's; NULL and errno. */
static char *
output_of(const char *path, char *const *argv, const char *last)
{
	posix_spawn_file_actions_t actions;
	size_t n = 0, room = 65536;
	char *text = malloc(room + 1);
	int ends[2], error, status;
	struct pollfd wait_for;
	time_t until = time(NULL) + 10;
	ssize_t got = 1;
	pid_t child;

	if (!text || pipe2(ends, O_CLOEXEC) != 0) {
		free(text);
		return NULL;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	error = posix_spawn(&child, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	wait_for = (struct pollfd){.fd = ends[0], .events = POLLIN};
	while (!error && got > 0 && n < room && time(NULL) < until) {
		if (poll(&wait_for, 1, 1000) <= 0)
			continue;
		got = read(ends[0], text + n, room - n);
		n += got > 0 ? (size_t)got : 0;
		text[n] = '\0';
		if (strstr(text, last))
			break;
	}
	close(ends[0]);
	if (!error) {
		if (got > 0)
			kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	text[n] = '\0';
	if (error || !n) {
		free(text);
		errno = error ? error : ENODATA;
		return NULL;
	}
	return text;
}

/* It goes on to look up the names of this host, which may take a minute.
   Origin: sendmail -d0.10 -bt lists HASFLOCK among the defines of the operating system where it
   was built with flock, and does not where it locks with fcntl. */
void
doctor_lock_flavour(struct doctor *doctor)
{
	static const char *const places[] = {"/usr/sbin/sendmail", "/usr/lib/sendmail",
					     "/usr/sbin/sendmail.sendmail",
					     "/usr/libexec/sendmail/sendmail", NULL};
	char debug[] = "-d0.10", test[] = "-bt", name[] = "sendmail";
	char *const argv[] = {name, debug, test, NULL};
	const char *path = doctor->options->sendmail;
	char *text;

	for (size_t i = 0; !path && places[i]; i++)
		if (access(places[i], X_OK) == 0)
			path = places[i];
	if (!path) {
		doctor_unknown(doctor, "no sendmail here to ask; --sendmail=FILE names one");
		return;
	}
	text = output_of(path, argv, "Conf file:");
	if (!text)
		doctor_unknown(doctor, "%s does not answer: %s", path, strerror(errno));
	else if (!strstr(text, "OS Defines") && !strstr(text, "Compiled with"))
		doctor_unknown(doctor, "%s does not say what it was built with: is it sendmail?",
			       path);
	else
		doctor_ok(doctor, strstr(text, "HASFLOCK") ? "flock" : "fcntl",
			  "as %s was built; qf takes both kinds on a local file system", path);
	free(text);
}

/* ------------------------------------------------------------------ rename, fsync, clock */

static const char *
try_rename(int folder, int *error)
{
	static const char bytes[] = "probe\n";
	char name[64], new_name[64], back[sizeof(bytes)] = "";
	const char *failed = NULL;
	int fd;

	name_file(name, "staged");
	name_file(new_name, "renamed");
	fd = openat(folder, name, CREATE, 0600);
	if (fd < 0)
		failed = "creating a file";
	else if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
		failed = "writing";
	else if (fsync(fd) != 0)
		failed = "fsync of a file";
	else if (renameat(folder, name, folder, new_name) != 0)
		failed = "rename";
	else if (fsync(folder) != 0)
		failed = "fsync of a directory";
	*error = errno;
	if (fd >= 0)
		close(fd);
	if (!failed) {
		fd = openat(folder, new_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || read(fd, back, sizeof(back)) != (ssize_t)sizeof(back) ||
		    memcmp(back, bytes, sizeof(bytes)) != 0) {
			failed = "reading it back";
			*error = fd < 0 ? errno : EIO;
		}
		if (fd >= 0)
			close(fd);
	}
	unlinkat(folder, name, 0);
	unlinkat(folder, new_name, 0);
	return failed;
}

void
doctor_rename_fsync(struct doctor *doctor)
{
	int folder = open_folder(doctor), error;
	const char *failed;

	if (folder < 0)
		return;
	doctor_wanted(doctor, "all work");
	failed = try_rename(folder, &error);
	close(folder);
	if (failed)
		doctor_fail(doctor, failed, "%s", strerror(error));
	else
		doctor_good(doctor, "create, write, fsync, rename, fsync of the directory");
}

static double
seconds_of(struct timespec t)
{
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The file server dates a new file; our clock before and after says between what it should lie. */
void
doctor_clock_skew(struct doctor *doctor)
{
	int folder = open_folder(doctor), fd;
	struct timespec before, after;
	double skew = 0, made;
	char name[64], value[64];
	struct stat st;

	if (folder < 0)
		return;
	doctor_wanted(doctor, "under 1s");
	name_file(name, "clock");
	clock_gettime(CLOCK_REALTIME, &before);
	fd = openat(folder, name, CREATE, 0600);
	if (fd < 0 || write(fd, "\n", 1) != 1 || fsync(fd) != 0 || fstat(fd, &st) != 0) {
		doctor_unknown(doctor, "no file can be written under .qf/: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		unlinkat(folder, name, 0);
		close(folder);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &after);
	close(fd);
	unlinkat(folder, name, 0);
	close(folder);
	made = seconds_of(st.st_mtim);
	if (made < seconds_of(before))
		skew = made - seconds_of(before);
	else if (made > seconds_of(after))
		skew = made - seconds_of(after);
	snprintf(value, sizeof(value), "%.2f s", skew);
	if (skew < -60 || skew > 60)
		doctor_fail(doctor, value, "the file server's clock and this host's: ages, and the "
			    "ten minutes an empty control file has, are wrong by that");
	else if (skew < -1 || skew > 1)
		doctor_warn(doctor, value, "the file server's clock and this host's");
	else
		doctor_good(doctor, value);
}
