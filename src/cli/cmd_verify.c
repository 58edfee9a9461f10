#include "cli/cli.h"

static int
run(struct sled_cli *cli)
{
	(void)cli;
	return 70;
}
const struct sled_cli_command sled_cli_verify = {
	.name = "verify", .args = "", .about = "x", .examples = "", .run = run
};
