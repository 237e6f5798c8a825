/*
 * salvage - messages brought from one queue to another: the frame.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "salvage.h"

/* So often, in ns. */
#define PROGRESS_EVERY 3000000000u
/* Hands where answers come fast, and where each takes its time. */
#define FEW_HANDS 4
#define MANY_HANDS 32
/* Details of items: as many as qf_salvage_item.detail can tell apart. */
#define TEXTS_MOST 255

const char *
qf_salvage_outcome_name(enum qf_salvage_outcome outcome)
{
	static const char *const names[QF_SALVAGE_OUTCOME_COUNT] = {
#define X(id, word) [QF_SALVAGE_##id] = word,
		QF_SALVAGE_OUTCOMES(X)
#undef X
	};

	return names[outcome];
}

const char *
qf_salvage_why_name(enum qf_salvage_why why)
{
	static const char *const names[QF_SALVAGE_WHY_COUNT] = {
#define X(id, word) [QF_SALVAGE_WHY_##id] = word,
		QF_SALVAGE_WHYS(X)
#undef X
	};

	return names[why];
}

/* ------------------------------------------------------------------ both sides */

static bool
same_place(struct qf_io *io, int a, int b)
{
	struct stat x, y;

	return qf_io_fstat(io, a, &x) == 0 && qf_io_fstat(io, b, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Source and target must not share a directory: what is moved would be found again. */
static enum qf_code
check_apart(struct qf_queue *from, struct qf_queue *to, struct qf_err *err)
{
	for (size_t i = 0; i < qf_queue_ndirs(from); i++) {
		const struct qf_dir *a = qf_queue_dir(from, i);

		for (size_t k = 0; k < qf_queue_ndirs(to) && !a->trouble; k++) {
			const struct qf_dir *b = qf_queue_dir(to, k);

			if (!b->trouble && (same_place(qf_queue_io(from), a->control_fd,
						       b->control_fd) ||
					    same_place(qf_queue_io(from), a->data_fd, b->data_fd)))
				return qf_err_set(err, QF_E_USAGE, b->path,
						  "is the source as well as the target");
		}
	}
	return QF_OK;
}

static bool
is_slow(struct qf_queue *queue)
{
	for (size_t i = 0; i < qf_queue_ndirs(queue); i++) {
		const struct qf_dir *d = qf_queue_dir(queue, i);
		enum qf_fs fs = d->trouble ? QF_FS_LOCAL : qf_fs_of(d->control_fd);

		if (fs == QF_FS_NETWORK || fs == QF_FS_FUSE)
			return true;
	}
	return false;
}

unsigned
qf_salvage_hands(const struct qf_salvage *salvage)
{
	unsigned n = salvage->options.jobs;

	if (!n)
		n = is_slow(salvage->from) || (salvage->to && is_slow(salvage->to)) ? MANY_HANDS : FEW_HANDS;
	return n < QF_TAKEN_MAX ? n : QF_TAKEN_MAX;
}

enum qf_code
qf_salvage_new(struct qf_queue *from, struct qf_queue *to,
	       const struct qf_salvage_options *options, struct qf_salvage **out,
	       struct qf_err *err)
{
	struct qf_salvage *salvage = calloc(1, sizeof(*salvage));
	enum qf_code code = QF_OK;

	if (!salvage)
		return qf_err_nomem(err);
	pthread_mutex_init(&salvage->mutex, NULL);
	salvage->from = from;
	salvage->to = to;
	salvage->io = qf_queue_io(from);
	salvage->options = *options;
	salvage->policy = *options->policy;
	salvage->id_time = options->now;
	salvage->began = qf_mark_now();
	salvage->totals.oldest_expired = QF_TIME_NONE;
	salvage->sides.free_bytes = salvage->sides.free_files = -1;
	salvage->told = qf_clock_ns();
	if (!qf_claim_name_run(options->now, salvage->run))
		code = qf_err_set(err, QF_E_SYS, "run", "no random number to be had");
	snprintf(salvage->totals.run, sizeof(salvage->totals.run), "%s", salvage->run);
	if (!code && options->counts_returns) {
		salvage->returns = qf_groups_new(qf_field_find("from", NULL), NULL, NULL, 0);
		code = salvage->returns ? QF_OK : qf_err_nomem(err);
	}
	if (!code && to)
		code = check_apart(from, to, err);
	if (code)
		qf_salvage_free(salvage);
	else
		*out = salvage;
	return code;
}

void
qf_salvage_free(struct qf_salvage *salvage)
{
	if (!salvage)
		return;
	pthread_mutex_destroy(&salvage->mutex);
	qf_manifest_close(salvage->manifest);
	qf_ledger_left_close(salvage);
	qf_claims_close(salvage->claims);
	qf_marks_free(salvage->marks);
	qf_ledger_unlock(salvage);
	if (salvage->has_target)
		qf_target_close(&salvage->target);
	qf_groups_free(salvage->returns);
	qf_buf_release(&salvage->new_ids);
	for (size_t i = 0; i < salvage->ntexts; i++)
		free(salvage->texts[i]);
	free(salvage->texts);
	free(salvage->items);
	free(salvage);
}

/* The first line of a manifest. */
static void
put_head(struct qf_salvage *salvage, const char *how)
{
	const struct qf_salvage_options *options = &salvage->options;
	struct qf_json json = {.out = qf_manifest_lines(salvage->manifest)};
	char host[65] = "";

	gethostname(host, sizeof(host) - 1);
	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.salvage.run/1");
	qf_json_key(&json, "run");
	qf_json_string(&json, salvage->run);
	qf_json_key(&json, "command");
	qf_json_string(&json, options->command);
	qf_json_key(&json, "time");
	qf_json_time(&json, options->now);
	qf_json_key(&json, "at");
	qf_json_int(&json, salvage->began);
	qf_json_key(&json, "host");
	qf_json_string(&json, host);
	qf_json_key(&json, "target");
	qf_json_string(&json, qf_target_identity(&salvage->target));
	qf_json_key(&json, "copy");
	qf_json_bool(&json, options->copy);
	qf_json_key(&json, "how");
	qf_json_string(&json, how);
	/* Of an import: the export. Where its bundle was unpacked tells nothing. */
	qf_json_key(&json, "export");
	qf_json_string(&json, options->as_run);
	qf_json_key(&json, "from");
	qf_json_open(&json, '[');
	for (size_t i = 0; i < qf_queue_ndirs(salvage->from); i++)
		qf_json_string(&json, qf_queue_dir(salvage->from, i)->path);
	qf_json_close(&json, ']');
	qf_json_key(&json, "to");
	qf_json_open(&json, '[');
	for (size_t i = 0; i < qf_queue_ndirs(salvage->to); i++)
		qf_json_string(&json, qf_queue_dir(salvage->to, i)->path);
	qf_json_close(&json, ']');
	qf_json_close(&json, '}');
	qf_buf_addc(json.out, '\n');
}

static const char *const expired_words[] = {"hold", "refresh", "move", "skip"};

struct qf_salvage_how
qf_salvage_how_of(const struct qf_salvage_options *options)
{
	struct qf_salvage_how how = {.expired = options->expired, .hold = options->hold, .due = options->due};

	/* What is longer is the name of no run. */
	if (options->unhold && strlen(options->unhold) < sizeof(how.unhold))
		strcpy(how.unhold, options->unhold);
	return how;
}

void
qf_salvage_how_write(const struct qf_salvage_how *how, char *text, size_t size)
{
	snprintf(text, size, "expired=%s%s%s%s%s", expired_words[how->expired],
		 how->hold ? " hold" : "", how->due ? " due" : "",
		 how->unhold[0] ? " unhold=" : "", how->unhold);
}

void
qf_salvage_how_read(const char *text, struct qf_salvage_how *how)
{
	const char *unhold = strstr(text, " unhold=");

	*how = (struct qf_salvage_how){.expired = QF_EXPIRED_HOLD,
				       .hold = strstr(text, " hold") != NULL,
				       .due = strstr(text, " due") != NULL};
	for (size_t i = 0; i < sizeof(expired_words) / sizeof(*expired_words); i++)
		if (strncmp(text, "expired=", 8) == 0 &&
		    strncmp(text + 8, expired_words[i], strlen(expired_words[i])) == 0)
			how->expired = (enum qf_salvage_expired)i;
	if (unhold)
		snprintf(how->unhold, sizeof(how->unhold), "%.*s", (int)strcspn(unhold + 8, " "), unhold + 8);
}

struct qf_salvage_item *
qf_salvage_add_item(struct qf_salvage *salvage)
{
	if (salvage->n == salvage->cap) {
		size_t cap = salvage->cap + salvage->cap / 16 + 64;
		struct qf_salvage_item *more = realloc(salvage->items, cap * sizeof(*more));

		if (!more)
			return NULL;
		salvage->items = more;
		salvage->cap = cap;
	}
	salvage->items[salvage->n] = (struct qf_salvage_item){.bounce_at = QF_TIME_NONE};
	return &salvage->items[salvage->n++];
}

const char *
qf_salvage_item_new_id(const struct qf_salvage *salvage, const struct qf_salvage_item *item)
{
	return item->new_id ? salvage->new_ids.p + item->new_id : NULL;
}

/* Its place, and one. */
static unsigned
text_place(struct qf_salvage *salvage, const char *text)
{
	char **more;

	for (size_t i = 0; i < salvage->ntexts; i++)
		if (strcmp(salvage->texts[i], text) == 0)
			return (unsigned)i + 1;
	more = salvage->ntexts < TEXTS_MOST
		       ? realloc(salvage->texts, (salvage->ntexts + 1) * sizeof(*more))
		       : NULL;
	if (more)
		salvage->texts = more;
	if (!more || !(more[salvage->ntexts] = strdup(text)))
		return 0;
	return (unsigned)++salvage->ntexts;
}

void
qf_salvage_skip(struct qf_salvage *salvage, struct qf_salvage_item *item, enum qf_salvage_why why,
		const char *detail)
{
	item->outcome = QF_SALVAGE_SKIP;
	item->why = (unsigned)why & 63;
	item->detail = detail && *detail ? text_place(salvage, detail) & TEXTS_MOST : 0;
}

const char *
qf_salvage_item_detail(const struct qf_salvage *salvage, const struct qf_salvage_item *item)
{
	return item->detail ? salvage->texts[item->detail - 1] : NULL;
}

bool
qf_salvage_give_id(struct qf_salvage *salvage, struct qf_salvage_item *item, const char *id)
{
	if (salvage->new_ids.n == 0)
		qf_buf_addc(&salvage->new_ids, '\0');
	if (salvage->new_ids.n > UINT32_MAX - QF_NAME_MAX)
		return false;
	item->new_id = (uint32_t)salvage->new_ids.n;
	qf_buf_add(&salvage->new_ids, id, strlen(id) + 1);
	return !salvage->new_ids.failed;
}

enum qf_code
qf_salvage_begin(struct qf_salvage *salvage, struct qf_err *err)
{
	struct qf_claim_run run = {.pid = -1};
	struct qf_salvage_how how;
	enum qf_code code = QF_OK;

	/* A target that was only looked at is opened anew, with all that is made there. */
	if (salvage->has_target && salvage->target.dirs[salvage->target.main].incoming[0] >= 0 &&
	    salvage->manifest)
		return QF_OK;
	if (salvage->has_target)
		qf_target_close(&salvage->target);
	salvage->has_target = false;
	code = qf_target_open(salvage->to, false, &salvage->target, err);
	if (code)
		return code;
	salvage->has_target = true;
	snprintf(run.run, sizeof(run.run), "%s", salvage->run);
	snprintf(run.target, sizeof(run.target), "%s", qf_target_identity(&salvage->target));
	snprintf(run.target_path, sizeof(run.target_path), "%.500s",
		 qf_queue_dir(salvage->to, salvage->target.main)->path);
	snprintf(run.command, sizeof(run.command), "%s", salvage->options.command);
	how = qf_salvage_how_of(&salvage->options);
	qf_salvage_how_write(&how, run.how, sizeof(run.how));
	code = qf_claims_open(salvage->from, &run, salvage->options.copy, &salvage->claims, err);
	if (!code)
		code = qf_manifest_create(salvage->target.io, salvage->target.manifests,
					  salvage->run, QF_MANIFEST, &salvage->manifest, err);
	if (!code)
		put_head(salvage, run.how);
	return code;
}

/* The one usable directory of the target that is called so; SIZE_MAX. */
static size_t
dir_called(const struct qf_salvage *salvage, const char *name)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < qf_queue_ndirs(salvage->to); i++) {
		const struct qf_dir *d = qf_queue_dir(salvage->to, i);

		if (d->trouble || strcmp(qf_path_last(d->path), name) != 0)
			continue;
		if (found != SIZE_MAX)
			return SIZE_MAX;
		found = i;
	}
	return found;
}

