/*
 * shape_text - the table of qf shape.
 *
 * Origin of the layout, the order and the parent domains: Postfix's qshape(1), observed from
 * outside. What is different is said where it is.
 */
#include <stdlib.h>
#include <string.h>

#include "column.h"
#include "out.h"
#include "shape_text.h"
#include "table.h"
#include "term.h"

/* Columns of the key that the counts cannot take away. */
#define KEY_LEAST 18
/* Longest name of a domain in bytes (RFC 1035, 2.3.4), and of a parent with its dot: of a longer
   one, which no name in the DNS has, the names count as right below the next shorter. */
#define DOMAIN_MAX 253
#define PARENT_MAX (DOMAIN_MAX + 1)

struct line {
	struct qf_slice key;
	uint64_t total;
	const uint64_t *counts;
};

struct lines {
	struct line total;
	struct line *line;
	size_t n, nparents;    /* the last ones are parents, until they are put in order */
	size_t width;          /* counts of a line: one more than limits */
	uint64_t *sums;        /* of the total */
	uint64_t *parent_sums; /* of parent after parent */
};

static void
lines_release(struct lines *lines)
{
	free(lines->line);
	free(lines->sums);
	free(lines->parent_sums);
	*lines = (struct lines){0};
}

/* ------------------------------------------------------------------ parent domains */

/* A parent domain whose names are passing. */
struct parent {
	struct qf_slice key; /* with a leading dot; lies in the key of one of its domains */
	size_t children;     /* names and parents right below it */
	uint64_t total;
};

/*
 * Domains in the order of their names read backwards: all below one parent stand together, and
 * parents lie in each other like brackets.
 */
struct walk {
	struct parent open[PARENT_MAX];
	size_t depth;
	uint64_t *sums; /* counts for each open parent */
	unsigned min_children;
};

/*
 * The parents of a domain, the widest first: every end of its name that begins with a dot and has
 * another one, so no top level domain. They are slices of the key.
 */
static size_t
parents_of(struct qf_slice key, struct qf_slice parents[PARENT_MAX])
{
	bool top = true;
	size_t n = 0;

	for (size_t i = key.n; i-- > 1 && key.n - i <= PARENT_MAX;) {
		if (key.p[i] != '.')
			continue;
		if (!top)
			parents[n++] = (struct qf_slice){key.p + i, key.n - i};
		top = false;
	}
	return n;
}

static void
add_counts(uint64_t *to, const uint64_t *counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += counts[i];
}

/* One line more at the end of lines, with room for its counts; false when memory is out. */
static bool
add_parent(struct lines *lines, const struct parent *parent, const uint64_t *counts)
{
	size_t n = lines->nparents + 1;
	uint64_t *sums;
	struct line *more;

	/* The room doubles: it is full when n - 1 is a power of two, or none. */
	if ((lines->nparents & (lines->nparents - 1)) == 0) {
		size_t room = lines->nparents ? lines->nparents * 2 : 1;

		sums = reallocarray(lines->parent_sums, room * lines->width, sizeof(*sums));
		if (!sums)
			return false;
		lines->parent_sums = sums;
		more = reallocarray(lines->line, lines->n - lines->nparents + room, sizeof(*more));
		if (!more)
			return false;
		lines->line = more;
	}
	sums = lines->parent_sums + lines->nparents * lines->width;
	memcpy(sums, counts, lines->width * sizeof(*sums));
	/* Its counts may yet move: they are set when all parents are there. */
	lines->line[lines->n++] = (struct line){parent->key, parent->total, NULL};
	lines->nparents = n;
	return true;
}

/* Close parents until so many are open. */
static bool
close_parents(struct lines *lines, struct walk *walk, size_t depth)
{
	while (walk->depth > depth) {
		const struct parent *parent = &walk->open[--walk->depth];
		uint64_t *sums = walk->sums + walk->depth * lines->width;

		if (walk->depth) {
			walk->open[walk->depth - 1].total += parent->total;
			add_counts(sums - lines->width, sums, lines->width);
		}
		if (parent->children >= walk->min_children && !add_parent(lines, parent, sums))
			return false;
	}
	return true;
}

static void
open_parent(struct lines *lines, struct walk *walk, struct qf_slice key)
{
	if (walk->depth)
		walk->open[walk->depth - 1].children++;
	memset(walk->sums + walk->depth * lines->width, 0, lines->width * sizeof(*walk->sums));
	walk->open[walk->depth++] = (struct parent){.key = key};
}

