/* Searching is done on the wall clock, in local seconds, where an expression
 * is a plain pattern; this file then says which instants a local time means.
 *
 * Fixed expressions. A local time l runs at the first instant whose wall
 * clock shows l or has gone past it: the transition if l was skipped, the
 * first of two if l is shown twice. With `reached(t)`, the latest local time
 * the wall clock has shown up to instant t, that is the first t with
 * reached(t) >= l; and since reached() never falls, the next run belongs to
 * the next matching l after reached(after), the previous one to the last
 * matching l not after reached(before - 1).
 *
 * Interval-based expressions. Every instant counts whose wall clock matches.
 * Spans of one offset are visited one after the other, and the pattern is
 * searched again only where the clock was put back onto times not yet seen
 * or forward over the match at hand.
 */
#include "core/cron/next.h"

#include "core/zone/civil.h"
#include "core/cron/days.h"

#define DAY_S 86400
#define NO_TIME (-1)
/* Two offsets differ by less: none is more than 26 hours. */
#define SWING_S (53 * 3600)
/* Local times outside every instant there is: "no match" to a search, which
 * needs no other word for it. */
#define LOCAL_NEVER_AFTER (CS_ZONE_END_S + 2 * SWING_S)
#define LOCAL_NEVER_BEFORE (CS_ZONE_FIRST_S - 2 * SWING_S)

/* Time of day */

/* The first set bit from `bit` (0-63) on, or -1. */
static int bit_from(uint64_t set, int bit)
{
    set &= ~UINT64_C(0) << bit;
    return set ? __builtin_ctzll(set) : -1;
}

/* The last set bit below `end` (0-63), or -1. */
static int bit_before(uint64_t set, int end)
{
    set &= (UINT64_C(1) << end) - 1;
    return set ? 63 - __builtin_clzll(set) : -1;
}

static int32_t second_of_day(int hour, int minute, int second)
{
    return (hour * 60 + minute) * 60 + second;
}

static int32_t first_time(const struct cs_expr *expr)
{
    return second_of_day(bit_from(expr->hour, 0), bit_from(expr->minute, 0),
                         bit_from(expr->second, 0));
}

static int32_t last_time(const struct cs_expr *expr)
{
    return second_of_day(bit_before(expr->hour, 24),
                         bit_before(expr->minute, 60),
                         bit_before(expr->second, 60));
}

/* The first matching second of the day that is not before `from`, or
 * NO_TIME. Each finer field is asked first and carries into the coarser. */
static int32_t time_from(const struct cs_expr *expr, int32_t from)
{
    int hour = from / 3600, minute = from / 60 % 60, second = -1;

    if (expr->hour >> hour & 1) {
        if (expr->minute >> minute & 1)
            second = bit_from(expr->second, from % 60);
        if (second < 0) {
            minute = bit_from(expr->minute, minute + 1);
            second = bit_from(expr->second, 0);
        }
        if (minute >= 0)
            return second_of_day(hour, minute, second);
    }
    hour = bit_from(expr->hour, hour + 1);
    if (hour < 0)
        return NO_TIME;
    return second_of_day(hour, bit_from(expr->minute, 0),
                         bit_from(expr->second, 0));
}

/* The last matching second of the day that is not after `until`. */
static int32_t time_until(const struct cs_expr *expr, int32_t until)
{
    int hour = until / 3600, minute = until / 60 % 60, second = -1;

    if (expr->hour >> hour & 1) {
        if (expr->minute >> minute & 1)
            second = bit_before(expr->second, until % 60 + 1);
        if (second < 0) {
            minute = bit_before(expr->minute, minute);
            second = bit_before(expr->second, 60);
        }
        if (minute >= 0)
            return second_of_day(hour, minute, second);
    }
    hour = bit_before(expr->hour, hour);
    if (hour < 0)
        return NO_TIME;
    return second_of_day(hour, bit_before(expr->minute, 60),
                         bit_before(expr->second, 60));
}

/* Local time */

static int64_t local_at(int32_t day, int32_t time)
{
    return (int64_t)day * DAY_S + time;
}

/* The first matching local second that is not before `from`, or
 * LOCAL_NEVER_AFTER. */
static int64_t local_from(const struct cs_expr *expr, int64_t from)
{
    int32_t time, found;
    int32_t day = cs_civil_split(from, &time);

    time = time_from(expr, time);
    if (time == NO_TIME) {
        time = first_time(expr);
        day++;
    }
    found = cs_days_from(expr, day);
    if (found == CS_DAYS_NONE)
        return LOCAL_NEVER_AFTER;
    return local_at(found, found == day ? time : first_time(expr));
}

/* The last matching local second that is not after `until`, or
 * LOCAL_NEVER_BEFORE. */
static int64_t local_until(const struct cs_expr *expr, int64_t until)
{
    int32_t time, found;
    int32_t day = cs_civil_split(until, &time);

    time = time_until(expr, time);
    if (time == NO_TIME) {
        time = last_time(expr);
        day--;
    }
    found = cs_days_until(expr, day);
    if (found == CS_DAYS_NONE)
        return LOCAL_NEVER_BEFORE;
    return local_at(found, found == day ? time : last_time(expr));
}

/* Fixed expressions */

/* The latest local time that the wall clock has shown up to `at`, an instant
 * of `span`. */
static int64_t reached(const struct cs_zone *zone, struct cs_zone_span span,
                       int64_t at)
{
    int64_t latest = at + span.offset_s;

    while (span.start_s > at - SWING_S) {
        cs_zone_span_at(zone, span.start_s - 1, &span);
        if (latest < span.end_s - 1 + span.offset_s)
            latest = span.end_s - 1 + span.offset_s;
    }
    return latest;
}

