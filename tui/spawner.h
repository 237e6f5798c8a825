/*
 * spawner - a helper that is forked before anything of the queue is read, and starts qf for the
 * rest of the program: so that the part that reads other people's mail need not be able to start
 * anything.
 *
 * It starts the one program, and no other, in a session of its own, with the words, the standard
 * input and the output that it is given. It ends with the program that it serves; what it has
 * started lives on.
 */
#ifndef QF_TUI_SPAWNER_H
#define QF_TUI_SPAWNER_H

#include <sys/types.h>

#include "tui.h"

/* Start it. QF_E_SYS. */
enum qf_code tui_spawn(int spawner, char *const *argv, int input, int output, pid_t *pid,
		       struct qf_err *err);
/* Has it ended? Then *status is as waitpid(2) gives it. kill: it is killed, and waited for. */
bool tui_spawned_ended(int spawner, pid_t pid, bool kill, int *status);

#endif
