/*
 * salvage_ledger - what was ever brought to a target: the marks of all its manifests.
 *
 * A copy leaves its source as it is, an export may be imported and then put back, a backup holds what
 * was moved since: so nothing at the source keeps a message from being brought twice. The ledger does,
 * whatever verb brought it. A message is known by its id, its creation time and sender (its origin)
 * and, as two containers may have made one id in one second, by the sum of its body. One whose mark
 * stands there has arrived unless it is still staged, whatever the target's sendmail has made of it
 * since; unless a run took it away from there after that, which that run writes down at its source:
 * then it may be moved or imported there again, for it may be on its way back, but not copied.
 * The receipt of an import is for what that bundle brought, now or before: whoever releases its source by it
 * relies on nothing else.
 *
 * Runs that move share the target. One that copies has it for itself, and reads the ledger when it
 * has: else what another run brings, and its sendmail delivers, in between would be brought again.
 * BUGS: two runs that move the same messages at the same time from two places, a queue and its backup,
 * do not see each other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "copy.h"
#include "err.h"
#include "home.h"
#include "layout.h"
#include "names.h"
#include "salvage.h"

const char qf_salvage_was_copied[] = "was brought to the target before";
const char qf_salvage_was_imported[] = "was imported from this bundle before";

#define LOCK "salvage.lock"
/* How often it is asked whether another run has ended. */
#define ASK_NS 200000000
/* The sum of a body that is not known: of any. */
#define ANY_BODY "0000000000000000000000000000000000000000000000000000000000000000"

void
qf_salvage_copy_key(const struct qf_salvage *salvage, const struct qf_msg *msg,
		    char key[QF_CLAIM_KEY_MAX])
{
	const struct qf_files *files = qf_msg_files(msg);
	const char *run = salvage->options.as_run;
	struct qf_buf text = {0};
	char origin[33], sha[QF_SHA_TEXT];

	if (run) {
		snprintf(key, QF_CLAIM_KEY_MAX, "%.*s.0/qf%.*s", QF_RUN_MAX - 1, run, (int)files->id.n,
			 files->id.p);
		return;
	}
	/* Two directories may each have one of that id and origin: they are staged apart. */
	qf_salvage_origin(msg, qf_msg_envelope(msg)->created, origin);
	qf_buf_addf(&text, "%s/%s", origin,
		    qf_path_last(qf_queue_dir(salvage->from, files->dir)->path));
	qf_sha_of((struct qf_slice){text.p, text.n}, sha);
	qf_buf_release(&text);
	snprintf(key, QF_CLAIM_KEY_MAX, "copy.%.32s/qf%.*s", sha, (int)files->id.n, files->id.p);
}

/* Under this marks of a message are found, whichever claims they are of. */
static void
index_of(const char *message, const char *id, char index[QF_CLAIM_KEY_MAX])
{
	snprintf(index, QF_CLAIM_KEY_MAX, "%.32s/%.*s", message, QF_NAME_MAX - 3, id);
}

/* ------------------------------------------------------------------ reading */

struct reading {
	const struct qf_salvage *salvage;
	struct qf_buf staged; /* names in the target's incoming/, a NUL behind each */
};

/* A handful, left by runs that were killed. */
static enum qf_code
list_staged(struct qf_target *target, struct qf_buf *staged, struct qf_err *err)
{
	for (size_t dir = 0; dir < target->ndirs; dir++)
		for (unsigned lane = 0; lane < QF_LANES_MAX; lane++) {
			int folder;
			enum qf_code code =
				qf_target_incoming(target, dir, lane, false, &folder, err);

			if (!code)
				code = qf_names_in(target->io, folder, "incoming", staged, err);
			else if (code == QF_E_NOT_FOUND)
				code = QF_OK;
			if (code)
				return code;
		}
	return QF_OK;
}

