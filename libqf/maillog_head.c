/*
 * maillog_head - the head of a line of syslog: time, host, program, pid.
 *
 *	Nov 26 08:22:44 mx1 sendmail[119]: TEXT                          RFC 3164
 *	<22>1 2026-11-26T08:22:44.123Z mx1 sendmail 119 - - TEXT         RFC 5424
 *	2026-11-26T08:22:44.123+01:00 mx1 sendmail[119]: TEXT            rsyslog, syslog-ng
 *	2026-11-26T08:22:44.123000+00:00 task/mx/1 ANY OF THESE          aws logs tail
 *	sendmail[119]: TEXT                                              in a record that has a time
 *
 * The time is found by a pattern (it has many forms), what follows by looking for blanks (it has
 * few): a gigabyte is some four million lines.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include <stdlib.h>

#include "buf.h"
#include "maillog.h"
#include "when.h"

/* A head is short; what comes later in a line is not the pattern's. */
#define HEAD_MAX ((size_t)80)

static const char pattern[] =
	"^(?:"
	"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}([0-9]{1,2}) (?:([0-9]{4}) )?"
	"|([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]"
	")([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,][0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})? ";
#define GROUPS 11

struct qf_log_heads {
	pcre2_code *code;
	pcre2_match_data *data;
	/* The time of the line before: most lines share it. */
	char last[HEAD_MAX];
	size_t last_n;
	struct qf_log_head last_head;
};

struct qf_log_heads *
qf_log_heads_new(void)
{
	struct qf_log_heads *heads = calloc(1, sizeof(*heads));
	PCRE2_SIZE offset;
	int error;

	if (!heads)
		return NULL;
	heads->code =
		pcre2_compile((PCRE2_SPTR)pattern, sizeof(pattern) - 1, 0, &error, &offset, NULL);
	heads->data = pcre2_match_data_create(GROUPS, NULL);
	if (!heads->code || !heads->data) {
		qf_log_heads_free(heads);
		return NULL;
	}
	pcre2_jit_compile(heads->code, PCRE2_JIT_COMPLETE);
	return heads;
}

void
qf_log_heads_free(struct qf_log_heads *heads)
{
	if (!heads)
		return;
	pcre2_code_free(heads->code);
	pcre2_match_data_free(heads->data);
	free(heads);
}

static unsigned
number(const char *p, size_t n)
{
	unsigned value = 0;

	while (n-- > 0)
		value = value * 10 + (unsigned)(*p++ - '0');
	return value;
}

static unsigned
month_of(const char *name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (unsigned i = 0; i < 12; i++)
		if (memcmp(names + 3 * i, name, 3) == 0)
			return i + 1;
	return 0;
}

/* The time a line begins with. Returns its length with the blank behind it; 0: there is none. */
static size_t
read_time(struct qf_log_heads *heads, struct qf_slice line, struct qf_log_head *head)
{
	size_t n = line.n < HEAD_MAX ? line.n : HEAD_MAX;
	const PCRE2_SIZE *at;
	unsigned year = 0, day, hour, minute, second;

	if (heads->last_n > 0 && n >= heads->last_n &&
	    memcmp(heads->last, line.p, heads->last_n) == 0) {
		*head = heads->last_head;
		return heads->last_n;
	}
	if (pcre2_match(heads->code, (PCRE2_SPTR)line.p, n, 0, 0, heads->data, NULL) < 0)
		return 0;
	at = pcre2_get_ovector_pointer(heads->data);
#define PART(i) number(line.p + at[2 * (i)], at[2 * (i) + 1] - at[2 * (i)])
#define IS_SET(i) (at[2 * (i)] != PCRE2_UNSET)
	memset(head, 0, sizeof(*head));
	if (IS_SET(1)) {
		head->month = month_of(line.p + at[2]);
		day = PART(2);
		head->has_year = IS_SET(3);
		year = head->has_year ? PART(3) : 0;
	} else {
		year = PART(4);
		head->month = PART(5);
		day = PART(6);
		head->has_year = true;
	}
	hour = PART(7);
	minute = PART(8);
	second = PART(9);
	if (head->month < 1 || head->month > 12 || day < 1 || day > 31 || hour > 23 ||
	    minute > 59 || second > 60)
		return 0;
	if (at[0] != 0)
		return 0;
	head->dated = true;
	head->day = day;
	head->second_of_day = hour * 3600 + minute * 60 + second;
	head->local = qf_when_days(year, head->month, day) * 86400 + head->second_of_day;
	if (IS_SET(10)) {
		const char *zone = line.p + at[20];
		size_t length = at[21] - at[20];

		head->has_zone = true;
		if (*zone != 'Z') {
			unsigned hours = number(zone + 1, 2),
				 minutes = number(zone + length - 2, 2);

			if (hours > 23 || minutes > 59)
				return 0;
			head->zone = (int)(hours * 3600 + minutes * 60) * (*zone == '-' ? -1 : 1);
		}
	}
	heads->last_n = at[1];
	memcpy(heads->last, line.p, at[1]);
	heads->last_head = *head;
	return at[1];
}

static struct qf_slice
from(struct qf_slice s, size_t n)
{
	return (struct qf_slice){s.p + n, s.n - n};
}

