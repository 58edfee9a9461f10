/* cmd_verify.c - `mailsled verify`: is what was stored still there? */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/text.h"

#define NAMED 12 /* messages of one fault; all of them as JSON */

struct fault {
	const char *place; /* the store's */
	char volume[64];   /* "home/2026-11-001" */
	uint64_t at;
	bool member; /* that member alone; else all that lies from AT on */
	char text[300];
};

struct verify {
	struct sled_cli *cli;
	struct fault *faults;
	size_t len, cap;
	uint64_t done; /* grows with each member that was looked at */
	unsigned percent;
	bool no_memory;
};

/* What one fault costs. */
struct loss {
	struct sled_cli *cli;
	struct sled_ledger *ledger;
	const struct fault *fault;
	struct sled_cli_rows rows; /* ids of members */
	struct sled_json *json;    /* each message, below "touched" */
	struct sled_buf lines;     /* ... or a line each */
	uint64_t messages;
};

static void
print_progress(const struct verify *v)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	if (!sled_json_new(&json, &err))
		return;
	sled_json_text(json, "event", "verify");
	sled_json_u64(json, "percent", v->percent);
	sled_json_u64(json, "faults", v->len);
	if (sled_json_print(&json, stdout, &err))
		(void)fflush(stdout); /* who reads it waits for it */
}

static void
show_progress(struct verify *v, uint64_t done, uint64_t total)
{
	unsigned percent =
	    total == 0 ? 100 : (unsigned)((double)done * 100 / (double)total);
	char text[64];

	if (percent == v->percent)
		return;
	v->percent = percent;
	if (v->cli->json) {
		print_progress(v);
		return;
	}
	(void)snprintf(text, sizeof(text), "verify: %u %%, %zu faults", percent,
	               v->len);
	sled_cli_live(v->cli, text);
}

static struct fault *
add_fault(struct verify *v)
{
	size_t cap = v->cap == 0 ? 16 : v->cap * 2;
	struct fault *more;

	if (v->len < v->cap)
		return &v->faults[v->len++];
	more = reallocarray(v->faults, cap, sizeof(*more));
	if (more == NULL) {
		v->no_memory = true;
		return NULL;
	}
	v->faults = more;
	v->cap = cap;
	return &v->faults[v->len++];
}

/* Faults are named when all is read: the ledger is busy until then. */
/* NOLINTBEGIN(readability-function-size): the form is sled_verify_fn's */
static void
note(void *ctx, const char *place, const char *volume, uint64_t at,
     const char *fault, uint64_t done, uint64_t total)
{
	struct verify *v = ctx;
	struct fault *now = fault == NULL ? NULL : add_fault(v);

	if (now != NULL) {
		*now = (struct fault){ place, "", at, done != v->done, "" };
		(void)snprintf(now->volume, sizeof(now->volume), "%s", volume);
		sled_text_clip(now->text, sizeof(now->text),
		               (struct sled_span){ fault, strlen(fault) });
	}
	v->done = done;
	show_progress(v, done, total);
}

/* NOLINTEND(readability-function-size) */

/* ---- which messages a fault touches ---- */

static bool
take_member(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	struct loss *loss = ctx;
	bool hit = loss->fault->member
	               ? row->at == loss->fault->at
	               : row->at + row->length > loss->fault->at;

	return !hit || sled_cli_rows_add(&loss->rows, row->id, err);
}

static bool
name_json(struct loss *loss, const struct sled_message *message,
          struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	if (!sled_cli_message_json(loss->cli, message, json, err)) {
		sled_json_free(&json);
		return false;
	}
	sled_json_add(loss->json, "touched", &json);
	return true;
}

/* "  home/12  UNIQUE-ID  " and the line of `list`. */
static bool
name_line(struct loss *loss, const struct sled_message *message,
          struct sled_err *err)
{
	return loss->messages > NAMED ||
	       (sled_buf_printf(&loss->lines, err, "  %s/%" PRIu64 "  %s  ",
	                        message->label, message->number,
	                        message->uid[0] == '\0' ? "-" : message->uid) &&
	        sled_cli_message_line(loss->cli, message, 0, &loss->lines,
	                              err) &&
	        sled_buf_addstr(&loss->lines, "\n", err));
}

