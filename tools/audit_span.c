/*
 * audit_span - the files of logs, as spans of time.
 *
 * A log that is silent may have nothing to say or may not be all of it. A file that is still in use
 * by its name, and has not grown since it was read, goes on until now. One that was put away ends
 * with its last line, and so does one that is gone, but for the file that follows it: that was
 * noted when it was read, as the names then were.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_notes.h"
#include "audit_span.h"

/* A file that is written so much later than its last line is no log in use. */
#define COPIED 60
/* Names by date follow each other where so little is between: a day that is not there is longer. */
#define NEAR 72000
/* Where nothing tells the zone of a file, its times are that uncertain. */
#define ZONES 50400
/* Between the words of JSON. */
#define BLANKS " \t\r\n"

static enum qf_code
out_of_memory(struct qf_err *err)
{
	return store_no_memory(err);
}

/* Room for one more of an array. */
static bool
grow(void *array, size_t n, size_t *room, size_t size)
{
	void **all = array;
	void *more;

	if (n < *room)
		return true;
	more = realloc(*all, (*room ? *room * 2 : 16) * size);
	if (!more)
		return false;
	*all = more;
	*room = *room ? *room * 2 : 16;
	return true;
}

static bool
is_by(struct qf_slice word, enum qf_log_by by)
{
	const char *name = qf_log_by_name(by);

	return word.n == strlen(name) && memcmp(word.p, name, word.n) == 0;
}

/* Columns of the statement of load_files(). */
enum { ID, FIRST, LAST, PATH, OFFSET, READ_AT, FOREIGN, ZONE_BY, HEAD, HEAD_SIZE, BEGINS, DAMAGED };

/*
 * Is what follows the last record of an export no more than the end of its document, with no word
 * of more that was not asked for? It is never read, for a longer export of the same to go on there.
 */
static bool
is_document_end(const char *path, int64_t offset)
{
	char rest[8192], *from = rest, *end;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? pread(fd, rest, sizeof(rest) - 1, offset) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0 || n == sizeof(rest) - 1 || memchr(rest, '\0', (size_t)n))
		return false;
	end = rest + n;
	*end = '\0';
	from += strspn(from, BLANKS);
	while (end > from && strchr(BLANKS, end[-1]))
		end--;
	if (from == end)
		return true;
	return *from == ']' && end[-1] == '}' && !strchr(from, '{') &&
	       !strcasestr(from, "\"nextToken\"");
}

/*
 * When a file was made, if all its lines are older and it was not written since: a copy, of a log
 * that may have grown. QF_TIME_NONE: it is none, or its file system does not say.
 */
static int64_t
copied_at(const struct audit_span *span, int64_t mtime)
{
	struct statx stx;
	int64_t born;

	if (statx(AT_FDCWD, span->path, AT_STATX_DONT_SYNC, STATX_BTIME, &stx) != 0 ||
	    !(stx.stx_mask & STATX_BTIME))
		return QF_TIME_NONE;
	born = stx.stx_btime.tv_sec;
	return born > span->last && mtime <= born + COPIED ? born : QF_TIME_NONE;
}

/* Up to when the file of a row says all there is, by itself. */
static int64_t
reach_of(struct audit_span *span, const struct store_statement *s)
{
	int64_t last = span->last, read_at = store_int(s, READ_AT), copied;
	uint8_t head[SHA256_DIGEST_SIZE];
	struct stat st;
	bool exported = is_by(store_text(s, ZONE_BY), QF_LOG_BY_EXPORT);

	if (span->damaged || span->name.put_away ||
	    !audit_name_head(span->path, (size_t)store_int(s, HEAD_SIZE), head, &st) ||
	    memcmp(head, span->head, sizeof(head)) != 0 || st.st_size < span->offset)
		return last;
	span->grown = st.st_size > span->offset &&
		      !(exported && is_document_end(span->path, span->offset));
	if (span->grown)
		return !exported && read_at > last ? read_at : last;
	/* So ends an export; and a copy, later than its last line with no other's line after it. */
	if (exported || (st.st_mtime > last + COPIED && store_int(s, FOREIGN) == 0))
		return st.st_mtime > last ? st.st_mtime : last;
	copied = copied_at(span, st.st_mtime);
	if (copied == QF_TIME_NONE)
		return INT64_MAX;
	return copied;
}

