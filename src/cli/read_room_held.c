/* read_room_held.c - mail that waits on its server: what it is, what it costs,
 * and what shall become of it. Decisions are those of `mailsled want` and `drop`,
 * which are run: they alone write. */
#include <inttypes.h>
#include <string.h>

#include "cli/held.h"
#include "cli/read_room.h"

#define DECIDE_MS \
	30000 /* the lock, a slow place: want and drop give up before */

struct waiting {
	struct sled_room_ask *ask;
	const struct sled_conf_account *account;
	struct sled_maildrop maildrop;
	struct sled_cli_way way;
	const char *only; /* this id alone, or NULL */
	bool sure;        /* it is about to be dropped: no other buttons */
	uint64_t count, bytes;
};

/* ---- one ---- */

static void
add_button(struct waiting *w, const char *id, const char *action,
           const char *word)
{
	sled_page_add(&w->ask->page, "<form method=\"post\" action=\"%s\">",
	              action);
	sled_room_token(w->ask);
	sled_page_add(&w->ask->page,
	              "<input type=\"hidden\" name=\"id\" value=\"%s\">"
	              "<button>%s</button></form>\n",
	              id, word);
}

static void
add_decision(struct waiting *w, const struct sled_held_row *row)
{
	struct sled_page *page = &w->ask->page;

	sled_page_add(page, "<div class=\"actions\">");
	switch (row->decision) {
	case SLED_DECIDE_WANT:
		sled_room_state(page, "good",
		                "Wanted: the next visit fetches it");
		add_button(w, row->id, "/held/keep", "Do not fetch");
		break;
	case SLED_DECIDE_DROP:
		sled_room_state(page, "bad",
		                "Dropped: the next visit deletes it unread");
		add_button(w, row->id, "/held/keep", "Keep it");
		break;
	case SLED_DECIDE_NONE:
	default:
		add_button(w, row->id, "/held/want", "Fetch it");
		sled_page_add(page,
		              "<a class=\"button quiet\" "
		              "href=\"/held/drop?id=%s\">Delete...</a>",
		              row->id);
		break;
	}
	sled_page_add(page, "</div>\n");
}

static void
add_cost(struct waiting *w, const struct sled_held_row *row)
{
	struct sled_page *page = &w->ask->page;
	int64_t ms = sled_cli_way_ms(&w->way, row->size);
	int64_t money = sled_cli_way_money(&w->way, row->size);
	char size[SLED_CLI_WORD], word[SLED_CLI_WORD];

	sled_cli_bytes(size, row->size);
	sled_page_add(page, "<p class=\"cost\"><strong>%s</strong>", size);
	if (ms >= 0) {
		sled_cli_span(word, ms);
		sled_page_add(page, ", %s", word);
	}
	if (money >= 0) {
		sled_cli_money(word, (uint64_t)money, w->way.link->currency);
		sled_page_add(page, ", <strong>%s</strong>", word);
	}
	if (w->way.path.name[0] != '\0')
		sled_page_add(page, " by %s", w->way.path.name);
	sled_page_add(page, "</p>\n");
}

static void
add_times(struct waiting *w, const struct sled_held_row *row)
{
	struct sled_page *page = &w->ask->page;
	int64_t expires = sled_cli_expires(&w->maildrop, row->first_seen);

	sled_page_add(page, "<p class=\"faint\">%s, seen ", row->id);
	sled_room_time(w->ask, row->first_seen);
	if (expires != 0) {
		sled_page_add(page, "; the server deletes it ");
		sled_room_time(w->ask, expires);
	}
	sled_page_add(page, "</p>\n");
	if (row->lapsed[0] != '\0')
		sled_page_add(
		    page,
		    "<p class=\"note warn\">The last decision lapsed: "
		    "%s</p>\n",
		    row->lapsed);
}

