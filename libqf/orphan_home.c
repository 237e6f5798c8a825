/*
 * orphan_home - what lies under .qf/ that is not at rest: claims of a salvage, files staged for a
 * change, removals that were interrupted. While the lock on one of them is held somebody is at it.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "home.h"
#include "layout.h"
#include "list.h"
#include "orphan.h"

#define PART ".part"

struct home {
	struct qf_orphans *orphans;
	size_t dir;
	const char *folder;      /* "claims" */
	enum qf_cause cause;
	int fd;
	struct qf_err *err;
};

static enum qf_code
add_busy_id(struct qf_orphans *orphans, const char *id, struct qf_err *err)
{
	if (!qf_orphan_room((void **)&orphans->busy_ids, &orphans->busy_ids_cap,
			    orphans->nbusy_ids, sizeof(*orphans->busy_ids)))
		return qf_err_nomem(err);
	orphans->busy_ids[orphans->nbusy_ids] = strdup(id);
	if (!orphans->busy_ids[orphans->nbusy_ids])
		return qf_err_nomem(err);
	orphans->nbusy_ids++;
	return QF_OK;
}

static enum qf_tri
ask_lock(struct home *home, int at, const char *name, const struct stat *st)
{
	struct qf_io *io = home->orphans->pairs->io;
	int fd = qf_io_open(io, at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	enum qf_tri answer = QF_UNKNOWN;

	if (fd < 0)
		return answer;
	answer = qf_locks_ask(home->orphans->locks, io, fd, st->st_dev, st->st_ino,
			      qf_locks_sight(at));
	qf_io_close(io, fd);
	return answer;
}

/* The finding of one name below .qf/FOLDER. */
static enum qf_code
tell(struct home *home, const char *name, const char *id, const struct stat *st,
     enum qf_tri locked)
{
	struct qf_orphans *orphans = home->orphans;
	const struct qf_dir *dir = qf_queue_dir(orphans->queue, home->dir);
	struct qf_orphan_facts facts = {.cause = home->cause,
					.locked = locked,
					.grace = orphans->options.grace,
					.age = qf_time_between(st->st_mtime, orphans->options.now)};
	struct qf_orphan_judgement judgement;
	struct qf_orphan_file *file;
	struct qf_orphan *found;

	if (facts.age < 0)
		facts.age = 0;
	qf_orphan_judge(&facts, &judgement);
	if (judgement.verdict == QF_VERDICT_LIVE)
		return QF_OK;
	file = qf_arena_alloc(&orphans->arena, sizeof(*file));
	if (!file || !qf_orphan_room((void **)&orphans->found, &orphans->found_cap,
				     orphans->nfound, sizeof(*found)))
		return qf_err_nomem(home->err);
	*file = (struct qf_orphan_file){
		.path = qf_orphan_text(orphans, "%s/.qf/%s/%s", dir->path, home->folder, name),
		.name = qf_orphan_text(orphans, "%s", name),
		.at = -1,
		.dir = home->dir,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.device = st->st_dev,
		.inode = st->st_ino,
		.links = st->st_nlink,
		.size = st->st_size,
		.mtime = st->st_mtime,
		.ctime = st->st_ctime,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
	};
	found = &orphans->found[orphans->nfound++];
	*found = (struct qf_orphan){.cause = home->cause,
				    .verdict = judgement.verdict,
				    .fix = judgement.fix,
				    .id = qf_orphan_text(orphans, "%s", id),
				    .queue = dir->path,
				    .dir = home->dir,
				    .files = file,
				    .nfiles = 1,
				    .why = judgement.why,
				    .deadline = QF_TIME_NONE,
				    .age = facts.age,
				    .bytes = st->st_size};
	return QF_OK;
}

/* The control files in a folder: each is a claim, or the one of a removal, or the note of a rescue, tells
   whether somebody is at it. */
static enum qf_code
look_into(struct home *home, const char *folder, const struct stat *st)
{
	struct qf_io *io = home->orphans->pairs->io;
	int fd = qf_io_open(io, home->fd, folder,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool claims = home->cause == QF_CAUSE_CLAIM;
	const struct qf_sys_entry *entry;
	enum qf_code code = QF_OK;
	enum qf_tri locked = QF_NO;
	struct stat file, sign = *st;
	struct qf_list list;
	char path[512], id[QF_NAME_MAX] = "";

	if (fd < 0)
		return QF_OK;
	if (!qf_list_begin(&list, io, fd)) {
		qf_io_close(io, fd);
		return qf_err_nomem(home->err);
	}
	/* Its owner touches it as long as he is there. */
	if (claims)
		qf_io_stat(io, fd, "run.json", &sign, AT_SYMLINK_NOFOLLOW);
	while (!code && (entry = qf_list_next(&list))) {
		size_t n = strlen(entry->name);

		if (strcmp(entry->name, QF_HOME_NOTE) == 0 &&
		    qf_io_stat(io, fd, entry->name, &file, AT_SYMLINK_NOFOLLOW) == 0)
			locked = ask_lock(home, fd, entry->name, &file);
		if (n >= QF_NAME_MAX || !qf_kind_is_control(qf_name_kind(entry->name, n)) ||
		    qf_io_stat(io, fd, entry->name, &file, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		memcpy(id, entry->name + 2, n - 1);
		/* What a rescue has not moved yet is found for itself. */
		if (strcmp(home->folder, QF_HOME_LOST_FOUND) == 0)
			continue;
		locked = ask_lock(home, fd, entry->name, &file);
		code = add_busy_id(home->orphans, id, home->err);
		if (code || !claims)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->name);
		file.st_mtim = sign.st_mtim;
		code = tell(home, path, id, &file, locked);
	}
	if (!code && !claims)
		code = tell(home, folder, id, st, locked);
	qf_list_end(&list);
	qf_io_close(io, fd);
	return code;
}

/* What follows the '+' of a staged name, if it is the name of a control file. */
static const char *
id_of(const char *name)
{
	const char *at = strrchr(name, '+');

	at = at ? at + 1 : name;
	return qf_kind_is_control(qf_name_kind(at, strlen(at))) && strlen(at) < QF_NAME_MAX ? at + 2
											    : "";
}

static enum qf_code
take(struct home *home, const char *name)
{
	struct qf_io *io = home->orphans->pairs->io;
	size_t n = strlen(name);
	const char *id = id_of(name);
	enum qf_code code = QF_OK;
	struct stat st;

	if (strcmp(home->folder, "stage") && strcmp(home->folder, "claims") &&
	    (n < sizeof(PART) || strcmp(name + n - strlen(PART), PART) != 0))
		return QF_OK;
	if (qf_io_stat(io, home->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return QF_OK;
	if (S_ISDIR(st.st_mode))
		return look_into(home, name, &st);
	/* The files of the id that are still in the queue go with it. */
	if (id[0])
		code = add_busy_id(home->orphans, id, home->err);
	return code ? code : tell(home, name, id, &st, ask_lock(home, home->fd, name, &st));
}

static enum qf_code
look_at_folder(struct home *home, int top)
{
	struct qf_io *io = home->orphans->pairs->io;
	const struct qf_sys_entry *entry;
	enum qf_code code = QF_OK;
	struct qf_list list;

	if (qf_home_folder(io, top, home->folder, false, &home->fd, NULL))
		return QF_OK;
	if (!qf_list_begin(&list, io, home->fd)) {
		qf_io_close(io, home->fd);
		return qf_err_nomem(home->err);
	}
	while (!code && (entry = qf_list_next(&list)))
		code = take(home, entry->name);
	qf_list_end(&list);
	qf_io_close(io, home->fd);
	return code;
}

enum qf_code
qf_orphan_home(struct qf_orphans *orphans, struct qf_err *err)
{
	static const struct {
		const char *folder;
		enum qf_cause cause;
	} folders[] = {{"claims", QF_CAUSE_CLAIM},
		       {"stage", QF_CAUSE_LEFTOVER},
		       {"trash", QF_CAUSE_LEFTOVER},
		       {QF_HOME_LOST_FOUND, QF_CAUSE_LEFTOVER}};
	enum qf_code code = QF_OK;
	int top;

	for (size_t i = 0; i < qf_queue_ndirs(orphans->queue) && !code; i++) {
		if (qf_queue_dir(orphans->queue, i)->trouble ||
		    qf_home_open(orphans->queue, i, false, &top, NULL))
			continue;
		for (size_t k = 0; k < sizeof(folders) / sizeof(*folders) && !code; k++) {
			struct home home = {.orphans = orphans,
					    .dir = i,
					    .folder = folders[k].folder,
					    .cause = folders[k].cause,
					    .err = err};

			code = look_at_folder(&home, top);
		}
		qf_io_close(orphans->pairs->io, top);
	}
	return code;
}
