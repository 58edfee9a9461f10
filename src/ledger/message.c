/* message.c - rows of messages, whole: in, out, found. See mailsled/ledger.h.
 * What is known of them on their server: listed.c. */
#include "message.h"

#include <string.h>

#include "mailsled/text.h"

#define COLUMNS SLED_MESSAGE_COLUMNS

/* ?1 to ?18: all but id and the three header fields. */
#define VALUES(m)                                                            \
	sled_value_int((m)->maildrop), sled_value_text((m)->label),          \
	    sled_value_u64((m)->number), sled_value_text((m)->uid),          \
	    sled_value_hash(&(m)->sha256), sled_value_u64((m)->octets),      \
	    sled_value_u64((m)->listed), sled_value_hash(&(m)->head_sha256), \
	    sled_value_u64((m)->head_octets), sled_value_int((m)->received), \
	    sled_value_text((m)->record), sled_value_text((m)->entry),       \
	    sled_value_id((m)->member), sled_value_int((m)->flags),          \
	    sled_value_int((m)->safe), sled_value_int((m)->dele_sent),       \
	    sled_value_int((m)->gone), sled_value_int((m)->on_server)

static void
read_message(struct sled_row *row, struct sled_message *message)
{
	message->id = sled_row_int(row);
	message->maildrop = sled_row_int(row);
	sled_row_text(row, message->label, sizeof(message->label));
	message->number = sled_row_u64(row);
	sled_row_text(row, message->uid, sizeof(message->uid));
	sled_row_hash(row, &message->sha256);
	message->octets = sled_row_u64(row);
	message->listed = sled_row_u64(row);
	sled_row_hash(row, &message->head_sha256);
	message->head_octets = sled_row_u64(row);
	message->received = sled_row_int(row);
	sled_row_text(row, message->record, sizeof(message->record));
	sled_row_text(row, message->entry, sizeof(message->entry));
	message->member = sled_row_int(row);
	message->flags = (unsigned)sled_row_int(row);
	message->safe = sled_row_int(row);
	message->dele_sent = sled_row_int(row);
	message->gone = sled_row_int(row);
	message->on_server = sled_row_bool(row);
	message->from = sled_row_span(row);
	message->subject = sled_row_span(row);
	message->date = sled_row_span(row);
}

struct walk {
	sled_message_fn *each;
	void *ctx;
};

static bool
give_message(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct walk *walk = ctx;
	struct sled_message message;

	read_message(row, &message);
	return sled_row_end(row, err) && walk->each(walk->ctx, &message, err);
}

bool
sled_message_each(struct sled_ledger *ledger, const struct sled_sql *sql,
                  sled_message_fn *each, void *ctx, struct sled_err *err)
{
	struct walk walk = { each, ctx };

	return sled_sql_each(ledger, sql, give_message, &walk, err);
}

/* ---- in ---- */

static bool
use_number(struct sled_ledger *ledger, const struct sled_message *message,
           struct sled_err *err)
{
	return sled_sql_run(
	    ledger,
	    SLED_SQL("INSERT INTO counter VALUES (?1, ?2)"
	             " ON CONFLICT DO UPDATE SET used = max(used, ?2)",
	             sled_value_text(message->label),
	             sled_value_u64(message->number)),
	    err);
}

static bool
insert_message(struct sled_ledger *ledger, const struct sled_message *message,
               int64_t *id, struct sled_err *err)
{
	return sled_sql_insert(
	    ledger,
	    SLED_SQL("INSERT INTO message (maildrop, label, number, uid,"
	             " sha256, octets, listed, head_sha256, head_octets,"
	             " received, record, entry, member, flags, safe,"
	             " dele_sent, gone, on_server, sender, subject, date)"
	             " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
	             " ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
	             VALUES(message), sled_value_span(message->from),
	             sled_value_span(message->subject),
	             sled_value_span(message->date)),
	    id, err);
}

bool
sled_ledger_message_put(struct sled_ledger *ledger,
                        struct sled_message *message, struct sled_err *err)
{
	int64_t id = 0;

	if (message->id != 0)
		return sled_ledger_message_update(ledger, message, err);
	if (!sled_sql_enter(ledger, err) ||
	    !sled_sql_leave(ledger,
	                    insert_message(ledger, message, &id, err) &&
	                        use_number(ledger, message, err),
	                    err))
		return false;
	message->id = id;
	return true;
}

