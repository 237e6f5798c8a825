/*
 * orphan_seen - what nobody looked at: directories that could not be read, that were not given, or
 * that look like a mount point without its mount. Nothing is judged by its absence there.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "orphan.h"

static enum qf_code
add_trouble(struct qf_orphans *orphans, const struct qf_err *trouble, struct qf_err *err)
{
	struct qf_err *more = realloc(orphans->troubles, (orphans->ntroubles + 1) * sizeof(*more));

	if (!more)
		return qf_err_nomem(err);
	orphans->troubles = more;
	more[orphans->ntroubles++] = *trouble;
	return QF_OK;
}

/* Is the directory one of this queue's? */
static bool
has_dir(struct qf_queue *queue, const struct stat *wanted)
{
	struct stat st;

	for (size_t i = 0; i < qf_queue_ndirs(queue); i++) {
		const struct qf_dir *dir = qf_queue_dir(queue, i);

		if (!dir->trouble && qf_io_fstat(qf_queue_io(queue), dir->control_fd, &st) == 0 &&
		    st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino)
			return true;
	}
	return false;
}

static enum qf_code
say_unseen(struct qf_orphans *orphans, const char *path, const char *why, struct qf_err *err)
{
	size_t n = strlen(path) + strlen(why) + 3;

	if (orphans->unseen)
		return QF_OK;
	orphans->unseen = malloc(n);
	if (!orphans->unseen)
		return qf_err_nomem(err);
	snprintf(orphans->unseen, n, "%s %s", path, why);
	return QF_OK;
}

/* Directories of the configuration that were not given, where some of it were. */
static enum qf_code
compare_with_config(struct qf_orphans *orphans, struct qf_err *err)
{
	const struct qf_queue_options options = {.cf = orphans->options.cf,
						 .policy = qf_queue_policy(orphans->queue),
						 .max_ops = orphans->options.max_ops,
						 .within = orphans->queue};
	struct qf_queue *all = NULL;
	enum qf_code code = QF_OK;
	bool common = false;
	struct stat st;

	if (!orphans->options.cf || qf_queue_open(&options, &all, NULL))
		return QF_OK;
	for (size_t i = 0; i < qf_queue_ndirs(all) && !common; i++) {
		const struct qf_dir *dir = qf_queue_dir(all, i);

		common = !dir->trouble && qf_io_fstat(qf_queue_io(all), dir->control_fd, &st) == 0 &&
			 has_dir(orphans->queue, &st);
	}
	for (size_t i = 0; common && i < qf_queue_ndirs(all) && !code; i++) {
		const struct qf_dir *dir = qf_queue_dir(all, i);

		if (dir->trouble || qf_io_fstat(qf_queue_io(all), dir->control_fd, &st) != 0)
			code = say_unseen(orphans, dir->path, "cannot be read", err);
		else if (!has_dir(orphans->queue, &st))
			code = say_unseen(orphans, dir->path,
					  "belongs to the queue as well and was not given", err);
	}
	qf_queue_free(all);
	return code;
}

enum qf_code
qf_orphan_seen(struct qf_orphans *orphans, struct qf_err *err)
{
	const struct qf_pairs *pairs = orphans->pairs;
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < qf_queue_ndirs(orphans->queue) && !code; i++) {
		const struct qf_dir *dir = qf_queue_dir(orphans->queue, i);

		if (!dir->trouble)
			continue;
		code = add_trouble(orphans, &dir->err, err);
		if (!code)
			code = say_unseen(orphans, dir->path, "cannot be read", err);
	}
	for (size_t i = 0; i < pairs->nplaces && !code; i++) {
		if (!pairs->places[i].trouble)
			continue;
		code = add_trouble(orphans, &pairs->places[i].err, err);
		if (!code)
			code = say_unseen(orphans, pairs->places[i].err.what, "cannot be read", err);
	}
	return code ? code : compare_with_config(orphans, err);
}

/* Files of a kind in a place: control files, or data files. */
static uint64_t
count_of(const struct qf_pair_place *place, enum qf_part part)
{
	return part == QF_PART_DATA ? place->bodies : place->controls;
}

/*
 * Two directories that should hold halves of the same messages, and one has none at all. Control
 * files without any body: two or more of them are no accident. Bodies without any control file are
 * what an idle queue has after a crash; but then its directory of control files was changed after
 * they were written, when the last of them went.
 */
const char *
qf_orphan_missing(struct qf_orphans *orphans, size_t dir, enum qf_part part)
{
	const struct qf_pairs *pairs = orphans->pairs;
	size_t here = pairs->homes[dir].part[part];
	size_t there = pairs->homes[dir].part[part == QF_PART_DATA ? QF_PART_CONTROL : QF_PART_DATA];
	enum qf_part other = part == QF_PART_DATA ? QF_PART_CONTROL : QF_PART_DATA;
	struct stat st, newest;

	if (here == SIZE_MAX || there == SIZE_MAX || here == there ||
	    count_of(&pairs->places[here], part) || !count_of(&pairs->places[there], other))
		return NULL;
	if (part == QF_PART_DATA)
		return count_of(&pairs->places[there], other) > 1
			       ? "its directory of data files holds none at all: is it mounted?"
			       : NULL;
	if (qf_io_fstat(pairs->io, pairs->places[here].fd, &st) != 0 ||
	    qf_io_fstat(pairs->io, pairs->places[there].fd, &newest) != 0 ||
	    st.st_mtime >= newest.st_mtime)
		return NULL;
	return "its directory of control files holds none at all, and was not changed since: is it "
	       "mounted?";
}
