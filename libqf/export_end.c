/*
 * export_end - claims of an export released, for the receipt says that their messages have arrived;
 * or put back into their queue.
 *
 * A receipt is trusted for what it names: run, id, and the SHA-256 of the control file, which has
 * to be that of the claim. Messages of the run that it does not name stay claimed.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "salvage.h"


/* ------------------------------------------------------------------ the receipt */

struct line {
	char id[QF_NAME_MAX - 2];
	uint8_t sha[32];
	bool used;
};

struct receipt {
	char run[QF_RUN_MAX];
	struct line *lines;
	size_t n, cap;
	bool ended, complete;
};

static const char *
text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool
take_line(struct receipt *receipt, const json_t *json)
{
	const char *schema = text_of(json, "schema"), *run = text_of(json, "run"),
		   *id = text_of(json, "id");
	const char *sha = text_of(json_object_get(json, "sha256"), "control");
	struct line *line;

	if (!schema || strcmp(schema, "qf.receipt/1") || !run || !*run ||
	    strlen(run) >= QF_RUN_MAX || (receipt->run[0] && strcmp(run, receipt->run)) ||
	    receipt->ended)
		return false;
	strcpy(receipt->run, run);
	if (json_object_get(json, "complete")) {
		receipt->ended = true;
		receipt->complete = json_is_true(json_object_get(json, "complete"));
		return true;
	}
	if (!id || strlen(id) >= sizeof(line->id))
		return false;
	if (receipt->n == receipt->cap) {
		size_t cap = receipt->cap + receipt->cap / 16 + 256;
		struct line *more = realloc(receipt->lines, cap * sizeof(*more));

		if (!more)
			return false;
		receipt->lines = more;
		receipt->cap = cap;
	}
	line = &receipt->lines[receipt->n];
	*line = (struct line){.used = false};
	strcpy(line->id, id);
	if (!qf_hex_read(sha, line->sha, sizeof(line->sha)))
		return false;
	receipt->n++;
	return true;
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->id, ((const struct line *)b)->id);
}

