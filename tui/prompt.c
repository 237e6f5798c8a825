/*
 * prompt - a line being typed: filter, what to find, a reason, a command line; and the question
 * that wants a yes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

void
tui_ask(struct tui_model *model, enum tui_prompt prompt, const char *text)
{
	model->prompt = prompt;
	model->error[0] = '\0';
	model->error_at = SIZE_MAX;
	model->note[0] = '\0';
	model->history_at = 0;
	model->input = (struct tui_line){0};
	snprintf(model->input.text, sizeof(model->input.text), "%s", text);
	model->input.n = model->input.at = strlen(model->input.text);
}

static struct tui_history *
history(struct tui_model *model)
{
	return &model->histories[model->prompt <= TUI_ASK_COMMAND ? model->prompt : 0];
}

static void
remember(struct tui_history *h, const char *text)
{
	char *copy;

	if (!*text || (h->n && strcmp(h->lines[h->n - 1], text) == 0))
		return;
	copy = strdup(text);
	if (!copy)
		return;
	if (h->n == TUI_HISTORY) {
		free(h->lines[0]);
		memmove(h->lines, h->lines + 1, (TUI_HISTORY - 1) * sizeof(*h->lines));
		h->n--;
	}
	h->lines[h->n++] = copy;
}

static bool
is_inner(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t
before(const struct tui_line *line, size_t at)
{
	while (at > 0 && is_inner(line->text[--at]))
		;
	return at;
}

static size_t
behind(const struct tui_line *line, size_t at)
{
	if (at < line->n)
		at++;
	while (at < line->n && is_inner(line->text[at]))
		at++;
	return at;
}

static bool
cut(struct tui_line *line, size_t from, size_t to)
{
	memmove(line->text + from, line->text + to, line->n - to + 1);
	line->n -= to - from;
	line->at = from;
	return from != to;
}

static bool
insert(struct tui_line *line, uint32_t key)
{
	struct qf_buf c = {0};
	bool fits;

	if (key < 0x20 || (key >= 0x7f && key < 0xa0) || key >= TUI_KEY_FIRST)
		return false;
	tui_utf8_add(&c, key);
	fits = !c.failed && line->n + c.n < sizeof(line->text);
	if (fits) {
		memmove(line->text + line->at + c.n, line->text + line->at,
			line->n - line->at + 1);
		memcpy(line->text + line->at, c.p, c.n);
		line->at += c.n;
		line->n += c.n;
	}
	qf_buf_release(&c);
	return fits;
}

static bool
from_history(struct tui_model *model, int direction)
{
	struct tui_history *h = history(model);
	size_t at = model->history_at;

	if (direction > 0 ? at >= h->n : at == 0)
		return false;
	model->history_at = direction > 0 ? at + 1 : at - 1;
	at = model->history_at;
	snprintf(model->input.text, sizeof(model->input.text), "%s",
		 at ? h->lines[h->n - at] : "");
	model->input.n = model->input.at = strlen(model->input.text);
	return true;
}

/* Editing keys. Returns true when the text is another one. */
static bool
edit(struct tui_model *model, uint32_t key)
{
	struct tui_line *line = &model->input;
	size_t at = line->at;

	switch (key) {
	case TUI_KEY_BACKSPACE:
		return cut(line, before(line, at), at);
	case TUI_KEY_DELETE:
	case 'D' & 0x1f:
		return cut(line, at, behind(line, at));
	case 'U' & 0x1f:
		return cut(line, 0, at);
	case 'K' & 0x1f:
		return cut(line, at, line->n);
	case 'W' & 0x1f:
		while (at && line->text[at - 1] == ' ')
			at--;
		while (at && line->text[at - 1] != ' ')
			at--;
		return cut(line, at, line->at);
	case TUI_KEY_LEFT:
	case 'B' & 0x1f:
		line->at = before(line, at);
		return false;
	case TUI_KEY_RIGHT:
	case 'F' & 0x1f:
		line->at = behind(line, at);
		return false;
	case TUI_KEY_HOME:
	case 'A' & 0x1f:
		line->at = 0;
		return false;
	case TUI_KEY_END:
	case 'E' & 0x1f:
		line->at = line->n;
		return false;
	case TUI_KEY_UP:
	case 'P' & 0x1f:
		return from_history(model, 1);
	case TUI_KEY_DOWN:
	case 'N' & 0x1f:
		return from_history(model, -1);
	default:
		return insert(line, key);
	}
}

