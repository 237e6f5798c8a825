/*
 * txn_fix_whole - recover: a control file is completed, gets the name it should have, or the owner
 * and mode.
 *
 *	Qf, tf, cut qf  1. the new version, with the reason for which it is held, over the old one:
 * under a name that no queue run takes, or with the reason a run goes by
 *	                2. it gets the name hf (or qf, with release)
 *	tf beside qf    1. tf becomes qf: what sendmail itself was about to do
 *	unsafe          1. owner, then mode, of the file as it is
 *
 * Killed between two steps it is as lost as before, and found again.
 */
#include <errno.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "copy.h"
#include "err.h"
#include "txn_fix.h"
#include "msg.h"
#include "rewrite.h"

#define REASON "qf orphans: recovered; release it once you know that it was not delivered"

/* The locked file, read anew in place of the names the journal has to know. */
static bool
read_locked(struct qf_work *work)
{
	qf_msg_free(work->msg);
	work->msg = NULL;
	return qf_work_read(work);
}

/* Would sendmail take it and deliver it? */
static bool
is_whole(struct qf_work *work)
{
	const struct qf_envelope *env = qf_msg_envelope(work->msg);

	if (!qf_work_is_sound(work))
		return false;
	return (env->sender.p && env->nrecipients && work->msg->ended) ||
	       qf_work_end(work, QF_RESULT_SKIPPED, "its control file is not complete");
}

/* One that another directory has, too, would be delivered from both. */
static bool
is_nowhere_else(struct qf_work *work)
{
	struct qf_txn *txn = work->txn;

	for (size_t dir = 0; dir < qf_queue_ndirs(txn->queue); dir++)
		if (qf_queue_dir(txn->queue, dir) != work->dir &&
		    qf_id_in_queue(txn->io, qf_queue_dir(txn->queue, dir), work->id))
			return qf_work_end(work, QF_RESULT_SKIPPED,
					   "%.160s has a control file of this id, too",
					   qf_queue_dir(txn->queue, dir)->path);
	return true;
}

/* The body has to lie where sendmail will look for it. */
static bool
has_body(struct qf_fixing *fixing)
{
	struct qf_work *work = &fixing->work;
	const struct qf_orphan_file *body = qf_fix_file(fixing->orphan, QF_KIND_DATA);
	int dir = qf_satellite_dir(work->txn, qf_work_dir(work),
				   qf_msg_envelope(work->msg)->data_dir, QF_IN_DATA);
	struct stat st;

	if (!body)
		return qf_work_end(work, QF_RESULT_SKIPPED, "it has no body");
	if (!qf_fix_as_seen(fixing, body))
		return false;
	if (dir < 0 || qf_io_stat(work->txn->io, dir, body->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    st.st_ino != body->inode || st.st_dev != body->device)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "its body does not lie where its control file says: %.120s",
				   body->path);
	return true;
}

/* A cut control file as far as its last whole line, with the end line. */
static void
complete(const struct qf_msg *msg, struct qf_buf *out)
{
	size_t n;
	const struct qf_record *records = qf_msg_records(msg, &n);

	for (size_t i = 0; i < n; i++) {
		struct qf_slice raw = records[i].raw;

		/* Of the last one the end may be missing, also where a line end stands: a folded
		 * header. */
		if (i + 1 < n || (raw.n && raw.p[raw.n - 1] == '\n'))
			qf_buf_add_slice(out, raw);
	}
	qf_buf_adds(out, ".\n");
}

/* What the file is to hold: released, or held for a reason. */
static void
rewrite(const struct qf_fixing *fixing, bool release, struct qf_buf *out)
{
	const struct qf_msg *msg = fixing->work.msg;
	struct qf_msg *whole = NULL;
	struct qf_buf bytes = {0};

	if (fixing->orphan->cause == QF_CAUSE_QF_CUT) {
		complete(msg, &bytes);
		if (bytes.failed ||
		    qf_msg_parse((struct qf_slice){bytes.p, bytes.n}, NULL, &whole, NULL))
			out->failed = true;
		msg = whole;
	}
	if (msg && release)
		qf_rewrite_release(msg, out);
	else if (msg && qf_msg_envelope(msg)->quarantine.p)
		qf_buf_add_slice(out,
				 qf_msg_bytes(msg)); /* held for another reason, and it stays so */
	else if (msg)
		qf_rewrite_hold(msg, REASON, out);
	qf_msg_free(whole);
	qf_buf_release(&bytes);
}

