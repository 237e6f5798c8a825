/*
 * maillog - the events of a mail log, one after the other.
 */
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "maillog.h"

/* Lines that sendmail had to cut are put together for so many messages at once, each to so many
   bytes: its own limit is 1,000 pieces of some 1,000 bytes. */
#define PENDING_MAX 16
#define PENDING_BYTES QF_LOG_LINE_MAX
/* Accepted messages that are looked at before the first line, to find year and zone. */
#define SAMPLES 50

struct pending {
	struct qf_buf text; /* "ID: " and what there is so far */
	size_t id;	    /* length of the id at its front */
	long pid;
	unsigned lines;
	uint64_t used; /* when: the oldest gives way */
};

struct qf_log {
	struct qf_log_input *input;
	struct qf_log_heads *heads;
	struct qf_log_clock clock;
	struct qf_log_fields fields;
	struct qf_log_event event;
	struct qf_log_stats stats;
	struct pending pending[PENDING_MAX];
	struct qf_buf record; /* of a log service */
	const volatile int *cancel;
	char *name;
	bool json; /* the whole file is */
	bool growing;
	bool skipping; /* in a line that is too long */
};

static enum qf_code
more(struct qf_log *log, bool *any, struct qf_err *err)
{
	if (log->cancel && *log->cancel)
		return qf_err_set(err, QF_E_INTERRUPTED, log->name, "interrupted");
	return qf_log_input_more(log->input, any, err);
}

static void
take(struct qf_log *log, size_t n)
{
	qf_log_input_take(log->input, n);
	log->stats.bytes += n;
}

static void
count_line(struct qf_log *log)
{
	log->stats.lines++;
}

static void
count_too_long(struct qf_log *log)
{
	count_line(log);
	log->stats.unparsed++;
	log->stats.garbled++;
}

/*
 * The next line, without its end, in *line; absent at the end. taken: how much of the input it is.
 * A line that is too long is passed over and counted.
 */
static enum qf_code
next_line(struct qf_log *log, struct qf_slice *line, size_t *taken, struct qf_err *err)
{
	size_t looked = 0;

	for (;;) {
		struct qf_slice bytes = qf_log_input_bytes(log->input);
		const char *end =
			bytes.n > looked ? memchr(bytes.p + looked, '\n', bytes.n - looked) : NULL;
		enum qf_code code;
		bool any;

		if (end) {
			*line = (struct qf_slice){bytes.p, (size_t)(end - bytes.p)};
			*taken = line->n + 1;
			if (!log->skipping)
				return QF_OK;
			take(log, *taken);
			log->skipping = false;
			looked = 0;
			count_too_long(log);
			continue;
		}
		looked = bytes.n;
		if (looked > QF_LOG_LINE_MAX || (log->skipping && looked > 0)) {
			log->skipping = true;
			take(log, looked);
			looked = 0;
		}
		code = more(log, &any, err);
		if (code != QF_OK)
			return code;
		if (any)
			continue;
		bytes = qf_log_input_bytes(log->input);
		if (log->skipping) {
			count_too_long(log);
			log->skipping = false;
			log->stats.cut = true;
			take(log, bytes.n);
			bytes.n = 0;
		}
		/* A last line without its end may be one that is being written. */
		*line = bytes.n > 0 && !log->growing ? bytes : (struct qf_slice){NULL, 0};
		*taken = bytes.n;
		log->stats.cut |= bytes.n > 0 || qf_log_input_cut(log->input);
		return QF_OK;
	}
}

/* The next record of JSON, as next_line(). */
static enum qf_code
next_record(struct qf_log *log, struct qf_slice *object, size_t *taken, struct qf_err *err)
{
	for (;;) {
		struct qf_slice bytes = qf_log_input_bytes(log->input);
		size_t keep = 0, n = qf_log_object(bytes, object, &keep);
		enum qf_code code;
		bool any;

		if (n > 0) {
			*taken = n;
			return QF_OK;
		}
		/* What can be no part of a record is let go; so is a record that has no end. */
		if (bytes.n - keep > QF_LOG_LINE_MAX) {
			keep = bytes.n;
			count_line(log);
			log->stats.unparsed++;
		}
		if (keep < bytes.n)
			take(log, keep);
		code = more(log, &any, err);
		if (code != QF_OK)
			return code;
		if (!any) {
			log->stats.cut |= keep < bytes.n || qf_log_input_cut(log->input);
			*object = (struct qf_slice){NULL, 0};
			*taken = 0;
			return QF_OK;
		}
	}
}

