/*
 * ask - a question before something is changed.
 */
#ifndef QF_TOOLS_ASK_H
#define QF_TOOLS_ASK_H

#include <stdbool.h>
#include <stddef.h>

/*
 * ask_go_on - on a terminal: "N WHAT. Go on? [y/N]". Elsewhere nobody can answer.
 * yes      of --yes: not asked.
 * what     what there are: "selected by a filter".
 * instead  what to do where there is no terminal: "-n shows what would be done".
 * Returns  0, or STATUS_USAGE with the reason said.
 */
int ask_go_on(bool yes, size_t n, const char *what, const char *instead);

#endif
