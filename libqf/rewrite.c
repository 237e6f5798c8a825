/*
 * rewrite - a control file with one thing changed.
 */
#include <string.h>

#include "buf.h"
#include "rewrite.h"

static void
add_reason(struct qf_buf *out, const char *reason)
{
	qf_buf_addc(out, 'q');
	for (; *reason; reason++)
		qf_buf_addc(out, *reason == '\n' ? ' ' : *reason);
	qf_buf_addc(out, '\n');
}

void
qf_rewrite_hold(const struct qf_msg *msg, const char *reason, struct qf_buf *out)
{
	size_t n;
	const struct qf_record *records = qf_msg_records(msg, &n);
	bool added = false;

	for (size_t i = 0; i < n; i++) {
		/* Where sendmail writes it: behind V T K N P d I B. Before T and P it would make
		   the scanner skip the file for ever. */
		if (!added && !(records[i].letter && strchr("VTKNPdIBq", records[i].letter))) {
			add_reason(out, reason);
			added = true;
		}
		if (records[i].letter != 'q')
			qf_buf_add_slice(out, records[i].raw);
	}
}

void
qf_rewrite_release(const struct qf_msg *msg, struct qf_buf *out)
{
	size_t n;
	const struct qf_record *records = qf_msg_records(msg, &n);

	for (size_t i = 0; i < n; i++)
		if (records[i].letter != 'q')
			qf_buf_add_slice(out, records[i].raw);
}

bool
qf_rewrite_last_try(const struct qf_msg *msg, int64_t last_try, struct qf_buf *out)
{
	size_t n;
	const struct qf_record *records = qf_msg_records(msg, &n);
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (records[i].letter != 'K') {
			qf_buf_add_slice(out, records[i].raw);
			continue;
		}
		found = true;
		qf_buf_addc(out, 'K');
		qf_buf_add_int(out, last_try);
		qf_buf_addc(out, '\n');
	}
	return found;
}

static void
add_time(struct qf_buf *out, char letter, int64_t number)
{
	qf_buf_addc(out, letter);
	qf_buf_add_int(out, number);
	qf_buf_addc(out, '\n');
}

bool
qf_rewrite_move(const struct qf_msg *msg, const struct qf_rewrite_move *move, struct qf_buf *out)
{
	size_t n;
	const struct qf_record *records = qf_msg_records(msg, &n);
	bool reason_due = move->reason != NULL, changed = false;

	for (size_t i = 0; i < n; i++) {
		char letter = (char)records[i].letter;

		/* As in qf_rewrite_hold(). */
		if (reason_due && !(letter && strchr("VTKNPdIBq", letter))) {
			add_reason(out, move->reason);
			reason_due = false;
			changed = true;
		}
		if ((letter == 'd' && move->data_beside) || (letter == 'q' && (move->reason || move->unhold))) {
			changed = true;
		} else if (letter == 'T' && move->refresh) {
			add_time(out, 'T', move->created);
			changed = true;
		} else if (letter == 'K' && move->due) {
			add_time(out, 'K', 0);
			changed = true;
		} else {
			qf_buf_add_slice(out, records[i].raw);
		}
	}
	return changed;
}
