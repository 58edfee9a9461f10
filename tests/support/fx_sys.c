/*
 * fx_sys.c - see fx_sys.h.
 *
 * One lock guards plans, limits and log; the real call is made outside it,
 * apart from those that a limit counts.
 */
#include "fx_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DO_FAIL = 1,
	DO_KILL,
	DO_TEAR,
	DO_HALVE,
};

static const char *const names[] = {
	"openat",    "close",    "pread",      "pwrite",  "fdatasync", "fsync",
	"ftruncate", "renameat", "unlinkat",   "mkdirat", "fchmod",    "fstat",
	"fstatat",   "space",    "drop_pages", "syncfs",
};

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

/* ---- paths ---- */

/* The path that FD stands for; AT_FDCWD is the working folder. */
static void
path_of_fd(int fd, char out[FX_PATH])
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link),
	               fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d",
	               fd);
	n = readlink(link, out, FX_PATH - 1);
	out[n < 0 ? 0 : n] = '\0';
}

static void
path_of(int dir, const char *name, char out[FX_PATH])
{
	size_t len;

	out[0] = '\0';
	if (name[0] != '/') {
		path_of_fd(dir, out);
		len = strlen(out);
		(void)snprintf(out + len, FX_PATH - len, "/");
	}
	len = strlen(out);
	(void)snprintf(out + len, FX_PATH - len, "%s", name);
}

/* Is PATH the folder itself or below it? */
static bool
is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0');
}

static const char *
shorten(struct fx_sys *fx, const char *path)
{
	if (fx->root[0] == '\0' || !is_below(path, fx->root))
		return path;
	path += strlen(fx->root);
	return path[0] == '\0' ? "." : path + 1;
}

/* ---- the log ---- */

