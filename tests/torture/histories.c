/*
 * histories.c - years of a store by lot: disks go away and come back, older, cut,
 * damaged, at each other's place; every command is killed, every disk full; and at
 * the end, when all are back, each message is in each place exactly once.
 *
 * usage: histories FIRST COUNT   the seeds FIRST to FIRST + COUNT - 1
 *        histories SEED          one, and each step of it
 * Environment: JOBS=n, KEEP=1 (the folder of one that failed stays), STEPS=n.
 *
 * A history is 2 or 3 places, each on a disk of its own, and STEPS steps, chosen by
 * a seed: what a person or a timer says (a visit, sync, repair, rebuild, seal,
 * verify, tend, prune), in a process of its own that may be killed at any call, meet
 * a fault, a full disk, or a disk that is pulled; and what befalls the disks. The
 * one rule: what befalls them leaves each message that was in some archive in one.
 * So whatever a server has no more must be there at the end, read by GNU tar; and no
 * message is in a place more often than it was fetched.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_store.h"
#include "mailsled/archive.h"
#include "mailsled/clock.h"
#include "mailsled/file.h"
#include "mailsled/hash.h"

#define MAILS      160
#define PLACES     3
#define PATIENCE_S 600 /* of a loaded machine */
#define DAY        86400
#define NOWHERE    PLACES

/* ---- chance ---- */

static uint64_t dice;

static uint64_t
roll_of(uint64_t *state, uint64_t sides)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % sides;
}

static uint64_t
roll(uint64_t sides)
{
	return roll_of(&dice, sides);
}

static bool
chance(unsigned percent)
{
	return roll(100) < percent;
}

/* ---- the world ---- */

/* Of the server and the story: what commands do to it outlives them. */
struct told {
	bool gone[MAILS];        /* from the server, for good */
	unsigned fetched[MAILS]; /* how often it came whole */
	unsigned calls;          /* of the last command that ended */
	char log[1 << 18];
	size_t log_len;
};

static struct {
	struct fx_store w;
	struct told *told;
	struct fx_mail mails[MAILS];
	char uid[MAILS][12];
	struct sled_hash hash[MAILS];
	size_t len; /* placed on the server so far */
	size_t places;
	size_t in[PLACES];   /* the disk at each place, or NOWHERE */
	bool backup[PLACES]; /* of a disk */
	bool old_ledger;
	bool loud;
	bool media;               /* places are known to be mount points */
	uint64_t noise, commands; /* where ids come from */
	char memo[FX_STORE_PATH];
} h;

static void
say(const char *fmt, ...)
{
	struct told *told = h.told;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(told->log + told->log_len,
	                sizeof(told->log) - told->log_len, fmt, ap);
	va_end(ap);
	if (h.loud)
		(void)fprintf(stderr, "%s", told->log + told->log_len);
	if (len > 0 && told->log_len + (size_t)len < sizeof(told->log) - 1)
		told->log_len += (size_t)len;
}

/* ---- what the linker's --wrap asks ---- */

struct sled_disk;
int64_t __wrap_sled_clock_now(void);
bool __wrap_sled_mounts_expected(const char *path);
bool __wrap_sled_hash_random(void *out, size_t len, struct sled_err *err);
void __real_sled_mounts_filesystem(int fd, const char *path, uint64_t *fsid,
                                   struct sled_disk *disk);
void __wrap_sled_mounts_filesystem(int fd, const char *path, uint64_t *fsid,
                                   struct sled_disk *disk);

int64_t
__wrap_sled_clock_now(void)
{
	return h.w.now;
}

bool
__wrap_sled_hash_random(void *out, size_t len, struct sled_err *err)
{
	uint8_t *bytes = out;

	(void)err;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)roll_of(&h.noise, 256);
	return true;
}

static const char *
path_of(size_t place)
{
	return place == 0 ? h.w.path : h.w.copy[place - 1];
}

/* Each disk has a file system of its own; what lies below is another. */
void
__wrap_sled_mounts_filesystem(int fd, const char *path, uint64_t *fsid,
                              struct sled_disk *disk)
{
	__real_sled_mounts_filesystem(fd, path, fsid, disk);
	*fsid = 99;
	for (size_t i = 0; i < h.places; i++)
		if (strcmp(path, path_of(i)) == 0 && h.in[i] != NOWHERE)
			*fsid = 100 + h.in[i];
}

bool
__wrap_sled_mounts_expected(const char *path)
{
	for (size_t i = 0; i < h.places; i++)
		if (strcmp(path, path_of(i)) == 0)
			return h.media && h.in[i] == NOWHERE;
	return false;
}

