/*
 * seats.c - which of the configured places are there, and may be written.
 *
 * A place is marked once, when it was never used: no id of it in the ledger or
 * in any reachable COPY.txt, nothing in it, and no disk missing above it. A
 * place that should be there and bears no mark is absent and never written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/store.h"

static void
explain(struct sled_seat *seat, const char *fmt, const char *arg)
{
	(void)snprintf(seat->why, sizeof(seat->why), "%s%s", fmt, arg);
}

/* Why a place that bears no mark of ours is not there. */
static void
explain_absence(struct sled_seat *seat)
{
	switch (seat->place.found) {
	case SLED_PLACE_FAR:
		break; /* far.c explains */
	case SLED_PLACE_MARKED:
		explain(seat, "belongs to another store", "");
		break;
	case SLED_PLACE_USABLE:
	case SLED_PLACE_UNMARKED:
		explain(seat,
		        "has no mark (COPY.txt); if it is the right "
		        "folder: mailsled sync --adopt ",
		        seat->place.path);
		break;
	case SLED_PLACE_UNMOUNTED:
		explain(seat, "its disk is not mounted", "");
		break;
	case SLED_PLACE_MISSING:
		explain(seat, "no such folder, and none above it", "");
		break;
	case SLED_PLACE_BROKEN:
	default:
		explain(seat, seat->place.why.text, "");
		break;
	}
}

/* A place that does not answer is not asked for its real path either. */
static bool
overlaps(const struct sled_seat *a, const struct sled_seat *b)
{
	return a->place.found != SLED_PLACE_BROKEN &&
	       b->place.found != SLED_PLACE_BROKEN && a->far == b->far &&
	       sled_place_overlap(&a->place, &b->place);
}

/* No network is touched for it: what was learned last time is in the ledger. */
static bool
probe_far(struct sled_store *store, struct sled_seat *seat, const char *path,
          struct sled_err *err)
{
	seat->far = true;
	seat->place = (struct sled_place){ .sys = store->sys,
		                           .path = strdup(path),
		                           .found = SLED_PLACE_FAR,
		                           .dir = -1 };
	return seat->place.path != NULL ||
	       sled_fail_sys(err, ENOMEM, "place %s", path);
}

static bool
probe_all(struct sled_store *store, struct sled_err *err)
{
	uint64_t wait_ms =
	    store->mode == SLED_STORE_READ ? SLED_GLANCE_MS : SLED_SILENT_MS;

	for (size_t i = 0; i < store->conf.copies_len + 1; i++) {
		const char *path =
		    i == 0 ? store->conf.path : store->conf.copies[i - 1];
		if (sled_far_is(path)
		        ? !probe_far(store, &store->seats[i], path, err)
		        : !sled_probe_patiently(&store->seats[i].place,
		                                store->sys, path, wait_ms, err))
			return false;
		store->len = i + 1;
		for (size_t j = 0; j < i; j++)
			if (overlaps(&store->seats[i], &store->seats[j]))
				return sled_fail(
				    err, SLED_ERR_CONFIG,
				    "%s and %s are one folder, or one inside "
				    "the other: they would be one copy",
				    store->seats[j].place.path, path);
	}
	return true;
}

bool
sled_seats_probe(struct sled_store *store, struct sled_err *err)
{
	store->seats =
	    calloc(store->conf.copies_len + 1, sizeof(*store->seats));
	if (store->seats == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "places");
	return sled_memo_load(store, err) && probe_all(store, err);
}

/* What was seen before the lock was ours may have been changed by its holder.
 */
static bool
probe_again(struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++)
		sled_place_close(&store->seats[i].place);
	store->len = 0;
	store->id[0] = '\0';
	return probe_all(store, err);
}

/* ---- lines of places ---- */

bool
sled_place_line(struct sled_buf *out, const char *head, const char *path,
                struct sled_err *err)
{
	return sled_buf_printf(out, err, "%s ", head) &&
	       sled_text_percent(out, (struct sled_span){ path, strlen(path) },
	                         err) &&
	       sled_buf_add(out, "\n", 1, err);
}

