/*
 * reader - reads the queue in a thread of its own, and of it only what changed.
 *
 * What is known of a message is its row; a file that has the same inode, size and change time, and
 * whose lock seems to be as it was, is not opened again. Where locks of other hosts cannot be seen
 * without opening (NFS), one message of SLICES is read again in each round all the same.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "reader.h"

#define SLICES 16
enum { SEEN_NOT, SEEN_KNOWN, SEEN_REPLACED };
/* The first rows are shown after this; then each time twice as much. */
#define FIRST_NS 10000000u

/* Rows by directory and name: open addressing, changed only between two scans. */
struct index {
	struct tui_row **rows;
	atomic_uchar *seen;      /* in this scan */
	size_t cap;              /* a power of two, or 0 */
};

struct list {
	struct tui_row **rows;
	size_t n, cap;
};

struct tui_reader {
	struct tui_reader_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool asked, everything, end;  /* under the mutex */
	volatile int cancel;

	struct index index;
	struct list current;          /* what the index holds */
	bool complete;                /* it has been read to the end once */
	bool forget;                  /* in this scan all are read */
	unsigned round;
};

static uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool
add(struct list *list, struct tui_row *row)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 256;
		struct tui_row **more = realloc(list->rows, cap * sizeof(*more));

		if (!more)
			return false;
		list->rows = more;
		list->cap = cap;
	}
	list->rows[list->n++] = row;
	return true;
}

static void
clear(struct list *list)
{
	for (size_t i = 0; i < list->n; i++)
		tui_row_drop(list->rows[i]);
	free(list->rows);
	*list = (struct list){0};
}

/* FNV-1a. */
static uint64_t
hash(size_t dir, const char *name, size_t n)
{
	uint64_t h = 14695981039346656037u ^ dir;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)name[i]) * 1099511628211u;
	return h ^ h >> 29;
}

/* The slot of a name, or the free one where it would be. The index is never full. */
static size_t
find(const struct index *index, size_t dir, const char *name, size_t n)
{
	size_t at = hash(dir, name, n) & (index->cap - 1);

	while (index->rows[at] && (index->rows[at]->dir != dir || index->rows[at]->name_n != n ||
				   memcmp(index->rows[at]->name, name, n)))
		at = (at + 1) & (index->cap - 1);
	return at;
}

/* Index these rows, which it borrows. */
static bool
build(struct index *index, const struct list *list)
{
	size_t cap = 64;

	while (cap < list->n + list->n / 2)
		cap *= 2;
	if (cap != index->cap) {
		free(index->rows);
		free(index->seen);
		index->rows = malloc(cap * sizeof(*index->rows));
		index->seen = malloc(cap * sizeof(*index->seen));
		index->cap = index->rows && index->seen ? cap : 0;
	}
	if (!index->cap)
		return false;
	memset(index->rows, 0, cap * sizeof(*index->rows));
	for (size_t i = 0; i < list->n; i++) {
		const struct tui_row *row = list->rows[i];

		index->rows[find(index, row->dir, row->name, row->name_n)] = list->rows[i];
	}
	return true;
}

/* In the threads of the scan: is the file as the row has it? */
static bool
is_known(void *ctx, const struct qf_sighting *seen)
{
	struct tui_reader *r = ctx;
	const struct tui_row *row;
	size_t at;

	if (!r->index.cap)
		return false;
	at = find(&r->index, seen->dir, seen->name, seen->n);
	row = r->index.rows[at];
	if (!row)
		return false;
	if (r->forget || row->fresh || row->inode != seen->inode || row->ctime != seen->ctime ||
	    row->ctime_nsec != seen->ctime_nsec || row->control_size != (uint32_t)seen->size)
		return false;
	if (seen->locked != (row->busy == QF_YES))
		return false;
	if (!seen->lock_told && at % SLICES == r->round % SLICES)
		return false;
	atomic_store_explicit(&r->index.seen[at], SEEN_KNOWN, memory_order_relaxed);
	return true;
}

static bool
keep(void *worker, struct qf_msg *msg, struct qf_buf *text)
{
	(void)worker;
	qf_msg_keep(msg, text);
	return true;
}

static void
post(struct tui_reader *r, struct tui_picture *picture)
{
	if (picture)
		r->options.post(r->options.ctx, picture);
}