/* ---- which messages are where ---- */

static bool
read_file(void *ctx, void *data, size_t len, uint64_t at, size_t *got,
          struct sled_err *err)
{
	return sled_file_read(ctx, data, len, at, got, err);
}

struct sight {
	bool *has;
	bool now[MAILS]; /* of the member at hand */
};

static bool
see(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct sight *sight = ctx;

	(void)err;
	for (size_t i = 0; i < h.len; i++)
		if (sled_hash_equal(&h.hash[i], &receipt->sha256))
			sight->now[i] = true;
	return true;
}

static void
see_members(struct sight *sight, const struct sled_source *source)
{
	const struct sled_member_visitor visitor = { .ctx = sight, .end = see };
	struct sled_member_sum sum;
	uint64_t at = 0;
	unsigned seq;

	while (at < source->size) {
		struct sled_err err = { 0 };

		memset(sight->now, 0, sizeof(sight->now));
		if (sled_member_check(source, at, &visitor, &sum, &seq, &err)) {
			at += sum.length;
			for (size_t i = 0; i < h.len; i++)
				sight->has[i] |= sight->now[i];
		} else if (!sled_member_behind(source, at, &at, &err)) {
			fail_msg("%s", err.text);
		}
	}
}

static void
see_volume(struct sight *sight, int dir, const char *name)
{
	struct sled_err err = { 0 };
	struct sled_file file;
	struct sled_source source = { read_file, &file, 0 };

	assert_true(
	    sled_file_open(&file, sled_sys_posix(), dir, name, 0, 0, &err));
	assert_true(sled_file_size(&file, &source.size, &err));
	see_members(sight, &source);
	sled_file_drop(&file);
}

/* In whole members of the archives of the folder PATH. */
static void
see_place(struct sight *sight, const char *path)
{
	struct sled_buf names = { 0 };
	struct sled_err err = { 0 };
	char folder[3 * FX_STORE_PATH], volume[SLED_VOLUME_NAME];
	unsigned revision;
	bool open;
	int dir = -1;

	(void)snprintf(folder, sizeof(folder), "%s/home", path);
	if (!sled_dir_open(&dir, sled_sys_posix(), AT_FDCWD, folder, &err))
		return;
	assert_true(sled_dir_list(&names, sled_sys_posix(), dir, ".", &err));
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
		if (sled_volume_file_parse(names.data + at, volume, &open,
		                           &revision))
			see_volume(sight, dir, names.data + at);
	(void)close(dir);
	sled_buf_free(&names);
}

/* Where disk D is, mounted or in a drawer. */
static void
disk_path(size_t d, char out[2 * FX_STORE_PATH])
{
	(void)snprintf(out, 2 * FX_STORE_PATH, "%s/drawer/%zu", h.w.tmp.path,
	               d);
	for (size_t i = 0; i < h.places; i++)
		if (h.in[i] == d)
			(void)snprintf(out, 2 * FX_STORE_PATH, "%s",
			               path_of(i));
}

static void
see_disks(bool has[MAILS])
{
	struct sight sight = { .has = has };
	char path[2 * FX_STORE_PATH];

	memset(has, 0, MAILS * sizeof(*has));
	for (size_t d = 0; d < h.places; d++) {
		disk_path(d, path);
		see_place(&sight, path);
	}
}

/* ---- commands, in a process each ---- */

static void
place_mails(size_t count)
{
	for (; count > 0 && h.len < MAILS; count--) {
		size_t i = h.len++;

		(void)snprintf(h.uid[i], sizeof(h.uid[i]), "u%zu", i);
		h.mails[i] = (struct fx_mail){
			h.uid[i],
			(size_t)(roll(100) < 10 ? roll(30000) : roll(2000)),
			(unsigned)i + 1
		};
		h.hash[i] = fx_store_hash(&h.mails[i]);
	}
}

struct visit {
	struct fx_visit v;
	struct fx_mail list[MAILS];
	size_t index[MAILS], len;
};

static bool
fetch(struct visit *visit, size_t group)
{
	struct fx_visit *v = &visit->v;

	for (size_t i = 0, n = 0; i < visit->len; i++) {
		if (v->listing.items[i].verdict != SLED_ITEM_NEW)
			continue;
		if (!fx_visit_fetch_one(v, i))
			return false;
		h.told->fetched[visit->index[i]]++;
		if (++n % group == 0 && !fx_visit_commit(v, true))
			return false;
	}
	return fx_visit_commit(v, true);
}

