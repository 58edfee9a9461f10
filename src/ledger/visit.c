/* visit.c - rows of visits. See mailsled/ledger.h. */
#include "sql.h"

#define VALUES(v)                                                         \
	sled_value_text((v)->label), sled_value_int((v)->maildrop),       \
	    sled_value_int((v)->began), sled_value_int((v)->ms),          \
	    sled_value_u64((v)->listed), sled_value_u64((v)->fetched),    \
	    sled_value_u64((v)->deleted), sled_value_u64((v)->kept),      \
	    sled_value_u64((v)->held), sled_value_u64((v)->left),         \
	    sled_value_u64((v)->failed), sled_value_u64((v)->mail_bytes), \
	    sled_value_u64((v)->wire_down), sled_value_u64((v)->wire_up), \
	    sled_value_int((v)->resumed), sled_value_int((v)->exit),      \
	    sled_value_text((v)->error)

bool
sled_ledger_visit_put(struct sled_ledger *ledger, struct sled_visit_row *row,
                      struct sled_err *err)
{
	if (row->id == 0)
		return sled_sql_insert(
		    ledger,
		    SLED_SQL("INSERT INTO visit VALUES (NULL, ?1, ?2, ?3, ?4,"
		             " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
		             " ?15, ?16, ?17)",
		             VALUES(row)),
		    &row->id, err);
	return sled_sql_change(
	    ledger,
	    SLED_SQL("UPDATE visit SET label = ?1, maildrop = ?2, began = ?3,"
	             " ms = ?4, listed = ?5, fetched = ?6, deleted = ?7,"
	             " kept = ?8, held = ?9, left_there = ?10, failed = ?11,"
	             " mail_bytes = ?12, wire_down = ?13, wire_up = ?14,"
	             " resumed = ?15, exit = ?16, error = ?17"
	             " WHERE id = ?18",
	             VALUES(row), sled_value_int(row->id)),
	    "visit", err);
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

bool
sled_ledger_visits(struct sled_ledger *ledger, const char *label,
                   uint64_t limit, sled_visit_fn *each, void *ctx,
                   struct sled_err *err)
{
	struct walk walk = { each, ctx };
	bool all = limit == 0 || limit > INT64_MAX;

	return sled_sql_each(
	    ledger,
	    SLED_SQL("SELECT * FROM visit WHERE ?1 IS NULL OR label = ?1"
	             " ORDER BY began DESC, id DESC LIMIT ?2",
	             sled_value_text(label),
	             sled_value_int(all ? -1 : (int64_t)limit)),
	    give_visit, &walk, err);
}
