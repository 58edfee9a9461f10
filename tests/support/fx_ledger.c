/* fx_ledger.c - see fx_ledger.h. */
#include "fx_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

/* Frozen: what is out there does not change with the program. */
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
    "PRAGMA application_id = 1297304396; PRAGMA user_version = 1;"

    "INSERT INTO fact VALUES ('store', 'old');"
    "INSERT INTO maildrop (id, server, user, first_visit, exact)"
    " VALUES (1, 'pop.example.org', 'ada', 66, 5);"
    "INSERT INTO message VALUES (NULL, 1, 'home', 1, 'uid-1',"
    " zeroblob(32), 9, 9, zeroblob(32), 0, 70, 'rec-1', 'home/1.eml',"
    " NULL, 0, 0, 0, 0, 1, x'', x'', x'', 0);"
    "INSERT INTO visit VALUES (NULL, 'home', 1, 77, 1, 2, 3, 4, 5, 6, 7,"
    " 8, 9, 10, 11, 1, 75, 'cut off');";

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

static void
insist(bool ok, const struct sled_err *err)
{
	if (ok)
		return;
	(void)fprintf(stderr, "%s (%s)\n", err->text, err->where);
	abort();
}

const char *
fx_ledger_path(const struct fx_tmp *tmp, char out[512])
{
	(void)snprintf(out, 512, "%s/ledger.db", tmp->path);
	return out;
}

struct sled_ledger *
fx_ledger_open(const struct fx_tmp *tmp, const struct sled_sys *sys,
               enum sled_ledger_mode mode)
{
	struct sled_ledger *ledger = NULL;
	struct sled_err err = { 0 };
	char path[512];

	insist(sled_ledger_open(&ledger, sys == NULL ? sled_sys_posix() : sys,
	                        fx_ledger_path(tmp, path), mode, &err),
	       &err);
	return ledger;
}

void
fx_ledger_sql(const struct fx_tmp *tmp, const char *sql)
{
	char path[512], *said = NULL;
	sqlite3 *db = NULL;

	if (sqlite3_open(fx_ledger_path(tmp, path), &db) != SQLITE_OK ||
	    sqlite3_exec(db, sql, NULL, NULL, &said) != SQLITE_OK ||
	    sqlite3_close(db) != SQLITE_OK) {
		(void)fprintf(stderr, "%s\n", said == NULL ? path : said);
		abort();
	}
}

void
fx_ledger_old(const struct fx_tmp *tmp, int schema)
{
	fx_ledger_sql(tmp, "PRAGMA journal_mode = WAL;");
	fx_ledger_sql(tmp, schema_1);
	if (schema > 1)
		fx_ledger_sql(tmp, growth_2);
}

struct sled_message
fx_ledger_message(uint64_t number)
{
	struct sled_message message = { 0 };

	message.maildrop = 1;
	message.number = number;
	message.octets = 1000 + number;
	message.listed = 1000 + number;
	message.received = 1700000000 + (int64_t)number;
	message.on_server = true;
	(void)snprintf(message.label, sizeof(message.label), "home");
	(void)snprintf(message.uid, sizeof(message.uid), "uid-%llu",
	               (unsigned long long)number);
	(void)snprintf(message.record, sizeof(message.record), "rec-%llu",
	               (unsigned long long)number);
	(void)snprintf(message.entry, sizeof(message.entry), "home/%llu.eml",
	               (unsigned long long)number);
	for (size_t i = 0; i < 8; i++)
		message.sha256.b[i] = (uint8_t)(number >> (8 * (7 - i)));
	message.from = (struct sled_span){ "ada", 3 };
	return message;
}

bool
fx_ledger_put(struct sled_ledger *ledger, uint64_t number, struct sled_err *err)
{
	struct sled_message message = fx_ledger_message(number);

	return sled_ledger_message_put(ledger, &message, err);
}

uint64_t
fx_ledger_count(struct sled_ledger *ledger)
{
	struct sled_message_counts counts;
	struct sled_err err = { 0 };

	insist(sled_ledger_counts(ledger, NULL, &counts, &err), &err);
	return counts.messages;
}

static void
keep(char *out, size_t room, struct sled_span span)
{
	(void)snprintf(out, room, "%.*s", (int)span.len, span.data);
}

bool
fx_ledger_collect(void *ctx, const struct sled_message *message,
                  struct sled_err *err)
{
	struct fx_numbers *numbers = ctx;
	size_t len = strlen(numbers->text);

	(void)err;
	(void)snprintf(numbers->text + len, sizeof(numbers->text) - len,
	               "%s%llu", len == 0 ? "" : " ",
	               (unsigned long long)message->number);
	numbers->last = *message;
	keep(numbers->from, sizeof(numbers->from), message->from);
	keep(numbers->subject, sizeof(numbers->subject), message->subject);
	return true;
}
