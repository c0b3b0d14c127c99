/* A host whose clock is wrong by FLEET_SKEW seconds: put before the C library
 * (LD_PRELOAD), so that Python and the native thread see it alike.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static time_t skew(void)
{
    static int known;
    static time_t value;

    if (!known) {
        const char *text = getenv("FLEET_SKEW");

        value = text ? atol(text) : 0;
        known = 1;
    }
    return value;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    int result;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    result = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        now->tv_sec += skew();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec found;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* The kernel's clock is right: an instant of ours is another one there. */
int timerfd_settime(int fd, int flags, const struct itimerspec *at,
                    struct itimerspec *old)
{
    static int (*real)(int, int, const struct itimerspec *,
                       struct itimerspec *);
    struct itimerspec moved = *at;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "timerfd_settime");
    if (flags & TFD_TIMER_ABSTIME && (at->it_value.tv_sec
                                      || at->it_value.tv_nsec))
        moved.it_value.tv_sec -= skew();
    return real(fd, flags, &moved, old);
}
