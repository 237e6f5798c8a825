/*
 * table - a listing for people.
 */
#include <string.h>

#include "table.h"

/* Narrower than this a column says nothing. */
#define LEAST 6
/* Of a column that takes what is left, where there is no limit: enough for most addresses. */
#define UNLIMITED 32

/* The usual columns, and the width from which on there is room for them. */
static const struct {
	size_t width;
	const char *names;
} usual[] = {
	{66, "mark,id,age,tries,size,from,rcpt,status"},
	{46, "mark,id,age,from,rcpt,status"},
	{0, "mark,id,age,rcpt,status"},
};

static void
share_rest(struct table *table, size_t width)
{
	size_t fixed = table->columns.n ? table->columns.n - 1 : 0, flexible = 0, each, left;

	for (size_t i = 0; i < table->columns.n; i++) {
		table->widths[i] = table->columns.column[i].field->width;
		fixed += table->widths[i];
		flexible += table->widths[i] == 0;
	}
	if (!flexible)
		return;
	each = width > fixed ? (width - fixed) / flexible : 0;
	left = width > fixed ? (width - fixed) % flexible : 0;
	if (each < LEAST) {
		each = LEAST;
		left = 0;
	}
	if (!width)
		each = UNLIMITED;
	for (size_t i = 0; i < table->columns.n; i++)
		if (table->widths[i] == 0)
			table->widths[i] = each;
	/* The last column has the odd ones; without a limit it is not cut at all. */
	if (table->columns.column[table->columns.n - 1].field->width == 0)
		table->widths[table->columns.n - 1] = width ? each + left : 0;
}

enum qf_code
table_init(struct table *table, const char *names, size_t width, bool utf8, bool color,
	   struct qf_err *err)
{
	enum qf_code code;
	size_t i = 0;

	*table = (struct table){.width = width, .utf8 = utf8, .color = color};
	while (width && width < usual[i].width)
		i++;
	code = columns_parse(&table->columns, names ? names : usual[i].names, err);
	if (code)
		return code;
	for (i = 0; i < table->columns.n; i++)
		table->columns.column[i].title = table->columns.column[i].field->title;
	share_rest(table, width);
	return QF_OK;
}

void
table_release(struct table *table)
{
	columns_release(&table->columns);
}

unsigned
table_needs(const struct table *table)
{
	return columns_needs(&table->columns);
}

void
table_cell(struct qf_slice text, size_t width, bool right, bool utf8, struct qf_buf *out)
{
	struct qf_buf safe = {0};
	size_t used;

	qf_escape_terminal(&safe, text, utf8);
	if (!width) {
		qf_buf_add(out, safe.p, safe.n);
	} else {
		used = qf_text_width((struct qf_slice){safe.p, safe.n});
		for (size_t i = used; right && i < width; i++)
			qf_buf_addc(out, ' ');
		used = qf_text_fit(out, (struct qf_slice){safe.p, safe.n}, width, utf8);
		for (size_t i = used; !right && i < width; i++)
			qf_buf_addc(out, ' ');
	}
	out->failed |= safe.failed;
	qf_buf_release(&safe);
}

void
table_fit(size_t start, size_t width, bool utf8, struct qf_buf *out)
{
	struct qf_buf whole = {0};

	if (!width || out->n - start <= width ||
	    qf_text_width((struct qf_slice){out->p + start, out->n - start}) <= width)
		return;
	qf_buf_add(&whole, out->p + start, out->n - start);
	out->n = start;
	qf_text_fit(out, (struct qf_slice){whole.p, whole.n}, width, utf8);
	out->failed |= whole.failed;
	qf_buf_release(&whole);
}

static void
trim_end(struct qf_buf *out, size_t start)
{
	while (out->n > start && out->p[out->n - 1] == ' ')
		out->n--;
}

static bool
is_right(const struct qf_field *field)
{
	return field->type != QF_FIELD_TEXT && field->type != QF_FIELD_TIME;
}

void
table_head(const struct table *table, struct qf_buf *out)
{
	size_t start = out->n;

	for (size_t i = 0; i < table->columns.n; i++) {
		const struct column *column = &table->columns.column[i];

		if (i)
			qf_buf_addc(out, ' ');
		table_cell((struct qf_slice){column->title, strlen(column->title)},
			   table->widths[i], is_right(column->field), table->utf8, out);
	}
	trim_end(out, start);
	table_fit(start, table->width, table->utf8, out);
	qf_buf_addc(out, '\n');
}

/* Colour of a whole row, by what an administrator has to look at first; NULL for none. */
static const char *
color_of(const struct qf_row *row)
{
	bool known;

	if (qf_row_is(row, "damaged", 7, &known) || qf_row_is(row, "lost", 4, &known))
		return "\033[31m";
	if (qf_row_is(row, "held", 4, &known))
		return "\033[33m";
	if (qf_row_is(row, "busy", 4, &known))
		return "\033[32m";
	if (qf_row_is(row, "expired", 7, &known))
		return "\033[35m";
	return NULL;
}

void
table_row(const struct table *table, const struct qf_row *row,
	  const struct qf_redactor *redactor, struct qf_buf scratch[2], struct qf_buf *out)
{
	const char *color = table->color ? color_of(row) : NULL;
	size_t start;

	if (color)
		qf_buf_adds(out, color);
	start = out->n;
	for (size_t i = 0; i < table->columns.n; i++) {
		const struct column *column = &table->columns.column[i];
		size_t width = table->widths[i];

		if (i)
			qf_buf_addc(out, ' ');
		qf_buf_clear(&scratch[1]);
		column_value(column, row, redactor, &scratch[0], &scratch[1]);
		out->failed |= scratch[1].failed;
		/* An id that is cut is of no use to anybody. */
		if (scratch[1].n > width && strcmp(column->field->name, "id") == 0)
			width = 0;
		table_cell((struct qf_slice){scratch[1].p, scratch[1].n}, width,
			   is_right(column->field), table->utf8, out);
	}
	trim_end(out, start);
	table_fit(start, table->width, table->utf8, out);
	if (color)
		qf_buf_adds(out, "\033[0m");
	qf_buf_addc(out, '\n');
}
