/* daemon.c - the scheduler's life: what is opened, signals, the end. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/internal.h"
#include "mailsled/clock.h"

#define PATIENCE_MS 21600000ULL /* for a store that has much to mend */

struct sled_scheduler_now
sled_daemon_now(void)
{
	struct sled_scheduler_now now = { .ms = sled_clock_ms(),
		                          .wall = sled_clock_now() };

	now.doubtful = sled_clock_doubtful(now.wall);
	return now;
}

void
sled_daemon_say(struct sled_daemon *d, enum sled_daemon_level level,
                const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	d->my->calls.say(d->my->calls.ctx, level, text);
}

void
sled_daemon_complain(struct sled_daemon *d, const struct sled_err *err)
{
	sled_daemon_say(d, SLED_DAEMON_ERR, "%s%s%s", err->text,
	                err->hint == NULL ? "" : "; try: ",
	                err->hint == NULL ? "" : err->hint);
}

/* ---- the configuration ---- */

/* The places of a store and its socket hold until the end. */
static bool
same_store(struct sled_daemon *d, const struct sled_conf *conf,
           struct sled_err *err)
{
	struct sled_buf old = { 0 }, new = { 0 };
	bool ok = sled_daemon_state(d->conf, &old, err) &&
	          sled_daemon_state(conf, &new, err);

	if (ok && (strcmp(old.data, new.data) != 0 ||
	           strcmp(d->conf->store.path, conf->store.path) != 0)) {
		ok = sled_fail(err, SLED_ERR_CONFIG,
		               "[store] path or state is another now");
		(void)sled_hint(err, "stop `mailsled run` and start it again");
	}
	sled_buf_free(&old);
	sled_buf_free(&new);
	return ok;
}

/* Room for what is kept of each account, in either configuration. */
static bool
make_room(struct sled_daemon *d, size_t len, struct sled_err *err)
{
	size_t *accounts = realloc(d->accounts, (len + 1) * sizeof(*accounts));
	enum sled_phase *phases;
	char(*servers)[sizeof(*d->servers)];
	bool *over;

	if (accounts != NULL)
		d->accounts = accounts;
	phases = realloc(d->phases, (len + 1) * sizeof(*phases));
	if (phases != NULL)
		d->phases = phases;
	over = realloc(d->over, (len + 1) * sizeof(*over));
	if (over != NULL)
		d->over = over;
	servers = realloc(d->servers, (len + 1) * sizeof(*servers));
	if (servers != NULL)
		d->servers = servers;
	for (; servers != NULL && d->room <= len; d->room++)
		servers[d->room][0] = '\0';
	return (accounts != NULL && phases != NULL && over != NULL &&
	        servers != NULL) ||
	       sled_fail(err, SLED_ERR_NOMEM, "run");
}

bool
sled_daemon_reload(struct sled_daemon *d, struct sled_err *err)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	const struct sled_conf *conf = NULL;
	void *gen = NULL;
	size_t most;

	if (!calls->load(calls->ctx, &gen, &conf, err))
		return false;
	most = conf->accounts_len > d->conf->accounts_len
	           ? conf->accounts_len
	           : d->conf->accounts_len;
	if (!same_store(d, conf, err) || !make_room(d, most, err)) {
		calls->unload(calls->ctx, gen);
		return false;
	}
	if (d->next_gen != NULL)
		calls->unload(calls->ctx, d->next_gen);
	d->next_gen = gen;
	d->next_conf = conf;
	return true;
}

/* ---- events ---- */

void
sled_daemon_stop(struct sled_daemon *d)
{
	bool again = d->stopping;

	if (!again) {
		sled_notify("STOPPING=1");
		sled_daemon_say(d, SLED_DAEMON_INFO, "stopping");
	}
	d->stopping = true;
	sled_scheduler_stop(d->scheduler);
	if (d->round != NULL)
		sled_round_stop(d->round, again);
	sled_daemon_turn(d);
}

static void
on_signal(void *ctx, int signum)
{
	(void)signum;
	sled_daemon_stop(ctx);
}

static void
on_hint(void *ctx, int signum)
{
	struct sled_daemon *d = ctx;
	struct sled_err err = { 0 };

	if (signum == SIGUSR1) {
		sled_scheduler_ask(d->scheduler, SIZE_MAX, NULL);
	} else if (!sled_daemon_reload(d, &err)) {
		(void)sled_note(&err, "the old configuration stays");
		sled_daemon_complain(d, &err);
	}
	sled_daemon_turn(d);
}

static void
on_alarm(void *ctx, bool jumped)
{
	struct sled_daemon *d = ctx;

	if (jumped) {
		sled_daemon_say(d, SLED_DAEMON_INFO,
		                sled_daemon_now().doubtful
		                    ? "the clock was set, and is doubtful"
		                    : "the clock was set");
		(void)sled_links_look(d->links);
		if (d->round == NULL && !sled_daemon_leased(d))
			sled_daemon_facts(d, NULL);
		sled_daemon_tell_links(d);
	}
	sled_daemon_turn(d);
}

static void
on_links(void *ctx)
{
	struct sled_daemon *d = ctx;

	sled_daemon_tell_links(d);
	sled_daemon_turn(d);
}

static void
on_watchdog(void *ctx)
{
	struct sled_daemon *d = ctx;

	sled_notify("WATCHDOG=1");
	sled_timer_start(d->watchdog, sled_notify_watchdog_ms());
}

/* ---- the start ---- */

