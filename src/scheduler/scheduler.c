/* scheduler.c - what happens, and what that changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"

#define LEFT_WAIT_MS 60000 /* until what was left is tried again */
#define CUT_WAIT_MS  5000  /* until the kernel has said that the link is gone */
#define HUNG_LOOK_MS 10000 /* until a link that was hung up must be gone */
#define HUNG_MOST_MS 600000

/* ---- the configuration ---- */

static struct sled_scheduler_account *
account_of(const struct sled_scheduler *s, const char *name)
{
	for (size_t i = 0; s->conf != NULL && i < s->conf->accounts_len; i++)
		if (strcmp(s->conf->accounts[i].name, name) == 0)
			return &s->accounts[i];
	return NULL;
}

static size_t
section_named(const struct sled_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->links_len; i++)
		if (strcmp(conf->links[i].name, name) == 0)
			return i;
	return SLED_SCHEDULER_NONE;
}

static size_t
section_moved(const struct sled_scheduler *s, const struct sled_conf *conf,
              size_t section)
{
	return section == SLED_SCHEDULER_NONE
	           ? section
	           : section_named(conf, s->conf->links[section].name);
}

/* What is known of an account, without its waits. */
static struct sled_scheduler_account
carry_account(const struct sled_scheduler *s,
              const struct sled_conf_account *conf)
{
	const struct sled_scheduler_account *old = account_of(s, conf->name);
	struct sled_scheduler_account account = { 0 };

	if (old != NULL)
		account = *old;
	account.conf = conf;
	account.fails = 0;
	account.wait_until_ms = 0;
	account.refused = false;
	return account;
}

static struct sled_scheduler_section
carry_section(const struct sled_scheduler *s, const struct sled_conf_link *link)
{
	struct sled_scheduler_section section = { 0 };
	size_t old = s->conf == NULL ? SLED_SCHEDULER_NONE
	                             : section_named(s->conf, link->name);

	if (old != SLED_SCHEDULER_NONE)
		section = s->sections[old];
	section.dial_fails = 0;
	section.dial_until_ms = 0;
	return section;
}

bool
sled_scheduler_conf(struct sled_scheduler *s, const struct sled_conf *conf,
                    const struct sled_scheduler_now *now, struct sled_err *err)
{
	struct sled_scheduler_account *accounts =
	    calloc(conf->accounts_len + 1, sizeof(*accounts));
	struct sled_scheduler_section *sections =
	    calloc(conf->links_len + 1, sizeof(*sections));
	size_t *picked = calloc(conf->accounts_len + 1, sizeof(*picked));

	(void)now;
	if (accounts == NULL || sections == NULL || picked == NULL) {
		free(accounts);
		free(sections);
		free(picked);
		return sled_fail(err, SLED_ERR_NOMEM, "scheduler");
	}
	for (size_t i = 0; i < conf->accounts_len; i++)
		accounts[i] = carry_account(s, &conf->accounts[i]);
	for (size_t i = 0; i < conf->links_len; i++)
		sections[i] = carry_section(s, &conf->links[i]);
	s->hung = section_moved(s, conf, s->hung);
	s->line = section_moved(s, conf, s->line);
	free(s->accounts);
	free(s->sections);
	free(s->picked);
	s->accounts = accounts;
	s->sections = sections;
	s->picked = picked;
	sled_scheduler_zone(s);
	s->conf = conf;
	/* Their sections are the old configuration's; what was wrong with a
	 * server may be mended. */
	for (size_t i = 0; i < s->ups_len; i++) {
		s->ups[i].link.profile = NULL;
		s->ups[i].portal = false;
	}
	return true;
}

