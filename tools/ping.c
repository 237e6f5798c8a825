/*
 * ping - tell a monitoring service how a job goes.
 */
#include <string.h>
#include <strings.h>

#include "curl_late.h"
#include "ping.h"
#include "say.h"
#include "signals.h"

#define BODY_MOST 100000
#define TIME_MOST 10L

bool
ping_available(void)
{
	return HAVE_CURL;
}

#if HAVE_CURL

/* "/start" goes before a query. */
static void
make_url(const char *url, const char *suffix, struct qf_buf *out)
{
	size_t n = strcspn(url, "?#"), trimmed = n;

	while (*suffix && trimmed && url[trimmed - 1] == '/')
		trimmed--;
	qf_buf_add(out, url, trimmed);
	qf_buf_adds(out, suffix);
	qf_buf_adds(out, url + n);
	qf_buf_addc(out, '\0');
}

static int
stop_on_signal(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)ctx, (void)a, (void)b, (void)c, (void)d;
	return signals_caught() != 0;
}

static size_t
ignore(char *bytes, size_t size, size_t n, void *ctx)
{
	(void)bytes, (void)ctx;
	return size * n;
}

/* A service that answers "go to file:///" is not obeyed. */
static void
only_http(const struct curl_late *lib, CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	if (lib->setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	    lib->setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK)
		return;
#endif
	/* The one that is loaded may be older. 3: CURLPROTO_HTTP and CURLPROTO_HTTPS. */
	lib->setopt(curl, (CURLoption)181, 3L);
	lib->setopt(curl, (CURLoption)182, 3L);
}

static void
prepare(const struct curl_late *lib, CURL *curl, const char *url, const struct qf_buf *body,
	struct curl_slist *headers, char *why)
{
	size_t n = body ? body->n : 0;

	lib->setopt(curl, CURLOPT_URL, url);
	only_http(lib, curl);
	lib->setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	lib->setopt(curl, CURLOPT_MAXREDIRS, 3L);
	lib->setopt(curl, CURLOPT_TIMEOUT, TIME_MOST);
	lib->setopt(curl, CURLOPT_NOSIGNAL, 1L);
	lib->setopt(curl, CURLOPT_NOPROGRESS, 0L);
	lib->setopt(curl, CURLOPT_XFERINFOFUNCTION, stop_on_signal);
	lib->setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	lib->setopt(curl, CURLOPT_ERRORBUFFER, why);
	lib->setopt(curl, CURLOPT_USERAGENT, "qf/" QF_VERSION);
	lib->setopt(curl, CURLOPT_HTTPHEADER, headers);
	lib->setopt(curl, CURLOPT_POSTFIELDSIZE, (long)(n > BODY_MOST ? BODY_MOST : n));
	lib->setopt(curl, CURLOPT_POSTFIELDS, n ? body->p : "");
}

static void
send_request(const char *url, const struct qf_buf *body)
{
	const struct curl_late *lib = curl_late();
	char why[CURL_ERROR_SIZE] = "";
	CURLcode code = CURLE_FAILED_INIT;
	struct curl_slist *headers;
	long answer = 0;
	CURL *curl;

	if (!lib) {
		say_note("--ping: libcurl is not there");
		return;
	}
	headers = lib->append(NULL, "Content-Type: text/plain; charset=utf-8");
	curl = lib->init();
	if (curl && headers) {
		prepare(lib, curl, url, body, headers, why);
		code = lib->perform(curl);
		lib->getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
	}
	/* The URL is a secret of a kind, and not told: who knows it can ping. */
	if (code != CURLE_OK && !signals_caught())
		say_note("--ping: %s", why[0] ? why : lib->error(code));
	else if (code == CURLE_OK && answer >= 300)
		say_note("--ping: the service answers %ld", answer);
	lib->free_list(headers);
	if (curl)
		lib->cleanup(curl);
}

#endif

void
ping_send(const char *url, enum ping what, const struct qf_buf *body)
{
	if (!url || strncasecmp(url, "http", 4) != 0)
		return;
#if HAVE_CURL
	{
		static const char *const suffixes[] = {"/start", "", "/fail"};
		struct qf_buf whole = {0};

		make_url(url, suffixes[what], &whole);
		if (!whole.failed)
			send_request(whole.p, body);
		qf_buf_release(&whole);
	}
#else
	(void)body;
	if (what == PING_START)
		say_note("--ping: built without libcurl");
#endif
}