bool
sled_ledger_message_update(struct sled_ledger *ledger,
                           const struct sled_message *message,
                           struct sled_err *err)
{
	const struct sled_sql *update = SLED_SQL(
	    "UPDATE message SET maildrop = ?1, label = ?2, number = ?3,"
	    " uid = ?4, sha256 = ?5, octets = ?6, listed = ?7,"
	    " head_sha256 = ?8, head_octets = ?9, received = ?10,"
	    " record = ?11, entry = ?12, member = ?13, flags = ?14,"
	    " safe = ?15, dele_sent = ?16, gone = ?17, on_server = ?18,"
	    " told = told AND ?17 <> 0 WHERE id = ?19",
	    VALUES(message), sled_value_int(message->id));

	if (!sled_sql_enter(ledger, err))
		return false;
	return sled_sql_leave(ledger,
	                      sled_sql_change(ledger, update, "message", err) &&
	                          use_number(ledger, message, err),
	                      err);
}

bool
sled_ledger_message_forget(struct sled_ledger *ledger, int64_t id,
                           struct sled_err *err)
{
	return sled_sql_change(
	    ledger,
	    SLED_SQL("DELETE FROM message WHERE id = ?1", sled_value_int(id)),
	    "message", err);
}

bool
sled_ledger_number_next(struct sled_ledger *ledger, const char *label,
                        uint64_t *out, struct sled_err *err)
{
	int64_t used = 0;
	bool found;

	if (!sled_sql_number(ledger,
	                     SLED_SQL("SELECT used FROM counter"
	                              " WHERE label = ?1",
	                              sled_value_text(label)),
	                     &used, &found, err))
		return false;
	*out = (uint64_t)used + 1;
	return true;
}

bool
sled_ledger_record_number(struct sled_ledger *ledger, const char *record,
                          uint64_t *number, bool *known, struct sled_err *err)
{
	int64_t found = 0;

	if (!sled_sql_number(ledger,
	                     SLED_SQL("SELECT number FROM message"
	                              " WHERE record = ?1 AND record <> ''",
	                              sled_value_text(record)),
	                     &found, known, err))
		return false;
	if (*known)
		*number = (uint64_t)found;
	return true;
}

bool
sled_ledger_record_known(struct sled_ledger *ledger, const char *record,
                         bool *known, struct sled_err *err)
{
	uint64_t ignored = 0;

	return sled_ledger_record_number(ledger, record, &ignored, known, err);
}

/* ---- found ---- */

bool
sled_ledger_by_uid(struct sled_ledger *ledger, int64_t maildrop,
                   const char *uid, sled_message_fn *each, void *ctx,
                   struct sled_err *err)
{
	/* The + keeps SQLite from walking the whole maildrop. */
	return sled_message_each(
	    ledger,
	    SLED_SQL("SELECT " COLUMNS " FROM message WHERE id IN ("
	             "SELECT id FROM message WHERE maildrop = ?1 AND uid = ?2"
	             " UNION ALL SELECT message FROM known WHERE uid = ?2)"
	             " AND +maildrop = ?1 ORDER BY number DESC",
	             sled_value_int(maildrop), sled_value_text(uid)),
	    each, ctx, err);
}

bool
sled_ledger_by_hash(struct sled_ledger *ledger, int64_t maildrop,
                    const struct sled_hash *sha256, sled_message_fn *each,
                    void *ctx, struct sled_err *err)
{
	return sled_message_each(
	    ledger,
	    SLED_SQL("SELECT " COLUMNS " FROM message"
	             " WHERE sha256 = ?2 AND (?1 = 0 OR +maildrop = ?1)"
	             " ORDER BY number",
	             sled_value_int(maildrop), sled_value_hash(sha256)),
	    each, ctx, err);
}

bool
sled_ledger_alike(struct sled_ledger *ledger, const struct sled_message *of,
                  bool gone, int64_t *row, struct sled_err *err)
{
	bool found = false;

	*row = 0;
	return sled_sql_number(
	    ledger,
	    SLED_SQL("SELECT id FROM message WHERE maildrop = ?1"
	             " AND sha256 = ?2 AND id <> ?3 AND (gone = 0 OR ?4)"
	             " ORDER BY gone LIMIT 1",
	             sled_value_int(of->maildrop), sled_value_hash(&of->sha256),
	             sled_value_int(of->id), sled_value_int(gone)),
	    row, &found, err);
}

