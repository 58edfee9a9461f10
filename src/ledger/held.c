/* held.c - mail that stays on its server. See mailsled/ledger.h. */
#include "sql.h"

#define COLUMNS                                                        \
	"id, maildrop, uid, size, first_seen, last_seen, listed,"      \
	" previewed, head_sha256, head_octets, sender, subject, date," \
	" text, decision, decided, lapsed"
#define MARKS                                                          \
	"?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14," \
	" ?15, ?16, ?17"

bool
sled_ledger_held_put(struct sled_ledger *ledger,
                     const struct sled_held_row *row, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL(
		"INSERT OR REPLACE INTO held (" COLUMNS ") VALUES (" MARKS ")",
		sled_value_text(row->id), sled_value_int(row->maildrop),
		sled_value_text(row->uid), sled_value_u64(row->size),
		sled_value_int(row->first_seen), sled_value_int(row->last_seen),
		sled_value_int(row->listed), sled_value_int(row->previewed),
		sled_value_hash(&row->head_sha256),
		sled_value_u64(row->head_octets), sled_value_span(row->from),
		sled_value_span(row->subject), sled_value_span(row->date),
		sled_value_span(row->text), sled_value_int(row->decision),
		sled_value_int(row->decided), sled_value_text(row->lapsed)),
	    err);
}

struct walk {
	sled_held_fn *each;
	void *ctx;
};

static enum sled_decision
read_decision(struct sled_row *row)
{
	int64_t number = sled_row_int(row);

	if (number < SLED_DECIDE_NONE || number > SLED_DECIDE_DROP) {
		row->bad = true;
		return SLED_DECIDE_NONE;
	}
	return (enum sled_decision)number;
}

static bool
give_held(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct walk *walk = ctx;
	struct sled_held_row held;

	sled_row_text(row, held.id, sizeof(held.id));
	held.maildrop = sled_row_int(row);
	sled_row_text(row, held.uid, sizeof(held.uid));
	held.size = sled_row_u64(row);
	held.first_seen = sled_row_int(row);
	held.last_seen = sled_row_int(row);
	held.listed = sled_row_bool(row);
	held.previewed = sled_row_bool(row);
	sled_row_hash(row, &held.head_sha256);
	held.head_octets = sled_row_u64(row);
	held.from = sled_row_span(row);
	held.subject = sled_row_span(row);
	held.date = sled_row_span(row);
	held.text = sled_row_span(row);
	held.decision = read_decision(row);
	held.decided = sled_row_int(row);
	sled_row_text(row, held.lapsed, sizeof(held.lapsed));
	return sled_row_end(row, err) && walk->each(walk->ctx, &held, err);
}

bool
sled_ledger_held(struct sled_ledger *ledger, int64_t maildrop, const char *id,
                 sled_held_fn *each, void *ctx, struct sled_err *err)
{
	struct walk walk = { each, ctx };

	return ledger->version < 3 ||
	       sled_sql_each(
		   ledger,
		   SLED_SQL(
		       "SELECT " COLUMNS " FROM held"
		       " WHERE (?1 = 0 OR maildrop = ?1)"
		       " AND (?2 IS NULL OR substr(id, 1, length(?2)) = ?2)"
		       " ORDER BY size, id",
		       sled_value_int(maildrop), sled_value_text(id)),
		   give_held, &walk, err);
}

bool
sled_ledger_held_forget(struct sled_ledger *ledger, const char *id,
                        struct sled_err *err)
{
	return sled_sql_change(
	    ledger,
	    SLED_SQL("DELETE FROM held WHERE id = ?1", sled_value_text(id)),
	    "held mail", err);
}
