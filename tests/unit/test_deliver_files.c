/* test_deliver_files.c - a Maildir and an mbox get each message once, exact but
 * for its line ends, whatever cuts a delivery off. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_stops.h"
#include "mailsled/deliver.h"
#include "mailsled/mailbox.h"

static const struct fx_mail before[] = { { "u1", 500, 90 }, { "u2", 10, 91 } };
static const struct fx_mail mails[] = {
	{ "u1", 500, 90 },  { "u2", 10, 91 }, { "u3", 100, 1 },
	{ "u4", 3000, 2 },  { "u5", 9, 3 },   { "u6", 700000, 4 },
	{ "u7", 70000, 5 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NEW      (COUNT(mails) - COUNT(before))

static struct fx_store world;

/* ---- one account, one target ---- */

struct asked {
	const char *kind; /* "maildir:" or "mbox:" */
	const char *file; /* below TMP */
	bool all, stop;
};

struct given {
	bool stop, told;
	uint64_t delivered, waiting;
	struct sled_err why;
};

static const struct asked maildir = { .kind = "maildir:", .file = "M" };
static const struct asked mbox = { .kind = "mbox:", .file = "box" };

static void
take(void *ctx, const struct sled_delivered *delivered)
{
	struct given *given = ctx;

	given->told = true;
	given->delivered = delivered->delivered;
	given->waiting = delivered->waiting;
	given->why = *delivered->why;
}

static bool
is_stopped(void *ctx)
{
	return ((struct given *)ctx)->stop;
}

/* The store is open. With BEGIN the target is made known, and no more. */
static bool
use(struct fx_store *w, const struct asked *asked, bool begin,
    struct given *given)
{
	char where[FX_STORE_PATH], name[FX_STORE_PATH + 16];
	struct sled_conf_target target = {
		.kind = strcmp(asked->kind, "mbox:") == 0 ? SLED_CONF_MBOX
		                                          : SLED_CONF_MAILDIR,
		.name = name,
		.where = where,
	};
	const struct sled_conf_account account = { .name = "home",
		                                   .user = "ada",
		                                   .targets = &target,
		                                   .targets_len = 1 };
	const struct sled_deliver_conf conf = { .store = w->store,
		                                .account = &account,
		                                .all = asked->all,
		                                .now = true,
		                                .ctx = given,
		                                .stop = is_stopped,
		                                .done = take };

	(void)snprintf(where, sizeof(where), "%s/%s", w->tmp.path, asked->file);
	(void)snprintf(name, sizeof(name), "%s%s", asked->kind, where);
	*given = (struct given){ .stop = asked->stop };
	return begin ? sled_deliver_begin(w->store, &account, FX_STORE_NOW,
	                                  &w->err)
	             : sled_deliver_run(&conf, &w->err);
}

/* True: everything was taken. */
static bool
deliver(struct fx_store *w, const struct asked *asked)
{
	struct given given = { .told = false };
	bool ok = fx_store_try(w, SLED_STORE_WRITE) &&
	          use(w, asked, false, &given) && given.waiting == 0;

	if (!ok && given.told && w->err.kind == SLED_ERR_NONE)
		w->err = given.why;
	fx_store_close(w);
	return ok;
}

static bool
to_maildir(struct fx_store *w)
{
	return deliver(w, &maildir);
}

static bool
to_mbox(struct fx_store *w)
{
	return deliver(w, &mbox);
}

static void
must_deliver(struct fx_store *w, const struct asked *asked, uint64_t count)
{
	struct given given;

	fx_store_open(w);
	if (!use(w, asked, false, &given))
		fail_msg("%s", w->err.text);
	fx_store_close(w);
	if (given.waiting > 0)
		fail_msg("%s", given.why.text);
	assert_int_equal(given.delivered, count);
	assert_int_equal(given.why.kind, SLED_ERR_NONE);
}

static struct given
must_wait(struct fx_store *w, const struct asked *asked, uint64_t count)
{
	struct given given;

	fx_store_open(w);
	if (!use(w, asked, false, &given))
		fail_msg("%s", w->err.text);
	fx_store_close(w);
	assert_int_equal(given.waiting, count);
	assert_int_not_equal(given.why.kind, SLED_ERR_NONE);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
	return given;
}

