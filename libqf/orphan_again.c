/*
 * orphan_again - the second look at the files of one id: what changed, what has come, who holds a
 * lock.
 */
#include <errno.h>
#include <string.h>

#include "layout.h"
#include "msg.h"
#include "orphan_parts.h"

enum qf_tri
qf_set_either(enum qf_tri a, enum qf_tri b)
{
	if (a == QF_YES || b == QF_YES)
		return QF_YES;
	return a == QF_UNKNOWN || b == QF_UNKNOWN ? QF_UNKNOWN : QF_NO;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Does someone hold its lock? Asked, not taken. */
static enum qf_tri
ask_lock(struct qf_set *set, const struct qf_member *member)
{
	const struct qf_pair_place *place = &set->pairs->places[member->file->place];
	int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = qf_io_open(set->io, place->fd, member->name, flags | O_NOATIME);
	enum qf_tri answer;

	if (fd < 0 && errno == EPERM)
		fd = qf_io_open(set->io, place->fd, member->name, flags);
	if (fd < 0)
		return QF_UNKNOWN;
	answer = qf_locks_ask(set->orphans->locks, set->io, fd, place->device, member->st.st_ino,
			      place->sight);
	qf_io_close(set->io, fd);
	return answer;
}

/* Has a file of this kind come up since the listing? */
static bool
has_come(struct qf_set *set, enum qf_kind kind, enum qf_part part)
{
	char name[QF_NAME_MAX + 1];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", qf_kind_prefix(kind), set->id);
	for (size_t i = 0; i < set->pairs->nplaces; i++)
		if (set->pairs->places[i].roles & (1u << part) &&
		    qf_io_stat(set->io, set->pairs->places[i].fd, name, &st,
			       AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

static bool
is_change_of_ours(const struct qf_set *set)
{
	for (size_t i = 0; i < set->orphans->nbusy_ids; i++)
		if (strcmp(set->orphans->busy_ids[i], set->id) == 0)
			return true;
	return false;
}

void
qf_set_look(struct qf_set *set)
{
	bool control = false, data = false;

	for (size_t i = 0; i < set->n; i++) {
		struct qf_member *member = &set->members[i];
		enum qf_kind kind = (enum qf_kind)member->file->kind;

		member->there = qf_io_stat(set->io, set->pairs->places[member->file->place].fd,
					   member->name, &member->st, AT_SYMLINK_NOFOLLOW) == 0;
		member->changed = !member->there || !member->seen->there ||
				  !is_same(&member->st, &member->seen->st);
		set->changed |= member->changed;
		control |= qf_kind_is_control(kind);
		data |= kind == QF_KIND_DATA;
		if (!member->there || !S_ISREG(member->st.st_mode) ||
		    (!qf_kind_is_control(kind) && kind != QF_KIND_STAGED && kind != QF_KIND_DATA))
			continue;
		member->locked = ask_lock(set, member);
		if (kind != QF_KIND_STAGED)
			set->locked = qf_set_either(set->locked, member->locked);
	}
	if (!control)
		set->changed |= has_come(set, QF_KIND_QUEUED, QF_PART_CONTROL) ||
				has_come(set, QF_KIND_HELD, QF_PART_CONTROL) ||
				has_come(set, QF_KIND_LOST, QF_PART_CONTROL);
	if (!data)
		set->changed |= has_come(set, QF_KIND_DATA, QF_PART_DATA);
	set->changed |= is_change_of_ours(set);
}

const struct qf_msg *
qf_set_read(struct qf_set *set, struct qf_member *member)
{
	if (!member->msg && !member->tried && member->there && S_ISREG(member->st.st_mode)) {
		member->tried = true;
		if (qf_pair_read(set->pairs, set->io, member->file->place, member->name,
				 &member->msg, NULL) == QF_E_NOMEM)
			set->nomem = true;
	}
	return member->msg;
}
