/* cmd_tend.c - `mailsled tend`: what a store needs when no link waits for it. */
#include <inttypes.h>

#include "cli/cli.h"

static bool
print_result(struct sled_cli *cli, const struct sled_tended *tended,
             struct sled_err *err)
{
	const struct sled_scrubbed *read = &tended->scrubbed;
	struct sled_json *json = NULL;
	char bytes[SLED_CLI_WORD];

	if (cli->json) {
		if (!sled_json_new(&json, err))
			return false;
		sled_json_u64(json, "sealed", tended->sealed);
		sled_json_u64(json, "parity", tended->parity);
		sled_json_u64(json, "members_read", read->members);
		sled_json_u64(json, "bytes_read", read->octets);
		sled_json_u64(json, "damaged", read->damaged);
		return sled_json_print(&json, stdout, err);
	}
	sled_cli_bytes(bytes, read->octets);
	if (cli->quiet)
		return true;
	(void)printf("sealed: %" PRIu64 " volume%s; ", tended->sealed,
	             tended->sealed == 1 ? "" : "s");
	if (tended->parity > 0)
		(void)printf("parity made: %" PRIu64 "; ", tended->parity);
	(void)printf("read again: %s, %" PRIu64 " damaged\n", bytes,
	             read->damaged);
	return true;
}

/* People wait for it: before all that takes long. What is not taken waits. */
static bool
deliver(struct sled_cli *cli, enum sled_err_kind *worst, bool *stopped,
        struct sled_err *err)
{
	struct sled_cli_delivery how = { .cli = cli };
	bool ok = sled_cli_hand_out(&how, err);

	*worst = how.worst;
	*stopped = how.stopped;
	return ok;
}

static bool
tend(struct sled_cli *cli, enum sled_err_kind *worst, struct sled_err *err)
{
	struct sled_cli_far far = { .ms = SLED_CLI_FAR_MS };
	struct sled_tended tended = { 0 };
	struct sled_err second = { 0 };
	uint64_t ms = SLED_CLI_SCRUB_MS;
	bool stopped = false, ok;

	cli->scheduler = sled_cli_flag(cli, "for-scheduler") != NULL;
	if (cli->scheduler)
		far.ms = SLED_CLI_FAR_LONG_MS;
	if (!sled_cli_seconds(cli, 0, &ms, err) || !sled_cli_conf(cli, err) ||
	    !sled_cli_store(cli, SLED_STORE_WRITE, err) ||
	    !deliver(cli, worst, &stopped, err))
		return false;
	if (stopped) /* a visit is due: all else can wait for the next time */
		return true;
	sled_cli_live(cli, "sealing, and reading again ...");
	ok = sled_store_tend(cli->store, ms, &tended, err) &&
	     sled_store_whole(cli->store, err);
	sled_cli_live(cli, "");
	sled_cli_reader_index(cli,
	                      ms < SLED_CLI_INDEX_MS ? SLED_CLI_INDEX_MS : ms);
	if (!print_result(cli, &tended, ok ? err : &second))
		return false;
	sled_cli_far_policy(cli, sled_cli_flag(cli, "far-links"), &far);
	if (!sled_cli_far(cli, &far, ok ? err : &second))
		return false;
	return ok && sled_cli_whole(cli, err);
}

static int
run(struct sled_cli *cli)
{
	enum sled_err_kind worst = SLED_ERR_NONE;
	struct sled_err err = { 0 };

	if (tend(cli, &worst, &err))
		return sled_err_exit(worst);
	(void)sled_cli_fail(cli, &err);
	return sled_err_exit(sled_err_worse(worst, err.kind));
}

static const struct sled_cli_flag flags[] = {
	{ "seconds", "N", "read archives again for so long; 5 without" },
	{ "for-scheduler", NULL, "it started this, and keeps off the store" },
	{ "far-links", "NAMES", "interfaces by which far copies may go" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_tend = {
	.name = "tend",
	.args = "",
	.about =
	    "deliver, seal, read old archives again, send far copies, index",
	.more =
	    "What waits for `deliver =` is given to it. Volumes that are full are sealed and, where par2 is "
	    "installed, get 5 % of parity;\nwhat was read back "
	    "longest ago, more than 7\ndays, is read again from the disk "
	    "in each place that is there. New mail is added to\nthe index "
	    "that `mailsled search` uses. What far places lack is sent to "
	    "them, unless\nthe link is a dear one. `fetch` and `run` do "
	    "this of themselves when the link is no\nlonger needed.\n",
	.examples = "  mailsled tend\n"
		    "  mailsled tend --seconds 600\n",
	.flags = flags,
	.run = run,
};