bool
sled_scheduler_new(struct sled_scheduler **out, const struct sled_conf *conf,
                   uint64_t seed, const struct sled_scheduler_now *now,
                   struct sled_err *err)
{
	struct sled_scheduler *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "scheduler");
	s->openings = calloc(1, sizeof(*s->openings));
	s->seed = seed;
	s->line = SLED_SCHEDULER_NONE;
	s->hung = SLED_SCHEDULER_NONE;
	s->round_section = SLED_SCHEDULER_NONE;
	if (s->openings == NULL) {
		sled_scheduler_free(&s);
		return sled_fail(err, SLED_ERR_NOMEM, "scheduler");
	}
	if (!sled_scheduler_conf(s, conf, now, err)) {
		sled_scheduler_free(&s);
		return false;
	}
	*out = s;
	return true;
}

void
sled_scheduler_free(struct sled_scheduler **scheduler)
{
	struct sled_scheduler *s = *scheduler;

	if (s == NULL)
		return;
	free(s->accounts);
	free(s->sections);
	free(s->picked);
	free(s->openings);
	free(s);
	*scheduler = NULL;
}

void
sled_scheduler_zone(struct sled_scheduler *s)
{
	*s->openings = (struct sled_scheduler_openings){ 0 };
}

void
sled_scheduler_last(struct sled_scheduler *s, size_t account, int64_t wall,
                    const struct sled_scheduler_now *now)
{
	struct sled_scheduler_account *a = &s->accounts[account];

	/* One that lies ahead was told by a clock that went wrong. */
	if (now->doubtful || wall <= 0 || wall > now->wall)
		return;
	/* Another's visit counts too. */
	if (a->known && wall <= a->last_wall && a->last_wall <= now->wall)
		return;
	a->known = true;
	a->owed = false;
	a->last_wall = wall;
	a->base_ms = now->ms - (now->wall - wall) * 1000;
}

void
sled_scheduler_used(struct sled_scheduler *s, size_t link,
                    const struct sled_budget_left *used,
                    const struct sled_scheduler_now *now)
{
	s->sections[link].used = *used;
	s->sections[link].day_end = sled_calendar_day_end(now->wall);
	s->sections[link].month_end = sled_calendar_month_end(now->wall);
}

/* ---- links ---- */

/* The same link, still up since it was last told? */
static const struct sled_scheduler_up *
same_up(const struct sled_scheduler *s, const struct sled_scheduler_link *link)
{
	for (size_t i = 0; i < s->ups_len; i++)
		if (strcmp(s->ups[i].link.name, link->name) == 0 &&
		    s->ups[i].link.since_ms == link->since_ms &&
		    s->ups[i].link.changes == link->changes)
			return &s->ups[i];
	return NULL;
}

static void
came_up(struct sled_scheduler *s, const struct sled_scheduler_link *link,
        const struct sled_scheduler_now *now)
{
	bool visits = link->profile == NULL ||
	              link->profile->visit == SLED_CONF_VISIT_YES;
	size_t section = sled_scheduler_section_of(s, link->profile);
	bool dialled = section != SLED_SCHEDULER_NONE && section == s->line;

	if (section != SLED_SCHEDULER_NONE && !dialled)
		s->sections[section].dial_fails = 0;
	for (size_t i = 0; i < s->conf->accounts_len; i++) {
		struct sled_scheduler_account *a = &s->accounts[i];

		if (!sled_scheduler_serves(link, a))
			continue;
		if (sled_scheduler_on_link(s) && visits) {
			a->link_due = true;
			a->link_ms = now->ms;
		}
		/* A line of our own doing is no news of the world. */
		if (a->refused || dialled)
			continue;
		a->fails = 0;
		a->wait_until_ms = 0;
	}
}

/* A link that we hung up is gone, or somebody brought it up again. */
static void
check_hung(struct sled_scheduler *s)
{
	if (s->hung == SLED_SCHEDULER_NONE || s->line == s->hung)
		return;
	for (size_t i = 0; i < s->ups_len; i++)
		if (sled_scheduler_section_of(s, s->ups[i].link.profile) ==
		        s->hung &&
		    s->ups[i].link.since_ms <= s->hung_ms)
			return;
	s->hung = SLED_SCHEDULER_NONE;
	s->hung_tries = 0;
}

