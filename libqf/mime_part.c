/*
 * mime_part - a message cut into parts, and what each says of itself.
 *
 * gmime's own parser would make objects of kilobytes for each part and each header field, and a
 * part can be as short as "--b": a small message would cost hundreds of times its size. Here only
 * the part at hand is taken apart, by gmime where it has many cases (parameters, encodings).
 */
#ifdef QF_WITH_GMIME

#include <string.h>
#include <strings.h>

#include "buf.h"
#include "mime.h"

/* RFC 2046 allows 70. Every line of a multipart is compared with it. */
#define BOUNDARY_MAX 200

/* ---------------------------------------------------------------- lines and fields */

/* The next line of *rest, without its LF. False at the end. */
static bool
next_line(struct qf_slice *rest, struct qf_slice *line)
{
	const char *end;
	size_t n;

	if (rest->n == 0)
		return false;
	end = memchr(rest->p, '\n', rest->n);
	n = end ? (size_t)(end - rest->p) : rest->n;
	*line = (struct qf_slice){rest->p, n};
	n += end ? 1 : 0;
	rest->p += n;
	rest->n -= n;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_continuation(struct qf_slice line)
{
	return line.n && is_blank(*line.p);
}

/* Length of the name of the field that line begins, 0 where it begins none. */
static size_t
field_name(struct qf_slice line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] > ' ' && line.p[n] < 127 && line.p[n] != ':')
		n++;
	return n < line.n && line.p[n] == ':' ? n : 0;
}

void
qf_mime_split(struct qf_slice whole, struct qf_slice *headers, struct qf_slice *body)
{
	struct qf_slice line;

	*headers = (struct qf_slice){whole.p, 0};
	*body = whole;
	while (next_line(&whole, &line)) {
		if (line.n == 0 || (line.n == 1 && *line.p == '\r')) {
			*body = whole;
			return;
		}
		if (!field_name(line) && !(is_continuation(line) && headers->n))
			return;
		headers->n = (size_t)(whole.p - headers->p);
		*body = whole;
	}
}

bool
qf_mime_field(struct qf_slice headers, const char *name, struct qf_buf *value)
{
	size_t n = strlen(name);
	struct qf_slice line;

	qf_buf_clear(value);
	while (next_line(&headers, &line)) {
		struct qf_slice text = line;

		if (field_name(line) != n || strncasecmp(line.p, name, n))
			continue;
		while (next_line(&headers, &line) && is_continuation(line))
			text.n = (size_t)(line.p - text.p) + line.n;
		text.p += n + 1;
		text.n -= n + 1;
		while (text.n && is_blank(*text.p)) {
			text.p++;
			text.n--;
		}
		if (text.n > QF_MIME_VALUE_MAX)
			text.n = QF_MIME_VALUE_MAX;
		qf_mime_add_unfolded(value, text);
		while (value->n && (unsigned char)value->p[value->n - 1] <= ' ')
			value->n--;
		qf_buf_addc(value, '\0');
		return !value->failed;
	}
	return false;
}

/* ---------------------------------------------------------------- one part */

void
qf_mime_part_init(struct qf_mime_part *part, struct qf_slice headers, struct qf_slice body,
		  const char *default_type)
{
	GMimeParserOptions *options = qf_mime_options();
	struct qf_buf value = {0};
	bool typed;

	*part = (struct qf_mime_part){.headers = headers, .body = body, .encoding_known = true};
	/* What is no type at all counts as none: RFC 2045, 5.2. */
	typed = qf_mime_field(headers, "content-type", &value) && strchr(value.p, '/');
	part->type = qf_gmime.g_mime_content_type_parse(options, typed ? value.p : default_type);
	if (qf_mime_field(headers, "content-disposition", &value) && *value.p)
		part->disposition = qf_gmime.g_mime_content_disposition_parse(options, value.p);
	if (qf_mime_field(headers, "content-transfer-encoding", &value) && *value.p) {
		part->encoding = qf_gmime.g_mime_content_encoding_from_string(value.p);
		part->encoding_known = part->encoding != GMIME_CONTENT_ENCODING_DEFAULT;
	}
	qf_buf_release(&value);
}

void
qf_mime_part_release(struct qf_mime_part *part)
{
	qf_gmime.g_object_unref(part->type);
	if (part->disposition)
		qf_gmime.g_object_unref(part->disposition);
}

bool
qf_mime_is(const struct qf_mime_part *part, const char *type, const char *subtype)
{
	return qf_gmime.g_mime_content_type_is_type(part->type, type, subtype);
}

bool
qf_mime_is_attachment(const struct qf_mime_part *part)
{
	return part->disposition && qf_gmime.g_mime_content_disposition_is_attachment(part->disposition);
}

