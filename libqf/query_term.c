/*
 * query_term - one term of a filter: FIELD OPERATOR VALUE, is:STATE or a bare word, checked against
 * the field table and made ready for matching.
 */
#include <string.h>
#include <strings.h>

#include "near.h"
#include "query_parse.h"
#include "status.h"

/* What is compiled stays bounded. */
#define PATTERNS_MAX 1000u
#define PATTERN_MAX ((size_t)65536)

static enum qf_code
add_term(struct qf_parser *parser, const struct qf_term *term, struct qf_node **out)
{
	struct qf_term *own = qf_arena_alloc(&parser->query->arena, sizeof(*own));
	struct qf_node *node = qf_parse_node(parser, QF_NODE_TERM);

	if (!own || !node)
		return qf_err_nomem(parser->err);
	*own = *term;
	node->term = own;
	node->needs = own->needs;
	*out = node;
	return QF_OK;
}

/* ------------------------------------------------------------------ patterns */

/* Compile what stands at a place into term->pattern, which the query owns from then on. */
static enum qf_code
compile(struct qf_parser *parser, struct qf_term *term, struct qf_slice text, uint32_t options,
	const char *place)
{
	struct qf_term *owner;
	PCRE2_SIZE offset;
	char why[160];
	int error;

	if (++parser->npatterns > PATTERNS_MAX)
		return QF_PARSE_FAIL(parser, place, "more than %u patterns", PATTERNS_MAX);
	if (text.n > PATTERN_MAX)
		return QF_PARSE_FAIL(parser, place, "pattern is longer than %zu bytes",
				     PATTERN_MAX);
	owner = qf_arena_alloc(&parser->query->arena, sizeof(*owner));
	if (!owner)
		return qf_err_nomem(parser->err);
	term->pattern =
		pcre2_compile((PCRE2_SPTR)text.p, text.n,
			      options | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error, &offset, NULL);
	if (!term->pattern) {
		if (error == PCRE2_ERROR_HEAP_FAILED)
			return qf_err_nomem(parser->err);
		pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
		return QF_PARSE_FAIL(parser, place + (offset < text.n ? offset : text.n),
				     "bad pattern: %s", why);
	}
	*owner = (struct qf_term){.pattern = term->pattern, .next = parser->query->patterns};
	parser->query->patterns = owner;
	/* Where there is no JIT, or no memory it may use, matching is slower and no different. */
	pcre2_jit_compile(term->pattern, PCRE2_JIT_COMPLETE);
	return QF_OK;
}

/* /pattern/ or /pattern/i. */
static enum qf_code
read_pattern(struct qf_parser *parser, struct qf_term *term)
{
	const char *open = parser->at;
	const char *end;
	uint32_t options = PCRE2_NEVER_BACKSLASH_C;

	for (end = open + 1; *end && *end != '/'; end++)
		if (*end == '\\' && !*++end)
			break;
	if (*end != '/')
		return QF_PARSE_FAIL(parser, open, "pattern has no closing /");
	parser->at = end + 1;
	if (*parser->at == 'i') {
		options |= PCRE2_CASELESS;
		parser->at++;
	}
	if (!qf_parse_ends_word(*parser->at)) {
		QF_PARSE_FAIL(parser, parser->at, "after /pattern/ only i may stand");
		qf_err_hint(parser->err, "a / within a pattern is written \\/, a value that begins "
					 "with / in quotes");
		return QF_E_USAGE;
	}
	term->test = QF_TEST_PATTERN;
	term->bracketed =
		memchr(open, '<', (size_t)(end - open)) || memchr(open, '>', (size_t)(end - open));
	return compile(parser, term, (struct qf_slice){open + 1, (size_t)(end - open - 1)}, options,
		       open + 1);
}

/* ------------------------------------------------------------------ values */

/* Make a text value ready for its test. */
static enum qf_code
set_text(struct qf_parser *parser, struct qf_term *term, struct qf_slice value, const char *place)
{
	char *p = (char *)value.p;
	bool ascii = true;

	term->bracketed = memchr(p, '<', value.n) || memchr(p, '>', value.n);
	if (term->test == QF_TEST_EQUAL && term->nature == QF_NATURE_ADDRESS)
		value = qf_address_bare(value);
	if (term->nature == QF_NATURE_DOMAIN) {
		while (value.n && value.p[value.n - 1] == '.')
			value.n--;
		if (term->test == QF_TEST_HAS && value.n && value.p[0] == '.')
			value = (struct qf_slice){value.p + 1, value.n - 1};
	}
	term->text = value;
	if (term->test != QF_TEST_HAS)
		return QF_OK;
	for (size_t i = 0; i < value.n; i++) {
		char *c = (char *)value.p + i;

		ascii = ascii && (unsigned char)*c < 0x80;
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	}
	/* Case beyond ASCII is the pattern library's to know. */
	if (!ascii && term->nature != QF_NATURE_DOMAIN && qf_utf8_valid(value))
		return compile(parser, term, value, PCRE2_LITERAL | PCRE2_CASELESS, place);
	return QF_OK;
}

