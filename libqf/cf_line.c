/*
 * cf_line - one logical line of a sendmail.cf, as sendmail understands it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cf_line.h"
#include "err.h"

static bool
reserve(struct qf_cf_line *l, size_t n)
{
	size_t cap = n + 1;
	uint32_t *at;
	char *text;

	if (cap <= l->cap)
		return true;
	cap = cap < 256 ? 256 : cap;
	text = realloc(l->text, cap);
	if (text)
		l->text = text;
	at = text ? realloc(l->at, cap * sizeof(*at)) : NULL;
	if (!at)
		return false;
	l->at = at;
	l->cap = cap;
	return true;
}

static void
put(struct qf_cf_line *l, char c, size_t from)
{
	l->text[l->n] = c;
	l->at[l->n++] = (uint32_t)from;
}

/* Copy a macro reference at bytes[i] ('$', not "$$") as it stands; returns its last byte. */
static size_t
put_macro(struct qf_cf_line *l, size_t i, size_t end)
{
	const char *p = l->bytes.p;

	if (l->macro == SIZE_MAX)
		l->macro = l->n;
	put(l, '$', i++);
	put(l, p[i], i);
	if (strchr("=~&?", p[i]) && i + 1 < end) {
		i++;
		put(l, p[i], i);
	}
	if (p[i] == '{') {
		while (i + 1 < end && p[i] != '}') {
			i++;
			put(l, p[i], i);
		}
	}
	return i;
}

bool
qf_cf_understand(struct qf_cf_line *l, size_t start, size_t end)
{
	const char *p = l->bytes.p;
	const char *nul = memchr(p + start, '\0', end - start);

	if (nul)
		end = (size_t)(nul - p);
	if (!reserve(l, end - start))
		return false;
	l->n = 0;
	l->macro = SIZE_MAX;
	for (size_t i = start; i < end; i++) {
		if (p[i] == '\r' && i + 1 < end && p[i + 1] == '\n')
			continue;
		if (p[i] == '#' && l->n > 0 && l->level >= 3) {
			if (l->text[l->n - 1] == '\\') {
				l->n--;
				put(l, '#', i);
				continue;
			}
			while (l->n > 1 && qf_cf_is_space(l->text[l->n - 1]) &&
			       l->text[l->n - 1] != '\n')
				l->n--;
			while (i + 1 < end && p[i + 1] != '\n')
				i++;
		} else if (p[i] == '$' && i + 1 < end && p[i + 1] == '$') {
			put(l, '$', i++);
		} else if (p[i] == '$' && i + 1 < end) {
			i = put_macro(l, i, end);
		} else {
			put(l, p[i], i);
		}
	}
	while (l->n > 1 && qf_cf_is_space(l->text[l->n - 1]))
		l->n--;
	l->text[l->n] = '\0';
	l->at[l->n] = l->n ? l->at[l->n - 1] + 1 : (uint32_t)start;
	return true;
}

/* Physical line and column of a place in text. */
static void
locate(const struct qf_cf_line *l, size_t place, unsigned *line, unsigned *column)
{
	size_t to = l->at[place < l->n ? place : l->n], from = l->start;

	*line = l->number;
	for (size_t i = l->start; i < to; i++) {
		if (l->bytes.p[i] == '\n') {
			++*line;
			from = i + 1;
		}
	}
	*column = (unsigned)(to - from + 1);
}

enum qf_code
qf_cf_refuse(struct qf_cf_line *l, size_t place, const char *hint, const char *why)
{
	qf_err_set(l->err, QF_E_CONFIG, l->file, "%s", why);
	if (l->err) {
		locate(l, place, &l->err->line, &l->err->column);
		qf_err_hint(l->err, "%s", hint);
	}
	return QF_E_CONFIG;
}

void
qf_cf_put_assignment(char out[96], const char *option, const char *value, size_t n)
{
	size_t i = (size_t)snprintf(out, 96, "%.40s=", option);

	for (size_t k = 0; k < n && i < 90; k++)
		out[i++] = value[k] >= ' ' && value[k] <= '~' ? value[k] : '?';
	out[i] = '\0';
}
