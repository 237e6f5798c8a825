/*
 * crew - a few threads that do one kind of thing to many things at once, so that a file system
 * that takes its time takes it for many.
 */
#ifndef QF_LIBQF_CREW_H
#define QF_LIBQF_CREW_H

#include <stddef.h>

struct qf_crew;

/* The caller is one of the hands. Fewer threads than asked for are no failure; hands 0 or 1: none.
   NULL when memory is out. */
struct qf_crew *qf_crew_new(unsigned hands);
void qf_crew_free(struct qf_crew *crew);
unsigned qf_crew_hands(const struct qf_crew *crew);
/* Call work(ctx, i) for each i below n, several at once, in no order. Returns when all are done. */
void qf_crew_each(struct qf_crew *crew, size_t n, void (*work)(void *ctx, size_t i), void *ctx);

#endif
