/*
 * mime - what the files of the MIME reader see of each other. Only with gmime is there more than
 * unfolding.
 */
#ifndef QF_LIBQF_MIME_H
#define QF_LIBQF_MIME_H

#include "qf.h"

/* A header value as one line: each line end, and the blanks after it, as one blank. */
void qf_mime_add_unfolded(struct qf_buf *out, struct qf_slice value);

#ifdef QF_WITH_GMIME

#include <gmime/gmime.h>

/* What is used of gmime, and of glib below it. */
#define QF_GMIME_FUNCTIONS(X) \
	X(g_ascii_xdigit_value) \
	X(g_unichar_to_utf8) \
	X(g_utf8_validate_len) \
	X(g_free) \
	X(g_mime_content_disposition_get_parameter) \
	X(g_mime_content_disposition_is_attachment) \
	X(g_mime_content_disposition_parse) \
	X(g_mime_content_encoding_from_string) \
	X(g_mime_content_type_get_mime_type) \
	X(g_mime_content_type_get_parameter) \
	X(g_mime_content_type_is_type) \
	X(g_mime_content_type_parse) \
	X(g_mime_encoding_flush) \
	X(g_mime_encoding_init_decode) \
	X(g_mime_encoding_step) \
	X(g_mime_init) \
	X(g_mime_parser_options_new) \
	X(g_mime_parser_options_set_fallback_charsets) \
	X(g_mime_utils_header_decode_text) \
	X(g_object_unref)

/* Set by the first qf_mime_options(). */
struct qf_gmime {
#define X(name) __typeof__(&name) name;
	QF_GMIME_FUNCTIONS(X)
#undef X
};
extern struct qf_gmime qf_gmime;

/* gmime loaded and made ready, and its options; the first call in the process does it. NULL where it
   is not to be had: then nothing of qf_gmime may be called. */
GMimeParserOptions *qf_mime_options(void);

/* ---------------------------------------------------------------- characters */

#define QF_MIME_CHARSET 24
/* In place of a name for iconv: UTF-8 if it can be that, else windows-1252. */
#define QF_MIME_GUESS "?"

/* The name iconv is given for a charset of a message; false where it is none of those known. */
bool qf_mime_charset(struct qf_slice name, char iconv_name[QF_MIME_CHARSET]);
/* Bytes that should be UTF-8, with U+FFFD for those that are not. */
void qf_mime_add_utf8(struct qf_buf *out, struct qf_slice text);
/* The same on one line: control characters as blanks, cut at max bytes. */
void qf_mime_add_line(struct qf_buf *out, struct qf_slice text, size_t max);
/* Bytes as UTF-8, by what qf_mime_charset() gave; U+FFFD where they make no character. */
void qf_mime_add_converted(struct qf_buf *out, struct qf_slice bytes, const char *iconv_name);
/* HTML in valid UTF-8 as text: no markup, scripts, styles; lines where blocks begin. */
void qf_mime_add_html(struct qf_buf *out, struct qf_slice text);

/* ---------------------------------------------------------------- parts */

/* Most bytes of a header field of a part that are looked at. */
#define QF_MIME_VALUE_MAX ((size_t)8192)

/* A part, or a message: what its header says of its body. Slices are of the text it came from. */
struct qf_mime_part {
	struct qf_slice headers;
	struct qf_slice body;
	GMimeContentType *type;
	GMimeContentDisposition *disposition; /* or NULL */
	GMimeContentEncoding encoding;
	bool encoding_known;
};

/* Header and body of a message or part. A header that stops without a blank line is one too. */
void qf_mime_split(struct qf_slice whole, struct qf_slice *headers, struct qf_slice *body);
/* The value of the first field of that name, unfolded, with a NUL behind; false where there is
   none, or no memory (value->failed). */
bool qf_mime_field(struct qf_slice headers, const char *name, struct qf_buf *value);
void qf_mime_part_init(struct qf_mime_part *part, struct qf_slice headers, struct qf_slice body,
		       const char *default_type);
void qf_mime_part_release(struct qf_mime_part *part);
bool qf_mime_is(const struct qf_mime_part *part, const char *type, const char *subtype);
bool qf_mime_is_attachment(const struct qf_mime_part *part);
/* The file name a part gives itself, or NULL. */
const char *qf_mime_file_name(const struct qf_mime_part *part);
/* The body with its transfer encoding undone: part->body itself, or in scratch. */
struct qf_slice qf_mime_decoded(const struct qf_mime_part *part, struct qf_buf *scratch);
/* How many bytes that are. */
size_t qf_mime_decoded_size(const struct qf_mime_part *part);

/* The parts of a multipart, one after the other. Zero bytes of it belong to anyone: copy freely. */
struct qf_mime_children {
	struct qf_slice rest;
	const char *boundary; /* the part's */
	size_t length;
	const char *default_type;
	bool more; /* rest begins behind a boundary that opens a part */
};

/* False where the multipart has no boundary to speak of, or no part. */
bool qf_mime_children_init(struct qf_mime_children *children, const struct qf_mime_part *part);
/* The next part, for the caller to release; false at the end. */
bool qf_mime_children_next(struct qf_mime_children *children, struct qf_mime_part *child);

#endif
#endif