static bool
walk_line(struct lines *lines, struct walk *walk, const struct line *line)
{
	struct qf_slice parents[PARENT_MAX];
	size_t n = parents_of(line->key, parents), same = 0;

	while (same < n && same < walk->depth && walk->open[same].key.n == parents[same].n &&
	       memcmp(walk->open[same].key.p, parents[same].p, parents[same].n) == 0)
		same++;
	if (!close_parents(lines, walk, same))
		return false;
	while (walk->depth < n)
		open_parent(lines, walk, parents[walk->depth]);
	if (n) {
		walk->open[n - 1].children++;
		walk->open[n - 1].total += line->total;
		add_counts(walk->sums + (n - 1) * lines->width, line->counts, lines->width);
	}
	return true;
}

static int
compare_backwards(const void *left, const void *right)
{
	const struct qf_slice *a = &((const struct line *)left)->key;
	const struct qf_slice *b = &((const struct line *)right)->key;
	size_t n = a->n < b->n ? a->n : b->n;

	for (size_t i = 1; i <= n; i++) {
		unsigned char x = (unsigned char)a->p[a->n - i], y = (unsigned char)b->p[b->n - i];

		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a->n > b->n) - (a->n < b->n);
}

/* Add lines for the parents that have children enough. */
static bool
add_parents(struct lines *lines, unsigned min_children)
{
	struct walk walk = {.min_children = min_children};
	size_t n = lines->n;
	bool ok = true;

	walk.sums = reallocarray(NULL, PARENT_MAX * lines->width, sizeof(*walk.sums));
	if (!walk.sums)
		return false;
	qsort(lines->line, n, sizeof(*lines->line), compare_backwards);
	for (size_t i = 0; i < n && ok; i++) {
		/* A copy: adding parents may move the array. */
		struct line line = lines->line[i];

		ok = walk_line(lines, &walk, &line);
	}
	ok = ok && close_parents(lines, &walk, 0);
	for (size_t i = 0; i < lines->nparents; i++)
		lines->line[n + i].counts = lines->parent_sums + i * lines->width;
	free(walk.sums);
	return ok;
}

/* ------------------------------------------------------------------ lines */

/* Largest first, then the shorter key; where qshape leaves the rest to chance, by name. */
static int
compare_lines(const void *left, const void *right)
{
	const struct line *a = left, *b = right;

	if (a->total != b->total)
		return a->total > b->total ? -1 : 1;
	if (a->key.n != b->key.n)
		return a->key.n < b->key.n ? -1 : 1;
	if (!a->key.n)
		return (a->key.p != NULL) - (b->key.p != NULL);
	return memcmp(a->key.p, b->key.p, a->key.n);
}

/*
 * The lines of the table. The total is the sum of the lines but parents, so that each recipient
 * or message that is counted is in it once. It stands first whatever else is as large: in qshape
 * a domain of less than five letters that has everything stands above it.
 */
static bool
lines_make(struct lines *lines, const struct shape_table *table, struct qf_groups *groups)
{
	size_t n;
	const struct qf_group_row *rows = qf_groups_rows(groups, &n);

	*lines = (struct lines){.width = table->nminutes + 1};
	lines->sums = calloc(lines->width, sizeof(*lines->sums));
	lines->line = reallocarray(NULL, n + 1, sizeof(*lines->line));
	if (!lines->sums || !lines->line)
		return false;
	lines->total = (struct line){.key = {"TOTAL", 5}, .counts = lines->sums};
	for (size_t i = 0; i < n; i++) {
		struct line line = {rows[i].key, rows[i].messages, rows[i].counts};

		lines->line[lines->n++] = line;
		lines->total.total += rows[i].messages;
		add_counts(lines->sums, rows[i].counts, lines->width);
	}
	if (table->parents && !add_parents(lines, table->min_subdomains))
		return false;
	qsort(lines->line, lines->n, sizeof(*lines->line), compare_lines);
	return true;
}

/* ------------------------------------------------------------------ one line as text */

static void
add_blanks(struct qf_buf *out, size_t n)
{
	while (n-- > 0)
		qf_buf_addc(out, ' ');
}

/* Where the last character of text begins: a whole one, or one byte of what is not UTF-8. */
static size_t
last_character(struct qf_slice text)
{
	for (size_t n = 1; n <= 4 && n <= text.n; n++)
		if (qf_utf8_valid((struct qf_slice){text.p + text.n - n, n}))
			return text.n - n;
	return text.n - 1;
}

/* The same, but with the letter that marks stand on; not with any number of them. */
static size_t
last_letter(struct qf_slice text)
{
	size_t at = last_character(text);

	while (at > 0 && text.n - at < 32 &&
	       qf_text_width((struct qf_slice){text.p + at, text.n - at}) == 0)
		at = last_character((struct qf_slice){text.p, at});
	return at;
}

