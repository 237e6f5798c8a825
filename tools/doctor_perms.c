/*
 * doctor_perms - checks of owners and modes, and --fix=perms, which sets them right.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "doctor.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "term.h"

/* A finding that is kept: the strings of the library's live only for the call. */
struct seen {
	struct qf_perms_finding finding;
	char *folder, *name;
};

struct perms_seen {
	struct seen *all;
	size_t n, room;
	uint64_t files;
	bool failed;             /* a directory could not be looked through, or memory is out */
	struct qf_err err;
};

static bool
keep(void *ctx, const struct qf_perms_finding *finding)
{
	struct perms_seen *seen = ctx;
	struct seen *one;

	if (seen->n == seen->room) {
		size_t room = seen->room ? seen->room * 2 : 64;
		struct seen *more = realloc(seen->all, room * sizeof(*more));

		if (!more)
			goto nomem;
		seen->all = more;
		seen->room = room;
	}
	one = &seen->all[seen->n];
	*one = (struct seen){.finding = *finding,
			     .folder = strdup(finding->folder),
			     .name = strdup(finding->name)};
	seen->n++;
	one->finding.folder = one->folder;
	one->finding.name = one->name;
	if (one->folder && one->name)
		return true;
nomem:
	seen->failed = true;
	snprintf(seen->err.why, sizeof(seen->err.why), "out of memory");
	return false;
}

/* Look through all directories, once. */
static const struct perms_seen *
look(struct doctor *doctor)
{
	const struct qf_perms right = {.uid = doctor->uid,
				       .gid = doctor->gid,
				       .dir_mode = doctor->mode,
				       .jobs = doctor->source.jobs};
	struct qf_queue *queue = doctor->source.queue;
	struct perms_seen *seen = doctor->perms;

	if (seen)
		return seen;
	seen = doctor->perms = calloc(1, sizeof(*seen));
	if (!seen)
		return NULL;
	for (size_t i = 0; i < qf_queue_ndirs(queue) && !seen->failed; i++) {
		uint64_t files = 0;

		if (qf_perms_check(queue, i, &right, keep, seen, &files, &seen->err))
			seen->failed = true;
		seen->files += files;
	}
	return seen;
}

void
doctor_perms_free(struct doctor *doctor)
{
	for (size_t i = 0; doctor->perms && i < doctor->perms->n; i++) {
		free(doctor->perms->all[i].folder);
		free(doctor->perms->all[i].name);
	}
	if (doctor->perms)
		free(doctor->perms->all);
	free(doctor->perms);
}

/*
 * The findings of some faults: the first says what is wrong. Those of faults with the bit in severe
 * fail, others warn.
 */
static void
judge(struct doctor *doctor, unsigned which, unsigned severe)
{
	const struct perms_seen *seen = look(doctor);
	const struct seen *first = NULL;
	char value[128];
	bool fails = false;

	for (size_t i = 0; seen && i < seen->n; i++) {
		const struct qf_perms_finding *f = &seen->all[i].finding;

		if (!(which >> f->fault & 1))
			continue;
		/* What fails is told rather than what warns. */
		if (!first || (!fails && severe >> f->fault & 1))
			first = &seen->all[i];
		fails |= severe >> f->fault & 1;
		doctor_file(doctor, f->folder, f->name);
	}
	if (!first && (!seen || seen->failed)) {
		doctor_unknown(doctor, "%s: %s", seen ? seen->err.what : "",
			       seen ? seen->err.why : "out of memory");
		return;
	}
	if (!first) {
		snprintf(value, sizeof(value), "%zu director%s, %llu files",
			 qf_queue_ndirs(doctor->source.queue),
			 qf_queue_ndirs(doctor->source.queue) == 1 ? "y" : "ies",
			 (unsigned long long)seen->files);
		doctor_good(doctor, value);
		return;
	}
	snprintf(value, sizeof(value), "%u:%u %04o", (unsigned)first->finding.uid,
		 (unsigned)first->finding.gid, (unsigned)first->finding.mode);
	if (fails)
		doctor_fail(doctor, value, "%s%s%s", first->finding.text,
			    first->finding.fate == QF_FATE_IGNORED ? "" : ": at the next queue run ",
			    first->finding.fate == QF_FATE_IGNORED ? "" :
			    "sendmail renames it Qf, and it is lost to sight");
	else
		doctor_warn(doctor, value, "%s", first->finding.text);
}

#define FAULT(id) (1u << QF_PERMS_##id)

void
doctor_queue_owner(struct doctor *doctor)
{
	doctor_wanted(doctor, "%s", doctor->options->owner);
	judge(doctor, FAULT(DIR_OWNER) | FAULT(DIR_GROUP), FAULT(DIR_OWNER));
}

void
doctor_queue_mode(struct doctor *doctor)
{
	doctor_wanted(doctor, "%04o", (unsigned)doctor->mode);
	judge(doctor, FAULT(DIR_MODE) | FAULT(DIR_WRITABLE), FAULT(DIR_WRITABLE));
}

