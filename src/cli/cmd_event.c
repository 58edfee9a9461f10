/*
 * cmd_event.c - `mailsled event`: what a hook of ppp, NetworkManager or
 * networkd-dispatcher tells the scheduler.
 *
 * A hook must neither fail nor wait: without a scheduler nothing happens and
 * the status is 0. What the words do not say is taken from the environment
 * that pppd(8), NetworkManager-dispatcher(8) and networkd-dispatcher(8) give.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/scheduler.h"
#include "mailsled/control.h"
#include "mailsled/text.h"

#define WORDS 8

/* A word of a request, and where hooks keep what it says. */
static const struct {
	const char *key;
	const char *from[3];
} known[] = {
	{ "if", { "DEVICE_IP_IFACE", "PPP_IFACE", "IFACE" } },
	{ "connection", { "CONNECTION_ID", "LINKNAME", NULL } },
	{ "metered", { "CONNECTION_METERED", NULL, NULL } },
	{ "connect-time", { "CONNECT_TIME", NULL, NULL } },
	{ "sent", { "BYTES_SENT", NULL, NULL } },
	{ "received", { "BYTES_RCVD", NULL, NULL } },
};

#define METERED 2
#define KNOWN   (sizeof(known) / sizeof(known[0]))

struct request {
	const char *words[2 + WORDS];
	struct sled_buf made[KNOWN];
	size_t len;
};

static bool
bad(struct sled_err *err, const char *word)
{
	char shown[64];

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ word, strlen(word) });
	(void)sled_fail(err, SLED_ERR_USAGE, "%s: %s", shown,
	                "up or down, then if=, connection=, metered=, "
	                "connect-time=, sent= or received=");
	return sled_hint(err, "mailsled event --help");
}

/* Which key WORD, "key=value", gives; KNOWN for none. */
static size_t
key_of(const char *word)
{
	size_t at = 0;

	while (at < KNOWN &&
	       (strncmp(word, known[at].key, strlen(known[at].key)) != 0 ||
	        word[strlen(known[at].key)] != '='))
		at++;
	return at;
}

static const char *
from_hook(size_t key)
{
	for (size_t i = 0; i < 3 && known[key].from[i] != NULL; i++) {
		const char *value = getenv(known[key].from[i]);

		if (value != NULL && value[0] != '\0')
			return value;
	}
	return NULL;
}

/* What NetworkManager says, as a word of a request; NULL: nothing. */
static const char *
metered_of(const char *value)
{
	if (strcmp(value, "yes") == 0 || strcmp(value, "guess-yes") == 0)
		return "metered=yes";
	return strcmp(value, "no") == 0 || strcmp(value, "guess-no") == 0
	           ? "metered=no"
	           : NULL;
}

/* A word that was typed; *out is NULL when it says nothing. */
static bool
is_metered(const char *word, const char **out)
{
	const char *value = word + strlen("metered=");

	*out = metered_of(value);
	return *out != NULL || strcmp(value, "unknown") == 0;
}

static bool
add_rest(struct request *request, const bool given[KNOWN], struct sled_err *err)
{
	for (size_t i = 0; i < KNOWN; i++) {
		const char *value = given[i] ? NULL : from_hook(i);

		if (value != NULL && i == METERED) {
			value = metered_of(value);
			if (value != NULL)
				request->words[request->len++] = value;
			continue;
		}
		if (value == NULL)
			continue;
		if (!sled_buf_printf(&request->made[i], err, "%s=%s",
		                     known[i].key, value))
			return false;
		request->words[request->len++] = request->made[i].data;
	}
	return true;
}

static bool
make_request(const struct sled_cli *cli, struct request *request,
             struct sled_err *err)
{
	bool given[KNOWN] = { false };

	if (strcmp(cli->args[0], "up") != 0 &&
	    strcmp(cli->args[0], "down") != 0)
		return bad(err, cli->args[0]);
	request->words[request->len++] = "event";
	request->words[request->len++] = cli->args[0];
	for (unsigned i = 1; i < cli->args_len; i++) {
		size_t key = key_of(cli->args[i]);
		const char *word;

		if (key == KNOWN || given[key])
			return bad(err, cli->args[i]);
		given[key] = true;
		word = cli->args[i];
		if (key == METERED && !is_metered(cli->args[i], &word))
			return bad(err, cli->args[i]);
		if (word != NULL)
			request->words[request->len++] = word;
	}
	return add_rest(request, given, err);
}

static int
run(struct sled_cli *cli)
{
	struct request request = { .len = 0 };
	struct sled_err err = { 0 };
	bool there = false;
	int status = 0;
	bool ok;

	cli->quiet = true; /* the configuration's warnings are for people */
	ok = make_request(cli, &request, &err) &&
	     sled_cli_ask_scheduler(cli, request.words, request.len, &there,
	                            &status, &err);

	for (size_t i = 0; i < KNOWN; i++)
		sled_buf_free(&request.made[i]);
	if (!ok)
		return sled_cli_fail(cli, &err);
	return there ? status : 0;
}

const struct sled_cli_command sled_cli_event = {
	.name = "event",
	.args = "up|down [KEY=VALUE...]",
	.about = "tell the scheduler that a link came or went (for hooks)",
	.more = "Keys: if, connection, metered=yes|no, connect-time, sent, "
		"received. What is not\ngiven comes from the environment of "
		"ppp's, NetworkManager's and\nnetworkd-dispatcher's hooks. "
		"Nothing happens, with status 0, where no scheduler\nruns.\n",
	.examples = "  mailsled event up if=ppp0\n"
		    "  mailsled event up if=wlan0 connection=Ship metered=yes\n"
		    "  mailsled event down if=ppp0\n",
	.args_min = 1,
	.args_max = 1 + 6,
	.run = run,
};
