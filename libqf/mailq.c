/*
 * mailq - a queue as `sendmail -bp` prints it.
 *
 * The worker threads of a scan write the text of each entry and what it sorts by; here entries are
 * collected for one directory at a time, sorted and handed out. Entries that sort alike keep the
 * order of the directory, as the C library's qsort() leaves them for sendmail.
 *
 * BUGS: the orders random and shuffle are told as the order of the directory and that of hosts,
 * either of which sendmail might have drawn. The mark X (load average too high) is never set: it
 * says nothing of the queue.
 */
#include <string.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "list.h"
#include "mailq.h"
#include "query.h"

#define OUT_SIZE ((size_t)65536)

struct listing {
	struct qf_mailq_view view;
	bool (*sink)(void *ctx, const char *bytes, size_t n);
	void *sink_ctx;
	struct qf_buf out;
	uint64_t total, shown;

	/* The directory at hand. */
	size_t dir;
	struct qf_mailq_store entries;
	struct qf_buf notices; /* names of what are no files, each with a NUL */
	uint64_t requests;
};

/* What a worker left of one control file of the directory at hand. */
static bool
collect(struct listing *listing, struct qf_slice text)
{
	int64_t most = listing->view.policy->max_queue_run_size;
	struct qf_mailq_head head;

	memcpy(&head, text.p, sizeof(head));
	text.p += sizeof(head);
	/* Once its list is full, sendmail counts names without a look at the files. */
	if (most > 0 && listing->entries.n >= (uint64_t)most) {
		listing->requests++;
		return true;
	}
	switch (head.what) {
	case QF_MAILQ_NOTICE:
		qf_buf_add(&listing->notices, text.p, head.text_n);
		qf_buf_addc(&listing->notices, '\0');
		return !listing->notices.failed;
	case QF_MAILQ_ENTRY:
		listing->requests++;
		return qf_mailq_store_add(&listing->entries, &head, text.p);
	case QF_MAILQ_PASSED:
		break;
	}
	return true;
}

/* ---------------------------------------------------------------- output */

static bool
flush(struct listing *listing)
{
	bool taken = listing->out.n == 0 ||
		     listing->sink(listing->sink_ctx, listing->out.p, listing->out.n);

	listing->out.n = 0;
	return taken;
}

static bool
put(struct listing *listing, const char *bytes, size_t n)
{
	if (listing->out.n + n > OUT_SIZE && !flush(listing))
		return false;
	qf_buf_add(&listing->out, bytes, n);
	return true;
}

/* The directory as sendmail names it in its list: with /df where there is one. */
static void
put_directory(struct listing *listing, const struct qf_dir *dir)
{
	struct qf_slice path = {dir->shown, strlen(dir->shown)};

	if (listing->view.style.safe)
		qf_escape_terminal(&listing->out, path, listing->view.style.utf8);
	else
		qf_buf_add_slice(&listing->out, path);
	if (dir->split_df)
		qf_buf_adds(&listing->out, "/df");
}

static void
put_name(struct listing *listing, const char *name)
{
	struct qf_slice slice = {name, strlen(name)};

	if (listing->view.style.safe)
		qf_escape_terminal(&listing->out, slice, listing->view.style.utf8);
	else
		qf_buf_add_slice(&listing->out, slice);
}

static void
put_irregular(struct listing *listing, const struct qf_dir *dir, const char *name)
{
	qf_buf_adds(&listing->out, "gatherq: ");
	put_directory(listing, dir);
	qf_buf_addc(&listing->out, '/');
	put_name(listing, name);
	qf_buf_adds(&listing->out, " is not a regular file\n");
}

/* With -v sendmail names control files whose names are too long, among those that are no files, in
   the order of the directory. A scan only counts them, so the directory is listed once more. */
