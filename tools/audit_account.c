/*
 * audit_account - what qf audit reconcile says: of a recipient, and in total.
 */
#include <stdio.h>
#include <string.h>

#include "audit_reconcile.h"
#include "out.h"
#include "say.h"
#include "table.h"

static const char *const words[] = {"queued", "delivered", "returned", "removed", "missing"};

/* ------------------------------------------------------------------ one recipient */

static void
put_evidence(struct reconcile *r, const struct audit_verdict *verdict, bool there,
	     struct qf_json *json)
{
	qf_json_open(json, '[');
	if (there) {
		qf_json_open(json, '{');
		qf_json_key(json, "kind");
		qf_json_string(json, "snapshot");
		qf_json_key(json, "where");
		qf_json_text(json, (struct qf_slice){r->seen.p, r->seen.n});
		qf_json_key(json, "time");
		qf_json_time(json, r->there.seen);
		qf_json_key(json, "text");
		qf_json_string(json, "in the queue");
		qf_json_close(json, '}');
	}
	audit_fate_evidence(&r->fate, verdict->proof, verdict->nproof, json);
	qf_json_close(json, ']');
}

static void
put_json(struct reconcile *r, const struct owed *owed, struct qf_slice recipient,
	 enum outcome outcome, const struct audit_verdict *verdict)
{
	struct qf_json json = {.out = &r->out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.audit.reconcile/1");
	qf_json_key(&json, "id");
	qf_json_text(&json, owed->id);
	qf_json_key(&json, "queue");
	qf_json_text(&json, owed->queue);
	qf_json_key(&json, "recipient");
	qf_json_text(&json, recipient);
	qf_json_key(&json, "outcome");
	qf_json_string(&json, words[outcome]);
	qf_json_key(&json, "doubled");
	qf_json_bool(&json, verdict->sent > 1);
	qf_json_key(&json, "evidence");
	put_evidence(r, verdict, outcome == QUEUED, &json);
	qf_json_key(&json, "why");
	qf_json_string(&json, *verdict->why ? verdict->why : NULL);
	qf_json_key(&json, "sender");
	qf_json_text(&json, owed->sender);
	qf_json_key(&json, "created");
	qf_json_time(&json, owed->created);
	qf_json_close(&json, '}');
	qf_buf_addc(&r->out, '\n');
}

static void
put_csv(struct reconcile *r, const struct owed *owed, struct qf_slice recipient,
	enum outcome outcome, const struct audit_verdict *verdict)
{
	struct qf_buf evidence = {0};
	struct qf_json json = {.out = &evidence};

	if (!r->shown)
		qf_buf_adds(&r->out, "id,queue,recipient,outcome,doubled,evidence,why\r\n");
	qf_escape_csv(&r->out, owed->id);
	qf_buf_addc(&r->out, ',');
	qf_escape_csv(&r->out, owed->queue);
	qf_buf_addc(&r->out, ',');
	if (recipient.p)
		qf_escape_csv(&r->out, recipient);
	qf_buf_addf(&r->out, ",%s,%s,", words[outcome], verdict->sent > 1 ? "true" : "false");
	put_evidence(r, verdict, outcome == QUEUED, &json);
	qf_escape_csv(&r->out, (struct qf_slice){evidence.p, evidence.n});
	qf_buf_addc(&r->out, ',');
	qf_escape_csv(&r->out, (struct qf_slice){verdict->why, strlen(verdict->why)});
	qf_buf_adds(&r->out, "\r\n");
	qf_buf_release(&evidence);
}

static void
put_text(struct reconcile *r, const struct owed *owed, struct qf_slice recipient,
	 enum outcome outcome, const struct audit_verdict *verdict)
{
	qf_buf_addf(&r->out, "%-9s ", verdict->sent > 1 ? "doubled" : words[outcome]);
	table_cell(owed->id, 0, false, term_utf8(), &r->out);
	qf_buf_addc(&r->out, ' ');
	table_cell(recipient.p ? recipient : (struct qf_slice){"(unknown recipient)", 19}, 0, false,
		   term_utf8(), &r->out);
	if (verdict->sent > 1)
		qf_buf_addf(&r->out, ": sent %zu times", verdict->sent);
	if (*verdict->why) {
		qf_buf_adds(&r->out, ": ");
		table_cell((struct qf_slice){verdict->why, strlen(verdict->why)}, 0, false,
			   term_utf8(), &r->out);
	}
	qf_buf_addc(&r->out, '\n');
	for (size_t i = 0; i < verdict->nproof; i++) {
		const struct audit_fact *fact = &r->fate.facts[verdict->proof[i]];
		char when[QF_TIME_TEXT] = "-";

		if (fact->time != QF_TIME_NONE)
			qf_time_format(fact->time, when);
		qf_buf_addf(&r->out, "          %s ", when);
		table_cell(audit_fate_text(&r->fate, fact->where), 0, false, term_utf8(), &r->out);
		qf_buf_adds(&r->out, ": ");
		table_cell(audit_fate_text(&r->fate, fact->text), 0, false, term_utf8(), &r->out);
		qf_buf_addc(&r->out, '\n');
	}
}

void
audit_account_put(struct reconcile *r, const struct owed *owed, struct qf_slice recipient,
		  enum outcome outcome, const struct audit_verdict *verdict)
{
	struct qf_buf hidden = {0};

