/*
 * program.c - another program, without a shell; see mailsled/loop.h.
 *
 * Not by uv_spawn(), which cannot say that a child shall end with us: one that
 * goes on writing to a far place after its mailsled was killed would meet the
 * next one there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mailsled/clock.h"
#include "mailsled/loop.h"

#define NOT_STARTED 127
#define ASK_MS      250 /* between two calls of stop() */
#define LATE_READS  64  /* of what is in the pipes of one that has ended */

struct running {
	const struct sled_program *program;
	struct sled_program_end *end;
	pid_t pid;
	int out, said; /* our ends; -1: at their end */
	int ended;     /* can be read when it has ended; or -1 */
	int64_t ends_ms, heard_ms;
	bool stopping;
	unsigned late; /* reads behind its end */
};

/* The file of NAME in $PATH, or that it is; freed by the caller. */
static char *
find_program(const char *name)
{
	const char *path = getenv("PATH");
	struct sled_err err = { 0 };

	if (*name == '/')
		return access(name, X_OK) == 0 ? strdup(name) : NULL;
	if (path == NULL)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path != '\0') {
		size_t len = strcspn(path, ":");
		struct sled_buf file = { 0 };

		/* An empty or relative part would be the folder we are in. */
		if (*path == '/' &&
		    sled_buf_printf(&file, &err, "%.*s/%s", (int)len, path,
		                    name) &&
		    access(file.data, X_OK) == 0)
			return file.data;
		sled_buf_free(&file);
		path += len + (path[len] == ':');
	}
	return NULL;
}

bool
sled_program_exists(const char *name)
{
	char *file = find_program(name);
	bool found = file != NULL;

	free(file);
	return found;
}

/* In the child: only what a fork of a process with threads may call. */
static void
become(const struct sled_program *program, const char *file, char *const *env,
       pid_t parent, const int *fds)
{
	char *const *argv = NULL;
	int in = program->input;
	sigset_t all;

	/* execve() takes them as they are, and changes none. */
	memcpy(&argv, &program->argv, sizeof(program->argv));
	if (in == 0)
		in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)sigemptyset(&all);
	if (in == -1 || dup2(in, STDIN_FILENO) == -1 ||
	    dup2(fds[0], STDOUT_FILENO) == -1 ||
	    dup2(fds[1], STDERR_FILENO) == -1 ||
	    (program->own_group && setpgid(0, 0) == -1) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent ||
	    sigprocmask(SIG_SETMASK, &all, NULL) == -1 ||
	    signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		_exit(NOT_STARTED);
	(void)execve(file, argv, env);
	_exit(NOT_STARTED);
}

/* Ours and the program's own, in one array; freed by the caller, the strings
 * are not its. */
static char **
make_env(const char *const *more)
{
	size_t ours = 0, own = 0;
	char **env;

	while (environ[ours] != NULL)
		ours++;
	while (more != NULL && more[own] != NULL)
		own++;
	env = calloc(ours + own + 1, sizeof(*env));
	if (env == NULL)
		return NULL;
	if (own > 0)
		memcpy(env, more, own * sizeof(*env));
	memcpy(env + own, environ, ours * sizeof(*env));
	return env;
}

