#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qf.h"

#define SOUND "V8\nT1795332063\nK0\nN0\nP30119\nS<a@b>\nRPFD:<x@y>\nH??Subject: t\n.\n"

static char root[] = "/tmp/qf-scan-XXXXXX";

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(chdir(root), 0);
}

static void
tear_down(void)
{
	char command[64];

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

static struct qf_queue *
open_queue(void)
{
	const char *path = root;
	struct qf_queue_options options = {.paths = &path, .npaths = 1};
	struct qf_queue *queue = NULL;
	struct qf_err err;

	cr_assert_eq(qf_queue_open(&options, &queue, &err), QF_OK, "%s: %s", err.what, err.why);
	return queue;
}

#define ALL (QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS)

/* Names in the order handed out, one a line. */
static void
names(unsigned jobs, struct qf_buf *out)
{
	struct qf_queue *queue = open_queue();
	struct qf_scan_options options = {.needs = ALL, .jobs = jobs};
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;

	cr_assert_eq(qf_scan_new(queue, &options, &scan, NULL), QF_OK);
	while (qf_scan_next(scan, &msg, NULL) == QF_OK && msg) {
		struct qf_slice name = qf_msg_files(msg)->name;

		qf_buf_add(out, name.p, name.n);
		qf_buf_addc(out, '\n');
	}
	qf_scan_free(scan);
	qf_queue_free(queue);
}

Test(scan, order_is_the_same_whatever_the_jobs, .init = set_up, .fini = tear_down)
{
	struct qf_buf one = {0}, many = {0};
	char name[32];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "qf6AM77wPF%06d", i);
		put(name, SOUND);
	}
	names(1, &one);
	cr_assert_eq(one.n, 3000 * 17);
	for (unsigned jobs = 2; jobs <= 64; jobs *= 4) {
		qf_buf_clear(&many);
		names(jobs, &many);
		cr_assert(many.n == one.n && !memcmp(many.p, one.p, one.n), "%u jobs", jobs);
	}
	qf_buf_release(&one);
	qf_buf_release(&many);
}

/* The only message; the caller frees scan and queue. */
struct only {
	struct qf_queue *queue;
	struct qf_scan *scan;
	struct qf_msg *msg;
};

static struct only
scan_one(unsigned needs)
{
	struct qf_scan_options options = {.needs = needs};
	struct only only = {.queue = open_queue()};

	cr_assert_eq(qf_scan_new(only.queue, &options, &only.scan, NULL), QF_OK);
	cr_assert_eq(qf_scan_next(only.scan, &only.msg, NULL), QF_OK);
	cr_assert_not_null(only.msg);
	return only;
}

static void
done(struct only *only)
{
	qf_scan_free(only->scan);
	qf_queue_free(only->queue);
}

static bool
has(const struct qf_msg *msg, enum qf_finding finding)
{
	size_t n;
	const struct qf_diagnostic *d = qf_msg_diagnostics(msg, &n);

	for (size_t i = 0; i < n; i++)
		if (d[i].finding == finding)
			return true;
	return false;
}

Test(scan, files_of_a_message, .init = set_up, .fini = tear_down)
{
	struct only only;
	const struct qf_files *files;

	put("qf6AM77wPF020610", SOUND);
	put("df6AM77wPF020610", "hello\n");
	only = scan_one(ALL);
	files = qf_msg_files(only.msg);
	cr_assert_eq(files->data_size, 6);
	cr_assert_eq(files->mode, 0600);
	cr_assert_eq(files->busy, QF_NO);
	cr_assert(files->id.n == 14 && !memcmp(files->id.p, "6AM77wPF020610", 14));
	cr_assert_eq(files->path.n, strlen(root) + 17);
	cr_assert_eq(qf_msg_fate(only.msg), QF_FATE_IGNORED);
	done(&only);
}

Test(scan, findings_of_the_file_system, .init = set_up, .fini = tear_down)
{
	struct only only;

	put("qfA", SOUND);
	cr_assert_eq(chmod("qfA", 0660), 0);
	only = scan_one(ALL);
	cr_assert(has(only.msg, QF_F_UNSAFE_MODE));
	cr_assert(has(only.msg, QF_F_NO_DATA));
	cr_assert_eq(qf_msg_files(only.msg)->data_size, -1);
	done(&only);
	only = scan_one(0);
	cr_assert_not(has(only.msg, QF_F_UNSAFE_MODE));
	cr_assert_not(has(only.msg, QF_F_NO_DATA));
	cr_assert_eq(qf_msg_files(only.msg)->data_size, -2);
	done(&only);
}

