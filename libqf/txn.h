/*
 * txn - changes of messages: what the modules that carry them out share.
 *
 * txn.c       the frame: places, entries, the journal around each change
 * txn_held.c  hold, release, due: control files rewritten
 * txn_half.c  the mark of a hold or release under way
 * txn_edit.c  edit, and what takes it back
 * txn_trash.c remove, and back from the trash
 * txn_away.c  remove, and back, with a trash elsewhere
 * txn_purge.c purge
 * txn_files.c the files of a message; folders of our own
 * txn_tidy.c  what interrupted changes left; expiry of the trash
 * txn_drive.c deliver, bounce: a message handed to sendmail itself
 * txn_hand.c  resubmit: a message handed to another server by who called
 * txn_fix*.c  findings of qf orphans dealt with (txn_fix.h)
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
	int64_t started;         /* by the real clock, whatever options.now says */
	int away;                /* the trash of --trash, or -1 */
	int found;               /* the folder of --lost-found, or -1 */
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
	struct qf_slice gone; /* recipients that it takes out, a line each */
	const char *added;
	/* Of a fix: its name in the journal, the harm that taking it back would do, and the name the control
	   file gets. NULL for what there is none of. */
	const char *command, *harm, *became;
	struct qf_err err;
};

/* Set the outcome and return false, so that a step can end with it. */
bool qf_work_end(struct qf_work *work, enum qf_result result, const char *why, ...)
	__attribute__((format(printf, 3, 4)));
/* The same from work->err. */
bool qf_work_fail(struct qf_work *work, enum qf_code code);
/* Lock the message and read it again. False: the outcome says why; qf_work_finish() in any case. */
bool qf_work_start(struct qf_work *work, struct qf_txn *txn, const struct qf_msg *msg,
		   const struct qf_change *change, struct qf_outcome *outcome);
/* The message again, from the descriptor that is locked: what was scanned before is history. */
bool qf_work_read(struct qf_work *work);
/* Intent into the journal. Nothing in the queue may be changed before it returns true. */
bool qf_work_begin(struct qf_work *work);
/* A name for an entry of the journal. */
void qf_txn_name_entry(struct qf_txn *txn, char entry[QF_ENTRY_MAX]);

/* The steps of each kind; true when done. */
bool qf_txn_hold(struct qf_work *work);
bool qf_txn_release(struct qf_work *work);
bool qf_txn_due(struct qf_work *work);
bool qf_txn_last_try(struct qf_work *work);
bool qf_txn_remove(struct qf_work *work);
bool qf_txn_purge(struct qf_work *work);
/* Into a trash elsewhere, and back; it has to be open. */
bool qf_txn_remove_away(struct qf_work *work);
bool qf_txn_restore_away(struct qf_work *work, const char *entry, const char *trash);
/* A folder elsewhere, for --trash or --lost-found. QF_OK; QF_E_DENIED, QF_E_SYS: not there, not ours to
   write, or for others to write. */
enum qf_code qf_away_open(struct qf_txn *txn, const char *path, int *fd, struct qf_err *err);
bool qf_txn_edit(struct qf_work *work);
bool qf_txn_put_back(struct qf_work *work);
/* The control file as work->change->edit and the marks of its recipients (qf_edit_plan()) make it. False
   where nothing is different. */
bool qf_edit_rewrite(const struct qf_work *work, const char *marks, struct qf_buf *out);
/* Back from the trash; work has neither a name nor a lock yet. */
bool qf_txn_restore(struct qf_work *work, const char *entry);

/* Longest name of a file in .qf/stage with its NUL: an entry, a mark, a name. */
#define QF_STAGED_MAX (QF_ENTRY_MAX + QF_NAME_MAX + 1)

/* Before the first step of a hold or release; false: nothing may be begun. And when all is done. */
bool qf_half_mark(struct qf_work *work);
void qf_half_clear(struct qf_work *work);
bool qf_half_is_mark(const char *staged);
/* Complete what the mark tells of; true when it may go: nobody is at it, nothing is half done. */
bool qf_half_finish(struct qf_txn *txn, size_t dir, const char *staged);

/* All of one open file to another, with its owner and mode; synced, and read again. name is for
   complaints. And the same to a new file in a folder. */