static bool
listen_here(struct sled_daemon *d, const char *state, struct sled_err *err)
{
	const struct sled_control_calls calls = { sled_daemon_request,
		                                  sled_daemon_gone, d };
	struct sled_buf path = { 0 };
	bool ok =
	    sled_control_path(&path, state, err) &&
	    sled_control_listen(&d->control, d->loop, path.data, &calls, err);

	sled_buf_free(&path);
	return ok;
}

/* A store that lost its ledger, or a copy that comes back after months, takes
 * as long as it takes: killed for that, it would begin anew for ever. */
static void
ask_patience(bool starting)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s=%llu",
	               starting ? "EXTEND_TIMEOUT_USEC" : "WATCHDOG_USEC",
	               PATIENCE_MS * 1000ULL);
	if (starting || sled_notify_watchdog_ms() > 0)
		sled_notify(text);
}

static void
end_patience(void)
{
	char text[64];

	if (sled_notify_watchdog_ms() == 0)
		return;
	(void)snprintf(text, sizeof(text), "WATCHDOG_USEC=%.20s\nWATCHDOG=1",
	               getenv("WATCHDOG_USEC"));
	sled_notify(text);
}

bool
sled_daemon_open(struct sled_daemon *d, struct sled_store **out,
                 struct sled_err *err)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	bool ok;

	sled_daemon_tend_stop(d);
	ask_patience(false);
	ok = calls->open(calls->ctx, d->gen, SLED_STORE_WRITE, out, err);
	end_patience();
	return ok;
}

/* Where there is a state folder, another scheduler is met before the store's
 * lock is; the first opening of a store makes it. It mends what a crash left,
 * too, while no link waits for it. */
static bool
open_first(struct sled_daemon *d, struct sled_err *err)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	struct sled_store *store = NULL;
	struct sled_buf state = { 0 };
	bool ok = sled_daemon_state(d->conf, &state, err);

	ask_patience(true);
	if (ok && access(state.data, F_OK) == 0)
		ok = listen_here(d, state.data, err);
	ok = ok &&
	     calls->open(calls->ctx, d->gen, SLED_STORE_WRITE, &store, err);
	if (ok && d->control == NULL)
		ok = listen_here(d, state.data, err);
	if (ok)
		sled_daemon_facts(d, store);
	sled_store_close(&store);
	sled_buf_free(&state);
	sled_daemon_tend_soon(d);
	return ok;
}

static bool
make_parts(struct sled_daemon *d, struct sled_err *err)
{
	struct sled_scheduler_now now = sled_daemon_now();

	return make_room(d, d->conf->accounts_len, err) &&
	       sled_loop_new(&d->loop, err) &&
	       sled_loop_signals(d->loop, on_signal, d, err) &&
	       sled_loop_hints(d->loop, on_hint, d, err) &&
	       sled_alarm_new(&d->alarm, d->loop, on_alarm, d, err) &&
	       sled_timer_new(&d->settle, d->loop, sled_daemon_settle, d,
	                      err) &&
	       sled_timer_new(&d->watchdog, d->loop, on_watchdog, d, err) &&
	       sled_scheduler_new(&d->scheduler, d->conf, d->my->seed, &now,
	                          err) &&
	       sled_links_new(&d->links, d->loop, on_links, d, err);
}

static void
begin(struct sled_daemon *d)
{
	size_t left = sled_daemon_line_left(d);

	if (left != SIZE_MAX)
		sled_scheduler_line_left(d->scheduler, left);
	sled_scheduler_only(d->scheduler, d->my->link);
	(void)sled_links_look(d->links);
	sled_daemon_tell_links(d);
	if (sled_daemon_now().doubtful)
		sled_daemon_say(d, SLED_DAEMON_WARNING,
		                "the clock is doubtful: windows and budgets "
		                "stand still until it is set");
	sled_notify("READY=1");
	if (sled_notify_watchdog_ms() > 0)
		sled_timer_start(d->watchdog, sled_notify_watchdog_ms());
	sled_daemon_turn(d);
}

static void
free_parts(struct sled_daemon *d)
{
	const struct sled_daemon_calls *calls = &d->my->calls;

	sled_control_free(&d->control);
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++)
		free(d->clients[i].wants);
	sled_round_free(&d->round);
	sled_buf_free(&d->unsaid);
	sled_store_close(&d->store);
	sled_command_free(&d->command);
	sled_daemon_tend_stop(d);
	sled_links_free(&d->links);
	sled_scheduler_free(&d->scheduler);
	sled_timer_free(&d->watchdog);
	sled_timer_free(&d->settle);
	sled_alarm_free(&d->alarm);
	sled_loop_free(&d->loop);
	free(d->accounts);
	free(d->phases);
	free(d->over);
	free(d->servers);
	if (d->next_gen != NULL)
		calls->unload(calls->ctx, d->next_gen);
	if (d->gen != NULL)
		calls->unload(calls->ctx, d->gen);
}

bool
sled_daemon_run(const struct sled_daemon_conf *conf, int *status,
                struct sled_err *err)
{
	struct sled_daemon *d = calloc(1, sizeof(*d));
	bool ok;

	if (d == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "run");
	d->my = conf;
	ok = conf->calls.load(conf->calls.ctx, &d->gen, &d->conf, err) &&
	     make_parts(d, err) && open_first(d, err);
	if (ok) {
		begin(d);
		sled_loop_run(d->loop);
		*status = conf->once ? d->status : 0;
	}
	free_parts(d);
	free(d);
	return ok;
}
