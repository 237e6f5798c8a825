/*
 * fate - what mail logs say of messages, by their ids: who they were from and for, and what became
 * of them.
 *
 * Everything here errs on one side: a message is finished only where nothing can be owed. An
 * address that came from an alias or a list says nothing of how many others there are, and a
 * recipient that no line names may be owed as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "err.h"
#include "fate.h"
#include "msg.h"

/* So many lines are kept as evidence of one id; the last one makes way for later ones. */
#define EVIDENCE_MOST 20
/* Of a line so many bytes. */
#define TEXT_MOST 400

/* ---------------------------------------------------------------- judgement */

static struct qf_slice
bare(struct qf_slice address)
{
	if (address.n > 1 && address.p[0] == '<' && address.p[address.n - 1] == '>') {
		address.p++;
		address.n -= 2;
	}
	return address;
}

/* Domains are compared without case; so are local parts, which differ in nothing else here. */
static bool
is_same(struct qf_slice a, struct qf_slice b)
{
	a = bare(a);
	b = bare(b);
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static const struct qf_logged_rcpt *
find(const struct qf_logged *fate, struct qf_slice address)
{
	for (size_t i = 0; i < fate->nrcpt; i++)
		if (is_same(fate->rcpts[i].address, address))
			return &fate->rcpts[i];
	return NULL;
}

static bool
all_closed(const struct qf_logged *fate)
{
	for (size_t i = 0; i < fate->nrcpt; i++)
		if (!fate->rcpts[i].closed)
			return false;
	return true;
}

bool
qf_logged_is_finished(const struct qf_logged *fate, const struct qf_msg *msg)
{
	const struct qf_envelope *env;

	if (fate->ended || fate->expired)
		return true;
	if (!msg)
		return !fate->branched && fate->nrcpts > 0 && fate->nrcpt >= (size_t)fate->nrcpts &&
		       all_closed(fate);
	env = qf_msg_envelope(msg);
	for (size_t i = 0; i < env->nrecipients; i++) {
		const struct qf_logged_rcpt *rcpt = find(fate, env->recipients[i].address);

		if (!rcpt || !rcpt->closed)
			return false;
	}
	return env->nrecipients > 0;
}

bool
qf_logged_has_envelope(const struct qf_logged *fate)
{
	return fate->accepted && fate->sender.p && !fate->branched && fate->nrcpts > 0 &&
	       fate->nrcpt == (size_t)fate->nrcpts && !qf_logged_is_finished(fate, NULL);
}

/* ---------------------------------------------------------------- events */

/* The fate of the id of an event, made where it is wanted; NULL for other messages. */
static struct qf_logged *
fate_of(struct qf_fates *fates, struct qf_slice id)
{
	size_t at = id.n ? fates->place(fates->ctx, id) : SIZE_MAX;

	if (at == SIZE_MAX)
		return NULL;
	if (!fates->fates[at]) {
		fates->fates[at] = qf_arena_alloc(fates->arena, sizeof(struct qf_logged));
		if (fates->fates[at])
			*fates->fates[at] = (struct qf_logged){.nrcpts = -1};
	}
	return fates->fates[at];
}

/* Room for one more in an array of the arena. */
static bool
room(struct qf_arena *arena, void **array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 4;
	void *p;

	if (n < *cap)
		return true;
	p = qf_arena_array(arena, more, size);
	if (!p)
		return false;
	if (n)
		memcpy(p, *array, n * size);
	*array = p;
	*cap = more;
	return true;
}

static bool
note_recipient(struct qf_arena *arena, struct qf_logged *fate, struct qf_slice address, bool closed,
	       int64_t time)
{
	struct qf_logged_rcpt *rcpt = (struct qf_logged_rcpt *)find(fate, address);

	if (!rcpt) {
		if (!room(arena, (void **)&fate->rcpts, &fate->rcpts_cap, fate->nrcpt,
			  sizeof(*fate->rcpts)))
			return false;
		rcpt = &fate->rcpts[fate->nrcpt++];
		*rcpt = (struct qf_logged_rcpt){.address = qf_arena_copy(arena, address),
						.time = time};
		if (!rcpt->address.p)
			return false;
	}
	/* What was delivered is not undone by a line of an older file that is read later. */
	if (closed || time >= rcpt->time) {
		rcpt->closed |= closed;
		rcpt->time = time;
	}
	return true;
}

/* With a NUL; "" where memory is out. */
static const char *
text_of(struct qf_arena *arena, struct qf_slice text)
{
	char *copy = qf_arena_alloc(arena, text.n + 1);

	if (!copy)
		return "";
	if (text.n)
		memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	return copy;
}

static const char *
where_of(struct qf_arena *arena, const char *path, uint64_t line)
{
	size_t room = strlen(path) + 24;
	char *where = qf_arena_alloc(arena, room);

	if (!where)
		return "";
	snprintf(where, room, "%s:%llu", path, (unsigned long long)line);
	return where;
}

static bool
note_evidence(struct qf_arena *arena, struct qf_logged *fate, const char *path,
	      const struct qf_log_event *event)
{
	struct qf_slice text = event->text;

	if (fate->nevidence == EVIDENCE_MOST)
		fate->nevidence--;
	if (!room(arena, (void **)&fate->evidence, &fate->evidence_cap, fate->nevidence,
		  sizeof(*fate->evidence)))
		return false;
	if (text.n > TEXT_MOST)
		text.n = TEXT_MOST;
	fate->evidence[fate->nevidence++] = (struct qf_evidence){
		.kind = "log",
		.where = where_of(arena, path, event->line),
		.time = event->time,
		.text = text_of(arena, text),
	};
	return true;
}

/* One event about an id that is wanted. False: no memory. */
static bool
take(struct qf_arena *arena, struct qf_logged *fate, const char *path,
     const struct qf_log_event *event)
{
	bool closed;

	switch (event->kind) {
	case QF_LOG_ACCEPTED:
		fate->accepted = true;
		if (!fate->sender.p && event->sender.p)
			fate->sender = qf_arena_copy(arena, event->sender);
		if (event->nrcpts > fate->nrcpts)
			fate->nrcpts = event->nrcpts;
		break;
	case QF_LOG_DELIVERY:
		if (event->outcome == QF_LOG_IS_UNKNOWN)
			return true;
		closed = event->outcome == QF_LOG_IS_SENT || event->outcome == QF_LOG_IS_FAILED ||
			 event->outcome == QF_LOG_IS_DISCARDED;
		fate->branched |= event->controller.p && event->controller.n;
		for (size_t i = 0; i < event->nrecipients; i++)
			if (!note_recipient(arena, fate, event->recipients[i], closed, event->time))
				return false;
		break;
	case QF_LOG_CLONE:
	case QF_LOG_SPLIT:
		fate->branched = true;
		break;
	case QF_LOG_REPORT:
		if (event->report != QF_LOG_REPORT_EXPIRED)
			return true;
		fate->expired = true;
		break;
	case QF_LOG_DONE:
	case QF_LOG_DISCARD:
	case QF_LOG_ABORTED:
		fate->ended = true;
		break;
	default:
		return true;
	}
	return note_evidence(arena, fate, path, event);
}

static enum qf_code
read_log(struct qf_fates *fates, const char *path, unsigned *saw, struct qf_err *err)
{
	const struct qf_log_options options = {
		.reference = QF_TIME_NONE, .max_ops = fates->max_ops, .cancel = fates->cancel};
	const struct qf_log_event *event;
	struct qf_log_stats stats;
	struct qf_log *log = NULL;
	enum qf_code code = qf_log_open(path, &options, &log, err);

	while (!code) {
		struct qf_logged *fate;

		code = qf_log_next(log, &event, err);
		if (code || !event)
			break;
		fate = fate_of(fates, event->id);
		if (fate && !take(fates->arena, fate, path, event))
			code = qf_err_nomem(err);
	}
	if (!code) {
		qf_log_stats(log, &stats);
		*saw |= stats.saw;
		fates->log->lines += stats.lines;
		fates->log->unparsed += stats.unparsed;
		fates->log->cut |= stats.cut;
	}
	qf_log_free(log);
	return code;
}

enum qf_code
qf_fates_read(struct qf_fates *fates, const char *const *logs, size_t n, struct qf_err *err)
{
	enum qf_code code = QF_OK;
	struct qf_log_level level;
	unsigned saw = 0;

	for (size_t i = 0; i < n && !code; i++)
		code = read_log(fates, logs[i], &saw, err);
	qf_log_level(saw, &level);
	fates->log->low = level.low;
	fates->log->high = level.high;
	fates->log->cannot_prove = level.cannot_prove;
	return code;
}