size_t
qf_salvage_choose_dir(const struct qf_salvage *salvage, size_t dir, const char *id,
		      const char *new_id)
{
	const struct qf_salvage_options *options = &salvage->options;
	const char *from = options->origin ? options->origin(options->origin_ctx, id)
					   : qf_queue_dir(salvage->from, dir)->path;
	size_t n = qf_queue_ndirs(salvage->to), usable = 0, at;
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < n; i++)
		usable += !qf_queue_dir(salvage->to, i)->trouble;
	if (!usable)
		return 0;
	at = from ? dir_called(salvage, qf_path_last(from)) : SIZE_MAX;
	if (at != SIZE_MAX)
		return at;
	for (const char *c = new_id ? new_id : id; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 1099511628211u;
	at = (size_t)((hash >> 16) % usable);
	for (size_t i = 0;; i++)
		if (!qf_queue_dir(salvage->to, i)->trouble && at-- == 0)
			return i;
}

/* ------------------------------------------------------------------ telling */

bool
qf_salvage_cancelled(const struct qf_salvage *salvage)
{
	return salvage->options.cancel && *salvage->options.cancel;
}

void
qf_salvage_count(struct qf_salvage_totals *totals, const struct qf_salvage_record *record)
{
	totals->planned++;
	switch (record->outcome) {
	case QF_SALVAGE_MOVE:
	case QF_SALVAGE_COPY:
	case QF_SALVAGE_MOVED:
	case QF_SALVAGE_COPIED:
		totals->moved++;
		totals->held += record->as && strcmp(record->as, "held") == 0;
		totals->expired += record->expired;
		totals->renamed += record->new_id != NULL;
		if (record->bytes > 0)
			totals->bytes += record->bytes;
		break;
	case QF_SALVAGE_SKIP:
	case QF_SALVAGE_SKIPPED:
		totals->skipped[record->why]++;
		break;
	case QF_SALVAGE_FAILED:
		totals->failed[record->why]++;
		break;
	case QF_SALVAGE_THERE:
		totals->there++;
		totals->moved++;
		totals->held += record->as && strcmp(record->as, "held") == 0;
		break;
	case QF_SALVAGE_GONE:
		totals->gone++;
		totals->moved++;
		break;
	case QF_SALVAGE_LEFT:
		totals->left++;
		totals->skipped[record->why]++;
		break;
	case QF_SALVAGE_MISSING:
		totals->missing++;
		totals->failed[record->why]++;
		break;
	case QF_SALVAGE_DOUBLED:
		totals->doubled++;
		totals->failed[record->why]++;
		break;
	case QF_SALVAGE_ALTERED:
		totals->altered++;
		totals->failed[record->why]++;
		break;
	case QF_SALVAGE_OUTCOME_COUNT:
		break;
	}
}

