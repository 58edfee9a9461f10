/* read_room_letter.c - one message: as text, as HTML in a frame that can do
 * nothing, its attachments, its exact bytes, its conversation. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/read_room.h"
#include "mailsled/text.h"

#define TEXT_MOST (1u << 20) /* of a message, on a page */
#define HTML_MOST (4u << 20)

/* ---- which ---- */

static bool
take_rest(const char *rest, struct sled_room_at *out)
{
	uint64_t file = 0;

	if (*rest == '\0')
		return true;
	if (strcmp(rest, "/html") == 0)
		out->part = SLED_ROOM_HTML;
	else if (strcmp(rest, "/raw") == 0)
		out->part = SLED_ROOM_RAW;
	else if (strncmp(rest, "/part/", 6) == 0 &&
	         sled_text_u64((struct sled_span){ rest + 6, strlen(rest + 6) },
	                       &file) &&
	         file >= 1 && file <= UINT32_MAX) {
		out->part = SLED_ROOM_FILE;
		out->file = (size_t)file - 1;
	} else {
		return false;
	}
	return true;
}

bool
sled_room_at(const char *path, struct sled_room_at *out)
{
	size_t len = strcspn(path, "/"), digits = 0;

	*out = (struct sled_room_at){ .part = SLED_ROOM_WHOLE };
	if (path[len] == '/')
		digits = strspn(path + len + 1, "0123456789");
	if (digits > 0)
		len += 1 + digits;
	if (*path == '/' || len == 0 || len >= sizeof(out->id))
		return false;
	memcpy(out->id, path, len);
	return take_rest(path + len, out);
}

/* ---- what is saved ---- */

struct saving {
	int fd;
	uint64_t octets;
};

static bool
begin(void *ctx, uint64_t number, uint64_t octets, struct sled_err *err)
{
	struct saving *saving = ctx;

	(void)number;
	(void)octets;
	saving->octets = 0;
	return (ftruncate(saving->fd, 0) == 0 &&
	        lseek(saving->fd, 0, SEEK_SET) == 0) ||
	       sled_fail_sys(err, errno, "keep a file");
}