static bool
add_preview(struct waiting *w, const struct sled_held_row *row,
            struct sled_err *err)
{
	struct sled_page *page = &w->ask->page;
	struct sled_buf text = { 0 };
	bool ok;

	if (!row->previewed) {
		sled_page_add(page, "<p class=\"faint\">No preview: its head "
		                    "was not cheap to get.</p>\n");
		return true;
	}
	if (row->text.len == 0)
		return true;
	ok = sled_charset_utf8(&text, row->text, NULL, err);
	if (ok) {
		sled_page_add(page, "<details><summary>First lines</summary>"
		                    "<pre class=\"text\" dir=\"auto\">");
		sled_page_text(page, sled_buf_span(&text));
		sled_page_add(page, "</pre></details>\n");
	}
	sled_buf_free(&text);
	return ok;
}

static bool
add_head(struct waiting *w, const struct sled_held_row *row,
         struct sled_err *err)
{
	struct sled_page *page = &w->ask->page;
	struct sled_buf texts[2] = { 0 };
	bool ok = sled_room_decode(row->from, row->subject, false, texts, err);

	if (ok)
		sled_page_add(page,
		              "<h3><bdi>%s</bdi></h3>\n"
		              "<p><bdi>%s</bdi></p>\n",
		              texts[1].len > 0 ? texts[1].data
		              : row->previewed ? "(no subject)"
		                               : "Not previewed",
		              texts[0].data);
	sled_buf_free(&texts[0]);
	sled_buf_free(&texts[1]);
	return ok;
}

static bool
add_row(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	struct waiting *w = ctx;
	struct sled_page *page = &w->ask->page;

	if (w->only != NULL && strcmp(w->only, row->id) != 0)
		return true;
	w->count++;
	w->bytes += row->size;
	sled_page_add(page, "<li class=\"card\" id=\"%s\">\n", row->id);
	if (!add_head(w, row, err))
		return false;
	add_cost(w, row);
	add_times(w, row);
	if (!add_preview(w, row, err))
		return false;
	if (!w->sure)
		add_decision(w, row);
	sled_page_add(page, "</li>\n");
	return !page->failed;
}

/* ---- all ---- */

static bool
add_account(struct waiting *w, const struct sled_conf_account *account,
            struct sled_err *err)
{
	struct sled_cli *cli = w->ask->room->cli;
	bool found = false;

	w->account = account;
	if (!sled_cli_maildrop(cli, account, &w->maildrop, &found, err))
		return false;
	return !found ||
	       (sled_cli_way(cli, &w->maildrop, NULL, &w->way, err) &&
	        sled_ledger_held(sled_store_ledger(cli->store), w->maildrop.id,
	                         NULL, add_row, w, err));
}

static bool
add_accounts(struct waiting *w, struct sled_err *err)
{
	const struct sled_conf *conf = w->ask->room->cli->conf;

	for (size_t i = 0; i < conf->accounts_len; i++)
		if (!add_account(w, &conf->accounts[i], err))
			return false;
	return true;
}

bool
sled_room_held(struct sled_room_ask *ask, struct sled_err *err)
{
	struct waiting w = { .ask = ask };
	char bytes[SLED_CLI_WORD];

	if (!sled_room_store(ask->room, err))
		return false;
	sled_room_begin(ask, "Held", "/held");
	sled_page_add(&ask->page,
	              "<h1>Held</h1>\n<p class=\"lead\">Large mail that stays "
	              "on its server until you decide. Nothing is connected "
	              "to now: the next visit does it.</p>\n"
	              "<ul class=\"cards\">\n");
	if (!add_accounts(&w, err))
		return false;
	sled_cli_bytes(bytes, w.bytes);
	sled_page_add(&ask->page, "</ul>\n");
	if (w.count == 0)
		sled_page_add(&ask->page,
		              "<p class=\"none\">Nothing is held.</p>\n");
	else
		sled_page_add(&ask->page,
		              "<p class=\"faint\">%llu held, %s</p>\n",
		              (unsigned long long)w.count, bytes);
	sled_room_end(ask);
	return true;
}

