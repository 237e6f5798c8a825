/*
 * mailq_missing - a data file that does not lie beside its control file.
 *
 * sendmail then reads the control file as for a delivery, to learn its data directory, and what it
 * finds wrong on the way goes into the list, right behind the id. It would also rename or remove
 * the control file, or abort the list; nothing of that is done here.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "layout.h"
#include "mailq.h"

/* The newest format that sendmail 8.17 reads. */
#define VERSION_MAX 8
/* Quoted lines are cut in the middle beyond this length (sendmail: MAXSHORTSTR). */
#define QUOTED_MAX 202
#define QUOTED_HEAD 100
#define QUOTED_TAIL 100
/* Longest text of a complaint: sendmail's buffer of 16384, less "554 5.3.0 " and a NUL. */
#define COMPLAINT_MAX 16373
/* Longest name of a macro in braces (sendmail: MAXMACNAMELEN). */
#define MACRO_MAX 25
#define DAY 86400

enum verdict { GO_ON, GIVE_UP };

struct reader {
	const struct qf_mailq_missing *ask;
	const struct qf_files *files;
	struct qf_buf *out;
	struct qf_slice rest; /* of the control file */
	struct qf_buf line;   /* unfolded */
	struct qf_buf text;   /* of a complaint */
	unsigned long lines;  /* line ends read */
	int64_t last_try;
	size_t data_dir;
	bool quarantined; /* a q line was read */
};

/* ---------------------------------------------------------------- complaints */

/* Puts reader->text into the list: seven bits a byte, and no more than up to a NUL, which is what
   0x80 becomes. Origin: sendmail/err.c fmtmsg(). */
static void
complain(struct reader *reader)
{
	struct qf_buf *text = &reader->text;
	const char *nul;

	if (text->n > COMPLAINT_MAX)
		text->n = COMPLAINT_MAX;
	for (size_t i = 0; i < text->n; i++)
		text->p[i] &= 0x7f;
	nul = text->n ? memchr(text->p, '\0', text->n) : NULL;
	if (nul)
		text->n = (size_t)(nul - text->p);
	qf_mailq_put(reader->out, reader->ask->style, (struct qf_slice){text->p, text->n}, text->n);
	qf_buf_addc(reader->out, '\n');
	reader->out->failed |= text->failed;
	qf_buf_clear(text);
}

/* A complaint with text from the file between head and tail. */
static void
complain_of(struct reader *reader, const char *head, struct qf_slice text, const char *tail)
{
	qf_buf_adds(&reader->text, head);
	qf_buf_add_slice(&reader->text, text);
	qf_buf_adds(&reader->text, tail);
	complain(reader);
}

/* Path of a file as sendmail names it: relative to the base of all queue directories. */
static void
put_path(struct reader *reader, const struct qf_dir *dir, const char *sub, const char *prefix,
	 struct qf_slice name)
{
	qf_buf_adds(&reader->text, dir->relative);
	qf_buf_adds(&reader->text, sub);
	qf_buf_addc(&reader->text, '/');
	qf_buf_adds(&reader->text, prefix);
	qf_buf_add_slice(&reader->text, name);
}

/* "readqf: " and the path of the control file. */
static void
put_control_path(struct reader *reader)
{
	const struct qf_dir *dir = qf_queue_dir(reader->ask->queue, reader->files->dir);

	qf_buf_adds(&reader->text, "readqf: ");
	put_path(reader, dir, dir->split_qf ? "/qf" : "", "", reader->files->name);
}

/* sendmail sets the control file aside as lost. Where a q line was read it looks for it under its
   held name, and has more to complain of. Origin: sendmail/queue.c loseqfile(), queuename(). */
