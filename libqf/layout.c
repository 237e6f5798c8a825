/*
 * layout - the directories of a queue: found, opened, and known by the names that d lines use.
 *
 * Directories are opened once and used through *at() calls; the listing order of patterns is that
 * of the directory, as mailq prints it. Nothing is ever created or changed.
 *
 * BUGS: which sub-directories exist is looked at once, when the queue is opened, as sendmail does
 * at its start.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "cf.h"
#include "err.h"
#include "layout.h"

#define DEFAULT_QUEUE "/var/spool/mqueue"

/* What the toolkit leaves at a queue; a pattern like mqueue/.* would take it for a queue. */
#define OWN_FOLDER ".qf"

#define LIST_SIZE ((size_t)32768)
/* A sub-directory is searched for queue files no further than this many pieces of listing, and no
   more sub-directories than this: enough to say what was meant, little enough not to wait for. */
#define PIECES_MAX 16
#define SUBDIRS_MAX 1000

/* What makes two paths one directory. */
struct identity {
	uint64_t device;
	uint64_t inode;
};

/* A name of a directory: relative to a base. */
struct alias {
	struct identity base;
	const char *name;
	size_t dir;
};

/* What is kept of a directory beside the public part. */
struct place {
	struct identity id;
	bool explicit; /* given by its own path, not by a pattern or the configuration */
	bool looked;   /* foreign is known */
	size_t foreign;
};

struct qf_queue {
	struct qf_io io;
	struct qf_arena arena;
	struct qf_policy policy;
	struct qf_dir *dirs;
	struct place *places;
	size_t ndirs, dirs_cap;
	struct alias *aliases;
	size_t naliases, aliases_cap;
	/* The last stat of a base, for a pattern asks for the same one again and again. */
	const char *base_text;
	struct identity base_id;
	/* Not to leave a mark on directories read; off where the system forbids it. */
	bool noatime;
};

/* ---------------------------------------------------------------- text */

static const char *
copy(struct qf_queue *queue, const char *text, size_t n)
{
	return qf_arena_copy(&queue->arena, (struct qf_slice){text, n}).p;
}

/* Length without slashes at the end; "/" stays. */
static size_t
trimmed(const char *text, size_t n)
{
	while (n > 1 && text[n - 1] == '/')
		n--;
	return n;
}

/* base "/" name, both as they are but for one slash at the end of base; NULL: no memory. */
static const char *
join(struct qf_queue *queue, const char *base, size_t n, const char *name)
{
	size_t length = strlen(name);
	char *path = qf_arena_alloc(&queue->arena, n + length + 2);

	if (!path)
		return NULL;
	if (n > 0 && base[n - 1] == '/')
		n--;
	memcpy(path, base, n);
	path[n] = '/';
	memcpy(path + n + 1, name, length + 1);
	return path;
}

/* The last component of path, and what stands before it without its slash: "." for none. False
   where path has no last component that is a name. */
static bool
split(const char *path, size_t n, const char **parent, size_t *parent_n, const char **name)
{
	size_t slash = n;

	while (slash > 0 && path[slash - 1] != '/')
		slash--;
	*name = path + slash;
	if (slash == n || strncmp(*name, ".", n - slash) == 0 ||
	    (n - slash == 2 && strncmp(*name, "..", 2) == 0))
		return false;
	*parent = slash ? path : ".";
	*parent_n = trimmed(*parent, slash ? slash : 1);
	return true;
}

/* ---------------------------------------------------------------- listing */

/* As getdents64() lays them out. */
struct entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

struct listing {
	struct qf_io *io;
	int fd;
	char *piece; /* of LIST_SIZE */
	size_t at, n;
	unsigned pieces;
};

/* From the beginning, whoever has read the descriptor before. */
static bool
listing_begin(struct listing *listing, struct qf_io *io, int fd)
{
	*listing = (struct listing){.io = io, .fd = fd, .piece = malloc(LIST_SIZE)};
	if (!listing->piece)
		return false;
	lseek(fd, 0, SEEK_SET);
	return true;
}

