/* check_server.c - each account's server, up to the listing and QUIT. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "mailsled/clock.h"
#include "mailsled/secret.h"
#include "mailsled/session.h"

struct tour;

struct visit {
	struct tour *tour;
	const struct sled_conf_account *account;
	struct sled_tls_trust *trust;
	struct sled_buf secret;
	struct sled_session *session;
	enum sled_phase phase; /* the last one before the end */
	struct sled_check_wire wire;
	bool over;
};

struct tour {
	struct sled_check *check;
	struct sled_loop *loop;
	struct visit *visits;
	size_t len, running;
};

/* ---- while it runs ---- */

static void
show_live(struct tour *tour)
{
	static const char *const words[] = {
		[SLED_PHASE_CONNECT] = "connecting",
		[SLED_PHASE_TLS] = "securing",
		[SLED_PHASE_LOGIN] = "logging in",
		[SLED_PHASE_LIST] = "listing",
		[SLED_PHASE_FETCH] = "listing",
		[SLED_PHASE_SAVE] = "listing",
		[SLED_PHASE_DELETE] = "hanging up",
		[SLED_PHASE_DONE] = "done",
	};
	struct sled_buf lines = { 0 };
	struct sled_err err = { 0 };
	bool ok = true;

	if (!sled_cli_is_live(tour->check->cli))
		return;
	for (size_t i = 0; ok && i < tour->len; i++)
		if (!tour->visits[i].over)
			ok = sled_buf_printf(&lines, &err, "%s%s: %s ...",
			                     lines.len > 0 ? "\n" : "",
			                     tour->visits[i].account->name,
			                     words[tour->visits[i].phase]);
	if (ok)
		sled_cli_live(tour->check->cli,
		              lines.len == 0 ? "" : lines.data);
	sled_buf_free(&lines);
}

static void
on_progress(void *ctx, const struct sled_visit_progress *now)
{
	struct visit *v = ctx;

	if (now->phase == SLED_PHASE_DONE || now->phase == v->phase)
		return;
	v->phase = now->phase;
	show_live(v->tour);
}

/* ---- what the policies come to on this server ---- */

/* When the trial ends, or 0: it did not begin, or that is not known. */
static int64_t
trial_end(const struct visit *v)
{
	struct sled_store *store = v->tour->check->cli->store;
	struct sled_maildrop drop = { 0 };
	struct sled_err ignored = { 0 };

	if (store == NULL ||
	    !sled_ledger_maildrop(sled_store_ledger(store), v->account->server,
	                          v->account->user, &drop, &ignored) ||
	    drop.first_visit == 0)
		return 0;
	return drop.first_visit + (int64_t)SLED_CONF_TRIAL_S;
}

static void
tell_trial(const struct visit *v)
{
	struct sled_check *check = v->tour->check;
	int64_t end = trial_end(v);
	char when[SLED_CLI_WORD];

	if (end == 0) {
		sled_check_ok(check, "`delete` is unwritten: nothing is "
		                     "deleted in the first 7 days");
	} else if (sled_clock_now() < end) {
		sled_cli_time(when, end);
		sled_check_ok(check,
		              "`delete` is unwritten: nothing is deleted "
		              "before %s",
		              when);
	} else {
		sled_check_ok(check, "`delete` is unwritten, the 7 days are "
		                     "over: what is safe is deleted");
	}
}

static void
tell_policies(const struct visit *v)
{
	struct sled_check *check = v->tour->check;
	const struct sled_conf_hold *hold = &v->account->hold_larger;
	char word[SLED_CLI_WORD];

	switch (v->account->del) {
	case SLED_CONF_DELETE_VERIFIED:
		sled_check_ok(check, "delete = verified: what is safe is "
		                     "deleted");
		break;
	case SLED_CONF_DELETE_AFTER:
		sled_cli_span(word, v->account->delete_after_s * 1000);
		sled_check_ok(check,
		              "delete = after: what is safe is deleted %s "
		              "after it came",
		              word);
		break;
	case SLED_CONF_DELETE_NEVER:
		sled_check_ok(check, "delete = never: all stays on the server");
		break;
	case SLED_CONF_DELETE_UNWRITTEN:
		tell_trial(v);
		break;
	}
	if (hold->set && hold->bytes != SLED_CONF_NO_LIMIT) {
		sled_cli_bytes(word, hold->bytes);
		sled_check_ok(check, "mail over %s stays on the server, unread",
		              word);
	}
}

static bool
keeps_for_long(const struct sled_conf_account *account)
{
	return account->del == SLED_CONF_DELETE_AFTER ||
	       account->del == SLED_CONF_DELETE_NEVER;
}

