/* forecast_show.c - a plan as a table, or as JSON. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/forecast.h"
#include "mailsled/clock.h"

#define NUMBER        6u /* columns */
#define VALUE         10u
#define COLUMNS       80u
#define ACCOUNT_MOST  24u
#define ACCOUNT_LEAST 4u

static const char *const fates[] = {
	[SLED_FORECAST_TIME] = "left: would not end in time",
	[SLED_FORECAST_COMES] = "comes",
	[SLED_FORECAST_BUDGET] = "left: over the budget",
	[SLED_FORECAST_HOPELESS] = "held: longer than the line lasts",
	[SLED_FORECAST_HELD] = "held: over hold-larger",
	[SLED_FORECAST_DROP] = "dropped unread, as decided",
};

static const char *const fate_words[] = {
	[SLED_FORECAST_TIME] = "time",
	[SLED_FORECAST_COMES] = "comes",
	[SLED_FORECAST_BUDGET] = "budget",
	[SLED_FORECAST_HOPELESS] = "hopeless",
	[SLED_FORECAST_HELD] = "held",
	[SLED_FORECAST_DROP] = "drop",
};

static int
in_order(const void *a, const void *b)
{
	const struct sled_forecast_item *x = a, *y = b;

	if (x->order != y->order)
		return x->order == 0                          ? 1
		       : y->order == 0 || y->order > x->order ? -1
		                                              : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->account < y->account ? -1 : x->account > y->account;
}

void
sled_forecast_sort(struct sled_forecast *f)
{
	if (f->len > 0)
		qsort(f->items, f->len, sizeof(*f->items), in_order);
}

struct sum {
	uint64_t count, octets;
};

static void
sum_up(const struct sled_forecast *f, struct sum sums[SLED_FORECAST_FATES])
{
	(void)memset(sums, 0, SLED_FORECAST_FATES * sizeof(*sums));
	for (size_t i = 0; i < f->len; i++) {
		sums[f->items[i].fate].count++;
		sums[f->items[i].fate].octets += f->items[i].size;
	}
}

static bool
has_price(const struct sled_forecast *f)
{
	return f->link.profile != NULL && f->link.profile->costs_len > 0;
}

/* ---- the table ---- */

struct table {
	const struct sled_forecast *forecast;
	unsigned columns; /* 0: any */
	unsigned account; /* of its column; 0: there is one account only */
	struct sled_buf line;
};

static bool
put(struct table *t, struct sled_err *err)
{
	struct sled_buf fitted = { 0 };
	size_t len = t->line.len;
	bool ok;

	while (len > 0 && t->line.data[len - 1] == ' ')
		t->line.data[--len] = '\0';
	ok = t->columns == 0
	         ? sled_buf_addstr(&fitted, t->line.data, err)
	         : sled_cli_fit(&fitted, t->line.data, t->columns, false, err);
	if (ok && puts(fitted.data == NULL ? "" : fitted.data) == EOF)
		ok = sled_fail(err, SLED_ERR_IO, "output: cannot be written");
	sled_buf_free(&fitted);
	sled_buf_free(&t->line);
	return ok;
}

static bool
add_account(struct table *t, const char *name, struct sled_err *err)
{
	return t->account == 0 ||
	       (sled_buf_add(&t->line, "  ", 2, err) &&
	        sled_cli_fit(&t->line, name, t->account, true, err));
}

static bool
add_value(struct table *t, const char *text, struct sled_err *err)
{
	return sled_buf_printf(&t->line, err, "  %*s", (int)VALUE, text);
}

static bool
put_head(struct table *t, struct sled_err *err)
{
	return sled_buf_printf(&t->line, err, "%*s", (int)NUMBER, "") &&
	       add_account(t, "account", err) && add_value(t, "size", err) &&
	       add_value(t, "from", err) && add_value(t, "until", err) &&
	       add_value(t, "on line", err) &&
	       (!has_price(t->forecast) || add_value(t, "cost", err)) &&
	       put(t, err);
}

static bool
put_coming(struct table *t, const struct sled_forecast_item *item,
           struct sled_err *err)
{
	const struct sled_forecast *f = t->forecast;
	char size[SLED_CLI_WORD], from[SLED_CLI_WORD], until[SLED_CLI_WORD];
	char wire[SLED_CLI_WORD], money[SLED_CLI_WORD];

