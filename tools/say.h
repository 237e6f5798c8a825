/*
 * say - what goes to standard error, in one form: "qf: COMMAND: what: why".
 */
#ifndef QF_TOOLS_SAY_H
#define QF_TOOLS_SAY_H

#include <libqf/qf.h>

/* The command in hand, named in each message; NULL before there is one. */
void say_command(const char *name);
/* -v and -q: 1 says more, -1 errors only. */
void say_level(int level);
int say_verbosity(void);

/* An error. Text from outside is made safe for a terminal. */
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A failure of the library. Returns the exit status that goes with it. */
int say_failure(const struct qf_err *err);
/* Names a message whose control file cannot be read, of which little is known. False: it could be. */
bool say_unreadable(const struct qf_msg *msg);
/* Told unless -q. */
void say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Told with -v. */
void say_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The last error told since say_forget(), without "qf: COMMAND: "; NULL for none. */
const char *say_last(void);
void say_forget(void);
/* For programs whose output ends in the log of a mail server: nothing that is told looks like what
   alarms search there ("stat=Deferred", "dsn=5"). */
void say_unlike_log(bool wanted);
/* The same done to bytes in place. */
void say_mask(char *bytes, size_t n);

#endif
