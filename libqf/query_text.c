/*
 * query_text - is a term true of one value: a text, an address, a domain, a number.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "err.h"
#include "query_match.h"
#include "status.h"

bool
qf_match_nomem(struct qf_matcher *matcher)
{
	if (!matcher->failed)
		matcher->failed = qf_err_nomem(matcher->err);
	return false;
}

static bool
fail_pattern(struct qf_matcher *matcher, const struct qf_term *term, int error)
{
	char what[64], why[160];
	struct qf_slice id = qf_msg_files(matcher->row->msg)->id;

	if (error == PCRE2_ERROR_NOMEMORY)
		return qf_match_nomem(matcher);
	if (matcher->failed)
		return false;
	snprintf(what, sizeof(what), "%.*s", (int)(term->source.n < 60 ? term->source.n : 60),
		 term->source.p);
	pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
	matcher->failed = qf_err_set(matcher->err, QF_E_LIMIT, what, "%s in message %.*s", why,
				     (int)(id.n < 40 ? id.n : 40), id.p ? id.p : "");
	if (matcher->err)
		matcher->err->column = term->column;
	qf_err_hint(matcher->err, "the pattern takes too many steps; write it so that its parts "
				  "cannot match the same text");
	return false;
}

static bool
match_pattern(struct qf_matcher *matcher, const struct qf_term *term, struct qf_slice text)
{
	int n = pcre2_match(term->pattern, (PCRE2_SPTR)text.p, text.n, 0, 0, matcher->data,
			    matcher->context);

	if (n == PCRE2_ERROR_NOMATCH)
		return false;
	if (n < 0)
		return fail_pattern(matcher, term, n);
	matcher->hit.at = pcre2_get_ovector_pointer(matcher->data)[0];
	return true;
}

static unsigned char
lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool
equal_folded(const char *text, const char *folded, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(text[i]) != (unsigned char)folded[i])
			return false;
	return true;
}

static const char *
find_byte(const char *from, const char *end, char c)
{
	return from < end ? memchr(from, c, (size_t)(end - from)) : NULL;
}

/* Is needle, which is in lower case, in text? Goes from one possible beginning to the next. */
static bool
contains(struct qf_slice text, struct qf_slice needle, size_t *at)
{
	const char *end, *small, *capital = NULL;
	char c;

	*at = 0;
	if (needle.n == 0)
		return true;
	if (needle.n > text.n)
		return false;
	c = needle.p[0];
	end = text.p + (text.n - needle.n) + 1;
	small = find_byte(text.p, end, c);
	if (c >= 'a' && c <= 'z')
		capital = find_byte(text.p, end, (char)(c & ~0x20));
	while (small || capital) {
		const char *here = !capital || (small && small < capital) ? small : capital;

		if (equal_folded(here + 1, needle.p + 1, needle.n - 1)) {
			*at = (size_t)(here - text.p);
			return true;
		}
		if (here == small)
			small = find_byte(here + 1, end, c);
		else
			capital = find_byte(here + 1, end, (char)(c & ~0x20));
	}
	return false;
}

/* Does it match one text? */
bool
qf_match_text(struct qf_matcher *matcher, const struct qf_term *term, struct qf_slice text)
{
	if (!text.p)
		return false;
	matcher->hit = (struct qf_hit){.value = {.present = true, .text = text}};
	if (term->pattern)
		return match_pattern(matcher, term, text);
	if (term->test == QF_TEST_HAS)
		return contains(text, term->text, &matcher->hit.at);
	if (text.n != term->text.n)
		return false;
	return text.n == 0 || (term->fold ? strncasecmp(text.p, term->text.p, text.n)
					  : memcmp(text.p, term->text.p, text.n)) == 0;
}

bool
qf_match_address(struct qf_matcher *matcher, const struct qf_term *term, struct qf_slice address)
{
	struct qf_slice bare = qf_address_bare(address);

	if (qf_match_text(matcher, term, bare))
		return true;
	/* Who writes brackets means those that stand around every address, stored or not. */
	if (!bare.p || !term->bracketed || term->test == QF_TEST_EQUAL || matcher->failed)
		return false;
	qf_buf_clear(&matcher->wrapped);
	qf_buf_addc(&matcher->wrapped, '<');
	qf_buf_add_slice(&matcher->wrapped, bare);
	qf_buf_addc(&matcher->wrapped, '>');
	if (matcher->wrapped.failed)
		return qf_match_nomem(matcher);
	return qf_match_text(matcher, term,
			     (struct qf_slice){matcher->wrapped.p, matcher->wrapped.n});
}

bool
qf_match_domain(struct qf_matcher *matcher, const struct qf_term *term, struct qf_slice domain)
{
	size_t n = term->text.n;
	struct qf_slice tail;

	if (!domain.p)
		return false;
	if (term->test == QF_TEST_PATTERN) {
		/* As the field shows it: in lower case. */
		qf_buf_clear(&matcher->scratch);
		for (size_t i = 0; i < domain.n; i++)
			qf_buf_addc(&matcher->scratch, (char)lower(domain.p[i]));
		if (matcher->scratch.failed)
			return qf_match_nomem(matcher);
		return qf_match_text(
			matcher, term,
			(struct qf_slice){domain.n ? matcher->scratch.p : "", domain.n});
	}
	matcher->hit = (struct qf_hit){.value = {.present = true, .text = domain}};
	if (domain.n < n || (term->test == QF_TEST_EQUAL && domain.n != n) ||
	    (n == 0 && domain.n != 0))
		return false;
	tail = (struct qf_slice){domain.p + domain.n - n, n};
	if (n && strncasecmp(tail.p, term->text.p, n) != 0)
		return false;
	return domain.n == n || tail.p[-1] == '.';
}

bool
qf_match_number(struct qf_matcher *matcher, const struct qf_term *term, struct qf_value value)
{
	int64_t number = value.number, later;

	/* Ages in the row are reckoned from its own instant. */
	if (term->field->type == QF_FIELD_AGE &&
	    (__builtin_sub_overflow(matcher->query->now, matcher->row->now, &later) ||
	     __builtin_add_overflow(number, later, &number)))
		number = value.number;
	matcher->hit = (struct qf_hit){.value = value};
	switch (term->test) {
	case QF_TEST_LESS:
		return number < term->number;
	case QF_TEST_AT_MOST:
		return number <= term->number;
	case QF_TEST_MORE:
		return number > term->number;
	case QF_TEST_AT_LEAST:
		return number >= term->number;
	default:
		return number == term->number;
	}
}
