/*
 * audit_index - what the files of qf audit index share: audit_index.c drives; audit_restored.c
 * finds queues; audit_message.c stores one message; audit_files.c looks at what else lies there.
 */
#ifndef QF_TOOLS_AUDIT_INDEX_H
#define QF_TOOLS_AUDIT_INDEX_H

#include "audit.h"

#define AUDIT_KEY 16
#define AUDIT_DIGEST 32

/* What a reading thread found out of a message, at the front of its text; the body's text follows.
 */
struct audit_read {
	uint8_t key[AUDIT_KEY];	      /* of control file, place and size of the data file */
	uint8_t content[AUDIT_KEY];   /* of the control file's bytes */
	uint8_t digest[AUDIT_DIGEST]; /* of the data file, where has_digest */
	bool has_digest, digest_failed;
	bool has_body;
	double seen; /* seconds after the beginning */
};

/* A set of 64-bit hashes; threads may look while nobody adds. */
struct audit_set {
	uint64_t *slots;
	size_t n, room;
};
bool audit_set_add(struct audit_set *set, uint64_t hash); /* false: memory is out */
bool audit_set_has(const struct audit_set *set, uint64_t hash);
void audit_set_release(struct audit_set *set);
uint64_t audit_hash(const void *bytes, size_t n, uint64_t seed);

/* A message of the snapshot in the making. */
struct audit_present {
	int64_t message;
	int64_t seen;
	uint64_t name; /* hash of its file's name */
	uint64_t inode;
	uint32_t dir;
	uint8_t moving; /* index into audit_moving */
	bool there;	/* at the second look */
};
extern const char *const audit_moving[];
enum { AUDIT_STILL, AUDIT_BUSY, AUDIT_CHANGED, AUDIT_GONE };

struct audit_dir {
	int64_t queue; /* its row */
	int64_t messages;
	bool complete;
	char why[256];
};

struct audit_known;

struct audit_snapshot {
	struct source source;
	struct store *store;
	struct audit_dir *dirs; /* of the queue */
	struct audit_present *present;
	size_t n, room;
	struct audit_set known;		    /* first halves of keys that are stored */
	struct audit_known *known_messages; /* audit_known.c */
	size_t known_n, known_cap;
	uint32_t *known_slots;
	size_t known_room;
	struct audit_set ids, data; /* ids and data paths of this snapshot */
	bool always_digest;	    /* --digest, --bodies, or a restored tree */
	bool restored;
	int64_t boundary; /* messages up to this one are in a snapshot */
	uint64_t unchanged, moving, unreadable, came;
	uint64_t began;	 /* ns */
	int64_t pending; /* messages since the last commit */
};

/*
 * audit_find_queues - the queues below the paths that are, or hold, restored trees; other paths
 * stay. Strings of out are the caller's, freed by audit_free_queues(). Returns 0 or an exit status.
 */
int audit_find_queues(const struct opt_list *paths, struct opt_list *out);
void audit_free_queues(struct opt_list *out);
/* "live", "restored", "failed-restore" or "lost+found", by its path. */
const char *audit_queue_kind(const char *path);

/* Where a message lies, and when it was seen (seconds after the beginning). */
struct audit_place {
	int64_t message;
	double seen;
	uint64_t name, inode;
	uint32_t dir;
	bool busy;
	struct qf_slice id, data; /* data: path of the data file */
};
/* A message of the snapshot. False: memory is out. */
bool audit_add_present(struct audit_snapshot *snapshot, const struct audit_place *place);
double audit_since(uint64_t began);

/* Messages that need not be read again. here is for qf_scan_options.known; take puts those that
   were met into the snapshot. */
enum qf_code audit_known_load(struct audit_snapshot *snapshot, struct qf_err *err);
bool audit_known_here(void *snapshot, const struct qf_sighting *seen);
enum qf_code audit_known_take(struct audit_snapshot *snapshot, struct qf_err *err);
void audit_known_release(struct audit_snapshot *snapshot);

/* In a reading thread. */
struct audit_reader;
void *audit_reader_new(void *snapshot);
void audit_reader_free(void *reader);
bool audit_read_message(void *reader, struct qf_msg *msg, struct qf_buf *text);

/* What audit_read.key is of a message read with the same needs. */
void audit_message_key(struct qf_msg *msg, unsigned char key[AUDIT_KEY]);

/* Store a message, if it is not there yet. Sets *id. */
enum qf_code audit_store_message(struct audit_snapshot *snapshot, struct qf_msg *msg,
				 const struct audit_read *read, struct qf_slice body, int64_t *id,
				 struct qf_err *err);

/* Rows of the beginning: queues; what is stored already; that a run is under way, and whether one
   before was interrupted. */
enum qf_code audit_queue_rows(struct audit_snapshot *snapshot, struct qf_err *err);
enum qf_code audit_load_known(struct audit_snapshot *snapshot, struct qf_err *err);
enum qf_code audit_note_run(struct audit_snapshot *snapshot, bool *left_over, struct qf_err *err);
/* Rows of the end, in this order. Presence sorts snapshot->present. */
enum qf_code audit_snapshot_row(struct audit_snapshot *snapshot, int64_t *number,
				struct qf_err *err);
enum qf_code audit_presence_rows(struct audit_snapshot *snapshot, int64_t number,
				 struct qf_err *err);
enum qf_code audit_moving_rows(struct audit_snapshot *snapshot, int64_t number, struct qf_err *err);
enum qf_code audit_final_rows(struct audit_snapshot *snapshot, int64_t number, double seconds,
			      struct qf_err *err);
/* Remove what interrupted runs stored, and is in no snapshot. */
enum qf_code audit_tidy(struct store *store, struct qf_err *err);
/* Was everything read? *why: what was not. */
bool audit_is_complete(const struct audit_snapshot *snapshot, const char **why);

/* The second look: what moved, and what belongs to no message. Rows of files for snapshot number.
 */
enum qf_code audit_look_again(struct audit_snapshot *snapshot, int64_t number, struct qf_err *err);

#endif
