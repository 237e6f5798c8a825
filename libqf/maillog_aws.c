/*
 * maillog_aws - records of CloudWatch Logs in JSON: {"timestamp": ms, "message": "...", ...}, one
 * on each line, or in the "events" of one document, which may be larger than memory. So records are
 * looked for by their brackets (the innermost ones), and each is then read by a JSON library.
 */
#include <jansson.h>
#include <string.h>

#include "buf.h"
#include "maillog.h"

size_t
qf_log_object(struct qf_slice bytes, struct qf_slice *object, size_t *keep)
{
	const char *begin = NULL, *string = NULL, *end = bytes.p + bytes.n;
	bool quoted = false;

	for (const char *p = bytes.p; p < end; p++) {
		if (quoted) {
			if (*p == '\\')
				p++;
			else if (*p == '"')
				quoted = false;
		} else if (*p == '"') {
			quoted = true;
			string = p;
		} else if (*p == '{') {
			begin = p;
		} else if (*p == '}' && begin) {
			*object = (struct qf_slice){begin, (size_t)(p - begin) + 1};
			return (size_t)(p - bytes.p) + 1;
		}
	}
	/* A string is kept whole: in the middle of one, brackets would seem to be brackets. */
	if (!begin && quoted)
		begin = string;
	*keep = begin ? (size_t)(begin - bytes.p) : bytes.n;
	return 0;
}

bool
qf_log_record_read(struct qf_slice object, struct qf_buf *scratch, struct qf_log_record *record)
{
	json_t *root = json_loadb(object.p, object.n, JSON_ALLOW_NUL, NULL);
	json_t *message = json_object_get(root, "message");
	json_t *time = json_object_get(root, "timestamp");
	struct qf_slice text;
	bool good = json_is_string(message);

	record->time = QF_TIME_NONE;
	if (json_is_integer(time) && json_integer_value(time) > 0)
		record->time = json_integer_value(time) / 1000;
	else if (json_is_string(time))
		qf_time_parse((struct qf_slice){json_string_value(time), json_string_length(time)},
			      &record->time);
	if (good) {
		qf_buf_clear(scratch);
		qf_buf_add(scratch, json_string_value(message), json_string_length(message));
		text = (struct qf_slice){scratch->p ? scratch->p : "", scratch->n};
		while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
			text.n--;
		record->message = text;
	}
	json_decref(root);
	return good;
}
