/*
 * secret - the key of the hashes of --redact, one with the processes that are started for this one,
 * so that an address is called alike in all of them. It goes by their environment, which nobody else
 * sees, as $QF_REDACT_KEY: 64 hexadecimal digits.
 */
#ifndef QF_TOOLS_SECRET_H
#define QF_TOOLS_SECRET_H

#include <libqf/qf.h>

/* A redactor with the key that was handed on; with one of its own where none was, or it is none.
   The key is in the environment no more then. NULL when memory or randomness is not to be had. */
struct qf_redactor *secret_redactor(void);
/* Put a key into the environment for what is forked next, and keep it for secret_redactor(). False
   when memory or randomness is not to be had. */
bool secret_share(void);

#endif
