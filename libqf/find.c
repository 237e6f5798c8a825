/*
 * find - the control files of one id, without listing the queue.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "err.h"
#include "layout.h"
#include "load.h"

struct search {
	struct qf_loader loader;
	struct qf_msg *msg;
	bool (*found)(void *ctx, struct qf_msg *msg);
	void *ctx;
	size_t matches;
	bool enough;
};

/* Load one name of one directory, if it is there, and hand it out. */
static enum qf_code
look(struct search *search, size_t dir, const char *name, struct qf_err *err)
{
	const struct qf_dir *d = qf_queue_dir(search->loader.queue, dir);
	enum qf_code code;

	if (search->enough)
		return QF_OK;
	if (d->trouble) {
		*err = d->err;
		return d->trouble;
	}
	qf_msg_clear(search->msg);
	code = qf_load(&search->loader, dir, name, strlen(name), DT_UNKNOWN, 0, search->msg, err);
	if (code == QF_E_GONE)
		return QF_OK;
	if (code)
		return code;
	search->matches++;
	search->enough = !search->found(search->ctx, search->msg);
	return QF_OK;
}

/* The directory of the queue that holds the control file of this path; SIZE_MAX for none. */
static size_t
dir_of_path(struct search *search, const char *path, const char *slash)
{
	size_t n = slash == path ? 1 : (size_t)(slash - path);
	char *parent = strndup(path, n);
	struct stat wanted, st;
	size_t dir = SIZE_MAX;

	if (parent && qf_io_stat(search->loader.io, AT_FDCWD, parent, &wanted, 0) == 0) {
		for (size_t i = 0; i < qf_queue_ndirs(search->loader.queue); i++) {
			const struct qf_dir *d = qf_queue_dir(search->loader.queue, i);

			if (!d->trouble && qf_io_fstat(search->loader.io, d->control_fd, &st) == 0 &&
			    st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino)
				dir = i;
		}
	}
	free(parent);
	return dir;
}

static enum qf_code
look_everywhere(struct search *search, const char *id, struct qf_err *err)
{
	static const enum qf_kind kinds[] = {QF_KIND_QUEUED, QF_KIND_HELD, QF_KIND_LOST};
	enum qf_code code = QF_OK, trouble = QF_OK;
	char name[QF_NAME_MAX];

	for (size_t dir = 0; dir < qf_queue_ndirs(search->loader.queue); dir++) {
		for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds) && !code; k++) {
			snprintf(name, sizeof(name), "%s%s", qf_kind_prefix(kinds[k]), id);
			code = look(search, dir, name, err);
		}
		if (code)
			trouble = code;
		code = QF_OK;
	}
	return search->matches ? QF_OK : trouble;
}

/* "qfID" as people copy it from a listing of the directory. */
static enum qf_code
look_for_name(struct search *search, const char *name, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	for (size_t dir = 0; dir < qf_queue_ndirs(search->loader.queue) && !code; dir++)
		code = look(search, dir, name, err);
	return code;
}

enum qf_code
qf_queue_find(struct qf_queue *queue, const char *id, unsigned needs,
	      bool (*found)(void *ctx, struct qf_msg *msg), void *ctx, struct qf_err *err)
{
	const char *slash = strrchr(id, '/');
	size_t n = strlen(id);
	struct qf_err scratch, *why = err ? err : &scratch;
	struct search search = {.found = found, .ctx = ctx};
	enum qf_code code = QF_OK;
	enum qf_lock_sight *sees = needs & QF_NEED_BUSY ? qf_load_sights(queue) : NULL;

	search.loader = (struct qf_loader){.queue = queue,
					   .io = qf_queue_io(queue),
					   .sight = sees,
					   .needs = needs,
					   .scratch = malloc(QF_READ_SIZE),
					   .noatime = true};
	search.msg = qf_msg_new();
	if (needs & QF_NEED_BUSY)
		search.loader.locks = qf_locks_new();
	if (!search.loader.scratch || !search.msg ||
	    ((needs & QF_NEED_BUSY) && (!sees || !search.loader.locks))) {
		code = qf_err_nomem(err);
		goto out;
	}
	if (slash) {
		size_t dir = dir_of_path(&search, id, slash);

		if (dir == SIZE_MAX || !qf_kind_is_control(qf_name_kind(slash + 1,
									strlen(slash + 1))) ||
		    strlen(slash + 1) >= QF_NAME_MAX) {
			code = qf_err_set(err, QF_E_USAGE, id,
					  "neither an id nor the path of a control file of this "
					  "queue");
			goto out;
		}
		code = look(&search, dir, slash + 1, why);
	} else if (n > 0 && n + 2 < QF_NAME_MAX) {
		code = look_everywhere(&search, id, why);
	}
	if (!slash && !code && !search.matches && n < QF_NAME_MAX &&
	    qf_kind_is_control(qf_name_kind(id, n)))
		code = look_for_name(&search, id, why);
	if (!code && !search.matches)
		code = qf_err_set(err, QF_E_NOT_FOUND, id, "no such message in the queue");
out:
	qf_msg_free(search.msg);
	qf_locks_free(search.loader.locks);
	free(search.loader.scratch);
	free(sees);
	return code;
}