void
qf_salvage_tell(struct qf_salvage *salvage, const struct qf_salvage_record *record)
{
	pthread_mutex_lock(&salvage->mutex);
	qf_salvage_count(&salvage->totals, record);
	if (salvage->manifest) {
		qf_salvage_render(salvage->options.command, record,
				  qf_manifest_lines(salvage->manifest));
		qf_manifest_relieve(salvage->manifest);
	}
	if (salvage->options.report)
		salvage->options.report(salvage->options.ctx, record);
	pthread_mutex_unlock(&salvage->mutex);
}

void
qf_salvage_progress(struct qf_salvage *salvage, uint64_t of)
{
	uint64_t now = qf_clock_ns();

	pthread_mutex_lock(&salvage->mutex);
	if (salvage->options.progress && now - salvage->told >= PROGRESS_EVERY) {
		salvage->told = now;
		salvage->options.progress(salvage->options.ctx, &salvage->totals, of);
	}
	pthread_mutex_unlock(&salvage->mutex);
}

void
qf_salvage_totals(const struct qf_salvage *salvage, struct qf_salvage_totals *totals)
{
	*totals = salvage->totals;
}

const struct qf_orphans_log *
qf_salvage_log(const struct qf_salvage *salvage)
{
	return salvage->options.nlogs ? &salvage->log : NULL;
}

void
qf_salvage_sides(const struct qf_salvage *salvage, struct qf_salvage_sides *sides)
{
	*sides = salvage->sides;
	if (salvage->returns)
		sides->returns = qf_groups_rows(salvage->returns, &sides->nreturns);
}
