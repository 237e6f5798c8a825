/*
 * late - libraries that are loaded when they are wanted. Linked in the usual way, those that few
 * runs need would make every start of qf twice as long: they bring two dozen others.
 */
#ifndef QF_LIBQF_LATE_H
#define QF_LIBQF_LATE_H

#include <stdbool.h>
#include <stddef.h>

struct qf_late_function {
	void *pointer; /* to the function pointer that is to be set */
	const char *name;
};

/* Load a library (its soname) and find the functions in it, or in those it brings. False, and why
   that is, in why, where one of them is not to be had. It stays loaded. */
bool qf_late_load(const char *library, const struct qf_late_function *functions, size_t n,
		  char why[128]);

#endif
