/*
 * cf - what a sendmail.cf says about its queue.
 *
 * Read as sendmail reads it: the same folding and comments, the same names and abbreviations, the
 * same arithmetic. Where sendmail complains about a value that decides about the queue, or refuses
 * to start because of it, this is an error here; what it takes in silence is taken in silence.
 * Lines about anything else are not judged. Each rule was tried on sendmail 8.17.1.9; what was seen
 * is in cf_test.c.
 *
 * Origin: sendmail/readcf.c readcf(), setoption(), settimeout(), inittimeouts(). Queue groups are
 * read in cf_group.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "cf_parts.h"
#include "cf_value.h"
#include "err.h"
#include "sys.h"

#define DEFAULT_QUEUE "/var/spool/mqueue"

void
qf_policy_default(struct qf_policy *policy)
{
	*policy = (struct qf_policy){
		.queue_file_mode = 0600,
		.super_safe = QF_SAFE_TRUE,
		.sort_order = QF_ORDER_PRIORITY,
	};
	for (int i = 0; i < QF_CLASS_COUNT; i++)
		policy->queue_return[i] = 5 * 86400;
}

const char *
qf_timeout_class_name(enum qf_timeout_class c)
{
	switch (c) {
	case QF_CLASS_NORMAL:
		return "normal";
	case QF_CLASS_URGENT:
		return "urgent";
	case QF_CLASS_NONURGENT:
		return "non-urgent";
	case QF_CLASS_DSN:
		return "dsn";
	case QF_CLASS_COUNT:
		break;
	}
	return "unknown";
}

/* ---------------------------------------------------------------- reading */

const char *
qf_cf_copy(struct qf_cf_reader *r, const char *text, size_t n)
{
	return qf_arena_copy(&r->cf->arena, (struct qf_slice){text, n}).p;
}

enum qf_code
qf_cf_refuse_macro(struct qf_cf_reader *r, const char *option)
{
	char why[96];

	snprintf(why, sizeof(why), "%.40s: macros are not expanded here", option);
	return qf_cf_refuse(&r->line, r->line.macro,
			    "sendmail does not expand it either: write the directory out", why);
}

static enum qf_code
read_queue_directory(struct qf_cf_reader *r, size_t place)
{
	struct qf_cf *cf = r->cf;

	if (r->line.macro != SIZE_MAX && r->line.macro >= place)
		return qf_cf_refuse_macro(r, "QueueDirectory");
	cf->queue_directory =
		place < r->line.n ? qf_cf_copy(r, r->line.text + place, r->line.n - place) : "mqueue";
	cf->queue_line = r->line.number;
	return cf->queue_directory ? QF_OK : qf_err_nomem(r->line.err);
}

/* ---------------------------------------------------------------- options */

static enum qf_code
keep(struct qf_cf_reader *r, size_t index, size_t from, size_t to)
{
	struct setting *setting = &r->cf->settings[index];
	char *value = strndup(r->line.text + from, to - from);

	if (!value)
		return qf_err_nomem(r->line.err);
	free(setting->value);
	setting->value = value;
	setting->line = r->line.number;
	setting->order = ++r->cf->nset;
	return QF_OK;
}

