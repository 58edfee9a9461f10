/* check_store.c - the places: there, usable, on how many disks. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/check.h"
#include "mailsled/file.h"
#include "mailsled/text.h"

#define ROOM_LEAST (64u << 20) /* less than that is told */

/* One place, as the disk shows it and as the store, if any, knows it. */
struct look {
	struct sled_place place;
	struct sled_place_status status;
	bool known;        /* status is filled */
	bool first, fresh; /* fresh: no place bears a mark yet */
	bool copied;       /* some place bears one */
	bool foreign;      /* its mark is that of another store than others' */
	bool usable;
	char path[256]; /* printable */
};

struct tour {
	size_t far; /* far places that can be used */
	struct sled_check *check;
	struct look *looks;
	size_t len;
	struct sled_err store_err; /* why the store could not be opened */
};

/* ---- the folder that is there ---- */

/* PATH cut down to what exists of it, and that opened; -1 when nothing is. */
static int
open_nearest(const struct sled_sys *sys, char *path)
{
	struct sled_err err = { 0 };
	int dir = -1;

	while (!sled_dir_open(&dir, sys, AT_FDCWD, *path == '\0' ? "/" : path,
	                      &err)) {
		char *slash = strrchr(path, '/');

		if (slash == NULL)
			return -1;
		*slash = '\0';
	}
	return dir;
}

/* May mail be written at or, as yet, above PATH? Writes nothing. */
static bool
may_write(struct sled_check *check, const char *path, uint64_t *room,
          struct sled_err *err)
{
	const struct sled_sys *sys = check->cli->sys;
	char *at = strdup(path);
	int dir;
	bool ok = true;

	*room = UINT64_MAX;
	if (at == NULL)
		return sled_fail_sys(err, ENOMEM, "%s", path);
	dir = open_nearest(sys, at);
	if (dir != -1 && sys->space(sys->ctx, dir, room) == -1)
		*room = UINT64_MAX;
	if (dir == -1 || access(*at == '\0' ? "/" : at, W_OK | X_OK) == -1) {
		ok = sled_fail_at(err, SLED_HERE, SLED_ERR_PLACE, errno,
		                  "%s: no mail can be written", path);
		(void)sled_hint(err, "let this user write there, or name "
		                     "another folder in [store]");
	}
	if (dir != -1)
		(void)sys->close(sys->ctx, dir);
	free(at);
	return ok;
}

/* ---- one place ---- */

/* Why it is absent; the hint may stay NULL. */
static const char *
explain(const struct look *look, struct sled_err *err)
{
	enum sled_err_kind kind = SLED_ERR_PLACE;
	const char *why = "was emptied or moved away", *hint = NULL;

	switch (look->place.found) {
	case SLED_PLACE_MARKED:
		why =
		    look->known ? look->status.why : "belongs to another store";
		hint = "name another folder in [store]";
		break;
	case SLED_PLACE_USABLE:
		hint = "mailsled sync fills it again; on another disk than "
		       "before: mailsled sync --adopt with its path";
		break;
	case SLED_PLACE_UNMOUNTED:
		why = "its disk is not mounted";
		hint = "plug it in, or mount it";
		break;
	case SLED_PLACE_UNMARKED:
		why = "not empty, and without a mark (COPY.txt)";
		hint = look->first || look->fresh
		           ? "name a new or an empty folder"
		           : "if it is the right folder: mailsled sync "
		             "--adopt with its path";
		break;
	case SLED_PLACE_MISSING:
		why = "no such folder, and none above it";
		hint = "make the folder above it, or mount its disk";
		break;
	case SLED_PLACE_FAR:
	case SLED_PLACE_BROKEN:
	default:
		(void)sled_fail(err,
		                look->place.why.kind == SLED_ERR_DAMAGED
		                    ? SLED_ERR_DAMAGED
		                    : kind,
		                "%s", look->place.why.text);
		return look->place.why.hint;
	}
	(void)sled_fail(err, kind, "%s: %s", look->path, why);
	return hint;
}

