/*
 * ping - tell a monitoring service how a job goes.
 */
#include <string.h>
#include <strings.h>

#if defined(QF_WITH_CURL) && !defined(QF_STATIC)
#include <curl/curl.h>
#define HAVE_CURL 1
#else
#define HAVE_CURL 0
#endif

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
only_http(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static void
send_request(const char *url, const struct qf_buf *body)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: text/plain; charset=utf-8");
	char why[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_FAILED_INIT;
	long answer = 0;

	if (curl && headers) {
		curl_easy_setopt(curl, CURLOPT_URL, url);
		only_http(curl);
		curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
		curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 3L);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIME_MOST);
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop_on_signal);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
		curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
		curl_easy_setopt(curl, CURLOPT_USERAGENT, "qf/" QF_VERSION);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE,
				 (long)(!body             ? 0
					: body->n > BODY_MOST ? BODY_MOST
							      : body->n));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body && body->n ? body->p : "");
		code = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
	}
	/* The URL is a secret of a kind: who knows it can ping. */
	if (code != CURLE_OK && !signals_caught())
		say_note("--ping: %s", why[0] ? why : curl_easy_strerror(code));
	else if (code == CURLE_OK && answer >= 300)
		say_note("--ping: the service answers %ld", answer);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
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
