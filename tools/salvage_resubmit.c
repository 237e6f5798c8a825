/*
 * salvage_resubmit - messages handed to a server that speaks SMTP alone.
 *
 * Each message is locked while the server has it in hand; who was accepted is struck in one rewrite
 * before the next one begins, so that stopping anywhere repeats nothing. A Received line is put
 * before the headers; nothing else changes, so that signatures hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "changes.h"
#include "salvage_list.h"
#include "salvage_resubmit.h"
#include "say.h"
#include "signals.h"
#include "smtp.h"
#include "status.h"

/* RFC 5321, 4.5.3.1.8: so many every server takes. */
#define GROUP_MAX 100
#define PASSWORD_MAX 512
#define LINE_MAX_SENT 2000

struct resubmitting {
	struct source *source;
	struct salvage_list list;
	struct smtp_options options;
	struct smtp *smtp;
	struct qf_txn *txn;
	char name[256];
	bool stop;   /* there is no use in going on with this connection */
	bool unsent; /* it was gone before the whole message had been said: nobody was accepted */
	/* The message in hand. */
	const char *id;
	struct qf_outcome outcome;
	enum qf_salvage_why why;
	bool found;
};

/* ------------------------------------------------------------------ what a message needs */

static bool
has_eight_bits(struct qf_slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return true;
	return false;
}

static bool
body_has_eight_bits(int fd)
{
	char bytes[65536];
	bool found = false;
	ssize_t n;

	while (!found && (n = read(fd, bytes, sizeof(bytes))) > 0)
		found = has_eight_bits((struct qf_slice){bytes, (size_t)n});
	lseek(fd, 0, SEEK_SET);
	return found;
}

struct needs {
	bool eightbit, utf8, dsn;
	int64_t size;
};

static void
find_needs(const struct qf_msg *msg, struct qf_slice headers, int fd, struct needs *needs)
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	struct stat st;

	*needs = (struct needs){.utf8 = env->flags & QF_FLAG(SMTPUTF8) ||
					has_eight_bits(env->sender)};
	for (size_t i = 0; i < env->nrecipients; i++) {
		needs->utf8 |= has_eight_bits(env->recipients[i].address);
		needs->dsn |= env->recipients[i].flags & QF_RCPT(HAS_NOTIFY);
	}
	needs->utf8 |= has_eight_bits(headers);
	needs->eightbit = needs->utf8 || body_has_eight_bits(fd);
	/* Line ends grow by one byte: as if each line were of one. */
	needs->size = fstat(fd, &st) == 0 ? 2 * (int64_t)st.st_size + (int64_t)headers.n : 0;
}

/* What of it the server lacks, in words; or NULL. */
static const char *
lacking(const struct smtp_server *server, const struct needs *needs)
{
	if (needs->utf8 && !server->utf8)
		return "the server has no SMTPUTF8";
	if (needs->eightbit && !server->eightbit)
		return "the server has no 8BITMIME";
	if (needs->dsn && !server->dsn)
		return "the server has no DSN, and the sender asked for reports in a way of his "
		       "own";
	if (server->size && needs->size / 2 > server->size)
		return "it is larger than the server takes";
	return NULL;
}

/* ------------------------------------------------------------------ commands */

static struct qf_slice
bare(struct qf_slice address)
{
	if (address.n >= 2 && address.p[0] == '<' && address.p[address.n - 1] == '>')
		return (struct qf_slice){address.p + 1, address.n - 2};
	return address;
}

/* Nothing that would end the command. */
static bool
is_one_word(struct qf_slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f || text.p[i] == '<' ||
		    text.p[i] == '>')
			return false;
	return true;
}

static bool
say_mail(struct resubmitting *r, const struct qf_envelope *env, const struct needs *needs,
	 char text[SMTP_TEXT])
{
	const struct smtp_server *server = smtp_server(r->smtp);
	struct qf_slice sender = bare(env->sender);
	struct qf_buf line = {0};
	int code;

	qf_buf_addf(&line, "MAIL FROM:<%.*s>", (int)sender.n, sender.n ? sender.p : "");
	if (needs->eightbit)
		qf_buf_adds(&line, " BODY=8BITMIME");
	if (needs->utf8)
		qf_buf_adds(&line, " SMTPUTF8");
	if (server->dsn && env->flags & QF_FLAG(RET_PARAM))
		qf_buf_addf(&line, " RET=%s", env->flags & QF_FLAG(NO_BODY) ? "HDRS" : "FULL");
	if (server->dsn && env->envid.n && is_one_word(env->envid))
		qf_buf_addf(&line, " ENVID=%.*s", (int)env->envid.n, env->envid.p);
	qf_buf_addc(&line, '\0');
	if (!is_one_word(sender) || line.failed || line.n > LINE_MAX_SENT) {
		snprintf(text, SMTP_TEXT, "its sender cannot be said in SMTP");
		code = 0;
	} else {
		code = smtp_command(r->smtp, line.p, text);
	}
	qf_buf_release(&line);
	return code / 100 == 2;
}

