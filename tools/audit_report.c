/*
 * audit_report - qf audit report: is it safe to let this restored queue run, and what makes it so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_html.h"
#include "changes.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "table.h"

struct report {
	struct source source;
	struct audit_classifier classifier;
	struct audit_case message;
	struct audit_plan plan;
	struct audit_html page;
	struct qf_buf out, command, address;
	uint64_t messages, counts[AUDIT_CLASS_COUNT];
};

/* ------------------------------------------------------------------ one message */

static struct qf_slice
shown(struct report *r, struct qf_slice address)
{
	if (!r->source.redactor || !address.p)
		return address;
	qf_buf_clear(&r->address);
	qf_redact_address(r->source.redactor, address, &r->address);
	return (struct qf_slice){r->address.p, r->address.n};
}

/* What stands in the text of logs may have addresses in it. */
static void
add_evidence(const struct report *r, size_t at, size_t n, struct qf_buf *out)
{
	if (!r->source.redactor && n)
		qf_buf_add(out, r->message.evidence.p + at, n);
}

static void
put_recipients(struct report *r, struct qf_json *json)
{
	const struct audit_case *m = &r->message;

	qf_json_open(json, '[');
	for (size_t i = 0; i < m->recipients.n; i++) {
		const struct audit_standing *standing = &m->standing[i];

		qf_json_open(json, '{');
		qf_json_key(json, "address");
		qf_json_text(json, shown(r, m->recipients.all[i].address));
		qf_json_key(json, "state");
		qf_json_string(json, audit_state_name(standing->state));
		qf_json_key(json, "evidence");
		qf_json_open(json, '[');
		add_evidence(r, standing->evidence, standing->nevidence, json->out);
		json->comma = true;
		qf_json_close(json, ']');
		qf_json_close(json, '}');
	}
	qf_json_close(json, ']');
}

/* All evidence of the message: its own, and that of its recipients. */
static void
put_evidence(struct report *r, struct qf_json *json)
{
	const struct audit_case *m = &r->message;
	bool any = m->nown > 0;

	qf_json_open(json, '[');
	add_evidence(r, m->own, m->nown, json->out);
	for (size_t i = 0; i < m->recipients.n; i++) {
		if (!m->standing[i].nevidence || r->source.redactor)
			continue;
		if (any)
			qf_buf_addc(json->out, ',');
		add_evidence(r, m->standing[i].evidence, m->standing[i].nevidence, json->out);
		any = true;
	}
	json->comma = true;
	qf_json_close(json, ']');
}

