/*
 * orphan_parts - the files of one id while they are judged: what orphan_again.c, orphan_set.c and
 * orphan_tell.c share.
 */
#ifndef QF_LIBQF_ORPHAN_PARTS_H
#define QF_LIBQF_ORPHAN_PARTS_H

#include "orphan.h"

/* One file of the id. */
struct qf_member {
	const struct qf_pair_file *file;
	const struct qf_seen *seen;
	const char *name;
	struct stat st;          /* at the second look */
	bool there;
	bool changed;            /* between the looks */
	bool irregular;
	bool told;               /* belongs to a finding, or is counted */
	bool tried;              /* to read it */
	enum qf_tri locked;
	struct qf_msg *msg;      /* once it was read */
};

/* One finding in the making. */
struct qf_tell {
	struct qf_orphan_facts facts;
	struct qf_member **files;
	size_t n;
	struct qf_member *control; /* whose envelope is shown; or NULL */
	struct qf_member *other;   /* a second one that it is compared with; or NULL */
	uint32_t links_at, links_n; /* other names of the control file, in orphans->links */
};

struct qf_set {
	struct qf_orphans *orphans;
	struct qf_pairs *pairs;
	struct qf_io *io;
	const char *id;
	const struct qf_logged *fate; /* what a log says of it; or NULL */
	struct qf_member *members;
	size_t n;
	bool changed;            /* something of it, between the looks */
	bool linked_body;        /* its data file is a symbolic link to one */
	bool taken;              /* its control file is told under another name */
	bool nomem;
	enum qf_tri locked;      /* its control files and data files */
	size_t controls;
	struct qf_tell tell;
	uint64_t whole, live, messages;
};

/* The second look. */
void qf_set_look(struct qf_set *set);
/* The answer about two locks. */
enum qf_tri qf_set_either(enum qf_tri a, enum qf_tri b);
/* The control file read and parsed; NULL where it cannot be. */
const struct qf_msg *qf_set_read(struct qf_set *set, struct qf_member *member);
/* Judge, count, and keep what is to be reported. */
void qf_set_tell(struct qf_set *set, struct qf_tell *tell);

#endif
