/* watch.c - a descriptor that can be read; see mailsled/loop.h. */
#include <errno.h>
#include <stdlib.h>

#include "loop/internal.h"
#include "mailsled/loop.h"

struct sled_watch {
	uv_poll_t uv;
	struct sled_loop *loop;
	sled_loop_fn *fn;
	void *ctx;
};

static void
on_ready(uv_poll_t *uv, int status, int events)
{
	struct sled_watch *watch = uv->data;

	(void)events;
	/* libuv drops who has an error, such as the ENOBUFS of netlink. */
	if (status < 0)
		(void)uv_poll_start(uv, UV_READABLE, on_ready);
	watch->fn(watch->ctx);
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

bool
sled_watch_new(struct sled_watch **out, struct sled_loop *loop, int fd,
               sled_loop_fn *fn, void *ctx, struct sled_err *err)
{
	struct sled_watch *watch = calloc(1, sizeof(*watch));
	int code;

	*out = NULL;
	if (watch == NULL)
		return sled_fail_sys(err, ENOMEM, "watch");
	code = uv_poll_init(&loop->uv, &watch->uv, fd);
	if (code < 0) {
		free(watch);
		return sled_fail_sys(err, -code, "watch a descriptor");
	}
	watch->uv.data = watch;
	watch->loop = loop;
	watch->fn = fn;
	watch->ctx = ctx;
	/* Fails only on a handle that is closing. */
	(void)uv_poll_start(&watch->uv, UV_READABLE, on_ready);
	loop->live++;
	*out = watch;
	return true;
}

void
sled_watch_free(struct sled_watch **watch)
{
	if (*watch == NULL)
		return;
	(*watch)->loop->live--;
	uv_close((uv_handle_t *)&(*watch)->uv, on_closed);
	*watch = NULL;
}
