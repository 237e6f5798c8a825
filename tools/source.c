/*
 * source - which queue, seen with which configuration, at which instant.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "say.h"
#include "secret.h"
#include "source.h"
#include "status.h"

#define DEFAULT_CONFIG "/etc/mail/sendmail.cf"

static struct {
	struct opt_list queues;
	const char *config;
	int64_t queue_return, queue_warn, min_queue_age;
	int64_t now;
	unsigned jobs, max_ops;
	bool redact, no_sandbox, help;
	int color;
	int verbose, quiet;
} given = {.queue_return = QF_TIME_NONE,
	   .queue_warn = QF_TIME_NONE,
	   .min_queue_age = QF_TIME_NONE,
	   .now = QF_TIME_NONE};

static const char *const color_words[] = {"auto", "always", "never", NULL};

const struct opt source_rows[] = {
	{OPT_LIST, "queue", 'Q', &given.queues, "PATH",
	 "a queue: a directory, or a pattern such as mqueue/q*; repeatable", NULL},
	{OPT_STRING, "config", 'C', &given.config, "FILE",
	 "sendmail.cf to go by; none: no file (default: " DEFAULT_CONFIG ")", NULL},
	{OPT_TIMEOUT, "queue-return", 0, &given.queue_return, "TIME",
	 "override Timeout.queuereturn, all classes", NULL},
	{OPT_TIMEOUT, "queue-warn", 0, &given.queue_warn, "TIME",
	 "override Timeout.queuewarn, all classes", NULL},
	{OPT_SPAN, "min-queue-age", 0, &given.min_queue_age, "TIME", "override MinQueueAge", NULL},
	{OPT_TIME, "now", 0, &given.now, "TIME",
	 "reckon ages from this instant: @epoch or RFC 3339", NULL},
	{OPT_NUMBER, "jobs", 0, &given.jobs, "N", "reads in flight (default: as the files answer)",
	 NULL},
	{OPT_NUMBER, "max-ops", 0, &given.max_ops, "N", "at most N file operations a second", NULL},
	{OPT_FLAG, "redact", 0, &given.redact, NULL,
	 "no addresses (a hash instead), subjects or bodies in the output", NULL},
	{OPT_FLAG, "no-sandbox", 0, &given.no_sandbox, NULL,
	 "do not confine the process to what it needs (-v tells what that is)", NULL},
	{OPT_WORD, "color", 0, &given.color, "WHEN", "auto, always or never", color_words},
	{OPT_COUNT, "verbose", 'v', &given.verbose, NULL, "say more: which values were used", NULL},
	{OPT_COUNT, "quiet", 'q', &given.quiet, NULL, "say less", NULL},
	{OPT_FLAG, "help", 'h', &given.help, NULL, "this text", NULL},
	{.kind = OPT_END},
};

enum color_when
source_color(void)
{
	return (enum color_when)given.color;
}

bool
source_help_wanted(void)
{
	return given.help;
}

bool
source_no_sandbox(void)
{
	return given.no_sandbox;
}

int
source_verbosity(void)
{
	return given.verbose - given.quiet;
}

static int
read_config(struct source *source)
{
	const char *path = given.config ? given.config : DEFAULT_CONFIG;
	struct qf_err err;
	enum qf_code code;

	if (given.config && strcmp(given.config, "none") == 0)
		return STATUS_OK;
	code = qf_cf_read(path, &source->cf, &err);
	if (!code || (!given.config && code == QF_E_NOT_FOUND))
		return STATUS_OK;
	/* Nobody asked for this file: without it there are still sendmail's defaults. */
	if (!given.config && code == QF_E_DENIED) {
		say_note("%s: %s; going by sendmail's defaults", err.what, err.why);
		return STATUS_OK;
	}
	return say_failure(&err);
}

static void
override(int64_t *values, size_t n, int64_t value)
{
	for (size_t i = 0; i < n && value != QF_TIME_NONE; i++)
		values[i] = value;
}

static void
say_value(const struct source *source, const char *name, const char *option, bool overridden,
	  const char *value)
{
	unsigned line = source->cf ? qf_cf_line(source->cf, name) : 0;
	char where[64] = "sendmail's default";

	if (overridden)
		snprintf(where, sizeof(where), "--%s", option);
	else if (line)
		snprintf(where, sizeof(where), "line %u of the configuration", line);
	say_detail("%s=%s (%s)", name, value, where);
}

/* Exactly, in the largest unit that serves: 90m, not 1h. */
static void
say_span(const struct source *source, const char *name, const char *option, bool overridden,
	 int64_t span)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	char text[QF_TIME_TEXT];
	size_t i = 0;

	while (span % units[i].seconds || (span == 0 && units[i].seconds > 1))
		i++;
	if (span == QF_SPAN_NEVER)
		strcpy(text, "never");
	else if (span == QF_SPAN_NOW)
		strcpy(text, "now");
	else
		snprintf(text, sizeof(text), "%lld%c", (long long)(span / units[i].seconds),
			 units[i].letter);
	say_value(source, name, option, overridden, text);
}

