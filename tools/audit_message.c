/*
 * audit_message - one message: read in a reading thread, stored by the writer.
 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit_index.h"
#include "audit_letters.h"
#include "store_address.h"

/* Data files up to this size are hashed without being asked for. */
#define DIGEST_UP_TO ((int64_t)65536)
/* Of a body, so much is read for its text. */
#define BODY_MAX ((size_t)1 << 20)

/* A damaged control file that is kept as it is has at most so many bytes. */
#define RAW_MAX ((size_t)1 << 20)

struct audit_reader {
	struct audit_snapshot *snapshot;
	struct qf_buf body, headers;
	unsigned char block[65536];
};

void *
audit_reader_new(void *snapshot)
{
	struct audit_reader *reader = calloc(1, sizeof(*reader));

	if (reader)
		reader->snapshot = snapshot;
	return reader;
}

void
audit_reader_free(void *arg)
{
	struct audit_reader *reader = arg;

	if (!reader)
		return;
	qf_buf_release(&reader->body);
	qf_buf_release(&reader->headers);
	free(reader);
}

double
audit_since(uint64_t began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((double)now.tv_sec * 1e9 + (double)now.tv_nsec - (double)began) / 1e9;
}

static void
add_number(struct sha256_ctx *hash, uint64_t number)
{
	uint8_t bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (8 * i));
	sha256_update(hash, sizeof(bytes), bytes);
}

static void
add_slice(struct sha256_ctx *hash, struct qf_slice slice)
{
	add_number(hash, slice.n);
	if (slice.n)
		sha256_update(hash, slice.n, (const uint8_t *)slice.p);
}

static void
make_keys(struct qf_msg *msg, struct audit_read *read)
{
	const struct qf_files *files = qf_msg_files(msg);
	struct sha256_ctx hash;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct qf_slice bytes = qf_msg_bytes(msg);

	sha256_init(&hash);
	if (bytes.n)
		sha256_update(&hash, bytes.n, (const uint8_t *)bytes.p);
	sha256_digest(&hash, sizeof(digest), digest);
	memcpy(read->content, digest, AUDIT_KEY);

	sha256_init(&hash);
	sha256_update(&hash, AUDIT_KEY, read->content);
	add_slice(&hash, files->queue);
	add_slice(&hash, files->name);
	add_number(&hash, files->mode);
	add_number(&hash, files->uid);
	add_number(&hash, files->gid);
	add_number(&hash, files->inode);
	add_number(&hash, (uint64_t)files->mtime);
	add_number(&hash, (uint64_t)files->ctime);
	add_number(&hash, files->ctime_nsec);
	add_number(&hash, (uint64_t)files->data_size);
	sha256_digest(&hash, sizeof(digest), digest);
	memcpy(read->key, digest, AUDIT_KEY);
}

void
audit_message_key(struct qf_msg *msg, unsigned char key[AUDIT_KEY])
{
	struct audit_read read;

	make_keys(msg, &read);
	memcpy(key, read.key, AUDIT_KEY);
}

/* The data file: its hash, and with --bodies its beginning into reader->body. */
static void
read_data(struct audit_reader *reader, struct qf_msg *msg, struct audit_read *out)
{
	struct sha256_ctx hash;
	ssize_t n;
	int fd;

	qf_buf_clear(&reader->body);
	if (qf_part_open(reader->snapshot->source.queue, msg, QF_PART_DATA, &fd, NULL) != QF_OK) {
		out->digest_failed = true;
		return;
	}
	sha256_init(&hash);
	for (;;) {
		n = read(fd, reader->block, sizeof(reader->block));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		sha256_update(&hash, (size_t)n, reader->block);
		if (audit_given.bodies && reader->body.n < BODY_MAX)
			qf_buf_add(&reader->body, reader->block, (size_t)n);
	}
	close(fd);
	if (n < 0) {
		out->digest_failed = true;
		return;
	}
	sha256_digest(&hash, AUDIT_DIGEST, out->digest);
	out->has_digest = true;
}

