/*
 * salvage_verify - every message of one or more runs accounted for: from the manifests, both queues
 * and the claims at the source. Nothing is changed and no lock taken.
 *
 * For each message the manifests say what was planned and what became of it (salvage_account.h);
 * where a run was killed before it said so, its marks do: the message has arrived unless it is still
 * staged. Then it is looked for: at the target under the name it got there, and at the source.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "msg.h"
#include "salvage.h"
#include "salvage_account.h"

struct verify {
	struct qf_salvage *salvage;
	struct qf_accounts *accounts;
	struct qf_names *at_source;
	struct found_claim {
		char id[QF_NAME_MAX];
		uint16_t dir;
		uint8_t whose;
	} * claims;                 /* by id */
	size_t nclaims, claims_cap;
	/* What runs have brought to each side and taken away: read when it is asked for. */
	struct side {
		struct qf_journeys *journeys;
		bool asked;
	} source, target;
	bool nomem;
};

/* ------------------------------------------------------------------ claims at the source */

enum whose { OF_RUN, OF_ANOTHER, OF_EXPORT, OF_NOBODY };

static const char *const claimed_words[] = {
	[OF_RUN] = "claimed: qf salvage resume finishes it",
	[OF_ANOTHER] = "claimed for another target: qf salvage resume names it, and brings it here "
		       "with --retarget",
	[OF_EXPORT] = "claimed by an export: qf salvage export --commit=RECEIPT releases what has been "
		      "imported, --abort=RUN puts the rest back",
	[OF_NOBODY] = "claimed, and its run.json does not say by whom: qf salvage resume finishes it if "
		      "the target knows the run; else --retarget brings it here",
};

static enum whose
whose_claim(struct verify *v, const struct qf_claim_found *claim)
{
	struct qf_salvage_how how;

	if (!claim->run)
		return qf_salvage_is_run_here(v->salvage, claim->folder, &how) ? OF_RUN : OF_NOBODY;
	if (strcmp(claim->run->command, "export") == 0)
		return OF_EXPORT;
	return strcmp(claim->run->target, qf_target_identity(&v->salvage->target)) == 0
		       ? OF_RUN
		       : OF_ANOTHER;
}

static bool
note_claim(void *ctx, const struct qf_claim_found *claim)
{
	struct verify *v = ctx;

	if (!claim->name)
		return true;
	if (v->nclaims == v->claims_cap) {
		size_t cap = v->claims_cap + v->claims_cap / 4 + 64;
		struct found_claim *more = realloc(v->claims, cap * sizeof(*more));

		v->nomem |= !more;
		if (!more)
			return false;
		v->claims = more;
		v->claims_cap = cap;
	}
	v->claims[v->nclaims] = (struct found_claim){.dir = (uint16_t)claim->dir,
						     .whose = (uint8_t)whose_claim(v, claim)};
	snprintf(v->claims[v->nclaims++].id, QF_NAME_MAX, "%s", claim->name + 2);
	return true;
}

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct found_claim *)a)->id, ((const struct found_claim *)b)->id);
}

/* Its claim, in the directory it is from; NULL. */
static const struct found_claim *
claim_of(const struct verify *v, const struct qf_account *a)
{
	struct found_claim key;
	const struct found_claim *at;

	strcpy(key.id, a->id);
	at = v->nclaims ? bsearch(&key, v->claims, v->nclaims, sizeof(key), by_id) : NULL;
	while (at && at > v->claims && by_id(at - 1, &key) == 0)
		at--;
	for (; at && at < v->claims + v->nclaims && by_id(at, &key) == 0; at++)
		if (qf_account_is_from(v->accounts, a,
				       qf_queue_dir(v->salvage->from, at->dir)->path))
			return at;
	return NULL;
}

/* ------------------------------------------------------------------ journeys */

/* NULL: not known. */
static const struct qf_journeys *
journeys_of(struct side *side, struct qf_queue *queue)
{
	if (!side->asked && qf_journeys_read(queue, &side->journeys, NULL))
		side->journeys = NULL;
	side->asked = true;
	return side->journeys;
}

/* Did a run take it away since? What is not known was not. */
static bool
was_taken(struct side *side, struct qf_queue *queue, size_t dir, const char *id, const char *data, int64_t at)
{
	const struct qf_journeys *journeys = journeys_of(side, queue);

	return journeys && dir < qf_queue_ndirs(queue) && qf_journeys_left_since(journeys, dir, id, data, at);
}

