/*
 * loop - the terminal, the threads and the clock on one side, the model on the other: polls, turns
 * what happens into events, and does what the effects say.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "jobs.h"
#include "loop.h"
#include "plain.h"
#include "reader.h"
#include "screen.h"

/* A pause after Escape that tells it from the begin of a sequence. */
#define ESCAPE_MS 400
/* How often jobs at work are looked at. */
#define JOBS_MS 500

/* As long as leaving may take once a signal has asked for it. */
#define LEAVING_SECONDS 5

static volatile sig_atomic_t got_size, got_end, got_stop, got_continue;
static int signal_pipe = -1;

static void
note(int number)
{
	int failure = errno;

	if (number == SIGWINCH)
		got_size = 1;
	else if (number == SIGTSTP)
		got_stop = 1;
	else if (number == SIGCONT)
		got_continue = 1;
	else
		got_end = number;
	/* Leaving takes no time but where the terminal or a file system answers no more: then there is
	   nothing to wait for, jobs go on by themselves. */
	if (got_end)
		alarm(LEAVING_SECONDS);
	if (write(signal_pipe, "", 1) < 0)
		errno = failure;
	errno = failure;
}

static void
catch_signals(int fd)
{
	struct sigaction action = {.sa_handler = note};
	static const int numbers[] = {SIGWINCH, SIGTSTP, SIGCONT, SIGHUP, SIGTERM, SIGINT};

	signal_pipe = fd;
	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_RESTART;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &action, NULL);
}

uint64_t
tui_clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------ events of the threads */

/* What an event brought, and nobody takes. */
static void
forget_event(const struct tui_event *event)
{
	tui_picture_drop(event->picture);
	tui_order_free(event->order);
	if (event->journal)
		tui_journal_release(event->journal);
	free(event->journal);
	if (event->orphans)
		tui_orphans_release(event->orphans);
	free(event->orphans);
}

static void
post(struct tui_loop *loop, const struct tui_event *event)
{
	pthread_mutex_lock(&loop->mutex);
	if (loop->nevents < sizeof(loop->events) / sizeof(*loop->events)) {
		loop->events[loop->nevents++] = *event;
	} else {
		/* The screen does not keep up: of pictures and orders only the newest counts. */
		forget_event(event);
		loop->lost = true;
	}
	pthread_mutex_unlock(&loop->mutex);
	if (write(loop->pipe[1], "", 1) < 0 && errno != EAGAIN)
		loop->lost = true;
}

static void
post_picture(void *ctx, struct tui_picture *picture)
{
	post(ctx, &(struct tui_event){.kind = TUI_EVENT_PICTURE, .picture = picture});
}

static void
post_order(void *ctx, struct tui_order *order)
{
	post(ctx, &(struct tui_event){.kind = TUI_EVENT_ORDER, .order = order});
}

static void
post_journal(void *ctx, struct tui_journal *journal)
{
	post(ctx, &(struct tui_event){.kind = TUI_EVENT_JOURNAL, .journal = journal});
}

static void
post_orphans(void *ctx, struct tui_orphans *orphans)
{
	post(ctx, &(struct tui_event){.kind = TUI_EVENT_ORPHANS, .orphans = orphans});
}

/* ------------------------------------------------------------------ effects */

static void
say(struct tui_loop *loop, const struct qf_err *err)
{
	char text[200];

	snprintf(text, sizeof(text), "%.90s: %.90s", err->what, err->why);
	tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_NOTE,
						 .bytes = {text, strlen(text)}});
}

static void
look_at_jobs(struct tui_loop *loop)
{
	struct tui_jobs jobs;

	loop->jobs_alive = tui_jobs_look(loop->files, &jobs, (int64_t)time(NULL));
	loop->jobs_at = tui_clock_ms();
	tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_JOBS, .jobs = &jobs});
}