bool
audit_read_message(void *arg, struct qf_msg *msg, struct qf_buf *text)
{
	struct audit_reader *reader = arg;
	struct audit_snapshot *snapshot;
	const struct qf_files *files = qf_msg_files(msg);
	struct audit_read out;
	uint64_t half;

	memset(&out, 0, sizeof(out));
	if (!reader) {
		text->failed = true;
		return true;
	}
	snapshot = reader->snapshot;
	out.seen = audit_since(snapshot->began);
	make_keys(msg, &out);
	memcpy(&half, out.key, sizeof(half));
	if (files->data_size >= 0 &&
	    (snapshot->always_digest ||
	     (files->data_size <= DIGEST_UP_TO && !audit_set_has(&snapshot->known, half))))
		read_data(reader, msg, &out);
	out.has_body = audit_given.bodies && out.has_digest;
	qf_buf_add(text, &out, sizeof(out));
	if (out.has_body) {
		qf_buf_clear(&reader->headers);
		qf_headers_write(msg, &reader->headers);
		if (qf_mime_text((struct qf_slice){reader->headers.p, reader->headers.n},
				 (struct qf_slice){reader->body.p, reader->body.n}, BODY_MAX, text,
				 NULL) == QF_E_UNAVAILABLE)
			qf_buf_add(text, reader->body.p, reader->body.n);
	}
	text->failed |= reader->body.failed || reader->headers.failed;
	return true;
}

/* ------------------------------------------------------------------ storing */

static enum qf_code
store_recipients(struct store *store, int64_t content, const struct qf_envelope *envelope,
		 struct qf_err *err)
{
	struct store_statement *insert;
	struct qf_buf scratch = {0};
	enum qf_code code = store_cached(
		store, "INSERT INTO recipients VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
		&insert, err);

	for (size_t i = 0; i < envelope->nrecipients && code == QF_OK; i++) {
		const struct qf_recipient *r = &envelope->recipients[i];
		char flags[AUDIT_LETTERS_MAX];

		audit_letters(r->flags, audit_recipient_letters, flags);
		store_bind_int(insert, 1, content);
		store_bind_int(insert, 2, (int64_t)i + 1);
		store_bind_text(insert, 3, r->address.p ? r->address : (struct qf_slice){"", 0});
		store_bind_text(insert, 4,
				store_address(r->address.p ? r->address : (struct qf_slice){"", 0},
					      &scratch));
		store_bind_string(insert, 5, flags);
		store_bind_text(insert, 6, r->original);
		store_bind_text(insert, 7, r->final);
		store_bind_text(insert, 8, r->status);
		store_bind_text(insert, 9, r->controller);
		code = store_run(insert, err);
	}
	qf_buf_release(&scratch);
	return code;
}

static enum qf_code
store_headers(struct store *store, int64_t content, struct qf_msg *msg, struct qf_err *err)
{
	const struct qf_envelope *envelope = qf_msg_envelope(msg);
	struct store_statement *insert;
	enum qf_code code =
		store_cached(store, "INSERT INTO headers VALUES (?1, ?2, ?3, ?4)", &insert, err);

	for (size_t i = 0; i < envelope->nheaders && code == QF_OK; i++) {
		store_bind_int(insert, 1, content);
		store_bind_int(insert, 2, (int64_t)i + 1);
		store_bind_text(insert, 3,
				envelope->headers[i].name.p ? envelope->headers[i].name
							    : (struct qf_slice){"", 0});
		store_bind_text(insert, 4, qf_header_text(msg, &envelope->headers[i]));
		code = store_run(insert, err);
	}
	return code;
}

