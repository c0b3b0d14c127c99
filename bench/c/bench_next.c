/* What the next and the previous run cost, from one fixed instant again and
 * again and from 4096 instants spread over 2020 to 2035, which defeats the
 * branch predictor as a server's mixed jobs do.
 */
#include "bench.h"

#include <string.h>

#include "../../tests/c/test_zones.h"
#include "core/cron/next.h"

#define INSTANTS 4096
#define FROM_S INT64_C(1577836800)       /* 2020-01-01 */
#define STRETCH_S (16 * 31557600)
#define FIXED_S INT64_C(1781094896)      /* 2026-06-10T12:34:56Z */

struct question {
    struct cs_expr expr;
    const struct cs_zone *zone;
    int64_t after_s[INSTANTS];
};

static void ask_at_one_instant(struct question *question, int64_t after_s)
{
    for (size_t i = 0; i < INSTANTS; i++)
        question->after_s[i] = after_s;
}

static void ask_at_random(struct question *question)
{
    uint64_t state = 1;

    for (size_t i = 0; i < INSTANTS; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        question->after_s[i] = FROM_S + (int64_t)((state >> 33) % STRETCH_S);
    }
}

static uint64_t after(const void *context, size_t rounds)
{
    const struct question *question = context;
    uint64_t sum = 0;

    for (size_t i = 0; i < rounds; i++) {
        int64_t at = 0;

        (void)cs_next_after(&question->expr, question->zone,
                            question->after_s[i % INSTANTS], &at);
        sum += (uint64_t)at;
    }
    return sum;
}

static uint64_t before(const void *context, size_t rounds)
{
    const struct question *question = context;
    uint64_t sum = 0;

    for (size_t i = 0; i < rounds; i++) {
        int64_t at = 0;

        (void)cs_next_before(&question->expr, question->zone,
                             question->after_s[i % INSTANTS], &at);
        sum += (uint64_t)at;
    }
    return sum;
}

static uint64_t matches(const void *context, size_t rounds)
{
    const struct question *question = context;
    uint64_t sum = 0;

    for (size_t i = 0; i < rounds; i++)
        sum += cs_next_matches(&question->expr, question->zone,
                               question->after_s[i % INSTANTS]);
    return sum;
}

static void pose(struct question *question, const char *text,
                 const char *zone)
{
    if (cs_expr_parse(text, strlen(text), NULL, 0, &question->expr, NULL)
        != CS_OK)
        abort();
    question->zone = test_zone(zone);
}

static void run(const char *verb, bench_body *body, const char *text,
                const char *zone, const struct question *question,
                double reach_ns)
{
    char name[80];

    (void)snprintf(name, sizeof(name), "%s %s %s", verb, text, zone);
    bench_run(name, body, question, reach_ns);
}

static void measure(const char *text, const char *zone, double reach_ns)
{
    static struct question question;

    pose(&question, text, zone);
    ask_at_one_instant(&question, FIXED_S);
    run("next, fixed instant:", after, text, zone, &question, reach_ns);
    ask_at_random(&question);
    run("next, random instants:", after, text, zone, &question, reach_ns);
    run("previous, random:", before, text, zone, &question, 0);
    run("matches, random:", matches, text, zone, &question, 0);
    cs_zone_unref((struct cs_zone *)question.zone);
}

/* The longest ways: dates that are decades away, or do not exist. */
static void measure_worst(const char *text, const char *zone,
                          int64_t after_s, int64_t before_s)
{
    static struct question question;

    pose(&question, text, zone);
    ask_at_one_instant(&question, after_s);
    run("next:", after, text, zone, &question, 20000);
    ask_at_one_instant(&question, before_s);
    run("previous:", before, text, zone, &question, 20000);
    cs_zone_unref((struct cs_zone *)question.zone);
}

int main(void)
{
    measure("* * * * *", "UTC", 40);
    measure("*/10 12-20 ? DEC 3", "UTC", 100);
    measure("*/15 * * * *", "Zurich", 80);
    measure("30 2 * * *", "Zurich", 80);
    measure("0 9 * * MON#1", "Zurich", 0);
    measure_worst("0 0 29 2 +MON", "Zurich", INT64_C(2346000000),
                  INT64_C(3220000000));   /* 2044 and 2072 */
    measure_worst("0 0 30 2 *", "Zurich", 0, CS_ZONE_END_S);
    measure_worst("0 0 31 2,4,6,9,11 *", "Zurich", 0, CS_ZONE_END_S);
    measure_worst("*/5 0 31 2,4,6,9,11 *", "Zurich", 0, CS_ZONE_END_S);
    measure_worst("0 0 0 29 2 +MON 1970,2199", "Zurich", FIXED_S, FIXED_S);
    measure_worst("*/5 * * 1 1 ? 2199", "Zurich", FIXED_S, FIXED_S);
    measure_worst("* * * * * * 1970", "Zurich", FIXED_S, FIXED_S);
    return 0;
}
