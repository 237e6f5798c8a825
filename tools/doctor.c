/*
 * doctor - is this queue, this mount and this configuration fit to be shared: the table of
 * checks, and how their answers are shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "changes.h"
#include "doctor.h"
#include "every.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "term.h"

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_NAGIOS };
static const char *const format_words[] = {"table", "json", "nagios", NULL};
static const char *const fix_words[] = {"perms", NULL};
static const char *const verdict_words[VERDICT_COUNT] = {"ok", "warn", "fail", "unknown"};

static struct doctor_options options = {.owner = "root:mail",
					.mode = "0700",
					.stop_grace = 120,
					.run_interval = 900};
static struct {
	int format, fix;
	bool peer, yes, no_journal;
	const char *note, *journal;
	int64_t timeout, every;
	unsigned warn, crit;
} given = {.fix = -1, .timeout = 60, .warn = 1, .crit = 1};

const char doctor_description[] =
	"Look whether this queue, its mount, sendmail's configuration and this host or container\n"
	"are fit for a queue that several daemons share. One line a check: ok, warn, fail, or\n"
	"unknown where it could not be seen, with a reason and a remedy.\n"
	"\n"
	"Nothing is changed. --probe tries locks, rename, fsync and the clock of the file server on\n"
	"files of its own under .qf/; without it these are unknown. --fix=perms sets owner, group\n"
	"and mode right, of the directories, of every file in them that sendmail would refuse, and\n"
	"of .qf/. The journal says how each was.\n"
	"\n"
	"doctor lock-test --peer, started in two containers on one mount at once, proves that a\n"
	"lock taken in one excludes the other.";

const struct opt doctor_options[] = {
	{OPT_WORD, "format", 0, &given.format, "FORMAT", "table, json or nagios", format_words},
	{OPT_STRING, "owner", 0, &options.owner, "USER:GROUP",
	 "who the queue is to belong to (root:mail)", NULL},
	{OPT_STRING, "mode", 0, &options.mode, "MODE", "mode of its directories (0700)", NULL},
	{OPT_SPAN, "stop-grace", 0, &options.stop_grace, "TIME",
	 "how long a container has to stop (120s)", NULL},
	{OPT_SPAN, "run-interval", 0, &options.run_interval, "TIME",
	 "time between queue runs, as of sendmail -q (15m)", NULL},
	{OPT_STRING, "sendmail", 0, &options.sendmail, "FILE",
	 "the sendmail to ask how it locks (default: the usual places)", NULL},
	{OPT_FLAG, "probe", 0, &options.probe, NULL,
	 "try locks, rename, fsync and the clock under .qf/", NULL},
	{OPT_WORD, "fix", 0, &given.fix, "WHAT", "perms: set owner, group and mode right",
	 fix_words},
	{OPT_FLAG, "yes", 0, &given.yes, NULL, "do not ask (--fix needs it off a terminal)", NULL},
	{OPT_STRING, "note", 0, &given.note, "TEXT", "--fix: why, for the journal", NULL},
	{OPT_STRING, "journal", 0, &given.journal, "DIR",
	 "--fix: folder of the journal (default: $QF_STATE, else .qf/journal)", NULL},
	{OPT_FLAG, "no-journal", 0, &given.no_journal, NULL, "--fix: work without a journal", NULL},
	{OPT_FLAG, "peer", 0, &given.peer, NULL, "lock-test: wait for the other one", NULL},
	{OPT_SPAN, "timeout", 0, &given.timeout, "TIME", "lock-test: for so long (60s)", NULL},
	{OPT_NUMBER, "warn", 0, &given.warn, "N", "nagios: so many warn are a warning (1)", NULL},
	{OPT_NUMBER, "crit", 0, &given.crit, "N", "nagios: so many fail are critical (1)", NULL},
	EVERY_ROW(&given.every),
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

/* Every check. The remedy is what to do about warn and fail. */
static const struct check {
	const char *name;
	void (*run)(struct doctor *doctor);
	const char *remedy;
} checks[] = {
	{"queue-owner", doctor_queue_owner, "qf doctor --fix=perms, or chown the directory"},
	{"queue-mode", doctor_queue_mode, "qf doctor --fix=perms, or chmod the directory"},
	{"file-owner", doctor_file_owner, "qf doctor --fix=perms"},
	{"file-mode", doctor_file_mode, "qf doctor --fix=perms, before the next queue run"},
	{"mount-type", doctor_mount_type,
	 "mount a file system there that outlives the container and has locks"},
	{"mount-options", doctor_mount_options, "mount it with the options that are wanted"},
	{"mount-tls", doctor_mount_tls, "mount EFS with tls (amazon-efs-utils: -o tls)"},
	{"space", doctor_space, "make room, or a larger file system"},
	{"inodes", doctor_inodes, "remove files, or make a file system with more inodes"},
	{"lock-flavour", doctor_lock_flavour, "see mount-options: local_lock"},
	{"lock-exclusion", doctor_lock_exclusion,
	 "do not let two daemons share this queue: mount without nolock and local_lock"},
	{"rename-fsync", doctor_rename_fsync, "no queue belongs on this file system"},
	{"clock-skew", doctor_clock_skew, "set the clock of this host (chrony)"},
	{"cf-queue", doctor_cf_queue, "set QueueDirectory, or look at the queue it names"},
	{"cf-min-queue-age", doctor_cf_min_queue_age,
	 "set MinQueueAge above 0 and below the interval of the queue runs"},
	{"cf-queue-return", doctor_cf_queue_return, "set Timeout.queuereturn, 4d or 5d"},
	{"cf-queue-warn", doctor_cf_queue_warn,
	 "set Timeout.queuewarn, 4h, well below Timeout.queuereturn"},
	{"cf-privacy", doctor_cf_privacy, "add restrictmailq to PrivacyOptions"},
	{"cf-max-message-size", doctor_cf_max_message_size, "set MaxMessageSize"},
	{"cf-max-children", doctor_cf_max_children, "set MaxDaemonChildren"},
	{"cf-rate-throttle", doctor_cf_rate_throttle, "set ConnectionRateThrottle"},
	{"cf-super-safe", doctor_cf_super_safe, "set SuperSafe=True (or PostMilter)"},
	{"cf-log-level", doctor_cf_log_level, "set LogLevel=9"},
	{"cf-auth", doctor_cf_auth,
	 "take the weak words out of AuthMechanisms; add p to AuthOptions"},
	{"stop-grace", doctor_stop_grace,
	 "shorten the time-outs of delivery, or lengthen the grace"},
	{"capabilities", doctor_capabilities, "give the container what is named, and no more"},
	{"no-new-privileges", doctor_no_new_privileges, "run the container with no-new-privileges"},
	{"seccomp", doctor_seccomp, "run the container with the default seccomp profile"},
	{"init", doctor_init, "set initProcessEnabled (docker run --init)"},
	{"read-only-root", doctor_read_only_root, "set readonlyRootFilesystem"},
	{"tmpfs", doctor_tmpfs, "mount it with noexec,nosuid,nodev"},
	{"opendkim-trusted-hosts", doctor_opendkim, "list single hosts in TrustedHosts"},
	{"dovecot-plaintext", doctor_dovecot, "set disable_plaintext_auth=yes"},
	{"sandbox", doctor_sandbox, "run a kernel with Landlock and seccomp"},
	{"abilities", doctor_abilities, "run qf as root, or as the owner of the queue"},
};
#define NCHECKS (sizeof(checks) / sizeof(*checks))