/* The next entry but "." and ".."; NULL at the end, or when most pieces were read. */
static const struct entry *
listing_next(struct listing *listing, unsigned most)
{
	for (;;) {
		const struct entry *entry;

		if (listing->at == listing->n) {
			ssize_t n;

			if (listing->pieces == most)
				return NULL;
			listing->pieces++;
			n = qf_io_list(listing->io, listing->fd, listing->piece, LIST_SIZE);
			if (n <= 0)
				return NULL;
			listing->at = 0;
			listing->n = (size_t)n;
		}
		entry = (const struct entry *)(const void *)(listing->piece + listing->at);
		listing->at += entry->length;
		if (strcmp(entry->name, ".") && strcmp(entry->name, ".."))
			return entry;
	}
}

static void
listing_end(struct listing *listing)
{
	free(listing->piece);
}

/* Is the entry a directory, or a link to one? Asked of the file system only where the listing does
   not tell. */
static bool
is_directory(struct listing *listing, const struct entry *entry)
{
	struct stat st;

	if (entry->type == DT_DIR)
		return true;
	if (entry->type != DT_LNK && entry->type != DT_UNKNOWN)
		return false;
	return qf_io_stat(listing->io, listing->fd, entry->name, &st, 0) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* A file of sendmail's by its name. */
static bool
is_queue_file(struct listing *listing, const struct entry *entry)
{
	return qf_name_kind(entry->name, strlen(entry->name)) != QF_KIND_OTHER &&
	       !is_directory(listing, entry);
}

static bool
is_layout_name(const char *name)
{
	return strcmp(name, "qf") == 0 || strcmp(name, "df") == 0 || strcmp(name, "xf") == 0;
}

/* ---------------------------------------------------------------- opening */

static int
open_directory(struct qf_queue *queue, int at, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, fd;

	if (!queue->noatime)
		return qf_io_open(&queue->io, at, name, flags);
	fd = qf_io_open(&queue->io, at, name, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM) {
		queue->noatime = false;
		fd = qf_io_open(&queue->io, at, name, flags);
	}
	return fd;
}

/* The same, but what may be entered and not listed is opened as a mere handle (*blind): files in
   it can be reached by name. */
static int
open_place(struct qf_queue *queue, int at, const char *name, bool *blind)
{
	int fd = open_directory(queue, at, name);

	*blind = false;
	if (fd >= 0 || errno != EACCES)
		return fd;
	fd = qf_io_open(&queue->io, at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		errno = EACCES;
	*blind = true;
	return fd;
}

static void
close_directory(struct qf_queue *queue, struct qf_dir *dir)
{
	if (dir->control_fd >= 0)
		qf_io_close(&queue->io, dir->control_fd);
	if (dir->data_fd >= 0 && dir->data_fd != dir->control_fd)
		qf_io_close(&queue->io, dir->data_fd);
	if (dir->transcript_fd >= 0 && dir->transcript_fd != dir->control_fd &&
	    dir->transcript_fd != dir->data_fd)
		qf_io_close(&queue->io, dir->transcript_fd);
	dir->control_fd = dir->data_fd = dir->transcript_fd = -1;
}

/* Open sub-directory name of top into *fd, or let *fd be top where there is none. */
static int
open_part(struct qf_queue *queue, int top, bool top_blind, const char *name, int *fd, bool *found,
	  bool *blind)
{
	*fd = open_place(queue, top, name, blind);
	*found = *fd >= 0;
	if (*found)
		return 0;
	if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return errno;
	*fd = top;
	*blind = top_blind;
	return 0;
}

/*
 * Open the directory and its parts. Returns 0 or an errno; then nothing is open.
 * Origin: sendmail/queue.c multiqueue_cache(), chkqdir(): a sub-directory counts when it is a
 * directory or a link to one.
 */
static int
open_parts(struct qf_queue *queue, int at, const char *name, struct qf_dir *dir,
	   struct identity *id)
{
	bool blind, part_blind, ignored;
	struct stat st;
	int top = open_place(queue, at, name, &blind), failure;

	dir->control_fd = dir->data_fd = dir->transcript_fd = -1;
	if (top < 0)
		return errno;
	if (qf_io_fstat(&queue->io, top, &st) < 0) {
		failure = errno;
		qf_io_close(&queue->io, top);
		return failure;
	}
	*id = (struct identity){st.st_dev, st.st_ino};
	failure = open_part(queue, top, blind, "qf", &dir->control_fd, &dir->split_qf, &part_blind);
	if (!failure && part_blind)
		failure = EACCES;
	if (!failure)
		failure =
			open_part(queue, top, blind, "df", &dir->data_fd, &dir->split_df, &ignored);
	if (!failure)
		failure = open_part(queue, top, blind, "xf", &dir->transcript_fd, &dir->split_xf,
				    &ignored);
	if (!failure && dir->split_qf && qf_io_fstat(&queue->io, dir->control_fd, &st) < 0)
		failure = errno;
	dir->device = st.st_dev;
	if (failure || (dir->split_qf && dir->split_df && dir->split_xf)) {
		/* Closed here, so that nobody closes it again. */
		if (dir->control_fd == top)
			dir->control_fd = -1;
		if (dir->data_fd == top)
			dir->data_fd = -1;
		if (dir->transcript_fd == top)
			dir->transcript_fd = -1;
		qf_io_close(&queue->io, top);
	}
	if (failure)
		close_directory(queue, dir);
	return failure;
}

/* ---------------------------------------------------------------- the set */

static bool
grow(void **array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 8;
	void *p;

	if (n < *cap)
		return true;
	p = realloc(*array, more * size);
	if (!p)
		return false;
	*array = p;
	*cap = more;
	return true;
}

static bool
add_alias(struct qf_queue *queue, struct identity base, const char *name, size_t dir)
{
	if (!grow((void **)&queue->aliases, &queue->aliases_cap, queue->naliases,
		  sizeof(*queue->aliases)))
		return false;
	queue->aliases[queue->naliases++] = (struct alias){base, name, dir};
	return true;
}

static bool
same(struct identity a, struct identity b)
{
	return a.device == b.device && a.inode == b.inode;
}

/* Index of the directory, SIZE_MAX when it is not there yet. */
static size_t
find_dir(const struct qf_queue *queue, struct identity id)
{
	for (size_t i = 0; i < queue->ndirs; i++)
		if (!queue->dirs[i].trouble && same(queue->places[i].id, id))
			return i;
	return SIZE_MAX;
}

/* A new directory at the end, named as like is. NULL: no memory. */
static struct qf_dir *
new_dir(struct qf_queue *queue, const struct qf_dir *like)
{
	size_t places_cap = queue->dirs_cap;
	struct qf_dir *dir;

	if (!grow((void **)&queue->places, &places_cap, queue->ndirs, sizeof(*queue->places)) ||
	    !grow((void **)&queue->dirs, &queue->dirs_cap, queue->ndirs, sizeof(*queue->dirs)))
		return NULL;
	queue->places[queue->ndirs] = (struct place){0};
	dir = &queue->dirs[queue->ndirs];
	*dir = *like;
	dir->control_fd = dir->data_fd = dir->transcript_fd = -1;
	return dir;
}

/* A directory that cannot be read is listed with why: its own words, or the failure's. */
static enum qf_code
add_trouble(struct qf_queue *queue, const struct qf_dir *like, int failure, const char *why,
	    struct qf_err *err)
{
	struct qf_dir *dir = new_dir(queue, like);

	if (!dir)
		return qf_err_nomem(err);
	if (!why && failure == ENOTDIR)
		why = "not a directory";
	dir->trouble = why ? qf_err_set(&dir->err, QF_E_NOT_FOUND, dir->path, "%s", why)
			   : qf_err_sys(&dir->err, failure, dir->path, "cannot open");
	queue->ndirs++;
	return QF_OK;
}

/* Such failures are the process's, not the directory's. */
static bool
is_exhausted(int failure)
{
	return failure == EMFILE || failure == ENFILE || failure == ENOMEM;
}

/*
 * Open the directory at:file and add it, named as like is; one that is there already is taken
 * once. *index is where it is, SIZE_MAX when it cannot be read. skip: what is no directory is no
 * trouble either (a name that a pattern matches).
 */
static enum qf_code
add_dir(struct qf_queue *queue, int at, const char *file, const struct qf_dir *like, bool skip,
	size_t *index, struct qf_err *err)
{
	struct qf_dir *dir = new_dir(queue, like);
	struct identity id;
	int failure;

	*index = SIZE_MAX;
	if (!dir)
		return qf_err_nomem(err);
	failure = open_parts(queue, at, file, dir, &id);
	if (is_exhausted(failure))
		return qf_err_sys(err, failure, dir->path, "cannot open");
	if (skip && (failure == ENOENT || failure == ENOTDIR || failure == ELOOP))
		return QF_OK;
	if (failure)
		return add_trouble(queue, like, failure, NULL, err);
	*index = find_dir(queue, id);
	if (*index != SIZE_MAX) {
		close_directory(queue, dir);
		return QF_OK;
	}
	queue->places[queue->ndirs].id = id;
	*index = queue->ndirs++;
	return QF_OK;
}

/* ---------------------------------------------------------------- names in d lines */

static bool
base_identity(struct qf_queue *queue, const char *text, size_t n, struct identity *id)
{
	const char *path;
	struct stat st;

	if (queue->base_text && strlen(queue->base_text) == n &&
	    memcmp(queue->base_text, text, n) == 0) {
		*id = queue->base_id;
		return true;
	}
	path = copy(queue, text, n);
	if (!path || qf_io_stat(&queue->io, AT_FDCWD, path, &st, 0) < 0)
		return false;
	queue->base_text = path;
	*id = queue->base_id = (struct identity){st.st_dev, st.st_ino};
	return true;
}

/*
 * The names a directory may have when nothing but its path is known: relative to the directory
 * above, and to the one above that. The directory itself comes last as a base: "." in a directory
 * below it means the one above.
 */
static enum qf_code
add_possible_names(struct qf_queue *queue, size_t dir, const char *path, struct qf_err *err)
{
	size_t n = strlen(path), parent_n;
	const char *parent = path, *name;
	struct identity base;

	for (int level = 0; level < 2 && parent == path; level++) {
		if (!split(path, n, &parent, &parent_n, &name))
			break;
		if (base_identity(queue, parent, parent_n, &base) &&
		    !add_alias(queue, base, name, dir))
			return qf_err_nomem(err);
		n = parent_n;
	}
	if (queue->places[dir].explicit && !add_alias(queue, queue->places[dir].id, ".", dir))
		return qf_err_nomem(err);
	return QF_OK;
}

/* The base of a configured queue: nothing else counts, so that no stat is needed to compare it. */
static const struct identity configured = {UINT64_MAX, UINT64_MAX};

/* base: of the configuration, or NULL. */
static enum qf_code
add_names(struct qf_queue *queue, size_t dir, const struct qf_dir *like, const char *base,
	  struct qf_err *err)
{
	if (!base)
		return add_possible_names(queue, dir, like->path, err);
	return add_alias(queue, configured, like->relative, dir) ? QF_OK : qf_err_nomem(err);
}

/* ---------------------------------------------------------------- patterns */

/*
 * Every directory that BASE/PREFIX* matches, in the order of the listing. like has the group;
 * base is QueueDirectory's, with its slash, where the pattern is a configured one.
 * Origin: sendmail/queue.c multiqueue_cache(): the names with that beginning that are directories
 * or links to one, but "." and "..".
 */
static enum qf_code
add_matches(struct qf_queue *queue, const char *pattern, const char *base, struct qf_dir *like,
	    struct qf_err *err)
{
	size_t n = strlen(pattern) - 1, slash = n, before = queue->ndirs, above, index;
	const struct entry *entry;
	struct listing listing;
	enum qf_code code = QF_OK;
	bool matched = false;
	int fd;

	while (slash > 0 && pattern[slash - 1] != '/')
		slash--;
	above = slash ? trimmed(pattern, slash) : 1;
	like->path = like->shown = pattern;
	like->base = copy(queue, slash ? pattern : ".", above);
	if (!like->base)
		return qf_err_nomem(err);
	fd = open_directory(queue, AT_FDCWD, like->base);
	if (fd < 0)
		return add_trouble(queue, like, errno, NULL, err);
	if (base)
		like->base = copy(queue, base, trimmed(base, strlen(base)));
	if (!like->base || !listing_begin(&listing, &queue->io, fd)) {
		qf_io_close(&queue->io, fd);
		return qf_err_nomem(err);
	}
	while (!code && (entry = listing_next(&listing, UINT_MAX))) {
		if (strncmp(entry->name, pattern + slash, n - slash) != 0 ||
		    strcmp(entry->name, OWN_FOLDER) == 0 || !is_directory(&listing, entry))
			continue;
		like->path = slash ? join(queue, pattern, above, entry->name)
				   : copy(queue, entry->name, strlen(entry->name));
		like->shown = slash ? join(queue, pattern, slash, entry->name) : like->path;
		if (!like->path || !like->shown) {
			code = qf_err_nomem(err);
			break;
		}
		like->relative = like->shown + (base ? strlen(base) : slash);
		code = add_dir(queue, fd, entry->name, like, true, &index, err);
		if (code || index == SIZE_MAX)
			continue;
		matched = true;
		code = add_names(queue, index, like, base, err);
	}
	listing_end(&listing);
	qf_io_close(&queue->io, fd);
	like->path = like->shown = pattern;
	if (!code && !matched && queue->ndirs == before)
		code = add_trouble(queue, like, 0, "no directory has such a name", err);
	return code;
}

static bool
is_pattern(const char *path)
{
	size_t n = strlen(path);

	return n > 0 && path[n - 1] == '*';
}

/* ---------------------------------------------------------------- given paths */

/* Does a directory called "qf" hold bodies too? Then it is a queue of its own. A look at its first
   entries tells. */
static bool
holds_bodies(struct qf_queue *queue, int fd)
{
	struct listing listing;
	const struct entry *entry;
	bool found = false;

	if (!listing_begin(&listing, &queue->io, fd))
		return false;
	while (!found && (entry = listing_next(&listing, 1)))
		found = qf_name_kind(entry->name, strlen(entry->name)) == QF_KIND_DATA;
	listing_end(&listing);
	return found;
}

/* Is path the qf/ of queue directory above, and not a queue directory called "qf"? */
static bool
is_control_part(struct qf_queue *queue, const char *path, const char *above)
{
	static const char *const siblings[] = {"df", "xf"};
	struct stat st;
	bool bodies;
	int fd;

	for (size_t i = 0; i < 2; i++) {
		const char *sibling = join(queue, above, strlen(above), siblings[i]);

		if (sibling && qf_io_stat(&queue->io, AT_FDCWD, sibling, &st, 0) == 0 &&
		    S_ISDIR(st.st_mode))
			return true;
	}
	fd = open_directory(queue, AT_FDCWD, path);
	if (fd < 0)
		return false;
	bodies = holds_bodies(queue, fd);
	qf_io_close(&queue->io, fd);
	return !bodies;
}

/* A directory; of DIR/qf the queue is DIR. */
static enum qf_code
add_path(struct qf_queue *queue, const char *given, struct qf_err *err)
{
	const char *path = copy(queue, given, trimmed(given, strlen(given))), *parent, *last;
	struct qf_dir like = {.shown = given, .relative = ".", .group = "mqueue"};
	enum qf_code code;
	size_t index, n;

	if (!path)
		return qf_err_nomem(err);
	if (split(path, strlen(path), &parent, &n, &last) && strcmp(last, "qf") == 0) {
		const char *above = copy(queue, parent, n);

		if (!above)
			return qf_err_nomem(err);
		if (is_control_part(queue, path, above))
			path = like.shown = above;
	}
	like.path = like.base = path;
	if (!*path)
		return add_trouble(queue, &like, 0, "empty path", err);
	code = add_dir(queue, AT_FDCWD, path, &like, false, &index, err);
	if (code || index == SIZE_MAX)
		return code;
	queue->places[index].explicit = true;
	return add_possible_names(queue, index, path, err);
}

static enum qf_code
add_given(struct qf_queue *queue, const char *given, struct qf_err *err)
{
	struct qf_dir like = {.relative = ".", .group = "mqueue"};

	given = copy(queue, given, strlen(given));
	if (!given)
		return qf_err_nomem(err);
	return is_pattern(given) ? add_matches(queue, given, NULL, &like, err)
				 : add_path(queue, given, err);
}

/* ---------------------------------------------------------------- the configuration */

static enum qf_code
refuse(const struct qf_cf *cf, const struct qf_group *group, const char *what, struct qf_err *err)
{
	qf_err_set(err, QF_E_CONFIG, qf_cf_name(cf), "queue group %.100s: %.200s %s", group->name,
		   group->path, what);
	if (err)
		err->line = group->line;
	qf_err_hint(err, "sendmail refuses it too; or name the directories with -Q");
	return QF_E_CONFIG;
}

/* base: of QueueDirectory, with its slash. */
static enum qf_code
add_group(struct qf_queue *queue, const struct qf_cf *cf, const struct qf_group *group,
	  const char *base, struct qf_err *err)
{
	size_t n = strlen(group->path), base_n = strlen(base), index;
	const char *path = copy(queue, group->path, n);
	struct qf_dir like = {.shown = path, .relative = "."};
	enum qf_code code;

	like.group = copy(queue, group->name, strlen(group->name));
	if (!path || !like.group)
		return qf_err_nomem(err);
	if (*path != '/')
		return refuse(cf, group, "is no absolute path", err);
	/* Origin: multiqueue_cache(), which compares text: base with its slash, or all but that. */
	if (strncmp(path, base, base_n) != 0 && (n != base_n - 1 || strncmp(path, base, n) != 0))
		return refuse(cf, group, "does not lie below QueueDirectory", err);
	if (is_pattern(path))
		return add_matches(queue, path, base, &like, err);
	n = trimmed(path, n);
	like.path = copy(queue, path, n);
	like.base = copy(queue, base, trimmed(base, base_n));
	if (!like.path || !like.base)
		return qf_err_nomem(err);
	if (n > base_n)
		like.relative = like.path + base_n;
	code = add_dir(queue, AT_FDCWD, like.path, &like, false, &index, err);
	return code || index == SIZE_MAX ? code : add_names(queue, index, &like, base, err);
}

/* Origin: sendmail/queue.c setup_queues(): the base is QueueDirectory, up to the last slash where
   it is a pattern. */
static enum qf_code
add_configured(struct qf_queue *queue, const struct qf_cf *cf, struct qf_err *err)
{
	const char *directory = qf_cf_queue_directory(cf, NULL), *base;
	size_t n, length = strlen(directory);
	const struct qf_group *groups = qf_cf_groups(cf, &n);
	enum qf_code code = QF_OK;

	if (*directory != '/')
		return refuse(cf, &groups[0], "is no absolute path", err);
	while (is_pattern(directory) && directory[length - 1] != '/')
		length--;
	base = join(queue, directory, length, "");
	if (!base)
		return qf_err_nomem(err);
	for (size_t i = 0; i < n && !code; i++)
		code = add_group(queue, cf, &groups[i], base, err);
	return code;
}

/* ---------------------------------------------------------------- another one was meant */

/* Are there queue files in a directory, or in its qf/? */
static bool
holds_queue_files(struct qf_queue *queue, int at, const char *name, bool deeper,
		  struct identity *id)
{
	int fd = open_directory(queue, at, name);
	const struct entry *entry;
	struct listing listing;
	struct stat st;
	bool found = false, control = false;

	if (fd < 0)
		return false;
	if (qf_io_fstat(&queue->io, fd, &st) == 0 && listing_begin(&listing, &queue->io, fd)) {
		*id = (struct identity){st.st_dev, st.st_ino};
		while (!found && (entry = listing_next(&listing, PIECES_MAX))) {
			found = is_queue_file(&listing, entry);
			control |= strcmp(entry->name, "qf") == 0;
		}
		listing_end(&listing);
		if (!found && control && deeper)
			found = holds_queue_files(queue, fd, "qf", false, &(struct identity){0});
	}
	qf_io_close(&queue->io, fd);
	return found;
}

/* The sub-directories of one that has no queue files. */
struct subdirs {
	char *names[SUBDIRS_MAX];
	size_t n;
	bool failed;
};

/* Look for a queue file; meanwhile count what is foreign, and keep the names of sub-directories. */
static void
look(struct qf_queue *queue, size_t i, struct subdirs *subdirs)
{
	struct place *place = &queue->places[i];
	const struct entry *entry;
	struct listing listing;

	place->foreign = 0;
	if (!listing_begin(&listing, &queue->io, queue->dirs[i].control_fd))
		return;
	place->looked = true;
	while ((entry = listing_next(&listing, UINT_MAX))) {
		if (*entry->name == '.' || is_layout_name(entry->name))
			continue;
		if (is_queue_file(&listing, entry)) {
			place->foreign = 0;
			break;
		}
		place->foreign++;
		if (subdirs && subdirs->n < SUBDIRS_MAX && is_directory(&listing, entry)) {
			subdirs->names[subdirs->n] = strdup(entry->name);
			subdirs->failed |= !subdirs->names[subdirs->n++];
		}
	}
	listing_end(&listing);
}

static enum qf_code
say_what_was_meant(struct qf_queue *queue, const struct qf_dir *dir, char *name, size_t common,
		   size_t n, struct qf_err *err)
{
	const char *pattern, *quote;

	if (n > 1)
		name[common] = '\0';
	pattern = join(queue, dir->path, strlen(dir->path), name);
	if (!pattern)
		return qf_err_nomem(err);
	/* Quoted, for the shell would make several words of it. */
	quote = strchr(pattern, '\'') ? "" : "'";
	qf_err_set(err, QF_E_AMBIGUOUS, dir->path,
		   n > 1 ? "no queue files here; its sub-directories %.100s* hold them"
			 : "no queue files here; its sub-directory %.100s holds them",
		   name);
	qf_err_hint(err, "try -Q %s%s%s%s", quote, pattern, n > 1 ? "*" : "", quote);
	return QF_E_AMBIGUOUS;
}

/* Do the sub-directories of a directory without queue files hold some? One that is part of the
   queue itself tells that the directory was meant as it is. */
static enum qf_code
look_below(struct qf_queue *queue, size_t i, struct subdirs *subdirs, struct qf_err *err)
{
	const struct qf_dir *dir = &queue->dirs[i];
	char *first = NULL;
	size_t common = 0, found = 0;

	for (size_t k = 0; k < subdirs->n; k++) {
		struct identity id = {0};
		char *name = subdirs->names[k];

		if (!holds_queue_files(queue, dir->control_fd, name, true, &id))
			continue;
		if (find_dir(queue, id) != SIZE_MAX)
			return QF_OK;
		if (!found++) {
			first = name;
			common = strlen(name);
		}
		while (common && strncmp(first, name, common) != 0)
			common--;
	}
	return found ? say_what_was_meant(queue, dir, first, common, found, err) : QF_OK;
}

/* Directories that were given by their path and have no queue files. */
static enum qf_code
check_given(struct qf_queue *queue, struct qf_err *err)
{
	struct subdirs *subdirs = malloc(sizeof(*subdirs));
	enum qf_code code = QF_OK;

	if (!subdirs)
		return qf_err_nomem(err);
	for (size_t i = 0; i < queue->ndirs && !code; i++) {
		if (!queue->places[i].explicit || queue->dirs[i].split_qf)
			continue;
		subdirs->n = 0;
		subdirs->failed = false;
		look(queue, i, subdirs);
		if (subdirs->failed)
			code = qf_err_nomem(err);
		else if (queue->places[i].foreign)
			code = look_below(queue, i, subdirs, err);
		for (size_t k = 0; k < subdirs->n; k++)
			free(subdirs->names[k]);
	}
	free(subdirs);
	return code;
}

/* ---------------------------------------------------------------- the interface */

enum qf_code
qf_queue_open_sys(const struct qf_sys *sys, const struct qf_queue_options *options,
		  struct qf_queue **out, struct qf_err *err)
{
	struct qf_queue *queue = calloc(1, sizeof(*queue));
	enum qf_code code = QF_OK;
	size_t i;

	if (!queue)
		return qf_err_nomem(err);
	qf_io_init(&queue->io, sys, 0);
	queue->noatime = true;
	if (options->policy)
		queue->policy = *options->policy;
	else if (options->cf)
		queue->policy = *qf_cf_policy(options->cf);
	else
		qf_policy_default(&queue->policy);
	for (i = 0; i < options->npaths && !code; i++)
		code = add_given(queue, options->paths[i], err);
	if (!options->npaths) {
		if (options->cf && qf_cf_queue_directory(options->cf, NULL))
			code = add_configured(queue, options->cf, err);
		else
			code = add_given(queue, DEFAULT_QUEUE, err);
	}
	for (i = 0; i < queue->ndirs && queue->dirs[i].trouble; i++)
		;
	if (!code && i == queue->ndirs) {
		code = queue->dirs[0].trouble;
		if (err)
			*err = queue->dirs[0].err;
	}
	if (!code)
		code = check_given(queue, err);
	if (code) {
		qf_queue_free(queue);
		return code;
	}
	*out = queue;
	return QF_OK;
}

enum qf_code
qf_queue_open(const struct qf_queue_options *options, struct qf_queue **out, struct qf_err *err)
{
	return qf_queue_open_sys(NULL, options, out, err);
}

void
qf_queue_free(struct qf_queue *queue)
{
	if (!queue)
		return;
	for (size_t i = 0; i < queue->ndirs; i++)
		close_directory(queue, &queue->dirs[i]);
	free(queue->dirs);
	free(queue->places);
	free(queue->aliases);
	qf_arena_release(&queue->arena);
	free(queue);
}

size_t
qf_queue_ndirs(const struct qf_queue *queue)
{
	return queue->ndirs;
}

const struct qf_dir *
qf_queue_dir(const struct qf_queue *queue, size_t i)
{
	return &queue->dirs[i];
}

const struct qf_policy *
qf_queue_policy(const struct qf_queue *queue)
{
	return &queue->policy;
}

struct qf_io *
qf_queue_io(struct qf_queue *queue)
{
	return &queue->io;
}

size_t
qf_queue_foreign(struct qf_queue *queue, size_t dir)
{
	if (queue->dirs[dir].trouble)
		return 0;
	if (!queue->places[dir].looked)
		look(queue, dir, NULL);
	return queue->places[dir].foreign;
}

size_t
qf_queue_data_dir(const struct qf_queue *queue, size_t dir, struct qf_slice relative)
{
	size_t n = relative.p ? trimmed(relative.p, relative.n) : 0;

	for (size_t i = 0; n > 0 && i < queue->naliases; i++) {
		const struct alias *own = &queue->aliases[i];

		if (own->dir != dir)
			continue;
		for (size_t k = 0; k < queue->naliases; k++) {
			const struct alias *alias = &queue->aliases[k];

			if (same(alias->base, own->base) && strlen(alias->name) == n &&
			    memcmp(alias->name, relative.p, n) == 0)
				return alias->dir;
		}
	}
	return SIZE_MAX;
}