/* [D1] What came in this visit and goes by it was read back from so many of the
 * places that are there now. */
static void
insist_on_copies(const struct visit *visit)
{
	bool has[PLACES][MAILS] = { { false } };

	for (size_t i = 0; i < h.places; i++) {
		struct sight sight = { .has = has[i] };

		see_place(&sight, path_of(i));
	}
	for (size_t i = 0; i < visit->len; i++) {
		size_t mail = visit->index[i], count = 0;

		for (size_t p = 0; p < h.places; p++)
			count += has[p][mail];
		if (visit->v.whole[i] &&
		    sled_box_may_delete(visit->v.box, i) &&
		    count < h.w.conf.min_copies)
			fail_msg("mail %zu came, is in %zu places, and may be "
			         "deleted",
			         mail, count);
	}
}

/* The server deletes at QUIT; its answer may be LOST. */
static bool delete (struct visit *visit, bool lost)
{
	struct fx_visit *v = &visit->v;

	insist_on_copies(visit);
	if (!sled_box_dele_sent(v->box, h.w.now, &v->err))
		return false;
	for (size_t i = 0; i < visit->len; i++)
		if (sled_box_may_delete(v->box, i)) {
			v->listing.items[i].flags |= SLED_ITEM_DELE;
			v->deleted++;
			h.told->gone[visit->index[i]] = true;
		}
	return lost || sled_box_gone(v->box, h.w.now, &v->err);
}

/* A visit that brings what is new, and deletes what may be. */
static bool
run_visit(bool deleting, bool lost, size_t group)
{
	struct visit *visit = calloc(1, sizeof(*visit));
	struct fx_visit *v = &visit->v;
	bool ok;

	assert_non_null(visit);
	for (size_t i = 0; i < h.len; i++)
		if (!h.told->gone[i]) {
			visit->list[visit->len] = h.mails[i];
			visit->index[visit->len++] = i;
		}
	ok = fx_visit_begin(v, &h.w, visit->list, visit->len) &&
	     fetch(visit, group) && fx_visit_count(v) &&
	     (!deleting || delete (visit, lost));
	if (!ok)
		say("  visit: %s\n", v->err.text);
	ok = fx_visit_end(v, true) && ok;
	free(visit);
	return ok;
}

static void
on_volume(void *ctx, const struct sled_repaired *volume)
{
	enum sled_outcome *worst = ctx;

	if (volume->why != NULL)
		say("  repair: %s: %s\n", volume->file, volume->why);
	if (volume->outcome > *worst)
		*worst = volume->outcome;
	if (volume->lost > 0)
		say("  repair: %s: %llu messages lost\n", volume->file,
		    (unsigned long long)volume->lost);
}

static bool
run_repair(enum sled_outcome *worst)
{
	const struct sled_repair_conf conf = { NULL, 0, false };
	const struct sled_repair_reader reader = { worst, on_volume, NULL,
		                                   NULL };
	struct sled_repair_report report;

	*worst = SLED_REPAIR_WHOLE;
	return sled_store_repair(h.w.store, &conf, &reader, &report, &h.w.err);
}

static void
on_pruned(void *ctx, const struct sled_pruned *volume)
{
	(void)ctx;
	say("  prune: %s %s\n", volume->name, volume->done ? "out" : "stays");
}

static bool
run_prune(size_t place, bool undo)
{
	const struct sled_prune_conf conf = { .place = path_of(place),
		                              .undo = undo };

	return sled_store_prune(h.w.store, &conf, on_pruned, NULL, &h.w.err);
}

static void
on_fault(void *ctx, const char *place, const char *volume, uint64_t at,
         const char *fault, uint64_t done, uint64_t total)
{
	(void)ctx;
	(void)done;
	(void)total;
	if (fault != NULL)
		say("  verify: %s %s at %llu: %s\n", place, volume,
		    (unsigned long long)at, fault);
}

static bool
run_verify(uint64_t *damaged)
{
	struct sled_verify_report report = { 0 };
	bool ok = sled_store_verify(h.w.store, true, on_fault, NULL, &report,
	                            &h.w.err);

	*damaged = report.damaged;
	return ok;
}

enum command {
	VISIT,
	SYNC,
	REPAIR,
	REBUILD,
	SEAL,
	VERIFY,
	TEND,
	PRUNE,
	COMMANDS
};

static const char *const names[] = { "visit", "sync",   "repair", "rebuild",
	                             "seal",  "verify", "tend",   "prune" };

