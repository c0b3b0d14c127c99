#include "core/base/clock.h"

#include <time.h>

/* Where a suspended machine's time counts too, a timeout means what it says
 * after a resume. */
#ifdef CLOCK_BOOTTIME
#define MONOTONIC CLOCK_BOOTTIME
#else
#define MONOTONIC CLOCK_MONOTONIC
#endif

static int64_t read_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);   /* cannot fail for these clocks */
    return now.tv_sec * CS_NS_PER_S + now.tv_nsec;
}

static struct cs_wall system_wall(void *context)
{
    (void)context;
    return (struct cs_wall){read_ns(CLOCK_REALTIME)};
}

static struct cs_mono system_mono(void *context)
{
    (void)context;
    return (struct cs_mono){read_ns(MONOTONIC)};
}

const struct cs_clock cs_clock_system = {system_wall, system_mono, 0};

static struct cs_wall manual_wall(void *context)
{
    return ((struct cs_clock_manual *)context)->wall;
}

static struct cs_mono manual_mono(void *context)
{
    return ((struct cs_clock_manual *)context)->mono;
}

struct cs_clock cs_clock_of_manual(struct cs_clock_manual *manual)
{
    return (struct cs_clock){manual_wall, manual_mono, manual};
}

int64_t cs_wall_seconds(struct cs_wall at)
{
    int64_t seconds = at.ns / CS_NS_PER_S;

    return seconds - (at.ns % CS_NS_PER_S < 0);
}

struct cs_wall cs_wall_of(int64_t at_utc_s, int32_t offset_ms)
{
    return (struct cs_wall){at_utc_s * CS_NS_PER_S
                            + offset_ms * CS_NS_PER_MS};
}