void
doctor_file_owner(struct doctor *doctor)
{
	doctor_wanted(doctor, "%.*s", (int)strcspn(doctor->options->owner, ":"),
		      doctor->options->owner);
	judge(doctor, FAULT(FILE_OWNER), 0);
}

void
doctor_file_mode(struct doctor *doctor)
{
	doctor_wanted(doctor, "%04o or stricter",
		      (unsigned)doctor->source.policy.queue_file_mode);
	judge(doctor, FAULT(CONTROL_WRITABLE) | FAULT(FILE_WRITABLE) | FAULT(FILE_READABLE),
	      FAULT(CONTROL_WRITABLE));
}

/* One line for what was set right: path, as it was, as it is. */
static void
put_fixed(const struct qf_perms_finding *f)
{
	struct qf_buf line = {0};

	qf_escape_terminal(&line, (struct qf_slice){f->folder, strlen(f->folder)}, term_utf8());
	if (*f->name) {
		qf_buf_addc(&line, '/');
		qf_escape_terminal(&line, (struct qf_slice){f->name, strlen(f->name)},
				   term_utf8());
	}
	qf_buf_addf(&line, ": %u:%u %04o -> %u:%u %04o\n", (unsigned)f->uid, (unsigned)f->gid,
		    (unsigned)f->mode, (unsigned)f->right_uid, (unsigned)f->right_gid,
		    (unsigned)f->right_mode);
	out_add_buf(&line);
	qf_buf_release(&line);
}

/* Several at work, so that the syncs of the journal are shared. */
#define JOBS_MAX 16u

struct fixing {
	struct qf_txn *txn;
	const struct perms_seen *seen;
	atomic_size_t next;
	pthread_mutex_t mutex; /* of what follows and of output */
	size_t fixed, left;
};

static bool
is_same(const struct qf_perms_finding *a, const struct qf_perms_finding *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->folder, b->folder) == 0;
}

static void
fix_one(struct fixing *fixing, const struct qf_perms_finding *f)
{
	struct qf_outcome outcome;

	qf_txn_fix_perms(fixing->txn, f, &outcome);
	pthread_mutex_lock(&fixing->mutex);
	if (outcome.result == QF_RESULT_DONE) {
		put_fixed(f);
		fixing->fixed++;
	} else if (outcome.result != QF_RESULT_GONE) {
		say_error("%s: %s", *f->name ? f->name : f->folder, outcome.why);
		fixing->left++;
	}
	pthread_mutex_unlock(&fixing->mutex);
}

static void *
fix_some(void *arg)
{
	struct fixing *fixing = arg;
	size_t i;

	while (!signals_caught() &&
	       (i = atomic_fetch_add(&fixing->next, 1)) < fixing->seen->n)
		/* Owner and mode of a file are two findings and one change. */
		if (!i || !is_same(&fixing->seen->all[i].finding, &fixing->seen->all[i - 1].finding))
			fix_one(fixing, &fixing->seen->all[i].finding);
	return NULL;
}

static void
fix_all(struct fixing *fixing, unsigned wanted)
{
	pthread_t threads[JOBS_MAX];
	unsigned started = 0;

	while (started < wanted && started < JOBS_MAX && started < fixing->seen->n &&
	       pthread_create(&threads[started], NULL, fix_some, fixing) == 0)
		started++;
	if (!started)
		fix_some(fixing);
	while (started)
		pthread_join(threads[--started], NULL);
}

int
doctor_perms_fix(struct doctor *doctor, bool yes, const struct qf_txn_options *options)
{
	struct fixing fixing = {.seen = look(doctor)};
	struct qf_err err;
	int status;

	if (!fixing.seen)
		return status_of(QF_E_NOMEM);
	if (fixing.seen->failed)
		return say_failure(&fixing.seen->err);
	if (!fixing.seen->n) {
		say_note("0 set right, 0 left as they are");
		return STATUS_OK;
	}
	status = ask_go_on(yes, fixing.seen->n, "to set right", "without --fix it tells what is wrong");
	if (status)
		return status;
	if (qf_txn_new(doctor->source.queue, options, &fixing.txn, &err))
		return say_failure(&err);
	/* Once more: .qf/ may have been made just now, with the owner the directory still has. */
	doctor_perms_free(doctor);
	doctor->perms = NULL;
	fixing.seen = look(doctor);
	if (!fixing.seen || fixing.seen->failed) {
		status = fixing.seen ? say_failure(&doctor->perms->err) : status_of(QF_E_NOMEM);
		qf_txn_free(fixing.txn);
		return status;
	}
	pthread_mutex_init(&fixing.mutex, NULL);
	fix_all(&fixing, doctor->source.jobs ? doctor->source.jobs : JOBS_MAX);
	pthread_mutex_destroy(&fixing.mutex);
	qf_txn_free(fixing.txn);
	say_note("%zu set right, %zu left as they are", fixing.fixed, fixing.left);
	if (signals_caught())
		return STATUS_SIGNAL + signals_caught();
	return fixing.left ? STATUS_INCOMPLETE : STATUS_OK;
}
