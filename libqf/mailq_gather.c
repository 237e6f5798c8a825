/*
 * mailq_gather - what sendmail reads of a control file before it sorts the list.
 */
#include <string.h>

#include "mailq.h"

/* Bytes of a line that are looked at (sendmail: MAXNAME). */
#define LINE_SEEN 256
/* Of a message without a P line: it comes last. */
#define LAST_PRIORITY 0x7fffffff

enum { NEED_P = 1, NEED_T = 2, NEED_R = 4, HAS_QUARANTINE = 8 };

/* The start of the next line as a C string. A line that is longer, or has a NUL, is skipped to
   the next LF: behind a NUL that is the end of the line after it. */
static bool
next_line(struct qf_slice *rest, struct qf_slice *line)
{
	const char *nul, *end;
	size_t n;

	if (!qf_mailq_piece(rest, LINE_SEEN, line))
		return false;
	nul = memchr(line->p, '\0', line->n);
	if (!nul && line->p[line->n - 1] == '\n') {
		line->n--;
		return true;
	}
	if (nul)
		line->n = (size_t)(nul - line->p);
	end = memchr(rest->p, '\n', rest->n);
	n = end ? (size_t)(end - rest->p) + 1 : rest->n;
	rest->p += n;
	rest->n -= n;
	return true;
}

/* Times are any numbers: they wrap, as sendmail's do. */
static int64_t
between(int64_t from, int64_t to)
{
	return (int64_t)((uint64_t)to - (uint64_t)from);
}

/* Is a last try at that time too recent? Uses the creation time as far as it is known. */
static bool
is_young(const struct qf_policy *policy, int64_t now, int64_t created, int64_t last_try)
{
	int64_t age = between(last_try, now), wait = between(created, last_try);

	if (policy->max_queue_age > 0)
		return age < (wait < policy->max_queue_age ? wait : policy->max_queue_age);
	return age >= 0 && policy->min_queue_age > 0 && age < policy->min_queue_age;
}

void
qf_mailq_gather(struct qf_slice bytes, enum qf_kind kind, const struct qf_policy *policy,
		int64_t now, bool want_host, struct qf_mailq_rank *out)
{
	unsigned need = NEED_P | NEED_T | (want_host ? NEED_R : 0);
	struct qf_slice line, value;
	const char *at;

	*out = (struct qf_mailq_rank){.priority = LAST_PRIORITY};
	while (need && next_line(&bytes, &line)) {
		if (line.n == 0)
			continue;
		value = (struct qf_slice){line.p + 1, line.n - 1};
		switch (*line.p) {
		case 'P':
			out->priority = qf_mailq_number(value);
			need &= ~(unsigned)NEED_P;
			break;
		case 'T':
			out->created = qf_mailq_number(value);
			need &= ~(unsigned)NEED_T;
			break;
		case 'q':
			if (kind == QF_KIND_QUEUED) {
				out->set_aside = true;
				need |= HAS_QUARANTINE;
			}
			break;
		case 'R':
			at = need & NEED_R ? memrchr(value.p, '@', value.n) : NULL;
			if (at) {
				out->host = (struct qf_slice){at + 1,
							      (size_t)(value.p + value.n - at) - 1};
				need &= ~(unsigned)NEED_R;
			}
			break;
		case 'K':
			if (is_young(policy, now, out->created, qf_mailq_number(value)))
				out->young = true;
			break;
		case 'N':
			if (qf_mailq_number(value) == 0)
				out->young = false;
			break;
		}
	}
}
