/*
 * schema.c - opening and closing, and the tables. See mailsled/ledger.h.
 *
 * Crash states of a new ledger: no file, an empty file, an empty database in
 * WAL mode, and all tables with the schema's version: the last step is one
 * transaction. The first three count as no ledger, and CREATE goes on from any.
 * Crash states of one that grows: the old version without the new tables, and
 * the new version with them; one transaction again, and no row is rewritten.
 * Commit instant of every transaction: the fdatasync of the -wal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "sql.h"

#define APPLICATION "1297304396" /* "MSLL" */
#define VERSION     SLED_STR(SLED_LEDGER_SCHEMA)

/* Numbers are unsigned 64-bit as SQLite's signed; times are seconds since 1970
 * or 0; a reference to no row is NULL. counter outlives the rows it counted.
 * volume.turned is 0 while members are added, 1 when none will be, and 2 more
 * than its revision once the volume is sealed; one that has a revision, but is
 * not sealed, has less than 0: that revision. */
static const char schema_1[] =
    "CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
    " WITHOUT ROWID;"

    "CREATE TABLE place (id TEXT PRIMARY KEY, path TEXT NOT NULL,"
    " seen INTEGER NOT NULL, fsid INTEGER NOT NULL,"
    " suspect INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE maildrop (id INTEGER PRIMARY KEY, server TEXT NOT NULL,"
    " user TEXT NOT NULL, first_visit INTEGER NOT NULL DEFAULT 0,"
    " exact INTEGER NOT NULL DEFAULT 0,"
    " lf_counted INTEGER NOT NULL DEFAULT 0,"
    " loose INTEGER NOT NULL DEFAULT 0,"
    " reuses_ids INTEGER NOT NULL DEFAULT 0,"
    " drops_retrieved INTEGER NOT NULL DEFAULT 0,"
    " expire_0 INTEGER NOT NULL DEFAULT 0,"
    " no_uidl INTEGER NOT NULL DEFAULT 0,"
    " listed_count INTEGER NOT NULL DEFAULT 0,"
    " flights_lost INTEGER NOT NULL DEFAULT 0, UNIQUE (server, user));"

    "CREATE TABLE volume (id INTEGER PRIMARY KEY, label TEXT NOT NULL,"
    " name TEXT NOT NULL, maildrop INTEGER NOT NULL,"
    " committed INTEGER NOT NULL, receipts INTEGER NOT NULL,"
    " turned INTEGER NOT NULL, sha256 BLOB NOT NULL,"
    " UNIQUE (label, name));"

    "CREATE TABLE member (id INTEGER PRIMARY KEY,"
    " volume INTEGER NOT NULL REFERENCES volume ON DELETE CASCADE,"
    " at INTEGER NOT NULL, length INTEGER NOT NULL,"
    " tar_octets INTEGER NOT NULL, body_sha256 BLOB NOT NULL,"
    " UNIQUE (volume, at));"

    "CREATE TABLE holding ("
    " member INTEGER NOT NULL REFERENCES member ON DELETE CASCADE,"
    " place TEXT NOT NULL, verified INTEGER NOT NULL,"
    " PRIMARY KEY (member, place)) WITHOUT ROWID;"
    "CREATE INDEX holding_place ON holding (place);"

    "CREATE TABLE message (id INTEGER PRIMARY KEY,"
    " maildrop INTEGER NOT NULL, label TEXT NOT NULL,"
    " number INTEGER NOT NULL, uid TEXT NOT NULL, sha256 BLOB NOT NULL,"
    " octets INTEGER NOT NULL, listed INTEGER NOT NULL,"
    " head_sha256 BLOB NOT NULL, head_octets INTEGER NOT NULL,"
    " received INTEGER NOT NULL, record TEXT NOT NULL,"
    " entry TEXT NOT NULL,"
    " member INTEGER REFERENCES member ON DELETE CASCADE,"
    " flags INTEGER NOT NULL, safe INTEGER NOT NULL,"
    " dele_sent INTEGER NOT NULL, gone INTEGER NOT NULL,"
    " on_server INTEGER NOT NULL, sender BLOB NOT NULL,"
    " subject BLOB NOT NULL, date BLOB NOT NULL,"
    " told INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX message_uid ON message (maildrop, uid);"
    "CREATE INDEX message_drop_sha256 ON message (maildrop, sha256);"
    "CREATE INDEX message_sha256 ON message (sha256);"
    "CREATE INDEX message_received ON message (received);"
    "CREATE INDEX message_member ON message (member);"
    "CREATE UNIQUE INDEX message_number ON message (label, number);"
    "CREATE UNIQUE INDEX message_record ON message (record)"
    " WHERE record <> '';"
    "CREATE INDEX message_live ON message (maildrop, number)"
    " WHERE gone = 0;"
    "CREATE INDEX message_on_server ON message (maildrop)"
    " WHERE on_server <> 0;"
    "CREATE INDEX message_untold ON message (label, number)"
    " WHERE gone <> 0 AND told = 0;"

    "CREATE TABLE known ("
    " message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,"
    " uid TEXT NOT NULL, size INTEGER NOT NULL,"
    " PRIMARY KEY (message, uid, size)) WITHOUT ROWID;"
    "CREATE INDEX known_uid ON known (uid);"

    "CREATE TABLE counter (label TEXT PRIMARY KEY, used INTEGER NOT NULL)"
    " WITHOUT ROWID;"

    "CREATE TABLE visit (id INTEGER PRIMARY KEY, label TEXT NOT NULL,"
    " maildrop INTEGER NOT NULL, began INTEGER NOT NULL,"
    " ms INTEGER NOT NULL, listed INTEGER NOT NULL,"
    " fetched INTEGER NOT NULL, deleted INTEGER NOT NULL,"
    " kept INTEGER NOT NULL, held INTEGER NOT NULL,"
    " left_there INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " mail_bytes INTEGER NOT NULL, wire_down INTEGER NOT NULL,"
    " wire_up INTEGER NOT NULL, resumed INTEGER NOT NULL,"
    " exit INTEGER NOT NULL, error TEXT NOT NULL);"
    "CREATE INDEX visit_began ON visit (began);"

    "PRAGMA application_id = " APPLICATION ";";

