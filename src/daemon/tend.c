/* tend.c - upkeep of the store, by a child of its own: it may take long, and a
 * visit that becomes due must not wait for it. Every step of it may be cut off,
 * so it is killed then, and begun again later. */
#include "daemon/internal.h"
#include "mailsled/clock.h"

#define SOON_MS  INT64_C(5000)     /* behind a round */
#define DAILY_MS INT64_C(86400000) /* behind the last one */
#define LONG_MS  UINT64_C(3600000) /* more than it ever takes */

static void
on_end(void *ctx, const struct sled_err *err)
{
	struct sled_daemon *d = ctx;

	if (err != NULL)
		sled_daemon_say(d, SLED_DAEMON_WARNING, "tend: %s", err->text);
	d->tend_over = true;
	sled_timer_start(d->settle, 0);
}

void
sled_daemon_tend_soon(struct sled_daemon *d)
{
	d->tend_ms = sled_clock_ms() + SOON_MS;
}

void
sled_daemon_tend_stop(struct sled_daemon *d)
{
	if (d->tending == NULL)
		return;
	sled_command_free(&d->tending);
	sled_daemon_tend_soon(d);
}

void
sled_daemon_tend_ended(struct sled_daemon *d)
{
	d->tend_over = false;
	sled_command_free(&d->tending);
	d->tend_ms = sled_clock_ms() + DAILY_MS;
}

void
sled_daemon_tend(struct sled_daemon *d)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	struct sled_buf text = { 0 };
	struct sled_err err = { 0 };

	if (calls->tend == NULL || d->tending != NULL || d->stopping ||
	    d->round != NULL || d->command != NULL || d->line != NULL ||
	    sled_daemon_leased(d) || sled_clock_ms() < d->tend_ms)
		return;
	d->tend_ms = sled_clock_ms() + DAILY_MS;
	if (!calls->tend(calls->ctx, &text, &err) ||
	    !sled_command_new(&d->tending, d->loop, text.data, LONG_MS, on_end,
	                      d, &err))
		sled_daemon_complain(d, &err);
	sled_buf_free(&text);
}

int64_t
sled_daemon_tend_wake(const struct sled_daemon *d)
{
	int64_t left = d->tend_ms - sled_clock_ms();

	if (d->my->calls.tend == NULL || d->tending != NULL)
		return DAILY_MS;
	return left < 0 ? SOON_MS : left;
}
