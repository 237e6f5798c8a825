/*
 * move_parts - what the files move*.c share:
 *	move.c           the order of the steps; stages, marks, names
 *	move_begin.c     a message taken up: claimed, found claimed, or read for a copy
 *	move_leave.c     what becomes of the source: emptied, or put back as it was
 */
#ifndef QF_LIBQF_MOVE_PARTS_H
#define QF_LIBQF_MOVE_PARTS_H

#include "salvage.h"

/* How far a message has come. */
enum qf_move_step {
	STEP_NEW,
	STEP_CLAIMED, /* or, of a copy, read */
	STEP_STAGED,
	STEP_MARKED,
	STEP_DATA,    /* the data file has its name */
	STEP_NAMED,   /* the control file too; not yet known to be on disk */
	STEP_THERE,
	STEP_CLEARED, /* its data file at the source is gone */
	STEP_DONE,
	STEP_UNDO,    /* claimed, and to be put back */
	STEP_VOID,    /* marked, and the name is taken */
	STEP_ENDED,   /* there is an outcome */
};

struct qf_move_slot {
	const struct qf_move *move;
	enum qf_move_step step;
	struct qf_claim claim;
	struct qf_arrival arrival;
	struct qf_buf control;  /* as it will be at the target */
	int data;               /* its data file at the source, open; -1: not yet */
	unsigned number;        /* of the mark */
	bool expired;
	int64_t bounce_at;
	const char *as;
	char message[33];       /* as it is known in the ledger: its origin at the source */
	/* The outcome. */
	enum qf_salvage_outcome outcome;
	enum qf_salvage_why why;
	char detail[512];
	struct qf_err err;
};

struct qf_move_batch {
	struct qf_salvage *salvage;
	struct qf_crew *crew;
	unsigned lane;
	const struct qf_marks *marks;
	struct qf_move_slot *slots;
	size_t n;
	enum qf_move_step only;                 /* the step in hand */
	void (*work)(struct qf_move_batch *batch, struct qf_move_slot *slot);
};

#define QF_MOVE_STILL_CLAIMED "still claimed: qf salvage resume finishes it"

/* One for each, nothing done yet; the caller's to free. NULL when memory is out. */
struct qf_move_slot *qf_move_slots(const struct qf_move *moves, size_t n);
/* There is an outcome: in words, or as the failure in slot->err says, with more words or NULL. */
void qf_move_end(struct qf_move_slot *slot, enum qf_salvage_outcome outcome,
		 enum qf_salvage_why why, const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
void qf_move_fail(struct qf_move_slot *slot, enum qf_code code, const char *where);

/* Was it, by another claim, brought to the target before? Then there is an outcome; the slot's sum of its
   body is known. */
bool qf_move_is_known(struct qf_move_batch *batch, struct qf_move_slot *slot);
void qf_move_close_data(struct qf_move_batch *batch, struct qf_move_slot *slot);

/* By several hands, for each slot at that step. */
void qf_move_each(struct qf_move_batch *batch, enum qf_move_step only,
		  void (*work)(struct qf_move_batch *batch, struct qf_move_slot *slot));
size_t qf_move_claims_at(struct qf_move_batch *batch, enum qf_move_step step,
			 struct qf_claim *some[QF_TAKEN_MAX]);
/* A sync that all at that step share has failed: then they are at another step, or have ended. */
void qf_move_fail_all(struct qf_move_batch *batch, enum qf_move_step step, const struct qf_err *err,
		      enum qf_code code, enum qf_move_step then, const char *where);
void qf_move_fill_mark(struct qf_move_batch *batch, const struct qf_move_slot *slot, struct qf_mark *mark);
/* Into the manifest's lines. */
void qf_move_put_mark(struct qf_move_batch *batch, struct qf_move_slot *slot, bool voided);

/* ---------------------------------------------------------------- move_begin.c */

/* Each for a slot at STEP_NEW; several at once. */
void qf_move_claim(struct qf_move_batch *batch, struct qf_move_slot *slot);
void qf_move_adopt(struct qf_move_batch *batch, struct qf_move_slot *slot);
void qf_move_read_copy(struct qf_move_batch *batch, struct qf_move_slot *slot);
/* A claim found gets the id it will have at the target. */
void qf_move_settle_id(struct qf_move_batch *batch, struct qf_move_slot *slot);

/* ---------------------------------------------------------------- move_leave.c */

/* Steps 9 and 10, of those at STEP_THERE. */
void qf_move_clear_source(struct qf_move_batch *batch);
/* Marks of those at STEP_VOID are made void; then they are to be undone. */
enum qf_code qf_move_make_void(struct qf_move_batch *batch, struct qf_err *err);
/* Put the claim back. What is staged was removed, or a mark says that it is void. */
void qf_move_undo(struct qf_move_batch *batch, struct qf_move_slot *slot);

#endif
