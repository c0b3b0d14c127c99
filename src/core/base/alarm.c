/* A timerfd on CLOCK_REALTIME (timerfd_create(2)). CANCEL_ON_SET makes the
 * descriptor readable when the clock is set, and the read then fails with
 * ECANCELED; so does timerfd_settime, when the clock is set while it arms the
 * timer. That one consumes the news, so it is kept in `was_set`.
 */
#include "core/base/alarm.h"

#if defined(__linux__)

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int arm(const struct cs_alarm *alarm, int64_t at_ns)
{
    struct itimerspec setting = {{0, 0}, {0, 0}};

    /* All zeros would disarm, and what is negative is refused; both have
     * passed, as the first nanosecond of 1970 has. */
    if (at_ns <= 0)
        at_ns = 1;
    setting.it_value.tv_sec = (time_t)(at_ns / CS_NS_PER_S);
    setting.it_value.tv_nsec = (long)(at_ns % CS_NS_PER_S);
    return timerfd_settime(alarm->fd,
                           TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                           &setting, NULL);
}

enum cs_status cs_alarm_init(struct cs_alarm *alarm, struct cs_error *error)
{
    alarm->was_set = false;
    alarm->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (alarm->fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            return cs_error_system(error, errno, "cannot create a timer");
        return CS_OK;
    }
    /* A kernel may know timers and not CANCEL_ON_SET. */
    if (arm(alarm, INT64_MAX) < 0 && errno != ECANCELED)
        cs_alarm_fini(alarm);
    return CS_OK;
}

void cs_alarm_fini(struct cs_alarm *alarm)
{
    if (alarm->fd >= 0)
        (void)close(alarm->fd);   /* nothing is lost with it */
    alarm->fd = -1;
}

void cs_alarm_set(struct cs_alarm *alarm, struct cs_wall at)
{
    if (alarm->fd < 0 || arm(alarm, at.ns) == 0)
        return;
    /* ECANCELED; ring at once, so that the caller comes to acknowledge. */
    alarm->was_set = true;
    (void)arm(alarm, 0);   /* it arms the timer even if it fails so again */
}

bool cs_alarm_ack(struct cs_alarm *alarm)
{
    bool was_set = alarm->was_set;
    uint64_t rings;

    alarm->was_set = false;
    if (alarm->fd < 0)
        return false;
    return (read(alarm->fd, &rings, sizeof(rings)) < 0 && errno == ECANCELED)
           || was_set;
}

#else

enum cs_status cs_alarm_init(struct cs_alarm *alarm, struct cs_error *error)
{
    (void)error;
    *alarm = (struct cs_alarm){-1, false};
    return CS_OK;
}

void cs_alarm_fini(struct cs_alarm *alarm)
{
    (void)alarm;
}

void cs_alarm_set(struct cs_alarm *alarm, struct cs_wall at)
{
    (void)alarm;
    (void)at;
}

bool cs_alarm_ack(struct cs_alarm *alarm)
{
    (void)alarm;
    return false;
}

#endif
