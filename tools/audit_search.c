/*
 * audit_search - qf audit search: the filters of the toolkit over the messages of all snapshots,
 * and full text over their bodies. Each version of a message is shown once, with the first and the
 * last snapshot that has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_recall.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "table.h"
#include "words.h"

struct search {
	struct source source;
	struct store *store;
	struct qf_query *query;
	struct qf_matcher *matcher;
	struct table table;
	struct columns csv;
	struct audit_recall recall;
	struct qf_buf scratch[2], out;
	bool safe;
	uint64_t shown;
};

#define FROM " FROM messages m JOIN contents c ON c.id = m.content JOIN queues q ON q.id = m.queue"

static const char one_snapshot[] =
	"SELECT " AUDIT_RECALL_COLUMNS ", p.snapshot, p.snapshot" FROM
	" JOIN presence p ON p.message = m.id WHERE p.snapshot = ?1 AND (?2 IS NULL OR "
	"m.data_digest IN"
	" (SELECT digest FROM bodies WHERE id IN"
	" (SELECT rowid FROM bodies_fts WHERE bodies_fts MATCH ?2))) ORDER BY m.id";
static const char all_snapshots[] =
	"SELECT " AUDIT_RECALL_COLUMNS ", s.first, s.last" FROM
	" JOIN (SELECT message, min(snapshot) AS first, max(snapshot) AS last FROM presence"
	" GROUP BY message) s ON s.message = m.id WHERE ?1 IS NULL AND (?2 IS NULL OR "
	"m.data_digest IN"
	" (SELECT digest FROM bodies WHERE id IN"
	" (SELECT rowid FROM bodies_fts WHERE bodies_fts MATCH ?2))) ORDER BY m.id";

static void
put_row(struct search *search, const struct qf_row *row, int64_t first, int64_t last)
{
	struct qf_buf *out = &search->out;

	qf_buf_clear(out);
	switch ((enum audit_format)audit_given.format) {
	case AUDIT_JSON:
		qf_render_json(row, search->source.redactor, out);
		if (out->n < 2)
			break;
		out->n -= 2; /* "}\n" */
		qf_buf_addf(out, ",\"snapshots\":[%lld,%lld]}\n", (long long)first,
			    (long long)last);
		break;
	case AUDIT_CSV:
		qf_buf_addf(out, "%lld,%lld", (long long)first, (long long)last);
		for (size_t i = 0; i < search->csv.n; i++) {
			qf_buf_addc(out, ',');
			qf_buf_clear(&search->scratch[1]);
			column_value(&search->csv.column[i], row, search->source.redactor,
				     &search->scratch[0], &search->scratch[1]);
			column_csv((struct qf_slice){search->scratch[1].p, search->scratch[1].n},
				   search->safe, term_utf8(), out);
		}
		qf_buf_adds(out, "\r\n");
		break;
	case AUDIT_TABLE:
		qf_buf_addf(out, "%5lld-%-5lld ", (long long)first, (long long)last);
		table_row(&search->table, row, search->source.redactor, search->scratch, out);
		break;
	}
	out_add_buf(out);
	search->shown++;
}

static void
put_heading(struct search *search)
{
	struct qf_buf *out = &search->out;

	qf_buf_clear(out);
	if (audit_given.format == AUDIT_TABLE) {
		qf_buf_adds(out, "  SNAPSHOT  ");
		table_head(&search->table, out);
	} else if (audit_given.format == AUDIT_CSV) {
		qf_buf_adds(out, "first_snapshot,last_snapshot");
		for (size_t i = 0; i < search->csv.n; i++)
			qf_buf_addf(out, ",%s", search->csv.column[i].title);
		qf_buf_adds(out, "\r\n");
	}
	out_add_buf(out);
}