static void
judge_absent(struct tour *tour, const struct look *look)
{
	struct sled_err err = { 0 };
	const char *hint = explain(look, &err);
	bool founding = look->fresh && look->place.found != SLED_PLACE_USABLE;

	if (look->first || founding || err.kind == SLED_ERR_DAMAGED) {
		if (founding && !look->first &&
		    look->place.found != SLED_PLACE_UNMARKED)
			hint = "plug it in, or make the store without it: "
			       "mailsled init --new";
		(void)sled_hint(&err, hint);
		sled_check_error(tour->check, &err);
	} else {
		sled_check_warn(tour->check, hint, "%s", err.text);
	}
}

static bool
is_there(const struct look *look)
{
	bool new_one = look->place.found == SLED_PLACE_USABLE &&
	               (!look->known || look->status.id[0] == '\0');

	if (look->place.found != SLED_PLACE_MARKED)
		return new_one;
	return look->known ? look->status.present : !look->foreign;
}

static void
tell_place(struct tour *tour, const struct look *look, uint64_t room)
{
	char word[SLED_CLI_WORD] = "unknown", lacks[SLED_CLI_WORD];
	const char *state = "there";

	if (room != UINT64_MAX)
		sled_cli_bytes(word, room);
	if (look->place.found == SLED_PLACE_USABLE)
		state = look->first && look->copied
		            ? "empty, made anew from a copy by the next fetch"
		        : tour->store_err.kind == SLED_ERR_PLACE
		            ? "nothing is there"
		            : "new, made by the first fetch";
	if (look->known && look->status.lacks > 0) {
		sled_cli_bytes(lacks, look->status.lacks);
		sled_check_warn(tour->check, "mailsled sync",
		                "%s: lacks %s of stored mail; %s free",
		                look->path, lacks, word);
	} else if (room < ROOM_LEAST) {
		sled_check_warn(tour->check, "make room on its disk",
		                "%s: %s, only %s free", look->path, state,
		                word);
	} else {
		sled_check_ok(tour->check, "%s: %s, %s free", look->path, state,
		              word);
	}
}

static void
print_place(struct tour *tour, const struct look *look, uint64_t room)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	if (!tour->check->cli->json)
		return;
	if (!sled_json_new(&json, &err)) {
		sled_check_error(tour->check, &err);
		return;
	}
	sled_json_text(json, "place", look->place.path);
	sled_json_bool(json, "present",
	               look->place.found == SLED_PLACE_MARKED && look->usable);
	sled_json_bool(json, "usable", look->usable);
	if (room == UINT64_MAX)
		sled_json_null(json, "free_bytes");
	else
		sled_json_u64(json, "free_bytes", room);
	sled_check_end(tour->check, &json);
}

static void
judge_place(struct tour *tour, struct look *look)
{
	uint64_t room = UINT64_MAX;
	struct sled_err err = { 0 };

	sled_check_begin(tour->check, "store");
	if (!is_there(look)) {
		judge_absent(tour, look);
	} else if (!may_write(tour->check, look->place.path, &room, &err)) {
		if (look->first)
			sled_check_error(tour->check, &err);
		else
			sled_check_warn(tour->check, err.hint, "%s", err.text);
	} else {
		look->usable = true;
		tell_place(tour, look, room);
		if (room < tour->check->room)
			tour->check->room = room;
	}
	print_place(tour, look, room);
}

/* ---- all of them ---- */

static bool
take_look(struct tour *tour, const char *path, size_t index,
          struct sled_err *err)
{
	struct look *look = &tour->looks[tour->len];
	struct sled_store *store = tour->check->cli->store;

