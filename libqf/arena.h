/*
 * arena - memory that is freed at once: everything reachable from one message lives in one arena.
 * An arena belongs to one thread at a time.
 */
#ifndef QF_LIBQF_ARENA_H
#define QF_LIBQF_ARENA_H

#include "qf.h"

struct qf_arena_block;

/* Zero-initialise; qf_arena_release() frees. */
struct qf_arena {
	struct qf_arena_block *blocks; /* newest first */
	char *at;
	char *end;
};

/* n bytes, aligned for anything, not cleared; NULL when memory is out. */
void *qf_arena_alloc(struct qf_arena *arena, size_t n);
/* Room for n things of a size, its product checked. */
void *qf_arena_array(struct qf_arena *arena, size_t n, size_t size);
/* A copy of bytes with a NUL behind. p NULL when memory is out. */
struct qf_slice qf_arena_copy(struct qf_arena *arena, struct qf_slice bytes);
/* Forget all, but keep a first block of modest size for reuse. */
void qf_arena_clear(struct qf_arena *arena);
void qf_arena_release(struct qf_arena *arena);

#endif
