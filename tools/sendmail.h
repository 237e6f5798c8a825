/*
 * sendmail - the real one, run for one message at a time.
 */
#ifndef QF_TOOLS_SENDMAIL_H
#define QF_TOOLS_SENDMAIL_H

#include <libqf/qf.h>

/* The executable, found and held open. */
struct sendmail {
	const char *path;
	int fd;
};

/* path: of --sendmail, or NULL for the usual places. Returns 0, or an exit status with the failure
   said. sendmail_close() in either case. */
int sendmail_open(struct sendmail *sendmail, const char *path);
void sendmail_close(struct sendmail *sendmail);

/*
 * sendmail_run - run it and take in what it prints, on either output.
 * arguments  behind its name, to a NULL.
 * output     appended, at most SENDMAIL_SAID_MAX bytes; what is beyond is read and dropped.
 * Returns    false where it could not be run, with the reason in why.
 *
 * The process has another name than sendmail, so that a "pkill -x sendmail" passes it over, and a
 * process group of its own, so that an interrupt on the terminal does not reach a delivery under
 * way. Its time is its own: it is waited for, not killed.
 */
#define SENDMAIL_SAID_MAX ((size_t)1 << 20)
bool sendmail_run(const struct sendmail *sendmail, const char *const *arguments,
		  struct qf_buf *output, char why[128]);

#endif
