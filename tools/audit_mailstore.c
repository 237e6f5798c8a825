/*
 * audit_mailstore - qf audit mailstore: the headers of Maildirs into the database.
 *
 * A file that was read is known by the part of its name that does not change, in its mailbox, and
 * is not read again. Folders in a Maildir are the same mailbox: people move their mail.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_mailstore.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "store_address.h"

#define HEADER_MAX ((size_t)256 * 1024)
#define DEPTH_MAX 16
#define BATCH 20000

struct mailstore {
	struct store *store;
	char *header;
	int64_t mailbox; /* 0: in none */
	int64_t now;
	uint64_t mailboxes, files, known, added, ids, unreadable, pending;
	struct qf_buf scratch;
};

/* ------------------------------------------------------------------ one file */

static enum qf_code
is_known(struct mailstore *m, struct qf_slice name, bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code = store_cached(
		m->store, "SELECT 1 FROM mails WHERE mailbox = ?1 AND name = ?2", &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, m->mailbox);
	store_bind_text(s, 2, name);
	code = store_step(s, yes, err);
	store_reset(s);
	return code;
}

/* Up to the blank line, and no further than what one message's header may be. */
static ssize_t
read_header(int fd, char *header)
{
	size_t have = 0;

	while (have < HEADER_MAX) {
		size_t room = HEADER_MAX - have < 8192 ? HEADER_MAX - have : 8192;
		ssize_t n = read(fd, header + have, room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
		if (memmem(header, have, "\n\n", 2) || memmem(header, have, "\n\r\n", 3))
			break;
	}
	return (ssize_t)have;
}

static enum qf_code
store_mail(struct mailstore *m, struct qf_slice folder, struct qf_slice name, int64_t when,
	   const struct audit_mail *mail, struct qf_err *err)
{
	struct store_statement *s;
	int64_t id;
	enum qf_code code =
		store_cached(m->store,
			     "INSERT INTO mails (mailbox, folder, name, time, message_id,"
			     " delivered_to) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			     &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, m->mailbox);
	store_bind_text(s, 2, folder);
	store_bind_text(s, 3, name);
	store_bind_time(s, 4, when);
	store_bind_text(s, 5, mail->message_id);
	store_bind_text(s, 6,
			mail->delivered_to.p ? store_address(mail->delivered_to, &m->scratch)
					     : mail->delivered_to);
	code = store_run(s, err);
	id = store_last_id(m->store);
	for (size_t i = 0; i < mail->nhops && code == QF_OK; i++) {
		const struct audit_hop *hop = &mail->hops[i];

		if (!hop->id.p)
			continue;
		code = store_cached(m->store, "INSERT INTO mail_ids VALUES (?1, ?2, ?3, ?4, ?5)",
				    &s, err);
		if (code != QF_OK)
			break;
		store_bind_int(s, 1, id);
		store_bind_int(s, 2, (int64_t)i + 1);
		store_bind_text(s, 3, hop->id);
		store_bind_text(s, 4, hop->host);
		store_bind_text(s, 5,
				hop->recipient.p ? store_address(hop->recipient, &m->scratch)
						 : hop->recipient);
		code = store_run(s, err);
		m->ids++;
	}
	return code;
}

static enum qf_code
take_file(struct mailstore *m, int dir, const char *path, const char *entry, struct qf_err *err)
{
	const char *folder = strrchr(path, '/');
	struct qf_slice name = {entry, strcspn(entry, ":")};
	struct audit_mail mail;
	struct stat st;
	ssize_t n = -1;
	bool known = false;
	int fd;
	enum qf_code code = is_known(m, name, &known, err);

	m->files++;
	m->known += known;
	if (code != QF_OK || known)
		return code;
	fd = openat(dir, entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return QF_OK; /* Its owner has moved it: it is read under its new name. */
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read_header(fd, m->header);
	if (n < 0) {
		say_error("%s/%s: %s", path, entry, fd < 0 ? strerror(errno) : "cannot be read");
		m->unreadable++;
	} else {
		audit_mail_read(m->header, (size_t)n, &mail);
		m->added++;
		code = store_mail(m,
				  (struct qf_slice){folder ? folder + 1 : path,
						    strlen(folder ? folder + 1 : path)},
				  name, st.st_mtime, &mail, err);
	}
	if (fd >= 0)
		close(fd);
	if (code == QF_OK && ++m->pending >= BATCH) {
		m->pending = 0;
		code = store_commit(m->store, err);
		if (code == QF_OK)
			code = store_begin(m->store, err);
	}
	return code;
}

/* ------------------------------------------------------------------ directories */

static enum qf_code
take_directory(struct mailstore *m, int parent, const char *path, const char *name,
	       struct qf_err *err)
{
	char own[4096];
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	enum qf_code code = QF_OK;

	snprintf(own, sizeof(own), "%s/%s", path, name);
	if (!dir) {
		say_error("%s: %s", own, strerror(errno));
		m->unreadable++;
		if (fd >= 0)
			close(fd);
		return QF_OK;
	}
	while (code == QF_OK && !signals_caught() && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			code = take_file(m, dirfd(dir), own, entry->d_name, err);
	closedir(dir);
	return code;
}

static bool
has(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static enum qf_code
mailbox_row(struct mailstore *m, const char *path, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	char *absolute = realpath(path, NULL);
	enum qf_code code = store_cached(
		m->store,
		"INSERT INTO mailboxes (path, read_at) VALUES (?1, ?2) ON CONFLICT (path) DO"
		" UPDATE SET read_at = ?2 RETURNING id",
		&s, err);

	if (code == QF_OK) {
		store_bind_string(s, 1, absolute ? absolute : path);
		store_bind_int(s, 2, m->now);
		code = store_step(s, &row, err);
		if (code == QF_OK && row)
			m->mailbox = store_int(s, 0);
		store_reset(s);
	}
	m->mailboxes++;
	free(absolute);
	return code;
}

static enum qf_code
walk(struct mailstore *m, int parent, const char *name, const char *path, int depth,
     struct qf_err *err)
{
	int64_t outer = m->mailbox;
	int fd =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth ? O_NOFOLLOW : 0));
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool maildir;
	enum qf_code code = QF_OK;

	if (!dir) {
		say_error("%s: %s", path, strerror(errno));
		m->unreadable++;
		if (fd >= 0)
			close(fd);
		return QF_OK;
	}
	maildir = has(fd, "cur") && has(fd, "new");
	if (maildir && !m->mailbox)
		code = mailbox_row(m, path, err);
	if (code == QF_OK && maildir)
		code = take_directory(m, fd, path, "new", err);
	if (code == QF_OK && maildir)
		code = take_directory(m, fd, path, "cur", err);
	while (code == QF_OK && depth < DEPTH_MAX && !signals_caught() && (entry = readdir(dir))) {
		char *below = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    (maildir &&
		     (strcmp(entry->d_name, "cur") == 0 || strcmp(entry->d_name, "new") == 0 ||
		      strcmp(entry->d_name, "tmp") == 0)) ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) ||
		    !has(fd, entry->d_name))
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) {
			code = store_no_memory(err);
			break;
		}
		code = walk(m, fd, entry->d_name, below, depth + 1, err);
		free(below);
	}
	closedir(dir);
	m->mailbox = outer;
	return code;
}

