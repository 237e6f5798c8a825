/*
 * Unit tests of crew: everything is done once, whatever the number of hands.
 */
#include <criterion/criterion.h>
#include <stdatomic.h>

#include "crew.h"

static void
count(void *ctx, size_t i)
{
	atomic_int *counts = ctx;

	atomic_fetch_add(&counts[i], 1);
}

static void
try_hands(unsigned hands, size_t n)
{
	struct qf_crew *crew = qf_crew_new(hands);
	atomic_int counts[100] = {0};

	cr_assert_not_null(crew);
	for (int round = 0; round < 50; round++)
		qf_crew_each(crew, n, count, counts);
	for (size_t i = 0; i < 100; i++)
		cr_assert_eq(atomic_load(&counts[i]), i < n ? 50 : 0);
	qf_crew_free(crew);
}

Test(crew, each_is_done_once)
{
	try_hands(0, 10);
	try_hands(1, 10);
	try_hands(2, 1);
	try_hands(4, 100);
	try_hands(32, 7);
	try_hands(8, 0);
}
