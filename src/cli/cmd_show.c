/* cmd_show.c - `mailsled show`: one message, for a terminal or as it came. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "mailsled/text.h"

#define HEAD_MAX        (256u << 10) /* a longer head is shown as text */
#define LINE_MAX_OCTETS (64u << 10)

static const char *const names[] = { "From", "To", "Cc", "Date", "Subject" };

#define NAMES (sizeof(names) / sizeof(names[0]))

struct show {
	struct sled_cli *cli;
	bool raw, in_body;
	bool failed;          /* to write: another place would not help */
	struct sled_buf head; /* until the empty line */
	struct sled_buf line; /* of the body, not yet ended */
	struct sled_message message; /* without its strings */
	bool found, begun;
};

static bool
write_out(const void *data, size_t len, struct sled_err *err)
{
	if (len == 0 || fwrite(data, 1, len, stdout) == len)
		return true;
	return sled_fail_sys(err, errno, "output");
}

/* Tabs may stay; all else that moves the cursor is escaped. */
static bool
print_text(struct sled_span text, struct sled_err *err)
{
	struct sled_buf shown = { 0 };
	bool ok = true;

	while (ok && text.len > 0) {
		const char *tab = memchr(text.data, '\t', text.len);
		size_t len = tab == NULL ? text.len : (size_t)(tab - text.data);

		ok = sled_text_printable(
			 &shown, (struct sled_span){ text.data, len }, err) &&
		     (tab == NULL || sled_buf_add(&shown, "\t", 1, err));
		len += tab != NULL;
		text.data += len;
		text.len -= len;
	}
	ok = ok && write_out(shown.data, shown.len, err);
	sled_buf_free(&shown);
	return ok;
}

static bool
print_line(struct sled_span line, struct sled_err *err)
{
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return print_text(line, err) && write_out("\n", 1, err);
}

/* ---- the head ---- */

/* The field at *AT with its folded lines; *AT moves behind it. */
static struct sled_span
next_field(const struct sled_buf *head, size_t *at)
{
	struct sled_span field = { head->data + *at, 0 };
	size_t end = *at;

	do {
		const char *lf =
		    memchr(head->data + end, '\n', head->len - end);
		end = lf == NULL ? head->len : (size_t)(lf - head->data) + 1;
	} while (end < head->len &&
	         (head->data[end] == ' ' || head->data[end] == '\t'));
	field.len = end - *at;
	*at = end;
	return field;
}

/* Unfolded: the line ends go, the blanks behind them stay. */
static bool
print_field(const char *name, struct sled_span value, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok = sled_buf_printf(&text, err, "%s:", name);

	for (size_t i = 0; ok && i < value.len; i++)
		if (value.data[i] != '\r' && value.data[i] != '\n')
			ok = sled_buf_add(&text, value.data + i, 1, err);
	ok = ok && print_line(sled_buf_span(&text), err);
	sled_buf_free(&text);
	return ok;
}

static bool
print_named(const struct sled_buf *head, const char *name, struct sled_err *err)
{
	size_t at = 0, len = strlen(name);

	while (at < head->len) {
		struct sled_span field = next_field(head, &at);
		const char *colon = memchr(field.data, ':', field.len);
		size_t used;

		if (colon == NULL || field.len <= len ||
		    strncasecmp(field.data, name, len) != 0)
			continue;
		used = (size_t)(colon - field.data);
		if (strspn(field.data + len, " \t") < used - len)
			continue;
		field.data += used + 1;
		field.len -= used + 1;
		if (!print_field(name, field, err))
			return false;
	}
	return true;
}

/* No field's name has a space in it: this line is ours. */
bool
sled_cli_print_body_hash(unsigned flags)
{
	if (flags & SLED_MESSAGE_BODY_HOLDS)
		return printf("Body hash: as signed (whose signature it is was "
		              "not checked)\n") > 0;
	if (flags & SLED_MESSAGE_BODY_OTHER)
		return printf("Body hash: not as signed (mailing lists and "
		              "filters add to mail)\n") > 0;
	return (flags & SLED_MESSAGE_BODY_UNKNOWN) == 0 ||
	       printf("Body hash: unknown (its DKIM-Signature cannot be "
	              "judged)\n") > 0;
}

static bool
print_head(const struct sled_buf *head, unsigned flags, struct sled_err *err)
{
	for (size_t i = 0; i < NAMES; i++)
		if (!print_named(head, names[i], err))
			return false;
	if (!sled_cli_print_body_hash(flags))
		return sled_fail_sys(err, errno, "output");
	return write_out("\n", 1, err);
}

/* ---- the body ---- */

/* Octets of a long line that end with a whole character. */
static size_t
whole_characters(struct sled_span text)
{
	size_t len = text.len;

	for (int back = 0; back < 4 && len > 0; back++) {
		unsigned char c = (unsigned char)text.data[--len];

		if (c >= 0xc0)
			return len;
		if (c < 0x80)
			break;
	}
	return text.len;
}

static bool
print_long_line(struct show *show, struct sled_err *err)
{
	size_t len;

	if (show->line.len < LINE_MAX_OCTETS)
		return true;
	len = whole_characters(sled_buf_span(&show->line));
	if (!print_text((struct sled_span){ show->line.data, len }, err))
		return false;
	sled_buf_shift(&show->line, len);
	return true;
}

