/*
 * txn_edit - edit: recipients struck or replaced, another sender, a new creation time; and undo.
 *
 * One step: the new version over the old one, as due does it. Every line that is not meant to change
 * stays byte for byte. What belongs to a recipient goes with it: the M, Q and r lines before its R
 * line, and a C line once all recipients it is in force for are struck. A recipient that is replaced
 * loses M, Q and r, which tell of the address it had, and the letter A (made from an alias).
 * Whoever has no recipient left is removed, as rm does it.
 *
 * The journal has the control file of before and the digest of the one after: undo puts the former
 * back as long as the latter still is what lies there. After a queue run it is not, and what was
 * delivered meanwhile would be owed again.
 */
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "msg.h"
#include "txn.h"

enum { STRUCK = 'd', REPLACED = 's', LEFT = ' ' };

/* What sendmail reads back; it refuses longer ones. */
#define ADDRESS_MAX 255

/*
 * Seen with sendmail 8.17: as an R line an address of more than 255 bytes, one with a byte of 0x80
 * to 0x9f (half of some UTF-8 letters) and one that is a comment alone are dropped without a word,
 * and the recipient with them; of several with commas the last one gets it; what begins with | goes
 * to the program mailer where a C line is in force. As a sender they become MAILER-DAEMON.
 */
static bool
byte_ok(unsigned char c)
{
	return c >= ' ' && c != 0x7f && !(c >= 0x80 && c <= 0x9f) && c != 0xff;
}

/* Behind the quoted string that begins here; NULL where it does not end, or is empty. */
static const char *
behind_quoted(const char *c, const char *end)
{
	const char *start = ++c;

	for (; c < end && *c != '"'; c++)
		if (*c == '\\' && ++c == end)
			return NULL;
	return c < end && c > start ? c + 1 : NULL;
}

bool
qf_edit_address_ok(const char *address)
{
	size_t n = strlen(address);
	const char *c = address, *end = address + n, *at = NULL, *first;
	bool literal = false;

	if (strcmp(address, "<>") == 0)
		return true;
	if (n > ADDRESS_MAX)
		return false;
	if (n > 2 && *c == '<' && end[-1] == '>') {
		c++;
		end--;
	}
	/* A program, a file, a list of addresses: aliases alone may say so. Quotes do not hide it. */
	first = *c == '"' ? c + 1 : c;
	if (c == end || *first == '|' || *first == '/')
		return false;
	for (const char *b = c; b < end; b++)
		if (!byte_ok((unsigned char)*b))
			return false;
	for (first = c; c && c < end;) {
		if (*c == '"') {
			c = at ? NULL : behind_quoted(c, end);
			continue;
		}
		if (strchr(" ()<>,;\\", *c) || (*c == ':' && !literal))
			return false;
		if (*c == '@' && (at || c == first || c + 1 == end))
			return false;
		if (*c == '@')
			at = c;
		literal |= at && *c == '[';
		c++;
	}
	return c != NULL;
}

static enum qf_code
mark(const struct qf_query *query, const struct qf_row *row, char with, char *marks,
     struct qf_err *err)
{
	size_t n = qf_msg_envelope(row->msg)->nrecipients;
	struct qf_matcher *matcher = qf_matcher_new(query);
	enum qf_code code = matcher ? QF_OK : qf_err_nomem(err);
	bool matched;

	for (size_t i = 0; i < n && !code; i++) {
		code = qf_matcher_match_recipient(matcher, row, i, &matched, err);
		if (!code && matched)
			marks[i] = with;
	}
	qf_matcher_free(matcher);
	return code;
}

enum qf_code
qf_edit_plan(const struct qf_edit *edit, const struct qf_row *row, char *marks, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	memset(marks, LEFT, qf_msg_envelope(row->msg)->nrecipients);
	if (edit->pick)
		code = mark(edit->pick, row, REPLACED, marks, err);
	/* Who is struck is not replaced. */
	if (!code && edit->drop)
		code = mark(edit->drop, row, STRUCK, marks, err);
	return code;
}

