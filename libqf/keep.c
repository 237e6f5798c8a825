/*
 * keep - a message as few bytes that live on without its file: for who shows many for a long time
 * and filters, sorts and counts them again and again.
 *
 * Kept are the control file without the lines no field is made from (macros, most headers), what
 * the file system said, and what was found wrong. It comes back by parsing those bytes, so that
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

/* What is kept ahead of the name and the lines; diagnostics follow it. */
struct kept {
	uint64_t inode, device;
	int64_t control_size, data_size, mtime, ctime;
	uint32_t ctime_nsec, mode, uid, gid, links, dir;
	uint16_t ndiagnostics;
	uint8_t name;      /* bytes of the name */
	uint8_t busy, have_busy, have_stat;
};

struct kept_diagnostic {
	uint32_t line, column;
	uint16_t detail;   /* bytes of it, which follow; UINT16_MAX: absent */
	uint8_t finding, fate;
};

/* Headers that a field shows, or that decide about time-outs (outlook.c). */
static bool
is_kept_header(struct qf_slice value)
{
	static const char *const names[] = {"Subject", "Message-ID", "Priority", "Precedence",
					    "Content-Type"};
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
	return false;
}

void
qf_msg_keep(const struct qf_msg *msg, struct qf_buf *out)
{
	const struct qf_files *files = &msg->files;
	size_t n = msg->ndiagnostics < UINT16_MAX ? msg->ndiagnostics : UINT16_MAX;
	struct kept head = {
		.inode = files->inode,
		.device = files->device,
		.control_size = files->control_size,
		.data_size = files->data_size,
		.mtime = files->mtime,
		.ctime = files->ctime,
		.ctime_nsec = files->ctime_nsec,
		.mode = files->mode,
		.uid = files->uid,
		.gid = files->gid,
		.links = (uint32_t)files->links,
		.dir = (uint32_t)files->dir,
		.ndiagnostics = (uint16_t)n,
		.name = (uint8_t)files->name.n,
		.busy = (uint8_t)files->busy,
		.have_busy = files->have_busy,
		.have_stat = files->have_stat,
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
	qf_buf_add(out, files->name.p, head.name);
	for (size_t i = 0; i < msg->nrecords; i++) {
		const struct qf_record *record = &msg->records[i];

		if (record->letter == '$' || (record->letter == 'H' && !is_kept_header(record->value)))
			continue;
		qf_buf_add(out, record->raw.p, record->raw.n);
	}
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
qf_msg_recall(struct qf_queue *queue, struct qf_slice kept, struct qf_msg **out,
	      struct qf_err *err)
{
	struct kept head;
	struct qf_slice rest = kept, diagnostics, bytes;
	struct qf_loader loader = {.queue = queue};
	struct qf_files *files;
	const char *name = cut(&rest, sizeof(head));
	enum qf_code code;
	struct qf_msg *msg = *out;

	if (!name)
		return qf_err_set(err, QF_E_DATA, "kept message", "not one");
	memcpy(&head, name, sizeof(head));
	diagnostics = rest;
	for (size_t i = 0; i < head.ndiagnostics; i++) {
		struct kept_diagnostic d;
		const char *p = cut(&rest, sizeof(d));

		if (p)
			memcpy(&d, p, sizeof(d));
		if (!p || (d.detail != UINT16_MAX && !cut(&rest, d.detail)))
			return qf_err_set(err, QF_E_DATA, "kept message", "cut short");
	}
	name = cut(&rest, head.name);
	if (!name || head.name < 2 || head.dir >= qf_queue_ndirs(queue))
		return qf_err_set(err, QF_E_DATA, "kept message", "of another queue");
	if (!msg) {
		msg = *out = qf_msg_new();
		if (!msg)
			return qf_err_nomem(err);
	}
	qf_msg_clear(msg);
	qf_load_name(&loader, head.dir, name, head.name, msg);
	bytes = qf_arena_copy(&msg->arena, rest);
	if (msg->nomem || !bytes.p)
		return qf_err_nomem(err);
	files = &msg->files;
	files->inode = head.inode;
	files->have_stat = head.have_stat;
	files->device = head.device;
	files->control_size = head.control_size;
	files->mtime = head.mtime;
	files->ctime = head.ctime;
	files->ctime_nsec = head.ctime_nsec;
	files->mode = head.mode;
	files->uid = head.uid;
	files->gid = head.gid;
	files->links = head.links;
	files->have_busy = head.have_busy;
	files->busy = (enum qf_tri)head.busy;
	code = qf_msg_interpret(msg, bytes, false, err);
	if (code)
		return code;
	qf_load_data_name(&loader, msg);
	files->data_size = head.data_size;
	if (!recall_diagnostics(msg, diagnostics, head.ndiagnostics))
		return qf_err_set(err, QF_E_DATA, "kept message", "cut short");
	return msg->nomem ? qf_err_nomem(err) : QF_OK;
}
