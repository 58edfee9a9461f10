/*
 * bind.c - the socket's file: private from its first moment, and one listener.
 *
 * Who holds the lock on PATH.lock is the listener; the lock goes with its
 * process, however that ends, so a socket that is there under our lock is a
 * leftover. The new one is made beside it and renamed over it: at each moment
 * there is an old one or a whole new one. PATH.lock stays for ever: removing
 * it would let two processes lock two files of one name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/internal.h"

#define BACKLOG 16
/* The other one may be between its lock and its listen(). */
#define ASK_TRIES   20
#define ASK_STEP_NS 50000000L

bool
sled_control_address(struct sockaddr_un *out, const char *path,
                     struct sled_err *err)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(out->sun_path)) {
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "%s: too long for a socket", path);
		return sled_hint(err, "set `state =` in [store] to a shorter "
		                      "path");
	}
	memcpy(out->sun_path, path, strlen(path));
	return true;
}

bool
sled_control_trusts(int fd, long *pid)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return false;
	*pid = (long)peer.pid;
	return peer.uid == geteuid() || peer.uid == 0;
}

/* Who could rename in the folder could put a socket of his own there. */
static bool
check_folder(const char *path, struct sled_err *err)
{
	const char *slash = strrchr(path, '/');
	struct sled_buf folder = { 0 };
	struct stat st = { 0 };
	bool ok;

	if (slash == NULL || slash == path)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "%s: a socket needs a folder", path);
	if (!sled_buf_add(&folder, path, (size_t)(slash - path), err))
		return false;
	ok = stat(folder.data, &st) == 0;
	if (!ok)
		(void)sled_fail(err, SLED_ERR_CONFIG, "%s: %s", folder.data,
		                strerror(errno));
	else if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	         (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		ok = sled_fail(err, SLED_ERR_CONFIG,
		               "%s: a control socket needs a folder of our own "
		               "that no other user may write",
		               folder.data);
		(void)sled_hint(err, "chmod go-w, or another `state =` in "
		                     "[store]");
	}
	sled_buf_free(&folder);
	return ok;
}

/* The pid of who listens there; 0: nobody. */
static long
ask_pid(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	if (fd == -1)
		return 0;
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		peer.pid = 0;
	(void)close(fd);
	return (long)peer.pid;
}

static bool
refuse(const struct sockaddr_un *at, struct sled_err *err)
{
	const struct timespec step = { 0, ASK_STEP_NS };
	long pid = ask_pid(at);

	for (int i = 0; pid == 0 && i < ASK_TRIES; i++) {
		(void)nanosleep(&step, NULL);
		pid = ask_pid(at);
	}
	if (pid == 0)
		(void)sled_fail(err, SLED_ERR_LINK,
		                "%s: another scheduler is starting or ending",
		                at->sun_path);
	else
		(void)sled_fail(err, SLED_ERR_LINK,
		                "%s: a scheduler (pid %ld) runs already",
		                at->sun_path, pid);
	return sled_hint(err, "mailsled status");
}

static bool
take_lock(const struct sockaddr_un *at, int *lock, struct sled_err *err)
{
	struct sled_buf name = { 0 };
	int fd;
	bool ok;

	if (!sled_buf_printf(&name, err, "%s.lock", at->sun_path))
		return false;
	fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = fd != -1;
	if (!ok)
		(void)sled_fail_sys(err, errno, "open %s", name.data);
	sled_buf_free(&name);
	if (!ok)
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		ok = errno == EWOULDBLOCK
		         ? refuse(at, err)
		         : sled_fail_sys(err, errno, "lock %s", at->sun_path);
		(void)close(fd);
		return ok;
	}
	*lock = fd;
	return true;
}

/* Bound to NAME, which is then renamed to PATH. fchmod() before bind(): on
 * Linux the file has that mode from the first. */
static bool
make_socket(int fd, const struct sockaddr_un *name, const char *path,
            struct sled_err *err)
{
	if (unlink(name->sun_path) == -1 && errno != ENOENT)
		return sled_fail_sys(err, errno, "remove %s", name->sun_path);
	if (fchmod(fd, 0600) == -1 ||
	    bind(fd, (const struct sockaddr *)name, sizeof(*name)) == -1)
		return sled_fail_sys(err, errno, "bind %s", name->sun_path);
	if (listen(fd, BACKLOG) == -1 || rename(name->sun_path, path) == -1) {
		(void)sled_fail_sys(err, errno, "listen at %s", path);
		(void)unlink(name->sun_path);
		return false;
	}
	return true;
}

static bool
put_socket(const char *path, int *listener, struct sled_err *err)
{
	struct sockaddr_un name = { 0 };
	struct sled_buf text = { 0 };
	struct stat st;
	int fd = -1;
	bool ok;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "%s is there and is no socket", path);
	ok = sled_buf_printf(&text, err, "%s.new", path) &&
	     sled_control_address(&name, text.data, err);
	sled_buf_free(&text);
	if (!ok)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return sled_fail_sys(err, errno, "control socket");
	if (!make_socket(fd, &name, path, err)) {
		(void)close(fd);
		return false;
	}
	*listener = fd;
	return true;
}

bool
sled_control_bind(const char *path, int *listener, int *lock,
                  struct sled_err *err)
{
	struct sockaddr_un at = { 0 };

	*listener = *lock = -1;
	if (!sled_control_address(&at, path, err) || !check_folder(path, err) ||
	    !take_lock(&at, lock, err))
		return false;
	if (put_socket(path, listener, err))
		return true;
	(void)close(*lock);
	*lock = -1;
	return false;
}
