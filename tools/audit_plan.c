/*
 * audit_plan - the plan of a report, as commands.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "audit_plan.h"

/* So many ids on one command line. */
#define IDS_MAX 100

void
audit_plan_release(struct audit_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->steps[i].id);
		free(plan->steps[i].queue);
		free(plan->steps[i].file);
		free(plan->steps[i].filter);
	}
	free(plan->steps);
	*plan = (struct audit_plan){0};
}

/*
 * Filters compare addresses in either case, servers need not: is one who is open to be told from
 * this one by case alone? Bytes beyond ASCII are taken as alike.
 */
static bool
is_like_open(const struct audit_case *of, size_t i)
{
	struct qf_slice a = of->recipients.all[i].bare;

	for (size_t k = 0; k < of->recipients.n; k++) {
		struct qf_slice b = of->recipients.all[k].bare;
		size_t n = 0;

		if (of->standing[k].state != AUDIT_OPEN || a.n != b.n)
			continue;
		while (n < a.n &&
		       (tolower((unsigned char)a.p[n]) == tolower((unsigned char)b.p[n]) ||
			((unsigned char)a.p[n] >= 0x80 && (unsigned char)b.p[n] >= 0x80)))
			n++;
		if (n == a.n)
			return true;
	}
	return false;
}

bool
audit_plan_can_strike(const struct audit_case *of)
{
	for (size_t i = 0; i < of->recipients.n; i++) {
		struct qf_slice address = of->recipients.all[i].address;

		if (of->standing[i].state == AUDIT_OPEN || !is_like_open(of, i))
			continue;
		/* A pattern has to be UTF-8; what is not is not worth a second way. */
		for (size_t k = 0; k < address.n; k++)
			if ((unsigned char)address.p[k] >= 0x80)
				return false;
	}
	return true;
}

/* As the file has it, and nothing else: rcpt:/^\<a\@b\>\z/ */
static void
add_pattern(struct qf_buf *filter, struct qf_slice address)
{
	qf_buf_adds(filter, "rcpt:/^");
	for (size_t k = 0; k < address.n; k++) {
		if (!isalnum((unsigned char)address.p[k]))
			qf_buf_addc(filter, '\\');
		qf_buf_addc(filter, address.p[k]);
	}
	qf_buf_adds(filter, "\\z/");
}

/* rcpt="a" or rcpt="b": those that are not open. */
static char *
filter_of(const struct audit_case *of)
{
	struct qf_buf filter = {0};

	for (size_t i = 0; i < of->recipients.n; i++) {
		struct qf_slice address = of->recipients.all[i].address;

		if (of->standing[i].state == AUDIT_OPEN)
			continue;
		if (filter.n)
			qf_buf_adds(&filter, " or ");
		if (is_like_open(of, i)) {
			add_pattern(&filter, address);
			continue;
		}
		qf_buf_adds(&filter, "rcpt=\"");
		for (size_t k = 0; k < address.n; k++) {
			if (address.p[k] == '"' || address.p[k] == '\\')
				qf_buf_addc(&filter, '\\');
			qf_buf_addc(&filter, address.p[k]);
		}
		qf_buf_addc(&filter, '"');
	}
	qf_buf_addc(&filter, '\0');
	return filter.failed ? NULL : filter.p;
}

bool
audit_plan_add(struct audit_plan *plan, const struct audit_case *of)
{
	bool drops = of->action == AUDIT_DROP || of->action == AUDIT_DROP_HOLD;
	struct audit_step *step;

	if (of->action == AUDIT_LEAVE)
		return true;
	if (plan->n == plan->room) {
		size_t room = plan->room ? plan->room * 2 : 64;
		struct audit_step *more = realloc(plan->steps, room * sizeof(*more));

		if (!more)
			return false;
		plan->steps = more;
		plan->room = room;
	}
	step = &plan->steps[plan->n++];
	*step = (struct audit_step){
		.id = strndup(of->id.p, of->id.n),
		.queue = strndup(of->queue.p, of->queue.n),
		.file = strndup(of->file.p, of->file.n),
		.filter = drops ? filter_of(of) : NULL,
		.class = of->class,
		.action = of->action,
		.staged = of->staged,
	};
	return step->id && step->queue && step->file && (!drops || step->filter);
}

/* ------------------------------------------------------------------ as commands */

static void
quote(const char *text, struct qf_buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-+=:,@%";

	if (*text && text[strspn(text, plain)] == '\0') {
		qf_buf_adds(out, text);
		return;
	}
	qf_buf_addc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			qf_buf_adds(out, "'\\''");
		else
			qf_buf_addc(out, *text);
	}
	qf_buf_addc(out, '\'');
}

static void
begin(const struct audit_step *step, enum audit_action action, struct qf_buf *out)
{
	const char *class = audit_class_name(step->class);

	qf_buf_addf(out, "qf %s -Q ", audit_action_name(action));
	quote(step->queue, out);
	if (action == AUDIT_DROP) {
		qf_buf_adds(out, " --drop-rcpt=");
		quote(step->filter, out);
	}
	if (action == AUDIT_HOLD)
		qf_buf_addf(out, " --reason='audit report: %s'", class);
	else
		qf_buf_addf(out, " --note='audit report: %s'", class);
}

void
audit_plan_command(const struct audit_step *step, struct qf_buf *out)
{
	bool both = step->action == AUDIT_DROP_HOLD;

	if (step->staged) {
		qf_buf_adds(out, "qf orphans -Q ");
		quote(step->queue, out);
		qf_buf_adds(out, " --grace=0 --fix=recover,clean --yes ");
		quote(step->id, out);
		qf_buf_adds(out, " && ");
	}
	/* Held before it is changed: so nothing is sent in between. */
	begin(step, both ? AUDIT_HOLD : step->action, out);
	qf_buf_addc(out, ' ');
	quote(step->id, out);
	if (!both)
		return;
	qf_buf_adds(out, " && ");
	begin(step, AUDIT_DROP, out);
	qf_buf_addc(out, ' ');
	quote(step->id, out);
}

static bool
alike(const struct audit_step *a, const struct audit_step *b)
{
	return a->class == b->class && a->action == b->action && strcmp(a->queue, b->queue) == 0;
}

void
audit_plan_commands(const struct audit_plan *plan, struct qf_buf *out)
{
	for (int class = 0; class < AUDIT_CLASS_COUNT; class ++) {
		const struct audit_step *first = NULL;
		size_t n = 0;

		for (size_t i = 0; i < plan->n; i++) {
			const struct audit_step *step = &plan->steps[i];

			if ((int)step->class != class)
				continue;
			if (n && (step->filter || step->staged || n == IDS_MAX || !alike(first, step))) {
				qf_buf_addc(out, '\n');
				n = 0;
			}
			if (step->filter || step->staged) {
				audit_plan_command(step, out);
				qf_buf_addc(out, '\n');
				continue;
			}
			if (!n++) {
				first = step;
				begin(step, step->action, out);
			}
			qf_buf_addc(out, ' ');
			quote(step->id, out);
		}
		if (n)
			qf_buf_addc(out, '\n');
	}
}
