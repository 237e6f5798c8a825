/*
 * audit_files - the directories once more, after all messages were read: which of them were
 * rewritten or went meanwhile, and which files belong to no message.
 *
 * A listing says of each name its inode, and sendmail rewrites a control file by renaming a new one
 * over it: so one listing a directory finds all that changed, without a file operation for each.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_index.h"
#include "say.h"

const char *const audit_moving[] = {NULL, "in delivery", "changed", "gone"};

struct look {
	struct audit_snapshot *snapshot;
	int64_t number;
	uint32_t *slots; /* of present, by name and directory; 1-based */
	size_t room;
	struct qf_err *err;
};

static uint64_t
name_hash(uint32_t dir, const char *name)
{
	return audit_hash(name, strlen(name), dir + 1);
}

static bool
build(struct look *look)
{
	const struct audit_snapshot *snapshot = look->snapshot;

	look->room = 1024;
	while (look->room < snapshot->n * 2)
		look->room *= 2;
	look->slots = calloc(look->room, sizeof(*look->slots));
	if (!look->slots)
		return false;
	for (size_t i = 0; i < snapshot->n; i++) {
		size_t at = snapshot->present[i].name & (look->room - 1);

		while (look->slots[at])
			at = (at + 1) & (look->room - 1);
		look->slots[at] = (uint32_t)i + 1;
	}
	return true;
}

static struct audit_present *
find(const struct look *look, uint64_t name)
{
	size_t at = name & (look->room - 1);

	for (; look->slots[at]; at = (at + 1) & (look->room - 1)) {
		struct audit_present *p = &look->snapshot->present[look->slots[at] - 1];

		if (p->name == name)
			return p;
	}
	return NULL;
}

static const char *
kind_name(enum qf_kind kind)
{
	switch (kind) {
	case QF_KIND_DATA:
		return "data";
	case QF_KIND_TRANSCRIPT:
		return "transcript";
	case QF_KIND_STAGED:
	case QF_KIND_STAGED_ASIDE:
		return "staged";
	case QF_KIND_QUEUED:
	case QF_KIND_HELD:
	case QF_KIND_LOST:
		return "control";
	default:
		return "foreign";
	}
}

/* A row of files. Its message: the one in this snapshot with that id, of whatever directory. */
static enum qf_code
put_file(struct look *look, const struct qf_dir *dir, size_t index, int fd, const char *part,
	 const char *name)
{
	enum qf_kind kind = qf_name_kind(name, strlen(name));
	struct store_statement *s;
	struct stat st;
	char shown[512];
	enum qf_code code = store_cached(
		look->snapshot->store,
		"INSERT INTO files SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
		" (SELECT m.id FROM messages m CROSS JOIN presence p ON p.message = m.id "
		"AND p.snapshot = ?1"
		" WHERE m.queue_id = ?5 ORDER BY m.queue = ?2 DESC LIMIT 1)"
		" WHERE true ON CONFLICT DO NOTHING",
		&s, look->err);

	(void)dir;
	if (code != QF_OK || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    S_ISDIR(st.st_mode))
		return code;
	snprintf(shown, sizeof(shown), "%s%s", part, name);
	store_bind_int(s, 1, look->number);
	store_bind_int(s, 2, look->snapshot->dirs[index].queue);
	store_bind_string(s, 3, shown);
	store_bind_string(s, 4, kind_name(kind));
	if (kind == QF_KIND_OTHER)
		store_bind_null(s, 5);
	else
		store_bind_string(s, 5, name + 2);
	store_bind_int(s, 6, st.st_size);
	store_bind_int(s, 7, st.st_mtime);
	store_bind_int(s, 8, st.st_ctime);
	store_bind_int(s, 9, (int64_t)st.st_ino);
	store_bind_int(s, 10, (int64_t)st.st_nlink);
	return store_run(s, look->err);
}

/* One name. Those of messages are looked up; the others become rows. */
static enum qf_code
look_at(struct look *look, const struct qf_dir *dir, size_t index, int fd, const char *part,
	const char *path, const struct dirent *entry)
{
	struct audit_snapshot *snapshot = look->snapshot;
	const char *name = entry->d_name;
	enum qf_kind kind = qf_name_kind(name, strlen(name));
	char full[4096];

	if (name[0] == '.' || (!*part && (strcmp(name, "qf") == 0 || strcmp(name, "df") == 0 ||
					  strcmp(name, "xf") == 0)))
		return QF_OK;
	if (qf_kind_is_control(kind) && fd == dir->control_fd) {
		struct audit_present *p = find(look, name_hash((uint32_t)index, name));

		if (!p) {
			/* It came after it was this directory's turn; or it could not be read. */
			snapshot->came++;
			return QF_OK;
		}
		p->there = true;
		if (p->inode && entry->d_ino && p->inode != entry->d_ino)
			p->moving = AUDIT_CHANGED;
		return QF_OK;
	}
	if (kind == QF_KIND_DATA) {
		int n = snprintf(full, sizeof(full), "%s/%s", path, name);

		if (n > 0 && audit_set_has(&snapshot->data, audit_hash(full, (size_t)n, 0)))
			return QF_OK;
	}
	if (kind == QF_KIND_TRANSCRIPT &&
	    audit_set_has(&snapshot->ids, audit_hash(name + 2, strlen(name) - 2, 0)))
		return QF_OK;
	return put_file(look, dir, index, fd, part, name);
}

static enum qf_code
list(struct look *look, const struct qf_dir *dir, size_t index, int fd, const char *part)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = own >= 0 ? fdopendir(own) : NULL;
	struct audit_dir *mine = &look->snapshot->dirs[index];
	struct dirent *entry;
	char path[4096];
	enum qf_code code = QF_OK;

	if (!entries) {
		mine->complete = false;
		snprintf(mine->why, sizeof(mine->why), "%s", strerror(errno));
		if (own >= 0)
			close(own);
		return QF_OK;
	}
	snprintf(path, sizeof(path), "%s%s%s", dir->path, *part ? "/" : "", part);
	if (*part)
		path[strlen(path) - 1] = '\0';
	while (code == QF_OK && (entry = readdir(entries)))
		code = look_at(look, dir, index, fd, part, path, entry);
	closedir(entries);
	return code;
}

enum qf_code
audit_look_again(struct audit_snapshot *snapshot, int64_t number, struct qf_err *err)
{
	struct look look = {.snapshot = snapshot, .number = number, .err = err};
	struct qf_queue *queue = snapshot->source.queue;
	enum qf_code code = QF_OK;

	if (!build(&look)) {
		return store_no_memory(err);
	}
	for (size_t i = 0; i < qf_queue_ndirs(queue) && code == QF_OK; i++) {
		const struct qf_dir *dir = qf_queue_dir(queue, i);

		if (dir->trouble)
			continue;
		code = list(&look, dir, i, dir->control_fd, dir->split_qf ? "qf/" : "");
		if (code == QF_OK && dir->split_df)
			code = list(&look, dir, i, dir->data_fd, "df/");
		if (code == QF_OK && dir->split_xf)
			code = list(&look, dir, i, dir->transcript_fd, "xf/");
	}
	free(look.slots);
	for (size_t i = 0; i < snapshot->n && code == QF_OK; i++) {
		struct audit_present *p = &snapshot->present[i];

		if (!p->there)
			p->moving = AUDIT_GONE;
		snapshot->moving += p->moving != AUDIT_STILL;
	}
	return code;
}
