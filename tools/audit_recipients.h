/*
 * audit_recipients - recipients of messages of the database, looked up by address.
 */
#ifndef QF_TOOLS_AUDIT_RECIPIENTS_H
#define QF_TOOLS_AUDIT_RECIPIENTS_H

#include "audit.h"

struct audit_recipient {
	struct qf_slice address, bare; /* in memory of the list */
	struct qf_slice as;	       /* the alias whose member it is, bare; or absent */
	bool never;		       /* no report is wanted of a failure */
	size_t at;		       /* of these three, one behind another */
};

/* Zero-initialise; used again for one message after another. */
struct audit_recipients {
	struct audit_recipient *all; /* in the order they were added, or sorted */
	size_t n, room;
	struct qf_buf text;
	bool sorted;
	/* Of audit_recipients_in(): */
	size_t found;  /* messages they are of */
	int64_t seen;  /* the last of these */
	int64_t tried; /* its last try, as it says itself; 0: none; QF_TIME_NONE: not known */
	char not [80]; /* of another one that is there: what it lacks, and how; or empty */
};

void audit_recipients_clear(struct audit_recipients *list);
void audit_recipients_release(struct audit_recipients *list);
enum qf_code audit_recipients_add(struct audit_recipients *list, struct qf_slice address,
				  struct qf_slice bare, struct qf_err *err);
/* Of a content, in the order of the file. */
enum qf_code audit_recipients_of(struct audit_recipients *list, struct store *store,
				 int64_t content, struct qf_err *err);

/* What is looked for in a snapshot. */
struct audit_wanted {
	int64_t snapshot;
	struct qf_slice id;
	int64_t message; /* as it was before: row of messages; 0: known from the log only */
	int64_t before;	 /* the snapshot of before */
	int64_t created; /* with these two alone; QF_TIME_NONE: whichever */
	struct qf_slice sender;
};
/*
 * Of all whole messages with an id in a snapshot, which sendmail goes on with: in no worse state
 * than before, with all the body it had, in a queue of the same kind or a live one. Sorted.
 */
enum qf_code audit_recipients_in(struct audit_recipients *list, struct store *store,
				 const struct audit_wanted *wanted, struct qf_err *err);
/* By address, each once. */
void audit_recipients_sort(struct audit_recipients *list);
/* Of a sorted list. */
bool audit_recipients_have(const struct audit_recipients *list, struct qf_slice bare);
/* Is there a member of this alias? */
bool audit_recipients_as(const struct audit_recipients *list, struct qf_slice bare);

#endif
