/*
 * query_explain - what a query says about itself, and about a message that it matches.
 */
#include <string.h>

#include "query_match.h"

unsigned
qf_query_needs(const struct qf_query *query)
{
	return query->root ? query->root->needs : 0;
}

struct qf_slice
qf_query_bare_word(const struct qf_query *query)
{
	return query->bare;
}

static bool
requires(const struct qf_node *node, const char *state)
{
	const struct qf_node *child = node->first;

	switch (node->kind) {
	case QF_NODE_TERM:
		return node->term->test == QF_TEST_STATE && strcmp(node->term->text.p, state) == 0;
	case QF_NODE_AND:
		while (child && !requires(child, state))
			child = child->next;
		return child != NULL;
	case QF_NODE_OR:
		while (child && requires(child, state))
			child = child->next;
		return child == NULL;
	default:
		return false;
	}
}

bool
qf_query_requires_state(const struct qf_query *query, const char *state)
{
	return query->root && requires(query->root, state);
}

/* ------------------------------------------------------------------ by what a message matches */

/* Bytes of a value that are shown, and how many of them before the match. */
#define SHOWN 120
#define SHOWN_BEFORE 40

/* Where the character with the byte at i begins; i itself in what is no UTF-8. */
static size_t
character_start(struct qf_slice text, size_t i)
{
	for (size_t n = 0; n < 4 && n <= i; n++)
		if (((unsigned char)text.p[i - n] & 0xc0) != 0x80)
			return i - n;
	return i;
}

static void
add_value(struct qf_matcher *matcher, const struct qf_term *term, struct qf_buf *out)
{
	struct qf_slice text = matcher->hit.value.text;
	size_t from = matcher->hit.at > SHOWN_BEFORE ? matcher->hit.at - SHOWN_BEFORE : 0;
	bool cut;

	if (term->field && term->field->type != QF_FIELD_TEXT) {
		qf_field_format(term->field, matcher->hit.value, out);
		return;
	}
	from = from && text.n > SHOWN ? character_start(text, from) : 0;
	text = (struct qf_slice){text.p + from, text.n - from};
	cut = text.n > SHOWN;
	if (cut)
		text.n = character_start(text, SHOWN);
	qf_buf_adds(out, from ? "..." : "");
	qf_escape_terminal(out, text, true);
	qf_buf_adds(out, cut ? "..." : "");
}

static void
explain_term(struct qf_matcher *matcher, const struct qf_term *term, bool wanted,
	     struct qf_buf *out)
{
	if (!wanted)
		qf_buf_adds(out, "not ");
	qf_escape_terminal(out, term->source, true);
	qf_buf_adds(out, ": ");
	qf_buf_adds(out, term->field ? term->field->name : "state");
	if (term->argument)
		qf_buf_addf(out, ".%s", term->argument);
	qf_buf_adds(out, " is ");
	if (matcher->hit.value.present)
		add_value(matcher, term, out);
	else
		qf_buf_adds(out, "not there");
	qf_buf_addc(out, '\n');
}

/* The terms by which a node is what is wanted of it; nothing where it is not. */
static void
explain(struct qf_matcher *matcher, const struct qf_node *node, bool wanted, struct qf_buf *out)
{
	if (qf_match_node(matcher, node) != wanted || matcher->failed)
		return;
	if (node->kind == QF_NODE_TERM) {
		explain_term(matcher, node->term, wanted, out);
		return;
	}
	if (node->kind == QF_NODE_NOT)
		wanted = !wanted;
	for (node = node->first; node; node = node->next)
		explain(matcher, node, wanted, out);
}

void
qf_matcher_explain(struct qf_matcher *matcher, const struct qf_row *row, struct qf_buf *out)
{
	qf_match_begin(matcher, row, QF_MATCH_ANY, NULL);
	if (matcher->query->root)
		explain(matcher, matcher->query->root, true, out);
}
