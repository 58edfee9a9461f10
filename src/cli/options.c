/* options.c - the command line: words and options in any order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/text.h"

#define SECONDS_MOST 86400
#define WORDS        48 /* more than commands, or options of one command */

struct parse {
	struct sled_cli *cli;
	const struct sled_cli_command *const *table;
	char **argv; /* what is still to be read; ends with NULL */
	bool words_only, wants_help;
	struct sled_err *err;
};

static const struct {
	char letter;
	struct sled_cli_flag flag;
} globals[] = {
	{ 'c', { "config", "FILE", NULL } }, { 0, { "json", NULL, NULL } },
	{ 'q', { "quiet", NULL, NULL } },    { 'v', { "verbose", NULL, NULL } },
	{ 'h', { "help", NULL, NULL } },     { 0, { "version", NULL, NULL } },
};

#define GLOBALS (sizeof(globals) / sizeof(globals[0]))

static bool
refuse(struct parse *p, const char *what, const char *word)
{
	char shown[64];

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ word, strlen(word) });
	(void)sled_fail(p->err, SLED_ERR_USAGE, "%s: %s", shown, what);
	return sled_hint(p->err, p->cli->command == NULL
	                             ? "mailsled help"
	                             : "the same with --help");
}

/* ARG, in which WORD is not one of the LEN known words. DASHES stand before
 * the one that was meant. */
static bool
refuse_unknown(struct parse *p, const char *arg, const char *word,
               const char *const *words, size_t len, const char *dashes)
{
	const char *what =
	    *dashes == '\0' ? "no such command" : "no such option";
	char text[128];
	bool close = false;
	size_t best = sled_conf_nearest(word, words, len, &close);

	if (!close)
		return refuse(p, what, arg);
	(void)snprintf(text, sizeof(text), "%s; did you mean %s%s?", what,
	               dashes, words[best]);
	return refuse(p, text, arg);
}

static bool
set_command(struct parse *p, const char *word)
{
	const char *names[WORDS];
	size_t len = 0;

	if (strcmp(word, "help") == 0 && !p->wants_help) {
		p->wants_help = p->cli->help = true;
		return true;
	}
	for (; len < WORDS - 1 && p->table[len] != NULL; len++) {
		names[len] = p->table[len]->name;
		if (strcmp(word, names[len]) == 0) {
			p->cli->command = p->table[len];
			return true;
		}
	}
	names[len++] = "help";
	return refuse_unknown(p, word, word, names, len, "");
}

static bool
take_word(struct parse *p, const char *word)
{
	if (p->cli->command == NULL)
		return set_command(p, word);
	p->cli->args[p->cli->args_len++] = word;
	return true;
}

static bool
apply_global(struct parse *p, size_t index, const char *value)
{
	struct sled_cli *cli = p->cli;

	switch (index) {
	case 0:
		if (cli->file != NULL)
			return refuse(p, "given twice", "-c");
		cli->file = value;
		break;
	case 1:
		cli->json = true;
		break;
	case 2:
		cli->quiet = true;
		break;
	case 3:
		cli->verbose = true;
		break;
	case 4:
		cli->help = true;
		break;
	default:
		cli->version = true;
		break;
	}
	return true;
}

/* -c FILE, -cFILE, -q, -v, -h, and letters together. */
static bool
take_letters(struct parse *p, const char *arg)
{
	for (const char *at = arg + 1; *at != '\0'; at++) {
		size_t i = 0;

		while (i < GLOBALS && globals[i].letter != *at)
			i++;
		if (i == GLOBALS)
			return refuse(p, "no such option", arg);
		if (globals[i].flag.value == NULL) {
			if (!apply_global(p, i, NULL))
				return false;
			continue;
		}
		if (at[1] != '\0')
			return apply_global(p, i, at + 1);
		if (*p->argv == NULL)
			return refuse(p, "a value is missing behind it", arg);
		return apply_global(p, i, *p->argv++);
	}
	return true;
}

static bool
is_named(const struct sled_cli_flag *flag, const char *name, size_t len)
{
	return strncmp(flag->name, name, len) == 0 && flag->name[len] == '\0';
}

/* The value of ARG, an option that FLAG describes: behind "=", or next. */
static bool
take_value(struct parse *p, const struct sled_cli_flag *flag, const char *arg,
           const char **value)
{
	const char *equals = strchr(arg, '=');

	*value = "";
	if (flag->value == NULL)
		return equals == NULL || refuse(p, "it takes no value", arg);
	if (equals != NULL) {
		*value = equals + 1;
		return true;
	}
	if (*p->argv == NULL)
		return refuse(p, "a value is missing behind it", arg);
	*value = *p->argv++;
	return true;
}