/* One command, and how it is disturbed. */
struct order {
	enum command command;
	bool deleting, lost, now, undo; /* of a visit, a seal, a prune */
	size_t group, place;            /* of a visit; of a sync or prune */
	unsigned kill, tear, fail, pull;
	int errnum;
	size_t on; /* the place that is full or pulled; NOWHERE: none */
	uint64_t room;
};

static void
arm(const struct order *order)
{
	struct fx_sys *fx = &h.w.fx;

	if (order->kill > 0)
		fx_sys_kill(fx, FX_ANY, order->kill);
	if (order->tear > 0)
		fx_sys_tear(fx, order->tear);
	if (order->fail > 0)
		fx_sys_fail(fx, FX_ANY, order->fail, order->errnum, false);
	if (order->pull > 0)
		fx_sys_pull(fx, path_of(order->on), order->pull);
	else if (order->on != NOWHERE)
		fx_sys_limit(fx, path_of(order->on), order->room);
}

static enum sled_store_mode
mode_of(enum command command)
{
	switch (command) {
	case REPAIR:
		return SLED_STORE_REPAIR;
	case REBUILD:
		return SLED_STORE_REBUILD;
	case VERIFY:
		return SLED_STORE_READ;
	case VISIT:
	case SYNC:
	case SEAL:
	case TEND:
	case PRUNE:
	case COMMANDS:
	default:
		return SLED_STORE_WRITE;
	}
}

static bool
run_command(const struct order *order)
{
	struct fx_store *w = &h.w;
	enum sled_outcome worst;
	struct sled_tended tended;
	uint64_t n = 0;

	switch (order->command) {
	case VISIT:
		return run_visit(order->deleting, order->lost, order->group);
	case SYNC:
		return sled_store_sync(
		    w->store,
		    order->place == NOWHERE ? NULL : path_of(order->place), &n,
		    &w->err);
	case REPAIR:
		return run_repair(&worst);
	case SEAL:
		return sled_store_seal(w->store, NULL, order->now, &n, &w->err);
	case VERIFY:
		return run_verify(&n);
	case TEND:
		return sled_store_tend(w->store, 1000, &tended, &w->err);
	case PRUNE:
		return run_prune(order->place, order->undo);
	case REBUILD:
	case COMMANDS:
	default:
		return true;
	}
}

static void
obey(const struct order *order)
{
	struct fx_store *w = &h.w;
	bool ok;

	w->conf.adopt = order->command == SYNC && order->place != NOWHERE
	                    ? path_of(order->place)
	                    : NULL;
	arm(order);
	ok = fx_store_try(w, mode_of(order->command));
	if (ok)
		ok = run_command(order);
	if (h.loud && w->said.len > 0)
		(void)fprintf(stderr, "%s", w->said.data);
	if (!ok)
		say("  %s: %s (%s)\n", names[order->command], w->err.text,
		    w->err.where);
	h.told->calls = fx_sys_count(&w->fx, FX_ANY);
	fx_store_close(w);
}

static void
command(const struct order *order)
{
	int status = 0;
	pid_t pid;

	(void)fflush(NULL);
	h.noise = dice + ++h.commands * UINT64_C(0x5bf03635d1a21b0d);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)alarm(PATIENCE_S);
		obey(order);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		say("  killed\n");
	else if (status != 0)
		fail_msg("a command ended with status %x", (unsigned)status);
}

/* What of it goes wrong. */
static void
disturb(struct order *order)
{
	static const int errnums[] = { EIO, ENOSPC, EROFS, EMFILE, EDQUOT };
	unsigned calls = h.told->calls < 50 ? 50 : h.told->calls;
	unsigned nth = (unsigned)roll(calls) + 1;

	order->on = NOWHERE;
	switch (roll(12)) {
	case 0:
	case 1:
	case 2:
		order->kill = nth;
		say("  ... to be killed at call %u\n", nth);
		break;
	case 3:
		order->tear = (unsigned)roll(20) + 1;
		say("  ... torn at write %u\n", order->tear);
		break;
	case 4:
		order->fail = nth;
		order->errnum = errnums[roll(5)];
		say("  ... call %u fails: %s\n", nth, strerror(order->errnum));
		break;
	case 5:
		order->on = (size_t)roll(h.places);
		order->room = roll(9000);
		say("  ... place %zu has room for %llu\n", order->on,
		    (unsigned long long)order->room);
		break;
	case 6:
		order->on = (size_t)roll(h.places);
		order->pull = nth;
		say("  ... place %zu is pulled at call %u\n", order->on, nth);
		break;
	default:
		break;
	}
}

