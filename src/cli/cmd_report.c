/* cmd_report.c - `mailsled report`: what each use of a link brought and cost. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/report_html.h"
#include "mailsled/calendar.h"
#include "mailsled/clock.h"
#include "mailsled/history.h"
#include "mailsled/text.h"

#define DAYS      31 /* that are shown when nothing was said */
#define DAYS_MOST 36500
#define DAY_S     INT64_C(86400)

struct report {
	struct sled_cli *cli;
	int64_t now, since;
	unsigned columns;
	struct sled_history rounds;
	struct sled_history_sum all;
};

/* ---- what sums are by ---- */

void
sled_report_date(char out[80], int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;

	memset(out, 0, 80);
	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, 80, "%Y-%m-%d", &tm) == 0)
		(void)snprintf(out, 80, "-");
}

static void
key_day(char out[80], const struct sled_history_round *round)
{
	sled_report_date(out, round->row.began);
}

static void
key_month(char out[80], const struct sled_history_round *round)
{
	sled_report_date(out, round->row.began);
	out[sizeof("2026-11") - 1] = '\0';
}

void
sled_report_link(char out[80], const struct sled_history_round *round)
{
	const char *name =
	    round->row.link[0] != '\0' ? round->row.link : round->row.path;

	memset(out, 0, 80);
	sled_text_clip(out, 80, (struct sled_span){ name, strlen(name) });
	if (out[0] == '\0')
		(void)snprintf(out, 80, "-");
}

