/*
 * reader - reads the queue in a thread of its own, again and again, and of it only what changed.
 * Takes no lock, and leaves no trace in the queue.
 */
#ifndef QF_TUI_READER_H
#define QF_TUI_READER_H

#include "picture.h"

struct tui_reader_options {
	struct qf_queue *queue;  /* the reader's alone */
	unsigned jobs, max_ops;
	/* Called in the reader's thread with each picture, the receiver's from then on. While a queue
	   is read for the first time there are several, each with more. */
	void (*post)(void *ctx, struct tui_picture *picture);
	void *ctx;
};

struct tui_reader;

/* NULL when memory or threads are out. Begins to read at once. */
struct tui_reader *tui_reader_new(const struct tui_reader_options *options);
/* Read again, when it is not at it. everything: also what seems not to have changed. */
void tui_reader_ask(struct tui_reader *reader, bool everything);
void tui_reader_free(struct tui_reader *reader);

#endif
