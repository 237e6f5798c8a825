/*
 * table - a listing for people: columns that fit the terminal, one line a message.
 */
#ifndef QF_TOOLS_TABLE_H
#define QF_TOOLS_TABLE_H

#include "column.h"

struct table {
	struct columns columns;
	size_t widths[COLUMNS_MAX]; /* 0: as wide as the text; only for the last one */
	size_t width;               /* of a line, 0 for no limit */
	bool utf8, color;
};

/*
 * Lay out columns (names as for columns_parse(); NULL: the usual ones, fewer where there is little
 * room) in width columns of the terminal, 0 for no limit. Lines that are wider all the same are
 * cut.
 */
enum qf_code table_init(struct table *table, const char *names, size_t width, bool utf8,
			bool color, struct qf_err *err);
void table_release(struct table *table);
unsigned table_needs(const struct table *table);
void table_head(const struct table *table, struct qf_buf *out);
/* Any thread; two buffers of working memory. */
void table_row(const struct table *table, const struct qf_row *row,
	       const struct qf_redactor *redactor, struct qf_buf scratch[2], struct qf_buf *out);
/* Append text made safe, padded or cut to width columns; right: to the right. */
void table_cell(struct qf_slice text, size_t width, bool right, bool utf8, struct qf_buf *out);
/* Cut the safe text from start on to width columns, 0 for no limit. */
void table_fit(size_t start, size_t width, bool utf8, struct qf_buf *out);

#endif
