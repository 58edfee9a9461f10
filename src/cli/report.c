/* report.c - what is said on stderr, and the live lines above the prompt. */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* Terminal codes: to the line's start, up one line, clear to the end. */
static void
take_away(struct sled_cli *cli)
{
	if (cli->live_rows == 0)
		return;
	(void)fputs("\r", stderr);
	if (cli->live_rows > 1)
		(void)fprintf(stderr, "\033[%uA", cli->live_rows - 1);
	(void)fputs("\033[J", stderr);
	cli->live_rows = 0;
}

void
sled_cli_complain(struct sled_cli *cli, const struct sled_err *err)
{
	(void)pthread_mutex_lock(&cli->saying);
	take_away(cli);
	(void)fprintf(stderr, "mailsled: %s\n", err->text);
	if (cli->verbose && err->where != NULL)
		(void)fprintf(stderr, "mailsled: noticed at %s\n", err->where);
	if (err->hint != NULL)
		(void)fprintf(stderr, "mailsled: try: %s\n", err->hint);
	(void)pthread_mutex_unlock(&cli->saying);
}

int
sled_cli_fail(struct sled_cli *cli, const struct sled_err *err)
{
	struct sled_err second = { 0 };
	struct sled_json *json = NULL;
	int status = sled_err_exit(err->kind);

	sled_cli_complain(cli, err);
	if (!cli->json || !sled_json_new(&json, &second))
		return status;
	sled_json_text(json, "error", err->text);
	sled_json_i64(json, "exit", status);
	if (!sled_json_print(&json, stdout, &second))
		sled_cli_complain(cli, &second);
	return status;
}

void
sled_cli_add_failure(struct sled_cli *cli, struct sled_err *why,
                     const struct sled_err *other)
{
	bool worse = other->kind != why->kind &&
	             sled_err_worse(why->kind, other->kind) == other->kind;

	if (why->kind != SLED_ERR_NONE && other->kind != SLED_ERR_NONE)
		sled_cli_complain(cli, worse ? why : other);
	if (worse)
		*why = *other;
}

void
sled_cli_say(void *ctx, const char *text)
{
	struct sled_cli *cli = ctx;

	(void)pthread_mutex_lock(&cli->saying);
	take_away(cli);
	(void)fprintf(stderr, "mailsled: %s\n", text);
	(void)pthread_mutex_unlock(&cli->saying);
}

bool
sled_cli_is_live(const struct sled_cli *cli)
{
	return !cli->json && !cli->quiet && sled_cli_columns(STDERR_FILENO) > 0;
}

static void
show_line(const char *line, size_t len, unsigned columns)
{
	struct sled_buf text = { 0 }, fitted = { 0 };
	struct sled_err err = { 0 };

	if (sled_buf_add(&text, line, len, &err) &&
	    sled_cli_fit(&fitted, text.data, columns - 1, false, &err))
		(void)fputs(fitted.data, stderr);
	sled_buf_free(&text);
	sled_buf_free(&fitted);
}

void
sled_cli_live(struct sled_cli *cli, const char *lines)
{
	unsigned columns = sled_cli_columns(STDERR_FILENO);

	if (!sled_cli_is_live(cli))
		return;
	(void)pthread_mutex_lock(&cli->saying);
	take_away(cli);
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");

		if (cli->live_rows++ > 0)
			(void)fputs("\n", stderr);
		show_line(lines, len, columns);
		lines += len + (lines[len] == '\n');
	}
	(void)fflush(stderr);
	(void)pthread_mutex_unlock(&cli->saying);
}
