/* sql.c - see sql.h for the contract. */
#include "sql.h"

#include <errno.h>
#include <string.h>

#include "mailsled/text.h"

#define WAL_PAGES_MOST 1000

/* ---- SQLite's failures as ours ---- */

static enum sled_err_kind
kind_of(int code, int errnum)
{
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* our statements are right, so the schema is not */
		return SLED_ERR_DAMAGED;
	case SQLITE_FULL:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return SLED_ERR_PLACE;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return SLED_ERR_LINK;
	case SQLITE_NOMEM:
		return SLED_ERR_NOMEM;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		if (code == SQLITE_IOERR_NOMEM)
			return SLED_ERR_NOMEM;
		if (errnum == EISDIR) /* no ledger, whatever it is */
			return SLED_ERR_DAMAGED;
		return errnum == 0 ? SLED_ERR_IO : sled_err_kind_of(errnum);
	default:
		return SLED_ERR_INTERNAL;
	}
}

static int
errno_of(const struct sled_ledger *ledger, int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return ledger->vfs->errnum;
	default:
		return 0;
	}
}

bool
sled_sql_fail(struct sled_ledger *ledger, int code, struct sled_err *err)
{
	const char *said = ledger->db == NULL ? sqlite3_errstr(code)
	                                      : sqlite3_errmsg(ledger->db);
	int errnum = errno_of(ledger, code);
	char clipped[200];

	sled_text_clip(clipped, sizeof(clipped),
	               (struct sled_span){ said, strlen(said) });
	(void)sled_fail_at(err, SLED_HERE, kind_of(code, errnum), errnum,
	                   "ledger %s: %s", ledger->shown, clipped);
	if (err->kind == SLED_ERR_DAMAGED)
		(void)sled_hint(err, SLED_REBUILD_HINT);
	return false;
}

/* ---- statements ---- */

static bool
prepare(struct sled_ledger *ledger, const char *text, sqlite3_stmt **out,
        struct sled_err *err)
{
	int code;

	*out = NULL;
	code = sqlite3_prepare_v3(ledger->db, text, -1,
	                          SQLITE_PREPARE_PERSISTENT, out, NULL);
	return code == SQLITE_OK || sled_sql_fail(ledger, code, err);
}

/* The slot of TEXT, or a free one, or NULL. */
static struct sled_sql_slot *
slot_of(struct sled_ledger *ledger, const char *text)
{
	for (size_t i = 0; i < SLED_SQL_CACHED; i++) {
		struct sled_sql_slot *slot = &ledger->cache[i];

		if (slot->text == text || slot->text == NULL)
			return slot->busy ? NULL : slot;
	}
	return NULL;
}

struct walk {
	struct sled_sql_slot *slot; /* NULL: the statement is this walk's own */
	sqlite3_stmt *stmt;
};

static bool
bind_values(struct sled_ledger *ledger, sqlite3_stmt *stmt,
            const struct sled_sql *sql, struct sled_err *err)
{
	int code = SQLITE_OK;

	for (size_t i = 0; i < sql->count && code == SQLITE_OK; i++) {
		const struct sled_value *value = &sql->values[i];
		int at = (int)i + 1;

		if (value->kind == SLED_VALUE_INT)
			code = sqlite3_bind_int64(stmt, at, value->number);
		else if (value->kind == SLED_VALUE_TEXT)
			code = sqlite3_bind_text64(stmt, at, value->bytes.data,
			                           value->bytes.len,
			                           SQLITE_STATIC, SQLITE_UTF8);
		else if (value->kind == SLED_VALUE_BLOB)
			code = sqlite3_bind_blob64(
			    stmt, at,
			    value->bytes.len == 0 ? "" : value->bytes.data,
			    value->bytes.len, SQLITE_STATIC);
		else
			code = sqlite3_bind_null(stmt, at);
	}
	return code == SQLITE_OK || sled_sql_fail(ledger, code, err);
}

static void
end_walk(struct walk *walk)
{
	if (walk->slot == NULL) {
		(void)sqlite3_finalize(walk->stmt);
		return;
	}
	(void)sqlite3_reset(walk->stmt);
	(void)sqlite3_clear_bindings(walk->stmt);
	walk->slot->busy = false;
}

