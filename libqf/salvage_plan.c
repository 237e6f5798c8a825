/*
 * salvage_plan - what is to become of each message: both sides read, nothing changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "copy.h"
#include "err.h"
#include "id.h"
#include "layout.h"
#include "msg.h"
#include "salvage.h"

bool
qf_salvage_same(const struct qf_msg *a, const struct qf_msg *b)
{
	const struct qf_envelope *x = qf_msg_envelope(a), *y = qf_msg_envelope(b);

	return x->created == y->created && x->sender.n == y->sender.n &&
	       (x->sender.n == 0 || memcmp(x->sender.p, y->sender.p, x->sender.n) == 0);
}

const char *
qf_salvage_damage(struct qf_msg *msg)
{
	bool lost = qf_msg_files(msg)->kind == QF_KIND_LOST;
	const struct qf_diagnostic *found;
	size_t n;

	if (qf_msg_state(msg) == QF_STATE_INCOMPLETE)
		return "no end line: see qf orphans --deep";
	found = qf_msg_diagnostics(msg, &n);
	for (size_t i = 0; i < n; i++) {
		enum qf_finding finding = found[i].finding;

		if (finding == QF_F_NO_DATA || finding == QF_F_EMPTY ||
		    finding == QF_F_NO_TERMINATOR || finding == QF_F_NOT_REGULAR ||
		    finding == QF_F_UNREADABLE || finding == QF_F_UNKNOWN_DIRECTORY ||
		    finding == QF_F_TOO_LARGE)
			return qf_finding_type(finding)->text;
		/* What sendmail has put aside is moved as it is, and stays aside. */
		if (!lost && found[i].fate != QF_FATE_IGNORED)
			return qf_finding_type(finding)->text;
	}
	return NULL;
}

static void
say_reason(const char *run, bool expired, char reason[160])
{
	snprintf(reason, 160, "qf salvage %.60s: %s", run,
		 expired ? "past its return time; release or remove it" : "held on arrival");
}

void
qf_salvage_reason(const struct qf_salvage *salvage, bool expired, char reason[160])
{
	say_reason(salvage->run, expired, reason);
}

bool
qf_salvage_lets_go(const struct qf_salvage_how *how, const struct qf_msg *msg)
{
	struct qf_slice now = qf_msg_envelope(msg)->quarantine;
	char reason[160];

	if (how->hold || !how->unhold[0])
		return false;
	say_reason(how->unhold, true, reason);
	return now.n == strlen(reason) && memcmp(now.p, reason, now.n) == 0;
}

void
qf_salvage_origin(const struct qf_msg *msg, int64_t created, char origin[33])
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	struct qf_buf text = {0};
	char sha[QF_SHA_TEXT];

	qf_buf_add_int(&text, created);
	qf_buf_addc(&text, '\n');
	qf_buf_add_slice(&text, env->sender);
	qf_sha_of((struct qf_slice){text.p, text.n}, sha);
	qf_buf_release(&text);
	snprintf(origin, 33, "%.32s", sha);
}