static bool
add_span(struct audit_spans *spans, const struct store_statement *s, int64_t now)
{
	struct qf_slice path = store_text(s, PATH), head = store_text(s, HEAD);
	struct audit_span *span;

	if (!grow(&spans->all, spans->n, &spans->room, sizeof(*spans->all)))
		return false;
	span = &spans->all[spans->n];
	*span = (struct audit_span){.id = store_int(s, ID),
				    .first = store_time(s, FIRST),
				    .last = store_time(s, LAST),
				    .offset = store_int(s, OFFSET),
				    .begins = store_int(s, BEGINS) != 0,
				    .damaged = store_int(s, DAMAGED) != 0,
				    .path = strndup(path.p ? path.p : "", path.n)};
	if (!span->path)
		return false;
	spans->n++;
	if (head.n == sizeof(span->head))
		memcpy(span->head, head.p, head.n);
	audit_name_read(span->path, now, &span->name);
	span->reach = reach_of(span, s);
	if (is_by(store_text(s, ZONE_BY), QF_LOG_BY_NOTHING)) {
		span->doubt = ZONES;
		span->first += ZONES;
		span->last -= ZONES;
		if (span->reach != INT64_MAX)
			span->reach -= ZONES;
	}
	return true;
}

/* Files of one log together; what has no name to know it by is a log of its own. */
static int
by_log(const void *a, const void *b)
{
	const struct audit_span *x = a, *y = b;
	int order = strcmp(x->name.stem, y->name.stem);

	if (order == 0 && !*x->name.stem)
		return x->id < y->id ? -1 : x->id > y->id;
	if (order)
		return order;
	return x->first != y->first ? (x->first < y->first ? -1 : 1)
				    : (x->reach > y->reach) - (x->reach < y->reach);
}

static enum qf_code
load_files(struct audit_spans *spans, struct store *store, struct qf_err *err)
{
	struct store_statement *s;
	int64_t now = time(NULL);
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT id, first, last, path, offset, read_at, foreign_lines, zone_by, head,"
		" head_size, (SELECT starts FROM log_stretches t WHERE t.file = l.id"
		"  ORDER BY t.first, t.n LIMIT 1), EXISTS (SELECT 1 FROM log_gaps g WHERE"
		"  g.file = l.id AND g.until IS NULL) FROM log_files l WHERE first IS NOT NULL",
		&s, err);

	if (code != QF_OK)
		return code;
	while ((code = store_step(s, &row, err)) == QF_OK && row)
		if (!add_span(spans, s, now)) {
			store_reset(s);
			return out_of_memory(err);
		}
	if (spans->n)
		qsort(spans->all, spans->n, sizeof(*spans->all), by_log);
	return code;
}

static size_t
span_of(const struct audit_spans *spans, int64_t id)
{
	size_t i = 0;

	while (i < spans->n && spans->all[i].id != id)
		i++;
	return i;
}

/* What is followed directly says all up to where the next one begins. */
static enum qf_code
load_links(struct audit_spans *spans, struct store *store, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT k.file, l.id, k.named FROM log_links k JOIN log_files l ON"
		" l.head = k.before AND (k.size < 0 OR k.size = l.offset) AND l.id <> k.file",
		&s, err);

	if (code != QF_OK)
		return code;
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		size_t after = span_of(spans, store_int(s, 0));
		size_t before = span_of(spans, store_int(s, 1));
		struct audit_span *one, *next;

		if (after == spans->n || before == spans->n)
			continue;
		one = &spans->all[before];
		next = &spans->all[after];
		if (!one->damaged && one->reach < next->first &&
		    (store_int(s, 2) || next->first - one->last <= NEAR))
			one->reach = next->first;
	}
	return code;
}

/* Up to when a log in use that has nothing of sendmail yet is known to have nothing. */
static int64_t
silent_reach(const struct store_statement *s, int64_t now)
{
	struct qf_slice path = store_text(s, PATH), head = store_text(s, HEAD);
	struct audit_span span = {.first = store_int(s, READ_AT),
				  .last = store_int(s, READ_AT),
				  .offset = store_int(s, OFFSET),
				  .path = strndup(path.p ? path.p : "", path.n)};
	int64_t reach = QF_TIME_NONE;

	if (!span.path)
		return reach;
	if (head.n == sizeof(span.head))
		memcpy(span.head, head.p, head.n);
	audit_name_read(span.path, now, &span.name);
	if (!span.name.put_away && !store_int(s, DAMAGED))
		reach = reach_of(&span, s);
	free(span.path);
	return reach;
}