const char *
qf_mime_file_name(const struct qf_mime_part *part)
{
	const char *name = NULL;

	if (part->disposition)
		name = qf_gmime.g_mime_content_disposition_get_parameter(part->disposition, "filename");
	if (!name)
		name = qf_gmime.g_mime_content_type_get_parameter(part->type, "name");
	return name && *name ? name : NULL;
}

static bool
is_encoded(const struct qf_mime_part *part)
{
	return part->encoding == GMIME_CONTENT_ENCODING_BASE64 ||
	       part->encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE ||
	       part->encoding == GMIME_CONTENT_ENCODING_UUENCODE;
}

/* What lies behind the line "begin MODE NAME"; gmime decodes from there. */
static struct qf_slice
behind_begin(struct qf_slice text)
{
	struct qf_slice rest = text, line;

	while (next_line(&rest, &line))
		if (line.n > 6 && !memcmp(line.p, "begin ", 6))
			return rest;
	return text;
}

/* The transfer encoding undone, into out or, where it is NULL, nowhere. Returns the bytes made. */
static size_t
decode(const struct qf_mime_part *part, struct qf_buf *out)
{
	struct qf_slice rest = part->body;
	GMimeEncoding state;
	char chunk[4096 + 64]; /* decoded it is no longer, but for what was held back before */
	size_t total = 0, n;

	if (part->encoding == GMIME_CONTENT_ENCODING_UUENCODE)
		rest = behind_begin(rest);
	qf_gmime.g_mime_encoding_init_decode(&state, part->encoding);
	while (rest.n) {
		size_t take = rest.n < 4096 ? rest.n : 4096;

		n = qf_gmime.g_mime_encoding_step(&state, rest.p, take, chunk);
		total += n;
		if (out)
			qf_buf_add(out, chunk, n);
		rest.p += take;
		rest.n -= take;
	}
	n = qf_gmime.g_mime_encoding_flush(&state, "", 0, chunk);
	if (out)
		qf_buf_add(out, chunk, n);
	return total + n;
}

struct qf_slice
qf_mime_decoded(const struct qf_mime_part *part, struct qf_buf *scratch)
{
	if (!is_encoded(part))
		return part->body;
	decode(part, scratch);
	return (struct qf_slice){scratch->p, scratch->n};
}

size_t
qf_mime_decoded_size(const struct qf_mime_part *part)
{
	return is_encoded(part) ? decode(part, NULL) : part->body.n;
}

/* ---------------------------------------------------------------- the parts of a multipart */

/* True when line is the boundary; *last: the closing one. */
static bool
is_boundary(const struct qf_mime_children *children, struct qf_slice line, bool *last)
{
	size_t n = children->length + 2;

	if (line.n < n || memcmp(line.p, "--", 2) || memcmp(line.p + 2, children->boundary, n - 2))
		return false;
	*last = line.n >= n + 2 && !memcmp(line.p + n, "--", 2);
	if (*last)
		n += 2;
	while (n < line.n && (is_blank(line.p[n]) || line.p[n] == '\r'))
		n++;
	return n == line.n;
}

/* Go behind the next boundary; what lies before it, without its line end, into *before. */
static bool
pass_boundary(struct qf_mime_children *children, struct qf_slice *before)
{
	struct qf_slice line;
	bool last;

	*before = children->rest;
	while (next_line(&children->rest, &line)) {
		if (!is_boundary(children, line, &last))
			continue;
		/* The line end before a boundary belongs to the boundary. */
		before->n = (size_t)(line.p - before->p);
		if (before->n)
			before->n--;
		if (before->n && before->p[before->n - 1] == '\r')
			before->n--;
		children->more = !last;
		return true;
	}
	children->more = false;
	return false;
}

bool
qf_mime_children_init(struct qf_mime_children *children, const struct qf_mime_part *part)
{
	struct qf_slice preamble;

	*children = (struct qf_mime_children){.rest = part->body};
	/* RFC 2046, 5.1.5: parts of a digest are messages. */
	children->default_type =
		qf_mime_is(part, "multipart", "digest") ? "message/rfc822" : "text/plain";
	children->boundary = qf_gmime.g_mime_content_type_get_parameter(part->type, "boundary");
	if (!children->boundary)
		return false;
	children->length = strlen(children->boundary);
	if (children->length == 0 || children->length > BOUNDARY_MAX)
		return false;
	return pass_boundary(children, &preamble) && children->more;
}

bool
qf_mime_children_next(struct qf_mime_children *children, struct qf_mime_part *child)
{
	struct qf_slice whole, headers, body;

	if (!children->more)
		return false;
	pass_boundary(children, &whole);
	qf_mime_split(whole, &headers, &body);
	qf_mime_part_init(child, headers, body, children->default_type);
	return true;
}

#endif
