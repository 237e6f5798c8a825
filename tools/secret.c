/*
 * secret - the key of the hashes of --redact, handed on.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "secret.h"

#define NAME "QF_REDACT_KEY"

static struct {
	unsigned char bytes[32];
	bool known;
} key;

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_key(const char *text)
{
	if (strlen(text) != 2 * sizeof(key.bytes))
		return false;
	for (size_t i = 0; i < sizeof(key.bytes); i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key.bytes[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

struct qf_redactor *
secret_redactor(void)
{
	const char *text = getenv(NAME);

	if (text) {
		key.known = key.known || read_key(text);
		/* Not for sendmail, or whatever else is started. */
		unsetenv(NAME);
	}
	return key.known ? qf_redactor_new(key.bytes, sizeof(key.bytes)) : qf_redactor_new(NULL, 0);
}

bool
secret_share(void)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * sizeof(key.bytes) + 1] = "";

	key.known = key.known ||
		    getrandom(key.bytes, sizeof(key.bytes), 0) == (ssize_t)sizeof(key.bytes);
	for (size_t i = 0; i < sizeof(key.bytes); i++) {
		text[2 * i] = digits[key.bytes[i] >> 4];
		text[2 * i + 1] = digits[key.bytes[i] & 15];
	}
	return key.known && setenv(NAME, text, 1) == 0;
}