static void
some_command(void)
{
	static const enum command often[] = { VISIT,  VISIT,   VISIT, VISIT,
		                              VISIT,  SYNC,    SYNC,  REPAIR,
		                              REPAIR, REBUILD, SEAL,  SEAL,
		                              VERIFY, TEND,    PRUNE };
	struct order order = {
		.command = often[roll(sizeof(often) / sizeof(often[0]))]
	};

	order.deleting = chance(70);
	order.lost = chance(10);
	order.now = chance(60);
	order.group = (size_t)roll(4) + 1;
	order.place = (size_t)roll(h.places);
	/* Who vouches for what lies below a mount point gets a store of it. */
	if (order.command == SYNC &&
	    (h.in[order.place] == NOWHERE || chance(60)))
		order.place = NOWHERE;
	if (order.command == PRUNE && h.places < 3)
		order.command = SYNC;
	if (order.command == VISIT && chance(80))
		place_mails((size_t)roll(4) + 1);
	h.w.now += (int64_t)roll(4000) + 60;
	say("%s%s%s\n", names[order.command], order.deleting ? " -d" : "",
	    order.lost ? " -l" : "");
	disturb(&order);
	command(&order);
}

/* ---- what befalls the disks ---- */

static bool
there(const char *name)
{
	return faccessat(h.w.tmp.dir, name, F_OK, 0) == 0;
}

static const char *
name_of(size_t place)
{
	static const char *const slots[] = { "store", "copy1", "copy2" };

	return slots[place];
}

/* Its mount point, or what was written there meanwhile, is seen again. */
static void
unplug(size_t place)
{
	size_t d = h.in[place];

	if (d == NOWHERE || !there(name_of(place)))
		return;
	say("place %zu: disk %zu goes away\n", place, d);
	fx_store_sh(&h.w,
	            "mv %s drawer/%zu && if test -e under/%s; then mv under/%s "
	            "%s; else mkdir %s; fi",
	            name_of(place), d, name_of(place), name_of(place),
	            name_of(place), name_of(place));
	h.in[place] = NOWHERE;
}

static void
plug(size_t place, size_t d)
{
	char from[32];

	(void)snprintf(from, sizeof(from), "drawer/%zu", d);
	if (h.in[place] != NOWHERE || !there(from))
		return;
	say("place %zu: disk %zu is back\n", place, d);
	fx_store_sh(&h.w,
	            "rm -rf under/%s; if test -e %s; then mv %s under/%s; fi; "
	            "mv drawer/%zu %s",
	            name_of(place), name_of(place), name_of(place),
	            name_of(place), d, name_of(place));
	h.in[place] = d;
}

static void
plug_or_unplug(void)
{
	size_t place = (size_t)roll(h.places);

	if (h.in[place] != NOWHERE) {
		unplug(place);
		return;
	}
	/* Mostly its own. */
	plug(place, chance(80) ? place : (size_t)roll(h.places));
}

/* Two sticks, each at the other's place. */
static void
swap_disks(void)
{
	size_t a = (size_t)roll(h.places), b = (size_t)roll(h.places);
	size_t da = h.in[a], db = h.in[b];

	if (a == b || da == NOWHERE || db == NOWHERE)
		return;
	unplug(a);
	unplug(b);
	plug(a, db);
	plug(b, da);
}

static void
back_up(size_t d, const char *path)
{
	say("disk %zu: a backup is made\n", d);
	fx_store_sh(&h.w, "rm -rf backup/%zu && cp -a %s backup/%zu", d, path,
	            d);
	h.backup[d] = true;
}

/* A file of an archive, its size; false where there is none. */
static bool
some_archive(const char *path, char name[256], size_t *size)
{
	struct sled_buf files = { 0 };
	struct sled_err err = { 0 };
	char folder[3 * FX_STORE_PATH], volume[SLED_VOLUME_NAME];
	size_t count = 0, want;
	unsigned revision;
	bool open;
	int dir = -1;

	(void)snprintf(folder, sizeof(folder), "%s/home", path);
	if (!sled_dir_open(&dir, sled_sys_posix(), AT_FDCWD, folder, &err))
		return false;
	assert_true(sled_dir_list(&files, sled_sys_posix(), dir, ".", &err));
	(void)close(dir);
	want = (size_t)roll(6);
	for (size_t at = 0; at < files.len; at += strlen(files.data + at) + 1)
		if (sled_volume_file_parse(files.data + at, volume, &open,
		                           &revision) &&
		    count++ <= want)
			(void)snprintf(name, 256, "%.*s/home/%.60s", 180,
			               strstr(path, h.w.tmp.path) +
			                   strlen(h.w.tmp.path) + 1,
			               files.data + at);
	sled_buf_free(&files);
	*size = count == 0 ? 0 : fx_store_size(&h.w, name);
	return count > 0 && *size != SIZE_MAX && *size > 0;
}

