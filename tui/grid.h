/*
 * grid - a screen as cells of text and style, without any terminal: what views draw on, what
 * screen.c sends, and what tests compare as text.
 *
 * Only what is safe for a terminal gets in: text comes through qf_escape_terminal(), and a control
 * character that is there all the same becomes a question mark.
 */
#ifndef QF_TUI_GRID_H
#define QF_TUI_GRID_H

#include <libqf/qf.h>

/* A style: a colour and attributes. */
enum {
	TUI_RED = 1,
	TUI_GREEN,
	TUI_YELLOW,
	TUI_BLUE,
	TUI_MAGENTA,
	TUI_CYAN,
	TUI_COLORS = 7,
	TUI_BOLD = 8,
	TUI_REVERSE = 16,
	TUI_UNDERLINE = 32,
};

struct tui_cell {
	uint32_t text[3];    /* a character, and at most two that combine with it */
	unsigned char style;
	unsigned char width; /* 1 or 2; 0: the right half of the one before */
};

struct tui_grid {
	size_t lines, columns;
	struct tui_cell *cells;
	bool utf8;                /* else ASCII alone */
	size_t cursor_line, cursor_column; /* of the terminal; SIZE_MAX: hidden */
};

/* Blank, of that size. False when memory is out: then it has no lines. */
bool tui_grid_reset(struct tui_grid *grid, size_t lines, size_t columns);
void tui_grid_release(struct tui_grid *grid);
/* Safe text from a place on, in at most width columns. Returns the columns used. */
size_t tui_grid_put(struct tui_grid *grid, size_t line, size_t column, size_t width,
		    struct qf_slice text, unsigned style);
size_t tui_grid_puts(struct tui_grid *grid, size_t line, size_t column, size_t width,
		     const char *text, unsigned style);
/* Text of anybody: made safe, cut with an ellipsis. */
size_t tui_grid_put_raw(struct tui_grid *grid, size_t line, size_t column, size_t width,
			struct qf_slice text, unsigned style);
/* Change the style of width cells: attributes are added, a colour replaces one. */
void tui_grid_style(struct tui_grid *grid, size_t line, size_t column, size_t width,
		    unsigned style);
/* As text, blanks at line ends left out. */
void tui_grid_dump(const struct tui_grid *grid, struct qf_buf *out);
/* One character as UTF-8. */
void tui_utf8_add(struct qf_buf *out, uint32_t c);

#endif
