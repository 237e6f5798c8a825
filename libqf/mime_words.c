/*
 * mime_words - header text: folding undone, encoded words (RFC 2047) decoded.
 *
 * Called for each message that a listing shows: a value without encoded words is copied, and
 * gmime hears nothing of it. Bytes that stand outside of encoded words are never changed.
 */
#include <string.h>

#include "buf.h"
#include "mime.h"

void
qf_mime_add_unfolded(struct qf_buf *out, struct qf_slice value)
{
	while (value.n) {
		const char *end = memchr(value.p, '\n', value.n);
		size_t n = end ? (size_t)(end - value.p) : value.n;
		size_t line = n;

		if (end && line && value.p[line - 1] == '\r')
			line--;
		qf_buf_add(out, value.p, line);
		if (!end)
			return;
		n++;
		while (n < value.n && (value.p[n] == ' ' || value.p[n] == '\t'))
			n++;
		qf_buf_addc(out, ' ');
		value.p += n;
		value.n -= n;
	}
}

#ifndef QF_WITH_GMIME

void
qf_header_decode(struct qf_slice value, struct qf_buf *out)
{
	qf_mime_add_unfolded(out, value);
}

#else

/* Longer values are not searched for encoded words. */
#define WORDS_MAX ((size_t)65536)

/* Length of the encoded word "=?charset?B?text?=" that text begins with; 0 where there is none, or
   in a charset that is not known. */
static size_t
encoded_word(struct qf_slice text)
{
	char iconv_name[QF_MIME_CHARSET];
	size_t i = 2, charset;

	if (text.n < 8 || memcmp(text.p, "=?", 2))
		return 0;
	while (i < text.n && text.p[i] != '?' && text.p[i] != '*' && text.p[i] > ' ')
		i++;
	charset = i;
	/* RFC 2231: a language behind the charset. */
	while (i < text.n && text.p[i] != '?' && text.p[i] > ' ')
		i++;
	if (i + 4 > text.n || text.p[i] != '?' || text.p[i + 2] != '?' ||
	    !strchr("bBqQ", text.p[i + 1]) || text.p[i + 1] == '\0' ||
	    !qf_mime_charset((struct qf_slice){text.p + 2, charset - 2}, iconv_name))
		return 0;
	/* Blanks must not be there, but some writers leave them in. */
	for (i += 3; i + 1 < text.n && (text.p[i] >= ' ' || text.p[i] == '\t'); i++)
		if (text.p[i] == '?')
			return text.p[i + 1] == '=' ? i + 2 : 0;
	return 0;
}

/* Length of a run of encoded words with nothing but blanks between them, which do not count. */
static size_t
encoded_words(struct qf_slice text)
{
	size_t end = 0, at = 0;

	for (;;) {
		size_t n = encoded_word((struct qf_slice){text.p + at, text.n - at});

		if (n == 0)
			return end;
		end = at += n;
		while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\t'))
			at++;
	}
}

static void
add_words_decoded(struct qf_buf *out, struct qf_slice words)
{
	struct qf_buf copy = {0};
	char *text;

	qf_buf_add_slice(&copy, words);
	qf_buf_addc(&copy, '\0');
	if (copy.failed) {
		out->failed = true;
	} else {
		text = qf_gmime.g_mime_utils_header_decode_text(qf_mime_options(), copy.p);
		qf_mime_add_utf8(out, (struct qf_slice){text, strlen(text)});
		qf_gmime.g_free(text);
	}
	qf_buf_release(&copy);
}

void
qf_header_decode(struct qf_slice value, struct qf_buf *out)
{
	struct qf_buf line = {0};
	struct qf_slice rest;

	if (value.n < 8 || value.n > WORDS_MAX || !memmem(value.p, value.n, "=?", 2) ||
	    !qf_mime_options()) {
		qf_mime_add_unfolded(out, value);
		return;
	}
	qf_mime_add_unfolded(&line, value);
	out->failed |= line.failed;
	rest = (struct qf_slice){line.p, line.n};
	while (rest.n) {
		const char *word = memmem(rest.p, rest.n, "=?", 2);
		size_t plain = word ? (size_t)(word - rest.p) : rest.n;
		size_t words;

		qf_buf_add(out, rest.p, plain);
		rest.p += plain;
		rest.n -= plain;
		words = encoded_words(rest);
		if (words)
			add_words_decoded(out, (struct qf_slice){rest.p, words});
		else if (rest.n)
			qf_buf_add(out, rest.p, words = 2);
		rest.p += words;
		rest.n -= words;
	}
	qf_buf_release(&line);
}

#endif
