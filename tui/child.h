/*
 * child - qf itself, run in a process of its own: its output read piece by piece, or left to a job.
 */
#ifndef QF_TUI_CHILD_H
#define QF_TUI_CHILD_H

#include <sys/types.h>

#include "tui.h"

struct tui_child {
	pid_t pid;   /* 0: none */
	int fd;      /* its standard output and error; -1: ended */
	int spawner; /* who has started it */
};

/*
 * tui_child_start - run qf: argv[0] the command, then the common arguments, then the rest of argv.
 * input    bytes for its standard input, or none.
 * output   where output and errors go; -1: into child->fd, which does not block.
 * It leads a session of its own, so that nothing that ends this one ends it.
 * Returns  QF_OK; QF_E_SYS.
 */
enum qf_code tui_child_start(const struct tui_config *config, char *const *argv, size_t argc,
			     struct qf_slice input, int output, struct tui_child *child,
			     struct qf_err *err);
/* End it, if it is there. */
void tui_child_end(struct tui_child *child);
/* Has it ended? Then *status is its exit status, 128 and the signal that ended it. */
bool tui_child_wait(struct tui_child *child, int *status);

#endif
