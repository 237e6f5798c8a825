/*
 * txn_fix_eml - a rescued message as mail that any reader opens: the headers of its control file or
 * tf, as far as they are there, and its body. What is missing is said in the subject.
 */
#include <errno.h>
#include <string.h>

#include "buf.h"
#include "copy.h"
#include "err.h"
#include "txn_fix.h"

/* The header lines; those that every mail has, where there are none. */
static void
add_headers(const struct qf_fixing *fixing, struct qf_buf *out)
{
	const struct qf_orphan_file *control = qf_fix_control(fixing->orphan);
	struct qf_msg *msg =
		control && control->size > 0
			? qf_read_control(fixing->work.txn->io, control->at, control->name)
			: NULL;

	if (msg)
		qf_headers_write(msg, out);
	qf_msg_free(msg);
	if (!out->n)
		qf_buf_addf(out, "Subject: (queue file of %s: its headers are lost)\n",
			    fixing->orphan->id);
	qf_buf_addf(out, "X-Qf-Rescued: %s; %s\n\n", fixing->orphan->id,
		    qf_cause_type(fixing->orphan->cause)->code);
}

/* 0, or an errno. */
static int
add_body(struct qf_io *io, const struct qf_orphan_file *body, int to)
{
	int from = qf_io_open(io, body->at, body->name,
			      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char sha[QF_SHA_TEXT];
	int64_t bytes;
	bool reading;
	int failure;

	if (from < 0)
		return errno;
	failure = qf_copy(io, from, to, body->size, sha, &bytes, &reading, NULL);
	qf_io_close(io, from);
	return failure;
}

bool
qf_fix_write_eml(struct qf_fixing *fixing, int folder)
{
	struct qf_io *io = fixing->work.txn->io;
	const struct qf_orphan_file *body = qf_fix_file(fixing->orphan, QF_KIND_DATA);
	struct qf_buf headers = {0};
	int to, failure = 0;

	add_headers(fixing, &headers);
	if (headers.failed) {
		qf_buf_release(&headers);
		return qf_work_fail(&fixing->work, qf_err_nomem(&fixing->work.err));
	}
	to = qf_io_create(io, folder, QF_FIX_EML, O_WRONLY | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0 || qf_io_write(io, to, headers.p, headers.n) != 0)
		failure = errno;
	if (!failure && body)
		failure = add_body(io, body, to);
	if (!failure && qf_io_fsync(io, to) != 0)
		failure = errno;
	if (to >= 0)
		qf_io_close(io, to);
	qf_buf_release(&headers);
	errno = failure;
	return failure ? qf_work_fail_here(&fixing->work, "cannot be written as mail") : true;
}
