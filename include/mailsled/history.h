/*
 * history.h - rounds with their visits, and sums over them: what each use of a
 * link brought and cost.
 *
 * Contract
 *   Read from a ledger in one go, then values: nothing of it is kept. Errors:
 *   those of ledger.h; NOMEM.
 */
#ifndef MAILSLED_HISTORY_H
#define MAILSLED_HISTORY_H

#include "mailsled/ledger.h"

#define SLED_HISTORY_CURRENCIES 4

struct sled_history_money {
	char currency[4];
	uint64_t amount; /* millionths */
};

struct sled_history_sum {
	char key[80]; /* a day, a month, a link; "" for all */
	uint64_t rounds, visits, messages, mail, wire, ms;
	/* Those in use come first; what is beyond them is not summed up. */
	struct sled_history_money money[SLED_HISTORY_CURRENCIES];
};

/* One round. A visit that no round has (of an older mailsled, or when the
 * round's row is lost) is one of its own, with id 0 and no bill. */
struct sled_history_round {
	struct sled_round_row row;
	const struct sled_visit_row *visits; /* in the order they began */
	size_t len;
	uint64_t messages, mail, held, left;
	int exit;        /* of the first visit that failed */
	const char *why; /* its error, or NULL */
};

struct sled_history {
	struct sled_history_round *list; /* newest first */
	size_t len, cap;
	struct sled_visit_row *visits;
	size_t visits_len, visits_cap;
	bool whole; /* no account's visits were left out */
};

/* All that began at or after SINCE. With names, only visits to these accounts,
 * and rounds that have one. */
SLED_CHECK bool sled_history_read(struct sled_history *out,
                                  struct sled_ledger *ledger, int64_t since,
                                  const char *const *names, size_t names_len,
                                  struct sled_err *err);
void sled_history_free(struct sled_history *rounds);

void sled_history_add(struct sled_history_sum *sum,
                      const struct sled_history_round *round);
/* By what KEY writes, in the order in which it first came; the caller frees
 * *out. */
typedef void sled_history_key_fn(char out[80],
                                 const struct sled_history_round *round);
SLED_CHECK bool sled_history_sums(const struct sled_history *rounds,
                                  sled_history_key_fn *key,
                                  struct sled_history_sum **out, size_t *len,
                                  struct sled_err *err);

#endif