/* ------------------------------------------------------------------ answers */

static void
answer(struct doctor *doctor, enum verdict verdict, const char *value, const char *why,
       va_list args)
{
	struct doctor_answer *a = doctor->answer;

	a->verdict = verdict;
	snprintf(a->value, sizeof(a->value), "%s", value ? value : "");
	vsnprintf(a->why, sizeof(a->why), why, args);
}

#define ANSWER(name, word)                                                                         \
	void name(struct doctor *doctor, const char *value, const char *why, ...)                  \
	{                                                                                          \
		va_list args;                                                                      \
                                                                                                   \
		va_start(args, why);                                                               \
		answer(doctor, word, value, why, args);                                            \
		va_end(args);                                                                      \
	}
ANSWER(doctor_ok, VERDICT_OK)
ANSWER(doctor_warn, VERDICT_WARN)
ANSWER(doctor_fail, VERDICT_FAIL)
#undef ANSWER

void
doctor_good(struct doctor *doctor, const char *value)
{
	doctor_ok(doctor, value, "%s", "");
}

void
doctor_unknown(struct doctor *doctor, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	answer(doctor, VERDICT_UNKNOWN, NULL, why, args);
	va_end(args);
}

void
doctor_wanted(struct doctor *doctor, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(doctor->answer->wanted, sizeof(doctor->answer->wanted), format, args);
	va_end(args);
}