/* ------------------------------------------------------------------ the new version */

/* What becomes of each record: kept, left out, or written anew. */
enum fate { KEEP, OMIT, NEW_RCPT, NEW_SENDER, NEW_TIME };

/* The lines before an R line that tell of its recipient: back to the record before them. */
static void
omit_satellites(const struct qf_record *records, size_t rcpt, unsigned char *fates)
{
	for (size_t i = rcpt; i-- > 0 && records[i].letter && strchr("MCQr", records[i].letter);)
		if (records[i].letter != 'C')
			fates[i] = OMIT;
}

/* A C line is in force until the next one: without anybody left in between it is left out. */
static void
omit_controllers(const struct qf_record *records, size_t n, unsigned char *fates)
{
	size_t controller = SIZE_MAX, owed = 0, struck = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i == n || records[i].letter == 'C') {
			if (controller != SIZE_MAX && struck && !owed)
				fates[controller] = OMIT;
			controller = i;
			owed = struck = 0;
		} else if (records[i].letter == 'R') {
			owed += fates[i] != OMIT;
			struck += fates[i] == OMIT;
		}
	}
}

static void
add_recipient(struct qf_buf *out, const struct qf_record *record, unsigned version,
	      const char *address)
{
	const char *colon = version > 0 ? memchr(record->value.p, ':', record->value.n) : NULL;

	qf_buf_addc(out, 'R');
	for (const char *c = record->value.p; colon && c <= colon; c++)
		if (*c != 'A')
			qf_buf_addc(out, *c);
	qf_buf_adds(out, address);
	qf_buf_addc(out, '\n');
}

bool
qf_edit_rewrite(const struct qf_work *work, const char *marks, struct qf_buf *out)
{
	const struct qf_envelope *env = qf_msg_envelope(work->msg);
	const struct qf_edit *edit = work->change->edit;
	size_t n;
	const struct qf_record *records = qf_msg_records(work->msg, &n);
	unsigned char *fates = calloc(n ? n : 1, 1);
	bool timed = false;
	struct qf_slice old = qf_msg_bytes(work->msg);

	if (!fates) {
		out->failed = true;
		return true;
	}
	for (size_t i = 0; i < env->nrecipients; i++) {
		size_t record = env->recipients[i].record;

		if (marks[i] == LEFT)
			continue;
		fates[record] = marks[i] == STRUCK ? OMIT : NEW_RCPT;
		omit_satellites(records, record, fates);
	}
	omit_controllers(records, n, fates);
	for (size_t i = 0; i < n; i++) {
		timed |= records[i].letter == 'T';
		if (edit->sender && records[i].letter == 'S')
			fates[i] = NEW_SENDER;
		else if (edit->refresh && records[i].letter == 'T')
			fates[i] = NEW_TIME;
	}
	for (size_t i = 0; i < n; i++) {
		/* Without such a line sendmail takes the time of each reading. */
		if (edit->refresh && !timed && records[i].letter != 'V') {
			qf_buf_addf(out, "T%lld\n", (long long)work->txn->options.now);
			timed = true;
		}
		if (fates[i] == KEEP)
			qf_buf_add_slice(out, records[i].raw);
		else if (fates[i] == NEW_RCPT)
			add_recipient(out, &records[i], (unsigned)env->version, edit->new_rcpt);
		else if (fates[i] == NEW_SENDER)
			qf_buf_addf(out, "S%s\n", edit->sender);
		else if (fates[i] == NEW_TIME)
			qf_buf_addf(out, "T%lld\n", (long long)work->txn->options.now);
	}
	free(fates);
	return out->n != old.n || memcmp(out->p, old.p, old.n) != 0;
}

