/*
 * audit_letters - flags as letters.
 */
#ifndef QF_TOOLS_AUDIT_LETTERS_H
#define QF_TOOLS_AUDIT_LETTERS_H

#include <libqf/qf.h>

#define AUDIT_LETTERS_MAX 33

/* Of QF_FLAGS and QF_RCPT_FLAGS, by their bits. */
extern const char audit_message_letters[], audit_recipient_letters[];
/* Letters of set bits, in the order of the table they come from. */
void audit_letters(unsigned flags, const char *all, char out[AUDIT_LETTERS_MAX]);
/* And back; what is none is passed over. */
unsigned audit_bits(struct qf_slice letters, const char *all);

#endif
