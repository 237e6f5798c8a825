/*
 * columns - which fields the lists of messages show, and how wide: chosen by the user, or by what
 * there is room for.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model.h"
#include "view.h"

/* Less of a text is no use. */
#define TEXT_LEAST 8
/* Before the first column: mark of the user, mark of the message, a blank. */
#define MARKS 3

static enum qf_code
refuse(struct qf_err *err, size_t at, const char *name, const char *why, const char *hint)
{
	*err = (struct qf_err){.code = QF_E_USAGE, .column = (unsigned)at + 1};
	snprintf(err->what, sizeof(err->what), "columns: %.60s", name);
	snprintf(err->why, sizeof(err->why), "%s", why);
	snprintf(err->hint, sizeof(err->hint), "%s%s%s", hint ? "did you mean " : "",
		 hint ? hint : "qf ls --help lists the fields", hint ? "?" : "");
	return QF_E_USAGE;
}

enum qf_code
tui_columns_parse(const char *text, struct tui_columns *out, struct qf_err *err)
{
	const char *at = text + strspn(text, " ,");

	*out = (struct tui_columns){0};
	while (*at) {
		size_t n = strcspn(at, " ,");
		const struct qf_field *field;
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)n, at);
		field = n < sizeof(name) ? qf_field_find(name, NULL) : NULL;
		if (!field)
			return refuse(err, (size_t)(at - text), name, "no such field",
				      qf_field_nearest(name, strlen(name)));
		/* The mark stands before the first one anyway; of headers and bodies nothing is
		   kept. */
		if (strcmp(field->name, "mark") == 0 || strcmp(field->name, "header") == 0 ||
		    strcmp(field->name, "body") == 0)
			return refuse(err, (size_t)(at - text), name, "no column here", NULL);
		if (out->n == TUI_COLUMNS_MOST)
			return refuse(err, (size_t)(at - text), name, "too many columns", NULL);
		out->fields[out->n++] = field;
		at += n;
		at += strspn(at, " ,");
	}
	return QF_OK;
}

/* The names of the chosen ones, as they are typed. */
void
tui_columns_text(const struct tui_columns *columns, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (size_t i = 0; i < columns->n && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "," : "",
					 columns->fields[i]->name);
}

static bool
is_right(const struct qf_field *field)
{
	return field->type == QF_FIELD_NUMBER || field->type == QF_FIELD_SIZE ||
	       field->type == QF_FIELD_AGE;
}

static struct tui_column
column(const char *name, size_t width)
{
	const struct qf_field *field = qf_field_find(name, NULL);
	bool text = strcmp(field->name, "status") == 0 || strcmp(field->name, "reason") == 0;

	return (struct tui_column){.field = field,
				   .width = width,
				   .right = is_right(field),
				   .color = field->type == QF_FIELD_AGE ? TUI_CYAN
					    : text		     ? TUI_YELLOW
								     : 0};
}

/* As wide as the ids that are there. */
static size_t
id_width(const struct tui_model *model)
{
	const struct tui_list *list = &model->lists[model->view];
	const struct tui_order *order = list->order;
	size_t width = 14;

	for (size_t i = list->top, k = 0; order && i < order->n && k < 200; i++, k++)
		if (tui_row_id(order->picture->rows[order->index[i]]).n > width)
			width = tui_row_id(order->picture->rows[order->index[i]]).n;
	return width;
}

/* By what there is room for: ids whole, ages, then what is left for the rest. */
static size_t
by_width(const struct tui_model *model, size_t width, struct tui_column *out)
{
	size_t n = 0, left, used;

	out[n++] = column("id", id_width(model));
	out[n++] = column("age", 6);
	if (width >= 100)
		out[n++] = column("tries", 5);
	if (width >= 60)
		out[n++] = column("size", 6);
	used = MARKS;
	for (size_t i = 0; i < n; i++)
		used += out[i].width + 1;
	left = width > used + 2 ? width - used - 2 : 2;
	if (left >= 30) {
		out[n++] = column("from", left / 4);
		out[n++] = column("rcpt", left / 3);
		left -= left / 4 + left / 3;
	} else if (left >= 16) {
		out[n++] = column("rcpt", left / 2);
		left -= left / 2;
	}
	out[n++] = column(model->view == TUI_HELD ? "reason" : "status", left);
	return n;
}

size_t
tui_columns_for(const struct tui_model *model, size_t width, struct tui_column *out, bool *more)
{
	const struct tui_columns *chosen = &model->chosen;
	size_t n = 0, used = MARKS, texts = 0, left;

	*more = false;
	if (!chosen->n)
		return by_width(model, width, out);
	/* Those of a width of their own, and the least of the others, as long as they fit. */
	for (size_t i = 0; i < chosen->n; i++) {
		const struct qf_field *field = chosen->fields[i];
		size_t w = strcmp(field->name, "id") == 0 ? id_width(model)
			   : field->width		  ? (size_t)field->width
							  : TEXT_LEAST;

		if (field->width && strlen(field->title) > w)
			w = strlen(field->title);
		if (n && used + w + 1 > width) {
			*more = true;
			break;
		}
		out[n++] = column(field->name, w);
		texts += !field->width;
		used += w + 1;
	}
	/* In the activity view who works on it is told in the last one. */
	if (model->view == TUI_ACTIVITY) {
		n -= n > 1 && used + TEXT_LEAST * 2 > width;
		out[n] = column("status", TEXT_LEAST);
		texts++;
		n++;
	}
	used = MARKS;
	for (size_t i = 0; i < n; i++)
		used += out[i].width + 1;
	width -= *more;
	left = width > used ? width - used : 0;
	/* What is left goes to the texts, evenly. */
	for (size_t i = 0; i < n; i++) {
		size_t share;

		if (out[i].field->width)
			continue;
		share = left / texts--;
		out[i].width += share;
		left -= share;
	}
	return n;
}

/* ------------------------------------------------------------------ sorting by them */

/* What the lists can be sorted by while no columns are chosen, to NULL. */
static const char *const sorts[] = {"age", "idle", "size", "tries", "from", "domain", "status", "id",
				    NULL};

static const char *
sort_at(const struct tui_model *model, size_t i)
{
	if (model->chosen.n)
		return i < model->chosen.n ? model->chosen.fields[i]->name : NULL;
	return sorts[i];
}

const char *
tui_next_sort(const struct tui_model *model)
{
	for (size_t i = 0; sort_at(model, i); i++)
		if (strcmp(sort_at(model, i), model->sort->name) == 0 && sort_at(model, i + 1))
			return sort_at(model, i + 1);
	return sort_at(model, 0);
}

const struct qf_field *
tui_column_at(const struct tui_model *model, size_t at)
{
	struct tui_column columns[TUI_COLUMNS_MOST + 1];
	bool more;
	size_t n = tui_columns_for(model, model->columns, columns, &more), from = MARKS;

	for (size_t i = 0; i < n; i++) {
		if (at >= from && at < from + columns[i].width)
			return columns[i].field;
		from += columns[i].width + 1;
	}
	return NULL;
}
