/*
 * mailq_visit - what a scan's worker threads do for the list: the text of one entry, and what it
 * sorts by.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "layout.h"
#include "mailq.h"

struct worker {
	struct qf_mailq_view *view;
	struct qf_matcher *matcher;
	struct qf_mailq_clock clock;
};

void *
qf_mailq_worker_begin(void *ctx)
{
	struct qf_mailq_view *view = ctx;
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return NULL;
	worker->view = view;
	if (view->query) {
		worker->matcher = qf_matcher_new(view->query);
		if (!worker->matcher) {
			free(worker);
			return NULL;
		}
	}
	return worker;
}

void
qf_mailq_worker_end(void *arg)
{
	struct worker *worker = arg;

	if (worker)
		qf_matcher_free(worker->matcher);
	free(worker);
}

static bool
matches(struct worker *worker, struct qf_msg *msg)
{
	struct qf_mailq_view *view = worker->view;
	struct qf_row row;
	struct qf_err err;
	bool matched = false;

	if (!worker->matcher)
		return true;
	qf_row_init(&row, msg, view->queue, view->policy, view->options->now);
	if (qf_matcher_match(worker->matcher, &row, &matched, &err)) {
		pthread_mutex_lock(&view->mutex);
		if (!view->failed)
			view->failure = err;
		view->failed = true;
		pthread_mutex_unlock(&view->mutex);
	}
	return matched;
}

static bool
has_finding(const struct qf_msg *msg, enum qf_finding finding)
{
	size_t n;
	const struct qf_diagnostic *diagnostics = qf_msg_diagnostics(msg, &n);

	for (size_t i = 0; i < n; i++)
		if (diagnostics[i].finding == finding)
			return true;
	return false;
}

/* The id in at least 13 columns. */
static void
put_id(struct qf_buf *out, const struct qf_mailq_view *view, struct qf_slice id)
{
	if (id.n < 13)
		qf_buf_add(out, "             ", 13 - id.n);
	if (view->style.safe)
		qf_escape_terminal(out, id, view->style.utf8);
	else
		qf_buf_add_slice(out, id);
}

