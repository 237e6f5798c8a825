/*
 * layout - the directories of a queue: found, opened, and known by the names that d lines use.
 *
 * Directories are opened once and used through *at() calls; the listing order of patterns is that
 * of the directory, as mailq prints it. Nothing is ever created or changed.
 *
 * BUGS: which sub-directories exist is looked at once, when the queue is opened, as sendmail does
 * at its start.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cf.h"
#include "err.h"
#include "layout_parts.h"
#include "list.h"

#define DEFAULT_QUEUE "/var/spool/mqueue"

/* What the toolkit leaves at a queue; a pattern like mqueue/.* would take it for a queue. */
#define OWN_FOLDER ".qf"

/* ---------------------------------------------------------------- patterns */

/*
 * Every directory that BASE/PREFIX* matches, in the order of the listing. like has the group;
 * base is QueueDirectory's, with its slash, where the pattern is a configured one.
 * Origin: sendmail/queue.c multiqueue_cache(): the names with that beginning that are directories
 * or links to one, but "." and "..".
 */
static enum qf_code
add_matches(struct qf_queue *queue, const char *pattern, const char *base, struct qf_dir *like,
	    struct qf_err *err)
{
	size_t n = strlen(pattern) - 1, slash = n, before = queue->ndirs, above, index;
	const struct qf_sys_entry *entry;
	struct qf_list list;
	enum qf_code code = QF_OK;
	bool matched = false;
	int fd;

	while (slash > 0 && pattern[slash - 1] != '/')
		slash--;
	above = slash ? qf_layout_trimmed(pattern, slash) : 1;
	like->path = like->shown = pattern;
	like->base = qf_layout_copy(queue, slash ? pattern : ".", above);
	if (!like->base)
		return qf_err_nomem(err);
	fd = qf_layout_open(queue, AT_FDCWD, like->base);
	if (fd < 0)
		return qf_layout_add_trouble(queue, like, errno, NULL, err);
	if (base)
		like->base = qf_layout_copy(queue, base, qf_layout_trimmed(base, strlen(base)));
	if (!like->base || !qf_list_begin(&list, &queue->io, fd)) {
		qf_io_close(&queue->io, fd);
		return qf_err_nomem(err);
	}
	while (!code && (entry = qf_list_next(&list))) {
		if (strncmp(entry->name, pattern + slash, n - slash) != 0 ||
		    strcmp(entry->name, OWN_FOLDER) == 0 ||
		    !qf_list_is_directory(&list, entry))
			continue;
		like->path = slash ? qf_layout_join(queue, pattern, above, entry->name)
				   : qf_layout_copy(queue, entry->name, strlen(entry->name));
		like->shown =
			slash ? qf_layout_join(queue, pattern, slash, entry->name) : like->path;
		if (!like->path || !like->shown) {
			code = qf_err_nomem(err);
			break;
		}
		like->relative = like->shown + (base ? strlen(base) : slash);
		code = qf_layout_add(queue, fd, entry->name, like, true, &index, err);
		if (code || index == SIZE_MAX)
			continue;
		matched = true;
		code = qf_layout_add_names(queue, index, like, base, err);
	}
	qf_list_end(&list);
	qf_io_close(&queue->io, fd);
	like->path = like->shown = pattern;
	if (!code && list.failure)
		code = qf_layout_add_trouble(queue, like, list.failure, NULL, err);
	else if (!code && !matched && queue->ndirs == before)
		code = qf_layout_add_trouble(queue, like, 0, "no directory has such a name", err);
	return code;
}

static bool
is_pattern(const char *path)
{
	size_t n = strlen(path);

	return n > 0 && path[n - 1] == '*';
}

/* ---------------------------------------------------------------- given paths */

/* Does a directory called "qf" hold bodies too? Then it is a queue of its own. A look at its first
   entries tells. */
static bool
holds_bodies(struct qf_queue *queue, int fd)
{
	struct qf_list list;
	const struct qf_sys_entry *entry;
	bool found = false;

	if (!qf_list_begin(&list, &queue->io, fd))
		return false;
	list.most = 1;
	while (!found && (entry = qf_list_next(&list)))
		found = qf_name_kind(entry->name, strlen(entry->name)) == QF_KIND_DATA;
	qf_list_end(&list);
	return found;
}

