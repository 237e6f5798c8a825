/*
 * forecast - what will happen to a message next, in words.
 *
 * The facts are outlook.c's; here they become sentences. A return needs a failed try first
 * (sendmail tries once more past the limit), so no sentence says that it happens at an instant.
 */
#include "buf.h"
#include "qf.h"

/* "at TIME (in 5m)" or "since TIME (for 2h)". */
static void
say_when(struct qf_buf *out, int64_t when, int64_t now)
{
	char time[QF_TIME_TEXT], age[QF_TIME_TEXT];

	qf_time_format(when, time);
	qf_age_format(when > now ? qf_time_between(now, when) : qf_time_between(when, now), age);
	if (when > now)
		qf_buf_addf(out, "at %s (in %s)", time, age);
	else
		qf_buf_addf(out, "since %s (for %s)", time, age);
}

static void
say_return(const struct qf_row *row, struct qf_buf *out)
{
	const struct qf_outlook *outlook = &row->outlook;

	if (outlook->bounce_at == QF_TIME_NONE) {
		qf_buf_adds(out, "It is never returned.\n");
		return;
	}
	if (outlook->expired)
		qf_buf_adds(out, "The next try is its last: if that fails, it is returned. Its "
				 "return time has been past ");
	else
		qf_buf_adds(out, "A try that fails after its return time returns it: ");
	say_when(out, outlook->bounce_at, row->now);
	qf_buf_adds(out, ".\n");
}

static void
say_warning(const struct qf_row *row, struct qf_buf *out)
{
	const struct qf_outlook *outlook = &row->outlook;

	if (outlook->warned) {
		qf_buf_adds(out, "The sender has been warned of the delay.\n");
	} else if (outlook->warn_at != QF_TIME_NONE && !outlook->expired) {
		qf_buf_adds(out, outlook->warn_at > row->now
					 ? "If it is still here then, the sender is warned: "
					 : "The sender is warned if the next try fails; due ");
		say_when(out, outlook->warn_at, row->now);
		qf_buf_adds(out, ".\n");
	}
}

/* What becomes of a control file that sendmail does not deliver from. False: it does. */
static bool
say_fate(const struct qf_row *row, struct qf_buf *out)
{
	switch (qf_msg_fate(row->msg)) {
	case QF_FATE_IGNORED:
		return false;
	case QF_FATE_EMPTY_MESSAGE:
		qf_buf_adds(out, "It has no data file: delivered, it would be an empty message.\n");
		return false;
	case QF_FATE_SKIPPED:
		qf_buf_adds(out, "Every queue run passes it over: it is never tried and never "
				 "returned.\n");
		return true;
	case QF_FATE_REMOVED:
		qf_buf_adds(out, "A queue run deletes it together with its data file.\n");
		return true;
	case QF_FATE_LOST:
		qf_buf_adds(out, "The next queue run renames it to Qf; then nothing takes it any "
				 "more.\n");
		return true;
	case QF_FATE_ABORTS:
		qf_buf_adds(out, "The next queue run ends when it comes to it; what sorts behind "
				 "it is not tried.\n");
		return true;
	}
	return false;
}

void
qf_outlook_describe(const struct qf_row *row, struct qf_buf *out)
{
	const struct qf_files *files = qf_msg_files(row->msg);
	const struct qf_envelope *env = qf_msg_envelope(row->msg);

	if (files->have_busy && files->busy == QF_YES)
		qf_buf_adds(out, "It is in delivery now.\n");
	if (files->have_busy && files->busy == QF_UNKNOWN)
		qf_buf_adds(out, "Whether it is in delivery cannot be told from here.\n");
	switch (qf_msg_state(row->msg)) {
	case QF_STATE_LOST:
		qf_buf_adds(out, "Sendmail has set it aside (Qf): no queue run takes it, and it "
				 "never times out.\n");
		return;
	case QF_STATE_HELD:
		qf_buf_adds(out, "It is held: no queue run takes it until it is released.\n");
		if (say_fate(row, out))
			return;
		if (row->outlook.expired)
			qf_buf_adds(out, "Its return time has passed: released, it is tried once "
					 "and then returned.\n");
		return;
	case QF_STATE_QUEUED:
	case QF_STATE_INCOMPLETE:
		break;
	}
	if (say_fate(row, out))
		return;
	if (env->quarantine.p) {
		qf_buf_adds(out, "The next queue run holds it (renames it to hf): it has a "
				 "quarantine reason.\n");
		return;
	}
	if (row->outlook.due != QF_TIME_NONE) {
		qf_buf_adds(out, row->outlook.due > row->now ? "It is not tried before: "
							     : "Any queue run tries it: due ");
		say_when(out, row->outlook.due, row->now);
		qf_buf_adds(out, ".\n");
	}
	say_warning(row, out);
	say_return(row, out);
}
