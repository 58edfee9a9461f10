/* visit.c - rows of visits. See mailsled/ledger.h. */
#include "sql.h"

/* Those of schema 1, and what 2 and 3 have more. */
#define COLUMNS_1                                                             \
	"label, maildrop, began, ms, listed, fetched, deleted, kept, held,"   \
	" left_there, failed, mail_bytes, wire_down, wire_up, resumed, exit," \
	" error"
#define COLUMNS_2                                                              \
	"ms_connect, ms_tls, ms_login, ms_list, ms_fetch, ms_save, ms_delete," \
	" round_trips, rtt_ms, segs_down, segs_up, retrans, offered, eager"
#define NONE_2    "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0"
#define COLUMNS_3 "round, path, up_ms, alive_ms, cut, held_bytes, left_bytes"
#define NONE_3    "0, '', 0, 0, 0, 0, 0"
#define COLUMNS   COLUMNS_1 ", " COLUMNS_2 ", " COLUMNS_3
#define MARKS                                                          \
	"?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14," \
	" ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26," \
	" ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38"
#define NEWEST                                                         \
	" FROM visit WHERE (?1 IS NULL OR label = ?1) AND began >= ?3" \
	" ORDER BY began DESC, id DESC LIMIT ?2"
#define NEWEST_BY                     \
	" FROM visit WHERE path = ?1" \
	" ORDER BY began DESC, id DESC LIMIT ?2"

#define VALUES(v)                                                          \
	sled_value_text((v)->label), sled_value_int((v)->maildrop),        \
	    sled_value_int((v)->began), sled_value_int((v)->ms),           \
	    sled_value_u64((v)->listed), sled_value_u64((v)->fetched),     \
	    sled_value_u64((v)->deleted), sled_value_u64((v)->kept),       \
	    sled_value_u64((v)->held), sled_value_u64((v)->left),          \
	    sled_value_u64((v)->failed), sled_value_u64((v)->mail_bytes),  \
	    sled_value_u64((v)->wire_down), sled_value_u64((v)->wire_up),  \
	    sled_value_int((v)->resumed), sled_value_int((v)->exit),       \
	    sled_value_text((v)->error), sled_value_int((v)->ms_connect),  \
	    sled_value_int((v)->ms_tls), sled_value_int((v)->ms_login),    \
	    sled_value_int((v)->ms_list), sled_value_int((v)->ms_fetch),   \
	    sled_value_int((v)->ms_save), sled_value_int((v)->ms_delete),  \
	    sled_value_int((v)->round_trips), sled_value_int((v)->rtt_ms), \
	    sled_value_u64((v)->segs_down), sled_value_u64((v)->segs_up),  \
	    sled_value_u64((v)->retrans), sled_value_int((v)->offered),    \
	    sled_value_int((v)->eager), sled_value_int((v)->round),        \
	    sled_value_text((v)->path), sled_value_int((v)->up_ms),        \
	    sled_value_int((v)->alive_ms), sled_value_int((v)->cut),       \
	    sled_value_u64((v)->held_bytes), sled_value_u64((v)->left_bytes)

bool
sled_ledger_visit_put(struct sled_ledger *ledger, struct sled_visit_row *row,
                      struct sled_err *err)
{
	if (row->id == 0)
		return sled_sql_insert(ledger,
		                       SLED_SQL("INSERT INTO visit (" COLUMNS
		                                ") VALUES (" MARKS ")",
		                                VALUES(row)),
		                       &row->id, err);
	return sled_sql_change(ledger,
	                       SLED_SQL("UPDATE visit SET (" COLUMNS
	                                ") = (" MARKS ")"
	                                " WHERE id = ?39",
	                                VALUES(row), sled_value_int(row->id)),
	                       "visit", err);
}

static void
read_more(struct sled_row *row, struct sled_visit_row *visit)
{
	visit->ms_connect = sled_row_int(row);
	visit->ms_tls = sled_row_int(row);
	visit->ms_login = sled_row_int(row);
	visit->ms_list = sled_row_int(row);
	visit->ms_fetch = sled_row_int(row);
	visit->ms_save = sled_row_int(row);
	visit->ms_delete = sled_row_int(row);
	visit->round_trips = (uint32_t)sled_row_int(row);
	visit->rtt_ms = (uint32_t)sled_row_int(row);
	visit->segs_down = sled_row_u64(row);
	visit->segs_up = sled_row_u64(row);
	visit->retrans = sled_row_u64(row);
	visit->offered = sled_row_bool(row);
	visit->eager = sled_row_bool(row);
}

