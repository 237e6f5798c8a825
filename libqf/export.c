/*
 * export - messages claimed, and written into a bundle.
 *
 *	1 each message is claimed (claim.h), for "archive:RUN"; its sums are taken
 *	2 the bundle is written: manifest, files, sums; it is on disk and has its name
 *	3 the claims stay, until a receipt of an import releases them (export_end.c)
 *
 * From 1 on no sendmail runs the messages. What fails up to the end of 2, or a signal, puts them
 * back, but for those that have been written to a stream: who reads it may import them. Killed,
 * they are claims that --abort=RUN puts back, as orphans says of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "err.h"
#include "layout.h"
#include "move_parts.h"
#include "msg.h"
#include "names.h"

/* A message claimed. */
struct held {
	struct qf_salvage_item *item; /* brought up to date: it was claimed since it was planned */
	const char *as;
	uint8_t sha_data[32];
	int64_t data_bytes, mtime;
};

struct export
{
	struct qf_salvage *salvage;
	struct qf_crew *crew;
	struct held *held;
	size_t n, cap;
	struct qf_names *names;           /* of those held, of several directories; else NULL */
	struct qf_buf left;               /* lines of what is not in it */
	struct qf_salvage_totals written; /* what the manifest says at its end */
	size_t at;                        /* of a text being made */
	char sha_manifest[QF_SHA_TEXT];
	const char *to;
	size_t begun; /* of a stream: so many messages may be read at its end, whole */
};

/* While the bundle is written, and stalls: the claims are kept. */
static bool
go_on(void *ctx)
{
	struct export *export = ctx;

	qf_claims_renew(export->salvage->claims);
	qf_salvage_progress(export->salvage, export->salvage->n);
	return !qf_salvage_cancelled(export->salvage);
}

static void
folder_of(const struct qf_salvage *salvage, size_t dir, char folder[QF_CLAIM_FOLDER_MAX])
{
	snprintf(folder, QF_CLAIM_FOLDER_MAX, "%s.%zu", salvage->run, dir);
}

/* ------------------------------------------------------------------ 1: claims */

static void
claim_one(void *ctx, size_t i)
{
	struct qf_move_batch *batch = ctx;

	qf_move_claim(batch, &batch->slots[i]);
}

/* The sums of its data file, as it is under the claim. */
static bool
look_at_data(struct qf_salvage *salvage, struct qf_move_slot *slot, struct held *held)
{
	char sha[QF_SHA_TEXT];
	struct stat st;
	int failure = qf_io_fstat(salvage->io, slot->data, &st) != 0 ? errno : 0;

	if (!failure) {
		held->mtime = st.st_mtime;
		failure = qf_sha_read(salvage->io, slot->data, sha, &held->data_bytes,
				      salvage->options.cancel);
	}
	if (!failure)
		qf_hex_read(sha, held->sha_data, sizeof(held->sha_data));
	if (failure)
		qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_ERROR,
			    "its data file cannot be read: %s", strerror(failure));
	return !failure;
}

/* Two directories may each have a message of one id; a bundle has one folder. */
static bool
is_there(const struct export *export, const char *name)
{
	return export->names && qf_names_find(export->names, name + 2);
}

static bool
add_held(struct export *export, const struct held *held)
{
	const char *name = held->item->name;

	if (export->n == export->cap) {
		size_t cap = export->cap + export->cap / 16 + 64;
		struct held *more = realloc(export->held, cap * sizeof(*more));

		if (!more)
			return false;
		export->held = more;
		export->cap = cap;
	}
	if (export->names &&
	    !qf_names_add(export->names, name + 2, qf_name_kind(name, strlen(name))))
		return false;
	export->held[export->n++] = *held;
	return true;
}

