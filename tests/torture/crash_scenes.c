/* crash_scenes.c - what happens to a store, step by step; see crash.h. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crash.h"
#include "mailsled/deliver.h"

static const struct fx_mail before[] = { { "a1", 900, 21 },
	                                 { "a2", 10, 22 },
	                                 { "a3", 2000, 23 } };
static const struct fx_mail small[] = {
	{ "u1", 100, 1 }, { "u2", 3000, 2 }, { "u3", 700, 3 }
};
static const struct fx_mail nameless[] = { { "", 100, 1 },
	                                   { "", 3000, 2 },
	                                   { "", 700, 3 } };
static const struct fx_mail large[] = { { "u1", 200, 1 },
	                                { "u2", 1300000, 2 },
	                                { "u3", 70000, 3 } };
static struct fx_mail many[40];

/* ---- the world ---- */

static void
give_rules(struct fx_disk *disk, const struct mutant *mutant)
{
	for (size_t i = 0; mutant != NULL && i < 2; i++)
		if (mutant->rule[i].trick != 0)
			fx_disk_rule(disk, mutant->rule[i]);
}

void
world_make(struct world *world, const struct scene *scene,
           const struct mutant *mutant)
{
	memset(world, 0, sizeof(*world));
	world->scene = scene;
	world->mutant = mutant;
	fx_store_make(&world->w, scene->copies);
	if (scene->min_copies > 0)
		world->w.conf.min_copies = scene->min_copies;
	fx_disk_init(&world->disk, NULL);
}

void
world_drop(struct world *world)
{
	fx_store_drop(&world->w);
}

size_t
scene_all(const struct scene *scene, struct fx_mail *out)
{
	memcpy(out, before, scene->before * sizeof(*out));
	memcpy(out + scene->before, scene->mails, scene->len * sizeof(*out));
	return scene->before + scene->len;
}

/* ---- a visit, as a session goes about it ---- */

struct drive {
	struct world *world;
	struct fx_visit v;
	const struct fx_mail *list;
	size_t index[SCENE_MAILS]; /* of the scene's mails */
	size_t len, next;
};

static void
note_whole(struct drive *drive, size_t item)
{
	fx_disk_note(&drive->world->disk, NOTE_WHOLE, drive->index[item]);
}

/* The first half of it comes, and no more. */
static bool
fetch_half(struct drive *drive, size_t item)
{
	const struct mutant *mutant = drive->world->mutant;
	struct fx_visit *v = &drive->v;
	struct sled_buf bytes = { 0 };
	bool ok;

	fx_store_bytes(&bytes, &drive->list[item]);
	ok = sled_box_begin(v->box, item, v->w->now, &v->err) &&
	     sled_box_data(v->box,
	                   (struct sled_span){ bytes.data, bytes.len / 2 },
	                   &v->err);
	sled_buf_free(&bytes);
	if (ok && mutant != NULL && mutant->take_cut)
		return sled_box_end(v->box, &v->err);
	sled_box_cancel(v->box);
	return false;
}

static bool
fetch(struct drive *drive, size_t item)
{
	if (drive->world->scene->cut_link && drive->index[item] == 1)
		return fetch_half(drive, item);
	if (!fx_visit_fetch_one(&drive->v, item))
		return false;
	note_whole(drive, item);
	return true;
}

/* Called inside a commit's first write: the network goes on meanwhile. */
static void
fetch_beside(void *ctx)
{
	struct drive *drive = ctx;

	if (drive->next < drive->len)
		(void)!fetch(drive, drive->next++);
}

static void
unlink_spools(void *ctx)
{
	struct world *world = ctx;
	struct sled_sys *sys = &world->disk.sys;
	char path[2 * FX_STORE_PATH];
	struct sled_buf names = { 0 };
	struct sled_err err = { 0 };
	int dir;

	(void)snprintf(path, sizeof(path), "%s/.mailsled/spool",
	               world->w.path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(sled_dir_list(&names, sys, dir, ".", &err));
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
		(void)sys->unlinkat(sys->ctx, dir, names.data + at, 0);
	(void)sys->fsync(sys->ctx, dir);
	(void)close(dir);
	sled_buf_free(&names);
}

static void
arm_early(struct drive *drive)
{
	struct world *world = drive->world;
	struct fx_disk *disk = &world->disk;

	disk->early_call = FX_PWRITE;
	disk->early_path = "/store/home/";
	disk->early_ctx = drive;
	disk->early = world->scene->beside ? fetch_beside : NULL;
	if (world->mutant != NULL && world->mutant->unspool_early) {
		disk->early_call = FX_FDATASYNC;
		disk->early_ctx = world;
		disk->early = unlink_spools;
	}
}

static bool
fetch_all(struct drive *drive)
{
	struct fx_visit *v = &drive->v;
	size_t n = 0;

	for (drive->next = 0; drive->next < drive->len;) {
		size_t item = drive->next++;

		if (v->listing.items[item].verdict != SLED_ITEM_NEW)
			continue;
		if (!fetch(drive, item))
			return false;
		if (++n % drive->world->scene->group == 0 &&
		    !fx_visit_commit(v, true))
			return false;
	}
	return true;
}

static uint64_t
mask_of(const struct drive *drive, bool whole_only)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < drive->len; i++)
		if (whole_only ? drive->v.whole[i]
		               : sled_box_may_delete(drive->v.box, i))
			mask |= (uint64_t)1 << drive->index[i];
	return mask;
}

