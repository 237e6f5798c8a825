/*
 * ask - a question before something is changed.
 */
#include <stdio.h>
#include <unistd.h>

#include "ask.h"
#include "say.h"
#include "status.h"

int
ask_go_on(bool yes, size_t n, const char *what, const char *instead)
{
	char answer[16] = "";

	if (yes)
		return STATUS_OK;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		say_error("%zu %s: needs --yes off a terminal; %s", n, what, instead);
		return STATUS_USAGE;
	}
	fprintf(stderr, "qf: %zu %s. Go on? [y/N] ", n, what);
	if (!fgets(answer, sizeof(answer), stdin) || (*answer != 'y' && *answer != 'Y')) {
		say_error("nothing was done");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}
