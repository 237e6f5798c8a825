/*
 * curl_late - libcurl, loaded when it is wanted: with all that it brings, it would make every start
 * of qf three times as long.
 */
#ifndef QF_TOOLS_CURL_LATE_H
#define QF_TOOLS_CURL_LATE_H

#if defined(QF_WITH_CURL) && !defined(QF_STATIC)
#include <curl/curl.h>
#define HAVE_CURL 1

/* What is used of it. */
struct curl_late {
	CURL *(*init)(void);
	CURLcode (*setopt)(CURL *curl, CURLoption option, ...);
	CURLcode (*perform)(CURL *curl);
	CURLcode (*getinfo)(CURL *curl, CURLINFO info, ...);
	void (*cleanup)(CURL *curl);
	const char *(*error)(CURLcode code);
	struct curl_slist *(*append)(struct curl_slist *list, const char *text);
	void (*free_list)(struct curl_slist *list);
	CURLcode (*send)(CURL *curl, const void *bytes, size_t n, size_t *sent);
	CURLcode (*recv)(CURL *curl, void *bytes, size_t n, size_t *got);
};

/* NULL where it is not there. */
const struct curl_late *curl_late(void);
#else
#define HAVE_CURL 0
#endif

#endif
