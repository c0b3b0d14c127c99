/* Days of a month as a bit mask: bit d is the d-th, bit 0 stays empty.
 *
 * A set of weekdays becomes a set of days by rotation: bit i of a rotated
 * set is the weekday of the (i + 1)-th, and the same again every seven days.
 */
#include "core/cron/days.h"

#include <stdbool.h>

#include "core/zone/civil.h"

#define EVERY_SEVEN UINT64_C(0x10204081)   /* bits 0, 7, 14, 21 and 28 */
#define FIRST_YEAR (CS_EXPR_FIRST_YEAR - 1)
#define LAST_YEAR (CS_EXPR_LAST_YEAR + 1)
/* Without a year field, a day that does not come in so many years does not
 * exist: 29 February on a given weekday, past 2100, is the rarest. */
#define RAREST_YEARS 40

struct month {
    int first_weekday;   /* of the 1st; 0 is Sunday */
    int length;
};

static uint32_t all_days(int length)
{
    return (uint32_t)((UINT64_C(1) << length) - 1) << 1;
}

static uint32_t rotated(uint32_t weekdays, int first_weekday)
{
    return (weekdays | weekdays << 7) >> first_weekday & 0x7f;
}

static uint32_t plain_weekdays(const struct cs_expr *expr, struct month month)
{
    uint64_t week = rotated(expr->weekday, month.first_weekday);

    return (uint32_t)(week * EVERY_SEVEN << 1);
}

static uint32_t last_weekdays(const struct cs_expr *expr, struct month month)
{
    uint64_t week = rotated(expr->weekday_last, month.first_weekday);

    return (uint32_t)(week * EVERY_SEVEN << 1) & ~all_days(month.length - 7);
}

static uint32_t nth_weekdays(const struct cs_expr *expr, struct month month)
{
    uint64_t days = 0;

    for (int n = 0; n < 5; n++) {
        uint64_t week = rotated(expr->weekday_nth[n], month.first_weekday);
        days |= week << (7 * n + 1);
    }
    return (uint32_t)days;
}

static uint32_t by_weekday(const struct cs_expr *expr, struct month month)
{
    return plain_weekdays(expr, month) | last_weekdays(expr, month)
           | nth_weekdays(expr, month);
}

/* The working day nearest to `day` within the same month. */
static int nearest_working_day(int day, struct month month)
{
    int weekday = (month.first_weekday + day - 1) % 7;

    if (weekday == 6)
        return day == 1 ? day + 2 : day - 1;
    if (weekday == 0)
        return day == month.length ? day - 2 : day + 1;
    return day;
}

/* L, L-n, LW and nW name one day, or none in a month that is too short. */
static uint32_t named_day(const struct cs_expr *expr, struct month month)
{
    int day = expr->nearest;

    if (expr->flags & CS_EXPR_LAST_DAY)
        day = month.length - expr->last_minus;
    if (day < 1 || day > month.length)
        return 0;
    if (expr->flags & CS_EXPR_NEAREST)
        day = nearest_working_day(day, month);
    return UINT32_C(1) << day;
}

static uint32_t by_day(const struct cs_expr *expr, struct month month)
{
    if (expr->flags & (CS_EXPR_LAST_DAY | CS_EXPR_NEAREST))
        return expr->day | named_day(expr, month);
    return expr->day;
}

static uint32_t restricted_days(const struct cs_expr *expr, struct month month)
{
    if (expr->flags & CS_EXPR_DAY_ANY)
        return by_weekday(expr, month);
    if (expr->flags & CS_EXPR_WEEKDAY_ANY)
        return by_day(expr, month);
    if (expr->flags & CS_EXPR_BOTH_DAYS)
        return by_day(expr, month) & by_weekday(expr, month);
    return by_day(expr, month) | by_weekday(expr, month);
}

static bool is_every_day(const struct cs_expr *expr)
{
    const int any = CS_EXPR_DAY_ANY | CS_EXPR_WEEKDAY_ANY;

    return (expr->flags & any) == any;
}