/* What 2 has more. A new ledger is made as 1 and grows too, so that there is
 * one newest schema, wherever it came from. */
static const char growth_2[] =
    "CREATE TABLE peer (maildrop INTEGER PRIMARY KEY,"
    " port INTEGER NOT NULL, addresses TEXT NOT NULL,"
    " looked_up INTEGER NOT NULL, caps INTEGER NOT NULL,"
    " caps_seen INTEGER NOT NULL, eager TEXT NOT NULL, eager_lost INTEGER NOT NULL,"
    " eager_retry INTEGER NOT NULL, tickets_refused INTEGER NOT NULL,"
    " tickets_retry INTEGER NOT NULL, tls_default INTEGER NOT NULL,"
    " listed_whole INTEGER NOT NULL, sums INTEGER NOT NULL);"

    "CREATE TABLE path (name TEXT PRIMARY KEY, rate INTEGER NOT NULL,"
    " rtt_ms INTEGER NOT NULL, visits INTEGER NOT NULL,"
    " seen INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE seen (maildrop INTEGER NOT NULL,"
    " number INTEGER NOT NULL, uid TEXT NOT NULL, size INTEGER NOT NULL,"
    " PRIMARY KEY (maildrop, number)) WITHOUT ROWID;"

    "ALTER TABLE visit ADD COLUMN ms_connect INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN ms_tls INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN ms_login INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN ms_list INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN ms_fetch INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN ms_save INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN ms_delete INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN round_trips INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN rtt_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN segs_down INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN segs_up INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN retrans INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN offered INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN eager INTEGER NOT NULL DEFAULT 0;"

    "PRAGMA user_version = 2;";

