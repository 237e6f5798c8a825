/*
 * smtp - a client's side of SMTP, behind libcurl's connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "curl_late.h"
#include "signals.h"
#include "smtp.h"

/* Seconds for one answer; RFC 5321, 4.5.3.2 has 10 minutes behind the dot. */
#define ANSWER_MOST 120
#define END_MOST 600
/* Seconds that are left once a signal has come: what the server has in hand may be done in a moment,
   and without its answer nobody knows. */
#define GRACE 3
#define SLICE 200 /* ms */
#define BLOCK 16384
/* RFC 5321, 3.8: with this answer, to whatever command, the server closes the connection. */
#define CLOSES 421

struct smtp {
#if HAVE_CURL
	const struct curl_late *lib;
	CURL *curl;
#endif
	struct smtp_server server;
	char in[4096]; /* answers not yet read */
	size_t n;
	char out[BLOCK];
	size_t nout;
	bool open, gone, at_start; /* at_start of a line */
	time_t over_at;            /* a signal has come; 0: none */
};

bool
smtp_available(void)
{
	return HAVE_CURL;
}

#if HAVE_CURL

static bool
has_time(struct smtp *smtp)
{
	struct timespec now;

	if (!signals_caught())
		return true;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!smtp->over_at)
		smtp->over_at = now.tv_sec + GRACE;
	return now.tv_sec < smtp->over_at;
}

static bool
wait_for(struct smtp *smtp, short what, int seconds)
{
	struct pollfd pollfd = {.events = what};
	curl_socket_t socket;

	if (smtp->lib->getinfo(smtp->curl, CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK)
		return false;
	pollfd.fd = (int)socket;
	for (int ms = seconds * 1000; ms > 0 && has_time(smtp); ms -= SLICE) {
		int ready = poll(&pollfd, 1, SLICE);

		if (ready > 0 || (ready < 0 && errno != EINTR))
			return ready > 0;
	}
	return false;
}

static bool
send_all(struct smtp *smtp, const char *bytes, size_t n)
{
	while (n && !smtp->gone) {
		size_t sent = 0;
		CURLcode code;

		smtp->gone = !has_time(smtp);
		if (smtp->gone)
			break;
		code = smtp->lib->send(smtp->curl, bytes, n, &sent);

		bytes += sent;
		n -= sent;
		if (code == CURLE_AGAIN ? !wait_for(smtp, POLLOUT, ANSWER_MOST) : code != CURLE_OK)
			smtp->gone = true;
	}
	return !smtp->gone;
}

/* One line of an answer, without its end. False: it is gone. */
static bool
read_line(struct smtp *smtp, char *line, size_t room, int seconds)
{
	for (;;) {
		char *end = memchr(smtp->in, '\n', smtp->n);
		size_t got = 0, n;
		CURLcode code;

		if (end || smtp->n == sizeof(smtp->in)) {
			n = end ? (size_t)(end - smtp->in) : smtp->n;
			snprintf(line, room, "%.*s",
				 (int)(n && smtp->in[n - 1] == '\r' ? n - 1 : n), smtp->in);
			n += end != NULL;
			smtp->n -= n;
			memmove(smtp->in, smtp->in + n, smtp->n);
			return true;
		}
		code = smtp->lib->recv(smtp->curl, smtp->in + smtp->n, sizeof(smtp->in) - smtp->n,
				       &got);
		smtp->n += got;
		if (code == CURLE_AGAIN ? !wait_for(smtp, POLLIN, seconds)
					: code != CURLE_OK || !got) {
			smtp->gone = true;
			return false;
		}
	}
}

static void
note_ability(struct smtp *smtp, const char *word)
{
	struct smtp_server *server = &smtp->server;

	if (strncasecmp(word, "8BITMIME", 8) == 0)
		server->eightbit = true;
	else if (strncasecmp(word, "SMTPUTF8", 8) == 0)
		server->utf8 = true;
	else if (strcasecmp(word, "DSN") == 0)
		server->dsn = true;
	else if (strncasecmp(word, "SIZE ", 5) == 0)
		server->size = atoll(word + 5);
}

static int
read_answer(struct smtp *smtp, char text[SMTP_TEXT], bool abilities, int seconds)
{
	char line[1024];

	do {
		if (!read_line(smtp, line, sizeof(line), seconds)) {
			snprintf(text, SMTP_TEXT, "the connection is gone");
			return 0;
		}
		if (abilities && strlen(line) > 4)
			note_ability(smtp, line + 4);
	} while (strlen(line) > 3 && line[3] == '-');
	snprintf(text, SMTP_TEXT, "%.250s", line);
	smtp->gone = atoi(line) == CLOSES;
	return atoi(line);
}

static int
converse(struct smtp *smtp, const char *command, bool abilities, char text[SMTP_TEXT])
{
	if (!send_all(smtp, command, strlen(command)) || !send_all(smtp, "\r\n", 2)) {
		snprintf(text, SMTP_TEXT, "the connection is gone");
		return 0;
	}
	return read_answer(smtp, text, abilities, ANSWER_MOST);
}

int
smtp_command(struct smtp *smtp, const char *command, char text[SMTP_TEXT])
{
	return converse(smtp, command, false, text);
}

static bool
flush(struct smtp *smtp)
{
	bool ok = send_all(smtp, smtp->out, smtp->nout);

	smtp->nout = 0;
	return ok;
}

static void
put_byte(struct smtp *smtp, char c)
{
	if (smtp->nout == sizeof(smtp->out))
		flush(smtp);
	smtp->out[smtp->nout++] = c;
}

bool
smtp_put(struct smtp *smtp, struct qf_slice bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];

		if (smtp->at_start && c == '.')
			put_byte(smtp, '.');
		if (c == '\n')
			put_byte(smtp, '\r');
		put_byte(smtp, c);
		smtp->at_start = c == '\n';
	}
	return !smtp->gone;
}

