/* cmd_held.c - `mailsled held`: large mail that waits on the server. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/held.h"
#include "mailsled/clock.h"

/* What was set aside of the account at hand. */
struct asides {
	struct sled_aside_row *list;
	size_t len;
};

struct list {
	struct sled_cli *cli;
	unsigned columns;
	const struct sled_conf_account *account; /* the one at hand */
	struct sled_maildrop maildrop;
	struct sled_cli_way way;
	struct asides asides;
	char (*ids)[SLED_HELD_ID]; /* these only; all when there are none */
	size_t ids_len;
	bool any_account, headed;
	uint64_t count, bytes;
};

static const char *
decision_of(const struct sled_held_row *row)
{
	switch (row->decision) {
	case SLED_DECIDE_WANT:
		return "want";
	case SLED_DECIDE_DROP:
		return "drop";
	case SLED_DECIDE_NONE:
	default:
		return NULL;
	}
}

/* ---- set aside ---- */

static bool
take_aside(void *ctx, const struct sled_aside_row *row, struct sled_err *err)
{
	struct asides *asides = ctx;
	struct sled_aside_row *more =
	    reallocarray(asides->list, asides->len + 1, sizeof(*more));

	if (more == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "held mail");
	asides->list = more;
	asides->list[asides->len++] = *row;
	return true;
}

/* NULL: the policy holds it, and nothing else. */
static const struct sled_aside_row *
aside_of(const struct list *list, const struct sled_held_row *row)
{
	for (size_t i = 0; i < list->asides.len; i++)
		if (list->asides.list[i].size == row->size &&
		    strcmp(list->asides.list[i].uid, row->uid) == 0)
			return &list->asides.list[i];
	return NULL;
}

/* ---- for programs ---- */

static void
add_time(struct sled_json *json, const char *key, int64_t when)
{
	char text[SLED_TIME_TEXT];

	sled_clock_rfc3339(when, text);
	sled_json_text(json, key, when == 0 ? NULL : text);
}

static void
add_head(struct sled_json *json, const struct sled_held_row *row)
{
	const struct {
		const char *key;
		struct sled_span text;
	} head[] = {
		{ "from", row->from },
		{ "subject", row->subject },
		{ "date", row->date },
	};

	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		if (head[i].text.len == 0)
			sled_json_null(json, head[i].key);
		else
			sled_json_span(json, head[i].key, head[i].text);
}

static void
add_cost(struct sled_json *json, const struct sled_cli_way *way, uint64_t size)
{
	int64_t ms = sled_cli_way_ms(way, size);
	int64_t money = sled_cli_way_money(way, size);

	if (ms < 0)
		sled_json_null(json, "seconds");
	else
		sled_json_real(json, "seconds", (double)ms / 1000);
	if (money < 0) {
		sled_json_null(json, "cost");
		sled_json_null(json, "currency");
		return;
	}
	sled_json_real(json, "cost", (double)money / 1000000);
	sled_json_text(json, "currency", way->link->currency);
}

static bool
print_json(const struct list *list, const struct sled_held_row *row,
           struct sled_err *err)
{
	const struct sled_aside_row *aside = aside_of(list, row);
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "id", row->id);
	sled_json_text(json, "account", list->account->name);
	sled_json_text(json, "uidl", row->uid);
	sled_json_u64(json, "size", row->size);
	add_head(json, row);
	add_time(json, "first_seen", row->first_seen);
	add_time(json, "expires",
	         sled_cli_expires(&list->maildrop, row->first_seen));
	sled_json_text(json, "decision", decision_of(row));
	add_time(json, "decided",
	         row->decision == SLED_DECIDE_NONE ? 0 : row->decided);
	sled_json_text(json, "lapsed",
	               row->lapsed[0] == '\0' ? NULL : row->lapsed);
	add_cost(json, &list->way, row->size);
	sled_json_bool(json, "previewed", row->previewed);
	sled_json_text(json, "aside", aside == NULL ? NULL : aside->why);
	add_time(json, "again",
	         aside == NULL || aside->again == SLED_ASIDE_WANTED
	             ? 0
	             : aside->again);
	return sled_json_print(&json, stdout, err);
}

/* ---- for people ---- */

static void
print_cost(const struct list *list, const struct sled_held_row *row)
{
	int64_t ms = sled_cli_way_ms(&list->way, row->size);
	int64_t money = sled_cli_way_money(&list->way, row->size);
	char size[SLED_CLI_WORD], span[SLED_CLI_WORD];

	sled_cli_bytes(size, row->size);
	(void)printf("  %s  %s", row->id, size);
	if (ms >= 0) {
		sled_cli_span(span, ms);
		(void)printf(", %s", span);
	}
	if (money >= 0)
		(void)printf(", %" PRId64 ".%02" PRId64 " %s", money / 1000000,
		             money % 1000000 / 10000, list->way.link->currency);
	(void)printf("\n");
}

static void
print_state(const struct list *list, const struct sled_held_row *row)
{
	int64_t expires = sled_cli_expires(&list->maildrop, row->first_seen);
	const struct sled_aside_row *aside = aside_of(list, row);
	char when[SLED_CLI_WORD];

	if (aside != NULL && aside->again == SLED_ASIDE_WANTED) {
		(void)printf("    set aside %s; asked for again by `mailsled "
		             "want %s`\n",
		             aside->why, row->id);
	} else if (aside != NULL) {
		sled_cli_time(when, aside->again);
		(void)printf("    set aside %s; asked for again from %s on\n",
		             aside->why, when);
	}
	if (row->decision == SLED_DECIDE_WANT)
		(void)printf("    wanted    the next visit fetches it\n");
	if (row->decision == SLED_DECIDE_DROP)
		(void)printf(
		    "    dropped   the next visit deletes it unread\n");
	if (row->lapsed[0] != '\0')
		(void)printf("    lapsed    %s\n", row->lapsed);
	if (expires == 0)
		return;
	sled_cli_time(when, expires);
	(void)printf("    expires   the server deletes it on %.10s\n", when);
}

