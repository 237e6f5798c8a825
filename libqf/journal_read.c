/*
 * journal_read - the journals of a queue, read back: lines of all hosts, put together into
 * entries, oldest first, each with whether it can be taken back. What one host wrote stays in the order
 * it was written in, which the seconds in it do not tell.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "home.h"
#include "layout.h"
#include "locks.h"

/* Of one journal file. */
#define JOURNAL_MAX ((size_t)1 << 30)

struct line {
	const char *entry; /* within json */
	json_t *json;
	json_t *end;       /* the line that closes it, or NULL */
	int64_t reached;   /* the latest time that this or a line before it in its file has */
	size_t place;      /* as it was read */
	bool undone;
};

struct lines {
	struct line *line;
	size_t n, cap;
	size_t strange;
	int64_t reached;   /* of the file in hand */
	bool nomem;
};

const char *
qf_undo_name(enum qf_undo undo)
{
	static const char *const names[] = {
		[QF_UNDO_POSSIBLE] = "possible",
		[QF_UNDO_DONE] = "done",
		[QF_UNDO_IMPOSSIBLE] = "impossible",
	};

	return names[undo];
}

static const char *
text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int64_t
time_of(const json_t *object, const char *key)
{
	const char *value = text(object, key);
	int64_t when;

	return value && qf_time_parse((struct qf_slice){value, strlen(value)}, &when)
		       ? when
		       : QF_TIME_NONE;
}

static const char *
gone_of(const json_t *object, struct qf_buf *out)
{
	const json_t *list = json_object_get(object, "gone");

	if (!json_is_array(list))
		return NULL;
	qf_buf_clear(out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *address = json_string_value(json_array_get(list, i));

		if (!address)
			continue;
		qf_buf_adds(out, address);
		qf_buf_addc(out, '\n');
	}
	qf_buf_addc(out, '\0');
	return out->failed ? NULL : out->p;
}

static void
take_line(struct lines *lines, json_t *json)
{
	const char *schema = text(json, "schema"), *entry = text(json, "entry");
	int64_t when;

	if (!schema || strcmp(schema, "qf.journal/1") || !entry || !text(json, "step")) {
		lines->strange++;
		json_decref(json);
		return;
	}
	if (lines->n == lines->cap) {
		size_t cap = lines->cap ? lines->cap * 2 : 256;
		struct line *more = realloc(lines->line, cap * sizeof(*more));

		if (!more) {
			lines->nomem = true;
			json_decref(json);
			return;
		}
		lines->line = more;
		lines->cap = cap;
	}
	when = time_of(json, "time");
	if (when != QF_TIME_NONE && when > lines->reached)
		lines->reached = when;
	lines->line[lines->n] = (struct line){
		.entry = entry, .json = json, .reached = lines->reached, .place = lines->n};
	lines->n++;
}

/* False where it broke off. */
static bool
read_file(struct lines *lines, FILE *file)
{
	bool whole;
	char *bytes = NULL;
	size_t size = 0;
	ssize_t n;

	lines->reached = INT64_MIN;
	while ((n = getline(&bytes, &size, file)) > 0) {
		json_t *json = json_loadb(bytes, (size_t)n, 0, NULL);

		/* The last line of a host that lost power may be cut. */
		if (json)
			take_line(lines, json);
		else
			lines->strange++;
	}
	whole = !ferror(file);
	free(bytes);
	return whole;
}

/* The rest is read on: the first thing that went wrong is told. */
static void
keep_first(enum qf_code *code, struct qf_err *err, enum qf_code next, const struct qf_err *why)
{
	if (*code || !next)
		return;
	*code = next;
	if (err)
		*err = *why;
}

/* A file that is none, and a link, is nobody's journal. */
static enum qf_code
read_named(struct lines *lines, int folder, const char *where, const char *name, struct qf_err *err)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	char path[sizeof(err->what)];
	enum qf_code code = QF_OK;
	FILE *file = NULL;
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", where, name);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? QF_OK
							 : qf_err_sys(err, errno, path, "cannot read");
	if (fstat(fd, &st) != 0)
		code = qf_err_sys(err, errno, path, "cannot read");
	else if (S_ISREG(st.st_mode) && (size_t)st.st_size > JOURNAL_MAX)
		code = qf_err_set(err, QF_E_DATA, path, "cannot read: larger than is read here");
	else if (S_ISREG(st.st_mode) && !(file = fdopen(fd, "r")))
		code = qf_err_nomem(err);
	if (!file) {
		close(fd);
		return code;
	}
	if (!read_file(lines, file))
		code = qf_err_sys(err, EIO, path, "cannot read");
	fclose(file);
	return code;
}

