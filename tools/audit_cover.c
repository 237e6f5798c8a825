/*
 * audit_cover - the logs of a span of time.
 *
 * A log that is silent may have nothing to say or may not be all of it. What shows the difference:
 * where it begins and ends, for each log by itself (what one does not have, another one may not
 * have either), what it shows to be missing, what its level leaves out, for each host and each
 * start of its daemon, and messages of the second snapshot that it does not name.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_cover.h"
#include "audit_notes.h"
#include "audit_span.h"

/* So long a message of a user may wait to be handed over to the daemon (Timeout.queuereturn). */
#define WAITING 432000

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

/* ------------------------------------------------------------------ holes */

struct holes {
	struct audit_cover *cover;
	const struct audit_spans *spans;
	int64_t from, to;
	size_t room;
	bool failed; /* memory is out */
};

/* Names differ at their ends. */
static void
name_log(char *out, size_t room, const char *path)
{
	size_t n = strlen(path);

	snprintf(out, room, "%s", n < room ? path : path + n - room + 1);
}

static struct audit_hole *
add_hole(struct holes *h, enum audit_hole_kind kind, int64_t from, int64_t to, const char *path)
{
	struct audit_cover *cover = h->cover;
	struct audit_hole *hole;

	if (cover->nholes == h->room) {
		size_t room = h->room ? h->room * 2 : 8;
		struct audit_hole *more = realloc(cover->holes, room * sizeof(*more));

		if (!more) {
			h->failed = true;
			return NULL;
		}
		cover->holes = more;
		h->room = room;
	}
	hole = &cover->holes[cover->nholes++];
	*hole = (struct audit_hole){.kind = kind, .from = from, .to = to};
	name_log(hole->log, sizeof(hole->log), path);
	return hole;
}

/* A hole between two files (n: there is none), unless other logs have what would be in it. */
static void
hole_of(struct holes *h, enum audit_hole_kind kind, int64_t from, int64_t to, size_t before,
	size_t after)
{
	int64_t start = from > h->from ? from : h->from, end = to < h->to ? to : h->to;

	if (start < end && !audit_spans_elsewhere(h->spans, before, after, start, end))
		add_hole(h, kind, from, to,
			 h->spans->all[before < h->spans->n ? before : after].path);
}

/* The files of one log, [i, end): each has to go on where the one before ends. */
static void
find_holes(struct holes *h, size_t i, size_t end)
{
	const struct audit_span *all = h->spans->all;
	const size_t none = h->spans->n;
	size_t before = none;

	for (; i < end; i++) {
		/* The earliest that it may begin. */
		if (all[i].first - 2 * all[i].doubt > h->to)
			continue;
		/* A start is the beginning of the first file only: later on it is one of many. */
		if (before == none && all[i].first > h->from && !all[i].begins)
			hole_of(h, AUDIT_LOG_BEGINS, h->from, all[i].first, none, i);
		if (before != none && all[i].first > all[before].reach && all[i].first > h->from)
			hole_of(h, AUDIT_LOG_BETWEEN, all[before].reach, all[i].first, before, i);
		if (before == none || all[i].reach > all[before].reach)
			before = i;
	}
	/* What follows one that ended before, and was not read, is of the time that is asked about;
	   unless nothing followed. */
	if (before != none && (all[before].reach >= h->from || all[before].grown ||
			     !audit_spans_stopped(h->spans, before)))
		hole_of(h, AUDIT_LOG_ENDS, all[before].reach, h->to, before, none);
}

static enum qf_code
find_losses(struct holes *h, struct store *store, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT g.since, g.until, g.why, l.path FROM log_gaps g JOIN log_files l"
		" ON l.id = g.file WHERE g.since < ?2 AND g.until > ?1",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, h->from);
	store_bind_int(s, 2, h->to);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice why = store_text(s, 2), path = store_text(s, 3);
		char text[4096];
		struct audit_hole *hole;

		snprintf(text, sizeof(text), "%.*s", path.p ? (int)path.n : 0,
			 path.p ? path.p : "");
		hole = add_hole(h, AUDIT_LOG_LOST, store_int(s, 0), store_int(s, 1), text);
		if (hole)
			snprintf(hole->why, sizeof(hole->why), "%.*s", (int)why.n, why.p);
	}
	return code;
}