static void
visit(struct fx_store *w, const struct fx_mail *list, size_t len)
{
	struct fx_visit v;

	if (!fx_visit_run(&v, w, list, len, 2, false))
		fail_msg("%s", v.err.text);
}

/* Two messages were there before the targets were named, and five come then. */
static int
set_up(void **state)
{
	struct given given;

	fx_store_make(&world, 1);
	fx_store_open(&world);
	visit(&world, before, COUNT(before));
	assert_true(use(&world, &maildir, true, &given));
	assert_true(use(&world, &mbox, true, &given));
	visit(&world, mails, COUNT(mails));
	fx_store_close(&world);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

/* Each CRLF is a LF from now on. */
static void
make_unix(struct sled_buf *bytes)
{
	size_t to = 0;

	for (size_t i = 0; i < bytes->len; i++)
		if (bytes->data[i] != '\r' || i + 1 == bytes->len ||
		    bytes->data[i + 1] != '\n')
			bytes->data[to++] = bytes->data[i];
	bytes->len = to;
}

static struct sled_buf
unix_bytes(const struct fx_mail *mail)
{
	struct sled_buf bytes = { 0 };

	fx_store_bytes(&bytes, mail);
	make_unix(&bytes);
	return bytes;
}

/* Each of the mails from FIRST on is in M once, and nothing else. */
static void
assert_maildir_has(struct fx_store *w, size_t first)
{
	fx_store_sh(w, "test -z \"$(ls M/tmp)\" && rm -rf want && mkdir want");
	for (size_t i = first; i < COUNT(mails); i++) {
		struct sled_buf bytes = unix_bytes(&mails[i]);
		char name[32];

		(void)snprintf(name, sizeof(name), "want/%zu", i);
		fx_tmp_write(&w->tmp, name, bytes.data, bytes.len);
		sled_buf_free(&bytes);
	}
	fx_store_sh(w, "sha256sum M/new/* M/cur/* 2>/dev/null | cut -c1-64 | "
	               "sort >have; sha256sum want/* | cut -c1-64 | sort | "
	               "cmp - have; rm -rf want have");
}

/* ---- Maildir ---- */

static void
each_message_comes_once_with_unix_lines(void **state)
{
	struct fx_store *w = *state;

	must_deliver(w, &maildir, NEW);
	assert_maildir_has(w, COUNT(before));
	must_deliver(w, &maildir, 0);
	assert_maildir_has(w, COUNT(before));
	fx_store_sh(w, "test $(stat -c %%a M) = 700 && "
	               "test \"$(stat -c %%a M/new/* | sort -u)\" = 600 && "
	               "test \"$(stat -c %%Y M/new/* | sort -u | wc -l)\" -ge "
	               "1 && test ! -e store/.mailsled/deliver.tmp");
}

static void
what_was_there_before_comes_when_it_is_asked_for(void **state)
{
	struct fx_store *w = *state;
	struct asked all = maildir;

	all.all = true;
	must_deliver(w, &maildir, NEW);
	must_deliver(w, &all, COUNT(before));
	assert_maildir_has(w, 0);
	must_deliver(w, &all, 0);
	assert_maildir_has(w, 0);
}

static void
what_a_reader_moved_or_deleted_does_not_come_again(void **state)
{
	struct fx_store *w = *state;
	const struct fx_mail more[] = { { "u9", 77, 9 } };

	must_deliver(w, &maildir, NEW);
	fx_store_sh(w, "cd M && for f in new/*; do mv $f cur/${f#new/}:2,RS; "
	               "done && rm cur/*N5H*");
	fx_store_open(w);
	visit(w, more, 1);
	fx_store_close(w);
	must_deliver(w, &maildir, 1);
	fx_store_sh(w, "test $(ls M/cur | wc -l) = 4 && "
	               "test $(ls M/new | wc -l) = 1");
}

/* The journal tells how far it was, and the names what came behind that. */
static void
a_lost_ledger_brings_nothing_twice(void **state)
{
	struct fx_store *w = *state;

	must_deliver(w, &maildir, NEW);
	fx_store_sh(w, "rm M/new/*N4H* && rm -rf store/.mailsled/ledger.db*");
	must_deliver(w, &maildir, 0);
	fx_store_sh(w, "test $(ls M/new | wc -l) = 4");
}

/* The ledger was lost with what the journal has not. */
static void
names_tell_where_nothing_else_does(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "mkdir was && cp -a store/journal was/1 && "
	               "cp -a copy1/journal was/2");
	must_deliver(w, &maildir, NEW);
	fx_store_sh(w, "cd M && for f in new/*; do mv $f cur/${f#new/}:2,S; "
	               "done; cd .. && rm -rf store/journal copy1/journal "
	               "store/.mailsled/ledger.db* && "
	               "cp -a was/1 store/journal && cp -a was/2 copy1/journal "
	               "&& rm -r was");
	must_deliver(w, &maildir, NEW); /* noted, not given */
	fx_store_sh(w,
	            "test $(ls M/cur | wc -l) = 5 && test -z \"$(ls M/new)\"");
}

