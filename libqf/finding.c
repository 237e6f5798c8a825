/*
 * finding - what can be wrong with a control file, and what sendmail does with such a file.
 */
#include "qf.h"

static const struct qf_finding_type types[QF_F_COUNT] = {
#define X(id, code, fate, text, remedy) [QF_F_##id] = {code, QF_FATE_##fate, text, remedy},
	QF_FINDINGS(X)
#undef X
};

const struct qf_finding_type *
qf_finding_type(enum qf_finding finding)
{
	return &types[finding];
}

const char *
qf_fate_name(enum qf_fate fate)
{
	static const char *const names[] = {
		[QF_FATE_IGNORED] = "ignored", [QF_FATE_EMPTY_MESSAGE] = "empty-message",
		[QF_FATE_SKIPPED] = "skipped", [QF_FATE_REMOVED] = "removed",
		[QF_FATE_LOST] = "lost",       [QF_FATE_ABORTS] = "aborts",
	};

	return names[fate];
}
