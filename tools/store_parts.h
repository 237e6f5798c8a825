/*
 * store_parts - what the files of store share and nobody else sees: SQLite.
 */
#ifndef QF_TOOLS_STORE_PARTS_H
#define QF_TOOLS_STORE_PARTS_H

#include <sqlite3.h>

#include "store.h"

#define STORE_CACHED_MAX 64

struct store {
	sqlite3 *db;
	char *path;
	int lock; /* the descriptor of FILE-lock; -1: none */
	bool network;
	struct store_statement *cached[STORE_CACHED_MAX];
	size_t ncached;
	struct store_checkpoint *checkpoint; /* NULL: none at work */
};

struct store_statement {
	struct store *store;
	sqlite3_stmt *stmt;
	const char *sql; /* of a cached one */
	int failed;	 /* the first error of binding */
	bool running;
};

/* The failure of the last call, by its result code. */
enum qf_code store_failure(const struct store *store, int result, struct qf_err *err);
/* Make the tables, or bring them to this version; within a transaction. */
enum qf_code store_migrate(struct store *store, int from, struct qf_err *err);
/* From now on what is committed goes from the write-ahead log into the database beside other work;
   where that cannot be had, after each commit as ever. */
void store_checkpoint_begin(struct store *store);
void store_checkpoint_end(struct store *store);
/* qf_id_time(), regexp(), qf_address(), qf_text(). */
int store_functions(sqlite3 *db);

#endif
