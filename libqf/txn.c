/*
 * txn - changes of messages: the frame around every change of a queue.
 *
 * lock, check, read again, intent into the journal, steps, result into the journal, unlock. The
 * steps and the order that makes each of them safe to interrupt are in txn_held.c and txn_trash.c.
 */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "msg.h"
#include "txn.h"

const char *
qf_result_name(enum qf_result result)
{
	static const char *const names[QF_RESULT_COUNT] = {
#define X(id, word) [QF_RESULT_##id] = word,
		QF_RESULTS(X)
#undef X
	};

	return names[result];
}

bool
qf_work_end(struct qf_work *work, enum qf_result result, const char *why, ...)
{
	va_list args;

	work->outcome->result = result;
	va_start(args, why);
	vsnprintf(work->outcome->why, sizeof(work->outcome->why), why, args);
	va_end(args);
	return false;
}

bool
qf_work_fail(struct qf_work *work, enum qf_code code)
{
	enum qf_result result = QF_RESULT_FAILED;

	if (code == QF_E_BUSY)
		result = QF_RESULT_BUSY;
	else if ((code == QF_E_GONE || code == QF_E_NOT_FOUND) && work->taken.fd < 0)
		/* Once it is locked, it is something else that a call did not find (ESTALE). */
		result = QF_RESULT_GONE;
	else if (code == QF_E_CHANGED)
		result = QF_RESULT_CHANGED;
	else if (code == QF_E_DENIED || code == QF_E_DATA)
		result = QF_RESULT_DENIED;
	return qf_work_end(work, result, "%s: %s", work->err.what, work->err.why);
}

/* TIME-HOST-PID-N: sorts by time, and no two are the same. */
void
qf_txn_name_entry(struct qf_txn *txn, char entry[QF_ENTRY_MAX])
{
	char time[QF_TIME_TEXT], *to = time;

	qf_time_format(txn->options.now, time);
	for (char *from = time; *from; from++)
		if (*from != '-' && *from != ':')
			*to++ = *from;
	*to = '\0';
	snprintf(entry, QF_ENTRY_MAX, "%s-%s-%ld-%llu", time, txn->host, (long)getpid(),
		 (unsigned long long)atomic_fetch_add(&txn->entries, 1));
}

/* Into the trash: removed, or edited until nobody was left. */
static bool
goes_away(const struct qf_work *work)
{
	return !work->change->undoes &&
	       (work->change->kind == QF_CHANGE_REMOVE ||
		(work->change->kind == QF_CHANGE_EDIT && !work->was_control.p));
}

bool
qf_work_begin(struct qf_work *work)
{
	const struct qf_envelope *env = qf_msg_envelope(work->msg);
	struct qf_intent intent = {.entry = work->outcome->entry,
				   .undoes = work->change->undoes,
				   .command = work->command,
				   .harm = work->harm,
				   .became = work->became,
				   .trash = goes_away(work) ? work->txn->options.trash : NULL,
				   .files = qf_msg_files(work->msg),
				   .was_reason = env->quarantine,
				   .was_last_try = env->last_try,
				   .was_control = work->was_control,
				   .new_digest = work->new_digest,
				   .gone = work->gone,
				   .added = work->added,
				   .now = work->txn->options.now};
	enum qf_code code;

	qf_txn_name_entry(work->txn, work->outcome->entry);
	if (!work->place->journal)
		return true;
	code = qf_journal_begin(work->place->journal, &intent, &work->err);
	if (!code)
		return true;
	work->outcome->entry[0] = '\0';
	return qf_work_fail(work, code);
}

bool
qf_work_read(struct qf_work *work)
{
	struct qf_buf bytes = {0};
	enum qf_code code = QF_OK;
	struct qf_slice copy;
	ssize_t n = 1;

	if (lseek(work->taken.fd, 0, SEEK_SET) < 0 || work->taken.st.st_size > (off_t)QF_CONTROL_MAX)
		return qf_work_end(work, QF_RESULT_FAILED, "%s: too large", work->name);
	while (n > 0 && bytes.n <= QF_CONTROL_MAX) {
		char *room = qf_buf_room(&bytes, 65536);

		n = room ? qf_io_read(work->txn->io, work->taken.fd, room, 65536) : 0;
		if (n > 0)
			bytes.n += (size_t)n;
	}
	work->msg = qf_msg_new();
	copy = work->msg && !bytes.failed
		       ? qf_arena_copy(&work->msg->arena, (struct qf_slice){bytes.p, bytes.n})
		       : (struct qf_slice){NULL, 0};
	qf_buf_release(&bytes);
	if (n < 0) {
		code = qf_err_sys(&work->err, errno, work->name, "cannot read");
	} else if (!copy.p) {
		code = qf_err_nomem(&work->err);
	} else {
		work->msg->files.kind = qf_name_kind(work->name, strlen(work->name));
		work->msg->files.name = (struct qf_slice){work->name, strlen(work->name)};
		work->msg->files.id = (struct qf_slice){work->id, strlen(work->id)};
		work->msg->files.queue = (struct qf_slice){work->dir->path, strlen(work->dir->path)};
		code = qf_msg_interpret(work->msg, copy, true, &work->err);
	}
	return code ? qf_work_fail(work, code) : true;
}

