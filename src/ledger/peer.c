/* peer.c - what visits learned of servers and of paths. See mailsled/ledger.h. */
#include <string.h>

#include "sql.h"

/* A ledger of schema 1 is only read, and has none of these tables. */
static bool
is_old(const struct sled_ledger *ledger)
{
	return ledger->version == 1;
}

/* ---- peers ---- */

static bool
take_peer(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct sled_peer *out = ctx;

	out->port = (uint16_t)sled_row_int(row);
	sled_row_text(row, out->addresses, sizeof(out->addresses));
	out->looked_up = sled_row_int(row);
	out->caps = (unsigned)sled_row_int(row);
	out->caps_seen = sled_row_int(row);
	sled_row_text(row, out->eager, sizeof(out->eager));
	out->eager_lost = (unsigned)sled_row_int(row);
	out->eager_retry = sled_row_int(row);
	out->tickets_refused = (unsigned)sled_row_int(row);
	out->tickets_retry = sled_row_int(row);
	out->tls_default = sled_row_bool(row);
	out->listed_whole = sled_row_int(row);
	out->sums = sled_row_bool(row);
	return sled_row_end(row, err);
}

bool
sled_ledger_peer(struct sled_ledger *ledger, int64_t maildrop,
                 struct sled_peer *out, struct sled_err *err)
{
	memset(out, 0, sizeof(*out));
	return is_old(ledger) ||
	       sled_sql_each(
		   ledger,
		   SLED_SQL(
		       "SELECT port, addresses, looked_up, caps,"
		       " caps_seen, eager, eager_lost, eager_retry, tickets_refused,"
		       " tickets_retry, tls_default, listed_whole, sums"
		       " FROM peer WHERE maildrop = ?1",
		       sled_value_int(maildrop)),
		   take_peer, out, err);
}

bool
sled_ledger_peer_put(struct sled_ledger *ledger, int64_t maildrop,
                     const struct sled_peer *peer, struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL(
		"INSERT OR REPLACE INTO peer VALUES (?1, ?2, ?3, ?4, ?5,"
		" ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
		sled_value_int(maildrop), sled_value_int(peer->port),
		sled_value_text(peer->addresses),
		sled_value_int(peer->looked_up), sled_value_int(peer->caps),
		sled_value_int(peer->caps_seen), sled_value_text(peer->eager),
		sled_value_int(peer->eager_lost),
		sled_value_int(peer->eager_retry),
		sled_value_int(peer->tickets_refused),
		sled_value_int(peer->tickets_retry),
		sled_value_int(peer->tls_default),
		sled_value_int(peer->listed_whole), sled_value_int(peer->sums)),
	    err);
}

/* ---- paths ---- */

struct path_walk {
	struct sled_path *out;
	bool *found;
};

static bool
take_path(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct path_walk *walk = ctx;
	struct sled_path path;

	sled_row_text(row, path.name, sizeof(path.name));
	path.rate = sled_row_u64(row);
	path.rtt_ms = (uint32_t)sled_row_int(row);
	path.visits = (uint32_t)sled_row_int(row);
	path.seen = sled_row_int(row);
	if (!sled_row_end(row, err))
		return false;
	*walk->out = path;
	*walk->found = true;
	return true;
}

bool
sled_ledger_path(struct sled_ledger *ledger, const char *name,
                 struct sled_path *out, bool *found, struct sled_err *err)
{
	struct path_walk walk = { out, found };

	*found = false;
	return is_old(ledger) ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT name, rate, rtt_ms, visits, seen"
	                              " FROM path WHERE name = ?1",
	                              sled_value_text(name)),
	                     take_path, &walk, err);
}

bool
sled_ledger_path_put(struct sled_ledger *ledger, const struct sled_path *path,
                     struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR REPLACE INTO path VALUES (?1, ?2, ?3, ?4, ?5)",
	             sled_value_text(path->name), sled_value_u64(path->rate),
	             sled_value_int(path->rtt_ms), sled_value_int(path->visits),
	             sled_value_int(path->seen)),
	    err);
}

/* ---- remembered listings ---- */

struct seen_walk {
	sled_seen_fn *each;
	void *ctx;
};

static bool
give_seen(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct seen_walk *walk = ctx;
	int64_t number = sled_row_int(row);
	char uid[SLED_UID_MAX + 1];
	uint64_t size;

	sled_row_text(row, uid, sizeof(uid));
	size = sled_row_u64(row);
	row->bad = row->bad || number < 1 || number > UINT32_MAX;
	return sled_row_end(row, err) &&
	       walk->each(walk->ctx, (uint32_t)number, uid, size, err);
}

bool
sled_ledger_seen(struct sled_ledger *ledger, int64_t maildrop,
                 sled_seen_fn *each, void *ctx, struct sled_err *err)
{
	struct seen_walk walk = { each, ctx };

	return is_old(ledger) ||
	       sled_sql_each(ledger,
	                     SLED_SQL("SELECT number, uid, size FROM seen"
	                              " WHERE maildrop = ?1 ORDER BY number",
	                              sled_value_int(maildrop)),
	                     give_seen, &walk, err);
}

bool
sled_ledger_seen_put(struct sled_ledger *ledger, int64_t maildrop,
                     uint32_t number, const char *uid, uint64_t size,
                     struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT OR REPLACE INTO seen VALUES (?1, ?2, ?3, ?4)",
	             sled_value_int(maildrop), sled_value_int(number),
	             sled_value_text(uid), sled_value_u64(size)),
	    err);
}

bool
sled_ledger_seen_cut(struct sled_ledger *ledger, int64_t maildrop,
                     uint32_t from, struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("DELETE FROM seen"
	                             " WHERE maildrop = ?1 AND number >= ?2",
	                             sled_value_int(maildrop),
	                             sled_value_int(from)),
	                    err);
}
