/*
 * qf.h - read, judge and change sendmail mail queues.
 *
 * This is the whole public interface of libqf, usable from C and C++.
 *
 * Order of use
 *	1. qf_cf_read() (optional)  what sendmail.cf says: directories, ages, time-outs
 *	2. qf_queue_open()          from paths or from the configuration to open directories
 *	3. qf_scan_new() .. qf_scan_next() .. qf_scan_free()   every message, or
 *	   qf_queue_find()          the messages of one id
 *	4. qf_msg_*()               what one message says; qf_outlook_of(): what sendmail will do
 *	Control files outside any queue are parsed with qf_msg_parse() or qf_msg_read().
 *
 * Rules that hold everywhere
 *	Nothing here prints, exits, changes global state or takes a lock. Different objects may
 *	be used in different threads; one object belongs to one thread at a time.
 *	Every call that can fail returns an enum qf_code and describes the failure in *err. err
 *	is untouched on success and may be NULL.
 *	A damaged control file is not an error: it is parsed as far as it goes, and what is
 *	wrong with it is in its diagnostics.
 *	Slices point into memory of the object they came from and live exactly as long.
 *	Text of messages is bytes as stored, from strangers: nothing in it may reach a terminal
 *	but through qf_escape_*() or a renderer.
 *	Times are seconds since the epoch; QF_TIME_NONE stands for "none" or "not known".
 */
#ifndef QF_H
#define QF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QF_VERSION "0.1.0"

/* ---------------------------------------------------------------- bytes */

/* Bytes that belong to someone else. p is NULL for "absent", which is not the same as empty. */
struct qf_slice {
	const char *p;
	size_t n;
};

/*
 * A growing byte buffer, the caller's own. Zero-initialise it; qf_buf_release() frees it.
 * When memory runs out, failed is set, and what is added from then on is dropped.
 */
struct qf_buf {
	char *p;
	size_t n;
	size_t cap;
	bool failed;
};

void qf_buf_add(struct qf_buf *buf, const void *bytes, size_t n);
void qf_buf_adds(struct qf_buf *buf, const char *text);
void qf_buf_addc(struct qf_buf *buf, char c);
void qf_buf_addf(struct qf_buf *buf, const char *format, ...)
#ifdef __GNUC__
	__attribute__((format(printf, 2, 3)))
#endif
	;
void qf_buf_clear(struct qf_buf *buf);
void qf_buf_release(struct qf_buf *buf);

/* ---------------------------------------------------------------- errors */

/* The outcomes a caller may have to tell apart. X(name, one word for logs) */
#define QF_CODES(X) \
	X(OK, "ok") \
	X(E_BUSY, "busy")               /* locked by someone: normal on a live queue */ \
	X(E_GONE, "gone")               /* it was there and is no more: normal too */ \
	X(E_CHANGED, "changed")         /* not the file that was looked at before */ \
	X(E_DENIED, "denied")           /* permission */ \
	X(E_NOT_FOUND, "not-found")     /* no such queue, id, file */ \
	X(E_AMBIGUOUS, "ambiguous")     /* several queues hold it, or another one was meant */ \
	X(E_LIMIT, "limit")             /* larger than the stated limit */ \
	X(E_NOMEM, "no-memory") \
	X(E_SYS, "system")              /* a system call failed; err->sys is its errno */ \
	X(E_USAGE, "usage")             /* the caller's words are wrong: err->column points there */ \
	X(E_DATA, "data")               /* a file is not what it should be */ \
	X(E_CONFIG, "config")           /* the configuration cannot be used */ \
	X(E_INTERRUPTED, "interrupted") \
	X(E_UNAVAILABLE, "unavailable") /* built without, or a program is missing */

enum qf_code {
#define X(name, word) QF_##name,
	QF_CODES(X)
#undef X
};

/* A failure in words: "what: why", and what to do where that is known. */
struct qf_err {
	enum qf_code code;
	int sys;            /* errno, or 0 */
	unsigned line;      /* 1-based, or 0 */
	unsigned column;    /* 1-based, in bytes, or 0 */
	char what[512];     /* the thing it happened to: a path, an id, an option */
	char why[512];
	char hint[256];     /* what to do about it, or empty */
};

const char *qf_code_name(enum qf_code code);

/* ---------------------------------------------------------------- times */

#define QF_TIME_NONE INT64_MIN

/* Room for any text of qf_time_format(): the longest is "-292277022657-01-27T08:29:53Z". */
#define QF_TIME_TEXT 32

/* Seconds from one time to a later one; negative for an earlier one. Saturates: times come from
   strangers. */
int64_t qf_time_between(int64_t from, int64_t to);
/* RFC 3339 in UTC, e.g. 2026-11-20T10:15:00Z, into text. Returns its length. */
size_t qf_time_format(int64_t when, char text[QF_TIME_TEXT]);
/* "@epoch", RFC 3339, or a date alone (its first second in UTC). False where it is none. */
bool qf_time_parse(struct qf_slice text, int64_t *when);
/* A span: digits and a unit s m h d w, or several of them ("1d12h"); no unit: seconds. */
bool qf_span_parse(struct qf_slice text, int64_t *seconds);
/* A size: digits and k M G T (powers of 1024), or bytes. */
bool qf_size_parse(struct qf_slice text, int64_t *bytes);
/* A short age for people: 42s, 17m, 5h, 3d12h. Returns its length. */
size_t qf_age_format(int64_t seconds, char text[QF_TIME_TEXT]);

/* ---------------------------------------------------------------- queue ids and file names */

/* The shapes of a queue id, by the sendmail that made it. */
enum qf_id_form {
	QF_ID_OPAQUE,   /* of no known shape; sendmail runs such files all the same */
	QF_ID_V86,      /* 8.6 to 8.9: hour letter, two characters, pid */
	QF_ID_V810,     /* 8.10, 8.11: date and time, one sequence character, pid */
	QF_ID_V812,     /* 8.12 on: date and time, two sequence characters, pid */
};

struct qf_id {
	enum qf_id_form form;
	int64_t time;      /* when the process that made it fetched its clock (UTC), or QF_TIME_NONE */
	int hour;          /* QF_ID_V86: local hour 0..23; else -1 */
	long pid;          /* -1 where the form does not hold it */
	int sequence;      /* -1 where the form does not hold it */
};

/* Longest file name sendmail takes for a message is one less (sendmail: MAXQFNAME). */
#define QF_NAME_MAX 21

/*
 * qf_id_decode - what an id says about its making.
 * near     a time the id cannot be far from (its T line), to choose among the 60-year cycles
 *          that the year character leaves open; QF_TIME_NONE: now is used.
 * Returns  false and QF_ID_OPAQUE where the id has none of the three shapes.
 * Origin   sendmail/queue.c assign_queueid(); the id's time is the process's, not the message's.
 */
bool qf_id_decode(struct qf_slice id, int64_t near, struct qf_id *out);

/* What a file is by the first two characters of its name. */
enum qf_kind {
	QF_KIND_OTHER,
	QF_KIND_QUEUED,       /* qf */
	QF_KIND_HELD,         /* hf */
	QF_KIND_LOST,         /* Qf */
	QF_KIND_STAGED,       /* tf */
	QF_KIND_STAGED_ASIDE, /* Tf */
	QF_KIND_DATA,         /* df */
	QF_KIND_TRANSCRIPT,   /* xf */
};

enum qf_kind qf_name_kind(const char *name, size_t n);
/* "qf", "hf", ...; "" for QF_KIND_OTHER. */
const char *qf_kind_prefix(enum qf_kind kind);
/* True for the three kinds sendmail reads as messages: qf, hf, Qf. */
bool qf_kind_is_control(enum qf_kind kind);

/* ---------------------------------------------------------------- making bytes safe to show */

/* All of these append to out. */

/* For a terminal: printable UTF-8 as it is; control characters, escape sequences, bidirectional
   controls and invalid bytes as visible \xNN or \u{N}; line ends as \n. utf8 false: ASCII only. */
void qf_escape_terminal(struct qf_buf *out, struct qf_slice text, bool utf8);
/* A JSON string with its quotes. Returns false when bytes had to be replaced by U+FFFD. */
bool qf_escape_json(struct qf_buf *out, struct qf_slice text);
/* An RFC 4180 field, quoted where it must be. */
void qf_escape_csv(struct qf_buf *out, struct qf_slice text);
void qf_base64(struct qf_buf *out, struct qf_slice bytes);
bool qf_utf8_valid(struct qf_slice text);
/* Columns that text of qf_escape_terminal() takes on a terminal. */
size_t qf_text_width(struct qf_slice text);
/* Appends text cut to at most width columns, with an ellipsis where cut. Returns columns used. */
size_t qf_text_fit(struct qf_buf *out, struct qf_slice text, size_t width, bool utf8);

/* ---------------------------------------------------------------- findings */

/* What sendmail does with a message that has a finding. */
enum qf_fate {
	QF_FATE_IGNORED,       /* nothing: delivered all the same */
	QF_FATE_EMPTY_MESSAGE, /* delivered without its body */
	QF_FATE_SKIPPED,       /* left where it is, at every run, for ever */
	QF_FATE_REMOVED,       /* control and data file deleted */
	QF_FATE_LOST,          /* renamed to Qf */
	QF_FATE_ABORTS,        /* the queue runner ends here; what sorts behind is not tried */
};
const char *qf_fate_name(enum qf_fate fate);

/*
 * Everything that can be wrong with a control file.
 * X(identifier, stable code, what sendmail does, text, what to do)
 */
#define QF_FINDINGS(X) \
	X(EMPTY, "empty", REMOVED, "control file of 0 bytes", \
	  "save its data file before the next queue run: a hard link outside the queue keeps it") \
	X(NO_TERMINATOR, "no-terminator", SKIPPED, "no end line: never tried, never returned", \
	  "see qf orphans --deep") \
	X(DATA_AFTER_END, "data-after-end", LOST, "lines after the end line", "") \
	X(UNKNOWN_LINE, "unknown-line", LOST, "no such record letter", "") \
	X(EMPTY_LINE, "empty-line", LOST, "empty line", "") \
	X(FROM_LINE, "from-line", LOST, "line starts with \"From \"", "") \
	X(BAD_VERSION, "bad-version", LOST, "format version is newer than sendmail reads", "") \
	X(BAD_BODY_TYPE, "bad-body-type", LOST, "body type is neither 7BIT nor 8BITMIME", "") \
	X(BAD_AUTH, "bad-auth", LOST, "AUTH parameter is no xtext", "") \
	X(UNKNOWN_DIRECTORY, "unknown-directory", LOST, "data directory is none of this queue's", \
	  "give all directories of the queue, or its sendmail.cf with -C") \
	X(UNSAFE_MODE, "unsafe-mode", LOST, "writable by group or others", \
	  "qf doctor --fix=perms") \
	X(UNSAFE_OWNER, "unsafe-owner", IGNORED, \
	  "not owned by root: deliveries to programs and files are refused", "qf doctor --fix=perms") \
	X(NO_SENDER, "no-sender", ABORTS, "no sender line: the queue runner aborts on it", \
	  "rename it to Qf before the next queue run, and repair it: see qf orphans --deep") \
	X(NO_RECIPIENT, "no-recipient", REMOVED, "no recipient is left", "") \
	X(NO_DATA, "no-data", EMPTY_MESSAGE, "no data file: goes out without its body", \
	  "qf hold it before the next queue run, and look for its body: see qf orphans") \
	X(NO_CREATION_TIME, "no-creation-time", IGNORED, "no creation time", "") \
	X(EARLY_QUARANTINE, "early-quarantine", SKIPPED, \
	  "quarantine line before T and P: no queue run takes it", "") \
	X(BAD_RECIPIENT, "bad-recipient", IGNORED, "recipient line cannot be read: dropped", "") \
	X(BAD_MACRO, "bad-macro", IGNORED, "macro line cannot be read: dropped", "") \
	X(BAD_HEADER, "bad-header", IGNORED, "header line cannot be read: dropped", "") \
	X(BAD_NUMBER, "bad-number", IGNORED, "not a number: sendmail reads what digits lead it", "") \
	X(NUL_BYTE, "nul-byte", IGNORED, "NUL byte: the rest of the line is not read", "") \
	X(NOT_REGULAR, "not-regular", IGNORED, "not a regular file", "") \
	X(UNREADABLE, "unreadable", SKIPPED, "cannot be read", "") \
	X(TOO_LARGE, "too-large", IGNORED, "larger than is read here; the rest was not looked at", "") \
	X(MORE_FINDINGS, "more-findings", IGNORED, "more is wrong with it than is listed", "")

enum qf_finding {
#define X(id, code, fate, text, remedy) QF_F_##id,
	QF_FINDINGS(X)
#undef X
	QF_F_COUNT
};

