/*
 * opt - options as rows of a table: parsing, --help, completion and the manual read the same rows.
 */
#ifndef QF_TOOLS_OPT_H
#define QF_TOOLS_OPT_H

#include <libqf/qf.h>

enum opt_kind {
	OPT_FLAG,    /* bool */
	OPT_COUNT,   /* int, one more each time */
	OPT_STRING,  /* const char * */
	OPT_LIST,    /* struct opt_list */
	OPT_NUMBER,  /* unsigned */
	OPT_SPAN,    /* int64_t, seconds */
	OPT_TIMEOUT, /* the same; "now" and "never" too */
	OPT_TIME,    /* int64_t */
	OPT_WORD,    /* int, index into words */
	OPT_BLOCK,   /* struct opt *: rows of a block shared by commands */
	OPT_END,
};

struct opt_list {
	const char **values;
	size_t n;
	bool defaults; /* from a configuration file: the command line replaces them */
};

struct opt {
	enum opt_kind kind;
	const char *name;
	char letter;             /* 0 for none */
	void *target;
	const char *argument;    /* its name in the help; "WHEN" and the like */
	const char *help;
	const char *const *words; /* OPT_WORD: what may be given, to a NULL */
};

/* One command of qf. */
struct command {
	const char *name;
	const char *operands;    /* for the usage line */
	const char *summary;     /* one line */
	const char *description; /* paragraphs for --help */
	const struct opt *options;
	bool changes;            /* can change a queue */
	int (*run)(char **operands, size_t n);
};
/* All commands, to the one whose name is NULL. */
extern const struct command commands[];

/*
 * opt_parse - take options out of argv; operands stay, in order, from argv[0] on.
 * Returns QF_OK or QF_E_USAGE; *n operands are left.
 */
enum qf_code opt_parse(const struct opt *options, char **argv, int argc, size_t *n,
		       struct qf_err *err);
/* Was it on the command line, and not only in a configuration file? By the target of its row. */
bool opt_was_given(const void *target);
/* Set one option from a configuration file; QF_E_NOT_FOUND where the table has no such option. */
enum qf_code opt_set(const struct opt *options, const char *name, const char *value,
		     struct qf_err *err);
/* The row of that name, in blocks too; NULL. */
const struct opt *opt_find(const struct opt *options, const char *name);
/* Lines of --help for all rows. */
void opt_help(const struct opt *options, struct qf_buf *out);
/* Rows for scripts: command, letter, name, argument, words, help, separated by tabs. */
void opt_dump(const char *command, const struct opt *options, struct qf_buf *out);

#endif