/* Timeout.NAME: text[name..name_end) is the name, text[from..to) the value. */
static enum qf_code
set_timeout(struct qf_cf_reader *r, size_t name, size_t name_end, size_t from, size_t to)
{
	struct qf_policy *policy = &r->cf->policy;
	size_t i = qf_cf_find_timeout(r->line.text + name, name_end - name);
	char option[48], why[160], what[96];
	enum qf_code code = QF_OK;

	if (i == SIZE_MAX) {
		/* It looks as if it were about the queue; sendmail does not start with it. */
		if (name_end - name >= 5 && strncasecmp(r->line.text + name, "queue", 5) == 0) {
			qf_cf_put_assignment(what, "Timeout", r->line.text + name, name_end - name);
			what[strlen("Timeout")] = '.';
			snprintf(why, sizeof(why), "%s: no such timeout", what);
			return qf_cf_refuse(
				&r->line, name,
				"queuereturn or queuewarn, alone or with .normal, .urgent, "
				".non-urgent, .dsn",
				why);
		}
		return QF_OK;
	}
	snprintf(option, sizeof(option), "Timeout.%s", qf_cf_timeouts[i]);
	if (i < QF_CF_WARN_ALL) {
		int64_t *values = policy->queue_return;
		size_t k = i > QF_CF_RETURN_ALL ? i - QF_CF_RETURN : 0;

		code = qf_cf_read_return(&r->line, option, from, to, &values[k]);
		for (size_t c = 0; !code && i == QF_CF_RETURN_ALL && c < QF_CLASS_COUNT; c++)
			values[c] = values[k];
	} else if (i < QF_CF_WARN + QF_CLASS_COUNT) {
		int64_t *values = policy->queue_warn;
		size_t k = i > QF_CF_WARN_ALL ? i - QF_CF_WARN : 0;

		code = qf_cf_read_warning(&r->line, option, from, to, &values[k]);
		for (size_t c = 0; !code && i == QF_CF_WARN_ALL && c < QF_CLASS_COUNT; c++)
			values[c] = values[k];
	}
	return code ? code : keep(r, QF_CF_OPTIONS + i, from, to);
}

/* Timeout without a sub-option: NAME=TIME or NAME:TIME, separated by commas. A bare time sets those
   of the SMTP dialogue, and what is neither is passed over. Origin: inittimeouts(). */
static enum qf_code
set_timeouts(struct qf_cf_reader *r, size_t from)
{
	enum qf_code code = QF_OK;

	while (from < r->line.n && !code) {
		size_t to, sign;

		while (from < r->line.n && qf_cf_is_space(r->line.text[from]))
			from++;
		to = from + strcspn(r->line.text + from, ",");
		for (sign = from; sign < to && r->line.text[sign] != ':'; sign++)
			;
		if (sign == to)
			for (sign = from; sign < to && r->line.text[sign] != '='; sign++)
				;
		if (sign < to)
			code = set_timeout(r, from, sign, sign + 1, to);
		from = to + 1;
	}
	return code;
}

/* QueueTimeout, the old form of two timeouts: RETURN or RETURN/WARN. */
static enum qf_code
set_queue_timeout(struct qf_cf_reader *r, size_t from)
{
	size_t slash = from + strcspn(r->line.text + from, "/");
	struct qf_policy *policy = &r->cf->policy;
	enum qf_code code = QF_OK;
	int64_t span;

	if (slash < r->line.n) {
		code = qf_cf_read_warning(&r->line, "QueueTimeout", slash + 1, r->line.n, &span);
		for (size_t c = 0; !code && c < QF_CLASS_COUNT; c++)
			policy->queue_warn[c] = span;
		if (!code)
			code = keep(r, QF_CF_OPTIONS + QF_CF_WARN_ALL, slash + 1, r->line.n);
	}
	if (!code)
		code = qf_cf_read_return(&r->line, "QueueTimeout", from, slash, &span);
	for (size_t c = 0; !code && c < QF_CLASS_COUNT; c++)
		policy->queue_return[c] = span;
	return code ? code : keep(r, QF_CF_OPTIONS + QF_CF_RETURN_ALL, from, slash);
}

/* MinFreeBlocks, the old form with MaxMessageSize behind a slash. */
static enum qf_code
set_min_free_blocks(struct qf_cf_reader *r, size_t from)
{
	size_t slash = from + strcspn(r->line.text + from, "/");

	for (size_t i = 0; slash < r->line.n && i < QF_CF_OPTIONS; i++)
		if (strcmp(qf_cf_options[i].name, "MaxMessageSize") == 0)
			return keep(r, i, slash + 1, r->line.n);
	return QF_OK;
}

