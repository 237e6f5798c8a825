/*
 * json - writing JSON into a buffer. Whether a comma is due is one flag: nothing is due after an
 * opening bracket or a key, and one is after any value, so no stack of levels is needed.
 */
#include <string.h>

#include "buf.h"
#include "json.h"

/* Room for n bytes and the comma, if one is due, which is put there. NULL: the buffer failed. */
static char *
begin(struct qf_json *json, size_t n)
{
	char *p = qf_buf_room(json->out, n + 1);

	if (p && json->comma) {
		*p++ = ',';
		json->out->n++;
	}
	json->comma = true;
	return p;
}

static void
add_value(struct qf_json *json, const char *bytes, size_t n)
{
	char *p = begin(json, n);

	if (!p)
		return;
	memcpy(p, bytes, n);
	json->out->n += n;
}

void
qf_json_open(struct qf_json *json, char bracket)
{
	add_value(json, &bracket, 1);
	json->comma = false;
}

void
qf_json_close(struct qf_json *json, char bracket)
{
	qf_buf_addc(json->out, bracket);
	json->comma = true;
}

/* Keys are words of the program, not of messages: they need no escaping. */
void
qf_json_key(struct qf_json *json, const char *key)
{
	size_t n = strlen(key);
	char *p = begin(json, n + 3);

	json->comma = false;
	if (!p)
		return;
	p[0] = '"';
	memcpy(p + 1, key, n);
	p[n + 1] = '"';
	p[n + 2] = ':';
	json->out->n += n + 3;
}

struct qf_slice
qf_json_bare(struct qf_json_name name)
{
	return (struct qf_slice){name.text + 2, name.n - 4};
}

bool
qf_json_text(struct qf_json *json, struct qf_slice text)
{
	if (!text.p) {
		qf_json_null(json);
		return true;
	}
	if (json->comma)
		qf_buf_addc(json->out, ',');
	json->comma = true;
	return qf_escape_json(json->out, text);
}

void
qf_json_string(struct qf_json *json, const char *text)
{
	struct qf_slice slice = {text, text ? strlen(text) : 0};

	qf_json_text(json, slice);
}

void
qf_json_int(struct qf_json *json, int64_t number)
{
	begin(json, 0);
	qf_buf_add_int(json->out, number);
}

void
qf_json_bool(struct qf_json *json, bool value)
{
	if (value)
		add_value(json, "true", 4);
	else
		add_value(json, "false", 5);
}

void
qf_json_null(struct qf_json *json)
{
	add_value(json, "null", 4);
}

void
qf_json_time(struct qf_json *json, int64_t when)
{
	char text[QF_TIME_TEXT + 2];
	size_t n;

	if (when == QF_TIME_NONE) {
		qf_json_null(json);
		return;
	}
	text[0] = '"';
	n = qf_time_format(when, text + 1);
	text[n + 1] = '"';
	add_value(json, text, n + 2);
}
