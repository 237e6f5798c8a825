/*
 * claim_folder - folders of claims: who holds them, and for how long.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "claim_parts.h"
#include "err.h"
#include "layout.h"
#include "names.h"

#define RUN_FILE "run.json"
/* Of a run.json; ours have some hundred bytes. */
#define RUN_FILE_MAX 8192
/* Not more often than this, in ns. */
#define RENEW_AFTER 5000000000u

/* ------------------------------------------------------------------ processes */

/* A small file of the kernel's, without its line end; "" where it cannot be read. */
static void
read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");

	*text = '\0';
	if (file && !fgets(text, (int)size, file))
		*text = '\0';
	if (file)
		fclose(file);
	text[strcspn(text, "\n")] = '\0';
}

/* When a process was started, in ticks since boot; "" where there is none, or it has ended and is only
   not yet waited for. */
static void
started(long pid, char text[24])
{
	char path[64], line[1024], *at;
	int fields = 0;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	read_line(path, line, sizeof(line));
	/* Behind the name, which may hold anything: state is the third field, this the 22nd. */
	at = strrchr(line, ')');
	if (at && (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0))
		at = NULL;
	while (at && *at && fields < 20)
		fields += *at++ == ' ';
	snprintf(text, 24, "%.*s", at ? (int)strcspn(at, " ") : 0, at ? at : "");
}

static void
pid_space(char text[40])
{
	ssize_t n = readlink("/proc/self/ns/pid", text, 39);

	text[n < 0 ? 0 : n] = '\0';
}

static void
boot(char text[40])
{
	read_line("/proc/sys/kernel/random/boot_id", text, 40);
}

void
qf_claim_run_fill(struct qf_claims *claims)
{
	struct qf_claim_run *run = &claims->run;

	if (gethostname(run->host, sizeof(run->host) - 1) != 0)
		run->host[0] = '\0';
	boot(run->boot);
	pid_space(run->pid_space);
	run->pid = (long)getpid();
	started(run->pid, run->started);
}

/* Only where it is certain: the same boot, the same pids; one of them is the owner, or none is. */
static enum qf_tri
is_alive(const struct qf_claim_run *run)
{
	char here[40], now[24];

	boot(here);
	if (!here[0] || strcmp(here, run->boot) != 0)
		return QF_UNKNOWN;
	pid_space(here);
	if (!here[0] || strcmp(here, run->pid_space) != 0 || run->pid <= 0 || !run->started[0])
		return QF_UNKNOWN;
	started((long)getpid(), now);
	if (!now[0])
		return QF_UNKNOWN; /* /proc does not tell */
	started(run->pid, now);
	return strcmp(now, run->started) == 0 ? QF_YES : QF_NO;
}

bool
qf_claim_name_run(int64_t now, char run[QF_RUN_MAX])
{
	char time[QF_TIME_TEXT], host[65] = "", *to = time;
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	qf_time_format(now, time);
	for (char *from = time; *from; from++)
		if (*from != '-' && *from != ':')
			*to++ = *from;
	*to = '\0';
	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	/* It becomes part of file names. */
	host[strcspn(host, ".")] = '\0';
	for (char *c = host; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *c))
			*c = '_';
	snprintf(run, QF_RUN_MAX, "%.20s-%.20s-%016llx", time, host[0] ? host : "localhost",
		 (unsigned long long)random);
	return true;
}

/* ------------------------------------------------------------------ run.json */

static void
compose(const struct qf_claim_run *run, struct qf_buf *out)
{
	struct qf_json json = {.out = out};
	const struct {
		const char *key, *value;
	} members[] = {
		{"schema", "qf.claim.run/1"}, {"run", run->run}, {"target", run->target},
		{"target_path", run->target_path}, {"command", run->command},
		{"how", run->how},
		{"host", run->host}, {"boot", run->boot}, {"pid_space", run->pid_space},
		{"started", run->started},
	};

	qf_json_open(&json, '{');
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		qf_json_key(&json, members[i].key);
		qf_json_string(&json, members[i].value);
	}
	qf_json_key(&json, "pid");
	qf_json_int(&json, run->pid);
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}