void
sled_scheduler_links(struct sled_scheduler *s,
                     const struct sled_scheduler_link *links, size_t len,
                     const struct sled_scheduler_now *now)
{
	struct sled_scheduler_up ups[SLED_SCHEDULER_LINKS];

	if (len > SLED_SCHEDULER_LINKS)
		len = SLED_SCHEDULER_LINKS;
	for (size_t i = 0; i < len; i++) {
		const struct sled_scheduler_up *old = same_up(s, &links[i]);

		ups[i] = (struct sled_scheduler_up){
			.link = links[i],
			.portal = old != NULL && old->portal,
			.proved = old != NULL && old->proved,
		};
		if (old == NULL)
			came_up(s, &links[i], now);
	}
	if (len > 0)
		memcpy(s->ups, ups, len * sizeof(*ups));
	s->ups_len = len;
	check_hung(s);
}

void
sled_scheduler_way(struct sled_scheduler *s, size_t account,
                   const char *interface)
{
	char *way = s->accounts[account].way;

	(void)snprintf(way, sizeof(s->accounts[account].way), "%s", interface);
}

/* ---- what people and others want ---- */

void
sled_scheduler_ask(struct sled_scheduler *s, size_t account, const char *link)
{
	(void)snprintf(s->ask_link, sizeof(s->ask_link), "%s",
	               link == NULL ? "" : link);
	s->ask_dialled = false;
	for (size_t i = 0; i < s->conf->accounts_len; i++)
		if (account == SIZE_MAX || account == i)
			s->accounts[i].asked = true;
}

void
sled_scheduler_only(struct sled_scheduler *s, const char *link)
{
	(void)snprintf(s->only, sizeof(s->only), "%s",
	               link == NULL ? "" : link);
}

void
sled_scheduler_hold(struct sled_scheduler *s, bool held)
{
	s->held = held;
}

void
sled_scheduler_stop(struct sled_scheduler *s)
{
	s->stopping = true;
}

/* ---- the end of what was begun ---- */

