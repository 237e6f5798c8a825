/*
 * orphans_report - findings of qf orphans: as a table for people and mails, JSON lines, CSV.
 */
#include <string.h>

#include "column.h"
#include "orphans_report.h"
#include "table.h"

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){text, text ? strlen(text) : 0};
}

bool
orphans_is_told(const struct orphans_report *report, size_t i)
{
	return !report->hidden || !report->hidden[i];
}

size_t
orphans_count(const struct orphans_report *report, size_t *hazards)
{
	size_t n = 0, bad = 0;

	for (size_t i = 0; i < qf_orphans_n(report->orphans); i++) {
		const struct qf_orphan *orphan = qf_orphans_get(report->orphans, i);

		if (!orphans_is_told(report, i) || orphan->cause == QF_CAUSE_FOREIGN)
			continue;
		n++;
		bad += orphan->verdict == QF_VERDICT_HAZARD;
	}
	if (hazards)
		*hazards = bad;
	return n;
}

/* ---------------------------------------------------------------- pieces */

/* The fix that ends the matter: guard only stops the harm. */
static const char *
fix_of(const struct qf_orphan *orphan)
{
	for (unsigned fix = QF_FIX_RECOVER; fix <= QF_FIX_CLEAN; fix <<= 1)
		if (fix != QF_FIX_GUARD && orphan->fix & fix)
			return qf_fix_name(fix);
	return NULL;
}

static void
add_address(const struct orphans_report *report, struct qf_slice address, struct qf_buf *out)
{
	if (report->source->redactor)
		qf_redact_address(report->source->redactor, address, out);
	else
		qf_buf_add(out, address.p, address.n);
}

/* Words of a log or a control file. */
static void
add_text(const struct orphans_report *report, const char *text, struct qf_buf *out)
{
	if (report->source->redactor)
		qf_redact_text(report->source->redactor, slice(text), out);
	else
		qf_buf_adds(out, text);
}

/* ---------------------------------------------------------------- JSON */

static void
put_address(const struct orphans_report *report, struct qf_json *json, struct qf_slice address)
{
	struct qf_buf text = {0};

	if (address.p)
		add_address(report, address, &text);
	qf_json_text(json, (struct qf_slice){address.p ? text.p ? text.p : "" : NULL, text.n});
	qf_buf_release(&text);
}

static void
put_addresses(const struct orphans_report *report, struct qf_json *json,
	      const struct qf_slice *list, size_t n)
{
	qf_json_open(json, '[');
	for (size_t i = 0; i < n; i++)
		put_address(report, json, list[i]);
	qf_json_close(json, ']');
}

static void
put_evidence(const struct orphans_report *report, struct qf_json *json,
	     const struct qf_orphan *orphan)
{
	qf_json_open(json, '[');
	for (size_t i = 0; i < orphan->nevidence; i++) {
		const struct qf_evidence *e = &orphan->evidence[i];
		struct qf_buf text = {0};

		add_text(report, e->text, &text);
		qf_json_open(json, '{');
		qf_json_key(json, "kind");
		qf_json_string(json, e->kind);
		qf_json_key(json, "where");
		qf_json_string(json, e->where);
		qf_json_key(json, "time");
		qf_json_time(json, e->time);
		qf_json_key(json, "text");
		qf_json_text(json, (struct qf_slice){text.p ? text.p : "", text.n});
		qf_json_close(json, '}');
		qf_buf_release(&text);
	}
	qf_json_close(json, ']');
}

/* Bytes that JSON cannot hold, beside what was put in their place. */
static void
put_raw_one(struct qf_json *json, bool *any, const char *key, size_t i, struct qf_slice text)
{
	struct qf_buf encoded = {0};
	char name[64];

	if (!text.p || qf_utf8_valid(text))
		return;
	if (!*any) {
		qf_json_key(json, "raw");
		qf_json_open(json, '{');
		*any = true;
	}
	snprintf(name, sizeof(name), i == SIZE_MAX ? "%s" : "%s.%zu", key, i);
	qf_json_key(json, name);
	qf_base64(&encoded, text);
	qf_json_text(json, (struct qf_slice){encoded.p ? encoded.p : "", encoded.n});
	qf_buf_release(&encoded);
}

