/* A time zone: what the offset from UTC is at an instant, and which instants
 * a local time can mean. Source: RFC 9636 (TZif versions 1 to 4). Read-only
 * once loaded, and shared between threads by reference.
 *
 * Local times are "local seconds": seconds since 1970-01-01T00:00:00 on the
 * wall clock of the zone, as if that were UTC. Instants are UTC seconds.
 * Valid for 1970-01-01 to 2200-01-01; outside, the nearest offset is used.
 * A zone with daylight time takes 9 KB, one without 2 KB.
 */
#ifndef CS_ZONE_H
#define CS_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define CS_ZONE_FIRST_S INT64_C(0)            /* 1970-01-01T00:00:00Z */
#define CS_ZONE_END_S INT64_C(7258118400)     /* 2200-01-01T00:00:00Z */

struct cs_zone;

/* From the bytes of a TZif file, which are not kept. The zone has one
 * reference. CS_ZONE (saying what is wrong), CS_NOMEM. Leap-second ("right/")
 * files are refused. */
enum cs_status cs_zone_load(const void *bytes, size_t size,
                            struct cs_zone **zone, struct cs_error *error);

/* Always `offset_s` seconds east of UTC, within a day. CS_RANGE, CS_NOMEM. */
enum cs_status cs_zone_fixed(int32_t offset_s, struct cs_zone **zone,
                             struct cs_error *error);

/* References are counted atomically. NULL is allowed in unref. */
struct cs_zone *cs_zone_ref(struct cs_zone *zone);
void cs_zone_unref(struct cs_zone *zone);

/* The longest stretch of one offset around an instant. */
struct cs_zone_span {
    int64_t start_s;    /* first instant of it; INT64_MIN if it has none */
    int64_t end_s;      /* first instant after it; INT64_MAX if it has none */
    int32_t offset_s;   /* local seconds = UTC seconds + offset_s */
};

/* A few nanoseconds: this is the hot path of `next`. Neighbouring
 * transitions with the same total offset are one span. */
void cs_zone_span_at(const struct cs_zone *zone, int64_t at_utc_s,
                     struct cs_zone_span *span);

enum cs_zone_kind {
    CS_ZONE_UNIQUE,   /* first_s == second_s */
    CS_ZONE_GAP,      /* no such local time: both are the first instant after
                         the gap (the transition itself) */
    CS_ZONE_OVERLAP   /* it happens twice: first_s < second_s; should it ever
                         happen more often, the first and the last */
};

struct cs_zone_local {
    enum cs_zone_kind kind;
    int64_t first_s, second_s;   /* UTC */
};

void cs_zone_from_local(const struct cs_zone *zone, int64_t local_s,
                        struct cs_zone_local *local);

#endif
