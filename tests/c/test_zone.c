#include "core/zone/zone.h"

#include <pthread.h>

#include "check.h"
#include "core/base/mem.h"
#include "tzif_writer.h"

#define HOUR_S 3600
#define YEAR_2026_S INT64_C(1767225600)
#define YEAR_2028_S INT64_C(1830297600)

static uint8_t bytes[TZIF_WRITER_ROOM];

static struct cs_zone *load(const struct tzif *file)
{
    struct cs_zone *zone = NULL;
    struct cs_error error = {0};

    if (cs_zone_load(bytes, tzif_write(file, bytes), &zone, &error) != CS_OK)
        CHECK_TEXT(error.text, "");
    return zone;
}

static struct cs_zone *load_rule(const char *rule)
{
    struct cs_zone *zone = NULL;
    struct cs_error error = {0};

    if (cs_zone_load(bytes, tzif_write_rule(rule, bytes), &zone, &error)
        != CS_OK)
        CHECK_TEXT(error.text, "");
    return zone;
}

static int32_t offset_at(const struct cs_zone *zone, int64_t at_utc_s)
{
    struct cs_zone_span span;

    cs_zone_span_at(zone, at_utc_s, &span);
    CHECK(span.start_s <= at_utc_s && at_utc_s < span.end_s);
    return span.offset_s;
}

static void check_span(const struct cs_zone *zone, int64_t at_utc_s,
                       int64_t start_s, int64_t end_s, int32_t offset_s)
{
    struct cs_zone_span span;

    cs_zone_span_at(zone, at_utc_s, &span);
    CHECK_INT(span.start_s, start_s);
    CHECK_INT(span.end_s, end_s);
    CHECK_INT(span.offset_s, offset_s);
}

static void check_local(const struct cs_zone *zone, int64_t local_s,
                        enum cs_zone_kind kind, int64_t first_s,
                        int64_t second_s)
{
    struct cs_zone_local local;

    cs_zone_from_local(zone, local_s, &local);
    CHECK_INT(local.kind, kind);
    CHECK_INT(local.first_s, first_s);
    CHECK_INT(local.second_s, second_s);
}

/* The clock jumps forward at `at_s`: both edges of the gap, in local time. */
static void check_gap(const struct cs_zone *zone, int64_t at_s,
                      int32_t before_s, int32_t after_s)
{
    CHECK_INT(offset_at(zone, at_s - 1), before_s);
    CHECK_INT(offset_at(zone, at_s), after_s);
    check_local(zone, at_s + before_s - 1, CS_ZONE_UNIQUE, at_s - 1,
                at_s - 1);
    check_local(zone, at_s + before_s, CS_ZONE_GAP, at_s, at_s);
    check_local(zone, at_s + (before_s + after_s) / 2, CS_ZONE_GAP, at_s,
                at_s);
    check_local(zone, at_s + after_s - 1, CS_ZONE_GAP, at_s, at_s);
    check_local(zone, at_s + after_s, CS_ZONE_UNIQUE, at_s, at_s);
}

/* The clock jumps back at `at_s`. */
static void check_overlap(const struct cs_zone *zone, int64_t at_s,
                          int32_t before_s, int32_t after_s)
{
    int32_t twice_s = before_s - after_s;

    CHECK_INT(offset_at(zone, at_s - 1), before_s);
    CHECK_INT(offset_at(zone, at_s), after_s);
    check_local(zone, at_s + after_s - 1, CS_ZONE_UNIQUE,
                at_s - twice_s - 1, at_s - twice_s - 1);
    check_local(zone, at_s + after_s, CS_ZONE_OVERLAP, at_s - twice_s, at_s);
    check_local(zone, at_s + before_s - 1, CS_ZONE_OVERLAP, at_s - 1,
                at_s + twice_s - 1);
    check_local(zone, at_s + before_s, CS_ZONE_UNIQUE, at_s + twice_s,
                at_s + twice_s);
}

static const struct {
    const char *name, *rule;
    int64_t forward_s, back_s;      /* in 2026 */
    int32_t winter_s, summer_s;
} odd[] = {
    {"Zurich", "CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, 1792890000, 3600,
     7200},
    {"New York", "EST5EDT,M3.2.0,M11.1.0", 1772953200, 1793512800, -18000,
     -14400},
    {"Dublin", "IST-1GMT0,M10.5.0,M3.5.0/1", 1774746000, 1792890000, 0, 3600},
    {"Cairo", "EET-2EEST,M4.5.5/0,M10.5.4/24", 1776981600, 1793307600, 7200,
     10800},
    {"Troll", "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3", 1774746000, 1792890000, 0,
     7200},
    {"Nuuk", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1774746000, 1792890000,
     -7200, -3600},
    {"Gaza", "EET-2EEST,M3.4.4/50,M10.4.4/50", 1774656000, 1792796400, 7200,
     10800},
    {"Lord Howe", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1791041400,
     1775314800, 37800, 39600},
    {"Auckland", "NZST-12NZDT,M9.5.0,M4.1.0/3", 1790431200, 1775311200,
     43200, 46800},
};