static bool
save_some(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct saving *saving = ctx;
	const char *at = data;

	saving->octets += len;
	while (len > 0) {
		ssize_t n = write(saving->fd, at, len);

		if (n == -1 && errno != EINTR)
			return sled_fail_sys(err, errno, "keep a file");
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return true;
}

/* A file without a name goes with this process: on the state's disk, where it
 * can be, so that memory stays flat. */
static bool
open_saving(struct sled_room_ask *ask, struct saving *saving,
            struct sled_err *err)
{
	const struct sled_sys *sys = NULL;
	int dir = sled_store_state(ask->room->cli->store, &sys);

	saving->fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (saving->fd == -1)
		saving->fd = memfd_create("mailsled", MFD_CLOEXEC);
	return saving->fd != -1 || sled_fail_sys(err, errno, "keep a file");
}

static void
hand_over(struct sled_room_ask *ask, const struct saving *saving)
{
	ask->answer->kind = SLED_SERVE_FILE;
	ask->answer->fd = saving->fd;
	ask->answer->size = saving->octets;
}

static bool
send_raw(struct sled_room_ask *ask, const struct sled_message *message,
         struct sled_err *err)
{
	struct saving saving = { -1, 0 };
	const struct sled_member_reader reader = { &saving, begin, save_some };
	bool ok =
	    open_saving(ask, &saving, err) &&
	    sled_store_read(ask->room->cli->store, message, &reader, err) &&
	    sled_buf_printf(&ask->answer->name, err, "%s-%" PRIu64 ".eml",
	                    message->label, message->number);

	if (ok)
		hand_over(ask, &saving);
	else if (saving.fd != -1)
		(void)close(saving.fd);
	return ok;
}

static bool
send_part(struct sled_room_ask *ask, const struct sled_letter *letter, size_t i,
          struct sled_err *err)
{
	struct saving saving = { -1, 0 };
	struct sled_letter_part part;
	bool ok;

	if (i >= sled_letter_parts(letter))
		return sled_fail(err, SLED_ERR_MISSING,
		                 "this message has no part %zu", i + 1);
	sled_letter_part(letter, i, &part);
	ok = open_saving(ask, &saving, err) &&
	     sled_letter_save(letter, i, save_some, &saving, err) &&
	     sled_name_safe(&ask->answer->name, part.name, part.type, i + 1,
	                    err);
	if (ok)
		hand_over(ask, &saving);
	else if (saving.fd != -1)
		(void)close(saving.fd);
	return ok;
}

/* ---- as HTML ---- */

struct html {
	struct sled_buf text;
	bool cut; /* there is more of it */
};

static bool
get_html(const struct sled_letter *letter, struct html *out,
         struct sled_err *err)
{
	struct sled_letter_text want = { .form = SLED_LETTER_HTML,
		                         .max = HTML_MOST };
	bool ok = sled_letter_text(letter, &want, &out->text, err);

	out->cut = want.cut;
	return ok;
}

static bool
send_html(struct sled_room_ask *ask, const struct sled_letter *letter,
          struct sled_err *err)
{
	struct sled_html_safe how;
	struct html html = { .cut = false };
	bool ok = get_html(letter, &html, err) &&
	          sled_cli_read_safe(letter, sled_buf_span(&html.text),
	                             ask->page.out, &how, err);

	ask->answer->kind = SLED_SERVE_MAIL;
	sled_buf_free(&html.text);
	return ok;
}

static void
add_left_out(struct sled_page *page, const char *before, unsigned count,
             const char *one)
{
	if (count == 0)
		return;
	sled_page_add(page, "%s", before);
	sled_room_count(page, count, one);
}

/* What the frame does not show, and did not ask for. */
static void
add_blocked(struct sled_page *page, const struct sled_html_safe *how)
{
	if (how->pictures + how->scripts + how->forms + how->embeds == 0)
		return;
	sled_page_add(page, "<p class=\"note\" id=\"blocked\">Nothing was "
	                    "loaded from outside. Left out");
	add_left_out(page, ": ", how->pictures, "remote picture");
	if (how->trackers > 0)
		sled_page_add(page, " (%u too small to be seen)",
		              how->trackers);
	add_left_out(page, how->pictures > 0 ? ", " : ": ", how->scripts,
	             "script");
	add_left_out(page, how->pictures + how->scripts > 0 ? ", " : ": ",
	             how->forms, "form");
	add_left_out(
	    page, how->pictures + how->scripts + how->forms > 0 ? ", " : ": ",
	    how->embeds, "embedded object");
	sled_page_add(page, ".</p>\n");
}

static bool
add_frame(struct sled_room_ask *ask, const struct sled_message *message,
          const struct html *html, struct sled_err *err)
{
	struct sled_html_safe how = { .picture = NULL };
	struct sled_buf dropped = { 0 };
	bool ok =
	    sled_html_safe(&dropped, sled_buf_span(&html->text), &how, err);

	sled_buf_free(&dropped);
	if (!ok)
		return false;
	add_blocked(&ask->page, &how);
	if (html->cut || how.cut)
		sled_page_add(&ask->page,
		              "<p class=\"note\" id=\"cut\">The message goes "
		              "on: it is longer than a page shows. Save it to "
		              "have all of it.</p>\n");
	sled_page_add(&ask->page,
	              "<iframe id=\"html\" sandbox=\"allow-popups "
	              "allow-popups-to-escape-sandbox\" "
	              "referrerpolicy=\"no-referrer\" title=\"The message as "
	              "HTML\" src=\"/mail/%s/%llu/html\"></iframe>\n",
	              message->label, (unsigned long long)message->number);
	return true;
}

/* ---- as text ---- */

/* Lines that quote are faint; links stay text: nothing here leads outside. */
static void
add_lines(struct sled_page *page, const char *text)
{
	bool quoted = false;

	sled_page_add(page, "<pre id=\"text\" class=\"text\" dir=\"auto\">");
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		len += text[len] == '\n';
		if ((*text == '>') != quoted) {
			quoted = !quoted;
			sled_page_add(page, quoted ? "<span class=\"quote\">"
			                           : "</span>");
		}
		sled_page_text(page, (struct sled_span){ text, len });
		text += len;
	}
	sled_page_add(page, quoted ? "</span></pre>\n" : "</pre>\n");
}