	*look = (struct look){ .first = tour->len == 0 };
	if (!sled_place_probe(&look->place, tour->check->cli->sys, path, err))
		return false;
	tour->len++;
	sled_text_clip(look->path, sizeof(look->path),
	               (struct sled_span){ path, strlen(path) });
	look->known = store != NULL;
	return store == NULL ||
	       sled_store_place(store, index, &look->status, err);
}

/* What the marks say together; the store itself could perhaps not be opened. */
static void
compare_looks(struct tour *tour)
{
	const char *store = "";

	for (size_t i = 0; i < tour->len; i++) {
		struct look *look = &tour->looks[i];

		if (look->place.found != SLED_PLACE_MARKED)
			continue;
		if (*store == '\0')
			store = look->place.store;
		look->foreign = strcmp(store, look->place.store) != 0;
	}
	for (size_t i = 0; i < tour->len; i++) {
		tour->looks[i].fresh = *store == '\0';
		tour->looks[i].copied = *store != '\0';
	}
}

static bool
take_looks(struct tour *tour, struct sled_err *err)
{
	const struct sled_conf_store *conf = &tour->check->cli->conf->store;

	tour->looks = calloc(conf->copies_len + 1, sizeof(*tour->looks));
	if (tour->looks == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "places");
	if (!take_look(tour, conf->path, 0, err))
		return false;
	for (size_t i = 0; i < conf->copies_len; i++)
		if (!conf->copies[i].rclone &&
		    !take_look(tour, conf->copies[i].where, i + 1, err))
			return false;
	compare_looks(tour);
	return true;
}

/* ---- far ones ---- */

static void
print_far(struct tour *tour, const char *path, bool usable)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	if (!tour->check->cli->json)
		return;
	if (!sled_json_new(&json, &err)) {
		sled_check_error(tour->check, &err);
		return;
	}
	sled_json_text(json, "place", path);
	sled_json_bool(json, "far", true);
	sled_json_bool(json, "usable", usable);
	sled_check_end(tour->check, &json);
}

/* A place of another store, or one that lost its mark: *err says so. */
static bool
is_ours(const char *path, const char *store, const char *known,
        const struct sled_far_look *look, struct sled_err *err)
{
	if (look->marked && strcmp(look->store, store) != 0) {
		(void)sled_fail(err, SLED_ERR_PLACE, "%s: belongs to %s store",
		                path, *store == '\0' ? "a" : "another");
		return sled_hint(
		    err, *store == '\0' ? "mailsled rebuild brings it down"
					: "name another folder in `copies =`");
	}
	if (look->marked || (look->empty && *known == '\0'))
		return true;
	(void)sled_fail(err, SLED_ERR_PLACE, "%s: without its mark (COPY.txt)",
	                path);
	return sled_hint(err, "if it is the right folder: mailsled sync "
	                      "--adopt with its name");
}

static void
tell_far(struct tour *tour, const char *path,
         const struct sled_place_status *status, bool marked)
{
	char lacks[SLED_CLI_WORD];

	sled_cli_bytes(lacks, status->lacks);
	if (!marked)
		sled_check_ok(tour->check,
		              "%s: new, made behind the first fetch", path);
	else if (status->lacks > 0)
		sled_check_warn(tour->check, "mailsled sync",
		                "%s: lacks %s of stored mail%s%s", path, lacks,
		                status->why[0] == '\0' ? "" : ": ",
		                status->why);
	else
		sled_check_ok(tour->check, "%s: there, and whole", path);
}

/* What was found there, against what it must be. */
static bool
judge_found(struct tour *tour, const char *path, size_t index,
            const struct sled_far_look *look)
{
	struct sled_store *store = tour->check->cli->store;
	struct sled_place_status status = { .id = "", .why = "" };
	struct sled_err err = { 0 };
	bool ok =
	    store == NULL || sled_store_place(store, index, &status, &err);

	ok = ok && is_ours(path, store == NULL ? "" : sled_store_id(store),
	                   status.id, look, &err);
	if (ok)
		tell_far(tour, path, &status, look->marked);
	else
		sled_check_error(tour->check, &err);
	return ok;
}

