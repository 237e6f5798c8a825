/*
 * layout_set - the directories found so far, each of them once, and the names d lines may use for
 * them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout_parts.h"

/* ---------------------------------------------------------------- text */

const char *
qf_layout_copy(struct qf_queue *queue, const char *text, size_t n)
{
	return qf_arena_copy(&queue->arena, (struct qf_slice){text, n}).p;
}

size_t
qf_layout_trimmed(const char *text, size_t n)
{
	while (n > 1 && text[n - 1] == '/')
		n--;
	return n;
}

const char *
qf_layout_join(struct qf_queue *queue, const char *base, size_t n, const char *name)
{
	size_t length = strlen(name);
	char *path = qf_arena_alloc(&queue->arena, n + length + 2);

	if (!path)
		return NULL;
	if (n > 0 && base[n - 1] == '/')
		n--;
	memcpy(path, base, n);
	path[n] = '/';
	memcpy(path + n + 1, name, length + 1);
	return path;
}

bool
qf_layout_split(const char *path, size_t n, const char **parent, size_t *parent_n,
		const char **name)
{
	size_t slash = n;

	while (slash > 0 && path[slash - 1] != '/')
		slash--;
	*name = path + slash;
	if (slash == n || strncmp(*name, ".", n - slash) == 0 ||
	    (n - slash == 2 && strncmp(*name, "..", 2) == 0))
		return false;
	*parent = slash ? path : ".";
	*parent_n = qf_layout_trimmed(*parent, slash ? slash : 1);
	return true;
}

/* ---------------------------------------------------------------- the set */

static bool
grow(void **array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 8;
	void *p;

	if (n < *cap)
		return true;
	p = realloc(*array, more * size);
	if (!p)
		return false;
	*array = p;
	*cap = more;
	return true;
}

static bool
add_alias(struct qf_queue *queue, struct qf_layout_id base, const char *name, size_t dir)
{
	if (!grow((void **)&queue->aliases, &queue->aliases_cap, queue->naliases,
		  sizeof(*queue->aliases)))
		return false;
	queue->aliases[queue->naliases++] = (struct qf_layout_alias){base, name, dir};
	return true;
}

static bool
same(struct qf_layout_id a, struct qf_layout_id b)
{
	return a.device == b.device && a.inode == b.inode;
}

size_t
qf_layout_find(const struct qf_queue *queue, struct qf_layout_id id)
{
	for (size_t i = 0; i < queue->ndirs; i++)
		if (!queue->dirs[i].trouble && same(queue->places[i].id, id))
			return i;
	return SIZE_MAX;
}

/* A new directory at the end, named as like is. NULL: no memory. */
static struct qf_dir *
new_dir(struct qf_queue *queue, const struct qf_dir *like)
{
	size_t places_cap = queue->dirs_cap;
	struct qf_dir *dir;

	if (!grow((void **)&queue->places, &places_cap, queue->ndirs, sizeof(*queue->places)) ||
	    !grow((void **)&queue->dirs, &queue->dirs_cap, queue->ndirs, sizeof(*queue->dirs)))
		return NULL;
	queue->places[queue->ndirs] = (struct qf_layout_place){0};
	dir = &queue->dirs[queue->ndirs];
	*dir = *like;
	dir->control_fd = dir->data_fd = dir->transcript_fd = -1;
	return dir;
}

enum qf_code
qf_layout_add_trouble(struct qf_queue *queue, const struct qf_dir *like, int failure,
		      const char *why, struct qf_err *err)
{
	struct qf_dir *dir = new_dir(queue, like);

	if (!dir)
		return qf_err_nomem(err);
	if (!why && failure == ENOTDIR)
		why = "not a directory";
	dir->trouble = why ? qf_err_set(&dir->err, QF_E_NOT_FOUND, dir->path, "%s", why)
			   : qf_err_sys(&dir->err, failure, dir->path, "cannot open");
	queue->ndirs++;
	return QF_OK;
}

/* Such failures are the process's, not the directory's. */
static bool
is_exhausted(int failure)
{
	return failure == EMFILE || failure == ENFILE || failure == ENOMEM;
}

