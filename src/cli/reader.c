/* reader.c - the reading side is a program of its own: where it is, how it is
 * run. Where it was left out (WITH_READER=0), what it does better is done here
 * as well as it can be, and the rest says so. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

#define NAME "mailsled-reader"

/* Beside this program, as the build leaves it; or as `make install` does. */
static const char *const places[] = { NAME, "../libexec/mailsled/" NAME,
	                              "../lib/mailsled/" NAME, NULL };
/* ... and the way back. */
static const char *const back[] = { "mailsled", "../../bin/mailsled", NULL };

/* The first of FILES, from this program's folder, that can be run. */
static bool
find_beside(const char *const *files, char path[4096])
{
	char self[4096], try[8192];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (len <= 0)
		return false;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return false;
	slash[1] = '\0';
	for (; *files != NULL; files++) {
		(void)snprintf(try, sizeof(try), "%s%s", self, *files);
		if (strlen(try) >= 4096 || access(try, X_OK) == -1)
			continue;
		if (path != NULL)
			memcpy(path, try, strlen(try) + 1);
		return true;
	}
	return false;
}

bool
sled_cli_reader_there(char path[4096])
{
	return find_beside(places, path);
}

bool
sled_cli_main_there(char path[4096])
{
	return find_beside(back, path);
}

int
sled_cli_reader_exec(struct sled_cli *cli, char **argv)
{
	char path[4096];
	struct sled_err err = { 0 };

	if (sled_cli_reader_there(path)) {
		(void)execv(path, argv);
		(void)sled_fail_sys(&err, errno, "%s", path);
		return sled_cli_fail(cli, &err);
	}
	(void)sled_fail(&err, SLED_ERR_USAGE,
	                "%s: this mailsled has no reading side (" NAME ")",
	                cli->command->name);
	(void)sled_hint(&err, "build with WITH_READER=1; `mailsled list` and "
	                      "`mailsled show` do without it");
	return sled_cli_fail(cli, &err);
}

static bool
run_and_wait(const char *path, char *const *argv)
{
	int status = 0;
	pid_t pid;

	if (posix_spawn(&pid, path, NULL, NULL, argv, environ) != 0)
		return false;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The same configuration, and no more than MS. */
static bool
run_index(struct sled_cli *cli, const char *path, uint64_t ms)
{
	char name[] = "mailsled", quiet[] = "-q", with[] = "-c";
	char index[] = "index", behind[] = "--behind-visit";
	char seconds[40];
	char *file = cli->file == NULL ? NULL : strdup(cli->file);
	char *argv[] = {
		name, quiet, index, behind, seconds, with, file, NULL
	};
	bool ok;

	(void)snprintf(seconds, sizeof(seconds), "--seconds=%llu",
	               (unsigned long long)((ms + 999) / 1000));
	if (cli->file == NULL)
		argv[5] = NULL;
	ok = (cli->file == NULL || file != NULL) && run_and_wait(path, argv);
	free(file);
	return ok;
}

void
sled_cli_reader_index(struct sled_cli *cli, uint64_t ms)
{
	char path[4096];

	if (!sled_cli_reader_there(path) || run_index(cli, path, ms) ||
	    cli->quiet)
		return;
	sled_cli_say(cli, "the index was not brought up to date; `mailsled "
	                  "search` will do it");
}

static int
run(struct sled_cli *cli)
{
	char *none[] = { NULL };

	return sled_cli_reader_exec(cli, none); /* it is not there */
}

#define READER_ONLY(variable, word, words, text)   \
	const struct sled_cli_command variable = { \
		.name = (word),                    \
		.args = (words),                   \
		.about = (text),                   \
		.args_max = SLED_CLI_MANY,         \
		.side = SLED_CLI_READER_ONLY,      \
		.run = run,                        \
	}

READER_ONLY(sled_cli_search, "search", "QUERY",
            "find mail by words, people, dates, attachments");
READER_ONLY(sled_cli_extract, "extract", "ID [PART...]",
            "save a message's attachments");
READER_ONLY(sled_cli_index, "index", "",
            "bring the index that search uses up to date");
READER_ONLY(sled_cli_serve, "serve", "",
            "the reading room: a web page on this machine");
