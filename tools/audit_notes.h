/*
 * audit_notes - what is noted of a log while it is read, for audit_cover to judge it by.
 */
#ifndef QF_TOOLS_AUDIT_NOTES_H
#define QF_TOOLS_AUDIT_NOTES_H

#include "audit.h"

/* Daemons that are started one after the other, and say nothing before the next: one start. */
#define AUDIT_AT_ONCE 5

/* In what a stretch saw, besides QF_LOG_SAW_*: its daemon says that it stops, and none started. */
#define AUDIT_SAW_STOPPED (1U << 16)
/* That of the stretch before did not say that it stops, but would have. */
#define AUDIT_SAW_BESIDE (1U << 17)

/* So many messages of the host itself are known at a time. */
#define AUDIT_OWN 1024

/* What a host wrote from one start of a daemon to the next. */
struct audit_stretch {
	struct qf_buf host;
	bool starts; /* with a line that says so */
	int64_t first, last;
	unsigned saw;
	long pid;   /* of the daemon that started; 0: not known */
	long other; /* of the one before, if that may still be there; 0: not known */
	bool gone;  /* the daemon says that it stops, or starts anew */

	bool changed; /* not as it is stored */
};

struct audit_notes {
	struct audit_stretch *all;
	size_t n, room;
	size_t *open, nopen; /* the last one of each host, by its place */
	int64_t previous;    /* time of the event before */
	uint64_t lost, garbled, strange;
	/* Messages that came from a user of the host itself: hashes of ids, a place each. */
	uint64_t own[AUDIT_OWN];
	/* What was lost between two events. */
	struct audit_loss {
		int64_t since, until;
		const char *why;
	} * losses;
	size_t nlosses, losses_room;
	bool failed; /* memory is out */
};

/* What is known of a file that was read before. last: time of its last event. */
enum qf_code audit_notes_begin(struct audit_notes *notes, struct store *store, int64_t file,
			       int64_t last, struct qf_err *err);
void audit_notes_event(struct audit_notes *notes, const struct qf_log_event *event,
		       const struct qf_log_stats *stats);
/* At the end, which was read now. */
void audit_notes_end(struct audit_notes *notes, const struct qf_log_stats *stats, int64_t now);
enum qf_code audit_notes_store(struct audit_notes *notes, struct store *store, int64_t file,
			       struct qf_err *err);
/* That the file ends too early, or does no longer. */
enum qf_code audit_notes_damage(struct store *store, int64_t file, const char *why,
				struct qf_err *err);
/* What lies directly before a file, by its name. */
enum qf_code audit_notes_link(struct store *store, int64_t file, const char *path,
			      struct qf_err *err);
/*
 * Does a delivery of a host hand a message over to the daemon of that same host, as the queue of
 * submissions does? *id is the one that the daemon gave it.
 */
bool audit_notes_handed_over(struct qf_slice host, struct qf_slice relay, struct qf_slice stat,
			     struct qf_slice *id);
void audit_notes_clear(struct audit_notes *notes);

#endif
