/*
 * salvage_staged - copies that were interrupted. They have no claim; what they left staged at the target
 * is not there yet, and nobody but the same copy finishes it.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "names.h"
#include "salvage.h"

struct staged {
	struct qf_salvage *salvage;
	struct staged_copy {
		char name[QF_STAGED_MAX]; /* of the control file in incoming/ */
		size_t dir;
		bool there; /* by now, by another run */
	} * copies;         /* seldom one */
	size_t n;
};

static const char *
control_of(const char *staged)
{
	const char *dash = strrchr(staged, '-');

	return strncmp(staged, "copy.", 5) == 0 && dash &&
			       qf_kind_is_control(qf_name_kind(dash + 1, strlen(dash + 1)))
		       ? dash + 1
		       : NULL;
}

static enum qf_code
list(struct staged *staged, size_t dir, unsigned lane, struct qf_err *err)
{
	struct qf_target *target = &staged->salvage->target;
	struct qf_buf names = {0};
	enum qf_code code;
	int folder;

	code = qf_target_incoming(target, dir, lane, false, &folder, err);
	if (code)
		return code == QF_E_NOT_FOUND ? QF_OK : code;
	code = qf_names_in(target->io, folder, "incoming", &names, err);
	for (size_t at = 0; !code && at < names.n; at += strlen(names.p + at) + 1) {
		struct staged_copy *more;

		if (!control_of(names.p + at))
			continue;
		more = realloc(staged->copies, (staged->n + 1) * sizeof(*more));
		if (!more) {
			code = qf_err_nomem(err);
			break;
		}
		staged->copies = more;
		more[staged->n] = (struct staged_copy){.dir = dir};
		snprintf(more[staged->n++].name, QF_STAGED_MAX, "%s", names.p + at);
	}
	qf_buf_release(&names);
	return code;
}

/* Of each mark: is it of one of these, and has the ledger its message? Nothing of it is kept. */
static enum qf_mark_wish
see(void *ctx, const struct qf_mark *mark, char index[QF_CLAIM_KEY_MAX])
{
	struct staged *staged = ctx;
	char control[QF_STAGED_MAX], data[QF_STAGED_MAX];
	struct qf_arrival arrival;

	(void)index;
	if (strncmp(mark->key, "copy.", 5) != 0 || mark->voided || !*mark->message)
		return QF_MARK_UNWANTED;
	strcpy(arrival.key, mark->key);
	qf_arrival_staged(&arrival, control, data);
	for (size_t i = 0; i < staged->n; i++)
		if (strcmp(staged->copies[i].name, control) == 0)
			staged->copies[i].there =
				qf_ledger_ask(staged->salvage, mark->message,
					      control_of(control) + 2, mark->sha_data) == QF_LEDGER_HAS;
	return QF_MARK_UNWANTED;
}

static void
tell(struct staged *staged, const struct staged_copy *copy)
{
	const char *name = control_of(copy->name);
	struct qf_salvage_record record = {
		.outcome = QF_SALVAGE_SKIPPED,
		.why = QF_SALVAGE_WHY_STOPPED,
		.detail = "a copy that is staged at the target, and not there yet: run the same copy "
			  "again, unless it is still at work",
		.id = name + 2,
		.file = name,
		.from = "", /* it need not be this source */
		.to = qf_queue_dir(staged->salvage->to, copy->dir)->path,
		.bounce_at = QF_TIME_NONE,
		.bytes = -1,
	};

	qf_salvage_tell(staged->salvage, &record);
}

enum qf_code
qf_salvage_tell_staged(struct qf_salvage *salvage, struct qf_err *err)
{
	struct staged staged = {.salvage = salvage};
	struct qf_marks *marks = NULL;
	enum qf_code code = QF_OK;

	for (size_t i = 0; !code && i < qf_queue_ndirs(salvage->to); i++)
		for (unsigned lane = 0; !code && lane < QF_LANES_MAX; lane++)
			if (!qf_queue_dir(salvage->to, i)->trouble)
				code = list(&staged, i, lane, err);
	if (!code && staged.n)
		code = qf_ledger_read(salvage, err);
	if (!code && staged.n)
		code = qf_marks_read(salvage->target.io, &salvage->target.manifests, 1, false, see,
				     &staged, &marks, err);
	for (size_t i = 0; !code && i < staged.n; i++)
		if (!staged.copies[i].there)
			tell(&staged, &staged.copies[i]);
	qf_marks_free(marks);
	free(staged.copies);
	return code;
}