	sled_cli_bytes(size, item->size);
	sled_cli_span(from, (int64_t)item->starts_ms);
	sled_cli_span(until, (int64_t)item->ends_ms);
	sled_cli_bytes(wire, item->wire);
	if (!sled_buf_printf(&t->line, err, "%*" PRIu64, (int)NUMBER,
	                     item->order) ||
	    !add_account(t, f->accounts[item->account].conf->name, err) ||
	    !add_value(t, size, err) || !add_value(t, from, err) ||
	    !add_value(t, until, err) || !add_value(t, wire, err))
		return false;
	if (has_price(f)) {
		sled_cli_money(money, item->money, f->link.profile->currency);
		if (!add_value(t, money, err))
			return false;
	}
	return put(t, err);
}

static bool
put_staying(struct table *t, const struct sled_forecast_item *item,
            struct sled_err *err)
{
	char size[SLED_CLI_WORD];

	sled_cli_bytes(size, item->size);
	return sled_buf_printf(&t->line, err, "%*s", (int)NUMBER, "-") &&
	       add_account(t, t->forecast->accounts[item->account].conf->name,
	                   err) &&
	       add_value(t, size, err) &&
	       sled_buf_printf(&t->line, err, "  %s", fates[item->fate]) &&
	       put(t, err);
}

/* "ppp0: 300 B/s, RTT 2.0 s, learned in 5 visits; the window ends after 20 s" */
static bool
put_link(struct table *t, struct sled_err *err)
{
	const struct sled_forecast_link *link = &t->forecast->link;
	bool hard = link->window_ms != SLED_PLAN_NO_END;
	char rate[SLED_CLI_WORD], rtt[SLED_CLI_WORD], ends[SLED_CLI_WORD];
	uint64_t end = hard ? link->window_ms : link->usual_ms;

	sled_cli_bytes(rate, link->rate.down);
	sled_cli_span(rtt, link->rate.rtt_ms);
	if (!sled_buf_printf(&t->line, err, "%s: %s/s",
	                     link->learned           ? link->path.name
	                     : link->profile != NULL ? link->profile->name
	                                             : "this link",
	                     rate))
		return false;
	if (link->rate.rtt_ms > 0 &&
	    !sled_buf_printf(&t->line, err, ", RTT %s", rtt))
		return false;
	if (!sled_buf_addstr(&t->line,
	                     link->learned ? ", as learned" : ", by its hints",
	                     err))
		return false;
	if (end != SLED_PLAN_NO_END) {
		sled_cli_span(ends, (int64_t)end);
		if (!sled_buf_printf(
			&t->line, err, "; %s after %s",
			hard ? "the window ends" : "it is mostly cut", ends))
			return false;
	}
	return put(t, err);
}

static bool
put_sums(struct table *t, struct sled_err *err)
{
	const struct sled_forecast *f = t->forecast;
	struct sum sums[SLED_FORECAST_FATES];
	char mail[SLED_CLI_WORD], wire[SLED_CLI_WORD], took[SLED_CLI_WORD];
	char money[SLED_CLI_WORD] = "";

	sum_up(f, sums);
	sled_cli_bytes(mail, sums[SLED_FORECAST_COMES].octets);
	sled_cli_bytes(wire, f->wire);
	sled_cli_span(took, (int64_t)f->ms);
	if (has_price(f))
		sled_cli_money(money, f->bill.money, f->link.profile->currency);
	if (!sled_buf_printf(&t->line, err,
	                     "%" PRIu64 " of %zu message%s, %s, in %s to QUIT; "
	                     "%s on the line%s%s",
	                     sums[SLED_FORECAST_COMES].count, f->len,
	                     f->len == 1 ? "" : "s", mail, took, wire,
	                     money[0] == '\0' ? "" : ", ", money) ||
	    !put(t, err))
		return false;
	for (size_t i = 0; i < SLED_FORECAST_FATES; i++) {
		if (i == SLED_FORECAST_COMES || sums[i].count == 0)
			continue;
		sled_cli_bytes(mail, sums[i].octets);
		if (!sled_buf_printf(&t->line, err, "%" PRIu64 " (%s) %s",
		                     sums[i].count, mail, fates[i]) ||
		    !put(t, err))
			return false;
	}
	return true;
}

static bool
put_budget(struct table *t, struct sled_err *err)
{
	const struct sled_forecast *f = t->forecast;
	struct sum sums[SLED_FORECAST_FATES];

	sum_up(f, sums);
	return sums[SLED_FORECAST_BUDGET].count == 0 || f->over == NULL ||
	       (sled_cli_budget_ends(&t->line, f->link.profile, f->over,
	                             &f->link.used, sled_clock_now(), err) &&
	        put(t, err));
}