struct qf_finding_type {
	const char *code;     /* stable name users see */
	enum qf_fate fate;    /* usual consequence; a diagnostic may carry a milder one */
	const char *text;
	const char *remedy;   /* or "" */
};
const struct qf_finding_type *qf_finding_type(enum qf_finding finding);

struct qf_diagnostic {
	enum qf_finding finding;
	enum qf_fate fate;
	unsigned line;          /* first physical line of the record; 0: the file as a whole */
	unsigned column;        /* 1-based byte in it; 0 with line 0 */
	struct qf_slice detail; /* more words, or absent */
};

/* ---------------------------------------------------------------- the records of a control file */

/* How the value of a record is to be understood. */
enum qf_value_type {
	QF_VALUE_NONE, QF_VALUE_NUMBER, QF_VALUE_TIME, QF_VALUE_TEXT, QF_VALUE_ADDRESS,
	QF_VALUE_FLAGS, QF_VALUE_MACRO, QF_VALUE_RECIPIENT, QF_VALUE_HEADER, QF_VALUE_CONTROLLER,
	QF_VALUE_DELIVER_BY,
};

/* One row of the table of record letters. */
struct qf_record_type {
	char letter;
	const char *name;
	enum qf_value_type value;
	bool repeats;
	const char *since;     /* the sendmail that introduced it */
	const char *help;
};
/* NULL where sendmail 8.17 knows no such letter. */
const struct qf_record_type *qf_record_type(char letter);
/* All rows, to the one whose name is NULL. */
const struct qf_record_type *qf_record_types(void);

/* One logical line: a record with its continuation lines, exactly as it stands in the file. */
struct qf_record {
	unsigned char letter;  /* first byte; 0 for an empty line */
	unsigned line;         /* first physical line, 1-based */
	unsigned lines;        /* physical lines */
	struct qf_slice raw;   /* with line ends */
	struct qf_slice value; /* as sendmail sees it: without letter and line end, up to a NUL */
};

/* ---------------------------------------------------------------- the envelope of a message */

/* Letters of an F line, in the order sendmail writes them. X(identifier, letter, name, help) */
#define QF_FLAGS(X) \
	X(WARNED, 'w', "warned", "the delay warning was sent") \
	X(RESPONSE, 'r', "dsn", "is itself a report (DSN)") \
	X(HAS8BIT, '8', "8bit", "the body has 8-bit data") \
	X(DELETE_BCC, 'b', "delete-bcc", "Bcc: is removed on delivery") \
	X(RET_PARAM, 'd', "ret", "MAIL had RET=") \
	X(NO_BODY, 'n', "no-body", "the body is not returned") \
	X(SPLIT, 's', "split", "already split, not split again") \
	X(SMTPUTF8, 'e', "smtputf8", "needs SMTPUTF8")

enum qf_flag_bit {
#define X(id, letter, name, help) QF_FLAG_BIT_##id,
	QF_FLAGS(X)
#undef X
};
#define QF_FLAG(id) (1u << QF_FLAG_BIT_##id)

/* Letters of an R line, in the order sendmail writes them. X(identifier, letter, help) */
#define QF_RCPT_FLAGS(X) \
	X(PRIMARY, 'P', "named by the sender") \
	X(HAS_NOTIFY, 'N', "RCPT had NOTIFY=") \
	X(SUCCESS, 'S', "report success") \
	X(FAILURE, 'F', "report failure") \
	X(DELAY, 'D', "report delay") \
	X(BCC, 'B', "blind copy") \
	X(SECURE_MX, 'X', "MX lookup was DNSSEC-secure") \
	X(ALIAS, 'A', "controlling address is an alias") \
	X(DYNAMIC, 'Y', "dynamic mailer")

enum qf_rcpt_flag_bit {
#define X(id, letter, help) QF_RCPT_BIT_##id,
	QF_RCPT_FLAGS(X)
#undef X
};
#define QF_RCPT(id) (1u << QF_RCPT_BIT_##id)

/* Slices are absent where the file has no such line. */
struct qf_recipient {
	struct qf_slice address;     /* as stored, with or without <> */
	unsigned flags;              /* QF_RCPT() */
	struct qf_slice original;    /* Q: ORCPT, as stored */
	struct qf_slice final;       /* r: Final-Recipient, as stored */
	struct qf_slice status;      /* M before it: the last answer for this recipient */
	struct qf_slice controller;  /* C in force: the user who controls it */
	size_t record;               /* index of its R record */
};

struct qf_macro {
	struct qf_slice name;        /* "r", "{daemon_flags}" */
	struct qf_slice value;
};

struct qf_header {
	struct qf_slice condition;   /* between the question marks: "", "P", "${client_name}" */
	struct qf_slice name;
	struct qf_slice value;       /* after the colon as stored, blank included, meta quoting kept */
	size_t record;               /* index of its H record */
};

/* Deliver-by of RFC 2852 (the ! line). */
struct qf_deliver_by {
	bool present;
	unsigned char flag;          /* 0x01 notify, 0x02 return, plus 0x10 trace */
	int64_t seconds;             /* counted from created */
};

/*
 * What a control file says, typed. Numbers as sendmail reads them (atol: leading digits, else 0).
 * Lines given more than once: as sendmail, the last counts, flags are united.
 */
struct qf_envelope {
	int version;                 /* 0 where there is no V line */
	int64_t created;             /* T, QF_TIME_NONE without */
	int64_t last_try;            /* K, QF_TIME_NONE for never (0 or none) */
	int64_t tries;               /* N */
	int64_t priority;            /* P */
	bool has_priority;
	unsigned flags;              /* F: QF_FLAG() */
	struct qf_slice data_dir;    /* d */
	struct qf_slice inode;       /* I */
	struct qf_slice body_type;   /* B */
	struct qf_slice quarantine;  /* q */
	struct qf_slice status;      /* M before S */
	struct qf_slice sender;      /* S, as stored */
	struct qf_slice envid;       /* Z */
	struct qf_slice auth;        /* A */
	struct qf_deliver_by deliver_by;
	const struct qf_macro *macros;
	size_t nmacros;
	const struct qf_recipient *recipients;
	size_t nrecipients;
	const struct qf_header *headers;
	size_t nheaders;
};

/* ---------------------------------------------------------------- a message */

struct qf_msg;

enum qf_state { QF_STATE_QUEUED, QF_STATE_HELD, QF_STATE_LOST, QF_STATE_INCOMPLETE };
const char *qf_state_name(enum qf_state state);

enum qf_tri { QF_NO, QF_YES, QF_UNKNOWN };

/* What the file system says of a message. Fields are set where the scan was asked for them. */
struct qf_files {
	struct qf_slice name;       /* file name of the control file */
	struct qf_slice id;         /* without its prefix */
	enum qf_kind kind;
	struct qf_slice queue;      /* directory without /qf */
	struct qf_slice path;       /* of the control file */
	struct qf_slice data_path;  /* where the data file is or should be */
	size_t dir;                 /* index of the directory in the queue */
	uint64_t inode;             /* from the directory listing or fstat; 0: not known */
	bool have_stat;             /* what follows is set */
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint64_t links;
	uint64_t device;
	int64_t control_size;
	int64_t mtime;
	int64_t ctime;
	uint32_t ctime_nsec;
	int64_t data_size;          /* -1: no data file; -2: not looked at, or not to be told */
	enum qf_tri busy;
	bool have_busy;
};

/* Limit on the bytes of a control file that are read; 250,000 recipients are about 24 MB. */
#define QF_CONTROL_MAX ((size_t)128 << 20)
/* Limit on its records; what comes behind is kept as one that is not understood. */
#define QF_RECORDS_MAX ((size_t)4 << 20)

struct qf_parse_options {
	enum qf_kind kind;       /* by the file's name; QF_KIND_OTHER is taken as a qf */
	bool skip_headers;       /* leave envelope.headers and their findings out */
	/* What qf_msg_files() is to say, for a file that is no more; NULL: nothing. Its slices must
	   outlive the message. */
	const struct qf_files *files;
	/* What was found wrong with the file as a whole when it was there (mode, owner, data file). */
	const struct qf_diagnostic *found;
	size_t nfound;
};

/*
 * qf_msg_parse - understand a control file in memory.
 * bytes    any bytes at all; copied.
 * *out     the message, the caller's, freed with qf_msg_free().
 * Returns  QF_OK (also for a damaged file), QF_E_LIMIT beyond QF_CONTROL_MAX, QF_E_NOMEM.
 */
enum qf_code qf_msg_parse(struct qf_slice bytes, const struct qf_parse_options *options,
			  struct qf_msg **out, struct qf_err *err);
/*
 * qf_msg_read - read and understand one control file by its path (no queue around it needed).
 * Returns  QF_OK; QF_E_NOT_FOUND, QF_E_DENIED, QF_E_SYS, QF_E_NOMEM. Of something that is not a
 *          regular file nothing is read and the message says so (QF_F_NOT_REGULAR).
 */
enum qf_code qf_msg_read(const char *path, struct qf_msg **out, struct qf_err *err);
void qf_msg_free(struct qf_msg *msg);

const struct qf_envelope *qf_msg_envelope(const struct qf_msg *msg);
const struct qf_files *qf_msg_files(const struct qf_msg *msg);
enum qf_state qf_msg_state(const struct qf_msg *msg);
/* The records in the order of the file; what is not understood is there too. */
const struct qf_record *qf_msg_records(const struct qf_msg *msg, size_t *n);
/* What is wrong with it: at most 1,000 (QF_F_MORE_FINDINGS is the last where there are more). */
const struct qf_diagnostic *qf_msg_diagnostics(const struct qf_msg *msg, size_t *n);
/* The first of this kind, which lives as long as the message; NULL: there is none. */
const struct qf_diagnostic *qf_msg_finding(const struct qf_msg *msg, enum qf_finding finding);
/* The worst thing sendmail will do with it, QF_FATE_IGNORED for a sound one. */
enum qf_fate qf_msg_fate(const struct qf_msg *msg);
/* The whole file as read. */
struct qf_slice qf_msg_bytes(const struct qf_msg *msg);
/* Appends the records as they stand: the same bytes that were parsed. */
void qf_msg_write(const struct qf_msg *msg, struct qf_buf *out);
/* What the visitor of a scan left for this message; absent otherwise. */
struct qf_slice qf_msg_text(const struct qf_msg *msg);

/*
 * qf_msg_header - value of the first header of that name (case ignored) as the message says it:
 * without the leading blanks and with sendmail's meta quoting undone; absent where there is none.
 * Lives as long as the message.
 */
struct qf_slice qf_msg_header(struct qf_msg *msg, const char *name);
/* The same for one header line. */
struct qf_slice qf_header_text(struct qf_msg *msg, const struct qf_header *header);

/*
 * qf_envelope_write - compose a control file (V8, end line included) in the order sendmail 8.17
 * writes. Line ends inside values become blanks but in headers, as sendmail does.
 */
void qf_envelope_write(const struct qf_envelope *envelope, struct qf_buf *out);

/* What a status text names. Absent where it names none. */
struct qf_slice qf_status_dsn(struct qf_slice status);    /* "4.2.1" */
struct qf_slice qf_status_relay(struct qf_slice status);  /* "mx.example.net" */
/* The text with hosts, addresses, ids and numbers replaced, so that like falls to like. */
void qf_status_kind(struct qf_slice status, struct qf_buf *out);
/* Domain of an address as stored: after the last @, lower case, no brackets of <>; appended. */
void qf_address_domain(struct qf_slice address, struct qf_buf *out);

/* ---------------------------------------------------------------- sendmail's configuration */

/* Classes of Timeout.queuereturn and Timeout.queuewarn. */
enum qf_timeout_class { QF_CLASS_NORMAL, QF_CLASS_URGENT, QF_CLASS_NONURGENT, QF_CLASS_DSN,
			QF_CLASS_COUNT };
const char *qf_timeout_class_name(enum qf_timeout_class c);

/* Spans with a meaning of their own. */
#define QF_SPAN_NEVER INT64_MAX
#define QF_SPAN_NOW (-1)

enum qf_super_safe { QF_SAFE_FALSE, QF_SAFE_INTERACTIVE, QF_SAFE_POSTMILTER, QF_SAFE_TRUE };
enum qf_sort_order { QF_ORDER_PRIORITY, QF_ORDER_HOST, QF_ORDER_TIME, QF_ORDER_FILENAME,
		     QF_ORDER_MODIFICATION, QF_ORDER_RANDOM, QF_ORDER_SHUFFLE, QF_ORDER_NONE };

/*
 * The values that decide what sendmail does with a queue. Start from qf_policy_default() or
 * qf_cf_policy(); change what is known better. Spans are seconds.
 */