static void
digest_of(struct qf_slice bytes, char hex[2 * SHA256_DIGEST_SIZE + 1])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, bytes.n, (const uint8_t *)bytes.p);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* The new version in the place of what is locked; undo is to find what was. */
static bool
put(struct qf_work *work, const struct qf_buf *bytes)
{
	char hex[2 * SHA256_DIGEST_SIZE + 1];

	if (bytes->failed)
		return qf_work_fail(work, qf_err_nomem(&work->err));
	digest_of((struct qf_slice){bytes->p, bytes->n}, hex);
	work->was_control = qf_msg_bytes(work->msg);
	work->new_digest = hex;
	return qf_work_begin(work) && qf_work_replace(work, work->name, bytes);
}

/* Who will not be owed any more: those whose fate is asked for later look here. */
static void
tell_gone(struct qf_work *work, const char *marks, bool replaced, struct qf_buf *gone)
{
	const struct qf_envelope *env = qf_msg_envelope(work->msg);

	/* So that there is memory to point to. */
	qf_buf_room(gone, 1);
	for (size_t i = 0; i < env->nrecipients; i++) {
		if (marks[i] == LEFT)
			continue;
		qf_buf_add_slice(gone, env->recipients[i].address);
		qf_buf_addc(gone, '\n');
	}
	work->gone = (struct qf_slice){gone->p, gone->n};
	work->added = replaced ? work->change->edit->new_rcpt : NULL;
}

bool
qf_txn_edit(struct qf_work *work)
{
	const struct qf_envelope *env = qf_msg_envelope(work->msg);
	size_t n = env->nrecipients, struck = 0, replaced = 0;
	char *marks = calloc(n ? n : 1, 1);
	struct qf_buf bytes = {0}, gone = {0};
	enum qf_code code;
	struct qf_row row;
	bool ok = false;

	if (!marks)
		return qf_work_fail(work, qf_err_nomem(&work->err));
	qf_row_init(&row, work->msg, work->txn->queue, qf_queue_policy(work->txn->queue),
		    work->txn->options.now);
	code = qf_edit_plan(work->change->edit, &row, marks, &work->err);
	for (size_t i = 0; i < n && !code; i++) {
		struck += marks[i] == STRUCK;
		replaced += marks[i] == REPLACED;
	}
	if (!code)
		tell_gone(work, marks, replaced > 0, &gone);
	if (!code && gone.failed)
		code = qf_err_nomem(&work->err);
	if (code)
		qf_work_fail(work, code);
	else if (!qf_work_is_sound(work) ||
		 !qf_work_is_alone(work, work->name[0] == 'h' ? "qf" : "hf"))
		;
	else if (struck == n && n)
		ok = qf_txn_remove(work);
	else if (!qf_edit_rewrite(work, marks, &bytes))
		qf_work_end(work, QF_RESULT_SKIPPED, "nothing in it is to be changed");
	else
		ok = put(work, &bytes);
	if (ok && struck == n)
		qf_work_end(work, QF_RESULT_DONE, "no recipient is left: removed, into the trash");
	else if (ok && struck + replaced)
		qf_work_end(work, QF_RESULT_DONE, "%zu of %zu recipients struck, %zu replaced",
			    struck, n, replaced);
	qf_buf_release(&bytes);
	qf_buf_release(&gone);
	free(marks);
	return ok;
}

bool
qf_txn_put_back(struct qf_work *work)
{
	char hex[2 * SHA256_DIGEST_SIZE + 1];
	struct qf_buf bytes = {0};
	bool ok = false;

	digest_of(qf_msg_bytes(work->msg), hex);
	if (strcmp(hex, work->change->digest) != 0) {
		qf_work_end(work, QF_RESULT_SKIPPED, "it has been tried or changed since; what was "
						     "delivered meanwhile would be owed again");
		return false;
	}
	qf_buf_add_slice(&bytes, work->change->control);
	ok = put(work, &bytes);
	qf_buf_release(&bytes);
	return ok;
}