/* ------------------------------------------------------------------ lines that were cut */

/* QUEUEID[n]: TEXT. Sets *id and *text; 0 where it is none. */
static unsigned
piece_number(struct qf_slice text, struct qf_slice *id, struct qf_slice *rest)
{
	unsigned n = 0;
	size_t i;

	if (!qf_log_id(text, id) || text.p[id->n] != '[')
		return 0;
	for (i = id->n + 1; i < text.n && i < id->n + 6 && text.p[i] >= '0' && text.p[i] <= '9';
	     i++)
		n = n * 10 + (unsigned)(text.p[i] - '0');
	if (i + 2 >= text.n || memcmp(text.p + i, "]: ", 3) != 0)
		return 0;
	*rest = (struct qf_slice){text.p + i + 3, text.n - i - 3};
	return n;
}

static void
forget(struct pending *pending)
{
	qf_buf_clear(&pending->text);
	pending->id = 0;
	pending->lines = 0;
}

/*
 * Put a piece to those before it. True when the last one is there: head->text is then the whole, as
 * one line would have it.
 */
static bool
join(struct qf_log *log, struct qf_log_head *head, struct qf_slice id, unsigned number,
     struct qf_slice text, unsigned *lines)
{
	struct pending *mine = NULL, *oldest = &log->pending[0];
	bool last = text.n < 4 || memcmp(text.p + text.n - 4, " ...", 4) != 0;

	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &log->pending[i];

		if (p->id == id.n && p->pid == head->pid && memcmp(p->text.p, id.p, id.n) == 0)
			mine = p;
		if (p->used < oldest->used)
			oldest = p;
	}
	if (number == 1 || !mine) {
		mine = mine ? mine : oldest;
		forget(mine);
		/* Without its beginning it is nothing. */
		if (number != 1)
			return false;
		qf_buf_add_slice(&mine->text, id);
		qf_buf_adds(&mine->text, ": ");
		mine->id = id.n;
		mine->pid = head->pid;
	} else if (number != mine->lines + 1 || mine->text.n > PENDING_BYTES) {
		forget(mine);
		return false;
	}
	mine->used = log->stats.lines;
	mine->lines++;
	if (!last)
		text.n -= 4;
	qf_buf_add_slice(&mine->text, text);
	if (!last)
		return false;
	head->text = (struct qf_slice){mine->text.p, mine->text.n};
	*lines = mine->lines;
	/* The bytes stay until the buffer is used again. */
	mine->id = 0;
	mine->lines = 0;
	return true;
}

/* ------------------------------------------------------------------ events */

/*
 * A line without a head. One that has a time is of a program that writes as it likes; what has none
 * stands in no log, but where a disk was full, a machine went down or a file was put together.
 */
static void
count_unparsed(struct qf_log *log, struct qf_slice line, bool in_record, bool dated)
{
	log->stats.unparsed++;
	if (in_record || dated || line.n == 0)
		return;
	if (memchr(line.p, '\0', line.n))
		log->stats.garbled++;
	else
		log->stats.strange++;
}

/* Does the daemon that writes the log say that lines are not in it? */
static bool
says_lost(const struct qf_log_head *head)
{
	static const char *const daemons[] = {"rsyslogd", "systemd-journal", "syslog-ng",
					      "syslogd"};
	static const char *const words[] = {" lost", "Suppressed ", "rate-limit", "drop messages",
					    "discard"};
	bool is_daemon = false;

	for (size_t i = 0; i < sizeof(daemons) / sizeof(*daemons); i++)
		is_daemon |= head->ident.n >= strlen(daemons[i]) &&
			     memcmp(head->ident.p, daemons[i], strlen(daemons[i])) == 0;
	for (size_t i = 0; is_daemon && i < sizeof(words) / sizeof(*words); i++)
		if (memmem(head->text.p, head->text.n, words[i], strlen(words[i])))
			return true;
	return false;
}

