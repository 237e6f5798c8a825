/*
 * mailq - a queue as mailq prints it: what the files mailq_*.c share.
 *
 * sendmail reads a control file up to three times for its list, each time by other rules, and none
 * of them is the parser of msg.c:
 *	mailq_gather.c   before it sorts: the first 256 bytes of lines, until P and T are found
 *	mailq_entry.c    while it prints: pieces of 2047 bytes, nothing unfolded
 *	mailq_missing.c  where the data file is missing: as a queue run would, complaining
 * All three work on the bytes of the file and change nothing. What was found: docs/mailq.md.
 */
#ifndef QF_LIBQF_MAILQ_H
#define QF_LIBQF_MAILQ_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "qf.h"
#include "sys.h"

/* ---------------------------------------------------------------- text (mailq_text.c) */

/* How text of messages is put into the list. */
struct qf_mailq_style {
	bool verbose;
	bool safe, utf8;
	const struct qf_redactor *redactor; /* or NULL */
};

/* What fgets() would give: at most most bytes of *rest, up to a line end. False at the end.
   Here, because it is called for every line of every file. */
static inline bool
qf_mailq_piece(struct qf_slice *rest, size_t most, struct qf_slice *piece)
{
	size_t n = rest->n < most ? rest->n : most;
	const char *end;

	if (n == 0)
		return false;
	end = memchr(rest->p, '\n', n);
	if (end)
		n = (size_t)(end - rest->p) + 1;
	*piece = (struct qf_slice){rest->p, n};
	rest->p += n;
	rest->n -= n;
	return true;
}

/* A piece as a C string without its line end, LF or CR LF: it ends at a NUL. */
static inline struct qf_slice
qf_mailq_string(struct qf_slice piece)
{
	const char *nul = memchr(piece.p, '\0', piece.n);

	/* A CR stays where the line end is not the end of the string. */
	if (nul) {
		piece.n = (size_t)(nul - piece.p);
	} else if (piece.n > 0 && piece.p[piece.n - 1] == '\n') {
		piece.n--;
		if (piece.n > 0 && piece.p[piece.n - 1] == '\r')
			piece.n--;
	}
	return piece;
}

/* As atol(): blanks, a sign, digits; the nearest long where there are too many. */
int64_t qf_mailq_number(struct qf_slice text);

/* Bytes of a message, at most most of them (%.60s). */
void qf_mailq_put(struct qf_buf *out, const struct qf_mailq_style *style, struct qf_slice text,
		  size_t most);
/*
 * qf_mailq_address - an address within so many columns: backslashes doubled, what is not ASCII or
 * not printable as an octal escape that is left out where it would not end before the last column.
 * Origin: sendmail/queue.c prtstr().
 */
void qf_mailq_address(struct qf_buf *out, const struct qf_mailq_style *style, struct qf_slice text,
		      int columns);
/* A number in at least so many columns. */
void qf_mailq_column(struct qf_buf *out, int64_t number, size_t columns);

/* ---------------------------------------------------------------- times (mailq_clock.c) */

#define QF_MAILQ_CLOCK_SLOTS 64

/* Offsets of local time by the hour: one thread's. Zero-initialise. */
struct qf_mailq_clock {
	struct {
		int64_t hour;	/* since the epoch */
		int64_t offset; /* seconds local time is ahead all through it */
		bool known;
	} slots[QF_MAILQ_CLOCK_SLOTS];
};

/* The first 16 bytes of ctime(), "Sun Nov 22 07:08"; false for a time ctime() has no text for. */
bool qf_mailq_time(struct qf_mailq_clock *clock, int64_t when, char text[16]);

/* ---------------------------------------------------------------- sorting (mailq_gather.c) */

/* What sendmail takes from a control file to sort it into the list. */
struct qf_mailq_rank {
	int64_t priority;
	int64_t created;
	struct qf_slice host; /* of the first recipient that has one; absent without */
	bool young;	      /* too young to be tried again */
	bool set_aside;	      /* has a quarantine line that takes it off the list of queued ones */
};

/*
 * qf_mailq_gather - read as sendmail does before it sorts.
 * want_host  for the orders that sort by it: reads on until there is one.
 * Origin     sendmail/queue.c gatherq().
 */
