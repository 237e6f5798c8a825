/*
 * audit_log - qf audit log: the mail log into the database, each line once.
 *
 * A file that was read before is known by its first bytes, whatever its name is now, and is read on
 * from where it ended. A line that stands in another file (compressed, exported) is known by its
 * own key: time, pid, id, text, and how many like it came before it in the same second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_log.h"
#include "audit_name.h"
#include "audit_notes.h"
#include "audit_sink.h"
#include "changes.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"

/* Events between two commits: lost to an interruption, and read again. */
#define BATCH 100000
/* A last line without its end, in a file changed so shortly ago, is still being written. */
#define SETTLED 60

struct log_run {
	struct store *store; /* NULL: nothing is stored (-n) */
	struct audit_sink *sink;
	struct audit_notes notes;
	struct qf_log_options options;
	int64_t now;
	struct audit_log_sum sum;
	bool incomplete;
	bool touch; /* note when a file was read, though nothing new is in it */
	int64_t pending;
};

/* One file, and what is stored of it. */
struct log_file {
	const char *path;
	uint8_t head[SHA256_DIGEST_SIZE];
	size_t head_size;
	unsigned char bytes[AUDIT_LOG_HEAD];
	size_t nbytes;
	bool regular, settled;
	int64_t id; /* its row; 0: none yet */
	int64_t offset, lines, events, foreign, unparsed;
	int64_t first, last;
	unsigned saw;
	int zone;
	enum qf_log_by year_by, zone_by;
};

/* ------------------------------------------------------------------ known files */

static void
hash_head(const struct log_file *file, size_t n, uint8_t digest[SHA256_DIGEST_SIZE])
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, n, file->bytes);
	sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
}

static void
read_head(struct log_file *file, int64_t now)
{
	struct stat st;
	int fd = strcmp(file->path, "-") ? open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		ssize_t n = pread(fd, file->bytes, sizeof(file->bytes), 0);

		file->regular = true;
		file->settled = st.st_mtime + SETTLED < now;
		file->nbytes = n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	file->head_size = file->nbytes;
	hash_head(file, file->head_size, file->head);
}

/* The word that a row has, as a value. */
static enum qf_log_by
by_of(struct qf_slice word)
{
	for (int by = QF_LOG_BY_LINE; by <= QF_LOG_BY_NOTHING; by++) {
		const char *name = qf_log_by_name((enum qf_log_by)by);

		if (word.n == strlen(name) && memcmp(word.p, name, word.n) == 0)
			return (enum qf_log_by)by;
	}
	return QF_LOG_BY_NOTHING;
}

static enum qf_log_by
worse(enum qf_log_by a, enum qf_log_by b)
{
	return a > b ? a : b;
}

/* The row of a file that begins with the same bytes. */
static enum qf_code
find_known(struct log_run *run, struct log_file *file, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code;

	if (!file->regular || file->nbytes == 0)
		return QF_OK;
	code = store_prepare(run->store,
			     "SELECT id, head, head_size, offset, lines, events, foreign_lines,"
			     " unparsed, first, last, saw, zone, zone_by, year_by FROM log_files"
			     " WHERE head_size <= ?1 AND head_size > 0 ORDER BY offset DESC",
			     &s, err);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, (int64_t)file->nbytes);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		uint8_t digest[SHA256_DIGEST_SIZE];
		struct qf_slice head = store_text(s, 1);

		hash_head(file, (size_t)store_int(s, 2), digest);
		if (head.n != sizeof(digest) || memcmp(head.p, digest, sizeof(digest)) != 0)
			continue;
		file->id = store_int(s, 0);
		file->head_size = (size_t)store_int(s, 2);
		file->offset = store_int(s, 3);
		file->lines = store_int(s, 4);
		file->events = store_int(s, 5);
		file->foreign = store_int(s, 6);
		file->unparsed = store_int(s, 7);
		file->first = store_time(s, 8);
		file->last = store_time(s, 9);
		file->saw = (unsigned)store_int(s, 10);
		file->zone = (int)store_int(s, 11);
		file->zone_by = by_of(store_text(s, 12));
		file->year_by = by_of(store_text(s, 13));
		break;
	}
	store_finalize(s);
	return code;
}

