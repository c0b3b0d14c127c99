/* Time zones. Source: RFC 9636.
 *
 * A zone is an array of spans, oldest first, each with an offset unlike its
 * neighbours', from 1970 to 2200: the listed transitions, then those of the
 * footer's rule written out year by year, so that a lookup need not know
 * where an offset came from. The first span starts at INT64_MIN, and after
 * the last one stands a sentinel that starts at INT64_MAX. `index` says for
 * every 97 days which span holds their first second, so a lookup is a load
 * and, in real zones, at most a comparison or two.
 */
#include "core/zone/zone.h"

#include <stdatomic.h>

#include "core/zone/civil.h"
#include "core/base/mem.h"
#include "core/zone/tzif.h"
#include "core/zone/tzrule.h"

#define DAY_S 86400
#define END_YEAR 2200
#define RULE_SPANS (2 * (END_YEAR - 1970 + 4))
#define BUCKET_SHIFT 23
#define BUCKETS ((size_t)(CS_ZONE_END_S >> BUCKET_SHIFT) + 1)

struct span {
    int64_t start_s;
    int32_t offset_s;
};

struct cs_zone {
    atomic_uint references;
    int32_t least_s, most_s;        /* of all offsets */
    uint32_t count;                 /* of spans, without the sentinel */
    uint16_t index[BUCKETS + 1];    /* the last: of 2200 */
    struct span spans[];
};

/* From `at_s` on the offset is `offset_s`. Called in order; what is said
 * later about the same instant holds. */
static void append(struct cs_zone *zone, int64_t at_s, int32_t offset_s)
{
    if (at_s >= CS_ZONE_END_S)
        return;
    if (at_s <= CS_ZONE_FIRST_S) {
        zone->spans[0].offset_s = offset_s;
        return;
    }
    if (zone->spans[zone->count - 1].start_s == at_s)
        zone->count--;
    if (zone->spans[zone->count - 1].offset_s != offset_s)
        zone->spans[zone->count++] = (struct span){at_s, offset_s};
}

static int64_t later(int64_t a_s, int64_t b_s)
{
    return a_s > b_s ? a_s : b_s;
}

static int year_of(int64_t at_s)
{
    return cs_civil_date((int32_t)(at_s / DAY_S)).year;
}

/* The end of the daylight time that begins at `start_s` of `year`: the first
 * one after that. It may be of the year after the next, as a time of up to 167
 * hours carries a start at the end of a year over the end of the next. */
static int64_t end_after(const struct cs_tzrule *rule, int year,
                         int64_t start_s)
{
    int64_t end_s, other_s;

    do
        cs_tzrule_year(rule, year++, &other_s, &end_s);
    while (end_s <= start_s);
    return end_s;
}

/* The rule holds from `from_s` on, that instant included. Daylight time is a
 * union of stretches, one a year, which starts a new one only when the last
 * has ended: that is how a rule says "all year". A stretch may reach into
 * the year after the next (south, with a time of up to 167 hours), so the
 * first one to look at is two years back. */
static void append_rule(struct cs_zone *zone, const struct cs_tzrule *rule,
                        int64_t from_s)
{
    int64_t until_s = INT64_MIN, start_s, end_s;
    int year;

    append(zone, from_s, rule->standard_s);
    if (!rule->has_daylight || from_s >= CS_ZONE_END_S)
        return;
    year = year_of(later(from_s, CS_ZONE_FIRST_S)) - 2;
    for (; year <= END_YEAR; year++) {
        cs_tzrule_year(rule, year, &start_s, &end_s);
        if (start_s > until_s) {
            append(zone, later(until_s, from_s), rule->standard_s);
            append(zone, later(start_s, from_s), rule->daylight_s);
        }
        until_s = later(until_s, end_after(rule, year, start_s));
    }
    append(zone, later(until_s, from_s), rule->standard_s);
}

/* Before the first transition the first type holds; from the last one on,
 * that instant included, the rule, if there is one. */
static void append_file(struct cs_zone *zone, const struct cs_tzif *file,
                        const struct cs_tzrule *rule)
{
    uint32_t listed = file->time_count;

    append(zone, INT64_MIN, cs_tzif_first_offset_s(file));
    for (uint32_t i = 0; i < listed; i++)
        append(zone, cs_tzif_time_s(file, i), cs_tzif_offset_s(file, i));
    if (rule)
        append_rule(zone, rule, listed ? cs_tzif_time_s(file, listed - 1)
                                       : INT64_MIN);
}

/* Room for `most` spans; one stands, with offset 0. */
static struct cs_zone *new_zone(size_t most)
{
    struct cs_zone *zone = cs_mem_alloc(sizeof(*zone)
                                        + (most + 1) * sizeof(struct span));

    if (zone) {
        atomic_init(&zone->references, 1);
        zone->spans[0] = (struct span){INT64_MIN, 0};
        zone->count = 1;
    }
    return zone;
}

/* What is derived from the spans: sentinel, index and extremes. */
static void finish(struct cs_zone *zone)
{
    uint32_t at = 0;

    zone->spans[zone->count] = (struct span){INT64_MAX, 0};
    for (size_t bucket = 0; bucket <= BUCKETS; bucket++) {
        while (zone->spans[at + 1].start_s
               <= (int64_t)bucket << BUCKET_SHIFT)
            at++;
        zone->index[bucket] = (uint16_t)at;
    }
    zone->least_s = zone->most_s = zone->spans[0].offset_s;
    for (uint32_t i = 1; i < zone->count; i++) {
        int32_t offset_s = zone->spans[i].offset_s;

        zone->least_s = offset_s < zone->least_s ? offset_s : zone->least_s;
        zone->most_s = offset_s > zone->most_s ? offset_s : zone->most_s;
    }
}