/* Into the list, or told why not. */
static void
settle(struct export *export, struct qf_move_slot *slot)
{
	struct qf_salvage *salvage = export->salvage;
	struct qf_salvage_item *item = &salvage->items[slot->move->item - salvage->items];
	struct qf_claim *claim = &slot->claim;
	struct qf_salvage_record record = {.id = item->name + 2,
					   .file = item->name,
					   .from = qf_queue_dir(salvage->from, item->dir)->path,
					   .bounce_at = slot->bounce_at,
					   .expired = slot->expired,
					   .bytes = -1};
	struct held held = {.item = item, .as = slot->as};
	bool claimed = slot->step == STEP_CLAIMED;
	struct qf_err err;

	if (claimed && qf_queue_ndirs(salvage->from) > 1 && is_there(export, item->name))
		qf_move_end(
			slot, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_PRESENT,
			"another message of this id is in the bundle: export its directory alone");
	if (slot->step == STEP_CLAIMED && look_at_data(salvage, slot, &held)) {
		qf_sha_bytes(qf_msg_bytes(claim->msg), item->sha);
		item->bytes = (int64_t)qf_msg_bytes(claim->msg).n + held.data_bytes;
		item->bounce_at = slot->bounce_at;
		item->expired = slot->expired;
		if (add_held(export, &held))
			return;
		qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_ERROR, "out of memory");
	}
	if (claimed && (qf_claim_undo(salvage->claims, claim, &err) ||
			qf_claims_sync(salvage->claims, &claim, 1, &err)))
		qf_move_end(slot, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_ERROR,
			    "still claimed: %s: %s; --abort=%s", err.what, err.why, salvage->run);
	record.outcome = slot->outcome;
	record.why = slot->why;
	record.detail = slot->detail;
	qf_salvage_render("export", &record, &export->left);
	qf_salvage_tell(salvage, &record);
}

static enum qf_code
claim_batch(struct export *export, const struct qf_move *moves, size_t n, struct qf_err *err)
{
	struct qf_salvage *salvage = export->salvage;
	struct qf_move_batch batch = {.salvage = salvage, .n = n};
	struct qf_claim *some[QF_TAKEN_MAX];
	enum qf_code code = QF_OK;
	size_t claimed = 0;

	batch.slots = qf_move_slots(moves, n);
	if (!batch.slots)
		return qf_err_nomem(err);
	qf_claims_renew(salvage->claims);
	qf_crew_each(export->crew, n, claim_one, &batch);
	for (size_t i = 0; i < n; i++)
		if (batch.slots[i].step == STEP_CLAIMED)
			some[claimed++] = &batch.slots[i].claim;
	if (claimed)
		code = qf_claims_sync(salvage->claims, some, claimed, err);
	for (size_t i = 0; i < n; i++) {
		settle(export, &batch.slots[i]);
		qf_move_close_data(&batch, &batch.slots[i]);
		qf_buf_release(&batch.slots[i].control);
		qf_claim_release(salvage->claims, &batch.slots[i].claim);
	}
	free(batch.slots);
	return code;
}

static void
tell_skipped(struct export *export, const struct qf_salvage_item *item)
{
	struct qf_salvage_record record = {
		.outcome = QF_SALVAGE_SKIPPED,
		.why = (enum qf_salvage_why)item->why,
		.detail = qf_salvage_item_detail(export->salvage, item),
		.id = item->name + 2,
		.file = item->name,
		.from = qf_queue_dir(export->salvage->from, item->dir)->path,
		.expired = item->expired,
		.bounce_at = item->bounce_at,
		.bytes = item->bytes,
	};

	qf_salvage_render("export", &record, &export->left);
	qf_salvage_tell(export->salvage, &record);
}

static enum qf_code
claim_all(struct export *export, struct qf_err *err)
{
	struct qf_salvage *salvage = export->salvage;
	const struct qf_salvage_how how = {.expired = salvage->options.expired == QF_EXPIRED_SKIP
							      ? QF_EXPIRED_SKIP
							      : QF_EXPIRED_MOVE};
	struct qf_move moves[QF_TAKEN_MAX];
	enum qf_code code = QF_OK;
	size_t i = 0;

	while (i < salvage->n && !code) {
		size_t n = 0;

		for (; i < salvage->n && n < QF_TAKEN_MAX; i++) {
			const struct qf_salvage_item *item = &salvage->items[i];

			if (item->outcome == QF_SALVAGE_SKIP && item->why != QF_SALVAGE_WHY_BUSY)
				tell_skipped(export, item);
			else
				moves[n++] = (struct qf_move){.item = item, .how = how};
		}
		if (n)
			code = claim_batch(export, moves, n, err);
		if (!code && qf_salvage_cancelled(salvage))
			code = qf_err_set(err, QF_E_INTERRUPTED, "export", "interrupted");
		qf_salvage_progress(salvage, salvage->n);
	}
	return code;
}

/* ------------------------------------------------------------------ 2: the bundle */

/* Of one message, for people and JSON. */
struct sums {
	char control[QF_SHA_TEXT], data[QF_SHA_TEXT];
};