/* All *.jsonl of a folder, whose descriptor is ours to close. */
static enum qf_code
read_folder(struct lines *lines, int folder, const char *where, struct qf_err *err)
{
	DIR *dir = fdopendir(folder);
	enum qf_code code = QF_OK;
	struct dirent *entry;

	if (!dir) {
		code = qf_err_sys(err, errno, where, "cannot list");
		close(folder);
		return code;
	}
	while (errno = 0, (entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);
		struct qf_err one;
		enum qf_code here;

		if (n < 7 || strcmp(entry->d_name + n - 6, ".jsonl"))
			continue;
		here = read_named(lines, folder, where, entry->d_name, &one);
		keep_first(&code, err, here, &one);
	}
	if (errno && !code)
		code = qf_err_sys(err, errno, where, "cannot list");
	closedir(dir);
	return code;
}

/* Of one directory of the queue. One that was never changed has none. */
static enum qf_code
read_home(struct lines *lines, struct qf_queue *queue, size_t dir, struct qf_err *err)
{
	char where[sizeof(err->what)];
	enum qf_code code;
	int home, fd;

	snprintf(where, sizeof(where), "%.480s/.qf/journal", qf_queue_dir(queue, dir)->path);
	code = qf_home_open(queue, dir, false, &home, err);
	if (code)
		return code == QF_E_NOT_FOUND ? QF_OK : code;
	code = qf_home_folder(qf_queue_io(queue), home, "journal", false, &fd, err);
	qf_io_close(qf_queue_io(queue), home);
	if (!code)
		return read_folder(lines, fd, where, err);
	snprintf(err->what, sizeof(err->what), "%s", where);
	return code == QF_E_NOT_FOUND ? QF_OK : code;
}

static int
compare_order(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->reached != y->reached)
		return x->reached < y->reached ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static int
compare_entry(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->entry, ((const struct line *)b)->entry);
}

/* By entry; of one entry the beginning first. */
static int
compare(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = strcmp(x->entry, y->entry);

	return order ? order : strcmp(text(x->json, "step"), text(y->json, "step"));
}

static struct line *
find_entry(struct lines *lines, const char *entry)
{
	struct line key = {.entry = entry, .json = NULL};

	return lines->n ? bsearch(&key, lines->line, lines->n, sizeof(key), compare_entry) : NULL;
}

/* Beginnings keep their place, ends go to them, and what was taken back is marked. */
static void
join_lines(struct lines *lines)
{
	size_t kept = 0;

	if (lines->n)
		qsort(lines->line, lines->n, sizeof(*lines->line), compare);
	for (size_t i = 0; i < lines->n; i++) {
		struct line *line = &lines->line[i];

		if (strcmp(text(line->json, "step"), "begin") == 0)
			lines->line[kept++] = *line;
		else if (kept && strcmp(lines->line[kept - 1].entry, line->entry) == 0 &&
			 !lines->line[kept - 1].end)
			lines->line[kept - 1].end = line->json;
		else
			json_decref(line->json);
	}
	lines->n = kept;
	for (size_t i = 0; i < lines->n; i++) {
		const char *undoes = text(lines->line[i].json, "undoes");
		const char *result = text(lines->line[i].end, "result");
		struct line *of = undoes && result && strcmp(result, "done") == 0
					  ? find_entry(lines, undoes)
					  : NULL;

		if (of)
			of->undone = true;
	}
	if (lines->n)
		qsort(lines->line, lines->n, sizeof(*lines->line), compare_order);
}

static size_t
dir_of(struct qf_queue *queue, const char *path)
{
	for (size_t i = 0; path && i < qf_queue_ndirs(queue); i++)
		if (strcmp(qf_queue_dir(queue, i)->path, path) == 0)
			return i;
	return SIZE_MAX;
}

/* Can it be taken back? What only the attempt can tell is found out then. */
static void
judge(struct qf_journal_entry *entry, const struct line *line)
{
	static const char *const undoable[] = {"rm",    "hold",   "release", "due",
						 "edit", "clean", "rescue", "recover"};
	bool known = false;

	for (size_t i = 0; i < sizeof(undoable) / sizeof(*undoable); i++)
		known |= entry->command && strcmp(entry->command, undoable[i]) == 0;
	entry->undo = QF_UNDO_IMPOSSIBLE;
	if (line->undone)
		entry->undo = QF_UNDO_DONE;
	else if (entry->harm)
		entry->undo_why = entry->harm;
	else if (!known || !entry->id)
		entry->undo_why = "there is no way back from it";
	else if (!entry->result && entry->trash)
		entry->undo_why = "it was interrupted: the message may have been delivered, "
				  "whatever the trash has";
	/* One that was interrupted may have been completed by the change after it. */
	else if (entry->result && strcmp(entry->result, "done"))
		entry->undo_why = "it was not done";
	else
		entry->undo = QF_UNDO_POSSIBLE;
}

