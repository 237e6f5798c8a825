/*
 * salvage_import - a bundle of qf salvage export brought into a queue: unpacked beside it, and then
 * copied as any other queue is. The receipt names what has arrived, now or in an earlier import:
 * not what is there by another way, of which nobody knows whether it is whole.
 */
#include <stdlib.h>
#include <string.h>

#include "salvage_import.h"
#include "save.h"
#include "say.h"
#include "signals.h"
#include "status.h"

struct importing {
	struct report *report;
	struct qf_import *import;
	/* By the place in the bundle. Few get a new id, and mostly none does. */
	bool *arrived;
	char **new_ids;
	size_t lines, at; /* of the receipt: how many; the next to be written */
};

static void
acknowledge(struct importing *importing, const struct qf_salvage_record *record)
{
	size_t place = qf_import_place(importing->import, record->id);

	if (place == SIZE_MAX || importing->arrived[place])
		return;
	if (record->new_id && !importing->new_ids)
		importing->new_ids = calloc(qf_import_n(importing->import), sizeof(*importing->new_ids));
	/* Without memory for its new name it is not signed. */
	if (record->new_id &&
	    (!importing->new_ids || !(importing->new_ids[place] = strdup(record->new_id))))
		return;
	importing->arrived[place] = true;
	importing->lines++;
}

static void
open_line(const struct importing *importing, struct qf_json *json)
{
	qf_json_open(json, '{');
	qf_json_key(json, "schema");
	qf_json_string(json, "qf.receipt/1");
	qf_json_key(json, "run");
	qf_json_string(json, qf_import_run(importing->import));
}

/* A line for each that has arrived, and whether that is all. */
static bool
next_of_receipt(void *ctx, struct qf_buf *out)
{
	struct importing *importing = ctx;
	struct qf_json json = {.out = out};
	size_t n = qf_import_n(importing->import);
	char control[65], data[65];

	while (importing->at < n && !importing->arrived[importing->at])
		importing->at++;
	if (importing->at > n)
		return false;
	open_line(importing, &json);
	if (importing->at == n) {
		qf_json_key(&json, "complete");
		qf_json_bool(&json, importing->lines == n && !qf_import_cut(importing->import));
	} else {
		const char *id = qf_import_id(importing->import, importing->at);
		const char *new_id = importing->new_ids ? importing->new_ids[importing->at] : NULL;

		qf_import_sums(importing->import, id, control, data);
		qf_json_key(&json, "id");
		qf_json_string(&json, id);
		qf_json_key(&json, "new_id");
		qf_json_string(&json, new_id);
		qf_json_key(&json, "sha256");
		qf_json_open(&json, '{');
		qf_json_key(&json, "control");
		qf_json_string(&json, control);
		qf_json_key(&json, "data");
		qf_json_string(&json, data);
		qf_json_close(&json, '}');
	}
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
	importing->at++;
	return true;
}

static void
take(void *ctx, const struct qf_salvage_record *record)
{
	struct importing *importing = ctx;

	report_message(importing->report, record);
	if (importing->report->quiet)
		return;
	if (record->outcome == QF_SALVAGE_COPIED ||
	    (record->outcome == QF_SALVAGE_SKIPPED && record->why == QF_SALVAGE_WHY_PRESENT &&
	     record->arrived))
		acknowledge(importing, record);
}

static void
show_progress(void *ctx, const struct qf_salvage_totals *totals, uint64_t of)
{
	struct importing *importing = ctx;

	report_progress(importing->report, totals, of);
}

static int
write_receipt(struct importing *importing, const char *path)
{
	struct qf_err err;

	if (!save_pieces(path, next_of_receipt, importing, &err))
		return STATUS_OK;
	say_failure(&err);
	return STATUS_CANNOT_CREATE;
}

static const char *
origin_of(void *ctx, const char *id)
{
	return qf_import_from(ctx, id);
}

/* From the queue that was unpacked. */
static int
copy_all(struct source *source, struct qf_queue *to, struct importing *importing,
	 const struct qf_salvage_options *given)
{
	const char *path = qf_import_path(importing->import);
	struct qf_salvage_options options = *given;
	struct qf_salvage *salvage = NULL;
	struct qf_queue *from;
	struct qf_err err;
	enum qf_code code;
	int status = source_open_queue(source, &path, 1);

	from = source->queue;
	source->queue = NULL;
	if (status)
		return status;
	qf_queue_data_beside(from);
	options.copy = true;
	options.as_run = qf_import_run(importing->import);
	options.origin = origin_of;
	options.origin_ctx = importing->import;
	options.report = take;
	options.progress = show_progress;
	options.ctx = importing;
	code = qf_salvage_new(from, to, &options, &salvage, &err);
	importing->report->quiet = true;
	if (!code)
		code = qf_salvage_look(salvage, &err);
	importing->report->quiet = false;
	if (!code)
		code = qf_salvage_run(salvage, &err);
	if (code && code != QF_E_INTERRUPTED)
		status = say_failure(&err);
	if (salvage && (!code || importing->report->told))
		report_end(importing->report, salvage, false);
	if (!status)
		status = report_status(importing->report, salvage, false);
	qf_salvage_free(salvage);
	qf_queue_free(from);
	return status;
}

int
salvage_import(struct source *source, struct qf_queue *to, const char *from, const char *receipt,
	       const struct qf_salvage_options *options, struct report *report)
{
	struct importing importing = {.report = report};
	struct qf_import *import;
	struct qf_err err;
	int status, written;

	if (qf_import_unpack(to, from, options->cancel, &import, &err))
		return err.code == QF_E_INTERRUPTED ? STATUS_SIGNAL + signals_caught()
						    : say_failure(&err);
	importing.import = import;
	importing.arrived = calloc(qf_import_n(import) + 1, sizeof(*importing.arrived));
	if (!importing.arrived) {
		say_error("out of memory");
		qf_import_free(import);
		return STATUS_OS;
	}
	if (qf_import_cut(import))
		say_error("%s: %s: only what came whole is imported", from, qf_import_cut(import));
	status = copy_all(source, to, &importing, options);
	if (receipt && status >= STATUS_USAGE && !importing.lines) {
		/* An earlier one may say more than that nothing was looked at. */
		say_note("no receipt was written");
	} else if (receipt) {
		written = write_receipt(&importing, receipt);
		if (written)
			status = written;
	} else {
		say_note("without --receipt nothing tells the source that it may let go");
	}
	if ((status == STATUS_OK || status == STATUS_FINDINGS) && qf_import_cut(import))
		status = STATUS_INCOMPLETE;
	for (size_t i = 0; importing.new_ids && i < qf_import_n(import); i++)
		free(importing.new_ids[i]);
	free(importing.new_ids);
	free(importing.arrived);
	qf_import_free(import);
	return signals_caught() ? STATUS_SIGNAL + signals_caught() : status;
}
