/* report_html.c - the report as one page. */
#include "cli/report_html.h"

#include <inttypes.h>
#include <string.h>

#include "mailsled/charts.h"
#include "mailsled/plot.h"
#include "mailsled/text.h"

struct page {
	const struct sled_report *report;
	struct sled_charts charts;
	struct sled_report_health health;
	struct sled_buf *out;
	struct sled_err *err;
};

bool
sled_report_text(struct sled_buf *out, const char *text, struct sled_err *err)
{
	return sled_text_html(out, (struct sled_span){ text, strlen(text) },
	                      err);
}

static bool
add(const struct page *page, const char *markup)
{
	return sled_buf_addstr(page->out, markup, page->err);
}

static bool
add_text(const struct page *page, const char *text)
{
	return sled_report_text(page->out, text, page->err);
}

/* ---- sections ---- */

static bool
draw_mail(struct page *page)
{
	return add(page, "<div class=\"figures\">\n") &&
	       sled_charts_mail(page->out, &page->charts, page->err) &&
	       sled_charts_bytes(page->out, &page->charts, page->err) &&
	       add(page, "</div>\n");
}

/* The lines of `report`'s "budgets", its head left out. */
static bool
add_budgets(const struct page *page, char *text)
{
	char *line, *rest = text;
	bool ok = add(page, "<div class=\"card\"><h3>Budgets</h3><ul>\n");

	(void)strsep(&rest, "\n");
	while (ok && (line = strsep(&rest, "\n")) != NULL)
		ok = line[0] == '\0' ||
		     (add(page, "<li>") &&
		      add_text(page, line + strspn(line, " ")) &&
		      add(page, "</li>\n"));
	return ok && add(page, "</ul></div>\n");
}

static bool
draw_cost(struct page *page)
{
	struct sled_buf budgets = { 0 };
	bool ok = add(page, "<div class=\"figures\">\n") &&
	          sled_charts_cost(page->out, &page->charts, page->err) &&
	          add(page, "</div>\n") &&
	          sled_cli_budgets(page->report->cli, page->report->now,
	                           &budgets, page->err) &&
	          (budgets.len == 0 || add_budgets(page, budgets.data));

	sled_buf_free(&budgets);
	return ok;
}

static bool
draw_visits(struct page *page)
{
	return add(page, "<div class=\"figures\">\n") &&
	       sled_charts_phases(page->out, &page->charts, page->err) &&
	       sled_charts_visits(page->out, &page->charts, page->err) &&
	       add(page, "</div>\n") &&
	       sled_report_rounds(page->out, page->report, page->err);
}

static bool
draw_links(struct page *page)
{
	return add(page, "<div class=\"figures\">\n") &&
	       sled_charts_link(page->out, &page->charts, page->err) &&
	       add(page, "</div>\n");
}

static bool
draw_archive(struct page *page)
{
	return add(page, "<div class=\"figures\">\n") &&
	       sled_charts_growth(page->out, &page->charts, page->err) &&
	       sled_charts_volumes(page->out, &page->charts, page->err) &&
	       add(page, "</div>\n");
}

static bool
draw_health(struct page *page)
{
	return sled_report_copies(page->out, page->report, &page->health,
	                          page->err);
}

