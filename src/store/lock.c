/* lock.c - one writer a store [R4]. The lock goes with its process, however that
 * ends; the pid in the file is for messages only. */
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
refuse(struct sled_store *store, int fd, struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	char pid[24] = "";
	ssize_t len = sys->pread(sys->ctx, fd, pid, sizeof(pid) - 1, 0);

	pid[len > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	(void)sys->close(sys->ctx, fd);
	(void)sled_fail(err, SLED_ERR_LINK,
	                "%s: another mailsled (pid %s) is writing this store",
	                store->conf.path, pid[0] == '\0' ? "unknown" : pid);
	return sled_hint(err, "wait until it is done, then run this again");
}

bool
sled_lock_take(struct sled_store *store, struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	char pid[24];
	int fd = sys->openat(sys->ctx, store->state_dir, "lock",
	                     O_RDWR | O_CREAT, 0600);
	int len;

	if (fd == -1)
		return sled_fail_sys(err, errno, "open %s/lock", store->state);
	if (!wait_for(fd))
		return refuse(store, fd, err);
	len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (sys->ftruncate(sys->ctx, fd, 0) == -1 ||
	    sys->pwrite(sys->ctx, fd, pid, (size_t)len, 0) == -1)
		sled_store_say(store, "%s/lock: the pid could not be noted",
		               store->state);
	store->lock = fd;
	return true;
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
