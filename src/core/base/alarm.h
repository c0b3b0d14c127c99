/* A file descriptor that becomes readable at an instant of wall time, and at
 * once when somebody sets the clock (Linux: timerfd with CANCEL_ON_SET).
 * Where there is no timerfd, `fd` is -1 and the caller sleeps in
 * milliseconds and compares the clocks at each turn.
 */
#ifndef CS_ALARM_H
#define CS_ALARM_H

#include <stdbool.h>

#include "core/base/clock.h"
#include "core/base/status.h"

struct cs_alarm {
    int fd;         /* Owned. */
    bool was_set;   /* the clock was, and cs_alarm_ack has yet to say so */
};

/* CS_SYSTEM only for lack of descriptors or memory; a kernel that has no such
 * timers leaves -1. The alarm is set to never. */
enum cs_status cs_alarm_init(struct cs_alarm *alarm, struct cs_error *error);

/* Safe after init, and twice. */
void cs_alarm_fini(struct cs_alarm *alarm);

/* Ring at `at`, or at once if that has passed. INT64_MAX ns is never; a clock
 * that is set rings even then. Replaces the last setting. */
void cs_alarm_set(struct cs_alarm *alarm, struct cs_wall at);

/* Quiet the descriptor. True when the clock was set since the last call
 * (the setting is then gone: set it again). */
bool cs_alarm_ack(struct cs_alarm *alarm);

#endif
