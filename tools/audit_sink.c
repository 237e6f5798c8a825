/*
 * audit_sink - events on their way into the database: stored by a thread of its own, while the next
 * lines are read. Two batches: one is filled while the other one is stored.
 *
 * The store has one user at a time: the thread while a batch is being stored, and who has drained
 * the sink until something is put again.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "audit_sink.h"

/* Of a batch; one event that is larger has one for itself. */
#define EVENTS 1024
#define BYTES ((size_t)256 << 10)

struct batch {
	struct keyed {
		struct qf_log_event event;
		unsigned char key[16];
	} * events;
	size_t n;
	char *bytes; /* what their slices point to */
	size_t used, room;
	int64_t file;
};

struct audit_sink {
	struct store *store;
	struct audit_log_keys keys; /* of who puts */
	struct batch batches[2];
	unsigned filling; /* of the batches */
	pthread_t thread;
	bool threaded;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Guarded by mutex while the thread is there. */
	struct batch *full; /* to be stored, or being so; NULL */
	bool ends;
	uint64_t stored, known;
	enum qf_code code;
	struct qf_err err;
};

static void
store_batch(struct audit_sink *sink, struct batch *batch)
{
	enum qf_code code = sink->code;
	bool is_new;

	for (size_t i = 0; i < batch->n && code == QF_OK; i++) {
		code = audit_store_event(sink->store, batch->events[i].key, batch->file,
					 &batch->events[i].event, &is_new, &sink->err);
		sink->stored += code == QF_OK && is_new;
		sink->known += code == QF_OK && !is_new;
	}
	sink->code = code;
	batch->n = batch->used = 0;
}

static void *
run(void *of)
{
	struct audit_sink *sink = of;

	pthread_mutex_lock(&sink->mutex);
	for (;;) {
		while (!sink->full && !sink->ends)
			pthread_cond_wait(&sink->changed, &sink->mutex);
		if (!sink->full)
			break;
		pthread_mutex_unlock(&sink->mutex);
		store_batch(sink, sink->full);
		pthread_mutex_lock(&sink->mutex);
		sink->full = NULL;
		pthread_cond_signal(&sink->changed);
	}
	pthread_mutex_unlock(&sink->mutex);
	return NULL;
}

struct audit_sink *
audit_sink_new(struct store *store)
{
	struct audit_sink *sink = calloc(1, sizeof(*sink));
	bool room = sink != NULL;

	for (size_t i = 0; i < 2 && room; i++) {
		struct batch *batch = &sink->batches[i];

		batch->events = calloc(EVENTS, sizeof(*batch->events));
		batch->bytes = malloc(BYTES);
		batch->room = BYTES;
		room = batch->events && batch->bytes;
	}
	if (!room) {
		audit_sink_free(sink);
		return NULL;
	}
	sink->store = store;
	pthread_mutex_init(&sink->mutex, NULL);
	pthread_cond_init(&sink->changed, NULL);
	/* Without it all is done by who calls. */
	sink->threaded = pthread_create(&sink->thread, NULL, run, sink) == 0;
	return sink;
}

void
audit_sink_free(struct audit_sink *sink)
{
	if (!sink)
		return;
	if (sink->threaded) {
		pthread_mutex_lock(&sink->mutex);
		sink->ends = true;
		pthread_cond_signal(&sink->changed);
		pthread_mutex_unlock(&sink->mutex);
		pthread_join(sink->thread, NULL);
	}
	if (sink->store) {
		pthread_mutex_destroy(&sink->mutex);
		pthread_cond_destroy(&sink->changed);
	}
	for (size_t i = 0; i < 2; i++) {
		free(sink->batches[i].events);
		free(sink->batches[i].bytes);
	}
	audit_log_keys_release(&sink->keys);
	free(sink);
}

/* Nothing is being stored. */
static void
wait_for_thread(struct audit_sink *sink)
{
	pthread_mutex_lock(&sink->mutex);
	while (sink->full)
		pthread_cond_wait(&sink->changed, &sink->mutex);
	pthread_mutex_unlock(&sink->mutex);
}