/* What waits when the ledger is lost goes on waiting. */
static void
a_lost_ledger_loses_nothing_that_waits(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "rm -rf store/.mailsled/ledger.db*");
	must_deliver(w, &maildir, NEW);
	assert_maildir_has(w, COUNT(before));
}

static void
another_folder_does_not_become_a_maildir(void **state)
{
	struct fx_store *w = *state;
	struct given given;

	fx_store_sh(w, "mkdir M && echo x >M/letter");
	given = must_wait(w, &maildir, NEW);
	assert_int_equal(given.why.kind, SLED_ERR_CONFIG);
	fx_store_sh(w, "test $(ls -A M) = letter && rm M/letter");
	must_deliver(w, &maildir, NEW);
	/* ... nor is one that is gone made anew: its disk may be away. */
	fx_store_open(w);
	visit(w, (const struct fx_mail[]){ { "u9", 77, 9 } }, 1);
	fx_store_close(w);
	fx_store_sh(w, "mv M away");
	given = must_wait(w, &maildir, 1);
	assert_int_equal(given.why.kind, SLED_ERR_CONFIG);
	fx_store_sh(w, "test ! -e M && mv away M");
	must_deliver(w, &maildir, 1);
}

static void
a_full_disk_takes_nothing_and_loses_nothing(void **state)
{
	struct fx_store *w = *state;
	char where[FX_STORE_PATH];

	(void)snprintf(where, sizeof(where), "%s/M", w->tmp.path);
	fx_store_sh(w, "mkdir M");
	fx_sys_limit(&w->fx, where, 5000);
	(void)must_wait(w, &maildir, 2); /* two fit before the large one */
	fx_store_sh(w, "test -z \"$(ls M/tmp)\"");
	fx_sys_calm(&w->fx);
	must_deliver(w, &maildir, 2);
	assert_maildir_has(w, COUNT(before));
}

/* A member that no place gives: the rest comes, and it is tried again. */
static void
what_the_archive_does_not_give_is_given_to_nobody(void **state)
{
	struct fx_store *w = *state;
	struct given given;

	fx_store_sh(w, "cp store/home/*.open.tar.gz kept && "
	               "size=$(stat -c %%s kept) && "
	               "for p in store copy1; do printf XXXX | "
	               "dd of=$(ls $p/home/*.open.tar.gz) bs=1 "
	               "seek=$((size - 40000)) conv=notrunc 2>/dev/null; done");
	given = must_wait(w, &maildir, 1);
	assert_int_equal(given.why.kind, SLED_ERR_DAMAGED);
	assert_int_equal(given.delivered, NEW - 1);
	fx_store_sh(w, "test -z \"$(ls M/tmp)\" && "
	               "for p in store copy1; do cat kept "
	               ">$(ls $p/home/*.open.tar.gz); done; rm kept");
	must_deliver(w, &maildir, 1);
	assert_maildir_has(w, COUNT(before));
}

static void
stopped_at_any_call_a_maildir_gets_each_once(void **state)
{
	const struct fx_stops stops = { .name = "deliver to a Maildir",
		                        .run = to_maildir,
		                        .step = 31 };

	assert_true(fx_stops_run(*state, &stops) > 20);
}

static const struct fx_fault faults[] = {
	{ FX_PWRITE, ENOSPC, 13 }, { FX_FSYNC, EIO, 4 },
	{ FX_FDATASYNC, EIO, 5 },  { FX_OPENAT, EMFILE, 17 },
	{ FX_RENAMEAT, EIO, 2 },   { FX_PREAD, EIO, 41 },
	{ FX_UNLINKAT, EIO, 5 },   { FX_CLOSE, EIO, 17 },
	{ FX_FTRUNCATE, EIO, 1 },
};

