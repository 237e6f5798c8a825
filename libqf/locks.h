/*
 * locks - is a control file in delivery now, found without taking a lock.
 *
 * Even a shared lock, which mailq takes, makes a queue runner pass a message over; so this only
 * asks. fcntl locks, and on NFS both kinds, answer to F_OFD_GETLK. flock on a local file system
 * is seen in /proc/locks alone, which shows no holder outside our pid namespace.
 */
#ifndef QF_LIBQF_LOCKS_H
#define QF_LIBQF_LOCKS_H

#include "qf.h"
#include "sys.h"

struct qf_locks;

/* NULL when memory is out. May be used by several threads at once. */
struct qf_locks *qf_locks_new(void);
void qf_locks_free(struct qf_locks *locks);

/* How far locks on the files of a directory can be seen from here. */
enum qf_lock_sight {
	QF_SIGHT_BLIND,  /* a flock taken in another pid namespace would not be seen */
	QF_SIGHT_ASK,    /* F_OFD_GETLK and /proc/locks together tell */
	QF_SIGHT_LISTED, /* /proc/locks alone tells: a local file system, seen from the initial pid
	                    namespace; a question a file less */
};

/* Read what /proc/locks says, unless it was read just now: for who has time before the first question
   is asked, which waits for it. */
void qf_locks_look(struct qf_locks *locks);

/*
 * qf_locks_ask - does someone hold an exclusive lock on the file.
 * fd      open for reading.
 * device, inode  of the file, as /proc/locks names it: the directory's device.
 */
enum qf_tri qf_locks_ask(struct qf_locks *locks, struct qf_io *io, int fd, uint64_t device,
			 uint64_t inode, enum qf_lock_sight sight);

/* Does /proc/locks name a holder: all that can be told without opening the file. */
bool qf_locks_listed(struct qf_locks *locks, uint64_t device, uint64_t inode);

/* What it is for a directory: by its file system and our pid namespace. */
enum qf_lock_sight qf_locks_sight(int dir_fd);

#endif
