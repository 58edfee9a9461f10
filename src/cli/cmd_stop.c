/* cmd_stop.c - `mailsled stop`: end the visit that the scheduler makes. */
#include "cli/scheduler.h"

static int
run(struct sled_cli *cli)
{
	const char *const words[] = { "stop", "hang-up" };
	bool hang_up = sled_cli_flag(cli, "hang-up") != NULL;
	struct sled_err err = { 0 };
	bool there = false;
	int status = 0;

	if (!sled_cli_ask_scheduler(cli, words, hang_up ? 2 : 1, &there,
	                            &status, &err))
		return sled_cli_fail(cli, &err);
	if (there)
		return status;
	(void)sled_fail(&err, SLED_ERR_LINK, "no scheduler runs here");
	(void)sled_hint(&err, "mailsled run");
	return sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "hang-up", NULL, "close the line at once" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_stop = {
	.name = "stop",
	.args = "",
	.about = "end the visit that the scheduler makes now",
	.more = "What is on its way may end within 10 s; what is whole is "
		"kept, and what is safe is\nstill deleted. The scheduler goes "
		"on. Exit 75 when no visit or no scheduler runs.\n",
	.examples = "  mailsled stop\n"
		    "  mailsled stop --hang-up\n",
	.flags = flags,
	.run = run,
};
