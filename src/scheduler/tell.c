/* tell.c - when the next visit is due, in words, and when to wake. */
#include <stdio.h>

#include "scheduler/internal.h"

/* Never asleep for longer: what was missed is found then. */
#define WAKE_MOST_MS  INT64_C(3600000)
#define WAKE_LEAST_MS INT64_C(100)
#define DOUBT_MS      INT64_C(60000)

static void
wake_at(struct sled_scheduler_next *out, int64_t at_ms,
        const struct sled_scheduler_now *now)
{
	if (at_ms != SLED_SCHEDULER_NEVER && at_ms > now->ms &&
	    at_ms - now->ms < out->wake_ms)
		out->wake_ms = at_ms - now->ms;
}

/* What is due waits for the next one then. */
static void
wake_for_window_end(const struct sled_scheduler *s,
                    const struct sled_scheduler_now *now,
                    struct sled_scheduler_next *out)
{
	uint64_t ms = sled_scheduler_window_ms(s, now);

	if (ms < (uint64_t)WAKE_MOST_MS)
		wake_at(out, now->ms + (int64_t)ms, now);
}

/* Lines that wait, and budgets that begin anew. */
static void
wake_for_links(const struct sled_scheduler *s,
               const struct sled_scheduler_now *now,
               struct sled_scheduler_next *out)
{
	if (s->state == SLED_SCHEDULER_DIALLING)
		wake_at(out, s->dial_until_ms, now);
	if (s->hung != SLED_SCHEDULER_NONE)
		wake_at(out, s->again_ms, now);
	for (size_t i = 0; i < s->conf->links_len; i++) {
		if (s->conf->links[i].budgets_len > 0 && !now->doubtful)
			wake_at(out,
			        now->ms +
			            (s->sections[i].day_end - now->wall) * 1000,
			        now);
		wake_at(out, s->sections[i].dial_until_ms, now);
	}
	if (now->doubtful)
		wake_at(out, now->ms + DOUBT_MS, now);
}

static const char *
because(const struct sled_scheduler_when *when)
{
	switch (when->bar) {
	case SLED_SCHEDULER_FAILING:
		return "it failed: it waits before it is tried again";
	case SLED_SCHEDULER_DELAYED:
		return "the server wants time between visits (LOGIN-DELAY)";
	case SLED_SCHEDULER_CLOSED:
		return when->at_ms == SLED_SCHEDULER_NEVER
		           ? "no window opens"
		           : "when the window opens";
	case SLED_SCHEDULER_DOUBT:
		return "the clock is doubtful: windows wait until it is set";
	case SLED_SCHEDULER_FREE:
		break;
	}
	switch (when->cause) {
	case SLED_SCHEDULER_BY_EVERY:
		return "by `every`";
	case SLED_SCHEDULER_BY_WINDOW:
		return "when the window opens";
	case SLED_SCHEDULER_BY_LINK:
		return "a link came up";
	case SLED_SCHEDULER_BY_FAILURE:
		return "the last visit did not end well";
	case SLED_SCHEDULER_BY_NOTHING:
		break;
	}
	return "when a link comes up, or you ask for it";
}

/* What a visit that is due waits for. */
static void
say_blocked(const struct sled_scheduler *s,
            const struct sled_scheduler_now *now, char *why)
{
	char text[SLED_SCHEDULER_WHY] = "";

	for (size_t i = 0; i < s->ups_len && text[0] == '\0'; i++)
		(void)sled_scheduler_usable(s, i, false, now, text);
	for (size_t i = 0; i < s->conf->links_len && text[0] == '\0'; i++)
		(void)sled_scheduler_dialable(s, i, false, now, text);
	if (text[0] != '\0')
		(void)snprintf(why, SLED_SCHEDULER_WHY, "due; %.200s", text);
	else
		(void)snprintf(why, SLED_SCHEDULER_WHY,
		               s->ups_len == 0 ? "due, as soon as a link is up"
		                               : "due now");
}

static bool
say_state(const struct sled_scheduler *s, char *why)
{
	const char *text = NULL;

	switch (s->state) {
	case SLED_SCHEDULER_DIALLING:
		text = "a line is being opened";
		break;
	case SLED_SCHEDULER_VISITING:
		text = "a visit is under way";
		break;
	case SLED_SCHEDULER_HANGING:
		text = "a line is being hung up";
		break;
	case SLED_SCHEDULER_IDLE:
		if (s->stopping)
			text = "told to stop";
		else if (s->held)
			text = "another command has the store";
		break;
	}
	if (text != NULL)
		(void)snprintf(why, SLED_SCHEDULER_WHY, "%s", text);
	return text != NULL;
}

void
sled_scheduler_next(const struct sled_scheduler *s,
                    const struct sled_scheduler_now *now,
                    struct sled_scheduler_next *out)
{
	struct sled_scheduler_when first = { .at_ms = SLED_SCHEDULER_NEVER };

	*out = (struct sled_scheduler_next){ .wake_ms = WAKE_MOST_MS };
	for (size_t i = 0; i < s->conf->accounts_len; i++) {
		struct sled_scheduler_when when =
		    sled_scheduler_when(s, i, false, now);

		wake_at(out, when.at_ms, now);
		if (i == 0 || when.at_ms < first.at_ms)
			first = when;
	}
	wake_for_links(s, now, out);
	wake_for_window_end(s, now, out);
	if (out->wake_ms < WAKE_LEAST_MS)
		out->wake_ms = WAKE_LEAST_MS;
	out->visit = first.at_ms != SLED_SCHEDULER_NEVER;
	out->in_ms = out->visit ? first.at_ms - now->ms : 0;
	if (say_state(s, out->why))
		return;
	if (out->visit && out->in_ms == 0)
		say_blocked(s, now, out->why);
	else
		(void)snprintf(out->why, sizeof(out->why), "%s",
		               because(&first));
}

void
sled_scheduler_account_why(const struct sled_scheduler *s, size_t account,
                           const struct sled_scheduler_now *now,
                           char out[SLED_SCHEDULER_WHY])
{
	struct sled_scheduler_when when =
	    sled_scheduler_when(s, account, false, now);
	const struct sled_scheduler_account *a = &s->accounts[account];

	out[0] = '\0';
	if (when.bar == SLED_SCHEDULER_FAILING)
		(void)snprintf(out, SLED_SCHEDULER_WHY,
		               "%s%u time%s in a row: tried again in %lld s",
		               a->refused ? "the login was refused, failed "
		                          : "failed ",
		               a->fails, a->fails == 1 ? "" : "s",
		               (long long)((when.at_ms - now->ms) / 1000));
	else if (when.bar == SLED_SCHEDULER_DELAYED ||
	         when.bar == SLED_SCHEDULER_DOUBT)
		(void)snprintf(out, SLED_SCHEDULER_WHY, "%s", because(&when));
}

void
sled_scheduler_link_why(const struct sled_scheduler *s, size_t index,
                        const struct sled_scheduler_now *now,
                        char out[SLED_SCHEDULER_WHY])
{
	out[0] = '\0';
	if (index < s->ups_len)
		(void)sled_scheduler_usable(s, index, false, now, out);
}