void
doctor_file(struct doctor *doctor, const char *directory, const char *name)
{
	struct doctor_files *files = &doctor->answer->files;
	char **more;

	files->all++;
	if (files->n == DOCTOR_FILES_MAX)
		return;
	more = realloc(files->paths, (files->n + 1) * sizeof(*more));
	if (!more)
		return;
	files->paths = more;
	if (asprintf(&files->paths[files->n], "%s%s%s", directory, *name ? "/" : "", name) >= 0)
		files->n++;
}

char *
doctor_read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t n = 0, room = 1 << 20;
	char *text = fd < 0 ? NULL : malloc(room + 1);
	ssize_t got = text ? 1 : -1;

	while (got > 0 && n < room) {
		got = read(fd, text + n, room - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	if (got < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* ------------------------------------------------------------------ showing */

static void
put_json(const struct check *check, const struct doctor_answer *a)
{
	bool bad = a->verdict == VERDICT_WARN || a->verdict == VERDICT_FAIL;
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.doctor/1");
	qf_json_key(&json, "check");
	qf_json_string(&json, check->name);
	qf_json_key(&json, "result");
	qf_json_string(&json, verdict_words[a->verdict]);
	qf_json_key(&json, "value");
	qf_json_string(&json, a->value[0] ? a->value : NULL);
	qf_json_key(&json, "wanted");
	qf_json_string(&json, a->wanted[0] ? a->wanted : NULL);
	qf_json_key(&json, "why");
	qf_json_string(&json, a->why[0] ? a->why : NULL);
	qf_json_key(&json, "remedy");
	qf_json_string(&json, bad ? a->remedy ? a->remedy : check->remedy : NULL);
	qf_json_key(&json, "files");
	qf_json_open(&json, '[');
	for (size_t i = 0; i < a->files.n; i++)
		qf_json_string(&json, a->files.paths[i]);
	qf_json_close(&json, ']');
	qf_json_close(&json, '}');
	qf_buf_addc(&line, '\n');
	out_add_buf(&line);
	qf_buf_release(&line);
}

static void
safe(struct qf_buf *line, const char *text)
{
	qf_escape_terminal(line, (struct qf_slice){text, strlen(text)}, term_utf8());
}

static void
put_line(const struct check *check, const struct doctor_answer *a, bool color)
{
	static const char *const colors[VERDICT_COUNT] = {"\033[32m", "\033[33m", "\033[31m",
							   "\033[36m"};
	bool bad = a->verdict == VERDICT_WARN || a->verdict == VERDICT_FAIL;
	struct qf_buf line = {0};

	qf_buf_addf(&line, "%s%-7s%s %-22s ", color ? colors[a->verdict] : "",
		    verdict_words[a->verdict], color ? "\033[0m" : "", check->name);
	safe(&line, a->value);
	if (a->why[0]) {
		qf_buf_adds(&line, a->value[0] ? ": " : "");
		safe(&line, a->why);
	}
	qf_buf_addc(&line, '\n');
	for (size_t i = 0; i < a->files.n && (i < 5 || say_verbosity() > 0); i++) {
		qf_buf_addf(&line, "%31s", "");
		safe(&line, a->files.paths[i]);
		qf_buf_addc(&line, '\n');
	}
	if (a->files.all > 5 && say_verbosity() <= 0)
		qf_buf_addf(&line, "%31sand %zu more (-v names them)\n", "", a->files.all - 5);
	if (bad)
		qf_buf_addf(&line, "%31s-> %s\n", "", a->remedy ? a->remedy : check->remedy);
	out_add_buf(&line);
	qf_buf_release(&line);
}

static const char *
nagios_word(int status)
{
	static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

	return words[status];
}

/* What is wrong is named, below the thresholds too; what is unknown where that is the status. */
static bool
nagios_names(enum verdict verdict, int status)
{
	return verdict == VERDICT_UNKNOWN ? status == 3 : verdict != VERDICT_OK;
}

/* The plugin convention: one line, counts behind a bar. OK is said only of what was seen. */
static int
put_nagios(const struct doctor_answer *answers, const size_t *counts)
{
	int status = counts[VERDICT_FAIL] >= given.crit && counts[VERDICT_FAIL]   ? 2
		     : counts[VERDICT_WARN] >= given.warn && counts[VERDICT_WARN] ? 1
		     : counts[VERDICT_UNKNOWN]				  ? 3
										  : 0;
	static const enum verdict order[VERDICT_COUNT] = {VERDICT_FAIL, VERDICT_WARN,
							  VERDICT_UNKNOWN, VERDICT_OK};
	struct qf_buf line = {0};
	const char *between = " - ";

	qf_buf_addf(&line, "DOCTOR %s", nagios_word(status));
	for (size_t k = 0; k < VERDICT_COUNT; k++)
		for (size_t i = 0; i < NCHECKS; i++)
			if (answers[i].verdict == order[k] && nagios_names(order[k], status)) {
				qf_buf_addf(&line, "%s%s %s", between, checks[i].name,
					    verdict_words[order[k]]);
				between = ", ";
			}
	qf_buf_addf(&line, " | ok=%zu warn=%zu fail=%zu unknown=%zu\n", counts[VERDICT_OK],
		    counts[VERDICT_WARN], counts[VERDICT_FAIL], counts[VERDICT_UNKNOWN]);
	out_add_buf(&line);
	qf_buf_release(&line);
	return status;
}

/* ------------------------------------------------------------------ the command */

/* --owner=USER:GROUP, names or numbers; --mode. */
static int
read_wanted(struct doctor *doctor)
{
	const char *colon = strchr(options.owner, ':');
	char *user = strndup(options.owner, colon ? (size_t)(colon - options.owner)
						   : strlen(options.owner));
	const char *group = colon ? colon + 1 : "";
	struct passwd *pw = user ? getpwnam(user) : NULL;
	struct group *gr = getgrnam(group);
	char *end_user = user, *end_group, *end_mode;
	int status = STATUS_OK;

	doctor->uid = pw ? pw->pw_uid : user ? (uid_t)strtoul(user, &end_user, 10) : 0;
	doctor->gid = gr ? gr->gr_gid : (gid_t)strtoul(group, &end_group, 10);
	doctor->mode = (mode_t)strtoul(options.mode, &end_mode, 8);
	if (!user || !*user || (!pw && *end_user)) {
		/* A container with nothing in it has no names; root is 0 everywhere. */
		if (user && strcmp(user, "root") == 0) {
			doctor->uid = 0;
		} else {
			say_error("--owner=%s: no such user", options.owner);
			status = STATUS_USAGE;
		}
	}
	if (!status && (!*group || (!gr && *end_group))) {
		if (strcmp(group, "mail") == 0) {
			doctor->gid = 0;
			say_note("no group mail here: 0 is taken; --owner=USER:GROUP tells another");
		} else {
			say_error("--owner=%s: no such group; USER:GROUP is wanted", options.owner);
			status = STATUS_USAGE;
		}
	}
	if (!status && (!*options.mode || *end_mode || doctor->mode > 07777)) {
		say_error("--mode=%s: an octal mode is wanted, such as 0700", options.mode);
		status = STATUS_USAGE;
	}
	free(user);
	return status;
}

static int
lock_test(struct doctor *doctor)
{
	static const struct check check = {"lock-test", NULL,
					   "do not let two daemons share this queue; see mount-options"};
	struct doctor_answer a = {.verdict = VERDICT_UNKNOWN};

	doctor->answer = &a;
	if (given.peer)
		doctor_lock_test(doctor, given.timeout);
	else
		doctor_lock_exclusion(doctor);
	if (given.format == FORMAT_JSON)
		put_json(&check, &a);
	else
		put_line(&check, &a, term_color(source_color()));
	if (signals_caught())
		return STATUS_SIGNAL + signals_caught();
	return a.verdict == VERDICT_OK	      ? STATUS_OK
	       : a.verdict == VERDICT_UNKNOWN ? STATUS_INCOMPLETE
					      : STATUS_FINDINGS;
}

/* total: NULL to show the answers; else it takes their counts as JSON, and nothing is shown. */
static int
examine(struct doctor *doctor, struct qf_buf *total)
{
	struct doctor_answer *answers = calloc(NCHECKS, sizeof(*answers));
	size_t counts[VERDICT_COUNT] = {0};
	bool color = term_color(source_color());
	int status = STATUS_OK;

	if (!answers)
		return status_of(QF_E_NOMEM);
	for (size_t i = 0; i < NCHECKS && !signals_caught(); i++) {
		doctor->answer = &answers[i];
		answers[i].verdict = VERDICT_UNKNOWN;
		checks[i].run(doctor);
		counts[answers[i].verdict]++;
		if (!total && given.format == FORMAT_JSON)
			put_json(&checks[i], &answers[i]);
		else if (!total && given.format == FORMAT_TABLE)
			put_line(&checks[i], &answers[i], color);
	}
	if (total)
		qf_buf_addf(total, "{\"ok\":%zu,\"warn\":%zu,\"fail\":%zu,\"unknown\":%zu}",
			    counts[VERDICT_OK], counts[VERDICT_WARN], counts[VERDICT_FAIL],
			    counts[VERDICT_UNKNOWN]);
	if (!total && given.format == FORMAT_NAGIOS)
		status = put_nagios(answers, counts);
	else if (counts[VERDICT_FAIL] || counts[VERDICT_WARN])
		status = STATUS_FINDINGS;
	else if (counts[VERDICT_UNKNOWN])
		status = STATUS_INCOMPLETE;
	if (!total && given.format == FORMAT_TABLE)
		say_note("%zu ok, %zu warn, %zu fail, %zu unknown", counts[VERDICT_OK],
			 counts[VERDICT_WARN], counts[VERDICT_FAIL], counts[VERDICT_UNKNOWN]);
	for (size_t i = 0; i < NCHECKS; i++) {
		for (size_t k = 0; k < answers[i].files.n; k++)
			free(answers[i].files.paths[k]);
		free(answers[i].files.paths);
	}
	free(answers);
	return signals_caught() ? STATUS_SIGNAL + signals_caught() : status;
}

/* One look at everything, from the opening of the queue on. */
static int
look_once(struct qf_buf *total)
{
	struct doctor doctor = {.options = &options};
	int status = read_wanted(&doctor);

	if (!status)
		status = source_open(&doctor.source);
	if (!status) {
		status = examine(&doctor, total);
	} else if (!total && given.format == FORMAT_NAGIOS) {
		out_adds("DOCTOR UNKNOWN - the queue cannot be looked at\n");
		status = 3;
	}
	doctor_perms_free(&doctor);
	doctor_mount_free(&doctor);
	source_close(&doctor.source);
	return status;
}

static int
round_of(void *ctx, struct qf_buf *total)
{
	(void)ctx;
	return look_once(total);
}

static int
fix(struct doctor *doctor)
{
	struct qf_txn_options txn;

	if (!given.yes && !(isatty(STDIN_FILENO) && isatty(STDERR_FILENO))) {
		say_error("--fix=perms: needs --yes off a terminal; without --fix it tells what is "
			  "wrong");
		return STATUS_USAGE;
	}
	txn = changes_txn_options("doctor", &doctor->source);
	txn.note = given.note;
	txn.no_journal = given.no_journal;
	if (given.journal)
		txn.journal = given.journal;
	return doctor_perms_fix(doctor, given.yes, &txn);
}

int
doctor_run(char **operands, size_t n)
{
	struct doctor doctor = {.options = &options};
	bool locks = n == 1 && strcmp(operands[0], "lock-test") == 0;
	int status;

	if (n && !locks) {
		say_error("%s: no such part; there is: lock-test", operands[0]);
		return STATUS_USAGE;
	}
	options.probe |= locks;
	if (given.peer && !locks) {
		say_error("--peer belongs to doctor lock-test");
		return STATUS_USAGE;
	}
	if (!locks && given.fix < 0)
		return out_finish(given.every ? every_run("doctor", given.every, round_of, NULL)
					      : look_once(NULL));
	status = read_wanted(&doctor);
	if (!status)
		status = source_open(&doctor.source);
	if (!status)
		status = locks ? lock_test(&doctor) : fix(&doctor);
	doctor_perms_free(&doctor);
	source_close(&doctor.source);
	return out_finish(status);
}