static bool
take_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct loss *loss = ctx;
	size_t i = 0;

	while (i < loss->rows.len && loss->rows.ids[i] != message->member)
		i++;
	if (i == loss->rows.len)
		return true;
	loss->messages++;
	return loss->json != NULL ? name_json(loss, message, err)
	                          : name_line(loss, message, err);
}

static bool
take_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct loss *loss = ctx;
	struct sled_message_query query = { .volume = row->id };
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/%s", row->label, row->name);
	if (strcmp(name, loss->fault->volume) != 0)
		return true;
	return sled_ledger_members(loss->ledger, row->id, 0, take_member, loss,
	                           err) &&
	       sled_ledger_messages(loss->ledger, &query, take_message, loss,
	                            err);
}

static bool
begin_json(struct loss *loss, struct sled_err *err)
{
	const struct fault *fault = loss->fault;

	if (!sled_json_new(&loss->json, err))
		return false;
	sled_json_text(loss->json, "fault", fault->text);
	sled_json_text(loss->json, "place", fault->place);
	sled_json_text(loss->json, "volume", fault->volume);
	sled_json_u64(loss->json, "at", fault->at);
	return true;
}

static void
print_text(const struct loss *loss)
{
	const struct fault *fault = loss->fault;
	char place[256];

	sled_text_clip(
	    place, sizeof(place),
	    (struct sled_span){ fault->place, strlen(fault->place) });
	(void)printf("%s: %s at %" PRIu64 ": %s\n%s", place, fault->volume,
	             fault->at, fault->text,
	             loss->lines.data == NULL ? "" : loss->lines.data);
	if (loss->messages > NAMED)
		(void)printf("  and %" PRIu64 " more (--json has them all)\n",
		             loss->messages - NAMED);
}

static bool
print_fault(struct sled_cli *cli, const struct fault *fault,
            struct sled_err *err)
{
	struct loss loss = { .cli = cli,
		             .ledger = sled_store_ledger(cli->store),
		             .fault = fault };
	bool ok = !cli->json || begin_json(&loss, err);

	ok = ok &&
	     sled_ledger_volumes(loss.ledger, NULL, take_volume, &loss, err);
	if (ok && cli->json) {
		sled_json_u64(loss.json, "messages", loss.messages);
		ok = sled_json_print(&loss.json, stdout, err);
	} else if (ok) {
		print_text(&loss);
	}
	sled_json_free(&loss.json);
	sled_cli_rows_free(&loss.rows);
	sled_buf_free(&loss.lines);
	return ok;
}

/* ---- the command ---- */

static void
say_unverified(struct sled_cli *cli, const struct sled_place_status *place)
{
	const char *why = place->far ? "--far does" : place->why;
	char text[700], path[256];

	sled_text_clip(path, sizeof(path),
	               (struct sled_span){ place->path, strlen(place->path) });
	(void)snprintf(text, sizeof(text), "%s: %s, not verified%s%s", path,
	               place->far ? "far away" : "absent",
	               why[0] == '\0' ? "" : ": ", why);
	sled_cli_say(cli, text);
}

static bool
name_absent(struct sled_cli *cli, struct sled_err *err)
{
	const bool far = sled_cli_flag(cli, "far") != NULL;

	for (size_t i = 0; i < sled_store_places(cli->store); i++) {
		struct sled_place_status place = { 0 };

		if (!sled_store_place(cli->store, i, &place, err))
			return false;
		if (!place.present && !(place.far && far))
			say_unverified(cli, &place);
	}
	return true;
}

