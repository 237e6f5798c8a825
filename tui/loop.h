/*
 * loop - what the screen and the plain mode have in common: the model with everything around it.
 */
#ifndef QF_TUI_LOOP_H
#define QF_TUI_LOOP_H

#include <pthread.h>

#include "child.h"
#include "jobs.h"
#include "model.h"
#include "reader.h"

struct tui_loop {
	const struct tui_config *config;
	struct tui_model model;
	struct tui_grid grid;
	struct tui_reader *reader;
	struct tui_sorter *sorter;
	struct tui_finder *finder;
	struct tui_job_files *files;
	struct tui_child child;       /* whose output goes into the text */
	struct tui_decoder decoder;
	uint64_t key_ms, escape_ms;
	bool reading;
	uint64_t read_at;             /* when the queue was last read */
	bool jobs_alive;
	uint64_t jobs_at;
	bool draw, leave, stop, input_ready;

	pthread_mutex_t mutex;        /* of what follows */
	int pipe[2];
	struct tui_event events[64];
	size_t nevents;
	bool lost;
};

/* An event to the model, and what its effects ask for. */
void tui_loop_apply(struct tui_loop *loop, const struct tui_event *event);
/* Wait for anything, a second at most; input is left to the caller (input_ready). */
void tui_loop_wait(struct tui_loop *loop, int input);
uint64_t tui_clock_ms(void);

#endif
