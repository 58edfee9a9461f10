/* notify.c - sd_notify(3): one datagram to the service manager's socket. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "mailsled/control.h"
#include "mailsled/text.h"

static void
send_to(const struct sockaddr_un *at, socklen_t len, const char *state)
{
	/* A manager that hangs must not hang us for ever. */
	const struct timeval most = { .tv_sec = 1 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	             (const struct sockaddr *)at, len);
	(void)close(fd);
}

void
sled_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = path == NULL ? 0 : strlen(path);

	if (len < 2 || len >= sizeof(at.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(at.sun_path, path, len);
	/* The abstract name space: a NUL, and no NUL at the end. */
	if (path[0] == '@')
		at.sun_path[0] = '\0';
	else
		len++;
	send_to(&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len),
	        state);
}

uint64_t
sled_notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t every = 0, who = 0;

	if (usec == NULL ||
	    !sled_text_u64((struct sled_span){ usec, strlen(usec) }, &every))
		return 0;
	if (pid != NULL &&
	    (!sled_text_u64((struct sled_span){ pid, strlen(pid) }, &who) ||
	     who != (uint64_t)getpid()))
		return 0;
	/* Three times in its time, so that one late turn is no death, nor a
	 * password-command that hangs. */
	return every == 0 ? 0 : every < 3000 ? 1 : every / 3000;
}
