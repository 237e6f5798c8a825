/*
 * txn_drive - deliver, bounce: a message handed to one run of sendmail that takes no other.
 *
 * sendmail -qI takes every file whose name contains the text (observed). With "qf" before the id
 * these are the message and those whose ids begin with it; they are locked while the run lasts, so
 * that it passes them over. The message's own lock is given up just before, and then another
 * sendmail may be quicker: so nothing is taken for done that this run does not say it did.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "list.h"
#include "msg.h"
#include "txn.h"

/* The message's own lock is the other one of QF_TAKEN_MAX that all threads share. */
#define OTHERS_MAX 8

struct qf_drive {
	struct qf_work work;
	struct qf_taken others[OTHERS_MAX];
	size_t nothers;
};

/* Whether anybody would be told. sendmail drops a message that has come to its time, and the
 * recipients that have no F (NOTIFY=NEVER, NOTIFY=DELAY), without a word (observed). */
static bool
wants_report(const struct qf_envelope *env)
{
	for (size_t i = 0; i < env->nrecipients; i++)
		if (env->recipients[i].flags & QF_RCPT(FAILURE))
			return true;
	return false;
}

/* What is in the way of handing it over, or NULL. */
static const char *
obstacle(const struct qf_msg *msg, int64_t data_size, enum qf_change_kind kind)
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	enum qf_fate fate = qf_msg_fate(msg);

	if (qf_msg_state(msg) == QF_STATE_HELD || env->quarantine.p)
		return "held: release it first";
	if (qf_msg_state(msg) == QF_STATE_LOST)
		return "lost (Qf): no queue run takes it";
	if (!env->sender.p)
		return "it has no sender: the run would end there";
	if (data_size == -1)
		return "its data file is missing: it would go out empty";
	if (fate != QF_FATE_IGNORED && fate != QF_FATE_EMPTY_MESSAGE)
		return "its control file is damaged; see qf show";
	if (!env->nrecipients)
		return "it has no recipients";
	if (kind == QF_CHANGE_BOUNCE && (env->flags & QF_FLAG(RESPONSE)))
		return "it is a report: sendmail would send it, not return it";
	if (kind == QF_CHANGE_BOUNCE && !wants_report(env))
		return "nobody is to be told of a failure (NOTIFY): sendmail would drop it; see qf rm";
	return NULL;
}

const char *
qf_drive_obstacle(const struct qf_row *row, enum qf_change_kind kind)
{
	const char *why = obstacle(row->msg, qf_msg_files(row->msg)->data_size, kind);

	/* Their time-out has to stay as it is: see qf_drive_begin() in qf.h. */
	if (!why && kind == QF_CHANGE_BOUNCE && row->outlook.timeout_class == QF_CLASS_DSN)
		why = "sendmail takes it for a report: it would send it, not return it";
	return why;
}

/* As it was read under the lock; its data file as it was seen before. */
static bool
is_fit(struct qf_work *work, const struct qf_msg *seen)
{
	const char *why = obstacle(work->msg, qf_msg_files(seen)->data_size, work->change->kind);

	if (why)
		return qf_work_end(work, QF_RESULT_SKIPPED, "%s", why);
	return qf_work_is_settled(work);
}

/* Lock one whose name contains that of the message. */
static bool
take_other(struct qf_drive *drive, size_t dir, const char *name)
{
	struct qf_work *work = &drive->work;
	struct qf_txn *txn = work->txn;
	enum qf_code code;

	if (drive->nothers == OTHERS_MAX)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the names of more than %d others contain this id", OTHERS_MAX);
	code = qf_take(txn->io, qf_queue_dir(txn->queue, dir)->control_fd, name,
		       txn->places[dir].kinds, &drive->others[drive->nothers], &work->err);
	if (code == QF_E_GONE)
		return true;
	if (code == QF_E_BUSY)
		return qf_work_end(work, QF_RESULT_BUSY,
				   "%s, whose name contains this id, is in delivery", name);
	if (code)
		return qf_work_fail(work, code);
	drive->nothers++;
	return true;
}

