/* health.c - what is known of the places' health: members found damaged,
 * volumes taken out of a place, files of far places, checks now and then. See
 * mailsled/ledger.h. */
#include "sql.h"

/* A reader's ledger of an older schema has none of it. */
static bool
has_none(const struct sled_ledger *ledger)
{
	return ledger->version < 4;
}

/* ---- faults ---- */

bool
sled_ledger_fault_put(struct sled_ledger *ledger,
                      const struct sled_fault_row *row, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR REPLACE INTO fault VALUES (?1, ?2, ?3, ?4)",
	             sled_value_int(row->member), sled_value_text(row->place),
	             sled_value_int(row->found), sled_value_text(row->text)),
	    err);
}

bool
sled_ledger_fault_clear(struct sled_ledger *ledger, int64_t member,
                        const char *place, struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("DELETE FROM fault WHERE place = ?2"
	                             " AND (?1 = 0 OR member = ?1)",
	                             sled_value_int(member),
	                             sled_value_text(place)),
	                    err);
}

struct fault_walk {
	sled_fault_fn *each;
	void *ctx;
};

static bool
give_fault(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct fault_walk *walk = ctx;
	struct sled_fault_row fault;

	fault.member = sled_row_int(row);
	sled_row_text(row, fault.place, sizeof(fault.place));
	fault.found = sled_row_int(row);
	sled_row_text(row, fault.text, sizeof(fault.text));
	return sled_row_end(row, err) && walk->each(walk->ctx, &fault, err);
}

bool
sled_ledger_faults(struct sled_ledger *ledger, const char *place,
                   sled_fault_fn *each, void *ctx, struct sled_err *err)
{
	struct fault_walk walk = { each, ctx };

	return has_none(ledger) ||
	       sled_sql_each(
		   ledger,
		   SLED_SQL("SELECT f.member, f.place, f.found, f.text"
	                    " FROM fault f JOIN member m ON m.id = f.member"
	                    " WHERE (?1 IS NULL OR f.place = ?1)"
	                    " AND NOT EXISTS (SELECT 1 FROM holding h"
	                    " WHERE h.member = f.member"
	                    " AND h.place = f.place)"
	                    " ORDER BY f.place, m.volume, m.at",
	                    sled_value_text(place)),
		   give_fault, &walk, err);
}

/* ---- what was pruned ---- */

bool
sled_ledger_prune(struct sled_ledger *ledger, int64_t volume, const char *place,
                  struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR IGNORE INTO pruned VALUES (?1, ?2)",
	             sled_value_int(volume), sled_value_text(place)),
	    err);
}

bool
sled_ledger_unprune(struct sled_ledger *ledger, int64_t volume,
                    const char *place, struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("DELETE FROM pruned"
	                             " WHERE volume = ?1 AND place = ?2",
	                             sled_value_int(volume),
	                             sled_value_text(place)),
	                    err);
}

bool
sled_ledger_pruned(struct sled_ledger *ledger, int64_t volume,
                   const char *place, bool *out, struct sled_err *err)
{
	int64_t one = 0;

	*out = false;
	return has_none(ledger) ||
	       sled_sql_number(ledger,
	                       SLED_SQL("SELECT 1 FROM pruned"
	                                " WHERE volume = ?1 AND place = ?2",
	                                sled_value_int(volume),
	                                sled_value_text(place)),
	                       &one, out, err);
}

/* ---- checks now and then ---- */

bool
sled_ledger_health_put(struct sled_ledger *ledger,
                       const struct sled_health_row *row, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR REPLACE INTO health VALUES (?1, ?2, ?3, ?4)",
	             sled_value_text(row->kind), sled_value_int(row->at),
	             sled_value_int(row->fine), sled_value_text(row->text)),
	    err);
}

struct health_copy {
	struct sled_health_row *out;
	bool *found;
};

static bool
take_health(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct health_copy *copy = ctx;

	sled_row_text(row, copy->out->kind, sizeof(copy->out->kind));
	copy->out->at = sled_row_int(row);
	copy->out->fine = sled_row_bool(row);
	sled_row_text(row, copy->out->text, sizeof(copy->out->text));
	*copy->found = true;
	return sled_row_end(row, err);
}

bool
sled_ledger_health(struct sled_ledger *ledger, const char *kind,
                   struct sled_health_row *out, bool *found,
                   struct sled_err *err)
{
	struct health_copy copy = { out, found };

	*found = false;
	return has_none(ledger) ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT kind, at, fine, text FROM health"
	                              " WHERE kind = ?1",
	                              sled_value_text(kind)),
	                     take_health, &copy, err);
}

/* ---- files of far places ---- */

bool
sled_ledger_far_put(struct sled_ledger *ledger, const struct sled_far_row *row,
                    struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR REPLACE INTO far VALUES (?1, ?2, ?3, ?4, ?5)",
	             sled_value_text(row->place), sled_value_text(row->file),
	             sled_value_u64(row->octets), sled_value_hash(&row->sha256),
	             sled_value_int(row->checked)),
	    err);
}

bool
sled_ledger_far_forget(struct sled_ledger *ledger, const char *place,
                       const char *file, struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("DELETE FROM far"
	                             " WHERE place = ?1 AND file = ?2",
	                             sled_value_text(place),
	                             sled_value_text(file)),
	                    err);
}

struct far_walk {
	sled_far_fn *each;
	void *ctx;
};

static bool
give_far(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct far_walk *walk = ctx;
	struct sled_far_row far;

	sled_row_text(row, far.place, sizeof(far.place));
	sled_row_text(row, far.file, sizeof(far.file));
	far.octets = sled_row_u64(row);
	sled_row_hash(row, &far.sha256);
	far.checked = sled_row_int(row);
	return sled_row_end(row, err) && walk->each(walk->ctx, &far, err);
}

bool
sled_ledger_fars(struct sled_ledger *ledger, const char *place,
                 sled_far_fn *each, void *ctx, struct sled_err *err)
{
	struct far_walk walk = { each, ctx };

	return has_none(ledger) ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT place, file, octets, sha256,"
	                              " checked FROM far WHERE place = ?1"
	                              " ORDER BY file",
	                              sled_value_text(place)),
	                     give_far, &walk, err);
}
