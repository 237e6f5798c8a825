/*
 * audit_mailbox - delivered mail as evidence: the file in a mailbox that is this message, and whose
 * mailbox it is.
 *
 * It is this message where it has its Message-ID, and a Received line of its id from the host that
 * the message's own Received line names. It proves delivery to one recipient: the one that the mail
 * names (Delivered-To, or "for" of that line, which sendmail writes for a single recipient only),
 * or the only one after whose address the mailbox is called: its directory after the address, or
 * after the local part with the domain above it.
 */
#include <string.h>
#include <strings.h>

#include "audit_fate.h"
#include "audit_mailstore.h"

/* ------------------------------------------------------------------ is it this message? */

static bool
same(struct qf_slice a, struct qf_slice b)
{
	return a.p && b.p && a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* What the queue's own copy says of the host that gave this id. *said: it says something. */
static enum qf_code
check_host(struct store *store, int64_t content, struct qf_slice id, struct qf_slice host,
	   bool *said, bool *right, struct qf_err *err)
{
	struct store_statement *s;
	struct qf_buf field = {0};
	struct audit_mail mail;
	bool row;
	enum qf_code code = store_cached(store,
					 "SELECT value FROM headers WHERE content = ?1 AND "
					 "lower(name) = 'received' ORDER BY n",
					 &s, err);

	*said = *right = false;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, content);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice value = store_text(s, 0);

		qf_buf_clear(&field);
		qf_buf_adds(&field, "Received: ");
		if (value.p)
			qf_buf_add(&field, value.p, value.n);
		qf_buf_addc(&field, '\n');
		if (field.failed)
			continue;
		audit_mail_read(field.p, field.n, &mail);
		if (mail.nhops && mail.hops[0].id.p && audit_compare(mail.hops[0].id, id) == 0) {
			*said = true;
			*right = same(mail.hops[0].host, host);
			break;
		}
	}
	store_reset(s);
	qf_buf_release(&field);
	return code;
}

/* ------------------------------------------------------------------ whose mailbox is it? */

static struct qf_slice
local_part(struct qf_slice bare, struct qf_slice *domain)
{
	const char *at = bare.n ? memrchr(bare.p, '@', bare.n) : NULL, *plus;
	struct qf_slice local = {bare.p, at ? (size_t)(at - bare.p) : bare.n};

	*domain = at ? (struct qf_slice){at + 1, bare.n - local.n - 1} : (struct qf_slice){NULL, 0};
	plus = local.n ? memchr(local.p, '+', local.n) : NULL;
	if (plus && plus > local.p)
		local.n = (size_t)(plus - local.p);
	return local;
}

/* Is that one of the directories of a path? */
static bool
in_path(struct qf_slice path, struct qf_slice name)
{
	while (path.n) {
		const char *slash = memchr(path.p, '/', path.n);
		size_t n = slash ? (size_t)(slash - path.p) : path.n;

		if (same((struct qf_slice){path.p, n}, name))
			return true;
		path = slash ? (struct qf_slice){slash + 1, path.n - n - 1}
			     : (struct qf_slice){NULL, 0};
	}
	return false;
}

/* The directory that is called after whoever the mailbox is: the last one, or the one above a
   folder of the usual name for mail. What stands above it is left in path. */
static struct qf_slice
owner_of(struct qf_slice *path)
{
	static const char *const usual[] = {"maildir", ".maildir", "mail"};

	for (int up = 0; up < 2; up++) {
		const char *slash = path->n ? memrchr(path->p, '/', path->n) : NULL;
		size_t at = slash ? (size_t)(slash - path->p) + 1 : 0;
		struct qf_slice name = {path->p + at, path->n - at};
		bool is_usual = false;

		for (size_t i = 0; i < sizeof(usual) / sizeof(*usual) && !up; i++)
			is_usual |= same(name, (struct qf_slice){usual[i], strlen(usual[i])});
		path->n = at ? at - 1 : 0;
		if (!is_usual)
			return name;
	}
	return (struct qf_slice){NULL, 0};
}

