/*
 * actions - the one list of everything a key can do: dispatch, keymap, help screen, names in
 * qf.conf and the manual are made from it.
 */
#ifndef QF_TUI_ACTIONS_H
#define QF_TUI_ACTIONS_H

#include <libqf/qf.h>

/* Where an action is understood, and what it is. */
enum {
	TUI_IN_LIST = 1,    /* messages, groups, journal and the like */
	TUI_IN_TEXT = 2,    /* one message, output of a command, help */
	TUI_ANYWHERE = TUI_IN_LIST | TUI_IN_TEXT,
	TUI_WRITES = 4,     /* changes the queue: not when read-only */
	TUI_CONFIRMS = 8,   /* asks once, saying how many and what will happen */
};

/*
 * X(identifier, name, keys, flags, help)
 * Keys are separated by blanks; one that means different things in lists and texts is in both rows.
 */
#define TUI_ACTIONS(X) \
	X(UP, "up", "k Up ^P WheelUp", TUI_ANYWHERE, "one line up") \
	X(DOWN, "down", "j Down ^N WheelDown", TUI_ANYWHERE, "one line down") \
	X(PAGE_UP, "page-up", "PgUp ^B", TUI_ANYWHERE, "one page up") \
	X(PAGE_DOWN, "page-down", "PgDn", TUI_ANYWHERE, "one page down") \
	X(HALF_UP, "half-page-up", "^U", TUI_ANYWHERE, "half a page up") \
	X(HALF_DOWN, "half-page-down", "^D", TUI_ANYWHERE, "half a page down") \
	X(FIRST, "first", "g Home", TUI_ANYWHERE, "first line") \
	X(LAST, "last", "G End", TUI_ANYWHERE, "last line") \
	X(LEFT, "left", "Left", TUI_ANYWHERE, "to the left; in a message the part before") \
	X(RIGHT, "right", "Right", TUI_ANYWHERE, "to the right; in a message the next part") \
	X(OPEN, "open", "Enter l Click", TUI_IN_LIST, "go in: the message, the messages of a group") \
	X(BACK, "back", "Esc h Bsp", TUI_ANYWHERE, "back to where you came from") \
	X(VIEW_1, "messages", "1", TUI_ANYWHERE, "view: messages") \
	X(VIEW_2, "groups", "2", TUI_ANYWHERE, "view: groups, with their ages") \
	X(VIEW_3, "held", "3", TUI_ANYWHERE, "view: held and lost messages") \
	X(VIEW_4, "orphans", "4", TUI_ANYWHERE, "view: files that belong to no whole message") \
	X(VIEW_5, "activity", "5", TUI_ANYWHERE, "view: in delivery, came and went") \
	X(VIEW_6, "journal", "6", TUI_ANYWHERE, "view: changes made, each with its undo") \
	X(NEXT_VIEW, "next-view", "Tab", TUI_ANYWHERE, "next view; in a message its next part") \
	X(PREVIOUS_VIEW, "previous-view", "S-Tab", TUI_ANYWHERE, "view before; in a message the part before") \
	X(FILTER, "filter", "/ F4", TUI_IN_LIST, "filter as you type (language: qf ls --help)") \
	X(FIND, "find", "f F3", TUI_ANYWHERE, "find plain text; shown highlighted") \
	X(FIND_TEXT, "find-in-text", "/", TUI_IN_TEXT, "find plain text; shown highlighted") \
	X(FIND_NEXT, "find-next", "n", TUI_ANYWHERE, "next place that was looked for") \
	X(FIND_PREVIOUS, "find-previous", "N", TUI_ANYWHERE, "place before") \
	X(SORT, "sort", "s F6", TUI_IN_LIST, "sort by the next column; groups: count by another field") \
	X(COLUMNS, "columns", "C", TUI_IN_LIST, "choose the columns; none: what there is room for") \
	X(SORT_REVERSE, "reverse", "S", TUI_IN_LIST, "sort the other way round") \
	X(MARK, "mark", "Space Ins", TUI_IN_LIST, "mark the message, and on to the next") \
	X(MARK_FILTER, "mark-filter", "T +", TUI_IN_LIST, "mark by a filter") \
	X(MARK_ALL, "mark-all", "*", TUI_IN_LIST, "mark all that are shown") \
	X(UNMARK_ALL, "unmark-all", "U", TUI_IN_LIST, "take all marks away") \
	X(HOLD, "hold", "H F7", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "hold: no queue run takes them; asks for a reason") \
	X(RELEASE, "release", "R", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "release what is held") \
	X(REMOVE, "remove", "D Del F8", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "remove, into the trash of the queue") \
	X(DUE, "due", "A", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "make due: as soon as a queue run comes") \
	X(DELIVER, "deliver", "X", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "deliver: sendmail tries them now") \
	X(BOUNCE, "bounce", "B", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "bounce: sendmail returns them now") \
	X(EDIT, "edit", "E", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "edit: strike recipients, or replace them") \
	X(MOVE, "move", "M", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "move to another queue") \
	X(EXPORT, "export", "O", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "export: into an .mbox to read, or a bundle to carry") \
	X(FIX, "fix", "F", TUI_IN_LIST | TUI_WRITES | TUI_CONFIRMS, "fix this orphan: recover, rescue, guard or clean") \
	X(UNDO, "undo", "u", TUI_ANYWHERE | TUI_WRITES | TUI_CONFIRMS, "take the last change back; in the journal, this one") \
	X(BODY, "body", "b", TUI_ANYWHERE, "show bodies, or no more (not shown until asked for)") \
	X(JOBS, "jobs", "J", TUI_ANYWHERE, "jobs at work, and those that ended") \
	X(COMMAND, "command", ":", TUI_ANYWHERE, "any command line of qf") \
	X(REFRESH, "refresh", "r ^R F5", TUI_ANYWHERE, "read everything again") \
	X(REDRAW, "redraw", "^L", TUI_ANYWHERE, "draw the screen again") \
	X(HELP, "help", "? F1", TUI_ANYWHERE, "these keys") \
	X(SUSPEND, "suspend", "^Z", TUI_ANYWHERE, "to the shell; fg comes back") \
	X(QUIT, "quit", "q F10", TUI_ANYWHERE, "leave; jobs go on")

enum tui_action {
	TUI_NONE,
#define X(id, name, keys, flags, help) TUI_##id,
	TUI_ACTIONS(X)
#undef X
	TUI_ACTION_COUNT
};

struct tui_action_row {
	const char *name, *keys, *help;
	unsigned flags;
};
/* The row of an action; names are NULL for TUI_NONE. */
const struct tui_action_row *tui_action_row(enum tui_action action);

/* Which keys do what. */
struct tui_binding {
	uint32_t key;
	enum tui_action action;
};
struct tui_keymap {
	struct tui_binding *bindings;
	size_t n;
};

/*
 * tui_keymap_init - the keys of the table, changed by settings "ACTION=KEY KEY ..." (the keys of
 * that action from then on; none: "ACTION=").
 * Returns  QF_OK; QF_E_USAGE with the setting named; QF_E_NOMEM.
 */
enum qf_code tui_keymap_init(struct tui_keymap *map, const char *const *settings, size_t n,
			     struct qf_err *err);
void tui_keymap_release(struct tui_keymap *map);
/* The action of a key, where (TUI_IN_LIST or TUI_IN_TEXT) it is pressed. */
enum tui_action tui_keymap_find(const struct tui_keymap *map, uint32_t key, unsigned where);
/* Names of the keys of an action, with blanks between; appended. */
void tui_keymap_names(const struct tui_keymap *map, enum tui_action action, struct qf_buf *out);

#endif
