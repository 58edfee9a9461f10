/* read_room_health.c - each copy: is it there, is it whole, when was it read. */
#include <inttypes.h>
#include <string.h>

#include "cli/read_room.h"
#include "cli/status.h"

#define DAY_S      INT64_C(86400)
#define FAULTS_MAX 20 /* of a place that are named */
#define UNREAD     30 /* days that a byte may go unread */

/* ---- places ---- */

struct faults {
	struct sled_room_ask *ask;
	uint64_t count;
};

static bool
add_fault(void *ctx, const struct sled_fault_row *row, struct sled_err *err)
{
	struct faults *faults = ctx;

	(void)err;
	if (++faults->count <= FAULTS_MAX)
		sled_page_add(&faults->ask->page, "<li>%s</li>\n", row->text);
	return true;
}

static bool
add_faults(struct sled_room_ask *ask, const struct sled_place_status *place,
           struct sled_err *err)
{
	struct faults faults = { ask, 0 };

	if (place->damaged == 0)
		return true;
	sled_page_add(&ask->page, "<ul class=\"faults\">\n");
	if (!sled_ledger_faults(sled_store_ledger(ask->room->cli->store),
	                        place->id, add_fault, &faults, err))
		return false;
	sled_page_add(&ask->page, "</ul>\n");
	if (faults.count > FAULTS_MAX)
		sled_page_add(&ask->page, "<p>and %llu more</p>\n",
		              (unsigned long long)faults.count - FAULTS_MAX);
	return true;
}

/* What this page's verify found, no ledger has: it only reads. */
static void
add_found(struct sled_room *room, struct sled_place_status *place)
{
	uint64_t found = sled_room_check_faults(room, place->path);

	if (found > place->damaged)
		place->damaged = found;
}

bool
sled_room_place(struct sled_room *room, size_t i, struct sled_place_status *out,
                struct sled_err *err)
{
	if (!sled_store_place(room->cli->store, i, out, err))
		return false;
	add_found(room, out);
	return true;
}

void
sled_room_place_state(struct sled_page *page,
                      const struct sled_place_status *place)
{
	if (place->damaged > 0)
		sled_room_state(page, "bad", "Damaged");
	else if (place->far && place->fails)
		sled_room_state(page, "warn", "Not reached");
	else if (!place->far && !place->present)
		sled_room_state(page, place->late ? "bad" : "warn", "Absent");
	else if (place->lacks > 0)
		sled_room_state(page, "warn", "Behind");
	else if (place->why[0] != '\0')
		sled_room_state(page, "warn", "Not written");
	else
		sled_room_state(page, "good", "Whole");
}

static void
add_room(struct sled_page *page, const struct sled_place_status *place,
         const struct sled_outlook *outlook)
{
	char word[SLED_CLI_WORD];

	sled_cli_bytes(word, place->free_bytes);
	sled_page_add(page, "<div><dt>Free</dt><dd>%s", word);
	if (outlook->low) {
		sled_page_add(page, " ");
		sled_room_state(page, "bad", "Low");
	}
	sled_page_add(page, "</dd></div>\n");
	if (outlook->days == 0)
		return;
	sled_page_add(page, "<div><dt>Full in about</dt><dd>");
	sled_room_count(page, outlook->days, "day");
	sled_page_add(page, "</dd></div>\n");
}

static void
add_facts(struct sled_room_ask *ask, const struct sled_place_status *place,
          const struct sled_outlook *outlook)
{
	struct sled_page *page = &ask->page;
	char word[SLED_CLI_WORD];

	sled_page_add(page, "<dl class=\"facts\">\n");
	if (place->present)
		add_room(page, place, outlook);
	if (!place->present && place->seen != 0) {
		sled_page_add(page, "<div><dt>%s</dt><dd>",
		              place->far ? "Last whole" : "Last seen");
		sled_room_time(ask, place->seen);
		sled_page_add(page, "</dd></div>\n");
	}
	if (place->lacks > 0) {
		sled_cli_bytes(word, place->lacks);
		sled_page_add(page, "<div><dt>Lacks</dt><dd>%s</dd></div>\n",
		              word);
	}
	if (place->oldest != 0) {
		sled_page_add(page, "<div><dt>All read since</dt><dd>");
		sled_room_time(ask, place->oldest);
		sled_page_add(page, "</dd></div>\n");
	}
	sled_page_add(page, "</dl>\n");
}

static void
add_advice(struct sled_room_ask *ask, const struct sled_place_status *place)
{
	struct sled_page *page = &ask->page;
	int64_t days = (ask->now - place->oldest) / DAY_S;

	if (place->damaged > 0)
		sled_page_add(page,
		              "<p class=\"note bad\">%llu damaged; what other "
		              "copies hold is brought back by <code>mailsled "
		              "repair</code></p>\n",
		              (unsigned long long)place->damaged);
	else if (place->oldest != 0 && days > UNREAD)
		sled_page_add(page,
		              "<p class=\"note warn\">Some of it was not read "
		              "for %lld days: <code>mailsled tend --seconds "
		              "600</code></p>\n",
		              (long long)days);
}