/* Is path the qf/ of queue directory above, and not a queue directory called "qf"? */
static bool
is_control_part(struct qf_queue *queue, const char *path, const char *above)
{
	static const char *const siblings[] = {"df", "xf"};
	struct stat st;
	bool bodies;
	int fd;

	for (size_t i = 0; i < 2; i++) {
		const char *sibling = qf_layout_join(queue, above, strlen(above), siblings[i]);

		if (sibling && qf_io_stat(&queue->io, AT_FDCWD, sibling, &st, 0) == 0 &&
		    S_ISDIR(st.st_mode))
			return true;
	}
	fd = qf_layout_open(queue, AT_FDCWD, path);
	if (fd < 0)
		return false;
	bodies = holds_bodies(queue, fd);
	qf_io_close(&queue->io, fd);
	return !bodies;
}

/* A directory; of DIR/qf the queue is DIR. */
static enum qf_code
add_path(struct qf_queue *queue, const char *given, struct qf_err *err)
{
	const char *path = qf_layout_copy(queue, given, qf_layout_trimmed(given, strlen(given))),
		   *parent, *last;
	struct qf_dir like = {.shown = given, .relative = ".", .group = "mqueue"};
	enum qf_code code;
	size_t index, n;

	if (!path)
		return qf_err_nomem(err);
	if (qf_layout_split(path, strlen(path), &parent, &n, &last) && strcmp(last, "qf") == 0) {
		const char *above = qf_layout_copy(queue, parent, n);

		if (!above)
			return qf_err_nomem(err);
		if (is_control_part(queue, path, above))
			path = like.shown = above;
	}
	like.path = like.base = path;
	if (!*path)
		return qf_layout_add_trouble(queue, &like, 0, "empty path", err);
	code = qf_layout_add(queue, AT_FDCWD, path, &like, false, &index, err);
	if (code || index == SIZE_MAX)
		return code;
	queue->places[index].explicit = true;
	return qf_layout_add_possible_names(queue, index, path, err);
}

static enum qf_code
add_given(struct qf_queue *queue, const char *given, struct qf_err *err)
{
	struct qf_dir like = {.relative = ".", .group = "mqueue"};

	given = qf_layout_copy(queue, given, strlen(given));
	if (!given)
		return qf_err_nomem(err);
	return is_pattern(given) ? add_matches(queue, given, NULL, &like, err)
				 : add_path(queue, given, err);
}

/* ---------------------------------------------------------------- the configuration */

static enum qf_code
refuse(const struct qf_cf *cf, const struct qf_group *group, const char *what, struct qf_err *err)
{
	qf_err_set(err, QF_E_CONFIG, qf_cf_name(cf), "queue group %.100s: %.200s %s", group->name,
		   group->path, what);
	if (err)
		err->line = group->line;
	qf_err_hint(err, "sendmail refuses it too; or name the directories with -Q");
	return QF_E_CONFIG;
}

/* base: of QueueDirectory, with its slash. */
static enum qf_code
add_group(struct qf_queue *queue, const struct qf_cf *cf, const struct qf_group *group,
	  const char *base, struct qf_err *err)
{
	size_t n = strlen(group->path), base_n = strlen(base), index;
	const char *path = qf_layout_copy(queue, group->path, n);
	struct qf_dir like = {.shown = path, .relative = "."};
	enum qf_code code;

	like.group = qf_layout_copy(queue, group->name, strlen(group->name));
	if (!path || !like.group)
		return qf_err_nomem(err);
	if (*path != '/')
		return refuse(cf, group, "is no absolute path", err);
	/* Origin: multiqueue_cache(), which compares text: base with its slash, or all but that. */
	if (strncmp(path, base, base_n) != 0 && (n != base_n - 1 || strncmp(path, base, n) != 0))
		return refuse(cf, group, "does not lie below QueueDirectory", err);
	if (is_pattern(path))
		return add_matches(queue, path, base, &like, err);
	n = qf_layout_trimmed(path, n);
	like.path = qf_layout_copy(queue, path, n);
	like.base = qf_layout_copy(queue, base, qf_layout_trimmed(base, base_n));
	if (!like.path || !like.base)
		return qf_err_nomem(err);
	if (n > base_n)
		like.relative = like.path + base_n;
	code = qf_layout_add(queue, AT_FDCWD, like.path, &like, false, &index, err);
	return code || index == SIZE_MAX ? code
					 : qf_layout_add_names(queue, index, &like, base, err);
}

