/*
 * query - a filter compiled: a tree of and, or, not over terms. Made by query_parse.c, which
 * checks everything that can be checked; walked by query_match.c, which cannot fail but by limits.
 */
#ifndef QF_LIBQF_QUERY_H
#define QF_LIBQF_QUERY_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "arena.h"
#include "field.h"
#include "qf.h"

enum qf_test {
	QF_TEST_STATE,	 /* is:STATE */
	QF_TEST_HAS,	 /* text contains it, case ignored; a domain equals it or lies below */
	QF_TEST_PATTERN, /* text matches */
	QF_TEST_EQUAL,	 /* text or number */
	QF_TEST_LESS,	 /* numbers */
	QF_TEST_AT_MOST,
	QF_TEST_MORE,
	QF_TEST_AT_LEAST,
};

struct qf_term {
	enum qf_test test;
	const struct qf_field *field; /* NULL for a state */
	const char *argument;	      /* NAME of header.NAME */
	enum qf_nature nature;
	bool each;	/* has to be true of every recipient */
	bool fold;	/* case is ignored by QF_TEST_EQUAL */
	bool bracketed; /* the value has a < or >: addresses are compared with theirs */
	unsigned needs;
	struct qf_slice source; /* as written */
	unsigned column;	/* where that is, 1-based */
	struct qf_slice text;	/* of text tests and states; in lower case for QF_TEST_HAS */
	int64_t number;
	pcre2_code *pattern;  /* QF_TEST_PATTERN; QF_TEST_HAS of letters beyond ASCII */
	struct qf_term *next; /* all that own a pattern */
};

enum qf_node_kind { QF_NODE_TERM, QF_NODE_NOT, QF_NODE_AND, QF_NODE_OR };

struct qf_node {
	enum qf_node_kind kind;
	unsigned needs; /* of all below */
	const struct qf_term *term;
	struct qf_node *first;	    /* of NOT, AND, OR; those that read bodies come last */
	struct qf_node *last_cheap; /* last one that does not */
	struct qf_node *last;
	struct qf_node *next; /* beside it */
};

struct qf_query {
	struct qf_arena arena;
	struct qf_node *root; /* NULL: everything matches */
	struct qf_term *patterns;
	struct qf_slice bare; /* the first bare word, as written */
	int64_t now;
};

#endif
