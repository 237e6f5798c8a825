/*
 * msg - one message: what was read of it, what is wrong with it, and the questions to it.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "err.h"
#include "msg.h"

#define TEXT_KEPT ((size_t)65536)
/* Listed of what is wrong with one message: a file of junk has something in every line. */
#define DIAGNOSTICS_MAX 1000

static const struct qf_envelope empty_envelope = {.created = QF_TIME_NONE,
						  .last_try = QF_TIME_NONE};

struct qf_msg *
qf_msg_new(void)
{
	struct qf_msg *msg = calloc(1, sizeof(*msg));

	if (msg)
		msg->envelope = empty_envelope;
	return msg;
}

void
qf_msg_clear(struct qf_msg *msg)
{
	struct qf_arena arena = msg->arena;
	struct qf_buf text = msg->text;

	qf_arena_clear(&arena);
	/* One huge message must not keep its memory for all that follow. */
	if (text.cap > TEXT_KEPT)
		qf_buf_release(&text);
	qf_buf_clear(&text);
	*msg = (struct qf_msg){.arena = arena, .text = text, .envelope = empty_envelope};
}

void
qf_msg_free(struct qf_msg *msg)
{
	if (!msg)
		return;
	qf_arena_release(&msg->arena);
	qf_buf_release(&msg->text);
	free(msg);
}

void
qf_msg_find_detail(struct qf_msg *msg, enum qf_finding finding, unsigned line, unsigned column,
		   const char *detail)
{
	const enum qf_fate fate = qf_finding_type(finding)->fate;
	struct qf_diagnostic *d;

	if (fate > msg->fate)
		msg->fate = fate;
	if (msg->ndiagnostics == DIAGNOSTICS_MAX)
		return;
	if (msg->ndiagnostics == DIAGNOSTICS_MAX - 1) {
		finding = QF_F_MORE_FINDINGS;
		line = column = 0;
		detail = NULL;
	}
	if (msg->ndiagnostics == msg->cap_diagnostics) {
		size_t cap = msg->cap_diagnostics ? msg->cap_diagnostics * 2 : 8;

		d = qf_arena_array(&msg->arena, cap, sizeof(*d));
		if (!d) {
			msg->nomem = true;
			return;
		}
		if (msg->ndiagnostics)
			memcpy(d, msg->diagnostics, msg->ndiagnostics * sizeof(*d));
		msg->diagnostics = d;
		msg->cap_diagnostics = cap;
	}
	d = &msg->diagnostics[msg->ndiagnostics++];
	*d = (struct qf_diagnostic){.finding = finding,
				    .fate = qf_finding_type(finding)->fate,
				    .line = line,
				    .column = column};
	if (detail) {
		d->detail = qf_arena_copy(&msg->arena,
					  (struct qf_slice){detail, strlen(detail)});
		msg->nomem |= !d->detail.p;
	}
}

void
qf_msg_find(struct qf_msg *msg, enum qf_finding finding, unsigned line, unsigned column)
{
	qf_msg_find_detail(msg, finding, line, column, NULL);
}

/* What the bytes do not show. Details are borrowed, as are the files. */
static void
add_found(struct qf_msg *msg, const struct qf_parse_options *options)
{
	for (size_t i = 0; i < options->nfound; i++) {
		const struct qf_diagnostic *d = &options->found[i];
		bool known = false;

		for (size_t k = 0; k < msg->ndiagnostics && !known; k++)
			known = msg->diagnostics[k].finding == d->finding;
		if (known)
			continue;
		qf_msg_find(msg, d->finding, 0, 0);
		if (msg->ndiagnostics && msg->diagnostics[msg->ndiagnostics - 1].finding == d->finding)
			msg->diagnostics[msg->ndiagnostics - 1].detail = d->detail;
	}
}

enum qf_code
qf_msg_parse(struct qf_slice bytes, const struct qf_parse_options *options, struct qf_msg **out,
	     struct qf_err *err)
{
	struct qf_msg *msg;
	struct qf_slice copy;
	enum qf_code code;