Test(scan, what_is_no_regular_file_is_not_opened, .init = set_up, .fini = tear_down,
     .timeout = 20)
{
	struct only only;

	cr_assert_eq(mkfifo("qfFIFO", 0600), 0);
	cr_assert_eq(mkdir("qfDIR", 0700), 0);
	cr_assert_eq(symlink("nowhere", "qfDANGLING"), 0);
	only = scan_one(ALL);
	for (size_t i = 0; i < 3; i++) {
		cr_assert_not_null(only.msg);
		cr_assert(has(only.msg, QF_F_NOT_REGULAR));
		cr_assert_eq(qf_scan_next(only.scan, &only.msg, NULL), QF_OK);
	}
	cr_assert_null(only.msg);
	done(&only);
}

Test(scan, a_link_to_a_file_is_followed, .init = set_up, .fini = tear_down)
{
	struct only only;

	put("elsewhere", SOUND);
	cr_assert_eq(symlink("elsewhere", "qfLINK"), 0);
	only = scan_one(ALL);
	cr_assert_eq(qf_msg_envelope(only.msg)->created, 1795332063);
	done(&only);
}

/* A child that holds a lock until it is killed. */
static pid_t
hold(const char *name, bool use_flock)
{
	struct flock lock = {.l_type = F_WRLCK};
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open(name, O_RDWR);

		if (use_flock ? flock(fd, LOCK_EX) : fcntl(fd, F_SETLK, &lock))
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

Test(scan, both_kinds_of_lock_are_seen, .init = set_up, .fini = tear_down)
{
	put("qfA", SOUND);
	for (int use_flock = 0; use_flock < 2; use_flock++) {
		pid_t pid = hold("qfA", use_flock);
		struct only only = scan_one(ALL);
		struct qf_buf title = {0};

		cr_assert_eq(qf_msg_files(only.msg)->busy, QF_YES, "flock %d", use_flock);
		cr_assert_eq(qf_lock_holder(only.msg, &title), pid);
		done(&only);
		qf_buf_release(&title);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		only = scan_one(ALL);
		cr_assert_eq(qf_msg_files(only.msg)->busy, QF_NO, "flock %d, gone", use_flock);
		done(&only);
	}
}

/* mailq's shared lock is no delivery. */
Test(scan, a_shared_lock_is_not_busy, .init = set_up, .fini = tear_down)
{
	struct only only;
	int fd;

	put("qfA", SOUND);
	fd = open("qfA", O_RDONLY);
	cr_assert_eq(flock(fd, LOCK_SH), 0);
	only = scan_one(ALL);
	cr_assert_eq(qf_msg_files(only.msg)->busy, QF_NO);
	done(&only);
	close(fd);
}

Test(scan, operations_are_the_least_there_can_be, .init = set_up, .fini = tear_down)
{
	struct qf_scan_stats stats;
	struct only only;

	put("qfA", SOUND);
	put("dfA", "body");
	put("xfA", "");
	put(".nfs123", "");
	only = scan_one(0);
	qf_scan_stats(only.scan, &stats);
	cr_assert_eq(stats.opens, 1);
	cr_assert_eq(stats.reads, 1);
	cr_assert_eq(stats.stats, 0);
	cr_assert_eq(stats.locks, 0);
	cr_assert_eq(stats.ignored, 1);
	done(&only);
	only = scan_one(ALL);
	qf_scan_stats(only.scan, &stats);
	cr_assert_eq(stats.opens, 1);
	cr_assert_eq(stats.reads, 1);
	cr_assert_eq(stats.stats, 2);
	/* None where /proc/locks tells it all, else one. */
	cr_assert_leq(stats.locks, 1);
	done(&only);
}

Test(scan, its_counts_end_it, .init = set_up, .fini = tear_down)
{
	struct qf_scan_options options = {.jobs = 1};
	struct qf_queue *queue;
	struct qf_scan_stats stats;
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;

	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "qf%d", i);
		put(name, SOUND);
	}
	queue = open_queue();
	cr_assert_eq(qf_scan_new(queue, &options, &scan, NULL), QF_OK);
	cr_assert_eq(qf_scan_next(scan, &msg, NULL), QF_OK);
	cr_assert_not_null(msg);
	/* Time for more to lie ready. */
	usleep(100000);
	qf_scan_stats(scan, &stats);
	cr_assert_eq(qf_scan_next(scan, &msg, NULL), QF_OK);
	cr_assert_null(msg);
	qf_scan_free(scan);
	qf_queue_free(queue);
}

