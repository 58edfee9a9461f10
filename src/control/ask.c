/* ask.c - the client's end: one request, its answer line by line. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "control/internal.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

#define ANSWER_MAX ((size_t)4 << 20) /* of one line */
#define ANSWER_S   5L                /* for what is answered at once */

struct ask {
	int fd;
	int64_t until; /* sled_clock_ms(); 0: as long as it takes */
	const char *late;
	struct sled_buf in;
	size_t used; /* of in: the line handed out last */
};

static const char no_answer[] = "the scheduler does not answer";

/* -1 and true: nobody is there. */
static bool
reach(const char *path, int *fd, struct sled_err *err)
{
	const struct timeval most = { .tv_sec = ANSWER_S };
	struct sockaddr_un at;
	long pid;
	int got;

	*fd = -1;
	if (!sled_control_address(&at, path, err))
		return false;
	got = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (got == -1)
		return sled_fail_sys(err, errno, "control socket");
	/* connect() waits too, while its queue is full. */
	(void)setsockopt(got, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
	if (connect(got, (const struct sockaddr *)&at, sizeof(at)) == -1) {
		int why = errno;

		(void)close(got);
		if (why == ENOENT || why == ECONNREFUSED || why == ENOTDIR)
			return true;
		if (why == EAGAIN)
			return sled_fail(err, SLED_ERR_LINK, "%s", no_answer);
		(void)sled_fail(err, SLED_ERR_CONFIG, "%s: %s", path,
		                strerror(why));
		err->sys = why;
		return false;
	}
	/* Root may ask whom it likes. */
	if (!sled_control_trusts(got, &pid) && geteuid() != 0) {
		(void)close(got);
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "%s: another user's program (pid %ld) answers "
		                 "there",
		                 path, pid);
	}
	*fd = got;
	return true;
}

static bool
went_away(struct sled_err *err)
{
	return sled_fail(err, SLED_ERR_LINK,
	                 "the scheduler went away before its answer was whole");
}

static bool
send_request(struct ask *ask, const char *const *words, size_t len,
             struct sled_err *err)
{
	struct sled_buf line = { 0 };
	size_t at = 0;
	bool ok = sled_control_words_write(&line, words, len, err);

	while (ok && at < line.len) {
		ssize_t sent =
		    send(ask->fd, line.data + at, line.len - at, MSG_NOSIGNAL);

		if (sent > 0)
			at += (size_t)sent;
		else if (errno == EPIPE || errno == ECONNRESET)
			break; /* turned away: its answer says why */
		else if (errno == EAGAIN)
			ok = sled_fail(err, SLED_ERR_LINK, "%s", no_answer);
		else if (errno != EINTR)
			ok = sled_fail_sys(err, errno, "ask the scheduler");
	}
	sled_buf_free(&line);
	return ok;
}

static bool
await(struct ask *ask, struct sled_err *err)
{
	struct pollfd one = { .fd = ask->fd, .events = POLLIN };

	while (ask->until != 0) {
		int64_t left = ask->until - sled_clock_ms();
		int n = poll(&one, 1, left < 0 ? 0 : (int)left);

		if (n > 0)
			return true;
		if (n == 0)
			return sled_fail(err, SLED_ERR_LINK, "%s", ask->late);
		if (errno != EINTR)
			return sled_fail_sys(err, errno, "ask the scheduler");
	}
	return true;
}

static bool
read_more(struct ask *ask, struct sled_err *err)
{
	char chunk[4096];
	ssize_t len;

	if (ask->in.len > ANSWER_MAX)
		return sled_fail(err, SLED_ERR_PROTO,
		                 "the scheduler's answer has no end of line");
	if (!await(ask, err))
		return false;
	do {
		len = recv(ask->fd, chunk, sizeof(chunk), 0);
	} while (len == -1 && errno == EINTR);
	if (len <= 0)
		return went_away(err);
	return sled_buf_add(&ask->in, chunk, (size_t)len, err);
}

/* The next line of the answer, without its LF, until the next call. */
static bool
next_line(struct ask *ask, struct sled_span *line, struct sled_err *err)
{
	const char *end;

	sled_buf_shift(&ask->in, ask->used);
	ask->used = 0;
	for (;;) {
		end = ask->in.len == 0
		          ? NULL
		          : memchr(ask->in.data, '\n', ask->in.len);
		if (end != NULL)
			break;
		if (!read_more(ask, err))
			return false;
	}
	line->data = ask->in.data;
	line->len = (size_t)(end - ask->in.data);
	ask->used = line->len + 1;
	return true;
}