static bool
check_address(struct tui_model *model)
{
	const char *text = model->input.text;

	model->error[0] = '\0';
	model->error_at = SIZE_MAX;
	if (!*text || (strcmp(text, "<>") && qf_edit_address_ok(text)))
		return true;
	snprintf(model->error, sizeof(model->error), "not an address that sendmail takes");
	return false;
}

static bool
check_columns(struct tui_model *model)
{
	struct tui_columns columns;
	struct qf_err err;

	model->error[0] = '\0';
	model->error_at = SIZE_MAX;
	if (!tui_columns_parse(model->input.text, &columns, &err))
		return true;
	snprintf(model->error, sizeof(model->error), "%.80s: %.60s; %.90s", err.what, err.why,
		 err.hint);
	model->error_at = err.column - 1;
	return false;
}

/* Is it a filter? The error is kept with its place where not. */
static bool
check_filter(struct tui_model *model)
{
	struct qf_query *query = NULL;
	struct qf_err err;
	const char *text = model->input.text;
	enum qf_code code;

	/* None at all is no filter of recipients: it would be everybody. */
	if (model->prompt == TUI_ASK_RCPT && !text[strspn(text, " ")])
		text = "rcpt:";
	code = qf_query_parse(text, model->now, &query, &err);
	/* Which recipients is asked under the lock, of the control file alone. */
	if (!code && model->prompt == TUI_ASK_RCPT &&
	    qf_query_needs(query) & ~(unsigned)QF_NEED_HEADERS) {
		code = QF_E_USAGE;
		err = (struct qf_err){.code = code,
				      .why = "looks at more than the control file: filter or "
					     "mark by it"};
	}
	qf_query_free(query);
	model->error[0] = '\0';
	model->error_at = SIZE_MAX;
	if (!code)
		return true;
	snprintf(model->error, sizeof(model->error), "%.150s%s%.90s", err.why, err.hint[0] ? "; " : "",
		 err.hint);
	model->error_at = err.column ? err.column - 1 : model->input.n;
	return false;
}

static unsigned
use_filter(struct tui_model *model, const char *text)
{
	struct tui_list *list = tui_current_list(model);

	if (strcmp(list->filter.text, text) == 0)
		return TUI_DRAW;
	snprintf(list->filter.text, sizeof(list->filter.text), "%s", text);
	list->filter.n = strlen(list->filter.text);
	list->serial = ++model->serial;
	return TUI_DRAW | TUI_SORT_AGAIN | TUI_SORT_URGENT;
}

/* Every message of the list that the filter takes is marked. */
static unsigned
mark_filter(struct tui_model *model)
{
	const struct tui_order *order = tui_current_list(model)->order;
	struct tui_request request = {0};
	struct tui_order *found;

	if (!order || order->grouped)
		return TUI_DRAW;
	request.picture = tui_picture_share(order->picture);
	request.base = "";
	request.filter = strdup(model->input.text);
	request.sort = qf_field_find("created", NULL);
	request.now = model->now;
	found = request.filter ? tui_sort(model->queue, model->config->policy, &request, NULL) : NULL;
	tui_request_release(&request);
	for (size_t i = 0; found && i < found->n; i++)
		if (!tui_mark(&model->marks, found->picture->rows[found->index[i]], true))
			break;
	if (found && found->failure[0])
		tui_note(model, "%s", found->failure);
	else
		tui_note(model, "%zu marked", model->marks.n);
	tui_order_free(found);
	return TUI_DRAW;
}

