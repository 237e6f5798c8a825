/*
 * target - where messages arrive: the side of a queue that its sendmail may be running all the
 * while.
 *
 * A message is built in DIR/.qf/incoming/, under names that no sendmail reads, and gets its own
 * names by two renames: the data file first, which does nothing without a control file; then the
 * control file, which is locked by us until its directory is synced, so that sendmail does not
 * deliver what a power cut would bring back at its source. On the disk and read back it is before
 * either. Names are made of the key of the claim, so that what lies there always tells whose it is:
 *	RUN.N-qfID	the control file
 *	RUN.N-dfID	the data file (where data files lie on another file system: .RUN.N-dfID there)
 * Messages of the first lane are staged in incoming/ itself, those of lane N in incoming/N/.
 *
 * Whether a message has arrived: a mark in a manifest (manifest.h), written and synced when both
 * files are complete and on disk, says under which name it is to appear. As long as the control
 * file is in incoming/, it has not; once it is not, it has, whatever its sendmail has made of it
 * since. For one rename is both.
 */
#ifndef QF_LIBQF_TARGET_H
#define QF_LIBQF_TARGET_H

#include <pthread.h>

#include "claim.h"
#include "copy.h"
#include "qf.h"
#include "take.h"

/* In .qf/ of directories that were a target together: the identity of the one with the manifests. */
#define QF_TARGET_MAIN "main"

/* One directory of the target. */
struct qf_target_dir {
	int home;
	int manifests;           /* -1: it has none */
	int incoming[QF_LANES_MAX]; /* -1: not opened */
	unsigned kinds;          /* QF_TAKE_* */
	char identity[33];       /* in .qf/identity: 32 hex digits */
	uid_t uid;               /* of new files, as its sendmail would make them */
	gid_t gid;
	mode_t mode;
	bool gives;              /* new files have to be given to that owner */
	bool data_apart;         /* data files lie on another file system than .qf/ */
};

struct qf_target {
	struct qf_queue *queue;
	struct qf_io *io;
	struct qf_target_dir *dirs;
	size_t ndirs;
	size_t main;             /* the directory whose identity is the queue's, with the manifests */
	int manifests;           /* that one's, not to be closed */
	pthread_mutex_t mutex;   /* of what is opened in incoming/ */
	struct qf_names *names;  /* all names of queue files, for collisions; NULL: not yet asked for */
};

/*
 * qf_target_open - get ready to bring messages in: make .qf/ and its folders, and see, with a file
 * made and given away like the ones to come, that it can be done.
 * looks    only look: nothing is made or tried; where there is no .qf/ there is no identity.
 * Where a directory was a target together with others, one of those keeps the account of what was brought
 * (main); without it nobody could tell what was there before.
 * Returns  QF_OK; QF_E_NOT_FOUND, that one is not among the queue's; QF_E_DENIED (its hint names the
 *          capability that is missing), QF_E_SYS, QF_E_DATA, QF_E_NOMEM.
 */
enum qf_code qf_target_open(struct qf_queue *queue, bool looks, struct qf_target *target,
			    struct qf_err *err);
void qf_target_close(struct qf_target *target);
const char *qf_target_identity(const struct qf_target *target);
/* The folder that a lane stages in, made where it is not there. It stays the target's. From any
   thread. QF_E_NOT_FOUND without create. */
enum qf_code qf_target_incoming(struct qf_target *target, size_t dir, unsigned lane, bool create,
				int *fd, struct qf_err *err);
/* Read all names that are taken there, where that was not done yet. For one thread at a time. */
enum qf_code qf_target_names(struct qf_target *target, struct qf_err *err);
/* Of the queue that a directory is part of, as far as it was a target; false: it never was one. */
bool qf_target_identity_of(struct qf_io *io, int home, char identity[33]);
/* By its identity; SIZE_MAX. */
size_t qf_target_dir_of(const struct qf_target *target, const char *identity);

/* A message that arrives. */
struct qf_arrival {
	size_t dir;
	char key[QF_CLAIM_KEY_MAX];  /* of the claim */
	char name[QF_NAME_MAX];      /* it is to have: qfNEW */
	unsigned lane;               /* where it is staged */
	struct qf_taken control;     /* there, locked; fd -1: none */
	char sha_control[QF_SHA_TEXT], sha_data[QF_SHA_TEXT];
	int64_t control_bytes, data_bytes;
	bool data_named;             /* the data file has its name */
	bool unclaimed;              /* a copy: no lock at the source keeps other runs from it */
};

/* Where the staged files are: names in incoming/. */
#define QF_STAGED_MAX (QF_CLAIM_KEY_MAX + 2)
void qf_arrival_staged(const struct qf_arrival *arrival, char control[QF_STAGED_MAX],
		       char data[QF_STAGED_MAX]);

/* Each step: QF_OK; QF_E_BUSY (another run is at this very message), QF_E_CHANGED (the name is
   taken), QF_E_DATA (read back, it is not what was written), QF_E_DENIED, QF_E_SYS,
   QF_E_INTERRUPTED. */

/* Both files, complete, on disk but for their names, and read back. data is open at its start. */
enum qf_code qf_arrive_stage(struct qf_target *target, struct qf_arrival *arrival, int data,
			     struct qf_slice control, const volatile int *cancel,
			     struct qf_err *err);
/* What was staged before, by a run that ended: lock it, and compare it with what the mark says. */
enum qf_code qf_arrive_again(struct qf_target *target, struct qf_arrival *arrival,
			     struct qf_err *err);
/* Is the staged control file there? 1, 0, or -1 and errno. */
int qf_arrive_is_staged(struct qf_target *target, const struct qf_arrival *arrival);
/* The data file gets its name. Done already, it is no failure. */
enum qf_code qf_arrive_data(struct qf_target *target, struct qf_arrival *arrival,
			    struct qf_err *err);
/* The control file gets its name: from here on the message is there. */
enum qf_code qf_arrive_control(struct qf_target *target, struct qf_arrival *arrival,
			       struct qf_err *err);
/* Of a claim that no mark counts for: away with what an earlier run may have staged of it in other
   lanes. The claim's lock must be held. */
void qf_arrive_clear(struct qf_target *target, const struct qf_arrival *arrival);
/* Away with what is staged. Only without a mark, or after a mark that says that it is void. */
void qf_arrive_discard(struct qf_target *target, struct qf_arrival *arrival);
/* Lock given up. */
void qf_arrive_release(struct qf_target *target, struct qf_arrival *arrival);

/* Which of its directories are to be synced. */
enum qf_arrive_sync { QF_SYNC_INCOMING, QF_SYNC_DATA, QF_SYNC_CONTROL };
enum qf_code qf_arrive_sync(struct qf_target *target, struct qf_arrival *const *some, size_t n,
			    enum qf_arrive_sync which, struct qf_err *err);

#endif
