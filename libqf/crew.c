/*
 * crew - a few threads that do one kind of thing to many things at once.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "crew.h"

#define HANDS_MAX 64

struct qf_crew {
	pthread_mutex_t mutex;
	pthread_cond_t begun, done;
	unsigned threads;      /* beside the caller */
	size_t next, n;        /* of the work in hand */
	size_t left;           /* not done yet */
	void (*work)(void *ctx, size_t i);
	void *ctx;
	bool over;
	pthread_t thread[HANDS_MAX];
};

/* With the mutex held: take one after the other, until none is left to begin. */
static void
take_turns(struct qf_crew *crew)
{
	while (crew->next < crew->n) {
		size_t i = crew->next++;

		pthread_mutex_unlock(&crew->mutex);
		crew->work(crew->ctx, i);
		pthread_mutex_lock(&crew->mutex);
		if (--crew->left == 0)
			pthread_cond_signal(&crew->done);
	}
}

static void *
hand(void *arg)
{
	struct qf_crew *crew = arg;

	pthread_mutex_lock(&crew->mutex);
	while (!crew->over) {
		take_turns(crew);
		if (!crew->over)
			pthread_cond_wait(&crew->begun, &crew->mutex);
	}
	pthread_mutex_unlock(&crew->mutex);
	return NULL;
}

struct qf_crew *
qf_crew_new(unsigned hands)
{
	struct qf_crew *crew = calloc(1, sizeof(*crew));
	sigset_t all, before;

	if (!crew)
		return NULL;
	pthread_mutex_init(&crew->mutex, NULL);
	pthread_cond_init(&crew->begun, NULL);
	pthread_cond_init(&crew->done, NULL);
	/* Signals are the caller's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (crew->threads + 1 < hands && crew->threads < HANDS_MAX &&
	       pthread_create(&crew->thread[crew->threads], NULL, hand, crew) == 0)
		crew->threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return crew;
}

unsigned
qf_crew_hands(const struct qf_crew *crew)
{
	return crew->threads + 1;
}

void
qf_crew_each(struct qf_crew *crew, size_t n, void (*work)(void *ctx, size_t i), void *ctx)
{
	if (crew->threads == 0 || n == 1) {
		for (size_t i = 0; i < n; i++)
			work(ctx, i);
		return;
	}
	pthread_mutex_lock(&crew->mutex);
	crew->work = work;
	crew->ctx = ctx;
	crew->next = 0;
	crew->n = crew->left = n;
	pthread_cond_broadcast(&crew->begun);
	take_turns(crew);
	while (crew->left)
		pthread_cond_wait(&crew->done, &crew->mutex);
	pthread_mutex_unlock(&crew->mutex);
}

void
qf_crew_free(struct qf_crew *crew)
{
	if (!crew)
		return;
	pthread_mutex_lock(&crew->mutex);
	crew->over = true;
	pthread_cond_broadcast(&crew->begun);
	pthread_mutex_unlock(&crew->mutex);
	while (crew->threads > 0)
		pthread_join(crew->thread[--crew->threads], NULL);
	pthread_cond_destroy(&crew->begun);
	pthread_cond_destroy(&crew->done);
	pthread_mutex_destroy(&crew->mutex);
	free(crew);
}
