/*
 * salvage_run - plans carried out; what interrupted runs left, finished.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "salvage.h"

/* ------------------------------------------------------------------ run */

/* Left where it is, and why. */
static void
tell_item(struct qf_salvage *salvage, const struct qf_salvage_item *item, enum qf_salvage_why why,
	  const char *detail)
{
	char sha[QF_SHA_TEXT];
	struct qf_salvage_record record = qf_salvage_record_of(salvage, item, sha);

	record.outcome = QF_SALVAGE_SKIPPED;
	record.why = why;
	record.detail = detail;
	record.to = record.new_id = record.as = NULL;
	record.arrived = detail && strcmp(detail, qf_salvage_was_imported) == 0;
	qf_salvage_tell(salvage, &record);
}

bool
qf_salvage_is_to_move(const struct qf_salvage_item *item)
{
	return item->outcome != QF_SALVAGE_SKIP || item->why == QF_SALVAGE_WHY_BUSY;
}

static void
write_plan(struct qf_salvage *salvage)
{
	for (size_t i = 0; i < salvage->n; i++) {
		qf_salvage_write_item(salvage, &salvage->items[i],
				      qf_manifest_lines(salvage->manifest));
		qf_manifest_relieve(salvage->manifest);
	}
}

/* So many a second and no more, over the whole run. */
static void
keep_rate(const struct qf_salvage *salvage, uint64_t since, uint64_t moved)
{
	uint64_t due;

	if (!salvage->options.rate)
		return;
	due = since + moved * 1000000000u / salvage->options.rate;
	while (qf_clock_ns() < due && !qf_salvage_cancelled(salvage)) {
		struct timespec pause = {.tv_nsec = 20000000};

		nanosleep(&pause, NULL);
	}
}

/* Where in the plan the lanes are. */
struct course {
	struct qf_salvage *salvage;
	struct qf_salvage_how how;
	size_t first, i;       /* begun at, done */
	uint64_t since, moved;
};

static size_t
next_planned(void *ctx, struct qf_move *moves, size_t most, const struct qf_lane_state *state)
{
	struct course *course = ctx;
	struct qf_salvage *salvage = course->salvage;
	const char *stop = state->code	 ? "not begun: the manifest cannot be written"
			   : state->stuck ? "not begun: nothing could be moved any more"
					  : NULL;
	size_t n = 0;

	for (; course->i < salvage->n && n < most; course->i++) {
		const struct qf_salvage_item *item =
			&salvage->items[(course->first + course->i) % salvage->n];

		if (!stop && n == 0 && qf_salvage_cancelled(salvage))
			stop = "not begun";
		if (!qf_salvage_is_to_move(item))
			tell_item(salvage, item, (enum qf_salvage_why)item->why,
				  qf_salvage_item_detail(salvage, item));
		else if (stop)
			tell_item(salvage, item, QF_SALVAGE_WHY_STOPPED, stop);
		else
			moves[n++] = (struct qf_move){.item = item, .how = course->how};
	}
	if (n)
		keep_rate(salvage, course->since, course->moved);
	course->moved += n;
	return n;
}

static enum qf_code
finish(struct qf_salvage *salvage, enum qf_code code, struct qf_err *err)
{
	enum qf_code last = qf_manifest_sync(salvage->manifest, code ? NULL : err);

	if (!code)
		code = last;
	if (!code && qf_salvage_cancelled(salvage))
		code = qf_err_set(err, QF_E_INTERRUPTED, "run", "interrupted");
	return code;
}