static void
put_raw(const struct orphans_report *report, struct qf_json *json, const struct qf_orphan *orphan)
{
	bool any = false;

	put_raw_one(json, &any, "id", SIZE_MAX, slice(orphan->id));
	put_raw_one(json, &any, "queue", SIZE_MAX, slice(orphan->queue));
	put_raw_one(json, &any, "file", SIZE_MAX, slice(orphan->files[0].path));
	for (size_t i = 0; i < orphan->nfiles; i++)
		put_raw_one(json, &any, "files", i, slice(orphan->files[i].path));
	if (!report->source->redactor) {
		put_raw_one(json, &any, "sender", SIZE_MAX, orphan->sender);
		for (size_t i = 0; i < orphan->nrecipients; i++)
			put_raw_one(json, &any, "recipients", i, orphan->recipients[i]);
		for (size_t i = 0; i < orphan->ntwice; i++)
			put_raw_one(json, &any, "twice", i, orphan->twice[i]);
	}
	if (any)
		qf_json_close(json, '}');
}

void
orphans_put_object(const struct orphans_report *report, const struct qf_orphan *orphan,
		   struct qf_buf *out)
{
	struct qf_json json = {.out = out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.orphan/1");
	qf_json_key(&json, "id");
	qf_json_string(&json, orphan->id[0] ? orphan->id : NULL);
	qf_json_key(&json, "queue");
	qf_json_string(&json, orphan->queue);
	qf_json_key(&json, "file");
	qf_json_string(&json, orphan->files[0].path);
	qf_json_key(&json, "files");
	qf_json_open(&json, '[');
	for (size_t i = 0; i < orphan->nfiles; i++)
		qf_json_string(&json, orphan->files[i].path);
	qf_json_close(&json, ']');
	qf_json_key(&json, "cause");
	qf_json_string(&json, qf_cause_type(orphan->cause)->code);
	qf_json_key(&json, "verdict");
	qf_json_string(&json, qf_verdict_name(orphan->verdict));
	qf_json_key(&json, "why");
	qf_json_string(&json, orphan->why);
	qf_json_key(&json, "fix");
	qf_json_string(&json, fix_of(orphan));
	qf_json_key(&json, "guard");
	qf_json_bool(&json, orphan->fix & QF_FIX_GUARD);
	qf_json_key(&json, "deadline");
	qf_json_time(&json, orphan->deadline);
	qf_json_key(&json, "harm");
	qf_json_string(&json, orphan->harm);
	qf_json_key(&json, "age");
	qf_json_int(&json, orphan->age);
	qf_json_key(&json, "bytes");
	qf_json_int(&json, orphan->bytes);
	qf_json_key(&json, "sender");
	put_address(report, &json, orphan->sender);
	qf_json_key(&json, "recipients");
	put_addresses(report, &json, orphan->recipients, orphan->nrecipients);
	qf_json_key(&json, "from_log");
	qf_json_bool(&json, orphan->from_log);
	qf_json_key(&json, "twice");
	put_addresses(report, &json, orphan->twice, orphan->ntwice);
	qf_json_key(&json, "evidence");
	put_evidence(report, &json, orphan);
	put_raw(report, &json, orphan);
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}

static void
put_seconds(struct qf_json *json, const char *key, double seconds)
{
	qf_json_key(json, key);
	qf_buf_addf(json->out, "%.3f", seconds);
	json->comma = true;
}

void
orphans_put_total(const struct qf_orphans *orphans, struct qf_buf *out)
{
	const struct qf_orphans_total *total = qf_orphans_total(orphans);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {{"queues", total->queues}, {"files", total->files},
		       {"messages", total->messages}, {"whole", total->whole},
		       {"live", total->live}, {"ignored", total->ignored},
		       {"orphans", total->orphans}};
	struct qf_json json = {.out = out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.orphans.total/1");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		qf_json_key(&json, numbers[i].key);
		qf_json_int(&json, (int64_t)numbers[i].value);
	}
	qf_json_key(&json, "causes");
	qf_json_open(&json, '{');
	for (int i = 0; i < QF_CAUSE_COUNT; i++) {
		if (!total->causes[i])
			continue;
		qf_json_key(&json, qf_cause_type((enum qf_cause)i)->code);
		qf_json_int(&json, (int64_t)total->causes[i]);
	}
	qf_json_close(&json, '}');
	qf_json_key(&json, "verdicts");
	qf_json_open(&json, '{');
	for (int i = QF_VERDICT_LIVE + 1; i < QF_VERDICT_COUNT; i++) {
		qf_json_key(&json, qf_verdict_name((enum qf_verdict)i));
		qf_json_int(&json, (int64_t)total->verdicts[i]);
	}
	qf_json_close(&json, '}');
	qf_json_key(&json, "unreadable");
	qf_json_int(&json, (int64_t)total->unreadable);
	put_seconds(&json, "seconds", total->seconds);
	put_seconds(&json, "waited", total->waited);
	qf_json_close(&json, '}');
}

static void
put_json(const struct orphans_report *report, struct qf_buf *out)
{
	for (size_t i = 0; i < qf_orphans_n(report->orphans); i++)
		if (orphans_is_told(report, i))
			orphans_put_object(report, qf_orphans_get(report->orphans, i), out);
	orphans_put_total(report->orphans, out);
	qf_buf_addc(out, '\n');
}

/* ---------------------------------------------------------------- CSV */

static void
csv_field(const struct orphans_report *report, struct qf_slice text, char after, struct qf_buf *out)
{
	column_csv(text, report->safe, report->utf8, out);
	qf_buf_adds(out, after == '\n' ? "\r\n" : ",");
}

static void
csv_addresses(const struct orphans_report *report, const struct qf_slice *list, size_t n, char after,
	      struct qf_buf *out)
{
	struct qf_buf text = {0};

