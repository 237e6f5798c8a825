/*
 * audit - what the subcommands of qf audit share: their options, and how they are found.
 */
#ifndef QF_TOOLS_AUDIT_H
#define QF_TOOLS_AUDIT_H

#include <libqf/qf.h>

#include "source.h"
#include "store.h"

enum audit_format { AUDIT_TABLE, AUDIT_JSON, AUDIT_CSV };

struct audit_options {
	const char *db; /* --db; checked before a subcommand runs */
	const char *label;
	const char *text;     /* search --text */
	const char *zone;     /* log --zone */
	unsigned year;	      /* log --year */
	int64_t every;	      /* index */
	const char *snapshot; /* search, report */
	const char *against;  /* report */
	const char *html;     /* report */
	bool apply;
	struct opt_list logs; /* reconcile */
	bool bodies, digest;
	int format; /* enum audit_format */
};
extern struct audit_options audit_given;

/* One subcommand: operands are those after its name. Returns an exit status. */
struct audit_command {
	const char *name, *operands, *summary;
	int (*run)(char **operands, size_t n);
};

int audit_index(char **operands, size_t n);
int audit_log(char **operands, size_t n);
/* Files of the mail log into the database, which must be there; nothing is printed. */
int audit_log_read(const char *const *files, size_t n);
int audit_mailstore(char **operands, size_t n);
int audit_diff(char **operands, size_t n);
int audit_reconcile(char **operands, size_t n);
int audit_report(char **operands, size_t n);
int audit_search(char **operands, size_t n);
int audit_sql(char **operands, size_t n);

/* Open --db; the failure is said. Returns 0 or an exit status. */
int audit_open(enum store_mode mode, struct store **out);

/* Two snapshots by their names, the older first; the failure is said. */
int audit_pair(struct store *store, char **operands, struct store_snapshot *a,
	       struct store_snapshot *b);

/* The value of a column as JSON: text as text, blobs that are no UTF-8 as text with U+FFFD. Returns
   false where bytes were lost. */
bool audit_json_column(struct qf_json *json, const struct store_statement *row, int i);

/* Without the blanks and line ends around it, as a header that is folded has them. */
struct qf_slice audit_trim(struct qf_slice text);

#endif
