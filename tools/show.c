/*
 * show - one message whole: envelope, recipients, headers, body, transcript, what happens next.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "confine.h"
#include "out.h"
#include "say.h"
#include "show_text.h"
#include "signals.h"
#include "source.h"
#include "status.h"

enum format { FORMAT_TEXT, FORMAT_JSON };
static const char *const format_words[] = {"table", "json", NULL};

enum part { PART_CONTROL, PART_DATA, PART_TRANSCRIPT, PART_HEADERS, PART_BODY, PART_EML,
	    PART_NONE };
static const char *const part_words[] = {"qf", "df", "xf", "headers", "body", "eml", NULL};

static struct {
	int format;
	int part;
	const char *limit;
	bool no_body;
} given = {.part = PART_NONE};

const char show_description[] =
	"Show messages whole: envelope, recipients with their state, headers decoded, the body as\n"
	"text, the transcript of the attempt in hand, who holds the lock, and in words what will\n"
	"happen next. An ID is a queue id or the path of a control file; qf, hf and Qf of one id\n"
	"are each shown. Nothing is changed, not even a lock is taken.\n"
	"\n"
	"--part writes one part raw: qf (control file, whatever its prefix), df or body (the data\n"
	"file), xf (transcript), headers, or eml, the whole message; those two as an SMTP mailer\n"
	"would send them.";

const struct opt show_options[] = {
	{OPT_WORD, "format", 0, &given.format, "FORMAT", "table (text) or json", format_words},
	{OPT_WORD, "part", 0, &given.part, "PART", "qf, df, xf, headers, body or eml", part_words},
	{OPT_STRING, "body-limit", 0, &given.limit, "SIZE",
	 "look at this much of a body (default 64k)", NULL},
	{OPT_FLAG, "no-body", 0, &given.no_body, NULL, "leave the body and the transcript out", NULL},
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

/* What was found under one id. */
struct finding {
	struct source *source;
	const char *id;
	size_t limit;
	size_t matches;
	bool ambiguous;      /* in several directories */
	size_t dir;          /* of the first match */
	struct qf_buf paths; /* of all matches */
	bool display;        /* second round: show them */
	int status;
};

static int
worse(int a, int b)
{
	return a > b ? a : b;
}

/* Copy an open part to standard output, whatever its size, and close it. */
static int
copy(struct finding *f, int fd)
{
	char bytes[65536];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && !out_add_safe((struct qf_slice){bytes, (size_t)n}))
			break;
	close(fd);
	if (n < 0) {
		say_error("%s: cannot read: %s", f->id, strerror(errno));
		return STATUS_IO;
	}
	return STATUS_OK;
}

static int
copy_part(struct finding *f, struct qf_msg *msg, enum qf_part part)
{
	struct qf_err err;
	int fd;

	if (qf_part_open(f->source->queue, msg, part, &fd, &err))
		return say_failure(&err);
	return copy(f, fd);
}

static int
put_headers(struct qf_msg *msg)
{
	struct qf_buf text = {0};
	int status = STATUS_OK;

	qf_headers_write(msg, &text);
	if (text.failed) {
		say_error("memory: none left");
		status = STATUS_OS;
	}
	out_add_safe((struct qf_slice){text.p, text.n});
	qf_buf_release(&text);
	return status;
}

/* The whole message, or nothing: headers alone would pass for a message without body. */
static int
put_eml(struct finding *f, struct qf_msg *msg)
{
	struct qf_err err;
	int fd, status;

	if (qf_part_open(f->source->queue, msg, QF_PART_DATA, &fd, &err))
		return say_failure(&err);
	status = put_headers(msg);
	out_adds("\n");
	return worse(status, copy(f, fd));
}

static int
put_part(struct finding *f, struct qf_msg *msg)
{
	if (f->source->redactor && given.part != PART_NONE) {
		say_error("--redact: a raw part cannot be redacted; leave --part out");
		return STATUS_USAGE;
	}
	switch ((enum part)given.part) {
	case PART_CONTROL:
		return copy_part(f, msg, QF_PART_CONTROL);
	case PART_DATA:
	case PART_BODY:
		return copy_part(f, msg, QF_PART_DATA);
	case PART_TRANSCRIPT:
		return copy_part(f, msg, QF_PART_TRANSCRIPT);
	case PART_HEADERS:
		return put_headers(msg);
	case PART_EML:
		return put_eml(f, msg);
	case PART_NONE:
		break;
	}
	return STATUS_OK;
}

