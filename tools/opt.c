/*
 * opt - options as rows of a table.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opt.h"

static enum qf_code
fail(struct qf_err *err, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum qf_code
fail(struct qf_err *err, const char *what, const char *format, ...)
{
	va_list args;

	*err = (struct qf_err){.code = QF_E_USAGE};
	snprintf(err->what, sizeof(err->what), "%s", what);
	va_start(args, format);
	vsnprintf(err->why, sizeof(err->why), format, args);
	va_end(args);
	return QF_E_USAGE;
}

const struct opt *
opt_find(const struct opt *options, const char *name)
{
	const struct opt *found = NULL;

	for (const struct opt *o = options; o->kind != OPT_END && !found; o++) {
		if (o->kind == OPT_BLOCK)
			found = opt_find(o->target, name);
		else if (strcmp(o->name, name) == 0)
			found = o;
	}
	return found;
}

static const struct opt *
find_letter(const struct opt *options, char letter)
{
	const struct opt *found = NULL;

	for (const struct opt *o = options; o->kind != OPT_END && !found; o++) {
		if (o->kind == OPT_BLOCK)
			found = find_letter(o->target, letter);
		else if (o->letter == letter)
			found = o;
	}
	return found;
}

/* Letters that differ, roughly: enough to tell a slip of the finger. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= 63)
		return 99;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

static void
nearest(const struct opt *options, const char *name, const char **best, size_t *least)
{
	for (const struct opt *o = options; o->kind != OPT_END; o++) {
		size_t d;

		if (o->kind == OPT_BLOCK) {
			nearest(o->target, name, best, least);
			continue;
		}
		d = distance(name, o->name);
		if (d < *least) {
			*least = d;
			*best = o->name;
		}
	}
}

static enum qf_code
set_word(const struct opt *o, const char *value, struct qf_err *err)
{
	struct qf_buf list = {0};
	enum qf_code code = QF_OK;
	size_t i;

	for (i = 0; o->words[i]; i++) {
		if (strcmp(o->words[i], value) == 0) {
			*(int *)o->target = (int)i;
			qf_buf_release(&list);
			return QF_OK;
		}
		qf_buf_adds(&list, i ? ", " : "");
		qf_buf_adds(&list, o->words[i]);
	}
	code = fail(err, value, "not a value of --%s", o->name);
	snprintf(err->hint, sizeof(err->hint), "one of: %.*s", (int)list.n, list.p);
	qf_buf_release(&list);
	return code;
}

static enum qf_code
set_list(struct opt_list *list, const char *value, struct qf_err *err)
{
	const char **more = realloc(list->values, (list->n + 2) * sizeof(*more));

	if (!more)
		return fail(err, "memory", "none left");
	list->values = more;
	list->values[list->n++] = value;
	list->values[list->n] = NULL;
	return QF_OK;
}

/* Give a row its value; NULL for those that take none. */
static enum qf_code
set(const struct opt *o, const char *value, struct qf_err *err)
{
	struct qf_slice text = {value, value ? strlen(value) : 0};
	unsigned long number;
	char *end;

	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)o->target = true;
		return QF_OK;
	case OPT_COUNT:
		++*(int *)o->target;
		return QF_OK;
	case OPT_STRING:
		*(const char **)o->target = value;
		return QF_OK;
	case OPT_LIST:
		return set_list(o->target, value, err);
	case OPT_NUMBER:
		errno = 0;
		number = strtoul(value, &end, 10);
		if (errno || *end || end == value || *value == '-' || number > 1000000000)
			return fail(err, value, "--%s takes a number", o->name);
		*(unsigned *)o->target = (unsigned)number;
		return QF_OK;
	case OPT_TIMEOUT:
		if (strcmp(value, "now") == 0) {
			*(int64_t *)o->target = QF_SPAN_NOW;
			return QF_OK;
		}
		if (strcmp(value, "never") == 0) {
			*(int64_t *)o->target = QF_SPAN_NEVER;
			return QF_OK;
		}
		/* fall through */
	case OPT_SPAN:
		if (!qf_span_parse(text, o->target))
			return fail(err, value, "--%s takes a time span such as 90s, 5m, 2h, 4d%s",
				    o->name, o->kind == OPT_TIMEOUT ? ", never" : "");
		return QF_OK;
	case OPT_TIME:
		if (!qf_time_parse(text, o->target))
			return fail(err, value,
				    "--%s takes a time such as @1795332063 or 2026-11-20T10:15:00Z",
				    o->name);
		return QF_OK;
	case OPT_WORD:
		return set_word(o, value, err);
	case OPT_BLOCK:
	case OPT_END:
		break;
	}
	return QF_OK;
}

static const void *targets_given[256];
static size_t ntargets_given;

/* The same from the command line, which counts more than a configuration file. */
static enum qf_code
set_given(const struct opt *o, const char *value, struct qf_err *err)
{
	struct opt_list *list = o->kind == OPT_LIST ? o->target : NULL;

	if (list && list->defaults)
		*list = (struct opt_list){.values = list->values};
	if (ntargets_given < sizeof(targets_given) / sizeof(*targets_given))
		targets_given[ntargets_given++] = o->target;
	return set(o, value, err);
}

