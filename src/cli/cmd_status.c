/* cmd_status.c - `mailsled status`: one screen on accounts and places. */
#include <inttypes.h>
#include <string.h>

#include "cli/held.h"
#include "cli/status.h"
#include "mailsled/clock.h"
#include "mailsled/loop.h"
#include "mailsled/text.h"

struct account {
	const char *name;
	const struct sled_conf_account *conf; /* NULL: no longer configured */
	struct sled_visit_row visit;          /* id 0: never visited */
	struct sled_message_counts counts;
	uint64_t on_server; /* of the last listing, and not gone since */
	uint64_t unsafe;    /* of these, in too few places */
	uint64_t unproved;  /* ... in enough, but perhaps not what they seem */
	int64_t trial_ends; /* 0: there is none, or not known */
	struct sled_path path; /* that the next visit takes; or no name */
	/* Held mail: how much, the first time any of it was seen, and when the
	 * server deletes the first of it; 0: not told. */
	uint64_t held, held_bytes;
	int64_t held_since, held_expires;
	uint64_t server_bytes; /* STAT's, at the last visit */
};

/* ---- accounts ---- */

static bool
count_kept(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	const unsigned unproved = SLED_MESSAGE_SHORT | SLED_IN_DOUBT;
	struct account *account = ctx;

	(void)err;
	if (!message->on_server || message->gone != 0)
		return true;
	account->on_server++;
	if (message->safe == 0)
		account->unsafe++;
	else if ((message->flags & unproved) != 0)
		account->unproved++;
	return true;
}

/* What is known of the way to the server, from where this machine is now. */
static bool
find_path(struct status *status, struct account *account, int64_t maildrop,
          struct sled_err *err)
{
	char name[SLED_ROUTE_NAME];
	struct sled_peer peer;
	bool found = false;

	if (!sled_ledger_peer(status->ledger, maildrop, &peer, err))
		return false;
	peer.addresses[strcspn(peer.addresses, " ")] = '\0';
	return !sled_route_name(peer.addresses, name) ||
	       sled_ledger_path(status->ledger, name, &account->path, &found,
	                        err);
}

static bool
count_held(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	struct account *account = ctx;

	(void)err;
	account->held++;
	account->held_bytes += row->size;
	if (row->first_seen > 0 &&
	    (account->held_since == 0 || row->first_seen < account->held_since))
		account->held_since = row->first_seen;
	return true;
}

static bool
find_held(struct status *status, struct account *account,
          const struct sled_maildrop *maildrop, struct sled_err *err)
{
	if (!sled_ledger_held(status->ledger, maildrop->id, NULL, count_held,
	                      account, err))
		return false;
	account->held_expires = sled_cli_expires(maildrop, account->held_since);
	return true;
}

static bool
find_server(struct status *status, struct account *account,
            struct sled_err *err)
{
	struct sled_maildrop maildrop = { 0 };

	if (account->conf == NULL)
		return true;
	if (!sled_ledger_maildrop(status->ledger, account->conf->server,
	                          account->conf->user, &maildrop, err)) {
		if (err->kind != SLED_ERR_MISSING)
			return false;
		*err = (struct sled_err){ 0 };
		return true;
	}
	account->server_bytes = maildrop.octets;
	/* Only an account whose `delete` is unwritten is on trial. */
	if (maildrop.first_visit != 0 &&
	    account->conf->del == SLED_CONF_DELETE_UNWRITTEN)
		account->trial_ends =
		    maildrop.first_visit + (int64_t)SLED_CONF_TRIAL_S;
	return find_path(status, account, maildrop.id, err) &&
	       find_held(status, account, &maildrop, err);
}

static bool
look_up(struct status *status, struct account *account, struct sled_err *err)
{
	const struct sled_message_query query = { .label = account->name };

	return sled_cli_last_visit(status->ledger, account->name, status->now,
	                           &account->visit, err) &&
	       sled_ledger_counts(status->ledger, account->name,
	                          &account->counts, err) &&
	       (account->counts.on_server == 0 ||
	        sled_ledger_messages(status->ledger, &query, count_kept,
	                             account, err)) &&
	       find_server(status, account, err);
}

static void
add_path_json(struct sled_json *json, const struct sled_path *path)
{
	if (path->name[0] == '\0') {
		sled_json_null(json, "path");
		sled_json_null(json, "path_rate");
		sled_json_null(json, "path_rtt_ms");
		sled_json_null(json, "path_visits");
		return;
	}
	sled_json_text(json, "path", path->name);
	sled_json_u64(json, "path_rate", path->rate);
	sled_json_u64(json, "path_rtt_ms", path->rtt_ms);
	sled_json_u64(json, "path_visits", path->visits);
}

static bool
print_account_json(struct status *status, const struct account *a,
                   struct sled_err *err)
{
	const struct sled_visit_row *visit = &a->visit;
	struct sled_json *json = NULL;
	char when[SLED_TIME_TEXT];

