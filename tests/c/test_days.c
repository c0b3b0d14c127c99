/* The days of an expression, against each day asked by itself: is it the one
 * the rule's words describe? The calendar of the oracle is libc's. */
#include "core/cron/days.h"

#include <stdbool.h>
#include <time.h>

#include "check.h"

#define DAY_S 86400
#define LAST 84005   /* 2199-12-31 */

static uint64_t state = 20240310;

static uint32_t draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

/* The oracle */

#define MARGIN 40
static struct tm dates[MARGIN + LAST + 1 + MARGIN];

static void fill_calendar(void)
{
    for (int32_t day = -MARGIN; day <= LAST + MARGIN; day++) {
        time_t at = (time_t)day * DAY_S;

        (void)gmtime_r(&at, &dates[day + MARGIN]);   /* cannot fail here */
    }
}

static struct tm calendar(int32_t day)
{
    return dates[day + MARGIN];
}

static bool same_month(int32_t one, int32_t other)
{
    return calendar(one).tm_mon == calendar(other).tm_mon
           && calendar(one).tm_year == calendar(other).tm_year;
}

static bool is_working_day(int32_t day)
{
    int weekday = calendar(day).tm_wday;

    return weekday != 0 && weekday != 6;
}

/* The nearest one by distance; there are no two at the same distance. */
static int32_t nearest(int32_t day)
{
    for (int distance = 0; distance < 4; distance++)
        for (int sign = -1; sign <= 1; sign += 2) {
            int32_t candidate = day + sign * distance;

            if (same_month(day, candidate) && is_working_day(candidate))
                return candidate;
        }
    return CS_DAYS_NONE;
}

static int32_t first_of_month(int32_t day)
{
    return day - calendar(day).tm_mday + 1;
}

static int32_t last_of_month(int32_t day)
{
    while (same_month(day, day + 1))
        day++;
    return day;
}

static bool is_named(const struct cs_expr *expr, int32_t day)
{
    int32_t named = first_of_month(day) + expr->nearest - 1;

    if (!(expr->flags & (CS_EXPR_LAST_DAY | CS_EXPR_NEAREST)))
        return false;
    if (expr->flags & CS_EXPR_LAST_DAY)
        named = last_of_month(day) - expr->last_minus;
    if (!same_month(day, named))
        return false;
    return day == (expr->flags & CS_EXPR_NEAREST ? nearest(named) : named);
}

static bool is_weekday(const struct cs_expr *expr, int32_t day)
{
    struct tm date = calendar(day);
    int nth = (date.tm_mday - 1) / 7;

    return (expr->weekday >> date.tm_wday & 1)
           || (expr->weekday_nth[nth] >> date.tm_wday & 1)
           || ((expr->weekday_last >> date.tm_wday & 1)
               && !same_month(day, day + 7));
}

static bool is_day(const struct cs_expr *expr, int32_t day)
{
    struct tm date = calendar(day);
    bool by_day = (expr->day >> date.tm_mday & 1) || is_named(expr, day);
    bool by_weekday = is_weekday(expr, day);
    int year = date.tm_year + 1900 - CS_EXPR_FIRST_YEAR;

    if (!(expr->month >> (date.tm_mon + 1) & 1))
        return false;
    if (expr->flags & CS_EXPR_YEAR
        && !(expr->year[year / 64] >> year % 64 & 1))
        return false;
    if (expr->flags & CS_EXPR_DAY_ANY)
        return expr->flags & CS_EXPR_WEEKDAY_ANY || by_weekday;
    if (expr->flags & CS_EXPR_WEEKDAY_ANY)
        return by_day;
    return expr->flags & CS_EXPR_BOTH_DAYS ? by_day && by_weekday
                                           : by_day || by_weekday;
}

/* Random expressions; their times of day play no part. */

static void draw_day(struct cs_expr *expr)
{
    switch (draw(6)) {
    case 0:
        expr->flags |= CS_EXPR_DAY_ANY;
        expr->day = 0xfffffffe;
        break;
    case 1:
        expr->flags |= CS_EXPR_LAST_DAY;
        expr->last_minus = (uint8_t)draw(31);
        break;
    case 2:
        expr->flags |= CS_EXPR_NEAREST;
        expr->nearest = (uint8_t)(1 + draw(31));
        break;
    case 3:
        expr->flags |= CS_EXPR_NEAREST | CS_EXPR_LAST_DAY;
        break;
    default:
        expr->day = UINT32_C(2) << draw(31) | UINT32_C(2) << draw(31);
    }
}

static void draw_weekday(struct cs_expr *expr)
{
    uint8_t one = (uint8_t)(1 << draw(7));

    switch (draw(5)) {
    case 0:
        expr->flags |= CS_EXPR_WEEKDAY_ANY;
        expr->weekday = 0x7f;
        break;
    case 1:
        expr->weekday_last = one;
        break;
    case 2:
        expr->weekday_nth[draw(5)] = one;
        break;
    default:
        expr->weekday = (uint8_t)(one | 1 << draw(7));
    }
}

static struct cs_expr draw_expr(void)
{
    struct cs_expr expr = {.month = 0x1ffe};

