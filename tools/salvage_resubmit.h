/*
 * salvage_resubmit - messages handed to a server that speaks SMTP alone.
 */
#ifndef QF_TOOLS_SALVAGE_RESUBMIT_H
#define QF_TOOLS_SALVAGE_RESUBMIT_H

#include "salvage_report.h"
#include "source.h"

struct resubmit {
	const char *server, *user, *password_file;
};

/* Returns an exit status. */
int salvage_resubmit(struct source *source, struct qf_queue *from, const struct resubmit *how,
		     const struct qf_salvage_options *options, struct report *report);

#endif