/* ------------------------------------------------------------------ rows */

static int64_t
earlier(int64_t a, int64_t b)
{
	return a == QF_TIME_NONE || (b != QF_TIME_NONE && b < a) ? b : a;
}

static int64_t
later(int64_t a, int64_t b)
{
	return a == QF_TIME_NONE || (b != QF_TIME_NONE && b > a) ? b : a;
}

/* The file as it stands after what was read so far. offset and lines: where the next run goes on.
 */
static enum qf_code
file_row(struct log_run *run, struct log_file *file, const struct qf_log_stats *stats,
	 uint64_t offset, uint64_t lines, int64_t new_events, struct qf_err *err)
{
	struct store_statement *s;
	struct qf_log_level level;
	unsigned saw = file->saw | stats->saw;
	char *absolute = realpath(file->path, NULL);
	enum qf_code code = store_cached(
		run->store,
		file->id ? "UPDATE log_files SET offset = ?2, lines = ?3, events = ?4, "
			   "foreign_lines = ?5,"
			   " unparsed = ?6, first = ?7, last = ?8, saw = ?9, level_low = ?10,"
			   " level_high = ?11, year_by = ?12, zone_by = ?13, zone = ?14, read_at = "
			   "?15,"
			   " head = ?16, head_size = ?17, path = ?18 WHERE id = ?1"
			 : "INSERT INTO log_files (path, offset, lines, events, foreign_lines, "
			   "unparsed,"
			   " first, last, saw, level_low, level_high, year_by, zone_by, zone, "
			   "read_at,"
			   " head, head_size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
			   "?11, ?12,"
			   " ?13, ?14, ?15, ?16, ?17)",
		&s, err);

	if (code != QF_OK) {
		free(absolute);
		return code;
	}
	qf_log_level(saw, &level);
	if (file->id)
		store_bind_int(s, 1, file->id);
	store_bind_string(s, file->id ? 18 : 1, absolute ? absolute : file->path);
	store_bind_int(s, 2, (int64_t)offset);
	store_bind_int(s, 3, (int64_t)lines);
	store_bind_int(s, 4, file->events + new_events);
	store_bind_int(s, 5, file->foreign + (int64_t)stats->foreign);
	store_bind_int(s, 6, file->unparsed + (int64_t)stats->unparsed);
	store_bind_time(s, 7, earlier(file->first, stats->first));
	store_bind_time(s, 8, later(file->last, stats->last));
	store_bind_int(s, 9, saw);
	store_bind_int(s, 10, level.low);
	store_bind_int(s, 11, level.high);
	store_bind_string(s, 12, qf_log_by_name(worse(file->year_by, stats->year_by)));
	store_bind_string(s, 13, qf_log_by_name(worse(file->zone_by, stats->zone_by)));
	store_bind_int(s, 14, stats->zone);
	store_bind_int(s, 15, run->now);
	store_bind_blob(s, 16, file->head, sizeof(file->head));
	store_bind_int(s, 17, (int64_t)file->head_size);
	code = store_run(s, err);
	if (code == QF_OK && !file->id)
		file->id = store_last_id(run->store);
	free(absolute);
	return code;
}

/* ------------------------------------------------------------------ one file */

static enum qf_code
commit_so_far(struct log_run *run, struct log_file *file, const struct qf_log *log,
	      const struct qf_log_event *event, int64_t new_events, struct qf_err *err)
{
	struct qf_log_stats stats;
	enum qf_code code;

	run->pending = 0;
	/* The line in hand is stored, and would only be found known. */
	qf_log_stats(log, &stats);
	code = file_row(run, file, &stats, event->offset, event->line - 1, new_events, err);
	if (code == QF_OK)
		code = audit_notes_store(&run->notes, run->store, file->id, err);
	if (code == QF_OK)
		code = store_commit(run->store, err);
	return code == QF_OK ? store_begin(run->store, err) : code;
}