static void
add_notify(const struct qf_recipient *rcpt, struct qf_buf *line)
{
	static const struct {
		unsigned flag;
		const char *word;
	} words[] = {{QF_RCPT(SUCCESS), "SUCCESS"},
		     {QF_RCPT(FAILURE), "FAILURE"},
		     {QF_RCPT(DELAY), "DELAY"}};
	const char *before = " NOTIFY=";

	if (!(rcpt->flags & QF_RCPT(HAS_NOTIFY)))
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (rcpt->flags & words[i].flag) {
			qf_buf_addf(line, "%s%s", before, words[i].word);
			before = ",";
		}
	if (*before == ' ')
		qf_buf_adds(line, " NOTIFY=NEVER");
}

static bool
say_rcpt(struct resubmitting *r, const struct qf_recipient *rcpt, char text[SMTP_TEXT])
{
	bool dsn = smtp_server(r->smtp)->dsn;
	struct qf_slice address = bare(rcpt->address);
	struct qf_buf line = {0};
	int code = 0;

	qf_buf_addf(&line, "RCPT TO:<%.*s>", (int)address.n, address.n ? address.p : "");
	if (dsn)
		add_notify(rcpt, &line);
	if (dsn && rcpt->original.n && is_one_word(rcpt->original))
		qf_buf_addf(&line, " ORCPT=%.*s", (int)rcpt->original.n, rcpt->original.p);
	qf_buf_addc(&line, '\0');
	if (!address.n || !is_one_word(address) || line.failed || line.n > LINE_MAX_SENT)
		snprintf(text, SMTP_TEXT, "its address cannot be said in SMTP");
	else
		code = smtp_command(r->smtp, line.p, text);
	qf_buf_release(&line);
	return code / 100 == 2;
}

static void
add_received(struct resubmitting *r, struct qf_buf *out)
{
	time_t now = (time_t)r->source->now;
	char date[64] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	qf_buf_addf(out, "Received: by %s (qf salvage resubmit) id %s;\n\t%s\n", r->name, r->id,
		    date);
}

/* The message behind DATA. The code of the last answer. */
static int
say_data(struct resubmitting *r, struct qf_slice headers, int fd, char text[SMTP_TEXT])
{
	char bytes[65536];
	int code = smtp_command(r->smtp, "DATA", text);
	ssize_t n;

	if (code != 354)
		return code / 100 == 2 ? 0 : code;
	smtp_put(r->smtp, headers);
	smtp_put(r->smtp, (struct qf_slice){"\n", 1});
	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (!smtp_put(r->smtp, (struct qf_slice){bytes, (size_t)n}))
			break;
	if (smtp_is_gone(r->smtp)) {
		/* Its dot was not said. */
		snprintf(text, SMTP_TEXT, "the connection is gone");
		return 0;
	}
	r->unsent = false;
	if (n < 0) {
		/* Not the whole of it: without its dot it is not accepted. */
		snprintf(text, SMTP_TEXT, "its data file cannot be read: %s", strerror(errno));
		r->why = QF_SALVAGE_WHY_ERROR;
		smtp_give_up(r->smtp);
		return -1;
	}
	code = smtp_end(r->smtp, text);
	if (code == 0) {
		snprintf(text, SMTP_TEXT,
			 "the server's answer to the whole message was lost: it may go out "
			 "a second time");
		r->why = QF_SALVAGE_WHY_ERROR;
	}
	return code;
}

/* One transaction, for recipients from first on; marks 'd' for whom it was accepted. The next
   first. */
static size_t
transact(struct resubmitting *r, const struct qf_envelope *env, const struct needs *needs,
	 struct qf_slice headers, int fd, size_t first, char *marks, char why[SMTP_TEXT])
{
	size_t last = first, taken = 0;
	char text[SMTP_TEXT] = "";
	int code = 0;

	r->unsent = true;
	if (say_mail(r, env, needs, text)) {
		for (; last < env->nrecipients && last - first < GROUP_MAX && !smtp_is_gone(r->smtp); last++) {
			marks[last] = say_rcpt(r, &env->recipients[last], text) ? 'a' : ' ';
			taken += marks[last] == 'a';
			if (marks[last] == ' ')
				snprintf(why, SMTP_TEXT, "%s", text);
		}
		if (taken && !smtp_is_gone(r->smtp))
			code = say_data(r, headers, fd, text);
	} else {
		last = env->nrecipients;
	}
	if (code / 100 != 2 && text[0])
		snprintf(why, SMTP_TEXT, "%s", text);
	for (size_t i = first; i < last; i++)
		if (marks[i] == 'a')
			marks[i] = code / 100 == 2 ? 'd' : ' ';
	r->stop = r->smtp && smtp_is_gone(r->smtp);
	r->unsent &= r->stop;
	if (code / 100 != 2 && r->smtp && !r->stop)
		r->stop = smtp_command(r->smtp, "RSET", text) == 0;
	return r->unsent ? first : last;
}

