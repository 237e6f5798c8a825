/*
 * audit_sql - qf audit sql: the user's own questions, which can only read.
 */
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "table.h"
#include "words.h"

/* A value as text for people: safe, and a blob that is no text in hexadecimal. */
static void
put_cell(const struct store_statement *row, int i, struct qf_buf *line)
{
	struct qf_slice text = store_text(row, i);

	if (!text.p)
		return;
	if (store_type(row, i) == STORE_BLOB && !qf_utf8_valid(text) && text.n <= 64 &&
	    (text.n == 16 || text.n == 32)) {
		for (size_t k = 0; k < text.n; k++)
			qf_buf_addf(line, "%02x", (unsigned char)text.p[k]);
		return;
	}
	table_cell(text, 0, false, term_utf8(), line);
}

static void
put_row(const struct store_statement *row, int columns)
{
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};
	struct qf_buf exact = {0};

	if (audit_given.format == AUDIT_JSON) {
		struct qf_json raw = {.out = &exact};

		qf_json_open(&json, '{');
		for (int i = 0; i < columns; i++) {
			qf_json_key(&json, store_column_name(row, i));
			if (audit_json_column(&json, row, i))
				continue;
			/* Beside what is lossy the bytes, as in messages. */
			if (!exact.n)
				qf_json_open(&raw, '{');
			qf_json_key(&raw, store_column_name(row, i));
			qf_buf_addc(&exact, '"');
			qf_base64(&exact, store_text(row, i));
			qf_buf_addc(&exact, '"');
			raw.comma = true;
		}
		if (exact.n) {
			qf_json_close(&raw, '}');
			qf_json_key(&json, "raw");
			qf_buf_add(&line, exact.p, exact.n);
			json.comma = true;
		}
		qf_json_close(&json, '}');
		qf_buf_addc(&line, '\n');
	} else {
		for (int i = 0; i < columns; i++) {
			if (audit_given.format == AUDIT_CSV) {
				struct qf_slice text = store_text(row, i);

				if (i)
					qf_buf_addc(&line, ',');
				if (text.p)
					qf_escape_csv(&line, text);
			} else {
				if (i)
					qf_buf_adds(&line, " | ");
				put_cell(row, i, &line);
			}
		}
		qf_buf_adds(&line, audit_given.format == AUDIT_CSV ? "\r\n" : "\n");
	}
	out_add_buf(&line);
	qf_buf_release(&exact);
	qf_buf_release(&line);
}

static void
put_heading(const struct store_statement *row, int columns)
{
	struct qf_buf line = {0};

	for (int i = 0; i < columns; i++) {
		struct qf_slice name = {store_column_name(row, i),
					strlen(store_column_name(row, i))};

		if (i)
			qf_buf_adds(&line, audit_given.format == AUDIT_CSV ? "," : " | ");
		if (audit_given.format == AUDIT_CSV)
			qf_escape_csv(&line, name);
		else
			qf_escape_terminal(&line, name, term_utf8());
	}
	qf_buf_adds(&line, audit_given.format == AUDIT_CSV ? "\r\n" : "\n");
	out_add_buf(&line);
	qf_buf_release(&line);
}

int
audit_sql(char **operands, size_t n)
{
	struct store *store = NULL;
	struct store_statement *statement = NULL;
	struct qf_err err;
	char *sql = words_join(operands, n);
	bool row = false;
	int status;

	if (!n || !sql) {
		say_error("which question? give a statement, in quotes");
		free(sql);
		return STATUS_USAGE;
	}
	status = audit_open(STORE_READ, &store);
	if (!status && store_prepare(store, sql, &statement, &err) != QF_OK)
		status = say_failure(&err);
	if (!status && !store_only_reads(statement)) {
		say_error("the database is only read: no statement that changes it");
		status = STATUS_USAGE;
	}
	if (!status && audit_given.format != AUDIT_JSON)
		put_heading(statement, store_columns(statement));
	while (!status && !out_failed() && !signals_caught()) {
		if (store_step(statement, &row, &err) != QF_OK)
			status = say_failure(&err);
		else if (row)
			put_row(statement, store_columns(statement));
		else
			break;
	}
	if (!status && signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	store_finalize(statement);
	store_close(store);
	free(sql);
	return out_finish(status);
}
