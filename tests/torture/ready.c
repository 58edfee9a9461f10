/*
 * ready.c - mailsled, loaded once and run many times: what a test that makes
 * tens of thousands of visits would else spend on loading libraries.
 *
 * usage: ready <REQUESTS >ANSWERS
 *
 * A request is 4 octets of length (the machine's order), then words, each ended
 * by a NUL: the name of a file for what it says, of one for what it complains
 * of, how many times too early its timers end, and the arguments, argv[0] too.
 * Each request has a process of its own, forked from this one: main() of
 * mailsled itself. The answer is its wait status, 4 octets. It ends at the end
 * of the requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <openssl/ssl.h>

#define REQUEST_MAX 8192
#define WORDS_MAX   64

/* By the linker's --wrap: the program's own, and what is called instead. */
int __real_main(int argc, char **argv);
int __wrap_main(void);
int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t ms,
                          uint64_t again);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t ms,
                          uint64_t again);

static uint64_t haste = 1;

int
__wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t ms,
                      uint64_t again)
{
	return __real_uv_timer_start(timer, fn, (ms + haste - 1) / haste,
	                             again);
}

static bool
take(void *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = read(0, (char *)data + at, len - at);

		if (n == 0 || (n == -1 && errno != EINTR))
			return false;
		at += n == -1 ? 0 : (size_t)n;
	}
	return true;
}

/* How many there are; WORDS[that] is NULL. */
static int
split(char *text, size_t len, char *words[WORDS_MAX])
{
	int n = 0;

	for (size_t at = 0; at < len && n < WORDS_MAX - 1;
	     at += strlen(text + at) + 1)
		words[n++] = text + at;
	words[n] = NULL;
	return n;
}

static void
put(const char *path, int at)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1 || dup2(fd, at) == -1)
		_exit(127);
}

static void
be_mailsled(char *words[WORDS_MAX], int count)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (count < 4 || null == -1 || dup2(null, 0) == -1)
		_exit(127);
	put(words[0], 1);
	put(words[1], 2);
	haste = strtoull(words[2], NULL, 10);
	_exit(haste == 0 ? 127 : __real_main(count - 3, words + 3));
}

/* The algorithms that every visit looks up. */
static void
warm_up(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_free(ctx);
}

int
__wrap_main(void)
{
	static char text[REQUEST_MAX + 1];
	char *words[WORDS_MAX];
	uint32_t len;

	warm_up();
	while (take(&len, sizeof(len))) {
		int status = 0, count;
		pid_t pid;

		if (len > REQUEST_MAX || !take(text, len))
			return 65;
		text[len] = '\0';
		count = split(text, len, words);
		pid = fork();
		if (pid == 0)
			be_mailsled(words, count);
		if (pid == -1 || waitpid(pid, &status, 0) != pid ||
		    write(1, &status, sizeof(status)) != sizeof(status))
			return 71;
	}
	return 0;
}
