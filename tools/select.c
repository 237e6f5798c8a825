/*
 * select - which messages a changing command is for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "select.h"
#include "signals.h"
#include "status.h"
#include "words.h"

static bool
add(struct selection *selection, const struct qf_files *files)
{
	struct selected *s;

	if (files->path.n >= sizeof(s->path) || files->id.n >= sizeof(s->id))
		return false;
	if (selection->n == selection->cap) {
		size_t cap = selection->cap ? selection->cap * 2 : 64;
		struct selected *more = realloc(selection->messages, cap * sizeof(*more));

		if (!more)
			return false;
		selection->messages = more;
		selection->cap = cap;
	}
	s = &selection->messages[selection->n++];
	*s = (struct selected){.queue = files->queue.p};
	memcpy(s->path, files->path.p, files->path.n);
	memcpy(s->id, files->id.p, files->id.n);
	return true;
}

/* In a selection a bare word is an id, never a search. */
static bool
is_filter(const char *word)
{
	static const char *const words[] = {"and", "or", "not", "AND", "OR", "NOT"};

	if (*word == '/' || strncmp(word, "./", 2) == 0 || strncmp(word, "../", 3) == 0)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return word[strcspn(word, ":=<>()\" \t")] != '\0';
}

/* What was found under one id. */
struct found {
	struct selection *selection;
	size_t first;
	bool ambiguous, failed;
	struct qf_buf paths;
};

static bool
take(void *ctx, struct qf_msg *msg)
{
	struct found *found = ctx;
	const struct qf_files *files = qf_msg_files(msg);

	if (found->selection->n > found->first)
		found->ambiguous = true;
	qf_buf_addf(&found->paths, "%s%.*s", found->paths.n ? ", " : "", (int)files->path.n,
		    files->path.p);
	found->failed |= !add(found->selection, files);
	return true;
}

/* Returns an exit status of 64 and up for what ends the command; a missing id is counted. */
static int
add_id(struct source *source, const char *id, struct selection *out)
{
	struct found found = {.selection = out, .first = out->n};
	struct qf_err err;
	enum qf_code code = qf_queue_find(source->queue, id, 0, take, &found, &err);
	int status = STATUS_OK;

	if (code == QF_E_NOT_FOUND) {
		say_failure(&err);
		out->missing++;
	} else if (code) {
		status = say_failure(&err);
	} else if (found.ambiguous) {
		say_error("%s: there are several: %.*s; give one path", id, (int)found.paths.n,
			  found.paths.p);
		status = STATUS_USAGE;
	} else if (found.failed) {
		say_error("%s: its path is too long", id);
		status = STATUS_SOFTWARE;
	}
	qf_buf_release(&found.paths);
	return status;
}

static int
add_from_input(struct source *source, struct selection *out)
{
	char *line = NULL;
	size_t size = 0;
	int status = STATUS_OK;

	while (!status && getline(&line, &size, stdin) > 0) {
		char *id = line + strspn(line, " \t");

		id[strcspn(id, " \t\r\n")] = '\0';
		if (*id)
			status = add_id(source, id, out);
	}
	free(line);
	return status;
}

