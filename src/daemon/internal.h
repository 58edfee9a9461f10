/* internal.h - the daemon's parts; private to src/daemon. */
#ifndef DAEMON_INTERNAL_H
#define DAEMON_INTERNAL_H

#include "mailsled/control.h"
#include "mailsled/daemon.h"
#include "mailsled/link.h"
#include "mailsled/loop.h"
#include "mailsled/scheduler.h"

enum sled_daemon_wish {
	SLED_DAEMON_FREE,
	SLED_DAEMON_VISITING, /* `visit`: waits for WANTS */
	SLED_DAEMON_LEASE,
};

/* A client of the control socket whose answer is not at its end. */
struct sled_daemon_client {
	struct sled_control_reply *reply;
	enum sled_daemon_wish wish;
	enum sled_daemon_form form;
	bool *wants; /* accounts that it still waits for */
	bool joined; /* the round that runs is its */
	bool granted;
	enum sled_err_kind worst;
};

struct sled_daemon {
	const struct sled_daemon_conf *my;
	void *gen;
	const struct sled_conf *conf;
	void *next_gen; /* a reload that waits */
	const struct sled_conf *next_conf;
	struct sled_loop *loop;
	struct sled_scheduler *scheduler;
	struct sled_links *links;
	struct sled_control *control;
	struct sled_alarm *alarm;
	struct sled_timer *watchdog;
	struct sled_timer *settle; /* frees what has just called back */
	struct sled_store *store;  /* open while a round runs */
	struct sled_round *round;
	struct sled_command *command;
	struct sled_command *tending;
	int64_t tend_ms;                   /* when it is due */
	const struct sled_conf_link *line; /* dialled, and not hung up */
	const struct sled_conf_link *hanging;
	struct sled_scheduler_decision visit; /* of the round */
	int64_t decided_ms;                   /* ... when */
	size_t *accounts;                     /* visit.accounts */
	enum sled_phase *phases;              /* as conf->accounts */
	bool *over;          /* ... that the round is done with */
	char (*servers)[64]; /* ... a numeric address of each, or "" */
	size_t room;         /* of the four */
	struct sled_round_result result;
	/* Of the line that was dialled last; id 0: settled, or none. */
	struct sled_round_row dialled_row;
	int64_t dial_ms, hang_ms; /* when up-command and down-command began */
	int64_t hung_took_ms;     /* the longest that hanging up took */
	/* The line of a visit that waits for its bill. */
	struct sled_buf unsaid;
	enum sled_daemon_level unsaid_level;
	bool round_over, command_over, command_good, turning, again;
	bool tend_over;
	bool person_stopped, stopping, rounds_done;
	struct sled_daemon_client clients[SLED_CONTROL_PEERS];
	int64_t facts_day, facts_day_end; /* wall: of what the ledger told */
	char told[320];                   /* the last STATUS= */
	int status;
};

/* ---- daemon.c ---- */

struct sled_scheduler_now sled_daemon_now(void);
void sled_daemon_say(struct sled_daemon *d, enum sled_daemon_level level,
                     const char *format, ...) SLED_PRINTF(3, 4);
void sled_daemon_complain(struct sled_daemon *d, const struct sled_err *err);
/* Read the configuration again; what is good waits for the next idle turn. */
SLED_CHECK bool sled_daemon_reload(struct sled_daemon *d, struct sled_err *err);
void sled_daemon_stop(struct sled_daemon *d);
/* The store, to WRITE: what recovery needs for it no watchdog may cut off. */
SLED_CHECK bool sled_daemon_open(struct sled_daemon *d, struct sled_store **out,
                                 struct sled_err *err);

/* ---- turn.c: what the scheduler says is done ---- */

/* After each event. */
void sled_daemon_turn(struct sled_daemon *d);
void sled_daemon_tell_links(struct sled_daemon *d);
void sled_daemon_settle(void *ctx);

/* ---- visit.c ---- */

/* False: it could not begin; told, and the scheduler knows. */
bool sled_daemon_visit(struct sled_daemon *d);
void sled_daemon_visit_over(struct sled_daemon *d);

/* ---- tend.c ---- */

/* Before the store is opened to WRITE, or let to another. */
void sled_daemon_tend_stop(struct sled_daemon *d);
void sled_daemon_tend_soon(struct sled_daemon *d);
void sled_daemon_tend_ended(struct sled_daemon *d);
/* Begin, when it is due and nothing else is under way. */
void sled_daemon_tend(struct sled_daemon *d);
/* In how many ms to look again. */
int64_t sled_daemon_tend_wake(const struct sled_daemon *d);

/* ---- receipt.c ---- */

/* The line is closed: it counts from its dialling until now, unless a hook told
 * better. */
void sled_daemon_line_closed(struct sled_daemon *d);
/* A hook told that a link went, and perhaps what it carried. */
void sled_daemon_receipt(struct sled_daemon *d,
                         const struct sled_link_event *told);

/* ---- facts.c: what the ledger knows ---- */

/* STORE NULL: opened for the moment. */
void sled_daemon_facts(struct sled_daemon *d, struct sled_store *store);

/* ---- line.c: STATE/line ---- */

SLED_CHECK bool sled_daemon_state(const struct sled_conf *conf,
                                  struct sled_buf *out, struct sled_err *err);
SLED_CHECK bool sled_daemon_line_keep(struct sled_daemon *d, const char *name,
                                      struct sled_err *err);
void sled_daemon_line_forget(struct sled_daemon *d);
/* The index of the section that was left open; SIZE_MAX: none. */
size_t sled_daemon_line_left(struct sled_daemon *d);

/* ---- request.c: the control socket ---- */

void sled_daemon_request(void *ctx, struct sled_control_reply *reply,
                         const char *const *words, size_t len);
void sled_daemon_gone(void *ctx, struct sled_control_reply *reply);
/* Does a client wait for the store? */
bool sled_daemon_leased(const struct sled_daemon *d);
void sled_daemon_grant(struct sled_daemon *d);
bool sled_daemon_has_clients(const struct sled_daemon *d);
/* A visit that was asked for begins: those who wait for it see it. */
void sled_daemon_join(struct sled_daemon *d);
void sled_daemon_client_result(struct sled_daemon *d, size_t account,
                               const struct sled_visit_result *result);
void sled_daemon_client_progress(struct sled_daemon *d, size_t account,
                                 const struct sled_visit_progress *now);
void sled_daemon_client_bill(struct sled_daemon *d, const char *link,
                             const char *bill);
/* End those that have all they asked for. */
void sled_daemon_client_ends(struct sled_daemon *d);
/* What was asked for cannot be. */
void sled_daemon_refuse(struct sled_daemon *d, const char *why);
void sled_daemon_turn_down(struct sled_daemon *d, const struct sled_err *why);

#endif
