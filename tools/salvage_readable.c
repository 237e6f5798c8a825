/*
 * salvage_readable - the messages of a queue for people to read, headers as an SMTP mailer would send
 * them: one file (mboxrd, bodies with "From " at the beginning of a line quoted, a blank line behind
 * each), or a folder with a file for each message.
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

#include "salvage_hide.h"
#include "salvage_list.h"
#include "salvage_readable.h"
#include "say.h"
#include "signals.h"
#include "status.h"

#define PART ".part"

/* A way to lay them out. */
struct form {
	const char *end;            /* of the name that asks for it */
	const char *const *folders; /* made in the folder; NULL: it is one file */
	const char *within;         /* where files are put */
	const char *suffix;         /* of their names */
};
static const char *const none[] = {NULL};
static const char *const of_maildir[] = {"cur", "new", "tmp", NULL};
static const struct form forms[] = {
	{".mbox", NULL, NULL, NULL},
	{".eml/", none, "", ".eml"},
	{".maildir/", of_maildir, "new/", ".qf"},
};

struct readable {
	struct source *source;
	const struct form *form;
	const char *to;
	char *part;             /* what it is called until it is whole */
	int folder;             /* or -1 */
	FILE *file;             /* the one, or that of the message in hand */
	struct qf_buf names;    /* of files in the folder, a NUL behind each */
	struct qf_buf written;  /* 'y' or 'n' for each of the list */
	struct salvage_list list;
	bool found, failed;
	int failure;            /* errno */
};

static const struct form *
form_of(const char *to)
{
	size_t n = strlen(to);

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (n > strlen(forms[i].end) &&
		    strcmp(to + n - strlen(forms[i].end), forms[i].end) == 0)
			return &forms[i];
	return NULL;
}

bool
salvage_is_readable(const char *to)
{
	return form_of(to) != NULL;
}

/* ------------------------------------------------------------------ one message */

/* "From ann@src.example Thu Nov 26 19:40:00 2026" */
static void
put_from(struct readable *out, const struct qf_envelope *env)
{
	struct qf_slice sender = env->sender;
	time_t created = env->created == QF_TIME_NONE ? 0 : (time_t)env->created;
	struct qf_buf text = {0};
	char date[32] = "";
	struct tm tm;

	if (sender.n >= 2 && sender.p[0] == '<' && sender.p[sender.n - 1] == '>')
		sender = (struct qf_slice){sender.p + 1, sender.n - 2};
	if (!sender.n)
		sender = (struct qf_slice){"MAILER-DAEMON", 13};
	else if (out->source->redactor)
		qf_redact_address(out->source->redactor, sender, &text);
	if (!text.n)
		qf_buf_add(&text, sender.p, sender.n);
	if (gmtime_r(&created, &tm))
		strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	fprintf(out->file, "From ");
	for (size_t i = 0; i < text.n; i++)
		fputc(text.p[i] > ' ' && text.p[i] != 0x7f ? text.p[i] : '_', out->file);
	fprintf(out->file, " %s\n", date);
	qf_buf_release(&text);
}

static void
put_headers(struct readable *out, struct qf_msg *msg)
{
	struct qf_buf plain = {0}, text = {0};

	qf_headers_write(msg, &plain);
	if (out->source->redactor)
		salvage_hide_headers(out->source->redactor, (struct qf_slice){plain.p, plain.n}, &text);
	else
		qf_buf_add(&text, plain.p, plain.n);
	out->failed |= plain.failed || text.failed;
	fwrite(text.p, 1, text.n, out->file);
	fputc('\n', out->file);
	qf_buf_release(&plain);
	qf_buf_release(&text);
}

/* A line that begins with "From ", however often quoted already, is quoted once more. */
static bool
is_from_line(const char *line, size_t n)
{
	size_t at = 0;

	while (at < n && line[at] == '>')
		at++;
	return n - at >= 5 && memcmp(line + at, "From ", 5) == 0;
}

