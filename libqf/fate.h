/*
 * fate - what mail logs say of messages, by their ids.
 */
#ifndef QF_LIBQF_FATE_H
#define QF_LIBQF_FATE_H

#include "arena.h"
#include "qf.h"

/* What a log says of one id; everything lives in the arena. */
struct qf_logged {
	bool accepted; /* there is a from= line */
	struct qf_slice sender;
	int64_t nrcpts; /* -1: not said */
	struct qf_logged_rcpt {
		struct qf_slice address;
		bool closed; /* delivered, returned, discarded: nothing is owed any more */
		int64_t time;
	} * rcpts;
	size_t nrcpt, rcpts_cap;
	bool ended;    /* done, discarded, or never accepted */
	bool expired;  /* all that were left were returned */
	bool branched; /* recipients went to other ids, or came from aliases */
	struct qf_evidence *evidence;
	size_t nevidence, evidence_cap;
};
/* Is nobody owed anything: by the log alone, or (msg not NULL) of the recipients of a message. */
bool qf_logged_is_finished(const struct qf_logged *fate, const struct qf_msg *msg);
/* Are sender and all recipients known, and is one still owed? */
bool qf_logged_has_envelope(const struct qf_logged *fate);

/* Whose fates are wanted, and where they go. */
struct qf_fates {
	struct qf_arena *arena;
	struct qf_logged *
		*fates; /* one for each message that is wanted, NULL at first; the caller's */
	/* The place of an id among them; SIZE_MAX for others. */
	size_t (*place)(void *ctx, struct qf_slice id);
	void *ctx;
	unsigned max_ops;
	const volatile int *cancel;
	struct qf_orphans_log *log; /* what the logs were like */
};
/* Read all of the logs. As qf_log_open(); QF_E_NOMEM, QF_E_INTERRUPTED. */
enum qf_code qf_fates_read(struct qf_fates *fates, const char *const *logs, size_t n,
			   struct qf_err *err);

#endif