/* QUIT leaves, the server deletes, and then its answer comes. */
static bool
quit(struct drive *drive)
{
	struct fx_visit *v = &drive->v;

	if (!sled_box_dele_sent(v->box, v->w->now, &v->err))
		return false;
	for (size_t i = 0; i < drive->len; i++)
		if (sled_box_may_delete(v->box, i))
			v->listing.items[i].flags |= SLED_ITEM_DELE;
	fx_disk_note(&drive->world->disk, NOTE_QUIT, mask_of(drive, false));
	return sled_box_gone(v->box, v->w->now, &v->err);
}

static void
go_through(struct drive *drive)
{
	struct world *world = drive->world;
	struct fx_visit *v = &drive->v;
	bool ok;

	arm_early(drive);
	ok = fx_visit_begin(v, &world->w, drive->list, drive->len) &&
	     fetch_all(drive);
	if (world->mutant != NULL && world->mutant->dele_early)
		fx_disk_note(&world->disk, NOTE_QUIT, mask_of(drive, true));
	if (v->box != NULL && v->listing.items != NULL)
		ok = fx_visit_commit(v, true) && ok;
	if (v->box != NULL && fx_visit_count(v) && (ok || v->fetched > 0))
		(void)!quit(drive);
	if (v->box != NULL)
		(void)!fx_visit_end(v, true);
	world->disk.early = NULL;
}

/* The scene's mails FROM to TO, as far as they are still on the server. */
static void
visit(struct world *world, size_t from, size_t to)
{
	struct drive *drive = calloc(1, sizeof(*drive));
	struct moment now = moment_at(world->log, world->log->len);
	struct fx_mail list[SCENE_MAILS];

	assert_non_null(drive);
	drive->world = world;
	drive->list = list;
	for (size_t i = from; i < to; i++)
		if ((now.gone >> i & 1) == 0) {
			list[drive->len] = world->scene->mails[i];
			drive->index[drive->len++] = i;
		}
	if (fx_store_try(&world->w, SLED_STORE_WRITE))
		go_through(drive);
	free(drive);
}

static void
visit_all(struct world *world)
{
	visit(world, 0, world->scene->len);
	fx_store_close(&world->w);
}

/* ---- before ---- */

static void
prepare_none(struct world *world)
{
	(void)world;
}

void
scene_bring(struct world *world, const struct fx_mail *mails, size_t len)
{
	struct fx_visit v;

	fx_store_open(&world->w);
	if (!fx_visit_run(&v, &world->w, mails, len, 10, true))
		fail_msg("%s", v.err.text);
	fx_store_close(&world->w);
}

void
scene_before(struct world *world)
{
	scene_bring(world, before, world->scene->before);
}

static void
seal(struct world *world)
{
	uint64_t sealed = 0;

	fx_store_open(&world->w);
	if (!sled_store_seal(world->w.store, NULL, true, &sealed,
	                     &world->w.err))
		fail_msg("%s", world->w.err.text);
	assert_int_equal(sealed, 1);
	fx_store_close(&world->w);
}

static void
prepare_sealed(struct world *world)
{
	scene_before(world);
	seal(world);
}

static void
prepare_unplugged(struct world *world)
{
	scene_before(world);
	fx_store_sh(&world->w, "mv copy1 copy1.away");
}

static void
prepare_wiped(struct world *world)
{
	scene_before(world);
	fx_store_sh(&world->w, "rm -rf copy1/*");
}

/* As from a backup of before: the ledger believes that it has more. */
static void
prepare_short(struct world *world)
{
	scene_before(world);
	fx_store_sh(&world->w, "truncate -s -200 copy1/home/*.open.tar.gz");
}

