/*
 * doctor_cf - checks of sendmail's configuration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "doctor.h"

/* The raw text of an option; answers "unknown" itself where there is no configuration. */
static bool
option(struct doctor *doctor, const char *name, const char **text)
{
	*text = NULL;
	if (!doctor->source.cf) {
		doctor_unknown(doctor, "no sendmail.cf was read; -C FILE names one");
		return false;
	}
	*text = qf_cf_option(doctor->source.cf, name, NULL);
	return true;
}

static const char *
span_text(int64_t span, char text[QF_TIME_TEXT])
{
	if (span == QF_SPAN_NEVER)
		return "never";
	if (span == QF_SPAN_NOW)
		return "now";
	qf_age_format(span, text);
	return text;
}

/* One directory, whatever it is called: relative, through a link. */
static bool
is_same_dir(const struct qf_dir *a, const struct qf_dir *b)
{
	struct stat x, y;

	if (a->trouble || b->trouble)
		return strcmp(a->path, b->path) == 0;
	return fstat(a->control_fd, &x) == 0 && fstat(b->control_fd, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

void
doctor_cf_queue(struct doctor *doctor)
{
	const struct qf_queue *queue = doctor->source.queue;
	const struct qf_group *groups;
	size_t n, ndirs = qf_queue_ndirs(queue), elsewhere = 0;
	struct qf_queue *named;
	struct qf_queue_options from = {.cf = doctor->source.cf,
					.policy = &doctor->source.policy};
	struct qf_err err;
	char value[256];

	if (!doctor->source.cf) {
		doctor_unknown(doctor, "no sendmail.cf was read; -C FILE names one");
		return;
	}
	groups = qf_cf_groups(doctor->source.cf, &n);
	snprintf(value, sizeof(value), "%s%s", groups[0].path, n > 1 ? " and more groups" : "");
	if (qf_queue_open(&from, &named, &err)) {
		doctor_fail(doctor, value, "%s: %s", err.what, err.why);
		return;
	}
	for (size_t i = 0; i < qf_queue_ndirs(named); i++)
		if (qf_queue_dir(named, i)->trouble) {
			doctor_fail(doctor, value, "%s", qf_queue_dir(named, i)->err.why);
			doctor_file(doctor, qf_queue_dir(named, i)->path, "");
		}
	for (size_t i = 0; i < ndirs; i++) {
		bool found = false;

		for (size_t k = 0; k < qf_queue_ndirs(named); k++)
			found |= is_same_dir(qf_queue_dir(named, k), qf_queue_dir(queue, i));
		elsewhere += !found;
	}
	if (!doctor->answer->files.all && elsewhere)
		doctor_warn(doctor, value, "the queue looked at here is another one: %s",
			    qf_queue_dir(queue, 0)->path);
	else if (!doctor->answer->files.all)
		doctor_ok(doctor, value, "%zu director%s, all there", qf_queue_ndirs(named),
			  qf_queue_ndirs(named) == 1 ? "y" : "ies");
	qf_queue_free(named);
}

void
doctor_cf_min_queue_age(struct doctor *doctor)
{
	int64_t age = doctor->source.policy.min_queue_age;
	int64_t interval = doctor->options->run_interval;
	char value[QF_TIME_TEXT], between[QF_TIME_TEXT];

	qf_age_format(age, value);
	qf_age_format(interval, between);
	doctor_wanted(doctor, "above 0, below %s", between);
	if (!doctor->source.cf)
		doctor_unknown(doctor, "no sendmail.cf was read; -C FILE names one");
	else if (age <= 0)
		doctor_warn(doctor, value,
			    "daemons that share the queue try a message right after one another");
	else if (age >= interval)
		doctor_warn(doctor, value, "not below the interval of the queue runs (%s): every "
			    "other run passes a message over", between);
	else
		doctor_ok(doctor, value, "queue runs every %s", between);
}

void
doctor_cf_queue_return(struct doctor *doctor)
{
	int64_t least = QF_SPAN_NEVER;
	char value[QF_TIME_TEXT];
	const char *text;

	doctor_wanted(doctor, "1d or more");
	if (!doctor->source.cf) {
		doctor_unknown(doctor, "no sendmail.cf was read; -C FILE names one");
		return;
	}
	for (int i = 0; i < QF_CLASS_COUNT; i++)
		if (doctor->source.policy.queue_return[i] < least)
			least = doctor->source.policy.queue_return[i];
	text = span_text(least, value);
	if (least <= 0)
		doctor_fail(doctor, text, "mail is returned at its first failed try");
	else if (least < 86400)
		doctor_warn(doctor, text, "an outage of a day returns mail of users");
	else
		doctor_good(doctor, text);
}

void
doctor_cf_queue_warn(struct doctor *doctor)
{
	const struct qf_policy *policy = &doctor->source.policy;
	int64_t warn = policy->queue_warn[QF_CLASS_NORMAL];
	int64_t back = policy->queue_return[QF_CLASS_NORMAL];
	char value[QF_TIME_TEXT];

	doctor_wanted(doctor, "below Timeout.queuereturn");
	if (!doctor->source.cf)
		doctor_unknown(doctor, "no sendmail.cf was read; -C FILE names one");
	else if (warn <= 0 || warn == QF_SPAN_NEVER)
		doctor_warn(doctor, "none", "senders hear nothing before their mail comes back");
	else if (back != QF_SPAN_NEVER && warn >= back)
		doctor_warn(doctor, span_text(warn, value), "mail is returned before it is warned of");
	else
		doctor_good(doctor, span_text(warn, value));
}

/* Is the word in a list parted by commas and blanks? */
static bool
has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (list && *list) {
		size_t length = strcspn(list, ", \t\n");

		if (length == n && strncasecmp(list, word, n) == 0)
			return true;
		list += length;
		list += strspn(list, ", \t\n");
	}
	return false;
}

void
doctor_cf_privacy(struct doctor *doctor)
{
	const char *text;

	doctor_wanted(doctor, "restrictmailq");
	if (!option(doctor, "PrivacyOptions", &text))
		return;
	if (doctor->source.policy.restrict_mailq)
		doctor_good(doctor, text);
	else
		doctor_warn(doctor, text, "every user of this host may read the queue with mailq");
}

/* Options that are a limit: a number above 0. */
static void
limit(struct doctor *doctor, const char *name, const char *harm)
{
	const char *text;

	doctor_wanted(doctor, "a limit");
	if (!option(doctor, name, &text))
		return;
	if (text && strtoll(text, NULL, 10) > 0)
		doctor_good(doctor, text);
	else
		doctor_warn(doctor, text && *text ? text : "none", "%s", harm);
}

void
doctor_cf_max_message_size(struct doctor *doctor)
{
	limit(doctor, "MaxMessageSize", "one message may fill the queue's file system");
}

void
doctor_cf_max_children(struct doctor *doctor)
{
	limit(doctor, "MaxDaemonChildren", "a rush of connections may take all memory");
}

void
doctor_cf_rate_throttle(struct doctor *doctor)
{
	limit(doctor, "ConnectionRateThrottle", "connections are taken as fast as they come");
}

void
doctor_cf_super_safe(struct doctor *doctor)
{
	static const char *const words[] = {[QF_SAFE_FALSE] = "False",
					    [QF_SAFE_INTERACTIVE] = "Interactive",
					    [QF_SAFE_POSTMILTER] = "PostMilter",
					    [QF_SAFE_TRUE] = "True"};
	enum qf_super_safe safe = doctor->source.policy.super_safe;

	doctor_wanted(doctor, "True or PostMilter");
	if (!doctor->source.cf)
		doctor_unknown(doctor, "no sendmail.cf was read; -C FILE names one");
	else if (safe == QF_SAFE_FALSE)
		doctor_fail(doctor, words[safe],
			    "mail is accepted before it is on disk: a kill loses it");
	else if (safe == QF_SAFE_INTERACTIVE)
		doctor_warn(doctor, words[safe],
			    "control files are made empty before their bodies: a kill leaves an "
			    "empty one, and sendmail deletes it with its body");
	else
		doctor_good(doctor, words[safe]);
}

/* Origin: sendmail/deliver.c logdelivery(): sent above 7, deferred above 8, failed above 6. */
void
doctor_cf_log_level(struct doctor *doctor)
{
	const char *text;
	long level;

	doctor_wanted(doctor, "9 or more");
	if (!option(doctor, "LogLevel", &text))
		return;
	level = text ? strtol(text, NULL, 10) : 9;
	if (!text)
		text = "9 (default)";
	if (level < 8)
		doctor_warn(doctor, text, "the log does not say what was delivered: nothing can be "
			    "proved by it");
	else if (level < 9)
		doctor_warn(doctor, text, "the log does not say what was deferred");
	else
		doctor_good(doctor, text);
}

void
doctor_cf_auth(struct doctor *doctor)
{
	static const char *const weak[] = {"CRAM-MD5", "DIGEST-MD5", "KERBEROS_V4", "ANONYMOUS",
					   "NTLM", NULL};
	const char *mechanisms, *how;
	char found[128] = "";
	bool clear;

	doctor_wanted(doctor, "no weak mechanism, no password in clear");
	if (!option(doctor, "AuthMechanisms", &mechanisms) || !option(doctor, "AuthOptions", &how))
		return;
	if (!mechanisms) {
		doctor_ok(doctor, "not set", "authentication is offered only where it is set up");
		return;
	}
	for (size_t i = 0; weak[i]; i++)
		if (has_word(mechanisms, weak[i]))
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s",
				 *found ? " " : "", weak[i]);
	clear = (has_word(mechanisms, "PLAIN") || has_word(mechanisms, "LOGIN")) &&
		!(how && strchr(how, 'p'));
	if (*found)
		doctor_warn(doctor, mechanisms, "weak: %s", found);
	else if (clear)
		doctor_warn(doctor, mechanisms,
			    "passwords are taken without TLS: AuthOptions has no p");
	else
		doctor_good(doctor, mechanisms);
}

