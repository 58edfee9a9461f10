/* cmd_rebuild.c - `mailsled rebuild`: the ledger anew from the archives. */
#include <inttypes.h>

#include "cli/cli.h"

static bool
print_counts(struct sled_cli *cli, struct sled_err *err)
{
	struct sled_message_counts counts = { 0 };
	struct sled_json *json = NULL;
	char bytes[SLED_CLI_WORD];

	if (!sled_ledger_counts(sled_store_ledger(cli->store), NULL, &counts,
	                        err))
		return false;
	if (cli->json) {
		if (!sled_json_new(&json, err))
			return false;
		sled_json_u64(json, "messages", counts.messages);
		sled_json_u64(json, "mail_bytes", counts.octets);
		return sled_json_print(&json, stdout, err);
	}
	sled_cli_bytes(bytes, counts.octets);
	if (!cli->quiet)
		(void)printf("rebuilt: %" PRIu64 " messages, %s\n",
		             counts.messages, bytes);
	return true;
}

static int
run(struct sled_cli *cli)
{
	struct sled_err err = { 0 };

	if (!sled_cli_conf(cli, &err))
		return sled_cli_fail(cli, &err);
	sled_cli_live(cli, "reading the archives ...");
	if (!sled_cli_store(cli, SLED_STORE_REBUILD, &err))
		return sled_cli_fail(cli, &err);
	sled_cli_live(cli, "");
	if (!print_counts(cli, &err) || !sled_cli_whole(cli, &err))
		return sled_cli_fail(cli, &err);
	return 0;
}

const struct sled_cli_command sled_cli_rebuild = {
	.name = "rebuild",
	.args = "",
	.about = "make the ledger anew from the archives and the journal",
	.more =
	    "The archives are the truth; the ledger is a cache of them. A "
	    "missing or damaged\nledger is rebuilt of itself: this does "
	    "it when told to. The old one is kept in\n"
	    ".mailsled/quarantine. No mail is fetched again. Where no place "
	    "here has the store\nany more and a far one (rclone:) does, it "
	    "is brought from there.\n",
	.examples = "  mailsled rebuild\n",
	.run = run,
};
