/*
 * pair - every name in every directory of a queue, sorted by id into the files of a message.
 *
 * Whole messages are told from names, their types, and one stat of each control file; nothing is
 * opened for that. A data file is its control file's pair wherever in the queue it lies. What is
 * kept of a file are 40 bytes and its share of a table.
 */
#ifndef QF_LIBQF_PAIR_H
#define QF_LIBQF_PAIR_H

#include "locks.h"
#include "qf.h"
#include "sys.h"

/* One directory on disk. Several queue directories may share it (df/ being a link). */
struct qf_pair_place {
	size_t dir;            /* the first queue directory that it belongs to */
	const char *sub;       /* "", "/qf", "/df", "/xf": what of its path follows the queue's */
	unsigned roles;        /* 1u << enum qf_part: what sendmail looks for in it */
	int fd;
	bool own;              /* fd is not the queue's */
	uint64_t device;
	enum qf_lock_sight sight;
	uint64_t entries;      /* all names but ".qf" and the layout's own sub-directories */
	uint64_t controls, bodies; /* control files, data files */
	enum qf_code trouble;  /* QF_OK, or why it could not be listed to the end */
	struct qf_err err;
};

/* What was found out about a file beside its name. */
enum {
	QF_PAIR_HEAD = 1,          /* the first of its set */
	QF_PAIR_GONE = 2,          /* left between listing and look */
	QF_PAIR_IRREGULAR = 4,     /* not a regular file */
	QF_PAIR_EMPTY = 8,         /* control files only, from here on */
	QF_PAIR_LINKED = 16,       /* more than one name */
	QF_PAIR_UNSAFE = 32,       /* a mode for which sendmail names it Qf */
	QF_PAIR_STRAY = 64,        /* lies where sendmail does not look for control files */
	QF_PAIR_UNREADABLE = 128,
	QF_PAIR_CUT = 256,         /* what follows only when they were read */
	QF_PAIR_BOGUS = 512,
	QF_PAIR_NO_SENDER = 1024,
	QF_PAIR_NO_RCPT = 2048,
	QF_PAIR_PLACEHOLDER = 4096,
	QF_PAIR_ELSEWHERE = 8192,  /* no data file where its d line, or none, says it is */
};

#define QF_PAIR_NONE UINT32_MAX

struct qf_pair_file {
	uint64_t inode;
	uint32_t next;             /* the next file of the same id */
	uint16_t place;
	uint16_t marks;            /* QF_PAIR_* */
	uint8_t n;                 /* length of its name */
	uint8_t kind;              /* enum qf_kind */
	uint8_t type;              /* d_type */
	char name[QF_NAME_MAX];    /* with its NUL: here, as it is what everything looks at */
};

struct qf_pair_options {
	bool deep;                 /* read every control file */
	unsigned jobs;             /* 0: by the file system */
	const volatile int *cancel;
};

struct qf_pairs {
	struct qf_queue *queue;
	struct qf_io *io;
	struct qf_pair_options options;
	struct qf_pair_place *places;
	size_t nplaces;
	bool network;              /* one of them is on a network file system */
	/* Of each queue directory the place of control files, data files and transcripts. */
	struct qf_pair_home { size_t part[3]; } *homes;
	/* In blocks, so that they stay where they are while more are listed. */
	struct qf_pair_file **blocks;
	size_t nfiles, nblocks, blocks_cap;
	/* Heads by hash of the id; QF_PAIR_NONE for none. Its tag spares a look at the file. */
	struct qf_pair_slot { uint32_t head, tag; } *table;
	size_t table_cap, nsets;
	/* Names that are nothing of sendmail's: counted, and kept when asked for. */
	uint64_t ignored;
	uint64_t unreadable;       /* control files that could not be read, places not listed */
};

/*
 * qf_pair_new - list and look.
 * foreign  called for each name that is nothing of sendmail's; may be NULL.
 * Returns  QF_OK, also when places could not be listed (place.trouble); QF_E_INTERRUPTED;
 *          QF_E_NOMEM; QF_E_LIMIT for more than 4 billion files.
 */
enum qf_code qf_pair_new(struct qf_queue *queue, const struct qf_pair_options *options,
			 bool (*foreign)(void *ctx, size_t place, const char *name), void *ctx,
			 struct qf_pairs **out, struct qf_err *err);
void qf_pair_free(struct qf_pairs *pairs);

#define QF_PAIR_BLOCK ((size_t)4096)

/* The i-th file. Inline: a look at a hundred thousand messages asks a million times. */
static inline struct qf_pair_file *
qf_pair_at(const struct qf_pairs *pairs, size_t i)
{
	return &pairs->blocks[i / QF_PAIR_BLOCK][i % QF_PAIR_BLOCK];
}

/* Is the set that begins with this file a whole message and nothing else? */
bool qf_pair_is_whole(const struct qf_pairs *pairs, const struct qf_pair_file *head);
/* The head of the set of an id; QF_PAIR_NONE. */
uint32_t qf_pair_find(const struct qf_pairs *pairs, const char *id, size_t n);

/* Call work for 0 .. n-1, by several threads where that helps; each has an io of its own. */
enum qf_code qf_pair_each(struct qf_pairs *pairs, size_t n,
			  void (*work)(void *ctx, struct qf_io *io, size_t i), void *ctx,
			  struct qf_err *err);

/* Read and understand a control file in a place; nothing but a regular file is opened.
   QF_E_GONE, QF_E_DENIED, QF_E_DATA, QF_E_SYS, QF_E_NOMEM. */
enum qf_code qf_pair_read(const struct qf_pairs *pairs, struct qf_io *io, size_t place,
			  const char *name, struct qf_msg **out, struct qf_err *err);

/* ---------------------------------------------------------------- pair_look.c */

/*
 * The look at control files (stat, or read) and at what the listing gave no type of. Other threads
 * begin with it while more is listed.
 */
struct qf_pair_looker;
enum qf_code qf_pair_look_begin(struct qf_pairs *pairs, struct qf_pair_looker **out,
				struct qf_err *err);
/* More files are listed. */
void qf_pair_look_more(struct qf_pair_looker *looker);
/* All are; the rest is done, and counted in pairs->unreadable. Frees. drop: it is not wanted. */
enum qf_code qf_pair_look_end(struct qf_pair_looker *looker, bool drop, struct qf_err *err);

/* Is its body the one byte that sendmail writes where it cannot open the data file? */
bool qf_pair_is_placeholder(const struct qf_msg *msg, int64_t data_size);

#endif
