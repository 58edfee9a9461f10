/*
 * round.c - the bill of each use of a link: its row, and its journal line.
 *
 *   round    id began ms link path dialled over wire billed_bytes steps money
 *            currency places
 *
 * A round that ends in good order gets its line then. One that died with the
 * power has a row with what was last known of it, and gets its line when the
 * next one begins: sums of a day must survive a lost ledger. A line that comes
 * twice is one round: the id and the beginning are the same.
 */
#include <inttypes.h>
#include <stdio.h>

#include "mailsled/text.h"
#include "store/store.h"

#define TOLD "rounds_told" /* the last id whose round is known to have a line */
#define DEAD 32            /* more rounds never die in a row untold */

static bool
add_line(struct sled_buf *out, const struct sled_round_row *row,
         struct sled_err *err)
{
	const uint64_t values[] = {
		(uint64_t)row->id, (uint64_t)row->began,
		(uint64_t)row->ms, row->dialled,
		row->over,         row->wire,
		row->billed_bytes, row->steps,
		row->money,
	};
	char t[9][24];
	const char *const fields[] = { t[0],       t[1], t[2], row->link,
		                       row->path,  t[3], t[4], t[5],
		                       t[6],       t[7], t[8], row->currency,
		                       row->places };

	for (size_t i = 0; i < 9; i++)
		(void)snprintf(t[i], sizeof(t[i]), "%" PRIu64, values[i]);
	return sled_journal_line(out, row->began + row->ms / 1000, "round",
	                         fields, sizeof(fields) / sizeof(fields[0]),
	                         err);
}

struct dead {
	struct sled_buf lines;
	int64_t told, newest;
};

static bool
take_dead(void *ctx, const struct sled_round_row *row, struct sled_err *err)
{
	struct dead *dead = ctx;

	if (row->id > dead->newest)
		dead->newest = row->id;
	return row->over || row->id <= dead->told ||
	       add_line(&dead->lines, row, err);
}

static bool
read_told(struct sled_store *store, int64_t *told, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	uint64_t number = 0;
	bool found = false;
	bool ok = sled_ledger_get(store->ledger, TOLD, &text, &found, err);

	*told = ok && found && sled_text_u64(sled_buf_span(&text), &number)
	            ? (int64_t)number
	            : 0;
	sled_buf_free(&text);
	return ok;
}

/* Lines for rounds that died; the one that begins now has no row yet. */
static bool
tell_dead(struct sled_store *store, int64_t now, struct sled_err *err)
{
	struct dead dead = { .newest = 0 };
	char text[24];
	bool ok =
	    read_told(store, &dead.told, err) &&
	    sled_ledger_rounds(store->ledger, 0, DEAD, take_dead, &dead, err);

	if (ok && dead.lines.len > 0) {
		(void)snprintf(text, sizeof(text), "%" PRId64, dead.newest);
		ok = sled_journal_add(store, sled_buf_span(&dead.lines), now,
		                      err) &&
		     sled_ledger_put(store->ledger, TOLD, text, err);
	}
	sled_buf_free(&dead.lines);
	return ok;
}

bool
sled_store_round(struct sled_store *store, struct sled_round_row *row,
                 struct sled_err *err)
{
	struct sled_buf line = { 0 };
	bool ok;

	if (row->id == 0 && !tell_dead(store, row->began, err))
		return false;
	if (!sled_ledger_round_put(store->ledger, row, err))
		return false;
	if (!row->over)
		return true;
	ok = add_line(&line, row, err) &&
	     sled_journal_add(store, sled_buf_span(&line),
	                      row->began + row->ms / 1000, err);
	sled_buf_free(&line);
	return ok;
}
