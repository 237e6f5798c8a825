/*
 * metrics_text - figures of a queue as Prometheus text and as CloudWatch's embedded metric format:
 * one table of the plain figures, read by both.
 */
#include <string.h>

#include "metrics.h"

const int64_t metrics_age_limits[METRICS_BUCKETS] = {300,   900,    3600,   14400,  43200,
						     86400, 172800, 345600, 432000, 604800};
const int64_t metrics_tries_limits[METRICS_BUCKETS] = {0, 1, 2, 3, 5, 10, 20, 50, 100, 200};

#define FIGURE(type, member)                                                                       \
	static double figure_##member(const struct metrics_queue *q)                               \
	{                                                                                          \
		return (double)q->member;                                                          \
	}
FIGURE(bool, up)
FIGURE(int64_t, busy)
FIGURE(int64_t, due)
FIGURE(int64_t, expired)
FIGURE(int64_t, warned)
FIGURE(double, oldest)
FIGURE(double, longest_busy)
FIGURE(int64_t, control_bytes)
FIGURE(int64_t, data_bytes)
#undef FIGURE

/* A figure with one value a queue; label and its value where there are several of one name. */
static const struct figure {
	const char *name, *label, *label_value, *unit, *help;
	double (*get)(const struct metrics_queue *q);
} figures[] = {
	{"qf_up", NULL, NULL, "None", "Could the queue be read.", figure_up},
	{"qf_messages_busy", NULL, NULL, "Count", "Messages in delivery now.", figure_busy},
	{"qf_messages_due", NULL, NULL, "Count", "Messages the next queue run takes.", figure_due},
	{"qf_messages_expired", NULL, NULL, "Count",
	 "Messages past their return time: the next failed try returns them.", figure_expired},
	{"qf_messages_warned", NULL, NULL, "Count", "Messages whose sender was warned of delay.",
	 figure_warned},
	{"qf_oldest_message_age_seconds", NULL, NULL, "Seconds", "Age of the oldest message.",
	 figure_oldest},
	{"qf_longest_busy_seconds", NULL, NULL, "Seconds",
	 "How long a message in delivery now has been seen so, at most.", figure_longest_busy},
	{"qf_queue_bytes", "part", "control", "Bytes", "Bytes of the files of messages.",
	 figure_control_bytes},
	{"qf_queue_bytes", "part", "data", "Bytes", "Bytes of the files of messages.",
	 figure_data_bytes},
};
#define NFIGURES (sizeof(figures) / sizeof(*figures))

/* Behind the states stand those that could not be read, which may be in any of them. */
static const char *
state_name(int s)
{
	return s < METRICS_STATES ? qf_state_name((enum qf_state)s) : "unreadable";
}

static uint64_t
state_count(const struct metrics_queue *q, int s)
{
	return s < METRICS_STATES ? q->messages[s] : q->unreadable;
}

static bool
state_is_known(const struct metrics_queue *q, int s)
{
	return state_count(q, s) > 0 || !q->unreadable;
}

/* ------------------------------------------------------------------ Prometheus */

/* A label value: visible, valid UTF-8, with backslash and quote escaped. */
static void
add_label(struct qf_buf *out, struct qf_slice text)
{
	struct qf_buf safe = {0};

	qf_escape_terminal(&safe, text, true);
	for (size_t i = 0; i < safe.n; i++) {
		if (safe.p[i] == '\\' || safe.p[i] == '"')
			qf_buf_addc(out, '\\');
		qf_buf_addc(out, safe.p[i]);
	}
	qf_buf_release(&safe);
}

static void
add_text_label(struct qf_buf *out, const char *text)
{
	add_label(out, (struct qf_slice){text, strlen(text)});
}

static void
head(struct qf_buf *out, const char *name, const char *type, const char *help)
{
	qf_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* NAME{queue="...",LABEL="..."} VALUE */
static void
sample(struct qf_buf *out, const char *name, const struct metrics_queue *q, const char *label,
       struct qf_slice label_value, double value)
{
	qf_buf_addf(out, "%s{queue=\"", name);
	add_text_label(out, q->queue);
	qf_buf_addc(out, '"');
	if (label) {
		qf_buf_addf(out, ",%s=\"", label);
		add_label(out, label_value);
		qf_buf_addc(out, '"');
	}
	qf_buf_addf(out, "} %.15g\n", value);
}

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){text, text ? strlen(text) : 0};
}