/* Is it the row of a directory that could not be listed this time? */
static bool
in_trouble(const struct qf_scan *scan, const struct tui_row *row)
{
	for (size_t i = 0; i < qf_scan_ntroubles(scan); i++) {
		size_t dir;

		qf_scan_trouble(scan, i, &dir);
		if (dir == row->dir)
			return true;
	}
	return false;
}

/* A message that is held or released goes under one name and comes under another. */
static bool
has_id(const struct list *list, const struct tui_row *row)
{
	struct qf_slice id = tui_row_id(row);

	for (size_t i = 0; i < list->n; i++) {
		struct qf_slice other = tui_row_id(list->rows[i]);

		if (list->rows[i]->dir == row->dir && other.n == id.n && !memcmp(other.p, id.p, id.n))
			return true;
	}
	return false;
}

/* Rows of one list whose message is not in the other: those that came, or went. */
static void
pick(const struct list *from, const struct list *other, struct tui_changes *out)
{
	/* So many at once are no renaming by hand, and who would read their names. */
	bool compare = from->n <= 2000 && other->n <= 2000;

	for (size_t i = 0; i < from->n; i++) {
		if (compare && has_id(other, from->rows[i]))
			continue;
		if (out->n < TUI_CHANGES_SHOWN)
			out->rows[out->n] = tui_row_share(from->rows[i]);
		out->n++;
	}
}

/*
 * What is there now: rows read in this scan, and those of before that are known as they were. came
 * and went are rows lent by the others.
 */
static bool
merge(struct tui_reader *r, const struct qf_scan *scan, const struct list *fresh, struct list *now,
      struct list *came, struct list *went, bool *changed)
{
	bool ok = true;

	for (size_t i = 0; i < fresh->n; i++) {
		struct tui_row *row = fresh->rows[i];
		size_t at = r->index.cap ? find(&r->index, row->dir, row->name, row->name_n) : 0;
		struct tui_row *old = r->index.cap ? r->index.rows[at] : NULL;

		if (old && tui_row_same(old, row)) {
			/* Read again and found as it was: the row stays, so that who has it need
			   not let it go. What is fresh is between the scans. */
			old->fresh = row->fresh;
			r->index.seen[at] = SEEN_KNOWN;
			continue;
		}
		*changed = true;
		ok &= add(now, tui_row_share(row));
		if (old)
			r->index.seen[at] = SEEN_REPLACED;
		else
			ok &= add(came, row);
	}
	for (size_t i = 0; i < r->current.n && r->index.cap; i++) {
		struct tui_row *row = r->current.rows[i];
		unsigned char seen = r->index.seen[find(&r->index, row->dir, row->name, row->name_n)];

		if (seen == SEEN_KNOWN || (seen == SEEN_NOT && in_trouble(scan, row)))
			ok &= add(now, tui_row_share(row));
		else if (seen == SEEN_NOT)
			ok &= add(went, row);
	}
	return ok;
}

static void
note_trouble(struct tui_picture *picture, const struct qf_scan *scan, enum qf_code code,
	     const struct qf_err *err)
{
	if (scan && qf_scan_ntroubles(scan) > 0)
		err = qf_scan_trouble(scan, 0, NULL);
	else if (!code)
		return;
	snprintf(picture->trouble, sizeof(picture->trouble), "%.120s: %.120s", err->what, err->why);
}

/* What is done goes by name: is what was read what is called so? */
static void
look_at_place(struct tui_reader *r, struct tui_picture *picture)
{
	struct qf_err err;

	for (size_t i = 0; i < qf_queue_ndirs(r->options.queue) && !picture->misplaced; i++) {
		enum qf_code code = qf_queue_in_place(r->options.queue, i, &err);

		picture->misplaced = code == QF_E_NOT_FOUND || code == QF_E_DATA;
		if (code)
			snprintf(picture->trouble, sizeof(picture->trouble), "%.90s%s: %.120s", err.why,
				 picture->misplaced ? "; leave, and begin again" : "", err.what);
	}
}

