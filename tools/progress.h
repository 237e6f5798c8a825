/*
 * progress - how far a command has come with many things, in one line of the terminal.
 *
 * Only where standard error is a terminal, not with -q; drawn a few times a second, wiped before
 * anything else is written there and at the end. One thread's at a time.
 */
#ifndef QF_TOOLS_PROGRESS_H
#define QF_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

void progress_begin(const char *command, size_t total);
/* Is there one to be drawn at all? */
bool progress_is_shown(void);
/* Take it off, so that other lines can be written. */
void progress_hide(void);
/* So many are done; drawn if it was not, a moment ago. */
void progress_at(size_t done);
void progress_end(void);

#endif
