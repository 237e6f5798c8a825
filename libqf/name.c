/*
 * name - what a file in a queue directory is, by its name.
 */
#include "qf.h"

static const char prefixes[][3] = {
	[QF_KIND_OTHER] = "",
	[QF_KIND_QUEUED] = "qf",
	[QF_KIND_HELD] = "hf",
	[QF_KIND_LOST] = "Qf",
	[QF_KIND_STAGED] = "tf",
	[QF_KIND_STAGED_ASIDE] = "Tf",
	[QF_KIND_DATA] = "df",
	[QF_KIND_TRANSCRIPT] = "xf",
};

/* Origin: sendmail/queue.c gatherq(). Nothing but the first two characters counts: "qf" alone is
   a message with an empty id, and a copy like "qfID.bak" is run. */
enum qf_kind
qf_name_kind(const char *name, size_t n)
{
	if (n < 2 || name[1] != 'f')
		return QF_KIND_OTHER;
	for (int kind = QF_KIND_QUEUED; kind <= QF_KIND_TRANSCRIPT; kind++) {
		if (name[0] == prefixes[kind][0])
			return (enum qf_kind)kind;
	}
	return QF_KIND_OTHER;
}

const char *
qf_kind_prefix(enum qf_kind kind)
{
	if ((unsigned)kind > QF_KIND_TRANSCRIPT)
		return "";
	return prefixes[kind];
}

bool
qf_kind_is_control(enum qf_kind kind)
{
	return kind == QF_KIND_QUEUED || kind == QF_KIND_HELD || kind == QF_KIND_LOST;
}