uint32_t cs_days_of_month(const struct cs_expr *expr, int year, int month)
{
    int length = cs_civil_month_length(year, month);
    int32_t first;

    if (is_every_day(expr))
        return all_days(length);
    first = cs_civil_days(year, month, 1);
    return restricted_days(expr, (struct month){
        .first_weekday = cs_civil_weekday(first), .length = length})
        & all_days(length);
}

static bool has_year(const struct cs_expr *expr, int year)
{
    int bit = year - CS_EXPR_FIRST_YEAR;

    if (!(expr->flags & CS_EXPR_YEAR))
        return year >= FIRST_YEAR && year <= LAST_YEAR;
    return bit >= 0 && bit < CS_EXPR_YEARS
           && (expr->year[bit / 64] >> bit % 64 & 1);
}

static bool has_month(const struct cs_expr *expr, struct cs_date date)
{
    return (expr->month >> date.month & 1) && has_year(expr, date.year);
}

/* Matching days of the month of `date`, all fields considered. */
static uint32_t days_of(const struct cs_expr *expr, struct cs_date date)
{
    if (!has_month(expr, date))
        return 0;
    return cs_days_of_month(expr, date.year, date.month);
}

/* Does every day of every year match? Most expressions in use do. */
static bool is_always(const struct cs_expr *expr)
{
    return is_every_day(expr) && expr->month == 0x1ffe
           && !(expr->flags & CS_EXPR_YEAR);
}

/* How many years it makes sense to search. */
static int patience(const struct cs_expr *expr)
{
    return expr->flags & CS_EXPR_YEAR ? CS_EXPR_YEARS : RAREST_YEARS;
}

/* On to the next matching month; false if there is none up to `last_year`. */
static bool step_forward(const struct cs_expr *expr, struct cs_date *date,
                         int last_year)
{
    uint32_t later = (uint32_t)expr->month >> date->month >> 1;

    if (later) {
        date->month += 1 + __builtin_ctz(later);
        return true;
    }
    if (!expr->month)
        return false;
    date->month = __builtin_ctz(expr->month);
    do {
        date->year++;
    } while (date->year <= last_year && !has_year(expr, date->year));
    return date->year <= last_year;
}

/* The mirror of step_forward. */
static bool step_back(const struct cs_expr *expr, struct cs_date *date,
                      int first_year)
{
    uint32_t earlier = expr->month & ((UINT32_C(1) << date->month) - 1);

    if (!earlier) {
        earlier = expr->month;
        do {
            date->year--;
        } while (date->year >= first_year && !has_year(expr, date->year));
    }
    if (!earlier || date->year < first_year)
        return false;
    date->month = 31 - __builtin_clz(earlier);
    return true;
}

int32_t cs_days_from(const struct cs_expr *expr, int32_t day)
{
    struct cs_date date;
    uint32_t days;
    int last_year;

    if (is_always(expr))
        return day;
    date = cs_civil_date(day);
    last_year = date.year + patience(expr);
    days = days_of(expr, date) & ~UINT32_C(0) << date.day;
    while (!days) {
        if (!step_forward(expr, &date, last_year))
            return CS_DAYS_NONE;
        days = days_of(expr, date);
    }
    return cs_civil_days(date.year, date.month, __builtin_ctz(days));
}

int32_t cs_days_until(const struct cs_expr *expr, int32_t day)
{
    struct cs_date date;
    uint32_t days;
    int first_year;

    if (is_always(expr))
        return day;
    date = cs_civil_date(day);
    first_year = date.year - patience(expr);
    days = days_of(expr, date) & ~UINT32_C(0) >> (31 - date.day);
    while (!days) {
        if (!step_back(expr, &date, first_year))
            return CS_DAYS_NONE;
        days = days_of(expr, date);
    }
    return cs_civil_days(date.year, date.month, 31 - __builtin_clz(days));
}