static const struct section {
	const char *id, *title, *about;
	bool (*draw)(struct page *page);
} sections[] = {
	{ "mail", "Mail", "What came, and what the wire carried for it.",
	  draw_mail },
	{ "cost", "Cost", "What the links were paid for.", draw_cost },
	{ "visits", "Visits", "Where their time went, and how they ended.",
	  draw_visits },
	{ "links", "Links", "How good they were, by interface.", draw_links },
	{ "archive", "Archive", "All that is kept, of every account.",
	  draw_archive },
	{ "health", "Health", "The copies, and when they were last read.",
	  draw_health },
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static bool
add_sections(struct page *page)
{
	for (size_t i = 0; i < SECTIONS; i++)
		if (!sled_buf_printf(page->out, page->err,
		                     "<section id=\"%s\"><h2>%s</h2>\n"
		                     "<p>%s</p>\n",
		                     sections[i].id, sections[i].title,
		                     sections[i].about) ||
		    !sections[i].draw(page) || !add(page, "</section>\n"))
			return false;
	return true;
}

/* ---- the head ---- */

static bool
add_head(const struct page *page)
{
	return add(page,
	           "<!DOCTYPE html>\n<html lang=\"en\"><head>\n"
	           "<meta charset=\"utf-8\"/>\n"
	           "<meta name=\"viewport\" content=\"width=device-width, "
	           "initial-scale=1\"/>\n"
	           "<meta http-equiv=\"Content-Security-Policy\" "
	           "content=\"default-src 'none'; style-src "
	           "'unsafe-inline'\"/>\n"
	           "<title>mailsled report</title>\n<style>\n") &&
	       add(page, sled_plot_style()) && add(page, sled_report_style()) &&
	       add(page, "</style></head>\n<body>\n");
}

/* "Visits to home, work. Archive and health are the whole store's." */
static bool
add_accounts(const struct page *page)
{
	const struct sled_cli *cli = page->report->cli;

	if (cli->args_len == 0)
		return true;
	for (unsigned i = 0; i < cli->args_len; i++)
		if (!add(page, i == 0 ? " Visits to " : ", ") ||
		    !add_text(page, cli->args[i]))
			return false;
	return add(page, ". Archive and health are the whole store's.");
}

static bool
add_title(const struct page *page)
{
	char since[80], until[80], now[SLED_CLI_WORD];

	sled_report_date(since, page->report->since);
	sled_report_date(until, page->report->now);
	sled_cli_time(now, page->report->now);
	if (!sled_buf_printf(page->out, page->err,
	                     "<header><h1>Mail from %s to %s</h1>\n"
	                     "<p>The store in ",
	                     since, until) ||
	    !add_text(page, page->report->cli->conf->store.path) ||
	    !sled_buf_printf(page->out, page->err, ", as it was at %s.", now) ||
	    !add_accounts(page) || !add(page, "</p>\n<nav>"))
		return false;
	for (size_t i = 0; i < SECTIONS; i++)
		if (!sled_buf_printf(page->out, page->err,
		                     "<a href=\"#%s\">%s</a> ", sections[i].id,
		                     sections[i].title))
			return false;
	return add(page, "</nav></header>\n");
}

/* ---- what one looks for first ---- */

static bool
add_tile(const struct page *page, const char *value, const char *name)
{
	return add(page, "<li><b>") && add_text(page, value) &&
	       add(page, "</b><span>") && add_text(page, name) &&
	       add(page, "</span></li>\n");
}

static bool
add_money(const struct page *page)
{
	const struct sled_history_sum *all = page->report->all;

	for (size_t i = 0; i < SLED_HISTORY_CURRENCIES; i++) {
		char money[SLED_CLI_WORD];

		if (all->money[i].currency[0] == '\0')
			break;
		sled_cli_money(money, all->money[i].amount,
		               all->money[i].currency);
		if (!add_tile(page, money, "were paid"))
			return false;
	}
	return true;
}

static bool
add_tiles(const struct page *page)
{
	const struct sled_history_sum *all = page->report->all;
	char count[SLED_CLI_WORD], mail[SLED_CLI_WORD], wire[SLED_CLI_WORD];
	char took[SLED_CLI_WORD], visits[SLED_CLI_WORD], copies[SLED_CLI_WORD];

	(void)snprintf(count, sizeof(count), "%" PRIu64, all->messages);
	(void)snprintf(visits, sizeof(visits), "%" PRIu64, all->visits);
	(void)snprintf(copies, sizeof(copies), "%zu of %zu", page->health.whole,
	               page->health.places);
	sled_cli_bytes(mail, all->mail);
	sled_cli_bytes(wire, all->wire);
	sled_cli_span(took, (int64_t)all->ms);
	return add(page, "<ul class=\"tiles\">\n") &&
	       add_tile(page, count,
	                all->messages == 1 ? "message came"
	                                   : "messages came") &&
	       add_tile(page, mail, "of mail") &&
	       add_tile(page, wire, "on the wire") &&
	       add_tile(page, visits, all->visits == 1 ? "visit" : "visits") &&
	       add_tile(page, took, "on the line") && add_money(page) &&
	       add_tile(page, copies, "places are whole") &&
	       add(page, "</ul>\n");
}

static bool
add_notices(const struct page *page)
{
	const struct sled_report_health *health = &page->health;

	if (health->notices.len == 0)
		return add(page, "<ul class=\"notices\"><li>All is well: every "
		                 "place is there and holds everything."
		                 "</li></ul>\n");
	return sled_buf_printf(page->out, page->err,
	                       "<ul class=\"notices %s\">\n",
	                       health->bad ? "bad" : "warn") &&
	       sled_buf_add(page->out, health->notices.data,
	                    health->notices.len, page->err) &&
	       add(page, "</ul>\n");
}

static bool
add_page(struct page *page)
{
	return add_head(page) && add_title(page) && add(page, "<main>\n") &&
	       add_notices(page) && add_tiles(page) && add_sections(page) &&
	       add(page, "</main>\n<footer>Made by mailsled " SLED_VERSION
	                 ". Nothing in this page is loaded from elsewhere."
	                 "</footer>\n</body></html>\n");
}

bool
sled_report_html(struct sled_buf *out, const struct sled_report *report,
                 struct sled_err *err)
{
	struct page page = {
		.report = report,
		.charts = { sled_store_ledger(report->cli->store),
		            report->history, report->since, report->now },
		.out = out,
		.err = err,
	};
	bool ok =
	    sled_report_health(&page.health, report, err) && add_page(&page);

	sled_report_health_free(&page.health);
	return ok;
}
