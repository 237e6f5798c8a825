/*
 * layout_below - another directory was meant: one that was given holds no queue files, and its
 * sub-directories do. On the way is counted what of it is not sendmail's.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout_parts.h"
#include "list.h"

/* A sub-directory is searched for queue files no further than this many pieces of listing, and no
   more sub-directories than this: enough to say what was meant, little enough not to wait for. */
#define PIECES_MAX 8
#define SUBDIRS_MAX 1000

/* A file of sendmail's by its name. */
static bool
is_queue_file(struct qf_list *list, const struct qf_sys_entry *entry)
{
	return qf_name_kind(entry->name, strlen(entry->name)) != QF_KIND_OTHER &&
	       !qf_list_is_directory(list, entry);
}

static bool
is_layout_name(const char *name)
{
	return strcmp(name, "qf") == 0 || strcmp(name, "df") == 0 || strcmp(name, "xf") == 0;
}

/* Are there queue files in a directory, or in its qf/? */
static bool
holds_queue_files(struct qf_queue *queue, int at, const char *name, bool deeper,
		  struct qf_layout_id *id)
{
	int fd = qf_layout_open(queue, at, name);
	const struct qf_sys_entry *entry;
	struct qf_list list;
	struct stat st;
	bool found = false, control = false;

	if (fd < 0)
		return false;
	if (qf_io_fstat(&queue->io, fd, &st) == 0 &&
	    qf_list_begin(&list, &queue->io, fd)) {
		*id = (struct qf_layout_id){st.st_dev, st.st_ino};
		list.most = PIECES_MAX;
		while (!found && (entry = qf_list_next(&list))) {
			found = is_queue_file(&list, entry);
			control |= strcmp(entry->name, "qf") == 0;
		}
		qf_list_end(&list);
		if (!found && control && deeper)
			found = holds_queue_files(queue, fd, "qf", false,
						  &(struct qf_layout_id){0});
	}
	qf_io_close(&queue->io, fd);
	return found;
}

/* The sub-directories of one that has no queue files. */
struct subdirs {
	char *names[SUBDIRS_MAX];
	size_t n;
	bool failed;
};

/* Look for a queue file; meanwhile count what is foreign, and keep the names of sub-directories. */
static void
look(struct qf_queue *queue, size_t i, struct subdirs *subdirs)
{
	struct qf_layout_place *place = &queue->places[i];
	const struct qf_sys_entry *entry;
	struct qf_list list;

	place->foreign = 0;
	if (!qf_list_begin(&list, &queue->io, queue->dirs[i].control_fd))
		return;
	place->looked = true;
	while ((entry = qf_list_next(&list))) {
		if (*entry->name == '.' || is_layout_name(entry->name))
			continue;
		if (is_queue_file(&list, entry)) {
			place->foreign = 0;
			break;
		}
		place->foreign++;
		if (subdirs && subdirs->n < SUBDIRS_MAX &&
		    qf_list_is_directory(&list, entry)) {
			subdirs->names[subdirs->n] = strdup(entry->name);
			subdirs->failed |= !subdirs->names[subdirs->n++];
		}
	}
	qf_list_end(&list);
}

static enum qf_code
say_what_was_meant(struct qf_queue *queue, const struct qf_dir *dir, char *name, size_t common,
		   size_t n, struct qf_err *err)
{
	const char *pattern, *quote;

	if (n > 1)
		name[common] = '\0';
	pattern = qf_layout_join(queue, dir->path, strlen(dir->path), name);
	if (!pattern)
		return qf_err_nomem(err);
	/* Quoted, for the shell would make several words of it. */
	quote = strchr(pattern, '\'') ? "" : "'";
	qf_err_set(err, QF_E_AMBIGUOUS, dir->path,
		   n > 1 ? "no queue files here; its sub-directories %.100s* hold them"
			 : "no queue files here; its sub-directory %.100s holds them",
		   name);
	qf_err_hint(err, "try -Q %s%s%s%s", quote, pattern, n > 1 ? "*" : "", quote);
	return QF_E_AMBIGUOUS;
}

/* Do the sub-directories of a directory without queue files hold some? One that is part of the
   queue itself tells that the directory was meant as it is. */
static enum qf_code
look_below(struct qf_queue *queue, size_t i, struct subdirs *subdirs, struct qf_err *err)
{
	const struct qf_dir *dir = &queue->dirs[i];
	char *first = NULL;
	size_t common = 0, found = 0;

	for (size_t k = 0; k < subdirs->n; k++) {
		struct qf_layout_id id = {0};
		char *name = subdirs->names[k];

		if (!holds_queue_files(queue, dir->control_fd, name, true, &id))
			continue;
		if (qf_layout_find(queue, id) != SIZE_MAX)
			return QF_OK;
		if (!found++) {
			first = name;
			common = strlen(name);
		}
		while (common && strncmp(first, name, common) != 0)
			common--;
	}
	return found ? say_what_was_meant(queue, dir, first, common, found, err) : QF_OK;
}

enum qf_code
qf_layout_check_given(struct qf_queue *queue, struct qf_err *err)
{
	struct subdirs *subdirs = malloc(sizeof(*subdirs));
	enum qf_code code = QF_OK;

	if (!subdirs)
		return qf_err_nomem(err);
	for (size_t i = 0; i < queue->ndirs && !code; i++) {
		if (!queue->places[i].explicit || queue->dirs[i].split_qf)
			continue;
		subdirs->n = 0;
		subdirs->failed = false;
		look(queue, i, subdirs);
		if (subdirs->failed)
			code = qf_err_nomem(err);
		else if (queue->places[i].foreign)
			code = look_below(queue, i, subdirs, err);
		for (size_t k = 0; k < subdirs->n; k++)
			free(subdirs->names[k]);
	}
	free(subdirs);
	return code;
}

size_t
qf_queue_foreign(struct qf_queue *queue, size_t dir)
{
	if (queue->dirs[dir].trouble)
		return 0;
	if (!queue->places[dir].looked)
		look(queue, dir, NULL);
	return queue->places[dir].foreign;
}
