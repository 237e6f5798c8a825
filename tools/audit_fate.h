/*
 * audit_fate - what is known to have become of one message, recipient by recipient: from the mail
 * log, from the journal of qf, from mailboxes. Nothing is concluded from silence.
 */
#ifndef QF_TOOLS_AUDIT_FATE_H
#define QF_TOOLS_AUDIT_FATE_H

#include "audit.h"
#include "audit_journal.h"
#include "audit_recipients.h"

/* Seconds that the clocks of two hosts, or of a host and its log, may differ by. */
#define AUDIT_SLACK 60

/* What one line, entry or file says. */
enum audit_says {
	AUDIT_SAYS_OTHER,
	AUDIT_SAYS_ACCEPTED,
	AUDIT_SAYS_REFUSED, /* the whole message: it was never accepted */
	AUDIT_SAYS_SENT,    /* of recipients, as the four below */
	AUDIT_SAYS_DEFERRED,
	AUDIT_SAYS_FAILED,
	AUDIT_SAYS_DISCARDED, /* without recipients: the whole message */
	AUDIT_SAYS_UNCLEAR,   /* as REFUSED and DISCARDED: without recipients, of anybody */
	AUDIT_SAYS_REPORT,    /* of failed recipients, to the sender */
	AUDIT_SAYS_EXPIRED,   /* all that were left were returned */
	AUDIT_SAYS_PARTED,    /* recipients went on under other ids */
	AUDIT_SAYS_DONE,      /* it left the queue: all that were left were served */
	AUDIT_SAYS_BOUNCED,   /* the same, by qf bounce */
	AUDIT_SAYS_REMOVED,   /* by qf rm */
	AUDIT_SAYS_EDITED,    /* by qf edit; whom it struck is not known */
	AUDIT_SAYS_STRUCK,    /* by qf edit: those it names, and nobody else */
	AUDIT_SAYS_ADDED,     /* by qf edit, in the place of another one */
};

/* Text in the fate's own memory, which moves while it is loaded: audit_fate_text(). */
struct audit_text {
	size_t at, n;
	bool there;
};

struct audit_fact {
	enum audit_says says;
	const char *kind; /* of evidence: "log", "mailstore", "journal" */
	int64_t time, pid;
	int64_t nrcpts; /* of ACCEPTED; -1 */
	int64_t size;	/* of ACCEPTED; -1 */
	int64_t mail_class; /* of ACCEPTED, by its Precedence; 0 */
	int64_t priority;   /* of a delivery; -1 */
	int64_t waited;	    /* of a delivery: seconds from its acceptance to this try; -1 */
	size_t member;	/* of ids: whose line it is */
	bool smtp;	/* ACCEPTED: from a client that speaks SMTP */
	bool names;	/* recipients: it is about these alone */
	struct audit_text host, where, text, sender, message_id;
	struct audit_text controller; /* the alias it was sent as, or nobody */
};

/* A recipient that a fact names, as addresses are compared. */
struct audit_named {
	struct audit_text bare;
	struct audit_text written; /* as the log has it */
	size_t fact;
	bool stranger; /* was not there when the message was seen: audit_fate_known() */
};

/* Zero-initialise; used for one message after another. */
struct audit_fate {
	struct qf_buf text;
	struct audit_fact *facts; /* by time */
	size_t nfacts, room_facts;
	struct audit_named *named; /* by address, then by time */
	size_t nnamed, room_named;
	struct audit_text *ids; /* the message first, then those it was split or cloned into */
	size_t nids, room_ids;
	bool nobody;	/* sender is <>: nobody is told of what fails, and it may go without a line
			   that says so */
	bool known;	/* who was there is: audit_fate_known() */
	bool split;	/* into parts, each of which counts its own recipients; a clone counts all */
	bool ambiguous; /* two messages had this id: nothing can be told apart */
	int64_t since;	/* the caller's: as of then it was in the queue: what ended before, by the
			   journal or the log, ended in vain; 0: all of it counts */
	int64_t written; /* the caller's: by then nobody was left but its recipients; far ahead: never
			    known; 0: nothing like that */
	int64_t born;	/* the caller's: what was sent before was another message; 0: not known */
	struct qf_slice
		queue;	/* the caller's: of journals that are own, whose answers; absent: all */
	unsigned level; /* qf_log_level.low, the caller's: what the silence of the logs proves */
	bool outlived;	/* the caller's: it was there, whole, after all this: who was not there any
			   more had been dealt with */
	int64_t factor; /* RecipientFactor, the caller's; 0: priorities tell nothing */
	int64_t class_factor; /* ClassFactor, the caller's */
};

/* Load what is known of an id. journal may be NULL. */
enum qf_code audit_fate_load(struct audit_fate *fate, struct store *store,
			     const struct audit_journal *journal, struct qf_slice id,
			     struct qf_err *err);
/*
 * audit_fate_of - after audit_fate_load(), whose lines these ought to be: where the log accepted
 * another message under this id (of another sender, or another Message-ID), the fate is ambiguous.
 * Either may be absent: then it tells nothing. The Message-ID is the one that logs have.
 */
