/* receipt.c - what pppd counted of a line that we dialled takes the place of
 * what we measured: it has seen all of it, from the first packet on. */
#include <string.h>

#include "daemon/internal.h"
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
correct(struct sled_round_row *row, const struct sled_conf_link *link,
        const struct sled_link_event *told)
{
	struct sled_bill bill = { 0 };

	if (told->connect_s > 0 && told->connect_s < INT32_MAX)
		row->ms = (int64_t)told->connect_s * 1000;
	if (told->bytes_sent <= INT64_MAX / 2 &&
	    told->bytes_received <= INT64_MAX / 2 &&
	    told->bytes_sent + told->bytes_received > 0)
		row->wire = told->bytes_sent + told->bytes_received;
	sled_tariff_bill(link, row->wire, (uint64_t)row->ms, &bill);
	row->billed_bytes = bill.bytes;
	row->steps = bill.steps;
	row->money = bill.money;
}

void
sled_daemon_receipt(struct sled_daemon *d, const struct sled_link_event *told)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	struct sled_round_row *row = &d->dialled_row;
	struct sled_store *store = NULL;
	struct sled_err err = { 0 };

	if (!is_of(row, told) || d->round != NULL)
		return;
	correct(row, section_of(d, row->link), told);
	sled_daemon_tend_stop(d);
	if (calls->open(calls->ctx, d->gen, SLED_STORE_WRITE, &store, &err) &&
	    sled_store_round(store, row, &err)) {
		sled_daemon_facts(d, store);
		sled_daemon_say(d, SLED_DAEMON_DEBUG,
		                "%s: the receipt is settled by what the line "
		                "counted",
		                row->path);
	} else {
		(void)sled_note(&err, "%s: the receipt is not settled",
		                row->path);
		sled_daemon_complain(d, &err);
	}
	sled_store_close(&store);
	row->id = 0; /* once */
}