/* Why sendmail could not open it either, or 0. */
static int
open_failure(struct qf_mailq_view *view, const struct qf_files *files)
{
	const struct qf_dir *dir = qf_queue_dir(view->queue, files->dir);
	int fd = qf_io_open(&view->io, dir->control_fd, files->name.p,
			    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno;
	qf_io_close(&view->io, fd);
	return 0;
}

/* As sendmail puts it. */
static void
put_failure(struct qf_buf *out, int failure)
{
	char text[128];
	const char *why = strerror_r(failure, text, sizeof(text));

	if (failure == EPERM)
		why = "permission denied";
	else if (failure == ENOENT)
		why = "job completed";
	qf_buf_adds(out, " (");
	qf_buf_adds(out, why);
	qf_buf_adds(out, ")\n");
}

static char
mark_of(const struct qf_mailq_view *view, const struct qf_files *files,
	const struct qf_mailq_rank *rank, bool locked)
{
	if (locked)
		return '*';
	if (files->kind == QF_KIND_LOST)
		return '?';
	return view->reads_files && rank->young ? '-' : ' ';
}

/* Returns where in text the mark is. */
static size_t
put_entry(struct worker *worker, struct qf_msg *msg, const struct qf_mailq_rank *rank, bool locked,
	  struct qf_buf *text)
{
	struct qf_mailq_view *view = worker->view;
	const struct qf_files *files = qf_msg_files(msg);
	int64_t size = files->data_size;
	int failure = has_finding(msg, QF_F_UNREADABLE) ? open_failure(view, files) : 0;
	size_t mark;

	put_id(text, view, files->id);
	if (failure) {
		put_failure(text, failure);
		return SIZE_MAX;
	}
	if (size < 0 || qf_msg_envelope(msg)->data_dir.p) {
		const struct qf_mailq_missing ask = {view->queue, &view->io, &view->style,
						     view->options->now};

		size = qf_mailq_missing(&ask, msg, text);
	}
	mark = text->n;
	qf_buf_addc(text, mark_of(view, files, rank, locked));
	qf_mailq_entry(text, &view->style, &worker->clock, qf_msg_bytes(msg), size,
		       view->reads_files ? rank->priority : 0);
	return mark;
}

static void
put_word(struct qf_buf *text, const struct qf_mailq_view *view, const struct qf_files *files,
	 const struct qf_mailq_rank *rank)
{
	switch (view->policy->sort_order) {
	case QF_ORDER_FILENAME:
		qf_buf_add_slice(text, files->name);
		break;
	case QF_ORDER_HOST:
	case QF_ORDER_SHUFFLE:
		/* Backwards, so that hosts of one domain lie together; none comes before all. */
		if (rank->host.p)
			qf_buf_addc(text, '@');
		for (size_t i = rank->host.n; i > 0; i--)
			qf_buf_addc(text, rank->host.p[i - 1]);
		break;
	default:
		break;
	}
}

static int64_t
sort_key(const struct qf_mailq_view *view, const struct qf_files *files,
	 const struct qf_mailq_rank *rank)
{
	switch (view->policy->sort_order) {
	case QF_ORDER_PRIORITY:
	case QF_ORDER_HOST:
	case QF_ORDER_SHUFFLE:
		return rank->priority;
	case QF_ORDER_TIME:
		return rank->created;
	case QF_ORDER_MODIFICATION:
		return files->mtime;
	default:
		return 0;
	}
}

/* What is not a regular file. sendmail says so, but for links that lead nowhere. */
static enum qf_mailq_what
judge_irregular(struct qf_mailq_view *view, const struct qf_files *files)
{
	struct stat st;

	if (qf_io_stat(&view->io, qf_queue_dir(view->queue, files->dir)->control_fd, files->name.p,
		       &st, 0) != 0 ||
	    S_ISREG(st.st_mode))
		return QF_MAILQ_PASSED;
	return files->name.n > 2 ? QF_MAILQ_NOTICE : QF_MAILQ_PASSED;
}

bool
qf_mailq_visit(void *arg, struct qf_msg *msg, struct qf_buf *text)
{
	struct worker *worker = arg;
	const struct qf_files *files = qf_msg_files(msg);
	struct qf_mailq_head head = {.what = QF_MAILQ_ENTRY, .mark = QF_MAILQ_NO_MARK};
	struct qf_mailq_rank rank = {0};
	struct qf_mailq_view *view;
	size_t start = text->n, mark;

	if (!worker) {
		text->failed = true;
		return true;
	}
	view = worker->view;
	if (!matches(worker, msg))
		return false;
	qf_buf_add(text, &head, sizeof(head));
	if (has_finding(msg, QF_F_NOT_REGULAR)) {
		head.what = judge_irregular(view, files);
	} else if (view->reads_files) {
		enum qf_sort_order order = view->policy->sort_order;

		qf_mailq_gather(qf_msg_bytes(msg), files->kind, view->policy, view->options->now,
				order == QF_ORDER_HOST || order == QF_ORDER_SHUFFLE, &rank);
		if (rank.set_aside)
			head.what = QF_MAILQ_PASSED;
		head.locked = files->busy == QF_YES;
	}
	if (head.what == QF_MAILQ_PASSED && view->policy->max_queue_run_size == 0)
		return false;
	if (head.what == QF_MAILQ_ENTRY) {
		mark = put_entry(worker, msg, &rank, head.locked, text);
		if (mark != SIZE_MAX)
			head.mark = (uint32_t)(mark - start - sizeof(head));
		head.text_n = (uint32_t)(text->n - start - sizeof(head));
		put_word(text, view, files, &rank);
		head.key = sort_key(view, files, &rank);
	} else if (head.what == QF_MAILQ_NOTICE) {
		qf_buf_add_slice(text, files->name);
		head.text_n = (uint32_t)files->name.n;
	}
	if (text->n - start > UINT32_MAX)
		text->failed = true;
	if (text->failed)
		return true;
	head.word_n = (uint32_t)(text->n - start - sizeof(head) - head.text_n);
	memcpy(text->p + start, &head, sizeof(head));
	return true;
}