static void
put_notices_verbose(struct listing *listing, const struct qf_dir *dir)
{
	const char *notice = listing->notices.p, *end = notice + listing->notices.n;
	int fd = qf_io_open(&listing->view.io, dir->control_fd, ".",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct qf_sys_entry *entry;
	struct qf_list list;

	if (fd >= 0 && qf_list_begin(&list, &listing->view.io, fd)) {
		while ((entry = qf_list_next(&list))) {
			size_t length = strlen(entry->name);

			if (notice < end && strcmp(notice, entry->name) == 0) {
				put_irregular(listing, dir, notice);
				notice += length + 1;
			} else if (length >= QF_NAME_MAX && qf_name_kind(entry->name, length) ==
								    listing->view.options->kind) {
				qf_buf_adds(&listing->out, "gatherq: ");
				put_name(listing, entry->name);
				qf_buf_addf(&listing->out, " too long, %d max characters\n",
					    QF_NAME_MAX);
			}
			if (listing->out.n > OUT_SIZE)
				flush(listing);
		}
		qf_list_end(&list);
	}
	/* What left meanwhile was still there when it was looked at. */
	for (; notice < end; notice += strlen(notice) + 1)
		put_irregular(listing, dir, notice);
	if (fd >= 0)
		qf_io_close(&listing->view.io, fd);
}

static void
put_notices(struct listing *listing, const struct qf_dir *dir)
{
	const char *notice = listing->notices.p, *end = notice + listing->notices.n;
	char why[128];

	if (dir->trouble) {
		qf_buf_adds(&listing->out, "gatherq: cannot open \"");
		put_directory(listing, dir);
		qf_buf_addf(&listing->out, "\": %s\n", strerror_r(dir->err.sys, why, sizeof(why)));
	} else if (listing->view.style.verbose) {
		put_notices_verbose(listing, dir);
	} else {
		for (; notice < end; notice += strlen(notice) + 1)
			put_irregular(listing, dir, notice);
	}
}

static void
put_heading(struct listing *listing, const struct qf_dir *dir)
{
	int64_t most = listing->view.policy->max_queue_run_size;

	if (listing->requests == 0) {
		put_directory(listing, dir);
		qf_buf_adds(&listing->out, " is empty\n");
		return;
	}
	qf_buf_adds(&listing->out, "\t\t");
	put_directory(listing, dir);
	qf_buf_addf(&listing->out, " (%llu request%s", (unsigned long long)listing->requests,
		    listing->requests == 1 ? "" : "s");
	if (most > 0 && listing->requests > (uint64_t)most)
		qf_buf_addf(&listing->out, ", only %lld printed", (long long)most);
	qf_buf_adds(&listing->out, listing->view.style.verbose
					   ? ")\n-----Q-ID----- --Size-- -Priority- ---Q-Time--- "
					     "--------Sender/Recipient--------\n"
					   : ")\n-----Q-ID----- --Size-- -----Q-Time----- "
					     "------------Sender/Recipient-----------\n");
}

/* The directory at hand is complete: out with it. */
static enum qf_code
finish_directory(struct listing *listing, struct qf_err *err)
{
	const struct qf_dir *dir = qf_queue_dir(listing->view.queue, listing->dir);
	struct qf_mailq_store *entries = &listing->entries;

	put_notices(listing, dir);
	put_heading(listing, dir);
	if (!qf_mailq_store_sort(entries, listing->view.policy->sort_order))
		return qf_err_nomem(err);
	for (size_t i = 0; i < entries->n; i++)
		if (!put(listing, entries->items[i].text, entries->items[i].text_n))
			return qf_err_set(err, QF_E_SYS, "output", "cannot be written");
	if (listing->out.failed)
		return qf_err_nomem(err);
	listing->total += listing->requests;
	listing->shown += entries->n;
	listing->requests = 0;
	qf_buf_clear(&listing->notices);
	qf_mailq_store_clear(entries);
	listing->dir++;
	return QF_OK;
}

static enum qf_code
finish(struct listing *listing, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	while (!code && listing->dir < qf_queue_ndirs(listing->view.queue))
		code = finish_directory(listing, err);
	if (code)
		return code;
	qf_buf_addf(&listing->out, "\t\tTotal requests: %llu\n",
		    (unsigned long long)listing->total);
	if (listing->out.failed)
		return qf_err_nomem(err);
	if (!flush(listing))
		return qf_err_set(err, QF_E_SYS, "output", "cannot be written");
	return QF_OK;
}

/* ---------------------------------------------------------------- the whole list */

static bool
order_reads_files(enum qf_sort_order order)
{
	return order == QF_ORDER_PRIORITY || order == QF_ORDER_HOST || order == QF_ORDER_TIME ||
	       order == QF_ORDER_SHUFFLE;
}

static enum qf_code
run(struct listing *listing, struct qf_scan *scan, struct qf_err *err)
{
	enum qf_code code;
	struct qf_msg *msg;

	for (;;) {
		code = qf_scan_next(scan, &msg, err);
		if (code)
			return code;
		if (listing->view.failed || !msg)
			break;
		while (listing->dir < qf_msg_files(msg)->dir) {
			code = finish_directory(listing, err);
			if (code)
				return code;
		}
		if (!collect(listing, qf_msg_text(msg)))
			return qf_err_nomem(err);
	}
	return QF_OK;
}

/* The filter, if it says more than what kind is to be listed: "is:held" is -qQ and no filter. */
static const struct qf_query *
real_filter(const struct qf_mailq_options *options)
{
	const struct qf_node *root = options->query ? options->query->root : NULL;
	const char *state = options->kind == QF_KIND_HELD   ? "held"
			    : options->kind == QF_KIND_LOST ? "lost"
							    : "";

	if (!root || (root->kind == QF_NODE_TERM && root->term->test == QF_TEST_STATE &&
		      root->term->text.n == strlen(state) &&
		      memcmp(root->term->text.p, state, root->term->text.n) == 0))
		return NULL;
	return options->query;
}

enum qf_code
qf_render_mailq(struct qf_queue *queue, const struct qf_mailq_options *options,
		bool (*sink)(void *ctx, const char *bytes, size_t n), void *ctx,
		struct qf_scan_stats *stats, struct qf_err *err)
{
	const struct qf_policy *policy = qf_queue_policy(queue);
	const struct qf_query *query = real_filter(options);
	struct listing listing = {
		.view.queue = queue,
		.view.options = options,
		.view.query = query,
		.view.policy = policy,
		.view.style = {options->verbose, options->safe, options->utf8, options->redactor},
		/* With a filter sendmail reads them whatever the order. */
		.view.reads_files = query || order_reads_files(policy->sort_order),
		.view.mutex = PTHREAD_MUTEX_INITIALIZER,
		.sink = sink,
		.sink_ctx = ctx,
	};
	struct qf_scan_options scan_options = {
		.needs = QF_NEED_BUSY | QF_NEED_DATA |
			 (policy->sort_order == QF_ORDER_MODIFICATION ? QF_NEED_STAT : 0) |
			 (query ? qf_query_needs(query) : 0),
		/* A filter wants to know what a message says; the list is made of the bytes. */
		.raw = !query,
		.kinds = 1u << options->kind,
		.jobs = options->jobs,
		.max_ops = options->max_ops,
		.visit = qf_mailq_visit,
		.worker_begin = qf_mailq_worker_begin,
		.worker_end = qf_mailq_worker_end,
		.ctx = &listing.view,
		.cancel = options->cancel,
	};
	struct qf_scan *scan;
	enum qf_code code;

	if (stats)
		*stats = (struct qf_scan_stats){0};
	qf_io_init(&listing.view.io, NULL, options->max_ops);
	code = qf_scan_new(queue, &scan_options, &scan, err);
	if (code)
		return code;
	code = run(&listing, scan, err);
	if (!code && !listing.view.failed)
		code = finish(&listing, err);
	if (stats)
		qf_scan_stats(scan, stats);
	qf_scan_free(scan);
	/* The workers are gone: the failure is ours alone now. */
	if (!code && listing.view.failed) {
		code = listing.view.failure.code;
		if (err)
			*err = listing.view.failure;
	}
	if (options->shown)
		*options->shown = listing.shown;
	qf_mailq_store_release(&listing.entries);
	qf_buf_release(&listing.notices);
	qf_buf_release(&listing.out);
	pthread_mutex_destroy(&listing.view.mutex);
	return code;
}
