/*
 * plain - the same without a screen: lines in, lines out, for screen readers and terminals that
 * cannot be told where to write.
 */
#ifndef QF_TUI_PLAIN_H
#define QF_TUI_PLAIN_H

#include "loop.h"

/* Runs until the user leaves, or the end of input. */
void tui_plain(struct tui_loop *loop);

#endif
