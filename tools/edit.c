/*
 * edit - recipients struck or replaced, another sender, a new creation time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act.h"
#include "changes.h"
#include "commands.h"
#include "say.h"
#include "source.h"
#include "status.h"

static struct {
	const char *drop, *pick, *new_rcpt, *sender;
	bool refresh;
} given;

const char edit_description[] =
	"Strike or replace recipients of queued messages, change the sender, or make them as if\n"
	"created now, with a new return deadline (a delay warning that was sent is not sent again).\n"
	"Every other line stays as it is.\n"
	"\n"
	"--drop-rcpt strikes the recipients a filter matches, as one strikes those already served;\n"
	"a message left without any is removed, as by qf rm. --rcpt chooses those that --set-rcpt\n"
	"replaces; they lose what was said of the old address: its last answer, ORCPT and final\n"
	"recipient. In both filters recipient fields look at one recipient. qf undo takes an edit\n"
	"back as long as nobody has written the message since."
	"\n\nA selection is ids (a path of a control file serves too; - reads them from standard\n"
	"input), a filter, or ALL. A filter asks first on a terminal and needs --yes elsewhere.";

const struct opt edit_options[] = {
	{OPT_STRING, "drop-rcpt", 0, &given.drop, "FILTER", "strike the recipients it matches", NULL},
	{OPT_STRING, "rcpt", 0, &given.pick, "FILTER", "choose recipients for --set-rcpt", NULL},
	{OPT_STRING, "set-rcpt", 0, &given.new_rcpt, "ADDRESS", "what they become", NULL},
	{OPT_STRING, "set-sender", 0, &given.sender, "ADDRESS", "the sender; <> is the null one",
	 NULL},
	{OPT_FLAG, "refresh", 0, &given.refresh, NULL, "created now: a new return deadline", NULL},
	CHANGES_BLOCK,
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

static size_t
count_marks(const char *marks, size_t n, char mark)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += marks[i] == mark;
	return sum;
}

/* What would be done, in words; the addresses, as many as there is room for. */
static void
plan(const struct qf_change *change, const struct qf_row *row, const struct qf_redactor *redactor,
     struct qf_outcome *outcome)
{
	static const struct {
		char mark;
		const char *text;
	} kinds[] = {{'d', "strike"}, {'s', "replace"}};
	const struct qf_envelope *env = qf_msg_envelope(row->msg);
	char *marks = calloc(env->nrecipients ? env->nrecipients : 1, 1), *to = outcome->why;
	size_t room = sizeof(outcome->why), struck, touched = 0;
	struct qf_buf shown = {0};
	struct qf_err err;

	if (!marks || qf_edit_plan(change->edit, row, marks, &err)) {
		outcome->result = QF_RESULT_FAILED;
		snprintf(outcome->why, room, "%.200s", marks ? err.why : "out of memory");
		free(marks);
		return;
	}
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		char begin[80];
		const char *between = begin;

		/* The count is whole where there is no room for all the names. */
		snprintf(begin, sizeof(begin), "%s%s %zu of %zu:", touched ? "; " : "", kinds[k].text,
			 count_marks(marks, env->nrecipients, kinds[k].mark), env->nrecipients);
		for (size_t i = 0; i < env->nrecipients && room > 1; i++) {
			struct qf_slice address = env->recipients[i].address;
			int n;

			if (marks[i] != kinds[k].mark)
				continue;
			if (redactor) {
				qf_buf_clear(&shown);
				qf_redact_address(redactor, address, &shown);
				address = (struct qf_slice){shown.p, shown.n};
			}
			n = snprintf(to, room, "%s %.*s", between,
				     (int)(address.n < 200 ? address.n : 200), address.p);
			n = n < 0 ? 0 : (size_t)n >= room ? (int)room - 1 : n;
			to += n;
			room -= (size_t)n;
			between = ",";
			touched++;
		}
	}
	struck = count_marks(marks, env->nrecipients, 'd');
	if (struck && struck == env->nrecipients)
		snprintf(to, room, "; nobody is left: remove");
	else if (!touched && !change->edit->sender && !change->edit->refresh) {
		outcome->result = QF_RESULT_SKIPPED;
		snprintf(outcome->why, sizeof(outcome->why), "nothing in it is to be changed");
	}
	qf_buf_release(&shown);
	free(marks);
}

/* A filter of recipients. What it would need the file system for is not at hand under the lock. */
static int
compile(const char *option, const char *text, int64_t now, struct qf_query **out)
{
	struct qf_err err;

	if (!text[strspn(text, " \t")]) {
		say_error("--%s: an empty filter; rcpt:/./ matches every recipient", option);
		return STATUS_USAGE;
	}
	if (qf_query_parse(text, now, out, &err))
		return say_failure(&err);
	if (qf_query_needs(*out) & ~(unsigned)QF_NEED_HEADERS) {
		say_error("--%s: looks at more than the control file: put that into the selection",
			  option);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/* What was asked for makes sense. */
static int
check(void)
{
	if (!given.drop && !given.new_rcpt && !given.sender && !given.refresh) {
		say_error("nothing to do: --drop-rcpt, --set-rcpt, --set-sender or --refresh");
		return STATUS_USAGE;
	}
	if (!given.pick != !given.new_rcpt) {
		say_error("--rcpt and --set-rcpt belong together");
		return STATUS_USAGE;
	}
	if (given.new_rcpt &&
	    (!qf_edit_address_ok(given.new_rcpt) || strcmp(given.new_rcpt, "<>") == 0)) {
		say_error("--set-rcpt: not an address");
		return STATUS_USAGE;
	}
	if (given.sender && !qf_edit_address_ok(given.sender)) {
		say_error("--set-sender: not an address; <> is the null sender");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

int
edit_run(char **operands, size_t n)
{
	struct qf_query *drop = NULL, *pick = NULL;
	struct source source = {0};
	int status = check();

	source_refresh(&source);
	if (!status && given.drop)
		status = compile("drop-rcpt", given.drop, source.now, &drop);
	if (!status && given.pick)
		status = compile("rcpt", given.pick, source.now, &pick);
	if (!status) {
		const struct qf_edit edit = {.drop = drop,
					     .pick = pick,
					     .new_rcpt = given.new_rcpt,
					     .sender = given.sender,
					     .refresh = given.refresh};
		const struct qf_change change = {.kind = QF_CHANGE_EDIT, .edit = &edit};

		const struct act_ways ways = {.plan = plan};

		status = act_run("edit", &change, &ways, operands, n);
	}
	qf_query_free(drop);
	qf_query_free(pick);
	return status;
}
