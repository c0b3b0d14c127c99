/* Dates as day numbers. The year begins on 1 March, so that the leap day is
 * its last one and a month's first day is a linear function of its number.
 * Every intermediate value is positive for the years 1 to 9999.
 * Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
 */
#include "core/zone/civil.h"

#define DAYS_PER_ERA 146097u   /* 400 years */
#define EPOCH 719468           /* 1970-01-01, counted from 0000-03-01 */
#define SECONDS_PER_DAY 86400

int32_t cs_civil_days(int year, int month, int day)
{
    unsigned march_year = (unsigned)(year - (month <= 2));
    unsigned march_month = (unsigned)(month + (month <= 2 ? 9 : -3));
    unsigned era = march_year / 400, year_of_era = march_year % 400;
    unsigned day_of_year = (153 * march_month + 2) / 5 + (unsigned)day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4
                          - year_of_era / 100 + day_of_year;

    return (int32_t)(era * DAYS_PER_ERA + day_of_era) - EPOCH;
}

struct cs_date cs_civil_date(int32_t days)
{
    unsigned count = (unsigned)(days + EPOCH);
    unsigned era = count / DAYS_PER_ERA, day_of_era = count % DAYS_PER_ERA;
    unsigned year_of_era = (day_of_era - day_of_era / 1460
                            + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4
                                         - year_of_era / 100);
    unsigned march_month = (5 * day_of_year + 2) / 153;
    unsigned day = day_of_year - (153 * march_month + 2) / 5 + 1;
    unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
    unsigned year = era * 400 + year_of_era + (month <= 2);

    return (struct cs_date){(int)year, (int)month, (int)day};
}

int cs_civil_weekday(int32_t days)
{
    /* 0001-01-01 was a Monday. */
    return (days + 719163) % 7;
}

int cs_civil_month_length(int year, int month)
{
    static const signed char lengths[] = {31, 28, 31, 30, 31, 30,
                                          31, 31, 30, 31, 30, 31};
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return lengths[month - 1] + (month == 2 && is_leap);
}

int32_t cs_civil_split(int64_t seconds, int32_t *second_of_day)
{
    int64_t days = seconds / SECONDS_PER_DAY;
    int64_t rest = seconds % SECONDS_PER_DAY;

    if (rest < 0) {
        days--;
        rest += SECONDS_PER_DAY;
    }
    *second_of_day = (int32_t)rest;
    return (int32_t)days;
}
