/*
 * scan - every message of a queue, read in parallel, handed out in order.
 *
 * One thread lists the directories, in pieces, ahead of the others. Worker threads claim names in
 * batches, load and visit the messages, and leave each in its slot of a ring; qf_scan_next()
 * takes the slots in order. So output is the same whatever the number of threads, the first
 * message is there before the last is opened, and memory does not grow with the queue.
 *
 * Large control files take their turn: there is one of them in the making and a few that wait to be
 * handed out, whatever the number of threads. The one that the caller waits for never has to wait.
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
#include "list.h"
#include "load.h"
#include "sys.h"

#define JOBS_MAX 64
/* Names claimed at once while files come from memory; one at a time while reading blocks. */
#define BATCH 16
/* Messages read ahead of the caller. */
#define WINDOW 512
/* Names listed ahead of the readers. */
#define NAMES 4096
/* One more read in flight for each of these spent on a message that blocked. */
#define NS_PER_JOB 15000u
/* Less than this for a message is no waiting for a disk or a server. */
#define NS_BLOCKING 50000u
/* So many batches in a row have to block before there are more threads. */
#define STREAK 3
/* Where operations are limited to so many a second, one more read in flight for each of these: more
   would only wait for their turn, and be waited for when the caller has enough. */
#define OPS_PER_JOB 20
/* Memory of large messages that were read ahead; beyond it no other is read. */
#define LARGE_MOST ((size_t)64 << 20)

enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_READY, SLOT_SKIPPED };

/* A control file that the listing found. */
struct name {
	uint64_t inode;
	uint32_t dir;
	unsigned char type;
	unsigned char length;
	char text[QF_NAME_MAX];
};

struct slot {
	struct qf_msg *msg;
	struct name name;
	enum slot_state state; /* under the mutex */
	size_t large;          /* memory of a large message, about; else 0 */
};

/* What a worker has claimed. */
struct batch {
	struct qf_scan *scan;
	uint64_t first;        /* slot */
	unsigned n;
	unsigned at;           /* the one it is at */
	unsigned published;    /* how many have their state set */
	bool large;            /* the one it is at is large */
	enum slot_state done[BATCH];
};

struct trouble {
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
	unsigned nwaiting;      /* workers that wait for room */
	struct slot slots[WINDOW];
	/* Messages that no slot has, last used on top: what is used again at once is still in the
	   processor's cache. */
	struct qf_msg *spare[WINDOW];
	size_t nspare;
	uint64_t head;          /* next to hand out */
	uint64_t tail;          /* next to claim */
	struct name *names;     /* a ring, between lister and workers */
	uint64_t names_head, names_tail;
	bool listed;            /* no more names will come */
	bool stop;
	bool nomem;
	bool waiting;           /* the caller waits for head */
	bool borrowed;          /* the caller has the message of slot head */
	struct trouble *troubles; /* room for one of each directory */
	atomic_size_t ntroubles;  /* how many the lister has written */

	pthread_t lister;
	bool lister_started;
	pthread_t threads[JOBS_MAX];
	unsigned nthreads, wanted;
	unsigned processors;
	bool known;             /* a first message told how the file system answers */
	bool blocking;          /* reads wait for a disk or a server */
	unsigned streak;        /* batches in a row that blocked */
	struct qf_scan_stats stats;
};

/* ------------------------------------------------------------------ the listing */

/* The caller may be reading those that are there already. */
static void
add_trouble(struct qf_scan *scan, size_t dir, const struct qf_err *err)
{
	scan->troubles[scan->ntroubles] = (struct trouble){.err = *err, .dir = dir};
	scan->ntroubles++;
}

