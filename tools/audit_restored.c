/*
 * audit_restored - queues in what AWS Backup puts back: every restore lands in a directory
 * aws-backup-restore_TIME at the root of the file system, a failed one in
 * aws-backup-failed-restore_TIME, and what fits nowhere in aws-backup-lost+found. None of them is
 * deleted for anybody, so there may be several.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_index.h"
#include "say.h"
#include "status.h"

/* Deeper than any tree that holds a queue. */
#define DEPTH_MAX 16

static const struct {
	const char *prefix, *kind;
} trees[] = {
	{"aws-backup-restore_", "restored"},
	{"aws-backup-failed-restore_", "failed-restore"},
	{"aws-backup-lost+found", "lost+found"},
};

static const char *
kind_of_name(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(trees) / sizeof(*trees); i++)
		if (n >= strlen(trees[i].prefix) &&
		    memcmp(name, trees[i].prefix, strlen(trees[i].prefix)) == 0)
			return trees[i].kind;
	return NULL;
}

const char *
audit_queue_kind(const char *path)
{
	for (const char *at = path; *at;) {
		size_t n = strcspn(at, "/");
		const char *kind = kind_of_name(at, n);

		if (kind)
			return kind;
		at += n;
		at += strspn(at, "/");
	}
	return "live";
}

static bool
add(struct opt_list *list, const char *path)
{
	const char **more = realloc(list->values, (list->n + 1) * sizeof(*more));
	char *copy = strdup(path);

	if (more)
		list->values = more;
	if (!more || !copy) {
		free(copy);
		return false;
	}
	list->values[list->n++] = copy;
	return true;
}

static bool
is_part(const char *name)
{
	return strcmp(name, "qf") == 0 || strcmp(name, "df") == 0 || strcmp(name, "xf") == 0;
}

/* True for a name of a control or data file, of a message that had an id. */
static bool
is_queue_file(const char *name)
{
	enum qf_kind kind = qf_name_kind(name, strlen(name));

	return kind_of_name(name, strlen(name)) == NULL &&
	       (qf_kind_is_control(kind) || kind == QF_KIND_DATA) && strlen(name) > 9;
}

/* Queues in a directory and below it, into list. Returns 0 or an exit status. */
static int
search(int parent, const char *name, const char *path, int depth, bool top, struct opt_list *list)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (top ? 0 : O_NOFOLLOW));
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	struct opt_list below = {0};
	bool queue = false, parts = false;
	int status = STATUS_OK;

	if (!dir) {
		say_error("%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return STATUS_INCOMPLETE;
	}
	while ((entry = readdir(dir))) {
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		if (is_queue_file(entry->d_name))
			queue = true;
		if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
			continue;
		if (entry->d_type == DT_UNKNOWN &&
		    (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		     !S_ISDIR(st.st_mode)))
			continue;
		if (is_part(entry->d_name))
			parts = true;
		else if (!add(&below, entry->d_name))
			status = STATUS_OS;
	}
	if ((queue || parts) && !add(list, path))
		status = STATUS_OS;
	for (size_t i = 0; i < below.n && depth < DEPTH_MAX && status != STATUS_OS; i++) {
		char *deeper;
		int one;

		if (asprintf(&deeper, "%s/%s", path, below.values[i]) < 0)
			return STATUS_OS;
		one = search(dirfd(dir), below.values[i], deeper, depth + 1, false, list);
		status = one > status ? one : status;
		free(deeper);
	}
	audit_free_queues(&below);
	closedir(dir);
	return status;
}

/* Does the path lie in such a tree, or is it the root of a file system that holds one? */
static int
search_path(const char *path, struct opt_list *out, bool *restored)
{
	DIR *dir;
	struct dirent *entry;
	size_t before = out->n;
	int status = STATUS_OK;
	char *clean = strdup(path);

	if (!clean)
		return STATUS_OS;
	for (size_t n = strlen(clean); n > 1 && clean[n - 1] == '/'; n--)
		clean[n - 1] = '\0';
	*restored = strcmp(audit_queue_kind(clean), "live") != 0;
	if (*restored && !strpbrk(clean, "*?[")) {
		status = search(AT_FDCWD, clean, clean, 0, true, out);
		/* One that holds no queue: opened as it is, so that what is said is the usual. */
		if (status <= STATUS_INCOMPLETE && out->n == before)
			*restored = false;
	} else if (!*restored && (dir = opendir(clean))) {
		while ((entry = readdir(dir)) && status <= STATUS_INCOMPLETE) {
			char *tree;
			int one;

			if (!kind_of_name(entry->d_name, strlen(entry->d_name)))
				continue;
			if (asprintf(&tree, "%s/%s", strcmp(clean, "/") ? clean : "",
				     entry->d_name) < 0)
				break;
			one = search(dirfd(dir), entry->d_name, tree, 0, false, out);
			status = one > status ? one : status;
			free(tree);
		}
		closedir(dir);
		*restored = out->n > before;
	} else {
		*restored = false;
	}
	free(clean);
	return status;
}

int
audit_find_queues(const struct opt_list *paths, struct opt_list *out)
{
	int status = STATUS_OK;

	*out = (struct opt_list){0};
	for (size_t i = 0; i < paths->n && status <= STATUS_INCOMPLETE; i++) {
		bool restored;
		int one = search_path(paths->values[i], out, &restored);

		status = one > status ? one : status;
		if (status <= STATUS_INCOMPLETE && !restored && !add(out, paths->values[i]))
			status = STATUS_OS;
	}
	return status;
}

void
audit_free_queues(struct opt_list *out)
{
	for (size_t i = 0; i < out->n; i++)
		free((char *)out->values[i]);
	free(out->values);
	*out = (struct opt_list){0};
}
