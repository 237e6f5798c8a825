/*
 * list - the names of a directory, in pieces as the system gives them: counted and paced (sys.h),
 * unsorted, all of them but "." and "..". Which of them are wanted is the caller's to say.
 *
 *	if (!qf_list_begin(&list, io, fd))
 *		no memory
 *	while ((entry = qf_list_next(&list)))
 *		...
 *	if (list.failure)
 *		what was told is not all
 *	qf_list_end(&list);
 *
 * A name that is there all the time is told once; one that comes or goes meanwhile may be told or
 * not, and one that is renamed may be told under both names.
 */
#ifndef QF_LIBQF_LIST_H
#define QF_LIBQF_LIST_H

#include "sys.h"

struct qf_list {
	struct qf_io *io;
	int fd;
	int failure;     /* errno of a listing that broke off; 0: it went on to its end, or still goes */
	unsigned pieces; /* how many were read, each one operation */
	unsigned most;   /* so many pieces and no more; 0: all. qf_list_begin() sets 0 */
	char *piece;     /* what was read last */
	size_t at, n;
};

/* From the beginning, whoever has read the descriptor before; it stays the caller's, and nobody
   else may list it meanwhile, for its place is in the descriptor. False: no memory. */
bool qf_list_begin(struct qf_list *list, struct qf_io *io, int fd);
void qf_list_end(struct qf_list *list);

/* The next name. NULL at the end, on failure and after the most pieces. Entry and name stay until
   the next piece is read. */
const struct qf_sys_entry *qf_list_next(struct qf_list *list);

/* The same in two steps, for who passes on what there is before reading costs time again. Read a
   piece: false at the end, on failure and after the most pieces. */
bool qf_list_read(struct qf_list *list);
/* The next name of the piece that was read; NULL at the end of the piece. */
const struct qf_sys_entry *qf_list_in_piece(struct qf_list *list);

/* Is the entry a directory, or a link to one? Asks the file system (a stat) only where the listing
   does not tell. */
bool qf_list_is_directory(struct qf_list *list, const struct qf_sys_entry *entry);

#endif
