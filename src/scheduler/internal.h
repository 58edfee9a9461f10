/* internal.h - the scheduler's state; private to src/scheduler. */
#ifndef SCHEDULER_INTERNAL_H
#define SCHEDULER_INTERNAL_H

#include "mailsled/scheduler.h"

#define SLED_SCHEDULER_NONE  SIZE_MAX
#define SLED_SCHEDULER_NEVER INT64_MAX

struct sled_scheduler_account {
	const struct sled_conf_account *conf;
	char way[SLED_SCHEDULER_NAME]; /* a direct link; "": any other */
	bool known;        /* base_ms says when the last good visit began */
	int64_t base_ms;   /* ... by CLOCK_BOOTTIME, */
	int64_t last_wall; /* ... and by the wall; 0: not known */
	uint32_t fraction; /* of the jitter, for the visit after that */
	bool owed;         /* a visit that was due by time came to nothing */
	bool link_due;     /* a link came up since the last good visit */
	int64_t link_ms;   /* when it did */
	bool asked;        /* by a person */
	bool by_time;      /* the visit under way was due by time */
	unsigned fails;
	bool refused;          /* the last failure was the login's */
	int64_t wait_until_ms; /* after a failure */
	int64_t not_before_ms; /* LOGIN-DELAY */
};

struct sled_scheduler_section {
	struct sled_budget_left used;
	int64_t day_end, month_end; /* of those that USED is of */
	unsigned dial_fails;
	int64_t dial_until_ms;
	int64_t dial_took_ms; /* the longest; 0: it never came up */
};

struct sled_scheduler_up {
	struct sled_scheduler_link link;
	bool portal;
	bool proved; /* a server of ours answered on it */
};

enum sled_scheduler_state {
	SLED_SCHEDULER_IDLE,
	SLED_SCHEDULER_DIALLING,
	SLED_SCHEDULER_VISITING,
	SLED_SCHEDULER_HANGING,
};

/* Openings that were looked for: what holds for FROM holds until OPEN ends. */
#define SLED_SCHEDULER_OPENINGS 4

struct sled_scheduler_openings {
	struct {
		int64_t from;
		struct sled_opening open;
	} of[SLED_SCHEDULER_OPENINGS];

	size_t len, turn;
};

struct sled_scheduler {
	const struct sled_conf *conf;
	struct sled_scheduler_account *accounts;
	struct sled_scheduler_section *sections; /* as conf->links */
	size_t *picked;                          /* room for each account */
	struct sled_scheduler_openings *openings;
	struct sled_scheduler_up ups[SLED_SCHEDULER_LINKS];
	size_t ups_len;
	enum sled_scheduler_state state;
	uint64_t seed, rounds;
	int64_t began_ms, began_wall; /* the round under way */
	char round_link[SLED_SCHEDULER_NAME];
	uint64_t round_changes;
	size_t round_section;
	bool round_whole;  /* it has each account that the link serves */
	bool round_proved; /* a server of ours answered */
	size_t line;       /* the section whose line we opened; NONE */
	bool line_failed;  /* up-command, while DIALLING */
	bool unvisited;    /* the visit by that line could not begin */
	int64_t dial_ms, dial_until_ms; /* when DIALLING began, and ends */
	size_t hung; /* the section that was hung up last; NONE */
	int64_t hung_ms, again_ms;
	unsigned hung_tries;
	char only[SLED_SCHEDULER_NAME];
	char ask_link[SLED_SCHEDULER_NAME];
	bool ask_dialled; /* for those who asked, and it failed */
	bool held, stopping;
};

/* ---- when.c ---- */

enum sled_scheduler_cause {
	SLED_SCHEDULER_BY_NOTHING,
	SLED_SCHEDULER_BY_EVERY,
	SLED_SCHEDULER_BY_WINDOW,
	SLED_SCHEDULER_BY_LINK,
	SLED_SCHEDULER_BY_FAILURE,
};

enum sled_scheduler_bar {
	SLED_SCHEDULER_FREE,
	SLED_SCHEDULER_FAILING,
	SLED_SCHEDULER_DELAYED,
	SLED_SCHEDULER_CLOSED, /* outside the windows */
	SLED_SCHEDULER_DOUBT,
};

struct sled_scheduler_when {
	int64_t at_ms; /* NEVER, or not before now */
	enum sled_scheduler_cause cause;
	enum sled_scheduler_bar bar; /* what put it off, the last */
};

/* When ACCOUNT may be visited; BY_TIME: a link that came up is no reason. */
struct sled_scheduler_when sled_scheduler_when(
    const struct sled_scheduler *s, size_t account, bool by_time,
    const struct sled_scheduler_now *now);
/* sled_calendar_next(), remembered. */
bool sled_scheduler_opening(const struct sled_scheduler *s, int64_t wall,
                            struct sled_opening *out);
int64_t sled_scheduler_every_s(const struct sled_scheduler *s);
bool sled_scheduler_on_link(const struct sled_scheduler *s);
/* How long one that failed so often in a row waits. */
int64_t sled_scheduler_wait_ms(const struct sled_scheduler *s, unsigned fails);
/* The section's line did not come up: how long until it is tried again. */
void sled_scheduler_dial_later(const struct sled_scheduler *s,
                               struct sled_scheduler_section *section,
                               const struct sled_scheduler_now *now);
/* How long the window is still open; UINT64_MAX: there are none. */
uint64_t sled_scheduler_window_ms(const struct sled_scheduler *s,
                                  const struct sled_scheduler_now *now);

/* ---- links.c ---- */

size_t sled_scheduler_section_of(const struct sled_scheduler *s,
                                 const struct sled_conf_link *profile);
/* May the account pass there, and does it lead to its server? */
bool sled_scheduler_serves(const struct sled_scheduler_link *link,
                           const struct sled_scheduler_account *account);
bool sled_scheduler_passes(const struct sled_conf_link *profile,
                           const char *account);
/* Does one more poll fit into the budgets? If not, *OVER is which it passes. */
bool sled_scheduler_affords(const struct sled_scheduler *s, size_t section,
                            bool dial, const struct sled_scheduler_now *now,
                            const struct sled_conf_budget **over);
/* May the link be used? If not, WHY (NULL: not wanted). */
bool sled_scheduler_usable(const struct sled_scheduler *s, size_t up,
                           bool asked, const struct sled_scheduler_now *now,
                           char *why);
bool sled_scheduler_dialable(const struct sled_scheduler *s, size_t section,
                             bool asked, const struct sled_scheduler_now *now,
                             char *why);

#endif
