/* loop.c - the loop, posts, signals, timers, jobs; see mailsled/loop.h. */
#include "mailsled/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "loop/internal.h"

#define GRACE_MS 250

struct post {
	struct post *next;
	sled_loop_fn *fn;
	void *ctx;
};

struct sled_timer {
	uv_timer_t uv;
	struct sled_loop *loop;
	sled_loop_fn *fn;
	void *ctx;
};

struct work {
	uv_work_t req;
	struct sled_loop *loop;
	sled_loop_fn *job, *done;
	void *ctx;
};

static struct post *
take_posts(struct sled_loop *loop)
{
	struct post *first;

	uv_mutex_lock(&loop->lock);
	first = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	uv_mutex_unlock(&loop->lock);
	return first;
}

static void
on_wake(uv_async_t *wake)
{
	struct post *post = take_posts(wake->data);

	while (post != NULL) {
		struct post *next = post->next;

		post->fn(post->ctx);
		free(post);
		post = next;
	}
}

static bool
init_loop(struct sled_loop *loop, struct sled_err *err)
{
	int code = uv_loop_init(&loop->uv);

	if (code < 0)
		return sled_fail_sys(err, -code, "event loop");
	code = uv_async_init(&loop->uv, &loop->wake, on_wake);
	if (code < 0) {
		(void)uv_loop_close(&loop->uv);
		return sled_fail_sys(err, -code, "event loop");
	}
	loop->wake.data = loop;
	return true;
}

bool
sled_loop_new(struct sled_loop **out, struct sled_err *err)
{
	struct sled_loop *loop = calloc(1, sizeof(*loop));

	*out = NULL;
	if (loop == NULL || uv_mutex_init(&loop->lock) < 0) {
		free(loop);
		return sled_fail_sys(err, ENOMEM, "event loop");
	}
	if (!init_loop(loop, err)) {
		uv_mutex_destroy(&loop->lock);
		free(loop);
		return false;
	}
	loop->last = &loop->first;
	(void)signal(SIGPIPE, SIG_IGN);
	*out = loop;
	return true;
}

static void
on_grace_over(uv_timer_t *grace)
{
	struct sled_loop *loop = grace->data;

	loop->late = true;
}

