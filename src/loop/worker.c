/*
 * worker.c - a thread that may be left behind; see mailsled/loop.h.
 *
 * The struct belongs to the owner until free() has joined the thread, or until
 * abandon() found a job there: then the thread frees it, should it ever return.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "loop/internal.h"
#include "mailsled/loop.h"

#define LONGEST_MS (UINT64_C(1000) * 60 * 60 * 24 * 365)

struct sled_worker {
	uv_thread_t thread;
	uv_mutex_t lock; /* over all below */
	uv_cond_t changed;
	sled_loop_fn *job; /* NULL: idle */
	void *ctx;
	sled_loop_fn *late;
	bool quit, orphan;
};

static void
destroy(struct sled_worker *worker)
{
	uv_cond_destroy(&worker->changed);
	uv_mutex_destroy(&worker->lock);
	free(worker);
}

/* With the lock held; it is let go while the job runs. */
static void
run_one(struct sled_worker *worker)
{
	sled_loop_fn *job = worker->job;

	uv_mutex_unlock(&worker->lock);
	job(worker->ctx);
	uv_mutex_lock(&worker->lock);
	worker->job = NULL;
	uv_cond_broadcast(&worker->changed);
}

static void
work(void *arg)
{
	struct sled_worker *worker = arg;
	bool orphan;

	uv_mutex_lock(&worker->lock);
	while (worker->job != NULL || !worker->quit) {
		if (worker->job == NULL)
			uv_cond_wait(&worker->changed, &worker->lock);
		else
			run_one(worker);
	}
	orphan = worker->orphan;
	uv_mutex_unlock(&worker->lock);
	if (!orphan)
		return;
	if (worker->late != NULL)
		worker->late(worker->ctx);
	destroy(worker);
}

bool
sled_worker_new(struct sled_worker **out, struct sled_err *err)
{
	struct sled_worker *worker = calloc(1, sizeof(*worker));
	int code;

	*out = NULL;
	if (worker == NULL || uv_mutex_init(&worker->lock) < 0) {
		free(worker);
		return sled_fail_sys(err, ENOMEM, "worker");
	}
	if (uv_cond_init(&worker->changed) < 0) {
		uv_mutex_destroy(&worker->lock);
		free(worker);
		return sled_fail_sys(err, ENOMEM, "worker");
	}
	code = uv_thread_create(&worker->thread, work, worker);
	if (code < 0) {
		destroy(worker);
		return sled_fail_sys(err, -code, "start a thread");
	}
	*out = worker;
	return true;
}

bool
sled_worker_submit(struct sled_worker *worker, sled_loop_fn *job, void *ctx,
                   struct sled_err *err)
{
	bool idle;

	uv_mutex_lock(&worker->lock);
	idle = worker->job == NULL;
	if (idle) {
		worker->job = job;
		worker->ctx = ctx;
		uv_cond_broadcast(&worker->changed);
	}
	uv_mutex_unlock(&worker->lock);
	return idle ||
	       sled_fail(err, SLED_ERR_INTERNAL, "a worker has a job already");
}

bool
sled_worker_wait(struct sled_worker *worker, uint64_t timeout_ms)
{
	uint64_t now = uv_hrtime(), until;
	bool idle;

	if (timeout_ms > LONGEST_MS)
		timeout_ms = LONGEST_MS;
	until = now + timeout_ms * 1000000;
	uv_mutex_lock(&worker->lock);
	while (worker->job != NULL && now < until) {
		(void)uv_cond_timedwait(&worker->changed, &worker->lock,
		                        until - now);
		now = uv_hrtime();
	}
	idle = worker->job == NULL;
	uv_mutex_unlock(&worker->lock);
	return idle;
}

void
sled_worker_free(struct sled_worker **worker_p)
{
	struct sled_worker *worker = *worker_p;

	if (worker == NULL)
		return;
	*worker_p = NULL;
	uv_mutex_lock(&worker->lock);
	worker->quit = true;
	uv_cond_broadcast(&worker->changed);
	uv_mutex_unlock(&worker->lock);
	(void)uv_thread_join(&worker->thread);
	destroy(worker);
}

void
sled_worker_abandon(struct sled_worker **worker_p, sled_loop_fn *late)
{
	struct sled_worker *worker = *worker_p;
	bool busy;

	if (worker == NULL)
		return;
	uv_mutex_lock(&worker->lock);
	busy = worker->job != NULL;
	if (busy) {
		worker->late = late;
		worker->orphan = worker->quit = true;
		(void)pthread_detach(worker->thread);
	}
	uv_mutex_unlock(&worker->lock);
	if (busy)
		*worker_p = NULL; /* the thread's, and perhaps gone */
	else
		sled_worker_free(worker_p);
}