void
qf_work_finish(struct qf_work *work)
{
	enum qf_code code = QF_OK;
	struct qf_err err;

	/* The result is written while the lock is held: nobody changes the message in between. */
	if (work->outcome->entry[0] && work->place->journal)
		code = qf_journal_end(work->place->journal, work->outcome, work->txn->options.now,
				      &err);
	if (code && work->outcome->result == QF_RESULT_DONE)
		snprintf(work->outcome->why, sizeof(work->outcome->why),
			 "its result is not in the journal: %.200s", err.why);
	qf_take_release(work->txn->io, &work->taken);
	qf_msg_free(work->msg);
	work->msg = NULL;
}

/* What was decided of a message holds for what was read then. */
static bool
is_as_read(struct qf_work *work, const struct qf_msg *msg)
{
	struct qf_slice now = qf_msg_bytes(work->msg), then = qf_msg_bytes(msg);

	if (!work->change->as_read || (now.n == then.n && memcmp(now.p, then.p, now.n) == 0))
		return true;
	return qf_work_end(work, QF_RESULT_CHANGED, "%s: changed since it was looked at",
			   work->name);
}

static bool
carry_out(struct qf_work *work)
{
	switch (work->change->kind) {
	case QF_CHANGE_HOLD:
		return qf_txn_hold(work);
	case QF_CHANGE_RELEASE:
		return qf_txn_release(work);
	case QF_CHANGE_DUE:
		return qf_txn_due(work);
	case QF_CHANGE_REMOVE:
		return qf_txn_remove(work);
	case QF_CHANGE_PURGE:
		return qf_txn_purge(work);
	case QF_CHANGE_LAST_TRY:
		return qf_txn_last_try(work);
	case QF_CHANGE_EDIT:
		return qf_txn_edit(work);
	case QF_CHANGE_RESTORE:
		return qf_txn_put_back(work);
	case QF_CHANGE_DELIVER:
	case QF_CHANGE_BOUNCE:
		break; /* qf_drive_begin() */
	case QF_CHANGE_FIX:
		break; /* qf_txn_fix() */
	case QF_CHANGE_HAND:
		break; /* qf_hand_begin() */
	}
	return qf_work_end(work, QF_RESULT_FAILED, "no such change");
}

bool
qf_work_start(struct qf_work *work, struct qf_txn *txn, const struct qf_msg *msg,
	      const struct qf_change *change, struct qf_outcome *outcome)
{
	const struct qf_files *files = qf_msg_files(msg);
	enum qf_code code;

	*work = (struct qf_work){.txn = txn,
				 .command = change->command,
				 .place = &txn->places[files->dir],
				 .dir = qf_queue_dir(txn->queue, files->dir),
				 .taken = {.fd = -1},
				 .change = change,
				 .outcome = outcome};
	*outcome = (struct qf_outcome){.result = QF_RESULT_DONE};
	if (!work->place->ready || files->name.n >= QF_NAME_MAX)
		return qf_work_end(work, QF_RESULT_FAILED, "its directory cannot be used");
	memcpy(work->name, files->name.p, files->name.n);
	memcpy(work->id, files->id.p, files->id.n);
	code = qf_take(txn->io, work->dir->control_fd, work->name, work->place->kinds,
		       &work->taken, &work->err);
	return code ? qf_work_fail(work, code) : qf_work_read(work);
}

void
qf_txn_apply(struct qf_txn *txn, const struct qf_msg *msg, const struct qf_change *change,
	     struct qf_outcome *outcome)
{
	struct qf_work work;

	/* What is destroyed is owed to nobody any more. */
	if (qf_work_start(&work, txn, msg, change, outcome) && is_as_read(&work, msg) &&
	    (change->kind == QF_CHANGE_PURGE || qf_work_is_settled(&work)))
		carry_out(&work);
	qf_work_finish(&work);
}

/* ------------------------------------------------------------------ places */