static void
behind_a_failure_of_any_call_a_maildir_gets_each_once(void **state)
{
	const struct fx_stops stops = {
		.name = "deliver to a Maildir",
		.run = to_maildir,
		.only =
		    "ls M/tmp; sha256sum M/new/* M/cur/* 2>/dev/null || true;",
	};

	assert_true(fx_stops_fail(*state, &stops, faults, COUNT(faults)) > 15);
}

static int
unable_to_rename(void *ctx, int from_dir, const char *from, int to_dir,
                 const char *to)
{
	(void)ctx;
	if (strncmp(from, "tmp/", 4) != 0)
		return renameat(from_dir, from, to_dir, to);
	errno = EIO;
	return -1;
}

/* What a try left in tmp may be the same file as something else by now. */
static void
a_file_left_in_tmp_is_never_written_again(void **state)
{
	struct fx_store *w = *state;
	const struct sled_sys sys = w->fx.sys;

	w->fx.sys.renameat = unable_to_rename;
	(void)must_wait(w, &maildir, NEW);
	fx_store_sh(w, "ln M/tmp/* kept && echo other > kept");
	w->fx.sys = sys;
	must_deliver(w, &maildir, NEW);
	fx_store_sh(w,
	            "test \"$(cat kept)\" = other && "
	            "test $(stat -c %%h kept) = 1 && test -z \"$(ls M/tmp)\"");
}

/* ---- mbox ---- */

/* By the mbox reader that `import` uses: count, and each one's bytes. */
struct seen {
	struct sled_buf bytes; /* of the message at hand */
	size_t count;
	unsigned times[COUNT(mails)];
};

/* A CR before a LF is the reader's own to take off. */
static void
drop_carriages(struct sled_buf *bytes)
{
	size_t to = 0;

	for (size_t i = 0; i < bytes->len; i++)
		if (bytes->data[i] != '\r')
			bytes->data[to++] = bytes->data[i];
	bytes->len = to;
}

static bool
add_bytes(void *ctx, struct sled_span bytes, struct sled_err *err)
{
	return sled_buf_add(ctx, bytes.data, bytes.len, err);
}

static bool
see(void *ctx, struct sled_mailbox_item *item, struct sled_err *err)
{
	struct seen *seen = ctx;

	seen->bytes.len = 0;
	if (!sled_mailbox_read(item, add_bytes, &seen->bytes, err))
		return false;
	seen->count++;
	drop_carriages(&seen->bytes);
	for (size_t i = 0; i < COUNT(mails); i++) {
		struct sled_buf want = unix_bytes(&mails[i]);

		/* Where the last line has no end, it got one. */
		if (want.len > 0 && want.data[want.len - 1] != '\n')
			want.data[want.len++] = '\n';
		drop_carriages(&want);
		seen->times[i] +=
		    want.len == seen->bytes.len &&
		    memcmp(want.data, seen->bytes.data, want.len) == 0;
		sled_buf_free(&want);
	}
	return true;
}

static bool
see_kind(void *ctx, enum sled_mailbox_kind kind, const char *path,
         struct sled_err *err)
{
	(void)ctx;
	(void)path;
	(void)err;
	return kind == SLED_MAILBOX_MBOX;
}

static bool
see_end(void *ctx, struct sled_err *err)
{
	(void)ctx;
	(void)err;
	return true;
}

/* ... and OTHERS more messages. */
static void
assert_mbox_has(struct fx_store *w, size_t others)
{
	struct seen seen = { .count = 0 };
	const struct sled_mailbox_visitor visitor = {
		.ctx = &seen, .begin = see_kind, .message = see, .end = see_end
	};
	const struct sled_mailbox_options options = { .mboxo = false };
	char path[FX_STORE_PATH];

	(void)snprintf(path, sizeof(path), "%s/box", w->tmp.path);
	if (!sled_mailbox_walk(sled_sys_posix(), path, &options, &visitor,
	                       &w->err))
		fail_msg("%s (%s)", w->err.text, w->err.where);
	for (size_t i = COUNT(before); i < COUNT(mails); i++)
		assert_int_equal(seen.times[i], 1);
	assert_int_equal(seen.count, NEW + others);
	sled_buf_free(&seen.bytes);
	fx_store_sh(w, "test ! -e box.lock && test ! -e box.lock.mailsled");
}

