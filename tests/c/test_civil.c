#include "check.h"
#include "core/zone/civil.h"

/* The calendar by counting, the slow and obvious way. */
static int is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int count_month(int year, int month)
{
    switch (month) {
    case 2:
        return is_leap(year) ? 29 : 28;
    case 4: case 6: case 9: case 11:
        return 30;
    default:
        return 31;
    }
}

static void step_a_day(struct cs_date *date)
{
    if (date->day++ < count_month(date->year, date->month))
        return;
    date->day = 1;
    if (date->month++ < 12)
        return;
    date->month = 1;
    date->year++;
}

static int is_same(struct cs_date a, struct cs_date b)
{
    return a.year == b.year && a.month == b.month && a.day == b.day;
}

static void test_every_day_of_10000_years_agrees_with_counting(void)
{
    struct cs_date date = {1, 1, 1};
    int32_t days = -719162;
    int weekday = 1, wrong = 0;

    for (; date.year <= 9999; days++, weekday = (weekday + 1) % 7) {
        wrong += cs_civil_days(date.year, date.month, date.day) != days;
        wrong += !is_same(cs_civil_date(days), date);
        wrong += cs_civil_weekday(days) != weekday;
        step_a_day(&date);
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(days, 2932897);
}

static void test_days_that_everybody_knows(void)
{
    CHECK_INT(cs_civil_days(1970, 1, 1), 0);
    CHECK_INT(cs_civil_weekday(0), 4);
    CHECK_INT(cs_civil_days(2000, 2, 29), 11016);
    CHECK_INT(cs_civil_days(2038, 1, 19), 24855);
    CHECK_INT(cs_civil_days(1969, 12, 31), -1);
    CHECK_INT(cs_civil_weekday(cs_civil_days(2026, 1, 1)), 4);
}

static void test_months_are_as_long_as_they_are(void)
{
    int year, month, wrong = 0;

    for (year = 1; year <= 9999; year++)
        for (month = 1; month <= 12; month++)
            wrong += cs_civil_month_length(year, month)
                     != count_month(year, month);
    CHECK_INT(wrong, 0);
    CHECK_INT(cs_civil_month_length(1900, 2), 28);
    CHECK_INT(cs_civil_month_length(2000, 2), 29);
}

static void test_seconds_split_by_floor(void)
{
    int32_t rest;

    CHECK_INT(cs_civil_split(0, &rest), 0);
    CHECK_INT(rest, 0);
    CHECK_INT(cs_civil_split(86399, &rest), 0);
    CHECK_INT(rest, 86399);
    CHECK_INT(cs_civil_split(86400, &rest), 1);
    CHECK_INT(rest, 0);
    CHECK_INT(cs_civil_split(-1, &rest), -1);
    CHECK_INT(rest, 86399);
    CHECK_INT(cs_civil_split(-86400, &rest), -1);
    CHECK_INT(rest, 0);
    CHECK_INT(cs_civil_split(-86401, &rest), -2);
    CHECK_INT(rest, 86399);
    CHECK_INT(cs_civil_split(INT64_C(253402300799), &rest), 2932896);
    CHECK_INT(rest, 86399);
}

int main(void)
{
    test_every_day_of_10000_years_agrees_with_counting();
    test_days_that_everybody_knows();
    test_months_are_as_long_as_they_are();
    test_seconds_split_by_floor();
    return check_done();
}
