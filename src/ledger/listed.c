/* listed.c - what is known of messages on their server: ids and sizes they were
 * listed with, DELE, gone. See mailsled/ledger.h. */
#include "message.h"

bool
sled_ledger_known_put(struct sled_ledger *ledger, int64_t message,
                      const char *uid, uint64_t size, struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("INSERT INTO known VALUES (?1, ?2, ?3)"
	                             " ON CONFLICT DO NOTHING",
	                             sled_value_int(message),
	                             sled_value_text(uid == NULL ? "" : uid),
	                             sled_value_u64(size)),
	                    err);
}

bool
sled_ledger_known_size(struct sled_ledger *ledger, int64_t message,
                       uint64_t size, bool *known, struct sled_err *err)
{
	int64_t ignored = 0;

	return sled_sql_number(
	    ledger,
	    SLED_SQL("SELECT 1 FROM message WHERE id = ?1 AND listed = ?2"
	             " UNION ALL"
	             " SELECT 1 FROM known WHERE message = ?1 AND size = ?2"
	             " LIMIT 1",
	             sled_value_int(message), sled_value_u64(size)),
	    &ignored, known, err);
}

bool
sled_ledger_unlist(struct sled_ledger *ledger, int64_t maildrop,
                   struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("UPDATE message SET on_server = 0"
	                             " WHERE maildrop = ?1"
	                             " AND on_server <> 0",
	                             sled_value_int(maildrop)),
	                    err);
}

bool
sled_ledger_set_on_server(struct sled_ledger *ledger, int64_t message,
                          bool on_server, struct sled_err *err)
{
	return sled_sql_change(ledger,
	                       SLED_SQL("UPDATE message SET on_server = ?2"
	                                " WHERE id = ?1",
	                                sled_value_int(message),
	                                sled_value_int(on_server)),
	                       "message", err);
}

bool
sled_ledger_set_dele(struct sled_ledger *ledger, int64_t message, int64_t when,
                     struct sled_err *err)
{
	return sled_sql_change(ledger,
	                       SLED_SQL("UPDATE message SET dele_sent = ?2"
	                                " WHERE id = ?1",
	                                sled_value_int(message),
	                                sled_value_int(when)),
	                       "message", err);
}

bool
sled_ledger_set_gone(struct sled_ledger *ledger, int64_t message, int64_t when,
                     struct sled_err *err)
{
	return sled_sql_change(ledger,
	                       SLED_SQL("UPDATE message SET gone = ?2,"
	                                " on_server = on_server AND ?2 = 0,"
	                                " told = told AND ?2 <> 0"
	                                " WHERE id = ?1",
	                                sled_value_int(message),
	                                sled_value_int(when)),
	                       "message", err);
}

bool
sled_ledger_set_flags(struct sled_ledger *ledger, int64_t message, unsigned set,
                      unsigned clear, struct sled_err *err)
{
	return sled_sql_change(ledger,
	                       SLED_SQL("UPDATE message SET"
	                                " flags = (flags & ~?3) | ?2"
	                                " WHERE id = ?1",
	                                sled_value_int(message),
	                                sled_value_int(set),
	                                sled_value_int(clear)),
	                       "message", err);
}

bool
sled_ledger_set_safe(struct sled_ledger *ledger, int64_t message, int64_t when,
                     struct sled_err *err)
{
	return sled_sql_change(ledger,
	                       SLED_SQL("UPDATE message SET safe = ?2"
	                                " WHERE id = ?1",
	                                sled_value_int(message),
	                                sled_value_int(when)),
	                       "message", err);
}

bool
sled_ledger_gone_untold(struct sled_ledger *ledger, const char *label,
                        sled_message_fn *each, void *ctx, struct sled_err *err)
{
	return sled_message_each(
	    ledger,
	    SLED_SQL("SELECT " SLED_MESSAGE_COLUMNS " FROM message"
	             " WHERE label = ?1 AND gone <> 0 AND told = 0"
	             " ORDER BY number",
	             sled_value_text(label)),
	    each, ctx, err);
}

bool
sled_ledger_gone_told(struct sled_ledger *ledger, const char *label,
                      struct sled_err *err)
{
	return sled_sql_run(ledger,
	                    SLED_SQL("UPDATE message SET told = 1"
	                             " WHERE label = ?1 AND gone <> 0"
	                             " AND told = 0",
	                             sled_value_text(label)),
	                    err);
}
