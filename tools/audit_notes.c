/*
 * audit_notes - what is noted of a log while it is read, for audit_cover to judge it by.
 *
 * A LogLevel holds for a host from one start of its daemon to the next: another one may have
 * another configuration. What the log itself shows to be missing is noted with its time, which is
 * that of the events around it.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "audit_index.h"
#include "audit_name.h"
#include "audit_notes.h"

/* So many lines that have no time are none of a log. */
#define STRANGE 20
/* Children of a daemon that was replaced work so long, and have pids so little below the new one's
   (more is no older one: pids begin anew). */
#define LINGERING 600
#define PIDS 16384
/* A syslog daemon says that it dropped lines when it is over. */
#define DROPPING 600
/* From that LogLevel on a daemon says that it stops. */
#define STOP_SAID 10

static bool
begins(struct qf_slice text, const char *word)
{
	return text.n >= strlen(word) && memcmp(text.p, word, strlen(word)) == 0;
}

static bool
same_host(const struct audit_stretch *stretch, struct qf_slice host)
{
	return stretch->host.n == host.n &&
	       (host.n == 0 || memcmp(stretch->host.p, host.p, host.n) == 0);
}

/* The stretch of a host that goes on; NULL. Those that wrote last are looked at first. */
static struct audit_stretch *
find(struct audit_notes *notes, struct qf_slice host)
{
	for (size_t i = notes->nopen; i-- > 0;) {
		size_t at = notes->open[i];

		if (!same_host(&notes->all[at], host))
			continue;
		notes->open[i] = notes->open[notes->nopen - 1];
		notes->open[notes->nopen - 1] = at;
		return &notes->all[at];
	}
	return NULL;
}

/* A new one of a host takes the place of the one that find() gave, if it has any. */
static struct audit_stretch *
add(struct audit_notes *notes, struct qf_slice host, int64_t time, bool again)
{
	struct audit_stretch *stretch;

	if (notes->n == notes->room) {
		size_t room = notes->room ? notes->room * 2 : 16;
		struct audit_stretch *more = realloc(notes->all, room * sizeof(*more));
		size_t *open = realloc(notes->open, room * sizeof(*open));

		notes->all = more ? more : notes->all;
		notes->open = open ? open : notes->open;
		if (!more || !open) {
			notes->failed = true;
			return NULL;
		}
		notes->room = room;
	}
	notes->nopen += !again;
	notes->open[notes->nopen - 1] = notes->n;
	stretch = &notes->all[notes->n++];
	*stretch = (struct audit_stretch){.first = time, .last = time};
	qf_buf_add(&stretch->host, host.p, host.n);
	notes->failed |= stretch->host.failed;
	return stretch;
}

static void
add_loss(struct audit_notes *notes, int64_t since, int64_t until, const char *why)
{
	if (notes->nlosses == notes->losses_room) {
		size_t room = notes->losses_room ? notes->losses_room * 2 : 16;
		struct audit_loss *more = realloc(notes->losses, room * sizeof(*more));

		if (!more) {
			notes->failed = true;
			return;
		}
		notes->losses = more;
		notes->losses_room = room;
	}
	notes->losses[notes->nlosses++] = (struct audit_loss){since, until, why};
}

/* What came between the last event and one of that time. */
static void
look_for_losses(struct audit_notes *notes, const struct qf_log_stats *stats, int64_t until)
{
	int64_t since = notes->previous != QF_TIME_NONE ? notes->previous : until - DROPPING;

	if (until == QF_TIME_NONE)
		return;
	/* Lines of several hosts are not quite in order. */
	if (since > until) {
		int64_t swap = since;

		since = until;
		until = swap;
	}
	if (stats->lost > notes->lost)
		add_loss(notes, since - DROPPING, until, "it says itself that lines were lost");
	if (stats->garbled > notes->garbled || stats->strange >= notes->strange + STRANGE)
		add_loss(notes, since, until, "it has lines there that are none of a log");
	notes->lost = stats->lost;
	notes->garbled = stats->garbled;
	notes->strange = stats->strange;
}

