/* test_reader_query.c - what people type, and what they mistype. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "mailsled/reader.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define NOW         1795445431 /* 2026-11-23T14:50:31Z */

/* A table as the index has it, with three messages. */
static int
setup(void **state)
{
	static const char fill[] =
	    "CREATE VIRTUAL TABLE text USING fts5 (body, subject, sender, rcpt,"
	    " files, marks, content='', columnsize=0,"
	    " tokenize='unicode61 remove_diacritics 2');"
	    "INSERT INTO text (rowid, body, subject, sender, rcpt, files,"
	    " marks) VALUES (1, 'the new pump is here', 'P\u00fcmpe', "
	    "'Ada Lovelace <ada@example.org>', 'bo@example.org', 'plan.pdf',"
	    " '\u16a0every \u16a0attachment \u16a0a686f6d65 \u16a0t202 "
	    "\u16a0y2026 \u16a0m202603 \u16a0d20260314');"
	    "INSERT INTO text (rowid, body, subject, sender, rcpt, files,"
	    " marks) VALUES (2, 'pump new or old', 'Tea', 'Bo',"
	    " 'ada@example.org', '', '\u16a0every \u16a0a776f726b"
	    " \u16a0t202 \u16a0y2025 \u16a0m202512 \u16a0d20251231');"
	    "INSERT INTO text (rowid, body, subject, sender, rcpt, files,"
	    " marks) VALUES (3, ' \u65e5  \u672c  \u8a9e ', 'every', 'Cy',"
	    " '', '', '\u16a0every \u16a0a776f726b \u16a0t202"
	    " \u16a0y2026 \u16a0m202611 \u16a0d20261123');";
	sqlite3 *db = NULL;

	(void)setenv("TZ", "UTC", 1);
	tzset();
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, fill, NULL, NULL, NULL), SQLITE_OK);
	*state = db;
	return 0;
}

static int
teardown(void **state)
{
	return sqlite3_close(*state);
}

/* The messages that TEXT finds, as digits: "13". */
static void
find(sqlite3 *db, const char *text, char out[8])
{
	struct sled_query query;
	struct sled_err err = { 0 };
	sqlite3_stmt *stmt = NULL;
	size_t len = 0;
	int code;

	if (!sled_query_parse(&query, text, NOW, &err))
		fail_msg("%s: %s at %zu", text, err.text, query.fault);
	assert_int_equal(
	    sqlite3_prepare_v2(
		db, "SELECT rowid FROM text WHERE text MATCH ?1 ORDER BY rowid",
		-1, &stmt, NULL),
	    SQLITE_OK);
	(void)sqlite3_bind_text(stmt, 1, query.match.data, -1, SQLITE_STATIC);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
		out[len++] = (char)('0' + sqlite3_column_int(stmt, 0));
	if (code != SQLITE_DONE)
		fail_msg("%s: %s: %s", text, query.match.data,
		         sqlite3_errmsg(db));
	out[len] = '\0';
	(void)sqlite3_finalize(stmt);
	sled_query_free(&query);
}

static void
queries_find_what_they_say(void **state)
{
	static const char *const cases[][2] = {
		{ "pump", "12" },
		{ "PUMPE", "1" }, /* accents and case are folded */
		{ "pump pumpe", "1" },
		{ "\"new pump\"", "1" },
		{ "\"pump new\"", "2" },
		{ "pump -tea", "1" },
		{ "pump NOT tea", "1" },
		{ "-pump", "3" },
		{ "-pump -cy", "" },
		{ "pumpe OR tea", "12" },
		{ "pump pumpe OR tea", "12" }, /* OR binds first */
		{ "(pump pumpe) OR cy", "13" },
		{ "pumpe OR -pump", "13" },
		{ "pump -(tea OR nothing)", "1" },
		{ "from:ada", "1" },
		{ "FROM:Ada", "1" },
		{ "to:ada", "2" },
		{ "from:\"Ada Lovelace\"", "1" },
		{ "from:ada@example.org", "1" },
		{ "subject:tea", "2" },
		{ "subject:pump", "" },
		{ "body:tea", "" },
		{ "file:plan", "1" },
		{ "file:plan.pdf", "1" },
		{ "has:attachment", "1" },
		{ "-has:attachment", "23" },
		{ "account:home", "1" },
		{ "account:work", "23" },
		{ "account:hom", "" },
		{ "pum*", "12" },
		{ "lovel* pump", "1" },
		{ "before:2026", "2" },
		{ "before:2026-03-14", "2" },
		{ "before:2026-03-15", "12" },
		{ "after:2026-03-14", "13" },
		{ "after:2026-03-15", "3" },
		{ "after:2025-12-31 before:2026-11", "12" },
		{ "on:2026-03", "1" },
		{ "on:2025", "2" },
		{ "on:today", "3" },
		{ "after:0d", "3" },
		{ "after:1y", "123" },
		{ "before:30d", "12" },
		{ "after:2019", "123" },
		{ "before:2030 after:2020", "123" },
		{ "before:2020 after:2021", "" },
		{ "after:2026-11 before:2026-10", "" },
		{ "before:2026 OR on:2026-11", "23" },
		{ "every", "3" },      /* a word as any other */
		{ "attachment", "" },  /* the index's own words are not mail's */
		{ "a686f6d65", "" },
		{ "\u65e5\u672c", "3" },
		{ "\u672c\u8a9e", "3" },
		{ "\u65e5\u8a9e", "" },
		{ "12:30", "" },
		{ "http://example.org/x", "" },
	};
	char found[8];

	for (size_t i = 0; i < COUNT(cases); i++) {
		find(*state, cases[i][0], found);
		if (strcmp(found, cases[i][1]) != 0)
			fail_msg("%s found %s, not %s", cases[i][0], found,
			         cases[i][1]);
	}
}

