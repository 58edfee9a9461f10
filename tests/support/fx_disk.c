/* fx_disk.c - the recorder; see fx_disk.h. What a cut leaves: fx_cut.c. */
#include "fx_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FX_DISK_BYTES ((size_t)96 << 20)

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

struct fx_log *
fx_log_new(void)
{
	void *log = mmap(NULL, sizeof(struct fx_log) + FX_DISK_BYTES,
	                 PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	insist(log != MAP_FAILED);
	return log;
}

void
fx_log_free(struct fx_log **log)
{
	(void)munmap(*log, sizeof(struct fx_log) + FX_DISK_BYTES);
	*log = NULL;
}

/* ---- adding to the log ---- */

/* Before what is logged only once it was done: it is not done, then. */
static void
may_die(const struct fx_disk *disk)
{
	if (disk->log != NULL && disk->die_at > 0 &&
	    disk->log->len + 1 >= disk->die_at)
		_exit(9);
}

static void
add(struct fx_disk *disk, struct fx_op op, const void *data)
{
	struct fx_log *log = disk->log;

	if (log == NULL)
		return;
	insist(pthread_mutex_lock(&disk->lock) == 0);
	if (disk->die_at > 0 && log->len + 1 >= disk->die_at)
		_exit(9);
	insist(log->len < FX_DISK_OPS);
	if (data != NULL) {
		insist(log->bytes + op.len <= FX_DISK_BYTES);
		op.data = log->bytes;
		memcpy(log->data + log->bytes, data, op.len);
		log->bytes += op.len;
	}
	log->op[log->len++] = op;
	insist(pthread_mutex_unlock(&disk->lock) == 0);
}

static uint64_t
ino_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* The folder and the last part of NAME; 0 where there is none. */
static uint64_t
folder_of(int dir, const char *name, char last[FX_NAME])
{
	const char *slash = strrchr(name, '/');
	char folder[4096] = ".";
	struct stat st;

	if (slash != NULL)
		(void)snprintf(folder, sizeof(folder), "%.*s",
		               slash == name ? 1 : (int)(slash - name), name);
	(void)snprintf(last, FX_NAME, "%s", slash == NULL ? name : slash + 1);
	return fstatat(dir, folder, &st, 0) == 0 ? (uint64_t)st.st_ino : 0;
}

static uint64_t
ino_at(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
	           ? (uint64_t)st.st_ino
	           : 0;
}

/* ---- tricks ---- */

static void
path_of_fd(int fd, char out[FX_PATH])
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, out, FX_PATH - 1);
	out[n < 0 ? 0 : n] = '\0';
}

static bool
path_matches(const char *path, const char *part)
{
	size_t len = strlen(path), n = strlen(part);

	if (part[0] != '$')
		return strstr(path, part) != NULL;
	return len >= n - 1 && strcmp(path + len - (n - 1), part + 1) == 0;
}

static void
do_early(struct fx_disk *disk, enum fx_call call, const char *path)
{
	void (*early)(void *) = disk->early;

	if (early == NULL || disk->early_call != call ||
	    !path_matches(path, disk->early_path))
		return;
	disk->early = NULL;
	early(disk->early_ctx);
}

/* What is to be done instead of CALL on FD; 0: the call. */
static enum fx_trick
trick_for(struct fx_disk *disk, enum fx_call call, int fd)
{
	char path[FX_PATH];

	if (disk->rules == 0 && disk->early == NULL)
		return 0;
	path_of_fd(fd, path);
	do_early(disk, call, path);
	for (unsigned i = 0; i < disk->rules; i++) {
		struct fx_rule *rule = &disk->rule[i];

		if (rule->call != call || !path_matches(path, rule->path))
			continue;
		rule->seen++;
		if (rule->nth == 0 || rule->nth == rule->seen)
			return rule->trick;
	}
	return 0;
}

static void
flip_later(struct fx_disk *disk, int fd, off_t at, uint8_t octet)
{
	insist(disk->flips < FX_FLIPS);
	disk->flip[disk->flips++] =
	    (struct fx_flip){ ino_of(fd), at, octet };
}