bool
qf_salvage_new_id(struct qf_salvage *salvage, char id[QF_NAME_MAX - 2])
{
	for (unsigned tries = 0; tries < QF_ID_SEQUENCES; tries++) {
		if (salvage->sequence == QF_ID_SEQUENCES) {
			salvage->sequence = 0;
			salvage->id_time++;
		}
		if (!qf_id_make(salvage->id_time, (long)getpid(), salvage->sequence++, id,
				QF_NAME_MAX - 2))
			return false;
		if (!qf_names_find(salvage->target.names, id) &&
		    !(salvage->names && qf_names_find(salvage->names, id)))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------ one message */

/* What the scan of the source knows beside the messages. */
struct look {
	struct qf_salvage *salvage;
	struct qf_matcher *matcher;
	uint64_t moving;
};

struct comparison {
	struct qf_salvage *salvage;
	const struct qf_msg *msg;
	bool same, body; /* of one origin; and with one body, as far as both can be read */
};

static bool
has_same_body(struct qf_salvage *salvage, const struct qf_msg *msg, const struct qf_msg *there)
{
	const volatile int *cancel = salvage->options.cancel;
	char a[QF_SHA_TEXT], b[QF_SHA_TEXT];

	return qf_salvage_body_sum(salvage->from, msg, a, cancel) &&
	       qf_salvage_body_sum(salvage->to, there, b, cancel) && strcmp(a, b) == 0;
}

static bool
compare(void *ctx, struct qf_msg *msg)
{
	struct comparison *comparison = ctx;

	if (!qf_salvage_same(comparison->msg, msg))
		return true;
	comparison->same = true;
	comparison->body = has_same_body(comparison->salvage, comparison->msg, msg);
	return !comparison->same;
}

/* Has the target a message of that id, or anything that bears it? */
static void
look_at_target(struct look *look, const struct qf_msg *msg, struct qf_salvage_item *item)
{
	struct qf_salvage *salvage = look->salvage;
	unsigned controls = 1u << QF_KIND_QUEUED | 1u << QF_KIND_HELD | 1u << QF_KIND_LOST;
	struct comparison comparison = {.salvage = salvage, .msg = msg};
	char id[QF_NAME_MAX - 2];
	struct qf_err err;
	unsigned kinds;

	if (qf_target_names(&salvage->target, &err)) {
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_ERROR, "the names at the target cannot be read");
		return;
	}
	kinds = qf_names_find(salvage->target.names, item->name + 2);
	if (kinds & controls &&
	    qf_queue_find(salvage->to, item->name + 2, 0, compare, &comparison, NULL) == QF_OK &&
	    comparison.same)
		/* Two containers may have made one id at one time; or somebody copied half of it. */
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_PRESENT,
		     comparison.body ? "the target has this message"
				     : "the target has one of its id, time and sender, but with "
				       "another body: look at both");
	else if (kinds && !(qf_salvage_new_id(salvage, id) && qf_salvage_give_id(salvage, item, id)))
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_ERROR, "no new id can be made");
}

/* Was it ever brought here? */
static bool
is_in_ledger(struct qf_salvage *salvage, const struct qf_msg *msg,
	     struct qf_salvage_item *item)
{
	bool own;

	switch (qf_ledger_has(salvage, msg, &own)) {
	case QF_LEDGER_HAS:
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_PRESENT,
				own ? qf_salvage_was_imported : qf_salvage_was_copied);
		return true;
	case QF_LEDGER_ELSEWHERE:
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_ERROR, QF_LEDGER_ELSEWHERE_TEXT);
		return true;
	case QF_LEDGER_NO:
		break;
	}
	return false;
}

static void
decide(struct look *look, const struct qf_row *row, struct qf_salvage_item *item)
{
	struct qf_salvage *salvage = look->salvage;
	const struct qf_files *files = qf_msg_files(row->msg);
	unsigned kinds = qf_names_find(salvage->names, item->name + 2);
	unsigned controls = kinds & (1u << QF_KIND_QUEUED | 1u << QF_KIND_HELD | 1u << QF_KIND_LOST);
	const char *damage = qf_salvage_damage(row->msg);

	item->outcome = salvage->options.copy ? QF_SALVAGE_COPY : QF_SALVAGE_MOVE;
	if (damage && strcmp(damage, qf_finding_type(QF_F_UNREADABLE)->text) == 0)
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_DENIED, damage);
	else if (damage)
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_DAMAGED, damage);
	else if (controls & (controls - 1))
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_DAMAGED, "two control files of one id: see qf orphans");
	else if (kinds & 1u << QF_KIND_STAGED && files->busy != QF_YES)
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_DAMAGED, "a tf beside it: see qf orphans");
	else if (item->expired && salvage->options.expired == QF_EXPIRED_SKIP)
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_EXPIRED, "past its return time");
	else if (salvage->has_target && !is_in_ledger(salvage, row->msg, item))
		look_at_target(look, row->msg, item);
	if (item->outcome != QF_SALVAGE_SKIP && files->busy == QF_YES)
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_BUSY, "in delivery");
	if (item->outcome != QF_SALVAGE_SKIP && salvage->options.finished &&
	    salvage->options.finished(salvage->options.finished_ctx, row->msg))
		qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_DELIVERED,
		     "the database shows that nobody is owed it any more");
}

