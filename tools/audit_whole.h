/*
 * audit_whole - classes of a restored message that need no log.
 */
#ifndef QF_TOOLS_AUDIT_WHOLE_H
#define QF_TOOLS_AUDIT_WHOLE_H

#include "audit_classify.h"

/* Evidence about the message as a whole; one after another, before that of its recipients. */
void audit_case_evidence(struct audit_case *out, const char *kind, struct qf_slice where,
			 int64_t when, const char *text);
/* What its own file says. */
void audit_file_evidence(struct audit_case *out, int64_t when, const char *text);

/* Each sets *yes, and then why and evidence of the case. */
enum qf_code audit_is_damaged(struct audit_classifier *c, struct audit_case *out,
			      struct qf_slice state, bool *yes, struct qf_err *err);
enum qf_code audit_is_torn(struct audit_classifier *c, struct audit_case *out, bool *yes,
			   struct qf_err *err);
enum qf_code audit_is_twice(struct audit_classifier *c, struct audit_case *out, bool *yes,
			    struct qf_err *err);
/*
 * audit_is_short - after the fate of the case was loaded: the log says that the message had more
 * bytes than header and body have. It may be that a filter took fields away: no proof that it is
 * torn, but none that it is whole. Says what is missing of the case, where nothing else is.
 */
enum qf_code audit_is_short(struct audit_classifier *c, struct audit_case *out, struct qf_err *err);
/*
 * audit_is_live - does the live queue have it, seen since from, when the copy was last written?
 * Where something speaks for it that proves nothing, the doubt of the case says so.
 */
enum qf_code audit_is_live(struct audit_classifier *c, struct audit_case *out, int64_t from,
			   bool *yes, struct qf_err *err);
/* Does a tf lie beside this message, as new as it or newer, which a change would make worthless?
   message 0: beside any. */
enum qf_code audit_is_staged(const struct audit_classifier *c, int64_t message, bool *yes,
			     struct qf_err *err);

#endif