/* ---- decisions ---- */

/* What mailsled said when it could not: its line, and the one with advice. */
static bool
tell_end(struct sled_room_ask *ask, struct sled_err *err)
{
	static const char advice[] = "\\x0amailsled: try: ";
	const struct sled_serve_ran *ran = ask->request->ran;
	const char *why = ran->why, *next;
	size_t len;

	if (ran->started && ran->status == 0)
		return sled_room_go(ask, "/held", err);
	if (strncmp(why, "mailsled: ", 10) == 0)
		why += 10;
	next = strstr(why, advice);
	len = next == NULL ? strlen(why) : (size_t)(next - why);
	return sled_fail(err, SLED_ERR_LINK, "nothing was decided: %.*s%s%s",
	                 (int)len, why, next == NULL ? "" : ". What to do: ",
	                 next == NULL ? "" : next + strlen(advice));
}

/* Run `mailsled WORD [OPTION] ID`: ID has the form of one, so it is no option. */
static bool
decide(struct sled_room_ask *ask, const char *word, const char *option,
       struct sled_err *err)
{
	const char *id = sled_serve_arg(ask->request, "id");
	const char *file = ask->room->cli->file;
	char program[4096];
	const char *argv[8] = { program, "-q", word, option, id };
	size_t len = 5;

	if (ask->request->ran != NULL)
		return tell_end(ask, err);
	if (!ask->request->post || id == NULL || !sled_cli_is_held_id(id))
		return sled_fail(err, SLED_ERR_USAGE,
		                 "that is no held message");
	if (!sled_cli_main_there(program))
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "mailsled is not beside its reader");
	if (file != NULL) {
		argv[len++] = "-c";
		argv[len++] = file;
	}
	return sled_serve_run_program(ask->request, argv, DECIDE_MS, err);
}

bool
sled_room_want(struct sled_room_ask *ask, struct sled_err *err)
{
	bool undo = strcmp(ask->request->path, "/held/keep") == 0;

	return decide(ask, "want", undo ? "--undo" : "-q", err);
}

/* Asked once more, with what it is: it deletes mail that is stored nowhere. */
static bool
ask_drop(struct sled_room_ask *ask, struct sled_err *err)
{
	const char *id = sled_serve_arg(ask->request, "id");
	struct waiting w = { .ask = ask, .only = id, .sure = true };

	if (id == NULL || !sled_room_store(ask->room, err))
		return id != NULL || sled_fail(err, SLED_ERR_USAGE,
		                               "that is no held message");
	sled_room_begin(ask, "Delete held mail", "/held");
	sled_page_add(&ask->page,
	              "<h1>Delete it unread?</h1>\n<p class=\"lead\">It is "
	              "stored nowhere else: the next visit deletes it from the "
	              "server, for good.</p>\n<ul class=\"cards\">\n");
	if (!add_accounts(&w, err))
		return false;
	if (w.count == 0)
		return sled_fail(err, SLED_ERR_MISSING,
		                 "that message is not held any more");
	sled_page_add(&ask->page,
	              "</ul>\n<form method=\"post\" action=\"/held/drop\" "
	              "class=\"actions\">");
	sled_room_token(ask);
	sled_page_add(&ask->page,
	              "<input type=\"hidden\" name=\"id\" value=\"%s\">"
	              "<button class=\"danger\" id=\"sure\">Delete it for "
	              "good</button><a class=\"button quiet\" "
	              "href=\"/held\">Keep it</a></form>\n",
	              id);
	sled_room_end(ask);
	return true;
}

bool
sled_room_drop(struct sled_room_ask *ask, struct sled_err *err)
{
	if (!ask->request->post)
		return ask_drop(ask, err);
	return decide(ask, "drop", "--yes", err);
}
