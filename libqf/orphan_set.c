/*
 * orphan_set - the files of one id, looked at a second time, become findings.
 *
 * Each file belongs to one finding, or is counted as whole or live. Control files come first and
 * take their bodies; what is left over is told for itself.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "msg.h"
#include "orphan_parts.h"

/* Written long before it came here: by cp, tar or a backup, not by sendmail. */
#define RESTORED_AGE 3600

/* ---------------------------------------------------------------- facts */

/* Would sendmail take it, if its mode were right? */
static bool
is_sound(const struct qf_msg *msg)
{
	size_t n;
	const struct qf_diagnostic *found = qf_msg_diagnostics(msg, &n);

	for (size_t i = 0; i < n; i++)
		if (found[i].fate == QF_FATE_LOST)
			return false;
	return msg->ended && msg->envelope.sender.p && msg->envelope.nrecipients;
}

/* "cut in the headers": sender and recipients stand before the first header. */
static bool
is_cut_in_headers(const struct qf_msg *msg)
{
	size_t n;
	const struct qf_record *records = qf_msg_records(msg, &n);

	return n && records[n - 1].letter == 'H' && msg->envelope.sender.p &&
	       msg->envelope.nrecipients;
}

static bool
is_restored(const struct qf_set *set, const struct qf_member *body)
{
	const char *path = qf_queue_dir(set->orphans->queue,
					set->pairs->places[body->file->place].dir)->path;

	return strstr(path, "aws-backup-") || strstr(path, "/lost+found") ||
	       (body->st.st_nlink == 1 &&
		qf_time_between(body->st.st_mtime, body->st.st_ctime) > RESTORED_AGE);
}

/* Seconds since the newest of the files changed. A new link of a body tells of a new message. */
static int64_t
age_of(const struct qf_set *set, const struct qf_tell *tell)
{
	int64_t newest = INT64_MIN, age;

	for (size_t i = 0; i < tell->n; i++) {
		const struct stat *st = &tell->files[i]->st;

		if (st->st_mtime > newest)
			newest = st->st_mtime;
		if (tell->files[i]->file->kind == QF_KIND_DATA && st->st_nlink > 1 &&
		    st->st_ctime > newest)
			newest = st->st_ctime;
	}
	age = qf_time_between(newest, set->orphans->options.now);
	return age < 0 ? 0 : age;
}

/* Facts that hold for each finding of the set. */
static void
begin(struct qf_set *set, struct qf_tell *tell, enum qf_cause cause)
{
	tell->n = 0;
	tell->control = NULL;
	tell->facts = (struct qf_orphan_facts){.cause = cause,
					       .changed = set->changed,
					       .locked = set->locked,
					       .grace = set->orphans->options.grace,
					       .unseen = set->orphans->unseen};
}

static void
add(struct qf_tell *tell, struct qf_member *member)
{
	member->told = true;
	tell->files[tell->n++] = member;
}

static void
finish(struct qf_set *set, struct qf_tell *tell)
{
	tell->facts.age = age_of(set, tell);
	qf_set_tell(set, tell);
}

/* ---------------------------------------------------------------- control files */

static bool
is_active(const struct qf_member *member)
{
	return (member->file->kind == QF_KIND_QUEUED || member->file->kind == QF_KIND_HELD) &&
	       !(member->file->marks & QF_PAIR_STRAY) && !member->told;
}

/* A name that sendmail did not make, and either a copy of one that it did, or without a message
   around it. */
static bool
is_copy(const struct qf_set *set, const struct qf_member *body)
{
	struct qf_id decoded;
	size_t n = strlen(set->id);

	if (qf_id_decode((struct qf_slice){set->id, n}, QF_TIME_NONE, &decoded))
		return false;
	if (!body || body->st.st_size == 1)
		return true;
	/* "6AM7ErHv002055.bak" */
	for (size_t k = n; k > 8; k--)
		if (qf_id_decode((struct qf_slice){set->id, k}, QF_TIME_NONE, &decoded))
			return true;
	return false;
}

