/*
 * view - from the model to a grid: one function a kind of view, none of which changes anything.
 */
#ifndef QF_TUI_VIEW_H
#define QF_TUI_VIEW_H

#include "grid.h"
#include "model.h"

/* Lines above the body: status, views, headings; below it: what there is to say, keys. */
#define TUI_TOP 3
#define TUI_BOTTOM 2
/* The least screen that anything is shown on. */
#define TUI_LEAST_LINES 10
#define TUI_LEAST_COLUMNS 40
/* Lines of the activity view above its list. */
#define TUI_ACTIVITY_HEAD 3

/* A column of messages. */
struct tui_column {
	const struct qf_field *field;
	size_t width;
	bool right;
	unsigned color;
};
/* The columns for this width, one more than TUI_COLUMNS_MOST at most. more: there are others. */
size_t tui_columns_for(const struct tui_model *model, size_t width, struct tui_column *out, bool *more);
/* The field whose column is at this place of a line; NULL. */
const struct qf_field *tui_column_at(const struct tui_model *model, size_t at);

/* Does the status line tell something that changes with the seconds? */
bool tui_status_ticks(const struct tui_model *model);
/* Lines of the activity view for what is in delivery. */
size_t tui_activity_busy_lines(const struct tui_model *model);

/* Headings and body of each. */
void tui_draw_messages(struct tui_model *model, struct tui_grid *grid, size_t first, size_t lines);
void tui_draw_groups(struct tui_model *model, struct tui_grid *grid);
void tui_draw_activity(struct tui_model *model, struct tui_grid *grid);
void tui_draw_orphans(struct tui_model *model, struct tui_grid *grid);
void tui_draw_journal(struct tui_model *model, struct tui_grid *grid);
void tui_draw_text(struct tui_model *model, struct tui_grid *grid);
/* Style what is looked for in columns that are drawn. */
void tui_draw_found(const struct tui_model *model, struct tui_grid *grid, size_t line);

#endif