	if (bytes.n > QF_CONTROL_MAX)
		return qf_err_set(err, QF_E_LIMIT, "control file", "larger than %zu MB",
				  QF_CONTROL_MAX >> 20);
	msg = qf_msg_new();
	if (!msg)
		return qf_err_nomem(err);
	msg->files.data_size = -2;
	if (options && options->files)
		msg->files = *options->files;
	msg->files.kind = options && options->kind != QF_KIND_OTHER ? options->kind
								    : QF_KIND_QUEUED;
	copy = qf_arena_copy(&msg->arena, bytes);
	code = copy.p ? qf_msg_interpret(msg, copy, options && options->skip_headers, err)
		      : qf_err_nomem(err);
	if (!code && options)
		add_found(msg, options);
	if (code) {
		qf_msg_free(msg);
		return code;
	}
	*out = msg;
	return QF_OK;
}

const struct qf_envelope *
qf_msg_envelope(const struct qf_msg *msg)
{
	return &msg->envelope;
}

const struct qf_files *
qf_msg_files(const struct qf_msg *msg)
{
	return &msg->files;
}

enum qf_state
qf_msg_state(const struct qf_msg *msg)
{
	if (msg->files.kind == QF_KIND_HELD)
		return QF_STATE_HELD;
	if (msg->files.kind == QF_KIND_LOST)
		return QF_STATE_LOST;
	return msg->ended ? QF_STATE_QUEUED : QF_STATE_INCOMPLETE;
}

const char *
qf_state_name(enum qf_state state)
{
	static const char *const names[] = {
		[QF_STATE_QUEUED] = "queued",
		[QF_STATE_HELD] = "held",
		[QF_STATE_LOST] = "lost",
		[QF_STATE_INCOMPLETE] = "incomplete",
	};

	return names[state];
}

const struct qf_record *
qf_msg_records(const struct qf_msg *msg, size_t *n)
{
	*n = msg->nrecords;
	return msg->records;
}

const struct qf_diagnostic *
qf_msg_diagnostics(const struct qf_msg *msg, size_t *n)
{
	*n = msg->ndiagnostics;
	return msg->diagnostics;
}

const struct qf_diagnostic *
qf_msg_finding(const struct qf_msg *msg, enum qf_finding finding)
{
	for (size_t i = 0; i < msg->ndiagnostics; i++)
		if (msg->diagnostics[i].finding == finding)
			return &msg->diagnostics[i];
	return NULL;
}

enum qf_fate
qf_msg_fate(const struct qf_msg *msg)
{
	return msg->fate;
}

struct qf_slice
qf_msg_bytes(const struct qf_msg *msg)
{
	return msg->bytes;
}

struct qf_slice
qf_msg_text(const struct qf_msg *msg)
{
	return (struct qf_slice){msg->text.n ? msg->text.p : NULL, msg->text.n};
}

/* Origin: sendmail/headers.c, 8.14 on: 0xFF stands before 0x80-0x9F and 0xFF taken from mail. */
static struct qf_slice
undo_meta_quoting(struct qf_msg *msg, struct qf_slice value)
{
	char *copy;
	size_t n = 0;

	if (value.n == 0 || !memchr(value.p, 0xff, value.n))
		return value;
	copy = qf_arena_alloc(&msg->arena, value.n);
	if (!copy) {
		msg->nomem = true;
		return value;
	}
	for (size_t i = 0; i < value.n; i++) {
		if ((unsigned char)value.p[i] == 0xff && i + 1 < value.n)
			i++;
		copy[n++] = value.p[i];
	}
	return (struct qf_slice){copy, n};
}

struct qf_slice
qf_header_text(struct qf_msg *msg, const struct qf_header *header)
{
	struct qf_slice value = header->value;

	while (value.n && (*value.p == ' ' || *value.p == '\t')) {
		value.p++;
		value.n--;
	}
	return undo_meta_quoting(msg, value);
}

struct qf_slice
qf_msg_header(struct qf_msg *msg, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < msg->envelope.nheaders; i++) {
		const struct qf_header *header = &msg->envelope.headers[i];

		if (header->name.n == n && strncasecmp(header->name.p, name, n) == 0)
			return qf_header_text(msg, header);
	}
	return (struct qf_slice){NULL, 0};
}

bool
qf_msg_is_same(const struct qf_msg *a, const struct qf_msg *b)
{
	const struct qf_envelope *x, *y;

	if (!a || !b)
		return false;
	x = qf_msg_envelope(a);
	y = qf_msg_envelope(b);
	return x->created == y->created && x->sender.n == y->sender.n &&
	       (!x->sender.n || memcmp(x->sender.p, y->sender.p, x->sender.n) == 0);
}
