/*
 * source - which queue, seen with which configuration, at which instant: the options common to
 * every command that reads a queue.
 */
#ifndef QF_TOOLS_SOURCE_H
#define QF_TOOLS_SOURCE_H

#include <libqf/qf.h>

#include "opt.h"
#include "term.h"

/* The shared option rows: OPT_BLOCK with source_rows as target. */
extern const struct opt source_rows[];
#define SOURCE_BLOCK {.kind = OPT_BLOCK, .target = (void *)source_rows, .help = "Common options:"}

struct source {
	struct qf_cf *cf;             /* NULL: none */
	struct qf_policy policy;
	struct qf_queue *queue;
	struct qf_redactor *redactor; /* NULL without --redact */
	int64_t now;
	unsigned jobs, max_ops;
	bool incomplete;              /* a directory of several could not be read, and was named */
};

/* Options of the block that others look at. */
enum color_when source_color(void);
bool source_help_wanted(void);
/* --no-sandbox: for confine.c. */
bool source_no_sandbox(void);
/* -v and -q as say_level() wants them. */
int source_verbosity(void);

/*
 * source_open - read the configuration, open the queue, say with -v what was used and where it
 * came from. Returns 0 or an exit status, the failure said. source_close() in either case.
 */
int source_open(struct source *source);
/* The same in steps, for who has to look at the paths: all but the queue; the paths of -Q, or of
   $QF_QUEUE, none where neither is given; the queue at such paths. */
struct source_paths {
	struct opt_list list;
	struct opt_list own;
};
int source_begin(struct source *source);
int source_paths(struct source_paths *out);
void source_paths_release(struct source_paths *paths);
int source_open_queue(struct source *source, const char *const *paths, size_t n);
void source_close(struct source *source);
/* The queue once more, for another thread, within the limit of the first one (hasty: qf.h); nothing
   is said. NULL where it cannot be opened. */
struct qf_queue *source_open_again(const struct source *source, bool hasty);
/* What was given, as arguments for another qf that is to see the same: texts that stay. False when
   memory is out. */
bool source_arguments(struct opt_list *arguments);
/* Was the queue named (-Q, $QF_QUEUE), or is it the configuration's? */
bool source_is_named(void);
/* The file of -C, to be passed on; NULL where none was given, or "none". */
const char *source_config(void);
/* What to call the queue where it could not be opened: the first that was named, or the default. */
const char *source_name(void);
/* --redact. */
bool source_redacts(void);
/* The instant of --now; QF_TIME_NONE. */
int64_t source_given_now(void);
/* Take the clock again, unless --now gave it (for --watch). */
void source_refresh(struct source *source);
/* Name on standard error what a scan could not list; true when there was anything. */
bool source_say_troubles(const struct qf_scan *scan);

#endif