/* LINE is "KIND TEXT": the kind's letter, and TEXT as it was. 0: neither. */
static char
open_line(struct sled_span line, struct sled_buf *text, struct sled_err *err)
{
	static const char *const kinds[] = { "out ", "err ", "exit " };

	text->len = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i]);
		struct sled_span rest = { line.data + len, line.len - len };

		if (line.len < len || memcmp(line.data, kinds[i], len) != 0)
			continue;
		if (!sled_buf_reserve(text, 1, err) ||
		    !sled_text_unpercent(text, rest, err))
			return '\0';
		text->data[text->len] = '\0';
		return kinds[i][1];
	}
	(void)sled_fail(err, SLED_ERR_PROTO,
	                "the scheduler's answer is not understood");
	return '\0';
}

static bool
take_status(const struct sled_buf *text, int *status, struct sled_err *err)
{
	uint64_t value = 0;

	if (!sled_text_u64(sled_buf_span(text), &value) || value > 255)
		return sled_fail(err, SLED_ERR_PROTO,
		                 "the scheduler's exit status is no number");
	*status = (int)value;
	return true;
}

static bool
read_answer(struct ask *ask, sled_control_line_fn *line, void *ctx, int *status,
            struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct sled_span one;
	bool ok = false;

	while (next_line(ask, &one, err)) {
		char kind = open_line(one, &text, err);

		if (kind == 'x')
			ok = take_status(&text, status, err);
		if (kind == 'x' || kind == '\0')
			break;
		if (line != NULL)
			line(ctx, kind == 'u', text.data);
	}
	sled_buf_free(&text);
	return ok;
}

/* NOLINTBEGIN(readability-function-size): who is told, and all that comes back */
bool
sled_control_ask(const char *path, const char *const *words, size_t len,
                 sled_control_line_fn *line, void *ctx, bool *there,
                 int *status, struct sled_err *err)
{
	struct ask ask = { .fd = -1, .late = no_answer };
	bool ok;

	*there = false;
	*status = 0;
	if (!reach(path, &ask.fd, err))
		return false;
	if (ask.fd == -1)
		return true;
	*there = true;
	if (strcmp(words[0], "visit") != 0)
		ask.until = sled_clock_ms() + ANSWER_S * 1000L;
	ok = send_request(&ask, words, len, err) &&
	     read_answer(&ask, line, ctx, status, err);
	sled_buf_free(&ask.in);
	(void)close(ask.fd);
	return ok;
}

/* NOLINTEND(readability-function-size) */

/* ---- the lease ---- */

static bool
await_grant(struct ask *ask, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct sled_span one;
	char why[200] = "";
	bool ok = false;

	while (!ok && next_line(ask, &one, err)) {
		char kind = open_line(one, &text, err);

		if (kind == '\0')
			break;
		if (kind == 'r')
			sled_text_clip(why, sizeof(why), sled_buf_span(&text));
		ok = kind == 'u' && strcmp(text.data, "granted") == 0;
		if (kind != 'x')
			continue;
		(void)sled_fail(err, SLED_ERR_LINK,
		                "the scheduler keeps the store%s%s",
		                why[0] == '\0' ? "" : ": ", why);
		break;
	}
	sled_buf_free(&text);
	return ok;
}

bool
sled_control_lease(const char *path, uint64_t wait_ms, int *fd,
                   struct sled_err *err)
{
	static const char *const words[] = { "lease" };
	struct ask ask = { .fd = -1,
		           .late = "the scheduler is busy with a visit" };
	bool ok;

	*fd = -1;
	if (!reach(path, &ask.fd, err))
		return false;
	if (ask.fd == -1)
		return true;
	ask.until = sled_clock_ms() + (int64_t)wait_ms;
	ok = send_request(&ask, words, 1, err) && await_grant(&ask, err);
	sled_buf_free(&ask.in);
	if (!ok) {
		(void)close(ask.fd);
		return sled_hint(err, "wait until its visit is over, or "
		                      "`mailsled stop`");
	}
	*fd = ask.fd;
	return true;
}

void
sled_control_release(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}