/* The end of a text that takes at most width columns when it is made safe. What is made safe by
   itself takes a column or more, so few letters are looked at. */
static struct qf_slice
end_of(struct qf_slice text, size_t width, bool utf8)
{
	size_t start = text.n, used = 0;
	struct qf_buf safe = {0};

	while (start > 0) {
		size_t at = last_letter((struct qf_slice){text.p, start});

		qf_buf_clear(&safe);
		qf_escape_terminal(&safe, (struct qf_slice){text.p + at, start - at}, utf8);
		used += qf_text_width((struct qf_slice){safe.p, safe.n});
		if (used > width)
			break;
		start = at;
	}
	qf_buf_release(&safe);
	return (struct qf_slice){text.p + start, text.n - start};
}

/*
 * A name to the right, its end shown where it is too long. Columns of the screen count, not
 * bytes: the same unless a name is not ASCII, or has to be made safe.
 */
static void
put_name(struct qf_slice name, size_t width, bool utf8, struct qf_buf *out)
{
	const char *mark = name.n && name.p[0] == '.' ? ".+" : "+";
	struct qf_buf safe = {0};
	size_t used = SIZE_MAX;

	/* Characters may share a column, but not so many. */
	if (name.n <= 8 * width) {
		qf_escape_terminal(&safe, name, utf8);
		used = qf_text_width((struct qf_slice){safe.p, safe.n});
	}
	if (used <= width) {
		mark = "";
	} else {
		qf_buf_clear(&safe);
		qf_escape_terminal(&safe, end_of(name, width - strlen(mark), utf8), utf8);
		used = strlen(mark) + qf_text_width((struct qf_slice){safe.p, safe.n});
	}
	add_blanks(out, used < width ? width - used : 0);
	qf_buf_adds(out, mark);
	qf_buf_add(out, safe.p, safe.n);
	qf_buf_release(&safe);
}

/* Names end in what matters most, domains above all; of other texts the beginning does. */
static bool
is_name(const struct qf_field *field)
{
	static const char *const names[] = {"from", "rcpt", "relay"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(field->name, names[i]) == 0)
			return true;
	return field->domain;
}

static void
put_key(const struct shape_table *table, struct qf_slice key, size_t width, struct qf_buf *out)
{
	static const char none[] = "(none)";

	if (!key.p)
		key = (struct qf_slice){none, sizeof(none) - 1};
	if (is_name(table->field))
		put_name(key, width, term_utf8(), out);
	else
		table_cell(key, width, true, term_utf8(), out);
}

/* The heading of the i-th count. */
static void
put_limit(const struct shape_table *table, size_t i, struct qf_buf *out)
{
	if (i < table->nminutes)
		qf_buf_addf(out, "%lld", (long long)table->minutes[i]);
	else
		qf_buf_addf(out, "%lld+", (long long)(table->nminutes ? table->minutes[i - 1] : 0));
}

static size_t
digits(uint64_t number)
{
	size_t n = 1;

	while (number >= 10) {
		number /= 10;
		n++;
	}
	return n;
}

/* Columns of a count: as wide as its heading and the total, a blank before it, never less than
   three. */
static size_t
column_width(size_t heading, uint64_t total)
{
	size_t n = digits(total);

	n = n > heading ? n : heading;
	return n > 2 ? n + 1 : 3;
}

struct layout {
	size_t key, total;
	size_t *counts;
};

static bool
layout_make(struct layout *layout, const struct shape_table *table, const struct lines *lines)
{
	struct qf_buf heading = {0};
	size_t used;

	layout->counts = reallocarray(NULL, lines->width, sizeof(*layout->counts));
	if (!layout->counts)
		return false;
	used = layout->total = column_width(1, lines->total.total);
	for (size_t i = 0; i < lines->width; i++) {
		qf_buf_clear(&heading);
		put_limit(table, i, &heading);
		layout->counts[i] = column_width(heading.n, lines->sums[i]);
		used += layout->counts[i];
	}
	layout->key = table->width > used + KEY_LEAST ? table->width - used : KEY_LEAST;
	qf_buf_release(&heading);
	return true;
}

static void
put_heading(const struct shape_table *table, const struct layout *layout, struct qf_buf *out)
{
	struct qf_buf heading = {0};

	add_blanks(out, layout->key);
	qf_buf_addf(out, "%*s", (int)layout->total, "T");
	for (size_t i = 0; i <= table->nminutes; i++) {
		qf_buf_clear(&heading);
		put_limit(table, i, &heading);
		add_blanks(out, layout->counts[i] - heading.n);
		qf_buf_add(out, heading.p, heading.n);
	}
	qf_buf_addc(out, '\n');
	qf_buf_release(&heading);
}

