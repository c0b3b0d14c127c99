/* Rows written by hand, and every instant around many transitions against
 * the rule applied second by second: a wall clock that is watched going by.
 */
#include "core/cron/next.h"

#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "test_zones.h"

#define HOUR_S 3600
#define DAY_S 86400
#define NEVER INT64_MIN

/* Rows */

static int64_t read_instant(const char *text)
{
    struct tm date = {0};
    int hours = 0, minutes = 0, size = 0;
    const char *rest;

    if (sscanf(text, "%d-%d-%dT%d:%d%n", &date.tm_year, &date.tm_mon,
               &date.tm_mday, &date.tm_hour, &date.tm_min, &size) != 5) {
        fprintf(stderr, "no instant: %s\n", text);
        exit(2);
    }
    rest = text + size;
    if (*rest == ':')
        date.tm_sec = (int)strtol(rest + 1, (char **)&rest, 10);
    date.tm_year -= 1900;
    date.tm_mon--;
    if (*rest != 'Z' && sscanf(rest + 1, "%d:%d", &hours, &minutes) != 2) {
        fprintf(stderr, "no offset: %s\n", text);
        exit(2);
    }
    minutes += hours * 60;
    return timegm(&date) - (*rest == '-' ? -minutes : minutes) * 60;
}

static struct cs_expr parse(const char *text)
{
    struct cs_expr expr = {0};
    struct cs_error error;

    if (cs_expr_parse(text, strlen(text), NULL, 0, &expr, &error) != CS_OK) {
        fprintf(stderr, "%s: %s\n", text, error.text);
        exit(2);
    }
    return expr;
}

static int64_t next(const struct cs_expr *expr, const struct cs_zone *zone,
                    int64_t after)
{
    int64_t at = NEVER;

    return cs_next_after(expr, zone, after, &at) == CS_OK ? at : NEVER;
}

static int64_t previous(const struct cs_expr *expr,
                        const struct cs_zone *zone, int64_t before)
{
    int64_t at = NEVER;

    return cs_next_before(expr, zone, before, &at) == CS_OK ? at : NEVER;
}

/* One run after another: found from the one before it and from just before
 * itself, and the way back leads to `from`. */
static bool is_step(const struct cs_expr *expr, const struct cs_zone *zone,
                    int64_t from, int64_t to, bool from_is_run)
{
    bool right = next(expr, zone, from) == to
                 && next(expr, zone, to - 1) == to
                 && cs_next_matches(expr, zone, to)
                 && previous(expr, zone, to + 1) == to;

    if (from_is_run)
        return right && previous(expr, zone, to) == from;
    return right && previous(expr, zone, to) <= from;
}

static void check_row(const char *text, const char *zone_name,
                      const char *after, char *runs)
{
    struct cs_expr expr = parse(text);
    struct cs_zone *zone = test_zone(zone_name);
    int64_t from = read_instant(after), to;
    bool from_is_run = false;

    for (char *run = strtok(runs, " "); run; run = strtok(NULL, " ")) {
        bool right;

        to = *run == '-' ? NEVER : read_instant(run);
        if (to == NEVER)
            right = next(&expr, zone, from) == NEVER
                    && previous(&expr, zone, CS_ZONE_END_S)
                       == (from_is_run ? from : previous(&expr, zone, from));
        else
            right = is_step(&expr, zone, from, to, from_is_run);
        if (!CHECK(right))
            fprintf(stderr, "    %s in %s, %s: is %+" PRId64 " s\n", text,
                    zone_name, run, next(&expr, zone, from) - to);
        from = to;
        from_is_run = true;
    }
    cs_zone_unref(zone);
}

static void test_rows(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[1024], *column[4];
    int rows = 0;

    while (file && fgets(line, sizeof(line), file)) {
        char *rest = line;

        if (*line == '#')
            continue;
        for (int i = 0; i < 4; i++)
            column[i] = strsep(&rest, "\t\n");
        check_row(column[0], column[1], column[2], column[3]);
        rows++;
    }
    CHECK(rows > 80);
    if (file)
        (void)fclose(file);
}

/* The oracle: a window of minutes, its wall clock watched minute by minute.
 * A fixed time runs when the clock first shows it or goes past it; an
 * interval-based one whenever the clock shows it. */