static void
fill(const struct export *export, const struct held *held, struct qf_salvage_record *record,
     struct sums *sums)
{
	qf_sha_text(held->item->sha, sums->control);
	qf_sha_text(held->sha_data, sums->data);
	*record = (struct qf_salvage_record){
		.outcome = QF_SALVAGE_COPIED,
		.id = held->item->name + 2,
		.file = held->item->name,
		.from = qf_queue_dir(export->salvage->from, held->item->dir)->path,
		.to = export->to,
		.as = held->as,
		.expired = held->item->expired,
		.bounce_at = held->item->bounce_at,
		.bytes = held->item->bytes,
		.sha_control = sums->control,
		.sha_data = sums->data,
	};
}

/* Its two files; the claim is locked meanwhile. */
static enum qf_code
write_message(struct export *export, struct qf_bundle_out *bundle, const struct held *held,
	      struct qf_err *err)
{
	struct qf_salvage *salvage = export->salvage;
	char folder[QF_CLAIM_FOLDER_MAX], name[QF_BUNDLE_NAME_MAX], sha[QF_SHA_TEXT];
	struct qf_claim claim = {.taken = {.fd = -1}};
	enum qf_code code;
	uint8_t now[32];
	int data = -1;

	folder_of(salvage, held->item->dir, folder);
	code = qf_claim_adopt(salvage->claims, held->item->dir, folder, held->item->name, &claim, err);
	if (code)
		return code;
	qf_sha_bytes(qf_msg_bytes(claim.msg), now);
	if (memcmp(now, held->item->sha, sizeof(now)) != 0)
		code = qf_err_set(err, QF_E_CHANGED, held->item->name, "changed while it was claimed");
	else if ((data = qf_claim_open_data(salvage->claims, &claim)) < 0)
		code = qf_err_sys(err, errno, held->item->name, "cannot open its data file");
	snprintf(name, sizeof(name), QF_BUNDLE_QUEUE "/df%s", held->item->name + 2);
	if (!code)
		code = qf_bundle_add(bundle, name, data, held->data_bytes, held->mtime, sha, err);
	if (!code && (!qf_hex_read(sha, now, sizeof(now)) ||
		      memcmp(now, held->sha_data, sizeof(now)) != 0))
		code = qf_err_set(err, QF_E_CHANGED, name, "changed while it was claimed");
	snprintf(name, sizeof(name), QF_BUNDLE_QUEUE "/%s", held->item->name);
	/* Without its control file nobody imports it. */
	if (!code && strcmp(export->to, "-") == 0)
		export->begun = (size_t)(held - export->held) + 1;
	if (!code)
		code = qf_bundle_add_bytes(bundle, name, qf_msg_bytes(claim.msg), held->mtime, err);
	if (data >= 0)
		qf_io_close(salvage->io, data);
	qf_claim_release(salvage->claims, &claim);
	return code;
}

static void
begin_text(void *ctx)
{
	struct export *export = ctx;

	export->at = 0;
	export->written = export->salvage->totals;
}

/* First what is left where it is; a line for each message; and the total. */
static bool
next_of_manifest(void *ctx, struct qf_buf *out)
{
	struct export *export = ctx;
	struct qf_salvage_record record;
	struct sums sums;

	if (export->at > export->n)
		return false;
	if (export->at == 0)
		qf_buf_add(out, export->left.p, export->left.n);
	out->failed |= export->left.failed;
	if (export->at == export->n) {
		qf_salvage_render_total("export", &export->written, NULL, NULL, out);
	} else {
		fill(export, &export->held[export->at], &record, &sums);
		qf_salvage_render("export", &record, out);
		qf_salvage_count(&export->written, &record);
	}
	export->at++;
	return true;
}

static bool
next_of_sums(void *ctx, struct qf_buf *out)
{
	struct export *export = ctx;
	const struct held *held = export->at ? &export->held[export->at - 1] : NULL;
	char sha[QF_SHA_TEXT];

	if (export->at > export->n)
		return false;
	if (!held) {
		qf_buf_addf(out, "%s  %s\n", export->sha_manifest, QF_BUNDLE_MANIFEST);
	} else {
		qf_sha_text(held->sha_data, sha);
		qf_buf_addf(out, "%s  " QF_BUNDLE_QUEUE "/df%s\n", sha, held->item->name + 2);
		qf_sha_text(held->item->sha, sha);
		qf_buf_addf(out, "%s  " QF_BUNDLE_QUEUE "/%s\n", sha, held->item->name);
	}
	export->at++;
	return true;
}