static enum verdict
lose(struct reader *reader)
{
	const struct qf_dir *dir = qf_queue_dir(reader->ask->queue, reader->files->dir);
	const char *sub = dir->split_qf ? "/qf" : "";
	char name[3 + QF_NAME_MAX];
	struct stat st;

	if (!reader->quarantined || reader->files->kind != QF_KIND_QUEUED)
		return GIVE_UP;
	snprintf(name, sizeof(name), "hf%.*s", (int)reader->files->id.n, reader->files->id.p);
	if (qf_io_stat(reader->ask->io, dir->control_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return GIVE_UP;
	qf_buf_adds(&reader->text, "cannot rename(");
	put_path(reader, dir, sub, "hf", reader->files->id);
	qf_buf_adds(&reader->text, ", ");
	put_path(reader, dir, sub, "Qf", reader->files->id);
	qf_buf_addf(&reader->text, "), uid=%u: No such file or directory", (unsigned)geteuid());
	complain(reader);
	return GIVE_UP;
}

static enum verdict
lose_attack(struct reader *reader, struct qf_slice line)
{
	complain_of(reader, "SECURITY ALERT: extra or bogus data in queue file: ", line, "");
	return lose(reader);
}

static enum verdict
lose_line(struct reader *reader, struct qf_slice line)
{
	put_control_path(reader);
	qf_buf_addf(&reader->text, ": line %lu: bad line \"", reader->lines);
	if (line.n > QUOTED_MAX) {
		qf_buf_add(&reader->text, line.p, QUOTED_HEAD);
		qf_buf_adds(&reader->text, "...");
		line.p += line.n - QUOTED_TAIL;
		line.n = QUOTED_TAIL;
	}
	complain_of(reader, "", line, "\"");
	return lose(reader);
}

/* ---------------------------------------------------------------- records that can be wrong */

static bool
is_letter_of_macro(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The name of a macro at the start of text. *end is behind it. Origin: macid_parse(). */
static bool
macro_name(struct reader *reader, struct qf_slice text, size_t *end)
{
	char name[MACRO_MAX];
	size_t n = 0, at = 1;

	*end = 0;
	if (text.n == 0 || (text.n > 1 && text.p[0] == '{' && text.p[1] == '}')) {
		complain_of(reader, "Name required for macro/class", QF_LITERAL(""), "");
		return false;
	}
	if (*text.p != '{') {
		*end = 1;
		return true;
	}
	for (; at < text.n && text.p[at] != '}' && n < sizeof(name); at++) {
		if (is_letter_of_macro(text.p[at]))
			name[n++] = text.p[at];
		else
			complain_of(reader, "Invalid macro/class character ",
				    (struct qf_slice){text.p + at, 1}, "");
	}
	*end = at;
	if (at < text.n && text.p[at] == '}') {
		*end = at + 1;
		return true;
	}
	if (at == text.n)
		complain_of(reader, "Unbalanced { on ", (struct qf_slice){name, n}, "");
	else
		complain_of(reader, "Macro/class name ({", (struct qf_slice){name, n},
			    "}) too long (25 chars max)");
	complain_of(reader, "Unable to assign macro/class ID (mid = 0xffffffff)", QF_LITERAL(""),
		    "");
	return false;
}

/* The condition of a header line, text between question marks. */
static bool
is_condition(struct reader *reader, struct qf_slice text)
{
	size_t end;

	if (text.n == 0)
		return true;
	if ((unsigned char)*text.p == 0x81)
		return text.n == 2;
	if (*text.p == '$')
		return text.n > 1 &&
		       macro_name(reader, (struct qf_slice){text.p + 1, text.n - 1}, &end) &&
		       end == text.n - 1;
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return false;
	return true;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* value is an H line without its letter. Origin: chompheader(). */
static void
check_header(struct reader *reader, struct qf_slice value)
{
	static const char head[] = "header syntax error, line \"";
	size_t at = 0, name;

	if (value.n > 0 && *value.p == '?') {
		const char *mark = memchr(value.p + 1, '?', value.n - 1);

		if (!mark ||
		    !is_condition(reader,
				  (struct qf_slice){value.p + 1, (size_t)(mark - value.p) - 1})) {
			complain_of(reader, head, value, "\"");
			return;
		}
		at = (size_t)(mark - value.p) + 1;
	}
	name = at;
	while (at < value.n && value.p[at] > ' ' && value.p[at] < 0x7f && value.p[at] != ':')
		at++;
	if (at > name) {
		while (at < value.n && is_space(value.p[at]))
			at++;
		if (at < value.n && value.p[at] == ':')
			return;
	}
	/* By now sendmail has cut off what follows the condition. */
	if (name > 0)
		value.n = name - 1;
	complain_of(reader, head, value, "\"");
}

static bool
is_xtext(struct qf_slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '!' || text.p[i] > '~' || text.p[i] == '=')
			return false;
		if (text.p[i] != '+')
			continue;
		for (int digits = 0; digits < 2; digits++)
			if (++i >= text.n || text.p[i] == '\0' ||
			    !strchr("0123456789abcdefABCDEF", text.p[i]))
				return false;
	}
	return true;
}

static bool
is_word(struct qf_slice text, const char *word)
{
	return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

/* An N line: a message tried too recently is not read any further. */
static enum verdict
check_age(struct reader *reader, int64_t tries)
{
	const struct qf_mailq_missing *ask = reader->ask;
	int64_t wait = qf_queue_policy(ask->queue)->min_queue_age;
	int64_t since = (int64_t)((uint64_t)ask->now - (uint64_t)reader->last_try);

	if (tries <= 0 || reader->last_try > ask->now || since < 0 || since >= wait)
		return GO_ON;
	if (!ask->style->verbose)
		return GIVE_UP;
	qf_buf_add_slice(&reader->text, reader->files->id);
	qf_buf_adds(&reader->text, ": too young (");
	if (since >= DAY)
		qf_buf_addf(&reader->text, "%d+", (int)(since / DAY));
	qf_buf_addf(&reader->text, "%02d:%02d:%02d)", (int)(since % DAY / 3600),
		    (int)(since / 60 % 60), (int)(since % 60));
	complain(reader);
	return GIVE_UP;
}

static enum verdict
check_version(struct reader *reader, int version)
{
	if (version <= VERSION_MAX)
		return GO_ON;
	qf_buf_addf(&reader->text, "Version number in queue file (%d) greater than max (%d)",
		    version, VERSION_MAX);
	complain(reader);
	return lose(reader);
}

static enum verdict
find_data_dir(struct reader *reader, struct qf_slice name)
{
	reader->data_dir = qf_queue_data_dir(reader->ask->queue, reader->files->dir, name);
	return reader->data_dir == SIZE_MAX ? lose(reader) : GO_ON;
}

/* ---------------------------------------------------------------- the control file */

/* The next line with those that continue it, into reader->line. Origin: sendmail/util.c
   fgetfolded(). */
static bool
unfold(struct reader *reader)
{
	struct qf_slice *rest = &reader->rest;
	struct qf_buf *line = &reader->line;

	if (rest->n == 0)
		return false;
	qf_buf_clear(line);
	do {
		const char *end = memchr(rest->p, '\n', rest->n);
		size_t n = end ? (size_t)(end - rest->p) : rest->n;

		qf_buf_add(line, rest->p, n);
		rest->p += n;
		rest->n -= n;
		if (!end)
			break;
		if (n > 0 && end[-1] == '\r' && !line->failed)
			line->n--;
		qf_buf_addc(line, '\n');
		reader->lines++;
		rest->p++;
		rest->n--;
	} while (rest->n > 0 && (*rest->p == ' ' || *rest->p == '\t'));
	if (line->failed)
		reader->out->failed = true;
	else if (line->p[line->n - 1] == '\n')
		line->n--;
	return !line->failed;
}

static enum verdict
check_line(struct reader *reader, struct qf_slice line)
{
	struct qf_slice value = {line.p + 1, line.n - 1};
	size_t end;

	switch (*line.p) {
	case 'A':
		return is_xtext(value) ? GO_ON : lose_attack(reader, line);
	case 'B':
		return is_word(value, "7BIT") || is_word(value, "8BITMIME")
			       ? GO_ON
			       : lose_attack(reader, line);
	case 'd':
		return find_data_dir(reader, value);
	case 'F':
		if (line.n < 5 || memcmp(line.p, "From ", 5) != 0)
			return GO_ON;
		complain_of(reader, "SECURITY ALERT: bogus qf line ", line, "");
		return lose(reader);
	case 'H':
		check_header(reader, value);
		return GO_ON;
	case 'K':
		reader->last_try = qf_mailq_number(value);
		return GO_ON;
	case 'N':
		return check_age(reader, (int)qf_mailq_number(value));
	case 'V':
		return check_version(reader, (int)qf_mailq_number(value));
	case 'q':
		reader->quarantined = true;
		return GO_ON;
	case '!':
	case '$':
		macro_name(reader, value, &end);
		return GO_ON;
	default:
		return strchr("CDEILMPQRSTZr.", *line.p) ? GO_ON : lose_line(reader, line);
	}
}

/* Does sendmail read it to its end line? Sets data_dir. */
static bool
is_whole(struct reader *reader)
{
	bool ended = false;

	while (unfold(reader)) {
		const char *nul = memchr(reader->line.p, '\0', reader->line.n);
		struct qf_slice line = {reader->line.p,
					nul ? (size_t)(nul - reader->line.p) : reader->line.n};

		if (ended) {
			lose_attack(reader, line);
			return false;
		}
		if (line.n == 0) {
			lose_line(reader, line);
			return false;
		}
		if (check_line(reader, line) == GIVE_UP)
			return false;
		ended = *line.p == '.';
	}
	/* A file without a single line end counts as empty; nothing is said. */
	if (!ended && reader->lines > 0) {
		put_control_path(reader);
		complain_of(reader, ": incomplete queue file read", QF_LITERAL(""), "");
		return false;
	}
	return true;
}

/* What readqf() asks before it reads. */
static bool
may_be_read(struct reader *reader)
{
	const struct qf_mailq_missing *ask = reader->ask;
	const struct qf_policy *policy = qf_queue_policy(ask->queue);
	mode_t forbidden = S_IWOTH | (policy->queue_file_mode & S_IWGRP ? 0 : S_IWGRP);
	char name[QF_NAME_MAX];
	struct stat st;

	if (reader->files->busy == QF_YES) {
		if (ask->style->verbose) {
			qf_buf_add_slice(&reader->text, reader->files->id);
			complain_of(reader, "", QF_LITERAL(": locked"), "");
		}
		return false;
	}
	if (reader->files->name.n >= sizeof(name))
		return false;
	memcpy(name, reader->files->name.p, reader->files->name.n);
	name[reader->files->name.n] = '\0';
	return qf_io_stat(ask->io, qf_queue_dir(ask->queue, reader->files->dir)->control_fd, name,
			  &st, 0) == 0 &&
	       !(st.st_mode & forbidden) && st.st_size > 0;
}

/* Its size, or -1 and errno. */
static int64_t
data_size(const struct qf_mailq_missing *ask, size_t dir, struct qf_slice id)
{
	char name[3 + QF_NAME_MAX] = "df";
	struct stat st;

	if (id.n > QF_NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name + 2, id.p, id.n);
	name[2 + id.n] = '\0';
	if (qf_io_stat(ask->io, qf_queue_dir(ask->queue, dir)->data_fd, name, &st, 0) != 0)
		return -1;
	return st.st_size;
}

int64_t
qf_mailq_missing(const struct qf_mailq_missing *ask, const struct qf_msg *msg, struct qf_buf *out)
{
	const struct qf_files *files = qf_msg_files(msg);
	struct reader reader = {.ask = ask,
				.files = files,
				.out = out,
				.rest = qf_msg_bytes(msg),
				.data_dir = files->dir};
	int64_t size = data_size(ask, files->dir, files->id);
	const struct qf_dir *dir;
	char why[128];

	/* A d line counts only where it is not found beside the control file. */
	if (size < 0 && may_be_read(&reader) && is_whole(&reader)) {
		size = data_size(ask, reader.data_dir, files->id);
		if (size < 0 && reader.lines > 0) {
			const char *text = strerror_r(errno, why, sizeof(why));

			dir = qf_queue_dir(ask->queue, reader.data_dir);
			qf_buf_adds(&reader.text, "readqf: cannot open ");
			put_path(&reader, dir, dir->split_df ? "/df" : "", "df", files->id);
			complain_of(&reader, ": ", (struct qf_slice){text, strlen(text)}, "");
		}
	}
	qf_buf_release(&reader.line);
	qf_buf_release(&reader.text);
	return size;
}