static enum qf_mark_wish
wish(void *ctx, const struct qf_mark *mark, char index[QF_CLAIM_KEY_MAX])
{
	const struct reading *reading = ctx;
	char control[QF_STAGED_MAX], data[QF_STAGED_MAX];
	const char *slash = strchr(mark->key, '/'), *message = mark->message;
	struct qf_arrival arrival;

	/* Older marks of copies say it in their key, those of moves do not. */
	if (!*message && strncmp(mark->key, "copy.", 5) == 0)
		message = mark->key + 5;
	if (!*message || !slash || strlen(slash) < 4)
		return QF_MARK_UNWANTED;
	index_of(message, slash + 3, index);
	if (mark->left)
		return QF_MARK_BRIEF;
	strcpy(arrival.key, mark->key);
	qf_arrival_staged(&arrival, control, data);
	for (size_t at = 0; at < reading->staged.n; at += strlen(reading->staged.p + at) + 1)
		if (strcmp(reading->staged.p + at, control) == 0)
			return QF_MARK_WHOLE;
	return QF_MARK_BRIEF;
}

enum qf_code
qf_ledger_read(struct qf_salvage *salvage, struct qf_err *err)
{
	struct qf_target *target = &salvage->target;
	int *folders = calloc(target->ndirs ? target->ndirs : 1, sizeof(*folders));
	struct reading reading = {.salvage = salvage};
	enum qf_code code = folders ? list_staged(target, &reading.staged, err) : qf_err_nomem(err);

	qf_marks_free(salvage->marks);
	salvage->marks = NULL;
	for (size_t i = 0; folders && i < target->ndirs; i++)
		folders[i] = target->dirs[i].manifests;
	if (!code)
		code = qf_marks_read(target->io, folders, target->ndirs, true, wish, &reading,
				     &salvage->marks, err);
	qf_buf_release(&reading.staged);
	free(folders);
	return code;
}

/* ------------------------------------------------------------------ asking */

struct tally {
	const struct qf_salvage *salvage;
	const char *data; /* NULL: any */
	bool ever;        /* that it left does not count */
	bool arrived, elsewhere, left;
	int64_t arrived_at, left_at; /* the latest */
};

static bool
is_body(const struct qf_mark *mark, const char *data)
{
	return !data || strncmp(mark->sha_data, data, 32) == 0 ||
	       (mark->left && strncmp(mark->sha_data, ANY_BODY, 32) == 0);
}

static void
count(void *ctx, const struct qf_mark *mark)
{
	struct tally *tally = ctx;

	if (mark->voided || (!mark->left && !mark->brief) || !is_body(mark, tally->data))
		return;
	if (mark->left) {
		tally->left_at = !tally->left || mark->at > tally->left_at ? mark->at : tally->left_at;
		tally->left = true;
		return;
	}
	tally->arrived_at =
		!(tally->arrived || tally->elsewhere) || mark->at > tally->arrived_at ? mark->at
										      : tally->arrived_at;
	if (qf_target_dir_of(&tally->salvage->target, mark->dir) == SIZE_MAX)
		tally->elsewhere = true;
	else
		tally->arrived = true;
}

enum qf_ledger_says
qf_ledger_ask(const struct qf_salvage *salvage, const char *message, const char *id,
	      const char *data)
{
	/* A copy's source keeps it, wherever it went from the target: that it left says that it is not
	   owed here. What moves, or comes in a bundle, may have come from there: the last that
	   happened counts. */
	struct tally tally = {.salvage = salvage,
			      .data = data,
			      .ever = salvage->options.copy && !salvage->options.as_run};
	char index[QF_CLAIM_KEY_MAX];

	if (!salvage->marks)
		return QF_LEDGER_NO;
	index_of(message, id, index);
	qf_marks_each(salvage->marks, index, count, &tally);
	if (tally.left && tally.ever)
		return QF_LEDGER_HAS;
	if (tally.left && tally.left_at > tally.arrived_at)
		return QF_LEDGER_NO;
	return tally.arrived ? QF_LEDGER_HAS : tally.elsewhere ? QF_LEDGER_ELSEWHERE : QF_LEDGER_NO;
}

bool
qf_ledger_has_claim(const struct qf_salvage *salvage, const char *message, const char *key,
		    const char *data)
{
	struct qf_mark mark;

	return salvage->marks && qf_ledger_find(salvage->marks, message, key, &mark) &&
	       !mark.voided && mark.brief && strncmp(mark.sha_data, data, 32) == 0;
}

