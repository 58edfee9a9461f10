/* growth.c - sums by day: what came, and what was read back. See
 * mailsled/ledger.h. */
#include "sql.h"

struct growth_walk {
	sled_growth_fn *each;
	void *ctx;
};

static bool
give_growth(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct growth_walk *walk = ctx;
	struct sled_growth_row growth;

	sled_row_text(row, growth.label, sizeof(growth.label));
	growth.day = sled_row_int(row);
	growth.messages = sled_row_u64(row);
	growth.octets = sled_row_u64(row);
	return sled_row_end(row, err) && walk->each(walk->ctx, &growth, err);
}

bool
sled_ledger_growth(struct sled_ledger *ledger, sled_growth_fn *each, void *ctx,
                   struct sled_err *err)
{
	struct growth_walk walk = { each, ctx };

	return sled_sql_each(
	    ledger,
	    SLED_SQL_PLAIN("SELECT label, received / 86400 AS day, count(*),"
	                   " sum(octets) FROM message GROUP BY day, label"
	                   " ORDER BY day, label"),
	    give_growth, &walk, err);
}

struct read_walk {
	sled_read_fn *each;
	void *ctx;
};

static bool
give_read(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct read_walk *walk = ctx;
	struct sled_read_row read;

	read.day = sled_row_int(row);
	read.members = sled_row_u64(row);
	read.octets = sled_row_u64(row);
	return sled_row_end(row, err) && walk->each(walk->ctx, &read, err);
}

bool
sled_ledger_read_days(struct sled_ledger *ledger, const char *place,
                      sled_read_fn *each, void *ctx, struct sled_err *err)
{
	struct read_walk walk = { each, ctx };

	return sled_sql_each(
	    ledger,
	    SLED_SQL("SELECT h.verified / 86400 AS day, count(*),"
	             " sum(m.length) FROM holding h"
	             " JOIN member m ON m.id = h.member"
	             " WHERE h.place = ?1 GROUP BY day ORDER BY day",
	             sled_value_text(place)),
	    give_read, &walk, err);
}
