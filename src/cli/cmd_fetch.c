/* cmd_fetch.c - `mailsled fetch`: one visit now, to each account at once. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/secret.h"
#include "mailsled/clock.h"
#include "mailsled/session.h"
#include "mailsled/text.h"

#define SHOWN_MAX   20  /* messages named under the report line */
#define LIVE_GAP_MS 100 /* between two live lines */

struct fetch;

/* One account's visit. */
struct visit {
	struct fetch *fetch;
	const struct sled_conf_account *account;
	struct sled_tls_trust *trust;
	struct sled_buf secret;
	struct sled_session *session;
	struct sled_visit_progress now;
	int64_t fetch_began_ms;
	bool over;
};

struct fetch {
	struct sled_cli *cli;
	struct sled_loop *loop;
	struct visit *visits;
	size_t len, running;
	int64_t shown_ms;
	bool stopped;
	enum sled_err_kind worst;
};

/* ---- live lines ---- */

static const char *
phase_word(enum sled_phase phase)
{
	static const char *const words[] = {
		[SLED_PHASE_CONNECT] = "connecting",
		[SLED_PHASE_TLS] = "securing",
		[SLED_PHASE_LOGIN] = "logging in",
		[SLED_PHASE_LIST] = "listing",
		[SLED_PHASE_FETCH] = "fetching",
		[SLED_PHASE_SAVE] = "saving",
		[SLED_PHASE_DELETE] = "deleting",
		[SLED_PHASE_DONE] = "done",
	};

	return words[phase];
}

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
	                     phase_word(p->phase)))
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
	for (size_t i = 0; ok && i < fetch->len; i++)
		if (!fetch->visits[i].over)
			ok = add_live_line(&lines, &fetch->visits[i], ms, &err);
	if (ok)
		sled_cli_live(fetch->cli, lines.len == 0 ? "" : lines.data);
	sled_buf_free(&lines);
}

static void
print_event(struct visit *v)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	if (!sled_json_new(&json, &err))
		return;
	sled_json_text(json, "event", phase_word(v->now.phase));
	sled_json_text(json, "account", v->account->name);
	sled_json_u64(json, "listed", v->now.listed);
	sled_json_u64(json, "wanted", v->now.wanted);
	sled_json_u64(json, "fetched", v->now.fetched);
	sled_json_u64(json, "safe", v->now.safe);
	if (sled_json_print(&json, stdout, &err))
		(void)fflush(stdout);
}

static void
on_progress(void *ctx, const struct sled_visit_progress *now)
{
	struct visit *v = ctx;
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
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	if (!sled_json_new(&json, &err)) {
		sled_cli_complain(v->fetch->cli, &err);
		return;
	}
	sled_json_text(json, "account", v->account->name);
	sled_cli_visit_json(json, &result->row);
	if (result->err.kind != SLED_ERR_NONE)
		sled_json_text(json, "error", result->err.text);
	if (result->warnings[0] != '\0')
		sled_json_text(json, "warnings", result->warnings);
	if (!sled_json_print(&json, stdout, &err))
		sled_cli_complain(v->fetch->cli, &err);
	(void)fflush(stdout);
}

static bool
add_count(struct sled_buf *out, uint64_t count, const char *what,
          struct sled_err *err)
{
	return count == 0 || sled_buf_printf(out, err, ", %llu %s",
	                                     (unsigned long long)count, what);
}

/* One line: what came, what it cost, what is where. */
static bool
report_line(struct visit *v, const struct sled_visit_result *result,
            struct sled_buf *out, struct sled_err *err)
{
	const struct sled_visit_row *row = &result->row;
	const struct sled_store *store = v->fetch->cli->store;
	char mail[SLED_CLI_WORD], wire[SLED_CLI_WORD], took[SLED_CLI_WORD];

	sled_cli_bytes(mail, row->mail_bytes);
	sled_cli_bytes(wire, row->wire_down + row->wire_up);
	sled_cli_span(took, row->ms);
	return sled_buf_printf(out, err, "%s: %llu came", v->account->name,
	                       (unsigned long long)row->fetched) &&
	       (row->fetched == 0 ||
	        sled_buf_printf(out, err, " (%s)", mail)) &&
	       add_count(out, row->deleted, "deleted from the server", err) &&
	       add_count(out, row->kept, "kept there", err) &&
	       add_count(out, row->held, "held (too large)", err) &&
	       add_count(out, row->left, "left for later", err) &&
	       add_count(out, row->failed, "failed", err) &&
	       sled_buf_printf(out, err, "; %s, %s on the wire%s%s", took, wire,
	                       result->trial ? "; trial: nothing is deleted yet"
	                                     : "",
	                       sled_store_one_disk(store) ? " (1 disk)" : "");
}