static void
prepare_lost_ledger(struct world *world)
{
	scene_before(world);
	fx_store_sh(&world->w, "rm store/.mailsled/ledger.db*");
}

/* ---- scenes ---- */

static void
run_seal(struct world *world)
{
	uint64_t sealed = 0;

	visit(world, 0, 2);
	if (world->w.store != NULL)
		(void)!sled_store_seal(world->w.store, NULL, true, &sealed,
		                       &world->w.err);
	fx_store_close(&world->w);
	visit(world, 2, 3);
	fx_store_close(&world->w);
}

static void
see_pruned(void *ctx, const struct sled_pruned *volume)
{
	(void)ctx;
	(void)volume;
}

static void
run_prune(struct world *world)
{
	const struct sled_prune_conf conf = { .before = FX_STORE_NOW +
		                                        90 * 86400 };
	struct fx_store *w = &world->w;

	if (fx_store_try(w, SLED_STORE_WRITE))
		(void)!sled_store_prune(w->store, &conf, see_pruned, NULL,
		                        &w->err);
	fx_store_close(w);
	visit_all(world);
}

static bool
sync_places(struct world *world)
{
	struct fx_store *w = &world->w;
	uint64_t octets = 0;

	return fx_store_try(w, SLED_STORE_WRITE) &&
	       sled_store_sync(w->store, NULL, &octets, &w->err);
}

static void
run_wiped(struct world *world)
{
	(void)!sync_places(world);
	fx_store_close(&world->w);
	visit_all(world);
}

static void
sync_again(struct world *world)
{
	if (!sync_places(world))
		fail_msg("the next sync: %s", world->w.err.text);
	fx_store_close(&world->w);
}

static void
run_plugged_late(struct world *world)
{
	struct sled_sys *sys = &world->disk.sys;
	struct fx_store *w = &world->w;

	visit(world, 0, world->scene->len);
	fx_store_close(w);
	/* Behind a kill it may be there already. */
	(void)sys->renameat(sys->ctx, w->tmp.dir, "copy1.away", w->tmp.dir,
	                    "copy1");
	(void)sys->syncfs(sys->ctx, w->tmp.dir);
	(void)!sync_places(world);
	fx_store_close(w);
	visit_all(world);
}

/* Whatever the disk did to the first run, another one comes behind it. */
static void
run_twice(struct world *world)
{
	visit_all(world);
	fx_disk_note(&world->disk, NOTE_START, 0);
	world->disk.rules = 0;
	give_rules(&world->disk, world->mutant);
	visit_all(world);
}

/* A sealed volume of which each place has another member damaged, so that both
 * get a new file; an open one that is damaged in one. */
static void
prepare_damaged(struct world *world)
{
	struct fx_store *w = &world->w;
	size_t first;

	scene_bring(world, &before[0], 1);
	first = fx_store_size(w, "store/home/2026-11-001.open.tar.gz");
	scene_bring(world, &before[1], 1);
	seal(world);
	scene_bring(world, &before[2], 1);
	fx_store_damage(w, "store/home/*-001.tar.gz", (unsigned)first - 100);
	fx_store_damage(w, "copy1/home/*-001.tar.gz", (unsigned)first + 100);
	fx_store_damage(w, "copy1/home/*-002.open.tar.gz", 300);
}

static void
see_volume(void *ctx, const struct sled_repaired *volume)
{
	(void)ctx;
	(void)volume;
}

bool
scene_repair(struct world *world, struct sled_err *err)
{
	const struct sled_repair_conf conf = { .dry = false };
	const struct sled_repair_reader reader = { .volume = see_volume };
	struct sled_repair_report report = { 0 };

	if (!sled_store_repair(world->w.store, &conf, &reader, &report, err))
		return false;
	return report.lost == 0 ||
	       sled_fail(err, SLED_ERR_DAMAGED, "repair lost %u messages",
	                 (unsigned)report.lost);
}

static void
run_repair(struct world *world)
{
	if (fx_store_try(&world->w, SLED_STORE_REPAIR))
		(void)!scene_repair(world, &world->w.err);
	fx_store_close(&world->w);
	visit_all(world);
}

static void
repair_again(struct world *world)
{
	struct sled_err err = { 0 };

	if (!fx_store_try(&world->w, SLED_STORE_REPAIR))
		fail_msg("the next start: %s", world->w.err.text);
	if (!scene_repair(world, &err))
		fail_msg("the next repair: %s", err.text);
	fx_store_close(&world->w);
}

