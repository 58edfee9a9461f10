/* report.c - what a visit came to: every listed message in one count. */
#include <stdio.h>
#include <string.h>

#include "mailsled/clock.h"
#include "session/session.h"

/* Stored, but not in as many places as it must be, though it should go. Of mail
 * of earlier visits that is not known before they were counted. */
static bool
waits_for_places(const struct sled_session *s, const struct sled_item *item)
{
	const unsigned due = SLED_ITEM_DUE | SLED_ITEM_SAFE;

	return item->verdict == SLED_ITEM_STORED &&
	       (item->flags & due) == SLED_ITEM_DUE &&
	       (s->recounted || (item->flags & SLED_ITEM_RETRIEVED) != 0);
}

static void
count_item(struct sled_session *s, const struct sled_item *item)
{
	struct sled_visit_row *row = &s->result.row;

	if (item->verdict == SLED_ITEM_ABSENT)
		return;
	row->listed++;
	if ((item->flags & SLED_ITEM_DELE) != 0 && row->deleted > 0)
		return; /* counted when QUIT confirmed it */
	if (item->verdict == SLED_ITEM_STORED ||
	    item->verdict == SLED_ITEM_SPOOLED ||
	    (item->flags & SLED_ITEM_RETRIEVED) != 0) {
		row->kept++;
		s->result.pending += (item->flags & SLED_ITEM_DUE) != 0 ||
		                     item->verdict == SLED_ITEM_SPOOLED;
	} else if (item->fate == SLED_FATE_HELD) {
		row->held++;
		row->held_bytes += item->size;
	} else if (item->fate == SLED_FATE_FAILED) {
		row->failed++;
	} else {
		row->left++;
		row->left_bytes += item->size;
	}
}

static void
fail_with(struct sled_session *s, enum sled_err_kind kind, const char *text)
{
	if (s->result.err.kind == SLED_ERR_NONE)
		(void)sled_fail(&s->result.err, kind, "%s", text);
	else
		s->result.err.kind = sled_err_worse(s->result.err.kind, kind);
}

static void
add_reason(char *text, size_t room, uint64_t count, const char *why)
{
	size_t len = strlen(text);

	if (count > 0 && len < room)
		(void)snprintf(text + len, room - len, "%s%llu for %s",
		               len == 0 ? "" : ", ", (unsigned long long)count,
		               why);
}

/* Nothing is wrong when the visit only goes on in another connection. */
static void
judge_left(struct sled_session *s)
{
	const struct sled_visit_result *result = &s->result;
	char why[120] = "", text[200];

	if (result->row.left == 0 || result->more)
		return;
	add_reason(why, sizeof(why), result->left_time, "want of time");
	add_reason(why, sizeof(why), result->left_budget, "the budget");
	(void)snprintf(text, sizeof(text),
	               "some messages are left for the next visit%s%s%s",
	               why[0] == '\0' ? "" : " (", why,
	               why[0] == '\0' ? "" : ")");
	fail_with(s, SLED_ERR_LINK, text);
}

/* Those that came before are not paid for a third time. */
static void
judge_shorts(struct sled_session *s, size_t shorts)
{
	size_t again = 0;

	for (size_t at = 0, i; sled_box_again(s->box, &at, &i);)
		again++;
	if (shorts > again)
		fail_with(s, SLED_ERR_PROTO,
		          "a message came with another size than the server "
		          "lists; it is kept there and fetched once more");
	else if (shorts > 0)
		fail_with(s, SLED_ERR_PROTO,
		          "what came again is still not what the server "
		          "lists; it stays there, set aside: see `mailsled "
		          "held`, then `mailsled want` or `drop` it");
}

