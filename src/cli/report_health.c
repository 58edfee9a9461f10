/* report_health.c - of the report's page: what is wrong, and the copies. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report_html.h"
#include "cli/status.h"
#include "mailsled/text.h"

#define FAULTS 20 /* damaged members that are listed */

struct gathering {
	const struct sled_report *report;
	struct sled_report_health *out;
};

void
sled_report_health_free(struct sled_report_health *health)
{
	sled_buf_free(&health->notices);
	sled_buf_free(&health->rows);
}

static bool
notice(struct sled_report_health *out, bool bad, const char *text,
       struct sled_err *err)
{
	out->bad = out->bad || bad;
	return sled_buf_printf(&out->notices, err, "<li class=\"%s\">",
	                       bad ? "bad" : "warn") &&
	       sled_report_text(&out->notices, text, err) &&
	       sled_buf_addstr(&out->notices, "</li>\n", err);
}

/* ---- places ---- */

static const char *
tone_of(const struct sled_place_status *place,
        const struct sled_outlook *outlook)
{
	if (place->damaged > 0)
		return "bad";
	return place->lacks > 0 || place->late || outlook->low ||
	               place->why[0] != '\0' || (!place->present && !place->far)
	           ? "warn"
	           : "good";
}

static const char *
word_of(const struct sled_place_status *place,
        const struct sled_outlook *outlook)
{
	if (place->damaged > 0)
		return "damaged";
	if (!place->present && !place->far)
		return "absent";
	if (place->lacks > 0)
		return "behind";
	if (place->why[0] != '\0')
		return "fails";
	return outlook->low ? "nearly full" : "whole";
}

static bool
add_row(struct sled_buf *out, const struct sled_place_status *place,
        const struct sled_outlook *outlook, const char *text,
        struct sled_err *err)
{
	char oldest[SLED_CLI_WORD] = "-";

	if (place->oldest != 0)
		sled_cli_time(oldest, place->oldest);
	return sled_buf_addstr(out, "<tr><th scope=\"row\">", err) &&
	       sled_report_text(out, place->path, err) &&
	       sled_buf_printf(out, err,
	                       "</th><td class=\"%s\">%s</td>"
	                       "<td class=\"why\">",
	                       tone_of(place, outlook),
	                       word_of(place, outlook)) &&
	       sled_report_text(out, text, err) &&
	       sled_buf_printf(out, err,
	                       "</td><td class=\"num\" data-of=\"all read "
	                       "since\">%s</td><td class=\"num\" "
	                       "data-of=\"damaged\">%" PRIu64 "</td></tr>\n",
	                       oldest, place->damaged);
}

static bool
note_place(struct gathering *gathering, const struct sled_place_status *place,
           const struct sled_outlook *outlook, const char *text,
           struct sled_err *err)
{
	struct sled_buf line = { 0 };
	bool bad = place->damaged > 0, ok;

	if (strcmp(tone_of(place, outlook), "good") == 0)
		return true;
	ok = sled_buf_printf(&line, err, "%s: %s", place->path, text) &&
	     (!bad || sled_buf_printf(&line, err,
	                              "; DAMAGED: %" PRIu64 " member%s, try: "
	                              "mailsled repair",
	                              place->damaged,
	                              place->damaged == 1 ? "" : "s")) &&
	     notice(gathering->out, bad, line.data, err);
	sled_buf_free(&line);
	return ok;
}

static bool
take_place(void *ctx, const struct sled_place_status *place,
           const struct sled_outlook *outlook, struct sled_err *err)
{
	struct gathering *gathering = ctx;
	struct sled_buf text = { 0 };
	bool ok =
	    sled_status_place_text(&text, place, outlook,
	                           gathering->report->now, err) &&
	    add_row(&gathering->out->rows, place, outlook, text.data, err) &&
	    note_place(gathering, place, outlook, text.data, err);

	gathering->out->places++;
	gathering->out->whole += place->lacks == 0 && place->damaged == 0;
	sled_buf_free(&text);
	return ok;
}

/* ---- the store ---- */

/* A volume that a repair could not make whole. */
static bool
take_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct gathering *gathering = ctx;
	char line[160];

	if (row->revision == 0)
		return true;
	(void)snprintf(
	    line, sizeof(line),
	    "%s/%s is not as it was: %s.r%u.tsv beside it tells what it lost",
	    row->label, row->name, row->name, row->revision);
	return notice(gathering->out, true, line, err);
}

static bool
note_store(struct gathering *gathering, struct sled_err *err)
{
	struct sled_cli *cli = gathering->report->cli;
	struct sled_report_health *out = gathering->out;

	if (sled_store_one_disk(cli->store) && out->places > 1 &&
	    !notice(out, false,
	            "All copies are on one disk: when it dies, "
	            "all do.",
	            err))
		return false;
	return cli->conf->store.min_copies != 1 ||
	       notice(out, false,
	              "min-copies = 1: mail is deleted from the server when "
	              "one place holds it.",
	              err);
}

static bool
note_last_visit(struct gathering *gathering, struct sled_err *err)
{
	const struct sled_history *history = gathering->report->history;
	struct sled_buf line = { 0 };
	char when[SLED_CLI_WORD], why[300];
	bool ok;

	if (history->len == 0 || history->list[0].exit == 0)
		return true;
	sled_cli_time(when, history->list[0].row.began);
	sled_text_clip(why, sizeof(why),
	               (struct sled_span){ history->list[0].why,
	                                   strlen(history->list[0].why) });
	ok = sled_buf_printf(&line, err,
	                     "The last visit, %s, did not end well: %s", when,
	                     why) &&
	     notice(gathering->out, false, line.data, err);
	sled_buf_free(&line);
	return ok;
}

