/* status_next.c - the next visit and why, as the scheduler has it. */
#include <stdlib.h>
#include <string.h>

#include "cli/scheduler.h"
#include "cli/status.h"
#include "mailsled/clock.h"
#include "mailsled/control.h"

static void
keep(char **at, const char *value)
{
	free(*at);
	*at = strdup(value);
}

static void
keep_more(char **list, size_t *len, const char *value)
{
	if (*len < SLED_NEXT_SHOWN && (list[*len] = strdup(value)) != NULL)
		(*len)++;
}

static void
take_line(void *ctx, bool out, const char *text)
{
	struct sled_next *next = ctx;
	const char *value = strchr(text, '=');
	size_t len = value == NULL ? 0 : (size_t)(value++ - text);

	if (!out && next->cli != NULL)
		sled_cli_say(next->cli, text);
	if (!out || value == NULL)
		return;
	if (strncmp(text, "pid", len) == 0)
		keep(&next->pid, value);
	else if (strncmp(text, "doing", len) == 0)
		keep(&next->doing, value);
	else if (strncmp(text, "next", len) == 0)
		keep(&next->when, value);
	else if (strncmp(text, "why", len) == 0)
		keep(&next->why, value);
	else if (strncmp(text, "clock", len) == 0)
		keep(&next->clock, value);
	else if (strncmp(text, "link", len) == 0)
		keep_more(next->links, &next->links_len, value);
	else if (strncmp(text, "held-off", len) == 0)
		keep_more(next->held_off, &next->held_off_len, value);
}

bool
sled_next_ask(struct sled_next *next, const char *socket, struct sled_err *err)
{
	const char *const words[] = { "status" };
	int exit_status = 0;

	return sled_control_ask(socket, words, 1, take_line, next, &next->there,
	                        &exit_status, err);
}

void
sled_next_free(struct sled_next *next)
{
	free(next->pid);
	free(next->doing);
	free(next->when);
	free(next->why);
	free(next->clock);
	for (size_t i = 0; i < next->links_len; i++)
		free(next->links[i]);
	for (size_t i = 0; i < next->held_off_len; i++)
		free(next->held_off[i]);
	*next = (struct sled_next){ .cli = next->cli };
}

static const char *
word(const char *text)
{
	return text == NULL ? "?" : text;
}

/* How long it is from the answer on: a second may have gone since the command
 * began, and then an hour would be said for what is 59 minutes. */
static void
print_next(const struct sled_next *next)
{
	char when[SLED_CLI_WORD], in[SLED_CLI_WORD];
	int64_t at = 0, now = sled_clock_now();

	(void)printf("next visit\n");
	if (next->pid == NULL) {
		(void)printf("  not known: a scheduler is there, but it told "
		             "nothing\n");
		return;
	}
	if (next->when != NULL && sled_clock_parse(next->when, &at) &&
	    at > now) {
		sled_cli_time(when, at);
		sled_cli_span(in, (at - now) * 1000);
		(void)printf("  %s (in %s): %s\n", when, in, word(next->why));
	} else {
		(void)printf("  %s\n", word(next->why));
	}
	if (next->doing != NULL && strcmp(next->doing, "waiting") != 0)
		(void)printf("  now       %s\n", next->doing);
	if (next->clock != NULL)
		(void)printf(
		    "  clock     %s: windows and budgets stand still\n",
		    next->clock);
	for (size_t i = 0; i < next->links_len; i++)
		(void)printf("  link up   %s\n", next->links[i]);
	for (size_t i = 0; i < next->held_off_len; i++)
		(void)printf("  held off  %s\n", next->held_off[i]);
	(void)printf("  scheduler runs, pid %s\n", next->pid);
}

static bool
print_json(const struct sled_next *next, struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_bool(json, "scheduler", next->there);
	sled_json_text(json, "doing", next->doing);
	sled_json_text(json, "next_visit", next->when);
	sled_json_text(json, "why", next->why);
	sled_json_bool(json, "clock_doubtful", next->clock != NULL);
	return sled_json_print(&json, stdout, err);
}

bool
sled_status_next(struct status *status, struct sled_err *err)
{
	struct sled_err why = { 0 };
	struct sled_buf path = { 0 };
	struct sled_next next = { .cli = status->cli };
	bool ok = sled_cli_socket(status->cli, &path, err);

	if (ok && path.len > 0 && !sled_next_ask(&next, path.data, &why))
		sled_cli_complain(status->cli, &why);
	sled_buf_free(&path);
	if (ok && status->cli->json)
		ok = print_json(&next, err);
	else if (ok && next.there)
		print_next(&next);
	else if (ok)
		(void)printf("next visit\n  no scheduler runs: `mailsled run` "
		             "starts one, `mailsled fetch` visits now\n");
	sled_next_free(&next);
	return ok;
}
