/*
 * orphan - the causes and the rules: what files that belong to no whole message are worth.
 *
 * Origin: the table "Causes of orphans" of the interface; chapter 3 of what is known of sendmail's
 * queue. Of several rules of a cause the first whose condition is met counts.
 */
#include <string.h>

#include "orphan.h"

const char *
qf_verdict_name(enum qf_verdict verdict)
{
	static const char *const names[QF_VERDICT_COUNT] = {
#define X(id, word) [QF_VERDICT_##id] = word,
		QF_VERDICTS(X)
#undef X
	};

	return names[verdict];
}

const char *
qf_fix_name(unsigned fix)
{
	switch (fix) {
	case QF_FIX_RECOVER:
		return "recover";
	case QF_FIX_RESCUE:
		return "rescue";
	case QF_FIX_GUARD:
		return "guard";
	case QF_FIX_CLEAN:
		return "clean";
	default:
		return NULL;
	}
}

const struct qf_cause_type *
qf_cause_type(enum qf_cause cause)
{
	static const struct qf_cause_type types[QF_CAUSE_COUNT] = {
#define X(id, code, text, harm) [QF_CAUSE_##id] = {code, text, harm},
		QF_CAUSES(X)
#undef X
	};

	return &types[cause];
}

/* ---------------------------------------------------------------- rules */

#define RECOVER QF_FIX_RECOVER
#define RESCUE QF_FIX_RESCUE
#define GUARD QF_FIX_GUARD
#define CLEAN QF_FIX_CLEAN

/* X(cause, condition on the facts f, verdict, fixes, why) */
#define RULES(X) \
	X(DF_ALONE, f->finished, DEBRIS, CLEAN, "the log shows that nobody is owed it any more") \
	X(DF_ALONE, f->safe && !f->restored, DEBRIS, CLEAN, \
	  "never acknowledged: with this SuperSafe the client is told so only when control file " \
	  "and body are written, and will send again") \
	X(DF_ALONE, f->envelope, RECOVERABLE, RECOVER, \
	  "the log says from whom and for whom it is") \
	X(DF_ALONE, true, PARTIAL, RESCUE, \
	  "from whom and for whom it was, and whether it was delivered, is not known") \
	X(DF_SIBLING, true, DEBRIS, CLEAN, "the same body is there under other names") \
	X(QF_ALONE, f->finished, DEBRIS, CLEAN, "the log shows that nobody is owed it any more") \
	X(QF_ALONE, f->kind != QF_KIND_QUEUED || f->stray, PARTIAL, RESCUE, \
	  "an envelope and headers; no queue run takes it") \
	X(QF_ALONE, true, HAZARD, GUARD | RESCUE, \
	  "mostly a finished message whose process died between two removals; else its body is " \
	  "lost") \
	X(QF_EMPTY, !f->body, DEBRIS, CLEAN, "there is nothing in it, and no body beside it") \
	X(QF_EMPTY, true, HAZARD, GUARD | RESCUE, \
	  "the body is there; from whom and for whom it was is not known") \
	X(QF_CUT, f->cut_in_headers && f->body, RECOVERABLE, RECOVER, \
	  "sender, recipients and body are there; some headers are missing; comes back held") \
	X(QF_CUT, true, PARTIAL, RESCUE, "not all of its envelope, or no body, is there") \
	X(QF_NO_SENDER, true, HAZARD, GUARD | RESCUE, "to whom it would be returned is not known") \
	X(QF_BOGUS, true, HAZARD, 0, "the line has to be looked at by a person") \
	X(QF_UNSAFE, true, HAZARD, RECOVER, "sound but for its mode") \
	X(QF_NO_RCPT, true, DEBRIS, CLEAN, "all recipients are done") \
	X(QF_NAME, true, HAZARD, GUARD | RESCUE, "sendmail looks at two letters of a name only") \
	X(QF_LINKED, f->different, UNKNOWN, 0, "the names hold different messages") \
	X(QF_LINKED, true, HAZARD, RECOVER, "one of the names is enough") \
	X(QF_TWICE, f->different, UNKNOWN, 0, \
	  "different messages that happen to have one id, or one changed since it was copied") \
	X(QF_TWICE, true, HAZARD, RECOVER, "the same message: one of the two is enough") \
	X(QF_AND_HF, f->different, UNKNOWN, 0, "they hold different messages") \
	X(QF_AND_HF, true, HAZARD, RECOVER, "the newer of the two is the one that was meant") \
	X(DF_PLACEHOLDER, true, HAZARD, GUARD | RESCUE, "its own body is lost, or lies elsewhere") \
	X(TF_BESIDE, f->complete && f->newer, HAZARD, RECOVER, \
	  "complete and newer: it says who is still owed, and should become the control file") \
	X(TF_BESIDE, true, HAZARD, CLEAN, "not complete: the control file beside it counts") \
	X(TF_ALONE, f->complete && f->body, RECOVERABLE, RECOVER, "complete, with its body") \
	X(TF_ALONE, f->body, PARTIAL, RESCUE, "the body is there; the envelope is not complete") \
	X(TF_ALONE, true, DEBRIS, CLEAN, "there is no body beside it") \
	X(TF_ASIDE, true, DEBRIS, CLEAN, "replaced by the control file written after it") \
	X(XF_LEFT, true, DEBRIS, CLEAN, "the attempt that wrote it is over") \
	X(QF_LOST, f->refused, PARTIAL, RESCUE, "sendmail would refuse it again") \
	X(QF_LOST, f->apart, PARTIAL, RESCUE, \
	  "its body lies in another directory than the one it names") \
	X(QF_LOST, f->placeholder, PARTIAL, RESCUE, "its own body is lost, or lies elsewhere") \
	X(QF_LOST, true, RECOVERABLE, RECOVER, "it parses, and its body is there") \
	X(CLAIM, true, RECOVERABLE, 0, \
	  "qf salvage resume finishes it; that of an export, export --commit or --abort") \
	X(LEFTOVER, true, DEBRIS, CLEAN, "the next change of this queue finishes it") \
	X(NOT_REGULAR, true, UNKNOWN, 0, "qf does not open it") \
	X(FOREIGN, true, UNKNOWN, 0, "sendmail does not look at it")

