/*
 * changes - what commands that change a queue have in common: options, results, the tally.
 */
#ifndef QF_TOOLS_CHANGES_H
#define QF_TOOLS_CHANGES_H

#include "opt.h"
#include "source.h"

extern const struct opt changes_rows[];
#define CHANGES_BLOCK                                                                              \
	{                                                                                          \
		.kind = OPT_BLOCK, .target = (void *)changes_rows, .help = "Options of changes:"   \
	}
/* Of a command that has formats of its own: the same without --format. */
extern const struct opt changes_bare_rows[];
#define CHANGES_BARE_BLOCK(title)                                                                  \
	{                                                                                          \
		.kind = OPT_BLOCK, .target = (void *)changes_bare_rows, .help = title              \
	}

/* What was given on the command line. */
struct changes_options {
	bool yes, dry_run, no_journal, json;
	const char *note, *journal, *trash;
	int64_t keep, wait;
};
const struct changes_options *changes_given(void);
/* The folder of the journal: --journal, $QF_STATE; NULL for each queue directory's own. */
const char *changes_journal(void);
/* --trash, as everybody finds it from wherever they look: to be freed; NULL without. An exit status,
   where it is none. */
int changes_trash(char **trash);
/* Options for qf_txn_new(); but for the trash. */
struct qf_txn_options changes_txn_options(const char *command, const struct source *source);

/* Results counted; writing is one thread's at a time. */
struct tally {
	const char *command;
	bool json;   /* objects, whatever --format says */
	bool silent; /* nothing, but for what was not done */
	size_t counts[QF_RESULT_COUNT];
};
/* One message's result: a line, or a qf.action/1 object; what was not done is named. */
void tally_add(struct tally *tally, const char *id, const char *queue,
	       const struct qf_outcome *outcome);
/* The last line, or the qf.tally/1 object. */
void tally_put(const struct tally *tally);
/* The qf.tally/1 object, without a line end. */
void tally_json(const struct tally *tally, struct qf_buf *out);
/* Exit status of the results alone: 2 for what was left out, 1 for what was not there. */
int tally_status(const struct tally *tally);

#endif
