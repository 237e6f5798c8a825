/*
 * cf_line - one logical line of a sendmail.cf, as sendmail understands it.
 */
#ifndef QF_LIBQF_CF_LINE_H
#define QF_LIBQF_CF_LINE_H

#include "qf.h"

/* A file being read and the line at hand. Zero-initialise, set the first four; text and at are
   freed by the caller. */
struct qf_cf_line {
	const char *file; /* for messages */
	struct qf_slice bytes;
	struct qf_err *err;
	unsigned number; /* of the line, its first physical one */
	/* Of the V line; with 3 and up a # begins a comment anywhere. */
	long level;
	/* The line: ends with a NUL and holds no other. */
	char *text;
	/* Where in bytes each character of text comes from, and one more for its end. */
	uint32_t *at;
	size_t n, cap;
	/* First macro reference in text; SIZE_MAX: none. */
	size_t macro;
	/* Of the line in bytes. */
	size_t start;
};

/*
 * The logical line bytes[start..end) as sendmail sees it: up to a NUL, CR of CRLF dropped, "$$" as
 * one, comments and blanks at the end taken off. Line ends inside stay. Macros are not expanded in
 * any value that is read here; that was tried, too.
 * Origin: sendmail/util.c fgetfolded(), sendmail/readcf.c translate_dollars().
 */
bool qf_cf_understand(struct qf_cf_line *l, size_t start, size_t end);

/* A value that cannot be used: QF_E_CONFIG. why is in words; place is where in the line at hand. */
enum qf_code qf_cf_refuse(struct qf_cf_line *l, size_t place, const char *hint, const char *why);

/* OPTION=VALUE with what cannot be printed as '?', cut where it is long. */
void qf_cf_put_assignment(char out[96], const char *option, const char *value, size_t n);

/* isspace() of the C locale, whatever the program's is. */
static inline bool
qf_cf_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
qf_cf_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

#endif
