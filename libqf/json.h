/*
 * json - keys that are known when this is compiled, for what is rendered a hundred thousand times.
 */
#ifndef QF_LIBQF_JSON_H
#define QF_LIBQF_JSON_H

#include "qf.h"

/* A key with all that surrounds it: ,"name": */
struct qf_json_name {
	const char *text;
	size_t n;
};
#define QF_JSON_NAME(name) ((struct qf_json_name){",\"" name "\":", sizeof(",\"" name "\":") - 1})

void qf_json_named(struct qf_json *json, struct qf_json_name name);
/* The name alone. */
struct qf_slice qf_json_bare(struct qf_json_name name);

#endif
