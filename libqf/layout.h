/*
 * layout - the directories of a queue: what the modules above need and the public header does
 * not show.
 */
#ifndef QF_LIBQF_LAYOUT_H
#define QF_LIBQF_LAYOUT_H

#include "qf.h"
#include "sys.h"

/* qf_queue_open() over another table of system calls, for tests; NULL: the real one. */
enum qf_code qf_queue_open_sys(const struct qf_sys *sys, const struct qf_queue_options *options,
			       struct qf_queue **out, struct qf_err *err);

/* Where the queue's file operations are counted. */
struct qf_io *qf_queue_io(struct qf_queue *queue);

/*
 * The directory that a d line names, in a control file of directory dir; SIZE_MAX for none.
 * A directory is known by its path relative to the base of the queue. A configuration says what
 * the base is, and only that name counts. Nothing says it of a directory given by path or pattern:
 * that one is known by its last and by its last two components.
 * Origin: sendmail/queue.c readqf(), case 'd'.
 */
size_t qf_queue_data_dir(const struct qf_queue *queue, size_t dir, struct qf_slice relative);

/* The last name of a path. A queue is mounted here or there, but its directories are called the same. */
const char *qf_path_last(const char *path);

#endif