static enum qf_code
write_bundle(struct export *export, struct qf_bundle_out *bundle, struct qf_err *err)
{
	struct qf_salvage *salvage = export->salvage;
	const struct qf_bundle_text manifest = {begin_text, next_of_manifest, export};
	const struct qf_bundle_text sums = {begin_text, next_of_sums, export};
	enum qf_code code = qf_bundle_add_text(bundle, QF_BUNDLE_MANIFEST, &manifest,
					       salvage->options.now, export->sha_manifest, err);

	for (size_t i = 0; i < export->n && !code; i++) {
		code = write_message(export, bundle, &export->held[i], err);
		if (!code && !go_on(export))
			code = qf_err_set(err, QF_E_INTERRUPTED, "export", "interrupted");
	}
	return code ? code : qf_bundle_end(bundle, &sums, err);
}

/* ------------------------------------------------------------------ the whole */

/* All that are claimed are told: in the bundle, or put back because it could not be made. */
static void
tell_all(struct export *export, enum qf_code code, const struct qf_err *why)
{
	struct qf_salvage *salvage = export->salvage;

	for (size_t i = 0; i < export->n; i++) {
		const struct held *held = &export->held[i];
		struct qf_salvage_record record;
		struct sums sums;
		char detail[256];
		struct qf_err err;

		fill(export, held, &record, &sums);
		if (code) {
			char folder[QF_CLAIM_FOLDER_MAX];

			folder_of(salvage, held->item->dir, folder);
			record.outcome = QF_SALVAGE_SKIPPED;
			record.why = QF_SALVAGE_WHY_STOPPED;
			record.to = NULL;
			snprintf(detail, sizeof(detail), "put back: %.200s", why->why);
			/* What has been written to a stream, somebody may import. */
			if (i < export->begun) {
				record.outcome = QF_SALVAGE_FAILED;
				snprintf(detail, sizeof(detail),
					 "may be in the stream: still claimed; "
					 "--commit=RECEIPT, then --abort=%s",
					 salvage->run);
			} else if (qf_claim_put_back(salvage->claims, held->item->dir, folder, held->item->name,
						     &err)) {
				record.outcome = QF_SALVAGE_FAILED;
				record.why = QF_SALVAGE_WHY_ERROR;
				snprintf(detail, sizeof(detail),
					 "still claimed: %.80s: %.60s; --abort=%s", err.what,
					 err.why, salvage->run);
			}
			record.detail = detail;
		}
		qf_salvage_tell(salvage, &record);
	}
}

enum qf_code
qf_salvage_export(struct qf_salvage *salvage, const char *to, struct qf_err *err)
{
	struct export export = {.salvage = salvage, .to = to};
	struct qf_claim_run run = {.pid = -1};
	struct qf_salvage_totals fresh = {.oldest_expired = salvage->totals.oldest_expired};
	const struct qf_patience patience = {go_on, &export};
	struct qf_bundle_out *bundle;
	enum qf_code code;

	snprintf(run.run, sizeof(run.run), "%s", salvage->run);
	snprintf(run.target, sizeof(run.target), "archive:%.50s",
		 salvage->run + strlen(salvage->run) -
			 (strlen(salvage->run) > 16 ? 16 : strlen(salvage->run)));
	snprintf(run.target_path, sizeof(run.target_path), "%.500s", to);
	snprintf(run.command, sizeof(run.command), "export");
	snprintf(run.how, sizeof(run.how), "expired=move");
	code = qf_claims_open(salvage->from, &run, false, &salvage->claims, err);
	if (code)
		return code;
	/* Before anything is claimed for it. */
	code = qf_bundle_create(salvage->io, to, &patience, &bundle, err);
	if (code)
		return code;
	export.crew = qf_crew_new(qf_salvage_hands(salvage));
	if (export.crew && qf_queue_ndirs(salvage->from) > 1)
		export.names = qf_names_new();
	if (!export.crew || (qf_queue_ndirs(salvage->from) > 1 && !export.names)) {
		qf_bundle_free(bundle);
		qf_crew_free(export.crew);
		return qf_err_nomem(err);
	}
	memcpy(fresh.run, salvage->totals.run, sizeof(fresh.run));
	salvage->totals = fresh;
	code = claim_all(&export, err);
	if (!code)
		code = write_bundle(&export, bundle, err);
	qf_bundle_free(bundle);
	tell_all(&export, code, err);
	qf_crew_free(export.crew);
	qf_names_free(export.names);
	free(export.held);
	qf_buf_release(&export.left);
	return code;
}
