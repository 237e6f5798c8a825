/*
 * marks - which messages are marked: by directory and id, so that a mark stays on a message that is
 * held or released. Open addressing; what is unmarked leaves its slot behind until the next growth.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

static size_t
hash(uint16_t dir, struct qf_slice id)
{
	uint64_t h = 14695981039346656037u ^ dir;

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 31);
}

static struct tui_mark *
find(const struct tui_marks *marks, uint16_t dir, struct qf_slice id)
{
	size_t at = hash(dir, id) & (marks->cap - 1);

	for (;; at = (at + 1) & (marks->cap - 1)) {
		struct tui_mark *mark = &marks->slots[at];

		if (!mark->id[0] || (mark->dir == dir && strlen(mark->id) == id.n &&
				     !memcmp(mark->id, id.p, id.n)))
			return mark;
	}
}

static bool
grow(struct tui_marks *marks)
{
	struct tui_marks more = {.cap = 64, .gone = marks->gone};

	while (more.cap < marks->n * 4)
		more.cap *= 2;
	more.slots = calloc(more.cap, sizeof(*more.slots));
	if (!more.slots)
		return false;
	for (size_t i = 0; i < marks->cap; i++) {
		const struct tui_mark *mark = &marks->slots[i];

		if (!mark->used)
			continue;
		*find(&more, mark->dir, (struct qf_slice){mark->id, strlen(mark->id)}) = *mark;
		more.n++;
		more.taken++;
	}
	free(marks->slots);
	*marks = more;
	return true;
}

bool
tui_is_marked(const struct tui_marks *marks, const struct tui_row *row)
{
	return marks->n && find(marks, row->dir, tui_row_id(row))->used;
}

bool
tui_mark(struct tui_marks *marks, const struct tui_row *row, bool on)
{
	struct qf_slice id = tui_row_id(row);
	struct tui_mark *mark;

	if (id.n == 0 || id.n >= sizeof(mark->id))
		return true;
	if (!marks->cap && !grow(marks))
		return false;
	mark = find(marks, row->dir, id);
	if (!mark->id[0]) {
		if (!on)
			return true;
		if ((marks->taken + 1) * 2 > marks->cap) {
			if (!grow(marks))
				return false;
			mark = find(marks, row->dir, id);
		}
		marks->taken++;
		mark->dir = row->dir;
		memcpy(mark->id, id.p, id.n);
	}
	marks->n += (size_t)on - mark->used;
	mark->used = on;
	return true;
}

void
tui_marks_look(struct tui_marks *marks, const struct tui_picture *picture)
{
	size_t there = 0;

	for (size_t i = 0; i < picture->n && marks->n; i++)
		there += tui_is_marked(marks, picture->rows[i]);
	marks->gone = there < marks->n ? marks->n - there : 0;
}

void
tui_marks_clear(struct tui_marks *marks)
{
	free(marks->slots);
	*marks = (struct tui_marks){0};
}