void audit_fate_of(struct audit_fate *fate, struct qf_slice sender, struct qf_slice message_id);
/*
 * audit_fate_alias - may this recipient have been served under other names? The log says of nobody
 * by this name what became of it, and that the message was sent to, or refused for, somebody who is none of its
 * recipients, as this one (ctladdr=), or as nobody knows whom: as where an alias is looked up when
 * it is delivered (DeliveryMode=defer).
 */
bool audit_fate_alias(const struct audit_fate *fate, const struct audit_recipients *list,
		      struct qf_slice bare);
/* After all else is loaded: whom the file of the message named when it was seen (since), and who was
   put there by hand. Who comes after that is there in the place of one of them. */
void audit_fate_known(struct audit_fate *fate, const struct audit_recipients *list);
/* One address? Local parts alone are compared where one has no domain. */
bool audit_is_same(struct qf_slice a, struct qf_slice b);
/* Was a fact sent as this address? */
bool audit_fate_is_as(const struct audit_fate *fate, const struct audit_fact *fact,
		      struct qf_slice bare);
/* Do lines say, of each id it went on under, that it has left the queue, and that all were served?
   What nobody is told of was served or thrown away, and the same line says both. */
bool audit_fate_is_done(const struct audit_fate *fate, size_t *proof);
/*
 * A recipient of the log by its own name, and not as the member of an alias: those were not there
 * before, have a ctladdr= that is another, or stand as the alias has them, without the <> that
 * clients put around who they send to.
 */
bool audit_fate_is_own(const struct audit_fate *fate, size_t named);
/*
 * audit_fate_expanded - for how many the message was after its aliases had been looked up, as the
 * priority of its first try tells, where that was when it was accepted (DeliveryMode=background).
 * False where nothing tells.
 */
bool audit_fate_expanded(const struct audit_fate *fate, size_t *n);
/*
 * audit_fate_rest - of a message that was accepted for nrcpts (-1: not known): of how many of those
 * neither the log nor list says who they are, or whether all members of an alias were served.
 * list  who the log names, and who is in the queue.
 * left  it is in the queue: who is left stands there.
 * why   in words; empty where there are none.
 */
size_t audit_fate_rest(const struct audit_fate *fate, const struct audit_recipients *list,
		       int64_t nrcpts, bool left, char why[256]);
/*
 * audit_fate_mailboxes - what mailboxes say, after audit_fate_load().
 * content     of the message; 0: it is known from the log only.
 * message_id  its Message-ID, or absent.
 * list        its recipients.
 */
enum qf_code audit_fate_mailboxes(struct audit_fate *fate, struct store *store, int64_t content,
				  struct qf_slice id, struct qf_slice message_id,
				  const struct audit_recipients *list, struct qf_err *err);
/* Is there any mail in the database? */
enum qf_code audit_has_mail(struct store *store, bool *yes, struct qf_err *err);
/* One more fact: that it was delivered to a recipient. Then sort. */
enum qf_code audit_fate_add(struct audit_fate *fate, const char *kind, struct qf_slice where,
			    int64_t when, struct qf_slice text, struct qf_slice bare,
			    struct qf_err *err);
void audit_fate_sort(struct audit_fate *fate);
void audit_fate_release(struct audit_fate *fate);
struct qf_slice audit_fate_text(const struct audit_fate *fate, struct audit_text text);

enum audit_end {
	AUDIT_END_UNKNOWN,
	AUDIT_END_DELIVERED,
	AUDIT_END_RETURNED,
	AUDIT_END_REMOVED,
};

/* What became of one recipient. */
struct audit_verdict {
	enum audit_end end;
	size_t sent;	 /* how often, by lines of the log */
	size_t proof[4]; /* facts that show it, nproof of them; of UNKNOWN the last that was said */
	size_t nproof;
	char why[256]; /* of UNKNOWN: what is missing */
};

/*
 * audit_fate_judge - what became of a recipient that was open when the message was seen.
 * rcpt     NULL: one whom nobody names.
 * alone    the message had no other recipient.
 */
void audit_fate_judge(const struct audit_fate *fate, const struct audit_recipient *rcpt, bool alone,
		      struct audit_verdict *out);
/*
 * audit_fate_ended - does a line say that the message came to an end, or was reported as failed,
 * since a time, without a line that says for which recipients? why: what is not known, in words.
 */
bool audit_fate_ended(const struct audit_fate *fate, int64_t since, char why[256]);
/* The facts that name a recipient, by time: named[*first] and so on; how many. */
size_t audit_fate_named(const struct audit_fate *fate, struct qf_slice bare, size_t *first);

/* How often the message was tried again sooner than so many seconds after the try before. */
size_t audit_fate_too_close(const struct audit_fate *fate, int64_t seconds);

/* Facts as the field evidence: elements of an array. */
void audit_fate_evidence(const struct audit_fate *fate, const size_t *facts, size_t n,
			 struct qf_json *json);

int audit_compare(struct qf_slice a, struct qf_slice b);

#endif
