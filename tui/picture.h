/*
 * picture - what was read of a queue: every message as a row. Rows never change; a picture is a
 * list of them, and the next one shares those that stayed as they were. Counted references, so that
 * the thread that reads, the one that sorts and the screen each have theirs without locks.
 */
#ifndef QF_TUI_PICTURE_H
#define QF_TUI_PICTURE_H

#include <stdatomic.h>

#include <libqf/qf.h>

struct tui_row {
	atomic_uint refs;
	uint32_t n;              /* bytes of kept */
	uint64_t inode;
	int64_t created, ctime;
	int64_t data_size;
	uint32_t ctime_nsec, control_size;
	uint16_t dir;
	uint8_t state, busy, fate;
	bool unreadable;         /* its control file: nothing is known of it */
	bool fresh;              /* read so soon after a change that the next may not show */
	uint8_t name_n;
	char name[QF_NAME_MAX];
	char kept[];             /* of qf_msg_keep() */
};

/* Messages that came or went: how many, and the first of them. */
#define TUI_CHANGES_SHOWN 64
struct tui_changes {
	size_t n;
	struct tui_row *rows[TUI_CHANGES_SHOWN];
};

struct tui_picture {
	atomic_uint refs;
	struct tui_row **rows;
	size_t n;
	size_t unreadable;       /* of them, those whose control file cannot be read */
	size_t untold;           /* .. those of which nothing tells whether they are in delivery */
	int64_t oldest;          /* creation of the oldest; QF_TIME_NONE */
	bool complete;           /* else more is being read */
	int64_t at;              /* when it was begun to be read */
	double seconds;          /* and how long that took */
	uint64_t operations;
	bool same;               /* as the one before: it has no rows of its own */
	struct tui_changes came, went;
	bool whole;              /* complete, and all of it was read this time */
	bool misplaced;          /* the name of the queue leads elsewhere than what was read */
	char trouble[256];       /* what could not be read, or empty */
};

void tui_row_drop(struct tui_row *row);
/* Take one more reference. */
struct tui_row *tui_row_share(struct tui_row *row);
/* n rows, shared; NULL when memory is out. */
struct tui_picture *tui_picture_new(struct tui_row *const *rows, size_t n);
struct tui_picture *tui_picture_share(struct tui_picture *picture);
void tui_picture_drop(struct tui_picture *picture);
/* Queue id: the name without its prefix. */
struct qf_slice tui_row_id(const struct tui_row *row);
/* A row of a message that is all there. NULL when memory is out. */
struct tui_row *tui_row_new(const struct qf_msg *msg, struct qf_slice kept, int64_t now);
/* All that is known is the same. */
bool tui_row_same(const struct tui_row *a, const struct tui_row *b);

#endif
