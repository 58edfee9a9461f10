/* store.c - opening and closing; see mailsled/store.h. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"

void
sled_store_say(const struct sled_store *store, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	if (store->conf.say == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	store->conf.say(store->conf.say_ctx, text);
}

struct sled_place *
sled_store_first(struct sled_store *store)
{
	return &store->seats[0].place;
}

struct sled_ledger *
sled_store_ledger(struct sled_store *store)
{
	return store->ledger;
}

uint64_t
sled_store_lost(const struct sled_store *store)
{
	return store->lost;
}

const char *
sled_store_id(const struct sled_store *store)
{
	return store->id;
}

int
sled_store_state(const struct sled_store *store, const struct sled_sys **sys)
{
	*sys = store->sys;
	return store->state_dir;
}

const char *
sled_store_state_path(const struct sled_store *store)
{
	return store->state;
}

static bool
set_state_path(struct sled_store *store, struct sled_err *err)
{
	struct sled_buf path = { 0 };
	bool ok =
	    store->conf.state != NULL
		? sled_buf_addstr(&path, store->conf.state, err)
		: sled_buf_printf(&path, err, "%s/.mailsled", store->conf.path);

	store->state = path.data;
	return ok;
}

/* The folder of ledger, spool and lock: private, on a disk that carries it. */
static bool
open_state(struct sled_store *store, struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	const char *kind = NULL;

	if (store->mode != SLED_STORE_READ &&
	    !sled_dir_make_path(sys, store->state, 0700, err))
		return false;
	if (!sled_dir_open(&store->state_dir, sys, AT_FDCWD, store->state, err))
		return err->kind == SLED_ERR_MISSING &&
		       sled_hint(err, "run `mailsled rebuild`");
	if (!sled_place_carries_ledger(store->state_dir, &kind)) {
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "%s lies on %s, which cannot carry the ledger",
		                store->state, kind);
		return sled_hint(err, "set `state =` in [store] to a folder on "
		                      "a local disk");
	}
	if (store->mode == SLED_STORE_READ)
		return true;
	return sled_dir_make(sys, store->state_dir, "spool", 0700, err) &&
	       sled_dir_open(&store->spool_dir, sys, store->state_dir, "spool",
	                     err);
}

static const char *const ledger_parts[] = { "ledger.db", "ledger.db-wal",
	                                    "ledger.db-shm" };

#define LEDGER_PARTS (sizeof(ledger_parts) / sizeof(ledger_parts[0]))

/* Is there something in quarantine that was set aside WHEN? */
static bool
is_taken(const struct sled_store *store, const char *when)
{
	const struct sled_sys *sys = store->sys;
	struct stat st = { 0 };
	char name[128];

	for (size_t i = 0; i < LEDGER_PARTS; i++) {
		(void)snprintf(name, sizeof(name), "quarantine/%s-%s", when,
		               ledger_parts[i]);
		if (sys->fstatat(sys->ctx, store->state_dir, name, &st, 0) == 0)
			return true;
	}
	return false;
}

/* Out of the way, not away: someone may want to look at it. */
static bool
set_aside(struct sled_store *store, struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	char now[SLED_TIME_TEXT], when[SLED_TIME_TEXT + 16], name[128];

	if (!sled_dir_make(sys, store->state_dir, "quarantine", 0700, err))
		return false;
	sled_clock_compact(sled_clock_now(), now);
	(void)snprintf(when, sizeof(when), "%s", now);
	for (unsigned n = 1; n < 1000 && is_taken(store, when); n++)
		(void)snprintf(when, sizeof(when), "%s-%u", now, n);
	for (size_t i = 0; i < LEDGER_PARTS; i++) {
		(void)snprintf(name, sizeof(name), "quarantine/%s-%s", when,
		               ledger_parts[i]);
		if (sys->renameat(sys->ctx, store->state_dir, ledger_parts[i],
		                  store->state_dir, name) == -1 &&
		    errno != ENOENT)
			return sled_fail_sys(err, errno, "set %s/%s aside",
			                     store->state, ledger_parts[i]);
	}
	/* No old -wal may come back beside a new ledger. */
	return sled_dir_sync(sys, store->state_dir, "ledger.db", err);
}

