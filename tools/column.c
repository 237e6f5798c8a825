/*
 * column - the columns of a listing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "column.h"

enum qf_code
columns_parse(struct columns *columns, const char *names, struct qf_err *err)
{
	char *at;

	*columns = (struct columns){.names = strdup(names)};
	at = columns->names;
	if (!at) {
		*err = (struct qf_err){
			.code = QF_E_NOMEM, .what = "memory", .why = "none left"};
		return QF_E_NOMEM;
	}
	while (at) {
		char *comma = strchr(at, ',');
		struct column *column = &columns->column[columns->n];

		if (comma)
			*comma = '\0';
		if (columns->n == COLUMNS_MAX || !(column->field = qf_field_find(at, &column->argument))) {
			*err = (struct qf_err){.code = QF_E_USAGE};
			snprintf(err->what, sizeof(err->what), "--columns: %s", *at ? at : "\"\"");
			snprintf(err->why, sizeof(err->why), "%s",
				 columns->n == COLUMNS_MAX ? "too many columns" : "no such field");
			snprintf(err->hint, sizeof(err->hint), "qf ls --help lists the fields");
			columns_release(columns);
			return QF_E_USAGE;
		}
		/* In CSV and above a table a column is called what the user called it. */
		column->title = at;
		columns->n++;
		at = comma ? comma + 1 : NULL;
	}
	return QF_OK;
}

void
columns_csv(struct columns *columns)
{
	static const struct {
		const char *title, *field;
	} rows[] = {
		{"id", "id"},
		{"queue", "queue"},
		{"state", "state"},
		{"busy", "busy"},
		{"created", "created"},
		{"age", "age"},
		{"last_try", "last_try"},
		{"tries", "tries"},
		{"due", "due"},
		{"bounce_at", "bounce_at"},
		{"priority", "priority"},
		{"size", "size"},
		{"sender", "from"},
		{"recipients", "rcpt"},
		{"status", "status"},
		{"quarantine", "reason"},
		{"subject", "subject"},
		{"message_id", "message_id"},
	};

	*columns = (struct columns){0};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct column *column = &columns->column[columns->n++];

		column->title = rows[i].title;
		column->field = qf_field_find(rows[i].field, NULL);
		column->exact = true;
		column->raw_subject = strcmp(rows[i].title, "subject") == 0;
	}
}

void
columns_release(struct columns *columns)
{
	free(columns->names);
	*columns = (struct columns){0};
}

unsigned
columns_needs(const struct columns *columns)
{
	unsigned needs = 0;

	for (size_t i = 0; i < columns->n; i++)
		needs |= columns->column[i].field->needs;
	return needs;
}

static bool
is_address(const struct qf_field *field)
{
	return strcmp(field->name, "from") == 0 || strcmp(field->name, "rcpt") == 0;
}

void
column_redact(const struct qf_field *field, struct qf_slice text,
	      const struct qf_redactor *redactor, struct qf_buf *out)
{
	if (strcmp(field->name, "subject") == 0 || strcmp(field->name, "header") == 0 ||
	    strcmp(field->name, "body") == 0)
		return;
	if (is_address(field))
		qf_redact_address(redactor, text, out);
	else
		qf_redact_text(redactor, text, out);
}

/* Addresses are read more easily without their brackets; the null sender is nothing without. */
struct qf_slice
column_plain(const struct qf_field *field, struct qf_slice text)
{
	if (is_address(field) && text.n > 2 && text.p[0] == '<' && text.p[text.n - 1] == '>') {
		text.p++;
		text.n -= 2;
	}
	return text;
}

void
column_csv(struct qf_slice text, bool safe, bool utf8, struct qf_buf *out)
{
	struct qf_buf shown = {0};

	if (!safe) {
		qf_escape_csv(out, text);
		return;
	}
	qf_escape_terminal(&shown, text, utf8);
	qf_escape_csv(out, (struct qf_slice){shown.p, shown.n});
	out->failed |= shown.failed;
	qf_buf_release(&shown);
}

static void
add_value(const struct column *column, struct qf_value value, const struct qf_redactor *redactor,
	  struct qf_buf *out)
{
	char text[QF_TIME_TEXT];

	if (!value.present)
		return;
	if (!column->exact)
		value.text = column_plain(column->field, value.text);
	if (column->field->type == QF_FIELD_TEXT) {
		if (redactor && !column->field->domain)
			column_redact(column->field, value.text, redactor, out);
		else
			qf_buf_add(out, value.text.p, value.text.n);
	} else if (!column->exact) {
		qf_field_format(column->field, value, out);
	} else if (column->field->type == QF_FIELD_TIME) {
		qf_buf_add(out, text, qf_time_format(value.number, text));
	} else {
		qf_buf_addf(out, "%lld", (long long)value.number);
	}
}

void
column_value(const struct column *column, const struct qf_row *row,
	     const struct qf_redactor *redactor, struct qf_buf *scratch, struct qf_buf *out)
{
	const struct qf_field *field = column->field;
	size_t n = qf_field_count(field, row);

	if (column->raw_subject) {
		struct qf_slice subject = qf_msg_header(row->msg, "Subject");

		if (!redactor)
			qf_buf_add(out, subject.p, subject.n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && !column->exact) {
			qf_buf_addf(out, " +%zu", n - 1);
			break;
		}
		if (i > 0)
			qf_buf_addc(out, ' ');
		qf_buf_clear(scratch);
		add_value(column, field->get(row, i, column->argument, scratch), redactor, out);
		out->failed |= scratch->failed;
	}
}
