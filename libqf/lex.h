/*
 * lex - a control file as logical lines: records with their continuation lines.
 *
 * A pull parser: qf_lex_init() with the bytes, then qf_lex_next() until it says false. It
 * allocates nothing, understands no letter and cannot fail: any bytes are some lines.
 */
#ifndef QF_LIBQF_LEX_H
#define QF_LIBQF_LEX_H

#include "qf.h"

struct qf_lexer {
	const char *at;
	const char *end;
	unsigned line; /* physical lines passed */
	bool has_nul;  /* somewhere: only then is each record asked */
};

/* What the value of a record has that sendmail takes out or ends at. */
struct qf_lex_note {
	size_t nul;       /* offset in raw of the first NUL; SIZE_MAX for none */
	bool folded_crlf; /* a CR directly before an inner line end, to be left out of the value */
};

void qf_lex_init(struct qf_lexer *lexer, struct qf_slice bytes);
/* The next record; its value still has inner CRs (note tells). False at the end. */
bool qf_lex_next(struct qf_lexer *lexer, struct qf_record *record, struct qf_lex_note *note);

#endif
