#include "check.h"
#include "core/zone/tzrule.h"

static const struct {
    const char *text;
    int year;
    int32_t standard_s, daylight_s;
    int64_t start_s, end_s;
} rules[] = {
    /* Zurich, New York, Auckland. */
    {"CET-1CEST,M3.5.0,M10.5.0/3", 2026, 3600, 7200, 1774746000, 1792890000},
    {"EST5EDT,M3.2.0,M11.1.0", 2026, -18000, -14400, 1772953200, 1793512800},
    {"NZST-12NZDT,M9.5.0,M4.1.0/3", 2026, 43200, 46800, 1790431200,
     1775311200},
    /* Dublin, where winter time is the "daylight" time. */
    {"IST-1GMT0,M10.5.0,M3.5.0/1", 2026, 3600, 0, 1792890000, 1774746000},
    /* Cairo ends at 24:00, Nuuk starts the evening before, Gaza at +50 h. */
    {"EET-2EEST,M4.5.5/0,M10.5.4/24", 2026, 7200, 10800, 1776981600,
     1793307600},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, -7200, -3600, 1774746000,
     1792890000},
    {"EET-2EEST,M3.4.4/50,M10.4.4/50", 2026, 7200, 10800, 1774656000,
     1792796400},
    /* Troll moves by two hours, Lord Howe by half of one. */
    {"<+00>0<+02>-2,M3.5.0/1,M10.5.0/3", 2026, 0, 7200, 1774746000,
     1792890000},
    {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2026, 37800, 39600, 1791041400,
     1775314800},
    /* All year: the end is the next start. */
    {"EST5EDT,0/0,J365/25", 2026, -18000, -14400, 1767243600, 1798779600},
    {"XXX3EDT4,0/0,J365/23", 2026, -10800, -14400, 1767236400, 1798772400},
    /* J59 is always 28 February and J60 always 1 March; 59 is not. */
    {"AAA0BBB,J60,J300", 2024, 0, 3600, 1709258400, 1729990800},
    {"AAA0BBB,J60,J300", 2023, 0, 3600, 1677636000, 1698368400},
    {"AAA0BBB,J59,J300", 2024, 0, 3600, 1709085600, 1729990800},
    {"AAA0BBB,59,300", 2024, 0, 3600, 1709172000, 1729990800},
    {"AAA0BBB,59,300", 2023, 0, 3600, 1677636000, 1698454800},
    /* Seconds, and the widest hours. */
    {"AAA-1:30:15BBB-3,M2.5.4/-167,M12.5.6/+167", 2024, 5415, 10800,
     1708558185, 1735934400},
};

static void test_a_rule_says_when_daylight_time_starts_and_ends(void)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        struct cs_tzrule rule;
        struct cs_error error;
        int64_t start_s, end_s;

        if (!CHECK_INT(cs_tzrule_parse(rules[i].text, strlen(rules[i].text),
                                       &rule, &error), CS_OK))
            continue;
        CHECK(rule.has_daylight);
        CHECK_INT(rule.standard_s, rules[i].standard_s);
        CHECK_INT(rule.daylight_s, rules[i].daylight_s);
        cs_tzrule_year(&rule, rules[i].year, &start_s, &end_s);
        CHECK_INT(start_s, rules[i].start_s);
        CHECK_INT(end_s, rules[i].end_s);
    }
}

static void test_a_rule_may_know_no_daylight_time(void)
{
    static const struct { const char *text; int32_t standard_s; } plain[] = {
        {"UTC0", 0}, {"<+0545>-5:45", 20700}, {"<-03>3", -10800},
        {"LMT-0:34:08", 2048}, {"MSK-3", 10800}, {"ABC+24:59:59", -89999},
    };

    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        struct cs_tzrule rule;

        CHECK_INT(cs_tzrule_parse(plain[i].text, strlen(plain[i].text),
                                  &rule, NULL), CS_OK);
        CHECK(!rule.has_daylight);
        CHECK_INT(rule.standard_s, plain[i].standard_s);
    }
}

