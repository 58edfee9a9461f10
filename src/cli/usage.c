/* usage.c - the short usage, and the help of one command. */
#include <stdio.h>

#include "cli/cli.h"

void
sled_cli_usage(FILE *out, const struct sled_cli_command *const *table)
{
	(void)fputs("usage: mailsled [-c FILE] [--json] [-q|-v] COMMAND "
	            "[ARGS]\n\n",
	            out);
	for (; *table != NULL; table++)
		(void)fprintf(out, "  %-9s %s\n", (*table)->name,
		              (*table)->about);
	(void)fputs("\n`mailsled help COMMAND` says more. Begin with "
	            "`mailsled init`.\n",
	            out);
}

static void
print_flags(FILE *out, const struct sled_cli_flag *flags)
{
	char left[40];

	for (; flags != NULL && flags->name != NULL; flags++) {
		(void)snprintf(left, sizeof(left), "--%s%s%s", flags->name,
		               flags->value == NULL ? "" : " ",
		               flags->value == NULL ? "" : flags->value);
		(void)fprintf(out, "  %-22s %s\n", left, flags->about);
	}
}

void
sled_cli_help(FILE *out, const struct sled_cli_command *command)
{
	(void)fprintf(out, "mailsled %s%s%s%s - %s\n", command->name,
	              command->flags == NULL ? "" : " [OPTIONS]",
	              command->args[0] == '\0' ? "" : " ", command->args,
	              command->about);
	if (command->more != NULL)
		(void)fprintf(out, "\n%s", command->more);
	(void)fputs("\nOptions:\n", out);
	print_flags(out, command->flags);
	(void)fputs(
	    "  -c FILE                the configuration\n"
	    "  --json                 one JSON object a line on stdout\n"
	    "  -q, -v                 say less, say more\n",
	    out);
	if (command->examples != NULL)
		(void)fprintf(out, "\nExamples:\n%s", command->examples);
}
