/*
 * salvage - messages brought from one queue to another: what the files share.
 *	salvage.c           the frame: both sides, totals, reports
 *	salvage_plan.c      what is to become of each message
 *	salvage_log.c       what mail logs say of them
 *	salvage_file.c      plans saved and loaded
 *	salvage_again.c     a saved plan held against both sides as they are now
 *	move.c              the steps by which messages move, a few at once
 *	salvage_run.c       plans carried out; what interrupted runs left, finished
 *	salvage_staged.c    copies that were interrupted, named
 *	salvage_lanes.c     batches of messages moved side by side
 *	salvage_account.c   what manifests say of each message
 *	salvage_journeys.c  when messages last came to a queue, and left it
 *	salvage_verify.c    every message accounted for
 *	salvage_render.c    what is said of them, as JSON
 *	export.c            messages claimed, and written into a bundle (bundle.h)
 *	export_end.c        claims of an export released, or put back
 *	import.c            a bundle unpacked, as a source to copy from
 */
#ifndef QF_LIBQF_SALVAGE_H
#define QF_LIBQF_SALVAGE_H

#include <pthread.h>

#include "claim.h"
#include "crew.h"
#include "manifest.h"
#include "marks.h"
#include "names.h"
#include "qf.h"
#include "target.h"

/* A message that is planned for. There may be a million of them. */
struct qf_salvage_item {
	char name[QF_NAME_MAX];      /* of the control file: qfID */
	unsigned outcome : 5;        /* QF_SALVAGE_MOVE, COPY, SKIP */
	unsigned why : 6;
	unsigned expired : 1;
	unsigned let_go : 1;         /* held, and not to be so at the target */
	unsigned detail : 8;         /* of qf_salvage.texts, and one; 0: none */
	uint16_t dir, to_dir;
	uint8_t sha[32];             /* of the control file as it was planned */
	uint32_t new_id;             /* where it is in qf_salvage.new_ids; 0: it keeps its id */
	int64_t bounce_at;
	int64_t bytes;
};
_Static_assert(sizeof(struct qf_salvage_item) <= 80 && QF_SALVAGE_OUTCOME_COUNT <= 32 &&
	       QF_SALVAGE_WHY_COUNT <= 64, "an item");

/* The detail of what is skipped because a run brought it here before: its mark says so. */
extern const char qf_salvage_was_copied[];
/* And where it was an import of the same bundle: a receipt may say that it has arrived. */
extern const char qf_salvage_was_imported[];

struct qf_salvage {
	struct qf_queue *from, *to;
	struct qf_io *io;            /* the source's */
	struct qf_salvage_options options;
	struct qf_policy policy;
	char run[QF_RUN_MAX];
	char unhold[QF_RUN_MAX];     /* of a saved plan */
	struct qf_target target;
	bool has_target;
	struct qf_claims *claims;    /* NULL: only looked */
	struct qf_manifest *manifest;
	struct qf_marks *marks;      /* the ledger: everything ever brought here */
	struct qf_taken *locks;      /* of the target's directories; NULL: none */
	struct qf_manifest **left;   /* at the source: what is taken away */
	size_t nleft, left_known;    /* of them; directories looked at so far */
	struct qf_names *names;      /* of the source, while it is looked at; else NULL */
	pthread_mutex_t mutex;       /* of manifest, totals, reports and new ids, while lanes are at work */
	struct qf_salvage_item *items;
	size_t n, cap;
	struct qf_buf new_ids;       /* each with its NUL, from 1 on */
	char **texts;                /* details of items: few, of many */
	size_t ntexts;
	bool loaded;                 /* from a file: what changed since is skipped */
	struct qf_groups *returns;   /* by sender; NULL: not counted */
	struct qf_salvage_totals totals;
	struct qf_salvage_sides sides;
	struct qf_orphans_log log;   /* what the logs were like */
	unsigned sequence;           /* of new ids */
	int64_t id_time;
	int64_t began;               /* as qf_mark_now(): before anything was looked at */
	uint64_t told;               /* progress, qf_clock_ns() */
};

/* ---------------------------------------------------------------- salvage.c */

/* One more message of the plan, all zero. NULL when memory is out. */
struct qf_salvage_item *qf_salvage_add_item(struct qf_salvage *salvage);
/* The id it is to get; NULL: it keeps its own. */
const char *qf_salvage_item_new_id(const struct qf_salvage *salvage,
				   const struct qf_salvage_item *item);
/* It is to be left, and why. */
void qf_salvage_skip(struct qf_salvage *salvage, struct qf_salvage_item *item, enum qf_salvage_why why,
		     const char *detail);