struct qf_policy {
	int64_t min_queue_age;
	int64_t max_queue_age;
	int64_t queue_return[QF_CLASS_COUNT];   /* QF_SPAN_NEVER, QF_SPAN_NOW allowed */
	int64_t queue_warn[QF_CLASS_COUNT];     /* 0 or QF_SPAN_NEVER: no warning */
	uint32_t queue_file_mode;
	uint32_t trusted_uid;                   /* TrustedUser, 0 for none but root */
	int64_t max_queue_run_size;             /* 0: no limit */
	enum qf_super_safe super_safe;
	enum qf_sort_order sort_order;
	bool restrict_mailq;                    /* PrivacyOptions, any line that sets it */
};
void qf_policy_default(struct qf_policy *policy);

struct qf_cf;

/*
 * qf_cf_read - read a sendmail.cf.
 * Returns  QF_OK; QF_E_NOT_FOUND, QF_E_DENIED, QF_E_SYS; QF_E_CONFIG with line and column where
 *          a value that decides about the queue cannot be understood; QF_E_NOMEM.
 */
enum qf_code qf_cf_read(const char *path, struct qf_cf **out, struct qf_err *err);
enum qf_code qf_cf_parse(struct qf_slice bytes, const char *name, struct qf_cf **out,
			 struct qf_err *err);
void qf_cf_free(struct qf_cf *cf);
const struct qf_policy *qf_cf_policy(const struct qf_cf *cf);
/* Raw text of an option by its long name ("PrivacyOptions", "Timeout.queuereturn.urgent"), as
   the last line that sets it says; NULL where none does. line may be NULL. */
const char *qf_cf_option(const struct qf_cf *cf, const char *name, unsigned *line);
/* Line that set the value sendmail uses for this option, through whatever form; 0: default. */
unsigned qf_cf_line(const struct qf_cf *cf, const char *name);

/* A queue group: the default one ("mqueue", from QueueDirectory) comes first. */
struct qf_group {
	const char *name;
	const char *path;        /* directory or pattern, absolute */
	const char *flags;       /* F= */
	int64_t interval;        /* I=, 0 where none is given */
	long max_recipients;     /* r=, 0 for none */
	unsigned line;
};
const struct qf_group *qf_cf_groups(const struct qf_cf *cf, size_t *n);

/* ---------------------------------------------------------------- queues */

struct qf_queue;

struct qf_queue_options {
	const char *const *paths;    /* directories or patterns ("mqueue/q*") */
	size_t npaths;               /* 0: the groups of cf, else /var/spool/mqueue */
	const struct qf_cf *cf;      /* may be NULL */
	const struct qf_policy *policy; /* NULL: that of cf, else the defaults */
	unsigned max_ops;            /* file operations a second; 0: no limit */
	struct qf_queue *within;     /* NULL, or a queue whose limit is that of both together; it
	                                must be there longer */
	bool hasty;                  /* what is done takes its part of the limit, but does not wait for
	                                it: for a thread that has keys to answer */
};

/* One queue directory. Strings live as long as the queue. */
struct qf_dir {
	const char *path;       /* base, '/', relative; no /qf, no slash at the end */
	const char *shown;      /* the same as mailq prints it: slashes stay as they were given */
	const char *base;       /* where relative names of d lines start */
	const char *relative;   /* "." for a queue of one directory */
	const char *group;      /* queue group, "mqueue" for the default one */
	bool split_qf;          /* control files lie in qf/ */
	bool split_df;          /* data files in df/ */
	bool split_xf;          /* transcripts in xf/ */
	int control_fd;         /* open directories, owned by the queue */
	int data_fd;
	int transcript_fd;
	uint64_t device;        /* st_dev of the control directory */
	enum qf_code trouble;   /* QF_OK, or why it cannot be read */
	struct qf_err err;      /* then in words */
};

/*
 * qf_queue_open - find and open the directories of a queue.
 * Returns  QF_OK, also when single directories of several cannot be read (qf_dir.trouble);
 *          QF_E_NOT_FOUND, QF_E_DENIED when none can; QF_E_AMBIGUOUS when a directory has no
 *          queue files while its sub-directories do (err->hint names the pattern);
 *          QF_E_CONFIG, QF_E_SYS, QF_E_NOMEM.
 * Origin   sendmail/queue.c multiqueue_cache(), chkqdir().
 */
enum qf_code qf_queue_open(const struct qf_queue_options *options, struct qf_queue **out,
			   struct qf_err *err);
void qf_queue_free(struct qf_queue *queue);
size_t qf_queue_ndirs(const struct qf_queue *queue);
/* All data files lie with their control files, whatever these say: as a bundle has them. Before the
   first is read. */
void qf_queue_data_beside(struct qf_queue *queue);
const struct qf_dir *qf_queue_dir(const struct qf_queue *queue, size_t i);
const struct qf_policy *qf_queue_policy(const struct qf_queue *queue);
/*
 * qf_queue_foreign - in a directory without queue files, the number of entries that are nothing
 * of sendmail's; 0 where there are queue files. Dot names and the layout's own sub-directories
 * are not counted. Looks into the directory, no further than to the first queue file.
 */
size_t qf_queue_foreign(struct qf_queue *queue, size_t dir);
/*
 * qf_queue_in_place - does the name of a directory still lead to the one that was opened? For who has a
 * queue open for long: what goes by name is done elsewhere when it does not.
 * Returns  QF_OK, also for one in trouble since it was opened; QF_E_NOT_FOUND when nothing is there any
 *          more; QF_E_DATA when another directory is; QF_E_DENIED, QF_E_SYS.
 */
enum qf_code qf_queue_in_place(struct qf_queue *queue, size_t dir, struct qf_err *err);

/*
 * qf_queue_find - the control files of one id (qf, hf and Qf, in all directories), or of the path
 * of a control file.
 * found    called for each; the message is borrowed for the call. Returns false to stop.
 * Returns  QF_OK when there was one or more, QF_E_NOT_FOUND, QF_E_USAGE for an id with a slash
 *          that is no path of a control file of this queue, QF_E_DENIED, QF_E_SYS, QF_E_NOMEM.
 */
enum qf_code qf_queue_find(struct qf_queue *queue, const char *id, unsigned needs,
			   bool (*found)(void *ctx, struct qf_msg *msg), void *ctx,
			   struct qf_err *err);

/* ---------------------------------------------------------------- scanning */

/* What a caller wants to know of each message; each costs file operations or time. */
enum {
	QF_NEED_STAT = 1,      /* fstat of the control file: owner, mode, times, its findings */
	QF_NEED_BUSY = 2,      /* is it locked: F_OFD_GETLK and /proc/locks, never a lock */
	QF_NEED_DATA = 4,      /* stat of the data file: size, NO_DATA */
	QF_NEED_HEADERS = 8,   /* header lines parsed */
	QF_NEED_BODY = 16,     /* nothing by itself: visitors that read the data file say so */
};

struct qf_scan;

/* A control file as its directory entry, a stat and /proc/locks show it. */
struct qf_sighting {
	size_t dir;
	const char *name;        /* n bytes and a NUL */
	size_t n;
	uint64_t inode;
	int64_t size, ctime;
	uint32_t ctime_nsec;
	bool locked;             /* someone who is seen from here holds its lock */
	bool lock_told;          /* nobody else can hold it: all who could are seen from here */
};

struct qf_scan_options {
	unsigned needs;          /* QF_NEED_* */
	bool raw;                /* do not parse: qf_msg_bytes() and qf_msg_files() are all that is
	                            set, but where a missing data file made it necessary */
	unsigned kinds;          /* 1u << QF_KIND_*; 0: qf, hf and Qf */
	unsigned jobs;           /* reads in flight; 0: by how the file system answers */
	unsigned max_ops;        /* file operations a second; 0: the limit of the queue */
	/*
	 * Called for each message in a worker thread, before qf_scan_next() hands it out: may
	 * match and render. Returns false to drop the message. worker is what worker_begin
	 * returned in that thread (NULL without). text goes with the message: qf_msg_text().
	 */
	bool (*visit)(void *worker, struct qf_msg *msg, struct qf_buf *text);
	void *(*worker_begin)(void *ctx);
	void (*worker_end)(void *worker);
	void *ctx;
	/*
	 * For who reads the same queue again and again: called in a worker thread with ctx before a
	 * control file is opened. Returns true for one that is known as it is: it is not read and
	 * not handed out. Costs a stat for each name.
	 */
	bool (*known)(void *ctx, const struct qf_sighting *seen);
	const volatile int *cancel; /* non-zero: qf_scan_next() returns QF_E_INTERRUPTED */
};

/* What a scan saw and cost; counts of names are of directory entries. */
struct qf_scan_stats {
	uint64_t messages;       /* handed out or dropped by the visitor */
	uint64_t gone;           /* left between listing and reading */
	uint64_t ignored;        /* names that are nothing of sendmail's */
	uint64_t too_long;       /* names of control files longer than sendmail takes */
	uint64_t unreadable;     /* messages that could not be read */
	uint64_t known;          /* not read, for known() knew them */
	uint64_t operations;     /* file operations in all */
	uint64_t opens, reads, stats, locks, listings;
	unsigned jobs;           /* most reads in flight at once */
	double seconds;
};

/*
 * qf_scan_new - begin to read all messages of a queue. The queue must outlive the scan.
 * qf_scan_next - the next message, borrowed until the next call; *msg NULL at the end. Rows come
 * in the order of the directories and of the names in each, whatever jobs is.
 * Returns  QF_OK; QF_E_INTERRUPTED; QF_E_NOMEM; QF_E_SYS when threads cannot be had.
 * Messages that come and go meanwhile are no error; unreadable ones carry QF_F_UNREADABLE.
 * The threads of a scan have descriptors of their own: a visitor does not see what is opened
 * elsewhere in the process after the scan began, and what is closed meanwhile is really closed,
 * and a lock on it given up, when the scan is freed.
 */
enum qf_code qf_scan_new(struct qf_queue *queue, const struct qf_scan_options *options,
			 struct qf_scan **out, struct qf_err *err);
enum qf_code qf_scan_next(struct qf_scan *scan, struct qf_msg **msg, struct qf_err *err);
/* Directories that could not be listed to the end, so far: index in the queue and why. */
size_t qf_scan_ntroubles(const struct qf_scan *scan);
const struct qf_err *qf_scan_trouble(const struct qf_scan *scan, size_t i, size_t *dir);
/* Counts of the whole scan. Ends it: what was not handed out yet is not. */
void qf_scan_stats(struct qf_scan *scan, struct qf_scan_stats *stats);
void qf_scan_free(struct qf_scan *scan);

/* ---------------------------------------------------------------- messages kept in memory */

/*
 * qf_msg_keep - append a message to out as few bytes: what fields and time-outs go by of its
 * envelope and header, size of the body, whether it is in delivery, what was found wrong.
 * Directory and name are not in it.
 */
void qf_msg_keep(const struct qf_msg *msg, struct qf_buf *out);
/*
 * qf_msg_recall - the message again, for fields, filters, groups and outlooks. Of header.NAME it has
 * Subject, Message-ID, Priority, Precedence and the Content-Type of a report; of qf_files no stat;
 * macros, AUTH, controlling users, original and final recipients are absent. Its body is
 * read from the queue.
 * queue    the queue it came from, or another one opened from the same paths.
 * dir      index of its directory; name: that of its control file.
 * *msg     NULL, or a message of an earlier call, which is used again; freed with qf_msg_free().
 * Returns  QF_OK; QF_E_DATA for bytes that qf_msg_keep() did not make, QF_E_NOMEM.
 */
enum qf_code qf_msg_recall(struct qf_queue *queue, size_t dir, struct qf_slice name,
			   struct qf_slice kept, struct qf_msg **msg, struct qf_err *err);

/* ---------------------------------------------------------------- what sendmail will do */

struct qf_outlook {
	enum qf_timeout_class timeout_class;
	int64_t due;        /* earliest next try; QF_TIME_NONE: no run takes it */
	int64_t warn_at;    /* delay warning; QF_TIME_NONE: none will be sent */
	int64_t bounce_at;  /* returned by the first try after this; QF_TIME_NONE: never */
	bool young;         /* tried, and younger than MinQueueAge or MaxQueueAge allow */
	bool expired;       /* bounce_at has passed */
	bool warned;        /* the warning was sent */
};

/*
 * qf_outlook_of - the decisions of a queue run at the instant now, from the policy.
 * Origin  sendmail/queue.c gatherq(), readqf(); sendmail/envelope.c dropenvelope().
 */
void qf_outlook_of(struct qf_msg *msg, const struct qf_policy *policy, int64_t now,
		   struct qf_outlook *out);

struct qf_row;
/* What will happen to the message next and when, in words: a sentence a line, appended. */
void qf_outlook_describe(const struct qf_row *row, struct qf_buf *out);

