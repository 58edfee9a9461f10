/* far.c - when copies may go to far places, and what came of it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/link.h"
#include "mailsled/loop.h"
#include "mailsled/text.h"

static bool
is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (*list != '\0') {
		size_t item = strcspn(list, ",");

		if (item == len && strncmp(list, name, len) == 0)
			return true;
		list += item + (list[item] == ',');
	}
	return false;
}

/* Nothing is known of the way to a far place but by where the default route
 * leads now. LISTED: the interfaces that the scheduler found free, or NULL. */
void
sled_cli_far_policy(struct sled_cli *cli, const char *listed,
                    struct sled_cli_far *out)
{
	struct sled_link link = { .name = "" };

	if (sled_route_to("", "", link.name) && listed != NULL) {
		if (!is_listed(listed, link.name))
			(void)snprintf(out->forbidden, sizeof(out->forbidden),
			               "nothing is sent by %s: its [link] has "
			               "a price or a budget; `far = yes` there "
			               "lets copies pass",
			               link.name);
		return;
	}
	sled_cli_far_by(sled_link_profile(cli->conf,
	                                  link.name[0] == '\0' ? NULL : &link,
	                                  NULL),
	                out);
}

void
sled_cli_far_by(const struct sled_conf_link *link, struct sled_cli_far *out)
{
	char name[64];

	if (sled_conf_link_far(link, false))
		return;
	sled_text_clip(name, sizeof(name),
	               (struct sled_span){ link->name, strlen(link->name) });
	(void)snprintf(out->forbidden, sizeof(out->forbidden),
	               link->far == SLED_CONF_FAR_NO
	                   ? "[link %s] has far = no"
	                   : "nothing is sent by [link %s], which has a price "
	                     "or a budget; `far = yes` there lets copies pass",
	               name);
}

static bool
has_far(const struct sled_cli *cli)
{
	const struct sled_conf_store *store = &cli->conf->store;

	for (size_t i = 0; i < store->copies_len; i++)
		if (store->copies[i].rclone)
			return true;
	return false;
}

bool
sled_cli_far(struct sled_cli *cli, struct sled_cli_far *far,
             struct sled_err *err)
{
	const struct sled_far_run run = {
		.ms = far->ms,
		.forbidden = far->forbidden[0] == '\0' ? NULL : far->forbidden,
		.adopt = far->adopt,
	};
	char bytes[SLED_CLI_WORD];
	bool ok;

	far->sent = (struct sled_far_sent){ .whole = true };
	if (!has_far(cli))
		return true;
	sled_cli_live(cli, "sending to far places, and checking there ...");
	ok = sled_store_far(cli->store, &run, &far->sent, err);
	sled_cli_live(cli, "");
	if (!ok || cli->json || cli->quiet || far->sent.files == 0)
		return ok;
	sled_cli_bytes(bytes, far->sent.octets);
	(void)printf("far: %" PRIu64 " file%s (%s) sent and checked there\n",
	             far->sent.files, far->sent.files == 1 ? "" : "s", bytes);
	return true;
}