/* Why it is left, in words; NULL. They are there as long as the salvage. */
const char *qf_salvage_item_detail(const struct qf_salvage *salvage, const struct qf_salvage_item *item);
/* False when memory is out. */
bool qf_salvage_give_id(struct qf_salvage *salvage, struct qf_salvage_item *item, const char *id);
/* Claims, target and manifest opened for changes. */
enum qf_code qf_salvage_begin(struct qf_salvage *salvage, struct qf_err *err);
/* Into totals. */
void qf_salvage_count(struct qf_salvage_totals *totals, const struct qf_salvage_record *record);
/* Count it, write it to the manifest where there is one, report it. From any lane, as what follows. */
void qf_salvage_tell(struct qf_salvage *salvage, const struct qf_salvage_record *record);
void qf_salvage_progress(struct qf_salvage *salvage, uint64_t of);
bool qf_salvage_cancelled(const struct qf_salvage *salvage);
/* How many at once, as the file systems answer. */
unsigned qf_salvage_hands(const struct qf_salvage *salvage);
/* The directory of the target a message goes to: one that is called as the one it comes from (that of a
   queue group is among them), else any, by its id. */
size_t qf_salvage_choose_dir(const struct qf_salvage *salvage, size_t dir, const char *id,
			     const char *new_id);
/* An id that neither side has. False when there is none to be had. */
bool qf_salvage_new_id(struct qf_salvage *salvage, char id[QF_NAME_MAX - 2]);

/* ---------------------------------------------------------------- salvage_plan.c */

/* What makes two messages one: id, creation time, sender. Both must be whole. */
bool qf_salvage_same(const struct qf_msg *a, const struct qf_msg *b);
/* Of a sound message nothing; else what is wrong with it, for people. */
const char *qf_salvage_damage(struct qf_msg *msg);
/* The reason that a held message gets. */
void qf_salvage_reason(const struct qf_salvage *salvage, bool expired, char reason[160]);
/* Of creation time and sender, as hex: tells a message from another one of its id. In a manifest: as
   the source had it, whatever it was made at the target. */
void qf_salvage_origin(const struct qf_msg *msg, int64_t created, char origin[33]);
/* Is the source in use? Into sides.busy and sides.changing. */
enum qf_code qf_salvage_look_for_use(struct qf_salvage *salvage, struct qf_err *err);
/* The state it will have at the target. */
const char *qf_salvage_state_there(const struct qf_salvage *salvage,
				   const struct qf_salvage_item *item);

/* ---------------------------------------------------------------- salvage_ledger.c */

/* The key of a copy: the same for the same message whenever it is copied from a directory of that name;
   of an import, whenever it is imported from that export. */
void qf_salvage_copy_key(const struct qf_salvage *salvage, const struct qf_msg *msg,
			 char key[QF_CLAIM_KEY_MAX]);
/* What was brought so far, as the target's manifests say; in place of what was read before. */
enum qf_code qf_ledger_read(struct qf_salvage *salvage, struct qf_err *err);

enum qf_ledger_says {
	QF_LEDGER_NO,
	QF_LEDGER_HAS,       /* it was brought here, and not taken away again */
	QF_LEDGER_ELSEWHERE, /* or is on its way, in a directory that was not given */
};
#define QF_LEDGER_ELSEWHERE_TEXT \
	"it was on its way to a directory that is none of the target's: give all of them"
/* message: qf_salvage_origin() at its source. data: the sum of its body, as text; NULL: of any body. */
enum qf_ledger_says qf_ledger_ask(const struct qf_salvage *salvage, const char *message,
				  const char *id, const char *data);
/* The same of a message at the source; its body is read if it has to be. own: it is this bundle's mark that
   says so. */
enum qf_ledger_says qf_ledger_has(const struct qf_salvage *salvage, const struct qf_msg *msg, bool *own);
/* Did that very claim bring it, with that body? */
bool qf_ledger_has_claim(const struct qf_salvage *salvage, const char *message, const char *key,
			 const char *data);
/* The mark of that claim in the ledger. */
bool qf_ledger_find(const struct qf_marks *marks, const char *message, const char *key,
		    struct qf_mark *mark);
/* The sum of its body, as text. False: it cannot be read. */
bool qf_salvage_body_sum(struct qf_queue *queue, const struct qf_msg *msg, char sha[QF_SHA_TEXT],
			 const volatile int *cancel);
/* Write down at the source that these leave it; on disk before they are gone. Of each key, message,
   directory; the sums if they are known. From any lane. */
enum qf_code qf_ledger_leave(struct qf_salvage *salvage, const struct qf_mark *marks, size_t n,
			     struct qf_err *err);
void qf_ledger_left_close(struct qf_salvage *salvage);
/* No run copies meanwhile; if not shared, none moves either. Waited for as long as a lease is; then
   QF_E_BUSY. */
enum qf_code qf_ledger_lock(struct qf_salvage *salvage, bool shared, struct qf_err *err);
void qf_ledger_unlock(struct qf_salvage *salvage);

/* ---------------------------------------------------------------- salvage_journeys.c */

struct qf_journeys;
/* What runs brought to a queue and took away from it, as itself has it written down, by the id it has
   there. */