static enum qf_code
look(struct search *search, const struct store_statement *s, struct qf_err *err)
{
	struct qf_msg *msg;
	struct qf_row row;
	bool matched = true;
	enum qf_code code = audit_recall(&search->recall, search->store, s, &msg, err);

	if (code != QF_OK)
		return code;
	qf_row_init(&row, msg, NULL, &search->source.policy, search->source.now);
	code = qf_matcher_match(search->matcher, &row, &matched, err);
	if (code == QF_OK && matched) {
		if (!search->shown)
			put_heading(search);
		put_row(search, &row, store_int(s, AUDIT_RECALL_N),
			store_int(s, AUDIT_RECALL_N + 1));
	}
	qf_msg_free(msg);
	return code;
}

static enum qf_code
search_all(struct search *search, int64_t snapshot, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code =
		store_prepare(search->store, snapshot ? one_snapshot : all_snapshots, &s, err);

	if (code != QF_OK)
		return code;
	if (snapshot)
		store_bind_int(s, 1, snapshot);
	store_bind_string(s, 2, audit_given.text);
	while ((code = store_step(s, &row, err)) == QF_OK && row && !out_failed() &&
	       !signals_caught())
		if ((code = look(search, s, err)) != QF_OK)
			break;
	store_finalize(s);
	if (code == QF_E_USAGE && audit_given.text)
		snprintf(err->what, sizeof(err->what), "--text: %.200s", audit_given.text);
	return code;
}

/* Full text that was never stored is not there, whatever is searched. */
static void
say_without_bodies(struct store *store)
{
	struct store_statement *s;
	struct qf_err err;
	bool row;

	if (store_prepare(store, "SELECT 1 FROM bodies LIMIT 1", &s, &err) != QF_OK)
		return;
	if (store_step(s, &row, &err) == QF_OK && !row)
		say_note("no bodies are in the database: qf audit index --bodies stores them");
	store_finalize(s);
}

static int
prepare(struct search *search, const char *filter, int64_t *snapshot)
{
	struct store_snapshot found;
	struct qf_err err;
	int status = source_begin(&search->source);

	if (!status && qf_query_parse(filter, search->source.now, &search->query, &err) != QF_OK)
		status = say_failure(&err);
	if (!status && (qf_query_needs(search->query) & QF_NEED_BODY)) {
		say_error("body: is looked for with --text here");
		status = STATUS_USAGE;
	}
	if (!status)
		status = audit_open(STORE_READ, &search->store);
	if (!status && audit_given.snapshot) {
		if (store_snapshot_find(search->store, audit_given.snapshot, &found, &err) != QF_OK)
			status = say_failure(&err);
		else
			*snapshot = found.id;
	}
	if (status)
		return status;
	search->matcher = qf_matcher_new(search->query);
	if (!search->matcher)
		return STATUS_OS;
	search->safe = term_is_tty();
	columns_csv(&search->csv);
	if (table_init(&search->table, NULL, term_columns(), term_utf8(),
		       term_color(source_color()), &err) != QF_OK)
		return say_failure(&err);
	if (audit_given.text)
		say_without_bodies(search->store);
	return STATUS_OK;
}

int
audit_search(char **operands, size_t n)
{
	struct search search = {0};
	struct qf_err err;
	int64_t snapshot = 0;
	char *filter = words_join(operands, n);
	int status = filter ? prepare(&search, filter, &snapshot) : STATUS_OS;

	if (!status && search_all(&search, snapshot, &err) != QF_OK)
		status = say_failure(&err);
	if (!status && signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	if (!status && !search.shown)
		status = STATUS_FINDINGS;
	qf_matcher_free(search.matcher);
	qf_query_free(search.query);
	table_release(&search.table);
	columns_release(&search.csv);
	audit_recall_release(&search.recall);
	qf_buf_release(&search.scratch[0]);
	qf_buf_release(&search.scratch[1]);
	qf_buf_release(&search.out);
	store_close(search.store);
	source_close(&search.source);
	free(filter);
	return out_finish(status);
}
