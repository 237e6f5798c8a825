/*
 * screen - the only file that knows curses. ncurses sends what differs between two screens; keys
 * are decoded elsewhere (keys.c), because the terminals it is for take sequences apart.
 */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "builtin.h"
#include "screen.h"

#include <curses.h>
#include <term.h>
/* Words that term.h takes for itself. */
#undef lines
#undef columns

/* What a program that dies leaves behind: colours off, cursor on, mouse off, the other screen. */
#define RESET "\033[m\033[?25h\033[?1000l\033[?1006l\033[?1049l\r\n"

static struct {
	struct termios before;
	SCREEN *screen;
	bool open, color, utf8, forget;
	struct tui_grid sent;
	int cursor;           /* shown: 1, hidden: 0, not known: -1 */
} here;

static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* Only what a signal handler may do. */
static void
die(int signal_number)
{
	if (here.open) {
		ssize_t ignored = write(STDOUT_FILENO, RESET, sizeof(RESET) - 1);

		(void)ignored;
		tcsetattr(STDIN_FILENO, TCSANOW, &here.before);
	}
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void
at_exit(void)
{
	tui_screen_close();
}

static void
choose_locale(bool *utf8)
{
	setlocale(LC_CTYPE, "");
	if (*utf8 && strcmp(nl_langinfo(CODESET), "UTF-8"))
		setlocale(LC_CTYPE, "C.UTF-8"); /* the one that was asked for is not installed */
	if (*utf8 && strcmp(nl_langinfo(CODESET), "UTF-8"))
		*utf8 = false;
}

/* A terminal that can be told where to write, known by its name? */
static bool
is_known(const char *term)
{
	int failure;

	return term && *term && setupterm(term, STDOUT_FILENO, &failure) == OK &&
	       tigetstr("cup") > (char *)0 && tigetstr("clear") > (char *)0;
}

enum qf_code
tui_screen_open(bool color, bool *utf8, struct qf_err *err)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &here.before) != 0) {
		*err = (struct qf_err){.code = QF_E_UNAVAILABLE};
		snprintf(err->what, sizeof(err->what), "terminal");
		snprintf(err->why, sizeof(err->why), "standard input or output is none");
		return QF_E_UNAVAILABLE;
	}
	choose_locale(utf8);
	if (!is_known(getenv("TERM"))) {
		setenv("TERMINFO", tui_builtin, 1);
		setenv("TERM", TUI_BUILTIN_NAME, 1);
	}
	here.screen = newterm(NULL, stdout, stdin);
	if (!here.screen) {
		*err = (struct qf_err){.code = QF_E_UNAVAILABLE};
		snprintf(err->what, sizeof(err->what), "terminal");
		snprintf(err->why, sizeof(err->why), "cannot be set up");
		return QF_E_UNAVAILABLE;
	}
	here.open = true;
	here.utf8 = *utf8;
	here.forget = true;
	here.cursor = -1;
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
		signal(deadly[i], die);
	atexit(at_exit);
	raw();
	noecho();
	nonl();
	typeahead(-1);
	intrflush(stdscr, FALSE);
	/* Neither lines nor cells are moved about: what changes is little. */
	idlok(stdscr, FALSE);
	idcok(stdscr, FALSE);
	scrollok(stdscr, FALSE);
	mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	here.color = color && has_colors() && start_color() == OK;
	if (here.color) {
		short background = use_default_colors() == OK ? -1 : COLOR_BLACK;

		for (short i = 1; i <= TUI_COLORS; i++)
			init_pair(i, i, background);
	}
	return QF_OK;
}

void
tui_screen_size(size_t *lines, size_t *columns)
{
	struct winsize size;

	*lines = 24;
	*columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_row || !size.ws_col)
		return;
	/* Larger ones are said by things that are no terminal. */
	*lines = size.ws_row < 1000 ? size.ws_row : 1000;
	*columns = size.ws_col < 2000 ? size.ws_col : 2000;
}