/* What 3 has more. */
static const char growth_3[] =
    "CREATE TABLE round (id INTEGER PRIMARY KEY, began INTEGER NOT NULL,"
    " ms INTEGER NOT NULL, link TEXT NOT NULL, path TEXT NOT NULL,"
    " dialled INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " wire INTEGER NOT NULL, billed_bytes INTEGER NOT NULL,"
    " steps INTEGER NOT NULL, money INTEGER NOT NULL,"
    " currency TEXT NOT NULL, places TEXT NOT NULL);"
    "CREATE INDEX round_began ON round (began);"
    "CREATE INDEX round_link ON round (link, began);"

    "CREATE TABLE held (id TEXT PRIMARY KEY, maildrop INTEGER NOT NULL,"
    " uid TEXT NOT NULL, size INTEGER NOT NULL,"
    " first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,"
    " listed INTEGER NOT NULL, previewed INTEGER NOT NULL,"
    " head_sha256 BLOB NOT NULL, head_octets INTEGER NOT NULL,"
    " sender BLOB NOT NULL, subject BLOB NOT NULL, date BLOB NOT NULL,"
    " text BLOB NOT NULL, decision INTEGER NOT NULL,"
    " decided INTEGER NOT NULL, lapsed TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX held_maildrop ON held (maildrop);"

    "ALTER TABLE maildrop ADD COLUMN"
    " expire_days INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE maildrop ADD COLUMN"
    " login_delay_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE maildrop ADD COLUMN octets INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE maildrop ADD COLUMN visited INTEGER NOT NULL DEFAULT 0;"

    "ALTER TABLE visit ADD COLUMN round INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN path TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE visit ADD COLUMN up_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN alive_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN held_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE visit ADD COLUMN left_bytes INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX visit_path ON visit (path, began);"
    "CREATE INDEX visit_round ON visit (round);"

    "PRAGMA user_version = 3;";

/* What 4 has more. */
static const char growth_4[] =
    "CREATE TABLE pruned ("
    " volume INTEGER NOT NULL REFERENCES volume ON DELETE CASCADE,"
    " place TEXT NOT NULL, PRIMARY KEY (volume, place)) WITHOUT ROWID;"

    "CREATE TABLE fault ("
    " member INTEGER NOT NULL REFERENCES member ON DELETE CASCADE,"
    " place TEXT NOT NULL, found INTEGER NOT NULL, text TEXT NOT NULL,"
    " PRIMARY KEY (member, place)) WITHOUT ROWID;"

    "CREATE TABLE far (place TEXT NOT NULL, file TEXT NOT NULL,"
    " octets INTEGER NOT NULL, sha256 BLOB NOT NULL,"
    " checked INTEGER NOT NULL, PRIMARY KEY (place, file)) WITHOUT ROWID;"

    "CREATE TABLE health (kind TEXT PRIMARY KEY, at INTEGER NOT NULL,"
    " fine INTEGER NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;"

    "PRAGMA user_version = 4;";

/* What 5 has more: a tally of each volume's members (place '') and of those of
 * them that a place holds, kept by triggers, so that no start has to count; and
 * what was read back longest ago is found without looking at the rest. */