#define WINDOW_MIN (6 * 24 * 60)
#define LOCAL_MIN (WINDOW_MIN + 4 * 24 * 60)   /* two days at each side */
#define CORE_MIN (2 * 24 * 60)                 /* left out at each side */

struct watch {
    int64_t start_s;
    int32_t offset_s[WINDOW_MIN];
    bool runs[WINDOW_MIN];
    bool past[LOCAL_MIN];
};

static uint64_t state = 20111230;

static uint32_t draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static bool is_shown_match(const struct cs_expr *expr, int64_t local_s)
{
    time_t at = (time_t)local_s;
    struct tm wall;

    (void)gmtime_r(&at, &wall);   /* cannot fail for these years */
    return (expr->minute >> wall.tm_min & 1)
           && (expr->hour >> wall.tm_hour & 1)
           && (expr->day >> wall.tm_mday & 1)
           && (expr->weekday >> wall.tm_wday & 1);
}

static int64_t wall_min(const struct watch *watch, int minute)
{
    return watch->start_s / 60 + minute + watch->offset_s[minute] / 60;
}

/* Everything the wall clock reaches at `minute` for the first time. */
static bool reaches_match(struct watch *watch, const struct cs_expr *expr,
                          int minute)
{
    int64_t to = wall_min(watch, minute), from = to;
    int64_t zero = watch->start_s / 60 - 2 * 24 * 60;
    bool is_match = false;

    if (minute > 0 && wall_min(watch, minute - 1) < to)
        from = wall_min(watch, minute - 1) + 1;
    for (int64_t local = from; local <= to; local++) {
        if (!watch->past[local - zero] && is_shown_match(expr, local * 60))
            is_match = true;
        watch->past[local - zero] = true;
    }
    return is_match;
}

static void play(struct watch *watch, const struct cs_expr *expr)
{
    memset(watch->past, 0, sizeof(watch->past));
    for (int minute = 0; minute < WINDOW_MIN; minute++)
        watch->runs[minute] =
            expr->flags & CS_EXPR_INTERVAL
                ? is_shown_match(expr, wall_min(watch, minute) * 60)
                : reaches_match(watch, expr, minute);
}

static void open_watch(struct watch *watch, const struct cs_zone *zone,
                       int64_t transition_s)
{
    struct cs_zone_span span;

    watch->start_s = transition_s - WINDOW_MIN / 2 * 60;
    for (int minute = 0; minute < WINDOW_MIN; minute++) {
        cs_zone_span_at(zone, watch->start_s + minute * 60, &span);
        watch->offset_s[minute] = span.offset_s;
    }
}

static struct cs_expr draw_expr(void)
{
    struct cs_expr expr = {.second = 1, .month = 0x1ffe, .day = ~UINT32_C(1),
                           .weekday = 0x7f,
                           .flags = CS_EXPR_DAY_ANY | CS_EXPR_WEEKDAY_ANY};

    for (int i = 0; i < 3; i++) {
        expr.minute |= UINT64_C(1) << draw(12) * 5;
        expr.hour |= 1u << draw(24) | 1u << draw(5);
    }
    if (draw(3) == 0)
        expr.minute = UINT64_C(0x111111111111111);   /* every fourth */
    if (draw(3) == 0)
        expr.hour = 0xffffff;
    if (draw(4) == 0) {
        expr.flags &= ~CS_EXPR_WEEKDAY_ANY;
        expr.weekday = (uint8_t)(1 + draw(127));
    }
    if (draw(2))
        expr.flags |= CS_EXPR_INTERVAL;
    return expr;
}

/* At each minute of the core and a second before and after it. */
static bool agrees(const struct watch *watch, const struct cs_expr *expr,
                   const struct cs_zone *zone)
{
    const int first = CORE_MIN, end = WINDOW_MIN - CORE_MIN;
    int64_t expected = NEVER;
    bool right = true;

    for (int minute = end - 1; minute >= first && right; minute--) {
        int64_t at = watch->start_s + minute * 60;

        if (expected != NEVER)
            right = next(expr, zone, at) == expected
                    && next(expr, zone, at + 1) == expected;
        if (watch->runs[minute])
            expected = at;
        if (expected != NEVER)
            right = right && next(expr, zone, at - 1) == expected;
        right = right && cs_next_matches(expr, zone, at)
                         == watch->runs[minute];
    }
    expected = NEVER;
    for (int minute = first; minute < end && right; minute++) {
        int64_t at = watch->start_s + minute * 60;

        if (expected != NEVER)
            right = previous(expr, zone, at) == expected
                    && previous(expr, zone, at - 1) == expected;
        if (watch->runs[minute])
            expected = at;
        if (expected != NEVER)
            right = right && previous(expr, zone, at + 1) == expected;
    }
    return right;
}

