/*
 * tui - the terminal interface: the one header that tools/ sees of it.
 */
#ifndef QF_TUI_TUI_H
#define QF_TUI_TUI_H

#include <libqf/qf.h>

/* What a command of qf is to the command line of the TUI. */
enum tui_command_kind { TUI_COMMAND_UNKNOWN, TUI_COMMAND_READS, TUI_COMMAND_CHANGES, TUI_COMMAND_NOT_HERE };

struct tui_config {
	/* The same queue four times: for the threads that read, sort, and look for orphans, and for the
	   screen. */
	struct qf_queue *queues[4];
	const struct qf_cf *cf;          /* or NULL */
	const struct qf_policy *policy;
	const struct qf_redactor *redactor; /* or NULL */
	int64_t now;                     /* QF_TIME_NONE: the clock of the system */
	unsigned jobs, max_ops;
	bool read_only;
	bool plain;
	bool utf8, color;
	int64_t idle_limit;              /* seconds without a key after which the session is cut; 0 */
	int64_t refresh;                 /* seconds between two looks at the queue */
	const char *const *keys;         /* settings of the keymap */
	size_t nkeys;
	const char *program;             /* path of qf itself */
	const char *const *arguments;    /* what to give each command of qf: -Q, -C and the like */
	size_t narguments;
	const char *state;               /* folder of the journal, or NULL for that of each queue */
	enum tui_command_kind (*command_kind)(const char *name);
};

/* Runs until the user leaves. Returns QF_OK; or why it cannot (terminal restored in every case). */
enum qf_code tui_run(const struct tui_config *config, struct qf_err *err);
/* The keys of the settings are understood. For who reads the configuration. */
enum qf_code tui_check_keys(const char *const *keys, size_t n, struct qf_err *err);
/* Table of actions for documentation: name, keys, help with tabs between, a line each. */
void tui_actions_dump(struct qf_buf *out);
/* The user may change this queue: its directories can be written. */
bool tui_may_write(const struct qf_queue *queue);

#endif
