/*
 * scan - every message of a queue, read in parallel, handed out in order.
 *
 * One thread lists the directories, in pieces, ahead of the others (scan_list.c). Readers claim names
 * in batches, load and visit the messages, and leave each in its slot of a ring (scan_read.c);
 * qf_scan_next() takes the slots in order. So output is the same whatever the number of threads, the
 * first message is there before the last is opened, and memory does not grow with the queue.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "scan.h"

/* Where operations are limited to so many a second, one more read in flight for each of these: more
   would only wait for their turn, and be waited for when the caller has enough. */
#define OPS_PER_JOB 20

/* A thread in which no signal is handled: signals are the caller's. */
static bool
start(pthread_t *thread, void *(*run)(void *), struct qf_scan *scan)
{
	sigset_t all, before;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(thread, NULL, run, scan) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

static void
start_lister(struct qf_scan *scan)
{
	scan->lister_started = start(&scan->lister, qf_scan_list, scan);
}

void
qf_scan_start_readers(struct qf_scan *scan)
{
	while (scan->nthreads < scan->wanted &&
	       start(&scan->threads[scan->nthreads], qf_scan_read, scan))
		scan->nthreads++;
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

	return n < 1 ? 1 : n > QF_SCAN_JOBS ? QF_SCAN_JOBS : (unsigned)n;
}

/* May the caller read, too, instead of waiting? One that only waits and one more that reads would
   share the processors worse than two that read: waking, above all, would cost. */
static bool
caller_reads(const struct qf_scan *scan)
{
	unsigned most = scan->options.jobs ? scan->options.jobs : scan->processors;

	if (most > scan->most)
		most = scan->most;
	return qf_scan_is_fast(scan) && scan->nthreads < most;
}

/* How many to begin with: where answers come over a network, there is no need to find that out. */
static unsigned
first_jobs(const struct qf_scan *scan)
{
	for (size_t i = 0; i < qf_queue_ndirs(scan->queue); i++) {
		const struct qf_dir *d = qf_queue_dir(scan->queue, i);
		enum qf_fs fs = d->trouble ? QF_FS_LOCAL : qf_fs_of(d->control_fd);

		if (fs == QF_FS_NETWORK || fs == QF_FS_FUSE)
			return QF_SCAN_JOBS;
	}
	/* The caller is one of them. */
	return scan->processors > 1 ? scan->processors - 1 : 1;
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
	/* Visitors read bodies through the queue's own: that counts, and has to wait for its turn. */
	if (options->max_ops)
		qf_queue_io(queue)->max_ops = options->max_ops;
	qf_io_share(&scan->io, qf_queue_io(queue));
	for (int i = 0; i < QF_OP_COUNT; i++)
		scan->others[i] = atomic_load(&qf_queue_io(queue)->ops[i]);
	scan->started = qf_clock_ns();
	pthread_mutex_init(&scan->mutex, NULL);
	pthread_cond_init(&scan->work, NULL);
	pthread_cond_init(&scan->ready, NULL);
	pthread_cond_init(&scan->listing, NULL);
	pthread_cond_init(&scan->room, NULL);
	scan->names = malloc(QF_SCAN_NAMES * sizeof(*scan->names));
	scan->locks = qf_locks_new();
	scan->sight = qf_load_sights(queue);
	scan->troubles = calloc(qf_queue_ndirs(queue) + 1, sizeof(*scan->troubles));
	if (!scan->names || !scan->locks || !scan->sight || !scan->troubles) {
		qf_scan_free(scan);
		return qf_err_nomem(err);
	}
	scan->processors = processors();
	scan->most = QF_SCAN_JOBS;
	if (scan->io.max_ops && scan->io.max_ops / OPS_PER_JOB < QF_SCAN_JOBS)
		scan->most = 1 + scan->io.max_ops / OPS_PER_JOB;
	scan->wanted = options->jobs > 1    ? options->jobs - 1
		       : options->jobs == 1 ? 1
					    : first_jobs(scan);
	if (scan->wanted > scan->most)
		scan->wanted = scan->most;
	pthread_mutex_lock(&scan->mutex);
	start_lister(scan);
	qf_scan_start_readers(scan);
	pthread_mutex_unlock(&scan->mutex);
	/* It takes its time, while the others begin. */
	if (options->needs & QF_NEED_BUSY)
		qf_locks_look(scan->locks);
	if (scan->nthreads == 0 || !scan->lister_started) {
		qf_scan_free(scan);
		return qf_err_sys(err, EAGAIN, "scan", "cannot start a thread");
	}
	*out = scan;
	return QF_OK;
}

/* With the mutex held: give the slot that the caller had back to the readers. */
static void
give_back(struct qf_scan *scan)
{
	struct qf_slot *slot = &scan->slots[scan->head % QF_SCAN_WINDOW];

	slot->state = QF_SLOT_FREE;
	if (slot->large) {
		qf_msg_clear(slot->msg);
		scan->large -= slot->large;
		slot->large = 0;
	}
	if (slot->msg)
		scan->spare[scan->nspare++] = slot->msg;
	slot->msg = NULL;
	scan->head++;
	scan->nready--;
	if (scan->nwaiting)
		pthread_cond_broadcast(&scan->room);
	if (!qf_scan_is_fast(scan))
		pthread_cond_signal(&scan->work);
	else if (scan->tail - scan->head == QF_SCAN_WINDOW - QF_SCAN_WAKE)
		pthread_cond_broadcast(&scan->work);
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
		struct qf_slot *slot = &scan->slots[scan->head % QF_SCAN_WINDOW];

		if (scan->nomem) {
			code = qf_err_nomem(err);
			break;
		}
		if (scan->options.cancel && *scan->options.cancel) {
			code = qf_err_set(err, QF_E_INTERRUPTED, "scan", "interrupted");
			break;
		}
		if (scan->stop)
			break;
		if (scan->head < scan->tail && slot->state == QF_SLOT_SKIPPED) {
			give_back(scan);
			continue;
		}
		if (scan->head < scan->tail && slot->state == QF_SLOT_READY) {
			*msg = slot->msg;
			scan->borrowed = true;
			break;
		}
		if (scan->listed && scan->names_head == scan->names_tail &&
		    scan->head == scan->tail)
			break;
		if (caller_reads(scan)) {
			if (!scan->own)
				scan->own = qf_reader_new(scan, true);
			scan->nomem |= !scan->own;
			if (!scan->own || qf_reader_batch(scan->own))
				continue;
		}
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

/* End all readers; idempotent. */
static void
join_readers(struct qf_scan *scan)
{
	unsigned joined = 0;

	pthread_mutex_lock(&scan->mutex);
	scan->stop = true;
	pthread_cond_broadcast(&scan->work);
	pthread_cond_broadcast(&scan->listing);
	pthread_cond_broadcast(&scan->room);
	/* A reader may start others until it sees stop. */
	while (joined < scan->nthreads) {
		pthread_t thread = scan->threads[joined++];

		pthread_mutex_unlock(&scan->mutex);
		pthread_join(thread, NULL);
		pthread_mutex_lock(&scan->mutex);
	}
	if (scan->nthreads && scan->own) {
		qf_reader_end(scan->own);
		scan->stats.jobs++;
	}
	scan->nthreads = 0;
	scan->wanted = 0;
	pthread_mutex_unlock(&scan->mutex);
	if (scan->lister_started)
		pthread_join(scan->lister, NULL);
	scan->lister_started = false;
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

static uint64_t
operations(struct qf_scan *scan, enum qf_op op)
{
	return atomic_load(&scan->io.ops[op]) + atomic_load(&qf_queue_io(scan->queue)->ops[op]) -
	       scan->others[op];
}

void
qf_scan_stats(struct qf_scan *scan, struct qf_scan_stats *stats)
{
	/* At the end the readers have nothing left to do but to add their counts. */
	join_readers(scan);
	*stats = scan->stats;
	stats->opens = operations(scan, QF_OP_OPEN);
	stats->reads = operations(scan, QF_OP_READ);
	stats->stats = operations(scan, QF_OP_STAT);
	stats->locks = operations(scan, QF_OP_LOCK);
	stats->listings = operations(scan, QF_OP_LIST);
	stats->operations = stats->opens + stats->reads + stats->stats + stats->locks +
			    stats->listings;
	stats->seconds = (double)(qf_clock_ns() - scan->started) / 1e9;
}

void
qf_scan_free(struct qf_scan *scan)
{
	if (!scan)
		return;
	join_readers(scan);
	qf_reader_free(scan->own);
	for (size_t i = 0; i < QF_SCAN_WINDOW; i++)
		qf_msg_free(scan->slots[i].msg);
	while (scan->nspare)
		qf_msg_free(scan->spare[--scan->nspare]);
	qf_locks_free(scan->locks);
	pthread_cond_destroy(&scan->ready);
	pthread_cond_destroy(&scan->work);
	pthread_cond_destroy(&scan->listing);
	pthread_cond_destroy(&scan->room);
	pthread_mutex_destroy(&scan->mutex);
	free(scan->troubles);
	free(scan->sight);
	free(scan->names);
	free(scan);
}
