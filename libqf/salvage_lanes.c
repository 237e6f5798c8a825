/*
 * salvage_lanes - batches moved side by side.
 *
 * The kernel lets one name at a time be made, renamed or removed in a directory, and one file at a
 * time be renamed from directory to directory on a whole file system. Within a batch that stands in
 * the way: all its messages come to the same step at once. So where each operation takes its time,
 * a few smaller batches go at once, each at another step. No more messages are locked at once than
 * in one lane (QF_TAKEN_MAX). Where answers come fast there is one: it shares its syncs best.
 */
#include <pthread.h>
#include <signal.h>

#include "err.h"
#include "salvage.h"

/* With fewer hands than this for each they wait for nothing but each other. */
#define HANDS_A_LANE 4

struct lanes {
	struct qf_salvage *salvage;
	const struct qf_lane_work *work;
	size_t most; /* messages a batch */
	unsigned hands;
	pthread_mutex_t mutex; /* of what follows, and of who asks for the next batch */
	unsigned begun;
	struct qf_lane_state state;
	struct qf_err err;
};

static void
drive(struct lanes *lanes, struct qf_crew *crew)
{
	struct qf_move moves[QF_TAKEN_MAX];
	struct qf_err err = {0};
	unsigned number;

	pthread_mutex_lock(&lanes->mutex);
	number = lanes->begun++;
	pthread_mutex_unlock(&lanes->mutex);
	for (;;) {
		enum qf_code code;
		bool stuck = false;
		size_t n;

		pthread_mutex_lock(&lanes->mutex);
		n = lanes->work->next(lanes->work->ctx, moves, lanes->most, &lanes->state);
		pthread_mutex_unlock(&lanes->mutex);
		if (n == 0)
			return;
		code = qf_move_batch(lanes->salvage, crew, number, moves, n, lanes->work->marks,
				     &stuck, &err);
		pthread_mutex_lock(&lanes->mutex);
		lanes->state.stuck |= stuck;
		if (code && !lanes->state.code) {
			lanes->state.code = code;
			lanes->err = err;
		}
		pthread_mutex_unlock(&lanes->mutex);
		qf_salvage_progress(lanes->salvage, lanes->work->of);
	}
}

static void *
lane(void *arg)
{
	struct lanes *lanes = arg;
	struct qf_crew *crew = qf_crew_new(lanes->hands);

	/* Without one the others have more to do. */
	if (crew)
		drive(lanes, crew);
	qf_crew_free(crew);
	return NULL;
}

enum qf_code
qf_salvage_lanes(struct qf_salvage *salvage, const struct qf_lane_work *work, struct qf_err *err)
{
	unsigned hands = qf_salvage_hands(salvage), rate = salvage->options.rate;
	unsigned n = rate ? 1 : hands / HANDS_A_LANE, begun = 0;
	struct lanes lanes = {.salvage = salvage, .work = work};
	pthread_t threads[QF_LANES_MAX];
	sigset_t all, before;
	struct qf_crew *crew;

	n = n < 1 ? 1 : n > QF_LANES_MAX ? QF_LANES_MAX : n;
	lanes.most = QF_TAKEN_MAX / n;
	if (rate && rate < lanes.most)
		lanes.most = rate;
	lanes.hands = hands / n;
	crew = qf_crew_new(lanes.hands);
	if (!crew)
		return qf_err_nomem(err);
	pthread_mutex_init(&lanes.mutex, NULL);
	/* Signals are the caller's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (begun + 1 < n && pthread_create(&threads[begun], NULL, lane, &lanes) == 0)
		begun++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	drive(&lanes, crew);
	while (begun > 0)
		pthread_join(threads[--begun], NULL);
	qf_crew_free(crew);
	pthread_mutex_destroy(&lanes.mutex);
	if (lanes.state.code && err)
		*err = lanes.err;
	return lanes.state.code;
}
