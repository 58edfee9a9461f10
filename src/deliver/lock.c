/* lock.c - an mbox that other programs write too: opened and locked as Debian
 * has it, fcntl() first and PATH.lock then. A lock is no mail: what it needs
 * beside the table is called directly. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deliver/internal.h"
#include "mailsled/clock.h"

#define WAIT_MS  5000
#define AGAIN_MS 100
#define BOOT_ID  "/proc/sys/kernel/random/boot_id"

/* ---- PATH.lock ---- */

/* Two lines: the process as others write it, and whose it is. After a kill
 * of ours it stays; then it is known by this, and by nothing less. */
static void
write_whose(char out[256])
{
	char host[65] = "", boot[40] = "";
	FILE *file = fopen(BOOT_ID, "re");

	(void)gethostname(host, sizeof(host) - 1);
	if (file != NULL) {
		if (fgets(boot, sizeof(boot), file) == NULL)
			boot[0] = '\0';
		(void)fclose(file);
	}
	boot[strcspn(boot, "\n")] = '\0';
	(void)snprintf(out, 256, "mailsled %s %s\n", host, boot);
}

/* Ours, of this host: one of an earlier boot, or of a process that is gone. */
static bool
is_left_behind(const struct sled_mbox_lock *lock)
{
	char text[400] = "", whose[256], *second, *boot;
	struct sled_err ignored = { 0 };
	struct sled_file file;
	size_t got = 0;
	bool ok;

	if (!sled_file_open(&file, lock->sys, lock->folder, lock->name,
	                    O_RDONLY | O_NOFOLLOW, 0, &ignored))
		return false;
	ok = sled_file_read(&file, text, sizeof(text) - 1, 0, &got, &ignored);
	sled_file_drop(&file);
	second = strchr(text, '\n');
	if (!ok || second == NULL)
		return false;
	second++;
	write_whose(whose);
	if (strcmp(second, whose) == 0) {
		pid_t pid = (pid_t)strtol(text, NULL, 10);

		/* Our own, which could not be taken away. */
		return pid == getpid() ||
		       (pid > 1 && kill(pid, 0) == -1 && errno == ESRCH);
	}
	/* The same but for the boot. */
	boot = strrchr(whose, ' ');
	return strncmp(second, whose, (size_t)(boot + 1 - whose)) == 0;
}

/* PATH.lock is there with all its text or not at all. What a kill left of the
 * other name may be the same file: it is never written again. */
static bool
write_lock(const struct sled_mbox_lock *lock, struct sled_err *err)
{
	char temp[sizeof(lock->name) + 16], whose[256], text[300];
	struct sled_file file;
	bool ok;

	(void)snprintf(temp, sizeof(temp), "%s.mailsled", lock->name);
	write_whose(whose);
	(void)snprintf(text, sizeof(text), "%ld\n%s", (long)getpid(), whose);
	(void)lock->sys->unlinkat(lock->sys->ctx, lock->folder, temp, 0);
	if (!sled_file_open(&file, lock->sys, lock->folder, temp,
	                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644,
	                    err))
		return false;
	ok = sled_file_write(&file, text, strlen(text), 0, err) &&
	     sled_file_close(&file, err);
	sled_file_drop(&file);
	if (ok && linkat(lock->folder, temp, lock->folder, lock->name, 0) == -1)
		ok = sled_fail_sys(err, errno, "link %s", lock->name);
	(void)lock->sys->unlinkat(lock->sys->ctx, lock->folder, temp, 0);
	return ok;
}

/* Where nobody but a group may write, fcntl() alone must do: who has no right
 * to make such a lock there is not kept from the mailbox by it either. */
static bool
take_dot(struct sled_mbox_lock *lock, struct sled_err *err)
{
	struct sled_err why = { 0 };
	struct stat st;

	lock->dotted = write_lock(lock, &why);
	if (!lock->dotted && why.sys == EEXIST && is_left_behind(lock) &&
	    lock->sys->unlinkat(lock->sys->ctx, lock->folder, lock->name, 0) ==
	        0) {
		why = (struct sled_err){ 0 };
		lock->dotted = write_lock(lock, &why);
	}
	if (lock->dotted)
		return true;
	if ((why.sys == EACCES || why.sys == EROFS || why.sys == EPERM) &&
	    lock->sys->fstatat(lock->sys->ctx, lock->folder, lock->name, &st,
	                       AT_SYMLINK_NOFOLLOW) == -1)
		return true;
	*err = why;
	if (why.sys == EEXIST || why.sys == 0) {
		(void)sled_fail(err, SLED_ERR_LINK, "%s is there", lock->name);
		return sled_hint(err, "another program writes there; if none "
		                      "does, take the lock file away");
	}
	return false;
}

