/*
 * scan - what the lister, the readers and the caller of one scan share.
 *
 *	scan_list.c   names, from the directories into a ring
 *	scan_read.c   names into messages, in slots of another ring
 *	scan.c        the caller's side: slots in their order, threads started and ended
 *
 * One mutex is over all of it; it is held to move an index or to set a state, never over a system
 * call.
 */
#ifndef QF_LIBQF_SCAN_H
#define QF_LIBQF_SCAN_H

#include <pthread.h>
#include <stdatomic.h>

#include "load.h"

#define QF_SCAN_JOBS 64
/* Names claimed at once while files come from memory; one at a time while reading blocks. */
#define QF_SCAN_BATCH 16
/* Messages read ahead of the caller. */
#define QF_SCAN_WINDOW 512
/* While files come from memory: so many have to be there, or have to have gone, before the caller or
   a reader that waits is woken. Going to sleep and waking cost more than reading a few messages. */
#define QF_SCAN_WAKE (QF_SCAN_WINDOW / 2)
/* Names listed ahead of the readers. */
#define QF_SCAN_NAMES 4096

enum qf_slot_state { QF_SLOT_FREE, QF_SLOT_CLAIMED, QF_SLOT_READY, QF_SLOT_SKIPPED };

/* A control file that the listing found. */
struct qf_scan_name {
	uint64_t inode;
	uint32_t dir;
	unsigned char type;
	unsigned char length;
	char text[QF_NAME_MAX];
};

struct qf_slot {
	struct qf_msg *msg;
	struct qf_scan_name name;
	enum qf_slot_state state; /* under the mutex */
	size_t large;             /* memory of a large message, about; else 0 */
};

/* Who reads: a thread that does nothing else, or the caller while it has to wait. */
struct qf_reader {
	struct qf_scan *scan;
	struct qf_io io;
	struct qf_loader loader;
	void *worker;             /* the visitor's */
	struct qf_scan_stats seen;
	bool is_caller;
	/* The batch it has claimed. */
	uint64_t first;           /* slot */
	unsigned n;
	unsigned at;              /* the one it is at */
	unsigned published;       /* how many have their state set */
	bool large;               /* the one it is at is large */
	enum qf_slot_state done[QF_SCAN_BATCH];
};

struct qf_scan_trouble {
	struct qf_err err;
	size_t dir;
};

struct qf_scan {
	struct qf_queue *queue;
	struct qf_scan_options options;
	struct qf_io io;
	uint64_t others[QF_OP_COUNT]; /* operations of the queue's own before the scan */
	struct qf_locks *locks;
	enum qf_lock_sight *sight;
	uint64_t started;
	unsigned most;          /* reads in flight, whatever is asked for */

	pthread_mutex_t mutex;
	pthread_cond_t work;    /* names or free slots have come, or stop */
	pthread_cond_t listing; /* there is room for names, or stop */
	pthread_cond_t ready;   /* the slot at head became ready */
	pthread_cond_t room;    /* a large message may be read, or stop */
	unsigned nlarge;        /* large messages in the making */
	size_t large;           /* memory of those ready */
	unsigned nwaiting;      /* readers that wait for room */
	struct qf_slot slots[QF_SCAN_WINDOW];
	/* Messages that no slot has, last used on top: what is used again at once is still in the
	   processor's cache. */
	struct qf_msg *spare[QF_SCAN_WINDOW];
	size_t nspare;
	uint64_t head;          /* next to hand out */
	uint64_t tail;          /* next to claim */
	unsigned nready;        /* slots behind head that are done */
	struct qf_scan_name *names; /* a ring, between lister and readers */
	uint64_t names_head, names_tail;
	bool listed;            /* no more names will come */
	bool stop;
	bool nomem;
	bool waiting;           /* the caller waits for head */
	bool borrowed;          /* the caller has the message of slot head */
	struct qf_scan_trouble *troubles; /* room for one of each directory */
	atomic_size_t ntroubles;  /* how many the lister has written */

	pthread_t lister;
	bool lister_started;
	pthread_t threads[QF_SCAN_JOBS];
	unsigned nthreads, wanted;
	unsigned processors;
	struct qf_reader *own;  /* the caller's, once it has read */
	bool known;             /* a first message told how the file system answers */
	bool blocking;          /* reads wait for a disk or a server */
	unsigned streak;        /* batches in a row that blocked */
	struct qf_scan_stats stats;
};

/* The lister's thread; arg is the scan. */
void *qf_scan_list(void *arg);

/* A reader's thread; arg is the scan. */
void *qf_scan_read(void *arg);
/* With the mutex held: more threads, as many as wanted. Fewer than wanted are no failure. */
void qf_scan_start_readers(struct qf_scan *scan);

/* Do files come from memory, as far as is known? */
bool qf_scan_is_fast(const struct qf_scan *scan);
/*
 * What one reader needs; NULL when memory is out. qf_reader_batch(), with the mutex held: claim
 * some names, read them without it and set their states; false when there is nothing to claim.
 * qf_reader_end(), with the mutex held, adds what it counted to the scan's counts;
 * qf_reader_free(), without.
 */
struct qf_reader *qf_reader_new(struct qf_scan *scan, bool is_caller);
bool qf_reader_batch(struct qf_reader *reader);
void qf_reader_end(struct qf_reader *reader);
void qf_reader_free(struct qf_reader *reader);

#endif