static bool
refuse_option(struct parse *p, const char *arg)
{
	const struct sled_cli_command *command = p->cli->command;
	const char *words[WORDS];
	char word[64];
	size_t count = 0;

	for (; count < GLOBALS; count++)
		words[count] = globals[count].flag.name;
	for (size_t i = 0; command != NULL && command->flags != NULL &&
	                   command->flags[i].name != NULL;
	     i++)
		words[count++] = command->flags[i].name;
	(void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg + 2, "="),
	               arg + 2);
	return refuse_unknown(p, arg, word, words, count, "--");
}

static bool
take_long(struct parse *p, const char *arg)
{
	const struct sled_cli_command *command = p->cli->command;
	const char *name = arg + 2, *value = NULL;
	size_t len = strcspn(name, "=");

	for (size_t i = 0; i < GLOBALS; i++)
		if (is_named(&globals[i].flag, name, len))
			return take_value(p, &globals[i].flag, arg, &value) &&
			       apply_global(p, i, value);
	for (size_t i = 0; command != NULL && command->flags != NULL &&
	                   command->flags[i].name != NULL;
	     i++) {
		if (!is_named(&command->flags[i], name, len))
			continue;
		if (p->cli->values[i] != NULL &&
		    command->flags[i].value != NULL)
			return refuse(p, "given twice", arg);
		return take_value(p, &command->flags[i], arg,
		                  &p->cli->values[i]);
	}
	return refuse_option(p, arg);
}

static bool
take(struct parse *p, const char *arg)
{
	if (p->words_only || arg[0] != '-' || arg[1] == '\0')
		return take_word(p, arg);
	if (strcmp(arg, "--") == 0) {
		p->words_only = true;
		return true;
	}
	if (arg[1] == '-')
		return take_long(p, arg);
	/* "-word" of a query, unlike "-q". */
	if (p->cli->command != NULL && p->cli->command->dashes &&
	    arg[2] != '\0')
		return take_word(p, arg);
	return take_letters(p, arg);
}

static bool
check_count(struct parse *p)
{
	const struct sled_cli_command *command = p->cli->command;

	if (p->cli->quiet && p->cli->verbose)
		return refuse(p, "not together with -v", "-q");
	if (p->cli->help || p->cli->version || command == NULL)
		return true;
	if (p->cli->args_len < command->args_min) {
		(void)refuse(p, "something is missing behind it",
		             command->name);
		return false;
	}
	if (p->cli->args_len > command->args_max)
		return refuse(p, "one word too many",
		              p->cli->args[command->args_max]);
	return true;
}

/* What stands behind the command is for the reader to judge. */
static bool
is_elsewhere(const struct sled_cli *cli)
{
	if (cli->command == NULL || cli->reading != NULL ||
	    cli->command->side == SLED_CLI_HERE)
		return false;
	return sled_cli_reader_there(NULL) ||
	       (cli->command->side == SLED_CLI_READER_ONLY && !cli->help);
}

/* What is wrong is told as it was asked for, also behind the mistake. */
static bool
fail_parse(struct parse *p)
{
	for (; !p->words_only && *p->argv != NULL; p->argv++) {
		p->words_only = strcmp(*p->argv, "--") == 0;
		p->cli->json = p->cli->json || strcmp(*p->argv, "--json") == 0;
	}
	return false;
}

bool
sled_cli_parse(struct sled_cli *cli,
               const struct sled_cli_command *const *table, int argc,
               char **argv, struct sled_err *err)
{
	struct parse p = { .cli = cli, .table = table, .err = err };

	cli->args = calloc((size_t)argc + 1, sizeof(*cli->args));
	if (cli->args == NULL)
		return sled_fail_sys(err, ENOMEM, "arguments");
	p.argv = argc > 0 ? argv + 1 : argv;
	while (*p.argv != NULL && !is_elsewhere(cli))
		if (!take(&p, *p.argv++))
			return fail_parse(&p);
	cli->elsewhere = is_elsewhere(cli);
	return cli->elsewhere || check_count(&p);
}

const char *
sled_cli_flag(const struct sled_cli *cli, const char *name)
{
	const struct sled_cli_flag *flags = cli->command->flags;

	for (size_t i = 0; flags != NULL && flags[i].name != NULL; i++)
		if (strcmp(flags[i].name, name) == 0)
			return cli->values[i];
	return NULL;
}

bool
sled_cli_seconds(const struct sled_cli *cli, unsigned least, uint64_t *ms,
                 struct sled_err *err)
{
	const char *text = sled_cli_flag(cli, "seconds");
	char *end = NULL;
	unsigned long seconds;

	if (text == NULL)
		return true;
	seconds = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && seconds >= least &&
	    seconds <= SECONDS_MOST) {
		*ms = seconds * 1000;
		return true;
	}
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "--seconds: a number from %u to %d", least,
	                SECONDS_MOST);
	return sled_hint(err, "--help tells each option");
}