/* With -v: the values that decide, and where each came from. */
static void
say_policy(const struct source *source)
{
	const struct qf_policy *policy = &source->policy;
	char name[64];

	say_detail("configuration: %s",
		   !source->cf ? "none" : given.config ? given.config : DEFAULT_CONFIG);
	say_span(source, "MinQueueAge", "min-queue-age", given.min_queue_age != QF_TIME_NONE,
		 policy->min_queue_age);
	say_span(source, "MaxQueueAge", "", false, policy->max_queue_age);
	for (int i = 0; i < QF_CLASS_COUNT; i++) {
		snprintf(name, sizeof(name), "Timeout.queuereturn.%s",
			 qf_timeout_class_name((enum qf_timeout_class)i));
		say_span(source, name, "queue-return", given.queue_return != QF_TIME_NONE,
			 policy->queue_return[i]);
	}
	for (int i = 0; i < QF_CLASS_COUNT; i++) {
		snprintf(name, sizeof(name), "Timeout.queuewarn.%s",
			 qf_timeout_class_name((enum qf_timeout_class)i));
		say_span(source, name, "queue-warn", given.queue_warn != QF_TIME_NONE,
			 policy->queue_warn[i]);
	}
	snprintf(name, sizeof(name), "%04o", (unsigned)policy->queue_file_mode);
	say_value(source, "QueueFileMode", "", false, name);
}

/* $QF_QUEUE: paths separated by colons; none where it is not set. */
static int
split_environment(struct opt_list *list)
{
	const char *text = getenv("QF_QUEUE");

	while (text && *text) {
		size_t n = strcspn(text, ":");
		char *path = strndup(text, n);
		const char **more = realloc(list->values, (list->n + 1) * sizeof(*more));

		if (more)
			list->values = more;
		if (!more || !path) {
			free(path);
			return status_of(QF_E_NOMEM);
		}
		if (n)
			list->values[list->n++] = path;
		else
			free(path);
		text += n + (text[n] == ':');
	}
	return STATUS_OK;
}

/*
 * PrivacyOptions=restrictmailq: only root, the owner of the queue and its group may look.
 * Origin: sendmail/main.c, the check before printqueue().
 */
static bool
may_look(const struct source *source)
{
	const struct qf_dir *dir = qf_queue_dir(source->queue, 0);
	gid_t *groups;
	struct stat st;
	int n;
	bool member = false;

	if (!source->policy.restrict_mailq || geteuid() == 0)
		return true;
	if (dir->trouble || fstat(dir->control_fd, &st) != 0)
		return false;
	if (st.st_uid == geteuid() || st.st_gid == getegid())
		return true;
	n = getgroups(0, NULL);
	groups = n > 0 ? calloc((size_t)n, sizeof(*groups)) : NULL;
	if (groups)
		n = getgroups(n, groups);
	for (int i = 0; groups && i < n; i++)
		member |= groups[i] == st.st_gid;
	free(groups);
	return member;
}

int
source_paths(struct source_paths *out)
{
	*out = (struct source_paths){.list = given.queues};
	if (!given.queues.n || given.queues.defaults) {
		int status = split_environment(&out->own);

		if (status)
			return status;
		if (out->own.n || !given.queues.n)
			out->list = out->own;
	}
	return STATUS_OK;
}

void
source_paths_release(struct source_paths *paths)
{
	for (size_t i = 0; i < paths->own.n; i++)
		free((char *)paths->own.values[i]);
	free(paths->own.values);
	*paths = (struct source_paths){0};
}

int
source_open_queue(struct source *source, const char *const *paths, size_t n)
{
	struct qf_queue_options options = {.cf = source->cf, .policy = &source->policy,
					   .paths = paths, .npaths = n,
					   .max_ops = source->max_ops};
	struct qf_err err;
	int status;
	size_t i;

	if (qf_queue_open(&options, &source->queue, &err)) {
		status = say_failure(&err);
		/* Such a path names no queue, as one that is not there. */
		if (err.sys == ELOOP || err.sys == ENAMETOOLONG)
			status = STATUS_NO_INPUT;
		return status;
	}
	for (i = 0; i < qf_queue_ndirs(source->queue); i++) {
		const struct qf_dir *dir = qf_queue_dir(source->queue, i);
		size_t foreign;

		if (dir->trouble)
			continue; /* the scan names it */
		say_detail("queue: %s", dir->path);
		foreign = qf_queue_foreign(source->queue, i);
		if (foreign)
			say_note("%s: no queue files here, but %zu other %s", dir->path, foreign,
				 foreign == 1 ? "entry" : "entries");
	}
	if (!may_look(source)) {
		say_error("%s: not permitted to see the queue: PrivacyOptions has restrictmailq; "
			  "be root or in the queue's group", qf_queue_dir(source->queue, 0)->path);
		return STATUS_DENIED;
	}
	return STATUS_OK;
}

bool
source_is_named(void)
{
	const char *environment = getenv("QF_QUEUE");

	return given.queues.n || (environment && *environment);
}

