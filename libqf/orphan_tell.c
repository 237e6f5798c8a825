/*
 * orphan_tell - a finding in full: verdict, reasons, envelope, deadline, evidence.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "msg.h"
#include "orphan_parts.h"

/* A control file of 0 bytes is removed by the first run this long after its ctime.
   Origin: sendmail/queue.c readqf(). */
#define EMPTY_AGE 600
/* A body longer than this is written while it arrives, and its first piece last.
   Origin: sendmail/bf.c, DataFileBufferSize. */
#define BUFFERED 4096

/* Without these lines a log does not show that a message was finished. */
#define PROVING                                                                                    \
	(1u << QF_LOG_PROVES_ACCEPTED | 1u << QF_LOG_PROVES_SENT | 1u << QF_LOG_PROVES_RETURNED)

/* ---------------------------------------------------------------- words */

static struct qf_slice
copy(struct qf_orphans *orphans, struct qf_slice text)
{
	struct qf_slice copied = {NULL, 0};

	if (text.p) {
		copied = qf_arena_copy(&orphans->arena, text);
		orphans->nomem |= !copied.p;
	}
	return copied;
}

static void
copy_file(struct qf_orphans *orphans, const struct qf_pair_file *file, const struct stat *st,
	  struct qf_orphan_file *out)
{
	const struct qf_pair_place *place = &orphans->pairs->places[file->place];
	const char *name = file->name;

	*out = (struct qf_orphan_file){
		.path = qf_orphan_text(orphans, "%s%s/%s",
				       qf_queue_dir(orphans->queue, place->dir)->path, place->sub,
				       name),
		.name = qf_orphan_text(orphans, "%s", name),
		.at = place->fd,
		.dir = place->dir,
		.kind = (enum qf_kind)file->kind,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.device = st->st_dev,
		.inode = st->st_ino,
		.links = st->st_nlink,
		.size = st->st_size,
		.mtime = st->st_mtime,
		.ctime = st->st_ctime,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
	};
}

static void
copy_files(struct qf_set *set, const struct qf_tell *tell, struct qf_orphan *found)
{
	struct qf_orphans *orphans = set->orphans;
	size_t n = tell->n + (tell->links_n ? tell->links_n - 1 : 0);
	struct qf_orphan_file *files = qf_arena_array(&orphans->arena, n, sizeof(*files));

	if (!files) {
		orphans->nomem = true;
		return;
	}
	found->files = files;
	for (size_t i = 0; i < tell->n; i++)
		copy_file(orphans, tell->files[i]->file, &tell->files[i]->st,
			  &files[found->nfiles++]);
	for (size_t i = 0; i < tell->links_n; i++) {
		const struct qf_seen *seen =
			&orphans->seen[orphans->links[tell->links_at + i].seen];

		if (seen != tell->control->seen)
			copy_file(orphans, qf_pair_at(orphans->pairs, seen->file), &seen->st,
				  &files[found->nfiles++]);
	}
	for (size_t i = 0; i < tell->n; i++)
		found->bytes += tell->files[i]->st.st_size;
}

/* ---------------------------------------------------------------- envelope */

static void
copy_recipients(struct qf_orphans *orphans, const struct qf_slice *from, size_t n,
		const struct qf_slice **to, size_t *nto)
{
	struct qf_slice *copied = qf_arena_array(&orphans->arena, n ? n : 1, sizeof(*copied));

	if (!copied) {
		orphans->nomem = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		copied[i] = copy(orphans, from[i]);
	*to = copied;
	*nto = n;
}

/* Addresses of a message; the caller's. NULL: none, or no memory. */
static struct qf_slice *
addresses_of(const struct qf_msg *msg, size_t *n)
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	struct qf_slice *list = calloc(env->nrecipients ? env->nrecipients : 1, sizeof(*list));

	*n = list ? env->nrecipients : 0;
	for (size_t i = 0; i < *n; i++)
		list[i] = env->recipients[i].address;
	return list;
}

