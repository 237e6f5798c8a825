/*
 * salvage_list - which messages a plan selects, for those that do something of their own with each.
 */
#ifndef QF_TOOLS_SALVAGE_LIST_H
#define QF_TOOLS_SALVAGE_LIST_H

#include "salvage_report.h"

/* Messages one after the other, and their account. */
struct salvage_list {
	struct qf_queue *queue;
	struct report *report;
	struct qf_buf paths; /* of control files, a NUL behind each */
	struct qf_salvage_totals totals;
};

/* Fill it; what is skipped is told. QF_OK, or as of qf_salvage_look(). */
enum qf_code salvage_list_fill(struct salvage_list *list, const struct qf_salvage_options *given,
			       struct qf_err *err);
/* The path behind this one (NULL: the first); NULL at the end. */
const char *salvage_list_next(const struct salvage_list *list, const char *path);
/* Tell of a message, and count it. */
void salvage_list_tell(struct salvage_list *list, const struct qf_salvage_record *record);

#endif