static bool
add_item(struct look *look, const struct qf_row *row, struct qf_err *err)
{
	struct qf_salvage *salvage = look->salvage;
	const struct qf_files *files = qf_msg_files(row->msg);
	const struct qf_salvage_how how = qf_salvage_how_of(&salvage->options);
	struct qf_salvage_item *item;
	const char *id, *new_id;

	item = qf_salvage_add_item(salvage);
	if (!item) {
		qf_err_nomem(err);
		return false;
	}
	item->dir = (uint16_t)files->dir;
	item->bounce_at = row->outlook.bounce_at;
	memcpy(item->name, files->name.p, files->name.n);
	item->expired = row->outlook.expired && qf_msg_state(row->msg) == QF_STATE_QUEUED;
	item->let_go = qf_msg_state(row->msg) == QF_STATE_HELD && qf_salvage_lets_go(&how, row->msg);
	item->bytes = files->control_size + (files->data_size > 0 ? files->data_size : 0);
	qf_sha_bytes(qf_msg_bytes(row->msg), item->sha);
	decide(look, row, item);
	salvage->sides.busy += files->busy == QF_YES;
	if (item->expired && item->outcome != QF_SALVAGE_SKIP) {
		int64_t created = qf_msg_envelope(row->msg)->created;

		if (salvage->totals.oldest_expired == QF_TIME_NONE ||
		    created < salvage->totals.oldest_expired)
			salvage->totals.oldest_expired = created;
		if (salvage->returns && qf_groups_add(salvage->returns, row)) {
			qf_err_nomem(err);
			return false;
		}
	}
	new_id = qf_salvage_item_new_id(salvage, item);
	/* Of one that is busy, too: it may be free when its turn comes. */
	if (salvage->has_target)
		item->to_dir = (uint16_t)qf_salvage_choose_dir(salvage, item->dir, item->name + 2,
							       new_id);
	if (item->outcome == QF_SALVAGE_SKIP)
		return true;
	look->moving++;
	id = new_id ? new_id : item->name + 2;
	if (!salvage->has_target)
		return true;
	/* Two of the source must not get one name either: two directories may have one id twice. */
	if (qf_queue_ndirs(salvage->from) == 1 && !new_id)
		return true;
	if (qf_target_names(&salvage->target, err))
		return false;
	if (qf_names_add(salvage->target.names, id, qf_name_kind(item->name, strlen(item->name))))
		return true;
	qf_err_nomem(err);
	return false;
}

/* ------------------------------------------------------------------ both sides */

/* When names in the directories of a queue last changed, as one number. */
static uint64_t
last_change(struct qf_queue *queue)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < qf_queue_ndirs(queue); i++) {
		const struct qf_dir *d = qf_queue_dir(queue, i);
		int fds[] = {d->control_fd, d->data_fd};
		struct stat st;

		for (size_t k = 0; !d->trouble && k < 2; k++)
			if (qf_io_fstat(qf_queue_io(queue), fds[k], &st) == 0)
				sum = sum * 31 + (uint64_t)st.st_mtim.tv_sec * 1000000000u +
				      (uint64_t)st.st_mtim.tv_nsec;
	}
	return sum;
}

static void
look_at_sides(struct qf_salvage *salvage)
{
	struct qf_salvage_sides *sides = &salvage->sides;
	const struct qf_target_dir *dir;
	const struct qf_dir *d;
	struct statvfs space;

	if (!salvage->has_target)
		return;
	d = qf_queue_dir(salvage->to, salvage->target.main);
	dir = &salvage->target.dirs[salvage->target.main];
	sides->uid = dir->uid;
	sides->gid = dir->gid;
	sides->mode = dir->mode;
	sides->fleeting = qf_fs_is_fleeting(d->control_fd);
	sides->apart = d->device != qf_queue_dir(salvage->from, 0)->device;
	if (qf_io_space(salvage->target.io, d->data_fd, &space) == 0) {
		sides->free_bytes = (int64_t)(space.f_bavail * space.f_frsize);
		sides->free_files = space.f_files ? (int64_t)space.f_favail : -1;
	}
}