/* The word at the front of *rest, which is moved behind it and one blank. */
static struct qf_slice
take_word(struct qf_slice *rest)
{
	const char *blank = memchr(rest->p, ' ', rest->n);
	struct qf_slice word = {rest->p, blank ? (size_t)(blank - rest->p) : rest->n};

	*rest = from(*rest, blank ? word.n + 1 : word.n);
	return word;
}

static bool
read_pid(struct qf_slice digits, long *pid)
{
	long value = 0;

	if (digits.n == 0 || digits.n > 10)
		return false;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		value = value * 10 + (digits.p[i] - '0');
	}
	*pid = value;
	return true;
}

/* PROGRAM[PID]: at the front. Moves *rest behind it. */
static bool
take_tag(struct qf_slice *rest, struct qf_log_head *head)
{
	struct qf_slice after = *rest, word = take_word(&after);
	const char *bracket;

	if (word.n < 2 || word.p[word.n - 1] != ':')
		return false;
	word.n--;
	head->pid = -1;
	bracket = memchr(word.p, '[', word.n);
	if (bracket) {
		size_t name = (size_t)(bracket - word.p);

		if (name == 0 || word.p[word.n - 1] != ']' ||
		    !read_pid((struct qf_slice){bracket + 1, word.n - name - 2}, &head->pid))
			return false;
		word.n = name;
	}
	head->ident = word;
	/* Solaris: [ID 801593 mail.info] */
	if (after.n > 4 && memcmp(after.p, "[ID ", 4) == 0) {
		const char *end = memchr(after.p, ']', after.n);

		if (end)
			after = from(after, (size_t)(end - after.p) + 1);
		if (end && after.n > 0 && *after.p == ' ')
			after = from(after, 1);
	}
	*rest = after;
	return true;
}

/* HOST APP PROCID MSGID STRUCTURED-DATA MSG of RFC 5424. */
static bool
take_5424(struct qf_slice rest, struct qf_log_head *head)
{
	struct qf_slice pid;

	head->host = take_word(&rest);
	head->ident = take_word(&rest);
	pid = take_word(&rest);
	take_word(&rest);
	head->pid = -1;
	read_pid(pid, &head->pid);
	if (head->ident.n == 0 || rest.n == 0)
		return false;
	if (*rest.p == '-') {
		rest = from(rest, 1);
	} else {
		/* [id name="value"]...: a ] in a value is escaped. */
		bool quoted = false;
		size_t i = 0;

		if (*rest.p != '[')
			return false;
		for (; i < rest.n; i++) {
			char c = rest.p[i];

			if (c == '\\' && quoted)
				i++;
			else if (c == '"')
				quoted = !quoted;
			else if (c == ']' && !quoted && (i + 1 == rest.n || rest.p[i + 1] != '['))
				break;
		}
		if (i >= rest.n)
			return false;
		rest = from(rest, i + 1);
	}
	if (rest.n > 0 && *rest.p == ' ')
		rest = from(rest, 1);
	if (rest.n >= 3 && memcmp(rest.p, "\xef\xbb\xbf", 3) == 0)
		rest = from(rest, 3);
	head->text = rest;
	return true;
}

/* What follows the time: HOST TAG TEXT, or without the host. */
static bool
take_3164(struct qf_slice rest, struct qf_log_head *head)
{
	struct qf_slice after = rest;

	head->host = take_word(&after);
	if (take_tag(&after, head)) {
		head->text = after;
		return true;
	}
	head->host = (struct qf_slice){NULL, 0};
	if (!take_tag(&rest, head))
		return false;
	head->text = rest;
	return true;
}

/* <PRI> and the version of RFC 5424, if they are there. */
static struct qf_slice
skip_priority(struct qf_slice line, bool *v1)
{
	size_t i = 1;

	*v1 = false;
	if (line.n < 4 || *line.p != '<')
		return line;
	while (i < 4 && i < line.n && line.p[i] >= '0' && line.p[i] <= '9')
		i++;
	if (i == 1 || i >= line.n || line.p[i] != '>')
		return line;
	line = from(line, i + 1);
	if (line.n > 2 && line.p[0] == '1' && line.p[1] == ' ') {
		*v1 = true;
		line = from(line, 2);
	}
	return line;
}

bool
qf_log_head_read(struct qf_log_heads *heads, struct qf_slice line, bool bare,
		 struct qf_log_head *head, struct qf_log_head *outer)
{
	struct qf_slice rest, inner;
	bool v1, inner_v1;
	size_t n;

	outer->dated = false;
	rest = skip_priority(line, &v1);
	n = read_time(heads, rest, head);
	if (n == 0) {
		memset(head, 0, sizeof(*head));
		/* RFC 5424 allows no time at all. */
		if (v1 && rest.n > 2 && memcmp(rest.p, "- ", 2) == 0)
			return take_5424(from(rest, 2), head);
		if (!bare || !take_tag(&rest, head))
			return false;
		head->text = rest;
		return true;
	}
	rest = from(rest, n);
	if (v1)
		return take_5424(rest, head);
	if (take_3164(rest, head))
		return true;
	/* STREAM LINE, or in the short form LINE alone. */
	if (!head->has_year)
		return false;
	*outer = *head;
	for (int i = 0; i < 2; i++) {
		if (i > 0)
			take_word(&rest);
		inner = skip_priority(rest, &inner_v1);
		n = read_time(heads, inner, head);
		if (n == 0)
			continue;
		inner = from(inner, n);
		return inner_v1 ? take_5424(inner, head) : take_3164(inner, head);
	}
	return false;
}