static const char growth_5[] =
    "CREATE TABLE tally (volume INTEGER NOT NULL, place TEXT NOT NULL,"
    " members INTEGER NOT NULL, PRIMARY KEY (volume, place))"
    " WITHOUT ROWID;"
    "INSERT INTO tally SELECT volume, '', count(*) FROM member"
    " GROUP BY volume;"
    "INSERT INTO tally SELECT m.volume, h.place, count(*)"
    " FROM holding h JOIN member m ON m.id = h.member"
    " GROUP BY m.volume, h.place;"

    "CREATE TRIGGER member_more AFTER INSERT ON member BEGIN"
    " INSERT INTO tally VALUES (NEW.volume, '', 1)"
    " ON CONFLICT DO UPDATE SET members = members + 1; END;"
    "CREATE TRIGGER member_less BEFORE DELETE ON member BEGIN"
    " DELETE FROM holding WHERE member = OLD.id;"
    " UPDATE tally SET members = members - 1"
    " WHERE volume = OLD.volume AND place = ''; END;"
    "CREATE TRIGGER member_stays BEFORE UPDATE OF volume ON member"
    " WHEN NEW.volume <> OLD.volume BEGIN"
    " SELECT RAISE(ABORT, 'a member stays in its volume'); END;"
    "CREATE TRIGGER holding_more AFTER INSERT ON holding BEGIN"
    " INSERT INTO tally SELECT volume, NEW.place, 1 FROM member"
    " WHERE id = NEW.member"
    " ON CONFLICT DO UPDATE SET members = members + 1; END;"
    "CREATE TRIGGER holding_less AFTER DELETE ON holding BEGIN"
    " UPDATE tally SET members = members - 1 WHERE place = OLD.place"
    " AND volume = (SELECT volume FROM member WHERE id = OLD.member); END;"
    "CREATE TRIGGER volume_less AFTER DELETE ON volume BEGIN"
    " DELETE FROM tally WHERE volume = OLD.id; END;"

    "DROP INDEX holding_place;"
    "CREATE INDEX holding_place ON holding (place, verified);"

    "PRAGMA user_version = 5;";

/* What 6 has more. */
static const char growth_6[] =
    "CREATE TABLE delivery (label TEXT NOT NULL, target TEXT NOT NULL,"
    " since INTEGER NOT NULL, through INTEGER NOT NULL,"
    " delivered INTEGER NOT NULL, last INTEGER NOT NULL,"
    " trying INTEGER NOT NULL, trying_at INTEGER NOT NULL,"
    " trying_node INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " why TEXT NOT NULL, told INTEGER NOT NULL, PRIMARY KEY (label, target)) WITHOUT ROWID;"

    "CREATE TABLE undelivered (label TEXT NOT NULL, target TEXT NOT NULL,"
    " number INTEGER NOT NULL, tries INTEGER NOT NULL,"
    " last INTEGER NOT NULL, why TEXT NOT NULL,"
    " PRIMARY KEY (label, target, number)) WITHOUT ROWID;"

    "PRAGMA user_version = 6;";

/* What 7 has more. */
static const char growth_7[] =
    "CREATE TABLE aside (maildrop INTEGER NOT NULL, uid TEXT NOT NULL,"
    " size INTEGER NOT NULL, number INTEGER NOT NULL,"
    " strikes INTEGER NOT NULL, again INTEGER NOT NULL, why TEXT NOT NULL,"
    " PRIMARY KEY (maildrop, uid, size, number)) WITHOUT ROWID;"
    "CREATE TABLE placed (maildrop INTEGER NOT NULL,"
    " number INTEGER NOT NULL, message INTEGER NOT NULL,"
    " PRIMARY KEY (maildrop, number)) WITHOUT ROWID;"

    "PRAGMA user_version = " VERSION ";";

/* 2 MiB of pages; nothing outside memory but the database and its -wal, which
 * is folded in by sql.c and at close. */
static const char settings[] = "PRAGMA synchronous = FULL;"
			       "PRAGMA cache_size = -2048;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA wal_autocheckpoint = 0;"
			       "PRAGMA foreign_keys = ON;"
			       "PRAGMA cell_size_check = ON;"
			       "PRAGMA trusted_schema = OFF;";