const char *
source_config(void)
{
	return given.config && strcmp(given.config, "none") ? given.config : NULL;
}

const char *
source_name(void)
{
	const char *environment = getenv("QF_QUEUE");

	return given.queues.n && !given.queues.defaults ? given.queues.values[0]
	       : environment && *environment		? environment
	       : given.queues.n				? given.queues.values[0]
							: "/var/spool/mqueue";
}

void
source_refresh(struct source *source)
{
	source->now = given.now != QF_TIME_NONE ? given.now : (int64_t)time(NULL);
}

int
source_begin(struct source *source)
{
	int status;

	*source = (struct source){.jobs = given.jobs, .max_ops = given.max_ops};
	source_refresh(source);
	status = read_config(source);
	if (status)
		return status;
	if (source->cf)
		source->policy = *qf_cf_policy(source->cf);
	else
		qf_policy_default(&source->policy);
	override(source->policy.queue_return, QF_CLASS_COUNT, given.queue_return);
	override(source->policy.queue_warn, QF_CLASS_COUNT, given.queue_warn);
	override(&source->policy.min_queue_age, 1, given.min_queue_age);
	say_policy(source);
	if (given.redact) {
		source->redactor = secret_redactor();
		if (!source->redactor) {
			say_error("--redact: no random key to be had");
			return STATUS_OS;
		}
	}
	return STATUS_OK;
}

int
source_open(struct source *source)
{
	struct source_paths paths = {0};
	int status = source_begin(source);

	if (!status)
		status = source_paths(&paths);
	if (!status)
		status = source_open_queue(source, paths.list.values, paths.list.n);
	source_paths_release(&paths);
	return status;
}

struct qf_queue *
source_open_again(const struct source *source, bool hasty)
{
	struct source_paths paths = {0};
	struct qf_queue_options options = {.cf = source->cf, .policy = &source->policy,
					   .max_ops = source->max_ops, .within = source->queue,
					   .hasty = hasty};
	struct qf_queue *queue = NULL;
	struct qf_err err;

	if (source_paths(&paths) == STATUS_OK) {
		options.paths = paths.list.values;
		options.npaths = paths.list.n;
		if (qf_queue_open(&options, &queue, &err))
			queue = NULL;
	}
	source_paths_release(&paths);
	return queue;
}

bool
source_redacts(void)
{
	return given.redact;
}

int64_t
source_given_now(void)
{
	return given.now;
}

static bool
add_argument(struct opt_list *list, const char *name, const char *value)
{
	const char **more = realloc(list->values, (list->n + 1) * sizeof(*more));
	char *text = NULL;

	if (!more)
		return false;
	list->values = more;
	if (asprintf(&text, value ? "--%s=%s" : "--%s", name, value) < 0)
		return false;
	list->values[list->n++] = text;
	return true;
}

/* A span as seconds, or a time as an instant. */
static bool
add_number(struct opt_list *list, const char *name, const char *before, int64_t value)
{
	char text[32];

	if (value == QF_SPAN_NEVER)
		return add_argument(list, name, "never");
	if (value == QF_SPAN_NOW)
		return add_argument(list, name, "now");
	snprintf(text, sizeof(text), "%s%lld", before, (long long)value);
	return add_argument(list, name, text);
}

bool
source_arguments(struct opt_list *list)
{
	const char *environment = getenv("QF_QUEUE");
	bool ok = true;

	*list = (struct opt_list){0};
	/* Defaults are found by the other one too, and give way to the environment there as here. */
	for (size_t i = 0; i < given.queues.n && !(given.queues.defaults && environment); i++)
		ok = ok && add_argument(list, "queue", given.queues.values[i]);
	if (given.config)
		ok = ok && add_argument(list, "config", given.config);
	if (given.queue_return != QF_TIME_NONE)
		ok = ok && add_number(list, "queue-return", "", given.queue_return);
	if (given.queue_warn != QF_TIME_NONE)
		ok = ok && add_number(list, "queue-warn", "", given.queue_warn);
	if (given.min_queue_age != QF_TIME_NONE)
		ok = ok && add_number(list, "min-queue-age", "", given.min_queue_age);
	if (given.now != QF_TIME_NONE)
		ok = ok && add_number(list, "now", "@", given.now);
	if (given.jobs)
		ok = ok && add_number(list, "jobs", "", given.jobs);
	if (given.max_ops)
		ok = ok && add_number(list, "max-ops", "", given.max_ops);
	if (given.redact)
		ok = ok && add_argument(list, "redact", NULL);
	if (given.no_sandbox)
		ok = ok && add_argument(list, "no-sandbox", NULL);
	return ok;
}

void
source_close(struct source *source)
{
	qf_queue_free(source->queue);
	qf_cf_free(source->cf);
	qf_redactor_free(source->redactor);
	*source = (struct source){0};
}

bool
source_say_troubles(const struct qf_scan *scan)
{
	size_t n = qf_scan_ntroubles(scan);

	for (size_t i = 0; i < n; i++)
		say_failure(qf_scan_trouble(scan, i, NULL));
	return n > 0;
}