/* The directory of the source that it is from; SIZE_MAX: none. */
static size_t
source_of(const struct verify *v, const struct qf_account *a)
{
	for (size_t i = 0; i < qf_queue_ndirs(v->salvage->from); i++)
		if (qf_account_is_from(v->accounts, a, qf_queue_dir(v->salvage->from, i)->path))
			return i;
	return SIZE_MAX;
}

/* ------------------------------------------------------------------ one message, looked for */

struct seen {
	struct verify *v;
	const struct qf_account *account;
	bool there;                 /* at the target */
	bool altered, no_data;      /* and not what was brought there; its data file is not there */
	bool again;                 /* at the source */
	const char *detail;
	const char *as;
	char text[240];             /* room for a detail */
};

/* As the source had it: created then, sent by him. */
static bool
has_origin(const struct qf_account *a, const struct qf_msg *msg)
{
	char origin[33];
	uint8_t bytes[16];

	qf_salvage_origin(msg, qf_msg_envelope(msg)->created, origin);
	return !a->has_origin || (qf_hex_read(origin, bytes, sizeof(bytes)) &&
				  memcmp(bytes, a->origin, sizeof(bytes)) == 0);
}

/* Is its body the one that was brought? NULL when it is. */
static const char *
compare_data(struct seen *seen, const struct qf_msg *msg)
{
	struct qf_io *io = qf_queue_io(seen->v->salvage->to);
	char sha[QF_SHA_TEXT], wanted[QF_SHA_TEXT];
	int fd, failure;

	seen->no_data = qf_part_open(seen->v->salvage->to, msg, QF_PART_DATA, &fd, NULL) != QF_OK;
	if (seen->no_data)
		return "its data file is not there";
	failure = qf_sha_read(io, fd, sha, NULL, seen->v->salvage->options.cancel);
	qf_io_close(io, fd);
	qf_sha_text(seen->account->data, wanted);
	if (failure)
		return strerror(failure);
	if (strcmp(sha, wanted) == 0)
		return NULL;
	return has_origin(seen->account, msg) ? "its body is another one"
					      : "its body is another one, and so are its sender or its "
						"time: another message has its name";
}

/* Its id and its body tell that it is the message: each try rewrites the control file, and an edit may
   change all that is in it. */
static bool
see_target(void *ctx, struct qf_msg *msg)
{
	struct seen *seen = ctx;
	enum qf_kind kind = qf_msg_files(msg)->kind;
	const char *wrong = compare_data(seen, msg);
	uint8_t sha[32];

	qf_sha_bytes(qf_msg_bytes(msg), sha);
	seen->there = true;
	seen->altered = wrong != NULL;
	seen->as = kind == QF_KIND_HELD ? "held" : kind == QF_KIND_LOST ? "lost" : "queued";
	seen->detail = wrong;
	if (!wrong && memcmp(sha, seen->account->control, sizeof(sha)) != 0)
		seen->detail = "changed since by its sendmail, or by hand";
	return wrong != NULL;
}

/* Brought back, it may lie in another directory of its queue. */
static bool
is_its_queue(struct verify *v, const struct qf_account *a, size_t dir)
{
	const struct qf_journeys *journeys;
	size_t own;

	if (qf_account_is_from(v->accounts, a, qf_queue_dir(v->salvage->from, dir)->path))
		return true;
	own = source_of(v, a);
	journeys = own == SIZE_MAX ? NULL : journeys_of(&v->source, v->salvage->from);
	return journeys && qf_journeys_is_one_queue(journeys, own, dir);
}

static bool
see_source(void *ctx, struct qf_msg *msg)
{
	struct seen *seen = ctx;
	const struct qf_account *a = seen->account;

	/* Wherever its bundle was unpacked: it is one of this source if it is the same message. */
	if (a->run ? a->has_origin : is_its_queue(seen->v, a, qf_msg_files(msg)->dir))
		seen->again |= has_origin(a, msg);
	return !seen->again;
}

static void
look_at_target(struct verify *v, struct seen *seen)
{
	const struct qf_account *a = seen->account;
	struct qf_err err;
	enum qf_code code = qf_queue_find(v->salvage->to, a->name + 2, 0, see_target, seen, &err);

	if (code && code != QF_E_NOT_FOUND) {
		/* That it is gone is not to be told then. */
		seen->altered = true;
		snprintf(seen->text, sizeof(seen->text), "cannot be looked at: %.150s", err.why);
		seen->detail = seen->text;
	}
	/* Removal takes the data file first: look again at what was on its way out. */
	if (seen->altered && seen->no_data) {
		*seen = (struct seen){.v = v, .account = a, .again = seen->again};
		qf_queue_find(v->salvage->to, a->name + 2, 0, see_target, seen, NULL);
	}
}