static void
hand_over(struct audit_sink *sink)
{
	struct batch *batch = &sink->batches[sink->filling];

	if (!batch->n)
		return;
	wait_for_thread(sink);
	if (!sink->threaded) {
		store_batch(sink, batch);
		return;
	}
	pthread_mutex_lock(&sink->mutex);
	sink->full = batch;
	pthread_cond_signal(&sink->changed);
	pthread_mutex_unlock(&sink->mutex);
	sink->filling = !sink->filling;
}

void
audit_sink_begin(struct audit_sink *sink)
{
	audit_log_keys_clear(&sink->keys);
}

/* ------------------------------------------------------------------ events, kept */

static const size_t slices[] = {
#define AT(member) offsetof(struct qf_log_event, member)
	AT(host), AT(ident), AT(id), AT(text), AT(sender), AT(message_id), AT(controller), AT(mailer),
	AT(relay), AT(dsn), AT(reply), AT(stat), AT(reason),
#undef AT
};
#define NSLICES (sizeof(slices) / sizeof(*slices))

static struct qf_slice *
slice_at(struct qf_log_event *event, size_t i)
{
	return (struct qf_slice *)((char *)event + slices[i]);
}

static size_t
size_of(const struct qf_log_event *event)
{
	size_t n = (event->nrecipients + event->nchildren) * sizeof(struct qf_slice) + sizeof(struct qf_slice);

	for (size_t i = 0; i < NSLICES; i++)
		n += ((const struct qf_slice *)((const char *)event + slices[i]))->n;
	for (size_t i = 0; i < event->nrecipients; i++)
		n += event->recipients[i].n;
	for (size_t i = 0; i < event->nchildren; i++)
		n += event->children[i].n;
	return n;
}

static void
keep_slice(struct batch *batch, struct qf_slice *slice)
{
	char *to = batch->bytes + batch->used;

	if (!slice->p)
		return;
	memcpy(to, slice->p, slice->n);
	batch->used += slice->n;
	slice->p = to;
}

static const struct qf_slice *
keep_list(struct batch *batch, const struct qf_slice *list, size_t n)
{
	size_t align = sizeof(struct qf_slice);
	struct qf_slice *to;

	if (!n)
		return NULL;
	batch->used = (batch->used + align - 1) / align * align;
	to = (struct qf_slice *)(void *)(batch->bytes + batch->used);
	batch->used += n * sizeof(*to);
	memcpy(to, list, n * sizeof(*to));
	for (size_t i = 0; i < n; i++)
		keep_slice(batch, &to[i]);
	return to;
}

/* For the first one, as much as it takes. */
static bool
has_room(struct batch *batch, size_t size)
{
	char *more;

	if (batch->used + size <= batch->room)
		return true;
	more = realloc(batch->bytes, size);
	if (!more)
		return false;
	batch->bytes = more;
	batch->room = size;
	return true;
}

enum qf_code
audit_sink_put(struct audit_sink *sink, int64_t file, const struct qf_log_event *event, struct qf_err *err)
{
	size_t size = size_of(event) + sizeof(struct qf_slice);
	struct batch *batch = &sink->batches[sink->filling];
	struct keyed *kept;

	if (batch->n == EVENTS || (batch->n && (batch->file != file || batch->used + size > batch->room))) {
		hand_over(sink);
		batch = &sink->batches[sink->filling];
	}
	kept = &batch->events[batch->n];
	if (!has_room(batch, size) || !audit_log_key(&sink->keys, event, kept->key)) {
		return store_no_memory(err);
	}
	batch->n++;
	batch->file = file;
	kept->event = *event;
	kept->event.recipients = keep_list(batch, event->recipients, event->nrecipients);
	kept->event.children = keep_list(batch, event->children, event->nchildren);
	for (size_t i = 0; i < NSLICES; i++)
		keep_slice(batch, slice_at(&kept->event, i));
	return QF_OK;
}

enum qf_code
audit_sink_drain(struct audit_sink *sink, uint64_t *stored, uint64_t *known, struct qf_err *err)
{
	hand_over(sink);
	wait_for_thread(sink);
	*stored += sink->stored;
	*known += sink->known;
	sink->stored = sink->known = 0;
	if (sink->code != QF_OK)
		*err = sink->err;
	return sink->code;
}