static enum qf_code
open_journal(struct qf_txn *txn, struct qf_place *place, struct qf_err *err)
{
	enum qf_code code;
	int folder = -1;

	if (txn->options.no_journal)
		return QF_OK;
	if (txn->options.journal) {
		folder = qf_io_open(txn->io, AT_FDCWD, txn->options.journal,
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		code = folder < 0 ? qf_err_sys(err, errno, txn->options.journal, "cannot open")
				  : QF_OK;
	} else {
		code = qf_home_folder(txn->io, place->home, "journal", true, &folder, err);
	}
	if (!code)
		code = qf_journal_open(txn->io, folder, &txn->actor, &place->journal, err);
	if (folder >= 0)
		qf_io_close(txn->io, folder);
	if (code)
		qf_err_hint(err, "--journal=DIR names another place, --no-journal works without "
				 "undo");
	return code;
}

static enum qf_code
open_place(struct qf_txn *txn, size_t dir, struct qf_err *err)
{
	struct qf_place *place = &txn->places[dir];
	enum qf_code code;

	if (qf_queue_dir(txn->queue, dir)->trouble)
		return QF_OK; /* its messages are not seen either */
	code = qf_home_open(txn->queue, dir, true, &place->home, err);
	if (!code)
		code = qf_home_folder(txn->io, place->home, "stage", true, &place->stage, err);
	if (!code)
		code = qf_home_folder(txn->io, place->home, "trash", true, &place->trash, err);
	if (!code)
		code = open_journal(txn, place, err);
	if (!code)
		code = qf_take_kinds(txn->io, place->home, &place->kinds, err);
	if (!code)
		code = qf_txn_tidy(txn, dir, err);
	place->ready = code == QF_OK;
	return code;
}

/* Who we are, for the journal. */
static void
name_actor(struct qf_txn *txn)
{
	const struct qf_txn_options *options = &txn->options;
	struct passwd *pw, entry;
	char bytes[4096];

	if (options->user)
		snprintf(txn->user, sizeof(txn->user), "%s", options->user);
	else if (getpwuid_r(geteuid(), &entry, bytes, sizeof(bytes), &pw) == 0 && pw)
		snprintf(txn->user, sizeof(txn->user), "%s", pw->pw_name);
	else
		snprintf(txn->user, sizeof(txn->user), "%u", (unsigned)geteuid());
	if (options->host)
		snprintf(txn->host, sizeof(txn->host), "%s", options->host);
	else if (gethostname(txn->host, sizeof(txn->host) - 1) != 0 || !txn->host[0])
		strcpy(txn->host, "localhost");
	/* It becomes part of file names. */
	for (char *c = txn->host; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.", *c))
			*c = '_';
	if (txn->host[0] == '.')
		txn->host[0] = '_';
	txn->actor = (struct qf_actor){.user = txn->user,
				       .host = txn->host,
				       .command = options->command,
				       .note = options->note};
}

enum qf_code
qf_txn_new(struct qf_queue *queue, const struct qf_txn_options *options, struct qf_txn **out,
	   struct qf_err *err)
{
	size_t ndirs = qf_queue_ndirs(queue);
	struct qf_txn *txn = calloc(1, sizeof(*txn));
	enum qf_code code = QF_OK;

	if (txn)
		txn->places = calloc(ndirs ? ndirs : 1, sizeof(*txn->places));
	if (!txn || !txn->places) {
		free(txn);
		return qf_err_nomem(err);
	}
	txn->queue = queue;
	txn->io = qf_queue_io(queue);
	txn->options = *options;
	txn->away = txn->found = -1;
	txn->started = (int64_t)time(NULL);
	name_actor(txn);
	for (size_t i = 0; i < ndirs; i++)
		txn->places[i].home = txn->places[i].stage = txn->places[i].trash = -1;
	if (options->trash)
		code = qf_away_open(txn, options->trash, &txn->away, err);
	if (options->lost_found && !code)
		code = qf_away_open(txn, options->lost_found, &txn->found, err);
	for (size_t i = 0; i < ndirs && !code; i++)
		code = open_place(txn, i, err);
	if (!code && options->trash)
		qf_txn_expire_away(txn);
	if (code)
		qf_txn_free(txn);
	else
		*out = txn;
	return code;
}

void
qf_txn_free(struct qf_txn *txn)
{
	if (!txn)
		return;
	for (size_t i = 0; i < qf_queue_ndirs(txn->queue); i++) {
		struct qf_place *place = &txn->places[i];
		int fds[] = {place->home, place->stage, place->trash};

		for (size_t k = 0; k < sizeof(fds) / sizeof(*fds); k++)
			if (fds[k] >= 0)
				qf_io_close(txn->io, fds[k]);
		qf_journal_close(place->journal);
	}
	if (txn->away >= 0)
		qf_io_close(txn->io, txn->away);
	if (txn->found >= 0)
		qf_io_close(txn->io, txn->found);
	free(txn->places);
	free(txn);
}