/* Is what its mark announces still staged? 1, 0; -1: that cannot be seen. */
static int
is_staged(struct verify *v, const struct qf_account *a)
{
	struct qf_arrival arrival = {.dir = a->dir, .lane = a->lane};

	if (a->dir == UINT16_MAX || !a->key || strlen(a->key) >= sizeof(arrival.key))
		return -1;
	strcpy(arrival.key, a->key);
	return qf_arrive_is_staged(&v->salvage->target, &arrival);
}

/* ------------------------------------------------------------------ one message, judged */

static void
set(struct qf_salvage_record *record, enum qf_salvage_outcome outcome, enum qf_salvage_why why,
    const char *detail)
{
	record->outcome = outcome;
	record->why = why;
	record->detail = detail;
}

/* It was brought to the target. A copy leaves its source as it is; a bundle comes from claims. */
static void
judge_arrived(struct verify *v, const struct qf_account *a, struct qf_salvage_record *record,
	      struct seen *seen)
{
	bool again = seen->again && (!a->copied || a->run), taken;
	char data[QF_SHA_TEXT];

	look_at_target(v, seen);
	qf_sha_text(a->data, data);
	taken = !seen->there && !seen->altered &&
		was_taken(&v->target, v->salvage->to, a->dir == UINT16_MAX ? 0 : a->dir, a->name + 2, data,
			  a->at);
	if (again && taken)
		set(record, QF_SALVAGE_LEFT, QF_SALVAGE_WHY_MOVED_BACK, "moved back to the source since");
	else if (again)
		set(record, QF_SALVAGE_DOUBLED, QF_SALVAGE_WHY_DOUBLED,
		    "brought to the target, and in the source again");
	else if (seen->altered)
		set(record, QF_SALVAGE_ALTERED, QF_SALVAGE_WHY_ALTERED, seen->detail);
	else
		set(record, seen->there ? QF_SALVAGE_THERE : QF_SALVAGE_GONE, QF_SALVAGE_WHY_NONE,
		    taken ? "taken away from the target since, by another run" : seen->detail);
	record->as = record->outcome == QF_SALVAGE_THERE ? seen->as : NULL;
}

static void
judge_not_arrived(struct verify *v, const struct qf_account *a, struct qf_salvage_record *record,
		  const struct seen *seen, int staged)
{
	const char *missing = NULL;
	bool planned = a->outcome == QF_SALVAGE_SKIP || a->outcome == QF_SALVAGE_FAILED;

	if (staged > 0 && a->run)
		missing = "not there yet: it is staged at the target; import its bundle again";
	else if (staged > 0 && a->copied)
		missing = "not there yet: it is staged at the target; run the same copy again";
	else if (staged > 0)
		missing = "not there yet: it is staged at the target, and not claimed at this source";
	else if (staged < 0)
		missing = "whether it has arrived cannot be seen: where it was staged is not there; are these "
			  "all directories of the target?";
	else if (seen->again)
		set(record, QF_SALVAGE_LEFT, a->outcome == QF_SALVAGE_SKIP ? QF_SALVAGE_WHY_STOPPED
									   : record->why, NULL);
	else if (planned && !a->run && was_taken(&v->source, v->salvage->from, source_of(v, a), a->id, NULL, a->at))
		set(record, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_ELSEWHERE,
		    "a later run has brought it to another queue");
	else if (a->outcome == QF_SALVAGE_SKIP && a->run)
		missing = "planned, and not imported: import its bundle again";
	else if (planned && a->why != QF_SALVAGE_WHY_PRESENT && source_of(v, a) == SIZE_MAX)
		missing = "planned, from a queue that was not looked at: give it with --from, too";
	else if (a->outcome == QF_SALVAGE_SKIP)
		missing = "planned; neither moved nor at the source any more";
	else if (a->outcome == QF_SALVAGE_FAILED && a->why != QF_SALVAGE_WHY_PRESENT)
		missing = "could not be moved, and is not at the source any more";
	/* What was skipped and has left the source since was finished by the source's sendmail. */
	if (missing)
		set(record, QF_SALVAGE_MISSING, QF_SALVAGE_WHY_MISSING, missing);
}