static bool
read_number(struct qf_slice text, int64_t *number)
{
	size_t i = text.n && (text.p[0] == '-' || text.p[0] == '+');
	int64_t n = 0;

	if (i == text.n)
		return false;
	for (; i < text.n; i++) {
		int digit = text.p[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_sub_overflow(n, digit, &n))
			return false;
	}
	/* Collected below zero, where there is one more. */
	if (text.p[0] == '-') {
		*number = n;
		return true;
	}
	return !__builtin_sub_overflow(0, n, number);
}

static enum qf_code
set_number(struct qf_parser *parser, struct qf_term *term, struct qf_slice value, const char *place)
{
	const char *wanted = NULL;

	switch (term->field->type) {
	case QF_FIELD_AGE:
		if (!qf_span_parse(value, &term->number))
			wanted = "an age: 90s 5m 2h 4d 1w";
		break;
	case QF_FIELD_SIZE:
		if (!qf_size_parse(value, &term->number))
			wanted = "a size: 2000 10k 5M";
		break;
	case QF_FIELD_TIME:
		if (!qf_time_parse(value, &term->number))
			wanted = "a time: @1795332063, 2026-11-20 or 2026-11-20T10:15:00Z";
		break;
	default:
		if (!read_number(value, &term->number))
			wanted = "a number";
		break;
	}
	if (!wanted)
		return QF_OK;
	return QF_PARSE_FAIL(parser, place, "\"%.*s\" is not %s", QF_PARSE_SHOWN(value.n), value.p,
			     wanted);
}

/* ------------------------------------------------------------------ terms */

static enum qf_code
set_state(struct qf_parser *parser, struct qf_term *term, struct qf_slice value, const char *place)
{
	const char *const *states = qf_row_states();
	const char *nearest = NULL;
	char list[160] = "";
	size_t used = 0;

	for (; *states; states++) {
		if (strlen(*states) == value.n && strncasecmp(*states, value.p, value.n) == 0) {
			term->test = QF_TEST_STATE;
			/* As the table spells it, for qf_query_requires_state(). */
			term->text = (struct qf_slice){*states, value.n};
			term->needs = qf_row_state_needs(value.p, value.n);
			return QF_OK;
		}
		if (qf_word_distance(value.p, value.n, *states, strlen(*states), 2) <= 2)
			nearest = *states;
		if (used + strlen(*states) + 2 < sizeof(list)) {
			if (used)
				list[used++] = ' ';
			memcpy(list + used, *states, strlen(*states) + 1);
			used += strlen(*states);
		}
	}
	QF_PARSE_FAIL(parser, place, "no such state: \"%.*s\"; states are %s",
		      QF_PARSE_SHOWN(value.n), value.p, list);
	if (nearest)
		qf_err_hint(parser->err, "did you mean is:%s?", nearest);
	return QF_E_USAGE;
}

/* The field a term names, with "each." before it. */
static enum qf_code
find_field(struct qf_parser *parser, const char *name, size_t n, struct qf_term *term)
{
	static const char each[] = "each.";
	const char *nearest;
	char *copy;

	if (n >= sizeof(each) - 1 && strncasecmp(name, each, sizeof(each) - 1) == 0) {
		term->each = true;
		name += sizeof(each) - 1;
		n -= sizeof(each) - 1;
	}
	copy = qf_arena_alloc(&parser->query->arena, n + 1);
	if (!copy)
		return qf_err_nomem(parser->err);
	memcpy(copy, name, n);
	copy[n] = '\0';
	term->field = qf_field_find(copy, &term->argument);
	if (!term->field) {
		QF_PARSE_FAIL(parser, name, "unknown field \"%.*s\"", QF_PARSE_SHOWN(n), name);
		nearest = qf_field_nearest(name, n);
		if (strcasecmp(copy, "header") == 0 || strcasecmp(copy, "header.") == 0)
			qf_err_hint(parser->err, "a header is named: header.list-id");
		else if (nearest)
			qf_err_hint(parser->err, "did you mean \"%s\"?", nearest);
		else
			qf_err_hint(parser->err, "to search for a text with : = < or >, quote it");
		return QF_E_USAGE;
	}
	term->nature = qf_field_nature(term->field);
	term->needs = term->field->needs;
	term->fold = term->nature == QF_NATURE_ADDRESS || term->nature == QF_NATURE_DOMAIN ||
		     strcmp(term->field->name, "relay") == 0;
	if (term->each && !term->field->per_recipient && term->nature != QF_NATURE_STATUS)
		return QF_PARSE_FAIL(parser, name - (sizeof(each) - 1),
				     "each. goes with recipients: rcpt domain status dsn relay");
	return QF_OK;
}