const char *
sled_place_line_of(const struct sled_buf *lines, size_t head, const char *path,
                   const char *behind)
{
	const struct sled_span span = { path, strlen(path) };
	const char *line = lines->data, *end = line + lines->len;
	struct sled_buf escaped = { 0 };
	struct sled_err err = { 0 };
	const char *found = NULL;

	if (lines->len == 0 || !sled_text_percent(&escaped, span, &err))
		return NULL;
	if (behind != NULL)
		line = behind + strcspn(behind, "\n") + 1;
	for (size_t len; found == NULL && line < end; line += len + 1) {
		len = strcspn(line, "\n");
		if (len == head + escaped.len &&
		    memcmp(line + head, escaped.data, escaped.len) == 0)
			found = line;
	}
	sled_buf_free(&escaped);
	return found;
}

/* Does a COPY.txt know a place of this path? */
static bool
is_told(const struct sled_buf *knows, const char *path, char *id)
{
	const char *line = sled_place_line_of(knows, SLED_PLACE_ID, path, NULL);

	if (line != NULL)
		(void)snprintf(id, SLED_PLACE_ID, "%.32s", line);
	return line != NULL;
}

/* ---- a place that lost its mark, and is vouched for ---- */

static bool
is_vouched(const struct sled_store *store, const struct sled_seat *seat)
{
	return store->conf.adopt != NULL && store->mode != SLED_STORE_READ &&
	       seat->place.found == SLED_PLACE_UNMARKED &&
	       strcmp(store->conf.adopt, seat->place.path) == 0;
}

/* Its STORE.txt must not name another store than the others' marks; where there
 * is none of those, it is the one that tells. */
static bool
identify_vouched(struct sled_store *store, const struct sled_seat *seat,
                 struct sled_err *err)
{
	char id[SLED_PLACE_ID];

	if (!sled_place_was_of(&seat->place, id, err))
		return false;
	if (store->id[0] == '\0')
		memcpy(store->id, id, sizeof(store->id));
	if (store->id[0] == '\0') {
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "%s has neither COPY.txt nor STORE.txt: "
		                "nothing tells whose it is",
		                seat->place.path);
		return sled_hint(err, "plug in another place of its store");
	}
	return id[0] == '\0' || strcmp(id, store->id) == 0 ||
	       sled_fail(err, SLED_ERR_PLACE,
	                 "%s belongs to another store (%.12s, this one is "
	                 "%.12s); nothing was changed",
	                 seat->place.path, id, store->id);
}

static bool
identify_all_vouched(struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++)
		if (is_vouched(store, &store->seats[i]) &&
		    !identify_vouched(store, &store->seats[i], err))
			return false;
	return true;
}

static bool
mark_vouched(struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++)
		if (is_vouched(store, &store->seats[i]) &&
		    !sled_place_mark(&store->seats[i].place, store->id, err))
			return false;
	return true;
}

/* ---- may a store be made here? ---- */

/* Is the disk of one of these places away, with a store on it? */
static bool
is_away(struct sled_store *store, struct sled_err *err)
{
	char id[SLED_PLACE_ID];

	if (store->memo_why.kind != SLED_ERR_NONE) {
		*err = store->memo_why;
		(void)sled_note(err,
		                "%s tells whether there is a store "
		                "already; nothing was created",
		                store->conf.memo);
		(void)sled_hint(err, "let this user read it");
		return true;
	}
	for (size_t i = 0; i < store->len; i++) {
		const struct sled_place *place = &store->seats[i].place;

		if (!sled_memo_misses(store, place, id))
			continue;
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "%s was a place of a store, on a file system "
		                "that is away; nothing was created",
		                place->path);
		(void)sled_hint(err, "plug it in, or another place of that "
		                     "store; a new and empty store all the "
		                     "same: mailsled init --new");
		return true;
	}
	return false;
}

/* May a store be founded here? Creates nothing. */
static bool
may_found(struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++) {
		struct sled_seat *seat = &store->seats[i];

		if (seat->place.found == SLED_PLACE_USABLE)
			continue;
		if (seat->far && !sled_far_sight(store, seat, err))
			return false;
		if (seat->far)
			continue;
		explain_absence(seat);
		if (i > 0 && store->conf.found_new)
			continue;
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "%s: %s; nothing was created", seat->place.path,
		                seat->why);
		return sled_hint(err, i == 0
		                          ? "mount or make the folder that "
		                            "`path =` in [store] names"
		                          : "plug it in, or make the store "
		                            "without it: mailsled init --new");
	}
	return store->id[0] != '\0' || store->conf.found_new ||
	       !is_away(store, err);
}

