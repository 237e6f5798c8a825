/*
 * ls_render - what a message looks like in a listing.
 */
#ifndef QF_TOOLS_LS_RENDER_H
#define QF_TOOLS_LS_RENDER_H

#include "table.h"

/* As the words of --format. */
enum ls_format { LS_TABLE, LS_MAILQ, LS_MAILQ_VERBOSE, LS_JSON, LS_CSV, LS_IDS, LS_IDS0 };

/* How rows are shown; for all threads. */
struct ls_look {
	enum ls_format format;
	bool explain; /* which term of the filter matched what */
	bool safe;    /* standard output is a terminal */
	struct table table;
	struct columns csv;
	const struct qf_redactor *redactor; /* or NULL */
};

/* What each thread has for itself. */
struct ls_hand {
	struct qf_matcher *matcher;
	struct qf_buf scratch[2];
};

/* A row, in any format but those of mailq. */
void ls_row(const struct ls_look *look, struct ls_hand *hand, const struct qf_row *row, struct qf_buf *out);
/* What stands before the first row, of a table and of CSV. */
void ls_heading(const struct ls_look *look, struct qf_buf *out);

#endif