/* ---------------------------------------------------------------- fields */

/* A message as fields, filters and renderers see it. The caller's own; qf_row_init() fills it. */
struct qf_row {
	struct qf_msg *msg;
	struct qf_queue *queue;    /* may be NULL: no body, no d directory */
	struct qf_outlook outlook;
	int64_t now;
};
void qf_row_init(struct qf_row *row, struct qf_msg *msg, struct qf_queue *queue,
		 const struct qf_policy *policy, int64_t now);

enum qf_field_type {
	QF_FIELD_TEXT,
	QF_FIELD_NUMBER,
	QF_FIELD_SIZE,     /* bytes */
	QF_FIELD_AGE,      /* seconds */
	QF_FIELD_TIME,     /* seconds since the epoch */
};

/* The value of a field: text, or a number; neither: the message has none. */
struct qf_value {
	bool present;
	int64_t number;
	struct qf_slice text;
};

/*
 * One row of the field table, the one place that columns, sort keys, filters, groups and help
 * know fields from.
 */
struct qf_field {
	const char *name;         /* in filters, --columns, --sort, --by */
	const char *title;        /* heading of its column */
	enum qf_field_type type;
	unsigned width;           /* of its column; 0: takes what is left */
	bool per_recipient;       /* has a value for each recipient */
	bool domain;              /* field:value means "equals or lies below" */
	unsigned needs;           /* QF_NEED_* */
	/*
	 * The i-th value (i counts recipients where per_recipient, else 0). scratch holds text
	 * that had to be made, and must outlive the value. argument is NAME of "header.NAME".
	 */
	struct qf_value (*get)(const struct qf_row *row, size_t i, const char *argument,
			       struct qf_buf *scratch);
	const char *help;
};
/* By name or alias ("rcpt-domain"); NULL where there is none. "header.NAME" gives the field
   "header" and sets *argument to NAME (a pointer into name); argument may be NULL. */
const struct qf_field *qf_field_find(const char *name, const char **argument);
/* The field name or alias that is nearest to a wrong one of n bytes, or NULL. */
const char *qf_field_nearest(const char *name, size_t n);
/* All rows, to the one whose name is NULL. */
const struct qf_field *qf_fields(void);
/* How many values it has for this row: recipients or 1. */
size_t qf_field_count(const struct qf_field *field, const struct qf_row *row);
/* Value as text for people, appended: ages as 3d12h, sizes as 2.3k, times as RFC 3339. */
void qf_field_format(const struct qf_field *field, struct qf_value value, struct qf_buf *out);
/* The states of is:STATE. */
bool qf_row_is(const struct qf_row *row, const char *state, size_t n, bool *known);
const char *const *qf_row_states(void);
/* What is:STATE has to be told (QF_NEED_*). */
unsigned qf_row_state_needs(const char *state, size_t n);

/* ---------------------------------------------------------------- filters */

struct qf_query;     /* compiled, immutable: may be shared by threads */
struct qf_matcher;   /* one thread's working memory for a query */

/*
 * qf_query_parse - compile a filter (language: docs/filters.md).
 * text     an empty or blank one matches every message.
 * now      the instant ages are reckoned from.
 * Returns  QF_OK; QF_E_USAGE with err->column at the place; QF_E_NOMEM.
 */
enum qf_code qf_query_parse(const char *text, int64_t now, struct qf_query **out,
			    struct qf_err *err);
void qf_query_free(struct qf_query *query);
/* QF_NEED_* of all its terms. */
unsigned qf_query_needs(const struct qf_query *query);
/* The first bare word in it, as written, which is searched for; absent where there is none. */
struct qf_slice qf_query_bare_word(const struct qf_query *query);
/* True when only messages of that state can match: the query is "is:held", or "is:held and ..". */
bool qf_query_requires_state(const struct qf_query *query, const char *state);

struct qf_matcher *qf_matcher_new(const struct qf_query *query);
void qf_matcher_free(struct qf_matcher *matcher);
/*
 * qf_matcher_match - does the row match. A pattern that runs into its match limit is an error
 * (QF_E_LIMIT), never "no match".
 */
enum qf_code qf_matcher_match(struct qf_matcher *matcher, const struct qf_row *row, bool *matched,
			      struct qf_err *err);
/* The same, but recipient fields look at the i-th recipient alone. */
enum qf_code qf_matcher_match_recipient(struct qf_matcher *matcher, const struct qf_row *row,
					size_t i, bool *matched, struct qf_err *err);
/* Appends "TERM: FIELD is VALUE" lines for the terms that made the row match, safe for a terminal
   that shows UTF-8. */
void qf_matcher_explain(struct qf_matcher *matcher, const struct qf_row *row, struct qf_buf *out);

/* ---------------------------------------------------------------- groups and shapes */

struct qf_groups;

/* One group of messages with the same value of a field. */
struct qf_group_row {
	struct qf_slice key;
	uint64_t messages;
	uint64_t size;             /* bytes of data files */
	int64_t oldest;            /* created; QF_TIME_NONE where no message says */
	const uint64_t *counts;    /* by age: one more than limits */
};

/*
 * qf_groups_new - count rows by a field, and by age.
 * limits   upper ends in seconds of the age buckets, ascending; one more bucket takes the rest.
 *          A message lies in the first bucket whose limit its age does not exceed.
 * A row with several recipients counts once in each group its recipients fall into.
 */
struct qf_groups *qf_groups_new(const struct qf_field *field, const char *argument,
				const int64_t *limits, size_t nlimits);
void qf_groups_free(struct qf_groups *groups);
enum qf_code qf_groups_add(struct qf_groups *groups, const struct qf_row *row);
/* Adds one count under a key given by the caller. */
enum qf_code qf_groups_add_key(struct qf_groups *groups, struct qf_slice key,
			       const struct qf_row *row);
/* Groups with most messages first, ties by key. Valid until the next add. */
const struct qf_group_row *qf_groups_rows(struct qf_groups *groups, size_t *n);
/* All rows added, each once. */
const struct qf_group_row *qf_groups_total(struct qf_groups *groups);

/* ---------------------------------------------------------------- JSON */

/* Writes JSON into a buffer; commas are its own care. Zero-initialise, set out. */
struct qf_json {
	struct qf_buf *out;
	bool comma;
};
void qf_json_open(struct qf_json *json, char bracket);    /* '{' or '[' */
void qf_json_close(struct qf_json *json, char bracket);   /* '}' or ']' */
void qf_json_key(struct qf_json *json, const char *key);
bool qf_json_text(struct qf_json *json, struct qf_slice text); /* absent: null; false: lossy */
void qf_json_string(struct qf_json *json, const char *text);   /* NULL: null */
void qf_json_int(struct qf_json *json, int64_t number);
void qf_json_bool(struct qf_json *json, bool value);
void qf_json_null(struct qf_json *json);
void qf_json_time(struct qf_json *json, int64_t when);         /* QF_TIME_NONE: null */

/* ---------------------------------------------------------------- redaction */

struct qf_redactor;

/* Replaces addresses by a keyed hash: the same address gives the same name as long as the key is
   the same. key NULL: a random one. NULL when memory or randomness is not to be had. */
struct qf_redactor *qf_redactor_new(const void *key, size_t n);
void qf_redactor_free(struct qf_redactor *redactor);
/* Appends "r-0123456789ab@redacted" for an address (brackets of <> kept, "" and "<>" as they are). */
void qf_redact_address(const struct qf_redactor *redactor, struct qf_slice address,
		       struct qf_buf *out);
/* Appends text with everything that looks like an address replaced. */
void qf_redact_text(const struct qf_redactor *redactor, struct qf_slice text, struct qf_buf *out);

/* ---------------------------------------------------------------- renderers */

/* One qf.message/1 object and a line end (docs/schema/message.json). redactor may be NULL. */
void qf_render_json(const struct qf_row *row, const struct qf_redactor *redactor,
		    struct qf_buf *out);

/* How mailq prints a queue. */
struct qf_mailq_options {
	bool verbose;                    /* -v */
	enum qf_kind kind;               /* QF_KIND_QUEUED; QF_KIND_HELD: -qQ; QF_KIND_LOST: -qL */
	const struct qf_query *query;    /* or NULL */
	const struct qf_redactor *redactor; /* or NULL */
	bool safe;                       /* make bytes of messages safe for a terminal */
	bool utf8;
	int64_t now;
	unsigned jobs, max_ops;
	const volatile int *cancel;
	uint64_t *shown;                 /* set to the number of entries listed; may be NULL */
};

/*
 * qf_render_mailq - what `sendmail -bp` prints for the queue, byte for byte.
 * sink     takes each piece of output; returns false to stop (QF_E_SYS).
 * Origin   sendmail/queue.c print_single_queue(), gatherq(); bugs noted in docs/mailq.md.
 */
enum qf_code qf_render_mailq(struct qf_queue *queue, const struct qf_mailq_options *options,
			     bool (*sink)(void *ctx, const char *bytes, size_t n), void *ctx,
			     struct qf_scan_stats *stats, struct qf_err *err);

/* ---------------------------------------------------------------- the files of a message */

enum qf_part { QF_PART_CONTROL, QF_PART_DATA, QF_PART_TRANSCRIPT };

/*
 * qf_part_open - open one of the files of a message for reading, without a trace.
 * msg      from a scan or qf_queue_find() of this queue.
 * *fd      the caller's to close.
 * Returns  QF_OK; QF_E_NOT_FOUND; QF_E_DENIED; QF_E_DATA for what is no regular file; QF_E_SYS.
 */
enum qf_code qf_part_open(struct qf_queue *queue, const struct qf_msg *msg, enum qf_part part,
			  int *fd, struct qf_err *err);

/*
 * qf_part_read - the same, and its first most bytes appended to out.
 * *whole   false when there is more; may be NULL.
 * Returns  as qf_part_open(), and QF_E_NOMEM.
 */
enum qf_code qf_part_read(struct qf_queue *queue, const struct qf_msg *msg, enum qf_part part,
			  size_t most, struct qf_buf *out, bool *whole, struct qf_err *err);

/*
 * qf_lock_holder - the local process that holds the lock on the control file: its pid, and its
 * title as ps shows it, appended to title. 0 where none can be named: a holder on another host or
 * in another container has no pid here. The message must have been read with QF_NEED_STAT.
 */
pid_t qf_lock_holder(const struct qf_msg *msg, struct qf_buf *title);

/* ---------------------------------------------------------------- messages as mail */

/*
 * qf_headers_write - the header lines as an SMTP mailer would send them: conditional headers whose
 * mailer flag or macro applies, macro references expanded where sendmail does, meta quoting undone.
 * Line ends are LF; no blank line after. Lines over 998 bytes are folded at blanks.
 * Origin: sendmail/headers.c putheader(); what deliberately differs: docs/mail.md.
 */
void qf_headers_write(struct qf_msg *msg, struct qf_buf *out);
/* The whole message: the header lines, a blank line, and body as it is (the data file). */
void qf_eml_write(struct qf_msg *msg, struct qf_slice body, struct qf_buf *out);

/*
 * qf_header_decode - the text of a header value (as of qf_header_text()), appended: on one line, its
 * encoded words (RFC 2047) as UTF-8. Words in unknown charsets, all bytes outside of words (RFC 6532
 * UTF-8, or invalid ones), and values of more than 64 kB stay as they are; so do all where it is
 * built without gmime. Threads may call it at once; a value without encoded words is only copied.
 */
void qf_header_decode(struct qf_slice value, struct qf_buf *out);

/*
 * qf_mime_text - a reading of the MIME body, appended: always valid UTF-8, not made safe for
 * terminals. Text parts are decoded, of multipart/alternative the plain one, HTML loses its markup;
 * other parts are named in a line each: type, file name, size (docs/mail.md).
 * headers  lines of the header, as qf_headers_write() gives them.
 * limit    bytes of body looked at. Besides: 500 parts, 20 levels, 8 kB of a part's header field;
 *          what lies beyond is said in the text. It has at most four times the size of what was
 *          looked at, and a few hundred bytes for each part.
 * Returns  QF_OK, also for a body that is broken; QF_E_NOMEM; QF_E_UNAVAILABLE when built
 *          without gmime, or where it cannot be loaded.
 */
enum qf_code qf_mime_text(struct qf_slice headers, struct qf_slice body, size_t limit,
			  struct qf_buf *out, struct qf_err *err);
/* True when MIME and RFC 2047 decoding are built in, and gmime is there (it is loaded). */
bool qf_mime_available(void);

/* ---------------------------------------------------------------- files of no whole message */

