/*
 * keys - bytes of a terminal to keys: what xterm, screen, tmux, the consoles of Linux and BSD,
 * PuTTY and rxvt send, in both modes of the cursor keys.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "grid.h"
#include "keys.h"

/* What of a sequence comes later than a pause after Escape still belongs to it. */
#define LATE_MS 2000

static const struct {
	const char *sequence; /* behind the Escape */
	uint32_t key;
} sequences[] = {
	{"[A", TUI_KEY_UP},     {"[B", TUI_KEY_DOWN},   {"[C", TUI_KEY_RIGHT},  {"[D", TUI_KEY_LEFT},
	{"OA", TUI_KEY_UP},     {"OB", TUI_KEY_DOWN},   {"OC", TUI_KEY_RIGHT},  {"OD", TUI_KEY_LEFT},
	{"[H", TUI_KEY_HOME},   {"OH", TUI_KEY_HOME},   {"[1~", TUI_KEY_HOME},  {"[7~", TUI_KEY_HOME},
	{"[F", TUI_KEY_END},    {"OF", TUI_KEY_END},    {"[4~", TUI_KEY_END},   {"[8~", TUI_KEY_END},
	{"[5~", TUI_KEY_PGUP},  {"[6~", TUI_KEY_PGDN},  {"[2~", TUI_KEY_INSERT},
	{"[3~", TUI_KEY_DELETE}, {"[Z", TUI_KEY_BACKTAB},
	{"OP", TUI_KEY_F1},     {"OQ", TUI_KEY_F2},     {"OR", TUI_KEY_F3},     {"OS", TUI_KEY_F4},
	{"[11~", TUI_KEY_F1},   {"[12~", TUI_KEY_F2},   {"[13~", TUI_KEY_F3},   {"[14~", TUI_KEY_F4},
	{"[[A", TUI_KEY_F1},    {"[[B", TUI_KEY_F2},    {"[[C", TUI_KEY_F3},    {"[[D", TUI_KEY_F4},
	{"[[E", TUI_KEY_F5},    {"[15~", TUI_KEY_F5},   {"[17~", TUI_KEY_F6},   {"[18~", TUI_KEY_F7},
	{"[19~", TUI_KEY_F8},   {"[20~", TUI_KEY_F9},   {"[21~", TUI_KEY_F10},  {"[23~", TUI_KEY_F11},
	{"[24~", TUI_KEY_F12},
};

static const struct {
	const char *name;
	uint32_t key;
} names[] = {
#define X(id, name) {name, TUI_KEY_##id},
	TUI_KEYS(X)
#undef X
	{"Tab", TUI_KEY_TAB},          {"Enter", TUI_KEY_ENTER}, {"Esc", TUI_KEY_ESCAPE},
	{"Bsp", TUI_KEY_BACKSPACE},    {"Space", ' '},
};
#define NNAMES (sizeof(names) / sizeof(*names))

void
tui_key_name(uint32_t key, struct qf_buf *out)
{
	for (size_t i = 0; i < NNAMES; i++) {
		if (names[i].key == key) {
			qf_buf_adds(out, names[i].name);
			return;
		}
	}
	if (key < 0x20)
		qf_buf_addf(out, "^%c", (int)key + '@');
	else
		tui_utf8_add(out, key);
}

uint32_t
tui_key_parse(const char *name, size_t n)
{
	struct tui_decoder decoder = {0};
	uint32_t key = TUI_KEY_NONE;

	for (size_t i = 0; i < NNAMES; i++)
		if (strlen(names[i].name) == n && strncasecmp(names[i].name, name, n) == 0)
			return names[i].key;
	if (n == 2 && *name == '^' && name[1] >= '?' && name[1] < 0x7f)
		return name[1] == '?' ? TUI_KEY_BACKSPACE : name[1] & 0x1f;
	for (size_t i = 0; i < n; i++) {
		if (key)
			return TUI_KEY_NONE;
		key = tui_keys_feed(&decoder, (unsigned char)name[i], 0);
	}
	return key;
}

/* Modifiers ("[1;5A") are taken off: a key with Control is the key. */
static uint32_t
find_sequence(const char *text, size_t n)
{
	char plain[32];
	size_t m = 0;

	for (size_t i = 0; i < n && m < sizeof(plain) - 1; i++) {
		if (text[i] == ';') {
			while (i + 1 < n && ((text[i + 1] >= '0' && text[i + 1] <= '9') ||
					     text[i + 1] == ';'))
				i++;
			if (m == 2 && plain[1] == '1' && i + 1 < n && text[i + 1] != '~')
				m = 1;
			continue;
		}
		plain[m++] = text[i];
	}
	plain[m] = '\0';
	for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++)
		if (strcmp(sequences[i].sequence, plain) == 0)
			return sequences[i].key;
	return TUI_KEY_NONE;
}

static uint32_t
mouse_key(struct tui_decoder *d, unsigned button, unsigned column, unsigned line, bool press)
{
	d->column = column ? column - 1 : 0;
	d->line = line ? line - 1 : 0;
	if (button == 64)
		return TUI_KEY_WHEEL_UP;
	if (button == 65)
		return TUI_KEY_WHEEL_DOWN;
	return press && (button & ~28u) == 0 ? TUI_KEY_PRESS : TUI_KEY_NONE;
}