/* sendmail removes the data file of what it is done with before the control file. */
Test(scan, a_data_file_is_not_missed_in_delivery, .init = set_up, .fini = tear_down)
{
	struct only only;
	pid_t pid;
	size_t n;

	put("qfA", SOUND);
	pid = hold("qfA", 1);
	only = scan_one(QF_NEED_DATA | QF_NEED_BUSY);
	cr_assert_eq(qf_msg_files(only.msg)->data_size, -1);
	qf_msg_diagnostics(only.msg, &n);
	cr_assert_eq(n, 0);
	done(&only);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	only = scan_one(QF_NEED_DATA | QF_NEED_BUSY);
	cr_assert_eq(qf_msg_fate(only.msg), QF_FATE_EMPTY_MESSAGE);
	done(&only);
}

/* Files that come, go and shrink under the scan: no error, no half message, no hang. */
Test(scan, a_moving_queue, .init = set_up, .fini = tear_down, .timeout = 60)
{
	struct qf_scan_options options = {.needs = ALL};
	size_t seen = 0;
	pid_t pid = fork();

	if (pid == 0) {
		for (unsigned i = 0;; i++) {
			char staged[16], name[16];

			snprintf(staged, sizeof(staged), "tf%u", i % 50);
			snprintf(name, sizeof(name), "qf%u", i % 50);
			put(staged, SOUND);
			if (rename(staged, name))
				_exit(1);
			snprintf(name, sizeof(name), "qf%u", (i + 25) % 50);
			unlink(name);
		}
	}
	for (int round = 0; round < 200; round++) {
		struct qf_queue *queue = open_queue();
		struct qf_scan *scan = NULL;
		struct qf_msg *msg = NULL;

		cr_assert_eq(qf_scan_new(queue, &options, &scan, NULL), QF_OK);
		while (qf_scan_next(scan, &msg, NULL) == QF_OK && msg) {
			cr_assert_eq(qf_msg_state(msg), QF_STATE_QUEUED);
			seen++;
		}
		cr_assert_eq(qf_scan_ntroubles(scan), 0);
		qf_scan_free(scan);
		qf_queue_free(queue);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_assert_gt(seen, 0);
}

struct finder {
	size_t n;
	enum qf_state states[4];
};

static bool
note_state(void *ctx, struct qf_msg *msg)
{
	struct finder *finder = ctx;

	if (finder->n < 4)
		finder->states[finder->n++] = qf_msg_state(msg);
	return true;
}

Test(scan, find_by_id_and_path, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue;
	struct finder finder = {0};
	char path[128];
	struct qf_err err;

	put("qfID1", SOUND);
	put("hfID1", SOUND);
	put("qfID10", SOUND);
	put("secret", "no queue file\n");
	queue = open_queue();
	cr_assert_eq(qf_queue_find(queue, "ID1", 0, note_state, &finder, &err), QF_OK);
	cr_assert_eq(finder.n, 2, "ID1 is not ID10");
	cr_assert_eq(finder.states[0], QF_STATE_QUEUED);
	cr_assert_eq(finder.states[1], QF_STATE_HELD);
	finder.n = 0;
	snprintf(path, sizeof(path), "%s/hfID1", root);
	cr_assert_eq(qf_queue_find(queue, path, 0, note_state, &finder, &err), QF_OK);
	cr_assert_eq(finder.n, 1);
	finder.n = 0;
	cr_assert_eq(qf_queue_find(queue, "qfID10", 0, note_state, &finder, &err), QF_OK);
	cr_assert_eq(finder.n, 1);
	cr_assert_eq(qf_queue_find(queue, "ID2", 0, note_state, &finder, &err), QF_E_NOT_FOUND);
	cr_assert_eq(qf_queue_find(queue, "../secret", 0, note_state, &finder, &err),
		     QF_E_USAGE);
	snprintf(path, sizeof(path), "%s/secret", root);
	cr_assert_eq(qf_queue_find(queue, path, 0, note_state, &finder, &err), QF_E_USAGE);
	cr_assert_eq(qf_queue_find(queue, "", 0, note_state, &finder, &err), QF_E_NOT_FOUND);
	qf_queue_free(queue);
}