/* So is a start together with what came directly before it and is no mail: newaliases. */
static bool
is_one_start(const struct audit_stretch *before, int64_t time)
{
	return !(before->saw & ~(QF_LOG_SAW_ANY | AUDIT_SAW_BESIDE)) && time - before->first <= AUDIT_AT_ONCE;
}

/* Is a line by a process that the daemon did not start, but one before it? */
static bool
is_of_before(const struct audit_stretch *stretch, const struct qf_log_event *event)
{
	return stretch->pid > 0 && event->pid > 0 && event->pid < stretch->pid &&
	       stretch->pid - event->pid < PIDS && event->time - stretch->first < LINGERING;
}

/* Is a relay the host itself? Observed: "[127.0.0.1] [127.0.0.1]", "localhost. [127.0.0.1]". */
static bool
is_here(struct qf_slice relay, struct qf_slice host)
{
	static const char *const names[] = {"[127.0.0.1]", "[IPv6:::1]", "[IPv6:0:0:0:0:0:0:0:1]",
					    "localhost", "localhost.localdomain"};
	const char *blank = relay.n ? memchr(relay.p, ' ', relay.n) : NULL;

	if (blank)
		relay.n = (size_t)(blank - relay.p);
	if (relay.n && relay.p[relay.n - 1] == '.')
		relay.n--;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (relay.n == strlen(names[i]) && strncasecmp(relay.p, names[i], relay.n) == 0)
			return true;
	return host.n && relay.n == host.n && strncasecmp(relay.p, host.p, host.n) == 0;
}

/* Observed, of sendmail 8.17: stat=Sent (6AREG4f9009912 Message accepted for delivery). */
bool
audit_notes_handed_over(struct qf_slice host, struct qf_slice relay, struct qf_slice stat,
			struct qf_slice *id)
{
	static const char sent[] = "Sent (", taken[] = " Message accepted for delivery)";
	const size_t before = sizeof(sent) - 1, after = sizeof(taken) - 1;

	if (stat.n <= before + after || memcmp(stat.p, sent, before) != 0 ||
	    memcmp(stat.p + stat.n - after, taken, after) != 0 || !is_here(relay, host))
		return false;
	*id = (struct qf_slice){stat.p + before, stat.n - before - after};
	return !memchr(id->p, ' ', id->n);
}

/*
 * May a line be by the queue of submissions, which has a configuration of its own? All that a user
 * of the host submits comes from "USER@localhost" and is handed over to the daemon, which gives it
 * an id of its own. Where there is no such queue, it is delivered to elsewhere.
 */
static bool
is_of_submission(struct audit_notes *notes, const struct qf_log_event *event)
{
	static const char user[] = "@localhost";
	const size_t n = sizeof(user) - 1;
	struct qf_slice id;
	uint64_t hash;
	bool own;

	if (!event->id.n)
		return false;
	hash = audit_hash(event->id.p, event->id.n, 0);
	if (event->kind == QF_LOG_ACCEPTED) {
		own = event->relay.n > n &&
		      memcmp(event->relay.p + event->relay.n - n, user, n) == 0;
		if (own)
			notes->own[hash % AUDIT_OWN] = hash;
		return own;
	}
	if (event->kind == QF_LOG_DELIVERY &&
	    audit_notes_handed_over(event->host, event->relay, event->stat, &id))
		return true;
	own = notes->own[hash % AUDIT_OWN] == hash;
	/* What it makes of them, reports too, is its own. */
	for (size_t i = 0; own && i < event->nchildren; i++) {
		hash = audit_hash(event->children[i].p, event->children[i].n, 0);
		notes->own[hash % AUDIT_OWN] = hash;
	}
	if (event->kind != QF_LOG_DELIVERY)
		return own;
	/* submit.cf has no other mailer. The message may have come before what is read now. */
	return event->mailer.n == 5 && memcmp(event->mailer.p, "relay", 5) == 0 &&
	       (own || (event->outcome != QF_LOG_IS_SENT && is_here(event->relay, event->host)));
}