static void
judge(struct verify *v, const struct qf_account *a, struct qf_salvage_record *record,
      struct seen *seen)
{
	const struct found_claim *claim = claim_of(v, a);
	bool marked = !a->moved && a->mark && !a->voided;
	int staged = marked && !claim ? is_staged(v, a) : 0;

	record->outcome = (enum qf_salvage_outcome)a->outcome;
	record->why = (enum qf_salvage_why)a->why;
	if (qf_names_find(v->at_source, a->id))
		qf_queue_find(v->salvage->from, a->id, 0, see_source, seen, NULL);
	if (staged < 0)
		look_at_target(v, seen);
	if (a->moved || (marked && !claim && (staged == 0 || (staged < 0 && seen->there))))
		judge_arrived(v, a, record, seen);
	else if (!claim)
		judge_not_arrived(v, a, record, seen, staged);
	if (claim && record->outcome != QF_SALVAGE_THERE && record->outcome != QF_SALVAGE_ALTERED &&
	    record->outcome != QF_SALVAGE_DOUBLED)
		set(record, QF_SALVAGE_LEFT, QF_SALVAGE_WHY_CLAIMED, claimed_words[claim->whose]);
}

static void
verify_one(struct verify *v, const struct qf_account *a)
{
	struct seen seen = {.v = v, .account = a};
	char control[QF_SHA_TEXT], data[QF_SHA_TEXT];
	bool has_sha = a->moved || a->mark;
	struct qf_salvage_record record = {
		.id = a->id,
		.new_id = a->name[0] && strcmp(a->name + 2, a->id) != 0 ? a->name + 2 : NULL,
		.from = qf_accounts_path(v->accounts, a->from),
		.to = a->moved ? qf_accounts_path(v->accounts, a->to) : NULL,
		.expired = a->expired,
		.bounce_at = QF_TIME_NONE,
		.bytes = -1,
		.sha_control = has_sha ? control : NULL,
		.sha_data = has_sha ? data : NULL,
	};

	qf_sha_text(a->control, control);
	qf_sha_text(a->data, data);
	judge(v, a, &record, &seen);
	qf_salvage_tell(v->salvage, &record);
}

/* ------------------------------------------------------------------ the whole */

static enum qf_code
read_manifests(struct verify *v, const char *manifest, struct qf_err *err)
{
	struct qf_target *target = &v->salvage->target;

	if (!qf_accounts_list(v->accounts, v->salvage->from))
		return qf_err_nomem(err);
	if (manifest)
		return qf_accounts_read_file(v->accounts, target, manifest, err);
	if (target->manifests < 0)
		return qf_err_set(err, QF_E_NOT_FOUND, "manifest",
				  "the target has none: nothing was ever brought there");
	return qf_accounts_read(v->accounts, target, err);
}

static enum qf_code
gather(struct verify *v, const char *manifest, struct qf_err *err)
{
	struct qf_salvage *salvage = v->salvage;
	enum qf_code code = QF_OK;

	if (!salvage->has_target) {
		code = qf_target_open(salvage->to, true, &salvage->target, err);
		salvage->has_target = code == QF_OK;
	}
	/* The source first: what moves while we look is seen twice rather than nowhere. */
	if (!code)
		code = read_manifests(v, manifest, err);
	if (!code)
		code = qf_names_add_queue(v->at_source, salvage->from, err);
	if (!code)
		code = qf_claims_look(salvage->from, note_claim, v, err);
	if (!code && v->nomem)
		code = qf_err_nomem(err);
	if (v->nclaims)
		qsort(v->claims, v->nclaims, sizeof(*v->claims), by_id);
	return code;
}

enum qf_code
qf_salvage_verify(struct qf_salvage *salvage, const char *manifest, struct qf_err *err)
{
	struct verify v = {.salvage = salvage, .accounts = qf_accounts_new(),
			   .at_source = qf_names_new()};
	enum qf_code code = v.accounts && v.at_source ? gather(&v, manifest, err) : qf_err_nomem(err);
	size_t n = code ? 0 : qf_accounts_n(v.accounts);

	for (size_t i = 0; !code && i < n; i++) {
		if (qf_salvage_cancelled(salvage))
			code = qf_err_set(err, QF_E_INTERRUPTED, "verify", "interrupted");
		else
			verify_one(&v, qf_accounts_at(v.accounts, i));
		qf_salvage_progress(salvage, n);
	}
	qf_journeys_free(v.source.journeys);
	qf_journeys_free(v.target.journeys);
	qf_accounts_free(v.accounts);
	qf_names_free(v.at_source);
	free(v.claims);
	return code;
}
