/*
 * every - a command at an interval, for supervised containers.
 */
#include <string.h>
#include <time.h>

#include "every.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"

static double
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The qf.round/1 object: a line. */
static void
put_line(const char *command, uint64_t round, int64_t time, int status, double seconds,
	 const struct qf_buf *total)
{
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.round/1");
	qf_json_key(&json, "command");
	qf_json_string(&json, command);
	qf_json_key(&json, "time");
	qf_json_time(&json, time);
	qf_json_key(&json, "round");
	qf_json_int(&json, (int64_t)round);
	qf_json_key(&json, "status");
	qf_json_int(&json, status);
	qf_json_key(&json, "seconds");
	qf_buf_addf(&line, "%.3f", seconds);
	json.comma = true;
	qf_json_key(&json, "error");
	qf_json_string(&json, say_last());
	qf_json_key(&json, "total");
	if (total->n)
		qf_buf_add(&line, total->p, total->n);
	else
		qf_json_null(&json);
	qf_json_close(&json, '}');
	qf_buf_addc(&line, '\n');
	if (line.p)
		say_mask(line.p, line.n);
	out_add_buf(&line);
	out_flush();
	qf_buf_release(&line);
}

int
every_run(const char *command, int64_t interval,
	  int (*round)(void *ctx, struct qf_buf *total), void *ctx)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	uint64_t n = 0;

	say_unlike_log(true);
	while (!signals_caught() && !out_failed()) {
		double begun = monotonic();
		int64_t now = (int64_t)time(NULL);
		struct qf_buf total = {0};
		int status;

		say_forget();
		status = round(ctx, &total);
		/* Of a round that was cut short nothing is told: it is no failure of anything. */
		if (!signals_caught())
			put_line(command, ++n, now, status, monotonic() - begun, &total);
		qf_buf_release(&total);
		while (!signals_caught() && !out_failed() && monotonic() < begun + (double)interval)
			nanosleep(&pause, NULL);
	}
	return signals_caught() ? STATUS_OK : out_finish(STATUS_OK);
}
