/* volume.c - volumes, members and holdings. See mailsled/ledger.h. */
#include "sql.h"

#define VOLUME_COLUMNS \
	"id, label, name, maildrop, committed, receipts, turned, sha256"
/* A month, then a count that may outgrow its three digits. */
#define VOLUME_ORDER   "label, substr(name, 1, 8), length(name), name"
#define MEMBER_COLUMNS "id, volume, at, length, tar_octets, body_sha256"

/* ---- volumes ---- */

enum {
	OPEN,
	TURNED,
	SEALED
}; /* and SEALED + revision; -revision for one that is turned only */

static int64_t
state_of(const struct sled_volume_row *row)
{
	if (row->sealed)
		return SEALED + (int64_t)row->revision;
	if (row->turned && row->revision > 0)
		return -(int64_t)row->revision;
	return row->turned ? TURNED : OPEN;
}

static void
take_state(struct sled_volume_row *row, int64_t state)
{
	row->turned = state != OPEN;
	row->sealed = state >= SEALED;
	row->revision = state > SEALED ? (unsigned)(state - SEALED)
	                : state < OPEN ? (unsigned)-state
	                               : 0;
}

struct volume_walk {
	sled_volume_fn *each;
	void *ctx;
};

static bool
give_volume(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct volume_walk *walk = ctx;
	struct sled_volume_row volume;

	volume.id = sled_row_int(row);
	sled_row_text(row, volume.label, sizeof(volume.label));
	sled_row_text(row, volume.name, sizeof(volume.name));
	volume.maildrop = sled_row_int(row);
	volume.end = sled_row_u64(row);
	volume.receipts = (unsigned)sled_row_int(row);
	take_state(&volume, sled_row_int(row));
	sled_row_hash(row, &volume.sha256);
	return sled_row_end(row, err) && walk->each(walk->ctx, &volume, err);
}

struct volume_copy {
	struct sled_volume_row *out;
	bool *found;
};

static bool
copy_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct volume_copy *copy = ctx;

	(void)err;
	*copy->out = *row;
	*copy->found = true;
	return true;
}

static bool
one_volume(struct sled_ledger *ledger, const struct sled_sql *sql,
           struct sled_volume_row *out, bool *found, struct sled_err *err)
{
	struct volume_copy copy = { out, found };
	struct volume_walk walk = { copy_volume, &copy };

	*found = false;
	return sled_sql_each(ledger, sql, give_volume, &walk, err);
}

bool
sled_ledger_volume_put(struct sled_ledger *ledger, struct sled_volume_row *row,
                       struct sled_err *err)
{
	if (row->id == 0)
		return sled_sql_insert(
		    ledger,
		    SLED_SQL(
			"INSERT INTO volume (" VOLUME_COLUMNS ") VALUES"
			" (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			sled_value_text(row->label), sled_value_text(row->name),
			sled_value_int(row->maildrop), sled_value_u64(row->end),
			sled_value_int(row->receipts),
			sled_value_int(state_of(row)),
			sled_value_hash(&row->sha256)),
		    &row->id, err);
	return sled_sql_change(
	    ledger,
	    SLED_SQL("UPDATE volume SET label = ?2, name = ?3, maildrop = ?4,"
	             " committed = ?5, receipts = ?6, turned = ?7,"
	             " sha256 = ?8 WHERE id = ?1",
	             sled_value_int(row->id), sled_value_text(row->label),
	             sled_value_text(row->name), sled_value_int(row->maildrop),
	             sled_value_u64(row->end), sled_value_int(row->receipts),
	             sled_value_int(state_of(row)),
	             sled_value_hash(&row->sha256)),
	    "volume", err);
}