/* Does the log of a host say that a message was accepted? */
static enum qf_code
is_named(struct store *store, struct qf_slice host, struct qf_slice id, bool *named,
	 struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code = store_cached(store,
					 "SELECT 1 FROM events WHERE queue_id = ?1"
					 " AND kind = 'accepted' AND coalesce(host, '') = ?2",
					 &s, err);

	if (code != QF_OK)
		return code;
	store_bind_text(s, 1, id);
	store_bind_text(s, 2, host);
	code = store_step(s, named, err);
	store_reset(s);
	return code;
}

/* What a host wrote around a time is not all of what its daemon did. */
static void
break_host(struct holes *h, struct audit_spans *spans, struct qf_slice name, struct qf_slice id,
	   int64_t time)
{
	for (size_t i = 0; i < spans->nhosts; i++) {
		struct audit_host *host = &spans->hosts[i];
		int64_t from = host->first - host->doubt;
		struct audit_hole *hole;

		if (host->broken || host->name.n != name.n ||
		    (name.n && memcmp(host->name.p, name.p, name.n) != 0) || from > time ||
		    host->reach < time || from >= h->to || host->reach <= h->from)
			continue;
		host->broken = true;
		hole = add_hole(h, AUDIT_LOG_LOST, from, host->reach < h->to ? host->reach : h->to,
				spans->all[host->span].path);
		if (hole)
			snprintf(hole->why, sizeof(hole->why),
				 "the daemon took %.*s and does not say so",
				 (int)(id.n < 32 ? id.n : 32), id.p);
	}
}

/*
 * The queue of submissions says which id the daemon of its host gave to a message. Where that has
 * no line of its own, the daemon is of a lower LogLevel, whatever others write in the same log.
 */
static enum qf_code
find_unnamed(struct holes *h, struct audit_spans *spans, struct store *store, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT d.host, d.relay, d.stat, d.time FROM events a CROSS JOIN events d"
		" ON d.queue_id = a.queue_id WHERE a.kind = 'accepted' AND a.time >= ?1"
		" AND a.time < ?2 AND a.relay LIKE '%@localhost' AND d.kind = 'delivery'"
		" AND d.outcome = 'sent' AND d.host IS a.host AND d.time IS NOT NULL"
		" ORDER BY a.time",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, h->from - WAITING);
	store_bind_int(s, 2, h->to);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice host = store_text(s, 0), id;
		bool named;

		if (!host.p)
			host = (struct qf_slice){"", 0};
		if (!audit_notes_handed_over(host, store_text(s, 1), store_text(s, 2), &id))
			continue;
		code = is_named(store, host, id, &named, err);
		if (code != QF_OK) {
			store_reset(s);
			return code;
		}
		if (!named)
			break_host(h, spans, host, id, store_int(s, 3));
	}
	return code;
}

const struct audit_hole *
audit_cover_hole(const struct audit_cover *cover, int64_t from, int64_t to)
{
	for (size_t i = 0; i < cover->nholes; i++)
		if (cover->holes[i].from < to && cover->holes[i].to > from)
			return &cover->holes[i];
	return NULL;
}

/* ------------------------------------------------------------------ levels */

static void
take_levels(struct audit_cover *cover, const struct audit_spans *spans, int64_t from, int64_t to)
{
	struct qf_log_level level;
	unsigned saw = 0;
	bool any = false;

	for (size_t i = 0; i < spans->nhosts; i++) {
		const struct audit_host *host = &spans->hosts[i];
		char log[160], since[QF_TIME_TEXT];

		if (host->reach < from || host->first - host->doubt > to)
			continue;
		saw |= host->saw;
		qf_log_level(host->saw, &level);
		if (any && (unsigned)level.low >= cover->least)
			continue;
		any = true;
		cover->least = (unsigned)level.low;
		name_log(log, sizeof(log), spans->all[host->span].path);
		qf_time_format(host->first, since);
		snprintf(cover->weakest, sizeof(cover->weakest), "%s%s%.*s, from %s on", log,
			 host->name.n ? " of " : "", (int)(host->name.n < 60 ? host->name.n : 60),
			 host->name.n ? host->name.p : "", since);
	}
	qf_log_level(saw, &level);
	cover->level = (unsigned)level.low;
	cover->high = (unsigned)level.high;
}

