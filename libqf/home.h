/*
 * home - the folder .qf/ at a queue directory, where the toolkit keeps what it leaves: trash,
 * journal, staged files. sendmail reads no such name. It lies in the directory of the control
 * files, or in the one above where that is qf/, so that names move between the two atomically.
 */
#ifndef QF_LIBQF_HOME_H
#define QF_LIBQF_HOME_H

#include "qf.h"
#include "sys.h"

/*
 * qf_home_open - open the folder of a queue directory.
 * create   make it where it is not there: 0700, owned as the queue directory.
 * *fd      the caller's.
 * Returns  QF_OK; QF_E_NOT_FOUND without create; QF_E_DENIED; QF_E_DATA for what is no folder of
 *          ours: a link, or one that others may write; QF_E_SYS.
 */
enum qf_code qf_home_open(struct qf_queue *queue, size_t dir, bool create, int *fd,
			  struct qf_err *err);

/* A folder in it ("trash"), made where it is not there. Owner as the parent's. */
enum qf_code qf_home_folder(struct qf_io *io, int parent, const char *name, bool create, int *fd,
			    struct qf_err *err);

/* One that is not there yet, or QF_E_SYS (EEXIST). */
enum qf_code qf_home_new_folder(struct qf_io *io, int parent, const char *name, int *fd,
				struct qf_err *err);

/* The folder for what qf orphans rescues, and the file in each of its folders that says what is known;
   it is locked as long as somebody is at the folder. */
#define QF_HOME_LOST_FOUND "lost+found"
#define QF_HOME_NOTE "note.json"

#endif
