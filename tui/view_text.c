/*
 * view_text - what is looked at in lines: long ones are broken at the edge.
 */
#include <stdio.h>
#include <string.h>

#include "view.h"

static const char *const part_names[TUI_PARTS] = {"message", "control file", "transcript",
						  "timeline"};

/*
 * Text of a command of qf is safe already, its backslashes included; but it came through a pipe, and
 * what is shown is made safe by who shows it. So: all but the backslashes.
 */
static void
make_safe(const struct tui_text *text, struct qf_slice line, bool utf8, struct qf_buf *out)
{
	bool raw = text->kind == TUI_TEXT_MESSAGE &&
		   (text->part == TUI_CONTROL || text->part == TUI_TRANSCRIPT);

	if (raw) {
		qf_escape_terminal(out, line, utf8);
		return;
	}
	while (line.n) {
		const char *slash = memchr(line.p, '\\', line.n);
		size_t n = slash ? (size_t)(slash - line.p) : line.n;

		/* Tabs of tables are blanks here. */
		for (size_t i = 0, from = 0; i <= n; i++) {
			if (i < n && line.p[i] != '\t')
				continue;
			qf_escape_terminal(out, (struct qf_slice){line.p + from, i - from}, utf8);
			if (i < n)
				qf_buf_adds(out, "    ");
			from = i + 1;
		}
		if (slash)
			qf_buf_addc(out, '\\');
		line.p += n + (slash != NULL);
		line.n -= n + (slash != NULL);
	}
}

static unsigned
style_of(const struct tui_text *text, struct qf_slice line)
{
	if (text->kind == TUI_TEXT_MESSAGE && text->part == TUI_SUMMARY && line.n &&
	    line.p[0] >= 'A' && line.p[0] <= 'Z' && !memchr(line.p, ' ', line.n))
		return TUI_BOLD;
	return 0;
}

static void
draw_parts(struct tui_model *model, struct tui_grid *grid)
{
	size_t column = 1;

	for (size_t i = 0; i < TUI_PARTS; i++)
		column += tui_grid_puts(grid, TUI_TOP - 1, column, grid->columns, part_names[i],
					i == model->text.part ? TUI_BOLD | TUI_UNDERLINE : 0) + 2;
	if (model->text.part == TUI_SUMMARY && !model->bodies && !model->config->redactor)
		tui_grid_puts(grid, TUI_TOP - 1, column, grid->columns, "b: body", TUI_CYAN);
}

void
tui_draw_text(struct tui_model *model, struct tui_grid *grid)
{
	const struct tui_text *text = &model->text;
	size_t lines = tui_body_lines(model), line = 0, width = grid->columns;
	struct qf_buf safe = {0};
	const char *end = NULL;

	if (text->kind == TUI_TEXT_MESSAGE)
		draw_parts(model, grid);
	else
		tui_grid_put_raw(grid, TUI_TOP - 1, 1, width - 1,
				 (struct qf_slice){text->title, strlen(text->title)}, TUI_BOLD);
	for (size_t i = text->top; i < text->n && line < lines; i++) {
		struct qf_slice whole = tui_text_line(text, i), rest;
		unsigned style = style_of(text, whole);

		/* Much longer ones fill the screen alone, and more of them is not to be seen. */
		if (whole.n > 8 * width * lines)
			whole.n = 8 * width * lines;
		qf_buf_clear(&safe);
		make_safe(text, whole, grid->utf8, &safe);
		rest = (struct qf_slice){safe.n ? safe.p : "", safe.n};
		do {
			struct qf_slice piece = rest;

			while (qf_text_width(piece) > width)
				piece.n = piece.n > 4 * width ? 4 * width : piece.n - 1;
			while (piece.n < rest.n && piece.n &&
			       ((unsigned char)rest.p[piece.n] & 0xc0) == 0x80)
				piece.n--;
			if (!piece.n)
				piece.n = rest.n;
			tui_grid_put(grid, TUI_TOP + line, 0, width, piece, style);
			tui_draw_found(model, grid, TUI_TOP + line);
			rest.p += piece.n;
			rest.n -= piece.n;
			line++;
		} while (rest.n && line < lines);
	}
	if (text->running)
		end = text->n ? NULL : "...";
	else if (text->cut)
		end = "[more came than is shown here]";
	else if (text->n == 0)
		end = "[nothing]";
	if (end && line < lines)
		tui_grid_puts(grid, TUI_TOP + line, 0, width, end, TUI_CYAN);
	qf_buf_release(&safe);
}
