/*
 * maillog_text - looking into text, for the two files that understand sendmail's.
 */
#ifndef QF_LIBQF_MAILLOG_TEXT_H
#define QF_LIBQF_MAILLOG_TEXT_H

#include <string.h>

#include "maillog.h"

static inline struct qf_slice
qf_text_from(struct qf_slice s, size_t n)
{
	return (struct qf_slice){s.p + n, s.n - n};
}

static inline bool
qf_text_starts(struct qf_slice s, const char *word)
{
	size_t n = strlen(word);

	return s.n >= n && memcmp(s.p, word, n) == 0;
}

/* Where word stands in s; s.n where it does not. */
static inline size_t
qf_text_find(struct qf_slice s, const char *word)
{
	const char *at = s.n > 0 ? memmem(s.p, s.n, word, strlen(word)) : NULL;

	return at ? (size_t)(at - s.p) : s.n;
}

static inline bool
qf_text_has(struct qf_slice s, const char *word)
{
	return qf_text_find(s, word) < s.n;
}

static inline bool
qf_text_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at the front; -1 without. */
int64_t qf_log_number(struct qf_slice s);
/* [D+]HH:MM:SS; -1 for anything else. */
int64_t qf_log_span(struct qf_slice s);

/* to= and from=. False: this is none of sendmail's, or memory is out. */
bool qf_log_delivery(struct qf_log_fields *fields, struct qf_slice text, struct qf_log_event *event,
		     bool *nomem);
bool qf_log_accepted(struct qf_slice text, struct qf_log_event *event);

#endif
