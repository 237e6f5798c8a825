/*
 * maillog - the mail log: what its parts share. maillog_input.c: bytes to lines; maillog_aws.c:
 * JSON records to lines; maillog_head.c: the head of a line; maillog_clock.c: its time;
 * maillog_fields.c: the text of sendmail; maillog_level.c: what all of it proves.
 */
#ifndef QF_LIBQF_MAILLOG_H
#define QF_LIBQF_MAILLOG_H

#include "arena.h"
#include "sys.h"

/* ------------------------------------------------------------------ lines */

struct qf_log_input;

/* Bytes of a path, of a descriptor taken over, or of memory; decompressed. */
enum qf_code qf_log_input_open(const char *path, unsigned max_ops, struct qf_log_input **out,
			       struct qf_err *err);
enum qf_code qf_log_input_memory(struct qf_slice bytes, struct qf_log_input **out,
				 struct qf_err *err);
void qf_log_input_free(struct qf_log_input *input);
/* Last change of the file; QF_TIME_NONE for what is none. */
int64_t qf_log_input_mtime(const struct qf_log_input *input);
/* Go to an offset of the decompressed bytes; before anything is read. */
enum qf_code qf_log_input_skip(struct qf_log_input *input, uint64_t offset, struct qf_err *err);
/* Make more bytes available behind those that are. *more false at the end. */
enum qf_code qf_log_input_more(struct qf_log_input *input, bool *more, struct qf_err *err);
/* The bytes that were read and not yet taken; valid until more are asked for. */
struct qf_slice qf_log_input_bytes(const struct qf_log_input *input);
void qf_log_input_take(struct qf_log_input *input, size_t n);
/* Offset of the first byte not taken. */
uint64_t qf_log_input_offset(const struct qf_log_input *input);
/* The compressed data ended too early. */
bool qf_log_input_cut(const struct qf_log_input *input);

/* ------------------------------------------------------------------ records of a log service */

/* What stands in one record. message lives in scratch. */
struct qf_log_record {
	int64_t time; /* seconds; QF_TIME_NONE */
	struct qf_slice message;
};

/*
 * The next JSON object that holds no other one, in bytes. Returns its length with what stands
 * before it and sets *object to it; 0 when there is none to the end (*keep: where one may have
 * begun).
 */
size_t qf_log_object(struct qf_slice bytes, struct qf_slice *object, size_t *keep);
/* False where it is no record with a message. */
bool qf_log_record_read(struct qf_slice object, struct qf_buf *scratch,
			struct qf_log_record *record);

/* ------------------------------------------------------------------ heads */

struct qf_log_heads; /* compiled patterns and working memory */
struct qf_log_heads *qf_log_heads_new(void);
void qf_log_heads_free(struct qf_log_heads *heads);

/* A line, taken apart up to the text of the program. */
struct qf_log_head {
	bool dated;
	bool has_year, has_zone;
	int64_t local;	/* seconds, as if it were UTC and (without a year) in year 0 */
	unsigned month; /* 1..12, as the year may have to be found */
	unsigned day;
	unsigned second_of_day;
	int zone; /* seconds east */
	struct qf_slice host, ident;
	long pid;
	struct qf_slice text;
};

/*
 * Returns false for what is no line of a log. export_time: what an outer time said, for a line
 * within a line (`aws logs tail`); left alone where there is none.
 */
bool qf_log_head_read(struct qf_log_heads *heads, struct qf_slice line, bool bare,
		      struct qf_log_head *head, struct qf_log_head *outer);

/* ------------------------------------------------------------------ times */

struct qf_log_clock {
	int64_t reference;
	int year; /* of times without one; 0: not known yet */
	bool given_year, given_zone, by_ids;
	int zone;
	int64_t previous; /* local time of the line before; QF_TIME_NONE */
	int64_t before;	  /* the same of any line with a time, whether it has a year or not */
	unsigned later;	  /* messages in a row that say the zone is further east */
	int64_t rest; /* how long after the making of its id the message that told the zone came */
	int64_t change; /* with summer time: local time of the line that is the first of it */
	int64_t leap;	/* by so much it is later than the one before */
	int next; /* the zone of the accepted message after this; as zone where none is known */
	enum qf_log_by year_by, zone_by;
};

void qf_log_clock_init(struct qf_log_clock *clock, const struct qf_log_options *options,
		       int64_t mtime);
/* The time of a line; export: that of the record around it, or QF_TIME_NONE. */
int64_t qf_log_clock_time(struct qf_log_clock *clock, const struct qf_log_head *head,
			  int64_t export_time);
/* A message was accepted at that line: its id tells the time. Before qf_log_clock_time(). */
void qf_log_clock_learn(struct qf_log_clock *clock, const struct qf_log_head *head,
			struct qf_slice id);
/*
 * Does it tell that summer time began, in *zone? So does one that took an hour in coming; but then
 * the next one denies that zone, whose id would be later than its line.
 */
bool qf_log_clock_summer(struct qf_log_clock *clock, const struct qf_log_head *head,
			 struct qf_slice id, int *zone);
bool qf_log_clock_denies(struct qf_log_clock *clock, const struct qf_log_head *head,
			 struct qf_slice id, int zone);
/* The same of one of the first lines, before any is read. False: no more of them are of use. */
bool qf_log_clock_sample(struct qf_log_clock *clock, const struct qf_log_head *head,
			 struct qf_slice id);
/*
 * The same of the next such line. True where summer time begins before it: qf_log_clock_between()
 * is then to be called for each line up to it, with *local that of the one before.
 */
bool qf_log_clock_expect(struct qf_log_clock *clock, const struct qf_log_head *head,
			 struct qf_slice id);
void qf_log_clock_between(struct qf_log_clock *clock, const struct qf_log_head *head,
			  int64_t *local);

/* ------------------------------------------------------------------ sendmail's text */

/* Memory for one event. */
struct qf_log_fields {
	struct qf_arena arena;
	struct qf_buf plain; /* the text without escapes */
};

/* True where text begins with a queue id and ": " or "[". */
bool qf_log_id(struct qf_slice text, struct qf_slice *id);
/*
 * Fill event from head.text. False: not of sendmail. event->kind OTHER only where the program is
 * named like sendmail. QF_E_NOMEM is told by *nomem.
 */
bool qf_log_fields_read(struct qf_log_fields *fields, const struct qf_log_head *head,
			struct qf_log_event *event, bool *nomem);

#endif
