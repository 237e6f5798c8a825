/*
 * mime_html - HTML as text that can be read: what a look into a message needs, not a browser.
 *
 * Markup, comments, scripts and styles go; blocks begin lines, items get a dash, the entities that
 * mail is full of become characters. Every search for the end of something is given up for good
 * when it fails once, so the time is linear whatever is left open.
 */
#ifdef QF_WITH_GMIME

#include <string.h>
#include <strings.h>

#include "buf.h"
#include "mime.h"

/* Of ASCII, whatever the locale. */
static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_alnum(char c)
{
	return is_alpha(c) || (c >= '0' && c <= '9');
}

struct html {
	struct qf_buf *out;
	size_t start;	/* out->n where it began */
	unsigned lines; /* line ends to come before the next character */
	bool blank;	/* a blank to come before the next character */
	unsigned pre;	/* depth of <pre> */
};

/* What a tag does to the lines around it. */
static const struct {
	const char *name;
	unsigned lines;
} block_tags[] = {{"address", 1}, {"article", 1}, {"blockquote", 2}, {"body", 1},   {"br", 1},
		  {"center", 1},  {"dd", 1},	  {"div", 1},	     {"dl", 2},	    {"dt", 1},
		  {"footer", 1},  {"form", 1},	  {"h1", 2},	     {"h2", 2},	    {"h3", 2},
		  {"h4", 2},	  {"h5", 2},	  {"h6", 2},	     {"header", 1}, {"hr", 1},
		  {"html", 1},	  {"li", 1},	  {"ol", 1},	     {"p", 2},	    {"pre", 1},
		  {"section", 1}, {"table", 1},	  {"tr", 1},	     {"ul", 1}};

/* Entities by what they stand for: U+00A0 to U+00FF in their order, then the others. */
static const char latin1_entities[] =
	"nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg "
	"plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 "
	"iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml "
	"Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave "
	"Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil "
	"egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde "
	"ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml ";

static const struct {
	const char *name;
	gunichar code;
} entities[] = {{"amp", '&'},	    {"lt", '<'},       {"gt", '>'},	  {"quot", '"'},
		{"apos", '\''},	    {"ensp", ' '},     {"emsp", ' '},	  {"thinsp", ' '},
		{"zwnj", 0x200c},   {"zwj", 0x200d},   {"ndash", 0x2013}, {"mdash", 0x2014},
		{"lsquo", 0x2018},  {"rsquo", 0x2019}, {"sbquo", 0x201a}, {"ldquo", 0x201c},
		{"rdquo", 0x201d},  {"bdquo", 0x201e}, {"bull", 0x2022},  {"hellip", 0x2026},
		{"euro", 0x20ac},   {"trade", 0x2122}, {"larr", 0x2190},  {"rarr", 0x2192},
		{"lsaquo", 0x2039}, {"rsaquo", 0x203a}};

/* Characters to be seen: what was put off comes first. */
static void
html_add(struct html *html, const char *text, size_t n)
{
	if (html->out->n > html->start) {
		for (; html->lines; html->lines--) {
			qf_buf_addc(html->out, '\n');
			html->blank = false;
		}
		if (html->blank)
			qf_buf_addc(html->out, ' ');
	}
	html->lines = 0;
	html->blank = false;
	qf_buf_add(html->out, text, n);
}

static void
html_character(struct html *html, char c)
{
	if (html->pre && (c == '\n' || c == ' ' || c == '\t'))
		html_add(html, &c, 1);
	else if (c == ' ' || (c >= '\t' && c <= '\r'))
		html->blank = true;
	else
		html_add(html, &c, 1);
}

/* A character by its number, as a reader would see it: those that cannot be seen are left out. */
static void
html_code(struct html *html, gunichar code)
{
	char utf8[6];

	if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		code = 0xfffd;
	if (code == 0xa0)
		html->blank = true;
	else if (code < 0x80)
		html_character(html, (char)code);
	else if (code != 0xad && code != 0x200c && code != 0x200d)
		html_add(html, utf8, (size_t)qf_gmime.g_unichar_to_utf8(code, utf8));
}

/* The code of an entity's name, 0 where it is not known. */
static gunichar
entity_code(struct qf_slice name)
{
	gunichar code = 0xa0;

	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (name.n == strlen(entities[i].name) && !memcmp(name.p, entities[i].name, name.n))
			return entities[i].code;
	for (const char *p = latin1_entities; *p; code++) {
		const char *end = strchr(p, ' ');

		if (name.n == (size_t)(end - p) && !memcmp(name.p, p, name.n))
			return code;
		p = end + 1;
	}
	return 0;
}

