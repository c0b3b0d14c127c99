/* Any bytes as a TZif file: either a fault, or a zone whose spans follow one
 * another and whose local times and instants lead to each other. */
#include <stdbool.h>
#include <stdlib.h>

#include "core/zone/zone.h"

#define SPANS_MOST 2500

static void hold(bool is_true)
{
    if (!is_true)
        abort();
}

static int64_t local_at(const struct cs_zone *zone, int64_t at_utc_s)
{
    struct cs_zone_span span;

    cs_zone_span_at(zone, at_utc_s, &span);
    hold(span.start_s <= at_utc_s && at_utc_s < span.end_s);
    return at_utc_s + span.offset_s;
}

/* What is said about a local time is true. */
static void hold_local(const struct cs_zone *zone, int64_t local_s)
{
    struct cs_zone_local local;

    cs_zone_from_local(zone, local_s, &local);
    hold((local.kind == CS_ZONE_OVERLAP)
         == (local.first_s < local.second_s));
    if (local.kind == CS_ZONE_GAP) {
        hold(local.first_s == local.second_s);
        hold(local_at(zone, local.first_s - 1) < local_s);
        hold(local_at(zone, local.first_s) > local_s);
    } else {
        hold(local_at(zone, local.first_s) == local_s);
        hold(local_at(zone, local.second_s) == local_s);
    }
}

/* The instant is among those its local time can mean. */
static void hold_instant(const struct cs_zone *zone, int64_t at_utc_s)
{
    struct cs_zone_local local;

    cs_zone_from_local(zone, local_at(zone, at_utc_s), &local);
    hold(local.kind != CS_ZONE_GAP);
    hold(local.first_s <= at_utc_s && at_utc_s <= local.second_s);
}

static void hold_transition(const struct cs_zone *zone, int64_t at_s,
                            int32_t before_s, int32_t after_s)
{
    hold(at_s > CS_ZONE_FIRST_S && at_s < CS_ZONE_END_S);
    hold(before_s != after_s);
    hold_instant(zone, at_s - 1);
    hold_instant(zone, at_s);
    hold_local(zone, at_s + before_s);
    hold_local(zone, at_s + after_s - 1);
    hold_local(zone, at_s + (before_s + after_s) / 2);
}

static void hold_zone(const struct cs_zone *zone)
{
    struct cs_zone_span span, next;
    int count = 1;

    cs_zone_span_at(zone, INT64_MIN, &span);
    hold(span.start_s == INT64_MIN);
    for (; span.end_s != INT64_MAX; span = next) {
        hold(span.start_s < span.end_s && count++ < SPANS_MOST);
        hold(span.offset_s > -26 * 3600 && span.offset_s <= 26 * 3600);
        cs_zone_span_at(zone, span.end_s, &next);
        hold(next.start_s == span.end_s);
        hold_transition(zone, span.end_s, span.offset_s, next.offset_s);
    }
    cs_zone_span_at(zone, INT64_MAX, &next);
    hold(next.start_s == span.start_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cs_zone *zone = NULL;
    struct cs_error error;
    enum cs_status status = cs_zone_load(bytes, size, &zone, &error);

    hold((status == CS_OK) == (zone != NULL));
    if (status == CS_OK)
        hold_zone(zone);
    else
        hold(status == CS_ZONE && error.text[0] != '\0');
    cs_zone_unref(zone);
    return 0;
}