/* ---- the file ---- */

static bool
open_folder(struct sled_mbox_lock *lock, const char *path, struct sled_err *err)
{
	const char *slash = strrchr(path, '/');
	struct sled_buf folder = { 0 };
	bool ok;

	if (strlen(slash + 1) + 8 > sizeof(lock->name))
		return sled_fail(err, SLED_ERR_CONFIG, "its name is too long");
	(void)snprintf(lock->name, sizeof(lock->name), "%s.lock", slash + 1);
	ok =
	    sled_buf_add(&folder, path,
	                 slash == path ? 1 : (size_t)(slash - path), err) &&
	    sled_dir_open(&lock->folder, lock->sys, AT_FDCWD, folder.data, err);
	sled_buf_free(&folder);
	return ok;
}

static bool
open_file(struct sled_file *out, const struct sled_delivery *d,
          struct sled_err *err)
{
	struct stat st;

	if (!sled_file_open(out, d->sys, AT_FDCWD, d->target->where,
	                    O_RDWR | O_CREAT | O_NOFOLLOW, 0600, err)) {
		if (err->sys == ELOOP)
			return sled_fail(err, SLED_ERR_CONFIG,
			                 "it is a symbolic link: name the file "
			                 "itself");
		return false;
	}
	if (d->sys->fstat(d->sys->ctx, out->fd, &st) == -1)
		return sled_fail_sys(err, errno, "stat %s", d->target->where);
	return (S_ISREG(st.st_mode) && st.st_nlink == 1) ||
	       sled_fail(err, SLED_ERR_CONFIG, "it is no file of its own");
}

/* Locked, and still the file of that name: a reader may put another in its
 * place while it holds the lock. */
static bool
take_locks(const struct sled_file *file, struct sled_mbox_lock *lock,
           const struct sled_delivery *d, struct sled_err *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat mine, now;

	if (fcntl(file->fd, F_SETLK, &whole) == -1) {
		if (errno != EACCES && errno != EAGAIN)
			return sled_fail_sys(err, errno, "lock %s", file->name);
		(void)sled_fail(err, SLED_ERR_LINK,
		                "another program has it "
		                "locked");
		return sled_hint(err, "it is tried again behind the next "
		                      "visit, or by `mailsled deliver`");
	}
	if (d->sys->fstat(d->sys->ctx, file->fd, &mine) == -1 ||
	    d->sys->fstatat(d->sys->ctx, AT_FDCWD, file->name, &now,
	                    AT_SYMLINK_NOFOLLOW) == -1 ||
	    mine.st_ino != now.st_ino || mine.st_dev != now.st_dev)
		return sled_fail(err, SLED_ERR_LINK,
		                 "another program put "
		                 "another in its place");
	return take_dot(lock, err);
}

static bool
try_once(struct sled_file *out, struct sled_mbox_lock *lock,
         struct sled_delivery *d, struct sled_err *err)
{
	if (open_folder(lock, d->target->where, err) &&
	    open_file(out, d, err) && take_locks(out, lock, d, err))
		return true;
	sled_mbox_close(out, lock);
	return false;
}

bool
sled_mbox_open(struct sled_file *out, struct sled_mbox_lock *lock,
               struct sled_delivery *d, struct sled_err *err)
{
	int64_t until = sled_clock_ms() + WAIT_MS;

	for (;;) {
		*out = (struct sled_file){ d->sys, -1, "" };
		*lock = (struct sled_mbox_lock){ .folder = -1, .sys = d->sys };
		if (try_once(out, lock, d, err))
			return true;
		if (err->kind != SLED_ERR_LINK || sled_clock_ms() >= until ||
		    sled_delivery_stopped(d))
			return false;
		*err = (struct sled_err){ 0 };
		(void)poll(NULL, 0, AGAIN_MS);
	}
}

void
sled_mbox_close(struct sled_file *file, struct sled_mbox_lock *lock)
{
	if (lock->dotted)
		(void)lock->sys->unlinkat(lock->sys->ctx, lock->folder,
		                          lock->name, 0);
	lock->dotted = false;
	sled_file_drop(file);
	if (lock->folder != -1)
		(void)lock->sys->close(lock->sys->ctx, lock->folder);
	lock->folder = -1;
}
