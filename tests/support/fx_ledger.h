/*
 * fx_ledger.h - ledgers and rows for tests. What must work is asserted.
 */
#ifndef FX_LEDGER_H
#define FX_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "fx_tmp.h"
#include "mailsled/ledger.h"

/* "<tmp>/ledger.db" */
const char *fx_ledger_path(const struct fx_tmp *tmp, char out[512]);
/* Over SYS, or the production table when it is NULL. */
struct sled_ledger *fx_ledger_open(const struct fx_tmp *tmp,
                                   const struct sled_sys *sys,
                                   enum sled_ledger_mode mode);
/* A database of schema 1 (or 2), as it once was: the fact store = "old",
 * maildrop 1, message 1 and a visit that began at 77. The one file, closed. */
void fx_ledger_old(const struct fx_tmp *tmp, int schema);
/* Run statements on the ledger's file, which no one has open. */
void fx_ledger_sql(const struct fx_tmp *tmp, const char *sql);
/* A message of maildrop 1, label "home", made from its number. */
struct sled_message fx_ledger_message(uint64_t number);
bool fx_ledger_put(struct sled_ledger *ledger, uint64_t number,
                   struct sled_err *err);
/* How many messages there are. */
uint64_t fx_ledger_count(struct sled_ledger *ledger);

/* Collects the numbers of the messages that it is given: "3 2 1". */
struct fx_numbers {
	char text[256];
	struct sled_message last;
	char from[64], subject[64];
};

bool fx_ledger_collect(void *ctx, const struct sled_message *message,
                       struct sled_err *err);

#endif
