/*
 * Unit tests of names: ids and their kinds are found again.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "names.h"

Test(names, what_was_added_is_found)
{
	struct qf_names *names = qf_names_new();
	char id[QF_NAME_MAX];

	cr_assert_eq(qf_names_find(names, "6AMAAA000001"), 0);
	for (int i = 0; i < 5000; i++) {
		snprintf(id, sizeof(id), "6AMAAA%06d", i);
		cr_assert(qf_names_add(names, id, i % 2 ? QF_KIND_QUEUED : QF_KIND_DATA));
	}
	cr_assert(qf_names_add(names, "6AMAAA000001", QF_KIND_DATA));
	cr_assert_eq(qf_names_find(names, "6AMAAA000001"),
		     1u << QF_KIND_QUEUED | 1u << QF_KIND_DATA);
	for (int i = 2; i < 5000; i++) {
		snprintf(id, sizeof(id), "6AMAAA%06d", i);
		cr_assert_eq(qf_names_find(names, id),
			     1u << (i % 2 ? QF_KIND_QUEUED : QF_KIND_DATA));
	}
	cr_assert_eq(qf_names_find(names, "6AMAAA005000"), 0);
	cr_assert_eq(qf_names_find(names, ""), 0);
	cr_assert_eq(qf_names_find(names, "longer than any id of sendmail"), 0);
	qf_names_free(names);
}
