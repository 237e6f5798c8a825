/*
 * audit_cover - the logs of a span of time.
 *
 * A log that is silent may have nothing to say or may not be all of it. What shows the difference:
 * where it begins and ends (a file that was read to its end after the second snapshot, or has not
 * grown since it was read and is still in use by its name, goes on to that snapshot), what its
 * level leaves out, and messages of the second snapshot that it does not name.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit_cover.h"

/* A file that is written so much later than its last line is no log in use. */
#define COPIED 60

static void __attribute__((format(printf, 2, 3)))
add_gap(struct audit_cover *cover, const char *format, ...)
{
	va_list args;

	if (cover->ngaps == AUDIT_GAPS)
		return;
	va_start(args, format);
	vsnprintf(cover->gaps[cover->ngaps++], sizeof(*cover->gaps), format, args);
	va_end(args);
}

/* Does a name say that the file was put away, and will not grow any more? */
static bool
put_away(const char *path)
{
	static const char *const ends[] = {".gz", ".zst", ".xz", ".bz2", ".old"};
	size_t n = strlen(path);

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (n > strlen(ends[i]) && strcmp(path + n - strlen(ends[i]), ends[i]) == 0)
			return true;
	return n && path[n - 1] >= '0' && path[n - 1] <= '9';
}

/* Columns of the statement of audit_cover_load(). */
enum { SAW, FIRST, LAST, PATH, OFFSET, READ_AT, FOREIGN, ZONE_BY };

/*
 * Up to when the file of a row says all there is. One that was put away (mail.log.1) ends with its
 * last line, an export with the time it was made. So does what seems to be a copy: written later
 * than its last line, with no line of another program that could be the reason.
 */
static int64_t
reach_of(const struct store_statement *s)
{
	struct qf_slice slice = store_text(s, PATH), by = store_text(s, ZONE_BY);
	int64_t last = store_time(s, LAST), read_at = store_int(s, READ_AT);
	const char *export = qf_log_by_name(QF_LOG_BY_EXPORT);
	char path[4096] = "";
	struct stat st;
	bool exported = by.n == strlen(export) && memcmp(by.p, export, by.n) == 0;

	if (slice.n < sizeof(path))
		memcpy(path, slice.p, slice.n);
	if (put_away(path))
		return last;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == store_int(s, OFFSET)) {
		if (exported || (st.st_mtime > last + COPIED && store_int(s, FOREIGN) == 0))
			return st.st_mtime > last ? st.st_mtime : last;
		return INT64_MAX;
	}
	if (exported)
		return last;
	return read_at > last ? read_at : last;
}

/* ------------------------------------------------------------------ one after another */

struct span {
	int64_t first, last, reach;
	unsigned saw;
	char path[160];
};

struct spans {
	struct span *all;
	size_t n, room;
};