static int
compare_slices(const void *a, const void *b)
{
	const struct qf_slice *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int order = n ? memcmp(x->p, y->p, n) : 0;

	return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* Those of a that b has too (or, in_both false, has not). */
static void
compare_recipients(struct qf_orphans *orphans, const struct qf_msg *a, const struct qf_msg *b,
		   bool in_both, struct qf_orphan *found)
{
	size_t na, nb, n = 0;
	struct qf_slice *as = addresses_of(a, &na), *bs = addresses_of(b, &nb);

	if (bs && nb)
		qsort(bs, nb, sizeof(*bs), compare_slices);
	for (size_t i = 0; as && bs && i < na; i++)
		if ((nb && bsearch(&as[i], bs, nb, sizeof(*bs), compare_slices)) == in_both)
			as[n++] = as[i];
	orphans->nomem |= !as || !bs;
	if (as && bs)
		copy_recipients(orphans, as, n, &found->twice, &found->ntwice);
	free(as);
	free(bs);
}

static void
copy_envelope(struct qf_orphans *orphans, const struct qf_msg *msg, struct qf_orphan *found)
{
	size_t n;
	struct qf_slice *list = addresses_of(msg, &n);

	found->sender = copy(orphans, qf_msg_envelope(msg)->sender);
	copy_recipients(orphans, list, n, &found->recipients, &found->nrecipients);
	free(list);
}

/* Who would get a second copy, if things go on as they are. */
static void
name_twice(struct qf_set *set, const struct qf_tell *tell, struct qf_orphan *found)
{
	const struct qf_msg *msg = tell->control ? tell->control->msg : NULL;
	const struct qf_msg *other = tell->other ? tell->other->msg : NULL;

	if (found->cause == QF_CAUSE_TF_BESIDE && tell->facts.complete && tell->facts.newer && msg &&
	    other)
		/* The control file is what a retry goes by; the tf knows who is still owed. */
		compare_recipients(set->orphans, other, msg, false, found);
	else if ((found->cause == QF_CAUSE_QF_TWICE || found->cause == QF_CAUSE_QF_AND_HF) && msg &&
		 other && !tell->facts.different)
		compare_recipients(set->orphans, msg, other, true, found);
	else if (found->cause == QF_CAUSE_QF_LINKED && msg)
		compare_recipients(set->orphans, msg, msg, true, found);
}

/* ---------------------------------------------------------------- evidence */

static void
add_evidence(struct qf_orphans *orphans, struct qf_orphan *found, const struct qf_evidence *from,
	     size_t n)
{
	struct qf_evidence *list =
		qf_arena_array(&orphans->arena, found->nevidence + n, sizeof(*list));

	if (!list) {
		orphans->nomem = true;
		return;
	}
	if (found->nevidence)
		memcpy(list, found->evidence, found->nevidence * sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[found->nevidence++] = (struct qf_evidence){
			.kind = qf_orphan_text(orphans, "%s", from[i].kind),
			.where = qf_orphan_text(orphans, "%s", from[i].where),
			.time = from[i].time,
			.text = qf_orphan_text(orphans, "%s", from[i].text),
		};
	found->evidence = list;
}

static void
add_file_evidence(struct qf_orphans *orphans, struct qf_orphan *found, size_t file,
		  const char *text)
{
	const struct qf_evidence evidence = {"file", found->files[file].path,
					     found->files[file].mtime, text};

	add_evidence(orphans, found, &evidence, 1);
}

/* Does the body begin with as many NULs as sendmail holds back until the message is there? */
static bool
is_uncommitted(struct qf_set *set, const struct qf_member *body)
{
	char bytes[BUFFERED];
	ssize_t n;
	int fd;

	if (body->st.st_size <= BUFFERED)
		return false;
	fd = qf_io_open(set->io, set->pairs->places[body->file->place].fd, body->name,
			O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = qf_io_read(set->io, fd, bytes, sizeof(bytes));
	qf_io_close(set->io, fd);
	for (ssize_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return n == BUFFERED;
}

static void
add_observations(struct qf_set *set, const struct qf_tell *tell, struct qf_orphan *found,
		 bool uncommitted)
{
	struct qf_orphans *orphans = set->orphans;

	if (uncommitted)
		add_file_evidence(orphans, found, 0,
				  "begins with 4096 NULs: its writer died before the message was "
				  "complete");
	if (found->cause == QF_CAUSE_TF_BESIDE && tell->facts.complete && tell->facts.newer)
		add_file_evidence(orphans, found, 0,
				  "complete, and written after the control file beside it");
	if (found->cause == QF_CAUSE_DF_ALONE && tell->facts.restored)
		add_file_evidence(orphans, found, 0,
				  "came here as a copy, or lies in a restored tree: its control "
				  "file may have been left behind");
}

/* ---------------------------------------------------------------- the finding */

/* Kinds of findings about which a log can say something. */
static bool
asks_log(enum qf_cause cause)
{
	return cause == QF_CAUSE_DF_ALONE || cause == QF_CAUSE_QF_ALONE;
}

/* What a log says of it; NULL for nothing. */
static const struct qf_logged *
ask_log(struct qf_set *set, struct qf_tell *tell)
{
	const struct qf_logged *fate = set->fate;
	bool envelope;

	if (!fate || !asks_log(tell->facts.cause))
		return NULL;
	envelope = tell->facts.cause == QF_CAUSE_DF_ALONE && qf_logged_has_envelope(fate);
	tell->facts.finished =
		qf_logged_is_finished(fate, tell->control ? tell->control->msg : NULL);
	tell->facts.envelope = envelope;
	/* It was queued and tried: so it had been acknowledged, whatever became of its control file. */
	if (fate->nrcpt)
		tell->facts.safe = false;
	return fate;
}

/* The recipients still owed. */
static void
copy_fate(struct qf_orphans *orphans, const struct qf_logged *fate, struct qf_orphan *found)
{
	struct qf_slice *open = calloc(fate->nrcpt ? fate->nrcpt : 1, sizeof(*open));
	size_t n = 0;

	orphans->nomem |= !open;
	for (size_t i = 0; open && i < fate->nrcpt; i++)
		if (!fate->rcpts[i].closed)
			open[n++] = fate->rcpts[i].address;
	if (open)
		copy_recipients(orphans, open, n, &found->recipients, &found->nrecipients);
	free(open);
	found->sender = copy(orphans, fate->sender);
	found->from_log = true;
}

static int64_t
deadline_of(const struct qf_set *set, const struct qf_tell *tell)
{
	const struct qf_policy *policy = qf_queue_policy(set->orphans->queue);
	int64_t now = set->orphans->options.now, due = now;
	const struct qf_member *control =
		tell->facts.cause == QF_CAUSE_TF_BESIDE ? tell->other : tell->control;
	const struct qf_envelope *env;

	/* No run of the queue takes the other kinds. */
	if (!control || control->file->kind != QF_KIND_QUEUED ||
	    control->file->marks & QF_PAIR_STRAY)
		return QF_TIME_NONE;
	if (tell->facts.cause == QF_CAUSE_QF_EMPTY)
		return control->st.st_ctime + EMPTY_AGE;
	if (control->msg) {
		env = qf_msg_envelope(control->msg);
		if (env->tries > 0 && env->last_try != QF_TIME_NONE && env->last_try <= now)
			due = env->last_try + policy->min_queue_age;
	}
	return due > now ? due : now;
}

static void
count(struct qf_orphans *orphans, const struct qf_orphan *found, size_t n)
{
	if (found->verdict == QF_VERDICT_LIVE) {
		orphans->total.live += n;
		return;
	}
	orphans->total.orphans += n;
	orphans->total.causes[found->cause] += n;
	orphans->total.verdicts[found->verdict] += n;
}

static const char *
reasons(struct qf_orphans *orphans, const struct qf_tell *tell, const char *why, bool partly_known)
{
	const struct qf_orphan_facts *facts = &tell->facts;

	if (facts->cause == QF_CAUSE_TF_BESIDE && tell->other && tell->other->locked == QF_YES)
		return qf_orphan_text(orphans, "%s; its control file is locked: a runner waits for "
				      "it now", why);
	if (facts->cause == QF_CAUSE_QF_ALONE && facts->body)
		return "its body lies in another directory than the one it names, where sendmail "
		       "does not find it";
	if (facts->cause == QF_CAUSE_DF_ALONE && partly_known)
		why = "the log says from whom it was, but not all for whom, or what became of it";
	if (asks_log(facts->cause) && orphans->fates && !facts->finished && !facts->envelope &&
	    orphans->log.cannot_prove & PROVING)
		return qf_orphan_text(orphans, "%s; the log was written at a level (%d to %d) that "
				      "keeps out lines that would tell", why, orphans->log.low,
				      orphans->log.high);
	if (facts->cause == QF_CAUSE_QF_LOST && facts->stray)
		return qf_orphan_text(orphans, "%s; it lies where sendmail does not look for "
				      "control files", why);
	return why;
}

void
qf_set_tell(struct qf_set *set, struct qf_tell *tell)
{
	struct qf_orphans *orphans = set->orphans;
	const struct qf_member *first = tell->files[0];
	const struct qf_pair_place *place = &set->pairs->places[first->file->place];
	const struct qf_dir *dir = qf_queue_dir(orphans->queue, place->dir);
	size_t n = tell->n + (tell->links_n ? tell->links_n - 1 : 0);
	struct qf_orphan_judgement judgement;
	const struct qf_logged *fate;
	struct qf_orphan *found;
	bool uncommitted = tell->facts.cause == QF_CAUSE_DF_ALONE && is_uncommitted(set, first);

	if (tell->control)
		qf_set_read(set, tell->control);
	if (tell->other)
		qf_set_read(set, tell->other);
	pthread_mutex_lock(&orphans->mutex);
	fate = ask_log(set, tell);
	qf_orphan_judge(&tell->facts, &judgement);
	if (!qf_orphan_room((void **)&orphans->found, &orphans->found_cap, orphans->nfound,
			    sizeof(*orphans->found))) {
		orphans->nomem = true;
		goto out;
	}
	found = &orphans->found[orphans->nfound];
	*found = (struct qf_orphan){.cause = tell->facts.cause,
				    .verdict = judgement.verdict,
				    .fix = judgement.fix,
				    .id = "",
				    .queue = dir->path,
				    .dir = place->dir,
				    .counted = true,
				    .body = tell->facts.body,
				    .deadline = QF_TIME_NONE,
				    .age = tell->facts.age};
	count(orphans, found, n);
	if (found->verdict == QF_VERDICT_LIVE)
		goto out;
	orphans->nfound++;
	found->id = qf_orphan_text(orphans, "%s", set->id);
	found->why = reasons(orphans, tell, judgement.why,
			     fate && fate->sender.p && found->verdict == QF_VERDICT_PARTIAL);
	copy_files(set, tell, found);
	if (orphans->nomem)
		goto out;
	if (found->verdict == QF_VERDICT_HAZARD) {
		found->harm = qf_cause_type(found->cause)->harm;
		found->deadline = deadline_of(set, tell);
	}
	if (fate && tell->facts.cause == QF_CAUSE_DF_ALONE) {
		copy_fate(orphans, fate, found);
	} else if (tell->control && tell->control->msg) {
		copy_envelope(orphans, tell->control->msg, found);
	}
	name_twice(set, tell, found);
	if (fate && fate->nevidence)
		add_evidence(orphans, found, fate->evidence, fate->nevidence);
	add_observations(set, tell, found, uncommitted);
out:
	pthread_mutex_unlock(&orphans->mutex);
}
