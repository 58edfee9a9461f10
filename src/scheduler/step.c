/* step.c - what to do now. */
#include <stdio.h>
#include <string.h>

#include "scheduler/internal.h"

/* What links are compared for: a visit with some mail. */
#define USUAL_BYTES UINT64_C(100000)
#define USUAL_MS    UINT64_C(60000)

static bool
is_ready(const struct sled_scheduler *s, size_t account, bool asked,
         bool by_time, const struct sled_scheduler_now *now)
{
	if (asked)
		return s->accounts[account].asked;
	return sled_scheduler_when(s, account, by_time, now).at_ms <= now->ms;
}

/* Due so soon that it is cheaper to go along. */
static bool
goes_along(const struct sled_scheduler *s, size_t account,
           const struct sled_scheduler_now *now)
{
	struct sled_scheduler_when when =
	    sled_scheduler_when(s, account, false, now);
	int64_t soon = sled_scheduler_every_s(s) * 100;

	return when.cause == SLED_SCHEDULER_BY_EVERY &&
	       when.bar == SLED_SCHEDULER_FREE && when.at_ms - now->ms < soon;
}

static bool
anyone(const struct sled_scheduler *s, const struct sled_scheduler_link *link,
       bool asked, const struct sled_scheduler_now *now)
{
	for (size_t i = 0; i < s->conf->accounts_len; i++)
		if (sled_scheduler_serves(link, &s->accounts[i]) &&
		    is_ready(s, i, asked, false, now))
			return true;
	return false;
}

/* The cheapest link that is up with work to do; of equals the kernel's. */
static size_t
choose_up(const struct sled_scheduler *s, bool asked,
          const struct sled_scheduler_now *now)
{
	size_t best = SLED_SCHEDULER_NONE;

	for (size_t i = 0; i < s->ups_len; i++) {
		const struct sled_conf_link *profile = s->ups[i].link.profile;

		if (!anyone(s, &s->ups[i].link, asked, now) ||
		    !sled_scheduler_usable(s, i, asked, now, NULL))
			continue;
		if (best == SLED_SCHEDULER_NONE ||
		    sled_tariff_compare(profile, s->ups[best].link.profile,
		                        USUAL_BYTES, USUAL_MS) < 0)
			best = i;
	}
	return best;
}

/* Is there an account that only this line would serve? */
static bool
is_wanted(const struct sled_scheduler *s, size_t section, bool asked,
          const struct sled_scheduler_now *now)
{
	const struct sled_conf_link *profile = &s->conf->links[section];

	for (size_t i = 0; i < s->conf->accounts_len; i++)
		if (s->accounts[i].way[0] == '\0' &&
		    sled_scheduler_passes(profile, s->accounts[i].conf->name) &&
		    is_ready(s, i, asked, true, now))
			return true;
	return false;
}

/* Dialled in vain: the window would be over. */
static bool
holds_a_dial(const struct sled_scheduler *s, bool asked,
             const struct sled_scheduler_now *now)
{
	return asked || sled_scheduler_window_ms(s, now) >=
	                    SLED_CONF_DIAL_MS + SLED_CONF_VISIT_MS;
}

static size_t
choose_line(const struct sled_scheduler *s, bool asked,
            const struct sled_scheduler_now *now)
{
	size_t best = SLED_SCHEDULER_NONE;

	if (!holds_a_dial(s, asked, now))
		return best;
	for (size_t i = 0; i < s->conf->links_len; i++) {
		if (!is_wanted(s, i, asked, now) ||
		    !sled_scheduler_dialable(s, i, asked, now, NULL))
			continue;
		if (best == SLED_SCHEDULER_NONE ||
		    sled_tariff_compare(&s->conf->links[i],
		                        &s->conf->links[best], USUAL_BYTES,
		                        USUAL_MS) < 0)
			best = i;
	}
	return best;
}

static void
remember_round(struct sled_scheduler *s, size_t up, bool whole,
               const struct sled_scheduler_now *now)
{
	const struct sled_scheduler_link *link = &s->ups[up].link;

	s->state = SLED_SCHEDULER_VISITING;
	s->unvisited = false;
	s->rounds++;
	s->began_ms = now->ms;
	s->began_wall = now->doubtful ? 0 : now->wall;
	(void)snprintf(s->round_link, sizeof(s->round_link), "%s", link->name);
	s->round_changes = link->changes;
	s->round_section = sled_scheduler_section_of(s, link->profile);
	s->round_whole = whole;
	s->round_proved = false;
}

