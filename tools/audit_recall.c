/*
 * audit_recall - a message of the database, put together again: what was damaged has its bytes
 * there, the others are composed from their columns.
 */
#include <stdlib.h>
#include <string.h>

#include "audit_letters.h"
#include "audit_recall.h"

void
audit_recall_release(struct audit_recall *recall)
{
	qf_buf_release(&recall->bytes);
	qf_buf_release(&recall->text);
	qf_buf_release(&recall->details);
	free(recall->recipients);
	free(recall->headers);
	*recall = (struct audit_recall){0};
}

/* Slices of rows last until the next step: all text of a message is gathered first, as offsets. */
static struct qf_slice
keep(struct audit_recall *recall, struct qf_slice text)
{
	size_t at = recall->text.n;

	if (!text.p)
		return text;
	qf_buf_add(&recall->text, text.p, text.n);
	return (struct qf_slice){(const char *)(uintptr_t)(at + 1), text.n};
}

static void
settle(const struct audit_recall *recall, struct qf_slice *slice)
{
	if (slice->p)
		slice->p = recall->text.p ? recall->text.p + ((uintptr_t)slice->p - 1) : "";
}

static enum qf_code
load_recipients(struct audit_recall *recall, struct store *store, int64_t content, size_t *n,
		struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code =
		store_cached(store,
			     "SELECT address, flags, original, final, status, controller"
			     " FROM recipients WHERE content = ?1 ORDER BY n",
			     &s, err);

	*n = 0;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, content);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		if (!store_room((void **)&recall->recipients, &recall->room_recipients, *n,
			       sizeof(*recall->recipients))) {
			store_reset(s);
			return store_no_memory(err);
		}
		recall->recipients[(*n)++] = (struct qf_recipient){
			.address = keep(recall, store_text(s, 0)),
			.flags = audit_bits(store_text(s, 1), audit_recipient_letters),
			.original = keep(recall, store_text(s, 2)),
			.final = keep(recall, store_text(s, 3)),
			.status = keep(recall, store_text(s, 4)),
			.controller = keep(recall, store_text(s, 5)),
		};
	}
	return code;
}

/* As a control file has it: a byte 0xFF quotes the one after it. */
static void
add_quoted(struct qf_buf *out, struct qf_slice value)
{
	for (size_t i = 0; i < value.n; i++) {
		if ((unsigned char)value.p[i] == 0xff)
			qf_buf_addc(out, '\xff');
		qf_buf_addc(out, value.p[i]);
	}
}

static enum qf_code
load_headers(struct audit_recall *recall, struct store *store, int64_t content, size_t *n,
	     struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		store, "SELECT name, value FROM headers WHERE content = ?1 ORDER BY n", &s, err);

	*n = 0;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, content);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_header *header;
		struct qf_slice value = store_text(s, 1);
		size_t at;

		if (!store_room((void **)&recall->headers, &recall->room_headers, *n,
			       sizeof(*recall->headers))) {
			store_reset(s);
			return store_no_memory(err);
		}
		header = &recall->headers[(*n)++];
		*header = (struct qf_header){.name = keep(recall, store_text(s, 0))};
		/* As it stands in the file: a blank before the text. */
		at = recall->text.n;
		qf_buf_addc(&recall->text, ' ');
		add_quoted(&recall->text, value);
		header->value =
			(struct qf_slice){(const char *)(uintptr_t)(at + 1), recall->text.n - at};
	}
	return code;
}

/* Offsets become pointers, when the text does not move any more. */
static void
settle_all(const struct audit_recall *recall, const struct qf_envelope *e)
{
	for (size_t i = 0; i < e->nrecipients; i++) {
		struct qf_recipient *r = &recall->recipients[i];

		settle(recall, &r->address);
		settle(recall, &r->original);
		settle(recall, &r->final);
		settle(recall, &r->status);
		settle(recall, &r->controller);
	}
	for (size_t i = 0; i < e->nheaders; i++) {
		settle(recall, &recall->headers[i].name);
		settle(recall, &recall->headers[i].value);
		recall->headers[i].condition = (struct qf_slice){"", 0};
	}
}