/* *equal when there is such a fact, and it is TEXT. */
static bool
look_at_fact(struct sled_ledger *ledger, const char *key, const char *text,
             bool *found, bool *equal, struct sled_err *err)
{
	struct sled_buf value = { 0 };
	bool ok = sled_ledger_get(ledger, key, &value, found, err);

	/* Found, and without memory for it: there is nothing to compare. */
	*equal = ok && *found && strcmp(value.data, text) == 0;
	sled_buf_free(&value);
	return ok;
}

/* Does the ledger belong to this store, and was its last rebuild finished? */
static bool
look_into_ledger(struct sled_store *store, bool *ours, struct sled_err *err)
{
	bool found = false, whole = false;

	if (!look_at_fact(store->ledger, "store", store->id, &found, ours,
	                  err)) {
		*ours = true; /* nothing is known against it */
		return false;
	}
	*ours = *ours || !found;
	if (!*ours)
		return true;
	/* One that was cut off while it was made has neither. */
	if (!found && !sled_ledger_put(store->ledger, "store", store->id, err))
		return false;
	if (!look_at_fact(store->ledger, "rebuilding", "0", &found, &whole,
	                  err))
		return false;
	store->rebuilt = !whole;
	return true;
}

static bool
create_ledger(struct sled_store *store, const char *path, struct sled_err *err)
{
	store->rebuilt = true;
	return sled_ledger_open(&store->ledger, store->sys, path,
	                        SLED_LEDGER_CREATE, err) &&
	       sled_ledger_put(store->ledger, "rebuilding", "1", err) &&
	       sled_ledger_put(store->ledger, "store", store->id, err);
}

/* The ledger that is there, if it is whole and ours; else *err is MISSING or
 * DAMAGED, or says why none can be opened. */
static bool
open_present(struct sled_store *store, const char *path, struct sled_err *err)
{
	bool ours = false;

	if (!sled_ledger_open(&store->ledger, store->sys, path,
	                      SLED_LEDGER_WRITE, err))
		return false;
	if (look_into_ledger(store, &ours, err) && ours &&
	    (store->mode != SLED_STORE_REPAIR ||
	     sled_ledger_check(store->ledger, err)))
		return true;
	sled_ledger_close(&store->ledger);
	if (!ours)
		err->kind = SLED_ERR_DAMAGED;
	return false;
}

static bool
open_to_write(struct sled_store *store, const char *path, struct sled_err *err)
{
	if (store->mode != SLED_STORE_REBUILD) {
		if (open_present(store, path, err))
			return true;
		if (err->kind == SLED_ERR_DAMAGED)
			sled_store_say(store, "the ledger is damaged and is "
			                      "made anew from the archives");
		else if (err->kind != SLED_ERR_MISSING)
			return false;
		*err = (struct sled_err){ 0 };
	}
	return set_aside(store, err) && create_ledger(store, path, err);
}

static bool
open_ledger(struct sled_store *store, struct sled_err *err)
{
	struct sled_buf path = { 0 };
	bool ok;

	if (!sled_buf_printf(&path, err, "%s/ledger.db", store->state))
		return false;
	if (store->mode == SLED_STORE_READ) {
		ok = sled_ledger_open(&store->ledger, store->sys, path.data,
		                      SLED_LEDGER_READ, err);
		if (!ok && (err->kind == SLED_ERR_MISSING ||
		            err->kind == SLED_ERR_DAMAGED))
			(void)sled_hint(err, "run `mailsled rebuild`");
	} else {
		ok = open_to_write(store, path.data, err);
	}
	sled_buf_free(&path);
	return ok;
}

