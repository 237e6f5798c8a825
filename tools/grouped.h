/*
 * grouped - qf ls --by: messages counted by the value of a field.
 */
#ifndef QF_TOOLS_GROUPED_H
#define QF_TOOLS_GROUPED_H

#include <libqf/qf.h>

struct grouped;

/* by names a field that exists. */
struct grouped *grouped_new(const char *by, int64_t now);
void grouped_free(struct grouped *grouped);
unsigned grouped_needs(const char *by);
/* False when memory is out. */
bool grouped_add(struct grouped *grouped, const struct qf_row *row);
/* Write the groups, most messages first; limit 0 for all. Returns 0 or an exit status. */
int grouped_put(struct grouped *grouped, bool json, bool csv, unsigned limit,
		const struct qf_redactor *redactor);

#endif
