/*
 * Real directories, made in a fresh folder that is the working directory of each test. Orders,
 * names and matches are those that `sendmail -bp` of 8.17.1.9 showed for the same trees.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "qf.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static char root[] = "/tmp/qf-layout-XXXXXX";

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(chdir(root), 0);
	/* So that a user without rights gets as far as here. */
	cr_assert_eq(chmod(root, 0755), 0);
}

static void
tear_down(void)
{
	char command[96];

	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", root, root);
	cr_assert_eq(system(command), 0);
}

TestSuite(layout, .init = set_up, .fini = tear_down);

/* Names ending in a slash are directories, "a -> b" is a link, others are empty files. */
static void
make(const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *arrow = strstr(names[i], " -> ");
		char name[128];
		int fd;

		snprintf(name, sizeof(name), "%.*s",
			 arrow ? (int)(arrow - names[i]) : (int)strlen(names[i]), names[i]);
		if (arrow) {
			cr_assert_eq(symlink(arrow + 4, name), 0, "%s", names[i]);
		} else if (name[strlen(name) - 1] == '/') {
			cr_assert_eq(mkdir(name, 0755), 0, "%s", names[i]);
		} else {
			fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
			cr_assert(fd >= 0, "%s", names[i]);
			close(fd);
		}
	}
}
#define MAKE(...)                                                                                  \
	make((const char *const[]){__VA_ARGS__},                                                   \
	     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static enum qf_code
try_open(const char *const *paths, size_t n, struct qf_queue **queue, struct qf_err *err)
{
	struct qf_queue_options options = {.paths = paths, .npaths = n};

	*queue = NULL;
	return qf_queue_open(&options, queue, err);
}

static struct qf_queue *
opened(const char *const *paths, size_t n)
{
	struct qf_queue *queue;
	struct qf_err err = {0};
	enum qf_code code = try_open(paths, n, &queue, &err);

	cr_assert_eq(code, QF_OK, "%s: %s: %s", qf_code_name(code), err.what, err.why);
	return queue;
}
#define OPEN(...)                                                                                  \
	opened((const char *const[]){__VA_ARGS__},                                                 \
	       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static enum qf_code
fails(const char *path, struct qf_err *err)
{
	struct qf_queue *queue;
	enum qf_code code = try_open(&path, 1, &queue, err);

	cr_assert_null(queue);
	return code;
}

static struct qf_queue *
configured(const char *format, ...)
{
	char text[1024];
	struct qf_queue_options options = {0};
	struct qf_queue *queue = NULL;
	struct qf_cf *cf = NULL;
	struct qf_err err = {0};
	enum qf_code code;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cr_assert_eq(qf_cf_parse((struct qf_slice){text, strlen(text)}, "test.cf", &cf, &err),
		     QF_OK, "%s", err.why);
	options.cf = cf;
	code = qf_queue_open(&options, &queue, &err);
	cr_assert_eq(code, QF_OK, "%s: %s: %s", qf_code_name(code), err.what, err.why);
	/* The queue does not need it any more. */
	qf_cf_free(cf);
	return queue;
}

static enum qf_code
refused(struct qf_err *err, const char *format, ...)
{
	char text[1024];
	struct qf_queue_options options = {0};
	struct qf_queue *queue = NULL;
	struct qf_cf *cf = NULL;
	enum qf_code code;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cr_assert_eq(qf_cf_parse((struct qf_slice){text, strlen(text)}, "test.cf", &cf, err),
		     QF_OK);
	options.cf = cf;
	code = qf_queue_open(&options, &queue, err);
	cr_assert_null(queue);
	qf_cf_free(cf);
	return code;
}

/* The paths of all directories, each with a blank behind it; those in trouble in brackets. */
static const char *
paths(const struct qf_queue *queue)
{
	static char text[4096];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < qf_queue_ndirs(queue); i++) {
		const struct qf_dir *dir = qf_queue_dir(queue, i);

		n += (size_t)snprintf(text + n, sizeof(text) - n, dir->trouble ? "(%s) " : "%s ",
				      dir->path);
	}
	return text;
}

/* The path of the directory that a d line in a file of directory dir names, or "none". */
static const char *
names(const struct qf_queue *queue, size_t dir, const char *text)
{
	size_t i = qf_queue_data_dir(queue, dir, (struct qf_slice){text, strlen(text)});

	if (i == SIZE_MAX)
		return "none";
	cr_assert(i < qf_queue_ndirs(queue));
	return qf_queue_dir(queue, i)->path;
}

static size_t
index_of(const struct qf_queue *queue, const char *path)
{
	for (size_t i = 0; i < qf_queue_ndirs(queue); i++)
		if (strcmp(qf_queue_dir(queue, i)->path, path) == 0)
			return i;
	cr_assert_fail("no directory %s in %s", path, paths(queue));
	return 0;
}

static size_t
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Become a user without rights where one is root; tests of permissions mean nothing otherwise. */
static void
drop_rights(void)
{
	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0);
}

static void
regain_rights(void)
{
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
}

/* ---------------------------------------------------------------- one directory */

