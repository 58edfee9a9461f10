/* place.c - small facts, places and maildrops. See mailsled/ledger.h. */
#include "sql.h"

/* ---- facts ---- */

struct fact {
	struct sled_buf *out;
	bool *found;
};

static bool
take_fact(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct fact *fact = ctx;
	struct sled_span value = sled_row_span(row);

	*fact->found = true;
	return sled_buf_add(fact->out, value.data, value.len, err);
}

bool
sled_ledger_get(struct sled_ledger *ledger, const char *key,
                struct sled_buf *out, bool *found, struct sled_err *err)
{
	struct fact fact = { out, found };

	*found = false;
	return sled_sql_each(ledger,
	                     SLED_SQL("SELECT value FROM fact WHERE key = ?1",
	                              sled_value_text(key)),
	                     take_fact, &fact, err);
}

bool
sled_ledger_put(struct sled_ledger *ledger, const char *key, const char *value,
                struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("INSERT INTO fact VALUES (?1, ?2)"
	                             " ON CONFLICT DO UPDATE SET value = ?2",
	                             sled_value_text(key),
	                             sled_value_text(value)),
	                    err);
}

/* ---- places ---- */

bool
sled_ledger_place_put(struct sled_ledger *ledger,
                      const struct sled_place_row *row, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT INTO place VALUES (?1, ?2, ?3, ?4, ?5)"
	             " ON CONFLICT DO UPDATE SET path = ?2, seen = ?3,"
	             " fsid = ?4, suspect = ?5",
	             sled_value_text(row->id), sled_value_text(row->path),
	             sled_value_int(row->seen), sled_value_u64(row->fsid),
	             sled_value_int(row->suspect)),
	    err);
}

struct place_walk {
	sled_place_fn *each;
	void *ctx;
};

static bool
give_place(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct place_walk *walk = ctx;
	struct sled_place_row place;

	sled_row_text(row, place.id, sizeof(place.id));
	sled_row_text(row, place.path, sizeof(place.path));
	place.seen = sled_row_int(row);
	place.fsid = sled_row_u64(row);
	place.suspect = sled_row_bool(row);
	return sled_row_end(row, err) && walk->each(walk->ctx, &place, err);
}

bool
sled_ledger_places(struct sled_ledger *ledger, sled_place_fn *each, void *ctx,
                   struct sled_err *err)
{
	struct place_walk walk = { each, ctx };

	return sled_sql_each(ledger,
	                     SLED_SQL_PLAIN("SELECT id, path, seen, fsid,"
	                                    " suspect FROM place ORDER BY id"),
	                     give_place, &walk, err);
}

/* ---- maildrops ---- */

struct maildrop {
	struct sled_maildrop *out;
	bool found;
};

static bool
take_maildrop(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct maildrop *maildrop = ctx;
	struct sled_maildrop *out = maildrop->out;

	maildrop->found = true;
	out->id = sled_row_int(row);
	out->first_visit = sled_row_int(row);
	out->exact = (uint32_t)sled_row_int(row);
	out->lf_counted = (uint32_t)sled_row_int(row);
	out->loose = (uint32_t)sled_row_int(row);
	out->reuses_ids = sled_row_bool(row);
	out->drops_retrieved = sled_row_bool(row);
	out->expire_0 = sled_row_bool(row);
	out->no_uidl = sled_row_bool(row);
	out->listed_count = (uint32_t)sled_row_int(row);
	out->flights_lost = (uint32_t)sled_row_int(row);
	out->expire_days = (uint32_t)sled_row_int(row);
	out->login_delay_s = (uint32_t)sled_row_int(row);
	out->octets = sled_row_u64(row);
	out->visited = sled_row_int(row);
	return sled_row_end(row, err);
}

#define MAILDROP_1                                          \
	"SELECT id, first_visit, exact, lf_counted, loose," \
	" reuses_ids, drops_retrieved, expire_0, no_uidl,"  \
	" listed_count, flights_lost, "
#define MAILDROP_3    "expire_days, login_delay_s, octets, visited"
#define MAILDROP_FROM " FROM maildrop WHERE server = ?1 AND user = ?2"