/* What is wrong with a control file; QF_CAUSE_COUNT for nothing. */
static enum qf_cause
cause_of(struct qf_set *set, struct qf_member *control, struct qf_member *body)
{
	unsigned marks = control->file->marks;
	const struct qf_msg *msg;

	if (control->st.st_size == 0)
		return QF_CAUSE_QF_EMPTY;
	if (control->file->kind != QF_KIND_LOST && is_copy(set, body))
		return QF_CAUSE_QF_NAME;
	if (!body) {
		msg = qf_set_read(set, control);
		if (msg && !msg->ended && !(marks & QF_PAIR_BOGUS) && is_active(control))
			return QF_CAUSE_QF_CUT;
		return QF_CAUSE_QF_ALONE;
	}
	if (control->file->kind == QF_KIND_LOST || (marks & QF_PAIR_STRAY))
		return QF_CAUSE_QF_LOST;
	/* In the order in which sendmail comes upon them. */
	if (marks & QF_PAIR_UNSAFE)
		return QF_CAUSE_QF_UNSAFE;
	if (marks & QF_PAIR_BOGUS)
		return QF_CAUSE_QF_BOGUS;
	if (marks & QF_PAIR_CUT)
		return QF_CAUSE_QF_CUT;
	if (marks & QF_PAIR_ELSEWHERE)
		return QF_CAUSE_QF_ALONE;
	if (marks & QF_PAIR_NO_SENDER)
		return QF_CAUSE_QF_NO_SENDER;
	if (marks & QF_PAIR_NO_RCPT)
		return QF_CAUSE_QF_NO_RCPT;
	if (marks & QF_PAIR_PLACEHOLDER)
		return QF_CAUSE_DF_PLACEHOLDER;
	return QF_CAUSE_COUNT;
}

/* Why the body of a control file may lie where nobody looked. */
static void
look_for_body(struct qf_set *set, struct qf_tell *tell, struct qf_member *control,
	      const struct qf_member *body)
{
	const struct qf_msg *msg = qf_set_read(set, control);
	size_t dir = set->pairs->places[control->file->place].dir;
	const char *missing;

	if (msg && msg->envelope.data_dir.p) {
		size_t named = qf_queue_data_dir(set->orphans->queue, dir, msg->envelope.data_dir);

		if (named == SIZE_MAX)
			tell->facts.data_unknown = tell->facts.refused = true;
		else
			dir = named;
	}
	tell->facts.apart = body && !tell->facts.stray &&
			    body->file->place != set->pairs->homes[dir].part[QF_PART_DATA];
	missing = tell->facts.body ? NULL : qf_orphan_missing(set->orphans, dir, QF_PART_DATA);
	if (missing)
		tell->facts.unseen = missing;
}

static void
tell_control(struct qf_set *set, struct qf_member *control, struct qf_member *body)
{
	enum qf_cause cause = cause_of(set, control, body);
	struct qf_tell *tell = &set->tell;
	const struct qf_msg *msg;

	/* A link to a body serves sendmail as well as one; it is told for itself. */
	if (cause == QF_CAUSE_COUNT || (!body && set->linked_body && cause == QF_CAUSE_QF_ALONE)) {
		control->told = true;
		if (body)
			body->told = true;
		set->whole += body ? 2 : 1;
		set->messages++;
		return;
	}
	begin(set, tell, cause);
	add(tell, control);
	if (body)
		add(tell, body);
	tell->control = control;
	tell->facts.kind = (enum qf_kind)control->file->kind;
	tell->facts.stray = control->file->marks & QF_PAIR_STRAY;
	tell->facts.body = body;
	msg = qf_set_read(set, control);
	tell->facts.refused = !msg || !is_sound(msg);
	tell->facts.placeholder = msg && body && qf_pair_is_placeholder(msg, body->st.st_size);
	tell->facts.cut_in_headers = msg && is_cut_in_headers(msg);
	if (cause != QF_CAUSE_QF_EMPTY)
		look_for_body(set, tell, control, body);
	finish(set, tell);
}

/* The unused body in the directory where it should be, else any. */
static struct qf_member *
body_for(struct qf_set *set, const struct qf_member *control, bool anywhere)
{
	size_t dir = set->pairs->places[control->file->place].dir;
	struct qf_member *other = NULL;

	for (size_t i = 0; i < set->n; i++) {
		struct qf_member *member = &set->members[i];

		if (member->file->kind != QF_KIND_DATA || member->told || member->irregular)
			continue;
		if (member->file->place == set->pairs->homes[dir].part[QF_PART_DATA])
			return member;
		other = member;
	}
	return anywhere ? other : NULL;
}

