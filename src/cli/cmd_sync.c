/* cmd_sync.c - `mailsled sync`: every place brought up to the first one. */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "mailsled/text.h"

/* DIR as the configuration writes it: absolute and tidy. */
static bool
make_absolute(struct sled_cli *cli, const char *dir, struct sled_buf *out,
              struct sled_err *err)
{
	char here[4096];
	struct sled_buf joined = { 0 };
	bool ok;

	if (strncmp(dir, "rclone:", 7) == 0)
		return sled_buf_addstr(out, dir, err);
	if (dir[0] == '/' || dir[0] == '~' || dir[0] == '$')
		return sled_conf_expand(out, dir, &cli->env, err);
	if (getcwd(here, sizeof(here)) == NULL)
		return sled_fail(err, SLED_ERR_IO, "this folder has no path");
	ok = sled_buf_printf(&joined, err, "%s/%s", here, dir) &&
	     sled_conf_expand(out, joined.data, &cli->env, err);
	sled_buf_free(&joined);
	return ok;
}

static bool
check_adopted(struct sled_cli *cli, const char *dir,
              const struct sled_buf *absolute, struct sled_err *err)
{
	const char *path = absolute->data == NULL ? "" : absolute->data;
	const struct sled_conf_store *store = &cli->conf->store;
	char shown[256];

	if (strcmp(store->path, path) == 0)
		return true;
	for (size_t i = 0; i < store->copies_len; i++)
		if (strcmp(store->copies[i].name, path) == 0)
			return true;
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ dir, strlen(dir) });
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "--adopt %s: no place of the configuration", shown);
	return sled_hint(err, "write it behind `copies =` in [store] first");
}

static void
print_far(const struct sled_place_status *place, const char *lacks)
{
	if (place->lacks == 0 && place->why[0] == '\0')
		(void)printf("%s: whole, and checked there\n", place->path);
	else
		(void)printf("%s: lacks %s%s%s\n", place->path, lacks,
		             place->why[0] == '\0' ? "" : ": ", place->why);
}

static bool
print_places(struct sled_cli *cli, struct sled_err *err)
{
	for (size_t i = 0; i < sled_store_places(cli->store); i++) {
		struct sled_place_status place = { 0 };
		char lacks[SLED_CLI_WORD];

		if (!sled_store_place(cli->store, i, &place, err))
			return false;
		sled_cli_bytes(lacks, place.lacks);
		if (place.far)
			print_far(&place, lacks);
		else if (place.present && place.lacks == 0 &&
		         place.why[0] == '\0')
			(void)printf("%s: whole%s\n", place.path,
			             place.first ? "" : ", safe to unplug");
		else if (place.present)
			(void)printf("%s: lacks %s%s%s\n", place.path, lacks,
			             place.why[0] == '\0' ? "" : ": ",
			             place.why);
		else
			(void)printf("%s: absent, lacks %s: %s\n", place.path,
			             lacks, place.why);
	}
	return true;
}

static bool
print_result(struct sled_cli *cli, uint64_t octets, struct sled_err *err)
{
	struct sled_json *json = NULL;
	char bytes[SLED_CLI_WORD];

	if (cli->json) {
		if (!sled_json_new(&json, err))
			return false;
		sled_json_u64(json, "copied_bytes", octets);
		return sled_json_print(&json, stdout, err);
	}
	if (cli->quiet)
		return true;
	sled_cli_bytes(bytes, octets);
	(void)printf("copied %s\n", bytes);
	return print_places(cli, err);
}

static bool
sync_far(struct sled_cli *cli, const char *adopt, struct sled_err *err)
{
	struct sled_cli_far far = { .adopt = adopt };

	if (sled_cli_flag(cli, "dear") == NULL)
		sled_cli_far_policy(cli, NULL, &far);
	if (!sled_cli_far(cli, &far, err))
		return false;
	return far.sent.whole ||
	       sled_fail(err, SLED_ERR_PLACE, "a far place is not whole");
}

static bool
sync_places(struct sled_cli *cli, struct sled_buf *path, struct sled_err *err)
{
	const char *dir = sled_cli_flag(cli, "adopt");
	struct sled_err second = { 0 };
	uint64_t octets = 0;
	bool whole;

	if (!sled_cli_conf(cli, err))
		return false;
	if (dir != NULL && (!make_absolute(cli, dir, path, err) ||
	                    !check_adopted(cli, dir, path, err)))
		return false;
	cli->store_conf.adopt = dir == NULL ? NULL : path->data;
	sled_cli_live(cli, "copying ...");
	if (!sled_cli_store(cli, SLED_STORE_WRITE, err))
		return false;
	whole = sled_store_sync(cli->store, dir == NULL ? NULL : path->data,
	                        &octets, err);
	sled_cli_live(cli, "");
	if (!sync_far(cli, dir == NULL ? NULL : path->data,
	              whole ? err : &second))
		whole = false;
	second = (struct sled_err){ 0 };
	if (!print_result(cli, octets, whole ? err : &second))
		return false;
	return whole && sled_cli_whole(cli, err);
}

static int
run(struct sled_cli *cli)
{
	struct sled_buf path = { 0 };
	struct sled_err err = { 0 };
	bool ok = sync_places(cli, &path, &err);

	sled_buf_free(&path);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "adopt", "PLACE",
	  "mark PLACE, a configured one, as one of this store" },
	{ "dear", NULL, "send to far places on a dear link too" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_sync = {
	.name = "sync",
	.args = "",
	.about = "bring every place up to date with the first one",
	.more = "A place that was emptied is filled again. One that bears no "
		"mark is never written,\nso that a disk which is not plugged "
		"in does not fill the one below it: --adopt is\nhow it is let "
		"in, whatever it holds. What far places (rclone:) lack is sent "
		"and checked there,\nunless the link has a price or a budget: "
		"--dear all the same. Exit 73 when a place\nis still not "
		"whole, 65 when that is for damage.\n",
	.examples = "  mailsled sync\n"
		    "  mailsled sync --adopt /media/usb/mail\n"
		    "  mailsled sync --adopt rclone:box:mail\n",
	.flags = flags,
	.run = run,
};
