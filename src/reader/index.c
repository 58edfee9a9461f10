/*
 * index.c - the index's file; see mailsled/reader.h.
 *
 * It is a cache of the archives: it may be thrown away at any time. SQLite keeps
 * it whole over kill and power cut (WAL; what a power cut takes is added again).
 *
 *   label(id, name, done, ...)   messages of the account up to number done are
 *                           in; the rest: see stream.c
 *   doc(id, label, number, received)   one a message; ids follow received
 *   run(first)              docs where that begins anew, with older mail
 *   late(id, newest)        docs older than one before them in their run, which
 *                           was received at newest
 *   unread(id)              docs without text: no place gave their bytes
 *   text                    FTS5 without content; rowid is doc's id
 *   fact(key, value)        store, and a number that each change makes higher
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "mailsled/vfs.h"
#include "reader/internal.h"

#define APPLICATION "1397507401" /* "SLDI" */
#define VERSION     "3" /* of schema and of what is made of a message */
#define BUSY_MS     1000

/* Debian has SQLite write zeros over all that goes: what merges leave behind, in
 * a file whose text lies beside it in archives. */
static const char settings[] = "PRAGMA synchronous = NORMAL;"
			       "PRAGMA secure_delete = OFF;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA wal_autocheckpoint = 8192;"
			       "PRAGMA cell_size_check = ON;"
			       "PRAGMA trusted_schema = OFF;";

/* It is fed behind each visit, in as little memory as a visit has. */
static const char few_pages[] = "PRAGMA cache_size = -2048;";
static const char many_pages[] = "PRAGMA cache_size = -16384;";

static const char schema[] =
    "CREATE TABLE fact (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE label (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " done INTEGER NOT NULL, upto INTEGER NOT NULL,"
    " in_received INTEGER NOT NULL, in_number INTEGER NOT NULL);"
    "CREATE TABLE doc (id INTEGER PRIMARY KEY, label INTEGER NOT NULL,"
    " number INTEGER NOT NULL, received INTEGER NOT NULL);"
    "CREATE TABLE run (first INTEGER PRIMARY KEY);"
    "CREATE TABLE late (id INTEGER PRIMARY KEY, newest INTEGER NOT NULL);"
    "CREATE TABLE unread (id INTEGER PRIMARY KEY);"
    /* The first column costs no mark in each word's list of places. */
    "CREATE VIRTUAL TABLE text USING fts5 (body, subject, sender, rcpt,"
    " files, marks, content='', columnsize=0,"
    " tokenize='unicode61 remove_diacritics 2');"
    /* Fewer and longer runs to merge while much comes in; all that waits to
     * be one is in memory. */
    "INSERT INTO text (text, rank) VALUES ('hashsize', 2097152);"
    "INSERT INTO fact VALUES ('changes', 0);"
    "PRAGMA application_id = " APPLICATION ";"
    "PRAGMA user_version = " VERSION ";";

static const char wipe[] = "DROP TABLE IF EXISTS text;"
			   "DROP TABLE IF EXISTS fact;"
			   "DROP TABLE IF EXISTS label;"
			   "DROP TABLE IF EXISTS doc;"
			   "DROP TABLE IF EXISTS run;"
			   "DROP TABLE IF EXISTS late;"
			   "DROP TABLE IF EXISTS unread;";

bool
sled_index_fail(struct sled_index *index, int code, struct sled_err *err)
{
	const char *said = index->db == NULL ? sqlite3_errstr(code)
	                                     : sqlite3_errmsg(index->db);
	int errnum = index->vfs == NULL ? 0 : index->vfs->errnum;
	enum sled_err_kind kind = SLED_ERR_INTERNAL;
	char clipped[200];

	sled_text_clip(clipped, sizeof(clipped),
	               (struct sled_span){ said, strlen(said) });
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		index->broken = true;
		kind = SLED_ERR_DAMAGED;
		break;
	case SQLITE_FULL:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		kind = SLED_ERR_PLACE;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		kind = SLED_ERR_LINK;
		break;
	case SQLITE_NOMEM:
		kind = SLED_ERR_NOMEM;
		break;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		kind = errnum == 0 ? SLED_ERR_IO : sled_err_kind_of(errnum);
		break;
	default:
		break;
	}
	return sled_fail_at(err, SLED_HERE, kind, errnum, "index %s: %s",
	                    index->shown, clipped);
}