/* A link that is down now is no fault of the configuration. */
static void
judge_far(struct tour *tour, const char *path, size_t index)
{
	struct sled_cli_far policy = { .ms = 0 };
	struct sled_far_look look;
	struct sled_err err = { 0 };
	bool usable = true;

	sled_check_begin(tour->check, "store");
	sled_cli_far_policy(tour->check->cli, NULL, &policy);
	if (policy.forbidden[0] != '\0') {
		sled_check_warn(tour->check, "mailsled sync --dear",
		                "%s: not looked at: %s", path,
		                policy.forbidden);
	} else if (sled_store_far_look(tour->check->cli->sys, path, &look,
	                               &err)) {
		usable = judge_found(tour, path, index, &look);
	} else if (err.kind == SLED_ERR_LINK) {
		sled_check_warn(tour->check, err.hint, "%s", err.text);
	} else {
		usable = false;
		sled_check_error(tour->check, &err);
	}
	tour->far += usable;
	print_far(tour, path, usable);
}

static void
judge_fars(struct tour *tour)
{
	const struct sled_conf_store *conf = &tour->check->cli->conf->store;

	for (size_t i = 0; i < conf->copies_len; i++)
		if (conf->copies[i].rclone)
			judge_far(tour, conf->copies[i].name, i + 1);
}

/* ---- what they come to together ---- */

static size_t
count_usable(const struct tour *tour, bool distinct, size_t *disks)
{
	size_t usable = 0;

	*disks = 0;
	for (size_t i = 0; i < tour->len; i++) {
		bool twin = false;

		if (!tour->looks[i].usable)
			continue;
		for (size_t j = 0; j < i; j++)
			twin = twin || (tour->looks[j].usable &&
			                tour->looks[j].place.disk ==
			                    tour->looks[i].place.disk);
		*disks += !twin;
		usable += !(distinct && twin);
	}
	return usable;
}

/* The ledger's folder: private to this machine, on a disk that carries it. */
static void
judge_state(struct tour *tour)
{
	struct sled_check *check = tour->check;
	const struct sled_conf_store *conf = &check->cli->conf->store;
	const char *path = conf->state == NULL ? conf->path : conf->state;
	const char *kind = NULL;
	struct sled_err err = { 0 };
	uint64_t room = 0;
	char *at = strdup(path);
	int dir = at == NULL ? -1 : open_nearest(check->cli->sys, at);

	if (dir != -1 && !sled_place_carries_ledger(dir, &kind)) {
		(void)sled_fail(&err, SLED_ERR_CONFIG,
		                "%s lies on %s, which cannot carry the ledger",
		                path, kind);
		(void)sled_hint(&err, "set `state =` in [store] to a folder on "
		                      "a local disk");
		sled_check_error(check, &err);
	}
	if (dir != -1)
		(void)check->cli->sys->close(check->cli->sys->ctx, dir);
	free(at);
	if (conf->state != NULL && !may_write(check, path, &room, &err))
		sled_check_error(check, &err);
}

/* Who finds a stick has the mail on it. */
static void
judge_secrecy(struct tour *tour)
{
	for (size_t i = 0; i < tour->len; i++) {
		const struct sled_place *place = &tour->looks[i].place;
		char path[256];

		if (!place->removable || place->encrypted ||
		    !tour->looks[i].usable)
			continue;
		sled_text_clip(
		    path, sizeof(path),
		    (struct sled_span){ place->path, strlen(place->path) });
		sled_check_warn(tour->check,
		                "README has the recipe: cryptsetup luksFormat",
		                "%s is on a disk that can be carried off, and "
		                "is not encrypted",
		                path);
	}
}

