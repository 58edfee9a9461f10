/* cmd_deliver.c - `mailsled deliver`: what waits for other programs, now. */
#include <string.h>

#include "cli/cli.h"

static bool
has_targets(struct sled_cli *cli, struct sled_err *err)
{
	size_t targets = 0;

	for (unsigned i = 0; i < cli->args_len; i++)
		if (!sled_cli_known(cli, cli->args[i], err))
			return false;
	for (size_t i = 0; i < cli->conf->accounts_len; i++)
		targets += cli->conf->accounts[i].targets_len;
	if (targets > 0)
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG, "no account has a deliver key");
	return sled_hint(err, "as in deliver = maildir:~/Maildir; see "
	                      "mailsled.conf(5)");
}

static int
run(struct sled_cli *cli)
{
	struct sled_cli_delivery how = { .cli = cli, .alone = true };
	struct sled_err err = { 0 };

	how.all = sled_cli_flag(cli, "all") != NULL;
	if (!sled_cli_conf(cli, &err) || !has_targets(cli, &err) ||
	    !sled_cli_store(cli, SLED_STORE_WRITE, &err) ||
	    !sled_cli_hand_out(&how, &err))
		return sled_cli_fail(cli, &err);
	return sled_err_exit(how.worst);
}

static const struct sled_cli_flag flags[] = {
	{ "all", NULL, "also mail from before the target was named" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_deliver = {
	.name = "deliver",
	.args = "[ACCOUNT...]",
	.about = "give new mail to a Maildir, mbox, LMTP server or command",
	.more =
	    "What `deliver =` of an account names gets each message that comes, "
	    "out of the\narchive, when the link is not needed any more: `fetch` "
	    "and `run` do it of\nthemselves, and try again what was not taken. "
	    "This command does it now. Mail\nthat was there before the target "
	    "was named comes with --all; what import and\nrestore brought does "
	    "not: see `mailsled help export`. While something waits the\nexit "
	    "status is 75, and `mailsled status` says what and why.\n",
	.examples = "  mailsled deliver\n"
		    "  mailsled deliver --all home\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
