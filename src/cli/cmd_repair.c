/* cmd_repair.c - `mailsled repair`: damaged archives made whole. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/clock.h"
#include "mailsled/hash.h"
#include "mailsled/text.h"

struct repair {
	struct sled_cli *cli;
	bool dry;
	unsigned percent;
	struct sled_json *row; /* of the volume at hand, or NULL */
	struct sled_err err;   /* of the printing */
	bool told;             /* the sums were */
};

static void
show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct repair *p = ctx;
	unsigned percent =
	    total == 0 ? 100 : (unsigned)((double)done * 100 / (double)total);
	char text[64];

	if (percent == p->percent)
		return;
	p->percent = percent;
	(void)snprintf(text, sizeof(text), "repair: %u %% read", percent);
	sled_cli_live(p->cli, text);
}

/* ---- a message that is lost ---- */

/* The row of the volume that the next call of on_volume() is about. */
static bool
begin_row(struct repair *p)
{
	return p->row != NULL || sled_json_new(&p->row, &p->err);
}

static void
lost_json(struct repair *p, const struct sled_message *message, bool wanted)
{
	char hex[SLED_HASH_HEX], when[SLED_TIME_TEXT];
	struct sled_json *json = NULL;

	if (!begin_row(p) || !sled_json_new(&json, &p->err))
		return;
	sled_hash_hex(hex, &message->sha256);
	sled_clock_rfc3339(message->received, when);
	sled_json_text(json, "account", message->label);
	sled_json_u64(json, "number", message->number);
	sled_json_text(json, "uidl", message->uid);
	sled_json_text(json, "sha256", hex);
	sled_json_u64(json, "size", message->octets);
	sled_json_text(json, "received", when);
	sled_json_span(json, "date", message->date);
	sled_json_span(json, "from", message->from);
	sled_json_span(json, "subject", message->subject);
	sled_json_bool(json, "wanted", wanted);
	sled_json_add(p->row, "lost", &json);
}

static void
on_lost(void *ctx, const struct sled_message *message, bool wanted)
{
	struct repair *p = ctx;
	char from[80], date[64], uid[80], when[SLED_CLI_WORD];

	if (p->cli->json) {
		lost_json(p, message, wanted);
		return;
	}
	sled_cli_live(p->cli, "");
	sled_text_clip(from, sizeof(from), message->from);
	sled_text_clip(date, sizeof(date), message->date);
	sled_text_clip(
	    uid, sizeof(uid),
	    (struct sled_span){ message->uid, strlen(message->uid) });
	sled_cli_time(when, message->received);
	(void)printf("  lost: %s/%" PRIu64 "  %s  %s\n"
	             "        unique-id %s, received %s, %" PRIu64 " bytes%s\n",
	             message->label, message->number,
	             date[0] == '\0' ? "no date" : date,
	             from[0] == '\0' ? "no sender" : from,
	             uid[0] == '\0' ? "none" : uid, when, message->octets,
	             wanted ? "; the next visit fetches it, if it is still "
	                      "on the server"
	                    : "; gone from the server");
}

/* ---- a volume ---- */

static const char *const outcomes[] = {
	[SLED_REPAIR_WHOLE] = "whole",
	[SLED_REPAIR_MENDED] = "mended",
	[SLED_REPAIR_REVISED] = "revised",
	[SLED_REPAIR_FAILED] = "failed",
};