/* What may become of a file that belongs to no whole message. X(identifier, word users see) */
#define QF_VERDICTS(X) \
	X(LIVE, "live")               /* in the making now, or just finished: left alone */ \
	X(RECOVERABLE, "recoverable") /* a whole message can be made of it */ \
	X(PARTIAL, "partial")         /* some content can be saved */ \
	X(DEBRIS, "debris")           /* nothing of a message that somebody waits for */ \
	X(HAZARD, "hazard")           /* does harm where it lies */ \
	X(UNKNOWN, "unknown")         /* what would tell cannot be seen */

enum qf_verdict {
#define X(id, word) QF_VERDICT_##id,
	QF_VERDICTS(X)
#undef X
	QF_VERDICT_COUNT
};
const char *qf_verdict_name(enum qf_verdict verdict);

/* What can be done about it. All but guard end the matter; guard stops the harm. */
enum { QF_FIX_RECOVER = 1, QF_FIX_RESCUE = 2, QF_FIX_GUARD = 4, QF_FIX_CLEAN = 8 };
/* "recover", ...: the name of one bit. NULL for none of them. */
const char *qf_fix_name(unsigned fix);

/*
 * Why such files are there: which step of sendmail's, or of a person's, was the last one.
 * X(identifier, stable code, sentence, what harm a hazard of this kind does)
 */
#define QF_CAUSES(X) \
	X(DF_ALONE, "df-alone", "a body without control file", "") \
	X(DF_SIBLING, "df-sibling", "a lone body whose other links belong to messages", "") \
	X(QF_ALONE, "qf-alone", "a control file without body", \
	  "goes out as an empty message, then is removed") \
	X(QF_EMPTY, "qf-empty", "a control file of 0 bytes", \
	  "sendmail deletes it together with its body") \
	X(QF_CUT, "qf-cut", "a control file without end line: never tried, never returned", "") \
	X(QF_NO_SENDER, "qf-no-sender", "a control file without sender line", \
	  "aborts the queue runner; what sorts behind it is not tried") \
	X(QF_BOGUS, "qf-bogus", "a control file with a line that sendmail refuses", \
	  "sendmail names it Qf: never tried again, never returned") \
	X(QF_UNSAFE, "qf-unsafe", "a control file that others may write", \
	  "sendmail names it Qf: never tried again, never returned") \
	X(QF_NO_RCPT, "qf-no-rcpt", "a control file without recipients: nobody is owed", "") \
	X(QF_NAME, "qf-name", "a copy or backup whose name sendmail takes for a message", \
	  "is delivered as a message of its own") \
	X(QF_LINKED, "qf-linked", "one control file under two names", \
	  "is delivered once for each name") \
	X(QF_TWICE, "qf-twice", "one id in two directories", \
	  "is delivered once from each directory") \
	X(QF_AND_HF, "qf-and-hf", "a queued and a held control file of one id", \
	  "is delivered, and the held one loses its body") \
	X(DF_PLACEHOLDER, "df-placeholder", "the 1-byte body that sendmail makes for a missing one", \
	  "goes out as an empty message") \
	X(TF_BESIDE, "tf-beside", "a stale tf beside its control file", \
	  "stops the queue runner for 465 s; killed meanwhile, it delivers twice") \
	X(TF_ALONE, "tf-alone", "a tf without control file", "") \
	X(TF_ASIDE, "tf-aside", "a stale tf that sendmail put aside", "") \
	X(XF_LEFT, "xf-left", "a transcript of no attempt", "") \
	X(QF_LOST, "qf-lost", "a control file set aside: never tried, never returned", "") \
	X(CLAIM, "claim", "a message of an unfinished salvage", "") \
	X(LEFTOVER, "leftover", "what an interrupted change of qf left", "") \
	X(NOT_REGULAR, "not-regular", "no regular file, under a name of the queue's", "") \
	X(FOREIGN, "foreign", "a name that is nothing of sendmail's", "")

enum qf_cause {
#define X(id, code, text, harm) QF_CAUSE_##id,
	QF_CAUSES(X)
#undef X
	QF_CAUSE_COUNT
};

struct qf_cause_type {
	const char *code, *text;
	const char *harm;        /* of its hazards; or "" */
};
const struct qf_cause_type *qf_cause_type(enum qf_cause cause);

/* A file as it was when looked at last. */
struct qf_orphan_file {
	const char *path;
	const char *name;        /* its last component */
	int at;                  /* the directory it lies in, open as long as the result; -1: .qf */
	size_t dir;              /* of the queue */
	enum qf_kind kind;
	uint32_t mode, uid;
	uint64_t device, inode, links;
	int64_t size, mtime, ctime;
	uint32_t mtime_ns, ctime_ns;
};

/* Why something is believed: where it is written. */
struct qf_evidence {
	const char *kind;        /* "log", "file" */
	const char *where;       /* FILE or FILE:LINE */
	int64_t time;            /* or QF_TIME_NONE */
	const char *text;
};

/* Files that belong to no whole message, as one finding. */
struct qf_orphan {
	enum qf_cause cause;
	enum qf_verdict verdict;
	unsigned fix;            /* QF_FIX_* that apply; 0: nothing can be done here */
	const char *id;          /* "" for a name that holds none */
	const char *queue;       /* directory without /qf */
	size_t dir;
	const struct qf_orphan_file *files; /* the one that gives the finding its name comes first */
	size_t nfiles;
	bool counted;            /* not what lies under .qf, nor foreign names */
	bool body;               /* its data file is there */
	const char *why;         /* the reasons for the verdict */
	const char *harm;        /* or NULL */
	int64_t deadline;        /* when harm comes, at the earliest; or QF_TIME_NONE */
	int64_t age;             /* seconds since it was changed last */
	int64_t bytes;           /* of all its files */
	struct qf_slice sender;  /* absent where it is not known */
	const struct qf_slice *recipients;
	size_t nrecipients;
	bool from_log;           /* sender and recipients are those of the log */
	const struct qf_slice *twice; /* who would get a second copy */
	size_t ntwice;
	const struct qf_evidence *evidence;
	size_t nevidence;
};

/* Counts of directory entries: files = whole + live + ignored + orphans. */
struct qf_orphans_total {
	uint64_t queues;         /* directories */
	uint64_t files, whole, live, ignored, orphans;
	uint64_t messages;       /* whole ones */
	uint64_t causes[QF_CAUSE_COUNT], verdicts[QF_VERDICT_COUNT];
	uint64_t unreadable;     /* directories not listed, control files not read */
	double seconds;          /* in all */
	double waited;           /* between the two looks */
};

struct qf_orphans_options {
	bool deep;               /* read every control file */
	bool ignored;            /* report foreign names too */
	int64_t grace;           /* seconds; what is younger is live, but hazards */
	int64_t now;
	double pause;            /* seconds between the looks; negative: as the file system needs */
	unsigned jobs, max_ops;  /* as of a scan */
	const struct qf_cf *cf;  /* SuperSafe and all directories of the queue; or NULL: not known */
	const char *const *logs; /* mail logs, read for what became of the ids (qf_log_open()) */
	size_t nlogs;
	const volatile int *cancel;
};

/* What the logs were like. */
struct qf_orphans_log {
	uint64_t lines, unparsed; /* unparsed: no lines of a log at all */
	bool cut;                 /* one ends within a line, or its compressed data do */
	int low, high;            /* the LogLevel they seem to have been written at */
	unsigned cannot_prove;    /* 1u << QF_LOG_PROVES_* */
};

struct qf_orphans;

/*
 * qf_orphans_find - every file of a queue that belongs to no whole message, judged.
 * Candidates are looked at twice, a second apart (60 s on a network file system, whose clients may
 * show stale names for so long); what changed, or is locked, or is younger than the grace age, is
 * live. Hazards do not wait for the grace age. Takes no lock, writes nothing.
 * Returns  QF_OK, also when directories could not be read: then qf_orphans_trouble() names them and
 *          whatever could have its other half there is unknown; QF_E_INTERRUPTED, QF_E_NOMEM; as of
 *          qf_log_open() when a log cannot be read.
 */
enum qf_code qf_orphans_find(struct qf_queue *queue, const struct qf_orphans_options *options,
			     struct qf_orphans **out, struct qf_err *err);
void qf_orphans_free(struct qf_orphans *orphans);
/* Sorted by path of the first file. */
size_t qf_orphans_n(const struct qf_orphans *orphans);
const struct qf_orphan *qf_orphans_get(const struct qf_orphans *orphans, size_t i);
const struct qf_orphans_total *qf_orphans_total(const struct qf_orphans *orphans);
/* The i-th directory that could not be read; NULL behind the last. */
const struct qf_err *qf_orphans_trouble(const struct qf_orphans *orphans, size_t i);
/* Why other halves may lie where nobody looked, though every directory was read: in words; or NULL. */
const char *qf_orphans_unseen(const struct qf_orphans *orphans);
/* NULL when no log was given. */
const struct qf_orphans_log *qf_orphans_log(const struct qf_orphans *orphans);
/* ---------------------------------------------------------------- the folder .qf/ at a queue */

/*
 * qf_home_open_folder - open a folder in .qf/ of a queue directory.
 * dir      index of the directory.
 * create   make both where they are not there: 0700, owned as the queue directory.
 * *fd      the caller's to close.
 * Returns  QF_OK; QF_E_NOT_FOUND without create; QF_E_DENIED; QF_E_DATA for what is no folder of
 *          ours: a link, or one that others may write; QF_E_SYS.
 */
enum qf_code qf_home_open_folder(struct qf_queue *queue, size_t dir, const char *name, bool create,
				 int *fd, struct qf_err *err);

/* ---------------------------------------------------------------- changing a queue */

/* What became of a message in a change. X(identifier, word users see) */
#define QF_RESULTS(X) \
	X(DONE, "done") \
	X(PLANNED, "planned")   /* a dry run: it would be done */ \
	X(BUSY, "busy")         /* in delivery: left alone */ \
	X(GONE, "gone") \
	X(CHANGED, "changed")   /* not what was looked at */ \
	X(DENIED, "denied") \
	X(FAILED, "failed") \
	X(SKIPPED, "skipped")   /* there is nothing to do, or it would do harm */

enum qf_result {
#define X(id, word) QF_RESULT_##id,
	QF_RESULTS(X)
#undef X
	QF_RESULT_COUNT
};
const char *qf_result_name(enum qf_result result);

enum qf_change_kind {
	QF_CHANGE_HOLD,     /* qf to hf, as sendmail -Q does */
	QF_CHANGE_RELEASE,  /* hf to qf */
	QF_CHANGE_DUE,      /* as if never tried: eligible at the next run */
	QF_CHANGE_REMOVE,   /* into the trash */
	QF_CHANGE_PURGE,    /* destroyed */
	QF_CHANGE_LAST_TRY, /* undo of due: the last try as it was */
	QF_CHANGE_EDIT,     /* recipients struck or replaced, another sender, created now */
	QF_CHANGE_RESTORE,  /* undo of an edit: the control file as it was */
	QF_CHANGE_DELIVER,  /* tried now, by sendmail: qf_drive_begin() */
	QF_CHANGE_BOUNCE,   /* returned to its sender now, by sendmail */
	QF_CHANGE_FIX,      /* of a finding of qf orphans: qf_txn_fix() */
	QF_CHANGE_HAND,     /* to another server: qf_hand_begin() */
};

/*
 * What an edit does; what is NULL or false is left as it is. In drop and pick recipient fields look
 * at one recipient.
 */
struct qf_edit {
	const struct qf_query *drop; /* recipients to strike, as one strikes those served already */
	const struct qf_query *pick; /* recipients to replace by new_rcpt */
	const char *new_rcpt;
	const char *sender;          /* "<>" is the null sender */
	bool refresh;                /* created now: a new return deadline */
};

/*
 * May this be written as a recipient or sender? One address, with or without <>, at most 255 bytes,
 * that sendmail reads back as it stands; also the null sender <>. False for what it would drop,
 * split, run or take for another one: commas, comments, lone quotes, control bytes, bytes of 0x80
 * to 0x9f, a | or / in front.
 */
bool qf_edit_address_ok(const char *address);

/*
 * qf_edit_plan - which recipients of the message an edit strikes or replaces.
 * row      of the message, with its headers read.
 * marks    one a recipient: 'd' struck, 's' replaced, ' ' left.
 * Returns  QF_OK; QF_E_LIMIT where a pattern ran into its limit; QF_E_NOMEM.
 */
enum qf_code qf_edit_plan(const struct qf_edit *edit, const struct qf_row *row, char *marks,
			  struct qf_err *err);

