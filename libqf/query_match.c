/*
 * query_match - does a message match a filter.
 *
 * A term looks at each value its field has for the message until one decides. Nothing is allocated
 * for a message but what its longest made text needs: buffers live in the matcher.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "query_match.h"

/* Enough for anything sensible on a MiB of text; a pattern that runs wild is stopped within a
   second. */
#define MATCH_LIMIT 10000000u
#define HEAP_LIMIT_KIB 65536u
#define JIT_STACK_MAX ((size_t)1 << 20)

struct qf_matcher *
qf_matcher_new(const struct qf_query *query)
{
	struct qf_matcher *matcher = calloc(1, sizeof(*matcher));

	if (!matcher)
		return NULL;
	matcher->query = query;
	if (!query->patterns)
		return matcher;
	matcher->data = pcre2_match_data_create(1, NULL);
	matcher->context = pcre2_match_context_create(NULL);
	/* Without JIT there is none, and none is needed. */
	matcher->jit_stack = pcre2_jit_stack_create(32768, JIT_STACK_MAX, NULL);
	if (!matcher->data || !matcher->context) {
		qf_matcher_free(matcher);
		return NULL;
	}
	pcre2_set_match_limit(matcher->context, MATCH_LIMIT);
	pcre2_set_heap_limit(matcher->context, HEAP_LIMIT_KIB);
	if (matcher->jit_stack)
		pcre2_jit_stack_assign(matcher->context, NULL, matcher->jit_stack);
	return matcher;
}

void
qf_matcher_free(struct qf_matcher *matcher)
{
	if (!matcher)
		return;
	pcre2_match_data_free(matcher->data);
	pcre2_match_context_free(matcher->context);
	pcre2_jit_stack_free(matcher->jit_stack);
	qf_buf_release(&matcher->scratch);
	qf_buf_release(&matcher->wrapped);
	qf_buf_release(&matcher->body_scratch);
	free(matcher);
}

/* ------------------------------------------------------------------ one term */

/* The i-th value, for fields whose values are not those of get(). */
static bool
match_recipient(struct qf_matcher *matcher, const struct qf_term *term, size_t i)
{
	const struct qf_row *row = matcher->row;
	struct qf_slice status;

	switch (term->nature) {
	case QF_NATURE_ADDRESS:
		return qf_match_address(matcher, term,
					qf_msg_envelope(row->msg)->recipients[i].address);
	case QF_NATURE_DOMAIN:
		return qf_match_domain(matcher, term, qf_field_domain(term->field, row, i));
	default:
		status = qf_row_recipient_status(row, i);
		return qf_match_text(matcher, term, qf_field_of_status(term->field, status).text);
	}
}

/* A field that has a value for each recipient. */
static bool
match_recipients(struct qf_matcher *matcher, const struct qf_term *term)
{
	const struct qf_envelope *env = qf_msg_envelope(matcher->row->msg);
	bool matched = false;

	if (matcher->recipient != QF_MATCH_ANY)
		return matcher->recipient < env->nrecipients &&
		       match_recipient(matcher, term, matcher->recipient);
	/* The answer for the message counts beside those for its recipients. */
	if (term->nature == QF_NATURE_STATUS && !term->each &&
	    qf_match_text(matcher, term, qf_field_of_status(term->field, env->status).text))
		return true;
	for (size_t i = 0; i < env->nrecipients && !matcher->failed; i++) {
		matched = match_recipient(matcher, term, i);
		if (matched != term->each)
			break;
	}
	return matched;
}

static bool
match_headers(struct qf_matcher *matcher, const struct qf_term *term)
{
	const struct qf_envelope *env = qf_msg_envelope(matcher->row->msg);
	size_t n = strlen(term->argument);
	bool matched = false;

	for (size_t i = 0; i < env->nheaders && !matched && !matcher->failed; i++) {
		const struct qf_header *header = &env->headers[i];

		if (header->name.n == n && strncasecmp(header->name.p, term->argument, n) == 0)
			matched = qf_match_text(
				matcher, term,
				qf_row_header_text(matcher->row, header, &matcher->scratch));
		if (matcher->scratch.failed)
			return qf_match_nomem(matcher);
	}
	return matched;
}

