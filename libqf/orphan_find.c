/*
 * orphan_find - the two looks at whatever is no whole message, and the totals.
 *
 * Order: list and stat (pair), a first look at each candidate, the pause, a second look. When
 * nothing is old enough to be told whatever the second look says, there is no pause.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "layout.h"
#include "orphan.h"

/* Between the looks: enough for any step of sendmail's on a local disk; over a network, longer than
   a client may show names and attributes that are no more (nfs(5), acdirmax). */
#define PAUSE_LOCAL 1.0
#define PAUSE_NETWORK 60.0

bool
qf_orphan_room(void **array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 16;
	void *p;

	if (n < *cap)
		return true;
	p = more > SIZE_MAX / size ? NULL : realloc(*array, more * size);
	if (!p)
		return false;
	*array = p;
	*cap = more;
	return true;
}

const char *
qf_orphan_text(struct qf_orphans *orphans, const char *format, ...)
{
	va_list args, again;
	char *text;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	text = n < 0 ? NULL : qf_arena_alloc(&orphans->arena, (size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, format, again);
	else
		orphans->nomem = true;
	va_end(again);
	va_end(args);
	return text ? text : "";
}

/* ---------------------------------------------------------------- candidates */

static enum qf_code
add_candidate(struct qf_orphans *orphans, uint32_t head, struct qf_err *err)
{
	const struct qf_pairs *pairs = orphans->pairs;
	struct qf_candidate *set;

	if (!qf_orphan_room((void **)&orphans->candidates, &orphans->candidates_cap,
			    orphans->ncandidates, sizeof(*orphans->candidates)))
		return qf_err_nomem(err);
	set = &orphans->candidates[orphans->ncandidates++];
	*set = (struct qf_candidate){.head = head, .first = (uint32_t)orphans->nseen};
	for (uint32_t i = head; i != QF_PAIR_NONE; i = qf_pair_at(pairs, i)->next) {
		if (!qf_orphan_room((void **)&orphans->seen, &orphans->seen_cap, orphans->nseen,
				    sizeof(*orphans->seen)))
			return qf_err_nomem(err);
		orphans->seen[orphans->nseen++] = (struct qf_seen){.file = i};
		set->n++;
	}
	return QF_OK;
}

/* Whole messages are counted, the others are to be looked at. */
static enum qf_code
choose(struct qf_orphans *orphans, struct qf_err *err)
{
	const struct qf_pairs *pairs = orphans->pairs;
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < pairs->nfiles && !code; i++) {
		if (!(qf_pair_at(pairs, i)->marks & QF_PAIR_HEAD))
			continue;
		if (qf_pair_is_whole(pairs, qf_pair_at(pairs, i))) {
			orphans->total.messages++;
			orphans->total.whole += 2;
		} else {
			code = add_candidate(orphans, (uint32_t)i, err);
		}
	}
	return code;
}