static enum qf_code
store_content(struct audit_snapshot *snapshot, struct qf_msg *msg, const struct audit_read *read,
	      const struct qf_outlook *outlook, int64_t *id, struct qf_err *err)
{
	const struct qf_envelope *e = qf_msg_envelope(msg);
	struct store *store = snapshot->store;
	struct store_statement *s;
	struct qf_slice bytes = qf_msg_bytes(msg);
	char flags[AUDIT_LETTERS_MAX];
	size_t wrong;
	bool found;
	enum qf_code code =
		store_cached(store, "SELECT id FROM contents WHERE digest = ?1", &s, err);

	if (code != QF_OK)
		return code;
	store_bind_blob(s, 1, read->content, AUDIT_KEY);
	code = store_step(s, &found, err);
	if (code != QF_OK)
		return code;
	if (found) {
		*id = store_int(s, 0);
		store_reset(s);
		return QF_OK;
	}
	code = store_cached(
		store,
		"INSERT INTO contents (digest, created, last_try, tries, priority,"
		" sender, status, quarantine, envid, auth, body_type, flags,"
		" timeout_class, subject, message_id, nrcpts, size, raw, deliver_by, "
		"deliver_by_flag) VALUES (?1, ?2, ?3,"
		" ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
		&s, err);
	if (code != QF_OK)
		return code;
	audit_letters(e->flags, audit_message_letters, flags);
	store_bind_blob(s, 1, read->content, AUDIT_KEY);
	store_bind_time(s, 2, e->created);
	store_bind_time(s, 3, e->last_try);
	store_bind_int(s, 4, e->tries);
	if (e->has_priority)
		store_bind_int(s, 5, e->priority);
	else
		store_bind_null(s, 5);
	store_bind_text(s, 6, e->sender);
	store_bind_text(s, 7, e->status);
	store_bind_text(s, 8, e->quarantine);
	store_bind_text(s, 9, e->envid);
	store_bind_text(s, 10, e->auth);
	store_bind_text(s, 11, e->body_type);
	store_bind_string(s, 12, flags);
	store_bind_string(s, 13, qf_timeout_class_name(outlook->timeout_class));
	store_bind_text(s, 14, qf_msg_header(msg, "Subject"));
	store_bind_text(s, 15, qf_msg_header(msg, "Message-Id"));
	store_bind_int(s, 16, (int64_t)e->nrecipients);
	store_bind_int(s, 17, (int64_t)bytes.n);
	qf_msg_diagnostics(msg, &wrong);
	store_bind_time(s, 19, e->deliver_by.present ? e->deliver_by.seconds : QF_TIME_NONE);
	store_bind_time(s, 20, e->deliver_by.present ? e->deliver_by.flag : QF_TIME_NONE);
	if (wrong && bytes.n <= RAW_MAX)
		store_bind_blob(s, 18, bytes.n ? bytes.p : "", bytes.n);
	else
		store_bind_null(s, 18);
	code = store_run(s, err);
	if (code != QF_OK)
		return code;
	*id = store_last_id(store);
	code = store_recipients(store, *id, e, err);
	return code == QF_OK ? store_headers(store, *id, msg, err) : code;
}

static enum qf_code
store_findings(struct store *store, int64_t message, const struct qf_msg *msg, struct qf_err *err)
{
	struct store_statement *insert;
	size_t n;
	const struct qf_diagnostic *d = qf_msg_diagnostics(msg, &n);
	enum qf_code code = QF_OK;

	if (n)
		code = store_cached(store,
				    "INSERT INTO findings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
				    &insert, err);
	for (size_t i = 0; i < n && code == QF_OK; i++) {
		store_bind_int(insert, 1, message);
		store_bind_int(insert, 2, (int64_t)i + 1);
		store_bind_string(insert, 3, qf_finding_type(d[i].finding)->code);
		store_bind_string(insert, 4, qf_fate_name(d[i].fate));
		store_bind_int(insert, 5, d[i].line);
		store_bind_int(insert, 6, d[i].column);
		store_bind_text(insert, 7, d[i].detail);
		code = store_run(insert, err);
	}
	return code;
}

static enum qf_code
store_body(struct store *store, const struct audit_read *read, struct qf_slice body,
	   struct qf_err *err)
{
	struct store_statement *s;
	struct qf_slice text = body.p ? body : (struct qf_slice){"", 0};
	enum qf_code code = store_cached(
		store, "INSERT INTO bodies (digest, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_blob(s, 1, read->digest, AUDIT_DIGEST);
	store_bind_text(s, 2, text);
	code = store_run(s, err);
	if (code != QF_OK || store_changes(store) == 0)
		return code;
	code = store_cached(store, "INSERT INTO bodies_fts (rowid, text) VALUES (?1, ?2)", &s, err);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, store_last_id(store));
	store_bind_text(s, 2, text);
	return store_run(s, err);
}

