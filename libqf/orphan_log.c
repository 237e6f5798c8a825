/*
 * orphan_log - what mail logs say of ids that have no whole message: who they were from and for, and
 * what became of them.
 *
 * Everything here errs on one side: a message is finished only where nothing can be owed. An
 * address that came from an alias or a list says nothing of how many others there are, and a
 * recipient that no line names may be owed as well.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "err.h"
#include "layout.h"
#include "msg.h"
#include "orphan.h"

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
		return !fate->branched && fate->nrcpts > 0 &&
		       fate->nrcpt >= (size_t)fate->nrcpts && all_closed(fate);
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
fate_of(struct qf_orphans *orphans, struct qf_slice id)
{
	uint32_t head = id.n ? qf_pair_find(orphans->pairs, id.p, id.n) : QF_PAIR_NONE;
	size_t low = 0, high = orphans->ncandidates;

	if (head == QF_PAIR_NONE)
		return NULL;
	/* Candidates were found in the order of their heads. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (orphans->candidates[middle].head < head)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == orphans->ncandidates || orphans->candidates[low].head != head)
		return NULL;
	if (!orphans->fates[low]) {
		orphans->fates[low] = qf_arena_alloc(&orphans->arena, sizeof(struct qf_logged));
		if (!orphans->fates[low])
			return NULL;
		*orphans->fates[low] = (struct qf_logged){.nrcpts = -1};
	}
	return orphans->fates[low];
}

/* Room for one more in an array of the arena. */
static bool
room(struct qf_orphans *orphans, void **array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 4;
	void *p;

	if (n < *cap)
		return true;
	p = qf_arena_array(&orphans->arena, more, size);
	if (!p)
		return false;
	if (n)
		memcpy(p, *array, n * size);
	*array = p;
	*cap = more;
	return true;
}

static bool
note_recipient(struct qf_orphans *orphans, struct qf_logged *fate, struct qf_slice address,
	       bool closed, int64_t time)
{
	struct qf_logged_rcpt *rcpt = (struct qf_logged_rcpt *)find(fate, address);

	if (!rcpt) {
		if (!room(orphans, (void **)&fate->rcpts, &fate->rcpts_cap, fate->nrcpt,
			  sizeof(*fate->rcpts)))
			return false;
		rcpt = &fate->rcpts[fate->nrcpt++];
		*rcpt = (struct qf_logged_rcpt){.address = qf_arena_copy(&orphans->arena, address),
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

static bool
note_evidence(struct qf_orphans *orphans, struct qf_logged *fate, const char *path,
	      const struct qf_log_event *event)
{
	struct qf_slice text = event->text;

	if (fate->nevidence == EVIDENCE_MOST)
		fate->nevidence--;
	if (!room(orphans, (void **)&fate->evidence, &fate->evidence_cap, fate->nevidence,
		  sizeof(*fate->evidence)))
		return false;
	if (text.n > TEXT_MOST)
		text.n = TEXT_MOST;
	fate->evidence[fate->nevidence++] = (struct qf_evidence){
		.kind = "log",
		.where = qf_orphan_text(orphans, "%s:%llu", path, (unsigned long long)event->line),
		.time = event->time,
		.text = qf_orphan_text(orphans, "%.*s", (int)text.n, text.n ? text.p : ""),
	};
	return true;
}

/* One event about an id that is wanted. False: no memory. */
static bool
take(struct qf_orphans *orphans, struct qf_logged *fate, const char *path,
     const struct qf_log_event *event)
{
	bool closed;

	switch (event->kind) {
	case QF_LOG_ACCEPTED:
		fate->accepted = true;
		if (!fate->sender.p && event->sender.p)
			fate->sender = qf_arena_copy(&orphans->arena, event->sender);
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
			if (!note_recipient(orphans, fate, event->recipients[i], closed,
					    event->time))
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
	return note_evidence(orphans, fate, path, event);
}

static enum qf_code
read_log(struct qf_orphans *orphans, const char *path, unsigned *saw, struct qf_err *err)
{
	const struct qf_log_options options = {.reference = QF_TIME_NONE,
					       .max_ops = orphans->options.max_ops,
					       .cancel = orphans->options.cancel};
	const struct qf_log_event *event;
	struct qf_log_stats stats;
	struct qf_log *log = NULL;
	enum qf_code code = qf_log_open(path, &options, &log, err);

	while (!code) {
		struct qf_logged *fate;

		code = qf_log_next(log, &event, err);
		if (code || !event)
			break;
		fate = fate_of(orphans, event->id);
		if (fate && !take(orphans, fate, path, event))
			code = qf_err_nomem(err);
	}
	if (!code) {
		qf_log_stats(log, &stats);
		*saw |= stats.saw;
		orphans->log.lines += stats.lines;
		orphans->log.unparsed += stats.unparsed;
		orphans->log.cut |= stats.cut;
	}
	qf_log_free(log);
	return code;
}

enum qf_code
qf_orphan_log(struct qf_orphans *orphans, struct qf_err *err)
{
	enum qf_code code = QF_OK;
	struct qf_log_level level;
	unsigned saw = 0;

	orphans->fates = calloc(orphans->ncandidates, sizeof(*orphans->fates));
	if (!orphans->fates)
		return qf_err_nomem(err);
	for (size_t i = 0; i < orphans->options.nlogs && !code; i++)
		code = read_log(orphans, orphans->options.logs[i], &saw, err);
	qf_log_level(saw, &level);
	orphans->log.low = level.low;
	orphans->log.high = level.high;
	orphans->log.cannot_prove = level.cannot_prove;
	return code;
}
