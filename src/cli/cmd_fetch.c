/* cmd_fetch.c - `mailsled fetch`: one visit now, to each account at once. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/scheduler.h"
#include "cli/visit.h"
#include "mailsled/clock.h"
#include "mailsled/link.h"
#include "mailsled/round.h"
#include "mailsled/text.h"

#define SHOWN_MAX   20      /* messages named under the report line */
#define LIVE_GAP_MS 100     /* between two live lines */
#define WINDOW_MOST 1000000 /* of any unit */

struct fetch;

/* One account's visit. */
struct visit {
	struct fetch *fetch;
	const struct sled_conf_account *account;
	struct sled_visit_progress now;
	int64_t fetch_began_ms;
	bool over;
};

struct fetch {
	struct sled_cli *cli;
	struct sled_loop *loop;
	struct sled_round *round;
	struct visit *visits; /* one for each configured account */
	size_t *accounts;     /* that are asked for */
	size_t len;
	const struct sled_conf_link *link;
	char path[SLED_ROUTE_NAME]; /* the interface; "" when not known */
	uint64_t window_ms;
	int64_t shown_ms;
	bool stopped;
	enum sled_err_kind worst;
};

/* ---- live lines ---- */

static bool
add_rate(struct sled_buf *out, const struct visit *v, int64_t now_ms,
         struct sled_err *err)
{
	const struct sled_visit_progress *p = &v->now;
	int64_t ms = now_ms - v->fetch_began_ms;
	char done[SLED_CLI_WORD], all[SLED_CLI_WORD], rate[SLED_CLI_WORD];
	char eta[SLED_CLI_WORD] = "?";
	uint64_t left =
	    p->wanted_bytes > p->bytes ? p->wanted_bytes - p->bytes : 0;

	if (v->fetch_began_ms == 0 || ms <= 0)
		return true;
	sled_cli_bytes(done, p->bytes);
	sled_cli_bytes(all, p->wanted_bytes);
	sled_cli_bytes(rate, p->bytes * 1000 / (uint64_t)ms);
	if (p->bytes > 0)
		sled_cli_span(eta, (int64_t)(left * (uint64_t)ms / p->bytes));
	return sled_buf_printf(out, err, "  %s of %s, %s/s, %s left", done, all,
	                       rate, eta);
}

static bool
add_live_line(struct sled_buf *out, const struct visit *v, int64_t now_ms,
              struct sled_err *err)
{
	const struct sled_visit_progress *p = &v->now;

	if (out->len > 0 && !sled_buf_add(out, "\n", 1, err))
		return false;
	if (!sled_buf_printf(out, err, "%s: %s", v->account->name,
	                     sled_cli_phase(p->phase)))
		return false;
	if (p->phase < SLED_PHASE_FETCH)
		return true;
	return sled_buf_printf(out, err, " %llu of %llu",
	                       (unsigned long long)p->fetched,
	                       (unsigned long long)p->wanted) &&
	       add_rate(out, v, now_ms, err) &&
	       sled_buf_printf(out, err, ", %llu safe, %llu deleted",
	                       (unsigned long long)p->safe,
	                       (unsigned long long)p->deleted);
}

static void
show_live(struct fetch *fetch, bool now)
{
	struct sled_buf lines = { 0 };
	struct sled_err err = { 0 };
	int64_t ms = sled_clock_ms();
	bool ok = true;

	if (!sled_cli_is_live(fetch->cli) ||
	    (!now && ms - fetch->shown_ms < LIVE_GAP_MS))
		return;
	fetch->shown_ms = ms;
	for (size_t i = 0; ok && i < fetch->len; i++) {
		const struct visit *v = &fetch->visits[fetch->accounts[i]];

		if (!v->over)
			ok = add_live_line(&lines, v, ms, &err);
	}
	if (ok)
		sled_cli_live(fetch->cli, lines.len == 0 ? "" : lines.data);
	sled_buf_free(&lines);
}

static void
print_event(struct visit *v)
{
	struct sled_err err = { 0 };

	if (sled_cli_visit_event(stdout, v->account->name, &v->now, &err))
		(void)fflush(stdout);
}

static void
on_progress(void *ctx, size_t index, const struct sled_visit_progress *now)
{
	struct fetch *fetch = ctx;
	struct visit *v = &fetch->visits[index];
	bool turned = now->phase != v->now.phase;

	v->now = *now;
	if (now->phase == SLED_PHASE_FETCH && v->fetch_began_ms == 0)
		v->fetch_began_ms = sled_clock_ms();
	if (v->fetch->cli->json && turned && now->phase != SLED_PHASE_DONE)
		print_event(v);
	show_live(v->fetch, turned);
}

/* ---- the report ---- */