static bool
owns(struct qf_slice path, struct qf_slice bare)
{
	struct qf_slice domain, local = local_part(bare, &domain), owner = owner_of(&path);

	if (!local.n || !owner.n)
		return false;
	return (domain.p && same(owner, bare)) ||
	       (same(owner, local) && (!domain.p || in_path(path, domain)));
}

static bool
has(const struct audit_recipients *list, struct qf_slice bare)
{
	for (size_t i = 0; i < list->n && bare.p; i++)
		if (audit_compare(list->all[i].bare, bare) == 0)
			return true;
	return false;
}

/* Columns of the statement below. */
enum { HOST, RECIPIENT, DELIVERED_TO, MESSAGE_ID, TIME, PATH, FOLDER, NAME };

/* Whose it is, of those it may be; absent where it may be nobody's, or that of more than one. */
static struct qf_slice
recipient_of(const struct store_statement *s, const struct audit_recipients *list)
{
	struct qf_slice named = store_text(s, RECIPIENT), to = store_text(s, DELIVERED_TO);
	struct qf_slice path = store_text(s, PATH), found = {NULL, 0};

	if (has(list, to))
		return to;
	if (has(list, named))
		return named;
	for (size_t i = 0; i < list->n; i++) {
		struct qf_slice bare = list->all[i].bare;

		if (!owns(path, bare))
			continue;
		if (found.p && audit_compare(found, bare) != 0)
			return (struct qf_slice){NULL, 0};
		found = bare;
	}
	return found;
}

static enum qf_code
prove(struct audit_fate *fate, const struct store_statement *s, const struct audit_recipients *list,
      struct qf_err *err)
{
	struct qf_slice path = store_text(s, PATH), folder = store_text(s, FOLDER),
			name = store_text(s, NAME), host = store_text(s, HOST),
			bare = recipient_of(s, list);
	struct qf_buf where = {0}, text = {0};
	enum qf_code code = QF_OK;

	if (!bare.p)
		return QF_OK;
	qf_buf_addf(&where, "%.*s/%.*s/%.*s", (int)path.n, path.p, (int)folder.n, folder.p,
		    (int)name.n, name.p);
	qf_buf_addf(&text, "in the mailbox, received by %.*s", (int)host.n, host.p);
	code = audit_fate_add(fate, "mailstore", (struct qf_slice){where.p, where.n},
			      store_time(s, TIME), (struct qf_slice){text.p, text.n}, bare, err);
	qf_buf_release(&where);
	qf_buf_release(&text);
	return code;
}

enum qf_code
audit_fate_mailboxes(struct audit_fate *fate, struct store *store, int64_t content,
		     struct qf_slice id, struct qf_slice message_id,
		     const struct audit_recipients *list, struct qf_err *err)
{
	struct store_statement *s;
	bool row, said, right;
	enum qf_code code = store_cached(
		store,
		"SELECT i.host, i.recipient, m.delivered_to, m.message_id, m.time, b.path, "
		"m.folder,"
		" m.name FROM mail_ids i CROSS JOIN mails m ON m.id = i.mail JOIN mailboxes b"
		" ON b.id = m.mailbox WHERE i.queue_id = ?1",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_text(s, 1, id);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice other = store_text(s, MESSAGE_ID);

		if (message_id.p && (!other.p || audit_compare(message_id, other) != 0))
			continue;
		said = right = false;
		if (content)
			code = check_host(store, content, id, store_text(s, HOST), &said, &right,
					  err);
		/* Without a host to compare the Message-ID has to say it. */
		if (code == QF_OK && (said ? right : message_id.p != NULL))
			code = prove(fate, s, list, err);
		if (code != QF_OK)
			break;
	}
	store_reset(s);
	audit_fate_sort(fate);
	return code;
}

enum qf_code
audit_has_mail(struct store *store, bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code =
		store_cached(store, "SELECT 1 FROM mails WHERE id > 0 LIMIT 1", &s, err);

	if (code != QF_OK)
		return code;
	code = store_step(s, yes, err);
	store_reset(s);
	return code;
}
