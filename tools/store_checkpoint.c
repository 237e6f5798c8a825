/*
 * store_checkpoint - what many commits have put into the write-ahead log goes into the database by
 * a thread of its own, while the next rows are made: it is all written twice, and the second time
 * nobody has to wait for.
 */
#include <pthread.h>
#include <stdlib.h>

#include "store_parts.h"

/* Pages of the log after which the writer stops for it: some 400 MB, where the thread falls behind. */
#define BEHIND 100000

struct store_checkpoint {
	sqlite3 *db; /* the thread's own connection */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool wanted, ends; /* guarded by mutex */
};

static void *
run(void *of)
{
	struct store_checkpoint *checkpoint = of;

	pthread_mutex_lock(&checkpoint->mutex);
	for (;;) {
		while (!checkpoint->wanted && !checkpoint->ends)
			pthread_cond_wait(&checkpoint->changed, &checkpoint->mutex);
		if (checkpoint->ends)
			break;
		checkpoint->wanted = false;
		pthread_mutex_unlock(&checkpoint->mutex);
		/* What it fails at stays in the log, for the one at the end. */
		sqlite3_wal_checkpoint_v2(checkpoint->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		pthread_mutex_lock(&checkpoint->mutex);
	}
	pthread_mutex_unlock(&checkpoint->mutex);
	return NULL;
}

/* After each commit; the log has so many pages. */
static int
committed(void *of, sqlite3 *db, const char *name, int pages)
{
	struct store_checkpoint *checkpoint = of;

	if (pages >= BEHIND) {
		sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		return SQLITE_OK;
	}
	pthread_mutex_lock(&checkpoint->mutex);
	checkpoint->wanted = true;
	pthread_cond_signal(&checkpoint->changed);
	pthread_mutex_unlock(&checkpoint->mutex);
	return SQLITE_OK;
}

void
store_checkpoint_begin(struct store *store)
{
	struct store_checkpoint *checkpoint;

	if (store->checkpoint || store->network)
		return;
	checkpoint = calloc(1, sizeof(*checkpoint));
	if (!checkpoint)
		return;
	pthread_mutex_init(&checkpoint->mutex, NULL);
	pthread_cond_init(&checkpoint->changed, NULL);
	/* The log is opened here and not by the thread: what it may open may be less later. */
	if (sqlite3_open_v2(store->path, &checkpoint->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
			    NULL) != SQLITE_OK ||
	    sqlite3_exec(checkpoint->db, "PRAGMA synchronous = NORMAL; PRAGMA user_version", NULL, NULL,
			 NULL) != SQLITE_OK ||
	    pthread_create(&checkpoint->thread, NULL, run, checkpoint) != 0) {
		sqlite3_close_v2(checkpoint->db);
		pthread_cond_destroy(&checkpoint->changed);
		pthread_mutex_destroy(&checkpoint->mutex);
		free(checkpoint);
		return;
	}
	store->checkpoint = checkpoint;
	sqlite3_wal_hook(store->db, committed, checkpoint);
}

void
store_checkpoint_end(struct store *store)
{
	struct store_checkpoint *checkpoint = store->checkpoint;

	if (!checkpoint)
		return;
	pthread_mutex_lock(&checkpoint->mutex);
	checkpoint->ends = true;
	pthread_cond_signal(&checkpoint->changed);
	pthread_mutex_unlock(&checkpoint->mutex);
	pthread_join(checkpoint->thread, NULL);
	sqlite3_wal_hook(store->db, NULL, NULL);
	sqlite3_close_v2(checkpoint->db);
	pthread_cond_destroy(&checkpoint->changed);
	pthread_mutex_destroy(&checkpoint->mutex);
	free(checkpoint);
	store->checkpoint = NULL;
}
