/*
 * cf_value - the values of options, with sendmail's arithmetic. place is where a value begins in
 * the line at hand, end where it ends; without end it goes on to the end of the line. option is its
 * name for messages.
 */
#ifndef QF_LIBQF_CF_VALUE_H
#define QF_LIBQF_CF_VALUE_H

#include "cf_line.h"

/*
 * A span: digits and a unit, several of them, digits without one in the option's own unit; "now".
 * No text is 0, a unit without digits 0 of it. value need not stand in the line as it is.
 * Origin: sendmail/convtime.c convtime(), which complains of another unit and goes on with the
 * option's own.
 */
enum qf_code qf_cf_read_span(struct qf_cf_line *l, const char *option, const char *value, size_t n,
			     size_t place, char unit, int64_t *out);
/* A number alone is in minutes; only positive ones count, others are 0. */
enum qf_code qf_cf_read_age(struct qf_cf_line *l, const char *option, size_t place, int64_t *out);
/* Of Timeout.queuewarn: hours; 0 or QF_SPAN_NEVER for no warning. */
enum qf_code qf_cf_read_warning(struct qf_cf_line *l, const char *option, size_t place, size_t end,
				int64_t *out);
/* Of Timeout.queuereturn: days; not negative, or QF_SPAN_NOW. */
enum qf_code qf_cf_read_return(struct qf_cf_line *l, const char *option, size_t place, size_t end,
			       int64_t *out);

/* As atoi(): digits that lead it, a sign; the rest is not looked at. */
int qf_cf_read_int(const char *text);
/* A file mode: octal digits that lead it. */
uint32_t qf_cf_read_octal(const char *text);
enum qf_super_safe qf_cf_read_super_safe(const char *text);
/* Does a line of PrivacyOptions shut strangers out of the queue? goaway does not. */
bool qf_cf_restricts_mailq(const char *text);
enum qf_code qf_cf_read_sort_order(struct qf_cf_line *l, size_t place, enum qf_sort_order *out);
/* The uid of TrustedUser. A name nobody has here is none, without a word: a queue is often looked
   at on another machine than the one that serves it. */
enum qf_code qf_cf_read_trusted_user(struct qf_cf_line *l, size_t place, uint32_t *out);

#endif