static void
flip_now(struct fx_disk *disk, int fd)
{
	uint64_t ino = ino_of(fd);
	char path[64];

	for (unsigned i = 0; i < disk->flips; i++) {
		struct fx_flip *flip = &disk->flip[i];
		int again;

		if (flip->ino != ino)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = open(path, O_WRONLY | O_CLOEXEC);
		insist(again != -1 &&
		       pwrite(again, &flip->octet, 1, flip->at) == 1);
		insist(close(again) == 0);
		flip->ino = 0;
	}
}

/* ---- the table ---- */

static int
disk_openat(void *ctx, int dir, const char *name, int flags, mode_t mode)
{
	struct fx_op op = { .kind = FX_OP_CREATE, .at = mode };
	bool was = (flags & O_CREAT) == 0 || ino_at(dir, name) != 0;
	int fd;

	if (!was)
		may_die(ctx);
	fd = openat(dir, name, flags | O_CLOEXEC, mode);
	if (fd == -1)
		return -1;
	op.ino = ino_of(fd);
	if (!was) {
		op.dir = folder_of(dir, name, op.name);
		add(ctx, op, NULL);
	} else if ((flags & O_TRUNC) != 0) {
		op.kind = FX_OP_CUT;
		op.at = 0;
		add(ctx, op, NULL);
	}
	return fd;
}

static int
disk_close(void *ctx, int fd)
{
	(void)ctx;
	return close(fd);
}

static ssize_t
disk_pread(void *ctx, int fd, void *data, size_t len, off_t at)
{
	(void)ctx;
	return pread(fd, data, len, at);
}

static ssize_t
disk_pwrite(void *ctx, int fd, const void *data, size_t len, off_t at)
{
	struct fx_op op = { .kind = FX_OP_WRITE,
		            .ino = ino_of(fd),
		            .at = (uint64_t)at,
		            .len = len };
	enum fx_trick trick = trick_for(ctx, FX_PWRITE, fd);
	uint8_t *other;

	if (trick == FX_SWALLOW)
		return (ssize_t)len;
	if (trick == FX_FLIP && len > 0) {
		other = malloc(len);
		insist(other != NULL);
		memcpy(other, data, len);
		other[len - 1] ^= 0x20;
		add(ctx, op, other);
		flip_later(ctx, fd, at + (off_t)len - 1, other[len - 1]);
		free(other);
	} else {
		add(ctx, op, data);
	}
	return pwrite(fd, data, len, at);
}

static int
do_sync(struct fx_disk *disk, enum fx_call call, int fd)
{
	struct fx_op op = { .kind = FX_OP_SYNC, .ino = ino_of(fd) };
	enum fx_trick trick = trick_for(disk, call, fd);

	op.claimed = trick != 0;
	if (trick == FX_LOSE || trick == FX_LOSE_UNSEEN)
		op.kind = FX_OP_SYNC_LOST;
	add(disk, op, NULL);
	errno = EIO;
	return trick == FX_LOSE ? -1 : 0;
}

static int
disk_fdatasync(void *ctx, int fd)
{
	return do_sync(ctx, FX_FDATASYNC, fd);
}

static int
disk_fsync(void *ctx, int fd)
{
	return do_sync(ctx, FX_FSYNC, fd);
}

static int
disk_ftruncate(void *ctx, int fd, off_t len)
{
	struct fx_op op = { .kind = FX_OP_CUT,
		            .ino = ino_of(fd),
		            .at = (uint64_t)len };

	if (trick_for(ctx, FX_FTRUNCATE, fd) == FX_SWALLOW)
		return 0;
	add(ctx, op, NULL);
	return ftruncate(fd, len);
}

static int
disk_renameat(void *ctx, int from_dir, const char *from, int to_dir,
              const char *to)
{
	struct fx_op op = { .kind = FX_OP_RENAME,
		            .ino = ino_at(from_dir, from) };

	op.dir = folder_of(from_dir, from, op.name);
	op.dir2 = folder_of(to_dir, to, op.name2);
	if (op.ino != 0 && op.dir2 != 0)
		add(ctx, op, NULL);
	return renameat(from_dir, from, to_dir, to);
}