static void
volume_json(struct repair *p, const struct sled_repaired *volume)
{
	char name[64];

	if (!begin_row(p))
		return;
	(void)snprintf(name, sizeof(name), "%s/%s", volume->label,
	               volume->name);
	sled_json_text(p->row, "volume", name);
	sled_json_text(p->row, "file", volume->file);
	sled_json_text(p->row, "outcome", outcomes[volume->outcome]);
	sled_json_bool(p->row, "dry_run", p->dry);
	sled_json_u64(p->row, "members", volume->members);
	sled_json_u64(p->row, "damaged", volume->damaged);
	sled_json_u64(p->row, "places", volume->places);
	sled_json_u64(p->row, "beside", volume->beside);
	sled_json_u64(p->row, "mixed", volume->mixed);
	sled_json_u64(p->row, "far", volume->far);
	sled_json_u64(p->row, "parity", volume->parity);
	sled_json_u64(p->row, "rebuilt", volume->rebuilt);
	sled_json_u64(p->row, "messages_saved", volume->saved);
	sled_json_u64(p->row, "messages_lost", volume->lost);
	sled_json_add(p->row, "lost", NULL);
	if (volume->why != NULL)
		sled_json_text(p->row, "error", volume->why);
	(void)!sled_json_print(&p->row, stdout, &p->err);
}

static void
print_how(const struct sled_repaired *volume)
{
	if (volume->beside > 0)
		(void)printf("  parity did not hold in %" PRIu64
		             " places; it is renewed\n",
		             volume->beside);
	if (volume->mixed > 0)
		(void)printf("  %" PRIu64 " members put together from several "
		             "files\n",
		             volume->mixed);
	if (volume->far > 0)
		(void)printf("  %" PRIu64 " members from far places\n",
		             volume->far);
	if (volume->parity > 0)
		(void)printf("  %" PRIu64 " members by parity\n",
		             volume->parity);
	if (volume->rebuilt > 0)
		(void)printf("  %" PRIu64 " members hold nowhere: %" PRIu64
		             " messages of them saved, %" PRIu64 " lost\n",
		             volume->rebuilt, volume->saved, volume->lost);
}

static void
print_damage(const struct sled_repaired *volume)
{
	(void)printf("%" PRIu64 " damaged member%s", volume->damaged,
	             volume->damaged == 1 ? "" : "s");
}

static void
print_outcome(const struct repair *p, const struct sled_repaired *volume)
{
	switch (volume->outcome) {
	case SLED_REPAIR_WHOLE:
		(void)printf("whole\n");
		return;
	case SLED_REPAIR_MENDED:
		print_damage(volume);
		(void)printf(", %s as %s\n",
		             p->dry ? "can all be mended" : "mended",
		             volume->file);
		return;
	case SLED_REPAIR_REVISED:
		print_damage(volume);
		(void)printf("; %s%s\n",
		             p->dry ? "something would be lost"
		                    : "what is left is ",
		             p->dry ? "" : volume->file);
		return;
	case SLED_REPAIR_FAILED:
	default:
		(void)printf("not repaired: %s\n",
		             volume->why == NULL ? "?" : volume->why);
		return;
	}
}

static void
print_volume(const struct repair *p, const struct sled_repaired *volume)
{
	(void)printf("%s/%s: ", volume->label, volume->name);
	print_outcome(p, volume);
	print_how(volume);
	if (p->dry && volume->rebuilt > 0 &&
	    (volume->has_parity || volume->has_far))
		(void)printf("  %s may still have it: --dry-run does not try\n",
		             volume->has_parity ? "parity" : "a far place");
}

static void
on_volume(void *ctx, const struct sled_repaired *volume)
{
	struct repair *p = ctx;

	sled_cli_live(p->cli, "");
	p->percent = 101;
	if (p->cli->json)
		volume_json(p, volume);
	else if (!p->cli->quiet || volume->outcome != SLED_REPAIR_WHOLE)
		print_volume(p, volume);
}

/* ---- the command ---- */

static void
print_sums_text(const struct repair *p, const struct sled_repair_report *report)
{
	uint64_t octets = sled_store_lost(p->cli->store);

	if (p->cli->quiet)
		return;
	(void)printf("%" PRIu64 " volumes read: %" PRIu64 " %s, %" PRIu64
	             " %s, %" PRIu64 " failed; %" PRIu64 " messages lost\n",
	             report->volumes, report->mended,
	             p->dry ? "could be mended" : "mended", report->revised,
	             p->dry ? "would lose mail" : "made anew with what is left",
	             report->failed, report->lost);
	if (octets > 0)
		(void)printf("and %" PRIu64 " bytes whose messages only the "
		             "ledger could have named\n",
		             octets);
}

