/*
 * keep - a message as few bytes that live on without its file: for who shows many for a long time
 * and filters, sorts and counts them again and again.
 *
 * Kept are the control file without the lines no field is made from (macros, most headers), the size
 * of the body, lock, and what was found wrong. It comes back by parsing those bytes, so that
 * every field, filter and group says of it what it says of the file.
 *
 * BUGS: header.NAME says only what the kept headers are; the body is read from the queue.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "err.h"
#include "load.h"

/* What is kept ahead of the lines; diagnostics follow it. */
struct kept {
	int64_t data_size;
	uint16_t ndiagnostics;
	uint8_t busy, have_busy;
};

struct kept_diagnostic {
	uint32_t line, column;
	uint16_t detail;   /* bytes of it, which follow; UINT16_MAX: absent */
	uint8_t finding, fate;
};

static bool
says_report(struct qf_slice value)
{
	for (size_t i = 0; i + 6 <= value.n; i++)
		if (strncasecmp(value.p + i, "report", 6) == 0)
			return true;
	return false;
}

/* Headers that a field shows, or that decide about time-outs (outlook.c). */
static bool
is_kept_header(struct qf_slice value)
{
	static const char *const names[] = {"Subject", "Message-ID", "Priority", "Precedence"};
	static const char type[] = "Content-Type";
	const char *question, *colon;
	size_t n;

	/* "?flags?name: text" */
	if (value.n && value.p[0] == '?') {
		question = memchr(value.p + 1, '?', value.n - 1);
		if (!question)
			return true;
		value.n -= (size_t)(question + 1 - value.p);
		value.p = question + 1;
	}
	colon = memchr(value.p, ':', value.n);
	n = colon ? (size_t)(colon - value.p) : value.n;
	while (n && (value.p[n - 1] == ' ' || value.p[n - 1] == '\t'))
		n--;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == n && strncasecmp(names[i], value.p, n) == 0)
			return true;
	/* Of types only that of reports decides anything. */
	return strlen(type) == n && strncasecmp(type, value.p, n) == 0 &&
	       says_report(value);
}

/* Records that no field is made from. */
static bool
is_passed_over(const struct qf_record *record)
{
	return record->letter == '$' || record->letter == 'I' || record->letter == 'A' ||
	       record->letter == 'C' || record->letter == 'Q' || record->letter == 'r' ||
	       (record->letter == 'H' && !is_kept_header(record->value));
}

void
qf_msg_keep(const struct qf_msg *msg, struct qf_buf *out)
{
	const struct qf_files *files = &msg->files;
	size_t n = msg->ndiagnostics < UINT16_MAX ? msg->ndiagnostics : UINT16_MAX;
	struct kept head = {
		.data_size = files->data_size,
		.ndiagnostics = (uint16_t)n,
		.busy = (uint8_t)files->busy,
		.have_busy = files->have_busy,
	};

	qf_buf_add(out, &head, sizeof(head));
	for (size_t i = 0; i < n; i++) {
		const struct qf_diagnostic *d = &msg->diagnostics[i];
		struct kept_diagnostic kept = {
			.line = d->line,
			.column = d->column,
			.detail = d->detail.p ? (uint16_t)(d->detail.n < 1000 ? d->detail.n : 1000)
					      : UINT16_MAX,
			.finding = (uint8_t)d->finding,
			.fate = (uint8_t)d->fate,
		};

		qf_buf_add(out, &kept, sizeof(kept));
		if (d->detail.p)
			qf_buf_add(out, d->detail.p, kept.detail);
	}
	for (size_t i = 0; i < msg->nrecords; i++)
		if (!is_passed_over(&msg->records[i]))
			qf_buf_add(out, msg->records[i].raw.p, msg->records[i].raw.n);
}

/* The next n bytes, or NULL where there are not so many. */
static const char *
cut(struct qf_slice *rest, size_t n)
{
	const char *p = rest->p;

	if (rest->n < n)
		return NULL;
	rest->p += n;
	rest->n -= n;
	return p;
}

/* What was found wrong with the whole file, in place of what is found in the kept part of it. */
static bool
recall_diagnostics(struct qf_msg *msg, struct qf_slice rest, size_t n)
{
	enum qf_fate worst = QF_FATE_IGNORED;

	msg->ndiagnostics = 0;
	for (size_t i = 0; i < n; i++) {
		struct kept_diagnostic kept;
		const char *p = cut(&rest, sizeof(kept)), *words = NULL;
		char detail[1001];

		if (!p)
			return false;
		memcpy(&kept, p, sizeof(kept));
		if (kept.detail != UINT16_MAX) {
			words = cut(&rest, kept.detail);
			if (!words || kept.detail >= sizeof(detail))
				return false;
			memcpy(detail, words, kept.detail);
			detail[kept.detail] = '\0';
		}
		if (kept.finding >= QF_F_COUNT)
			return false;
		qf_msg_find_detail(msg, (enum qf_finding)kept.finding, kept.line, kept.column,
				   words ? detail : NULL);
		if (msg->nomem || !msg->ndiagnostics)
			return false;
		msg->diagnostics[msg->ndiagnostics - 1].fate = (enum qf_fate)kept.fate;
		worst = kept.fate > worst ? (enum qf_fate)kept.fate : worst;
	}
	msg->fate = worst;
	return true;
}

enum qf_code
qf_msg_recall(struct qf_queue *queue, size_t dir, struct qf_slice name, struct qf_slice kept,
	      struct qf_msg **out, struct qf_err *err)
{
	struct kept head;
	struct qf_slice rest = kept, diagnostics, bytes;
	struct qf_loader loader = {.queue = queue};
	const char *p = cut(&rest, sizeof(head));
	enum qf_code code;
	struct qf_msg *msg = *out;

	if (!p || name.n < 2 || dir >= qf_queue_ndirs(queue))
		return qf_err_set(err, QF_E_DATA, "kept message", "not one of this queue");
	memcpy(&head, p, sizeof(head));
	diagnostics = rest;
	for (size_t i = 0; i < head.ndiagnostics; i++) {
		struct kept_diagnostic d;

		p = cut(&rest, sizeof(d));
		if (p)
			memcpy(&d, p, sizeof(d));
		if (!p || (d.detail != UINT16_MAX && !cut(&rest, d.detail)))
			return qf_err_set(err, QF_E_DATA, "kept message", "cut short");
	}
	if (!msg) {
		msg = *out = qf_msg_new();
		if (!msg)
			return qf_err_nomem(err);
	}
	qf_msg_clear(msg);
	qf_load_name(&loader, dir, name.p, name.n, msg);
	bytes = qf_arena_copy(&msg->arena, rest);
	if (msg->nomem || !bytes.p)
		return qf_err_nomem(err);
	msg->files.have_busy = head.have_busy;
	msg->files.busy = (enum qf_tri)head.busy;
	code = qf_msg_interpret(msg, bytes, false, err);
	if (code)
		return code;
	qf_load_data_name(&loader, msg);
	msg->files.data_size = head.data_size;
	if (!recall_diagnostics(msg, diagnostics, head.ndiagnostics))
		return qf_err_set(err, QF_E_DATA, "kept message", "cut short");
	return msg->nomem ? qf_err_nomem(err) : QF_OK;
}