bool
scene_import(struct world *world, struct sled_err *err)
{
	struct fx_store *w = &world->w;
	struct sled_import_sums sums;

	if (!fx_store_import(w, world->scene->mails, world->scene->len, &sums)) {
		*err = w->err;
		return false;
	}
	return sums.unsafe == 0 ||
	       sled_fail(err, SLED_ERR_PLACE, "%u of the import are not safe",
	                 (unsigned)sums.unsafe);
}

/* Once it has said so, all of it is safe: as if a server had had it. */
static void
run_import(struct world *world)
{
	struct sled_err err = { 0 };

	if (fx_store_try(&world->w, SLED_STORE_WRITE) &&
	    scene_import(world, &err))
		fx_disk_note(&world->disk, NOTE_QUIT,
		             ((uint64_t)1 << world->scene->len) - 1);
	fx_store_close(&world->w);
}

static void
import_again(struct world *world)
{
	struct sled_err err = { 0 };

	fx_store_open(&world->w);
	if (!scene_import(world, &err))
		fail_msg("the next import: %s", err.text);
	fx_store_close(&world->w);
}

static void
see_delivered(void *ctx, const struct sled_delivered *delivered)
{
	struct sled_err *why = ctx;

	if (delivered->waiting > 0 && why->kind == SLED_ERR_NONE)
		*why = *delivered->why;
}

/* The names are the same wherever the folder is laid. */
bool
scene_deliver(struct world *world, bool mbox, struct sled_err *err)
{
	char where[2][FX_STORE_PATH];
	struct sled_conf_target targets[] = {
		{ SLED_CONF_MAILDIR, "maildir:M", where[0], 0 },
		{ SLED_CONF_MBOX, "mbox:box", where[1], 0 },
	};
	const struct sled_conf_account account = { .name = "home",
		                                   .user = "ada",
		                                   .targets = targets,
		                                   .targets_len =
		                                       mbox ? 2 : 1 };
	struct sled_err why = { 0 };
	const struct sled_deliver_conf conf = { .store = world->w.store,
		                                .account = &account,
		                                .all = true,
		                                .now = true,
		                                .ctx = &why,
		                                .done = see_delivered };

	(void)snprintf(where[0], FX_STORE_PATH, "%s/M", world->w.tmp.path);
	(void)snprintf(where[1], FX_STORE_PATH, "%s/box", world->w.tmp.path);
	if (!sled_deliver_run(&conf, err))
		return false;
	*err = why;
	return why.kind == SLED_ERR_NONE;
}

void
scene_delivered(struct world *world, bool mbox)
{
	unsigned want = (unsigned)world->scene->before;

	fx_store_sh(&world->w,
	            "test $(cat M/new/* M/cur/* 2>/dev/null | "
	            "grep -c '^Message-ID: <2[0-9]@') = %u && "
	            "test $(ls M/new M/cur | grep -c mailsled) = %u && "
	            "test -z \"$(ls M/tmp)\"",
	            want, want);
	if (mbox)
		fx_store_sh(&world->w,
		            "test $(grep -c '^From MAILER' box) = %u && "
		            "test $(grep -ac '^Message-ID: <2[0-9]@' box) = %u",
		            want, want);
}

static void
run_deliver(struct world *world)
{
	if (fx_store_try(&world->w, SLED_STORE_WRITE))
		(void)!scene_deliver(world, false, &world->w.err);
	fx_store_close(&world->w);
}

static void
deliver_again(struct world *world)
{
	struct sled_err err = { 0 };

	fx_store_open(&world->w);
	if (!scene_deliver(world, false, &err))
		fail_msg("the next delivery: %s", err.text);
	fx_store_close(&world->w);
	fx_store_sh(&world->w, "rm -f M/tmp/*"); /* of a torn write */
	scene_delivered(world, false);
}

#define BEFORE  .before = 2, .copies = 1
#define SMALL   .mails = small, .len = 3
#define NO_RULE .rule = { .call = FX_ANY }

