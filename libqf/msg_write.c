/*
 * msg_write - from a message back to bytes.
 *
 * Two writers: the records as they stand (lossless), and a control file composed from an
 * envelope, in the order and form sendmail 8.17 writes. Origin: sendmail/queue.c queueup().
 */
#include <string.h>

#include "buf.h"
#include "msg.h"
#include "rec.h"

void
qf_msg_write(const struct qf_msg *msg, struct qf_buf *out)
{
	for (size_t i = 0; i < msg->nrecords; i++)
		qf_buf_add_slice(out, msg->records[i].raw);
}

/* A value ends at a NUL when read, and line ends in it would begin new records. */
static void
add_value(struct qf_buf *out, struct qf_slice value, bool keep_folds)
{
	for (size_t i = 0; i < value.n && value.p[i]; i++) {
		bool fold = keep_folds && i + 1 < value.n &&
			    (value.p[i + 1] == ' ' || value.p[i + 1] == '\t');

		qf_buf_addc(out, value.p[i] == '\n' && !fold ? ' ' : value.p[i]);
	}
}

static void
add_line(struct qf_buf *out, char letter, struct qf_slice value)
{
	if (!value.p)
		return;
	qf_buf_addc(out, letter);
	add_value(out, value, false);
	qf_buf_addc(out, '\n');
}

static void
add_number(struct qf_buf *out, char letter, int64_t number)
{
	qf_buf_addc(out, letter);
	qf_buf_add_int(out, number);
	qf_buf_addc(out, '\n');
}

static void
add_flags(struct qf_buf *out, unsigned flags)
{
	if (!flags)
		return;
	qf_buf_addc(out, 'F');
#define X(id, letter, name, help)                                                                  \
	if (flags & QF_FLAG(id))                                                                   \
		qf_buf_addc(out, letter);
	QF_FLAGS(X)
#undef X
	qf_buf_addc(out, '\n');
}

static bool
same(struct qf_slice a, struct qf_slice b)
{
	return a.n == b.n && (a.n == 0 || !memcmp(a.p, b.p, a.n));
}

/* controller is the one in force before; returns the one in force behind. */
static struct qf_slice
add_recipient(struct qf_buf *out, const struct qf_recipient *rcpt, struct qf_slice controller)
{
	add_line(out, 'M', rcpt->status);
	if (!same(rcpt->controller, controller)) {
		add_line(out, 'C', rcpt->controller.p ? rcpt->controller : QF_LITERAL(""));
		controller = rcpt->controller;
	}
	add_line(out, 'Q', rcpt->original);
	add_line(out, 'r', rcpt->final);
	qf_buf_addc(out, 'R');
#define X(id, letter, help)                                                                        \
	if (rcpt->flags & QF_RCPT(id))                                                             \
		qf_buf_addc(out, letter);
	QF_RCPT_FLAGS(X)
#undef X
	qf_buf_addc(out, ':');
	add_value(out, rcpt->address, false);
	qf_buf_addc(out, '\n');
	return controller;
}

void
qf_envelope_write(const struct qf_envelope *env, struct qf_buf *out)
{
	struct qf_slice controller = {0};

	add_number(out, 'V', QF_FORMAT_VERSION);
	if (env->created != QF_TIME_NONE)
		add_number(out, 'T', env->created);
	add_number(out, 'K', env->last_try == QF_TIME_NONE ? 0 : env->last_try);
	add_number(out, 'N', env->tries);
	add_number(out, 'P', env->priority);
	add_line(out, 'd', env->data_dir);
	add_line(out, 'I', env->inode);
	add_line(out, 'B', env->body_type);
	add_line(out, 'q', env->quarantine);
	add_line(out, 'M', env->status);
	add_flags(out, env->flags);
	for (size_t i = 0; i < env->nmacros; i++) {
		qf_buf_addc(out, '$');
		add_value(out, env->macros[i].name, false);
		add_value(out, env->macros[i].value, false);
		qf_buf_addc(out, '\n');
	}
	add_line(out, 'S', env->sender);
	add_line(out, 'Z', env->envid);
	add_line(out, 'A', env->auth);
	if (env->deliver_by.present) {
		qf_buf_addc(out, '!');
		qf_buf_addc(out, (char)env->deliver_by.flag);
		qf_buf_addc(out, ' ');
		qf_buf_add_int(out, env->deliver_by.seconds);
		qf_buf_addc(out, '\n');
	}
	for (size_t i = 0; i < env->nrecipients; i++)
		controller = add_recipient(out, &env->recipients[i], controller);
	for (size_t i = 0; i < env->nheaders; i++) {
		qf_buf_adds(out, "H?");
		add_value(out, env->headers[i].condition, false);
		qf_buf_addc(out, '?');
		add_value(out, env->headers[i].name, false);
		qf_buf_addc(out, ':');
		add_value(out, env->headers[i].value, true);
		qf_buf_addc(out, '\n');
	}
	qf_buf_adds(out, ".\n");
}
