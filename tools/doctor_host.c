/*
 * doctor_host - checks of this host or container: rights, confinement, what runs beside.
 */
#include <dirent.h>
#include <fcntl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"

bool
doctor_in_container(void)
{
	char *text;
	bool yes = getenv("ECS_CONTAINER_METADATA_URI_V4") || getenv("ECS_CONTAINER_METADATA_URI") ||
		   access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;

	if (yes)
		return true;
	/* Set by most runtimes for the first process, and readable by root. */
	text = doctor_read_file("/proc/1/environ");
	if (text && strncmp(text, "container=", 10) == 0)
		yes = true;
	free(text);
	return yes;
}

/* A line "NAME:\tVALUE" of /proc/self/status; false where it is not there. */
static bool
status_line(const char *name, char value[64])
{
	char *text = doctor_read_file("/proc/self/status"), *at = text;
	size_t n = strlen(name);

	while (at && *at) {
		if (strncmp(at, name, n) == 0 && at[n] == ':') {
			at += n + 1;
			at += strspn(at, " \t");
			snprintf(value, 64, "%.*s", (int)strcspn(at, "\n"), at);
			free(text);
			return true;
		}
		at = strchr(at, '\n');
		at += at != NULL;
	}
	free(text);
	return false;
}

/* Those that decide what root can do in a queue, by their number (linux/capability.h). */
static const struct {
	unsigned bit;
	const char *name, *lacking;
} needed[] = {
	{0, "CHOWN", "cannot give restored files their owner"},
	{1, "DAC_OVERRIDE", "cannot read a 0600 file of another user"},
	{3, "FOWNER", "cannot set the mode of a file of another user"},
};

void
doctor_capabilities(struct doctor *doctor)
{
	char text[64], value[256] = "", lacking[256] = "";
	unsigned long long effective, bounding = 0;
	bool admin;

	if (!status_line("CapEff", text)) {
		doctor_unknown(doctor, "/proc/self/status cannot be read");
		return;
	}
	effective = strtoull(text, NULL, 16);
	if (status_line("CapBnd", text))
		bounding = strtoull(text, NULL, 16);
	snprintf(value, sizeof(value), "effective %llx, bounding %llx", effective, bounding);
	doctor_wanted(doctor, "CHOWN DAC_OVERRIDE FOWNER, not NET_ADMIN");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!(effective >> needed[i].bit & 1))
			snprintf(lacking + strlen(lacking), sizeof(lacking) - strlen(lacking),
				 "%sno %s: %s", *lacking ? "; " : "", needed[i].name,
				 needed[i].lacking);
	admin = bounding >> 12 & 1;
	if (*lacking && geteuid() == 0)
		doctor_warn(doctor, value, "%s%s", lacking, admin ? "; NET_ADMIN is there" : "");
	else if (admin && doctor_in_container())
		doctor_warn(doctor, value, "NET_ADMIN is there: what breaks in can turn traffic "
			    "elsewhere");
	else
		doctor_ok(doctor, value, geteuid() == 0 ? "" : "not root: rights are those of files");
}

/* 0 or 1 of a line of /proc/self/status, with what to say for each; on a plain host 0 is usual. */
void
doctor_no_new_privileges(struct doctor *doctor)
{
	char text[64];

	doctor_wanted(doctor, "1, in a container");
	if (!status_line("NoNewPrivs", text))
		doctor_unknown(doctor, "the kernel does not tell");
	else if (strcmp(text, "1") == 0)
		doctor_good(doctor, text);
	else if (!doctor_in_container())
		doctor_ok(doctor, text, "not in a container");
	else
		doctor_warn(doctor, text, "set-user-ID programs give rights to what breaks in");
}

void
doctor_seccomp(struct doctor *doctor)
{
	static const char *const modes[] = {"none", "strict", "filter"};
	char text[64];
	unsigned mode;

	doctor_wanted(doctor, "filter, in a container");
	if (!status_line("Seccomp", text) || (mode = (unsigned)atoi(text)) > 2)
		doctor_unknown(doctor, "the kernel does not tell");
	else if (mode)
		doctor_good(doctor, modes[mode]);
	else if (!doctor_in_container())
		doctor_ok(doctor, modes[0], "not in a container");
	else
		doctor_warn(doctor, modes[0], "every system call of the kernel is open");
}

void
doctor_init(struct doctor *doctor)
{
	static const char *const reap[] = {"systemd", "init", "tini", "docker-init", "dumb-init",
					   "catatonit", "s6-svscan", "supervisord", "runit",
					   "runsvdir", "podman-init", "launchd"};
	char *text = doctor_read_file("/proc/1/comm");

	doctor_wanted(doctor, "an init that reaps");
	if (!text) {
		doctor_unknown(doctor, "/proc/1/comm: %s", strerror(errno));
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(reap) / sizeof(*reap); i++)
		if (strcmp(text, reap[i]) == 0) {
			doctor_good(doctor, text);
			free(text);
			return;
		}
	doctor_warn(doctor, text, "process 1 is not known to wait for orphaned processes: those of "
		    "ended deliveries may pile up");
	free(text);
}