static bool
begin_walk(struct sled_ledger *ledger, const struct sled_sql *sql,
           struct walk *walk, struct sled_err *err)
{
	ledger->vfs->errnum = 0;
	walk->slot = slot_of(ledger, sql->text);
	walk->stmt = walk->slot == NULL ? NULL : walk->slot->stmt;
	if (walk->stmt == NULL && !prepare(ledger, sql->text, &walk->stmt, err))
		return false;
	if (walk->slot != NULL)
		*walk->slot =
		    (struct sled_sql_slot){ sql->text, walk->stmt, true };
	if (bind_values(ledger, walk->stmt, sql, err))
		return true;
	end_walk(walk);
	return false;
}

void
sled_sql_finalize(struct sled_ledger *ledger)
{
	for (size_t i = 0; i < SLED_SQL_CACHED; i++)
		(void)sqlite3_finalize(ledger->cache[i].stmt);
}

/* EACH may be NULL for a statement without rows. */
static bool
step_all(struct sled_ledger *ledger, const struct sled_sql *sql,
         sled_row_fn *each, void *ctx, struct sled_err *err)
{
	struct walk walk;
	bool ok = true;
	int code = SQLITE_DONE;

	if (!begin_walk(ledger, sql, &walk, err))
		return false;
	while (ok && (code = sqlite3_step(walk.stmt)) == SQLITE_ROW) {
		struct sled_row row = { walk.stmt, 0, false };

		if (each == NULL)
			continue;
		ledger->walking++;
		ok = each(ctx, &row, err);
		ledger->walking--;
	}
	if (ok && code != SQLITE_DONE)
		ok = sled_sql_fail(ledger, code, err);
	end_walk(&walk);
	return ok;
}

/* ---- transactions ---- */

static void
lock(struct sled_ledger *ledger)
{
	(void)pthread_mutex_lock(&ledger->mutex);
}

static void
unlock(struct sled_ledger *ledger)
{
	(void)pthread_mutex_unlock(&ledger->mutex);
}

static void
doom(struct sled_ledger *ledger, const struct sled_err *err)
{
	if (!ledger->doomed)
		ledger->doom = *err;
	ledger->doomed = true;
}

bool
sled_sql_each(struct sled_ledger *ledger, const struct sled_sql *sql,
              sled_row_fn *each, void *ctx, struct sled_err *err)
{
	bool ok;

	lock(ledger);
	ok = step_all(ledger, sql, each, ctx, err);
	/* Some failures make SQLite roll back: what follows must not commit. */
	if (!ok && ledger->depth > 0 && sqlite3_get_autocommit(ledger->db))
		doom(ledger, err);
	unlock(ledger);
	return ok;
}

struct number {
	int64_t value;
	bool found;
};

static bool
take_number(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct number *number = ctx;

	number->value = sled_row_int(row);
	number->found = true;
	return sled_row_end(row, err);
}

bool
sled_sql_number(struct sled_ledger *ledger, const struct sled_sql *sql,
                int64_t *out, bool *found, struct sled_err *err)
{
	struct number number = { 0, false };

	*found = false;
	if (!sled_sql_each(ledger, sql, take_number, &number, err))
		return false;
	*found = number.found;
	if (number.found)
		*out = number.value;
	return true;
}

/* The -wal is folded in before a transaction, never behind a commit: so a
 * commit's only sync is its own, and what it answers is what that said. */
static void
fold_wal(struct sled_ledger *ledger)
{
	if (ledger->wal_pages < WAL_PAGES_MOST)
		return;
	if (sqlite3_wal_checkpoint_v2(ledger->db, NULL,
	                              SQLITE_CHECKPOINT_PASSIVE, NULL,
	                              NULL) == SQLITE_OK)
		ledger->wal_pages = 0;
}

static bool
open_transaction(struct sled_ledger *ledger, struct sled_err *err)
{
	fold_wal(ledger);
	if (ledger->vfs->dead)
		return sled_fail(err, SLED_ERR_IO,
		                 "ledger %s: a sync failed: open it anew",
		                 ledger->shown);
	ledger->doomed = false;
	return step_all(ledger, SLED_SQL_PLAIN("BEGIN IMMEDIATE"), NULL, NULL,
	                err);
}

