/* read_search.c - `mailsled search`: mail by words, people, dates. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/read.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

#define LIMIT 50

struct search {
	struct sled_cli *cli;
	struct sled_buf text; /* the query */
	struct sled_query query;
	struct sled_index *index;
	uint64_t limit, missing, shown;
	struct sled_cli_screen screen;
	bool paged;
};

/* Octets that are left out before the fault, so that it is on the screen. */
static size_t
leave_out(const char *before, unsigned columns)
{
	unsigned width = sled_cli_width(before);

	return columns == 0 || width < columns * 2 / 3
	           ? 0
	           : sled_cli_fitting(before, width - columns / 3);
}

/* The query, as far as it has room, and a caret below the place that was
 * refused. */
static void
point_at(struct sled_cli *cli, const struct sled_buf *text, size_t fault)
{
	struct sled_buf before = { 0 }, all = { 0 }, shown = { 0 };
	struct sled_err err = { 0 };
	const unsigned columns = sled_cli_columns(STDERR_FILENO);
	size_t out;

	if (!cli->json &&
	    sled_text_printable(
		&before, (struct sled_span){ text->data, fault }, &err) &&
	    sled_text_printable(&all, sled_buf_span(text), &err)) {
		out = leave_out(before.data, columns);
		if (sled_cli_fit(&shown, all.data + out,
		                 columns == 0 ? UINT32_MAX : columns - 6, false,
		                 &err))
			(void)fprintf(stderr, "  %s%s\n  %*s^\n",
			              out > 0 ? "... " : "", shown.data,
			              (int)sled_cli_width(before.data + out) +
			                  (out > 0 ? 4 : 0),
			              "");
	}
	sled_buf_free(&before);
	sled_buf_free(&all);
	sled_buf_free(&shown);
}

/* The words of the command line are one query. */
static bool
join_words(struct sled_cli *cli, struct sled_buf *text, struct sled_err *err)
{
	for (unsigned i = 0; i < cli->args_len; i++)
		if ((i > 0 && !sled_buf_add(text, " ", 1, err)) ||
		    !sled_buf_addstr(text, cli->args[i], err))
			return false;
	return sled_buf_reserve(text, 1, err);
}

static bool
parse_query(struct search *s, struct sled_err *err)
{
	if (!join_words(s->cli, &s->text, err))
		return false;
	if (sled_query_parse(&s->query, s->text.data, sled_clock_now(), err))
		return true;
	if (err->kind == SLED_ERR_USAGE) {
		point_at(s->cli, &s->text, s->query.fault);
		(void)sled_hint(err, "mailsled search --help");
	}
	return false;
}

static bool
print_hit(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct search *s = ctx;

	if (!s->paged)
		s->screen = sled_cli_page(s->cli);
	s->paged = true;
	s->shown++;
	return sled_cli_print_message(s->cli, &s->screen, message, err);
}

static bool
find(struct search *s, struct sled_err *err)
{
	if (sled_index_find(s->index, &s->query, s->limit, print_hit, s, err))
		return true;
	if (err->kind != SLED_ERR_DAMAGED || s->shown > 0)
		return false;
	*err = (struct sled_err){ 0 };
	sled_index_close(&s->index);
	return sled_cli_read_open(s->cli, SLED_CLI_CATCH_UP_MS, &s->index,
	                          &s->missing, err) &&
	       sled_index_find(s->index, &s->query, s->limit, print_hit, s,
	                       err);
}

static bool
tell_json(const struct search *s, struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (s->missing == 0)
		return true;
	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "event", "incomplete");
	sled_json_u64(json, "missing", s->missing);
	return sled_json_print(&json, stdout, err);
}

/* What the list does not say: that there may be more. */
static bool
tell(const struct search *s, struct sled_err *err)
{
	char text[160];

	if (s->cli->json)
		return tell_json(s, err);
	if (s->shown == 0 && !s->cli->quiet)
		sled_cli_say(s->cli, "nothing was found");
	if (s->limit > 0 && s->shown >= s->limit && !s->cli->quiet) {
		(void)snprintf(text, sizeof(text),
		               "the newest %" PRIu64
		               "; there may be more: --limit 0 shows all",
		               s->limit);
		sled_cli_say(s->cli, text);
	}
	if (s->missing > 0) {
		(void)snprintf(text, sizeof(text),
		               "not complete: %" PRIu64
		               " messages are not in the index yet; `mailsled "
		               "index` adds them",
		               s->missing);
		sled_cli_say(s->cli, text);
	}
	return true;
}

static bool
take_limit(struct search *s, struct sled_err *err)
{
	const char *text = sled_cli_flag(s->cli, "limit");

	s->limit = LIMIT;
	if (text == NULL ||
	    (sled_text_u64((struct sled_span){ text, strlen(text) },
	                   &s->limit) &&
	     s->limit <= INT32_MAX))
		return true;
	return sled_fail(err, SLED_ERR_USAGE, "--limit: a number; 0 shows all");
}

static int
run(struct sled_cli *cli)
{
	struct search s = { .cli = cli };
	struct sled_err err = { 0 };
	bool ok = take_limit(&s, &err) && parse_query(&s, &err) &&
	          sled_cli_store(cli, SLED_STORE_READ, &err) &&
	          sled_cli_read_open(cli, SLED_CLI_CATCH_UP_MS, &s.index,
	                             &s.missing, &err) &&
	          find(&s, &err);

	sled_cli_page_end();
	ok = ok && tell(&s, &err);
	sled_index_close(&s.index);
	sled_query_free(&s.query);
	sled_buf_free(&s.text);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

/* ---- for export ---- */

static bool
add_row(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	return sled_cli_rows_add(ctx, message->id, err);
}

/* All of it: what export leaves out, nobody misses in time. */
bool
sled_cli_read_query(struct sled_cli *cli, struct sled_cli_rows *rows,
                    struct sled_err *err)
{
	struct search s = { .cli = cli };
	bool ok = parse_query(&s, err) &&
	          sled_cli_read_open(cli, 0, &s.index, &s.missing, err) &&
	          sled_index_find(s.index, &s.query, 0, add_row, rows, err);

	if (ok && s.missing > 0)
		ok = sled_fail(err, SLED_ERR_LINK,
		               "%" PRIu64 " messages are not in the index yet",
		               s.missing) ||
		     sled_hint(err, "mailsled index");
	sled_index_close(&s.index);
	sled_query_free(&s.query);
	sled_buf_free(&s.text);
	return ok;
}

static const struct sled_cli_flag flags[] = {
	{ "limit", "N", "so many at most; 0: all; 50 without" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_read_search = {
	.name = "search",
	.args = "QUERY",
	.about = "find mail by words, people, dates, attachments",
	.more = "The newest first. All words must be there; accents and case "
		"do not matter.\n"
		"  word  wor*  \"exact words\"  -word  one OR other  ( )\n"
		"  from:ada  to:bo  subject:pump  body:pump  file:report\n"
		"  has:attachment  account:home\n"
		"  before:2026-03  after:2025  on:2026-03-14  after:30d "
		"(d, w, m, y ago)\n"
		"Dates are those of the messages.\n",
	.examples = "  mailsled search pump\n"
		    "  mailsled search 'from:ada subject:\"new pump\" "
		    "after:2025'\n"
		    "  mailsled search pump -station\n"
		    "  mailsled --json search --limit 0 has:attachment | jq -r "
		    ".id\n",
	.flags = flags,
	.args_min = 1,
	.args_max = SLED_CLI_MANY,
	.dashes = true,
	.run = run,
};
