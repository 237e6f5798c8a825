/*
 * salvage_report - what salvage says: a line a message, how far it is, and the account at the end.
 */
#ifndef QF_TOOLS_SALVAGE_REPORT_H
#define QF_TOOLS_SALVAGE_REPORT_H

#include <libqf/qf.h>

struct report {
	const char *command;     /* the verb */
	bool json, json_progress;
	bool quiet;              /* what is told now is not of interest */
	bool told;
	const struct qf_redactor *redactor;
};

/* Callbacks of struct qf_salvage_options; ctx is the report. */
void report_message(void *ctx, const struct qf_salvage_record *record);
void report_progress(void *ctx, const struct qf_salvage_totals *totals, uint64_t of);
/* The qf.salvage.total/1 object, or lines for people. sides: of what is planned, both sides; or NULL. */
void report_totals(const struct report *report, const struct qf_salvage_totals *totals,
		   const struct qf_salvage_sides *sides);
/* The same of all that was done. sides: what is known of both sides too. */
void report_end(const struct report *report, const struct qf_salvage *salvage, bool sides);
/* The exit status of the account alone. */
int report_status(const struct report *report, const struct qf_salvage *salvage, bool verify);

#endif