/* Give back the room that was not needed; failing to do so is harmless. */
static struct cs_zone *shrink(struct cs_zone *zone)
{
    struct cs_zone *smaller = cs_mem_realloc(
        zone, sizeof(*zone) + (zone->count + 1) * sizeof(struct span));

    return smaller ? smaller : zone;
}

/* CS_NONE: there is no rule, the last transition holds for ever. */
static enum cs_status read_rule(const struct cs_tzif *file,
                                struct cs_tzrule *rule,
                                struct cs_error *error)
{
    struct cs_error fault = {0};

    if (file->footer_size == 0)
        return CS_NONE;
    if (cs_tzrule_parse(file->footer, file->footer_size, rule, &fault)
        != CS_OK)
        return cs_error_set(error, CS_ZONE, "not a time zone: in its footer, "
                            "%s at byte %d", fault.text, fault.position);
    return CS_OK;
}

enum cs_status cs_zone_load(const void *bytes, size_t size,
                            struct cs_zone **zone, struct cs_error *error)
{
    struct cs_tzif file;
    struct cs_tzrule rule;
    struct cs_zone *loaded;
    enum cs_status status = cs_tzif_open(bytes, size, &file, error);

    if (status != CS_OK)
        return status;
    status = read_rule(&file, &rule, error);
    if (status != CS_OK && status != CS_NONE)
        return status;
    loaded = new_zone(1 + file.time_count + RULE_SPANS);
    if (!loaded)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    append_file(loaded, &file, status == CS_OK ? &rule : NULL);
    finish(loaded);
    *zone = shrink(loaded);
    return CS_OK;
}

enum cs_status cs_zone_fixed(int32_t offset_s, struct cs_zone **zone,
                             struct cs_error *error)
{
    struct cs_zone *fixed;

    if (offset_s <= -DAY_S || offset_s >= DAY_S)
        return cs_error_set(error, CS_RANGE, "an offset of %d seconds is "
                            "not less than a day", (int)offset_s);
    fixed = new_zone(1);
    if (!fixed)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    fixed->spans[0].offset_s = offset_s;
    finish(fixed);
    *zone = fixed;
    return CS_OK;
}

struct cs_zone *cs_zone_ref(struct cs_zone *zone)
{
    (void)atomic_fetch_add_explicit(&zone->references, 1,
                                    memory_order_relaxed);
    return zone;
}

void cs_zone_unref(struct cs_zone *zone)
{
    if (zone && atomic_fetch_sub_explicit(&zone->references, 1,
                                          memory_order_acq_rel) == 1)
        cs_mem_free(zone);
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Which span holds an instant: one between those that hold the ends of the
 * instant's bucket. In real zones these are the same or neighbours, so only
 * the last line runs, and it does not branch. */
static uint32_t find(const struct cs_zone *zone, int64_t at_utc_s)
{
    int64_t inside_s = clamp(at_utc_s, CS_ZONE_FIRST_S, CS_ZONE_END_S - 1);
    const uint16_t *bucket = zone->index + (inside_s >> BUCKET_SHIFT);
    uint32_t low = bucket[0], high = bucket[1];

    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;

        if (zone->spans[middle].start_s <= inside_s)
            low = middle;
        else
            high = middle;
    }
    return low + (zone->spans[low + 1].start_s <= inside_s);
}

void cs_zone_span_at(const struct cs_zone *zone, int64_t at_utc_s,
                     struct cs_zone_span *span)
{
    const struct span *found = zone->spans + find(zone, at_utc_s);

    span->start_s = found[0].start_s;
    span->end_s = found[1].start_s;
    span->offset_s = found[0].offset_s;
}

/* The instants a local time can mean lie between those it would mean at the
 * extreme offsets; a span that holds the instant at its own offset is one.
 * When none does, the clock jumps over the local time where the first span
 * starts for which it is too early. If a zone jumps back so often that a
 * time happens three times, the first and the last are told. */
void cs_zone_from_local(const struct cs_zone *zone, int64_t local_s,
                        struct cs_zone_local *local)
{
    int64_t safe_s = clamp(local_s, INT64_MIN + 2 * DAY_S,
                           INT64_MAX - 2 * DAY_S);
    uint32_t at = find(zone, safe_s - zone->most_s);
    uint32_t last = find(zone, safe_s - zone->least_s);
    int64_t gap_end_s = INT64_MAX;
    int count = 0;

    for (; at <= last; at++) {
        const struct span *span = zone->spans + at;
        int64_t at_utc_s = safe_s - span->offset_s;

        if (at_utc_s < span->start_s) {
            gap_end_s = gap_end_s < INT64_MAX ? gap_end_s : span->start_s;
        } else if (at_utc_s < span[1].start_s) {
            local->second_s = at_utc_s;
            if (count++ == 0)
                local->first_s = at_utc_s;
        }
    }
    if (count == 0)
        local->first_s = local->second_s = gap_end_s;
    local->kind = count == 0 ? CS_ZONE_GAP
                  : count == 1 ? CS_ZONE_UNIQUE : CS_ZONE_OVERLAP;
}
