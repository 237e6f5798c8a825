/*
 * model - all that the TUI knows, as plain data, and the one door through which it changes.
 *
 * No curses, no files, no clock in here: what comes from outside is an event, what is to be done
 * outside is a bit of the effects that tui_apply() returns. So tests feed events and look.
 */
#ifndef QF_TUI_MODEL_H
#define QF_TUI_MODEL_H

#include "actions.h"
#include "grid.h"
#include "keys.h"
#include "finder.h"
#include "picture.h"
#include "sorter.h"
#include "tui.h"

enum tui_view { TUI_MESSAGES, TUI_GROUPS, TUI_HELD, TUI_ORPHANS, TUI_ACTIVITY, TUI_JOURNAL,
		TUI_VIEWS };

/* What tui_apply() asks the loop to do. */
enum {
	TUI_DRAW = 1,          /* the screen looks different */
	TUI_SORT_AGAIN = 2,    /* the list in view has to be made from the picture */
	TUI_SORT_URGENT = 4,   /* .. and what is being sorted is not wanted any more */
	TUI_READ = 8,          /* read the queue now, everything */
	TUI_RUN = 16,          /* run model->run with its output into the text */
	TUI_START_JOB = 32,    /* start model->run as a job */
	TUI_READ_JOURNAL = 64,
	TUI_READ_JOBS = 128,
	TUI_LOOK_FOR_ORPHANS = 4096,
	TUI_REPAINT = 256,     /* the terminal may show anything: send it all */
	TUI_STOP = 512,        /* suspend */
	TUI_LEAVE = 1024,
	TUI_END_RUN = 2048,    /* what runs into the text is not wanted any more */
};

/* A text being typed. */
struct tui_line {
	char text[512];
	size_t n, at;
};

#define TUI_HISTORY 32
struct tui_history {
	char *lines[TUI_HISTORY];
	size_t n;
};

/* A list of messages, or of groups: what is shown, and where the user is in it. */
struct tui_list {
	struct tui_order *order;      /* NULL before there is any */
	struct tui_line filter;
	unsigned serial;              /* of the request whose order is wanted */
	size_t cursor, top;
	bool moved;                   /* by the user: else it stays at the first line */
	/* Where the cursor is, so that it finds its message again. */
	struct { uint16_t dir; char name[QF_NAME_MAX]; } on;
	char *on_name;                /* of a group, a change, an orphan */
};

/* A mark: directory and id. */
struct tui_mark {
	uint16_t dir;
	bool used;
	char id[QF_NAME_MAX];
};
struct tui_marks {
	struct tui_mark *slots;
	size_t cap, n;
	size_t taken;                 /* slots of marks, and of marks that were */
	size_t gone;                  /* of n: not in the last picture */
};

/* Fields chosen to be shown; none: what there is room for. */
#define TUI_COLUMNS_MOST 16
struct tui_columns {
	const struct qf_field *fields[TUI_COLUMNS_MOST];
	size_t n;
};

enum tui_part { TUI_SUMMARY, TUI_CONTROL, TUI_TRANSCRIPT, TUI_TIMELINE, TUI_PARTS };

/* Text that is looked at in lines: a message, output of a command, help, jobs. */
struct tui_text {
	enum { TUI_TEXT_NONE, TUI_TEXT_MESSAGE, TUI_TEXT_OUTPUT, TUI_TEXT_HELP, TUI_TEXT_JOBS } kind;
	char title[256];
	struct qf_buf bytes;
	size_t *starts;               /* of lines in bytes */
	size_t n, cap;                /* lines */
	size_t scanned;               /* bytes that lines were found in */
	size_t top, left;
	size_t found;                 /* line of the last find; SIZE_MAX */
	bool running;                 /* more may come */
	bool follow;                  /* the end was asked for while more came */
	bool cut;                     /* more came than is kept */
	bool plan;                    /* of what a command would do: a question follows */
	int status;
	enum tui_part part;
	struct tui_row *row;          /* TUI_TEXT_MESSAGE: of which message */
};

