/*
 * sql.h - the ledger's statements: prepared once, bound by value, read by
 * column, with the ledger's mutex and transactions around them.
 *
 * Contract
 *   A statement is known by the address of its text, so each text is a literal.
 *   Values are bound in order as ?1, ?2, ...; columns are read in order.
 *   Reads: sled_sql_each(). Writes: sled_sql_run() and its kin, each of them a
 *   transaction unless one is open; several together between sled_sql_enter()
 *   and sled_sql_leave(), which may be nested.
 */
#ifndef SLED_LEDGER_SQL_H
#define SLED_LEDGER_SQL_H

#include <pthread.h>
#include <stdbool.h>

#include <sqlite3.h>

#include "mailsled/ledger.h"
#include "mailsled/vfs.h"

#define SLED_REBUILD_HINT \
	"rebuild the ledger from the archives: mailsled rebuild"
#define SLED_SQL_CACHED 128 /* more than there are statements */

struct sled_sql_slot {
	const char *text;
	sqlite3_stmt *stmt;
	bool busy; /* being walked: a nested walk gets one of its own */
};

struct sled_ledger {
	sqlite3 *db;
	struct sled_vfs *vfs;
	pthread_mutex_t mutex; /* recursive */
	enum sled_ledger_mode mode;
	int64_t version; /* of the schema: below ours only when reading */
	unsigned depth;  /* of transactions: 0 when there is none */
	bool begun;      /* the outermost one is the caller's */
	bool doomed;     /* a write in it failed: doom says how */
	struct sled_err doom;
	unsigned walking; /* callbacks that are running */
	int wal_pages;
	struct sled_sql_slot cache[SLED_SQL_CACHED];
	char shown[128]; /* the path, fit for errors */
};

enum sled_value_kind {
	SLED_VALUE_INT,
	SLED_VALUE_TEXT,
	SLED_VALUE_BLOB,
	SLED_VALUE_NULL,
};

struct sled_value {
	enum sled_value_kind kind;
	int64_t number;
	struct sled_span bytes;
};

struct sled_sql {
	const char *text;
	const struct sled_value *values;
	size_t count;
};

#define SLED_VALUES(...) ((const struct sled_value[]){ __VA_ARGS__ })
/* A statement and its values: at least one. */
#define SLED_SQL(text, ...)                                           \
	(&(const struct sled_sql){ (text), SLED_VALUES(__VA_ARGS__),  \
	                           sizeof(SLED_VALUES(__VA_ARGS__)) / \
	                               sizeof(struct sled_value) })
#define SLED_SQL_PLAIN(text) (&(const struct sled_sql){ (text), NULL, 0 })

/* Numbers above INT64_MAX come back as they were, but sort below 0. */
struct sled_value sled_value_int(int64_t number);
struct sled_value sled_value_u64(uint64_t number);
/* An id that refers to another row: 0 is no row. */
struct sled_value sled_value_id(int64_t id);
/* NULL: no value. */
struct sled_value sled_value_text(const char *text);
struct sled_value sled_value_span(struct sled_span bytes);
struct sled_value sled_value_hash(const struct sled_hash *hash);

struct sled_row {
	sqlite3_stmt *stmt;
	int column;
	bool bad; /* a column held what this program never writes */
};

int64_t sled_row_int(struct sled_row *row);
uint64_t sled_row_u64(struct sled_row *row);
bool sled_row_bool(struct sled_row *row);
void sled_row_text(struct sled_row *row, char *out, size_t room);
void sled_row_hash(struct sled_row *row, struct sled_hash *out);
struct sled_span sled_row_span(struct sled_row *row);
/* DAMAGED when a column was bad. */
SLED_CHECK bool sled_row_end(const struct sled_row *row, struct sled_err *err);

typedef bool sled_row_fn(void *ctx, struct sled_row *row, struct sled_err *err);

SLED_CHECK bool sled_sql_each(struct sled_ledger *ledger,
                              const struct sled_sql *sql, sled_row_fn *each,
                              void *ctx, struct sled_err *err);
/* One number of one row. *found false and OUT untouched when none came. */
SLED_CHECK bool sled_sql_number(struct sled_ledger *ledger,
                                const struct sled_sql *sql, int64_t *out,
                                bool *found, struct sled_err *err);

SLED_CHECK bool sled_sql_enter(struct sled_ledger *ledger,
                               struct sled_err *err);
/* OK false: something in it failed as *err says. Returns false then, or when
 * the commit failed; nothing of it is kept. */
SLED_CHECK bool sled_sql_leave(struct sled_ledger *ledger, bool ok,
                               struct sled_err *err);

SLED_CHECK bool sled_sql_run(struct sled_ledger *ledger,
                             const struct sled_sql *sql, struct sled_err *err);
/* MISSING, named WHAT, when it changed no row. */
SLED_CHECK bool sled_sql_change(struct sled_ledger *ledger,
                                const struct sled_sql *sql, const char *what,
                                struct sled_err *err);
/* The new row's id into *id. */
SLED_CHECK bool sled_sql_insert(struct sled_ledger *ledger,
                                const struct sled_sql *sql, int64_t *id,
                                struct sled_err *err);

/* What SQLite's last failure CODE was, as ours. Always returns false. */
bool sled_sql_fail(struct sled_ledger *ledger, int code, struct sled_err *err);
void sled_sql_finalize(struct sled_ledger *ledger);

#endif