static void
await_adrift(struct sled_loop *loop)
{
	uv_timer_t grace;

	(void)uv_timer_init(&loop->uv, &grace);
	grace.data = loop;
	uv_update_time(&loop->uv);
	(void)uv_timer_start(&grace, on_grace_over, GRACE_MS, 0);
	while (loop->adrift > 0 && !loop->late)
		(void)uv_run(&loop->uv, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&grace, NULL);
	(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
}

static void
close_signals(struct loop_signals *set)
{
	for (size_t i = 0; set->on && i < 2; i++)
		uv_close((uv_handle_t *)&set->uv[i], NULL);
}

/* Close what is the loop's own. False when the memory must stay. */
static bool
close_loop(struct sled_loop *loop)
{
	int code;

	uv_close((uv_handle_t *)&loop->wake, NULL);
	close_signals(&loop->ends);
	close_signals(&loop->hints);
	/* A stop() that no run() has seen would end the first of these. */
	(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
	if (loop->adrift > 0)
		await_adrift(loop);
	if (loop->adrift > 0)
		return false;
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	code = uv_loop_close(&loop->uv);
	assert(code == 0);
	return code == 0;
}

void
sled_loop_free(struct sled_loop **loop_p)
{
	struct sled_loop *loop = *loop_p;
	struct post *post;

	if (loop == NULL)
		return;
	*loop_p = NULL;
	assert(loop->live == 0);
	post = take_posts(loop);
	while (post != NULL) {
		struct post *next = post->next;

		free(post);
		post = next;
	}
	if (!close_loop(loop))
		return;
	uv_mutex_destroy(&loop->lock);
	free(loop);
}

void
sled_loop_run(struct sled_loop *loop)
{
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void
sled_loop_stop(struct sled_loop *loop)
{
	uv_stop(&loop->uv);
}

bool
sled_loop_post(struct sled_loop *loop, sled_loop_fn *fn, void *ctx,
               struct sled_err *err)
{
	struct post *post = malloc(sizeof(*post));

	if (post == NULL)
		return sled_fail_sys(err, ENOMEM, "post to event loop");
	*post = (struct post){ NULL, fn, ctx };
	uv_mutex_lock(&loop->lock);
	*loop->last = post;
	loop->last = &post->next;
	/* Under the lock: once FN can run, the loop may be on its way out. */
	(void)uv_async_send(&loop->wake);
	uv_mutex_unlock(&loop->lock);
	return true;
}

static void
on_signal(uv_signal_t *watch, int signum)
{
	const struct loop_signals *set = watch->data;

	set->fn(set->ctx, signum);
}

static bool
watch_signals(struct sled_loop *loop, struct loop_signals *set,
              const int signums[static 2], struct sled_err *err)
{
	int code = 0;

	assert(set->fn != NULL && !set->on);
	for (size_t i = 0; i < 2; i++) {
		/* Fails only in making what uv_loop_init() has made. */
		(void)uv_signal_init(&loop->uv, &set->uv[i]);
		set->uv[i].data = set;
	}
	set->on = true;
	for (size_t i = 0; i < 2 && code == 0; i++)
		code = uv_signal_start(&set->uv[i], on_signal, signums[i]);
	if (code < 0)
		return sled_fail_sys(err, -code, "watch signals");
	return true;
}

bool
sled_loop_signals(struct sled_loop *loop, sled_signal_fn *fn, void *ctx,
                  struct sled_err *err)
{
	static const int signums[2] = { SIGINT, SIGTERM };

	loop->ends.fn = fn;
	loop->ends.ctx = ctx;
	return watch_signals(loop, &loop->ends, signums, err);
}

bool
sled_loop_hints(struct sled_loop *loop, sled_signal_fn *fn, void *ctx,
                struct sled_err *err)
{
	static const int signums[2] = { SIGHUP, SIGUSR1 };

	loop->hints.fn = fn;
	loop->hints.ctx = ctx;
	return watch_signals(loop, &loop->hints, signums, err);
}

bool
sled_timer_new(struct sled_timer **out, struct sled_loop *loop,
               sled_loop_fn *fn, void *ctx, struct sled_err *err)
{
	struct sled_timer *timer = calloc(1, sizeof(*timer));

	*out = timer;
	if (timer == NULL)
		return sled_fail_sys(err, ENOMEM, "timer");
	(void)uv_timer_init(&loop->uv, &timer->uv);
	timer->uv.data = timer;
	timer->loop = loop;
	timer->fn = fn;
	timer->ctx = ctx;
	loop->live++;
	return true;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
sled_timer_free(struct sled_timer **timer)
{
	if (*timer == NULL)
		return;
	(*timer)->loop->live--;
	uv_close((uv_handle_t *)&(*timer)->uv, on_timer_closed);
	*timer = NULL;
}

static void
on_timer(uv_timer_t *uv)
{
	struct sled_timer *timer = uv->data;

	timer->fn(timer->ctx);
}

void
sled_timer_start(struct sled_timer *timer, uint64_t after_ms)
{
	/* The loop's time stood still while this callback worked. */
	uv_update_time(&timer->loop->uv);
	(void)uv_timer_start(&timer->uv, on_timer, after_ms, 0);
}

void
sled_timer_stop(struct sled_timer *timer)
{
	(void)uv_timer_stop(&timer->uv);
}

static void
run_job(uv_work_t *req)
{
	struct work *work = req->data;

	work->job(work->ctx);
}

static void
on_job_done(uv_work_t *req, int status)
{
	struct work *work = req->data;
	sled_loop_fn *done = work->done;
	void *ctx = work->ctx;

	(void)status; /* not 0 only when cancelled, which nobody can */
	work->loop->live--;
	free(work);
	done(ctx);
}

bool
sled_work_start(struct sled_loop *loop, sled_loop_fn *job, sled_loop_fn *done,
                void *ctx, struct sled_err *err)
{
	struct work *work = malloc(sizeof(*work));
	int code;

	if (work == NULL)
		return sled_fail_sys(err, ENOMEM, "job");
	*work =
	    (struct work){ .loop = loop, .job = job, .done = done, .ctx = ctx };
	work->req.data = work;
	code = uv_queue_work(&loop->uv, &work->req, run_job, on_job_done);
	if (code < 0) {
		free(work);
		return sled_fail_sys(err, -code, "job");
	}
	loop->live++;
	return true;
}
