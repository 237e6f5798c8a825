/*
 * runner - sendmail started by helpers that are forked before the first message is read: so that the
 * process that reads them can give up starting programs.
 *
 * A helper takes nothing but the number of a queue directory and an id; what is run, and with which
 * options, was settled when it was forked. So who has got hold of the reader can have messages of
 * this queue delivered, or returned, and start nothing else.
 */
#ifndef QF_TOOLS_RUNNER_H
#define QF_TOOLS_RUNNER_H

#include "sendmail.h"

/* What every run of these helpers has in common. */
struct runner_terms {
	const struct sendmail *sendmail;
	const struct qf_queue *queue;
	const char *const *options;  /* before and behind which the message is named, to a NULL */
	bool name_queue;             /* -OQueueDirectory too: not that of the configuration */
};

/* Fork n of them; before any thread is started. 0, or an exit status with the failure said. */
int runner_begin(const struct runner_terms *terms, unsigned n);
void runner_end(void);

/*
 * runner_run - have a message run by a helper that has nothing to do; as sendmail_run(). Called by at
 * most n threads at once.
 */
bool runner_run(size_t dir, struct qf_slice id, struct qf_buf *output, char why[128]);

#endif
