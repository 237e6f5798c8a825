/*
 * orphans_monitor - findings of qf orphans for monitoring: a plugin's line, metrics for Prometheus.
 */
#include "orphans_report.h"

int
orphans_nagios(const struct orphans_report *report)
{
	size_t hazards, n = orphans_count(report, &hazards);

	if (report->crit ? n >= report->crit : hazards > 0)
		return 2;
	if (report->incomplete)
		return 3;
	return n >= (report->warn ? report->warn : 1);
}

void
orphans_put_nagios(const struct orphans_report *report, struct qf_buf *out)
{
	static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
	const struct qf_orphans_total *total = qf_orphans_total(report->orphans);
	size_t hazards, n = orphans_count(report, &hazards);
	char warn[16], crit[16];

	snprintf(warn, sizeof(warn), "%u", report->warn ? report->warn : 1);
	snprintf(crit, sizeof(crit), "%u", report->crit);
	qf_buf_addf(out, "QF ORPHANS %s - %zu finding%s, %zu hazard%s in %llu files%s",
		    words[orphans_nagios(report)], n, n == 1 ? "" : "s", hazards,
		    hazards == 1 ? "" : "s", (unsigned long long)total->files,
		    report->incomplete ? ", not all could be read" : "");
	qf_buf_addf(out, " | orphans=%zu;%s;%s;0 hazards=%zu;;%s;0", n, warn,
		    report->crit ? crit : "", hazards, report->crit ? "" : "1");
	for (int i = QF_VERDICT_LIVE + 1; i < QF_VERDICT_COUNT; i++)
		qf_buf_addf(out, " %s_files=%llu;;;0", qf_verdict_name((enum qf_verdict)i),
			    (unsigned long long)total->verdicts[i]);
	qf_buf_addf(out, " messages=%llu;;;0 time=%.3fs;;;0\n",
		    (unsigned long long)total->messages, total->seconds);
	/* What the web interface shows below the line. */
	for (size_t i = 0; i < qf_orphans_n(report->orphans); i++) {
		const struct qf_orphan *orphan = qf_orphans_get(report->orphans, i);

		if (!orphans_is_told(report, i) || orphan->cause == QF_CAUSE_FOREIGN)
			continue;
		qf_buf_addf(out, "%s %s ", qf_verdict_name(orphan->verdict),
			    qf_cause_type(orphan->cause)->code);
		/* A bar would begin performance data. */
		for (const char *c = orphan->files[0].path; *c; c++)
			if (*c == '|')
				qf_buf_adds(out, "\\x7c");
			else
				qf_escape_terminal(out, (struct qf_slice){c, 1}, false);
		qf_buf_addc(out, '\n');
	}
}

/* A label value: backslash, quote and line end escaped. */
static void
add_label(struct qf_buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			qf_buf_addc(out, '\\');
		if (*text == '\n')
			qf_buf_adds(out, "\\n");
		else
			qf_buf_addc(out, *text);
	}
}

void
orphans_put_prometheus(const struct orphans_report *report, struct qf_buf *out)
{
	const struct qf_orphans_total *total = qf_orphans_total(report->orphans);
	struct qf_queue *queue = report->source->queue;

	qf_buf_adds(out, "# HELP qf_orphan_files Files that belong to no whole message.\n"
			 "# TYPE qf_orphan_files gauge\n");
	for (size_t dir = 0; dir < qf_queue_ndirs(queue); dir++) {
		uint64_t counts[QF_VERDICT_COUNT] = {0};

		for (size_t i = 0; i < qf_orphans_n(report->orphans); i++) {
			const struct qf_orphan *orphan = qf_orphans_get(report->orphans, i);

			if (orphan->counted && orphan->dir == dir)
				counts[orphan->verdict] += orphan->nfiles;
		}
		for (int v = QF_VERDICT_LIVE + 1; v < QF_VERDICT_COUNT; v++) {
			qf_buf_adds(out, "qf_orphan_files{queue=\"");
			add_label(out, qf_queue_dir(queue, dir)->path);
			qf_buf_addf(out, "\",verdict=\"%s\"} %llu\n",
				    qf_verdict_name((enum qf_verdict)v),
				    (unsigned long long)counts[v]);
		}
	}
	qf_buf_addf(out, "# HELP qf_orphans_scan_duration_seconds Time the look took, pause included.\n"
			 "# TYPE qf_orphans_scan_duration_seconds gauge\n"
			 "qf_orphans_scan_duration_seconds %.3f\n", total->seconds);
	qf_buf_addf(out, "# HELP qf_orphans_scan_errors Directories and files that could not be read.\n"
			 "# TYPE qf_orphans_scan_errors gauge\n"
			 "qf_orphans_scan_errors %llu\n", (unsigned long long)total->unreadable);
	qf_buf_addf(out, "# HELP qf_orphans_last_success_timestamp_seconds When this was found out.\n"
			 "# TYPE qf_orphans_last_success_timestamp_seconds gauge\n"
			 "qf_orphans_last_success_timestamp_seconds %lld\n",
		    (long long)report->source->now);
}
