/*
 * manifest - what a run brought to a target, in the target's .qf/manifests/RUN.jsonl: one file a
 * run, appended to by that run alone. It outlives the claims, and the messages.
 *
 * Lines: first a qf.salvage.run/1 object; a qf.salvage/1 object for each message planned, and
 * another one with what became of it; and, before a message appears at the target, its mark
 * (qf.salvage.mark/1). Marks are synced before what they announce is done, the other lines with the
 * next mark or at the end: what they say can be told from marks, claims and queues as well.
 *
 * A mark says: the message of that claim is complete in incoming/ of that directory, and is about
 * to appear under that name; see target.h for how it is told whether it did. A mark that is void
 * says that it did not, and that what was staged may be removed. Of several marks of a claim the
 * one with the highest number counts.
 */
#ifndef QF_LIBQF_MANIFEST_H
#define QF_LIBQF_MANIFEST_H

#include "claim.h"
#include "copy.h"
#include "qf.h"
#include "sys.h"

struct qf_manifest;

/* Made new; QF_E_SYS where there is one of that run. io must outlive it. */
enum qf_code qf_manifest_create(struct qf_io *io, int folder, const char *run,
				struct qf_manifest **out, struct qf_err *err);
void qf_manifest_close(struct qf_manifest *manifest);
/* Lines to be written with the next sync. */
struct qf_buf *qf_manifest_lines(struct qf_manifest *manifest);
/* All lines are on disk. After a failure nothing more can be written: what is in the file is not
   known. */
enum qf_code qf_manifest_sync(struct qf_manifest *manifest, struct qf_err *err);

/* Lines that have become many are written, but not synced: they need not stay in memory. A failure is
   told by the next sync. */
void qf_manifest_relieve(struct qf_manifest *manifest);

struct qf_mark {
	char key[QF_CLAIM_KEY_MAX]; /* of the claim */
	char name[QF_NAME_MAX];     /* at the target: qfNEW */
	char dir[33];               /* identity of the directory there */
	unsigned lane;              /* where it is staged there */
	unsigned number;            /* 1, 2, ... */
	bool voided;
	bool brief;                 /* read without the name and the sums */
	char sha_control[QF_SHA_TEXT], sha_data[QF_SHA_TEXT];
};
void qf_mark_write(const struct qf_mark *mark, struct qf_buf *out);

/* Marks that were read, the latest of each claim. */
struct qf_marks;
/* How much of a mark is wanted. There are as many as messages were ever copied: of those that have
   arrived long ago it is enough to know that they have. */
enum qf_mark_wish { QF_MARK_UNWANTED, QF_MARK_BRIEF, QF_MARK_WHOLE };
/*
 * qf_marks_read - from all manifests of a folder.
 * wanted   asked for each claim; NULL: all, whole.
 * Lines that cannot be read are passed over: one that is torn was never acted upon.
 */
enum qf_code qf_marks_read(struct qf_io *io, int folder,
			   enum qf_mark_wish (*wanted)(void *ctx, const char *key), void *ctx,
			   struct qf_marks **out, struct qf_err *err);
/* False where there is none. */
bool qf_marks_find(const struct qf_marks *marks, const char *key, struct qf_mark *mark);
void qf_marks_free(struct qf_marks *marks);

/* Call for each line of a manifest. False: it cannot be read (errno). */
bool qf_manifest_each(struct qf_io *io, int folder, const char *name,
		      bool (*line)(void *ctx, char *text, size_t n), void *ctx);
/* Names of all manifests of a folder, a NUL behind each. */
enum qf_code qf_manifest_names(struct qf_io *io, int folder, struct qf_buf *names,
			       struct qf_err *err);

#endif
