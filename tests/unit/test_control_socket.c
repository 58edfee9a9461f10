/* test_control_socket.c - the control socket serves who may ask, whole
 * requests only, and no client can harm another. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_tmp.h"
#include "mailsled/control.h"

#define HELD 40

struct scene {
	struct fx_tmp tmp;
	char path[FX_TMP_PATH + 16];
	struct sled_loop *loop;
	struct sled_timer *turn;
	struct sled_control *control;
	char heard[8192]; /* the words of each request, "|" behind each */
	int requests, gone;
	struct sled_control_reply *held[HELD];
	int held_len;
};

static void
on_turn(void *ctx)
{
	struct scene *s = ctx;

	sled_loop_stop(s->loop);
}

static void
answer_flood(struct sled_control_reply *reply)
{
	static char text[65536];

	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 40; i++)
		sled_control_out(reply, text);
}

static void
on_request(void *ctx, struct sled_control_reply *reply,
           const char *const *words, size_t len)
{
	struct scene *s = ctx;

	s->requests++;
	assert_null(words[len]);
	for (size_t i = 0; i < len && strlen(words[i]) < 64; i++) {
		strcat(s->heard, words[i]);
		strcat(s->heard, "|");
	}
	if (strcmp(words[0], "hold") == 0 || strcmp(words[0], "lease") == 0) {
		s->held[s->held_len++] = reply;
	} else if (strcmp(words[0], "flood") == 0) {
		s->held[s->held_len++] = reply;
		answer_flood(reply);
	} else if (strcmp(words[0], "free") == 0) {
		sled_control_free(&s->control);
	} else {
		sled_control_out(reply, words[len - 1]);
		sled_control_err(reply, "done\n\x1b");
		sled_control_end(reply, 7);
	}
}

static void
on_gone(void *ctx, struct sled_control_reply *reply)
{
	struct scene *s = ctx;

	s->gone++;
	/* Too late, and harmless. */
	sled_control_out(reply, "late");
	sled_control_end(reply, 0);
}

static bool
listen_here(struct scene *s, struct sled_err *err)
{
	const struct sled_control_calls calls = { on_request, on_gone, s };

	return sled_control_listen(&s->control, s->loop, s->path, &calls, err);
}

static void
setup(struct scene *s)
{
	struct sled_err err = { 0 };

	memset(s, 0, sizeof(*s));
	fx_tmp_make(&s->tmp);
	(void)snprintf(s->path, sizeof(s->path), "%s/control", s->tmp.path);
	assert_true(sled_loop_new(&s->loop, &err));
	assert_true(sled_timer_new(&s->turn, s->loop, on_turn, s, &err));
}

static void
setup_listening(struct scene *s)
{
	struct sled_err err = { 0 };

	setup(s);
	assert_true(listen_here(s, &err));
}

static void
teardown(struct scene *s)
{
	sled_control_free(&s->control);
	assert_null(s->control);
	sled_timer_free(&s->turn);
	sled_loop_free(&s->loop);
	fx_tmp_drop(&s->tmp);
}

/* Some turns of the loop: all that is ready is done. */
static void
pump(struct scene *s)
{
	for (int i = 0; i < 8; i++) {
		sled_timer_start(s->turn, 0);
		sled_loop_run(s->loop);
	}
}

static int
dial(const struct scene *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, s->path);
	assert_true(fd != -1);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void