static void
sum_up(struct log_run *run, const struct log_file *file, const struct qf_log_stats *stats,
       uint64_t lines, uint64_t new_events, uint64_t known)
{
	run->sum.files++;
	run->sum.lines += lines;
	run->sum.events += new_events;
	run->sum.known += known + (uint64_t)file->lines;
	run->sum.unparsed += stats->unparsed;
	run->sum.foreign += stats->foreign;
	run->sum.pieces += stats->pieces;
	run->sum.saw |= file->saw | stats->saw;
	run->sum.first = earlier(run->sum.first, earlier(file->first, stats->first));
	run->sum.last = later(run->sum.last, later(file->last, stats->last));
	run->sum.year_by = worse(run->sum.year_by, worse(file->year_by, stats->year_by));
	run->sum.zone_by = worse(run->sum.zone_by, worse(file->zone_by, stats->zone_by));
	run->sum.zone = stats->zone;
}

/* All events of a log that is open. */
static enum qf_code
read_events(struct log_run *run, struct log_file *file, struct qf_log *log, uint64_t *new_events,
	    uint64_t *known, struct qf_err *err)
{
	const struct qf_log_event *event;
	struct qf_log_stats stats;
	enum qf_code code, stored;

	while ((code = qf_log_next(log, &event, err)) == QF_OK && event) {
		if (!run->store) {
			++*new_events;
			continue;
		}
		code = audit_sink_put(run->sink, file->id, event, err);
		if (code != QF_OK)
			break;
		qf_log_stats(log, &stats);
		audit_notes_event(&run->notes, event, &stats);
		if (++run->pending >= BATCH)
			code = audit_sink_drain(run->sink, new_events, known, err);
		if (code == QF_OK && run->pending >= BATCH)
			code = commit_so_far(run, file, log, event, (int64_t)*new_events, err);
		if (code != QF_OK)
			break;
	}
	if (!run->store)
		return code;
	/* A failure to store is the worse one. */
	stored = audit_sink_drain(run->sink, new_events, known, err);
	return stored != QF_OK ? stored : code;
}

/* What there is to be known of the file besides its lines. */
static enum qf_code
note(struct log_run *run, const struct log_file *file, const struct qf_log_stats *stats, bool cut,
     struct qf_err *err)
{
	enum qf_code code;

	audit_notes_end(&run->notes, stats, run->now);
	code = audit_notes_store(&run->notes, run->store, file->id, err);
	if (code == QF_OK)
		code = audit_notes_damage(run->store, file->id,
					  cut ? "it ends within a line, or its data do" : NULL,
					  err);
	return code == QF_OK && file->regular
		       ? audit_notes_link(run->store, file->id, file->path, err)
		       : code;
}

/* All of it is read anew, as if it had never been. */
static enum qf_code
forget(struct log_run *run, struct log_file *file, struct qf_err *err)
{
#define OF_ITS_EVENTS " WHERE event IN (SELECT id FROM events WHERE file = ?1)"
	/* Foreign keys are not enforced where rows are written. */
	static const char *const rows[] = {
		"DELETE FROM event_recipients" OF_ITS_EVENTS, "DELETE FROM event_children" OF_ITS_EVENTS,
		"DELETE FROM events WHERE file = ?1",	      "DELETE FROM log_stretches WHERE file = ?1",
		"DELETE FROM log_links WHERE file = ?1",      "DELETE FROM log_gaps WHERE file = ?1",
		"DELETE FROM log_files WHERE id = ?1",
	};
	const char *path = file->path;
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && code == QF_OK; i++) {
		struct store_statement *s;

		code = store_cached(run->store, rows[i], &s, err);
		if (code != QF_OK)
			break;
		store_bind_int(s, 1, file->id);
		code = store_run(s, err);
	}
	*file = (struct log_file){.path = path, .first = QF_TIME_NONE, .last = QF_TIME_NONE};
	read_head(file, run->now);
	return code;
}

