/* receipt.c - what a line that we dialled has cost, once it is closed. What pppd
 * counted takes the place of what we measured: it has seen all of it, from the
 * first packet on. Who has no hook for it counts from up-command to the end of
 * down-command: too much rather than too little. */
#include <string.h>

#include "daemon/internal.h"
#include "mailsled/clock.h"
#include "mailsled/tariff.h"

static const struct sled_conf_link *
section_of(const struct sled_daemon *d, const char *name)
{
	for (size_t i = 0; i < d->conf->links_len; i++)
		if (strcmp(d->conf->links[i].name, name) == 0)
			return &d->conf->links[i];
	return NULL;
}

static bool
is_of(const struct sled_round_row *row, const struct sled_link_event *told)
{
	return row->id != 0 && row->dialled && !told->up &&
	       strcmp(row->path, told->name) == 0 &&
	       (told->connect_s > 0 || told->bytes_sent > 0 ||
	        told->bytes_received > 0);
}

static void
bill(struct sled_round_row *row, const struct sled_conf_link *link)
{
	struct sled_bill bill = { 0 };

	if (link == NULL) /* gone from the configuration: what it cost stays */
		return;
	sled_tariff_bill(link, row->wire, (uint64_t)row->ms, &bill);
	row->billed_bytes = bill.bytes;
	row->steps = bill.steps;
	row->money = bill.money;
}

static void
correct(struct sled_round_row *row, const struct sled_conf_link *link,
        const struct sled_link_event *told)
{
	if (told->connect_s > 0 && told->connect_s < INT32_MAX)
		row->ms = (int64_t)told->connect_s * 1000;
	if (told->bytes_sent <= INT64_MAX / 2 &&
	    told->bytes_received <= INT64_MAX / 2 &&
	    told->bytes_sent + told->bytes_received > 0)
		row->wire = told->bytes_sent + told->bytes_received;
	bill(row, link);
}

static void
tell(struct sled_daemon *d, const struct sled_round_row *row, const char *by)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	struct sled_buf bill = { 0 };
	struct sled_err err = { 0 };

	if (row->currency[0] == '\0')
		sled_daemon_say(d, SLED_DAEMON_DEBUG,
		                "%s: the receipt is settled by %s", row->path,
		                by);
	else if (!calls->bill(calls->ctx, &bill, row, &err))
		sled_daemon_complain(d, &err);
	else
		sled_daemon_say(d, SLED_DAEMON_INFO,
		                "%s: the bill is %s, by %s: %lld s", row->path,
		                bill.data, by, (long long)(row->ms / 1000));
	sled_buf_free(&bill);
}

static void
settle(struct sled_daemon *d, struct sled_round_row *row, const char *by)
{
	struct sled_store *store = NULL;
	struct sled_err err = { 0 };

	if (sled_daemon_open(d, &store, &err) &&
	    sled_store_round(store, row, &err)) {
		sled_daemon_facts(d, store);
		tell(d, row, by);
	} else {
		(void)sled_note(&err, "%s: the receipt is not settled",
		                row->path);
		sled_daemon_complain(d, &err);
	}
	sled_store_close(&store);
}

void
sled_daemon_line_closed(struct sled_daemon *d)
{
	struct sled_round_row *row = &d->dialled_row;
	int64_t ms = sled_clock_ms() - d->dial_ms;

	if (row->id == 0 || ms <= row->ms)
		return;
	row->ms = ms;
	bill(row, section_of(d, row->link));
	settle(d, row, "the time from dialling to hanging up");
}

void
sled_daemon_receipt(struct sled_daemon *d, const struct sled_link_event *told)
{
	struct sled_round_row *row = &d->dialled_row;

	if (!is_of(row, told) || d->round != NULL)
		return;
	correct(row, section_of(d, row->link), told);
	settle(d, row, "what the line counted");
	row->id = 0; /* once */
}
