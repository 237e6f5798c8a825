/*
 * sorter - filters, sorts and counts the rows of a picture in a thread of its own, so that a key is
 * answered at once however many messages there are.
 */
#ifndef QF_TUI_SORTER_H
#define QF_TUI_SORTER_H

#include "picture.h"

/* Ages of a group: counted up to each of these seconds, and the rest. */
#define TUI_AGES 5
extern const int64_t tui_ages[TUI_AGES];
/* "15m", "1h"; of the rest "older". */
extern const char *const tui_age_names[TUI_AGES + 1];

struct tui_group {
	char *key;
	size_t key_n;
	uint64_t messages, size;
	int64_t oldest;           /* created; QF_TIME_NONE */
	uint64_t ages[TUI_AGES + 1];
};

/* What is wanted. Strings are the request's own. */
struct tui_request {
	unsigned list;            /* for whom: handed back */
	unsigned serial;          /* the same */
	struct tui_picture *picture;
	const char *base;         /* a filter of the view, "" for none; static */
	char *filter;             /* the user's, or NULL */
	const struct qf_field *by;    /* count by it; "age" counts by age; NULL: list messages */
	const struct qf_field *sort;
	bool descending;
	bool holders;                 /* say who works on each */
	const struct qf_field *inside; /* only those in the group of that field .. */
	char *key;                     /* .. with that key */
	size_t key_n;
	int64_t now;
};

struct tui_order {
	unsigned list, serial;
	struct tui_picture *picture;  /* shared: the one that index is of */
	uint32_t *index;              /* rows in their order */
	size_t n;
	struct tui_group *groups;
	size_t ngroups;
	bool grouped;
	char **holders;               /* of the first nholders rows; NULL where nobody is known */
	size_t nholders;
	char failure[200];            /* a filter that could not be applied, or empty */
};
void tui_order_free(struct tui_order *order);
void tui_request_release(struct tui_request *request);

/* One change as the journal has it; NULL for what is not there. */
struct tui_entry {
	char *entry, *user, *command, *id, *result, *note, *why;
	int64_t time;
	enum qf_undo undo;
};
struct tui_journal {
	struct tui_entry *entries;    /* newest first */
	size_t n;
	char failure[200];
	bool known;
};
void tui_journal_release(struct tui_journal *journal);

struct tui_sorter;

/* queue and policy are the sorter's alone; journal is its folder, or NULL. post takes the order
   over, in the sorter's thread. */
struct tui_sorter *tui_sorter_new(struct qf_queue *queue, const struct qf_policy *policy,
				  const char *journal,
				  void (*post)(void *ctx, struct tui_order *order),
				  void (*post_journal)(void *ctx, struct tui_journal *journal),
				  void *ctx);
/* Takes the request over; what was asked before and is not begun is forgotten. urgent: what is
   begun is given up too, as nobody wants it any more. */
void tui_sorter_ask(struct tui_sorter *sorter, struct tui_request *request, bool urgent);
/* Read the journal too, when there is time; post_journal takes it over, in the sorter's thread. */
void tui_sorter_ask_journal(struct tui_sorter *sorter);
void tui_sorter_free(struct tui_sorter *sorter);

/* One request, here and now: what the thread does. cancel may be NULL. */
struct tui_order *tui_sort(struct qf_queue *queue, const struct qf_policy *policy,
			   const struct tui_request *request, const volatile int *cancel);

#endif