/* One that is followed by such a log goes on as long as that says nothing. */
static enum qf_code
load_silent(struct audit_spans *spans, struct store *store, struct qf_err *err)
{
	enum { BEFORE = DAMAGED + 1, NAMED };
	struct store_statement *s;
	int64_t now = time(NULL);
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT n.id, n.first, n.last, n.path, n.offset, n.read_at, n.foreign_lines,"
		" n.zone_by, n.head, n.head_size, 0, EXISTS (SELECT 1 FROM log_gaps g WHERE"
		"  g.file = n.id), l.id, k.named FROM log_links k JOIN log_files n ON n.id = k.file"
		" JOIN log_files l ON l.head = k.before AND (k.size < 0 OR k.size = l.offset)"
		" WHERE n.first IS NULL AND l.first IS NOT NULL",
		&s, err);

	if (code != QF_OK)
		return code;
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		size_t before = span_of(spans, store_int(s, BEFORE));
		struct audit_span *span = &spans->all[before];
		int64_t reach;

		if (before == spans->n || span->damaged ||
		    (!store_int(s, NAMED) && store_int(s, READ_AT) - span->last > NEAR))
			continue;
		reach = silent_reach(s, now);
		if (reach != QF_TIME_NONE && reach > span->reach)
			span->reach = reach;
	}
	return code;
}

/* ------------------------------------------------------------------ hosts */

/* Columns of the statement of load_hosts(). */
enum { H_FILE, H_HOST, H_STARTS, H_FIRST, H_SAW, H_LAST };

static bool
same_host(const struct audit_host *host, struct qf_slice name)
{
	return host->name.n == name.n && (!name.n || memcmp(host->name.p, name.p, name.n) == 0);
}

/* Two files stamp a line as it came to each. */
#define STAMPED 2

/* The same start as the one before, from another file; or with nothing between them. */
static bool
is_one_start(const struct audit_host *before, size_t span, int64_t time)
{
	return (before->starts && before->span != span && time - before->first <= STAMPED) ||
	       (!(before->saw & ~(QF_LOG_SAW_ANY | AUDIT_SAW_BESIDE)) &&
		time - before->first <= AUDIT_AT_ONCE);
}

static bool
add_host(struct audit_spans *spans, const struct store_statement *s)
{
	size_t span = span_of(spans, store_int(s, H_FILE)), n = spans->nhosts;
	struct qf_slice name = store_text(s, H_HOST);
	int64_t first = store_int(s, H_FIRST), reach;
	bool starts = store_int(s, H_STARTS) != 0;
	struct audit_host *host;

	if (span == spans->n)
		return true;
	if (!n || !same_host(&spans->hosts[n - 1], name) ||
	    (starts && !is_one_start(&spans->hosts[n - 1], span, first))) {
		if (!grow(&spans->hosts, n, &spans->hosts_room, sizeof(*spans->hosts)))
			return false;
		host = &spans->hosts[spans->nhosts++];
		*host = (struct audit_host){.starts = starts,
					    .first = first,
					    .doubt = spans->all[span].doubt,
					    .span = span};
		qf_buf_add(&host->name, name.p ? name.p : "", name.n);
		if (host->name.failed)
			return false;
	}
	host = &spans->hosts[spans->nhosts - 1];
	/* Whether any is still there, the last word says. */
	host->saw = (host->saw & ~(AUDIT_SAW_STOPPED | AUDIT_SAW_BESIDE)) | (unsigned)store_int(s, H_SAW);
	reach = spans->all[span].reach;
	/* Where that is in doubt, what it does not say counts for as long as it may be. */
	if (reach != INT64_MAX)
		reach += 2 * spans->all[span].doubt;
	if (reach > host->reach)
		host->reach = reach;
	return true;
}

/* The first row of the host that the last row is of. */
static bool
add_member(struct audit_spans *spans, size_t span, const struct store_statement *s)
{
	size_t host = spans->nhosts - 1;

	while (host > 0 &&
	       same_host(&spans->hosts[host - 1],
			 (struct qf_slice){spans->hosts[host].name.p, spans->hosts[host].name.n}))
		host--;
	for (size_t i = spans->nmembers; i-- > 0 && spans->members[i].host == host;) {
		struct audit_member *member = &spans->members[i];

		if (member->span != span)
			continue;
		member->saw |= (unsigned)store_int(s, H_SAW);
		if (store_int(s, H_LAST) > member->last)
			member->last = store_int(s, H_LAST);
		return true;
	}
	if (!grow(&spans->members, spans->nmembers, &spans->members_room, sizeof(*spans->members)))
		return false;
	spans->members[spans->nmembers++] = (struct audit_member){
		.span = span,
		.host = host,
		.first = store_int(s, H_FIRST),
		.last = store_int(s, H_LAST),
		.saw = (unsigned)store_int(s, H_SAW),
	};
	return true;
}

