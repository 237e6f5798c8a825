/*
 * late - libraries that are loaded when they are wanted.
 */
#ifndef QF_STATIC
#include <dlfcn.h>
#endif
#include <stdio.h>
#include <string.h>

#include "late.h"

#ifdef QF_STATIC

/* A static executable has nothing to load with, and none of the libraries is beside it. */
bool
qf_late_load(const char *library, const struct qf_late_function *functions, size_t n,
	     char why[128])
{
	(void)functions;
	(void)n;
	snprintf(why, 128, "%s: not in the static executable", library);
	return false;
}

#else

bool
qf_late_load(const char *library, const struct qf_late_function *functions, size_t n,
	     char why[128])
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; handle && i < n; i++) {
		void *found = dlsym(handle, functions[i].name);

		if (!found) {
			snprintf(why, 128, "%s: has no %s", library, functions[i].name);
			return false;
		}
		/* ISO C knows no way from one kind of pointer to the other; POSIX has this one. */
		memcpy(functions[i].pointer, &found, sizeof(found));
	}
	if (!handle)
		snprintf(why, 128, "%s: cannot be loaded", library);
	return handle != NULL;
}

#endif