static bool
execute(struct sled_ledger *ledger, const char *sql, struct sled_err *err)
{
	int code = sqlite3_exec(ledger->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK || sled_sql_fail(ledger, code, err);
}

/* ---- whose file is it? ---- */

static bool
pragma_number(struct sled_ledger *ledger, const char *sql, int64_t *out,
              struct sled_err *err)
{
	bool found;

	*out = 0;
	return sled_sql_number(ledger, &(const struct sled_sql){ sql, NULL, 0 },
	                       out, &found, err);
}

static bool
identify(struct sled_ledger *ledger, bool *empty, struct sled_err *err)
{
	int64_t application, tables;

	if (!pragma_number(ledger, "PRAGMA application_id", &application,
	                   err) ||
	    !pragma_number(ledger, "PRAGMA user_version", &ledger->version,
	                   err) ||
	    !pragma_number(ledger, "SELECT count(*) FROM sqlite_master",
	                   &tables, err))
		return false;
	*empty = application == 0 && ledger->version == 0 && tables == 0;
	if (*empty)
		return true;
	if (application != strtoll(APPLICATION, NULL, 10) ||
	    ledger->version < 1) {
		(void)sled_fail(err, SLED_ERR_DAMAGED,
		                "ledger %s: a database of another program",
		                ledger->shown);
		return sled_hint(err, SLED_REBUILD_HINT);
	}
	if (ledger->version > SLED_LEDGER_SCHEMA) {
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "ledger %s: schema %lld is newer than this "
		                "program's " VERSION,
		                ledger->shown, (long long)ledger->version);
		return sled_hint(err, "use the newer mailsled that wrote it");
	}
	return true;
}

/* Another process may have been first: look again with the lock held. */
static bool
make_tables(struct sled_ledger *ledger, struct sled_err *err)
{
	bool empty = false, ok;

	if (!sled_sql_enter(ledger, err))
		return false;
	ok = identify(ledger, &empty, err) &&
	     (!empty || execute(ledger, schema_1, err)) &&
	     (ledger->version >= 2 || execute(ledger, growth_2, err)) &&
	     (ledger->version >= 3 || execute(ledger, growth_3, err)) &&
	     (ledger->version >= 4 || execute(ledger, growth_4, err)) &&
	     (ledger->version >= 5 || execute(ledger, growth_5, err)) &&
	     (ledger->version >= 6 || execute(ledger, growth_6, err)) &&
	     (ledger->version >= 7 || execute(ledger, growth_7, err));
	if (!sled_sql_leave(ledger, ok, err))
		return false;
	ledger->version = SLED_LEDGER_SCHEMA;
	return true;
}

/* ---- opening ---- */

static bool
check_mode(void *ctx, struct sled_row *row, struct sled_err *err)
{
	char mode[16];

	sled_row_text(row, mode, sizeof(mode));
	if (strcmp(mode, "wal") == 0)
		return true;
	(void)sled_fail(err, SLED_ERR_PLACE,
	                "ledger %s: its file system has no shared memory",
	                (const char *)ctx);
	return sled_hint(err, "put it on a local disk: state = DIR in [store]");
}

static int
note_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct sled_ledger *ledger = ctx;

	(void)db;
	(void)name;
	ledger->wal_pages = pages;
	return SQLITE_OK;
}

static bool
missing(const struct sled_ledger *ledger, struct sled_err *err)
{
	return sled_fail(err, SLED_ERR_MISSING, "ledger %s: there is none",
	                 ledger->shown);
}

static bool
set_up(struct sled_ledger *ledger, struct sled_err *err)
{
	bool empty = false;

	(void)sqlite3_busy_timeout(ledger->db, 5000);
	if (!execute(ledger, settings, err) || !identify(ledger, &empty, err))
		return false;
	if (empty && ledger->mode != SLED_LEDGER_CREATE)
		return missing(ledger, err);
	if (ledger->mode == SLED_LEDGER_READ)
		return true;
	if (!sled_sql_each(ledger, SLED_SQL_PLAIN("PRAGMA journal_mode = WAL"),
	                   check_mode, ledger->shown, err))
		return false;
	(void)sqlite3_wal_hook(ledger->db, note_wal, ledger);
	return ledger->version == SLED_LEDGER_SCHEMA ||
	       make_tables(ledger, err);
}

