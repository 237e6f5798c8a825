/*
 * finder - looks for files that belong to no whole message, in a thread of its own.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "finder.h"

/* What is younger is in the making, as for qf orphans. */
#define GRACE 600

struct tui_finder {
	struct tui_finder_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool asked, end;
	volatile int cancel;
};

void
tui_orphans_release(struct tui_orphans *orphans)
{
	for (size_t i = 0; i < orphans->n; i++) {
		struct tui_orphan *o = &orphans->found[i];

		free(o->path);
		free(o->why);
		free(o->harm);
		free(o->fix);
		free(o->more);
	}
	free(orphans->found);
	*orphans = (struct tui_orphans){0};
}

static void
add_address(const struct tui_finder *finder, const char *label, struct qf_slice address,
	    struct qf_buf *out)
{
	if (!address.p)
		return;
	qf_buf_addf(out, "%-13s", label);
	if (finder->options.redactor)
		qf_redact_address(finder->options.redactor, address, out);
	else
		qf_buf_add(out, address.p, address.n);
	qf_buf_addc(out, '\n');
}

/* Files, addresses and evidence as lines; line ends within are none of theirs. */
static char *
say_more(const struct tui_finder *finder, const struct qf_orphan *orphan)
{
	struct qf_buf out = {0};

	for (size_t i = 0; i < orphan->nfiles; i++)
		qf_buf_addf(&out, "%-13s%s (%lld bytes)\n", i ? "" : "Files", orphan->files[i].path,
			    (long long)orphan->files[i].size);
	add_address(finder, "Sender", orphan->sender, &out);
	for (size_t i = 0; i < orphan->nrecipients && i < 1000; i++)
		add_address(finder, i ? "" : "Recipients", orphan->recipients[i], &out);
	for (size_t i = 0; i < orphan->ntwice && i < 1000; i++)
		add_address(finder, i ? "" : "Twice to", orphan->twice[i], &out);
	for (size_t i = 0; i < orphan->nevidence && !finder->options.redactor; i++)
		qf_buf_addf(&out, "%-13s%s: %s\n", i ? "" : "Evidence", orphan->evidence[i].where,
			    orphan->evidence[i].text ? orphan->evidence[i].text : "");
	qf_buf_addc(&out, '\0');
	return out.failed ? (qf_buf_release(&out), NULL) : out.p;
}

static char *
say_fix(unsigned fix)
{
	struct qf_buf out = {0};

	for (unsigned bit = 1; bit && bit <= fix; bit <<= 1)
		if (fix & bit && qf_fix_name(bit))
			qf_buf_addf(&out, "%s%s", out.n ? ", " : "", qf_fix_name(bit));
	qf_buf_addc(&out, '\0');
	return out.failed ? (qf_buf_release(&out), NULL) : out.p;
}

static char *
copy(const char *text)
{
	return strdup(text ? text : "");
}

static bool
add(const struct tui_finder *finder, struct tui_orphans *out, const struct qf_orphan *orphan)
{
	struct tui_orphan *o = &out->found[out->n++];

	*o = (struct tui_orphan){.path = copy(orphan->nfiles ? orphan->files[0].path : ""),
				 .why = copy(orphan->why),
				 .harm = copy(orphan->harm),
				 .fix = say_fix(orphan->fix),
				 .more = say_more(finder, orphan),
				 .verdict = qf_verdict_name(orphan->verdict),
				 .cause = qf_cause_type(orphan->cause)->code,
				 .text = qf_cause_type(orphan->cause)->text,
				 .age = orphan->age,
				 .deadline = orphan->deadline};
	return o->path && o->why && o->harm && o->fix && o->more;
}

static int
hazards_first(const void *left, const void *right)
{
	const struct tui_orphan *a = left, *b = right;
	bool x = strcmp(a->verdict, "hazard") == 0, y = strcmp(b->verdict, "hazard") == 0;

	return x != y ? (x ? -1 : 1) : strcmp(a->path, b->path);
}

