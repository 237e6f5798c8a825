/*
 * plain - lines in, lines out. A line is a row of keys, as they are on the screen; "/filter" and
 * ":command" and the answers to questions are whole lines. After each line the view is said again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plain.h"
#include "view.h"

#define SAID_LINES 20

static void
write_all(const struct qf_buf *text)
{
	for (size_t at = 0; at < text->n;) {
		ssize_t n = write(STDOUT_FILENO, text->p + at, text->n - at);

		if (n <= 0 && errno != EINTR)
			return;
		at += n > 0 ? (size_t)n : 0;
	}
}

/* The grid as lines; the line the cursor is on is told by a ">" before it. */
static void
say(struct tui_loop *loop)
{
	struct qf_buf screen = {0}, out = {0};
	const struct tui_list *list = tui_current_list(&loop->model);
	bool in_list = !loop->model.text.kind;
	size_t cursor = TUI_TOP + list->cursor - list->top, line = 0, blank = 0;

	tui_draw(&loop->model, &loop->grid);
	tui_grid_dump(&loop->grid, &screen);
	for (size_t at = 0; at < screen.n; line++) {
		const char *lf = memchr(screen.p + at, '\n', screen.n - at);
		size_t n = lf ? (size_t)(lf - screen.p) - at : screen.n - at;

		/* The last line names function keys, which there are none of here. */
		if (line + 1 == loop->grid.lines)
			break;
		blank = n ? 0 : blank + 1;
		if (blank < 2) {
			qf_buf_adds(&out, in_list && line == cursor ? "> " : "  ");
			qf_buf_add(&out, screen.p + at, n);
			qf_buf_addc(&out, '\n');
		}
		at += n + 1;
	}
	qf_buf_adds(&out, loop->model.prompt == TUI_ASK_YES ? "y or n? "
			  : loop->model.prompt		     ? "text: "
							     : "keys (? tells them, q leaves): ");
	write_all(&out);
	qf_buf_release(&screen);
	qf_buf_release(&out);
}

static void
press(struct tui_loop *loop, uint32_t key)
{
	tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_KEY, .key = key});
}

static void
take_line(struct tui_loop *loop, const char *line, size_t n)
{
	struct tui_decoder decoder = {0};
	bool asks = false;

	/* An empty line is Enter. */
	if (n == 0)
		press(loop, TUI_KEY_ENTER);
	for (size_t i = 0; i < n; i++) {
		uint32_t key = tui_keys_feed(&decoder, (unsigned char)line[i], 0);

		for (; key; key = tui_keys_next(&decoder))
			press(loop, key);
	}
	/* What is typed at a question ends with the line. */
	asks = loop->model.prompt != TUI_NO_PROMPT && loop->model.prompt != TUI_ASK_YES;
	if (asks && loop->model.input.n)
		press(loop, TUI_KEY_ENTER);
}

/* Until what was asked for is there: a first picture, output of a command, an order. */
static void
settle(struct tui_loop *loop)
{
	uint64_t end = tui_clock_ms() + 5000;

	while (!loop->leave && tui_clock_ms() < end &&
	       (!loop->model.picture || !loop->model.picture->complete || loop->model.text.running ||
		loop->jobs_alive || loop->model.undo_wanted ||
		(loop->model.view == TUI_JOURNAL    ? !loop->model.journal.known
		 : loop->model.view == TUI_ORPHANS ? !loop->model.orphans.known
						   : !tui_current_list(&loop->model)->order)))
		tui_loop_wait(loop, -1);
	/* An order that is on its way comes within a moment. */
	for (int i = 0; i < 3 && !loop->leave; i++) {
		loop->draw = false;
		usleep(30000);
		tui_loop_wait(loop, STDIN_FILENO);
	}
}

void
tui_plain(struct tui_loop *loop)
{
	struct qf_buf line = {0};
	char bytes[512];
	ssize_t n;

	tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_SIZE,
						 .lines = SAID_LINES + TUI_TOP + TUI_BOTTOM,
						 .columns = 100});
	settle(loop);
	say(loop);
	while (!loop->leave) {
		tui_loop_wait(loop, STDIN_FILENO);
		if (!loop->input_ready)
			continue;
		n = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		for (ssize_t i = 0; i < n && !loop->leave; i++) {
			if (bytes[i] != '\n') {
				qf_buf_addc(&line, bytes[i]);
				continue;
			}
			take_line(loop, line.n ? line.p : "", line.n);
			qf_buf_clear(&line);
			settle(loop);
			if (!loop->leave)
				say(loop);
		}
	}
	qf_buf_release(&line);
}