static bool
find_maildrop(struct sled_ledger *ledger, const char *server, const char *user,
              struct maildrop *maildrop, struct sled_err *err)
{
	const struct sled_value values[] = { sled_value_text(server),
		                             sled_value_text(user) };
	struct sled_sql sql = { MAILDROP_1 MAILDROP_3 MAILDROP_FROM, values,
		                2 };

	if (ledger->version < 3)
		sql.text = MAILDROP_1 "0, 0, 0, 0" MAILDROP_FROM;
	maildrop->found = false;
	return sled_sql_each(ledger, &sql, take_maildrop, maildrop, err);
}

static bool
make_maildrop(struct sled_ledger *ledger, const char *server, const char *user,
              struct sled_maildrop *out, struct sled_err *err)
{
	*out = (struct sled_maildrop){ 0 };
	return sled_sql_insert(
	    ledger,
	    SLED_SQL("INSERT INTO maildrop (server, user) VALUES (?1, ?2)",
	             sled_value_text(server), sled_value_text(user)),
	    &out->id, err);
}

/* Looks again with the write lock held: another process may have made it. */
static bool
find_or_make(struct sled_ledger *ledger, const char *server, const char *user,
             struct sled_maildrop *out, struct sled_err *err)
{
	struct maildrop maildrop = { out, false };
	bool ok;

	if (!sled_sql_enter(ledger, err))
		return false;
	ok = find_maildrop(ledger, server, user, &maildrop, err);
	if (ok && !maildrop.found)
		ok = make_maildrop(ledger, server, user, out, err);
	return sled_sql_leave(ledger, ok, err);
}

bool
sled_ledger_maildrop(struct sled_ledger *ledger, const char *server,
                     const char *user, struct sled_maildrop *out,
                     struct sled_err *err)
{
	struct maildrop maildrop = { out, false };

	if (!find_maildrop(ledger, server, user, &maildrop, err))
		return false;
	if (maildrop.found)
		return true;
	if (ledger->mode == SLED_LEDGER_READ)
		return sled_fail(err, SLED_ERR_MISSING,
		                 "ledger: no such maildrop yet");
	return find_or_make(ledger, server, user, out, err);
}

bool
sled_ledger_maildrop_put(struct sled_ledger *ledger,
                         const struct sled_maildrop *row, struct sled_err *err)
{
	return sled_sql_change(
	    ledger,
	    SLED_SQL(
		"UPDATE maildrop SET first_visit = ?2, exact = ?3,"
		" lf_counted = ?4, loose = ?5,"
		" reuses_ids = max(reuses_ids, ?6),"
		" drops_retrieved = max(drops_retrieved, ?7),"
		" expire_0 = ?8, no_uidl = ?9,"
		" listed_count = ?10, flights_lost = ?11, expire_days = ?12,"
		" login_delay_s = ?13, octets = ?14, visited = ?15"
		" WHERE id = ?1",
		sled_value_int(row->id), sled_value_int(row->first_visit),
		sled_value_int(row->exact), sled_value_int(row->lf_counted),
		sled_value_int(row->loose), sled_value_int(row->reuses_ids),
		sled_value_int(row->drops_retrieved),
		sled_value_int(row->expire_0), sled_value_int(row->no_uidl),
		sled_value_int(row->listed_count),
		sled_value_int(row->flights_lost),
		sled_value_int(row->expire_days),
		sled_value_int(row->login_delay_s), sled_value_u64(row->octets),
		sled_value_int(row->visited)),
	    "maildrop", err);
}

struct names {
	struct sled_buf *server, *user;
	bool found;
};

static bool
read_names(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct names *names = ctx;
	struct sled_span server = sled_row_span(row);
	struct sled_span user = sled_row_span(row);

	names->found = true;
	return sled_row_end(row, err) &&
	       sled_buf_add(names->server, server.data, server.len, err) &&
	       sled_buf_add(names->user, user.data, user.len, err);
}

bool
sled_ledger_maildrop_name(struct sled_ledger *ledger, int64_t id,
                          struct sled_buf *server, struct sled_buf *user,
                          struct sled_err *err)
{
	struct names names = { server, user, false };

	return sled_sql_each(ledger,
	                     SLED_SQL("SELECT server, user FROM maildrop"
	                              " WHERE id = ?1",
	                              sled_value_int(id)),
	                     read_names, &names, err) &&
	       (names.found ||
	        sled_fail(err, SLED_ERR_MISSING, "ledger: no such maildrop"));
}