static bool
print_sums(struct sled_cli *cli, const struct sled_verify_report *report,
           bool deep, struct sled_err *err)
{
	struct sled_json *json = NULL;
	char bytes[SLED_CLI_WORD];

	if (cli->json) {
		if (!sled_json_new(&json, err))
			return false;
		sled_json_bool(json, "deep", deep);
		sled_json_u64(json, "volumes", report->volumes);
		sled_json_u64(json, "members", report->members);
		sled_json_u64(json, "messages", report->messages);
		sled_json_u64(json, "mail_bytes", report->octets);
		sled_json_u64(json, "damaged", report->damaged);
		sled_json_u64(json, "absent", report->absent);
		return sled_json_print(&json, stdout, err);
	}
	if (cli->quiet)
		return true;
	sled_cli_bytes(bytes, report->octets);
	if (deep)
		(void)printf("%" PRIu64 " volumes, %" PRIu64 " messages, %s "
		             "hold, counted in each place; %" PRIu64
		             " fault%s\n",
		             report->volumes, report->messages, bytes,
		             report->damaged, report->damaged == 1 ? "" : "s");
	else
		(void)printf("%" PRIu64 " volumes have their size, counted in "
		             "each place; %" PRIu64 " fault%s\n",
		             report->volumes, report->damaged,
		             report->damaged == 1 ? "" : "s");
	return true;
}

static bool
verify_store(struct verify *v, bool deep, struct sled_verify_report *report,
             struct sled_err *err)
{
	struct sled_cli *cli = v->cli;

	if (!sled_cli_store(cli, SLED_STORE_READ, err) ||
	    !sled_store_verify(cli->store, deep, note, v, report, err) ||
	    (sled_cli_flag(cli, "far") != NULL &&
	     !sled_store_verify_far(cli->store, note, v, report, err)))
		return false;
	sled_cli_live(cli, "");
	if (v->no_memory)
		return sled_fail(err, SLED_ERR_NOMEM, "list of faults");
	for (size_t i = 0; i < v->len; i++)
		if (!print_fault(cli, &v->faults[i], err))
			return false;
	return name_absent(cli, err) && print_sums(cli, report, deep, err);
}

/* Faults that the content's reading met come behind the others. */
static bool
verify_content(struct verify *v, struct sled_verify_report *report,
               struct sled_err *err)
{
	struct sled_content_report content;
	size_t from = v->len;

	v->done = 0;
	v->percent = 101;
	if (!sled_cli_content(v->cli, note, v, &content, err))
		return false;
	report->damaged += content.damaged + content.unread;
	for (size_t i = from; i < v->len; i++)
		if (!print_fault(v->cli, &v->faults[i], err))
			return false;
	if (v->no_memory)
		return sled_fail(err, SLED_ERR_NOMEM, "list of faults");
	return sled_cli_content_sums(v->cli, &content, err);
}

static int
run(struct sled_cli *cli)
{
	struct verify verify = { .cli = cli, .percent = 101 };
	struct sled_verify_report report = { 0 };
	struct sled_err err = { 0 };
	bool deep = sled_cli_flag(cli, "deep") != NULL;
	bool ok = verify_store(&verify, deep, &report, &err) &&
	          (sled_cli_flag(cli, "content") == NULL ||
	           verify_content(&verify, &report, &err));

	free(verify.faults);
	if (!ok)
		return sled_cli_fail(cli, &err);
	return report.damaged == 0 ? 0 : sled_err_exit(SLED_ERR_DAMAGED);
}

static const struct sled_cli_flag flags[] = {
	{ "deep", NULL, "read every byte of every place, not the sizes only" },
	{ "far", NULL, "far places too: each file there, by its SHA-256" },
	{ "content", NULL, "is each text the one that was signed (DKIM)?" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_verify = {
	.name = "verify",
	.args = "",
	.about = "is what was stored still there, in every place?",
	.more = "Each volume in each place that is there is held against the "
		"ledger; with --deep\nevery message against its SHA-256. A "
		"fault is named with its place, volume, offset\nand messages; "
		"the exit status is 65 then. Nothing is changed.\n"
		"With --far what lies behind rclone is compared too: where the "
		"remote cannot tell a\nSHA-256 (WebDAV, SFTP, crypt) all of it "
		"comes down for that, on any link.\n"
		"With --content each message whose body is not the one that "
		"its DKIM-Signature\nwas made of is named. That is no fault: "
		"mailing lists add to mail.\n",
	.examples = "  mailsled verify\n"
		    "  mailsled verify --deep\n"
		    "  mailsled verify --far\n"
		    "  mailsled verify --content\n",
	.flags = flags,
	.run = run,
};
