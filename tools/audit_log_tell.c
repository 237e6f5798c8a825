/*
 * audit_log_tell - what qf audit log has read, and what such a log can prove.
 */
#include "audit_log.h"
#include "changes.h"
#include "out.h"

static void
put_json(const struct audit_log_sum *sum, const struct qf_log_level *level)
{
	struct qf_buf out = {0};
	struct qf_json json = {.out = &out};
	const struct {
		const char *key;
		uint64_t value;
	} counts[] = {{"files", sum->files},	   {"lines", sum->lines}, {"events", sum->events},
		      {"unparsed", sum->unparsed}, {"known", sum->known}, {"foreign", sum->foreign},
		      {"pieces", sum->pieces}};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.audit.log/1");
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		qf_json_key(&json, counts[i].key);
		qf_json_int(&json, (int64_t)counts[i].value);
	}
	qf_json_key(&json, "level");
	qf_json_open(&json, '[');
	qf_json_int(&json, level->low);
	qf_json_int(&json, level->high);
	qf_json_close(&json, ']');
	qf_json_key(&json, "cannot_prove");
	qf_json_open(&json, '[');
	for (unsigned i = 0; i < QF_LOG_PROOF_COUNT; i++)
		if (level->cannot_prove & 1u << i)
			qf_json_string(&json, qf_log_proof_name((enum qf_log_proof)i));
	qf_json_close(&json, ']');
	qf_json_key(&json, "first");
	qf_json_time(&json, sum->first);
	qf_json_key(&json, "last");
	qf_json_time(&json, sum->last);
	qf_json_key(&json, "year_by");
	qf_json_string(&json, qf_log_by_name(sum->year_by));
	qf_json_key(&json, "zone_by");
	qf_json_string(&json, qf_log_by_name(sum->zone_by));
	qf_json_key(&json, "zone");
	qf_json_int(&json, sum->zone);
	qf_json_close(&json, '}');
	qf_buf_addc(&out, '\n');
	out_add_buf(&out);
	qf_buf_release(&out);
}

static void
put_text(const struct audit_log_sum *sum, const struct qf_log_level *level)
{
	struct qf_buf out = {0};
	char first[QF_TIME_TEXT] = "-", last[QF_TIME_TEXT] = "-";
	const char *comma = "";

	if (sum->first != QF_TIME_NONE)
		qf_time_format(sum->first, first);
	if (sum->last != QF_TIME_NONE)
		qf_time_format(sum->last, last);
	qf_buf_addf(
		&out,
		"%llu %s, %llu lines: %llu %s, %llu known, %llu of other programs, %llu unparsed\n",
		(unsigned long long)sum->files, sum->files == 1 ? "file" : "files",
		(unsigned long long)sum->lines, (unsigned long long)sum->events,
		changes_given()->dry_run ? "events" : "new events", (unsigned long long)sum->known,
		(unsigned long long)sum->foreign, (unsigned long long)sum->unparsed);
	qf_buf_addf(&out, "from %s to %s (year from %s, zone from %s)\n", first, last,
		    qf_log_by_name(sum->year_by), qf_log_by_name(sum->zone_by));
	qf_buf_addf(&out, "written at LogLevel %d", level->low);
	if (level->high != level->low)
		qf_buf_addf(&out, " to %d", level->high);
	qf_buf_adds(&out, ", as it seems");
	if (level->cannot_prove)
		qf_buf_adds(&out, "; its silence proves nothing about: ");
	for (unsigned i = 0; i < QF_LOG_PROOF_COUNT; i++) {
		if (!(level->cannot_prove & 1u << i))
			continue;
		qf_buf_addf(&out, "%s%s", comma, qf_log_proof_name((enum qf_log_proof)i));
		comma = ", ";
	}
	qf_buf_addc(&out, '\n');
	out_add_buf(&out);
	qf_buf_release(&out);
}

void
audit_log_tell(const struct audit_log_sum *sum)
{
	struct qf_log_level level;

	qf_log_level(sum->saw, &level);
	if (audit_given.format == AUDIT_JSON)
		put_json(sum, &level);
	else
		put_text(sum, &level);
}
