/* cmd_seal.c - `mailsled seal`: volumes that are full get their last form. */
#include <inttypes.h>

#include "cli/cli.h"

static bool
print_result(struct sled_cli *cli, uint64_t sealed, struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (cli->json) {
		if (!sled_json_new(&json, err))
			return false;
		sled_json_u64(json, "sealed", sealed);
		return sled_json_print(&json, stdout, err);
	}
	if (!cli->quiet)
		(void)printf("sealed: %" PRIu64 " volume%s\n", sealed,
		             sealed == 1 ? "" : "s");
	return true;
}

/* The accounts named, or all. A volume that cannot be sealed does not keep
 * another account's from it. */
static bool
seal(struct sled_cli *cli, uint64_t *sealed, struct sled_err *err)
{
	bool now = sled_cli_flag(cli, "now") != NULL, ok = true;
	unsigned rounds = cli->args_len == 0 ? 1 : cli->args_len;

	for (unsigned i = 0; i < rounds; i++) {
		const char *label = cli->args_len == 0 ? NULL : cli->args[i];
		struct sled_err why = { 0 };
		uint64_t some = 0;

		if (!sled_store_seal(cli->store, label, now, &some, &why)) {
			if (!ok)
				sled_cli_complain(cli, err);
			*err = why;
			ok = false;
		}
		*sealed += some;
	}
	return ok;
}

static bool
seal_store(struct sled_cli *cli, struct sled_err *err)
{
	struct sled_err second = { 0 };
	uint64_t sealed = 0;
	bool ok = sled_cli_conf(cli, err) &&
	          sled_cli_store(cli, SLED_STORE_WRITE, err);

	for (unsigned i = 0; ok && i < cli->args_len; i++)
		ok = sled_cli_known(cli, cli->args[i], err);
	if (!ok)
		return false;
	sled_cli_live(cli, "sealing ...");
	ok = seal(cli, &sealed, err);
	sled_cli_live(cli, "");
	if (!print_result(cli, sealed, ok ? err : &second))
		return false;
	return ok && sled_cli_whole(cli, err);
}

static int
run(struct sled_cli *cli)
{
	struct sled_err err = { 0 };

	return seal_store(cli, &err) ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "now", NULL, "also volumes that still have room" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_seal = {
	.name = "seal",
	.args = "[ACCOUNT...]",
	.about = "give volumes that are full their last form",
	.more = "A volume is full at a new month or at the size of `rotate =`. "
		"It is read back\nwhole, ended, given a sidecar for `sha256sum "
		"-c`, renamed to NAME.tar.gz and made\nread-only, in every "
		"present place. Visits do this of themselves when the link is\n"
		"no longer needed; --now is for a disk that is to be put "
		"away.\n",
	.examples = "  mailsled seal\n"
		    "  mailsled seal --now home\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
