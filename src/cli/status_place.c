/* status_place.c - of `mailsled status`: places, when they will be full, and
 * what waits. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "cli/status.h"
#include "mailsled/clock.h"
#include "mailsled/file.h"
#include "mailsled/text.h"

#define DAY_S     INT64_C(86400)
#define GROWN     30  /* days that growth is learned from */
#define AHEAD     400 /* days; what is farther off is not foretold */
#define LATE_DAYS 14  /* away for longer is warned about */
#define LOW_SHARE 10  /* percent of free space that is warned at */

/* ---- how fast archives grow ---- */

struct growth {
	int64_t now, first; /* of the visits; 0: none */
	uint64_t mail;      /* octets that came in the last days */
	uint64_t archived;  /* octets of all archives */
};

static bool
take_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	struct growth *growth = ctx;

	(void)err;
	if (growth->first == 0 || row->began < growth->first)
		growth->first = row->began;
	if (row->began >= growth->now - GROWN * DAY_S)
		growth->mail += row->mail_bytes;
	return true;
}

/* Octets of all mail, which ARCHIVED octets of archives hold. */
static bool
find_octets(struct status *status, uint64_t archived, uint64_t *out,
            struct sled_err *err)
{
	struct sled_mail_sum *sum = status->sum;
	struct sled_message_counts counts;

	if (sum == NULL || !sum->known || sum->archived != archived) {
		if (!sled_ledger_counts(status->ledger, NULL, &counts, err))
			return false;
		*out = counts.octets;
	} else {
		*out = sum->octets;
	}
	if (sum != NULL)
		*sum = (struct sled_mail_sum){ true, archived, *out };
	return true;
}

/* Octets of archive a day: what came lately, as small as archives made of all
 * mail so far. Nothing is foretold from less than a day. */
static bool
find_growth(struct status *status, uint64_t *out, struct sled_err *err)
{
	struct growth growth = { .now = status->now };
	uint64_t octets = 0;
	int64_t days;

	*out = 0;
	if (!sled_ledger_visits(status->ledger, NULL, 0, take_visit, &growth,
	                        err) ||
	    !sled_ledger_archived(status->ledger, &growth.archived, err))
		return false;
	days = growth.first == 0 ? 0 : (status->now - growth.first) / DAY_S;
	if (days < 1 || growth.mail == 0)
		return true;
	if (!find_octets(status, growth.archived, &octets, err))
		return false;
	if (octets == 0)
		return true;
	if (days > GROWN)
		days = GROWN;
	*out = (uint64_t)((double)growth.mail * (double)growth.archived /
	                  (double)octets / (double)days);
	return true;
}

/* Places on one disk fill it together. */
static bool
count_disk(struct status *status, const struct sled_place_status *place,
           uint64_t *count, struct sled_err *err)
{
	struct sled_store *store = status->cli->store;

	*count = 0;
	for (size_t i = 0; i < sled_store_places(store); i++) {
		struct sled_place_status other = { 0 };

		if (!sled_store_place(store, i, &other, err))
			return false;
		*count += other.present && other.disk == place->disk;
	}
	if (*count == 0 || place->disk == 0)
		*count = 1;
	return true;
}

bool
sled_status_outlook(struct status *status,
                    const struct sled_place_status *place, uint64_t growth,
                    struct sled_outlook *out, struct sled_err *err)
{
	struct statvfs vfs;
	uint64_t count = 1, days;

	*out = (struct sled_outlook){ 0 };
	if (!place->present)
		return true;
	if (!count_disk(status, place, &count, err))
		return false;
	if (statvfs(place->path, &vfs) == 0)
		out->total = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	if (out->total > 0) {
		double share = 100.0 * (double)place->free_bytes;

		out->share = (unsigned)(share / (double)out->total);
		out->low = out->share < LOW_SHARE;
	}
	if (growth == 0)
		return true;
	days = place->free_bytes / growth / count;
	if (days <= AHEAD)
		out->days = days == 0 ? 1 : days;
	return true;
}

static void
add_outlook_json(struct sled_json *json, const struct sled_outlook *outlook)
{
	if (outlook->total == 0)
		sled_json_null(json, "total_bytes");
	else
		sled_json_u64(json, "total_bytes", outlook->total);
	if (outlook->days == 0)
		sled_json_null(json, "full_in_days");
	else
		sled_json_u64(json, "full_in_days", outlook->days);
	sled_json_bool(json, "low", outlook->low);
}

static bool
add_outlook(struct sled_buf *out, const struct sled_outlook *outlook,
            struct sled_err *err)
{
	return (!outlook->low ||
	        sled_buf_printf(out, err, " (LOW: %u %% of it)",
	                        outlook->share)) &&
	       (outlook->days == 0 ||
	        sled_buf_printf(out, err, ", full in about %" PRIu64 " day%s",
	                        outlook->days, outlook->days == 1 ? "" : "s"));
}