static void
read_round(struct sled_row *row, struct sled_visit_row *visit)
{
	visit->round = sled_row_int(row);
	sled_row_text(row, visit->path, sizeof(visit->path));
	visit->up_ms = sled_row_int(row);
	visit->alive_ms = sled_row_int(row);
	visit->cut = sled_row_bool(row);
	visit->held_bytes = sled_row_u64(row);
	visit->left_bytes = sled_row_u64(row);
}

static void
read_visit(struct sled_row *row, struct sled_visit_row *visit)
{
	visit->id = sled_row_int(row);
	sled_row_text(row, visit->label, sizeof(visit->label));
	visit->maildrop = sled_row_int(row);
	visit->began = sled_row_int(row);
	visit->ms = sled_row_int(row);
	visit->listed = sled_row_u64(row);
	visit->fetched = sled_row_u64(row);
	visit->deleted = sled_row_u64(row);
	visit->kept = sled_row_u64(row);
	visit->held = sled_row_u64(row);
	visit->left = sled_row_u64(row);
	visit->failed = sled_row_u64(row);
	visit->mail_bytes = sled_row_u64(row);
	visit->wire_down = sled_row_u64(row);
	visit->wire_up = sled_row_u64(row);
	visit->resumed = sled_row_bool(row);
	visit->exit = (int)sled_row_int(row);
	sled_row_text(row, visit->error, sizeof(visit->error));
	read_more(row, visit);
	read_round(row, visit);
}

struct walk {
	sled_visit_fn *each;
	void *ctx;
};

static bool
give_visit(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct walk *walk = ctx;
	struct sled_visit_row visit;

	read_visit(row, &visit);
	return sled_row_end(row, err) && walk->each(walk->ctx, &visit, err);
}

/* What the limits of the contract are to SQLite: below 0 is none. */
static struct sled_value
limit_value(uint64_t limit)
{
	return sled_value_int(limit > INT64_MAX || limit == 0 ? -1
	                                                      : (int64_t)limit);
}

static bool
each_visit(struct sled_ledger *ledger, const struct sled_value values[3],
           struct walk *walk, struct sled_err *err)
{
	struct sled_sql sql = { "SELECT id, " COLUMNS NEWEST, values, 3 };

	if (ledger->version == 1)
		sql.text =
		    "SELECT id, " COLUMNS_1 ", " NONE_2 ", " NONE_3 NEWEST;
	else if (ledger->version == 2)
		sql.text =
		    "SELECT id, " COLUMNS_1 ", " COLUMNS_2 ", " NONE_3 NEWEST;
	return sled_sql_each(ledger, &sql, give_visit, walk, err);
}

bool
sled_ledger_visit_began(struct sled_ledger *ledger, int64_t maildrop,
                        int64_t until, int64_t *began, struct sled_err *err)
{
	bool found = false;

	*began = 0;
	return sled_sql_number(ledger,
	                       SLED_SQL("SELECT began FROM visit"
	                                " WHERE maildrop = ?1 AND began <= ?2"
	                                " ORDER BY began DESC LIMIT 1",
	                                sled_value_int(maildrop),
	                                sled_value_int(until)),
	                       began, &found, err);
}

bool
sled_ledger_visits(struct sled_ledger *ledger, const char *label,
                   uint64_t limit, sled_visit_fn *each, void *ctx,
                   struct sled_err *err)
{
	const struct sled_value values[] = { sled_value_text(label),
		                             limit_value(limit),
		                             sled_value_int(INT64_MIN) };

	return each_visit(ledger, values, &(struct walk){ each, ctx }, err);
}

bool
sled_ledger_visits_since(struct sled_ledger *ledger, int64_t since,
                         sled_visit_fn *each, void *ctx, struct sled_err *err)
{
	const struct sled_value values[] = { sled_value_text(NULL),
		                             limit_value(0),
		                             sled_value_int(since) };

	return each_visit(ledger, values, &(struct walk){ each, ctx }, err);
}

bool
sled_ledger_visits_by(struct sled_ledger *ledger, const char *path,
                      uint64_t limit, sled_visit_fn *each, void *ctx,
                      struct sled_err *err)
{
	struct walk walk = { each, ctx };

	return ledger->version < 3 ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT id, " COLUMNS NEWEST_BY,
	                              sled_value_text(path),
	                              limit_value(limit)),
	                     give_visit, &walk, err);
}
