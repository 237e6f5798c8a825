/*
 * audit_set - a set of hashes, in an open table.
 */
#include <stdlib.h>
#include <string.h>

#include "audit_index.h"

/* FNV-1a, finished: for tables, not for proofs. */
uint64_t
audit_hash(const void *bytes, size_t n, uint64_t seed)
{
	const unsigned char *p = bytes;
	uint64_t hash = 14695981039346656037u ^ seed;

	while (n-- > 0)
		hash = (hash ^ *p++) * 1099511628211u;
	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

static void
put(uint64_t *slots, size_t room, uint64_t hash)
{
	size_t at = hash & (room - 1);

	while (slots[at] && slots[at] != hash)
		at = (at + 1) & (room - 1);
	slots[at] = hash;
}

bool
audit_set_add(struct audit_set *set, uint64_t hash)
{
	hash += hash == 0;
	if (set->n * 2 >= set->room) {
		size_t room = set->room ? set->room * 2 : 1024;
		uint64_t *slots = calloc(room, sizeof(*slots));

		if (!slots)
			return false;
		for (size_t i = 0; i < set->room; i++)
			if (set->slots[i])
				put(slots, room, set->slots[i]);
		free(set->slots);
		set->slots = slots;
		set->room = room;
	}
	if (!audit_set_has(set, hash)) {
		put(set->slots, set->room, hash);
		set->n++;
	}
	return true;
}

bool
audit_set_has(const struct audit_set *set, uint64_t hash)
{
	size_t at;

	if (!set->n)
		return false;
	hash += hash == 0;
	for (at = hash & (set->room - 1); set->slots[at]; at = (at + 1) & (set->room - 1))
		if (set->slots[at] == hash)
			return true;
	return false;
}

void
audit_set_release(struct audit_set *set)
{
	free(set->slots);
	*set = (struct audit_set){0};
}