static void log_line(struct fx_sys *fx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
log_line(struct fx_sys *fx, const char *fmt, ...)
{
	char line[3 * FX_PATH];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	len = strlen(line);
	insist(pthread_mutex_lock(&fx->lock) == 0);
	if (fx->log_len + len + 2 > fx->log_room) {
		fx->log_room = 2 * fx->log_room + len + 4096;
		fx->log = realloc(fx->log, fx->log_room);
		insist(fx->log != NULL);
	}
	memcpy(fx->log + fx->log_len, line, len);
	memcpy(fx->log + fx->log_len + len, "\n", 2);
	fx->log_len += len + 1;
	insist(pthread_mutex_unlock(&fx->lock) == 0);
}

/* ---- what every call goes through ---- */

/* A call under way: what it is, and what it was to be instead. */
struct step {
	struct fx_sys *fx;
	enum fx_call call;
	int action, errnum;
	char what[2 * FX_PATH + 64]; /* its arguments, for the log */
};

static void
match_pull(struct step *step, const char *path)
{
	struct fx_sys *fx = step->fx;

	if (fx->pull[0] == '\0' || !is_below(path, fx->pull))
		return;
	if (fx->pull_left > 1) {
		fx->pull_left--;
		return;
	}
	step->action = DO_FAIL;
	step->errnum = EIO;
	atomic_store(&fx->fired, true);
}

static void
match_plans(struct step *step)
{
	struct fx_sys *fx = step->fx;

	for (unsigned i = 0; i < fx->plans; i++) {
		struct fx_plan *plan = &fx->plan[i];

		if ((plan->call != FX_ANY && plan->call != step->call) ||
		    plan->left == 0 || --plan->left > 0)
			continue;
		plan->left = plan->forever;
		step->action = plan->action;
		step->errnum = plan->errnum;
		atomic_store(&fx->fired, true);
	}
}

/* Count it, log it, look for a fault. WHAT is left empty when not logging. */
static void
enter(struct step *step, struct fx_sys *fx, enum fx_call call,
      const char *first, const char *then)
{
	*step = (struct step){ .fx = fx, .call = call };
	atomic_fetch_add(&fx->count[call], 1);
	atomic_fetch_add(&fx->count[FX_ANY], 1);
	if (fx->logging) {
		(void)snprintf(step->what, sizeof(step->what), "%s%s%s",
		               shorten(fx, first), then[0] ? " " : "",
		               then[0] == '/' ? shorten(fx, then) : then);
		log_line(fx, "> %s %s", names[call], step->what);
	}
	insist(pthread_mutex_lock(&fx->lock) == 0);
	match_plans(step);
	match_pull(step, first);
	insist(pthread_mutex_unlock(&fx->lock) == 0);
	if (step->action == DO_KILL)
		(void)kill(getpid(), SIGKILL);
}

/* Is the call to be failed? */
static bool
fails(const struct step *step)
{
	errno = step->errnum;
	return step->action == DO_FAIL;
}

/* Log the result and hand it on, errno as it was. */
static ssize_t
leave(const struct step *step, ssize_t result)
{
	int errnum = errno;

	if (step->fx->logging) {
		if (result == -1)
			log_line(step->fx, "< %s %s = %s", names[step->call],
			         step->what, strerrorname_np(errnum));
		else
			log_line(step->fx, "< %s %s = %zd", names[step->call],
			         step->what,
			         step->call == FX_OPENAT ? 0 : result);
	}
	errno = errnum;
	return result;
}

/* Paths cost a system call each: only when someone reads them. */
static bool
reads_paths(const struct fx_sys *fx)
{
	return fx->logging || fx->pull[0] != '\0';
}

static void
enter_fd(struct step *step, struct fx_sys *fx, enum fx_call call, int fd)
{
	char path[FX_PATH] = "";

	if (reads_paths(fx))
		path_of_fd(fd, path);
	enter(step, fx, call, path, "");
}

static void
enter_range(struct step *step, struct fx_sys *fx, enum fx_call call, int fd,
            size_t len, off_t at)
{
	char path[FX_PATH] = "", range[64];

	if (reads_paths(fx))
		path_of_fd(fd, path);
	(void)snprintf(range, sizeof(range), "%zu@%lld", len, (long long)at);
	enter(step, fx, call, path, range);
}

static void
enter_name(struct step *step, struct fx_sys *fx, enum fx_call call, int dir,
           const char *name)
{
	char path[FX_PATH] = "";

	if (reads_paths(fx))
		path_of(dir, name, path);
	enter(step, fx, call, path, "");
}

/* ---- limits: the lock is held ---- */

static struct fx_limit *
limit_of(struct fx_sys *fx, const char *path)
{
	for (unsigned i = 0; i < fx->limits; i++)
		if (is_below(path, fx->limit[i].prefix))
			return &fx->limit[i];
	return NULL;
}

static struct fx_limit *
limit_of_fd(struct fx_sys *fx, int fd)
{
	char path[FX_PATH];

	if (fx->limits == 0)
		return NULL;
	path_of_fd(fd, path);
	return limit_of(fx, path);
}

static int64_t
size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* How much of a write fits; it may overwrite what is there. */
static ssize_t
limited_write(struct fx_limit *limit, int fd, const void *data, size_t len,
              off_t at)
{
	int64_t before = size_of(fd), room = before + limit->left - at;
	ssize_t n;

	if (room <= 0) {
		errno = ENOSPC;
		return -1;
	}
	n = pwrite(fd, data, (int64_t)len > room ? (size_t)room : len, at);
	limit->left -= size_of(fd) - before;
	return n;
}

/* ---- the table ---- */

static int
fx_openat(void *ctx, int dir, const char *name, int flags, mode_t mode)
{
	struct fx_sys *fx = ctx;
	struct step step;
	int fd = -1;

	enter_name(&step, fx, FX_OPENAT, dir, name);
	if (!fails(&step))
		fd = openat(dir, name, flags | O_CLOEXEC, mode);
	if (fd != -1)
		atomic_fetch_add(&fx->open_fds, 1);
	return (int)leave(&step, fd);
}

/* Even a failed close() gives the number back. */
static int
fx_close(void *ctx, int fd)
{
	struct fx_sys *fx = ctx;
	struct step step;
	int result;

	enter_fd(&step, fx, FX_CLOSE, fd);
	result = close(fd);
	if (result == 0)
		atomic_fetch_sub(&fx->open_fds, 1);
	return (int)leave(&step, fails(&step) ? -1 : result);
}

static ssize_t
fx_pread(void *ctx, int fd, void *data, size_t len, off_t at)
{
	struct fx_sys *fx = ctx;
	struct step step;

	enter_range(&step, fx, FX_PREAD, fd, len, at);
	if (fx->short_read > 0 && len > fx->short_read)
		len = fx->short_read;
	return leave(&step, fails(&step) ? -1 : pread(fd, data, len, at));
}

static ssize_t
write_within(struct fx_sys *fx, int fd, const void *data, size_t len, off_t at)
{
	struct fx_limit *limit;
	ssize_t n;

	if (fx->limits == 0)
		return pwrite(fd, data, len, at);
	insist(pthread_mutex_lock(&fx->lock) == 0);
	limit = limit_of_fd(fx, fd);
	n = limit == NULL ? pwrite(fd, data, len, at)
	                  : limited_write(limit, fd, data, len, at);
	insist(pthread_mutex_unlock(&fx->lock) == 0);
	return n;
}

static ssize_t
fx_pwrite(void *ctx, int fd, const void *data, size_t len, off_t at)
{
	struct fx_sys *fx = ctx;
	struct step step;

	enter_range(&step, fx, FX_PWRITE, fd, len, at);
	if (fails(&step))
		return leave(&step, -1);
	if (step.action == DO_TEAR) {
		(void)!pwrite(fd, data, len / 2, at);
		(void)kill(getpid(), SIGKILL);
	}
	if (step.action == DO_HALVE && len > 1)
		len /= 2;
	if (fx->short_write > 0 && len > fx->short_write)
		len = fx->short_write;
	return leave(&step, write_within(fx, fd, data, len, at));
}

static int
fx_fdatasync(void *ctx, int fd)
{
	struct step step;

	enter_fd(&step, ctx, FX_FDATASYNC, fd);
	return (int)leave(&step, fails(&step) ? -1 : fdatasync(fd));
}

static int
fx_fsync(void *ctx, int fd)
{
	struct step step;

	enter_fd(&step, ctx, FX_FSYNC, fd);
	return (int)leave(&step, fails(&step) ? -1 : fsync(fd));
}

static int
truncate_within(struct fx_sys *fx, int fd, off_t len)
{
	struct fx_limit *limit;
	int64_t before;
	int result;

	insist(pthread_mutex_lock(&fx->lock) == 0);
	limit = limit_of_fd(fx, fd);
	before = size_of(fd);
	result = ftruncate(fd, len);
	if (limit != NULL)
		limit->left -= size_of(fd) - before;
	insist(pthread_mutex_unlock(&fx->lock) == 0);
	return result;
}

static int
fx_ftruncate(void *ctx, int fd, off_t len)
{
	struct step step;

	enter_range(&step, ctx, FX_FTRUNCATE, fd, 0, len);
	return (int)leave(&step,
	                  fails(&step) ? -1 : truncate_within(ctx, fd, len));
}

static int
fx_renameat(void *ctx, int from_dir, const char *from, int to_dir,
            const char *to)
{
	struct fx_sys *fx = ctx;
	char a[FX_PATH] = "", b[FX_PATH] = "";
	struct step step;
	int result = -1;

	if (reads_paths(fx)) {
		path_of(from_dir, from, a);
		path_of(to_dir, to, b);
	}
	enter(&step, fx, FX_RENAMEAT, a, b);
	if (!fails(&step))
		result = renameat(from_dir, from, to_dir, to);
	return (int)leave(&step, result);
}

static int
unlink_within(struct fx_sys *fx, int dir, const char *name, int flags)
{
	struct fx_limit *limit = NULL;
	char path[FX_PATH];
	struct stat st;
	int result;

	insist(pthread_mutex_lock(&fx->lock) == 0);
	if (fx->limits > 0) {
		path_of(dir, name, path);
		limit = limit_of(fx, path);
	}
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode) || st.st_nlink != 1)
		limit = NULL;
	result = unlinkat(dir, name, flags);
	if (result == 0 && limit != NULL)
		limit->left += st.st_size;
	insist(pthread_mutex_unlock(&fx->lock) == 0);
	return result;
}