static void
put_body(struct readable *out, int fd)
{
	FILE *body = fdopen(fd, "r");
	char *line = NULL, last = '\n';
	size_t size = 0;
	ssize_t n;

	if (!body) {
		close(fd);
		out->failed = true;
		return;
	}
	while ((n = getline(&line, &size, body)) > 0) {
		if (!out->form->folders && is_from_line(line, (size_t)n))
			fputc('>', out->file);
		fwrite(line, 1, (size_t)n, out->file);
		last = line[n - 1];
	}
	out->failed |= ferror(body) != 0;
	if (last != '\n' && !out->form->folders)
		fputc('\n', out->file);
	free(line);
	fclose(body);
}

/* A file of its own; two directories may have one id twice. */
static bool
begin_file(struct readable *out, const struct qf_msg *msg)
{
	struct qf_slice id = qf_msg_files(msg)->id;
	char name[96];
	int fd = -1;

	for (unsigned more = 0; fd < 0 && more < 100; more++) {
		char number[16] = "";

		if (more)
			snprintf(number, sizeof(number), "-%u", more);
		snprintf(name, sizeof(name), "%s%.*s%s%s", out->form->within, (int)id.n, id.p, number,
			 out->form->suffix);
		fd = openat(out->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	out->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out->file) {
		out->failure = errno;
		out->failed = true;
		if (fd >= 0)
			close(fd);
		return false;
	}
	qf_buf_add(&out->names, name, strlen(name) + 1);
	return true;
}

static void
end_file(struct readable *out)
{
	if (fflush(out->file) != 0 || ferror(out->file) || fsync(fileno(out->file)) != 0) {
		out->failure = errno;
		out->failed = true;
	}
	fclose(out->file);
	out->file = NULL;
}

static bool
take(void *ctx, struct qf_msg *msg)
{
	struct readable *out = ctx;
	struct stat st;
	struct qf_err err;
	int fd;

	if (qf_part_open(out->list.queue, msg, QF_PART_DATA, &fd, &err))
		return false;
	out->found = true;
	if (!out->form->folders) {
		put_from(out, qf_msg_envelope(msg));
	} else if (!begin_file(out, msg)) {
		close(fd);
		return false;
	}
	put_headers(out, msg);
	if (out->source->redactor) {
		fprintf(out->file, "(a body of %lld bytes, left out)\n",
			fstat(fd, &st) == 0 ? (long long)st.st_size : 0LL);
		close(fd);
	} else {
		put_body(out, fd);
	}
	if (out->form->folders)
		end_file(out);
	else
		fputc('\n', out->file);
	return false;
}

/* ------------------------------------------------------------------ all of them */

static void
write_all(struct readable *out)
{
	const char *at = NULL;

	while (!signals_caught() && !out->failed && (at = salvage_list_next(&out->list, at))) {
		out->found = false;
		qf_queue_find(out->list.queue, strrchr(at, '/') + 3, QF_NEED_HEADERS | QF_NEED_DATA,
			      take, out, NULL);
		qf_buf_addc(&out->written, out->found ? 'y' : 'n');
	}
	out->failed |= out->written.failed;
}

/* Once all of it has its name. */
static void
tell_all(struct readable *out)
{
	const char *at = NULL;

	for (size_t i = 0; i < out->written.n && (at = salvage_list_next(&out->list, at)); i++) {
		const char *slash = strrchr(at, '/');
		struct qf_salvage_record record = {.outcome = QF_SALVAGE_COPIED,
						   .id = slash + 3,
						   .file = slash + 1,
						   .to = out->to,
						   .bounce_at = QF_TIME_NONE,
						   .bytes = -1};

		if (out->written.p[i] != 'y') {
			record.outcome = QF_SALVAGE_SKIPPED;
			record.why = QF_SALVAGE_WHY_GONE;
			record.to = NULL;
		}
		salvage_list_tell(&out->list, &record);
	}
}

/* Nothing that is there is replaced, but an empty folder by a folder. */
static bool
is_free(const struct readable *out)
{
	struct dirent *entry;
	struct stat st;
	bool empty = true;
	DIR *names;

	if (lstat(out->to, &st) != 0)
		return true;
	names = out->form->folders ? opendir(out->to) : NULL;
	while (names && empty && (entry = readdir(names)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (names)
		closedir(names);
	return names && empty;
}

/* Made under another name, without the slash at its end. */
static int
begin(struct readable *out)
{
	size_t n = strlen(out->to);
	int fd;

	if (!is_free(out)) {
		say_error("%s: cannot write: is there already", out->to);
		return STATUS_USAGE;
	}
	out->part = malloc(n + sizeof(PART));
	if (!out->part) {
		say_error("out of memory");
		return STATUS_OS;
	}
	memcpy(out->part, out->to, n + 1);
	while (n > 1 && out->part[n - 1] == '/')
		n--;
	memcpy(out->part + n, PART, sizeof(PART));
	if (!out->form->folders) {
		fd = open(out->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		out->file = fd < 0 ? NULL : fdopen(fd, "w");
		if (out->file)
			return STATUS_OK;
	} else if (mkdir(out->part, 0700) == 0) {
		out->folder = open(out->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		for (size_t i = 0; out->folder >= 0 && out->form->folders[i]; i++)
			if (mkdirat(out->folder, out->form->folders[i], 0700) != 0) {
				close(out->folder);
				out->folder = -1;
			}
		if (out->folder >= 0)
			return STATUS_OK;
	}
	say_error("%s: cannot create: %s", out->part, strerror(errno));
	return STATUS_CANNOT_CREATE;
}

static void
take_away(struct readable *out)
{
	if (out->folder < 0) {
		unlink(out->part);
		return;
	}
	for (size_t at = 0; at < out->names.n; at += strlen(out->names.p + at) + 1)
		unlinkat(out->folder, out->names.p + at, 0);
	for (size_t i = 0; out->form->folders[i]; i++)
		unlinkat(out->folder, out->form->folders[i], AT_REMOVEDIR);
	rmdir(out->part);
}

/* A file only where none is, a folder where none is, or an empty one. */
static bool
give_name(const struct readable *out)
{
	if (out->folder >= 0)
		return rename(out->part, out->to) == 0;
	if (renameat2(AT_FDCWD, out->part, AT_FDCWD, out->to, RENAME_NOREPLACE) == 0)
		return true;
	/* File systems without such a rename have links. */
	return (errno == EINVAL || errno == ENOSYS) && link(out->part, out->to) == 0 &&
	       unlink(out->part) == 0;
}

/* Whole and on disk, it gets its name. */
static int
finish(struct readable *out)
{
	bool ok = !out->failed && !out->names.failed && !signals_caught();

	if (ok && out->folder >= 0)
		ok = fsync(out->folder) == 0;
	else if (ok)
		ok = fflush(out->file) == 0 && !ferror(out->file) && fsync(fileno(out->file)) == 0;
	ok = ok && give_name(out);
	if (ok)
		return STATUS_OK;
	if (!out->failure && !out->failed)
		out->failure = errno;
	take_away(out);
	if (signals_caught())
		return STATUS_SIGNAL + signals_caught();
	say_error("%s: cannot write: %s", out->to,
		  out->failure ? strerror(out->failure) : "a message could not be read");
	return STATUS_IO;
}

int
salvage_readable(struct source *source, struct qf_queue *from, const char *to,
		 const struct qf_salvage_options *options, struct report *report)
{
	struct readable out = {.source = source,
			       .form = form_of(to),
			       .to = to,
			       .folder = -1,
			       .list = {.queue = from, .report = report}};
	struct qf_err err;
	int status = begin(&out);

	if (!status && salvage_list_fill(&out.list, options, &err)) {
		status = say_failure(&err);
		take_away(&out);
	} else if (!status) {
		write_all(&out);
		status = finish(&out);
	}
	if (out.file)
		fclose(out.file);
	if (out.folder >= 0)
		close(out.folder);
	if (!status) {
		tell_all(&out);
		report_totals(out.list.report, &out.list.totals, NULL);
		say_note("%llu messages in %s; the queue is as it was",
			 (unsigned long long)out.list.totals.moved, to);
	}
	if (!status && out.list.totals.moved < out.list.totals.planned)
		status = STATUS_FINDINGS;
	qf_buf_release(&out.list.paths);
	qf_buf_release(&out.names);
	qf_buf_release(&out.written);
	free(out.part);
	return status;
}