static bool
add_text(struct sled_room_ask *ask, const struct sled_letter *letter,
         struct sled_err *err)
{
	struct sled_letter_text want = { .form = SLED_LETTER_READ,
		                         .max = TEXT_MOST };
	struct sled_buf text = { 0 };
	bool ok = sled_letter_text(letter, &want, &text, err);

	if (ok && text.len > 0)
		add_lines(&ask->page, text.data);
	else if (ok)
		sled_page_add(
		    &ask->page,
		    "<p class=\"none\">This message has no text.</p>\n");
	if (ok && want.cut)
		sled_page_add(
		    &ask->page,
		    "<p class=\"note\">The text goes on: it is longer "
		    "than a page shows. Save the message to have all "
		    "of it.</p>\n");
	sled_buf_free(&text);
	return ok;
}

/* ---- who, when, what ---- */

static const struct {
	const char *name;
	bool people;
} fields[] = {
	{ "From", true },
	{ "To", true },
	{ "Cc", true },
	{ "Date", false },
};

static bool
add_field(struct sled_room_ask *ask, const struct sled_letter *letter, size_t i,
          struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool there = false;
	bool ok = sled_cli_read_field(letter, fields[i].name, fields[i].people,
	                              &text, &there, err);

	if (ok && there)
		sled_page_add(&ask->page,
		              "<div><dt>%s</dt><dd><bdi>%s</bdi></dd></div>\n",
		              fields[i].name, text.data);
	sled_buf_free(&text);
	return ok;
}

static bool
get_subject(const struct sled_letter *letter, struct sled_buf *out,
            struct sled_err *err)
{
	bool there = false;

	if (!sled_cli_read_field(letter, "Subject", false, out, &there, err))
		return false;
	return out->len > 0 || sled_buf_addstr(out, "(no subject)", err);
}

static const char *
body_hash(unsigned flags)
{
	if (flags & SLED_MESSAGE_BODY_HOLDS)
		return "The body is the one that was signed (DKIM).";
	if (flags & SLED_MESSAGE_BODY_OTHER)
		return "The body is not the one that was signed (DKIM): "
		       "mailing lists change mail, and so do forgers.";
	return NULL;
}

static bool
add_head(struct sled_room_ask *ask, const struct sled_message *message,
         const struct sled_letter *letter, struct sled_err *err)
{
	struct sled_page *page = &ask->page;
	const char *signed_as = body_hash(message->flags);
	char size[SLED_CLI_WORD];

	sled_page_add(page, "<dl class=\"head\">\n");
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (!add_field(ask, letter, i, err))
			return false;
	sled_cli_bytes(size, message->octets);
	sled_page_add(page, "<div><dt>Received</dt><dd>");
	sled_room_time(ask, message->received);
	sled_page_add(page, ", %s, %s/%llu%s</dd></div>\n", size,
	              message->label, (unsigned long long)message->number,
	              message->on_server && message->gone == 0
	                  ? ", still on the server"
	                  : "");
	if (signed_as != NULL)
		sled_page_add(page, "<div><dt>Signed</dt><dd>%s</dd></div>\n",
		              signed_as);
	sled_page_add(page, "</dl>\n");
	return true;
}