/* Everything that a writer does before the first message, in order. */
static bool
make_ready(struct sled_store *store, struct sled_err *err)
{
	if (!sled_seats_settle(store, err) ||
	    !sled_seats_remember(store, err) || !sled_far_bring(store, err) ||
	    !sled_journal_merge(store, err) || !sled_doubt_apply(store, err) ||
	    !sled_recover(store, err))
		return false;
	return !store->rebuilt || sled_journal_replay(store, err);
}

static bool
open_parts(struct sled_store *store, struct sled_err *err)
{
	if (!sled_seats_probe(store, err) || !sled_seats_identify(store, err) ||
	    !set_state_path(store, err) || !open_state(store, err))
		return false;
	if (store->mode != SLED_STORE_READ &&
	    (!sled_lock_take(store, err) || !sled_lock_place(store, err) ||
	     !sled_seats_found(store, err) || !sled_lock_place(store, err)))
		return false;
	if (!open_ledger(store, err))
		return false;
	return store->mode == SLED_STORE_READ ? sled_seats_settle(store, err)
	                                      : make_ready(store, err);
}

bool
sled_store_open(struct sled_store **out, const struct sled_sys *sys,
                const struct sled_store_conf *conf, enum sled_store_mode mode,
                struct sled_err *err)
{
	struct sled_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return sled_fail_sys(err, ENOMEM, "store");
	store->sys = sys;
	store->conf = *conf;
	store->mode = mode;
	store->state_dir = store->spool_dir = -1;
	store->lock = store->place_lock = -1;
	(void)pthread_mutex_init(&store->commit, NULL);
	if (!open_parts(store, err)) {
		sled_store_close(&store);
		return false;
	}
	*out = store;
	return true;
}

void
sled_store_close(struct sled_store **store_p)
{
	struct sled_store *store = *store_p;

	if (store == NULL)
		return;
	sled_ledger_close(&store->ledger);
	sled_seats_close(store);
	if (store->spool_dir != -1)
		(void)store->sys->close(store->sys->ctx, store->spool_dir);
	if (store->state_dir != -1)
		(void)store->sys->close(store->sys->ctx, store->state_dir);
	if (store->place_lock != -1)
		(void)store->sys->close(store->sys->ctx, store->place_lock);
	if (store->lock != -1)
		(void)store->sys->close(store->sys->ctx, store->lock);
	(void)pthread_mutex_destroy(&store->commit);
	free(store->spooled);
	sled_buf_free(&store->memo);
	free(store->state);
	free(store);
	*store_p = NULL;
}

bool
sled_store_has_room(struct sled_store *store, uint64_t listed)
{
	struct sled_place *first = sled_store_first(store);
	uint64_t room = 0;

	if (store->sys->space(store->sys->ctx, first->dir, &room) == -1)
		return true; /* the append itself will tell */
	return room >= SLED_RESERVE && (room - SLED_RESERVE) / 2 >= listed;
}

static bool
keep_in(struct sled_place *place, struct sled_span text, struct sled_err *err)
{
	struct sled_buf now = { 0 };
	struct sled_err ignored = { 0 };
	bool same = sled_file_slurp(&now, place->sys, place->dir, "config.ini",
	                            1 << 20, &ignored) &&
	            now.len == text.len &&
	            memcmp(now.data, text.data, text.len) == 0;

	sled_buf_free(&now);
	return same || sled_file_replace(place->sys, place->dir, "config.ini",
	                                 0600, text, err);
}

bool
sled_store_keep_config(struct sled_store *store, struct sled_span text,
                       struct sled_err *err)
{
	struct sled_err why = { 0 };

	if (!keep_in(sled_store_first(store), text, err))
		return sled_note(err, "%s", store->conf.path);
	for (size_t i = 1; i < store->len; i++)
		if (sled_seat_usable(&store->seats[i]) &&
		    !keep_in(&store->seats[i].place, text, &why))
			sled_store_say(store, "%s: %s",
			               store->seats[i].place.path, why.text);
	return true;
}