static void test_gaps_and_overlaps_of_odd_zones_are_right_to_the_second(void)
{
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct cs_zone *zone = load_rule(odd[i].rule);
        int failures = check_failures;

        check_gap(zone, odd[i].forward_s, odd[i].winter_s, odd[i].summer_s);
        check_overlap(zone, odd[i].back_s, odd[i].summer_s, odd[i].winter_s);
        if (check_failures > failures)
            fprintf(stderr, "  in %s\n", odd[i].name);
        cs_zone_unref(zone);
    }
}

static void test_every_local_time_leads_back_to_its_instant(void)
{
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct cs_zone *zone = load_rule(odd[i].rule);

        for (int64_t at_s = YEAR_2026_S; at_s < YEAR_2028_S; at_s += 1800) {
            struct cs_zone_local local;

            cs_zone_from_local(zone, at_s + offset_at(zone, at_s), &local);
            CHECK(local.kind != CS_ZONE_GAP);
            CHECK(local.first_s == at_s || local.second_s == at_s);
            CHECK((local.kind == CS_ZONE_OVERLAP)
                  == (local.first_s < local.second_s));
        }
        cs_zone_unref(zone);
    }
}

static void test_a_rule_holds_until_2200(void)
{
    struct cs_zone *zone = load_rule("CET-1CEST,M3.5.0,M10.5.0/3");

    check_gap(zone, 7234275600, 3600, 7200);    /* 2199-03-31 */
    check_span(zone, 7252419600, 7252419600, INT64_MAX, 3600);
    check_span(zone, CS_ZONE_END_S - 1, 7252419600, INT64_MAX, 3600);
    check_span(zone, INT64_MAX, 7252419600, INT64_MAX, 3600);
    check_span(zone, INT64_MIN, INT64_MIN, 7520400, 3600);  /* 1970-03-29 */
    cs_zone_unref(zone);
}

static void test_daylight_time_may_last_all_year(void)
{
    static const char *const rules[] = {
        "XXX3EDT4,0/0,J365/23", "XXX5EDT4,0/0,J365/25", "EDT4",
        "XXX5EDT4,J1/-167,J365/167", "XXX5EDT4,M6.1.0,M6.1.0/3",
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        struct cs_zone *zone = load_rule(rules[i]);

        check_span(zone, YEAR_2026_S, INT64_MIN, INT64_MAX, -4 * HOUR_S);
        cs_zone_unref(zone);
    }
}

static const struct tzif_type plain[] = {
    {0, 0, 0}, {HOUR_S, 0, 0}, {2 * HOUR_S, 1, 4}, {HOUR_S, 1, 4},
};

static void test_the_first_type_holds_before_the_first_transition(void)
{
    static const struct tzif_type types[] = {{HOUR_S, 1, 0}, {0, 0, 4}};
    static const struct tzif_change change = {5000, 1};
    struct tzif file = {'2', types, &change, 2, 1, "", false};
    struct cs_zone *zone = load(&file);

    check_span(zone, 4999, INT64_MIN, 5000, HOUR_S);
    check_span(zone, 5000, 5000, INT64_MAX, 0);
    cs_zone_unref(zone);
}

static void test_without_a_rule_the_last_type_stays(void)
{
    static const struct tzif_change changes[] = {{1000, 1}, {200000, 2}};
    struct tzif file = {'2', plain, changes, 4, 2, "", false};
    struct cs_zone *zone = load(&file);

    check_span(zone, CS_ZONE_END_S - 1, 200000, INT64_MAX, 2 * HOUR_S);
    cs_zone_unref(zone);
    file.version = '\0';
    zone = load(&file);
    check_span(zone, CS_ZONE_END_S - 1, 200000, INT64_MAX, 2 * HOUR_S);
    check_span(zone, 1000, 1000, 200000, HOUR_S);
    cs_zone_unref(zone);
}

