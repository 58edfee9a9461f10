/* content.c - whose text is not the one that was signed: `verify --content`. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/hash.h"
#include "mailsled/text.h"

#define FROM_WIDTH 28 /* columns of the sender, as in `list` */

struct content {
	struct sled_cli *cli;
	const struct sled_content *now;
};

static bool
print_json(const struct content *c, const struct sled_message *message,
           struct sled_err *err)
{
	struct sled_message now = *message;
	struct sled_json *json = NULL;

	/* As it is found: the row may be older than this hash. */
	now.flags &=
	    ~(unsigned)(SLED_MESSAGE_BODY_HOLDS | SLED_MESSAGE_BODY_UNKNOWN);
	now.flags |= SLED_MESSAGE_BODY_OTHER;
	if (!sled_json_new(&json, err))
		return false;
	if (!sled_cli_message_json(c->cli, &now, json, err)) {
		sled_json_free(&json);
		return false;
	}
	sled_json_text(json, "signed_by", c->now->domain);
	return sled_json_print(&json, stdout, err);
}

static bool
print_text(const struct content *c, const struct sled_message *message,
           struct sled_err *err)
{
	char id[SLED_HASH_HEX], when[SLED_CLI_WORD];
	struct sled_buf from = { 0 }, line = { 0 };
	bool ok = sled_cli_id(sled_store_ledger(c->cli->store),
	                      &message->sha256, id, err) &&
	          sled_text_printable(&from, message->from, err) &&
	          sled_cli_fit(&line, from.data == NULL ? "" : from.data,
	                       FROM_WIDTH, true, err);

	sled_cli_time(when, message->received);
	if (ok)
		(void)printf("%s  %s  %s  not as signed by %s\n", id, when,
		             line.data, c->now->domain);
	sled_buf_free(&from);
	sled_buf_free(&line);
	return ok;
}

static bool
print_row(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	const struct content *c = ctx;

	if (!sled_hash_equal(&message->sha256, &c->now->sha256))
		return true;
	return c->cli->json ? print_json(c, message, err)
	                    : print_text(c, message, err);
}

static bool
take_message(void *ctx, const struct sled_content *message,
             struct sled_err *err)
{
	struct content *c = ctx;

	if (message->outcome != SLED_BODYHASH_OTHER)
		return true;
	c->now = message;
	sled_cli_live(c->cli, "");
	return sled_ledger_by_number(sled_store_ledger(c->cli->store),
	                             message->label, message->number, print_row,
	                             c, err);
}

bool
sled_cli_content(struct sled_cli *cli, sled_verify_fn *fault, void *ctx,
                 struct sled_content_report *out, struct sled_err *err)
{
	struct content content = { cli, NULL };
	const struct sled_content_reader reader = { &content, take_message,
		                                    fault, ctx };
	bool ok = sled_store_content(cli->store, &reader, out, err);

	sled_cli_live(cli, "");
	return ok;
}

bool
sled_cli_content_sums(struct sled_cli *cli,
                      const struct sled_content_report *report,
                      struct sled_err *err)
{
	const uint64_t *n = report->messages;
	struct sled_json *json = NULL;

	if (cli->json) {
		if (!sled_json_new(&json, err))
			return false;
		sled_json_bool(json, "content", true);
		sled_json_u64(json, "holds", n[SLED_BODYHASH_HOLDS]);
		sled_json_u64(json, "other", n[SLED_BODYHASH_OTHER]);
		sled_json_u64(json, "unknown", n[SLED_BODYHASH_UNKNOWN]);
		sled_json_u64(json, "none", n[SLED_BODYHASH_NONE]);
		sled_json_u64(json, "damaged", report->damaged);
		sled_json_u64(json, "unread_members", report->unread);
		return sled_json_print(&json, stdout, err);
	}
	if (!cli->quiet)
		(void)printf("content: %" PRIu64 " as signed, %" PRIu64
		             " not, %" PRIu64 " cannot be judged, %" PRIu64
		             " without a DKIM-Signature\n",
		             n[SLED_BODYHASH_HOLDS], n[SLED_BODYHASH_OTHER],
		             n[SLED_BODYHASH_UNKNOWN], n[SLED_BODYHASH_NONE]);
	return true;
}