/* A partial run never ends with 0. */
static void
judge(struct sled_session *s)
{
	struct sled_visit_row *row = &s->result.row;
	size_t waiting = 0, spooled = 0, shorts = 0, unlisted = 0, refused = 0;
	char text[400];

	for (size_t i = 0; i < s->listing.len; i++) {
		const struct sled_item *item = &s->listing.items[i];

		waiting += waits_for_places(s, item);
		spooled += item->verdict == SLED_ITEM_SPOOLED;
		shorts += (item->flags & SLED_ITEM_SHORT) != 0 &&
		          item->fate != SLED_FATE_HELD;
		unlisted += item->verdict == SLED_ITEM_ABSENT;
		refused += item->verdict == SLED_ITEM_STORED &&
		           item->fate == SLED_FATE_FAILED;
	}
	if (waiting > 0 && sled_box_sums(s->box).far_pending) {
		sled_session_warn(s,
		                  "%zu messages stay on the server until their "
		                  "far copies are there and checked",
		                  waiting);
	} else if (waiting > 0) {
		(void)snprintf(text, sizeof(text),
		               "%zu messages stay on the server until they are "
		               "in enough places: %.300s",
		               waiting, sled_box_sums(s->box).unsafe_why);
		fail_with(s, SLED_ERR_PLACE, text);
	}
	if (spooled > 0)
		fail_with(
		    s, SLED_ERR_PLACE,
		    "mail waits in the spool for room on the first place");
	judge_shorts(s, shorts);
	if (unlisted > 0 && s->uids_done && s->sizes_done)
		fail_with(s, SLED_ERR_PROTO,
		          "the server counts more messages than it lists");
	if (refused > 0)
		fail_with(s, SLED_ERR_SERVER,
		          "the server refused to delete some of the messages");
	if (row->failed > 0)
		fail_with(s, SLED_ERR_SERVER,
		          "the server refused some of the messages");
	judge_left(s);
}

/* Where the line was, and how long it lived. */
static void
note_line(struct sled_session *s)
{
	struct sled_visit_row *row = &s->result.row;

	row->round = s->conf.round;
	row->up_ms = s->conf.up_ms;
	row->alive_ms = s->last_ms == 0 ? 0 : s->last_ms - s->began_ms;
	(void)snprintf(row->path, sizeof(row->path), "%.*s",
	               (int)sizeof(row->path) - 1, s->path_name);
}

/* What it said before it refused the login holds too. Servers count from that
 * login, which may have been late in the visit. */
static void
note_delay(struct sled_session *s)
{
	uint32_t delay = s->limits.told
	                     ? s->limits.login_delay_s
	                     : sled_box_maildrop(s->box)->login_delay_s;

	if (delay > 0)
		s->result.not_before = sled_clock_now() + (int64_t)delay;
}

/* What STAT counted, without what QUIT took away. */
static void
note_octets(struct sled_session *s)
{
	struct sled_maildrop *drop = sled_box_maildrop(s->box);
	uint64_t gone = 0;

	if (!s->stat_done)
		return;
	for (size_t i = 0; i < s->listing.len; i++)
		if ((s->listing.items[i].flags & SLED_ITEM_DELE) != 0 &&
		    s->result.row.deleted > 0)
			gone += s->listing.items[i].size;
	drop->octets = s->stat_octets > gone ? s->stat_octets - gone : 0;
	drop->visited = s->result.row.began;
}

void
sled_report(struct sled_session *s)
{
	struct sled_visit_row *row = &s->result.row;
	struct sled_box_sums sums = { 0 };
	struct sled_err err = { 0 };

	if (s->box != NULL)
		sums = sled_box_sums(s->box);
	row->fetched = sums.fetched;
	row->mail_bytes = sums.mail_bytes;
	row->ms = sled_clock_ms() - s->began_ms;
	note_line(s);
	if (s->box != NULL) {
		sled_shift_ended(s);
		sled_order_end(s);
	}
	for (size_t i = 0; i < s->listing.len; i++)
		count_item(s, &s->listing.items[i]);
	if (s->box != NULL) {
		judge(s);
		sled_held_keep(s);
		sled_aside_keep(s);
		if (*sled_box_lapsed(s->box) != '\0')
			sled_session_warn(s, "%s", sled_box_lapsed(s->box));
		note_delay(s);
		note_octets(s);
		sled_remember_keep(s);
		sled_path_keep(s);
	}
	row->exit = sled_err_exit(s->result.err.kind);
	(void)snprintf(row->error, sizeof(row->error), "%s",
	               s->result.err.text);
	if (!sled_box_close(&s->box, row, &err)) {
		if (s->result.err.kind == SLED_ERR_NONE)
			s->result.err = err;
		sled_session_warn(s, "%s", err.text);
		row->exit =
		    sled_err_exit(sled_err_worse(s->result.err.kind, err.kind));
	}
}
