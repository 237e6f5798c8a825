/*
 * words - operands of a command line as one text.
 */
#include <stdlib.h>
#include <string.h>

#include "words.h"

char *
words_join(char **words, size_t n)
{
	size_t length = 1;
	char *text, *at;

	for (size_t i = 0; i < n; i++)
		length += strlen(words[i]) + 1;
	at = text = malloc(length);
	if (!text)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (i)
			*at++ = ' ';
		at = stpcpy(at, words[i]);
	}
	*at = '\0';
	return text;
}
