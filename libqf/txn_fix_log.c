/*
 * txn_fix_log - recover: the control file of a lone body, written anew from what a mail log says of
 * its id.
 *
 * Sender, the recipients still owed and the time are the log's. The headers were in the control
 * file and are lost: Date, From and Subject say so. Recipients get the report on failure and delay
 * that those without NOTIFY= get.
 */
#include <string.h>
#include <time.h>

#include "buf.h"
#include "copy.h"
#include "err.h"
#include "txn_fix.h"

/* What sendmail 8.13 to 8.18 write and read. */
#define VERSION 8

/* Class and size factors aside, what a new message with few recipients gets. */
#define PRIORITY 30000

/* When the log first tells of it, or its body was written. */
static int64_t
created(const struct qf_orphan *orphan)
{
	int64_t when = orphan->files[0].mtime;

	for (size_t i = 0; i < orphan->nevidence; i++)
		if (orphan->evidence[i].time != QF_TIME_NONE && orphan->evidence[i].time < when)
			when = orphan->evidence[i].time;
	return when;
}

static bool
is_fit(const struct qf_slice address)
{
	char text[512];

	if (!address.n || address.n >= sizeof(text) || memchr(address.p, '\0', address.n))
		return false;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	return qf_edit_address_ok(text);
}

/* An address as control files have it. */
static void
add_address(struct qf_slice address, struct qf_buf *out)
{
	bool bare = address.p[0] != '<';

	if (bare)
		qf_buf_addc(out, '<');
	qf_buf_add_slice(out, address);
	if (bare)
		qf_buf_addc(out, '>');
	qf_buf_addc(out, '\n');
}

static void
compose(const struct qf_orphan *orphan, const char *reason, struct qf_buf *out)
{
	static const struct qf_slice null_sender = {"<>", 2};
	struct qf_slice sender = orphan->sender.n ? orphan->sender : null_sender;
	time_t when = (time_t)created(orphan);
	char date[64] = "";
	struct tm tm;

	qf_buf_addf(out, "V%d\nT%lld\nK0\nN0\nP%d\n", VERSION, (long long)when, PRIORITY);
	if (reason)
		qf_buf_addf(out, "q%s\n", reason);
	qf_buf_addc(out, 'S');
	add_address(sender, out);
	for (size_t i = 0; i < orphan->nrecipients; i++) {
		qf_buf_adds(out, "RPFD:");
		add_address(orphan->recipients[i], out);
	}
	if (gmtime_r(&when, &tm))
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	qf_buf_addf(out, "H??Date: %s\nH??From: ", date);
	add_address(sender, out);
	qf_buf_addf(out, "H??Subject: (recovered message %s: its headers are lost)\n", orphan->id);
	qf_buf_addf(out, "H??X-Qf-Recovered: %s; envelope from the mail log\n.\n", orphan->id);
}

bool
qf_fix_from_log(struct qf_fixing *fixing)
{
	static const char reason[] =
		"qf orphans: recovered from the log; release it once you know that "
		"it was not delivered";
	const struct qf_orphan *orphan = fixing->orphan;
	struct qf_work *work = &fixing->work;
	bool release = fixing->fix->release, ok;
	char name[QF_NAME_MAX], sha[QF_SHA_TEXT];
	struct qf_buf bytes = {0};

	if (!orphan->nrecipients || (orphan->sender.n && !is_fit(orphan->sender)))
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the log has no addresses that can be used");
	for (size_t i = 0; i < orphan->nrecipients; i++)
		if (!is_fit(orphan->recipients[i]))
			return qf_work_end(
				work, QF_RESULT_SKIPPED,
				"an address of the log cannot be used as it stands there");
	for (size_t dir = 0; dir < qf_queue_ndirs(work->txn->queue); dir++)
		if (qf_id_in_queue(work->txn->io, qf_queue_dir(work->txn->queue, dir), work->id))
			return qf_work_end(work, QF_RESULT_CHANGED,
					   "a control file of this id has come");
	/* Where sendmail looks for it, once the control file lies there. */
	if (!qf_fix_as_seen(fixing, &orphan->files[0]) ||
	    qf_io_stat(work->txn->io, work->dir->data_fd, orphan->files[0].name, &work->taken.st,
		       AT_SYMLINK_NOFOLLOW) != 0 ||
	    work->taken.st.st_ino != orphan->files[0].inode)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the body does not lie where bodies do");
	/* The new file gets the owner of the body, and a mode that is safe. */
	work->taken.st.st_mode &= ~(mode_t)(S_IWGRP | S_IWOTH);
	compose(orphan, release ? NULL : reason, &bytes);
	snprintf(name, sizeof(name), "%s%s", release ? "qf" : "hf", work->id);
	qf_sha_of((struct qf_slice){bytes.p, bytes.n}, sha);
	work->new_digest = sha;
	work->became = name;
	ok = qf_work_begin(work) && qf_work_arrive(work, name, &bytes);
	if (ok)
		qf_work_end(work, QF_RESULT_DONE, "%s: %s, for %zu of the log",
			    release ? "queued" : "held", name, orphan->nrecipients);
	qf_buf_release(&bytes);
	return ok;
}