/* Nothing depends on it, so that it is told here and nowhere else. */
static void
judge_parity(struct tour *tour)
{
	if (!sled_cli_has_program("par2"))
		sled_check_warn(tour->check,
		                "install par2 (Debian: apt install par2)",
		                "no par2 is installed: sealed archives get no "
		                "parity, which would mend damage that all "
		                "copies have");
}

static void
judge_count(struct tour *tour, size_t usable, size_t disks)
{
	const struct sled_conf_store *conf = &tour->check->cli->conf->store;
	bool distinct = conf->distinct_devices;
	/* People were told of the first place already. */
	bool told = !tour->looks[0].usable && !tour->check->cli->json;
	struct sled_err err = { 0 };

	if (usable < conf->min_copies && told)
		return;
	if (usable < conf->min_copies) {
		(void)sled_fail(&err, SLED_ERR_PLACE,
		                "%zu usable %s, but min-copies = %u: mail "
		                "stays on the server",
		                usable,
		                distinct ? (usable == 1 ? "disk" : "disks")
		                         : (usable == 1 ? "place" : "places"),
		                conf->min_copies);
		(void)sled_hint(&err, "mend the places above, or name more of "
		                      "them in `copies =`");
		sled_check_error(tour->check, &err);
	} else if (usable > 1 && disks == 1) {
		sled_check_warn(tour->check,
		                "move a copy to another disk, such as "
		                "a USB stick",
		                "all places are on one disk: when it dies, all "
		                "copies do");
	} else if (usable > 1) {
		sled_check_ok(tour->check,
		              "mail leaves the server once %u of %zu places "
		              "hold it",
		              conf->min_copies, tour->len + tour->far);
	}
}

/* What the open of the store said; that there is none yet is no fault. */
static void
judge_store(struct tour *tour)
{
	const struct sled_err *why = &tour->store_err;

	if (why->kind == SLED_ERR_NONE ||
	    (why->kind == SLED_ERR_PLACE && !tour->looks[0].usable))
		return; /* the first place was told of already */
	if (why->kind != SLED_ERR_MISSING)
		sled_check_error(tour->check, why);
	else if (tour->looks[0].place.found == SLED_PLACE_MARKED)
		sled_check_warn(tour->check, "the next fetch makes it anew",
		                "%s", why->text);
}

static void
judge_all(struct tour *tour)
{
	struct sled_check *check = tour->check;
	const struct sled_conf_store *conf = &check->cli->conf->store;
	size_t disks = 0;
	size_t usable = count_usable(tour, conf->distinct_devices, &disks);

	usable += tour->far;
	disks += tour->far;
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	sled_check_begin(check, "store");
	judge_state(tour);
	judge_count(tour, usable, disks);
	judge_secrecy(tour);
	judge_parity(tour);
	judge_store(tour);
	if (!check->cli->json)
		return;
	if (!sled_json_new(&json, &err)) {
		sled_check_error(check, &err);
		return;
	}
	sled_json_text(json, "store",
	               check->cli->store == NULL
	                   ? NULL
	                   : sled_store_id(check->cli->store));
	sled_json_u64(json, "usable_places", usable);
	sled_json_u64(json, "min_copies", conf->min_copies);
	sled_json_bool(json, "one_disk", disks <= 1);
	sled_check_end(check, &json);
}

void
sled_check_store(struct sled_check *check)
{
	struct tour tour = { .check = check };
	struct sled_err err = { 0 };

	check->room = UINT64_MAX;
	(void)!sled_cli_store(check->cli, SLED_STORE_READ, &tour.store_err);
	if (!take_looks(&tour, &err)) {
		sled_check_begin(check, "store");
		sled_check_error(check, &err);
	} else {
		for (size_t i = 0; i < tour.len; i++)
			judge_place(&tour, &tour.looks[i]);
		judge_fars(&tour);
		judge_all(&tour);
	}
	for (size_t i = 0; tour.looks != NULL && i < tour.len; i++)
		sled_place_close(&tour.looks[i].place);
	free(tour.looks);
}