/* sub: where the name of a sub-option begins in text, up to sub_end; sub_end for none. */
static enum qf_code
set_option(struct qf_cf_reader *r, size_t index, size_t sub, size_t sub_end, size_t from)
{
	const struct qf_cf_name *option = &qf_cf_options[index];
	struct qf_policy *policy = &r->cf->policy;
	const char *value = r->line.text + from;
	enum qf_code code = QF_OK;
	int n;

	if (option->effect == QF_CF_TIMEOUT && sub < sub_end)
		return set_timeout(r, sub, sub_end, from, r->line.n);
	if (option->effect == QF_CF_MILTER && sub < sub_end)
		return QF_OK;
	switch (option->effect) {
	case QF_CF_KEPT:
	case QF_CF_MILTER:
		break;
	case QF_CF_QUEUE_DIRECTORY:
		code = read_queue_directory(r, from);
		break;
	case QF_CF_MIN_QUEUE_AGE:
		code = qf_cf_read_age(&r->line, option->name, from, &policy->min_queue_age);
		break;
	case QF_CF_MAX_QUEUE_AGE:
		code = qf_cf_read_age(&r->line, option->name, from, &policy->max_queue_age);
		break;
	case QF_CF_QUEUE_FILE_MODE:
		policy->queue_file_mode = qf_cf_read_octal(value);
		break;
	case QF_CF_PRIVACY:
		policy->restrict_mailq |= qf_cf_restricts_mailq(value);
		break;
	case QF_CF_SUPER_SAFE:
		policy->super_safe = qf_cf_read_super_safe(value);
		break;
	case QF_CF_SORT_ORDER:
		code = qf_cf_read_sort_order(&r->line, from, &policy->sort_order);
		break;
	case QF_CF_MAX_RUN_SIZE:
		n = qf_cf_read_int(value);
		policy->max_queue_run_size = n > 0 ? n : 0;
		break;
	case QF_CF_TRUSTED_USER:
		code = qf_cf_read_trusted_user(&r->line, from, &policy->trusted_uid);
		break;
	case QF_CF_QUEUE_TIMEOUT:
		code = set_queue_timeout(r, from);
		break;
	case QF_CF_TIMEOUT:
		code = set_timeouts(r, from);
		break;
	case QF_CF_MIN_FREE_BLOCKS:
		code = set_min_free_blocks(r, from);
		break;
	}
	return code ? code : keep(r, index, from, r->line.n);
}

/* An option sendmail does not know because of blanks where it allows none. Of those that are about
   the queue this is said; with others it is sendmail's affair. */
static enum qf_code
refuse_blanks(struct qf_cf_reader *r, size_t from, size_t to)
{
	char why[160];

	while (from < to && qf_cf_is_space(r->line.text[from]))
		from++;
	while (from < to && qf_cf_is_space(r->line.text[to - 1]))
		to--;
	for (size_t i = 0; i < QF_CF_OPTIONS; i++) {
		if (qf_cf_options[i].effect == QF_CF_KEPT ||
		    qf_cf_options[i].effect == QF_CF_MILTER ||
		    qf_cf_options[i].effect == QF_CF_PRIVACY ||
		    !qf_cf_same_word(r->line.text + from, to - from, qf_cf_options[i].name))
			continue;
		snprintf(why, sizeof(why), "%s: sendmail does not know it with these blanks",
			 qf_cf_options[i].name);
		return qf_cf_refuse(
			&r->line, from,
			"write O NAME=VALUE: one blank behind O, around = blanks and no tabs", why);
	}
	return QF_OK;
}

