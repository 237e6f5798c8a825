/*
 * store - opening the database, its writer's lock, transactions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store_parts.h"

/* Memory for pages, in kB: what a bulk insert touches at once. */
#define CACHE_KB 65536
/* How long a reader waits for a moment in which a writer changes the file. */
#define BUSY_MS 5000

#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xfe534d42
#endif
#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00c36400
#endif

static enum qf_code __attribute__((format(printf, 4, 5)))
fail(struct qf_err *err, enum qf_code code, const char *what, const char *format, ...)
{
	va_list args;

	*err = (struct qf_err){.code = code};
	snprintf(err->what, sizeof(err->what), "%s", what);
	va_start(args, format);
	vsnprintf(err->why, sizeof(err->why), format, args);
	va_end(args);
	return code;
}

enum qf_code
store_failure(const struct store *store, int result, struct qf_err *err)
{
	const char *why = store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(result);

	switch (result & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fail(err, QF_E_BUSY, store->path,
			    "the database is busy: another program is at work in it");
	case SQLITE_NOMEM:
		return fail(err, QF_E_NOMEM, store->path, "out of memory");
	case SQLITE_NOTADB:
		return fail(err, QF_E_DATA, store->path, "is no database");
	case SQLITE_CORRUPT:
		return fail(err, QF_E_DATA, store->path, "the database is damaged: %s", why);
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY:
		return fail(err, QF_E_DENIED, store->path, "%s", why);
	case SQLITE_CANTOPEN:
		return fail(err, errno == EACCES ? QF_E_DENIED : QF_E_SYS, store->path, "%s", why);
	case SQLITE_FULL:
		return fail(err, QF_E_SYS, store->path,
			    "no space left on the device: nothing of this run is kept");
	case SQLITE_INTERRUPT:
		return fail(err, QF_E_INTERRUPTED, store->path, "interrupted");
	case SQLITE_IOERR:
		return fail(err, QF_E_SYS, store->path, "%s%s%s", why, errno ? ": " : "",
			    errno ? strerror(errno) : "");
	case SQLITE_ERROR:
		/* Of a query that somebody wrote. */
		return fail(err, QF_E_USAGE, "query", "%s", why);
	default:
		return fail(err, QF_E_SYS, store->path, "%s", why);
	}
}

/* Shared memory, which a write-ahead log needs, is not shared over a network. */
static bool
on_network(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case AFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
	case V9FS_MAGIC:
	case FUSE_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

static enum qf_code
pragma_int(struct store *store, const char *name, int64_t *value, struct qf_err *err)
{
	struct store_statement *statement;
	char sql[64];
	bool row;
	enum qf_code code;

	snprintf(sql, sizeof(sql), "PRAGMA %s", name);
	code = store_prepare(store, sql, &statement, err);
	if (code != QF_OK)
		return code;
	code = store_step(statement, &row, err);
	*value = code == QF_OK && row ? store_int(statement, 0) : 0;
	store_finalize(statement);
	return code;
}

/* One writer: two would take each other's unfinished work for left over. */
static enum qf_code
take_lock(struct store *store, struct qf_err *err)
{
	char *name;
	enum qf_code code = QF_OK;

	if (asprintf(&name, "%s-lock", store->path) < 0)
		return fail(err, QF_E_NOMEM, store->path, "out of memory");
	store->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock < 0)
		code = fail(err,
			    errno == EACCES || errno == EROFS || errno == EPERM ? QF_E_DENIED
										: QF_E_SYS,
			    name, "create: %s", strerror(errno));
	else if (flock(store->lock, LOCK_EX | LOCK_NB) != 0)
		code = errno == EWOULDBLOCK
			       ? fail(err, QF_E_BUSY, store->path,
				      "the database is busy: another qf audit writes into it")
			       : fail(err, QF_E_SYS, name, "lock: %s", strerror(errno));
	free(name);
	return code;
}

/* Is it ours, and of a version that is understood? *version 0: it is empty. */
static enum qf_code
examine(struct store *store, int64_t *version, struct qf_err *err)
{
	int64_t application, tables;
	struct store_statement *statement;
	bool row;
	enum qf_code code = pragma_int(store, "application_id", &application, err);

	if (code == QF_OK)
		code = pragma_int(store, "user_version", version, err);
	if (code != QF_OK)
		return code;
	if (application == STORE_APPLICATION_ID) {
		if (*version <= store_version())
			return QF_OK;
		return fail(err, QF_E_CONFIG, store->path,
			    "made by a newer qf: its schema is %lld, this one knows up to %d",
			    (long long)*version, store_version());
	}
	code = store_prepare(store, "SELECT count(*) FROM sqlite_schema", &statement, err);
	if (code != QF_OK)
		return code;
	code = store_step(statement, &row, err);
	tables = code == QF_OK ? store_int(statement, 0) : 0;
	store_finalize(statement);
	if (code != QF_OK)
		return code;
	if (application != 0 || *version != 0 || tables > 0)
		return fail(err, QF_E_DATA, store->path, "is a database, but none of qf audit");
	return QF_OK;
}

