/* rounds.c - see mailsled/history.h. */
#include <stdlib.h>
#include <string.h>

#include "mailsled/history.h"

struct reading {
	struct sled_history *out;
	const char *const *names;
	size_t names_len;
};

static bool
make_room(void **list, size_t len, size_t *cap, size_t size,
          struct sled_err *err)
{
	size_t more = *cap == 0 ? 64 : *cap * 2;
	void *grown;

	if (len < *cap)
		return true;
	grown = reallocarray(*list, more, size);
	if (grown == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "history");
	*list = grown;
	*cap = more;
	return true;
}

static bool
add_round(struct sled_history *out, const struct sled_round_row *row,
          struct sled_err *err)
{
	void *list = out->list;

	if (!make_room(&list, out->len, &out->cap, sizeof(*out->list), err))
		return false;
	out->list = list;
	out->list[out->len++] = (struct sled_history_round){ .row = *row };
	return true;
}

static bool
take_round(void *ctx, const struct sled_round_row *row, struct sled_err *err)
{
	const struct reading *reading = ctx;

	return add_round(reading->out, row, err);
}

static bool
is_wanted(const struct reading *reading, const struct sled_visit_row *row)
{
	for (size_t i = 0; i < reading->names_len; i++)
		if (strcmp(reading->names[i], row->label) == 0)
			return true;
	return reading->names_len == 0;
}

static bool
take_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	const struct reading *reading = ctx;
	struct sled_history *out = reading->out;
	void *list = out->visits;

	if (!is_wanted(reading, row))
		return true;
	if (!make_room(&list, out->visits_len, &out->visits_cap,
	               sizeof(*out->visits), err))
		return false;
	out->visits = list;
	out->visits[out->visits_len++] = *row;
	return true;
}

/* ---- who belongs to whom ---- */

static int
by_round(const void *a, const void *b)
{
	const struct sled_visit_row *left = a, *right = b;

	if (left->round != right->round)
		return left->round < right->round ? -1 : 1;
	if (left->began != right->began)
		return left->began < right->began ? -1 : 1;
	return (left->id > right->id) - (left->id < right->id);
}

static int
by_id(const void *a, const void *b)
{
	const struct sled_history_round *left = a, *right = b;

	return (left->row.id > right->row.id) - (left->row.id < right->row.id);
}

static int
newest_first(const void *a, const void *b)
{
	const struct sled_history_round *left = a, *right = b;

	if (left->row.began != right->row.began)
		return left->row.began > right->row.began ? -1 : 1;
	return by_id(b, a);
}

static void
give_visit(struct sled_history_round *round, const struct sled_visit_row *visit)
{
	if (round->len++ == 0)
		round->visits = visit;
	round->messages += visit->fetched;
	round->mail += visit->mail_bytes;
	round->held += visit->held;
	round->left += visit->left;
	if (round->exit == 0 && visit->exit != 0) {
		round->exit = visit->exit;
		round->why = visit->error;
	}
}

static bool
add_alone(struct sled_history *out, const struct sled_visit_row *visit,
          struct sled_err *err)
{
	struct sled_round_row row = { .began = visit->began,
		                      .ms = visit->ms,
		                      .over = true,
		                      .wire =
		                          visit->wire_down + visit->wire_up };

	memcpy(row.path, visit->path, sizeof(row.path));
	if (!add_round(out, &row, err))
		return false;
	give_visit(&out->list[out->len - 1], visit);
	return true;
}

/* The visits are sorted by round and do not move any more. */
static bool
join(struct sled_history *out, struct sled_err *err)
{
	size_t known = out->len;

	if (known > 1)
		qsort(out->list, known, sizeof(*out->list), by_id);
	if (out->visits_len > 1)
		qsort(out->visits, out->visits_len, sizeof(*out->visits),
		      by_round);
	for (size_t i = 0; i < out->visits_len; i++) {
		const struct sled_visit_row *visit = &out->visits[i];
		struct sled_history_round key = { .row.id = visit->round };
		struct sled_history_round *round =
		    known == 0
			? NULL
			: bsearch(&key, out->list, known, sizeof(key), by_id);

		if (round != NULL)
			give_visit(round, visit);
		else if (!add_alone(out, visit, err))
			return false;
	}
	return true;
}

/* Rounds that went to none of the accounts asked for. */
static void
drop_strangers(struct sled_history *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < out->len; i++)
		if (out->list[i].len > 0)
			out->list[kept++] = out->list[i];
	out->len = kept;
}

bool
sled_history_read(struct sled_history *out, struct sled_ledger *ledger,
                  int64_t since, const char *const *names, size_t names_len,
                  struct sled_err *err)
{
	struct reading reading = { out, names, names_len };

	*out = (struct sled_history){ .whole = names_len == 0 };
	if (!sled_ledger_rounds(ledger, since, 0, take_round, &reading, err) ||
	    !sled_ledger_visits_since(ledger, since, take_visit, &reading,
	                              err) ||
	    !join(out, err)) {
		sled_history_free(out);
		return false;
	}
	if (names_len > 0)
		drop_strangers(out);
	if (out->len > 1)
		qsort(out->list, out->len, sizeof(*out->list), newest_first);
	return true;
}

void
sled_history_free(struct sled_history *rounds)
{
	free(rounds->list);
	free(rounds->visits);
	*rounds = (struct sled_history){ 0 };
}

/* ---- sums ---- */

static void
add_money(struct sled_history_sum *sum, const struct sled_round_row *row)
{
	for (size_t i = 0; i < SLED_HISTORY_CURRENCIES; i++) {
		struct sled_history_money *one = &sum->money[i];

		if (one->currency[0] == '\0')
			memcpy(one->currency, row->currency,
			       sizeof(one->currency));
		if (strcmp(one->currency, row->currency) != 0)
			continue;
		if (__builtin_add_overflow(one->amount, row->money,
		                           &one->amount))
			one->amount = UINT64_MAX;
		return;
	}
}

void
sled_history_add(struct sled_history_sum *sum,
                 const struct sled_history_round *round)
{
	sum->rounds++;
	sum->visits += round->len;
	sum->messages += round->messages;
	sum->mail += round->mail;
	sum->wire += round->row.wire;
	sum->ms += round->row.ms < 0 ? 0 : (uint64_t)round->row.ms;
	if (round->row.currency[0] != '\0')
		add_money(sum, &round->row);
}

bool
sled_history_sums(const struct sled_history *rounds, sled_history_key_fn *key,
                  struct sled_history_sum **out, size_t *len,
                  struct sled_err *err)
{
	*len = 0;
	*out = calloc(rounds->len + 1, sizeof(**out));
	if (*out == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "history");
	for (size_t i = 0; i < rounds->len; i++) {
		char name[80];
		size_t at = 0;

		key(name, &rounds->list[i]);
		while (at < *len && strcmp((*out)[at].key, name) != 0)
			at++;
		if (at == *len)
			memcpy((*out)[(*len)++].key, name, sizeof(name));
		sled_history_add(&(*out)[at], &rounds->list[i]);
	}
	return true;
}