/* The first place has no mark: may it get one? Creates nothing. */
static bool
may_be_made(struct sled_store *store, struct sled_err *err)
{
	struct sled_seat *seat = &store->seats[0];

	if (store->mode == SLED_STORE_READ) {
		if (store->id[0] == '\0' && is_away(store, err))
			return false;
		(void)sled_fail(err, SLED_ERR_MISSING, "no store at %s yet",
		                seat->place.path);
		return sled_hint(err, "run `mailsled fetch`");
	}
	if (store->id[0] == '\0' && !may_found(store, err))
		return false;
	if (seat->place.found == SLED_PLACE_USABLE || is_vouched(store, seat))
		return true;
	explain_absence(seat);
	(void)sled_fail(err, SLED_ERR_PLACE, "%s: %s", seat->place.path,
	                seat->why);
	return sled_hint(err, seat->place.found == SLED_PLACE_UNMARKED
	                          ? "if it lies on a disk that is away, mount "
	                            "that first"
	                          : "mount it, or empty the folder; the store "
	                            "is then made anew from a copy");
}

/* The store's id: the first place's, else what a reachable copy says. */
bool
sled_seats_identify(struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++) {
		const struct sled_place *place = &store->seats[i].place;

		if (place->found != SLED_PLACE_MARKED)
			continue;
		if (store->id[0] == '\0')
			memcpy(store->id, place->store, sizeof(store->id));
		else if (i > 0 && strcmp(store->id, place->store) != 0 &&
		         store->seats[0].place.found != SLED_PLACE_MARKED)
			return sled_fail(err, SLED_ERR_CONFIG,
			                 "the copies belong to different "
			                 "stores (%s)",
			                 place->path);
	}
	if (store->seats[0].place.found == SLED_PLACE_MARKED)
		return true;
	if (!identify_all_vouched(store, err) || !may_be_made(store, err))
		return false;
	/* The lock may lie in it. */
	return store->conf.state != NULL ||
	       sled_dir_make_path(store->sys, store->conf.path, 0755, err);
}

/* Is there a ledger, though no place says that there is a store? */
static bool
was_founded(struct sled_store *store, bool *was, struct sled_err *err)
{
	struct sled_buf path = { 0 }, id = { 0 };
	struct sled_ledger *ledger = NULL;
	struct sled_err why = { 0 };

	*was = false;
	if (!sled_buf_printf(&path, err, "%s/ledger.db", store->state))
		return false;
	if (sled_ledger_open(&ledger, store->sys, path.data, SLED_LEDGER_READ,
	                     &why)) {
		if (!sled_ledger_get(ledger, "store", &id, was, &why))
			*was = true;
		sled_ledger_close(&ledger);
	} else {
		*was = why.kind != SLED_ERR_MISSING;
	}
	sled_buf_free(&path);
	sled_buf_free(&id);
	return true;
}

static bool
new_id(struct sled_store *store, struct sled_err *err)
{
	uint8_t id[16];
	bool was = false;

	if (!was_founded(store, &was, err))
		return false;
	if (was && !store->conf.found_new) {
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "%s has no mark (COPY.txt), but %s knows a "
		                "store there; nothing was created",
		                store->conf.path, store->state);
		return sled_hint(err, "mount the disk that `path =` in [store] "
		                      "names, or make a new store: mailsled "
		                      "init --new");
	}
	if (!sled_hash_random(id, sizeof(id), err))
		return false;
	sled_text_hex(store->id, id, sizeof(id));
	return true;
}

