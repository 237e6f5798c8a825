/*
 * defaults - /etc/qf.conf: "[all]" or "[command]", then "option = value".
 *
 * Values stay in memory for as long as the program runs: options point to them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "defaults.h"
#include "say.h"
#include "status.h"

#define DEFAULT_PATH "/etc/qf.conf"

static char *
trim(char *text)
{
	char *end;

	text += strspn(text, " \t");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r\n", end[-1]))
		*--end = '\0';
	return text;
}

static bool
any_command_has(const char *option)
{
	for (const struct command *c = commands; c->name; c++)
		if (opt_find(c->options, option))
			return true;
	return false;
}

static bool
is_command(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return true;
	return strcmp(name, "all") == 0;
}

/* One line; section is the command it applies to, or "all". Returns an exit status. */
static int
take(const struct command *command, const char *path, unsigned number, char *line, char **section)
{
	char *value = strchr(line, '='), *name, *close;
	struct qf_err err;
	enum qf_code code;

	if (*line == '[') {
		close = strchr(line, ']');
		if (!close || close[1]) {
			say_error("%s:%u: a section is [command] or [all]", path, number);
			return STATUS_CONFIG;
		}
		*close = '\0';
		free(*section);
		*section = strdup(line + 1);
		if (*section && is_command(*section))
			return STATUS_OK;
		say_error("%s:%u: no such command: %s", path, number, line + 1);
		return STATUS_CONFIG;
	}
	if (!value || !*section) {
		say_error("%s:%u: %s", path, number,
			  value ? "an option needs a [command] or [all] before it"
				: "not an option = value");
		return STATUS_CONFIG;
	}
	*value++ = '\0';
	name = trim(line);
	if (strcmp(*section, "all") && strcmp(*section, command->name))
		return STATUS_OK;
	if (strcmp(*section, "all") == 0 && !opt_find(command->options, name) &&
	    any_command_has(name))
		return STATUS_OK;
	value = strdup(trim(value));
	code = value ? opt_set(command->options, name, value, &err) : QF_E_NOMEM;
	if (!code)
		return STATUS_OK;
	say_error("%s:%u: %s: %s", path, number, name, value ? err.why : "no memory");
	return STATUS_CONFIG;
}

int
defaults_apply(const struct command *command)
{
	const char *path = getenv("QF_CONF");
	bool asked = path && *path;
	FILE *file;
	char *line = NULL, *section = NULL;
	size_t size = 0;
	unsigned number = 0;
	int status = STATUS_OK;

	if (!asked)
		path = DEFAULT_PATH;
	file = fopen(path, "re");
	if (!file) {
		if (!asked && errno == ENOENT)
			return STATUS_OK;
		say_error("%s: cannot open: %s", path, strerror(errno));
		return STATUS_CONFIG;
	}
	while (!status && getline(&line, &size, file) > 0) {
		char *text = trim(line);

		number++;
		if (*text && *text != '#' && *text != ';')
			status = take(command, path, number, text, &section);
	}
	if (!status && ferror(file)) {
		say_error("%s: cannot read", path);
		status = STATUS_CONFIG;
	}
	free(line);
	free(section);
	fclose(file);
	return status;
}
