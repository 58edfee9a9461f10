/* lock.c - one writer a store [R4]. The lock goes with its process, however that
 * ends; the pid in the file is for messages only.
 *
 * It lies in the state folder. Another configuration, or another machine, may
 * have a state of its own for the same first place: two would write where each
 * knows the end to be. So that place is locked too; a file system that carries no
 * locks has to do without. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "mailsled/clock.h"
#include "store/store.h"

#define WAIT_MS 5000
#define STEP_MS 50

static bool
wait_for(int fd)
{
	const struct timespec step = { 0, STEP_MS * 1000000L };
	int64_t until = sled_clock_ms() + WAIT_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK || sled_clock_ms() >= until)
			return false;
		(void)nanosleep(&step, NULL);
	}
	return true;
}

static bool
refuse(const struct sled_store *store, const char *pid, struct sled_err *err)
{
	(void)sled_fail(err, SLED_ERR_LINK,
	                "%s: another mailsled (pid %s) is writing this store",
	                store->conf.path, *pid == '\0' ? "unknown" : pid);
	return sled_hint(err, "wait until it is done, then run this again");
}

bool
sled_lock_take(struct sled_store *store, struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	char pid[24] = "";
	int fd = sys->openat(sys->ctx, store->state_dir, "lock",
	                     O_RDWR | O_CREAT, 0600);
	ssize_t len;

	if (fd == -1)
		return sled_fail_sys(err, errno, "open %s/lock", store->state);
	if (!wait_for(fd)) {
		len = sys->pread(sys->ctx, fd, pid, sizeof(pid) - 1, 0);
		pid[len > 0 ? strspn(pid, "0123456789") : 0] = '\0';
		(void)sys->close(sys->ctx, fd);
		return refuse(store, pid, err);
	}
	len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (sys->ftruncate(sys->ctx, fd, 0) == -1 ||
	    sys->pwrite(sys->ctx, fd, pid, (size_t)len, 0) == -1)
		sled_store_say(store, "%s/lock: the pid could not be noted",
		               store->state);
	store->lock = fd;
	return true;
}

/* "1: FLOCK  ADVISORY  WRITE 4711 08:01:2 0 EOF": the pid, where the inode at the
 * end of the third number is INODE; else 0. */
static long
pid_in(const char *line, unsigned long inode)
{
	const char *at = strstr(line, " WRITE ");
	char *rest = NULL;
	long pid;

	if (at == NULL || strstr(line, " FLOCK ") == NULL)
		return 0;
	pid = strtol(at + strlen(" WRITE "), &rest, 10);
	for (int i = 0; rest != NULL && i < 2; i++) {
		rest = strchr(rest, ':');
		rest += rest != NULL;
	}
	return rest != NULL && strtoul(rest, NULL, 10) == inode ? pid : 0;
}

/* Who has the folder locked, by what /proc tells; 0: it does not. */
static long
pid_of_lock(int fd)
{
	FILE *locks = fopen("/proc/locks", "re");
	struct stat st = { 0 };
	char line[128];
	long found = 0;

	if (locks == NULL)
		return 0;
	while (fstat(fd, &st) == 0 && found == 0 &&
	       fgets(line, sizeof(line), locks) != NULL)
		found = pid_in(line, st.st_ino);
	(void)fclose(locks);
	return found;
}

/* Over NFS a folder cannot be locked, but a file can. */
static int
open_place_lock(const struct sled_store *store, int dir)
{
	const struct sled_sys *sys = store->sys;
	struct sled_err ignored = { 0 };
	const char *name = NULL;

	if (sled_place_carries_ledger(dir, &name))
		return sys->openat(sys->ctx, dir, ".", O_RDONLY | O_DIRECTORY,
		                   0);
	return sled_dir_make(sys, dir, ".mailsled", 0700, &ignored)
	           ? sys->openat(sys->ctx, dir, ".mailsled/lock",
	                         O_RDWR | O_CREAT, 0600)
	           : -1;
}

bool
sled_lock_place(struct sled_store *store, struct sled_err *err)
{
	int dir = sled_store_first(store)->dir, fd;
	char pid[24] = "";
	bool busy;

	if (dir == -1 || store->place_lock != -1)
		return true;
	fd = open_place_lock(store, dir);
	if (fd == -1)
		return true;
	if (wait_for(fd)) {
		store->place_lock = fd;
		return true;
	}
	busy = errno == EWOULDBLOCK;
	if (busy)
		(void)snprintf(pid, sizeof(pid), "%ld", pid_of_lock(fd));
	(void)store->sys->close(store->sys->ctx, fd);
	return !busy || refuse(store, pid, err);
}

bool
sled_lock_is_held(const struct sled_store *store)
{
	const struct sled_sys *sys = store->sys;
	int fd;
	bool held;

	if (store->lock != -1)
		return false;
	fd = sys->openat(sys->ctx, store->state_dir, "lock", O_RDONLY, 0);
	if (fd == -1)
		return false;
	held = flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK;
	(void)sys->close(sys->ctx, fd);
	return held;
}
