/*
 * orphans_since - what was told before. A line for each finding: verdict, cause, inode and change
 * time of its first file, and its path made printable. Lines are compared, not read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orphans_since.h"
#include "save.h"
#include "say.h"

#define HEADING "qf.orphans.state/1\n"

struct since {
	struct qf_buf text;
	const char **lines; /* sorted; they point into text */
	size_t n, cap;
};

static void
make_line(const struct qf_orphan *orphan, struct qf_buf *out)
{
	const struct qf_orphan_file *file = &orphan->files[0];

	qf_buf_addf(out, "%s %s %llu %lld ", qf_verdict_name(orphan->verdict),
		    qf_cause_type(orphan->cause)->code, (unsigned long long)file->inode,
		    (long long)file->mtime);
	qf_escape_terminal(out, (struct qf_slice){file->path, strlen(file->path)}, false);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
add_line(struct since *since, char *line)
{
	if (since->n == since->cap) {
		size_t cap = since->cap ? since->cap * 2 : 64;
		const char **more = realloc(since->lines, cap * sizeof(*more));

		if (!more)
			return false;
		since->lines = more;
		since->cap = cap;
	}
	since->lines[since->n++] = line;
	return true;
}

/* All of the file into since->text; false where it is none of ours. */
static bool
read_text(struct since *since, FILE *file)
{
	char piece[8192];
	size_t n;

	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		qf_buf_add(&since->text, piece, n);
	return !ferror(file) && !since->text.failed && since->text.n >= strlen(HEADING) &&
	       memcmp(since->text.p, HEADING, strlen(HEADING)) == 0 &&
	       since->text.p[since->text.n - 1] == '\n';
}

struct since *
since_read(const char *path)
{
	struct since *since = calloc(1, sizeof(*since));
	FILE *file = since ? fopen(path, "re") : NULL;
	bool ok = true;

	if (!since)
		return NULL;
	if (!file) {
		if (errno != ENOENT)
			say_note("%s: cannot read: %s; everything is new", path, strerror(errno));
		return since;
	}
	if (read_text(since, file)) {
		char *at = since->text.p + strlen(HEADING), *end;

		for (; ok && (end = strchr(at, '\n')); at = end + 1) {
			*end = '\0';
			ok = add_line(since, at);
			if (end + 1 == since->text.p + since->text.n)
				break;
		}
		if (ok && since->n)
			qsort(since->lines, since->n, sizeof(*since->lines), compare);
	} else {
		say_note("%s: no state of qf orphans; everything is new", path);
	}
	fclose(file);
	if (ok)
		return since;
	since_free(since);
	return NULL;
}

void
since_free(struct since *since)
{
	if (!since)
		return;
	qf_buf_release(&since->text);
	free(since->lines);
	free(since);
}

bool
since_has(const struct since *since, const struct qf_orphan *orphan)
{
	struct qf_buf line = {0};
	bool found;

	make_line(orphan, &line);
	qf_buf_addc(&line, '\0');
	found = !line.failed && since->n &&
		bsearch(&(const char *){line.p}, since->lines, since->n, sizeof(*since->lines),
			compare);
	qf_buf_release(&line);
	return found;
}

enum qf_code
since_write(const struct since *since, const char *path, const struct qf_orphans *orphans,
	    bool keep, struct qf_err *err)
{
	struct qf_buf text = {0};
	enum qf_code code;

	qf_buf_adds(&text, HEADING);
	for (size_t i = 0; i < qf_orphans_n(orphans); i++) {
		make_line(qf_orphans_get(orphans, i), &text);
		qf_buf_addc(&text, '\n');
	}
	for (size_t i = 0; keep && i < since->n; i++)
		qf_buf_addf(&text, "%s\n", since->lines[i]);
	if (text.failed) {
		*err = (struct qf_err){.code = QF_E_NOMEM};
		snprintf(err->what, sizeof(err->what), "%s", path);
		snprintf(err->why, sizeof(err->why), "out of memory");
		code = err->code;
	} else {
		code = save_file(path, text.p, text.n, err);
	}
	qf_buf_release(&text);
	return code;
}
