#include <criterion/criterion.h>
#include <string.h>

#include "qf.h"

Test(name, kind_is_told_by_two_characters)
{
	static const struct {
		const char *name;
		enum qf_kind kind;
	} cases[] = {
		{"qf6AM77wPF020610", QF_KIND_QUEUED},
		{"hf6AM77wPF020610", QF_KIND_HELD},
		{"Qf6AM77wPF020610", QF_KIND_LOST},
		{"tf6AM77wPF020610", QF_KIND_STAGED},
		{"Tf6AM77wPF020610", QF_KIND_STAGED_ASIDE},
		{"df6AM77wPF020610", QF_KIND_DATA},
		{"xf6AM77wPF020610", QF_KIND_TRANSCRIPT},
		{"qf", QF_KIND_QUEUED},
		{"qfhello.bak", QF_KIND_QUEUED},
		{"lf6AM77wPF020610", QF_KIND_OTHER},
		{"nf6AM77wPF020610", QF_KIND_OTHER},
		{"q", QF_KIND_OTHER},
		{"", QF_KIND_OTHER},
		{"qF6AM77wPF020610", QF_KIND_OTHER},
		{"Hf6AM77wPF020610", QF_KIND_OTHER},
		{"Df6AM77wPF020610", QF_KIND_OTHER},
		{".qf", QF_KIND_OTHER},
		{"f", QF_KIND_OTHER},
		{"ff", QF_KIND_OTHER},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(qf_name_kind(cases[i].name, strlen(cases[i].name)), cases[i].kind,
			     "%s", cases[i].name);
	cr_expect_eq(qf_name_kind("\0f", 2), QF_KIND_OTHER);
	cr_expect_eq(qf_name_kind("qf", 1), QF_KIND_OTHER, "only the given bytes count");
	cr_expect_eq(qf_name_kind(NULL, 0), QF_KIND_OTHER);
}

Test(name, prefix_leads_back_to_its_kind)
{
	for (int kind = QF_KIND_QUEUED; kind <= QF_KIND_TRANSCRIPT; kind++) {
		const char *prefix = qf_kind_prefix((enum qf_kind)kind);

		cr_expect_eq(strlen(prefix), 2u);
		cr_expect_eq((int)qf_name_kind(prefix, 2), kind);
	}
	cr_expect_str_eq(qf_kind_prefix(QF_KIND_OTHER), "");
	cr_expect_str_eq(qf_kind_prefix((enum qf_kind)99), "");
}

Test(name, control_files_are_three_kinds)
{
	for (int kind = QF_KIND_OTHER; kind <= QF_KIND_TRANSCRIPT; kind++)
		cr_expect_eq(qf_kind_is_control((enum qf_kind)kind),
			     kind == QF_KIND_QUEUED || kind == QF_KIND_HELD || kind == QF_KIND_LOST,
			     "%d", kind);
}