/* Origin: sendmail/queue.c setup_queues(): the base is QueueDirectory, up to the last slash where
   it is a pattern. */
static enum qf_code
add_configured(struct qf_queue *queue, const struct qf_cf *cf, struct qf_err *err)
{
	const char *directory = qf_cf_queue_directory(cf, NULL), *base;
	size_t n, length = strlen(directory);
	const struct qf_group *groups = qf_cf_groups(cf, &n);
	enum qf_code code = QF_OK;

	if (*directory != '/')
		return refuse(cf, &groups[0], "is no absolute path", err);
	while (is_pattern(directory) && directory[length - 1] != '/')
		length--;
	base = qf_layout_join(queue, directory, length, "");
	if (!base)
		return qf_err_nomem(err);
	for (size_t i = 0; i < n && !code; i++)
		code = add_group(queue, cf, &groups[i], base, err);
	return code;
}

/* ---------------------------------------------------------------- the interface */

enum qf_code
qf_queue_open_sys(const struct qf_sys *sys, const struct qf_queue_options *options,
		  struct qf_queue **out, struct qf_err *err)
{
	struct qf_queue *queue = calloc(1, sizeof(*queue));
	enum qf_code code = QF_OK;
	size_t i;

	if (!queue)
		return qf_err_nomem(err);
	qf_io_init(&queue->io, sys, options->max_ops);
	if (options->within)
		queue->io.pace = options->within->io.pace;
	queue->io.hasty = options->hasty;
	queue->noatime = true;
	if (options->policy)
		queue->policy = *options->policy;
	else if (options->cf)
		queue->policy = *qf_cf_policy(options->cf);
	else
		qf_policy_default(&queue->policy);
	for (i = 0; i < options->npaths && !code; i++)
		code = add_given(queue, options->paths[i], err);
	if (!options->npaths) {
		if (options->cf && qf_cf_queue_directory(options->cf, NULL))
			code = add_configured(queue, options->cf, err);
		else
			code = add_given(queue, DEFAULT_QUEUE, err);
	}
	for (i = 0; i < queue->ndirs && queue->dirs[i].trouble; i++)
		;
	if (!code && i == queue->ndirs) {
		code = queue->dirs[0].trouble;
		if (err)
			*err = queue->dirs[0].err;
	}
	if (!code)
		code = qf_layout_check_given(queue, err);
	if (code) {
		qf_queue_free(queue);
		return code;
	}
	*out = queue;
	return QF_OK;
}

enum qf_code
qf_queue_open(const struct qf_queue_options *options, struct qf_queue **out, struct qf_err *err)
{
	return qf_queue_open_sys(NULL, options, out, err);
}

void
qf_queue_free(struct qf_queue *queue)
{
	if (!queue)
		return;
	for (size_t i = 0; i < queue->ndirs; i++)
		qf_layout_close(queue, &queue->dirs[i]);
	free(queue->dirs);
	free(queue->places);
	free(queue->aliases);
	qf_arena_release(&queue->arena);
	free(queue);
}

size_t
qf_queue_ndirs(const struct qf_queue *queue)
{
	return queue->ndirs;
}

const struct qf_dir *
qf_queue_dir(const struct qf_queue *queue, size_t i)
{
	return &queue->dirs[i];
}

const struct qf_policy *
qf_queue_policy(const struct qf_queue *queue)
{
	return &queue->policy;
}

struct qf_io *
qf_queue_io(struct qf_queue *queue)
{
	return &queue->io;
}

const char *
qf_path_last(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