static void
add_actions(struct sled_room_ask *ask, const struct sled_message *message,
            bool has_html, bool as_html)
{
	struct sled_page *page = &ask->page;
	unsigned long long number = message->number;

	sled_page_add(page, "<nav class=\"actions\" aria-label=\"Message\">");
	if (has_html)
		sled_page_add(
		    page,
		    as_html ? "<a id=\"other\" href=\"/mail/%s/%llu\">Text</a>"
			      "<span aria-current=\"true\">HTML</span>"
			    : "<span aria-current=\"true\">Text</span>"
			      "<a id=\"other\" "
			      "href=\"/mail/%s/%llu?view=html\">HTML</a>",
		    message->label, number);
	sled_page_add(page,
	              "<a id=\"raw\" href=\"/mail/%s/%llu/raw\" download>Save "
	              "message</a></nav>\n",
	              message->label, number);
}

static bool
add_attachment(struct sled_room_ask *ask, const struct sled_message *message,
               const struct sled_letter_part *part, size_t i,
               struct sled_err *err)
{
	struct sled_buf name = { 0 };
	char size[SLED_CLI_WORD];
	bool ok = sled_name_safe(&name, part->name, part->type, i + 1, err);

	sled_cli_bytes(size, part->octets);
	if (ok)
		sled_page_add(&ask->page,
		              "<li><a class=\"file\" "
		              "href=\"/mail/%s/%llu/part/%zu\" download>"
		              "<bdi>%s</bdi></a> <span class=\"faint\">%s, "
		              "about %s</span></li>\n",
		              message->label,
		              (unsigned long long)message->number, i + 1,
		              name.data, part->type, size);
	sled_buf_free(&name);
	return ok;
}

static bool
add_attachments(struct sled_room_ask *ask, const struct sled_message *message,
                const struct sled_letter *letter, struct sled_err *err)
{
	bool any = false;

	for (size_t i = 0; i < sled_letter_parts(letter); i++) {
		struct sled_letter_part part;

		sled_letter_part(letter, i, &part);
		if (!part.attached)
			continue;
		if (!any)
			sled_page_add(&ask->page,
			              "<section aria-labelledby=\"files\">"
			              "<h2 id=\"files\">Attachments</h2>"
			              "<ul class=\"files\">\n");
		any = true;
		if (!add_attachment(ask, message, &part, i, err))
			return false;
	}
	if (any)
		sled_page_add(&ask->page, "</ul></section>\n");
	return true;
}

/* ---- its conversation ---- */

struct telling {
	struct sled_room_ask *ask;
	unsigned depth;
	bool here;
};

static bool
add_entry(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct telling *telling = ctx;
	struct sled_page *page = &telling->ask->page;
	struct sled_buf texts[2] = { 0 };
	bool ok =
	    sled_room_decode(message->from, message->subject, true, texts, err);

	if (ok) {
		sled_page_add(
		    page,
		    telling->here ? "<li class=\"deep-%u\"><a class=\"row\" "
				    "aria-current=\"true\" "
				    "href=\"/mail/%s/%llu\">"
				  : "<li class=\"deep-%u\"><a class=\"row\" "
				    "href=\"/mail/%s/%llu\">",
		    telling->depth < 8 ? telling->depth : 8, message->label,
		    (unsigned long long)message->number);
		sled_page_add(page,
		              "<bdi class=\"from\">%s</bdi> <bdi "
		              "class=\"subject\">%s</bdi> ",
		              texts[0].data, texts[1].data);
		sled_room_time(telling->ask, message->received);
		sled_page_add(page, "</a></li>\n");
	}
	sled_buf_free(&texts[0]);
	sled_buf_free(&texts[1]);
	return ok && !page->failed;
}

static bool
add_thread(struct sled_room_ask *ask, const struct sled_message *message,
           const struct sled_thread *thread, struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(ask->room->cli->store);

	if (thread->len < 2)
		return true;
	sled_page_add(&ask->page, "<section aria-labelledby=\"talk\">"
	                          "<h2 id=\"talk\">Conversation</h2>"
	                          "<ol class=\"list thread\">\n");
	for (size_t i = 0; i < thread->len; i++) {
		struct telling telling = { ask, thread->list[i].depth,
			                   thread->list[i].message ==
			                       message->id };

		if (!sled_ledger_by_id(ledger, thread->list[i].message,
		                       add_entry, &telling, err))
			return false;
	}
	sled_page_add(&ask->page, "</ol></section>\n");
	return true;
}

