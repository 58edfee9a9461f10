/* read_room_mail.c - the mailbox: the newest first, a page at a time, or what a
 * query finds. Each page begins behind the last row of the one before, so that
 * none costs more for standing deeper. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/read_room.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

struct mailbox {
	struct sled_room_ask *ask;
	const char *query, *label; /* NULL: none */
	uint64_t skip;             /* of what a query finds */
	struct sled_message_query where;
	struct sled_message_mark mark;
	size_t shown;
	int64_t last_id, last_received; /* of the last row */
	uint64_t last_number;
};

/* ---- rows ---- */

static bool
add_row(struct mailbox *box, const struct sled_message *message,
        struct sled_err *err)
{
	struct sled_page *page = &box->ask->page;
	struct sled_buf texts[2] = { 0 };
	bool ok =
	    sled_room_decode(message->from, message->subject, true, texts, err);

	if (ok) {
		sled_page_add(
		    page,
		    "<li><a class=\"row\" href=\"/mail/%s/%llu\">"
		    "<bdi class=\"from\">%s</bdi> "
		    "<bdi class=\"subject\">%s</bdi> ",
		    message->label, (unsigned long long)message->number,
		    texts[0].len == 0 ? "(no sender)" : texts[0].data,
		    texts[1].len == 0 ? "(no subject)" : texts[1].data);
		sled_room_time(box->ask, message->received);
		sled_page_add(page, "</a></li>\n");
	}
	sled_buf_free(&texts[0]);
	sled_buf_free(&texts[1]);
	return ok && !page->failed;
}

/* One row more than is shown says that there is more. */
static bool
take_row(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct mailbox *box = ctx;

	if (box->shown++ == SLED_ROOM_PAGE)
		return true;
	box->last_id = message->id;
	box->last_received = message->received;
	box->last_number = message->number;
	return add_row(box, message, err);
}

static void
add_url_text(struct sled_page *page, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		const char escaped[] = { '%', digits[c >> 4], digits[c & 15] };

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9'))
			sled_page_markup(page, (struct sled_span){ text, 1 });
		else
			sled_page_markup(page,
			                 (struct sled_span){ escaped, 3 });
	}
}

static void
add_more(struct mailbox *box)
{
	struct sled_page *page = &box->ask->page;

	if (box->shown <= SLED_ROOM_PAGE)
		return;
	sled_page_add(page, "<li class=\"more\"><a id=\"older\" rel=\"next\" "
	                    "href=\"/mail?");
	if (box->query != NULL) {
		sled_page_add(page, "q=");
		add_url_text(page, box->query);
		sled_page_add(page, "&amp;skip=%llu",
		              (unsigned long long)box->skip + SLED_ROOM_PAGE);
	} else if (box->label != NULL) {
		sled_page_add(page, "account=%s&amp;below=%llu", box->label,
		              (unsigned long long)box->last_number);
	} else {
		sled_page_add(page, "before=%lld.%lld",
		              (long long)box->last_received,
		              (long long)box->last_id);
	}
	sled_page_add(page, "\">Older mail</a></li>\n");
}

/* ---- a query ---- */

static void
add_fault(struct mailbox *box, const struct sled_query *query,
          const struct sled_err *why)
{
	struct sled_page *page = &box->ask->page;
	size_t len = strlen(box->query);
	size_t at = query->fault < len ? query->fault : len;

	sled_page_add(page,
	              "<div class=\"note bad\" role=\"alert\"><p>%s</p>"
	              "<pre>",
	              why->text);
	sled_page_text(page, (struct sled_span){ box->query, at });
	sled_page_add(page, "<mark>");
	sled_page_text(page, (struct sled_span){ box->query + at, len - at });
	sled_page_add(page, "%s</mark></pre></div>\n", at == len ? " " : "");
}