/*
 * A delivery in hand waits for a remote server up to these. Defaults: sendmail/readcf.c.
 * What is killed in the middle of one, between the remote's yes and the removal, is sent again.
 */
void
doctor_stop_grace(struct doctor *doctor)
{
	static const struct {
		const char *name;
		int64_t seconds; /* default */
	} waits[] = {{"Timeout.connect", 300},	 {"Timeout.initial", 300}, {"Timeout.helo", 300},
		     {"Timeout.mail", 600},	 {"Timeout.rcpt", 3600},   {"Timeout.datainit", 300},
		     {"Timeout.datablock", 3600}, {"Timeout.datafinal", 3600}, {"Timeout.quit", 120}};
	int64_t longest = 0;
	const char *which = "", *text;
	char grace[QF_TIME_TEXT], value[QF_TIME_TEXT];

	qf_age_format(doctor->options->stop_grace, grace);
	doctor_wanted(doctor, "at most %s", grace);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		int64_t seconds = waits[i].seconds;

		if (!option(doctor, waits[i].name, &text))
			return;
		if (text && !qf_span_parse((struct qf_slice){text, strlen(text)}, &seconds)) {
			doctor_unknown(doctor, "%s=%s is no time", waits[i].name, text);
			return;
		}
		/* Minutes, where no unit is given. Origin: sendmail/readcf.c settimeout(). */
		if (text && !text[strspn(text, "0123456789")])
			seconds *= 60;
		if (seconds > longest) {
			longest = seconds;
			which = waits[i].name;
		}
	}
	qf_age_format(longest, value);
	if (longest > doctor->options->stop_grace)
		doctor_warn(doctor, value, "a delivery may wait so long (%s), and a container has "
			    "%s to stop: one killed then may be sent twice. Let its stop hook call "
			    "qf wait", which, grace);
	else
		doctor_ok(doctor, value, "the longest wait of a delivery (%s)", which);
}
