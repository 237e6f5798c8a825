/*
 * pair - the directories of a queue listed, and their names sorted by id.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "list.h"
#include "pair.h"

/* ---------------------------------------------------------------- places */

static const char *const subs[] = {
	[QF_PART_CONTROL] = "/qf", [QF_PART_DATA] = "/df", [QF_PART_TRANSCRIPT] = "/xf"};

/* The place of an open directory, a new one where it is none yet. SIZE_MAX: its fstat failed. */
static size_t
place_of(struct qf_pairs *pairs, size_t dir, int fd, const char *sub, unsigned roles)
{
	struct qf_pair_place *place;
	struct stat st, other;

	if (fd < 0 || qf_io_fstat(pairs->io, fd, &st) != 0)
		return SIZE_MAX;
	for (size_t i = 0; i < pairs->nplaces; i++) {
		place = &pairs->places[i];
		if (qf_io_fstat(pairs->io, place->fd, &other) == 0 && other.st_dev == st.st_dev &&
		    other.st_ino == st.st_ino) {
			place->roles |= roles;
			return i;
		}
	}
	place = &pairs->places[pairs->nplaces];
	*place = (struct qf_pair_place){.dir = dir,
					.sub = sub,
					.roles = roles,
					.fd = fd,
					.device = st.st_dev,
					.sight = qf_locks_sight(fd)};
	pairs->network |= qf_fs_of(fd) == QF_FS_NETWORK;
	return pairs->nplaces++;
}

/* The directory above qf/, df/ and xf/, where all three are: nothing of a message belongs there,
   and yet something may have been left behind when they were made. */