/* Several control files that sendmail would run: one id in two directories, or qf and hf. */
static void
tell_several(struct qf_set *set)
{
	struct qf_member *first = NULL, *second = NULL;
	struct qf_tell *tell = &set->tell;
	bool apart = false, different = false;

	/* The queued one is what a run takes. */
	for (size_t i = 0; i < set->n; i++)
		if (is_active(&set->members[i]) &&
		    (!first || (first->file->kind != QF_KIND_QUEUED &&
				set->members[i].file->kind == QF_KIND_QUEUED)))
			first = &set->members[i];
	for (size_t i = 0; i < set->n; i++) {
		struct qf_member *member = &set->members[i];

		if (!is_active(member) || member == first)
			continue;
		if (!second)
			second = member;
		apart |= member->file->place != first->file->place;
		different |= !qf_msg_is_same(qf_set_read(set, first), qf_set_read(set, member));
	}
	begin(set, tell, apart ? QF_CAUSE_QF_TWICE : QF_CAUSE_QF_AND_HF);
	tell->facts.different = different;
	tell->facts.kind = QF_KIND_QUEUED;
	tell->control = first;
	tell->other = second;
	add(tell, first);
	for (size_t i = 0; i < set->n; i++)
		if (is_active(&set->members[i]))
			add(tell, &set->members[i]);
	for (size_t i = 0; i < set->n; i++)
		if (set->members[i].file->kind == QF_KIND_DATA && !set->members[i].told &&
		    !set->members[i].irregular) {
			add(tell, &set->members[i]);
			tell->facts.body = true;
		}
	finish(set, tell);
	tell->other = NULL;
}

/* One control file under several names, this being the one that it is told with. */
static void
tell_linked(struct qf_set *set, struct qf_member *control)
{
	struct qf_tell *tell = &set->tell;
	struct qf_member *body = body_for(set, control, true);

	begin(set, tell, QF_CAUSE_QF_LINKED);
	add(tell, control);
	if (body)
		add(tell, body);
	tell->control = control;
	tell->facts.kind = (enum qf_kind)control->file->kind;
	tell->facts.body = body;
	tell->links_at = control->seen->links_at;
	tell->links_n = control->seen->links_n;
	finish(set, tell);
	tell->links_n = 0;
}

static void
tell_controls(struct qf_set *set)
{
	size_t active = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct qf_member *member = &set->members[i];

		if (!qf_kind_is_control((enum qf_kind)member->file->kind) || member->told)
			continue;
		set->controls++;
		if (!member->seen->links_n)
			continue;
		if (member->seen->taken)
			member->told = set->taken = true;
		else
			tell_linked(set, member);
	}
	for (size_t i = 0; i < set->n; i++)
		active += is_active(&set->members[i]);
	if (active > 1)
		tell_several(set);
	/* Those whose body lies beside them first, so that no other takes it. */
	for (int anywhere = 0; anywhere < 2; anywhere++)
		for (size_t i = 0; i < set->n; i++) {
			struct qf_member *member = &set->members[i], *body;

			if (member->told || !qf_kind_is_control((enum qf_kind)member->file->kind) ||
			    (!anywhere && !is_active(member)))
				continue;
			body = body_for(set, member, anywhere || active == 1);
			if (body || anywhere)
				tell_control(set, member, body);
		}
}

/* ---------------------------------------------------------------- the others */

static void
tell_staged(struct qf_set *set, struct qf_member *staged)
{
	struct qf_tell *tell = &set->tell;
	struct qf_member *control = NULL, *body = NULL;
	const struct qf_msg *msg = qf_set_read(set, staged);

	for (size_t i = 0; i < set->n; i++) {
		struct qf_member *member = &set->members[i];

		if (qf_kind_is_control((enum qf_kind)member->file->kind) && !member->irregular &&
		    (!control || control->file->kind == QF_KIND_LOST))
			control = member;
		else if (member->file->kind == QF_KIND_DATA && !member->told && !member->irregular)
			body = member;
	}
	begin(set, tell, control ? QF_CAUSE_TF_BESIDE : QF_CAUSE_TF_ALONE);
	add(tell, staged);
	tell->facts.kind = QF_KIND_STAGED;
	tell->facts.complete = msg && is_sound(msg);
	if (control) {
		/* A locked control file does not make it live: that runner waits for this tf. */
		tell->facts.changed = staged->changed;
		tell->facts.locked = staged->locked;
		tell->facts.newer = qf_is_newer(&staged->st, &control->st) &&
				    (control->st.st_size == 0 ||
				     qf_msg_is_same(msg, qf_set_read(set, control)));
		tell->other = control;
	} else {
		tell->facts.locked = qf_set_either(set->locked, staged->locked);
		tell->facts.body = body;
		if (body)
			add(tell, body);
	}
	tell->control = staged;
	finish(set, tell);
	tell->other = NULL;
}