/* A connection that is gone is made once more. False, and why not. */
static bool
connect_again(struct resubmitting *r, char why[SMTP_TEXT])
{
	smtp_close(r->smtp);
	r->smtp = NULL;
	r->stop = false;
	if (signals_caught())
		snprintf(why, SMTP_TEXT, "not begun");
	else
		r->smtp = smtp_open(&r->options, why);
	return r->smtp != NULL;
}

/* All transactions that it takes. A server may close the connection after each message, or be replaced:
   where nothing of a transaction can have been accepted it is said once more. */
static void
say_all(struct resubmitting *r, const struct qf_envelope *env, const struct needs *needs,
	struct qf_slice headers, int fd, char *marks, char why[SMTP_TEXT])
{
	size_t tried = SIZE_MAX;
	const char *lack = NULL;

	for (size_t i = 0; i < env->nrecipients && r->smtp && !r->stop;) {
		lack = lacking(smtp_server(r->smtp), needs);
		r->why = lack ? QF_SALVAGE_WHY_LACKS : QF_SALVAGE_WHY_REFUSED;
		if (lack)
			break;
		i = transact(r, env, needs, headers, fd, i, marks, why);
		if (!r->unsent)
			continue;
		r->why = QF_SALVAGE_WHY_STOPPED;
		if (tried == i || !connect_again(r, why))
			return;
		tried = i;
	}
	if (lack)
		snprintf(why, SMTP_TEXT, "%s", lack);
}

/* ------------------------------------------------------------------ one message */

static void
hand_over(struct resubmitting *r, struct qf_hand *hand)
{
	struct qf_msg *msg = qf_hand_msg(hand);
	const struct qf_envelope *env = qf_msg_envelope(msg);
	char *marks = calloc(env->nrecipients + 1, 1), why[SMTP_TEXT] = "";
	struct qf_buf headers = {0};
	int fd = qf_hand_data(hand);
	struct needs needs;

	add_received(r, &headers);
	qf_headers_write(msg, &headers);
	if (!marks || headers.failed || fd < 0) {
		snprintf(why, sizeof(why), fd < 0 ? "its data file is gone" : "out of memory");
	} else {
		memset(marks, ' ', env->nrecipients);
		find_needs(msg, (struct qf_slice){headers.p, headers.n}, fd, &needs);
		say_all(r, env, &needs, (struct qf_slice){headers.p, headers.n}, fd, marks, why);
	}
	qf_hand_end(hand, marks ? marks : "", why, &r->outcome);
	if (fd >= 0)
		close(fd);
	qf_buf_release(&headers);
	free(marks);
}

static bool
take(void *ctx, struct qf_msg *msg)
{
	struct resubmitting *r = ctx;
	struct qf_hand *hand = qf_hand_begin(r->txn, msg, &r->outcome);

	r->found = true;
	r->why = r->outcome.result == QF_RESULT_BUSY	   ? QF_SALVAGE_WHY_BUSY
		 : r->outcome.result == QF_RESULT_GONE	   ? QF_SALVAGE_WHY_GONE
		 : r->outcome.result == QF_RESULT_CHANGED  ? QF_SALVAGE_WHY_CHANGED
		 : r->outcome.result == QF_RESULT_FAILED   ? QF_SALVAGE_WHY_ERROR
		 : strncmp(r->outcome.why, "held", 4) == 0 ? QF_SALVAGE_WHY_HELD
							   : QF_SALVAGE_WHY_DAMAGED;
	if (hand)
		hand_over(r, hand);
	return false;
}

static void
do_one(struct resubmitting *r, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct qf_salvage_record record = {.outcome = QF_SALVAGE_SKIPPED,
					   .id = slash + 3,
					   .file = slash + 1,
					   .bounce_at = QF_TIME_NONE,
					   .bytes = -1};
	bool done;

	r->found = false;
	r->id = slash + 3;
	r->outcome = (struct qf_outcome){.result = QF_RESULT_SKIPPED};
	r->why = QF_SALVAGE_WHY_GONE;
	qf_queue_find(r->list.queue, path, QF_NEED_HEADERS | QF_NEED_DATA, take, r, NULL);
	done = r->found && r->outcome.result == QF_RESULT_DONE;
	if (done)
		record.outcome = QF_SALVAGE_MOVED;
	else if (r->why == QF_SALVAGE_WHY_REFUSED || r->why == QF_SALVAGE_WHY_ERROR)
		record.outcome = QF_SALVAGE_FAILED;
	record.to = done ? r->options.server : NULL;
	record.why = done ? QF_SALVAGE_WHY_NONE : r->why;
	record.detail = r->outcome.why[0] ? r->outcome.why : NULL;
	salvage_list_tell(&r->list, &record);
}

