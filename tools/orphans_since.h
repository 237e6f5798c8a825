/*
 * orphans_since - what was told before, so that it is told once: the file of --since.
 */
#ifndef QF_TOOLS_ORPHANS_SINCE_H
#define QF_TOOLS_ORPHANS_SINCE_H

#include <libqf/qf.h>

/* The findings told before; a file that is not there, or is none of ours, says of none. */
struct since;
/* NULL when memory is out. */
struct since *since_read(const char *path);
void since_free(struct since *since);

/* Was it told: the same verdict about the same file. */
bool since_has(const struct since *since, const struct qf_orphan *orphan);
/*
 * since_write - all findings of now. keep: those of before too, as not all could be looked at.
 * Returns QF_OK, or why it could not be written.
 */
enum qf_code since_write(const struct since *since, const char *path,
			 const struct qf_orphans *orphans, bool keep, struct qf_err *err);

#endif
