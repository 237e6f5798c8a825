/*
 * salvage_ledger - what was ever copied to a target: the marks of all its manifests.
 *
 * A copy leaves its source as it is, so nothing at the source keeps a message from being brought
 * twice: not by the next run, and not by one at the same time, from the same backup. The ledger
 * does. One run at a time copies to a target (of imports: one from each export); it reads the ledger
 * when it has the lock, and a message whose mark stands there has arrived unless it is still
 * staged, whatever the target's sendmail has made of it since.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "copy.h"
#include "err.h"
#include "names.h"
#include "salvage.h"

const char qf_salvage_was_copied[] = "was copied to the target before";

/* How often it is asked whether another run has ended. */
#define ASK_NS 200000000

void
qf_salvage_copy_key(const struct qf_salvage *salvage, const struct qf_msg *msg,
		    char key[QF_CLAIM_KEY_MAX])
{
	const struct qf_files *files = qf_msg_files(msg);
	const char *run = salvage->options.as_run;
	char origin[33];

	if (run) {
		snprintf(key, QF_CLAIM_KEY_MAX, "%.*s.0/qf%.*s", QF_RUN_MAX - 1, run, (int)files->id.n,
			 files->id.p);
		return;
	}
	qf_salvage_origin(msg, qf_msg_envelope(msg)->created, origin);
	snprintf(key, QF_CLAIM_KEY_MAX, "copy.%s/qf%.*s", origin, (int)files->id.n, files->id.p);
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

static bool
is_of_these(const struct qf_salvage *salvage, const char *key)
{
	const char *run = salvage->options.as_run;
	size_t n = run ? strlen(run) : 0;

	return run ? strncmp(key, run, n) == 0 && key[n] == '.' : strncmp(key, "copy.", 5) == 0;
}

static enum qf_mark_wish
wish(void *ctx, const char *key)
{
	const struct reading *reading = ctx;
	char control[QF_STAGED_MAX], data[QF_STAGED_MAX];
	struct qf_arrival arrival;

	if (!is_of_these(reading->salvage, key))
		return QF_MARK_UNWANTED;
	if (reading->staged.n == 0 || strlen(key) >= sizeof(arrival.key))
		return QF_MARK_BRIEF;
	strcpy(arrival.key, key);
	qf_arrival_staged(&arrival, control, data);
	for (size_t at = 0; at < reading->staged.n; at += strlen(reading->staged.p + at) + 1)
		if (strcmp(reading->staged.p + at, control) == 0)
			return QF_MARK_WHOLE;
	return QF_MARK_BRIEF;
}

enum qf_code
qf_ledger_read(struct qf_salvage *salvage, struct qf_err *err)
{
	struct reading reading = {.salvage = salvage};
	enum qf_code code = list_staged(&salvage->target, &reading.staged, err);

	qf_marks_free(salvage->marks);
	salvage->marks = NULL;
	if (!code)
		code = qf_marks_read(salvage->target.io, salvage->target.manifests, wish, &reading,
				     &salvage->marks, err);
	qf_buf_release(&reading.staged);
	return code;
}

bool
qf_ledger_has(const struct qf_salvage *salvage, const struct qf_msg *msg)
{
	char key[QF_CLAIM_KEY_MAX];
	struct qf_mark mark;

	qf_salvage_copy_key(salvage, msg, key);
	return salvage->marks && qf_marks_find(salvage->marks, key, &mark) && !mark.voided &&
	       mark.brief;
}

/* ------------------------------------------------------------------ one run at a time */

static void
lock_name(const struct qf_salvage *salvage, char name[QF_RUN_MAX + 8])
{
	const char *run = salvage->options.as_run;

	snprintf(name, QF_RUN_MAX + 8, "%.*s.lock", QF_RUN_MAX - 1, run ? run : "copy");
}

static enum qf_code
try_lock(struct qf_salvage *salvage, const char *name, struct qf_err *err)
{
	struct qf_target *target = &salvage->target;
	int fd = qf_io_create(target->io, target->manifests, name,
			      O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return qf_err_sys(err, errno, name, "cannot create");
	qf_io_close(target->io, fd);
	return qf_take(target->io, target->manifests, name, target->dirs[target->main].kinds,
		       &salvage->ledger, err);
}

enum qf_code
qf_ledger_lock(struct qf_salvage *salvage, struct qf_err *err)
{
	const struct timespec pause = {.tv_nsec = ASK_NS};
	uint64_t since = qf_clock_ns();
	char name[QF_RUN_MAX + 8];
	enum qf_code code;

	lock_name(salvage, name);
	for (;;) {
		code = try_lock(salvage, name, err);
		/* Gone and changed: the one that had it has just ended. */
		if (code != QF_E_BUSY && code != QF_E_GONE && code != QF_E_CHANGED)
			return code;
		if (qf_salvage_cancelled(salvage))
			return qf_err_set(err, QF_E_INTERRUPTED, "run", "interrupted");
		if (qf_clock_ns() - since > (uint64_t)salvage->options.lease * 1000000000u)
			return qf_err_set(err, QF_E_BUSY,
					  qf_queue_dir(salvage->to, salvage->target.main)->path,
					  "another run is copying to it: run this again when it has ended");
		nanosleep(&pause, NULL);
		qf_salvage_progress(salvage, salvage->n);
	}
}

void
qf_ledger_unlock(struct qf_salvage *salvage)
{
	char name[QF_RUN_MAX + 8];

	if (salvage->ledger.fd < 0)
		return;
	lock_name(salvage, name);
	qf_io_unlink(salvage->target.io, salvage->target.manifests, name, 0);
	qf_take_release(salvage->target.io, &salvage->ledger);
	salvage->ledger.fd = -1;
}
