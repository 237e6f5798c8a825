/*
 * picture - what was read of a queue.
 */
#include <stdlib.h>
#include <string.h>

#include "picture.h"

/* A file that changes twice within this many seconds may look the same the second time. */
#define FRESH_SECONDS 2

struct tui_row *
tui_row_new(const struct qf_msg *msg, struct qf_slice kept, int64_t now)
{
	const struct qf_files *files = qf_msg_files(msg);
	struct tui_row *row;

	if (kept.n > UINT32_MAX || files->name.n >= sizeof(row->name) || files->dir > UINT16_MAX)
		return NULL;
	row = malloc(sizeof(*row) + kept.n);
	if (!row)
		return NULL;
	*row = (struct tui_row){
		.n = (uint32_t)kept.n,
		.inode = files->inode,
		.created = qf_msg_envelope(msg)->created,
		.ctime = files->ctime,
		.ctime_nsec = files->ctime_nsec,
		.data_size = files->data_size,
		.control_size = (uint32_t)files->control_size,
		.dir = (uint16_t)files->dir,
		.state = (uint8_t)qf_msg_state(msg),
		.busy = (uint8_t)files->busy,
		.fate = (uint8_t)qf_msg_fate(msg),
		.unreadable = qf_msg_finding(msg, QF_F_UNREADABLE),
		.fresh = !files->have_stat || files->ctime >= now - FRESH_SECONDS,
		.name_n = (uint8_t)files->name.n,
	};
	atomic_init(&row->refs, 1);
	memcpy(row->name, files->name.p, files->name.n);
	memcpy(row->kept, kept.p, kept.n);
	return row;
}

void
tui_row_drop(struct tui_row *row)
{
	if (row && atomic_fetch_sub(&row->refs, 1) == 1)
		free(row);
}

struct tui_row *
tui_row_share(struct tui_row *row)
{
	if (row)
		atomic_fetch_add_explicit(&row->refs, 1, memory_order_relaxed);
	return row;
}

bool
tui_row_same(const struct tui_row *a, const struct tui_row *b)
{
	return a->dir == b->dir && a->name_n == b->name_n && a->n == b->n && a->inode == b->inode &&
	       a->ctime == b->ctime && a->ctime_nsec == b->ctime_nsec &&
	       a->control_size == b->control_size && a->unreadable == b->unreadable &&
	       !memcmp(a->name, b->name, a->name_n) && !memcmp(a->kept, b->kept, a->n);
}

struct qf_slice
tui_row_id(const struct tui_row *row)
{
	return (struct qf_slice){row->name + 2, row->name_n > 2 ? row->name_n - 2u : 0};
}

struct tui_picture *
tui_picture_new(struct tui_row *const *rows, size_t n)
{
	struct tui_picture *picture = calloc(1, sizeof(*picture));

	if (!picture)
		return NULL;
	atomic_init(&picture->refs, 1);
	picture->rows = malloc((n ? n : 1) * sizeof(*picture->rows));
	if (!picture->rows) {
		free(picture);
		return NULL;
	}
	picture->oldest = QF_TIME_NONE;
	for (size_t i = 0; i < n; i++) {
		int64_t created = rows[i]->created;

		picture->rows[i] = tui_row_share(rows[i]);
		picture->unreadable += rows[i]->unreadable;
		picture->untold += rows[i]->busy == QF_UNKNOWN;
		if (created != QF_TIME_NONE &&
		    (picture->oldest == QF_TIME_NONE || created < picture->oldest))
			picture->oldest = created;
	}
	picture->n = n;
	return picture;
}

struct tui_picture *
tui_picture_share(struct tui_picture *picture)
{
	if (picture)
		atomic_fetch_add(&picture->refs, 1);
	return picture;
}

static void
drop_changes(struct tui_changes *changes)
{
	for (size_t i = 0; i < changes->n && i < TUI_CHANGES_SHOWN; i++)
		tui_row_drop(changes->rows[i]);
}

void
tui_picture_drop(struct tui_picture *picture)
{
	if (!picture || atomic_fetch_sub(&picture->refs, 1) != 1)
		return;
	for (size_t i = 0; i < picture->n; i++)
		tui_row_drop(picture->rows[i]);
	drop_changes(&picture->came);
	drop_changes(&picture->went);
	free(picture->rows);
	free(picture);
}