/* What a line shows of the configuration of the daemon that started last. */
static unsigned
saw_of(struct audit_notes *notes, const struct audit_stretch *stretch,
       const struct qf_log_event *event)
{
	unsigned saw = qf_log_saw(event);

	/* The queue of submissions has another one. */
	if (begins(event->ident, "sm-msp") || is_of_submission(notes, event) ||
	    is_of_before(stretch, event) ||
	    (stretch->saw & AUDIT_SAW_BESIDE && event->pid != stretch->pid))
		return QF_LOG_SAW_ANY;
	if (stretch->pid <= 0 || event->pid != stretch->pid)
		saw &= ~(unsigned)QF_LOG_SAW_STARTED;
	return saw;
}

/* Whether the daemon of a stretch, and the one before it, are still there after a line. */
static void
note_stop(struct audit_stretch *stretch, const struct qf_log_event *event, bool start)
{
	bool stops = begins(event->text, "stopping daemon");

	if (start) {
		stretch->saw &= ~AUDIT_SAW_STOPPED;
		stretch->gone = false;
	}
	if (event->kind != QF_LOG_DAEMON || begins(event->ident, "sm-msp") ||
	    (!stops && !begins(event->text, "restarting ")))
		return;
	if (stretch->saw & AUDIT_SAW_BESIDE && event->pid == stretch->other) {
		stretch->saw &= ~AUDIT_SAW_BESIDE;
	} else if (stretch->pid <= 0 || stretch->pid == event->pid) {
		stretch->gone = true;
		if (stops)
			stretch->saw |= AUDIT_SAW_STOPPED;
	}
}

/* A daemon starts while the one before, of a LogLevel at which it says that it stops, has not. */
static void
note_beside(struct audit_notes *notes, struct audit_stretch *stretch, size_t before)
{
	const struct audit_stretch *old = &notes->all[before];
	struct qf_log_level level;

	qf_log_level(old->saw, &level);
	if (old->gone || old->saw & AUDIT_SAW_STOPPED ||
	    (level.low < STOP_SAID && !(old->saw & AUDIT_SAW_BESIDE)))
		return;
	stretch->saw |= AUDIT_SAW_BESIDE;
	stretch->other = old->pid;
}

void
audit_notes_event(struct audit_notes *notes, const struct qf_log_event *event,
		  const struct qf_log_stats *stats)
{
	struct qf_slice host = event->host.p ? event->host : (struct qf_slice){"", 0};
	bool start = !begins(event->ident, "sm-msp") && event->kind == QF_LOG_DAEMON &&
		     begins(event->text, "starting daemon");
	struct audit_stretch *stretch, *before;
	size_t old = 0;

	if (event->time == QF_TIME_NONE)
		return;
	look_for_losses(notes, stats, event->time);
	notes->previous = event->time;
	before = stretch = find(notes, host);
	if (before)
		old = (size_t)(before - notes->all);
	if (start && before && !is_one_start(before, event->time))
		stretch = NULL;
	if (!stretch && (stretch = add(notes, host, event->time, before != NULL))) {
		stretch->starts = start;
		if (before)
			note_beside(notes, stretch, old);
	}
	if (!stretch)
		return;
	if (event->time < stretch->first)
		stretch->first = event->time;
	if (event->time > stretch->last)
		stretch->last = event->time;
	if (start && stretch->pid <= 0)
		stretch->pid = event->pid;
	stretch->saw |= saw_of(notes, stretch, event);
	note_stop(stretch, event, start);
	stretch->changed = true;
}

void
audit_notes_end(struct audit_notes *notes, const struct qf_log_stats *stats, int64_t now)
{
	look_for_losses(notes, stats, now);
}

