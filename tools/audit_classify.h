/*
 * audit_classify - what to do with each message of a restored queue, and why: the classes of
 * "Classes of a restored queue", the first that applies.
 */
#ifndef QF_TOOLS_AUDIT_CLASSIFY_H
#define QF_TOOLS_AUDIT_CLASSIFY_H

#include "audit_cover.h"
#include "audit_fate.h"
#include "audit_recall.h"
#include "audit_recipients.h"

/* In the order in which they are tried, and told. X(identifier, word users see) */
#define AUDIT_CLASSES(X)                                                                           \
	X(DAMAGED, "damaged")                                                                      \
	X(TORN, "torn")                                                                            \
	X(STILL_LIVE, "still-live")                                                                \
	X(DELIVERED, "delivered")                                                                  \
	X(RETURNED, "returned")                                                                    \
	X(PARTLY, "partly-delivered")                                                              \
	X(QUARANTINED, "quarantined")                                                              \
	X(EXPIRED, "expired")                                                                      \
	X(UNDECIDED, "undecided")                                                                  \
	X(WILL_WARN, "will-warn")                                                                  \
	X(SAFE, "safe")

enum audit_class {
#define X(id, word) AUDIT_IS_##id,
	AUDIT_CLASSES(X)
#undef X
		AUDIT_CLASS_COUNT
};
const char *audit_class_name(enum audit_class class);

enum audit_action {
	AUDIT_LEAVE,
	AUDIT_HOLD,
	AUDIT_REMOVE,
	AUDIT_DROP,	 /* strike the recipients that are not open */
	AUDIT_DROP_HOLD, /* and hold what is left, of which nothing is proven */
	AUDIT_ACTION_COUNT
};
const char *audit_action_name(enum audit_action action);

enum audit_state { AUDIT_OPEN, AUDIT_DELIVERED, AUDIT_RETURNED };
const char *audit_state_name(enum audit_state state);

/* One recipient; text and evidence (objects of JSON) are ranges of the case's buffers. */
struct audit_standing {
	enum audit_state state;
	bool live; /* of the live copy, too */
	size_t evidence, nevidence, text, ntext;
};

/* A message, classified. Slices live until the next one. */
struct audit_case {
	struct qf_slice id, queue, file, sender, subject, message_id, logged_id;
	int64_t message, content, created, return_at, warn_at, data_size;
	bool expired;
	bool made_due; /* by hand: when it was tried is not known any more */
	bool staged; /* a tf lies beside it that may be newer, and tell who was served */
	enum audit_class class;
	enum audit_action action;
	struct audit_recipients recipients; /* in the order of the file */
	struct audit_standing *standing;
	size_t room;
	struct qf_buf evidence; /* JSON */
	struct qf_buf text;
	size_t own, nown;  /* evidence about the message as a whole */
	char why[512];	   /* in words */
	char doubt[192];   /* what speaks against SAFE, and proves nothing */
	char missing[512]; /* of UNDECIDED, and of a partly delivered one that is held */
};

/* Zero-initialise, set what stands first. */
struct audit_classifier {
	struct store *store;
	struct source *source;
	struct store_snapshot snapshot, against; /* against.id 0: none */
	/* For audit_classify() alone. */
	struct audit_journal journal;
	struct audit_cover cover;
	bool has_mail; /* of mailboxes */
	bool has_staged; /* files tf, in the snapshot */
	int64_t until; /* up to when evidence is asked for */
	int64_t copied; /* the restored queue was copied then or later: the last that its messages say */
	struct audit_fate fate, other;
	struct audit_recipients live;
	struct audit_recall recall;
	struct qf_buf scratch;
	struct store_statement *messages;
};

/* Begin; then one message after another, *more false at the end. */
enum qf_code audit_classify_begin(struct audit_classifier *classifier, struct qf_err *err);
enum qf_code audit_classify(struct audit_classifier *classifier, struct audit_case *out, bool *more,
			    struct qf_err *err);
void audit_classify_end(struct audit_classifier *classifier);
void audit_case_release(struct audit_case *out);

#endif