enum tui_prompt { TUI_NO_PROMPT, TUI_ASK_FILTER, TUI_ASK_FIND, TUI_ASK_MARK, TUI_ASK_REASON,
		  TUI_ASK_RCPT, TUI_ASK_ADDRESS, TUI_ASK_COLUMNS, TUI_ASK_FIX,
		  TUI_ASK_TARGET, TUI_ASK_FILE,
		  TUI_ASK_COMMAND, TUI_ASK_YES };

/* A job: a change at work in a process of its own, or one that ended. */
struct tui_job {
	char name[64];                /* of its file */
	char command[32];
	char what[128];               /* "hold of 12 messages" */
	int64_t time;
	size_t total, done, failed;   /* messages */
	bool alive, ended;
	bool can_undo;
	char takes_back[QF_ENTRY_MAX];          /* the job or the entry in the journal that it undoes, or empty */
	char place[512];              /* where it moved or exported to, or empty */
	char run[64];                 /* of salvage: what its claims are known by; or empty */
	long pid;                     /* of its process; 0: not known */
	char entries[96];             /* how its entries in the journal begin: all of one qf do so alike; or empty */
	char last[160];               /* the last thing it said that was no result */
};
struct tui_jobs {
	struct tui_job *jobs;         /* newest first */
	size_t n;
	char failure[200];            /* why they are not known, or empty */
};

/* A command line to be run, and what it gets as its standard input. */
struct tui_run {
	char **argv;                  /* without the program and the common arguments; to a NULL */
	size_t argc;
	struct qf_buf input;
	size_t total;                 /* messages it is for */
	bool is_job;
	char takes_back[QF_ENTRY_MAX];          /* the job or the entry in the journal that it undoes, or empty */
	bool feeds;                   /* what that job did, entries or messages moved, is its input */
	char place[512];              /* where messages are moved or exported to, or empty */
};

/* Something of the activity view. */
#define TUI_HAPPENED 200
struct tui_happened {
	int64_t time;
	bool came;
	char id[QF_NAME_MAX];
	char text[120];
};

struct tui_model {
	const struct tui_config *config;
	struct tui_keymap keymap;
	struct qf_queue *queue;
	size_t lines, columns;

	int64_t clock;                /* now */
	int64_t now;                  /* the instant shown ages are reckoned from */
	int64_t key_at;               /* of the last key */
	int64_t opened_at;

	struct tui_picture *picture;  /* the newest; NULL before there is any */
	int64_t read_at;              /* when the queue was last read to the end */
	double read_seconds;
	uint64_t interval_ms;         /* between two readings */
	char trouble[256];
	bool misplaced;               /* the name of the queue leads elsewhere than what is shown */
	unsigned serial;

	enum tui_view view, back_to;
	struct tui_list lists[TUI_VIEWS];
	const struct qf_field *sort;
	struct tui_columns chosen;
	bool reversed;
	size_t by;                    /* which field groups count by */
	const struct qf_field *inside;/* messages of one group; with key */
	char *key;
	size_t key_n;

	struct tui_marks marks;
	struct tui_text text;
	char find[128];

	enum tui_prompt prompt;
	struct tui_line input;
	char saved[512];              /* the filter as it was; of an edit, which recipients */
	size_t history_at;
	struct tui_history histories[TUI_ASK_COMMAND + 1];
	char error[256];              /* of what is typed */
	size_t error_at;              /* column in it; SIZE_MAX: none */
	char question[4][400];        /* lines of a question that wants yes */
	enum tui_action asked;        /* the action it is for */
	struct tui_run run;

	char note[256];               /* a word to the user */
	int64_t note_at;
	bool bodies;                  /* may be shown */