static void
add_top(struct qf_pairs *pairs, size_t dir)
{
	const struct qf_dir *d = qf_queue_dir(pairs->queue, dir);
	int fd = qf_io_open(pairs->io, AT_FDCWD, d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n = pairs->nplaces, place;

	if (fd < 0)
		return;
	place = place_of(pairs, dir, fd, "", 0);
	if (pairs->nplaces > n)
		pairs->places[place].own = true;
	else
		qf_io_close(pairs->io, fd);
}

static void
add_places(struct qf_pairs *pairs, size_t dir)
{
	const struct qf_dir *d = qf_queue_dir(pairs->queue, dir);
	const int fds[] = {d->control_fd, d->data_fd, d->transcript_fd};
	const bool split[] = {d->split_qf, d->split_df, d->split_xf};

	for (size_t part = 0; part < 3; part++)
		pairs->homes[dir].part[part] =
			d->trouble ? SIZE_MAX
				   : place_of(pairs, dir, fds[part], split[part] ? subs[part] : "",
					      1u << part);
	if (!d->trouble && d->split_qf && d->split_df && d->split_xf)
		add_top(pairs, dir);
}

/* ---------------------------------------------------------------- names */

/* Room for one more file. */
static bool
add_block(struct qf_pairs *pairs)
{
	struct qf_pair_file *block;

	if (pairs->nfiles < pairs->nblocks * QF_PAIR_BLOCK)
		return true;
	if (pairs->nblocks == pairs->blocks_cap)
		return false;
	block = malloc(QF_PAIR_BLOCK * sizeof(*block));
	if (!block)
		return false;
	pairs->blocks[pairs->nblocks++] = block;
	return true;
}

static uint64_t
hash_of(const char *id, size_t n)
{
	uint64_t hash = n, word;

	for (; n; id += 8, n -= n < 8 ? n : 8) {
		word = 0;
		memcpy(&word, id, n < 8 ? n : 8);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash * UINT64_C(0x9e3779b97f4a7c15);
}

/* The slot of the table where the id is, or would be. */
static struct qf_pair_slot *
slot_of(const struct qf_pairs *pairs, const char *id, size_t n, uint64_t hash)
{
	size_t mask = pairs->table_cap - 1, at = (hash ^ hash >> 32) & mask;

	for (; pairs->table[at].head != QF_PAIR_NONE; at = (at + 1) & mask) {
		const struct qf_pair_file *file = qf_pair_at(pairs, pairs->table[at].head);

		if (pairs->table[at].tag == hash >> 32 && (size_t)file->n - 2 == n &&
		    memcmp(file->name + 2, id, n) == 0)
			break;
	}
	return &pairs->table[at];
}

static bool
grow_table(struct qf_pairs *pairs)
{
	struct qf_pair_slot *old = pairs->table, *table;
	size_t cap = pairs->table_cap, more = cap ? cap * 2 : 1024;

	if (pairs->nsets * 4 < cap * 3)
		return true;
	table = malloc(more * sizeof(*table));
	if (!table)
		return false;
	memset(table, 0xff, more * sizeof(*table));
	pairs->table = table;
	pairs->table_cap = more;
	for (size_t i = 0; i < cap; i++) {
		const struct qf_pair_file *file;
		uint64_t hash;

		if (old[i].head == QF_PAIR_NONE)
			continue;
		file = qf_pair_at(pairs, old[i].head);
		hash = hash_of(file->name + 2, (size_t)file->n - 2);
		*slot_of(pairs, file->name + 2, (size_t)file->n - 2, hash) = old[i];
	}
	free(old);
	return true;
}

uint32_t
qf_pair_find(const struct qf_pairs *pairs, const char *id, size_t n)
{
	return pairs->table_cap ? slot_of(pairs, id, n, hash_of(id, n))->head : QF_PAIR_NONE;
}

static enum qf_code
add_file(struct qf_pairs *pairs, size_t place, const struct qf_sys_entry *entry, size_t n,
	 enum qf_kind kind, struct qf_err *err)
{
	uint32_t index = (uint32_t)pairs->nfiles;
	uint64_t hash = hash_of(entry->name + 2, n - 2);
	struct qf_pair_slot *slot;
	struct qf_pair_file *file;

	if (pairs->nfiles >= QF_PAIR_NONE - 1)
		return qf_err_set(err, QF_E_LIMIT, "queue", "more files than can be counted");
	if (!add_block(pairs) || !grow_table(pairs))
		return qf_err_nomem(err);
	file = qf_pair_at(pairs, index);
	*file = (struct qf_pair_file){.inode = entry->inode,
				      .next = QF_PAIR_NONE,
				      .place = (uint16_t)place,
				      .n = (uint8_t)n,
				      .kind = (uint8_t)kind,
				      .type = entry->type};
	memcpy(file->name, entry->name, n + 1);
	slot = slot_of(pairs, entry->name + 2, n - 2, hash);
	if (slot->head == QF_PAIR_NONE) {
		file->marks = QF_PAIR_HEAD;
		*slot = (struct qf_pair_slot){index, (uint32_t)(hash >> 32)};
		pairs->nsets++;
	} else {
		/* The head stays; order behind it does not matter. */
		file->next = qf_pair_at(pairs, slot->head)->next;
		qf_pair_at(pairs, slot->head)->next = index;
	}
	if (qf_kind_is_control(kind) && !(pairs->places[place].roles & (1u << QF_PART_CONTROL)))
		file->marks |= QF_PAIR_STRAY;
	pairs->places[place].controls += qf_kind_is_control(kind);
	pairs->places[place].bodies += kind == QF_KIND_DATA;
	pairs->nfiles++;
	return QF_OK;
}

/* Not counted: our own folder, and the sub-directories that make the layout. */
static bool
is_of_the_layout(const struct qf_pairs *pairs, size_t place, const struct qf_sys_entry *entry)
{
	const struct qf_pair_place *p = &pairs->places[place];
	const struct qf_dir *d = qf_queue_dir(pairs->queue, p->dir);

	if (strcmp(entry->name, ".qf") == 0)
		return true;
	if (p->sub[0] || entry->type == DT_REG)
		return false;
	return (d->split_qf && strcmp(entry->name, "qf") == 0) ||
	       (d->split_df && strcmp(entry->name, "df") == 0) ||
	       (d->split_xf && strcmp(entry->name, "xf") == 0);
}

struct listing {
	struct qf_pairs *pairs;
	struct qf_pair_looker *looker;
	bool (*foreign)(void *ctx, size_t place, const char *name);
	void *ctx;
	struct qf_err *err;
};

static enum qf_code
take_entry(struct listing *listing, size_t place, const struct qf_sys_entry *entry)
{
	struct qf_pairs *pairs = listing->pairs;
	size_t n = strlen(entry->name);
	enum qf_kind kind = qf_name_kind(entry->name, n);

	if (is_of_the_layout(pairs, place, entry))
		return QF_OK;
	pairs->places[place].entries++;
	/* sendmail passes over names that are too long: to it they are nothing. */
	if (kind != QF_KIND_OTHER && n < QF_NAME_MAX)
		return add_file(pairs, place, entry, n, kind, listing->err);
	pairs->ignored++;
	if (listing->foreign && !listing->foreign(listing->ctx, place, entry->name))
		return qf_err_nomem(listing->err);
	return QF_OK;
}

static enum qf_code
list_place(struct listing *listing, size_t place)
{
	struct qf_pairs *pairs = listing->pairs;
	struct qf_pair_place *p = &pairs->places[place];
	const struct qf_dir *d = qf_queue_dir(pairs->queue, p->dir);
	const volatile int *cancel = pairs->options.cancel;
	const struct qf_sys_entry *entry;
	char path[sizeof(p->err.what)];
	enum qf_code code = QF_OK;
	struct qf_list list;

	if (!qf_list_begin(&list, pairs->io, p->fd))
		return qf_err_nomem(listing->err);
	while (!code && qf_list_read(&list)) {
		while (!code && (entry = qf_list_in_piece(&list)))
			code = take_entry(listing, place, entry);
		qf_pair_look_more(listing->looker);
		if (!code && cancel && *cancel)
			code = qf_err_set(listing->err, QF_E_INTERRUPTED, "scan", "interrupted");
	}
	if (list.failure) {
		snprintf(path, sizeof(path), "%s%s", d->path, p->sub);
		/* A directory that may be entered and not read was opened as a mere handle. */
		p->trouble = qf_err_sys(&p->err, list.failure == EBADF ? EACCES : list.failure,
					path, "cannot list");
		pairs->unreadable++;
	}
	qf_list_end(&list);
	return code;
}

/* ---------------------------------------------------------------- sets */

bool
qf_pair_is_whole(const struct qf_pairs *pairs, const struct qf_pair_file *head)
{
	const struct qf_pair_file *other, *control = head;

	if (head->next == QF_PAIR_NONE)
		return false;
	other = qf_pair_at(pairs, head->next);
	if (other->next != QF_PAIR_NONE)
		return false;
	if (head->kind == QF_KIND_DATA) {
		control = other;
		other = head;
	}
	return (control->kind == QF_KIND_QUEUED || control->kind == QF_KIND_HELD) &&
	       other->kind == QF_KIND_DATA && !(control->marks & ~QF_PAIR_HEAD) &&
	       !(other->marks & ~QF_PAIR_HEAD);
}

/* ---------------------------------------------------------------- the whole */

enum qf_code
qf_pair_new(struct qf_queue *queue, const struct qf_pair_options *options,
	    bool (*foreign)(void *ctx, size_t place, const char *name), void *ctx,
	    struct qf_pairs **out, struct qf_err *err)
{
	size_t ndirs = qf_queue_ndirs(queue);
	struct qf_pairs *pairs = calloc(1, sizeof(*pairs));
	struct listing listing = {.pairs = pairs,
				  .foreign = foreign,
				  .ctx = ctx,
				  .err = err};
	enum qf_code code = QF_OK;

	if (pairs) {
		pairs->queue = queue;
		pairs->io = qf_queue_io(queue);
		pairs->options = *options;
		pairs->places = calloc(4 * ndirs + 1, sizeof(*pairs->places));
		pairs->homes = calloc(ndirs + 1, sizeof(*pairs->homes));
		/* For as many as can be counted; what is not used is no memory. */
		pairs->blocks_cap = QF_PAIR_NONE / QF_PAIR_BLOCK + 1;
		pairs->blocks = calloc(pairs->blocks_cap, sizeof(*pairs->blocks));
	}
	if (!pairs || !pairs->places || !pairs->homes || !pairs->blocks) {
		code = qf_err_nomem(err);
		goto out;
	}
	if (ndirs > UINT16_MAX / 4) {
		code = qf_err_set(err, QF_E_LIMIT, "queue", "more directories than can be counted");
		goto out;
	}
	for (size_t i = 0; i < ndirs; i++)
		add_places(pairs, i);
	code = qf_pair_look_begin(pairs, &listing.looker, err);
	if (code)
		goto out;
	for (size_t i = 0; i < pairs->nplaces && !code; i++)
		code = list_place(&listing, i);
	if (code)
		qf_pair_look_end(listing.looker, true, NULL);
	else
		code = qf_pair_look_end(listing.looker, false, err);
out:
	if (code)
		qf_pair_free(pairs);
	else
		*out = pairs;
	return code;
}

void
qf_pair_free(struct qf_pairs *pairs)
{
	if (!pairs)
		return;
	for (size_t i = 0; i < pairs->nplaces; i++)
		if (pairs->places[i].own)
			qf_io_close(pairs->io, pairs->places[i].fd);
	free(pairs->places);
	free(pairs->homes);
	for (size_t i = 0; i < pairs->nblocks; i++)
		free(pairs->blocks[i]);
	free(pairs->blocks);
	free(pairs->table);
	free(pairs);
}
