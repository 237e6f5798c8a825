/*
 * scan_read - those that read: a batch of names claimed, loaded and visited, its slots set.
 *
 * Large control files take their turn: there is one of them in the making and a few that wait to be
 * handed out, whatever the number of threads. The one that the caller waits for never has to wait,
 * nor do those that the caller reads itself.
 *
 * How many threads: as many as there are processors while files come from memory, the caller among
 * them when it has nothing to take; where reading blocks (a disk, NFS), more, by how long it takes.
 * Blocking is told from voluntary context switches of the thread, which a busy machine does not
 * cause, and not from time alone.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "layout.h"
#include "scan.h"

/* One more read in flight for each of these spent on a message that blocked. */
#define NS_PER_JOB 15000u
/* Less than this for a message is no waiting for a disk or a server. */
#define NS_BLOCKING 50000u
/* So many batches in a row have to block before there are more threads. */
#define STREAK 3
/* Memory of large messages that were read ahead; beyond it no other is read. */
#define LARGE_MOST ((size_t)64 << 20)

static struct qf_slot *
slot_of(struct qf_reader *reader, unsigned i)
{
	return &reader->scan->slots[(reader->first + i) % QF_SCAN_WINDOW];
}

/* Does the caller know this control file as it is now? Links and what is no file are always read. */
static bool
is_known(struct qf_scan *scan, struct qf_io *io, const struct qf_scan_name *name)
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

/* Load and visit one message. The slot is this reader's until its state is set. */
static enum qf_slot_state
process(struct qf_reader *reader, struct qf_slot *slot)
{
	struct qf_scan *scan = reader->scan;
	struct qf_scan_stats *seen = &reader->seen;
	enum qf_code code;

	if (scan->options.known && is_known(scan, &reader->io, &slot->name)) {
		seen->known++;
		return QF_SLOT_SKIPPED;
	}
	if (!slot->msg)
		slot->msg = qf_msg_new();
	if (!slot->msg)
		goto nomem;
	qf_msg_clear(slot->msg);
	code = qf_load(&reader->loader, slot->name.dir, slot->name.text, slot->name.length,
		       slot->name.type, slot->name.inode, slot->msg, NULL);
	if (code == QF_E_GONE) {
		seen->gone++;
		return QF_SLOT_SKIPPED;
	}
	if (code || slot->msg->nomem)
		goto nomem;
	seen->messages++;
	seen->unreadable += qf_msg_finding(slot->msg, QF_F_UNREADABLE) != NULL;
	if (!scan->options.visit)
		return QF_SLOT_READY;
	if (!scan->options.visit(reader->worker, slot->msg, &slot->msg->text))
		return QF_SLOT_SKIPPED;
	if (!slot->msg->text.failed && !slot->msg->nomem)
		return QF_SLOT_READY;
nomem:
	pthread_mutex_lock(&scan->mutex);
	scan->nomem = true;
	pthread_mutex_unlock(&scan->mutex);
	return QF_SLOT_SKIPPED;
}

bool
qf_scan_is_fast(const struct qf_scan *scan)
{
	return scan->known && !scan->blocking;
}

/* With the mutex held: wake the caller if what it waits for is there. */
static void
wake_caller(struct qf_scan *scan)
{
	const enum qf_slot_state state = scan->slots[scan->head % QF_SCAN_WINDOW].state;

	if (scan->waiting && scan->head < scan->tail &&
	    (state == QF_SLOT_READY || state == QF_SLOT_SKIPPED))
		pthread_cond_signal(&scan->ready);
}

/* With the mutex held: let the caller have what the reader has done so far. */
static void
publish(struct qf_reader *reader)
{
	struct qf_scan *scan = reader->scan;

	for (; reader->published < reader->at; reader->published++) {
		slot_of(reader, reader->published)->state = reader->done[reader->published];
		scan->nready++;
	}
	if (!qf_scan_is_fast(scan) || scan->nready >= QF_SCAN_WAKE)
		wake_caller(scan);
}

/* The reader has come to a large message: wait for its turn. The caller may be waiting for this
   one, or for one before it in the batch; and must not be waited for by itself. False: it is not
   wanted any more. */
static bool
enter_large(void *ctx)
{
	struct qf_reader *reader = ctx;
	struct qf_scan *scan = reader->scan;
	bool go_on;

	pthread_mutex_lock(&scan->mutex);
	publish(reader);
	wake_caller(scan);
	scan->nwaiting++;
	while (!scan->stop && !reader->is_caller && scan->head != reader->first + reader->at &&
	       (scan->nlarge || scan->large > LARGE_MOST))
		pthread_cond_wait(&scan->room, &scan->mutex);
	scan->nwaiting--;
	go_on = !scan->stop;
	scan->nlarge += go_on;
	reader->large = go_on;
	pthread_mutex_unlock(&scan->mutex);
	return go_on;
}