bool
qf_ledger_find(const struct qf_marks *marks, const char *message, const char *key,
	       struct qf_mark *mark)
{
	const char *slash = strchr(key, '/');
	char index[QF_CLAIM_KEY_MAX];

	index_of(message, slash ? slash + 3 : "", index);
	return qf_marks_find(marks, index, key, mark);
}

bool
qf_salvage_body_sum(struct qf_queue *queue, const struct qf_msg *msg, char sha[QF_SHA_TEXT],
		    const volatile int *cancel)
{
	const struct qf_files *files = qf_msg_files(msg);
	struct qf_slice other = qf_msg_envelope(msg)->data_dir;
	size_t dir = other.p ? qf_queue_data_dir(queue, files->dir, other) : files->dir;
	struct qf_io *io = qf_queue_io(queue);
	char name[QF_NAME_MAX];
	int fd, failure;

	if (dir == SIZE_MAX || qf_queue_dir(queue, dir)->trouble)
		return false;
	snprintf(name, sizeof(name), "df%.*s", (int)files->id.n, files->id.p);
	fd = qf_io_open(io, qf_queue_dir(queue, dir)->data_fd, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	failure = qf_sha_read(io, fd, sha, NULL, cancel);
	qf_io_close(io, fd);
	return !failure;
}

enum qf_ledger_says
qf_ledger_has(const struct qf_salvage *salvage, const struct qf_msg *msg, bool *own)
{
	const struct qf_files *files = qf_msg_files(msg);
	char message[33], id[QF_NAME_MAX], sha[QF_SHA_TEXT], key[QF_CLAIM_KEY_MAX];

	*own = false;
	if (files->id.n >= sizeof(id))
		return QF_LEDGER_NO;
	snprintf(id, sizeof(id), "%.*s", (int)files->id.n, files->id.p);
	qf_salvage_origin(msg, qf_msg_envelope(msg)->created, message);
	qf_salvage_copy_key(salvage, msg, key);
	/* Its body is only read where that matters. */
	if ((qf_ledger_ask(salvage, message, id, NULL) == QF_LEDGER_NO && !salvage->options.as_run) ||
	    !qf_salvage_body_sum(salvage->from, msg, sha, salvage->options.cancel))
		return QF_LEDGER_NO;
	*own = salvage->options.as_run && qf_ledger_has_claim(salvage, message, key, sha);
	return *own ? QF_LEDGER_HAS : qf_ledger_ask(salvage, message, id, sha);
}

/* ------------------------------------------------------------------ taken away again */

/* Also where it never was a target: a backup of it may be copied there one day. */
static enum qf_code
begin_left_in(struct qf_salvage *salvage, size_t dir, struct qf_err *err)
{
	int home, folder;
	enum qf_code code = qf_home_open(salvage->from, dir, false, &home, err);

	if (code)
		return code == QF_E_NOT_FOUND ? QF_OK : code;
	code = qf_home_folder(salvage->io, home, "manifests", true, &folder, err);
	qf_io_close(salvage->io, home);
	if (code)
		return code;
	code = qf_manifest_create(salvage->io, folder, salvage->run, QF_MANIFEST_LEFT,
				  &salvage->left[salvage->nleft], err);
	qf_io_close(salvage->io, folder);
	salvage->nleft += code == QF_OK;
	return code;
}

/* In every directory, for each may be a target alone. After a failure it is tried again. */
static enum qf_code
begin_left(struct qf_salvage *salvage, struct qf_err *err)
{
	size_t n = qf_queue_ndirs(salvage->from);
	enum qf_code code = QF_OK;

	if (!salvage->left)
		salvage->left = calloc(n ? n : 1, sizeof(*salvage->left));
	if (!salvage->left)
		return qf_err_nomem(err);
	for (; salvage->left_known < n && !code; salvage->left_known += code == QF_OK)
		if (!qf_queue_dir(salvage->from, salvage->left_known)->trouble)
			code = begin_left_in(salvage, salvage->left_known, err);
	return code;
}

enum qf_code
qf_ledger_leave(struct qf_salvage *salvage, const struct qf_mark *marks, size_t n,
		struct qf_err *err)
{
	enum qf_code code;

	pthread_mutex_lock(&salvage->mutex);
	code = begin_left(salvage, err);
	for (size_t k = 0; k < salvage->nleft && !code; k++) {
		for (size_t i = 0; i < n; i++) {
			struct qf_mark mark = marks[i];

			mark.left = true;
			mark.number = 1;
			mark.at = qf_mark_now();
			if (!*mark.sha_control)
				strcpy(mark.sha_control, ANY_BODY);
			if (!*mark.sha_data)
				strcpy(mark.sha_data, ANY_BODY);
			qf_mark_write(&mark, qf_manifest_lines(salvage->left[k]));
		}
		code = qf_manifest_sync(salvage->left[k], err);
	}
	pthread_mutex_unlock(&salvage->mutex);
	return code;
}

void
qf_ledger_left_close(struct qf_salvage *salvage)
{
	for (size_t i = 0; i < salvage->nleft; i++)
		qf_manifest_close(salvage->left[i]);
	free(salvage->left);
	salvage->left = NULL;
	salvage->nleft = 0;
}

/* ------------------------------------------------------------------ who is at the target */

static enum qf_code
lock_dir(struct qf_salvage *salvage, size_t dir, bool shared, struct qf_err *err)
{
	const struct qf_target_dir *d = &salvage->target.dirs[dir];
	struct qf_io *io = salvage->target.io;
	int fd = qf_io_create(io, d->home, LOCK, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return qf_err_sys(err, errno, LOCK, "cannot create");
	qf_io_close(io, fd);
	return qf_take(io, d->home, LOCK, d->kinds | (shared ? QF_TAKE_SHARED : 0),
		       &salvage->locks[dir], err);
}

/* All of its directories, always in one order; or none. */
static enum qf_code
try_lock(struct qf_salvage *salvage, bool shared, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < salvage->target.ndirs && !code; i++)
		if (salvage->target.dirs[i].home >= 0 && salvage->locks[i].fd < 0)
			code = lock_dir(salvage, i, shared, err);
	for (size_t i = 0; i < salvage->target.ndirs && code; i++)
		qf_take_release(salvage->target.io, &salvage->locks[i]);
	return code;
}

enum qf_code
qf_ledger_lock(struct qf_salvage *salvage, bool shared, struct qf_err *err)
{
	const struct timespec pause = {.tv_nsec = ASK_NS};
	uint64_t since = qf_clock_ns();
	enum qf_code code;

	if (salvage->locks)
		return QF_OK;
	salvage->locks = calloc(salvage->target.ndirs, sizeof(*salvage->locks));
	if (!salvage->locks)
		return qf_err_nomem(err);
	for (size_t i = 0; i < salvage->target.ndirs; i++)
		salvage->locks[i].fd = -1;
	for (;;) {
		code = try_lock(salvage, shared, err);
		if (code != QF_E_BUSY && code != QF_E_CHANGED)
			return code;
		if (qf_salvage_cancelled(salvage))
			return qf_err_set(err, QF_E_INTERRUPTED, "run", "interrupted");
		if (qf_clock_ns() - since > (uint64_t)salvage->options.lease * 1000000000u)
			return qf_err_set(err, QF_E_BUSY,
					  qf_queue_dir(salvage->to, salvage->target.main)->path,
					  shared ? "a run is copying to it: run this again when it has ended"
						 : "another run is at work on it: run this again when it "
						   "has ended");
		nanosleep(&pause, NULL);
		qf_salvage_progress(salvage, salvage->n);
	}
}

void
qf_ledger_unlock(struct qf_salvage *salvage)
{
	for (size_t i = 0; salvage->locks && i < salvage->target.ndirs; i++)
		qf_take_release(salvage->target.io, &salvage->locks[i]);
	free(salvage->locks);
	salvage->locks = NULL;
}
