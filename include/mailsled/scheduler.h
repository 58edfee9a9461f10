/*
 * scheduler.h - when to visit which accounts by which link: LINK.md's rules.
 *
 * Contract
 *   An engine: what happens is told, what to do is asked by step(). No clock,
 *   no descriptor; the time is an argument, waits are counted in its `ms`
 *   (CLOCK_BOOTTIME), windows and budgets in its `wall`. After each event, and
 *   at the latest when next()->wake_ms have passed, step() is called until it
 *   says NOTHING. What it says to do is done until its end was told:
 *     VISIT    visited() once for each account, then round_over()
 *     DIAL     dials() when up-command begins, which may be a while later;
 *              line_failed() when it says that it failed; that the link is
 *              there is seen by links(); undialled() when it was not even
 *              tried. Where a VISIT by the line could not begin,
 *              unvisited() comes before round_over()
 *     HANG_UP  hung_up()
 *     REFUSE   nothing: what was asked for cannot be done now
 *   Nothing else is begun meanwhile. CONF is borrowed until conf() gives
 *   another, which may only be when idle(). Single-threaded.
 *
 * Rules
 *   A visit is due by `every`, when a window opens, when a link comes up
 *   (`on-link`), when the last one failed, and when a person asks. With none
 *   of the three keys: every 30 min, and when a link comes up. All but the
 *   asked ones happen inside windows. An account that fails waits 1 min, then
 *   twice as long each time, up to `every`, an hour at most; a link that comes
 *   up ends the wait, but not that of a refused login.
 */
#ifndef MAILSLED_SCHEDULER_H
#define MAILSLED_SCHEDULER_H

#include "mailsled/calendar.h"
#include "mailsled/conf.h"
#include "mailsled/err.h"
#include "mailsled/tariff.h"

#define SLED_SCHEDULER_LINKS 32 /* up at once; more are not looked at */
#define SLED_SCHEDULER_NAME  64
#define SLED_SCHEDULER_WHY   256

struct sled_scheduler; /* opaque */

struct sled_scheduler_now {
	int64_t ms;    /* CLOCK_BOOTTIME */
	int64_t wall;  /* seconds since 1970 UTC */
	bool doubtful; /* the wall clock was never set */
};

/* A link that is up. */
struct sled_scheduler_link {
	char name[SLED_SCHEDULER_NAME];       /* the interface */
	const struct sled_conf_link *profile; /* of the conf; NULL: none */
	int64_t since_ms;
	uint64_t changes;
	bool
	    direct; /* has no default route: only for accounts told of by way() */
};

SLED_CHECK bool sled_scheduler_new(struct sled_scheduler **out,
                                   const struct sled_conf *conf, uint64_t seed,
                                   const struct sled_scheduler_now *now,
                                   struct sled_err *err);
void sled_scheduler_free(struct sled_scheduler **scheduler);

/* ---- what happens ---- */

/* Another configuration: accounts and links of the same name keep what is
 * known of them; waits after failures end. links() must follow. */
SLED_CHECK bool sled_scheduler_conf(struct sled_scheduler *s,
                                    const struct sled_conf *conf,
                                    const struct sled_scheduler_now *now,
                                    struct sled_err *err);
/* The time zone may be another: openings are looked for anew. */
void sled_scheduler_zone(struct sled_scheduler *s);
/* From the ledger: when ACCOUNT's last good visit began. */
void sled_scheduler_last(struct sled_scheduler *s, size_t account, int64_t wall,
                         const struct sled_scheduler_now *now);
/* What LINK (an index of conf->links) was used for since this day and this
 * month began; the next day and month begin at nothing. */
void sled_scheduler_used(struct sled_scheduler *s, size_t link,
                         const struct sled_budget_left *used,
                         const struct sled_scheduler_now *now);
/* The links that are up, the kernel's choice first; copied. */
void sled_scheduler_links(struct sled_scheduler *s,
                          const struct sled_scheduler_link *links, size_t len,
                          const struct sled_scheduler_now *now);
/* ACCOUNT's server is reached by this interface alone, a direct one; "": by any
 * that is not. */
void sled_scheduler_way(struct sled_scheduler *s, size_t account,
                        const char *interface);
/* A person asks for a visit to ACCOUNT, SIZE_MAX: to all; by LINK (an
 * interface or a section), NULL: by any. Answered by VISIT, DIAL or REFUSE. */
void sled_scheduler_ask(struct sled_scheduler *s, size_t account,
                        const char *link);