static void
take_files(struct audit_cover *cover, const struct audit_spans *spans, int64_t from, int64_t to)
{
	int64_t oldest = QF_TIME_NONE;

	for (size_t i = 0; i < spans->n; i++) {
		const struct audit_span *span = &spans->all[i];

		if (oldest == QF_TIME_NONE || span->first < oldest)
			oldest = span->first;
		if (span->first > to || span->reach < from)
			continue;
		cover->files++;
		if (cover->first == QF_TIME_NONE || span->first < cover->first) {
			cover->first = span->first;
			cover->begins = span->begins;
		}
	}
	cover->begins &= cover->first == oldest;
}

enum qf_code
audit_cover_load(struct audit_cover *cover, struct store *store, int64_t from, int64_t to,
		 struct qf_err *err)
{
	struct audit_spans spans;
	struct holes h = {.cover = cover, .spans = &spans, .from = from, .to = to};
	enum qf_code code;

	*cover = (struct audit_cover){.first = QF_TIME_NONE};
	code = audit_spans_load(&spans, store, err);
	if (code == QF_OK) {
		take_files(cover, &spans, from, to);
		take_levels(cover, &spans, from, to);
		for (size_t i = 0, end; i < spans.n; i = end) {
			for (end = i + 1;
			     end < spans.n && *spans.all[i].name.stem &&
			     strcmp(spans.all[i].name.stem, spans.all[end].name.stem) == 0;
			     end++)
				;
			find_holes(&h, i, end);
		}
		code = find_losses(&h, store, err);
	}
	if (code == QF_OK)
		code = find_unnamed(&h, &spans, store, err);
	if (code == QF_OK && h.failed) {
		code = store_no_memory(err);
	}
	audit_spans_release(&spans);
	return code;
}

void
audit_cover_release(struct audit_cover *cover)
{
	free(cover->holes);
	*cover = (struct audit_cover){0};
}

/* ------------------------------------------------------------------ between two snapshots */

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

static void
say_hole(struct audit_cover *cover, const struct audit_hole *hole, const struct store_snapshot *a,
	 const struct store_snapshot *b)
{
	char from[QF_TIME_TEXT], to[QF_TIME_TEXT], at[QF_TIME_TEXT];

	qf_time_format(hole->from, from);
	qf_time_format(hole->to, to);
	switch (hole->kind) {
	case AUDIT_LOG_BEGINS:
		qf_time_format(a->finished, at);
		if (hole->to > a->finished)
			add_gap(cover, "the log begins at %s, after snapshot %lld of %s: %s", to,
				(long long)a->id, at, hole->log);
		break;
	case AUDIT_LOG_ENDS:
		qf_time_format(b->started, at);
		if (hole->from < b->started)
			add_gap(cover,
				"the log ends at %s, before snapshot %lld of %s: read it again, or "
				"what followed: %s",
				from, (long long)b->id, at, hole->log);
		break;
	case AUDIT_LOG_BETWEEN:
		if (hole->from < b->started)
			add_gap(cover, "no log is known of the time from %s to %s, after %s", from,
				to, hole->log);
		break;
	case AUDIT_LOG_LOST:
		add_gap(cover, "the log is not all there was from %s to %s: %s: %s", from, to,
			hole->why, hole->log);
	}
}

/*
 * The log begins after the first snapshot. That a daemon starts there says that nothing was before
 * it only where nothing is known of before: no log, and no message in the queue.
 */
static void
say_beginning(struct audit_cover *cover, const struct store_snapshot *a)
{
	char from[QF_TIME_TEXT], at[QF_TIME_TEXT];

	if (cover->first <= a->finished || (cover->begins && a->messages == 0))
		return;
	qf_time_format(a->finished, from);
	qf_time_format(cover->first, at);
	add_gap(cover, "the log begins at %s, after snapshot %lld of %s", at, (long long)a->id,
		from);
}

enum qf_code
audit_cover_gaps(struct audit_cover *cover, struct store *store, const struct store_snapshot *a,
		 const struct store_snapshot *b, struct qf_err *err)
{
	char from[QF_TIME_TEXT], to[QF_TIME_TEXT];
	size_t said;
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
			"accepted: %s",
			cover->least, cover->level < 5 ? cover->high : 4, cover->weakest);
		return code;
	}
	said = cover->ngaps;
	for (size_t i = 0; i < cover->nholes; i++)
		say_hole(cover, &cover->holes[i], a, b);
	if (cover->ngaps == said)
		say_beginning(cover, a);
	return unnamed(cover, store, a, b, err);
}
