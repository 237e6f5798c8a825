/*
 * salvage_render - what became of messages, and the account of a run, as JSON.
 */
#include <string.h>

#include "buf.h"
#include "salvage.h"

void
qf_salvage_render(const char *command, const struct qf_salvage_record *record, struct qf_buf *out)
{
	struct qf_json json = {.out = out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.salvage/1");
	qf_json_key(&json, "command");
	qf_json_string(&json, command);
	qf_json_key(&json, "id");
	qf_json_string(&json, record->id);
	qf_json_key(&json, "new_id");
	qf_json_string(&json, record->new_id);
	qf_json_key(&json, "file");
	qf_json_string(&json, record->file);
	qf_json_key(&json, "from");
	qf_json_string(&json, record->from);
	qf_json_key(&json, "to");
	qf_json_string(&json, record->to);
	qf_json_key(&json, "outcome");
	qf_json_string(&json, qf_salvage_outcome_name(record->outcome));
	qf_json_key(&json, "as");
	qf_json_string(&json, record->as);
	qf_json_key(&json, "why");
	qf_json_string(&json, record->why ? qf_salvage_why_name(record->why) : NULL);
	qf_json_key(&json, "detail");
	qf_json_string(&json, record->detail && *record->detail ? record->detail : NULL);
	qf_json_key(&json, "expired");
	qf_json_bool(&json, record->expired);
	qf_json_key(&json, "bounce_at");
	qf_json_time(&json, record->bounce_at);
	qf_json_key(&json, "bytes");
	if (record->bytes < 0)
		qf_json_null(&json);
	else
		qf_json_int(&json, record->bytes);
	qf_json_key(&json, "sha256");
	qf_json_open(&json, '{');
	qf_json_key(&json, "control");
	qf_json_string(&json,
		       record->sha_control && *record->sha_control ? record->sha_control : NULL);
	qf_json_key(&json, "data");
	qf_json_string(&json, record->sha_data && *record->sha_data ? record->sha_data : NULL);
	qf_json_close(&json, '}');
	if (record->origin) {
		qf_json_key(&json, "origin");
		qf_json_string(&json, record->origin);
	}
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}

/* ---------------------------------------------------------------- the account */

static uint64_t
sum(const uint64_t counts[QF_SALVAGE_WHY_COUNT])
{
	uint64_t n = 0;

	for (size_t i = 0; i < QF_SALVAGE_WHY_COUNT; i++)
		n += counts[i];
	return n;
}

uint64_t
qf_salvage_unexplained(const struct qf_salvage_totals *totals)
{
	return totals->missing + totals->doubled + totals->altered;
}

bool
qf_salvage_adds_up(const struct qf_salvage_totals *totals)
{
	return totals->planned == totals->moved + sum(totals->skipped) + sum(totals->failed);
}

static void
put_whys(struct qf_json *json, const char *key, const uint64_t counts[QF_SALVAGE_WHY_COUNT])
{
	qf_json_key(json, key);
	qf_json_open(json, '{');
	for (size_t i = 0; i < QF_SALVAGE_WHY_COUNT; i++) {
		if (!counts[i])
			continue;
		qf_json_key(json, i ? qf_salvage_why_name((enum qf_salvage_why)i) : "error");
		qf_json_int(json, (int64_t)counts[i]);
	}
	qf_json_close(json, '}');
}

static void
put_number(struct qf_json *json, const char *key, uint64_t number)
{
	qf_json_key(json, key);
	qf_json_int(json, (int64_t)number);
}

/* Of the senders that most is to be returned to so many are named. */
#define NAMED 10

static void
put_returns(struct qf_json *json, const struct qf_salvage_sides *sides,
	    const struct qf_redactor *redactor)
{
	qf_json_key(json, "returns");
	qf_json_open(json, '{');
	put_number(json, "senders", sides->nreturns);
	qf_json_key(json, "most");
	qf_json_open(json, '[');
	for (size_t i = 0; i < sides->nreturns && i < NAMED; i++) {
		struct qf_buf name = {0};

		if (redactor)
			qf_redact_address(redactor, sides->returns[i].key, &name);
		else
			qf_buf_add(&name, sides->returns[i].key.p, sides->returns[i].key.n);
		qf_json_open(json, '{');
		qf_json_key(json, "sender");
		qf_json_text(json, (struct qf_slice){name.p ? name.p : "", name.n});
		put_number(json, "messages", sides->returns[i].messages);
		qf_json_close(json, '}');
		qf_buf_release(&name);
	}
	qf_json_close(json, ']');
	qf_json_close(json, '}');
}

static void
put_sides_json(struct qf_json *json, const struct qf_salvage_sides *sides,
	       const struct qf_redactor *redactor)
{
	char mode[8];

	put_number(json, "busy", sides->busy);
	put_number(json, "claims", sides->claims);
	qf_json_key(json, "changing");
	qf_json_bool(json, sides->changing);
	qf_json_key(json, "free_bytes");
	if (sides->free_bytes < 0)
		qf_json_null(json);
	else
		qf_json_int(json, sides->free_bytes);
	qf_json_key(json, "free_files");
	if (sides->free_files < 0)
		qf_json_null(json);
	else
		qf_json_int(json, sides->free_files);
	qf_json_key(json, "owner");
	qf_json_int(json, sides->uid);
	qf_json_key(json, "group");
	qf_json_int(json, sides->gid);
	snprintf(mode, sizeof(mode), "%04o", (unsigned)sides->mode & 07777);
	qf_json_key(json, "mode");
	qf_json_string(json, mode);
	qf_json_key(json, "fleeting");
	qf_json_bool(json, sides->fleeting);
	put_returns(json, sides, redactor);
}

void
qf_salvage_render_total(const char *command, const struct qf_salvage_totals *totals,
			const struct qf_salvage_sides *sides, const struct qf_redactor *redactor,
			struct qf_buf *out)
{
	struct qf_json json = {.out = out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.salvage.total/1");
	qf_json_key(&json, "command");
	qf_json_string(&json, command);
	qf_json_key(&json, "run");
	qf_json_string(&json, totals->run);
	put_number(&json, "planned", totals->planned);
	put_number(&json, "moved", totals->moved);
	put_whys(&json, "skipped", totals->skipped);
	put_whys(&json, "failed", totals->failed);
	put_number(&json, "there", totals->there);
	put_number(&json, "gone", totals->gone);
	put_number(&json, "left", totals->left);
	put_number(&json, "held", totals->held);
	put_number(&json, "unexplained", qf_salvage_unexplained(totals));
	qf_json_key(&json, "ok");
	qf_json_bool(&json, qf_salvage_adds_up(totals) && qf_salvage_unexplained(totals) == 0);
	put_number(&json, "bytes", (uint64_t)totals->bytes);
	put_number(&json, "expired", totals->expired);
	qf_json_key(&json, "oldest_expired");
	qf_json_time(&json, totals->oldest_expired);
	put_number(&json, "renamed", totals->renamed);
	if (sides)
		put_sides_json(&json, sides, redactor);
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}
