/*
 * store - the database of qf audit: the only place that knows SQLite. Tables and views are
 * described in docs/audit-schema.md; store_schema.c has them.
 *
 * Readers see the last state that was written whole, also while somebody writes. There is one
 * writer at a time (FILE-lock).
 */
#ifndef QF_TOOLS_STORE_H
#define QF_TOOLS_STORE_H

#include <libqf/qf.h>

/* "qfau", in the header of the file. */
#define STORE_APPLICATION_ID 0x71666175
/* Of the schema: PRAGMA user_version. */
int store_version(void);

struct store;

enum store_mode {
	STORE_READ,   /* must be there; nothing is written */
	STORE_WRITE,  /* must be there; brought to this version */
	STORE_CREATE, /* made where it is not there, 0600 */
};

/*
 * store_open - open the database, as a writer with its lock.
 * Returns QF_OK; QF_E_NOT_FOUND; QF_E_DENIED; QF_E_DATA for a file that is no database of qf audit;
 *         QF_E_CONFIG for one of a newer version; QF_E_BUSY when another one writes; QF_E_SYS.
 *         Nothing is written where it fails.
 */
enum qf_code store_open(const char *path, enum store_mode mode, struct store **out,
			struct qf_err *err);
void store_close(struct store *store);
const char *store_path(const struct store *store);
/* True on a network file system: a rollback journal instead of a write-ahead log, and readers wait.
 */
bool store_on_network(const struct store *store);
/* Sets err; QF_E_NOMEM. */
enum qf_code store_no_memory(struct qf_err *err);
/* Room for one more in an array that has n of room; it doubles. False: memory is
   out, and the array is as it was. */
bool store_room(void **array, size_t *room, size_t n, size_t size);

/* ---------------------------------------------------------------- transactions */

/* Each fails with QF_E_BUSY, QF_E_SYS (disk full, I/O), QF_E_NOMEM. */
enum qf_code store_begin(struct store *store, struct qf_err *err);
enum qf_code store_commit(struct store *store, struct qf_err *err);
/* What was begun is undone; nothing where nothing was. */
void store_rollback(struct store *store);
/* For many rows whose references are right by their making: they are not looked up each. Before
   store_begin(). */
enum qf_code store_bulk(struct store *store, struct qf_err *err);
/* Statements without parameters and results. */
enum qf_code store_execute(struct store *store, const char *sql, struct qf_err *err);

/* ---------------------------------------------------------------- statements */

/*
 * One prepared statement. Errors of binding are kept and come out of store_step(). Text is stored
 * exactly: as TEXT where it is UTF-8 without NUL, else as BLOB; an absent slice is NULL; so is
 * QF_TIME_NONE by store_bind_time().
 */
struct store_statement;

/* QF_E_USAGE where the SQL cannot be understood: err->why says how SQLite puts it. */
enum qf_code store_prepare(struct store *store, const char *sql, struct store_statement **out,
			   struct qf_err *err);
/* The same statement each time it is asked for, kept until the store is closed. sql is a literal.
 */
enum qf_code store_cached(struct store *store, const char *sql, struct store_statement **out,
			  struct qf_err *err);
void store_finalize(struct store_statement *statement);

void store_bind_int(struct store_statement *statement, int i, int64_t value);
void store_bind_time(struct store_statement *statement, int i, int64_t when);
void store_bind_null(struct store_statement *statement, int i);
void store_bind_real(struct store_statement *statement, int i, double value);
/* The bytes must live until store_step() has returned. */
void store_bind_text(struct store_statement *statement, int i, struct qf_slice text);
void store_bind_string(struct store_statement *statement, int i, const char *text);
void store_bind_blob(struct store_statement *statement, int i, const void *bytes, size_t n);

/* The next row. *row false at the end, and the statement can then be bound and run anew. */
enum qf_code store_step(struct store_statement *statement, bool *row, struct qf_err *err);
/* Run to its end; for what gives no rows. */
enum qf_code store_run(struct store_statement *statement, struct qf_err *err);
/* Begin anew without having read all rows. */
void store_reset(struct store_statement *statement);

/* Columns from 0; valid until the next step. */
int store_columns(const struct store_statement *statement);
const char *store_column_name(const struct store_statement *statement, int i);
bool store_is_null(const struct store_statement *statement, int i);
int64_t store_int(const struct store_statement *statement, int i);  /* NULL: 0 */
int64_t store_time(const struct store_statement *statement, int i); /* NULL: QF_TIME_NONE */
double store_real(const struct store_statement *statement, int i);
/* TEXT or BLOB as it was stored, other values as text; NULL: absent. */
struct qf_slice store_text(const struct store_statement *statement, int i);
enum store_type { STORE_NULL, STORE_INT, STORE_REAL, STORE_TEXT, STORE_BLOB };
enum store_type store_type(const struct store_statement *statement, int i);
/* False where the statement could change something. */
bool store_only_reads(const struct store_statement *statement);

int64_t store_last_id(struct store *store);
/* Rows that the last statement changed. */
int64_t store_changes(struct store *store);

/* ---------------------------------------------------------------- snapshots */

struct store_snapshot {
	int64_t id;
	char label[256]; /* empty: none */
	int64_t started, finished;
	bool complete; /* every directory was read to its end, and every message */
	bool restored; /* a queue of it lay in a restored tree */
	int64_t messages;
};

/*
 * store_snapshot_find - by its number, its label (the newest so called), "first" or "latest".
 * Returns QF_OK; QF_E_NOT_FOUND: err->hint says which there are.
 */
enum qf_code store_snapshot_find(struct store *store, const char *name, struct store_snapshot *out,
				 struct qf_err *err);

#endif
