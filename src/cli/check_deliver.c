/* check_deliver.c - can what `deliver =` names be reached? */
#include <string.h>

#include "cli/check.h"
#include "mailsled/deliver.h"
#include "mailsled/text.h"

static void
check_target(struct sled_check *check, const struct sled_conf_target *target)
{
	struct sled_err err = { 0 };
	char name[200];

	sled_text_clip(
	    name, sizeof(name),
	    (struct sled_span){ target->name, strlen(target->name) });
	if (!sled_deliver_check(check->cli->sys, target, &err)) {
		(void)sled_note(&err, "%s", name);
		sled_check_error(check, &err);
	} else if (target->kind == SLED_CONF_COMMAND) {
		sled_check_ok(check, "a command, which is not run now");
	} else {
		sled_check_ok(check, "%s", name);
	}
}

static void
check_account(struct sled_check *check, const struct sled_conf_account *account)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	sled_check_begin(check, "delivery of %s", account->name);
	for (size_t i = 0; i < account->targets_len; i++)
		check_target(check, &account->targets[i]);
	if (check->cli->json && !sled_json_new(&json, &err))
		sled_check_error(check, &err);
	if (json != NULL)
		sled_json_text(json, "delivery", account->name);
	sled_check_end(check, &json);
}

void
sled_check_deliver(struct sled_check *check)
{
	const struct sled_cli *cli = check->cli;

	for (size_t i = 0; i < cli->conf->accounts_len; i++) {
		const struct sled_conf_account *account =
		    &cli->conf->accounts[i];
		bool wanted = cli->args_len == 0;

		for (unsigned k = 0; k < cli->args_len; k++)
			wanted =
			    wanted || strcmp(cli->args[k], account->name) == 0;
		if (wanted && account->targets_len > 0)
			check_account(check, account);
	}
}