/* Without an index there is none to be shown: no fault of the message. */
static bool
add_conversation(struct sled_room_ask *ask, const struct sled_message *message,
                 struct sled_err *err)
{
	struct sled_thread thread = { 0 };
	struct sled_err why = { 0 };
	bool ok = true;

	if (sled_room_index(ask->room, &why) &&
	    sled_index_thread(ask->room->index, message, &thread, &why))
		ok = add_thread(ask, message, &thread, err);
	sled_thread_free(&thread);
	return ok;
}

/* ---- the page ---- */

static bool
add_letter(struct sled_room_ask *ask, const struct sled_message *message,
           const struct sled_letter *letter, struct sled_err *err)
{
	const char *view = sled_serve_arg(ask->request, "view");
	bool as_html = view != NULL && strcmp(view, "html") == 0;
	struct sled_buf subject = { 0 };
	struct html html = { .cut = false };
	bool ok =
	    get_subject(letter, &subject, err) && get_html(letter, &html, err);

	if (ok) {
		sled_room_begin(ask, subject.data, "/mail");
		sled_page_add(&ask->page,
		              "<article><p class=\"back\"><a id=\"up\" "
		              "href=\"/mail\">All mail</a></p>\n"
		              "<h1 class=\"title\" dir=\"auto\">%s</h1>\n",
		              subject.data);
		ok = add_head(ask, message, letter, err);
	}
	if (ok) {
		as_html = as_html && html.text.len > 0;
		add_actions(ask, message, html.text.len > 0, as_html);
		ok = as_html ? add_frame(ask, message, &html, err)
		             : add_text(ask, letter, err);
	}
	ok = ok && add_attachments(ask, message, letter, err) &&
	     add_conversation(ask, message, err);
	if (ok) {
		sled_page_add(&ask->page, "</article>\n");
		sled_room_end(ask);
	}
	sled_buf_free(&subject);
	sled_buf_free(&html.text);
	return ok;
}

static bool
send_letter(struct sled_room_ask *ask, const struct sled_room_at *at,
            const struct sled_message *message, struct sled_err *err)
{
	struct sled_letter *letter = NULL;
	bool ok = sled_cli_read_letter(ask->room->cli, message, &letter, err);

	if (ok && at->part == SLED_ROOM_FILE)
		ok = send_part(ask, letter, at->file, err);
	else if (ok && at->part == SLED_ROOM_HTML)
		ok = send_html(ask, letter, err);
	else
		ok = ok && add_letter(ask, message, letter, err);
	sled_letter_free(&letter);
	return ok;
}

/* An id of the form of `list` leads to the one address that a message has. */
static bool
redirect(struct sled_room_ask *ask, const struct sled_message *message,
         struct sled_err *err)
{
	return sled_buf_printf(&ask->answer->location, err, "/mail/%s/%" PRIu64,
	                       message->label, message->number);
}

bool
sled_room_letter(struct sled_room_ask *ask, struct sled_err *err)
{
	struct sled_message message;
	struct sled_room_at at;

	if (!sled_room_at(ask->rest, &at))
		return sled_fail(err, SLED_ERR_MISSING,
		                 "there is no such page");
	if (!sled_room_store(ask->room, err) ||
	    !sled_cli_read_find(ask->room->cli, at.id, &message, err))
		return false;
	if (at.part == SLED_ROOM_WHOLE && strchr(at.id, '/') == NULL)
		return redirect(ask, &message, err);
	if (at.part == SLED_ROOM_RAW)
		return send_raw(ask, &message, err);
	return send_letter(ask, &at, &message, err);
}