/* The entity at text, which begins with "&". Returns its length, 0 where there is none. */
static size_t
html_entity(struct html *html, struct qf_slice text)
{
	gunichar code = 0;
	size_t n = 1;

	while (n < text.n && n < 12 && (is_alnum(text.p[n]) || text.p[n] == '#'))
		n++;
	if (n == text.n || text.p[n] != ';' || n < 3)
		return 0;
	if (text.p[1] == '#') {
		bool hex = text.p[2] == 'x' || text.p[2] == 'X';

		for (size_t i = hex ? 3 : 2; i < n; i++) {
			int digit = qf_gmime.g_ascii_xdigit_value(text.p[i]);

			if (digit < 0 || (!hex && digit > 9))
				return 0;
			/* 12 characters hold no more than 40 bits: stop before it wraps. */
			if (code <= 0x10ffff)
				code = code * (hex ? 16 : 10) + (gunichar)digit;
		}
	} else {
		code = entity_code((struct qf_slice){text.p + 1, n - 1});
		if (code == 0)
			return 0;
	}
	html_code(html, code);
	return n + 1;
}

static bool
is_tag(struct qf_slice name, const char *tag)
{
	return name.n == strlen(tag) && !strncasecmp(name.p, tag, name.n);
}

/* Length of the tag that text begins with, up to its ">"; 0 where it has no end. */
static size_t
html_tag_length(struct qf_slice text)
{
	for (size_t i = 1; i < text.n; i++) {
		if (text.p[i] == '>')
			return i + 1;
		if (text.p[i] == '"' || text.p[i] == '\'') {
			const char *close = memchr(text.p + i + 1, text.p[i], text.n - i - 1);

			if (close)
				i = (size_t)(close - text.p);
		}
	}
	return 0;
}

/* Length of what stands before the end tag of that name. */
static size_t
html_content_length(struct qf_slice text, struct qf_slice name)
{
	for (size_t i = 0; i + 2 + name.n <= text.n; i++)
		if (text.p[i] == '<' && text.p[i + 1] == '/' &&
		    !strncasecmp(text.p + i + 2, name.p, name.n))
			return i;
	return text.n;
}

/* The effect of a tag; text begins with its "<". Returns the length of what is dropped with it. */
static size_t
html_tag(struct html *html, struct qf_slice text, size_t length)
{
	bool closing = text.p[1] == '/';
	struct qf_slice name = {text.p + (closing ? 2 : 1), 0};
	struct qf_slice rest = {text.p + length, text.n - length};

	while (name.p + name.n < rest.p && is_alnum(name.p[name.n]))
		name.n++;
	if (!closing && (is_tag(name, "script") || is_tag(name, "style") || is_tag(name, "title")))
		return length + html_content_length(rest, name);
	for (size_t i = 0; i < sizeof(block_tags) / sizeof(block_tags[0]); i++) {
		if (!is_tag(name, block_tags[i].name))
			continue;
		if (is_tag(name, "br"))
			html->lines += html->lines < 2;
		else if (html->lines < block_tags[i].lines)
			html->lines = block_tags[i].lines;
	}
	if (is_tag(name, "pre"))
		html->pre = closing ? html->pre - (html->pre > 0) : html->pre + 1;
	if (is_tag(name, "td") || is_tag(name, "th"))
		html->blank = true;
	if (is_tag(name, "li") && !closing)
		html_add(html, "- ", 2);
	if (is_tag(name, "hr")) {
		html_add(html, "----", 4);
		html->lines = 1;
	}
	return length;
}

/* text is valid UTF-8, and so is what comes out: it is cut at ASCII characters only. */
void
qf_mime_add_html(struct qf_buf *out, struct qf_slice text)
{
	struct html html = {.out = out, .start = out->n};
	/* Once an end is not found there is none further on either: it is not looked for again. */
	bool tags = true, comments = true;

	while (text.n) {
		size_t n = 0;
		char next = text.n > 1 ? text.p[1] : '\0';

		if (*text.p == '&') {
			n = html_entity(&html, text);
		} else if (*text.p == '<' && comments && text.n > 4 && !memcmp(text.p, "<!--", 4)) {
			const char *end = memmem(text.p + 4, text.n - 4, "-->", 3);

			comments = end != NULL;
			n = end ? (size_t)(end - text.p) + 3 : 0;
		}
		if (!n && *text.p == '<' && tags &&
		    (is_alpha(next) || next == '/' || next == '!' || next == '?')) {
			n = html_tag_length(text);
			tags = n > 0;
			if (n)
				n = html_tag(&html, text, n);
		}
		if (!n) {
			html_character(&html, *text.p);
			n = 1;
		}
		text.p += n;
		text.n -= n;
	}
	if (out->n > html.start)
		qf_buf_addc(out, '\n');
}

#endif
