/*
 * scan_list - the thread that lists the directories of a queue for those that read.
 */
#include <sched.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "list.h"
#include "scan.h"

/* The caller may be reading those that are there already. */
static void
add_trouble(struct qf_scan *scan, size_t dir, const struct qf_err *err)
{
	scan->troubles[scan->ntroubles] = (struct qf_scan_trouble){.err = *err, .dir = dir};
	scan->ntroubles++;
}

/* Is it a control file of the kinds asked for? Others are counted. */
static bool
wanted(struct qf_scan *scan, const char *name, size_t n)
{
	enum qf_kind kind = qf_name_kind(name, n);

	if (kind == QF_KIND_OTHER) {
		scan->stats.ignored++;
		return false;
	}
	if (!qf_kind_is_control(kind))
		return false;
	if (n >= QF_NAME_MAX) {
		scan->stats.too_long++;
		return false;
	}
	return scan->options.kinds & (1u << kind);
}

/* Pass names on to the workers. False when the scan is to end. */
static bool
pass_on(struct qf_scan *scan, const struct qf_scan_name *names, size_t n)
{
	bool go_on;

	pthread_mutex_lock(&scan->mutex);
	for (size_t i = 0; i < n && !scan->stop;) {
		if (scan->names_tail - scan->names_head == QF_SCAN_NAMES) {
			pthread_cond_broadcast(&scan->work);
			pthread_cond_wait(&scan->listing, &scan->mutex);
			continue;
		}
		scan->names[scan->names_tail++ % QF_SCAN_NAMES] = names[i++];
	}
	if (n)
		pthread_cond_broadcast(&scan->work);
	go_on = !scan->stop;
	pthread_mutex_unlock(&scan->mutex);
	return go_on;
}

/* The entries of one piece of a listing. False when the scan is to end. */
static bool
take_piece(struct qf_scan *scan, struct qf_list *list, size_t dir)
{
	struct qf_scan_name names[256];
	const struct qf_sys_entry *entry;
	size_t found = 0;

	while ((entry = qf_list_in_piece(list))) {
		size_t length = strlen(entry->name);
		struct qf_scan_name *name = &names[found];

		if (!wanted(scan, entry->name, length))
			continue;
		name->inode = entry->inode;
		name->dir = (uint32_t)dir;
		name->type = entry->type;
		name->length = (unsigned char)length;
		memcpy(name->text, entry->name, length + 1);
		if (++found == sizeof(names) / sizeof(*names)) {
			if (!pass_on(scan, names, found))
				return false;
			found = 0;
		}
	}
	return pass_on(scan, names, found);
}

/* All of one directory, whose descriptor is the queue's. False when the scan is to end. */
static bool
list_directory(struct qf_scan *scan, struct qf_io *io, size_t dir)
{
	const struct qf_dir *d = qf_queue_dir(scan->queue, dir);
	struct qf_list list;
	struct qf_err err;
	bool go_on = true;

	if (d->trouble) {
		add_trouble(scan, dir, &d->err);
		return true;
	}
	if (!qf_list_begin(&list, io, d->control_fd)) {
		pthread_mutex_lock(&scan->mutex);
		scan->nomem = true;
		pthread_mutex_unlock(&scan->mutex);
		return false;
	}
	while (go_on && qf_list_read(&list))
		go_on = take_piece(scan, &list, dir);
	if (list.failure) {
		qf_err_sys(&err, list.failure, d->path, "cannot list");
		add_trouble(scan, dir, &err);
	}
	qf_list_end(&list);
	return go_on;
}

void *
qf_scan_list(void *arg)
{
	struct qf_scan *scan = arg;
	struct qf_io io;

	/* A table of descriptors of its own, as the readers: then the caller has one of its own too. */
	unshare(CLONE_FILES);
	qf_io_share(&io, &scan->io);
	for (size_t dir = 0; dir < qf_queue_ndirs(scan->queue); dir++)
		if (!list_directory(scan, &io, dir))
			break;
	qf_io_add(&scan->io, &io);
	pthread_mutex_lock(&scan->mutex);
	scan->listed = true;
	pthread_cond_broadcast(&scan->work);
	pthread_cond_signal(&scan->ready);
	pthread_mutex_unlock(&scan->mutex);
	return NULL;
}
