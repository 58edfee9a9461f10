/* read_room_home.c - the overview: what needs attention, the next visit, the
 * last ones, the copies, the budgets. */
#include <inttypes.h>
#include <string.h>

#include "cli/held.h"
#include "cli/read_room.h"
#include "cli/status.h"
#include "mailsled/charts.h"
#include "mailsled/clock.h"

#define DAY_S      INT64_C(86400)
#define SHOWN_DAYS 30 /* of the charts */

struct home {
	struct sled_room_ask *ask;
	struct sled_ledger *ledger;
	struct sled_page worries; /* <li> each */
	uint64_t count;
};

static void
add_worry(struct home *home, const char *class, const char *word,
          const char *link)
{
	home->count++;
	sled_page_add(&home->worries, "<li>");
	sled_room_state(&home->worries, class, word);
	sled_page_add(&home->worries, " <a href=\"%s\">", link);
}

static void
end_worry(struct home *home)
{
	sled_page_add(&home->worries, "</a></li>\n");
}

/* ---- accounts ---- */

static void
add_outcome(struct sled_page *page, const struct sled_visit_row *visit)
{
	const struct {
		uint64_t count;
		const char *word;
	} parts[] = {
		{ visit->deleted, "deleted" }, { visit->kept, "kept" },
		{ visit->held, "held" },       { visit->left, "left" },
		{ visit->failed, "failed" },
	};

	char bytes[SLED_CLI_WORD];

	sled_cli_bytes(bytes, visit->mail_bytes);
	sled_page_add(page, "%llu came", (unsigned long long)visit->fetched);
	if (visit->fetched > 0)
		sled_page_add(page, ", %s", bytes);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (parts[i].count > 0)
			sled_page_add(page, ", %llu %s",
			              (unsigned long long)parts[i].count,
			              parts[i].word);
}

static void
add_wire(struct sled_page *page, const struct sled_visit_row *visit)
{
	char down[SLED_CLI_WORD], up[SLED_CLI_WORD], took[SLED_CLI_WORD];

	sled_cli_bytes(down, visit->wire_down);
	sled_cli_bytes(up, visit->wire_up);
	sled_cli_span(took, visit->ms);
	sled_page_add(page, "%s, %s down, %s up", took, down, up);
}

static bool
add_account(struct home *home, const struct sled_conf_account *account,
            struct sled_err *err)
{
	struct sled_page *page = &home->ask->page;
	struct sled_visit_row visit = { .id = 0 };

	if (!sled_cli_last_visit(home->ledger, account->name, home->ask->now,
	                         &visit, err))
		return false;
	sled_page_add(page,
	              "<tr><th scope=\"row\"><a href=\"/mail?account=%s\">%s"
	              "</a></th>",
	              account->name, account->name);
	if (visit.id == 0) {
		sled_page_add(page, "<td colspan=\"3\" class=\"faint\">never "
		                    "visited</td></tr>\n");
		return true;
	}
	sled_page_add(page, "<td>");
	sled_room_time(home->ask, visit.began);
	sled_page_add(page, "</td><td>");
	if (visit.error[0] != '\0') {
		sled_room_state(page, "bad", "Failed");
		sled_page_add(page, " %s", visit.error);
		add_worry(home, "bad", "Failed", "/history");
		sled_page_add(&home->worries, "The last visit to %s: %s",
		              account->name, visit.error);
		end_worry(home);
	} else {
		add_outcome(page, &visit);
	}
	sled_page_add(page, "</td><td class=\"faint wide\">");
	add_wire(page, &visit);
	sled_page_add(page, "</td></tr>\n");
	return true;
}

static bool
add_accounts(struct home *home, struct sled_err *err)
{
	const struct sled_conf *conf = home->ask->room->cli->conf;
	struct sled_page *page = &home->ask->page;

	sled_page_add(
	    page, "<section aria-labelledby=\"visits\"><h2 id=\"visits\">"
		  "Last visits</h2>\n<div class=\"scroll\"><table>"
		  "<thead class=\"hidden\"><tr><th>Account</th><th>When</th>"
		  "<th>What came</th><th>What it took</th></tr></thead>"
		  "<tbody>\n");
	for (size_t i = 0; i < conf->accounts_len; i++)
		if (!add_account(home, &conf->accounts[i], err))
			return false;
	sled_page_add(page, "</tbody></table></div></section>\n");
	return true;
}