	if (!sled_json_new(&json, err))
		return false;
	sled_clock_rfc3339(visit->began, when);
	sled_json_text(json, "account", a->name);
	sled_json_text(json, "last_visit", visit->id == 0 ? NULL : when);
	sled_cli_visit_json(json, visit);
	sled_json_text(json, "error",
	               visit->error[0] == '\0' ? NULL : visit->error);
	sled_json_u64(json, "messages", a->counts.messages);
	sled_json_u64(json, "stored_bytes", a->counts.octets);
	sled_json_u64(json, "on_server", a->on_server);
	sled_json_u64(json, "unsafe", a->unsafe);
	if (a->trial_ends != 0)
		sled_clock_rfc3339(a->trial_ends, when);
	sled_json_text(json, "trial_ends", a->trial_ends == 0 ? NULL : when);
	add_path_json(json, &a->path);
	sled_json_u64(json, "held_mail", a->held);
	sled_json_u64(json, "held_mail_bytes", a->held_bytes);
	sled_clock_rfc3339(a->held_since, when);
	sled_json_text(json, "held_since", a->held_since == 0 ? NULL : when);
	sled_clock_rfc3339(a->held_expires, when);
	sled_json_text(json, "held_expires",
	               a->held_expires == 0 ? NULL : when);
	sled_status_quota_json(json, a->conf, a->server_bytes);
	if (!sled_status_deliver_json(status, a->conf, json, err)) {
		sled_json_free(&json);
		return false;
	}
	return sled_json_print(&json, stdout, err);
}

static bool
add_count(struct sled_buf *out, uint64_t count, const char *what,
          struct sled_err *err)
{
	return count == 0 ||
	       sled_buf_printf(out, err, ", %" PRIu64 " %s", count, what);
}

static bool
add_visit(struct sled_buf *out, const struct sled_visit_row *visit, int64_t now,
          struct sled_err *err)
{
	char ago[SLED_CLI_WORD], took[SLED_CLI_WORD], when[SLED_CLI_WORD];
	char mail[SLED_CLI_WORD];

	sled_cli_time(when, visit->began);
	sled_cli_span(ago,
	              now > visit->began ? (now - visit->began) * 1000 : 0);
	sled_cli_span(took, visit->ms);
	sled_cli_bytes(mail, visit->mail_bytes);
	return sled_buf_printf(out, err, "  visited   %s (%s ago), in %s\n",
	                       when, ago, took) &&
	       sled_buf_printf(out, err, "  came      %" PRIu64 " message%s",
	                       visit->fetched,
	                       visit->fetched == 1 ? "" : "s") &&
	       (visit->fetched == 0 ||
	        sled_buf_printf(out, err, ", %s", mail)) &&
	       add_count(out, visit->deleted, "deleted", err) &&
	       add_count(out, visit->kept, "kept", err) &&
	       add_count(out, visit->held, "held", err) &&
	       add_count(out, visit->left, "left", err) &&
	       add_count(out, visit->failed, "failed", err) &&
	       sled_buf_add(out, "\n", 1, err) &&
	       sled_cli_cost(out, visit, err);
}

static bool
print_visit(const struct sled_visit_row *visit, int64_t now,
            struct sled_err *err)
{
	struct sled_buf out = { 0 };
	char error[600];
	bool ok = add_visit(&out, visit, now, err);

	if (ok)
		(void)fputs(out.data, stdout);
	sled_buf_free(&out);
	if (!ok || visit->error[0] == '\0')
		return ok;
	sled_text_clip(
	    error, sizeof(error),
	    (struct sled_span){ visit->error, strlen(visit->error) });
	(void)printf("  failed    %s (exit %d)\n", error, visit->exit);
	return true;
}

/* Why what is safe stays on the server. */
static void
print_policy(const struct account *a, int64_t now)
{
	char when[SLED_CLI_WORD];

	if (a->conf == NULL) {
		(void)printf("the account is not configured any more\n");
		return;
	}
	switch (a->conf->del) {
	case SLED_CONF_DELETE_NEVER:
		(void)printf("delete = never\n");
		return;
	case SLED_CONF_DELETE_AFTER:
		sled_cli_span(when, a->conf->delete_after_s * 1000);
		(void)printf("deleted %s after it came\n", when);
		return;
	case SLED_CONF_DELETE_UNWRITTEN:
		if (a->trial_ends == 0 || now < a->trial_ends) {
			sled_cli_time(when, a->trial_ends);
			(void)printf("on trial, nothing is deleted%s%s\n",
			             a->trial_ends == 0 ? "" : " before ",
			             a->trial_ends == 0 ? "" : when);
			return;
		}
		break;
	case SLED_CONF_DELETE_VERIFIED:
		break;
	}
	(void)printf("deleted at the next visit\n");
}

