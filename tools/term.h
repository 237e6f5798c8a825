/*
 * term - what standard output is: a terminal or not, how wide, what it can show.
 */
#ifndef QF_TOOLS_TERM_H
#define QF_TOOLS_TERM_H

#include <stdbool.h>
#include <stddef.h>

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

bool term_is_tty(void);
/* Columns and lines: of the terminal, else $COLUMNS and $LINES, else 0 (no limit). */
size_t term_columns(void);
size_t term_lines(void);
/* Can UTF-8 be shown: from the locale's variables, as setlocale() would read them. */
bool term_utf8(void);
/* May colour be used: --color, NO_COLOR, TERM. */
bool term_color(enum color_when when);

#endif
