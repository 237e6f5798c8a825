/*
 * curl_late - libcurl, loaded when it is wanted.
 */
#include "curl_late.h"

#if HAVE_CURL
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static struct curl_late lib;

const struct curl_late *
curl_late(void)
{
	const struct {
		void *target;
		const char *name;
	} functions[] = {
		{&lib.init, "curl_easy_init"},	     {&lib.setopt, "curl_easy_setopt"},
		{&lib.perform, "curl_easy_perform"}, {&lib.getinfo, "curl_easy_getinfo"},
		{&lib.cleanup, "curl_easy_cleanup"}, {&lib.error, "curl_easy_strerror"},
		{&lib.append, "curl_slist_append"},  {&lib.free_list, "curl_slist_free_all"},
		{&lib.send, "curl_easy_send"},	     {&lib.recv, "curl_easy_recv"}};
	void *library = lib.init ? NULL : dlopen("libcurl.so.4", RTLD_NOW);

	if (lib.init)
		return &lib;
	for (size_t i = 0; library && i < sizeof(functions) / sizeof(*functions); i++) {
		void *found = dlsym(library, functions[i].name);

		memcpy(functions[i].target, &found, sizeof(found));
		if (!found)
			library = NULL;
	}
	if (!library)
		lib.init = NULL;
	return library ? &lib : NULL;
}
#endif
