/*
 * jobs - changes at work in processes of their own.
 *
 * DIAGNOSTICS: a job that ended without its tally was killed: what it had begun is completed by the
 * next change of the queue, and the journal tells of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "jobs.h"

/* Files of jobs that ended are removed after this. */
#define KEPT_SECONDS (7 * 86400)
#define ACTION "{\"schema\":\"qf.action/1\""
#define TALLY "{\"schema\":\"qf.tally/1\""
#define SALVAGE "{\"schema\":\"qf.salvage/1\""
#define PROCESS "{\"schema\":\"qf.job.process/1\""
#define HEAD "{\"schema\":\"qf.job/1\""

/* A file, as far as it was read. */
struct tracked {
	struct tui_job job;
	off_t offset;
	bool settled;       /* nothing more will come */
};

struct tui_job_files {
	const struct tui_config *config;
	struct qf_queue *queue;
	struct tracked *tracked;
	size_t n;
	unsigned started;
};

struct tui_job_files *
tui_job_files_new(const struct tui_config *config, struct qf_queue *queue)
{
	struct tui_job_files *files = calloc(1, sizeof(*files));

	if (files) {
		files->config = config;
		files->queue = queue;
	}
	return files;
}

void
tui_job_files_free(struct tui_job_files *files)
{
	if (!files)
		return;
	free(files->tracked);
	free(files);
}

static struct tracked *
track(struct tui_job_files *files, const char *name)
{
	struct tracked *more;

	for (size_t i = 0; i < files->n; i++)
		if (strcmp(files->tracked[i].job.name, name) == 0)
			return &files->tracked[i];
	more = realloc(files->tracked, (files->n + 1) * sizeof(*more));
	if (!more)
		return NULL;
	files->tracked = more;
	more = &files->tracked[files->n++];
	*more = (struct tracked){0};
	snprintf(more->job.name, sizeof(more->job.name), "%.63s", name);
	return more;
}

static enum qf_code
fail(struct qf_err *err, const char *what, int failure)
{
	if (err) {
		*err = (struct qf_err){.code = QF_E_SYS, .sys = failure};
		snprintf(err->what, sizeof(err->what), "%s", what);
		snprintf(err->why, sizeof(err->why), "%s", strerror(failure));
	}
	return QF_E_SYS;
}

/* The folder of the jobs. */
static enum qf_code
open_folder(struct tui_job_files *files, bool create, int *fd, struct qf_err *err)
{
	const char *state = files->config->state;
	size_t dir = 0;
	int top;

	*fd = -1;
	if (!state) {
		while (dir + 1 < qf_queue_ndirs(files->queue) &&
		       qf_queue_dir(files->queue, dir)->trouble)
			dir++;
		return qf_home_open_folder(files->queue, dir, "jobs", create, fd, err);
	}
	top = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return fail(err, state, errno);
	if (create && mkdirat(top, "jobs", 0700) != 0 && errno != EEXIST) {
		int failure = errno;

		close(top);
		return fail(err, state, failure);
	}
	*fd = openat(top, "jobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(top);
	return *fd >= 0 ? QF_OK : fail(err, state, errno);
}

/* What undoes a line of a job goes by: the entry in the journal; of a message that was moved, the id it
   has there. */
static struct qf_slice
handle_of(const char *line)
{
	static const char *const keys[] = {"\"entry\":\"", "\"new_id\":\"", "\"id\":\""};
	bool moved = strncmp(line, SALVAGE, sizeof(SALVAGE) - 1) == 0;

	if (moved ? !strstr(line, "\"outcome\":\"moved\"")
		  : strncmp(line, ACTION, sizeof(ACTION) - 1) || !strstr(line, "\"result\":\"done\""))
		return (struct qf_slice){NULL, 0};
	for (size_t i = moved ? 1 : 0; i < (moved ? 3 : 1); i++) {
		const char *at = strstr(line, keys[i]);

		if (at)
			return (struct qf_slice){at + strlen(keys[i]),
						 strcspn(at + strlen(keys[i]), "\"")};
	}
	return (struct qf_slice){NULL, 0};
}

/* Of all that a job did, one a line: the input of what takes it back. */
static bool
add_entries(struct tui_job_files *files, const char *name, struct qf_buf *out)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file;
	int folder, fd;

	if (open_folder(files, false, &folder, NULL))
		return false;
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	close(folder);
	file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!file)
		return false;
	while (getline(&line, &size, file) > 0) {
		struct qf_slice handle = handle_of(line);

		if (!handle.n)
			continue;
		qf_buf_add(out, handle.p, handle.n);
		qf_buf_addc(out, '\n');
	}
	free(line);
	fclose(file);
	return out->n && !out->failed;
}

/* What it is called. */
static const char *
deed_of(const struct tui_run *run)
{
	if (strcmp(run->argv[0], "orphans") == 0)
		return "fix";
	if (run->takes_back[0])
		return "undo";
	if (strcmp(run->argv[0], "salvage") == 0 && run->argc > 1)
		return strcmp(run->argv[1], "run") ? run->argv[1] : "move";
	return run->argv[0];
}