static void
print_report(struct visit *v, const struct sled_visit_result *result)
{
	struct sled_buf line = { 0 };
	struct sled_err err = { 0 };

	sled_cli_live(v->fetch->cli, "");
	if (!report_line(v, result, &line, &err) ||
	    !sled_buf_add(&line, "\n", 1, &err) ||
	    (v->fetch->cli->verbose &&
	     !sled_cli_cost(&line, &result->row, &err)))
		sled_cli_complain(v->fetch->cli, &err);
	else
		(void)fputs(line.data, stdout);
	sled_buf_free(&line);
}

/* ---- what came ---- */

struct came {
	struct sled_cli *cli;
	uint64_t seen;
};

static bool
show_one(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct came *came = ctx;
	struct sled_buf line = { 0 };
	bool ok;

	if (came->seen++ >= SHOWN_MAX)
		return true;
	ok = sled_cli_message_line(
	    came->cli, message,
	    sled_cli_columns(1) > 2 ? sled_cli_columns(1) - 2 : 0, &line, err);
	if (ok)
		(void)printf("  %s\n", line.data);
	sled_buf_free(&line);
	return ok;
}

static void
show_came(struct visit *v, const struct sled_visit_row *row)
{
	struct came came = { v->fetch->cli, 0 };
	const struct sled_message_query query = { .label = v->account->name,
		                                  .since = row->began,
		                                  .limit = row->fetched };
	struct sled_err err = { 0 };

	if (row->fetched == 0)
		return;
	if (!sled_ledger_messages(sled_store_ledger(v->fetch->cli->store),
	                          &query, show_one, &came, &err))
		sled_cli_complain(v->fetch->cli, &err);
	if (came.seen > SHOWN_MAX)
		(void)printf("  and %llu more: mailsled list --new\n",
		             (unsigned long long)(came.seen - SHOWN_MAX));
}

static void
on_done(void *ctx, const struct sled_visit_result *result)
{
	struct visit *v = ctx;
	struct fetch *fetch = v->fetch;
	struct sled_err err = result->err;

	v->over = true;
	fetch->worst = sled_err_worse(fetch->worst, result->err.kind);
	if (fetch->cli->json)
		print_json(v, result);
	else if (!fetch->cli->quiet || result->err.kind != SLED_ERR_NONE)
		print_report(v, result);
	if (!fetch->cli->json && !fetch->cli->quiet)
		show_came(v, &result->row);
	if (result->warnings[0] != '\0' &&
	    strcmp(result->warnings, result->err.text) != 0)
		sled_cli_say(fetch->cli, result->warnings);
	if (err.kind != SLED_ERR_NONE) {
		if (strncmp(err.text, v->account->name,
		            strlen(v->account->name)) != 0)
			(void)sled_note(&err, "%s", v->account->name);
		sled_cli_complain(fetch->cli, &err);
	}
	show_live(fetch, true);
	if (--fetch->running == 0)
		sled_loop_stop(fetch->loop);
}

/* A visit that did not even begin: its line all the same. */
static void
fail_visit(struct visit *v, const struct sled_err *err)
{
	struct sled_visit_result result = { .err = *err };

	result.row.exit = sled_err_exit(err->kind);
	v->fetch->worst = sled_err_worse(v->fetch->worst, err->kind);
	v->over = true;
	if (v->fetch->cli->json)
		print_json(v, &result);
	sled_cli_complain(v->fetch->cli, err);
}

/* ---- running ---- */

static void
on_signal(void *ctx, int signum)
{
	struct fetch *fetch = ctx;

	(void)signum;
	for (size_t i = 0; i < fetch->len; i++)
		if (fetch->visits[i].session != NULL)
			sled_session_stop(fetch->visits[i].session,
			                  fetch->stopped);
	if (!fetch->stopped)
		sled_cli_say(fetch->cli, "stopping: what is whole is kept; "
		                         "once more to hang up at once");
	fetch->stopped = true;
}

/* All that the link does not need is done before it is used. */
static bool
prepare(struct visit *v, struct sled_err *err)
{
	return sled_secret_get(&v->secret, v->fetch->cli->sys, v->account,
	                       err) &&
	       sled_tls_trust_new(&v->trust, v->account->ca_file, err);
}

static bool
start(struct visit *v, struct sled_err *err)
{
	const struct sled_visit_conf conf = { .account = v->account,
		                              .trust = v->trust,
		                              .secret = v->secret.data,
		                              .store = v->fetch->cli->store };
	const struct sled_visit_calls calls = { on_progress, on_done, v };

	if (!sled_session_start(&v->session, v->fetch->loop, &conf, &calls,
	                        err))
		return false;
	v->fetch->running++;
	return true;
}

