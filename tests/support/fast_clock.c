/* fast_clock.c - a clock that runs FAST_CLOCK times as fast, and timers with
 * it, linked in the place of src/base/clock.c: weeks of `mailsled run` in
 * minutes. Only build/mailsled-fast has it.
 *
 * FAST_CLOCK_FILE, three numbers of 8 bytes, is for whoever lets time leap: when
 * the clocks began (true ms of CLOCK_BOOTTIME), the ms that they leapt by since,
 * and by how many seconds the wall clock is set wrong. All processes that have
 * it see one time, also one that starts later. A leap is like a night that the
 * machine sleeps through: SIGURG tells that there was one, and what was due in
 * it is due at once; or that somebody has set the clock. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>
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
ssize_t __real_read(int fd, void *out, size_t room);
ssize_t __wrap_read(int fd, void *out, size_t room);

static int64_t
speed(void)
{
	const char *text = getenv("FAST_CLOCK");
	long value = text == NULL ? 1 : strtol(text, NULL, 10);

	return value > 0 ? value : 1;
}

/* What FAST_CLOCK_FILE holds. */
struct leaps {
	int64_t began;
	_Atomic int64_t by, wrong_s;
};

static const struct leaps none;
static const struct leaps *leaps = &none;
/* The one alarm that waits over sleep: see src/loop/alarm.c. */
static _Atomic int alarm_fd = -1;
static _Atomic int64_t alarm_due;
/* ... and the one that the kernel cancels when the clock is set. */
static _Atomic int set_fd = -1;
static _Atomic int64_t seen_s;
static _Atomic bool was_set;

/* Both clocks begin at the true time: that of this process, or of all. */
static int64_t
gained_ms(void)
{
	static int64_t began;

	if (began == 0)
		began = leaps->began != 0 ? leaps->began : true_ms();
	return (true_ms() - began) * (speed() - 1) + leaps->by;
}

static void
arm(int fd, int64_t ns)
{
	struct itimerspec at = { .it_value = { ns / 1000000000,
		                               ns % 1000000000 } };

	(void)__real_timerfd_settime(fd, 0, &at, NULL);
}

/* Only calls that a handler may make. */
static void
on_leap(int signum)
{
	int64_t left = alarm_due - sled_clock_ms();

	(void)signum;
	if (alarm_fd != -1)
		arm(alarm_fd, left <= 0 ? 1 : left * 1000000 / speed() + 1);
	if (set_fd == -1 || seen_s == leaps->wrong_s)
		return;
	seen_s = leaps->wrong_s;
	was_set = true;
	arm(set_fd, 1);
}

/* What timerfd_create(2) says of TFD_TIMER_CANCEL_ON_SET. */
ssize_t
__wrap_read(int fd, void *out, size_t room)
{
	ssize_t got = __real_read(fd, out, room);

	if (got == -1 || fd != set_fd || !atomic_exchange(&was_set, false))
		return got;
	errno = ECANCELED;
	return -1;
}

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("FAST_CLOCK_FILE");
	struct sigaction action = { .sa_handler = on_leap,
		                    .sa_flags = SA_RESTART };
	void *map = MAP_FAILED;
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd != -1)
		map = mmap(NULL, sizeof(*leaps), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	(void)close(fd);
	leaps = map;
	(void)gained_ms();
	seen_s = leaps->wrong_s;
	(void)sigaction(SIGURG, &action, NULL);
}

int64_t
sled_clock_ms(void)
{
	return true_ms() + gained_ms();
}

int64_t
sled_clock_now(void)
{
	return true_now() + gained_ms() / 1000 + leaps->wrong_s;
}

/* A relative one; what waits for the clock to be set stays. */
int
__wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at,
                       struct itimerspec *old)
{
	struct itimerspec sooner = *at;
	int64_t ns = at->it_value.tv_nsec;

	if ((flags & TFD_TIMER_ABSTIME) != 0)
		set_fd = fd;
	if ((flags & TFD_TIMER_ABSTIME) != 0 ||
	    (at->it_value.tv_sec == 0 && ns == 0))
		return __real_timerfd_settime(fd, flags, at, old);
	ns += at->it_value.tv_sec * 1000000000LL;
	alarm_fd = fd;
	alarm_due = sled_clock_ms() + ns / 1000000;
	ns = ns / speed() + 1;
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