static void
print_json(struct visit *v, const struct sled_visit_result *result)
{
	struct sled_err err = { 0 };

	if (!sled_cli_visit_object(stdout, v->account->name, result, &err))
		sled_cli_complain(v->fetch->cli, &err);
	(void)fflush(stdout);
}

static void
print_report(struct visit *v, const struct sled_visit_result *result)
{
	struct sled_buf line = { 0 };
	struct sled_err err = { 0 };

	sled_cli_live(v->fetch->cli, "");
	if (!sled_cli_visit_line(&line, v->account->name, result,
	                         v->fetch->cli->store, &err) ||
	    !sled_buf_add(&line, "\n", 1, &err) ||
	    (v->fetch->cli->verbose &&
	     !sled_cli_cost(&line, &result->row, &err)))
		sled_cli_complain(v->fetch->cli, &err);
	else
		(void)fputs(line.data, stdout);
	sled_buf_free(&line);
}

static void
show_came(struct visit *v, const struct sled_visit_row *row)
{
	unsigned columns = sled_cli_columns(STDOUT_FILENO);
	struct sled_buf lines = { 0 };
	struct sled_err err = { 0 };

	if (!sled_cli_visit_came(v->fetch->cli, &lines, v->account->name, row,
	                         columns, &err))
		sled_cli_complain(v->fetch->cli, &err);
	else if (lines.len > 0)
		(void)fputs(lines.data, stdout);
	sled_buf_free(&lines);
}

/* A visit that did not even begin: its line all the same. */
static void
tell_unbegun(struct visit *v, const struct sled_visit_result *result)
{
	struct sled_cli *cli = v->fetch->cli;

	if (cli->json)
		print_json(v, result);
	if (result->err.kind != SLED_ERR_NONE)
		sled_cli_complain(cli, &result->err);
	else if (!cli->quiet && result->warnings[0] != '\0')
		sled_cli_say(cli, result->warnings);
}

static void
fail_visit(struct visit *v, const struct sled_err *err)
{
	struct sled_visit_result result = { .err = *err };

	result.row.exit = sled_err_exit(err->kind);
	tell_unbegun(v, &result);
}

static void
tell_visit(struct visit *v, const struct sled_visit_result *result)
{
	struct sled_cli *cli = v->fetch->cli;
	struct sled_err err = result->err;

	if (cli->json)
		print_json(v, result);
	else if (!cli->quiet || result->err.kind != SLED_ERR_NONE)
		print_report(v, result);
	if (!cli->json && !cli->quiet)
		show_came(v, &result->row);
	if (result->warnings[0] != '\0' &&
	    strcmp(result->warnings, result->err.text) != 0)
		sled_cli_say(cli, result->warnings);
	if (err.kind == SLED_ERR_NONE)
		return;
	if (strncmp(err.text, v->account->name, strlen(v->account->name)) != 0)
		(void)sled_note(&err, "%s", v->account->name);
	sled_cli_complain(cli, &err);
}

static void
on_done(void *ctx, size_t index, const struct sled_visit_result *result)
{
	struct fetch *fetch = ctx;
	struct visit *v = &fetch->visits[index];

	v->over = true;
	if (result->row.began == 0)
		tell_unbegun(v, result);
	else
		tell_visit(v, result);
	show_live(fetch, true);
}

/* The bill of all accounts, on a link that has a price. */
static void
tell_bill(struct fetch *fetch, const struct sled_round_row *row)
{
	struct sled_buf line = { 0 };
	struct sled_err err = { 0 };

	if (fetch->cli->json || fetch->cli->quiet || row->id == 0 ||
	    fetch->link == NULL || fetch->link->costs_len == 0)
		return;
	if (sled_buf_printf(&line, &err, "%s: ", row->link) &&
	    sled_cli_bill(&line, row, &err))
		(void)puts(line.data);
	sled_buf_free(&line);
}

static void
on_over(void *ctx, const struct sled_round_result *result)
{
	struct fetch *fetch = ctx;

	fetch->worst = sled_err_worse(fetch->worst, result->worst);
	sled_cli_live(fetch->cli, "");
	tell_bill(fetch, &result->row);
	sled_loop_stop(fetch->loop);
}

/* ---- running ---- */

static void
on_signal(void *ctx, int signum)
{
	struct fetch *fetch = ctx;

	(void)signum;
	if (fetch->round != NULL)
		sled_round_stop(fetch->round, fetch->stopped);
	if (!fetch->stopped)
		sled_cli_say(fetch->cli, "stopping: what is whole is kept; "
		                         "once more to hang up at once");
	fetch->stopped = true;
}

/* The interface that leads to the first server, as far as its address is known
 * without a look-up. */
