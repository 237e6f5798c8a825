/*
 * take - sendmail's own lock on a control file, taken.
 *
 * Order of use: qf_take_kinds() once a queue directory; then for each message qf_take(), work on
 * taken.fd and below the directory's descriptor, qf_take_release(). While a message is taken no
 * sendmail works on it; what it does not keep away is a person with rm and mv.
 *
 * sendmail is built with flock on some systems and with fcntl on others. On a local file system
 * the two do not see each other, so both are taken; on NFS both are the same lock of the server,
 * and would conflict with each other: there one is. Which it is, is tried, not guessed.
 * fcntl locks are those of the open file description: closing another descriptor of the file does
 * not drop them, as it would drop the classic kind.
 *
 * Nothing here waits. Few should be taken at once: EFS grants a mount, with all its containers, 256
 * pairs of file and process (QF_TAKEN_MAX).
 */
#ifndef QF_LIBQF_TAKE_H
#define QF_LIBQF_TAKE_H

#include "qf.h"
#include "sys.h"

#define QF_TAKEN_MAX 32

/* The locks to take; shared ones, of files of our own: those exclude only others that are not. */
enum { QF_TAKE_FLOCK = 1, QF_TAKE_FCNTL = 2, QF_TAKE_SHARED = 4 };

/* A control file whose lock is held. */
struct qf_taken {
	int fd;         /* open for reading and writing */
	unsigned kinds; /* of lock that are held on it */
	struct stat st; /* of the file that is locked, and that has the name */
};

/*
 * qf_take_kinds - which locks exclude each other on this file system, tried on a file of our own.
 * dir      a directory of the same file system that is ours to write (.qf/).
 * *kinds   QF_TAKE_FLOCK | QF_TAKE_FCNTL, or QF_TAKE_FCNTL alone where they are one lock.
 * Returns  QF_OK; QF_E_DENIED, QF_E_SYS (a file system that has no locks, or a full one).
 */
enum qf_code qf_take_kinds(struct qf_io *io, int dir, unsigned *kinds, struct qf_err *err);

/*
 * qf_take - open a control file, lock it, and see that it still is what the name says.
 * name     below dir, no slash; never followed when it is a link.
 * Returns  QF_OK, the caller owns *taken; QF_E_BUSY (someone works on it), QF_E_GONE, QF_E_CHANGED
 *          (replaced while we locked it: it was worked on a moment ago), QF_E_DATA (a link, no
 *          regular file, or one with a second name), QF_E_DENIED, QF_E_SYS.
 * Origin   sendmail/queue.c readqf(): lock, then compare stat and fstat, for each rewrite puts a new
 *          file under the same name, and the one that is locked may have lost it meanwhile.
 */
enum qf_code qf_take(struct qf_io *io, int dir, const char *name, unsigned kinds,
		     struct qf_taken *taken, struct qf_err *err);

/* Lock a file that is not visible to anybody yet. */
enum qf_code qf_take_new(struct qf_io *io, int fd, unsigned kinds, const char *name,
			 struct qf_err *err);

/* Does the name still belong to what is locked? QF_OK, QF_E_GONE, QF_E_CHANGED, QF_E_SYS. */
enum qf_code qf_take_check(struct qf_io *io, int dir, const char *name, struct qf_taken *taken,
			   struct qf_err *err);

/* Gives the locks up and closes the descriptor. */
void qf_take_release(struct qf_io *io, struct qf_taken *taken);

#endif