bool
sled_ledger_volumes(struct sled_ledger *ledger, const char *label,
                    sled_volume_fn *each, void *ctx, struct sled_err *err)
{
	struct volume_walk walk = { each, ctx };

	return sled_sql_each(
	    ledger,
	    SLED_SQL("SELECT " VOLUME_COLUMNS " FROM volume"
	             " WHERE ?1 IS NULL OR label = ?1 ORDER BY " VOLUME_ORDER,
	             sled_value_text(label)),
	    give_volume, &walk, err);
}

bool
sled_ledger_archived(struct sled_ledger *ledger, uint64_t *out,
                     struct sled_err *err)
{
	int64_t octets = 0;
	bool found = false;

	if (!sled_sql_number(
		ledger,
		SLED_SQL_PLAIN(
		    "SELECT coalesce(sum(committed), 0) FROM volume"),
		&octets, &found, err))
		return false;
	*out = (uint64_t)octets;
	return true;
}

bool
sled_ledger_volume_last(struct sled_ledger *ledger, const char *label,
                        struct sled_volume_row *out, bool *found,
                        struct sled_err *err)
{
	return one_volume(ledger,
	                  SLED_SQL("SELECT " VOLUME_COLUMNS " FROM volume"
	                           " WHERE label = ?1 ORDER BY"
	                           " substr(name, 1, 8) DESC,"
	                           " length(name) DESC, name DESC LIMIT 1",
	                           sled_value_text(label)),
	                  out, found, err);
}

bool
sled_ledger_volume_named(struct sled_ledger *ledger, const char *label,
                         const char *name, struct sled_volume_row *out,
                         bool *found, struct sled_err *err)
{
	return one_volume(ledger,
	                  SLED_SQL("SELECT " VOLUME_COLUMNS " FROM volume"
	                           " WHERE label = ?1 AND name = ?2",
	                           sled_value_text(label),
	                           sled_value_text(name)),
	                  out, found, err);
}

bool
sled_ledger_volume_get(struct sled_ledger *ledger, int64_t id,
                       struct sled_volume_row *out, struct sled_err *err)
{
	bool found;

	if (!one_volume(ledger,
	                SLED_SQL("SELECT " VOLUME_COLUMNS " FROM volume"
	                         " WHERE id = ?1",
	                         sled_value_int(id)),
	                out, &found, err))
		return false;
	return found ||
	       sled_fail(err, SLED_ERR_MISSING, "ledger: no such volume");
}

bool
sled_ledger_volume_forget(struct sled_ledger *ledger, int64_t id,
                          struct sled_err *err)
{
	return sled_sql_change(
	    ledger,
	    SLED_SQL("DELETE FROM volume WHERE id = ?1", sled_value_int(id)),
	    "volume", err);
}

/* ---- members ---- */

struct member_walk {
	sled_member_fn *each;
	void *ctx;
};

static bool
give_member(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct member_walk *walk = ctx;
	struct sled_member_row member;

	member.id = sled_row_int(row);
	member.volume = sled_row_int(row);
	member.at = sled_row_u64(row);
	member.length = sled_row_u64(row);
	member.tar_octets = sled_row_u64(row);
	sled_row_hash(row, &member.body_sha256);
	return sled_row_end(row, err) && walk->each(walk->ctx, &member, err);
}

bool
sled_ledger_member_put(struct sled_ledger *ledger, struct sled_member_row *row,
                       struct sled_err *err)
{
	if (row->id == 0)
		return sled_sql_insert(
		    ledger,
		    SLED_SQL("INSERT INTO member (" MEMBER_COLUMNS ") VALUES"
		             " (NULL, ?1, ?2, ?3, ?4, ?5)",
		             sled_value_int(row->volume),
		             sled_value_u64(row->at),
		             sled_value_u64(row->length),
		             sled_value_u64(row->tar_octets),
		             sled_value_hash(&row->body_sha256)),
		    &row->id, err);
	return sled_sql_change(
	    ledger,
	    SLED_SQL("UPDATE member SET volume = ?2, at = ?3, length = ?4,"
	             " tar_octets = ?5, body_sha256 = ?6 WHERE id = ?1",
	             sled_value_int(row->id), sled_value_int(row->volume),
	             sled_value_u64(row->at), sled_value_u64(row->length),
	             sled_value_u64(row->tar_octets),
	             sled_value_hash(&row->body_sha256)),
	    "member", err);
}

