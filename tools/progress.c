/*
 * progress - how far a command has come with many things, in one line of the terminal.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "say.h"

#define BAR 30
/* Between two drawings: a slow line is not to be flooded. */
#define NS_BETWEEN 200000000
/* What takes no longer than this shows none. */
#define NS_BEFORE 500000000

static struct {
	const char *command;
	size_t total;
	int64_t next; /* nanoseconds: not drawn before */
	bool shown, drawn;
} progress;

static int64_t
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
progress_begin(const char *command, size_t total)
{
	progress.command = command;
	progress.total = total;
	progress.shown = total > 1 && say_verbosity() >= 0 && isatty(STDERR_FILENO);
	progress.drawn = false;
	progress.next = monotonic() + NS_BEFORE;
}

bool
progress_is_shown(void)
{
	return progress.shown;
}

void
progress_hide(void)
{
	if (progress.drawn)
		fputs("\r\033[K", stderr);
	progress.drawn = false;
}

void
progress_at(size_t done)
{
	char bar[BAR + 1];
	size_t full;

	if (!progress.shown || monotonic() < progress.next)
		return;
	full = progress.total ? done * BAR / progress.total : 0;
	for (size_t i = 0; i < BAR; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR] = '\0';
	fprintf(stderr, "\rqf: %s: [%s] %zu of %zu", progress.command, bar, done, progress.total);
	progress.drawn = true;
	progress.next = monotonic() + NS_BETWEEN;
}

void
progress_end(void)
{
	progress_hide();
	progress.shown = false;
}
