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
	{"hold", "SELECTION", "quarantine messages, with a reason", hold_description,
	 hold_options, true, hold_run},
	{"release", "SELECTION", "let held messages go", release_description,
	 release_options, true, release_run},
	{"rm", "SELECTION", "take messages out of the queue, into its trash", rm_description,
	 rm_options, true, rm_run},
	{"due", "SELECTION", "make messages eligible at the next queue run", due_description,
	 due_options, true, due_run},
	{"undo", "[ENTRY...]", "take changes back", undo_description, undo_options, true, undo_run},
	{"journal", "", "list the changes made", journal_description, journal_options, false,
	 journal_run},
	{"wait", "[SELECTION]", "until no message is in delivery, or a time-out", wait_description,
	 wait_options, false, wait_run},
	{"audit", "SUBCOMMAND", "index queues into SQLite, and answer from it", audit_description,
	 audit_options, false, audit_run},
	{"orphans", "", "files that belong to no whole message, and why", orphans_description,
	 orphans_options, false, orphans_run},
	{"tui", "", "all of it, interactively", tui_description, tui_options, false, tui_command_run},
	{"salvage", "plan|run|resume|verify [FILTER]", "bring a stranded queue's mail to another queue",
	 salvage_description, salvage_options, true, salvage_run},
	{"doctor", "[lock-test]", "is this queue, mount and configuration fit to be shared",
	 doctor_description, doctor_options, false, doctor_run},
	{"edit", "SELECTION", "strike or replace recipients, change the sender", edit_description,
	 edit_options, true, edit_run},
	{"metrics", "", "figures of a queue for Prometheus or CloudWatch", metrics_description,
	 metrics_options, false, metrics_run},
	{.name = NULL},
};