static bool
open_database(struct sled_ledger *ledger, const char *path,
              struct sled_err *err)
{
	static const int flags[] = {
		[SLED_LEDGER_READ] = SQLITE_OPEN_READONLY,
		[SLED_LEDGER_WRITE] = SQLITE_OPEN_READWRITE,
		[SLED_LEDGER_CREATE] =
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
	};
	const struct sled_sys *sys = ledger->vfs->sys;
	struct stat st;
	int code;

	if (ledger->mode != SLED_LEDGER_CREATE &&
	    sys->fstatat(sys->ctx, AT_FDCWD, path, &st, 0) == -1) {
		if (errno == ENOENT)
			return missing(ledger, err);
		return sled_fail_sys(err, errno, "ledger %s", ledger->shown);
	}
	code = sqlite3_open_v2(path, &ledger->db,
	                       flags[ledger->mode] | SQLITE_OPEN_NOMUTEX |
	                           SQLITE_OPEN_EXRESCODE,
	                       ledger->vfs->base.zName);
	if (code != SQLITE_OK)
		return sled_sql_fail(ledger, code, err);
	return set_up(ledger, err);
}

static bool
make_mutex(struct sled_ledger *ledger, struct sled_err *err)
{
	pthread_mutexattr_t attr;
	int code = pthread_mutexattr_init(&attr);

	if (code == 0) {
		(void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
		code = pthread_mutex_init(&ledger->mutex, &attr);
		(void)pthread_mutexattr_destroy(&attr);
	}
	return code == 0 || sled_fail_sys(err, code, "ledger mutex");
}

bool
sled_ledger_open(struct sled_ledger **out, const struct sled_sys *sys,
                 const char *path, enum sled_ledger_mode mode,
                 struct sled_err *err)
{
	struct sled_ledger *ledger = calloc(1, sizeof(*ledger));

	if (ledger == NULL)
		return sled_fail_sys(err, ENOMEM, "ledger");
	ledger->mode = mode;
	sled_text_clip(ledger->shown, sizeof(ledger->shown),
	               (struct sled_span){ path, strlen(path) });
	if (!make_mutex(ledger, err)) {
		free(ledger);
		return false;
	}
	if (!sled_vfs_new(&ledger->vfs, sys, path, mode == SLED_LEDGER_READ,
	                  err) ||
	    !open_database(ledger, path, err)) {
		sled_ledger_close(&ledger);
		return false;
	}
	*out = ledger;
	return true;
}

static bool
check_word(void *ctx, struct sled_row *row, struct sled_err *err)
{
	char word[128];

	sled_row_text(row, word, sizeof(word));
	if (strcmp(word, "ok") == 0)
		return true;
	(void)sled_fail(err, SLED_ERR_DAMAGED, "ledger %s: %s",
	                (const char *)ctx, word);
	return sled_hint(err, SLED_REBUILD_HINT);
}

bool
sled_ledger_check(struct sled_ledger *ledger, struct sled_err *err)
{
	return sled_sql_each(ledger,
	                     SLED_SQL_PLAIN("PRAGMA integrity_check(1)"),
	                     check_word, ledger->shown, err);
}

void
sled_ledger_close(struct sled_ledger **closing)
{
	struct sled_ledger *ledger = *closing;

	*closing = NULL;
	if (ledger == NULL)
		return;
	sled_ledger_drop(ledger);
	sled_sql_finalize(ledger);
	if (ledger->db != NULL && ledger->mode != SLED_LEDGER_READ &&
	    !ledger->vfs->dead) {
		/* Not worth a wait: SQLite folds in what no reader needs. */
		(void)sqlite3_busy_timeout(ledger->db, 0);
		(void)sqlite3_wal_checkpoint_v2(
		    ledger->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	}
	(void)sqlite3_close(ledger->db);
	sled_vfs_free(&ledger->vfs);
	(void)pthread_mutex_destroy(&ledger->mutex);
	free(ledger);
}