/* "[<0;12;34M", and 'm' where the button is let go. */
static uint32_t
sgr_mouse(struct tui_decoder *d, const char *text, size_t n)
{
	unsigned long numbers[3] = {0};
	size_t k = 0;

	for (size_t i = 2; i + 1 < n; i++) {
		if (text[i] == ';')
			k++;
		else if (text[i] >= '0' && text[i] <= '9' && k < 3 && numbers[k] < 100000)
			numbers[k] = numbers[k] * 10 + (unsigned long)(text[i] - '0');
	}
	return mouse_key(d, (unsigned)numbers[0], (unsigned)numbers[1], (unsigned)numbers[2],
			 text[n - 1] == 'M');
}

/* Is a sequence complete? Behind the Escape: "[" parameters final, "O" letter, "[[" letter. */
static bool
is_complete(const unsigned char *s, size_t n)
{
	unsigned char last = s[n - 1];

	if (s[0] == 'O')
		return n == 2;
	if (n == 1)
		return false;
	if (n == 2 && last == '[')
		return false;
	if (n >= 2 && s[1] == 'M')
		return n == 5;
	return last >= 0x40 && last <= 0x7e;
}

static uint32_t
end_sequence(struct tui_decoder *d)
{
	const char *text = (const char *)d->bytes + 1;
	size_t n = d->n - 1;
	uint32_t key;

	d->n = 0;
	if (text[0] == '[' && n == 5 && text[1] == 'M')
		return mouse_key(d, (unsigned char)text[2] - 32u, (unsigned char)text[3] - 32u,
				 (unsigned char)text[4] - 32u, ((unsigned char)text[2] & 3) != 3);
	if (text[0] == '[' && n > 3 && text[1] == '<')
		return sgr_mouse(d, text, n);
	key = find_sequence(text, n);
	return key;
}

static uint32_t
feed_sequence(struct tui_decoder *d, unsigned char byte)
{
	if (d->n == 1 && byte == 27)
		return TUI_KEY_ESCAPE; /* twice: one Escape is told, one is still open */
	if (d->n == 1 && byte != '[' && byte != 'O') {
		d->n = 0;              /* no key is bound with Alt: Escape, and then that key */
		d->next = tui_keys_feed(d, byte, 0);
		return TUI_KEY_ESCAPE;
	}
	if (byte < 0x20 || byte == 127) {
		d->n = 0;              /* no sequence has these: it was cut off */
		d->skipping = false;
		return tui_keys_feed(d, byte, 0);
	}
	if (d->n == sizeof(d->bytes) || d->skipping) {
		d->skipping = byte < 0x40;
		d->n = d->skipping ? 2 : 0;
		return TUI_KEY_NONE;
	}
	d->bytes[d->n++] = byte;
	return is_complete(d->bytes + 1, d->n - 1) ? end_sequence(d) : TUI_KEY_NONE;
}

/* Bytes of a UTF-8 character whose first one is this; 0 for none. */
static size_t
utf8_length(unsigned char first)
{
	return first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3
		: first < 0xf5 ? 4 : 0;
}

static uint32_t
feed_utf8(struct tui_decoder *d, unsigned char byte)
{
	size_t length;
	uint32_t c;

	if (d->n && (byte & 0xc0) != 0x80)
		d->n = 0; /* the one before was cut off */
	d->bytes[d->n++] = byte;
	length = utf8_length(d->bytes[0]);
	if (length == 0) {
		d->n = 0;
		return TUI_KEY_NONE;
	}
	if (d->n < length)
		return TUI_KEY_NONE;
	d->n = 0;
	if (!qf_utf8_valid((struct qf_slice){(const char *)d->bytes, length}))
		return TUI_KEY_NONE;
	c = length == 1 ? byte : d->bytes[0] & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++)
		c = c << 6 | (d->bytes[i] & 0x3f);
	return c;
}

uint32_t
tui_keys_feed(struct tui_decoder *d, unsigned char byte, uint64_t ms)
{
	d->begun_at = ms;
	if (d->n && d->bytes[0] == 27)
		return feed_sequence(d, byte);
	if (d->escaped_at && ms - d->escaped_at < LATE_MS && (byte == '[' || byte == 'O')) {
		d->escaped_at = 0;
		d->told = true;
		d->bytes[0] = 27;
		d->bytes[1] = byte;
		d->n = 2;
		return TUI_KEY_NONE;
	}
	d->escaped_at = 0;
	if (byte == 27) {
		d->bytes[0] = 27;
		d->n = 1;
		d->told = false;
		return TUI_KEY_NONE;
	}
	if (byte == '\n')
		return TUI_KEY_ENTER;
	if (byte == 8)
		return TUI_KEY_BACKSPACE;
	return feed_utf8(d, byte);
}

uint32_t
tui_keys_next(struct tui_decoder *d)
{
	uint32_t key = d->next;

	d->next = TUI_KEY_NONE;
	return key;
}

bool
tui_keys_waiting(const struct tui_decoder *d)
{
	return d->n > 0;
}

uint32_t
tui_keys_pause(struct tui_decoder *d, uint64_t ms)
{
	bool alone = d->n == 1 && d->bytes[0] == 27;

	/* A cursor key does not come apart for so long; Escape and O were typed. */
	if (d->n == 2 && d->bytes[0] == 27 && d->bytes[1] == 'O' && ms - d->begun_at >= LATE_MS) {
		bool told = d->told;

		d->n = 0;
		d->told = false;
		d->next = told ? TUI_KEY_NONE : 'O';
		return told ? 'O' : TUI_KEY_ESCAPE;
	}
	/* A sequence that is begun may take its time; only Escape cannot wait. */
	if (!alone)
		return TUI_KEY_NONE;
	d->n = 0;
	d->escaped_at = ms;
	return TUI_KEY_ESCAPE;
}
