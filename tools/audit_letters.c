/*
 * audit_letters - flags as the letters that control files have for them: so the database has them.
 */
#include <string.h>

#include "audit_letters.h"

const char audit_message_letters[] = {
#define X(id, letter, name, help) letter,
	QF_FLAGS(X)
#undef X
		'\0'};
const char audit_recipient_letters[] = {
#define X(id, letter, help) letter,
	QF_RCPT_FLAGS(X)
#undef X
		'\0'};
_Static_assert(sizeof(audit_message_letters) <= AUDIT_LETTERS_MAX &&
	       sizeof(audit_recipient_letters) <= AUDIT_LETTERS_MAX, "letters");

void
audit_letters(unsigned flags, const char *all, char out[AUDIT_LETTERS_MAX])
{
	for (unsigned i = 0; all[i]; i++)
		if (flags & 1u << i)
			*out++ = all[i];
	*out = '\0';
}

unsigned
audit_bits(struct qf_slice letters, const char *all)
{
	unsigned set = 0;

	for (size_t i = 0; i < letters.n; i++) {
		const char *at = letters.p[i] ? strchr(all, letters.p[i]) : NULL;

		if (at)
			set |= 1u << (at - all);
	}
	return set;
}