static bool
match_body(struct qf_matcher *matcher, const struct qf_term *term)
{
	if (!matcher->body_read)
		matcher->body = qf_row_body(matcher->row, &matcher->body_scratch);
	matcher->body_read = true;
	if (matcher->body_scratch.failed)
		return qf_match_nomem(matcher);
	return qf_match_text(matcher, term, matcher->body.text);
}

/* Terms about the sender, and everything that get() tells. */
static bool
match_value(struct qf_matcher *matcher, const struct qf_term *term)
{
	const struct qf_row *row = matcher->row;
	struct qf_value value;

	if (term->nature == QF_NATURE_DOMAIN)
		return qf_match_domain(matcher, term, qf_field_domain(term->field, row, 0));
	value = term->field->get(row, 0, term->argument, &matcher->scratch);
	if (matcher->scratch.failed)
		return qf_match_nomem(matcher);
	if (!value.present)
		return false;
	if (term->field->type != QF_FIELD_TEXT)
		return qf_match_number(matcher, term, value);
	if (term->nature != QF_NATURE_ADDRESS)
		return qf_match_text(matcher, term, value.text);
	/* Nobody has two names. */
	if (term->test == QF_TEST_EQUAL && term->text.n == 0 && qf_row_null_sender(row)) {
		matcher->hit = (struct qf_hit){.value = value};
		return true;
	}
	return qf_match_address(matcher, term, value.text);
}

static bool
match_term(struct qf_matcher *matcher, const struct qf_term *term)
{
	matcher->hit = (struct qf_hit){0};
	if (term->test == QF_TEST_STATE) {
		const char *state = qf_state_name(qf_msg_state(matcher->row->msg));
		bool matched = qf_row_is(matcher->row, term->text.p, term->text.n, NULL);

		matcher->hit.value.present = true;
		matcher->hit.value.text =
			matched ? term->text : (struct qf_slice){state, strlen(state)};
		return matched;
	}
	if (term->field->per_recipient || term->nature == QF_NATURE_STATUS)
		return match_recipients(matcher, term);
	if (term->nature == QF_NATURE_HEADER)
		return match_headers(matcher, term);
	if (term->nature == QF_NATURE_BODY)
		return match_body(matcher, term);
	return match_value(matcher, term);
}

/* ------------------------------------------------------------------ the tree */

bool
qf_match_node(struct qf_matcher *matcher, const struct qf_node *node)
{
	bool matched = false;

	switch (node->kind) {
	case QF_NODE_TERM:
		return match_term(matcher, node->term);
	case QF_NODE_NOT:
		return !qf_match_node(matcher, node->first);
	case QF_NODE_AND:
		matched = true;
		for (node = node->first; node && matched && !matcher->failed; node = node->next)
			matched = qf_match_node(matcher, node);
		break;
	case QF_NODE_OR:
		for (node = node->first; node && !matched && !matcher->failed; node = node->next)
			matched = qf_match_node(matcher, node);
		break;
	}
	return matched;
}

void
qf_match_begin(struct qf_matcher *matcher, const struct qf_row *row, size_t recipient,
	       struct qf_err *err)
{
	matcher->row = row;
	matcher->recipient = recipient;
	matcher->body_read = false;
	matcher->failed = QF_OK;
	matcher->err = err;
}

enum qf_code
qf_matcher_match(struct qf_matcher *matcher, const struct qf_row *row, bool *matched,
		 struct qf_err *err)
{
	return qf_matcher_match_recipient(matcher, row, QF_MATCH_ANY, matched, err);
}

enum qf_code
qf_matcher_match_recipient(struct qf_matcher *matcher, const struct qf_row *row, size_t i,
			   bool *matched, struct qf_err *err)
{
	const struct qf_node *root = matcher->query->root;

	qf_match_begin(matcher, row, i, err);
	*matched = !root || qf_match_node(matcher, root);
	if (matcher->failed)
		*matched = false;
	return matcher->failed;
}
