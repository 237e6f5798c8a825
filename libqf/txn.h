/*
 * txn - changes of messages: what the modules that carry them out share.
 *
 * txn.c       the frame: places, entries, the journal around each change
 * txn_held.c  hold, release, due: control files rewritten
 * txn_edit.c  edit, and what takes it back
 * txn_trash.c remove, purge; what an interrupted removal left; expiry of the trash
 */
#ifndef QF_LIBQF_TXN_H
#define QF_LIBQF_TXN_H

#include "home.h"
#include "journal.h"
#include "qf.h"
#include "take.h"

/* One queue directory, as far as changes need it; opened when the first message of it is changed. */
struct qf_place {
	int home, stage, trash;  /* folders */
	unsigned kinds;          /* QF_TAKE_* */
	struct qf_journal *journal;
	bool ready;
};

struct qf_txn {
	struct qf_queue *queue;
	struct qf_io *io;
	struct qf_txn_options options;
	struct qf_actor actor;
	char user[64], host[64];
	struct qf_place *places; /* one a directory */
	atomic_uint_fast64_t entries;
};

/* One change under way: the message is locked and read again. */
struct qf_work {
	struct qf_txn *txn;
	struct qf_place *place;
	const struct qf_dir *dir;
	struct qf_taken taken;
	struct qf_msg *msg;      /* as it is now, under the lock */
	char name[QF_NAME_MAX];  /* of the control file */
	char id[QF_NAME_MAX - 2];
	const struct qf_change *change;
	struct qf_outcome *outcome;
	/* For the journal, of an edit: the control file before, and SHA-256 in hex of the one after. */
	struct qf_slice was_control;
	const char *new_digest;
	struct qf_err err;
};

/* Set the outcome and return false, so that a step can end with it. */
bool qf_work_end(struct qf_work *work, enum qf_result result, const char *why, ...)
	__attribute__((format(printf, 3, 4)));
/* The same from work->err. */
bool qf_work_fail(struct qf_work *work, enum qf_code code);
/* The message again, from the descriptor that is locked: what was scanned before is history. */
bool qf_work_read(struct qf_work *work);
/* Intent into the journal. Nothing in the queue may be changed before it returns true. */
bool qf_work_begin(struct qf_work *work);

/* The steps of each kind; true when done. */
bool qf_txn_hold(struct qf_work *work);
bool qf_txn_release(struct qf_work *work);
bool qf_txn_due(struct qf_work *work);
bool qf_txn_last_try(struct qf_work *work);
bool qf_txn_remove(struct qf_work *work);
bool qf_txn_purge(struct qf_work *work);
bool qf_txn_edit(struct qf_work *work);
bool qf_txn_put_back(struct qf_work *work);
/* Back from the trash; work has neither a name nor a lock yet. */
bool qf_txn_restore(struct qf_work *work, const char *entry);

/* Put a new version in place of the control file, which is locked: owner and mode as before, synced,
   locked before it has the name. From then on the lock is on it. */
bool qf_work_replace(struct qf_work *work, const char *name, const struct qf_buf *bytes);
/* Whole enough to be rewritten: what sendmail does not read to its end is not ours to guess. */
bool qf_work_is_sound(struct qf_work *work);

/* Is there a control file of this id with the other prefix ("hf")? Then something is wrong that a
   change makes worse. */
bool qf_work_is_alone(struct qf_work *work, const char *prefix);

/* Result into the journal, lock given up. */
void qf_work_finish(struct qf_work *work);

/* Finish removals that were interrupted, take away staged files nobody works on, expire. */
enum qf_code qf_txn_tidy(struct qf_txn *txn, size_t dir, struct qf_err *err);

#endif
