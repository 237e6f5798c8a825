/*
 * grouped - qf ls --by: messages counted by the value of a field.
 */
#include <stdlib.h>
#include <string.h>

#include "column.h"
#include "grouped.h"
#include "out.h"
#include "say.h"
#include "status.h"
#include "table.h"
#include "term.h"

struct grouped {
	const char *by;
	const struct qf_field *field;
	struct qf_groups *groups;
	int64_t now;
};

struct grouped *
grouped_new(const char *by, int64_t now)
{
	struct grouped *grouped = calloc(1, sizeof(*grouped));
	const char *argument;

	if (!grouped)
		return NULL;
	grouped->by = by;
	grouped->now = now;
	grouped->field = qf_field_find(by, &argument);
	grouped->groups = qf_groups_new(grouped->field, argument, NULL, 0);
	if (grouped->groups)
		return grouped;
	free(grouped);
	return NULL;
}

void
grouped_free(struct grouped *grouped)
{
	if (!grouped)
		return;
	qf_groups_free(grouped->groups);
	free(grouped);
}

unsigned
grouped_needs(const char *by)
{
	return qf_field_find(by, NULL)->needs | QF_NEED_DATA;
}

bool
grouped_add(struct grouped *grouped, const struct qf_row *row)
{
	return qf_groups_add(grouped->groups, row) == QF_OK;
}

static void
put_json(const struct grouped *grouped, const struct qf_group_row *row, struct qf_slice key,
	 struct qf_buf *out)
{
	struct qf_json json = {.out = out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.group/1");
	qf_json_key(&json, "by");
	qf_json_string(&json, grouped->by);
	qf_json_key(&json, "key");
	qf_json_text(&json, key);
	qf_json_key(&json, "messages");
	qf_json_int(&json, (int64_t)row->messages);
	qf_json_key(&json, "oldest");
	if (row->oldest == QF_TIME_NONE)
		qf_json_null(&json);
	else
		qf_json_int(&json, qf_time_between(row->oldest, grouped->now));
	qf_json_key(&json, "size");
	qf_json_int(&json, (int64_t)row->size);
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}

static void
put_csv(const struct grouped *grouped, const struct qf_group_row *row, struct qf_slice key,
	struct qf_buf *out)
{
	bool safe = term_is_tty();

	column_csv((struct qf_slice){grouped->by, strlen(grouped->by)}, safe, term_utf8(), out);
	qf_buf_addc(out, ',');
	column_csv(key, safe, term_utf8(), out);
	qf_buf_addf(out, ",%llu,", (unsigned long long)row->messages);
	if (row->oldest != QF_TIME_NONE)
		qf_buf_addf(out, "%lld", (long long)qf_time_between(row->oldest, grouped->now));
	qf_buf_addf(out, ",%llu\r\n", (unsigned long long)row->size);
}

static void
put_row(const struct grouped *grouped, const struct qf_group_row *row, struct qf_slice key,
	struct qf_buf *out)
{
	const struct qf_field *size_field = qf_field_find("size", NULL);
	struct qf_value size = {.present = true, .number = (int64_t)row->size};
	char age[QF_TIME_TEXT] = "";
	struct qf_buf text = {0};
	size_t width = term_columns();

	if (row->oldest != QF_TIME_NONE)
		qf_age_format(qf_time_between(row->oldest, grouped->now), age);
	qf_field_format(size_field, size, &text);
	qf_buf_addf(out, "%8llu %7s %7.*s ", (unsigned long long)row->messages, age, (int)text.n,
		    text.p ? text.p : "");
	table_cell(key, 0, false, term_utf8(), out);
	while (out->n && out->p[out->n - 1] == ' ')
		out->n--;
	table_fit(0, width, term_utf8(), out);
	qf_buf_addc(out, '\n');
	out->failed |= text.failed;
	qf_buf_release(&text);
}

int
grouped_put(struct grouped *grouped, bool json, bool csv, unsigned limit,
	    const struct qf_redactor *redactor)
{
	struct qf_buf out = {0}, redacted = {0};
	size_t n;
	const struct qf_group_row *rows = qf_groups_rows(grouped->groups, &n);

	if (csv)
		out_adds("by,key,messages,oldest,size\r\n");
	else if (!json && n)
		out_adds("MESSAGES  OLDEST    SIZE KEY\n");
	for (size_t i = 0; i < n && !out_failed() && (!limit || i < limit); i++) {
		struct qf_slice key = rows[i].key;

		qf_buf_clear(&out);
		qf_buf_clear(&redacted);
		if (redactor && !grouped->field->domain) {
			column_redact(grouped->field, key, redactor, &redacted);
			out.failed |= redacted.failed;
			key = (struct qf_slice){redacted.p ? redacted.p : "", redacted.n};
		}
		if (json)
			put_json(grouped, &rows[i], key, &out);
		else if (csv)
			put_csv(grouped, &rows[i], key, &out);
		else
			put_row(grouped, &rows[i], key, &out);
		out_add_buf(&out);
	}
	qf_buf_release(&redacted);
	qf_buf_release(&out);
	return STATUS_OK;
}