/*
 * The next accepted message whose line has no zone of its own, in *bytes, which is moved behind it.
 * Only what tells it from other lines is looked at: it is read for good when its turn comes.
 */
static bool
next_accepted(struct qf_log *log, struct qf_slice *bytes, struct qf_log_head *head,
	      struct qf_slice *id)
{
	static const char from[] = ": from=", nrcpts[] = ", nrcpts=";
	const char *end;

	while (bytes->n > 0 && (end = memchr(bytes->p, '\n', bytes->n))) {
		struct qf_slice line = {bytes->p, (size_t)(end - bytes->p)};
		struct qf_log_head outer;

		*bytes = (struct qf_slice){end + 1, bytes->n - line.n - 1};
		if (memmem(line.p, line.n, from, sizeof(from) - 1) &&
		    memmem(line.p, line.n, nrcpts, sizeof(nrcpts) - 1) &&
		    qf_log_head_read(log->heads, line, false, head, &outer) && !outer.dated &&
		    qf_log_id(head->text, id) && head->text.n >= id->n + sizeof(from) - 1 &&
		    memcmp(head->text.p + id->n, from, sizeof(from) - 1) == 0)
			return true;
	}
	return false;
}

/* What the next accepted message tells, as far as it is in memory, of the lines up to it. */
static void
expect(struct qf_log *log, struct qf_slice bytes)
{
	struct qf_slice rest = bytes, further, id;
	struct qf_log_head head, outer;
	int64_t local = log->clock.before;

	if (!next_accepted(log, &rest, &head, &id) || !qf_log_clock_expect(&log->clock, &head, id))
		return;
	further = rest;
	if (next_accepted(log, &further, &head, &id) &&
	    qf_log_clock_denies(&log->clock, &head, id, log->clock.next)) {
		log->clock.next = log->clock.zone;
		return;
	}
	while (bytes.p < rest.p) {
		const char *end = memchr(bytes.p, '\n', bytes.n);
		struct qf_slice line = {bytes.p, (size_t)(end - bytes.p)};

		bytes = (struct qf_slice){end + 1, bytes.n - line.n - 1};
		if (qf_log_head_read(log->heads, line, false, &head, &outer) && head.dated &&
		    !outer.dated && !head.has_zone)
			qf_log_clock_between(&log->clock, &head, &local);
	}
}

/* Look at the first accepted messages for year and zone. */
static void
sample(struct qf_log *log)
{
	struct qf_slice bytes = qf_log_input_bytes(log->input), id;
	struct qf_log_head head;
	bool known = log->clock.by_ids;

	for (unsigned i = 0; !known && i < SAMPLES; i++)
		if (!next_accepted(log, &bytes, &head, &id) ||
		    !qf_log_clock_sample(&log->clock, &head, id))
			break;
	expect(log, qf_log_input_bytes(log->input));
}

/* What comes after the line in hand. */
static struct qf_slice
after_line(const struct qf_log *log)
{
	struct qf_slice bytes = qf_log_input_bytes(log->input);
	const char *end = bytes.n > 0 ? memchr(bytes.p, '\n', bytes.n) : NULL;

	return end ? (struct qf_slice){end + 1, bytes.n - (size_t)(end - bytes.p) - 1}
		   : (struct qf_slice){"", 0};
}

/* The time of a line by which a message was accepted, and what it tells of others. */
static int64_t
time_of_accepted(struct qf_log *log, const struct qf_log_head *head, struct qf_slice id)
{
	struct qf_slice rest = after_line(log), next_id;
	struct qf_log_head next;
	int64_t time;
	int zone;

	if (head->has_zone || log->json) {
		qf_log_clock_learn(&log->clock, head, id);
		return qf_log_clock_time(&log->clock, head, QF_TIME_NONE);
	}
	if (!qf_log_clock_summer(&log->clock, head, id, &zone) ||
	    !next_accepted(log, &rest, &next, &next_id) ||
	    !qf_log_clock_denies(&log->clock, &next, next_id, zone))
		qf_log_clock_learn(&log->clock, head, id);
	time = qf_log_clock_time(&log->clock, head, QF_TIME_NONE);
	expect(log, after_line(log));
	return time;
}