enum qf_code
qf_salvage_run(struct qf_salvage *salvage, struct qf_err *err)
{
	struct qf_salvage_totals fresh = {.oldest_expired = salvage->totals.oldest_expired};
	struct course course = {.salvage = salvage,
				.how = qf_salvage_how_of(&salvage->options),
				.since = qf_clock_ns()};
	struct qf_lane_work work = {next_planned, &course, NULL, salvage->n};
	enum qf_code code;

	/* A plan was made at another time. */
	if (salvage->loaded) {
		code = qf_salvage_look_again(salvage, err);
		if (!code && salvage->options.copy)
			code = qf_salvage_look_for_use(salvage, err);
		if (code)
			return code;
	}
	if (salvage->options.copy && (salvage->sides.busy || salvage->sides.changing))
		return qf_err_set(err, QF_E_BUSY, qf_queue_dir(salvage->from, 0)->path,
				  "is in use (%s): copied, its mail would go out from both",
				  salvage->sides.busy ? "locks are seen" : "names in it change");
	code = qf_salvage_begin(salvage, err);
	if (code)
		return code;
	/* Read anew: since it was planned another run may have been here. */
	code = qf_ledger_lock(salvage, !salvage->options.copy, err);
	if (!code)
		code = qf_ledger_read(salvage, err);
	if (code)
		return code;
	memcpy(fresh.run, salvage->totals.run, sizeof(fresh.run));
	salvage->totals = fresh;
	write_plan(salvage);
	code = qf_manifest_sync(salvage->manifest, err);
	if (code)
		return code;
	/* Runs side by side share the work best when they do not begin at the same message. The name
	   of a run ends in a random number. */
	for (const char *c = salvage->run; *c && salvage->n; c++)
		course.first = (course.first * 31 + (unsigned char)*c) % salvage->n;
	work.marks = salvage->marks;
	code = qf_salvage_lanes(salvage, &work, err);
	return finish(salvage, code, err);
}

/* ------------------------------------------------------------------ resume */

/* Claims found, and what is to be done with each. */
struct found {
	struct qf_salvage *salvage;
	struct qf_move *moves;
	size_t n, cap;
	/* Folders they lie in, for their marks and to be tidied up. */
	struct {
		size_t dir;
		char name[QF_CLAIM_FOLDER_MAX];
		bool over; /* its owner has ended */
	} *folders;
	size_t nfolders;
	int64_t wait;      /* seconds until the next lease is over; 0: none has to be waited for */
	uint64_t waiting;
	size_t begun;      /* of the moves */
	uint64_t since;    /* for the rate */
	bool last;         /* no more waiting: tell of those */
	bool nomem;
};

static void
tell_claim(struct found *found, const struct qf_claim_found *claim, enum qf_salvage_why why,
	   const char *detail)
{
	struct qf_salvage_record record = {
		.outcome = QF_SALVAGE_SKIPPED,
		.why = why,
		.detail = detail,
		.id = claim->name + 2,
		.from = qf_queue_dir(found->salvage->from, claim->dir)->path,
		.bounce_at = QF_TIME_NONE,
		.bytes = -1,
	};

	qf_salvage_tell(found->salvage, &record);
}

static void
note_folder(struct found *found, const struct qf_claim_found *claim, bool over)
{
	void *more;

	for (size_t i = 0; i < found->nfolders; i++)
		if (found->folders[i].dir == claim->dir &&
		    strcmp(found->folders[i].name, claim->folder) == 0)
			return;
	more = realloc(found->folders, (found->nfolders + 1) * sizeof(*found->folders));
	if (!more) {
		found->nomem = true;
		return;
	}
	found->folders = more;
	found->folders[found->nfolders].dir = claim->dir;
	found->folders[found->nfolders].over = over;
	snprintf(found->folders[found->nfolders].name, QF_CLAIM_FOLDER_MAX, "%s", claim->folder);
	found->nfolders++;
}

/* Is somebody at it? Then there is no use in waiting for its lease. */
static bool
is_held(struct qf_salvage *salvage, const struct qf_claim_found *claim)
{
	struct qf_claim tried;
	enum qf_code code = qf_claim_adopt(salvage->claims, claim->dir, claim->folder, claim->name,
					   &tried, NULL);

	if (!code)
		qf_claim_release(salvage->claims, &tried);
	return code == QF_E_BUSY;
}

static bool
add_move(struct found *found, const struct qf_claim_found *claim,
	 const struct qf_salvage_how *how)
{
	struct qf_move *move;

	if (found->n == found->cap) {
		size_t cap = found->cap ? found->cap * 2 : 64;
		struct qf_move *more = realloc(found->moves, cap * sizeof(*more));

		if (!more)
			return false;
		found->moves = more;
		found->cap = cap;
	}
	move = &found->moves[found->n++];
	*move = (struct qf_move){.dir = claim->dir};
	snprintf(move->folder, sizeof(move->folder), "%s", claim->folder);
	snprintf(move->name, sizeof(move->name), "%s", claim->name);
	move->how = *how;
	return true;
}

