/* Time, as something that is handed in.
 *
 * Wall time says when a job is due; it can be set, by hand or by NTP.
 * Monotonic time says how long something took; it cannot. They are different
 * types, so that mixing them does not compile.
 */
#ifndef CS_CLOCK_H
#define CS_CLOCK_H

#include <stdint.h>

#define CS_NS_PER_S INT64_C(1000000000)
#define CS_NS_PER_MS INT64_C(1000000)

struct cs_wall { int64_t ns; };   /* since 1970-01-01T00:00:00Z, POSIX time */
struct cs_mono { int64_t ns; };   /* since some fixed instant; runs on while
                                     the machine is suspended if it can */

struct cs_clock {
    struct cs_wall (*wall)(void *context);
    struct cs_mono (*mono)(void *context);
    void *context;   /* Borrowed. */
};

/* CLOCK_REALTIME and CLOCK_BOOTTIME (CLOCK_MONOTONIC where that is missing).
 * Any thread. */
extern const struct cs_clock cs_clock_system;

/* A clock that stands still until it is told to move. Not locked. */
struct cs_clock_manual {
    struct cs_wall wall;
    struct cs_mono mono;
};

/* A clock that reads `manual`, which stays the caller's. */
struct cs_clock cs_clock_of_manual(struct cs_clock_manual *manual);

/* Whole seconds at or before `at` (floor, also before 1970). */
int64_t cs_wall_seconds(struct cs_wall at);

/* The instant `at_utc_s`, plus `offset_ms`. */
struct cs_wall cs_wall_of(int64_t at_utc_s, int32_t offset_ms);

#endif
