/*
 * query_parse - from the text of a filter to a tree of checked terms (language: docs/filters.md).
 *
 *	filter	= all { or all }
 *	all	= single { [and] single }
 *	single	= not single | "(" filter ")" | term
 */
#include <stdlib.h>
#include <string.h>

#include "query_parse.h"

/* Room for a filter of tens of thousands of ids; what is compiled stays bounded. */
#define TEXT_MAX ((size_t)4 << 20)
/* "not" and "(" within each other; the matcher recurses as deep. */
#define DEPTH_MAX 100u

enum token { TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_AND, TOKEN_OR, TOKEN_NOT, TOKEN_TERM };

static enum qf_code parse_any(struct qf_parser *parser, struct qf_node **out);

/* ------------------------------------------------------------------ errors */

enum qf_code
qf_parse_point(struct qf_parser *parser, const char *place, enum qf_code code)
{
	if (parser->err)
		parser->err->column = (unsigned)(place - parser->text) + 1;
	return code;
}

/* ------------------------------------------------------------------ words */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool
qf_parse_ends_word(char c)
{
	return c == '\0' || c == '(' || c == ')' || is_blank(c);
}

/* Length of a keyword at p, in small or capital letters, or 0. */
static size_t
keyword(const char *p, const char *small, const char *capital)
{
	size_t n = strlen(small);

	if (strncmp(p, small, n) != 0 && strncmp(p, capital, n) != 0)
		return 0;
	return qf_parse_ends_word(p[n]) ? n : 0;
}

/* What comes next; *n is the length of its sign or keyword. */
static enum token
peek(struct qf_parser *parser, size_t *n)
{
	while (is_blank(*parser->at))
		parser->at++;
	*n = 1;
	if (*parser->at == '\0')
		return TOKEN_END;
	if (*parser->at == '(')
		return TOKEN_OPEN;
	if (*parser->at == ')')
		return TOKEN_CLOSE;
	if ((*n = keyword(parser->at, "and", "AND")))
		return TOKEN_AND;
	if ((*n = keyword(parser->at, "or", "OR")))
		return TOKEN_OR;
	if ((*n = keyword(parser->at, "not", "NOT")))
		return TOKEN_NOT;
	return TOKEN_TERM;
}

enum qf_code
qf_parse_value(struct qf_parser *parser, struct qf_slice *value, bool *quoted)
{
	const char *open = NULL; /* the quote that is open */
	const char *p = parser->at;
	const char *end = p;
	char *to, *start;

	/* Never longer than what is written. */
	for (; open || !qf_parse_ends_word(*end); end++) {
		if (*end == '\0')
			return QF_PARSE_FAIL(parser, open, "quote is not closed");
		if (*end == '"')
			open = open ? NULL : end;
		else if (*end == '\\' && !*++end)
			return QF_PARSE_FAIL(parser, end - 1, "nothing follows the backslash");
	}
	start = to = qf_arena_alloc(&parser->query->arena, (size_t)(end - p) + 1);
	if (!to)
		return qf_err_nomem(parser->err);
	*quoted = false;
	for (; p < end; p++) {
		if (*p == '"') {
			*quoted = true;
			continue;
		}
		if (*p == '\\') {
			*quoted = true;
			p++;
		}
		*to++ = *p;
	}
	*to = '\0';
	*value = (struct qf_slice){start, (size_t)(to - start)};
	parser->at = end;
	return QF_OK;
}

/* ------------------------------------------------------------------ nodes */

struct qf_node *
qf_parse_node(struct qf_parser *parser, enum qf_node_kind kind)
{
	struct qf_node *node = qf_arena_alloc(&parser->query->arena, sizeof(*node));

	if (node)
		*node = (struct qf_node){.kind = kind};
	return node;
}

void
qf_parse_add(struct qf_node *node, struct qf_node *child)
{
	struct qf_node **after = child->needs & QF_NEED_BODY ? &node->last : &node->last_cheap;
	struct qf_node **link = *after ? &(*after)->next : &node->first;

	child->next = *link;
	*link = child;
	if (!child->next)
		node->last = child;
	*after = child;
	node->needs |= child->needs;
}

/* ------------------------------------------------------------------ and, or, not */

