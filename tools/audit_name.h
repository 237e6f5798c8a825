/*
 * audit_name - what the name of a log says: which log it is, and which file of it.
 */
#ifndef QF_TOOLS_AUDIT_NAME_H
#define QF_TOOLS_AUDIT_NAME_H

#include <nettle/sha2.h>
#include <sys/stat.h>

#include "audit.h"

/* By so many first bytes a file is known again. */
#define AUDIT_LOG_HEAD 4096

struct audit_name {
	char stem[4096]; /* folder and name without number, date and compression; empty: no chain */
	int64_t number;	 /* mail.log.2: 2; 0: it has none */
	int64_t day;	 /* mail.log-20261126, mail-2026-11-26.log: days since the epoch; -1 */
	bool dated_end;	 /* the date is the end of the name */
	bool packed;
	bool put_away; /* it does not grow any more */
};

/* Take a path apart. now: whether a file of a day is that of today. */
void audit_name_read(const char *path, int64_t now, struct audit_name *out);

/* The file that lies directly before another one, by their names. */
struct audit_before {
	uint8_t head[SHA256_DIGEST_SIZE];
	int64_t size; /* -1: compressed */
	int64_t mtime;
	bool named; /* the name itself says that none is between: the number, or the day before */
};

/* Look for it in the folder. False: there is none. */
bool audit_name_before(const char *path, struct audit_before *out);

/* Hash of the first bytes of a file, and what it is. False: it is none, or cannot be read. */
bool audit_name_head(const char *path, size_t n, uint8_t head[SHA256_DIGEST_SIZE], struct stat *st);

#endif
