/*
 * layout_parts - what the files layout*.c share:
 *	layout.c         which directories are the queue's: patterns, given paths, the configuration
 *	layout_set.c     the set of directories, and their names in d lines
 *	layout_open.c    one directory opened
 *	layout_below.c   whether the directories below a given one were meant
 */
#ifndef QF_LIBQF_LAYOUT_PARTS_H
#define QF_LIBQF_LAYOUT_PARTS_H

#include "arena.h"
#include "layout.h"

/* What makes two paths one directory. */
struct qf_layout_id {
	uint64_t device;
	uint64_t inode;
};

/* A name of a directory: relative to a base. */
struct qf_layout_alias {
	struct qf_layout_id base;
	const char *name;
	size_t dir;
};

/* What is kept of a directory beside the public part. */
struct qf_layout_place {
	struct qf_layout_id id;
	bool explicit; /* given by its own path, not by a pattern or the configuration */
	bool looked;   /* foreign is known */
	size_t foreign;
};

struct qf_queue {
	struct qf_io io;
	struct qf_arena arena;
	struct qf_policy policy;
	struct qf_dir *dirs;
	struct qf_layout_place *places;
	size_t ndirs, dirs_cap;
	struct qf_layout_alias *aliases;
	size_t naliases, aliases_cap;
	bool data_beside;         /* d lines do not count */
	/* The last stat of a base, for a pattern asks for the same one again and again. */
	const char *base_text;
	struct qf_layout_id base_id;
	/* Not to leave a mark on directories read; off where the system forbids it. */
	bool noatime;
};

/* ---------------------------------------------------------------- layout_open.c */

/* A descriptor to list the directory, or -1 with errno. */
int qf_layout_open(struct qf_queue *queue, int at, const char *name);
/* Open the directory at:name and its parts. Returns 0 or an errno; then nothing is open. */
int qf_layout_open_parts(struct qf_queue *queue, int at, const char *name, struct qf_dir *dir,
			 struct qf_layout_id *id);
void qf_layout_close(struct qf_queue *queue, struct qf_dir *dir);

/* ---------------------------------------------------------------- layout_set.c */

/* In the arena of the queue; NULL: no memory. */
const char *qf_layout_copy(struct qf_queue *queue, const char *text, size_t n);
/* Length without slashes at the end; "/" stays. */
size_t qf_layout_trimmed(const char *text, size_t n);
/* base "/" name, both as they are but for one slash at the end of base; NULL: no memory. */
const char *qf_layout_join(struct qf_queue *queue, const char *base, size_t n, const char *name);
/* The last component of path, and what stands before it without its slash: "." for none. False
   where path has no last component that is a name. */
bool qf_layout_split(const char *path, size_t n, const char **parent, size_t *parent_n,
		     const char **name);

/* Index of the directory, SIZE_MAX when it is not there yet. */
size_t qf_layout_find(const struct qf_queue *queue, struct qf_layout_id id);
/* A directory that cannot be read is listed with why: its own words, or the failure's. */
enum qf_code qf_layout_add_trouble(struct qf_queue *queue, const struct qf_dir *like, int failure,
				   const char *why, struct qf_err *err);
/*
 * Open the directory at:file and add it, named as like is; one that is there already is taken
 * once. *index is where it is, SIZE_MAX when it cannot be read. skip: what is no directory is no
 * trouble either (a name that a pattern matches).
 */
enum qf_code qf_layout_add(struct qf_queue *queue, int at, const char *file,
			   const struct qf_dir *like, bool skip, size_t *index, struct qf_err *err);
/* The names of a directory of which nothing but its path is known. */
enum qf_code qf_layout_add_possible_names(struct qf_queue *queue, size_t dir, const char *path,
					  struct qf_err *err);
/* base: of the configuration, or NULL. */
enum qf_code qf_layout_add_names(struct qf_queue *queue, size_t dir, const struct qf_dir *like,
				 const char *base, struct qf_err *err);

/* ---------------------------------------------------------------- layout_below.c */

/* Of directories that were given by their path and have no queue files: QF_E_AMBIGUOUS where their
   sub-directories hold some. */
enum qf_code qf_layout_check_given(struct qf_queue *queue, struct qf_err *err);

#endif