static int
fx_unlinkat(void *ctx, int dir, const char *name, int flags)
{
	struct step step;
	int result = -1;

	enter_name(&step, ctx, FX_UNLINKAT, dir, name);
	if (!fails(&step))
		result = unlink_within(ctx, dir, name, flags);
	return (int)leave(&step, result);
}

static int
fx_mkdirat(void *ctx, int dir, const char *name, mode_t mode)
{
	struct step step;

	enter_name(&step, ctx, FX_MKDIRAT, dir, name);
	return (int)leave(&step, fails(&step) ? -1 : mkdirat(dir, name, mode));
}

static int
fx_fchmod(void *ctx, int fd, mode_t mode)
{
	struct step step;

	enter_fd(&step, ctx, FX_FCHMOD, fd);
	return (int)leave(&step, fails(&step) ? -1 : fchmod(fd, mode));
}

static int
fx_fstat(void *ctx, int fd, struct stat *st)
{
	struct step step;

	enter_fd(&step, ctx, FX_FSTAT, fd);
	return (int)leave(&step, fails(&step) ? -1 : fstat(fd, st));
}

static int
fx_fstatat(void *ctx, int dir, const char *name, struct stat *st, int flags)
{
	struct step step;

	enter_name(&step, ctx, FX_FSTATAT, dir, name);
	return (int)leave(&step,
	                  fails(&step) ? -1 : fstatat(dir, name, st, flags));
}