static bool
print_sums(struct repair *p, const struct sled_repair_report *report,
           struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!p->cli->json) {
		print_sums_text(p, report);
		return true;
	}
	if (!sled_json_new(&json, err))
		return false;
	sled_json_u64(json, "volumes", report->volumes);
	sled_json_u64(json, "mended", report->mended);
	sled_json_u64(json, "revised", report->revised);
	sled_json_u64(json, "failed", report->failed);
	sled_json_u64(json, "messages_lost", report->lost);
	sled_json_u64(json, "messages_wanted", report->wanted);
	sled_json_u64(json, "octets_lost", sled_store_lost(p->cli->store));
	sled_json_bool(json, "dry_run", p->dry);
	return sled_json_print(&json, stdout, err);
}

static bool
judge(const struct repair *p, const struct sled_repair_report *report,
      struct sled_err *err)
{
	uint64_t lost = report->revised + report->failed;

	if (p->err.kind != SLED_ERR_NONE) {
		*err = p->err;
		return false;
	}
	if (lost == 0 && (!p->dry || report->mended == 0))
		return sled_cli_whole(p->cli, err);
	if (lost == 0) {
		(void)sled_fail(err, SLED_ERR_DAMAGED,
		                "archives that are damaged: %" PRIu64,
		                report->mended);
		return sled_hint(err, "mailsled repair");
	}
	(void)sled_fail(err, SLED_ERR_DAMAGED,
	                "archives that are not what they were: %" PRIu64
	                "; messages that are %s: %" PRIu64,
	                lost, p->dry ? "in no place that is there" : "lost",
	                report->lost);
	return sled_hint(err, "plug in other places that may have them, and "
	                      "repair again");
}

static bool
repair(struct repair *p, struct sled_err *err)
{
	struct sled_cli *cli = p->cli;
	const struct sled_repair_conf conf = { cli->args, cli->args_len,
		                               p->dry };
	const struct sled_repair_reader reader = { p, on_volume, on_lost,
		                                   show_progress };
	struct sled_repair_report report = { 0 };
	struct sled_err second = { 0 };
	bool ok;

	if (!sled_cli_conf(cli, err))
		return false;
	sled_cli_live(cli, "looking at the places ...");
	if (!sled_cli_store(cli, p->dry ? SLED_STORE_READ : SLED_STORE_REPAIR,
	                    err))
		return false;
	ok = sled_store_repair(cli->store, &conf, &reader, &report, err);
	sled_cli_live(cli, "");
	if ((ok || report.volumes > 0) &&
	    !print_sums(p, &report, ok ? err : &second))
		return false;
	p->told = ok;
	return ok && judge(p, &report, err);
}

static int
run(struct sled_cli *cli)
{
	struct repair p = { .cli = cli,
		            .dry = sled_cli_flag(cli, "dry-run") != NULL,
		            .percent = 101 };
	struct sled_err err = { 0 };
	bool ok = repair(&p, &err);

	sled_json_free(&p.row);
	if (!ok && p.told) { /* on stdout the sums are the last line */
		sled_cli_complain(cli, &err);
		return sled_err_exit(err.kind);
	}
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "dry-run", NULL, "say what could be mended; change nothing" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_repair = {
	.name = "repair",
	.args = "[VOLUME...]",
	.about = "make damaged archives whole, from all that is left of them",
	.more = "Every byte in every place that is there is read. A volume "
		"with damage is made anew\nfrom the members that hold "
		"somewhere, from parity where par2 is installed, and from\n"
		"single messages; it is proved, then takes the place of the "
		"damaged file, which is\nkept in .mailsled/quarantine. What "
		"cannot be saved is named; the volume is\nNAME.r1.tar.gz then, "
		"and the exit status 65. A damaged ledger is made anew.\n",
	.examples = "  mailsled repair\n"
		    "  mailsled repair --dry-run\n"
		    "  mailsled repair home/2026-11-001\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