/* Owner and mode as sendmail wants them: the directory's owner where it is nobody's it trusts. */
static bool
make_safe(const struct qf_work *work, struct stat *st)
{
	struct stat above;
	bool was_safe = !(st->st_mode & (S_IWGRP | S_IWOTH | S_ISUID | S_ISGID | S_ISVTX));

	st->st_mode &= ~(mode_t)(S_IWGRP | S_IWOTH | S_ISUID | S_ISGID | S_ISVTX);
	st->st_mode |= S_IRUSR | S_IWUSR;
	if (st->st_uid != 0 && qf_io_fstat(work->txn->io, work->dir->control_fd, &above) == 0 &&
	    above.st_uid != st->st_uid) {
		st->st_uid = above.st_uid;
		st->st_gid = above.st_gid;
		return false;
	}
	return was_safe;
}

bool
qf_fix_whole(struct qf_fixing *fixing)
{
	const struct qf_orphan *orphan = fixing->orphan;
	bool cut = orphan->cause == QF_CAUSE_QF_CUT, release = fixing->fix->release && !cut, ok,
	     safe;
	struct qf_work *work = &fixing->work;
	char name[QF_NAME_MAX], sha[QF_SHA_TEXT];
	struct qf_buf bytes = {0};
	struct qf_slice old;

	if (!qf_fix_take(fixing, &orphan->files[0], &work->taken) || !read_locked(work) ||
	    !qf_work_is_only_one(work) || !is_nowhere_else(work) || !has_body(fixing) ||
	    (!cut && !is_whole(work)))
		return false;
	/* Who held it knew why: qf release lets it go. */
	release = release && !qf_msg_envelope(work->msg)->quarantine.p;
	rewrite(fixing, release, &bytes);
	if (bytes.failed) {
		qf_buf_release(&bytes);
		return qf_work_fail(work, qf_err_nomem(&work->err));
	}
	old = qf_msg_bytes(work->msg);
	safe = make_safe(work, &work->taken.st);
	snprintf(name, sizeof(name), "%s%s", release ? "qf" : "hf", work->id);
	qf_sha_of((struct qf_slice){bytes.p, bytes.n}, sha);
	work->was_control = old;
	work->new_digest = sha;
	work->became = name;
	/* A qf with a reason: who comes along makes an hf of it. */
	ok = qf_work_begin(work) && (!cut || qf_half_mark(work)) &&
	     ((safe && bytes.n == old.n && memcmp(bytes.p, old.p, old.n) == 0) ||
	      qf_work_replace(work, work->name, &bytes)) &&
	     (strcmp(work->name, name) == 0 || qf_work_rename(work, name));
	if (ok && cut)
		qf_half_clear(work);
	if (ok)
		qf_work_end(work, QF_RESULT_DONE, "%s: %s", release ? "queued" : "held", name);
	qf_buf_release(&bytes);
	return ok;
}

/* ------------------------------------------------------------------ a tf beside its control file */

/* The tf is locked. */
static bool
put_tf_in_place(struct qf_fixing *fixing, const struct qf_orphan_file *tf)
{
	struct qf_work *work = &fixing->work;
	struct qf_msg *newer = qf_read_control(work->txn->io, tf->at, tf->name);
	const struct qf_envelope *env = newer ? qf_msg_envelope(newer) : NULL;
	bool held = work->name[0] == 'h', ok = false;
	char sha[QF_SHA_TEXT];

	if (!newer)
		qf_work_end(work, QF_RESULT_FAILED, "%s cannot be read", tf->name);
	else if (!newer->ended || !env->sender.p || !env->nrecipients)
		qf_work_end(work, QF_RESULT_CHANGED, "%s is not complete", tf->name);
	else if (work->taken.st.st_size > 0 && !qf_msg_is_same(newer, work->msg))
		qf_work_end(work, QF_RESULT_CHANGED, "they are different messages");
	else if (held != (env->quarantine.p != NULL))
		qf_work_end(work, QF_RESULT_SKIPPED,
			    "one of the two is held: see them with qf show");
	else {
		qf_sha_of(qf_msg_bytes(newer), sha);
		work->was_control = qf_msg_bytes(work->msg);
		work->new_digest = sha;
		work->harm = "who was served before would be owed it again";
		if (qf_work_begin(work) && qf_io_rename(work->txn->io, tf->at, tf->name,
							work->dir->control_fd, work->name) != 0)
			qf_work_fail_here(work, "cannot get the name of the control file");
		else if (work->outcome->entry[0] &&
			 qf_io_fsync(work->txn->io, work->dir->control_fd) != 0)
			qf_work_fail_here(work, "in place, but not known to be on disk");
		else
			ok = work->outcome->entry[0];
	}
	qf_msg_free(newer);
	return ok;
}

