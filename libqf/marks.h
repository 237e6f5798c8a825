/*
 * marks - what a manifest says of each message that was about to appear at its target, or that a
 * run took away from there again: written, read, and looked up.
 */
#ifndef QF_LIBQF_MARKS_H
#define QF_LIBQF_MARKS_H

#include "claim.h"
#include "copy.h"
#include "manifest.h"
#include "qf.h"
#include "sys.h"

struct qf_mark {
	char key[QF_CLAIM_KEY_MAX]; /* of the claim */
	char message[33];           /* qf_salvage_origin() at its source; "": an older mark */
	char name[QF_NAME_MAX];     /* at the target: qfNEW */
	char dir[33];               /* identity of the directory there */
	unsigned lane;              /* where it is staged there */
	unsigned number;            /* 1, 2, ... */
	int64_t at;                 /* when it was written, in microseconds; 0: an older mark */
	bool voided;
	bool left;                  /* taken away from this queue, not brought to it */
	bool brief;                 /* read without the name and the sums */
	const char *from;           /* directory at the source, for accounts; not read back */
	char sha_control[QF_SHA_TEXT], sha_data[QF_SHA_TEXT];
};
/* For qf_mark.at: marks of a message may be of several runs, and the last one counts. */
int64_t qf_mark_now(void);
void qf_mark_write(const struct qf_mark *mark, struct qf_buf *out);

/* Marks that were read, the latest of each claim. */
struct qf_marks;
/* How much of a mark is wanted. There are as many as messages were ever brought: of those that have
   arrived long ago it is enough to know that they have. */
enum qf_mark_wish { QF_MARK_UNWANTED, QF_MARK_BRIEF, QF_MARK_WHOLE };
/*
 * qf_marks_read - from all manifests of these folders.
 * left     those of what was taken away, too.
 * wanted   asked for each: how much of it, and under what it is to be found, which is its key if
 *          that is not changed. NULL: all, whole.
 * Lines that cannot be read are passed over: one that is torn was never acted upon.
 */
enum qf_code qf_marks_read(struct qf_io *io, const int *folders, size_t n, bool left,
			   enum qf_mark_wish (*wanted)(void *ctx, const struct qf_mark *mark,
						       char index[QF_CLAIM_KEY_MAX]),
			   void *ctx, struct qf_marks **out, struct qf_err *err);
/* Of the claim of that key, found under index. False where there is none. */
bool qf_marks_find(const struct qf_marks *marks, const char *index, const char *key,
		   struct qf_mark *mark);
/* All that are found under index; of brief ones no name and no sum of the control file is known, and of
   the data's sum the first half. */
void qf_marks_each(const struct qf_marks *marks, const char *index,
		   void (*each)(void *ctx, const struct qf_mark *mark), void *ctx);
void qf_marks_free(struct qf_marks *marks);

#endif
