/*
 * txn_fix_one - recover: one message under two names, or in two directories, keeps one of them.
 *
 * Which one is left decides what a queue run does next, so both are locked until it is done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"
#include "err.h"
#include "txn_fix.h"
#include "msg.h"

/* ------------------------------------------------------------------ two files */

/* The control files of a finding of which one has to go. */
struct pair {
	const struct qf_orphan_file *keep, *drop;
};

/* A body where the control file's directory has its bodies. */
static const struct qf_orphan_file *
body_beside(const struct qf_orphan *orphan, const struct qf_orphan_file *control)
{
	for (size_t i = 0; i < orphan->nfiles; i++)
		if (orphan->files[i].kind == QF_KIND_DATA && orphan->files[i].dir == control->dir)
			return &orphan->files[i];
	return NULL;
}

static bool
is_newer(const struct qf_orphan_file *a, const struct qf_orphan_file *b)
{
	return a->mtime != b->mtime ? a->mtime > b->mtime : a->mtime_ns > b->mtime_ns;
}

/* Of qf and hf the newer is the one that was meant; of two directories, the one that has the body. */
static bool
choose(struct qf_fixing *fixing, struct pair *pair)
{
	const struct qf_orphan *orphan = fixing->orphan;
	const struct qf_orphan_file *two[2];
	size_t n = 0;
	bool other;

	for (size_t i = 0; i < orphan->nfiles; i++)
		if (qf_kind_is_control(orphan->files[i].kind) && n++ < 2)
			two[n - 1] = &orphan->files[i];
	if (n != 2)
		return qf_work_end(&fixing->work, QF_RESULT_SKIPPED,
				   "%zu control files of one id: a person has to choose", n);
	if (orphan->cause == QF_CAUSE_QF_AND_HF || two[0]->dir == two[1]->dir)
		other = is_newer(two[1], two[0]);
	else if (!body_beside(orphan, two[0]) != !body_beside(orphan, two[1]))
		other = body_beside(orphan, two[1]);
	else
		other = is_newer(two[1], two[0]);
	*pair = (struct pair){two[other], two[!other]};
	return true;
}

static bool
has_recipient(const struct qf_envelope *env, struct qf_slice address)
{
	for (size_t i = 0; i < env->nrecipients; i++)
		if (env->recipients[i].address.n == address.n &&
		    memcmp(env->recipients[i].address.p, address.p, address.n) == 0)
			return true;
	return false;
}

/* Whole, and owed to nobody that the other one is not owed to: else something would be lost with
 * it. */
static bool
may_stay(const struct qf_msg *keep, const struct qf_msg *drop)
{
	const struct qf_envelope *env = qf_msg_envelope(keep);

	if (!keep->ended || !env->sender.p || !env->nrecipients)
		return false;
	for (size_t i = 0; i < env->nrecipients; i++)
		if (!has_recipient(qf_msg_envelope(drop), env->recipients[i].address))
			return false;
	return true;
}

