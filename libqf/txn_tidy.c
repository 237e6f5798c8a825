/*
 * txn_tidy - what interrupted changes left, finished; staged files nobody works on, taken away; the
 * trash expired.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "txn_fix.h"
#include "layout.h"
#include "txn.h"

/* An empty folder younger than this may be one that a removal has just made. */
#define EMPTY_GRACE 3600

struct tidy {
	struct qf_txn *txn;
	struct qf_place *place;
	int trash;
	size_t dir;
	struct qf_contents contents;  /* of the folder in hand */
	int folder;
};

/* A staged file is somebody's as long as it is locked. */
static bool
tidy_staged(void *ctx, const char *name)
{
	struct tidy *tidy = ctx;
	struct qf_taken taken;

	if (qf_take(tidy->txn->io, tidy->place->stage, name, tidy->place->kinds, &taken, NULL))
		return true;
	if (qf_half_is_mark(name)  ? qf_half_finish(tidy->txn, tidy->dir, name)
	    : qf_purge_is_staged(name) ? qf_purge_finish(tidy->txn, tidy->dir, name)
				   : true)
		qf_io_unlink(tidy->txn->io, tidy->place->stage, name, 0);
	qf_take_release(tidy->txn->io, &taken);
	return true;
}

/* Step 4 of a removal. */
static bool
close_entry(const struct tidy *tidy, const char *part)
{
	int trash = tidy->trash;
	char entry[QF_ENTRY_MAX];
	size_t n = strlen(part) - strlen(QF_PART);

	if (n >= sizeof(entry))
		return false;
	snprintf(entry, sizeof(entry), "%.*s", (int)n, part);
	return qf_io_rename_new(tidy->txn->io, trash, part, trash, entry) == 0 &&
	       qf_io_fsync(tidy->txn->io, trash) == 0;
}

/* Finish a removal: steps 3 and 4. False where somebody is at it, or it cannot be done now. */
static bool
finish(struct tidy *tidy, const char *part)
{
	struct qf_io *io = tidy->txn->io;
	struct qf_taken taken;
	struct qf_msg *msg;
	bool ok = false;

	if (qf_take(io, tidy->folder, tidy->contents.control, tidy->place->kinds, &taken, NULL))
		return false;
	msg = qf_read_control(io, tidy->folder, tidy->contents.control);
	if (msg)
		/* A message of that id in the queue: then its data file is not ours to take. */
		ok = qf_id_in_queue(io, qf_queue_dir(tidy->txn->queue, tidy->dir),
			      tidy->contents.control + 2) ||
		     qf_satellites_move(tidy->txn, tidy->dir, qf_msg_envelope(msg)->data_dir,
				     tidy->contents.control + 2, tidy->folder) == 0;
	if (ok)
		ok = close_entry(tidy, part);
	qf_msg_free(msg);
	qf_take_release(io, &taken);
	return ok;
}

/* Entries begin with their time: 20261122T122733Z. */
static bool
is_expired(const struct tidy *tidy, const char *name)
{
	char text[QF_TIME_TEXT];
	int64_t when;

	if (strlen(name) < 16 || tidy->txn->options.keep < 0)
		return false;
	snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", name, name + 4, name + 6,
		 name + 9, name + 11, name + 13);
	return qf_time_parse((struct qf_slice){text, strlen(text)}, &when) &&
	       qf_time_between(when, tidy->txn->options.now) > tidy->txn->options.keep;
}

/* An entry whose time is over, unless somebody is about to take it back. The control file goes first:
   without its data file it must not come back. */
static void
expire(struct tidy *tidy, const char *name)
{
	struct qf_io *io = tidy->txn->io;
	const char *control = tidy->contents.control;
	struct qf_taken taken = {.fd = -1};

	if (*control && (qf_take(io, tidy->folder, control, tidy->place->kinds, &taken, NULL) ||
			 qf_io_unlink(io, tidy->folder, control, 0) != 0)) {
		qf_take_release(io, &taken);
		return;
	}
	qf_remove_folder(io, tidy->trash, tidy->folder, name);
	qf_take_release(io, &taken);
}

static bool
tidy_entry(void *ctx, const char *name)
{
	struct tidy *tidy = ctx;
	struct qf_io *io = tidy->txn->io;
	size_t n = strlen(name);
	bool part = n > sizeof(QF_PART) && strcmp(name + n - strlen(QF_PART), QF_PART) == 0;
	bool expired = !part && is_expired(tidy, name);
	struct stat st;

	if ((!part && !expired) ||
	    qf_home_folder(io, tidy->trash, name, false, &tidy->folder, NULL))
		return true;
	tidy->contents = (struct qf_contents){0};
	if (qf_each_name(io, tidy->folder, qf_note_content, &tidy->contents, NULL)) {
		/* What cannot be listed stays. */
	} else if (expired) {
		expire(tidy, name);
	} else {
		if (tidy->contents.control[0])
			finish(tidy, name);
		else if (tidy->contents.names > 0 && !tidy->contents.data)
			qf_remove_folder(io, tidy->trash, tidy->folder, name); /* of an undo */
		else if (tidy->contents.names == 0 && qf_io_fstat(io, tidy->folder, &st) == 0 &&
			 qf_time_between(st.st_mtime, (int64_t)time(NULL)) > EMPTY_GRACE)
			qf_io_unlink(io, tidy->trash, name, AT_REMOVEDIR);
	}
	qf_io_close(io, tidy->folder);
	return true;
}

enum qf_code
qf_txn_tidy(struct qf_txn *txn, size_t dir, struct qf_err *err)
{
	struct tidy tidy = {.txn = txn, .place = &txn->places[dir], .dir = dir,
			    .trash = txn->places[dir].trash};
	enum qf_code code = qf_each_name(txn->io, tidy.place->stage, tidy_staged, &tidy, err);

	qf_fix_tidy(txn, dir);
	return code ? code : qf_each_name(txn->io, tidy.place->trash, tidy_entry, &tidy, err);
}

/* Of a trash elsewhere nothing is finished here: what is old goes, whole or not. */
static bool
expire_away(void *ctx, const char *name)
{
	struct tidy *tidy = ctx;

	if (!is_expired(tidy, name) ||
	    qf_home_folder(tidy->txn->io, tidy->trash, name, false, &tidy->folder, NULL))
		return true;
	tidy->contents = (struct qf_contents){0};
	if (!qf_each_name(tidy->txn->io, tidy->folder, qf_note_content, &tidy->contents, NULL))
		expire(tidy, name);
	qf_io_close(tidy->txn->io, tidy->folder);
	return true;
}

void
qf_txn_expire_away(struct qf_txn *txn)
{
	struct qf_place place = {.kinds = QF_TAKE_FLOCK};
	struct tidy tidy = {.txn = txn, .place = &place, .trash = txn->away};

	qf_each_name(txn->io, txn->away, expire_away, &tidy, NULL);
}
