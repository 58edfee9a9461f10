/* ask.c - see cli/ask.h. */
#include "cli/ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define ANSWER_MAX 1024

static const int ends[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP };

#define ENDS (sizeof(ends) / sizeof(ends[0]))

bool
sled_ask_can(void)
{
	return isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0;
}

/* Signals that are blocked, but not in OPEN (NULL: as they are), come in here
 * alone: one from just before it is not missed. */
static ssize_t
read_octet(char *out, const sigset_t *open)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return ppoll(&in, 1, NULL, open) == -1 ? -1
	                                       : read(STDIN_FILENO, out, 1);
}

/* A byte a call: what is behind the line stays for the next question, and no
 * buffer of stdio keeps a secret. */
static bool
read_line(struct sled_buf *line, const sigset_t *open, struct sled_err *err)
{
	char c = '\0';
	ssize_t got;

	line->len = 0;
	while ((got = read_octet(&c, open)) == 1 && c != '\n')
		if (line->len >= ANSWER_MAX || c == '\0')
			return sled_fail(err, SLED_ERR_USAGE,
			                 "that is no answer");
		else if (!sled_buf_add(line, &c, 1, err))
			return false;
	if (got == -1 && errno != EINTR)
		return sled_fail_sys(err, errno, "terminal");
	if (got != 1)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "stopped; nothing was written");
	return sled_buf_addstr(line, "", err);
}

static void
trim(struct sled_buf *line)
{
	size_t from = 0;

	while (line->len > 0 && strchr(" \t\r", line->data[line->len - 1]))
		line->data[--line->len] = '\0';
	while (from < line->len && strchr(" \t", line->data[from]))
		from++;
	sled_buf_shift(line, from);
}

bool
sled_ask(struct sled_buf *answer, const char *question, const char *suggestion,
         struct sled_err *err)
{
	if (*suggestion == '\0')
		(void)fprintf(stderr, "%s: ", question);
	else
		(void)fprintf(stderr, "%s [%s]: ", question, suggestion);
	(void)fflush(stderr);
	if (!read_line(answer, NULL, err))
		return false;
	trim(answer);
	return answer->len > 0 || sled_buf_addstr(answer, suggestion, err);
}

/* Only so that the reading ends and the echo comes back. */
static void
wake(int signum)
{
	(void)signum;
}

static bool
read_unseen(struct sled_buf *answer, struct sled_err *err)
{
	const struct sigaction woken = { .sa_handler = wake };
	struct sigaction before[ENDS];
	struct termios shown, unseen;
	sigset_t held, open;
	bool ok;

	if (tcgetattr(STDIN_FILENO, &shown) == -1)
		return sled_fail_sys(err, errno, "terminal");
	unseen = shown;
	unseen.c_lflag &= ~(tcflag_t)ECHO;
	unseen.c_cc[VSUSP] = _POSIX_VDISABLE; /* no shell without echo */
	(void)sigemptyset(&held);
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaddset(&held, ends[i]);
	(void)sigprocmask(SIG_BLOCK, &held, &open);
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaction(ends[i], &woken, &before[i]);
	ok = tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen) == 0;
	if (!ok)
		(void)sled_fail_sys(err, errno, "terminal");
	else
		ok = read_line(answer, &open, err);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown) == -1 && ok)
		ok = sled_fail_sys(err, errno, "terminal");
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaction(ends[i], &before[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &open, NULL);
	return ok;
}

bool
sled_ask_secret(struct sled_buf *answer, const char *question,
                struct sled_err *err)
{
	bool ok;

	(void)fprintf(stderr, "%s: ", question);
	(void)fflush(stderr);
	ok = read_unseen(answer, err);
	(void)fputs("\n", stderr);
	return ok;
}
