/*
 * names - the ids that files of a queue bear: a list of ids, and a table of where they are in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "list.h"
#include "names.h"

/* Entries one behind the other, which takes little more than the ids do, and where they are: a byte of
   kinds, the id, a NUL. There may be a million. */
struct qf_names {
	struct qf_buf entries;
	size_t n;
	uint32_t *slots; /* where the entry is, and one; 0: free */
	size_t cap;      /* of slots: a power of two, or 0 */
};

struct qf_names *
qf_names_new(void)
{
	return calloc(1, sizeof(struct qf_names));
}

void
qf_names_free(struct qf_names *names)
{
	if (!names)
		return;
	qf_buf_release(&names->entries);
	free(names->slots);
	free(names);
}

static unsigned char *
kinds_at(const struct qf_names *names, uint32_t slot)
{
	return (unsigned char *)names->entries.p + slot - 1;
}

static const char *
id_at(const struct qf_names *names, uint32_t slot)
{
	return names->entries.p + slot;
}

static uint32_t *
slot_of(const struct qf_names *names, const char *id)
{
	uint64_t hash = 14695981039346656037u;
	size_t at;

	for (const char *c = id; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 1099511628211u;
	for (at = hash & (names->cap - 1);
	     names->slots[at] && strcmp(id_at(names, names->slots[at]), id) != 0;)
		at = (at + 1) & (names->cap - 1);
	return &names->slots[at];
}

static bool
grow(struct qf_names *names)
{
	size_t cap = names->cap ? names->cap * 2 : 256;
	uint32_t *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return false;
	free(names->slots);
	names->slots = slots;
	names->cap = cap;
	for (size_t at = 0; at < names->entries.n;
	     at += 1 + strlen(names->entries.p + at + 1) + 1)
		*slot_of(names, names->entries.p + at + 1) = (uint32_t)at + 1;
	return true;
}

bool
qf_names_add(struct qf_names *names, const char *id, enum qf_kind kind)
{
	size_t n = strlen(id), at = names->entries.n;
	uint32_t *slot;

	if (n == 0 || n >= QF_NAME_MAX)
		return true;
	if (names->n >= names->cap / 5 * 4 && !grow(names))
		return false;
	slot = slot_of(names, id);
	if (!*slot) {
		if (at >= UINT32_MAX - QF_NAME_MAX)
			return false;
		qf_buf_addc(&names->entries, '\0');
		qf_buf_add(&names->entries, id, n + 1);
		if (names->entries.failed)
			return false;
		names->n++;
		*slot = (uint32_t)at + 1;
	}
	*kinds_at(names, *slot) |= (unsigned char)(1u << kind);
	return true;
}

unsigned
qf_names_find(const struct qf_names *names, const char *id)
{
	uint32_t slot = names->cap && *id && strlen(id) < QF_NAME_MAX ? *slot_of(names, id) : 0;

	return slot ? *kinds_at(names, slot) : 0;
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