struct qf_change {
	enum qf_change_kind kind;
	const char *reason; /* QF_CHANGE_HOLD */
	int64_t last_try;   /* QF_CHANGE_LAST_TRY */
	const struct qf_edit *edit; /* QF_CHANGE_EDIT */
	struct qf_slice control;    /* QF_CHANGE_RESTORE: what to put back */
	const char *digest;         /* QF_CHANGE_RESTORE: SHA-256, in hex, of what it replaces */
	const char *undoes; /* the journal entry it takes back, or NULL */
	const char *command; /* for the journal, and for undo; NULL: that of the transaction */
	bool as_read;       /* qf_txn_apply(): only if the control file, under its lock, is byte by byte
	                       what msg has; else CHANGED */
};

/* Longest name of a journal entry with its NUL. */
#define QF_ENTRY_MAX 128

struct qf_outcome {
	enum qf_result result;
	char entry[QF_ENTRY_MAX]; /* in the journal; empty where nothing was begun */
	char why[256];            /* empty for a plain "done" */
};

struct qf_txn;

struct qf_txn_options {
	const char *command;     /* for the journal: "hold" */
	const char *note;        /* or NULL */
	const char *user, *host; /* NULL: asked of the system */
	const char *journal;     /* folder; NULL: .qf/journal of each queue directory */
	const char *trash;       /* folder for removed messages, an absolute path, on any file system;
	                            NULL: .qf/trash of each queue directory */
	const char *lost_found;  /* folder for what qf_txn_fix() rescues, on any file system;
	                            NULL: .qf/lost+found of each queue directory */
	bool no_journal;         /* work without; then nothing can be undone */
	int64_t keep;            /* seconds a removed message stays in the trash; below 0: for good */
	int64_t now;
};

/*
 * qf_txn_new - get ready to change messages of a queue: make .qf/ where it is not there, try which
 * locks exclude sendmail's, finish what an interrupted run left, expire the trash.
 * Returns  QF_OK; QF_E_DENIED, QF_E_SYS (nothing was changed); QF_E_NOMEM.
 *
 * qf_txn_apply - change one message. Under sendmail's own lock and through steps that, whatever
 * interrupts them, leave the old state, the new one, or one that the next qf_txn_new() completes;
 * at each moment sendmail sees a message it knows how to treat, or none. Different messages may
 * be changed by different threads at once, QF_TAKEN_MAX at most.
 * msg      from a scan or qf_queue_find() of the same queue; read again under the lock.
 */
enum qf_code qf_txn_new(struct qf_queue *queue, const struct qf_txn_options *options,
			struct qf_txn **out, struct qf_err *err);
void qf_txn_free(struct qf_txn *txn);
void qf_txn_apply(struct qf_txn *txn, const struct qf_msg *msg, const struct qf_change *change,
		  struct qf_outcome *outcome);

/*
 * What sendmail itself has to do: the message is handed to one run of it that takes no other.
 *
 * qf_drive_begin - see under the lock that sendmail can take the message, keep it from all others
 * whose names contain this id (sendmail -qI takes every file whose name contains the text), write
 * the intent, give the lock of the message up. What cannot be handed over (held, lost, damaged,
 * without data file, sender or recipients; a report that is to be returned) is SKIPPED.
 * msg      from a scan or qf_queue_find() of the same queue, with QF_NEED_DATA; nothing is in its
 *          way by qf_drive_obstacle().
 * change   QF_CHANGE_DELIVER or QF_CHANGE_BOUNCE.
 * Returns  what qf_drive_end() takes; or NULL, and the outcome says why. The caller then runs
 *	sendmail -qf -qIqfID -v [-OTimeout.queuereturn=now -OTimeout.queuereturn.dsn=5d]
 * The time-out of reports must not be "now", too: one that cannot be delivered at once would be
 * given up in the same run and set aside as lost (observed, 8.17).
 * Threads may each drive another message, while change and txn live.
 *
 * qf_drive_end - what became of it, from what is on disk now and what sendmail printed; the result
 * goes into the journal. said is all that the run wrote, or absent where it could not be run, and
 * why_not says why. Frees the drive.
 *	DONE     left the queue, and this run says that it tried (deliver) or returned it (bounce)
 *	BUSY     another process had it, or has it
 *	CHANGED  left the queue, but not by this run
 *	FAILED   still queued; why says what was answered
 */
struct qf_drive;
/* What is in the way of handing it over, in words; NULL for nothing. The row's message has its headers
   and QF_NEED_DATA. */
const char *qf_drive_obstacle(const struct qf_row *row, enum qf_change_kind kind);
struct qf_drive *qf_drive_begin(struct qf_txn *txn, const struct qf_msg *msg,
				const struct qf_change *change, struct qf_outcome *outcome);
void qf_drive_end(struct qf_drive *drive, struct qf_slice said, const char *why_not,
		  struct qf_outcome *outcome);

/* What sendmail -v printed of a run for one message. */
struct qf_said {
	bool tried;    /* a recipient got an answer, or was returned */
	bool returned; /* "Cannot send message for": to the sender */
	bool locked;   /* another process had it */
};
/* text: appended, the answers alone, "; " between, without what is said of connections. */
void qf_said_read(struct qf_slice said, const char *id, struct qf_said *out, struct qf_buf *text);

/*
 * What the caller hands to another server: the message stays locked meanwhile, so that no sendmail works on
 * it, and what the server has accepted is struck in one rewrite.
 *
 * qf_hand_begin - lock the message, read it again, write the intent. What cannot be handed on (held, lost,
 * damaged, without sender, recipients or body, a tf beside it) is SKIPPED.
 * Returns  what qf_hand_end() takes; or NULL, and the outcome says why.
 * qf_hand_msg - the message as it is under the lock, headers parsed; lives as long as the hand.
 * qf_hand_data - open its data file: the caller's to close; -1 and errno.
 * qf_hand_end - marks: one a recipient, 'd' for whom the server has accepted it, ' ' for others. Without
 * anybody left the message is removed. why: for the others, or NULL. Frees the hand.
 * A journal entry of these without a result tells of the one window that nothing can close: killed
 * between the server's answer and this, those recipients may get a second copy.
 */
struct qf_hand;
struct qf_hand *qf_hand_begin(struct qf_txn *txn, const struct qf_msg *msg,
			      struct qf_outcome *outcome);
struct qf_msg *qf_hand_msg(const struct qf_hand *hand);
int qf_hand_data(const struct qf_hand *hand);
void qf_hand_end(struct qf_hand *hand, const char *marks, const char *why,
		 struct qf_outcome *outcome);

/* How a finding is to be dealt with. */
struct qf_fix {
	unsigned fix;            /* one QF_FIX_* */
	bool release;            /* what is recovered comes back queued, not held */
	int64_t body_age;        /* seconds: younger lone bodies are not cleaned away */
	struct qf_slice note;    /* JSON: all that is known, kept beside what is rescued */
};

/* Which one of the fixes asked for (QF_FIX_* together) a finding gets: one that ends the matter before
   guard, which only stops the harm. 0: none of them is for it. */
unsigned qf_fix_choose(const struct qf_orphan *orphan, unsigned asked);
/* What a fix would do, in words that stand for as long as the program. */
const char *qf_fix_words(const struct qf_orphan *orphan, const struct qf_fix *fix);

/*
 * qf_txn_fix - deal with one finding of qf_orphans_find(), whose result must live. Locks are taken, and
 * each file must be what it was when it was judged: else BUSY, CHANGED or GONE. As safe to interrupt
 * as any change: a fix that was interrupted leaves a finding, or nothing; parts of it may be in the
 * trash or in lost+found by then, named by the journal.
 *	recover  the message is whole, and held (or queued, with release)
 *	rescue   its files are in .qf/lost+found/ENTRY/, with message.eml and note.json
 *	guard    a copy of the body is there; or the control file is named Qf
 *	clean    its files are in the trash
 * txn      of the same queue as the finding.
 */
void qf_txn_fix(struct qf_txn *txn, const struct qf_orphan *orphan, const struct qf_fix *fix,
		struct qf_outcome *outcome);

/* Whether a change can be taken back. */
enum qf_undo { QF_UNDO_POSSIBLE, QF_UNDO_DONE, QF_UNDO_IMPOSSIBLE };
const char *qf_undo_name(enum qf_undo undo);

/* One change as the journal has it. Strings live for the call; NULL for what is not there. */
struct qf_journal_entry {
	const char *entry, *user, *host, *command, *queue, *id, *file, *note;
	const char *undoes;      /* the entry it took back */
	const char *result;      /* NULL: interrupted, or under way: at_work */
	const char *why;
	const char *was_reason;
	const char *was_control; /* of an edit: the control file before, base64 */
	const char *new_digest;  /* and SHA-256 of the one after, in hex */
	const char *gone;        /* of an edit: the recipients struck or replaced, each with a newline behind
	                            it; NULL: not said, as before 0.1.0 */
	const char *added;       /* and who stands in the place of those replaced */
	const char *trash;       /* of a removal: the folder of --trash */
	const char *harm;        /* of a fix: what taking it back would do */
	const char *became;      /* and the name that the control file got */
	int64_t time, was_last_try;
	size_t dir;              /* of the queue; SIZE_MAX where it is none of its directories */
	enum qf_undo undo;
	const char *undo_why;    /* why it is not possible */
	enum qf_tri at_work;     /* without a result, and nothing of that file came after it: is somebody
	                            at the message now */
};

/* The result for people: its word; of a change without one "interrupted", or "not ended" where
   somebody is at the message, or that cannot be told. */
const char *qf_journal_result(const struct qf_journal_entry *entry);

/*
 * qf_journal_read - all changes of a queue, oldest first: every host's, in all its directories.
 * folder   that of --journal, or NULL for .qf/journal of each directory.
 * take     false to stop. Lines that are no journal's are passed over and counted.
 * Returns  QF_OK, also when there is no journal; QF_E_DENIED, QF_E_SYS, QF_E_DATA when one could not
 *          be read: then take had those of all others; QF_E_NOMEM.
 */
enum qf_code qf_journal_read(struct qf_queue *queue, const char *folder,
			     bool (*take)(void *ctx, const struct qf_journal_entry *entry),
			     void *ctx, size_t *strange, struct qf_err *err);

/*
 * qf_txn_undo - take a change back, if that does no harm. Outcome as of qf_txn_apply(): SKIPPED
 * with the reason where the message has gone on since.
 */
void qf_txn_undo(struct qf_txn *txn, const struct qf_journal_entry *entry,
		 struct qf_outcome *outcome);

/* ---------------------------------------------------------------- the mail log */

/* What a line of sendmail's log tells. X(identifier, word users see) */
#define QF_LOG_KINDS(X) \
	X(OTHER, "other")               /* of sendmail, but nothing of what follows */ \
	X(ACCEPTED, "accepted")         /* from=: the message is sendmail's from now on */ \
	X(DELIVERY, "delivery")         /* to=: an attempt for one or more recipients */ \
	X(CLONE, "clone")               /* of a list with an owner: a message of its own */ \
	X(SPLIT, "split")               /* recipients went to other messages */ \
	X(REPORT, "report")             /* a warning, a return, a receipt was made */ \
	X(DONE, "done")                 /* the message left the queue */ \
	X(QUARANTINE, "quarantine") \
	X(UNQUARANTINE, "unquarantine") \
	X(REJECT, "rejected")           /* a recipient or a message was refused */ \
	X(DISCARD, "discarded") \
	X(ABORTED, "aborted")           /* the client went away: never accepted */ \
	X(LOCKED, "locked")             /* another process had the message */ \
	X(CHANGED, "changed")           /* another process had changed it meanwhile */ \
	X(NO_LOCK, "cannot-flock")      /* the lock call failed */ \
	X(YOUNG, "young")               /* passed over for MinQueueAge */ \
	X(LOSING, "losing")             /* became Qf */ \
	X(ERROR, "error")               /* SYSERR */ \
	X(RUN, "run")                   /* of the queue */ \
	X(DAEMON, "daemon")             /* started or stopped */

enum qf_log_kind {
#define X(id, word) QF_LOG_##id,
	QF_LOG_KINDS(X)
#undef X
	QF_LOG_KIND_COUNT
};
const char *qf_log_kind_name(enum qf_log_kind kind);

/* What became of an attempt (QF_LOG_DELIVERY). X(identifier, word users see) */
#define QF_LOG_OUTCOMES(X) \
	X(UNKNOWN, "unknown")           /* cannot be told with certainty: proves nothing */ \
	X(SENT, "sent") \
	X(DEFERRED, "deferred") \
	X(FAILED, "failed")             /* for good: a report goes to the sender */ \
	X(QUEUED, "queued") \
	X(QUARANTINED, "quarantined") \
	X(DISCARDED, "discarded")

enum qf_log_outcome {
#define X(id, word) QF_LOG_IS_##id,
	QF_LOG_OUTCOMES(X)
#undef X
	QF_LOG_OUTCOME_COUNT
};
const char *qf_log_outcome_name(enum qf_log_outcome outcome);

