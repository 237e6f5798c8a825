/*
 * scan - every message of a queue, read in parallel, handed out in order.
 *
 * Names come from the directories in pieces. Worker threads claim them in small batches, load
 * and visit the messages, and leave each in its slot of a ring; qf_scan_next() takes the slots
 * in order. So output is the same whatever the number of threads, the first message is there
 * before the last is opened, and memory does not grow with the queue.
 *
 * How many threads: as many as there are processors while files come from memory; where reading
 * blocks (a disk, NFS), more, by how long it takes. Blocking is told from voluntary context
 * switches of the thread, which a busy machine does not cause, and not from time alone.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "err.h"
#include "layout.h"
#include "load.h"
#include "sys.h"

#define JOBS_MAX 64
/* Names claimed at once while files come from memory; one at a time while reading blocks. */
#define BATCH 16
/* Messages read ahead of the caller. */
#define WINDOW 256
#define LIST_SIZE ((size_t)65536)
/* One more read in flight for each of these spent on a message that blocked. */
#define NS_PER_JOB 15000u

/* As getdents64() lays them out. */
struct entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_READY, SLOT_SKIPPED };

struct slot {
	struct qf_msg *msg;
	char name[QF_NAME_MAX];
	unsigned char length;
	unsigned char type;
	uint64_t inode;
	size_t dir;
	enum slot_state state; /* under the mutex */
};

struct trouble {
	struct qf_err err;
	size_t dir;
};

struct qf_scan {
	struct qf_queue *queue;
	struct qf_scan_options options;
	struct qf_io io;
	struct qf_locks *locks;
	bool *sees_flock;
	uint64_t started;

	pthread_mutex_t mutex;
	pthread_cond_t work;    /* a slot became free, or stop */
	pthread_cond_t ready;   /* the slot at head became ready */
	struct slot slots[WINDOW];
	uint64_t head;          /* next to hand out */
	uint64_t tail;          /* next to claim */
	bool listed;            /* no names are left */
	bool stop;
	enum qf_code failed;    /* QF_E_NOMEM */
	bool waiting;           /* the caller waits for head */
	bool borrowed;          /* the caller has the message of slot head - 1 */

	/* The listing, under the mutex. */
	size_t dir;
	char *list;
	size_t list_at, list_n;
	bool rewound;
	struct trouble *troubles;
	size_t ntroubles;

	pthread_t threads[JOBS_MAX];
	unsigned nthreads, wanted;
	unsigned processors;
	bool known;             /* a first message told how the file system answers */
	bool blocking;          /* the last batch blocked on the file system */
	struct qf_scan_stats stats;
};

/* ------------------------------------------------------------------ the listing */

static void
add_trouble(struct qf_scan *scan, size_t dir, const struct qf_err *err)
{
	struct trouble *more =
		realloc(scan->troubles, (scan->ntroubles + 1) * sizeof(*scan->troubles));

	if (!more) {
		scan->failed = QF_E_NOMEM;
		return;
	}
	scan->troubles = more;
	scan->troubles[scan->ntroubles].err = *err;
	scan->troubles[scan->ntroubles++].dir = dir;
}

