#include <criterion/criterion.h>
#include <string.h>

#include "orphan.h"

/* The judgement, without a file system: facts in, verdict and fixes out. */

/* Told, if it is told at all: old, nobody holds a lock, nothing changed. */
static struct qf_orphan_facts
facts(enum qf_cause cause)
{
	return (struct qf_orphan_facts){.cause = cause, .age = 3600, .grace = 600};
}

#define JUDGED(f, wanted, fixes) \
	do { \
		struct qf_orphan_judgement j; \
		qf_orphan_judge(&(f), &j); \
		cr_expect_eq(j.verdict, QF_VERDICT_##wanted, "%s", qf_verdict_name(j.verdict)); \
		cr_expect_eq(j.fix, (unsigned)(fixes), "%x", j.fix); \
	} while (0)

Test(orphan, every_cause_has_a_rule_without_condition)
{
	for (int i = 0; i < QF_CAUSE_COUNT; i++) {
		struct qf_orphan_facts f = facts((enum qf_cause)i);
		struct qf_orphan_judgement j;

		qf_orphan_judge(&f, &j);
		cr_expect(j.why[0], "%s", qf_cause_type((enum qf_cause)i)->code);
		cr_expect_neq(j.verdict, QF_VERDICT_LIVE);
		/* What does harm says which. */
		cr_expect(j.verdict != QF_VERDICT_HAZARD ||
			  qf_cause_type((enum qf_cause)i)->harm[0]);
	}
}

Test(orphan, a_lone_body_is_debris_by_proof_alone)
{
	struct qf_orphan_facts f = facts(QF_CAUSE_DF_ALONE);

	f.body = true;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
	f.envelope = true;
	JUDGED(f, RECOVERABLE, QF_FIX_RECOVER);
	f.safe = true;
	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
	f.restored = true;
	JUDGED(f, RECOVERABLE, QF_FIX_RECOVER);
	f.finished = true;
	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
}

Test(orphan, what_cannot_be_seen_proves_nothing)
{
	static const enum qf_cause lone[] = {QF_CAUSE_DF_ALONE, QF_CAUSE_DF_SIBLING,
					     QF_CAUSE_QF_ALONE, QF_CAUSE_TF_ALONE,
					     QF_CAUSE_QF_EMPTY, QF_CAUSE_QF_LOST};

	for (size_t i = 0; i < sizeof(lone) / sizeof(*lone); i++) {
		struct qf_orphan_facts f = facts(lone[i]);

		f.unseen = "q2 cannot be read";
		f.safe = true;
		f.kind = QF_KIND_QUEUED;
		JUDGED(f, UNKNOWN, 0);
	}
	struct qf_orphan_facts f = facts(QF_CAUSE_TF_BESIDE);
	f.unseen = "q2 cannot be read";
	JUDGED(f, HAZARD, QF_FIX_CLEAN);
	f = facts(QF_CAUSE_QF_ALONE);
	f.kind = QF_KIND_QUEUED;
	f.data_unknown = true;
	JUDGED(f, UNKNOWN, 0);
}

Test(orphan, a_control_file_without_body)
{
	struct qf_orphan_facts f = facts(QF_CAUSE_QF_ALONE);

	f.kind = QF_KIND_QUEUED;
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
	f.kind = QF_KIND_HELD;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
	f.kind = QF_KIND_LOST;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
	f.finished = true;
	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
	/* Who it was for does not bring its body back. */
	f = facts(QF_CAUSE_QF_ALONE);
	f.kind = QF_KIND_QUEUED;
	f.envelope = f.safe = true;
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
}

Test(orphan, damaged_control_files)
{
	struct qf_orphan_facts f = facts(QF_CAUSE_QF_EMPTY);

	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
	f.body = true;
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
	f = facts(QF_CAUSE_QF_CUT);
	f.cut_in_headers = true;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
	f.body = true;
	JUDGED(f, RECOVERABLE, QF_FIX_RECOVER);
	f.cut_in_headers = false;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
	f = facts(QF_CAUSE_QF_NO_SENDER);
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
	f = facts(QF_CAUSE_QF_BOGUS);
	JUDGED(f, HAZARD, 0);
	f = facts(QF_CAUSE_QF_UNSAFE);
	JUDGED(f, HAZARD, QF_FIX_RECOVER);
	f = facts(QF_CAUSE_QF_NO_RCPT);
	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
	f = facts(QF_CAUSE_QF_NAME);
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
	f = facts(QF_CAUSE_DF_PLACEHOLDER);
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
}

Test(orphan, two_of_one_are_told_apart_from_two)
{
	static const enum qf_cause two[] = {QF_CAUSE_QF_LINKED, QF_CAUSE_QF_TWICE,
					    QF_CAUSE_QF_AND_HF};

	for (size_t i = 0; i < 3; i++) {
		struct qf_orphan_facts f = facts(two[i]);

		JUDGED(f, HAZARD, QF_FIX_RECOVER);
		f.different = true;
		JUDGED(f, UNKNOWN, 0);
	}
}

Test(orphan, staged_files)
{
	struct qf_orphan_facts f = facts(QF_CAUSE_TF_BESIDE);

	JUDGED(f, HAZARD, QF_FIX_CLEAN);
	f.complete = true;
	JUDGED(f, HAZARD, QF_FIX_CLEAN);
	f.newer = true;
	JUDGED(f, HAZARD, QF_FIX_RECOVER);
	f = facts(QF_CAUSE_TF_ALONE);
	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
	f.complete = true;
	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
	f.body = true;
	JUDGED(f, RECOVERABLE, QF_FIX_RECOVER);
	f.complete = false;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
	f = facts(QF_CAUSE_TF_ASIDE);
	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
	f = facts(QF_CAUSE_XF_LEFT);
	JUDGED(f, DEBRIS, QF_FIX_CLEAN);
	f = facts(QF_CAUSE_QF_LOST);
	JUDGED(f, RECOVERABLE, QF_FIX_RECOVER);
	f.refused = true;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
}

Test(orphan, what_is_in_the_making_is_live)
{
	struct qf_orphan_facts f = facts(QF_CAUSE_DF_ALONE);

	f.age = 599;
	JUDGED(f, LIVE, 0);
	f.age = 600;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
	f.locked = QF_UNKNOWN;
	JUDGED(f, PARTIAL, QF_FIX_RESCUE);
	f.locked = QF_YES;
	JUDGED(f, LIVE, 0);
	f.locked = QF_NO;
	f.changed = true;
	JUDGED(f, LIVE, 0);
}

Test(orphan, hazards_do_not_wait_for_the_grace_age)
{
	struct qf_orphan_facts f = facts(QF_CAUSE_QF_EMPTY);

	f.body = true;
	f.age = 1;
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
	/* But where a lock would not be seen they have to lie for a while. */
	f.locked = QF_UNKNOWN;
	JUDGED(f, LIVE, 0);
	f.age = QF_ORPHAN_BLIND;
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
	f.age = 1;
	f.grace = 1;
	JUDGED(f, HAZARD, QF_FIX_GUARD | QF_FIX_RESCUE);
	f.locked = QF_YES;
	JUDGED(f, LIVE, 0);
	/* Debris does no harm: it waits. */
	f = facts(QF_CAUSE_QF_EMPTY);
	f.age = 1;
	JUDGED(f, LIVE, 0);
}
