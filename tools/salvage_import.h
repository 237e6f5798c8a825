/*
 * salvage_import - a bundle of qf salvage export brought into a queue.
 */
#ifndef QF_TOOLS_SALVAGE_IMPORT_H
#define QF_TOOLS_SALVAGE_IMPORT_H

#include "salvage_report.h"
#include "source.h"

/* options as for a run; copy and the like are set here. receipt: a file to be written, or NULL.
   Returns an exit status. */
int salvage_import(struct source *source, struct qf_queue *to, const char *from,
		   const char *receipt, const struct qf_salvage_options *options,
		   struct report *report);

#endif
