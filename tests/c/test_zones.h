/* A few zones by short names, built from TZif bytes written here, so that
 * tests need no file of the machine. Each is the real zone's rule, or for
 * some years its transitions; "Crowded" is made up.
 */
#ifndef TEST_ZONES_H
#define TEST_ZONES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/zone/zone.h"

#define TEST_TRANSITIONS 6

struct test_zone {
    const char *name, *rule;
    int32_t before_s;   /* the offset before the first transition */
    struct { int64_t at_s; int32_t offset_s; } to[TEST_TRANSITIONS];
};

static const struct test_zone test_zones[] = {
    {.name = "UTC", .rule = "UTC0"},
    {.name = "Zurich", .rule = "CET-1CEST,M3.5.0,M10.5.0/3"},
    {.name = "New_York", .rule = "EST5EDT,M3.2.0,M11.1.0"},
    {.name = "Lord_Howe", .rule = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"},
    {.name = "Santiago", .rule = "<-04>4<-03>,M9.1.6/24,M4.1.6/24"},
    {.name = "Troll", .rule = "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3"},
    {.name = "Dublin", .rule = "IST-1GMT0,M10.5.0,M3.5.0/1"},
    {.name = "Cairo", .rule = "EET-2EEST,M4.5.5/0,M10.5.4/24"},
    {.name = "Beirut", .rule = "EET-2EEST,M3.5.0/0,M10.5.0/0"},
    {.name = "Apia", .rule = "<+13>-13", .before_s = -11 * 3600,
     .to = {{1285498800, -10 * 3600},      /* 2010-09-26 */
            {1301752800, -11 * 3600},      /* 2011-04-02 */
            {1316872800, -10 * 3600},      /* 2011-09-24 */
            {1325239200, 14 * 3600},       /* 2011-12-30 does not exist */
            {1333202400, 13 * 3600}}},     /* 2012-04-01 */
    {.name = "Casablanca", .rule = "<+01>-1", .before_s = 3600,
     .to = {{1710036000, 0}, {1713060000, 3600},      /* Ramadan 2024 */
            {1740276000, 0}, {1743904800, 3600}}},    /* and 2025 */
    {.name = "Caracas", .rule = "<-04>4", .before_s = -16200,
     .to = {{1462086000, -14400}}},                   /* 2016-05-01 */
    /* An hour forward, an hour and a half back 40 minutes later, 20 minutes
     * back 30 minutes later, then two hours forward. */
    {.name = "Crowded", .rule = "<+01>-1", .before_s = 0,
     .to = {{1704067200, 3600}, {1704069600, -1800}, {1704071400, -3000},
            {1704076200, 4200}, {1704078000, 3600}}},
};

#define TEST_ZONE_COUNT (sizeof(test_zones) / sizeof(test_zones[0]))

static inline size_t put(uint8_t *bytes, size_t at, int64_t value, int size)
{
    for (int i = 0; i < size; i++)
        bytes[at++] = (uint8_t)((uint64_t)value >> 8 * (size - 1 - i));
    return at;
}

static inline size_t put_header(uint8_t *bytes, size_t at, int transitions,
                                int types)
{
    memset(bytes + at, 0, 44);
    memcpy(bytes + at, "TZif2", 5);
    at = put(bytes, at + 32, transitions, 4);
    at = put(bytes, at, types, 4);
    return put(bytes, at, 4, 4);   /* bytes of designations */
}

static inline size_t put_type(uint8_t *bytes, size_t at, int32_t offset_s)
{
    at = put(bytes, at, offset_s, 4);
    return put(bytes, at, 0, 2);   /* standard time, first designation */
}

/* A version 2 file whose first block is the least allowed. */
static inline size_t write_tzif(const struct test_zone *zone, uint8_t *bytes)
{
    int count = 0;
    size_t at = put_type(bytes, put_header(bytes, 0, 0, 1), 0);

    at = put(bytes, at, 0, 4);
    while (count < TEST_TRANSITIONS && zone->to[count].at_s)
        count++;
    at = put_header(bytes, at, count, count + 1);
    for (int i = 0; i < count; i++)
        at = put(bytes, at, zone->to[i].at_s, 8);
    for (int i = 0; i < count; i++)
        at = put(bytes, at, i + 1, 1);
    at = put_type(bytes, at, zone->before_s);
    for (int i = 0; i < count; i++)
        at = put_type(bytes, at, zone->to[i].offset_s);
    at = put(bytes, at, 0x41424300, 4);   /* "ABC" */
    return at + (size_t)sprintf((char *)bytes + at, "\n%s\n", zone->rule);
}

/* Ends the test program if there is no such zone. */
static inline struct cs_zone *test_zone(const char *name)
{
    uint8_t bytes[512];
    struct cs_zone *zone = NULL;
    struct cs_error error = {.text = "no such name"};

    for (size_t i = 0; i < TEST_ZONE_COUNT; i++)
        if (strcmp(test_zones[i].name, name) == 0)
            (void)cs_zone_load(bytes, write_tzif(&test_zones[i], bytes),
                               &zone, &error);
    if (!zone) {
        fprintf(stderr, "zone %s: %s\n", name, error.text);
        exit(2);
    }
    return zone;
}

#endif