static void
say_head(const struct tui_run *run, int64_t now, struct qf_buf *out)
{
	struct qf_json json = {.out = out};
	char what[128];

	if (run->total == 0)
		snprintf(what, sizeof(what), "%.20s", run->argv[0]);
	else
		snprintf(what, sizeof(what), "%.20s of %zu %s", deed_of(run), run->total,
			 tui_things(run->argv[0], run->total));
	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.job/1");
	qf_json_key(&json, "command");
	qf_json_string(&json, run->argv[0]);
	qf_json_key(&json, "what");
	qf_json_string(&json, what);
	qf_json_key(&json, "total");
	qf_json_int(&json, (int64_t)run->total);
	qf_json_key(&json, "started");
	qf_json_int(&json, now);
	qf_json_key(&json, "can_undo");
	qf_json_bool(&json, tui_can_undo(run));
	qf_json_key(&json, "takes_back");
	qf_json_string(&json, run->takes_back[0] ? run->takes_back : NULL);
	qf_json_key(&json, "place");
	qf_json_string(&json, run->place[0] ? run->place : NULL);
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}

/* Entries of the journal are named by it: so what was killed before it said a word is found there. */
static void
say_pid(int fd, pid_t pid)
{
	char line[64];
	int n = snprintf(line, sizeof(line), PROCESS ",\"pid\":%ld}\n", (long)pid);

	/* Lacking it, those are taken back one by one. */
	if (write(fd, line, (size_t)n) != n)
		return;
}

enum qf_code
tui_job_start(struct tui_job_files *files, const struct tui_run *run, int64_t now, char name[64],
	      struct qf_err *err)
{
	struct qf_buf head = {0}, entries = {0};
	struct qf_slice input = {run->input.p, run->input.n};
	struct tui_child child;
	char time[QF_TIME_TEXT];
	int folder, fd;
	enum qf_code code;