static bool
find_path(struct fetch *fetch, struct sled_err *err)
{
	const struct sled_conf_account *account =
	    &fetch->cli->conf->accounts[fetch->accounts[0]];
	struct sled_ledger *ledger = sled_store_ledger(fetch->cli->store);
	struct sled_maildrop drop;
	struct sled_peer peer;

	if (!sled_ledger_maildrop(ledger, account->server, account->user, &drop,
	                          err) ||
	    !sled_ledger_peer(ledger, drop.id, &peer, err))
		return false;
	(void)sled_route_to(peer.addresses, account->server, fetch->path);
	return true;
}

static bool
pick_link(struct fetch *fetch, struct sled_err *err)
{
	const char *asked = sled_cli_flag(fetch->cli, "link");
	struct sled_link link = { .name = "" };

	if (!find_path(fetch, err))
		return false;
	(void)snprintf(link.name, sizeof(link.name), "%.*s",
	               (int)sizeof(link.name) - 1, fetch->path);
	/* Whoever names one means none else. */
	fetch->link = sled_link_profile(
	    fetch->cli->conf,
	    asked != NULL || fetch->path[0] == '\0' ? NULL : &link, asked);
	if (asked != NULL && fetch->link == NULL) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "no [link] section is for %.40s", asked);
		return sled_hint(err, "mailsled fetch --help");
	}
	if (asked == NULL && fetch->link != NULL &&
	    fetch->link->visit == SLED_CONF_VISIT_NO) {
		(void)sled_fail(err, SLED_ERR_LINK, "[link %s] has visit = no",
		                fetch->link->name);
		return sled_hint(err, "name it by --link to visit all the "
		                      "same");
	}
	return true;
}

static bool
run_visits(struct fetch *fetch, struct sled_err *err)
{
	const struct sled_round_conf conf = {
		.conf = fetch->cli->conf,
		.accounts = fetch->accounts,
		.accounts_len = fetch->len,
		.store = fetch->cli->store,
		.sys = fetch->cli->sys,
		.link = fetch->link,
		.path = fetch->path[0] == '\0' ? NULL : fetch->path,
		.window_ms = fetch->window_ms,
		.asked = true,
		.progress = on_progress,
		.done = on_done,
		.over = on_over,
		.ctx = fetch,
	};

	if (!sled_loop_new(&fetch->loop, err) ||
	    !sled_loop_signals(fetch->loop, on_signal, fetch, err) ||
	    !sled_round_start(&fetch->round, fetch->loop, &conf, err))
		return false;
	sled_loop_run(fetch->loop);
	return true;
}

static void
free_fetch(struct fetch *fetch)
{
	sled_round_free(&fetch->round);
	sled_loop_free(&fetch->loop);
	free(fetch->accounts);
	free(fetch->visits);
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
all_known(struct sled_cli *cli, struct sled_err *err)
{
	for (unsigned i = 0; i < cli->args_len; i++)
		if (sled_conf_account(cli->conf, cli->args[i]) == NULL)
			return sled_cli_known(cli, cli->args[i], err) &&
			       sled_fail(err, SLED_ERR_MISSING,
			                 "%s: the account is not configured "
			                 "any more",
			                 cli->args[i]);
	return true;
}

/* The accounts asked for, each once, or all. */
static bool
pick_accounts(struct fetch *fetch, struct sled_err *err)
{
	const struct sled_conf *conf = fetch->cli->conf;
	size_t most = conf->accounts_len + 1;

	fetch->visits = calloc(most, sizeof(*fetch->visits));
	fetch->accounts = calloc(most, sizeof(*fetch->accounts));
	if (fetch->visits == NULL || fetch->accounts == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "fetch");
	if (!all_known(fetch->cli, err))
		return false;
	for (size_t i = 0; i < conf->accounts_len; i++) {
		fetch->visits[i].fetch = fetch;
		fetch->visits[i].account = &conf->accounts[i];
		if (is_asked(fetch->cli, conf->accounts[i].name))
			fetch->accounts[fetch->len++] = i;
	}
	if (fetch->len > 0)
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG, "no [account] is configured");
	return sled_hint(err, "mailsled init");
}

/* "20s", "5m", "1h"; without a unit seconds. */
static bool
take_window(struct fetch *fetch, struct sled_err *err)
{
	const char *text = sled_cli_flag(fetch->cli, "window");
	char *end = NULL;
	unsigned long long number;
	uint64_t unit = 1000;

	fetch->window_ms = SLED_PLAN_NO_END;
	if (text == NULL)
		return true;
	number = strtoull(text, &end, 10);
	if (*end != '\0')
		unit = strcmp(end, "s") == 0   ? 1000
		       : strcmp(end, "m") == 0 ? 60000
		       : strcmp(end, "h") == 0 ? 3600000
		                               : 0;
	if (*text < '0' || *text > '9' || number == 0 || number > WINDOW_MOST ||
	    unit == 0) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "--window: a time such as 20s, 5m or 1h");
		return sled_hint(err, "mailsled fetch --help");
	}
	fetch->window_ms = number * unit;
	return true;
}