static void
an_mbox_gets_each_message_once(void **state)
{
	struct fx_store *w = *state;

	must_deliver(w, &mbox, NEW);
	assert_mbox_has(w, 0);
	must_deliver(w, &mbox, 0);
	assert_mbox_has(w, 0);
	fx_store_sh(w, "test $(stat -c %%a box) = 600 && "
	               "test $(stat -c %%X box) -lt $(stat -c %%Y box)");
}

static void
it_is_written_behind_what_is_there(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "printf 'From a Mon Nov 23 10:00:00 2026\\nA: b\\n\\nc' "
	               ">box && cp box was");
	must_deliver(w, &mbox, NEW);
	assert_mbox_has(w, 1);
	fx_store_sh(w, "head -c $(stat -c %%s was) box | cmp - was && rm was");
}

static void
what_is_no_mbox_is_not_written(void **state)
{
	struct fx_store *w = *state;
	struct given given;

	fx_store_sh(w, "echo letter >box && cp box was");
	given = must_wait(w, &mbox, NEW);
	assert_int_equal(given.why.kind, SLED_ERR_CONFIG);
	fx_store_sh(w, "cmp box was && rm box was && ln -s other box");
	given = must_wait(w, &mbox, NEW);
	assert_int_equal(given.why.kind, SLED_ERR_CONFIG);
	fx_store_sh(w, "test ! -e other && rm box && mkdir box");
	(void)must_wait(w, &mbox, NEW);
}

static void
a_lock_of_another_program_is_waited_for(void **state)
{
	struct fx_store *w = *state;
	struct asked asked = mbox;
	struct given given;

	asked.stop = true; /* it does not wait for long, then */
	fx_store_sh(w, ": >box && echo 1 >box.lock");
	given = must_wait(w, &asked, NEW);
	assert_int_equal(given.why.kind, SLED_ERR_LINK);
	fx_store_sh(w, "test ! -s box && test $(cat box.lock) = 1 && "
	               "rm box.lock");
	must_deliver(w, &mbox, NEW);
	assert_mbox_has(w, 0);
}

