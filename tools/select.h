/*
 * select - which messages a changing command is for: ids, or a filter, or ALL.
 */
#ifndef QF_TOOLS_SELECT_H
#define QF_TOOLS_SELECT_H

#include "source.h"

/* A message that was selected; found again by directory and name when its turn comes. */
struct selected {
	char path[512];   /* of its control file; finds it again */
	char id[QF_NAME_MAX];
	const char *queue;
};

struct selection {
	struct selected *messages;
	size_t n, cap;
	bool by_filter;   /* asks, or needs --yes */
	size_t missing;   /* ids that are not there; each was named */
	bool incomplete;  /* something could not be read; named */
};

/*
 * Operands are ids (a path of a control file serves as one; "-" reads them from standard input),
 * or a filter, or the word ALL. Nothing, or an empty filter, is refused.
 * Returns 0 or an exit status, the failure said.
 */
int select_messages(struct source *source, char **operands, size_t n, struct selection *out);
void selection_release(struct selection *selection);

#endif