static void
start_job(struct tui_loop *loop)
{
	struct tui_model *model = &loop->model;
	struct qf_err err;
	char name[64];

	if (model->run.argc == 0)
		return;
	if (tui_job_start(loop->files, &model->run, (int64_t)time(NULL), name, &err)) {
		say(loop, &err);
	} else {
		/* Also of one that is at its end before it is looked at is told what came of it. */
		model->job_alive = true;
		snprintf(model->last_job, sizeof(model->last_job), "%s",
			 tui_can_undo(&model->run) ? name : "");
	}
	tui_run_clear(&model->run);
	look_at_jobs(loop);
}

static void
start_run(struct tui_loop *loop)
{
	struct tui_model *model = &loop->model;
	struct qf_err err;

	tui_child_end(&loop->child);
	if (tui_child_start(loop->config, model->run.argv, model->run.argc,
			    (struct qf_slice){model->run.input.p, model->run.input.n}, -1,
			    &loop->child, &err)) {
		say(loop, &err);
		tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_TEXT_END, .status = 71});
	}
}

void
tui_loop_apply(struct tui_loop *loop, const struct tui_event *event)
{
	unsigned effects = tui_apply(&loop->model, event);
	struct tui_request request;

	loop->draw |= (effects & TUI_DRAW) != 0;
	loop->leave |= (effects & TUI_LEAVE) != 0;
	loop->stop |= (effects & TUI_STOP) != 0;
	if (effects & TUI_REPAINT)
		tui_screen_forget();
	if (effects & TUI_END_RUN)
		tui_child_end(&loop->child);
	if (effects & TUI_SORT_AGAIN && tui_model_request(&loop->model, &request))
		tui_sorter_ask(loop->sorter, &request, effects & TUI_SORT_URGENT);
	if (effects & TUI_READ) {
		tui_reader_ask(loop->reader, true);
		loop->read_at = tui_clock_ms();
		loop->reading = true;
	}
	if (effects & TUI_READ_JOURNAL)
		tui_sorter_ask_journal(loop->sorter);
	if (effects & TUI_LOOK_FOR_ORPHANS)
		tui_finder_ask(loop->finder);
	if (effects & TUI_RUN)
		start_run(loop);
	if (effects & TUI_START_JOB)
		start_job(loop);
	if (effects & TUI_READ_JOBS)
		look_at_jobs(loop);
}

/* ------------------------------------------------------------------ what has happened */

static void
take_events(struct tui_loop *loop)
{
	struct tui_event events[sizeof(loop->events) / sizeof(*loop->events)];
	char bytes[256];
	size_t n;

	while (read(loop->pipe[0], bytes, sizeof(bytes)) > 0)
		;
	pthread_mutex_lock(&loop->mutex);
	n = loop->nevents;
	memcpy(events, loop->events, n * sizeof(*events));
	loop->nevents = 0;
	pthread_mutex_unlock(&loop->mutex);
	for (size_t i = 0; i < n; i++) {
		if (events[i].kind == TUI_EVENT_PICTURE && events[i].picture->complete) {
			loop->reading = false;
			loop->read_at = tui_clock_ms();
		}
		tui_loop_apply(loop, &events[i]);
		free(events[i].journal);
		free(events[i].orphans);
	}
}

/* A key, and one that came with it. */
static void
press(struct tui_loop *loop, uint32_t key)
{
	for (; key; key = tui_keys_next(&loop->decoder))
		tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_KEY,
							 .key = key,
							 .line = loop->decoder.line,
							 .column = loop->decoder.column});
}

/* Returns false at the end of input. */
static bool
take_keys(struct tui_loop *loop)
{
	unsigned char bytes[256];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	uint64_t now = tui_clock_ms();

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return false;
	for (ssize_t i = 0; i < n; i++)
		press(loop, tui_keys_feed(&loop->decoder, bytes[i], now));
	loop->key_ms = now;
	return true;
}