/* Under the lock: look again, and give the first place its mark. */
bool
sled_seats_found(struct sled_store *store, struct sled_err *err)
{
	struct sled_place *first = &store->seats[0].place;

	if (!probe_again(store, err) || !sled_seats_identify(store, err) ||
	    !mark_vouched(store, err))
		return false;
	if (first->found == SLED_PLACE_MARKED)
		return true;
	if (store->id[0] != '\0')
		sled_store_say(store, "%s is empty: made anew from a copy",
		               first->path);
	else if (!new_id(store, err))
		return false;
	return (!store->sighted || sled_far_bring_note(store, err)) &&
	       sled_place_mark(first, store->id, err);
}

/* ---- what was known of a place before ---- */

struct known {
	struct sled_store *store;
	struct sled_seat *seat;
	bool used;
};

static bool
bears_our_mark(const struct sled_store *store, const struct sled_seat *seat)
{
	return seat->place.found == SLED_PLACE_MARKED &&
	       strcmp(seat->place.store, store->id) == 0;
}

static bool
match_row(void *ctx, const struct sled_place_row *row, struct sled_err *err)
{
	struct known *known = ctx;
	struct sled_seat *seat = known->seat;
	bool ours = bears_our_mark(known->store, seat);
	bool same = ours ? strcmp(row->id, seat->place.id) == 0
	                 : strcmp(row->path, seat->place.path) == 0;

	(void)err;
	if (!same || row->seen < seat->seen)
		return true;
	known->used = true;
	memcpy(seat->id, row->id, sizeof(seat->id));
	seat->seen = row->seen;
	seat->suspect = row->suspect;
	seat->wiped = !ours && seat->place.found != SLED_PLACE_BROKEN &&
	              row->fsid != 0 && row->fsid == seat->place.fsid;
	return true;
}

static bool
was_used(struct sled_store *store, struct sled_seat *seat, bool *used,
         struct sled_err *err)
{
	struct known known = { store, seat, false };

	if (!sled_ledger_places(store->ledger, match_row, &known, err))
		return false;
	for (size_t i = 0; !known.used && i < store->len; i++)
		known.used = seat->told = is_told(&store->seats[i].place.knows,
		                                  seat->place.path, seat->id);
	if (!known.used)
		known.used = seat->told =
		    sled_memo_misses(store, &seat->place, seat->id);
	*used = known.used;
	return true;
}

static bool
is_twin(const struct sled_store *store, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (store->seats[i].present &&
		    strcmp(store->seats[i].place.id,
		           store->seats[index].place.id) == 0)
			return true;
	return false;
}

/* Is the place that was here at another path now? */
static bool
is_elsewhere(const struct sled_store *store, size_t index)
{
	for (size_t i = 0; i < store->len; i++)
		if (i != index && bears_our_mark(store, &store->seats[i]) &&
		    strcmp(store->seats[i].place.id, store->seats[index].id) ==
		        0)
			return true;
	return false;
}

static bool
settle(struct sled_store *store, size_t index, struct sled_err *err)
{
	struct sled_seat *seat = &store->seats[index];
	struct sled_err why = { 0 };
	bool used = false;

	if (!was_used(store, seat, &used, err))
		return false;
	if (seat->far)
		return sled_far_recall(store, seat, err);
	seat->present = bears_our_mark(store, seat) && !is_twin(store, index);
	if (seat->present) {
		memcpy(seat->id, seat->place.id, sizeof(seat->id));
		return true;
	}
	if (seat->place.found == SLED_PLACE_USABLE && !used &&
	    store->mode != SLED_STORE_READ) {
		seat->present = sled_place_mark(&seat->place, store->id, &why);
		if (seat->present)
			memcpy(seat->id, seat->place.id, sizeof(seat->id));
		else
			explain(seat, why.text, "");
		return true;
	}
	if (seat->place.found == SLED_PLACE_MARKED && is_twin(store, index)) {
		seat->id[0] = '\0'; /* or it would count as absent */
		explain(seat, "is another way to a place already counted", "");
		return true;
	}
	if (is_elsewhere(store, index)) { /* the same */
		seat->id[0] = '\0';
		seat->told = false;
	}
	explain_absence(seat);
	return true;
}

bool
sled_seats_settle(struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++)
		if (!settle(store, i, err))
			return false;
	if (store->seats[0].present)
		return true;
	return sled_fail(err, SLED_ERR_PLACE, "%s: %s", store->conf.path,
	                 store->seats[0].why);
}

