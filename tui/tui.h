/*
 * tui - the terminal interface: the one header that tools/ sees of it.
 */
#ifndef QF_TUI_TUI_H
#define QF_TUI_TUI_H

#include <libqf/qf.h>

/* What a command line of qf is to the TUI, as bits; 0: no such command. */
enum {
	TUI_COMMAND_KNOWN = 1,
	TUI_COMMAND_CHANGES = 2,  /* as it stands it changes a queue */
	TUI_COMMAND_PLANS = 4,    /* --dry-run tells what it would do */
	TUI_COMMAND_YES = 8,      /* --yes keeps it from asking */
	TUI_COMMAND_JSON = 16,    /* --format=json tells how far it is */
	TUI_COMMAND_NOT_HERE = 32,
};

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
	const char *columns;             /* "id,age,from", or NULL: what there is room for */
	int spawner;                     /* who starts qf (spawner.h) */
	const char *const *arguments;    /* what to give each command of qf: -Q, -C and the like */
	size_t narguments;
	const char *state;               /* folder of the journal, or NULL for that of each queue */
	unsigned (*command_kind)(char *const *argv, size_t argc);
};

/* Runs until the user leaves. Returns QF_OK; or why it cannot (terminal restored in every case). */
enum qf_code tui_run(const struct tui_config *config, struct qf_err *err);
/* A helper is forked that starts program (spawner.h). Returns the descriptor to talk to it, or -1 and errno.
   Before any thread is started, and anything of others is read. */
int tui_spawner_begin(const char *program);
/* The keys of the settings are understood. For who reads the configuration. */
enum qf_code tui_check_keys(const char *const *keys, size_t n, struct qf_err *err);
/* The columns are understood. For the same. */
enum qf_code tui_check_columns(const char *columns, struct qf_err *err);
/* Table of actions for documentation: name, keys, help with tabs between, a line each. */
void tui_actions_dump(struct qf_buf *out);
/* The user may change this queue: its directories can be written. */
bool tui_may_write(const struct qf_queue *queue);

#endif