/* The first lines of the body, each made printable. */
static bool
print_lines(const struct list *list, struct sled_span text,
            struct sled_err *err)
{
	while (text.len > 0) {
		const char *lf = memchr(text.data, '\n', text.len);
		size_t len = lf == NULL ? text.len : (size_t)(lf - text.data);
		size_t shown =
		    len > 0 && text.data[len - 1] == '\r' ? len - 1 : len;

		if (shown == 0)
			(void)printf("\n");
		if (!sled_cli_held_field("",
		                         (struct sled_span){ text.data, shown },
		                         list->columns, err))
			return false;
		len += lf != NULL;
		text.data += len;
		text.len -= len;
	}
	return true;
}

static bool
print_row(struct list *list, const struct sled_held_row *row,
          struct sled_err *err)
{
	if (!list->headed)
		(void)printf("%s\n", list->account->name);
	list->headed = true;
	print_cost(list, row);
	if (!sled_cli_held_field("from", row->from, list->columns, err) ||
	    !sled_cli_held_field("subject", row->subject, list->columns, err) ||
	    !sled_cli_held_field("date", row->date, list->columns, err))
		return false;
	print_state(list, row);
	return list->ids_len == 0 || print_lines(list, row->text, err);
}

/* ---- which ---- */

static bool
is_asked(const struct list *list, const struct sled_held_row *row)
{
	for (size_t i = 0; i < list->ids_len; i++)
		if (strcmp(list->ids[i], row->id) == 0)
			return true;
	return list->ids_len == 0;
}

static bool
show_row(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	struct list *list = ctx;

	if (!is_asked(list, row))
		return true;
	list->count++;
	list->bytes += row->size;
	return list->cli->json ? print_json(list, row, err)
	                       : print_row(list, row, err);
}

static bool
is_account(const struct list *list, const char *name)
{
	for (unsigned i = 0; i < list->cli->args_len; i++)
		if (strcmp(list->cli->args[i], name) == 0)
			return true;
	return !list->any_account;
}

static bool
show_rows(struct list *list, struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(list->cli->store);

	free(list->asides.list);
	list->asides = (struct asides){ NULL, 0 };
	return sled_cli_way(list->cli, &list->maildrop,
	                    sled_cli_flag(list->cli, "link"), &list->way,
	                    err) &&
	       sled_ledger_asides(ledger, list->maildrop.id, take_aside,
	                          &list->asides, err) &&
	       sled_ledger_held(ledger, list->maildrop.id, NULL, show_row, list,
	                        err);
}

static bool
show_account(struct list *list, const struct sled_conf_account *account,
             struct sled_err *err)
{
	bool found = false;

	list->account = account;
	list->headed = false;
	if (!is_account(list, account->name))
		return true;
	if (!sled_cli_maildrop(list->cli, account, &list->maildrop, &found,
	                       err))
		return false;
	return !found || show_rows(list, err);
}

/* Accounts and ids may stand together: what both name is shown. */
static bool
read_args(struct list *list, struct sled_err *err)
{
	struct sled_cli *cli = list->cli;

	for (unsigned i = 0; i < cli->args_len; i++) {
		bool account =
		    sled_conf_account(cli->conf, cli->args[i]) != NULL;

		if (!account && sled_cli_is_held_id(cli->args[i])) {
			if (!sled_cli_held_id(cli, cli->args[i],
			                      list->ids[list->ids_len++], err))
				return false;
			continue;
		}
		if (!sled_cli_known(cli, cli->args[i], err))
			return false;
		list->any_account = true;
	}
	return true;
}

static bool
list_held(struct list *list, struct sled_err *err)
{
	struct sled_cli *cli = list->cli;
	char bytes[SLED_CLI_WORD];

	if (!sled_cli_store(cli, SLED_STORE_READ, err) || !read_args(list, err))
		return false;
	for (size_t i = 0; i < cli->conf->accounts_len; i++)
		if (!show_account(list, &cli->conf->accounts[i], err))
			return false;
	if (cli->json || cli->quiet)
		return true;
	sled_cli_bytes(bytes, list->bytes);
	if (list->count == 0)
		(void)printf("nothing is held\n");
	else if (list->ids_len == 0)
		(void)printf("%" PRIu64 " held, %s\n", list->count, bytes);
	return true;
}

static int
run(struct sled_cli *cli)
{
	struct list list = { .cli = cli,
		             .columns = sled_cli_columns(STDOUT_FILENO) };
	struct sled_err err = { 0 };
	bool ok;

	list.ids = calloc(cli->args_len + 1, sizeof(*list.ids));
	ok = list.ids == NULL ? sled_fail(&err, SLED_ERR_NOMEM, "held mail")
	                      : list_held(&list, &err);
	free(list.ids);
	free(list.asides.list);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "link", "NAME", "time and cost on this [link], not the present one" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_held = {
	.name = "held",
	.args = "[ACCOUNT...] [ID...]",
	.about = "large mail that was left on the server, and what it costs",
	.more = "Mail over `hold-larger`, or over what any window of the link "
		"can carry, stays on\nthe server until `mailsled want ID` or "
		"`mailsled drop ID`. Its size is shown, its\nhead where that "
		"is cheap to get, and the time and money that it takes; for "
		"an ID\nits first lines too. No connection is made.\n",
	.examples = "  mailsled held\n"
		    "  mailsled held h3f9a1c\n"
		    "  mailsled --json held | jq -r .subject\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