/* Only links that LINK (an interface or a section) names; NULL: all. */
void sled_scheduler_only(struct sled_scheduler *s, const char *link);
/* Begin nothing: another has the store (a lease). */
void sled_scheduler_hold(struct sled_scheduler *s, bool held);
/* Begin nothing ever again, but hang up. */
void sled_scheduler_stop(struct sled_scheduler *s);

enum sled_scheduler_outcome {
	SLED_SCHEDULER_GOOD,    /* all that could be done was done */
	SLED_SCHEDULER_STOPPED, /* by a person: due again as after a good one */
	SLED_SCHEDULER_LEFT,    /* the link's time was over; some is left */
	SLED_SCHEDULER_CUT,     /* the link is gone: does not count */
	SLED_SCHEDULER_FAILED,
	SLED_SCHEDULER_REFUSED, /* the login was */
};

/* How the visit to ACCOUNT ended. NOT_BEFORE: a wall time for the server's
 * LOGIN-DELAY, or 0. */
void sled_scheduler_visited(struct sled_scheduler *s, size_t account,
                            enum sled_scheduler_outcome outcome,
                            int64_t not_before,
                            const struct sled_scheduler_now *now);
/* PORTAL: a stranger answered on this link, and nothing of ours: it is left
 * alone until it changes, who asked meets a server of ours there, or another
 * configuration comes. USED was added to its use. */
void sled_scheduler_round_over(struct sled_scheduler *s, bool portal,
                               const struct sled_used *used,
                               const struct sled_scheduler_now *now);
/* Of no weight once the link was there. */
void sled_scheduler_line_failed(struct sled_scheduler *s);
/* The line was paid for in vain: it waits as one that failed does. */
void sled_scheduler_unvisited(struct sled_scheduler *s);
/* up-timeout counts from now on. False: what is left of the window holds no
 * visit any more; nothing is to be dialled or hung up. */
SLED_CHECK bool sled_scheduler_dials(struct sled_scheduler *s,
                                     const struct sled_scheduler_now *now);
/* Nothing is to be hung up; it waits as one that failed does. */
void sled_scheduler_undialled(struct sled_scheduler *s,
                              const struct sled_scheduler_now *now);
/* GOOD: down-command said so. When the link is still there after a while, it
 * is hung up again, whatever was said. */
void sled_scheduler_hung_up(struct sled_scheduler *s, bool good,
                            const struct sled_scheduler_now *now);
/* A line that was dialled before this start was perhaps left open: HANG_UP. */
void sled_scheduler_line_left(struct sled_scheduler *s, size_t link);

/* ---- what to do ---- */

enum sled_scheduler_do {
	SLED_SCHEDULER_NOTHING,
	SLED_SCHEDULER_DIAL,
	SLED_SCHEDULER_VISIT,
	SLED_SCHEDULER_HANG_UP,
	SLED_SCHEDULER_REFUSE,
};

struct sled_scheduler_decision {
	enum sled_scheduler_do what;
	/* DIAL, HANG_UP: the section; VISIT: the link's, or NULL. */
	const struct sled_conf_link *profile;
	struct sled_scheduler_link link; /* VISIT */
	const size_t *accounts; /* VISIT: indices, until the next call */
	size_t accounts_len;
	uint64_t window_ms; /* VISIT: from now; UINT64_MAX: without end */
	bool dialled, asked;
	char why[SLED_SCHEDULER_WHY]; /* printable */
};

void sled_scheduler_step(struct sled_scheduler *s,
                         const struct sled_scheduler_now *now,
                         struct sled_scheduler_decision *out);
/* Nothing is under way, and no line is open. */
bool sled_scheduler_idle(const struct sled_scheduler *s);

struct sled_scheduler_next {
	int64_t wake_ms; /* from now: call step() then; always some time */
	bool visit;      /* in_ms says when; false: nobody can tell */
	int64_t in_ms;   /* the earliest; 0: as soon as WHY allows */
	char why[SLED_SCHEDULER_WHY]; /* printable */
};

void sled_scheduler_next(const struct sled_scheduler *s,
                         const struct sled_scheduler_now *now,
                         struct sled_scheduler_next *out);
/* Why ACCOUNT, or the link INDEX of those that are up, waits; "" when nothing
 * holds it off. */
void sled_scheduler_account_why(const struct sled_scheduler *s, size_t account,
                                const struct sled_scheduler_now *now,
                                char out[SLED_SCHEDULER_WHY]);
void sled_scheduler_link_why(const struct sled_scheduler *s, size_t index,
                             const struct sled_scheduler_now *now,
                             char out[SLED_SCHEDULER_WHY]);

#endif