bool
sled_ledger_live(struct sled_ledger *ledger, int64_t maildrop,
                 sled_message_fn *each, void *ctx, struct sled_err *err)
{
	return sled_message_each(
	    ledger,
	    SLED_SQL("SELECT " COLUMNS " FROM message"
	             " WHERE maildrop = ?1 AND gone = 0 ORDER BY number",
	             sled_value_int(maildrop)),
	    each, ctx, err);
}

bool
sled_ledger_flagged(struct sled_ledger *ledger, int64_t maildrop,
                    unsigned flags, sled_message_fn *each, void *ctx,
                    struct sled_err *err)
{
	return sled_message_each(ledger,
	                         SLED_SQL("SELECT " COLUMNS " FROM message"
	                                  " WHERE maildrop = ?1 AND gone = 0"
	                                  " AND flags & ?2 <> 0"
	                                  " ORDER BY number",
	                                  sled_value_int(maildrop),
	                                  sled_value_int(flags)),
	                         each, ctx, err);
}

bool
sled_ledger_by_id(struct sled_ledger *ledger, int64_t id, sled_message_fn *each,
                  void *ctx, struct sled_err *err)
{
	return sled_message_each(ledger,
	                         SLED_SQL("SELECT " COLUMNS
	                                  " FROM message WHERE id = ?1",
	                                  sled_value_int(id)),
	                         each, ctx, err);
}

bool
sled_ledger_by_record(struct sled_ledger *ledger, const char *record,
                      sled_message_fn *each, void *ctx, struct sled_err *err)
{
	return sled_message_each(ledger,
	                         SLED_SQL("SELECT " COLUMNS " FROM message"
	                                  " WHERE record = ?1"
	                                  " AND record <> ''",
	                                  sled_value_text(record)),
	                         each, ctx, err);
}

/* The lowest or highest hash that begins with HEX. */
static bool
bound_of(const char *hex, char filler, struct sled_hash *out)
{
	char digits[SLED_HASH_HEX];
	size_t len = strlen(hex);

	if (len >= sizeof(digits))
		return false;
	memset(digits, filler, sizeof(digits) - 1);
	memcpy(digits, hex, len);
	digits[sizeof(digits) - 1] = '\0';
	return sled_text_unhex(out->b, digits, SLED_HASH_LEN);
}

bool
sled_ledger_by_prefix(struct sled_ledger *ledger, const char *hex,
                      sled_message_fn *each, void *ctx, struct sled_err *err)
{
	struct sled_hash low, high;

	if (!bound_of(hex, '0', &low) || !bound_of(hex, 'f', &high))
		return true;
	return sled_message_each(
	    ledger,
	    SLED_SQL("SELECT " COLUMNS " FROM message"
	             " WHERE sha256 BETWEEN ?1 AND ?2 ORDER BY sha256, id",
	             sled_value_hash(&low), sled_value_hash(&high)),
	    each, ctx, err);
}

bool
sled_ledger_by_number(struct sled_ledger *ledger, const char *label,
                      uint64_t number, sled_message_fn *each, void *ctx,
                      struct sled_err *err)
{
	return sled_message_each(ledger,
	                         SLED_SQL("SELECT " COLUMNS " FROM message"
	                                  " WHERE label = ?1 AND number = ?2",
	                                  sled_value_text(label),
	                                  sled_value_u64(number)),
	                         each, ctx, err);
}

static struct sled_value
limit_of(uint64_t limit)
{
	return sled_value_int(limit == 0 || limit > INT64_MAX ? -1
	                                                      : (int64_t)limit);
}

static bool
messages_of_volume(struct sled_ledger *ledger,
                   const struct sled_message_query *query,
                   sled_message_fn *each, void *ctx, struct sled_err *err)
{
	return sled_message_each(
	    ledger,
	    SLED_SQL(
		"SELECT m.* FROM member CROSS JOIN"
		" (SELECT " COLUMNS " FROM message) AS m"
		" ON m.member = member.id WHERE member.volume = ?1"
		" AND (?2 IS NULL OR m.label = ?2) AND m.received >= ?3"
		" ORDER BY member.at, m.number LIMIT ?4",
		sled_value_int(query->volume), sled_value_text(query->label),
		sled_value_int(query->since == 0 ? INT64_MIN : query->since),
		limit_of(query->limit)),
	    each, ctx, err);
}

