/* crash_check.c - the next start on what a cut left; see crash.h. */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crash.h"
#include "mailsled/archive.h"
#include "mailsled/file.h"
#include "mailsled/hash.h"

/* ---- what the program had reason to believe at a cut ---- */

static bool
is_spool(const struct fx_log *log, size_t upto, uint64_t ino)
{
	for (size_t i = 0; i < upto; i++) {
		const struct fx_op *op = &log->op[i];

		if (op->kind == FX_OP_CREATE && op->ino == ino &&
		    strstr(op->name, ".spool") != NULL)
			return true;
	}
	return false;
}

struct moment
moment_at(const struct fx_log *log, size_t after)
{
	struct moment now = { 0, 0 };
	uint64_t whole = 0;

	for (size_t i = 0; i < after; i++) {
		const struct fx_op *op = &log->op[i];

		if (op->kind == FX_OP_NOTE && op->at == NOTE_WHOLE)
			whole |= (uint64_t)1 << op->len;
		else if (op->kind == FX_OP_NOTE && op->at == NOTE_QUIT)
			now.gone |= op->len;
		else if (op->kind == FX_OP_SYNC && is_spool(log, i, op->ino))
			now.known |= whole;
		else if (op->kind == FX_OP_SYNC_LOST &&
		         is_spool(log, i, op->ino))
			whole = now.known; /* it was told of the failure */
	}
	return now;
}

/* ---- a place as it lies there, without a store ---- */

struct shelf {
	const struct sled_hash *hashes;
	bool *has;
	size_t len;
	uint64_t now; /* of the member under the eye */
};

static bool
see(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct shelf *shelf = ctx;

	(void)err;
	for (size_t i = 0; i < shelf->len; i++)
		if (sled_hash_equal(&shelf->hashes[i], &receipt->sha256))
			shelf->now |= (uint64_t)1 << i;
	return true;
}

static bool
read_file(void *ctx, void *data, size_t len, uint64_t at, size_t *got,
          struct sled_err *err)
{
	return sled_file_read(ctx, data, len, at, got, err);
}

/* Each member that holds, behind one that does not too. */
static void
see_volume(struct shelf *shelf, int dir, const char *name)
{
	const struct sled_member_visitor visitor = { .ctx = shelf, .end = see };
	struct sled_err err = { 0 };
	struct sled_file file;
	struct sled_source source = { read_file, &file, 0 };
	struct sled_member_sum sum;
	uint64_t at = 0;
	unsigned seq;

	assert_true(
	    sled_file_open(&file, sled_sys_posix(), dir, name, 0, 0, &err));
	assert_true(sled_file_size(&file, &source.size, &err));
	while (at < source.size) {
		shelf->now = 0;
		if (!sled_member_check(&source, at, &visitor, &sum, &seq,
		                       &err)) {
			assert_true(
			    sled_member_behind(&source, at, &at, &err));
			continue;
		}
		for (size_t i = 0; i < shelf->len; i++)
			if ((shelf->now >> i & 1) != 0)
				shelf->has[i] = true;
		at += sum.length;
	}
	sled_file_drop(&file);
}

static void
see_place(struct shelf *shelf, const char *place)
{
	char path[2 * FX_STORE_PATH], volume[SLED_VOLUME_NAME];
	const struct sled_sys *sys = sled_sys_posix();
	struct sled_buf names = { 0 };
	struct sled_err err = { 0 };
	unsigned revision;
	bool open_one;
	int dir = -1;

	(void)snprintf(path, sizeof(path), "%s/home", place);
	if (!sled_dir_open(&dir, sys, AT_FDCWD, path, &err))
		return;
	assert_true(sled_dir_list(&names, sys, dir, ".", &err));
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
		if (sled_volume_file_parse(names.data + at, volume, &open_one,
		                           &revision))
			see_volume(shelf, dir, names.data + at);
	sled_buf_free(&names);
	(void)close(dir);
}

/* ---- what others read ---- */

