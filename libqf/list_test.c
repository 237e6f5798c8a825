/*
 * A real directory with more names than one piece of a listing holds.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "list.h"

#define NAMES 3000

static char root[] = "/tmp/qf-list-XXXXXX";
static int dir;
static struct qf_io io;

static void
set_up(void)
{
	char name[32];
	int fd;

	cr_assert_not_null(mkdtemp(root));
	dir = open(root, O_RDONLY | O_DIRECTORY);
	cr_assert(dir >= 0);
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "qf0123456789012%05d", i);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		cr_assert(fd >= 0);
		close(fd);
	}
	cr_assert_eq(mkdirat(dir, "folder", 0700), 0);
	cr_assert_eq(symlinkat("folder", dir, "to-folder"), 0);
	cr_assert_eq(symlinkat("nowhere", dir, "to-nothing"), 0);
	cr_assert_eq(symlinkat("qf012345678901200000", dir, "to-file"), 0);
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

TestSuite(list, .init = set_up, .fini = tear_down);

Test(list, all_names_but_the_dots_each_once_from_the_beginning)
{
	for (int round = 0; round < 2; round++) {
		const struct qf_sys_entry *entry;
		static bool seen[2][NAMES];
		size_t files = 0, others = 0;
		struct qf_list list;

		cr_assert(qf_list_begin(&list, &io, dir));
		while ((entry = qf_list_next(&list))) {
			int i;

			cr_assert_neq(entry->name[0], '.', "%s", entry->name);
			if (sscanf(entry->name, "qf0123456789012%05d", &i) != 1) {
				bool is = strcmp(entry->name, "folder") == 0 ||
					  strcmp(entry->name, "to-folder") == 0;

				cr_expect_eq(qf_list_is_directory(&list, entry), is, "%s",
					     entry->name);
				others++;
				continue;
			}
			cr_expect(!qf_list_is_directory(&list, entry));
			cr_expect(!seen[round][i], "%s twice", entry->name);
			seen[round][i] = true;
			files++;
		}
		cr_expect_eq(files, NAMES);
		cr_expect_eq(others, 4);
		cr_expect_eq(list.failure, 0);
		cr_expect_gt(list.pieces, 2u, "the end is a piece too");
		cr_expect_null(qf_list_next(&list), "the end stays the end");
		qf_list_end(&list);
	}
	cr_expect_gt(atomic_load(&io.ops[QF_OP_LIST]), 4u, "counted");
}

Test(list, no_more_than_the_most_pieces)
{
	struct qf_list list;
	size_t n = 0;

	cr_assert(qf_list_begin(&list, &io, dir));
	list.most = 1;
	while (qf_list_next(&list))
		n++;
	cr_expect_eq(list.pieces, 1u);
	cr_expect_eq(list.failure, 0);
	cr_expect(n > 0 && n < NAMES, "%zu", n);
	qf_list_end(&list);
}

static ssize_t
second_fails(int fd, void *bytes, size_t n)
{
	static int calls;

	if (++calls == 1)
		return qf_sys_real.getdents(fd, bytes, n);
	errno = EIO;
	return -1;
}

Test(list, a_listing_that_breaks_off_says_so)
{
	struct qf_sys sys = qf_sys_real;
	struct qf_list list;
	struct qf_io broken;
	size_t n = 0;

	sys.getdents = second_fails;
	qf_io_init(&broken, &sys, 0);
	cr_assert(qf_list_begin(&list, &broken, dir));
	while (qf_list_next(&list))
		n++;
	cr_expect(n > 0 && n < NAMES, "%zu", n);
	cr_expect_eq(list.failure, EIO);
	cr_expect(!qf_list_read(&list), "and is not taken up again");
	cr_expect_eq(list.pieces, 2u);
	qf_list_end(&list);
}