/* Understand a line. True when log->event is one. */
static bool
read_line(struct qf_log *log, struct qf_slice line, const struct qf_log_record *record, bool *nomem)
{
	struct qf_log_head head, outer;
	struct qf_log_event *event = &log->event;
	struct qf_slice id, rest;
	int64_t export_time = record ? record->time : QF_TIME_NONE;
	unsigned number, lines = 1;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (!qf_log_head_read(log->heads, line, record != NULL, &head, &outer)) {
		count_unparsed(log, line, record != NULL, head.dated || outer.dated);
		return false;
	}
	if (outer.dated && export_time == QF_TIME_NONE)
		export_time = outer.local - (outer.has_zone ? outer.zone : 0);
	number = piece_number(head.text, &id, &rest);
	if (number > 0 && !join(log, &head, id, number, rest, &lines)) {
		log->stats.pieces++;
		return false;
	}
	event->line = log->stats.lines;
	event->lines = lines;
	event->offset = qf_log_input_offset(log->input);
	event->cut = log->stats.cut && !log->json;
	if (!qf_log_fields_read(&log->fields, &head, event, nomem)) {
		log->stats.foreign += !*nomem;
		log->stats.lost += !*nomem && says_lost(&head);
		return false;
	}
	/* Its own id tells the zone of the line; of others, what came before and what comes. */
	if (export_time == QF_TIME_NONE && event->kind == QF_LOG_ACCEPTED) {
		event->time = time_of_accepted(log, &head, event->id);
		return true;
	}
	event->time = qf_log_clock_time(&log->clock, &head, export_time);
	return true;
}

static void
count_event(struct qf_log *log)
{
	const struct qf_log_event *event = &log->event;
	struct qf_log_stats *stats = &log->stats;

	stats->events++;
	stats->kinds[event->kind]++;
	if (event->kind == QF_LOG_DELIVERY)
		stats->outcomes[event->outcome]++;
	stats->saw |= qf_log_saw(event);
	if (event->time == QF_TIME_NONE) {
		stats->undated++;
		return;
	}
	if (stats->first == QF_TIME_NONE || event->time < stats->first)
		stats->first = event->time;
	if (stats->last == QF_TIME_NONE || event->time > stats->last)
		stats->last = event->time;
}

/* JSON is told by its first byte that is no blank; a line of a log never begins with it. */
static bool
is_json(struct qf_slice bytes)
{
	size_t i = 0;

	while (i < bytes.n && (bytes.p[i] == ' ' || bytes.p[i] == '\n' || bytes.p[i] == '\t' ||
			       bytes.p[i] == '\r'))
		i++;
	return i < bytes.n && (bytes.p[i] == '{' || (bytes.p[i] == '[' && i + 1 < bytes.n &&
						     strchr(" \r\n\t{", bytes.p[i + 1])));
}

static enum qf_code
begin(struct qf_log_input *input, const char *name, const struct qf_log_options *options,
      struct qf_log **out, struct qf_err *err)
{
	struct qf_log *log = calloc(1, sizeof(*log));
	enum qf_code code = QF_OK;
	struct qf_slice bytes;
	bool any;

	if (!log) {
		qf_log_input_free(input);
		return qf_err_nomem(err);
	}
	log->input = input;
	log->heads = qf_log_heads_new();
	log->name = strdup(name);
	log->stats.first = log->stats.last = QF_TIME_NONE;
	qf_log_clock_init(&log->clock, options, qf_log_input_mtime(input));
	if (!log->heads || !log->name)
		code = qf_err_nomem(err);
	bytes = qf_log_input_bytes(input);
	if (code == QF_OK && bytes.n == 0)
		code = qf_log_input_more(input, &any, err);
	if (code == QF_OK)
		log->json = is_json(qf_log_input_bytes(input));
	if (code == QF_OK && options) {
		log->cancel = options->cancel;
		log->growing = options->growing;
		log->stats.lines = options->lines;
		code = qf_log_input_skip(input, options->offset, err);
		bytes = qf_log_input_bytes(input);
		if (code == QF_OK && options->offset > 0 && bytes.n == 0)
			code = qf_log_input_more(input, &any, err);
	}
	if (code != QF_OK) {
		qf_log_free(log);
		return code;
	}
	if (!log->json)
		sample(log);
	*out = log;
	return QF_OK;
}