static enum qf_code
parse_one(struct qf_parser *parser, struct qf_node **out)
{
	size_t n;
	enum token token = peek(parser, &n);
	const char *place = parser->at;
	struct qf_node *inner = NULL;
	enum qf_code code;

	if (token == TOKEN_TERM)
		return qf_parse_term(parser, out);
	if (token == TOKEN_END)
		return QF_PARSE_FAIL(parser, place, "a term is missing at the end");
	if (token != TOKEN_NOT && token != TOKEN_OPEN)
		return QF_PARSE_FAIL(parser, place, "a term is missing before \"%.*s\"", (int)n,
				     place);
	if (parser->depth == DEPTH_MAX)
		return QF_PARSE_FAIL(parser, place, "nested deeper than %u", DEPTH_MAX);
	parser->depth++;
	parser->at += n;
	if (token == TOKEN_NOT) {
		code = parse_one(parser, &inner);
		*out = code ? NULL : qf_parse_node(parser, QF_NODE_NOT);
		if (*out)
			qf_parse_add(*out, inner);
		else if (code == QF_OK)
			code = qf_err_nomem(parser->err);
	} else {
		code = parse_any(parser, out);
		if (code == QF_OK && peek(parser, &n) != TOKEN_CLOSE)
			code = QF_PARSE_FAIL(parser, place, "\"(\" is not closed");
		else if (code == QF_OK)
			parser->at++;
	}
	parser->depth--;
	return code;
}

static enum qf_code
parse_all(struct qf_parser *parser, struct qf_node **out)
{
	struct qf_node *all = NULL, *one = NULL;
	enum qf_code code;
	enum token token;
	size_t n;

	do {
		code = parse_one(parser, &one);
		if (code)
			return code;
		token = peek(parser, &n);
		if (token == TOKEN_AND)
			parser->at += n;
		if (!all && (token == TOKEN_END || token == TOKEN_CLOSE || token == TOKEN_OR)) {
			*out = one;
			return QF_OK;
		}
		if (!all)
			all = qf_parse_node(parser, QF_NODE_AND);
		if (!all)
			return qf_err_nomem(parser->err);
		qf_parse_add(all, one);
	} while (token != TOKEN_END && token != TOKEN_CLOSE && token != TOKEN_OR);
	*out = all;
	return QF_OK;
}

static enum qf_code
parse_any(struct qf_parser *parser, struct qf_node **out)
{
	struct qf_node *any = NULL, *one = NULL;
	enum qf_code code;
	bool more;
	size_t n;

	do {
		code = parse_all(parser, &one);
		if (code)
			return code;
		more = peek(parser, &n) == TOKEN_OR;
		if (more)
			parser->at += n;
		if (!any && !more) {
			*out = one;
			return QF_OK;
		}
		if (!any)
			any = qf_parse_node(parser, QF_NODE_OR);
		if (!any)
			return qf_err_nomem(parser->err);
		qf_parse_add(any, one);
	} while (more);
	*out = any;
	return QF_OK;
}

enum qf_code
qf_query_parse(const char *text, int64_t now, struct qf_query **out, struct qf_err *err)
{
	struct qf_query *query = calloc(1, sizeof(*query));
	struct qf_parser parser = {.query = query, .err = err};
	enum qf_code code = QF_OK;
	size_t n;

	if (!query)
		return qf_err_nomem(err);
	/* Terms show themselves as they were written for as long as the query lives. */
	n = strlen(text);
	parser.text = qf_arena_copy(&query->arena, (struct qf_slice){text, n}).p;
	parser.at = parser.text;
	query->now = now;
	if (!parser.text)
		code = qf_err_nomem(err);
	else if (n > TEXT_MAX)
		code = QF_PARSE_FAIL(&parser, parser.text, "longer than %zu bytes", TEXT_MAX);
	else if (peek(&parser, &n) != TOKEN_END)
		code = parse_any(&parser, &query->root);
	if (code == QF_OK && parser.text && peek(&parser, &n) == TOKEN_CLOSE)
		code = QF_PARSE_FAIL(&parser, parser.at, "\")\" without \"(\"");
	if (code) {
		qf_query_free(query);
		return code;
	}
	*out = query;
	return QF_OK;
}

void
qf_query_free(struct qf_query *query)
{
	if (!query)
		return;
	for (struct qf_term *term = query->patterns; term; term = term->next)
		pcre2_code_free(term->pattern);
	qf_arena_release(&query->arena);
	free(query);
}
