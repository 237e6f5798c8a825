/*
 * tui - qf tui: the terminal interface, with the queue that the common options name.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "changes.h"
#include "commands.h"
#include "confine.h"
#include "out.h"
#include "say.h"
#include "secret.h"
#include "source.h"
#include "status.h"
#include "term.h"
#include "tui/tui.h"

static struct {
	bool read_only, plain, actions;
	int64_t idle_limit, refresh;
	struct opt_list keys;
	const char *columns;
} given = {.idle_limit = 1200, .refresh = 2};

const char tui_description[] =
	"All of it, interactively: messages, groups, held ones, what is in delivery, the journal.\n"
	"? shows the keys. Nothing is changed but by the actions that say so, each of which asks\n"
	"once; they run in processes of their own, which go on when this one ends, and u takes back.\n"
	"\n"
	"Where the queue cannot be written, or with -R, it is read-only. Keys can be changed in\n"
	"qf.conf: [tui], key = ACTION=KEY KEY (--actions lists actions and keys).";

const struct opt tui_options[] = {
	{OPT_FLAG, "read-only", 'R', &given.read_only, NULL, "change nothing", NULL},
	{OPT_SPAN, "idle-limit", 0, &given.idle_limit, "TIME",
	 "tell when a session without a key is about to be cut after TIME (20m; 0: do not)", NULL},
	{OPT_SPAN, "refresh", 0, &given.refresh, "TIME",
	 "look for changes every TIME (2s; longer by itself where reading takes long)", NULL},
	{OPT_FLAG, "plain", 0, &given.plain, NULL,
	 "lines instead of a screen, for screen readers (by itself where TERM is dumb)", NULL},
	{OPT_STRING, "columns", 0, &given.columns, "A,B",
	 "fields to show (as of qf ls; default: what there is room for)", NULL},
	{OPT_LIST, "key", 0, &given.keys, "ACTION=KEYS", "other keys for an action; repeatable", NULL},
	{OPT_FLAG, "actions", 0, &given.actions, NULL, "list actions, their keys and what they do",
	 NULL},
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

/* Options that make a command that only looks one that changes. */
static bool
makes_changes(const char *argument)
{
	static const char *const names[] = {"--fix", "--apply", "--commit", "--abort", "--probe"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncmp(argument, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static unsigned
command_kind(char *const *argv, size_t argc)
{
	const char *name = argv[0];
	unsigned kind;

	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name))
			continue;
		if (c->options == tui_options)
			return TUI_COMMAND_KNOWN | TUI_COMMAND_NOT_HERE;
		kind = TUI_COMMAND_KNOWN | (c->changes ? TUI_COMMAND_CHANGES : 0);
		for (size_t i = 1; i < argc; i++)
			kind |= makes_changes(argv[i]) ? TUI_COMMAND_CHANGES : 0;
		/* Of salvage two only look. */
		if (strcmp(name, "salvage") == 0 && argc > 1 &&
		    (strcmp(argv[1], "plan") == 0 || strcmp(argv[1], "verify") == 0))
			kind &= ~TUI_COMMAND_CHANGES;
		kind |= opt_find(c->options, "dry-run") ? TUI_COMMAND_PLANS : 0;
		kind |= opt_find(c->options, "yes") ? TUI_COMMAND_YES : 0;
		kind |= opt_find(c->options, "format") ? TUI_COMMAND_JSON : 0;
		return kind;
	}
	return strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ? TUI_COMMAND_KNOWN : 0;
}

static int
list_actions(void)
{
	struct qf_buf text = {0};

	tui_actions_dump(&text);
	out_add_buf(&text);
	qf_buf_release(&text);
	return out_finish(STATUS_OK);
}

static bool
is_dumb(void)
{
	const char *term = getenv("TERM");

	return term && strcmp(term, "dumb") == 0;
}

/* Returns an exit status. */
static int
run(struct source *source, const struct opt_list *arguments, int spawner)
{
	struct tui_config config = {
		.queues = {source->queue, source_open_again(source, false),
			   source_open_again(source, false), source_open_again(source, true)},
		.cf = source->cf,
		.policy = &source->policy,
		.redactor = source->redactor,
		.now = source_given_now(),
		.jobs = source->jobs,
		.max_ops = source->max_ops,
		.read_only = given.read_only || !tui_may_write(source->queue),
		.plain = given.plain || is_dumb(),
		.utf8 = term_utf8(),
		.color = term_color(source_color()),
		.idle_limit = given.idle_limit,
		.refresh = given.refresh > 0 ? given.refresh : 1,
		.keys = given.keys.values,
		.nkeys = given.keys.n,
		.columns = given.columns,
		.spawner = spawner,
		.arguments = arguments->values,
		.narguments = arguments->n,
		.state = changes_journal(),
		.command_kind = command_kind,
	};
	const struct confine screen = {.how = CONFINE_SCREEN, .queue = source->queue};
	struct qf_err err = {0};
	int status = STATUS_OK;

	confine_self(&screen);
	if (!config.queues[1] || !config.queues[2] || !config.queues[3]) {
		say_error("the queue cannot be opened again");
		status = STATUS_IO;
	} else if (tui_run(&config, &err)) {
		status = err.code == QF_E_INTERRUPTED ? STATUS_SIGNAL + err.sys : say_failure(&err);
	}
	/* The first one has the limit of all: it is freed last, by the caller. */
	qf_queue_free(config.queues[1]);
	qf_queue_free(config.queues[2]);
	qf_queue_free(config.queues[3]);
	return status;
}

/* This very file, by whatever name it goes; where there is no /proc, by the name it was started by. */
static const char *
this_program(char path[PATH_MAX])
{
	static const char itself[] = "/proc/self/exe";
	const char *name = (const char *)getauxval(AT_EXECFN);

	return access(itself, X_OK) != 0 && name && realpath(name, path) ? path : itself;
}

int
tui_command_run(char **operands, size_t n)
{
	char path[PATH_MAX];
	struct opt_list arguments = {0};
	struct source source = {0};
	struct qf_err err;
	int status, spawner;

	if (n) {
		say_error("%s: takes no arguments; inside, / filters", operands[0]);
		return STATUS_USAGE;
	}
	if (tui_check_keys(given.keys.values, given.keys.n, &err) ||
	    (given.columns && tui_check_columns(given.columns, &err)))
		return say_failure(&err);
	if (given.actions)
		return list_actions();
	/* Before that is forked which starts what has to call everybody alike. */
	if (source_redacts() && !secret_share()) {
		say_error("--redact: no random key to be had");
		return STATUS_OS;
	}
	/* Before anything of others is read. */
	spawner = tui_spawner_begin(this_program(path));
	if (spawner < 0) {
		say_error("cannot start a process: %s", strerror(errno));
		return STATUS_OS;
	}
	status = source_open(&source);
	if (!status && !source_arguments(&arguments)) {
		say_error("memory: none left");
		status = STATUS_OS;
	}
	if (!status)
		status = run(&source, &arguments, spawner);
	close(spawner);
	for (size_t i = 0; i < arguments.n; i++)
		free((char *)arguments.values[i]);
	free(arguments.values);
	source_close(&source);
	return status;
}
