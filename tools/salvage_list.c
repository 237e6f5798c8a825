/*
 * salvage_list - which messages a plan selects.
 */
#include <string.h>

#include "salvage_list.h"

void
salvage_list_tell(struct salvage_list *list, const struct qf_salvage_record *record)
{
	list->totals.planned++;
	if (record->outcome == QF_SALVAGE_COPIED || record->outcome == QF_SALVAGE_MOVED)
		list->totals.moved++;
	else if (record->outcome == QF_SALVAGE_FAILED)
		list->totals.failed[record->why]++;
	else
		list->totals.skipped[record->why]++;
	report_message(list->report, record);
}

static void
take(void *ctx, const struct qf_salvage_record *record)
{
	struct qf_salvage_record told = *record;
	struct salvage_list *list = ctx;

	if (record->outcome == QF_SALVAGE_SKIP && record->why != QF_SALVAGE_WHY_BUSY) {
		told.outcome = QF_SALVAGE_SKIPPED;
		salvage_list_tell(list, &told);
		return;
	}
	qf_buf_addf(&list->paths, "%s/%s", record->from, record->file);
	qf_buf_addc(&list->paths, '\0');
}

enum qf_code
salvage_list_fill(struct salvage_list *list, const struct qf_salvage_options *given,
		  struct qf_err *err)
{
	struct qf_salvage_options options = *given;
	struct qf_salvage *salvage = NULL;
	enum qf_code code;

	options.report = take;
	options.progress = NULL;
	options.ctx = list;
	options.copy = true;
	options.two_looks = false;
	list->totals.oldest_expired = QF_TIME_NONE;
	code = qf_salvage_new(list->queue, NULL, &options, &salvage, err);
	if (!code)
		code = qf_salvage_look(salvage, err);
	if (salvage) {
		struct qf_salvage_totals totals;

		qf_salvage_totals(salvage, &totals);
		memcpy(list->totals.run, totals.run, sizeof(totals.run));
	}
	qf_salvage_free(salvage);
	return code;
}

const char *
salvage_list_next(const struct salvage_list *list, const char *path)
{
	path = path ? path + strlen(path) + 1 : list->paths.p;
	return path && path < list->paths.p + list->paths.n ? path : NULL;
}