say(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

static void
say_text(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* What comes until the end of the connection. */
static size_t
hear(struct scene *s, int fd, char *out, size_t room)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	size_t at = 0;

	for (;;) {
		ssize_t len;

		while (poll(&one, 1, 0) == 0)
			pump(s);
		len = recv(fd, out + at, room - 1 - at, 0);
		if (len <= 0)
			break;
		at += (size_t)len;
	}
	out[at] = '\0';
	return at;
}

static void
expect(struct scene *s, int fd, const char *text)
{
	char got[1024];

	(void)hear(s, fd, got, sizeof(got));
	assert_string_equal(got, text);
	assert_int_equal(close(fd), 0);
}

static void
still_serves(struct scene *s)
{
	int fd = dial(s);

	say_text(fd, "echo fine\n");
	expect(s, fd, "out fine\nerr done%0A%1B\nexit 7\n");
}

/* ---- requests ---- */

static void
a_request_cut_at_every_byte_is_the_same(void **state)
{
	static const char line[] =
	    "event up if=ppp0 connection=Caf%C3%A9%20x -\n";
	size_t len = sizeof(line) - 1;
	struct scene s;

	(void)state;
	setup_listening(&s);
	for (size_t cut = 1; cut < len; cut++) {
		int fd = dial(&s), unread = 1;

		s.heard[0] = '\0';
		say(fd, line, cut);
		while (unread > 0) {
			pump(&s);
			assert_int_equal(ioctl(fd, TIOCOUTQ, &unread), 0);
		}
		assert_int_equal(s.requests, cut - 1);
		say(fd, line + cut, len - cut);
		expect(&s, fd, "out -\nerr done%0A%1B\nexit 7\n");
		assert_string_equal(
		    s.heard, "event|up|if=ppp0|connection=Caf\xc3\xa9 x||");
	}
	assert_int_equal(s.requests, len - 1);
	teardown(&s);
}

static void
a_client_that_leaves_in_its_line_is_not_heard(void **state)
{
	static const char line[] = "hold a b";
	struct scene s;

	(void)state;
	setup_listening(&s);
	for (size_t cut = 0; cut < sizeof(line); cut++) {
		int fd = dial(&s);

		if (cut > 0)
			say(fd, line, cut);
		(void)close(fd);
		pump(&s);
	}
	assert_int_equal(s.requests, 0);
	assert_int_equal(s.gone, 0);
	still_serves(&s);
	teardown(&s);
}

static void
who_asks_and_leaves_at_once_is_heard(void **state)
{
	struct scene s;
	int fd;

	(void)state;
	setup_listening(&s);
	fd = dial(&s);
	say_text(fd, "hold\n");
	(void)close(fd);
	while (s.gone == 0)
		pump(&s);
	assert_string_equal(s.heard, "hold|");
	assert_int_equal(s.gone, 1);
	teardown(&s);
}

static void
a_bad_line_is_answered_with_64(void **state)
{
	char text[SLED_CONTROL_LINE + 2], got[256];
	struct scene s;
	int fd;

	(void)state;
	setup_listening(&s);
	fd = dial(&s);
	say_text(fd, "event  up\n");
	(void)hear(&s, fd, got, sizeof(got));
	assert_non_null(strstr(got, "err "));
	assert_non_null(strstr(got, "\nexit 64\n"));
	(void)close(fd);
	memset(text, 'a', sizeof(text));
	fd = dial(&s);
	say(fd, text, sizeof(text));
	(void)hear(&s, fd, got, sizeof(got));
	assert_non_null(strstr(got, "4096"));
	assert_non_null(strstr(got, "\nexit 64\n"));
	(void)close(fd);
	assert_int_equal(s.requests, 0);
	text[SLED_CONTROL_LINE] = '\n';
	fd = dial(&s);
	say(fd, text, SLED_CONTROL_LINE + 1);
	while (s.requests == 0)
		pump(&s);
	(void)close(fd);
	teardown(&s);
}

static void
a_second_line_is_not_read(void **state)
{
	struct scene s;
	int fd;

	(void)state;
	setup_listening(&s);
	fd = dial(&s);
	say_text(fd, "hold\nfree\n");
	while (s.requests == 0)
		pump(&s);
	pump(&s);
	assert_int_equal(s.requests, 1);
	sled_control_end(s.held[0], 3);
	expect(&s, fd, "exit 3\n");
	teardown(&s);
}

/* ---- clients that are a burden ---- */

static void
one_too_many_is_turned_away(void **state)
{
	int fds[SLED_CONTROL_PEERS];
	struct scene s;
	int more;

	(void)state;
	setup_listening(&s);
	for (int i = 0; i < SLED_CONTROL_PEERS; i++) {
		fds[i] = dial(&s);
		say_text(fds[i], "hold\n");
		while (s.requests <= i)
			pump(&s);
	}
	more = dial(&s);
	expect(&s, more, "err too%20many%20clients\nexit 75\n");
	assert_int_equal(s.requests, SLED_CONTROL_PEERS);
	sled_control_end(s.held[5], 0);
	expect(&s, fds[5], "exit 0\n");
	still_serves(&s);
	for (int i = 0; i < SLED_CONTROL_PEERS; i++)
		if (i != 5)
			(void)close(fds[i]);
	while (s.gone < SLED_CONTROL_PEERS - 1)
		pump(&s);
	teardown(&s);
}

static void
who_does_not_read_is_dropped(void **state)
{
	struct scene s;
	int fd;

	(void)state;
	setup_listening(&s);
	fd = dial(&s);
	say_text(fd, "flood\n");
	while (s.gone == 0)
		pump(&s);
	assert_int_equal(s.requests, 1);
	still_serves(&s);
	(void)close(fd);
	teardown(&s);
}

/* A long answer to a client that is slow, but reads. */
static void
who_reads_slowly_gets_it_all(void **state)
{
	static char text[200001], got[700000];
	struct scene s;
	size_t len;
	int fd;

	(void)state;
	memset(text, 'y', sizeof(text) - 1);
	setup_listening(&s);
	fd = dial(&s);
	say_text(fd, "hold\n");
	while (s.requests == 0)
		pump(&s);
	sled_control_out(s.held[0], text);
	sled_control_out(s.held[0], text);
	sled_control_end(s.held[0], 0);
	len = hear(&s, fd, got, sizeof(got));
	assert_int_equal(len, 2 * (200000 + 5) + 7);
	assert_string_equal(got + len - 7, "exit 0\n");
	assert_int_equal(s.gone, 0);
	(void)close(fd);
	teardown(&s);
}

/* ---- the end ---- */

static void
a_free_ends_what_runs_with_75(void **state)
{
	struct scene s;
	struct stat st;
	unsigned before;
	int fd, late;

	(void)state;
	setup(&s);
	before = fx_tmp_open_fds();
	assert_true(listen_here(&s, &(struct sled_err){ 0 }));
	fd = dial(&s);
	say_text(fd, "hold\n");
	while (s.requests == 0)
		pump(&s);
	late = dial(&s);
	pump(&s);
	sled_control_free(&s.control);
	pump(&s);
	expect(&s, fd, "exit 75\n");
	expect(&s, late, "");
	assert_int_equal(s.gone, 0);
	assert_int_equal(stat(s.path, &st), -1);
	assert_int_equal(fx_tmp_open_fds(), before);
	teardown(&s);
}

static void
it_may_be_freed_in_a_request(void **state)
{
	struct scene s;
	int fd;

	(void)state;
	setup_listening(&s);
	fd = dial(&s);
	say_text(fd, "free\n");
	while (s.requests == 0)
		pump(&s);
	assert_null(s.control);
	expect(&s, fd, "exit 75\n");
	teardown(&s);
}

/* ---- the file ---- */

static void
the_socket_is_private_whatever_the_umask(void **state)
{
	mode_t old = umask(0);
	struct scene s;
	struct stat st;

	(void)state;
	setup_listening(&s);
	(void)umask(old);
	assert_int_equal(stat(s.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(S_ISSOCK(st.st_mode));
	teardown(&s);
}

static void
a_folder_that_others_write_is_refused(void **state)
{
	struct sled_err err = { 0 };
	struct scene s;

	(void)state;
	setup(&s);
	assert_int_equal(chmod(s.tmp.path, 0770), 0);
	assert_false(listen_here(&s, &err));
	assert_int_equal(err.kind, SLED_ERR_CONFIG);
	assert_null(s.control);
	assert_int_equal(chmod(s.tmp.path, 0755), 0);
	assert_true(listen_here(&s, &err));
	teardown(&s);
}

static void
a_file_that_is_no_socket_stays(void **state)
{
	struct sled_err err = { 0 };
	struct scene s;
	char text[8];

	(void)state;
	setup(&s);
	fx_tmp_write(&s.tmp, "control", "mine", 4);
	assert_false(listen_here(&s, &err));
	assert_int_equal(err.kind, SLED_ERR_CONFIG);
	assert_int_equal(fx_tmp_read(&s.tmp, "control", text, sizeof(text)), 4);
	teardown(&s);
}

static void
a_path_that_does_not_fit_is_refused(void **state)
{
	struct sled_err err = { 0 };
	struct scene s;

	(void)state;
	setup(&s);
	memset(s.path, 'x', 120);
	s.path[0] = '/';
	s.path[120] = '\0';
	assert_false(listen_here(&s, &err));
	assert_int_equal(err.kind, SLED_ERR_CONFIG);
	teardown(&s);
}

static void
a_leftover_is_replaced(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct scene s;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool there = true;
	int status;
	const char *word = "echo";
	struct sled_err err = { 0 };

	(void)state;
	setup(&s);
	strcpy(at.sun_path, s.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	(void)close(fd);
	assert_true(sled_control_ask(s.path, &word, 1, NULL, NULL, &there,
	                             &status, &err));
	assert_false(there);
	assert_true(listen_here(&s, &err));
	still_serves(&s);
	teardown(&s);
}

static void
a_second_one_is_told_who_is_there(void **state)
{
	struct sled_control *second = NULL;
	struct sled_err err = { 0 };
	struct scene s;
	char pid[24];

	(void)state;
	setup_listening(&s);
	const struct sled_control_calls calls = { on_request, on_gone, &s };
	assert_false(
	    sled_control_listen(&second, s.loop, s.path, &calls, &err));
	assert_null(second);
	assert_int_equal(err.kind, SLED_ERR_LINK);
	(void)snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
	assert_non_null(strstr(err.text, pid));
	still_serves(&s);
	teardown(&s);
}

#define RACERS 4

/* In a child: 'L' it listens, 'N' another was named, else what went wrong. */
static void
race(struct scene *s, int go, int tell, int hold)
{
	struct sled_err err = { 0 };
	char c = '?';

	(void)!read(go, &c, 1);
	if (listen_here(s, &err))
		c = 'L';
	else if (err.kind == SLED_ERR_LINK && strstr(err.text, "(pid "))
		c = 'N';
	else
		c = 'X';
	(void)!write(tell, &c, 1);
	(void)!read(hold, &c, 1); /* until all have told */
	_exit(0);                 /* as after a crash: the file stays */
}

static void
of_those_that_start_at_once_one_listens(void **state)
{
	struct scene s;

	(void)state;
	setup(&s);
	for (int round = 0; round < 25; round++) {
		int go[2], tell[2], hold[2], listeners = 0;
		char said[RACERS];

		assert_int_equal(pipe(go) | pipe(tell) | pipe(hold), 0);
		for (int i = 0; i < RACERS; i++) {
			pid_t child = fork();

			assert_true(child != -1);
			if (child != 0)
				continue;
			(void)close(hold[1]);
			race(&s, go[0], tell[1], hold[0]);
		}
		assert_int_equal(write(go[1], "gogo", RACERS), RACERS);
		for (int i = 0; i < RACERS; i++)
			assert_int_equal(read(tell[0], said + i, 1), 1);
		for (int i = 0; i < RACERS; i++) {
			listeners += said[i] == 'L';
			assert_true(said[i] == 'L' || said[i] == 'N');
		}
		assert_int_equal(listeners, 1);
		for (int i = 0; i < 2; i++)
			(void)!(close(go[i]) | close(tell[i]) | close(hold[i]));
		for (int i = 0; i < RACERS; i++)
			assert_true(wait(NULL) > 0);
	}
	teardown(&s);
}

/* ---- another user ---- */

static int
try_as_stranger(const struct scene *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char got[64];

	strcpy(at.sun_path, s->path);
	if (setgid(65533) == -1 || setuid(65533) == -1 ||
	    connect(fd, (struct sockaddr *)&at, sizeof(at)) == -1)
		return 3;
	/* The other end closes, which may come before this is sent. */
	(void)!send(fd, "echo hi\n", 8, MSG_NOSIGNAL);
	return recv(fd, got, sizeof(got), 0) > 0 ? 4 : 0;
}

static void
another_user_is_closed_unheard(void **state)
{
	struct scene s;
	int status = -1;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	setup_listening(&s);
	/* As if the file's mode had failed to keep it out. */
	assert_int_equal(chmod(s.tmp.path, 0755), 0);
	assert_int_equal(chmod(s.path, 0666), 0);
	child = fork();
	assert_true(child != -1);
	if (child == 0)
		_exit(try_as_stranger(&s));
	while (waitpid(child, &status, WNOHANG) == 0)
		pump(&s);
	assert_int_equal(status, 0);
	assert_int_equal(s.requests, 0);
	teardown(&s);
}

/* ---- the client's end ---- */

struct client {
	struct scene *scene;
	const char *words[3];
	size_t len;
	char text[512];
	bool ok, there, over;
	int status, fd;
	uint64_t wait_ms; /* a lease; 0: ask */
	struct sled_err err;
	pthread_t thread;
};

static void
on_line(void *ctx, bool out, const char *text)
{
	struct client *c = ctx;

	strcat(c->text, out ? "O:" : "E:");
	strcat(c->text, text);
	strcat(c->text, ";");
}

static void
on_over(void *ctx)
{
	((struct client *)ctx)->over = true;
}

static void *
run_client(void *ctx)
{
	struct client *c = ctx;
	struct sled_err err = { 0 };

	if (c->wait_ms == 0)
		c->ok =
		    sled_control_ask(c->scene->path, c->words, c->len, on_line,
		                     c, &c->there, &c->status, &c->err);
	else
		c->ok = sled_control_lease(c->scene->path, c->wait_ms, &c->fd,
		                           &c->err);
	assert_true(sled_loop_post(c->scene->loop, on_over, c, &err));
	return NULL;
}

static void
begin(struct client *c)
{
	assert_int_equal(pthread_create(&c->thread, NULL, run_client, c), 0);
}

static void
finish(struct client *c)
{
	while (!c->over)
		pump(c->scene);
	assert_int_equal(pthread_join(c->thread, NULL), 0);
}

static void
an_answer_comes_line_by_line(void **state)
{
	struct scene s;
	struct client c = { .scene = &s,
		            .words = { "say", "", "a b\n%" },
		            .len = 3 };

	(void)state;
	setup_listening(&s);
	begin(&c);
	finish(&c);
	assert_true(c.ok && c.there);
	assert_int_equal(c.status, 7);
	assert_string_equal(s.heard, "say||a b\n%|");
	assert_string_equal(c.text, "O:a b\n%;E:done\n\x1b;");
	teardown(&s);
}

static void
nobody_there_is_no_error(void **state)
{
	struct scene s;
	const char *word = "status";
	struct sled_err err = { 0 };
	bool there = true;
	int status = 1, fd = 0;

	(void)state;
	setup(&s);
	assert_true(sled_control_ask(s.path, &word, 1, NULL, NULL, &there,
	                             &status, &err));
	assert_false(there);
	assert_true(sled_control_lease(s.path, 1000, &fd, &err));
	assert_int_equal(fd, -1);
	sled_control_release(&fd);
	teardown(&s);
}

/* A listener that is no scheduler: it says TEXT and closes. */
static void
answer_by(const char *text, struct client *c)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	char got[64];

	strcpy(at.sun_path, c->scene->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	begin(c);
	peer = accept(fd, NULL, NULL);
	assert_true(peer != -1);
	assert_true(recv(peer, got, sizeof(got), 0) > 0);
	say_text(peer, text);
	(void)close(peer);
	(void)close(fd);
	finish(c);
	assert_int_equal(unlink(at.sun_path), 0);
}

static void
half_an_answer_is_an_error(void **state)
{
	static const struct {
		const char *text;
		enum sled_err_kind kind;
	} bad[] = {
		{ "", SLED_ERR_LINK },
		{ "out half\n", SLED_ERR_LINK },
		{ "out half\nexit 0", SLED_ERR_LINK },
		{ "exit\n", SLED_ERR_PROTO },
		{ "exit 256\n", SLED_ERR_PROTO },
		{ "exit -1\n", SLED_ERR_PROTO },
		{ "hello\n", SLED_ERR_PROTO },
		{ "out a%2\nexit 0\n", SLED_ERR_USAGE },
	};
	struct scene s;

	(void)state;
	setup(&s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct client c = { .scene = &s,
			            .words = { "status" },
			            .len = 1 };

		answer_by(bad[i].text, &c);
		assert_false(c.ok);
		assert_true(c.there);
		assert_int_equal(c.err.kind, bad[i].kind);
	}
	teardown(&s);
}

static void
a_lease_lasts_until_it_is_released(void **state)
{
	struct scene s;
	struct client c = { .scene = &s, .wait_ms = 60000 };

	(void)state;
	setup_listening(&s);
	begin(&c);
	while (s.held_len == 0)
		pump(&s);
	assert_string_equal(s.heard, "lease|");
	sled_control_out(s.held[0], "granted");
	finish(&c);
	assert_true(c.ok && c.fd != -1);
	pump(&s);
	assert_int_equal(s.gone, 0);
	sled_control_release(&c.fd);
	assert_int_equal(c.fd, -1);
	while (s.gone == 0)
		pump(&s);
	teardown(&s);
}

static void
a_lease_may_be_refused_or_not_come_in_time(void **state)
{
	struct scene s;
	struct client no = { .scene = &s, .wait_ms = 60000 };
	struct client late = { .scene = &s, .wait_ms = 1 };

	(void)state;
	setup_listening(&s);
	begin(&no);
	while (s.held_len == 0)
		pump(&s);
	sled_control_err(s.held[0], "not now");
	sled_control_end(s.held[0], 75);
	finish(&no);
	assert_false(no.ok);
	assert_int_equal(no.fd, -1);
	assert_int_equal(no.err.kind, SLED_ERR_LINK);
	assert_non_null(strstr(no.err.text, "not now"));
	begin(&late);
	finish(&late);
	assert_false(late.ok);
	assert_int_equal(late.err.kind, SLED_ERR_LINK);
	assert_non_null(late.err.hint);
	teardown(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_cut_at_every_byte_is_the_same),
		cmocka_unit_test(a_client_that_leaves_in_its_line_is_not_heard),
		cmocka_unit_test(who_asks_and_leaves_at_once_is_heard),
		cmocka_unit_test(a_bad_line_is_answered_with_64),
		cmocka_unit_test(a_second_line_is_not_read),
		cmocka_unit_test(one_too_many_is_turned_away),
		cmocka_unit_test(who_does_not_read_is_dropped),
		cmocka_unit_test(who_reads_slowly_gets_it_all),
		cmocka_unit_test(a_free_ends_what_runs_with_75),
		cmocka_unit_test(it_may_be_freed_in_a_request),
		cmocka_unit_test(the_socket_is_private_whatever_the_umask),
		cmocka_unit_test(a_folder_that_others_write_is_refused),
		cmocka_unit_test(a_file_that_is_no_socket_stays),
		cmocka_unit_test(a_path_that_does_not_fit_is_refused),
		cmocka_unit_test(a_leftover_is_replaced),
		cmocka_unit_test(a_second_one_is_told_who_is_there),
		cmocka_unit_test(of_those_that_start_at_once_one_listens),
		cmocka_unit_test(another_user_is_closed_unheard),
		cmocka_unit_test(an_answer_comes_line_by_line),
		cmocka_unit_test(nobody_there_is_no_error),
		cmocka_unit_test(half_an_answer_is_an_error),
		cmocka_unit_test(a_lease_lasts_until_it_is_released),
		cmocka_unit_test(a_lease_may_be_refused_or_not_come_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