/* The first line of a manifest. */
struct head {
	const char *target, *run;
	struct qf_salvage_how *how;
	bool ours;
};

static bool
take_head(void *ctx, char *text, size_t n)
{
	struct head *head = ctx;
	json_t *json = json_loadb(text, n, 0, NULL);
	const char *schema = json_string_value(json_object_get(json, "schema"));
	const char *target = json_string_value(json_object_get(json, "target"));
	const char *run = json_string_value(json_object_get(json, "run"));
	const char *how = json_string_value(json_object_get(json, "how"));

	head->ours = schema && strcmp(schema, "qf.salvage.run/1") == 0 && target && run &&
		     strcmp(target, head->target) == 0 && strcmp(run, head->run) == 0;
	if (how)
		qf_salvage_how_read(how, head->how);
	else
		*head->how = (struct qf_salvage_how){.expired = QF_EXPIRED_HOLD, .hold = true};
	json_decref(json);
	return false;
}

bool
qf_salvage_is_run_here(struct qf_salvage *salvage, const char *folder, struct qf_salvage_how *how)
{
	struct qf_target *target = &salvage->target;
	const char *dot = strrchr(folder, '.');
	char run[QF_CLAIM_FOLDER_MAX], name[QF_CLAIM_FOLDER_MAX + 8];
	struct head head = {.target = qf_target_identity(target), .run = run, .how = how};

	if (!dot || dot == folder || target->manifests < 0)
		return false;
	snprintf(run, sizeof(run), "%.*s", (int)(dot - folder), folder);
	snprintf(name, sizeof(name), "%s" QF_MANIFEST, run);
	return qf_manifest_each(target->io, target->manifests, name, take_head, &head) && head.ours;
}

/* What is to be done with a claim: false, and why it is left. */
static bool
may_finish(struct found *found, const struct qf_claim_found *claim, struct qf_salvage_how *how,
	   char detail[700])
{
	struct qf_salvage *salvage = found->salvage;

	if (claim->run) {
		qf_salvage_how_read(claim->run->how, how);
		if (strcmp(claim->run->target, qf_target_identity(&salvage->target)) == 0 ||
		    salvage->options.retarget)
			return true;
		if (strcmp(claim->run->command, "export") == 0)
			snprintf(detail, 700, "by an export: qf salvage export --commit=RECEIPT releases "
				 "what was imported, --abort=%s puts the rest back",
				 claim->run->run);
		else
			snprintf(detail, 700,
				 "for another target: %s (%s); --retarget takes it from there",
				 claim->run->target_path, claim->run->target);
		return false;
	}
	if (qf_salvage_is_run_here(salvage, claim->folder, how))
		return true;
	*how = (struct qf_salvage_how){.expired = QF_EXPIRED_HOLD, .hold = true};
	snprintf(detail, 700, "its run.json does not say by whom, and no manifest of the target knows "
		 "%s: if it was not brought elsewhere, --retarget brings it here, held",
		 claim->folder);
	return salvage->options.retarget;
}