static void
look(struct tui_finder *finder)
{
	const struct tui_finder_options *given = &finder->options;
	const struct qf_orphans_options options = {
		.grace = GRACE,
		.now = given->now != QF_TIME_NONE ? given->now : (int64_t)time(NULL),
		.pause = -1,
		.jobs = given->jobs,
		.max_ops = given->max_ops,
		.cf = given->cf,
		.cancel = &finder->cancel,
	};
	struct tui_orphans *out = calloc(1, sizeof(*out));
	struct qf_orphans *orphans = NULL;
	struct qf_err err;
	size_t n;
	bool ok = true;

	if (!out)
		return;
	out->known = true;
	if (qf_orphans_find(given->queue, &options, &orphans, &err)) {
		snprintf(out->failure, sizeof(out->failure), "%.90s: %.90s", err.what, err.why);
		given->post(given->ctx, out);
		return;
	}
	n = qf_orphans_n(orphans);
	out->found = calloc(n ? n : 1, sizeof(*out->found));
	for (size_t i = 0; out->found && ok && i < n; i++)
		ok = add(finder, out, qf_orphans_get(orphans, i));
	if (!out->found || !ok)
		snprintf(out->failure, sizeof(out->failure), "memory: none left");
	else if (out->n)
		qsort(out->found, out->n, sizeof(*out->found), hazards_first);
	if (!ok)
		tui_orphans_release(out);
	if (qf_orphans_trouble(orphans, 0))
		snprintf(out->failure, sizeof(out->failure), "%.90s: %.90s",
			 qf_orphans_trouble(orphans, 0)->what, qf_orphans_trouble(orphans, 0)->why);
	else if (qf_orphans_total(orphans)->unreadable)
		snprintf(out->failure, sizeof(out->failure), "%llu control files could not be read",
			 (unsigned long long)qf_orphans_total(orphans)->unreadable);
	else if (qf_orphans_unseen(orphans))
		snprintf(out->failure, sizeof(out->failure), "%.140s: lone files are not judged",
			 qf_orphans_unseen(orphans));
	qf_orphans_free(orphans);
	given->post(given->ctx, out);
}

static void *
run(void *arg)
{
	struct tui_finder *finder = arg;

	pthread_mutex_lock(&finder->mutex);
	while (!finder->end) {
		if (!finder->asked) {
			pthread_cond_wait(&finder->wake, &finder->mutex);
			continue;
		}
		finder->asked = false;
		pthread_mutex_unlock(&finder->mutex);
		look(finder);
		pthread_mutex_lock(&finder->mutex);
	}
	pthread_mutex_unlock(&finder->mutex);
	return NULL;
}

struct tui_finder *
tui_finder_new(const struct tui_finder_options *options)
{
	struct tui_finder *finder = calloc(1, sizeof(*finder));
	sigset_t all, before;
	int failed;

	if (!finder)
		return NULL;
	finder->options = *options;
	pthread_mutex_init(&finder->mutex, NULL);
	pthread_cond_init(&finder->wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&finder->thread, NULL, run, finder);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		free(finder);
		return NULL;
	}
	return finder;
}

void
tui_finder_ask(struct tui_finder *finder)
{
	pthread_mutex_lock(&finder->mutex);
	finder->asked = true;
	pthread_cond_signal(&finder->wake);
	pthread_mutex_unlock(&finder->mutex);
}

void
tui_finder_free(struct tui_finder *finder)
{
	if (!finder)
		return;
	pthread_mutex_lock(&finder->mutex);
	finder->end = true;
	finder->cancel = 1;
	pthread_cond_signal(&finder->wake);
	pthread_mutex_unlock(&finder->mutex);
	pthread_join(finder->thread, NULL);
	pthread_cond_destroy(&finder->wake);
	pthread_mutex_destroy(&finder->mutex);
	free(finder);
}