/* *again: what was read now tells the zone of what was read before, which was stored with a guess. */
static enum qf_code
read_once(struct log_run *run, const char *path, bool *again, struct qf_err *err)
{
	struct log_file file = {.path = path, .first = QF_TIME_NONE, .last = QF_TIME_NONE};
	struct qf_log_options options = run->options;
	struct qf_log_stats stats;
	struct qf_log *log = NULL;
	uint64_t new_events = 0, known = 0, lines, offset;
	struct qf_err damage = {0};
	enum qf_code code = QF_OK;
	bool guessed;

	*again = false;
	read_head(&file, run->now);
	if (run->store)
		code = find_known(run, &file, err);
	guessed = file.id && file.zone_by == QF_LOG_BY_NOTHING;
	if (code == QF_OK && guessed && options.have_zone)
		code = forget(run, &file, err);
	if (code != QF_OK)
		return code;
	if (file.id) {
		options.offset = (uint64_t)file.offset;
		options.lines = (uint64_t)file.lines;
		options.last = file.last;
		if (!options.have_zone && file.zone_by == QF_LOG_BY_IDS) {
			options.zone = file.zone;
			options.learned = true;
		}
	}
	options.growing = run->store && file.regular && !file.settled;
	code = qf_log_open(path, &options, &log, err);
	if (code == QF_E_CHANGED) {
		/* It was cut since: all of it again, line by line. */
		file = (struct log_file){.path = path, .first = QF_TIME_NONE, .last = QF_TIME_NONE};
		read_head(&file, run->now);
		code = qf_log_open(path, &run->options, &log, err);
	}
	if (code != QF_OK)
		return code;
	if (run->sink)
		audit_sink_begin(run->sink);
	/* The row first, for the events to refer to; nothing new, nothing written. */
	qf_log_stats(log, &stats);
	if (run->store && !file.id)
		code = file_row(run, &file, &stats, 0, 0, 0, err);
	if (code == QF_OK && run->store)
		code = audit_notes_begin(&run->notes, run->store, file.id, file.last, err);
	if (code == QF_OK)
		code = read_events(run, &file, log, &new_events, &known, err);
	if (code == QF_E_DATA) {
		damage = *err;
		code = QF_OK;
	}
	qf_log_stats(log, &stats);
	if (code == QF_OK && guessed && stats.zone_by == QF_LOG_BY_IDS) {
		*again = true;
		qf_log_free(log);
		return forget(run, &file, err);
	}
	offset = stats.offset;
	lines = stats.lines;
	if (code == QF_OK && lines > (uint64_t)file.lines && stats.events + stats.foreign == 0 &&
	    file.events + file.foreign == 0) {
		*err = (struct qf_err){.code = QF_E_DATA};
		snprintf(err->what, sizeof(err->what), "%s", path);
		snprintf(err->why, sizeof(err->why),
			 "is no mail log: none of its %llu %s is one of syslog",
			 (unsigned long long)lines, lines == 1 ? "line" : "lines");
		code = QF_E_DATA;
	}
	if (code == QF_OK && run->store && offset != (uint64_t)file.offset) {
		/* A file that was shorter than its head is known by more of it from now on. */
		if (file.head_size < file.nbytes) {
			file.head_size = file.nbytes;
			hash_head(&file, file.head_size, file.head);
		}
		code = file_row(run, &file, &stats, offset, lines, (int64_t)new_events, err);
	}
	if (code == QF_OK && run->store)
		code = note(run, &file, &stats, damage.code || (stats.cut && !options.growing),
			    err);
	if (code == QF_OK && run->touch && offset == (uint64_t)file.offset && file.id) {
		struct store_statement *s;

		code = store_cached(run->store, "UPDATE log_files SET read_at = ?2 WHERE id = ?1",
				    &s, err);
		if (code == QF_OK) {
			store_bind_int(s, 1, file.id);
			store_bind_int(s, 2, run->now);
			code = store_run(s, err);
		}
	}
	if (code == QF_OK) {
		sum_up(run, &file, &stats, lines, new_events, known);
		if (damage.code || (stats.cut && !file.regular)) {
			run->incomplete |= damage.code != QF_OK;
			if (damage.code)
				say_failure(&damage);
			else
				say_note("%s: ends within a line", path);
		} else if (stats.cut) {
			say_note(
				"%s: %s", path,
				options.growing
					? "its last line is still being written, and left for next "
					  "time"
					: "ends within a line, or its compressed data do");
		}
	}
	qf_log_free(log);
	return code;
}