static void
first_look(void *ctx, struct qf_io *io, size_t i)
{
	struct qf_orphans *orphans = ctx;
	const struct qf_pairs *pairs = orphans->pairs;
	struct qf_seen *seen = &orphans->seen[i];
	const struct qf_pair_file *file = qf_pair_at(pairs, seen->file);

	seen->there = qf_io_stat(io, pairs->places[file->place].fd, file->name,
				 &seen->st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---------------------------------------------------------------- several names of one file */

static int
compare_links(const void *a, const void *b)
{
	const struct qf_link *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->seen < y->seen ? -1 : x->seen > y->seen;
}

static bool
is_proper_id(const struct qf_pair_file *file)
{
	struct qf_slice id = {file->name + 2, (size_t)file->n - 2};
	struct qf_id decoded;

	return qf_id_decode(id, QF_TIME_NONE, &decoded);
}

/* Of several names the one with a body beside it is the message's; then one that sendmail may have
   made. */
static int
rank(const struct qf_orphans *orphans, const struct qf_link *link)
{
	const struct qf_pairs *pairs = orphans->pairs;
	const struct qf_candidate *set = &orphans->candidates[link->candidate];
	int rank = is_proper_id(qf_pair_at(pairs, orphans->seen[link->seen].file));

	for (uint32_t i = set->first; i < set->first + set->n && rank < 2; i++)
		if (qf_pair_at(pairs, orphans->seen[i].file)->kind == QF_KIND_DATA)
			rank += 2;
	return rank;
}

/* One run of names of the same file: it is told with one of them. */
static void
join_links(struct qf_orphans *orphans, size_t first, size_t n)
{
	size_t leader = first;

	for (size_t i = first + 1; i < first + n; i++)
		if (rank(orphans, &orphans->links[i]) > rank(orphans, &orphans->links[leader]))
			leader = i;
	for (size_t i = first; i < first + n; i++) {
		struct qf_seen *seen = &orphans->seen[orphans->links[i].seen];

		seen->links_at = (uint32_t)first;
		seen->links_n = (uint32_t)n;
		seen->taken = i != leader;
	}
}

static enum qf_code
find_links(struct qf_orphans *orphans, struct qf_err *err)
{
	const struct qf_pairs *pairs = orphans->pairs;
	size_t first = 0;

	for (size_t c = 0; c < orphans->ncandidates; c++) {
		const struct qf_candidate *set = &orphans->candidates[c];

		for (uint32_t i = set->first; i < set->first + set->n; i++) {
			const struct qf_seen *seen = &orphans->seen[i];

			if (!seen->there || !(qf_pair_at(pairs, seen->file)->marks & QF_PAIR_LINKED))
				continue;
			if (!qf_orphan_room((void **)&orphans->links, &orphans->links_cap,
					    orphans->nlinks, sizeof(*orphans->links)))
				return qf_err_nomem(err);
			orphans->links[orphans->nlinks++] = (struct qf_link){
				seen->st.st_dev, seen->st.st_ino, (uint32_t)c, i};
		}
	}
	if (orphans->nlinks)
		qsort(orphans->links, orphans->nlinks, sizeof(*orphans->links), compare_links);
	for (size_t i = 1; i <= orphans->nlinks; i++) {
		if (i < orphans->nlinks &&
		    orphans->links[i].inode == orphans->links[first].inode &&
		    orphans->links[i].device == orphans->links[first].device)
			continue;
		if (i - first > 1)
			join_links(orphans, first, i - first);
		first = i;
	}
	return QF_OK;
}

static int
compare_bodies(const void *a, const void *b)
{
	const struct qf_body *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* Lone bodies with more links: do the other links belong to messages? Kept are the inodes of bodies
   that do. */
static enum qf_code
find_siblings(struct qf_orphans *orphans, struct qf_err *err)
{
	const struct qf_pairs *pairs = orphans->pairs;
	bool wanted = false;

	for (size_t i = 0; i < orphans->nseen && !wanted; i++)
		wanted = orphans->seen[i].there && orphans->seen[i].st.st_nlink > 1 &&
			 qf_pair_at(pairs, orphans->seen[i].file)->kind == QF_KIND_DATA;
	for (size_t i = 0; wanted && i < pairs->nfiles; i++) {
		const struct qf_pair_file *file = qf_pair_at(pairs, i);
		bool data = false, control = false;

		if (!(file->marks & QF_PAIR_HEAD))
			continue;
		for (uint32_t k = (uint32_t)i; k != QF_PAIR_NONE; k = qf_pair_at(pairs, k)->next) {
			data |= qf_pair_at(pairs, k)->kind == QF_KIND_DATA;
			control |= qf_kind_is_control((enum qf_kind)qf_pair_at(pairs, k)->kind) &&
				   !(qf_pair_at(pairs, k)->marks & (QF_PAIR_GONE | QF_PAIR_EMPTY));
		}
		for (uint32_t k = (uint32_t)i; data && control && k != QF_PAIR_NONE;
		     k = qf_pair_at(pairs, k)->next) {
			if (qf_pair_at(pairs, k)->kind != QF_KIND_DATA)
				continue;
			if (!qf_orphan_room((void **)&orphans->bodies, &orphans->bodies_cap,
					    orphans->nbodies, sizeof(*orphans->bodies)))
				return qf_err_nomem(err);
			orphans->bodies[orphans->nbodies++] = (struct qf_body){
				pairs->places[qf_pair_at(pairs, k)->place].device, qf_pair_at(pairs, k)->inode};
		}
	}
	if (orphans->nbodies)
		qsort(orphans->bodies, orphans->nbodies, sizeof(*orphans->bodies), compare_bodies);
	return QF_OK;
}

/* ---------------------------------------------------------------- the pause */

static double
pause_for(const struct qf_orphans *orphans)
{
	if (orphans->options.pause >= 0)
		return orphans->options.pause;
	return orphans->pairs->network ? PAUSE_NETWORK : PAUSE_LOCAL;
}

/* May any candidate be told after all? Only hazards are told before the grace age is over, and they
   all have a control file, or a tf beside one. */
static bool
is_worth_waiting(const struct qf_orphans *orphans)
{
	const struct qf_pairs *pairs = orphans->pairs;

	for (size_t i = 0; i < orphans->nseen; i++) {
		const struct qf_seen *seen = &orphans->seen[i];

		if (seen->there &&
		    (qf_kind_is_control((enum qf_kind)qf_pair_at(pairs, seen->file)->kind) ||
		     qf_time_between(seen->st.st_mtime, orphans->options.now) >=
			     orphans->options.grace ||
		     orphans->options.grace <= 0))
			return true;
	}
	return false;
}

static enum qf_code
pause_between(struct qf_orphans *orphans, uint64_t begun, struct qf_err *err)
{
	const struct timespec piece = {.tv_nsec = 50000000};
	const volatile int *cancel = orphans->options.cancel;
	double seconds = pause_for(orphans);
	uint64_t end = begun + (uint64_t)(seconds * 1e9);

	while (qf_clock_ns() < end && !(cancel && *cancel))
		nanosleep(&piece, NULL);
	orphans->total.waited = (double)(qf_clock_ns() - begun) / 1e9;
	return cancel && *cancel ? qf_err_set(err, QF_E_INTERRUPTED, "scan", "interrupted") : QF_OK;
}

/* ---------------------------------------------------------------- the whole */

static void
second_look(void *ctx, struct qf_io *io, size_t i)
{
	struct qf_orphans *orphans = ctx;

	qf_orphan_set(orphans, io, &orphans->candidates[i]);
}

static int
compare_found(const void *a, const void *b)
{
	const struct qf_orphan *x = a, *y = b;
	int order = strcmp(x->files[0].path, y->files[0].path);

	return order ? order : (x->cause > y->cause) - (x->cause < y->cause);
}

static bool
take_foreign(void *ctx, size_t place, const char *name)
{
	struct qf_orphans *orphans = ctx;
	struct qf_orphan_file *file;
	struct qf_orphan *found;

	/* The directories are being listed: what they are is asked when all are (name_foreign). */
	if (!qf_orphan_room((void **)&orphans->found, &orphans->found_cap, orphans->nfound,
			    sizeof(*orphans->found)))
		return false;
	file = qf_arena_alloc(&orphans->arena, sizeof(*file));
	if (!file)
		return false;
	*file = (struct qf_orphan_file){.name = qf_orphan_text(orphans, "%s", name),
					.inode = place};
	found = &orphans->found[orphans->nfound++];
	*found = (struct qf_orphan){.cause = QF_CAUSE_FOREIGN, .files = file, .nfiles = 1};
	return true;
}

static void
name_foreign(struct qf_orphans *orphans)
{
	const struct qf_orphan_facts facts = {.cause = QF_CAUSE_FOREIGN};
	struct qf_orphan_judgement judgement;
	struct stat st;

	qf_orphan_judge(&facts, &judgement);
	for (size_t i = 0; i < orphans->nfound; i++) {
		struct qf_orphan *found = &orphans->found[i];
		struct qf_orphan_file *file = (struct qf_orphan_file *)found->files;
		const struct qf_pair_place *place = &orphans->pairs->places[file->inode];
		const struct qf_dir *dir = qf_queue_dir(orphans->queue, place->dir);

		found->verdict = judgement.verdict;
		found->why = judgement.why;
		found->id = "";
		found->queue = dir->path;
		found->dir = place->dir;
		found->deadline = QF_TIME_NONE;
		file->path = qf_orphan_text(orphans, "%s%s/%s", dir->path, place->sub, file->name);
		file->at = place->fd;
		file->dir = place->dir;
		file->inode = 0;
		if (qf_io_stat(orphans->pairs->io, place->fd, file->name, &st,
			       AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		file->inode = st.st_ino;
		file->size = found->bytes = st.st_size;
		file->mtime = st.st_mtime;
		found->age = qf_time_between(st.st_mtime, orphans->options.now);
		if (found->age < 0)
			found->age = 0;
	}
}

static enum qf_code
look_twice(struct qf_orphans *orphans, struct qf_err *err)
{
	const struct qf_orphans_options *options = &orphans->options;
	uint64_t begun;
	enum qf_code code =
		qf_pair_each(orphans->pairs, orphans->nseen, first_look, orphans, err);

	if (!code)
		code = find_links(orphans, err);
	if (!code)
		code = find_siblings(orphans, err);
	begun = qf_clock_ns();
	if (!code && options->nlogs && orphans->ncandidates)
		code = qf_orphan_log(orphans, err);
	if (!code && is_worth_waiting(orphans))
		code = pause_between(orphans, begun, err);
	/* Only now: a removal of ours that began meanwhile is seen by its folder. */
	if (!code)
		code = qf_orphan_home(orphans, err);
	if (!code)
		code = qf_pair_each(orphans->pairs, orphans->ncandidates, second_look, orphans,
				    err);
	return code;
}

enum qf_code
qf_orphans_find(struct qf_queue *queue, const struct qf_orphans_options *options,
		struct qf_orphans **out, struct qf_err *err)
{
	const struct qf_pair_options pair_options = {
		.deep = options->deep, .jobs = options->jobs, .cancel = options->cancel};
	struct qf_orphans *orphans = calloc(1, sizeof(*orphans));
	uint64_t begun = qf_clock_ns();
	enum qf_code code;

	if (!orphans)
		return qf_err_nomem(err);
	orphans->queue = queue;
	orphans->options = *options;
	if (options->max_ops)
		qf_queue_io(queue)->max_ops = options->max_ops;
	pthread_mutex_init(&orphans->mutex, NULL);
	code = qf_pair_new(queue, &pair_options, options->ignored ? take_foreign : NULL, orphans,
			   &orphans->pairs, err);
	if (!code)
		name_foreign(orphans);
	if (!code)
		code = qf_orphan_seen(orphans, err);
	if (!code)
		code = choose(orphans, err);
	if (!code) {
		orphans->locks = qf_locks_new();
		if (!orphans->locks)
			code = qf_err_nomem(err);
	}
	if (!code)
		code = look_twice(orphans, err);
	if (!code && orphans->nomem)
		code = qf_err_nomem(err);
	if (code) {
		qf_orphans_free(orphans);
		return code;
	}
	if (orphans->nfound)
		qsort(orphans->found, orphans->nfound, sizeof(*orphans->found), compare_found);
	orphans->total.queues = qf_queue_ndirs(queue);
	orphans->total.files = orphans->pairs->nfiles + orphans->pairs->ignored;
	orphans->total.ignored = orphans->pairs->ignored;
	orphans->total.unreadable = orphans->pairs->unreadable;
	for (size_t i = 0; i < qf_queue_ndirs(queue); i++)
		orphans->total.unreadable += qf_queue_dir(queue, i)->trouble != QF_OK;
	orphans->total.seconds = (double)(qf_clock_ns() - begun) / 1e9;
	*out = orphans;
	return QF_OK;
}

void
qf_orphans_free(struct qf_orphans *orphans)
{
	if (!orphans)
		return;
	qf_pair_free(orphans->pairs);
	qf_locks_free(orphans->locks);
	for (size_t i = 0; i < orphans->nbusy_ids; i++)
		free(orphans->busy_ids[i]);
	free(orphans->busy_ids);
	free(orphans->candidates);
	free(orphans->fates);
	free(orphans->seen);
	free(orphans->links);
	free(orphans->bodies);
	free(orphans->troubles);
	free(orphans->unseen);
	free(orphans->found);
	qf_arena_release(&orphans->arena);
	pthread_mutex_destroy(&orphans->mutex);
	free(orphans);
}

size_t
qf_orphans_n(const struct qf_orphans *orphans)
{
	return orphans->nfound;
}

const struct qf_orphan *
qf_orphans_get(const struct qf_orphans *orphans, size_t i)
{
	return &orphans->found[i];
}

const struct qf_orphans_total *
qf_orphans_total(const struct qf_orphans *orphans)
{
	return &orphans->total;
}

const struct qf_err *
qf_orphans_trouble(const struct qf_orphans *orphans, size_t i)
{
	return i < orphans->ntroubles ? &orphans->troubles[i] : NULL;
}

const struct qf_orphans_log *
qf_orphans_log(const struct qf_orphans *orphans)
{
	return orphans->options.nlogs ? &orphans->log : NULL;
}

const char *
qf_orphans_unseen(const struct qf_orphans *orphans)
{
	return orphans->unseen;
}