static enum qf_code
compose(struct audit_recall *recall, struct store *store, const struct store_statement *row,
	struct qf_err *err)
{
	int64_t content = store_int(row, 1);
	struct qf_envelope e = {
		.version = 8,
		.created = store_time(row, 13),
		.last_try = store_time(row, 14),
		.tries = store_int(row, 15),
		.has_priority = !store_is_null(row, 16),
		.priority = store_int(row, 16),
		.sender = store_text(row, 17),
		.status = store_text(row, 18),
		.quarantine = store_text(row, 19),
		.envid = store_text(row, 20),
		.auth = store_text(row, 21),
		.body_type = store_text(row, 22),
		.flags = audit_bits(store_text(row, 23), audit_message_letters),
		.deliver_by = {.present = !store_is_null(row, 26),
			       .seconds = store_int(row, 26),
			       .flag = (unsigned char)store_int(row, 27)},
	};
	enum qf_code code;

	qf_buf_clear(&recall->text);
	code = load_recipients(recall, store, content, &e.nrecipients, err);
	if (code == QF_OK)
		code = load_headers(recall, store, content, &e.nheaders, err);
	if (code != QF_OK)
		return code;
	settle_all(recall, &e);
	e.recipients = recall->recipients;
	e.headers = recall->headers;
	qf_buf_clear(&recall->bytes);
	qf_envelope_write(&e, &recall->bytes);
	return recall->bytes.failed || recall->text.failed ? store_no_memory(err) : QF_OK;
}

/* Findings that the bytes do not show. */
static enum qf_code
load_found(struct audit_recall *recall, struct store *store, int64_t message, struct qf_err *err)
{
	struct store_statement *s;
	size_t starts[AUDIT_RECALL_FOUND];
	bool row;
	enum qf_code code = store_cached(
		store, "SELECT code, detail FROM findings WHERE message = ?1 AND line = 0", &s,
		err);

	recall->nfound = 0;
	qf_buf_clear(&recall->details);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, message);
	while ((code = store_step(s, &row, err)) == QF_OK && row &&
	       recall->nfound < AUDIT_RECALL_FOUND) {
		struct qf_slice word = store_text(s, 0), detail = store_text(s, 1);

		for (int i = 0; i < QF_F_COUNT; i++) {
			const char *name = qf_finding_type((enum qf_finding)i)->code;

			if (word.n != strlen(name) || memcmp(word.p, name, word.n) != 0)
				continue;
			starts[recall->nfound] = recall->details.n;
			recall->found[recall->nfound++] = (struct qf_diagnostic){
				.finding = (enum qf_finding)i, .detail = detail};
			if (detail.p)
				qf_buf_add(&recall->details, detail.p, detail.n);
		}
	}
	store_reset(s);
	for (size_t i = 0; i < recall->nfound; i++)
		if (recall->found[i].detail.p)
			recall->found[i].detail.p =
				recall->details.p ? recall->details.p + starts[i] : "";
	return code;
}

enum qf_code
audit_recall(struct audit_recall *recall, struct store *store, const struct store_statement *row,
	     struct qf_msg **out, struct qf_err *err)
{
	struct qf_slice name = store_text(row, 2), raw = store_text(row, 25);
	struct qf_parse_options options = {
		.kind = qf_name_kind(name.p ? name.p : "", name.n),
		.files = &recall->files,
	};
	enum qf_code code = QF_OK;

	recall->files = (struct qf_files){
		.name = name,
		.id = store_text(row, 3),
		.queue = store_text(row, 5),
		.have_stat = !store_is_null(row, 6),
		.mode = (uint32_t)store_int(row, 6),
		.uid = (uint32_t)store_int(row, 7),
		.gid = (uint32_t)store_int(row, 8),
		.inode = (uint64_t)store_int(row, 9),
		.mtime = store_int(row, 10),
		.ctime = store_int(row, 11),
		.data_size = store_is_null(row, 12) ? -2 : store_int(row, 12),
		.control_size = store_int(row, 24),
		.busy = QF_UNKNOWN,
	};
	code = load_found(recall, store, store_int(row, 0), err);
	options.found = recall->found;
	options.nfound = recall->nfound;
	if (code == QF_OK && !raw.p) {
		code = compose(recall, store, row, err);
		raw = (struct qf_slice){recall->bytes.p, recall->bytes.n};
	}
	return code == QF_OK ? qf_msg_parse(raw, &options, out, err) : code;
}