static int
add_matches(struct source *source, const char *filter, struct selection *out)
{
	struct qf_query *query = NULL;
	struct qf_matcher *matcher = NULL;
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;
	struct qf_err err;
	enum qf_code code = qf_query_parse(filter, source->now, &query, &err);
	struct qf_scan_options options = {.jobs = source->jobs,
					  .max_ops = source->max_ops,
					  .cancel = signals_flag()};
	bool fits = true;

	/* A change is no place to find out what a search finds. */
	if (!code && qf_query_bare_word(query).p) {
		struct qf_slice word = qf_query_bare_word(query);

		say_error("%.*s: a bare word in a selection is an id, and no search; in a filter it is "
			  "id=%.*s, or rcpt:%.*s and the like", (int)word.n, word.p, (int)word.n,
			  word.p, (int)word.n, word.p);
		qf_query_free(query);
		return STATUS_USAGE;
	}
	if (!code) {
		options.needs = qf_query_needs(query);
		matcher = qf_matcher_new(query);
		code = qf_scan_new(source->queue, &options, &scan, &err);
	}
	while (!code && fits && !(code = qf_scan_next(scan, &msg, &err)) && msg) {
		struct qf_row row;
		bool matched = false;

		qf_row_init(&row, msg, source->queue, &source->policy, source->now);
		code = qf_matcher_match(matcher, &row, &matched, &err);
		if (!code && matched)
			fits = add(out, qf_msg_files(msg));
	}
	out->incomplete |= scan && source_say_troubles(scan);
	qf_scan_free(scan);
	qf_matcher_free(matcher);
	qf_query_free(query);
	if (!code && !fits)
		say_error("memory: none left");
	return code ? say_failure(&err) : fits ? STATUS_OK : STATUS_OS;
}

static int
by_path(const void *a, const void *b, void *messages)
{
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	const struct selected *all = messages;
	int order = strcmp(all[i].path, all[k].path);

	return order ? order : i < k ? -1 : i > k;
}

/* A message named twice is one: changed twice, it would be busy or gone the second time. */
static bool
drop_doubles(struct selection *selection)
{
	size_t *order = calloc(selection->n ? selection->n : 1, sizeof(*order)), kept = 0;
	struct selected *all = selection->messages;

	if (!order)
		return false;
	for (size_t i = 0; i < selection->n; i++)
		order[i] = i;
	qsort_r(order, selection->n, sizeof(*order), by_path, all);
	/* The path of one that goes is emptied, once nobody compares with it any more. */
	for (size_t i = selection->n; i-- > 1;)
		if (strcmp(all[order[i]].path, all[order[i - 1]].path) == 0)
			all[order[i]].path[0] = '\0';
	for (size_t i = 0; i < selection->n; i++)
		if (all[i].path[0])
			all[kept++] = all[i];
	selection->n = kept;
	free(order);
	return true;
}

int
select_messages(struct source *source, char **operands, size_t n, struct selection *out)
{
	size_t filters = 0;
	char *filter;
	int status = STATUS_OK;

	*out = (struct selection){0};
	for (size_t i = 0; i < n; i++) {
		if (!*operands[i]) {
			say_error("an id is empty, or the filter; everything is selected only by ALL");
			return STATUS_USAGE;
		}
	}
	for (size_t i = 0; i < n; i++)
		filters += is_filter(operands[i]) || strcmp(operands[i], "ALL") == 0;
	if (n == 0) {
		say_error("which messages? give ids, a filter, or ALL");
		return STATUS_USAGE;
	}
	if (filters == 0) {
		for (size_t i = 0; i < n && !status; i++)
			status = strcmp(operands[i], "-") == 0
					 ? add_from_input(source, out)
					 : add_id(source, operands[i], out);
		return status ? status : drop_doubles(out) ? STATUS_OK : STATUS_OS;
	}
	out->by_filter = true;
	if (n == 1 && strcmp(operands[0], "ALL") == 0)
		return add_matches(source, "", out);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(operands[i], "ALL") == 0 || strcmp(operands[i], "-") == 0) {
			say_error("%s: stands alone", operands[i]);
			return STATUS_USAGE;
		}
		if (!is_filter(operands[i])) {
			say_error("%s: an id beside a filter; in a filter it is id=%s", operands[i],
				  operands[i]);
			return STATUS_USAGE;
		}
	}
	filter = words_join(operands, n);
	if (!filter)
		return STATUS_OS;
	if (filter[strspn(filter, " \t")] == '\0') {
		say_error("the filter is empty; everything is selected only by ALL");
		status = STATUS_USAGE;
	} else {
		status = add_matches(source, filter, out);
	}
	free(filter);
	return status;
}

void
selection_release(struct selection *selection)
{
	free(selection->messages);
	*selection = (struct selection){0};
}