/* The end of a scan: the next picture, where there is anything to tell. */
static void
finish(struct tui_reader *r, struct qf_scan *scan, struct list *fresh, enum qf_code code,
       const struct qf_err *err, int64_t at)
{
	struct list now = {0}, came = {0}, went = {0};
	struct qf_scan_stats stats;
	struct tui_picture *picture;
	bool first = !r->complete, changed = false;

	if (code == QF_E_INTERRUPTED)
		return;
	qf_scan_stats(scan, &stats);
	/* A scan that failed tells of nothing that went. */
	if (!code && merge(r, scan, fresh, &now, &came, &went, &changed)) {
		if (first)
			came.n = went.n = 0;
		changed |= went.n > 0;
		if (changed || first) {
			struct list before = r->current;

			r->current = now;
			now = before;
			if (!build(&r->index, &r->current))
				r->current.n = 0;
		}
		r->complete = true;
	}
	picture = tui_picture_new(r->current.rows, changed || first ? r->current.n : 0);
	if (picture) {
		picture->complete = r->complete;
		picture->at = at;
		picture->seconds = stats.seconds;
		picture->operations = stats.operations;
		picture->same = !changed && !first;
		pick(&came, &went, &picture->came);
		pick(&went, &came, &picture->went);
		note_trouble(picture, scan, code, err);
		look_at_place(r, picture);
		picture->whole = picture->complete && !picture->trouble[0];
	}
	post(r, picture);
	free(came.rows);
	free(went.rows);
	clear(&now);
}

static void
read_queue(struct tui_reader *r)
{
	struct qf_scan_options options = {
		.needs = QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS,
		.jobs = r->options.jobs,
		.max_ops = r->options.max_ops,
		.visit = keep,
		.known = r->complete ? is_known : NULL,
		.ctx = r,
		.cancel = &r->cancel,
	};
	uint64_t show_at = clock_ns() + FIRST_NS, wait = FIRST_NS;
	struct list fresh = {0};
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;
	struct qf_err err = {0};
	int64_t at = (int64_t)time(NULL);
	enum qf_code code;
	bool many;

	for (size_t i = 0; i < r->index.cap; i++)
		r->index.seen[i] = SEEN_NOT;
	code = qf_scan_new(r->options.queue, &options, &scan, &err);
	while (!code && !(code = qf_scan_next(scan, &msg, &err)) && msg) {
		struct tui_row *row = tui_row_new(msg, qf_msg_text(msg), (int64_t)at);

		if (!row || !add(&fresh, row)) {
			tui_row_drop(row);
			err = (struct qf_err){.code = QF_E_NOMEM, .what = "memory",
					      .why = "none left"};
			code = QF_E_NOMEM;
			break;
		}
		if (!r->complete && (fresh.n % 64 == 0 || wait == FIRST_NS) && clock_ns() >= show_at) {
			post(r, tui_picture_new(fresh.rows, fresh.n));
			wait *= 2;
			show_at = clock_ns() + wait;
		}
	}
	if (scan)
		finish(r, scan, &fresh, code, &err, at);
	many = fresh.n > 1000;
	qf_scan_free(scan);
	clear(&fresh);
#ifdef __GLIBC__
	/* What the threads of the scan had is nobody's any more. */
	if (many)
		malloc_trim(0);
#endif
	r->round++;
	/* The first look is waited for; what follows is to leave the processor to the keys. The threads
	   of a scan inherit this. */
	if (r->complete && r->round == 1)
		setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 5);
}

static void *
run(void *arg)
{
	struct tui_reader *r = arg;

	pthread_mutex_lock(&r->mutex);
	while (!r->end) {
		if (!r->asked) {
			pthread_cond_wait(&r->wake, &r->mutex);
			continue;
		}
		r->asked = false;
		r->forget = r->everything;
		r->everything = false;
		pthread_mutex_unlock(&r->mutex);
		read_queue(r);
		pthread_mutex_lock(&r->mutex);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

struct tui_reader *
tui_reader_new(const struct tui_reader_options *options)
{
	struct tui_reader *r = calloc(1, sizeof(*r));
	sigset_t all, before;
	int failed;

	if (!r)
		return NULL;
	r->options = *options;
	r->asked = true;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->wake, NULL);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		free(r);
		return NULL;
	}
	return r;
}

void
tui_reader_ask(struct tui_reader *r, bool everything)
{
	pthread_mutex_lock(&r->mutex);
	r->asked = true;
	r->everything |= everything;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
}

void
tui_reader_free(struct tui_reader *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->end = true;
	r->cancel = 1;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
	pthread_join(r->thread, NULL);
	clear(&r->current);
	free(r->index.rows);
	free(r->index.seen);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}
