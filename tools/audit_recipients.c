/*
 * audit_recipients - recipients of messages of the database.
 */
#include <stdlib.h>
#include <string.h>

#include "audit_fate.h"
#include "audit_recipients.h"

void
audit_recipients_clear(struct audit_recipients *list)
{
	qf_buf_clear(&list->text);
	list->n = list->found = 0;
	list->seen = QF_TIME_NONE;
	list->sorted = false;
}

void
audit_recipients_release(struct audit_recipients *list)
{
	qf_buf_release(&list->text);
	free(list->all);
	*list = (struct audit_recipients){0};
}

static enum qf_code
no_memory(struct qf_err *err)
{
	*err = (struct qf_err){.code = QF_E_NOMEM, .why = "out of memory"};
	return QF_E_NOMEM;
}

/* The text moves as it grows. */
static void
settle(struct audit_recipients *list, size_t from)
{
	for (size_t i = from; i < list->n; i++) {
		list->all[i].address.p = list->text.p + list->all[i].at;
		list->all[i].bare.p = list->text.p + list->all[i].bare_at;
	}
}

enum qf_code
audit_recipients_add(struct audit_recipients *list, struct qf_slice address, struct qf_slice bare,
		     struct qf_err *err)
{
	const char *before = list->text.p;

	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 16;
		struct audit_recipient *more = realloc(list->all, room * sizeof(*more));

		if (!more)
			return no_memory(err);
		list->all = more;
		list->room = room;
	}
	list->all[list->n] = (struct audit_recipient){.address.n = address.n,
						      .bare.n = bare.n,
						      .at = list->text.n,
						      .bare_at = list->text.n + address.n};
	if (address.p)
		qf_buf_add(&list->text, address.p, address.n);
	if (bare.p)
		qf_buf_add(&list->text, bare.p, bare.n);
	/* So that there is memory to point to. */
	qf_buf_addc(&list->text, '\0');
	if (list->text.failed)
		return no_memory(err);
	list->n++;
	list->sorted = false;
	settle(list, before == list->text.p ? list->n - 1 : 0);
	return QF_OK;
}

enum qf_code
audit_recipients_of(struct audit_recipients *list, struct store *store, int64_t content,
		    struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		store, "SELECT address, bare FROM recipients WHERE content = ?1 ORDER BY n", &s,
		err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, content);
	while ((code = store_step(s, &row, err)) == QF_OK && row)
		if ((code = audit_recipients_add(list, store_text(s, 0), store_text(s, 1), err)) !=
		    QF_OK)
			break;
	store_reset(s);
	return code;
}

enum qf_code
audit_recipients_in(struct audit_recipients *list, struct store *store, int64_t snapshot,
		    struct qf_slice id, int64_t created, struct qf_slice sender, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code =
		store_cached(store,
			     "SELECT m.content, c.created, c.sender, p.seen FROM messages m"
			     " CROSS JOIN presence p ON p.message = m.id AND p.snapshot = ?2"
			     " JOIN contents c ON c.id = m.content WHERE m.queue_id = ?1",
			     &s, err);

	if (code != QF_OK)
		return code;
	store_bind_text(s, 1, id);
	store_bind_int(s, 2, snapshot);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice other = store_text(s, 2);

		if (created != QF_TIME_NONE &&
		    (store_time(s, 1) != created || !sender.p != !other.p ||
		     audit_compare(sender, other) != 0))
			continue;
		list->found++;
		list->seen = store_time(s, 3);
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
