/* aside.c - messages whose answer ended visits, and the order of the last
 * listing. See mailsled/ledger.h. */
#include "sql.h"

bool
sled_ledger_aside_put(struct sled_ledger *ledger,
                      const struct sled_aside_row *row, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR REPLACE INTO aside"
	             " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	             sled_value_int(row->maildrop), sled_value_text(row->uid),
	             sled_value_u64(row->size), sled_value_int(row->number),
	             sled_value_int(row->strikes), sled_value_int(row->again),
	             sled_value_text(row->why)),
	    err);
}

struct walk {
	sled_aside_fn *each;
	void *ctx;
};

static bool
give_aside(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct walk *walk = ctx;
	struct sled_aside_row aside;

	aside.maildrop = sled_row_int(row);
	sled_row_text(row, aside.uid, sizeof(aside.uid));
	aside.size = sled_row_u64(row);
	aside.number = (uint32_t)sled_row_u64(row);
	aside.strikes = (uint32_t)sled_row_u64(row);
	aside.again = sled_row_int(row);
	sled_row_text(row, aside.why, sizeof(aside.why));
	return sled_row_end(row, err) && walk->each(walk->ctx, &aside, err);
}

bool
sled_ledger_asides(struct sled_ledger *ledger, int64_t maildrop,
                   sled_aside_fn *each, void *ctx, struct sled_err *err)
{
	struct walk walk = { each, ctx };

	return ledger->version < 7 ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT maildrop, uid, size, number,"
	                              " strikes, again, why FROM aside"
	                              " WHERE maildrop = ?1",
	                              sled_value_int(maildrop)),
	                     give_aside, &walk, err);
}

bool
sled_ledger_aside_forget(struct sled_ledger *ledger,
                         const struct sled_aside_row *row, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("DELETE FROM aside WHERE maildrop = ?1 AND uid = ?2"
	             " AND size = ?3 AND number = ?4",
	             sled_value_int(row->maildrop), sled_value_text(row->uid),
	             sled_value_u64(row->size), sled_value_int(row->number)),
	    err);
}

/* ---- the order of the last listing ---- */

struct placed_walk {
	sled_placed_fn *each;
	void *ctx;
};

static bool
give_placed(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct placed_walk *walk = ctx;
	int64_t number = sled_row_int(row), message = sled_row_int(row);

	row->bad = row->bad || number < 1 || number > UINT32_MAX;
	return sled_row_end(row, err) &&
	       walk->each(walk->ctx, (uint32_t)number, message, err);
}

bool
sled_ledger_placed(struct sled_ledger *ledger, int64_t maildrop,
                   sled_placed_fn *each, void *ctx, struct sled_err *err)
{
	struct placed_walk walk = { each, ctx };

	return ledger->version < 7 ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT number, message FROM placed"
	                              " WHERE maildrop = ?1 ORDER BY number",
	                              sled_value_int(maildrop)),
	                     give_placed, &walk, err);
}

bool
sled_ledger_placed_put(struct sled_ledger *ledger, int64_t maildrop,
                       uint32_t number, int64_t message, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR REPLACE INTO placed VALUES (?1, ?2, ?3)",
	             sled_value_int(maildrop), sled_value_int(number),
	             sled_value_int(message)),
	    err);
}

bool
sled_ledger_placed_cut(struct sled_ledger *ledger, int64_t maildrop,
                       uint32_t from, struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("DELETE FROM placed"
	                             " WHERE maildrop = ?1 AND number >= ?2",
	                             sled_value_int(maildrop),
	                             sled_value_int(from)),
	                    err);
}
