/* The proleptic Gregorian calendar in integers (ISO 8601). No time zones.
 * Source of the algorithm: H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms". Years 1 to 9999.
 */
#ifndef CS_CIVIL_H
#define CS_CIVIL_H

#include <stdint.h>

struct cs_date { int year, month, day; };   /* month 1-12, day 1-31 */

/* Days since 1970-01-01; negative before. The date must exist. */
int32_t cs_civil_days(int year, int month, int day);

/* The date `days` after 1970-01-01 (-719162 to 2932896). */
struct cs_date cs_civil_date(int32_t days);

/* 0 is Sunday, as in cron. */
int cs_civil_weekday(int32_t days);

/* 28 to 31. */
int cs_civil_month_length(int year, int month);

/* Floor division of seconds into days; `*second_of_day` is 0 to 86399. The
 * instant is within the years above. */
int32_t cs_civil_split(int64_t seconds, int32_t *second_of_day);

#endif
