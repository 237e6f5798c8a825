/*
 * ls_render - what a message looks like in a listing. Rows are made in the threads that read.
 */
#include <string.h>

#include "ls_render.h"

static void
render_csv(const struct ls_look *look, struct ls_hand *hand, const struct qf_row *row, struct qf_buf *out)
{
	struct qf_buf *value = &hand->scratch[1];

	for (size_t i = 0; i < look->csv.n; i++) {
		qf_buf_clear(value);
		column_value(&look->csv.column[i], row, look->redactor, &hand->scratch[0], value);
		out->failed |= value->failed;
		if (i)
			qf_buf_addc(out, ',');
		column_csv((struct qf_slice){value->p, value->n}, look->safe, look->table.utf8, out);
	}
	qf_buf_adds(out, "\r\n");
}

/* A line of an explanation, which is safe for terminals that show UTF-8. */
static void
render_explained(const struct table *table, struct qf_slice line, struct qf_buf *out)
{
	size_t start = out->n;

	qf_buf_adds(out, "    ");
	if (table->utf8)
		qf_buf_add(out, line.p, line.n);
	else
		table_cell(line, 0, false, false, out);
	table_fit(start, table->width, table->utf8, out);
	qf_buf_addc(out, '\n');
}

/* What matched: lines below the row of a table, a member of the JSON object. */
static void
render_explanation(const struct ls_look *look, struct ls_hand *hand, const struct qf_row *row,
		   struct qf_buf *out)
{
	struct qf_buf *lines = &hand->scratch[0];
	struct qf_slice rest;
	struct qf_json json = {.out = out};

	qf_buf_clear(lines);
	qf_matcher_explain(hand->matcher, row, lines);
	out->failed |= lines->failed;
	rest = (struct qf_slice){lines->p, lines->n};
	if (look->format == LS_JSON) {
		out->n -= 2; /* "}\n" */
		qf_buf_adds(out, ",\"explain\":");
		qf_json_open(&json, '[');
	}
	while (rest.n) {
		const char *lf = memchr(rest.p, '\n', rest.n);
		struct qf_slice line = {rest.p, lf ? (size_t)(lf - rest.p) : rest.n};

		if (look->format == LS_JSON)
			qf_json_text(&json, line);
		else
			render_explained(&look->table, line, out);
		rest.n -= line.n + (lf != NULL);
		rest.p += line.n + (lf != NULL);
	}
	if (look->format == LS_JSON) {
		qf_json_close(&json, ']');
		qf_buf_adds(out, "}\n");
	}
}

void
ls_row(const struct ls_look *look, struct ls_hand *hand, const struct qf_row *row, struct qf_buf *out)
{
	const struct qf_files *files = qf_msg_files(row->msg);

	switch (look->format) {
	case LS_TABLE:
		table_row(&look->table, row, look->redactor, hand->scratch, out);
		break;
	case LS_JSON:
		qf_render_json(row, look->redactor, out);
		break;
	case LS_CSV:
		render_csv(look, hand, row, out);
		break;
	case LS_IDS:
	case LS_IDS0:
		if (look->safe)
			qf_escape_terminal(out, files->id, look->table.utf8);
		else
			qf_buf_add(out, files->id.p, files->id.n);
		qf_buf_addc(out, look->format == LS_IDS ? '\n' : '\0');
		break;
	case LS_MAILQ:
	case LS_MAILQ_VERBOSE:
		break;
	}
	if (look->explain && (look->format == LS_TABLE || look->format == LS_JSON))
		render_explanation(look, hand, row, out);
}

void
ls_heading(const struct ls_look *look, struct qf_buf *out)
{
	if (look->format == LS_TABLE)
		table_head(&look->table, out);
	for (size_t i = 0; look->format == LS_CSV && i < look->csv.n; i++) {
		const char *title = look->csv.column[i].title;

		if (i)
			qf_buf_addc(out, ',');
		column_csv((struct qf_slice){title, strlen(title)}, look->safe, look->table.utf8, out);
	}
	if (look->format == LS_CSV)
		qf_buf_adds(out, "\r\n");
}