static enum qf_code
load_hosts(struct audit_spans *spans, struct store *store, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(store,
					 "SELECT file, host, starts, first, saw, last FROM log_stretches"
					 " ORDER BY host, first, starts",
					 &s, err);

	if (code != QF_OK)
		return code;
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		size_t span = span_of(spans, store_int(s, H_FILE));

		if (span == spans->n || (add_host(spans, s) && add_member(spans, span, s)))
			continue;
		store_reset(s);
		return out_of_memory(err);
	}
	/* One ends where the next one of the host begins. */
	for (size_t i = 0; i + 1 < spans->nhosts; i++) {
		const struct audit_host *next = &spans->hosts[i + 1];

		if (same_host(&spans->hosts[i], (struct qf_slice){next->name.p, next->name.n}))
			spans->hosts[i].reach = next->first + next->doubt;
	}
	return code;
}

static const struct audit_member *
member_of(const struct audit_spans *spans, size_t span, size_t host)
{
	for (size_t i = 0; i < spans->nmembers; i++)
		if (spans->members[i].span == span && spans->members[i].host == host)
			return &spans->members[i];
	return NULL;
}

/* Is a file one of those in which all of a host stands? Errors alone stand in a file, too. */
static bool
is_whole(const struct audit_member *member)
{
	return member->saw & QF_LOG_SAW_ACCEPTED &&
	       member->saw & (QF_LOG_SAW_SENT | QF_LOG_SAW_DEFERRED | QF_LOG_SAW_FAILED);
}

/* Do other logs have all of a host over a time, and lines of it up to `known`? */
static bool
host_reaches(const struct audit_spans *spans, size_t host, const char *stem, int64_t from,
	     int64_t to, int64_t known)
{
	int64_t last = QF_TIME_NONE;
	bool more = true;

	while (more && from < to) {
		more = false;
		for (size_t i = 0; i < spans->nmembers; i++) {
			const struct audit_member *member = &spans->members[i];
			const struct audit_span *span = &spans->all[member->span];

			if (member->host != host || span->first > from || span->reach <= from ||
			    !is_whole(member) || (*stem && strcmp(stem, span->name.stem) == 0))
				continue;
			from = span->reach;
			if (member->last > last)
				last = member->last;
			more = true;
		}
	}
	return from >= to && last != QF_TIME_NONE && last + STAMPED >= known;
}

bool
audit_spans_elsewhere(const struct audit_spans *spans, size_t before, size_t after, int64_t from,
		      int64_t to)
{
	const char *stem = spans->all[before < spans->n ? before : after].name.stem;
	bool any = false;

	for (size_t i = 0; i < spans->nmembers; i++) {
		const struct audit_member *member = &spans->members[i], *next;

		if (member->span != before && member->span != after)
			continue;
		any = true;
		/* A copy made before lacks what the file itself has: what ends the hole, or else
		   what it begins after. */
		next = member_of(spans, after, member->host);
		/* Lines without a host may be of any. */
		if (!spans->hosts[member->host].name.n ||
		    !host_reaches(spans, member->host, stem, from, to,
				  (next ? next->first : member->last) -
					  spans->all[next ? after : member->span].doubt))
			return false;
	}
	return any;
}

bool
audit_spans_stopped(const struct audit_spans *spans, size_t span)
{
	bool any = false;

	for (size_t i = 0; i < spans->nmembers; i++) {
		size_t last = spans->members[i].host;
		struct qf_slice name = {spans->hosts[last].name.p, spans->hosts[last].name.n};

		if (spans->members[i].span != span)
			continue;
		while (last + 1 < spans->nhosts && same_host(&spans->hosts[last + 1], name))
			last++;
		if ((spans->hosts[last].saw & (AUDIT_SAW_STOPPED | AUDIT_SAW_BESIDE)) !=
		    AUDIT_SAW_STOPPED)
			return false;
		any = true;
	}
	return any;
}

enum qf_code
audit_spans_load(struct audit_spans *spans, struct store *store, struct qf_err *err)
{
	enum qf_code code;

	*spans = (struct audit_spans){0};
	code = load_files(spans, store, err);
	if (code == QF_OK)
		code = load_links(spans, store, err);
	if (code == QF_OK)
		code = load_silent(spans, store, err);
	return code == QF_OK ? load_hosts(spans, store, err) : code;
}

void
audit_spans_release(struct audit_spans *spans)
{
	for (size_t i = 0; i < spans->n; i++)
		free(spans->all[i].path);
	for (size_t i = 0; i < spans->nhosts; i++)
		qf_buf_release(&spans->hosts[i].name);
	free(spans->all);
	free(spans->hosts);
	free(spans->members);
	*spans = (struct audit_spans){0};
}
