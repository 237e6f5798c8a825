/*
 * commands - the table of all commands: dispatch, help, completion and qf.conf read it.
 */
#include "commands.h"

const struct command commands[] = {
	{"ls", "[FILTER]", "list messages", ls_description, ls_options, false, ls_run},
	{"show", "ID...", "one message whole, and what will happen to it", show_description,
	 show_options, false, show_run},
	{"shape", "[FILTER]", "ages by domain or another field, as a table", shape_description,
	 shape_options, false, shape_run},
	{.name = NULL},
};