	for (size_t i = 0; i < n; i++) {
		if (i)
			qf_buf_addc(&text, ' ');
		add_address(report, list[i], &text);
	}
	csv_field(report, (struct qf_slice){text.p, text.n}, after, out);
	qf_buf_release(&text);
}

static void
put_csv_row(const struct orphans_report *report, const struct qf_orphan *orphan, struct qf_buf *out)
{
	struct qf_buf files = {0};
	char deadline[QF_TIME_TEXT] = "", number[32];

	if (orphan->deadline != QF_TIME_NONE)
		qf_time_format(orphan->deadline, deadline);
	for (size_t i = 0; i < orphan->nfiles; i++)
		qf_buf_addf(&files, "%s%s", i ? " " : "", orphan->files[i].path);
	csv_field(report, slice(orphan->id), ',', out);
	csv_field(report, slice(orphan->queue), ',', out);
	csv_field(report, slice(orphan->files[0].path), ',', out);
	csv_field(report, (struct qf_slice){files.p, files.n}, ',', out);
	csv_field(report, slice(qf_cause_type(orphan->cause)->code), ',', out);
	csv_field(report, slice(qf_verdict_name(orphan->verdict)), ',', out);
	csv_field(report, slice(orphan->why), ',', out);
	csv_field(report, slice(fix_of(orphan)), ',', out);
	csv_field(report, slice(deadline), ',', out);
	csv_field(report, slice(orphan->harm), ',', out);
	snprintf(number, sizeof(number), "%lld", (long long)orphan->age);
	csv_field(report, slice(number), ',', out);
	snprintf(number, sizeof(number), "%lld", (long long)orphan->bytes);
	csv_field(report, slice(number), ',', out);
	csv_addresses(report, orphan->sender.p ? &orphan->sender : NULL, orphan->sender.p != NULL, ',',
		      out);
	csv_addresses(report, orphan->recipients, orphan->nrecipients, ',', out);
	csv_addresses(report, orphan->twice, orphan->ntwice, '\n', out);
	qf_buf_release(&files);
}

static void
put_csv(const struct orphans_report *report, struct qf_buf *out)
{
	qf_buf_adds(out, "id,queue,file,files,cause,verdict,why,fix,deadline,harm,age,bytes,sender,"
			 "recipients,twice\r\n");
	for (size_t i = 0; i < qf_orphans_n(report->orphans); i++)
		if (orphans_is_told(report, i))
			put_csv_row(report, qf_orphans_get(report->orphans, i), out);
}

/* ---------------------------------------------------------------- table */

static void
add_safe(const struct orphans_report *report, struct qf_slice text, struct qf_buf *out)
{
	qf_escape_terminal(out, text, report->utf8);
}

static void
put_detail(const struct orphans_report *report, const char *title, struct qf_slice text,
	   struct qf_buf *out)
{
	qf_buf_addf(out, "    %s: ", title);
	add_safe(report, text, out);
	qf_buf_addc(out, '\n');
}

static void
put_people(const struct orphans_report *report, const char *title, const struct qf_slice *list,
	   size_t n, struct qf_buf *out)
{
	struct qf_buf text = {0};

	for (size_t i = 0; i < n && i < 20; i++) {
		if (i)
			qf_buf_addc(&text, ' ');
		add_address(report, list[i], &text);
	}
	if (n > 20)
		qf_buf_addf(&text, " and %zu more", n - 20);
	if (n)
		put_detail(report, title, (struct qf_slice){text.p ? text.p : "", text.n}, out);
	qf_buf_release(&text);
}

static void
put_details(const struct orphans_report *report, const struct qf_orphan *orphan, struct qf_buf *out)
{
	for (size_t i = 1; i < orphan->nfiles; i++)
		put_detail(report, "and", slice(orphan->files[i].path), out);
	put_detail(report, "why", slice(orphan->why), out);
	put_people(report, orphan->from_log ? "from (log)" : "from", &orphan->sender,
		   orphan->sender.p != NULL, out);
	put_people(report, orphan->from_log ? "for (log)" : "for", orphan->recipients,
		   orphan->nrecipients, out);
	for (size_t i = 0; i < orphan->nevidence; i++) {
		struct qf_buf text = {0};

		qf_buf_addf(&text, "%s: ", orphan->evidence[i].where);
		add_text(report, orphan->evidence[i].text, &text);
		put_detail(report, orphan->evidence[i].kind,
			   (struct qf_slice){text.p ? text.p : "", text.n}, out);
		qf_buf_release(&text);
	}
	if (fix_of(orphan))
		qf_buf_addf(out, "    fix: %s%s\n", orphan->fix & QF_FIX_GUARD ? "guard at once, then " : "",
			    fix_of(orphan));
}

static void
put_line(const struct orphans_report *report, const struct qf_orphan *orphan, struct qf_buf *out)
{
	char age[QF_TIME_TEXT], deadline[QF_TIME_TEXT];
	size_t start = out->n;

	qf_age_format(orphan->age, age);
	qf_buf_addf(out, "%-11s  %-14s  %7s  ", qf_verdict_name(orphan->verdict),
		    qf_cause_type(orphan->cause)->code, age);
	add_safe(report, slice(orphan->files[0].path), out);
	table_fit(start, report->width, report->utf8, out);
	qf_buf_addc(out, '\n');
	/* Harm is told in full, whatever the width. */
	if (orphan->harm) {
		qf_buf_addf(out, "    %s", orphan->harm);
		if (orphan->deadline != QF_TIME_NONE) {
			qf_time_format(orphan->deadline, deadline);
			qf_buf_addf(out, orphan->deadline <= report->source->now
						 ? ": at the next queue run"
						 : ": from %s on", deadline);
		}
		qf_buf_addc(out, '\n');
	}
	put_people(report, "a second copy would go to", orphan->twice, orphan->ntwice, out);
	if (report->verbose)
		put_details(report, orphan, out);
}

static void
put_summary(const struct orphans_report *report, struct qf_buf *out)
{
	const struct qf_orphans_total *total = qf_orphans_total(report->orphans);
	const char *before = ": ";

	qf_buf_addf(out, "%llu of %llu files are part of no whole message",
		    (unsigned long long)total->orphans, (unsigned long long)total->files);
	for (int i = QF_VERDICT_LIVE + 1; i < QF_VERDICT_COUNT; i++) {
		if (!total->verdicts[i])
			continue;
		qf_buf_addf(out, "%s%llu %s", before, (unsigned long long)total->verdicts[i],
			    qf_verdict_name((enum qf_verdict)i));
		before = ", ";
	}
	qf_buf_addf(out, "; %llu messages\n", (unsigned long long)total->messages);
}

static void
put_table(const struct orphans_report *report, struct qf_buf *out)
{
	bool any = orphans_count(report, NULL);
	size_t start;

	for (size_t i = 0; i < qf_orphans_n(report->orphans); i++)
		any |= orphans_is_told(report, i);
	if (!any)
		return;
	start = out->n;
	qf_buf_addf(out, "%-11s  %-14s  %7s  %s", "VERDICT", "CAUSE", "AGE", "FILE");
	table_fit(start, report->width, report->utf8, out);
	qf_buf_addc(out, '\n');
	for (size_t i = 0; i < qf_orphans_n(report->orphans); i++)
		if (orphans_is_told(report, i))
			put_line(report, qf_orphans_get(report->orphans, i), out);
	put_summary(report, out);
}

void
orphans_put(const struct orphans_report *report, struct qf_buf *out)
{
	switch (report->format) {
	case ORPHANS_TABLE:
		put_table(report, out);
		break;
	case ORPHANS_JSON:
		put_json(report, out);
		break;
	case ORPHANS_CSV:
		put_csv(report, out);
		break;
	case ORPHANS_NAGIOS:
		orphans_put_nagios(report, out);
		break;
	case ORPHANS_PROMETHEUS:
		orphans_put_prometheus(report, out);
		break;
	}
}