static void
put_text(const struct shape_table *table, const struct layout *layout, const struct line *line,
	 struct qf_slice key, struct qf_buf *out)
{
	put_key(table, key, layout->key, out);
	qf_buf_addf(out, "%*llu", (int)layout->total, (unsigned long long)line->total);
	for (size_t i = 0; i <= table->nminutes; i++)
		qf_buf_addf(out, "%*llu", (int)layout->counts[i],
			    (unsigned long long)line->counts[i]);
	qf_buf_addc(out, '\n');
}

/* ------------------------------------------------------------------ one line for machines */

static void
put_json(const struct shape_table *table, const struct line *line, struct qf_slice key,
	 struct qf_buf *out)
{
	struct qf_json json = {.out = out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.shape/1");
	qf_json_key(&json, "by");
	qf_json_string(&json, table->by);
	qf_json_key(&json, "key");
	qf_json_text(&json, key);
	qf_json_key(&json, "total");
	qf_json_int(&json, (int64_t)line->total);
	qf_json_key(&json, "limits");
	qf_json_open(&json, '[');
	for (size_t i = 0; i < table->nminutes; i++)
		qf_json_int(&json, table->minutes[i]);
	qf_json_close(&json, ']');
	qf_json_key(&json, "counts");
	qf_json_open(&json, '[');
	for (size_t i = 0; i <= table->nminutes; i++)
		qf_json_int(&json, (int64_t)line->counts[i]);
	qf_json_close(&json, ']');
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}

static void
put_csv_heading(const struct shape_table *table, struct qf_buf *out)
{
	qf_buf_adds(out, "by,key,total");
	for (size_t i = 0; i <= table->nminutes; i++) {
		qf_buf_addc(out, ',');
		put_limit(table, i, out);
	}
	qf_buf_adds(out, "\r\n");
}

static void
put_csv(const struct shape_table *table, const struct line *line, struct qf_slice key,
	struct qf_buf *out)
{
	qf_escape_csv(out, (struct qf_slice){table->by, strlen(table->by)});
	qf_buf_addc(out, ',');
	qf_escape_csv(out, key);
	qf_buf_addf(out, ",%llu", (unsigned long long)line->total);
	for (size_t i = 0; i <= table->nminutes; i++)
		qf_buf_addf(out, ",%llu", (unsigned long long)line->counts[i]);
	qf_buf_adds(out, "\r\n");
}

/* ------------------------------------------------------------------ the whole */

/* buffers: the line, and a key without addresses. */
static void
put_line(const struct shape_table *table, const struct layout *layout, const struct lines *lines,
	 const struct line *line, struct qf_buf buffers[2])
{
	struct qf_slice key = line->key;

	qf_buf_clear(&buffers[0]);
	qf_buf_clear(&buffers[1]);
	if (table->redactor && !table->field->domain && key.p && line != &lines->total) {
		column_redact(table->field, key, table->redactor, &buffers[1]);
		key = (struct qf_slice){buffers[1].p ? buffers[1].p : "", buffers[1].n};
	}
	switch (table->format) {
	case SHAPE_TABLE:
		put_text(table, layout, line, key, &buffers[0]);
		break;
	case SHAPE_JSON:
		put_json(table, line, key, &buffers[0]);
		break;
	case SHAPE_CSV:
		put_csv(table, line, key, &buffers[0]);
		break;
	}
	buffers[0].failed |= buffers[1].failed;
	out_add_buf(&buffers[0]);
}

bool
shape_put(const struct shape_table *table, struct qf_groups *groups, size_t *left)
{
	struct qf_buf buffers[2] = {{0}, {0}};
	struct layout layout = {0};
	struct lines lines;
	bool ok = lines_make(&lines, table, groups) && layout_make(&layout, table, &lines);
	size_t n;

	*left = 0;
	if (ok) {
		n = lines.n;
		if (table->format == SHAPE_TABLE && table->top && n > table->top - 1)
			n = table->top - 1;
		*left = lines.n - n;
		if (table->format == SHAPE_TABLE)
			put_heading(table, &layout, &buffers[0]);
		else if (table->format == SHAPE_CSV)
			put_csv_heading(table, &buffers[0]);
		out_add_buf(&buffers[0]);
		put_line(table, &layout, &lines, &lines.total, buffers);
		for (size_t i = 0; i < n && !out_failed(); i++)
			put_line(table, &layout, &lines, &lines.line[i], buffers);
		ok = !buffers[0].failed && !buffers[1].failed;
	}
	qf_buf_release(&buffers[0]);
	qf_buf_release(&buffers[1]);
	free(layout.counts);
	lines_release(&lines);
	return ok;
}
