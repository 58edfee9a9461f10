/* read_room.c - what all pages of the reading room stand on. */
#include "cli/read_room.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "mailsled/clock.h"

#define FRESH_MS    1000 /* what is known of a store is old after that */
#define PATIENCE    20   /* ... but so many times what opening it took */
#define YEARLY_S    INT64_C(25920000) /* 300 days: no month comes twice */
#define CATCH_UP_MS 150 /* of adding to the index before an answer */

/* ---- the store ---- */

void
sled_room_close(void *ctx)
{
	struct sled_room *room = ctx;

	sled_index_close(&room->index);
	sled_store_close(&room->cli->store);
}

bool
sled_room_store(struct sled_room *room, struct sled_err *err)
{
	int64_t now = sled_clock_ms(), age = now - room->opened_ms;

	if (room->cli->store != NULL && age > FRESH_MS &&
	    age > PATIENCE * room->took_ms)
		sled_room_close(room);
	if (room->cli->store != NULL)
		return true;
	if (!sled_cli_store(room->cli, SLED_STORE_READ, err))
		return false;
	room->opened_ms = sled_clock_ms();
	room->took_ms = room->opened_ms - now;
	return true;
}

bool
sled_room_index(struct sled_room *room, struct sled_err *err)
{
	if (!sled_room_store(room, err))
		return false;
	return room->index != NULL ||
	       sled_cli_read_open(room->cli, CATCH_UP_MS, &room->index,
	                          &room->missing, err);
}

/* ---- the frame ---- */

static const struct {
	const char *path, *name;
} entries[] = {
	{ "/", "Overview" },       { "/mail", "Mail" },     { "/held", "Held" },
	{ "/history", "History" }, { "/health", "Health" },
};

void
sled_room_begin(struct sled_room_ask *ask, const char *title, const char *here)
{
	struct sled_page *page = &ask->page;

	sled_page_head(page, title);
	sled_page_add(page,
	              "<script src=\"/page.js\" defer></script>"
	              "</head><body>\n"
	              "<a class=\"skip\" href=\"#main\">Skip to the page</a>\n"
	              "<header class=\"top\"><nav aria-label=\"Pages\">"
	              "<span class=\"brand\">mailsled</span><ul>");
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		bool current = strcmp(entries[i].path, here) == 0;

		sled_page_add(page,
		              current ? "<li><a href=\"%s\" "
		                        "aria-current=\"page\">%s</a></li>"
		                      : "<li><a href=\"%s\">%s</a></li>",
		              entries[i].path, entries[i].name);
	}
	sled_page_add(page, "</ul></nav></header>\n<main id=\"main\">\n");
}

void
sled_room_end(struct sled_room_ask *ask)
{
	sled_page_add(&ask->page, "</main>\n<footer class=\"foot\">"
	                          "<form method=\"post\" action=\"/another\">");
	sled_room_token(ask);
	sled_page_add(&ask->page,
	              "<button class=\"link\">Open in another browser</button>"
	              "</form><button class=\"link\" id=\"keys\" hidden>"
	              "Keys</button></footer>\n</body></html>\n");
}

void
sled_room_token(struct sled_room_ask *ask)
{
	sled_page_add(&ask->page,
	              "<input type=\"hidden\" name=\"token\" value=\"%s\">",
	              ask->request->token);
}

bool
sled_room_go(struct sled_room_ask *ask, const char *path, struct sled_err *err)
{
	return sled_buf_addstr(&ask->answer->location, path, err);
}

/* ---- words ---- */

/* The hour of today, the day of this year, or the date. */
static void
write_near(char out[SLED_CLI_WORD], int64_t when, int64_t now)
{
	time_t then = (time_t)when, today = (time_t)now;
	struct tm a, b;
	size_t len;

	(void)snprintf(out, SLED_CLI_WORD, "-");
	if (localtime_r(&then, &a) == NULL || localtime_r(&today, &b) == NULL)
		return;
	if (a.tm_year == b.tm_year && a.tm_yday == b.tm_yday)
		len = strftime(out, SLED_CLI_WORD, "%H:%M", &a);
	else if (when > now - YEARLY_S && when < now + YEARLY_S)
		len = strftime(out, SLED_CLI_WORD, "%e %b", &a);
	else
		len = strftime(out, SLED_CLI_WORD, "%Y-%m-%d", &a);
	if (len == 0)
		(void)snprintf(out, SLED_CLI_WORD, "-");
}

void
sled_room_time(struct sled_room_ask *ask, int64_t when)
{
	char iso[SLED_TIME_TEXT], whole[SLED_CLI_WORD], near[SLED_CLI_WORD];

	sled_clock_rfc3339(when, iso);
	sled_cli_time(whole, when);
	write_near(near, when, ask->now);
	sled_page_add(&ask->page,
	              "<time datetime=\"%s\" title=\"%s\">%s</time>", iso,
	              whole, near);
}

void
sled_room_count(struct sled_page *page, uint64_t count, const char *one)
{
	sled_page_add(page, "%llu %s%s", (unsigned long long)count, one,
	              count == 1 ? "" : "s");
}

void
sled_room_state(struct sled_page *page, const char *class, const char *word)
{
	sled_page_add(page, "<span class=\"state %s\">%s</span>", class, word);
}

bool
sled_room_decode(struct sled_span from, struct sled_span subject, bool name,
                 struct sled_buf texts[2], struct sled_err *err)
{
	return (name ? sled_words_name(&texts[0], from, err)
	             : sled_words_people(&texts[0], from, err)) &&
	       sled_words_text(&texts[1], subject, err);
}
