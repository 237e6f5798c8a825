/*
 * audit_html - a report as one page: nothing is loaded from anywhere, nothing of a message is
 * interpreted.
 */
#ifndef QF_TOOLS_AUDIT_HTML_H
#define QF_TOOLS_AUDIT_HTML_H

#include "audit_plan.h"

/* Bounds of the age chart's columns, and one more for what is older. */
#define AUDIT_AGES 8

/* Zero-initialise. */
struct audit_html {
	struct qf_buf rows, scratch;
	uint64_t ages[AUDIT_AGES + 1][AUDIT_CLASS_COUNT];
};

/* A message; redactor may be NULL. */
void audit_html_add(struct audit_html *page, const struct audit_case *of, int64_t now,
		    const struct qf_redactor *redactor);
/* The page, into a file with the mode 0600, whole or not at all. plan NULL: is not shown. */
enum qf_code audit_html_save(struct audit_html *page, const char *path,
			     const struct audit_classifier *of, const uint64_t *counts,
			     const struct audit_plan *plan, struct qf_err *err);
void audit_html_release(struct audit_html *page);

#endif