static void
take_output(struct tui_loop *loop)
{
	char bytes[65536];
	ssize_t n = read(loop->child.fd, bytes, sizeof(bytes));
	int status;

	if (n > 0) {
		tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_TEXT,
							 .bytes = {bytes, (size_t)n}});
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* The end of output is not the end of the process yet. */
	for (int i = 0; i < 100 && !tui_child_wait(&loop->child, &status); i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	if (loop->child.pid)
		status = 0;
	tui_child_end(&loop->child);
	tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_TEXT_END, .status = status});
}

static void
take_size(struct tui_loop *loop)
{
	struct tui_event event = {.kind = TUI_EVENT_SIZE};

	tui_screen_resize();
	tui_screen_size(&event.lines, &event.columns);
	tui_loop_apply(loop, &event);
}

static void
take_signals(struct tui_loop *loop)
{
	if (got_stop || loop->stop) {
		got_stop = 0;
		loop->stop = false;
		tui_screen_suspend();
		got_continue = 1;
	}
	if (got_size || got_continue) {
		got_size = got_continue = 0;
		take_size(loop);
	}
}

/* What time alone brings. */
static void
take_time(struct tui_loop *loop)
{
	uint64_t now = tui_clock_ms();
	int64_t clock = (int64_t)time(NULL);

	if (tui_keys_waiting(&loop->decoder) && now - loop->key_ms >= loop->escape_ms)
		press(loop, tui_keys_pause(&loop->decoder, now));
	if (clock != loop->model.clock)
		tui_loop_apply(loop, &(struct tui_event){.kind = TUI_EVENT_CLOCK, .clock = clock});
	if (!loop->reading && now - loop->read_at >= loop->model.interval_ms) {
		loop->reading = true;
		tui_reader_ask(loop->reader, false);
	}
	if (loop->jobs_alive && now - loop->jobs_at >= JOBS_MS)
		look_at_jobs(loop);
}

static int
patience(const struct tui_loop *loop)
{
	if (tui_keys_waiting(&loop->decoder) && loop->escape_ms < JOBS_MS)
		return (int)loop->escape_ms / 4 + 1;
	return loop->jobs_alive ? JOBS_MS : 1000;
}

void
tui_loop_wait(struct tui_loop *loop, int input)
{
	struct pollfd fds[3] = {{.fd = input, .events = POLLIN},
				{.fd = loop->pipe[0], .events = POLLIN},
				{.fd = loop->child.fd, .events = POLLIN}};
	nfds_t n = loop->child.pid && loop->child.fd >= 0 ? 3 : 2;

	if (poll(fds, n, patience(loop)) < 0 && errno != EINTR)
		loop->leave = true;
	loop->input_ready = fds[0].revents != 0;
	loop->leave |= got_end != 0;
	if (fds[1].revents)
		take_events(loop);
	if (n == 3 && fds[2].revents)
		take_output(loop);
	take_time(loop);
}

static void
run_screen(struct tui_loop *loop)
{
	take_size(loop);
	while (!loop->leave) {
		if (loop->draw) {
			loop->draw = false;
			tui_draw(&loop->model, &loop->grid);
			tui_screen_show(&loop->grid);
		}
		tui_loop_wait(loop, STDIN_FILENO);
		if (loop->input_ready && !take_keys(loop))
			loop->leave = true;
		take_signals(loop);
	}
}