/* ---- copies ---- */

static void
worry_of(struct home *home, const struct sled_place_status *place,
         const struct sled_outlook *outlook)
{
	const char *word = NULL, *why = NULL;
	bool bad = true;

	if (place->damaged > 0) {
		word = "Damaged";
		why = "holds mail that is not what was stored";
	} else if (!place->present && (!place->far || place->fails)) {
		word = place->far ? "Not reached" : "Absent";
		why = place->far ? "could not be reached" : "is not there";
		bad = place->late;
	} else if (outlook->low) {
		word = "Low";
		why = "has little room left";
	}
	if (word == NULL)
		return;
	add_worry(home, bad ? "bad" : "warn", word, "/health");
	sled_page_add(&home->worries, "<bdi>%s</bdi> %s", place->path, why);
	end_worry(home);
}

static bool
add_place(struct home *home, size_t i, struct sled_err *err)
{
	struct sled_place_status place = { 0 };
	struct status status = { .cli = home->ask->room->cli,
		                 .ledger = home->ledger,
		                 .now = home->ask->now };
	struct sled_page *page = &home->ask->page;
	struct sled_outlook outlook;
	char free_bytes[SLED_CLI_WORD];

	if (!sled_room_place(home->ask->room, i, &place, err) ||
	    !sled_status_outlook(&status, &place, 0, &outlook, err))
		return false;
	sled_page_add(page, "<tr><th scope=\"row\"><bdi>%s</bdi></th><td>",
	              place.path);
	sled_room_place_state(page, &place);
	sled_page_add(page, "</td><td class=\"faint\">");
	sled_cli_bytes(free_bytes, place.free_bytes);
	if (place.present)
		sled_page_add(page, "%s free", free_bytes);
	sled_page_add(page, "</td></tr>\n");
	worry_of(home, &place, &outlook);
	return true;
}

static bool
add_places(struct home *home, struct sled_err *err)
{
	struct sled_page *page = &home->ask->page;

	sled_page_add(page,
	              "<section aria-labelledby=\"copies\"><h2 id=\"copies\">"
	              "<a href=\"/health\">Copies</a></h2>\n<div "
	              "class=\"scroll\"><table><thead class=\"hidden\"><tr>"
	              "<th>Place</th><th>State</th><th>Room</th></tr></thead>"
	              "<tbody>\n");
	for (size_t i = 0; i < sled_store_places(home->ask->room->cli->store);
	     i++)
		if (!add_place(home, i, err))
			return false;
	sled_page_add(page, "</tbody></table></div></section>\n");
	return true;
}

/* ---- budgets ---- */

static bool
add_budget(void *ctx, const struct sled_cli_budget *budget,
           struct sled_err *err)
{
	struct home *home = ctx;
	struct sled_page *page = &home->ask->page;
	unsigned percent = (unsigned)(budget->share * 100);

	(void)err;
	if (home->count == 0)
		sled_page_add(page, "<section aria-labelledby=\"budgets\">"
		                    "<h2 id=\"budgets\">Budgets</h2>\n<ul "
		                    "class=\"budgets\">\n");
	home->count++;
	sled_page_add(page,
	              "<li><span class=\"budget\"><strong>%s</strong> "
	              "%s</span> <meter min=\"0\" max=\"100\" low=\"75\" "
	              "high=\"95\" optimum=\"0\" value=\"%u\" "
	              "aria-label=\"%s on %s\">%u %%</meter> "
	              "<span>%s used, %s left</span> "
	              "<span class=\"faint\">anew %s</span></li>\n",
	              budget->link, budget->what, percent, budget->what,
	              budget->link, percent, budget->used, budget->left,
	              budget->anew);
	return !page->failed;
}

static bool
add_budgets(struct sled_room_ask *ask, struct sled_err *err)
{
	struct home home = { .ask = ask };

	if (!sled_cli_budget_each(ask->room->cli, ask->now, add_budget, &home,
	                          err))
		return false;
	if (home.count > 0)
		sled_page_add(&ask->page, "</ul></section>\n");
	return true;
}

