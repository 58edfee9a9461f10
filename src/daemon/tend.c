/* tend.c - upkeep of the store, by a child of its own: it may take long, and a
 * visit that becomes due must not wait for it. Every step of it may be cut off,
 * so it is killed then, and begun again later. A message that is being handed
 * over may end: nobody shall get it twice because a visit was due. */
#include <string.h>

#include "daemon/internal.h"
#include "mailsled/clock.h"

#define SOON_MS INT64_C(5000) /* behind a round */
#define HURRY_MS \
	2500 /* for a delivery that is under way; all else is cut off */
#define DAILY_MS INT64_C(86400000) /* behind the last one */
/* More than it ever takes: far copies are sent for 5 h at most. */
#define LONG_MS UINT64_C(21600000)

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
	sled_command_hurry(d->tending, HURRY_MS);
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

/* The interface in a shell's word: names may be what they like. */
static bool
is_plain(const char *name)
{
	return *name != '\0' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
	                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] ==
	           '\0';
}

/* Which links may carry far copies: hooks have told what only we know. */
static bool
add_far_links(const struct sled_daemon *d, struct sled_buf *text,
              struct sled_err *err)
{
	size_t len = 0;
	const struct sled_link *up = sled_links_up(d->links, &len);
	bool ok = sled_buf_addstr(text, " --far-links=", err);

	for (size_t i = 0; ok && i < len; i++)
		if (is_plain(up[i].name) &&
		    sled_conf_link_far(
			sled_link_profile(d->conf, &up[i], d->my->link),
			up[i].metered))
			ok = sled_buf_printf(text, err, "%s,", up[i].name);
	return ok;
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
	    !add_far_links(d, &text, &err) ||
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
