/* read_serve.c - `mailsled serve`: the reading room, a web page on loopback. */
#include <inttypes.h>
#include <string.h>

#include "cli/read_room.h"
#include "mailsled/clock.h"
#include "mailsled/plot.h"
#include "mailsled/secret.h"
#include "mailsled/text.h"

/* ---- pages ---- */

static const struct {
	const char *path; /* ends with '/': all below it */
	sled_room_fn *fn;
} pages[] = {
	{ "/", sled_room_home },
	{ "/mail", sled_room_mail },
	{ "/mail/", sled_room_letter },
	{ "/held", sled_room_held },
	{ "/held/want", sled_room_want },
	{ "/held/keep", sled_room_want },
	{ "/held/drop", sled_room_drop },
	{ "/history", sled_room_history },
	{ "/health", sled_room_health },
	{ "/health/verify", sled_room_verify },
	{ "/verify.json", sled_room_verify_json },
	{ "/another", sled_room_another },
};

static sled_room_fn *
find_page(const char *path, const char **rest)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		size_t len = strlen(pages[i].path);

		if (strcmp(path, pages[i].path) == 0 ||
		    (len > 1 && pages[i].path[len - 1] == '/' &&
		     strncmp(path, pages[i].path, len) == 0)) {
			*rest = path + len;
			return pages[i].fn;
		}
	}
	return NULL;
}

static bool
make_page(void *ctx, struct sled_serve_request *request,
          struct sled_serve_answer *answer, struct sled_err *err)
{
	struct sled_room_ask ask = { .room = ctx,
		                     .request = request,
		                     .answer = answer,
		                     .page = { &answer->body, err, false },
		                     .now = sled_clock_now() };
	sled_room_fn *fn = find_page(request->path, &ask.rest);

	if (fn == NULL)
		return sled_fail(err, SLED_ERR_MISSING,
		                 "there is no such page");
	return fn(&ask, err) && sled_page_ok(&ask.page, true);
}

/* ---- the command ---- */

static bool
get_password(struct sled_cli *cli, struct sled_buf *out, struct sled_err *err)
{
	const struct sled_secret_source source = {
		.command = sled_cli_flag(cli, "password-command"),
		.file = sled_cli_flag(cli, "password-file"),
	};

	if (source.command == NULL && source.file == NULL)
		return true;
	if (source.command != NULL && source.file != NULL)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "one of --password-file and "
		                 "--password-command");
	return sled_secret_read(out, cli->sys, &source, err);
}

static bool
get_conf(struct sled_cli *cli, struct sled_serve_conf *conf,
         struct sled_buf *password, struct sled_err *err)
{
	const char *port = sled_cli_flag(cli, "port");
	uint64_t number = 0;

	conf->address = sled_cli_flag(cli, "address");
	conf->name = sled_cli_flag(cli, "name");
	if (port != NULL &&
	    (!sled_text_u64((struct sled_span){ port, strlen(port) },
	                    &number) ||
	     number > UINT16_MAX))
		return sled_fail(err, SLED_ERR_USAGE, "--port: 1 to 65535");
	conf->port = (uint16_t)number;
	if (!get_password(cli, password, err))
		return false;
	conf->password = sled_buf_span(password);
	if (conf->address == NULL || password->len > 0 ||
	    !sled_serve_is_open(conf->address))
		return true;
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "--address %.60s: others reach that, so it needs a "
	                "password",
	                conf->address);
	return sled_hint(err, "--password-file FILE or --password-command "
	                      "COMMAND");
}

static bool
tell_address(struct sled_cli *cli, struct sled_serve *serve,
             struct sled_err *err)
{
	struct sled_buf address = { 0 };
	struct sled_json *json = NULL;
	bool ok = sled_serve_address(serve, &address, err);

	if (ok && cli->json) {
		ok = sled_json_new(&json, err);
		if (ok) {
			sled_json_text(json, "event", "listening");
			sled_json_text(json, "url", address.data);
			ok = sled_json_print(&json, stdout, err);
		}
	} else if (ok) {
		(void)printf("%s\n", address.data);
	}
	sled_buf_wipe(&address);
	return ok && (fflush(stdout) == 0 ||
	              sled_fail(err, SLED_ERR_IO, "output: cannot be written"));
}

/* What a person has to know besides the address. */
static void
tell_more(struct sled_cli *cli, const struct sled_serve_conf *conf)
{
	if (cli->quiet || cli->json)
		return;
	if (conf->address != NULL && sled_serve_is_open(conf->address))
		sled_cli_say(cli, "mail and password go over plain HTTP: in a "
		                  "network that others use, take `ssh -L` or a "
		                  "TLS proxy with --name instead");
	sled_cli_say(cli, conf->password.len > 0
	                      ? "Ctrl-C ends it"
	                      : "the address opens one browser, once; Ctrl-C "
	                        "ends it");
}

static bool
serve(struct sled_room *room, struct sled_serve_conf *conf,
      struct sled_err *err)
{
	struct sled_cli *cli = room->cli;
	bool ok;

	/* What is wrong with the store is said at once. */
	if (!sled_room_store(room, err) ||
	    !sled_serve_new(&room->serve, conf, err))
		return false;
	ok = tell_address(cli, room->serve, err);
	if (ok) {
		tell_more(cli, conf);
		ok = sled_serve_run(room->serve, err);
	}
	sled_room_check_free(room);
	sled_room_next_free(room);
	sled_serve_free(&room->serve);
	return ok;
}

static int
run(struct sled_cli *cli)
{
	struct sled_room room = { .cli = cli };
	struct sled_serve_conf conf = { .style = sled_plot_style(),
		                        .page = make_page,
		                        .idle = sled_room_close,
		                        .ctx = &room };
	struct sled_buf password = { 0 };
	struct sled_err err = { 0 };
	bool ok = sled_cli_conf(cli, &err) &&
	          get_conf(cli, &conf, &password, &err) &&
	          serve(&room, &conf, &err);

	sled_buf_wipe(&password);
	sled_room_close(&room);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "port", "N", "listen there; without: at any that is free" },
	{ "address", "ADDR", "another than 127.0.0.1; needs a password" },
	{ "name", "HOST", "answer to this Host too: a proxy's, or a name's" },
	{ "password-file", "FILE", "ask for the password in it (mode 0600)" },
	{ "password-command", "CMD", "ask for the password that it prints" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_read_serve = {
	.name = "serve",
	.args = "",
	.about = "the reading room: a web page on this machine",
	.more = "Prints an address that opens one browser, once: what it holds "
		"is the way in.\nThe page shows visits, copies and budgets, "
		"finds and reads mail, decides about\nheld mail, and verifies. "
		"It needs no link and asks nobody else for anything:\npictures "
		"that are elsewhere are never loaded. Only this machine "
		"reaches it,\nunless --address says otherwise.\n",
	.examples = "  mailsled serve\n"
		    "  mailsled serve --port 8025 &\n"
		    "  ssh -L 8025:127.0.0.1:8025 base    # then open it here\n"
		    "  mailsled serve --address 192.168.7.2 --port 8025 "
		    "--password-file ~/.room\n",
	.flags = flags,
	.run = run,
};
