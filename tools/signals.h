/*
 * signals - an interruption only sets a flag; whoever works looks at it and ends in order.
 */
#ifndef QF_TOOLS_SIGNALS_H
#define QF_TOOLS_SIGNALS_H

/* Catch SIGINT, SIGTERM, SIGHUP. */
void signals_catch(void);
/* The signal that came, or 0. */
int signals_caught(void);
/* For the library: non-zero once a signal came. */
const volatile int *signals_flag(void);

#endif
