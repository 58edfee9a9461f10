/* path.c - where the socket of a store is. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/internal.h"

/* Room for what bind() adds for a moment, and the NUL. */
#define PATH_MOST (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 6)

/* FNV-1a, 64 bits: a name is to be made, nothing depends on its secrecy. */
static uint64_t
digest(const char *text)
{
	uint64_t sum = UINT64_C(14695981039346656037);

	for (; *text != '\0'; text++)
		sum = (sum ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return sum;
}

/*
 * Root's hooks ask a user's scheduler too, so the folder is that of the
 * state's owner, whatever the asking process has in its environment.
 */
static bool
add_folder(struct sled_buf *out, const char *state, struct sled_err *err)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	uid_t owner = geteuid();

	if (stat(state, &st) == 0)
		owner = st.st_uid;
	if (owner == 0)
		return sled_buf_addstr(out, "/run", err);
	if (owner == geteuid() && folder != NULL && folder[0] == '/')
		return sled_buf_addstr(out, folder, err);
	return sled_buf_printf(out, err, "/run/user/%ju", (uintmax_t)owner);
}

static bool
add_elsewhere(struct sled_buf *out, const char *state, struct sled_err *err)
{
	char *real = realpath(state, NULL);
	size_t start = out->len;
	struct stat st;
	bool ok;

	ok = add_folder(out, state, err);
	if (ok &&
	    (stat(out->data + start, &st) == -1 || !S_ISDIR(st.st_mode))) {
		ok = sled_fail(err, SLED_ERR_CONFIG,
		               "%s: too long for a socket, and there is no "
		               "folder %s",
		               state, out->data + start);
		(void)sled_hint(err,
		                "set `state =` in [store] to a shorter path, "
		                "or XDG_RUNTIME_DIR");
	}
	ok = ok && sled_buf_printf(out, err, "/mailsled-%016" PRIx64 ".sock",
	                           digest(real == NULL ? state : real));
	free(real);
	return ok;
}

bool
sled_control_path(struct sled_buf *out, const char *state, struct sled_err *err)
{
	if (strlen(state) + strlen("/control") <= PATH_MOST)
		return sled_buf_printf(out, err, "%s/control", state);
	return add_elsewhere(out, state, err);
}
