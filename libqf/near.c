/*
 * near - how far apart two words are, for "did you mean".
 */
#include <stdbool.h>

#include "near.h"

#define WORD_MAX 24

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t
qf_word_distance(const char *a, size_t na, const char *b, size_t nb, size_t limit)
{
	size_t rows[3][WORD_MAX + 1];

	if (na > WORD_MAX || nb > WORD_MAX)
		return limit + 1;
	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *now = rows[i % 3], *before = rows[(i + 2) % 3];

		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			now[j] = least(before[j] + 1, now[j - 1] + 1);
			now[j] = least(now[j], before[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				now[j] = least(now[j], rows[(i + 1) % 3][j - 2] + 1);
		}
	}
	return least(rows[na % 3][nb], limit + 1);
}
