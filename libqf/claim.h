/*
 * claim - messages taken out of a queue for good, but not yet: the protocol that salvage, export
 * and resubmit share on the side that mail leaves.
 *
 * A claim is the control file itself, renamed under sendmail's own lock from
 *	DIR/qfID                  (hf, Qf)
 * to	DIR/.qf/claims/RUN.N/qfID
 * where no sendmail reads it. Its bytes stay as they are, so that taking a claim back is a rename
 * too. Its data file stays where it is: without a control file it does nothing. So at each moment
 * sendmail sees the whole message, or none of it; never a control file without its data.
 *
 * RUN.N/run.json says who holds the claims of the folder and where they are to go (struct
 * qf_claim_run); it is on disk before the first claim. N is one number for each directory of the
 * queue and each lane of that run (a lane: one of a few batches that go side by side; the kernel
 * makes one name at a time in a folder): the name of a folder, and with it RUN.N/qfID, the key of a
 * claim, is never used twice in all the world, and what lies at a target is named by it.
 *
 * While someone works on a claim he holds the lock of the file. A claim whose lock is free is left
 * to its owner for the lease: so long after the owner last said that he is there, by touching
 * run.json (a server of a network file system that restarts may lose locks). An owner that is known
 * to have ended, a process of this boot of this host, has no lease. One that is only slow holds his
 * locks, and is never robbed. An export holds none between claiming and the end of its bundle, however
 * long its stream may stall: it keeps its claims as long as it is known to live, and renews the lease
 * while it waits.
 *
 * Order of use, for each message or for a few at once (QF_TAKEN_MAX, shared syncs):
 *	qf_claim_lock()        lock, check, read again; not yet a claim
 *	qf_claim_take()        the rename
 *	qf_claims_sync()       from here on a power cut leaves it claimed
 *	... the message is brought to where it goes, and that is on disk ...
 *	qf_claim_drop_data(), qf_claims_sync_data()
 *	qf_claim_drop(), qf_claims_sync_folders()
 *	qf_claim_release()
 * or, as long as the message is not yet there:
 *	qf_claim_undo(), qf_claims_sync(), qf_claim_release()
 * The data file goes before the claim: as long as anything is there that tells of the message, the
 * claim does. Killed anywhere, the claim is there, or it is done with; whether the message has
 * reached its target, the target has to tell (manifest.h), never the claim.
 * Different claims may be worked on by different threads at once.
 */
#ifndef QF_LIBQF_CLAIM_H
#define QF_LIBQF_CLAIM_H

#include <pthread.h>

#include "qf.h"
#include "sys.h"
#include "take.h"

/* "20261126T081500Z-host-0123456789abcdef", with its NUL. */
#define QF_RUN_MAX 64
/* RUN.N, with its NUL. */
#define QF_CLAIM_FOLDER_MAX (QF_RUN_MAX + 8)
/* RUN.N/qfID, with its NUL. */
#define QF_CLAIM_KEY_MAX (QF_CLAIM_FOLDER_MAX + QF_NAME_MAX)
/* Batches side by side, with folders of their own. */
#define QF_LANES_MAX 8
/* Seconds: a lease is renewed more often. Where there are no locks to tell, no shorter one counts. */
#define QF_LEASE_LEAST 15
/* What a target is known by, with its NUL: 32 hex digits of a queue (target.h), or any word that
   no queue is called ("archive:..."). */
#define QF_TARGET_ID_MAX 64

/* Who holds claims, and for what. */
struct qf_claim_run {
	char run[QF_RUN_MAX];
	char target[QF_TARGET_ID_MAX];
	char target_path[512]; /* for people: where that was */
	char command[32];      /* "run", "export" */
	char how[128];         /* words for who takes a claim over: what was asked for */
	char host[65];
	char boot[40];         /* /proc/sys/kernel/random/boot_id; "" where it cannot be read */
	char pid_space[40];    /* "pid:[4026531836]" */
	long pid;
	char started[24];      /* of the process, in ticks since boot: pids come again */
};

/* A name for a run of its own: time, host, random. False without randomness. */
bool qf_claim_name_run(int64_t now, char run[QF_RUN_MAX]);

/* One queue, as one that claims sees it. */
struct qf_claims;

/*
 * qf_claims_open - get ready to claim messages of a queue: make .qf/claims/ in each directory, try
 * which locks exclude sendmail's. Folders of the run are made when the first claim needs them.
 * run      copied; its host and process are filled in here.
 * looks    nothing is made, tried or locked: for qf_claim_look(), qf_claims_list().
 * Returns  QF_OK; QF_E_DENIED, QF_E_SYS, QF_E_DATA, QF_E_NOMEM.
 */
enum qf_code qf_claims_open(struct qf_queue *queue, const struct qf_claim_run *run, bool looks,
			    struct qf_claims **out, struct qf_err *err);
/* Takes away the run's own folders where they are empty. */
void qf_claims_close(struct qf_claims *claims);
/* Say that this run is still at work. Call it now and then, more often than the lease is long. */
void qf_claims_renew(struct qf_claims *claims);

