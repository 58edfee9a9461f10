/* read_show.c - `mailsled show`: a message as it was meant, or a conversation. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/read.h"
#include "mailsled/text.h"

#define TEXT_MOST (8u << 20) /* of a message, on a screen */

struct show {
	struct sled_cli *cli;
	struct sled_message message;
	struct sled_cli_screen screen;
};

static const struct {
	const char *name, *key;
	bool people;
} fields[] = {
	{ "From", "from", true },
	{ "To", "to", true },
	{ "Cc", "cc", true },
	{ "Date", "date", false },
	{ "Subject", "subject", false },
};

#define FIELDS (sizeof(fields) / sizeof(*fields))

/* ---- for people ---- */

static bool
print_field(struct show *show, const struct sled_letter *letter, size_t i,
            struct sled_err *err)
{
	const char *name = fields[i].name;
	struct sled_buf text = { 0 };
	bool there = false;
	bool ok = sled_cli_read_field(letter, name, fields[i].people, &text,
	                              &there, err);

	if (ok && there)
		ok = (printf("%s%s:%s ", show->screen.strong, name,
		             show->screen.plain) > 0 ||
		      sled_fail(err, SLED_ERR_IO,
		                "output: cannot be written")) &&
		     sled_cli_read_value(text.data, (unsigned)strlen(name) + 2,
		                         show->screen.columns, err);
	sled_buf_free(&text);
	return ok;
}

static bool
print_part(struct show *show, const struct sled_letter_part *part, size_t i,
           struct sled_err *err)
{
	struct sled_buf line = { 0 };
	char bytes[SLED_CLI_WORD];
	int used = snprintf(NULL, 0, "  %zu  ", i + 1);
	bool ok;

	sled_cli_bytes(bytes, part->octets);
	ok = sled_buf_printf(&line, err, "%s%s%s, %s", part->name,
	                     part->name[0] == '\0' ? "" : "  ", part->type,
	                     bytes);
	if (ok) {
		(void)printf("  %s%zu%s  ", show->screen.faint, i + 1,
		             show->screen.plain);
		ok = sled_cli_read_value(line.data, (unsigned)used,
		                         show->screen.columns, err);
	}
	sled_buf_free(&line);
	return ok;
}

static bool
print_how(const struct show *show, struct sled_err *err)
{
	char id[SLED_HASH_HEX], text[SLED_HASH_HEX + 40];

	if (!sled_cli_id(sled_store_ledger(show->cli->store),
	                 &show->message.sha256, id, err))
		return false;
	(void)snprintf(text, sizeof(text), "  (mailsled extract %s saves them)",
	               id);
	return sled_cli_read_value(text, 0, show->screen.columns, err);
}

static bool
print_attachments(struct show *show, const struct sled_letter *letter,
                  struct sled_err *err)
{
	bool any = false;

	for (size_t i = 0; i < sled_letter_parts(letter); i++) {
		struct sled_letter_part part;

		sled_letter_part(letter, i, &part);
		if (!part.attached)
			continue;
		if (!any)
			(void)printf("\n%sAttachments:%s\n",
			             show->screen.strong, show->screen.plain);
		any = true;
		if (!print_part(show, &part, i, err))
			return false;
	}
	return !any || print_how(show, err);
}

static bool
print_text(struct show *show, const struct sled_letter *letter,
           struct sled_err *err)
{
	struct sled_letter_text want = { .form = SLED_LETTER_READ,
		                         .max = TEXT_MOST };
	struct sled_buf text = { 0 };
	bool ok = sled_letter_text(letter, &want, &text, err) &&
	          (text.len == 0 || printf("\n") > 0) &&
	          sled_cli_read_print(text.data, show->screen.columns, err);

	if (ok && want.cut)
		(void)printf("\n(cut here: `mailsled show --raw` has all of "
		             "it)\n");
	sled_buf_free(&text);
	return ok;
}

static bool
print_letter(struct show *show, struct sled_err *err)
{
	struct sled_letter *letter = NULL;
	bool ok = sled_cli_read_letter(show->cli, &show->message, &letter, err);

	for (size_t i = 0; ok && i < FIELDS; i++)
		ok = print_field(show, letter, i, err);
	if (ok && !sled_cli_print_body_hash(show->message.flags))
		ok = sled_fail(err, SLED_ERR_IO, "output: cannot be written");
	ok = ok && print_text(show, letter, err) &&
	     print_attachments(show, letter, err);
	sled_letter_free(&letter);
	return ok;
}

/* ---- JSON ---- */

static bool
put_fields(struct sled_json *json, const struct sled_letter *letter,
           struct sled_err *err)
{
	for (size_t i = 1; i < 3; i++) { /* list's object has the others */
		struct sled_buf text = { 0 };
		bool there = false;
		bool ok = sled_cli_read_field(letter, fields[i].name, true,
		                              &text, &there, err);

		if (ok)
			sled_json_text(json, fields[i].key,
			               there ? text.data : NULL);
		sled_buf_free(&text);
		if (!ok)
			return false;
	}
	return true;
}

