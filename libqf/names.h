/*
 * names - the ids that files of a queue bear, looked up fast.
 */
#ifndef QF_LIBQF_NAMES_H
#define QF_LIBQF_NAMES_H

#include "qf.h"
#include "sys.h"

struct qf_names;

struct qf_names *qf_names_new(void);
void qf_names_free(struct qf_names *names);
/* All queue files (control, data, transcript, staged) in all directories. */
enum qf_code qf_names_add_queue(struct qf_names *names, struct qf_queue *queue,
				struct qf_err *err);
/* Of what kinds are the files of that id: 1u << QF_KIND_*; 0: there are none. */
unsigned qf_names_find(const struct qf_names *names, const char *id);
/* False when memory is out. */
bool qf_names_add(struct qf_names *names, const char *id, enum qf_kind kind);

/* All names in a folder, a NUL behind each, read before the first is looked at: what is found may
   be changed. path is for the failure. */
enum qf_code qf_names_in(struct qf_io *io, int folder, const char *path, struct qf_buf *names,
			 struct qf_err *err);

#endif