bool
sled_ledger_messages(struct sled_ledger *ledger,
                     const struct sled_message_query *query,
                     sled_message_fn *each, void *ctx, struct sled_err *err)
{
	if (query->volume != 0)
		return messages_of_volume(ledger, query, each, ctx, err);
	return sled_message_each(
	    ledger,
	    SLED_SQL(
		"SELECT " COLUMNS " FROM message"
		" WHERE (?1 IS NULL OR +label = ?1) AND received >= ?2"
		" AND (received, id) < (?4, ?5)"
		" ORDER BY received DESC, id DESC LIMIT ?3",
		sled_value_text(query->label),
		sled_value_int(query->since == 0 ? INT64_MIN : query->since),
		limit_of(query->limit),
		sled_value_int(query->before_id == 0 ? INT64_MAX
	                                             : query->before),
		sled_value_int(query->before_id == 0 ? INT64_MAX
	                                             : query->before_id)),
	    each, ctx, err);
}

bool
sled_ledger_after(struct sled_ledger *ledger,
                  const struct sled_message_mark *mark, sled_message_fn *each,
                  void *ctx, struct sled_err *err)
{
	return sled_message_each(
	    ledger,
	    SLED_SQL("SELECT " COLUMNS " FROM message"
	             " WHERE label = ?1 AND number > ?2 ORDER BY number"
	             " LIMIT ?3",
	             sled_value_text(mark->label), sled_value_u64(mark->number),
	             limit_of(mark->limit)),
	    each, ctx, err);
}

bool
sled_ledger_below(struct sled_ledger *ledger,
                  const struct sled_message_mark *mark, sled_message_fn *each,
                  void *ctx, struct sled_err *err)
{
	return sled_message_each(
	    ledger,
	    SLED_SQL(
		"SELECT " COLUMNS " FROM message"
		" WHERE label = ?1 AND number < ?2"
		" ORDER BY number DESC LIMIT ?3",
		sled_value_text(mark->label),
		sled_value_u64(mark->number == 0 ? INT64_MAX : mark->number),
		limit_of(mark->limit)),
	    each, ctx, err);
}

struct label_walk {
	sled_label_fn *each;
	void *ctx;
};

static bool
give_label(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct label_walk *walk = ctx;
	struct sled_label_row out;

	sled_row_text(row, out.label, sizeof(out.label));
	out.last = sled_row_u64(row);
	out.count = sled_row_u64(row);
	return sled_row_end(row, err) && walk->each(walk->ctx, &out, err);
}

bool
sled_ledger_labels(struct sled_ledger *ledger, bool count, sled_label_fn *each,
                   void *ctx, struct sled_err *err)
{
	struct label_walk walk = { each, ctx };

	return sled_sql_each(
	    ledger,
	    SLED_SQL("SELECT label, ifnull((SELECT max(number) FROM message"
	             " WHERE message.label = counter.label), 0),"
	             " CASE WHEN ?1 THEN (SELECT count(*) FROM message"
	             " WHERE message.label = counter.label) ELSE 0 END"
	             " FROM counter ORDER BY label",
	             sled_value_int(count)),
	    give_label, &walk, err);
}

static bool
take_counts(void *ctx, struct sled_row *row, struct sled_err *err)
{
	struct sled_message_counts *out = ctx;

	out->messages = sled_row_u64(row);
	out->octets = sled_row_u64(row);
	out->safe = sled_row_u64(row);
	out->on_server = sled_row_u64(row);
	out->gone = sled_row_u64(row);
	return sled_row_end(row, err);
}

bool
sled_ledger_counts(struct sled_ledger *ledger, const char *label,
                   struct sled_message_counts *out, struct sled_err *err)
{
	return sled_sql_each(
	    ledger,
	    SLED_SQL("SELECT count(*), ifnull(sum(octets), 0),"
	             " ifnull(sum(safe <> 0), 0), ifnull(sum(on_server), 0),"
	             " ifnull(sum(gone <> 0), 0) FROM message"
	             " WHERE ?1 IS NULL OR label = ?1",
	             sled_value_text(label)),
	    take_counts, out, err);
}
