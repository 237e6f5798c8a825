/*
 * names - the ids that files of a queue bear: a table of ids, open addressing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "list.h"
#include "names.h"

struct name {
	char id[QF_NAME_MAX]; /* empty: free */
	unsigned char kinds;
};

struct qf_names {
	struct name *names;
	size_t n, cap; /* a power of two, or 0 */
};

struct qf_names *
qf_names_new(void)
{
	return calloc(1, sizeof(struct qf_names));
}

void
qf_names_free(struct qf_names *names)
{
	if (names)
		free(names->names);
	free(names);
}

static struct name *
place_of(struct name *all, size_t cap, const char *id)
{
	uint64_t hash = 14695981039346656037u;
	size_t at;

	for (const char *c = id; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 1099511628211u;
	for (at = hash & (cap - 1); all[at].id[0] && strcmp(all[at].id, id) != 0;)
		at = (at + 1) & (cap - 1);
	return &all[at];
}

static bool
grow(struct qf_names *names)
{
	size_t cap = names->cap ? names->cap * 2 : 256;
	struct name *all = calloc(cap, sizeof(*all));

	if (!all)
		return false;
	for (size_t i = 0; i < names->cap; i++)
		if (names->names[i].id[0])
			*place_of(all, cap, names->names[i].id) = names->names[i];
	free(names->names);
	names->names = all;
	names->cap = cap;
	return true;
}

bool
qf_names_add(struct qf_names *names, const char *id, enum qf_kind kind)
{
	struct name *name;
	size_t n = strlen(id);

	if (n == 0 || n >= QF_NAME_MAX)
		return true;
	if (names->n >= names->cap / 4 * 3 && !grow(names))
		return false;
	name = place_of(names->names, names->cap, id);
	if (!name->id[0]) {
		memcpy(name->id, id, n + 1);
		names->n++;
	}
	name->kinds |= (unsigned char)(1u << kind);
	return true;
}

unsigned
qf_names_find(const struct qf_names *names, const char *id)
{
	return names->cap && *id && strlen(id) < QF_NAME_MAX
		       ? place_of(names->names, names->cap, id)->kinds
		       : 0;
}

static enum qf_code
add_dir(struct qf_names *names, struct qf_io *io, int fd, const char *path, struct qf_err *err)
{
	const struct qf_sys_entry *entry;
	enum qf_code code = QF_OK;
	struct qf_list list;

	if (!qf_list_begin(&list, io, fd))
		return qf_err_nomem(err);
	while (!code && (entry = qf_list_next(&list))) {
		enum qf_kind kind = qf_name_kind(entry->name, strlen(entry->name));

		if (kind != QF_KIND_OTHER && !qf_names_add(names, entry->name + 2, kind))
			code = qf_err_nomem(err);
	}
	if (!code && list.failure)
		code = qf_err_sys(err, list.failure, path, "cannot list");
	qf_list_end(&list);
	return code;
}

enum qf_code
qf_names_add_queue(struct qf_names *names, struct qf_queue *queue, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < qf_queue_ndirs(queue) && !code; i++) {
		const struct qf_dir *d = qf_queue_dir(queue, i);
		struct qf_io *io = qf_queue_io(queue);

		if (d->trouble)
			continue;
		code = add_dir(names, io, d->control_fd, d->path, err);
		if (!code && d->split_df)
			code = add_dir(names, io, d->data_fd, d->path, err);
		if (!code && d->split_xf)
			code = add_dir(names, io, d->transcript_fd, d->path, err);
	}
	return code;
}

enum qf_code
qf_names_in(struct qf_io *io, int folder, const char *path, struct qf_buf *names,
	    struct qf_err *err)
{
	/* A descriptor of its own: another thread may be listing the same folder. */
	int fd = qf_io_open(io, folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct qf_sys_entry *entry;
	enum qf_code code = QF_OK;
	struct qf_list list;

	if (fd < 0)
		return qf_err_sys(err, errno, path, "cannot list");
	if (!qf_list_begin(&list, io, fd)) {
		qf_io_close(io, fd);
		return qf_err_nomem(err);
	}
	while ((entry = qf_list_next(&list)))
		qf_buf_add(names, entry->name, strlen(entry->name) + 1);
	if (list.failure)
		code = qf_err_sys(err, list.failure, path, "cannot list");
	else if (names->failed)
		code = qf_err_nomem(err);
	qf_list_end(&list);
	qf_io_close(io, fd);
	return code;
}