static void
print_path(const struct sled_path *path)
{
	char name[sizeof(path->name)], rate[SLED_CLI_WORD];

	if (path->name[0] == '\0')
		return;
	sled_text_clip(name, sizeof(name),
	               (struct sled_span){ path->name, strlen(path->name) });
	sled_cli_bytes(rate, path->rate);
	(void)printf("  link      %s: %s%s/s down", name,
	             path->visits == 0 ? "perhaps " : "", rate);
	if (path->rtt_ms > 0)
		(void)printf(", round trip %" PRIu32 " ms", path->rtt_ms);
	if (path->visits > 0)
		(void)printf("; learned from %" PRIu32 " visit%s", path->visits,
		             path->visits == 1 ? "" : "s");
	(void)printf("\n");
}

static void
print_held(const struct account *a, int64_t now)
{
	char bytes[SLED_CLI_WORD], since[SLED_CLI_WORD];

	if (a->held == 0)
		return;
	sled_cli_bytes(bytes, a->held_bytes);
	sled_cli_time(since, a->held_since);
	(void)printf("  held      %" PRIu64 " message%s, %s, the oldest since "
	             "%.10s: mailsled held\n",
	             a->held, a->held == 1 ? "" : "s", bytes, since);
	if (a->held_expires == 0 || a->held_expires - now > SLED_HELD_SOON_S)
		return;
	sled_cli_time(since, a->held_expires);
	(void)printf("  expires   held mail: the server deletes the first on "
	             "%.10s\n",
	             since);
}

/* What is stored, and on the server still. */
static void
print_kept(const struct account *a, int64_t now)
{
	uint64_t safe = a->on_server - a->unsafe - a->unproved;

	if (a->unsafe > 0)
		(void)printf("  on server %" PRIu64
		             " not yet seen in enough places: "
		             "not deleted before that\n",
		             a->unsafe);
	if (a->unproved > 0)
		(void)printf("  on server %" PRIu64
		             " whose answers left a doubt: not deleted before "
		             "the server shows them again\n",
		             a->unproved);
	if (safe > 0) {
		(void)printf("  on server %" PRIu64 " stored safely: ", safe);
		print_policy(a, now);
	}
}

static bool
print_account(struct status *status, const struct account *a,
              struct sled_err *err)
{
	int64_t now = status->now;
	char bytes[SLED_CLI_WORD];

	(void)printf("%s\n", a->name);
	if (a->visit.id == 0)
		(void)printf("  visited   never\n");
	else if (!print_visit(&a->visit, now, err))
		return false;
	print_path(&a->path);
	sled_cli_bytes(bytes, a->counts.octets);
	(void)printf("  stored    %" PRIu64 " message%s, %s\n",
	             a->counts.messages, a->counts.messages == 1 ? "" : "s",
	             bytes);
	print_kept(a, now);
	print_held(a, now);
	return sled_status_deliver(status, a->conf, err) &&
	       sled_status_quota(status, a->conf, a->server_bytes, err);
}

static bool
show_account(struct status *status, const char *name, struct sled_err *err)
{
	struct account account = {
		.name = name,
		.conf = sled_conf_account(status->cli->conf, name),
	};

	if (!look_up(status, &account, err))
		return false;
	if (status->cli->json)
		return print_account_json(status, &account, err);
	return print_account(status, &account, err);
}

/* Accounts that have mail, but no section any more. */
static bool
show_former(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct status *status = ctx;

	if (strcmp(status->before, row->label) == 0)
		return true;
	memcpy(status->before, row->label, sizeof(status->before));
	return sled_conf_account(status->cli->conf, row->label) != NULL ||
	       show_account(status, status->before, err);
}

static bool
show_accounts(struct status *status, struct sled_err *err)
{
	const struct sled_conf *conf = status->cli->conf;

	for (size_t i = 0; i < conf->accounts_len; i++)
		if (!show_account(status, conf->accounts[i].name, err))
			return false;
	return sled_ledger_volumes(status->ledger, NULL, show_former, status,
	                           err);
}

static int
run(struct sled_cli *cli)
{
	struct status status = { .cli = cli, .now = sled_clock_now() };
	struct sled_err err = { 0 };

	if (!sled_cli_store(cli, SLED_STORE_READ, &err))
		return sled_cli_fail(cli, &err);
	status.ledger = sled_store_ledger(cli->store);
	if (!show_accounts(&status, &err) ||
	    !sled_status_places(&status, &err) ||
	    !sled_status_store(&status, &err) ||
	    !sled_status_budgets(&status, &err) ||
	    !sled_status_next(&status, &err))
		return sled_cli_fail(cli, &err);
	return 0;
}

const struct sled_cli_command sled_cli_status = {
	.name = "status",
	.args = "",
	.about = "last visits and their cost, places, and what waits",
	.more = "For each account the last visit, what it cost on the wire and "
		"brought, and what is\nstill on the server, and why; for each "
		"place whether it is there and whole.\n",
	.examples = "  mailsled status\n"
		    "  mailsled --json status\n",
	.run = run,
};