static bool
run_visits(struct fetch *fetch, struct sled_err *err)
{
	if (!sled_loop_new(&fetch->loop, err) ||
	    !sled_loop_signals(fetch->loop, on_signal, fetch, err))
		return false;
	for (size_t i = 0; i < fetch->len; i++) {
		struct sled_err why = { 0 };

		if (!prepare(&fetch->visits[i], &why))
			fail_visit(&fetch->visits[i], &why);
	}
	for (size_t i = 0; i < fetch->len; i++) {
		struct sled_err why = { 0 };

		if (!fetch->visits[i].over && !start(&fetch->visits[i], &why))
			fail_visit(&fetch->visits[i], &why);
	}
	if (fetch->running > 0)
		sled_loop_run(fetch->loop);
	return true;
}

static void
free_visits(struct fetch *fetch)
{
	for (size_t i = 0; fetch->visits != NULL && i < fetch->len; i++) {
		sled_session_free(&fetch->visits[i].session);
		sled_tls_trust_free(&fetch->visits[i].trust);
		sled_buf_wipe(&fetch->visits[i].secret);
	}
	sled_loop_free(&fetch->loop);
	free(fetch->visits);
}

/* The accounts asked for, each once, or all. */
static bool
pick_accounts(struct fetch *fetch, struct sled_err *err)
{
	struct sled_cli *cli = fetch->cli;
	size_t most = cli->args_len + cli->conf->accounts_len;

	fetch->visits = calloc(most + 1, sizeof(*fetch->visits));
	if (fetch->visits == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "fetch");
	for (unsigned i = 0; i < cli->args_len; i++)
		if (sled_conf_account(cli->conf, cli->args[i]) == NULL)
			return sled_cli_known(cli, cli->args[i], err) &&
			       sled_fail(err, SLED_ERR_MISSING,
			                 "%s: the account is not configured "
			                 "any more",
			                 cli->args[i]);
	for (size_t i = 0; i < cli->conf->accounts_len; i++) {
		bool wanted = cli->args_len == 0;

		for (unsigned j = 0; j < cli->args_len; j++)
			wanted =
			    wanted || strcmp(cli->args[j],
			                     cli->conf->accounts[i].name) == 0;
		if (wanted)
			fetch->visits[fetch->len++] =
			    (struct visit){ .fetch = fetch,
				            .account =
				                &cli->conf->accounts[i] };
	}
	if (fetch->len > 0)
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG, "no [account] is configured");
	return sled_hint(err, "mailsled init");
}

static bool
keep_config(struct sled_cli *cli, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok = sled_conf_strip_secrets(&text, sled_buf_span(&cli->conf_text),
	                                  err) &&
	          sled_store_keep_config(cli->store, sled_buf_span(&text), err);

	sled_buf_free(&text);
	return ok;
}

/* A place that is not there is said before it is needed. */
static bool
tell_absent(struct sled_cli *cli, struct sled_err *err)
{
	for (size_t i = 0; i < sled_store_places(cli->store); i++) {
		struct sled_place_status place;
		struct sled_buf line = { 0 };
		bool ok;

		if (!sled_store_place(cli->store, i, &place, err))
			return false;
		if (place.present || cli->quiet)
			continue;
		ok = sled_buf_printf(&line, err, "%s is absent: %s", place.path,
		                     place.why);
		if (ok)
			sled_cli_say(cli, line.data);
		sled_buf_free(&line);
		if (!ok)
			return false;
	}
	return true;
}

static int
run(struct sled_cli *cli)
{
	struct fetch fetch = { .cli = cli };
	struct sled_err err = { 0 };
	int status;

	if (!sled_cli_conf(cli, &err) || !pick_accounts(&fetch, &err)) {
		free(fetch.visits);
		return sled_cli_fail(cli, &err);
	}
	if (!sled_cli_store(cli, SLED_STORE_WRITE, &err) ||
	    !tell_absent(cli, &err) || !keep_config(cli, &err) ||
	    !run_visits(&fetch, &err)) {
		for (size_t i = 0; cli->json && i < fetch.len; i++)
			fail_visit(&fetch.visits[i], &err);
		status = sled_err_exit(err.kind);
		if (!cli->json)
			(void)sled_cli_fail(cli, &err);
	} else {
		if (!sled_cli_whole(cli, &err)) {
			sled_cli_complain(cli, &err);
			fetch.worst = sled_err_worse(fetch.worst, err.kind);
		}
		status = sled_err_exit(fetch.worst);
	}
	free_visits(&fetch);
	return status;
}

const struct sled_cli_command sled_cli_fetch = {
	.name = "fetch",
	.args = "[ACCOUNT...]",
	.about = "visit the server now: fetch, store, verify, delete",
	.more = "Each message is stored in every place, read back and "
		"compared; only then is it\ndeleted from the server, if "
		"`delete =` says so. Without ACCOUNT: all of them.\n",
	.examples = "  mailsled fetch\n"
		    "  mailsled fetch home\n"
		    "  mailsled --json fetch | jq .fetched\n",
	.args_max = SLED_CLI_MANY,
	.run = run,
};