static void
do_all(struct resubmitting *r)
{
	char why[SMTP_TEXT] = "no server";
	const char *path = NULL;

	while ((path = salvage_list_next(&r->list, path))) {
		const char *slash = strrchr(path, '/');

		if (r->stop && r->smtp)
			connect_again(r, why);
		if (r->smtp && !signals_caught()) {
			do_one(r, path);
		} else {
			struct qf_salvage_record record = {.outcome = QF_SALVAGE_SKIPPED,
							   .why = QF_SALVAGE_WHY_STOPPED,
							   .detail = signals_caught() ? "not begun" : why,
							   .id = slash + 3,
							   .file = slash + 1,
							   .bounce_at = QF_TIME_NONE,
							   .bytes = -1};

			salvage_list_tell(&r->list, &record);
		}
	}
}

/* ------------------------------------------------------------------ the whole */

/* The one window: handed over, and killed before that could be written. */
static bool
name_interrupted(void *ctx, const struct qf_journal_entry *entry)
{
	(void)ctx;
	if (entry->command && strcmp(entry->command, "resubmit") == 0 && !entry->result &&
	    entry->id)
		say_note("%s: an earlier resubmit (%s) ended while it was being handed over: some "
			 "recipients "
			 "may get a second copy",
			 entry->id, entry->entry);
	return true;
}

/* The first line of the file. */
static int
read_password(const char *path, char password[PASSWORD_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, password, PASSWORD_MAX - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0) {
		say_error("--password-file: %s: %s", path, strerror(errno));
		return STATUS_NO_INPUT;
	}
	password[n] = '\0';
	password[strcspn(password, "\r\n")] = '\0';
	return STATUS_OK;
}

static int
open_all(struct resubmitting *r, const struct resubmit *how, char password[PASSWORD_MAX])
{
	struct qf_txn_options options = changes_txn_options("resubmit", r->source);
	char why[SMTP_TEXT];
	struct qf_err err;
	int status = STATUS_OK;

	if (how->user && !how->password_file) {
		say_error("--user: needs --password-file");
		return STATUS_USAGE;
	}
	if (how->user)
		status = read_password(how->password_file, password);
	if (status)
		return status;
	if (gethostname(r->name, sizeof(r->name) - 1) != 0 || !r->name[0])
		strcpy(r->name, "localhost");
	r->options = (struct smtp_options){how->server, how->user, password, r->name};
	if (qf_journal_read(r->list.queue, changes_journal(), name_interrupted, NULL, NULL, &err))
		say_note("%s: %s: whether an earlier resubmit was interrupted is not known", err.what,
			 err.why);
	r->smtp = smtp_open(&r->options, why);
	if (!r->smtp && signals_caught())
		return STATUS_SIGNAL + signals_caught();
	if (!r->smtp) {
		say_error("%s: %s", how->server, why);
		return STATUS_UNAVAILABLE;
	}
	return qf_txn_new(r->list.queue, &options, &r->txn, &err) ? say_failure(&err) : STATUS_OK;
}

static int
end_status(const struct resubmitting *r)
{
	const struct qf_salvage_totals *totals = &r->list.totals;

	if (signals_caught())
		return STATUS_SIGNAL + signals_caught();
	for (size_t i = 0; i < QF_SALVAGE_WHY_COUNT; i++)
		if (totals->failed[i])
			return STATUS_INCOMPLETE;
	if (totals->skipped[QF_SALVAGE_WHY_BUSY] || totals->skipped[QF_SALVAGE_WHY_CHANGED] ||
	    totals->skipped[QF_SALVAGE_WHY_STOPPED])
		return STATUS_INCOMPLETE;
	return totals->moved < totals->planned ? STATUS_FINDINGS : STATUS_OK;
}

int
salvage_resubmit(struct source *source, struct qf_queue *from, const struct resubmit *how,
		 const struct qf_salvage_options *options, struct report *report)
{
	struct resubmitting r = {.source = source, .list = {.queue = from, .report = report}};
	char password[PASSWORD_MAX] = "";
	struct qf_err err;
	int status = open_all(&r, how, password);

	if (!status && salvage_list_fill(&r.list, options, &err))
		status = say_failure(&err);
	if (!status) {
		do_all(&r);
		report_totals(r.list.report, &r.list.totals, NULL);
		status = end_status(&r);
	}
	smtp_close(r.smtp);
	qf_txn_free(r.txn);
	qf_buf_release(&r.list.paths);
	return status;
}
