/*
 * journal - what was changed, when, by whom and why: an append-only log of JSON lines, one file a
 * host. Intent is on disk before the change, the result after it; a line without its other half
 * tells of an interruption.
 */
#ifndef QF_LIBQF_JOURNAL_H
#define QF_LIBQF_JOURNAL_H

#include "qf.h"
#include "sys.h"

struct qf_journal;

/* Who changes things; strings live as long as the journal. */
struct qf_actor {
	const char *user, *host, *command, *note;
};

/* What is written before a change. */
struct qf_intent {
	const char *entry;
	const char *undoes;          /* the entry that this change takes back, or NULL */
	const char *command;         /* NULL: that of the actor */
	const char *harm;            /* that taking it back would do, or NULL */
	const char *became;          /* the name that the control file gets; NULL: keeps its own */
	const struct qf_files *files; /* queue, id and name of what is changed */
	struct qf_slice was_reason;  /* for undo: quarantine reason before, or absent */
	int64_t was_last_try;        /* for undo: QF_TIME_NONE for never */
	struct qf_slice was_control; /* for undo of an edit: the whole file before, or absent */
	const char *new_digest;      /* and SHA-256 in hex of the one after, or NULL */
	struct qf_slice gone;        /* of an edit: recipients struck or replaced, a line each; or absent */
	const char *added;           /* and who stands in the place of those replaced, or NULL */
	const char *trash;           /* for undo of a removal: where, if elsewhere; or NULL */
	const char *was_perms, *new_perms; /* "UID:GID MODE", or NULL */
	int64_t now;
};

/* Open HOST.jsonl in a folder, made where it is not there. actor is kept, not copied. */
enum qf_code qf_journal_open(struct qf_io *io, int folder, const struct qf_actor *actor,
			     struct qf_journal **out, struct qf_err *err);
void qf_journal_close(struct qf_journal *journal);

/*
 * Both return when the line is on disk. Several threads may write at once: they share syncs.
 * QF_E_SYS when it could not be written; then the change must not be begun.
 */
enum qf_code qf_journal_begin(struct qf_journal *journal, const struct qf_intent *intent,
			      struct qf_err *err);
enum qf_code qf_journal_end(struct qf_journal *journal, const struct qf_outcome *outcome,
			    int64_t now, struct qf_err *err);

#endif