static enum qf_code
read_receipt(struct qf_io *io, const char *path, struct receipt *receipt, struct qf_err *err)
{
	int fd = qf_io_open(io, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	enum qf_code code = QF_OK;
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	if (!file) {
		code = qf_err_sys(err, errno, path, "cannot open");
		if (fd >= 0)
			qf_io_close(io, fd);
		return code;
	}
	while (!code && (n = getline(&text, &size, file)) > 0) {
		json_t *json = text[n - 1] == '\n' ? json_loadb(text, (size_t)n, 0, NULL) : NULL;

		if (!json || !take_line(receipt, json))
			code = qf_err_set(err, QF_E_DATA, path, "no receipt of qf salvage import");
		json_decref(json);
	}
	if (!code && ferror(file))
		code = qf_err_sys(err, errno, path, "cannot read");
	free(text);
	fclose(file);
	if (!code && !receipt->ended)
		code = qf_err_set(err, QF_E_DATA, path, "the receipt has no end: give all of it");
	if (receipt->n)
		qsort(receipt->lines, receipt->n, sizeof(*receipt->lines), compare_lines);
	return code;
}

/* ------------------------------------------------------------------ the claims of a run */

struct claims {
	struct qf_salvage *salvage;
	const char *run;
	struct one {
		char name[QF_NAME_MAX];
		bool owned;      /* its export is, as far as can be known, still at work */
		uint16_t folder; /* of the folders */
	} * all;
	size_t n, cap;
	struct folder {
		size_t dir;
		char name[QF_CLAIM_FOLDER_MAX];
	} * folders;
	size_t nfolders;
	bool any;         /* a folder of the run is there, or was */
	char command[32]; /* what else than an export the run is: its claims are not ours to end */
	bool nomem;
};

/* What a run that moves has claimed may be at its target already: only resume can tell. Where run.json
   does not say what it is, nobody can. */
static bool
is_export(struct claims *claims, const struct qf_claim_found *found)
{
	const char *command = found->run ? found->run->command : "unknown";

	/* Killed before it could say who it is, a run has claimed nothing. */
	if (strcmp(command, "export") == 0 || (!found->run && !found->name))
		return true;
	snprintf(claims->command, sizeof(claims->command), "%s", command);
	return false;
}

/* What lives may be waiting for who reads its stream, with messages in it. Of another host only the
   lease tells. */
static bool
is_at_work(const struct claims *claims, const struct qf_claim_found *found)
{
	int64_t lease = claims->salvage->options.lease;

	return !found->owner_ended && !found->own &&
	       (found->owner_lives ||
		found->idle < (lease > QF_LEASE_LEAST ? lease : QF_LEASE_LEAST));
}

/* The folder of a claim, which is that of the one before. False: no memory. */
static bool
note_folder(struct claims *claims, const struct qf_claim_found *found)
{
	size_t n = claims->nfolders;
	struct folder *more;

	if (n && claims->folders[n - 1].dir == found->dir &&
	    strcmp(claims->folders[n - 1].name, found->folder) == 0)
		return true;
	more = n < UINT16_MAX ? realloc(claims->folders, (n + 1) * sizeof(*more)) : NULL;
	if (!more)
		return false;
	claims->folders = more;
	more[n].dir = found->dir;
	snprintf(more[n].name, QF_CLAIM_FOLDER_MAX, "%s", found->folder);
	claims->nfolders++;
	return true;
}

static bool
note(void *ctx, const struct qf_claim_found *found)
{
	struct claims *claims = ctx;
	size_t n = strlen(claims->run);

	if (strncmp(found->folder, claims->run, n) != 0 || found->folder[n] != '.' ||
	    !is_export(claims, found))
		return true;
	claims->any = true;
	if (!found->name)
		return true;
	if (!note_folder(claims, found)) {
		claims->nomem = true;
		return false;
	}
	if (claims->n == claims->cap) {
		size_t cap = claims->cap + claims->cap / 16 + 256;
		struct one *more = realloc(claims->all, cap * sizeof(*more));

		claims->nomem |= !more;
		if (!more)
			return false;
		claims->all = more;
		claims->cap = cap;
	}
	claims->all[claims->n].folder = (uint16_t)(claims->nfolders - 1);
	snprintf(claims->all[claims->n].name, QF_NAME_MAX, "%s", found->name);
	claims->all[claims->n++].owned = is_at_work(claims, found);
	return true;
}

static enum qf_code
open_claims(struct qf_salvage *salvage, const char *run, struct claims *claims, struct qf_err *err)
{
	struct qf_claim_run own = {.pid = -1};
	enum qf_code code;

	*claims = (struct claims){.salvage = salvage, .run = run};
	snprintf(own.run, sizeof(own.run), "%s", salvage->run);
	snprintf(own.target, sizeof(own.target), "archive");
	snprintf(own.command, sizeof(own.command), "export");
	code = qf_claims_open(salvage->from, &own, false, &salvage->claims, err);
	if (!code)
		code = qf_claims_list(salvage->claims, note, claims, err);
	if (!code && claims->nomem)
		code = qf_err_nomem(err);
	return code;
}

/* There must be something of it, and nothing that is no export's. what: run or receipt, for people. */
static enum qf_code
check_claims(const struct claims *claims, const char *what, struct qf_err *err)
{
	if (strcmp(claims->command, "unknown") == 0)
		return qf_err_set(err, QF_E_DATA, what,
				  "run.json of its claims is missing or broken: whether they are an "
				  "export's is not known");
	if (claims->command[0])
		return qf_err_set(err, QF_E_USAGE, what,
				  "no export, but \"%s\": qf salvage resume finishes it",
				  claims->command);
	return claims->any ? QF_OK
			   : qf_err_set(err, QF_E_NOT_FOUND, what,
					"nothing is claimed here by the export %s", claims->run);
}

static enum qf_code
adopt(struct claims *claims, const struct one *one, struct qf_claim *claim, struct qf_err *err)
{
	const struct folder *folder = &claims->folders[one->folder];

	return qf_claim_adopt(claims->salvage->claims, folder->dir, folder->name, one->name, claim, err);
}

static void
release(struct claims *claims)
{
	free(claims->all);
	free(claims->folders);
}

static void
tell(struct claims *claims, const struct one *one, enum qf_salvage_outcome outcome,
     enum qf_salvage_why why, const char *detail)
{
	struct qf_salvage_record record = {
		.outcome = outcome,
		.why = why,
		.detail = detail,
		.id = one->name + 2,
		.file = one->name,
		.from = qf_queue_dir(claims->salvage->from, claims->folders[one->folder].dir)->path,
		.bounce_at = QF_TIME_NONE,
		.bytes = -1};

	qf_salvage_tell(claims->salvage, &record);
}

static void
tell_failure(struct claims *claims, const struct one *one, enum qf_code code,
	     const struct qf_err *err)
{
	char detail[400];

	snprintf(detail, sizeof(detail), "%.150s: %.150s; still claimed", err->what, err->why);
	tell(claims, one, code == QF_E_BUSY ? QF_SALVAGE_SKIPPED : QF_SALVAGE_FAILED,
	     code == QF_E_BUSY ? QF_SALVAGE_WHY_BUSY : QF_SALVAGE_WHY_ERROR, detail);
}

static void
tidy(struct claims *claims)
{
	for (size_t i = 0; i < claims->nfolders; i++)
		qf_claims_tidy(claims->salvage->claims, claims->folders[i].dir, claims->folders[i].name);
}

/* ------------------------------------------------------------------ commit */

/* Data file, then claim: as long as anything is there that tells of the message, the claim is. */
static enum qf_code
release_one(struct qf_claims *claims, struct qf_claim *claim, struct qf_err *err)
{
	enum qf_code code = qf_claim_drop_data(claims, claim, err);

	if (!code)
		code = qf_claims_sync_data(claims, &claim, 1, err);
	if (!code)
		code = qf_claim_drop(claims, claim, err);
	if (!code)
		code = qf_claims_sync_folders(claims, &claim, 1, err);
	return code;
}

/* It may come back one day, to a queue that was a target once. */
static enum qf_code
leave(struct qf_salvage *salvage, const struct qf_claim *claim, struct qf_err *err)
{
	struct qf_mark mark = {.dir = "00000000000000000000000000000000"};

	qf_claim_key(claim, mark.key);
	qf_salvage_origin(claim->msg, qf_msg_envelope(claim->msg)->created, mark.message);
	snprintf(mark.name, sizeof(mark.name), "%s", claim->name);
	return qf_ledger_leave(salvage, &mark, 1, err);
}

static void
commit_one(struct claims *claims, const struct receipt *receipt, const struct one *one)
{
	struct line key = {.used = false}, *line;
	struct qf_claim claim = {.taken = {.fd = -1}};
	uint8_t sha[32];
	struct qf_err err;
	enum qf_code code;

	snprintf(key.id, sizeof(key.id), "%s", one->name + 2);
	line = receipt->n ? bsearch(&key, receipt->lines, receipt->n, sizeof(key), compare_lines)
			  : NULL;
	if (!line) {
		tell(claims, one, QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_UNSIGNED,
		     receipt->complete ? "not in the receipt: still claimed; --abort puts it back"
				       : "not in the receipt, which is not for all: still claimed; import "
					 "the bundle again, or, if that is not to be, --abort puts it back");
		return;
	}
	code = adopt(claims, one, &claim, &err);
	if (code) {
		tell_failure(claims, one, code, &err);
		return;
	}
	qf_sha_bytes(qf_msg_bytes(claim.msg), sha);
	if (memcmp(sha, line->sha, sizeof(sha)) != 0) {
		tell(claims, one, QF_SALVAGE_FAILED, QF_SALVAGE_WHY_CHANGED,
		     "the receipt is for another content; still claimed");
	} else {
		code = leave(claims->salvage, &claim, &err);
		if (!code)
			code = release_one(claims->salvage->claims, &claim, &err);
		if (code)
			tell_failure(claims, one, code, &err);
		else
			tell(claims, one, QF_SALVAGE_MOVED, QF_SALVAGE_WHY_NONE, NULL);
	}
	qf_claim_release(claims->salvage->claims, &claim);
}

enum qf_code
qf_salvage_commit(struct qf_salvage *salvage, const char *path, struct qf_err *err)
{
	struct receipt receipt = {.n = 0};
	struct claims claims = {.n = 0};
	enum qf_code code = read_receipt(salvage->io, path, &receipt, err);

	if (!code)
		code = open_claims(salvage, receipt.run, &claims, err);
	if (!code)
		code = check_claims(&claims, path, err);
	for (size_t i = 0; i < claims.n && !code; i++)
		commit_one(&claims, &receipt, &claims.all[i]);
	if (!code)
		tidy(&claims);
	release(&claims);
	free(receipt.lines);
	return code;
}

/* ------------------------------------------------------------------ abort */

enum qf_code
qf_salvage_abort(struct qf_salvage *salvage, const char *run, struct qf_err *err)
{
	const struct folder *folder;
	struct claims claims;
	struct qf_err one;
	enum qf_code code = open_claims(salvage, run, &claims, err), put;

	if (!code)
		code = check_claims(&claims, run, err);
	for (size_t i = 0; i < claims.n && !code; i++) {
		if (claims.all[i].owned) {
			tell(&claims, &claims.all[i], QF_SALVAGE_SKIPPED, QF_SALVAGE_WHY_CLAIMED,
			     "its export is still at work, or ended on another host less than the lease ago "
			     "(--lease)");
			continue;
		}
		folder = &claims.folders[claims.all[i].folder];
		put = qf_claim_put_back(salvage->claims, folder->dir, folder->name, claims.all[i].name,
					&one);
		if (put)
			tell_failure(&claims, &claims.all[i], put, &one);
		else
			tell(&claims, &claims.all[i], QF_SALVAGE_LEFT, QF_SALVAGE_WHY_ABORTED,
			     "put back");
	}
	if (!code)
		tidy(&claims);
	release(&claims);
	return code;
}