static const struct {
	const char *title, *member, *name;
	sled_history_key_fn *key;
} kinds[] = {
	{ "days", "days", "day", key_day },
	{ "months", "months", "month", key_month },
	{ "links", "links", "link", sled_report_link },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- for people ---- */

static bool
print_fitted(const struct report *report, const char *text,
             struct sled_err *err)
{
	struct sled_buf line = { 0 };
	unsigned columns =
	    report->columns == 0 ? UINT32_MAX : report->columns - 1;
	bool ok = sled_cli_fit(&line, text, columns, false, err);

	if (ok && puts(line.data) == EOF)
		ok = sled_fail(err, SLED_ERR_IO, "output: cannot be written");
	sled_buf_free(&line);
	return ok;
}

static bool
add_part(struct sled_buf *out, const char *text, struct sled_err *err)
{
	return text[0] == '\0' || sled_buf_printf(out, err, "; %s", text);
}

static bool
add_count(struct sled_buf *out, uint64_t count, const char *what,
          struct sled_err *err)
{
	return count == 0 ||
	       sled_buf_printf(out, err, "; %" PRIu64 " %s", count, what);
}

/* The bill first, it is what one looks for. */
bool
sled_report_notes(struct sled_buf *out, const struct sled_history_round *round,
                  struct sled_err *err)
{
	struct sled_buf bill = { 0 };
	char why[600], places[140];
	bool ok = sled_cli_bill(&bill, &round->row, err) &&
	          (bill.len == 0 || add_part(out, bill.data, err));

	sled_buf_free(&bill);
	if (!ok || !add_count(out, round->held, "held", err) ||
	    !add_count(out, round->left, "left", err) ||
	    (!round->row.over && !add_part(out, "ended abruptly", err)))
		return false;
	sled_text_clip(
	    places, sizeof(places),
	    (struct sled_span){ round->row.places, strlen(round->row.places) });
	if (!add_part(out, places, err))
		return false;
	if (round->exit == 0)
		return true;
	sled_text_clip(why, sizeof(why),
	               (struct sled_span){ round->why, strlen(round->why) });
	return sled_buf_printf(out, err, "; exit %d: %s", round->exit, why);
}

static bool
print_round(const struct report *report, const struct sled_history_round *round,
            struct sled_err *err)
{
	char when[SLED_CLI_WORD], mail[SLED_CLI_WORD], wire[SLED_CLI_WORD];
	char took[SLED_CLI_WORD], link[80];
	struct sled_buf line = { 0 };
	bool ok;

	sled_cli_time(when, round->row.began);
	sled_cli_bytes(mail, round->mail);
	sled_cli_bytes(wire, round->row.wire);
	sled_cli_span(took, round->row.ms);
	sled_report_link(link, round);
	ok = sled_buf_printf(&line, err,
	                     "%s %-8s %4" PRIu64 " %7s %7s wire in %s", when,
	                     link, round->messages, mail, wire, took) &&
	     sled_report_notes(&line, round, err) &&
	     print_fitted(report, line.data, err);
	sled_buf_free(&line);
	return ok;
}

static bool
add_money(struct sled_buf *out, const struct sled_history_sum *sum,
          struct sled_err *err)
{
	for (size_t i = 0; i < SLED_HISTORY_CURRENCIES; i++) {
		char money[SLED_CLI_WORD];

		if (sum->money[i].currency[0] == '\0')
			break;
		sled_cli_money(money, sum->money[i].amount,
		               sum->money[i].currency);
		if (!add_part(out, money, err))
			return false;
	}
	return true;
}

static bool
print_sum(const struct report *report, const char *key,
          const struct sled_history_sum *sum, struct sled_err *err)
{
	char mail[SLED_CLI_WORD], wire[SLED_CLI_WORD], took[SLED_CLI_WORD];
	struct sled_buf line = { 0 };
	bool ok;

	sled_cli_bytes(mail, sum->mail);
	sled_cli_bytes(wire, sum->wire);
	sled_cli_span(took, (int64_t)sum->ms);
	ok = sled_buf_printf(&line, err,
	                     "  %-10s %" PRIu64 " time%s, %" PRIu64
	                     " message%s, %s; %s wire in %s",
	                     key, sum->rounds, sum->rounds == 1 ? "" : "s",
	                     sum->messages, sum->messages == 1 ? "" : "s", mail,
	                     wire, took) &&
	     add_money(&line, sum, err) && print_fitted(report, line.data, err);
	sled_buf_free(&line);
	return ok;
}

static bool
print_sums(const struct report *report, size_t kind, struct sled_err *err)
{
	struct sled_history_sum *sums = NULL;
	size_t len = 0;
	bool ok = sled_history_sums(&report->rounds, kinds[kind].key, &sums,
	                            &len, err);

	if (ok)
		(void)printf("%s\n", kinds[kind].title);
	for (size_t i = 0; ok && i < len; i++)
		ok = print_sum(report, sums[i].key, &sums[i], err);
	free(sums);
	return ok;
}

/* "a message cost 1.2 kB on the wire, 0.05 USD". */
static bool
print_each(const struct report *report, struct sled_err *err)
{
	struct sled_history_sum one = report->all;
	struct sled_buf line = { 0 };
	char wire[SLED_CLI_WORD];
	bool ok;

	if (one.messages == 0)
		return true;
	sled_cli_bytes(wire, one.wire / one.messages);
	for (size_t i = 0; i < SLED_HISTORY_CURRENCIES; i++)
		one.money[i].amount /= one.messages;
	ok = sled_buf_printf(&line, err, "a message cost %s on the wire",
	                     wire) &&
	     add_money(&line, &one, err) &&
	     print_fitted(report, line.data, err);
	sled_buf_free(&line);
	return ok;
}

static bool
print_budgets(const struct report *report, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok = sled_cli_budgets(report->cli, report->now, &text, err);

	if (ok && text.len > 0)
		(void)fputs(text.data, stdout);
	sled_buf_free(&text);
	return ok;
}

static bool
print_text(const struct report *report, struct sled_err *err)
{
	char since[SLED_CLI_WORD];

	sled_cli_time(since, report->since);
	if (report->rounds.len == 0) {
		(void)printf("no visits since %s\n", since);
		return print_budgets(report, err);
	}
	for (size_t i = 0; i < report->rounds.len; i++)
		if (!print_round(report, &report->rounds.list[i], err))
			return false;
	for (size_t i = 0; i < KINDS; i++)
		if (!print_sums(report, i, err))
			return false;
	return print_sum(report, "all", &report->all, err) &&
	       print_each(report, err) && print_budgets(report, err);
}

/* ---- for programs ---- */

static void
put_time(struct sled_json *json, const char *key, int64_t when)
{
	char text[SLED_TIME_TEXT];

	sled_clock_rfc3339(when, text);
	sled_json_text(json, key, text);
}

static bool
add_visit_json(struct sled_json *json, const struct sled_visit_row *visit,
               struct sled_err *err)
{
	struct sled_json *one = NULL;

	if (!sled_json_new(&one, err))
		return false;
	sled_json_text(one, "account", visit->label);
	put_time(one, "began", visit->began);
	sled_cli_visit_json(one, visit);
	sled_json_u64(one, "held_bytes", visit->held_bytes);
	sled_json_u64(one, "left_bytes", visit->left_bytes);
	sled_json_bool(one, "cut", visit->cut);
	sled_json_text(one, "error",
	               visit->error[0] == '\0' ? NULL : visit->error);
	sled_json_add(json, "visits", &one);
	return true;
}

static void
put_round(struct sled_json *json, const struct sled_history_round *round)
{
	const struct sled_round_row *row = &round->row;

	sled_json_i64(json, "round", row->id);
	put_time(json, "began", row->began);
	sled_json_text(json, "link", row->link[0] == '\0' ? NULL : row->link);
	sled_json_text(json, "path", row->path[0] == '\0' ? NULL : row->path);
	sled_json_bool(json, "dialled", row->dialled);
	sled_json_bool(json, "over", row->over);
	sled_json_u64(json, "fetched", round->messages);
	sled_json_u64(json, "mail_bytes", round->mail);
	sled_json_u64(json, "wire_bytes", row->wire);
	sled_json_real(json, "seconds", (double)row->ms / 1000.0);
	sled_json_u64(json, "billed_bytes", row->billed_bytes);
	sled_json_u64(json, "steps", row->steps);
	sled_json_real(json, "money", (double)row->money / 1e6);
	sled_json_text(json, "currency",
	               row->currency[0] == '\0' ? NULL : row->currency);
	sled_json_u64(json, "held", round->held);
	sled_json_u64(json, "left", round->left);
	sled_json_i64(json, "exit", round->exit);
	sled_json_text(json, "error", round->exit == 0 ? NULL : round->why);
	sled_json_text(json, "places",
	               row->places[0] == '\0' ? NULL : row->places);
	sled_json_add(json, "visits", NULL);
}

static bool
print_round_json(const struct sled_history_round *round, struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	put_round(json, round);
	for (size_t i = 0; i < round->len; i++)
		if (!add_visit_json(json, &round->visits[i], err)) {
			sled_json_free(&json);
			return false;
		}
	return sled_json_print(&json, stdout, err);
}

static bool
put_sum(struct sled_json *json, const struct sled_history_sum *sum,
        struct sled_err *err)
{
	sled_json_u64(json, "rounds", sum->rounds);
	sled_json_u64(json, "visits", sum->visits);
	sled_json_u64(json, "fetched", sum->messages);
	sled_json_u64(json, "mail_bytes", sum->mail);
	sled_json_u64(json, "wire_bytes", sum->wire);
	sled_json_real(json, "seconds", (double)sum->ms / 1000.0);
	sled_json_add(json, "money", NULL);
	for (size_t i = 0; i < SLED_HISTORY_CURRENCIES; i++) {
		struct sled_json *one = NULL;
		double amount = (double)sum->money[i].amount / 1e6;

		if (sum->money[i].currency[0] == '\0')
			break;
		if (!sled_json_new(&one, err))
			return false;
		sled_json_text(one, "currency", sum->money[i].currency);
		sled_json_real(one, "amount", amount);
		if (sum->messages == 0)
			sled_json_null(one, "a_message");
		else
			sled_json_real(one, "a_message",
			               amount / (double)sum->messages);
		sled_json_add(json, "money", &one);
	}
	return true;
}

static bool
add_sums_json(const struct report *report, size_t kind, struct sled_json *json,
              struct sled_err *err)
{
	struct sled_history_sum *sums = NULL;
	size_t len = 0;
	bool ok = sled_history_sums(&report->rounds, kinds[kind].key, &sums,
	                            &len, err);

	sled_json_add(json, kinds[kind].member, NULL);
	for (size_t i = 0; ok && i < len; i++) {
		struct sled_json *one = NULL;

		ok = sled_json_new(&one, err);
		if (!ok)
			break;
		sled_json_text(one, kinds[kind].name, sums[i].key);
		ok = put_sum(one, &sums[i], err);
		sled_json_add(json, kinds[kind].member, &one);
	}
	free(sums);
	return ok;
}

static bool
print_json(const struct report *report, struct sled_err *err)
{
	struct sled_json *json = NULL;
	bool ok;

	for (size_t i = 0; i < report->rounds.len; i++)
		if (!print_round_json(&report->rounds.list[i], err))
			return false;
	if (!sled_json_new(&json, err))
		return false;
	put_time(json, "since", report->since);
	ok = put_sum(json, &report->all, err);
	for (size_t i = 0; ok && i < KINDS; i++)
		ok = add_sums_json(report, i, json, err);
	ok = ok && sled_cli_budgets_json(report->cli, report->now, json, err);
	if (ok)
		return sled_json_print(&json, stdout, err);
	sled_json_free(&json);
	return false;
}

/* ---- since when ---- */

static bool
refuse(const char *option, const char *value, const char *what,
       struct sled_err *err)
{
	char shown[64];

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ value, strlen(value) });
	return sled_fail(err, SLED_ERR_USAGE, "--%s %s: %s", option, shown,
	                 what);
}