/* An index that turns out to be damaged is made anew, once. */
static bool
find(struct mailbox *box, const struct sled_query *query, struct sled_err *err)
{
	struct sled_room *room = box->ask->room;

	if (!sled_room_index(room, err))
		return false;
	if (sled_index_find(room->index, query, SLED_ROOM_PAGE + 1, take_row,
	                    box, err))
		return true;
	if (err->kind != SLED_ERR_DAMAGED)
		return false;
	sled_index_close(&room->index);
	if (box->shown > 0)
		return false;
	*err = (struct sled_err){ 0 };
	return sled_room_index(room, err) &&
	       sled_index_find(room->index, query, SLED_ROOM_PAGE + 1, take_row,
	                       box, err);
}

static bool
add_found(struct mailbox *box, const struct sled_query *query,
          struct sled_err *err)
{
	struct sled_room *room = box->ask->room;
	struct sled_page *page = &box->ask->page;

	sled_page_add(page, "<ol id=\"list\" class=\"list\">\n");
	if (!find(box, query, err))
		return false;
	add_more(box);
	sled_page_add(page, "</ol>\n");
	if (box->shown == 0 && box->skip == 0)
		sled_page_add(page,
		              "<p class=\"none\">Nothing was found.</p>\n");
	if (room->missing > 0)
		sled_page_add(page,
		              "<p class=\"note\">%llu messages are not in the "
		              "index yet; they are added behind visits.</p>\n",
		              (unsigned long long)room->missing);
	return true;
}

static bool
add_search(struct mailbox *box, struct sled_err *err)
{
	struct sled_query query = { .fault = 0 };
	struct sled_err why = { 0 };
	bool ok = true;

	if (sled_query_parse(&query, box->query, box->ask->now, &why)) {
		query.skip = box->skip;
		ok = add_found(box, &query, err);
	} else if (why.kind == SLED_ERR_USAGE) {
		add_fault(box, &query, &why);
	} else {
		ok = sled_fail(err, why.kind, "%s", why.text);
	}
	sled_query_free(&query);
	return ok;
}

/* ---- the mailbox ---- */

static bool
add_all(struct mailbox *box, struct sled_err *err)
{
	struct sled_ledger *ledger =
	    sled_store_ledger(box->ask->room->cli->store);
	struct sled_page *page = &box->ask->page;
	bool ok;

	sled_page_add(page, "<ol id=\"list\" class=\"list\">\n");
	ok =
	    box->label != NULL
		? sled_ledger_below(ledger, &box->mark, take_row, box, err)
		: sled_ledger_messages(ledger, &box->where, take_row, box, err);
	if (!ok)
		return false;
	add_more(box);
	sled_page_add(page, "</ol>\n");
	if (box->shown == 0)
		sled_page_add(page, "<p class=\"none\">There is no mail "
		                    "here.</p>\n");
	return true;
}

static bool
add_account(void *ctx, const struct sled_label_row *row, struct sled_err *err)
{
	struct mailbox *box = ctx;
	bool here = box->label != NULL && strcmp(box->label, row->label) == 0;

	(void)err;
	sled_page_add(&box->ask->page,
	              here ? "<li><a href=\"/mail?account=%s\" "
	                     "aria-current=\"true\">%s</a></li>"
	                   : "<li><a href=\"/mail?account=%s\">%s</a></li>",
	              row->label, row->label);
	return true;
}

static bool
count_account(void *ctx, const struct sled_label_row *row, struct sled_err *err)
{
	(void)row;
	(void)err;
	++*(size_t *)ctx;
	return true;
}

/* Where there is more than one. */
static bool
add_accounts(struct mailbox *box, struct sled_err *err)
{
	struct sled_ledger *ledger =
	    sled_store_ledger(box->ask->room->cli->store);
	struct sled_page *page = &box->ask->page;
	size_t count = 0;

	if (!sled_ledger_labels(ledger, false, count_account, &count, err))
		return false;
	if (count < 2)
		return true;
	sled_page_add(page, "<nav aria-label=\"Accounts\">"
	                    "<ul class=\"chips\">");
	sled_page_add(page, box->label == NULL
	                        ? "<li><a href=\"/mail\" "
	                          "aria-current=\"true\">All</a></li>"
	                        : "<li><a href=\"/mail\">All</a></li>");
	if (!sled_ledger_labels(ledger, false, add_account, box, err))
		return false;
	sled_page_add(page, "</ul></nav>\n");
	return true;
}