static void
judge_uidl(const struct visit *v, bool top)
{
	bool after = v->account->del == SLED_CONF_DELETE_AFTER;
	struct sled_check *check = v->tour->check;
	struct sled_err err = { 0 };

	if (top || !keeps_for_long(v->account)) {
		sled_check_warn(check, NULL,
		                "it gives no unique-ids (UIDL): what it keeps "
		                "is %s%s",
		                top ? "told by its size and header"
		                    : "fetched again by each visit",
		                after ? ", and fetched once more when it is "
		                        "deleted"
		                      : "");
		return;
	}
	(void)sled_fail(&err, SLED_ERR_CONFIG,
	                "it gives no unique-ids (UIDL), and no TOP: with "
	                "delete = %s each visit would fetch all mail again",
	                after ? "after" : "never");
	(void)sled_hint(&err, "write delete = verified in [account]");
	sled_check_error(check, &err);
}

static void
judge_offer(const struct visit *v, const struct sled_visit_result *result)
{
	struct sled_check *check = v->tour->check;

	sled_check_ok(
	    check, "offers%s%s%s", result->no_uidl ? "" : " unique-ids,",
	    result->top ? " TOP," : "",
	    result->pipelining ? " pipelining" : " no pipelining: slower");
	if (result->no_uidl)
		judge_uidl(v, result->top);
	if (!result->expire_0)
		return;
	if (v->account->del == SLED_CONF_DELETE_VERIFIED)
		sled_check_ok(check, "announces EXPIRE 0: QUIT deletes what "
		                     "was fetched, so it waits until all is "
		                     "safe");
	else
		sled_check_warn(check,
		                "write delete = verified, or have it changed "
		                "at the provider",
		                "announces EXPIRE 0: it deletes what was "
		                "fetched, so that keeping mail there cannot be "
		                "promised");
}

static void
judge_room(const struct visit *v, const struct sled_visit_result *result)
{
	struct sled_check *check = v->tour->check;
	char mail[SLED_CLI_WORD], room[SLED_CLI_WORD];

	if (check->room >= result->mail_octets)
		return;
	sled_cli_bytes(mail, result->mail_octets);
	sled_cli_bytes(room, check->room);
	sled_check_warn(check, "make room on the disk of the fullest place",
	                "%s on the server, but %s free", mail, room);
}

/* The title names the account already. */
static void
drop_prefix(char *text, const char *before, const char *name)
{
	char prefix[64];
	int len = snprintf(prefix, sizeof(prefix), "%s%s: ", before, name);

	if (len > 0 && strncmp(text, prefix, (size_t)len) == 0)
		memmove(text, text + len, strlen(text + len) + 1);
}

/* ---- step by step ---- */

static void
tell_secret(const struct visit *v)
{
	const struct sled_conf_account *account = v->account;
	struct sled_check *check = v->tour->check;

	if (account->password_file != NULL)
		sled_check_ok(check, "password from %s",
		              account->password_file);
	else if (account->password_command != NULL)
		sled_check_ok(check, "password from password-command");
	else
		sled_check_ok(check, "password from credential %s",
		              account->credential);
}

static void
tell_steps(const struct visit *v, const struct sled_visit_result *result)
{
	struct sled_check *check = v->tour->check;
	char mail[SLED_CLI_WORD];

	if (result->peer[0] != '\0')
		sled_check_ok(check, "%s answers%s%s", result->peer,
		              check->cli->verbose ? ": " : "",
		              check->cli->verbose ? result->greeting : "");
	if (result->tls_version[0] != '\0')
		sled_check_ok(check, "%s, its certificate is good for %s",
		              result->tls_version, v->account->server);
	if (v->phase >= SLED_PHASE_LIST)
		sled_check_ok(check, "login as %s", v->account->user);
	if (result->err.kind != SLED_ERR_NONE)
		return;
	sled_cli_bytes(mail, result->mail_octets);
	sled_check_ok(check, "%" PRIu64 " message%s, %s", result->row.listed,
	              result->row.listed == 1 ? "" : "s", mail);
	judge_offer(v, result);
	sled_check_wire_tell(&v->wire, check);
	judge_room(v, result);
	tell_policies(v);
}

static void
print_json(const struct visit *v, const struct sled_visit_result *result)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };
	bool listed = result->err.kind == SLED_ERR_NONE;

	if (!v->tour->check->cli->json)
		return;
	if (!sled_json_new(&json, &err)) {
		sled_check_error(v->tour->check, &err);
		return;
	}
	sled_json_text(json, "account", v->account->name);
	sled_json_text(json, "server", v->account->server);
	sled_json_i64(json, "port", v->account->port);
	sled_json_text(json, "peer",
	               result->peer[0] == '\0' ? NULL : result->peer);
	sled_json_text(json, "greeting",
	               result->greeting[0] == '\0' ? NULL : result->greeting);
	sled_json_text(json, "tls",
	               result->tls_version[0] == '\0' ? NULL
	                                              : result->tls_version);
	sled_json_bool(json, "login", v->phase >= SLED_PHASE_LIST);
	if (listed) {
		sled_json_u64(json, "listed", result->row.listed);
		sled_json_u64(json, "mail_bytes", result->mail_octets);
		sled_json_bool(json, "pipelining", result->pipelining);
		sled_json_bool(json, "uidl", !result->no_uidl);
		sled_json_bool(json, "top", result->top);
		sled_json_bool(json, "expire_0", result->expire_0);
	}
	sled_check_wire_json(&v->wire, json);
	sled_check_end(v->tour->check, &json);
}