bool
opt_was_given(const void *target)
{
	for (size_t i = 0; i < ntargets_given; i++)
		if (targets_given[i] == target)
			return true;
	return false;
}

static bool
takes_value(const struct opt *o)
{
	return o->kind != OPT_FLAG && o->kind != OPT_COUNT;
}

static enum qf_code
parse_long(const struct opt *options, const char *text, char **argv, int argc, int *i,
	   struct qf_err *err)
{
	const char *equals = strchr(text, '=');
	char *name = equals ? strndup(text, (size_t)(equals - text)) : strdup(text);
	const struct opt *o = name ? opt_find(options, name) : NULL;
	const char *value = equals ? equals + 1 : NULL, *best = NULL;
	enum qf_code code;
	size_t least = 3;

	if (!o) {
		code = fail(err, argv[*i], "no such option");
		if (name)
			nearest(options, name, &best, &least);
		if (best)
			snprintf(err->hint, sizeof(err->hint), "did you mean --%s?", best);
	} else if (!takes_value(o) && value) {
		code = fail(err, argv[*i], "takes no value");
	} else {
		if (takes_value(o) && !value && *i + 1 < argc)
			value = argv[++*i];
		code = takes_value(o) && !value ? fail(err, argv[*i], "needs a value")
						: set_given(o, value, err);
	}
	free(name);
	return code;
}

static enum qf_code
parse_letters(const struct opt *options, const char *text, char **argv, int argc, int *i,
	      struct qf_err *err)
{
	char shown[3] = "-";

	for (; *text; text++) {
		const struct opt *o = find_letter(options, *text);
		const char *value = NULL;
		enum qf_code code;

		shown[1] = *text;
		if (!o)
			return fail(err, shown, "no such option");
		if (takes_value(o)) {
			if (text[1])
				value = text + 1;
			else if (*i + 1 < argc)
				value = argv[++*i];
			else
				return fail(err, shown, "needs a value");
		}
		code = set_given(o, value, err);
		if (code || value)
			return code;
	}
	return QF_OK;
}

enum qf_code
opt_parse(const struct opt *options, char **argv, int argc, size_t *n, struct qf_err *err)
{
	bool ended = false;
	enum qf_code code = QF_OK;

	*n = 0;
	for (int i = 0; i < argc && !code; i++) {
		char *arg = argv[i];

		if (ended || arg[0] != '-' || !arg[1])
			argv[(*n)++] = arg;
		else if (strcmp(arg, "--") == 0)
			ended = true;
		else if (arg[1] == '-')
			code = parse_long(options, arg + 2, argv, argc, &i, err);
		else
			code = parse_letters(options, arg + 1, argv, argc, &i, err);
	}
	return code;
}

enum qf_code
opt_set(const struct opt *options, const char *name, const char *value, struct qf_err *err)
{
	const struct opt *o = opt_find(options, name);

	if (!o) {
		fail(err, name, "no such option");
		return err->code = QF_E_NOT_FOUND;
	}
	if (o->kind == OPT_LIST)
		((struct opt_list *)o->target)->defaults = true;
	if (takes_value(o))
		return set(o, value, err);
	if (strcmp(value, "yes") == 0 || strcmp(value, "on") == 0 || strcmp(value, "true") == 0 ||
	    strcmp(value, "1") == 0)
		return set(o, NULL, err);
	if (strcmp(value, "no") && strcmp(value, "off") && strcmp(value, "false") &&
	    strcmp(value, "0"))
		return fail(err, name, "takes yes or no, not \"%s\"", value);
	if (o->kind == OPT_FLAG)
		*(bool *)o->target = false;
	return QF_OK;
}

void
opt_help(const struct opt *options, struct qf_buf *out)
{
	for (const struct opt *o = options; o->kind != OPT_END; o++) {
		char left[64];

		if (o->kind == OPT_BLOCK) {
			qf_buf_addf(out, "\n%s\n", o->help);
			opt_help(o->target, out);
			continue;
		}
		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
			 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			 o->argument ? "=" : "", o->argument ? o->argument : "");
		qf_buf_addf(out, "  %-28s  %s\n", left, o->help);
	}
}

void
opt_dump(const char *command, const struct opt *options, struct qf_buf *out)
{
	for (const struct opt *o = options; o->kind != OPT_END; o++) {
		if (o->kind == OPT_BLOCK) {
			opt_dump(command, o->target, out);
			continue;
		}
		qf_buf_addf(out, "%s\t%c\t%s\t%s\t", command, o->letter ? o->letter : '-', o->name,
			    o->argument ? o->argument : "");
		for (size_t i = 0; o->words && o->words[i]; i++)
			qf_buf_addf(out, "%s%s", i ? " " : "", o->words[i]);
		qf_buf_addf(out, "\t%s\n", o->help);
	}
}