bool
qf_fix_newer_tf(struct qf_fixing *fixing)
{
	static const char *const prefixes[] = {"qf", "hf"};
	const struct qf_orphan_file *tf = &fixing->orphan->files[0];
	struct qf_work *work = &fixing->work;
	struct qf_taken taken = {.fd = -1};
	enum qf_code code = QF_E_GONE;
	bool ok;

	for (size_t i = 0; i < 2 && code == QF_E_GONE; i++) {
		snprintf(work->name, sizeof(work->name), "%s%s", prefixes[i], work->id);
		code = qf_take(work->txn->io, work->dir->control_fd, work->name, work->place->kinds,
			       &work->taken, &work->err);
	}
	if (code == QF_E_GONE)
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "its control file lies in another directory: see qf orphans -v");
	if (code)
		return qf_work_fail(work, code);
	/* Written again since the tf was: then that counts. */
	if (work->taken.st.st_mtim.tv_sec > tf->mtime ||
	    (work->taken.st.st_mtim.tv_sec == tf->mtime &&
	     work->taken.st.st_mtim.tv_nsec > (long)tf->mtime_ns))
		return qf_work_end(work, QF_RESULT_CHANGED, "%s is newer now", work->name);
	ok = read_locked(work) && qf_fix_take(fixing, tf, &taken) && put_tf_in_place(fixing, tf);
	qf_take_release(work->txn->io, &taken);
	return ok;
}

/* ------------------------------------------------------------------ owner and mode */

bool
qf_fix_unsafe(struct qf_fixing *fixing)
{
	struct qf_work *work = &fixing->work;
	struct qf_io *io = work->txn->io;
	struct stat st;

	if (!qf_fix_take(fixing, &fixing->orphan->files[0], &work->taken))
		return false;
	st = work->taken.st;
	if (make_safe(work, &st))
		return qf_work_end(work, QF_RESULT_SKIPPED, "its owner and mode are right by now");
	if (!qf_work_begin(work))
		return false;
	if ((st.st_uid != work->taken.st.st_uid || st.st_gid != work->taken.st.st_gid) &&
	    qf_io_fchown(io, work->taken.fd, st.st_uid, st.st_gid) != 0)
		return qf_work_fail_here(work, "cannot be given to the queue's owner");
	if (qf_io_fchmod(io, work->taken.fd, st.st_mode & 07777) != 0 ||
	    qf_io_fsync(io, work->taken.fd) != 0)
		return qf_work_fail_here(work, "cannot be given a safe mode");
	return true;
}

/* ------------------------------------------------------------------ back */

static struct qf_slice
decode(const char *base64, uint8_t **bytes)
{
	size_t n = strlen(base64), got = 0;
	struct base64_decode_ctx ctx;

	*bytes = malloc(BASE64_DECODE_LENGTH(n) + 1);
	base64_decode_init(&ctx);
	if (!*bytes || !base64_decode_update(&ctx, &got, *bytes, n, base64) ||
	    !base64_decode_final(&ctx))
		return (struct qf_slice){NULL, 0};
	return (struct qf_slice){(const char *)*bytes, got};
}

/* As it was before, if it still is what was recovered. The lock is held. */
static bool
put_back(struct qf_work *work, const struct qf_journal_entry *entry)
{
	char sha[QF_SHA_TEXT];
	uint8_t *bytes = NULL;
	struct qf_buf old = {0};
	bool ok;

	qf_sha_of(qf_msg_bytes(work->msg), sha);
	if (!entry->new_digest || strcmp(sha, entry->new_digest))
		return qf_work_end(work, QF_RESULT_SKIPPED, "it has been tried or changed since");
	qf_buf_add_slice(&old, decode(entry->was_control, &bytes));
	free(bytes);
	if (!old.n || old.failed) {
		qf_buf_release(&old);
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the journal does not hold it as it was");
	}
	/* Under a name that no queue run takes before it is what no run should take. */
	ok = qf_work_begin(work) &&
	     (strcmp(work->name, entry->file) == 0 || qf_work_rename(work, entry->file)) &&
	     qf_work_replace(work, entry->file, &old);
	qf_buf_release(&old);
	return ok;
}

bool
qf_fix_undo_recover(struct qf_work *work, const struct qf_journal_entry *entry)
{
	enum qf_code code;

	if (!entry->became || !entry->file || !entry->was_control || strlen(entry->became) < 3 ||
	    strlen(entry->became) >= QF_NAME_MAX || strchr(entry->became, '/') ||
	    strlen(entry->file) >= QF_NAME_MAX || strchr(entry->file, '/') ||
	    strcmp(entry->file + 2, entry->became + 2))
		return qf_work_end(work, QF_RESULT_SKIPPED,
				   "the message is whole, and stays; qf rm takes it away");
	strcpy(work->name, entry->became);
	strcpy(work->id, entry->became + 2);
	code = qf_take(work->txn->io, work->dir->control_fd, work->name, work->place->kinds,
		       &work->taken, &work->err);
	if (code == QF_E_GONE)
		return qf_work_end(work, QF_RESULT_SKIPPED, "the message has gone on since: no %s",
				   work->name);
	if (code)
		return qf_work_fail(work, code);
	return qf_work_read(work) && put_back(work, entry);
}
