/* sum.c - several visits to one maildrop, told as one. */
#include <string.h>

#include "round/internal.h"

static void
add_times(struct sled_visit_row *sum, const struct sled_visit_row *row)
{
	sum->ms += row->ms;
	sum->ms_connect += row->ms_connect;
	sum->ms_tls += row->ms_tls;
	sum->ms_login += row->ms_login;
	sum->ms_list += row->ms_list;
	sum->ms_fetch += row->ms_fetch;
	sum->ms_save += row->ms_save;
	sum->ms_delete += row->ms_delete;
	sum->round_trips += row->round_trips;
	if (row->rtt_ms > 0 && (sum->rtt_ms == 0 || row->rtt_ms < sum->rtt_ms))
		sum->rtt_ms = row->rtt_ms;
	sum->alive_ms = row->alive_ms + (row->began - sum->began) * 1000;
}

static void
add_cost(struct sled_visit_row *sum, const struct sled_visit_row *row)
{
	sum->fetched += row->fetched;
	sum->mail_bytes += row->mail_bytes;
	sum->wire_down += row->wire_down;
	sum->wire_up += row->wire_up;
	sum->segs_down += row->segs_down;
	sum->segs_up += row->segs_up;
	sum->retrans += row->retrans;
	sum->resumed = sum->resumed || row->resumed;
	sum->offered = sum->offered || row->offered;
	sum->eager = sum->eager || row->eager;
}

/* What was deleted is not listed any more; one that listed nothing has not
 * looked. */
static void
add_counts(struct sled_visit_row *sum, const struct sled_visit_row *row,
           bool looked)
{
	uint64_t before = sum->deleted;

	sum->deleted += row->deleted;
	if (!looked)
		return;
	sum->listed = before + row->listed;
	sum->kept = row->kept;
	sum->held = row->held;
	sum->left = row->left;
	sum->failed = row->failed;
	sum->held_bytes = row->held_bytes;
	sum->left_bytes = row->left_bytes;
}

static void
add_warnings(char *sum, size_t room, const char *more)
{
	size_t len = strlen(sum), add = strlen(more);

	if (add == 0 || len + 32 >= room || strstr(sum, more) != NULL)
		return;
	if (len > 0) {
		(void)memcpy(sum + len, "; ", 2);
		len += 2;
	}
	if (add >= room - len)
		add = room - len - 1;
	(void)memcpy(sum + len, more, add);
	sum[len + add] = '\0';
}

void
sled_round_add(struct sled_round_part *part,
               const struct sled_visit_result *visit)
{
	struct sled_visit_result sum = part->sum;
	const struct sled_visit_row *row = &visit->row;
	bool looked = row->ms_fetch > 0 || row->listed > 0 ||
	              visit->err.kind == SLED_ERR_NONE;

	if (part->visits++ == 0) {
		part->sum = *visit;
		return;
	}
	part->sum = *visit;
	(void)memcpy(part->sum.warnings, sum.warnings, sizeof(sum.warnings));
	add_warnings(part->sum.warnings, sizeof(part->sum.warnings),
	             visit->warnings);
	add_times(&sum.row, row);
	add_cost(&sum.row, row);
	add_counts(&sum.row, row, looked);
	sum.row.cut = row->cut;
	sum.row.exit = row->exit;
	(void)memcpy(sum.row.error, row->error, sizeof(row->error));
	part->sum.row = sum.row;
	part->sum.mail_octets = sum.mail_octets;
}

struct sled_visit_progress
sled_round_progress_of(const struct sled_round_part *part)
{
	struct sled_visit_progress now = part->now;
	const struct sled_visit_row *sum = &part->sum.row;

	if (part->visits == 0)
		return now;
	now.listed += sum->deleted;
	now.wanted += sum->fetched;
	now.wanted_bytes += sum->mail_bytes;
	now.fetched += sum->fetched;
	now.bytes += sum->mail_bytes;
	now.safe += sum->fetched;
	now.deleted += sum->deleted;
	now.ms += sum->ms;
	now.wire += sum->wire_down + sum->wire_up;
	return now;
}