/* Out of each other's way first: no two may be at one offset at any time. */
bool
sled_ledger_members_move(struct sled_ledger *ledger,
                         const struct sled_member_row *rows, size_t len,
                         struct sled_err *err)
{
	bool ok = sled_sql_enter(ledger, err);

	if (!ok)
		return false;
	for (size_t i = 0; ok && i < len; i++)
		ok = sled_sql_run(
			 ledger,
			 SLED_SQL("DELETE FROM holding WHERE member = ?1 AND"
		                  " EXISTS (SELECT 1 FROM member WHERE id = ?1"
		                  " AND body_sha256 <> ?2)",
		                  sled_value_int(rows[i].id),
		                  sled_value_hash(&rows[i].body_sha256)),
			 err) &&
		     sled_sql_change(ledger,
		                     SLED_SQL("UPDATE member SET at = -1 - at"
		                              " WHERE id = ?1",
		                              sled_value_int(rows[i].id)),
		                     "member", err);
	for (size_t i = 0; ok && i < len; i++) {
		struct sled_member_row row = rows[i];

		ok = sled_ledger_member_put(ledger, &row, err);
	}
	return sled_sql_leave(ledger, ok, err);
}

bool
sled_ledger_member_forget(struct sled_ledger *ledger, int64_t id,
                          struct sled_err *err)
{
	return sled_sql_change(
	    ledger,
	    SLED_SQL("DELETE FROM member WHERE id = ?1", sled_value_int(id)),
	    "member", err);
}

bool
sled_ledger_members(struct sled_ledger *ledger, int64_t volume, uint64_t from,
                    sled_member_fn *each, void *ctx, struct sled_err *err)
{
	struct member_walk walk = { each, ctx };

	return sled_sql_each(ledger,
	                     SLED_SQL("SELECT " MEMBER_COLUMNS " FROM member"
	                              " WHERE volume = ?1 AND at >= ?2"
	                              " ORDER BY at",
	                              sled_value_int(volume),
	                              sled_value_u64(from)),
	                     give_member, &walk, err);
}

struct member_copy {
	struct sled_member_row *out;
	bool found;
};

static bool
copy_member(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	struct member_copy *copy = ctx;

	(void)err;
	*copy->out = *row;
	copy->found = true;
	return true;
}

bool
sled_ledger_member_get(struct sled_ledger *ledger, int64_t id,
                       struct sled_member_row *out, struct sled_err *err)
{
	struct member_copy copy = { out, false };
	struct member_walk walk = { copy_member, &copy };

	if (!sled_sql_each(ledger,
	                   SLED_SQL("SELECT " MEMBER_COLUMNS " FROM member"
	                            " WHERE id = ?1",
	                            sled_value_int(id)),
	                   give_member, &walk, err))
		return false;
	return copy.found ||
	       sled_fail(err, SLED_ERR_MISSING, "ledger: no such member");
}

bool
sled_ledger_stalest(struct sled_ledger *ledger,
                    const struct sled_stale_query *query, sled_member_fn *each,
                    void *ctx, struct sled_err *err)
{
	struct member_walk walk = { each, ctx };

	return sled_sql_each(
	    ledger,
	    SLED_SQL("SELECT m.id, m.volume, m.at, m.length, m.tar_octets,"
	             " m.body_sha256 FROM holding h"
	             " JOIN member m ON m.id = h.member"
	             " WHERE h.place = ?1 AND h.verified < ?2"
	             " ORDER BY h.verified, m.volume, m.at LIMIT ?3",
	             sled_value_text(query->place),
	             sled_value_int(query->before),
	             sled_value_u64(query->limit)),
	    give_member, &walk, err);
}