static int
by_first(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* mail.log.2.gz: the length of "mail.log", and 2; mail.log-20261126: the same, and the day. */
static size_t
stem(const char *path, long *number)
{
	size_t n = strlen(path), end;

	for (size_t i = 0; i < 4; i++) {
		static const char *const ends[] = {".gz", ".zst", ".xz", ".bz2"};
		size_t k = strlen(ends[i]);

		if (n > k && memcmp(path + n - k, ends[i], k) == 0) {
			n -= k;
			break;
		}
	}
	for (end = n; end > 0 && path[end - 1] >= '0' && path[end - 1] <= '9'; end--)
		;
	*number = 0;
	if (end == n || end < 2 || n - end > 8 || (path[end - 1] != '.' && path[end - 1] != '-'))
		return n;
	*number = strtol(path + end, NULL, 10);
	return end - 1;
}

/* Do their names say that nothing was between them? Files named by days are one a day at least. */
static bool
adjoin(const struct span *a, const struct span *b)
{
	long i, k;
	size_t n = stem(a->path, &i), m = stem(b->path, &k);

	if (n != m || memcmp(a->path, b->path, n) != 0)
		return false;
	if (i >= 10000000)
		return b->first - a->reach <= 86400;
	return i == k + 1;
}

/* What is followed directly says all up to where the next one begins. */
static void
join_spans(struct spans *spans)
{
	if (spans->n)
		qsort(spans->all, spans->n, sizeof(*spans->all), by_first);
	for (size_t i = 1; i < spans->n; i++)
		for (size_t k = 0; k < i; k++)
			if (spans->all[k].reach < spans->all[i].first &&
			    adjoin(&spans->all[k], &spans->all[i]))
				spans->all[k].reach = spans->all[i].first;
}

static void
find_holes(struct audit_cover *cover, const struct spans *spans, int64_t from)
{
	const struct span *before = NULL;

	for (size_t i = 0; i < spans->n; i++) {
		const struct span *next = &spans->all[i];

		if (next->reach < from)
			continue;
		if (before && next->first > before->reach) {
			struct audit_hole *hole = &cover->holes[cover->nholes++ % AUDIT_GAPS];

			*hole = (struct audit_hole){.from = before->reach, .to = next->first};
			snprintf(hole->after, sizeof(hole->after), "%s", before->path);
		}
		if (!before || next->reach > before->reach)
			before = next;
	}
}

const struct audit_hole *
audit_cover_hole(const struct audit_cover *cover, int64_t from, int64_t to)
{
	size_t n = cover->nholes < AUDIT_GAPS ? cover->nholes : AUDIT_GAPS;

	for (size_t i = 0; i < n; i++)
		if (cover->holes[i].from < to && cover->holes[i].to > from)
			return &cover->holes[i];
	return NULL;
}

static bool
add_span(struct spans *spans, const struct store_statement *s)
{
	struct qf_slice path = store_text(s, PATH);
	struct span *span;

	if (spans->n == spans->room) {
		size_t room = spans->room ? spans->room * 2 : 16;
		struct span *more = realloc(spans->all, room * sizeof(*more));

		if (!more)
			return false;
		spans->all = more;
		spans->room = room;
	}
	span = &spans->all[spans->n++];
	*span = (struct span){.first = store_time(s, FIRST),
			      .last = store_time(s, LAST),
			      .reach = reach_of(s),
			      .saw = (unsigned)store_int(s, SAW)};
	/* Names differ at their ends. */
	if (path.n >= sizeof(span->path))
		path = (struct qf_slice){path.p + path.n - sizeof(span->path) + 1,
					 sizeof(span->path) - 1};
	memcpy(span->path, path.p, path.n);
	return true;
}

static void
take_span(struct audit_cover *cover, const struct span *span)
{
	struct qf_log_level level;

	qf_log_level(span->saw, &level);
	if (!cover->files || (unsigned)level.low < cover->least) {
		cover->least = (unsigned)level.low;
		snprintf(cover->weakest, sizeof(cover->weakest), "%s", span->path);
	}
	cover->files++;
	if (cover->first == QF_TIME_NONE || span->first < cover->first)
		cover->first = span->first;
	if (cover->last == QF_TIME_NONE || span->last > cover->last)
		cover->last = span->last;
	if (cover->reach == QF_TIME_NONE || span->reach > cover->reach)
		cover->reach = span->reach;
}

enum qf_code
audit_cover_load(struct audit_cover *cover, struct store *store, int64_t from, int64_t to,
		 struct qf_err *err)
{
	struct qf_log_level level;
	struct store_statement *s;
	struct spans spans = {0};
	unsigned saw = 0;
	bool row;
	enum qf_code code = store_cached(store,
					 "SELECT saw, first, last, path, offset, read_at,"
					 " foreign_lines, zone_by FROM log_files"
					 " WHERE first <= ?1",
					 &s, err);

	*cover = (struct audit_cover){
		.first = QF_TIME_NONE, .last = QF_TIME_NONE, .reach = QF_TIME_NONE};
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, to);
	while (code == QF_OK && (code = store_step(s, &row, err)) == QF_OK && row) {
		if (add_span(&spans, s))
			continue;
		*err = (struct qf_err){.code = QF_E_NOMEM, .why = "out of memory"};
		code = QF_E_NOMEM;
	}
	store_reset(s);
	join_spans(&spans);
	for (size_t i = 0; i < spans.n; i++) {
		if (spans.all[i].reach < from)
			continue;
		saw |= spans.all[i].saw;
		take_span(cover, &spans.all[i]);
	}
	find_holes(cover, &spans, from);
	free(spans.all);
	qf_log_level(saw, &level);
	cover->level = (unsigned)level.low;
	cover->high = (unsigned)level.high;
	return code;
}

/* The log begins with the start of a daemon: before it there was none to write in it. */
static enum qf_code
begins_with_start(struct store *store, int64_t first, bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT 1 FROM log_files l CROSS JOIN events e ON e.file = l.id WHERE l.first = ?1"
		" AND e.id = (SELECT min(id) FROM events) AND e.kind = 'daemon'",
		&s, err);

	*yes = false;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, first);
	code = store_step(s, &row, err);
	*yes = code == QF_OK && row;
	store_reset(s);
	return code;
}