enum qf_code
qf_log_open(const char *path, const struct qf_log_options *options, struct qf_log **out,
	    struct qf_err *err)
{
	struct qf_log_input *input;
	enum qf_code code = qf_log_input_open(path, options ? options->max_ops : 0, &input, err);

	return code == QF_OK ? begin(input, path, options, out, err) : code;
}

enum qf_code
qf_log_parse(struct qf_slice bytes, const char *name, const struct qf_log_options *options,
	     struct qf_log **out, struct qf_err *err)
{
	struct qf_log_input *input;
	enum qf_code code = qf_log_input_memory(bytes, &input, err);

	return code == QF_OK ? begin(input, name, options, out, err) : code;
}

enum qf_code
qf_log_next(struct qf_log *log, const struct qf_log_event **event, struct qf_err *err)
{
	*event = NULL;
	for (;;) {
		struct qf_log_record record = {.time = QF_TIME_NONE};
		struct qf_slice line;
		enum qf_code code;
		bool is_event, in_record = log->json, nomem = false;
		size_t taken = 0;

		code = log->json ? next_record(log, &line, &taken, err)
				 : next_line(log, &line, &taken, err);
		if (code != QF_OK || !line.p)
			return code;
		count_line(log);
		/* A record that holds none is one of the document's own: {"nextToken": ...}. */
		if (log->json && !qf_log_record_read(line, &log->record, &record)) {
			take(log, taken);
			log->stats.unparsed++;
			continue;
		}
		if (in_record)
			line = record.message;
		is_event = read_line(log, line, in_record ? &record : NULL, &nomem);
		take(log, taken);
		if (nomem || log->record.failed)
			return qf_err_nomem(err);
		if (!is_event)
			continue;
		count_event(log);
		*event = &log->event;
		return QF_OK;
	}
}

void
qf_log_stats(const struct qf_log *log, struct qf_log_stats *stats)
{
	*stats = log->stats;
	stats->offset = qf_log_input_offset(log->input);
	stats->year_by = log->clock.year_by;
	stats->zone_by = log->clock.zone_by;
	stats->zone = log->clock.zone;
}

void
qf_log_free(struct qf_log *log)
{
	if (!log)
		return;
	qf_log_input_free(log->input);
	qf_log_heads_free(log->heads);
	qf_arena_release(&log->fields.arena);
	qf_buf_release(&log->fields.plain);
	qf_buf_release(&log->record);
	for (size_t i = 0; i < PENDING_MAX; i++)
		qf_buf_release(&log->pending[i].text);
	free(log->name);
	free(log);
}

void
qf_log_event_key(const struct qf_log_event *event, uint64_t n, unsigned char key[16])
{
	struct sha256_ctx hash;
	uint8_t head[32];
	uint8_t digest[SHA256_DIGEST_SIZE];
	uint64_t numbers[4] = {(uint64_t)event->time, (uint64_t)event->pid, event->id.n, n};

	for (size_t i = 0; i < sizeof(head); i++)
		head[i] = (uint8_t)(numbers[i / 8] >> (i % 8 * 8));
	sha256_init(&hash);
	sha256_update(&hash, sizeof(head), head);
	sha256_update(&hash, event->id.n, (const uint8_t *)(event->id.p ? event->id.p : ""));
	sha256_update(&hash, event->text.n, (const uint8_t *)(event->text.p ? event->text.p : ""));
	sha256_digest(&hash, sizeof(digest), digest);
	/* The time first: lines come in its order, and so do their keys into an index. */
	for (int i = 0; i < 6; i++)
		key[i] = event->time == QF_TIME_NONE
				 ? 0
				 : (unsigned char)((uint64_t)event->time >> (40 - 8 * i));
	memcpy(key + 6, digest, 10);
}
