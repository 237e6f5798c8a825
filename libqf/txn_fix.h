/*
 * txn_fix - findings of qf orphans dealt with: what the modules that do it share.
 *
 * txn_fix.c          which fix, in words; the frame around one; guard
 * txn_fix_away.c     clean, rescue: files leave the queue
 * txn_fix_back.c     the way back; what was interrupted
 * txn_fix_eml.c      what a person reads of a rescued message
 * txn_fix_whole.c    recover: a control file is completed and gets the name it should have
 * txn_fix_one.c      recover: one message under two names keeps one of them
 * txn_fix_log.c      recover: a control file is written from what a mail log says
 *
 * A new fix of a cause is a row of recoveries[] in txn_fix.c, and a function.
 */
#ifndef QF_LIBQF_TXN_FIX_H
#define QF_LIBQF_TXN_FIX_H

#include "txn.h"

/* One finding under one fix. work is begun for one of the directories its files lie in. */
struct qf_fixing {
	struct qf_work work;
	const struct qf_orphan *orphan;
	const struct qf_fix *fix;
};

/* What the journal has to know of it, as long as nothing was read. */
bool qf_fix_name_it(struct qf_work *work, const char *name, const char *id);

/* Files of a finding that are locked at once. */
#define QF_FIXED_LOCKS 8

/* Is the file what it was when it was judged? The outcome says what it is now. */
bool qf_fix_as_seen(struct qf_fixing *fixing, const struct qf_orphan_file *file);
/* Take the lock of a file of the finding, and see that it is as it was. */
bool qf_fix_take(struct qf_fixing *fixing, const struct qf_orphan_file *file,
		 struct qf_taken *taken);
/* The first file of a kind; NULL for none. */
const struct qf_orphan_file *qf_fix_file(const struct qf_orphan *orphan, enum qf_kind kind);
/* The first control file, or else a tf; NULL for none. */
const struct qf_orphan_file *qf_fix_control(const struct qf_orphan *orphan);
/*
 * qf_fix_put_away - those files of the finding that lie in the directory of the work leave the
 * queue: into its trash, or (rescue) its lost+found, in a folder named as the journal entry. goes
 * of each file of the finding; NULL: all.
 */
bool qf_fix_put_away(struct qf_fixing *fixing, const bool *goes, bool rescue);
/* The way back; entry is that of the journal. */
bool qf_fix_bring_back(struct qf_work *work, const char *entry);
/* A copy of the body into lost+found, the original untouched. */
bool qf_fix_copy_aside(struct qf_fixing *fixing);
/* Rescues that were interrupted: the folder is closed, or goes where nothing was moved yet. */
void qf_fix_tidy(struct qf_txn *txn, size_t dir);

/* At the end of the name of guard's copy as long as it is being made. */
#define QF_FIX_COPY ".copy"
/* Beside the original files in a folder of lost+found, and its note. */
#define QF_FIX_EML "message.eml"
/* Write message.eml into the folder, synced. */
bool qf_fix_write_eml(struct qf_fixing *fixing, int folder);

/* The recoveries, and the way back of those that have one. */
bool qf_fix_whole(struct qf_fixing *fixing);
bool qf_fix_newer_tf(struct qf_fixing *fixing);
bool qf_fix_unsafe(struct qf_fixing *fixing);
bool qf_fix_linked(struct qf_fixing *fixing);
bool qf_fix_double(struct qf_fixing *fixing);
bool qf_fix_from_log(struct qf_fixing *fixing);
bool qf_fix_undo_recover(struct qf_work *work, const struct qf_journal_entry *entry);

#endif