	r->recipients++;
	r->counts[outcome]++;
	r->doubled += verdict->sent > 1;
	if (outcome != MISSING && verdict->sent < 2 && say_verbosity() < 1)
		return;
	if (r->source.redactor && recipient.p) {
		qf_redact_address(r->source.redactor, recipient, &hidden);
		recipient = (struct qf_slice){hidden.p, hidden.n};
	}
	qf_buf_clear(&r->out);
	if (audit_given.format == AUDIT_JSON)
		put_json(r, owed, recipient, outcome, verdict);
	else if (audit_given.format == AUDIT_CSV)
		put_csv(r, owed, recipient, outcome, verdict);
	else
		put_text(r, owed, recipient, outcome, verdict);
	out_add_buf(&r->out);
	r->shown++;
	qf_buf_release(&hidden);
}

/* ------------------------------------------------------------------ all of it */

static void
put_total_json(struct reconcile *r, bool accounted)
{
	struct qf_json json = {.out = &r->out};
	const struct {
		const char *key;
		uint64_t value;
	} counts[] = {{"messages", r->messages},	 {"recipients", r->recipients},
		      {"queued", r->counts[QUEUED]},	 {"delivered", r->counts[DELIVERED]},
		      {"returned", r->counts[RETURNED]}, {"removed", r->counts[REMOVED]},
		      {"missing", r->counts[MISSING]},	 {"doubled", r->doubled},
		      {"too_close", r->too_close}};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.audit.reconcile.total/1");
	qf_json_key(&json, "a");
	qf_json_int(&json, r->a.id);
	qf_json_key(&json, "b");
	qf_json_int(&json, r->b.id);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		qf_json_key(&json, counts[i].key);
		qf_json_int(&json, (int64_t)counts[i].value);
	}
	qf_json_key(&json, "contention");
	if (r->contention < 0)
		qf_json_null(&json);
	else
		qf_json_int(&json, r->contention);
	qf_json_key(&json, "accounted");
	qf_json_bool(&json, accounted);
	qf_json_key(&json, "gaps");
	qf_json_open(&json, '[');
	for (size_t i = 0; i < r->cover.ngaps; i++)
		qf_json_string(&json, r->cover.gaps[i]);
	qf_json_close(&json, ']');
	qf_json_close(&json, '}');
	qf_buf_addc(&r->out, '\n');
}

static void
put_total_text(struct reconcile *r, bool accounted)
{
	qf_buf_addf(&r->out, "%llu messages, %llu recipients:", (unsigned long long)r->messages,
		    (unsigned long long)r->recipients);
	for (int i = 0; i < OUTCOMES; i++)
		qf_buf_addf(&r->out, " %llu %s%s", (unsigned long long)r->counts[i], words[i],
			    i + 1 < OUTCOMES ? "," : "");
	qf_buf_addf(&r->out, "; %llu doubled, %llu tried again too soon, ",
		    (unsigned long long)r->doubled, (unsigned long long)r->too_close);
	if (r->contention < 0)
		qf_buf_adds(&r->out, "lock contention unknown (logs say it above LogLevel 19)\n");
	else
		qf_buf_addf(&r->out, "%lld lines of lock contention\n", (long long)r->contention);
	for (size_t i = 0; i < r->cover.ngaps; i++) {
		qf_buf_adds(&r->out, "not proven: ");
		table_cell((struct qf_slice){r->cover.gaps[i], strlen(r->cover.gaps[i])}, 0, false,
			   term_utf8(), &r->out);
		qf_buf_addc(&r->out, '\n');
	}
	qf_buf_adds(&r->out, accounted ? "everything is accounted for\n"
				       : "NOT everything is accounted for\n");
}

void
audit_account_total(struct reconcile *r, bool accounted)
{
	qf_buf_clear(&r->out);
	if (audit_given.format == AUDIT_JSON)
		put_total_json(r, accounted);
	else if (audit_given.format == AUDIT_TABLE)
		put_total_text(r, accounted);
	else
		for (size_t i = 0; i < r->cover.ngaps; i++)
			say_note("not proven: %s", r->cover.gaps[i]);
	out_add_buf(&r->out);
}