	/* A directory may have been put in the place of the one that is shown: the job goes by its name. */
	for (size_t i = 0; i < qf_queue_ndirs(files->queue); i++)
		if ((code = qf_queue_in_place(files->queue, i, err)))
			return code;
	if (run->feeds) {
		if (!add_entries(files, run->takes_back, &entries)) {
			qf_buf_release(&entries);
			return fail(err, run->takes_back, ENOENT);
		}
		input = (struct qf_slice){entries.p, entries.n};
	}
	code = open_folder(files, true, &folder, err);
	if (code) {
		qf_buf_release(&entries);
		return code;
	}
	qf_time_format(now, time);
	snprintf(name, 64, "%.19s-%ld-%u.job", time, (long)getpid(), files->started++);
	fd = openat(folder, name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	say_head(run, now, &head);
	if (fd < 0 || write(fd, head.p, head.n) != (ssize_t)head.n || flock(fd, LOCK_EX | LOCK_NB) != 0)
		code = fail(err, name, errno);
	else
		code = tui_child_start(files->config, run->argv, run->argc, input, fd, &child, err);
	if (!code) {
		track(files, name);
		say_pid(fd, child.pid);
	}
	if (code && fd >= 0)
		unlinkat(folder, name, 0);
	/* The job has the file open, and with it the lock, for as long as it lives. */
	if (fd >= 0)
		close(fd);
	close(folder);
	qf_buf_release(&head);
	qf_buf_release(&entries);
	return code;
}

/* ------------------------------------------------------------------ what jobs have come to */

/* A line a message, of hold and the like, or of salvage. */
static bool
is_result(const char *line)
{
	return strncmp(line, ACTION, sizeof(ACTION) - 1) == 0 ||
	       strncmp(line, SALVAGE, sizeof(SALVAGE) - 1) == 0;
}

/* The last line of every command that changes: a tally, or qf.WORD.total/1. */
static bool
is_end(const char *line)
{
	static const char schema[] = "{\"schema\":\"";
	const char *name = line + sizeof(schema) - 1;

	if (strncmp(line, schema, sizeof(schema) - 1))
		return false;
	return strncmp(line, TALLY, sizeof(TALLY) - 1) == 0 ||
	       (strcspn(name, "\"") > 8 && !strncmp(name + strcspn(name, "\"") - 8, ".total/1", 8));
}

/* A string of a head; empty where there is none, or one that would have to be decoded. */
static void
take_string(const char *line, const char *key, char *text, size_t size)
{
	const char *p = strstr(line, key);
	size_t n = p ? strcspn(p + strlen(key), "\"") : 0;

	*text = '\0';
	if (p && n < size && !memchr(p + strlen(key), '\\', n))
		snprintf(text, size, "%.*s", (int)n, p + strlen(key));
}

/* RUN-NUMBER: up to the number. */
static void
take_entries(struct tui_job *job, const char *line)
{
	char *number;

	take_string(line, "\"entry\":\"", job->entries, sizeof(job->entries));
	number = strrchr(job->entries, '-');
	if (number)
		number[1] = '\0';
}

static void
take_line(struct tracked *t, const char *line, size_t n)
{
	struct tui_job *job = &t->job;
	const char *p;

	if (strncmp(line, HEAD, sizeof(HEAD) - 1) == 0) {
		p = strstr(line, "\"what\":\"");
		if (p)
			snprintf(job->what, sizeof(job->what), "%.*s", (int)strcspn(p + 8, "\""), p + 8);
		p = strstr(line, "\"command\":\"");
		if (p)
			snprintf(job->command, sizeof(job->command), "%.*s",
				 (int)strcspn(p + 11, "\""), p + 11);
		p = strstr(line, "\"total\":");
		job->total = p ? strtoull(p + 8, NULL, 10) : 0;
		p = strstr(line, "\"started\":");
		job->time = p ? strtoll(p + 10, NULL, 10) : 0;
		job->can_undo = strstr(line, "\"can_undo\":true") != NULL;
		take_string(line, "\"takes_back\":\"", job->takes_back, sizeof(job->takes_back));
		take_string(line, "\"place\":\"", job->place, sizeof(job->place));
	} else if (strncmp(line, PROCESS, sizeof(PROCESS) - 1) == 0) {
		p = strstr(line, "\"pid\":");
		job->pid = p ? strtol(p + 6, NULL, 10) : 0;
	} else if (is_result(line)) {
		if (!job->entries[0])
			take_entries(job, line);
		job->done++;
		job->failed += !strstr(line, "\"result\":\"done\"") &&
			       !strstr(line, "\"outcome\":\"moved\"") &&
			       !strstr(line, "\"outcome\":\"copied\"") &&
			       !strstr(line, "\"outcome\":\"left\",\"as\":null,\"why\":\"aborted\"");
	} else if (is_end(line)) {
		job->ended = true;
		p = strstr(line, "\"run\":\"");
		if (p)
			snprintf(job->run, sizeof(job->run), "%.*s", (int)strcspn(p + 7, "\""), p + 7);
	} else if (n) {
		snprintf(job->last, sizeof(job->last), "%.*s", (int)(n < 150 ? n : 150), line);
	}
}

/* Read on from where it was left; only whole lines count. */
static void
read_on(struct tracked *t, int fd)
{
	static char bytes[65536 + 1];
	ssize_t n;

	while ((n = pread(fd, bytes, sizeof(bytes) - 1, t->offset)) > 0) {
		char *at = bytes, *end = bytes + n, *lf;

		while ((lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
			*lf = '\0';
			take_line(t, at, (size_t)(lf - at));
			at = lf + 1;
		}
		if (at == bytes)
			break;
		t->offset += at - bytes;
	}
}

static void
look_at(struct tui_job_files *files, struct tracked *t, int folder, int64_t now)
{
	int fd = openat(folder, t->job.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	bool alive;

	if (fd < 0) {
		t->settled = true;
		t->job.alive = false;
		return;
	}
	/* First whether it lives, then what it wrote: what it wrote last is not missed so. */
	alive = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	read_on(t, fd);
	close(fd);
	t->job.alive = alive;
	t->settled = !alive;
	if (!alive && !files->config->read_only && now - t->job.time > KEPT_SECONDS)
		unlinkat(folder, t->job.name, 0);
}

static int
newest_first(const void *a, const void *b)
{
	/* Their numbers are not all of one length. */
	return strverscmp(((const struct tui_job *)b)->name, ((const struct tui_job *)a)->name);
}

bool
tui_jobs_look(struct tui_job_files *files, struct tui_jobs *out, int64_t now)
{
	struct dirent *entry;
	struct qf_err err = {0};
	enum qf_code code;
	bool alive = false;
	DIR *dir;
	int folder;

	*out = (struct tui_jobs){0};
	code = open_folder(files, false, &folder, &err);
	if (code && code != QF_E_NOT_FOUND && err.sys != ENOENT)
		snprintf(out->failure, sizeof(out->failure), "%.90s: %.90s", err.what, err.why);
	if (code)
		return false;
	dir = fdopendir(folder);
	if (!dir) {
		close(folder);
		return false;
	}
	while ((entry = readdir(dir)) != NULL) {
		size_t n = strlen(entry->d_name);
		struct tracked *t;

		if (n < 5 || n >= sizeof(t->job.name) || strcmp(entry->d_name + n - 4, ".job"))
			continue;
		t = track(files, entry->d_name);
		if (t && !t->settled)
			look_at(files, t, dirfd(dir), now);
		alive |= t && t->job.alive;
	}
	closedir(dir);
	out->jobs = calloc(files->n ? files->n : 1, sizeof(*out->jobs));
	for (size_t i = 0; out->jobs && i < files->n; i++)
		out->jobs[out->n++] = files->tracked[i].job;
	if (out->n)
		qsort(out->jobs, out->n, sizeof(*out->jobs), newest_first);
	return alive;
}
