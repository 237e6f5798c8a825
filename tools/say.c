/*
 * say - what goes to standard error.
 */
#include <stdarg.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "say.h"
#include "signals.h"
#include "status.h"
#include "term.h"

static const char *command;
static int level;
static bool unlike_log;
static char last[1024];

void
say_command(const char *name)
{
	command = name;
}

void
say_level(int wanted)
{
	level = wanted;
}

int
say_verbosity(void)
{
	return level;
}

void
say_unlike_log(bool wanted)
{
	unlike_log = wanted;
}

const char *
say_last(void)
{
	return last[0] ? last : NULL;
}

void
say_forget(void)
{
	last[0] = '\0';
}

void
say_mask(char *bytes, size_t n)
{
	for (size_t i = 4; i < n; i++)
		if (bytes[i] == '=' && (memcmp(bytes + i - 4, "stat", 4) == 0 ||
					memcmp(bytes + i - 3, "dsn", 3) == 0))
			bytes[i] = ':';
}

static void
say(const char *format, va_list args)
{
	struct qf_buf line = {0};
	char *text = NULL;
	int n = vasprintf(&text, format, args);

	qf_buf_adds(&line, "qf: ");
	if (command) {
		qf_buf_adds(&line, command);
		qf_buf_adds(&line, ": ");
	}
	/* Names of files and words of the configuration come from strangers too. */
	if (n >= 0)
		qf_escape_terminal(&line, (struct qf_slice){text, (size_t)n}, term_utf8());
	qf_buf_addc(&line, '\n');
	if (unlike_log && line.p)
		say_mask(line.p, line.n);
	fflush(stdout);
	if (!line.failed)
		fwrite(line.p, 1, line.n, stderr);
	free(text);
	qf_buf_release(&line);
}

void
say_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last, sizeof(last), format, args);
	va_end(args);
	va_start(args, format);
	say(format, args);
	va_end(args);
}

bool
say_unreadable(const struct qf_msg *msg)
{
	const struct qf_diagnostic *found = qf_msg_finding(msg, QF_F_UNREADABLE);
	const struct qf_files *files = qf_msg_files(msg);

	if (found)
		say_error("%.*s: cannot read: %.*s", (int)files->path.n, files->path.p, (int)found->detail.n,
			  found->detail.p ? found->detail.p : "");
	return found != NULL;
}

void
say_note(const char *format, ...)
{
	va_list args;

	if (level < 0)
		return;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void
say_detail(const char *format, ...)
{
	va_list args;

	if (level < 1)
		return;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

/* What would help whoever was refused. root needs no other user, but may be without its powers. */
static const char *
who_may(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {0};

	if (geteuid() != 0)
		return "run it as root or as the owner";
	if (syscall(SYS_capget, &head, caps) == 0 &&
	    !(caps[0].effective & 1u << CAP_DAC_OVERRIDE))
		return "root here lacks CAP_DAC_OVERRIDE: run it as the owner, or with that capability";
	return "root is refused here: by the file system, or by a security module";
}

int
say_failure(const struct qf_err *err)
{
	const char *what = *err->what ? err->what : "\"\"", *hint = err->hint;
	char where[48] = "";

	if (err->code == QF_E_INTERRUPTED && signals_caught())
		return STATUS_SIGNAL + signals_caught();
	if (!*hint && err->code == QF_E_DENIED)
		hint = who_may();
	if (err->line)
		snprintf(where, sizeof(where), ":%u:%u", err->line, err->column);
	else if (err->column)
		snprintf(where, sizeof(where), " (column %u)", err->column);
	say_error("%s%s: %s%s%s", what, where, err->why, *hint ? "; " : "", hint);
	return status_of(err->code);
}

int
status_of(enum qf_code code)
{
	switch (code) {
	case QF_OK:
		return STATUS_OK;
	case QF_E_USAGE:
		return STATUS_USAGE;
	case QF_E_DATA:
	case QF_E_LIMIT:
		return STATUS_DATA;
	case QF_E_NOT_FOUND:
	case QF_E_AMBIGUOUS:
		return STATUS_NO_INPUT;
	case QF_E_UNAVAILABLE:
		return STATUS_UNAVAILABLE;
	case QF_E_NOMEM:
		return STATUS_OS;
	case QF_E_SYS:
		return STATUS_IO;
	case QF_E_BUSY:
	case QF_E_GONE:
	case QF_E_CHANGED:
		return STATUS_TRY_AGAIN;
	case QF_E_DENIED:
		return STATUS_DENIED;
	case QF_E_CONFIG:
		return STATUS_CONFIG;
	case QF_E_INTERRUPTED:
		return STATUS_SIGNAL;
	}
	return STATUS_SOFTWARE;
}
