/*
 * json - keys that are known when this is compiled, for what is rendered a hundred thousand times.
 */
#ifndef QF_LIBQF_JSON_H
#define QF_LIBQF_JSON_H

#include <string.h>

#include "buf.h"

/* A key with all that surrounds it: ,"name": or ,"word" */
struct qf_json_name {
	const char *text;
	size_t n;
};
#define QF_JSON_NAME(name) ((struct qf_json_name){",\"" name "\":", sizeof(",\"" name "\":") - 1})

/* The key, with the comma before it where one is due. Inline: the size is known where it is called. */
static inline void
qf_json_named(struct qf_json *json, struct qf_json_name name)
{
	char *p = qf_buf_room(json->out, name.n);

	if (p && json->comma) {
		memcpy(p, name.text, name.n);
		json->out->n += name.n;
	} else if (p) {
		memcpy(p, name.text + 1, name.n - 1);
		json->out->n += name.n - 1;
	}
	json->comma = false;
}

/* A word of the program, which needs no escaping, as a value or an element. */
#define QF_JSON_WORD(word) ((struct qf_json_name){",\"" word "\"", sizeof(",\"" word "\"") - 1})

static inline void
qf_json_word(struct qf_json *json, struct qf_json_name word)
{
	qf_json_named(json, word);
	json->comma = true;
}

/* The name alone. */
struct qf_slice qf_json_bare(struct qf_json_name name);

#endif
