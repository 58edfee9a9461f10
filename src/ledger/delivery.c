/* delivery.c - what each target of an account has got. See mailsled/ledger.h. */
#include <string.h>

#include "sql.h"

#define COLUMNS                                                   \
	"label, target, since, through, delivered, last, trying," \
	" trying_at, trying_node, failed, why, told"
#define WHOSE(d) sled_value_text((d)->label), sled_value_text((d)->target)

/* A reader's ledger of an older schema has none of it. */
static bool
has_none(const struct sled_ledger *ledger)
{
	return ledger->version < 6;
}

/* ---- targets ---- */

struct taken {
	struct sled_delivery_row *out;
	bool *found;
};

static bool
take_delivery(void *ctx, struct sled_row *row, struct sled_err *err)
{
	const struct taken *taken = ctx;
	struct sled_delivery_row *out = taken->out;

	*taken->found = true;
	sled_row_text(row, out->label, sizeof(out->label));
	sled_row_text(row, out->target, sizeof(out->target));
	out->since = sled_row_u64(row);
	out->through = sled_row_u64(row);
	out->delivered = sled_row_u64(row);
	out->last = sled_row_int(row);
	out->trying = sled_row_u64(row);
	out->trying_at = sled_row_u64(row);
	out->trying_node = sled_row_u64(row);
	out->failed = sled_row_int(row);
	sled_row_text(row, out->why, sizeof(out->why));
	out->told = sled_row_bool(row);
	return sled_row_end(row, err);
}

bool
sled_ledger_delivery(struct sled_ledger *ledger, const char *label,
                     const char *target, struct sled_delivery_row *out,
                     bool *found, struct sled_err *err)
{
	struct taken taken = { out, found };

	*found = false;
	return has_none(ledger) ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT " COLUMNS " FROM delivery"
	                              " WHERE label = ?1 AND target = ?2",
	                              sled_value_text(label),
	                              sled_value_text(target)),
	                     take_delivery, &taken, err);
}

bool
sled_ledger_delivery_put(struct sled_ledger *ledger,
                         const struct sled_delivery_row *row,
                         struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL(
		"INSERT OR REPLACE INTO delivery (" COLUMNS ") VALUES"
		" (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
		WHOSE(row), sled_value_u64(row->since),
		sled_value_u64(row->through), sled_value_u64(row->delivered),
		sled_value_int(row->last), sled_value_u64(row->trying),
		sled_value_u64(row->trying_at),
		sled_value_u64(row->trying_node), sled_value_int(row->failed),
		sled_value_text(row->why), sled_value_int(row->told)),
	    err);
}

bool
sled_ledger_delivery_pass(struct sled_ledger *ledger, const char *label,
                          uint64_t first, uint64_t last, struct sled_err *err)
{
	bool ok;

	if (!sled_sql_enter(ledger, err))
		return false;
	ok =
	    sled_sql_run(
		ledger,
		SLED_SQL("INSERT OR IGNORE INTO undelivered"
	                 " SELECT d.label, d.target, m.number, 0, 0, ''"
	                 " FROM delivery d JOIN message m"
	                 " ON m.label = d.label AND m.number > d.through"
	                 " WHERE d.label = ?1 AND m.number < ?2",
	                 sled_value_text(label), sled_value_u64(first)),
		err) &&
	    sled_sql_run(ledger,
	                 SLED_SQL("UPDATE delivery SET through = ?2, told = 0"
	                          " WHERE label = ?1 AND through < ?2",
	                          sled_value_text(label), sled_value_u64(last)),
	                 err);
	return sled_sql_leave(ledger, ok, err);
}

/* ---- what they lack ---- */

bool
sled_ledger_undelivered_put(struct sled_ledger *ledger,
                            const struct sled_delivery_row *whose,
                            const struct sled_undelivered_row *row,
                            struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("INSERT OR REPLACE INTO undelivered"
	                             " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	                             WHOSE(whose), sled_value_u64(row->number),
	                             sled_value_int(row->tries),
	                             sled_value_int(row->last),
	                             sled_value_text(row->why)),
	                    err);
}

bool
sled_ledger_undelivered_add(struct sled_ledger *ledger,
                            const struct sled_delivery_row *whose,
                            uint64_t first, uint64_t last, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR IGNORE INTO undelivered"
	             " SELECT ?1, ?2, number, 0, 0, '' FROM message"
	             " WHERE label = ?1 AND number BETWEEN ?3 AND ?4",
	             WHOSE(whose), sled_value_u64(first), sled_value_u64(last)),
	    err);
}

bool
sled_ledger_undelivered_drop(struct sled_ledger *ledger,
                             const struct sled_delivery_row *whose,
                             uint64_t number, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("DELETE FROM undelivered WHERE label = ?1"
	             " AND target = ?2 AND (?3 = 0 OR number = ?3)",
	             WHOSE(whose), sled_value_u64(number)),
	    err);
}

struct walk {
	sled_undelivered_fn *each;
	void *ctx;
};

static bool
give_undelivered(void *ctx, struct sled_row *row, struct sled_err *err)
{
	const struct walk *walk = ctx;
	struct sled_undelivered_row out;

	out.number = sled_row_u64(row);
	out.tries = (unsigned)sled_row_int(row);
	out.last = sled_row_int(row);
	sled_row_text(row, out.why, sizeof(out.why));
	return sled_row_end(row, err) && walk->each(walk->ctx, &out, err);
}

bool
sled_ledger_undelivered(struct sled_ledger *ledger,
                        const struct sled_delivery_row *whose,
                        const struct sled_undelivered_query *query,
                        sled_undelivered_fn *each, void *ctx,
                        struct sled_err *err)
{
	struct walk walk = { each, ctx };
	int64_t most = query->limit > INT64_MAX || query->limit == 0
	                   ? -1
	                   : (int64_t)query->limit;

	return has_none(ledger) ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT number, tries, last, why"
	                              " FROM undelivered WHERE label = ?1"
	                              " AND target = ?2 AND number > ?3"
	                              " ORDER BY number LIMIT ?4",
	                              WHOSE(whose),
	                              sled_value_u64(query->after),
	                              sled_value_int(most)),
	                     give_undelivered, &walk, err);
}

/* What was imported is passed over by each target. */
bool
sled_ledger_waiting(struct sled_ledger *ledger,
                    const struct sled_delivery_row *whose, uint64_t *out,
                    struct sled_err *err)
{
	int64_t count = 0;
	bool found = false;

	*out = 0;
	if (has_none(ledger))
		return true;
	if (!sled_sql_number(
		ledger,
		SLED_SQL("SELECT (SELECT count(*) FROM undelivered"
	                 " WHERE label = ?1 AND target = ?2) +"
	                 " (SELECT count(*) FROM message WHERE label = ?1"
	                 " AND number > ?3 AND flags & ?4 = 0)",
	                 WHOSE(whose), sled_value_u64(whose->through),
	                 sled_value_int(SLED_MESSAGE_IMPORTED)),
		&count, &found, err))
		return false;
	*out = (uint64_t)count;
	return true;
}