/* A control file that is locked, and, once taken, claimed. */
struct qf_claim {
	size_t dir;                       /* of the queue */
	unsigned lane;                    /* below QF_LANES_MAX; for qf_claim_take(), set by the caller */
	char name[QF_NAME_MAX];           /* qfID */
	char folder[QF_CLAIM_FOLDER_MAX]; /* RUN.N; empty: not claimed */
	int folder_fd;                    /* of the claims', not to be closed */
	struct qf_taken taken;
	struct qf_msg *msg;               /* as it is under the lock; headers are not parsed */
	int data_dir;                     /* index of the directory that holds the data file, or -1 */
};

/*
 * qf_claim_lock - lock the control file of that name, and read it.
 * Returns  QF_OK, to be ended with qf_claim_release(); as qf_take(); QF_E_NOMEM, QF_E_SYS.
 */
enum qf_code qf_claim_lock(struct qf_claims *claims, size_t dir, const char *name,
			   struct qf_claim *claim, struct qf_err *err);
/*
 * qf_claim_look - the same without a lock, which a source that is only to be read does not grant:
 * for a copy. Whether somebody else has one, the caller asks (locks.h).
 */
enum qf_code qf_claim_look(struct qf_claims *claims, size_t dir, const char *name,
			   struct qf_claim *claim, struct qf_err *err);
/* The rename. QF_E_CHANGED where a claim of that name is there; QF_E_DENIED, QF_E_SYS, and nothing
   is changed then. */
enum qf_code qf_claim_take(struct qf_claims *claims, struct qf_claim *claim, struct qf_err *err);
/* Back into the queue. QF_E_CHANGED where the queue has a control file of that name. */
enum qf_code qf_claim_undo(struct qf_claims *claims, struct qf_claim *claim, struct qf_err *err);
/* Open the data file for reading; -1 and errno. */
int qf_claim_open_data(struct qf_claims *claims, const struct qf_claim *claim);
/* The message has reached its target: away with its files. What is not there is no failure. */
enum qf_code qf_claim_drop_data(struct qf_claims *claims, const struct qf_claim *claim,
				struct qf_err *err);
enum qf_code qf_claim_drop(struct qf_claims *claims, struct qf_claim *claim, struct qf_err *err);
/* Lock given up, memory freed. */
void qf_claim_release(struct qf_claims *claims, struct qf_claim *claim);

/* What was done to these claims is on disk: names of control files (in the queue and in the claims'
   folders), names of data files. */
enum qf_code qf_claims_sync(struct qf_claims *claims, struct qf_claim *const *some, size_t n,
			    struct qf_err *err);
/* Only the claims' folders: after qf_claim_drop(). */
enum qf_code qf_claims_sync_folders(struct qf_claims *claims, struct qf_claim *const *some,
				    size_t n, struct qf_err *err);
enum qf_code qf_claims_sync_data(struct qf_claims *claims, struct qf_claim *const *some, size_t n,
				 struct qf_err *err);

void qf_claim_key(const struct qf_claim *claim, char key[QF_CLAIM_KEY_MAX]);

/* ---------------------------------------------------------------- claims that are there */

/* A claim found. Strings live for the call. */
struct qf_claim_found {
	size_t dir;
	const char *folder;
	const char *name;               /* NULL: a folder without claims */
	const struct qf_claim_run *run; /* NULL: run.json is missing, or not ours */
	int64_t idle;                   /* seconds since the owner last said that he is there */
	bool owner_ended, owner_lives;  /* known for sure: a process of this boot of this host */
	bool own;                       /* of this run */
};

/*
 * qf_claims_list - all claims of a queue, whoever's.
 * found    false to stop. QF_OK also where there are none.
 */
enum qf_code qf_claims_list(struct qf_claims *claims,
			    bool (*found)(void *ctx, const struct qf_claim_found *claim), void *ctx,
			    struct qf_err *err);

/* The same for a queue that nothing is to be claimed in. */
enum qf_code qf_claims_look(struct qf_queue *queue,
			    bool (*found)(void *ctx, const struct qf_claim_found *claim), void *ctx,
			    struct qf_err *err);

/*
 * qf_claim_adopt - take a claim over: lock it and read it. Whether its lease is over, and its
 * target is ours, the caller has looked at.
 * Returns  as qf_claim_lock(): QF_E_BUSY, its owner is at it; QF_E_GONE, it is done with.
 */
enum qf_code qf_claim_adopt(struct qf_claims *claims, size_t dir, const char *folder,
			    const char *name, struct qf_claim *claim, struct qf_err *err);
/* A claim of whatever run back into its queue, and that synced. As qf_claim_adopt(), qf_claim_undo(). */
enum qf_code qf_claim_put_back(struct qf_claims *claims, size_t dir, const char *folder,
			       const char *name, struct qf_err *err);
/* Take a folder of claims away if nothing but run.json is left in it. */
void qf_claims_tidy(struct qf_claims *claims, size_t dir, const char *folder);

#endif
