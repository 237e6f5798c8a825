/*
 * audit_recipients - recipients of messages of the database.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_fate.h"
#include "audit_recipients.h"
#include "store_address.h"

void
audit_recipients_clear(struct audit_recipients *list)
{
	qf_buf_clear(&list->text);
	list->n = list->found = 0;
	list->seen = list->tried = QF_TIME_NONE;
	list->not [0] = '\0';
	list->sorted = false;
}

void
audit_recipients_release(struct audit_recipients *list)
{
	qf_buf_release(&list->text);
	free(list->all);
	*list = (struct audit_recipients){0};
}

/* The text moves as it grows. */
static void
settle(struct audit_recipients *list, size_t from)
{
	for (size_t i = from; i < list->n; i++) {
		struct audit_recipient *rcpt = &list->all[i];

		rcpt->address.p = list->text.p + rcpt->at;
		rcpt->bare.p = rcpt->address.p + rcpt->address.n;
		if (rcpt->as.p)
			rcpt->as.p = rcpt->bare.p + rcpt->bare.n;
	}
}

static enum qf_code
add(struct audit_recipients *list, struct qf_slice address, struct qf_slice bare, struct qf_slice as,
    struct qf_err *err)
{
	const struct qf_slice parts[] = {address, bare, as};
	const char *before = list->text.p;

	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 16;
		struct audit_recipient *more = realloc(list->all, room * sizeof(*more));

		if (!more)
			return store_no_memory(err);
		list->all = more;
		list->room = room;
	}
	list->all[list->n] = (struct audit_recipient){
		.address.n = address.n, .bare.n = bare.n, .as = as, .at = list->text.n};
	for (size_t i = 0; i < 3; i++)
		if (parts[i].p)
			qf_buf_add(&list->text, parts[i].p, parts[i].n);
	/* So that there is memory to point to. */
	qf_buf_addc(&list->text, '\0');
	if (list->text.failed)
		return store_no_memory(err);
	list->n++;
	list->sorted = false;
	settle(list, before == list->text.p ? list->n - 1 : 0);
	return QF_OK;
}

enum qf_code
audit_recipients_add(struct audit_recipients *list, struct qf_slice address, struct qf_slice bare,
		     struct qf_err *err)
{
	return add(list, address, bare, (struct qf_slice){0}, err);
}

/* A C record: USER:UID:GID:ADDRESS. */
static struct qf_slice
controller_of(struct qf_slice controller, struct qf_buf *scratch)
{
	size_t colons = 0;

	for (size_t i = 0; i < controller.n; i++)
		if (controller.p[i] == ':' && ++colons == 3)
			return store_address((struct qf_slice){controller.p + i + 1, controller.n - i - 1},
					     scratch);
	return (struct qf_slice){0};
}

enum qf_code
audit_recipients_of(struct audit_recipients *list, struct store *store, int64_t content,
		    struct qf_err *err)
{
	struct store_statement *s;
	struct qf_buf scratch = {0};
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT address, bare, flags, controller FROM recipients WHERE content = ?1 ORDER BY n",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, content);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice flags = store_text(s, 2);

		code = add(list, store_text(s, 0), store_text(s, 1),
			   controller_of(store_text(s, 3), &scratch), err);
		if (code != QF_OK)
			break;
		/* N: the sender said what he wants to be told; F: failures are of it. */
		list->all[list->n - 1].never =
			flags.n && memchr(flags.p, 'N', flags.n) && !memchr(flags.p, 'F', flags.n);
	}
	store_reset(s);
	qf_buf_release(&scratch);
	return code;
}

/* The column before the last is what it lacks: NULL for a whole one. The last is its last try: who makes it
   due takes that away, and leaves their number. */