/* The verdict by the rules alone. */
static void
apply_rules(const struct qf_orphan_facts *f, struct qf_orphan_judgement *out)
{
#define X(name, condition, judged, fixes, reason) \
	if (f->cause == QF_CAUSE_##name && (condition)) { \
		*out = (struct qf_orphan_judgement){QF_VERDICT_##judged, (fixes), (reason)}; \
		return; \
	}
	RULES(X)
#undef X
	*out = (struct qf_orphan_judgement){QF_VERDICT_UNKNOWN, 0, ""};
}

/* Would a file that nobody looked at change the verdict? */
static bool
lacks_a_half(const struct qf_orphan_facts *f)
{
	switch (f->cause) {
	case QF_CAUSE_DF_ALONE:
	case QF_CAUSE_DF_SIBLING:
	case QF_CAUSE_QF_ALONE:
	case QF_CAUSE_TF_ALONE:
		return true;
	case QF_CAUSE_QF_EMPTY:
	case QF_CAUSE_QF_CUT:
	case QF_CAUSE_QF_LOST:
		return !f->body;
	default:
		return false;
	}
}

void
qf_orphan_judge(const struct qf_orphan_facts *facts, struct qf_orphan_judgement *out)
{
	int64_t wait = facts->grace;

	apply_rules(facts, out);
	if (facts->unseen && lacks_a_half(facts))
		*out = (struct qf_orphan_judgement){QF_VERDICT_UNKNOWN, 0, facts->unseen};
	else if (facts->data_unknown && facts->cause == QF_CAUSE_QF_ALONE)
		*out = (struct qf_orphan_judgement){
			QF_VERDICT_UNKNOWN, 0,
			"its d line names a directory that is none of those looked at"};
	/* Harm may come before the grace age is over. */
	if (out->verdict == QF_VERDICT_HAZARD && facts->locked == QF_NO)
		wait = 0;
	else if (out->verdict == QF_VERDICT_HAZARD && wait > QF_ORPHAN_BLIND)
		wait = QF_ORPHAN_BLIND;
	if (facts->changed || facts->locked == QF_YES || facts->age < wait)
		*out = (struct qf_orphan_judgement){QF_VERDICT_LIVE, 0, "in the making"};
}