/* ---- what is remembered of the places ---- */

static bool
note_seat(struct sled_store *store, struct sled_seat *seat, int64_t now,
          struct sled_err *err)
{
	struct sled_place_row row = { .seen = seat->seen,
		                      .fsid = seat->place.fsid };

	/* What only a COPY.txt tells goes into the new ledger, or the next
	 * COPY.txt would not know it any more. */
	if (!seat->present && !seat->wiped && !seat->told)
		return true;
	if (seat->present) {
		row.seen = seat->seen = now;
		seat->suspect = false;
	} else if (seat->told) {
		row.fsid = 0; /* of what lies there now, which may be another */
	} else {
		row.suspect = seat->suspect = true;
	}
	(void)snprintf(row.id, sizeof(row.id), "%s", seat->id);
	(void)snprintf(row.path, sizeof(row.path), "%s", seat->place.path);
	return sled_ledger_place_put(store->ledger, &row, err);
}

struct telling {
	const char *self;
	struct sled_buf lines;
};

static bool
tell_row(void *ctx, const struct sled_place_row *row, struct sled_err *err)
{
	struct telling *telling = ctx;

	if (strcmp(row->id, telling->self) == 0)
		return true;
	return sled_place_line(&telling->lines, row->id, row->path, err);
}

bool
sled_seats_telling(struct sled_store *store, const char *self,
                   struct sled_buf *out, struct sled_err *err)
{
	struct telling telling = { self, { 0 } };
	bool ok = sled_ledger_places(store->ledger, tell_row, &telling, err);

	*out = telling.lines;
	return ok;
}

static bool
tell_seat(struct sled_store *store, struct sled_seat *seat,
          struct sled_err *err)
{
	struct sled_buf lines = { 0 };
	struct sled_err why = { 0 };
	bool ok = sled_seats_telling(store, seat->id, &lines, err);

	if (ok && !sled_place_tell(&seat->place, sled_buf_span(&lines), &why))
		sled_seat_out(seat, &why);
	sled_buf_free(&lines);
	return ok;
}

bool
sled_seats_remember(struct sled_store *store, struct sled_err *err)
{
	int64_t now = sled_clock_now();

	for (size_t i = 0; i < store->len; i++)
		if (!note_seat(store, &store->seats[i], now, err))
			return false;
	for (size_t i = 0; i < store->len; i++)
		if (store->seats[i].present &&
		    !tell_seat(store, &store->seats[i], err))
			return false;
	return sled_memo_keep(store, err);
}

/* ---- small questions ---- */

bool
sled_seat_usable(const struct sled_seat *seat)
{
	return seat->present && !seat->place.out && !seat->left;
}

static void
tell(struct sled_seat *seat, const struct sled_err *why)
{
	if (atomic_exchange(&seat->telling, true))
		return;
	explain(seat, why->text, "");
	atomic_store(&seat->told_why, true);
}

void
sled_seat_out(struct sled_seat *seat, const struct sled_err *why)
{
	sled_place_give_up(&seat->place, why);
	tell(seat, why);
}

void
sled_seat_leave(struct sled_seat *seat, const struct sled_err *why)
{
	tell(seat, why);
	seat->left = true;
}

const char *
sled_seat_why(const struct sled_seat *seat)
{
	if (!seat->present || atomic_load(&seat->told_why))
		return seat->why;
	return sled_seat_usable(seat) ? "" : "a write failed";
}

unsigned
sled_seats_count(const struct sled_store *store, const bool *held)
{
	unsigned count = 0;

	for (size_t i = 0; i < store->len; i++) {
		bool twin = false;

		for (size_t j = 0; store->conf.distinct_devices && j < i; j++)
			twin = twin ||
			       (held[i] && held[j] && store->seats[i].present &&
			        store->seats[j].present &&
			        store->seats[i].place.disk ==
			            store->seats[j].place.disk);
		count += held[i] && !twin;
	}
	return count;
}

void
sled_seats_close(struct sled_store *store)
{
	bool left = false;

	for (size_t i = 0; i < store->len; i++) {
		left = left || store->seats[i].left;
		if (store->seats[i].left)
			continue;
		sled_worker_free(&store->seats[i].worker);
		sled_place_close(&store->seats[i].place);
	}
	if (!left) /* else a job that hangs still looks at its seat */
		free(store->seats);
}