/* Have both directories the same body, or one of them none? */
static bool
are_bodies_same(struct qf_fixing *fixing, const struct pair *pair)
{
	const struct qf_orphan_file *one = body_beside(fixing->orphan, pair->keep);
	const struct qf_orphan_file *other = body_beside(fixing->orphan, pair->drop);
	struct qf_io *io = fixing->work.txn->io;
	char sha[2][QF_SHA_TEXT];
	bool ok = true;

	if (!one || !other || one == other)
		return one != NULL;
	if (one->size != other->size)
		return false;
	for (int i = 0; ok && i < 2; i++) {
		const struct qf_orphan_file *file = i ? other : one;
		int fd = qf_io_open(io, file->at, file->name,
				    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		ok = fd >= 0 && qf_sha_read(io, fd, sha[i], NULL, NULL) == 0;
		if (fd >= 0)
			qf_io_close(io, fd);
	}
	return ok && strcmp(sha[0], sha[1]) == 0;
}

/* Still one message: created at the same time, for the same sender; nothing goes that does not
 * stay. */
static bool
is_same(struct qf_fixing *fixing, const struct pair *pair)
{
	struct qf_io *io = fixing->work.txn->io;
	struct qf_msg *a = qf_read_control(io, pair->keep->at, pair->keep->name);
	struct qf_msg *b = qf_read_control(io, pair->drop->at, pair->drop->name);
	bool same = qf_msg_is_same(a, b) && may_stay(a, b) && are_bodies_same(fixing, pair);

	qf_msg_free(a);
	qf_msg_free(b);
	return same ||
	       qf_work_end(&fixing->work, QF_RESULT_SKIPPED,
			   "they differ in more than who was served: a person has to choose");
}

/* The control file goes; its body too, where the other one has its own. */
static bool
drop_one(struct qf_fixing *fixing, const struct pair *pair)
{
	const struct qf_orphan *orphan = fixing->orphan;
	const struct qf_orphan_file *body = body_beside(orphan, pair->drop);
	bool *goes = calloc(orphan->nfiles, sizeof(*goes)), ok;

	if (!goes)
		return qf_work_fail(&fixing->work, qf_err_nomem(&fixing->work.err));
	for (size_t i = 0; i < orphan->nfiles; i++)
		goes[i] = &orphan->files[i] == pair->drop ||
			  (&orphan->files[i] == body && pair->keep->dir != pair->drop->dir &&
			   body_beside(orphan, pair->keep));
	ok = qf_fix_put_away(fixing, goes, false);
	free(goes);
	if (ok)
		qf_work_end(&fixing->work, QF_RESULT_DONE, "%.120s stays", pair->keep->path);
	return ok;
}

bool
qf_fix_double(struct qf_fixing *fixing)
{
	struct qf_work *work = &fixing->work;
	struct qf_taken kept = {.fd = -1};
	struct pair pair = {NULL, NULL};
	bool ok;

	if (!choose(fixing, &pair) || !qf_fix_take(fixing, pair.keep, &kept))
		return false;
	/* The trash is that of the directory of what goes. */
	work->place = &work->txn->places[pair.drop->dir];
	work->dir = qf_queue_dir(work->txn->queue, pair.drop->dir);
	strcpy(work->name, pair.drop->name);
	work->msg->files.queue = (struct qf_slice){work->dir->path, strlen(work->dir->path)};
	ok = !work->place->ready
		     ? qf_work_end(work, QF_RESULT_FAILED, "its directory cannot be used")
		     : is_same(fixing, &pair) && drop_one(fixing, &pair);
	qf_take_release(work->txn->io, &kept);
	return ok;
}

/* ------------------------------------------------------------------ one file, several names */

/* The name that has a body, and a queued one before others. */
static const struct qf_orphan_file *
name_to_keep(const struct qf_fixing *fixing)
{
	const struct qf_orphan *orphan = fixing->orphan;
	const struct qf_orphan_file *body = qf_fix_file(orphan, QF_KIND_DATA), *keep = NULL;

	for (size_t i = 0; i < orphan->nfiles; i++) {
		const struct qf_orphan_file *file = &orphan->files[i];

		if (!qf_kind_is_control(file->kind))
			continue;
		if (body && file->dir == body->dir && strcmp(file->name + 2, body->name + 2) == 0 &&
		    (!keep || keep->kind != QF_KIND_QUEUED))
			keep = file;
	}
	return keep ? keep : &orphan->files[0];
}

/* The other names go; the file is locked. */
static bool
unlink_others(struct qf_fixing *fixing, const struct qf_orphan_file *keep)
{
	const struct qf_orphan *orphan = fixing->orphan;
	struct qf_work *work = &fixing->work;
	struct qf_io *io = work->txn->io;

	for (size_t i = 0; i < orphan->nfiles; i++) {
		const struct qf_orphan_file *file = &orphan->files[i];

		if (!qf_kind_is_control(file->kind) || file == keep)
			continue;
		if (!qf_fix_as_seen(fixing, file))
			return false;
		if (qf_io_unlink(io, file->at, file->name, 0) != 0 ||
		    qf_io_fsync(io, file->at) != 0)
			return qf_work_fail_here(work, "its other name cannot be removed");
	}
	return true;
}

bool
qf_fix_linked(struct qf_fixing *fixing)
{
	const struct qf_orphan_file *keep = name_to_keep(fixing);
	struct qf_work *work = &fixing->work;
	struct qf_io *io = work->txn->io;
	enum qf_code code;
	bool ok;

	/* qf_take() has none that has several names. */
	work->taken.fd =
		qf_io_open(io, keep->at, keep->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (work->taken.fd < 0)
		return qf_work_fail_here(work, "cannot open");
	code = qf_take_new(io, work->taken.fd, work->place->kinds, keep->name, &work->err);
	if (code)
		return qf_work_fail(work, code);
	work->taken.kinds = work->place->kinds;
	ok = qf_fix_as_seen(fixing, keep) && qf_work_begin(work) && unlink_others(fixing, keep);
	if (ok)
		qf_work_end(work, QF_RESULT_DONE, "%.120s stays", keep->path);
	return ok;
}