static bool
take_body(struct show *show, struct sled_span in, struct sled_err *err)
{
	while (in.len > 0) {
		const char *lf = memchr(in.data, '\n', in.len);
		size_t len = lf == NULL ? in.len : (size_t)(lf - in.data);

		if (!sled_buf_add(&show->line, in.data, len, err))
			return false;
		if (lf != NULL) {
			if (!print_line(sled_buf_span(&show->line), err))
				return false;
			show->line.len = 0;
			len++;
		} else if (!print_long_line(show, err)) {
			return false;
		}
		in.data += len;
		in.len -= len;
	}
	return true;
}

/* Where the body begins, behind the empty line; 0: not yet seen. */
static size_t
find_body(const struct sled_buf *head)
{
	const char *at = head->data, *end = head->data + head->len;

	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));

		if (lf == NULL)
			return 0;
		if (lf == at || (lf == at + 1 && *at == '\r'))
			return (size_t)(lf - head->data) + 1;
		at = lf + 1;
	}
	return 0;
}

static bool
end_head(struct show *show, size_t body, struct sled_err *err)
{
	struct sled_span rest = { show->head.data + body,
		                  show->head.len - body };

	show->in_body = true;
	show->head.len = body;
	return print_head(&show->head, show->message.flags, err) &&
	       take_body(show, rest, err);
}

static bool
show_bytes(struct show *show, const void *data, size_t len,
           struct sled_err *err)
{
	size_t body;

	if (show->raw)
		return write_out(data, len, err);
	if (show->in_body)
		return take_body(show, (struct sled_span){ data, len }, err);
	if (!sled_buf_add(&show->head, data, len, err))
		return false;
	body = find_body(&show->head);
	if (body > 0)
		return end_head(show, body, err);
	return show->head.len < HEAD_MAX || end_head(show, 0, err);
}

/* What stands in the output cannot be taken back. */
static bool
begin(void *ctx, uint64_t number, uint64_t octets, struct sled_err *err)
{
	struct show *show = ctx;
	bool again = show->begun;

	(void)number;
	(void)octets;
	show->begun = true;
	if (!again)
		return true;
	(void)sled_fail(err, SLED_ERR_IO,
	                "the place it was read from failed in the middle");
	return sled_hint(err, "again: another place is read then");
}

static bool
take_bytes(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct show *show = ctx;

	if (show->failed)
		return sled_fail(err, SLED_ERR_IO, "output");
	show->failed = !show_bytes(show, data, len, err);
	return !show->failed;
}

/* A message of a head alone, and a last line without its end. */
static bool
end_text(struct show *show, struct sled_err *err)
{
	if (show->raw)
		return true;
	if (!show->in_body && !end_head(show, show->head.len, err))
		return false;
	return show->line.len == 0 ||
	       print_line(sled_buf_span(&show->line), err);
}

/* ---- the command ---- */

static bool
keep_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct show *show = ctx;
	struct sled_json *json = NULL;

	show->message = *message;
	show->message.from = show->message.subject = show->message.date =
	    (struct sled_span){ "", 0 };
	show->found = true;
	if (!show->cli->json || show->raw)
		return true;
	if (!sled_json_new(&json, err))
		return false;
	if (sled_cli_message_json(show->cli, message, json, err))
		return sled_json_print(&json, stdout, err);
	sled_json_free(&json);
	return false;
}

static bool
show_message(struct show *show, struct sled_err *err)
{
	struct sled_cli *cli = show->cli;
	const struct sled_member_reader reader = { show, begin, take_bytes };
	struct sled_cli_rows rows = { 0 };
	bool ok = sled_cli_store(cli, SLED_STORE_READ, err) &&
	          sled_cli_find(cli, cli->args[0], &rows, err) &&
	          sled_ledger_by_id(sled_store_ledger(cli->store), rows.ids[0],
	                            keep_message, show, err);

	sled_cli_rows_free(&rows);
	if (ok && !show->found)
		ok = sled_fail(err, SLED_ERR_MISSING, "no such message");
	if (!ok || (cli->json && !show->raw))
		return ok;
	return sled_store_read(cli->store, &show->message, &reader, err) &&
	       end_text(show, err);
}

static int
run(struct sled_cli *cli)
{
	struct show show = { .cli = cli,
		             .raw = sled_cli_flag(cli, "raw") != NULL };
	struct sled_err err = { 0 };
	bool ok;

	if (show.raw && cli->json) {
		(void)sled_fail(&err, SLED_ERR_USAGE,
		                "--raw writes the message's bytes, not JSON");
		return sled_cli_fail(cli, &err);
	}
	ok = show_message(&show, &err);
	sled_buf_free(&show.head);
	sled_buf_free(&show.line);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "raw", NULL, "the exact bytes as received, CRLF lines" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_show = {
	.name = "show",
	.args = "ID",
	.about = "one message: who, when, what, and its text",
	.more = "ID is the id that `mailsled list` shows or its first digits "
		"(4 or more), or\nACCOUNT/NUMBER, or the number alone. "
		"Parts are shown as they came, not decoded;\nwhat would act "
		"on the terminal is escaped.\n",
	.examples = "  mailsled show 3f9a0c51d2e8\n"
		    "  mailsled show home/17\n"
		    "  mailsled show --raw home/17 > message.eml\n",
	.flags = flags,
	.args_min = 1,
	.args_max = 1,
	.side = SLED_CLI_READER,
	.run = run,
};