const char *
qf_journal_result(const struct qf_journal_entry *entry)
{
	if (entry->result)
		return entry->result;
	return entry->at_work == QF_NO ? "interrupted" : "not ended";
}

/* Who changes a message has its lock: what begins later finds the earlier ones over. */
static bool
is_last_of_file(const struct lines *lines, const struct line *line)
{
	const char *queue = text(line->json, "queue"), *id = text(line->json, "id");
	const struct line *end = lines->line + lines->n;

	for (const struct line *later = line + 1; queue && id && later < end; later++) {
		const char *its = text(later->json, "id"), *where = text(later->json, "queue");

		if (its && where && strcmp(its, id) == 0 && strcmp(where, queue) == 0)
			return false;
	}
	return true;
}

/* Is somebody at the message of a change that has no result? */
static enum qf_tri
at_work(struct qf_queue *queue, const struct qf_journal_entry *entry, struct qf_locks **locks)
{
	const char *const names[] = {entry->file, entry->became};
	struct qf_io *io = qf_queue_io(queue);
	enum qf_tri answer = QF_NO;

	if (entry->dir == SIZE_MAX || qf_queue_dir(queue, entry->dir)->trouble)
		return QF_UNKNOWN;
	if (!*locks)
		*locks = qf_locks_new();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && answer == QF_NO; i++) {
		const struct qf_dir *d = qf_queue_dir(queue, entry->dir);
		struct stat st;
		int fd;

		if (!names[i] || !*names[i] || strchr(names[i], '/'))
			continue;
		fd = qf_io_open(io, d->control_fd, names[i],
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno != ENOENT)
			answer = QF_UNKNOWN;
		if (fd < 0)
			continue;
		answer = *locks && qf_io_fstat(io, fd, &st) == 0
				 ? qf_locks_ask(*locks, io, fd, d->device, st.st_ino,
						qf_locks_sight(d->control_fd))
				 : QF_UNKNOWN;
		qf_io_close(io, fd);
	}
	return answer;
}

enum qf_code
qf_journal_read(struct qf_queue *queue, const char *folder,
		bool (*take)(void *ctx, const struct qf_journal_entry *entry), void *ctx,
		size_t *strange, struct qf_err *err)
{
	struct qf_io *io = qf_queue_io(queue);
	struct lines lines = {0};
	struct qf_locks *locks = NULL;
	struct qf_buf gone = {0};
	enum qf_code code = QF_OK;
	bool more = true;
	int fd;

	if (folder) {
		fd = qf_io_open(io, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		code = fd < 0 ? qf_err_sys(err, errno, folder, "cannot open")
			      : read_folder(&lines, fd, folder, err);
	}
	for (size_t i = 0; !folder && i < qf_queue_ndirs(queue); i++) {
		struct qf_err one;
		enum qf_code here = read_home(&lines, queue, i, &one);

		keep_first(&code, err, here, &one);
	}
	join_lines(&lines);
	for (size_t i = 0; i < lines.n; i++) {
		const struct line *line = &lines.line[i];
		struct qf_journal_entry entry = {
			.entry = line->entry,
			.user = text(line->json, "user"),
			.host = text(line->json, "host"),
			.command = text(line->json, "command"),
			.queue = text(line->json, "queue"),
			.id = text(line->json, "id"),
			.file = text(line->json, "file"),
			.note = text(line->json, "note"),
			.undoes = text(line->json, "undoes"),
			.result = text(line->end, "result"),
			.why = text(line->end, "why"),
			.was_reason = text(line->json, "was_reason"),
			.was_control = text(line->json, "was_control"),
			.new_digest = text(line->json, "new_digest"),
			.added = text(line->json, "added"),
			.trash = text(line->json, "trash"),
			.harm = text(line->json, "harm"),
			.became = text(line->json, "became"),
			.time = time_of(line->json, "time"),
			.was_last_try = time_of(line->json, "was_last_try"),
			.dir = dir_of(queue, text(line->json, "queue")),
		};

		entry.gone = gone_of(line->json, &gone);
		judge(&entry, line);
		if (!entry.result && is_last_of_file(&lines, line))
			entry.at_work = at_work(queue, &entry, &locks);
		if (more)
			more = take(ctx, &entry);
		json_decref(line->json);
		json_decref(line->end);
	}
	qf_locks_free(locks);
	lines.nomem |= gone.failed;
	qf_buf_release(&gone);
	free(lines.line);
	if (strange)
		*strange = lines.strange;
	return !code && lines.nomem ? qf_err_nomem(err) : code;
}