size_t
sled_store_places(const struct sled_store *store)
{
	return store->len;
}

static bool
is_off(const struct sled_seat *seat, uint64_t disk)
{
	if (seat->far)
		return seat->id[0] != '\0' && !seat->suspect;
	return seat->present && seat->place.disk != disk;
}

bool
sled_store_one_disk(const struct sled_store *store)
{
	for (size_t i = 1; i < store->len; i++)
		if (is_off(&store->seats[i], store->seats[0].place.disk))
			return false;
	return true;
}

struct lack {
	uint64_t octets;
};

static bool
add_length(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	(void)err;
	((struct lack *)ctx)->octets += row->length;
	return true;
}

struct lack_scan {
	struct sled_store *store;
	const char *id;
	struct lack lack;
};

static bool
add_lack(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct lack_scan *scan = ctx;
	bool pruned = false;

	if (!sled_ledger_pruned(scan->store->ledger, row->id, scan->id, &pruned,
	                        err))
		return false;
	return pruned ||
	       sled_ledger_lacking(scan->store->ledger, row->id, scan->id,
	                           add_length, &scan->lack, err);
}

static bool
count_fault(void *ctx, const struct sled_fault_row *row, struct sled_err *err)
{
	(void)row;
	(void)err;
	++*(uint64_t *)ctx;
	return true;
}

bool
sled_store_place(struct sled_store *store, size_t index,
                 struct sled_place_status *out, struct sled_err *err)
{
	struct sled_seat *seat = &store->seats[index];
	struct lack_scan scan = { store, seat->id, { 0 } };

	*out = (struct sled_place_status){ .path = seat->place.path,
		                           .far = seat->far,
		                           .fails = seat->fails,
		                           .id = seat->id,
		                           .present = seat->present,
		                           .first = index == 0,
		                           .disk = seat->place.disk,
		                           .seen = seat->seen,
		                           .why = sled_seat_why(seat) };
	if (seat->present)
		(void)store->sys->space(store->sys->ctx, seat->place.dir,
		                        &out->free_bytes);
	if (!sled_ledger_volumes(store->ledger, NULL, add_lack, &scan, err) ||
	    !sled_ledger_oldest(store->ledger, seat->id, &out->oldest, err) ||
	    !sled_ledger_faults(store->ledger, seat->id, count_fault,
	                        &out->damaged, err))
		return false;
	out->lacks = scan.lack.octets;
	out->late = out->lacks > 0 && !out->present && out->seen != 0 &&
	            sled_clock_now() - out->seen >= SLED_LATE_S;
	return true;
}

/* ---- a volume on a seat ---- */

static struct sled_volume_id
id_of(const struct sled_volume_row *volume)
{
	return (struct sled_volume_id){ volume->label, volume->name,
		                        volume->revision };
}

bool
sled_seat_volume(struct sled_seat *seat, const struct sled_volume_row *volume,
                 struct sled_volume_found *out, struct sled_err *err)
{
	const struct sled_volume_id id = id_of(volume);

	return sled_place_volume(&seat->place, &id, out, err);
}

bool
sled_seat_read(struct sled_reading *out, struct sled_seat *seat,
               const struct sled_volume_row *volume, bool fresh,
               struct sled_err *err)
{
	const struct sled_volume_id id = id_of(volume);

	return sled_reading_volume(out, &seat->place, &id, fresh, err);
}

/* A sealed file was synced before it got its name. */
bool
sled_seat_sync(struct sled_seat *seat, const struct sled_volume_row *volume,
               struct sled_err *err)
{
	struct sled_volume_found found;

	return sled_seat_volume(seat, volume, &found, err) &&
	       ((found.there && found.sealed) ||
	        sled_place_sync(&seat->place, volume->label, found.file, err));
}

bool
sled_seat_seal(struct sled_seat *seat, const struct sled_volume_row *volume,
               struct sled_err *err)
{
	const struct sled_seal seal = { id_of(volume), volume->end,
		                        volume->sha256 };

	return sled_place_seal(&seat->place, &seal, err);
}