static void test_what_happens_in_2200_is_not_told(void)
{
    static const struct tzif_change changes[] = {
        {CS_ZONE_END_S - 1, 1}, {CS_ZONE_END_S, 2}, {CS_ZONE_END_S + 9, 0},
    };
    struct tzif file = {'2', plain, changes, 4, 3, "", false};
    struct cs_zone *zone = load(&file);

    check_span(zone, CS_ZONE_END_S + 99, CS_ZONE_END_S - 1, INT64_MAX,
               HOUR_S);
    check_span(zone, CS_ZONE_END_S - 2, INT64_MIN, CS_ZONE_END_S - 1, 0);
    cs_zone_unref(zone);
}

static void test_transitions_before_1970_only_say_what_held_then(void)
{
    static const struct tzif_change changes[] = {
        {-(INT64_C(1) << 59), 2}, {-2000000000, 0}, {0, 1}, {1000000, 2},
    };
    struct tzif file = {'2', plain, changes, 4, 4, "", false};
    struct cs_zone *zone = load(&file);

    check_span(zone, 0, INT64_MIN, 1000000, HOUR_S);
    cs_zone_unref(zone);
}

static void test_a_slim_and_a_fat_file_are_the_same_zone(void)
{
    static const struct tzif_change changes[] = {
        {1743296400, 2}, {1761440400, 1},           /* 2025 */
        {1774746000, 2}, {1792890000, 1},           /* 2026 */
    };
    struct tzif file = {'2', plain, changes, 4, 1,
                        "CET-1CEST,M3.5.0,M10.5.0/3", false};
    struct cs_zone *slim = load(&file), *fat;

    file.is_fat = true;
    file.change_count = 4;
    fat = load(&file);
    for (int64_t at_s = 0; at_s < CS_ZONE_END_S; ) {
        struct cs_zone_span span;

        cs_zone_span_at(slim, at_s, &span);
        check_span(fat, at_s, span.start_s, span.end_s, span.offset_s);
        at_s = span.end_s;
    }
    check_span(slim, 1743296399, INT64_MIN, 1743296400, 0);
    check_span(slim, 1792890000, 1792890000, 1806195600, HOUR_S);
    cs_zone_unref(slim);
    cs_zone_unref(fat);
}

/* As Casablanca's: an hour back each Ramadan, listed, then a rule. */
static void test_a_rule_takes_over_after_the_last_transition(void)
{
    static const struct tzif_change changes[] = {
        {3689863200, 0}, {3692887200, 1}, {3720492000, 0}, {3723516000, 1},
    };
    struct tzif file = {'3', plain, changes, 4, 4, "<+01>-1", false};
    struct cs_zone *zone = load(&file);

    check_overlap(zone, 3720492000, HOUR_S, 0);
    check_gap(zone, 3723516000, 0, HOUR_S);
    check_span(zone, 4000000000, 3723516000, INT64_MAX, HOUR_S);
    cs_zone_unref(zone);
}

static void test_a_rule_that_disagrees_wins_from_the_last_transition(void)
{
    static const struct tzif_change changes[] = {{1000, 1}, {200000, 2}};
    struct tzif file = {'3', plain, changes, 4, 2, "<+01>-1", false};
    struct cs_zone *zone = load(&file);

    check_span(zone, 200000, 1000, INT64_MAX, HOUR_S);
    file.footer = "<+00>0";
    cs_zone_unref(zone);
    zone = load(&file);
    check_span(zone, 199999, 1000, 200000, HOUR_S);
    check_span(zone, 200000, 200000, INT64_MAX, 0);
    cs_zone_unref(zone);
}

static void test_a_change_of_name_only_is_no_new_span(void)
{
    static const struct tzif_change changes[] = {
        {1000, 1}, {200000, 3}, {300000, 1}, {400000, 2},
    };
    struct tzif file = {'2', plain, changes, 4, 4, "", false};
    struct cs_zone *zone = load(&file);

    check_span(zone, 250000, 1000, 400000, HOUR_S);
    cs_zone_unref(zone);
}

/* Apia had no 30 December 2011. */
static void test_a_whole_day_may_be_missing(void)
{
    static const struct tzif_type types[] = {{-10 * HOUR_S, 1, 0},
                                             {14 * HOUR_S, 1, 0}};
    static const struct tzif_change change = {1325239200, 1};
    struct tzif file = {'2', types, &change, 2, 1, "", false};
    struct cs_zone *zone = load(&file);

    check_gap(zone, 1325239200, -10 * HOUR_S, 14 * HOUR_S);
    cs_zone_unref(zone);
}

