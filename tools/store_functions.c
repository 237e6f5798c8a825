/*
 * store_functions - what SQL is given beside SQLite's own:
 *
 *	qf_id_time(id [, near])   when a queue id was made, seconds since the epoch; NULL: it does
 * not say qf_address(address)       without <>, its domain in lower case: as the columns called bare
 *	qf_time(seconds)          RFC 3339
 *	X REGEXP P, regexp(P, X)  Perl patterns
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "store_address.h"
#include "store_parts.h"

/* Bounds on one match, as filters have. */
#define MATCH_LIMIT 1000000u

static struct qf_slice
value_bytes(sqlite3_value *value)
{
	const void *bytes = sqlite3_value_type(value) == SQLITE_BLOB
				    ? sqlite3_value_blob(value)
				    : (const void *)sqlite3_value_text(value);

	return (struct qf_slice){bytes ? bytes : "",
				 bytes ? (size_t)sqlite3_value_bytes(value) : 0};
}

static void
id_time(sqlite3_context *context, int n, sqlite3_value **values)
{
	struct qf_id id;
	int64_t near = QF_TIME_NONE;

	if (n > 1 && sqlite3_value_type(values[1]) != SQLITE_NULL)
		near = sqlite3_value_int64(values[1]);
	if (sqlite3_value_type(values[0]) == SQLITE_NULL ||
	    !qf_id_decode(value_bytes(values[0]), near, &id) || id.time == QF_TIME_NONE)
		return;
	sqlite3_result_int64(context, id.time);
}

static void
time_text(sqlite3_context *context, int n, sqlite3_value **values)
{
	char text[QF_TIME_TEXT];

	(void)n;
	if (sqlite3_value_type(values[0]) == SQLITE_NULL)
		return;
	qf_time_format(sqlite3_value_int64(values[0]), text);
	sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void
address(sqlite3_context *context, int n, sqlite3_value **values)
{
	struct qf_buf bare = {0};
	struct qf_slice slice;

	(void)n;
	if (sqlite3_value_type(values[0]) == SQLITE_NULL)
		return;
	slice = store_address(value_bytes(values[0]), &bare);
	if (bare.failed)
		sqlite3_result_error_nomem(context);
	else if (sqlite3_value_type(values[0]) == SQLITE_BLOB)
		sqlite3_result_blob64(context, slice.p, slice.n, SQLITE_TRANSIENT);
	else
		sqlite3_result_text64(context, slice.p, slice.n, SQLITE_TRANSIENT, SQLITE_UTF8);
	qf_buf_release(&bare);
}

static void
free_pattern(void *code)
{
	pcre2_code_free(code);
}

static void
regexp(sqlite3_context *context, int n, sqlite3_value **values)
{
	struct qf_slice pattern = value_bytes(values[0]), text = value_bytes(values[1]);
	pcre2_code *code = sqlite3_get_auxdata(context, 0);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	int result;

	(void)n;
	if (data && limits && !code) {
		PCRE2_SIZE offset;
		int error;
		char why[160];

		code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n,
				     PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error, &offset, NULL);
		if (!code) {
			pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
			sqlite3_result_error(context, why, -1);
		} else {
			pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
			sqlite3_set_auxdata(context, 0, code, free_pattern);
			/* It may be gone at once. */
			code = sqlite3_get_auxdata(context, 0);
			if (!code)
				sqlite3_result_error_nomem(context);
		}
	} else if (!data || !limits) {
		sqlite3_result_error_nomem(context);
		code = NULL;
	}
	if (code && sqlite3_value_type(values[1]) != SQLITE_NULL) {
		pcre2_set_match_limit(limits, MATCH_LIMIT);
		result = pcre2_match(code, (PCRE2_SPTR)text.p, text.n, 0, 0, data, limits);
		if (result >= 0 || result == PCRE2_ERROR_NOMATCH)
			sqlite3_result_int(context, result >= 0);
		else
			sqlite3_result_error(context, "the pattern takes too long", -1);
	}
	pcre2_match_context_free(limits);
	pcre2_match_data_free(data);
}

int
store_functions(sqlite3 *db)
{
	static const struct {
		const char *name;
		int arguments;
		void (*call)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {
		{"qf_id_time", 1, id_time}, {"qf_id_time", 2, id_time}, {"qf_time", 1, time_text},
		{"qf_address", 1, address}, {"regexp", 2, regexp},
	};
	int result = SQLITE_OK;

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions) && result == SQLITE_OK; i++)
		result = sqlite3_create_function_v2(db, functions[i].name, functions[i].arguments,
						    SQLITE_UTF8 | SQLITE_DETERMINISTIC |
							    SQLITE_INNOCUOUS,
						    NULL, functions[i].call, NULL, NULL, NULL);
	return result;
}
