/* cmd_plan.c - `mailsled plan`: what a visit would fetch now, without one. */
#include <stdlib.h>
#include <string.h>

#include "cli/forecast.h"

#define WINDOW_MOST 604800u /* seconds */

/* "20s", "5m", "1h"; without a unit seconds. */
static bool
take_window(const struct sled_cli *cli, uint64_t *ms, struct sled_err *err)
{
	const char *text = sled_cli_flag(cli, "window");
	uint64_t seconds = 0, unit;
	const char *at = text;

	*ms = SLED_PLAN_NO_END;
	if (text == NULL)
		return true;
	for (; *at >= '0' && *at <= '9' && seconds <= WINDOW_MOST; at++)
		seconds = seconds * 10 + (uint64_t)(*at - '0');
	unit = strcmp(at, "") == 0 || strcmp(at, "s") == 0 ? 1
	       : strcmp(at, "m") == 0                      ? 60
	       : strcmp(at, "h") == 0                      ? 3600
	                                                   : 0;
	if (seconds == 0 || unit == 0 || seconds * unit > WINDOW_MOST) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "--window: a time such as 20s, 5m or 1h");
		return sled_hint(err, "mailsled plan --help");
	}
	*ms = seconds * unit * 1000;
	return true;
}

static bool
is_asked(const struct sled_cli *cli, const char *name)
{
	for (unsigned i = 0; i < cli->args_len; i++)
		if (strcmp(cli->args[i], name) == 0)
			return true;
	return cli->args_len == 0;
}

static bool
check_names(struct sled_cli *cli, struct sled_err *err)
{
	for (unsigned i = 0; i < cli->args_len; i++) {
		const char *near;

		if (sled_conf_account(cli->conf, cli->args[i]) != NULL)
			continue;
		near = sled_conf_account_near(cli->conf, cli->args[i]);
		return sled_fail(
		    err, SLED_ERR_MISSING, "%.24s: no such account%s%s%s",
		    cli->args[i], near == NULL ? "" : "; did you mean ",
		    near == NULL ? "" : near, near == NULL ? "" : "?");
	}
	return true;
}

static bool
choose_accounts(struct sled_forecast *f, struct sled_err *err)
{
	const struct sled_conf *conf = f->cli->conf;

	if (!check_names(f->cli, err))
		return false;
	f->accounts = calloc(conf->accounts_len + 1, sizeof(*f->accounts));
	if (f->accounts == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "accounts");
	for (size_t i = 0; i < conf->accounts_len; i++)
		if (is_asked(f->cli, conf->accounts[i].name))
			f->accounts[f->accounts_len++].conf =
			    &conf->accounts[i];
	if (f->accounts_len > 0)
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG, "no [account] is configured");
	return sled_hint(err, "mailsled init");
}

static bool
may_pass(const struct sled_conf_link *link, const char *name)
{
	for (size_t i = 0; link != NULL && i < link->accounts_len; i++)
		if (strcmp(link->accounts[i], name) == 0)
			return true;
	return link == NULL || link->accounts_len == 0;
}

/* What the link lets pass: its accounts, up to its hold-larger. */
static bool
apply_link(struct sled_forecast *f, struct sled_err *err)
{
	const struct sled_conf_link *link = f->link.profile;
	uint32_t len = 0;

	for (uint32_t i = 0; i < f->accounts_len; i++) {
		struct sled_forecast_account *account = &f->accounts[i];

		if (f->cli->args_len == 0 &&
		    !may_pass(link, account->conf->name))
			continue;
		account->hold = link != NULL && link->hold_larger.set
		                    ? link->hold_larger.bytes
		                    : account->conf->hold_larger.bytes;
		f->accounts[len++] = *account;
	}
	f->accounts_len = len;
	return len > 0 ||
	       sled_fail(err, SLED_ERR_MISSING,
	                 "[link %s] lets no account pass", link->name);
}

/* With --sizes a store is welcome, not needed. */
static bool
open_store(struct sled_forecast *f, const char *sizes, struct sled_err *err)
{
	if (sled_cli_store(f->cli, SLED_STORE_READ, err))
		return true;
	if (sizes == NULL || err->kind != SLED_ERR_MISSING)
		return false;
	*err = (struct sled_err){ 0 };
	return true;
}

static bool
plan(struct sled_forecast *f, struct sled_err *err)
{
	const char *sizes = sled_cli_flag(f->cli, "sizes");
	uint64_t window_ms;

	if (!take_window(f->cli, &window_ms, err) ||
	    !sled_cli_conf(f->cli, err) || !choose_accounts(f, err) ||
	    !open_store(f, sizes, err) ||
	    !sled_forecast_find_link(f, sled_cli_flag(f->cli, "link"),
	                             window_ms, err) ||
	    !apply_link(f, err))
		return false;
	if (!(sizes != NULL ? sled_forecast_sizes(f, sizes, err)
	                    : sled_forecast_listings(f, err)) ||
	    !sled_forecast_run(f, err))
		return false;
	sled_forecast_sort(f);
	return f->cli->json ? sled_forecast_json(f, err)
	                    : sled_forecast_print(f, err);
}

static int
run(struct sled_cli *cli)
{
	struct sled_forecast forecast = { .cli = cli };
	struct sled_err err = { 0 };
	bool ok = plan(&forecast, &err);

	free(forecast.accounts);
	free(forecast.items);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "link", "NAME", "as on the link of this [link] section" },
	{ "window", "TIME", "the line ends then: 20s, 5m, 1h" },
	{ "sizes", "FILE",
	  "not the last listing: one size a line; - for stdin" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_plan = {
	.name = "plan",
	.args = "[ACCOUNT...]",
	.about = "what a visit would fetch now, and its cost",
	.more =
	    "Nothing is sent: it works with the last listing, and with what "
	    "earlier visits\nlearned of the link. A line of FILE is a size "
	    "as 5000, 4.2KiB or 1MiB, an\naccount's name before it if "
	    "there are several.\n",
	.examples = "  mailsled plan\n"
		    "  mailsled plan --link ppp0 --window 20s\n"
		    "  seq 2000 500 9000 | mailsled plan --sizes -\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
