/*
 * import - a bundle unpacked beside the queue it is for, where its messages are copied from.
 *
 * It lies in .qf/import/RUN/, RUN being a name of its own, with a file "lock" that is locked as
 * long as somebody is at it. Nothing there is the only copy of anything: the bundle is, and the
 * claims of the queue that it came from. So what a killed import has left is simply taken away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bundle.h"
#include "claim.h"
#include "err.h"
#include "home.h"
#include "layout.h"
#include "take.h"
#include "txn.h"

#define IMPORT "import"
#define LOCK "lock"
/* A folder without a lock may for so long be one that somebody has just made. */
#define EMPTY_GRACE 3600

struct qf_import {
	struct qf_io *io;
	struct qf_bundle_in bundle;
	char name[QF_RUN_MAX];
	char *path;
	int parent, folder;
	unsigned kinds;
	struct qf_taken lock;
	const volatile int *cancel;
};

static void
remove_import(struct qf_io *io, int parent, int folder, const char *name)
{
	int queue;

	if (!qf_home_folder(io, folder, QF_BUNDLE_QUEUE, false, &queue, NULL)) {
		qf_remove_folder(io, folder, queue, QF_BUNDLE_QUEUE);
		qf_io_close(io, queue);
	}
	qf_remove_folder(io, parent, folder, name);
}

/* One that nobody is at. */
static bool
tidy(void *ctx, const char *name)
{
	struct qf_import *import = ctx;
	struct qf_taken taken;
	enum qf_code code;
	struct stat st;
	int folder;

	if (qf_home_folder(import->io, import->parent, name, false, &folder, NULL))
		return true;
	code = qf_take(import->io, folder, LOCK, import->kinds, &taken, NULL);
	/* Without a lock: not yet begun, or not all of it could be removed. */
	if (code == QF_OK ||
	    (code == QF_E_GONE &&
	     (qf_io_stat(import->io, folder, QF_BUNDLE_QUEUE, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	      (qf_io_fstat(import->io, folder, &st) == 0 &&
	       qf_time_between(st.st_mtime, (int64_t)time(NULL)) > EMPTY_GRACE))))
		remove_import(import->io, import->parent, folder, name);
	if (code == QF_OK)
		qf_take_release(import->io, &taken);
	qf_io_close(import->io, folder);
	return true;
}

static enum qf_code
begin(struct qf_import *import, struct qf_queue *to, struct qf_err *err)
{
	const char *path = qf_queue_dir(to, 0)->path;
	size_t room = strlen(path) + sizeof("/.qf/" IMPORT "//" QF_BUNDLE_QUEUE) + QF_RUN_MAX;
	enum qf_code code;
	int fd, home;

	code = qf_home_open(to, 0, true, &home, err);
	if (code)
		return code;
	code = qf_home_folder(import->io, home, IMPORT, true, &import->parent, err);
	if (!code)
		code = qf_take_kinds(import->io, home, &import->kinds, err);
	qf_io_close(import->io, home);
	if (code)
		return code;
	qf_each_name(import->io, import->parent, tidy, import, NULL);
	if (!qf_claim_name_run((int64_t)time(NULL), import->name))
		return qf_err_set(err, QF_E_SYS, "import", "no random number to be had");
	import->path = malloc(room);
	if (!import->path)
		return qf_err_nomem(err);
	snprintf(import->path, room, "%s/.qf/" IMPORT "/%s/" QF_BUNDLE_QUEUE, path, import->name);
	code = qf_home_new_folder(import->io, import->parent, import->name, &import->folder, err);
	if (code)
		return code;
	fd = qf_io_create(import->io, import->folder, LOCK, O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return qf_err_sys(err, errno, LOCK, "cannot create");
	import->lock = (struct qf_taken){.fd = fd, .kinds = import->kinds};
	return qf_take_new(import->io, fd, import->kinds, LOCK, err);
}

static bool
go_on(void *ctx)
{
	const struct qf_import *import = ctx;

	return !import->cancel || !*import->cancel;
}

enum qf_code
qf_import_unpack(struct qf_queue *to, const char *from, const volatile int *cancel,
		 struct qf_import **out, struct qf_err *err)
{
	struct qf_import *import = calloc(1, sizeof(*import));
	const struct qf_patience patience = {go_on, import};
	enum qf_code code;

	if (!import)
		return qf_err_nomem(err);
	import->cancel = cancel;
	import->io = qf_queue_io(to);
	import->parent = import->folder = import->lock.fd = -1;
	code = begin(import, to, err);
	if (!code)
		code = qf_bundle_read(import->io, from, import->folder, &patience,
				      &import->bundle, err);
	if (code)
		qf_import_free(import);
	else
		*out = import;
	return code;
}

const char *
qf_import_path(const struct qf_import *import)
{
	return import->path;
}

const char *
qf_import_run(const struct qf_import *import)
{
	return import->bundle.run;
}

const char *
qf_import_cut(const struct qf_import *import)
{
	return import->bundle.cut ? import->bundle.why : NULL;
}

size_t
qf_import_n(const struct qf_import *import)
{
	return import->bundle.n;
}

/* Sorted by id. NULL: there is none. */
static const struct qf_bundle_item *
find(const struct qf_import *import, const char *id)
{
	size_t low = 0, high = import->bundle.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct qf_bundle_item *item = &import->bundle.items[middle];
		int order = strcmp(id, item->name + 2);

		if (order == 0)
			return item;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

size_t
qf_import_place(const struct qf_import *import, const char *id)
{
	const struct qf_bundle_item *item = find(import, id);

	return item ? (size_t)(item - import->bundle.items) : SIZE_MAX;
}

const char *
qf_import_id(const struct qf_import *import, size_t place)
{
	return import->bundle.items[place].name + 2;
}

bool
qf_import_sums(const struct qf_import *import, const char *id, char control[65], char data[65])
{
	const struct qf_bundle_item *item = find(import, id);

	if (!item)
		return false;
	qf_sha_text(item->sha_control, control);
	qf_sha_text(item->sha_data, data);
	return true;
}

const char *
qf_import_from(const struct qf_import *import, const char *id)
{
	const struct qf_bundle_item *item = find(import, id);

	return item ? import->bundle.from[item->from] : NULL;
}

void
qf_import_free(struct qf_import *import)
{
	if (!import)
		return;
	if (import->folder >= 0) {
		remove_import(import->io, import->parent, import->folder, import->name);
		qf_take_release(import->io, &import->lock);
		qf_io_close(import->io, import->folder);
	}
	if (import->parent >= 0)
		qf_io_close(import->io, import->parent);
	qf_bundle_in_release(&import->bundle);
	free(import->path);
	free(import);
}