	struct tui_journal journal;
	bool undo_wanted;             /* of the last change, once the journal has been read again */
	struct tui_orphans orphans;
	struct tui_jobs jobs;
	bool job_alive;
	char last_job[64];            /* the newest job that was started here, if it can be taken back */

	struct tui_happened *happened;/* a ring of TUI_HAPPENED */
	size_t nhappened;
	size_t came, went;            /* since it was opened */
	size_t minute_came[60], minute_went[60]; /* by minute of the hour */
	int64_t minute;               /* the newest of them */

	struct qf_msg *scratch;       /* the message a row is recalled into */
	struct qf_buf scratch_text, scratch_cell;
};

enum tui_event_kind {
	TUI_EVENT_KEY, TUI_EVENT_ACTION, TUI_EVENT_CLOCK, TUI_EVENT_SIZE, TUI_EVENT_PICTURE,
	TUI_EVENT_ORDER, TUI_EVENT_ORPHANS, TUI_EVENT_TEXT, TUI_EVENT_TEXT_END, TUI_EVENT_JOURNAL,
	TUI_EVENT_JOBS, TUI_EVENT_NOTE,
};

struct tui_event {
	enum tui_event_kind kind;
	uint32_t key;
	unsigned line, column;           /* of the mouse */
	enum tui_action action;
	int64_t clock;
	size_t lines, columns;
	struct tui_picture *picture;     /* these are the model's from then on */
	struct tui_order *order;
	struct tui_journal *journal;
	struct tui_orphans *orphans;
	struct tui_jobs *jobs;
	struct qf_slice bytes;           /* TUI_EVENT_TEXT, TUI_EVENT_NOTE; copied */
	int status;                      /* TUI_EVENT_TEXT_END */
};

enum qf_code tui_model_init(struct tui_model *model, const struct tui_config *config,
			    int64_t clock, struct qf_err *err);
void tui_model_release(struct tui_model *model);
/* The one door. Returns effects. */
unsigned tui_apply(struct tui_model *model, const struct tui_event *event);
/* What the list in view wants of the sorter. False: it wants nothing. */
bool tui_model_request(struct tui_model *model, struct tui_request *request);
/* The screen as it is now. */
void tui_draw(struct tui_model *model, struct tui_grid *grid);

void tui_jobs_release(struct tui_jobs *jobs);
/* Messages of a job that were not done: those it says so of; once it has ended, also those it has no word
   of, for one that is not there any more has no line of its own. */
size_t tui_job_undone(const struct tui_job *job);

/* ---- between the files of the model */

/* Fields that groups can count by, to NULL. */
extern const char *const tui_bys[];

/* list.c: where the user is in the lists. */
struct tui_list *tui_current_list(struct tui_model *model);
/* Entries of the list in view. */
size_t tui_length(const struct tui_model *model);
/* Does the view list messages, which can be marked and acted on? */
bool tui_lists_messages(const struct tui_model *model);
void tui_scroll(size_t *top, size_t cursor, size_t n, size_t body);
/* The journal or the orphans were read again: find the place. */
void tui_list_again(struct tui_model *model, enum tui_view view);
unsigned tui_take_order(struct tui_model *model, struct tui_order *order);
unsigned tui_show_view(struct tui_model *model, enum tui_view view);
unsigned tui_list_action(struct tui_model *model, enum tui_action action);
unsigned tui_list_find(struct tui_model *model, int direction);
unsigned tui_list_click(struct tui_model *model, size_t line, size_t column);
/* The columns were typed. */
unsigned tui_columns_typed(struct tui_model *model, const char *text);
/* Lines of the body of the screen. */
size_t tui_body_lines(const struct tui_model *model);
/* The row under the cursor, or NULL. */
struct tui_row *tui_current_row(const struct tui_model *model);
/* Recall a row for its fields; false where that fails. */
bool tui_recall(struct tui_model *model, const struct tui_row *row, struct qf_row *out);
/* A field of a row as text for people, redacted where asked for, in model->scratch_cell. */
struct qf_slice tui_field_text(struct tui_model *model, const struct qf_field *field,
			       const struct qf_row *row);
