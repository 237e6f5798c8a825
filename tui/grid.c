/*
 * grid - a screen as cells of text and style.
 */
#include <stdlib.h>
#include <string.h>

#include "grid.h"

bool
tui_grid_reset(struct tui_grid *grid, size_t lines, size_t columns)
{
	if (lines != grid->lines || columns != grid->columns || !grid->cells) {
		struct tui_cell *cells = lines && columns ? calloc(lines * columns, sizeof(*cells))
							  : NULL;

		free(grid->cells);
		grid->cells = cells;
		grid->lines = cells ? lines : 0;
		grid->columns = cells ? columns : 0;
	}
	for (size_t i = 0; i < grid->lines * grid->columns; i++)
		grid->cells[i] = (struct tui_cell){.text = {' '}, .width = 1};
	grid->cursor_line = grid->cursor_column = SIZE_MAX;
	return grid->cells != NULL;
}

void
tui_grid_release(struct tui_grid *grid)
{
	free(grid->cells);
	*grid = (struct tui_grid){0};
}

/* The next character of UTF-8; U+FFFD for what is none. */
static uint32_t
next_character(struct qf_slice *text)
{
	unsigned char first = (unsigned char)*text->p;
	size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? first : first & (0xffu >> (n + 1));

	if ((first >= 0x80 && first < 0xc2) || n > text->n) {
		text->p++;
		text->n--;
		return 0xfffd;
	}
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)text->p[i] & 0x3f);
	text->p += n;
	text->n -= n;
	return c;
}

void
tui_utf8_add(struct qf_buf *out, uint32_t c)
{
	if (c < 0x80) {
		qf_buf_addc(out, (char)c);
	} else if (c < 0x800) {
		qf_buf_addc(out, (char)(0xc0 | c >> 6));
		qf_buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		qf_buf_addc(out, (char)(0xe0 | c >> 12));
		qf_buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		qf_buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		qf_buf_addc(out, (char)(0xf0 | c >> 18));
		qf_buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		qf_buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		qf_buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* Controls, and what turns the direction of text round. qf_escape_terminal() lets none of them by.
   */
static bool
is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x061c;
}

static void
combine(struct tui_cell *cell, uint32_t c)
{
	for (size_t i = 1; i < sizeof(cell->text) / sizeof(*cell->text); i++) {
		if (!cell->text[i]) {
			cell->text[i] = c;
			return;
		}
	}
}

size_t
tui_grid_put(struct tui_grid *grid, size_t line, size_t column, size_t width,
	     struct qf_slice text, unsigned style)
{
	size_t used = 0, last = SIZE_MAX;

	if (line >= grid->lines || column >= grid->columns)
		return 0;
	if (width > grid->columns - column)
		width = grid->columns - column;
	while (text.n) {
		struct tui_cell *cell = &grid->cells[line * grid->columns + column + used];
		const char *start = text.p;
		uint32_t c = next_character(&text);
		size_t wide = 1;

		if (is_harmful(c) || (c >= 0x80 && !grid->utf8))
			c = '?';
		else if (c >= 0x80)
			wide = qf_text_width((struct qf_slice){start, (size_t)(text.p - start)});
		if (wide == 0) {
			if (last != SIZE_MAX)
				combine(&grid->cells[line * grid->columns + last], c);
			continue;
		}
		if (used + wide > width)
			break;
		*cell = (struct tui_cell){.text = {c},
					  .style = (unsigned char)style,
					  .width = (unsigned char)(wide > 1 ? 2 : 1)};
		last = column + used;
		if (wide > 1)
			cell[1] = (struct tui_cell){.style = (unsigned char)style};
		used += wide > 1 ? 2 : 1;
	}
	return used;
}

size_t
tui_grid_puts(struct tui_grid *grid, size_t line, size_t column, size_t width, const char *text,
	      unsigned style)
{
	return tui_grid_put(grid, line, column, width, (struct qf_slice){text, strlen(text)}, style);
}

size_t
tui_grid_put_raw(struct tui_grid *grid, size_t line, size_t column, size_t width,
		 struct qf_slice text, unsigned style)
{
	struct qf_buf safe = {0}, cut = {0};
	size_t used;

	/* No character takes more than ten columns when escaped, nor more than eight bytes. */
	if (text.n > 8 * grid->columns)
		text.n = 8 * grid->columns;
	qf_escape_terminal(&safe, text, grid->utf8);
	if (column < grid->columns && width > grid->columns - column)
		width = grid->columns - column;
	qf_text_fit(&cut, (struct qf_slice){safe.p, safe.n}, width, grid->utf8);
	used = tui_grid_put(grid, line, column, width, (struct qf_slice){cut.p, cut.n}, style);
	qf_buf_release(&safe);
	qf_buf_release(&cut);
	return used;
}

void
tui_grid_style(struct tui_grid *grid, size_t line, size_t column, size_t width, unsigned style)
{
	for (size_t i = column; line < grid->lines && i < grid->columns && i - column < width; i++) {
		struct tui_cell *cell = &grid->cells[line * grid->columns + i];

		if (style & TUI_COLORS)
			cell->style &= (unsigned char)~TUI_COLORS;
		cell->style |= (unsigned char)style;
	}
}

void
tui_grid_dump(const struct tui_grid *grid, struct qf_buf *out)
{
	for (size_t line = 0; line < grid->lines; line++) {
		const struct tui_cell *cells = &grid->cells[line * grid->columns];
		size_t end = grid->columns;

		while (end && cells[end - 1].width == 1 && cells[end - 1].text[0] == ' ')
			end--;
		for (size_t i = 0; i < end; i++)
			for (size_t k = 0; k < 3 && cells[i].width && cells[i].text[k]; k++)
				tui_utf8_add(out, cells[i].text[k]);
		qf_buf_addc(out, '\n');
	}
}