static void
put_figures(const struct metrics *m, struct qf_buf *out)
{
	for (size_t f = 0; f < NFIGURES; f++) {
		bool first = f == 0 || strcmp(figures[f].name, figures[f - 1].name) != 0;

		if (first)
			head(out, figures[f].name, "gauge", figures[f].help);
		for (size_t i = 0; i < m->n; i++) {
			double value = figures[f].get(&m->queues[i]);

			if (value >= 0 && (m->queues[i].up || figures[f].get == figure_up))
				sample(out, figures[f].name, &m->queues[i], figures[f].label,
				       slice(figures[f].label_value), value);
		}
	}
}

static void
put_domains(const struct metrics *m, struct qf_buf *out)
{
	head(out, "qf_domain_messages", "gauge",
	     "Messages by recipient domain, those with most; a message counts in each of its own.");
	for (size_t i = 0; i < m->n; i++) {
		const struct qf_group_row *rows;
		uint64_t other = 0;
		size_t n;

		if (!m->queues[i].domains)
			continue;
		rows = qf_groups_rows(m->queues[i].domains, &n);
		for (size_t k = 0; k < n; k++) {
			if (k >= m->top)
				other += rows[k].messages;
			else
				sample(out, "qf_domain_messages", &m->queues[i], "domain",
				       rows[k].key.n ? rows[k].key : slice("(none)"),
				       (double)rows[k].messages);
		}
		if (other)
			sample(out, "qf_domain_messages", &m->queues[i], "domain", slice("(other)"),
			       (double)other);
	}
}

static void
put_histogram(const struct metrics *m, const char *name, const char *help, const int64_t *limits,
	      size_t offset, struct qf_buf *out)
{
	head(out, name, "histogram", help);
	for (size_t i = 0; i < m->n; i++) {
		const struct metrics_queue *q = &m->queues[i];
		const struct metrics_histogram *h =
			(const struct metrics_histogram *)((const char *)q + offset);
		char series[64], limit[32];
		uint64_t sum = 0;

		if (!q->up)
			continue;
		snprintf(series, sizeof(series), "%s_bucket", name);
		for (size_t k = 0; k < METRICS_BUCKETS; k++) {
			sum += h->counts[k];
			snprintf(limit, sizeof(limit), "%lld", (long long)limits[k]);
			sample(out, series, q, "le", slice(limit), (double)sum);
		}
		sample(out, series, q, "le", slice("+Inf"), (double)h->all);
		snprintf(series, sizeof(series), "%s_sum", name);
		sample(out, series, q, NULL, slice(NULL), h->sum);
		snprintf(series, sizeof(series), "%s_count", name);
		sample(out, series, q, NULL, slice(NULL), (double)h->all);
	}
}

