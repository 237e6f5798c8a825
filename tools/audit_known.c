/*
 * audit_known - messages that are as they were in the snapshot before: by inode, time of change and
 * size of the control file, and the size of the data file. They are not read again.
 *
 * A file that was changed within the seconds before it was read could have been changed once more
 * within the same tick of the clock: it is read again.
 */
#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_index.h"

/* Ticks are shorter; clocks of other hosts differ by more. */
#define SETTLED 2

struct audit_known {
	uint64_t name; /* hash of name and directory */
	uint64_t inode;
	int64_t ctime, size, data_size, message, seen;
	uint32_t ctime_nsec, dir;
	double read; /* when it was met this time; negative: not */
	bool locked;
	char id[QF_NAME_MAX];
};

static size_t
slot_of(const struct audit_snapshot *snapshot, uint64_t name)
{
	size_t at = name & (snapshot->known_room - 1);

	while (snapshot->known_slots[at] &&
	       snapshot->known_messages[snapshot->known_slots[at] - 1].name != name)
		at = (at + 1) & (snapshot->known_room - 1);
	return at;
}

static bool
make_room(struct audit_snapshot *snapshot)
{
	size_t room = snapshot->known_cap ? snapshot->known_cap * 2 : 1024;
	struct audit_known *more = realloc(snapshot->known_messages, room * sizeof(*more));

	if (!more)
		return false;
	snapshot->known_messages = more;
	snapshot->known_cap = room;
	return true;
}

static bool
fill(struct audit_known *known, const struct store_statement *s, size_t dir)
{
	struct qf_slice name = store_text(s, 0);

	if (name.n < 2 || name.n - 2 >= sizeof(known->id) || store_is_null(s, 1))
		return false;
	*known = (struct audit_known){
		.name = audit_hash(name.p, name.n, (uint32_t)dir + 1),
		.inode = (uint64_t)store_int(s, 1),
		.ctime = store_int(s, 2),
		.ctime_nsec = (uint32_t)store_int(s, 3),
		.size = store_int(s, 4),
		.data_size = store_int(s, 5),
		.message = store_int(s, 6),
		.seen = store_int(s, 7),
		.dir = (uint32_t)dir,
		.read = -1,
	};
	memcpy(known->id, name.p + 2, name.n - 2);
	return true;
}

static enum qf_code
load_dir(struct audit_snapshot *snapshot, size_t dir, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		snapshot->store,
		"SELECT m.file, m.inode, m.ctime, m.ctime_nsec, c.size, m.data_size, m.id, p.seen"
		" FROM presence p JOIN messages m ON m.id = p.message"
		" JOIN contents c ON c.id = m.content WHERE m.queue = ?1 AND m.data_size >= 0 AND"
		" p.snapshot = (SELECT max(snapshot) FROM snapshot_queues WHERE queue = ?1)",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, snapshot->dirs[dir].queue);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		if (snapshot->known_n == snapshot->known_cap && !make_room(snapshot)) {
			store_reset(s);
			return store_no_memory(err);
		}
		snapshot->known_n += fill(&snapshot->known_messages[snapshot->known_n], s, dir);
	}
	return code;
}

enum qf_code
audit_known_load(struct audit_snapshot *snapshot, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < qf_queue_ndirs(snapshot->source.queue) && code == QF_OK; i++)
		code = load_dir(snapshot, i, err);
	if (code != QF_OK || snapshot->known_n == 0)
		return code;
	snapshot->known_room = 1024;
	while (snapshot->known_room < snapshot->known_n * 2)
		snapshot->known_room *= 2;
	snapshot->known_slots = calloc(snapshot->known_room, sizeof(*snapshot->known_slots));
	if (!snapshot->known_slots)
		return store_no_memory(err);
	for (size_t i = 0; i < snapshot->known_n; i++)
		snapshot->known_slots[slot_of(snapshot, snapshot->known_messages[i].name)] =
			(uint32_t)i + 1;
	return QF_OK;
}

/* In a reading thread; each name is met by one of them. */
bool
audit_known_here(void *ctx, const struct qf_sighting *seen)
{
	struct audit_snapshot *snapshot = ctx;
	const struct qf_dir *dir = qf_queue_dir(snapshot->source.queue, seen->dir);
	uint64_t name = audit_hash(seen->name, seen->n, (uint32_t)seen->dir + 1);
	char data[QF_NAME_MAX + 2] = "df";
	struct audit_known *known;
	struct stat st;
	uint32_t slot;

	if (!snapshot->known_n)
		return false;
	slot = snapshot->known_slots[slot_of(snapshot, name)];
	if (!slot)
		return false;
	known = &snapshot->known_messages[slot - 1];
	if (known->inode != seen->inode || known->ctime != seen->ctime ||
	    known->ctime_nsec != seen->ctime_nsec || known->size != seen->size ||
	    known->seen < seen->ctime + SETTLED)
		return false;
	/* Where the data file lies elsewhere, the control file has to be read to find it. */
	strcat(data, known->id);
	if (fstatat(dir->data_fd, data, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size != known->data_size)
		return false;
	known->read = audit_since(snapshot->began);
	known->locked = seen->locked;
	return true;
}

enum qf_code
audit_known_take(struct audit_snapshot *snapshot, struct qf_err *err)
{
	for (size_t i = 0; i < snapshot->known_n; i++) {
		const struct audit_known *known = &snapshot->known_messages[i];
		const struct qf_dir *dir = qf_queue_dir(snapshot->source.queue, known->dir);
		struct audit_place place = {
			.message = known->message,
			.seen = known->read,
			.name = known->name,
			.inode = known->inode,
			.dir = known->dir,
			.busy = known->locked,
			.id = {known->id, strlen(known->id)},
		};
		char path[4096];
		int n;

		if (known->read < 0)
			continue;
		n = snprintf(path, sizeof(path), "%s%s/df%s", dir->path, dir->split_df ? "/df" : "",
			     known->id);
		place.data = (struct qf_slice){path, n > 0 ? (size_t)n : 0};
		if (!audit_add_present(snapshot, &place))
			return store_no_memory(err);
	}
	return QF_OK;
}

void
audit_known_release(struct audit_snapshot *snapshot)
{
	free(snapshot->known_messages);
	free(snapshot->known_slots);
}