static void
check_paper(const char *place, const char *name)
{
	char path[2 * FX_STORE_PATH];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", place, name);
	if (stat(path, &st) != 0 || st.st_size == 0)
		fail_msg("%s is empty, or not there", path);
}

/* A volume that has its sealed name has its sidecar, at any time. */
static void
check_sidecars(const char *place)
{
	char command[4 * FX_STORE_PATH];
	glob_t found;

	(void)snprintf(command, sizeof(command),
	               "%s/home/2*[0-9].tar.gz", place);
	if (glob(command, 0, NULL, &found) == 0) {
		(void)snprintf(command, sizeof(command),
		               "cd '%s/home' && for f in 2*[0-9].tar.gz; do "
		               "sha256sum -c --quiet $f.sha256 || exit 1; done",
		               place);
		if (system(command) != 0)
			fail_msg("%s: a sidecar does not hold", place);
	}
	globfree(&found);
}

/* What tells a stranger how to read it, and what sha256sum -c reads. */
static void
check_papers(const char *place)
{
	check_paper(place, "STORE.txt");
	check_paper(place, "COPY.txt");
	check_sidecars(place);
}

/* The law, as the cut left it: what the server has no more is in as many
 * places as it must be, and so is what earlier visits brought. */
static void
check_places(struct world *world, const struct fx_mail *all, size_t len,
             uint64_t gone)
{
	struct sled_hash hashes[SCENE_MAILS];
	unsigned count[SCENE_MAILS] = { 0 };

	for (size_t i = 0; i < len; i++)
		hashes[i] = fx_store_hash(&all[i]);
	for (size_t p = 0; p <= world->scene->copies; p++) {
		const char *place =
		    p == 0 ? world->w.path : world->w.copy[p - 1];
		bool has[SCENE_MAILS] = { false };
		struct shelf shelf = { hashes, has, len, 0 };

		see_place(&shelf, place);
		/* A volume that is pruned goes last, without its sidecar. */
		if ((p > 0 || !world->scene->pruned) && !world->scene->damaged)
			check_sidecars(place);
		for (size_t i = 0; i < len; i++)
			count[i] += has[i];
	}
	for (size_t i = 0; i < len; i++) {
		/* What damage took before is for the end to be counted. */
		bool must = i < world->scene->before
		                ? !world->scene->damaged
		                : (gone >> (i - world->scene->before) & 1) != 0;

		if (must && count[i] < world->w.conf.min_copies)
			fail_msg("%s is deleted on the server, and in %u "
			         "places only",
			         all[i].uid, count[i]);
	}
}

/* ---- the next start ---- */

static void
plug_in(struct world *world)
{
	struct fx_store *w = &world->w;
	struct stat st;

	if (fstatat(w->tmp.dir, "copy1.away", &st, 0) == 0)
		assert_int_equal(renameat(w->tmp.dir, "copy1.away", w->tmp.dir,
		                          "copy1"),
		                 0);
}

static void
check_visit(struct world *world, const struct moment *moment)
{
	const struct scene *scene = world->scene;
	struct fx_mail list[SCENE_MAILS];
	size_t index[SCENE_MAILS], len = 0;
	struct fx_visit *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	for (size_t i = 0; i < scene->len; i++)
		if (!scene->imported && (moment->gone >> i & 1) == 0) {
			list[len] = scene->mails[i];
			index[len++] = i;
		}
	if (!fx_visit_run(v, &world->w, list, len, 10, true))
		fail_msg("the next visit: %s", v->err.text);
	for (size_t i = 0; i < len; i++)
		if (!scene->no_ids && v->whole[i] &&
		    (moment->known >> index[i] & 1) != 0)
			fail_msg("%s was synced, and is fetched again",
			         list[i].uid);
	if (v->deleted != len)
		fail_msg("%zu of %zu stay on the server", len - v->deleted,
		         len);
	free(v);
}

static bool
is_gone(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	const struct scene *scene = ((const struct world *)ctx)->scene;

	(void)err;
	if (row->gone == 0 && (!scene->imported || row->number <= scene->before))
		fail_msg("%s is still taken to be on the server", row->uid);
	return true;
}