/* And Kwajalein could have had a day twice. */
static void test_a_whole_day_may_come_twice(void)
{
    static const struct tzif_type types[] = {{12 * HOUR_S, 0, 0},
                                             {-12 * HOUR_S, 0, 0}};
    static const struct tzif_change change = {1325239200, 1};
    struct tzif file = {'2', types, &change, 2, 1, "", false};
    struct cs_zone *zone = load(&file);

    check_overlap(zone, 1325239200, 12 * HOUR_S, -12 * HOUR_S);
    cs_zone_unref(zone);
}

/* Forward at 10:00 and again at 11:30 local time, 29 minutes later. */
static void test_each_of_two_gaps_ends_at_its_own_transition(void)
{
    static const struct tzif_change changes[] = {{36000, 1}, {37740, 2}};
    struct tzif file = {'2', plain, changes, 4, 2, "", false};
    struct cs_zone *zone = load(&file);

    check_local(zone, 35999, CS_ZONE_UNIQUE, 35999, 35999);
    check_local(zone, 36000, CS_ZONE_GAP, 36000, 36000);
    check_local(zone, 39599, CS_ZONE_GAP, 36000, 36000);
    check_local(zone, 39600, CS_ZONE_UNIQUE, 36000, 36000);
    check_local(zone, 41339, CS_ZONE_UNIQUE, 37739, 37739);
    check_local(zone, 41340, CS_ZONE_GAP, 37740, 37740);
    check_local(zone, 44939, CS_ZONE_GAP, 37740, 37740);
    check_local(zone, 44940, CS_ZONE_UNIQUE, 37740, 37740);
    cs_zone_unref(zone);
}

/* An hour forward and, ten minutes later, back: only the first ten minutes of
 * the hour are a gap, since the clock shows the others after the way back;
 * and the ten minutes on the other side of the hour are seen twice. */
static void test_a_gap_may_be_followed_at_once_by_an_overlap(void)
{
    static const struct tzif_change changes[] = {{36000, 1}, {36600, 0}};
    struct tzif file = {'2', plain, changes, 4, 2, "", false};
    struct cs_zone *zone = load(&file);

    check_local(zone, 36000, CS_ZONE_GAP, 36000, 36000);
    check_local(zone, 36600, CS_ZONE_UNIQUE, 36600, 36600);
    check_local(zone, 39599, CS_ZONE_UNIQUE, 39599, 39599);
    check_local(zone, 39600, CS_ZONE_OVERLAP, 36000, 39600);
    check_local(zone, 40199, CS_ZONE_OVERLAP, 36599, 40199);
    check_local(zone, 40200, CS_ZONE_UNIQUE, 40200, 40200);
    cs_zone_unref(zone);
}

static void test_of_three_instants_the_first_and_the_last_are_told(void)
{
    static const struct tzif_type back[] = {{2 * HOUR_S, 0, 0},
                                            {HOUR_S, 0, 0}, {0, 0, 0}};
    static const struct tzif_change changes[] = {{36000, 1}, {37800, 2}};
    struct tzif file = {'2', back, changes, 3, 2, "", false};
    struct cs_zone *zone = load(&file);

    check_local(zone, 40000, CS_ZONE_OVERLAP, 32800, 40000);
    cs_zone_unref(zone);
}

static void test_local_times_at_the_end_of_the_numbers_are_safe(void)
{
    struct cs_zone *zone = load_rule("CET-1CEST,M3.5.0,M10.5.0/3");
    struct cs_zone_local local;

    cs_zone_from_local(zone, INT64_MIN, &local);
    CHECK_INT(local.kind, CS_ZONE_UNIQUE);
    cs_zone_from_local(zone, INT64_MAX, &local);
    CHECK_INT(local.kind, CS_ZONE_UNIQUE);
    cs_zone_unref(zone);
}

static void test_a_fixed_zone_is_one_span(void)
{
    struct cs_zone *zone = NULL;

    CHECK_INT(cs_zone_fixed(-86399, &zone, NULL), CS_OK);
    check_span(zone, YEAR_2026_S, INT64_MIN, INT64_MAX, -86399);
    check_local(zone, 1000, CS_ZONE_UNIQUE, 87399, 87399);
    cs_zone_unref(zone);
}

static void test_a_fixed_zone_of_a_day_is_refused(void)
{
    struct cs_zone *zone = NULL;
    struct cs_error error;

    CHECK_INT(cs_zone_fixed(86400, &zone, &error), CS_RANGE);
    CHECK_INT(cs_zone_fixed(-86400, &zone, &error), CS_RANGE);
    CHECK_INT(cs_zone_fixed(INT32_MIN, &zone, &error), CS_RANGE);
    CHECK(zone == NULL);
}

