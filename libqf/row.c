/*
 * row - a message as fields see it: the states of is:STATE, and what several fields are made from.
 */
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "field.h"
#include "status.h"

void
qf_row_init(struct qf_row *row, struct qf_msg *msg, struct qf_queue *queue,
	    const struct qf_policy *policy, int64_t now)
{
	*row = (struct qf_row){.msg = msg, .queue = queue, .now = now};
	qf_outlook_of(msg, policy, now, &row->outlook);
}

/* ------------------------------------------------------------------ what fields are made from */

struct qf_slice
qf_row_recipient_status(const struct qf_row *row, size_t i)
{
	const struct qf_envelope *env = qf_msg_envelope(row->msg);

	if (i < env->nrecipients && env->recipients[i].status.p)
		return env->recipients[i].status;
	return env->status;
}

static const struct qf_slice daemon_name = QF_DAEMON_NAME;

bool
qf_row_null_sender(const struct qf_row *row)
{
	struct qf_slice sender = qf_address_bare(qf_msg_envelope(row->msg)->sender);

	return sender.p && (sender.n == 0 || (sender.n == daemon_name.n &&
					      !strncasecmp(sender.p, daemon_name.p, sender.n)));
}

struct qf_slice
qf_row_header_text(const struct qf_row *row, const struct qf_header *header, struct qf_buf *scratch)
{
	struct qf_slice text = qf_header_text(row->msg, header);
	bool encoded = text.n && (memchr(text.p, '\n', text.n) || memmem(text.p, text.n, "=?", 2));
	unsigned char bits = 0;

	/* Most of them need no decoding. */
	for (size_t i = 0; i < text.n; i++)
		bits |= (unsigned char)text.p[i];
	if (!encoded && bits < 0x80)
		return text;
	qf_buf_clear(scratch);
	qf_header_decode(text, scratch);
	return (struct qf_slice){scratch->n ? scratch->p : "", scratch->n};
}

struct qf_value
qf_row_body(const struct qf_row *row, struct qf_buf *scratch)
{
	struct qf_value none = {0};

	qf_buf_clear(scratch);
	if (!row->queue || qf_part_read(row->queue, row->msg, QF_PART_DATA, QF_BODY_MAX, scratch,
					NULL, NULL) != QF_OK)
		return none;
	return (struct qf_value){.present = true,
				 .text = {scratch->n ? scratch->p : "", scratch->n}};
}

/* ------------------------------------------------------------------ states */

static bool
is_due(const struct qf_row *row)
{
	return row->outlook.due != QF_TIME_NONE && row->outlook.due <= row->now &&
	       qf_msg_files(row->msg)->busy != QF_YES;
}

static const char *const state_names[] = {
	"queued", "held",    "lost",   "incomplete", "busy", "due",
	"young",  "expired", "warned", "damaged",    NULL,
};
enum {
	STATE_QUEUED,
	STATE_HELD,
	STATE_LOST,
	STATE_INCOMPLETE,
	STATE_BUSY,
	STATE_DUE,
	STATE_YOUNG,
	STATE_EXPIRED,
	STATE_WARNED,
	STATE_DAMAGED,
	STATE_COUNT
};

static int
find_state(const char *state, size_t n)
{
	for (int i = 0; i < STATE_COUNT; i++)
		if (strlen(state_names[i]) == n && strncasecmp(state_names[i], state, n) == 0)
			return i;
	return STATE_COUNT;
}

const char *const *
qf_row_states(void)
{
	return state_names;
}

bool
qf_row_is(const struct qf_row *row, const char *state, size_t n, bool *known)
{
	int which = find_state(state, n);

	if (known)
		*known = which != STATE_COUNT;
	switch (which) {
	case STATE_QUEUED:
		return qf_msg_state(row->msg) == QF_STATE_QUEUED;
	case STATE_HELD:
		return qf_msg_state(row->msg) == QF_STATE_HELD;
	case STATE_LOST:
		return qf_msg_state(row->msg) == QF_STATE_LOST;
	case STATE_INCOMPLETE:
		return qf_msg_state(row->msg) == QF_STATE_INCOMPLETE;
	case STATE_BUSY:
		return qf_msg_files(row->msg)->busy == QF_YES;
	case STATE_DUE:
		return is_due(row);
	case STATE_YOUNG:
		return row->outlook.young;
	case STATE_EXPIRED:
		return row->outlook.expired;
	case STATE_WARNED:
		return row->outlook.warned;
	case STATE_DAMAGED:
		return qf_msg_fate(row->msg) != QF_FATE_IGNORED;
	default:
		return false;
	}
}

unsigned
qf_row_state_needs(const char *state, size_t n)
{
	switch (find_state(state, n)) {
	case STATE_BUSY:
		return QF_NEED_BUSY;
	case STATE_DUE:
		return QF_NEED_BUSY | QF_NEED_STAT;
	/* No run takes a file that others may write. */
	case STATE_YOUNG:
		return QF_NEED_STAT;
	case STATE_EXPIRED:
		return QF_NEED_HEADERS;
	case STATE_DAMAGED:
		return QF_NEED_STAT | QF_NEED_DATA | QF_NEED_HEADERS;
	default:
		return 0;
	}
}