void qf_mailq_gather(struct qf_slice bytes, enum qf_kind kind, const struct qf_policy *policy,
		     int64_t now, bool want_host, struct qf_mailq_rank *out);

/* ---------------------------------------------------------------- printing (mailq_entry.c) */

/*
 * qf_mailq_entry - all that follows the mark behind the id.
 * size     of the data file, -1 for none.
 * Origin   sendmail/queue.c print_single_queue().
 */
void qf_mailq_entry(struct qf_buf *out, const struct qf_mailq_style *style,
		    struct qf_mailq_clock *clock, struct qf_slice bytes, int64_t size,
		    int64_t priority);

/* ---------------------------------------------------------------- no data (mailq_missing.c) */

/* What is asked about a message whose data file is not beside it. */
struct qf_mailq_missing {
	struct qf_queue *queue;
	struct qf_io *io;
	const struct qf_mailq_style *style;
	int64_t now;
};

/*
 * qf_mailq_missing - look for the data file as sendmail does, appending what it complains of.
 * Returns  the size of the data file, -1 where there is none.
 * Origin   sendmail/queue.c print_single_queue(), readqf(); sendmail/headers.c chompheader();
 *          sendmail/macro.c macid_parse(). What sendmail says about addresses that its
 *          configuration cannot parse is left out.
 */
int64_t qf_mailq_missing(const struct qf_mailq_missing *ask, const struct qf_msg *msg,
			 struct qf_buf *out);

/* ---------------------------------------------------------------- workers (mailq_visit.c) */

/* What the workers of one listing share. */
struct qf_mailq_view {
	struct qf_queue *queue;
	const struct qf_mailq_options *options;
	const struct qf_query *query; /* or NULL */
	const struct qf_policy *policy;
	struct qf_mailq_style style;
	struct qf_io io;  /* for what a scan does not ask */
	bool reads_files; /* before it sorts: only then there are marks and priorities */
	pthread_mutex_t mutex;
	struct qf_err failure; /* of the first worker that had one; under the mutex */
	atomic_bool failed;
};

/* What a worker has to say of a control file. */
enum qf_mailq_what {
	QF_MAILQ_ENTRY,
	QF_MAILQ_NOTICE, /* no entry: its name goes into a line above the list */
	QF_MAILQ_PASSED, /* neither, but counted unseen where MaxQueueRunSize is reached */
};

/* Begins the text that a worker leaves with a message; text and word follow. */
struct qf_mailq_head {
	enum qf_mailq_what what;
	bool locked;
	int64_t key;
	uint32_t text_n;
	uint32_t word_n; /* what it sorts by, where that is text */
	uint32_t mark;	 /* where the mark is in text; QF_MAILQ_NO_MARK: there is none */
};
#define QF_MAILQ_NO_MARK UINT32_MAX

/* For struct qf_scan_options; its ctx is a struct qf_mailq_view. */
void *qf_mailq_worker_begin(void *view);
void qf_mailq_worker_end(void *worker);
bool qf_mailq_visit(void *worker, struct qf_msg *msg, struct qf_buf *text);

/* ---------------------------------------------------------------- entries (mailq_store.c) */

/* An entry with what it sorts by. */
struct qf_mailq_item {
	int64_t key;
	char *text; /* word behind it */
	uint32_t text_n;
	uint32_t word_n;
	uint32_t mark;
	bool locked;
};

/* The entries of one directory. Zero-initialise. */
struct qf_mailq_store {
	struct qf_mailq_item *items;
	size_t n, cap;
	struct qf_mailq_block *blocks;
};

/* A copy of what a worker left. False when memory is out. */
bool qf_mailq_store_add(struct qf_mailq_store *store, const struct qf_mailq_head *head,
			const char *text);
/* Sorts, and marks, as sendmail does. False when memory is out. Origin: sendmail/queue.c sortq().
 */
bool qf_mailq_store_sort(struct qf_mailq_store *store, enum qf_sort_order order);
/* Forget the entries. */
void qf_mailq_store_clear(struct qf_mailq_store *store);
void qf_mailq_store_release(struct qf_mailq_store *store);

#endif
