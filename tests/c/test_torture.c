/* Each allocation fails in turn: the n-th and all after it for a while, or the
 * n-th alone, for every n until the story is told without a failure. Whatever
 * fails, nothing crashes, nothing leaks (the sanitizers see to that), and in
 * the end every run has been sent once.
 */
#include "core/sched/sched.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "core/base/mem.h"
#include "server.h"

#define S CS_NS_PER_S
#define MANUAL_S INT64_C(1767571200)   /* 2026-01-05T00:00:00Z */
#define HOURS 3
#define TRIES 100

static struct cs_zone *utc;
static struct server server;

/* What a story is told with: everything is tried again until it works. */
struct story {
    struct cs_sched *sched;
    uint64_t app, job, call;
    int sent, ended, failures;
};

static bool must(struct story *story, enum cs_status status)
{
    if (status == CS_OK)
        return true;
    CHECK_INT(status, CS_NOMEM);
    story->failures++;
    cs_mem_fail_after(-1);   /* memory is back */
    return false;
}

static bool make(struct story *story)
{
    struct cs_sched_options options = {
        .manual = true, .manual_wall = {MANUAL_S * S}, .events = 64,
    };

    return must(story, cs_sched_new(&options, &story->sched, NULL));
}

static bool open_app(struct story *story)
{
    static const uint8_t key[CS_KEY_SIZE] = "key";

    return must(story, cs_sched_open(story->sched, "a", key, &story->app,
                                     NULL));
}

static bool define(struct story *story)
{
    struct cs_policy policy;
    struct cs_expr expr;

    if (cs_expr_parse("0 * * * *", 9, NULL, 0, &expr, NULL) != CS_OK)
        abort();
    cs_policy_default(&policy);
    policy.claims = false;   /* so that further attempts are made here */
    policy.retries = 5;
    policy.catch_up_s = -1;
    return must(story, cs_sched_define(story->sched, "job", &expr, utc,
                                       &policy, &story->job, NULL));
}

static bool add(struct story *story)
{
    struct cs_call_spec spec = {
        .app = story->app, .job = story->job, .url = "http://x/",
        .due = {-1},
    };

    return must(story, cs_sched_add(story->sched, &spec, &story->call, NULL));
}

static void read_events(struct story *story)
{
    struct cs_event event;

    while (cs_sched_events(story->sched, &event, 1, 0)) {
        story->ended += event.kind == CS_EVENT_ENDED;
        if (event.kind == CS_EVENT_ENDED)
            CHECK_INT(event.outcome, CS_OUTCOME_OK);
        cs_event_fini(&event);
    }
}

/* Take what there is and answer it; the first attempt of each run fails. */
static bool deliver(struct story *story)
{
    struct cs_delivery_out delivery;
    struct cs_result result = {
        .delivery = CS_ANSWERED, .status = 200, .retry_after_s = -1,
        .outcome = "", .detail = "",
    };
    enum cs_status status = cs_sched_take(story->sched, &delivery);

    if (status == CS_NONE)
        return true;
    if (!must(story, status))
        return false;
    if (delivery.attempt.attempt == 1) {
        result.status = 500;
        result.detail = "at first";
    } else
        story->sent++;
    CHECK(delivery.attempt.attempt <= 2);
    cs_sched_complete(story->sched, delivery.attempt.run, &result);
    cs_sched_delivery_fini(&delivery);
    return false;
}

/* An hour passes; what comes back and fails is tried again. */
static void play_hour(struct story *story, int hour)
{
    int tries;

    for (tries = 0; tries < TRIES && story->sent <= hour; tries++) {
        int64_t idle_ns = cs_sched_idle_ns(story->sched);

        CHECK(idle_ns != INT64_MAX);
        CHECK_INT(cs_sched_advance(story->sched, idle_ns, 0), CS_OK);
        while (!deliver(story))
            ;
        /* Nothing is ready to be sent, and yet it is not to sleep. */
        if (idle_ns == 0 && cs_sched_idle_ns(story->sched) == 0) {
            story->failures++;
            cs_mem_fail_after(-1);
        }
        read_events(story);
    }
    CHECK_INT(story->sent, hour + 1);
}