static enum qf_code
read_file(struct log_run *run, const char *path, struct qf_err *err)
{
	bool again;
	enum qf_code code = read_once(run, path, &again, err);

	return code == QF_OK && again ? read_once(run, path, &again, err) : code;
}

/* "+01:00", "-0330", "Z" */
static bool
parse_zone(const char *text, int *zone)
{
	int hours, minutes = 0, n = 0;

	if (strcmp(text, "Z") == 0 || strcmp(text, "UTC") == 0) {
		*zone = 0;
		return true;
	}
	if ((text[0] != '+' && text[0] != '-') ||
	    (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 &&
	     sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &n) != 2) ||
	    text[1 + n] || hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
		return false;
	*zone = (hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
	return true;
}

/* Read them all, into the database unless nothing is to be stored. Returns an exit status. */
static int
read_logs(struct log_run *run, enum store_mode mode, const char *const *files, size_t n)
{
	struct qf_err err;
	enum qf_code code = QF_OK;
	int status = STATUS_OK;

	run->options = (struct qf_log_options){.reference = QF_TIME_NONE,
					       .last = QF_TIME_NONE,
					       .year = (int)audit_given.year,
					       .cancel = signals_flag()};
	if (audit_given.zone && !parse_zone(audit_given.zone, &run->options.zone)) {
		say_error("--zone: %s: not of the form +01:00", audit_given.zone);
		return STATUS_USAGE;
	}
	run->options.have_zone = audit_given.zone != NULL;
	if (!changes_given()->dry_run) {
		/* A database is not made for logs that cannot be read. */
		for (size_t i = 0; i < n && !status; i++)
			if (strcmp(files[i], "-") && access(files[i], R_OK) != 0) {
				say_error("%s: %s", files[i], strerror(errno));
				status = errno == ENOENT ? STATUS_NO_INPUT : STATUS_DENIED;
			}
		if (!status)
			status = audit_open(mode, &run->store);
		if (!status && (code = store_bulk(run->store, &err)) != QF_OK)
			status = say_failure(&err);
		if (!status && (code = store_begin(run->store, &err)) != QF_OK)
			status = say_failure(&err);
		if (!status && !(run->sink = audit_sink_new(run->store))) {
			say_error("out of memory");
			status = STATUS_OS;
		}
	}
	for (size_t i = 0; i < n && !status; i++) {
		code = read_file(run, files[i], &err);
		if (code != QF_OK)
			status = say_failure(&err);
	}
	if (!status && run->store && (code = store_commit(run->store, &err)) != QF_OK)
		status = say_failure(&err);
	if (run->store && status)
		store_rollback(run->store);
	audit_sink_free(run->sink);
	audit_notes_clear(&run->notes);
	store_close(run->store);
	return status;
}

int
audit_log_read(const char *const *files, size_t n)
{
	struct log_run run = {
		.sum = {.first = QF_TIME_NONE, .last = QF_TIME_NONE}, .now = time(NULL), .touch = true};

	return read_logs(&run, STORE_WRITE, files, n);
}

int
audit_log(char **operands, size_t n)
{
	struct log_run run = {.sum = {.first = QF_TIME_NONE, .last = QF_TIME_NONE}, .now = time(NULL)};
	int status;

	if (!n) {
		say_error("which log? give one file or more, or - for standard input");
		return STATUS_USAGE;
	}
	status = read_logs(&run, STORE_CREATE, (const char *const *)operands, n);
	if (!status) {
		audit_log_tell(&run.sum);
		status = run.incomplete ? STATUS_INCOMPLETE : STATUS_OK;
	}
	return out_finish(status);
}
