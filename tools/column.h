/*
 * column - the columns of a listing: which fields, and one row's values as text.
 */
#ifndef QF_TOOLS_COLUMN_H
#define QF_TOOLS_COLUMN_H

#include <libqf/qf.h>

struct column {
	const struct qf_field *field;
	const char *argument;     /* NAME of header.NAME */
	const char *title;
	bool exact;               /* machine form: RFC 3339, bytes, all recipients */
	bool raw_subject;         /* the header as it stands, not decoded: as JSON has it */
};

#define COLUMNS_MAX 64

struct columns {
	struct column column[COLUMNS_MAX];
	size_t n;
	char *names;              /* owned; arguments point into it */
};

/* Parse "id,age,header.X-Y". Returns QF_OK or QF_E_USAGE with the name in err. */
enum qf_code columns_parse(struct columns *columns, const char *names, struct qf_err *err);
/* The columns of qf ls --format=csv. */
void columns_csv(struct columns *columns);
void columns_release(struct columns *columns);
/* QF_NEED_* of all of them. */
unsigned columns_needs(const struct columns *columns);

/* Append the value of one column: bytes as they are, not yet safe for a terminal. redactor may be
   NULL. scratch is working memory. */
void column_value(const struct column *column, const struct qf_row *row,
		  const struct qf_redactor *redactor, struct qf_buf *scratch, struct qf_buf *out);
/* Append a field of CSV: made safe where that is wanted, the exact bytes else. */
void column_csv(struct qf_slice text, bool safe, bool utf8, struct qf_buf *out);
/* A value as it is shown in tables and sorted by: addresses without the brackets around them. */
struct qf_slice column_plain(const struct qf_field *field, struct qf_slice text);
/* What --redact makes of a value of that field. */
void column_redact(const struct qf_field *field, struct qf_slice text,
		   const struct qf_redactor *redactor, struct qf_buf *out);

#endif