void tui_note(struct tui_model *model, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

bool tui_is_marked(const struct tui_marks *marks, const struct tui_row *row);
/* False when memory is out. */
bool tui_mark(struct tui_marks *marks, const struct tui_row *row, bool on);
void tui_marks_clear(struct tui_marks *marks);
/* Count those whose message is not there any more. */
void tui_marks_look(struct tui_marks *marks, const struct tui_picture *picture);

/* prompt.c: a line being typed. */
void tui_ask(struct tui_model *model, enum tui_prompt prompt, const char *text);
unsigned tui_prompt_key(struct tui_model *model, uint32_t key);

/* text.c: what is looked at in lines. */
void tui_text_open(struct tui_model *model, int kind, const char *title);
void tui_text_close(struct tui_model *model);
void tui_text_add(struct tui_text *text, struct qf_slice bytes);
struct qf_slice tui_text_line(const struct tui_text *text, size_t i);
unsigned tui_text_action(struct tui_model *model, enum tui_action action);
bool tui_text_find(struct tui_model *model, int direction, bool stay);
void tui_help(struct tui_model *model);
void tui_jobs_text(struct tui_model *model);
/* All that is known of the i-th orphan. */
void tui_orphan_text(struct tui_model *model, size_t i);
/* Show a part of the message in the text. */
unsigned tui_show_part(struct tui_model *model, enum tui_part part);

/* columns.c: "id,age,from"; empty: none are chosen. Returns QF_OK, or QF_E_USAGE with the place. */
enum qf_code tui_columns_parse(const char *text, struct tui_columns *out, struct qf_err *err);
void tui_columns_text(const struct tui_columns *columns, char *out, size_t size);
/* The name of the field to sort by after the one in force. */
const char *tui_next_sort(const struct tui_model *model);

/* change.c: from an action to a question, and from yes to a job. */
unsigned tui_change(struct tui_model *model, enum tui_action action);
/* The reason or the command line was typed. */
unsigned tui_change_typed(struct tui_model *model, const char *text);
unsigned tui_command_typed(struct tui_model *model, const char *text);
/* Of an edit: which recipients; what they become, "" for nothing. */
unsigned tui_rcpt_typed(struct tui_model *model, const char *text);
unsigned tui_address_typed(struct tui_model *model, const char *text);
/* Where messages are to go: a queue (TUI_MOVE), a file (TUI_EXPORT). */
unsigned tui_target_typed(struct tui_model *model, enum tui_action action, const char *text);
/* The fixes of orphans: which of them. */
unsigned tui_fix(struct tui_model *model);
unsigned tui_fix_typed(struct tui_model *model, const char *text);
/* Ask whether the last change is to be taken back; the journal is as new as it can be. */
unsigned tui_undo_last(struct tui_model *model);
unsigned tui_answered(struct tui_model *model, bool yes);
/* What a command is about, n of them: messages, changes, findings. */
const char *tui_things(const char *command, size_t n);
/* The question is written: it wants a yes. */
void tui_ask_yes(struct tui_model *model, enum tui_action action);
/* Nothing may be changed; that is noted. */
bool tui_is_kept_from_changing(struct tui_model *model);
/* What a changing command would do is told: ask. */
void tui_planned(struct tui_model *model);
/* Path of the control file of a row, appended. */
bool tui_row_path(const struct tui_model *model, const struct tui_row *row, struct qf_buf *out);
/* Is what the command does in the journal, to be taken back? */
/* An export that is a copy for people: the queue stays as it is. */
bool tui_is_readable(const char *place);
bool tui_can_undo(const struct tui_run *run);
void tui_run_clear(struct tui_run *run);
bool tui_run_add(struct tui_run *run, const char *argument);
/* OPTION=VALUE. */
bool tui_run_add_option(struct tui_run *run, const char *option, const char *value);

#endif