static void
hurt_archive(const char *path)
{
	char name[256];
	size_t size = 0, at;

	if (!some_archive(path, name, &size))
		return;
	at = (size_t)roll(size);
	fx_store_sh(&h.w, "chmod u+w %s", name);
	switch (roll(5)) {
	case 0:
		say("%s: cut at %zu of %zu\n", name, at, size);
		fx_store_sh(&h.w, "truncate -s %zu %s", at, name);
		break;
	case 1:
		say("%s: another octet at %zu of %zu\n", name, at, size);
		fx_store_damage(&h.w, name, (unsigned)at);
		break;
	case 2:
		say("%s: zeros at %zu of %zu\n", name, at, size);
		fx_store_sh(&h.w,
		            "dd if=/dev/zero of=%s bs=1 count=%llu seek=%zu "
		            "conv=notrunc 2>/dev/null",
		            name, (unsigned long long)roll(600) + 1, at);
		break;
	case 3:
		say("%s: removed\n", name);
		fx_store_sh(&h.w, "rm %s", name);
		break;
	default:
		say("%s: garbage behind it\n", name);
		fx_store_sh(&h.w,
		            "head -c %zu %s >> %s.x && cat %s.x >> %s && "
		            "rm %s.x",
		            at + 1, name, name, name, name, name);
		break;
	}
}

static void
hurt_ledger(void)
{
	if (!there("store/.mailsled/ledger.db"))
		return;
	switch (roll(4)) {
	case 0:
		say("the ledger is lost\n");
		fx_store_sh(&h.w, "rm -f store/.mailsled/ledger.db*");
		break;
	case 1:
		say("the ledger is garbage\n");
		fx_store_sh(&h.w, "printf 'no database' | dd conv=notrunc "
		                  "of=store/.mailsled/ledger.db 2>/dev/null");
		break;
	case 2:
		say("the ledger is backed up\n");
		fx_store_sh(&h.w, "rm -rf backup/l && mkdir backup/l && "
		                  "cp -a store/.mailsled/ledger.db* backup/l/");
		h.old_ledger = true;
		break;
	default:
		if (!h.old_ledger)
			return;
		say("an older ledger is back\n");
		fx_store_sh(&h.w, "rm -f store/.mailsled/ledger.db* && "
		                  "cp -a backup/l/* store/.mailsled/");
		break;
	}
}

/* What may take messages with it. */
static void
hurt(size_t d, const char *path)
{
	switch (roll(10)) {
	case 0:
		say("disk %zu: wiped\n", d);
		fx_store_sh(&h.w, "rm -rf %s/* %s/.mailsled", path, path);
		break;
	case 1:
	case 2:
		if (!h.backup[d])
			return;
		say("disk %zu: its backup is laid over it\n", d);
		fx_store_sh(&h.w, "rm -rf %s && cp -a backup/%zu %s", path, d,
		            path);
		break;
	case 3:
		hurt_ledger();
		break;
	case 4:
		say("disk %zu: its mark is lost\n", d);
		fx_store_sh(&h.w, "rm -f %s/COPY.txt", path);
		break;
	default:
		hurt_archive(path);
		break;
	}
}

/* As it was, when a message would be nowhere else. */
static void
befall(void)
{
	char path[2 * FX_STORE_PATH];
	bool before[MAILS], after[MAILS];
	size_t d = (size_t)roll(h.places);

	disk_path(d, path);
	if (access(path, F_OK) != 0)
		return;
	if (chance(15)) {
		back_up(d, path);
		return;
	}
	see_disks(before);
	fx_store_sh(&h.w, "rm -rf undo && cp -a %s undo", path);
	hurt(d, path);
	see_disks(after);
	for (size_t i = 0; i < h.len; i++)
		if (before[i] && !after[i]) {
			say("  ... not so: mail %zu would be lost\n", i);
			fx_store_sh(&h.w, "rm -rf %s && mv undo %s", path,
			            path);
			return;
		}
}

static void
pass_time(void)
{
	static const int64_t leaps[] = { DAY,      3 * DAY,   32 * DAY,
		                         -2 * DAY, -40 * DAY, 400 * DAY };
	int64_t leap = leaps[roll(6)];

	say("the clock leaps by %lld days\n", (long long)(leap / DAY));
	h.w.now += leap;
}

