/* command.c - a command beside the loop, and its end; see mailsled/loop.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "loop/internal.h"
#include "mailsled/clock.h"
#include "mailsled/loop.h"

#define PASSES 8 /* over what forks while it is being killed */

enum stage {
	RUNNING,
	TERMED,
	KILLED
};

struct sled_command {
	uv_process_t process;
	uv_timer_t timer;
	struct sled_loop *loop;
	sled_command_fn *fn; /* NULL: freed, or told */
	void *ctx;
	enum stage stage;
	pid_t session;
	bool ended; /* the shell, and it is no zombie */
	int64_t status;
	int signum;
	bool freed, closing;
	bool adrift;   /* told, though it lives on: closed at its end */
	unsigned open; /* handles */
};

/* ---- its session ---- */

/* The session of process NAME, a number; 0 when it is gone or a zombie. */
static long
session_of(const char *name)
{
	char path[64], text[512];
	const char *end;
	char *rest = NULL;
	size_t got;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/stat", name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	got = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[got] = '\0';
	end = strrchr(text, ')'); /* the name before it may be anything */
	/* ") S PPID PGRP SESSION", a blank between. */
	if (end == NULL || strlen(end) < 4 || end[2] == 'Z' || end[2] == 'X')
		return 0;
	(void)strtol(end + 3, &rest, 10);
	(void)strtol(rest, &rest, 10);
	return strtol(rest, NULL, 10);
}

/* How many of SESSION live; each gets SIGNUM, unless it is 0. Who has a group
 * of its own in it is found by this alone. Without /proc: none. */
static size_t
signal_session(pid_t session, int signum)
{
	const struct dirent *at;
	DIR *dir = opendir("/proc");
	size_t count = 0;

	if (dir == NULL)
		return 0;
	while ((at = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)at->d_name[0]) ||
		    session_of(at->d_name) != session)
			continue;
		count++;
		if (signum != 0)
			(void)kill((pid_t)strtol(at->d_name, NULL, 10), signum);
	}
	(void)closedir(dir);
	return count;
}

/* No other session can have this number while one of it is there. */
static void
kill_session(const struct sled_command *command)
{
	(void)kill(-command->session, SIGKILL);
	for (int i = 0; i < PASSES; i++)
		if (signal_session(command->session, SIGKILL) == 0)
			return;
}

/* ---- its end ---- */

static void
on_closed(uv_handle_t *handle)
{
	struct sled_command *command = handle->data;

	command->open--;
	if (command->open == 0 && command->freed)
		free(command);
}

static void
close_handles(struct sled_command *command)
{
	if (command->closing)
		return;
	command->closing = true;
	uv_close((uv_handle_t *)&command->timer, on_closed);
	uv_close((uv_handle_t *)&command->process, on_closed);
}

static bool
judge(const struct sled_command *command, struct sled_err *err)
{
	if (command->stage != RUNNING)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "command did not end in time");
	if (command->signum != 0)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "command was killed by signal %d",
		                 command->signum);
	if (command->status == 0)
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG,
	                "command ended with exit status %d",
	                (int)command->status);
	return sled_hint(err, command->status == 127
	                          ? "127: is it installed?"
	                          : "run it by hand to see why");
}

static void
finish(struct sled_command *command)
{
	sled_command_fn *fn = command->fn;
	struct sled_err err = { 0 };
	bool ok = judge(command, &err);

	command->fn = NULL;
	close_handles(command);
	if (fn != NULL)
		fn(command->ctx, ok ? NULL : &err);
}

/* It waits in the kernel, for a disk most likely. A handle that is closed
 * before its process has ended leaves a zombie. */
static void
let_drift(struct sled_command *command)
{
	sled_command_fn *fn = command->fn;
	struct sled_err err = { 0 };
	bool ok = judge(command, &err);

	command->fn = NULL;
	command->adrift = command->closing = true;
	command->loop->adrift++;
	uv_unref((uv_handle_t *)&command->process);
	uv_close((uv_handle_t *)&command->timer, on_closed);
	if (fn != NULL)
		fn(command->ctx, ok ? NULL : &err);
}

