/*
 * main - qf: which command, its options, its help.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "defaults.h"
#include "metrics_listen.h"
#include "opt.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "source.h"
#include "status.h"

static const struct command *
find_command(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int
help(void)
{
	struct qf_buf text = {0};

	qf_buf_adds(&text, "qf - look after sendmail's mail queues\n\n"
			   "usage: qf COMMAND [options] [arguments]\n\n");
	for (const struct command *c = commands; c->name; c++)
		qf_buf_addf(&text, "  %-10s %s\n", c->name, c->summary);
	qf_buf_adds(&text, "\nqf COMMAND --help tells the rest. Filters: see qf ls --help.\n"
			   "Exit status: 0 done; 1 done, with something to report; 2 incomplete;\n"
			   "64 to 78 failed (64 usage, 66 no such queue, 77 not permitted).\n");
	out_add_buf(&text);
	qf_buf_release(&text);
	return out_finish(STATUS_OK);
}

static int
command_help(const struct command *command)
{
	struct qf_buf text = {0};

	qf_buf_addf(&text, "usage: qf %s [options] %s\n\n%s\n\nOptions:\n", command->name,
		    command->operands, command->description);
	opt_help(command->options, &text);
	out_add_buf(&text);
	qf_buf_release(&text);
	return out_finish(STATUS_OK);
}

/* What is in, and what was left out of this build or cannot be loaded here. */
static int
version(void)
{
	const struct {
		const char *name;
		bool in;
	} parts[] = {
		{"pcre2", true},
		{"utf8proc", true},
		{"nettle", true},
		{"jansson", true},
		{"sqlite3", true},
		{"ncurses", true},
		{"mime (gmime)", qf_mime_available()},
#ifdef QF_WITH_ARCHIVE
		{"compressed logs (libarchive)", true},
#else
		{"compressed logs (libarchive)", false},
#endif
#ifdef QF_WITH_CURL
		{"ping (libcurl)", true},
#else
		{"ping (libcurl)", false},
#endif
		{"http (libmicrohttpd)", metrics_listen_available()},
	};
	struct qf_buf text = {0};

	qf_buf_adds(&text, "qf " QF_VERSION
#ifdef QF_STATIC
			   " (static)"
#endif
			   "\n");
	for (int in = 1; in >= 0; in--) {
		const char *before = in ? "with: " : "without: ";

		for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
			if (parts[i].in == in) {
				qf_buf_addf(&text, "%s%s", before, parts[i].name);
				before = ", ";
			}
		if (*before == ',')
			qf_buf_addc(&text, '\n');
	}
	out_add_buf(&text);
	qf_buf_release(&text);
	return out_finish(STATUS_OK);
}

/* For scripts/: completion and the manual are made from the rows. */
static int
dump_rows(void)
{
	struct qf_buf text = {0};

	for (const struct command *c = commands; c->name; c++) {
		qf_buf_addf(&text, "%s\t\t\t%s\t\t%s\n", c->name, c->operands, c->summary);
		opt_dump(c->name, c->options, &text);
	}
	out_add_buf(&text);
	qf_buf_release(&text);
	return out_finish(STATUS_OK);
}

int
main(int argc, char **argv)
{
	const struct command *command;
	struct qf_err err;
	size_t n;
	int status;

#ifdef M_MMAP_THRESHOLD
	/* Large arrays stay mapped for themselves: they grow without a copy, and what is freed is given back.
	   Else glibc puts them between small ones, once one of their size was freed. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
	/* A reader that goes away is an error of writing, reported once. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		say_error("no command given; qf --help lists them");
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    (strcmp(argv[1], "help") == 0 && argc == 2))
		return help();
	if (strcmp(argv[1], "--version") == 0)
		return version();
	if (strcmp(argv[1], "--rows") == 0)
		return dump_rows();
	if (strcmp(argv[1], "help") == 0) {
		command = find_command(argv[2]);
		if (command)
			return command_help(command);
		argv++;
	}
	command = find_command(argv[1]);
	if (!command) {
		say_error("%s: no such command; qf --help lists them", argv[1]);
		return STATUS_USAGE;
	}
	say_command(command->name);
	status = defaults_apply(command);
	if (status)
		return status;
	if (opt_parse(command->options, argv + 2, argc - 2, &n, &err)) {
		if (!err.hint[0])
			snprintf(err.hint, sizeof(err.hint), "qf %s --help", command->name);
		return say_failure(&err);
	}
	if (source_help_wanted())
		return command_help(command);
	say_level(source_verbosity());
	signals_catch();
	return command->run(argv + 2, n);
}
