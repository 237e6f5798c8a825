/*
 * confine - least privilege by itself: what a command will not need any more it gives up, so that
 * an error in reading somebody's mail cannot become more than a wrong answer.
 */
#ifndef QF_TOOLS_CONFINE_H
#define QF_TOOLS_CONFINE_H

#include <libqf/qf.h>

enum confine_how {
	/* Changes no file: only what the queue holds is read, nothing can be opened for writing. */
	CONFINE_READER,
	/* The same, but that any file may be opened for reading: being asked at each of 100,000 messages
	   costs a fourth of the time that listing them takes. No other directory may be listed. */
	CONFINE_LISTER,
	/* As a reader, but for the files may_write; they are replaced, so it is about their folders. */
	CONFINE_WRITER,
	/* Reads, and finds out late what: any file may be opened for reading. Only the files may_write are
	   written, and others in their folders, as a database needs. */
	CONFINE_KEEPER,
	/* Reads, and finds out late which directories: any file may be opened. */
	CONFINE_LOOKER,
	/* Changes the queue. Which folders that touches (trash, journal, other directories of a
	   split queue) is decided late: any file may be opened; capabilities that set owner and mode
	   are kept. */
	CONFINE_CHANGER,
	/* The same, and it talks to a helper that was forked before. */
	CONFINE_SCREEN,
};

struct confine {
	enum confine_how how;
	const struct qf_queue *queue;   /* opened; what lies beneath its directories may be read; or NULL */
	const char *may_write[2];       /* NULL: none */
	bool network;                   /* answers, or talks to a server: sockets stay */
};

/* What came of it. */
struct confined {
	int landlock;        /* version of the kernel's, 0: not confined by it */
	bool seccomp;        /* no program started, no socket but with network, no tracing, no mounting */
	bool capabilities;   /* dropped, but for those that open and read files of others; who
	                        changes keeps those that give files their owner */
	char why[128];       /* what could not be done; empty when all was */
};

/*
 * confine_apply - from now on, for this thread and those it starts, for good. Threads that run
 * already keep what they have: call it before. In builds with sanitizers, which write and start
 * things of their own, nothing is done.
 */
void confine_apply(const struct confine *confine, struct confined *done);

/* The same unless --no-sandbox was given, and with -v what came of it. */
void confine_self(const struct confine *confine);
/* The same the first time, and nothing later: for what works in rounds. Whatever a round opens anew
   has to be allowed by it. */
void confine_once(const struct confine *confine);
/* For a command that only reads, and looks at one queue once. */
void confine_reader(const struct qf_queue *queue);
/* For one that reads every message of it. */
void confine_lister(const struct qf_queue *queue);

#endif