/* ------------------------------------------------------------------ the command */

static void
tell(const struct mailstore *m)
{
	struct qf_buf out = {0};
	struct qf_json json = {.out = &out};
	const struct {
		const char *key;
		uint64_t value;
	} counts[] = {
		{"mailboxes", m->mailboxes}, {"files", m->files}, {"known", m->known},
		{"added", m->added},	     {"ids", m->ids},	  {"unreadable", m->unreadable}};

	if (audit_given.format == AUDIT_JSON) {
		qf_json_open(&json, '{');
		qf_json_key(&json, "schema");
		qf_json_string(&json, "qf.audit.mailstore/1");
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			qf_json_key(&json, counts[i].key);
			qf_json_int(&json, (int64_t)counts[i].value);
		}
		qf_json_close(&json, '}');
		qf_buf_addc(&out, '\n');
	} else {
		qf_buf_addf(&out,
			    "%llu %s, %llu files: %llu new, with %llu queue ids; %llu known, %llu "
			    "unreadable\n",
			    (unsigned long long)m->mailboxes,
			    m->mailboxes == 1 ? "mailbox" : "mailboxes",
			    (unsigned long long)m->files, (unsigned long long)m->added,
			    (unsigned long long)m->ids, (unsigned long long)m->known,
			    (unsigned long long)m->unreadable);
	}
	out_add_buf(&out);
	qf_buf_release(&out);
}

int
audit_mailstore(char **operands, size_t n)
{
	struct mailstore m = {.now = time(NULL)};
	struct qf_err err;
	struct stat st;
	int status = STATUS_OK;

	if (!n) {
		say_error("which mailboxes? give Maildirs, or directories that hold some");
		return STATUS_USAGE;
	}
	/* A database is not made for what is not there. */
	for (size_t i = 0; i < n && !status; i++) {
		if (stat(operands[i], &st) == 0 && S_ISDIR(st.st_mode))
			continue;
		say_error("%s: %s", operands[i],
			  errno == ENOENT ? strerror(errno) : "is no directory");
		status = STATUS_NO_INPUT;
	}
	m.header = malloc(HEADER_MAX);
	if (!status && !m.header)
		status = STATUS_OS;
	if (!status)
		status = audit_open(STORE_CREATE, &m.store);
	if (!status && (store_bulk(m.store, &err) != QF_OK || store_begin(m.store, &err) != QF_OK))
		status = say_failure(&err);
	for (size_t i = 0; i < n && !status; i++) {
		uint64_t before = m.mailboxes;

		if (walk(&m, AT_FDCWD, operands[i], operands[i], 0, &err) != QF_OK) {
			status = say_failure(&err);
		} else if (m.mailboxes == before && !m.unreadable) {
			say_error("%s: holds no Maildir: no directory with cur and new",
				  operands[i]);
			status = STATUS_NO_INPUT;
		}
	}
	if (!status && store_commit(m.store, &err) != QF_OK)
		status = say_failure(&err);
	if (m.store && status)
		store_rollback(m.store);
	if (!status && signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	if (!status) {
		tell(&m);
		status = m.unreadable ? STATUS_INCOMPLETE : STATUS_OK;
	}
	qf_buf_release(&m.scratch);
	free(m.header);
	store_close(m.store);
	return out_finish(status);
}
