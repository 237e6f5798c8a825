/*
 * shape_text - the table of qf shape: its lines made from counted groups, and written as qshape
 * lays them out, as JSON and as CSV.
 */
#ifndef QF_TOOLS_SHAPE_TEXT_H
#define QF_TOOLS_SHAPE_TEXT_H

#include <libqf/qf.h>

enum shape_format { SHAPE_TABLE, SHAPE_JSON, SHAPE_CSV };

/* What the table is of, and how it is to look. */
struct shape_table {
	enum shape_format format;
	const char *by; /* the field as the user calls it */
	const struct qf_field *field;
	const int64_t *minutes; /* ends of the age buckets but the last one's */
	size_t nminutes;
	bool parents;                       /* with lines for parent domains... */
	unsigned min_subdomains;            /* ...that have so many children */
	size_t width;                       /* of SHAPE_TABLE, as far as the counts allow */
	size_t top;                         /* most lines of SHAPE_TABLE, TOTAL included; 0: all */
	const struct qf_redactor *redactor; /* or NULL */
};

/*
 * shape_put - write the table to standard output. *left is how many lines top left out. The groups
 * must have one count more than there are minutes. False when memory is out: what was written is
 * not whole.
 */
bool shape_put(const struct shape_table *table, struct qf_groups *groups, size_t *left);

#endif