    draw_day(&expr);
    draw_weekday(&expr);
    if (draw(3) == 0)
        expr.flags |= CS_EXPR_BOTH_DAYS;
    if (draw(2))
        expr.month = (uint16_t)(2 << draw(12) | 2 << draw(12));
    if (draw(3) == 0) {
        expr.flags |= CS_EXPR_YEAR;
        for (int i = 0; i < 12; i++) {
            uint32_t year = draw(CS_EXPR_YEARS);

            expr.year[year / 64] |= UINT64_C(1) << year % 64;
        }
    }
    return expr;
}

/* Forward through every day of 230 years, and back. */
static void check_every_day(const struct cs_expr *expr)
{
    int32_t expected = CS_DAYS_NONE;
    bool right = true;

    for (int32_t day = 0; day <= LAST && right; day++) {
        if (is_day(expr, day))
            expected = day;
        right = cs_days_until(expr, day) == expected
                || (expected == CS_DAYS_NONE && cs_days_until(expr, day) < 0);
    }
    expected = CS_DAYS_NONE;
    for (int32_t day = LAST; day >= 0 && right; day--) {
        if (is_day(expr, day))
            expected = day;
        right = cs_days_from(expr, day) == expected
                || (expected == CS_DAYS_NONE
                    && (cs_days_from(expr, day) > LAST
                        || cs_days_from(expr, day) == CS_DAYS_NONE));
    }
    CHECK(right);
}

static void test_each_day_is_found_from_both_sides(void)
{
    for (int i = 0; i < 30; i++) {
        struct cs_expr expr = draw_expr();

        check_every_day(&expr);
    }
}

/* Named cases */

static void test_a_month_that_is_too_short_has_no_such_day(void)
{
    struct cs_expr far_back = {
        .flags = CS_EXPR_LAST_DAY | CS_EXPR_WEEKDAY_ANY, .last_minus = 30};
    struct cs_expr nearest_31 = {
        .flags = CS_EXPR_NEAREST | CS_EXPR_WEEKDAY_ANY, .nearest = 31};
    struct cs_expr fifth = {.flags = CS_EXPR_DAY_ANY, .weekday_nth[4] = 2};

    CHECK_INT(cs_days_of_month(&far_back, 2024, 2), 0);
    CHECK_INT(cs_days_of_month(&far_back, 2024, 3), 1 << 1);
    CHECK_INT(cs_days_of_month(&nearest_31, 2024, 4), 0);
    CHECK_INT(cs_days_of_month(&nearest_31, 2022, 9), 0);   /* 1 Oct: SAT */
    CHECK_INT(cs_days_of_month(&nearest_31, 2024, 3), 1 << 29);
    CHECK_INT(cs_days_of_month(&fifth, 2024, 2), 0);
    CHECK_INT(cs_days_of_month(&fifth, 2024, 4), 1 << 29);
}

static void test_the_nearest_working_day_stays_in_its_month(void)
{
    struct cs_expr first = {
        .flags = CS_EXPR_NEAREST | CS_EXPR_WEEKDAY_ANY, .nearest = 1};
    struct cs_expr last = {.flags = CS_EXPR_NEAREST | CS_EXPR_LAST_DAY
                                    | CS_EXPR_WEEKDAY_ANY};

    CHECK_INT(cs_days_of_month(&first, 2024, 6), 1 << 3);   /* a Saturday */
    CHECK_INT(cs_days_of_month(&first, 2024, 9), 1 << 2);   /* a Sunday */
    CHECK_INT(cs_days_of_month(&last, 2024, 3), 1 << 29);   /* a Sunday */
    CHECK_INT(cs_days_of_month(&last, 2024, 8), 1 << 30);   /* a Saturday */
}

static void test_an_impossible_date_has_an_end(void)
{
    struct cs_expr never = {.flags = CS_EXPR_WEEKDAY_ANY, .month = 1 << 2,
                            .day = UINT32_C(1) << 30};
    struct cs_expr no_month = {.flags = CS_EXPR_WEEKDAY_ANY, .day = 2};

    CHECK_INT(cs_days_from(&never, 0), CS_DAYS_NONE);
    CHECK_INT(cs_days_until(&never, LAST), CS_DAYS_NONE);
    CHECK_INT(cs_days_from(&no_month, 0), CS_DAYS_NONE);
    CHECK_INT(cs_days_until(&no_month, LAST), CS_DAYS_NONE);
}

static void test_dates_just_outside_belong_to_no_year_field(void)
{
    struct cs_expr any = {.flags = CS_EXPR_WEEKDAY_ANY, .month = 0x1ffe,
                          .day = UINT32_C(1) << 31 | 2};
    struct cs_expr years = any;

    years.flags |= CS_EXPR_YEAR;
    memset(years.year, 0xff, sizeof(years.year));
    CHECK_INT(cs_days_until(&any, -1), -1);
    CHECK_INT(cs_days_until(&years, -1), CS_DAYS_NONE);
    CHECK_INT(cs_days_from(&any, LAST + 1), LAST + 1);
    CHECK_INT(cs_days_from(&years, LAST + 1), CS_DAYS_NONE);
}

int main(void)
{
    fill_calendar();
    test_each_day_is_found_from_both_sides();
    test_a_month_that_is_too_short_has_no_such_day();
    test_the_nearest_working_day_stays_in_its_month();
    test_an_impossible_date_has_an_end();
    test_dates_just_outside_belong_to_no_year_field();
    return check_done();
}
