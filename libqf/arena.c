/*
 * arena - memory that is freed at once.
 */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

/* First block of an arena: a control file of usual size, its records and its rendering. */
#define BLOCK_FIRST ((size_t)8192)
/* Cleared arenas give back blocks larger than this, so that one huge message is not kept. */
#define BLOCK_KEPT ((size_t)65536)

struct qf_arena_block {
	struct qf_arena_block *next;
	size_t size; /* of bytes */
	alignas(max_align_t) char bytes[];
};

static bool
add_block(struct qf_arena *arena, size_t least)
{
	size_t size = arena->blocks ? arena->blocks->size * 2 : BLOCK_FIRST;
	struct qf_arena_block *block;

	if (size > BLOCK_KEPT * 16)
		size = BLOCK_KEPT * 16;
	if (size < least)
		size = least;
	if (size > SIZE_MAX - sizeof(*block))
		return false;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return false;
	block->size = size;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->at = block->bytes;
	arena->end = block->bytes + size;
	return true;
}

void *
qf_arena_alloc(struct qf_arena *arena, size_t n)
{
	const size_t align = alignof(max_align_t);
	void *p;

	if (n > SIZE_MAX - align)
		return NULL;
	n = (n + align - 1) / align * align;
	if (n > (size_t)(arena->end - arena->at) && !add_block(arena, n))
		return NULL;
	p = arena->at;
	arena->at += n;
	return p;
}

void *
qf_arena_array(struct qf_arena *arena, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size)
		return NULL;
	return qf_arena_alloc(arena, n * size);
}

struct qf_slice
qf_arena_copy(struct qf_arena *arena, struct qf_slice bytes)
{
	struct qf_slice copy = {NULL, 0};
	char *p;

	if (bytes.n == SIZE_MAX)
		return copy;
	p = qf_arena_alloc(arena, bytes.n + 1);
	if (!p)
		return copy;
	if (bytes.n)
		memcpy(p, bytes.p, bytes.n);
	p[bytes.n] = '\0';
	copy.p = p;
	copy.n = bytes.n;
	return copy;
}

void
qf_arena_clear(struct qf_arena *arena)
{
	struct qf_arena_block *block = arena->blocks;
	struct qf_arena_block *kept = NULL;

	while (block) {
		struct qf_arena_block *next = block->next;

		if (!kept && block->size <= BLOCK_KEPT)
			kept = block;
		else
			free(block);
		block = next;
	}
	arena->blocks = kept;
	arena->at = arena->end = NULL;
	if (kept) {
		kept->next = NULL;
		arena->at = kept->bytes;
		arena->end = kept->bytes + kept->size;
	}
}

void
qf_arena_release(struct qf_arena *arena)
{
	struct qf_arena_block *block = arena->blocks;

	while (block) {
		struct qf_arena_block *next = block->next;

		free(block);
		block = next;
	}
	*arena = (struct qf_arena){0};
}