/* A file that is none of ours is left as it is, without a lock beside it. */
static enum qf_code
is_ours(struct store *store, struct qf_err *err)
{
	struct stat st;
	int64_t version;
	enum qf_code code;
	int result;

	if (stat(store->path, &st) != 0 || st.st_size == 0)
		return QF_OK;
	errno = 0;
	result = sqlite3_open_v2(store->path, &store->db,
				 SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (result == SQLITE_OK)
		sqlite3_busy_timeout(store->db, BUSY_MS);
	code = result == SQLITE_OK ? examine(store, &version, err)
				   : store_failure(store, result, err);
	sqlite3_close_v2(store->db);
	store->db = NULL;
	return code;
}

static enum qf_code
prepare_to_write(struct store *store, struct qf_err *err)
{
	int64_t version;
	enum qf_code code = examine(store, &version, err);

	if (code != QF_OK)
		return code;
	code = store_execute(store,
			     store->network
				     ? "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL"
				     : "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
			     err);
	if (code != QF_OK || version == store_version())
		return code;
	code = store_begin(store, err);
	if (code == QF_OK)
		code = store_migrate(store, (int)version, err);
	if (code == QF_OK)
		return store_commit(store, err);
	store_rollback(store);
	return code;
}

static enum qf_code
prepare_to_read(struct store *store, struct qf_err *err)
{
	int64_t version;
	enum qf_code code = examine(store, &version, err);

	if (code == QF_OK && version == 0)
		return fail(err, QF_E_DATA, store->path, "is an empty file");
	if (code == QF_OK && version < store_version())
		return fail(err, QF_E_CONFIG, store->path,
			    "of an older qf: qf audit index or log brings it up to date");
	return code;
}

enum qf_code
store_no_memory(struct qf_err *err)
{
	*err = (struct qf_err){.code = QF_E_NOMEM, .why = "out of memory"};
	return QF_E_NOMEM;
}

bool
store_room(void **array, size_t *room, size_t n, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *grown;

	if (n < *room)
		return true;
	grown = realloc(*array, more * size);
	if (!grown)
		return false;
	*array = grown;
	*room = more;
	return true;
}

/* The file, before SQLite: it would make one of any mode, and take a directory for a bad database.
 */
static enum qf_code
look_at(const char *path, enum store_mode mode, struct qf_err *err)
{
	struct stat st;
	int fd;

	if (stat(path, &st) == 0) {
		if (S_ISREG(st.st_mode))
			return QF_OK;
		return fail(err, QF_E_DATA, path, "is no database");
	}
	if (errno != ENOENT)
		return fail(err, errno == EACCES ? QF_E_DENIED : QF_E_SYS, path, "%s",
			    strerror(errno));
	if (mode != STORE_CREATE) {
		fail(err, QF_E_NOT_FOUND, path, "there is no database");
		snprintf(err->hint, sizeof(err->hint),
			 "qf audit index --db=... -Q QUEUE makes one");
		return QF_E_NOT_FOUND;
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return fail(err, errno == EACCES || errno == EROFS ? QF_E_DENIED : QF_E_SYS, path,
			    "create: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return QF_OK;
}

enum qf_code
store_open(const char *path, enum store_mode mode, struct store **out, struct qf_err *err)
{
	struct store *store = calloc(1, sizeof(*store));
	enum qf_code code;
	int result;
	char cache[48];

	if (!store || !(store->path = strdup(path))) {
		free(store);
		return fail(err, QF_E_NOMEM, path, "out of memory");
	}
	store->lock = -1;
	/* Counting its memory costs a lock at each allocation; nobody asks for the sums. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	code = look_at(path, mode, err);
	if (code == QF_OK && mode != STORE_READ)
		code = is_ours(store, err);
	if (code == QF_OK && mode != STORE_READ)
		code = take_lock(store, err);
	if (code == QF_OK) {
		store->network = on_network(path);
		errno = 0;
		result = sqlite3_open_v2(
			path, &store->db,
			(mode == STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
				SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
			NULL);
		if (result != SQLITE_OK)
			code = store_failure(store, result, err);
	}
	if (code == QF_OK) {
		/* What a statement allocates and frees again for each row. */
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 1200, 512);
		sqlite3_extended_result_codes(store->db, 1);
		sqlite3_busy_timeout(store->db, BUSY_MS);
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
		snprintf(cache, sizeof(cache), "PRAGMA cache_size = -%d", CACHE_KB);
		code = store_execute(store, cache, err);
	}
	if (code == QF_OK)
		code = store_execute(store, "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY",
				     err);
	if (code == QF_OK && store_functions(store->db) != SQLITE_OK)
		code = fail(err, QF_E_NOMEM, path, "out of memory");
	if (code == QF_OK)
		code = mode == STORE_READ ? prepare_to_read(store, err)
					  : prepare_to_write(store, err);
	if (code != QF_OK) {
		store_close(store);
		return code;
	}
	*out = store;
	return QF_OK;
}

void
store_close(struct store *store)
{
	if (!store)
		return;
	store_checkpoint_end(store);
	for (size_t i = 0; i < store->ncached; i++)
		store_finalize(store->cached[i]);
	sqlite3_close_v2(store->db);
	if (store->lock >= 0)
		close(store->lock);
	free(store->path);
	free(store);
}

const char *
store_path(const struct store *store)
{
	return store->path;
}

bool
store_on_network(const struct store *store)
{
	return store->network;
}

enum qf_code
store_execute(struct store *store, const char *sql, struct qf_err *err)
{
	int result;

	errno = 0;
	result = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
	return result == SQLITE_OK ? QF_OK : store_failure(store, result, err);
}

enum qf_code
store_bulk(struct store *store, struct qf_err *err)
{
	store_checkpoint_begin(store);
	return store_execute(store, "PRAGMA foreign_keys = OFF", err);
}

enum qf_code
store_begin(struct store *store, struct qf_err *err)
{
	return store_execute(store, "BEGIN IMMEDIATE", err);
}

enum qf_code
store_commit(struct store *store, struct qf_err *err)
{
	return store_execute(store, "COMMIT", err);
}

void
store_rollback(struct store *store)
{
	/* SQLite has rolled back by itself after some failures. */
	if (!sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

int64_t
store_last_id(struct store *store)
{
	return sqlite3_last_insert_rowid(store->db);
}

int64_t
store_changes(struct store *store)
{
	return sqlite3_changes64(store->db);
}
