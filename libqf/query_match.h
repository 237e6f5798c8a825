/*
 * query_match - the working memory of a match, and the tests of one value (query_text.c).
 */
#ifndef QF_LIBQF_QUERY_MATCH_H
#define QF_LIBQF_QUERY_MATCH_H

#include "query.h"

/* No recipient in particular. */
#define QF_MATCH_ANY SIZE_MAX

/* The value a term decided by, for explanations. */
struct qf_hit {
	struct qf_value value;
	size_t at; /* where in its text */
};

struct qf_matcher {
	const struct qf_query *query;
	const struct qf_row *row;
	size_t recipient;      /* the one to look at, or QF_MATCH_ANY */
	struct qf_buf scratch; /* what fields make */
	struct qf_buf wrapped; /* an address with brackets it does not have */
	struct qf_buf body_scratch;
	struct qf_value body; /* read once for all terms */
	bool body_read;
	struct qf_hit hit;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *jit_stack;
	enum qf_code failed;
	struct qf_err *err;
};

/* Ready for a row. */
void qf_match_begin(struct qf_matcher *matcher, const struct qf_row *row, size_t recipient,
		    struct qf_err *err);
/* Is it true of the row? The tree is never deeper than the parser lets it be. */
bool qf_match_node(struct qf_matcher *matcher, const struct qf_node *node);

/* Is a term true of one value? Absent ones match nothing. A failure is kept in the matcher. */
bool qf_match_text(struct qf_matcher *matcher, const struct qf_term *term, struct qf_slice text);
bool qf_match_address(struct qf_matcher *matcher, const struct qf_term *term,
		      struct qf_slice address);
bool qf_match_domain(struct qf_matcher *matcher, const struct qf_term *term,
		     struct qf_slice domain);
bool qf_match_number(struct qf_matcher *matcher, const struct qf_term *term, struct qf_value value);
/* Memory is out. Returns false. */
bool qf_match_nomem(struct qf_matcher *matcher);

#endif