static const char *
cause_text(enum sled_scheduler_cause cause)
{
	switch (cause) {
	case SLED_SCHEDULER_BY_EVERY:
		return "`every`";
	case SLED_SCHEDULER_BY_WINDOW:
		return "a window is open";
	case SLED_SCHEDULER_BY_LINK:
		return "a link came up";
	case SLED_SCHEDULER_BY_FAILURE:
		return "the last visit did not end well";
	case SLED_SCHEDULER_BY_NOTHING:
		break;
	}
	return "";
}

static void
begin_visit(struct sled_scheduler *s, size_t up, bool asked,
            const struct sled_scheduler_now *now,
            struct sled_scheduler_decision *out)
{
	const struct sled_scheduler_link *link = &s->ups[up].link;
	size_t section = sled_scheduler_section_of(s, link->profile);
	const char *why = "";
	bool whole = true;

	if (asked)
		s->ask_dialled = false;
	for (size_t i = 0; i < s->conf->accounts_len; i++) {
		struct sled_scheduler_account *a = &s->accounts[i];
		bool ready = is_ready(s, i, asked, false, now);

		if (!sled_scheduler_serves(link, a))
			continue;
		if (!ready && (asked || !goes_along(s, i, now))) {
			whole = false;
			continue;
		}
		a->by_time = is_ready(s, i, false, true, now);
		if (ready && why[0] == '\0')
			why = cause_text(
			    sled_scheduler_when(s, i, false, now).cause);
		a->asked = a->asked && !asked;
		s->picked[out->accounts_len++] = i;
	}
	out->what = SLED_SCHEDULER_VISIT;
	out->link = *link;
	out->profile = link->profile;
	out->accounts = s->picked;
	out->asked = asked;
	out->dialled = section != SLED_SCHEDULER_NONE && section == s->line;
	out->window_ms = asked ? UINT64_MAX : sled_scheduler_window_ms(s, now);
	(void)snprintf(out->why, sizeof(out->why), "%s", asked ? "asked" : why);
	remember_round(s, up, whole, now);
}

static void
hang_up(struct sled_scheduler *s, const char *why,
        struct sled_scheduler_decision *out)
{
	s->state = SLED_SCHEDULER_HANGING;
	out->what = SLED_SCHEDULER_HANG_UP;
	out->profile = &s->conf->links[s->line];
	(void)snprintf(out->why, sizeof(out->why), "%s", why);
}

static void
start_dial_clock(struct sled_scheduler *s, const struct sled_scheduler_now *now)
{
	s->dial_ms = now->ms;
	s->dial_until_ms =
	    now->ms + s->conf->links[s->line].up_timeout_s * 1000;
}

bool
sled_scheduler_dials(struct sled_scheduler *s,
                     const struct sled_scheduler_now *now)
{
	if (holds_a_dial(s, s->ask_dialled, now)) {
		start_dial_clock(s, now);
		return true;
	}
	s->state = SLED_SCHEDULER_IDLE;
	s->line = SLED_SCHEDULER_NONE;
	return false;
}

static void
dial(struct sled_scheduler *s, size_t section, bool asked,
     const struct sled_scheduler_now *now, struct sled_scheduler_decision *out)
{
	s->state = SLED_SCHEDULER_DIALLING;
	s->line = section;
	s->line_failed = false;
	s->ask_dialled = asked;
	start_dial_clock(s, now);
	out->what = SLED_SCHEDULER_DIAL;
	out->profile = &s->conf->links[section];
	out->asked = asked;
	(void)snprintf(out->why, sizeof(out->why), "%s",
	               asked ? "asked" : "a visit is due and no link is up");
}

/* The line did not come up: others wait before they try again, who asked is
 * told. */
static void
give_up_dialling(struct sled_scheduler *s, const char *why,
                 const struct sled_scheduler_now *now,
                 struct sled_scheduler_decision *out)
{
	sled_scheduler_dial_later(s, &s->sections[s->line], now);
	hang_up(s, why, out);
}

static void
note_dialled(struct sled_scheduler_section *section, int64_t took_ms)
{
	if (section->dial_took_ms < took_ms)
		section->dial_took_ms = took_ms;
}

