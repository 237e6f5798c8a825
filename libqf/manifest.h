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
#include "qf.h"
#include "sys.h"

struct qf_manifest;

/* What a run brought here; and what one took away from here again, in marks of that (marks.h). */
#define QF_MANIFEST ".jsonl"
#define QF_MANIFEST_LEFT ".left"

/* RUN with that suffix, made new; QF_E_SYS where there is one. io must outlive it. */
enum qf_code qf_manifest_create(struct qf_io *io, int folder, const char *run, const char *suffix,
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

/* Call for each line of a manifest. False: it cannot be read (errno). */
bool qf_manifest_each(struct qf_io *io, int folder, const char *name,
		      bool (*line)(void *ctx, char *text, size_t n), void *ctx);
/* Names of all manifests of a folder that end so, a NUL behind each. */
enum qf_code qf_manifest_names(struct qf_io *io, int folder, const char *suffix,
			       struct qf_buf *names, struct qf_err *err);

#endif
