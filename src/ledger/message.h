/* message.h - walking rows of messages, for the files of this module. */
#ifndef SLED_LEDGER_MESSAGE_H
#define SLED_LEDGER_MESSAGE_H

#include "sql.h"

/* The columns of a message in the order that a walk reads them. */
#define SLED_MESSAGE_COLUMNS                                        \
	"id, maildrop, label, number, uid, sha256, octets, listed," \
	" head_sha256, head_octets, received, record, entry,"       \
	" member, flags, safe, dele_sent, gone, on_server,"         \
	" sender, subject, date"

SLED_CHECK bool sled_message_each(struct sled_ledger *ledger,
                                  const struct sled_sql *sql,
                                  sled_message_fn *each, void *ctx,
                                  struct sled_err *err);

#endif