static void
step_dialling(struct sled_scheduler *s, const struct sled_scheduler_now *now,
              struct sled_scheduler_decision *out)
{
	bool asked = s->ask_dialled;
	size_t up =
	    s->stopping ? SLED_SCHEDULER_NONE : choose_up(s, asked, now);
	bool ours =
	    up != SLED_SCHEDULER_NONE &&
	    sled_scheduler_section_of(s, s->ups[up].link.profile) == s->line;

	if (ours && !s->held) {
		note_dialled(&s->sections[s->line], now->ms - s->dial_ms);
		begin_visit(s, up, asked, now, out);
	} else if (s->stopping) {
		hang_up(s, "told to stop", out);
	} else if (up != SLED_SCHEDULER_NONE && !ours) {
		/* Perhaps the line itself, by another name than its section:
		 * to dial again at once would have no end. */
		give_up_dialling(s, "another link came up", now, out);
	} else if (s->line_failed) {
		give_up_dialling(s, "up-command failed", now, out);
	} else if (now->ms >= s->dial_until_ms) {
		give_up_dialling(s, "the link did not come up in up-timeout",
		                 now, out);
	} else if (!is_wanted(s, s->line, asked, now)) {
		hang_up(s, "the window closed", out);
	}
}

static bool
someone_asked(const struct sled_scheduler *s)
{
	for (size_t i = 0; i < s->conf->accounts_len; i++)
		if (s->accounts[i].asked)
			return true;
	return false;
}

static void
refuse(struct sled_scheduler *s, const struct sled_scheduler_now *now,
       struct sled_scheduler_decision *out)
{
	out->what = SLED_SCHEDULER_REFUSE;
	(void)snprintf(out->why, sizeof(out->why), "%s",
	               s->ask_dialled ? "the line could not be opened"
	                              : "no link is up");
	for (size_t i = 0; !s->ask_dialled && i < s->ups_len; i++)
		if (!sled_scheduler_usable(s, i, true, now, out->why))
			break;
	s->ask_dialled = false;
	for (size_t i = 0; i < s->conf->accounts_len; i++)
		s->accounts[i].asked = false;
}

/* For those who asked, or for what is due. */
static bool
begin(struct sled_scheduler *s, bool asked,
      const struct sled_scheduler_now *now, struct sled_scheduler_decision *out)
{
	size_t up = choose_up(s, asked, now), section;

	if (up != SLED_SCHEDULER_NONE) {
		begin_visit(s, up, asked, now, out);
		return true;
	}
	if (asked && s->ask_dialled)
		return false;
	section = choose_line(s, asked, now);
	if (section == SLED_SCHEDULER_NONE)
		return false;
	dial(s, section, asked, now, out);
	return true;
}

/* One that was opened in vain costs all the same: not again at once. */
static void
close_line(struct sled_scheduler *s, const struct sled_scheduler_now *now,
           struct sled_scheduler_decision *out)
{
	if (s->unvisited)
		give_up_dialling(s, "the visit could not begin", now, out);
	else
		hang_up(s,
		        s->rounds > 0 ? "the visit is over"
		                      : "left open before this start",
		        out);
}

static void
step_idle(struct sled_scheduler *s, const struct sled_scheduler_now *now,
          struct sled_scheduler_decision *out)
{
	if (s->line != SLED_SCHEDULER_NONE) {
		close_line(s, now, out);
		return;
	}
	if (s->hung != SLED_SCHEDULER_NONE && now->ms >= s->again_ms) {
		s->line = s->hung;
		hang_up(s, "the link is still there", out);
		return;
	}
	if (s->stopping || s->held)
		return;
	if (someone_asked(s)) {
		if (!begin(s, true, now, out) && s->hung == SLED_SCHEDULER_NONE)
			refuse(s, now, out);
		return;
	}
	(void)begin(s, false, now, out);
}

void
sled_scheduler_step(struct sled_scheduler *s,
                    const struct sled_scheduler_now *now,
                    struct sled_scheduler_decision *out)
{
	*out = (struct sled_scheduler_decision){ 0 };
	switch (s->state) {
	case SLED_SCHEDULER_IDLE:
		step_idle(s, now, out);
		break;
	case SLED_SCHEDULER_DIALLING:
		step_dialling(s, now, out);
		break;
	case SLED_SCHEDULER_VISITING:
	case SLED_SCHEDULER_HANGING:
		break;
	}
}
