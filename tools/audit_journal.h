/*
 * audit_journal - what people did to the messages of queues by qf, by id: their journals.
 */
#ifndef QF_TOOLS_AUDIT_JOURNAL_H
#define QF_TOOLS_AUDIT_JOURNAL_H

#include "audit.h"

struct audit_entry {
	char *id, *entry, *command, *text;
	char *gone;  /* of an edit: recipients struck or replaced, each with a newline behind it; or
			NULL */
	char *added; /* or NULL */
	char *queue; /* the directory it lies at, as the snapshot names it */
	int64_t time;
	bool own; /* it lies at a queue of the snapshot that was loaded first */
};

struct audit_journal {
	struct audit_entry *entries; /* by id, then time */
	size_t n, room;
	/* For audit_journal_load() alone. */
	const char *path;
	int loads;
};

/*
 * audit_journal_load - changes that were carried out and not taken back, of the queues of a
 * snapshot, as far as these can be opened here; what cannot is said with -v. False: memory is out.
 */
bool audit_journal_load(struct audit_journal *journal, struct store *store, int64_t snapshot);
void audit_journal_sort(struct audit_journal *journal);
void audit_journal_release(struct audit_journal *journal);
/* The first entry of an id; *n how many. */
const struct audit_entry *audit_journal_of(const struct audit_journal *journal, struct qf_slice id,
					   size_t *n);

#endif
