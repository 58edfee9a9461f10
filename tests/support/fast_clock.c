/* fast_clock.c - a clock that runs FAST_CLOCK times as fast, and timers with
 * it, linked in the place of src/base/clock.c: weeks of `mailsled run` in
 * minutes. Only build/mailsled-fast has it. */
#include <stdlib.h>
#include <sys/timerfd.h>
#include <uv.h>

#define sled_clock_now true_now
#define sled_clock_ms  true_ms
#include "base/clock.c"
#undef sled_clock_now
#undef sled_clock_ms

int64_t sled_clock_now(void);
int64_t sled_clock_ms(void);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *at,
                           struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at,
                           struct itimerspec *old);
int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t ms,
                          uint64_t again);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t ms,
                          uint64_t again);

static int64_t
speed(void)
{
	const char *text = getenv("FAST_CLOCK");
	long value = text == NULL ? 1 : strtol(text, NULL, 10);

	return value > 0 ? value : 1;
}

/* Since this process began, so that both clocks begin at the true time. */
static int64_t
gained_ms(void)
{
	static int64_t began;

	if (began == 0)
		began = true_ms();
	return (true_ms() - began) * (speed() - 1);
}

int64_t
sled_clock_ms(void)
{
	return true_ms() + gained_ms();
}

int64_t
sled_clock_now(void)
{
	return true_now() + gained_ms() / 1000;
}

/* A relative one; what waits for the clock to be set stays. */
int
__wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at,
                       struct itimerspec *old)
{
	struct itimerspec sooner = *at;
	int64_t ns = at->it_value.tv_nsec;

	if ((flags & TFD_TIMER_ABSTIME) != 0 ||
	    (at->it_value.tv_sec == 0 && ns == 0))
		return __real_timerfd_settime(fd, flags, at, old);
	ns = (at->it_value.tv_sec * 1000000000LL + ns) / speed() + 1;
	sooner.it_value.tv_sec = ns / 1000000000;
	sooner.it_value.tv_nsec = ns % 1000000000;
	return __real_timerfd_settime(fd, flags, &sooner, old);
}

int
__wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t ms,
                      uint64_t again)
{
	uint64_t by = (uint64_t)speed();

	return __real_uv_timer_start(timer, fn, (ms + by - 1) / by, again);
}
