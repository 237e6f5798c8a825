/*
 * salvage_file - plans saved and loaded: JSON lines, a qf.salvage.plan/1 object and a qf.salvage/1
 * object for each message.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "salvage.h"

#define PLAN_SCHEMA "qf.salvage.plan/1"

struct qf_salvage_record
qf_salvage_record_of(const struct qf_salvage *salvage, const struct qf_salvage_item *item,
		     char sha[QF_SHA_TEXT])
{
	bool moves = item->outcome != QF_SALVAGE_SKIP;

	qf_sha_text(item->sha, sha);
	return (struct qf_salvage_record){
		.outcome = (enum qf_salvage_outcome)item->outcome,
		.why = (enum qf_salvage_why)item->why,
		.detail = qf_salvage_item_detail(salvage, item),
		.file = item->name,
		.id = item->name + 2,
		.new_id = qf_salvage_item_new_id(salvage, item),
		.from = qf_queue_dir(salvage->from, item->dir)->path,
		.to = moves && salvage->has_target ? qf_queue_dir(salvage->to, item->to_dir)->path
						   : NULL,
		.as = qf_salvage_state_there(salvage, item),
		.expired = item->expired,
		.bounce_at = item->bounce_at,
		.bytes = item->bytes,
		.sha_control = sha,
	};
}

void
qf_salvage_tell_item(struct qf_salvage *salvage, const struct qf_salvage_item *item)
{
	char sha[QF_SHA_TEXT];
	struct qf_salvage_record record = qf_salvage_record_of(salvage, item, sha);

	qf_salvage_tell(salvage, &record);
}

void
qf_salvage_write_item(const struct qf_salvage *salvage, const struct qf_salvage_item *item,
		      struct qf_buf *out)
{
	char sha[QF_SHA_TEXT];
	struct qf_salvage_record record = qf_salvage_record_of(salvage, item, sha);

	qf_salvage_render("plan", &record, out);
}

static void
write_paths(struct qf_json *json, const char *key, struct qf_queue *queue)
{
	qf_json_key(json, key);
	qf_json_open(json, '[');
	for (size_t i = 0; queue && i < qf_queue_ndirs(queue); i++)
		qf_json_string(json, qf_queue_dir(queue, i)->path);
	qf_json_close(json, ']');
}

enum qf_code
qf_salvage_save(struct qf_salvage *salvage, const char *path, struct qf_err *err)
{
	const struct qf_salvage_options *options = &salvage->options;
	struct qf_salvage_how how = qf_salvage_how_of(options);
	struct qf_buf text = {0};
	struct qf_json json = {.out = &text};
	enum qf_code code = QF_OK;
	char words[128];
	int fd;

	qf_salvage_how_write(&how, words, sizeof(words));
	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, PLAN_SCHEMA);
	qf_json_key(&json, "run");
	qf_json_string(&json, salvage->run);
	qf_json_key(&json, "time");
	qf_json_time(&json, options->now);
	qf_json_key(&json, "copy");
	qf_json_bool(&json, options->copy);
	qf_json_key(&json, "how");
	qf_json_string(&json, words);
	write_paths(&json, "from", salvage->from);
	write_paths(&json, "to", salvage->to);
	qf_json_key(&json, "messages");
	qf_json_int(&json, (int64_t)salvage->n);
	qf_json_close(&json, '}');
	qf_buf_addc(&text, '\n');
	fd = qf_io_create(salvage->io, AT_FDCWD, path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		code = qf_err_sys(err, errno, path, "cannot create");
		qf_buf_release(&text);
		return code;
	}
	for (size_t i = 0; !code && i <= salvage->n; i++) {
		if (i < salvage->n)
			qf_salvage_write_item(salvage, &salvage->items[i], &text);
		if (text.n < 65536 && i < salvage->n)
			continue;
		if (text.failed)
			code = qf_err_nomem(err);
		else if (qf_io_write(salvage->io, fd, text.p, text.n) != 0)
			code = qf_err_sys(err, errno, path, "cannot write");
		qf_buf_clear(&text);
	}
	if (!code && qf_io_fsync(salvage->io, fd) != 0 && errno != EINVAL && errno != EROFS)
		code = qf_err_sys(err, errno, path, "cannot sync");
	qf_io_close(salvage->io, fd);
	qf_buf_release(&text);
	return code;
}

/* ------------------------------------------------------------------ back */