static bool
put_attachments(struct sled_json *json, const struct sled_letter *letter,
                struct sled_err *err)
{
	sled_json_add(json, "attachments", NULL);
	for (size_t i = 0; i < sled_letter_parts(letter); i++) {
		struct sled_letter_part part;
		struct sled_json *child = NULL;

		sled_letter_part(letter, i, &part);
		if (!part.attached)
			continue;
		if (!sled_json_new(&child, err))
			return false;
		sled_json_u64(child, "part", i + 1);
		sled_json_text(child, "name", part.name);
		sled_json_text(child, "type", part.type);
		sled_json_add(json, "attachments", &child);
	}
	return true;
}

static bool
put_letter(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct show *show = ctx;
	struct sled_letter_text want = { .form = SLED_LETTER_READ,
		                         .max = TEXT_MOST };
	struct sled_letter *letter = NULL;
	struct sled_json *json = NULL;
	struct sled_buf text = { 0 };
	bool ok = sled_json_new(&json, err) &&
	          sled_cli_message_json(show->cli, message, json, err) &&
	          sled_cli_read_letter(show->cli, message, &letter, err) &&
	          put_fields(json, letter, err) &&
	          sled_letter_text(letter, &want, &text, err);

	if (ok) {
		sled_json_span(json, "text", sled_buf_span(&text));
		sled_json_bool(json, "text_cut", want.cut);
		ok = put_attachments(json, letter, err) &&
		     sled_json_print(&json, stdout, err);
	}
	sled_json_free(&json);
	sled_letter_free(&letter);
	sled_buf_free(&text);
	return ok;
}

/* ---- a conversation ---- */

struct telling {
	struct show *show;
	const struct sled_thread_entry *entry;
	bool asked; /* this is the one that was asked for */
};

/* One line of the overview, below what it answers. */
static bool
print_entry(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct telling *telling = ctx;
	const struct sled_cli_screen *screen = &telling->show->screen;
	unsigned indent =
	    2 * (telling->entry->depth < 10 ? telling->entry->depth : 10);
	struct sled_buf line = { 0 };
	unsigned columns = screen->columns;
	bool ok;

	if (columns > indent + 30)
		columns -= indent + 2;
	ok = sled_cli_message_line(telling->show->cli, message, columns, &line,
	                           err);
	if (ok)
		(void)printf("%s%c %*s%s%s\n",
		             telling->asked ? screen->strong : "",
		             telling->asked ? '>' : ' ', (int)indent, "",
		             line.data, telling->asked ? screen->plain : "");
	sled_buf_free(&line);
	return ok;
}

static bool
keep_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct show *show = ctx;

	(void)err;
	show->message = *message;
	show->message.from = show->message.subject = show->message.date =
	    (struct sled_span){ "", 0 };
	return true;
}

static bool
print_overview(struct show *show, const struct sled_thread *thread,
               struct sled_err *err)
{
	const int64_t asked = show->message.id;

	for (size_t i = 0; i < thread->len; i++) {
		struct telling telling = { show, &thread->list[i],
			                   thread->list[i].message == asked };

		if (!sled_ledger_by_id(sled_store_ledger(show->cli->store),
		                       thread->list[i].message, print_entry,
		                       &telling, err))
			return false;
	}
	return true;
}

static bool
print_thread(struct show *show, const struct sled_thread *thread,
             struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(show->cli->store);

	if (!show->cli->json && !print_overview(show, thread, err))
		return false;
	for (size_t i = 0; i < thread->len; i++) {
		int64_t id = thread->list[i].message;

		if (show->cli->json) {
			if (!sled_ledger_by_id(ledger, id, put_letter, show,
			                       err))
				return false;
			continue;
		}
		(void)printf("\n%s----%s\n", show->screen.faint,
		             show->screen.plain);
		if (!sled_ledger_by_id(ledger, id, keep_message, show, err) ||
		    !print_letter(show, err))
			return false;
	}
	return true;
}

static bool
show_thread(struct show *show, struct sled_err *err)
{
	struct sled_thread thread = { 0 };
	struct sled_index *index = NULL;
	uint64_t missing = 0;
	bool ok = sled_cli_read_open(show->cli, SLED_CLI_CATCH_UP_MS, &index,
	                             &missing, err) &&
	          sled_index_thread(index, &show->message, &thread, err);

	if (ok) {
		show->screen = sled_cli_page(show->cli);
		ok = print_thread(show, &thread, err);
		sled_cli_page_end();
	}
	if (ok && (thread.cut || missing > 0))
		sled_cli_say(show->cli,
		             "not complete: `mailsled index` may find more");
	sled_thread_free(&thread);
	sled_index_close(&index);
	return ok;
}

/* ---- the command ---- */

/* What was left out of it, on stderr: stdout is the page. */
static void
say_blocked(struct show *show, const struct sled_html_safe *how)
{
	char text[160];

	if (show->cli->quiet)
		return;
	(void)snprintf(text, sizeof(text),
	               "left out: remote pictures %u, scripts %u, forms %u, "
	               "embedded objects %u",
	               how->pictures, how->scripts, how->forms, how->embeds);
	if (how->pictures + how->scripts + how->forms + how->embeds > 0)
		sled_cli_say(show->cli, text);
	if (how->cut)
		sled_cli_say(show->cli, "cut: there is more of it than a "
		                        "browser can show");
}

