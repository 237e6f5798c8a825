#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "pair.h"

#define SOUND "V8\nT1795332063\nK0\nN0\nP30119\nS<a@b>\nRPFD:<x@y>\nH??Subject: t\n.\n"

static char root[] = "/tmp/qf-pair-XXXXXX";

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

	cr_assert(fd >= 0, "%s", name);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static struct qf_queue *
open_queue(const char *pattern, const struct qf_sys *sys)
{
	char path[128];
	const char *paths = path;
	struct qf_queue_options options = {.paths = &paths, .npaths = 1};
	struct qf_queue *queue = NULL;
	struct qf_err err;

	snprintf(path, sizeof(path), "%s%s", root, pattern);
	cr_assert_eq(qf_queue_open_sys(sys, &options, &queue, &err), QF_OK, "%s: %s", err.what,
		     err.why);
	return queue;
}

static struct qf_pairs *
pairs_of(struct qf_queue *queue, bool deep)
{
	struct qf_pair_options options = {.deep = deep};
	struct qf_pairs *pairs = NULL;
	struct qf_err err;

	cr_assert_eq(qf_pair_new(queue, &options, NULL, NULL, &pairs, &err), QF_OK, "%s: %s",
		     err.what, err.why);
	return pairs;
}

static const struct qf_pair_file *
head_of(const struct qf_pairs *pairs, const char *id)
{
	uint32_t head = qf_pair_find(pairs, id, strlen(id));

	return head == QF_PAIR_NONE ? NULL : qf_pair_at(pairs, head);
}

/* The marks of a file, QF_PAIR_HEAD left out; UINT_MAX where it is not there. */
static unsigned
marks_of(const struct qf_pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->nfiles; i++)
		if (strcmp(qf_pair_at(pairs, i)->name, name) == 0)
			return qf_pair_at(pairs, i)->marks & ~(unsigned)QF_PAIR_HEAD;
	return ~0u;
}

Test(pair, halves_find_each_other_wherever_they_lie, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue;
	struct qf_pairs *pairs;

	for (const char *const *d = (const char *const[]){"q1", "q1/qf", "q1/df", "q1/xf", "q2", NULL};
	     *d; d++)
		cr_assert_eq(mkdir(*d, 0700), 0);
	put("q1/qf/qfAAA", SOUND);
	put("q1/df/dfAAA", "x");
	put("q2/qfBBB", SOUND);
	put("q1/df/dfBBB", "x");
	put("q2/qfCCC", SOUND);
	put("q1/dfCCC", "left behind when the layout was made");
	put("q2/dfDDD", "x");
	put("q2/.qf", "not counted");
	put("q2/core", "ignored");
	put("q2/qfthisnameisoneletterto", "too long for sendmail");
	queue = open_queue("/q*", NULL);
	pairs = pairs_of(queue, false);
	cr_expect(qf_pair_is_whole(pairs, head_of(pairs, "AAA")));
	cr_expect(qf_pair_is_whole(pairs, head_of(pairs, "BBB")));
	cr_expect(qf_pair_is_whole(pairs, head_of(pairs, "CCC")));
	cr_expect_not(qf_pair_is_whole(pairs, head_of(pairs, "DDD")));
	cr_expect_null(head_of(pairs, "AA"));
	cr_expect_null(head_of(pairs, ""));
	cr_expect_eq(pairs->nfiles, 7);
	cr_expect_eq(pairs->ignored, 2);
	qf_pair_free(pairs);
	qf_queue_free(queue);
}

Test(pair, one_stat_tells_what_makes_a_control_file_suspect, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue;
	struct qf_pairs *pairs;

	put("qfempty", "");
	put("qfunsafe", SOUND);
	cr_assert_eq(chmod("qfunsafe", 0620), 0);
	put("qflinked", SOUND);
	cr_assert_eq(link("qflinked", "elsewhere"), 0);
	cr_assert_eq(mkdir("qfdir", 0700), 0);
	cr_assert_eq(mkfifo("dffifo", 0600), 0);
	put("qfsound", SOUND);
	put("dfsound", "");
	queue = open_queue("", NULL);
	pairs = pairs_of(queue, false);
	cr_expect_eq(marks_of(pairs, "qfempty"), QF_PAIR_EMPTY);
	cr_expect_eq(marks_of(pairs, "qfunsafe"), QF_PAIR_UNSAFE);
	cr_expect_eq(marks_of(pairs, "qflinked"), QF_PAIR_LINKED);
	cr_expect_eq(marks_of(pairs, "qfdir"), QF_PAIR_IRREGULAR);
	cr_expect_eq(marks_of(pairs, "dffifo"), QF_PAIR_IRREGULAR);
	cr_expect_eq(marks_of(pairs, "qfsound"), 0);
	cr_expect_eq(marks_of(pairs, "dfsound"), 0);
	qf_pair_free(pairs);
	qf_queue_free(queue);
}

