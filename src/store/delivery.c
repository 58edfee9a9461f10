/*
 * delivery.c - what was delivered, as the journal tells it:
 *   delivery  label target since through delivered waiting
 *
 * WAITING are the numbers up to THROUGH that the target lacks, as "3,7-12". A
 * line is written when a target is new, and behind each run that gave it
 * something, or the next one when that was cut off: a ledger that is lost
 * before has the target get that again, as far as it cannot tell by itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "store/store.h"

struct ranges {
	struct sled_buf text;
	uint64_t first, last; /* of the one that grows; 0: there is none */
};

static bool
end_range(struct ranges *ranges, struct sled_err *err)
{
	const char *comma = ranges->text.len > 0 ? "," : "";

	if (ranges->first == 0)
		return true;
	if (ranges->first == ranges->last)
		return sled_buf_printf(&ranges->text, err, "%s%" PRIu64, comma,
		                       ranges->first);
	return sled_buf_printf(&ranges->text, err, "%s%" PRIu64 "-%" PRIu64,
	                       comma, ranges->first, ranges->last);
}

static bool
add_number(void *ctx, const struct sled_undelivered_row *row,
           struct sled_err *err)
{
	struct ranges *ranges = ctx;

	if (ranges->first != 0 && row->number == ranges->last + 1) {
		ranges->last++;
		return true;
	}
	if (!end_range(ranges, err))
		return false;
	ranges->first = ranges->last = row->number;
	return true;
}

static bool
add_line(struct sled_buf *out, const struct sled_delivery_row *row,
         const char *waiting, int64_t now, struct sled_err *err)
{
	const uint64_t values[] = { row->since, row->through, row->delivered };
	char t[3][24];
	const char *const fields[] = { row->label, row->target, t[0],
		                       t[1],       t[2],        waiting };

	for (size_t i = 0; i < 3; i++)
		(void)snprintf(t[i], sizeof(t[i]), "%" PRIu64, values[i]);
	return sled_journal_line(out, now, "delivery", fields,
	                         sizeof(fields) / sizeof(fields[0]), err);
}

bool
sled_store_delivery(struct sled_store *store, struct sled_delivery_row *row,
                    int64_t now, struct sled_err *err)
{
	const struct sled_undelivered_query all = { .after = 0 };
	struct ranges waiting = { .first = 0 };
	struct sled_buf line = { 0 };
	bool ok =
	    sled_ledger_undelivered(store->ledger, row, &all, add_number,
	                            &waiting, err) &&
	    end_range(&waiting, err) &&
	    add_line(&line, row, waiting.text.len == 0 ? "" : waiting.text.data,
	             now, err) &&
	    sled_journal_add(store, sled_buf_span(&line), now, err);

	row->told = row->told || ok;
	ok = ok && sled_ledger_delivery_put(store->ledger, row, err);
	sled_buf_free(&line);
	sled_buf_free(&waiting.text);
	return ok;
}

/* ---- replaying ---- */

/* "7" or "7-12" at *AT, moved behind it and its comma. */
static bool
next_range(const char **at, uint64_t *first, uint64_t *last)
{
	char *end = NULL;

	if (**at < '0' || **at > '9')
		return false;
	*first = *last = strtoull(*at, &end, 10);
	if (*end == '-')
		*last = strtoull(end + 1, &end, 10);
	*at = end + (*end == ',');
	return true;
}

static bool
replay_waiting(struct sled_store *store, const struct sled_delivery_row *row,
               const char *text, struct sled_err *err)
{
	uint64_t first = 0, last = 0;

	if (!sled_ledger_undelivered_drop(store->ledger, row, 0, err))
		return false;
	while (next_range(&text, &first, &last))
		if (!sled_ledger_undelivered_add(store->ledger, row, first,
		                                 last, err))
			return false;
	return true;
}

/* The newest line is the one that has got furthest. */
bool
sled_delivery_replay(struct sled_store *store, const char *const *fields,
                     size_t len, int64_t when, struct sled_err *err)
{
	struct sled_delivery_row row = { .last = when, .told = true }, before;
	uint64_t *const numbers[] = { &row.since, &row.through,
		                      &row.delivered };
	bool found = false;

	if (len < 6 || strlen(fields[0]) >= sizeof(row.label) ||
	    strlen(fields[1]) >= sizeof(row.target))
		return true;
	(void)snprintf(row.label, sizeof(row.label), "%s", fields[0]);
	(void)snprintf(row.target, sizeof(row.target), "%s", fields[1]);
	for (size_t i = 0; i < 3; i++)
		if (!sled_text_u64((struct sled_span){ fields[2 + i],
		                                       strlen(fields[2 + i]) },
		                   numbers[i]))
			return true;
	if (!sled_ledger_delivery(store->ledger, row.label, row.target, &before,
	                          &found, err))
		return false;
	if (found &&
	    (before.through > row.through || before.delivered > row.delivered))
		return true;
	return sled_ledger_delivery_put(store->ledger, &row, err) &&
	       replay_waiting(store, &row, fields[5], err);
}