/* Is it a control file of the kinds asked for? Others are counted. */
static bool
wanted(struct qf_scan *scan, const char *name, size_t n)
{
	enum qf_kind kind = qf_name_kind(name, n);

	if (kind == QF_KIND_OTHER) {
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

/* Pass names on to the workers. False when the scan is to end. */
static bool
pass_on(struct qf_scan *scan, const struct name *names, size_t n)
{
	bool go_on;

	pthread_mutex_lock(&scan->mutex);
	for (size_t i = 0; i < n && !scan->stop;) {
		if (scan->names_tail - scan->names_head == NAMES) {
			pthread_cond_broadcast(&scan->work);
			pthread_cond_wait(&scan->listing, &scan->mutex);
			continue;
		}
		scan->names[scan->names_tail++ % NAMES] = names[i++];
	}
	if (n)
		pthread_cond_broadcast(&scan->work);
	go_on = !scan->stop;
	pthread_mutex_unlock(&scan->mutex);
	return go_on;
}

/* The entries of one piece of a listing. False when the scan is to end. */
static bool
take_piece(struct qf_scan *scan, struct qf_list *list, size_t dir)
{
	struct name names[256];
	const struct qf_sys_entry *entry;
	size_t found = 0;

	while ((entry = qf_list_in_piece(list))) {
		size_t length = strlen(entry->name);
		struct name *name = &names[found];

		if (!wanted(scan, entry->name, length))
			continue;
		name->inode = entry->inode;
		name->dir = (uint32_t)dir;
		name->type = entry->type;
		name->length = (unsigned char)length;
		memcpy(name->text, entry->name, length + 1);
		if (++found == sizeof(names) / sizeof(*names)) {
			if (!pass_on(scan, names, found))
				return false;
			found = 0;
		}
	}
	return pass_on(scan, names, found);
}

/* All of one directory, whose descriptor is the queue's. False when the scan is to end. */
static bool
list_directory(struct qf_scan *scan, struct qf_io *io, size_t dir)
{
	const struct qf_dir *d = qf_queue_dir(scan->queue, dir);
	struct qf_list list;
	struct qf_err err;
	bool go_on = true;

	if (d->trouble) {
		add_trouble(scan, dir, &d->err);
		return true;
	}
	if (!qf_list_begin(&list, io, d->control_fd)) {
		pthread_mutex_lock(&scan->mutex);
		scan->nomem = true;
		pthread_mutex_unlock(&scan->mutex);
		return false;
	}
	while (go_on && qf_list_read(&list))
		go_on = take_piece(scan, &list, dir);
	if (list.failure) {
		qf_err_sys(&err, list.failure, d->path, "cannot list");
		add_trouble(scan, dir, &err);
	}
	qf_list_end(&list);
	return go_on;
}

static void *
list_all(void *arg)
{
	struct qf_scan *scan = arg;
	struct qf_io io;

	qf_io_share(&io, &scan->io);
	for (size_t dir = 0; dir < qf_queue_ndirs(scan->queue); dir++)
		if (!list_directory(scan, &io, dir))
			break;
	qf_io_add(&scan->io, &io);
	pthread_mutex_lock(&scan->mutex);
	scan->listed = true;
	pthread_cond_broadcast(&scan->work);
	pthread_cond_signal(&scan->ready);
	pthread_mutex_unlock(&scan->mutex);
	return NULL;
}

/* With the mutex held: fill up to most slots behind tail with names. Returns how many. */
static unsigned
claim(struct qf_scan *scan, unsigned most)
{
	unsigned n = 0;

	/* Small batches at the edge of a full window would cost more than they read. */
	if (scan->tail - scan->head + most > WINDOW - 1)
		return 0;
	while (n < most && scan->names_head < scan->names_tail) {
		struct slot *slot = &scan->slots[scan->tail++ % WINDOW];

		slot->name = scan->names[scan->names_head++ % NAMES];
		slot->state = SLOT_CLAIMED;
		if (!slot->msg && scan->nspare)
			slot->msg = scan->spare[--scan->nspare];
		n++;
	}
	if (n && scan->names_tail - scan->names_head < NAMES / 2)
		pthread_cond_signal(&scan->listing);
	return n;
}

/* ------------------------------------------------------------------ workers */

/* Does the caller know this control file as it is now? Links and what is no file are always read. */
static bool
is_known(struct qf_scan *scan, struct qf_io *io, const struct name *name)
{
	const struct qf_dir *d = qf_queue_dir(scan->queue, name->dir);
	struct stat st;
	struct qf_sighting seen = {.dir = name->dir, .name = name->text, .n = name->length};

	if (qf_io_stat(io, d->control_fd, name->text, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	seen.inode = st.st_ino;
	seen.size = st.st_size;
	seen.ctime = st.st_ctime;
	seen.ctime_nsec = (uint32_t)st.st_ctim.tv_nsec;
	seen.locked = qf_locks_listed(scan->locks, d->device, st.st_ino);
	seen.lock_told = scan->sight[name->dir] == QF_SIGHT_LISTED;
	return scan->options.known(scan->options.ctx, &seen);
}

/* Load and visit one message. The slot is this thread's until its state is set. */
static enum slot_state
process(struct qf_scan *scan, struct qf_loader *loader, void *worker, struct slot *slot,
	struct qf_scan_stats *seen)
{
	enum qf_code code;

	if (scan->options.known && is_known(scan, loader->io, &slot->name)) {
		seen->known++;
		return SLOT_SKIPPED;
	}
	if (!slot->msg)
		slot->msg = qf_msg_new();
	if (!slot->msg)
		goto nomem;
	qf_msg_clear(slot->msg);
	code = qf_load(loader, slot->name.dir, slot->name.text, slot->name.length,
		       slot->name.type, slot->name.inode, slot->msg, NULL);
	if (code == QF_E_GONE) {
		seen->gone++;
		return SLOT_SKIPPED;
	}
	if (code || slot->msg->nomem)
		goto nomem;
	seen->messages++;
	for (size_t i = 0; i < slot->msg->ndiagnostics; i++)
		if (slot->msg->diagnostics[i].finding == QF_F_UNREADABLE)
			seen->unreadable++;
	if (!scan->options.visit)
		return SLOT_READY;
	if (!scan->options.visit(worker, slot->msg, &slot->msg->text))
		return SLOT_SKIPPED;
	if (!slot->msg->text.failed && !slot->msg->nomem)
		return SLOT_READY;
nomem:
	pthread_mutex_lock(&scan->mutex);
	scan->nomem = true;
	pthread_mutex_unlock(&scan->mutex);
	return SLOT_SKIPPED;
}

/* With the mutex held: let the caller have what the worker has done so far. */
static void
publish(struct batch *batch)
{
	struct qf_scan *scan = batch->scan;
	uint64_t first = batch->first + batch->published;

	for (; batch->published < batch->at; batch->published++)
		scan->slots[(batch->first + batch->published) % WINDOW].state =
			batch->done[batch->published];
	if (scan->waiting && scan->head >= first && scan->head < batch->first + batch->at)
		pthread_cond_signal(&scan->ready);
}

/* The worker has come to a large message: wait for its turn. The caller may be waiting for this
   one, or for one before it in the batch. False: it is not wanted any more. */
static bool
enter_large(void *ctx)
{
	struct batch *batch = ctx;
	struct qf_scan *scan = batch->scan;
	bool go_on;

	pthread_mutex_lock(&scan->mutex);
	publish(batch);
	scan->nwaiting++;
	while (!scan->stop && scan->head != batch->first + batch->at &&
	       (scan->nlarge || scan->large > LARGE_MOST))
		pthread_cond_wait(&scan->room, &scan->mutex);
	scan->nwaiting--;
	go_on = !scan->stop;
	scan->nlarge += go_on;
	batch->large = go_on;
	pthread_mutex_unlock(&scan->mutex);
	return go_on;
}

/* The large message is made. Arrays in the arena have doubled on their way. */
static void
leave_large(struct batch *batch)
{
	struct qf_scan *scan = batch->scan;
	struct slot *slot = &scan->slots[(batch->first + batch->at) % WINDOW];
	const struct qf_msg *msg = slot->msg;
	const struct qf_envelope *env = &msg->envelope;

	if (batch->done[batch->at] == SLOT_SKIPPED)
		qf_msg_clear(slot->msg);
	else
		slot->large = msg->text.cap + 2 * (msg->bytes.n +
						   msg->nrecords * sizeof(*msg->records) +
						   env->nrecipients * sizeof(*env->recipients) +
						   env->nheaders * sizeof(*env->headers));
	batch->large = false;
	pthread_mutex_lock(&scan->mutex);
	scan->nlarge--;
	scan->large += slot->large;
	pthread_cond_broadcast(&scan->room);
	pthread_mutex_unlock(&scan->mutex);
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
	scan->streak = blocked >= (long)n && ns / n > NS_BLOCKING ? scan->streak + 1 : 0;
	scan->blocking = scan->streak > 0;
	/* One slow message proves nothing: a first look at anything is slow. */
	if (scan->options.jobs || scan->streak < STREAK)
		return;
	jobs = scan->processors + ns / n / NS_PER_JOB;
	if (jobs > scan->most)
		jobs = scan->most;
	if (jobs > scan->wanted)
		scan->wanted = (unsigned)jobs;
	start_workers(scan);
}

static void *
work(void *arg)
{
	struct qf_scan *scan = arg;
	struct qf_io io;
	struct batch batch = {.scan = scan};
	struct qf_loader loader = {
		.queue = scan->queue,
		.io = &io,
		.large = enter_large,
		.ctx = &batch,
		.locks = scan->options.needs & QF_NEED_BUSY ? scan->locks : NULL,
		.sight = scan->sight,
		.needs = scan->options.needs,
		.raw = scan->options.raw,
		.scratch = malloc(QF_READ_SIZE),
		.noatime = true,
	};
	void *worker = scan->options.worker_begin ? scan->options.worker_begin(scan->options.ctx)
						  : NULL;
	struct qf_scan_stats seen = {0};

	/* A table of descriptors of its own: opening, closing and looking up then need no lock and no
	   counting, a third of what the system calls cost. Where it is refused all goes as well. */
	unshare(CLONE_FILES);
	qf_io_share(&io, &scan->io);
	pthread_mutex_lock(&scan->mutex);
	scan->nomem |= !loader.scratch;
	while (!scan->stop && !scan->nomem) {
		uint64_t before;
		long blocked;

		batch.first = scan->tail;
		batch.n = claim(scan, scan->known && !scan->blocking ? BATCH : 1);
		batch.published = 0;
		if (batch.n == 0) {
			if (scan->listed && scan->names_head == scan->names_tail)
				break;
			pthread_cond_wait(&scan->work, &scan->mutex);
			continue;
		}
		pthread_mutex_unlock(&scan->mutex);
		before = qf_clock_ns();
		blocked = blocked_so_far();
		for (batch.at = 0; batch.at < batch.n; batch.at++) {
			struct slot *slot = &scan->slots[(batch.first + batch.at) % WINDOW];

			batch.done[batch.at] = process(scan, &loader, worker, slot, &seen);
			if (batch.large)
				leave_large(&batch);
		}
		blocked = blocked_so_far() - blocked;
		before = qf_clock_ns() - before;
		pthread_mutex_lock(&scan->mutex);
		publish(&batch);
		adapt(scan, batch.n, blocked, before);
	}
	qf_io_add(&scan->io, &io);
	scan->stats.messages += seen.messages;
	scan->stats.gone += seen.gone;
	scan->stats.unreadable += seen.unreadable;
	scan->stats.known += seen.known;
	pthread_cond_signal(&scan->ready);
	pthread_cond_broadcast(&scan->work);
	pthread_mutex_unlock(&scan->mutex);
	if (scan->options.worker_end)
		scan->options.worker_end(worker);
	free(loader.scratch);
	return NULL;
}

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
	scan->lister_started = start(&scan->lister, list_all, scan);
}

/* With the mutex held: as many threads as wanted. Fewer than wanted are no failure. */
static void
start_workers(struct qf_scan *scan)
{
	while (scan->nthreads < scan->wanted &&
	       start(&scan->threads[scan->nthreads], work, scan))
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

	return n < 1 ? 1 : n > JOBS_MAX ? JOBS_MAX : (unsigned)n;
}

/* ------------------------------------------------------------------ the caller's side */

/* How many to begin with: where answers come over a network, there is no need to find that out. */
static unsigned
first_jobs(const struct qf_scan *scan)
{
	for (size_t i = 0; i < qf_queue_ndirs(scan->queue); i++) {
		const struct qf_dir *d = qf_queue_dir(scan->queue, i);
		enum qf_fs fs = d->trouble ? QF_FS_LOCAL : qf_fs_of(d->control_fd);

		if (fs == QF_FS_NETWORK || fs == QF_FS_FUSE)
			return JOBS_MAX;
	}
	return scan->processors;
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
	scan->names = malloc(NAMES * sizeof(*scan->names));
	scan->locks = qf_locks_new();
	scan->sight = qf_load_sights(queue);
	scan->troubles = calloc(qf_queue_ndirs(queue) + 1, sizeof(*scan->troubles));
	if (!scan->names || !scan->locks || !scan->sight || !scan->troubles) {
		qf_scan_free(scan);
		return qf_err_nomem(err);
	}
	scan->processors = processors();
	scan->most = JOBS_MAX;
	if (options->max_ops && options->max_ops / OPS_PER_JOB < JOBS_MAX)
		scan->most = 1 + options->max_ops / OPS_PER_JOB;
	scan->wanted = options->jobs ? options->jobs : first_jobs(scan);
	if (scan->wanted > scan->most)
		scan->wanted = scan->most;
	pthread_mutex_lock(&scan->mutex);
	start_lister(scan);
	start_workers(scan);
	pthread_mutex_unlock(&scan->mutex);
	if (scan->nthreads == 0 || !scan->lister_started) {
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
	struct slot *slot = &scan->slots[scan->head % WINDOW];

	slot->state = SLOT_FREE;
	if (slot->large) {
		qf_msg_clear(slot->msg);
		scan->large -= slot->large;
		slot->large = 0;
	}
	if (slot->msg)
		scan->spare[scan->nspare++] = slot->msg;
	slot->msg = NULL;
	scan->head++;
	if (scan->nwaiting)
		pthread_cond_broadcast(&scan->room);
	/* Waking for each single slot would cost more than reading it. */
	if (scan->head % BATCH == 0 || !scan->known || scan->blocking)
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
		if (scan->head < scan->tail && slot->state == SLOT_SKIPPED) {
			give_back(scan);
			continue;
		}
		if (scan->head < scan->tail && slot->state == SLOT_READY) {
			*msg = slot->msg;
			scan->borrowed = true;
			break;
		}
		if (scan->listed && scan->names_head == scan->names_tail &&
		    scan->head == scan->tail)
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
	pthread_cond_broadcast(&scan->listing);
	pthread_cond_broadcast(&scan->room);
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
	/* At the end the workers have nothing left to do but to add their counts. */
	join_workers(scan);
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
	join_workers(scan);
	for (size_t i = 0; i < WINDOW; i++)
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