static void
take_member(const json_t *object, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(object, key));

	snprintf(text, size, "%s", value ? value : "");
}

/* False where it is no run.json of ours. */
static bool
parse(const char *bytes, size_t n, struct qf_claim_run *run)
{
	json_t *json = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, NULL);
	char schema[32];

	*run = (struct qf_claim_run){.pid = -1};
	take_member(json, "schema", schema, sizeof(schema));
	take_member(json, "run", run->run, sizeof(run->run));
	take_member(json, "target", run->target, sizeof(run->target));
	take_member(json, "target_path", run->target_path, sizeof(run->target_path));
	take_member(json, "command", run->command, sizeof(run->command));
	take_member(json, "how", run->how, sizeof(run->how));
	take_member(json, "host", run->host, sizeof(run->host));
	take_member(json, "boot", run->boot, sizeof(run->boot));
	take_member(json, "pid_space", run->pid_space, sizeof(run->pid_space));
	take_member(json, "started", run->started, sizeof(run->started));
	run->pid = (long)json_integer_value(json_object_get(json, "pid"));
	json_decref(json);
	return strcmp(schema, "qf.claim.run/1") == 0 && run->run[0] && run->target[0];
}

/* run.json of a folder, and when it was last touched. */
static bool
read_run(struct qf_io *io, int folder, struct qf_claim_run *run, int64_t *touched)
{
	char bytes[RUN_FILE_MAX];
	ssize_t n = -1;
	struct stat st;
	int fd = qf_io_open(io, folder, RUN_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (qf_io_fstat(io, fd, &st) == 0 && S_ISREG(st.st_mode))
		n = qf_io_read(io, fd, bytes, sizeof(bytes));
	qf_io_close(io, fd);
	*touched = n < 0 ? 0 : st.st_mtime;
	return n > 0 && parse(bytes, (size_t)n, run);
}

/* ------------------------------------------------------------------ folders */

void
qf_claim_folder_name(const struct qf_claims *claims, size_t dir, unsigned lane,
		     char folder[QF_CLAIM_FOLDER_MAX])
{
	snprintf(folder, QF_CLAIM_FOLDER_MAX, "%s.%zu", claims->run.run,
		 lane * claims->ndirs + dir);
}

static enum qf_code
make_folder(struct qf_claims *claims, size_t index, unsigned lane, struct qf_err *err)
{
	struct qf_claims_dir *dir = &claims->dirs[index];
	struct qf_io *io = claims->io;
	char name[QF_CLAIM_FOLDER_MAX];
	struct qf_buf text = {0};
	enum qf_code code;
	int folder, fd = -1;

	qf_claim_folder_name(claims, index, lane, name);
	code = qf_home_folder(io, dir->claims, name, true, &folder, err);
	if (code)
		return code;
	compose(&claims->run, &text);
	if (text.failed)
		code = qf_err_nomem(err);
	else if ((fd = qf_io_create(io, folder, RUN_FILE,
				    O_RDWR | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0 ||
		 qf_io_write(io, fd, text.p, text.n) != 0 || qf_io_fsync(io, fd) != 0 ||
		 qf_io_fsync(io, folder) != 0)
		code = qf_err_sys(err, errno, RUN_FILE, "cannot say who claims");
	qf_buf_release(&text);
	if (code) {
		qf_io_unlink(io, folder, RUN_FILE, 0);
		qf_io_unlink(io, dir->claims, name, AT_REMOVEDIR);
		if (fd >= 0)
			qf_io_close(io, fd);
		qf_io_close(io, folder);
		return code;
	}
	dir->lanes[lane].run_file = fd;
	dir->lanes[lane].folder = folder;
	claims->renewed = qf_clock_ns();
	return QF_OK;
}

enum qf_code
qf_claim_folder_make(struct qf_claims *claims, size_t dir, unsigned lane, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	pthread_mutex_lock(&claims->mutex);
	if (claims->dirs[dir].lanes[lane].folder < 0)
		code = make_folder(claims, dir, lane, err);
	pthread_mutex_unlock(&claims->mutex);
	return code;
}

void
qf_claims_renew(struct qf_claims *claims)
{
	pthread_mutex_lock(&claims->mutex);
	if (qf_clock_ns() - claims->renewed >= RENEW_AFTER) {
		for (size_t i = 0; i < claims->ndirs * QF_LANES_MAX; i++) {
			int file = claims->dirs[i / QF_LANES_MAX].lanes[i % QF_LANES_MAX].run_file;

			if (file >= 0)
				qf_io_touch(claims->io, file);
		}
		claims->renewed = qf_clock_ns();
	}
	pthread_mutex_unlock(&claims->mutex);
}

/* With the mutex held. */
static enum qf_code
open_other(struct qf_claims *claims, size_t dir, const char *folder, int *fd, struct qf_err *err)
{
	struct qf_claims_other *more;
	enum qf_code code;

	for (size_t i = 0; i < claims->nopen; i++) {
		if (claims->open[i].dir == dir && strcmp(claims->open[i].name, folder) == 0) {
			*fd = claims->open[i].fd;
			return QF_OK;
		}
	}
	more = realloc(claims->open, (claims->nopen + 1) * sizeof(*more));
	if (!more)
		return qf_err_nomem(err);
	claims->open = more;
	code = qf_home_folder(claims->io, claims->dirs[dir].claims, folder, false, fd, err);
	if (code)
		return code;
	more = &claims->open[claims->nopen++];
	more->dir = dir;
	more->fd = *fd;
	snprintf(more->name, sizeof(more->name), "%s", folder);
	return QF_OK;
}

enum qf_code
qf_claim_folder_open(struct qf_claims *claims, size_t dir, const char *folder, int *fd,
		     struct qf_err *err)
{
	enum qf_code code;

	pthread_mutex_lock(&claims->mutex);
	code = open_other(claims, dir, folder, fd, err);
	pthread_mutex_unlock(&claims->mutex);
	return code;
}

/* Of a folder whose owner claims no more. */
void
qf_claims_tidy(struct qf_claims *claims, size_t dir, const char *folder)
{
	struct qf_io *io = claims->io;
	struct qf_buf names = {0};
	int fd;

	if (qf_claim_folder_open(claims, dir, folder, &fd, NULL))
		return;
	if (qf_names_in(io, fd, folder, &names, NULL) == QF_OK &&
	    (names.n == 0 || (names.n == sizeof(RUN_FILE) && strcmp(names.p, RUN_FILE) == 0))) {
		qf_io_unlink(io, fd, RUN_FILE, 0);
		qf_io_unlink(io, claims->dirs[dir].claims, folder, AT_REMOVEDIR);
	}
	qf_buf_release(&names);
}

/* ------------------------------------------------------------------ all that are there */

#define CLOCK "clock."
/* Seconds: one that is older was left by a process that was killed. */
#define CLOCK_MOST 3600

/* What time it is on that file system: of a file made there now. */
static int64_t
clock_of(struct qf_io *io, int dir)
{
	char name[32];
	struct stat st = {0};
	int fd;

	snprintf(name, sizeof(name), CLOCK "%ld", (long)getpid());
	fd = qf_io_create(io, dir, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return QF_TIME_NONE;
	if (qf_io_touch(io, fd) != 0 || qf_io_fstat(io, fd, &st) != 0)
		st.st_mtime = 0;
	qf_io_unlink(io, dir, name, 0);
	qf_io_close(io, fd);
	return st.st_mtime ? st.st_mtime : QF_TIME_NONE;
}

struct listing {
	struct qf_claims *claims;
	bool (*found)(void *ctx, const struct qf_claim_found *claim);
	void *ctx;
	struct qf_claim_found claim;
	struct qf_claim_run run;
	int64_t now;
	bool stop;
};

static enum qf_code
list_folder(struct listing *listing, const char *folder, struct qf_err *err)
{
	struct qf_claims *claims = listing->claims;
	struct qf_claim_found *claim = &listing->claim;
	struct qf_buf names = {0};
	int64_t touched = 0;
	enum qf_tri alive;
	enum qf_code code;
	struct stat st;
	int fd;

	code = qf_claim_folder_open(claims, claim->dir, folder, &fd, err);
	if (code == QF_E_NOT_FOUND)
		return QF_OK; /* done with meanwhile */
	if (code)
		return code;
	claim->folder = folder;
	claim->run = read_run(claims->io, fd, &listing->run, &touched) ? &listing->run : NULL;
	alive = claim->run ? is_alive(claim->run) : QF_UNKNOWN;
	claim->owner_ended = alive == QF_NO;
	claim->owner_lives = alive == QF_YES;
	claim->own = claim->run && strcmp(claim->run->run, claims->run.run) == 0;
	/* Without run.json: since names in its folder last changed. */
	if (!touched && qf_io_fstat(claims->io, fd, &st) == 0)
		touched = st.st_mtime;
	claim->idle = listing->now == QF_TIME_NONE ? 0 : listing->now - touched;
	code = qf_names_in(claims->io, fd, folder, &names, err);
	claim->name = NULL;
	if (!code && (names.n == 0 || (names.n == sizeof(RUN_FILE) && claim->run)))
		listing->stop = !listing->found(listing->ctx, claim);
	for (size_t at = 0; !code && !listing->stop && at < names.n;
	     at += strlen(names.p + at) + 1) {
		claim->name = names.p + at;
		if (strlen(claim->name) < QF_NAME_MAX &&
		    qf_kind_is_control(qf_name_kind(claim->name, strlen(claim->name))))
			listing->stop = !listing->found(listing->ctx, claim);
	}
	qf_buf_release(&names);
	return code;
}

enum qf_code
qf_claims_list(struct qf_claims *claims,
	       bool (*found)(void *ctx, const struct qf_claim_found *claim), void *ctx,
	       struct qf_err *err)
{
	struct listing listing = {.claims = claims, .found = found, .ctx = ctx};
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < claims->ndirs && !code && !listing.stop; i++) {
		struct qf_buf names = {0};
		struct stat st;

		if (claims->dirs[i].claims < 0)
			continue;
		listing.claim = (struct qf_claim_found){.dir = i};
		code = qf_names_in(claims->io, claims->dirs[i].claims, ".qf/claims", &names, err);
		listing.now = names.n && claims->dirs[i].kinds
				      ? clock_of(claims->io, claims->dirs[i].claims)
				      : (int64_t)time(NULL);
		for (size_t at = 0; !code && !listing.stop && at < names.n;
		     at += strlen(names.p + at) + 1) {
			if (strlen(names.p + at) >= QF_CLAIM_FOLDER_MAX ||
			    qf_io_stat(claims->io, claims->dirs[i].claims, names.p + at, &st,
				       AT_SYMLINK_NOFOLLOW) != 0)
				continue;
			if (S_ISDIR(st.st_mode))
				code = list_folder(&listing, names.p + at, err);
			else if (claims->dirs[i].kinds && strncmp(names.p + at, CLOCK, strlen(CLOCK)) == 0 &&
				 qf_time_between(st.st_mtime, listing.now) > CLOCK_MOST)
				qf_io_unlink(claims->io, claims->dirs[i].claims, names.p + at, 0);
		}
		qf_buf_release(&names);
	}
	return code;
}

enum qf_code
qf_claims_look(struct qf_queue *queue,
	       bool (*found)(void *ctx, const struct qf_claim_found *claim), void *ctx,
	       struct qf_err *err)
{
	struct qf_claim_run nobody = {.pid = -1};
	struct qf_claims *claims;
	enum qf_code code = qf_claims_open(queue, &nobody, true, &claims, err);

	if (code)
		return code;
	code = qf_claims_list(claims, found, ctx, err);
	qf_claims_close(claims);
	return code;
}
