/*
 * smtp - a client's side of SMTP. libcurl connects, speaks TLS and authenticates; the dialogue
 * behind that is ours, for it has no DSN parameters, and does not tell who was refused.
 */
#ifndef QF_TOOLS_SMTP_H
#define QF_TOOLS_SMTP_H

#include <libqf/qf.h>

struct smtp_options {
	const char *server; /* HOST:PORT; port 465, or smtps://HOST:PORT, is TLS from the start */
	const char *user;   /* or NULL; then never in clear */
	const char *password;
	const char *name; /* ours, for EHLO */
};

struct smtp;

/* What the server can do. */
struct smtp_server {
	bool eightbit, utf8, dsn;
	int64_t size; /* its limit; 0: none that it says */
};

/* A line of an answer is enough for people. */
#define SMTP_TEXT 256

bool smtp_available(void);
/* Connect. NULL, and why. */
struct smtp *smtp_open(const struct smtp_options *options, char why[SMTP_TEXT]);
const struct smtp_server *smtp_server(const struct smtp *smtp);
/* Is the connection gone, or closed by an answer 421? */
bool smtp_is_gone(const struct smtp *smtp);
/* Nothing more is said: what was begun, and not ended, is not accepted. */
void smtp_give_up(struct smtp *smtp);
/* One command; its code, 0 where the connection is gone. text takes the answer's last line. */
int smtp_command(struct smtp *smtp, const char *command, char text[SMTP_TEXT]);
/* Lines of a message, whose ends are LF: they get CR LF, and dots are doubled. False: it is gone.
 */
bool smtp_put(struct smtp *smtp, struct qf_slice bytes);
/* The dot behind it; the code as of a command. */
int smtp_end(struct smtp *smtp, char text[SMTP_TEXT]);
void smtp_close(struct smtp *smtp);

#endif