static bool
note_drill(struct gathering *gathering, struct sled_err *err)
{
	struct sled_ledger *ledger =
	    sled_store_ledger(gathering->report->cli->store);
	struct sled_health_row row = { .at = 0 };
	struct sled_buf line = { 0 };
	bool found = false, ok;

	if (!sled_ledger_health(ledger, "drill", &row, &found, err))
		return false;
	if (!found || row.fine)
		return true;
	ok = sled_buf_printf(&line, err, "The last drill failed: %s",
	                     row.text) &&
	     notice(gathering->out, true, line.data, err);
	sled_buf_free(&line);
	return ok;
}

bool
sled_report_health(struct sled_report_health *out,
                   const struct sled_report *report, struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(report->cli->store);
	struct gathering gathering = { report, out };
	struct status status = { .cli = report->cli,
		                 .ledger = ledger,
		                 .now = report->now };

	*out = (struct sled_report_health){ .places = 0 };
	return sled_status_each_place(&status, take_place, &gathering, err) &&
	       sled_ledger_volumes(ledger, NULL, take_volume, &gathering,
	                           err) &&
	       note_drill(&gathering, err) && note_store(&gathering, err) &&
	       note_last_visit(&gathering, err);
}

/* ---- the section ---- */

bool
sled_report_places(struct sled_buf *out, struct sled_store *store,
                   const struct sled_charts *charts, struct sled_err *err)
{
	size_t len = sled_store_places(store);
	struct sled_charts_place *places = calloc(len + 1, sizeof(*places));
	bool ok = true;

	if (places == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "places");
	for (size_t i = 0; ok && i < len; i++) {
		struct sled_place_status place = { 0 };

		ok = sled_store_place(store, i, &place, err);
		places[i] = (struct sled_charts_place){ place.id, place.path,
			                                place.lacks };
	}
	ok = ok && sled_charts_places(out, charts, places, len, err);
	free(places);
	return ok;
}

struct faults {
	struct sled_buf *out;
	uint64_t count;
};

static bool
take_fault(void *ctx, const struct sled_fault_row *row, struct sled_err *err)
{
	struct faults *faults = ctx;
	char when[SLED_CLI_WORD];

	if (faults->count++ >= FAULTS)
		return true;
	sled_cli_time(when, row->found);
	return sled_buf_printf(faults->out, err, "<li>%s: ", when) &&
	       sled_report_text(faults->out, row->text, err) &&
	       sled_buf_addstr(faults->out, "</li>\n", err);
}

static bool
add_faults(struct sled_buf *out, struct sled_ledger *ledger,
           struct sled_err *err)
{
	struct faults faults = { out, 0 };
	size_t begin = out->len;

	if (!sled_buf_addstr(
		out, "<div class=\"card\"><h3>Found damaged</h3><ul>\n", err) ||
	    !sled_ledger_faults(ledger, NULL, take_fault, &faults, err))
		return false;
	if (faults.count == 0) {
		out->len = begin;
		out->data[begin] = '\0';
		return true;
	}
	if (faults.count > FAULTS &&
	    !sled_buf_printf(out, err, "<li>and %" PRIu64 " more</li>\n",
	                     faults.count - FAULTS))
		return false;
	return sled_buf_addstr(out, "</ul></div>\n", err);
}

/* Mail got out of an archive by tar alone, now and then. */
static bool
add_drill(struct sled_buf *out, struct sled_ledger *ledger,
          struct sled_err *err)
{
	struct sled_health_row row = { .at = 0 };
	char when[SLED_CLI_WORD];
	bool found = false;

	if (!sled_ledger_health(ledger, "drill", &row, &found, err))
		return false;
	sled_cli_time(when, row.at);
	return sled_buf_addstr(out, "<div class=\"card\"><h3>Last drill</h3>",
	                       err) &&
	       (found ? sled_buf_printf(out, err, "%s%s: ",
	                                row.fine ? "" : "FAILED ", when) &&
	                    sled_report_text(out, row.text, err)
	              : sled_buf_addstr(out,
	                                "Not yet: mailsled drill takes mail "
	                                "out of an archive with tar alone.",
	                                err)) &&
	       sled_buf_addstr(out, "</div>\n", err);
}

bool
sled_report_copies(struct sled_buf *out, const struct sled_report *report,
                   const struct sled_report_health *health,
                   struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(report->cli->store);
	struct sled_charts charts = { ledger, report->history, report->since,
		                      report->now };

	return sled_buf_addstr(out, "<div class=\"figures\">\n", err) &&
	       sled_report_places(out, report->cli->store, &charts, err) &&
	       sled_buf_addstr(
		   out,
		   "</div>\n<div class=\"card\"><table class=\"rows tall\">"
		   "<thead><tr><th scope=\"col\">place</th>"
		   "<th scope=\"col\">is</th><th scope=\"col\"></th>"
		   "<th scope=\"col\" class=\"num\">all read since</th>"
		   "<th scope=\"col\" class=\"num\">damaged</th></tr></thead>\n"
		   "<tbody>\n",
		   err) &&
	       sled_buf_add(out, health->rows.data, health->rows.len, err) &&
	       sled_buf_addstr(out, "</tbody></table></div>\n", err) &&
	       add_faults(out, ledger, err) && add_drill(out, ledger, err);
}