/* ---- held ---- */

static bool
count_held(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	(void)err;
	*(uint64_t *)ctx += row->decision == SLED_DECIDE_NONE;
	return true;
}

static bool
add_held(struct home *home, struct sled_err *err)
{
	uint64_t count = 0;

	if (!sled_ledger_held(home->ledger, 0, NULL, count_held, &count, err))
		return false;
	if (count == 0)
		return true;
	add_worry(home, "warn", "Held", "/held");
	sled_room_count(&home->worries, count, "message");
	sled_page_add(&home->worries, " on the server: fetch or delete?");
	end_worry(home);
	return true;
}

/* ---- the page ---- */

static bool
add_charts(struct home *home, struct sled_err *err)
{
	struct sled_charts charts = { .ledger = home->ledger,
		                      .since =
		                          home->ask->now - SHOWN_DAYS * DAY_S,
		                      .now = home->ask->now };
	struct sled_history history = { 0 };
	struct sled_buf *out = home->ask->page.out;
	bool ok = sled_history_read(&history, home->ledger, charts.since, NULL,
	                            0, err);

	charts.history = &history;
	if (ok) {
		sled_page_add(&home->ask->page,
		              "<section class=\"charts\" "
		              "aria-label=\"Last 30 days\">\n");
		ok = sled_charts_mail(out, &charts, err) &&
		     sled_charts_visits(out, &charts, err);
		sled_page_add(&home->ask->page, "</section>\n");
	}
	sled_history_free(&history);
	return ok;
}

static bool
gather(struct home *home, struct sled_err *err)
{
	return add_accounts(home, err) && add_places(home, err) &&
	       add_budgets(home->ask, err) && add_held(home, err);
}

/* What stands on top is known last: what is below is written first. */
static bool
write_home(struct home *home, struct sled_err *err)
{
	struct sled_page *page = &home->ask->page;
	struct sled_buf below = { 0 }, *out = page->out;
	bool ok;

	page->out = &below;
	ok = gather(home, err);
	page->out = out;
	if (ok) {
		sled_page_add(page,
		              home->count == 0
		                  ? "<h1 class=\"good\">All is well</h1>\n"
		                  : "<h1>Overview</h1>\n");
		sled_room_next(home->ask);
		if (home->count > 0) {
			sled_page_add(page,
			              "<ul class=\"worries\" "
			              "aria-label=\"Needs attention\">\n");
			sled_page_markup(page,
			                 sled_buf_span(home->worries.out));
			sled_page_add(page, "</ul>\n");
		}
		sled_page_markup(page, sled_buf_span(&below));
		ok = add_charts(home, err);
	}
	sled_buf_free(&below);
	return ok;
}

bool
sled_room_home(struct sled_room_ask *ask, struct sled_err *err)
{
	struct sled_buf worries = { 0 };
	struct home home = { .ask = ask };
	bool ok;

	if (!sled_room_store(ask->room, err))
		return false;
	home.ledger = sled_store_ledger(ask->room->cli->store);
	home.worries = (struct sled_page){ &worries, err, false };
	sled_room_begin(ask, "Overview", "/");
	ok = write_home(&home, err);
	sled_room_end(ask);
	sled_buf_free(&worries);
	return ok;
}

/* ---- another browser ---- */

bool
sled_room_another(struct sled_room_ask *ask, struct sled_err *err)
{
	struct sled_buf address = { 0 };
	bool ok;

	if (!ask->request->post)
		return sled_fail(err, SLED_ERR_USAGE, "that is a form's");
	ok = sled_serve_address(ask->room->serve, &address, err);
	if (ok) {
		sled_room_begin(ask, "Another browser", "");
		sled_page_add(
		    &ask->page,
		    "<h1>Another browser</h1>\n<p>Open this address in "
		    "it, once. It is worth as much as the mail: give it "
		    "to nobody.</p>\n<pre class=\"address\">%s</pre>\n",
		    address.data);
		sled_room_end(ask);
	}
	sled_buf_free(&address);
	return ok;
}
