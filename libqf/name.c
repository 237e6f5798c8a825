/*
 * name - what a file in a queue directory is, by its name.
 */
#include "qf.h"

const char *
qf_kind_prefix(enum qf_kind kind)
{
	switch (kind) {
	case QF_KIND_QUEUED:
		return "qf";
	case QF_KIND_HELD:
		return "hf";
	case QF_KIND_LOST:
		return "Qf";
	case QF_KIND_STAGED:
		return "tf";
	case QF_KIND_STAGED_ASIDE:
		return "Tf";
	case QF_KIND_DATA:
		return "df";
	case QF_KIND_TRANSCRIPT:
		return "xf";
	case QF_KIND_OTHER:
		break;
	}
	return "";
}

/* Origin: sendmail/queue.c gatherq(). Nothing but the first two characters counts: "qf" alone is
   a message with an empty id, and a copy like "qfID.bak" is run. */
enum qf_kind
qf_name_kind(const char *name, size_t n)
{
	if (n < 2 || name[1] != 'f')
		return QF_KIND_OTHER;
	switch (name[0]) {
	case 'q':
		return QF_KIND_QUEUED;
	case 'h':
		return QF_KIND_HELD;
	case 'Q':
		return QF_KIND_LOST;
	case 't':
		return QF_KIND_STAGED;
	case 'T':
		return QF_KIND_STAGED_ASIDE;
	case 'd':
		return QF_KIND_DATA;
	case 'x':
		return QF_KIND_TRANSCRIPT;
	default:
		return QF_KIND_OTHER;
	}
}

bool
qf_kind_is_control(enum qf_kind kind)
{
	return kind == QF_KIND_QUEUED || kind == QF_KIND_HELD || kind == QF_KIND_LOST;
}
