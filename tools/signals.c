/*
 * signals - an interruption only sets a flag.
 */
#include <signal.h>
#include <stddef.h>

#include "signals.h"

static volatile int caught;

static void
note(int signal)
{
	caught = signal;
}

void
signals_catch(void)
{
	struct sigaction action = {.sa_handler = note};

	/* A second signal of a kind ends the program, whatever it does. */
	action.sa_flags = (int)SA_RESETHAND;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int
signals_caught(void)
{
	return caught;
}

const volatile int *
signals_flag(void)
{
	return &caught;
}