static int
disk_unlinkat(void *ctx, int dir, const char *name, int flags)
{
	struct fx_op op = { .kind = FX_OP_UNLINK, .ino = ino_at(dir, name) };
	struct fx_disk *disk = ctx;
	int result;

	op.dir = folder_of(dir, name, op.name);
	if (op.ino == 0 || (flags & AT_REMOVEDIR) != 0) {
		may_die(disk);
		result = unlinkat(dir, name, flags);
		if (result == 0)
			add(disk, op, NULL);
		return result;
	}
	add(disk, op, NULL);
	return unlinkat(dir, name, flags);
}

static int
disk_mkdirat(void *ctx, int dir, const char *name, mode_t mode)
{
	struct fx_op op = { .kind = FX_OP_MKDIR, .at = mode };

	if (ino_at(dir, name) == 0)
		may_die(ctx);
	if (mkdirat(dir, name, mode) == -1)
		return -1;
	op.dir = folder_of(dir, name, op.name);
	op.ino = ino_at(dir, name);
	add(ctx, op, NULL);
	return 0;
}

static int
disk_fchmod(void *ctx, int fd, mode_t mode)
{
	add(ctx,
	    (struct fx_op){
		.kind = FX_OP_MODE, .ino = ino_of(fd), .at = mode },
	    NULL);
	return fchmod(fd, mode);
}

static int
disk_fstat(void *ctx, int fd, struct stat *st)
{
	(void)ctx;
	return fstat(fd, st);
}

static int
disk_fstatat(void *ctx, int dir, const char *name, struct stat *st, int flags)
{
	(void)ctx;
	return fstatat(dir, name, st, flags);
}

static int
disk_space(void *ctx, int fd, uint64_t *free_bytes)
{
	(void)ctx;
	(void)fd;
	*free_bytes = (uint64_t)1 << 40;
	return 0;
}

static int
disk_drop_pages(void *ctx, int fd)
{
	if (trick_for(ctx, FX_DROP_PAGES, fd) != FX_SWALLOW)
		flip_now(ctx, fd);
	return 0;
}

static int
disk_syncfs(void *ctx, int fd)
{
	enum fx_trick trick = trick_for(ctx, FX_SYNCFS, fd);

	add(ctx, (struct fx_op){ .kind = FX_OP_SYNC_ALL, .claimed = trick != 0 },
	    NULL);
	return 0;
}

/* ---- the test's side ---- */

void
fx_disk_init(struct fx_disk *disk, struct fx_log *log)
{
	*disk = (struct fx_disk){ .log = log };
	insist(pthread_mutex_init(&disk->lock, NULL) == 0);
	disk->sys = (struct sled_sys){
		.openat = disk_openat,
		.close = disk_close,
		.pread = disk_pread,
		.pwrite = disk_pwrite,
		.fdatasync = disk_fdatasync,
		.fsync = disk_fsync,
		.ftruncate = disk_ftruncate,
		.renameat = disk_renameat,
		.unlinkat = disk_unlinkat,
		.mkdirat = disk_mkdirat,
		.fchmod = disk_fchmod,
		.fstat = disk_fstat,
		.fstatat = disk_fstatat,
		.space = disk_space,
		.drop_pages = disk_drop_pages,
		.syncfs = disk_syncfs,
		.ctx = disk,
	};
}

void
fx_disk_rule(struct fx_disk *disk, struct fx_rule rule)
{
	insist(disk->rules < FX_RULES);
	disk->rule[disk->rules++] = rule;
}

void
fx_disk_note(struct fx_disk *disk, uint64_t what, uint64_t value)
{
	add(disk,
	    (struct fx_op){ .kind = FX_OP_NOTE, .at = what, .len = value },
	    NULL);
}

const char *
fx_op_text(const struct fx_op *op)
{
	static const char *const kinds[] = {
		"create", "mkdir", "rename", "unlink",      "write",  "truncate",
		"chmod",  "sync",  "sync failed", "syncfs", "note",
	};
	static char text[3 * FX_NAME];

	(void)snprintf(text, sizeof(text), "%s #%llu %s%s%s %llu+%llu%s",
	               kinds[op->kind], (unsigned long long)op->ino, op->name,
	               op->name2[0] == '\0' ? "" : " to ", op->name2,
	               (unsigned long long)op->at, (unsigned long long)op->len,
	               op->claimed ? " (not made)" : "");
	return text;
}
