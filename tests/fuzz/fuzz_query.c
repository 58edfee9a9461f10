/* fuzz_query.c - libFuzzer: any query is refused at a place in it, or makes an
 * expression that FTS5 takes and that reads no more than it says. */
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "mailsled/reader.h"

#define NOW 1795445431

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sqlite3_stmt *
prepare(void)
{
	static sqlite3 *db;
	static sqlite3_stmt *stmt;

	if (stmt != NULL)
		return stmt;
	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_exec(db,
	                 "CREATE VIRTUAL TABLE text USING fts5 (body, subject,"
	                 " sender, rcpt, files, marks, content='',"
	                 " columnsize=0);"
	                 "INSERT INTO text (rowid, body) VALUES (1, 'pump')",
	                 NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT rowid FROM text WHERE text MATCH ?1",
	                       -1, &stmt, NULL) != SQLITE_OK)
		abort();
	return stmt;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sqlite3_stmt *stmt = prepare();
	struct sled_query query;
	struct sled_err err = { 0 };
	char *text = malloc(size + 1);
	int code;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!sled_query_parse(&query, text, NOW, &err)) {
		if (err.kind != SLED_ERR_USAGE || query.fault > strlen(text))
			abort();
	} else {
		(void)sqlite3_bind_text(stmt, 1, query.match.data, -1,
		                        SQLITE_STATIC);
		while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
			continue;
		(void)sqlite3_reset(stmt);
		if (code != SQLITE_DONE)
			abort();
	}
	sled_query_free(&query);
	free(text);
	return 0;
}
