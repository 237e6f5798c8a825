/*
 * doctor_locktest - do locks taken in one container exclude those of another one on the same mount?
 *
 * Each peer leaves a file peer-NAME in .qf/lock-test, and takes and gives up the lock on the file
 * "lock" in turns. Who holds it writes its name into "inside", waits, and looks whether it still
 * stands there: another name means that two were in at once. Who is refused reads who is inside.
 * A peer that has been in and been refused by another often enough leaves done-NAME, and goes on
 * until all are done, so that the others get what they need too. Who sees two inside leaves
 * "broken".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "say.h"
#include "signals.h"

#define ENOUGH 5
#define INSIDE_NS 100000000L

struct test {
	int folder;
	char name[200];          /* ours */
	char other[200];         /* last other one seen */
	unsigned been_in, refused;
	bool broken;
	const char *failed;      /* what did not work; errno in error */
	int error;
};

static void
pause_ns(long ns)
{
	struct timespec t = {.tv_nsec = ns};

	nanosleep(&t, NULL);
}

static bool
leave_file(struct test *test, const char *prefix, const char *text)
{
	char name[256];
	int fd;

	snprintf(name, sizeof(name), "%s%s", prefix, *prefix == 'i' || *prefix == 'b' ? "" : test->name);
	fd = openat(test->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) != 0) {
		test->failed = "writing a file";
		test->error = errno;
	}
	/* Closing is what shows it to others on NFS. */
	if (fd >= 0)
		close(fd);
	return !test->failed;
}

static void
read_inside(struct test *test, char who[200])
{
	int fd = openat(test->folder, "inside", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, who, 199);

	who[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Both kinds where they are two; where one refuses the other they are one lock, and it is held. */
static bool
take_lock(struct test *test, int *fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	*fd = openat(test->folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0) {
		test->failed = "opening the lock file";
		test->error = errno;
		return false;
	}
	if (fcntl(*fd, F_OFD_SETLK, &lock) == 0) {
		if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		lock.l_type = F_UNLCK;
		fcntl(*fd, F_OFD_SETLK, &lock);
		lock.l_type = F_WRLCK;
		/* Refused by our own fcntl lock (NFS), or by somebody's flock? */
		if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
			return true;
	} else if (errno != EAGAIN && errno != EACCES) {
		test->failed = "locking";
		test->error = errno;
	}
	close(*fd);
	return false;
}

static void
one_turn(struct test *test)
{
	struct timespec now;
	char who[200];
	int fd;

	if (take_lock(test, &fd)) {
		if (leave_file(test, "inside", test->name)) {
			pause_ns(INSIDE_NS);
			read_inside(test, who);
			test->been_in++;
			if (strcmp(who, test->name) != 0) {
				test->broken = true;
				snprintf(test->other, sizeof(test->other), "%s", who);
				leave_file(test, "broken", test->name);
			}
		}
		flock(fd, LOCK_UN);
		close(fd);
		/* Out for a while, so that the others get their turn; never the same while, or two
		   could keep passing each other by. */
		clock_gettime(CLOCK_MONOTONIC, &now);
		pause_ns((now.tv_nsec ^ (long)getpid() * 7919) % (2 * INSIDE_NS));
		return;
	}
	read_inside(test, who);
	if (*who && strcmp(who, test->name) != 0) {
		test->refused++;
		snprintf(test->other, sizeof(test->other), "%s", who);
	}
	pause_ns(INSIDE_NS / 5);
}

/* Are all that are there done, and is there another one at all? */
static bool
all_done(struct test *test)
{
	int fd = openat(test->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t peers = 0, done = 0;
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		peers += strncmp(d->d_name, "peer-", 5) == 0;
		done += strncmp(d->d_name, "done-", 5) == 0;
		test->broken |= strcmp(d->d_name, "broken") == 0;
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return test->broken || (done >= 2 && done >= peers);
}

static void
clean_up(struct test *test, bool last)
{
	char name[256];

	snprintf(name, sizeof(name), "peer-%s", test->name);
	unlinkat(test->folder, name, 0);
	if (!last)
		return;
	/* The others look for it until they are through. */
	pause_ns(900000000L);
	snprintf(name, sizeof(name), "done-%s", test->name);
	unlinkat(test->folder, name, 0);
}

void
doctor_lock_test(struct doctor *doctor, int64_t timeout)
{
	time_t until = time(NULL) + (time_t)timeout;
	struct test test = {0};
	bool done = false, over = false;
	char host[128] = "", value[256];
	struct qf_err err;

	doctor_wanted(doctor, "no two inside at once");
	if (qf_home_open_folder(doctor->source.queue, 0, "lock-test", true, &test.folder, &err)) {
		doctor_unknown(doctor, "%s: %s", err.what, err.why);
		return;
	}
	gethostname(host, sizeof(host) - 1);
	for (char *c = host; *c; c++)
		if (*c == '/')
			*c = '_';
	snprintf(test.name, sizeof(test.name), "%s-%ld", host, (long)getpid());
	unlinkat(test.folder, "broken", 0);
	if (leave_file(&test, "peer-", ""))
		say_note("waiting for another qf doctor lock-test --peer on %s",
			 qf_queue_dir(doctor->source.queue, 0)->path);
	while (!test.failed && !test.broken && !over && !signals_caught() && time(NULL) < until) {
		one_turn(&test);
		if (!done && test.been_in >= ENOUGH && test.refused >= ENOUGH)
			done = leave_file(&test, "done-", "");
		over = all_done(&test);
	}
	clean_up(&test, done);
	close(test.folder);
	snprintf(value, sizeof(value), "%u times in, %u times refused", test.been_in, test.refused);
	if (test.failed)
		doctor_fail(doctor, NULL, "%s: %s", test.failed, strerror(test.error));
	else if (test.broken)
		doctor_fail(doctor, value, "two were inside at once: %s and %s", test.name,
			    *test.other ? test.other : "another");
	else if (done)
		doctor_ok(doctor, value, "against %s", test.other);
	else if (*test.other)
		doctor_unknown(doctor, "the time was over after %s, against %s", value, test.other);
	else
		doctor_unknown(doctor, "nobody else came: start it in another container at the same "
			       "time");
}