static bool
take_found(void *ctx, const struct qf_claim_found *claim)
{
	struct found *found = ctx;
	const struct qf_salvage_options *options = &found->salvage->options;
	bool over = claim->owner_ended || claim->idle >= options->lease;
	struct qf_salvage_how how;
	char detail[700];

	if (claim->own)
		return true;
	note_folder(found, claim, over);
	if (!claim->name)
		return !found->nomem;
	if (!may_finish(found, claim, &how, detail)) {
		if (found->last)
			tell_claim(found, claim, QF_SALVAGE_WHY_CLAIMED, detail);
	} else if (claim->owner_lives && strcmp(claim->run->command, "export") == 0) {
		/* It holds no locks while its stream stalls. */
		if (found->last)
			tell_claim(found, claim, QF_SALVAGE_WHY_BUSY, "its export is still at work");
	} else if (!over && is_held(found->salvage, claim)) {
		if (claim->run)
			snprintf(detail, sizeof(detail), "%s on %s is at it", claim->run->run,
				 claim->run->host);
		else
			snprintf(detail, sizeof(detail), "%s is at it", claim->folder);
		if (found->last)
			tell_claim(found, claim, QF_SALVAGE_WHY_BUSY, detail);
	} else if (!over) {
		int64_t left = options->lease - claim->idle;

		found->waiting++;
		if (!found->wait || left < found->wait)
			found->wait = left;
		if (found->last)
			tell_claim(found, claim, QF_SALVAGE_WHY_CLAIMED,
				   "left to its owner until its lease is over");
	} else if (!found->last && !add_move(found, claim, &how)) {
		found->nomem = true;
	}
	return !found->nomem;
}

static enum qf_mark_wish
of_claims(void *ctx, const struct qf_mark *mark, char index[QF_CLAIM_KEY_MAX])
{
	const struct found *found = ctx;
	const char *key = mark->key;

	(void)index; /* they are found by their key */
	for (size_t i = 0; i < found->nfolders; i++) {
		size_t n = strlen(found->folders[i].name);

		if (strncmp(key, found->folders[i].name, n) == 0 && key[n] == '/')
			return QF_MARK_WHOLE;
	}
	return QF_MARK_UNWANTED;
}

static size_t
next_found(void *ctx, struct qf_move *moves, size_t most, const struct qf_lane_state *state)
{
	struct found *found = ctx;
	size_t n = found->n - found->begun;

	if (state->code || state->stuck)
		return 0;
	if (n > most)
		n = most;
	if (n) {
		keep_rate(found->salvage, found->since, found->begun);
		memcpy(moves, found->moves + found->begun, n * sizeof(*moves));
	}
	found->begun += n;
	return n;
}

static enum qf_code
finish_found(struct found *found, struct qf_err *err)
{
	struct qf_salvage *salvage = found->salvage;
	struct qf_marks *marks = NULL;
	enum qf_code code = qf_marks_read(salvage->target.io, &salvage->target.manifests, 1, false,
					  of_claims, found, &marks, err);
	const struct qf_lane_work work = {next_found, found, marks, found->n};

	found->since = qf_clock_ns();
	if (!code)
		code = qf_salvage_lanes(salvage, &work, err);
	for (size_t i = 0; !code && i < found->nfolders; i++)
		if (found->folders[i].over)
			qf_claims_tidy(salvage->claims, found->folders[i].dir,
				       found->folders[i].name);
	qf_marks_free(marks);
	return code;
}

static void
forget(struct found *found)
{
	free(found->moves);
	free(found->folders);
	*found = (struct found){.salvage = found->salvage};
}

enum qf_code
qf_salvage_resume(struct qf_salvage *salvage, struct qf_err *err)
{
	struct found found = {.salvage = salvage};
	enum qf_code code = qf_salvage_begin(salvage, err);

	if (!code)
		code = qf_ledger_lock(salvage, true, err);
	if (!code)
		code = qf_ledger_read(salvage, err);
	if (code)
		return code;
	for (;;) {
		code = qf_claims_list(salvage->claims, take_found, &found, err);
		if (!code && found.nomem)
			code = qf_err_nomem(err);
		if (!code && (found.n || found.nfolders))
			code = finish_found(&found, err);
		if (code || found.wait <= 0 || qf_salvage_cancelled(salvage))
			break;
		for (int64_t ms = found.wait * 1000 + 500;
		     ms > 0 && !qf_salvage_cancelled(salvage); ms -= 100) {
			struct timespec pause = {.tv_nsec = 100000000};

			nanosleep(&pause, NULL);
			qf_salvage_progress(salvage, found.waiting);
		}
		forget(&found);
	}
	forget(&found);
	/* What is left, and why. */
	found.last = true;
	if (!code)
		code = qf_claims_list(salvage->claims, take_found, &found, err);
	if (!code)
		code = qf_salvage_tell_staged(salvage, err);
	forget(&found);
	return finish(salvage, code, err);
}
