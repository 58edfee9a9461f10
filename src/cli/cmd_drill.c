/* cmd_drill.c - `mailsled drill`: is the mail there for who has tar alone? */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/text.h"

#define LONG_MS UINT64_C(3600000) /* for tar, of a volume of 3.9 GiB */

static bool
print_json(const struct sled_drilled *drilled, const struct sled_err *why,
           struct sled_err *err)
{
	struct sled_json *json = NULL;
	bool chosen = drilled->volume[0] != '\0';

	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "place", chosen ? drilled->place : NULL);
	sled_json_text(json, "volume", chosen ? drilled->volume : NULL);
	sled_json_text(json, "tar",
	               drilled->tar[0] == '\0' ? NULL : drilled->tar);
	sled_json_u64(json, "messages", drilled->messages);
	sled_json_u64(json, "mail_bytes", drilled->octets);
	sled_json_real(json, "seconds", (double)drilled->ms / 1000);
	sled_json_text(json, "error", why->text[0] == '\0' ? NULL : why->text);
	sled_json_i64(json, "exit", sled_err_exit(why->kind));
	return sled_json_print(&json, stdout, err);
}

static void
print_text(const struct sled_drilled *drilled)
{
	char bytes[SLED_CLI_WORD], span[SLED_CLI_WORD], place[256];

	sled_cli_bytes(bytes, drilled->octets);
	sled_cli_span(span, drilled->ms);
	sled_text_clip(
	    place, sizeof(place),
	    (struct sled_span){ drilled->place, strlen(drilled->place) });
	(void)printf("%s in %s: all %" PRIu64 " messages, %s, came out of tar "
	             "as they were stored (%s, %s)\n",
	             drilled->volume, place, drilled->messages, bytes, span,
	             drilled->tar);
}

/* *why is the outcome. */
static bool
drill(struct sled_cli *cli, struct sled_err *why, struct sled_err *err)
{
	const struct sled_drill_conf conf = {
		.place = sled_cli_flag(cli, "place"),
		.volume = sled_cli_flag(cli, "volume"),
		.ms = LONG_MS,
	};
	struct sled_drilled drilled;

	if (!sled_cli_conf(cli, err) ||
	    !sled_cli_store(cli, SLED_STORE_WRITE, err))
		return false;
	sled_cli_live(cli, "drill: extracting a volume with tar ...");
	(void)!sled_store_drill(cli->store, &conf, &drilled, why);
	sled_cli_live(cli, "");
	if (why->kind != SLED_ERR_NONE)
		sled_cli_complain(cli, why);
	if (cli->json)
		return print_json(&drilled, why, err);
	if (why->kind == SLED_ERR_NONE && !cli->quiet)
		print_text(&drilled);
	return sled_cli_whole(cli, err);
}

static int
run(struct sled_cli *cli)
{
	struct sled_err why = { 0 }, err = { 0 };

	return drill(cli, &why, &err) ? sled_err_exit(why.kind)
	                              : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "place", "DIR", "a volume of this place" },
	{ "volume", "NAME", "this one: ACCOUNT/2026-11-001" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_drill = {
	.name = "drill",
	.args = "",
	.about = "take mail out of a volume with tar alone, and compare",
	.more =
	    "A sealed volume (the open one where there is no other) of a place that is there\n"
	    "is extracted by the system's tar into .mailsled/drill, which is removed\n"
	    "afterwards. Each message is held against its receipt and the ledger. It is one\n"
	    "that had its turn longest ago; `status` tells the outcome. Behind a visit this\n"
	    "is done once a month, with a volume of at most 64 MiB.\n",
	.examples = "  mailsled drill\n"
		    "  mailsled drill --place /media/usb/mail\n",
	.flags = flags,
	.run = run,
};
