/* start.c - how a run begins and ends, in either program. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cli.h"

/* A secret must not reach a core file, nor another process of this user. */
static void
keep_memory_private(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* glibc gives each thread a heap of its own, which keeps what the thread frees:
 * 5 MiB in a visit to 100,000 messages. Ours allocate seldom, beside all that
 * they compress and hash. */
static void
share_one_heap(void)
{
#ifdef M_ARENA_MAX
	(void)mallopt(M_ARENA_MAX, 1);
#endif
}

/* GLib, which the reader has, keeps what is freed for itself, and is slow at it
 * where a message has very many parts. It looks for this before main() begins:
 * so it is set where the reader is run from. */
static void
lend_glib_that_heap(void)
{
	(void)setenv("G_SLICE", "always-malloc", 0);
}

/* A file opened later must not become 0, 1 or 2 and be written by accident. */
static bool
fill_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	return fd > STDERR_FILENO && close(fd) == 0;
}

static int
run(struct sled_cli *cli, const struct sled_cli_command *const *table, int argc,
    char **argv)
{
	struct sled_err err = { 0 };

	if (!sled_cli_parse(cli, table, argc, argv, &err))
		return sled_cli_fail(cli, &err);
	if (cli->elsewhere)
		return sled_cli_reader_exec(cli, argv);
	if (cli->version) {
		(void)puts("mailsled " SLED_VERSION);
		return 0;
	}
	if (cli->help && cli->command != NULL)
		sled_cli_help(stdout, cli->command);
	else if (cli->help)
		sled_cli_usage(stdout, table);
	if (cli->help)
		return 0;
	if (cli->command == NULL && cli->json) {
		(void)sled_fail(&err, SLED_ERR_USAGE, "no command is given");
		(void)sled_hint(&err, "mailsled help");
		return sled_cli_fail(cli, &err);
	}
	if (cli->command == NULL) {
		sled_cli_usage(stderr, table);
		return sled_err_exit(SLED_ERR_USAGE);
	}
	return cli->command->run(cli);
}

/* Output that did not arrive must not look like a run that went well. */
static int
flush_output(struct sled_cli *cli, int status)
{
	struct sled_err err = { 0 };

	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	(void)sled_fail(&err, SLED_ERR_IO, "output: %s", strerror(errno));
	sled_cli_complain(cli, &err);
	return status == 0 ? sled_err_exit(err.kind) : status;
}

void
sled_cli_main(struct sled_cli *cli, const struct sled_cli_command *const *table,
              int argc, char **argv)
{
	int status;

	keep_memory_private();
	share_one_heap();
	lend_glib_that_heap();
	if (!fill_standard_files())
		_exit(sled_err_exit(SLED_ERR_IO));
	/* Widths of UTF-8, whatever the user's locale; messages stay in C. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	status = flush_output(cli, run(cli, table, argc, argv));
	sled_cli_close(cli);
	_exit(status); /* exit() would wait for a look-up that hangs */
}
