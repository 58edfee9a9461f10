/* scheduler.c - asking the scheduler; see scheduler.h. */
#include "cli/scheduler.h"

#include <stdio.h>
#include <string.h>

#include "mailsled/control.h"
#include "mailsled/text.h"

bool
sled_cli_socket(struct sled_cli *cli, struct sled_buf *out,
                struct sled_err *err)
{
	const struct sled_conf_store *store;
	struct sled_buf state = { 0 };
	struct sled_err why = { 0 };
	bool ok;

	if (!sled_cli_conf(cli, err))
		return false;
	store = &cli->conf->store;
	ok = sled_buf_printf(&state, err, "%s%s",
	                     store->state != NULL ? store->state : store->path,
	                     store->state != NULL ? "" : "/.mailsled");
	if (ok && !sled_control_path(out, state.data, &why)) {
		out->len = 0; /* too long for a socket: none can listen */
		ok = why.kind == SLED_ERR_CONFIG ||
		     sled_fail(err, why.kind, "%s", why.text);
	}
	sled_buf_free(&state);
	return ok;
}

/* Root may ask a user's scheduler: what it says shall not act on his terminal.
 * Objects stay as they are, and have no such characters. */
static void
print_line(void *ctx, bool out, const char *text)
{
	struct sled_cli *cli = ctx;
	struct sled_buf shown = { 0 };
	struct sled_err err = { 0 };

	if (!sled_text_printable(
		&shown, (struct sled_span){ text, strlen(text) }, &err)) {
		sled_cli_complain(cli, &err);
	} else if (!out) {
		sled_cli_say(cli, shown.len == 0 ? "" : shown.data);
	} else {
		(void)printf("%s\n",
		             cli->json || shown.len == 0 ? text : shown.data);
		(void)fflush(stdout);
	}
	sled_buf_free(&shown);
}

bool
sled_cli_ask_scheduler(struct sled_cli *cli, const char *const *words,
                       size_t len, bool *there, int *status,
                       struct sled_err *err)
{
	struct sled_buf path = { 0 };
	bool ok;

	*there = false;
	ok = sled_cli_socket(cli, &path, err) &&
	     (path.len == 0 ||
	      sled_control_ask(path.data, words, len, print_line, cli, there,
	                       status, err));

	sled_buf_free(&path);
	return ok;
}