static void
close_end(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

static bool
start(struct running *run, const char *file, struct sled_err *err)
{
	const struct sled_program *program = run->program;
	int out[2] = { -1, -1 }, said[2] = { -1, -1 };
	char **env = make_env(program->env);
	pid_t parent = getpid();
	bool ok =
	    env != NULL && pipe2(out, O_CLOEXEC) == 0 &&
	    pipe2(said, O_CLOEXEC) == 0 &&
	    (program->input == 0 || lseek(program->input, 0, SEEK_SET) == 0);

	run->pid = ok ? fork() : -1;
	if (run->pid == 0)
		become(program, file, env, parent,
		       (const int[]){ out[1], said[1] });
	ok = run->pid != -1;
	if (!ok)
		(void)sled_fail_sys(err, errno, "run %s", program->argv[0]);
	if (ok && program->own_group) {
		(void)setpgid(run->pid, run->pid);
		run->ended = pidfd_open(run->pid, 0);
	}
	free(env);
	close_end(&out[1]);
	close_end(&said[1]);
	run->out = out[0];
	run->said = said[0];
	return ok;
}

/* Of what it says the end is kept. */
static void
keep_said(struct sled_program_end *end, const char *data, size_t len)
{
	size_t over = end->said_len + len > sizeof(end->said)
	                  ? end->said_len + len - sizeof(end->said)
	                  : 0;

	memmove(end->said, end->said + over, end->said_len - over);
	end->said_len -= over;
	memcpy(end->said + end->said_len, data, len);
	end->said_len += len;
}

static bool
take(struct running *run, int *fd, struct sled_err *err)
{
	const struct sled_program *program = run->program;
	char data[SLED_PROGRAM_SAID / 2];
	ssize_t got = read(*fd, data, sizeof(data));

	if (got == -1 && errno == EINTR)
		return true;
	if (got <= 0) {
		bool ok = got == 0 || sled_fail_sys(err, errno, "read from %s",
		                                    program->argv[0]);
		close_end(fd);
		return ok;
	}
	if (fd == &run->said) {
		keep_said(run->end, data, (size_t)got);
		return true;
	}
	run->heard_ms = sled_clock_ms();
	return program->output == NULL ||
	       program->output(program->ctx,
	                       (struct sled_span){ data, (size_t)got }, err);
}

/* How long it may still take; 0: its time is over. */
static int
time_left(struct running *run)
{
	const struct sled_program *program = run->program;
	int64_t now = sled_clock_ms(), most = 60000, left;

	if (program->stop != NULL) {
		most = ASK_MS;
		if (!run->stopping && program->stop(program->ctx)) {
			run->stopping = true;
			if (run->ends_ms > now + SLED_PROGRAM_GRACE_MS)
				run->ends_ms = now + SLED_PROGRAM_GRACE_MS;
		}
	}
	left = run->ends_ms - now;
	if (program->silent_ms > 0) {
		int64_t silent =
		    run->heard_ms + (int64_t)program->silent_ms - now;

		if (silent < left)
			left = silent;
	}
	return left < 0 ? 0 : left > most ? (int)most : (int)left;
}

/* What there is to read; *over: there is nothing more, and it has ended. What
 * it said before its end is there by then; what it left in the background may
 * go on saying things. */
static bool
take_all(struct running *run, const struct pollfd *fds, bool *over,
         struct sled_err *err)
{
	bool said = fds[0].revents != 0 || fds[1].revents != 0;

	*over = fds[2].revents != 0 && (!said || run->late++ > LATE_READS);
	if (fds[1].revents != 0 && !take(run, &run->said, err))
		return false;
	return fds[0].revents == 0 || take(run, &run->out, err);
}

static bool
attend(struct running *run, struct sled_err *err)
{
	bool over = false;

	while (!over &&
	       (run->out != -1 || run->said != -1 || run->ended != -1)) {
		struct pollfd fds[3] = { { run->out, POLLIN, 0 },
			                 { run->said, POLLIN, 0 },
			                 { run->ended, POLLIN, 0 } };
		int left = time_left(run), ready;

		if (left == 0)
			return sled_fail(err, SLED_ERR_LINK,
			                 "%s was silent for too long, or did "
			                 "not end in time",
			                 run->program->argv[0]);
		ready = poll(fds, 3, left);
		if (ready == -1 && errno != EINTR)
			return sled_fail_sys(err, errno, "poll");
		if (ready > 0 && !take_all(run, fds, &over, err))
			return false;
	}
	return true;
}

/* It, or all of its group. */
static void
end_it(const struct running *run)
{
	struct pollfd ended = { run->ended, POLLIN, 0 };

	if (!run->program->own_group) {
		(void)kill(run->pid, SIGKILL);
		return;
	}
	(void)kill(-run->pid, SIGTERM);
	(void)poll(&ended, 1, SLED_PROGRAM_GRACE_MS);
	(void)kill(-run->pid, SIGKILL);
}

static void
reap(struct running *run)
{
	int status = 0;

	while (waitpid(run->pid, &status, 0) == -1 && errno == EINTR)
		;
	run->end->status =
	    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool
sled_program_run(const struct sled_program *program,
                 struct sled_program_end *end, struct sled_err *err)
{
	struct running run = { .program = program, .end = end, .ended = -1 };
	char *file = find_program(program->argv[0]);
	bool ok;

	end->status = 0;
	end->said_len = 0;
	if (file == NULL)
		return sled_fail(err, SLED_ERR_MISSING,
		                 "there is no %s in $PATH", program->argv[0]);
	run.heard_ms = sled_clock_ms();
	run.ends_ms = run.heard_ms + (int64_t)program->deadline_ms;
	ok = start(&run, file, err);
	free(file);
	if (ok) {
		ok = attend(&run, err);
		if (!ok)
			end_it(&run);
		reap(&run);
	}
	close_end(&run.out);
	close_end(&run.said);
	close_end(&run.ended);
	return ok;
}
