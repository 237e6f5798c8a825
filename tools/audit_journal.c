/*
 * audit_journal - the journals of qf at the queues of a snapshot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit_journal.h"
#include "changes.h"
#include "say.h"

static bool
is_whole(const struct audit_entry *e)
{
	return e->id && e->entry && e->command && e->text && e->queue;
}

static void
release_entry(struct audit_entry *e)
{
	free(e->id);
	free(e->entry);
	free(e->command);
	free(e->text);
	free(e->gone);
	free(e->added);
	free(e->queue);
}

static bool
take_entry(void *ctx, const struct qf_journal_entry *e)
{
	struct audit_journal *journal = ctx;
	struct audit_entry *entry;
	const char *command = e->command ? e->command : "";
	struct qf_buf text = {0};

	if (!e->result || strcmp(e->result, "done") != 0 || e->undo == QF_UNDO_DONE || !e->id)
		return true;
	if (journal->n == journal->room) {
		size_t room = journal->room ? journal->room * 2 : 64;
		struct audit_entry *more = realloc(journal->entries, room * sizeof(*more));

		if (!more)
			return false;
		journal->entries = more;
		journal->room = room;
	}
	qf_buf_addf(&text, "qf %s by %s on %s", e->command ? e->command : "?",
		    e->user ? e->user : "?", e->host ? e->host : "?");
	if (e->note)
		qf_buf_addf(&text, ": %s", e->note);
	qf_buf_addc(&text, '\0');
	/* An edit that left nobody removed the message. */
	if (strcmp(command, "edit") == 0 && !e->was_control)
		command = "rm";
	entry = &journal->entries[journal->n];
	*entry = (struct audit_entry){
		.id = strdup(e->id),
		.entry = strdup(e->entry ? e->entry : ""),
		.command = strdup(command),
		.queue = strdup(journal->path ? journal->path : ""),
		.gone = e->gone ? strdup(e->gone) : NULL,
		/* A folder of --journal is nobody's. */
		.own = journal->loads == 1 && !changes_journal(),
		.added = e->added ? strdup(e->added) : NULL,
		.text = text.failed ? NULL : text.p,
		.time = e->time,
	};
	journal->n++;
	return is_whole(entry) && !e->gone == !entry->gone && !e->added == !entry->added;
}

bool
audit_journal_load(struct audit_journal *journal, struct store *store, int64_t snapshot)
{
	struct store_statement *s;
	struct qf_err err;
	bool row, fits = true;

	journal->loads++;
	if (store_cached(store,
			 "SELECT q.path FROM snapshot_queues sq JOIN queues q ON q.id = sq.queue"
			 " WHERE sq.snapshot = ?1",
			 &s, &err) != QF_OK)
		return true;
	store_bind_int(s, 1, snapshot);
	while (store_step(s, &row, &err) == QF_OK && row && fits) {
		struct qf_slice slice = store_text(s, 0);
		char *path = strndup(slice.p, slice.n);
		const char *paths[] = {path};
		struct qf_queue_options options = {.paths = paths, .npaths = 1};
		struct qf_queue *queue = NULL;
		size_t before = journal->n;
		struct stat st;

		if (!path)
			return false;
		journal->path = path;
		if (stat(path, &st) != 0 || qf_queue_open(&options, &queue, &err) != QF_OK)
			say_detail("%s: is not here: its journal is not looked at", path);
		else if (qf_journal_read(queue, changes_journal(), take_entry, journal, NULL,
					 &err) != QF_OK)
			say_note("%s: its journal cannot be read: %s", path, err.why);
		for (size_t i = before; i < journal->n; i++)
			fits &= is_whole(&journal->entries[i]);
		qf_queue_free(queue);
		journal->path = NULL;
		free(path);
	}
	store_reset(s);
	return fits;
}

static int
by_id(const void *a, const void *b)
{
	const struct audit_entry *x = a, *y = b;
	int order = strcmp(x->id, y->id);

	if (!order)
		order = x->time < y->time ? -1 : x->time > y->time;
	if (!order)
		order = strcmp(x->entry, y->entry);
	return order ? order : y->own - x->own;
}

/* Two snapshots of one queue give each entry twice. */
void
audit_journal_sort(struct audit_journal *journal)
{
	size_t kept = 0;

	if (journal->n)
		qsort(journal->entries, journal->n, sizeof(*journal->entries), by_id);
	for (size_t i = 0; i < journal->n; i++) {
		struct audit_entry *e = &journal->entries[i];
		bool again = false;

		for (size_t k = kept; k > 0 && !again && !strcmp(journal->entries[k - 1].id, e->id);
		     k--)
			again = strcmp(journal->entries[k - 1].entry, e->entry) == 0;
		if (!again) {
			journal->entries[kept++] = *e;
			continue;
		}
		release_entry(e);
	}
	journal->n = kept;
}

void
audit_journal_release(struct audit_journal *journal)
{
	for (size_t i = 0; i < journal->n; i++)
		release_entry(&journal->entries[i]);
	free(journal->entries);
	*journal = (struct audit_journal){0};
}

const struct audit_entry *
audit_journal_of(const struct audit_journal *journal, struct qf_slice id, size_t *n)
{
	size_t low = 0, high = journal->n, end;

	*n = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *other = journal->entries[middle].id;
		size_t length = strlen(other), least = length < id.n ? length : id.n;
		int order = memcmp(other, id.p, least);

		if (order < 0 || (order == 0 && length < id.n))
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < journal->n && strlen(journal->entries[end].id) == id.n &&
			memcmp(journal->entries[end].id, id.p, id.n) == 0;
	     end++)
		++*n;
	return *n ? &journal->entries[low] : NULL;
}
