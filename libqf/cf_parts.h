/*
 * cf_parts - what the files cf.c and cf_group.c share:
 *	cf.c          lines and options, and the questions to them
 *	cf_group.c    lines of queue groups
 */
#ifndef QF_LIBQF_CF_PARTS_H
#define QF_LIBQF_CF_PARTS_H

#include "arena.h"
#include "cf.h"
#include "cf_line.h"
#include "cf_names.h"

/* As sendmail: MAXQUEUEGROUPS, the default one included. */
#define GROUPS_MAX 50

/* The last line that names an option. */
struct setting {
	char *value; /* NULL: none does */
	unsigned line;
	unsigned order; /* among all settings of the file, from 1 */
};

struct qf_cf {
	struct qf_arena arena;
	const char *name;
	struct qf_policy policy;
	/* One for each option, then one for each sub-option of Timeout. */
	struct setting settings[QF_CF_OPTIONS + QF_CF_TIMEOUTS];
	unsigned nset;
	const char *queue_directory; /* NULL: no line sets it */
	unsigned queue_line;
	struct qf_group groups[GROUPS_MAX];
	size_t ngroups;
};

/* A file being read. */
struct qf_cf_reader {
	struct qf_cf_line line;
	struct qf_cf *cf;
	bool mqueue_given; /* a Q line redefines the default group */
};

/* Into the arena; NULL when memory is out. */
const char *qf_cf_copy(struct qf_cf_reader *r, const char *text, size_t n);
/* A macro where a directory is named. */
enum qf_code qf_cf_refuse_macro(struct qf_cf_reader *r, const char *option);

/* ---------------------------------------------------------------- cf_group.c */

/* A line of a queue group. */
enum qf_code qf_cf_read_group(struct qf_cf_reader *r);

#endif