static const struct {
    const char *text;
    enum cs_status status;
    int position;
} faults[] = {
    {"", CS_SYNTAX, 0},
    {"CE-1", CS_SYNTAX, 2},
    {"CET", CS_SYNTAX, 3},
    {"CET-", CS_SYNTAX, 4},
    {"CET-+1", CS_SYNTAX, 4},
    {":Europe/Zurich", CS_SYNTAX, 0},
    {"<+01-1", CS_SYNTAX, 6},
    {"<+01", CS_SYNTAX, 4},
    {"<+>-1", CS_SYNTAX, 2},
    {"CET25", CS_RANGE, 4},
    {"CET1:60", CS_RANGE, 6},
    {"CET1:00:60", CS_RANGE, 9},
    {"CET1:", CS_SYNTAX, 5},
    {"CET1x", CS_SYNTAX, 5},
    {"CET99999999999999999999", CS_RANGE, 4},
    {"CET-1CEST", CS_SYNTAX, 9},
    {"CET-1CEST,", CS_SYNTAX, 10},
    {"CET-1CEST,M3.5.0", CS_SYNTAX, 16},
    {"CET-1CEST,M3.5.0,", CS_SYNTAX, 17},
    {"CET-1CEST,M0.5.0,M10.5.0", CS_RANGE, 12},
    {"CET-1CEST,M13.5.0,M10.5.0", CS_RANGE, 12},
    {"CET-1CEST,M3.0.0,M10.5.0", CS_RANGE, 14},
    {"CET-1CEST,M3.6.0,M10.5.0", CS_RANGE, 13},
    {"CET-1CEST,M3.5.7,M10.5.0", CS_RANGE, 15},
    {"CET-1CEST,M3-5.0,M10.5.0", CS_SYNTAX, 12},
    {"CET-1CEST,M3.5,M10.5.0", CS_SYNTAX, 14},
    {"CET-1CEST,J0,J300", CS_RANGE, 12},
    {"CET-1CEST,J366,J300", CS_RANGE, 13},
    {"CET-1CEST,0,366", CS_RANGE, 14},
    {"CET-1CEST,M3.5.0/168,M10.5.0", CS_RANGE, 19},
    {"CET-1CEST,M3.5.0/,M10.5.0", CS_SYNTAX, 17},
    {"CET-1CEST,M3.5.0,M10.5.0/3 ", CS_SYNTAX, 26},
    {"CET-1CEST,M3.5.0,M10.5.0/3,", CS_SYNTAX, 26},
};

static void test_a_fault_has_a_position_and_leaves_the_result_alone(void)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        struct cs_tzrule rule = {.standard_s = 42};
        struct cs_error error;
        const char *text = faults[i].text;

        if (!CHECK_INT(cs_tzrule_parse(text, strlen(text), &rule, &error),
                       faults[i].status)
            || !CHECK_INT(error.position, faults[i].position))
            fprintf(stderr, "  in %s\n", text);
        CHECK_INT(rule.standard_s, 42);
        CHECK(error.text[0] != '\0');
    }
}

static void test_a_nul_is_no_end(void)
{
    struct cs_tzrule rule;

    CHECK_INT(cs_tzrule_parse("UTC0\0", 5, &rule, NULL), CS_SYNTAX);
    CHECK_INT(cs_tzrule_parse("UT\0C0", 5, &rule, NULL), CS_SYNTAX);
}

static void test_a_rule_of_thousands_of_bytes_is_refused(void)
{
    char text[2000];
    struct cs_tzrule rule;

    memset(text, 'A', sizeof(text));
    text[sizeof(text) - 1] = '0';
    CHECK_INT(cs_tzrule_parse(text, sizeof(text), &rule, NULL), CS_RANGE);
}

/* Every day of the week in every week of every month, against a walk over
 * the days of the month. */
static void test_month_rules_agree_with_a_calendar(void)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30,
                                  31, 31, 30, 31, 30, 31};
    struct cs_tzrule rule = {.has_daylight = true, .start = {.form = 'M'},
                             .end = {.form = 'J', .day = 1}};
    int64_t start_s, end_s, day = 19723;    /* 2024-01-01, a Monday */

    for (int month = 1; month <= 12; day += lengths[month++ - 1])
        for (int weekday = 0; weekday < 7; weekday++)
            for (int week = 1, d = 0; d < lengths[month - 1]; d++) {
                if ((day + d + 4) % 7 != weekday)
                    continue;
                rule.start.month = (int16_t)month;
                rule.start.day = (int16_t)weekday;
                rule.start.week = (int16_t)week++;
                cs_tzrule_year(&rule, 2024, &start_s, &end_s);
                CHECK_INT(start_s, (day + d) * 86400);
                rule.start.week = 5;
                cs_tzrule_year(&rule, 2024, &start_s, &end_s);
                CHECK((start_s == (day + d) * 86400)
                      == (d + 7 >= lengths[month - 1]));
            }
}

int main(void)
{
    test_a_rule_says_when_daylight_time_starts_and_ends();
    test_a_rule_may_know_no_daylight_time();
    test_a_fault_has_a_position_and_leaves_the_result_alone();
    test_a_nul_is_no_end();
    test_a_rule_of_thousands_of_bytes_is_refused();
    test_month_rules_agree_with_a_calendar();
    return check_done();
}
