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

/*
 * qf_locks_ask - does someone hold an exclusive lock on the file.
 * fd      open for reading.
 * device, inode  of the file, as /proc/locks names it: the directory's device.
 * sees_flock  false where a lock of another pid namespace could not be seen in /proc/locks and
 *         F_OFD_GETLK does not tell either (qf_locks_sees_flock()).
 */
enum qf_tri qf_locks_ask(struct qf_locks *locks, struct qf_io *io, int fd, uint64_t device,
			 uint64_t inode, bool sees_flock);

/*
 * qf_locks_sees_flock - can a flock on a file below this directory be seen from here: on network
 * file systems (there flock is a byte-range lock) and on a container's own overlay always; on
 * other local ones only from the initial pid namespace.
 */
bool qf_locks_sees_flock(int dir_fd);

#endif