struct places {
	struct sled_room_ask *ask;
	size_t count;
};

static bool
add_place(void *ctx, const struct sled_place_status *status,
          const struct sled_outlook *outlook, struct sled_err *err)
{
	struct places *places = ctx;
	struct sled_page *page = &places->ask->page;
	struct sled_place_status place = *status;

	add_found(places->ask->room, &place);
	sled_page_add(page,
	              "<li class=\"card place\" id=\"place-%zu\"><h3><bdi>%s"
	              "</bdi></h3>\n<p>",
	              ++places->count, place.path);
	sled_room_place_state(page, &place);
	sled_page_add(page, "%s%s</p>\n", place.why[0] == '\0' ? "" : " ",
	              place.why);
	add_facts(places->ask, &place, outlook);
	if (!add_faults(places->ask, &place, err))
		return false;
	add_advice(places->ask, &place);
	sled_page_add(page, "</li>\n");
	return !page->failed;
}

static bool
add_places(struct sled_room_ask *ask, struct sled_err *err)
{
	struct sled_cli *cli = ask->room->cli;
	struct status status = { .cli = cli,
		                 .ledger = sled_store_ledger(cli->store),
		                 .now = ask->now,
		                 .sum = &ask->room->sum };
	struct places places = { .ask = ask };

	sled_page_add(&ask->page, "<section aria-labelledby=\"copies\">"
	                          "<h2 id=\"copies\">Copies</h2>\n"
	                          "<ul class=\"cards\">\n");
	if (!sled_status_each_place(&status, add_place, &places, err))
		return false;
	sled_page_add(&ask->page, "</ul></section>\n");
	return true;
}

/* ---- volumes ---- */

static bool
add_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct sled_room_ask *ask = ctx;
	struct sled_page *page = &ask->page;
	char bytes[SLED_CLI_WORD];

	(void)err;
	sled_cli_bytes(bytes, row->end);
	sled_page_add(page,
	              "<tr><th scope=\"row\">%s/%s</th><td class=\"number\">%s"
	              "</td><td>",
	              row->label, row->name, bytes);
	if (row->revision > 0)
		sled_room_state(page, "bad", "Has lost mail");
	else
		sled_page_add(page, "%s",
		              row->sealed   ? "sealed"
		              : row->turned ? "full"
		                            : "being filled");
	sled_page_add(page, "</td></tr>\n");
	return !page->failed;
}

static bool
add_volumes(struct sled_room_ask *ask, struct sled_err *err)
{
	sled_page_add(&ask->page,
	              "<section aria-labelledby=\"volumes\">"
	              "<h2 id=\"volumes\">Archives</h2>\n<div class=\"scroll\">"
	              "<table><thead><tr><th scope=\"col\">Archive</th>"
	              "<th scope=\"col\" class=\"number\">Size</th>"
	              "<th scope=\"col\">State</th></tr></thead><tbody>\n");
	if (!sled_ledger_volumes(sled_store_ledger(ask->room->cli->store), NULL,
	                         add_volume, ask, err))
		return false;
	sled_page_add(&ask->page, "</tbody></table></div></section>\n");
	return true;
}

static bool
add_drill(struct sled_room_ask *ask, struct sled_err *err)
{
	struct sled_health_row row = { .at = 0 };
	struct sled_page *page = &ask->page;
	bool found = false;

	if (!sled_ledger_health(sled_store_ledger(ask->room->cli->store),
	                        "drill", &row, &found, err))
		return false;
	if (!found)
		return true;
	sled_page_add(page, "<section aria-labelledby=\"drill\">"
	                    "<h2 id=\"drill\">Drill</h2>\n<p>");
	sled_room_state(page, row.fine ? "good" : "bad",
	                row.fine ? "Fine" : "Failed");
	sled_page_add(page, " ");
	sled_room_time(ask, row.at);
	sled_page_add(page, ": %s</p></section>\n", row.text);
	return true;
}

bool
sled_room_health(struct sled_room_ask *ask, struct sled_err *err)
{
	if (!sled_room_store(ask->room, err))
		return false;
	sled_room_begin(ask, "Health", "/health");
	sled_page_add(&ask->page, "<h1>Health</h1>\n");
	if (!add_places(ask, err))
		return false;
	if (sled_store_one_disk(ask->room->cli->store))
		sled_page_add(&ask->page,
		              "<p class=\"note warn\">All copies are on one "
		              "disk: when it dies, all of them do.</p>\n");
	sled_room_check_show(ask);
	if (!add_drill(ask, err) || !add_volumes(ask, err))
		return false;
	sled_room_end(ask);
	return true;
}