static void
report(struct visit *v, const struct sled_visit_result *result)
{
	struct sled_check *check = v->tour->check;
	struct sled_err err = result->err;

	v->over = true;
	sled_check_wire_load(&v->wire, check->cli, v->account);
	sled_check_begin(check, "%s: %s, port %u", v->account->name,
	                 v->account->server, (unsigned)v->account->port);
	if (v->session != NULL)
		tell_secret(v);
	tell_steps(v, result);
	if (result->warnings[0] != '\0')
		sled_check_warn(check, NULL, "%s", result->warnings);
	if (err.kind != SLED_ERR_NONE) {
		drop_prefix(err.text, "", v->account->name);
		sled_check_error(check, &err);
	}
	print_json(v, result);
	show_live(v->tour);
}

static void
on_done(void *ctx, const struct sled_visit_result *result)
{
	struct visit *v = ctx;

	report(v, result);
	if (--v->tour->running == 0)
		sled_loop_stop(v->tour->loop);
}

/* ---- running ---- */

static void
on_signal(void *ctx, int signum)
{
	struct tour *tour = ctx;

	(void)signum;
	for (size_t i = 0; i < tour->len; i++)
		if (tour->visits[i].session != NULL)
			sled_session_stop(tour->visits[i].session, true);
}

/* All that may take its time, before the first server waits. */
static bool
prepare(struct visit *v, struct sled_err *err)
{
	if (!sled_secret_get(&v->secret, v->tour->check->cli->sys, v->account,
	                     err)) {
		drop_prefix(err->text, "account ", v->account->name);
		if (v->account->password_command != NULL)
			(void)sled_note(err, "password-command");
		return false;
	}
	return sled_tls_trust_new(&v->trust, v->account->ca_file, err);
}

static bool
start(struct visit *v, struct sled_err *err)
{
	const struct sled_visit_calls calls = { on_progress, on_done, v };
	const struct sled_visit_conf conf = { .account = v->account,
		                              .trust = v->trust,
		                              .secret = v->secret.data };

	if (!sled_session_start(&v->session, v->tour->loop, &conf, &calls, err))
		return false;
	v->tour->running++;
	return true;
}

static void
attempt(struct visit *v, bool (*step)(struct visit *, struct sled_err *))
{
	struct sled_visit_result result = { 0 };

	if (!v->over && !step(v, &result.err))
		report(v, &result);
}

static void
run_visits(struct tour *tour)
{
	for (size_t i = 0; i < tour->len; i++)
		attempt(&tour->visits[i], prepare);
	for (size_t i = 0; i < tour->len; i++)
		attempt(&tour->visits[i], start);
	show_live(tour);
	if (tour->running > 0)
		sled_loop_run(tour->loop);
}

/* The accounts asked for, each once, or all. */
static bool
pick_accounts(struct tour *tour, struct sled_err *err)
{
	struct sled_cli *cli = tour->check->cli;
	const struct sled_conf *conf = cli->conf;

	tour->visits = calloc(conf->accounts_len + 1, sizeof(*tour->visits));
	if (tour->visits == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "check");
	for (size_t i = 0; i < conf->accounts_len; i++) {
		bool wanted = cli->args_len == 0;

		for (unsigned j = 0; j < cli->args_len; j++)
			wanted = wanted || strcmp(cli->args[j],
			                          conf->accounts[i].name) == 0;
		if (wanted)
			tour->visits[tour->len++] =
			    (struct visit){ .tour = tour,
				            .account = &conf->accounts[i] };
	}
	if (tour->len > 0)
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG, "no [account] is configured");
	return sled_hint(err, "write one, or: mailsled init --force");
}

void
sled_check_servers(struct sled_check *check)
{
	struct tour tour = { .check = check };
	struct sled_err err = { 0 };

	if (!pick_accounts(&tour, &err) || !sled_loop_new(&tour.loop, &err) ||
	    !sled_loop_signals(tour.loop, on_signal, &tour, &err)) {
		sled_check_begin(check, "accounts");
		sled_check_error(check, &err);
	} else {
		run_visits(&tour);
	}
	for (size_t i = 0; i < tour.len; i++) {
		sled_session_free(&tour.visits[i].session);
		sled_tls_trust_free(&tour.visits[i].trust);
		sled_buf_wipe(&tour.visits[i].secret);
	}
	if (tour.loop != NULL)
		sled_loop_free(&tour.loop);
	free(tour.visits);
}