static const char *
text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static size_t
dir_called(struct qf_queue *queue, const char *path)
{
	for (size_t i = 0; i < qf_queue_ndirs(queue); i++)
		if (strcmp(qf_queue_dir(queue, i)->path, path) == 0)
			return i;
	return SIZE_MAX;
}

static bool
same_paths(const json_t *list, struct qf_queue *queue)
{
	if (!queue || json_array_size(list) != qf_queue_ndirs(queue))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *path = json_string_value(json_array_get(list, i));

		if (!path || dir_called(queue, path) == SIZE_MAX)
			return false;
	}
	return true;
}

/* What was asked for, and the plan is not for; NULL: nothing. */
static const char *
contradiction(const struct qf_salvage_options *options, const struct qf_salvage_how *how, bool copy)
{
	return options->says.copy && options->copy != copy			? "--copy"
	       : options->says.hold && options->hold != how->hold		? "--hold"
	       : options->says.due && options->due != how->due			? "--due"
	       : options->says.expired && options->expired != how->expired	? "--expired"
										: NULL;
}

static enum qf_code
take_head(struct qf_salvage *salvage, const json_t *json, const char *path, uint64_t *messages,
	  struct qf_err *err)
{
	const json_t *number = json_object_get(json, "messages");
	bool copy = json_is_true(json_object_get(json, "copy"));
	struct qf_salvage_how how;
	const char *other;

	if (strcmp(text_of(json, "schema"), PLAN_SCHEMA) != 0)
		return qf_err_set(err, QF_E_DATA, path, "not a saved plan");
	if (!same_paths(json_object_get(json, "from"), salvage->from) ||
	    !same_paths(json_object_get(json, "to"), salvage->to))
		return qf_err_set(err, QF_E_DATA, path, "a plan for other queues");
	if (!json_is_integer(number) || json_integer_value(number) < 0)
		return qf_err_set(err, QF_E_DATA, path,
				  "does not say how many messages it has: make the plan anew");
	*messages = (uint64_t)json_integer_value(number);
	/* What was planned is done. */
	qf_salvage_how_read(text_of(json, "how"), &how);
	other = contradiction(&salvage->options, &how, copy);
	if (other)
		return qf_err_set(err, QF_E_USAGE, path, "%s: the plan says otherwise", other);
	salvage->options.expired = how.expired;
	salvage->options.hold = how.hold;
	salvage->options.due = how.due;
	snprintf(salvage->unhold, sizeof(salvage->unhold), "%s", how.unhold);
	salvage->options.unhold = salvage->unhold[0] ? salvage->unhold : NULL;
	salvage->options.copy = copy;
	/* As a copy that is not planned: is the source in use? */
	salvage->options.two_looks = copy;
	return QF_OK;
}

/* A word of the enumerations; SIZE_MAX: none. */
static size_t
word_index(const char *word, const char *(*name)(size_t i), size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name(i), word) == 0)
			return i;
	return SIZE_MAX;
}

static const char *
outcome_word(size_t i)
{
	return qf_salvage_outcome_name((enum qf_salvage_outcome)i);
}

static const char *
why_word(size_t i)
{
	return qf_salvage_why_name((enum qf_salvage_why)i);
}

static bool
is_plain_name(const char *name, size_t most)
{
	return *name && strlen(name) < most && !strchr(name, '/');
}