/* ---- places ---- */

static bool
print_place_json(const struct sled_place_status *place,
                 const struct sled_outlook *outlook, struct sled_err *err)
{
	struct sled_json *json = NULL;
	char seen[SLED_TIME_TEXT];

	if (!sled_json_new(&json, err))
		return false;
	sled_clock_rfc3339(place->seen, seen);
	sled_json_text(json, "place", place->path);
	sled_json_bool(json, "present", place->present);
	sled_json_bool(json, "far", place->far);
	sled_json_text(json, "seen", place->seen == 0 ? NULL : seen);
	if (place->present)
		sled_json_u64(json, "free_bytes", place->free_bytes);
	else
		sled_json_null(json, "free_bytes");
	add_outlook_json(json, outlook);
	sled_json_u64(json, "lacks", place->lacks);
	sled_clock_rfc3339(place->oldest, seen);
	sled_json_text(json, "read_since", place->oldest == 0 ? NULL : seen);
	sled_json_u64(json, "damaged", place->damaged);
	sled_json_text(json, "why", place->why[0] == '\0' ? NULL : place->why);
	return sled_json_print(&json, stdout, err);
}

/* How long ago each byte was last read back, and what did not hold. */
static void
print_health(const struct sled_place_status *place, int64_t now)
{
	int64_t days = (now - place->oldest) / DAY_S;

	if (place->damaged > 0)
		(void)printf("    DAMAGED: %" PRIu64 " member%s; try: mailsled "
		             "repair\n",
		             place->damaged, place->damaged == 1 ? "" : "s");
	if (place->oldest != 0 && days > GROWN)
		(void)printf("    some of it was not read for %" PRId64
		             " days; try: mailsled tend --seconds 600\n",
		             days);
}

static bool
add_late(struct sled_buf *out, bool late, int64_t since, int64_t now,
         struct sled_err *err)
{
	return !late ||
	       sled_buf_printf(out, err, " (LATE: %" PRId64 " days ago)",
	                       (now - since) / DAY_S);
}

/* When it was last whole, and whether the last try to send came to grief. */
static bool
add_far(struct sled_buf *out, const struct sled_place_status *place,
        int64_t now, struct sled_err *err)
{
	char word[SLED_CLI_WORD];

	sled_cli_time(word, place->seen);
	return (place->seen == 0
	            ? sled_buf_addstr(out, "far away, never whole", err)
	            : sled_buf_printf(out, err, "far away, %s %s",
	                              place->lacks == 0 ? "whole, looked at"
	                                                : "last whole",
	                              word)) &&
	       add_late(out, place->late, place->seen, now, err);
}

static bool
add_near(struct sled_buf *out, const struct sled_place_status *place,
         const struct sled_outlook *outlook, int64_t now, struct sled_err *err)
{
	char word[SLED_CLI_WORD];

	if (place->present) {
		sled_cli_bytes(word, place->free_bytes);
		return sled_buf_printf(out, err, "there, %s free", word) &&
		       add_outlook(out, outlook, err);
	}
	if (place->seen == 0)
		return sled_buf_addstr(out, "absent, never seen", err);
	sled_cli_time(word, place->seen);
	return sled_buf_printf(out, err, "absent, last seen %s", word) &&
	       add_late(out, now - place->seen >= LATE_DAYS * DAY_S,
	                place->seen, now, err);
}

bool
sled_status_place_text(struct sled_buf *out,
                       const struct sled_place_status *place,
                       const struct sled_outlook *outlook, int64_t now,
                       struct sled_err *err)
{
	char why[300], lacks[SLED_CLI_WORD];

	sled_text_clip(why, sizeof(why),
	               (struct sled_span){ place->why, strlen(place->why) });
	sled_cli_bytes(lacks, place->lacks);
	return (place->far ? add_far(out, place, now, err)
	                   : add_near(out, place, outlook, now, err)) &&
	       (place->lacks == 0 ||
	        sled_buf_printf(out, err, ", lacks %s", lacks)) &&
	       (why[0] == '\0' || sled_buf_printf(out, err, ": %s", why));
}

bool
sled_status_each_place(struct status *status, sled_status_place_fn *each,
                       void *ctx, struct sled_err *err)
{
	struct sled_store *store = status->cli->store;
	uint64_t growth = 0;

	if (!find_growth(status, &growth, err))
		return false;
	for (size_t i = 0; i < sled_store_places(store); i++) {
		struct sled_place_status place = { 0 };
		struct sled_outlook outlook = { 0 };

		if (!sled_store_place(store, i, &place, err) ||
		    !sled_status_outlook(status, &place, growth, &outlook,
		                         err) ||
		    !each(ctx, &place, &outlook, err))
			return false;
	}
	return true;
}

