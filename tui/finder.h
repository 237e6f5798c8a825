/*
 * finder - looks for files that belong to no whole message, in a thread of its own: it looks twice,
 * and has to wait in between.
 */
#ifndef QF_TUI_FINDER_H
#define QF_TUI_FINDER_H

#include <libqf/qf.h>

/* One finding. All texts are its own, and there. */
struct tui_orphan {
	char *path, *why, *harm, *fix;
	char *more;             /* lines: files, sender, recipients, evidence */
	const char *verdict, *cause, *text;
	int64_t age, deadline;
};
struct tui_orphans {
	struct tui_orphan *found;  /* hazards first */
	size_t n;
	char failure[200];
	bool known;
};
void tui_orphans_release(struct tui_orphans *orphans);

struct tui_finder_options {
	struct qf_queue *queue;    /* the finder's alone */
	const struct qf_cf *cf;    /* or NULL */
	const struct qf_redactor *redactor; /* or NULL */
	unsigned jobs, max_ops;
	int64_t now;               /* QF_TIME_NONE: the clock */
	/* In the finder's thread; takes what is found over. */
	void (*post)(void *ctx, struct tui_orphans *orphans);
	void *ctx;
};

struct tui_finder;

/* NULL when memory or threads are out. Looks when it is asked to. */
struct tui_finder *tui_finder_new(const struct tui_finder_options *options);
void tui_finder_ask(struct tui_finder *finder);
void tui_finder_free(struct tui_finder *finder);

#endif
