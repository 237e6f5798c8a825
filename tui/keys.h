/*
 * keys - bytes of a terminal to keys.
 *
 * Bytes may come one at a time with any pause between them: a session over a network takes arrow
 * keys and UTF-8 characters apart. Escape alone is told from the begin of a sequence by a pause;
 * what comes of the sequence after the pause is swallowed, never taken for keys.
 */
#ifndef QF_TUI_KEYS_H
#define QF_TUI_KEYS_H

#include <libqf/qf.h>

/* Keys that are no characters; above all of Unicode. X(identifier, name in qf.conf and help) */
#define TUI_KEYS(X) \
	X(UP, "Up") X(DOWN, "Down") X(LEFT, "Left") X(RIGHT, "Right") X(HOME, "Home") \
	X(END, "End") X(PGUP, "PgUp") X(PGDN, "PgDn") X(INSERT, "Ins") X(DELETE, "Del") \
	X(BACKTAB, "S-Tab") X(F1, "F1") X(F2, "F2") X(F3, "F3") X(F4, "F4") X(F5, "F5") \
	X(F6, "F6") X(F7, "F7") X(F8, "F8") X(F9, "F9") X(F10, "F10") X(F11, "F11") X(F12, "F12") \
	X(PRESS, "Click") X(WHEEL_UP, "WheelUp") X(WHEEL_DOWN, "WheelDown")

enum {
	TUI_KEY_NONE = 0,
	TUI_KEY_FIRST = 0x110000,
#define X(id, name) TUI_KEY_##id,
	TUI_KEYS(X)
#undef X
	TUI_KEY_TAB = 9,
	TUI_KEY_ENTER = 13,
	TUI_KEY_ESCAPE = 27,
	TUI_KEY_BACKSPACE = 127,
};

struct tui_decoder {
	unsigned char bytes[32]; /* of a sequence or character that is not complete */
	size_t n;
	bool told;               /* the Escape that the sequence begins with was, as a key */
	bool skipping;           /* a sequence longer than that: its rest is passed over */
	uint32_t next;           /* a key behind the one that was returned, or TUI_KEY_NONE */
	uint64_t begun_at;       /* ms when the last byte came */
	uint64_t escaped_at;     /* ms when Escape was told from a sequence; 0: not lately */
	unsigned line, column;   /* of the last mouse key, from 0 */
};

/* One byte at a time in ms of a clock. Returns a key, or TUI_KEY_NONE when more is to come. */
uint32_t tui_keys_feed(struct tui_decoder *decoder, unsigned char byte, uint64_t ms);
/* The key behind the one that feed or pause returned: Escape was not the begin of a sequence, and then there
   are two. TUI_KEY_NONE: there is none. */
uint32_t tui_keys_next(struct tui_decoder *decoder);
/* Something is begun, and a pause is to end it. */
bool tui_keys_waiting(const struct tui_decoder *decoder);
/* The pause is there. */
uint32_t tui_keys_pause(struct tui_decoder *decoder, uint64_t ms);
/* "j", "Up", "^L", "Space", "Enter", "Esc", "Tab"; appended. */
void tui_key_name(uint32_t key, struct qf_buf *out);
/* The other way round; TUI_KEY_NONE for what is none. */
uint32_t tui_key_parse(const char *name, size_t n);

#endif