static bool
parse_date(const char *text, int64_t *out)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	struct tm same = tm;

	if (end == NULL || *end != '\0')
		return sled_clock_parse(text, out);
	*out = (int64_t)mktime(&same);
	return same.tm_mday == tm.tm_mday;
}

static bool
set_since(struct report *report, struct sled_err *err)
{
	const char *days = sled_cli_flag(report->cli, "days");
	const char *date = sled_cli_flag(report->cli, "since");
	uint64_t count = DAYS;

	if (days != NULL && date != NULL)
		return refuse("days", days, "not together with --since", err);
	if (date != NULL)
		return parse_date(date, &report->since) ||
		       refuse("since", date, "a date, as in 2026-11-23", err);
	if (days != NULL &&
	    (!sled_text_u64((struct sled_span){ days, strlen(days) }, &count) ||
	     count == 0 || count > DAYS_MOST))
		return refuse("days", days, "a number of days, from 1 on", err);
	report->since =
	    sled_calendar_day(report->now - (int64_t)(count - 1) * DAY_S);
	return true;
}

/* ---- the page ---- */

/* Before anything is read. */
static bool
check_page(struct report *report, struct sled_err *err)
{
	const char *path = sled_cli_flag(report->cli, "output");

	if (sled_cli_flag(report->cli, "html") == NULL)
		return path == NULL ||
		       refuse("output", path, "only together with --html", err);
	if (report->cli->json)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "--html: not together with --json");
	return sled_report_may_write(report->cli, path, err);
}

