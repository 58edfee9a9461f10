/* main.c - mailsled's commands, one row each. */
#include "cli/cli.h"

static const struct sled_cli_command *const table[] = {
	&sled_cli_init,
	&sled_cli_check,
	&sled_cli_fetch,
	&sled_cli_run,
	&sled_cli_status,
	&sled_cli_plan,
	&sled_cli_held,
	&sled_cli_want,
	&sled_cli_drop,
	&sled_cli_report,
	&sled_cli_list,
	&sled_cli_search,
	&sled_cli_show,
	&sled_cli_extract,
	&sled_cli_export,
	&sled_cli_deliver,
	&sled_cli_index,
	&sled_cli_serve,
	&sled_cli_restore,
	&sled_cli_import,
	&sled_cli_drill,
	&sled_cli_verify,
	&sled_cli_seal,
	&sled_cli_prune,
	&sled_cli_tend,
	&sled_cli_sync,
	&sled_cli_repair,
	&sled_cli_rebuild,
	&sled_cli_stop,
	&sled_cli_event,
	NULL,
};

int
main(int argc, char **argv)
{
	struct sled_cli cli = { .sys = sled_sys_posix(),
		                .saying = PTHREAD_MUTEX_INITIALIZER };

	sled_cli_main(&cli, table, argc, argv);
}