bool
sled_ledger_oldest(struct sled_ledger *ledger, const char *place,
                   int64_t *verified, struct sled_err *err)
{
	bool found = false;

	*verified = 0;
	return sled_sql_number(ledger,
	                       SLED_SQL("SELECT ifnull(min(verified), 0)"
	                                " FROM holding WHERE place = ?1",
	                                sled_value_text(place)),
	                       verified, &found, err);
}

/* ---- holdings ---- */

bool
sled_ledger_hold(struct sled_ledger *ledger, int64_t member, const char *place,
                 int64_t verified, struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("INSERT INTO holding VALUES (?1, ?2, ?3)"
	                             " ON CONFLICT DO UPDATE SET verified = ?3",
	                             sled_value_int(member),
	                             sled_value_text(place),
	                             sled_value_int(verified)),
	                    err);
}

bool
sled_ledger_unhold(struct sled_ledger *ledger, int64_t member,
                   const char *place, struct sled_err *err)
{
	if (member == 0)
		return sled_sql_run(
		    ledger,
		    SLED_SQL("DELETE FROM holding WHERE place = ?1",
		             sled_value_text(place)),
		    err);
	return sled_sql_run(ledger,
	                    SLED_SQL("DELETE FROM holding"
	                             " WHERE member = ?1 AND place = ?2",
	                             sled_value_int(member),
	                             sled_value_text(place)),
	                    err);
}

struct holding_walk {
	sled_holding_fn *each;
	void *ctx;
};

static bool
give_holding(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct holding_walk *walk = ctx;
	struct sled_holding holding;

	sled_row_text(row, holding.place, sizeof(holding.place));
	holding.verified = sled_row_int(row);
	return sled_row_end(row, err) && walk->each(walk->ctx, &holding, err);
}

bool
sled_ledger_holdings(struct sled_ledger *ledger, int64_t member,
                     sled_holding_fn *each, void *ctx, struct sled_err *err)
{
	struct holding_walk walk = { each, ctx };

	return sled_sql_each(ledger,
	                     SLED_SQL("SELECT place, verified FROM holding"
	                              " WHERE member = ?1 ORDER BY place",
	                              sled_value_int(member)),
	                     give_holding, &walk, err);
}

/* By the tally; an older ledger has none, and is searched. That of '' is the
 * volume's own: a place that was never marked, whose id that is, has none. */
static bool
is_whole(struct sled_ledger *ledger, int64_t volume, const char *place,
         bool *whole, struct sled_err *err)
{
	int64_t same = 0;
	bool found = false;

	if (ledger->version >= 5 && *place != '\0' &&
	    !sled_sql_number(
		ledger,
		SLED_SQL("SELECT a.members = b.members FROM tally a"
	                 " JOIN tally b ON b.volume = a.volume AND b.place = ?2"
	                 " WHERE a.volume = ?1 AND a.place = ''",
	                 sled_value_int(volume), sled_value_text(place)),
		&same, &found, err))
		return false;
	*whole = same != 0;
	return true;
}

bool
sled_ledger_lacking(struct sled_ledger *ledger, int64_t volume,
                    const char *place, sled_member_fn *each, void *ctx,
                    struct sled_err *err)
{
	struct member_walk walk = { each, ctx };
	bool whole = false;

	if (!is_whole(ledger, volume, place, &whole, err))
		return false;
	return whole ||
	       sled_sql_each(
		   ledger,
		   SLED_SQL("SELECT " MEMBER_COLUMNS " FROM member"
	                    " WHERE volume = ?1 AND NOT EXISTS (SELECT 1 FROM"
	                    " holding AS h WHERE h.member = member.id"
	                    " AND h.place = ?2) ORDER BY at",
	                    sled_value_int(volume), sled_value_text(place)),
		   give_member, &walk, err);
}
