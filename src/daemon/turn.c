/* turn.c - what the scheduler says is done, and the answer told to it. */
#include <stdio.h>
#include <string.h>

#include "daemon/internal.h"
#include "mailsled/calendar.h"
#include "mailsled/clock.h"

#define TURNS_MAX 16 /* decisions of one turn; what is left comes at once */

static uint64_t
ms_of(int64_t seconds)
{
	return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

/* ---- lines ---- */

static void
settle_soon(struct sled_daemon *d)
{
	sled_timer_start(d->settle, 0);
}

static void
on_command(void *ctx, const struct sled_err *err)
{
	struct sled_daemon *d = ctx;
	const struct sled_conf_link *link =
	    d->hanging != NULL ? d->hanging : d->line;

	d->command_over = true;
	d->command_good = err == NULL;
	if (err != NULL)
		sled_daemon_say(
		    d, SLED_DAEMON_ERR, "%s: %s: %s%s",
		    link == NULL ? "line" : link->name,
		    d->hanging != NULL ? "down-command" : "up-command",
		    err->text,
		    d->hanging != NULL ? "; the line may be open still" : "");
	settle_soon(d);
}

/* A store that cannot be opened is found out before the line is paid for. */
static bool
can_store(struct sled_daemon *d, struct sled_err *err)
{
	struct sled_store *store = NULL;
	bool ok = sled_daemon_open(d, &store, err);

	sled_store_close(&store);
	if (!ok)
		sled_daemon_turn_down(d, err);
	return ok;
}

/* False: the store took so long that no visit fits into the window any more. */
static bool
is_in_time(struct sled_daemon *d, const struct sled_conf_link *link)
{
	struct sled_scheduler_now now = sled_daemon_now();

	if (sled_scheduler_dials(d->scheduler, &now))
		return true;
	sled_daemon_say(d, SLED_DAEMON_INFO,
	                "%s is not dialled: the window closes", link->name);
	return false;
}

static bool
begin_dial(struct sled_daemon *d, const struct sled_conf_link *link,
           struct sled_err *err)
{
	if (!sled_daemon_line_keep(d, link->name, err))
		return false;
	d->line = link;
	d->dial_ms = sled_clock_ms();
	if (sled_command_new(&d->command, d->loop, link->up_command,
	                     ms_of(link->up_timeout_s), on_command, d, err))
		return true;
	d->line = NULL;
	sled_daemon_line_forget(d);
	return false;
}

static void
not_dialled(struct sled_daemon *d, const struct sled_conf_link *link,
            struct sled_err *err)
{
	struct sled_scheduler_now now = sled_daemon_now();

	(void)sled_note(err, "%s is not dialled", link->name);
	sled_daemon_complain(d, err);
	sled_scheduler_undialled(d->scheduler, &now);
	d->status = sled_err_exit(err->kind);
	d->rounds_done = true;
	if (d->my->once)
		sled_scheduler_stop(d->scheduler);
}

static void
dial(struct sled_daemon *d, const struct sled_scheduler_decision *decision)
{
	const struct sled_conf_link *link = decision->profile;
	struct sled_err err = { 0 };

	sled_daemon_say(d, SLED_DAEMON_INFO, "%s: dialling: %s", link->name,
	                decision->why);
	d->dialled_row.id = 0;
	d->command_over = false;
	if (!can_store(d, &err) ||
	    (is_in_time(d, link) && !begin_dial(d, link, &err)))
		not_dialled(d, link, &err);
}

static void
hung_up(struct sled_daemon *d, bool good)
{
	struct sled_scheduler_now now = sled_daemon_now();
	int64_t took = now.ms - d->hang_ms;

	if (took > d->hung_took_ms)
		d->hung_took_ms = took;
	if (good)
		sled_daemon_line_forget(d);
	d->hanging = NULL;
	d->line = NULL;
	(void)sled_links_look(d->links);
	sled_scheduler_hung_up(d->scheduler, good, &now);
	sled_daemon_line_closed(d);
	sled_daemon_tell_links(d);
}

static void
hang_up(struct sled_daemon *d, const struct sled_scheduler_decision *decision)
{
	const struct sled_conf_link *link = decision->profile;
	struct sled_err err = { 0 };

	/* up-command may be at it still. */
	sled_command_free(&d->command);
	d->command_over = false;
	sled_daemon_say(d, SLED_DAEMON_INFO, "%s: hanging up: %s", link->name,
	                decision->why);
	d->hanging = link;
	d->hang_ms = sled_clock_ms();
	if (link->down_command == NULL) {
		hung_up(d, true);
		return;
	}
	if (sled_command_new(&d->command, d->loop, link->down_command,
	                     ms_of(link->down_timeout_s), on_command, d, &err))
		return;
	(void)sled_note(&err, "%s: the line may be open still", link->name);
	sled_daemon_complain(d, &err);
	hung_up(d, false);
}

static void
command_ended(struct sled_daemon *d)
{
	sled_command_free(&d->command);
	d->command_over = false;
	if (d->hanging != NULL) {
		hung_up(d, d->command_good);
		return;
	}
	if (!d->command_good)
		sled_scheduler_line_failed(d->scheduler);
	if (sled_links_look(d->links))
		sled_daemon_tell_links(d);
}

/* ---- links ---- */

static void
copy_link(const struct sled_daemon *d, const struct sled_link *link,
          struct sled_scheduler_link *out)
{
	*out = (struct sled_scheduler_link){
		.profile = sled_link_profile(d->conf, link, NULL),
		.since_ms = link->since_ms,
		.changes = link->changes,
		.direct = !link->ipv4 && !link->ipv6,
	};
	(void)snprintf(out->name, sizeof(out->name), "%s", link->name);
}

/* A server in the LAN, or on this machine, is reached by one link only. */
static void
tell_ways(struct sled_daemon *d, const struct sled_scheduler_link *links,
          size_t len)
{
	for (size_t i = 0; i < d->conf->accounts_len; i++) {
		char name[SLED_ROUTE_NAME];
		const char *way = "";

		if (!sled_route_name(d->servers[i], name))
			name[0] = '\0';
		for (size_t j = 0; j < len; j++)
			if (links[j].direct && strcmp(links[j].name, name) == 0)
				way = name;
		sled_scheduler_way(d->scheduler, i, way);
	}
}

void
sled_daemon_tell_links(struct sled_daemon *d)
{
	struct sled_scheduler_link links[SLED_SCHEDULER_LINKS];
	struct sled_scheduler_now now = sled_daemon_now();
	const struct sled_link *up;
	size_t len = 0;

	up = sled_links_up(d->links, &len);
	if (len > SLED_SCHEDULER_LINKS)
		len = SLED_SCHEDULER_LINKS;
	for (size_t i = 0; i < len; i++)
		copy_link(d, &up[i], &links[i]);
	tell_ways(d, links, len);
	sled_scheduler_links(d->scheduler, links, len, &now);
}

/* ---- turns ---- */

/* With nothing under way another configuration may take the old one's place. */
static void
take_reload(struct sled_daemon *d)
{
	struct sled_scheduler_now now = sled_daemon_now();
	struct sled_err err = { 0 };

	if (d->next_gen == NULL || d->round != NULL || d->command != NULL ||
	    !sled_scheduler_idle(d->scheduler) || sled_daemon_has_clients(d))
		return;
	if (!sled_scheduler_conf(d->scheduler, d->next_conf, &now, &err)) {
		sled_daemon_complain(d, &err);
		return;
	}
	d->my->calls.unload(d->my->calls.ctx, d->gen);
	d->gen = d->next_gen;
	d->conf = d->next_conf;
	d->next_gen = NULL;
	sled_daemon_facts(d, NULL);
	sled_daemon_tell_links(d);
	sled_daemon_say(d, SLED_DAEMON_INFO,
	                "the configuration was read "
	                "again");
}

static void
tell_status(struct sled_daemon *d, const struct sled_scheduler_next *next)
{
	char text[sizeof(d->told)];
	int64_t minutes = next->in_ms / 60000;

	if (next->visit && minutes > 0)
		(void)snprintf(text, sizeof(text),
		               "STATUS=next visit in %lld min: %s",
		               (long long)minutes, next->why);
	else
		(void)snprintf(text, sizeof(text), "STATUS=%s", next->why);
	if (strcmp(text, d->told) == 0)
		return;
	memcpy(d->told, text, sizeof(text));
	sled_notify(text);
}

/* Is there nothing left to do before the end? */
static bool
is_done(const struct sled_daemon *d)
{
	return (d->stopping || (d->my->once && d->rounds_done)) &&
	       d->round == NULL && d->command == NULL &&
	       sled_scheduler_idle(d->scheduler);
}

/* True: there may be more to do. */
static bool
act(struct sled_daemon *d)
{
	struct sled_scheduler_decision decision;
	struct sled_scheduler_now now = sled_daemon_now();

	sled_scheduler_step(d->scheduler, &now, &decision);
	switch (decision.what) {
	case SLED_SCHEDULER_NOTHING:
		return false;
	case SLED_SCHEDULER_DIAL:
		dial(d, &decision);
		break;
	case SLED_SCHEDULER_HANG_UP:
		hang_up(d, &decision);
		break;
	case SLED_SCHEDULER_REFUSE:
		sled_daemon_refuse(d, decision.why);
		break;
	case SLED_SCHEDULER_VISIT:
		memcpy(d->accounts, decision.accounts,
		       decision.accounts_len * sizeof(*d->accounts));
		d->visit = decision;
		d->visit.accounts = d->accounts;
		(void)sled_daemon_visit(d);
		break;
	}
	return true;
}

static void
take_turn(struct sled_daemon *d)
{
	struct sled_scheduler_next next;
	struct sled_scheduler_now now;

	sled_calendar_reread();
	sled_scheduler_zone(d->scheduler);
	take_reload(d);
	now = sled_daemon_now();
	if (d->round == NULL && !sled_daemon_leased(d) && !d->stopping &&
	    (now.wall < d->facts_day || now.wall >= d->facts_day_end))
		sled_daemon_facts(d, NULL);
	for (unsigned n = 0; n < TURNS_MAX; n++)
		if (!act(d))
			break;
	sled_daemon_grant(d);
	if (is_done(d)) {
		sled_loop_stop(d->loop);
		return;
	}
	sled_daemon_tend(d);
	now = sled_daemon_now();
	sled_scheduler_next(d->scheduler, &now, &next);
	if (next.wake_ms > sled_daemon_tend_wake(d))
		next.wake_ms = sled_daemon_tend_wake(d);
	tell_status(d, &next);
	sled_alarm_start(d->alarm, (uint64_t)next.wake_ms);
}

/* Whoever calls from inside a turn is served by one more. */
void
sled_daemon_turn(struct sled_daemon *d)
{
	d->again = true;
	if (d->turning)
		return;
	d->turning = true;
	for (unsigned n = 0; d->again && n < TURNS_MAX; n++) {
		d->again = false;
		take_turn(d);
	}
	d->turning = false;
}

void
sled_daemon_settle(void *ctx)
{
	struct sled_daemon *d = ctx;

	if (d->round_over)
		sled_daemon_visit_over(d);
	if (d->command_over)
		command_ended(d);
	if (d->tend_over)
		sled_daemon_tend_ended(d);
	sled_daemon_turn(d);
}
