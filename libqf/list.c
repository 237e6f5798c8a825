/*
 * list - the names of a directory, in pieces.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "list.h"

/* Over NFS each piece is at least one question, of a directory with a million names. */
#define PIECE ((size_t)65536)

bool
qf_list_begin(struct qf_list *list, struct qf_io *io, int fd)
{
	*list = (struct qf_list){.io = io, .fd = fd, .piece = malloc(PIECE)};
	if (!list->piece)
		return false;
	lseek(fd, 0, SEEK_SET);
	return true;
}

void
qf_list_end(struct qf_list *list)
{
	free(list->piece);
	list->piece = NULL;
	list->at = list->n = 0;
}

bool
qf_list_read(struct qf_list *list)
{
	ssize_t n;

	list->at = list->n = 0;
	if (list->failure || (list->most && list->pieces == list->most))
		return false;
	list->pieces++;
	n = qf_io_list(list->io, list->fd, list->piece, PIECE);
	if (n < 0)
		list->failure = errno;
	if (n <= 0)
		return false;
	list->n = (size_t)n;
	return true;
}

static bool
is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

const struct qf_sys_entry *
qf_list_in_piece(struct qf_list *list)
{
	while (list->at < list->n) {
		const void *at = list->piece + list->at;
		const struct qf_sys_entry *entry = at;

		list->at += entry->length;
		if (!is_dots(entry->name))
			return entry;
	}
	return NULL;
}

const struct qf_sys_entry *
qf_list_next(struct qf_list *list)
{
	const struct qf_sys_entry *entry;

	while (!(entry = qf_list_in_piece(list)))
		if (!qf_list_read(list))
			return NULL;
	return entry;
}

bool
qf_list_is_directory(struct qf_list *list, const struct qf_sys_entry *entry)
{
	struct stat st;

	if (entry->type == DT_DIR)
		return true;
	if (entry->type != DT_LNK && entry->type != DT_UNKNOWN)
		return false;
	return qf_io_stat(list->io, list->fd, entry->name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}