int
smtp_end(struct smtp *smtp, char text[SMTP_TEXT])
{
	if (!smtp->at_start)
		smtp_put(smtp, (struct qf_slice){"\n", 1});
	for (const char *c = ".\r\n"; *c; c++)
		put_byte(smtp, *c);
	if (!flush(smtp)) {
		snprintf(text, SMTP_TEXT, "the connection is gone");
		return 0;
	}
	return read_answer(smtp, text, false, END_MOST);
}

/* libcurl asks about once a second whether to go on. */
static int
is_over(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)ctx, (void)a, (void)b, (void)c, (void)d;
	return signals_caught() != 0;
}

/* Connect, TLS, authentication: all that is libcurl's. */
static CURLcode
connect_to(struct smtp *smtp, const struct smtp_options *options, char why[CURL_ERROR_SIZE])
{
	const struct curl_late *lib = smtp->lib;
	const char *host = options->server, *colon, *roots = getenv("SSL_CERT_FILE");
	bool tls = strncmp(host, "smtps://", 8) == 0;
	char url[600];

	if (strncmp(host, "smtp", 4) == 0 && strstr(host, "://"))
		host = strstr(host, "://") + 3;
	colon = strrchr(host, ':');
	tls = tls || (colon && strcmp(colon, ":465") == 0);
	snprintf(url, sizeof(url), "smtp%s://%.300s/%.200s", tls ? "s" : "", host, options->name);
	lib->setopt(smtp->curl, CURLOPT_URL, url);
	lib->setopt(smtp->curl, CURLOPT_CONNECT_ONLY, 1L);
	lib->setopt(smtp->curl, CURLOPT_NOSIGNAL, 1L);
	lib->setopt(smtp->curl, CURLOPT_CONNECTTIMEOUT, 30L);
	lib->setopt(smtp->curl, CURLOPT_ERRORBUFFER, why);
	lib->setopt(smtp->curl, CURLOPT_NOPROGRESS, 0L);
	lib->setopt(smtp->curl, CURLOPT_XFERINFOFUNCTION, is_over);
	if (roots)
		lib->setopt(smtp->curl, CURLOPT_CAINFO, roots);
	if (options->user) {
		/* The password never goes in clear, nor to somebody else. */
		lib->setopt(smtp->curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
		lib->setopt(smtp->curl, CURLOPT_USERNAME, options->user);
		lib->setopt(smtp->curl, CURLOPT_PASSWORD, options->password);
	} else if (!tls) {
		/* Mail between servers: with TLS where it is offered, whoever signs it. */
		lib->setopt(smtp->curl, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
		lib->setopt(smtp->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		lib->setopt(smtp->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return lib->perform(smtp->curl);
}

struct smtp *
smtp_open(const struct smtp_options *options, char why[SMTP_TEXT])
{
	const struct curl_late *lib = curl_late();
	struct smtp *smtp = lib ? calloc(1, sizeof(*smtp)) : NULL;
	char error[CURL_ERROR_SIZE] = "", hello[300];
	CURLcode code;

	if (!smtp) {
		snprintf(why, SMTP_TEXT, lib ? "out of memory" : "libcurl is not there");
		return NULL;
	}
	smtp->lib = lib;
	smtp->at_start = true;
	smtp->curl = lib->init();
	code = smtp->curl ? connect_to(smtp, options, error) : CURLE_OUT_OF_MEMORY;
	if (code != CURLE_OK) {
		snprintf(why, SMTP_TEXT, "%.250s", error[0] ? error : lib->error(code));
	} else {
		/* Once more: what it can do was told to libcurl, not to us. */
		snprintf(hello, sizeof(hello), "EHLO %.250s", options->name);
		smtp->open = converse(smtp, hello, true, why) / 100 == 2;
		if (smtp->open)
			return smtp;
	}
	smtp_close(smtp);
	return NULL;
}

void
smtp_close(struct smtp *smtp)
{
	char text[SMTP_TEXT];

	if (!smtp)
		return;
	if (smtp->curl) {
		if (!smtp->gone && smtp->open)
			converse(smtp, "QUIT", false, text);
		smtp->lib->cleanup(smtp->curl);
	}
	free(smtp);
}

#else

struct smtp *
smtp_open(const struct smtp_options *options, char why[SMTP_TEXT])
{
	(void)options;
	snprintf(why, SMTP_TEXT, "built without libcurl");
	return NULL;
}

int
smtp_command(struct smtp *smtp, const char *command, char text[SMTP_TEXT])
{
	(void)smtp, (void)command, (void)text;
	return 0;
}

bool
smtp_put(struct smtp *smtp, struct qf_slice bytes)
{
	(void)smtp, (void)bytes;
	return false;
}

int
smtp_end(struct smtp *smtp, char text[SMTP_TEXT])
{
	(void)smtp, (void)text;
	return 0;
}

void
smtp_close(struct smtp *smtp)
{
	(void)smtp;
}

#endif

bool
smtp_is_gone(const struct smtp *smtp)
{
	return smtp->gone;
}

void
smtp_give_up(struct smtp *smtp)
{
	smtp->gone = true;
}

const struct smtp_server *
smtp_server(const struct smtp *smtp)
{
	return &smtp->server;
}