Test(layout, plain_directory)
{
	struct qf_queue *queue;
	const struct qf_dir *dir;
	struct stat st;

	MAKE("mqueue/", "mqueue/qfA", "mqueue/dfA");
	queue = OPEN("mqueue");
	cr_assert_eq(qf_queue_ndirs(queue), 1);
	dir = qf_queue_dir(queue, 0);
	cr_expect_str_eq(dir->path, "mqueue");
	cr_expect_str_eq(dir->shown, "mqueue");
	cr_expect_str_eq(dir->base, "mqueue");
	cr_expect_str_eq(dir->relative, ".");
	cr_expect_str_eq(dir->group, "mqueue");
	cr_expect(!dir->split_qf && !dir->split_df && !dir->split_xf);
	cr_expect_eq(dir->trouble, QF_OK);
	cr_expect(dir->control_fd >= 0);
	cr_expect_eq(dir->data_fd, dir->control_fd);
	cr_expect_eq(dir->transcript_fd, dir->control_fd);
	cr_expect_eq(fcntl(dir->control_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	cr_assert_eq(stat("mqueue", &st), 0);
	cr_expect_eq(dir->device, st.st_dev);
	cr_expect_eq(faccessat(dir->control_fd, "qfA", F_OK, 0), 0);
	qf_queue_free(queue);
}

/* What is in the directory, and which parts are split off. */
Test(layout, parts_each_on_its_own)
{
	static const struct {
		const char *made[4];
		const char *wanted;
	} cases[] = {
		{{"m/qf/", "m/df/", "m/xf/"}, "qf df xf "},
		{{"m/qf/"}, "qf "},
		{{"m/df/"}, "df "},
		{{"m/xf/"}, "xf "},
		{{"m/qf/", "m/xf/"}, "qf xf "},
		/* A link to a directory is one; a file, a link to one or to nothing is not. */
		{{"other/", "m/df -> ../other"}, "df "},
		{{"m/qf", "m/df", "m/xf"}, ""},
		{{"file", "m/df -> ../file", "m/xf -> nothing", "m/qf -> qf"}, ""},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char got[32];
		struct qf_queue *queue;
		const struct qf_dir *dir;
		size_t n = 0, before = open_descriptors();

		MAKE("m/");
		while (n < 4 && cases[i].made[n])
			n++;
		make(cases[i].made, n);
		queue = OPEN("m");
		dir = qf_queue_dir(queue, 0);
		snprintf(got, sizeof(got), "%s%s%s", dir->split_qf ? "qf " : "",
			 dir->split_df ? "df " : "", dir->split_xf ? "xf " : "");
		cr_expect_str_eq(got, cases[i].wanted, "case %zu: got %s", i, got);
		cr_expect_str_eq(dir->path, "m");
		cr_expect_eq(dir->control_fd == dir->data_fd, !dir->split_qf && !dir->split_df);
		qf_queue_free(queue);
		cr_expect_eq(open_descriptors(), before, "case %zu", i);
		cr_assert_eq(system("rm -rf m other file"), 0);
	}
}

Test(layout, descriptors_lead_to_the_parts)
{
	struct qf_queue *queue;
	const struct qf_dir *dir;

	MAKE("m/", "m/qf/", "m/df/", "m/qf/qfA", "m/df/dfA", "m/xfA");
	queue = OPEN("m");
	dir = qf_queue_dir(queue, 0);
	cr_expect_eq(faccessat(dir->control_fd, "qfA", F_OK, 0), 0);
	cr_expect_eq(faccessat(dir->data_fd, "dfA", F_OK, 0), 0);
	cr_expect_eq(faccessat(dir->transcript_fd, "xfA", F_OK, 0), 0);
	qf_queue_free(queue);
}

Test(layout, slashes_at_the_end)
{
	struct qf_queue *queue;
	char given[64];

	/* mailq heads its list with QueueDirectory as it stands: "/srv/spool/mqueue//df". */
	MAKE("m/", "m/df/");
	queue = OPEN("m/", "m");
	cr_assert_eq(qf_queue_ndirs(queue), 1);
	cr_expect_str_eq(qf_queue_dir(queue, 0)->path, "m");
	cr_expect_str_eq(qf_queue_dir(queue, 0)->shown, "m/");
	qf_queue_free(queue);
	snprintf(given, sizeof(given), "/%s//m//", root);
	queue = OPEN(given);
	cr_expect_str_eq(qf_queue_dir(queue, 0)->shown, given);
	given[strlen(given) - 2] = '\0';
	cr_expect_str_eq(qf_queue_dir(queue, 0)->path, given);
	qf_queue_free(queue);
}

Test(layout, the_control_part_stands_for_its_queue)
{
	struct qf_queue *queue;
	const struct qf_dir *dir;

	MAKE("m/", "m/qf/", "m/df/", "m/qf/qfA", "m/df/dfA");
	queue = OPEN("m/qf/");
	cr_expect_str_eq(paths(queue), "m ");
	dir = qf_queue_dir(queue, 0);
	cr_expect_str_eq(dir->shown, "m");
	cr_expect(dir->split_qf && dir->split_df && !dir->split_xf);
	qf_queue_free(queue);

	/* Bodies beside qf/. */
	MAKE("n/", "n/qf/", "n/qf/qfA", "n/dfA");
	queue = OPEN("n/qf");
	cr_expect_str_eq(paths(queue), "n ");
	qf_queue_free(queue);
	cr_assert_eq(chdir("n"), 0);
	queue = OPEN("qf");
	cr_expect_str_eq(paths(queue), ". ");
	cr_expect(qf_queue_dir(queue, 0)->split_qf);
	qf_queue_free(queue);
	cr_assert_eq(chdir(".."), 0);

	/* A queue directory that happens to have this name: its bodies lie in it. */
	MAKE("o/", "o/qf/", "o/qf/qfA", "o/qf/dfA");
	queue = OPEN("o/qf");
	cr_expect_str_eq(paths(queue), "o/qf ");
	cr_expect(!qf_queue_dir(queue, 0)->split_qf);
	qf_queue_free(queue);
}

/* ---------------------------------------------------------------- patterns */

/* The names of a directory in the order it is read, those chosen, with a blank behind each. */
static const char *
listed(const char *directory, const char *const *chosen, size_t n)
{
	static char text[4096];
	DIR *dir = opendir(directory);
	struct dirent *entry;
	size_t used = 0;

	cr_assert_not_null(dir);
	text[0] = '\0';
	while ((entry = readdir(dir)))
		for (size_t i = 0; i < n; i++)
			if (strcmp(entry->d_name, chosen[i]) == 0)
				used += (size_t)snprintf(text + used, sizeof(text) - used, "%s/%s ",
							 directory, chosen[i]);
	closedir(dir);
	return text;
}
#define LISTED(directory, ...)                                                                     \
	listed(directory, (const char *const[]){__VA_ARGS__},                                      \
	       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

Test(layout, matches_in_the_order_of_the_directory)
{
	struct qf_queue *queue;
	const struct qf_dir *dir;
	const char *made[40];
	char names_made[40][8];

	MAKE("m/");
	for (size_t i = 0; i < COUNT(made); i++) {
		char path[16];

		snprintf(names_made[i], sizeof(names_made[i]), "q%zu", i * 7919 % 1000);
		snprintf(path, sizeof(path), "m/%s", names_made[i]);
		cr_assert_eq(mkdir(path, 0755), 0);
		made[i] = names_made[i];
	}
	queue = OPEN("m/q*");
	cr_expect_str_eq(paths(queue), listed("m", made, COUNT(made)));
	dir = qf_queue_dir(queue, 3);
	cr_expect_str_eq(dir->base, "m");
	cr_expect_str_eq(dir->relative, strchr(dir->path, '/') + 1);
	cr_expect_str_eq(dir->shown, dir->path);
	qf_queue_free(queue);
}

Test(layout, what_a_pattern_matches)
{
	struct qf_queue *queue;

	MAKE("m/", "m/q1/", "m/q2/", "m/x/", "m/.hid/", "m/.qf/", "m/qfile", "v/", "m/q9 -> ../v",
	     "m/qdangling -> nowhere", "m/qlink -> qfile", "m/qloop -> qloop", "m/Q3/");
	queue = OPEN("m/q*");
	cr_expect_str_eq(paths(queue), LISTED("m", "q1", "q2", "q9"));
	qf_queue_free(queue);
	/* "/b/.hid is empty": but for "." and "..", dot names match too. The toolkit's own folder
	   never does. */
	queue = OPEN("m/*");
	cr_expect_str_eq(paths(queue), LISTED("m", "q1", "q2", "q9", "x", ".hid", "Q3"));
	qf_queue_free(queue);
	queue = OPEN("m/.*");
	cr_expect_str_eq(paths(queue), "m/.hid ");
	qf_queue_free(queue);
	queue = OPEN("m/q1*");
	cr_expect_str_eq(paths(queue), "m/q1 ");
	qf_queue_free(queue);
}

Test(layout, bases_of_patterns)
{
	struct qf_queue *queue;
	const struct qf_dir *dir;
	char given[64], wanted[64];

	MAKE("m/", "m/q1/");
	queue = OPEN("m//q*");
	dir = qf_queue_dir(queue, 0);
	cr_expect_str_eq(dir->path, "m/q1");
	cr_expect_str_eq(dir->shown, "m//q1");
	cr_expect_str_eq(dir->base, "m");
	cr_expect_str_eq(dir->relative, "q1");
	qf_queue_free(queue);
	cr_assert_eq(chdir("m"), 0);
	queue = OPEN("q*");
	dir = qf_queue_dir(queue, 0);
	cr_expect_str_eq(dir->path, "q1");
	cr_expect_str_eq(dir->base, ".");
	cr_expect_str_eq(dir->relative, "q1");
	qf_queue_free(queue);
	snprintf(given, sizeof(given), "/%.*s*", (int)strlen(root) - 1, root + 1);
	snprintf(wanted, sizeof(wanted), "%s ", root);
	queue = OPEN(given);
	cr_expect_str_eq(paths(queue), wanted);
	qf_queue_free(queue);
	/* "/t*" */
	queue = OPEN("/tm*");
	cr_expect_str_eq(qf_queue_dir(queue, 0)->base, "/");
	cr_expect_eq(strncmp(qf_queue_dir(queue, 0)->path, "/tm", 3), 0);
	qf_queue_free(queue);
}

Test(layout, patterns_without_a_match)
{
	struct qf_err err = {0};

	MAKE("m/", "m/qfile", "m/.qf/");
	cr_expect_eq(fails("m/q*", &err), QF_E_NOT_FOUND);
	cr_expect_str_eq(err.what, "m/q*");
	cr_expect_eq(fails("m/.*", &err), QF_E_NOT_FOUND);
	cr_expect_eq(fails("nothing/q*", &err), QF_E_NOT_FOUND);
	/* A star elsewhere is a character like others. */
	cr_expect_eq(fails("m*/q1", &err), QF_E_NOT_FOUND);
	cr_expect_str_eq(err.what, "m*/q1");
}

/* ---------------------------------------------------------------- several */

Test(layout, a_directory_is_taken_once)
{
	struct qf_queue *queue;

	MAKE("m/", "m/q1/", "m/q2/", "m/q3 -> q1", "link -> m/q2");
	queue = OPEN("m/q1", "m/q1/", "./m/q1", "m/q3", "m/q2", "link");
	cr_expect_str_eq(paths(queue), "m/q1 m/q2 ");
	qf_queue_free(queue);
	queue = OPEN("m/q2", "m/q*", "m/*");
	cr_expect_eq(qf_queue_ndirs(queue), 2);
	cr_expect_str_eq(qf_queue_dir(queue, 0)->path, "m/q2");
	qf_queue_free(queue);
}

Test(layout, one_of_several_is_missing)
{
	struct qf_queue *queue;
	const struct qf_dir *dir;

	MAKE("a/", "file");
	queue = OPEN("nothing", "a", "file", "a/x*");
	cr_expect_str_eq(paths(queue), "(nothing) a (file) (a/x*) ");
	dir = qf_queue_dir(queue, 0);
	cr_expect_eq(dir->trouble, QF_E_NOT_FOUND);
	cr_expect_eq(dir->err.code, QF_E_NOT_FOUND);
	cr_expect_str_eq(dir->err.what, "nothing");
	cr_expect_eq(dir->control_fd, -1);
	cr_expect_eq(dir->data_fd, -1);
	cr_expect_eq(dir->transcript_fd, -1);
	cr_expect_eq(qf_queue_foreign(queue, 0), 0);
	cr_expect_str_eq(qf_queue_dir(queue, 2)->err.why, "not a directory");
	qf_queue_free(queue);
}

Test(layout, all_are_missing)
{
	static const char *const given[] = {"file", "nothing"};
	struct qf_queue *queue;
	struct qf_err err = {0};
	size_t before = open_descriptors();

	MAKE("file");
	cr_expect_eq(try_open(given, 2, &queue, &err), QF_E_NOT_FOUND);
	cr_expect_str_eq(err.what, "file");
	cr_expect_str_eq(err.why, "not a directory");
	cr_expect_eq(fails("file/", &err), QF_E_NOT_FOUND);
	cr_expect_eq(fails("", &err), QF_E_NOT_FOUND);
	cr_expect_str_eq(err.why, "empty path");
	cr_expect_eq(fails("nothing", NULL), QF_E_NOT_FOUND);
	cr_expect_eq(open_descriptors(), before);
}

Test(layout, without_permission)
{
	static const char *const given[] = {"a", "closed"};
	struct qf_queue *queue;
	struct qf_err err = {0};

	MAKE("a/", "closed/", "closed/q1/");
	cr_assert_eq(chmod("closed", 0), 0);
	drop_rights();
	cr_expect_eq(fails("closed", &err), QF_E_DENIED);
	cr_expect_str_eq(err.what, "closed");
	cr_expect_eq(fails("closed/q1", &err), QF_E_DENIED);
	cr_expect_eq(fails("closed/q*", &err), QF_E_DENIED);
	cr_expect_eq(try_open(given, 2, &queue, &err), QF_OK);
	cr_expect_str_eq(paths(queue), "a (closed) ");
	cr_expect_eq(qf_queue_dir(queue, 1)->trouble, QF_E_DENIED);
	qf_queue_free(queue);
	regain_rights();
}

Test(layout, a_match_without_permission_is_a_trouble)
{
	struct qf_queue *queue;

	MAKE("m/", "m/q1/", "m/q2/");
	cr_assert_eq(chmod("m/q2", 0), 0);
	drop_rights();
	queue = OPEN("m/q*");
	cr_expect_eq(qf_queue_ndirs(queue), 2);
	cr_expect_eq(qf_queue_dir(queue, index_of(queue, "m/q2"))->trouble, QF_E_DENIED);
	cr_expect_eq(qf_queue_dir(queue, index_of(queue, "m/q1"))->trouble, QF_OK);
	qf_queue_free(queue);
	queue = OPEN("m/q1", "m/q2*");
	cr_expect_str_eq(paths(queue), "m/q1 (m/q2) ");
	qf_queue_free(queue);
	regain_rights();
}

Test(layout, parts_that_may_be_entered_but_not_listed)
{
	struct qf_queue *queue;
	const struct qf_dir *dir;
	struct qf_err err = {0};

	/* As clientmqueue looks to a user: bodies can be looked at by name. */
	MAKE("m/", "m/qf/", "m/df/", "m/qf/qfA", "m/df/dfA", "n/", "n/qf/");
	cr_assert_eq(chmod("m/df", 0311), 0);
	cr_assert_eq(chmod("m", 0311), 0);
	cr_assert_eq(chmod("n/qf", 0311), 0);
	drop_rights();
	queue = OPEN("m");
	dir = qf_queue_dir(queue, 0);
	cr_expect(dir->split_qf && dir->split_df);
	cr_expect_eq(faccessat(dir->data_fd, "dfA", F_OK, 0), 0);
	qf_queue_free(queue);
	/* Control files have to be listed. */
	cr_expect_eq(fails("n", &err), QF_E_DENIED);
	regain_rights();
}

/* ---------------------------------------------------------------- another one was meant */

/* What is made in m/, and the pattern that is named; NULL: the directory is a queue. */
Test(layout, queue_files_in_sub_directories)
{
	static const struct {
		const char *made[9];
		const char *hint;
	} cases[] = {
		{{"m/q1/", "m/q2/", "m/q1/qfA", "m/q2/dfB"}, "try -Q 'm/q*'"},
		{{"m/gold1/", "m/bulk/", "m/gold1/qfA", "m/bulk/hfA"}, "try -Q 'm/*'"},
		{{"m/gold1/", "m/gold2/", "m/x/", "m/gold1/QfA", "m/gold2/qfA"},
		 "try -Q 'm/gold*'"},
		{{"m/mqueue/", "m/mqueue/qfA", "m/other/"}, "try -Q 'm/mqueue'"},
		{{"m/q1/", "m/q1/qf/", "m/q1/qf/qfA"}, "try -Q 'm/q1'"},
		{{"v/", "v/qfA", "m/q1 -> ../v"}, "try -Q 'm/q1'"},
		/* A directory is no queue file, whatever its name. */
		{{"m/qfast/", "m/qfast/qfA"}, "try -Q 'm/qfast'"},
		/* Queue files of its own, of any kind. */
		{{"m/q1/", "m/q1/qfA", "m/qfB"}, NULL},
		{{"m/q1/", "m/q1/qfA", "m/hfB"}, NULL},
		{{"m/q1/", "m/q1/qfA", "m/QfB"}, NULL},
		{{"m/q1/", "m/q1/qfA", "m/dfB"}, NULL},
		/* Split, and empty. */
		{{"m/qf/", "m/q1/", "m/q1/qfA"}, NULL},
		{{"m/df/", "m/df/dfA"}, NULL},
		/* No queue files one level down. */
		{{"m/q1/", "m/q1/qf/", "m/q1/x"}, NULL},
		{{"m/a/", "m/a/q1/", "m/a/q1/qfA"}, NULL},
		{{"m/.qf/", "m/.qf/qfA"}, NULL},
		{{"m/q1"}, NULL},
		{{NULL}, NULL},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *given = "m";
		struct qf_queue *queue;
		struct qf_err err = {0};
		enum qf_code code;
		size_t n = 0, before = open_descriptors();

		MAKE("m/");
		while (n < 9 && cases[i].made[n])
			n++;
		make(cases[i].made, n);
		code = try_open(&given, 1, &queue, &err);
		cr_expect_eq(code, cases[i].hint ? QF_E_AMBIGUOUS : QF_OK, "case %zu: %s", i,
			     qf_code_name(code));
		cr_expect_str_eq(err.hint, cases[i].hint ? cases[i].hint : "", "case %zu: %s", i,
				 err.hint);
		if (code)
			cr_expect_str_eq(err.what, "m");
		qf_queue_free(queue);
		cr_expect_eq(open_descriptors(), before, "case %zu", i);
		cr_assert_eq(system("rm -rf m v"), 0);
	}
}

Test(layout, directories_meant_as_they_are)
{
	struct qf_queue *queue;
	char above[64];

	MAKE("m/", "m/q1/", "m/q1/sub/", "m/q1/sub/qfA", "m/q2/", "m/q2/qfB");
	/* A pattern says what is meant. */
	queue = OPEN("m/q*");
	cr_expect_eq(qf_queue_ndirs(queue), 2);
	qf_queue_free(queue);
	/* So does naming one of the sub-directories, or the configuration. */
	queue = OPEN("m", "m/q2");
	cr_expect_str_eq(paths(queue), "m m/q2 ");
	qf_queue_free(queue);
	queue = configured("O QueueDirectory=%s/m\n", root);
	snprintf(above, sizeof(above), "%s/m ", root);
	cr_expect_str_eq(paths(queue), above);
	qf_queue_free(queue);
}

Test(layout, hints_for_odd_names)
{
	struct qf_err err = {0};

	MAKE("a b/", "a b/q1/", "a b/q1/qfA", "it's/", "it's/q1/", "it's/q1/qfA");
	cr_expect_eq(fails("a b/", &err), QF_E_AMBIGUOUS);
	cr_expect_str_eq(err.hint, "try -Q 'a b/q1'");
	cr_expect_eq(fails("it's", &err), QF_E_AMBIGUOUS);
	cr_expect_str_eq(err.hint, "try -Q it's/q1");
	cr_assert_eq(chdir("a b"), 0);
	cr_expect_eq(fails(".", &err), QF_E_AMBIGUOUS);
	cr_expect_str_eq(err.hint, "try -Q './q1'");
}

Test(layout, a_name_that_leads_elsewhere)
{
	struct qf_queue *queue;
	struct qf_err err;

	MAKE("a/", "a/qf/", "a/df/");
	queue = OPEN("a");
	cr_expect_eq(qf_queue_in_place(queue, 0, &err), QF_OK);
	cr_assert_eq(rename("a", "b"), 0);
	cr_expect_eq(qf_queue_in_place(queue, 0, &err), QF_E_NOT_FOUND);
	MAKE("a/", "a/qf/", "a/df/");
	cr_expect_eq(qf_queue_in_place(queue, 0, &err), QF_E_DATA);
	cr_expect_str_eq(err.what, "a");
	cr_assert_eq(rename("a", "c"), 0);
	cr_assert_eq(symlink("b", "a"), 0);
	cr_expect_eq(qf_queue_in_place(queue, 0, &err), QF_OK, "by a link it is the same");
	qf_queue_free(queue);
}

Test(layout, foreign_entries)
{
	static const struct {
		const char *made[9];
		size_t wanted;
	} cases[] = {
		{{"m/readme", "m/core", "m/sub/", "m/lost+found/"}, 4},
		{{"m/.qf/", "m/.hoststat/", "m/.nfs0001", "m/df/", "m/xf/"}, 0},
		{{"m/.x", "m/qfdir/", "m/note"}, 2},
		{{"m/readme", "m/qfA"}, 0},
		{{"m/readme", "m/dfA"}, 0},
		{{"m/readme", "m/tfA"}, 0},
		{{"m/qf/", "m/qf/readme", "m/outside"}, 1},
		{{NULL}, 0},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct qf_queue *queue;
		size_t n = 0;

		MAKE("m/");
		while (n < 9 && cases[i].made[n])
			n++;
		make(cases[i].made, n);
		queue = OPEN("m");
		cr_expect_eq(qf_queue_foreign(queue, 0), cases[i].wanted, "case %zu: got %zu", i,
			     qf_queue_foreign(queue, 0));
		qf_queue_free(queue);
		/* The same where a pattern led to it. */
		queue = OPEN("m*");
		cr_expect_eq(qf_queue_foreign(queue, 0), cases[i].wanted, "case %zu", i);
		qf_queue_free(queue);
		cr_assert_eq(system("rm -rf m"), 0);
	}
}

Test(layout, a_large_directory_is_not_listed_twice)
{
	struct qf_queue *queue;
	struct qf_io *io;

	MAKE("m/");
	for (int i = 0; i < 5000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "m/qf6AM7wPF%06d", i);
		make(&(const char *){name}, 1);
	}
	queue = OPEN("m");
	cr_expect_eq(qf_queue_foreign(queue, 0), 0);
	io = qf_queue_io(queue);
	cr_expect_eq(atomic_load(&io->ops[QF_OP_LIST]), 1);
	cr_expect_leq(atomic_load(&io->ops[QF_OP_OPEN]), 4);
	cr_expect_eq(atomic_load(&io->ops[QF_OP_READ]), 0);
	qf_queue_free(queue);
}

Test(layout, queues_of_one_limit)
{
	const char *path = "m";
	struct qf_queue_options options = {.paths = &path, .npaths = 1, .max_ops = 1000};
	struct qf_queue *first, *second;
	struct qf_err err;
	uint64_t before;
	struct stat st;

	MAKE("m/", "m/qf6AM7wPFh000001");
	cr_assert_eq(qf_queue_open(&options, &first, &err), QF_OK);
	options.within = first;
	options.hasty = true;
	cr_assert_eq(qf_queue_open(&options, &second, &err), QF_OK);
	/* What the second does is taken from what the first may; it does not wait itself. */
	before = atomic_load(&qf_queue_io(first)->next_slot);
	cr_expect_gt(before, 0, "opening counts too");
	for (int i = 0; i < 100; i++)
		qf_io_fstat(qf_queue_io(second), qf_queue_dir(second, 0)->control_fd, &st);
	cr_expect_geq(atomic_load(&qf_queue_io(first)->next_slot), before + 100 * 1000000u);
	qf_queue_free(second);
	qf_queue_free(first);
}

Test(layout, files_beside_the_matches_are_not_opened)
{
	struct qf_queue *queue;

	MAKE("m/", "m/q1/");
	for (int i = 0; i < 500; i++) {
		char name[32];

		snprintf(name, sizeof(name), "m/qf%03d", i);
		make(&(const char *){name}, 1);
	}
	queue = OPEN("m/q*");
	cr_expect_str_eq(paths(queue), "m/q1 ");
	cr_expect_leq(atomic_load(&qf_queue_io(queue)->ops[QF_OP_OPEN]), 5);
	qf_queue_free(queue);
}

Test(layout, foreign_entries_after_a_listing)
{
	struct qf_queue *queue;
	char bytes[4096];

	MAKE("m/", "m/readme", "m/core");
	queue = OPEN("m*");
	cr_assert_gt(qf_io_list(qf_queue_io(queue), qf_queue_dir(queue, 0)->control_fd, bytes,
				sizeof(bytes)),
		     0);
	cr_expect_eq(qf_queue_foreign(queue, 0), 2);
	cr_expect_eq(qf_queue_foreign(queue, 0), 2);
	qf_queue_free(queue);
}

/* ---------------------------------------------------------------- the configuration */

Test(layout, groups_of_the_configuration)
{
	struct qf_queue *queue;
	const struct qf_dir *dir;
	char wanted[512];

	MAKE("b/", "b/q1/", "b/gold1/", "b/sub/", "b/sub/s1/", "b/x/");
	queue = configured("O QueueDirectory=%s/b/q*\n"
			   "Qgold, P=%s/b/gold*\n"
			   "Qsub, P=%s/b/sub/s*\n"
			   "Qx, P=%s/b/x/\n",
			   root, root, root, root);
	snprintf(wanted, sizeof(wanted), "%s/b/q1 %s/b/gold1 %s/b/sub/s1 %s/b/x ", root, root, root,
		 root);
	cr_expect_str_eq(paths(queue), wanted);
	snprintf(wanted, sizeof(wanted), "%s/b", root);
	for (size_t i = 0; i < 4; i++)
		cr_expect_str_eq(qf_queue_dir(queue, i)->base, wanted);
	dir = qf_queue_dir(queue, 0);
	cr_expect_str_eq(dir->relative, "q1");
	cr_expect_str_eq(dir->group, "mqueue");
	dir = qf_queue_dir(queue, 1);
	cr_expect_str_eq(dir->relative, "gold1");
	cr_expect_str_eq(dir->group, "gold");
	dir = qf_queue_dir(queue, 2);
	cr_expect_str_eq(dir->relative, "sub/s1");
	dir = qf_queue_dir(queue, 3);
	cr_expect_str_eq(dir->relative, "x");
	/* "/tmp/cfx/b/gold1/ is empty" */
	snprintf(wanted, sizeof(wanted), "%s/b/x/", root);
	cr_expect_str_eq(dir->shown, wanted);
	qf_queue_free(queue);
}

Test(layout, groups_below_a_single_directory)
{
	struct qf_queue *queue;
	char wanted[256];

	/* Queue files in the groups' directories do not make the one above another queue. */
	MAKE("b/", "b/gold1/", "b/gold1/qfA", "b/other/", "b/other/qfA");
	queue = configured("O QueueDirectory=%s/b/\nQgold, P=%s/b/gold*\nQsame, P=%s/b\n", root,
			   root, root);
	snprintf(wanted, sizeof(wanted), "%s/b %s/b/gold1 ", root, root);
	cr_expect_str_eq(paths(queue), wanted);
	cr_expect_str_eq(qf_queue_dir(queue, 0)->relative, ".");
	snprintf(wanted, sizeof(wanted), "%s/b/", root);
	cr_expect_str_eq(qf_queue_dir(queue, 0)->shown, wanted);
	snprintf(wanted, sizeof(wanted), "%s/b", root);
	cr_expect_str_eq(qf_queue_dir(queue, 0)->base, wanted);
	cr_expect_str_eq(names(queue, 1, "."), wanted);
	snprintf(wanted, sizeof(wanted), "%s/b/gold1", root);
	cr_expect_str_eq(names(queue, 0, "gold1"), wanted);
	qf_queue_free(queue);
}

Test(layout, groups_sendmail_refuses)
{
	struct qf_err err = {0};

	MAKE("b/", "b/q1/", "b/sub/", "b/sub/s1/");
	/* "QueuePath gold1 not absolute" */
	cr_expect_eq(refused(&err, "O QueueDirectory=%s/b/q*\n\nQgold, P=gold1\n", root),
		     QF_E_CONFIG);
	cr_expect_str_eq(err.what, "test.cf");
	cr_expect_eq(err.line, 3);
	cr_expect_not_null(strstr(err.why, "gold: gold1 is no absolute path"), "%s", err.why);
	cr_expect_eq(refused(&err, "O QueueDirectory=b/q*\n"), QF_E_CONFIG);
	cr_expect_eq(err.line, 1);
	cr_expect_eq(refused(&err, "O QueueDirectory=q*\n"), QF_E_CONFIG);
	cr_expect_eq(refused(&err, "O QueueDirectory=\n"), QF_E_CONFIG);
	/* "QueuePath /tmp/cfx/b/su not subpath of QueueDirectory /tmp/cfx/b/sub/" */
	cr_expect_eq(refused(&err, "OQ%s/b/sub/s*\nQg, P=%s/b/su\n", root, root), QF_E_CONFIG);
	cr_expect_not_null(strstr(err.why, "does not lie below QueueDirectory"), "%s", err.why);
	cr_expect_eq(refused(&err, "OQ%s/b/sub/s*\nQg, P=%s/b/q1\n", root, root), QF_E_CONFIG);
	/* "can not opendir" */
	cr_expect_eq(refused(&err, "O QueueDirectory=%s/b/z*\n", root), QF_E_NOT_FOUND);
	cr_expect_eq(refused(&err, "O QueueDirectory=%s/nothing\n", root), QF_E_NOT_FOUND);
}

Test(layout, one_group_is_missing)
{
	struct qf_queue *queue;
	char wanted[256];

	MAKE("b/", "b/q1/");
	queue = configured("OQ%s/b/q*\nQg, P=%s/b/nope\nQh, P=%s/b/no*\n", root, root, root);
	snprintf(wanted, sizeof(wanted), "%s/b/q1 (%s/b/nope) (%s/b/no*) ", root, root, root);
	cr_expect_str_eq(paths(queue), wanted);
	cr_expect_str_eq(qf_queue_dir(queue, 1)->group, "g");
	qf_queue_free(queue);
}

Test(layout, a_group_of_the_same_directories)
{
	struct qf_queue *queue;
	char wanted[256];

	MAKE("b/", "b/q1/", "b/q2/");
	queue = configured("OQ%s/b/q*\nQg, F=f\nQh, P=%s/b/q2\n", root, root);
	snprintf(wanted, sizeof(wanted), "%s/b", root);
	cr_expect_str_eq(paths(queue), LISTED(wanted, "q1", "q2"));
	cr_expect_str_eq(qf_queue_dir(queue, 1)->group, "mqueue");
	qf_queue_free(queue);
}

Test(layout, paths_count_before_the_configuration)
{
	static const char text[] = "V10\nO QueueDirectory=/nonexistent/q*\nO MinQueueAge=7m\n";
	const char *given = "a";
	struct qf_queue_options options = {.paths = &given, .npaths = 1};
	struct qf_policy policy = {.min_queue_age = 5};
	struct qf_queue *queue = NULL;
	struct qf_cf *cf = NULL;

	MAKE("a/");
	cr_assert_eq(qf_cf_parse((struct qf_slice){text, sizeof(text) - 1}, "t", &cf, NULL), QF_OK);
	options.cf = cf;
	cr_assert_eq(qf_queue_open(&options, &queue, NULL), QF_OK);
	cr_expect_str_eq(paths(queue), "a ");
	cr_expect_eq(qf_queue_policy(queue)->min_queue_age, 420);
	qf_queue_free(queue);
	options.policy = &policy;
	cr_assert_eq(qf_queue_open(&options, &queue, NULL), QF_OK);
	cr_expect_eq(qf_queue_policy(queue)->min_queue_age, 5);
	qf_queue_free(queue);
	options.policy = NULL;
	options.cf = NULL;
	cr_assert_eq(qf_queue_open(&options, &queue, NULL), QF_OK);
	cr_expect_eq(qf_queue_policy(queue)->queue_return[QF_CLASS_DSN], 5 * 86400);
	qf_queue_free(queue);
	qf_cf_free(cf);
}

Test(layout, no_path_and_no_configuration)
{
	static const char text[] = "O MinQueueAge=7m\n";
	struct qf_queue_options options = {0};
	struct qf_queue *queue = NULL;
	struct qf_err err = {0};
	struct qf_cf *cf = NULL;

	/* Whatever lies there on this machine. */
	cr_assert_eq(qf_cf_parse((struct qf_slice){text, sizeof(text) - 1}, "t", &cf, NULL), QF_OK);
	for (int i = 0; i < 2; i++) {
		options.cf = i ? cf : NULL;
		if (qf_queue_open(&options, &queue, &err))
			cr_expect_str_eq(err.what, "/var/spool/mqueue");
		else
			cr_expect_str_eq(paths(queue), "/var/spool/mqueue ");
		qf_queue_free(queue);
		queue = NULL;
	}
	qf_cf_free(cf);
}

/* ---------------------------------------------------------------- names in d lines */

Test(layout, data_directories_of_a_pattern)
{
	struct qf_queue *queue;

	/* The directories of the corpus queue queue-groups-xdev, whose d lines name these. */
	MAKE("mqueue/", "mqueue/def/", "mqueue/gold1/", "mqueue/gold2/", "mqueue/bulk/");
	queue = OPEN("mqueue/*");
	for (size_t i = 0; i < 4; i++) {
		cr_expect_str_eq(names(queue, i, "def"), "mqueue/def");
		cr_expect_str_eq(names(queue, i, "gold1"), "mqueue/gold1");
		cr_expect_str_eq(names(queue, i, "gold2"), "mqueue/gold2");
		cr_expect_str_eq(names(queue, i, "bulk"), "mqueue/bulk");
		cr_expect_str_eq(names(queue, i, "gold2/"), "mqueue/gold2");
		cr_expect_str_eq(names(queue, i, "gold"), "none");
		cr_expect_str_eq(names(queue, i, "gold3"), "none");
		cr_expect_str_eq(names(queue, i, "."), "none");
		cr_expect_str_eq(names(queue, i, ""), "none");
		cr_expect_str_eq(names(queue, i, "/"), "none");
		cr_expect_str_eq(names(queue, i, "../mqueue/def"), "none");
		cr_expect_eq(qf_queue_data_dir(queue, i, (struct qf_slice){"def\0x", 5}), SIZE_MAX);
		cr_expect_eq(qf_queue_data_dir(queue, i, (struct qf_slice){NULL, 0}), SIZE_MAX);
	}
	qf_queue_free(queue);
}

Test(layout, data_directories_of_several_paths)
{
	struct qf_queue *queue;

	MAKE("mqueue/", "mqueue/def/", "mqueue/gold1/", "mqueue/gold2/", "mqueue/bulk/", "else/",
	     "else/def/", "link -> mqueue");
	queue = OPEN("mqueue/def", "./mqueue/bulk/", "mqueue/gold*", "else/def", "link/gold1");
	cr_expect_str_eq(names(queue, 0, "bulk"), "./mqueue/bulk");
	cr_expect_str_eq(names(queue, 0, "gold2"), "mqueue/gold2");
	cr_expect_str_eq(names(queue, index_of(queue, "mqueue/gold1"), "def"), "mqueue/def");
	cr_expect_str_eq(names(queue, index_of(queue, "./mqueue/bulk"), "gold1"), "mqueue/gold1");
	cr_expect_str_eq(names(queue, index_of(queue, "else/def"), "def"), "else/def");
	cr_expect_str_eq(names(queue, index_of(queue, "else/def"), "bulk"), "none");
	qf_queue_free(queue);
	/* In the directory itself. */
	cr_assert_eq(chdir("mqueue"), 0);
	queue = OPEN("def", "bulk");
	cr_expect_str_eq(names(queue, 0, "bulk"), "bulk");
	qf_queue_free(queue);
}

Test(layout, data_directories_of_one_path)
{
	struct qf_queue *queue;

	MAKE("mqueue/", "mqueue/q1/");
	queue = OPEN("mqueue");
	cr_expect_str_eq(names(queue, 0, "."), "mqueue");
	cr_expect_str_eq(names(queue, 0, "q1"), "none");
	qf_queue_free(queue);
}

Test(layout, data_directories_above_and_below)
{
	struct qf_queue *queue;

	MAKE("b/", "b/qfA", "b/gold1/", "b/sub/", "b/sub/s1/");
	queue = OPEN("b", "b/gold1", "b/sub/s1");
	cr_expect_str_eq(names(queue, 0, "gold1"), "b/gold1");
	cr_expect_str_eq(names(queue, 0, "sub/s1"), "b/sub/s1");
	/* "." below the base means the base. */
	cr_expect_str_eq(names(queue, 1, "."), "b");
	cr_expect_str_eq(names(queue, 1, "sub/s1"), "b/sub/s1");
	cr_expect_str_eq(names(queue, 2, "gold1"), "b/gold1");
	qf_queue_free(queue);
	queue = OPEN("b/gold*", "b/sub/s*");
	cr_expect_str_eq(names(queue, 0, "sub/s1"), "b/sub/s1");
	cr_expect_str_eq(names(queue, 1, "gold1"), "b/gold1");
	qf_queue_free(queue);
	/* No further than two components. */
	cr_assert_eq(mkdir("b/sub/s1/t1", 0755), 0);
	queue = OPEN("b/sub/s1/t1", "b/sub/s1");
	cr_expect_str_eq(names(queue, 1, "s1/t1"), "b/sub/s1/t1");
	cr_expect_str_eq(names(queue, 1, "sub/s1/t1"), "none");
	qf_queue_free(queue);
}

Test(layout, data_directory_taken_under_another_name)
{
	struct qf_queue *queue;

	MAKE("m/", "v/", "m/q1 -> ../v", "m/q2 -> ../v", "m/q3/");
	queue = OPEN("m/q*");
	cr_expect_eq(qf_queue_ndirs(queue), 2);
	cr_expect_str_eq(names(queue, index_of(queue, "m/q3"), "q1"),
			 names(queue, index_of(queue, "m/q3"), "q2"));
	cr_expect_str_neq(names(queue, index_of(queue, "m/q3"), "q1"), "none");
	qf_queue_free(queue);
}

Test(layout, data_directories_of_the_configuration)
{
	struct qf_queue *queue;
	char path[64];

	MAKE("b/", "b/q1/", "b/gold1/", "b/sub/", "b/sub/s1/");
	queue = configured("OQ%s/b/q*\nQgold, P=%s/b/gold1/\nQsub, P=%s/b/sub/*\n", root, root,
			   root);
	snprintf(path, sizeof(path), "%s/b/sub/s1", root);
	cr_expect_str_eq(names(queue, 0, "sub/s1"), path);
	snprintf(path, sizeof(path), "%s/b/gold1", root);
	cr_expect_str_eq(names(queue, 2, "gold1"), path);
	snprintf(path, sizeof(path), "%s/b/q1", root);
	cr_expect_str_eq(names(queue, 2, "q1"), path);
	/* Only relative to the base. */
	cr_expect_str_eq(names(queue, 2, "s1"), "none");
	cr_expect_str_eq(names(queue, 0, "."), "none");
	cr_expect_str_eq(names(queue, 0, "b/q1"), "none");
	qf_queue_free(queue);
}

/* ---------------------------------------------------------------- failing calls */

static struct {
	int calls, fail_at, failure;
} plan;

static bool
fails_now(void)
{
	if (++plan.calls != plan.fail_at)
		return false;
	errno = plan.failure;
	return true;
}

static int
failing_openat(int dir, const char *name, int flags, mode_t mode)
{
	return fails_now() ? -1 : qf_sys_real.openat(dir, name, flags, mode);
}

static int
failing_fstat(int fd, struct stat *st)
{
	return fails_now() ? -1 : qf_sys_real.fstat(fd, st);
}

static int
failing_fstatat(int dir, const char *name, struct stat *st, int flags)
{
	return fails_now() ? -1 : qf_sys_real.fstatat(dir, name, st, flags);
}

static ssize_t
failing_getdents(int fd, void *bytes, size_t n)
{
	return fails_now() ? -1 : qf_sys_real.getdents(fd, bytes, n);
}

static int
checked_close(int fd)
{
	int result = qf_sys_real.close(fd);

	cr_expect_eq(result, 0, "closed twice");
	return result;
}

Test(layout, a_pattern_whose_listing_breaks_off_is_trouble)
{
	static const char *const given[] = {"m/q*"};
	struct qf_queue_options options = {.paths = given, .npaths = COUNT(given)};
	struct qf_sys sys = qf_sys_real;
	struct qf_queue *queue;
	struct qf_err err;
	bool told = false;

	sys.getdents = failing_getdents;
	plan.failure = EIO;
	plan.fail_at = 2;
	plan.calls = 0;
	MAKE("m/", "m/q1/", "m/q2/");
	cr_assert_eq(qf_queue_open_sys(&sys, &options, &queue, &err), QF_OK);
	for (size_t i = 0; i < qf_queue_ndirs(queue); i++)
		told |= qf_queue_dir(queue, i)->trouble && qf_queue_dir(queue, i)->err.sys == EIO;
	cr_expect(told, "more directories might be there");
	cr_expect_eq(qf_queue_ndirs(queue), 3);
	qf_queue_free(queue);
}

Test(layout, every_call_fails_once)
{
	static const int failures[] = {EIO, EACCES, EPERM, EMFILE, ENOENT, ESTALE, ELOOP};
	static const char *const given[] = {"m/q*", "s", "nothing", "s/qf", "e"};
	struct qf_queue_options options = {.paths = given, .npaths = COUNT(given)};
	struct qf_sys sys = qf_sys_real;

	sys.openat = failing_openat;
	sys.fstat = failing_fstat;
	sys.fstatat = failing_fstatat;
	sys.getdents = failing_getdents;
	sys.close = checked_close;
	MAKE("m/", "m/q1/", "m/q2/", "m/q2/df/", "s/", "s/qf/", "s/df/", "s/xf/", "e/", "e/x/");
	for (size_t i = 0; i < COUNT(failures); i++) {
		size_t before = open_descriptors(), given_up = 0;

		plan.failure = failures[i];
		plan.fail_at = 1;
		do {
			struct qf_queue *queue = NULL;
			struct qf_err err = {0};
			enum qf_code code;

			plan.calls = 0;
			code = qf_queue_open_sys(&sys, &options, &queue, &err);
			/* One failure never takes all directories away. */
			cr_expect(code == QF_OK || failures[i] == EMFILE, "%s at %d: %s",
				  strerror(failures[i]), plan.fail_at, err.why);
			if (!code) {
				cr_expect_geq(qf_queue_ndirs(queue), 4);
				for (size_t k = 0; k < qf_queue_ndirs(queue); k++) {
					const struct qf_dir *dir = qf_queue_dir(queue, k);

					cr_expect_eq(dir->trouble != QF_OK, dir->control_fd < 0);
					cr_expect_eq(dir->trouble != QF_OK, dir->data_fd < 0);
					cr_expect_eq(dir->trouble != QF_OK, dir->transcript_fd < 0);
				}
			} else {
				cr_expect_null(queue);
				cr_expect(err.why[0]);
				given_up++;
			}
			qf_queue_free(queue);
			cr_expect_eq(open_descriptors(), before, "%s at %d", strerror(failures[i]),
				     plan.fail_at);
		} while (plan.calls >= plan.fail_at++);
		cr_expect_gt(plan.fail_at, 40);
		/* No more descriptors: the process's trouble, not that of one directory. */
		cr_expect_eq(given_up > 10, failures[i] == EMFILE);
	}
	qf_queue_free(NULL);
}
