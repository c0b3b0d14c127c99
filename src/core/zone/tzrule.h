/* The POSIX TZ footer of a TZif file: what happens after the last listed
 * transition, for ever. Source: POSIX.1-2024 section 8.3, RFC 9636 section
 * 3.3 (with the extended hours, -167 to 167, of version 3 files).
 */
#ifndef CS_TZRULE_H
#define CS_TZRULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

struct cs_tzrule_change {
    char form;        /* 'J' (1-365, no leap day), '0' (0-365), 'M' */
    int16_t month;    /* M: 1-12 */
    int16_t week;     /* M: 1-5, 5 is the last */
    int16_t day;      /* M: weekday 0-6, 0 is Sunday; else day of the year */
    int32_t time_s;   /* local time of the change, seconds from midnight */
};

struct cs_tzrule {
    int32_t standard_s;   /* seconds east of UTC */
    int32_t daylight_s;
    bool has_daylight;
    struct cs_tzrule_change start, end;   /* of daylight time */
};

/* `text` without newlines, `size` bytes. CS_SYNTAX, CS_RANGE. */
enum cs_status cs_tzrule_parse(const char *text, size_t size,
                               struct cs_tzrule *rule,
                               struct cs_error *error);

/* UTC seconds at which daylight time starts and ends in the civil year
 * `year`; only for a rule with daylight time. */
void cs_tzrule_year(const struct cs_tzrule *rule, int year, int64_t *start_s,
                    int64_t *end_s);

#endif
