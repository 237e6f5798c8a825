/*
 * salvage_journeys - when messages last came to a queue, and when they left it: the marks of its manifests
 * put together, one entry for each id. Directories that were a target together are one queue; what is given
 * as a source may be several.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "home.h"
#include "layout.h"
#include "salvage.h"

struct journey {
	uint64_t id;           /* hash of it and the queue; 0: free */
	uint64_t data;         /* of what left: the first bytes of its body's sum; 0: not known */
	int64_t brought, left; /* microseconds; 0: never */
};

struct qf_journeys {
	struct journey *all;
	size_t n, cap;  /* cap: a power of two, or 0 */
	size_t *queues; /* of each directory: the first one of its queue */
	size_t queue;   /* whose marks are read */
	bool nomem;
};

static uint64_t
hash(const char *id, size_t queue)
{
	uint64_t sum = 14695981039346656037u;

	sum = (sum ^ queue) * 1099511628211u;
	for (; *id; id++)
		sum = (sum ^ (unsigned char)*id) * 1099511628211u;
	return sum + !sum;
}

/* The one of that hash, or a free one. */
static struct journey *
place_of(const struct qf_journeys *journeys, uint64_t id)
{
	size_t at = (size_t)(id >> 7) & (journeys->cap - 1);

	while (journeys->all[at].id && journeys->all[at].id != id)
		at = (at + 1) & (journeys->cap - 1);
	return &journeys->all[at];
}

static bool
grow(struct qf_journeys *journeys)
{
	struct qf_journeys more = {.cap = journeys->cap ? journeys->cap * 2 : 256};

	more.all = calloc(more.cap, sizeof(*more.all));
	if (!more.all)
		return false;
	for (size_t i = 0; i < journeys->cap; i++)
		if (journeys->all[i].id)
			*place_of(&more, journeys->all[i].id) = journeys->all[i];
	free(journeys->all);
	journeys->all = more.all;
	journeys->cap = more.cap;
	return true;
}

/* Of hexadecimal digits. */
static uint64_t
beginning(const char *data)
{
	uint8_t bytes[8];
	char digits[17];
	uint64_t sum = 0;

	snprintf(digits, sizeof(digits), "%.16s", data);
	if (qf_hex_read(digits, bytes, sizeof(bytes)))
		memcpy(&sum, bytes, sizeof(sum));
	return sum;
}

static enum qf_mark_wish
take(void *ctx, const struct qf_mark *mark, char index[QF_CLAIM_KEY_MAX])
{
	struct qf_journeys *journeys = ctx;
	const char *slash = strrchr(mark->key, '/'), *name = mark->left && slash ? slash + 1 : mark->name;
	struct journey *journey;
	uint64_t id;

	(void)index;
	if (mark->voided || strlen(name) < 3)
		return QF_MARK_UNWANTED;
	if (journeys->n >= journeys->cap / 5 * 4 && !grow(journeys)) {
		journeys->nomem = true;
		return QF_MARK_UNWANTED;
	}
	id = hash(name + 2, journeys->queue);
	journey = place_of(journeys, id);
	journeys->n += journey->id == 0;
	journey->id = id;
	if (mark->left && mark->at > journey->left) {
		journey->left = mark->at;
		journey->data = beginning(mark->sha_data);
	} else if (!mark->left && mark->at > journey->brought) {
		journey->brought = mark->at;
	}
	return QF_MARK_UNWANTED;
}

/* The first directory with that identity; this one, if it has none. */
static size_t
queue_of(char (*identities)[33], size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (identities[i][0] && strcmp(identities[k], identities[i]) == 0)
			return k;
	return i;
}

static enum qf_code
read_directory(struct qf_journeys *journeys, struct qf_queue *queue, size_t i, char (*identities)[33],
	       struct qf_err *err)
{
	struct qf_io *io = qf_queue_io(queue);
	struct qf_marks *none = NULL;
	int home, folder;
	enum qf_code code = qf_queue_dir(queue, i)->trouble ? QF_E_NOT_FOUND
							    : qf_home_open(queue, i, false, &home, err);

	/* What never was a queue of ours has no journeys. */
	if (code)
		return code == QF_E_NOT_FOUND ? QF_OK : code;
	if (!qf_target_identity_of(io, home, identities[i]))
		identities[i][0] = '\0';
	journeys->queues[i] = journeys->queue = queue_of(identities, i);
	code = qf_home_folder(io, home, "manifests", false, &folder, err);
	qf_io_close(io, home);
	if (code)
		return code == QF_E_NOT_FOUND ? QF_OK : code;
	code = qf_marks_read(io, &folder, 1, true, take, journeys, &none, err);
	qf_marks_free(none);
	qf_io_close(io, folder);
	return !code && journeys->nomem ? qf_err_nomem(err) : code;
}

enum qf_code
qf_journeys_read(struct qf_queue *queue, struct qf_journeys **out, struct qf_err *err)
{
	size_t ndirs = qf_queue_ndirs(queue);
	struct qf_journeys *journeys = calloc(1, sizeof(*journeys));
	char (*identities)[33] = calloc(ndirs + 1, sizeof(*identities));
	enum qf_code code = QF_OK;

	if (journeys)
		journeys->queues = calloc(ndirs + 1, sizeof(*journeys->queues));
	if (!journeys || !journeys->queues || !identities)
		code = qf_err_nomem(err);
	for (size_t i = 0; i < ndirs && !code; i++) {
		journeys->queues[i] = i;
		code = read_directory(journeys, queue, i, identities, err);
	}
	free(identities);
	if (code)
		qf_journeys_free(journeys);
	else
		*out = journeys;
	return code;
}

void
qf_journeys_free(struct qf_journeys *journeys)
{
	if (journeys) {
		free(journeys->all);
		free(journeys->queues);
	}
	free(journeys);
}

bool
qf_journeys_left_since(const struct qf_journeys *journeys, size_t dir, const char *id, const char *data,
		       int64_t at)
{
	const struct journey *journey =
		journeys->cap ? place_of(journeys, hash(id, journeys->queues[dir])) : NULL;

	return journey && journey->left > at && journey->left > journey->brought &&
	       (!data || !journey->data || journey->data == beginning(data));
}

bool
qf_journeys_is_one_queue(const struct qf_journeys *journeys, size_t a, size_t b)
{
	return journeys->queues[a] == journeys->queues[b];
}