/* What a report (QF_LOG_REPORT) is. */
enum qf_log_report {
	QF_LOG_REPORT_NONE,
	QF_LOG_REPORT_FAILURE,  /* returned: for single recipients, which have lines of their own */
	QF_LOG_REPORT_EXPIRED,  /* returned for all that were left: "Cannot send message for" */
	QF_LOG_REPORT_WARNING,
	QF_LOG_REPORT_RECEIPT,
};
const char *qf_log_report_name(enum qf_log_report report);

/* Where year and zone of the times come from, best first. */
enum qf_log_by {
	QF_LOG_BY_LINE,         /* they stand there */
	QF_LOG_BY_EXPORT,       /* the time the log service put beside the line */
	QF_LOG_BY_CALLER,
	QF_LOG_BY_IDS,          /* queue ids hold the time of their making */
	QF_LOG_BY_FILE,         /* year: the latest that is not after the file's last change */
	QF_LOG_BY_NOTHING,      /* zone: UTC assumed */
};
const char *qf_log_by_name(enum qf_log_by by);

/*
 * One thing the log says. Everything lives until the next call; text is as sendmail had it, without
 * the escapes of the log (\n, \033, \\).
 */
struct qf_log_event {
	enum qf_log_kind kind;
	enum qf_log_outcome outcome;    /* QF_LOG_DELIVERY */
	enum qf_log_report report;      /* QF_LOG_REPORT */
	int64_t time;                   /* QF_TIME_NONE where the line has none */
	struct qf_slice host, ident;
	long pid;                       /* -1: none */
	struct qf_slice id;             /* queue id; absent for what is about no message */
	struct qf_slice text;           /* after it */
	struct qf_slice sender;         /* with or without <>, as all addresses here */
	struct qf_slice message_id;
	struct qf_slice controller;     /* ctladdr= */
	struct qf_slice mailer, relay, dsn, reply, stat;
	struct qf_slice reason;         /* of quarantine, rejection, loss */
	const struct qf_slice *recipients; /* of a delivery none: whose line it is cannot be read */
	size_t nrecipients;
	const struct qf_slice *children; /* new ids: of a clone, a split, a report */
	size_t nchildren;
	int64_t size, nrcpts, tries;    /* -1: not said */
	int64_t delay;                  /* seconds since it was accepted; -1 */
	int64_t xdelay;                 /* of them those of this try; -1 */
	int64_t priority;               /* pri= of a delivery: when it was tried; -1 */
	int64_t mail_class;             /* class=, of its Precedence; 0 where not said */
	uint64_t line;                  /* of the file, from 1 */
	uint64_t offset;                /* of its first byte, uncompressed */
	unsigned lines;                 /* that it took */
	bool cut;                       /* the last line, without its end: it may be half written */
};

struct qf_log;

struct qf_log_options {
	int64_t reference;      /* no line is later; QF_TIME_NONE: last change of the file, or now */
	int zone;               /* seconds east of UTC that times without a zone have */
	bool have_zone;
	bool learned;           /* zone is what queue ids told before: further ones may correct it */
	int year;               /* of the first line; 0: found out */
	unsigned max_ops;       /* file operations a second; 0: no limit */
	bool growing;           /* a last line without its end is left for next time */
	const volatile int *cancel;
	/* To go on where a run before ended: qf_log_stats.offset, .lines, .last of that one. The file
	   must still begin with the same bytes: the caller's to check. */
	uint64_t offset, lines;
	int64_t last;
};

/* What lines showed; of several logs the union. For qf_log_level(). */
enum {
	QF_LOG_SAW_ANY = 1,            /* a line of sendmail */
	QF_LOG_SAW_ACCEPTED = 2,
	QF_LOG_SAW_REPORT = 4,
	QF_LOG_SAW_FAILED = 8,
	QF_LOG_SAW_SENT = 16,
	QF_LOG_SAW_DEFERRED = 32,      /* or queued, quarantined, a split */
	QF_LOG_SAW_CONNECT = 64,
	QF_LOG_SAW_DONE = 128,
	QF_LOG_SAW_COMMANDS = 256,     /* the SMTP dialogue */
	QF_LOG_SAW_LOCKED = 512,       /* or changed, too young */
	QF_LOG_SAW_STARTED = 1024,     /* how a daemon was started, or that it stops */
};

/* What one event shows: QF_LOG_SAW_*. */
unsigned qf_log_saw(const struct qf_log_event *event);

/* What a log can prove the absence of, by its level. X(identifier, word, LogLevel must be above) */
#define QF_LOG_PROOFS(X) \
	X(ACCEPTED, "accepted", 4) \
	X(DEFERRED, "deferred", 8) \
	X(SENT, "sent", 7) \
	X(RETURNED, "returned", 6) \
	X(DONE, "done", 9) \
	X(LOCKED, "locked", 19)

enum qf_log_proof {
#define X(id, word, above) QF_LOG_PROVES_##id,
	QF_LOG_PROOFS(X)
#undef X
	QF_LOG_PROOF_COUNT
};
const char *qf_log_proof_name(enum qf_log_proof proof);

struct qf_log_level {
	int low;                        /* at least: lines of that level are there */
	int high;                       /* at most, as it seems: lines that belong to them are not */
	unsigned cannot_prove;          /* 1u << QF_LOG_PROVES_*: all that low does not show */
};

/*
 * qf_log_level - the LogLevel a log seems to have been written at, from what was seen in it.
 * Origin: tried at LogLevel 0 to 30 on sendmail 8.17.1.9, see maillog_level.c.
 */
void qf_log_level(unsigned saw, struct qf_log_level *out);

struct qf_log_stats {
	uint64_t lines;                 /* read; with options.lines, all of the file so far */
	uint64_t events;
	uint64_t pieces;                /* lines that became one event with the line after them */
	uint64_t foreign;               /* of other programs: no event */
	uint64_t unparsed;              /* no line of a log at all, or too long: no event */
	uint64_t garbled;               /* of unparsed: with NULs, or too long: a file that was damaged */
	uint64_t strange;               /* of unparsed: a line of text that has no time */
	uint64_t lost;                  /* of foreign: by which a syslog daemon says that it lost lines */
	uint64_t undated;               /* events without a time */
	uint64_t kinds[QF_LOG_KIND_COUNT];
	uint64_t outcomes[QF_LOG_OUTCOME_COUNT];
	uint64_t bytes;                 /* of text, uncompressed, in this run */
	uint64_t offset;                /* of the first byte that was not taken */
	int64_t first, last;            /* earliest and latest time of an event */
	unsigned saw;                   /* QF_LOG_SAW_* */
	enum qf_log_by year_by, zone_by; /* the worst of all lines */
	int zone;                       /* the last one used */
	bool cut;                       /* it ends within a line, or its compressed data do */
};

/* Longest line that is looked at; of a log service, longest record. */
#define QF_LOG_LINE_MAX ((size_t)1 << 20)

/*
 * qf_log_open - read a mail log of sendmail.
 * path     a file; "-" for standard input. Plain, or compressed by gzip, zstd, xz, bzip2 where built
 *          with libarchive. In it, line by line and in any mixture: syslog with heads of RFC 3164,
 *          RFC 5424 or rsyslog's ISO times; text of `aws logs tail`; or JSON of
 *          `aws logs filter-log-events` (one document, or an object a line).
 * options  may be NULL.
 * Returns  QF_OK; QF_E_NOT_FOUND, QF_E_DENIED, QF_E_SYS; QF_E_DATA for a directory or the like;
 *          QF_E_UNAVAILABLE for compression that is not built in; QF_E_NOMEM.
 * qf_log_next - the next event; *event NULL at the end.
 * Returns  QF_OK; QF_E_DATA where compressed data are damaged (what came before was handed out);
 *          QF_E_SYS; QF_E_NOMEM; QF_E_INTERRUPTED.
 * Memory is bounded whatever the size of the log (some lines of QF_LOG_LINE_MAX). No input makes
 * it claim what was not logged: a line that can be read in two ways, as remote servers and senders
 * can write into it, has the outcome QF_LOG_IS_UNKNOWN.
 */
enum qf_code qf_log_open(const char *path, const struct qf_log_options *options,
			 struct qf_log **out, struct qf_err *err);
/* The same for bytes in memory, which must outlive it. */
enum qf_code qf_log_parse(struct qf_slice bytes, const char *name,
			  const struct qf_log_options *options, struct qf_log **out,
			  struct qf_err *err);
enum qf_code qf_log_next(struct qf_log *log, const struct qf_log_event **event,
			 struct qf_err *err);
void qf_log_stats(const struct qf_log *log, struct qf_log_stats *stats);
void qf_log_free(struct qf_log *log);
/* True when compressed logs can be read. */
bool qf_log_compression(void);
/*
 * qf_log_event_key - what makes an event the same in whatever file it stands (rotated, compressed,
 * exported): its time, and a hash of time, pid, id and text, keyed by n: how many events with the
 * same key came before it in its file.
 */
void qf_log_event_key(const struct qf_log_event *event, uint64_t n, unsigned char key[16]);

/* ---------------------------------------------------------------- salvage */

/* What becomes, or became, of a message. X(identifier, word users see) */
#define QF_SALVAGE_OUTCOMES(X) \
	X(MOVE, "move")         /* a plan */ \
	X(COPY, "copy") \
	X(SKIP, "skip") \
	X(MOVED, "moved")       /* done */ \
	X(COPIED, "copied") \
	X(SKIPPED, "skipped") \
	X(FAILED, "failed") \
	X(THERE, "there")       /* verified: at the target, as it was brought there */ \
	X(GONE, "gone")         /* it was there, and its sendmail has finished it */ \
	X(LEFT, "left")         /* at the source still, or claimed there */ \
	X(MISSING, "missing") \
	X(DOUBLED, "doubled")   /* at the target, and at the source */ \
	X(ALTERED, "altered")   /* at the target, and not what was brought there */

enum qf_salvage_outcome {
#define X(id, word) QF_SALVAGE_##id,
	QF_SALVAGE_OUTCOMES(X)
#undef X
	QF_SALVAGE_OUTCOME_COUNT
};

/* Why a message is not moved. X(identifier, word users see) */
#define QF_SALVAGE_WHYS(X) \
	X(NONE, "") \
	X(BUSY, "busy")         /* in delivery */ \
	X(DAMAGED, "damaged") \
	X(PRESENT, "present")   /* the target has it, or had it */ \
	X(EXPIRED, "expired")   /* and --expired=skip was asked for */ \
	X(CHANGED, "changed")   /* not what was planned, or changed under way */ \
	X(DENIED, "denied") \
	X(NO_SPACE, "no-space") \
	X(ERROR, "error") \
	X(GONE, "gone")         /* its sendmail finished it, or another run has it */ \
	X(MISSING, "missing")   /* these three: in verify, with the outcome of that name */ \
	X(DOUBLED, "doubled") \
	X(ALTERED, "altered") \
	X(CLAIMED, "claimed")   /* by a run whose lease is not over, or for another target */ \
	X(STOPPED, "stopped")   /* not begun: a signal, or the target takes no more */ \
	X(ABORTED, "aborted")   /* an export: put back */ \
	X(UNSIGNED, "unsigned") /* an export: the receipt does not name it; still claimed */ \
	X(DELIVERED, "delivered") /* or returned, to all its recipients, as a log shows */ \
	X(HELD, "held")         /* resubmit: release it first */ \
	X(REFUSED, "refused")   /* resubmit: by the server, for some or all; those are still queued */ \
	X(LACKS, "lacks")       /* resubmit: the server lacks what the message needs */ \
	X(MOVED_BACK, "moved-back") /* verify: by a run from the target to the source */ \
	X(ELSEWHERE, "elsewhere") /* verify: a later run has brought it to another queue */

enum qf_salvage_why {
#define X(id, word) QF_SALVAGE_WHY_##id,
	QF_SALVAGE_WHYS(X)
#undef X
	QF_SALVAGE_WHY_COUNT
};
const char *qf_salvage_outcome_name(enum qf_salvage_outcome outcome);
const char *qf_salvage_why_name(enum qf_salvage_why why);

/* What is done with messages that sendmail would return to their senders at once. */
enum qf_salvage_expired { QF_EXPIRED_HOLD, QF_EXPIRED_REFRESH, QF_EXPIRED_MOVE, QF_EXPIRED_SKIP };

/* One message. Strings live for the call; NULL for what is not known. */
struct qf_salvage_record {
	enum qf_salvage_outcome outcome;
	enum qf_salvage_why why;
	const char *detail;      /* more words: which call failed, what is wrong with it */
	const char *file;        /* name of the control file at the source */
	const char *id, *new_id; /* new_id: where the target had another message of that id */
	const char *from, *to;   /* directories */
	const char *as;          /* state it has there: "queued", "held", "lost" */
	bool expired;
	bool arrived;            /* present: a run brought it there, as a manifest of the target proves */
	int64_t bounce_at;       /* QF_TIME_NONE: never, or not known */
	int64_t bytes;           /* of both files; -1 */
	const char *sha_control; /* at the target; in a plan, at the source */
	const char *sha_data;
	const char *origin;      /* of creation time and sender: stays what it is */
};

