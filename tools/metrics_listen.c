/*
 * metrics_listen - the figures over HTTP, for who scrapes.
 *
 * libmicrohttpd is loaded when it is wanted: it brings a TLS library, which nobody else needs.
 */
#include "confine.h"
#include "metrics_listen.h"
#include "say.h"
#include "signals.h"
#include "status.h"

#if defined(QF_WITH_MICROHTTPD) && !defined(QF_STATIC)
#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_CONNECTIONS 16u
#define IDLE_SECONDS 30u

bool
metrics_listen_available(void)
{
	return true;
}

static struct {
	struct MHD_Daemon *(*start)(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback accept,
				    void *accept_ctx, MHD_AccessHandlerCallback handler, void *ctx,
				    ...);
	void (*stop)(struct MHD_Daemon *daemon);
	struct MHD_Response *(*response)(size_t n, void *bytes, enum MHD_ResponseMemoryMode mode);
	enum MHD_Result (*header)(struct MHD_Response *response, const char *name, const char *value);
	enum MHD_Result (*queue)(struct MHD_Connection *connection, unsigned status,
				 struct MHD_Response *response);
	void (*destroy)(struct MHD_Response *response);
} lib;

static bool
load(void)
{
	const struct {
		void *pointer;
		const char *name;
	} functions[] = {
		{&lib.start, "MHD_start_daemon"},
		{&lib.stop, "MHD_stop_daemon"},
		{&lib.response, "MHD_create_response_from_buffer"},
		{&lib.header, "MHD_add_response_header"},
		{&lib.queue, "MHD_queue_response"},
		{&lib.destroy, "MHD_destroy_response"},
	};
	void *handle = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; handle && i < sizeof(functions) / sizeof(*functions); i++) {
		void *found = dlsym(handle, functions[i].name);

		if (!found)
			return false;
		memcpy(functions[i].pointer, &found, sizeof(found));
	}
	return handle != NULL;
}

struct server {
	void (*make)(void *ctx, struct qf_buf *page);
	void *ctx;
};

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status, const char *type, const char *bytes,
       size_t n)
{
	struct MHD_Response *response = lib.response(n, (void *)bytes, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	lib.header(response, "Content-Type", type);
	result = lib.queue(connection, status, response);
	lib.destroy(response);
	return result;
}

/* Called by the one thread of the library. */
static enum MHD_Result
handle(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
       const char *protocol, const char *body, size_t *nbody, void **state)
{
	static const char plain[] = "text/plain; charset=utf-8", *const elsewhere = "see /metrics\n";
	const struct server *server = ctx;
	static int seen;
	struct qf_buf page = {0};
	enum MHD_Result result;

	(void)protocol, (void)body;
	/* First come the headers; what is sent with them is passed over. */
	if (!*state || *nbody) {
		*state = &seen;
		*nbody = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, plain, elsewhere,
			      strlen(elsewhere));
	if (strcmp(url, "/metrics"))
		return answer(connection, MHD_HTTP_NOT_FOUND, plain, elsewhere, strlen(elsewhere));
	server->make(server->ctx, &page);
	if (page.failed || !page.n)
		result = answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, plain, "", 0);
	else
		result = answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
				page.p, page.n);
	qf_buf_release(&page);
	return result;
}

/* host NULL: every address. False where it is no address. */
static bool
split(char *text, const char **host, const char **port)
{
	char *colon = strrchr(text, ':'), *close = strrchr(text, ']');

	*host = "localhost";
	*port = text;
	if (!colon)
		return *text != '\0';
	*colon = '\0';
	*port = colon + 1;
	*host = *text ? text : NULL;
	if (*text == '[') {
		if (!close || close[1])
			return false;
		*close = '\0';
		*host = text + 1;
	} else if (strchr(text, ':')) {
		return false; /* an IPv6 address has brackets */
	}
	return **port != '\0';
}

static void
say_where(int fd)
{
	struct sockaddr_storage address;
	socklen_t n = sizeof(address);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *)&address, &n) == 0 &&
	    getnameinfo((struct sockaddr *)&address, n, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		say_note(strchr(host, ':') ? "listening on [%s]:%s" : "listening on %s:%s", host, port);
}

/* A listening socket; -1, the failure said. */
static int
open_socket(const char *address, int *status)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char *text = strdup(address);
	const char *host, *port;
	int fd = -1, on = 1, error;

	if (!text || !split(text, &host, &port) ||
	    (error = getaddrinfo(host, port, &hints, &found)) != 0) {
		say_error("%s: --listen takes HOST:PORT, [IPV6]:PORT, :PORT or PORT", address);
		*status = STATUS_USAGE;
		free(text);
		return -1;
	}
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 16) != 0) {
			error = errno;
			close(fd);
			errno = error;
			fd = -1;
		}
	}
	if (fd < 0) {
		say_error("%s: cannot listen: %s", address, strerror(errno));
		*status = errno == EACCES ? STATUS_DENIED : STATUS_UNAVAILABLE;
	}
	freeaddrinfo(found);
	free(text);
	return fd;
}

int
metrics_listen(const char *address, void (*make)(void *ctx, struct qf_buf *page), void *ctx)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	struct server server = {.make = make, .ctx = ctx};
	const struct confine talker = {.how = CONFINE_LOOKER, .network = true};
	struct MHD_Daemon *daemon;
	int status = STATUS_OK, fd;

	if (!load()) {
		say_error("--listen: libmicrohttpd.so.12 cannot be loaded");
		return STATUS_UNAVAILABLE;
	}
	fd = open_socket(address, &status);
	if (fd < 0)
		return status;
	/* Before the thread is there that reads the queue. */
	confine_once(&talker);
	daemon = lib.start(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, &server,
			   MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
			   MOST_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
			   MHD_OPTION_END);
	if (!daemon) {
		close(fd);
		say_error("%s: cannot serve there", address);
		return STATUS_UNAVAILABLE;
	}
	say_where(fd);
	while (!signals_caught())
		nanosleep(&pause, NULL);
	lib.stop(daemon);
	return STATUS_OK;
}

#else

bool
metrics_listen_available(void)
{
	return false;
}

int
metrics_listen(const char *address, void (*make)(void *ctx, struct qf_buf *page), void *ctx)
{
	(void)address, (void)make, (void)ctx;
	say_error("--listen: built without libmicrohttpd");
	return STATUS_UNAVAILABLE;
}

#endif