static bool
may_write(struct sled_ledger *ledger, struct sled_err *err)
{
	if (ledger->mode == SLED_LEDGER_READ)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "ledger %s: opened for reading only",
		                 ledger->shown);
	if (ledger->walking > 0)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "ledger: written to from a callback");
	if (ledger->depth > 0 && ledger->doomed) {
		*err = ledger->doom;
		return false;
	}
	return ledger->depth > 0 || open_transaction(ledger, err);
}

bool
sled_sql_enter(struct sled_ledger *ledger, struct sled_err *err)
{
	lock(ledger);
	if (may_write(ledger, err)) {
		ledger->depth++;
		return true;
	}
	unlock(ledger);
	return false;
}

static void
roll_back(struct sled_ledger *ledger)
{
	struct sled_err ignored = { 0 };

	if (!sqlite3_get_autocommit(ledger->db))
		(void)!step_all(ledger, SLED_SQL_PLAIN("ROLLBACK"), NULL, NULL,
		                &ignored);
}

bool
sled_sql_leave(struct sled_ledger *ledger, bool ok, struct sled_err *err)
{
	if (!ok)
		doom(ledger, err);
	if (--ledger->depth == 0) {
		if (ledger->doomed) {
			*err = ledger->doom;
			ok = false;
		} else {
			ok = step_all(ledger, SLED_SQL_PLAIN("COMMIT"), NULL,
			              NULL, err);
		}
		if (!ok)
			roll_back(ledger);
		ledger->doomed = false;
	}
	unlock(ledger);
	return ok;
}

bool
sled_ledger_begin(struct sled_ledger *ledger, struct sled_err *err)
{
	lock(ledger);
	if (ledger->begun) {
		unlock(ledger);
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "ledger: a transaction inside another");
	}
	ledger->begun = sled_sql_enter(ledger, err);
	unlock(ledger);
	return ledger->begun;
}

bool
sled_ledger_commit(struct sled_ledger *ledger, struct sled_err *err)
{
	bool ok;

	lock(ledger);
	if (!ledger->begun) {
		unlock(ledger);
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "ledger: commit without begin");
	}
	ledger->begun = false;
	ok = sled_sql_leave(ledger, true, err);
	if (!ok)
		(void)sled_note(err, "commit");
	unlock(ledger);
	return ok;
}

void
sled_ledger_drop(struct sled_ledger *ledger)
{
	struct sled_err dropped = { 0 };

	lock(ledger);
	if (ledger->begun) {
		ledger->begun = false;
		(void)!sled_sql_leave(ledger, false, &dropped);
	}
	unlock(ledger);
}

/* ---- writes ---- */

bool
sled_sql_run(struct sled_ledger *ledger, const struct sled_sql *sql,
             struct sled_err *err)
{
	return sled_sql_enter(ledger, err) &&
	       sled_sql_leave(ledger, step_all(ledger, sql, NULL, NULL, err),
	                      err);
}

static bool
changed(struct sled_ledger *ledger, const char *what, struct sled_err *err)
{
	if (sqlite3_changes(ledger->db) > 0)
		return true;
	return sled_fail(err, SLED_ERR_MISSING, "ledger: no such %s", what);
}

bool
sled_sql_change(struct sled_ledger *ledger, const struct sled_sql *sql,
                const char *what, struct sled_err *err)
{
	return sled_sql_enter(ledger, err) &&
	       sled_sql_leave(ledger,
	                      step_all(ledger, sql, NULL, NULL, err) &&
	                          changed(ledger, what, err),
	                      err);
}

bool
sled_sql_insert(struct sled_ledger *ledger, const struct sled_sql *sql,
                int64_t *id, struct sled_err *err)
{
	int64_t made;

	if (!sled_sql_enter(ledger, err))
		return false;
	if (!step_all(ledger, sql, NULL, NULL, err))
		return sled_sql_leave(ledger, false, err);
	made = sqlite3_last_insert_rowid(ledger->db);
	if (!sled_sql_leave(ledger, true, err))
		return false;
	*id = made;
	return true;
}
