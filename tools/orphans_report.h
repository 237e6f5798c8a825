/*
 * orphans_report - findings of qf orphans in each of its formats.
 */
#ifndef QF_TOOLS_ORPHANS_REPORT_H
#define QF_TOOLS_ORPHANS_REPORT_H

#include <libqf/qf.h>

#include "source.h"

enum orphans_format { ORPHANS_TABLE, ORPHANS_JSON, ORPHANS_CSV, ORPHANS_NAGIOS, ORPHANS_PROMETHEUS };

/* What is to be reported. */
struct orphans_report {
	const struct source *source;
	const struct qf_orphans *orphans;
	const bool *hidden;       /* of each finding: told before (--since); NULL for none */
	enum orphans_format format;
	size_t width;             /* of the table; 0: no limit */
	bool utf8, safe;          /* bytes go to a terminal */
	bool verbose;             /* reasons too */
	unsigned warn, crit;      /* ORPHANS_NAGIOS: numbers of findings; 0: the usual ones */
	bool incomplete;          /* something could not be read */
};

/* Findings that count: not hidden, and not foreign names. hazards may be NULL. */
size_t orphans_count(const struct orphans_report *report, size_t *hazards);
/* Append the report; nothing where there is nothing to say, but for those who always want it. */
void orphans_put(const struct orphans_report *report, struct qf_buf *out);
/* The qf.orphan/1 object of one finding, and a line end. */
void orphans_put_object(const struct orphans_report *report, const struct qf_orphan *orphan,
			struct qf_buf *out);
/* The qf.orphans.total/1 object, without a line end. */
void orphans_put_total(const struct qf_orphans *orphans, struct qf_buf *out);
/* Is a finding to be told? */
bool orphans_is_told(const struct orphans_report *report, size_t i);

/* orphans_monitor.c */
void orphans_put_nagios(const struct orphans_report *report, struct qf_buf *out);
void orphans_put_prometheus(const struct orphans_report *report, struct qf_buf *out);
/* 0, 1, 2 or 3, as monitoring plugins say it. */
int orphans_nagios(const struct orphans_report *report);

#endif