bool qf_work_copy(struct qf_work *work, int from, int to, const char *name);
bool qf_work_copy_to(struct qf_work *work, int from, int folder, const char *name);
/* The name that work->name has becomes another one, which nothing may have; synced. */
bool qf_work_rename(struct qf_work *work, const char *name);
/* Put a new version in place of the control file, which is locked: owner and mode as before, synced,
   locked before it has the name. From then on the lock is on it. */
bool qf_work_replace(struct qf_work *work, const char *name, const struct qf_buf *bytes);
/* The same where no file may have the name yet. */
bool qf_work_arrive(struct qf_work *work, const char *name, const struct qf_buf *bytes);
/* An empty file in .qf/stage, locked, so that nobody takes it for one that was left. */
bool qf_work_stage_new(struct qf_work *work, const char *name, int *fd, struct stat *st);
/* Out of the queue, for good: what a purge does once its intent is in the journal. */
bool qf_work_destroy(struct qf_work *work);
/* Whole enough to be rewritten: what sendmail does not read to its end is not ours to guess. */
bool qf_work_is_sound(struct qf_work *work);

/* Is there a control file of this id with the other prefix ("hf")? Then something is wrong that a
   change makes worse. */
bool qf_work_is_alone(struct qf_work *work, const char *prefix);
/* No tf that was written after its control file: one tells who was served since, and is told from a
   leftover by its age, which a change of the control file, or its leaving, would end. */
bool qf_work_is_settled(struct qf_work *work);

/* The index of its directory. */
size_t qf_work_dir(const struct qf_work *work);
/* The outcome from errno: "NAME: doing: why". Returns false. */
bool qf_work_fail_here(struct qf_work *work, const char *doing);
/* Another control file of the same id needs the data file as well. */
bool qf_work_is_only_one(struct qf_work *work);
/* A link would be moved, or removed, in place of what it leads to. */
bool qf_work_data_is_plain(struct qf_work *work);

/* ------------------------------------------------------------------ files of a message (txn_files.c) */

enum qf_where { QF_IN_DATA, QF_IN_TRANSCRIPT, QF_IN_CONTROL };
/* The directory of such files of a message; data_dir is that of its d line. -1: none of the queue's. */
int qf_satellite_dir(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, enum qf_where where);
/* What bears the id beside the control file, moved to a folder or unlinked, and that synced. 0, or -1
   and errno. */
int qf_satellites_move(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, const char *id,
		       int to);
int qf_satellites_remove(struct qf_txn *txn, size_t dir, struct qf_slice data_dir, const char *id);
/* One file, if it is there. 0, or -1 and errno. */
int qf_move_if_there(struct qf_io *io, int from, const char *name, int to);
/* Has the queue got a control file of this id? */
bool qf_id_in_queue(struct qf_io *io, const struct qf_dir *dir, const char *id);

/* What of a message lies in a folder: the name of its control file. */
struct qf_contents {
	char control[QF_NAME_MAX];
	size_t names;
	bool data; /* a data file */
};
/* Call for each name in a folder but . and ..; qf_note_content() fills a struct qf_contents. */
enum qf_code qf_each_name(struct qf_io *io, int folder, bool (*take)(void *ctx, const char *name),
			  void *ctx, struct qf_err *err);
bool qf_note_content(void *ctx, const char *name);
/* With all that is in it. What fails is done by the next change. */
void qf_remove_folder(struct qf_io *io, int parent, int fd, const char *name);
/* A control file in a folder of ours; NULL where it cannot be read. */
struct qf_msg *qf_read_control(struct qf_io *io, int folder, const char *name);

/* Of an entry of the trash that is not finished. */
#define QF_PART ".part"

/* Is a staged file a control file that is being purged; and step 2 of that purge. */
bool qf_purge_is_staged(const char *staged);
bool qf_purge_finish(struct qf_txn *txn, size_t dir, const char *staged);

/* Result into the journal, lock given up. */
void qf_work_finish(struct qf_work *work);

/* Finish removals that were interrupted, take away staged files nobody works on, expire. */
enum qf_code qf_txn_tidy(struct qf_txn *txn, size_t dir, struct qf_err *err);
/* Take what is too old out of the trash elsewhere. */
void qf_txn_expire_away(struct qf_txn *txn);

#endif
