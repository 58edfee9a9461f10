/*
 * rounds.h - rounds with their visits, and sums over them; private to cli, for
 * `mailsled report`.
 */
#ifndef CLI_ROUNDS_H
#define CLI_ROUNDS_H

#include "cli/cli.h"

#define SLED_CLI_CURRENCIES 4

struct sled_cli_money_sum {
	char currency[4];
	uint64_t amount; /* millionths */
};

struct sled_cli_sum {
	char key[80]; /* a day, a month, a link; "" for all */
	uint64_t rounds, visits, messages, mail, wire, ms;
	/* Those in use come first; what is beyond them is not summed up. */
	struct sled_cli_money_sum money[SLED_CLI_CURRENCIES];
};

/* One round. A visit that no round has (of an older mailsled, or when the
 * round's row is lost) is one of its own, with id 0 and no bill. */
struct sled_cli_round {
	struct sled_round_row row;
	const struct sled_visit_row *visits; /* in the order they began */
	size_t len;
	uint64_t messages, mail, held, left;
	int exit; /* of the first visit that failed */
	const char *why;
};

struct sled_cli_rounds {
	struct sled_cli_round *list; /* newest first */
	size_t len, cap;
	struct sled_visit_row *visits;
	size_t visits_len, visits_cap;
};

/* All that began at or after SINCE. With names, only visits to these accounts,
 * and rounds that have one. */
SLED_CHECK bool sled_cli_rounds_read(struct sled_cli_rounds *out,
                                     struct sled_ledger *ledger, int64_t since,
                                     const char *const *names, size_t names_len,
                                     struct sled_err *err);
void sled_cli_rounds_free(struct sled_cli_rounds *rounds);

void sled_cli_sum_add(struct sled_cli_sum *sum,
                      const struct sled_cli_round *round);
/* By what KEY writes, in the order in which it first came; the caller frees
 * *out. */
typedef void sled_cli_key_fn(char out[80], const struct sled_cli_round *round);
SLED_CHECK bool sled_cli_sums(const struct sled_cli_rounds *rounds,
                              sled_cli_key_fn *key, struct sled_cli_sum **out,
                              size_t *len, struct sled_err *err);

#endif
