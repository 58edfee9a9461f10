/* cmd_check.c - `mailsled check`: would the next fetch go well? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/check.h"
#include "mailsled/clock.h"
#include "mailsled/link.h"
#include "mailsled/text.h"

/* A command in it runs as this user: nobody else may write it. */
static void
judge_mode(struct sled_check *check)
{
	struct sled_cli *cli = check->cli;
	struct stat st;

	if (cli->sys->fstatat(cli->sys->ctx, AT_FDCWD, cli->conf_path.data, &st,
	                      0) == 0 &&
	    (st.st_mode & 022) != 0)
		sled_check_warn(check, "chmod 600 on it",
		                "others may write it (mode %04o)",
		                (unsigned)(st.st_mode & 07777));
}

static void
judge_clock(struct sled_check *check)
{
	int64_t now = sled_clock_now();
	char when[SLED_CLI_WORD];

	if (!sled_clock_doubtful(now))
		return;
	sled_cli_time(when, now);
	sled_check_warn(check, "set it: certificates are held against it",
	                "this machine's clock says %s", when);
}

static void
tell_warnings(struct sled_check *check)
{
	const struct sled_conf *conf = check->cli->conf;

	for (size_t i = 0; i < conf->warnings_len; i++)
		sled_check_warn(check,
		                strstr(conf->warnings[i], "min-copies") != NULL
		                    ? "another place: copies = "
		                      "/media/usb/mail, and min-copies = 2"
		                    : NULL,
		                "%s", conf->warnings[i]);
}

/* A line that is dialled brings its interface along. */
static void
judge_links(struct sled_check *check)
{
	const struct sled_conf *conf = check->cli->conf;

	for (size_t i = 0; i < conf->links_len; i++) {
		const char *name = conf->links[i].name;

		if (conf->links[i].up_command != NULL ||
		    strcmp(name, "default") == 0 ||
		    strcmp(name, "metered") == 0 || sled_link_exists(name))
			continue;
		sled_check_warn(check,
		                "right if it is plugged in later, or is the "
		                "name of a connection that a hook tells",
		                "[link %s]: no interface has this name now",
		                name);
	}
}

static void
print_json(struct sled_check *check)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	if (!check->cli->json)
		return;
	if (!sled_json_new(&json, &err)) {
		sled_check_error(check, &err);
		return;
	}
	sled_json_text(json, "config", check->cli->conf_path.data);
	sled_check_end(check, &json);
}

static void
check_config(struct sled_check *check)
{
	struct sled_cli *cli = check->cli;
	const struct sled_conf *conf = cli->conf;
	size_t places = conf->store.copies_len + 1;
	char path[256];

	sled_text_clip(path, sizeof(path), sled_buf_span(&cli->conf_path));
	sled_check_begin(check, "configuration");
	sled_check_ok(check, "%s: %zu account%s, %zu place%s", path,
	              conf->accounts_len, conf->accounts_len == 1 ? "" : "s",
	              places, places == 1 ? "" : "s");
	tell_warnings(check);
	judge_links(check);
	judge_mode(check);
	judge_clock(check);
	print_json(check);
}

/* The configuration's warnings are findings here, not asides. */
bool
sled_check_conf(struct sled_cli *cli, struct sled_err *err)
{
	bool quiet = cli->quiet, ok;

	cli->quiet = true;
	ok = sled_cli_conf(cli, err);
	cli->quiet = quiet;
	for (unsigned i = 0; ok && i < cli->args_len; i++)
		if (sled_conf_account(cli->conf, cli->args[i]) == NULL)
			ok = sled_cli_known(cli, cli->args[i], err);
	return ok;
}

int
sled_check_all(struct sled_check *check)
{
	struct sled_err err = { 0 };

	if (!sled_check_conf(check->cli, &err))
		return sled_cli_fail(check->cli, &err);
	check_config(check);
	sled_check_store(check);
	sled_check_deliver(check);
	sled_check_servers(check);
	sled_check_next(check);
	sled_buf_free(&check->warnings);
	return sled_err_exit(check->worst);
}

static int
run(struct sled_cli *cli)
{
	struct sled_check check = { .cli = cli };

	return sled_check_all(&check);
}

const struct sled_cli_command sled_cli_check = {
	.name = "check",
	.args = "[ACCOUNT...]",
	.about = "try places, server and login; fetch nothing",
	.more = "Each step is one line: ok, warning or error, with what mends "
		"it. Nothing is\nfetched, made or deleted. The exit status is "
		"that of the worst error; warnings\nalone are 0. Without "
		"ACCOUNT: all of them.\n",
	.examples = "  mailsled check\n"
		    "  mailsled check home\n"
		    "  mailsled --json check | jq 'select(.ok | not)'\n",
	.args_max = SLED_CLI_MANY,
	.run = run,
};