static const char in_snapshot[] =
	"SELECT m.content, c.created, c.sender, p.seen, CASE"
	" WHEN q.kind <> 'live' AND q.kind IS NOT aq.kind AND (a.id IS NOT NULL OR EXISTS (SELECT 1"
	"  FROM snapshot_queues s JOIN queues k ON k.id = s.queue WHERE s.snapshot = ?4"
	"  AND k.kind = 'live')) THEN 'in a queue of another kind (' || q.kind || ') alone'"
	" WHEN p.moving IS 'gone' THEN 'and left it while that was looked at'"
	" WHEN m.state NOT IN ('queued', 'held') AND m.state IS NOT a.state THEN 'as ' || m.state"
	" WHEN coalesce(m.data_size, -1) < coalesce(a.data_size, CASE WHEN a.id IS NULL THEN 0 "
	"ELSE -1 END) THEN"
	"  CASE WHEN m.data_size >= 0 THEN 'with less of its body' ELSE 'without its body' END"
	" WHEN m.data_size = a.data_size AND m.data_digest <> a.data_digest THEN 'with another "
	"body'"
	" WHEN m.content IS NOT a.content AND EXISTS (SELECT 1 FROM findings f WHERE f.message = "
	"m.id"
	"  AND f.fate NOT IN ('ignored', 'empty-message')) THEN 'damaged' END,"
	" CASE WHEN c.last_try > 0 THEN c.last_try WHEN c.tries = 0 THEN 0 END"
	" FROM messages m CROSS JOIN presence p ON p.message = m.id AND p.snapshot = ?2"
	" JOIN contents c ON c.id = m.content JOIN queues q ON q.id = m.queue"
	" LEFT JOIN messages a ON a.id = ?3 LEFT JOIN queues aq ON aq.id = a.queue"
	" WHERE m.queue_id = ?1";

enum qf_code
audit_recipients_in(struct audit_recipients *list, struct store *store,
		    const struct audit_wanted *wanted, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(store, in_snapshot, &s, err);

	if (code != QF_OK)
		return code;
	store_bind_text(s, 1, wanted->id);
	store_bind_int(s, 2, wanted->snapshot);
	store_bind_int(s, 3, wanted->message);
	store_bind_int(s, 4, wanted->before);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice other = store_text(s, 2), lacks = store_text(s, 4);

		if (wanted->created != QF_TIME_NONE &&
		    (store_time(s, 1) != wanted->created || !wanted->sender.p != !other.p ||
		     audit_compare(wanted->sender, other) != 0))
			continue;
		if (lacks.p) {
			snprintf(list->not, sizeof(list->not ), "%.*s", (int)lacks.n, lacks.p);
			continue;
		}
		list->found++;
		list->seen = store_time(s, 3);
		list->tried = store_time(s, 5);
		code = audit_recipients_of(list, store, store_int(s, 0), err);
		if (code != QF_OK)
			break;
	}
	store_reset(s);
	audit_recipients_sort(list);
	return code;
}

static int
by_bare(const void *a, const void *b)
{
	return audit_compare(((const struct audit_recipient *)a)->bare,
			     ((const struct audit_recipient *)b)->bare);
}

void
audit_recipients_sort(struct audit_recipients *list)
{
	size_t kept = 0;

	if (!list->sorted && list->n > 1)
		qsort(list->all, list->n, sizeof(*list->all), by_bare);
	for (size_t i = 0; i < list->n; i++)
		if (!kept || by_bare(&list->all[kept - 1], &list->all[i]) != 0)
			list->all[kept++] = list->all[i];
	list->n = kept;
	list->sorted = true;
}

bool
audit_recipients_have(const struct audit_recipients *list, struct qf_slice bare)
{
	const struct audit_recipient key = {.bare = bare};

	return list->n && bsearch(&key, list->all, list->n, sizeof(*list->all), by_bare) != NULL;
}

bool
audit_recipients_as(const struct audit_recipients *list, struct qf_slice bare)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->all[i].as.n && audit_is_same(list->all[i].as, bare))
			return true;
	return false;
}