/* O NAME=VALUE, O NAME.SUB=VALUE, or the old form: O, a letter, the value. */
static enum qf_code
read_option(struct qf_cf_reader *r)
{
	const char *text = r->line.text;
	size_t name = 2, end, dot, from, index;

	if (text[1] && !qf_cf_is_space(text[1])) {
		for (size_t i = 0; i < QF_CF_OPTIONS; i++)
			if (qf_cf_options[i].letter == text[1])
				return set_option(r, i, 0, 0, 2);
		return QF_OK;
	}
	if (r->line.n < 3)
		return QF_OK;
	from = end = name + strcspn(text + name, "=");
	while (end > name && text[end - 1] == ' ')
		end--;
	from += from < r->line.n;
	while (text[from] == ' ')
		from++;
	dot = name + strcspn(text + name, ".");
	if (dot > end)
		dot = end;
	index = text[1] == ' ' ? qf_cf_find_option(text + name, dot - name) : SIZE_MAX;
	if (index == SIZE_MAX)
		return refuse_blanks(r, name, dot);
	return set_option(r, index, dot < end ? dot + 1 : end, end, from);
}

/* ---------------------------------------------------------------- the file */

/* VLEVEL/VENDOR. Of no number sendmail takes no notice. */
static void
read_version(struct qf_cf_reader *r)
{
	const char *text = r->line.text + 1;

	while (qf_cf_is_space(*text))
		text++;
	if (qf_cf_is_digit(*text))
		r->line.level = strtol(text, NULL, 10);
}

/* The logical line bytes[start..end). */
static enum qf_code
read_line(struct qf_cf_reader *r, size_t start, size_t end)
{
	char letter = start < end ? r->line.bytes.p[start] : '\0';

	if (letter != 'O' && letter != 'Q' && letter != 'V')
		return QF_OK;
	r->line.start = start;
	if (!qf_cf_understand(&r->line, start, end))
		return qf_err_nomem(r->line.err);
	switch (letter) {
	case 'O':
		return read_option(r);
	case 'Q':
		return qf_cf_read_group(r);
	default:
		read_version(r);
		return QF_OK;
	}
}

/* Lines, with those that continue them: that begin with a blank or a tab. */
static enum qf_code
read_lines(struct qf_cf_reader *r)
{
	const char *p = r->line.bytes.p;
	size_t n = r->line.bytes.n, start = 0;
	enum qf_code code = QF_OK;
	unsigned line = 1;

	while (start < n && !code) {
		unsigned first = line;
		size_t i = start;

		for (;;) {
			const char *nl = memchr(p + i, '\n', n - i);

			i = nl ? (size_t)(nl - p) : n;
			if (!nl || i + 1 == n || (p[i + 1] != ' ' && p[i + 1] != '\t'))
				break;
			i++;
			line++;
		}
		r->line.number = first;
		code = read_line(r, start, i);
		start = i + 1;
		line++;
	}
	return code;
}

enum qf_code
qf_cf_parse(struct qf_slice bytes, const char *name, struct qf_cf **out, struct qf_err *err)
{
	struct qf_cf *cf = calloc(1, sizeof(*cf));
	struct qf_cf_reader r = {.line = {.file = name, .bytes = bytes, .err = err}, .cf = cf};
	enum qf_code code;

	if (!cf)
		return qf_err_nomem(err);
	cf->name = qf_cf_copy(&r, name, strlen(name));
	qf_policy_default(&cf->policy);
	cf->groups[cf->ngroups++] = (struct qf_group){.name = "mqueue", .flags = ""};
	if (!cf->name)
		code = qf_err_nomem(err);
	else if (bytes.n > QF_CF_MAX)
		code = qf_err_set(err, QF_E_CONFIG, name, "larger than %zu MB: no sendmail.cf",
				  QF_CF_MAX >> 20);
	else
		code = read_lines(&r);
	free(r.line.text);
	free(r.line.at);
	if (code) {
		qf_cf_free(cf);
		return code;
	}
	if (!r.mqueue_given) {
		cf->groups[0].path = cf->queue_directory ? cf->queue_directory : DEFAULT_QUEUE;
		cf->groups[0].line = cf->queue_line;
	}
	*out = cf;
	return QF_OK;
}