bool
sled_index_run(struct sled_index *index, const char *sql, struct sled_err *err)
{
	int code = sqlite3_exec(index->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK || sled_index_fail(index, code, err);
}

bool
sled_index_prepare(struct sled_index *index, const char *sql,
                   sqlite3_stmt **out, struct sled_err *err)
{
	int code = sqlite3_prepare_v2(index->db, sql, -1, out, NULL);

	return code == SQLITE_OK || sled_index_fail(index, code, err);
}

bool
sled_index_number(struct sled_index *index, const char *sql, int64_t *out,
                  struct sled_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int code;

	*out = 0;
	if (!sled_index_prepare(index, sql, &stmt, err))
		return false;
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		(void)sled_index_fail(index, code, err);
	(void)sqlite3_finalize(stmt);
	return code == SQLITE_ROW || code == SQLITE_DONE;
}

bool
sled_index_begin(struct sled_index *index, bool *busy, struct sled_err *err)
{
	int code = sqlite3_exec(index->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	*busy = (code & 0xff) == SQLITE_BUSY;
	return code == SQLITE_OK || *busy || sled_index_fail(index, code, err);
}

bool
sled_index_end(struct sled_index *index, bool ok, struct sled_err *err)
{
	if (ok && sled_index_run(index, "COMMIT", err))
		return true;
	(void)sqlite3_exec(index->db, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

/* ---- opening ---- */

static void
close_database(struct sled_index *index)
{
	if (index->db != NULL)
		(void)sqlite3_close(index->db);
	index->db = NULL;
	index->writing = false;
	sled_vfs_free(&index->vfs);
}

static bool
open_database(struct sled_index *index, bool writing, struct sled_err *err)
{
	const struct sled_sys *sys = NULL;
	int code;

	(void)sled_store_state(index->store, &sys);
	if (!sled_vfs_new(&index->vfs, sys, index->path.data, !writing, err))
		return sled_note(err, "index %s", index->shown);
	code = sqlite3_open_v2(index->path.data, &index->db,
	                       (writing
	                            ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
	                            : SQLITE_OPEN_READONLY) |
	                           SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	                       index->vfs->base.zName);
	if (code != SQLITE_OK)
		return sled_index_fail(index, code, err);
	index->writing = writing;
	(void)sqlite3_busy_timeout(index->db, BUSY_MS);
	return sled_index_run(index, settings, err) &&
	       sled_index_run(index, writing ? few_pages : many_pages, err);
}

/* What must be said before the first table is made, and at no other time: it
 * writes. */
static bool
begin_file(struct sled_index *index, struct sled_err *err)
{
	int64_t pages = 0;

	return sled_index_number(index, "PRAGMA page_count", &pages, err) &&
	       (pages > 0 ||
	        sled_index_run(index, "PRAGMA auto_vacuum = INCREMENTAL",
	                       err)) &&
	       sled_index_run(index, "PRAGMA journal_mode = WAL", err);
}

/* Whose it is, and whether it is of this program. */
static bool
is_ours(struct sled_index *index, bool *ours, struct sled_err *err)
{
	int64_t application, version, same = 0;
	sqlite3_stmt *stmt = NULL;

	*ours = false;
	if (!sled_index_number(index, "PRAGMA application_id", &application,
	                       err) ||
	    !sled_index_number(index, "PRAGMA user_version", &version, err))
		return false;
	if (application != strtoll(APPLICATION, NULL, 10) ||
	    version != strtoll(VERSION, NULL, 10))
		return true;
	if (!sled_index_prepare(index,
	                        "SELECT 1 FROM fact"
	                        " WHERE key = 'store' AND value = ?1",
	                        &stmt, err))
		return false;
	(void)sqlite3_bind_text(stmt, 1, sled_store_id(index->store), -1,
	                        SQLITE_STATIC);
	same = sqlite3_step(stmt) == SQLITE_ROW;
	(void)sqlite3_finalize(stmt);
	*ours = same != 0;
	return true;
}

static bool
put_store(struct sled_index *index, struct sled_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int code;

	if (!sled_index_prepare(index, "INSERT INTO fact VALUES ('store', ?1)",
	                        &stmt, err))
		return false;
	(void)sqlite3_bind_text(stmt, 1, sled_store_id(index->store), -1,
	                        SQLITE_STATIC);
	code = sqlite3_step(stmt);
	if (code != SQLITE_DONE)
		(void)sled_index_fail(index, code, err);
	(void)sqlite3_finalize(stmt);
	return code == SQLITE_DONE;
}

static bool
make_tables(struct sled_index *index, bool unless_ours, struct sled_err *err)
{
	bool busy = false, ours = false, ok;

	if (!sled_index_begin(index, &busy, err))
		return false;
	if (busy)
		return sled_index_fail(index, SQLITE_BUSY, err);
	ok = is_ours(index, &ours, err);
	if (ok && !(ours && unless_ours))
		ok = sled_index_run(index, wipe, err) &&
		     sled_index_run(index, schema, err) &&
		     put_store(index, err);
	return sled_index_end(index, ok, err);
}

bool
sled_index_clear(struct sled_index *index, struct sled_err *err)
{
	return sled_index_to_write(index, err) &&
	       make_tables(index, false, err);
}

static bool
open_to_write(struct sled_index *index, struct sled_err *err)
{
	bool ours = false;

	close_database(index);
	return open_database(index, true, err) && begin_file(index, err) &&
	       is_ours(index, &ours, err) &&
	       (ours || make_tables(index, true, err));
}

/* Most have only questions: they write nothing and wait for no disk. */
static bool
open_to_read(struct sled_index *index, struct sled_err *err)
{
	const struct sled_sys *sys = NULL;
	struct stat st;
	bool ours = false;
	int dir = sled_store_state(index->store, &sys);

	return sys->fstatat(sys->ctx, dir, "index.db", &st, 0) == 0 &&
	       open_database(index, false, err) && is_ours(index, &ours, err) &&
	       ours;
}

static bool
open_once(struct sled_index *index, struct sled_err *err)
{
	struct sled_err why = { 0 };

	return open_to_read(index, &why) || open_to_write(index, err);
}

bool
sled_index_to_write(struct sled_index *index, struct sled_err *err)
{
	return index->writing || open_to_write(index, err);
}

/* Its file is of no use to anyone. */
static bool
throw_away(struct sled_index *index, struct sled_err *err)
{
	static const char *const names[] = { "index.db", "index.db-wal",
		                             "index.db-shm" };
	const struct sled_sys *sys = NULL;
	int dir = sled_store_state(index->store, &sys);

	close_database(index);
	for (size_t i = 0; i < 3; i++)
		if (sys->unlinkat(sys->ctx, dir, names[i], 0) == -1 &&
		    errno != ENOENT)
			return sled_fail_sys(err, errno, "remove %s", names[i]);
	index->broken = false;
	return true;
}

bool
sled_index_open(struct sled_index **out, struct sled_store *store,
                struct sled_err *err)
{
	struct sled_index *index = calloc(1, sizeof(*index));
	bool ok;

	*out = NULL;
	if (index == NULL)
		return sled_fail_sys(err, ENOMEM, "index");
	index->store = store;
	ok = sled_buf_printf(&index->path, err, "%s/index.db",
	                     sled_store_state_path(store));
	if (ok)
		sled_text_clip(index->shown, sizeof(index->shown),
		               sled_buf_span(&index->path));
	ok = ok && (open_once(index, err) ||
	            (index->broken && throw_away(index, err) &&
	             open_once(index, err)));
	*out = index;
	if (!ok)
		sled_index_close(out);
	return ok;
}

bool
sled_index_mend(struct sled_index *index, struct sled_err *err)
{
	return throw_away(index, err) && open_to_write(index, err);
}

void
sled_index_close(struct sled_index **closing)
{
	struct sled_index *index = *closing;

	struct sled_err why = { 0 };

	*closing = NULL;
	if (index == NULL)
		return;
	/* What is not removed now is met, and removed, by the next one. */
	if (index->broken)
		(void)!throw_away(index, &why);
	close_database(index);
	sled_buf_free(&index->path);
	free(index);
}

/* ---- from a row to its message ---- */

void
sled_index_hit(sqlite3_stmt *stmt, struct sled_hit *out)
{
	*out = (struct sled_hit){
		.id = sqlite3_column_int64(stmt, 0),
		.number = (uint64_t)sqlite3_column_int64(stmt, 1),
		.received = sqlite3_column_int64(stmt, 2),
	};
	(void)snprintf(out->label, sizeof(out->label), "%s",
	               (const char *)sqlite3_column_text(stmt, 3));
}

bool
sled_index_message(struct sled_index *index, const struct sled_hit *hit,
                   sled_message_fn *each, void *ctx, struct sled_err *err)
{
	return sled_ledger_by_number(sled_store_ledger(index->store),
	                             hit->label, hit->number, each, ctx, err);
}
