/*
 * query_parse - reading a filter: what its grammar (query_parse.c) and its terms (query_term.c)
 * share.
 */
#ifndef QF_LIBQF_QUERY_PARSE_H
#define QF_LIBQF_QUERY_PARSE_H

#include "err.h"
#include "query.h"

struct qf_parser {
	struct qf_query *query;
	struct qf_err *err;
	const char *text;
	const char *at;
	unsigned depth;
	unsigned npatterns;
};

/* Set an error that points at a place in the text. what follows is a printf format. */
#define QF_PARSE_FAIL(parser, place, ...)                                                          \
	qf_parse_point(parser, place, qf_err_set((parser)->err, QF_E_USAGE, "filter", __VA_ARGS__))
enum qf_code qf_parse_point(struct qf_parser *parser, const char *place, enum qf_code code);
/* Bytes of the user's words that are repeated in an error. */
#define QF_PARSE_SHOWN(n) ((int)((n) < 60 ? (n) : 60))

/* Where a word ends. */
bool qf_parse_ends_word(char c);
/* A value with its quotes and backslashes undone, to the end of the word. *quoted: it had some,
   and may be empty. */
enum qf_code qf_parse_value(struct qf_parser *parser, struct qf_slice *value, bool *quoted);

/* NULL when memory is out. */
struct qf_node *qf_parse_node(struct qf_parser *parser, enum qf_node_kind kind);
/* Add a child: behind the others, but before those that read bodies, so that a body is read only
   when nothing else decides. */
void qf_parse_add(struct qf_node *node, struct qf_node *child);

/* One term at parser->at. */
enum qf_code qf_parse_term(struct qf_parser *parser, struct qf_node **out);

#endif