static bool
found(void *ctx, struct qf_msg *msg)
{
	struct finding *f = ctx;
	const struct qf_files *files = qf_msg_files(msg);
	struct qf_row row;

	if (!f->display) {
		f->ambiguous |= f->matches > 0 && files->dir != f->dir;
		f->dir = files->dir;
		f->matches++;
		qf_buf_addf(&f->paths, "%s%.*s", f->paths.n ? ", " : "", (int)files->path.n,
			    files->path.p);
		return true;
	}
	qf_row_init(&row, msg, f->source->queue, &f->source->policy, f->source->now);
	if (given.part == PART_NONE)
		f->status = worse(f->status, say_unreadable(msg) ? STATUS_INCOMPLETE : STATUS_OK);
	if (given.part != PART_NONE)
		f->status = worse(f->status, put_part(f, msg));
	else if (given.format == FORMAT_JSON)
		f->status = worse(f->status, show_json(f->source, &row, f->limit, !given.no_body));
	else
		f->status = worse(f->status, show_text(f->source, &row, f->limit, !given.no_body));
	return !out_failed() && !signals_caught();
}

/* Returns an exit status. */
static int
show(struct source *source, const char *id, size_t limit)
{
	struct finding f = {.source = source, .id = id, .limit = limit};
	unsigned needs = QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS;
	struct qf_err err;
	enum qf_code code = qf_queue_find(source->queue, id, 0, found, &f, &err);

	if (code == QF_E_NOT_FOUND) {
		say_failure(&err);
		f.status = STATUS_FINDINGS;
	} else if (code && code != QF_E_USAGE && source->incomplete) {
		say_error("%s: no such message in the directories that can be read", id);
		f.status = STATUS_FINDINGS;
	} else if (code) {
		f.status = say_failure(&err);
	} else if (f.ambiguous) {
		say_error("%s: several queues hold it: %.*s; give one path", id, (int)f.paths.n,
			  f.paths.p);
		f.status = STATUS_USAGE;
	} else {
		f.display = true;
		code = qf_queue_find(source->queue, id, needs, found, &f, &err);
		if (code)
			f.status = say_failure(&err);
	}
	qf_buf_release(&f.paths);
	return f.status;
}

/* Directories of several that cannot be looked into: each may hold what is asked for. */
static int
name_troubles(struct source *source)
{
	for (size_t i = 0; i < qf_queue_ndirs(source->queue); i++) {
		const struct qf_dir *dir = qf_queue_dir(source->queue, i);

		if (!dir->trouble)
			continue;
		say_failure(&dir->err);
		source->incomplete = true;
	}
	return source->incomplete ? STATUS_INCOMPLETE : STATUS_OK;
}

int
show_run(char **operands, size_t n)
{
	struct source source = {0};
	int64_t limit = 65536;
	int status;

	if (n == 0) {
		say_error("which message? usage: qf show ID...");
		return STATUS_USAGE;
	}
	for (size_t i = 0; i < n; i++) {
		if (*operands[i])
			continue;
		say_error("\"\": an empty id; usage: qf show ID...");
		return STATUS_USAGE;
	}
	if (given.limit && !qf_size_parse((struct qf_slice){given.limit, strlen(given.limit)},
					  &limit)) {
		say_error("%s: --body-limit takes a size such as 64k", given.limit);
		return STATUS_USAGE;
	}
	status = source_open(&source);
	if (!status)
		status = name_troubles(&source);
	if (status < STATUS_USAGE)
		confine_reader(source.queue);
	for (size_t i = 0; i < n && status < STATUS_USAGE && !signals_caught(); i++)
		status = worse(status, show(&source, operands[i], (size_t)limit));
	if (signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	source_close(&source);
	return out_finish(status);
}