/* A file's bytes, no more than one over the limit. Returns an errno. */
static int
read_bytes(struct qf_io *io, int fd, struct qf_buf *buf)
{
	ssize_t got = 1;

	while (got > 0 && buf->n <= QF_CF_MAX) {
		char *room = qf_buf_room(buf, 65536);

		if (!room)
			return ENOMEM;
		got = qf_io_read(io, fd, room, 65536);
		if (got < 0)
			return errno;
		buf->n += (size_t)got;
	}
	return 0;
}

enum qf_code
qf_cf_read(const char *path, struct qf_cf **out, struct qf_err *err)
{
	struct qf_buf buf = {0};
	enum qf_code code;
	struct qf_io io;
	struct stat st;
	int fd, failure;

	qf_io_init(&io, NULL, 0);
	/* Not to wait for a FIFO's writer. */
	fd = qf_io_open(&io, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return qf_err_sys(err, errno, path, "cannot open");
	if (qf_io_fstat(&io, fd, &st) < 0) {
		code = qf_err_sys(err, errno, path, "cannot stat");
	} else if (!S_ISREG(st.st_mode)) {
		code = qf_err_set(err, QF_E_CONFIG, path, "not a plain file");
	} else {
		failure = read_bytes(&io, fd, &buf);
		code = failure ? qf_err_sys(err, failure, path, "cannot read")
			       : qf_cf_parse((struct qf_slice){buf.p ? buf.p : "", buf.n}, path,
					     out, err);
	}
	qf_io_close(&io, fd);
	qf_buf_release(&buf);
	return code;
}

void
qf_cf_free(struct qf_cf *cf)
{
	if (!cf)
		return;
	for (size_t i = 0; i < QF_CF_OPTIONS + QF_CF_TIMEOUTS; i++)
		free(cf->settings[i].value);
	qf_arena_release(&cf->arena);
	free(cf);
}

/* ---------------------------------------------------------------- questions */

const struct qf_policy *
qf_cf_policy(const struct qf_cf *cf)
{
	return &cf->policy;
}

/* The setting of an option by its full name. */
static const struct setting *
find_setting(const struct qf_cf *cf, const char *name)
{
	static const char prefix[] = "Timeout.";

	if (strncasecmp(name, prefix, sizeof(prefix) - 1) == 0) {
		const char *sub = name + sizeof(prefix) - 1;
		size_t i = qf_cf_find_timeout(sub, strlen(sub));

		return i == SIZE_MAX ? NULL : &cf->settings[QF_CF_OPTIONS + i];
	}
	for (size_t i = 0; i < QF_CF_OPTIONS; i++)
		if (strcasecmp(qf_cf_options[i].name, name) == 0)
			return &cf->settings[i];
	return NULL;
}

const char *
qf_cf_option(const struct qf_cf *cf, const char *name, unsigned *line)
{
	const struct setting *setting = find_setting(cf, name);

	if (line)
		*line = setting ? setting->line : 0;
	return setting ? setting->value : NULL;
}

unsigned
qf_cf_line(const struct qf_cf *cf, const char *name)
{
	const struct setting *setting = find_setting(cf, name), *all, *first, *kind;

	if (!setting)
		return 0;
	first = cf->settings + QF_CF_OPTIONS;
	if (setting < first || setting >= first + QF_CF_WARN + QF_CLASS_COUNT)
		return setting->line;
	/* The value of a class comes from its own line or from one for all, whichever is last; the
	   question without a class is taken for the normal one. */
	kind = setting < first + QF_CF_WARN_ALL ? first + QF_CF_RETURN_ALL : first + QF_CF_WARN_ALL;
	all = kind;
	if (setting == all)
		setting = all + 1;
	return all->order > setting->order ? all->line : setting->line;
}

const struct qf_group *
qf_cf_groups(const struct qf_cf *cf, size_t *n)
{
	*n = cf->ngroups;
	return cf->groups;
}

const char *
qf_cf_queue_directory(const struct qf_cf *cf, unsigned *line)
{
	if (line)
		*line = cf->queue_line;
	return cf->queue_directory;
}

const char *
qf_cf_name(const struct qf_cf *cf)
{
	return cf->name;
}