enum qf_code
qf_layout_add(struct qf_queue *queue, int at, const char *file, const struct qf_dir *like,
	      bool skip, size_t *index, struct qf_err *err)
{
	struct qf_dir *dir = new_dir(queue, like);
	struct qf_layout_id id;
	int failure;

	*index = SIZE_MAX;
	if (!dir)
		return qf_err_nomem(err);
	failure = qf_layout_open_parts(queue, at, file, dir, &id);
	if (is_exhausted(failure))
		return qf_err_sys(err, failure, dir->path, "cannot open");
	if (skip && (failure == ENOENT || failure == ENOTDIR || failure == ELOOP))
		return QF_OK;
	if (failure)
		return qf_layout_add_trouble(queue, like, failure, NULL, err);
	*index = qf_layout_find(queue, id);
	if (*index != SIZE_MAX) {
		qf_layout_close(queue, dir);
		return QF_OK;
	}
	queue->places[queue->ndirs].id = id;
	*index = queue->ndirs++;
	return QF_OK;
}

/* ---------------------------------------------------------------- names in d lines */

static bool
base_identity(struct qf_queue *queue, const char *text, size_t n, struct qf_layout_id *id)
{
	const char *path;
	struct stat st;

	if (queue->base_text && strlen(queue->base_text) == n &&
	    memcmp(queue->base_text, text, n) == 0) {
		*id = queue->base_id;
		return true;
	}
	path = qf_layout_copy(queue, text, n);
	if (!path || qf_io_stat(&queue->io, AT_FDCWD, path, &st, 0) < 0)
		return false;
	queue->base_text = path;
	*id = queue->base_id = (struct qf_layout_id){st.st_dev, st.st_ino};
	return true;
}

/*
 * The names a directory may have when nothing but its path is known: relative to the directory
 * above, and to the one above that. The directory itself comes last as a base: "." in a directory
 * below it means the one above.
 */
enum qf_code
qf_layout_add_possible_names(struct qf_queue *queue, size_t dir, const char *path,
			     struct qf_err *err)
{
	size_t n = strlen(path), parent_n;
	const char *parent = path, *name;
	struct qf_layout_id base;

	for (int level = 0; level < 2 && parent == path; level++) {
		if (!qf_layout_split(path, n, &parent, &parent_n, &name))
			break;
		if (base_identity(queue, parent, parent_n, &base) &&
		    !add_alias(queue, base, name, dir))
			return qf_err_nomem(err);
		n = parent_n;
	}
	if (queue->places[dir].explicit && !add_alias(queue, queue->places[dir].id, ".", dir))
		return qf_err_nomem(err);
	return QF_OK;
}

/* The base of a configured queue: nothing else counts, so that no stat is needed to compare it. */
static const struct qf_layout_id configured = {UINT64_MAX, UINT64_MAX};

enum qf_code
qf_layout_add_names(struct qf_queue *queue, size_t dir, const struct qf_dir *like, const char *base,
		    struct qf_err *err)
{
	if (!base)
		return qf_layout_add_possible_names(queue, dir, like->path, err);
	return add_alias(queue, configured, like->relative, dir) ? QF_OK : qf_err_nomem(err);
}

void
qf_queue_data_beside(struct qf_queue *queue)
{
	queue->data_beside = true;
}

size_t
qf_queue_data_dir(const struct qf_queue *queue, size_t dir, struct qf_slice relative)
{
	size_t n = relative.p ? qf_layout_trimmed(relative.p, relative.n) : 0;

	if (queue->data_beside)
		return dir;
	for (size_t i = 0; n > 0 && i < queue->naliases; i++) {
		const struct qf_layout_alias *own = &queue->aliases[i];

		if (own->dir != dir)
			continue;
		for (size_t k = 0; k < queue->naliases; k++) {
			const struct qf_layout_alias *alias = &queue->aliases[k];

			if (same(alias->base, own->base) && strlen(alias->name) == n &&
			    memcmp(alias->name, relative.p, n) == 0)
				return alias->dir;
		}
	}
	return SIZE_MAX;
}