/* The large message is made. Arrays in the arena have doubled on their way. */
static void
leave_large(struct qf_reader *reader)
{
	struct qf_scan *scan = reader->scan;
	struct qf_slot *slot = slot_of(reader, reader->at);
	const struct qf_msg *msg = slot->msg;
	const struct qf_envelope *env = &msg->envelope;

	if (reader->done[reader->at] == QF_SLOT_SKIPPED)
		qf_msg_clear(slot->msg);
	else
		slot->large = msg->text.cap + 2 * (msg->bytes.n +
						   msg->nrecords * sizeof(*msg->records) +
						   env->nrecipients * sizeof(*env->recipients) +
						   env->nheaders * sizeof(*env->headers));
	reader->large = false;
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

/* With the mutex held: what the last batch says about how many reads should be in flight. */
static void
adapt(struct qf_scan *scan, unsigned n, long blocked, uint64_t ns)
{
	uint64_t jobs = scan->options.jobs;

	scan->known = true;
	scan->streak = blocked >= (long)n && ns / n > NS_BLOCKING ? scan->streak + 1 : 0;
	scan->blocking = scan->streak > 0;
	/* One slow message proves nothing: a first look at anything is slow. */
	if (scan->streak < STREAK)
		return;
	if (!jobs)
		jobs = scan->processors + ns / n / NS_PER_JOB;
	if (jobs > scan->most)
		jobs = scan->most;
	if (jobs > scan->wanted)
		scan->wanted = (unsigned)jobs;
	qf_scan_start_readers(scan);
}

/* With the mutex held: fill up to most slots behind tail with names. Returns how many. */
static unsigned
claim(struct qf_scan *scan, unsigned most)
{
	unsigned n = 0;

	/* Small batches at the edge of a full window would cost more than they read. */
	if (scan->tail - scan->head + most > QF_SCAN_WINDOW - 1)
		return 0;
	while (n < most && scan->names_head < scan->names_tail) {
		struct qf_slot *slot = &scan->slots[scan->tail++ % QF_SCAN_WINDOW];

		slot->name = scan->names[scan->names_head++ % QF_SCAN_NAMES];
		slot->state = QF_SLOT_CLAIMED;
		if (!slot->msg && scan->nspare)
			slot->msg = scan->spare[--scan->nspare];
		n++;
	}
	if (n && scan->names_tail - scan->names_head < QF_SCAN_NAMES / 2)
		pthread_cond_signal(&scan->listing);
	return n;
}

struct qf_reader *
qf_reader_new(struct qf_scan *scan, bool is_caller)
{
	struct qf_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->scan = scan;
	reader->is_caller = is_caller;
	qf_io_share(&reader->io, &scan->io);
	reader->loader = (struct qf_loader){
		.queue = scan->queue,
		.io = &reader->io,
		.large = enter_large,
		.ctx = reader,
		.locks = scan->options.needs & QF_NEED_BUSY ? scan->locks : NULL,
		.sight = scan->sight,
		.needs = scan->options.needs,
		.raw = scan->options.raw,
		.scratch = malloc(QF_READ_SIZE),
		.noatime = true,
	};
	if (!reader->loader.scratch) {
		free(reader);
		return NULL;
	}
	if (scan->options.worker_begin)
		reader->worker = scan->options.worker_begin(scan->options.ctx);
	return reader;
}

bool
qf_reader_batch(struct qf_reader *reader)
{
	struct qf_scan *scan = reader->scan;
	uint64_t took;
	long blocked;

	reader->first = scan->tail;
	reader->n = claim(scan, qf_scan_is_fast(scan) ? QF_SCAN_BATCH : 1);
	reader->published = 0;
	if (reader->n == 0)
		return false;
	pthread_mutex_unlock(&scan->mutex);
	took = qf_clock_ns();
	blocked = blocked_so_far();
	for (reader->at = 0; reader->at < reader->n; reader->at++) {
		reader->done[reader->at] = process(reader, slot_of(reader, reader->at));
		if (reader->large)
			leave_large(reader);
	}
	blocked = blocked_so_far() - blocked;
	took = qf_clock_ns() - took;
	pthread_mutex_lock(&scan->mutex);
	publish(reader);
	adapt(scan, reader->n, blocked, took);
	return true;
}

void
qf_reader_end(struct qf_reader *reader)
{
	struct qf_scan *scan = reader->scan;

	qf_io_add(&scan->io, &reader->io);
	scan->stats.messages += reader->seen.messages;
	scan->stats.gone += reader->seen.gone;
	scan->stats.unreadable += reader->seen.unreadable;
	scan->stats.known += reader->seen.known;
}

void
qf_reader_free(struct qf_reader *reader)
{
	if (!reader)
		return;
	if (reader->scan->options.worker_end)
		reader->scan->options.worker_end(reader->worker);
	free(reader->loader.scratch);
	free(reader);
}

void *
qf_scan_read(void *arg)
{
	struct qf_scan *scan = arg;
	struct qf_reader *reader = qf_reader_new(scan, false);

	/* A table of descriptors of its own: opening, closing and looking up then need no lock and no
	   counting, a third of what the system calls cost. Where it is refused all goes as well. */
	unshare(CLONE_FILES);
	pthread_mutex_lock(&scan->mutex);
	scan->nomem |= !reader;
	while (!scan->stop && !scan->nomem) {
		if (qf_reader_batch(reader))
			continue;
		if (scan->listed && scan->names_head == scan->names_tail)
			break;
		wake_caller(scan);
		pthread_cond_wait(&scan->work, &scan->mutex);
	}
	if (reader)
		qf_reader_end(reader);
	pthread_cond_signal(&scan->ready);
	pthread_cond_broadcast(&scan->work);
	pthread_mutex_unlock(&scan->mutex);
	qf_reader_free(reader);
	return NULL;
}
