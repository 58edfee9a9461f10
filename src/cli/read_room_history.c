/* read_room_history.c - what visits brought and cost, in pictures. */
#include <string.h>

#include "cli/read_room.h"
#include "cli/report_html.h"
#include "mailsled/plot.h"
#include "mailsled/text.h"

#define DAY_S     INT64_C(86400)
#define DAYS      30
#define DAYS_MOST 3660

static const uint64_t spans[] = { 7, 30, 90, 365 };

static void
add_spans(struct sled_room_ask *ask, uint64_t days)
{
	struct sled_page *page = &ask->page;

	sled_page_add(page, "<nav aria-label=\"Days\"><ul class=\"chips\">");
	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++)
		sled_page_add(page,
		              spans[i] == days
		                  ? "<li><a href=\"/history?days=%llu\" "
		                    "aria-current=\"true\">%llu days</a></li>"
		                  : "<li><a href=\"/history?days=%llu\">%llu "
		                    "days</a></li>",
		              (unsigned long long)spans[i],
		              (unsigned long long)spans[i]);
	sled_page_add(page, "</ul></nav>\n");
}

static bool
add_charts(struct sled_room_ask *ask, const struct sled_charts *charts,
           struct sled_err *err)
{
	struct sled_buf *out = ask->page.out;

	return sled_charts_mail(out, charts, err) &&
	       sled_charts_bytes(out, charts, err) &&
	       sled_charts_cost(out, charts, err) &&
	       sled_charts_visits(out, charts, err) &&
	       sled_charts_phases(out, charts, err) &&
	       sled_charts_link(out, charts, err) &&
	       sled_charts_growth(out, charts, err) &&
	       sled_charts_volumes(out, charts, err) &&
	       sled_report_places(out, ask->room->cli->store, charts, err);
}

bool
sled_room_history(struct sled_room_ask *ask, struct sled_err *err)
{
	const char *text = sled_serve_arg(ask->request, "days");
	struct sled_charts charts = { .now = ask->now };
	struct sled_history history = { 0 };
	uint64_t days = DAYS;
	bool ok;

	if (text != NULL &&
	    (!sled_text_u64((struct sled_span){ text, strlen(text) }, &days) ||
	     days < 1 || days > DAYS_MOST))
		return sled_fail(err, SLED_ERR_USAGE, "days: 1 to %d",
		                 DAYS_MOST);
	if (!sled_room_store(ask->room, err))
		return false;
	charts.ledger = sled_store_ledger(ask->room->cli->store);
	charts.since = ask->now - (int64_t)days * DAY_S;
	charts.history = &history;
	ok = sled_history_read(&history, charts.ledger, charts.since, NULL, 0,
	                       err);
	if (ok) {
		sled_room_begin(ask, "History", "/history");
		sled_page_add(&ask->page, "<h1>History</h1>\n");
		add_spans(ask, days);
		sled_page_add(&ask->page, "<section class=\"charts\" "
		                          "aria-label=\"Charts\">\n");
		ok = add_charts(ask, &charts, err);
		sled_page_add(&ask->page, "</section>\n");
		sled_room_end(ask);
	}
	sled_history_free(&history);
	return ok;
}
