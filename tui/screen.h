/*
 * screen - the terminal: sends a grid, and nothing but what changed; restored on every way out.
 */
#ifndef QF_TUI_SCREEN_H
#define QF_TUI_SCREEN_H

#include "grid.h"

/*
 * tui_screen_open - take the terminal over. Where TERM is unset or unknown a description that is
 * compiled in is used. *utf8 is cleared where the C library cannot write UTF-8 here.
 * Returns  QF_OK; QF_E_UNAVAILABLE when standard input or output is no terminal.
 */
enum qf_code tui_screen_open(bool color, bool *utf8, struct qf_err *err);
void tui_screen_show(const struct tui_grid *grid);
/* The terminal may show anything: send all of it with the next grid. */
void tui_screen_forget(void);
void tui_screen_size(size_t *lines, size_t *columns);
/* The terminal's size has changed. */
void tui_screen_resize(void);
/* To the shell and back: returns when continued. */
void tui_screen_suspend(void);
void tui_screen_close(void);

#endif