static void
check_all_gone(struct world *world)
{
	const struct sled_message_query every = { 0 };
	struct fx_store *w = &world->w;
	struct fx_visit *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	if (!fx_visit_run(v, w, NULL, 0, 10, true))
		fail_msg("the third visit: %s", v->err.text);
	assert_true(sled_ledger_messages(sled_store_ledger(w->store), &every,
	                                 is_gone, world, &w->err));
	free(v);
}

static uint64_t
key_of_file(const char *path)
{
	struct sled_sha256 *sha;
	struct sled_err err = { 0 };
	struct sled_hash hash;
	FILE *file = fopen(path, "re");
	uint64_t key;
	char data[8192];

	assert_non_null(file);
	assert_true(sled_sha256_new(&sha, &err));
	for (size_t n; (n = fread(data, 1, sizeof(data), file)) > 0;)
		sled_sha256_add(sha, data, n);
	assert_int_equal(fclose(file), 0);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	memcpy(&key, hash.b, sizeof(key));
	return key;
}

/* Of a place's volumes, whatever their order. */
static uint64_t
key_of(const char *path)
{
	char pattern[FX_STORE_PATH + 16];
	uint64_t key = 0;
	glob_t found;

	(void)snprintf(pattern, sizeof(pattern), "%s/*/*.tar.gz", path);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		key += key_of_file(found.gl_pathv[i]);
	globfree(&found);
	return key;
}

/* Where KEY is, or would be; NULL: no room. */
static atomic_uint_least64_t *
slot_of(struct readings *readings, uint64_t key)
{
	const size_t room = sizeof(readings->key) / sizeof(readings->key[0]);

	for (size_t i = 0; i < 64; i++) {
		atomic_uint_least64_t *slot = &readings->key[(key + i) % room];
		uint64_t is = atomic_load(slot);

		if (is == key || is == 0)
			return slot;
	}
	return NULL;
}

/* By GNU tar, unless it read the same octets behind another state. */
static void
check_by_tar(struct world *world, const char *path, const struct fx_mail *all,
             size_t len, struct readings *readings)
{
	uint64_t key = key_of(path);
	atomic_uint_least64_t *slot = slot_of(readings, key);

	if (slot != NULL && atomic_load(slot) == key)
		return;
	assert_place_untars(&world->w, path, all, len);
	if (slot != NULL)
		atomic_store(slot, key);
	atomic_fetch_add(&readings->made, 1);
}

static void
check_archives(struct world *world, const struct fx_mail *all, size_t len,
               struct readings *readings)
{
	for (size_t p = 0; p <= world->scene->copies; p++) {
		const char *path =
		    p == 0 ? world->w.path : world->w.copy[p - 1];

		if (p == 0 && world->scene->pruned)
			continue;
		assert_place_has(path, all, len, NULL);
		check_papers(path);
		if (readings != NULL)
			check_by_tar(world, path, all, len, readings);
	}
}

void
state_check(struct world *world, const struct moment *moment,
            struct readings *readings)
{
	struct fx_mail all[SCENE_MAILS];
	size_t len = scene_all(world->scene, all);
	struct fx_store *w = &world->w;

	fx_disk_init(&world->disk, NULL);
	if (world->mutant != NULL && world->mutant->in_check)
		for (size_t i = 0; i < 2; i++)
			if (world->mutant->rule[i].trick != 0)
				fx_disk_rule(&world->disk,
				             world->mutant->rule[i]);
	w->fx.sys = world->disk.sys;
	w->now = FX_STORE_NOW + 7200;
	plug_in(world);
	check_places(world, all, len, moment->gone);
	if (world->scene->again != NULL)
		world->scene->again(world);
	fx_store_open(w);
	check_visit(world, moment);
	assert_store_has(w, all, len);
	assert_store_verifies(w);
	fx_store_close(w);
	w->now += 3600;
	fx_store_open(w);
	check_all_gone(world);
	assert_store_has(w, all, len);
	fx_store_close(w);
	check_archives(world, all, len, readings);
}
