/*
 * audit_event - one event of the mail log as rows, once.
 */
#include <stdlib.h>
#include <string.h>

#include "audit_log.h"
#include "store_address.h"

/* More in one second are only counted as the first of their kind. */
#define ROOM_MAX ((size_t)1 << 20)

void
audit_log_keys_clear(struct audit_log_keys *keys)
{
	if (keys->n)
		memset(keys->slots, 0, keys->room * sizeof(*keys->slots));
	keys->n = 0;
	keys->time = QF_TIME_NONE;
}

void
audit_log_keys_release(struct audit_log_keys *keys)
{
	free(keys->slots);
	free(keys->counts);
	*keys = (struct audit_log_keys){0};
}

static bool
grow(struct audit_log_keys *keys)
{
	size_t room = keys->room ? keys->room * 2 : 256;
	uint64_t *slots = calloc(room, sizeof(*slots));
	uint32_t *counts = calloc(room, sizeof(*counts));

	if (!slots || !counts) {
		free(slots);
		free(counts);
		return false;
	}
	for (size_t i = 0; i < keys->room; i++) {
		size_t at = keys->slots[i] & (room - 1);

		if (!keys->slots[i])
			continue;
		while (slots[at])
			at = (at + 1) & (room - 1);
		slots[at] = keys->slots[i];
		counts[at] = keys->counts[i];
	}
	free(keys->slots);
	free(keys->counts);
	keys->slots = slots;
	keys->counts = counts;
	keys->room = room;
	return true;
}

/* How many with this key came before, in the same second. False: memory is out. */
static bool
count_before(struct audit_log_keys *keys, int64_t time, const unsigned char key[16], uint64_t *n)
{
	uint64_t half;
	size_t at;

	/* Its end: it begins with the time, which all of them share. */
	memcpy(&half, key + 8, sizeof(half));
	half += half == 0;
	*n = 0;
	if (keys->n && time != keys->time) {
		/* A large table, for one busy second, is not cleared for each quiet one. */
		if (keys->room > 4096)
			audit_log_keys_release(keys);
		else
			audit_log_keys_clear(keys);
	}
	keys->time = time;
	if (keys->n * 2 >= keys->room && keys->room < ROOM_MAX && !grow(keys))
		return false;
	if (keys->n * 2 >= keys->room)
		return true;
	for (at = half & (keys->room - 1); keys->slots[at]; at = (at + 1) & (keys->room - 1)) {
		if (keys->slots[at] == half) {
			*n = ++keys->counts[at];
			return true;
		}
	}
	keys->slots[at] = half;
	keys->counts[at] = 0;
	keys->n++;
	return true;
}

/* Of "ADDRESS (uid/gid)" the address. */
static struct qf_slice
controller_of(const struct qf_log_event *e, struct qf_buf *scratch)
{
	struct qf_slice address = e->controller;
	const char *blank = address.n ? memrchr(address.p, ' ', address.n) : NULL;

	if (blank && blank + 1 < address.p + address.n && blank[1] == '(')
		address.n = (size_t)(blank - address.p);
	return address.n ? store_address(address, scratch) : (struct qf_slice){NULL, 0};
}

static enum qf_code
insert_event(struct store *store, int64_t file, const struct qf_log_event *e,
	     const unsigned char key[16], struct qf_err *err)
{
	struct store_statement *s;
	struct qf_buf scratch = {0};
	enum qf_code code = store_cached(
		store,
		"INSERT INTO events (key, file, line, time, host, pid, kind, queue_id, outcome, "
		"report,"
		" sender, message_id, relay, dsn, stat, reason, size, nrcpts, delay, controller,"
		" xdelay, priority, class) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
		" ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)"
		" ON CONFLICT DO NOTHING",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_blob(s, 1, key, 16);
	store_bind_int(s, 2, file);
	store_bind_int(s, 3, (int64_t)e->line);
	store_bind_time(s, 4, e->time);
	store_bind_text(s, 5, e->host);
	store_bind_time(s, 6, e->pid >= 0 ? e->pid : QF_TIME_NONE);
	store_bind_string(s, 7, qf_log_kind_name(e->kind));
	store_bind_text(s, 8, e->id);
	store_bind_string(s, 9,
			  e->kind == QF_LOG_DELIVERY ? qf_log_outcome_name(e->outcome) : NULL);
	store_bind_string(s, 10, e->kind == QF_LOG_REPORT ? qf_log_report_name(e->report) : NULL);
	store_bind_text(s, 11, e->sender);
	store_bind_text(s, 12, e->message_id);
	store_bind_text(s, 13, e->relay);
	store_bind_text(s, 14, e->dsn);
	store_bind_text(s, 15, e->stat);
	/* What nothing is known of is kept as it stands. */
	store_bind_text(s, 16, e->kind == QF_LOG_OTHER ? e->text : e->reason);
	store_bind_time(s, 17, e->size >= 0 ? e->size : QF_TIME_NONE);
	store_bind_time(s, 18, e->nrcpts >= 0 ? e->nrcpts : QF_TIME_NONE);
	store_bind_time(s, 19, e->delay >= 0 ? e->delay : QF_TIME_NONE);
	store_bind_text(s, 20, controller_of(e, &scratch));
	store_bind_time(s, 21, e->xdelay >= 0 ? e->xdelay : QF_TIME_NONE);
	store_bind_time(s, 22, e->priority >= 0 ? e->priority : QF_TIME_NONE);
	store_bind_time(s, 23, e->mail_class ? e->mail_class : QF_TIME_NONE);
	code = store_run(s, err);
	qf_buf_release(&scratch);
	return code;
}

bool
audit_log_key(struct audit_log_keys *keys, const struct qf_log_event *event, unsigned char key[16])
{
	uint64_t before;

	qf_log_event_key(event, 0, key);
	if (!count_before(keys, event->time, key, &before))
		return false;
	if (before)
		qf_log_event_key(event, before, key);
	return true;
}

enum qf_code
audit_store_event(struct store *store, const unsigned char key[16], int64_t file,
		  const struct qf_log_event *e, bool *is_new, struct qf_err *err)
{
	struct store_statement *s;
	struct qf_buf scratch = {0};
	int64_t id;
	enum qf_code code;

	*is_new = false;
	code = insert_event(store, file, e, key, err);
	if (code != QF_OK || store_changes(store) == 0)
		return code;
	*is_new = true;
	id = store_last_id(store);
	if (e->nrecipients)
		code = store_cached(store, "INSERT INTO event_recipients VALUES (?1, ?2, ?3, ?4)",
				    &s, err);
	for (size_t i = 0; i < e->nrecipients && code == QF_OK; i++) {
		store_bind_int(s, 1, id);
		store_bind_int(s, 2, (int64_t)i + 1);
		store_bind_text(s, 3, e->recipients[i]);
		store_bind_text(s, 4, store_address(e->recipients[i], &scratch));
		code = store_run(s, err);
	}
	if (e->nchildren && code == QF_OK)
		code = store_cached(store, "INSERT INTO event_children VALUES (?1, ?2, ?3)", &s,
				    err);
	for (size_t i = 0; i < e->nchildren && code == QF_OK; i++) {
		store_bind_int(s, 1, id);
		store_bind_int(s, 2, (int64_t)i + 1);
		store_bind_text(s, 3, e->children[i]);
		code = store_run(s, err);
	}
	qf_buf_release(&scratch);
	return code;
}