static bool
write_page(const struct report *report, struct sled_err *err)
{
	const struct sled_report page = { report->cli, &report->rounds,
		                          &report->all, report->since,
		                          report->now };
	struct sled_buf text = { 0 };
	bool ok =
	    sled_report_html(&text, &page, err) &&
	    sled_report_write(report->cli, sled_cli_flag(report->cli, "output"),
	                      sled_buf_span(&text), err);

	sled_buf_free(&text);
	return ok;
}

static bool
make(struct report *report, struct sled_err *err)
{
	struct sled_cli *cli = report->cli;

	if (!set_since(report, err) || !check_page(report, err) ||
	    !sled_cli_store(cli, SLED_STORE_READ, err))
		return false;
	for (unsigned i = 0; i < cli->args_len; i++)
		if (!sled_cli_known(cli, cli->args[i], err))
			return false;
	if (!sled_history_read(&report->rounds, sled_store_ledger(cli->store),
	                       report->since, cli->args, cli->args_len, err))
		return false;
	for (size_t i = 0; i < report->rounds.len; i++)
		sled_history_add(&report->all, &report->rounds.list[i]);
	if (sled_cli_flag(cli, "html") != NULL)
		return write_page(report, err);
	return cli->json ? print_json(report, err) : print_text(report, err);
}

static int
run(struct sled_cli *cli)
{
	struct report report = { .cli = cli,
		                 .now = sled_clock_now(),
		                 .columns = sled_cli_columns(STDOUT_FILENO) };
	struct sled_err err = { 0 };
	bool ok = make(&report, &err);

	sled_history_free(&report.rounds);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "days", "N", "today and the N - 1 days before it (31)" },
	{ "since", "DATE", "what began on this day or later" },
	{ "html", NULL, "all of it and the copies' health, as one page" },
	{ "output", "FILE", "the page goes there, whole, not to stdout" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_report = {
	.name = "report",
	.args = "[ACCOUNT...]",
	.about = "what each use of a link brought and cost, and the sums",
	.more =
	    "A line for each use of a link, newest first: when, link, "
	    "messages, mail, bytes on\nthe wire, time, bill, what was held "
	    "and left, and how it ended. Then the sums by\nday, month and "
	    "link, and the budgets.\n\n--html makes one page that needs "
	    "nothing else, no script and no network: mail,\ncost, visits by "
	    "phase, links, growth and health, each as a picture with its\n"
	    "numbers. A FILE that is there is replaced once the new one is "
	    "whole.\n",
	.examples = "  mailsled report\n"
		    "  mailsled report --days 7 home\n"
		    "  mailsled --json report --since 2026-11-01\n"
		    "  mailsled report --html --days 90 --output "
		    "report.html\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
