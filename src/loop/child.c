/* child.c - run a command and keep what it prints; see mailsled/loop.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/internal.h"
#include "mailsled/loop.h"

#define KILL_MS 1000 /* for the kernel to end what was killed */

struct capture {
	uv_loop_t loop;
	uv_process_t process;
	uv_pipe_t pipe;
	uv_timer_t timer;
	struct sled_buf *out;
	size_t max_bytes;
	bool too_much, too_late;
	int64_t status;
	int signum;
	int read_error; /* of libuv */
};

static void
close_once(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* The command leads a group: kill what it started too. */
static void
kill_all(struct capture *run)
{
	(void)uv_kill(-run->process.pid, SIGKILL);
	close_once((uv_handle_t *)&run->pipe);
}

static void
on_exit_status(uv_process_t *process, int64_t status, int signum)
{
	struct capture *run = process->data;

	run->status = status;
	run->signum = signum;
	close_once((uv_handle_t *)process);
}

static void
on_deadline(uv_timer_t *timer)
{
	struct capture *run = timer->data;

	if (run->too_late) { /* not even SIGKILL ends it: leave it */
		close_once((uv_handle_t *)&run->process);
		return;
	}
	run->too_late = true;
	kill_all(run);
	(void)uv_timer_start(timer, on_deadline, KILL_MS, 0);
}

static void
lend_rest(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
	struct capture *run = handle->data;
	struct sled_buf *out = run->out;

	(void)wanted;
	/* One more than is allowed, so that too much can be seen. */
	*room = uv_buf_init(out->data + out->len,
	                    (unsigned)(run->max_bytes + 1 - out->len));
}

static void
on_output(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
	struct capture *run = stream->data;

	(void)room;
	if (got < 0) {
		if (got != UV_EOF)
			run->read_error = (int)got;
		close_once((uv_handle_t *)stream);
		return;
	}
	run->out->len += (size_t)got;
	if (run->out->len > run->max_bytes) {
		run->too_much = true;
		kill_all(run);
	}
}

/* A pipe, not libuv's socket pair: /dev/stdout can be opened on it. */
static int
spawn(struct capture *run, char *command)
{
	char sh[] = "sh", flag[] = "-c";
	char *argv[] = { sh, flag, command, NULL };
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
	};
	uv_process_options_t how = { .file = "/bin/sh",
		                     .args = argv,
		                     .exit_cb = on_exit_status,
		                     .flags = UV_PROCESS_DETACHED,
		                     .stdio = stdio,
		                     .stdio_count = 3 };
	uv_file ends[2];
	int code = uv_pipe(ends, UV_NONBLOCK_PIPE, 0);

	if (code < 0)
		return code;
	code = uv_pipe_open(&run->pipe, ends[0]);
	if (code < 0)
		(void)close(ends[0]);
	stdio[1].data.fd = ends[1];
	if (code == 0)
		code = uv_spawn(&run->loop, &run->process, &how);
	(void)close(ends[1]);
	if (code == 0) /* cannot fail on a pipe that was just opened */
		(void)uv_read_start((uv_stream_t *)&run->pipe, lend_rest,
		                    on_output);
	return code;
}

static bool
judge(const struct capture *run, struct sled_err *err)
{
	if (run->too_much)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "command printed more than %zu bytes",
		                 run->max_bytes);
	if (run->too_late)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "command did not end in time");
	if (run->signum != 0)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "command was killed by signal %d",
		                 run->signum);
	if (run->status != 0) {
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "command ended with exit status %d",
		                (int)run->status);
		return sled_hint(err, run->status == 127
		                          ? "127: is it installed?"
		                          : "run it by hand to see why");
	}
	if (run->read_error < 0)
		return sled_fail_sys(err, -run->read_error,
		                     "read from command");
	return true;
}

static void
close_all(struct capture *run)
{
	close_once((uv_handle_t *)&run->timer);
	close_once((uv_handle_t *)&run->pipe);
	if (run->process.type == UV_PROCESS) /* else spawn() never got there */
		close_once((uv_handle_t *)&run->process);
	(void)uv_run(&run->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&run->loop);
}

static bool
await(struct capture *run, char *command, uint64_t deadline_ms,
      struct sled_err *err)
{
	int code;

	(void)uv_timer_init(&run->loop, &run->timer);
	(void)uv_pipe_init(&run->loop, &run->pipe, 0);
	run->timer.data = run->pipe.data = run->process.data = run;
	code = spawn(run, command);
	if (code == 0) {
		(void)uv_timer_start(&run->timer, on_deadline, deadline_ms, 0);
		/* The run ends with the output and the process, not with it. */
		uv_unref((uv_handle_t *)&run->timer);
		(void)uv_run(&run->loop, UV_RUN_DEFAULT);
	}
	close_all(run);
	return code == 0 ? judge(run, err)
	                 : sled_fail_sys(err, -code, "run /bin/sh");
}

bool
sled_child_capture(struct sled_buf *out, const char *command, size_t max_bytes,
                   uint64_t deadline_ms, struct sled_err *err)
{
	struct capture run = { .out = out, .max_bytes = max_bytes };
	char *line = strdup(command);
	bool ok;
	int code;

	if (line == NULL)
		return sled_fail_sys(err, ENOMEM, "run a command");
	code = uv_loop_init(&run.loop);
	if (code < 0) {
		free(line);
		return sled_fail_sys(err, -code, "run a command");
	}
	ok = sled_buf_reserve(out, max_bytes + 1, err);
	if (ok)
		ok = await(&run, line, deadline_ms, err);
	else
		(void)uv_loop_close(&run.loop);
	free(line);
	if (ok)
		out->data[out->len] = '\0';
	else
		sled_buf_wipe(out);
	return ok;
}
