/*
 * every - the form of a command for supervised containers: it stays, works at an interval, and
 * prints one line of JSON for each round.
 */
#ifndef QF_TOOLS_EVERY_H
#define QF_TOOLS_EVERY_H

#include "opt.h"

/* The option; target is an int64_t, 0 as long as it is not given. */
#define EVERY_ROW(interval)                                                                        \
	{                                                                                          \
		OPT_SPAN, "every", 0, interval, "INTERVAL",                                        \
			"stay, and work at that interval; a line of JSON for each round", NULL     \
	}

/*
 * every_run - one round at once, then one each interval, counted from the beginning of a round; a
 * round that takes longer is followed by the next.
 * round    works, and returns its exit status. total takes its last line, an object of JSON;
 *          left empty where there is none. Errors are told with say_error(); the last one stands
 *          in the line. It ends early when a signal is caught.
 * Returns  0 after a signal; a status when standard output fails.
 */
int every_run(const char *command, int64_t interval,
	      int (*round)(void *ctx, struct qf_buf *total), void *ctx);

#endif