static unsigned
finish(struct tui_model *model)
{
	enum tui_prompt prompt = model->prompt;
	char text[sizeof(model->input.text)];

	if ((prompt == TUI_ASK_FILTER || prompt == TUI_ASK_MARK || prompt == TUI_ASK_RCPT) &&
	    !check_filter(model))
		return TUI_DRAW;
	if ((prompt == TUI_ASK_ADDRESS && !check_address(model)) ||
	    (prompt == TUI_ASK_COLUMNS && !check_columns(model)))
		return TUI_DRAW;
	snprintf(text, sizeof(text), "%s", model->input.text);
	remember(history(model), text);
	model->prompt = TUI_NO_PROMPT;
	switch (prompt) {
	case TUI_ASK_FILTER:
		return use_filter(model, text);
	case TUI_ASK_FIND:
		snprintf(model->find, sizeof(model->find), "%.127s", text);
		if (!*text)
			return TUI_DRAW;
		return tui_apply(model, &(struct tui_event){.kind = TUI_EVENT_ACTION,
							    .action = TUI_FIND_NEXT});
	case TUI_ASK_MARK:
		return text[strspn(text, " ")] ? mark_filter(model) : TUI_DRAW;
	case TUI_ASK_REASON:
		return tui_change_typed(model, text);
	case TUI_ASK_RCPT:
		return tui_rcpt_typed(model, text);
	case TUI_ASK_ADDRESS:
		return tui_address_typed(model, text);
	case TUI_ASK_COLUMNS:
		return tui_columns_typed(model, text);
	case TUI_ASK_TARGET:
		return tui_target_typed(model, TUI_MOVE, text);
	case TUI_ASK_FILE:
		return tui_target_typed(model, TUI_EXPORT, text);
	case TUI_ASK_FIX:
		return tui_fix_typed(model, text);
	case TUI_ASK_COMMAND:
		return tui_command_typed(model, text);
	default:
		return TUI_DRAW;
	}
}

static unsigned
leave(struct tui_model *model)
{
	enum tui_prompt prompt = model->prompt;

	model->prompt = TUI_NO_PROMPT;
	model->error[0] = '\0';
	if (prompt == TUI_ASK_FILTER)
		return use_filter(model, model->saved);
	if (prompt == TUI_ASK_REASON || prompt == TUI_ASK_RCPT || prompt == TUI_ASK_ADDRESS ||
	    prompt == TUI_ASK_TARGET || prompt == TUI_ASK_FILE)
		tui_run_clear(&model->run);
	return TUI_DRAW;
}

unsigned
tui_prompt_key(struct tui_model *model, uint32_t key)
{
	if (key == ('L' & 0x1f))
		return TUI_DRAW | TUI_REPAINT;
	if (key == TUI_KEY_PRESS || key == TUI_KEY_WHEEL_UP || key == TUI_KEY_WHEEL_DOWN)
		return 0;
	if (model->prompt == TUI_ASK_YES)
		return tui_answered(model, key == 'y' || key == 'Y');
	if (key == TUI_KEY_ESCAPE || key == ('C' & 0x1f) || key == ('G' & 0x1f))
		return leave(model);
	if (key == TUI_KEY_ENTER)
		return finish(model);
	/* Nothing left to take away: out, as vi and less do. */
	if (key == TUI_KEY_BACKSPACE && model->input.n == 0)
		return leave(model);
	if (!edit(model, key))
		return TUI_DRAW;
	if (model->prompt == TUI_ASK_FILTER && check_filter(model))
		return use_filter(model, model->input.text);
	if (model->prompt == TUI_ASK_MARK || model->prompt == TUI_ASK_RCPT)
		check_filter(model);
	if (model->prompt == TUI_ASK_ADDRESS)
		check_address(model);
	if (model->prompt == TUI_ASK_COLUMNS)
		check_columns(model);
	return TUI_DRAW;
}