/* ------------------------------------------------------------------ what runs beside */

/* Does a line that is no comment hold one of the words, as a word of its own? */
static bool
line_with(const char *text, const char *const *words, char found[128])
{
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		for (size_t at = 0; at < length && line[at] != '#';) {
			size_t n;

			at += strspn(line + at, " \t,;");
			n = strcspn(line + at, " \t,;\n");
			for (size_t i = 0; words[i]; i++)
				if (n == strlen(words[i]) &&
				    strncasecmp(line + at, words[i], n) == 0) {
					snprintf(found, 128, "%s", words[i]);
					return true;
				}
			at += n ? n : 1;
		}
		line += length;
		line += *line == '\n';
	}
	return false;
}

/* Hosts of a list; answers where it holds everybody or cannot be read, and is true then. */
static bool
judge_hosts(struct doctor *doctor, const char *where, const char *text)
{
	static const char *const all[] = {"0.0.0.0/0", "::/0", "0.0.0.0", "*", NULL};
	char found[128];

	if (!text)
		doctor_unknown(doctor, "%s: %s", where, strerror(errno));
	else if (line_with(text, all, found))
		doctor_fail(doctor, found, "%s: mail of anybody is signed in your name", where);
	else
		return false;
	return true;
}

/* "refile:/etc/opendkim/TrustedHosts", "/path", "csl:a,b", "a,b". Origin: opendkim.conf(5). */
static bool
judge_dataset(struct doctor *doctor, const char *name, const char *value)
{
	static const char *const kinds[] = {"refile:", "file:", "csl:"};
	bool is_file = *value == '/', done;
	char *text;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncasecmp(value, kinds[i], strlen(kinds[i])) == 0) {
			value += strlen(kinds[i]);
			is_file = i < 2;
			break;
		}
	if (!is_file && strchr(value, ':') && strchr(value, '/') && strncmp(value, "::", 2) != 0) {
		doctor_unknown(doctor, "%s=%s: that kind of list cannot be read here", name, value);
		return true;
	}
	if (!is_file)
		return judge_hosts(doctor, name, value);
	text = doctor_read_file(value);
	done = judge_hosts(doctor, value, text);
	free(text);
	return done;
}

/* The value of a word at the begin of a line; false at the end of the text. */
static bool
next_setting(const char **at, char name[64], char value[256])
{
	while (**at) {
		const char *line = *at;
		int n;

		*at += strcspn(line, "\n");
		*at += **at == '\n';
		n = sscanf(line, " %63[A-Za-z] %255[^\n#]", name, value);
		if (n == 2) {
			size_t end = strlen(value);

			while (end && strchr(" \t\r", value[end - 1]))
				value[--end] = '\0';
			return true;
		}
	}
	return false;
}

void
doctor_opendkim(struct doctor *doctor)
{
	static const char conf[] = "/etc/opendkim.conf";
	static const char *const paths[] = {"/etc/opendkim/TrustedHosts",
					    "/etc/opendkim/trustedhosts",
					    "/etc/opendkim/trusted.hosts"};
	char *text = doctor_read_file(conf), name[64], value[256];
	const char *at = text ? text : "", *read_ = NULL;
	bool done = false, included = false;

	doctor_wanted(doctor, "no 0.0.0.0/0");
	if (!text && errno != ENOENT) {
		doctor_unknown(doctor, "%s: %s", conf, strerror(errno));
		return;
	}
	while (!done && next_setting(&at, name, value)) {
		included |= strcasecmp(name, "Include") == 0;
		if (strcasecmp(name, "InternalHosts") == 0 ||
		    strcasecmp(name, "ExternalIgnoreList") == 0)
			done = judge_dataset(doctor, name, value);
	}
	/* The files of these names too: something else may name them. */
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths) && !done; i++) {
		char *hosts = doctor_read_file(paths[i]);

		if (!hosts && (errno == ENOENT || errno == ENOTDIR))
			continue;
		done = judge_hosts(doctor, paths[i], hosts);
		read_ = paths[i];
		free(hosts);
	}
	if (!done && included)
		doctor_unknown(doctor, "%s: includes what is not looked at here", conf);
	else if (!done)
		doctor_good(doctor, text ? conf : read_ ? read_ : "not installed");
	free(text);
}

#define DOVECOT_CONF "/etc/dovecot/dovecot.conf"

/* What dovecot's configuration says of plaintext login, as far as it has been read: the last word
   counts, and so does a file that cannot be read, which may say the opposite of those before. */
struct plaintext {
	enum { NOT_SAID, OFF, ON, UNREAD } last;
	char file[300], why[128]; /* of UNREAD */
};

static void
plaintext_unread(struct plaintext *seen, const char *file, const char *why)
{
	seen->last = UNREAD;
	snprintf(seen->file, sizeof(seen->file), "%s", file);
	snprintf(seen->why, sizeof(seen->why), "%s", why);
}