const struct scene crash_scenes[] = {
	{ .name = "first", .copies = 1, SMALL, .group = 1,
	  .prepare = prepare_none },
	{ .name = "next", BEFORE, SMALL, .group = 2 },
	{ .name = "three", .before = 2, .copies = 2, SMALL, .group = 3,
	  .min_copies = 2 },
	{ .name = "beside", BEFORE, SMALL, .group = 1, .beside = true },
	{ .name = "no-ids", BEFORE, .mails = nameless, .len = 3, .group = 2,
	  .no_ids = true },
	{ .name = "seal", BEFORE, SMALL, .group = 2, .run = run_seal },
	{ .name = "large", BEFORE, .mails = large, .len = 3, .group = 1,
	  .cuts = 12 },
	{ .name = "late", BEFORE, SMALL, .group = 2,
	  .prepare = prepare_unplugged, .run = run_plugged_late },
	{ .name = "prune", .before = 2, .copies = 2, .min_copies = 2, SMALL,
	  .group = 3, .prepare = prepare_sealed, .run = run_prune,
	  .pruned = true },
	{ .name = "short-copy", BEFORE, SMALL, .group = 3,
	  .prepare = prepare_short, .damaged = true },
	{ .name = "wiped", BEFORE, SMALL, .group = 3, .prepare = prepare_wiped,
	  .run = run_wiped, .again = sync_again, .damaged = true },
	{ .name = "repair", .before = 3, .copies = 1, SMALL, .group = 3,
	  .prepare = prepare_damaged, .run = run_repair,
	  .again = repair_again, .damaged = true },
	{ .name = "import", BEFORE, SMALL, .run = run_import,
	  .again = import_again, .imported = true },
	{ .name = "deliver", .before = 3, .copies = 1, SMALL, .group = 3,
	  .run = run_deliver, .again = deliver_again },
	{ .name = "rebuild", BEFORE, SMALL, .group = 3,
	  .prepare = prepare_lost_ledger },
	{ .name = "cut-link", BEFORE, SMALL, .group = 1, .cut_link = true },
	{ .name = "killed-early", BEFORE, SMALL, .group = 3, .die_at = 22 },
	{ .name = "killed", BEFORE, SMALL, .group = 3, .die_at = 32 },
	{ .name = "killed-late", BEFORE, SMALL, .group = 1, .die_at = 64 },
	{ .name = "sync-fails", BEFORE, SMALL, .group = 1, .run = run_twice,
	  .rule = { FX_FDATASYNC, "/store/home/", FX_LOSE, 1, 0 } },
	{ .name = "copy-sync-fails", BEFORE, SMALL, .group = 1,
	  .run = run_twice,
	  .rule = { FX_FDATASYNC, "/copy1/home/", FX_LOSE, 2, 0 } },
	{ .name = "spool-sync-fails", BEFORE, SMALL, .group = 1,
	  .run = run_twice,
	  .rule = { FX_FDATASYNC, "$.spool", FX_LOSE, 2, 0 } },
	{ .name = "ledger-sync-fails", BEFORE, SMALL, .group = 1,
	  .run = run_twice, .rule = { FX_FDATASYNC, "$-wal", FX_LOSE, 3, 0 } },
	{ .name = "disk-lies", BEFORE, SMALL, .group = 1, .run = run_twice,
	  .rule = { FX_PWRITE, "/store/home/", FX_FLIP, 2, 0 } },
	{ .name = "copy-lies", BEFORE, SMALL, .group = 1, .run = run_twice,
	  .rule = { FX_PWRITE, "/copy1/home/", FX_FLIP, 1, 0 } },
	{ .name = "long", BEFORE, .mails = many, .len = 40, .group = 5,
	  .cuts = 6 },
};
const size_t crash_scenes_len = sizeof(crash_scenes) / sizeof(*crash_scenes);

static void
fill_many(void)
{
	static char uids[40][8];

	for (unsigned i = 0; i < 40; i++) {
		(void)snprintf(uids[i], sizeof(uids[i]), "m%u", i + 1);
		many[i] = (struct fx_mail){ uids[i],
			                    i % 7 == 3 ? 60000 : i * 97, 100 + i };
	}
}

const struct scene *
crash_scene(const char *name)
{
	fill_many();
	for (size_t i = 0; i < crash_scenes_len; i++)
		if (strcmp(crash_scenes[i].name, name) == 0)
			return &crash_scenes[i];
	return NULL;
}

void
scene_prepare(struct world *world)
{
	if (world->scene->prepare != NULL)
		world->scene->prepare(world);
	else
		scene_before(world);
}

void
scene_run(struct world *world)
{
	const struct scene *scene = world->scene;

	fx_disk_init(&world->disk, world->log);
	world->disk.die_at = world->die_at;
	world->w.fx.sys = world->disk.sys;
	world->w.now += 600;
	if (scene->rule.trick != 0)
		fx_disk_rule(&world->disk, scene->rule);
	give_rules(&world->disk, world->mutant);
	if (scene->run != NULL)
		scene->run(world);
	else
		visit_all(world);
}
