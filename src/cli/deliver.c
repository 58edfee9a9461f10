/* deliver.c - what waits for an account's targets is given to them, and what
 * came of it told. */
#include "mailsled/deliver.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/text.h"

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

#define ENDS (sizeof(ends) / sizeof(ends[0]))

/* A handler has nothing but what is static. */
static volatile sig_atomic_t stopped;

static void
stop(int signum)
{
	(void)signum;
	stopped = 1;
}

static bool
is_stopped(void *ctx)
{
	(void)ctx;
	return stopped != 0;
}

/* ---- what is told ---- */

static bool
print_json(const struct sled_delivered *one, struct sled_err *err)
{
	bool waits = one->waiting > 0;
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "account", one->account);
	sled_json_text(json, "target", one->target);
	sled_json_u64(json, "delivered", one->delivered);
	sled_json_u64(json, "waiting", one->waiting);
	sled_json_text(json, "error", waits ? one->why->text : NULL);
	sled_json_i64(json, "exit", waits ? sled_err_exit(one->why->kind) : 0);
	return sled_json_print(&json, stdout, err);
}

static void
complain(struct sled_cli *cli, const struct sled_delivered *one,
         const char *target)
{
	struct sled_err why = { 0 };

	(void)sled_fail(&why, one->why->kind,
	                "%s: %" PRIu64 " message%s for %s: %s", one->account,
	                one->waiting, one->waiting == 1 ? " waits" : "s wait",
	                target, one->why->text);
	why.hint = one->why->hint;
	sled_cli_complain(cli, &why);
}

static void
tell(void *ctx, const struct sled_delivered *one)
{
	struct sled_cli_delivery *how = ctx;
	struct sled_cli *cli = how->cli;
	struct sled_err err = { 0 };
	char target[200];

	sled_cli_live(cli, "");
	sled_text_clip(target, sizeof(target),
	               (struct sled_span){ one->target, strlen(one->target) });
	if (one->waiting > 0) {
		how->worst = sled_err_worse(how->worst, one->why->kind);
		complain(cli, one, target);
	}
	if (how->alone && cli->json) {
		if (!print_json(one, &err))
			sled_cli_complain(cli, &err);
		return;
	}
	if (!cli->quiet && !cli->json &&
	    (one->delivered > 0 || (how->alone && one->waiting == 0)))
		(void)printf("%s: %" PRIu64 " message%s delivered to %s\n",
		             one->account, one->delivered,
		             one->delivered == 1 ? "" : "s", target);
	(void)fflush(stdout);
}

static void
say(void *ctx, const char *text)
{
	const struct sled_cli_delivery *how = ctx;

	sled_cli_say(how->cli, text);
}

/* ---- giving ---- */

static bool
is_wanted(const struct sled_cli *cli, const char *name)
{
	for (unsigned i = 0; i < cli->args_len; i++)
		if (strcmp(cli->args[i], name) == 0)
			return true;
	return cli->args_len == 0;
}

static bool
deliver_all(struct sled_cli_delivery *how, struct sled_err *err)
{
	struct sled_cli *cli = how->cli;

	for (size_t i = 0; i < cli->conf->accounts_len; i++) {
		const struct sled_conf_account *account =
		    &cli->conf->accounts[i];
		const struct sled_deliver_conf conf = { .store = cli->store,
			                                .account = account,
			                                .all = how->all,
			                                .now = how->alone,
			                                .ctx = how,
			                                .say = say,
			                                .stop = is_stopped,
			                                .done = tell };

		/* Once all is to stop it only tells what waits. */
		if (is_wanted(cli, account->name) &&
		    !sled_deliver_run(&conf, err))
			return false;
	}
	return true;
}

bool
sled_cli_hand_out(struct sled_cli_delivery *how, struct sled_err *err)
{
	const struct sigaction ending = { .sa_handler = stop };
	struct sigaction before[ENDS];
	bool ok;

	stopped = how->stopped;
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaction(ends[i], &ending, &before[i]);
	sled_cli_live(how->cli, "delivering ...");
	ok = deliver_all(how, err);
	sled_cli_live(how->cli, "");
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaction(ends[i], &before[i], NULL);
	how->stopped = stopped != 0;
	return ok;
}
