/* when.c - when an account is due, and what puts it off. */
#include "scheduler/internal.h"

#define DEFAULT_EVERY_S 1800
#define WAIT_FIRST_S    60
#define WAIT_MOST_S     3600

/* Nothing is written that would ever make a visit. */
static bool
says_nothing(const struct sled_conf_schedule *schedule)
{
	return schedule->every_s == 0 && schedule->windows_len == 0 &&
	       !schedule->on_link;
}

int64_t
sled_scheduler_every_s(const struct sled_scheduler *s)
{
	return says_nothing(&s->conf->schedule) ? DEFAULT_EVERY_S
	                                        : s->conf->schedule.every_s;
}

bool
sled_scheduler_on_link(const struct sled_scheduler *s)
{
	return s->conf->schedule.on_link || says_nothing(&s->conf->schedule);
}

int64_t
sled_scheduler_wait_ms(const struct sled_scheduler *s, unsigned fails)
{
	int64_t most = sled_scheduler_every_s(s), wait = WAIT_FIRST_S;

	if (most == 0 || most > WAIT_MOST_S)
		most = WAIT_MOST_S;
	for (unsigned i = 1; i < fails && wait < most; i++)
		wait *= 2;
	if (wait > most && most > WAIT_FIRST_S)
		wait = most;
	return (fails == 0 ? 0 : wait) * 1000;
}

void
sled_scheduler_dial_later(const struct sled_scheduler *s,
                          struct sled_scheduler_section *section,
                          const struct sled_scheduler_now *now)
{
	section->dial_fails++;
	section->dial_until_ms =
	    now->ms + sled_scheduler_wait_ms(s, section->dial_fails);
}

bool
sled_scheduler_opening(const struct sled_scheduler *s, int64_t wall,
                       struct sled_opening *out)
{
	struct sled_scheduler_openings *kept = s->openings;

	for (size_t i = 0; i < kept->len; i++)
		if (kept->of[i].from <= wall && wall < kept->of[i].open.until) {
			*out = kept->of[i].open;
			return true;
		}
	if (!sled_calendar_next(&s->conf->schedule, wall, out))
		return false;
	kept->of[kept->turn].from = wall;
	kept->of[kept->turn].open = *out;
	kept->turn = (kept->turn + 1) % SLED_SCHEDULER_OPENINGS;
	if (kept->len < SLED_SCHEDULER_OPENINGS)
		kept->len++;
	return true;
}

uint64_t
sled_scheduler_window_ms(const struct sled_scheduler *s,
                         const struct sled_scheduler_now *now)
{
	struct sled_opening open;

	if (s->conf->schedule.windows_len == 0)
		return UINT64_MAX;
	if (!sled_scheduler_opening(s, now->wall, &open) ||
	    !sled_opening_has(&open, now->wall))
		return 0;
	return open.until == SLED_CALENDAR_ALWAYS
	           ? UINT64_MAX
	           : (uint64_t)(open.until - now->wall) * 1000;
}

static int64_t
ms_of(const struct sled_scheduler_now *now, int64_t wall)
{
	return now->ms + (wall - now->wall) * 1000;
}

static int64_t
wall_of(const struct sled_scheduler_now *now, int64_t ms)
{
	return now->wall + (ms - now->ms) / 1000;
}

static void
bring_forward(struct sled_scheduler_when *when, int64_t at_ms,
              enum sled_scheduler_cause cause,
              const struct sled_scheduler_now *now)
{
	if (at_ms < now->ms)
		at_ms = now->ms;
	if (at_ms < when->at_ms)
		*when = (struct sled_scheduler_when){ .at_ms = at_ms,
			                              .cause = cause };
}

static void
put_off(struct sled_scheduler_when *when, int64_t until_ms,
        enum sled_scheduler_bar bar)
{
	if (when->at_ms == SLED_SCHEDULER_NEVER || until_ms <= when->at_ms)
		return;
	when->at_ms = until_ms;
	when->bar = bar;
}

/* A window that opens makes each account due once. */
static void
by_window(const struct sled_scheduler *s,
          const struct sled_scheduler_account *a,
          const struct sled_scheduler_now *now,
          struct sled_scheduler_when *when)
{
	struct sled_opening open;

	if (s->conf->schedule.windows_len == 0 ||
	    !sled_scheduler_opening(s, now->wall, &open))
		return;
	if (sled_opening_has(&open, now->wall) && a->last_wall >= open.from &&
	    a->last_wall <= now->wall &&
	    (open.until == SLED_CALENDAR_ALWAYS ||
	     !sled_scheduler_opening(s, open.until, &open)))
		return;
	bring_forward(when, ms_of(now, open.from), SLED_SCHEDULER_BY_WINDOW,
	              now);
}

static void
by_every(const struct sled_scheduler *s, const struct sled_scheduler_account *a,
         const struct sled_scheduler_now *now, struct sled_scheduler_when *when)
{
	int64_t every = sled_scheduler_every_s(s) * 1000;
	int64_t jitter = s->conf->schedule.jitter_s * 1000;

	if (every == 0)
		return;
	jitter = (int64_t)((double)jitter * a->fraction / UINT32_MAX);
	bring_forward(when, a->known ? a->base_ms + every + jitter : now->ms,
	              SLED_SCHEDULER_BY_EVERY, now);
}

/* Outside the windows, or so near an end that a poll would pass it: at the next
 * opening. */
static void
put_into_window(const struct sled_scheduler *s,
                const struct sled_scheduler_now *now,
                struct sled_scheduler_when *when)
{
	struct sled_opening open;
	int64_t wall;

	if (s->conf->schedule.windows_len == 0 ||
	    when->at_ms == SLED_SCHEDULER_NEVER)
		return;
	wall = wall_of(now, when->at_ms);
	if (!now->doubtful && sled_scheduler_opening(
				  s, wall + SLED_CONF_VISIT_MS / 1000, &open)) {
		if (open.from > wall)
			put_off(when, ms_of(now, open.from),
			        SLED_SCHEDULER_CLOSED);
		return;
	}
	when->at_ms = SLED_SCHEDULER_NEVER;
	when->bar =
	    now->doubtful ? SLED_SCHEDULER_DOUBT : SLED_SCHEDULER_CLOSED;
}

struct sled_scheduler_when
sled_scheduler_when(const struct sled_scheduler *s, size_t account,
                    bool by_time, const struct sled_scheduler_now *now)
{
	const struct sled_scheduler_account *a = &s->accounts[account];
	struct sled_scheduler_when when = { .at_ms = SLED_SCHEDULER_NEVER };

	if (a->owed)
		bring_forward(&when, now->ms, SLED_SCHEDULER_BY_FAILURE, now);
	if (a->link_due && !by_time)
		bring_forward(&when, now->ms, SLED_SCHEDULER_BY_LINK, now);
	by_every(s, a, now, &when);
	if (now->doubtful && s->conf->schedule.windows_len > 0)
		when = (struct sled_scheduler_when){
			.at_ms = SLED_SCHEDULER_NEVER,
			.bar = SLED_SCHEDULER_DOUBT,
		};
	else
		by_window(s, a, now, &when);
	put_off(&when, a->wait_until_ms, SLED_SCHEDULER_FAILING);
	put_off(&when, a->not_before_ms, SLED_SCHEDULER_DELAYED);
	put_into_window(s, now, &when);
	return when;
}