/* The first instant at which `local` is reached. `span` is a guess. */
static int64_t first_reaching(const struct cs_zone *zone,
                              struct cs_zone_span span, int64_t local)
{
    int64_t at = local - span.offset_s;

    if (at >= span.end_s || at - SWING_S < span.start_s)
        cs_zone_span_at(zone, at - SWING_S, &span);
    while (local - span.offset_s >= span.end_s)
        cs_zone_span_at(zone, span.end_s, &span);
    at = local - span.offset_s;
    return at < span.start_s ? span.start_s : at;
}

static int64_t fixed_after(const struct cs_expr *expr,
                           const struct cs_zone *zone, int64_t after)
{
    struct cs_zone_span span;
    int64_t local;

    cs_zone_span_at(zone, after, &span);
    local = local_from(expr, reached(zone, span, after) + 1);
    return first_reaching(zone, span, local);
}

static int64_t fixed_before(const struct cs_expr *expr,
                            const struct cs_zone *zone, int64_t before)
{
    struct cs_zone_span span;
    int64_t local;

    cs_zone_span_at(zone, before - 1, &span);
    local = local_until(expr, reached(zone, span, before - 1));
    return first_reaching(zone, span, local);
}

/* Interval-based expressions */

/* From `span` on to the next one worth visiting: `local` is the next match
 * and lies beyond `span`, and no local time in (floor, local) matches. Spans
 * that show nothing but such times are jumped over. */
static void visit_next(const struct cs_zone *zone, struct cs_zone_span *span,
                       int64_t floor, int64_t local)
{
    int64_t at = span->end_s;
    int64_t jump = local - span->offset_s - SWING_S;

    if (at - SWING_S > floor - span->offset_s && jump > at)
        at = jump;
    cs_zone_span_at(zone, at, span);
}

static int64_t interval_after(const struct cs_expr *expr,
                              const struct cs_zone *zone, int64_t after)
{
    struct cs_zone_span span;
    int64_t floor, local, start;

    cs_zone_span_at(zone, after, &span);
    floor = after + span.offset_s;
    local = local_from(expr, floor + 1);
    while (local - span.offset_s >= span.end_s) {
        visit_next(zone, &span, floor, local);
        start = span.start_s + span.offset_s;
        if (start <= floor || start > local) {
            floor = start - 1;
            local = local_from(expr, start);
        }
    }
    return local - span.offset_s;
}

/* The mirror of visit_next: no local time in (local, ceiling) matches. */
static void visit_previous(const struct cs_zone *zone,
                           struct cs_zone_span *span, int64_t ceiling,
                           int64_t local)
{
    int64_t at = span->start_s - 1;
    int64_t jump = local - span->offset_s + SWING_S;

    if (at + SWING_S < ceiling - span->offset_s && jump < at)
        at = jump;
    cs_zone_span_at(zone, at, span);
}

static int64_t interval_before(const struct cs_expr *expr,
                               const struct cs_zone *zone, int64_t before)
{
    struct cs_zone_span span;
    int64_t ceiling, local, last;

    cs_zone_span_at(zone, before - 1, &span);
    ceiling = before + span.offset_s;
    local = local_until(expr, ceiling - 1);
    while (local - span.offset_s < span.start_s) {
        visit_previous(zone, &span, ceiling, local);
        last = span.end_s - 1 + span.offset_s;
        if (last >= ceiling || last < local) {
            ceiling = last + 1;
            local = local_until(expr, last);
        }
    }
    return local - span.offset_s;
}

/* Both */

/* A match may lie outside, in local 1969 or 2200 or at LOCAL_NEVER. */
static enum cs_status found(int64_t at, int64_t *at_utc_s)
{
    if (at < CS_ZONE_FIRST_S || at >= CS_ZONE_END_S)
        return CS_NONE;
    *at_utc_s = at;
    return CS_OK;
}

enum cs_status cs_next_after(const struct cs_expr *expr,
                             const struct cs_zone *zone, int64_t after_utc_s,
                             int64_t *at_utc_s)
{
    if (expr->flags & CS_EXPR_REBOOT || after_utc_s >= CS_ZONE_END_S)
        return CS_NONE;
    if (after_utc_s < CS_ZONE_FIRST_S - 1)
        after_utc_s = CS_ZONE_FIRST_S - 1;
    return found(expr->flags & CS_EXPR_INTERVAL
                     ? interval_after(expr, zone, after_utc_s)
                     : fixed_after(expr, zone, after_utc_s), at_utc_s);
}

enum cs_status cs_next_before(const struct cs_expr *expr,
                              const struct cs_zone *zone,
                              int64_t before_utc_s, int64_t *at_utc_s)
{
    if (expr->flags & CS_EXPR_REBOOT || before_utc_s <= CS_ZONE_FIRST_S)
        return CS_NONE;
    if (before_utc_s > CS_ZONE_END_S)
        before_utc_s = CS_ZONE_END_S;
    return found(expr->flags & CS_EXPR_INTERVAL
                     ? interval_before(expr, zone, before_utc_s)
                     : fixed_before(expr, zone, before_utc_s), at_utc_s);
}

bool cs_next_matches(const struct cs_expr *expr, const struct cs_zone *zone,
                     int64_t at_utc_s)
{
    int64_t at;

    /* The first clause also keeps INT64_MIN from being stepped below. */
    return at_utc_s >= CS_ZONE_FIRST_S
           && cs_next_after(expr, zone, at_utc_s - 1, &at) == CS_OK
           && at == at_utc_s;
}
