/*
 * audit_name - what the name of a log says: which log it is, and which file of it.
 *
 *	mail.log  mail.log.1  mail.log.2.gz  mail.log.old           by number
 *	mail.log-20261126.gz                                        by the day it was put away
 *	mail-2026-11-26.log                                         by the day it is of
 *
 * Names hold only as long as nothing is rotated: what they say of two files is taken down when one
 * of them is read, by what the other one then was.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_name.h"

static const char *const packs[] = {"", ".gz", ".zst", ".xz", ".bz2"};
#define PACKS (sizeof(packs) / sizeof(*packs))

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Days since the epoch; -1 for what is no date. */
static int64_t
day_of(int year, int month, int day)
{
	struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};

	if (year < 1990 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31)
		return -1;
	return timegm(&tm) / 86400;
}

/* YYYYMMDD or YYYY-MM-DD at text, with no digit behind it. Returns its length; 0: there is none. */
static size_t
date_at(const char *text, int64_t *day)
{
	static const char *const forms[] = {"%4d%2d%2d%n", "%4d-%2d-%2d%n"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		int year, month, date, n = 0;

		if (sscanf(text, forms[i], &year, &month, &date, &n) == 3 && n == (i ? 10 : 8) &&
		    !is_digit(text[n]) && (*day = day_of(year, month, date)) >= 0)
			return (size_t)n;
	}
	return 0;
}

static bool
take_end(char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	if (!k || n <= k || strcmp(name + n - k, end) != 0)
		return false;
	name[n - k] = '\0';
	return true;
}

static bool
is_between(char c)
{
	return c == '.' || c == '-' || c == '_';
}

/* Take a date out of a name. False: it has none. */
static bool
take_date(char *name, struct audit_name *out)
{
	for (char *at = name; *at; at++) {
		size_t n = is_digit(*at) && (at == name || !is_digit(at[-1]))
				   ? date_at(at, &out->day)
				   : 0;
		char *from = at;

		if (!n)
			continue;
		out->dated_end = at[n] == '\0';
		/* A second number, such as the hour: of these no order is known. */
		for (const char *c = at + n; *c; c++)
			if (is_digit(*c))
				out->number = -1;
		while (from > name && is_between(from[-1]))
			from--;
		memmove(from, at + n, strlen(at + n) + 1);
		return true;
	}
	out->day = -1;
	return false;
}

static void
take_number(char *name, struct audit_name *out)
{
	size_t n = strlen(name), end = n;

	if (take_end(name, ".old")) {
		out->number = 1;
		out->put_away = true;
		return;
	}
	while (end > 0 && is_digit(name[end - 1]))
		end--;
	if (end == n)
		return;
	out->put_away = true;
	out->number = -1;
	if (end > 1 && n - end < 8 && (name[end - 1] == '.' || name[end - 1] == '-')) {
		out->number = strtol(name + end, NULL, 10);
		name[end - 1] = '\0';
	}
}

static int64_t
today(int64_t now)
{
	time_t at = (time_t)now;
	struct tm tm;

	return localtime_r(&at, &tm) ? day_of(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) : -1;
}

void
audit_name_read(const char *path, int64_t now, struct audit_name *out)
{
	char *name;

	*out = (struct audit_name){.day = -1};
	/* Standard input, and what is called too long, is a log of its own each time. */
	if (strcmp(path, "-") == 0 || strlen(path) >= sizeof(out->stem)) {
		out->put_away = true;
		return;
	}
	strcpy(out->stem, path);
	name = strrchr(out->stem, '/');
	name = name ? name + 1 : out->stem;
	for (size_t i = 1; i < PACKS && !out->packed; i++)
		out->packed = take_end(name, packs[i]);
	if (!take_date(name, out))
		take_number(name, out);
	/* mail.log.gz: a copy of who knows which of them. */
	if (out->packed && out->day < 0 && !out->put_away)
		out->number = -1;
	out->put_away |=
		out->packed || (out->day >= 0 && (out->dated_end || out->day != today(now)));
	if (out->number < 0)
		strcpy(out->stem, path);
}

bool
audit_name_head(const char *path, size_t n, uint8_t head[SHA256_DIGEST_SIZE], struct stat *st)
{
	unsigned char bytes[AUDIT_LOG_HEAD];
	struct sha256_ctx hash;
	ssize_t got = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		got = pread(fd, bytes, n < sizeof(bytes) ? n : sizeof(bytes), 0);
	close(fd);
	if (got < 0)
		return false;
	sha256_init(&hash);
	sha256_update(&hash, (size_t)got, bytes);
	sha256_digest(&hash, SHA256_DIGEST_SIZE, head);
	return true;
}

/* A file that has something in it, as the one before; of several, the one written last. */
static bool
take_before(const char *path, bool named, struct audit_before *out)
{
	struct audit_before before = {.named = named};
	struct audit_name name;
	struct stat st;

	if (!audit_name_head(path, AUDIT_LOG_HEAD, before.head, &st) || st.st_size == 0)
		return false;
	audit_name_read(path, 0, &name);
	before.size = name.packed ? -1 : st.st_size;
	before.mtime = st.st_mtime;
	if (before.mtime > out->mtime)
		*out = before;
	return true;
}

/* STEM.N, in whatever way it is compressed. */
static bool
numbered(const struct audit_name *name, const char *number, struct audit_before *out)
{
	char path[sizeof(name->stem) + 40];

	for (size_t i = 0; i < PACKS; i++) {
		snprintf(path, sizeof(path), "%s%s%s", name->stem, number, packs[i]);
		if (take_before(path, true, out))
			return true;
	}
	return false;
}

/* The last of the days before, in the folder. */
static bool
dated(const struct audit_name *name, const char *path, struct audit_before *out)
{
	const char *slash = strrchr(path, '/');
	char folder[sizeof(name->stem)], best[sizeof(name->stem)] = "";
	int64_t day = -1;
	struct dirent *entry;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 2,
		 slash ? path : "./");
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		char full[sizeof(folder) + sizeof(entry->d_name)];
		struct audit_name other;

		snprintf(full, sizeof(full), "%s%s", slash ? folder : "", entry->d_name);
		audit_name_read(full, 0, &other);
		if (other.number || other.day <= day ||
		    (name->day >= 0 && other.day >= name->day) ||
		    strcmp(other.stem, name->stem) != 0 || strlen(full) >= sizeof(best))
			continue;
		day = other.day;
		strcpy(best, full);
	}
	if (dir)
		closedir(dir);
	return *best && take_before(best, name->day >= 0 && day == name->day - 1, out);
}

bool
audit_name_before(const char *path, struct audit_before *out)
{
	static const char *const last[] = {".0", ".1", ".old"};
	struct audit_before other;
	struct audit_name name;
	char number[32];
	bool found = false;

	*out = (struct audit_before){.mtime = INT64_MIN};
	audit_name_read(path, 0, &name);
	if (!*name.stem || name.number < 0)
		return false;
	if (name.day >= 0)
		return dated(&name, path, out);
	if (name.put_away) {
		snprintf(number, sizeof(number), ".%lld", (long long)name.number + 1);
		return numbered(&name, number, out);
	}
	for (size_t i = 0; i < sizeof(last) / sizeof(*last); i++)
		found |= numbered(&name, last[i], out);
	/* Another way of naming them may have left some behind: which, the times have to tell. */
	other = (struct audit_before){.mtime = INT64_MIN};
	if (!dated(&name, path, &other))
		return found;
	if (found && other.mtime == out->mtime)
		return false;
	if (other.mtime > out->mtime)
		*out = other;
	return true;
}