/* More entries of the current directory into list. False at its end. */
static bool
list_more(struct qf_scan *scan)
{
	const struct qf_dir *d = qf_queue_dir(scan->queue, scan->dir);
	struct qf_err err;
	ssize_t n;

	if (d->trouble) {
		add_trouble(scan, scan->dir, &d->err);
		return false;
	}
	/* The descriptor is the queue's and has been read before. */
	if (!scan->rewound)
		lseek(d->control_fd, 0, SEEK_SET);
	scan->rewound = true;
	n = qf_io_list(&scan->io, d->control_fd, scan->list, LIST_SIZE);
	if (n < 0) {
		qf_err_sys(&err, errno, d->path, "cannot list");
		add_trouble(scan, scan->dir, &err);
	}
	scan->list_at = 0;
	scan->list_n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* The next directory entry, or NULL at the end of the last directory. */
static const struct entry *
next_entry(struct qf_scan *scan)
{
	const struct entry *entry;

	while (scan->list_at == scan->list_n) {
		if (scan->dir == qf_queue_ndirs(scan->queue))
			return NULL;
		if (!list_more(scan)) {
			scan->dir++;
			scan->rewound = false;
			scan->list_at = scan->list_n = 0;
		}
	}
	entry = (const struct entry *)(const void *)(scan->list + scan->list_at);
	scan->list_at += entry->length;
	return entry;
}

/* Is it a control file of the kinds asked for? Others are counted. */
static bool
wanted(struct qf_scan *scan, const char *name, size_t n)
{
	enum qf_kind kind = qf_name_kind(name, n);

	if (kind == QF_KIND_OTHER) {
		if (strcmp(name, ".") && strcmp(name, ".."))
			scan->stats.ignored++;
		return false;
	}
	if (!qf_kind_is_control(kind))
		return false;
	if (n >= QF_NAME_MAX) {
		scan->stats.too_long++;
		return false;
	}
	return scan->options.kinds & (1u << kind);
}

/* With the mutex held: fill up to most slots behind tail with names. Returns how many. */
static unsigned
claim(struct qf_scan *scan, unsigned most)
{
	unsigned n = 0;

	/* Small batches at the edge of a full window would cost more than they read. */
	if (scan->tail - scan->head + most > WINDOW - 1)
		return 0;
	while (n < most && !scan->listed) {
		const struct entry *entry = next_entry(scan);
		struct slot *slot = &scan->slots[scan->tail % WINDOW];
		size_t length;

		if (!entry) {
			scan->listed = true;
			break;
		}
		length = strlen(entry->name);
		if (!wanted(scan, entry->name, length))
			continue;
		memcpy(slot->name, entry->name, length + 1);
		slot->length = (unsigned char)length;
		slot->type = entry->type;
		slot->inode = entry->inode;
		slot->dir = scan->dir;
		slot->state = SLOT_CLAIMED;
		scan->tail++;
		n++;
	}
	return n;
}

/* ------------------------------------------------------------------ workers */

/* Load and visit one message. The slot is this thread's until its state is set. */
static enum slot_state
process(struct qf_scan *scan, struct qf_loader *loader, void *worker, struct slot *slot,
	struct qf_scan_stats *seen)
{
	enum qf_code code;

	if (!slot->msg)
		slot->msg = qf_msg_new();
	if (!slot->msg)
		goto nomem;
	qf_msg_clear(slot->msg);
	code = qf_load(loader, slot->dir, slot->name, slot->length, slot->type, slot->inode,
		       slot->msg, NULL);
	if (code == QF_E_GONE) {
		seen->gone++;
		return SLOT_SKIPPED;
	}
	if (code)
		goto nomem;
	seen->messages++;
	for (size_t i = 0; i < slot->msg->ndiagnostics; i++)
		if (slot->msg->diagnostics[i].finding == QF_F_UNREADABLE)
			seen->unreadable++;
	if (!scan->options.visit)
		return SLOT_READY;
	if (!scan->options.visit(worker, slot->msg, &slot->msg->text))
		return SLOT_SKIPPED;
	if (!slot->msg->text.failed)
		return SLOT_READY;
nomem:
	pthread_mutex_lock(&scan->mutex);
	scan->failed = QF_E_NOMEM;
	pthread_mutex_unlock(&scan->mutex);
	return SLOT_SKIPPED;
}

static long
blocked_so_far(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

static void start_workers(struct qf_scan *scan);

/* With the mutex held: what the last batch says about how many reads should be in flight. */
static void
adapt(struct qf_scan *scan, unsigned n, long blocked, uint64_t ns)
{
	uint64_t jobs;

	scan->known = true;
	scan->blocking = blocked >= (long)n;
	if (scan->options.jobs || !scan->blocking)
		return;
	jobs = scan->processors + ns / n / NS_PER_JOB;
	if (jobs > JOBS_MAX)
		jobs = JOBS_MAX;
	if (jobs > scan->wanted)
		scan->wanted = (unsigned)jobs;
	start_workers(scan);
}

static void *
work(void *arg)
{
	struct qf_scan *scan = arg;
	struct qf_loader loader = {
		.queue = scan->queue,
		.io = &scan->io,
		.locks = scan->options.needs & QF_NEED_BUSY ? scan->locks : NULL,
		.sees_flock = scan->sees_flock,
		.needs = scan->options.needs,
		.scratch = malloc(QF_READ_SIZE),
		.noatime = true,
	};
	void *worker = scan->options.worker_begin ? scan->options.worker_begin(scan->options.ctx)
						  : NULL;
	struct qf_scan_stats seen = {0};

	pthread_mutex_lock(&scan->mutex);
	if (!loader.scratch)
		scan->failed = QF_E_NOMEM;
	while (!scan->stop && !scan->failed) {
		uint64_t first = scan->tail;
		unsigned n = claim(scan, scan->known && !scan->blocking ? BATCH : 1);
		enum slot_state done[BATCH];
		uint64_t before;
		long blocked;

		if (n == 0) {
			if (scan->listed)
				break;
			pthread_cond_wait(&scan->work, &scan->mutex);
			continue;
		}
		pthread_mutex_unlock(&scan->mutex);
		before = qf_clock_ns();
		blocked = blocked_so_far();
		for (unsigned i = 0; i < n; i++)
			done[i] = process(scan, &loader, worker,
					  &scan->slots[(first + i) % WINDOW], &seen);
		blocked = blocked_so_far() - blocked;
		before = qf_clock_ns() - before;
		pthread_mutex_lock(&scan->mutex);
		for (unsigned i = 0; i < n; i++)
			scan->slots[(first + i) % WINDOW].state = done[i];
		adapt(scan, n, blocked, before);
		if (scan->waiting && scan->head >= first && scan->head < first + n)
			pthread_cond_signal(&scan->ready);
	}
	scan->stats.messages += seen.messages;
	scan->stats.gone += seen.gone;
	scan->stats.unreadable += seen.unreadable;
	pthread_cond_signal(&scan->ready);
	pthread_cond_broadcast(&scan->work);
	pthread_mutex_unlock(&scan->mutex);
	if (scan->options.worker_end)
		scan->options.worker_end(worker);
	free(loader.scratch);
	return NULL;
}

/* With the mutex held: as many threads as wanted. Fewer than wanted are no failure. */
static void
start_workers(struct qf_scan *scan)
{
	sigset_t all, before;

	if (scan->nthreads == scan->wanted)
		return;
	/* Signals are the caller's: its handlers run in its own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (scan->nthreads < scan->wanted &&
	       pthread_create(&scan->threads[scan->nthreads], NULL, work, scan) == 0)
		scan->nthreads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (scan->nthreads < scan->wanted)
		scan->wanted = scan->nthreads;
	if (scan->stats.jobs < scan->nthreads)
		scan->stats.jobs = scan->nthreads;
}

static unsigned
processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < 1 ? 1 : n > JOBS_MAX ? JOBS_MAX : (unsigned)n;
}

/* ------------------------------------------------------------------ the caller's side */

static bool *
flocks_seen(struct qf_queue *queue)
{
	size_t n = qf_queue_ndirs(queue);
	bool *sees = calloc(n ? n : 1, sizeof(*sees));

	for (size_t i = 0; sees && i < n; i++)
		if (!qf_queue_dir(queue, i)->trouble)
			sees[i] = qf_locks_sees_flock(qf_queue_dir(queue, i)->control_fd);
	return sees;
}

enum qf_code
qf_scan_new(struct qf_queue *queue, const struct qf_scan_options *options, struct qf_scan **out,
	    struct qf_err *err)
{
	struct qf_scan *scan = calloc(1, sizeof(*scan));

	if (!scan)
		return qf_err_nomem(err);
	scan->queue = queue;
	scan->options = *options;
	if (!scan->options.kinds)
		scan->options.kinds =
			1u << QF_KIND_QUEUED | 1u << QF_KIND_HELD | 1u << QF_KIND_LOST;
	qf_io_init(&scan->io, NULL, options->max_ops);
	scan->started = qf_clock_ns();
	pthread_mutex_init(&scan->mutex, NULL);
	pthread_cond_init(&scan->work, NULL);
	pthread_cond_init(&scan->ready, NULL);
	scan->list = malloc(LIST_SIZE);
	scan->locks = qf_locks_new(&scan->io);
	scan->sees_flock = flocks_seen(queue);
	if (!scan->list || !scan->locks || !scan->sees_flock) {
		qf_scan_free(scan);
		return qf_err_nomem(err);
	}
	scan->processors = processors();
	scan->wanted = options->jobs ? options->jobs : scan->processors;
	if (scan->wanted > JOBS_MAX)
		scan->wanted = JOBS_MAX;
	pthread_mutex_lock(&scan->mutex);
	start_workers(scan);
	pthread_mutex_unlock(&scan->mutex);
	if (scan->nthreads == 0) {
		qf_scan_free(scan);
		return qf_err_sys(err, EAGAIN, "scan", "cannot start a thread");
	}
	*out = scan;
	return QF_OK;
}

/* With the mutex held: give the slot that the caller had back to the workers. */
static void
give_back(struct qf_scan *scan)
{
	scan->slots[scan->head % WINDOW].state = SLOT_FREE;
	scan->head++;
	/* Waking for each single slot would cost more than reading it. */
	if (scan->head % BATCH == 0 || scan->blocking)
		pthread_cond_signal(&scan->work);
}

enum qf_code
qf_scan_next(struct qf_scan *scan, struct qf_msg **msg, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	*msg = NULL;
	pthread_mutex_lock(&scan->mutex);
	if (scan->borrowed) {
		scan->borrowed = false;
		give_back(scan);
	}
	for (;;) {
		struct slot *slot = &scan->slots[scan->head % WINDOW];

		if (scan->failed) {
			code = qf_err_nomem(err);
			break;
		}
		if (scan->options.cancel && *scan->options.cancel) {
			code = qf_err_set(err, QF_E_INTERRUPTED, "scan", "interrupted");
			break;
		}
		if (scan->head < scan->tail && slot->state == SLOT_SKIPPED) {
			give_back(scan);
			continue;
		}
		if (scan->head < scan->tail && slot->state == SLOT_READY) {
			*msg = slot->msg;
			scan->borrowed = true;
			break;
		}
		if (scan->stop || (scan->listed && scan->head == scan->tail))
			break;
		scan->waiting = true;
		if (scan->options.cancel) {
			/* A signal that sets the flag does not wake us: look now and then. */
			struct timespec until;

			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 100000000;
			if (until.tv_nsec >= 1000000000) {
				until.tv_sec++;
				until.tv_nsec -= 1000000000;
			}
			pthread_cond_timedwait(&scan->ready, &scan->mutex, &until);
		} else {
			pthread_cond_wait(&scan->ready, &scan->mutex);
		}
		scan->waiting = false;
	}
	pthread_mutex_unlock(&scan->mutex);
	return code;
}

/* End all workers; idempotent. */
static void
join_workers(struct qf_scan *scan)
{
	unsigned joined = 0;

	pthread_mutex_lock(&scan->mutex);
	scan->stop = true;
	pthread_cond_broadcast(&scan->work);
	/* A worker may start others until it sees stop. */
	while (joined < scan->nthreads) {
		pthread_t thread = scan->threads[joined++];

		pthread_mutex_unlock(&scan->mutex);
		pthread_join(thread, NULL);
		pthread_mutex_lock(&scan->mutex);
	}
	scan->nthreads = 0;
	scan->wanted = 0;
	pthread_mutex_unlock(&scan->mutex);
}

size_t
qf_scan_ntroubles(const struct qf_scan *scan)
{
	return scan->ntroubles;
}

const struct qf_err *
qf_scan_trouble(const struct qf_scan *scan, size_t i, size_t *dir)
{
	if (dir)
		*dir = scan->troubles[i].dir;
	return &scan->troubles[i].err;
}

void
qf_scan_stats(struct qf_scan *scan, struct qf_scan_stats *stats)
{
	/* At the end the workers have nothing left to do but to add their counts. */
	join_workers(scan);
	*stats = scan->stats;
	stats->opens = scan->io.ops[QF_OP_OPEN];
	stats->reads = scan->io.ops[QF_OP_READ];
	stats->stats = scan->io.ops[QF_OP_STAT];
	stats->locks = scan->io.ops[QF_OP_LOCK];
	stats->listings = scan->io.ops[QF_OP_LIST];
	stats->operations = stats->opens + stats->reads + stats->stats + stats->locks +
			    stats->listings;
	stats->seconds = (double)(qf_clock_ns() - scan->started) / 1e9;
}

void
qf_scan_free(struct qf_scan *scan)
{
	if (!scan)
		return;
	join_workers(scan);
	for (size_t i = 0; i < WINDOW; i++)
		qf_msg_free(scan->slots[i].msg);
	qf_locks_free(scan->locks);
	pthread_cond_destroy(&scan->ready);
	pthread_cond_destroy(&scan->work);
	pthread_mutex_destroy(&scan->mutex);
	free(scan->troubles);
	free(scan->sees_flock);
	free(scan->list);
	free(scan);
}