void
metrics_put_prometheus(const struct metrics *m, struct qf_buf *out)
{
	put_figures(m, out);
	head(out, "qf_messages", "gauge", "Messages by state.");
	for (size_t i = 0; i < m->n; i++)
		for (int s = 0; m->queues[i].up && s <= METRICS_STATES; s++)
			if (state_is_known(&m->queues[i], s))
				sample(out, "qf_messages", &m->queues[i], "state",
				       slice(state_name(s)), (double)state_count(&m->queues[i], s));
	put_domains(m, out);
	head(out, "qf_orphan_files", "gauge", "Files that belong to no whole message.");
	for (size_t i = 0; i < m->n; i++)
		for (int v = QF_VERDICT_LIVE + 1; v < QF_VERDICT_COUNT; v++)
			if (m->queues[i].orphans[v] >= 0)
				sample(out, "qf_orphan_files", &m->queues[i], "verdict",
				       slice(qf_verdict_name((enum qf_verdict)v)),
				       (double)m->queues[i].orphans[v]);
	put_histogram(m, "qf_message_age_seconds", "Ages of messages.", metrics_age_limits,
		      offsetof(struct metrics_queue, age), out);
	put_histogram(m, "qf_message_tries", "Tries of messages.", metrics_tries_limits,
		      offsetof(struct metrics_queue, tries), out);
	head(out, "qf_scan_duration_seconds", "gauge", "Time the reading of the queue took.");
	qf_buf_addf(out, "qf_scan_duration_seconds %.3f\n", m->seconds);
	head(out, "qf_scan_file_operations", "gauge", "File operations it took.");
	qf_buf_addf(out, "qf_scan_file_operations %llu\n", (unsigned long long)m->operations);
	head(out, "qf_scan_errors", "gauge", "Directories and messages that could not be read.");
	qf_buf_addf(out, "qf_scan_errors %llu\n", (unsigned long long)m->errors);
	if (m->last_success != QF_TIME_NONE) {
		head(out, "qf_last_success_timestamp_seconds", "gauge",
		     "When the whole queue was last read without an error.");
		qf_buf_addf(out, "qf_last_success_timestamp_seconds %lld\n",
			    (long long)m->last_success);
	}
	head(out, "qf_build_info", "gauge", "The program.");
	qf_buf_adds(out, "qf_build_info{version=\"" QF_VERSION "\"} 1\n");
}

/* ------------------------------------------------------------------ CloudWatch */

/* Name and unit of a metric into one list, name and value into the other. */
static void
add_metric(struct qf_json *names, struct qf_json *values, const char *name, const char *unit,
	   double value)
{
	qf_json_open(names, '{');
	qf_json_key(names, "Name");
	qf_json_string(names, name);
	qf_json_key(names, "Unit");
	qf_json_string(names, unit);
	qf_json_close(names, '}');
	qf_json_key(values, name);
	qf_json_int(values, (int64_t)(value + 0.5));
}

static void
put_emf_queue(const struct metrics *m, const struct metrics_queue *q, struct qf_buf *out)
{
	struct qf_buf list = {0}, body = {0};
	struct qf_json names = {.out = &list}, values = {.out = &body};
	char name[64];

	for (size_t f = 0; f < NFIGURES; f++) {
		double value = figures[f].get(q);

		if (value < 0 || (!q->up && figures[f].get != figure_up))
			continue;
		snprintf(name, sizeof(name), "%s%s%s", figures[f].name,
			 figures[f].label ? "_" : "", figures[f].label ? figures[f].label_value : "");
		add_metric(&names, &values, name, figures[f].unit, value);
	}
	for (int s = 0; q->up && s <= METRICS_STATES; s++) {
		snprintf(name, sizeof(name), "qf_messages_%s", state_name(s));
		if (state_is_known(q, s))
			add_metric(&names, &values, name, "Count", (double)state_count(q, s));
	}
	for (int v = QF_VERDICT_LIVE + 1; v < QF_VERDICT_COUNT; v++) {
		snprintf(name, sizeof(name), "qf_orphan_files_%s",
			 qf_verdict_name((enum qf_verdict)v));
		if (q->orphans[v] >= 0)
			add_metric(&names, &values, name, "Count", (double)q->orphans[v]);
	}
	qf_buf_addf(out, "{\"_aws\":{\"Timestamp\":%lld,\"CloudWatchMetrics\":[{\"Namespace\":\"qfkit\","
			 "\"Dimensions\":[[\"queue\"]],\"Metrics\":[",
		    (long long)m->now * 1000);
	qf_buf_add(out, list.p, list.n);
	qf_buf_adds(out, "]}]},\"queue\":");
	qf_escape_json(out, slice(q->queue));
	qf_buf_addc(out, ',');
	qf_buf_add(out, body.p, body.n);
	qf_buf_adds(out, "}\n");
	out->failed |= list.failed || body.failed;
	qf_buf_release(&list);
	qf_buf_release(&body);
}

void
metrics_put_emf(const struct metrics *m, struct qf_buf *out)
{
	for (size_t i = 0; i < m->n; i++)
		put_emf_queue(m, &m->queues[i], out);
}
