/*
 * near - how far apart two words are, for "did you mean".
 */
#ifndef QF_LIBQF_NEAR_H
#define QF_LIBQF_NEAR_H

#include <stddef.h>

/* Single steps (a letter more, less, another one, or two changed over) between two short words,
   letters equal in either case; what is more than limit counts as limit + 1. */
size_t qf_word_distance(const char *a, size_t na, const char *b, size_t nb, size_t limit);

#endif
