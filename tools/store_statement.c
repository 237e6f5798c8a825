/*
 * store_statement - prepared statements: values in, rows out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_parts.h"

enum qf_code
store_prepare(struct store *store, const char *sql, struct store_statement **out,
	      struct qf_err *err)
{
	struct store_statement *statement = calloc(1, sizeof(*statement));
	const char *tail = "";
	int result;

	if (!statement)
		return store_failure(store, SQLITE_NOMEM, err);
	statement->store = store;
	result = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->stmt,
				    &tail);
	if (result == SQLITE_OK && statement->stmt && !tail[strspn(tail, " \t\r\n;")]) {
		*out = statement;
		return QF_OK;
	}
	if (result != SQLITE_OK && (result & 0xff) != SQLITE_ERROR) {
		free(statement);
		return store_failure(store, result, err);
	}
	*err = (struct qf_err){.code = QF_E_USAGE};
	snprintf(err->what, sizeof(err->what), "%s", sql);
	snprintf(err->why, sizeof(err->why), "%s",
		 result != SQLITE_OK ? sqlite3_errmsg(store->db)
		 : statement->stmt   ? "more than one statement"
				     : "no statement");
	store_finalize(statement);
	return QF_E_USAGE;
}

enum qf_code
store_cached(struct store *store, const char *sql, struct store_statement **out, struct qf_err *err)
{
	enum qf_code code;

	for (size_t i = 0; i < store->ncached; i++) {
		if (store->cached[i]->sql == sql) {
			*out = store->cached[i];
			store_reset(*out);
			return QF_OK;
		}
	}
	if (store->ncached == STORE_CACHED_MAX)
		return store_failure(store, SQLITE_NOMEM, err);
	code = store_prepare(store, sql, out, err);
	if (code == QF_OK) {
		(*out)->sql = sql;
		store->cached[store->ncached++] = *out;
	}
	return code;
}

void
store_finalize(struct store_statement *statement)
{
	if (!statement)
		return;
	sqlite3_finalize(statement->stmt);
	free(statement);
}

static void
bound(struct store_statement *statement, int result)
{
	if (result != SQLITE_OK && statement->failed == SQLITE_OK)
		statement->failed = result;
}

void
store_bind_int(struct store_statement *statement, int i, int64_t value)
{
	bound(statement, sqlite3_bind_int64(statement->stmt, i, value));
}

void
store_bind_time(struct store_statement *statement, int i, int64_t when)
{
	if (when == QF_TIME_NONE)
		store_bind_null(statement, i);
	else
		store_bind_int(statement, i, when);
}

void
store_bind_null(struct store_statement *statement, int i)
{
	bound(statement, sqlite3_bind_null(statement->stmt, i));
}

void
store_bind_real(struct store_statement *statement, int i, double value)
{
	bound(statement, sqlite3_bind_double(statement->stmt, i, value));
}

/* True for what is shown whole by whoever reads TEXT. */
static bool
is_text(struct qf_slice text)
{
	return qf_utf8_valid(text) && !memchr(text.p, '\0', text.n);
}

void
store_bind_text(struct store_statement *statement, int i, struct qf_slice text)
{
	if (!text.p)
		store_bind_null(statement, i);
	else if (text.n == 0 || is_text(text))
		bound(statement, sqlite3_bind_text64(statement->stmt, i, text.n ? text.p : "",
						     text.n, SQLITE_STATIC, SQLITE_UTF8));
	else
		store_bind_blob(statement, i, text.p, text.n);
}

void
store_bind_string(struct store_statement *statement, int i, const char *text)
{
	store_bind_text(statement, i, (struct qf_slice){text, text ? strlen(text) : 0});
}

void
store_bind_blob(struct store_statement *statement, int i, const void *bytes, size_t n)
{
	bound(statement, sqlite3_bind_blob64(statement->stmt, i, bytes, n, SQLITE_STATIC));
}

enum qf_code
store_step(struct store_statement *statement, bool *row, struct qf_err *err)
{
	int result = statement->failed;

	*row = false;
	if (result == SQLITE_OK)
		result = sqlite3_step(statement->stmt);
	if (result == SQLITE_ROW) {
		*row = true;
		statement->running = true;
		return QF_OK;
	}
	if (result == SQLITE_DONE) {
		store_reset(statement);
		return QF_OK;
	}
	/* The message has to be taken before the reset that would take it away. */
	store_failure(statement->store, result, err);
	store_reset(statement);
	return err->code;
}

enum qf_code
store_run(struct store_statement *statement, struct qf_err *err)
{
	bool row;
	enum qf_code code;

	do
		code = store_step(statement, &row, err);
	while (code == QF_OK && row);
	return code;
}

void
store_reset(struct store_statement *statement)
{
	sqlite3_reset(statement->stmt);
	statement->failed = SQLITE_OK;
	statement->running = false;
}

int
store_columns(const struct store_statement *statement)
{
	return sqlite3_column_count(statement->stmt);
}

const char *
store_column_name(const struct store_statement *statement, int i)
{
	const char *name = sqlite3_column_name(statement->stmt, i);

	return name ? name : "";
}

bool
store_is_null(const struct store_statement *statement, int i)
{
	return sqlite3_column_type(statement->stmt, i) == SQLITE_NULL;
}

int64_t
store_int(const struct store_statement *statement, int i)
{
	return sqlite3_column_int64(statement->stmt, i);
}

int64_t
store_time(const struct store_statement *statement, int i)
{
	return store_is_null(statement, i) ? QF_TIME_NONE : store_int(statement, i);
}

double
store_real(const struct store_statement *statement, int i)
{
	return sqlite3_column_double(statement->stmt, i);
}

enum store_type
store_type(const struct store_statement *statement, int i)
{
	switch (sqlite3_column_type(statement->stmt, i)) {
	case SQLITE_INTEGER:
		return STORE_INT;
	case SQLITE_FLOAT:
		return STORE_REAL;
	case SQLITE_TEXT:
		return STORE_TEXT;
	case SQLITE_BLOB:
		return STORE_BLOB;
	default:
		return STORE_NULL;
	}
}

struct qf_slice
store_text(const struct store_statement *statement, int i)
{
	const void *bytes;

	if (store_is_null(statement, i))
		return (struct qf_slice){NULL, 0};
	bytes = store_type(statement, i) == STORE_BLOB
			? sqlite3_column_blob(statement->stmt, i)
			: (const void *)sqlite3_column_text(statement->stmt, i);
	return (struct qf_slice){bytes ? bytes : "",
				 (size_t)sqlite3_column_bytes(statement->stmt, i)};
}

bool
store_only_reads(const struct store_statement *statement)
{
	return sqlite3_stmt_readonly(statement->stmt);
}