static enum qf_code
insert_message(struct audit_snapshot *snapshot, struct qf_msg *msg, const struct audit_read *read,
	       int64_t *id, struct qf_err *err)
{
	const struct qf_files *f = qf_msg_files(msg);
	struct store_statement *s;
	struct qf_outlook outlook;
	int64_t content;
	enum qf_code code;

	qf_outlook_of(msg, &snapshot->source.policy, snapshot->source.now, &outlook);
	code = store_content(snapshot, msg, read, &outlook, &content, err);
	if (code == QF_OK)
		code = store_cached(
			snapshot->store,
			"INSERT INTO messages (key, queue, file, queue_id, state, content,"
			" mode, uid, gid, inode, mtime, ctime, ctime_nsec,"
			" data_size, data_digest, warn_at, bounce_at) VALUES (?1, ?2, ?3, ?4,"
			" ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
			&s, err);
	if (code != QF_OK)
		return code;
	store_bind_blob(s, 1, read->key, AUDIT_KEY);
	store_bind_int(s, 2, snapshot->dirs[f->dir].queue);
	store_bind_text(s, 3, f->name);
	store_bind_text(s, 4, f->id);
	store_bind_string(s, 5, qf_state_name(qf_msg_state(msg)));
	store_bind_int(s, 6, content);
	for (int i = 7; i <= 13; i++)
		store_bind_null(s, i);
	if (f->have_stat) {
		store_bind_int(s, 7, f->mode);
		store_bind_int(s, 8, f->uid);
		store_bind_int(s, 9, f->gid);
		store_bind_int(s, 10, (int64_t)f->inode);
		store_bind_int(s, 11, f->mtime);
		store_bind_int(s, 12, f->ctime);
		store_bind_int(s, 13, f->ctime_nsec);
	}
	/* -1: there is none; NULL: it is not known. */
	store_bind_time(s, 14, f->data_size >= -1 ? f->data_size : QF_TIME_NONE);
	if (read->has_digest)
		store_bind_blob(s, 15, read->digest, AUDIT_DIGEST);
	else
		store_bind_null(s, 15);
	store_bind_time(s, 16, outlook.warn_at);
	store_bind_time(s, 17, outlook.bounce_at);
	code = store_run(s, err);
	if (code != QF_OK)
		return code;
	*id = store_last_id(snapshot->store);
	return store_findings(snapshot->store, *id, msg, err);
}

/* Of a data file that was too large to be read without being asked for. */
static enum qf_code
add_digest(struct store *store, int64_t id, const struct audit_read *read, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code =
		store_cached(store, "UPDATE messages SET data_digest = ?2 WHERE id = ?1", &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, id);
	store_bind_blob(s, 2, read->digest, AUDIT_DIGEST);
	return store_run(s, err);
}

enum qf_code
audit_store_message(struct audit_snapshot *snapshot, struct qf_msg *msg,
		    const struct audit_read *read, struct qf_slice body, int64_t *id,
		    struct qf_err *err)
{
	struct store_statement *s;
	bool found;
	enum qf_code code;

	/* Where the data file was not read, the last that was read beside this control file counts.
	 */
	code = store_cached(
		snapshot->store,
		read->has_digest ? "SELECT id, data_digest IS NULL FROM messages WHERE key = ?1 AND"
				   " (data_digest = ?2 OR data_digest IS NULL) ORDER BY 2, 1 DESC"
				 : "SELECT id, 0 FROM messages WHERE key = ?1 ORDER BY id DESC",
		&s, err);
	if (code != QF_OK)
		return code;
	store_bind_blob(s, 1, read->key, AUDIT_KEY);
	if (read->has_digest)
		store_bind_blob(s, 2, read->digest, AUDIT_DIGEST);
	code = store_step(s, &found, err);
	if (code != QF_OK)
		return code;
	if (found) {
		bool unread = store_int(s, 1) != 0;

		*id = store_int(s, 0);
		store_reset(s);
		if (unread)
			code = add_digest(snapshot->store, *id, read, err);
	} else {
		code = insert_message(snapshot, msg, read, id, err);
	}
	if (code == QF_OK && read->has_body)
		code = store_body(snapshot->store, read, body, err);
	return code;
}