void
tui_screen_resize(void)
{
	size_t lines, columns;

	tui_screen_size(&lines, &columns);
	resizeterm((int)lines, (int)columns);
	here.forget = true;
}

void
tui_screen_forget(void)
{
	here.forget = true;
}

static attr_t
attributes(unsigned style)
{
	attr_t attr = 0;

	if (style & TUI_BOLD)
		attr |= A_BOLD;
	if (style & TUI_REVERSE)
		attr |= A_REVERSE;
	if (style & TUI_UNDERLINE)
		attr |= A_UNDERLINE;
	return attr;
}

/* What the C library takes for of another width would put everything behind it out of place. */
static void
put(size_t line, size_t column, const struct tui_cell *cell)
{
	wchar_t text[4] = {L' '};
	cchar_t c;
	size_t n = 0;

	if (cell->width == 0)
		return;
	for (size_t k = 0; k < 3 && cell->text[k]; k++)
		if (k == 0 || wcwidth((wchar_t)cell->text[k]) == 0)
			text[n++] = (wchar_t)cell->text[k];
	if (wcwidth(text[0]) != cell->width) {
		text[0] = L'?';
		text[1] = L'\0';
		if (cell->width == 2) {
			setcchar(&c, L"?", attributes(cell->style),
				 here.color ? (short)(cell->style & TUI_COLORS) : 0, NULL);
			mvadd_wch((int)line, (int)column + 1, &c);
		}
	}
	setcchar(&c, text, attributes(cell->style),
		 here.color ? (short)(cell->style & TUI_COLORS) : 0, NULL);
	mvadd_wch((int)line, (int)column, &c);
}

static bool
same(const struct tui_cell *a, const struct tui_cell *b)
{
	return memcmp(a->text, b->text, sizeof(a->text)) == 0 && a->style == b->style &&
	       a->width == b->width;
}

void
tui_screen_show(const struct tui_grid *grid)
{
	bool all = here.forget || grid->lines != here.sent.lines ||
		   grid->columns != here.sent.columns;
	bool shown = grid->cursor_line != SIZE_MAX;

	if (!here.open || !grid->cells)
		return;
	if (here.forget)
		clearok(stdscr, TRUE);
	for (size_t line = 0; line < grid->lines; line++) {
		const struct tui_cell *cells = &grid->cells[line * grid->columns];
		const struct tui_cell *sent = all ? NULL : &here.sent.cells[line * grid->columns];
		bool differs = all;

		for (size_t i = 0; i < grid->columns && !differs; i++)
			differs = !same(&cells[i], &sent[i]);
		/* A whole line, for wide characters cover what was there; ncurses sends what
		   differs. */
		for (size_t i = 0; differs && i < grid->columns; i++)
			put(line, i, &cells[i]);
	}
	if ((int)shown != here.cursor)
		curs_set(shown ? 1 : 0);
	here.cursor = shown;
	if (shown)
		move((int)grid->cursor_line, (int)grid->cursor_column);
	else
		move((int)grid->lines - 1, (int)grid->columns - 1);
	refresh();
	here.forget = false;
	if (tui_grid_reset(&here.sent, grid->lines, grid->columns))
		memcpy(here.sent.cells, grid->cells,
		       grid->lines * grid->columns * sizeof(*grid->cells));
	else
		here.forget = true;
}

void
tui_screen_suspend(void)
{
	endwin();
	raise(SIGSTOP);
	here.forget = true;
	here.cursor = -1;
	tui_screen_resize();
}

void
tui_screen_close(void)
{
	if (!here.open)
		return;
	here.open = false;
	mousemask(0, NULL);
	endwin();
	delscreen(here.screen);
	here.screen = NULL;
	tui_grid_release(&here.sent);
	tcsetattr(STDIN_FILENO, TCSANOW, &here.before);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
		signal(deadly[i], SIG_DFL);
}