static int
space_within(struct fx_sys *fx, int fd, uint64_t *free_bytes)
{
	const struct sled_sys *real = sled_sys_posix();
	struct fx_limit *limit;
	int result = 0;

	insist(pthread_mutex_lock(&fx->lock) == 0);
	limit = limit_of_fd(fx, fd);
	if (limit != NULL)
		*free_bytes = limit->left > 0 ? (uint64_t)limit->left : 0;
	else
		result = real->space(real->ctx, fd, free_bytes);
	insist(pthread_mutex_unlock(&fx->lock) == 0);
	return result;
}

static int
fx_space(void *ctx, int fd, uint64_t *free_bytes)
{
	struct step step;

	enter_fd(&step, ctx, FX_SPACE, fd);
	return (int)leave(
	    &step, fails(&step) ? -1 : space_within(ctx, fd, free_bytes));
}

static int
fx_drop_pages(void *ctx, int fd)
{
	const struct sled_sys *real = sled_sys_posix();
	struct step step;

	enter_fd(&step, ctx, FX_DROP_PAGES, fd);
	return (int)leave(&step,
	                  fails(&step) ? -1 : real->drop_pages(real->ctx, fd));
}

static int
fx_syncfs(void *ctx, int fd)
{
	struct step step;

	enter_fd(&step, ctx, FX_SYNCFS, fd);
	return (int)leave(&step, fails(&step) ? -1 : syncfs(fd));
}

/* ---- the test's side ---- */

void
fx_sys_init(struct fx_sys *fx, const char *root)
{
	char *real = root == NULL ? NULL : realpath(root, NULL);

	memset(fx, 0, sizeof(*fx));
	fx->sys = (struct sled_sys){
		.openat = fx_openat,
		.close = fx_close,
		.pread = fx_pread,
		.pwrite = fx_pwrite,
		.fdatasync = fx_fdatasync,
		.fsync = fx_fsync,
		.ftruncate = fx_ftruncate,
		.renameat = fx_renameat,
		.unlinkat = fx_unlinkat,
		.mkdirat = fx_mkdirat,
		.fchmod = fx_fchmod,
		.fstat = fx_fstat,
		.fstatat = fx_fstatat,
		.space = fx_space,
		.drop_pages = fx_drop_pages,
		.syncfs = fx_syncfs,
		.ctx = fx,
	};
	insist(pthread_mutex_init(&fx->lock, NULL) == 0);
	insist(root == NULL || real != NULL);
	if (real != NULL)
		(void)snprintf(fx->root, sizeof(fx->root), "%s", real);
	free(real);
}

