/* cmd_prune.c - `mailsled prune`: old volumes out of one place. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

#define DAY 86400

struct prune {
	struct sled_cli *cli;
	bool dry;
	const char *age; /* NULL: undone */
	char place[256]; /* for a terminal */
	uint64_t volumes, octets, kept;
};

static void
print_json(struct prune *p, const struct sled_pruned *volume)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };
	char archive[64];

	if (!sled_json_new(&json, &err))
		return;
	(void)snprintf(archive, sizeof(archive), "%s/%s", volume->label,
	               volume->name);
	sled_json_text(json, "place", volume->place);
	sled_json_text(json, "volume", archive);
	sled_json_u64(json, "octets", volume->octets);
	sled_json_bool(json, "pruned", volume->done && !p->dry);
	sled_json_bool(json, "held_elsewhere", volume->done);
	(void)!sled_json_print(&json, stdout, &err);
}

static void
on_volume(void *ctx, const struct sled_pruned *volume)
{
	struct prune *p = ctx;
	char bytes[SLED_CLI_WORD];

	p->volumes += volume->done;
	p->octets += volume->done ? volume->octets : 0;
	p->kept += !volume->done;
	if (p->cli->json) {
		print_json(p, volume);
		return;
	}
	if (p->cli->quiet)
		return;
	sled_cli_bytes(bytes, volume->octets);
	(void)printf("%s/%s  %8s  %s\n", volume->label, volume->name, bytes,
	             !volume->done ? "stays: too few other places hold it"
	             : p->dry      ? "would be removed"
	                           : "removed");
}

/* "2y", "18m", "90d": years, months and days back from now. */
static bool
take_age(const char *text, int64_t *before, struct sled_err *err)
{
	char *end = NULL;
	unsigned long number = strtoul(text, &end, 10);
	int64_t days = *end == 'y' ? 365 : *end == 'm' ? 30 : 1;

	if (*text < '0' || *text > '9' || number > 36500 || *end == '\0' ||
	    (*end != 'y' && *end != 'm' && *end != 'd') || end[1] != '\0') {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "--older-than: an age such as 2y, 18m or 90d");
		return sled_hint(err, "mailsled prune --help");
	}
	*before = sled_clock_now() - (int64_t)number * days * DAY;
	return true;
}

static void
name_place(struct prune *p)
{
	const char *path = sled_cli_flag(p->cli, "place");

	if (path == NULL)
		path = p->cli->conf->store.path;
	sled_text_clip(p->place, sizeof(p->place),
	               (struct sled_span){ path, strlen(path) });
}

/* The last line, for people. */
static void
print_sum(const struct prune *p)
{
	char bytes[SLED_CLI_WORD];

	if (p->age == NULL) {
		(void)printf(
		    "`mailsled sync` brings them back, `mailsled tend` "
		    "or the next visit seals them\n");
	} else if (p->volumes + p->kept == 0) {
		(void)printf("%s has no sealed volume older than %s\n",
		             p->place, p->age);
	} else {
		sled_cli_bytes(bytes, p->octets);
		(void)printf(
		    "%" PRIu64 " volume%s, %s%s %s%s\n", p->volumes,
		    p->volumes == 1 ? "" : "s", bytes,
		    p->dry ? " would be removed from" : " removed from",
		    p->place,
		    p->dry && p->volumes > 0 ? "; add --yes to do it" : "");
	}
}

/* Whoever wants the room must hear that it is not there. */
static bool
tell_kept(const struct prune *p, struct sled_err *err)
{
	if (p->dry || p->kept == 0)
		return true;
	(void)sled_fail(err, SLED_ERR_PLACE,
	                "%" PRIu64 " volume%s in %s: too few other places "
	                "hold %s (min-copies = %u)",
	                p->kept, p->kept == 1 ? " stays" : "s stay", p->place,
	                p->kept == 1 ? "it" : "them",
	                p->cli->conf->store.min_copies);
	return sled_hint(err, "mailsled sync, and mailsled repair where "
	                      "verify --deep finds damage");
}

static bool
prune(struct sled_cli *cli, struct sled_err *err)
{
	const char *age = sled_cli_flag(cli, "older-than");
	struct prune p = { .cli = cli,
		           .dry = sled_cli_flag(cli, "yes") == NULL };
	struct sled_prune_conf conf = {
		.place = sled_cli_flag(cli, "place"),
		.dry = p.dry,
		.undo = sled_cli_flag(cli, "undo") != NULL,
	};

	if (age == NULL && !conf.undo) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "prune: --older-than AGE is needed");
		return sled_hint(err, "mailsled prune --help");
	}
	if (age != NULL && !take_age(age, &conf.before, err))
		return false;
	if (!sled_cli_conf(cli, err))
		return false;
	p.age = conf.undo ? NULL : age;
	name_place(&p);
	if (!sled_cli_store(cli, SLED_STORE_WRITE, err) ||
	    !sled_store_prune(cli->store, &conf, on_volume, &p, err))
		return false;
	if (!cli->quiet && !cli->json)
		print_sum(&p);
	return tell_kept(&p, err) && sled_cli_whole(cli, err);
}

static int
run(struct sled_cli *cli)
{
	struct sled_err err = { 0 };

	return prune(cli, &err) ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "older-than", "AGE", "volumes of the months before: 2y, 18m, 90d" },
	{ "place", "DIR", "the place, as configured; the first one without" },
	{ "yes", NULL, "do it; without, it is only shown" },
	{ "undo", NULL, "let `sync` bring back what was removed" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_prune = {
	.name = "prune",
	.args = "",
	.about = "take old archives out of one place, where others hold them",
	.more = "Only sealed volumes, and only those that as many other "
		"places as `min-copies`\nasks for hold: each is read whole "
		"there first. Nothing does this of itself.\nThe mail stays "
		"in list and show, read from the other places.\n",
	.examples = "  mailsled prune --older-than 2y\n"
		    "  mailsled prune --older-than 2y --yes\n"
		    "  mailsled prune --undo\n",
	.flags = flags,
	.run = run,
};