/* TEXT, which is HTML; on a terminal it is escaped like all else. */
static bool
print_html(const struct sled_buf *text, struct sled_err *err)
{
	if (isatty(STDOUT_FILENO) != 0)
		return sled_cli_read_print(text->data, 0, err);
	return fwrite(text->data, 1, text->len, stdout) == text->len ||
	       sled_fail(err, SLED_ERR_IO, "output: cannot be written");
}

/* Its HTML part in UTF-8 as it came, or SAFE for a browser. */
static bool
show_html(struct show *show, bool safe, struct sled_err *err)
{
	struct sled_letter_text want = { .form = SLED_LETTER_HTML,
		                         .max = TEXT_MOST };
	struct sled_letter *letter = NULL;
	struct sled_html_safe how = { .picture = NULL };
	struct sled_buf text = { 0 }, page = { 0 };
	bool ok =
	    sled_cli_read_letter(show->cli, &show->message, &letter, err) &&
	    sled_letter_text(letter, &want, &text, err);

	if (ok && text.len == 0)
		ok = sled_fail(err, SLED_ERR_MISSING,
		               "this message has no HTML");
	if (ok && safe)
		ok = sled_cli_read_safe(letter, sled_buf_span(&text), &page,
		                        &how, err);
	ok = ok && print_html(safe ? &page : &text, err);
	if (ok)
		say_blocked(show, &how);
	sled_letter_free(&letter);
	sled_buf_free(&text);
	sled_buf_free(&page);
	return ok;
}

static bool
show_one(struct show *show, struct sled_err *err)
{
	bool ok;

	if (show->cli->json)
		return sled_ledger_by_id(sled_store_ledger(show->cli->store),
		                         show->message.id, put_letter, show,
		                         err);
	show->screen = sled_cli_page(show->cli);
	ok = print_letter(show, err);
	sled_cli_page_end();
	return ok;
}

/* --raw, --html, --safe and --thread are four ways to show it. */
static bool
check_flags(struct sled_cli *cli, struct sled_err *err)
{
	bool html = sled_cli_flag(cli, "html") != NULL;
	bool safe = sled_cli_flag(cli, "safe") != NULL;
	int forms = html + safe + (sled_cli_flag(cli, "thread") != NULL) +
	            (sled_cli_flag(cli, "raw") != NULL);

	if (forms > 1)
		return sled_fail(
		    err, SLED_ERR_USAGE,
		    "only one of --raw, --html, --safe and --thread");
	if (cli->json && (html || safe))
		return sled_fail(err, SLED_ERR_USAGE,
		                 "--%s writes HTML, not JSON",
		                 html ? "html" : "safe");
	return true;
}

static int
run(struct sled_cli *cli)
{
	struct show show = { .cli = cli, .screen = { 0, "", "", "" } };
	struct sled_err err = { 0 };
	bool safe = sled_cli_flag(cli, "safe") != NULL;
	bool ok = check_flags(cli, &err);

	if (ok && sled_cli_flag(cli, "raw") != NULL)
		return sled_cli_show.run(cli);
	ok = ok && sled_cli_store(cli, SLED_STORE_READ, &err) &&
	     sled_cli_read_find(cli, cli->args[0], &show.message, &err);
	if (ok && (safe || sled_cli_flag(cli, "html") != NULL))
		ok = show_html(&show, safe, &err);
	else if (ok && sled_cli_flag(cli, "thread") != NULL)
		ok = show_thread(&show, &err);
	else if (ok)
		ok = show_one(&show, &err);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "raw", NULL, "the exact bytes as received, CRLF lines" },
	{ "html", NULL, "its HTML in UTF-8 as it came: not for a browser" },
	{ "safe", NULL, "its HTML made harmless, a page for any browser" },
	{ "thread", NULL, "the whole conversation, by References" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_read_show = {
	.name = "show",
	.args = "ID",
	.about = "one message: who, when, what, its text and attachments",
	.more = "ID is the id that `mailsled list` shows or its first digits "
		"(4 or more), or\nACCOUNT/NUMBER, or the number alone. HTML is "
		"shown as text, nothing of it is ever\nfetched. What would act "
		"on the terminal is escaped. A browser that opens what --html\n"
		"writes would run its scripts and fetch its pictures, which "
		"tells the sender; what\n--safe writes does neither.\n",
	.examples = "  mailsled show 3f9a0c51d2e8\n"
		    "  mailsled show --thread home/17\n"
		    "  mailsled show --raw home/17 > message.eml\n"
		    "  mailsled show --html 3f9a | w3m -I utf-8 -T text/html\n"
		    "  mailsled show --safe 3f9a > letter.html\n",
	.flags = flags,
	.args_min = 1,
	.args_max = 1,
	.run = run,
};
