/* round.c - rows of rounds, and what they came to. See mailsled/ledger.h. */
#include <string.h>

#include "sql.h"

#define COLUMNS                                                      \
	"began, ms, link, path, dialled, ended, wire, billed_bytes," \
	" steps, money, currency, places"
#define MARKS "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12"
/* Visits outlive a ledger in the journal, rounds that died do not: an id that
 * a visit names is never given to another round. */
#define NEW_ID                                                    \
	"(SELECT 1 + max(ifnull((SELECT max(id) FROM round), 0)," \
	" ifnull((SELECT max(round) FROM visit), 0)))"

#define VALUES(r)                                                         \
	sled_value_int((r)->began), sled_value_int((r)->ms),              \
	    sled_value_text((r)->link), sled_value_text((r)->path),       \
	    sled_value_int((r)->dialled), sled_value_int((r)->over),      \
	    sled_value_u64((r)->wire), sled_value_u64((r)->billed_bytes), \
	    sled_value_u64((r)->steps), sled_value_u64((r)->money),       \
	    sled_value_text((r)->currency), sled_value_text((r)->places)

static bool
insert(struct sled_ledger *ledger, struct sled_round_row *row,
       struct sled_err *err)
{
	return sled_sql_insert(ledger,
	                       SLED_SQL("INSERT INTO round (" COLUMNS
	                                ", id) VALUES (" MARKS ", " NEW_ID ")",
	                                VALUES(row)),
	                       &row->id, err);
}

static bool
replace(struct sled_ledger *ledger, struct sled_round_row *row,
        struct sled_err *err)
{
	int64_t began = row->began;
	bool found = false;

	if (!sled_sql_number(ledger,
	                     SLED_SQL("SELECT began FROM round WHERE id = ?1",
	                              sled_value_int(row->id)),
	                     &began, &found, err))
		return false;
	if (began != row->began)
		return insert(ledger, row, err);
	return sled_sql_run(ledger,
	                    SLED_SQL("INSERT OR REPLACE INTO round (" COLUMNS
	                             ", id) VALUES (" MARKS ", ?13)",
	                             VALUES(row), sled_value_int(row->id)),
	                    err);
}

bool
sled_ledger_round_put(struct sled_ledger *ledger, struct sled_round_row *row,
                      struct sled_err *err)
{
	bool ok;

	if (!sled_sql_enter(ledger, err))
		return false;
	ok =
	    row->id == 0 ? insert(ledger, row, err) : replace(ledger, row, err);
	return sled_sql_leave(ledger, ok, err);
}

struct walk {
	sled_round_fn *each;
	void *ctx;
};

static bool
give_round(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct walk *walk = ctx;
	struct sled_round_row round;

	round.id = sled_row_int(row);
	round.began = sled_row_int(row);
	round.ms = sled_row_int(row);
	sled_row_text(row, round.link, sizeof(round.link));
	sled_row_text(row, round.path, sizeof(round.path));
	round.dialled = sled_row_bool(row);
	round.over = sled_row_bool(row);
	round.wire = sled_row_u64(row);
	round.billed_bytes = sled_row_u64(row);
	round.steps = sled_row_u64(row);
	round.money = sled_row_u64(row);
	sled_row_text(row, round.currency, sizeof(round.currency));
	sled_row_text(row, round.places, sizeof(round.places));
	return sled_row_end(row, err) && walk->each(walk->ctx, &round, err);
}

bool
sled_ledger_rounds(struct sled_ledger *ledger, int64_t since, uint64_t limit,
                   sled_round_fn *each, void *ctx, struct sled_err *err)
{
	struct walk walk = { each, ctx };
	int64_t most = limit > INT64_MAX || limit == 0 ? -1 : (int64_t)limit;

	return ledger->version < 3 ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT id, " COLUMNS " FROM round"
	                              " WHERE ?1 = 0 OR began >= ?1"
	                              " ORDER BY began DESC, id DESC LIMIT ?2",
	                              sled_value_int(since),
	                              sled_value_int(most)),
	                     give_round, &walk, err);
}

/* ---- sums ---- */

static void
add(uint64_t *sum, uint64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = UINT64_MAX;
}

/* Row by row: SQLite's sum() is signed, and fails where ours stops. */
static bool
add_spent(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct sled_spent *out = ctx;

	add(&out->bytes, sled_row_u64(row));
	add(&out->ms, sled_row_u64(row));
	add(&out->money, sled_row_u64(row));
	add(&out->steps, sled_row_u64(row));
	add(&out->rounds, 1);
	return sled_row_end(row, err);
}

bool
sled_ledger_spent(struct sled_ledger *ledger, const char *link, int64_t since,
                  int64_t until, struct sled_spent *out, struct sled_err *err)
{
	memset(out, 0, sizeof(*out));
	return ledger->version < 3 ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT billed_bytes, ms, money, steps"
	                              " FROM round WHERE link = ?1"
	                              " AND began >= ?2 AND began < ?3",
	                              sled_value_text(link),
	                              sled_value_int(since),
	                              sled_value_int(until)),
	                     add_spent, out, err);
}