void
fx_sys_done(struct fx_sys *fx)
{
	insist(pthread_mutex_destroy(&fx->lock) == 0);
	free(fx->log);
	fx->log = NULL;
}

void
fx_sys_calm(struct fx_sys *fx)
{
	fx->plans = 0;
	fx->limits = 0;
	fx->pull[0] = '\0';
	fx_sys_short(fx, 0, 0);
	atomic_store(&fx->fired, false);
}

static void
arm(struct fx_sys *fx, struct fx_plan plan)
{
	insist(fx->plans < FX_PLANS && plan.left > 0);
	fx->plan[fx->plans++] = plan;
}

void
fx_sys_fail(struct fx_sys *fx, enum fx_call call, unsigned nth, int errnum,
            bool forever)
{
	arm(fx, (struct fx_plan){ .call = call,
	                          .action = DO_FAIL,
	                          .left = nth,
	                          .errnum = errnum,
	                          .forever = forever });
}

void
fx_sys_kill(struct fx_sys *fx, enum fx_call call, unsigned nth)
{
	arm(fx,
	    (struct fx_plan){ .call = call, .action = DO_KILL, .left = nth });
}

void
fx_sys_tear(struct fx_sys *fx, unsigned nth)
{
	arm(fx, (struct fx_plan){
		    .call = FX_PWRITE, .action = DO_TEAR, .left = nth });
}

void
fx_sys_halve(struct fx_sys *fx, unsigned nth)
{
	arm(fx, (struct fx_plan){
		    .call = FX_PWRITE, .action = DO_HALVE, .left = nth });
}

void
fx_sys_short(struct fx_sys *fx, size_t read_most, size_t write_most)
{
	fx->short_read = read_most;
	fx->short_write = write_most;
}

void
fx_sys_limit(struct fx_sys *fx, const char *path, uint64_t bytes)
{
	char *real = realpath(path, NULL);
	struct fx_limit *limit = &fx->limit[fx->limits];

	insist(real != NULL && fx->limits < FX_LIMITS);
	(void)snprintf(limit->prefix, sizeof(limit->prefix), "%s", real);
	limit->left = (int64_t)bytes;
	fx->limits++;
	free(real);
}

void
fx_sys_pull(struct fx_sys *fx, const char *path, unsigned nth)
{
	char *real = realpath(path, NULL);

	insist(real != NULL && nth > 0);
	(void)snprintf(fx->pull, sizeof(fx->pull), "%s", real);
	fx->pull_left = nth;
	free(real);
}

unsigned
fx_sys_count(struct fx_sys *fx, enum fx_call call)
{
	return atomic_load(&fx->count[call]);
}

bool
fx_sys_fired(struct fx_sys *fx)
{
	return atomic_load(&fx->fired);
}

int
fx_sys_open_fds(struct fx_sys *fx)
{
	return atomic_load(&fx->open_fds);
}

void
fx_sys_log_on(struct fx_sys *fx)
{
	fx->logging = true;
}

void
fx_sys_log_clear(struct fx_sys *fx)
{
	fx->log_len = 0;
	if (fx->log != NULL)
		fx->log[0] = '\0';
}

const char *
fx_sys_log(struct fx_sys *fx)
{
	return fx->log == NULL ? "" : fx->log;
}

/* The start of the first line that contains TEXT. */
static const char *
line_with(const char *log, const char *text)
{
	const char *at = strstr(log, text);

	while (at != NULL && at > log && at[-1] != '\n')
		at--;
	return at;
}

bool
fx_sys_before(struct fx_sys *fx, const char *first, const char *then)
{
	const char *log = fx_sys_log(fx);
	const char *a = line_with(log, first), *b = line_with(log, then);

	return a != NULL && b != NULL && a < b;
}