struct qf_salvage_totals {
	char run[64];
	uint64_t planned, moved, there, gone, left, held;
	uint64_t skipped[QF_SALVAGE_WHY_COUNT], failed[QF_SALVAGE_WHY_COUNT];
	uint64_t missing, doubled, altered;
	uint64_t expired, renamed; /* of those to be moved */
	int64_t bytes;
	int64_t oldest_expired;    /* created; QF_TIME_NONE */
	uint64_t claims;           /* found at the source, of other runs */
};

/* What is known of both sides before anything is moved. */
struct qf_salvage_sides {
	uint64_t busy;             /* locks seen at the source */
	bool changing;             /* names in it changed between two looks */
	uint64_t claims;           /* of other runs, at the source */
	int64_t free_bytes;        /* at the target; -1 without a target */
	int64_t free_files;        /* -1 where its file system does not count */
	uint32_t uid, gid, mode;   /* that files will have there */
	bool apart;                /* source and target lie on different file systems */
	bool fleeting;             /* what lies there ends with the container, or at a reboot */
	/* Senders to whom what is past its return time would be returned, those with most messages first;
	   with options.counts_returns. They live as long as the salvage. */
	const struct qf_group_row *returns;
	size_t nreturns;
};

struct qf_salvage_options {
	const char *command;       /* "plan", "run", "resume", "verify" */
	const struct qf_query *query;         /* or NULL */
	/* Or NULL; which of those the query takes. Called in the thread that called the library. */
	bool (*wanted)(void *ctx, const struct qf_msg *msg);
	void *wanted_ctx;
	const struct qf_policy *policy;       /* of the target's sendmail: time-outs, QueueFileMode */
	enum qf_salvage_expired expired;
	bool copy;                 /* leave the source as it is */
	bool hold, due;
	/* Which of these were asked for in so many words: a saved plan that says otherwise is refused. */
	struct {
		bool expired, copy, hold, due;
	} says;
	const char *unhold;        /* the run whose holds of what is past its return time end; or NULL */
	bool retarget;             /* claims for another target too */
	const char *const *logs;   /* mail logs: what they show finished is skipped (qf_log_open()) */
	size_t nlogs;
	/* Is nobody owed it any more, by what the caller knows? Then it is skipped as delivered. Or NULL.
	   Called in the thread that called the library, for messages with their headers. */
	bool (*finished)(void *ctx, struct qf_msg *msg);
	void *finished_ctx;
	bool counts_returns;       /* count by sender what is past its return time: qf_salvage_sides */
	/* The directory a message of the source came from, by its id; NULL: where it lies. For a bundle. */
	const char *(*origin)(void *ctx, const char *id);
	void *origin_ctx;
	const char *as_run;        /* a copy from a bundle: what was imported from this export before is
	                              not imported again; NULL: what was copied here before */
	int64_t lease;             /* seconds */
	uint64_t limit;            /* messages; 0: no limit */
	unsigned rate;             /* messages a second; 0: no limit */
	unsigned jobs, max_ops;
	int64_t now;
	bool two_looks;            /* at the source, a second apart: is it changing */
	const volatile int *cancel;
	/* Called for each message, in the thread that called the library. May be NULL. */
	void (*report)(void *ctx, const struct qf_salvage_record *record);
	/* Called at least every few seconds while work goes on. May be NULL. */
	void (*progress)(void *ctx, const struct qf_salvage_totals *totals, uint64_t of);
	void *ctx;
};

struct qf_salvage;

/*
 * qf_salvage_new - get ready to bring messages from one queue to another.
 * to       NULL: only for a plan.
 * options  copied; what it points to must outlive the object, and so must the queues.
 * Returns  QF_OK; QF_E_USAGE where both are one queue; QF_E_DENIED, QF_E_SYS, QF_E_NOMEM.
 *
 * qf_salvage_look - read both sides and decide what becomes of each message. Reports each.
 * qf_salvage_save, qf_salvage_load - a plan as JSON lines; one that is loaded replaces the look, and
 * what has changed since is skipped; when it is run, what has arrived meanwhile or is finished by the
 * logs too. QF_E_DATA for what is no plan, not all of one, or one for other queues; QF_E_USAGE where
 * it says otherwise than the options.
 *
 * qf_salvage_run - do what was planned. Each message is claimed at the source (claim.h), brought
 * to the target, synced and read back, made visible there, and only then removed from the source.
 * qf_salvage_resume - finish, or start anew, what interrupted runs left: told from the two queues
 * alone.
 * qf_salvage_verify - account for every message of a run from both queues and its manifest.
 * manifest NULL: all those at the target that concern this source; else a file.
 * All return QF_OK when the work was done, whatever became of single messages; QF_E_INTERRUPTED
 * after a signal; QF_E_BUSY for a copy from a source that is in use.
 */
enum qf_code qf_salvage_new(struct qf_queue *from, struct qf_queue *to,
			    const struct qf_salvage_options *options, struct qf_salvage **out,
			    struct qf_err *err);
void qf_salvage_free(struct qf_salvage *salvage);
enum qf_code qf_salvage_look(struct qf_salvage *salvage, struct qf_err *err);
void qf_salvage_sides(const struct qf_salvage *salvage, struct qf_salvage_sides *sides);
enum qf_code qf_salvage_save(struct qf_salvage *salvage, const char *path, struct qf_err *err);
enum qf_code qf_salvage_load(struct qf_salvage *salvage, const char *path, struct qf_err *err);
enum qf_code qf_salvage_run(struct qf_salvage *salvage, struct qf_err *err);
enum qf_code qf_salvage_resume(struct qf_salvage *salvage, struct qf_err *err);
enum qf_code qf_salvage_verify(struct qf_salvage *salvage, const char *manifest,
			       struct qf_err *err);
/*
 * qf_salvage_export - claim what was planned (qf_salvage_look() without a target) and write it into a
 * bundle: "-", DIR/, FILE.tar, FILE.tar.zst (.gz, .xz). The claims stay until one of these:
 * qf_salvage_commit - release those that a receipt of an import names: their files are removed.
 * qf_salvage_abort - put back into the queue what is still claimed by that run.
 * Returns  as above; QF_E_DATA for what is no receipt, QF_E_NOT_FOUND where nothing of that run is
 *          claimed; QF_E_UNAVAILABLE without libarchive. Of an export that fails all is put back.
 */
enum qf_code qf_salvage_export(struct qf_salvage *salvage, const char *to, struct qf_err *err);
enum qf_code qf_salvage_commit(struct qf_salvage *salvage, const char *receipt, struct qf_err *err);
enum qf_code qf_salvage_abort(struct qf_salvage *salvage, const char *run, struct qf_err *err);

/*
 * qf_import_unpack - a bundle unpacked below .qf/import of a queue, each file verified, as a queue to
 * copy from with options.as_run; what imports that were killed left there is taken away.
 * from     FILE, DIR, or "-" for standard input.
 * cancel   or NULL; once it is set, nothing is imported: QF_E_INTERRUPTED.
 * Returns  QF_OK, also for a bundle that is cut off: then only the messages that came whole are there;
 *          QF_E_DATA for what is no bundle, or not in order: nothing is left of it.
 */
struct qf_import;
enum qf_code qf_import_unpack(struct qf_queue *to, const char *from, const volatile int *cancel,
			      struct qf_import **out, struct qf_err *err);
const char *qf_import_path(const struct qf_import *import); /* of the queue */
const char *qf_import_run(const struct qf_import *import);  /* of the export */
/* Why not all of it is there; NULL when it is. */
const char *qf_import_cut(const struct qf_import *import);
/* How many messages the manifest has; the place of an id among them, SIZE_MAX for an unknown one; the id of a
   place; and the sums it gives for one, false for an unknown id. */
size_t qf_import_n(const struct qf_import *import);
size_t qf_import_place(const struct qf_import *import, const char *id);
const char *qf_import_id(const struct qf_import *import, size_t place);
bool qf_import_sums(const struct qf_import *import, const char *id, char control[65],
		    char data[65]);
/* The directory a message was exported from; NULL for an unknown id. */
const char *qf_import_from(const struct qf_import *import, const char *id);
/* What was unpacked is taken away. */
void qf_import_free(struct qf_import *import);

/* What the logs were like; NULL when none was given. */
const struct qf_orphans_log *qf_salvage_log(const struct qf_salvage *salvage);
void qf_salvage_totals(const struct qf_salvage *salvage, struct qf_salvage_totals *totals);
/* planned = moved + skipped + failed; and how many are missing, doubled or altered. */
bool qf_salvage_adds_up(const struct qf_salvage_totals *totals);
uint64_t qf_salvage_unexplained(const struct qf_salvage_totals *totals);
/* One qf.salvage.total/1 object and a line end; sides NULL: without what is known of both sides. */
void qf_salvage_render_total(const char *command, const struct qf_salvage_totals *totals,
			     const struct qf_salvage_sides *sides,
			     const struct qf_redactor *redactor, struct qf_buf *out);
/* One qf.salvage/1 object and a line end. */
void qf_salvage_render(const char *command, const struct qf_salvage_record *record,
		       struct qf_buf *out);

/* ---------------------------------------------------------------- owners and modes */

/* How the directories and files of a queue should be. */
struct qf_perms {
	uid_t uid;
	gid_t gid;
	mode_t dir_mode;
	unsigned jobs;           /* questions in flight; 0: as the file system rewards */
};

/* What is wrong with one of them. X(identifier, what sendmail does, text) */
#define QF_PERMS_FAULTS(X) \
	X(DIR_OWNER, IGNORED, "directory of another owner") \
	X(DIR_GROUP, IGNORED, "directory of another group") \
	X(DIR_MODE, IGNORED, "directory of another mode") \
	X(DIR_WRITABLE, IGNORED, "directory writable by others") \
	X(FILE_OWNER, IGNORED, "file of another owner") \
	X(CONTROL_WRITABLE, LOST, "control file writable by group or others") \
	X(FILE_WRITABLE, IGNORED, "file writable by group or others") \
	X(FILE_READABLE, IGNORED, "file readable by others")

enum qf_perms_fault {
#define X(id, fate, text) QF_PERMS_##id,
	QF_PERMS_FAULTS(X)
#undef X
	QF_PERMS_COUNT
};

struct qf_perms_finding {
	enum qf_perms_fault fault;
	enum qf_fate fate;
	const char *text;
	size_t dir;
	enum qf_part part;       /* which of its folders */
	const char *folder;      /* path of it */
	const char *name;        /* of the file; "" for the directory itself; ".qf/journal" and the like */
	bool is_folder;
	uid_t uid;               /* as it is */
	gid_t gid;
	mode_t mode;
	nlink_t links;
	uid_t right_uid;         /* as it should be */
	gid_t right_gid;
	mode_t right_mode;
};

/*
 * qf_perms_check - every directory and file of one queue directory that is not as it should be: its
 * qf/, df/, xf/ too. Files are judged by what sendmail refuses (QueueFileMode of the policy) and by
 * who else can get at them; a file keeps its group, for sendmail gives it that of its process. Of
 * .qf/ it is what the next change of the queue would refuse.
 * take     called for each; returns false to stop.
 * *files   files looked at; may be NULL.
 * Returns  QF_OK; QF_E_DENIED, QF_E_SYS; QF_E_NOMEM.
 * Origin   sendmail/queue.c readqf(), the checks after the lock.
 */
enum qf_code qf_perms_check(struct qf_queue *queue, size_t dir, const struct qf_perms *right,
			    bool (*take)(void *ctx, const struct qf_perms_finding *finding),
			    void *ctx, uint64_t *files, struct qf_err *err);

/*
 * qf_perms_fix - set one of them right, by a descriptor of what was found: owner first, then mode.
 * A file with several names keeps its owner (QF_E_DENIED): they may lie elsewhere.
 * Returns  QF_OK; QF_E_GONE; QF_E_CHANGED (no longer what was found); QF_E_DENIED; QF_E_SYS.
 */
enum qf_code qf_perms_fix(struct qf_queue *queue, const struct qf_perms_finding *finding,
			  struct qf_err *err);

/*
 * qf_txn_fix_perms - the same, with how it was in the journal before, and what came of it behind.
 * Different findings may be set right by different threads at once.
 */
void qf_txn_fix_perms(struct qf_txn *txn, const struct qf_perms_finding *finding,
		      struct qf_outcome *outcome);

#ifdef __cplusplus
}
#endif
#endif