static void
an_fcntl_lock_of_another_program_is_waited_for(void **state)
{
	struct fx_store *w = *state;
	const struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct asked asked = mbox;
	int ready[2], done[2];
	char c;
	pid_t pid;

	asked.stop = true;
	fx_store_sh(w, ": >box");
	assert_int_equal(pipe(ready) + pipe(done), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		int fd = openat(w->tmp.dir, "box", O_RDWR);

		(void)close(done[1]);
		if (fcntl(fd, F_SETLK, &whole) == 0)
			(void)!write(ready[1], "", 1);
		(void)!read(done[0], &c, 1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)must_wait(w, &asked, NEW);
	(void)close(done[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(done[0]);
	(void)close(ready[0]);
	(void)close(ready[1]);
	must_deliver(w, &mbox, NEW);
	assert_mbox_has(w, 0);
}

static unsigned syncs_to_fail, cuts;
static bool locked;

static bool
is_box(int fd, char path[512])
{
	char link[64];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, 511);
	path[len > 0 ? len : 0] = '\0';
	return len > 4 && strcmp(path + len - 4, "/box") == 0;
}

static int
fail_to_sync(void *ctx, int fd)
{
	char path[512];

	(void)ctx;
	if (!is_box(fd, path) || syncs_to_fail == 0)
		return fdatasync(fd);
	syncs_to_fail--;
	errno = EIO;
	return -1;
}

/* As another process sees it. */
static bool
is_locked(const char *path)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		_exit(fd != -1 && fcntl(fd, F_GETLK, &whole) == 0 &&
		              whole.l_type != F_UNLCK
		          ? 0
		          : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int
cut_under_lock(void *ctx, int fd, off_t len)
{
	char path[512];

	(void)ctx;
	if (is_box(fd, path)) {
		cuts++;
		locked = locked && is_locked(path);
	}
	return ftruncate(fd, len);
}

static void
an_mbox_whose_disk_fails_is_cut_back_under_its_lock(void **state)
{
	struct fx_store *w = *state;
	const struct sled_sys sys = w->fx.sys;

	syncs_to_fail = 2; /* the message's, and that of the cut */
	cuts = 0;
	locked = true;
	w->fx.sys.fdatasync = fail_to_sync;
	w->fx.sys.ftruncate = cut_under_lock;
	(void)must_wait(w, &mbox, NEW);
	assert_int_equal(cuts, 2);
	assert_true(locked);
	w->fx.sys = sys;
	must_deliver(w, &mbox, NEW);
	assert_mbox_has(w, 0);
}

/* ---- an mbox, cut off ---- */

/* Killed before the Nth pwrite to the mbox, or in the middle of it. */
static void
cut_off(struct fx_store *w, unsigned n, bool torn)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid != -1);
	if (pid == 0) {
		if (torn)
			fx_sys_tear(&w->fx, n);
		else
			fx_sys_kill(&w->fx, FX_FDATASYNC, n);
		(void)to_mbox(w);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* The first stop that leaves half of the large message in the file. */
static void
leave_half(struct fx_store *w)
{
	for (unsigned n = 1; n < 200; n++) {
		size_t size;

		fx_store_sh(w, "rm -rf store copy1 box box.lock* && "
		               "cp -a kept/* .");
		cut_off(w, n, true);
		size = fx_store_size(w, "box");
		if (size != SIZE_MAX && size > 200000 && size < 700000)
			return;
	}
	fail_msg("no half of a message");
}

static void
half_a_message_is_cut_back(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
	leave_half(w);
	/* A power cut leaves zeros where octets did not reach the disk. */
	fx_store_sh(w, "rm -rf kept && truncate -s +300 box && "
	               "test -e box.lock");
	must_deliver(w, &mbox, 2);
	assert_mbox_has(w, 0);
}

static void
what_another_program_wrote_behind_half_a_message_stays(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
	leave_half(w);
	fx_store_sh(w,
	            "rm -rf kept && printf "
	            "'\\n\\nFrom a Mon Nov 23 10:00:00 2026\\nA: b\\n\\nc\\n' "
	            ">>box && cp box was");
	must_deliver(w, &mbox, 2);
	fx_store_sh(w, "head -c $(stat -c %%s was) box | cmp - was && rm was");
	assert_mbox_has(w, 2); /* the half, and the other's */
}

static void
stopped_at_any_call_an_mbox_gets_each_once(void **state)
{
	const struct fx_stops stops = { .name = "deliver to an mbox",
		                        .run = to_mbox,
		                        .step = 31,
		                        .only = "sha256sum box; ls;" };

	assert_true(fx_stops_run(*state, &stops) > 20);
}

static void
behind_a_failure_of_any_call_an_mbox_gets_each_once(void **state)
{
	const struct fx_stops stops = { .name = "deliver to an mbox",
		                        .run = to_mbox,
		                        .only = "sha256sum box; ls | "
		                                "grep -v lock;" };

	assert_true(fx_stops_fail(*state, &stops, faults, COUNT(faults)) > 15);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_message_comes_once_with_unix_lines),
		T(what_was_there_before_comes_when_it_is_asked_for),
		T(what_a_reader_moved_or_deleted_does_not_come_again),
		T(a_lost_ledger_brings_nothing_twice),
		T(names_tell_where_nothing_else_does),
		T(a_lost_ledger_loses_nothing_that_waits),
		T(another_folder_does_not_become_a_maildir),
		T(a_full_disk_takes_nothing_and_loses_nothing),
		T(what_the_archive_does_not_give_is_given_to_nobody),
		T(stopped_at_any_call_a_maildir_gets_each_once),
		T(behind_a_failure_of_any_call_a_maildir_gets_each_once),
		T(a_file_left_in_tmp_is_never_written_again),
		T(an_mbox_whose_disk_fails_is_cut_back_under_its_lock),
		T(an_mbox_gets_each_message_once),
		T(it_is_written_behind_what_is_there),
		T(what_is_no_mbox_is_not_written),
		T(a_lock_of_another_program_is_waited_for),
		T(an_fcntl_lock_of_another_program_is_waited_for),
		T(half_a_message_is_cut_back),
		T(what_another_program_wrote_behind_half_a_message_stays),
		T(stopped_at_any_call_an_mbox_gets_each_once),
		T(behind_a_failure_of_any_call_an_mbox_gets_each_once),
	};

	return cmocka_run_group_tests_name("deliver_files", tests, NULL, NULL);
}