static void check_around(const char *name, const struct cs_zone *zone,
                         int64_t transition_s)
{
    static struct watch watch;

    open_watch(&watch, zone, transition_s);
    for (int i = 0; i < 12; i++) {
        struct cs_expr expr = draw_expr();

        play(&watch, &expr);
        if (!CHECK(agrees(&watch, &expr, zone)))
            fprintf(stderr, "    %s %" PRId64 " minute %#" PRIx64
                    " hour %#x weekday %#x flags %#x\n", name, transition_s,
                    expr.minute, expr.hour, expr.weekday, expr.flags);
    }
}

static void test_every_instant_around_a_transition_follows_the_rule(void)
{
    for (size_t i = 0; i < TEST_ZONE_COUNT; i++) {
        struct cs_zone *zone = test_zone(test_zones[i].name);
        struct cs_zone_span span;
        int64_t at = 1262304000 + (int64_t)draw(6) * 365 * DAY_S;

        for (int seen = 0; seen < 6; seen++) {
            cs_zone_span_at(zone, at, &span);
            if (span.end_s > CS_ZONE_END_S)
                break;
            check_around(test_zones[i].name, zone, span.end_s);
            at = span.end_s;
        }
        cs_zone_unref(zone);
    }
}

/* Limits */

static void test_1970_is_the_first_instant_and_2200_is_never(void)
{
    struct cs_expr second = parse("* * * * * *");
    struct cs_expr midnight = parse("0 0 * * *");
    struct cs_zone *zone = test_zone("UTC");

    CHECK_INT(next(&second, zone, INT64_MIN), 0);
    CHECK_INT(next(&second, zone, -1), 0);
    CHECK_INT(next(&second, zone, 0), 1);
    CHECK_INT(next(&midnight, zone, -86401), 0);
    CHECK_INT(previous(&second, zone, 1), 0);
    CHECK_INT(previous(&second, zone, 0), NEVER);
    CHECK_INT(previous(&second, zone, INT64_MIN), NEVER);
    CHECK_INT(next(&second, zone, CS_ZONE_END_S - 2), CS_ZONE_END_S - 1);
    CHECK_INT(next(&second, zone, CS_ZONE_END_S - 1), NEVER);
    CHECK_INT(next(&second, zone, INT64_MAX), NEVER);
    CHECK_INT(previous(&second, zone, INT64_MAX), CS_ZONE_END_S - 1);
    CHECK_INT(previous(&midnight, zone, INT64_MAX), CS_ZONE_END_S - DAY_S);
    CHECK(cs_next_matches(&second, zone, 0));
    CHECK(!cs_next_matches(&second, zone, -1));
    CHECK(!cs_next_matches(&second, zone, INT64_MIN));
    CHECK(!cs_next_matches(&second, zone, CS_ZONE_END_S));
    CHECK(!cs_next_matches(&second, zone, INT64_MAX));
    cs_zone_unref(zone);
}

static void test_the_local_date_at_the_limits_may_lie_outside(void)
{
    struct cs_expr noon = parse("0 12 * * *");
    struct cs_expr early = parse("0 0 12 * * * 1970-2198");
    struct cs_expr late = parse("0 0 12 * * * 1971-2199");
    struct cs_zone *west, *east;

    CHECK_INT(cs_zone_fixed(-13 * HOUR_S, &west, NULL), CS_OK);
    CHECK_INT(cs_zone_fixed(13 * HOUR_S, &east, NULL), CS_OK);
    CHECK_INT(next(&noon, west, -1), HOUR_S);   /* 31 December 1969 */
    CHECK_INT(next(&early, west, -1), HOUR_S + DAY_S);
    CHECK_INT(previous(&noon, west, HOUR_S + DAY_S), HOUR_S);
    CHECK_INT(previous(&early, west, HOUR_S + DAY_S), NEVER);
    CHECK_INT(previous(&noon, east, INT64_MAX), CS_ZONE_END_S - HOUR_S);
    CHECK_INT(previous(&late, east, INT64_MAX),
              CS_ZONE_END_S - HOUR_S - DAY_S);
    cs_zone_unref(west);
    cs_zone_unref(east);
}