static void
visited_well(struct sled_scheduler *s, struct sled_scheduler_account *a)
{
	/* Murmur3's last steps: one draw for all accounts of a round. */
	uint64_t draw = s->seed + s->rounds * UINT64_C(0x9e3779b97f4a7c15);

	draw = (draw ^ draw >> 33) * UINT64_C(0xff51afd7ed558ccd);
	draw = (draw ^ draw >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	a->fraction = (uint32_t)(draw >> 32);
	a->known = true;
	a->base_ms = s->began_ms;
	a->last_wall = s->began_wall;
	a->owed = false;
	/* One that came up meanwhile may carry what this one held. */
	a->link_due = a->link_due && a->link_ms > s->began_ms;
	a->fails = 0;
	a->refused = false;
	a->wait_until_ms = 0;
}

/* The link that the round uses, if it is up still. */
static struct sled_scheduler_up *
round_up(struct sled_scheduler *s)
{
	for (size_t i = 0; i < s->ups_len; i++)
		if (strcmp(s->ups[i].link.name, s->round_link) == 0 &&
		    s->ups[i].link.changes == s->round_changes)
			return &s->ups[i];
	return NULL;
}

void
sled_scheduler_visited(struct sled_scheduler *s, size_t account,
                       enum sled_scheduler_outcome outcome, int64_t not_before,
                       const struct sled_scheduler_now *now)
{
	struct sled_scheduler_account *a = &s->accounts[account];

	if (not_before > now->wall)
		a->not_before_ms = now->ms + (not_before - now->wall) * 1000;
	a->owed = a->owed || a->by_time;
	s->round_proved = s->round_proved || outcome == SLED_SCHEDULER_GOOD ||
	                  outcome == SLED_SCHEDULER_REFUSED;
	switch (outcome) {
	case SLED_SCHEDULER_GOOD:
	case SLED_SCHEDULER_STOPPED:
		visited_well(s, a);
		break;
	case SLED_SCHEDULER_LEFT:
		a->fails = 0;
		a->wait_until_ms = now->ms + LEFT_WAIT_MS;
		break;
	case SLED_SCHEDULER_CUT:
		a->wait_until_ms = now->ms + CUT_WAIT_MS;
		break;
	case SLED_SCHEDULER_FAILED:
	case SLED_SCHEDULER_REFUSED:
		a->refused = outcome == SLED_SCHEDULER_REFUSED;
		a->fails++;
		a->wait_until_ms =
		    now->ms + sled_scheduler_wait_ms(s, a->fails);
		break;
	}
}

static void
add_used(struct sled_used *sum, const struct sled_used *more)
{
	sum->bytes += more->bytes;
	sum->ms += more->ms;
	sum->money += more->money;
}

/* Where others of ours answered, an account that met a stranger by itself is
 * alone with that. */
static void
note_portal(struct sled_scheduler *s, struct sled_scheduler_up *up, bool portal)
{
	up->proved = up->proved || s->round_proved;
	if (portal && (s->round_whole || !up->proved))
		up->portal = true;
	else if (s->round_proved)
		up->portal = false;
}

void
sled_scheduler_round_over(struct sled_scheduler *s, bool portal,
                          const struct sled_used *used,
                          const struct sled_scheduler_now *now)
{
	struct sled_scheduler_section *section;
	struct sled_scheduler_up *up = round_up(s);

	s->state = SLED_SCHEDULER_IDLE;
	if (up != NULL)
		note_portal(s, up, portal);
	if (s->round_section == SLED_SCHEDULER_NONE)
		return;
	section = &s->sections[s->round_section];
	if (!s->unvisited)
		section->dial_fails = 0;
	if (!now->doubtful && now->wall >= section->day_end) {
		section->used.day = (struct sled_used){ 0 };
		section->day_end = sled_calendar_day_end(now->wall);
	}
	if (!now->doubtful && now->wall >= section->month_end) {
		section->used.month = (struct sled_used){ 0 };
		section->month_end = sled_calendar_month_end(now->wall);
	}
	add_used(&section->used.day, used);
	add_used(&section->used.month, used);
}

void
sled_scheduler_line_failed(struct sled_scheduler *s)
{
	s->line_failed = true;
}

void
sled_scheduler_unvisited(struct sled_scheduler *s)
{
	s->unvisited = true;
}

void
sled_scheduler_undialled(struct sled_scheduler *s,
                         const struct sled_scheduler_now *now)
{
	sled_scheduler_dial_later(s, &s->sections[s->line], now);
	s->state = SLED_SCHEDULER_IDLE;
	s->line = SLED_SCHEDULER_NONE;
}

void
sled_scheduler_hung_up(struct sled_scheduler *s, bool good,
                       const struct sled_scheduler_now *now)
{
	int64_t wait = HUNG_LOOK_MS;

	(void)good;
	for (unsigned i = 0; i < s->hung_tries && wait < HUNG_MOST_MS; i++)
		wait *= 2;
	s->state = SLED_SCHEDULER_IDLE;
	s->hung = s->conf->links[s->line].down_command == NULL
	              ? SLED_SCHEDULER_NONE
	              : s->line;
	s->line = SLED_SCHEDULER_NONE;
	s->hung_ms = now->ms;
	s->hung_tries += s->hung != SLED_SCHEDULER_NONE;
	s->again_ms = now->ms + wait;
	check_hung(s);
}

void
sled_scheduler_line_left(struct sled_scheduler *s, size_t link)
{
	s->line = link;
}

bool
sled_scheduler_idle(const struct sled_scheduler *s)
{
	return s->state == SLED_SCHEDULER_IDLE &&
	       s->line == SLED_SCHEDULER_NONE;
}
