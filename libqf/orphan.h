/*
 * orphan - why a file belongs to no whole message, and what that means.
 *
 * orphan.c       the causes, their rules, and the judgement: no file system in it
 * orphan_find.c  the two looks, and the totals
 * orphan_again.c the second look at the files of one id
 * orphan_set.c   they become findings, each with its facts
 * orphan_tell.c  a finding in full
 * orphan_home.c  what lies under .qf/
 * orphan_seen.c  which directories were not looked at
 * orphan_log.c   what mail logs say of the ids
 *
 * A new cause is a row of QF_CAUSES, its rules in orphan.c, and the place in orphan_set.c that
 * finds it.
 */
#ifndef QF_LIBQF_ORPHAN_H
#define QF_LIBQF_ORPHAN_H

#include <pthread.h>

#include "arena.h"
#include "fate.h"
#include "pair.h"
#include "qf.h"

/* All that the judgement goes by. Zero is the careful answer for each of them. */
struct qf_orphan_facts {
	enum qf_cause cause;
	enum qf_kind kind;        /* of its control file */
	bool body;                /* its data file is there */
	bool changed;             /* between the two looks; another file of the id came up */
	enum qf_tri locked;       /* the file that the matter is about, or its control file */
	int64_t age, grace;
	bool finished;            /* a log: delivered or returned to all */
	bool envelope;            /* a log: sender and recipients */
	bool safe;                /* SuperSafe: nothing is acknowledged before both files are there */
	bool restored;            /* copied here from elsewhere: halves may have been left behind */
	const char *unseen;       /* why the other half may be where nobody looked, or NULL */
	bool cut_in_headers;      /* sender and recipients are complete */
	bool refused;             /* does not parse: sendmail would not take it */
	bool apart;               /* its body lies in another directory than the one it names */
	bool placeholder;         /* its body is the one that sendmail makes for a missing one */
	bool complete, newer;     /* of a tf */
	bool different;           /* two control files of one id are two messages */
	bool stray;               /* lies where sendmail does not look for it */
	bool data_unknown;        /* its d line names no directory of the queue that is known */
};

struct qf_orphan_judgement {
	enum qf_verdict verdict;
	unsigned fix;             /* QF_FIX_* */
	const char *why;
};

/* A lock that cannot be seen is taken for one this long after the last change. */
#define QF_ORPHAN_BLIND 120

void qf_orphan_judge(const struct qf_orphan_facts *facts, struct qf_orphan_judgement *out);

/* ---------------------------------------------------------------- finding */

/* A file of a candidate as it was at the first look. */
struct qf_seen {
	uint32_t file;            /* in pairs->files */
	bool there;
	bool taken;               /* one of several names of a control file; told with the first */
	uint32_t links_at, links_n; /* the names of a control file that has several, in links */
	struct stat st;
};

/* The files of one id. */
struct qf_candidate {
	uint32_t head;
	uint32_t first, n;        /* in seen */
};

/* One name of a control file that has several. */
struct qf_link {
	uint64_t device, inode;
	uint32_t candidate, seen;
};

struct qf_orphans {
	struct qf_queue *queue;
	struct qf_orphans_options options;
	struct qf_pairs *pairs;
	struct qf_locks *locks;
	struct qf_candidate *candidates;
	size_t ncandidates, candidates_cap;
	struct qf_seen *seen;
	size_t nseen, seen_cap;
	struct qf_logged **fates;   /* of candidates that logs say something of; NULL without logs */
	struct qf_orphans_log log;
	struct qf_link *links;
	size_t nlinks, links_cap;
	/* Inodes of data files with several links that belong to messages, sorted. */
	struct qf_body { uint64_t device, inode; } *bodies;
	size_t nbodies, bodies_cap;
	char **busy_ids;          /* of changes of ours that are not finished; their files are theirs */
	size_t nbusy_ids, busy_ids_cap;
	struct qf_err *troubles;
	size_t ntroubles;
	char *unseen;
	pthread_mutex_t mutex;    /* from here on */
	struct qf_arena arena;
	struct qf_orphan *found;
	size_t nfound, found_cap;
	struct qf_orphans_total total;
	bool nomem;
};

/* Room for one more; false when memory is out. */
bool qf_orphan_room(void **array, size_t *cap, size_t n, size_t size);
/* Text in the arena of the result; the mutex must be held. */
const char *qf_orphan_text(struct qf_orphans *orphans, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* orphan_set.c: findings of one candidate, after the second look. Any thread. */
void qf_orphan_set(struct qf_orphans *orphans, struct qf_io *io, const struct qf_candidate *set);

/* orphan_home.c: claims, leftovers; ids of changes that are under way. */
enum qf_code qf_orphan_home(struct qf_orphans *orphans, struct qf_err *err);

/* orphan_log.c: read the logs. */
enum qf_code qf_orphan_log(struct qf_orphans *orphans, struct qf_err *err);

/* orphan_seen.c: troubles and unseen. */
enum qf_code qf_orphan_seen(struct qf_orphans *orphans, struct qf_err *err);
/* Why the directory of data files (or of control files) of a queue directory is not to be believed
   in having none; NULL where it is. */
const char *qf_orphan_missing(struct qf_orphans *orphans, size_t dir, enum qf_part part);

#endif
