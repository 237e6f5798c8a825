/*
 * fuzz - what the fuzz targets share. A target is one file with one LLVMFuzzerTestOneInput(). It
 * links with libFuzzer (make fuzz), or with replay.c, which runs kept inputs without it.
 */
#ifndef QF_FUZZ_H
#define QF_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libqf/qf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A promise of the library; not kept, the input is a find. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The instant everything is reckoned from, so that an input does the same on every day. */
#define FUZZ_NOW ((int64_t)1795331667)

static inline struct qf_slice
fuzz_slice(const uint8_t *data, size_t n)
{
	return (struct qf_slice){.p = (const char *)data, .n = n};
}

#endif