static unsigned
account_columns(const struct sled_forecast *f, unsigned columns)
{
	unsigned values = has_price(f) ? 5 : 4, widest = 7;
	unsigned others = NUMBER + values * (VALUE + 2) + 2;

	if (f->accounts_len < 2)
		return 0;
	for (uint32_t i = 0; i < f->accounts_len; i++) {
		unsigned width = sled_cli_width(f->accounts[i].conf->name);

		widest = width > widest ? width : widest;
	}
	if (widest > ACCOUNT_MOST)
		widest = ACCOUNT_MOST;
	if (others + widest > columns)
		widest = columns > others + ACCOUNT_LEAST ? columns - others
		                                          : ACCOUNT_LEAST;
	return widest;
}

bool
sled_forecast_print(const struct sled_forecast *f, struct sled_err *err)
{
	unsigned columns = sled_cli_columns(STDOUT_FILENO);
	struct table t = { .forecast = f, .columns = columns };
	bool ok;

	t.account = account_columns(f, columns == 0 ? COLUMNS : columns);
	ok = put_link(&t, err) && (f->len == 0 || put_head(&t, err));
	for (size_t i = 0; ok && i < f->len; i++)
		ok = f->items[i].fate == SLED_FORECAST_COMES
		         ? put_coming(&t, &f->items[i], err)
		         : put_staying(&t, &f->items[i], err);
	ok = ok && put_sums(&t, err) && put_budget(&t, err);
	sled_buf_free(&t.line);
	return ok;
}

/* ---- JSON ---- */

static bool
put_item_json(const struct sled_forecast *f,
              const struct sled_forecast_item *item, struct sled_err *err)
{
	struct sled_json *json = NULL;
	bool comes = item->fate == SLED_FORECAST_COMES;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "account", f->accounts[item->account].conf->name);
	sled_json_u64(json, "octets", item->size);
	sled_json_bool(json, "wanted", item->wanted);
	sled_json_text(json, "fate", fate_words[item->fate]);
	if (comes) {
		sled_json_u64(json, "order", item->order);
		sled_json_real(json, "from", (double)item->starts_ms / 1000.0);
		sled_json_real(json, "until", (double)item->ends_ms / 1000.0);
		sled_json_u64(json, "wire_bytes", item->wire);
		sled_json_real(json, "money", (double)item->money / 1e6);
	}
	return sled_json_print(&json, stdout, err);
}

static void
add_ms(struct sled_json *json, const char *key, uint64_t ms)
{
	if (ms == SLED_PLAN_NO_END)
		sled_json_null(json, key);
	else
		sled_json_real(json, key, (double)ms / 1000.0);
}

static void
add_link_json(struct sled_json *json, const struct sled_forecast_link *link)
{
	const struct sled_conf_link *profile = link->profile;

	sled_json_text(json, "link", profile == NULL ? NULL : profile->name);
	sled_json_text(json, "path", link->learned ? link->path.name : NULL);
	sled_json_bool(json, "learned", link->learned);
	sled_json_u64(json, "rate", link->rate.down);
	sled_json_u64(json, "rtt_ms", link->rate.rtt_ms);
	add_ms(json, "window_seconds", link->window_ms);
	add_ms(json, "usual_seconds", link->usual_ms);
	sled_json_text(json, "currency",
	               profile == NULL || profile->currency[0] == '\0'
	                   ? NULL
	                   : profile->currency);
}

static bool
put_sums_json(const struct sled_forecast *f, struct sled_err *err)
{
	struct sum sums[SLED_FORECAST_FATES];
	struct sled_json *json = NULL;
	bool known = true;

	if (!sled_json_new(&json, err))
		return false;
	sum_up(f, sums);
	for (uint32_t i = 0; i < f->accounts_len; i++)
		known = known && f->accounts[i].known;
	sled_json_bool(json, "sum", true);
	sled_json_bool(json, "known", known);
	for (size_t i = 0; i < SLED_FORECAST_FATES; i++)
		sled_json_u64(json, fate_words[i], sums[i].count);
	sled_json_u64(json, "mail_bytes", sums[SLED_FORECAST_COMES].octets);
	sled_json_u64(json, "connections", f->connections);
	sled_json_real(json, "seconds", (double)f->ms / 1000.0);
	sled_json_u64(json, "wire_bytes", f->wire);
	sled_json_u64(json, "billed_bytes", f->bill.bytes);
	sled_json_u64(json, "steps", f->bill.steps);
	sled_json_real(json, "money", (double)f->bill.money / 1e6);
	add_link_json(json, &f->link);
	return sled_json_print(&json, stdout, err);
}

bool
sled_forecast_json(const struct sled_forecast *f, struct sled_err *err)
{
	for (size_t i = 0; i < f->len; i++)
		if (!put_item_json(f, &f->items[i], err))
			return false;
	return put_sums_json(f, err);
}