static void
add_form(struct mailbox *box)
{
	sled_page_add(
	    &box->ask->page,
	    "<form id=\"search\" role=\"search\" action=\"/mail\">"
	    "<label class=\"hidden\" for=\"q\">Search mail</label>"
	    "<input id=\"q\" name=\"q\" type=\"search\" dir=\"auto\" "
	    "autocomplete=\"off\" spellcheck=\"false\" "
	    "aria-describedby=\"how\" maxlength=\"1000\" "
	    "placeholder=\"Search: words, from:ada, before:2026-03, "
	    "has:attachment\" value=\"%s\">"
	    "<button>Search</button></form>"
	    "<p id=\"how\" class=\"hidden\">All words must be there. "
	    "from:, to:, subject:, file:, before:, after:, has:attachment; "
	    "&quot;exact words&quot;; -word; OR.</p>\n"
	    "<p id=\"told\" class=\"hidden\" role=\"status\"></p>\n",
	    box->query);
}

/* "RECEIVED.ID" of the last row of the page before. */
static bool
read_before(const char *text, struct mailbox *box)
{
	char *end = NULL;

	box->where.before = strtoll(text, &end, 10);
	if (end == text || *end != '.')
		return false;
	box->where.before_id = strtoll(end + 1, &end, 10);
	return *end == '\0' && box->where.before_id > 0;
}

static bool
read_number(const char *text, uint64_t *out)
{
	return sled_text_u64((struct sled_span){ text, strlen(text) }, out) &&
	       *out <= INT64_MAX / 2;
}

static bool
read_args(struct mailbox *box, struct sled_err *err)
{
	const struct sled_serve_request *request = box->ask->request;
	const char *before = sled_serve_arg(request, "before");
	const char *below = sled_serve_arg(request, "below");
	const char *skip = sled_serve_arg(request, "skip");

	box->query = sled_serve_arg(request, "q");
	box->label = sled_serve_arg(request, "account");
	if (box->query != NULL &&
	    strspn(box->query, " \t") == strlen(box->query))
		box->query = NULL;
	box->where.limit = box->mark.limit = SLED_ROOM_PAGE + 1;
	box->mark.label = box->label;
	if ((before == NULL || read_before(before, box)) &&
	    (below == NULL || read_number(below, &box->mark.number)) &&
	    (skip == NULL || read_number(skip, &box->skip)) &&
	    (box->label == NULL ||
	     strspn(box->label, "abcdefghijklmnopqrstuvwxyz0123456789._-") ==
	         strlen(box->label)))
		return true;
	return sled_fail(err, SLED_ERR_USAGE, "there is no such page of mail");
}

bool
sled_room_mail(struct sled_room_ask *ask, struct sled_err *err)
{
	struct mailbox box = { .ask = ask };
	const char *only = sled_serve_arg(ask->request, "only");
	bool part = only != NULL && strcmp(only, "list") == 0;

	if (!read_args(&box, err) || !sled_room_store(ask->room, err))
		return false;
	if (!part) {
		sled_room_begin(ask, "Mail", "/mail");
		sled_page_add(&ask->page, "<h1 class=\"hidden\">Mail</h1>\n");
		add_form(&box);
		if (!add_accounts(&box, err))
			return false;
		sled_page_add(&ask->page, "<div id=\"found\">\n");
	}
	if (!(box.query != NULL ? add_search(&box, err) : add_all(&box, err)))
		return false;
	if (!part) {
		sled_page_add(&ask->page, "</div>\n");
		sled_room_end(ask);
	}
	return true;
}
