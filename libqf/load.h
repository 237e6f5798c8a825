/*
 * load - read one message from its queue, with as few file operations as what is asked allows:
 * open, read, close of the control file; a stat or a lock question only where it is needed; the
 * data file is looked at only where its size is.
 */
#ifndef QF_LIBQF_LOAD_H
#define QF_LIBQF_LOAD_H

#include "locks.h"
#include "msg.h"
#include "qf.h"
#include "sys.h"

/* A control file under this size is had with one read. */
#define QF_READ_SIZE ((size_t)16384)
/* One over this size is large: not so many of them are read at once. */
#define QF_LARGE_SIZE ((size_t)1 << 20)

/* What one thread needs to load messages. */
struct qf_loader {
	struct qf_queue *queue;
	struct qf_io *io;
	struct qf_locks *locks;  /* NULL without QF_NEED_BUSY */
	const enum qf_lock_sight *sight; /* per directory */
	unsigned needs;
	bool raw;                /* bytes only: qf_scan_options.raw */
	char *scratch;           /* QF_READ_SIZE bytes */
	bool noatime;            /* try O_NOATIME; cleared where it is refused */
	/* Called before a large file is read on; false: it is not wanted any more. May be NULL. */
	bool (*large)(void *ctx);
	void *ctx;
};

/*
 * qf_load - fill a cleared message.
 * name     of the control file, n bytes and a NUL; type: d_type of its directory entry.
 * Returns  QF_OK, also for what cannot be read or is no file (findings say so); QF_E_GONE when it
 *          left meanwhile, or large() did not want it; QF_E_NOMEM.
 */
enum qf_code qf_load(struct qf_loader *loader, size_t dir, const char *name, size_t n,
		     unsigned char type, uint64_t inode, struct qf_msg *msg, struct qf_err *err);

/* Give a cleared message its names: control file, id, paths. msg->nomem when memory is out. */
void qf_load_name(const struct qf_loader *loader, size_t dir, const char *name, size_t n,
		  struct qf_msg *msg);
/* Name its data file, once the envelope is read. Returns the directory it is in; SIZE_MAX where the
   d line names none of the queue. */
size_t qf_load_data_name(const struct qf_loader *loader, struct qf_msg *msg);

/* For each directory of a queue how far locks in it can be seen; the caller's. NULL when memory is
   out. */
enum qf_lock_sight *qf_load_sights(const struct qf_queue *queue);

#endif
