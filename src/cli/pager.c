/* pager.c - what is longer than the screen goes through a pager. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

static pid_t pager; /* 0: none; a process has one stdout */

/* Who reads has seen enough: that is no failure, and nothing is left to do. */
static void
end_quietly(int signal_number)
{
	int status;

	(void)signal_number;
	(void)waitpid(pager, &status, 0);
	_exit(0);
}

static bool
wants_colour(void)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return (none == NULL || *none == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

static void
run_pager(const int ends[2], const char *command)
{
	(void)signal(SIGPIPE, SIG_DFL);
	(void)dup2(ends[0], STDIN_FILENO);
	(void)close(ends[0]);
	(void)close(ends[1]);
	/* Short output stays on the screen, colours are shown. */
	(void)setenv("LESS", "FRX", 0);
	(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static void
start_pager(const char *command)
{
	int ends[2];

	if (pipe(ends) == -1)
		return;
	(void)fflush(stdout);
	pager = fork();
	if (pager == 0)
		run_pager(ends, command);
	if (pager > 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)signal(SIGPIPE, end_quietly);
	} else {
		pager = 0;
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
}

struct sled_cli_screen
sled_cli_page(struct sled_cli *cli)
{
	const char *command = getenv("PAGER");
	struct sled_cli_screen screen = { sled_cli_columns(STDOUT_FILENO), "",
		                          "", "" };

	(void)signal(SIGPIPE, SIG_DFL); /* `mailsled list | head` */
	if (screen.columns == 0 || cli->json)
		return screen;
	if (wants_colour()) {
		screen.strong = "\033[1m";
		screen.faint = "\033[36m";
		screen.plain = "\033[0m";
	}
	if (command == NULL)
		command = access("/usr/bin/less", X_OK) == 0 ? "less" : "";
	if (*command != '\0' && strcmp(command, "cat") != 0 && !cli->quiet)
		start_pager(command);
	return screen;
}

void
sled_cli_page_end(void)
{
	int status;

	if (pager == 0)
		return;
	(void)fflush(stdout);
	(void)close(STDOUT_FILENO);
	while (waitpid(pager, &status, 0) == -1 && errno == EINTR)
		continue;
	pager = 0;
}