static enum qf_test
read_operator(struct qf_parser *parser)
{
	char sign = *parser->at++;
	bool equal = (sign == '<' || sign == '>') && *parser->at == '=';

	parser->at += equal;
	switch (sign) {
	case '<':
		return equal ? QF_TEST_AT_MOST : QF_TEST_LESS;
	case '>':
		return equal ? QF_TEST_AT_LEAST : QF_TEST_MORE;
	case '=':
		return QF_TEST_EQUAL;
	default:
		return QF_TEST_HAS;
	}
}

/* FIELD OPERATOR VALUE, the name being n bytes long. */
static enum qf_code
parse_field(struct qf_parser *parser, size_t n, struct qf_node **out)
{
	const char *start = parser->at;
	const char *sign = start + n;
	const char *place;
	bool is_state = n == 2 && strncasecmp(start, "is", 2) == 0;
	struct qf_term term = {.column = (unsigned)(start - parser->text) + 1};
	struct qf_slice value;
	enum qf_code code;
	bool text, quoted;

	code = is_state ? QF_OK : find_field(parser, start, n, &term);
	if (code)
		return code;
	text = is_state || term.field->type == QF_FIELD_TEXT;
	parser->at = sign;
	term.test = read_operator(parser);
	place = parser->at;
	if (text && term.test > QF_TEST_EQUAL)
		return QF_PARSE_FAIL(parser, sign, "%.*s is text: only : and = go with it",
				     QF_PARSE_SHOWN(n), start);
	if (*place == '/' && term.test == QF_TEST_HAS && text && !is_state) {
		code = read_pattern(parser, &term);
	} else {
		code = qf_parse_value(parser, &value, &quoted);
		if (code)
			return code;
		if (!value.n && !quoted)
			return QF_PARSE_FAIL(parser, place, "a value is missing after %.*s",
					     QF_PARSE_SHOWN(place - start), start);
		if (is_state)
			code = set_state(parser, &term, value, place);
		else if (text)
			code = set_text(parser, &term, value, place);
		else
			code = set_number(parser, &term, value, place);
		if (!text && term.test == QF_TEST_HAS)
			term.test = QF_TEST_EQUAL;
	}
	term.source = (struct qf_slice){start, (size_t)(parser->at - start)};
	return code ? code : add_term(parser, &term, out);
}

/* A bare word is looked for in four fields. */
static enum qf_code
parse_word(struct qf_parser *parser, struct qf_node **out)
{
	static const char *const names[] = {"from", "rcpt", "status", "subject"};
	const char *start = parser->at;
	struct qf_node *either = qf_parse_node(parser, QF_NODE_OR);
	struct qf_slice value;
	enum qf_code code;
	bool quoted;
	struct qf_term first = {.test = QF_TEST_HAS,
				.column = (unsigned)(start - parser->text) + 1};

	if (!either)
		return qf_err_nomem(parser->err);
	code = qf_parse_value(parser, &value, &quoted);
	if (code == QF_OK)
		code = set_text(parser, &first, value, start);
	first.source = (struct qf_slice){start, (size_t)(parser->at - start)};
	if (!parser->query->bare.p)
		parser->query->bare = first.source;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && code == QF_OK; i++) {
		struct qf_term term = first;
		struct qf_node *node;

		term.field = qf_field_find(names[i], NULL);
		term.nature = qf_field_nature(term.field);
		term.needs = term.field->needs;
		code = add_term(parser, &term, &node);
		if (code == QF_OK)
			qf_parse_add(either, node);
	}
	*out = either;
	return code;
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

enum qf_code
qf_parse_term(struct qf_parser *parser, struct qf_node **out)
{
	const char *p = parser->at;
	size_t n = 0;
	const char *end;

	while (is_name(p[n]))
		n++;
	if (p[n] == '!' && p[n + 1] == '=') {
		QF_PARSE_FAIL(parser, p + n, "there is no !=");
		qf_err_hint(parser->err, "say: not %.*s=...", QF_PARSE_SHOWN(n), p);
		return QF_E_USAGE;
	}
	if (!p[n] || !strchr(":=<>", p[n]))
		return parse_word(parser, out);
	if (n)
		return parse_field(parser, n, out);
	/* <a@b.example> is an address to look for. */
	for (end = p; !qf_parse_ends_word(*end);)
		end++;
	if (*p == '<' && end - p > 1 && end[-1] == '>')
		return parse_word(parser, out);
	QF_PARSE_FAIL(parser, p, "a field is missing before \"%c\"", *p);
	qf_err_hint(parser->err, "no blanks around it: age>2h");
	return QF_E_USAGE;
}