/* -- rules that no zone has ------------------------------------------------- */

static int put_offset(char *text, size_t size)
{
    return snprintf(text, size, "%s%u:%02u", draw(2) ? "-" : "", draw(24),
                    draw(60));
}

/* A date of a change, near the turn of the year more often than not. */
static int put_date(char *text, size_t size)
{
    uint32_t near = draw(3) ? draw(10) : draw(366);
    int used;

    if (draw(2))
        near = 365 - near;
    switch (draw(3)) {
    case 0:
        used = snprintf(text, size, ",J%u", near ? near : 1);
        break;
    case 1:
        used = snprintf(text, size, ",%u", near);
        break;
    default:
        used = snprintf(text, size, ",M%u.%u.%u", draw(2) ? 1 + draw(2)
                                                          : 11 + draw(2),
                        1 + draw(5), draw(7));
    }
    return used + snprintf(text + used, size - (size_t)used, "/%s%u",
                           draw(2) ? "-" : "", draw(168));
}

static struct cs_zone *draw_zone(char rule[120])
{
    struct cs_zone *zone = NULL;
    uint8_t bytes[512];
    int used = snprintf(rule, 120, "AAA");

    used += put_offset(rule + used, 120 - (size_t)used);
    used += snprintf(rule + used, 120 - (size_t)used, "BBB");
    used += put_offset(rule + used, 120 - (size_t)used);
    used += put_date(rule + used, 120 - (size_t)used);
    (void)put_date(rule + used, 120 - (size_t)used);
    CHECK_INT(cs_zone_load(bytes,
                           write_tzif(&(struct test_zone){.rule = rule},
                                      bytes), &zone, NULL), CS_OK);
    return zone;
}

/* The way forward and the way back are one way, from `after` on. */
static bool is_one_way(const struct cs_expr *expr, const struct cs_zone *zone,
                       int64_t after)
{
    int64_t at, back;
    int i;

    for (i = 0; i < 60; i++, after = at) {
        if (cs_next_after(expr, zone, after, &at) != CS_OK)
            return true;
        if (at <= after || !cs_next_matches(expr, zone, at)
            || cs_next_before(expr, zone, at + 1, &back) != CS_OK
            || back != at)
            return false;
        if (cs_next_before(expr, zone, at, &back) == CS_OK
            && (back >= at || back > after))
            return false;
    }
    return true;
}

static void test_time_goes_forward_by_every_rule(void)
{
    static const char *const texts[] = {
        "0 * * * *", "*/7 * * * *", "30 2 * * *", "0 0 * * *", "0 23 31 12 *",
    };
    char rule[120];
    int i, wrong = 0;
    size_t j;

    for (i = 0; i < 3000; i++) {
        struct cs_zone *zone = draw_zone(rule);
        /* Around the turn of 2024 to 2051. */
        int64_t turn = INT64_C(1704067200) + INT64_C(31556952) * draw(28);
        bool good = true;

        for (j = 0; zone && j < sizeof(texts) / sizeof(*texts); j++) {
            struct cs_expr expr = parse(texts[j]);

            good = good && is_one_way(&expr, zone, turn - draw(14 * 86400));
        }
        wrong += !good;
        if (!good && wrong < 4)
            fprintf(stderr, "    by the rule %s\n", rule);
        cs_zone_unref(zone);
    }
    CHECK_INT(wrong, 0);
}

int main(void)
{
    test_rows("tests/data/next.tsv");
    test_every_instant_around_a_transition_follows_the_rule();
    test_1970_is_the_first_instant_and_2200_is_never();
    test_the_local_date_at_the_limits_may_lie_outside();
    test_time_goes_forward_by_every_rule();
    return check_done();
}