static bool
print_place(void *ctx, const struct sled_place_status *place,
            const struct sled_outlook *outlook, struct sled_err *err)
{
	const struct status *status = ctx;
	struct sled_buf text = { 0 };
	char path[256];

	if (status->cli->json)
		return print_place_json(place, outlook, err);
	sled_text_clip(path, sizeof(path),
	               (struct sled_span){ place->path, strlen(place->path) });
	if (!sled_status_place_text(&text, place, outlook, status->now, err)) {
		sled_buf_free(&text);
		return false;
	}
	(void)printf("  %s  %s\n", path, text.data);
	sled_buf_free(&text);
	print_health(place, status->now);
	return true;
}

bool
sled_status_places(struct status *status, struct sled_err *err)
{
	if (!status->cli->json)
		(void)printf("places\n");
	return sled_status_each_place(status, print_place, status, err);
}

/* ---- the store ---- */

/* Spools: mail that came whole and is not in an archive yet, or is coming. */
static uint64_t
count_spools(struct sled_cli *cli)
{
	const struct sled_conf_store *conf = &cli->conf->store;
	struct sled_buf path = { 0 }, names = { 0 };
	struct sled_err err = { 0 };
	uint64_t count = 0;

	if (sled_buf_printf(&path, &err, "%s%s/spool",
	                    conf->state == NULL ? conf->path : conf->state,
	                    conf->state == NULL ? "/.mailsled" : "") &&
	    sled_dir_list(&names, cli->sys, AT_FDCWD, path.data, &err))
		for (size_t i = 0; i < names.len; i++)
			count += names.data[i] == '\0';
	sled_buf_free(&path);
	sled_buf_free(&names);
	return count;
}

struct revised {
	uint64_t count;
	bool quiet;
};

/* A volume that a repair could not make whole. */
static bool
show_revised(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct revised *revised = ctx;

	(void)err;
	if (row->revision == 0)
		return true;
	revised->count++;
	if (!revised->quiet)
		(void)printf("  %s/%s is not as it was: %s.r%u.tsv beside it "
		             "tells what it lost\n",
		             row->label, row->name, row->name, row->revision);
	return true;
}

/* What tar last got out of a volume. */
static bool
add_drill(struct status *status, struct sled_json *json, struct sled_err *err)
{
	struct sled_health_row row = { .at = 0 };
	char when[SLED_CLI_WORD], at[SLED_TIME_TEXT];
	bool found = false;

	if (!sled_ledger_health(status->ledger, "drill", &row, &found, err))
		return false;
	if (json != NULL) {
		sled_clock_rfc3339(row.at, at);
		sled_json_text(json, "drill_at", found ? at : NULL);
		sled_json_text(json, "drill", found ? row.text : NULL);
		if (found)
			sled_json_bool(json, "drill_fine", row.fine);
		else
			sled_json_null(json, "drill_fine");
	} else if (found) {
		sled_cli_time(when, row.at);
		(void)printf("drill\n  %s%s  %s\n", row.fine ? "" : "FAILED ",
		             when, row.text);
	}
	return true;
}

bool
sled_status_store(struct status *status, struct sled_err *err)
{
	struct sled_cli *cli = status->cli;
	struct revised revised = { 0, cli->json };
	uint64_t spools = count_spools(cli);
	bool one_disk = sled_store_one_disk(cli->store);
	struct sled_json *json = NULL;

	if (!sled_ledger_volumes(sled_store_ledger(cli->store), NULL,
	                         show_revised, &revised, err))
		return false;
	if (cli->json) {
		if (!sled_json_new(&json, err))
			return false;
		sled_json_text(json, "store", sled_store_id(cli->store));
		sled_json_u64(json, "min_copies", cli->conf->store.min_copies);
		sled_json_bool(json, "one_disk", one_disk);
		sled_json_u64(json, "spools", spools);
		sled_json_u64(json, "revised", revised.count);
		if (add_drill(status, json, err))
			return sled_json_print(&json, stdout, err);
		sled_json_free(&json);
		return false;
	}
	if (one_disk)
		(void)printf(
		    "  all on one disk: when it dies, all copies do\n");
	if (cli->conf->store.min_copies == 1)
		(void)printf(
		    "  min-copies = 1: mail is deleted from the server "
		    "when one place holds it\n");
	if (spools > 0)
		(void)printf("waiting\n  %" PRIu64 " spool%s with mail that is "
		             "not in an archive yet: the next fetch puts it "
		             "there\n",
		             spools, spools == 1 ? "" : "s");
	return add_drill(status, NULL, err);
}