static void
mistakes_are_told_with_their_place(void **state)
{
	static const struct {
		const char *text;
		size_t fault;
	} cases[] = {
		{ "", 0 },
		{ "   ", 3 },
		{ "pump form:ada", 5 },
		{ "pump from:", 10 },
		{ "pump from: ada", 10 },
		{ "pump \"no end", 5 },
		{ "pump (tea", 5 },
		{ "pump tea)", 8 },
		{ "()", 1 },
		{ "pump OR", 7 },
		{ "OR pump", 0 },
		{ "pump OR OR tea", 8 },
		{ "pump - tea", 6 },
		{ "pump -", 6 },
		{ "!!!", 0 },
		{ "pump \"...\"", 6 },
		{ "has:wheels", 4 },
		{ "before:yesteryear", 7 },
		{ "before:2026-13", 7 },
		{ "after:2026-02-30", 6 },
		{ "after:2026-1-1", 6 },
		{ "on:1969", 3 },
		{ "after:99999999d", 6 },
		{ "((((((((((((((((((x", 16 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sled_query query;
		struct sled_err err = { 0 };

		if (sled_query_parse(&query, cases[i].text, NOW, &err))
			fail_msg("accepted: %s", cases[i].text);
		assert_int_equal(err.kind, SLED_ERR_USAGE);
		if (query.fault != cases[i].fault)
			fail_msg("%s: told at %zu, not %zu", cases[i].text,
			         query.fault, cases[i].fault);
		sled_query_free(&query);
	}
}

/* What would be SQL, or FTS5's own words, is but words. */
static void
hostile_words_stay_words(void **state)
{
	static const char *const cases[] = {
		"pump'; DROP TABLE text; --",
		"pump\"\" marks:x\"",
		"NEAR(pump tea)",
		"{subject}:pump",
		"body : x",
		"^pump",
		"pump + tea",
		"a\xff\xfe b",
		"\xc3",
		"\xe2\x80\xae gpj.exe",
		"marks AND NOT pump",
		"pump*tea*",
		"\"pump*\"",
		"*pump",
		"a\\\"b",
	};
	char found[8];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sled_query query;
		struct sled_err err = { 0 };
		bool ok = sled_query_parse(&query, cases[i], NOW, &err);

		sled_query_free(&query);
		if (ok)
			find(*state, cases[i], found);
		else
			assert_int_equal(err.kind, SLED_ERR_USAGE);
	}
	find(*state, "pump", found);
	assert_string_equal(found, "12");
}

static void
endless_queries_are_refused(void **state)
{
	struct sled_query query;
	struct sled_err err = { 0 };
	char *text = malloc(100001);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 100000);
	text[100000] = '\0';
	assert_false(sled_query_parse(&query, text, NOW, &err));
	assert_int_equal(err.kind, SLED_ERR_USAGE);
	sled_query_free(&query);
	for (size_t i = 0; i < 4000; i++)
		text[i] = i % 2 == 0 ? 'x' : ' ';
	text[4000] = '\0';
	assert_false(sled_query_parse(&query, text, NOW, &err));
	assert_int_equal(err.kind, SLED_ERR_USAGE);
	sled_query_free(&query);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_find_what_they_say),
		cmocka_unit_test(mistakes_are_told_with_their_place),
		cmocka_unit_test(hostile_words_stay_words),
		cmocka_unit_test(endless_queries_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