static void
step(void)
{
	uint64_t what = roll(100);

	if (what < 55)
		some_command();
	else if (what < 75)
		befall();
	else if (what < 92)
		plug_or_unplug();
	else if (what < 96)
		swap_disks();
	else
		pass_time();
}

/* ---- the end ---- */

/* One round of what a person does when all disks are back. */
static void
mend_all(void)
{
	struct order order = { .on = NOWHERE, .group = 3, .deleting = true };

	for (size_t i = 0; i < h.places; i++) {
		order.command = SYNC;
		order.place = i;
		say("sync --adopt %zu\n", i);
		command(&order);
	}
	order.command = PRUNE;
	order.undo = true;
	for (order.place = 0; order.place < h.places; order.place++)
		command(&order);
	order.command = REPAIR;
	say("repair\n");
	command(&order);
	order.command = VISIT;
	say("visit\n");
	command(&order);
	h.w.now += 60;
}

/* Into ALL: each message as often as it is in the rows: as often as it was
 * fetched at most. Their number. */
static size_t
list_all(struct fx_mail all[2 * MAILS])
{
	size_t len = 0;

	for (size_t i = 0; i < h.len; i++) {
		size_t rows = fx_store_rows(&h.w, &h.mails[i]);

		if (rows == 0)
			fail_msg("mail %zu is in no row", i);
		if (rows > h.told->fetched[i])
			fail_msg("mail %zu is there %zu times, and was fetched "
			         "%u times",
			         i, rows, h.told->fetched[i]);
		for (; rows > 0; rows--) {
			assert_true(len < 2 * (size_t)MAILS);
			all[len++] = h.mails[i];
		}
	}
	return len;
}

/* By GNU tar alone: each of them, as often as it is listed. */
static void
insist_on_tar(const char *path, const struct fx_mail *all, size_t len)
{
	struct sled_buf want = { 0 };
	struct sled_err err = { 0 };
	char hex[SLED_HASH_HEX];

	for (size_t i = 0; i < len; i++) {
		struct sled_hash hash = fx_store_hash(&all[i]);

		sled_hash_hex(hex, &hash);
		assert_true(sled_buf_add(&want, hex, strlen(hex), &err) &&
		            sled_buf_add(&want, "\n", 1, &err));
	}
	fx_tmp_write(&h.w.tmp, "want", want.data, want.len);
	sled_buf_free(&want);
	fx_store_sh(&h.w,
	            "rm -rf out && mkdir out && for f in '%s'/*/*.tar.gz; do "
	            "tar xzf \"$f\" -C out --keep-old-files || exit 1; done && "
	            "find out -name '*.eml' -exec sha256sum {} + | cut -c1-64 | "
	            "sort >has && sort want | diff - has >&2",
	            path);
}

static void
check_end(void **state)
{
	struct fx_store *w = &h.w;
	enum sled_outcome worst;
	uint64_t damaged = 0;
	static struct fx_mail all[2 * MAILS];
	size_t len;

	(void)state;
	if (!fx_store_try(w, SLED_STORE_REPAIR) || !run_repair(&worst))
		fail_msg("the last repair: %s (%s)", w->err.text, w->err.where);
	if (worst != SLED_REPAIR_WHOLE)
		fail_msg("the last repair is not the last: %d", (int)worst);
	fx_store_close(w);
	fx_store_open(w);
	if (w->said.len > 0)
		say("%s", w->said.data);
	len = list_all(all);
	for (size_t i = 0; i < h.len; i++)
		if (!h.told->gone[i])
			fail_msg("mail %zu stays on the server", i);
	if (!run_verify(&damaged) || damaged > 0)
		fail_msg("verify finds damage that repair does not");
	for (size_t i = 0; i < h.places; i++)
		insist_on_tar(path_of(i), all, len);
	if (len == h.len) {
		assert_store_has(w, h.mails, h.len);
		for (size_t i = 0; i < h.places; i++)
			assert_place_has(path_of(i), h.mails, h.len, NULL);
		assert_place_untars(w, path_of(roll(h.places)), h.mails, h.len);
	} else {
		say("%zu were fetched twice, and are there twice\n",
		    len - h.len);
	}
	fx_store_close(w);
}

static void
all_is_back(void)
{
	for (size_t i = 0; i < h.places; i++)
		if (h.in[i] != i)
			unplug(i);
	for (size_t i = 0; i < h.places; i++)
		plug(i, i);
	for (unsigned n = 0; n < 3; n++)
		mend_all();
}