static void plaintext_in(struct plaintext *seen, const char *path);

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
plaintext_in_folder(struct plaintext *seen, const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, by_name);
	char path[512];

	if (n < 0) {
		if (errno != ENOENT)
			plaintext_unread(seen, folder, strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		size_t length = strlen(names[i]->d_name);

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (length > 5 && strcmp(names[i]->d_name + length - 5, ".conf") == 0)
			plaintext_in(seen, path);
		free(names[i]);
	}
	free(names);
}

/* Paths as dovecot.conf has them, which is the file that includes them. */
static void
plaintext_include(struct plaintext *seen, const char *path, const char *what)
{
	static const char here[] = "/etc/dovecot/";

	if (strncmp(what, here, sizeof(here) - 1) == 0)
		what += sizeof(here) - 1;
	if (strcmp(path, DOVECOT_CONF) != 0)
		plaintext_unread(seen, path, "includes what is not looked at here");
	else if (strcmp(what, "conf.d/*.conf") == 0)
		plaintext_in_folder(seen, "/etc/dovecot/conf.d");
	else if (strcmp(what, "local.conf") == 0)
		plaintext_in(seen, "/etc/dovecot/local.conf");
	else
		plaintext_unread(seen, path, "includes what is not looked at here");
}

static void
plaintext_line(struct plaintext *seen, const char *path, const char *line)
{
	char name[64], value[256];

	if (sscanf(line, " %63[a-z_] = %255[^ \t\r\n#]", name, value) == 2) {
		bool yes = strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0;
		bool no = strcasecmp(value, "no") == 0 || strcasecmp(value, "false") == 0;
		bool disables = strcmp(name, "disable_plaintext_auth") == 0;

		if (!disables && strcmp(name, "auth_allow_cleartext") != 0)
			return;
		if (!yes && !no)
			plaintext_unread(seen, path, "its value is not looked up here");
		else
			seen->last = yes == disables ? OFF : ON;
	} else if (sscanf(line, " !%63[a-z_] %255[^ \t\r\n]", name, value) == 2 &&
		   strncmp(name, "include", 7) == 0) {
		plaintext_include(seen, path, value);
	}
}

static void
plaintext_in(struct plaintext *seen, const char *path)
{
	char *text = doctor_read_file(path);

	if (!text && errno != ENOENT)
		plaintext_unread(seen, path, strerror(errno));
	for (const char *line = text; line && *line;) {
		plaintext_line(seen, path, line);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	free(text);
}

void
doctor_dovecot(struct doctor *doctor)
{
	struct plaintext seen = {.last = NOT_SAID};

	doctor_wanted(doctor, "off");
	if (access("/etc/dovecot", F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
		doctor_good(doctor, "not installed");
		return;
	}
	if (access(DOVECOT_CONF, R_OK) != 0) {
		doctor_unknown(doctor, "%s: %s", DOVECOT_CONF, strerror(errno));
		return;
	}
	plaintext_in(&seen, DOVECOT_CONF);
	if (seen.last == UNREAD)
		doctor_unknown(doctor, "%s: %s", seen.file, seen.why);
	else if (seen.last == ON)
		doctor_fail(doctor, "on", "passwords cross the network in clear");
	else
		doctor_good(doctor, seen.last == OFF ? "off" : "off (default)");
}

/* ------------------------------------------------------------------ confinement, rights */

void
doctor_sandbox(struct doctor *doctor)
{
	/* landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) */
	long abi = syscall(444, NULL, 0, 1);
	bool seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
	char value[64];

	snprintf(value, sizeof(value), "landlock %s, seccomp %s", abi > 0 ? "yes" : "no",
		 seccomp ? "yes" : "no");
	doctor_wanted(doctor, "landlock yes, seccomp yes");
	if (abi > 0 && seccomp)
		doctor_ok(doctor, value, "Landlock version %ld", abi);
	else
		doctor_warn(doctor, value, "a program cannot confine itself as far as it could on "
			    "other kernels");
}

void
doctor_abilities(struct doctor *doctor)
{
	const struct qf_queue *queue = doctor->source.queue;
	size_t n = qf_queue_ndirs(queue), read = 0, write = 0;

	for (size_t i = 0; i < n; i++) {
		const struct qf_dir *d = qf_queue_dir(queue, i);

		read += d->trouble == QF_OK;
		write += d->trouble == QF_OK &&
			 faccessat(d->control_fd, ".", W_OK | X_OK, AT_EACCESS) == 0 &&
			 faccessat(d->data_fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
	}
	doctor_wanted(doctor, "see and change");
	if (write == n)
		doctor_good(doctor, "see and change");
	else if (read == n)
		doctor_warn(doctor, "see", "hold, release, rm and the like are not to be had in "
			    "%zu of %zu directories", n - write, n);
	else
		doctor_warn(doctor, "see some", "%zu of %zu directories cannot be read", n - read, n);
}