Test(pair, reading_tells_more, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue;
	struct qf_pairs *pairs;

	put("qfcut", "V8\nT1\nS<a@b>\nRPFD:<x@y>\n");
	put("qfbogus", "V8\nT1\nS<a@b>\nRPFD:<x@y>\nwhat\n.\n");
	put("qfnosender", "V8\nT1\nRPFD:<x@y>\n.\n");
	put("qfnorcpt", "V8\nT1\nS<a@b>\n.\n");
	put("qfmade", "V8\nT1\nMreadqf: cannot open ./dfmade: No such file\nS<a@b>\nRPFD:<x@y>\n.\n");
	put("dfmade", "\n");
	put("qfsound", SOUND);
	put("dfsound", "\n");
	queue = open_queue("", NULL);
	pairs = pairs_of(queue, true);
	cr_expect_eq(marks_of(pairs, "qfcut"), QF_PAIR_CUT | QF_PAIR_ELSEWHERE);
	cr_expect_eq(marks_of(pairs, "qfbogus"), QF_PAIR_BOGUS | QF_PAIR_ELSEWHERE);
	cr_expect_eq(marks_of(pairs, "qfnosender"), QF_PAIR_NO_SENDER | QF_PAIR_ELSEWHERE);
	cr_expect_eq(marks_of(pairs, "qfnorcpt"), QF_PAIR_NO_RCPT | QF_PAIR_ELSEWHERE);
	cr_expect_eq(marks_of(pairs, "qfmade"), QF_PAIR_PLACEHOLDER);
	/* A body of one byte is a body. */
	cr_expect_eq(marks_of(pairs, "qfsound"), 0);
	qf_pair_free(pairs);
	qf_queue_free(queue);
}

Test(pair, whole_messages_cost_one_stat_and_no_open, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue;
	struct qf_pairs *pairs;
	uint64_t stats, opens;
	char name[32];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "qf6AM7L3QS%06d", i);
		put(name, "x");
		memcpy(name, "df", 2);
		put(name, "x");
	}
	queue = open_queue("", NULL);
	stats = qf_queue_io(queue)->ops[QF_OP_STAT];
	opens = qf_queue_io(queue)->ops[QF_OP_OPEN];
	pairs = pairs_of(queue, false);
	/* Beside one for each: what kind of directory it is. */
	cr_expect_leq(qf_queue_io(queue)->ops[QF_OP_STAT] - stats, 3000 + 8);
	cr_expect_eq(qf_queue_io(queue)->ops[QF_OP_OPEN], opens);
	for (size_t i = 0; i < pairs->nfiles; i++)
		cr_assert(!(qf_pair_at(pairs, i)->marks & QF_PAIR_HEAD) ||
			  qf_pair_is_whole(pairs, qf_pair_at(pairs, i)));
	/* What is kept of a file, vectors and table as they have grown. */
	cr_expect_lt(pairs->nfiles * sizeof(struct qf_pair_file) + pairs->table_cap * sizeof(*pairs->table),
		     pairs->nfiles * 60);
	qf_pair_free(pairs);
	qf_queue_free(queue);
}

static ssize_t
broken_getdents(int fd, void *bytes, size_t n)
{
	static int calls;

	if (calls++ % 2)
		return qf_sys_real.getdents(fd, bytes, n);
	errno = EIO;
	return -1;
}

Test(pair, a_listing_that_breaks_off_is_trouble, .init = set_up, .fini = tear_down)
{
	struct qf_sys sys = qf_sys_real;
	struct qf_queue *queue;
	struct qf_pairs *pairs;

	cr_assert_eq(mkdir("q1", 0700), 0);
	put("q1/qfAAA", SOUND);
	put("q1/dfAAA", "x");
	queue = open_queue("/q1", NULL);
	sys.getdents = broken_getdents;
	qf_queue_io(queue)->sys = &sys;
	pairs = pairs_of(queue, false);
	cr_expect_eq(pairs->unreadable, 1);
	cr_expect_neq(pairs->places[0].trouble, QF_OK);
	qf_pair_free(pairs);
	qf_queue_free(queue);
}
