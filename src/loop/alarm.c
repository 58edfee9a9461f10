/* alarm.c - a timer that counts sleep, and sees a set clock; see
 * mailsled/loop.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "mailsled/loop.h"

/* Beyond what any clock will be set to: only cancelling ends that wait. */
#define NEVER ((time_t)1 << 40)

struct sled_alarm {
	int wait_fd, set_fd;
	struct sled_watch *wait, *set;
	sled_alarm_fn *fn;
	void *ctx;
};

static void
set_wait(struct sled_alarm *alarm, const struct itimerspec *spec)
{
	/* Fails only for numbers out of range, which these are not. */
	(void)timerfd_settime(alarm->wait_fd, 0, spec, NULL);
}

static int
arm_set(int fd)
{
	const struct itimerspec never = { .it_value = { .tv_sec = NEVER } };

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
	                       &never, NULL);
}

static void
on_wait(void *ctx)
{
	struct sled_alarm *alarm = ctx;
	uint64_t times;

	/* Nothing there: it was started anew since it was over. */
	if (read(alarm->wait_fd, &times, sizeof(times)) == sizeof(times))
		alarm->fn(alarm->ctx, false);
}

static void
on_set(void *ctx)
{
	struct sled_alarm *alarm = ctx;
	uint64_t times;
	bool jumped = read(alarm->set_fd, &times, sizeof(times)) == -1 &&
	              errno == ECANCELED;

	(void)arm_set(alarm->set_fd);
	if (jumped)
		alarm->fn(alarm->ctx, true);
}

static bool
open_timers(struct sled_alarm *alarm, struct sled_loop *loop,
            struct sled_err *err)
{
	alarm->wait_fd =
	    timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	alarm->set_fd =
	    timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (alarm->wait_fd == -1 || alarm->set_fd == -1 ||
	    arm_set(alarm->set_fd) == -1)
		return sled_fail_sys(err, errno, "alarm");
	return sled_watch_new(&alarm->wait, loop, alarm->wait_fd, on_wait,
	                      alarm, err) &&
	       sled_watch_new(&alarm->set, loop, alarm->set_fd, on_set, alarm,
	                      err);
}

bool
sled_alarm_new(struct sled_alarm **out, struct sled_loop *loop,
               sled_alarm_fn *fn, void *ctx, struct sled_err *err)
{
	struct sled_alarm *alarm = calloc(1, sizeof(*alarm));

	*out = alarm;
	if (alarm == NULL)
		return sled_fail_sys(err, ENOMEM, "alarm");
	alarm->wait_fd = alarm->set_fd = -1;
	alarm->fn = fn;
	alarm->ctx = ctx;
	if (open_timers(alarm, loop, err))
		return true;
	sled_alarm_free(out);
	return false;
}

void
sled_alarm_free(struct sled_alarm **alarm_p)
{
	struct sled_alarm *alarm = *alarm_p;

	if (alarm == NULL)
		return;
	*alarm_p = NULL;
	sled_watch_free(&alarm->wait);
	sled_watch_free(&alarm->set);
	if (alarm->wait_fd != -1)
		(void)close(alarm->wait_fd);
	if (alarm->set_fd != -1)
		(void)close(alarm->set_fd);
	free(alarm);
}

void
sled_alarm_start(struct sled_alarm *alarm, uint64_t after_ms)
{
	struct itimerspec spec = { .it_value = {
				       .tv_sec =
					   (time_t)(after_ms / 1000 % NEVER),
				       .tv_nsec =
					   (long)(after_ms % 1000 * 1000000),
				   } };

	if (after_ms == 0) /* all zero would stop it */
		spec.it_value.tv_nsec = 1;
	set_wait(alarm, &spec);
}

void
sled_alarm_stop(struct sled_alarm *alarm)
{
	const struct itimerspec none = { 0 };

	set_wait(alarm, &none);
}