static bool
take_item(struct qf_salvage *salvage, const json_t *json, struct qf_salvage_item *item)
{
	const char *name = text_of(json, "file"), *new_id = text_of(json, "new_id"),
		   *bounce_at = text_of(json, "bounce_at");
	size_t dir = dir_called(salvage->from, text_of(json, "from"));
	size_t to_dir = dir_called(salvage->to, text_of(json, "to"));
	size_t outcome = word_index(text_of(json, "outcome"), outcome_word,
				    QF_SALVAGE_OUTCOME_COUNT);
	size_t why = word_index(text_of(json, "why"), why_word, QF_SALVAGE_WHY_COUNT);

	if (strcmp(text_of(json, "schema"), "qf.salvage/1") != 0 ||
	    !is_plain_name(name, QF_NAME_MAX) ||
	    !qf_kind_is_control(qf_name_kind(name, strlen(name))) || dir == SIZE_MAX ||
	    (outcome != QF_SALVAGE_SKIP &&
	     outcome != (salvage->options.copy ? QF_SALVAGE_COPY : QF_SALVAGE_MOVE)) ||
	    why == SIZE_MAX || (outcome != QF_SALVAGE_SKIP && to_dir == SIZE_MAX) ||
	    (*new_id && !is_plain_name(new_id, QF_NAME_MAX - 2)) ||
	    !qf_hex_read(text_of(json_object_get(json, "sha256"), "control"), item->sha,
			 sizeof(item->sha)))
		return false;
	strcpy(item->name, name);
	if (*new_id && !qf_salvage_give_id(salvage, item, new_id))
		return false;
	item->dir = (uint16_t)dir;
	item->to_dir = (uint16_t)(to_dir == SIZE_MAX ? 0 : to_dir);
	item->outcome = (unsigned)outcome & 31;
	item->why = (unsigned)why & 63;
	item->expired = json_is_true(json_object_get(json, "expired"));
	item->let_go = qf_name_kind(name, strlen(name)) == QF_KIND_HELD &&
		       strcmp(text_of(json, "as"), "queued") == 0;
	item->bytes = json_integer_value(json_object_get(json, "bytes"));
	if (!qf_time_parse((struct qf_slice){bounce_at, strlen(bounce_at)}, &item->bounce_at))
		item->bounce_at = QF_TIME_NONE;
	if (outcome == QF_SALVAGE_SKIP)
		qf_salvage_skip(salvage, item, (enum qf_salvage_why)why, text_of(json, "detail"));
	return true;
}

static enum qf_code
take_line(struct qf_salvage *salvage, const char *text, size_t n, unsigned line, uint64_t *messages,
	  const char *path, struct qf_err *err)
{
	json_t *json = json_loadb(text, n, 0, NULL);
	struct qf_salvage_item *item = NULL;
	enum qf_code code = QF_OK;

	if (line == 1)
		code = take_head(salvage, json, path, messages, err);
	else if (!(item = qf_salvage_add_item(salvage)))
		code = qf_err_nomem(err);
	if (item && !take_item(salvage, json, item)) {
		code = qf_err_set(err, QF_E_DATA, path, "not a line of a saved plan");
		if (err)
			err->line = line;
	}
	json_decref(json);
	return code;
}

enum qf_code
qf_salvage_load(struct qf_salvage *salvage, const char *path, struct qf_err *err)
{
	int fd = qf_io_open(salvage->io, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	enum qf_code code = QF_OK;
	char *text = NULL;
	uint64_t messages = 0;
	unsigned line = 0;
	size_t size = 0;
	ssize_t n;

	if (!file) {
		code = qf_err_sys(err, errno, path, "cannot open");
		if (fd >= 0)
			qf_io_close(salvage->io, fd);
		return code;
	}
	salvage->n = 0;
	while (!code && (n = getline(&text, &size, file)) > 0)
		code = take_line(salvage, text, (size_t)n, ++line, &messages, path, err);
	if (!code && ferror(file))
		code = qf_err_sys(err, EIO, path, "cannot read");
	if (!code && line == 0)
		code = qf_err_set(err, QF_E_DATA, path, "not a saved plan");
	if (!code && salvage->n != messages)
		code = qf_err_set(err, QF_E_DATA, path,
				  "not all of a plan: %zu messages of %" PRIu64, salvage->n, messages);
	free(text);
	fclose(file);
	salvage->loaded = true;
	return code;
}