/* A scheduler that runs makes the visit: it knows the links and the budgets.
 * --link and --window are for this process alone. */
static bool
ask_scheduler(struct fetch *fetch, bool *there, int *status,
              struct sled_err *err)
{
	struct sled_cli *cli = fetch->cli;
	const char **words = calloc(cli->args_len + 2, sizeof(*words));
	size_t len = 0;
	bool ok;

	*there = false;
	if (sled_cli_flag(cli, "link") != NULL ||
	    sled_cli_flag(cli, "window") != NULL) {
		free(words);
		return true;
	}
	if (words == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "fetch");
	words[len++] = "visit";
	if (cli->json || cli->quiet || cli->verbose)
		words[len++] = cli->json    ? "json"
		               : cli->quiet ? "quiet"
		                            : "verbose";
	for (unsigned i = 0; i < cli->args_len; i++)
		words[len++] = cli->args[i];
	ok = sled_cli_ask_scheduler(cli, words, len, there, status, err);
	free(words);
	return ok;
}

/* Before all that takes long: people wait for it. */
static bool
deliver(struct fetch *fetch, struct sled_err *err)
{
	struct sled_cli_delivery how = { .cli = fetch->cli,
		                         .stopped = fetch->stopped };
	bool ok = sled_cli_hand_out(&how, err);

	fetch->stopped = how.stopped;
	fetch->worst = sled_err_worse(fetch->worst, how.worst);
	return ok;
}

/* The link is not needed any more; Ctrl-C may cut this off. */
static bool
tend(struct fetch *fetch, struct sled_err *err)
{
	struct sled_cli_far far = { .ms = SLED_CLI_FAR_MS };
	struct sled_tended tended;
	struct sled_err second = { 0 };
	bool ok;

	sled_round_free(&fetch->round);
	sled_loop_free(&fetch->loop);
	(void)fflush(stdout);
	ok = deliver(fetch, err);
	if (fetch->stopped)
		return ok;
	ok = sled_store_tend(fetch->cli->store, SLED_CLI_SCRUB_MS, &tended,
	                     ok ? err : &second) &&
	     ok;
	sled_cli_reader_index(fetch->cli, SLED_CLI_INDEX_MS);
	sled_cli_far_by(fetch->link, &far);
	return sled_cli_far(fetch->cli, &far, ok ? err : &second) && ok;
}

static int
run(struct sled_cli *cli)
{
	struct fetch fetch = { .cli = cli };
	struct sled_err err = { 0 };
	bool there = false;
	int status = 0;

	if (!take_window(&fetch, &err) || !sled_cli_conf(cli, &err) ||
	    !pick_accounts(&fetch, &err) ||
	    !ask_scheduler(&fetch, &there, &status, &err)) {
		free_fetch(&fetch);
		return sled_cli_fail(cli, &err);
	}
	if (there) {
		free_fetch(&fetch);
		return status;
	}
	if (!sled_cli_store(cli, SLED_STORE_WRITE, &err) ||
	    !sled_cli_ready(cli, &err) || !pick_link(&fetch, &err) ||
	    !run_visits(&fetch, &err)) {
		for (size_t i = 0; cli->json && i < fetch.len; i++)
			fail_visit(&fetch.visits[fetch.accounts[i]], &err);
		status = sled_err_exit(err.kind);
		if (!cli->json)
			(void)sled_cli_fail(cli, &err);
	} else {
		if (!tend(&fetch, &err) || !sled_cli_whole(cli, &err)) {
			sled_cli_complain(cli, &err);
			fetch.worst = sled_err_worse(fetch.worst, err.kind);
		}
		status = sled_err_exit(fetch.worst);
	}
	free_fetch(&fetch);
	return status;
}

static const struct sled_cli_flag flags[] = {
	{ "link", "NAME", "the [link] section that applies" },
	{ "window", "TIME", "the line ends then: 20s, 5m, 1h" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_fetch = {
	.name = "fetch",
	.args = "[ACCOUNT...]",
	.about = "visit the server now: fetch, store, verify, delete",
	.more = "Each message is stored in every place, read back and "
		"compared; only then is it\ndeleted from the server, if "
		"`delete =` says so. Without ACCOUNT: all of them. What is "
		"wanted comes first,\nthen the smallest; what cannot end in "
		"--window, or within the link's budget,\nis left. Without "
		"--link the section is that of the interface which leads to "
		"the\nserver.\n",
	.examples = "  mailsled fetch\n"
		    "  mailsled fetch home\n"
		    "  mailsled fetch --link sat0 --window 20s\n"
		    "  mailsled --json fetch | jq .fetched\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
