/* report_rounds.c - the newest uses of links, as rows of the page. */
#include <inttypes.h>
#include <string.h>

#include "cli/report_html.h"

#define SHOWN 100

static bool
add_head(struct sled_buf *out, struct sled_err *err)
{
	return sled_buf_addstr(
	    out,
	    "<table class=\"rows tall\"><thead><tr><th scope=\"col\">when</th>"
	    "<th scope=\"col\">link</th>"
	    "<th scope=\"col\" class=\"num\">messages</th>"
	    "<th scope=\"col\" class=\"num\">mail</th>"
	    "<th scope=\"col\" class=\"num\">on the wire</th>"
	    "<th scope=\"col\" class=\"num\">time</th>"
	    "<th scope=\"col\">and</th></tr></thead>\n<tbody>\n",
	    err);
}

static bool
add_notes(struct sled_buf *out, const struct sled_history_round *round,
          struct sled_err *err)
{
	struct sled_buf notes = { 0 };
	bool ok = sled_report_notes(&notes, round, err) &&
	          sled_buf_addstr(out, "<td class=\"why\">", err) &&
	          (notes.len < 2 ||
	           sled_report_text(out, notes.data + strlen("; "), err)) &&
	          sled_buf_addstr(out, "</td></tr>\n", err);

	sled_buf_free(&notes);
	return ok;
}

static bool
add_round(struct sled_buf *out, const struct sled_history_round *round,
          struct sled_err *err)
{
	char when[SLED_CLI_WORD], mail[SLED_CLI_WORD], wire[SLED_CLI_WORD];
	char took[SLED_CLI_WORD], link[80];

	sled_cli_time(when, round->row.began);
	sled_cli_bytes(mail, round->mail);
	sled_cli_bytes(wire, round->row.wire);
	sled_cli_span(took, round->row.ms);
	sled_report_link(link, round);
	return sled_buf_printf(out, err,
	                       "<tr><th scope=\"row\" class=\"when\">%s</th>"
	                       "<td class=\"over\" data-of=\"over\">",
	                       when) &&
	       sled_report_text(out, link, err) &&
	       sled_buf_printf(
		   out, err,
		   "</td><td class=\"num\" data-of=\"messages\">%" PRIu64
		   "</td><td class=\"num\" data-of=\"mail\">%s</td>"
		   "<td class=\"num\" data-of=\"on the wire\">%s</td>"
		   "<td class=\"num\" data-of=\"in\">%s</td>",
		   round->messages, mail, wire, took) &&
	       add_notes(out, round, err);
}

bool
sled_report_rounds(struct sled_buf *out, const struct sled_report *report,
                   struct sled_err *err)
{
	size_t len = report->history->len;
	size_t shown = len < SHOWN ? len : SHOWN;

	if (len == 0)
		return sled_buf_addstr(out,
		                       "<p class=\"chart-none\">There was "
		                       "none in this time.</p>\n",
		                       err);
	if (!sled_buf_printf(out, err,
	                     "<details class=\"card long\"><summary>%s%zu use%s"
	                     " of a link, newest first</summary>\n",
	                     shown < len ? "The last " : "", shown,
	                     shown == 1 ? "" : "s") ||
	    !add_head(out, err))
		return false;
	for (size_t i = 0; i < shown; i++)
		if (!add_round(out, &report->history->list[i], err))
			return false;
	return sled_buf_addstr(out, "</tbody></table></details>\n", err);
}