/* In one directory; the same name in another one is another message, too. */
static bool
take_others_in(struct qf_drive *drive, size_t dir, const char *text)
{
	struct qf_work *work = &drive->work;
	const struct qf_dir *d = qf_queue_dir(work->txn->queue, dir);
	const struct qf_sys_entry *entry;
	struct qf_list list;
	bool ok = true;
	int fd;

	if (d->trouble)
		return qf_work_end(work, QF_RESULT_FAILED, "%s cannot be listed: it may hold "
				   "others whose names contain this id", d->path);
	/* A descriptor of its own: other threads list the same directory. */
	fd = qf_io_open(work->txn->io, d->control_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return qf_work_end(work, QF_RESULT_FAILED, "%s: cannot list: %s", d->path,
				   strerror(errno));
	if (!qf_list_begin(&list, work->txn->io, fd)) {
		qf_io_close(work->txn->io, fd);
		qf_err_nomem(&work->err);
		return qf_work_fail(work, QF_E_NOMEM);
	}
	while (ok && (entry = qf_list_next(&list)))
		if (strncmp(entry->name, "qf", 2) == 0 && strstr(entry->name, text) &&
		    (d != work->dir || strcmp(entry->name, work->name)))
			ok = take_other(drive, dir, entry->name);
	if (ok && list.failure)
		ok = qf_work_end(work, QF_RESULT_FAILED, "%s: cannot list: %s", d->path,
				 strerror(list.failure));
	qf_list_end(&list);
	qf_io_close(work->txn->io, fd);
	return ok;
}

static void
give_up_others(struct qf_drive *drive)
{
	while (drive->nothers)
		qf_take_release(drive->work.txn->io, &drive->others[--drive->nothers]);
}

struct qf_drive *
qf_drive_begin(struct qf_txn *txn, const struct qf_msg *msg, const struct qf_change *change,
	       struct qf_outcome *outcome)
{
	struct qf_drive *drive = calloc(1, sizeof(*drive));
	bool ok;

	if (!drive) {
		*outcome = (struct qf_outcome){.result = QF_RESULT_FAILED, .why = "out of memory"};
		return NULL;
	}
	ok = qf_work_start(&drive->work, txn, msg, change, outcome) && is_fit(&drive->work, msg);
	for (size_t dir = 0; ok && dir < qf_queue_ndirs(txn->queue); dir++)
		ok = take_others_in(drive, dir, drive->work.name);
	if (ok && qf_work_begin(&drive->work)) {
		/* It is sendmail's turn; the others stay locked. */
		qf_take_release(txn->io, &drive->work.taken);
		return drive;
	}
	give_up_others(drive);
	qf_work_finish(&drive->work);
	free(drive);
	return NULL;
}

/* What is there of the message now. */
struct found {
	const struct qf_work *work;
	bool queued, held, lost, busy;
	size_t owed;
	char status[160];
};

static bool
note_found(void *ctx, struct qf_msg *msg)
{
	struct found *found = ctx;
	const struct qf_files *files = qf_msg_files(msg);
	const struct qf_envelope *env = qf_msg_envelope(msg);

	if (qf_queue_dir(found->work->txn->queue, files->dir) != found->work->dir)
		return true;
	found->queued |= files->kind == QF_KIND_QUEUED;
	found->held |= files->kind == QF_KIND_HELD;
	found->lost |= files->kind == QF_KIND_LOST;
	found->busy |= files->busy == QF_YES;
	found->owed = env->nrecipients;
	if (env->status.n)
		snprintf(found->status, sizeof(found->status), "%.*s",
			 (int)(env->status.n < 150 ? env->status.n : 150), env->status.p);
	return true;
}

/* The queue no longer has it. Only what this run said it did is done. */
static void
judge_gone(struct qf_work *work, const struct qf_said *said, const char *text)
{
	if (work->change->kind == QF_CHANGE_BOUNCE ? said->returned : said->tried)
		qf_work_end(work, QF_RESULT_DONE, "%.250s", text);
	else if (said->tried)
		qf_work_end(work, QF_RESULT_CHANGED, "it left the queue, but was not returned: %.200s",
			    text);
	else
		qf_work_end(work, QF_RESULT_CHANGED,
			    "it left the queue, but not by this run: another sendmail had it");
}

static void
judge_queued(struct qf_work *work, const struct found *found, const struct qf_said *said,
	     const char *text, size_t before)
{
	if (found->busy || (said->locked && !said->tried))
		qf_work_end(work, QF_RESULT_BUSY, "another sendmail has it");
	else if (!said->tried)
		qf_work_end(work, QF_RESULT_FAILED, "still queued: sendmail did not try it%s%.150s",
			    *text ? ": " : "", text);
	else
		qf_work_end(work, QF_RESULT_FAILED, "still queued for %zu of %zu: %.200s",
			    found->owed, before > found->owed ? before : found->owed,
			    *found->status ? found->status : text);
}

void
qf_drive_end(struct qf_drive *drive, struct qf_slice output, const char *why_not,
	     struct qf_outcome *outcome)
{
	struct qf_work *work = &drive->work;
	struct found found = {.work = work};
	struct qf_said said;
	struct qf_buf text = {0};
	struct qf_err err;
	enum qf_code code;

	work->outcome = outcome;
	qf_said_read(output, work->id, &said, &text);
	qf_buf_addc(&text, '\0');
	code = qf_queue_find(work->txn->queue, work->id, QF_NEED_BUSY, note_found, &found, &err);
	if (text.failed)
		qf_work_end(work, QF_RESULT_FAILED, "out of memory: what became of it is not known");
	else if (code && code != QF_E_NOT_FOUND)
		qf_work_end(work, QF_RESULT_FAILED, "what became of it is not known: %.200s",
			    err.why);
	else if (found.lost)
		qf_work_end(work, QF_RESULT_FAILED, "sendmail has set it aside as lost (Qf): %.180s",
			    text.p);
	else if (found.held)
		qf_work_end(work, QF_RESULT_FAILED, "it was held meanwhile");
	else if (why_not)
		qf_work_end(work, QF_RESULT_FAILED, "%s", why_not);
	else if (found.queued)
		judge_queued(work, &found, &said, text.p,
			     qf_msg_envelope(work->msg)->nrecipients);
	else
		judge_gone(work, &said, text.p);
	give_up_others(drive);
	qf_work_finish(work);
	qf_buf_release(&text);
	free(drive);
}
