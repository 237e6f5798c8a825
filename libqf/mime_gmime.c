/*
 * mime_gmime - gmime, loaded and made ready when the first message is taken apart.
 */
#ifdef QF_WITH_GMIME

#include <pthread.h>
#include <signal.h>

#include "late.h"
#include "mime.h"

struct qf_gmime qf_gmime;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static GMimeParserOptions *parser_options; /* made once, then only read */

static void
start_gmime(void)
{
	static const struct qf_late_function functions[] = {
#define X(name) {&qf_gmime.name, #name},
		QF_GMIME_FUNCTIONS(X)
#undef X
	};
	static const char *fallbacks[] = {"utf-8", "iso-8859-1", NULL};
	struct sigaction pipe_action;
	GMimeContentDisposition *disposition;
	GMimeContentType *type;
	char why[128];

	if (!qf_late_load("libgmime-3.0.so.0", functions,
			  sizeof(functions) / sizeof(*functions), why))
		return;
	/* It initialises gpgme, which makes the whole process ignore SIGPIPE. */
	sigaction(SIGPIPE, NULL, &pipe_action);
	qf_gmime.g_mime_init();
	sigaction(SIGPIPE, &pipe_action, NULL);
	parser_options = qf_gmime.g_mime_parser_options_new();
	/* Not what the locale says: the same bytes give the same text everywhere. */
	qf_gmime.g_mime_parser_options_set_fallback_charsets(parser_options, fallbacks);
	/* gmime registers types at first use, and two threads must not do it at once. */
	type = qf_gmime.g_mime_content_type_parse(parser_options, "text/plain; a=b");
	disposition = qf_gmime.g_mime_content_disposition_parse(parser_options, "inline; a=b");
	qf_gmime.g_object_unref(type);
	qf_gmime.g_object_unref(disposition);
	qf_gmime.g_free(qf_gmime.g_mime_utils_header_decode_text(parser_options, "=?utf-8?q?a?="));
}

GMimeParserOptions *
qf_mime_options(void)
{
	pthread_once(&once, start_gmime);
	return parser_options;
}

#endif
