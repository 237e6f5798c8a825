/*
 * status - what status texts and addresses name: what other modules need beside qf.h.
 */
#ifndef QF_LIBQF_STATUS_H
#define QF_LIBQF_STATUS_H

#include "qf.h"

/* An address without its <>. */
struct qf_slice qf_address_bare(struct qf_slice address);
/* The part after the last @ outside quotes, letters as stored; empty where there is none. */
struct qf_slice qf_address_tail(struct qf_slice address);

/* What a status text begins with. */
struct qf_status_head {
	bool deferred;
	struct qf_slice code; /* "450" */
	struct qf_slice dsn;  /* "4.2.1" */
	size_t rest;	      /* where the words begin */
};
struct qf_status_head qf_status_read_head(struct qf_slice text);
/* Length of an SMTP reply code at text[at], or 0. */
size_t qf_status_code_length(struct qf_slice text, size_t at);
/* Length of an enhanced status code at text[at], or 0. */
size_t qf_status_dsn_length(struct qf_slice text, size_t at);

/* The server a status text names. */
struct qf_status_host {
	struct qf_slice name;
	size_t start, end; /* of the name with its trailing dot */
};
bool qf_status_find_host(struct qf_slice text, const struct qf_status_head *head,
			 struct qf_status_host *out);

/* The C library's classes depend on the locale; these do not. */
static inline bool
qf_text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
qf_text_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
qf_text_is_alnum(char c)
{
	return qf_text_is_digit(c) || qf_text_is_letter(c);
}

/* May stand in the name of a host. */
static inline bool
qf_text_is_name(char c)
{
	return qf_text_is_alnum(c) || c == '-' || c == '.' || c == '_';
}

/* Blanks, and control characters, which say nothing more. */
static inline bool
qf_text_is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

/* Past the blanks at text[at]. */
size_t qf_text_skip_blanks(struct qf_slice text, size_t at);

#endif