static void
put_json(struct report *r)
{
	const struct audit_case *m = &r->message;
	struct qf_json json = {.out = &r->out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.audit.report/1");
	qf_json_key(&json, "id");
	qf_json_text(&json, m->id);
	qf_json_key(&json, "queue");
	qf_json_text(&json, m->queue);
	qf_json_key(&json, "snapshot");
	qf_json_int(&json, r->classifier.snapshot.id);
	qf_json_key(&json, "class");
	qf_json_string(&json, audit_class_name(m->class));
	qf_json_key(&json, "expired");
	qf_json_bool(&json, m->expired);
	qf_json_key(&json, "return_at");
	qf_json_time(&json, m->return_at);
	qf_json_key(&json, "warn_at");
	qf_json_time(&json, m->warn_at);
	qf_json_key(&json, "recipients");
	put_recipients(r, &json);
	qf_json_key(&json, "evidence");
	put_evidence(r, &json);
	qf_json_key(&json, "missing");
	qf_json_string(&json, *m->missing ? m->missing : NULL);
	qf_json_key(&json, "action");
	qf_json_string(&json, audit_action_name(m->action));
	qf_json_key(&json, "command");
	if (r->command.n && !r->source.redactor)
		qf_json_text(&json, (struct qf_slice){r->command.p, r->command.n});
	else
		qf_json_null(&json);
	qf_json_key(&json, "why");
	qf_json_string(&json, *m->why ? m->why : NULL);
	qf_json_key(&json, "sender");
	qf_json_text(&json, shown(r, m->sender));
	qf_json_key(&json, "created");
	qf_json_time(&json, m->created);
	qf_json_close(&json, '}');
	qf_buf_addc(&r->out, '\n');
}

static void
add_time(struct qf_buf *out, int64_t when)
{
	char text[QF_TIME_TEXT];

	if (when == QF_TIME_NONE)
		return;
	qf_time_format(when, text);
	qf_buf_adds(out, text);
}

static void
put_csv(struct report *r)
{
	const struct audit_case *m = &r->message;
	struct qf_buf value = {0};
	struct qf_json json = {.out = &value};

	if (r->messages == 1)
		qf_buf_adds(&r->out, "id,queue,snapshot,class,expired,return_at,warn_at,recipients,"
				     "evidence,missing,action,command\r\n");
	qf_escape_csv(&r->out, m->id);
	qf_buf_addc(&r->out, ',');
	qf_escape_csv(&r->out, m->queue);
	qf_buf_addf(&r->out, ",%lld,%s,%s,", (long long)r->classifier.snapshot.id,
		    audit_class_name(m->class), m->expired ? "true" : "false");
	add_time(&r->out, m->return_at);
	qf_buf_addc(&r->out, ',');
	add_time(&r->out, m->warn_at);
	qf_buf_addc(&r->out, ',');
	for (size_t i = 0; i < m->recipients.n; i++) {
		struct qf_slice address = shown(r, m->recipients.all[i].address);

		qf_buf_addf(&value, "%s%s ", i ? " " : "", audit_state_name(m->standing[i].state));
		qf_buf_add(&value, address.p ? address.p : "", address.n);
	}
	qf_escape_csv(&r->out, (struct qf_slice){value.p, value.n});
	qf_buf_addc(&r->out, ',');
	qf_buf_clear(&value);
	put_evidence(r, &json);
	qf_escape_csv(&r->out, (struct qf_slice){value.p, value.n});
	qf_buf_addc(&r->out, ',');
	qf_escape_csv(&r->out, (struct qf_slice){m->missing, strlen(m->missing)});
	qf_buf_addf(&r->out, ",\"%s\",", audit_action_name(m->action));
	if (!r->source.redactor)
		qf_escape_csv(&r->out, (struct qf_slice){r->command.p, r->command.n});
	qf_buf_adds(&r->out, "\r\n");
	qf_buf_release(&value);
}

static void
add_safe(struct qf_buf *out, struct qf_slice text)
{
	table_cell(text, 0, false, term_utf8(), out);
}

static void
put_text(struct report *r)
{
	const struct audit_case *m = &r->message;

	qf_buf_addf(&r->out, "%-16s ", audit_class_name(m->class));
	add_safe(&r->out, m->id);
	qf_buf_adds(&r->out, " from ");
	add_safe(&r->out, shown(r, m->sender));
	if (*m->why && !r->source.redactor) {
		qf_buf_adds(&r->out, ": ");
		add_safe(&r->out, (struct qf_slice){m->why, strlen(m->why)});
	}
	qf_buf_addc(&r->out, '\n');
	for (size_t i = 0; i < m->recipients.n; i++) {
		const struct audit_standing *standing = &m->standing[i];

		/* With -v all; else where recipients differ. */
		if (say_verbosity() < 1 && m->class != AUDIT_IS_PARTLY)
			continue;
		qf_buf_addf(&r->out, "    %-9s ", audit_state_name(standing->state));
		add_safe(&r->out, shown(r, m->recipients.all[i].address));
		if (standing->ntext && !r->source.redactor) {
			qf_buf_adds(&r->out, "  ");
			add_safe(&r->out,
				 (struct qf_slice){m->text.p + standing->text, standing->ntext});
		}
		qf_buf_addc(&r->out, '\n');
	}
}

static enum qf_code
put_all(struct report *r, struct qf_err *err)
{
	bool more;
	enum qf_code code = audit_classify_begin(&r->classifier, err);

	while (code == QF_OK && !out_failed() && !signals_caught() &&
	       (code = audit_classify(&r->classifier, &r->message, &more, err)) == QF_OK && more) {
		size_t before = r->plan.n;

		if (!audit_plan_add(&r->plan, &r->message)) {
			return store_no_memory(err);
		}
		r->messages++;
		r->counts[r->message.class]++;
		qf_buf_clear(&r->command);
		if (r->plan.n > before)
			audit_plan_command(&r->plan.steps[before], &r->command);
		if (audit_given.html)
			audit_html_add(&r->page, &r->message, r->source.now, r->source.redactor);
		qf_buf_clear(&r->out);
		if (audit_given.format == AUDIT_JSON)
			put_json(r);
		else if (audit_given.format == AUDIT_CSV)
			put_csv(r);
		else
			put_text(r);
		out_add_buf(&r->out);
	}
	return code;
}

/* ------------------------------------------------------------------ totals, and the plan */

static void
put_total_json(struct report *r)
{
	struct qf_json json = {.out = &r->out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.audit.report.total/1");
	qf_json_key(&json, "snapshot");
	qf_json_int(&json, r->classifier.snapshot.id);
	qf_json_key(&json, "messages");
	qf_json_int(&json, (int64_t)r->messages);
	qf_json_key(&json, "classes");
	qf_json_open(&json, '{');
	for (int i = 0; i < AUDIT_CLASS_COUNT; i++) {
		qf_json_key(&json, audit_class_name((enum audit_class)i));
		qf_json_int(&json, (int64_t)r->counts[i]);
	}
	qf_json_close(&json, '}');
	qf_json_key(&json, "against");
	if (r->classifier.against.id)
		qf_json_int(&json, r->classifier.against.id);
	else
		qf_json_null(&json);
	qf_json_key(&json, "to_change");
	qf_json_int(&json, (int64_t)r->plan.n);
	qf_json_close(&json, '}');
	qf_buf_addc(&r->out, '\n');
}

static void
put_total_text(struct report *r)
{
	static const char *const meaning[] = {
		[AUDIT_IS_DAMAGED] = "left alone; look at them with qf show, qf orphans",
		[AUDIT_IS_TORN] = "to be held",
		[AUDIT_IS_STILL_LIVE] = "to be removed: they would be sent twice",
		[AUDIT_IS_DELIVERED] = "to be removed: they would be sent again",
		[AUDIT_IS_RETURNED] = "to be removed: their senders know already",
		[AUDIT_IS_PARTLY] = "served recipients to be struck",
		[AUDIT_IS_QUARANTINED] = "held already; left",
		[AUDIT_IS_EXPIRED] = "to be held: the next run would return them",
		[AUDIT_IS_UNDECIDED] = "to be held: no evidence either way",
		[AUDIT_IS_WILL_WARN] = "left: their senders get a delay warning",
		[AUDIT_IS_SAFE] = "left: never delivered, never returned",
	};

	qf_buf_addf(&r->out, "\nsnapshot %lld: %llu %s\n", (long long)r->classifier.snapshot.id,
		    (unsigned long long)r->messages, r->messages == 1 ? "message" : "messages");
	for (int i = 0; i < AUDIT_CLASS_COUNT; i++)
		if (r->counts[i])
			qf_buf_addf(&r->out, "%8llu %-16s %s\n", (unsigned long long)r->counts[i],
				    audit_class_name((enum audit_class)i), meaning[i]);
	if (!r->plan.n || r->source.redactor)
		return;
	qf_buf_clear(&r->command);
	audit_plan_commands(&r->plan, &r->command);
	qf_buf_adds(&r->out, "\nThe plan (--apply carries it out; -n shows it):\n");
	for (size_t at = 0; at < r->command.n;) {
		const char *line = r->command.p + at;
		const char *end = memchr(line, '\n', r->command.n - at);
		size_t n = end ? (size_t)(end - line) : r->command.n - at;

		add_safe(&r->out, (struct qf_slice){line, n});
		qf_buf_addc(&r->out, '\n');
		at += n + 1;
	}
}

/* ------------------------------------------------------------------ the command */

/* Without --snapshot: the newest of a restored tree, else the newest. */
static int
find_snapshots(struct report *r)
{
	struct audit_classifier *c = &r->classifier;
	struct store_statement *s;
	char name[32] = "latest";
	struct qf_err err;
	bool row;

	if (!audit_given.snapshot &&
	    store_prepare(c->store,
			  "SELECT id FROM snapshots ORDER BY restored DESC, id DESC LIMIT 1", &s,
			  &err) == QF_OK) {
		if (store_step(s, &row, &err) == QF_OK && row)
			snprintf(name, sizeof(name), "%lld", (long long)store_int(s, 0));
		store_finalize(s);
	}
	if (store_snapshot_find(c->store, audit_given.snapshot ? audit_given.snapshot : name,
				&c->snapshot, &err) != QF_OK)
		return say_failure(&err);
	if (!audit_given.against)
		return STATUS_OK;
	if (store_snapshot_find(c->store, audit_given.against, &c->against, &err) != QF_OK)
		return say_failure(&err);
	if (c->against.id != c->snapshot.id)
		return STATUS_OK;
	say_error("--against: snapshot %lld is the one to be looked at; which one is of the live "
		  "queue?",
		  (long long)c->against.id);
	return STATUS_USAGE;
}

static int
finish(struct report *r)
{
	int status = r->counts[AUDIT_IS_SAFE] == r->messages ? STATUS_OK : STATUS_FINDINGS, applied;
	struct qf_err err;

	if (audit_given.html &&
	    audit_html_save(&r->page, audit_given.html, &r->classifier, r->counts,
			    r->source.redactor ? NULL : &r->plan, &err) != QF_OK)
		return say_failure(&err);
	qf_buf_clear(&r->out);
	if (audit_given.format == AUDIT_JSON)
		put_total_json(r);
	else if (audit_given.format == AUDIT_TABLE)
		put_total_text(r);
	out_add_buf(&r->out);
	if (!r->classifier.snapshot.complete) {
		say_note("snapshot %lld is incomplete: what it does not have is not judged",
			 (long long)r->classifier.snapshot.id);
		status = STATUS_INCOMPLETE;
	}
	if (!r->classifier.against.id && r->counts[AUDIT_IS_SAFE] + r->counts[AUDIT_IS_WILL_WARN])
		say_note("no snapshot of a live queue to compare with (--against): safe ones may "
			 "still "
			 "be in one, and would be sent twice");
	if (!audit_given.apply)
		return status;
	applied = audit_plan_apply(&r->plan, r->classifier.store, &r->source,
				   &r->classifier.snapshot);
	return applied > status ? applied : status;
}

int
audit_report(char **operands, size_t n)
{
	struct report r = {0};
	struct qf_err err;
	int status;

	if (n) {
		say_error(
			"%s: takes no arguments; snapshots are given with --snapshot and --against",
			operands[0]);
		return STATUS_USAGE;
	}
	status = audit_open(STORE_READ, &r.classifier.store);
	if (!status)
		status = find_snapshots(&r);
	if (!status)
		status = source_begin(&r.source);
	r.classifier.source = &r.source;
	if (!status && put_all(&r, &err) != QF_OK)
		status = say_failure(&err);
	if (!status && signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	if (!status)
		status = finish(&r);
	audit_classify_end(&r.classifier);
	audit_case_release(&r.message);
	audit_plan_release(&r.plan);
	audit_html_release(&r.page);
	qf_buf_release(&r.out);
	qf_buf_release(&r.command);
	qf_buf_release(&r.address);
	store_close(r.classifier.store);
	source_close(&r.source);
	return out_finish(status);
}