static int
compare_bodies(const void *a, const void *b)
{
	const struct qf_body *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void
tell_body(struct qf_set *set, struct qf_member *body)
{
	struct qf_orphans *orphans = set->orphans;
	struct qf_body wanted = {set->pairs->places[body->file->place].device, body->file->inode};
	struct qf_tell *tell = &set->tell;
	const char *missing;
	bool sibling = body->st.st_nlink > 1 && orphans->nbodies &&
		       bsearch(&wanted, orphans->bodies, orphans->nbodies, sizeof(wanted),
			       compare_bodies);

	/* The body of a control file that is told with its other name. */
	if (set->taken) {
		body->told = true;
		set->whole++;
		return;
	}
	begin(set, tell, sibling ? QF_CAUSE_DF_SIBLING : QF_CAUSE_DF_ALONE);
	add(tell, body);
	tell->facts.body = true;
	/* Beside a message with another body: moved or copied here, and not by sendmail. */
	tell->facts.restored = is_restored(set, body) || set->controls;
	tell->facts.safe =
		orphans->options.cf && (qf_queue_policy(orphans->queue)->super_safe == QF_SAFE_TRUE ||
					qf_queue_policy(orphans->queue)->super_safe ==
						QF_SAFE_POSTMILTER);
	missing = qf_orphan_missing(orphans, set->pairs->places[body->file->place].dir,
				    QF_PART_CONTROL);
	if (missing)
		tell->facts.unseen = missing;
	finish(set, tell);
}

static void
tell_other(struct qf_set *set, struct qf_member *member)
{
	struct qf_tell *tell = &set->tell;

	begin(set, tell,
	      member->irregular                              ? QF_CAUSE_NOT_REGULAR
	      : member->file->kind == QF_KIND_STAGED_ASIDE ? QF_CAUSE_TF_ASIDE
							     : QF_CAUSE_XF_LEFT);
	if (member->irregular) {
		tell->facts.locked = QF_NO;
		tell->facts.changed = member->changed;
	}
	add(tell, member);
	finish(set, tell);
}

static void
tell_all(struct qf_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->members[i].irregular)
			tell_other(set, &set->members[i]);
	tell_controls(set);
	for (size_t i = 0; i < set->n; i++)
		if (!set->members[i].told && set->members[i].file->kind == QF_KIND_STAGED)
			tell_staged(set, &set->members[i]);
	for (size_t i = 0; i < set->n; i++) {
		struct qf_member *member = &set->members[i];

		if (member->told)
			continue;
		if (member->file->kind == QF_KIND_DATA)
			tell_body(set, member);
		else
			tell_other(set, member);
	}
}

static bool
is_linked_body(const struct qf_set *set, const struct qf_member *member)
{
	struct stat st;

	return member->file->kind == QF_KIND_DATA && S_ISLNK(member->st.st_mode) &&
	       qf_io_stat(set->io, set->pairs->places[member->file->place].fd, member->name, &st,
			  0) == 0 &&
	       S_ISREG(st.st_mode);
}

void
qf_orphan_set(struct qf_orphans *orphans, struct qf_io *io, const struct qf_candidate *candidate)
{
	struct qf_set set = {.orphans = orphans,
			     .pairs = orphans->pairs,
			     .io = io,
			     .fate = orphans->fates
					     ? orphans->fates[candidate - orphans->candidates]
					     : NULL,
			     .n = candidate->n,
			     .members = calloc(candidate->n, sizeof(*set.members)),
			     .id = qf_pair_at(orphans->pairs, candidate->head)->name + 2};

	set.tell.files = calloc(candidate->n, sizeof(*set.tell.files));
	for (size_t i = 0; set.members && i < set.n; i++) {
		struct qf_member *member = &set.members[i];

		member->seen = &orphans->seen[candidate->first + i];
		member->file = qf_pair_at(orphans->pairs, member->seen->file);
		member->name = member->file->name;
	}
	if (set.members && set.tell.files) {
		qf_set_look(&set);
		for (size_t i = 0; i < set.n; i++) {
			struct qf_member *member = &set.members[i];

			/* What has gone was finished meanwhile. */
			if (!member->there) {
				member->told = true;
				set.live++;
			} else {
				member->irregular = !S_ISREG(member->st.st_mode);
				set.linked_body |= is_linked_body(&set, member);
			}
		}
		tell_all(&set);
	} else {
		set.nomem = true;
	}
	pthread_mutex_lock(&orphans->mutex);
	orphans->nomem |= set.nomem;
	orphans->total.live += set.live;
	orphans->total.whole += set.whole;
	orphans->total.messages += set.messages;
	pthread_mutex_unlock(&orphans->mutex);
	for (size_t i = 0; set.members && i < set.n; i++)
		qf_msg_free(set.members[i].msg);
	free(set.members);
	free(set.tell.files);
}