/* Messages that came between, are in the second snapshot, and in no log. */
static enum qf_code
unnamed(struct audit_cover *cover, struct store *store, const struct store_snapshot *a,
	const struct store_snapshot *b, struct qf_err *err)
{
	struct store_statement *s;
	char example[QF_NAME_MAX] = "", when[QF_TIME_TEXT] = "";
	size_t n = 0;
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT m.queue_id, c.created FROM presence p JOIN messages m ON m.id = p.message"
		" JOIN contents c ON c.id = m.content WHERE p.snapshot = ?2 AND c.created >= ?3"
		" AND c.created < ?4"
		" AND NOT EXISTS (SELECT 1 FROM events e WHERE e.queue_id = m.queue_id)"
		" AND NOT EXISTS (SELECT 1 FROM event_children h WHERE h.queue_id = m.queue_id)"
		" AND NOT EXISTS (SELECT 1 FROM messages o CROSS JOIN presence op"
		"  ON op.message = o.id AND op.snapshot = ?1 WHERE o.queue_id = m.queue_id)",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, a->id);
	store_bind_int(s, 2, b->id);
	store_bind_int(s, 3, a->started);
	store_bind_int(s, 4, b->started);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice id = store_text(s, 0);

		if (!n++) {
			snprintf(example, sizeof(example), "%.*s", (int)id.n, id.p);
			qf_time_format(store_int(s, 1), when);
		}
	}
	if (code == QF_OK && n)
		add_gap(cover,
			"%zu %s of snapshot %lld came after snapshot %lld, and the log does not "
			"say "
			"so: %s%s of %s",
			n, n == 1 ? "message" : "messages", (long long)b->id, (long long)a->id,
			n == 1 ? "" : "one is ", example, when);
	return code;
}

static enum qf_code
incomplete(struct audit_cover *cover, struct store *store, const struct store_snapshot *snapshot,
	   struct qf_err *err)
{
	struct store_statement *s;
	struct qf_slice why;
	bool row;
	enum qf_code code;

	if (snapshot->complete)
		return QF_OK;
	code = store_cached(store, "SELECT why FROM snapshots WHERE id = ?1", &s, err);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, snapshot->id);
	code = store_step(s, &row, err);
	if (code != QF_OK)
		return code;
	why = row ? store_text(s, 0) : (struct qf_slice){0};
	add_gap(cover, "snapshot %lld is incomplete: %.*s", (long long)snapshot->id,
		why.p ? (int)(why.n < 150 ? why.n : 150) : 0, why.p ? why.p : "");
	store_reset(s);
	return QF_OK;
}

enum qf_code
audit_cover_gaps(struct audit_cover *cover, struct store *store, const struct store_snapshot *a,
		 const struct store_snapshot *b, struct qf_err *err)
{
	char from[QF_TIME_TEXT], to[QF_TIME_TEXT], at[QF_TIME_TEXT];
	const struct audit_hole *hole;
	bool covered = true;
	enum qf_code code = incomplete(cover, store, a, err);

	if (code == QF_OK)
		code = incomplete(cover, store, b, err);
	qf_time_format(a->finished, from);
	qf_time_format(b->started, to);
	if (code != QF_OK || cover->files == 0) {
		add_gap(cover, "no log is known of the time from %s to %s", from, to);
		return code;
	}
	if (cover->least < 5) {
		add_gap(cover,
			"the log seems to be of LogLevel %u to %u, where it does not say what was "
			"accepted%s%s",
			cover->least, cover->level < 5 ? cover->high : 4,
			cover->files > 1 ? ": " : "", cover->files > 1 ? cover->weakest : "");
		return code;
	}
	if (cover->first > a->finished)
		code = begins_with_start(store, cover->first, &covered, err);
	if (code == QF_OK && !covered) {
		qf_time_format(cover->first, at);
		add_gap(cover, "the log begins at %s, after snapshot %lld of %s", at,
			(long long)a->id, from);
	}
	if (code == QF_OK && cover->reach < b->started) {
		qf_time_format(cover->last, at);
		add_gap(cover,
			"the log ends at %s, before snapshot %lld of %s: read it again, or what "
			"followed",
			at, (long long)b->id, to);
	}
	if ((hole = audit_cover_hole(cover, a->started, b->started))) {
		qf_time_format(hole->from, at);
		qf_time_format(hole->to, to);
		add_gap(cover, "no log is known of the time from %s to %s, after %s", at, to,
			hole->after);
	}
	return code == QF_OK ? unnamed(cover, store, a, b, err) : code;
}