static int tell_story(void)
{
    struct story story = {0};
    int hour;

    while (!make(&story) || !story.sched)
        ;
    while (!open_app(&story))
        ;
    while (!define(&story))
        ;
    while (!add(&story))
        ;
    for (hour = 0; hour < HOURS; hour++)
        play_hour(&story, hour);
    CHECK_INT(story.ended, HOURS);
    cs_mem_fail_after(-1);
    cs_sched_free(story.sched);
    return story.failures;
}

static void test_any_allocation_may_fail(void)
{
    long n;

    for (n = 0; n < 10000; n++) {
        int failures;

        cs_mem_fail_after(n);
        failures = tell_story();
        if (!failures)
            break;
    }
    CHECK(n > 15 && n < 10000);
    fprintf(stderr, "by hand: %ld allocations, each failed once\n", n);
}

/* -- the same with the thread --------------------------------------------- */

static bool start(struct story *story)
{
    return must(story, cs_sched_start(story->sched, NULL));
}

static bool make_real(struct story *story)
{
    struct cs_sched_options options = {.events = 64};

    return must(story, cs_sched_new(&options, &story->sched, NULL));
}

static bool define_once(struct story *story)
{
    struct cs_policy policy;
    struct cs_expr expr;

    if (cs_expr_parse("0 0 1 1 *", 9, NULL, 0, &expr, NULL) != CS_OK)
        abort();
    cs_policy_default(&policy);
    policy.once = true;
    policy.claims = false;
    policy.retries = 50;
    policy.backoff_ms = 1;
    return must(story, cs_sched_define(story->sched, "job", &expr, utc,
                                       &policy, &story->job, NULL));
}

static bool add_due(struct story *story)
{
    struct cs_call_spec spec = {
        .app = story->app, .job = story->job, .due = {0},
        .url = server_url(&server, "/status/200"),
    };

    return must(story, cs_sched_add(story->sched, &spec, &story->call, NULL));
}

/* Until the run has ended; memory comes back after a few milliseconds. */
static void await_end(struct story *story)
{
    struct cs_event event;
    int tries;

    /* Longer than a connection may take, and shorter than a sleep of which
     * nobody is woken. */
    for (tries = 0; tries < 3000 && !story->ended; tries++) {
        if (tries == 1)
            cs_mem_fail_after(-1);
        if (!cs_sched_events(story->sched, &event, 1, 10))
            continue;
        story->failures += event.kind == CS_EVENT_RETRY;
        story->ended += event.kind == CS_EVENT_ENDED;
        if (event.kind == CS_EVENT_ENDED)
            CHECK_INT(event.outcome, CS_OUTCOME_OK);
        cs_event_fini(&event);
    }
    CHECK_INT(story->ended, 1);
}

static void tell_real_story(void)
{
    struct story story = {0};

    while (!make_real(&story))
        ;
    while (!start(&story))
        ;
    while (!open_app(&story))
        ;
    while (!define_once(&story))
        ;
    while (!add_due(&story))
        ;
    await_end(&story);
    cs_mem_fail_after(-1);
    cs_sched_free(story.sched);
}

static void test_any_allocation_of_the_thread_may_fail(void)
{
    int requests = server.log->count;
    long n;

    for (n = 0; n < 40; n++) {
        cs_mem_fail_after(n);
        tell_real_story();
    }
    CHECK_INT(server.log->count, requests + 40);
}

int main(void)
{
    if (cs_zone_fixed(0, &utc, NULL) != CS_OK)
        return 1;
    server_start(&server, NULL);
    test_any_allocation_may_fail();
    test_any_allocation_of_the_thread_may_fail();
    server_stop(&server);
    cs_zone_unref(utc);
    return check_done();
}