static void
begin(uint64_t seed)
{
	dice = seed * UINT64_C(0x2545f4914f6cdd1d);
	(void)roll(2);
	h.places = (size_t)roll(2) + 2;
	fx_store_make(&h.w, h.places - 1);
	h.w.conf.min_copies = 2;
	(void)snprintf(h.memo, sizeof(h.memo), "%.*s/places", FX_TMP_PATH,
	               h.w.tmp.path);
	h.w.conf.memo = h.memo;
	h.w.conf.rotate_month = chance(50);
	h.w.conf.rotate_bytes = chance(50) ? 20000 : UINT64_MAX;
	h.media = chance(75);
	h.len = 0;
	for (size_t i = 0; i < h.places; i++)
		h.in[i] = i;
	fx_store_sh(&h.w, "mkdir drawer under backup");
	say("seed %llu: %zu places%s\n", (unsigned long long)seed, h.places,
	    h.media ? ", mount points" : "");
}

/* How many promises do not hold at the end. */
static int
play(uint64_t seed)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(check_end) };
	const char *steps = getenv("STEPS");
	unsigned count = steps == NULL ? 40 : (unsigned)atoi(steps);

	begin(seed);
	place_mails(3);
	command(&(const struct order){
	    .command = VISIT, .on = NOWHERE, .group = 2, .deleting = true });
	for (unsigned n = 0; n < count; n++)
		step();
	say("all disks are back\n");
	all_is_back();
	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}

/* ---- many ---- */

struct child {
	pid_t pid;
	uint64_t seed;
	struct told *told;
	int words;
};

static void
start(struct child *child, uint64_t seed)
{
	int status;

	child->seed = seed;
	child->told = mmap(NULL, sizeof(*child->told), PROT_READ | PROT_WRITE,
	                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child->words = memfd_create("words", MFD_CLOEXEC);
	if (child->told == MAP_FAILED || child->words == -1)
		exit(71);
	(void)fflush(NULL);
	child->pid = fork();
	if (child->pid == -1)
		exit(71);
	if (child->pid > 0)
		return;
	if (!h.loud) {
		(void)dup2(child->words, 1);
		(void)dup2(child->words, 2);
	}
	h.told = child->told;
	status = play(seed);
	if (status == 0 || getenv("KEEP") == NULL)
		fx_store_drop(&h.w);
	(void)fflush(NULL);
	_exit(status);
}

static bool
end(struct child *child, int status)
{
	char words[4096] = "";
	bool ok = status == 0;

	if (!ok) {
		ssize_t n = pread(child->words, words, sizeof(words) - 1, 0);

		words[n < 0 ? 0 : n] = '\0';
		(void)printf("%s%s\nseed %llu: FAILED (%x)\n", child->told->log,
		             words, (unsigned long long)child->seed,
		             (unsigned)status);
		(void)fflush(stdout);
	}
	(void)munmap(child->told, sizeof(*child->told));
	(void)close(child->words);
	*child = (struct child){ 0 };
	return ok;
}

static int
play_all(uint64_t first, uint64_t count)
{
	const char *text = getenv("JOBS");
	size_t jobs = text == NULL ? 1 : (size_t)atoi(text), busy = 0;
	struct child list[16] = { { 0 } };
	uint64_t next = 0, failed = 0;

	jobs = jobs == 0 || jobs > 16 ? 1 : jobs;
	while (next < count || busy > 0) {
		int status = 0;
		pid_t pid;

		for (size_t i = 0; i < jobs && next < count; i++)
			if (list[i].pid == 0) {
				start(&list[i], first + next++);
				busy++;
			}
		pid = wait(&status);
		for (size_t i = 0; i < jobs; i++)
			if (list[i].pid == pid) {
				failed += !end(&list[i], status);
				busy--;
			}
	}
	(void)printf("histories: %llu played, %llu failed\n",
	             (unsigned long long)count, (unsigned long long)failed);
	return failed == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc < 2 || argc > 3) {
		(void)fprintf(stderr, "usage: histories FIRST [COUNT]\n");
		return 64;
	}
	h.loud = argc == 2;
	/* This clock leaps ahead of tar's. */
	(void)setenv("TAR_OPTIONS", "--warning=no-timestamp", 1);
	if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1);
	return play_all(strtoull(argv[1], NULL, 10),
	                argc == 2 ? 1 : strtoull(argv[2], NULL, 10));
}