/* After SIGTERM the shell is often the first to go. */
static void
on_exit_status(uv_process_t *process, int64_t status, int signum)
{
	struct sled_command *command = process->data;

	command->ended = true;
	command->status = status;
	command->signum = signum;
	if (command->adrift) {
		command->loop->adrift--;
		uv_close((uv_handle_t *)process, on_closed);
		return;
	}
	if (command->stage != TERMED ||
	    signal_session(command->session, 0) == 0)
		finish(command);
}

static void on_time(uv_timer_t *timer);

static void
start_timer(struct sled_command *command, uint64_t after_ms)
{
	uv_update_time(&command->loop->uv);
	(void)uv_timer_start(&command->timer, on_time, after_ms, 0);
}

static void
on_time(uv_timer_t *timer)
{
	struct sled_command *command = timer->data;

	if (command->stage == RUNNING) {
		command->stage = TERMED;
		if (signal_session(command->session, SIGTERM) == 0)
			(void)kill(-command->session, SIGTERM);
		(void)signal_session(command->session, SIGCONT);
	} else if (command->stage == TERMED) {
		command->stage = KILLED;
		kill_session(command);
		if (command->ended) {
			finish(command);
			return;
		}
	} else { /* not even SIGKILL ends it */
		let_drift(command);
		return;
	}
	start_timer(command, SLED_COMMAND_GRACE_MS);
}

/* ---- its begin ---- */

static int
spawn(struct sled_command *command, char *text)
{
	char sh[] = "sh", flag[] = "-c";
	char *argv[] = { sh, flag, text, NULL };
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
	};
	uv_process_options_t how = { .file = "/bin/sh",
		                     .args = argv,
		                     .exit_cb = on_exit_status,
		                     .flags = UV_PROCESS_DETACHED,
		                     .stdio = stdio,
		                     .stdio_count = 3 };

	return uv_spawn(&command->loop->uv, &command->process, &how);
}

/* NOLINTBEGIN(readability-function-size): as each of the loop's, and a deadline */
bool
sled_command_new(struct sled_command **out, struct sled_loop *loop,
                 const char *text, uint64_t deadline_ms, sled_command_fn *fn,
                 void *ctx, struct sled_err *err)
{
	struct sled_command *command = calloc(1, sizeof(*command));
	char *copy = strdup(text);
	int code;

	*out = NULL;
	if (command == NULL || copy == NULL) {
		free(command);
		free(copy);
		return sled_fail_sys(err, ENOMEM, "run a command");
	}
	command->loop = loop;
	command->fn = fn;
	command->ctx = ctx;
	command->open = 2;
	command->process.data = command->timer.data = command;
	(void)uv_timer_init(&loop->uv, &command->timer);
	code = spawn(command, copy);
	free(copy);
	if (code < 0) {
		command->freed = true;
		close_handles(command);
		return sled_fail_sys(err, -code, "run /bin/sh");
	}
	command->session = command->process.pid;
	loop->live++;
	start_timer(command, deadline_ms);
	*out = command;
	return true;
}

/* NOLINTEND(readability-function-size) */

/* The kernel needs a moment to end what was killed: until then it stays, and
 * sled_loop_free() waits for that, so that no zombie is left. */
void
sled_command_free(struct sled_command **command_p)
{
	struct sled_command *command = *command_p;

	if (command == NULL)
		return;
	*command_p = NULL;
	command->loop->live--;
	command->freed = true;
	if (command->open == 0) {
		free(command);
		return;
	}
	if (command->closing)
		return;
	command->fn = NULL;
	kill_session(command);
	command->stage = KILLED;
	if (command->ended)
		close_handles(command);
	else
		start_timer(command, SLED_COMMAND_GRACE_MS);
}

/* libuv reaps it: it is only looked at here. */
void
sled_command_hurry(struct sled_command *command, uint64_t within_ms)
{
	int fd = command->ended ? -1 : pidfd_open(command->session, 0);
	struct pollfd end = { fd, POLLIN, 0 };
	int64_t until = sled_clock_ms() + (int64_t)within_ms, left;

	if (fd == -1)
		return;
	(void)kill(command->session, SIGTERM);
	do
		left = until - sled_clock_ms();
	while (poll(&end, 1, left < 0 ? 0 : (int)left) == -1 && errno == EINTR);
	(void)close(fd);
}