static enum qf_code
begin(struct tui_loop *loop, const struct tui_config *config, struct qf_err *err)
{
	const char *delay = getenv("ESCDELAY");
	struct tui_reader_options options = {.queue = config->queues[0],
					     .jobs = config->jobs,
					     .max_ops = config->max_ops,
					     .post = post_picture,
					     .ctx = loop};
	struct tui_finder_options looking = {.queue = config->queues[2],
					     .cf = config->cf,
					     .redactor = config->redactor,
					     .jobs = config->jobs,
					     .max_ops = config->max_ops,
					     .now = config->now,
					     .post = post_orphans,
					     .ctx = loop};
	enum qf_code code;

	loop->config = config;
	loop->child.fd = -1;
	loop->escape_ms = delay && atoi(delay) > 0 && atoi(delay) < 10000 ? (uint64_t)atoi(delay)
									   : ESCAPE_MS;
	loop->reading = true;
	loop->read_at = tui_clock_ms();
	loop->grid.utf8 = config->utf8;
	pthread_mutex_init(&loop->mutex, NULL);
	if (pipe2(loop->pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		loop->pipe[0] = loop->pipe[1] = -1;
		*err = (struct qf_err){.code = QF_E_SYS, .what = "pipe", .why = "cannot be had"};
		return QF_E_SYS;
	}
	code = tui_model_init(&loop->model, config, (int64_t)time(NULL), err);
	if (code)
		return code;
	loop->sorter = tui_sorter_new(config->queues[1], config->policy, config->state, post_order,
				      post_journal, loop);
	loop->reader = loop->sorter ? tui_reader_new(&options) : NULL;
	loop->finder = tui_finder_new(&looking);
	loop->files = tui_job_files_new(config, config->queues[3]);
	if (loop->reader && loop->finder && loop->files)
		return QF_OK;
	*err = (struct qf_err){.code = QF_E_NOMEM, .what = "memory", .why = "none left"};
	return QF_E_NOMEM;
}

static void
end(struct tui_loop *loop)
{
	tui_child_end(&loop->child);
	tui_reader_free(loop->reader);
	tui_sorter_free(loop->sorter);
	tui_finder_free(loop->finder);
	for (size_t i = 0; i < loop->nevents; i++)
		forget_event(&loop->events[i]);
	tui_job_files_free(loop->files);
	tui_model_release(&loop->model);
	tui_grid_release(&loop->grid);
	if (loop->pipe[0] >= 0)
		close(loop->pipe[0]);
	if (loop->pipe[1] >= 0)
		close(loop->pipe[1]);
	pthread_mutex_destroy(&loop->mutex);
}

enum qf_code
tui_run(const struct tui_config *config, struct qf_err *err)
{
	struct tui_loop *loop = calloc(1, sizeof(*loop));
	enum qf_code code;

	if (!loop) {
		*err = (struct qf_err){.code = QF_E_NOMEM, .what = "memory", .why = "none left"};
		return QF_E_NOMEM;
	}
	code = begin(loop, config, err);
	if (!code && config->plain) {
		catch_signals(loop->pipe[1]);
		look_at_jobs(loop);
		tui_plain(loop);
	} else if (!code) {
		code = tui_screen_open(config->color, &loop->grid.utf8, err);
		if (!code) {
			catch_signals(loop->pipe[1]);
			look_at_jobs(loop);
			run_screen(loop);
		}
		tui_screen_close();
	}
	end(loop);
	free(loop);
	if (!code && got_end) {
		*err = (struct qf_err){.code = QF_E_INTERRUPTED, .sys = got_end, .what = "signal"};
		code = QF_E_INTERRUPTED;
	}
	return code;
}

enum qf_code
tui_check_keys(const char *const *keys, size_t n, struct qf_err *err)
{
	struct tui_keymap map;
	enum qf_code code = tui_keymap_init(&map, keys, n, err);

	if (!code)
		tui_keymap_release(&map);
	return code;
}

enum qf_code
tui_check_columns(const char *columns, struct qf_err *err)
{
	struct tui_columns chosen;

	return tui_columns_parse(columns, &chosen, err);
}

bool
tui_may_write(const struct qf_queue *queue)
{
	bool may = false;

	for (size_t i = 0; i < qf_queue_ndirs(queue); i++) {
		const struct qf_dir *dir = qf_queue_dir(queue, i);

		if (!dir->trouble)
			may |= faccessat(dir->control_fd, ".", W_OK, AT_EACCESS) == 0;
	}
	return may;
}

void
tui_actions_dump(struct qf_buf *out)
{
	for (int i = TUI_NONE + 1; i < TUI_ACTION_COUNT; i++) {
		const struct tui_action_row *row = tui_action_row((enum tui_action)i);

		qf_buf_addf(out, "%s\t%s\t%s\n", row->name, row->keys, row->help);
	}
}