enum qf_code
audit_notes_begin(struct audit_notes *notes, struct store *store, int64_t file, int64_t last,
		  struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code;

	audit_notes_clear(notes);
	notes->previous = last;
	if (!file)
		return QF_OK;
	code = store_cached(store,
			    "SELECT host, starts, first, last, saw FROM log_stretches"
			    " WHERE file = ?1 ORDER BY n",
			    &s, err);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, file);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice host = store_text(s, 0);
		struct audit_stretch *stretch;

		if (!host.p)
			host = (struct qf_slice){"", 0};
		if (!(stretch = add(notes, host, store_int(s, 2), find(notes, host) != NULL)))
			continue;
		stretch->starts = store_int(s, 1) != 0;
		stretch->last = store_int(s, 3);
		stretch->saw = (unsigned)store_int(s, 4);
	}
	return code;
}

static enum qf_code
out_of_memory(struct qf_err *err)
{
	return store_no_memory(err);
}

enum qf_code
audit_notes_store(struct audit_notes *notes, struct store *store, int64_t file, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code = notes->failed ? out_of_memory(err) : QF_OK;

	for (size_t i = 0; i < notes->n && code == QF_OK; i++) {
		struct audit_stretch *stretch = &notes->all[i];

		if (!stretch->changed)
			continue;
		code = store_cached(store,
				    "INSERT OR REPLACE INTO log_stretches VALUES (?1, ?2, ?3, ?4,"
				    " ?5, ?6, ?7)",
				    &s, err);
		if (code != QF_OK)
			break;
		store_bind_int(s, 1, file);
		store_bind_int(s, 2, (int64_t)i + 1);
		store_bind_text(
			s, 3,
			(struct qf_slice){stretch->host.n ? stretch->host.p : "", stretch->host.n});
		store_bind_int(s, 4, stretch->starts);
		store_bind_int(s, 5, stretch->first);
		store_bind_int(s, 6, stretch->last);
		store_bind_int(s, 7, stretch->saw);
		code = store_run(s, err);
		stretch->changed = false;
	}
	for (size_t i = 0; i < notes->nlosses && code == QF_OK; i++) {
		code = store_cached(store, "INSERT INTO log_gaps VALUES (?1, ?2, ?3, ?4)", &s, err);
		if (code != QF_OK)
			break;
		store_bind_int(s, 1, file);
		store_bind_int(s, 2, notes->losses[i].since);
		store_bind_int(s, 3, notes->losses[i].until);
		store_bind_string(s, 4, notes->losses[i].why);
		code = store_run(s, err);
	}
	notes->nlosses = 0;
	return code;
}

enum qf_code
audit_notes_damage(struct store *store, int64_t file, const char *why, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code = store_cached(
		store, "DELETE FROM log_gaps WHERE file = ?1 AND until IS NULL", &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, file);
	code = store_run(s, err);
	if (code != QF_OK || !why)
		return code;
	code = store_cached(store,
			    "INSERT INTO log_gaps SELECT ?1, coalesce(last, read_at), NULL,"
			    " ?2 FROM log_files WHERE id = ?1",
			    &s, err);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, file);
	store_bind_string(s, 2, why);
	return store_run(s, err);
}

enum qf_code
audit_notes_link(struct store *store, int64_t file, const char *path, struct qf_err *err)
{
	struct audit_before before;
	struct store_statement *s;
	char *absolute = realpath(path, NULL);
	bool found = absolute && audit_name_before(absolute, &before);
	enum qf_code code;

	free(absolute);
	if (!found)
		return QF_OK;
	code = store_cached(store, "INSERT OR IGNORE INTO log_links VALUES (?1, ?2, ?3, ?4)", &s,
			    err);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, file);
	store_bind_blob(s, 2, before.head, sizeof(before.head));
	store_bind_int(s, 3, before.size);
	store_bind_int(s, 4, before.named);
	return store_run(s, err);
}

void
audit_notes_clear(struct audit_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		qf_buf_release(&notes->all[i].host);
	free(notes->all);
	free(notes->open);
	free(notes->losses);
	*notes = (struct audit_notes){.previous = QF_TIME_NONE};
}
