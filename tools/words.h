/*
 * words - operands of a command line as one text.
 */
#ifndef QF_TOOLS_WORDS_H
#define QF_TOOLS_WORDS_H

#include <stddef.h>

/* The words with blanks between; the caller's. NULL when memory is out. */
char *words_join(char **words, size_t n);

#endif