enum qf_code qf_journeys_read(struct qf_queue *queue, struct qf_journeys **out, struct qf_err *err);
void qf_journeys_free(struct qf_journeys *journeys);
/* Were these directories a target together? */
bool qf_journeys_is_one_queue(const struct qf_journeys *journeys, size_t a, size_t b);
/* Was the message of that id taken away from the queue of that directory later than at (qf_mark_now()), and
   not brought there again since? data: the sum of its body; NULL: of any. */
bool qf_journeys_left_since(const struct qf_journeys *journeys, size_t dir, const char *id, const char *data,
			    int64_t at);

/* ---------------------------------------------------------------- salvage_log.c */

/* Skip what the logs show finished. As qf_fates_read(). */
enum qf_code qf_salvage_read_logs(struct qf_salvage *salvage, struct qf_err *err);

/* ---------------------------------------------------------------- salvage_file.c */

/* What is planned for it. sha is room for the sum of its control file. */
struct qf_salvage_record qf_salvage_record_of(const struct qf_salvage *salvage,
					      const struct qf_salvage_item *item,
					      char sha[QF_SHA_TEXT]);
/* Tell that. */
void qf_salvage_tell_item(struct qf_salvage *salvage, const struct qf_salvage_item *item);
/* A line of a plan. */
void qf_salvage_write_item(const struct qf_salvage *salvage, const struct qf_salvage_item *item,
			   struct qf_buf *out);

/* ---------------------------------------------------------------- salvage_run.c */

/* As planned. A busy one may be free when its turn comes. */
bool qf_salvage_is_to_move(const struct qf_salvage_item *item);

/* ---------------------------------------------------------------- salvage_again.c */

/* What is loaded, brought up to date, and no more of it than the limit. Reports nothing. */
enum qf_code qf_salvage_look_again(struct qf_salvage *salvage, struct qf_err *err);

/* ---------------------------------------------------------------- move.c */

/* What is asked for beside moving. */
struct qf_salvage_how {
	enum qf_salvage_expired expired;
	bool hold, due;
	char unhold[QF_RUN_MAX];
};
struct qf_salvage_how qf_salvage_how_of(const struct qf_salvage_options *options);
/* As words for run.json, and back. */
void qf_salvage_how_write(const struct qf_salvage_how *how, char *text, size_t size);
void qf_salvage_how_read(const char *text, struct qf_salvage_how *how);
/* Is it held for being past its return time, by the run whose holds are to end? */
bool qf_salvage_lets_go(const struct qf_salvage_how *how, const struct qf_msg *msg);

/* A message to be moved: planned, or found claimed. */
struct qf_move {
	const struct qf_salvage_item *item; /* NULL: found */
	size_t dir;                         /* found: directory, folder and name of the claim */
	char folder[QF_CLAIM_FOLDER_MAX];
	char name[QF_NAME_MAX];
	struct qf_salvage_how how;
};
/*
 * qf_move_batch - move these messages, QF_TAKEN_MAX at most; each is told of. Several batches may be
 * moved at once, each in a lane of its own, with its own crew.
 * marks    of claims found; of copies made before.
 * Returns  QF_OK, whatever became of each; *stuck is set when there is no use in going on: the
 *          target takes no more. A code where the manifest can no longer be written.
 */
enum qf_code qf_move_batch(struct qf_salvage *salvage, struct qf_crew *crew, unsigned lane,
			   const struct qf_move *moves, size_t n, const struct qf_marks *marks,
			   bool *stuck, struct qf_err *err);

/* ---------------------------------------------------------------- salvage_run.c */

/* Is the run whose claims lie in this folder (RUN.N) one to this target? Its manifest tells, where
   run.json does not: also how its messages are to be moved; held, where that is not said. */
bool qf_salvage_is_run_here(struct qf_salvage *salvage, const char *folder,
			    struct qf_salvage_how *how);

/* ---------------------------------------------------------------- salvage_staged.c */

/* Name the copies that are staged at the target and have arrived in no other way since. */
enum qf_code qf_salvage_tell_staged(struct qf_salvage *salvage, struct qf_err *err);

/* ---------------------------------------------------------------- salvage_lanes.c */

/* What has come of the batches so far. */
struct qf_lane_state {
	bool stuck;
	enum qf_code code;
};

struct qf_lane_work {
	/* The next batch, of most messages at most; 0: there is nothing left to do. For one lane at a
	   time. */
	size_t (*next)(void *ctx, struct qf_move *moves, size_t most,
		       const struct qf_lane_state *state);
	void *ctx;
	const struct qf_marks *marks;
	uint64_t of; /* messages, for the progress that is told */
};

/* Move all there is. Returns the first code of a batch. */
enum qf_code qf_salvage_lanes(struct qf_salvage *salvage, const struct qf_lane_work *work,
			      struct qf_err *err);

#endif