static void test_a_bad_footer_is_told_with_its_position(void)
{
    struct cs_zone *zone = NULL;
    struct cs_error error;
    size_t size = tzif_write_rule("CET-1CEST", bytes);

    CHECK_INT(cs_zone_load(bytes, size, &zone, &error), CS_ZONE);
    CHECK_TEXT(error.text, "not a time zone: in its footer, the date of a "
               "change is missing at byte 9");
    CHECK(zone == NULL);
}

static void test_bytes_that_are_no_zone_leave_the_result_alone(void)
{
    struct cs_zone *zone = NULL;

    CHECK_INT(cs_zone_load("", 0, &zone, NULL), CS_ZONE);
    CHECK_INT(cs_zone_load("TZif", 4, &zone, NULL), CS_ZONE);
    CHECK(zone == NULL);
}

static void test_a_zone_lives_as_long_as_its_last_reference(void)
{
    struct cs_zone *zone = load_rule("CET-1CEST,M3.5.0,M10.5.0/3");
    struct cs_zone *again = cs_zone_ref(zone);

    CHECK(again == zone);
    cs_zone_unref(zone);
    CHECK_INT(offset_at(again, YEAR_2026_S), HOUR_S);
    cs_zone_unref(again);
    cs_zone_unref(NULL);
}

static void *borrow_often(void *argument)
{
    struct cs_zone_span span;

    for (int i = 0; i < 10000; i++) {
        struct cs_zone *zone = cs_zone_ref(argument);

        cs_zone_span_at(zone, YEAR_2026_S, &span);
        cs_zone_unref(zone);
    }
    cs_zone_unref(argument);
    return NULL;
}

static void test_threads_share_a_zone_and_the_last_one_frees_it(void)
{
    struct cs_zone *zone = load_rule("CET-1CEST,M3.5.0,M10.5.0/3");
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(threads + i, NULL, borrow_often,
                                 cs_zone_ref(zone)), 0);
    cs_zone_unref(zone);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}

static void test_an_allocation_may_fail(void)
{
    size_t size = tzif_write_rule("CET-1CEST,M3.5.0,M10.5.0/3", bytes);
    struct cs_zone *zone = NULL;
    struct cs_error error;

    cs_mem_fail_after(0);
    CHECK_INT(cs_zone_load(bytes, size, &zone, &error), CS_NOMEM);
    CHECK_INT(cs_zone_fixed(0, &zone, &error), CS_NOMEM);
    CHECK(zone == NULL);
    cs_mem_fail_after(1);       /* only the room not needed stays */
    CHECK_INT(cs_zone_load(bytes, size, &zone, &error), CS_OK);
    cs_mem_fail_after(-1);
    check_span(zone, YEAR_2026_S, 1761440400, 1774746000, HOUR_S);
    cs_zone_unref(zone);
}

int main(void)
{
    test_gaps_and_overlaps_of_odd_zones_are_right_to_the_second();
    test_every_local_time_leads_back_to_its_instant();
    test_a_rule_holds_until_2200();
    test_daylight_time_may_last_all_year();
    test_the_first_type_holds_before_the_first_transition();
    test_without_a_rule_the_last_type_stays();
    test_what_happens_in_2200_is_not_told();
    test_transitions_before_1970_only_say_what_held_then();
    test_a_slim_and_a_fat_file_are_the_same_zone();
    test_a_rule_takes_over_after_the_last_transition();
    test_a_rule_that_disagrees_wins_from_the_last_transition();
    test_a_change_of_name_only_is_no_new_span();
    test_a_whole_day_may_be_missing();
    test_a_whole_day_may_come_twice();
    test_each_of_two_gaps_ends_at_its_own_transition();
    test_a_gap_may_be_followed_at_once_by_an_overlap();
    test_of_three_instants_the_first_and_the_last_are_told();
    test_local_times_at_the_end_of_the_numbers_are_safe();
    test_a_fixed_zone_is_one_span();
    test_a_fixed_zone_of_a_day_is_refused();
    test_a_bad_footer_is_told_with_its_position();
    test_bytes_that_are_no_zone_leave_the_result_alone();
    test_a_zone_lives_as_long_as_its_last_reference();
    test_threads_share_a_zone_and_the_last_one_frees_it();
    test_an_allocation_may_fail();
    return check_done();
}
