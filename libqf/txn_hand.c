/*
 * txn_hand - a message handed to another server by who called, under its lock all the while.
 *
 *	1 locked, read again, intent in the journal
 *	2 the caller hands it on
 *	3 who was accepted is struck in one rewrite, or the message leaves the queue for good
 * Between the server's answer in 2 and 3 is a window that no protocol closes. The intent without a
 * result tells of it.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "msg.h"
#include "txn.h"

struct qf_hand {
	struct qf_work work;
	struct qf_change change;
	struct qf_msg *msg; /* with its headers */
};

static const char *
obstacle(const struct qf_work *work)
{
	const struct qf_envelope *env = qf_msg_envelope(work->msg);
	enum qf_fate fate = qf_msg_fate(work->msg);

	if (qf_msg_state(work->msg) == QF_STATE_HELD || env->quarantine.p)
		return "held: release it first";
	if (qf_msg_state(work->msg) == QF_STATE_LOST)
		return "lost (Qf)";
	if (!env->sender.p)
		return "it has no sender";
	if (fate != QF_FATE_IGNORED && fate != QF_FATE_EMPTY_MESSAGE)
		return "its control file is damaged; see qf show";
	if (!env->nrecipients)
		return "it has no recipients";
	return NULL;
}

/* Has a rewrite been interrupted? Then who is still owed is not only in the control file. */
static bool
has_staged(const struct qf_work *work)
{
	char name[QF_NAME_MAX + 2];
	struct stat st;

	snprintf(name, sizeof(name), "tf%s", work->id);
	return qf_io_stat(work->txn->io, work->dir->control_fd, name, &st, AT_SYMLINK_NOFOLLOW) ==
	       0;
}

static bool
is_fit(struct qf_hand *hand)
{
	struct qf_work *work = &hand->work;
	const char *why = obstacle(work);
	int fd;

	if (!why && has_staged(work))
		why = "a tf beside it: see qf orphans";
	if (why)
		return qf_work_end(work, QF_RESULT_SKIPPED, "%s", why);
	fd = qf_hand_data(hand);
	if (fd < 0)
		return qf_work_end(work, QF_RESULT_SKIPPED, "its data file cannot be opened");
	qf_io_close(work->txn->io, fd);
	if (qf_msg_parse(qf_msg_bytes(work->msg), NULL, &hand->msg, &work->err))
		return qf_work_fail(work, QF_E_NOMEM);
	return true;
}

struct qf_hand *
qf_hand_begin(struct qf_txn *txn, const struct qf_msg *msg, struct qf_outcome *outcome)
{
	static const struct qf_edit nothing;
	struct qf_hand *hand = calloc(1, sizeof(*hand));

	if (!hand) {
		*outcome = (struct qf_outcome){.result = QF_RESULT_FAILED, .why = "out of memory"};
		return NULL;
	}
	hand->change = (struct qf_change){.kind = QF_CHANGE_HAND, .edit = &nothing};
	if (qf_work_start(&hand->work, txn, msg, &hand->change, outcome) &&
	    qf_work_is_only_one(&hand->work) && is_fit(hand) && qf_work_begin(&hand->work))
		return hand;
	qf_work_finish(&hand->work);
	qf_msg_free(hand->msg);
	free(hand);
	return NULL;
}

struct qf_msg *
qf_hand_msg(const struct qf_hand *hand)
{
	return hand->msg;
}

int
qf_hand_data(const struct qf_hand *hand)
{
	const struct qf_work *work = &hand->work;
	int dir = qf_satellite_dir(work->txn, qf_work_dir(work),
				   qf_msg_envelope(work->msg)->data_dir, QF_IN_DATA);
	char name[QF_NAME_MAX + 2];

	snprintf(name, sizeof(name), "df%s", work->id);
	return dir < 0 ? -1
		       : qf_io_open(work->txn->io, dir, name,
				    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* Who was accepted is owed nothing any more. */
static bool
strike(struct qf_work *work, const char *marks)
{
	struct qf_buf bytes = {0};
	bool ok = true;

	if (qf_edit_rewrite(work, marks, &bytes))
		ok = qf_work_replace(work, work->name, &bytes);
	qf_buf_release(&bytes);
	return ok;
}

void
qf_hand_end(struct qf_hand *hand, const char *marks, const char *why, struct qf_outcome *outcome)
{
	struct qf_work *work = &hand->work;
	size_t n = qf_msg_envelope(work->msg)->nrecipients, accepted = 0;

	for (size_t i = 0; i < n; i++)
		accepted += marks[i] == 'd';
	work->outcome = outcome;
	if (accepted == n && qf_work_destroy(work))
		outcome->result = QF_RESULT_DONE;
	else if (accepted < n && (!accepted || strike(work, marks)))
		qf_work_end(work, QF_RESULT_FAILED, "accepted for %zu of %zu: %.180s", accepted, n,
			    why ? why : "");
	else
		snprintf(outcome->why, sizeof(outcome->why),
			 "accepted for %zu of %zu, but that could not be written: a second copy "
			 "may go out",
			 accepted, n);
	qf_work_finish(work);
	qf_msg_free(hand->msg);
	free(hand);
}
