/* cmd_list.c - `mailsled list`: what is in the archive, newest first. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/clock.h"

/* One account, and since when its mail is shown. */
struct wanted {
	char label[25];
	int64_t since;
};

struct list {
	struct sled_cli *cli;
	struct wanted *wanted; /* none: all mail of all accounts */
	size_t len, cap;
	struct sled_cli_screen screen;
	bool only_new;
};

static bool
want(struct list *list, const char *label, struct sled_err *err)
{
	size_t cap = list->cap == 0 ? 8 : list->cap * 2;
	struct wanted *more;

	for (size_t i = 0; i < list->len; i++)
		if (strcmp(list->wanted[i].label, label) == 0)
			return true;
	if (list->len == list->cap) {
		more = reallocarray(list->wanted, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "accounts");
		list->wanted = more;
		list->cap = cap;
	}
	list->wanted[list->len] = (struct wanted){ "", INT64_MIN };
	(void)snprintf(list->wanted[list->len].label, 25, "%s", label);
	list->len++;
	return true;
}

static bool
want_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	return want(ctx, row->label, err);
}

/* The accounts asked for, or with --new all that have mail. */
static bool
choose(struct list *list, struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(list->cli->store);
	struct sled_visit_row visit = { .id = 0 };
	int64_t now = sled_clock_now();

	for (unsigned i = 0; i < list->cli->args_len; i++)
		if (!sled_cli_known(list->cli, list->cli->args[i], err) ||
		    !want(list, list->cli->args[i], err))
			return false;
	if (!list->only_new)
		return true;
	if (list->len == 0 &&
	    !sled_ledger_volumes(ledger, NULL, want_volume, list, err))
		return false;
	for (size_t i = 0; i < list->len; i++) {
		if (!sled_cli_last_visit(ledger, list->wanted[i].label, now,
		                         &visit, err))
			return false;
		if (visit.id != 0)
			list->wanted[i].since = visit.began;
	}
	return true;
}

static bool
is_wanted(const struct list *list, const struct sled_message *message)
{
	for (size_t i = 0; i < list->len; i++)
		if (strcmp(list->wanted[i].label, message->label) == 0)
			return message->received >= list->wanted[i].since;
	return list->len == 0 && !list->only_new;
}

static bool
print_message(void *ctx, const struct sled_message *message,
              struct sled_err *err)
{
	struct list *list = ctx;

	return !is_wanted(list, message) ||
	       sled_cli_print_message(list->cli, &list->screen, message, err);
}

static bool
list_mail(struct list *list, struct sled_err *err)
{
	struct sled_message_query query = { 0 };

	if (!sled_cli_store(list->cli, SLED_STORE_READ, err) ||
	    !choose(list, err))
		return false;
	list->screen = sled_cli_page(list->cli);
	if (list->len == 1)
		query.label = list->wanted[0].label;
	if (list->only_new && list->len == 1 &&
	    list->wanted[0].since != INT64_MIN)
		query.since = list->wanted[0].since;
	return sled_ledger_messages(sled_store_ledger(list->cli->store), &query,
	                            print_message, list, err);
}

static int
run(struct sled_cli *cli)
{
	struct list list = { .cli = cli,
		             .only_new = sled_cli_flag(cli, "new") != NULL };
	struct sled_err err = { 0 };
	bool ok = list_mail(&list, &err);

	sled_cli_page_end();
	free(list.wanted);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "new", NULL, "only what came since the last visit began" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_list = {
	.name = "list",
	.args = "[ACCOUNT...]",
	.about = "the mail in the archive, newest first",
	.more = "Each line has the message's id, when it was received, its "
		"sender and subject.\n`mailsled show ID` takes the id.\n",
	.examples = "  mailsled list\n"
		    "  mailsled list --new home\n"
		    "  mailsled --json list | jq -r .subject\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.side = SLED_CLI_READER,
	.run = run,
};
