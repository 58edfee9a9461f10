/* read_message.c - one message for the reader's commands: found, read, printed. */
#include <string.h>

#include "cli/read.h"
#include "mailsled/text.h"

#define WRAP_LEAST 20 /* columns; on fewer nothing is broken */

struct finding {
	struct sled_message *out;
	bool found;
};

static bool
keep_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct finding *finding = ctx;

	(void)err;
	*finding->out = *message;
	finding->out->from = finding->out->subject = finding->out->date =
	    (struct sled_span){ "", 0 };
	finding->found = true;
	return true;
}

bool
sled_cli_read_find(struct sled_cli *cli, const char *id,
                   struct sled_message *out, struct sled_err *err)
{
	struct sled_cli_rows rows = { 0 };
	struct finding finding = { out, false };
	bool ok = sled_cli_find(cli, id, &rows, err) &&
	          sled_ledger_by_id(sled_store_ledger(cli->store), rows.ids[0],
	                            keep_message, &finding, err);

	sled_cli_rows_free(&rows);
	return ok && (finding.found ||
	              sled_fail(err, SLED_ERR_MISSING, "no such message"));
}

bool
sled_cli_read_letter(struct sled_cli *cli, const struct sled_message *message,
                     struct sled_letter **out, struct sled_err *err)
{
	const struct sled_sys *sys = NULL;

	if (!sled_letter_new(out, sled_store_state(cli->store, &sys), err))
		return false;
	if (sled_letter_read(*out, cli->store, message, err) &&
	    sled_letter_parse(*out, err))
		return true;
	sled_letter_free(out);
	return false;
}

bool
sled_cli_read_field(const struct sled_letter *letter, const char *name,
                    bool people, struct sled_buf *out, bool *there,
                    struct sled_err *err)
{
	struct sled_buf raw = { 0 };
	bool ok = sled_letter_field(letter, name, &raw, there, err);

	if (ok)
		ok = people ? sled_words_people(out, sled_buf_span(&raw), err)
		            : sled_words_text(out, sled_buf_span(&raw), err);
	sled_buf_free(&raw);
	return ok;
}

/* ---- printed ---- */

/* Fit for the terminal; tabs become blanks up to the next stop. */
static bool
make_printable(struct sled_span line, struct sled_buf *out,
               struct sled_err *err)
{
	unsigned at = 0;

	while (line.len > 0) {
		const char *tab = memchr(line.data, '\t', line.len);
		size_t len = tab == NULL ? line.len : (size_t)(tab - line.data);
		size_t from = out->len;

		if (!sled_text_printable(
			out, (struct sled_span){ line.data, len }, err))
			return false;
		if (tab != NULL) {
			at += sled_cli_width(out->data + from);
			if (!sled_buf_add(out, "        ", 8 - at % 8, err))
				return false;
			at += 8 - at % 8;
			len++;
		}
		line.data += len;
		line.len -= len;
	}
	return sled_buf_reserve(out, 1, err);
}

/* Octets of TEXT that go on one line: all, or up to a blank where that is
 * possible. */
static size_t
break_at(const char *text, unsigned columns)
{
	size_t len = sled_cli_fitting(text, columns), blank = len;

	if (text[len] == '\0')
		return len;
	while (blank > 0 && text[blank] != ' ')
		blank--;
	return blank > 0 ? blank : len > 0 ? len : strlen(text);
}

static bool
put(const char *text, size_t len, struct sled_err *err)
{
	return fwrite(text, 1, len, stdout) == len ||
	       sled_fail(err, SLED_ERR_IO, "output: cannot be written");
}

/* TEXT, broken where COLUMNS end, USED of them before its first piece; BEFORE
 * stands before each other one. */
static bool
put_pieces(const char *text, struct sled_span before, unsigned used,
           unsigned columns, struct sled_err *err)
{
	unsigned room = columns > used ? columns - used : 1;

	while (columns >= WRAP_LEAST) {
		size_t len = break_at(text, room);

		if (!put(text, len, err))
			return false;
		text += len;
		if (*text == '\0')
			break;
		text += strspn(text, " ");
		if (!put("\n", 1, err) || !put(before.data, before.len, err))
			return false;
		room = columns - (unsigned)before.len;
	}
	return put(text, strlen(text), err) && put("\n", 1, err);
}

/* A quote's marks, and blanks, stand before each piece of its line. */
static bool
print_line(const char *line, unsigned columns, struct sled_err *err)
{
	size_t marks = strspn(line, "> ");

	if (marks > columns / 2)
		marks = 0;
	return put(line, marks, err) &&
	       put_pieces(line + marks, (struct sled_span){ line, marks },
	                  (unsigned)marks, columns, err);
}

bool
sled_cli_read_value(const char *text, unsigned used, unsigned columns,
                    struct sled_err *err)
{
	struct sled_buf shown = { 0 };
	bool ok = sled_text_printable(
		      &shown, (struct sled_span){ text, strlen(text) }, err) &&
	          put_pieces(shown.data, (struct sled_span){ "    ", 4 }, used,
	                     columns, err);

	sled_buf_free(&shown);
	return ok;
}

bool
sled_cli_read_print(const char *text, unsigned columns, struct sled_err *err)
{
	struct sled_buf line = { 0 };
	bool ok = true;

	while (ok && *text != '\0') {
		size_t len = strcspn(text, "\n");

		sled_buf_shift(&line, line.len);
		ok = make_printable((struct sled_span){ text, len }, &line,
		                    err) &&
		     print_line(line.data, columns, err);
		text += len + (text[len] == '\n');
	}
	sled_buf_free(&line);
	return ok;
}