static enum qf_code
scan_source(struct look *look, struct qf_err *err)
{
	struct qf_salvage *salvage = look->salvage;
	const struct qf_salvage_options *options = &salvage->options;
	struct qf_scan_options scanning = {
		.needs = QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA |
			 (options->finished ? QF_NEED_HEADERS : 0) |
			 (options->query ? qf_query_needs(options->query) : 0),
		.jobs = options->jobs,
		.max_ops = options->max_ops,
		.cancel = options->cancel,
	};
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;
	enum qf_code code = qf_scan_new(salvage->from, &scanning, &scan, err);

	while (!code && !(code = qf_scan_next(scan, &msg, err)) && msg) {
		struct qf_row row;
		bool matched = true;

		qf_row_init(&row, msg, salvage->from, &salvage->policy, options->now);
		if (look->matcher)
			code = qf_matcher_match(look->matcher, &row, &matched, err);
		if (!code && matched && options->wanted)
			matched = options->wanted(options->wanted_ctx, msg);
		if (code || !matched)
			continue;
		if (options->limit && look->moving >= options->limit)
			break;
		if (!add_item(look, &row, err))
			code = QF_E_NOMEM;
	}
	if (!code && qf_scan_ntroubles(scan)) {
		const struct qf_err *trouble = qf_scan_trouble(scan, 0, NULL);

		/* What cannot be listed cannot be accounted for. */
		if (err)
			*err = *trouble;
		code = trouble->code;
	}
	qf_scan_free(scan);
	return code;
}

const char *
qf_salvage_state_there(const struct qf_salvage *salvage, const struct qf_salvage_item *item)
{
	switch (qf_name_kind(item->name, strlen(item->name))) {
	case QF_KIND_HELD:
		return item->let_go ? "queued" : "held";
	case QF_KIND_LOST:
		return "lost";
	default:
		return salvage->options.hold ||
				       (item->expired &&
					salvage->options.expired == QF_EXPIRED_HOLD)
			       ? "held"
			       : "queued";
	}
}

static bool
count_claim(void *ctx, const struct qf_claim_found *claim)
{
	struct qf_salvage *salvage = ctx;

	/* Those of a run that is at work are its own affair. */
	salvage->sides.claims += claim->name && (claim->owner_ended ||
						 claim->idle >= salvage->options.lease);
	return true;
}

/* Two looks, so far apart that a source in use is seen to change. */
static void
see_changes(struct qf_salvage *salvage, uint64_t before)
{
	struct timespec pause = {.tv_sec = 1};

	if (salvage->options.two_looks && !qf_salvage_cancelled(salvage))
		nanosleep(&pause, NULL);
	salvage->sides.changing = last_change(salvage->from) != before;
}

enum qf_code
qf_salvage_look_for_use(struct qf_salvage *salvage, struct qf_err *err)
{
	const struct qf_scan_options scanning = {.needs = QF_NEED_BUSY,
						 .jobs = salvage->options.jobs,
						 .max_ops = salvage->options.max_ops,
						 .cancel = salvage->options.cancel};
	uint64_t before = last_change(salvage->from);
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;
	enum qf_code code = qf_scan_new(salvage->from, &scanning, &scan, err);

	salvage->sides.busy = 0;
	while (!code && !(code = qf_scan_next(scan, &msg, err)) && msg)
		salvage->sides.busy += qf_msg_files(msg)->busy == QF_YES;
	qf_scan_free(scan);
	if (!code)
		see_changes(salvage, before);
	return code;
}

enum qf_code
qf_salvage_look(struct qf_salvage *salvage, struct qf_err *err)
{
	struct look look = {.salvage = salvage};
	uint64_t before = last_change(salvage->from);
	enum qf_code code;

	salvage->names = qf_names_new();
	code = salvage->names ? QF_OK : qf_err_nomem(err);

	if (!code && salvage->to && !salvage->has_target) {
		code = qf_target_open(salvage->to, true, &salvage->target, err);
		salvage->has_target = code == QF_OK;
	}
	if (!code && salvage->has_target)
		code = qf_ledger_read(salvage, err);
	/* A bundle has one file of a name, and no tf. */
	if (!code && !salvage->options.as_run)
		code = qf_names_add_queue(salvage->names, salvage->from, err);
	if (!code && salvage->options.query) {
		look.matcher = qf_matcher_new(salvage->options.query);
		code = look.matcher ? QF_OK : qf_err_nomem(err);
	}
	if (!code)
		code = scan_source(&look, err);
	if (!code && salvage->options.nlogs)
		code = qf_salvage_read_logs(salvage, err);
	if (!code) {
		look_at_sides(salvage);
		code = qf_claims_look(salvage->from, count_claim, salvage, err);
	}
	see_changes(salvage, before);
	for (size_t i = 0; !code && i < salvage->n; i++)
		qf_salvage_tell_item(salvage, &salvage->items[i]);
	qf_matcher_free(look.matcher);
	qf_names_free(salvage->names);
	salvage->names = NULL;
	return code;
}
