/*
 * cf_value - the values of options, with sendmail's arithmetic.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cf_names.h"
#include "cf_value.h"
#include "err.h"

/* Spans beyond this (35 million years) are typing errors, and sums of smaller ones are safe. */
#define SPAN_MAX ((int64_t)1 << 50)

int
qf_cf_read_int(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static int64_t
unit_seconds(char unit)
{
	switch (unit) {
	case 'w':
		return 7 * 86400;
	case 'd':
		return 86400;
	case 'h':
		return 3600;
	case 'm':
		return 60;
	case 's':
		return 1;
	default:
		return 0;
	}
}

static const char hint_span[] = "write it as 4d, 1d12h, 30m, or now";
static const char hint_never[] =
	"sendmail knows no \"never\" here and takes it for 0, returned at the first failed try; "
	"write a long time, such as 5200w";

enum qf_code
qf_cf_read_span(struct qf_cf_line *l, const char *option, const char *value, size_t n, size_t place,
		char unit, int64_t *out)
{
	bool negative = n > 0 && *value == '-';
	char why[192], what[96];
	int64_t sum = 0;

	if (qf_cf_same_word(value, n, "now")) {
		*out = QF_SPAN_NOW;
		return QF_OK;
	}
	qf_cf_put_assignment(what, option, value, n);
	for (size_t i = negative; i < n;) {
		int64_t t = 0, factor = unit_seconds(unit);
		size_t first = i;

		for (; i < n && qf_cf_is_digit(value[i]); i++)
			t = t < SPAN_MAX ? t * 10 + (value[i] - '0') : SPAN_MAX;
		if (i < n) {
			factor = unit_seconds(value[i]);
			if (!factor) {
				snprintf(why, sizeof(why), "%s: no time, its units are w d h m s",
					 what);
				return qf_cf_refuse(l, place + i,
						    qf_cf_same_word(value, n, "never") ? hint_never
										       : hint_span,
						    why);
			}
			i++;
		}
		if (t >= SPAN_MAX / factor || sum > SPAN_MAX - t * factor) {
			snprintf(why, sizeof(why), "%s: too long a time", what);
			return qf_cf_refuse(l, place + first, hint_span, why);
		}
		sum += t * factor;
	}
	*out = negative ? -sum : sum;
	return QF_OK;
}

enum qf_code
qf_cf_read_age(struct qf_cf_line *l, const char *option, size_t place, int64_t *out)
{
	int64_t span;
	enum qf_code code =
		qf_cf_read_span(l, option, l->text + place, l->n - place, place, 'm', &span);

	if (!code)
		*out = span > 0 ? span : 0;
	return code;
}

/*
 * Origin: sendmail/envelope.c dropenvelope(): a warning needs a span above 0, so that "now" and
 * negative ones are none; "never" draws a complaint and gives 0, which is what it says.
 */
enum qf_code
qf_cf_read_warning(struct qf_cf_line *l, const char *option, size_t place, size_t end, int64_t *out)
{
	enum qf_code code;
	int64_t span;

	if (qf_cf_same_word(l->text + place, end - place, "never")) {
		*out = QF_SPAN_NEVER;
		return QF_OK;
	}
	code = qf_cf_read_span(l, option, l->text + place, end - place, place, 'h', &span);
	if (!code)
		*out = span > 0 ? span : 0;
	return code;
}

/* A negative span other than "now" (-1s is the same to sendmail) lets a message be tried and then
   returns it, as 0 does. */
enum qf_code
qf_cf_read_return(struct qf_cf_line *l, const char *option, size_t place, size_t end, int64_t *out)
{
	int64_t span;
	enum qf_code code =
		qf_cf_read_span(l, option, l->text + place, end - place, place, 'd', &span);

	if (!code)
		*out = span >= 0 || span == QF_SPAN_NOW ? span : 0;
	return code;
}

/* Origin: sendmail/conf.c atooct(). */
uint32_t
qf_cf_read_octal(const char *text)
{
	uint32_t mode = 0;

	for (; *text >= '0' && *text <= '7'; text++)
		mode = (mode << 3 | (uint32_t)(*text - '0')) & 0777;
	return mode;
}

/* Origin: sendmail/conf.c atobool(): only words like "true" and "yes" are, "1" and "on" are not. */
/* Origin: sendmail/readcf.c setoption(), case 'p': whatever is neither letter nor digit parts the
   words, and conf.c PRIV_GOAWAY: all but what is about the queue, and a few. */
bool
qf_cf_restricts_mailq(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	while (*text) {
		size_t n = strspn(text, letters);

		if (qf_cf_same_word(text, n, "restrictmailq"))
			return true;
		text += n;
		text += strcspn(text, letters);
	}
	return false;
}

enum qf_super_safe
qf_cf_read_super_safe(const char *text)
{
	switch (*text) {
	case 'i':
	case 'I':
		return QF_SAFE_INTERACTIVE;
	case 'p':
	case 'P':
		return QF_SAFE_POSTMILTER;
	case '\0':
	case 't':
	case 'T':
	case 'y':
	case 'Y':
		return QF_SAFE_TRUE;
	default:
		return QF_SAFE_FALSE;
	}
}

enum qf_code
qf_cf_read_sort_order(struct qf_cf_line *l, size_t place, enum qf_sort_order *out)
{
	static const char letters[] = "phtfmrsn"; /* as enum qf_sort_order */
	char c = l->text[place], why[160], what[96];
	const char *found = c ? strchr(letters, c | 0x20) : NULL;

	if (!found) {
		qf_cf_put_assignment(what, "QueueSortOrder", l->text + place, l->n - place);
		snprintf(why, sizeof(why), "%s: no such order", what);
		return qf_cf_refuse(l, place,
				    "priority, host, time, filename, modification, random or none",
				    why);
	}
	*out = (enum qf_sort_order)(found - letters);
	return QF_OK;
}

enum qf_code
qf_cf_read_trusted_user(struct qf_cf_line *l, size_t place, uint32_t *out)
{
	const char *text = l->text + place;
	struct passwd entry, *found = NULL;
	size_t size = 4096;
	int failure = ERANGE;

	*out = 0;
	if (qf_cf_is_digit(*text)) {
		*out = (uint32_t)qf_cf_read_int(text);
		return QF_OK;
	}
	while (failure == ERANGE && size <= (1 << 20)) {
		char *scratch = malloc(size);

		if (!scratch)
			return qf_err_nomem(l->err);
		failure = getpwnam_r(text, &entry, scratch, size, &found);
		if (!failure && found)
			*out = (uint32_t)entry.pw_uid;
		free(scratch);
		size *= 2;
	}
	return QF_OK;
}
